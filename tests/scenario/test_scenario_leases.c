/* test_scenario_leases.c - consumers that come, hold jobs, and vanish. */
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/inside.h"

#define A "http://a.example/hook"
#define LEASE_MS (30 * SECOND_MS)

/* What a consumer has in its hand. */
struct hand {
	struct uuid job;
	char token[LEASE_TOKEN_SIZE];
};

static void
open_pulled(void)
{
	queue_named("other")->executor = EXECUTOR_PULL;
	queue_named("other")->max_wait_ms = MINUTE_MS;
	open_world();
}

static void
open_pulled_file(void)
{
	use_file_store();
	open_pulled();
}

static struct uuid
submit_pulled(void)
{
	return submit(&(struct wish){ .queue = "other", .body = "abc" });
}

/* ---- consumers ---- */

static struct order *
new_lease(int max, int64_t wait_ms)
{
	struct order *order = new_order(ORDER_LEASE);

	(void)snprintf(order->filter_queue, sizeof(order->filter_queue),
	    "other");
	order->lease_max = max;
	order->lease_ms = LEASE_MS;
	order->hold_ms = wait_ms;
	return order;
}

/* Fills the hands from an answer, and frees it; how many jobs it has. */
static int
take_hands(struct order **answer, struct hand *out)
{
	struct order *order = *answer;
	int count = 0;

	ck_assert_msg(order != NULL, "never answered");
	ck_assert_int_eq(order->result, ORDER_OK);
	for (struct mail *mail = order->leased.first; mail != NULL;
	     mail = mail->next) {
		const struct job *job = &((struct run *)mail)->job;

		ck_assert_int_eq(job->status, JOB_RUNNING);
		ck_assert_uint_eq(strlen(job->lease_token),
		    LEASE_TOKEN_SIZE - 1);
		out[count].job = job->id;
		memcpy(out[count++].token, job->lease_token, LEASE_TOKEN_SIZE);
	}
	order_free(answer);
	return count;
}

static int
lease_many(int max, struct hand *out)
{
	struct order *answer = ask(new_lease(max, 0));

	return take_hands(&answer, out);
}

static struct hand
lease_one(void)
{
	struct hand hand;

	ck_assert_int_eq(lease_many(1, &hand), 1);
	return hand;
}

static void
nothing_to_lease(void)
{
	struct hand hand;

	ck_assert_int_eq(lease_many(1, &hand), 0);
}

static struct order *
order_of(enum order_kind kind, const struct hand *hand)
{
	struct order *order = new_order(kind);

	order->job.id = hand->job;
	memcpy(order->lease_token, hand->token, LEASE_TOKEN_SIZE);
	if (kind == ORDER_END_LEASE)
		order->run = run_new();
	return order;
}

static enum order_result
outcome_of(struct order *order)
{
	enum order_result result;

	order = ask(order);
	result = order->result;
	order_free(&order);
	return result;
}

static enum order_result
complete(const struct hand *hand, int status)
{
	struct order *order = order_of(ORDER_END_LEASE, hand);
	struct run *run = order->run;

	run->status = status;
	run->verdict = verdict_of_run(ERROR_NONE, status, &run->error);
	run->response.body = blob_new("result", 6);
	run->response_bytes = 6;
	return outcome_of(order);
}

static enum order_result
give_up(const struct hand *hand, bool again, int64_t wait_ms)
{
	struct order *order = order_of(ORDER_END_LEASE, hand);

	order->run->verdict = again ? VERDICT_RETRY : VERDICT_FINAL;
	order->run->error = ERROR_CONSUMER_FAILED;
	order->run->wait_ms = wait_ms;
	(void)snprintf(order->run->detail, sizeof(order->run->detail),
	    "no paper");
	return outcome_of(order);
}

static enum order_result
extend(const struct hand *hand, int64_t lease_ms)
{
	struct order *order = order_of(ORDER_EXTEND, hand);

	order->lease_ms = lease_ms;
	return outcome_of(order);
}

static enum order_result
report(const struct hand *hand, double share, const char *message)
{
	struct order *order = order_of(ORDER_PROGRESS, hand);

	order->progress_share = share;
	order->progress_message = text_copy(message);
	return outcome_of(order);
}

static enum order_result
pause_other(bool pauses)
{
	struct order *order = new_order(ORDER_PAUSE);

	(void)snprintf(order->filter_queue, sizeof(order->filter_queue),
	    "other");
	order->pauses = pauses;
	return outcome_of(order);
}

/* ---- leasing ---- */

START_TEST(pulled_jobs_wait_until_somebody_asks)
{
	struct uuid job;
	struct hand hand;

	open_pulled();
	job = submit_pulled();
	let_time_pass(HOUR_MS);
	ck_assert_int_eq(status_of(job), JOB_QUEUED);
	ck_assert_int_eq(position_of(job), 1);
	hand = lease_one();
	ck_assert(same(hand.job, job));
	ck_assert_int_eq(status_of(job), JOB_RUNNING);
	ck_assert_int_eq(attempts_of(job), 1);
	ck_assert_int_eq(runs_under_way(), 0);
	nothing_to_lease();
}
END_TEST

START_TEST(a_lease_has_the_request_and_its_length)
{
	struct uuid job;
	struct order *order;
	struct run *run;

	open_pulled();
	job = submit_pulled();
	order = ask(new_lease(5, 0));
	ck_assert_uint_eq(order->leased.count, 1);
	run = (struct run *)order->leased.first;
	ck_assert(same(run->job.id, job));
	ck_assert_str_eq(run->request.headers, "X-Body: yes\n");
	ck_assert_uint_eq(blob_len(run->request.body), 3);
	ck_assert_int_eq(run->job.lease_until_ms,
	    world_ledger()->wall_ms + LEASE_MS);
	order_free(&order);
}
END_TEST

START_TEST(a_lease_without_a_length_is_as_long_as_a_run_may_be)
{
	struct order *order;

	open_pulled();
	(void)submit_pulled();
	order = new_lease(1, 0);
	order->lease_ms = 0;
	order = ask(order);
	ck_assert_int_eq(((struct run *)order->leased.first)
			     ->job.lease_until_ms,
	    world_ledger()->wall_ms + queue_named("other")->timeout_ms);
	order_free(&order);
}
END_TEST

START_TEST(concurrency_bounds_what_is_leased_at_once)
{
	struct hand hands[8];

	open_pulled();
	for (int i = 0; i < 5; i++)
		(void)submit_pulled();
	ck_assert_int_eq(lease_many(8, hands), 2);
	nothing_to_lease();
	ck_assert_int_eq(complete(&hands[0], 200), ORDER_OK);
	ck_assert_int_eq(lease_many(8, &hands[2]), 1);
	ck_assert_int_eq(gauge_of("other")->running, 2);
	ck_assert_int_eq(gauge_of("other")->queued, 2);
}
END_TEST

START_TEST(priority_goes_first_and_delay_is_waited_for)
{
	struct uuid late, plain, first;
	struct hand hands[3];

	open_pulled();
	late = submit(&(struct wish){ .queue = "other",
	    .sooner = 5,
	    .delay_ms = MINUTE_MS });
	plain = submit_pulled();
	first = submit(&(struct wish){ .queue = "other", .sooner = 1 });
	ck_assert_int_eq(lease_many(2, hands), 2);
	ck_assert(same(hands[0].job, first));
	ck_assert(same(hands[1].job, plain));
	ck_assert_int_eq(complete(&hands[0], 200), ORDER_OK);
	nothing_to_lease();
	let_time_pass(MINUTE_MS);
	ck_assert(same(lease_one().job, late));
}
END_TEST

START_TEST(a_job_that_may_no_longer_start_is_given_up_instead)
{
	struct uuid expired, good;

	open_pulled();
	expired = submit(&(struct wish){ .queue = "other",
	    .sooner = 1,
	    .expires_ms = SECOND_MS });
	good = submit_pulled();
	let_time_pass(SECOND_MS);
	ck_assert_int_eq(error_of(expired), ERROR_EXPIRED);
	ck_assert(same(lease_one().job, good));
}
END_TEST

START_TEST(a_turn_leases_no_more_than_its_share)
{
	struct order *answers[4];
	size_t leased = 0;

	queue_named("other")->concurrency = 1000;
	queue_named("other")->capacity = 1000;
	open_pulled();
	for (int i = 0; i < 400; i++)
		(void)submit_pulled();
	for (int i = 0; i < 4; i++)
		ask_later(new_lease(100, SECOND_MS), &answers[i]);
	take_one_turn();
	for (int i = 0; i < 4; i++)
		leased += answers[i] != NULL ? answers[i]->leased.count : 0;
	ck_assert_uint_eq(leased, TURN_MAX);
	settle();
	for (int i = 0; i < 4; i++) {
		ck_assert_ptr_nonnull(answers[i]);
		order_free(&answers[i]);
	}
	ck_assert_int_eq(gauge_of("other")->running, 356);
}
END_TEST

/* ---- waiting consumers ---- */

START_TEST(a_consumer_waits_for_a_job_to_come)
{
	struct order *answer;
	struct uuid job;
	struct hand hand;

	open_pulled();
	ask_later(new_lease(1, 20 * SECOND_MS), &answer);
	let_time_pass(10 * SECOND_MS);
	ck_assert_ptr_null(answer);
	ck_assert_int_eq(ledger_consumers_waiting(world_ledger()), 1);
	job = submit_pulled();
	ck_assert_int_eq(take_hands(&answer, &hand), 1);
	ck_assert(same(hand.job, job));
	ck_assert_int_eq(ledger_consumers_waiting(world_ledger()), 0);
}
END_TEST

START_TEST(a_consumer_waits_for_a_delay_to_be_over)
{
	struct order *answer;
	struct uuid job;
	struct hand hand;

	open_pulled();
	job = submit(
	    &(struct wish){ .queue = "other", .delay_ms = 5 * SECOND_MS });
	ask_later(new_lease(1, 20 * SECOND_MS), &answer);
	let_time_pass(5 * SECOND_MS - 1);
	ck_assert_ptr_null(answer);
	let_time_pass(1);
	ck_assert_int_eq(take_hands(&answer, &hand), 1);
	ck_assert(same(hand.job, job));
}
END_TEST

START_TEST(a_wait_ends_empty_and_never_beyond_what_the_queue_allows)
{
	struct order *answers[2];
	struct hand hand;

	open_pulled();
	ask_later(new_lease(1, 20 * SECOND_MS), &answers[0]);
	ask_later(new_lease(1, HOUR_MS), &answers[1]);
	let_time_pass(20 * SECOND_MS - 1);
	ck_assert_ptr_null(answers[0]);
	let_time_pass(1);
	ck_assert_int_eq(take_hands(&answers[0], &hand), 0);
	let_time_pass(40 * SECOND_MS - 1);
	ck_assert_ptr_null(answers[1]);
	let_time_pass(1);
	ck_assert_int_eq(take_hands(&answers[1], &hand), 0);
}
END_TEST

START_TEST(who_waits_longest_is_served_first_and_nobody_twice)
{
	struct order *answers[3];
	struct uuid jobs[3];
	struct hand hands[3];

	open_pulled();
	for (int i = 0; i < 3; i++)
		ask_later(new_lease(2, MINUTE_MS), &answers[i]);
	settle();
	jobs[0] = submit_pulled();
	jobs[1] = submit_pulled();
	ck_assert_int_eq(take_hands(&answers[0], &hands[0]), 1);
	ck_assert_int_eq(take_hands(&answers[1], &hands[1]), 1);
	ck_assert(same(hands[0].job, jobs[0]));
	ck_assert(same(hands[1].job, jobs[1]));
	jobs[2] = submit_pulled();
	ck_assert_ptr_null(answers[2]); /* no slot */
	ck_assert_int_eq(complete(&hands[0], 200), ORDER_OK);
	ck_assert_int_eq(take_hands(&answers[2], &hands[2]), 1);
	ck_assert(same(hands[2].job, jobs[2]));
}
END_TEST

static int let_go_count;

static void
let_go(struct order *order)
{
	let_go_count++;
	order_free(&order);
}

START_TEST(a_consumer_that_went_away_is_given_nothing)
{
	struct order *gone_answer;
	struct order *answer;
	struct order *gone = new_lease(1, MINUTE_MS);
	struct hand hand;

	open_pulled();
	gone->let_go = let_go;
	ask_later(gone, &gone_answer);
	ask_later(new_lease(1, MINUTE_MS), &answer);
	settle();
	let_go_count = 0;
	ledger_forget(world_ledger(), gone); /* comes before the job */
	(void)submit_pulled();
	ck_assert_int_eq(let_go_count, 1);
	ck_assert_int_eq(take_hands(&answer, &hand), 1);
	ck_assert_int_eq(ledger_consumers_waiting(world_ledger()), 0);
}
END_TEST

START_TEST(one_that_goes_away_as_it_comes_or_is_answered_is_let_go_once)
{
	struct order *answer;
	struct order *order = new_lease(1, MINUTE_MS);

	open_pulled();
	let_go_count = 0;
	order->let_go = let_go;
	ask_later(order, &answer);
	ledger_forget(world_ledger(), order);
	settle();
	ck_assert_int_eq(let_go_count, 1);
	order = new_lease(1, 0);
	order->let_go = let_go;
	ask_later(order, &answer);
	take_one_turn();
	ck_assert(answer == order);
	ledger_forget(world_ledger(), order);
	settle();
	ck_assert_int_eq(let_go_count, 2);
}
END_TEST

START_TEST(a_drain_answers_those_who_wait)
{
	struct order *answer;
	struct hand hand;

	open_pulled();
	ask_later(new_lease(1, MINUTE_MS), &answer);
	settle();
	ledger_drain(world_ledger());
	settle();
	ck_assert_int_eq(take_hands(&answer, &hand), 0);
	(void)submit_pulled();
	nothing_to_lease();
}
END_TEST

/* ---- ends ---- */

START_TEST(a_result_ends_the_job_and_is_called_back)
{
	struct uuid job;
	struct hand hand;
	struct order *order;

	open_pulled();
	job = submit(&(struct wish){ .queue = "other", .callback = A });
	hand = lease_one();
	let_time_pass(SECOND_MS);
	ck_assert_int_eq(complete(&hand, 201), ORDER_OK);
	ck_assert_int_eq(status_of(job), JOB_SUCCEEDED);
	ck_assert_uint_eq(blob_len(post_of(job)->response.body), 6);
	end_post_with(job, &THANKS);
	order = new_order(ORDER_RESULT);
	order->job.id = job;
	order = ask(order);
	ck_assert_int_eq(order->job.response_status, 201);
	ck_assert_str_eq(order->job.lease_token, "");
	order_free(&order);
	nothing_is_held("other");
	ck_assert_int_eq(complete(&hand, 200), ORDER_STALE);
}
END_TEST

START_TEST(a_result_is_judged_as_an_upstreams_answer_is)
{
	static const struct {
		int status;
		enum job_status becomes;
		enum job_error error;
	} rows[] = {
		{ 204, JOB_SUCCEEDED, ERROR_NONE },
		{ 404, JOB_FAILED, ERROR_STATUS_4XX },
		{ 429, JOB_QUEUED, ERROR_STATUS_4XX },
		{ 503, JOB_QUEUED, ERROR_STATUS_5XX },
	};
	struct uuid job;
	struct hand hand;

	open_pulled();
	job = submit_pulled();
	hand = lease_one();
	ck_assert_int_eq(complete(&hand, rows[_i].status), ORDER_OK);
	ck_assert_int_eq(status_of(job), rows[_i].becomes);
	ck_assert_int_eq(error_of(job), rows[_i].error);
}
END_TEST

START_TEST(a_result_that_is_too_large_fails_the_job)
{
	struct uuid job;
	struct hand hand;

	queue_named("other")->max_result_bytes = 5;
	open_pulled();
	job = submit_pulled();
	hand = lease_one();
	ck_assert_int_eq(complete(&hand, 200), ORDER_OK);
	ck_assert_int_eq(status_of(job), JOB_FAILED);
	ck_assert_int_eq(error_of(job), ERROR_TOO_LARGE);
}
END_TEST

START_TEST(a_failure_waits_as_the_queue_or_the_consumer_says)
{
	struct uuid job;
	struct hand hand;

	open_pulled();
	job = submit_pulled();
	hand = lease_one();
	ck_assert_int_eq(give_up(&hand, true, -1), ORDER_OK);
	ck_assert_int_eq(status_of(job), JOB_QUEUED);
	ck_assert_int_eq(error_of(job), ERROR_CONSUMER_FAILED);
	let_time_pass(SECOND_MS - 1);
	nothing_to_lease();
	let_time_pass(1);
	hand = lease_one();
	ck_assert_int_eq(give_up(&hand, true, 30 * SECOND_MS), ORDER_OK);
	let_time_pass(30 * SECOND_MS - 1);
	nothing_to_lease();
	let_time_pass(1);
	hand = lease_one();
	ck_assert_int_eq(attempts_of(job), 3);
	ck_assert_int_eq(give_up(&hand, true, 0), ORDER_OK);
	ck_assert_int_eq(status_of(job), JOB_FAILED);
	nothing_is_held("other");
}
END_TEST

START_TEST(a_failure_may_be_final)
{
	struct uuid job;
	struct hand hand;
	struct order *order;

	open_pulled();
	job = submit_pulled();
	hand = lease_one();
	ck_assert_int_eq(give_up(&hand, false, -1), ORDER_OK);
	order = ask_job(job);
	ck_assert_int_eq(order->job.status, JOB_FAILED);
	ck_assert_str_eq(order->job.error_detail, "no paper");
	order_free(&order);
}
END_TEST

START_TEST(a_lease_that_ends_puts_the_job_back_once_and_at_once)
{
	struct uuid job;
	struct hand first, second;

	open_pulled();
	job = submit_pulled();
	first = lease_one();
	let_time_pass(LEASE_MS - 1);
	ck_assert_int_eq(status_of(job), JOB_RUNNING);
	let_time_pass(1);
	ck_assert_int_eq(status_of(job), JOB_QUEUED);
	ck_assert_int_eq(error_of(job), ERROR_LEASE_EXPIRED);
	ck_assert_int_eq(gauge_of("other")->queued, 1);
	second = lease_one();
	nothing_to_lease();
	ck_assert_int_eq(attempts_of(job), 2);
	ck_assert_int_eq(complete(&first, 200), ORDER_STALE);
	ck_assert_int_eq(give_up(&first, true, -1), ORDER_STALE);
	ck_assert_int_eq(extend(&first, LEASE_MS), ORDER_STALE);
	ck_assert_int_eq(report(&first, 0.5, NULL), ORDER_STALE);
	ck_assert_int_eq(complete(&second, 200), ORDER_OK);
	ck_assert_int_eq(status_of(job), JOB_SUCCEEDED);
}
END_TEST

START_TEST(leases_that_end_use_up_the_attempts)
{
	struct uuid job;

	open_pulled();
	job = submit(
	    &(struct wish){ .queue = "other", .attempts = 2, .callback = A });
	for (int i = 0; i < 2; i++) {
		(void)lease_one();
		let_time_pass(LEASE_MS);
	}
	ck_assert_int_eq(status_of(job), JOB_FAILED);
	ck_assert_int_eq(error_of(job), ERROR_LEASE_EXPIRED);
	ck_assert(is_being_posted(job));
	nothing_is_held("other");
}
END_TEST

START_TEST(an_at_most_once_job_is_not_leased_twice)
{
	struct uuid job;

	queue_named("other")->guarantee = AT_MOST_ONCE;
	open_pulled();
	job = submit_pulled();
	(void)lease_one();
	let_time_pass(LEASE_MS);
	ck_assert_int_eq(status_of(job), JOB_FAILED);
	ck_assert_int_eq(error_of(job), ERROR_LEASE_EXPIRED);
}
END_TEST

START_TEST(an_extended_lease_ends_later_or_sooner)
{
	struct uuid job;
	struct hand hand;

	open_pulled();
	job = submit_pulled();
	hand = lease_one();
	let_time_pass(LEASE_MS - 1);
	ck_assert_int_eq(extend(&hand, HOUR_MS), ORDER_OK);
	let_time_pass(HOUR_MS - 1);
	ck_assert_int_eq(status_of(job), JOB_RUNNING);
	ck_assert_int_eq(extend(&hand, SECOND_MS), ORDER_OK);
	let_time_pass(SECOND_MS - 1);
	ck_assert_int_eq(status_of(job), JOB_RUNNING);
	let_time_pass(1);
	ck_assert_int_eq(status_of(job), JOB_QUEUED);
}
END_TEST

START_TEST(a_wrong_token_and_an_unknown_job_are_told_apart)
{
	struct hand hand, wrong;

	open_pulled();
	(void)submit_pulled();
	hand = lease_one();
	wrong = hand;
	wrong.token[0] ^= 1;
	ck_assert_int_eq(complete(&wrong, 200), ORDER_STALE);
	wrong.token[0] = '\0';
	ck_assert_int_eq(complete(&wrong, 200), ORDER_STALE);
	wrong = hand;
	wrong.job.salt ^= 1;
	ck_assert_int_eq(complete(&wrong, 200), ORDER_MISSING);
	ck_assert_int_eq(complete(&hand, 200), ORDER_OK);
}
END_TEST

START_TEST(a_job_that_nobody_holds_is_nobodys)
{
	struct hand nobody = { .token = "" };

	open_pulled();
	nobody.job = submit_pulled();
	ck_assert_int_eq(complete(&nobody, 200), ORDER_STALE);
	ck_assert_int_eq(extend(&nobody, LEASE_MS), ORDER_STALE);
}
END_TEST

START_TEST(cancelling_takes_the_lease_away)
{
	struct order *order;
	struct hand hand;

	open_pulled();
	(void)submit_pulled();
	hand = lease_one();
	order = new_order(ORDER_CANCEL);
	order->job.id = hand.job;
	ck_assert_int_eq(outcome_of(order), ORDER_OK);
	ck_assert_int_eq(status_of(hand.job), JOB_CANCELLED);
	ck_assert_int_eq(complete(&hand, 200), ORDER_STALE);
	nothing_is_held("other");
	let_time_pass(HOUR_MS);
	ck_assert_int_eq(status_of(hand.job), JOB_CANCELLED);
}
END_TEST

/* ---- progress ---- */

START_TEST(progress_is_kept_until_the_next_run)
{
	struct order *order;
	struct hand hand;

	open_pulled();
	(void)submit_pulled();
	hand = lease_one();
	ck_assert_int_eq(report(&hand, 0.25, "reading"), ORDER_OK);
	ck_assert_int_eq(report(&hand, 0.5, NULL), ORDER_OK);
	order = ask_job(hand.job);
	ck_assert_double_eq(order->job.progress, 0.5);
	ck_assert_str_eq(order->job.progress_message, "reading");
	order_free(&order);
	ck_assert_int_eq(give_up(&hand, true, 0), ORDER_OK);
	hand = lease_one();
	order = ask_job(hand.job);
	ck_assert_double_eq(order->job.progress, -1);
	ck_assert_ptr_null(order->job.progress_message);
	order_free(&order);
}
END_TEST

START_TEST(progress_is_called_back_one_event_at_a_time)
{
	struct uuid job;
	struct hand hand;

	open_pulled();
	job = submit(&(struct wish){ .queue = "other",
	    .callback = A,
	    .events = EVENT_PROGRESS | EVENT_SUCCEEDED });
	hand = lease_one();
	ck_assert_int_eq(report(&hand, 0.25, "a"), ORDER_OK);
	ck_assert_int_eq(report(&hand, 0.5, "b"), ORDER_OK);
	ck_assert_int_eq(posts_under_way(), 1);
	ck_assert_int_eq(post_of(job)->delivery.event, EVENT_PROGRESS);
	ck_assert_double_eq(post_of(job)->delivery.progress, 0.25);
	ck_assert_str_eq(post_of(job)->delivery.progress_message, "a");
	ck_assert_int_eq(post_of(job)->delivery.run, 1);
	end_post_with(job, &THANKS);
	ck_assert_int_eq(posts_under_way(), 0);
	ck_assert_int_eq(report(&hand, 0.75, NULL), ORDER_OK);
	ck_assert_double_eq(post_of(job)->delivery.progress, 0.75);
	ck_assert_int_eq(complete(&hand, 200), ORDER_OK);
	ck_assert_int_eq(posts_under_way(), 2);
}
END_TEST

/* ---- restarts ---- */

START_TEST(a_lease_goes_on_over_a_restart)
{
	struct uuid job;
	struct hand hand;

	open_pulled_file();
	job = submit_pulled();
	hand = lease_one();
	let_time_pass(10 * SECOND_MS);
	crash_world();
	clock_goes_on(10 * SECOND_MS);
	open_world();
	ck_assert_int_eq(status_of(job), JOB_RUNNING);
	ck_assert_int_eq(attempts_of(job), 1);
	nothing_to_lease();
	let_time_pass(10 * SECOND_MS - 1);
	ck_assert_int_eq(complete(&hand, 200), ORDER_OK);
	ck_assert_int_eq(status_of(job), JOB_SUCCEEDED);
	nothing_is_held("other");
}
END_TEST

START_TEST(a_lease_that_ended_while_nobody_was_there_is_over)
{
	struct uuid job;
	struct hand hand;

	open_pulled_file();
	job = submit_pulled();
	hand = lease_one();
	crash_world();
	clock_goes_on(LEASE_MS);
	open_world();
	ck_assert_int_eq(status_of(job), JOB_QUEUED);
	ck_assert_int_eq(error_of(job), ERROR_LEASE_EXPIRED);
	ck_assert_int_eq(complete(&hand, 200), ORDER_STALE);
	hand = lease_one();
	ck_assert_int_eq(attempts_of(job), 2);
	ck_assert_int_eq(complete(&hand, 200), ORDER_OK);
	nothing_is_held("other");
}
END_TEST

START_TEST(an_extension_and_progress_outlive_a_restart)
{
	struct order *order;
	struct hand hand;

	open_pulled_file();
	(void)submit_pulled();
	hand = lease_one();
	ck_assert_int_eq(extend(&hand, HOUR_MS), ORDER_OK);
	ck_assert_int_eq(report(&hand, 0.125, "slow"), ORDER_OK);
	reopen_world();
	let_time_pass(HOUR_MS - 1);
	order = ask_job(hand.job);
	ck_assert_int_eq(order->job.status, JOB_RUNNING);
	ck_assert_double_eq(order->job.progress, 0.125);
	ck_assert_str_eq(order->job.progress_message, "slow");
	order_free(&order);
	let_time_pass(1);
	ck_assert_int_eq(status_of(hand.job), JOB_QUEUED);
}
END_TEST

START_TEST(leases_of_a_queue_that_is_gone_are_interrupted)
{
	struct uuid job;
	struct hand hand;

	open_pulled_file();
	job = submit_pulled();
	hand = lease_one();
	crash_world();
	world_conf()->queue_count = 1;
	open_world();
	ck_assert_int_eq(status_of(job), JOB_QUEUED);
	ck_assert_int_eq(error_of(job), ERROR_INTERRUPTED);
	reload_whole();
	ck_assert_int_eq(complete(&hand, 200), ORDER_STALE);
	hand = lease_one();
	ck_assert_int_eq(complete(&hand, 200), ORDER_OK);
	nothing_is_held("other");
}
END_TEST

/* ---- clocks ---- */

START_TEST(a_clock_that_is_set_neither_ends_nor_lengthens_a_lease)
{
	static const int64_t jumps_ms[] = { DAY_MS, -DAY_MS };
	struct uuid job;
	struct hand hand;

	open_pulled();
	job = submit_pulled();
	hand = lease_one();
	let_time_pass(SECOND_MS);
	clock_wall_jumps(jumps_ms[_i]);
	let_time_pass(LEASE_MS - SECOND_MS - 1);
	ck_assert_int_eq(status_of(job), JOB_RUNNING);
	ck_assert_int_eq(extend(&hand, LEASE_MS), ORDER_OK);
	let_time_pass(LEASE_MS - 1);
	ck_assert_int_eq(status_of(job), JOB_RUNNING);
	let_time_pass(1);
	ck_assert_int_eq(status_of(job), JOB_QUEUED);
	(void)lease_one();
}
END_TEST

/* ---- a store that fails ---- */

static void
heal(void)
{
	store_heals();
	let_time_pass(SECOND_MS);
	ck_assert(ledger_is_well(world_ledger()));
}

static const unsigned write_calls[] = { SICK_BEGIN, SICK_COMMIT,
	SICK_UPDATE_JOB, SICK_GET_JOB };

START_TEST(a_lease_that_cannot_be_written_down_is_not_given)
{
	struct uuid job;
	struct order *order;

	open_pulled();
	job = submit_pulled();
	store_sickens(write_calls[_i], 0, STORE_AGAIN);
	order = ask(new_lease(1, 0));
	ck_assert_int_eq(order->result, ORDER_UNAVAILABLE);
	ck_assert_uint_eq(order->leased.count, 0);
	order_free(&order);
	heal();
	ck_assert_int_eq(attempts_of(job), 0);
	ck_assert(same(lease_one().job, job));
	let_time_pass(LEASE_MS - 1);
	ck_assert_int_eq(status_of(job), JOB_RUNNING);
}
END_TEST

START_TEST(a_result_that_cannot_be_written_down_may_be_sent_again)
{
	struct hand hand;

	open_pulled();
	(void)submit_pulled();
	hand = lease_one();
	store_sickens(write_calls[_i], 0, STORE_AGAIN);
	ck_assert_int_eq(complete(&hand, 200), ORDER_UNAVAILABLE);
	ck_assert_int_eq(extend(&hand, HOUR_MS), ORDER_UNAVAILABLE);
	heal();
	ck_assert_int_eq(status_of(hand.job), JOB_RUNNING);
	ck_assert_int_eq(complete(&hand, 200), ORDER_OK);
	nothing_is_held("other");
}
END_TEST

START_TEST(an_end_that_cannot_be_written_down_is_settled_later)
{
	struct uuid job;
	struct hand hand;

	open_pulled();
	job = submit_pulled();
	hand = lease_one();
	store_sickens(SICK_COMMIT, 0, STORE_AGAIN);
	let_time_pass(LEASE_MS + 5 * SECOND_MS);
	heal();
	ck_assert_int_eq(complete(&hand, 200), ORDER_STALE);
	ck_assert_int_eq(status_of(job), JOB_QUEUED);
	ck_assert_int_eq(attempts_of(job), 1);
	(void)lease_one();
}
END_TEST

START_TEST(who_waits_goes_on_waiting_while_the_store_is_sick)
{
	struct order *answer;
	struct hand hand;

	open_pulled();
	ask_later(new_lease(1, MINUTE_MS), &answer);
	settle();
	store_sickens(SICK_COMMIT, 0, STORE_AGAIN);
	(void)outcome_of(
	    order_of(ORDER_PROGRESS, &(struct hand){ { 1, 1 }, "" }));
	let_time_pass(10 * SECOND_MS);
	ck_assert_ptr_null(answer);
	heal();
	(void)submit_pulled();
	ck_assert_int_eq(take_hands(&answer, &hand), 1);
}
END_TEST

/* ---- pausing ---- */

START_TEST(a_paused_queue_takes_jobs_and_leases_none)
{
	struct order *answer;
	struct hand hand;

	open_pulled();
	ask_later(new_lease(1, MINUTE_MS), &answer);
	ck_assert_int_eq(pause_other(true), ORDER_OK);
	(void)submit_pulled();
	let_time_pass(10 * SECOND_MS);
	ck_assert_ptr_null(answer);
	ck_assert_int_eq(pause_other(false), ORDER_OK);
	ck_assert_int_eq(take_hands(&answer, &hand), 1);
}
END_TEST

START_TEST(a_pause_outlives_a_restart)
{
	struct order *order;

	open_pulled_file();
	ck_assert_int_eq(pause_other(true), ORDER_OK);
	(void)submit_pulled();
	reopen_world();
	nothing_to_lease();
	order = ask(new_order(ORDER_QUEUES));
	ck_assert_int_eq(order->queue_count, 2);
	ck_assert(!order->queues[0].is_paused);
	ck_assert(order->queues[1].is_paused);
	ck_assert_int_eq(order->queues[1].waiting, 1);
	order_free(&order);
	ck_assert_int_eq(pause_other(false), ORDER_OK);
	reopen_world();
	(void)lease_one();
}
END_TEST

START_TEST(a_pause_that_cannot_be_written_down_is_none)
{
	open_pulled();
	store_sickens(SICK_COMMIT, 0, STORE_AGAIN);
	ck_assert_int_eq(pause_other(true), ORDER_UNAVAILABLE);
	heal();
	(void)submit_pulled();
	(void)lease_one();
}
END_TEST

START_TEST(a_queue_tells_how_old_its_oldest_job_is)
{
	struct order *order = new_order(ORDER_QUEUES);

	open_pulled();
	(void)submit(&(struct wish){ .queue = "other", .delay_ms = HOUR_MS });
	(void)submit_pulled();
	let_time_pass(SECOND_MS);
	(void)submit(&(struct wish){ .queue = "other", .sooner = 5 });
	let_time_pass(SECOND_MS);
	(void)snprintf(order->filter_queue, NAME_SIZE, "other");
	order = ask(order);
	ck_assert_int_eq(order->queue_count, 1);
	ck_assert_int_eq(order->queues[0].oldest_age_ms, 2 * SECOND_MS);
	ck_assert_int_eq(order->queues[0].waiting, 3);
	ck_assert_int_eq(order->queues[0].delayed, 1);
	ck_assert_int_eq(order->queues[0].places, 3);
	ck_assert(order->queues[0].accepted_per_s > 0);
	order_free(&order);
}
END_TEST

START_TEST(a_queue_that_there_is_not_is_missing)
{
	struct order *order = new_order(ORDER_QUEUES);

	open_pulled();
	(void)snprintf(order->filter_queue, NAME_SIZE, "nope");
	ck_assert_int_eq(outcome_of(order), ORDER_MISSING);
	order = new_order(ORDER_PAUSE);
	(void)snprintf(order->filter_queue, NAME_SIZE, "nope");
	ck_assert_int_eq(outcome_of(order), ORDER_MISSING);
}
END_TEST

/* ---- by chance ---- */

#define HANDS 12

/* Whoever holds a job is the only one: the tokens of all others are stale. */
static void
only_the_latest_hand_holds(const struct hand *hands, int count)
{
	for (int i = 0; i < count; i++)
		for (int j = i + 1; j < count; j++)
			if (same(hands[i].job, hands[j].job))
				ck_assert_int_eq(extend(&hands[i], LEASE_MS),
				    ORDER_STALE);
}

static void
something_happens(struct hand *hands, int *count)
{
	switch (dice(6)) {
	case 0:
	case 1:
		(void)submit(
		    &(struct wish){ .queue = "other", .attempts = 20 });
		return;
	case 2:
		let_time_pass((int64_t)dice(LEASE_MS));
		return;
	case 3:
		if (*count > 0)
			(void)complete(&hands[dice((uint32_t)*count)],
			    dice(2) > 0 ? 200 : 503);
		return;
	case 4:
		if (dice(4) == 0)
			reopen_world();
		return;
	case 5:
		if (*count >= HANDS) {
			*count -= 2;
			memmove(hands, hands + 2,
			    (size_t)*count * sizeof(*hands));
		}
		*count += lease_many(2, &hands[*count]);
		return;
	}
}

START_TEST(two_consumers_never_hold_one_job)
{
	struct hand hands[HANDS + 2];
	int count = 0;

	dice_begin((uint64_t)_i + 7);
	queue_named("other")->concurrency = 4;
	open_pulled_file();
	for (int i = 0; i < 400; i++) {
		if (gauge_of("other")->places > 90)
			break;
		something_happens(hands, &count);
		only_the_latest_hand_holds(hands, count);
	}
}
END_TEST

/* ---- all of them ---- */

static void
add_leasing(Suite *suite)
{
	TCase *cases = cases_of(suite, "leasing");

	tcase_add_test(cases, pulled_jobs_wait_until_somebody_asks);
	tcase_add_test(cases, a_lease_has_the_request_and_its_length);
	tcase_add_test(cases,
	    a_lease_without_a_length_is_as_long_as_a_run_may_be);
	tcase_add_test(cases, concurrency_bounds_what_is_leased_at_once);
	tcase_add_test(cases, priority_goes_first_and_delay_is_waited_for);
	tcase_add_test(cases,
	    a_job_that_may_no_longer_start_is_given_up_instead);
	tcase_add_test(cases, a_turn_leases_no_more_than_its_share);
	tcase_add_loop_test(cases, two_consumers_never_hold_one_job, 0, 4);
}

static void
add_waiting(Suite *suite)
{
	TCase *cases = cases_of(suite, "waiting");

	tcase_add_test(cases, a_consumer_waits_for_a_job_to_come);
	tcase_add_test(cases, a_consumer_waits_for_a_delay_to_be_over);
	tcase_add_test(cases,
	    a_wait_ends_empty_and_never_beyond_what_the_queue_allows);
	tcase_add_test(cases,
	    who_waits_longest_is_served_first_and_nobody_twice);
	tcase_add_test(cases, a_consumer_that_went_away_is_given_nothing);
	tcase_add_test(cases,
	    one_that_goes_away_as_it_comes_or_is_answered_is_let_go_once);
	tcase_add_test(cases, a_drain_answers_those_who_wait);
}

static void
add_ends(Suite *suite)
{
	TCase *cases = cases_of(suite, "ends");

	tcase_add_test(cases, a_result_ends_the_job_and_is_called_back);
	tcase_add_loop_test(cases, a_result_is_judged_as_an_upstreams_answer_is,
	    0, 4);
	tcase_add_test(cases, a_result_that_is_too_large_fails_the_job);
	tcase_add_test(cases,
	    a_failure_waits_as_the_queue_or_the_consumer_says);
	tcase_add_test(cases, a_failure_may_be_final);
	tcase_add_test(cases,
	    a_lease_that_ends_puts_the_job_back_once_and_at_once);
	tcase_add_test(cases, leases_that_end_use_up_the_attempts);
	tcase_add_test(cases, an_at_most_once_job_is_not_leased_twice);
	tcase_add_test(cases, an_extended_lease_ends_later_or_sooner);
	tcase_add_test(cases, a_wrong_token_and_an_unknown_job_are_told_apart);
	tcase_add_test(cases, a_job_that_nobody_holds_is_nobodys);
	tcase_add_test(cases, cancelling_takes_the_lease_away);
	tcase_add_test(cases, progress_is_kept_until_the_next_run);
	tcase_add_test(cases, progress_is_called_back_one_event_at_a_time);
}

static void
add_trouble(Suite *suite)
{
	TCase *cases = cases_of(suite, "restarts, clocks, a sick store");

	tcase_add_test(cases, a_lease_goes_on_over_a_restart);
	tcase_add_test(cases,
	    a_lease_that_ended_while_nobody_was_there_is_over);
	tcase_add_test(cases, an_extension_and_progress_outlive_a_restart);
	tcase_add_test(cases, leases_of_a_queue_that_is_gone_are_interrupted);
	tcase_add_loop_test(cases,
	    a_clock_that_is_set_neither_ends_nor_lengthens_a_lease, 0, 2);
	tcase_add_loop_test(cases,
	    a_lease_that_cannot_be_written_down_is_not_given, 0, 4);
	tcase_add_loop_test(cases,
	    a_result_that_cannot_be_written_down_may_be_sent_again, 0, 4);
	tcase_add_test(cases,
	    an_end_that_cannot_be_written_down_is_settled_later);
	tcase_add_test(cases,
	    who_waits_goes_on_waiting_while_the_store_is_sick);
}

static void
add_queues(Suite *suite)
{
	TCase *cases = cases_of(suite, "queues");

	tcase_add_test(cases, a_paused_queue_takes_jobs_and_leases_none);
	tcase_add_test(cases, a_pause_outlives_a_restart);
	tcase_add_test(cases, a_pause_that_cannot_be_written_down_is_none);
	tcase_add_test(cases, a_queue_tells_how_old_its_oldest_job_is);
	tcase_add_test(cases, a_queue_that_there_is_not_is_missing);
}

int
main(void)
{
	Suite *suite = suite_create("leases");

	add_leasing(suite);
	add_waiting(suite);
	add_ends(suite);
	add_trouble(suite);
	add_queues(suite);
	return run_suite(suite);
}
