/* test_cancel.c - DELETE /v1/jobs/{id}: at once while it is queued, by dropping
 * the run while it runs, never again once it has ended.
 *
 * Contract, sections 3 and 5.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"

#define LATER "Job-Delay: 1h\r\n"
#define QUICK_DRAIN "drain_timeout = \"200ms\"\n"

/* It is cancelled for whoever asks, and stays so. */
static void
expect_cancelled(struct world *world, const char *id)
{
	struct reply reply;
	const struct json_value *job;

	job_get(world, id, &reply);
	ck_assert_int_eq(reply.status, 410);
	ck_assert_ptr_null(reply_header(&reply, "Retry-After"));
	job = reply_json(&reply);
	ck_assert_str_eq(look_text(job, "status"), "cancelled");
	ck_assert_str_eq(look_text(job, "error.type"), "cancelled");
	ck_assert(look_is_null(job, "response"));
	ck_assert(look_is_null(job, "position"));
	ck_assert(!look_is_null(job, "finished_at"));
	reply_clear(&reply);
	result_get(world, id, &reply);
	expect_problem(&reply, 410, "cancelled");
	ck_assert_str_eq(reply_header(&reply, "Job-Id"), id);
	ck_assert_str_eq(reply_header(&reply, "Job-Status"), "cancelled");
	reply_clear(&reply);
	try_cancel(world, id, &reply);
	expect_problem(&reply, 409, "conflict");
	reply_clear(&reply);
}

static int64_t
under_way(struct peer *peer)
{
	return peer_count(peer, "now");
}

/* ---- what can be cancelled ---- */

START_TEST(a_delayed_job_is_cancelled_at_once)
{
	struct world world;
	struct reply reply, later;
	char id[ID_SIZE];

	world_open(&world, NULL);
	submit(&world, "/mill/ok", LATER, "x", id);
	try_cancel(&world, id, &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply_header(&reply, "Content-Type"),
	    "application/json");
	job_get(&world, id, &later);
	ck_assert_str_eq(reply.body, later.body);
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 0);
	ck_assert(look_is_null(reply_json(&reply), "started_at"));
	reply_clear(&later);
	reply_clear(&reply);
	expect_cancelled(&world, id);
	ck_assert_int_eq(peer_seen(&world.upstream, "/ok"), 0);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(a_queued_job_is_cancelled_without_ever_running)
{
	struct setup setup = { .queue = "concurrency = 1\n" };
	struct world world;
	struct reply reply;
	char first[ID_SIZE], middle[ID_SIZE], last[ID_SIZE];

	world_open(&world, &setup);
	submit(&world, "/mill/hang", "", "x", first);
	submit(&world, "/mill/status/200?middle", "", "x", middle);
	submit(&world, "/mill/status/201?last", "", "x", last);
	cancel(&world, middle);
	job_get(&world, last, &reply);
	ck_assert_int_eq(look_int(reply_json(&reply), "position"), 1);
	reply_clear(&reply);
	cancel(&world, first);
	job_wait(&world, last, "succeeded", &reply);
	reply_clear(&reply);
	expect_cancelled(&world, middle);
	ck_assert_int_eq(peer_seen(&world.upstream, "/status/200"), 0);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(a_job_that_waits_for_another_try_gets_none)
{
	struct setup setup = {
		.queue = "attempts = 5\n"
			 " backoff { initial = \"1h\" max = \"1h\" }\n"
	};
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &setup);
	submit(&world, "/mill/status/503", "", "x", id);
	wait_until(peer_seen(&world.upstream, "/status/503") == 1);
	job_wait(&world, id, "queued", &reply);
	reply_clear(&reply);
	try_cancel(&world, id, &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 1);
	reply_clear(&reply);
	expect_cancelled(&world, id);
	ck_assert_double_eq(metric(&world,
				"callbackd_queue_places{queue=\"mill\"}"),
	    0);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

/* The upstream can tell: its connection is closed. */
START_TEST(the_run_of_a_running_job_is_dropped)
{
	static const char *const targets[] = { "/mill/hang",
		"/mill/drip?part=head&every_ms=50",
		"/mill/drip?every_ms=50&size=100000",
		"/mill/ok?delay_ms=600000" };
	struct setup setup = { .queue = "concurrency = 1\n" };
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &setup);
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		submit(&world, targets[i], "", "x", id);
		wait_until(under_way(&world.upstream) == 1);
		try_cancel(&world, id, &reply);
		ck_assert_msg(reply.status == 200, "%s: %d", targets[i],
		    reply.status);
		ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 1);
		reply_clear(&reply);
		wait_until(under_way(&world.upstream) == 0);
		expect_cancelled(&world, id);
	}
	/* The only slot is free again. */
	job_lives(&world, "/mill/echo", "", "x", "succeeded");
	wait_until(metric(&world, "callbackd_runs_under_way") == 0);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(the_next_job_runs_when_a_running_one_is_cancelled)
{
	struct setup setup = { .queue = "concurrency = 1\n" };
	struct world world;
	struct reply reply;
	char hanging[ID_SIZE], waiting[ID_SIZE];

	world_open(&world, &setup);
	submit(&world, "/mill/hang", "", "x", hanging);
	submit(&world, "/mill/ok", "", "x", waiting);
	wait_until(peer_seen(&world.upstream, "/hang") == 1);
	cancel(&world, hanging);
	job_wait(&world, waiting, "succeeded", &reply);
	reply_clear(&reply);
	expect_cancelled(&world, hanging);
	world_close(&world);
}
END_TEST

START_TEST(a_place_is_free_again_at_once)
{
	struct setup setup = { .top = QUICK_DRAIN,
		.queue = "capacity = 2\n attempts = 2\n" };
	struct world world;
	struct reply reply;
	char queued[ID_SIZE], running[ID_SIZE], id[ID_SIZE];

	world_open(&world, &setup);
	submit(&world, "/mill/ok", LATER, "x", queued);
	submit(&world, "/mill/hang", "", "x", running);
	try_submit(&world, "/mill/ok", LATER, "x", &reply);
	expect_problem(&reply, 503, "queue-full");
	reply_clear(&reply);
	cancel(&world, queued);
	submit(&world, "/mill/ok", LATER, "x", queued);
	try_submit(&world, "/mill/ok", LATER, "x", &reply);
	expect_problem(&reply, 503, "queue-full");
	reply_clear(&reply);
	cancel(&world, running);
	submit(&world, "/mill/ok", LATER, "x", id);
	try_submit(&world, "/mill/ok", LATER, "x", &reply);
	expect_problem(&reply, 503, "queue-full");
	reply_clear(&reply);
	cancel(&world, id);
	cancel(&world, queued);
	ck_assert_double_eq(metric(&world,
				"callbackd_queue_places{queue=\"mill\"}"),
	    0);
	ck_assert_double_eq(metric(&world,
				"callbackd_queue_place_bytes{queue=\"mill\"}"),
	    0);
	ck_assert_double_eq(metric(&world,
				"callbackd_queue_jobs{queue=\"mill\"}"),
	    0);
	world_close(&world);
}
END_TEST

START_TEST(cancelled_jobs_are_counted_and_listed_as_such)
{
	struct world world;
	struct reply reply;
	char ids[50][ID_SIZE];

	world_open(&world, NULL);
	for (int i = 0; i < 50; i++)
		submit(&world, "/mill/ok", LATER, "x", ids[i]);
	for (int i = 0; i < 50; i++)
		cancel(&world, ids[(i * 7) % 50]);
	api(&world, "GET", "/v1/jobs?status=cancelled", "", NULL, &reply);
	ck_assert_uint_eq(look_at(reply_json(&reply), "jobs")->count, 50);
	reply_clear(&reply);
	ck_assert_double_eq(metric(&world,
				"callbackd_jobs_ended_total{queue=\"mill\","
				"status=\"cancelled\"}"),
	    50);
	ck_assert_double_eq(metric(&world,
				"callbackd_queue_jobs{queue=\"mill\"}"),
	    0);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

/* ---- what cannot ---- */

START_TEST(a_job_that_has_ended_is_409)
{
	static const struct {
		const char *target;
		const char *status;
	} rows[] = {
		{ "/mill/ok", "succeeded" },
		{ "/mill/status/400", "failed" },
	};
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		submit(&world, rows[i].target, "", "x", id);
		job_wait(&world, id, rows[i].status, &reply);
		reply_clear(&reply);
		try_cancel(&world, id, &reply);
		expect_problem(&reply, 409, "conflict");
		reply_clear(&reply);
		job_wait(&world, id, rows[i].status, &reply);
		reply_clear(&reply);
	}
	world_close(&world);
}
END_TEST

START_TEST(what_is_not_known_is_404)
{
	static const char *const ids[] = {
		"0198c5a0-0000-7000-8000-000000000000",
		"ffffffff-ffff-7fff-bfff-ffffffffffff", "1", "-",
		"0198c5a0-0000-7000-8000-00000000000"
	};
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, NULL);
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		try_cancel(&world, ids[i], &reply);
		expect_problem(&reply, 404, "not-found");
		reply_clear(&reply);
	}
	/* The right moment and number, but not the id that was given out. */
	submit(&world, "/mill/ok", LATER, "x", id);
	id[35] = id[35] == '0' ? '1' : '0';
	try_cancel(&world, id, &reply);
	expect_problem(&reply, 404, "not-found");
	reply_clear(&reply);
	api(&world, "GET", "/v1/jobs?status=queued", "", NULL, &reply);
	ck_assert_uint_eq(look_at(reply_json(&reply), "jobs")->count, 1);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(other_methods_are_told_which_ones_there_are)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE], target[96];

	world_open(&world, NULL);
	submit(&world, "/mill/ok", LATER, "x", id);
	snprintf(target, sizeof(target), "/v1/jobs/%s", id);
	api(&world, "PUT", target, "", "", &reply);
	expect_problem(&reply, 405, "method-not-allowed");
	ck_assert_str_eq(reply_header(&reply, "Allow"), "GET, HEAD, DELETE");
	reply_clear(&reply);
	cancel(&world, id);
	world_close(&world);
}
END_TEST

/* ---- who hears of it ---- */

START_TEST(the_callback_of_a_cancelled_job_says_so)
{
	struct world world;
	struct reply reply;
	struct json_document *seen, *event;
	struct reason why;
	char queued[ID_SIZE], running[ID_SIZE];
	const char *ids[2] = { queued, running };
	static const char *const paths[] = { "/status/200", "/status/201" };

	world_open(&world, NULL);
	submit(&world, "/mill/ok",
	    callback_to(&world, "/status/200\r\nJob-Delay: 1h"), "x", queued);
	submit(&world, "/mill/hang", callback_to(&world, "/status/201"), "x",
	    running);
	wait_until(peer_seen(&world.upstream, "/hang") == 1);
	for (int i = 0; i < 2; i++) {
		cancel(&world, ids[i]);
		seen = peer_request(&world.receiver, paths[i], 0);
		ck_assert_str_eq(seen_field(seen, "Job-Status"), "cancelled");
		ck_assert_str_eq(seen_field(seen, "Job-Id"), ids[i]);
		event = json_parse(seen_text(seen, "body"),
		    strlen(seen_text(seen, "body")), &why);
		ck_assert_ptr_nonnull(event);
		ck_assert_str_eq(look_text(json_root(event), "type"),
		    "job.cancelled");
		ck_assert_str_eq(look_text(json_root(event), "data.status"),
		    "cancelled");
		ck_assert_str_eq(look_text(json_root(event), "data.error.type"),
		    "cancelled");
		json_document_free(&event);
		json_document_free(&seen);
		callback_wait(&world, ids[i], "delivered", &reply);
		reply_clear(&reply);
		ck_assert_int_eq(peer_seen(&world.receiver, paths[i]), 1);
	}
	world_close(&world);
}
END_TEST

START_TEST(who_did_not_ask_for_the_event_gets_none)
{
	struct world world;
	struct reply reply;
	char fields[256], id[ID_SIZE];

	world_open(&world, NULL);
	snprintf(fields, sizeof(fields),
	    "%sCallback-Events: succeeded, failed\r\n" LATER,
	    callback_to(&world, "/ok"));
	submit(&world, "/mill/ok", fields, "x", id);
	cancel(&world, id);
	job_get(&world, id, &reply);
	ck_assert(look_is_null(reply_json(&reply), "callback"));
	reply_clear(&reply);
	ck_assert_double_eq(metric(&world, "callbackd_deliveries_open"), 0);
	ck_assert_int_eq(peer_count(&world.receiver, "total"), 0);
	world_close(&world);
}
END_TEST

START_TEST(a_failure_url_is_not_for_cancelled_jobs)
{
	struct world world;
	struct reply reply;
	char fields[512], id[ID_SIZE];

	world_open(&world, NULL);
	snprintf(fields, sizeof(fields),
	    "%sCallback-Failure-URL: %s/status/200\r\n" LATER,
	    callback_to(&world, "/ok"), world.receiver.url);
	submit(&world, "/mill/ok", fields, "x", id);
	cancel(&world, id);
	callback_wait(&world, id, "delivered", &reply);
	reply_clear(&reply);
	ck_assert_int_eq(peer_seen(&world.receiver, "/ok"), 1);
	ck_assert_int_eq(peer_seen(&world.receiver, "/status/200"), 0);
	world_close(&world);
}
END_TEST

START_TEST(who_waits_for_the_job_hears_of_it_at_once)
{
	struct world world;
	struct client waiting, polling;
	struct reply reply;
	const char *id;
	char target[96];

	world_open(&world, NULL);
	client_open(&waiting, world.api);
	client_send_request(&waiting, "POST", "/mill/hang",
	    "Prefer: wait=14\r\n", "x", 1);
	wait_until(peer_seen(&world.upstream, "/hang") == 1);
	api(&world, "GET", "/v1/jobs", "", NULL, &reply);
	id = look_text(reply_json(&reply), "jobs.0.id");
	snprintf(target, sizeof(target), "/v1/jobs/%s?wait=14", id);
	client_open(&polling, world.api);
	client_send_request(&polling, "GET", target, "", "", -1);
	cancel(&world, id);
	reply_clear(&reply);
	ck_assert(client_read(&waiting, false, &reply));
	expect_problem(&reply, 410, "cancelled");
	ck_assert_str_eq(reply_header(&reply, "Job-Status"), "cancelled");
	ck_assert_str_eq(reply_header(&reply, "Preference-Applied"), "wait=14");
	ck_assert_int_lt(reply.took_ms, 14000);
	reply_clear(&reply);
	ck_assert(client_read(&polling, false, &reply));
	ck_assert_int_eq(reply.status, 410);
	ck_assert_int_lt(reply.took_ms, 14000);
	reply_clear(&reply);
	client_close(&waiting);
	client_close(&polling);
	world_close(&world);
}
END_TEST

START_TEST(a_replay_of_a_cancelled_job_shows_it_and_runs_nothing)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, NULL);
	submit(&world, "/mill/ok", LATER "Idempotency-Key: k\r\n", "x", id);
	cancel(&world, id);
	try_submit(&world, "/mill/ok", LATER "Idempotency-Key: k\r\n", "x",
	    &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply_header(&reply, "Idempotent-Replayed"), "true");
	ck_assert_str_eq(reply_header(&reply, "Job-Id"), id);
	ck_assert_str_eq(look_text(reply_json(&reply), "status"), "cancelled");
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

/* ---- at the same time as everything else ---- */

#define RACES 50

/* The upstream answers about when the cancel comes. Whoever was first, there is
 * one end, one event, and it stays so. */
static bool
race(struct world *world, int round)
{
	struct reply reply;
	char target[96], path[32], id[ID_SIZE];
	const char *status;
	bool cancelled;

	snprintf(path, sizeof(path), "/status/%d", 200 + round);
	snprintf(target, sizeof(target), "/mill/echo?delay_ms=%d", round % 10);
	submit(world, target, callback_to(world, path), "x", id);
	for (int64_t until_ms = now_mono_ms() + round % 12;
	     now_mono_ms() < until_ms;)
		continue;
	try_cancel(world, id, &reply);
	cancelled = reply.status == 200;
	if (!cancelled)
		expect_problem(&reply, 409, "conflict");
	reply_clear(&reply);
	callback_wait(world, id, "delivered", &reply);
	status = cancelled ? "cancelled" : "succeeded";
	ck_assert_str_eq(look_text(reply_json(&reply), "status"), status);
	ck_assert_int_eq(reply.status, cancelled ? 410 : 200);
	reply_clear(&reply);
	result_get(world, id, &reply);
	ck_assert_int_eq(reply.status, cancelled ? 410 : 200);
	ck_assert_str_eq(reply_header(&reply, "Job-Status"), status);
	reply_clear(&reply);
	return cancelled;
}

START_TEST(a_cancel_that_races_with_the_end_has_one_outcome)
{
	struct world world;
	char path[32];
	int cancelled = 0;

	world_open(&world, NULL);
	for (int i = 0; i < RACES; i++)
		cancelled += race(&world, i);
	wait_until(metric(&world, "callbackd_runs_under_way") == 0);
	wait_until(metric(&world, "callbackd_deliveries_open") == 0);
	for (int i = 0; i < RACES; i++) {
		snprintf(path, sizeof(path), "/status/%d", 200 + i);
		ck_assert_int_eq(peer_seen(&world.receiver, path), 1);
	}
	ck_assert_int_le(peer_seen(&world.upstream, "/echo"), RACES);
	ck_assert_double_eq(metric(&world,
				"callbackd_jobs_ended_total{queue=\"mill\","
				"status=\"cancelled\"}"),
	    cancelled);
	ck_assert_double_eq(metric(&world,
				"callbackd_jobs_ended_total{queue=\"mill\","
				"status=\"succeeded\"}"),
	    RACES - cancelled);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

/* Of many who cancel one job at the same time, one does it. */
START_TEST(a_job_is_cancelled_once_however_many_try)
{
	struct world world;
	struct client clients[20];
	struct reply reply;
	char id[ID_SIZE], target[96];
	int done = 0;

	world_open(&world, NULL);
	submit(&world, "/mill/hang", callback_to(&world, "/ok"), "x", id);
	wait_until(peer_seen(&world.upstream, "/hang") == 1);
	snprintf(target, sizeof(target), "/v1/jobs/%s", id);
	for (int i = 0; i < 20; i++)
		client_open(&clients[i], world.api);
	for (int i = 0; i < 20; i++)
		client_send_request(&clients[i], "DELETE", target, "", "", -1);
	for (int i = 0; i < 20; i++) {
		ck_assert(client_read(&clients[i], false, &reply));
		done += reply.status == 200;
		if (reply.status != 200)
			expect_problem(&reply, 409, "conflict");
		reply_clear(&reply);
		client_close(&clients[i]);
	}
	ck_assert_int_eq(done, 1);
	callback_wait(&world, id, "delivered", &reply);
	reply_clear(&reply);
	ck_assert_int_eq(peer_seen(&world.receiver, "/ok"), 1);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

/* ---- ends of the daemon ---- */

START_TEST(what_was_cancelled_stays_so_after_kill_9)
{
	struct world world;
	struct reply reply;
	char queued[ID_SIZE], running[ID_SIZE];

	world_open(&world, NULL);
	submit(&world, "/mill/ok", "Job-Delay: 1s\r\n", "x", queued);
	submit(&world, "/mill/hang", callback_to(&world, "/ok"), "x", running);
	wait_until(peer_seen(&world.upstream, "/hang") == 1);
	cancel(&world, queued);
	cancel(&world, running);
	daemon_kill(&world);
	daemon_start(&world);
	expect_cancelled(&world, queued);
	expect_cancelled(&world, running);
	callback_wait(&world, running, "delivered", &reply);
	reply_clear(&reply);
	/* One that would have come later has come: the others never will. */
	job_lives(&world, "/mill/echo", "Job-Delay: 1s\r\n", "x", "succeeded");
	ck_assert_int_eq(peer_seen(&world.upstream, "/ok"), 0);
	ck_assert_int_eq(peer_seen(&world.upstream, "/hang"), 1);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(a_cancelled_run_does_not_hold_up_the_end)
{
	struct setup setup = { .top = "drain_timeout = \"10m\"\n" };
	struct world world;
	char id[ID_SIZE];

	world_open(&world, &setup);
	submit(&world, "/mill/hang", "", "x", id);
	wait_until(peer_seen(&world.upstream, "/hang") == 1);
	cancel(&world, id);
	daemon_stop(&world);
	world_close(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		a_delayed_job_is_cancelled_at_once,
		a_queued_job_is_cancelled_without_ever_running,
		a_job_that_waits_for_another_try_gets_none,
		the_run_of_a_running_job_is_dropped,
		the_next_job_runs_when_a_running_one_is_cancelled,
		a_place_is_free_again_at_once,
		cancelled_jobs_are_counted_and_listed_as_such,
		a_job_that_has_ended_is_409,
		what_is_not_known_is_404,
		other_methods_are_told_which_ones_there_are,
		the_callback_of_a_cancelled_job_says_so,
		who_did_not_ask_for_the_event_gets_none,
		a_failure_url_is_not_for_cancelled_jobs,
		who_waits_for_the_job_hears_of_it_at_once,
		a_replay_of_a_cancelled_job_shows_it_and_runs_nothing,
		a_cancel_that_races_with_the_end_has_one_outcome,
		a_job_is_cancelled_once_however_many_try,
		what_was_cancelled_stays_so_after_kill_9,
		a_cancelled_run_does_not_hold_up_the_end,
	};

	return HARNESS_RUN("cancel", cases);
}
