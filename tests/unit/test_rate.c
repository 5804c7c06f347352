/* test_rate.c - how often, lately: checked against rates that are known. */
#include <check.h>
#include <stdlib.h>

#include "callbackd/rate.h"

#define START_MS 1000000

/* count events, one every gap_ms; returns the moment of the last. */
static int64_t
happen(struct rate *rate, int count, int64_t gap_ms, int64_t now_ms)
{
	for (int i = 0; i < count; i++) {
		now_ms += gap_ms;
		rate_add(rate, 1, now_ms);
	}
	return now_ms;
}

START_TEST(zeroed_memory_is_a_rate_of_nothing)
{
	struct rate rate = { 0 };

	ck_assert_double_eq(rate_per_s(&rate, START_MS), 0);
	ck_assert_double_eq(rate_per_s(&rate, 0), 0);
}
END_TEST

static const struct {
	int64_t gap_ms;
	double per_s;
} steady[] = { { 1, 1000 }, { 10, 100 }, { 100, 10 }, { 1000, 1 },
	{ 5000, 0.2 } };

START_TEST(a_steady_rate_is_what_it_is)
{
	struct rate rate = { 0 };
	int count = (int)(120000 / steady[_i].gap_ms);
	int64_t now_ms = happen(&rate, count, steady[_i].gap_ms, START_MS);

	/* Asked between two events, as chance would. */
	now_ms += steady[_i].gap_ms / 2;
	ck_assert_double_eq_tol(rate_per_s(&rate, now_ms), steady[_i].per_s,
	    steady[_i].per_s * 0.05);
}
END_TEST

START_TEST(a_young_rate_is_neither_endless_nor_nothing)
{
	struct rate rate = { 0 };

	rate_add(&rate, 1, START_MS);
	ck_assert_double_gt(rate_per_s(&rate, START_MS), 0);
	ck_assert_double_le(rate_per_s(&rate, START_MS), 10);
}
END_TEST

START_TEST(a_rate_that_began_a_second_ago_is_already_near)
{
	struct rate rate = { 0 };
	int64_t now_ms = happen(&rate, 50, 20, START_MS);

	ck_assert_double_eq_tol(rate_per_s(&rate, now_ms), 50, 2);
}
END_TEST

START_TEST(a_rate_follows_what_is_true_now)
{
	struct rate rate = { 0 };
	int64_t now_ms = happen(&rate, 6000, 10, START_MS);

	now_ms = happen(&rate, 4 * RATE_HALF_LIFE_MS / 100, 100, now_ms);
	/* A sixteenth of the way from 100 is left after four half-lives. */
	ck_assert_double_eq_tol(rate_per_s(&rate, now_ms), 10 + 90.0 / 16, 0.5);
}
END_TEST

START_TEST(a_rate_fades_by_half_in_a_half_life_and_then_to_nothing)
{
	struct rate rate = { 0 };
	int64_t now_ms = happen(&rate, 12000, 10, START_MS);

	ck_assert_double_eq_tol(rate_per_s(&rate, now_ms + RATE_HALF_LIFE_MS),
	    50, 1);
	ck_assert_double_eq(rate_per_s(&rate, now_ms + 100 * RATE_HALF_LIFE_MS),
	    0);
}
END_TEST

START_TEST(asking_changes_nothing)
{
	struct rate rate = { 0 };
	int64_t now_ms = happen(&rate, 100, 10, START_MS);
	double before = rate_per_s(&rate, now_ms);

	(void)rate_per_s(&rate, now_ms + 500000);
	ck_assert_double_eq(rate_per_s(&rate, now_ms), before);
}
END_TEST

START_TEST(many_at_once_count_like_many_one_by_one)
{
	struct rate together = { 0 };
	struct rate apart = { 0 };

	rate_add(&together, 1, START_MS);
	rate_add(&apart, 1, START_MS);
	rate_add(&together, 500, START_MS + 1000);
	for (int i = 0; i < 500; i++)
		rate_add(&apart, 1, START_MS + 1000);
	ck_assert_double_eq_tol(rate_per_s(&together, START_MS + 1000),
	    rate_per_s(&apart, START_MS + 1000), 0.001);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("rate");
	TCase *cases = tcase_create("rate");
	SRunner *runner;
	int failed;

	tcase_add_test(cases, zeroed_memory_is_a_rate_of_nothing);
	tcase_add_loop_test(cases, a_steady_rate_is_what_it_is, 0,
	    (int)(sizeof(steady) / sizeof(steady[0])));
	tcase_add_test(cases, a_young_rate_is_neither_endless_nor_nothing);
	tcase_add_test(cases, a_rate_that_began_a_second_ago_is_already_near);
	tcase_add_test(cases, a_rate_follows_what_is_true_now);
	tcase_add_test(cases,
	    a_rate_fades_by_half_in_a_half_life_and_then_to_nothing);
	tcase_add_test(cases, asking_changes_nothing);
	tcase_add_test(cases, many_at_once_count_like_many_one_by_one);
	suite_add_tcase(suite, cases);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
