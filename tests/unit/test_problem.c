/* test_problem.c - refusals, to the byte. */
#include <check.h>
#include <string.h>

#include "callbackd/problem.h"

START_TEST(a_problem_is_written_after_rfc_9457)
{
	struct buf out;
	buf_init(&out, 1000);
	ck_assert(problem_text(&out, 503, "queue-full", "400 of 400 \"x\""));
	ck_assert_str_eq(buf_text(&out),
	    "{\"type\":\"urn:callbackd:problem:queue-full\","
	    "\"title\":\"Service Unavailable\",\"status\":503,"
	    "\"detail\":\"400 of 400 \\\"x\\\"\"}");
	buf_free(&out);
}
END_TEST

START_TEST(a_problem_without_detail_has_none)
{
	struct buf out;
	buf_init(&out, 1000);
	ck_assert(problem_text(&out, 404, "not-found", NULL));
	ck_assert_str_eq(buf_text(&out),
	    "{\"type\":\"urn:callbackd:problem:not-found\","
	    "\"title\":\"Not Found\",\"status\":404}");
	buf_free(&out);
}
END_TEST

START_TEST(a_problem_that_does_not_fit_is_told)
{
	struct buf out;
	buf_init(&out, 20);
	ck_assert(!problem_text(&out, 404, "not-found", NULL));
	buf_free(&out);
}
END_TEST

START_TEST(every_status_has_a_reason)
{
	for (int status = -1; status < 1200; status++)
		ck_assert_str_ne(status_reason(status), "");
	ck_assert_str_eq(status_reason(100), "Continue");
	ck_assert_str_eq(status_reason(200), "OK");
	ck_assert_str_eq(status_reason(202), "Accepted");
	ck_assert_str_eq(status_reason(429), "Too Many Requests");
	ck_assert_str_eq(status_reason(511), "Network Authentication Required");
	ck_assert_str_eq(status_reason(299), "Success");
	ck_assert_str_eq(status_reason(499), "Client Error");
	ck_assert_str_eq(status_reason(599), "Server Error");
	ck_assert_str_eq(status_reason(0), "Unknown");
}
END_TEST

START_TEST(what_took_too_long_is_a_gateway_timeout)
{
	ck_assert_int_eq(problem_status_of(ERROR_TIMEOUT_HEADERS), 504);
	ck_assert_int_eq(problem_status_of(ERROR_CONNECT_TIMEOUT), 504);
	ck_assert_int_eq(problem_status_of(ERROR_EXPIRED), 504);
	ck_assert_int_eq(problem_status_of(ERROR_REFUSED), 502);
	ck_assert_int_eq(problem_status_of(ERROR_TOO_LARGE), 502);
	ck_assert_int_eq(problem_status_of(ERROR_CANCELLED), 410);
	ck_assert_int_eq(problem_status_of(ERROR_INTERNAL), 500);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("problem");
	TCase *cases = tcase_create("problem");
	tcase_add_test(cases, a_problem_is_written_after_rfc_9457);
	tcase_add_test(cases, a_problem_without_detail_has_none);
	tcase_add_test(cases, a_problem_that_does_not_fit_is_told);
	tcase_add_test(cases, every_status_has_a_reason);
	tcase_add_test(cases, what_took_too_long_is_a_gateway_timeout);
	suite_add_tcase(suite, cases);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
