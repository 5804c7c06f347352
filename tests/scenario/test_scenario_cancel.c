/* test_scenario_cancel.c - jobs that are wanted no more: one end, and every
 * place and slot given back once. */
#include "suite.h"

#include <string.h>

#include "ledger/inside.h"

#define A "http://a.example/hook"
#define B "http://b.example/hook"

static struct order *
cancel_order(struct uuid job)
{
	struct order *order = new_order(ORDER_CANCEL);

	order->job.id = job;
	return order;
}

static enum order_result
result_of(struct order **order)
{
	enum order_result result = (*order)->result;

	order_free(order);
	return result;
}

static void
is_cancelled(struct uuid job)
{
	ck_assert_int_eq(status_of(job), JOB_CANCELLED);
	ck_assert_int_eq(error_of(job), ERROR_CANCELLED);
	ck_assert_int_eq(position_of(job), 0);
	ck_assert_int_eq(cancel(job), ORDER_CONFLICT);
}

static void
heal(void)
{
	store_heals();
	let_time_pass(SECOND_MS);
	ck_assert(ledger_is_well(world_ledger()));
}

/* ---- while it waits ---- */

START_TEST(a_queued_job_leaves_the_line_and_gives_its_place_back)
{
	struct uuid busy[2], jobs[3];

	open_world();
	fill_slots(busy);
	for (int i = 0; i < 3; i++)
		jobs[i] = submit(&(struct wish){ .body = "four" });
	ck_assert_int_eq(gauge_of("work")->places, 5);
	ck_assert_int_eq(cancel(jobs[1]), ORDER_OK);
	is_cancelled(jobs[1]);
	ck_assert_int_eq(gauge_of("work")->places, 4);
	ck_assert_int_eq(gauge_of("work")->place_bytes, 8);
	ck_assert_int_eq(gauge_of("work")->queued, 2);
	ck_assert_int_eq(gauge_of("work")->ended[JOB_CANCELLED], 1);
	ck_assert_int_eq(position_of(jobs[0]), 1);
	ck_assert_int_eq(position_of(jobs[2]), 2);
	end_all_runs_with(&WELL);
	ck_assert_int_eq(runs_begun(), 4);
	ck_assert_int_eq(attempts_of(jobs[1]), 0);
	nothing_is_held("work");
}
END_TEST

START_TEST(what_the_canceller_is_shown_is_what_anybody_sees)
{
	struct uuid busy[2], job;
	struct order *shown, *seen;

	open_world();
	fill_slots(busy);
	job = submit(&(struct wish){ .callback = A });
	shown = ask(cancel_order(job));
	seen = ask_job(job);
	ck_assert_int_eq(shown->job.finished_at_ms, seen->job.finished_at_ms);
	ck_assert_int_eq(shown->facts.position, 0);
	ck_assert_int_eq(shown->facts.estimated_wait_ms, -1);
	ck_assert(shown->has_delivery && seen->has_delivery);
	ck_assert(same(shown->delivery.id, seen->delivery.id));
	order_free(&shown);
	order_free(&seen);
}
END_TEST

START_TEST(a_delayed_job_never_becomes_due)
{
	struct uuid job;

	open_world();
	job = submit(&(struct wish){ .delay_ms = HOUR_MS });
	ck_assert_int_eq(cancel(job), ORDER_OK);
	nothing_is_held("work");
	let_time_pass(2 * HOUR_MS);
	is_cancelled(job);
	ck_assert_int_eq(runs_begun(), 0);
}
END_TEST

/* Its turn is near: it is at hand (fresh.h), and must not come back from there. */
START_TEST(a_job_whose_turn_is_near_does_not_run)
{
	const struct wish wish = { .delay_ms = SECOND_MS, .body = "four" };
	struct uuid job, next;

	open_world();
	job = submit(&wish);
	next = submit(&wish);
	ck_assert_int_eq(cancel(job), ORDER_OK);
	let_time_pass(2 * SECOND_MS);
	is_cancelled(job);
	ck_assert_int_eq(runs_begun(), 1);
	end_run_with(next, &WELL);
	nothing_is_held("work");
}
END_TEST

START_TEST(a_delayed_job_is_found_although_the_clock_was_set)
{
	struct uuid job;

	open_world();
	job = submit(&(struct wish){ .delay_ms = HOUR_MS });
	clock_wall_jumps(DAY_MS);
	settle();
	ck_assert_int_eq(cancel(job), ORDER_OK);
	nothing_is_held("work");
	let_time_pass(2 * HOUR_MS);
	ck_assert_int_eq(runs_begun(), 0);
}
END_TEST

START_TEST(a_cancelled_job_does_not_expire)
{
	struct uuid busy[2], job;

	open_world();
	fill_slots(busy);
	job = submit(&(struct wish){ .expires_ms = MINUTE_MS, .callback = A });
	ck_assert_int_eq(cancel(job), ORDER_OK);
	end_post_with(job, &THANKS);
	let_time_pass(HOUR_MS);
	is_cancelled(job);
	ck_assert_int_eq(posts_begun(), 1);
}
END_TEST

START_TEST(a_job_that_waits_for_another_try_gets_none)
{
	struct uuid job;

	open_world();
	job = submit_plain();
	end_run_with(job, &BUSY);
	ck_assert_int_eq(cancel(job), ORDER_OK);
	nothing_is_held("work");
	let_time_pass(HOUR_MS);
	is_cancelled(job);
	ck_assert_int_eq(attempts_of(job), 1);
	ck_assert_int_eq(runs_begun(), 1);
}
END_TEST

START_TEST(a_job_of_a_queue_that_is_gone_can_be_cancelled)
{
	struct uuid busy[2], job;

	open_world();
	for (int i = 0; i < 2; i++)
		busy[i] = submit(&(struct wish){ .queue = "other" });
	job = submit(&(struct wish){ .queue = "other" });
	reload_without("other");
	ck_assert_int_eq(cancel(job), ORDER_OK);
	ck_assert_int_eq(cancel(busy[0]), ORDER_OK);
	end_run_with(busy[0], &DROPPED);
	end_run_with(busy[1], &WELL);
	reload_whole();
	is_cancelled(job);
	is_cancelled(busy[0]);
	nothing_is_held("other");
}
END_TEST

START_TEST(a_job_that_was_revived_can_be_cancelled)
{
	struct uuid busy[2], job;
	struct order *order;

	open_world();
	job = submit_plain();
	end_run_with(job, &BAD);
	fill_slots(busy);
	order = new_order(ORDER_RETRY);
	order->job.id = job;
	order = ask(order);
	ck_assert_int_eq(result_of(&order), ORDER_OK);
	ck_assert_int_eq(status_of(job), JOB_QUEUED);
	ck_assert_int_eq(cancel(job), ORDER_OK);
	is_cancelled(job);
	end_all_runs_with(&WELL);
	ck_assert_int_eq(runs_begun(), 3);
	nothing_is_held("work");
}
END_TEST

/* ---- while it runs ---- */

START_TEST(a_running_job_ends_at_once_and_its_run_is_told_to)
{
	struct uuid job;

	open_world();
	job = submit_plain();
	ck_assert(!is_told_to_end(job));
	ck_assert_int_eq(cancel(job), ORDER_OK);
	ck_assert(is_told_to_end(job));
	is_cancelled(job);
	ck_assert_int_eq(gauge_of("work")->places, 0);
	end_run_with(job, &DROPPED);
	is_cancelled(job);
	nothing_is_held("work");
}
END_TEST

START_TEST(its_slot_is_free_when_the_run_has_ended_and_not_before)
{
	struct uuid busy[2], next;

	open_world();
	fill_slots(busy);
	next = submit_plain();
	ck_assert_int_eq(cancel(busy[0]), ORDER_OK);
	ck_assert(!is_under_way(next));
	ck_assert_int_eq(gauge_of("work")->running, 2);
	end_run_with(busy[0], &DROPPED);
	ck_assert(is_under_way(next));
	ck_assert_int_eq(gauge_of("work")->running, 2);
}
END_TEST

static const struct run_end *const late_ends[] = { &WELL, &BUSY, &BAD, &NOBODY,
	&DROPPED };

START_TEST(whatever_a_dropped_run_still_brings_back_counts_for_nothing)
{
	struct uuid job;
	struct order *order;

	open_world();
	job = submit(&(struct wish){ .callback = A });
	ck_assert_int_eq(cancel(job), ORDER_OK);
	end_post_with(job, &THANKS);
	end_run_with(job, late_ends[_i]);
	is_cancelled(job);
	order = ask_job(job);
	ck_assert_int_eq(order->job.response_status, 0);
	ck_assert_int_eq(order->job.attempts, 1);
	order_free(&order);
	let_time_pass(HOUR_MS);
	ck_assert_int_eq(runs_begun(), 1);
	ck_assert_int_eq(posts_begun(), 1);
	ck_assert_int_eq(gauge_of("work")->ended[JOB_CANCELLED], 1);
	ck_assert_int_eq(gauge_of("work")->ended[JOB_SUCCEEDED], 0);
	ck_assert_int_eq(gauge_of("work")->ended[JOB_FAILED], 0);
	ck_assert_int_eq(gauge_of("work")->retried, 0);
	ck_assert_int_eq(line_count(world_ledger()->cancelled), 0);
	nothing_is_held("work");
}
END_TEST

/* The place went when the last attempt began, or goes now: never twice. */
START_TEST(a_place_is_given_back_once)
{
	const struct wish wish = { .attempts = _i + 1, .body = "body" };
	struct uuid job, other;

	open_world();
	other = submit(&(struct wish){ .delay_ms = HOUR_MS, .body = "x" });
	job = submit(&wish);
	ck_assert_int_eq(gauge_of("work")->places, _i == 0 ? 1 : 2);
	ck_assert_int_eq(cancel(job), ORDER_OK);
	ck_assert_int_eq(gauge_of("work")->places, 1);
	end_run_with(job, &BUSY);
	ck_assert_int_eq(gauge_of("work")->places, 1);
	ck_assert_int_eq(gauge_of("work")->place_bytes, 1);
	ck_assert_int_eq(cancel(other), ORDER_OK);
	nothing_is_held("work");
}
END_TEST

/* ---- events ---- */

START_TEST(the_event_of_a_cancelled_job_is_delivered_once)
{
	const struct wish wish = { .callback = A, .failure = B };
	struct uuid job;

	open_world();
	job = submit(&wish);
	ck_assert_int_eq(cancel(job), ORDER_OK);
	ck_assert(is_being_posted(job));
	ck_assert_int_eq(post_of(job)->delivery.event, EVENT_CANCELLED);
	ck_assert_str_eq(post_of(job)->delivery.url, A);
	ck_assert_int_eq(post_of(job)->job.status, JOB_CANCELLED);
	end_run_with(job, &BAD);
	end_post_with(job, &THANKS);
	ck_assert_int_eq(delivery_state_of(job), DELIVERY_DELIVERED);
	let_time_pass(HOUR_MS);
	ck_assert_int_eq(posts_begun(), 1);
}
END_TEST

START_TEST(who_did_not_ask_for_that_event_gets_none)
{
	const struct wish wish = { .callback = A,
		.events = EVENT_SUCCEEDED | EVENT_FAILED,
		.delay_ms = HOUR_MS };
	struct uuid job;

	open_world();
	job = submit(&wish);
	ck_assert_int_eq(cancel(job), ORDER_OK);
	ck_assert(!has_delivery(job));
	ck_assert_int_eq(posts_begun(), 0);
}
END_TEST

/* ---- who may ---- */

START_TEST(only_its_client_may_cancel_a_job)
{
	struct uuid job;
	struct order *order;

	open_world();
	job = submit(&(struct wish){ .client = "acme", .delay_ms = HOUR_MS });
	order = cancel_order(job);
	strcpy(order->client, "zenith");
	order = ask(order);
	ck_assert_int_eq(result_of(&order), ORDER_MISSING);
	ck_assert_int_eq(status_of(job), JOB_QUEUED);
	order = cancel_order(job);
	strcpy(order->client, "acme");
	order = ask(order);
	ck_assert_int_eq(result_of(&order), ORDER_OK);
	job.salt++;
	ck_assert_int_eq(cancel(job), ORDER_MISSING);
}
END_TEST

/* ---- at the same moment ---- */

START_TEST(of_two_cancels_in_one_turn_one_does_it)
{
	struct uuid job;
	struct order *first, *second;

	open_world();
	job = submit(&(struct wish){ .callback = A });
	ask_later(cancel_order(job), &first);
	ask_later(cancel_order(job), &second);
	settle();
	ck_assert_int_eq(result_of(&first), ORDER_OK);
	ck_assert_int_eq(result_of(&second), ORDER_CONFLICT);
	end_run_with(job, &DROPPED);
	end_post_with(job, &THANKS);
	ck_assert_int_eq(posts_begun(), 1);
	nothing_is_held("work");
}
END_TEST

/* The run's end and the cancel come in one turn, in either order. */
static struct order *
race(struct uuid job, const struct run_end *end, bool cancel_first)
{
	struct order *order;

	if (cancel_first)
		ask_later(cancel_order(job), &order);
	give_back_run(job, end);
	if (!cancel_first)
		ask_later(cancel_order(job), &order);
	settle();
	ck_assert_ptr_nonnull(order);
	return order;
}

START_TEST(an_end_that_came_in_the_same_turn_counts)
{
	struct uuid job;
	struct order *order;

	open_world();
	job = submit(&(struct wish){ .callback = A });
	order = race(job, &WELL, _i == 0);
	ck_assert_int_eq(result_of(&order), ORDER_CONFLICT);
	ck_assert_int_eq(status_of(job), JOB_SUCCEEDED);
	ck_assert(!is_told_to_end(job));
	ck_assert_int_eq(posts_begun(), 1);
	nothing_is_held("work");
}
END_TEST

START_TEST(a_retry_that_came_in_the_same_turn_is_called_off)
{
	struct uuid job;
	struct order *order;

	open_world();
	job = submit(&(struct wish){ .callback = A });
	order = race(job, &BUSY, _i == 0);
	ck_assert_int_eq(result_of(&order), ORDER_OK);
	nothing_is_held("work");
	let_time_pass(HOUR_MS);
	is_cancelled(job);
	ck_assert_int_eq(runs_begun(), 1);
	ck_assert_int_eq(line_count(world_ledger()->cancelled), 0);
}
END_TEST

START_TEST(a_job_whose_turn_came_in_the_same_turn_does_not_begin)
{
	struct uuid busy[2], job, next;
	struct order *order;

	open_world();
	fill_slots(busy);
	job = submit_plain();
	next = submit_plain();
	give_back_run(busy[0], &WELL);
	ask_later(cancel_order(job), &order);
	settle();
	ck_assert_int_eq(result_of(&order), ORDER_OK);
	ck_assert(!is_under_way(job));
	ck_assert(is_under_way(next));
	ck_assert_int_eq(attempts_of(job), 0);
}
END_TEST

START_TEST(a_job_that_expired_in_the_same_turn_was_not_cancelled)
{
	struct uuid busy[2], job;
	struct order *order;

	open_world();
	fill_slots(busy);
	job = submit(&(struct wish){ .expires_ms = MINUTE_MS });
	clock_goes_on(MINUTE_MS);
	ask_later(cancel_order(job), &order);
	settle();
	ck_assert_int_eq(result_of(&order), ORDER_CONFLICT);
	ck_assert_int_eq(status_of(job), JOB_FAILED);
	ck_assert_int_eq(error_of(job), ERROR_EXPIRED);
}
END_TEST

/* ---- a store that fails ---- */

static const unsigned write_calls[] = { SICK_BEGIN, SICK_UPDATE_JOB,
	SICK_ADD_DELIVERY, SICK_COMMIT };

START_TEST(what_could_not_be_written_down_was_not_cancelled)
{
	struct uuid busy[2], job;

	open_world();
	for (int i = 0; i < 2; i++)
		busy[i] = submit(&(struct wish){ .callback = A });
	job = submit(&(struct wish){ .callback = A, .expires_ms = HOUR_MS });
	store_sickens(write_calls[_i], 0, STORE_AGAIN);
	ck_assert_int_eq(cancel(job), ORDER_UNAVAILABLE);
	heal();
	store_sickens(write_calls[_i], 0, STORE_AGAIN);
	ck_assert_int_eq(cancel(busy[0]), ORDER_UNAVAILABLE);
	ck_assert(!is_told_to_end(busy[0]));
	heal();
	ck_assert_int_eq(status_of(job), JOB_QUEUED);
	ck_assert_int_eq(position_of(job), 1);
	ck_assert_int_eq(line_count(world_ledger()->cancelled), 0);
	end_all_runs_with(&WELL);
	ck_assert_int_eq(status_of(job), JOB_SUCCEEDED);
	ck_assert_int_eq(status_of(busy[0]), JOB_SUCCEEDED);
	ck_assert_int_eq(posts_begun(), 3);
	nothing_is_held("work");
}
END_TEST

/* A slot becomes free, the next in line is cancelled and so passed over, and
 * then the turn fails, at any of its steps: whoever waited waits on, in the
 * old order. */
START_TEST(a_turn_that_fails_after_a_cancel_loses_nobody)
{
	static const unsigned calls[] = { SICK_UPDATE_JOB, SICK_ADD_DELIVERY,
		SICK_GET_JOB, SICK_COMMIT };
	struct uuid busy[2], jobs[3];
	struct order *order;

	open_world();
	fill_slots(busy);
	for (int i = 0; i < 3; i++)
		jobs[i] = submit(&(struct wish){ .callback = A,
		    .delay_ms = i == 0 ? 1000 : 0 });
	let_time_pass(SECOND_MS);
	give_back_run(busy[0], &WELL);
	ask_later(cancel_order(jobs[0]), &order);
	store_stumbles(calls[_i / 4], _i % 4);
	settle();
	store_heals();
	let_time_pass(2 * SECOND_MS);
	ck_assert(ledger_is_well(world_ledger()));
	ck_assert_ptr_nonnull(order);
	if (order->result == ORDER_OK)
		is_cancelled(jobs[0]);
	else
		ck_assert_int_eq(order->result, ORDER_UNAVAILABLE);
	ck_assert_int_eq(status_of(jobs[0]) == JOB_CANCELLED,
	    order->result == ORDER_OK);
	order_free(&order);
	end_all_runs_with(&WELL);
	for (int i = 0; i < 3; i++)
		ck_assert(status_of(jobs[i]) == JOB_SUCCEEDED ||
		    (i == 0 && status_of(jobs[i]) == JOB_CANCELLED));
	nothing_is_held("work");
}
END_TEST

START_TEST(a_dropped_run_that_ends_while_the_store_fails_keeps_its_slot)
{
	struct uuid busy[2], next;

	open_world();
	fill_slots(busy);
	next = submit_plain();
	ck_assert_int_eq(cancel(busy[0]), ORDER_OK);
	store_sickens(SICK_WRITES, 0, STORE_AGAIN);
	end_run_with(busy[0], &WELL);
	ck_assert(!is_under_way(next));
	heal();
	ck_assert(is_under_way(next));
	is_cancelled(busy[0]);
	end_all_runs_with(&WELL);
	nothing_is_held("work");
}
END_TEST

START_TEST(an_end_that_waits_for_the_store_goes_before_a_cancel)
{
	struct uuid job;
	struct order *order;

	open_world();
	job = submit_plain();
	store_sickens(SICK_WRITES, 0, STORE_AGAIN);
	end_run_with(job, &WELL);
	store_heals();
	clock_goes_on(2 * SECOND_MS);
	ask_later(cancel_order(job), &order);
	settle();
	ck_assert_int_eq(result_of(&order), ORDER_CONFLICT);
	ck_assert_int_eq(status_of(job), JOB_SUCCEEDED);
	nothing_is_held("work");
}
END_TEST

/* ---- the end of the process ---- */

START_TEST(what_was_cancelled_stays_so_after_a_crash)
{
	struct uuid running, waiting, other;

	use_file_store();
	open_world();
	running = submit(&(struct wish){ .callback = A });
	other = submit_plain();
	waiting = submit(&(struct wish){ .callback = A });
	ck_assert_int_eq(cancel(running), ORDER_OK);
	ck_assert_int_eq(cancel(waiting), ORDER_OK);
	reopen_world();
	is_cancelled(running);
	is_cancelled(waiting);
	ck_assert_int_eq(attempts_of(running), 1);
	ck_assert(is_under_way(other));
	ck_assert_int_eq(runs_under_way(), 1);
	end_post_with(running, &THANKS);
	end_post_with(waiting, &THANKS);
	end_run_with(other, &WELL);
	nothing_is_held("work");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("scenario: cancel");
	TCase *cases = cases_of(suite, "cancel");

	tcase_add_test(cases,
	    a_queued_job_leaves_the_line_and_gives_its_place_back);
	tcase_add_test(cases, what_the_canceller_is_shown_is_what_anybody_sees);
	tcase_add_test(cases, a_delayed_job_never_becomes_due);
	tcase_add_test(cases, a_job_whose_turn_is_near_does_not_run);
	tcase_add_test(cases,
	    a_delayed_job_is_found_although_the_clock_was_set);
	tcase_add_test(cases, a_cancelled_job_does_not_expire);
	tcase_add_test(cases, a_job_that_waits_for_another_try_gets_none);
	tcase_add_test(cases, a_job_of_a_queue_that_is_gone_can_be_cancelled);
	tcase_add_test(cases, a_job_that_was_revived_can_be_cancelled);
	tcase_add_test(cases,
	    a_running_job_ends_at_once_and_its_run_is_told_to);
	tcase_add_test(cases,
	    its_slot_is_free_when_the_run_has_ended_and_not_before);
	tcase_add_loop_test(cases,
	    whatever_a_dropped_run_still_brings_back_counts_for_nothing, 0, 5);
	tcase_add_loop_test(cases, a_place_is_given_back_once, 0, 3);
	tcase_add_test(cases, the_event_of_a_cancelled_job_is_delivered_once);
	tcase_add_test(cases, who_did_not_ask_for_that_event_gets_none);
	tcase_add_test(cases, only_its_client_may_cancel_a_job);
	tcase_add_test(cases, of_two_cancels_in_one_turn_one_does_it);
	tcase_add_loop_test(cases, an_end_that_came_in_the_same_turn_counts, 0,
	    2);
	tcase_add_loop_test(cases,
	    a_retry_that_came_in_the_same_turn_is_called_off, 0, 2);
	tcase_add_test(cases,
	    a_job_whose_turn_came_in_the_same_turn_does_not_begin);
	tcase_add_test(cases,
	    a_job_that_expired_in_the_same_turn_was_not_cancelled);
	tcase_add_loop_test(cases,
	    what_could_not_be_written_down_was_not_cancelled, 0, 4);
	tcase_add_loop_test(cases,
	    a_turn_that_fails_after_a_cancel_loses_nobody, 0, 16);
	tcase_add_test(cases,
	    a_dropped_run_that_ends_while_the_store_fails_keeps_its_slot);
	tcase_add_test(cases,
	    an_end_that_waits_for_the_store_goes_before_a_cancel);
	tcase_add_test(cases, what_was_cancelled_stays_so_after_a_crash);
	return run_suite(suite);
}
