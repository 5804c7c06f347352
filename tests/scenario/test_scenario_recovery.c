/* test_scenario_recovery.c - kill -9, and what the next start makes of it. */
#include "suite.h"

#include <string.h>

#include "ledger/inside.h"

#define A "http://a.example/hook"
#define B "http://b.example/hook"

static void
open_file_world(void)
{
	use_file_store();
	open_world();
}

/* ---- jobs ---- */

START_TEST(jobs_that_waited_wait_again_in_their_order)
{
	struct uuid busy[2], jobs[3];
	struct uuid first;

	open_file_world();
	for (int i = 0; i < 2; i++)
		busy[i] = submit(&(struct wish){ .attempts = 1 });
	for (int i = 0; i < 3; i++)
		jobs[i] = submit(&(struct wish){ .body = "abc" });
	first = submit(&(struct wish){ .sooner = 5 });
	queue_named("work")->concurrency = 1;
	reopen_world();
	ck_assert_int_eq(status_of(busy[0]), JOB_FAILED);
	ck_assert_int_eq(gauge_of("work")->places, 4);
	ck_assert_int_eq(gauge_of("work")->place_bytes, 9);
	ck_assert(same(run_at(0), first));
	end_run_with(first, &WELL);
	for (int i = 0; i < 3; i++) {
		ck_assert(same(run_at(0), jobs[i]));
		ck_assert_uint_eq(blob_len(run_of(jobs[i])->request.body), 3);
		end_run_with(jobs[i], &WELL);
	}
	nothing_is_held("work");
}
END_TEST

START_TEST(an_interrupted_run_counts_and_is_made_again_at_once)
{
	struct uuid job;

	open_file_world();
	job = submit(&(struct wish){ .callback = A });
	crash_world();
	clock_goes_on(HOUR_MS);
	open_world();
	ck_assert(is_under_way(job));
	ck_assert_int_eq(run_of(job)->job.attempts, 2);
	ck_assert_int_eq(error_of(job), ERROR_INTERRUPTED);
	end_run_with(job, &WELL);
	ck_assert_int_eq(status_of(job), JOB_SUCCEEDED);
	ck_assert_int_eq(error_of(job), ERROR_NONE);
	ck_assert(is_being_posted(job));
	nothing_is_held("work");
}
END_TEST

START_TEST(a_job_whose_last_run_is_interrupted_fails_and_says_so)
{
	struct uuid job;

	open_file_world();
	job = submit(
	    &(struct wish){ .attempts = 1, .callback = A, .failure = B });
	reopen_world();
	ck_assert_int_eq(status_of(job), JOB_FAILED);
	ck_assert_int_eq(error_of(job), ERROR_INTERRUPTED);
	ck_assert_int_eq(runs_under_way(), 0);
	ck_assert_str_eq(post_of(job)->delivery.url, B);
	end_post_with(job, &THANKS);
	ck_assert_int_eq(delivery_state_of(job), DELIVERY_DELIVERED);
	reopen_world();
	ck_assert_int_eq(posts_under_way(), 0);
	nothing_is_held("work");
}
END_TEST

START_TEST(a_job_that_is_interrupted_every_time_runs_out_of_attempts)
{
	struct uuid job;

	open_file_world();
	job = submit_plain();
	for (int i = 1; i < 3; i++) {
		ck_assert_int_eq(run_of(job)->job.attempts, i);
		reopen_world();
	}
	ck_assert_int_eq(run_of(job)->job.attempts, 3);
	reopen_world();
	ck_assert_int_eq(status_of(job), JOB_FAILED);
	ck_assert_int_eq(attempts_of(job), 3);
}
END_TEST

START_TEST(an_at_most_once_job_is_not_run_again)
{
	struct uuid running, waiting;

	open_file_world();
	queue_named("work")->guarantee = AT_MOST_ONCE;
	queue_named("work")->concurrency = 1;
	running = submit_plain();
	waiting = submit_plain();
	reopen_world();
	ck_assert_int_eq(status_of(running), JOB_FAILED);
	ck_assert_int_eq(error_of(running), ERROR_INTERRUPTED);
	ck_assert(is_under_way(waiting));
	ck_assert_int_eq(run_of(waiting)->job.attempts, 1);
}
END_TEST

START_TEST(delays_and_waits_between_runs_go_on)
{
	struct uuid delayed, retried;

	open_file_world();
	delayed = submit(&(struct wish){ .delay_ms = 10 * SECOND_MS });
	retried = submit_plain();
	end_run_with(retried, &BUSY);
	let_time_pass(SECOND_MS);
	end_run_with(retried, &BUSY); /* 2 s from now */
	reopen_world();
	ck_assert_int_eq(runs_under_way(), 0);
	let_time_pass(2 * SECOND_MS - 1);
	ck_assert_int_eq(runs_under_way(), 0);
	let_time_pass(1);
	ck_assert_int_eq(run_of(retried)->job.attempts, 3);
	let_time_pass(7 * SECOND_MS - 1);
	ck_assert(!is_under_way(delayed));
	let_time_pass(1);
	ck_assert(is_under_way(delayed));
}
END_TEST

START_TEST(what_fell_due_while_nobody_was_there_runs_at_the_start)
{
	struct uuid delayed, expired;

	open_file_world();
	delayed = submit(&(struct wish){ .delay_ms = MINUTE_MS });
	expired = submit(&(struct wish){ .delay_ms = MINUTE_MS,
	    .expires_ms = 2 * MINUTE_MS,
	    .callback = A });
	crash_world();
	clock_goes_on(HOUR_MS);
	open_world();
	ck_assert(is_under_way(delayed));
	ck_assert_int_eq(status_of(expired), JOB_FAILED);
	ck_assert_int_eq(error_of(expired), ERROR_EXPIRED);
	ck_assert(is_being_posted(expired));
}
END_TEST

START_TEST(ended_jobs_keep_their_results_and_are_not_run_again)
{
	struct uuid job;
	struct order *order;

	open_file_world();
	job = submit(&(struct wish){ .callback = A, .key = "k" });
	end_run_with(job, &WELL);
	end_post_with(job, &THANKS);
	reopen_world();
	let_time_pass(MINUTE_MS);
	ck_assert_int_eq(runs_under_way() + posts_under_way(), 0);
	order = new_order(ORDER_RESULT);
	order->job.id = job;
	order = ask(order);
	ck_assert_int_eq(order->job.response_status, 200);
	ck_assert_uint_eq(blob_len(order->response.body), 4);
	order_free(&order);
	ck_assert_int_eq(delivery_state_of(job), DELIVERY_DELIVERED);
}
END_TEST

START_TEST(a_key_outlives_a_crash)
{
	const struct wish wish = { .key = "k", .body = "x" };
	struct uuid first, again;

	open_file_world();
	first = submit(&wish);
	reopen_world();
	ck_assert_int_eq(try_submit(&wish, &again), REPLAYED);
	ck_assert(same(first, again));
	ck_assert_int_eq(runs_under_way(), 1);
}
END_TEST

START_TEST(what_was_promised_is_held_though_the_queue_became_smaller)
{
	struct uuid id;

	open_file_world();
	for (int i = 0; i < 10; i++)
		(void)submit_plain();
	queue_named("work")->capacity = 4;
	reopen_world();
	ck_assert_int_eq(gauge_of("work")->places, 10);
	ck_assert_int_eq(try_submit(&(struct wish){ .queue = "work" }, &id),
	    NO_PLACE);
	for (int i = 0; i < 7; i++)
		end_run_with(run_at(0), &WELL);
	ck_assert_int_eq(try_submit(&(struct wish){ .queue = "work" }, &id),
	    TAKEN);
	end_all_runs_with(&WELL);
	nothing_is_held("work");
}
END_TEST

START_TEST(jobs_of_a_queue_that_is_not_configured_wait_for_it)
{
	struct uuid running, waiting;

	open_file_world();
	queue_named("other")->concurrency = 1;
	running = submit(&(struct wish){ .queue = "other", .body = "12" });
	waiting = submit(&(struct wish){ .queue = "other", .body = "345" });
	crash_world();
	world_conf()->queue_count = 1;
	open_world();
	let_time_pass(MINUTE_MS);
	ck_assert_int_eq(status_of(running), JOB_QUEUED);
	ck_assert_int_eq(status_of(waiting), JOB_QUEUED);
	reload_whole();
	ck_assert(is_under_way(running));
	ck_assert_int_eq(run_of(running)->job.attempts, 2);
	ck_assert_int_eq(gauge_of("other")->places, 2);
	ck_assert_int_eq(gauge_of("other")->place_bytes, 5);
	end_all_runs_with(&WELL);
	nothing_is_held("other");
}
END_TEST

START_TEST(a_run_whose_end_was_not_written_down_is_made_again)
{
	struct uuid job;

	open_file_world();
	job = submit_plain();
	store_sickens(SICK_WRITES, 0, STORE_AGAIN);
	end_run_with(job, &WELL);
	crash_world();
	store_heals();
	open_world();
	ck_assert(is_under_way(job));
	ck_assert_int_eq(run_of(job)->job.attempts, 2);
	end_run_with(job, &WELL);
	ck_assert_int_eq(status_of(job), JOB_SUCCEEDED);
	nothing_is_held("work");
}
END_TEST

START_TEST(ids_rise_though_the_clock_went_back_while_nobody_was_there)
{
	struct uuid before, after;

	open_file_world();
	before = submit_plain();
	crash_world();
	clock_wall_jumps(-DAY_MS);
	open_world();
	after = submit_plain();
	ck_assert_int_gt(after.seq, before.seq);
}
END_TEST

/* ---- deliveries ---- */

START_TEST(a_delivery_under_way_is_made_again_with_the_same_id)
{
	struct uuid job;
	struct uuid id;

	open_file_world();
	job = submit(&(struct wish){ .callback = A });
	end_run_with(job, &WELL);
	id = post_of(job)->delivery.id;
	reopen_world();
	ck_assert(same(post_of(job)->delivery.id, id));
	ck_assert_int_eq(post_of(job)->delivery.attempts, 0);
	ck_assert_int_eq(post_of(job)->is_first, true);
	ck_assert_uint_eq(blob_len(post_of(job)->response.body), 4);
	end_post_with(job, &THANKS);
	ck_assert_int_eq(delivery_state_of(job), DELIVERY_DELIVERED);
}
END_TEST

START_TEST(the_schedule_of_a_delivery_goes_on)
{
	struct uuid job;

	open_file_world();
	job = submit(&(struct wish){ .callback = A });
	end_run_with(job, &WELL);
	end_post_with(job, &NOT_NOW);
	let_time_pass(5 * SECOND_MS);
	end_post_with(job, &NOT_NOW); /* 5 min from now */
	crash_world();
	clock_goes_on(MINUTE_MS);
	open_world();
	let_time_pass(4 * MINUTE_MS - 1);
	ck_assert_int_eq(posts_under_way(), 0);
	let_time_pass(1);
	ck_assert_int_eq(post_of(job)->delivery.attempts, 2);
	end_post_with(job, &NOT_NOW);
	let_time_pass(30 * MINUTE_MS);
	end_post_with(job, &NOT_NOW);
	ck_assert_int_eq(delivery_state_of(job), DELIVERY_DEAD);
	reopen_world();
	let_time_pass(HOUR_MS);
	ck_assert_int_eq(posts_under_way(), 0);
	ck_assert_int_eq(redeliver(delivery_of(job)), ORDER_OK);
}
END_TEST

START_TEST(a_started_event_is_not_sent_for_the_run_after_the_crash)
{
	struct uuid job;

	open_file_world();
	job = submit(&(struct wish){ .callback = A,
	    .events = EVENT_STARTED | EVENTS_TERMINAL });
	end_post_with(job, &THANKS);
	reopen_world();
	ck_assert(is_under_way(job));
	ck_assert_int_eq(posts_under_way(), 0);
}
END_TEST

START_TEST(a_redelivery_goes_on_after_a_crash)
{
	struct uuid job;

	open_file_world();
	job = submit(&(struct wish){ .callback = A });
	end_run_with(job, &WELL);
	end_post_with(job, &GONE);
	ck_assert_int_eq(redeliver(delivery_of(job)), ORDER_OK);
	reopen_world();
	ck_assert(is_being_posted(job));
}
END_TEST

/* ---- a life full of crashes ---- */

#define JOBS 12

static int
jobs_ended(const struct uuid *jobs, int count)
{
	int ended = 0;

	for (int i = 0; i < count; i++)
		ended += job_has_ended(status_of(jobs[i])) &&
		    has_delivery(jobs[i]) &&
		    delivery_state_of(jobs[i]) == DELIVERY_DELIVERED;
	return ended;
}

static void
something_happens(struct uuid *jobs, int *count)
{
	switch (dice(6)) {
	case 0:
		if (*count < JOBS)
			jobs[(*count)++] = submit(&(struct wish){ .callback = A,
			    .attempts = 1 + (int)dice(3) });
		return;
	case 1:
	case 2:
		if (runs_under_way() > 0)
			end_run_with(run_at(0), dice(3) == 0 ? &BUSY : &WELL);
		return;
	case 3:
		if (posts_under_way() > 0)
			end_post_with(post_at(0)->delivery.job, &THANKS);
		return;
	case 4:
		let_time_pass(dice(2000));
		return;
	default:
		reopen_world();
	}
}

START_TEST(whatever_crashes_every_job_ends_and_is_delivered)
{
	struct uuid jobs[JOBS];
	int count = 0;
	int steps = 0;

	dice_begin((uint64_t)_i + 1);
	open_file_world();
	while (count < JOBS || jobs_ended(jobs, count) < JOBS) {
		ck_assert_int_lt(steps++, 3000);
		something_happens(jobs, &count);
	}
	nothing_is_held("work");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("scenario: recovery");
	TCase *cases = cases_of(suite, "jobs");

	tcase_add_test(cases, jobs_that_waited_wait_again_in_their_order);
	tcase_add_test(cases,
	    an_interrupted_run_counts_and_is_made_again_at_once);
	tcase_add_test(cases,
	    a_job_whose_last_run_is_interrupted_fails_and_says_so);
	tcase_add_test(cases,
	    a_job_that_is_interrupted_every_time_runs_out_of_attempts);
	tcase_add_test(cases, an_at_most_once_job_is_not_run_again);
	tcase_add_test(cases, delays_and_waits_between_runs_go_on);
	tcase_add_test(cases,
	    what_fell_due_while_nobody_was_there_runs_at_the_start);
	tcase_add_test(cases,
	    ended_jobs_keep_their_results_and_are_not_run_again);
	tcase_add_test(cases, a_key_outlives_a_crash);
	tcase_add_test(cases,
	    what_was_promised_is_held_though_the_queue_became_smaller);
	tcase_add_test(cases,
	    jobs_of_a_queue_that_is_not_configured_wait_for_it);
	tcase_add_test(cases,
	    a_run_whose_end_was_not_written_down_is_made_again);
	tcase_add_test(cases,
	    ids_rise_though_the_clock_went_back_while_nobody_was_there);
	cases = cases_of(suite, "deliveries");
	tcase_add_test(cases,
	    a_delivery_under_way_is_made_again_with_the_same_id);
	tcase_add_test(cases, the_schedule_of_a_delivery_goes_on);
	tcase_add_test(cases,
	    a_started_event_is_not_sent_for_the_run_after_the_crash);
	tcase_add_test(cases, a_redelivery_goes_on_after_a_crash);
	cases = cases_of(suite, "chance");
	tcase_add_loop_test(cases,
	    whatever_crashes_every_job_ends_and_is_delivered, 0, 6);
	return run_suite(suite);
}
