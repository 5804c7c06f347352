/* test_scenario_sick_store.c - a store that does not write, and what is
 * promised meanwhile: nothing new, and nothing forgotten. */
#include "suite.h"

#include <string.h>

#include "ledger/inside.h"

#define A "http://a.example/hook"

static const unsigned write_calls[] = { SICK_BEGIN, SICK_COMMIT, SICK_ADD_JOB };

static int64_t
jobs_known(void)
{
	struct order *order = ask(new_order(ORDER_BOOKS));
	int64_t count = order->books.accepted;

	ck_assert_int_eq(order->result, ORDER_OK);
	order_free(&order);
	return count;
}

static void
heal(void)
{
	store_heals();
	let_time_pass(SECOND_MS);
	ck_assert(ledger_is_well(world_ledger()));
}

/* ---- accepting ---- */

START_TEST(what_cannot_be_written_down_is_refused_and_leaves_nothing)
{
	const struct wish wish = { .body = "x", .callback = A };
	struct uuid id;

	open_world();
	store_sickens(write_calls[_i], 0, STORE_AGAIN);
	ck_assert_int_eq(try_submit(&wish, &id), UNAVAILABLE);
	ck_assert(!ledger_is_well(world_ledger()));
	ck_assert_int_eq(gauge_of("work")->places, 0);
	ck_assert_int_eq(gauge_of("work")->accepted, 0);
	ck_assert_int_eq(runs_under_way(), 0);
	ck_assert_int_eq(jobs_known(), 0);
	heal();
	ck_assert(is_under_way(submit(&wish)));
	ck_assert_int_eq(jobs_known(), 1);
}
END_TEST

START_TEST(all_that_came_in_the_turn_that_failed_is_refused)
{
	int tickets[20];

	open_world();
	store_stumbles(SICK_ADD_JOB, 10);
	for (int i = 0; i < 20; i++)
		tickets[i] = send_wish(&(struct wish){ .body = "x" });
	for (int i = 0; i < 20; i++) {
		struct uuid id;

		ck_assert_int_eq(answer_to(tickets[i], &id), UNAVAILABLE);
	}
	ck_assert_int_eq(jobs_known(), 0);
	ck_assert_int_eq(gauge_of("work")->places, 0);
	ck_assert_int_eq(gauge_of("work")->running, 0);
}
END_TEST

START_TEST(a_key_that_was_refused_is_as_good_as_new)
{
	const struct wish wish = { .key = "k" };
	struct uuid id;

	open_world();
	store_stumbles(SICK_COMMIT, 0);
	ck_assert_int_eq(try_submit(&wish, &id), UNAVAILABLE);
	heal();
	ck_assert_int_eq(try_submit(&wish, &id), TAKEN);
	ck_assert_int_eq(try_submit(&wish, &id), REPLAYED);
}
END_TEST

START_TEST(a_sick_store_is_asked_once_a_second_and_not_more)
{
	struct uuid id;
	int before;

	open_world();
	store_sickens(SICK_WRITES, 0, STORE_AGAIN);
	(void)try_submit(&(struct wish){ .queue = "work" }, &id);
	before = store_failures();
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(try_submit(&(struct wish){ .queue = "work" },
				     &id),
		    UNAVAILABLE);
	ck_assert_int_eq(store_failures(), before);
	let_time_pass(10 * SECOND_MS);
	ck_assert_int_ge(store_failures(), before + 9);
	ck_assert_int_le(store_failures(), before + 11);
	ck_assert(!ledger_is_well(world_ledger()));
}
END_TEST

START_TEST(a_sick_store_is_found_well_by_itself)
{
	struct uuid id;

	open_world();
	store_stumbles(SICK_COMMIT, 0);
	(void)try_submit(&(struct wish){ .queue = "work" }, &id);
	ck_assert(!ledger_is_well(world_ledger()));
	let_time_pass(SECOND_MS);
	ck_assert(ledger_is_well(world_ledger()));
}
END_TEST

START_TEST(a_broken_store_is_never_found_well)
{
	struct uuid job;
	struct uuid id;

	open_world();
	job = submit_plain();
	store_sickens(SICK_COMMIT, 0, STORE_BROKEN);
	ck_assert_int_eq(try_submit(&(struct wish){ .queue = "work" }, &id),
	    UNAVAILABLE);
	store_heals();
	end_run_with(job, &WELL);
	let_time_pass(MINUTE_MS);
	ck_assert(!ledger_is_well(world_ledger()));
	ck_assert_int_eq(status_of(job), JOB_RUNNING);
}
END_TEST

/* ---- ends of runs ---- */

START_TEST(the_end_of_a_run_waits_until_it_can_be_written_down)
{
	struct uuid job;

	open_world();
	job = submit(&(struct wish){ .callback = A });
	store_sickens(SICK_WRITES, 0, STORE_AGAIN);
	end_run_with(job, &WELL);
	let_time_pass(MINUTE_MS);
	ck_assert_int_eq(status_of(job), JOB_RUNNING);
	ck_assert_int_eq(gauge_of("work")->running, 1);
	ck_assert_int_eq(posts_begun(), 0);
	heal();
	ck_assert_int_eq(status_of(job), JOB_SUCCEEDED);
	ck_assert_int_eq(gauge_of("work")->running, 0);
	ck_assert(is_being_posted(job));
	let_time_pass(MINUTE_MS);
	ck_assert_int_eq(runs_begun(), 1);
	ck_assert_int_eq(posts_begun(), 1);
}
END_TEST

START_TEST(slots_of_runs_that_are_not_written_down_stay_taken)
{
	struct uuid jobs[4];

	open_world();
	for (int i = 0; i < 4; i++)
		jobs[i] = submit_plain();
	store_sickens(SICK_COMMIT, 0, STORE_AGAIN);
	end_run_with(jobs[0], &WELL);
	end_run_with(jobs[1], &BUSY);
	let_time_pass(5 * SECOND_MS);
	ck_assert_int_eq(runs_under_way(), 0);
	ck_assert_int_eq(gauge_of("work")->running, 2);
	heal();
	ck_assert_int_eq(status_of(jobs[0]), JOB_SUCCEEDED);
	ck_assert_int_eq(status_of(jobs[1]), JOB_QUEUED);
	ck_assert(is_under_way(jobs[2]));
	ck_assert(is_under_way(jobs[3]));
	ck_assert_int_eq(gauge_of("work")->running, 2);
}
END_TEST

START_TEST(an_event_that_cannot_be_written_down_keeps_the_job_running)
{
	struct uuid job;

	open_world();
	job = submit(&(struct wish){ .callback = A });
	store_sickens(SICK_ADD_DELIVERY, 0, STORE_AGAIN);
	end_run_with(job, &WELL);
	ck_assert_int_eq(status_of(job), JOB_RUNNING);
	heal();
	ck_assert_int_eq(status_of(job), JOB_SUCCEEDED);
	end_post_with(job, &THANKS);
	ck_assert_int_eq(delivery_state_of(job), DELIVERY_DELIVERED);
	ck_assert_int_eq(posts_begun(), 1);
}
END_TEST

START_TEST(a_job_that_could_not_be_claimed_still_waits)
{
	static const unsigned calls[] = { SICK_UPDATE_JOB, SICK_COMMIT,
		SICK_GET_JOB, SICK_GET_PAYLOAD };
	struct uuid job;

	open_world();
	/* so far away that it is read back from the store */
	job = submit(&(struct wish){ .delay_ms = MINUTE_MS, .body = "x" });
	store_sickens(calls[_i], 0, STORE_AGAIN);
	let_time_pass(MINUTE_MS);
	ck_assert(!ledger_is_well(world_ledger()));
	ck_assert_int_eq(gauge_of("work")->queued, 1);
	ck_assert_int_eq(gauge_of("work")->running, 0);
	heal();
	ck_assert_int_eq(run_of(job)->job.attempts, 1);
	ck_assert_uint_eq(blob_len(run_of(job)->request.body), 1);
}
END_TEST

START_TEST(a_job_at_hand_that_could_not_be_claimed_still_waits)
{
	static const unsigned calls[] = { SICK_UPDATE_JOB, SICK_COMMIT };
	struct uuid job;

	open_world();
	job = submit(&(struct wish){ .delay_ms = 500, .body = "x" });
	store_sickens(calls[_i], 0, STORE_AGAIN);
	let_time_pass(500);
	ck_assert(!ledger_is_well(world_ledger()));
	ck_assert_int_eq(gauge_of("work")->queued, 1);
	ck_assert_int_eq(gauge_of("work")->running, 0);
	heal();
	ck_assert_int_eq(run_of(job)->job.attempts, 1);
	ck_assert_uint_eq(blob_len(run_of(job)->request.body), 1);
}
END_TEST

START_TEST(a_job_at_hand_is_not_read_back)
{
	struct uuid job;

	open_world();
	job = submit(&(struct wish){ .delay_ms = 500, .body = "x" });
	store_sickens(SICK_GET_JOB | SICK_GET_PAYLOAD, 0, STORE_AGAIN);
	let_time_pass(500);
	ck_assert_int_eq(run_of(job)->job.attempts, 1);
	ck_assert_int_eq(run_of(job)->job.status, JOB_RUNNING);
	ck_assert_uint_eq(blob_len(run_of(job)->request.body), 1);
	ck_assert(same(run_of(job)->job.id, job));
	store_heals();
	ck_assert_int_eq(status_of(job), JOB_RUNNING);
}
END_TEST

START_TEST(a_claim_on_arrival_whose_started_event_fails_is_refused)
{
	const struct wish wish = { .callback = A,
		.events = EVENT_STARTED | EVENTS_TERMINAL };
	struct uuid id;

	open_world();
	store_stumbles(SICK_ADD_DELIVERY, 0);
	ck_assert_int_eq(try_submit(&wish, &id), UNAVAILABLE);
	ck_assert_int_eq(gauge_of("work")->running, 0);
	ck_assert_int_eq(posts_begun(), 0);
	heal();
	(void)submit(&wish);
	ck_assert_int_eq(posts_begun(), 1);
}
END_TEST

START_TEST(a_job_that_expires_while_the_store_is_sick_ends_once_it_is_well)
{
	struct uuid busy[2];
	struct uuid job;

	open_world();
	busy[0] = submit_plain();
	busy[1] = submit_plain();
	job = submit(&(struct wish){ .expires_ms = SECOND_MS, .callback = A });
	store_sickens(SICK_WRITES, 0, STORE_AGAIN);
	let_time_pass(10 * SECOND_MS);
	ck_assert_int_eq(status_of(job), JOB_QUEUED);
	ck_assert_int_eq(gauge_of("work")->places, 3);
	heal();
	ck_assert_int_eq(status_of(job), JOB_FAILED);
	ck_assert_int_eq(error_of(job), ERROR_EXPIRED);
	ck_assert_int_eq(gauge_of("work")->places, 2);
	ck_assert(is_being_posted(job));
	ck_assert_int_eq(runs_begun(), 2);
	end_run_with(busy[0], &WELL);
}
END_TEST

/* ---- ends of posts ---- */

START_TEST(the_end_of_a_post_waits_until_it_can_be_written_down)
{
	struct uuid job;

	open_world();
	job = submit(&(struct wish){ .callback = A });
	end_run_with(job, &WELL);
	store_sickens(SICK_WRITES, 0, STORE_AGAIN);
	end_post_with(job, &THANKS);
	let_time_pass(MINUTE_MS);
	ck_assert_int_eq(delivery_state_of(job), DELIVERY_PENDING);
	ck_assert_int_eq(ledger_posts_under_way(world_ledger()), 1);
	heal();
	ck_assert_int_eq(delivery_state_of(job), DELIVERY_DELIVERED);
	ck_assert_int_eq(ledger_posts_under_way(world_ledger()), 0);
	let_time_pass(HOUR_MS);
	ck_assert_int_eq(posts_begun(), 1);
}
END_TEST

START_TEST(an_attempt_that_failed_meanwhile_is_counted_once)
{
	struct uuid job;

	open_world();
	job = submit(&(struct wish){ .callback = A });
	end_run_with(job, &WELL);
	store_sickens(SICK_UPDATE_DELIVERY, 0, STORE_AGAIN);
	end_post_with(job, &NOT_NOW);
	let_time_pass(10 * SECOND_MS);
	heal();
	ck_assert_int_eq(delivery_attempts_of(job), 1);
	let_time_pass(5 * SECOND_MS);
	ck_assert(is_being_posted(job));
	ck_assert_int_eq(post_of(job)->delivery.attempts, 1);
}
END_TEST

START_TEST(a_delivery_that_cannot_be_read_goes_when_it_can)
{
	static const unsigned calls[] = { SICK_GET_DELIVERY, SICK_GET_JOB,
		SICK_GET_PAYLOAD };
	struct uuid job;

	open_world();
	job = submit(&(struct wish){ .callback = A });
	end_run_with(job, &WELL);
	end_post_with(job, &NOT_NOW);
	store_sickens(calls[_i], 0, STORE_AGAIN);
	let_time_pass(20 * SECOND_MS);
	ck_assert_int_eq(posts_under_way(), 0);
	store_heals();
	let_time_pass(SECOND_MS);
	ck_assert_int_eq(post_of(job)->delivery.attempts, 1);
	ck_assert_int_eq(posts_begun(), 2);
}
END_TEST

START_TEST(nothing_is_sent_again_while_the_store_is_sick)
{
	struct uuid job;

	open_world();
	job = submit(&(struct wish){ .callback = A });
	end_run_with(job, &WELL);
	end_post_with(job, &GONE);
	store_sickens(SICK_COMMIT, 0, STORE_AGAIN);
	ck_assert_int_eq(redeliver(delivery_of(job)), ORDER_UNAVAILABLE);
	heal();
	ck_assert_int_eq(delivery_state_of(job), DELIVERY_DEAD);
	ck_assert_int_eq(posts_begun(), 1);
	ck_assert_int_eq(redeliver(delivery_of(job)), ORDER_OK);
	ck_assert(is_being_posted(job));
}
END_TEST

/* ---- reads ---- */

START_TEST(what_can_be_read_is_shown_while_nothing_can_be_written)
{
	struct uuid job, id;

	open_world();
	job = submit_plain();
	store_sickens(SICK_WRITES, 0, STORE_AGAIN);
	(void)try_submit(&(struct wish){ .queue = "work" }, &id);
	ck_assert_int_eq(status_of(job), JOB_RUNNING);
}
END_TEST

START_TEST(what_cannot_be_read_is_unavailable_and_not_missing)
{
	static const enum order_kind kinds[] = { ORDER_JOB, ORDER_RESULT };
	struct uuid job;

	open_world();
	job = submit_plain();
	store_sickens(SICK_GET_JOB, 0, STORE_AGAIN);
	for (size_t i = 0; i < 2; i++) {
		struct order *order = new_order(kinds[i]);

		order->job.id = job;
		order = ask(order);
		ck_assert_int_eq(order->result, ORDER_UNAVAILABLE);
		order_free(&order);
	}
	store_heals();
	ck_assert_int_eq(status_of(job), JOB_RUNNING);
}
END_TEST

START_TEST(a_purge_that_fails_makes_the_store_sick_until_it_is_well)
{
	static const unsigned calls[] = { SICK_BEGIN, SICK_PURGE, SICK_COMMIT };
	struct uuid job;

	open_world();
	job = submit_plain();
	end_run_with(job, &WELL);
	store_stumbles(calls[_i], 0);
	let_time_pass(SECOND_MS);
	ck_assert(!ledger_is_well(world_ledger()));
	let_time_pass(SECOND_MS);
	ck_assert(ledger_is_well(world_ledger()));
	ck_assert_int_eq(status_of(job), JOB_SUCCEEDED);
}
END_TEST

/* ---- every call, at every place ---- */

#define JOBS 8

/* As a client does it that was told to come back. */
static struct uuid
submit_patiently(const struct wish *wish)
{
	struct uuid id;

	for (int i = 0; i < 10; i++) {
		if (try_submit(wish, &id) == TAKEN)
			return id;
		let_time_pass(SECOND_MS);
	}
	ck_abort_msg("never taken");
	return id;
}

static const struct wish wishes[JOBS] = {
	{ .callback = A, .events = EVENT_STARTED | EVENTS_TERMINAL },
	{ .callback = A, .body = "x" },
	{ .delay_ms = 700, .callback = A, .body = "y" },
	{ .attempts = 1 },
	{ .expires_ms = 300, .callback = A },
	{ .callback = A, .failure = "http://b.example/" },
	{ .sooner = 5, .callback = A, .attempts = 2 },
	{ .delay_ms = 100, .expires_ms = 50 },
};

/* Jobs end as their number says; receivers refuse the first attempt. */
static void
end_what_is_under_way(int round)
{
	static const struct run_end *const ends[] = { &WELL, &BUSY, &WELL, &BAD,
		&NOBODY };

	while (runs_under_way() > 0) {
		struct uuid job = run_at(0);
		uint64_t which = (uint64_t)run_of(job)->job.attempts +
		    job.salt % 3;

		give_back_run(job, ends[which % 5]);
	}
	while (posts_under_way() > 0) {
		struct uuid job = post_at(0)->delivery.job;

		give_back_post(job, round % 3 == 0 ? &NOT_NOW : &THANKS);
	}
	settle();
}

static bool
all_is_over(const struct uuid jobs[JOBS])
{
	for (int i = 0; i < JOBS; i++) {
		struct order *order = new_order(ORDER_JOB);
		bool over;

		order->job.id = jobs[i];
		order = ask(order);
		over = order->result == ORDER_OK &&
		    job_has_ended(order->job.status) &&
		    (!order->has_delivery ||
			order->delivery.state == DELIVERY_DELIVERED ||
			order->delivery.state == DELIVERY_DEAD) &&
		    (order->has_delivery || order->job.callback_url == NULL);
		order_free(&order);
		if (!over)
			return false;
	}
	return true;
}

static void
live_through(struct uuid jobs[JOBS])
{
	int round = 0;

	for (int i = 0; i < JOBS; i++)
		jobs[i] = submit_patiently(&wishes[i]);
	while (!all_is_over(jobs)) {
		ck_assert_msg(round++ < 60, "it never ends");
		end_what_is_under_way(round);
		let_time_pass(500);
		if (round > 20)
			let_time_pass(MINUTE_MS);
	}
	ck_assert_int_eq(gauge_of("work")->places, 0);
	ck_assert_int_eq(gauge_of("work")->running, 0);
	ck_assert_int_eq(gauge_of("work")->queued, 0);
	ck_assert_int_eq(gauge_of("work")->accepted, JOBS);
	ck_assert_int_eq(jobs_known(), JOBS);
}

/* One call of each kind fails, the first, the second, and so on until no such
 * call comes any more; every life ends all the same. */
START_TEST(one_failure_anywhere_loses_nothing)
{
	struct uuid jobs[JOBS];
	int spared = 0;
	int failed;

	do {
		if (spared > 0) {
			end_world();
			make_world();
		}
		open_world();
		store_stumbles(1u << _i, spared++);
		live_through(jobs);
		failed = store_failures();
	} while (failed > 0 && spared < 40);
	ck_assert_int_gt(spared, 1);
}
END_TEST

static void
add_cases(Suite *suite)
{
	TCase *cases = cases_of(suite, "accepting");

	tcase_add_loop_test(cases,
	    what_cannot_be_written_down_is_refused_and_leaves_nothing, 0, 3);
	tcase_add_test(cases, all_that_came_in_the_turn_that_failed_is_refused);
	tcase_add_test(cases, a_key_that_was_refused_is_as_good_as_new);
	tcase_add_test(cases, a_sick_store_is_asked_once_a_second_and_not_more);
	tcase_add_test(cases, a_sick_store_is_found_well_by_itself);
	tcase_add_test(cases, a_broken_store_is_never_found_well);
	cases = cases_of(suite, "reads");
	tcase_add_test(cases,
	    what_can_be_read_is_shown_while_nothing_can_be_written);
	tcase_add_test(cases,
	    what_cannot_be_read_is_unavailable_and_not_missing);
	tcase_add_loop_test(cases,
	    a_purge_that_fails_makes_the_store_sick_until_it_is_well, 0, 3);
}

static void
add_end_cases(Suite *suite)
{
	TCase *cases = cases_of(suite, "ends");

	tcase_add_test(cases,
	    the_end_of_a_run_waits_until_it_can_be_written_down);
	tcase_add_test(cases,
	    slots_of_runs_that_are_not_written_down_stay_taken);
	tcase_add_test(cases,
	    an_event_that_cannot_be_written_down_keeps_the_job_running);
	tcase_add_loop_test(cases, a_job_that_could_not_be_claimed_still_waits,
	    0, 4);
	tcase_add_loop_test(cases,
	    a_job_at_hand_that_could_not_be_claimed_still_waits, 0, 2);
	tcase_add_test(cases, a_job_at_hand_is_not_read_back);
	tcase_add_test(cases,
	    a_claim_on_arrival_whose_started_event_fails_is_refused);
	tcase_add_test(cases,
	    a_job_that_expires_while_the_store_is_sick_ends_once_it_is_well);
	tcase_add_test(cases,
	    the_end_of_a_post_waits_until_it_can_be_written_down);
	tcase_add_test(cases, an_attempt_that_failed_meanwhile_is_counted_once);
	tcase_add_loop_test(cases,
	    a_delivery_that_cannot_be_read_goes_when_it_can, 0, 3);
	tcase_add_test(cases, nothing_is_sent_again_while_the_store_is_sick);
	tcase_add_loop_test(cases, one_failure_anywhere_loses_nothing, 0,
	    SICK_USED);
}

int
main(void)
{
	Suite *suite = suite_create("scenario: sick store");

	add_cases(suite);
	add_end_cases(suite);
	return run_suite(suite);
}
