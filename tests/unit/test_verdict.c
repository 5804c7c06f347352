/* test_verdict.c - what answers mean, as tables. */
#include <check.h>
#include <stdlib.h>

#include "callbackd/verdict.h"

#define NOW_MS INT64_C(1700000000000) /* Tue, 14 Nov 2023 22:13:20 GMT */
#define CENTURY_MS INT64_C(3155760000000)

struct run_case {
	enum job_error transport;
	int status;
	enum verdict verdict;
	enum job_error error;
};

static const struct run_case runs[] = {
	{ ERROR_NONE, 200, VERDICT_SUCCESS, ERROR_NONE },
	{ ERROR_NONE, 204, VERDICT_SUCCESS, ERROR_NONE },
	{ ERROR_NONE, 299, VERDICT_SUCCESS, ERROR_NONE },
	{ ERROR_NONE, 301, VERDICT_FINAL, ERROR_REDIRECT },
	{ ERROR_NONE, 304, VERDICT_FINAL, ERROR_REDIRECT },
	{ ERROR_NONE, 400, VERDICT_FINAL, ERROR_STATUS_4XX },
	{ ERROR_NONE, 404, VERDICT_FINAL, ERROR_STATUS_4XX },
	{ ERROR_NONE, 408, VERDICT_RETRY, ERROR_STATUS_4XX },
	{ ERROR_NONE, 410, VERDICT_FINAL, ERROR_STATUS_4XX },
	{ ERROR_NONE, 425, VERDICT_RETRY, ERROR_STATUS_4XX },
	{ ERROR_NONE, 429, VERDICT_RETRY, ERROR_STATUS_4XX },
	{ ERROR_NONE, 500, VERDICT_RETRY, ERROR_STATUS_5XX },
	{ ERROR_NONE, 503, VERDICT_RETRY, ERROR_STATUS_5XX },
	{ ERROR_NONE, 599, VERDICT_RETRY, ERROR_STATUS_5XX },
	{ ERROR_NONE, 0, VERDICT_FINAL, ERROR_BAD_RESPONSE },
	{ ERROR_NONE, 101, VERDICT_FINAL, ERROR_BAD_RESPONSE },
	{ ERROR_NONE, 600, VERDICT_FINAL, ERROR_BAD_RESPONSE },
	{ ERROR_NONE, -1, VERDICT_FINAL, ERROR_BAD_RESPONSE },
	{ ERROR_DNS_FAILED, 0, VERDICT_RETRY, ERROR_DNS_FAILED },
	{ ERROR_REFUSED, 0, VERDICT_RETRY, ERROR_REFUSED },
	{ ERROR_CONNECT_TIMEOUT, 0, VERDICT_RETRY, ERROR_CONNECT_TIMEOUT },
	{ ERROR_RESET, 0, VERDICT_RETRY, ERROR_RESET },
	{ ERROR_RESET, 200, VERDICT_RETRY, ERROR_RESET },
	{ ERROR_TIMEOUT_HEADERS, 0, VERDICT_RETRY, ERROR_TIMEOUT_HEADERS },
	{ ERROR_TIMEOUT_BODY, 200, VERDICT_RETRY, ERROR_TIMEOUT_BODY },
	{ ERROR_BAD_RESPONSE, 0, VERDICT_RETRY, ERROR_BAD_RESPONSE },
	{ ERROR_INTERRUPTED, 0, VERDICT_RETRY, ERROR_INTERRUPTED },
	{ ERROR_INTERNAL, 0, VERDICT_RETRY, ERROR_INTERNAL },
	{ ERROR_TLS_FAILED, 0, VERDICT_FINAL, ERROR_TLS_FAILED },
	{ ERROR_TARGET_DENIED, 0, VERDICT_FINAL, ERROR_TARGET_DENIED },
	{ ERROR_TOO_LARGE, 200, VERDICT_FINAL, ERROR_TOO_LARGE },
	{ ERROR_EXPIRED, 0, VERDICT_FINAL, ERROR_EXPIRED },
	{ ERROR_CANCELLED, 0, VERDICT_FINAL, ERROR_CANCELLED },
};

START_TEST(a_run_is_judged_by_its_answer_or_the_lack_of_one)
{
	const struct run_case *row = &runs[_i];
	enum job_error error = ERROR_INTERNAL;
	enum verdict verdict = verdict_of_run(row->transport, row->status,
	    &error);
	ck_assert_msg(verdict == row->verdict && error == row->error,
	    "%s with status %d: verdict %d, error %s",
	    job_error_name(row->transport), row->status, (int)verdict,
	    job_error_name(error));
}
END_TEST

/* What at-most-once may try again. */
static const struct {
	enum job_error error;
	int status;
	bool never_began;
} beginnings[] = {
	{ ERROR_DNS_FAILED, 0, true },
	{ ERROR_REFUSED, 0, true },
	{ ERROR_CONNECT_TIMEOUT, 0, true },
	{ ERROR_STATUS_4XX, 425, true },
	{ ERROR_STATUS_4XX, 429, true },
	{ ERROR_STATUS_5XX, 503, true },
	{ ERROR_STATUS_4XX, 408, false },
	{ ERROR_STATUS_4XX, 400, false },
	{ ERROR_STATUS_5XX, 500, false },
	{ ERROR_STATUS_5XX, 502, false },
	{ ERROR_STATUS_5XX, 504, false },
	{ ERROR_RESET, 0, false },
	{ ERROR_TIMEOUT_HEADERS, 0, false },
	{ ERROR_TIMEOUT_BODY, 0, false },
	{ ERROR_BAD_RESPONSE, 0, false },
	{ ERROR_INTERRUPTED, 0, false },
	{ ERROR_INTERNAL, 0, false },
	{ ERROR_COMMAND_FAILED, 0, false },
	{ ERROR_LEASE_EXPIRED, 0, false },
	{ ERROR_NONE, 200, false },
};

START_TEST(only_some_outcomes_show_that_the_work_was_not_begun)
{
	bool never_began = verdict_never_began(beginnings[_i].error,
	    beginnings[_i].status);

	ck_assert_msg(never_began == beginnings[_i].never_began,
	    "%s with status %d", job_error_name(beginnings[_i].error),
	    beginnings[_i].status);
}
END_TEST

struct delivery_case {
	enum job_error transport;
	int status;
	const char *word; /* webhook-delivery */
	enum verdict verdict;
	enum job_error error;
};

static const struct delivery_case deliveries[] = {
	{ ERROR_NONE, 200, NULL, VERDICT_SUCCESS, ERROR_NONE },
	{ ERROR_NONE, 202, NULL, VERDICT_SUCCESS, ERROR_NONE },
	{ ERROR_NONE, 200, "disable", VERDICT_SUCCESS, ERROR_NONE },
	{ ERROR_NONE, 302, NULL, VERDICT_RETRY, ERROR_REDIRECT },
	{ ERROR_NONE, 404, NULL, VERDICT_RETRY, ERROR_STATUS_4XX },
	{ ERROR_NONE, 410, NULL, VERDICT_FINAL, ERROR_GONE },
	{ ERROR_NONE, 410, "disable", VERDICT_FINAL, ERROR_GONE },
	{ ERROR_NONE, 400, "abort-message", VERDICT_FINAL,
	    ERROR_ABORTED_BY_RECEIVER },
	{ ERROR_NONE, 500, "Disable", VERDICT_FINAL,
	    ERROR_ABORTED_BY_RECEIVER },
	{ ERROR_NONE, 500, "retry", VERDICT_RETRY, ERROR_STATUS_5XX },
	{ ERROR_NONE, 500, "", VERDICT_RETRY, ERROR_STATUS_5XX },
	{ ERROR_NONE, 700, NULL, VERDICT_RETRY, ERROR_BAD_RESPONSE },
	{ ERROR_TOO_LARGE, 200, NULL, VERDICT_SUCCESS, ERROR_NONE },
	{ ERROR_TOO_LARGE, 410, NULL, VERDICT_FINAL, ERROR_GONE },
	{ ERROR_TOO_LARGE, 0, NULL, VERDICT_RETRY, ERROR_TOO_LARGE },
	{ ERROR_RESET, 200, NULL, VERDICT_RETRY, ERROR_RESET },
	{ ERROR_TIMEOUT_BODY, 200, NULL, VERDICT_RETRY, ERROR_TIMEOUT_BODY },
	{ ERROR_TLS_FAILED, 0, NULL, VERDICT_RETRY, ERROR_TLS_FAILED },
	{ ERROR_TARGET_DENIED, 0, NULL, VERDICT_RETRY, ERROR_TARGET_DENIED },
	{ ERROR_DNS_FAILED, 0, NULL, VERDICT_RETRY, ERROR_DNS_FAILED },
};

START_TEST(a_delivery_is_retried_unless_the_receiver_says_never_again)
{
	const struct delivery_case *row = &deliveries[_i];
	enum job_error error = ERROR_INTERNAL;
	enum verdict verdict = verdict_of_delivery(row->transport, row->status,
	    row->word, &error);
	ck_assert_msg(verdict == row->verdict && error == row->error,
	    "%s with status %d and %s: verdict %d, error %s",
	    job_error_name(row->transport), row->status,
	    row->word ? row->word : "nothing", (int)verdict,
	    job_error_name(error));
}
END_TEST

struct wait_case {
	const char *headers;
	int status;
	int64_t wait_ms;
};

static const struct wait_case waits[] = {
	{ NULL, 503, -1 },
	{ "", 503, -1 },
	{ "Content-Type: text/plain\n", 503, -1 },
	{ "Retry-After: 120\n", 503, 120000 },
	{ "retry-after: 0\n", 429, 0 },
	{ "A: b\nRETRY-AFTER: 7\n", 500, 7000 },
	{ "Retry-After: 5\n", 302, 5000 },
	{ "Retry-After: 1.25\n", 429, 1250 },
	{ "Retry-After: 1.\n", 429, -1 },
	{ "Retry-After: 5x\n", 429, -1 },
	{ "Retry-After: .5\n", 429, -1 },
	{ "Retry-After: -5\n", 429, -1 },
	{ "Retry-After: \n", 429, -1 },
	{ "Retry-After: soon\n", 429, -1 },
	{ "Retry-After: 99999999999999999999999999\n", 429, CENTURY_MS },
	{ "Retry-After: 20261021\n", 429, INT64_C(20261021000) },
	{ "Retry-After: Tue, 14 Nov 2023 22:13:50 GMT\n", 503, 30000 },
	{ "Retry-After: Tuesday, 14-Nov-23 22:13:50 GMT\n", 503, 30000 },
	{ "Retry-After: Tue Nov 14 22:13:50 2023\n", 503, 30000 },
	{ "Retry-After: Tue, 14 Nov 2023 22:13:00 GMT\n", 503, 0 },
	{ "Retry-After: Tue, 14 Nov 2023 22:13:50 GMT and a great deal of text "
	  "that is no date\n",
	    503, -1 },
	{ "RateLimit: \"default\";r=0;t=30\n", 429, 30000 },
	{ "RateLimit: \"default\";r=0;t=30\n", 503, 30000 },
	{ "RateLimit: \"default\";r=0;t=30\n", 500, -1 },
	{ "RateLimit: \"default\";r=50;t=30\n", 429, -1 },
	{ "RateLimit: \"burst\";r=9;t=90, \"day\";r=0;t=60\n", 429, 60000 },
	{ "RateLimit: \"a\";r=0;t=1, \"b\";t=2;r=0\n", 429, 2000 },
	{ "RateLimit: \"x;t=9,\\\"y\";r=0;t=3\n", 429, 3000 },
	{ "RateLimit: \"unclosed;r=0;t=3\n", 429, -1 },
	{ "RateLimit: limit=10, remaining=0, reset=30\n", 429, 30000 },
	{ "RateLimit: limit=10,remaining=0,reset=4;x=y\n", 429, 4000 },
	{ "RateLimit: ,;=,t=,r=;;t\n", 429, -1 },
	{ "RateLimit: default;r=0;t=1700000010\n", 429, 10000 },
	{ "RateLimit-Reset: 12\n", 429, 12000 },
	{ "X-RateLimit-Reset: 12\n", 429, 12000 },
	{ "X-RateLimit-Reset: 12\n", 200, -1 },
	{ "X-RateLimit-Reset: 1000000000\n", 429, INT64_C(1000000000000) },
	{ "X-RateLimit-Reset: 1700000042\n", 429, 42000 },
	{ "X-RateLimit-Reset: 1700000042.5\n", 503, 42500 },
	{ "X-RateLimit-Reset: 1600000000\n", 429, 0 },
	{ "X-RateLimit-Reset: tomorrow\n", 429, -1 },
	{ "X-RateLimit-Reset: 9\nRetry-After: 3\n", 429, 3000 },
	{ "X-RateLimit-Reset: 9\nRetry-After: ?\n", 429, 9000 },
	{ "X-RateLimit-Reset: 9\nRateLimit: \"d\";r=0;t=5\n", 429, 5000 },
};

START_TEST(a_peer_is_given_the_time_it_asks_for)
{
	const struct wait_case *row = &waits[_i];
	int64_t wait_ms = verdict_asked_wait_ms(row->headers, row->status,
	    NOW_MS);
	ck_assert_msg(wait_ms == row->wait_ms, "status %d, %s: %lld",
	    row->status, row->headers ? row->headers : "no headers",
	    (long long)wait_ms);
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof(table[0]))

int
main(void)
{
	Suite *suite = suite_create("verdict");
	TCase *cases = tcase_create("verdict");
	tcase_add_loop_test(cases,
	    a_run_is_judged_by_its_answer_or_the_lack_of_one, 0, ROWS(runs));
	tcase_add_loop_test(cases,
	    only_some_outcomes_show_that_the_work_was_not_begun, 0,
	    ROWS(beginnings));
	tcase_add_loop_test(cases,
	    a_delivery_is_retried_unless_the_receiver_says_never_again, 0,
	    ROWS(deliveries));
	tcase_add_loop_test(cases, a_peer_is_given_the_time_it_asks_for, 0,
	    ROWS(waits));
	suite_add_tcase(suite, cases);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
