/* test_wait.c - answers that are held back: Prefer: wait=N for the end of a job
 * that was just submitted, and ?wait=N for a change of any job.
 *
 * Contract, sections 2 and 3.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "jobs.h"

#define LATER "Job-Delay: 1h\r\n"
#define QUICK_DRAIN "drain_timeout = \"200ms\"\n"

/* Nobody waits so long here: an answer in less came because of something. */
#define LONG_S 14
#define LONG_MS (LONG_S * 1000)
#define LONG_WAIT "Prefer: wait=14\r\n"
#define LONG_POLL "?wait=14"

static const struct setup hanging = { .top = QUICK_DRAIN };

/* Sends a request whose answer is not awaited here. */
static void
send_on(struct client *client, struct world *world, const char *method,
    const char *target, const char *fields)
{
	client_open(client, world->api);
	client_send_request(client, method, target, fields, "", -1);
}

static void
send_poll(struct client *client, struct world *world, const char *id,
    const char *fields)
{
	char target[96];

	snprintf(target, sizeof(target), "/v1/jobs/%s" LONG_POLL, id);
	send_on(client, world, "GET", target, fields);
}

static void
read_on(struct client *client, struct reply *out)
{
	ck_assert_msg(client_read(client, false, out), "never answered");
	client_close(client);
}

static void
poll_for(struct world *world, const char *id, const char *query,
    const char *fields, struct reply *out)
{
	char target[128];

	snprintf(target, sizeof(target), "/v1/jobs/%s%s", id, query);
	api(world, "GET", target, fields, NULL, out);
}

/* If-None-Match with the ETag of that answer. */
static const char *
unless(struct reply *reply)
{
	static char fields[2][128];
	static unsigned turn;
	char *out = fields[turn++ % 2];

	ck_assert_ptr_nonnull(reply_header(reply, "ETag"));
	snprintf(out, sizeof(fields[0]), "If-None-Match: %s\r\n",
	    reply_header(reply, "ETag"));
	return out;
}

/* ---- Prefer: wait ---- */

START_TEST(a_job_that_ends_in_time_is_answered_as_its_result)
{
	struct world world;
	struct reply reply, later;

	world_open(&world, NULL);
	try_submit(&world, "/mill/upper?delay_ms=100",
	    LONG_WAIT "Content-Type: text/plain\r\n", "abc", &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply.body, "ABC");
	ck_assert_str_eq(reply_header(&reply, "Content-Type"), "text/plain");
	ck_assert_str_eq(reply_header(&reply, "X-Echo-Method"), "POST");
	ck_assert_str_eq(reply_header(&reply, "Job-Status"), "succeeded");
	ck_assert_str_eq(reply_header(&reply, "Preference-Applied"), "wait=14");
	ck_assert_int_eq(reply_header_count(&reply, "Content-Length"), 1);
	ck_assert_int_ge(reply.took_ms, 100);
	ck_assert_int_lt(reply.took_ms, LONG_MS);
	result_get(&world, reply_header(&reply, "Job-Id"), &later);
	ck_assert_int_eq(later.status, 200);
	ck_assert_str_eq(later.body, "ABC");
	ck_assert_ptr_null(reply_header(&later, "Preference-Applied"));
	reply_clear(&later);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(the_upstream_does_not_see_what_the_client_prefers)
{
	struct world world;
	struct reply reply;
	struct json_document *seen;

	world_open(&world, NULL);
	try_submit(&world, "/mill/ok", LONG_WAIT, "x", &reply);
	ck_assert_int_eq(reply.status, 204);
	seen = peer_request(&world.upstream, "/ok", 0);
	ck_assert_ptr_null(seen_field(seen, "Prefer"));
	json_document_free(&seen);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_failed_job_is_answered_as_its_result_too)
{
	static const struct {
		const char *target;
		int status;
		const char *problem; /* NULL: the upstream's own answer */
	} rows[] = {
		{ "/mill/status/422?body=no", 422, NULL },
		{ "/mill/status/503?body=later", 503, NULL },
		{ "/mill/reset", 502, "reset" },
		{ "/mill/hang", 504, "timeout-headers" },
	};
	struct setup setup = {
		.queue = "attempts = 1\n timeout = \"300ms\"\n"
	};
	struct world world;
	struct reply reply;

	world_open(&world, &setup);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		try_submit(&world, rows[i].target, LONG_WAIT, "x", &reply);
		ck_assert_msg(reply.status == rows[i].status, "%s: %d",
		    rows[i].target, reply.status);
		ck_assert_str_eq(reply_header(&reply, "Job-Status"), "failed");
		ck_assert_str_eq(reply_header(&reply, "Preference-Applied"),
		    "wait=14");
		if (rows[i].problem != NULL)
			expect_problem(&reply, rows[i].status, rows[i].problem);
		reply_clear(&reply);
	}
	world_close(&world);
}
END_TEST

START_TEST(a_wait_lasts_through_retries)
{
	struct world world;
	struct reply reply;

	world_open(&world, NULL);
	try_submit(&world, "/mill/fail-times?n=2", LONG_WAIT, "x", &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply_header(&reply, "Job-Status"), "succeeded");
	reply_clear(&reply);
	ck_assert_int_eq(peer_seen(&world.upstream, "/fail-times"), 3);
	world_close(&world);
}
END_TEST

START_TEST(a_wait_lasts_while_others_are_before_it)
{
	struct setup setup = { .queue = "concurrency = 1\n" };
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &setup);
	submit(&world, "/mill/ok?delay_ms=300", "", "x", id);
	submit(&world, "/mill/ok?delay_ms=300", "", "x", id);
	try_submit(&world, "/mill/echo", LONG_WAIT, "mine", &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply.body, "mine");
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_job_that_takes_longer_is_acknowledged_after_the_wait)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &hanging);
	try_submit(&world, "/mill/hang", "Prefer: wait=1\r\n", "x", &reply);
	accepted_id(&reply, id);
	ck_assert_int_ge(reply.took_ms, 1000);
	ck_assert_int_lt(reply.took_ms, LONG_MS);
	ck_assert_str_eq(look_text(reply_json(&reply), "status"), "running");
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 1);
	ck_assert_ptr_nonnull(reply_header(&reply, "Retry-After"));
	ck_assert_ptr_null(reply_header(&reply, "Preference-Applied"));
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(with_both_preferences_it_is_told_which_one_was_honoured)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &hanging);
	try_submit(&world, "/mill/ok", "Prefer: respond-async, wait=14\r\n",
	    "x", &reply);
	ck_assert_int_eq(reply.status, 204);
	ck_assert_str_eq(reply_header(&reply, "Preference-Applied"), "wait=14");
	reply_clear(&reply);
	try_submit(&world, "/mill/hang", "Prefer: wait=1, respond-async\r\n",
	    "x", &reply);
	accepted_id(&reply, id);
	ck_assert_int_ge(reply.took_ms, 1000);
	ck_assert_str_eq(reply_header(&reply, "Preference-Applied"),
	    "respond-async");
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_preference_that_means_nothing_here_is_left_alone)
{
	static const struct {
		const char *prefer;
		const char *applied; /* NULL: none */
	} rows[] = {
		{ "respond-async", "respond-async" },
		{ "Respond-Async", "respond-async" },
		{ "handling=lenient, respond-async", "respond-async" },
		{ "wait", NULL },
		{ "wait=", NULL },
		{ "wait=0", NULL },
		{ "wait=-1", NULL },
		{ "wait=soon", NULL },
		{ "return=minimal", NULL },
		{ "waiting=14", NULL },
		{ ",", NULL },
		{ "", NULL },
	};
	struct world world;
	struct reply reply;
	const char *applied;
	char fields[128], id[ID_SIZE];

	world_open(&world, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(fields, sizeof(fields), LATER "Prefer: %s\r\n",
		    rows[i].prefer);
		try_submit(&world, "/mill/ok", fields, "x", &reply);
		accepted_id(&reply, id);
		applied = reply_header(&reply, "Preference-Applied");
		ck_assert_msg(applied == NULL ? rows[i].applied == NULL
					      : rows[i].applied != NULL &&
			    strcmp(applied, rows[i].applied) == 0,
		    "%s: %s", rows[i].prefer, applied);
		ck_assert_int_lt(reply.took_ms, patient_ms(LONG_MS));
		reply_clear(&reply);
	}
	world_close(&world);
}
END_TEST

/* RFC 7240, section 2: names in any case, blanks around the sign, parameters
 * behind it, and other preferences beside it, in one field or several. */
START_TEST(a_wait_may_be_written_in_many_ways)
{
	static const char *const fields[] = { "Prefer: Wait=14\r\n",
		"Prefer: wait = 14\r\n", "Prefer: wait\t=\t14 ; a=b\r\n",
		"Prefer: wait=14;a\r\n", "Prefer: a=b;c, wait=14\r\n",
		"Prefer: wait, wait 1, wait=14\r\n",
		"Prefer: a\r\nPrefer: wait=14\r\n" };
	struct world world;
	struct reply reply;

	world_open(&world, NULL);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const char *applied;

		try_submit(&world, "/mill/ok", fields[i], "x", &reply);
		applied = reply_header(&reply, "Preference-Applied");
		ck_assert_msg(reply.status == 204 && applied != NULL &&
			strcmp(applied, "wait=14") == 0,
		    "%s: %d", fields[i], reply.status);
		reply_clear(&reply);
	}
	world_close(&world);
}
END_TEST

/* RFC 7240, section 2: of one that is repeated only the first counts. */
START_TEST(of_two_waits_the_first_counts)
{
	struct world world;
	struct reply reply;

	world_open(&world, NULL);
	try_submit(&world, "/mill/ok?delay_ms=300",
	    "Prefer: wait=13, wait=0.001\r\n", "x", &reply);
	ck_assert_int_eq(reply.status, 204);
	ck_assert_str_eq(reply_header(&reply, "Preference-Applied"), "wait=13");
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(the_queue_bounds_the_wait)
{
	struct setup setup = { .top = QUICK_DRAIN,
		.queue = "max_wait = \"1s\"\n" };
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &setup);
	try_submit(&world, "/mill/hang", "Prefer: wait=3600\r\n", "x", &reply);
	accepted_id(&reply, id);
	ck_assert_int_ge(reply.took_ms, 1000);
	reply_clear(&reply);
	try_submit(&world, "/mill/ok", "Prefer: wait=3600\r\n", "x", &reply);
	ck_assert_int_eq(reply.status, 204);
	ck_assert_str_eq(reply_header(&reply, "Preference-Applied"), "wait=1");
	reply_clear(&reply);
	poll_for(&world, id, "?wait=3600", "", &reply);
	ck_assert_int_eq(reply.status, 202);
	ck_assert_int_ge(reply.took_ms, 1000);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_job_described_in_json_can_be_waited_for)
{
	struct world world;
	struct reply reply;

	world_open(&world, NULL);
	api(&world, "POST", "/v1/jobs",
	    "Content-Type: application/json\r\n" LONG_WAIT,
	    "{\"queue\":\"mill\",\"path\":\"/upper\",\"body\":\"abc\"}",
	    &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply.body, "ABC");
	ck_assert_str_eq(reply_header(&reply, "Preference-Applied"), "wait=14");
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_replay_may_wait_for_the_first_ones_end)
{
	struct setup setup = { .top = QUICK_DRAIN };
	struct world world;
	struct client first, again;
	struct reply reply;

	world_open(&world, &setup);
	send_on(&first, &world, "POST", "/mill/status/201?delay_ms=500",
	    "Idempotency-Key: a\r\n" LONG_WAIT);
	wait_until(peer_seen(&world.upstream, "/status/201") == 1);
	send_on(&again, &world, "POST", "/mill/status/201?delay_ms=500",
	    "Idempotency-Key: a\r\n" LONG_WAIT);
	read_on(&first, &reply);
	ck_assert_int_eq(reply.status, 201);
	ck_assert_ptr_null(reply_header(&reply, "Idempotent-Replayed"));
	reply_clear(&reply);
	read_on(&again, &reply);
	ck_assert_int_eq(reply.status, 201);
	ck_assert_str_eq(reply_header(&reply, "Idempotent-Replayed"), "true");
	reply_clear(&reply);
	ck_assert_int_eq(peer_seen(&world.upstream, "/status/201"), 1);
	world_close(&world);
}
END_TEST

START_TEST(a_replay_that_waits_in_vain_still_says_that_it_is_one)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &hanging);
	submit(&world, "/mill/hang", "Idempotency-Key: a\r\n", "x", id);
	try_submit(&world, "/mill/hang",
	    "Idempotency-Key: a\r\nPrefer: wait=1\r\n", "x", &reply);
	ck_assert_int_eq(reply.status, 202);
	ck_assert_str_eq(reply_header(&reply, "Job-Id"), id);
	ck_assert_str_eq(reply_header(&reply, "Idempotent-Replayed"), "true");
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_refusal_does_not_wait)
{
	struct setup setup = { .queue = "capacity = 1\n" };
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &setup);
	submit(&world, "/mill/ok", LATER, "x", id);
	try_submit(&world, "/mill/ok", LONG_WAIT, "x", &reply);
	expect_problem(&reply, 503, "queue-full");
	ck_assert_int_lt(reply.took_ms, LONG_MS);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

/* What was held does not count as time that accepting took. */
START_TEST(waiting_does_not_look_like_slow_accepting)
{
	struct world world;
	struct reply reply;

	world_open(&world, &hanging);
	try_submit(&world, "/mill/hang", "Prefer: wait=2\r\n", "x", &reply);
	ck_assert_int_eq(reply.status, 202);
	reply_clear(&reply);
	ck_assert_double_eq(metric(&world,
				"callbackd_accept_duration_seconds_count"),
	    1);
	ck_assert_double_lt(metric(&world,
				"callbackd_accept_duration_seconds_sum"),
	    2);
	world_close(&world);
}
END_TEST

/* ---- ?wait ---- */

START_TEST(a_poll_is_answered_as_soon_as_the_job_changes)
{
	struct setup setup = { .queue = "concurrency = 1\n" };
	struct world world;
	struct client client;
	struct reply reply;
	char before[ID_SIZE], id[ID_SIZE];

	world_open(&world, &setup);
	submit(&world, "/mill/hang", "", "x", before);
	submit(&world, "/mill/ok?delay_ms=400", "", "x", id);
	send_poll(&client, &world, id, "");
	wait_until(metric(&world, "callbackd_http_requests_total") >= 3);
	ck_assert(!client_has_bytes(&client));
	cancel(&world, before);
	read_on(&client, &reply);
	ck_assert_int_eq(reply.status, 202);
	ck_assert_str_eq(look_text(reply_json(&reply), "status"), "running");
	ck_assert_int_lt(reply.took_ms, LONG_MS);
	send_poll(&client, &world, id, unless(&reply));
	reply_clear(&reply);
	read_on(&client, &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(look_text(reply_json(&reply), "status"), "succeeded");
	ck_assert_int_lt(reply.took_ms, LONG_MS);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

/* Whoever polls on with the ETag of the last answer misses nothing. */
START_TEST(polls_with_the_latest_etag_follow_a_job_through_its_life)
{
	struct setup setup = { .queue =
				   "attempts = 3\n"
				   " backoff { initial = \"1s\" max = \"1s\"\n"
				   " factor = 1.0 }\n" };
	struct world world;
	struct client client;
	struct reply reply;
	char id[ID_SIZE];
	int retries = 0;

	world_open(&world, &setup);
	submit(&world, "/mill/fail-times?n=2&delay_ms=200", "", "x", id);
	job_get(&world, id, &reply);
	while (reply.status == 202) {
		send_poll(&client, &world, id, unless(&reply));
		reply_clear(&reply);
		read_on(&client, &reply);
		ck_assert_int_lt(reply.took_ms, LONG_MS);
		if (reply.status == 202)
			retries += look_says(reply_json(&reply), "status",
			    "queued");
	}
	ck_assert_int_eq(reply.status, 200);
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 3);
	ck_assert_int_ge(retries, 2);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_poll_that_knows_an_old_version_is_answered_at_once)
{
	struct world world;
	struct client client;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &hanging);
	submit(&world, "/mill/hang", "Job-Delay: 1s\r\n", "x", id);
	job_get(&world, id, &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "status"), "queued");
	wait_until(peer_seen(&world.upstream, "/hang") == 1);
	send_poll(&client, &world, id, unless(&reply));
	reply_clear(&reply);
	read_on(&client, &reply);
	ck_assert_int_eq(reply.status, 202);
	ck_assert_str_eq(look_text(reply_json(&reply), "status"), "running");
	ck_assert_int_lt(reply.took_ms, LONG_MS);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_poll_without_a_change_ends_with_its_time)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE];
	const char *fields;

	world_open(&world, &hanging);
	submit(&world, "/mill/hang", "", "x", id);
	wait_until(peer_seen(&world.upstream, "/hang") == 1);
	poll_for(&world, id, "?wait=500ms", "", &reply);
	ck_assert_int_eq(reply.status, 202);
	ck_assert_int_ge(reply.took_ms, 500);
	ck_assert_str_eq(look_text(reply_json(&reply), "status"), "running");
	fields = unless(&reply);
	reply_clear(&reply);
	poll_for(&world, id, "?wait=500ms", fields, &reply);
	ck_assert_int_eq(reply.status, 304);
	ck_assert_int_ge(reply.took_ms, 500);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

/* The tag may have lost its W/ on the way. */
START_TEST(a_poll_that_knows_something_older_does_not_wait)
{
	static const char *const stale[] = {
		"If-None-Match: W/\"00000000000000aa\"\r\n",
		"If-None-Match: \"00000000000000aa\"\r\n",
	};
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &hanging);
	submit(&world, "/mill/hang", "", "x", id);
	wait_until(peer_seen(&world.upstream, "/hang") == 1);
	for (int i = 0; i < 2; i++) {
		poll_for(&world, id, LONG_POLL, stale[i], &reply);
		ck_assert_int_eq(reply.status, 202);
		ck_assert_int_lt(reply.took_ms, LONG_MS);
		reply_clear(&reply);
	}
	world_close(&world);
}
END_TEST

START_TEST(a_poll_of_an_ended_job_does_not_wait)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE];
	const char *fields;

	world_open(&world, NULL);
	submit(&world, "/mill/ok", "", "x", id);
	job_wait(&world, id, "succeeded", &reply);
	reply_clear(&reply);
	poll_for(&world, id, LONG_POLL, "", &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_int_lt(reply.took_ms, LONG_MS);
	fields = unless(&reply);
	reply_clear(&reply);
	poll_for(&world, id, LONG_POLL, fields, &reply);
	ck_assert_int_eq(reply.status, 304);
	ck_assert_int_lt(reply.took_ms, LONG_MS);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_poll_can_wait_for_the_callback_of_an_ended_job)
{
	struct setup setup = { .callback = LOOPBACK_ALLOWED
		"schedule = {\"1500ms\", \"1h\"}\n" };
	struct world world;
	struct client client;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &setup);
	submit(&world, "/mill/ok", callback_to(&world, "/fail-times?n=1"), "x",
	    id);
	callback_wait_attempts(&world, id, 1, &reply);
	send_poll(&client, &world, id, unless(&reply));
	reply_clear(&reply);
	read_on(&client, &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(look_text(reply_json(&reply), "callback.state"),
	    "delivered");
	ck_assert_int_lt(reply.took_ms, LONG_MS);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_poll_for_nothing_is_refused_at_once)
{
	struct world world;
	struct reply reply;

	world_open(&world, NULL);
	poll_for(&world, "0198c5a0-0000-7000-8000-000000000000", LONG_POLL, "",
	    &reply);
	expect_problem(&reply, 404, "not-found");
	ck_assert_int_lt(reply.took_ms, LONG_MS);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_wait_that_is_no_duration_is_400)
{
	static const char *const queries[] = { "?wait=soon", "?wait=-1",
		"?wait=", "?wait=1w", "?wait=1%202" };
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, NULL);
	submit(&world, "/mill/ok", LATER, "x", id);
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		poll_for(&world, id, queries[i], "", &reply);
		expect_problem(&reply, 400, "bad-request");
		ck_assert_str_eq(look_text(reply_json(&reply), "detail"),
		    "wait: a duration such as 20 or 20s");
		reply_clear(&reply);
	}
	poll_for(&world, id, "?wait=0", "", &reply);
	ck_assert_int_eq(reply.status, 202);
	ck_assert_int_lt(reply.took_ms, LONG_MS);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

/* ---- many, and those who leave ---- */

#define MANY 300

START_TEST(all_who_wait_for_one_job_are_answered_when_it_ends)
{
	struct world world;
	struct client clients[100];
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, NULL);
	submit(&world, "/mill/ok?delay_ms=1500", "", "x", id);
	wait_until(peer_seen(&world.upstream, "/ok") == 1);
	for (int i = 0; i < 100; i++)
		send_poll(&clients[i], &world, id, "");
	for (int i = 0; i < 100; i++) {
		read_on(&clients[i], &reply);
		ck_assert_int_eq(reply.status, 200);
		reply_clear(&reply);
	}
	world_close(&world);
}
END_TEST

static bool
connections_are(struct world *world, int most)
{
	return metric(world, "callbackd_connections") <= most;
}

START_TEST(who_hangs_up_while_waiting_costs_and_cancels_nothing)
{
	struct setup setup = { .top = "drain_timeout = \"30s\"\n",
		.queue = "concurrency = 400\n max_wait = \"1h\"\n" };
	struct world world;
	struct client client;
	struct reply reply;
	char id[ID_SIZE];
	int64_t stopped_ms;

	world_open(&world, &setup);
	submit(&world, "/mill/ok", LATER, "x", id);
	for (int i = 0; i < MANY; i++) {
		char target[96];

		snprintf(target, sizeof(target), "/v1/jobs/%s?wait=1h", id);
		if (i % 2 == 0)
			send_on(&client, &world, "GET", target, "");
		else
			send_on(&client, &world, "POST",
			    "/mill/status/200?delay_ms=1500",
			    "Prefer: wait=3600\r\n");
		if (i % 4 < 2)
			wait_until(metric(&world,
				       "callbackd_http_requests_total") > i);
		client_close(&client);
	}
	wait_until(connections_are(&world, 0));
	wait_until(peer_seen(&world.upstream, "/status/200") == MANY / 2);
	wait_until(peer_count(&world.upstream, "now") == 0);
	job_get(&world, id, &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "status"), "queued");
	reply_clear(&reply);
	api(&world, "GET", "/v1/jobs?status=cancelled", "", NULL, &reply);
	ck_assert_uint_eq(look_at(reply_json(&reply), "jobs")->count, 0);
	reply_clear(&reply);
	expect_books_balance(&world);
	stopped_ms = now_mono_ms();
	daemon_stop(&world); /* nobody is waited for */
	ck_assert_int_lt(now_mono_ms() - stopped_ms, patient_ms(10000));
	world_close(&world);
}
END_TEST

START_TEST(who_closes_its_sending_side_has_hung_up_too)
{
	struct world world;
	struct client client;
	struct reply reply;

	world_open(&world, NULL);
	send_on(&client, &world, "POST", "/mill/status/200?delay_ms=300",
	    LONG_WAIT);
	ck_assert_int_eq(shutdown(client.fd, SHUT_WR), 0);
	ck_assert(client_is_closed_by_peer(&client));
	client_close(&client);
	wait_until(metric(&world, "callbackd_runs_under_way") == 0);
	api(&world, "GET", "/v1/jobs", "", NULL, &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "jobs.0.status"),
	    "succeeded");
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

/* Half of them poll, half of them have just submitted. */
START_TEST(sigterm_answers_all_who_wait_before_it_ends)
{
	struct setup setup = { .top = QUICK_DRAIN,
		.queue = "concurrency = 4\n max_wait = \"1h\"\n" };
	struct world world;
	struct client clients[MANY];
	struct reply reply;
	char id[ID_SIZE];
	int64_t stopped_ms;

	world_open(&world, &setup);
	submit(&world, "/mill/ok", LATER, "x", id);
	for (int i = 0; i < MANY; i++) {
		if (i % 2 == 0)
			send_poll(&clients[i], &world, id, "");
		else
			send_on(&clients[i], &world, "POST", "/mill/hang",
			    "Prefer: respond-async, wait=3600\r\n");
	}
	wait_until(metric(&world, "callbackd_http_requests_total") >= MANY + 1);
	/* All are written down; none is answered. */
	wait_until(metric(&world, "callbackd_store_jobs_accepted_total") ==
	    MANY / 2 + 1);
	for (int i = 0; i < MANY; i++)
		ck_assert(!client_has_bytes(&clients[i]));
	stopped_ms = now_mono_ms();
	process_signal(&world.daemon, SIGTERM);
	for (int i = 0; i < MANY; i++) {
		read_on(&clients[i], &reply);
		ck_assert_int_eq(reply.status, 202);
		ck_assert(reply.is_closing);
		if (i % 2 == 1) {
			accepted_id(&reply, id);
			ck_assert_str_eq(reply_header(&reply,
					     "Preference-Applied"),
			    "respond-async");
		}
		reply_clear(&reply);
	}
	daemon_expect_clean_end(&world);
	ck_assert_int_lt(now_mono_ms() - stopped_ms, patient_ms(10000));
	daemon_start(&world);
	job_get(&world, id, &reply);
	ck_assert_int_eq(reply.status, 202);
	reply_clear(&reply);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		a_job_that_ends_in_time_is_answered_as_its_result,
		the_upstream_does_not_see_what_the_client_prefers,
		a_failed_job_is_answered_as_its_result_too,
		a_wait_lasts_through_retries,
		a_wait_lasts_while_others_are_before_it,
		a_job_that_takes_longer_is_acknowledged_after_the_wait,
		with_both_preferences_it_is_told_which_one_was_honoured,
		a_preference_that_means_nothing_here_is_left_alone,
		a_wait_may_be_written_in_many_ways,
		of_two_waits_the_first_counts,
		the_queue_bounds_the_wait,
		a_job_described_in_json_can_be_waited_for,
		a_replay_may_wait_for_the_first_ones_end,
		a_replay_that_waits_in_vain_still_says_that_it_is_one,
		a_refusal_does_not_wait,
		waiting_does_not_look_like_slow_accepting,
		a_poll_is_answered_as_soon_as_the_job_changes,
		polls_with_the_latest_etag_follow_a_job_through_its_life,
		a_poll_that_knows_an_old_version_is_answered_at_once,
		a_poll_without_a_change_ends_with_its_time,
		a_poll_that_knows_something_older_does_not_wait,
		a_poll_of_an_ended_job_does_not_wait,
		a_poll_can_wait_for_the_callback_of_an_ended_job,
		a_poll_for_nothing_is_refused_at_once,
		a_wait_that_is_no_duration_is_400,
		all_who_wait_for_one_job_are_answered_when_it_ends,
		who_hangs_up_while_waiting_costs_and_cancels_nothing,
		who_closes_its_sending_side_has_hung_up_too,
		sigterm_answers_all_who_wait_before_it_ends,
	};

	return HARNESS_RUN("wait", cases);
}
