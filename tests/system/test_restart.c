/* test_restart.c - kill -9, SIGTERM and starting again: nothing is lost.
 *
 * Contract, section 8.
 */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"

static void
expect_all(struct world *world, char ids[][ID_SIZE], int count,
    const char *status, const char *callback)
{
	struct reply reply;

	for (int i = 0; i < count; i++) {
		job_wait(world, ids[i], status, &reply);
		reply_clear(&reply);
		if (callback == NULL)
			continue;
		callback_wait(world, ids[i], callback, &reply);
		reply_clear(&reply);
	}
}

START_TEST(after_kill_9_queued_running_and_undelivered_jobs_go_on)
{
	struct setup setup = { .callback = LOOPBACK_ALLOWED
		"schedule = {\"400ms\", \"400ms\", \"400ms\"}\n" };
	struct world world;
	struct reply reply;
	char queued[4][ID_SIZE], running[4][ID_SIZE], undelivered[4][ID_SIZE];

	world_open(&world, &setup);
	for (int i = 0; i < 4; i++) {
		submit(&world, "/mill/echo?delay_ms=1200",
		    callback_to(&world, "/ok?running"), "x", running[i]);
		submit(&world, "/mill/echo",
		    callback_to(&world, "/fail-times?n=2"), "x",
		    undelivered[i]);
		submit(&world, "/mill/echo", "Job-Delay: 1s\r\n", "x",
		    queued[i]);
	}
	for (int i = 0; i < 4; i++) {
		job_wait(&world, running[i], "running", &reply);
		reply_clear(&reply);
		callback_wait_attempts(&world, undelivered[i], 1, &reply);
		reply_clear(&reply);
	}
	daemon_kill(&world);
	daemon_start(&world);
	expect_all(&world, queued, 4, "succeeded", NULL);
	expect_all(&world, undelivered, 4, "succeeded", "delivered");
	expect_all(&world, running, 4, "succeeded", "delivered");
	job_get(&world, running[0], &reply);
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 2);
	reply_clear(&reply);
	job_get(&world, undelivered[0], &reply);
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 1);
	ck_assert_int_ge(
	    look_at(reply_json(&reply), "callback.attempts")->count, 3);
	reply_clear(&reply);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(a_last_attempt_that_kill_9_cut_is_told_as_interrupted)
{
	struct setup setup = { .queue = "attempts = 1\n" };
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &setup);
	submit(&world, "/mill/hang", callback_to(&world, "/ok"), "x", id);
	wait_until(peer_seen(&world.upstream, "/hang") == 1);
	daemon_kill(&world);
	daemon_start(&world);
	callback_wait(&world, id, "delivered", &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "status"), "failed");
	ck_assert_str_eq(look_text(reply_json(&reply), "error.type"),
	    "interrupted");
	reply_clear(&reply);
	ck_assert_int_eq(peer_seen(&world.upstream, "/hang"), 1);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

/* Submits until the daemon is gone; how many were acknowledged. */
static int
submit_until_dead(struct world *world, char ids[][ID_SIZE], int most)
{
	struct client client;
	struct reply reply;
	int count = 0;

	client_open(&client, world->api);
	while (count < most) {
		char head[256];
		int len = snprintf(head, sizeof(head),
		    "POST /mill/ok HTTP/1.1\r\nHost: g\r\n%s"
		    "Content-Length: 0\r\n\r\n",
		    callback_to(world, "/ok"));

		if (count == most / 2)
			process_signal(&world->daemon, SIGKILL);
		if (!client_try_send(&client, head, (size_t)len) ||
		    !client_read(&client, false, &reply))
			break;
		accepted_id(&reply, ids[count++]);
		reply_clear(&reply);
	}
	client_close(&client);
	return count;
}

START_TEST(what_was_acknowledged_before_kill_9_is_run_and_told)
{
	static char ids[400][ID_SIZE];
	struct world world;
	int count;

	world_open(&world, NULL);
	for (int round = 0; round < 3; round++) {
		count = submit_until_dead(&world, ids, 400);
		ck_assert_int_ge(count, 200);
		ck_assert_int_eq(process_wait(&world.daemon, SOON_MS),
		    1000 + SIGKILL);
		daemon_start(&world);
		expect_all(&world, ids, count, "succeeded", "delivered");
	}
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(what_was_delivered_before_a_restart_is_not_delivered_again)
{
	struct world world;
	struct reply reply;
	char ids[10][ID_SIZE], last[ID_SIZE];

	world_open(&world, NULL);
	for (int i = 0; i < 10; i++)
		submit(&world, "/mill/ok", callback_to(&world, "/ok"), "x",
		    ids[i]);
	expect_all(&world, ids, 10, "succeeded", "delivered");
	for (int i = 0; i < 2; i++) {
		if (i == 0)
			daemon_kill(&world);
		else
			daemon_stop(&world);
		daemon_start(&world);
		submit(&world, "/mill/ok", callback_to(&world, "/ok"), "x",
		    last);
		callback_wait(&world, last, "delivered", &reply);
		reply_clear(&reply);
	}
	ck_assert_int_eq(peer_seen(&world.receiver, "/ok"), 12);
	ck_assert_int_eq(peer_seen(&world.upstream, "/ok"), 12);
	expect_all(&world, ids, 10, "succeeded", "delivered");
	world_close(&world);
}
END_TEST

START_TEST(sigterm_lets_runs_and_deliveries_in_flight_end)
{
	struct world world;
	struct reply reply;
	char run[ID_SIZE], told[ID_SIZE];

	world_open(&world, NULL);
	submit(&world, "/mill/ok?delay_ms=900", "", "x", run);
	submit(&world, "/mill/ok", callback_to(&world, "/ok?delay_ms=900"), "x",
	    told);
	wait_until(peer_count(&world.receiver, "now") == 1 &&
	    peer_count(&world.upstream, "now") == 1);
	daemon_stop(&world);
	daemon_start(&world);
	job_get(&world, run, &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "status"), "succeeded");
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 1);
	reply_clear(&reply);
	job_get(&world, told, &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "callback.state"),
	    "delivered");
	reply_clear(&reply);
	ck_assert_int_eq(peer_seen(&world.receiver, "/ok"), 1);
	world_close(&world);
}
END_TEST

START_TEST(sigterm_waits_no_longer_than_drain_timeout)
{
	struct setup setup = { .top = "drain_timeout = \"300ms\"\n",
		.queue = "attempts = 5\n timeout = \"1h\"\n" };
	struct world world;
	struct reply reply;
	char run[ID_SIZE], told[ID_SIZE];
	int64_t began;

	world_open(&world, &setup);
	submit(&world, "/mill/hang", "", "x", run);
	submit(&world, "/mill/ok", callback_to(&world, "/hang"), "x", told);
	wait_until(peer_count(&world.receiver, "now") == 1 &&
	    peer_count(&world.upstream, "now") == 1);
	began = now_mono_ms();
	daemon_stop(&world);
	ck_assert_int_le(now_mono_ms() - began, patient_ms(5000));
	/* What was cut off goes on. */
	daemon_start(&world);
	wait_until(peer_seen(&world.receiver, "/hang") == 2);
	wait_until(peer_seen(&world.upstream, "/hang") == 2);
	job_get(&world, told, &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "callback.state"),
	    "pending");
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

#define MANY 150

START_TEST(sigterm_with_hundreds_of_everything_open_loses_nothing)
{
	static char runs[MANY][ID_SIZE], calls[MANY][ID_SIZE];
	static struct client idle[MANY];
	struct setup setup = { .queue = "concurrency = 200\n capacity = 1000\n",
		.callback = LOOPBACK_ALLOWED "per_host_concurrency = 200\n"
					     " schedule = {\"50ms\"}\n" };
	struct world world;
	struct reply reply;
	char target[ID_SIZE + 16];

	world_open(&world, &setup);
	for (int i = 0; i < MANY; i++) {
		submit(&world, "/mill/echo",
		    callback_to(&world, "/ok?delay_ms=1500"), "x", calls[i]);
		submit(&world, "/mill/echo?delay_ms=1500",
		    callback_to(&world, "/ok"), "x", runs[i]);
	}
	for (int i = 0; i < MANY; i++) {
		client_open(&idle[i], world.api);
		snprintf(target, sizeof(target), "/v1/jobs/%.36s", runs[i]);
		client_ask(&idle[i], "GET", target, "", NULL, &reply);
		reply_clear(&reply);
		/* Every third has half a request under way. */
		if (i % 3 == 0)
			client_send(&idle[i], "GET /v1/jobs HTTP/1.1\r\nHo",
			    25);
	}
	daemon_stop(&world);
	for (int i = 0; i < MANY; i++)
		client_close(&idle[i]);
	daemon_start(&world);
	expect_all(&world, runs, MANY, "succeeded", "delivered");
	expect_all(&world, calls, MANY, "succeeded", "delivered");
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(a_draining_daemon_says_so_on_kept_connections)
{
	struct world world;
	struct client clients[2];
	struct reply reply;
	char id[ID_SIZE], after[ID_SIZE] = "";

	world_open(&world, NULL);
	for (int i = 0; i < 2; i++) {
		client_open(&clients[i], world.api);
		client_ask(&clients[i], "GET", "/v1/jobs", "", NULL, &reply);
		ck_assert_int_eq(reply.status, 200);
		reply_clear(&reply);
	}
	submit(&world, "/mill/ok?delay_ms=2500", "", "x", id);
	wait_until(peer_count(&world.upstream, "now") == 1);
	process_signal(&world.daemon, SIGTERM);
	wait_until(file_says(world.daemon.err_path, "drain"));
	client_ask(&clients[0], "POST", "/mill/ok", "", "x", &reply);
	/* The signal may still be on its way to this loop. */
	if (reply.status == 202) {
		accepted_id(&reply, after);
		reply_clear(&reply);
		client_ask(&clients[1], "POST", "/mill/ok", "", "x", &reply);
	}
	expect_problem(&reply, 503, "draining");
	ck_assert_ptr_nonnull(reply_header(&reply, "Retry-After"));
	ck_assert(reply.is_closing);
	reply_clear(&reply);
	client_close(&clients[0]);
	client_close(&clients[1]);
	daemon_expect_clean_end(&world);
	daemon_start(&world);
	job_get(&world, id, &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "status"), "succeeded");
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_second_daemon_on_the_same_file_is_refused)
{
	struct world world;
	struct process second;
	const char *argv[] = { daemon_program(), "-c", NULL, NULL };
	char program[PATH_MAX];

	world_open(&world, NULL);
	ck_assert_ptr_nonnull(realpath(daemon_program(), program));
	argv[0] = program;
	argv[2] = world.conf_path;
	ck_assert_int_ne(process_run(&second, world.folder, "second", argv), 0);
	ck_assert_msg(file_says(second.err_path, "callbackd.db"),
	    "it does not say which file");
	log_expect_clean(second.err_path);
	job_lives(&world, "/mill/ok", "", "x", "succeeded");
	expect_books_balance(&world);
	/* Neither does it bar the way after a kill. */
	daemon_kill(&world);
	daemon_start(&world);
	job_lives(&world, "/mill/ok", "", "x", "succeeded");
	world_close(&world);
}
END_TEST

START_TEST(a_file_that_is_no_store_is_refused_and_left_alone)
{
	static const char text[] = "a letter to somebody, not a database\n";
	struct world world;
	struct process process;
	char program[PATH_MAX], path[PATH_SIZE + 32];
	const char *argv[] = { program, "-c", NULL, NULL };
	char *after;

	world_prepare(&world, NULL);
	argv[2] = world.conf_path;
	ck_assert_ptr_nonnull(realpath(daemon_program(), program));
	snprintf(path, sizeof(path), "%s/callbackd.db", world.folder);
	file_write(path, text, 0600);
	ck_assert_int_ne(process_run(&process, world.folder, "run", argv), 0);
	ck_assert(file_says(process.err_path, "callbackd.db"));
	log_expect_clean(process.err_path);
	after = file_text(path, NULL);
	ck_assert_str_eq(after, text);
	free(after);
	world_close(&world);
}
END_TEST

START_TEST(a_job_keeps_its_document_and_result_over_restarts)
{
	struct world world;
	struct reply before, after;
	char id[ID_SIZE];

	world_open(&world, NULL);
	submit(&world, "/mill/echo", callback_to(&world, "/ok"), "kept", id);
	callback_wait(&world, id, "delivered", &before);
	daemon_stop(&world);
	daemon_start(&world);
	job_get(&world, id, &after);
	ck_assert_str_eq(after.body, before.body);
	ck_assert_str_eq(reply_header(&after, "ETag"),
	    reply_header(&before, "ETag"));
	reply_clear(&after);
	result_get(&world, id, &after);
	ck_assert_str_eq(after.body, "kept");
	reply_clear(&after);
	reply_clear(&before);
	world_close(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		after_kill_9_queued_running_and_undelivered_jobs_go_on,
		a_last_attempt_that_kill_9_cut_is_told_as_interrupted,
		what_was_acknowledged_before_kill_9_is_run_and_told,
		what_was_delivered_before_a_restart_is_not_delivered_again,
		sigterm_lets_runs_and_deliveries_in_flight_end,
		sigterm_waits_no_longer_than_drain_timeout,
		sigterm_with_hundreds_of_everything_open_loses_nothing,
		a_draining_daemon_says_so_on_kept_connections,
		a_second_daemon_on_the_same_file_is_refused,
		a_file_that_is_no_store_is_refused_and_left_alone,
		a_job_keeps_its_document_and_result_over_restarts,
	};

	return HARNESS_RUN("restart", cases);
}
