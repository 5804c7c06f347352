/* test_scenario_holds.c - questions that wait for their answer: until the job
 * changes, until it ends, until their time is up, until nobody listens. */
#include "suite.h"

#include <string.h>

#include "ledger/inside.h"

#define A "http://a.example/hook"

static void
open_patient_world(void)
{
	queue_named("work")->max_wait_ms = HOUR_MS;
	queue_named("other")->max_wait_ms = HOUR_MS;
	open_world();
}

/* ---- asking ---- */

/* At most one that was held and is not answered yet is looked at by a test
 * through each of these. */
struct hold {
	struct order *order;  /* the ledger's until it is answered */
	struct order *answer; /* NULL: not yet */
	struct uuid job;
};

static void
hold(struct hold *out, struct uuid job, enum hold_until until, int64_t ms)
{
	out->order = new_order(
	    until == HOLD_UNTIL_END ? ORDER_RESULT : ORDER_JOB);
	out->order->job.id = job;
	out->order->hold_until = until;
	out->order->hold_ms = ms;
	out->job = job;
	ask_later(out->order, &out->answer);
	settle();
}

static void
hold_change(struct hold *out, struct uuid job)
{
	hold(out, job, HOLD_UNTIL_CHANGE, MINUTE_MS);
}

static void
hold_end(struct hold *out, struct uuid job)
{
	hold(out, job, HOLD_UNTIL_END, MINUTE_MS);
}

static uint64_t
version_of(struct uuid job)
{
	struct order *order = ask_job(job);
	uint64_t version = document_version(&order->job,
	    order->has_delivery ? &order->delivery : NULL, &order->facts);

	order_free(&order);
	return version;
}

/* As a client with that ETag asks. */
static void
hold_unless(struct hold *out, struct uuid job, uint64_t version)
{
	out->order = new_order(ORDER_JOB);
	out->order->job.id = job;
	out->order->hold_until = HOLD_UNTIL_CHANGE;
	out->order->hold_ms = MINUTE_MS;
	out->order->known_version = version;
	out->job = job;
	ask_later(out->order, &out->answer);
	settle();
}

static void
is_held(const struct hold *held)
{
	ck_assert_msg(held->answer == NULL, "answered too early");
}

static void
is_answered(struct hold *held, enum job_status status)
{
	ck_assert_msg(held->answer != NULL, "not answered");
	ck_assert_int_eq(held->answer->result, ORDER_OK);
	ck_assert_int_eq(held->answer->job.status, status);
	order_free(&held->answer);
}

static void
nobody_is_held(void)
{
	ck_assert_int_eq(line_count(world_ledger()->holds), 0);
	ck_assert_int_eq(line_count(world_ledger()->hold_ends), 0);
}

/* ---- until it changes ---- */

START_TEST(a_poll_is_answered_when_the_job_begins_to_run)
{
	struct uuid busy[2], job;
	struct hold poll;

	open_patient_world();
	fill_slots(busy);
	job = submit_plain();
	hold_change(&poll, job);
	is_held(&poll);
	end_run_with(busy[0], &WELL);
	is_answered(&poll, JOB_RUNNING);
	nobody_is_held();
}
END_TEST

START_TEST(a_poll_is_answered_when_a_run_fails_and_when_it_is_tried_again)
{
	struct uuid job;
	struct hold poll;

	open_patient_world();
	job = submit_plain();
	hold_change(&poll, job);
	end_run_with(job, &BUSY);
	is_answered(&poll, JOB_QUEUED);
	hold_change(&poll, job);
	is_held(&poll);
	let_time_pass(SECOND_MS);
	is_answered(&poll, JOB_RUNNING);
	nobody_is_held();
}
END_TEST

static const struct {
	const struct run_end *end;
	enum job_status status;
} ends[] = { { &WELL, JOB_SUCCEEDED }, { &BAD, JOB_FAILED } };

START_TEST(a_poll_is_answered_when_the_job_ends)
{
	struct uuid job;
	struct hold poll;

	open_patient_world();
	job = submit_plain();
	hold_change(&poll, job);
	end_run_with(job, ends[_i].end);
	is_answered(&poll, ends[_i].status);
}
END_TEST

START_TEST(a_poll_is_answered_when_the_job_is_cancelled)
{
	struct uuid job;
	struct hold poll;

	open_patient_world();
	job = submit(&(struct wish){ .delay_ms = HOUR_MS });
	hold_change(&poll, job);
	ck_assert_int_eq(cancel(job), ORDER_OK);
	is_answered(&poll, JOB_CANCELLED);
}
END_TEST

START_TEST(a_poll_is_answered_when_the_job_expires)
{
	struct uuid busy[2], job;
	struct hold poll;

	open_patient_world();
	fill_slots(busy);
	job = submit(&(struct wish){ .expires_ms = SECOND_MS });
	hold_change(&poll, job);
	let_time_pass(SECOND_MS - 1);
	is_held(&poll);
	let_time_pass(1);
	is_answered(&poll, JOB_FAILED);
}
END_TEST

START_TEST(who_has_seen_less_is_answered_at_once)
{
	struct uuid job;
	struct hold poll;
	uint64_t version;

	open_patient_world();
	job = submit_plain();
	version = version_of(job);
	hold_unless(&poll, job, version);
	is_held(&poll);
	end_run_with(job, &BUSY);
	is_answered(&poll, JOB_QUEUED);
	hold_unless(&poll, job, version);
	is_answered(&poll, JOB_QUEUED);
	nobody_is_held();
}
END_TEST

/* The delivery of "started" changes nothing that is shown. */
START_TEST(what_is_not_seen_is_no_change)
{
	const struct wish wish = { .callback = A, .events = EVENT_STARTED };
	struct uuid job;
	struct hold poll;

	open_patient_world();
	job = submit(&wish);
	hold_change(&poll, job);
	ck_assert(is_being_posted(job));
	end_post_with(job, &NOT_NOW);
	is_held(&poll);
	let_time_pass(10 * SECOND_MS);
	end_post_with(job, &THANKS);
	is_held(&poll);
	let_time_pass(50 * SECOND_MS - 1);
	is_held(&poll);
	let_time_pass(1);
	is_answered(&poll, JOB_RUNNING);
}
END_TEST

START_TEST(an_ended_job_is_answered_at_once)
{
	struct uuid job;
	struct hold poll;

	open_patient_world();
	job = submit_plain();
	end_run_with(job, &WELL);
	hold_change(&poll, job);
	is_answered(&poll, JOB_SUCCEEDED);
	hold_unless(&poll, job, version_of(job));
	is_answered(&poll, JOB_SUCCEEDED);
	hold_end(&poll, job);
	is_answered(&poll, JOB_SUCCEEDED);
}
END_TEST

START_TEST(who_knows_that_a_job_has_ended_can_wait_for_its_callback)
{
	struct uuid job;
	struct hold poll;

	open_patient_world();
	job = submit(&(struct wish){ .callback = A });
	end_run_with(job, &WELL);
	hold_change(&poll, job);
	is_answered(&poll, JOB_SUCCEEDED);
	hold_unless(&poll, job, version_of(job));
	is_held(&poll);
	end_post_with(job, &NOT_NOW);
	is_answered(&poll, JOB_SUCCEEDED);
	hold_unless(&poll, job, version_of(job));
	is_held(&poll);
	let_time_pass(10 * SECOND_MS);
	end_post_with(job, &THANKS);
	is_answered(&poll, JOB_SUCCEEDED);
	hold_unless(&poll, job, version_of(job));
	is_answered(&poll, JOB_SUCCEEDED);
}
END_TEST

/* ---- until it ends ---- */

START_TEST(who_waits_for_the_end_is_answered_at_the_end_only)
{
	struct uuid busy[2], job;
	struct hold wait;

	open_patient_world();
	fill_slots(busy);
	job = submit_plain();
	hold_end(&wait, job);
	is_held(&wait);
	end_run_with(busy[0], &WELL);
	is_held(&wait);
	end_run_with(job, &BUSY);
	is_held(&wait);
	let_time_pass(SECOND_MS);
	ck_assert(is_under_way(job));
	is_held(&wait);
	end_run_with(job, &WELL);
	ck_assert_ptr_nonnull(wait.answer);
	ck_assert_uint_eq(blob_len(wait.answer->response.body), 4);
	is_answered(&wait, JOB_SUCCEEDED);
	nobody_is_held();
}
END_TEST

START_TEST(everybody_who_waits_for_that_job_is_answered_and_nobody_else)
{
	struct uuid jobs[2];
	struct hold polls[2][50], waits[2][50];

	open_patient_world();
	fill_slots(jobs);
	for (int i = 0; i < 100; i++) {
		hold_change(&polls[i % 2][i / 2], jobs[i % 2]);
		hold_end(&waits[i % 2][i / 2], jobs[i % 2]);
	}
	end_run_with(jobs[1], &BUSY);
	for (int i = 0; i < 50; i++) {
		is_held(&polls[0][i]);
		is_held(&waits[0][i]);
		is_answered(&polls[1][i], JOB_QUEUED);
		is_held(&waits[1][i]);
	}
	end_run_with(jobs[0], &WELL);
	for (int i = 0; i < 50; i++) {
		is_answered(&polls[0][i], JOB_SUCCEEDED);
		is_answered(&waits[0][i], JOB_SUCCEEDED);
		is_held(&waits[1][i]);
	}
	ck_assert_int_eq(cancel(jobs[1]), ORDER_OK);
	for (int i = 0; i < 50; i++)
		is_answered(&waits[1][i], JOB_CANCELLED);
	nobody_is_held();
}
END_TEST

/* ---- until the time is up ---- */

START_TEST(a_hold_ends_with_its_time_and_not_before)
{
	const enum hold_until until = _i == 0 ? HOLD_UNTIL_CHANGE
					      : HOLD_UNTIL_END;
	struct uuid job;
	struct hold held, longer;

	open_patient_world();
	job = submit_plain();
	hold(&held, job, until, 10 * SECOND_MS);
	hold(&longer, job, until, 10 * SECOND_MS + 1);
	let_time_pass(10 * SECOND_MS - 1);
	is_held(&held);
	let_time_pass(1);
	is_answered(&held, JOB_RUNNING);
	is_held(&longer);
	let_time_pass(1);
	is_answered(&longer, JOB_RUNNING);
	nobody_is_held();
}
END_TEST

START_TEST(no_hold_is_longer_than_the_queue_allows)
{
	struct uuid job, other;
	struct hold held, free_one;

	open_patient_world();
	queue_named("work")->max_wait_ms = 5 * SECOND_MS;
	job = submit_plain();
	other = submit(&(struct wish){ .queue = "other" });
	hold(&held, job, HOLD_UNTIL_END, DAY_MS);
	hold(&free_one, other, HOLD_UNTIL_END, 10 * SECOND_MS);
	let_time_pass(5 * SECOND_MS - 1);
	is_held(&held);
	let_time_pass(1);
	is_answered(&held, JOB_RUNNING);
	is_held(&free_one);
	let_time_pass(5 * SECOND_MS);
	is_answered(&free_one, JOB_RUNNING);
}
END_TEST

START_TEST(a_clock_that_is_set_changes_no_hold)
{
	struct uuid job;
	struct hold held;

	open_patient_world();
	job = submit_plain();
	hold(&held, job, HOLD_UNTIL_END, 10 * SECOND_MS);
	clock_wall_jumps(DAY_MS);
	let_time_pass(10 * SECOND_MS - 1);
	is_held(&held);
	clock_wall_jumps(-2 * DAY_MS);
	let_time_pass(1);
	is_answered(&held, JOB_RUNNING);
}
END_TEST

START_TEST(no_time_is_no_hold)
{
	struct uuid job;
	struct hold held;

	open_patient_world();
	job = submit_plain();
	hold(&held, job, HOLD_UNTIL_END, 0);
	is_answered(&held, JOB_RUNNING);
	nobody_is_held();
}
END_TEST

/* ---- until the gateway stops ---- */

START_TEST(a_drain_answers_everybody_and_holds_nobody_any_more)
{
	struct uuid busy[2], job;
	struct hold polls[100], waits[100], late;

	open_patient_world();
	fill_slots(busy);
	job = submit_plain();
	for (int i = 0; i < 100; i++) {
		hold_change(&polls[i], i % 2 == 0 ? job : busy[0]);
		hold_end(&waits[i], i % 2 == 0 ? job : busy[1]);
	}
	ledger_drain(world_ledger());
	settle();
	for (int i = 0; i < 100; i++) {
		const enum job_status status = i % 2 == 0 ? JOB_QUEUED
							  : JOB_RUNNING;

		is_answered(&polls[i], status);
		is_answered(&waits[i], status);
	}
	nobody_is_held();
	hold_end(&late, job);
	is_answered(&late, JOB_QUEUED);
}
END_TEST

/* ---- until nobody listens ---- */

static void
hurry(const struct hold *held)
{
	ledger_hurry(world_ledger(), held->order, held->job.seq);
}

START_TEST(who_does_not_listen_any_more_is_not_held)
{
	struct uuid jobs[2];
	struct hold held[3];

	open_patient_world();
	fill_slots(jobs);
	hold_end(&held[0], jobs[0]);
	hold_end(&held[1], jobs[0]);
	hold_change(&held[2], jobs[1]);
	hurry(&held[1]);
	settle();
	is_held(&held[0]);
	is_answered(&held[1], JOB_RUNNING);
	is_held(&held[2]);
	hurry(&held[2]);
	settle();
	is_answered(&held[2], JOB_RUNNING);
	end_run_with(jobs[0], &WELL);
	is_answered(&held[0], JOB_SUCCEEDED);
	nobody_is_held();
	ck_assert(is_under_way(jobs[1]));
}
END_TEST

START_TEST(who_leaves_before_being_held_is_not_held_either)
{
	struct uuid job;
	struct hold held = { 0 };

	open_patient_world();
	job = submit_plain();
	held.order = new_order(ORDER_RESULT);
	held.order->job.id = job;
	held.order->hold_until = HOLD_UNTIL_END;
	held.order->hold_ms = MINUTE_MS;
	held.job = job;
	ask_later(held.order, &held.answer);
	hurry(&held);
	settle();
	is_answered(&held, JOB_RUNNING);
	nobody_is_held();
}
END_TEST

START_TEST(who_leaves_as_the_answer_comes_is_answered_once)
{
	struct uuid job;
	struct hold held, after;

	open_patient_world();
	job = submit_plain();
	hold_end(&held, job);
	give_back_run(job, _i == 0 ? &WELL : &BUSY);
	hurry(&held);
	settle();
	is_answered(&held, _i == 0 ? JOB_SUCCEEDED : JOB_QUEUED);
	hold_change(&after, job);
	if (_i == 1) {
		is_held(&after);
		let_time_pass(SECOND_MS);
		is_answered(&after, JOB_RUNNING);
	} else {
		is_answered(&after, JOB_SUCCEEDED);
	}
	nobody_is_held();
}
END_TEST

/* ---- what cannot be held ---- */

START_TEST(what_cannot_be_found_or_read_is_answered_at_once)
{
	struct uuid job;
	struct hold held;

	open_patient_world();
	job = submit(&(struct wish){ .client = "acme" });
	held.order = new_order(ORDER_JOB);
	held.order->job.id = job;
	held.order->hold_ms = MINUTE_MS;
	strcpy(held.order->client, "zenith");
	ask_later(held.order, &held.answer);
	settle();
	ck_assert_ptr_nonnull(held.answer);
	ck_assert_int_eq(held.answer->result, ORDER_MISSING);
	order_free(&held.answer);
	store_sickens(SICK_GET_JOB, 0, STORE_AGAIN);
	hold_change(&held, job);
	ck_assert_ptr_nonnull(held.answer);
	ck_assert_int_eq(held.answer->result, ORDER_UNAVAILABLE);
	order_free(&held.answer);
	store_heals();
	nobody_is_held();
}
END_TEST

START_TEST(a_store_that_fails_does_not_end_a_hold)
{
	struct uuid job;
	struct hold held;

	open_patient_world();
	job = submit_plain();
	hold_end(&held, job);
	store_sickens(SICK_WRITES, 0, STORE_AGAIN);
	end_run_with(job, &WELL);
	is_held(&held);
	store_heals();
	let_time_pass(2 * SECOND_MS);
	is_answered(&held, JOB_SUCCEEDED);
	nobody_is_held();
}
END_TEST

START_TEST(a_hold_ends_in_time_while_the_store_fails)
{
	struct uuid job;
	struct hold held;

	open_patient_world();
	job = submit_plain();
	hold(&held, job, HOLD_UNTIL_END, 10 * SECOND_MS);
	store_sickens(SICK_WRITES, 0, STORE_AGAIN);
	end_run_with(job, &WELL);
	let_time_pass(12 * SECOND_MS);
	is_answered(&held, JOB_RUNNING);
	store_heals();
	let_time_pass(2 * SECOND_MS);
	nobody_is_held();
}
END_TEST

/* ---- what it costs ---- */

/* Whoever looks at an item of a line or moves an order passes here. */
static int64_t steps;

const struct line_item *__real_line_at(const struct line *line, int64_t rank,
    int64_t seq);
const struct line_item *__wrap_line_at(const struct line *line, int64_t rank,
    int64_t seq);
bool __real_line_leave(struct line *line, int64_t rank, int64_t seq);
bool __wrap_line_leave(struct line *line, int64_t rank, int64_t seq);
void __real_mail_list_add(struct mail_list *list, struct mail *mail);
void __wrap_mail_list_add(struct mail_list *list, struct mail *mail);
struct mail *__real_mail_list_take(struct mail_list *list);
struct mail *__wrap_mail_list_take(struct mail_list *list);

const struct line_item *
__wrap_line_at(const struct line *line, int64_t rank, int64_t seq)
{
	steps++;
	return __real_line_at(line, rank, seq);
}

bool
__wrap_line_leave(struct line *line, int64_t rank, int64_t seq)
{
	steps++;
	return __real_line_leave(line, rank, seq);
}

void
__wrap_mail_list_add(struct mail_list *list, struct mail *mail)
{
	steps++;
	__real_mail_list_add(list, mail);
}

struct mail *
__wrap_mail_list_take(struct mail_list *list)
{
	steps++;
	return __real_mail_list_take(list);
}

static void
end_their_time(struct hold *holds, int count)
{
	(void)holds;
	(void)count;
	let_time_pass(2 * MINUTE_MS);
}

static void
drain(struct hold *holds, int count)
{
	(void)holds;
	(void)count;
	ledger_drain(world_ledger());
	settle();
}

static void
end_their_job(struct hold *holds, int count)
{
	(void)count;
	end_run_with(holds[0].job, &WELL);
}

/* The latest first: a walk from either end would show. */
static void
hang_up(struct hold *holds, int count)
{
	for (int i = 0; i < count; i++)
		hurry(&holds[i % 2 == 0 ? count - 1 - i / 2 : i / 2]);
	settle();
}

static void (*const letting_go[])(struct hold *holds,
    int count) = { end_their_time, drain, end_their_job, hang_up };

#define MANY 800

START_TEST(to_let_one_go_costs_the_same_however_many_wait_for_its_job)
{
	static struct hold holds[MANY];
	int64_t cost[2];

	for (int turn = 0; turn < 2; turn++) {
		int count = turn == 0 ? MANY / 8 : MANY;
		struct uuid job;

		if (turn == 0)
			open_patient_world();
		else
			reopen_world();
		job = submit_plain();
		for (int i = 0; i < count; i++)
			hold_end(&holds[i], job);
		steps = 0;
		letting_go[_i](holds, count);
		cost[turn] = steps;
		for (int i = 0; i < count; i++) {
			ck_assert_ptr_nonnull(holds[i].answer);
			order_free(&holds[i].answer);
		}
		nobody_is_held();
	}
	ck_assert_int_gt(cost[0], MANY / 8);
	ck_assert_int_le(cost[1], 8 * cost[0]);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("scenario: holds");
	TCase *cases = cases_of(suite, "holds");

	tcase_add_test(cases, a_poll_is_answered_when_the_job_begins_to_run);
	tcase_add_test(cases,
	    a_poll_is_answered_when_a_run_fails_and_when_it_is_tried_again);
	tcase_add_loop_test(cases, a_poll_is_answered_when_the_job_ends, 0, 2);
	tcase_add_test(cases, a_poll_is_answered_when_the_job_is_cancelled);
	tcase_add_test(cases, a_poll_is_answered_when_the_job_expires);
	tcase_add_test(cases, who_has_seen_less_is_answered_at_once);
	tcase_add_test(cases, what_is_not_seen_is_no_change);
	tcase_add_test(cases, an_ended_job_is_answered_at_once);
	tcase_add_test(cases,
	    who_knows_that_a_job_has_ended_can_wait_for_its_callback);
	tcase_add_test(cases,
	    who_waits_for_the_end_is_answered_at_the_end_only);
	tcase_add_test(cases,
	    everybody_who_waits_for_that_job_is_answered_and_nobody_else);
	tcase_add_loop_test(cases, a_hold_ends_with_its_time_and_not_before, 0,
	    2);
	tcase_add_test(cases, no_hold_is_longer_than_the_queue_allows);
	tcase_add_test(cases, a_clock_that_is_set_changes_no_hold);
	tcase_add_test(cases, no_time_is_no_hold);
	tcase_add_test(cases,
	    a_drain_answers_everybody_and_holds_nobody_any_more);
	tcase_add_test(cases, who_does_not_listen_any_more_is_not_held);
	tcase_add_test(cases, who_leaves_before_being_held_is_not_held_either);
	tcase_add_loop_test(cases,
	    who_leaves_as_the_answer_comes_is_answered_once, 0, 2);
	tcase_add_test(cases, what_cannot_be_found_or_read_is_answered_at_once);
	tcase_add_test(cases, a_store_that_fails_does_not_end_a_hold);
	tcase_add_test(cases, a_hold_ends_in_time_while_the_store_fails);
	tcase_add_loop_test(cases,
	    to_let_one_go_costs_the_same_however_many_wait_for_its_job, 0, 4);
	return run_suite(suite);
}
