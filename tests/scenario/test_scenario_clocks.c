/* test_scenario_clocks.c - somebody sets the wall clock, while we run or while
 * we do not.
 *
 * Whatever the jump, nothing is tried earlier than planned and nothing later.
 * How old a thing is does not change by a jump either.
 */
#include "suite.h"

#include <string.h>

#include "callbackd/clock.h"
#include "ledger/inside.h"

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

/* Its copy in memory (fresh.h) has the moments of before. */
START_TEST(a_job_at_hand_still_has_its_time_after_the_jump)
{
	struct uuid busy[2];
	struct uuid job;

	use_file_store();
	open_world();
	for (int i = 0; i < 20; i++) { /* so that its turn is near */
		end_run_with(submit_plain(), &WELL);
		let_time_pass(50);
	}
	fill_slots(busy);
	job = submit(&(struct wish){ .expires_ms = 10 * MINUTE_MS });
	ck_assert_int_lt(estimated_wait_of(job), 10 * SECOND_MS);
	jump(_i);
	let_time_pass(SECOND_MS);
	end_run_with(busy[0], &WELL);
	ck_assert(is_under_way(job));
	end_run_with(job, &BUSY);
	let_time_pass(400);
	reopen_world();
	runs_after(job, 600);
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
	retried = submit(&(struct wish){ .delay_ms = 2 * HOUR_MS });
	told = submit(&(struct wish){ .delay_ms = 2 * HOUR_MS, .callback = A });
	let_time_pass(2 * HOUR_MS);
	end_run_with(told, &WELL);
	end_post_with(told, &NOT_NOW);
	end_run_with(retried, &BUSY);
	delayed = submit(&(struct wish){ .delay_ms = 10 * SECOND_MS });
	crash_world();
	clock_wall_jumps(-HOUR_MS);
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

/* ---- over a restart ---- */

#define LARGE_JUMPS 4 /* the first ones; of less than 1 s nobody takes note */
#define WAYS (3 * LARGE_JUMPS)

static int64_t
jump_of(int way)
{
	return jumps_ms[way % LARGE_JUMPS];
}

/* The clock is set while we run; or so that we did not see it any more; or
 * while we are down. */
static void
restart_around_jump(int way)
{
	if (way / LARGE_JUMPS == 0)
		jump(way % LARGE_JUMPS);
	if (way / LARGE_JUMPS == 1)
		clock_wall_jumps(jump_of(way));
	crash_world();
	if (way / LARGE_JUMPS == 2)
		clock_wall_jumps(jump_of(way));
	open_world();
}

START_TEST(a_restart_keeps_the_moment_of_a_retry)
{
	struct uuid job;

	use_file_store();
	open_world();
	job = submit_plain();
	end_run_with(job, &BUSY);
	let_time_pass(400);
	restart_around_jump(_i);
	runs_after(job, 600);
	end_run_with(job, &BUSY);
	runs_after(job, 2 * SECOND_MS);
}
END_TEST

START_TEST(a_restart_keeps_the_moment_of_a_delayed_job)
{
	struct uuid soon, late;

	use_file_store();
	open_world();
	soon = submit(&(struct wish){ .delay_ms = 10 * SECOND_MS });
	late = submit(&(struct wish){ .delay_ms = HOUR_MS });
	let_time_pass(SECOND_MS);
	restart_around_jump(_i);
	runs_after(soon, 9 * SECOND_MS);
	end_run_with(soon, &WELL);
	runs_after(late, HOUR_MS - 10 * SECOND_MS);
}
END_TEST

START_TEST(a_restart_keeps_the_end_of_a_job_that_waits)
{
	struct uuid job;

	use_file_store();
	open_world();
	job = submit(
	    &(struct wish){ .delay_ms = HOUR_MS, .expires_ms = MINUTE_MS });
	let_time_pass(SECOND_MS);
	restart_around_jump(_i);
	let_time_pass(59 * SECOND_MS - 1);
	ck_assert_int_eq(status_of(job), JOB_QUEUED);
	let_time_pass(1);
	ck_assert_int_eq(error_of(job), ERROR_EXPIRED);
}
END_TEST

START_TEST(a_restart_lets_all_run_that_waits_for_a_slot_only)
{
	struct uuid jobs[4];

	use_file_store();
	open_world();
	for (int i = 0; i < 4; i++)
		jobs[i] = submit_plain();
	let_time_pass(MINUTE_MS);
	restart_around_jump(_i);
	ck_assert_int_eq(runs_under_way(), 2);
	ck_assert_int_eq(position_of(jobs[3]), 2);
	end_run_with(run_at(0), &WELL);
	ck_assert_int_eq(runs_under_way(), 2);
}
END_TEST

START_TEST(a_restart_keeps_a_delivery_alive_and_its_schedule)
{
	struct uuid job;

	use_file_store();
	open_world();
	job = submit(&(struct wish){ .callback = A });
	end_run_with(job, &WELL);
	end_post_with(job, &NOT_NOW);
	let_time_pass(2 * SECOND_MS);
	restart_around_jump(_i);
	goes_after(job, 3 * SECOND_MS);
	end_post_with(job, &NOT_NOW);
	restart_around_jump(_i);
	goes_after(job, 5 * MINUTE_MS);
	end_post_with(job, &NOT_NOW);
	goes_after(job, 30 * MINUTE_MS);
	end_post_with(job, &THANKS);
	ck_assert_int_eq(delivery_attempts_of(job), 4);
}
END_TEST

START_TEST(the_age_of_a_delivery_counts_on_after_a_restart)
{
	struct uuid job;

	use_file_store();
	world_conf()->callback.schedule.max_age_ms = 6 * MINUTE_MS;
	open_world();
	job = submit(&(struct wish){ .callback = A });
	end_run_with(job, &WELL);
	end_post_with(job, &NOT_NOW);
	goes_after(job, 5 * SECOND_MS);
	restart_around_jump(_i);
	ck_assert(is_being_posted(job)); /* the attempt that was cut off */
	end_post_with(job, &NOT_NOW);
	goes_after(job, 5 * MINUTE_MS);
	end_post_with(job, &NOT_NOW); /* 30 min more would be too old */
	ck_assert_int_eq(delivery_state_of(job), DELIVERY_DEAD);
	ck_assert_int_eq(delivery_attempts_of(job), 3);
}
END_TEST

/* Their records were in memory when the clock was set. */
START_TEST(what_was_under_way_during_the_jump_keeps_its_moments_as_well)
{
	struct uuid job, told;

	use_file_store();
	open_world();
	job = submit_plain();
	told = submit(&(struct wish){ .callback = A });
	end_run_with(told, &WELL);
	jump(_i);
	end_run_with(job, &BUSY);
	end_post_with(told, &NOT_NOW);
	let_time_pass(400);
	reopen_world();
	runs_after(job, 600);
	end_run_with(job, &WELL);
	goes_after(told, 4 * SECOND_MS);
	end_post_with(told, &NOT_NOW);
	goes_after(told, 5 * MINUTE_MS);
	ck_assert_int_eq(delivery_state_of(told), DELIVERY_PENDING);
}
END_TEST

START_TEST(many_waiting_deliveries_do_not_burst_at_a_start)
{
	struct uuid jobs[20];

	use_file_store();
	world_conf()->callback.breaker_failures = 1000;
	open_world();
	for (int i = 0; i < 20; i++) {
		jobs[i] = submit(&(struct wish){ .callback = A });
		end_run_with(jobs[i], &WELL);
		end_post_with(jobs[i], &NOT_NOW);
		let_time_pass(50);
	}
	restart_around_jump(_i);
	ck_assert_int_eq(posts_under_way(), 0);
	let_time_pass(4 * SECOND_MS);
	ck_assert_int_eq(posts_under_way(), 1);
	let_time_pass(50);
	ck_assert_int_eq(posts_under_way(), 2);
}
END_TEST

START_TEST(a_store_that_was_sick_during_the_jump_follows_when_it_is_well)
{
	struct uuid job, told;

	use_file_store();
	open_world();
	told = submit(&(struct wish){ .callback = A });
	end_run_with(told, &WELL);
	end_post_with(told, &NOT_NOW);
	job = submit(&(struct wish){ .delay_ms = HOUR_MS });
	store_sickens(SICK_COMMIT, 0, STORE_AGAIN);
	jump(_i);
	let_time_pass(10 * SECOND_MS);
	store_heals();
	let_time_pass(2 * SECOND_MS);
	ck_assert(is_being_posted(told));
	end_post_with(told, &NOT_NOW);
	reopen_world();
	goes_after(told, 5 * MINUTE_MS);
	end_post_with(told, &THANKS);
	runs_after(job, HOUR_MS - 5 * MINUTE_MS - 12 * SECOND_MS);
}
END_TEST

/* ---- how long were we down? ---- */

START_TEST(the_time_down_has_passed_whatever_the_jump)
{
	struct uuid job;

	use_file_store();
	open_world();
	job = submit(&(struct wish){ .delay_ms = 3 * HOUR_MS });
	crash_world();
	clock_goes_on(2 * HOUR_MS);
	clock_wall_jumps(jumps_ms[_i]);
	open_world();
	runs_after(job, HOUR_MS);
}
END_TEST

START_TEST(the_time_that_a_machine_slept_while_we_were_down_has_passed)
{
	struct uuid job;

	use_file_store();
	open_world();
	job = submit(&(struct wish){ .delay_ms = 3 * HOUR_MS });
	crash_world();
	clock_sleeps(2 * HOUR_MS);
	clock_wall_jumps(jumps_ms[_i]);
	open_world();
	runs_after(job, HOUR_MS);
}
END_TEST

/* What slept with us has not waited, then as over the restart that follows. */
START_TEST(a_machine_that_slept_is_no_jump_for_the_next_start)
{
	struct uuid job;

	use_file_store();
	open_world();
	job = submit(&(struct wish){ .delay_ms = 3 * HOUR_MS });
	clock_sleeps(8 * HOUR_MS);
	settle();
	let_time_pass(HOUR_MS);
	reopen_world();
	runs_after(job, 2 * HOUR_MS);
}
END_TEST

/* By the wall clock alone, as far as it can be believed. */
static const struct {
	int64_t wall_ms; /* over the reboot */
	int64_t passed_ms;
} reboots[] = {
	{ 0, 0 }, { 2 * HOUR_MS, 2 * HOUR_MS }, { 2 * DAY_MS, 2 * DAY_MS },
	{ 29 * DAY_MS, 29 * DAY_MS }, { 31 * DAY_MS, 0 }, { 3650 * DAY_MS, 0 },
	{ -2 * SECOND_MS, 0 }, { -HOUR_MS, 0 }, { -DAY_MS, 0 },
	{ -50 * 365 * DAY_MS, 0 }, /* a clock without a battery */
};
#define REBOOTS ((int)(sizeof(reboots) / sizeof(reboots[0])))

START_TEST(over_a_reboot_a_plausible_time_has_passed)
{
	struct uuid job;

	use_file_store();
	open_world();
	job = submit(&(struct wish){ .delay_ms = 30 * DAY_MS });
	crash_world();
	clock_reboots(reboots[_i].wall_ms);
	open_world();
	ck_assert_int_eq(estimated_wait_of(job),
	    30 * DAY_MS - reboots[_i].passed_ms);
}
END_TEST

START_TEST(over_a_reboot_no_delivery_dies_unless_it_is_too_old)
{
	struct uuid job;

	use_file_store();
	open_world();
	job = submit(&(struct wish){ .callback = A });
	end_run_with(job, &WELL);
	end_post_with(job, &NOT_NOW);
	crash_world();
	clock_reboots(reboots[_i].wall_ms);
	open_world();
	let_time_pass(5 * SECOND_MS - 1);
	if (reboots[_i].passed_ms > 4 * DAY_MS) { /* max_age */
		ck_assert_int_eq(delivery_state_of(job), DELIVERY_DEAD);
		return;
	}
	ck_assert(is_being_posted(job) == (reboots[_i].passed_ms > 0));
	let_time_pass(1);
	ck_assert(is_being_posted(job));
	end_post_with(job, &NOT_NOW);
	ck_assert_int_eq(delivery_state_of(job), DELIVERY_PENDING);
}
END_TEST

/* The kernel begins in another century, and the time comes by network. */
START_TEST(a_clock_without_a_battery_costs_a_wait_nothing)
{
	struct uuid job;

	use_file_store();
	open_world();
	job = submit(&(struct wish){ .delay_ms = HOUR_MS });
	let_time_pass(10 * MINUTE_MS);
	stop_world();
	clock_reboots(-50 * 365 * DAY_MS);
	open_world();
	let_time_pass(10 * MINUTE_MS);
	clock_wall_jumps(50 * 365 * DAY_MS);
	settle();
	reopen_world();
	runs_after(job, 40 * MINUTE_MS);
}
END_TEST

/* ---- what the store remembers of the clocks ---- */

static int64_t
noted_wall_ms(void)
{
	struct store_clock clock = { .wall_ms = -1 };
	enum store_result result = store_get_clock(world_ledger()->store,
	    &clock);

	ck_assert(result == STORE_OK || result == STORE_MISSING);
	return clock.wall_ms;
}

START_TEST(clocks_are_noted_along_but_not_for_every_job)
{
	int64_t first_ms;

	open_world();
	ck_assert_int_eq(noted_wall_ms(), -1); /* a start writes nothing */
	end_run_with(submit_plain(), &WELL);
	first_ms = noted_wall_ms();
	ck_assert_int_gt(first_ms, 0);
	for (int i = 0; i < 49; i++) {
		let_time_pass(100);
		end_run_with(submit_plain(), &WELL);
		ck_assert_int_eq(noted_wall_ms(), first_ms);
	}
	let_time_pass(100);
	end_run_with(submit_plain(), &WELL);
	ck_assert_int_eq(noted_wall_ms(), first_ms + 5 * SECOND_MS);
}
END_TEST

START_TEST(clocks_are_noted_by_themselves_while_something_waits)
{
	int64_t first_ms;

	open_world();
	end_run_with(submit_plain(), &WELL);
	first_ms = noted_wall_ms();
	let_time_pass(10 * MINUTE_MS);
	ck_assert_int_eq(noted_wall_ms(), first_ms);
	(void)submit(&(struct wish){ .delay_ms = HOUR_MS });
	first_ms = noted_wall_ms();
	let_time_pass(10 * MINUTE_MS);
	ck_assert_int_ge(noted_wall_ms(), first_ms + 9 * MINUTE_MS);
}
END_TEST

START_TEST(clocks_are_noted_at_a_clean_end)
{
	use_file_store();
	open_world();
	end_run_with(submit_plain(), &WELL);
	let_time_pass(4 * SECOND_MS);
	stop_world();
	open_world();
	ck_assert_int_eq(noted_wall_ms(), clock_wall_ms());
}
END_TEST

START_TEST(an_idle_note_that_fails_is_as_any_failure)
{
	open_world();
	(void)submit(&(struct wish){ .delay_ms = HOUR_MS });
	store_stumbles(SICK_COMMIT, 0);
	let_time_pass(2 * MINUTE_MS);
	ck_assert_int_eq(store_failures(), 1);
	ck_assert(ledger_is_well(world_ledger()));
}
END_TEST

/* ---- what has ended ---- */

static bool
is_gone(struct uuid job)
{
	struct order *order = new_order(ORDER_JOB);
	bool is_gone;

	order->job.id = job;
	order = ask(order);
	is_gone = order->result == ORDER_MISSING;
	order_free(&order);
	return is_gone;
}

#define KEPT_MS (20 * MINUTE_MS)

START_TEST(a_jump_takes_no_result_away_before_its_time)
{
	struct uuid before, after;

	use_file_store();
	world_conf()->retention_ms = KEPT_MS;
	open_world();
	before = submit_plain();
	end_run_with(before, &WELL);
	let_time_pass(KEPT_MS / 2);
	restart_around_jump(_i);
	after = submit_plain();
	end_run_with(after, &WELL);
	let_time_pass(KEPT_MS / 2 - MINUTE_MS);
	ck_assert_int_eq(status_of(before), JOB_SUCCEEDED);
	let_time_pass(KEPT_MS / 2);
	ck_assert_int_eq(status_of(after), JOB_SUCCEEDED);
	let_time_pass(KEPT_MS);
	/* Set back, the clock makes what has ended younger, and kept longer. */
	if (jump_of(_i) > 0)
		ck_assert(is_gone(before) && is_gone(after));
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
	tcase_add_loop_test(cases,
	    a_job_at_hand_still_has_its_time_after_the_jump, 0, LARGE_JUMPS);
	tcase_add_loop_test(cases, ids_rise_whatever_the_clock_does, 0, JUMPS);
	tcase_add_test(cases,
	    a_restart_after_the_clock_went_back_stalls_nobody);
	tcase_add_test(cases,
	    a_restart_long_ago_makes_nobody_wait_longer_than_planned);
	tcase_add_test(cases,
	    a_restart_after_the_clock_went_back_lengthens_no_wait);
	tcase_add_test(cases,
	    what_was_planned_by_a_clock_set_back_keeps_its_moment);
	cases = cases_of(suite, "restarts");
	tcase_add_loop_test(cases, a_restart_keeps_the_moment_of_a_retry, 0,
	    WAYS);
	tcase_add_loop_test(cases, a_restart_keeps_the_moment_of_a_delayed_job,
	    0, WAYS);
	tcase_add_loop_test(cases, a_restart_keeps_the_end_of_a_job_that_waits,
	    0, WAYS);
	tcase_add_loop_test(cases,
	    a_restart_lets_all_run_that_waits_for_a_slot_only, 0, WAYS);
	tcase_add_loop_test(cases,
	    a_restart_keeps_a_delivery_alive_and_its_schedule, 0, WAYS);
	tcase_add_loop_test(cases,
	    the_age_of_a_delivery_counts_on_after_a_restart, 0, WAYS);
	tcase_add_loop_test(cases,
	    what_was_under_way_during_the_jump_keeps_its_moments_as_well, 0,
	    LARGE_JUMPS);
	tcase_add_loop_test(cases,
	    many_waiting_deliveries_do_not_burst_at_a_start, 0, WAYS);
	tcase_add_loop_test(cases,
	    a_store_that_was_sick_during_the_jump_follows_when_it_is_well, 0,
	    LARGE_JUMPS);
	tcase_add_loop_test(cases, the_time_down_has_passed_whatever_the_jump,
	    0, LARGE_JUMPS);
	tcase_add_loop_test(cases,
	    the_time_that_a_machine_slept_while_we_were_down_has_passed, 0,
	    LARGE_JUMPS);
	tcase_add_test(cases,
	    a_machine_that_slept_is_no_jump_for_the_next_start);
	tcase_add_loop_test(cases, over_a_reboot_a_plausible_time_has_passed, 0,
	    REBOOTS);
	tcase_add_loop_test(cases,
	    over_a_reboot_no_delivery_dies_unless_it_is_too_old, 0, REBOOTS);
	tcase_add_test(cases, a_clock_without_a_battery_costs_a_wait_nothing);
	tcase_add_loop_test(cases, a_jump_takes_no_result_away_before_its_time,
	    0, WAYS);
	cases = cases_of(suite, "notes");
	tcase_add_test(cases, clocks_are_noted_along_but_not_for_every_job);
	tcase_add_test(cases,
	    clocks_are_noted_by_themselves_while_something_waits);
	tcase_add_test(cases, clocks_are_noted_at_a_clean_end);
	tcase_add_test(cases, an_idle_note_that_fails_is_as_any_failure);
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
