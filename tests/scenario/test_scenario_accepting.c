/* test_scenario_accepting.c - what holds for a job that is accepted: its place,
 * what is said of it, its started event, its key, and what lasts.
 */
#include "suite.h"

#include <string.h>

/* ---- places ---- */

START_TEST(a_queue_that_is_full_lets_nobody_in_until_a_place_is_free)
{
	struct uuid id;

	open_world();
	queue_named("work")->capacity = 4;
	for (int i = 0; i < 4; i++)
		(void)submit_plain();
	ck_assert_int_eq(try_submit(&(struct wish){ .queue = "work" }, &id),
	    NO_PLACE);
	ck_assert_int_eq(gauge_of("work")->refused_full, 1);
	end_run_with(run_at(0), &WELL);
	ck_assert_int_eq(try_submit(&(struct wish){ .queue = "work" }, &id),
	    TAKEN);
	ck_assert_int_eq(try_submit(&(struct wish){ .queue = "work" }, &id),
	    NO_PLACE);
}
END_TEST

/* It can never come back to the line. */
START_TEST(a_job_on_its_last_attempt_holds_no_place)
{
	struct uuid job;

	open_world();
	job = submit(&(struct wish){ .attempts = 2, .body = "12345" });
	ck_assert_int_eq(gauge_of("work")->places, 1);
	ck_assert_int_eq(gauge_of("work")->place_bytes, 5);
	end_run_with(job, &BUSY);
	ck_assert_int_eq(gauge_of("work")->places, 1);
	let_time_pass(SECOND_MS);
	ck_assert(is_under_way(job));
	ck_assert_int_eq(gauge_of("work")->places, 0);
	ck_assert_int_eq(gauge_of("work")->place_bytes, 0);
	end_run_with(job, &BUSY);
	nothing_is_held("work");
}
END_TEST

START_TEST(jobs_with_one_attempt_leave_their_place_as_they_start)
{
	open_world();
	queue_named("work")->capacity = 1;
	for (int i = 0; i < 2; i++)
		(void)submit(&(struct wish){ .attempts = 1 });
	ck_assert_int_eq(runs_under_way(), 2);
	(void)submit(&(struct wish){ .attempts = 1 });
	ck_assert_int_eq(gauge_of("work")->places, 1);
	end_all_runs_with(&WELL);
	nothing_is_held("work");
}
END_TEST

START_TEST(jobs_that_wait_to_be_tried_again_hold_their_places)
{
	struct uuid id;

	open_world();
	queue_named("work")->capacity = 2;
	for (int i = 0; i < 2; i++)
		end_run_with(submit_plain(), &BUSY);
	ck_assert_int_eq(try_submit(&(struct wish){ .queue = "work" }, &id),
	    NO_PLACE);
	let_time_pass(SECOND_MS);
	end_all_runs_with(&WELL);
	nothing_is_held("work");
}
END_TEST

/* ---- what is said ---- */

START_TEST(a_waiting_job_knows_its_position)
{
	struct uuid busy[2];
	struct uuid second, first, delayed;

	open_world();
	fill_slots(busy);
	second = submit_plain();
	first = submit(&(struct wish){ .sooner = 1 });
	delayed = submit(&(struct wish){ .sooner = 5, .delay_ms = HOUR_MS });
	ck_assert_int_eq(position_of(busy[0]), 0);
	ck_assert_int_eq(position_of(first), 1);
	ck_assert_int_eq(position_of(second), 2);
	ck_assert_int_eq(position_of(delayed), 3);
	end_run_with(busy[0], &WELL);
	ck_assert_int_eq(position_of(first), 0);
	ck_assert_int_eq(position_of(second), 1);
	ck_assert_int_eq(position_of(busy[0]), 0);
}
END_TEST

START_TEST(a_waiting_job_is_told_how_long_at_the_present_rate)
{
	struct uuid job;

	open_world();
	for (int i = 0; i < 90; i++)
		(void)submit_plain();
	job = submit_plain();
	ck_assert_int_eq(estimated_wait_of(job), -1);
	/* Two end every second for twenty seconds. */
	for (int i = 0; i < 40; i++) {
		let_time_pass(SECOND_MS / 2);
		end_run_with(run_at(0), &WELL);
	}
	ck_assert_int_eq(position_of(job), 49);
	ck_assert_int_ge(estimated_wait_of(job), 49 * 500 * 9 / 10);
	ck_assert_int_le(estimated_wait_of(job), 49 * 500 * 11 / 10);
	ck_assert_int_eq(estimated_wait_of(run_at(0)), -1);
}
END_TEST

START_TEST(nobody_sees_the_job_of_another_client)
{
	static const struct {
		const char *client;
		enum order_result result;
	} askers[] = { { "acme", ORDER_OK }, { "evil", ORDER_MISSING },
		{ "", ORDER_OK } };
	static const enum order_kind kinds[] = { ORDER_JOB, ORDER_RESULT };
	struct uuid job;

	open_world();
	job = submit(&(struct wish){ .client = "acme" });
	end_run_with(job, &WELL);
	for (size_t i = 0; i < 3; i++)
		for (size_t j = 0; j < 2; j++) {
			struct order *order = new_order(kinds[j]);

			order->job.id = job;
			strcpy(order->client, askers[i].client);
			order = ask(order);
			ck_assert_int_eq(order->result, askers[i].result);
			order_free(&order);
		}
}
END_TEST

START_TEST(an_id_that_was_guessed_is_missing)
{
	struct order *order;
	struct uuid job;

	open_world();
	job = submit_plain();
	job.salt ^= 1;
	order = new_order(ORDER_JOB);
	order->job.id = job;
	order = ask(order);
	ck_assert_int_eq(order->result, ORDER_MISSING);
	order_free(&order);
	order = new_order(ORDER_JOB);
	order->job.id = (struct uuid){ 12345, 6 };
	order = ask(order);
	ck_assert_int_eq(order->result, ORDER_MISSING);
	order_free(&order);
}
END_TEST

/* ---- started events ---- */

START_TEST(a_started_event_is_sent_once_however_often_the_job_runs)
{
	struct uuid busy[2];
	struct uuid job;

	open_world();
	fill_slots(busy);
	job = submit(&(struct wish){ .callback = "http://a.example/",
	    .events = EVENT_STARTED | EVENT_SUCCEEDED });
	ck_assert(!is_being_posted(job));
	end_run_with(busy[0], &WELL);
	ck_assert_int_eq(post_of(job)->delivery.event, EVENT_STARTED);
	end_post_with(job, &THANKS);
	end_run_with(job, &BUSY);
	let_time_pass(SECOND_MS);
	ck_assert(!is_being_posted(job));
	end_run_with(job, &WELL);
	ck_assert_int_eq(post_of(job)->delivery.event, EVENT_SUCCEEDED);
	ck_assert_int_eq(posts_begun(), 2);
}
END_TEST

START_TEST(a_job_claimed_on_arrival_sends_its_started_event_too)
{
	struct uuid started;
	struct uuid job;

	open_world();
	job = submit(&(struct wish){ .callback = "http://a.example/",
	    .events = EVENT_STARTED });
	ck_assert_int_eq(post_of(job)->delivery.event, EVENT_STARTED);
	started = post_of(job)->delivery.id;
	end_post_with(job, &THANKS);
	end_run_with(job, &WELL);
	ck_assert_int_eq(posts_begun(), 1);
	ck_assert(!has_delivery(job));
	ck_assert_int_eq(redeliver(started), ORDER_OK);
}
END_TEST

/* ---- idempotency ---- */

START_TEST(the_same_key_is_answered_with_the_first_job)
{
	const struct wish wish = { .key = "k", .body = "x" };
	struct uuid first, again;

	open_world();
	first = submit(&wish);
	ck_assert_int_eq(try_submit(&wish, &again), REPLAYED);
	ck_assert(same(first, again));
	end_run_with(first, &WELL);
	ck_assert_int_eq(try_submit(&wish, &again), REPLAYED);
	ck_assert(same(first, again));
	ck_assert_int_eq(runs_begun(), 1);
	ck_assert_int_eq(gauge_of("work")->accepted, 1);
	nothing_is_held("work");
}
END_TEST

START_TEST(the_same_key_in_one_turn_makes_one_job)
{
	const struct wish wish = { .key = "k", .body = "x" };
	struct uuid first, again;
	int tickets[2];

	open_world();
	tickets[0] = send_wish(&wish);
	tickets[1] = send_wish(&wish);
	ck_assert_int_eq(answer_to(tickets[0], &first), TAKEN);
	ck_assert_int_eq(answer_to(tickets[1], &again), REPLAYED);
	ck_assert(same(first, again));
	ck_assert_int_eq(runs_under_way(), 1);
}
END_TEST

START_TEST(the_same_key_with_another_request_is_a_mismatch)
{
	struct uuid id;

	open_world();
	(void)submit(&(struct wish){ .key = "k", .body = "x" });
	ck_assert_int_eq(try_submit(&(struct wish){ .key = "k", .body = "y" },
			     &id),
	    MISMATCH);
	ck_assert_int_eq(runs_begun(), 1);
}
END_TEST

START_TEST(clients_do_not_share_their_keys)
{
	struct uuid mine, yours;

	open_world();
	mine = submit(&(struct wish){ .key = "k", .client = "acme" });
	yours = submit(&(struct wish){ .key = "k", .client = "other" });
	ck_assert(!same(mine, yours));
	ck_assert_int_eq(runs_begun(), 2);
}
END_TEST

/* ---- what must have reached the disk ---- */

START_TEST(an_acceptance_is_on_the_disk_before_it_is_told)
{
	int before;

	open_world();
	before = store_durable_commits();
	(void)submit_plain();
	ck_assert_int_gt(store_durable_commits(), before);
}
END_TEST

START_TEST(a_claim_is_on_the_disk_where_a_job_may_run_only_once)
{
	static const enum guarantee guarantees[] = { AT_LEAST_ONCE,
		AT_MOST_ONCE };
	struct uuid job;
	int before;

	queue_named("work")->guarantee = guarantees[_i];
	open_world();
	job = submit(&(struct wish){ .delay_ms = 10 });
	before = store_durable_commits();
	let_time_pass(10);
	ck_assert(is_under_way(job));
	ck_assert_int_eq(store_durable_commits() > before, _i == 1);
}
END_TEST

START_TEST(a_redelivery_is_on_the_disk_before_it_is_told)
{
	struct uuid job;
	int before;

	open_world();
	job = submit(&(struct wish){ .callback = "http://a.example/" });
	end_run_with(job, &WELL);
	end_post_with(job, &GONE);
	before = store_durable_commits();
	ck_assert_int_eq(redeliver(delivery_of(job)), ORDER_OK);
	ck_assert_int_gt(store_durable_commits(), before);
}
END_TEST

/* ---- drain, reload, purge ---- */

START_TEST(a_draining_ledger_lets_runs_end_and_starts_none)
{
	struct uuid busy[2];
	struct uuid waiting, job;

	open_world();
	fill_slots(busy);
	waiting = submit(&(struct wish){ .callback = "http://a.example/" });
	ledger_drain(world_ledger());
	end_run_with(busy[0], &WELL);
	end_run_with(busy[1], &BUSY);
	job = submit_plain();
	let_time_pass(MINUTE_MS);
	ck_assert_int_eq(status_of(busy[0]), JOB_SUCCEEDED);
	ck_assert_int_eq(status_of(waiting), JOB_QUEUED);
	ck_assert_int_eq(status_of(job), JOB_QUEUED);
	ck_assert_int_eq(ledger_runs_under_way(world_ledger()), 0);
}
END_TEST

START_TEST(jobs_of_a_queue_that_a_reload_took_away_wait_for_it)
{
	struct uuid busy[2];
	struct uuid running, waiting;

	open_world();
	for (int i = 0; i < 2; i++)
		busy[i] = submit(&(struct wish){ .queue = "other" });
	running = busy[0];
	waiting = submit(&(struct wish){ .queue = "other" });
	reload_without("other");
	end_run_with(running, &WELL);
	ck_assert_int_eq(status_of(running), JOB_SUCCEEDED);
	end_run_with(busy[1], &BUSY);
	let_time_pass(MINUTE_MS);
	ck_assert_int_eq(status_of(waiting), JOB_QUEUED);
	ck_assert_int_eq(runs_under_way(), 0);
	reload_whole();
	ck_assert(is_under_way(waiting));
	ck_assert(is_under_way(busy[1]));
	end_all_runs_with(&WELL);
	nothing_is_held("other");
}
END_TEST

START_TEST(ended_jobs_are_forgotten_after_their_retention)
{
	struct order *order;
	struct uuid job, younger, waiting;

	open_world();
	world_conf()->retention_ms = MINUTE_MS;
	job = submit_plain();
	end_run_with(job, &WELL);
	let_time_pass(40 * SECOND_MS);
	younger = submit_plain();
	end_run_with(younger, &WELL);
	waiting = submit(&(struct wish){ .delay_ms = HOUR_MS });
	ck_assert_int_eq(status_of(job), JOB_SUCCEEDED);
	let_time_pass(30 * SECOND_MS);
	order = new_order(ORDER_JOB);
	order->job.id = job;
	order = ask(order);
	ck_assert_int_eq(order->result, ORDER_MISSING);
	order_free(&order);
	ck_assert_int_eq(status_of(younger), JOB_SUCCEEDED);
	ck_assert_int_eq(status_of(waiting), JOB_QUEUED);
}
END_TEST

/* Somebody asks for it every 30 ms: there is mail in every turn. */
START_TEST(a_ledger_that_is_never_idle_forgets_as_well)
{
	struct order *answer = NULL;
	struct uuid job;
	int turns = 0;

	open_world();
	world_conf()->retention_ms = MINUTE_MS;
	job = submit_plain();
	end_run_with(job, &WELL);
	while (answer == NULL || answer->result != ORDER_MISSING) {
		struct order *order = new_order(ORDER_JOB);

		ck_assert_int_lt(turns++, 2 * MINUTE_MS / 30);
		order_free(&answer);
		order->job.id = job;
		clock_goes_on(30);
		ask_later(order, &answer);
		take_one_turn();
		ck_assert_ptr_nonnull(answer);
	}
	ck_assert_int_ge(turns, MINUTE_MS / 30);
	order_free(&answer);
}
END_TEST

static void
add_accepting_cases(Suite *suite)
{
	TCase *cases = cases_of(suite, "accepting");

	tcase_add_test(cases,
	    a_queue_that_is_full_lets_nobody_in_until_a_place_is_free);
	tcase_add_test(cases, a_job_on_its_last_attempt_holds_no_place);
	tcase_add_test(cases,
	    jobs_with_one_attempt_leave_their_place_as_they_start);
	tcase_add_test(cases,
	    jobs_that_wait_to_be_tried_again_hold_their_places);
	tcase_add_test(cases, a_waiting_job_knows_its_position);
	tcase_add_test(cases,
	    a_waiting_job_is_told_how_long_at_the_present_rate);
	tcase_add_test(cases, nobody_sees_the_job_of_another_client);
	tcase_add_test(cases, an_id_that_was_guessed_is_missing);
	tcase_add_test(cases,
	    a_started_event_is_sent_once_however_often_the_job_runs);
	tcase_add_test(cases,
	    a_job_claimed_on_arrival_sends_its_started_event_too);
	tcase_add_test(cases, the_same_key_is_answered_with_the_first_job);
	tcase_add_test(cases, the_same_key_in_one_turn_makes_one_job);
	tcase_add_test(cases, the_same_key_with_another_request_is_a_mismatch);
	tcase_add_test(cases, clients_do_not_share_their_keys);
	tcase_add_test(cases, an_acceptance_is_on_the_disk_before_it_is_told);
	tcase_add_loop_test(cases,
	    a_claim_is_on_the_disk_where_a_job_may_run_only_once, 0, 2);
	tcase_add_test(cases, a_redelivery_is_on_the_disk_before_it_is_told);
	tcase_add_test(cases, a_draining_ledger_lets_runs_end_and_starts_none);
	tcase_add_test(cases,
	    jobs_of_a_queue_that_a_reload_took_away_wait_for_it);
	tcase_add_test(cases, ended_jobs_are_forgotten_after_their_retention);
	tcase_add_test(cases, a_ledger_that_is_never_idle_forgets_as_well);
}

int
main(void)
{
	Suite *suite = suite_create("scenario: accepting");

	add_accepting_cases(suite);
	return run_suite(suite);
}
