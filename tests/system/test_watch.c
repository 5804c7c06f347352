/* test_watch.c - watching jobs: Server-Sent Events.
 *
 * Contract, section 3.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "callbackd/sign.h"
#include "stream.h"

#define LATER "Job-Delay: 1h\r\n"
#define SSE "Accept: text/event-stream\r\n"
#define QUICK_DRAIN "drain_timeout = \"60s\"\n"

static void
watch_job(struct stream *stream, struct world *world, const char *id,
    const char *last_id)
{
	char target[96];

	snprintf(target, sizeof(target), "/v1/jobs/%s/events", id);
	stream_open(stream, world, target, last_id);
}

/* ---- one job ---- */

START_TEST(a_job_is_shown_as_it_is_and_then_as_it_changes)
{
	struct world world;
	struct stream stream;
	char id[ID_SIZE];

	world_open(&world, NULL);
	submit(&world, "/mill/ok?delay_ms=300", "", "x", id);
	watch_job(&stream, &world, id, "");
	stream_expect(&stream, "job.running");
	stream_expect(&stream, "job.succeeded");
	stream_expect_end(&stream);
	stream_close(&stream);
	submit(&world, "/mill/ok", LATER, "x", id);
	watch_job(&stream, &world, id, "");
	stream_expect(&stream, "job.queued");
	cancel(&world, id);
	stream_expect(&stream, "job.cancelled");
	stream_expect_end(&stream);
	stream_close(&stream);
	world_close(&world);
}
END_TEST

START_TEST(the_callback_of_a_job_is_in_each_of_its_events)
{
	struct world world;
	struct stream stream;
	struct block block;
	char fields[256], id[ID_SIZE], status[16] = "";

	world_open(&world, NULL);
	snprintf(fields, sizeof(fields), "%s", callback_to(&world, "/ok"));
	submit(&world, "/mill/ok?delay_ms=300", fields, "x", id);
	watch_job(&stream, &world, id, "");
	while (stream_next(&stream, &block)) {
		const struct json_value *job = json_root(block.document);

		ck_assert_str_eq(look_text(job, "callback.state"), "pending");
		ck_assert_uint_eq(look_at(job, "callback.attempts")->count, 0);
		snprintf(status, sizeof(status), "%s",
		    look_text(job, "status"));
		block_clear(&block);
	}
	ck_assert_str_eq(status, "succeeded");
	stream_close(&stream);
	world_close(&world);
}
END_TEST

START_TEST(retries_are_events_and_a_failure_is_the_last)
{
	static const char *const then[] = { "job.running", "job.queued",
		"job.running", "job.queued", "job.running", "job.failed" };
	struct world world;
	struct stream stream;
	char id[ID_SIZE];

	world_open(&world, NULL);
	submit(&world, "/mill/status/503", "Job-Delay: 500ms\r\n", "x", id);
	watch_job(&stream, &world, id, "");
	stream_expect(&stream, "job.queued");
	for (size_t i = 0; i < sizeof(then) / sizeof(then[0]); i++)
		stream_expect(&stream, then[i]);
	stream_expect_end(&stream);
	stream_close(&stream);
	world_close(&world);
}
END_TEST

START_TEST(an_ended_job_is_one_event_and_for_who_has_seen_it_none)
{
	struct world world;
	struct stream stream;
	struct reply reply;
	char id[ID_SIZE];
	char last_id[64];

	world_open(&world, NULL);
	submit(&world, "/mill/ok", "", "x", id);
	job_wait(&world, id, "succeeded", &reply);
	reply_clear(&reply);
	watch_job(&stream, &world, id, "");
	stream_expect(&stream, "job.succeeded");
	stream_expect_end(&stream);
	memcpy(last_id, stream.last_id, sizeof(last_id));
	stream_close(&stream);
	watch_job(&stream, &world, id, last_id);
	stream_expect_end(&stream);
	stream_close(&stream);
	daemon_kill(&world);
	daemon_start(&world);
	watch_job(&stream, &world, id, last_id); /* nor after a crash */
	stream_expect_end(&stream);
	stream_close(&stream);
	watch_job(&stream, &world, id, "1");
	stream_expect(&stream, "job.succeeded");
	stream_expect_end(&stream);
	stream_close(&stream);
	world_close(&world);
}
END_TEST

START_TEST(a_waiting_job_is_not_shown_again_after_a_crash)
{
	struct world world;
	struct stream stream;
	char id[ID_SIZE];
	char last_id[64];

	world_open(&world, NULL);
	submit(&world, "/mill/ok", LATER, "x", id);
	watch_job(&stream, &world, id, "");
	stream_expect(&stream, "job.queued");
	memcpy(last_id, stream.last_id, sizeof(last_id));
	daemon_kill(&world);
	stream_close(&stream);
	daemon_start(&world);
	watch_job(&stream, &world, id, last_id);
	cancel(&world, id);
	stream_expect(&stream, "job.cancelled");
	stream_expect_end(&stream);
	stream_close(&stream);
	world_close(&world);
}
END_TEST

START_TEST(what_cannot_be_watched_is_refused)
{
	static const struct {
		const char *target, *fields;
		int status;
		const char *name;
	} rows[] = {
		{ "/v1/jobs/0198c5a0-0000-7000-8000-000000000000/events", SSE,
		    404, "not-found" },
		{ "/v1/jobs/1/events", SSE, 404, "not-found" },
		{ "/v1/events", "Accept: application/json\r\n", 406,
		    "not-acceptable" },
		{ "/v1/events", "Accept: text/html, text/plain;q=0.5\r\n", 406,
		    "not-acceptable" },
		{ "/v1/events", SSE "Last-Event-ID: x\r\n", 400,
		    "bad-request" },
		{ "/v1/events", SSE "Last-Event-ID: 1-2-3\r\n", 400,
		    "bad-request" },
		{ "/v1/events", SSE "Last-Event-ID: -1\r\n", 400,
		    "bad-request" },
		{ "/v1/events?queue=A%20B", SSE, 400, "bad-request" },
	};
	struct world world;
	struct reply reply;

	world_open(&world, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		api(&world, "GET", rows[i].target, rows[i].fields, NULL,
		    &reply);
		expect_problem(&reply, rows[i].status, rows[i].name);
		reply_clear(&reply);
	}
	api(&world, "POST", "/v1/events", SSE, "x", &reply);
	expect_problem(&reply, 405, "method-not-allowed");
	reply_clear(&reply);
	api(&world, "HEAD", "/v1/events", SSE, NULL, &reply);
	ck_assert_int_eq(reply.status, 200);
	reply_clear(&reply);
	api(&world, "HEAD", "/v1/events", "Accept: application/json\r\n" SSE,
	    NULL, &reply);
	ck_assert_int_eq(reply.status, 200);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_client_of_http_1_0_gets_the_stream_until_it_closes)
{
	struct world world;
	struct client client;
	char id[ID_SIZE];
	char text[8192];
	size_t len = 0;
	ssize_t got;

	world_open(&world, NULL);
	submit(&world, "/mill/ok?delay_ms=200", "", "x", id);
	client_open(&client, world.api);
	snprintf(text, sizeof(text), "GET /v1/jobs/%s/events HTTP/1.0\r\n\r\n",
	    id);
	client_send(&client, text, strlen(text));
	while (
	    (got = recv(client.fd, text + len, sizeof(text) - 1 - len, 0)) > 0)
		len += (size_t)got;
	ck_assert_int_eq(got, 0);
	text[len] = '\0';
	ck_assert_ptr_null(strstr(text, "chunked"));
	ck_assert_ptr_nonnull(strstr(text, "\nevent: job.running\n"));
	ck_assert_ptr_nonnull(strstr(text, "\nevent: job.succeeded\n"));
	client_close(&client);
	world_close(&world);
}
END_TEST

/* A consumer's word on a job that it holds. */
static void
say(struct world *world, const char *id, const char *verb, const char *token,
    const char *members)
{
	struct reply reply;
	char target[96];
	char body[160];

	snprintf(target, sizeof(target), "/v1/jobs/%s/%s", id, verb);
	snprintf(body, sizeof(body), "{\"lease_token\":\"%s\"%s}", token,
	    members);
	api(world, "POST", target, "Content-Type: application/json\r\n", body,
	    &reply);
	ck_assert_msg(reply.status < 300, "%s: %d %s", verb, reply.status,
	    reply.body);
	reply_clear(&reply);
}

START_TEST(the_progress_that_a_consumer_reports_is_an_event)
{
	struct setup setup = {
		.more =
		    "queue \"pull\" { path = \"/pull/\" executor = \"pull\" }\n"
	};
	struct world world;
	struct stream stream;
	struct block block;
	struct reply reply;
	char id[ID_SIZE];
	char token[64];

	world_open(&world, &setup);
	submit(&world, "/pull/x", "", "x", id);
	watch_job(&stream, &world, id, "");
	stream_expect(&stream, "job.queued");
	api(&world, "POST", "/v1/queues/pull/lease",
	    "Content-Type: application/json\r\n", "{}", &reply);
	ck_assert_int_eq(reply.status, 200);
	snprintf(token, sizeof(token), "%s",
	    look_text(reply_json(&reply), "jobs.0.lease_token"));
	reply_clear(&reply);
	stream_expect(&stream, "job.running");
	say(&world, id, "progress", token,
	    ",\"progress\":0.4,\"message\":\"well on its way\"");
	ck_assert(stream_next(&stream, &block));
	ck_assert_str_eq(block.event, "job.progress");
	ck_assert_ptr_nonnull(look_at(json_root(block.document), "progress"));
	ck_assert(!look_is_null(json_root(block.document), "progress"));
	ck_assert_ptr_null(look_at(json_root(block.document), "lease_token"));
	block_clear(&block);
	say(&world, id, "extend", token, ",\"lease\":60"); /* no event */
	say(&world, id, "complete", token, "");
	stream_expect(&stream, "job.succeeded");
	stream_expect_end(&stream);
	stream_close(&stream);
	world_close(&world);
}
END_TEST

/* ---- all jobs ---- */

START_TEST(all_jobs_of_a_queue_are_watched_in_order)
{
	static const char *const life[] = { "job.queued", "job.running",
		"job.succeeded" };
	struct setup setup = {
		.more =
		    "queue \"other\" { path = \"/other/\" upstream = \"%s/\" }\n"
	};
	struct world world;
	struct stream mill;
	struct stream all;
	char id[ID_SIZE];

	world_open(&world, &setup);
	stream_open(&mill, &world, "/v1/events?queue=mill", "");
	stream_open(&all, &world, "/v1/events", "");
	for (int i = 0; i < 3; i++) {
		job_lives(&world, "/other/ok", "", "x", "succeeded");
		submit(&world, "/mill/ok", "", "x", id);
		for (int j = 0; j < 6; j++)
			stream_expect(&all, life[j % 3]);
		for (int j = 0; j < 3; j++)
			stream_expect(&mill, life[j]);
	}
	stream_close(&mill);
	stream_reset(&all);
	world_close(&world);
}
END_TEST

#define KEY_OF_A "Authorization: Bearer key-of-a\r\n"
#define KEY_OF_B "Authorization: Bearer key-of-b\r\n"

START_TEST(clients_watch_their_own_jobs_only)
{
	struct setup setup = { .more = NULL };
	char hash[SHA256_HEX_SIZE];
	char more[512];
	struct world world;
	struct stream stream;
	struct reply reply;
	char target[96];
	char id[ID_SIZE];

	ck_assert(sha256_hex("key-of-a", 8, hash));
	snprintf(more, sizeof(more), "client \"a\" { key_sha256 = \"%s\" }\n",
	    hash);
	ck_assert(sha256_hex("key-of-b", 8, hash));
	snprintf(more + strlen(more), sizeof(more) - strlen(more),
	    "client \"b\" { key_sha256 = \"%s\" }\n", hash);
	setup.more = more;
	world_open(&world, &setup);
	submit(&world, "/mill/ok", KEY_OF_B LATER, "x", id);
	snprintf(target, sizeof(target), "/v1/jobs/%s/events", id);
	api(&world, "GET", target, SSE KEY_OF_A, NULL, &reply);
	expect_problem(&reply, 404, "not-found");
	reply_clear(&reply);
	api(&world, "GET", "/v1/events", SSE, NULL, &reply);
	expect_problem(&reply, 401, "unauthorized");
	reply_clear(&reply);
	stream_ask(&stream, world.api, "/v1/events", SSE KEY_OF_A);
	stream_begin(&stream);
	submit(&world, "/mill/ok", KEY_OF_B, "x", id);
	submit(&world, "/mill/ok", KEY_OF_A LATER, "x", id);
	submit(&world, "/mill/ok", KEY_OF_A LATER, "x", id);
	stream_expect(&stream, "job.queued");
	stream_expect(&stream, "job.queued");
	stream_close(&stream);
	world_close(&world);
}
END_TEST

/* ---- coming back ---- */

#define JOBS 200
#define EVENTS (JOBS * 3)
#define RECONNECTS 100

struct life {
	char id[ID_SIZE];
	int seen;
};

static void
expect_next_of_life(struct life *lives, const struct block *block)
{
	static const char *const states[] = { "job.queued", "job.running",
		"job.succeeded" };
	const char *id = look_text(json_root(block->document), "id");
	int i = 0;

	while (
	    i < JOBS && lives[i].id[0] != '\0' && strcmp(lives[i].id, id) != 0)
		i++;
	ck_assert_int_lt(i, JOBS);
	memcpy(lives[i].id, id, ID_SIZE);
	ck_assert_int_lt(lives[i].seen, 3);
	ck_assert_str_eq(block->event, states[lives[i].seen++]);
}

START_TEST(over_many_reconnects_nothing_is_lost_or_repeated)
{
	struct life *lives = calloc(JOBS, sizeof(*lives));
	struct world world;
	struct stream stream;
	struct block block;
	char id[ID_SIZE];
	char last_id[64];
	int64_t last = 0;
	int reconnects = 0;

	world_open(&world, NULL);
	stream_open(&stream, &world, "/v1/events", "");
	for (int events = 1; events <= EVENTS; events++) {
		if (events <= JOBS)
			submit(&world, "/mill/ok", "", "x", id);
		ck_assert(stream_next(&stream, &block));
		expect_next_of_life(lives, &block);
		ck_assert_int_gt(strtoll(block.id, NULL, 10), last);
		last = strtoll(block.id, NULL, 10);
		block_clear(&block);
		if (events % (EVENTS / RECONNECTS) != 0)
			continue;
		memcpy(last_id, stream.last_id, sizeof(last_id));
		stream_reset(&stream);
		stream_open(&stream, &world, "/v1/events", last_id);
		reconnects++;
	}
	ck_assert_int_eq(reconnects, RECONNECTS);
	for (int i = 0; i < JOBS; i++)
		ck_assert_int_eq(lives[i].seen, 3);
	stream_close(&stream);
	free(lives);
	world_close(&world);
}
END_TEST

START_TEST(a_stream_that_missed_too_much_says_so_and_goes_on)
{
	struct world world;
	struct stream stream;

	world_open(&world, NULL);
	job_lives(&world, "/mill/ok", "", "x", "succeeded");
	stream_open(&stream, &world, "/v1/events", "1");
	stream_expect(&stream, "job.queued"); /* the oldest there is */
	ck_assert_int_eq(stream.comments, 1);
	stream_expect(&stream, "job.running");
	stream_expect(&stream, "job.succeeded");
	job_lives(&world, "/mill/ok", "", "x", "succeeded");
	stream_expect(&stream, "job.queued");
	stream_close(&stream);
	world_close(&world);
}
END_TEST

/* ---- bad company ---- */

/* A document of about 6 KB. */
static void
submit_big(struct world *world, int count)
{
	static char target[6100];
	char id[ID_SIZE];

	memset(target, 'x', sizeof(target) - 1);
	memcpy(target, "/mill/ok?x=", strlen("/mill/ok?x="));
	for (int i = 0; i < count; i++)
		submit(world, target, "", "x", id);
}

static bool
connections_are(struct world *world, int count)
{
	return metric(world, "callbackd_connections") == count;
}

START_TEST(a_slow_reader_is_cut_and_can_come_back)
{
	struct world world;
	struct stream slow;
	struct stream quick;
	struct block block;
	char last_id[64];
	int seen = 0;
	int all = 0;
	int quiet;

	world_open(&world, NULL);
	stream_open(&slow, &world, "/v1/events", "");
	stream_open(&quick, &world, "/v1/events", "");
	quiet = (int)metric(&world, "callbackd_connections");
	while (!connections_are(&world, quiet - 1)) {
		submit_big(&world, 50);
		for (int i = 0; i < 150; i++, all++) {
			ck_assert(stream_next(&quick, &block));
			block_clear(&block);
		}
		ck_assert_int_lt(all, 30000);
	}
	while (stream_next(&slow, &block)) {
		block_clear(&block);
		seen++;
	}
	ck_assert(slow.is_cut);
	ck_assert_int_lt(seen, all);
	memcpy(last_id, slow.last_id, sizeof(last_id));
	stream_close(&slow);
	stream_open(&slow, &world, "/v1/events", last_id);
	for (; seen < all; seen++) {
		ck_assert(stream_next(&slow, &block));
		block_clear(&block);
	}
	ck_assert_str_eq(slow.last_id, quick.last_id);
	stream_close(&slow);
	stream_close(&quick);
	world_close(&world);
}
END_TEST

#define MANY 200

START_TEST(streams_end_in_good_order_when_the_daemon_stops)
{
	struct setup setup = { .top = QUICK_DRAIN };
	struct stream *streams = calloc(MANY, sizeof(*streams));
	struct world world;
	char id[ID_SIZE];
	int64_t begun_ms;

	world_open(&world, &setup);
	submit(&world, "/mill/ok", LATER, "x", id);
	for (int i = 0; i < MANY; i++) {
		if (i % 2 == 0) {
			watch_job(&streams[i], &world, id, "");
			stream_expect(&streams[i], "job.queued");
		} else {
			stream_open(&streams[i], &world, "/v1/events", "");
		}
	}
	begun_ms = now_mono_ms();
	daemon_stop(&world);
	ck_assert_int_lt(now_mono_ms() - begun_ms, patient_ms(10000));
	for (int i = 0; i < MANY; i++) {
		stream_expect_end(&streams[i]);
		stream_close(&streams[i]);
	}
	free(streams);
	daemon_start(&world);
	world_close(&world);
}
END_TEST

START_TEST(watchers_that_vanish_leave_nothing_behind)
{
	struct world world;
	struct stream stream;
	char id[ID_SIZE];
	char target[96];
	int quiet;

	world_open(&world, NULL);
	quiet = (int)metric(&world, "callbackd_connections");
	submit(&world, "/mill/ok", "Job-Delay: 2s\r\n", "x", id);
	snprintf(target, sizeof(target), "/v1/jobs/%s/events", id);
	for (int i = 0; i < MANY; i++) {
		stream_ask(&stream, world.api,
		    i % 3 == 0 ? "/v1/events" : target, SSE);
		if (i % 4 == 0) /* before the head has come */
			stream_reset(&stream);
		else {
			stream_begin(&stream);
			if (i % 4 == 1)
				stream_reset(&stream);
			else
				stream_close(&stream);
		}
	}
	wait_until(connections_are(&world, quiet));
	watch_job(&stream, &world, id, "");
	stream_expect(&stream, "job.queued");
	stream_expect(&stream, "job.running");
	stream_expect(&stream, "job.succeeded");
	stream_expect_end(&stream);
	stream_close(&stream);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		a_job_is_shown_as_it_is_and_then_as_it_changes,
		the_callback_of_a_job_is_in_each_of_its_events,
		retries_are_events_and_a_failure_is_the_last,
		an_ended_job_is_one_event_and_for_who_has_seen_it_none,
		a_waiting_job_is_not_shown_again_after_a_crash,
		what_cannot_be_watched_is_refused,
		a_client_of_http_1_0_gets_the_stream_until_it_closes,
		the_progress_that_a_consumer_reports_is_an_event,
		all_jobs_of_a_queue_are_watched_in_order,
		clients_watch_their_own_jobs_only,
		over_many_reconnects_nothing_is_lost_or_repeated,
		a_stream_that_missed_too_much_says_so_and_goes_on,
		a_slow_reader_is_cut_and_can_come_back,
		streams_end_in_good_order_when_the_daemon_stops,
		watchers_that_vanish_leave_nothing_behind,
	};

	return HARNESS_RUN("watch", cases);
}
