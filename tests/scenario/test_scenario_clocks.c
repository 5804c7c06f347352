/* test_scenario_clocks.c - somebody sets the wall clock while we run.
 *
 * Waits are waited for in monotonic time: whatever the jump, nothing is tried
 * earlier than planned and nothing later. How old a thing is does not change by
 * a jump either.
 */
#include "suite.h"

#include <string.h>

#define A "http://a.example/hook"

static const int64_t jumps_ms[] = { HOUR_MS, -HOUR_MS, -DAY_MS, 3650 * DAY_MS,
	999, -999 };
#define JUMPS ((int)(sizeof(jumps_ms) / sizeof(jumps_ms[0])))

static void
jump(int which)
{
	clock_wall_jumps(jumps_ms[which]);
	settle();
}

/* What was just planned for after wait_ms more does not run before that. */
static void
runs_after(struct uuid job, int64_t wait_ms)
{
	let_time_pass(wait_ms - 1);
	ck_assert_msg(!is_under_way(job), "too early");
	let_time_pass(1);
	ck_assert_msg(is_under_way(job), "too late");
}

static void
goes_after(struct uuid job, int64_t wait_ms)
{
	let_time_pass(wait_ms - 1);
	ck_assert_msg(!is_being_posted(job), "too early");
	let_time_pass(1);
	ck_assert_msg(is_being_posted(job), "too late");
}

START_TEST(a_retry_that_was_planned_before_the_jump_keeps_its_moment)
{
	struct uuid job;

	open_world();
	job = submit_plain();
	end_run_with(job, &BUSY);
	let_time_pass(400);
	jump(_i);
	runs_after(job, 600);
}
END_TEST

START_TEST(a_retry_that_is_planned_after_the_jump_waits_as_long)
{
	struct uuid job;

	open_world();
	job = submit_plain();
	jump(_i);
	end_run_with(job, &BUSY);
	runs_after(job, SECOND_MS);
	end_run_with(job, &BUSY);
	runs_after(job, 2 * SECOND_MS);
}
END_TEST

START_TEST(a_delayed_job_keeps_its_moment)
{
	struct uuid job;

	open_world();
	job = submit(&(struct wish){ .delay_ms = 10 * SECOND_MS });
	let_time_pass(SECOND_MS);
	jump(_i);
	runs_after(job, 9 * SECOND_MS);
}
END_TEST

START_TEST(a_job_that_is_delayed_after_the_jump_waits_as_long)
{
	struct uuid job;

	open_world();
	jump(_i);
	job = submit(&(struct wish){ .delay_ms = 10 * SECOND_MS });
	runs_after(job, 10 * SECOND_MS);
}
END_TEST

START_TEST(a_job_that_waits_keeps_its_place_and_its_position)
{
	struct uuid jobs[4];

	open_world();
	for (int i = 0; i < 4; i++)
		jobs[i] = submit_plain();
	jump(_i);
	ck_assert_int_eq(position_of(jobs[2]), 1);
	ck_assert_int_eq(position_of(jobs[3]), 2);
	end_run_with(jobs[0], &WELL);
	ck_assert(is_under_way(jobs[2]));
}
END_TEST

START_TEST(a_job_expires_at_its_moment)
{
	struct uuid job;

	open_world();
	(void)submit_plain();
	(void)submit_plain();
	job = submit(&(struct wish){ .expires_ms = MINUTE_MS });
	let_time_pass(SECOND_MS);
	jump(_i);
	let_time_pass(59 * SECOND_MS - 1);
	ck_assert_int_eq(status_of(job), JOB_QUEUED);
	let_time_pass(1);
	ck_assert_int_eq(status_of(job), JOB_FAILED);
	ck_assert_int_eq(error_of(job), ERROR_EXPIRED);
}
END_TEST

START_TEST(a_delayed_job_expires_at_its_moment)
{
	struct uuid job;

	open_world();
	job = submit(
	    &(struct wish){ .delay_ms = HOUR_MS, .expires_ms = MINUTE_MS });
	jump(_i);
	let_time_pass(MINUTE_MS);
	ck_assert_int_eq(status_of(job), JOB_FAILED);
	ck_assert_int_eq(error_of(job), ERROR_EXPIRED);
	ck_assert_int_eq(gauge_of("work")->queued, 0);
}
END_TEST

START_TEST(a_job_that_still_has_time_is_not_given_up)
{
	struct uuid busy;
	struct uuid job;

	open_world();
	busy = submit_plain();
	(void)submit_plain();
	job = submit(&(struct wish){ .expires_ms = 10 * MINUTE_MS });
	jump(_i);
	let_time_pass(SECOND_MS);
	end_run_with(busy, &WELL);
	ck_assert(is_under_way(job));
}
END_TEST

START_TEST(a_delivery_keeps_its_moments_and_its_schedule)
{
	struct uuid job;

	open_world();
	job = submit(&(struct wish){ .callback = A });
	end_run_with(job, &WELL);
	end_post_with(job, &NOT_NOW);
	let_time_pass(2 * SECOND_MS);
	jump(_i);
	goes_after(job, 3 * SECOND_MS);
	end_post_with(job, &NOT_NOW);
	goes_after(job, 5 * MINUTE_MS);
	end_post_with(job, &NOT_NOW);
	goes_after(job, 30 * MINUTE_MS);
	end_post_with(job, &NOT_NOW);
	ck_assert_int_eq(delivery_state_of(job), DELIVERY_DEAD);
}
END_TEST

START_TEST(a_delivery_under_way_during_the_jump_is_planned_as_ever)
{
	struct uuid job;

	open_world();
	job = submit(&(struct wish){ .callback = A });
	end_run_with(job, &WELL);
	jump(_i);
	end_post_with(job, &NOT_NOW);
	goes_after(job, 5 * SECOND_MS);
}
END_TEST

START_TEST(the_age_of_a_delivery_counts_on_after_the_jump)
{
	struct uuid job;

	open_world();
	world_conf()->callback.schedule.max_age_ms = 6 * MINUTE_MS;
	job = submit(&(struct wish){ .callback = A });
	jump(_i);
	end_run_with(job, &WELL);
	end_post_with(job, &NOT_NOW);
	goes_after(job, 5 * SECOND_MS);
	end_post_with(job, &NOT_NOW);
	goes_after(job, 5 * MINUTE_MS);
	end_post_with(job, &NOT_NOW); /* 30 min more would be too old */
	ck_assert_int_eq(delivery_state_of(job), DELIVERY_DEAD);
	ck_assert_int_eq(delivery_attempts_of(job), 3);
}
END_TEST

START_TEST(two_jumps_do_not_make_a_delivery_old)
{
	struct uuid job;

	open_world();
	job = submit(&(struct wish){ .callback = A });
	end_run_with(job, &WELL);
	end_post_with(job, &NOT_NOW);
	jump(_i);
	goes_after(job, 5 * SECOND_MS);
	jump((_i + 1) % JUMPS);
	jump(3);
	end_post_with(job, &NOT_NOW);
	goes_after(job, 5 * MINUTE_MS);
}
END_TEST

START_TEST(many_waiting_deliveries_do_not_burst)
{
	struct uuid jobs[50];

	world_conf()->callback.breaker_failures = 1000;
	open_world();
	for (int i = 0; i < 50; i++) {
		jobs[i] = submit(&(struct wish){ .callback = A });
		end_run_with(jobs[i], &WELL);
		end_post_with(jobs[i], &NOT_NOW);
		let_time_pass(50);
	}
	jump(_i);
	ck_assert_int_eq(posts_under_way(), 0);
	let_time_pass(2500);
	ck_assert_int_eq(posts_under_way(), 1);
	let_time_pass(50);
	ck_assert_int_eq(posts_under_way(), 2);
	let_time_pass(5 * SECOND_MS);
	ck_assert_int_eq(posts_under_way(), 32); /* the window */
}
END_TEST

START_TEST(a_cooldown_is_as_long_as_ever)
{
	world_conf()->callback.breaker_failures = 1;
	open_world();
	for (int i = 0; i < 2; i++) {
		struct uuid job = submit(&(struct wish){ .callback = A });

		end_run_with(job, &WELL);
	}
	while (posts_under_way() > 0)
		end_post_with(post_at(0)->delivery.job, &NO_ANSWER);
	jump(_i);
	let_time_pass(30 * SECOND_MS - 1);
	ck_assert_int_eq(posts_under_way(), 0);
	let_time_pass(1);
	ck_assert_int_eq(posts_under_way(), 1);
}
END_TEST

START_TEST(ids_rise_whatever_the_clock_does)
{
	struct uuid before, after;

	open_world();
	before = submit_plain();
	jump(_i);
	after = submit_plain();
	ck_assert_int_gt(after.seq, before.seq);
	ck_assert_int_eq(status_of(after), JOB_RUNNING);
}
END_TEST

/* Back before the start: what waited must not wait for the old time. */
START_TEST(a_restart_after_the_clock_went_back_stalls_nobody)
{
	struct uuid running, waiting;

	use_file_store();
	queue_named("work")->concurrency = 1;
	open_world();
	running = submit_plain();
	waiting = submit_plain();
	crash_world();
	clock_wall_jumps(-HOUR_MS);
	open_world();
	ck_assert(is_under_way(running));
	ck_assert_int_eq(position_of(waiting), 1);
	end_run_with(running, &WELL);
	ck_assert(is_under_way(waiting));
	end_run_with(waiting, &BUSY);
	runs_after(waiting, SECOND_MS);
}
END_TEST

/* A clock without a battery begins in another century. */
START_TEST(a_restart_long_ago_makes_nobody_wait_longer_than_planned)
{
	struct uuid delayed, expiring, delivered;

	use_file_store();
	open_world();
	delivered = submit(&(struct wish){ .callback = A });
	end_run_with(delivered, &WELL);
	end_post_with(delivered, &NOT_NOW);
	delayed = submit(&(struct wish){ .delay_ms = MINUTE_MS });
	expiring = submit(
	    &(struct wish){ .delay_ms = HOUR_MS, .expires_ms = 2 * MINUTE_MS });
	crash_world();
	clock_wall_jumps(-30 * 365 * DAY_MS);
	open_world();
	goes_after(delivered, 5 * SECOND_MS);
	end_post_with(delivered, &NOT_NOW);
	clock_wall_jumps(30 * 365 * DAY_MS); /* the time comes by network */
	runs_after(delayed, 55 * SECOND_MS);
	let_time_pass(MINUTE_MS);
	ck_assert_int_eq(error_of(expiring), ERROR_EXPIRED);
	goes_after(delivered, 3 * MINUTE_MS + 5 * SECOND_MS);
}
END_TEST

/* What was accepted long ago and planned just now keeps its short wait. */
START_TEST(a_restart_after_the_clock_went_back_lengthens_no_wait)
{
	struct uuid retried, told, delayed;

	use_file_store();
	open_world();
	retried = submit(&(struct wish){ .delay_ms = 2 * DAY_MS });
	told = submit(&(struct wish){ .delay_ms = 2 * DAY_MS, .callback = A });
	let_time_pass(2 * DAY_MS);
	end_run_with(told, &WELL);
	end_post_with(told, &NOT_NOW);
	end_run_with(retried, &BUSY);
	delayed = submit(&(struct wish){ .delay_ms = 10 * SECOND_MS });
	crash_world();
	clock_wall_jumps(-DAY_MS);
	open_world();
	ck_assert_int_eq(runs_under_way() + posts_under_way(), 0);
	runs_after(retried, SECOND_MS);
	goes_after(told, 4 * SECOND_MS);
	runs_after(delayed, 5 * SECOND_MS);
}
END_TEST

/* Ids run ahead of such a clock; waits do not. */
START_TEST(what_was_planned_by_a_clock_set_back_keeps_its_moment)
{
	struct uuid delayed, expiring;

	use_file_store();
	open_world();
	end_run_with(submit_plain(), &WELL);
	clock_wall_jumps(-DAY_MS);
	delayed = submit(&(struct wish){ .delay_ms = MINUTE_MS });
	expiring = submit(&(struct wish){ .delay_ms = 2 * MINUTE_MS,
	    .expires_ms = 3 * MINUTE_MS });
	reopen_world();
	let_time_pass(MINUTE_MS - 1);
	ck_assert(!is_under_way(delayed));
	let_time_pass(1);
	ck_assert(is_under_way(delayed));
	ck_assert_int_eq(status_of(expiring), JOB_QUEUED);
	runs_after(expiring, MINUTE_MS);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("scenario: clocks");
	TCase *cases = cases_of(suite, "runs");

	tcase_add_loop_test(cases,
	    a_retry_that_was_planned_before_the_jump_keeps_its_moment, 0,
	    JUMPS);
	tcase_add_loop_test(cases,
	    a_retry_that_is_planned_after_the_jump_waits_as_long, 0, JUMPS);
	tcase_add_loop_test(cases, a_delayed_job_keeps_its_moment, 0, JUMPS);
	tcase_add_loop_test(cases,
	    a_job_that_is_delayed_after_the_jump_waits_as_long, 0, JUMPS);
	tcase_add_loop_test(cases,
	    a_job_that_waits_keeps_its_place_and_its_position, 0, JUMPS);
	tcase_add_loop_test(cases, a_job_expires_at_its_moment, 0, JUMPS);
	tcase_add_loop_test(cases, a_delayed_job_expires_at_its_moment, 0,
	    JUMPS);
	tcase_add_loop_test(cases, a_job_that_still_has_time_is_not_given_up, 0,
	    JUMPS);
	tcase_add_loop_test(cases, ids_rise_whatever_the_clock_does, 0, JUMPS);
	tcase_add_test(cases,
	    a_restart_after_the_clock_went_back_stalls_nobody);
	tcase_add_test(cases,
	    a_restart_long_ago_makes_nobody_wait_longer_than_planned);
	tcase_add_test(cases,
	    a_restart_after_the_clock_went_back_lengthens_no_wait);
	tcase_add_test(cases,
	    what_was_planned_by_a_clock_set_back_keeps_its_moment);
	cases = cases_of(suite, "deliveries");
	tcase_add_loop_test(cases,
	    a_delivery_keeps_its_moments_and_its_schedule, 0, JUMPS);
	tcase_add_loop_test(cases,
	    a_delivery_under_way_during_the_jump_is_planned_as_ever, 0, JUMPS);
	tcase_add_loop_test(cases,
	    the_age_of_a_delivery_counts_on_after_the_jump, 0, JUMPS);
	tcase_add_loop_test(cases, two_jumps_do_not_make_a_delivery_old, 0,
	    JUMPS);
	tcase_add_loop_test(cases, many_waiting_deliveries_do_not_burst, 0,
	    JUMPS);
	tcase_add_loop_test(cases, a_cooldown_is_as_long_as_ever, 0, JUMPS);
	return run_suite(suite);
}
