/* test_poll.c - when an upstream is asked again, as tables. */
#include <check.h>
#include <stdlib.h>

#include "callbackd/poll.h"

#define MIDDLE 0x7fffffffu /* dice that do not move a wait */

/* ---- steps ---- */

static const struct step {
	const char *name;
	struct poll_answer answer; /* is_first, was_sent, transport, status,
	                            * has_location */
	enum poll_step step;
} steps[] = {
	{ "taken", { true, false, ERROR_NONE, 202, true }, POLL_WAITS },
	{ "202 without a place", { true, false, ERROR_NONE, 202, false },
	    POLL_ENDS },
	{ "201", { true, false, ERROR_NONE, 201, true }, POLL_ENDS },
	{ "200", { true, false, ERROR_NONE, 200, false }, POLL_ENDS },
	{ "a first redirect", { true, false, ERROR_NONE, 303, true },
	    POLL_ENDS },
	{ "busy", { true, false, ERROR_NONE, 503, true }, POLL_ENDS },
	{ "unreached", { true, false, ERROR_REFUSED, 0, false }, POLL_ENDS },
	{ "a cut 202", { true, false, ERROR_RESET, 202, true }, POLL_ENDS },

	{ "at work", { false, false, ERROR_NONE, 202, false }, POLL_WAITS },
	{ "at work elsewhere", { false, false, ERROR_NONE, 202, true },
	    POLL_WAITS },
	{ "done", { false, false, ERROR_NONE, 200, false }, POLL_ENDS },
	{ "done with a place", { false, false, ERROR_NONE, 201, true },
	    POLL_ENDS },
	{ "done without content", { false, false, ERROR_NONE, 204, false },
	    POLL_ENDS },
	{ "see other", { false, false, ERROR_NONE, 303, true }, POLL_MOVES },
	{ "found", { false, false, ERROR_NONE, 302, true }, POLL_MOVES },
	{ "moved", { false, false, ERROR_NONE, 301, true }, POLL_MOVES },
	{ "temporarily", { false, false, ERROR_NONE, 307, true }, POLL_MOVES },
	{ "for ever", { false, false, ERROR_NONE, 308, true }, POLL_MOVES },
	{ "not modified", { false, false, ERROR_NONE, 304, true }, POLL_ENDS },
	{ "choices", { false, false, ERROR_NONE, 300, true }, POLL_ENDS },
	{ "nowhere", { false, false, ERROR_NONE, 303, false }, POLL_ENDS },
	{ "sent twice", { false, true, ERROR_NONE, 302, true }, POLL_ENDS },
	{ "sent, at work", { false, true, ERROR_NONE, 202, false },
	    POLL_WAITS },
	{ "sent, busy", { false, true, ERROR_NONE, 503, false }, POLL_WAITS },
	{ "vanished", { false, false, ERROR_NONE, 404, false }, POLL_ENDS },
	{ "gone", { false, false, ERROR_NONE, 410, false }, POLL_ENDS },
	{ "not allowed", { false, false, ERROR_NONE, 401, true }, POLL_ENDS },
	{ "too many", { false, false, ERROR_NONE, 429, false }, POLL_WAITS },
	{ "too early", { false, false, ERROR_NONE, 425, false }, POLL_WAITS },
	{ "too slow", { false, false, ERROR_NONE, 408, false }, POLL_WAITS },
	{ "broken", { false, false, ERROR_NONE, 500, false }, POLL_WAITS },
	{ "no way through", { false, false, ERROR_NONE, 502, true },
	    POLL_WAITS },
	{ "restarting", { false, false, ERROR_REFUSED, 0, false }, POLL_WAITS },
	{ "no name", { false, false, ERROR_DNS_FAILED, 0, false }, POLL_WAITS },
	{ "reset", { false, false, ERROR_RESET, 200, true }, POLL_WAITS },
	{ "no answer", { false, false, ERROR_TIMEOUT_HEADERS, 0, false },
	    POLL_WAITS },
	{ "ours", { false, false, ERROR_INTERNAL, 0, false }, POLL_WAITS },
	{ "too large", { false, false, ERROR_TOO_LARGE, 200, false },
	    POLL_ENDS },
	{ "no trust", { false, false, ERROR_TLS_FAILED, 0, false }, POLL_ENDS },
	{ "denied", { false, false, ERROR_TARGET_DENIED, 0, false },
	    POLL_ENDS },
};

START_TEST(each_answer_has_its_step)
{
	const struct step *row = &steps[_i];
	enum poll_step step = poll_step_after(&row->answer);

	ck_assert_msg(step == row->step, "%s: %d", row->name, (int)step);
}
END_TEST

/* ---- waits ---- */

static const struct backoff patience = { 1000, 60000, 2.0 };

static const struct wait {
	const char *name;
	struct poll_facts facts; /* asked_count, asked_ms, left_ms,
	                          * timeout_ms */
	int64_t wait_ms;         /* -1: no time */
	bool is_last;
} waits[] = {
	{ "the first", { 1, -1, 299000, 300000 }, 1000, false },
	{ "the third", { 3, -1, 299000, 300000 }, 4000, false },
	{ "one of many", { 100, -1, 299000, 300000 }, 60000, false },
	{ "asked", { 1, 5000, 299000, 300000 }, 5000, false },
	{ "asked again", { 100, 5000, 299000, 300000 }, 5000, false },
	{ "asked for more than a minute", { 1, 200000, 299000, 300000 }, 200000,
	    false },
	{ "at once", { 9, 0, 299000, 300000 }, 1000, false },
	{ "soon", { 9, 20, 299000, 300000 }, 1000, false },
	{ "just in time", { 1, 297000, 299000, 300000 }, 297000, false },
	{ "a little late", { 1, 297001, 299000, 300000 }, 297000, true },
	{ "next year", { 1, INT64_C(31536000000), 299000, 300000 }, 297000,
	    true },
	{ "backoff beyond the end", { 100, -1, 30000, 300000 }, 28000, true },
	{ "an instant left", { 1, -1, 2001, 300000 }, 1, true },
	{ "nothing left", { 1, -1, 2000, 300000 }, -1, false },
	{ "late", { 1, -1, -5, 300000 }, -1, false },
	{ "a short run", { 1, -1, 1000, 1000 }, 900, true },
	{ "a very short run", { 1, -1, 5, 9 }, 5, true },
	{ "no run at all", { 1, -1, 0, 1 }, -1, false },
};

START_TEST(each_wait_fits_into_the_run)
{
	const struct wait *row = &waits[_i];
	int64_t wait_ms = -1;
	bool is_last = false;
	bool again = poll_wait_ms(&patience, &row->facts, MIDDLE, &wait_ms,
	    &is_last);

	ck_assert_msg(again == (row->wait_ms >= 0), "%s", row->name);
	ck_assert_msg(wait_ms == row->wait_ms && is_last == row->is_last,
	    "%s: %lld ms%s", row->name, (long long)wait_ms,
	    is_last ? ", the last" : "");
}
END_TEST

START_TEST(what_the_upstream_asks_for_is_not_spread)
{
	const struct poll_facts facts = { 7, 5000, 299000, 300000 };
	int64_t wait_ms;
	bool is_last;

	for (uint64_t dice = 0; dice <= UINT32_MAX; dice += UINT32_MAX / 15) {
		ck_assert(poll_wait_ms(&patience, &facts, (uint32_t)dice,
		    &wait_ms, &is_last));
		ck_assert_int_eq(wait_ms, 5000);
	}
}
END_TEST

START_TEST(our_own_waits_are_spread)
{
	const struct poll_facts facts = { 1, -1, 299000, 300000 };
	int64_t soonest_ms, latest_ms;
	bool is_last;

	ck_assert(poll_wait_ms(&patience, &facts, 0, &soonest_ms, &is_last));
	ck_assert(
	    poll_wait_ms(&patience, &facts, UINT32_MAX, &latest_ms, &is_last));
	ck_assert_int_eq(soonest_ms, 800);
	ck_assert_int_eq(latest_ms, 1200);
}
END_TEST

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

int
main(void)
{
	Suite *suite = suite_create("poll");
	TCase *group = tcase_create("poll");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, group);
	tcase_add_loop_test(group, each_answer_has_its_step, 0, ROWS(steps));
	tcase_add_loop_test(group, each_wait_fits_into_the_run, 0, ROWS(waits));
	tcase_add_test(group, what_the_upstream_asks_for_is_not_spread);
	tcase_add_test(group, our_own_waits_are_spread);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
