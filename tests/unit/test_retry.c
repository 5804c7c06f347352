/* test_retry.c - waits, to the millisecond. */
#include <check.h>
#include <stdlib.h>

#include "callbackd/retry.h"

#define LOW 0u
#define MIDDLE 0x80000000u
#define HIGH UINT32_MAX

static const struct backoff backoff = { 1000, 60000, 2.0 };

START_TEST(backoff_grows_by_its_factor)
{
	static const int64_t waits[] = { 1000, 2000, 4000, 8000, 16000, 32000 };
	for (int32_t i = 0; i < 6; i++)
		ck_assert_int_eq(backoff_wait_ms(&backoff, i + 1, -1, MIDDLE),
		    waits[i]);
}
END_TEST

START_TEST(backoff_stops_at_its_maximum)
{
	ck_assert_int_eq(backoff_wait_ms(&backoff, 7, -1, MIDDLE), 60000);
	ck_assert_int_eq(backoff_wait_ms(&backoff, INT32_MAX, -1, MIDDLE),
	    60000);
}
END_TEST

START_TEST(backoff_with_factor_one_stays_the_same)
{
	struct backoff flat = { 250, 60000, 1.0 };
	ck_assert_int_eq(backoff_wait_ms(&flat, 1, -1, MIDDLE), 250);
	ck_assert_int_eq(backoff_wait_ms(&flat, INT32_MAX, -1, MIDDLE), 250);
}
END_TEST

START_TEST(backoff_is_spread_by_a_fifth_either_way)
{
	ck_assert_int_eq(backoff_wait_ms(&backoff, 1, -1, LOW), 800);
	ck_assert_int_eq(backoff_wait_ms(&backoff, 1, -1, HIGH), 1200);
	ck_assert_int_eq(backoff_wait_ms(&backoff, 9, -1, HIGH), 72000);
}
END_TEST

START_TEST(backoff_waits_at_least_as_long_as_asked)
{
	ck_assert_int_eq(backoff_wait_ms(&backoff, 1, 90000, LOW), 90000);
	ck_assert_int_eq(backoff_wait_ms(&backoff, 1, 0, MIDDLE), 1000);
	ck_assert_int_eq(backoff_wait_ms(&backoff, 1, 999, MIDDLE), 1000);
}
END_TEST

START_TEST(backoff_is_never_zero)
{
	struct backoff tiny = { 1, 1, 1.0 };
	ck_assert_int_eq(backoff_wait_ms(&tiny, 1, -1, LOW), 1);
}
END_TEST

START_TEST(backoff_survives_absurd_settings)
{
	struct backoff huge = { INT64_MAX / 2, INT64_MAX, 1e300 };
	int64_t wait_ms = backoff_wait_ms(&huge, 1000, INT64_MAX, HIGH);
	ck_assert_int_ge(wait_ms, 1);
	ck_assert_int_lt(wait_ms, INT64_MAX / 2);
}
END_TEST

static const struct schedule schedule = {
	.gaps_ms = { 5000, 300000, 1800000 },
	.count = 3,
	.max_age_ms = 10000000,
	.ask_max_ms = 3600000,
};

START_TEST(schedule_gives_its_gaps_in_order_and_then_ends)
{
	int64_t wait_ms = 0;
	for (int32_t i = 0; i < 3; i++) {
		ck_assert(schedule_wait_ms(&schedule, i + 1, 0, -1, MIDDLE,
		    &wait_ms));
		ck_assert_int_eq(wait_ms, schedule.gaps_ms[i]);
	}
	wait_ms = -7;
	ck_assert(!schedule_wait_ms(&schedule, 4, 0, -1, MIDDLE, &wait_ms));
	ck_assert(
	    !schedule_wait_ms(&schedule, INT32_MAX, 0, -1, MIDDLE, &wait_ms));
	ck_assert_int_eq(wait_ms, -7);
}
END_TEST

START_TEST(schedule_without_gaps_is_one_attempt)
{
	struct schedule once = { .count = 0, .max_age_ms = 1000 };
	int64_t wait_ms;
	ck_assert(!schedule_wait_ms(&once, 1, 0, -1, MIDDLE, &wait_ms));
	ck_assert_int_eq(schedule_attempts_left(&once, 0), 1);
	ck_assert_int_eq(schedule_attempts_left(&once, 1), 0);
}
END_TEST

START_TEST(schedule_is_spread_by_a_fifth_either_way)
{
	int64_t wait_ms = 0;
	ck_assert(schedule_wait_ms(&schedule, 1, 0, -1, LOW, &wait_ms));
	ck_assert_int_eq(wait_ms, 4000);
	ck_assert(schedule_wait_ms(&schedule, 1, 0, -1, HIGH, &wait_ms));
	ck_assert_int_eq(wait_ms, 6000);
}
END_TEST

START_TEST(schedule_honours_what_is_asked_up_to_the_ceiling)
{
	int64_t wait_ms = 0;
	ck_assert(schedule_wait_ms(&schedule, 1, 0, 60000, HIGH, &wait_ms));
	ck_assert_int_eq(wait_ms, 60000);
	ck_assert(
	    schedule_wait_ms(&schedule, 1, 0, 86400000, MIDDLE, &wait_ms));
	ck_assert_int_eq(wait_ms, 3600000);
	ck_assert(schedule_wait_ms(&schedule, 2, 0, 1000, MIDDLE, &wait_ms));
	ck_assert_int_eq(wait_ms, 300000);
}
END_TEST

START_TEST(schedule_tries_nothing_beyond_its_age)
{
	int64_t wait_ms = -7;
	int64_t edge_ms = schedule.max_age_ms - 5000;
	ck_assert(schedule_wait_ms(&schedule, 1, edge_ms, -1, LOW, &wait_ms));
	ck_assert_int_eq(wait_ms, 4000);
	wait_ms = -7;
	ck_assert(
	    !schedule_wait_ms(&schedule, 1, edge_ms + 1, -1, LOW, &wait_ms));
	ck_assert(
	    !schedule_wait_ms(&schedule, 1, edge_ms, 5001, LOW, &wait_ms));
	ck_assert(
	    !schedule_wait_ms(&schedule, 1, INT64_MAX, -1, LOW, &wait_ms));
	ck_assert_int_eq(wait_ms, -7);
}
END_TEST

START_TEST(schedule_ends_by_facts_and_not_by_dice)
{
	int64_t wait_ms = 0;
	int64_t edge_ms = schedule.max_age_ms - 5000;
	ck_assert(schedule_wait_ms(&schedule, 1, edge_ms, -1, HIGH, &wait_ms));
	ck_assert_int_eq(wait_ms, 5000);
}
END_TEST

START_TEST(attempts_left_counts_down_to_none)
{
	ck_assert_int_eq(schedule_attempts_left(&schedule, 0), 4);
	ck_assert_int_eq(schedule_attempts_left(&schedule, 1), 3);
	ck_assert_int_eq(schedule_attempts_left(&schedule, 4), 0);
	ck_assert_int_eq(schedule_attempts_left(&schedule, INT32_MAX), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("retry");
	TCase *cases = tcase_create("retry");
	tcase_add_test(cases, backoff_grows_by_its_factor);
	tcase_add_test(cases, backoff_stops_at_its_maximum);
	tcase_add_test(cases, backoff_with_factor_one_stays_the_same);
	tcase_add_test(cases, backoff_is_spread_by_a_fifth_either_way);
	tcase_add_test(cases, backoff_waits_at_least_as_long_as_asked);
	tcase_add_test(cases, backoff_is_never_zero);
	tcase_add_test(cases, backoff_survives_absurd_settings);
	tcase_add_test(cases, schedule_gives_its_gaps_in_order_and_then_ends);
	tcase_add_test(cases, schedule_without_gaps_is_one_attempt);
	tcase_add_test(cases, schedule_is_spread_by_a_fifth_either_way);
	tcase_add_test(cases, schedule_honours_what_is_asked_up_to_the_ceiling);
	tcase_add_test(cases, schedule_tries_nothing_beyond_its_age);
	tcase_add_test(cases, schedule_ends_by_facts_and_not_by_dice);
	tcase_add_test(cases, attempts_left_counts_down_to_none);
	suite_add_tcase(suite, cases);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
