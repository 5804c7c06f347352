/* test_scenario_watches.c - watchers are told of what happens to jobs: in order,
 * once, and again when they come back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

#define SEEN_MAX 1000

/* What one loop was told. */
struct hall {
	struct watch_room room;
	struct event_mark marks[SEEN_MAX];
	int64_t jobs[SEEN_MAX];
	enum job_status states[SEEN_MAX];
	int count;
	int cuts;
};

static void
tell(const struct notice *notice, void *arg)
{
	struct hall *hall = arg;

	if (notice->is_cut) {
		hall->cuts++;
		return;
	}
	ck_assert_int_lt(hall->count, SEEN_MAX);
	hall->marks[hall->count] = notice->mark;
	hall->jobs[hall->count] = notice->job.id.seq;
	hall->states[hall->count++] = notice->job.status;
}

static void
open_hall(struct hall *hall)
{
	memset(hall, 0, sizeof(*hall));
	hall->room.tell = tell;
	hall->room.arg = hall;
}

struct question {
	struct uuid job;
	const char *client, *queue;
	int64_t after_id; /* 0: nothing seen */
	uint64_t after_version;
};

static struct order *
watch(struct hall *hall, const struct question *question)
{
	struct order *order = new_order(ORDER_WATCH);

	order->job.id = question->job;
	if (question->client != NULL)
		(void)snprintf(order->client, sizeof(order->client), "%s",
		    question->client);
	if (question->queue != NULL)
		(void)snprintf(order->filter_queue, sizeof(order->filter_queue),
		    "%s", question->queue);
	order->watch.after_id = question->after_id != 0 ? question->after_id
							: -1;
	order->watch.after_version = question->after_version;
	order->watch.room = &hall->room;
	return ask(order);
}

/* From now on the hall is told; where that begins. */
static int64_t
watch_on(struct hall *hall, const struct question *question)
{
	struct order *order = watch(hall, question);
	int64_t upto_id = order->watch.upto_id;

	ck_assert_int_eq(order->result, ORDER_OK);
	ck_assert(order->watch.is_on && !order->watch.is_over);
	order_free(&order);
	return upto_id;
}

static void
expect_told(const struct hall *hall, const enum job_status *states, int count)
{
	ck_assert_int_eq(hall->count, count);
	for (int i = 0; i < count; i++) {
		ck_assert_msg(hall->states[i] == states[i], "event %d: %s", i,
		    job_status_name(hall->states[i]));
		ck_assert(i == 0 || hall->marks[i].id > hall->marks[i - 1].id);
	}
}

START_TEST(a_watcher_is_told_of_every_state_in_order)
{
	static const enum job_status expected[] = { JOB_QUEUED, JOB_RUNNING,
		JOB_QUEUED, JOB_RUNNING, JOB_SUCCEEDED };
	struct hall hall;
	struct uuid job;

	open_world();
	open_hall(&hall);
	(void)watch_on(&hall, &(struct question){ .queue = "work" });
	job = submit_plain();
	end_run_with(job, &BUSY);
	let_time_pass(SECOND_MS);
	end_run_with(job, &WELL);
	expect_told(&hall, expected, 5);
	ck_assert_int_eq(hall.jobs[4], job.seq);
	ck_assert_int_eq(atomic_load(&hall.room.untold), 0);
}
END_TEST

START_TEST(a_delivery_is_no_event_of_the_job)
{
	static const enum job_status expected[] = { JOB_QUEUED, JOB_RUNNING,
		JOB_SUCCEEDED };
	struct hall hall;
	struct uuid job;

	open_world();
	open_hall(&hall);
	(void)watch_on(&hall, &(struct question){ .queue = NULL });
	job = submit(&(struct wish){ .callback = "http://a.example/" });
	end_run_with(job, &WELL);
	end_post_with(job, &NOT_NOW);
	let_time_pass(5 * SECOND_MS);
	end_post_with(job, &THANKS);
	ck_assert_int_eq(redeliver(delivery_of(job)), ORDER_OK);
	end_post_with(job, &THANKS);
	expect_told(&hall, expected, 3);
}
END_TEST

START_TEST(a_watcher_of_one_job_sees_it_as_it_is_and_then_what_comes)
{
	static const enum job_status expected[] = { JOB_SUCCEEDED };
	struct hall hall;
	struct uuid job;
	struct order *order;

	open_world();
	open_hall(&hall);
	job = submit_plain();
	order = watch(&hall, &(struct question){ .job = job });
	ck_assert_int_eq(order->listed_count, 1);
	ck_assert_int_eq(order->listed[0].job.status, JOB_RUNNING);
	ck_assert(order->watch.is_on);
	order_free(&order);
	(void)submit_plain();
	end_run_with(job, &WELL);
	expect_told(&hall, expected, 1);
	order = watch(&hall, &(struct question){ .job = job });
	ck_assert_int_eq(order->listed_count, 1);
	ck_assert_int_eq(order->listed[0].job.status, JOB_SUCCEEDED);
	ck_assert(order->watch.is_over && !order->watch.is_on);
	order_free(&order);
}
END_TEST

START_TEST(of_an_ended_job_nothing_comes_after_its_end)
{
	struct hall hall;
	struct uuid job;
	struct order *order;
	struct question question = { .queue = NULL };

	open_world();
	open_hall(&hall);
	(void)watch_on(&hall, &question);
	job = submit_plain();
	end_run_with(job, &BAD);
	question = (struct question){ .job = job,
		.after_id = hall.marks[hall.count - 1].id };
	order = watch(&hall, &question);
	ck_assert_int_eq(order->listed_count, 0);
	ck_assert(order->watch.is_over);
	order_free(&order);
}
END_TEST

/* Everything later than that event, share by share. */
static void
expect_replay(struct hall *hall, const struct question *question, int from,
    int count)
{
	struct question next = *question;
	bool is_whole = false;
	int at = from;

	while (!is_whole) {
		struct order *order = watch(hall, &next);

		ck_assert_int_eq(order->result, ORDER_OK);
		ck_assert(!order->watch.has_gap);
		for (int i = 0; i < order->listed_count; i++, at++) {
			const struct listed *row = &order->listed[i];

			ck_assert_int_lt(at, count);
			ck_assert_int_eq(row->mark.id, hall->marks[at].id);
			ck_assert_uint_eq(row->mark.version,
			    hall->marks[at].version);
			ck_assert_int_eq(row->job.status, hall->states[at]);
			ck_assert_int_eq(row->job.id.seq, hall->jobs[at]);
		}
		next.after_id = order->watch.upto_id;
		is_whole = order->watch.is_on;
		if (is_whole)
			ledger_unwatch(world_ledger(), &hall->room, 0, "", "",
			    order->watch.upto_id);
		order_free(&order);
	}
	ck_assert_int_eq(at, count);
}

START_TEST(who_comes_back_is_shown_what_came_later_and_only_that)
{
	struct hall hall;
	struct hall back;
	int64_t begun;

	open_world();
	open_hall(&hall);
	open_hall(&back);
	begun = watch_on(&hall, &(struct question){ .queue = NULL });
	for (int i = 0; i < 20; i++) {
		(void)submit_plain();
		(void)submit(&(struct wish){ .queue = "other" });
	}
	end_all_runs_with(&WELL);
	ck_assert_int_eq(hall.count, 120);
	back = hall;
	back.room.arg = &back;
	expect_replay(&back, &(struct question){ .after_id = begun }, 0, 120);
	for (int i = 0; i < 120; i++)
		expect_replay(&back,
		    &(struct question){ .after_id = hall.marks[i].id }, i + 1,
		    120);
	settle();
	(void)submit_plain();
	ck_assert_int_eq(hall.count, 122);
	ck_assert_int_eq(back.count, 120); /* nobody is left there */
}
END_TEST

START_TEST(what_comes_between_the_answer_and_the_first_notice_is_not_lost)
{
	struct hall hall;
	struct order *order = NULL;
	struct order *question;
	int ticket;
	struct uuid job;

	open_world();
	open_hall(&hall);
	question = new_order(ORDER_WATCH);
	question->watch.after_id = -1;
	question->watch.room = &hall.room;
	ask_later(question, &order);
	ticket = send_wish(&(struct wish){ .queue = "work" });
	take_one_turn();
	ck_assert_ptr_nonnull(order);
	ck_assert_int_eq(answer_to(ticket, &job), TAKEN);
	/* The turn's reads come behind its writes. */
	ck_assert_int_eq(hall.count, 0);
	end_run_with(job, &WELL);
	ck_assert_int_eq(hall.count, 1);
	ck_assert_int_gt(hall.marks[0].id, order->watch.upto_id);
	order_free(&order);
}
END_TEST

START_TEST(clients_see_their_own_jobs_only)
{
	struct hall hall;
	struct uuid job;
	struct order *order;
	struct question question = { .client = "acme", .after_id = 1 };

	open_world();
	open_hall(&hall);
	job = submit(&(struct wish){ .client = "other" });
	(void)submit(&(struct wish){ .client = "acme", .queue = "other" });
	order = watch(&hall,
	    &(struct question){ .client = "acme", .job = job });
	ck_assert_int_eq(order->result, ORDER_MISSING);
	order_free(&order);
	order = watch(&hall, &question);
	ck_assert_int_eq(order->listed_count, 2);
	ck_assert_str_eq(order->listed[0].job.client, "acme");
	order_free(&order);
	end_run_with(job, &WELL);
	ck_assert_int_eq(hall.count, 0);
	end_all_runs_with(&WELL);
	ck_assert_int_eq(hall.count, 1);
}
END_TEST

START_TEST(an_unknown_job_is_missing)
{
	struct hall hall;
	struct order *order;
	struct uuid id = { 12345, 1 };

	open_world();
	open_hall(&hall);
	order = watch(&hall, &(struct question){ .job = id });
	ck_assert_int_eq(order->result, ORDER_MISSING);
	ck_assert(!order->watch.is_on);
	order_free(&order);
}
END_TEST

START_TEST(after_a_restart_a_job_is_shown_unless_it_is_as_it_was)
{
	struct hall hall;
	struct uuid waiting, ended;
	struct question question;
	struct order *order;

	use_file_store();
	open_world();
	open_hall(&hall);
	(void)watch_on(&hall, &(struct question){ .queue = NULL });
	ended = submit_plain();
	end_run_with(ended, &WELL);
	waiting = submit(&(struct wish){ .delay_ms = HOUR_MS });
	ck_assert_int_eq(hall.count, 4);
	let_time_pass(SECOND_MS);
	reopen_world();
	for (int i = 1; i < 4; i++) { /* running, succeeded; queued */
		question = (struct question){ .job = i < 3 ? ended : waiting,
			.after_id = hall.marks[i].id,
			.after_version = hall.marks[i].version };
		order = watch(&hall, &question);
		ck_assert(order->watch.has_gap);
		ck_assert_int_eq(order->listed_count, i == 1);
		ck_assert_int_eq(order->watch.is_over, i < 3);
		order_free(&order);
	}
	order = watch(&hall,
	    &(struct question){ .after_id = hall.marks[0].id });
	ck_assert(order->watch.has_gap && order->watch.is_on);
	order_free(&order);
}
END_TEST

START_TEST(a_revived_job_can_be_watched_again)
{
	static const enum job_status expected[] = { JOB_FAILED, JOB_SUCCEEDED };
	struct hall hall;
	struct uuid job;
	struct order *order;
	int64_t first;

	open_world();
	open_hall(&hall);
	job = submit_plain();
	first = watch_on(&hall, &(struct question){ .job = job });
	end_run_with(job, &BAD);
	order = new_order(ORDER_RETRY);
	order->job.id = job;
	order = ask(order);
	ck_assert_int_eq(order->result, ORDER_OK);
	order_free(&order);
	ck_assert_int_eq(hall.count, 1); /* that watch was over */
	(void)watch_on(&hall, &(struct question){ .job = job });
	/* The first watcher leaves late: it does not take the other along. */
	ledger_unwatch(world_ledger(), &hall.room, job.seq, "", "", first);
	end_run_with(job, &WELL);
	expect_told(&hall, expected, 2);
}
END_TEST

START_TEST(a_cancelled_job_is_an_event)
{
	static const enum job_status expected[] = { JOB_QUEUED, JOB_CANCELLED };
	struct hall hall;
	struct order *order;

	open_world();
	open_hall(&hall);
	(void)watch_on(&hall, &(struct question){ .queue = NULL });
	order = new_order(ORDER_CANCEL);
	order->job.id = submit(&(struct wish){ .delay_ms = HOUR_MS });
	order = ask(order);
	ck_assert_int_eq(order->result, ORDER_OK);
	order_free(&order);
	expect_told(&hall, expected, 2);
}
END_TEST

START_TEST(who_leaves_is_told_no_more)
{
	struct hall hall;
	int64_t at;

	open_world();
	open_hall(&hall);
	at = watch_on(&hall, &(struct question){ .queue = "work" });
	ck_assert_int_eq(watch_on(&hall, &(struct question){ .queue = "work" }),
	    at);
	ledger_unwatch(world_ledger(), &hall.room, 0, "", "work", at);
	(void)submit_plain();
	ck_assert_int_eq(hall.count, 2); /* the other one is still there */
	ledger_unwatch(world_ledger(), &hall.room, 0, "", "work", at);
	(void)submit_plain();
	ck_assert_int_eq(hall.count, 2);
}
END_TEST

START_TEST(a_loop_that_does_not_keep_up_is_cut)
{
	struct hall hall;
	int64_t at;
	int64_t again;

	open_world();
	open_hall(&hall);
	at = watch_on(&hall, &(struct question){ .queue = NULL });
	atomic_fetch_add(&hall.room.untold, 4096);
	(void)submit_plain();
	ck_assert_int_eq(hall.count, 0);
	ck_assert_int_eq(hall.cuts, 1);
	atomic_fetch_sub(&hall.room.untold, 4096);
	again = watch_on(&hall, &(struct question){ .after_id = at });
	ledger_unwatch(world_ledger(), &hall.room, 0, "", "", at);
	(void)submit_plain();
	ck_assert_int_eq(hall.count, 2);
	ck_assert_int_gt(hall.marks[0].id, again);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("scenario_watches");
	TCase *cases = cases_of(suite, "watches");

	tcase_add_test(cases, a_watcher_is_told_of_every_state_in_order);
	tcase_add_test(cases, a_delivery_is_no_event_of_the_job);
	tcase_add_test(cases,
	    a_watcher_of_one_job_sees_it_as_it_is_and_then_what_comes);
	tcase_add_test(cases, of_an_ended_job_nothing_comes_after_its_end);
	tcase_add_test(cases,
	    who_comes_back_is_shown_what_came_later_and_only_that);
	tcase_add_test(cases,
	    what_comes_between_the_answer_and_the_first_notice_is_not_lost);
	tcase_add_test(cases, clients_see_their_own_jobs_only);
	tcase_add_test(cases, an_unknown_job_is_missing);
	tcase_add_test(cases,
	    after_a_restart_a_job_is_shown_unless_it_is_as_it_was);
	tcase_add_test(cases, a_revived_job_can_be_watched_again);
	tcase_add_test(cases, a_cancelled_job_is_an_event);
	tcase_add_test(cases, who_leaves_is_told_no_more);
	tcase_add_test(cases, a_loop_that_does_not_keep_up_is_cut);
	return run_suite(suite);
}
