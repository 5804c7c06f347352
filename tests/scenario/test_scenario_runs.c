/* test_scenario_runs.c - a job's way from acceptance to its end. */
#include "suite.h"

#include <string.h>

static bool
body_is(const struct payload *payload, const char *body)
{
	return blob_len(payload->body) == strlen(body) &&
	    memcmp(blob_data(payload->body), body, strlen(body)) == 0;
}

/* ---- claims and order ---- */

START_TEST(a_job_that_arrives_while_a_slot_is_free_runs_at_once)
{
	struct uuid job;

	open_world();
	job = submit(&(struct wish){ .body = "hello" });
	ck_assert(is_under_way(job));
	ck_assert_int_eq(status_of(job), JOB_RUNNING);
	ck_assert_int_eq(attempts_of(job), 1);
	ck_assert(body_is(&run_of(job)->request, "hello"));
	ck_assert_str_eq(run_of(job)->request.headers, "X-Body: yes\n");
	end_run_with(job, &WELL);
	ck_assert_int_eq(status_of(job), JOB_SUCCEEDED);
	nothing_is_held("work");
}
END_TEST

START_TEST(a_job_that_waited_runs_with_the_same_request)
{
	struct uuid busy[2];
	struct uuid job;

	open_world();
	fill_slots(busy);
	job = submit(&(struct wish){ .body = "later" });
	ck_assert_int_eq(status_of(job), JOB_QUEUED);
	end_run_with(busy[0], &WELL);
	ck_assert(body_is(&run_of(job)->request, "later"));
	ck_assert_str_eq(run_of(job)->request.headers, "X-Body: yes\n");
	ck_assert_int_eq(attempts_of(job), 1);
}
END_TEST

START_TEST(jobs_of_one_priority_run_in_the_order_they_came)
{
	struct uuid jobs[20];
	struct uuid busy[2];

	open_world();
	fill_slots(busy);
	for (int i = 0; i < 20; i++)
		jobs[i] = submit_plain();
	end_run_with(busy[0], &WELL);
	for (int i = 0; i < 20; i++) {
		ck_assert(same(run_at(1), jobs[i]));
		end_run_with(jobs[i], &WELL);
	}
}
END_TEST

START_TEST(priority_goes_before_age_but_interrupts_nobody)
{
	struct uuid busy[2];
	struct uuid last, normal, first;

	open_world();
	fill_slots(busy);
	last = submit(&(struct wish){ .sooner = -4 });
	normal = submit_plain();
	first = submit(&(struct wish){ .sooner = 5 });
	ck_assert_int_eq(runs_under_way(), 2);
	end_run_with(busy[0], &WELL);
	ck_assert(same(run_at(1), first));
	end_run_with(first, &WELL);
	ck_assert(same(run_at(1), normal));
	end_run_with(normal, &WELL);
	ck_assert(same(run_at(1), last));
}
END_TEST

START_TEST(a_busy_queue_holds_up_no_other)
{
	struct uuid busy[2];
	struct uuid job;

	open_world();
	fill_slots(busy);
	(void)submit_plain();
	job = submit(&(struct wish){ .queue = "other" });
	ck_assert(is_under_way(job));
}
END_TEST

START_TEST(as_many_run_as_there_are_slots_and_never_more)
{
	open_world();
	queue_named("work")->concurrency = 7;
	for (int i = 0; i < 50; i++)
		(void)submit_plain();
	for (int left = 50; left > 0; left--) {
		ck_assert_int_eq(runs_under_way(), left < 7 ? left : 7);
		end_run_with(run_at(left % runs_under_way()), &WELL);
	}
	ck_assert_int_eq(runs_begun(), 50);
	nothing_is_held("work");
}
END_TEST

/* Both slots become free and a job arrives while another waits, all in one
 * turn: the one that arrives must not be left waiting beside a free slot. */
START_TEST(who_arrives_in_the_turn_that_frees_slots_is_not_forgotten)
{
	struct uuid busy[2];
	struct uuid waiting, arriving;
	int ticket;

	open_world();
	fill_slots(busy);
	waiting = submit_plain();
	give_back_run(busy[0], &WELL);
	give_back_run(busy[1], &WELL);
	ticket = send_wish(&(struct wish){ .queue = "work" });
	ck_assert_int_eq(answer_to(ticket, &arriving), TAKEN);
	ck_assert(is_under_way(waiting));
	ck_assert(is_under_way(arriving));
}
END_TEST

START_TEST(more_jobs_than_one_turn_takes_start_without_a_pause)
{
	struct uuid busy[2];

	open_world();
	queue_named("work")->capacity = 1000;
	fill_slots(busy);
	for (int i = 0; i < 600; i++)
		(void)send_wish(&(struct wish){ .queue = "work" });
	settle();
	queue_named("work")->concurrency = 1000;
	end_run_with(busy[0], &WELL);
	ck_assert_int_eq(runs_under_way(), 601);
}
END_TEST

START_TEST(many_jobs_accepted_in_one_turn_keep_their_order)
{
	struct uuid jobs[100];
	int tickets[100];

	open_world();
	for (int i = 0; i < 100; i++)
		tickets[i] = send_wish(&(struct wish){ .queue = "work" });
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(answer_to(tickets[i], &jobs[i]), TAKEN);
	for (int i = 0; i < 100; i++) {
		ck_assert(same(run_at(0), jobs[i]));
		end_run_with(jobs[i], &WELL);
	}
}
END_TEST

START_TEST(orders_beyond_the_inbox_are_turned_away_with_their_place)
{
	int refused = 0;

	open_world();
	queue_named("work")->capacity = 5000;
	for (int i = 0; i < 1024; i++)
		(void)send_wish(&(struct wish){ .queue = "work" });
	for (int i = 0; i < 10; i++) {
		struct uuid id;

		/* The ticket of one that was not let in needs no turn. */
		refused += answer_to(send_wish(
					 &(struct wish){ .queue = "work" }),
			       &id) == NO_ROOM;
	}
	ck_assert_int_eq(refused, 10);
	settle();
	ck_assert_int_eq(gauge_of("work")->accepted, 1024);
}
END_TEST

/* ---- delay ---- */

START_TEST(a_delayed_job_runs_at_its_moment_and_not_before)
{
	struct uuid job;

	open_world();
	job = submit(&(struct wish){ .delay_ms = 10 * SECOND_MS });
	ck_assert_int_eq(status_of(job), JOB_QUEUED);
	let_time_pass(10 * SECOND_MS - 1);
	ck_assert(!is_under_way(job));
	let_time_pass(1);
	ck_assert(is_under_way(job));
}
END_TEST

START_TEST(a_delayed_job_holds_up_nobody)
{
	struct uuid job;

	open_world();
	(void)submit(&(struct wish){ .delay_ms = HOUR_MS, .sooner = 5 });
	job = submit_plain();
	ck_assert(is_under_way(job));
}
END_TEST

START_TEST(a_delay_shorter_than_anything_is_still_a_delay)
{
	struct uuid job;

	open_world();
	job = submit(&(struct wish){ .delay_ms = 1 });
	ck_assert(!is_under_way(job));
	let_time_pass(1);
	ck_assert(is_under_way(job));
}
END_TEST

START_TEST(a_job_that_becomes_due_while_all_slots_are_taken_waits)
{
	struct uuid busy[2];
	struct uuid job;

	open_world();
	fill_slots(busy);
	job = submit(&(struct wish){ .delay_ms = SECOND_MS });
	let_time_pass(MINUTE_MS);
	ck_assert(!is_under_way(job));
	end_run_with(busy[1], &WELL);
	ck_assert(is_under_way(job));
}
END_TEST

/* ---- expiry ---- */

START_TEST(a_job_that_could_not_start_in_time_fails_as_expired)
{
	struct uuid busy[2];
	struct uuid job;

	open_world();
	fill_slots(busy);
	job = submit(&(struct wish){ .expires_ms = 5 * SECOND_MS,
	    .callback = "http://a.example/yes",
	    .failure = "http://a.example/no",
	    .body = "x" });
	let_time_pass(5 * SECOND_MS - 1);
	ck_assert_int_eq(status_of(job), JOB_QUEUED);
	let_time_pass(1);
	ck_assert_int_eq(status_of(job), JOB_FAILED);
	ck_assert_int_eq(error_of(job), ERROR_EXPIRED);
	ck_assert_int_eq(attempts_of(job), 0);
	ck_assert_str_eq(post_of(job)->delivery.url, "http://a.example/no");
	ck_assert_int_eq(post_of(job)->delivery.event, EVENT_FAILED);
	ck_assert_int_eq(gauge_of("work")->ended[JOB_FAILED], 1);
	ck_assert_int_eq(gauge_of("work")->errors[ERROR_EXPIRED], 1);
	ck_assert_int_eq(gauge_of("work")->running, 2);
	end_all_runs_with(&WELL);
	nothing_is_held("work");
}
END_TEST

/* Nor does it after a restart. */
START_TEST(an_expired_job_that_is_run_again_expires_no_more)
{
	struct uuid busy[2];
	struct uuid job;
	struct order *order;

	use_file_store();
	open_world();
	fill_slots(busy);
	job = submit(&(struct wish){ .expires_ms = SECOND_MS });
	let_time_pass(SECOND_MS);
	ck_assert_int_eq(error_of(job), ERROR_EXPIRED);
	order = new_order(ORDER_RETRY);
	order->job.id = job;
	order = ask(order);
	ck_assert_int_eq(order->result, ORDER_OK);
	order_free(&order);
	let_time_pass(MINUTE_MS);
	ck_assert_int_eq(status_of(job), JOB_QUEUED);
	if (_i == 1)
		reopen_world();
	end_all_runs_with(&WELL);
	ck_assert_int_eq(status_of(job), JOB_SUCCEEDED);
	ck_assert_int_eq(attempts_of(job), 1);
	nothing_is_held("work");
}
END_TEST

START_TEST(a_job_may_expire_while_it_is_delayed)
{
	struct uuid job;

	open_world();
	job = submit(
	    &(struct wish){ .delay_ms = HOUR_MS, .expires_ms = MINUTE_MS });
	let_time_pass(MINUTE_MS);
	ck_assert_int_eq(status_of(job), JOB_FAILED);
	nothing_is_held("work");
	let_time_pass(2 * HOUR_MS);
	ck_assert_int_eq(runs_begun(), 0);
}
END_TEST

START_TEST(a_job_that_started_in_time_does_not_expire)
{
	struct uuid job;

	open_world();
	job = submit(&(struct wish){ .expires_ms = SECOND_MS });
	let_time_pass(10 * SECOND_MS);
	ck_assert_int_eq(status_of(job), JOB_RUNNING);
	end_run_with(job, &BUSY);
	ck_assert_int_eq(status_of(job), JOB_QUEUED);
	let_time_pass(SECOND_MS);
	ck_assert(is_under_way(job));
	end_run_with(job, &WELL);
	ck_assert_int_eq(status_of(job), JOB_SUCCEEDED);
}
END_TEST

START_TEST(many_jobs_that_expire_at_once_all_end_at_once)
{
	struct uuid busy[2];

	open_world();
	queue_named("work")->capacity = 1000;
	fill_slots(busy);
	for (int i = 0; i < 600; i++)
		(void)send_wish(&(struct wish){ .expires_ms = SECOND_MS });
	settle();
	let_time_pass(SECOND_MS);
	ck_assert_int_eq(gauge_of("work")->ended[JOB_FAILED], 600);
	ck_assert_int_eq(gauge_of("work")->queued, 0);
	ck_assert_int_eq(runs_begun(), 2);
}
END_TEST

/* More than one turn gives up, so that some come to be claimed first. */
START_TEST(jobs_that_expire_as_they_become_due_never_run)
{
	open_world();
	queue_named("work")->capacity = 1000;
	for (int i = 0; i < 600; i++)
		(void)send_wish(&(struct wish){ .delay_ms = SECOND_MS,
		    .expires_ms = SECOND_MS,
		    .callback = "http://a.example/" });
	settle();
	let_time_pass(SECOND_MS);
	ck_assert_int_eq(gauge_of("work")->ended[JOB_FAILED], 600);
	ck_assert_int_eq(runs_begun(), 0);
	nothing_is_held("work");
	(void)submit_plain();
	(void)submit_plain();
	ck_assert_int_eq(runs_under_way(), 2);
}
END_TEST

/* ---- ends ---- */

START_TEST(a_run_that_failed_is_tried_again_after_a_growing_wait)
{
	struct uuid job;

	open_world();
	job = submit_plain();
	end_run_with(job, &BUSY);
	ck_assert_int_eq(status_of(job), JOB_QUEUED);
	ck_assert_int_eq(error_of(job), ERROR_STATUS_5XX);
	let_time_pass(SECOND_MS - 1);
	ck_assert(!is_under_way(job));
	let_time_pass(1);
	ck_assert_int_eq(run_of(job)->job.attempts, 2);
	end_run_with(job, &NOBODY);
	let_time_pass(2 * SECOND_MS - 1);
	ck_assert(!is_under_way(job));
	let_time_pass(1);
	end_run_with(job, &WELL);
	ck_assert_int_eq(status_of(job), JOB_SUCCEEDED);
	ck_assert_int_eq(error_of(job), ERROR_NONE);
	ck_assert_int_eq(attempts_of(job), 3);
	ck_assert_int_eq(gauge_of("work")->retried, 2);
	nothing_is_held("work");
}
END_TEST

START_TEST(a_retry_waits_as_long_as_the_upstream_asks)
{
	struct run_end later = BUSY;
	struct uuid job;

	later.asked_s = 90;
	open_world();
	job = submit_plain();
	end_run_with(job, &later);
	let_time_pass(90 * SECOND_MS - 1);
	ck_assert(!is_under_way(job));
	let_time_pass(1);
	ck_assert(is_under_way(job));
}
END_TEST

START_TEST(a_job_fails_when_its_attempts_are_spent)
{
	struct uuid job;

	open_world();
	job = submit(&(struct wish){ .callback = "http://a.example/" });
	for (int i = 0; i < 3; i++) {
		end_run_with(job, &BUSY);
		ck_assert_int_eq(status_of(job),
		    i < 2 ? JOB_QUEUED : JOB_FAILED);
		let_time_pass(MINUTE_MS);
	}
	ck_assert_int_eq(error_of(job), ERROR_STATUS_5XX);
	ck_assert_int_eq(attempts_of(job), 3);
	ck_assert_int_eq(runs_begun(), 3);
	ck_assert_int_eq(post_of(job)->delivery.event, EVENT_FAILED);
	nothing_is_held("work");
}
END_TEST

START_TEST(a_final_answer_is_not_tried_again_and_is_kept)
{
	struct uuid job;
	struct order *order;

	open_world();
	job = submit_plain();
	end_run_with(job, &BAD);
	ck_assert_int_eq(status_of(job), JOB_FAILED);
	ck_assert_int_eq(error_of(job), ERROR_STATUS_4XX);
	let_time_pass(HOUR_MS);
	ck_assert_int_eq(runs_begun(), 1);
	order = new_order(ORDER_RESULT);
	order->job.id = job;
	order = ask(order);
	ck_assert_int_eq(order->result, ORDER_OK);
	ck_assert_int_eq(order->job.response_status, 400);
	ck_assert(body_is(&order->response, "bad"));
	order_free(&order);
	nothing_is_held("work");
}
END_TEST

START_TEST(reading_a_result_does_not_consume_it)
{
	struct uuid job;

	open_world();
	job = submit_plain();
	end_run_with(job, &WELL);
	for (int i = 0; i < 3; i++) {
		struct order *order = new_order(ORDER_RESULT);

		order->job.id = job;
		order = ask(order);
		ck_assert_int_eq(order->result, ORDER_OK);
		ck_assert_int_eq(order->job.response_status, 200);
		ck_assert_str_eq(order->job.response_type, "text/plain");
		ck_assert(body_is(&order->response, "done"));
		order_free(&order);
	}
}
END_TEST

START_TEST(a_job_that_has_not_ended_has_no_result)
{
	struct order *order = NULL;

	open_world();
	order = new_order(ORDER_RESULT);
	order->job.id = submit_plain();
	order = ask(order);
	ck_assert_int_eq(order->result, ORDER_OK);
	ck_assert_int_eq(order->job.status, JOB_RUNNING);
	ck_assert_ptr_null(order->response.body);
	order_free(&order);
}
END_TEST

static void
add_order_cases(Suite *suite)
{
	TCase *cases = cases_of(suite, "order");

	tcase_add_test(cases,
	    a_job_that_arrives_while_a_slot_is_free_runs_at_once);
	tcase_add_test(cases, a_job_that_waited_runs_with_the_same_request);
	tcase_add_test(cases, jobs_of_one_priority_run_in_the_order_they_came);
	tcase_add_test(cases, priority_goes_before_age_but_interrupts_nobody);
	tcase_add_test(cases, a_busy_queue_holds_up_no_other);
	tcase_add_test(cases, as_many_run_as_there_are_slots_and_never_more);
	tcase_add_test(cases,
	    who_arrives_in_the_turn_that_frees_slots_is_not_forgotten);
	tcase_add_test(cases,
	    more_jobs_than_one_turn_takes_start_without_a_pause);
	tcase_add_test(cases, many_jobs_accepted_in_one_turn_keep_their_order);
	tcase_add_test(cases,
	    orders_beyond_the_inbox_are_turned_away_with_their_place);
	tcase_add_test(cases, a_delayed_job_runs_at_its_moment_and_not_before);
	tcase_add_test(cases, a_delayed_job_holds_up_nobody);
	tcase_add_test(cases, a_delay_shorter_than_anything_is_still_a_delay);
	tcase_add_test(cases,
	    a_job_that_becomes_due_while_all_slots_are_taken_waits);
}

static void
add_end_cases(Suite *suite)
{
	TCase *cases = cases_of(suite, "ends");

	tcase_add_test(cases,
	    a_job_that_could_not_start_in_time_fails_as_expired);
	tcase_add_loop_test(cases,
	    an_expired_job_that_is_run_again_expires_no_more, 0, 2);
	tcase_add_test(cases, a_job_may_expire_while_it_is_delayed);
	tcase_add_test(cases, a_job_that_started_in_time_does_not_expire);
	tcase_add_test(cases, many_jobs_that_expire_at_once_all_end_at_once);
	tcase_add_test(cases, jobs_that_expire_as_they_become_due_never_run);
	tcase_add_test(cases,
	    a_run_that_failed_is_tried_again_after_a_growing_wait);
	tcase_add_test(cases, a_retry_waits_as_long_as_the_upstream_asks);
	tcase_add_test(cases, a_job_fails_when_its_attempts_are_spent);
	tcase_add_test(cases, a_final_answer_is_not_tried_again_and_is_kept);
	tcase_add_test(cases, reading_a_result_does_not_consume_it);
	tcase_add_test(cases, a_job_that_has_not_ended_has_no_result);
}

int
main(void)
{
	Suite *suite = suite_create("scenario: runs");

	add_order_cases(suite);
	add_end_cases(suite);
	return run_suite(suite);
}
