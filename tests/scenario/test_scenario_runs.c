/* test_scenario_runs.c - a job's way from acceptance to its end. */
#include "suite.h"

#include <string.h>

static void
gauge_is_empty(const char *queue)
{
	const struct queue_gauge *gauge = gauge_of(queue);

	ck_assert_int_eq(gauge->places, 0);
	ck_assert_int_eq(gauge->place_bytes, 0);
	ck_assert_int_eq(gauge->queued, 0);
	ck_assert_int_eq(gauge->running, 0);
}

static bool
body_is(const struct payload *payload, const char *body)
{
	return blob_len(payload->body) == strlen(body) &&
	    memcmp(blob_data(payload->body), body, strlen(body)) == 0;
}

/* Two jobs that hold both slots of "work". */
static void
fill_slots(struct uuid busy[2])
{
	busy[0] = submit_plain();
	busy[1] = submit_plain();
	ck_assert_int_eq(runs_under_way(), 2);
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
	gauge_is_empty("work");
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
	gauge_is_empty("work");
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
	gauge_is_empty("work");
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
	gauge_is_empty("work");
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
	gauge_is_empty("work");
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
	gauge_is_empty("work");
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
	gauge_is_empty("work");
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
	gauge_is_empty("work");
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
	gauge_is_empty("work");
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
	gauge_is_empty("work");
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
	gauge_is_empty("work");
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
	gauge_is_empty("work");
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
	gauge_is_empty("other");
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
	tcase_add_test(cases,
	    a_queue_that_is_full_lets_nobody_in_until_a_place_is_free);
	tcase_add_test(cases, a_job_on_its_last_attempt_holds_no_place);
	tcase_add_test(cases,
	    jobs_with_one_attempt_leave_their_place_as_they_start);
	tcase_add_test(cases,
	    jobs_that_wait_to_be_tried_again_hold_their_places);
}

static void
add_other_cases(Suite *suite)
{
	TCase *cases = cases_of(suite, "other");

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
}

int
main(void)
{
	Suite *suite = suite_create("scenario: runs");

	add_order_cases(suite);
	add_end_cases(suite);
	add_other_cases(suite);
	return run_suite(suite);
}
