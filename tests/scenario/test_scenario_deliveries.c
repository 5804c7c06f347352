/* test_scenario_deliveries.c - an event's way to its receiver. */
#include "suite.h"

#include <stdio.h>
#include <string.h>

#define A "http://a.example/hook"
#define B "http://b.example/hook"

/* A job that has succeeded; its event is on its way to url. */
static struct uuid
succeeded_job(const char *url)
{
	struct uuid job = submit(&(struct wish){ .callback = url });

	end_run_with(job, &WELL);
	return job;
}

/* ---- what is sent, and where ---- */

START_TEST(the_end_of_a_job_is_told_once)
{
	struct uuid job;

	open_world();
	job = succeeded_job(A);
	ck_assert_int_eq(post_of(job)->delivery.event, EVENT_SUCCEEDED);
	ck_assert_str_eq(post_of(job)->delivery.url, A);
	ck_assert_int_eq(delivery_state_of(job), DELIVERY_PENDING);
	end_post_with(job, &THANKS);
	ck_assert_int_eq(delivery_state_of(job), DELIVERY_DELIVERED);
	ck_assert_int_eq(delivery_attempts_of(job), 1);
	let_time_pass(DAY_MS / 4);
	ck_assert_int_eq(posts_begun(), 1);
}
END_TEST

static void
post_is_whole(const struct post *post)
{
	ck_assert_int_eq(post->job.status, JOB_SUCCEEDED);
	ck_assert_int_eq(post->job.response_status, 200);
	ck_assert_uint_eq(blob_len(post->response.body), 4);
	ck_assert_int_eq(memcmp(blob_data(post->response.body), "done", 4), 0);
	ck_assert_str_eq(post->request.headers, "X-Body: yes\n");
	ck_assert_ptr_null(post->request.body);
}

START_TEST(every_attempt_carries_the_job_and_its_result)
{
	struct uuid job;

	open_world();
	job = submit(&(struct wish){ .callback = A, .body = "x" });
	end_run_with(job, &WELL);
	post_is_whole(post_of(job));
	end_post_with(job, &NOT_NOW);
	let_time_pass(5 * SECOND_MS);
	post_is_whole(post_of(job));
}
END_TEST

START_TEST(a_failure_goes_to_its_own_url_and_a_success_does_not)
{
	const struct wish wish = { .callback = A, .failure = B };
	struct uuid failed, well;

	open_world();
	failed = submit(&wish);
	well = submit(&wish);
	end_run_with(failed, &BAD);
	end_run_with(well, &WELL);
	ck_assert_str_eq(post_of(failed)->delivery.url, B);
	ck_assert_str_eq(post_of(well)->delivery.url, A);
}
END_TEST

START_TEST(a_failure_goes_to_the_callback_without_a_url_of_its_own)
{
	struct uuid job;

	open_world();
	job = submit(&(struct wish){ .callback = A });
	end_run_with(job, &BAD);
	ck_assert_str_eq(post_of(job)->delivery.url, A);
	ck_assert_int_eq(post_of(job)->delivery.event, EVENT_FAILED);
}
END_TEST

START_TEST(only_events_that_were_asked_for_are_sent)
{
	const struct wish wish = { .callback = A, .events = EVENT_FAILED };
	struct uuid well, failed;

	open_world();
	well = submit(&wish);
	failed = submit(&wish);
	end_run_with(well, &WELL);
	ck_assert(!is_being_posted(well));
	ck_assert(!has_delivery(well));
	end_run_with(failed, &BAD);
	ck_assert(is_being_posted(failed));
}
END_TEST

START_TEST(a_job_without_a_callback_sends_nothing)
{
	struct uuid job;

	open_world();
	job = submit_plain();
	end_run_with(job, &WELL);
	ck_assert_int_eq(posts_begun(), 0);
	ck_assert(!has_delivery(job));
}
END_TEST

/* ---- the schedule ---- */

START_TEST(attempts_follow_the_schedule_and_then_comes_the_dead_letter)
{
	static const int64_t gaps_ms[] = { 5 * SECOND_MS, 5 * MINUTE_MS,
		30 * MINUTE_MS };
	struct uuid job;
	struct uuid id;

	open_world();
	job = succeeded_job(A);
	id = post_of(job)->delivery.id;
	for (int i = 0; i < 3; i++) {
		end_post_with(job, &NOT_NOW);
		ck_assert_int_eq(delivery_state_of(job), DELIVERY_PENDING);
		ck_assert_int_eq(delivery_attempts_of(job), i + 1);
		let_time_pass(gaps_ms[i] - 1);
		ck_assert(!is_being_posted(job));
		let_time_pass(1);
		ck_assert(same(post_of(job)->delivery.id, id));
	}
	end_post_with(job, &NOT_NOW);
	ck_assert_int_eq(delivery_state_of(job), DELIVERY_DEAD);
	ck_assert_int_eq(delivery_attempts_of(job), 4);
	let_time_pass(HOUR_MS);
	ck_assert_int_eq(posts_begun(), 4);
	ck_assert_int_eq(status_of(job), JOB_SUCCEEDED);
}
END_TEST

START_TEST(a_receiver_that_asks_for_time_gets_it)
{
	struct post_end later = NOT_NOW;
	struct uuid job;

	open_world();
	job = succeeded_job(A);
	later.asked_s = 600;
	end_post_with(job, &later);
	let_time_pass(600 * SECOND_MS - 1);
	ck_assert(!is_being_posted(job));
	let_time_pass(1);
	ck_assert(is_being_posted(job));
}
END_TEST

START_TEST(a_receiver_that_asks_for_too_much_gets_the_ceiling)
{
	struct post_end never = NOT_NOW;
	struct uuid job;

	open_world();
	job = succeeded_job(A);
	never.asked_s = 1000000;
	end_post_with(job, &never);
	let_time_pass(HOUR_MS - 1);
	ck_assert(!is_being_posted(job));
	let_time_pass(1);
	ck_assert(is_being_posted(job));
}
END_TEST

START_TEST(a_receiver_that_asks_for_less_waits_for_the_gap)
{
	struct post_end soon = NOT_NOW;
	struct uuid job;

	open_world();
	job = succeeded_job(A);
	soon.asked_s = 1;
	end_post_with(job, &soon);
	let_time_pass(5 * SECOND_MS - 1);
	ck_assert(!is_being_posted(job));
	let_time_pass(1);
	ck_assert(is_being_posted(job));
}
END_TEST

START_TEST(a_receiver_that_is_gone_is_not_asked_again)
{
	struct uuid job;

	open_world();
	job = succeeded_job(A);
	end_post_with(job, &GONE);
	ck_assert_int_eq(delivery_state_of(job), DELIVERY_DEAD);
	let_time_pass(HOUR_MS);
	ck_assert_int_eq(posts_begun(), 1);
}
END_TEST

START_TEST(a_delivery_that_would_grow_too_old_is_given_up)
{
	struct uuid job;

	open_world();
	world_conf()->callback.schedule.max_age_ms = MINUTE_MS;
	job = succeeded_job(A);
	end_post_with(job, &NOT_NOW);
	let_time_pass(5 * SECOND_MS);
	end_post_with(job, &NOT_NOW); /* the next gap is five minutes */
	ck_assert_int_eq(delivery_state_of(job), DELIVERY_DEAD);
	ck_assert_int_eq(delivery_attempts_of(job), 2);
}
END_TEST

/* ---- dead letters ---- */

START_TEST(a_dead_letter_goes_again_with_the_same_id_and_a_fresh_schedule)
{
	struct uuid job;
	struct uuid id;

	open_world();
	world_conf()->callback.schedule.max_age_ms = HOUR_MS;
	job = succeeded_job(A);
	end_post_with(job, &NOT_NOW);
	let_time_pass(5 * SECOND_MS);
	end_post_with(job, &GONE);
	id = delivery_of(job);
	let_time_pass(2 * HOUR_MS);
	ck_assert_int_eq(redeliver(id), ORDER_OK);
	ck_assert(same(post_of(job)->delivery.id, id));
	ck_assert_int_eq(post_of(job)->delivery.attempts, 0);
	ck_assert_int_eq(delivery_state_of(job), DELIVERY_PENDING);
	end_post_with(job, &NOT_NOW);
	ck_assert_int_eq(delivery_state_of(job), DELIVERY_PENDING);
	let_time_pass(5 * SECOND_MS);
	end_post_with(job, &THANKS);
	ck_assert_int_eq(delivery_state_of(job), DELIVERY_DELIVERED);
}
END_TEST

START_TEST(a_delivery_that_is_pending_cannot_be_sent_again)
{
	struct uuid job;

	open_world();
	job = succeeded_job(A);
	ck_assert_int_eq(redeliver(delivery_of(job)), ORDER_CONFLICT);
	end_post_with(job, &NOT_NOW);
	ck_assert_int_eq(redeliver(delivery_of(job)), ORDER_CONFLICT);
	ck_assert_int_eq(posts_begun(), 1);
}
END_TEST

START_TEST(what_was_delivered_may_be_sent_again)
{
	struct uuid job;

	open_world();
	job = succeeded_job(A);
	end_post_with(job, &THANKS);
	ck_assert_int_eq(redeliver(delivery_of(job)), ORDER_OK);
	ck_assert(is_being_posted(job));
	ck_assert_int_eq(redeliver(delivery_of(job)), ORDER_CONFLICT);
	end_post_with(job, &THANKS);
	ck_assert_int_eq(posts_begun(), 2);
}
END_TEST

START_TEST(an_unknown_delivery_cannot_be_sent_again)
{
	struct uuid id;

	open_world();
	id = delivery_of(succeeded_job(A));
	id.salt ^= 1;
	ck_assert_int_eq(redeliver(id), ORDER_MISSING);
	ck_assert_int_eq(redeliver((struct uuid){ 77, 7 }), ORDER_MISSING);
}
END_TEST

START_TEST(nobody_sends_again_what_belongs_to_another_client)
{
	struct order *order;
	struct uuid job;

	open_world();
	job = submit(&(struct wish){ .client = "acme", .callback = A });
	end_run_with(job, &WELL);
	end_post_with(job, &GONE);
	order = new_order(ORDER_REDELIVER);
	order->delivery.id = delivery_of(job);
	strcpy(order->client, "evil");
	order = ask(order);
	ck_assert_int_eq(order->result, ORDER_MISSING);
	order_free(&order);
	ck_assert_int_eq(delivery_state_of(job), DELIVERY_DEAD);
	ck_assert_int_eq(posts_begun(), 1);
}
END_TEST

/* ---- hosts ---- */

START_TEST(no_more_posts_go_to_a_host_than_its_window)
{
	struct uuid other;

	world_conf()->callback.per_host_concurrency = 3;
	open_world();
	for (int i = 0; i < 10; i++)
		(void)succeeded_job(A);
	ck_assert_int_eq(posts_under_way(), 3);
	other = succeeded_job(B);
	ck_assert(is_being_posted(other));
	end_post_with(other, &THANKS);
	for (int left = 10; left > 0; left--) {
		ck_assert_int_eq(posts_under_way(), left < 3 ? left : 3);
		end_post_with(post_at(0)->delivery.job, &THANKS);
	}
	ck_assert_int_eq(posts_begun(), 11);
}
END_TEST

/* Jobs whose first attempts all fail at once. */
static void
trip_breaker(struct uuid *jobs, int count)
{
	for (int i = 0; i < count; i++)
		jobs[i] = succeeded_job(A);
	for (int i = 0; i < count; i++)
		end_post_with(jobs[i], &NO_ANSWER);
}

START_TEST(a_host_that_keeps_failing_is_left_alone_without_spending_attempts)
{
	struct uuid jobs[10];
	struct uuid late;

	open_world();
	trip_breaker(jobs, 10);
	late = succeeded_job(A);
	ck_assert_int_eq(posts_under_way(), 0);
	let_time_pass(29 * SECOND_MS);
	ck_assert_int_eq(posts_under_way(), 0);
	ck_assert_int_eq(delivery_attempts_of(jobs[0]), 1);
	ck_assert_int_eq(delivery_attempts_of(late), 0);
	let_time_pass(SECOND_MS);
	ck_assert_int_eq(posts_under_way(), 1);
	let_time_pass(HOUR_MS);
	ck_assert_int_eq(posts_under_way(), 1);
}
END_TEST

START_TEST(a_probe_that_is_answered_lets_all_go)
{
	struct uuid jobs[10];

	open_world();
	trip_breaker(jobs, 10);
	let_time_pass(30 * SECOND_MS);
	ck_assert_int_eq(posts_under_way(), 1);
	end_post_with(post_at(0)->delivery.job, &THANKS);
	ck_assert_int_eq(posts_under_way(), 9);
	while (posts_under_way() > 0)
		end_post_with(post_at(0)->delivery.job, &THANKS);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(delivery_state_of(jobs[i]),
		    DELIVERY_DELIVERED);
}
END_TEST

START_TEST(a_probe_that_fails_costs_one_attempt_and_another_cooldown)
{
	struct uuid jobs[10];
	int32_t attempts = 0;

	open_world();
	trip_breaker(jobs, 10);
	let_time_pass(30 * SECOND_MS);
	end_post_with(post_at(0)->delivery.job, &NO_ANSWER);
	ck_assert_int_eq(posts_under_way(), 0);
	for (int i = 0; i < 10; i++)
		attempts += delivery_attempts_of(jobs[i]);
	ck_assert_int_eq(attempts, 11);
	let_time_pass(30 * SECOND_MS - 1);
	ck_assert_int_eq(posts_under_way(), 0);
	let_time_pass(1);
	ck_assert_int_eq(posts_under_way(), 1);
}
END_TEST

START_TEST(a_host_that_answers_is_well_whatever_it_answers)
{
	struct uuid job;

	open_world();
	for (int i = 0; i < 30; i++)
		end_post_with(succeeded_job(A), &NO_SUCH);
	job = succeeded_job(A);
	ck_assert(is_being_posted(job));
}
END_TEST

START_TEST(what_grew_too_old_behind_a_breaker_dies_without_an_attempt)
{
	struct uuid jobs[15]; /* more than would open a breaker */
	struct uuid never_tried;
	struct post *probe;

	open_world();
	world_conf()->callback.schedule.max_age_ms = MINUTE_MS;
	trip_breaker(jobs, 15);
	let_time_pass(30 * SECOND_MS);
	probe = post_at(0);
	never_tried = succeeded_job(A);
	let_time_pass(2 * MINUTE_MS);
	ck_assert_int_eq(posts_under_way(), 1);
	end_post_with(probe->delivery.job, &THANKS);
	for (int i = 0; i < 15; i++) {
		if (delivery_state_of(jobs[i]) == DELIVERY_DELIVERED)
			continue;
		ck_assert_int_eq(delivery_state_of(jobs[i]), DELIVERY_DEAD);
		ck_assert_int_eq(delivery_attempts_of(jobs[i]), 1);
	}
	end_post_with(never_tried, &THANKS);
	ck_assert_int_eq(delivery_state_of(never_tried), DELIVERY_DELIVERED);
	/* They say nothing of the host. */
	ck_assert(is_being_posted(succeeded_job(A)));
}
END_TEST

/* More retries than their budget wait; a first attempt passes them all. */
START_TEST(a_first_attempt_does_not_wait_behind_retries_of_others)
{
	struct uuid job;

	open_world();
	queue_named("work")->concurrency = 1000;
	queue_named("work")->capacity = 1000;
	for (int i = 0; i < 300; i++) {
		char url[64];

		(void)snprintf(url, sizeof(url), "http://h%d.example/", i);
		end_post_with(succeeded_job(url), &NO_ANSWER);
	}
	let_time_pass(6 * SECOND_MS);
	ck_assert_int_gt(posts_under_way(), 0);
	ck_assert_int_lt(posts_under_way(), 300);
	job = succeeded_job(B);
	ck_assert(is_being_posted(job));
}
END_TEST

START_TEST(more_deliveries_than_one_turn_takes_go_without_a_pause)
{
	int under_way;

	open_world();
	queue_named("work")->concurrency = 1000;
	queue_named("work")->capacity = 1000;
	for (int i = 0; i < 380; i++) {
		char url[64];

		(void)snprintf(url, sizeof(url), "http://h%d.example/", i);
		(void)send_wish(&(struct wish){ .callback = url });
	}
	settle();
	ck_assert_int_eq(runs_under_way(), 380);
	while (runs_under_way() > 0)
		give_back_run(run_at(0), &WELL);
	settle();
	under_way = posts_under_way();
	ck_assert_int_eq(under_way, 380);
}
END_TEST

START_TEST(a_dead_receiver_costs_no_run_slot)
{
	struct uuid jobs[10];
	struct uuid job;

	open_world();
	trip_breaker(jobs, 10);
	for (int i = 0; i < 5; i++) {
		job = succeeded_job(A);
		ck_assert_int_eq(status_of(job), JOB_SUCCEEDED);
	}
	ck_assert_int_eq(runs_under_way(), 0);
	ck_assert_int_eq(gauge_of("work")->places, 0);
}
END_TEST

START_TEST(a_draining_ledger_lets_posts_end_and_starts_none)
{
	struct uuid under_way, waiting;

	world_conf()->callback.per_host_concurrency = 1;
	open_world();
	under_way = succeeded_job(A);
	waiting = succeeded_job(A);
	ledger_drain(world_ledger());
	end_post_with(under_way, &THANKS);
	let_time_pass(MINUTE_MS);
	ck_assert_int_eq(delivery_state_of(under_way), DELIVERY_DELIVERED);
	ck_assert_int_eq(delivery_state_of(waiting), DELIVERY_PENDING);
	ck_assert_int_eq(ledger_posts_under_way(world_ledger()), 0);
}
END_TEST

START_TEST(the_document_keeps_every_attempt)
{
	struct order *order;
	struct uuid job;
	int count = 0;

	open_world();
	job = succeeded_job(A);
	end_post_with(job, &NOT_NOW);
	let_time_pass(5 * SECOND_MS);
	end_post_with(job, &NO_ANSWER);
	let_time_pass(5 * MINUTE_MS);
	end_post_with(job, &THANKS);
	order = ask_job(job);
	ck_assert_ptr_nonnull(order->delivery.attempts_json);
	for (const char *at = order->delivery.attempts_json;
	     (at = strstr(at, "\"at\"")) != NULL; at++)
		count++;
	ck_assert_int_eq(count, 3);
	order_free(&order);
}
END_TEST

static void
add_schedule_cases(Suite *suite)
{
	TCase *cases = cases_of(suite, "schedule");

	tcase_add_test(cases, the_end_of_a_job_is_told_once);
	tcase_add_test(cases, every_attempt_carries_the_job_and_its_result);
	tcase_add_test(cases,
	    a_failure_goes_to_its_own_url_and_a_success_does_not);
	tcase_add_test(cases,
	    a_failure_goes_to_the_callback_without_a_url_of_its_own);
	tcase_add_test(cases, only_events_that_were_asked_for_are_sent);
	tcase_add_test(cases, a_job_without_a_callback_sends_nothing);
	tcase_add_test(cases,
	    attempts_follow_the_schedule_and_then_comes_the_dead_letter);
	tcase_add_test(cases, a_receiver_that_asks_for_time_gets_it);
	tcase_add_test(cases,
	    a_receiver_that_asks_for_too_much_gets_the_ceiling);
	tcase_add_test(cases, a_receiver_that_asks_for_less_waits_for_the_gap);
	tcase_add_test(cases, a_receiver_that_is_gone_is_not_asked_again);
	tcase_add_test(cases, a_delivery_that_would_grow_too_old_is_given_up);
	tcase_add_test(cases, the_document_keeps_every_attempt);
}

static void
add_again_cases(Suite *suite)
{
	TCase *cases = cases_of(suite, "again");

	tcase_add_test(cases,
	    a_dead_letter_goes_again_with_the_same_id_and_a_fresh_schedule);
	tcase_add_test(cases, a_delivery_that_is_pending_cannot_be_sent_again);
	tcase_add_test(cases, what_was_delivered_may_be_sent_again);
	tcase_add_test(cases, an_unknown_delivery_cannot_be_sent_again);
	tcase_add_test(cases,
	    nobody_sends_again_what_belongs_to_another_client);
}

static void
add_host_cases(Suite *suite)
{
	TCase *cases = cases_of(suite, "hosts");

	tcase_add_test(cases, no_more_posts_go_to_a_host_than_its_window);
	tcase_add_test(cases,
	    a_host_that_keeps_failing_is_left_alone_without_spending_attempts);
	tcase_add_test(cases, a_probe_that_is_answered_lets_all_go);
	tcase_add_test(cases,
	    a_probe_that_fails_costs_one_attempt_and_another_cooldown);
	tcase_add_test(cases, a_host_that_answers_is_well_whatever_it_answers);
	tcase_add_test(cases,
	    what_grew_too_old_behind_a_breaker_dies_without_an_attempt);
	tcase_add_test(cases,
	    a_first_attempt_does_not_wait_behind_retries_of_others);
	tcase_add_test(cases,
	    more_deliveries_than_one_turn_takes_go_without_a_pause);
	tcase_add_test(cases, a_dead_receiver_costs_no_run_slot);
	tcase_add_test(cases, a_draining_ledger_lets_posts_end_and_starts_none);
}

int
main(void)
{
	Suite *suite = suite_create("scenario: deliveries");

	add_schedule_cases(suite);
	add_again_cases(suite);
	add_host_cases(suite);
	return run_suite(suite);
}
