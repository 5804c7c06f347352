/* test_consume.c - consumers over HTTP: lease, complete, fail, extend, progress.
 *
 * Contract, section 6.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"
#include "report.h"

#define TOKEN_SIZE 33
#define JSON "Content-Type: application/json\r\n"
#define QUEUE                                                                  \
	"queue \"pull\" {\n path = \"/pull/\" executor = \"pull\"\n"           \
	" attempts = 3 concurrency = 50\n"                                     \
	" backoff { initial = \"20ms\" max = \"60ms\" factor = 2.0 } }\n"

/* What a consumer has in its hand. */
struct hand {
	char id[ID_SIZE];
	char token[TOKEN_SIZE];
};

static void
open_pulled(struct world *world)
{
	static const struct setup setup = { .more = QUEUE };

	world_open(world, &setup);
}

/* ---- what consumers ask ---- */

static void
post(struct world *world, const char *target, const char *body,
    struct reply *out)
{
	api(world, "POST", target, JSON, body, out);
}

static void
try_lease(struct world *world, const char *body, struct reply *out)
{
	post(world, "/v1/queues/pull/lease", body, out);
}

/* Fills the hands; how many jobs there are. */
static int
take_hands(struct reply *reply, struct hand *out)
{
	const struct json_value *jobs;
	int count = 0;

	ck_assert_msg(reply->status == 200, "%d %s", reply->status,
	    reply->body);
	jobs = look_at(reply_json(reply), "jobs");
	ck_assert_ptr_nonnull(jobs);
	for (const struct json_value *job = jobs->first; job != NULL;
	     job = job->next) {
		ck_assert_str_eq(look_text(job, "status"), "running");
		snprintf(out[count].id, ID_SIZE, "%s", look_text(job, "id"));
		ck_assert_uint_eq(strlen(look_text(job, "lease_token")),
		    TOKEN_SIZE - 1);
		memcpy(out[count].token, look_text(job, "lease_token"),
		    TOKEN_SIZE);
		ck_assert_str_ne(look_text(job, "lease_until"), "");
		count++;
	}
	reply_clear(reply);
	return count;
}

static int
lease(struct world *world, const char *body, struct hand *out)
{
	struct reply reply;

	try_lease(world, body, &reply);
	return take_hands(&reply, out);
}

/* Asks until there is a job. */
static struct hand
lease_one(struct world *world, const char *body)
{
	struct hand hand;

	wait_until(lease(world, body, &hand) == 1);
	return hand;
}

/* POST /v1/jobs/ID/ACTION; rest are the members behind the token. */
static void
say(struct world *world, const struct hand *hand, const char *action,
    const char *rest, struct reply *out)
{
	char target[96];
	char body[4096];

	snprintf(target, sizeof(target), "/v1/jobs/%s/%s", hand->id, action);
	snprintf(body, sizeof(body), "{\"lease_token\":\"%s\"%s%s}",
	    hand->token, rest[0] != '\0' ? "," : "", rest);
	post(world, target, body, out);
}

/* Demands 200 and that status in the document. */
static void
say_well(struct world *world, const struct hand *hand, const char *action,
    const char *rest, const char *status)
{
	struct reply reply;

	say(world, hand, action, rest, &reply);
	ck_assert_msg(reply.status == 200, "%s: %d %s", action, reply.status,
	    reply.body);
	ck_assert_str_eq(look_text(reply_json(&reply), "id"), hand->id);
	ck_assert_str_eq(look_text(reply_json(&reply), "status"), status);
	reply_clear(&reply);
}

static void
is_stale(struct world *world, const struct hand *hand)
{
	static const char *const actions[][2] = { { "complete", "" },
		{ "fail", "" }, { "extend", "" },
		{ "progress", "\"progress\":1" } };
	struct reply reply;

	for (size_t i = 0; i < 4; i++) {
		say(world, hand, actions[i][0], actions[i][1], &reply);
		expect_problem(&reply, 409, "stale-lease");
		reply_clear(&reply);
	}
}

/* ---- leasing ---- */

START_TEST(a_consumer_gets_the_job_with_its_request)
{
	struct world world;
	struct reply reply;
	const struct json_value *job;
	char id[ID_SIZE];

	open_pulled(&world);
	submit(&world, "/pull/print?copies=2",
	    "X-Paper: a4\r\nContent-Type: text/plain\r\n", "h\303\251llo", id);
	try_lease(&world, "{\"max\":10,\"lease\":\"1m\"}", &reply);
	ck_assert_int_eq(reply.status, 200);
	job = look_at(reply_json(&reply), "jobs.0");
	ck_assert_str_eq(look_text(job, "id"), id);
	ck_assert_str_eq(look_text(job, "status"), "running");
	ck_assert_int_eq(look_int(job, "attempts"), 1);
	ck_assert_str_eq(look_text(job, "request.method"), "POST");
	ck_assert_str_eq(look_text(job, "request.path"), "/print?copies=2");
	ck_assert_str_eq(look_text(job, "request.headers.X-Paper"), "a4");
	ck_assert_str_eq(look_text(job, "request.body"), "h\303\251llo");
	ck_assert(look_is_null(job, "progress"));
	ck_assert_ptr_null(look_at(reply_json(&reply), "jobs.1"));
	reply_clear(&reply);
	job_get(&world, id, &reply);
	ck_assert_int_eq(reply.status, 202);
	ck_assert_str_eq(look_text(reply_json(&reply), "status"), "running");
	ck_assert_ptr_null(strstr(reply.body, "lease_token"));
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_body_that_is_no_text_comes_in_base64)
{
	struct world world;
	struct client client;
	struct reply reply;

	open_pulled(&world);
	client_open(&client, world.api);
	client_send_request(&client, "PUT", "/pull/x", "", "\0\377", 2);
	ck_assert(client_read(&client, false, &reply));
	ck_assert_int_eq(reply.status, 202);
	reply_clear(&reply);
	client_close(&client);
	try_lease(&world, "{}", &reply);
	ck_assert_str_eq(look_text(reply_json(&reply),
			     "jobs.0.request.body_base64"),
	    "AP8=");
	ck_assert_str_eq(look_text(reply_json(&reply), "jobs.0.request.method"),
	    "PUT");
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_batch_is_leased_at_once_and_nothing_twice)
{
	struct world world;
	struct hand hands[20];
	char ids[12][ID_SIZE];

	open_pulled(&world);
	for (int i = 0; i < 12; i++)
		submit(&world, "/pull/x", "", "x", ids[i]);
	ck_assert_int_eq(lease(&world, "{}", hands), 1);
	ck_assert_int_eq(lease(&world, "{\"max\":5}", hands + 1), 5);
	ck_assert_int_eq(lease(&world, "{\"max\":100}", hands + 6), 6);
	ck_assert_int_eq(lease(&world, "{\"max\":100}", hands + 12), 0);
	for (int i = 0; i < 12; i++)
		ck_assert_str_eq(hands[i].id, ids[i]);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(concurrency_bounds_the_leases)
{
	static const struct setup setup = {
		.more = "queue \"pull\" { path = \"/pull/\""
			" executor = \"pull\" concurrency = 2 }\n"
	};
	struct world world;
	struct hand hands[4];
	char id[ID_SIZE];

	world_open(&world, &setup);
	for (int i = 0; i < 3; i++)
		submit(&world, "/pull/x", "", "x", id);
	ck_assert_int_eq(lease(&world, "{\"max\":4}", hands), 2);
	ck_assert_int_eq(lease(&world, "{\"max\":4}", hands + 2), 0);
	say_well(&world, &hands[0], "complete", "", "succeeded");
	ck_assert_int_eq(lease(&world, "{\"max\":4}", hands + 2), 1);
	world_close(&world);
}
END_TEST

/* ---- long polls ---- */

static void
send_lease(struct world *world, struct client *client, const char *body)
{
	client_open(client, world->api);
	client_send_request(client, "POST", "/v1/queues/pull/lease", JSON, body,
	    (long)strlen(body));
}

static int
consumers_waiting(struct world *world)
{
	return (int)metric(world, "callbackd_consumers_waiting");
}

START_TEST(a_long_poll_is_answered_when_a_job_comes)
{
	struct world world;
	struct client client;
	struct reply reply;
	struct hand hand;
	char id[ID_SIZE];

	open_pulled(&world);
	send_lease(&world, &client, "{\"wait\":20}");
	wait_until(consumers_waiting(&world) == 1);
	ck_assert(!client_has_bytes(&client));
	submit(&world, "/pull/x", "", "x", id);
	ck_assert(client_read(&client, false, &reply));
	ck_assert_int_eq(take_hands(&reply, &hand), 1);
	ck_assert_str_eq(hand.id, id);
	client_close(&client);
	ck_assert_int_eq(consumers_waiting(&world), 0);
	world_close(&world);
}
END_TEST

START_TEST(a_long_poll_for_nothing_ends_empty)
{
	struct world world;
	struct reply reply;

	open_pulled(&world);
	try_lease(&world, "{\"wait\":\"300ms\"}", &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply.body, "{\"jobs\":[]}");
	ck_assert_int_ge(reply.took_ms, 290);
	reply_clear(&reply);
	try_lease(&world, "{\"wait\":0}", &reply);
	ck_assert_str_eq(reply.body, "{\"jobs\":[]}");
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_consumer_that_hangs_up_is_given_no_job)
{
	struct world world;
	struct client clients[20];
	struct hand hand;
	char id[ID_SIZE];

	open_pulled(&world);
	for (int i = 0; i < 20; i++)
		send_lease(&world, &clients[i], "{\"wait\":25}");
	wait_until(consumers_waiting(&world) == 20);
	for (int i = 0; i < 20; i++)
		client_close(&clients[i]);
	wait_until(consumers_waiting(&world) == 0);
	submit(&world, "/pull/x", "", "x", id);
	ck_assert_int_eq(lease(&world, "{}", &hand), 1);
	ck_assert_str_eq(hand.id, id);
	world_close(&world);
}
END_TEST

/* The word that it has gone is as quick as its question, and not quicker. */
START_TEST(a_consumer_that_hangs_up_at_once_does_no_harm)
{
	struct world world;
	struct client client;
	struct hand hand;
	char id[ID_SIZE];

	open_pulled(&world);
	for (int i = 0; i < 100; i++) {
		send_lease(&world, &client, "{\"wait\":25}");
		client_close(&client);
	}
	wait_until(metric(&world, "callbackd_http_requests_total") == 100);
	wait_until(metric(&world, "callbackd_connections") == 0);
	wait_until(consumers_waiting(&world) == 0);
	submit(&world, "/pull/x", "", "x", id);
	ck_assert_int_eq(lease(&world, "{\"wait\":10}", &hand), 1);
	ck_assert_str_eq(hand.id, id);
	world_close(&world);
}
END_TEST

START_TEST(hanging_up_at_any_moment_loses_nothing)
{
	struct world world;
	struct client client;
	struct reply reply;
	char ids[30][ID_SIZE];
	struct hand hand;
	/* A job may fall to many who have hung up before one stays. */
	static const struct setup patient = {
		.more = "queue \"pull\" {\n path = \"/pull/\""
			" executor = \"pull\"\n attempts = 100\n"
			" concurrency = 50 }\n"
	};

	world_open(&world, &patient);
	for (int i = 0; i < 30; i++) {
		send_lease(&world, &client,
		    "{\"wait\":25,\"lease\":\"200ms\"}");
		if (i % 3 == 0)
			wait_until(consumers_waiting(&world) > 0 ||
			    client_has_bytes(&client));
		submit(&world, "/pull/x", "", "x", ids[i]);
		client_close(&client);
	}
	for (int i = 0; i < 30; i++) {
		hand = lease_one(&world, "{\"wait\":1,\"lease\":60}");
		say_well(&world, &hand, "complete", "", "succeeded");
	}
	for (int i = 0; i < 30; i++) {
		job_get(&world, ids[i], &reply);
		ck_assert_str_eq(look_text(reply_json(&reply), "status"),
		    "succeeded");
		reply_clear(&reply);
	}
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(sigterm_ends_long_polls_and_takes_results)
{
	struct world world;
	struct client client, holder;
	struct reply reply;
	struct hand hand;
	char id[ID_SIZE];

	open_pulled(&world);
	submit(&world, "/pull/x", "", "x", id);
	client_open(&holder, world.api);
	client_ask(&holder, "POST", "/v1/queues/pull/lease", JSON, "{}",
	    &reply);
	ck_assert_int_eq(take_hands(&reply, &hand), 1);
	send_lease(&world, &client, "{\"wait\":25}");
	wait_until(consumers_waiting(&world) == 1);
	process_signal(&world.daemon, SIGTERM);
	ck_assert(client_read(&client, false, &reply));
	ck_assert_str_eq(reply.body, "{\"jobs\":[]}");
	reply_clear(&reply);
	client_close(&client);
	client_close(&holder);
	daemon_expect_clean_end(&world);
	daemon_start(&world);
	say_well(&world, &hand, "complete", "", "succeeded");
	world_close(&world);
}
END_TEST

/* ---- ends ---- */

START_TEST(a_result_is_what_a_client_gets)
{
	struct world world;
	struct reply reply;
	struct hand hand;
	char id[ID_SIZE];

	open_pulled(&world);
	submit(&world, "/pull/x", callback_to(&world, "/ok"), "x", id);
	hand = lease_one(&world, "{}");
	say_well(&world, &hand, "complete",
	    "\"status\":201,\"headers\":{\"Content-Type\":\"image/png\","
	    "\"X-Pages\":\"3\",\"Connection\":\"close\","
	    "\"Content-Length\":\"99\"},\"body_base64\":\"AP8=\"",
	    "succeeded");
	result_get(&world, id, &reply);
	ck_assert_int_eq(reply.status, 201);
	ck_assert_str_eq(reply_header(&reply, "Content-Type"), "image/png");
	ck_assert_str_eq(reply_header(&reply, "X-Pages"), "3");
	ck_assert_uint_eq(reply.body_len, 2);
	ck_assert_mem_eq(reply.body, "\0\377", 2);
	reply_clear(&reply);
	callback_wait(&world, id, "delivered", &reply);
	ck_assert_int_eq(look_int(reply_json(&reply), "response.status"), 201);
	ck_assert(look_is_null(reply_json(&reply), "error"));
	reply_clear(&reply);
	is_stale(&world, &hand);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(a_result_without_anything_is_200)
{
	struct world world;
	struct reply reply;
	struct hand hand;
	char id[ID_SIZE];

	open_pulled(&world);
	submit(&world, "/pull/x", "", "x", id);
	hand = lease_one(&world, "{}");
	say_well(&world, &hand, "complete", "", "succeeded");
	result_get(&world, id, &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_uint_eq(reply.body_len, 0);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(results_are_judged_as_those_of_an_upstream)
{
	struct world world;
	struct reply reply;
	struct hand hand;
	char id[ID_SIZE];

	open_pulled(&world);
	submit(&world, "/pull/x", "", "x", id);
	hand = lease_one(&world, "{}");
	say_well(&world, &hand, "complete", "\"status\":503", "queued");
	is_stale(&world, &hand);
	hand = lease_one(&world, "{\"wait\":5}");
	say_well(&world, &hand, "complete",
	    "\"status\":404,\"body\":\"no such page\"", "failed");
	job_get(&world, id, &reply);
	ck_assert_int_eq(reply.status, 400);
	ck_assert_str_eq(look_text(reply_json(&reply), "error.type"),
	    "status-4xx");
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 2);
	reply_clear(&reply);
	result_get(&world, id, &reply);
	ck_assert_int_eq(reply.status, 404);
	ck_assert_str_eq(reply.body, "no such page");
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_failure_is_tried_again_after_the_delay)
{
	struct world world;
	struct reply reply;
	struct hand hand;
	char id[ID_SIZE];
	int64_t failed_ms;

	open_pulled(&world);
	submit(&world, "/pull/x", "", "x", id);
	hand = lease_one(&world, "{}");
	failed_ms = now_mono_ms();
	say_well(&world, &hand, "fail",
	    "\"error\":\"out of paper\",\"retry\":true,\"delay\":\"700ms\"",
	    "queued");
	job_get(&world, id, &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "error.type"),
	    "consumer-failed");
	ck_assert_str_eq(look_text(reply_json(&reply), "error.detail"),
	    "out of paper");
	reply_clear(&reply);
	hand = lease_one(&world, "{\"wait\":10}");
	ck_assert_int_ge(now_mono_ms() - failed_ms, 690);
	say_well(&world, &hand, "fail", "\"error\":\"again\"", "queued");
	hand = lease_one(&world, "{\"wait\":10}");
	say_well(&world, &hand, "fail", "", "failed");
	result_get(&world, id, &reply);
	expect_problem(&reply, 502, "consumer-failed");
	reply_clear(&reply);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(a_failure_without_retry_is_the_end)
{
	struct world world;
	struct hand hand;
	char id[ID_SIZE];

	open_pulled(&world);
	submit(&world, "/pull/x", "", "x", id);
	hand = lease_one(&world, "{}");
	say_well(&world, &hand, "fail", "\"retry\":false", "failed");
	is_stale(&world, &hand);
	world_close(&world);
}
END_TEST

START_TEST(a_lease_that_ends_puts_the_job_back_once)
{
	struct world world;
	struct reply reply;
	struct hand first, second, none;
	char id[ID_SIZE];

	open_pulled(&world);
	submit(&world, "/pull/x", "", "x", id);
	ck_assert_int_eq(lease(&world, "{\"lease\":\"300ms\"}", &first), 1);
	second = lease_one(&world, "{\"wait\":10}");
	ck_assert_str_eq(first.id, second.id);
	ck_assert_str_ne(first.token, second.token);
	ck_assert_int_eq(lease(&world, "{\"wait\":\"500ms\"}", &none), 0);
	is_stale(&world, &first);
	job_get(&world, id, &reply);
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 2);
	ck_assert_str_eq(look_text(reply_json(&reply), "error.type"),
	    "lease-expired");
	reply_clear(&reply);
	say_well(&world, &second, "complete", "", "succeeded");
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(leases_that_end_use_up_the_attempts)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	open_pulled(&world);
	submit(&world, "/pull/x", callback_to(&world, "/ok"), "x", id);
	for (int i = 0; i < 3; i++)
		(void)lease_one(&world, "{\"wait\":10,\"lease\":\"50ms\"}");
	job_wait(&world, id, "failed", &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "error.type"),
	    "lease-expired");
	reply_clear(&reply);
	result_get(&world, id, &reply);
	expect_problem(&reply, 504, "lease-expired");
	reply_clear(&reply);
	callback_wait(&world, id, "delivered", &reply);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(an_extended_lease_outlives_its_first_end)
{
	struct world world;
	struct reply reply;
	struct hand hand, none;
	char id[ID_SIZE];

	open_pulled(&world);
	submit(&world, "/pull/x", "", "x", id);
	ck_assert_int_eq(lease(&world, "{\"lease\":\"600ms\"}", &hand), 1);
	say(&world, &hand, "extend", "\"lease\":60", &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(look_text(reply_json(&reply), "lease_token"),
	    hand.token);
	reply_clear(&reply);
	ck_assert_int_eq(lease(&world, "{\"wait\":\"900ms\"}", &none), 0);
	say_well(&world, &hand, "complete", "", "succeeded");
	world_close(&world);
}
END_TEST

START_TEST(progress_is_shown_and_called_back)
{
	struct world world;
	struct reply reply;
	struct hand hand;
	char fields[600], etag[64], id[ID_SIZE];
	struct json_document *seen;

	open_pulled(&world);
	snprintf(fields, sizeof(fields),
	    "%sCallback-Events: progress, succeeded\r\n",
	    callback_to(&world, "/ok"));
	submit(&world, "/pull/x", fields, "x", id);
	hand = lease_one(&world, "{}");
	job_get(&world, id, &reply);
	snprintf(etag, sizeof(etag), "%s", reply_header(&reply, "ETag"));
	reply_clear(&reply);
	say_well(&world, &hand, "progress",
	    "\"progress\":0.4,\"message\":\"page 2 of 5\"", "running");
	job_get(&world, id, &reply);
	ck_assert_str_eq(look_at(reply_json(&reply), "progress")->text, "0.4");
	ck_assert_str_eq(look_text(reply_json(&reply), "progress_message"),
	    "page 2 of 5");
	ck_assert_str_ne(reply_header(&reply, "ETag"), etag);
	reply_clear(&reply);
	seen = peer_request(&world.receiver, "/ok", 0);
	ck_assert_str_eq(seen_field(seen, "Job-Status"), "running");
	ck_assert_ptr_nonnull(
	    strstr(seen_text(seen, "body"), "\"type\":\"job.progress\""));
	ck_assert_ptr_nonnull(strstr(seen_text(seen, "body"),
	    "\"progress\":0.4,\"progress_message\":\"page 2 of 5\""));
	json_document_free(&seen);
	say_well(&world, &hand, "complete", "", "succeeded");
	callback_wait(&world, id, "delivered", &reply);
	reply_clear(&reply);
	ck_assert_int_eq(peer_seen(&world.receiver, "/ok"), 2);
	world_close(&world);
}
END_TEST

START_TEST(a_cancelled_job_is_taken_from_its_consumer)
{
	struct world world;
	struct reply reply;
	struct hand hand;
	char target[96], id[ID_SIZE];

	open_pulled(&world);
	submit(&world, "/pull/x", "", "x", id);
	hand = lease_one(&world, "{}");
	snprintf(target, sizeof(target), "/v1/jobs/%s", id);
	api(&world, "DELETE", target, "", NULL, &reply);
	ck_assert_int_eq(reply.status, 200);
	reply_clear(&reply);
	is_stale(&world, &hand);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

/* ---- many, and restarts ---- */

#define CONSUMERS 8
#define JOBS 120

/* Consumers in turns, some of which fail or forget their jobs. */
START_TEST(two_consumers_never_hold_one_job)
{
	struct world world;
	struct hand hands[JOBS * 4];
	struct client clients[CONSUMERS];
	struct reply reply;
	char id[ID_SIZE];
	int held = 0;

	open_pulled(&world);
	for (int i = 0; i < JOBS; i++)
		submit(&world, "/pull/x", "", "x", id);
	while (held < 50) { /* as many as may be leased at once */
		int before = held;

		for (int i = 0; i < CONSUMERS; i++)
			send_lease(&world, &clients[i], "{\"max\":3}");
		for (int i = 0; i < CONSUMERS; i++) {
			ck_assert(client_read(&clients[i], false, &reply));
			held += take_hands(&reply, hands + held);
			client_close(&clients[i]);
		}
		ck_assert_int_gt(held, before);
	}
	ck_assert_int_eq(held, 50);
	for (int i = 0; i < held; i++)
		for (int j = i + 1; j < held; j++)
			ck_assert_str_ne(hands[i].id, hands[j].id);
	for (int i = 0; i < held; i++)
		say_well(&world, &hands[i], "complete", "", "succeeded");
	for (int i = held; i < JOBS; i++) {
		hands[0] = lease_one(&world, "{}");
		say_well(&world, &hands[0], "complete", "", "succeeded");
	}
	ck_assert_int_eq(lease(&world, "{\"max\":3}", hands), 0);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(kill_9_takes_no_lease_away)
{
	struct world world;
	struct reply reply;
	struct hand hands[3], none;
	char id[ID_SIZE];

	open_pulled(&world);
	for (int i = 0; i < 3; i++)
		submit(&world, "/pull/x", "", "x", id);
	ck_assert_int_eq(lease(&world, "{\"max\":2,\"lease\":60}", hands), 2);
	say_well(&world, &hands[1], "progress", "\"progress\":0.5", "running");
	daemon_kill(&world);
	daemon_start(&world);
	ck_assert_int_eq(lease(&world, "{\"max\":9}", &hands[2]), 1);
	ck_assert_int_eq(lease(&world, "{\"max\":9}", &none), 0);
	job_get(&world, hands[1].id, &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "status"), "running");
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 1);
	ck_assert_str_eq(look_at(reply_json(&reply), "progress")->text, "0.5");
	reply_clear(&reply);
	for (int i = 0; i < 3; i++)
		say_well(&world, &hands[i], "complete", "", "succeeded");
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(a_lease_that_ended_during_kill_9_is_over)
{
	struct world world;
	struct hand first, second;
	char id[ID_SIZE];
	int64_t until_ms;

	open_pulled(&world);
	submit(&world, "/pull/x", "", "x", id);
	ck_assert_int_eq(lease(&world, "{\"lease\":\"150ms\"}", &first), 1);
	until_ms = now_mono_ms() + 150;
	daemon_kill(&world);
	wait_until(now_mono_ms() > until_ms);
	daemon_start(&world);
	second = lease_one(&world, "{\"wait\":10}");
	ck_assert_str_eq(second.id, id);
	is_stale(&world, &first);
	say_well(&world, &second, "complete", "", "succeeded");
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

/* ---- refusals ---- */

static const struct refused {
	const char *target; /* %s: a leased job's id */
	const char *fields;
	const char *body;
	int status;
	const char *name;
	const char *detail;
} refused[] = {
	{ "/v1/queues/pull/lease", "", "{}", 415, "unsupported-media-type",
	    "send application/json" },
	{ "/v1/queues/pull/lease", JSON, "{", 400, "bad-json", NULL },
	{ "/v1/queues/pull/lease", JSON, "[]", 422, "unprocessable",
	    "the request is an object" },
	{ "/v1/queues/pull/lease", JSON, "{\"maximum\":1}", 422,
	    "unprocessable", "maximum: there is no such member" },
	{ "/v1/queues/pull/lease", JSON, "{\"max\":0}", 422, "unprocessable",
	    "max: a whole number from 1 to 100" },
	{ "/v1/queues/pull/lease", JSON, "{\"max\":101}", 422, "unprocessable",
	    "max: a whole number from 1 to 100" },
	{ "/v1/queues/pull/lease", JSON, "{\"wait\":-1}", 422, "unprocessable",
	    "wait: a number of seconds, or a duration such as \"30s\" or "
	    "\"5m\"" },
	{ "/v1/queues/pull/lease", JSON, "{\"lease\":0}", 422, "unprocessable",
	    "lease: a number of seconds, or a duration such as \"30s\" or "
	    "\"5m\"" },
	{ "/v1/queues/pull/lease", JSON, "{\"lease\":\"8d\"}", 422,
	    "unprocessable", "lease: 7 days at most" },
	{ "/v1/queues/nope/lease", JSON, "{}", 404, "not-found",
	    "there is no such queue" },
	{ "/v1/queues/NOPE/lease", JSON, "{}", 404, "not-found",
	    "there is no such queue" },
	{ "/v1/queues/mill/lease", JSON, "{}", 409, "conflict",
	    "the jobs of queue mill are not for consumers" },
	{ "/v1/jobs/01890a5d-ac96-774b-bcce-b302099a8057/complete", JSON,
	    "{\"lease_token\":\"x\"}", 404, "not-found",
	    "no such thing, or no longer" },
	{ "/v1/jobs/nonsense/extend", JSON, "{\"lease_token\":\"x\"}", 404,
	    "not-found", "no such thing, or no longer" },
	{ "/v1/jobs/%s/complete", "", "{}", 415, "unsupported-media-type",
	    "send application/json" },
	{ "/v1/jobs/%s/complete", JSON, "nonsense", 400, "bad-json", NULL },
	{ "/v1/jobs/%s/complete", JSON, "{}", 422, "unprocessable",
	    "lease_token: must be given" },
	{ "/v1/jobs/%s/complete", JSON, "{\"lease_token\":7}", 422,
	    "unprocessable", "lease_token: a string" },
	{ "/v1/jobs/%s/complete", JSON, "{\"lease_token\":\"\"}", 409,
	    "stale-lease",
	    "the lease of this token is over, or there was none" },
	{ "/v1/jobs/%s/complete", JSON,
	    "{\"lease_token\":\"0123456789abcdef0123456789abcdef\"}", 409,
	    "stale-lease",
	    "the lease of this token is over, or there was none" },
	{ "/v1/jobs/%s/complete", JSON,
	    "{\"lease_token\":\"x\",\"status\":100}", 422, "unprocessable",
	    "status: a status from 200 to 599" },
	{ "/v1/jobs/%s/complete", JSON,
	    "{\"lease_token\":\"x\",\"headers\":[]}", 422, "unprocessable",
	    "headers: an object of strings" },
	{ "/v1/jobs/%s/complete", JSON,
	    "{\"lease_token\":\"x\",\"headers\":{\"A\":1}}", 422,
	    "unprocessable", "headers: values are strings" },
	{ "/v1/jobs/%s/complete", JSON,
	    "{\"lease_token\":\"x\",\"headers\":{\"A b\":\"1\"}}", 422,
	    "unprocessable", "headers: A b is not a legal field" },
	{ "/v1/jobs/%s/complete", JSON,
	    "{\"lease_token\":\"x\",\"body\":\"a\",\"body_base64\":\"\"}", 422,
	    "unprocessable",
	    "body_base64: there is a body already: body or body_base64, not "
	    "both" },
	{ "/v1/jobs/%s/complete", JSON,
	    "{\"lease_token\":\"x\",\"body_base64\":\"?\"}", 422,
	    "unprocessable", "body_base64: base64 with padding" },
	{ "/v1/jobs/%s/complete", JSON, "{\"lease_token\":\"x\",\"body\":{}}",
	    422, "unprocessable", "body: a string" },
	{ "/v1/jobs/%s/fail", JSON, "{\"lease_token\":\"x\",\"retry\":1}", 422,
	    "unprocessable", "retry: true or false" },
	{ "/v1/jobs/%s/fail", JSON, "{\"lease_token\":\"x\",\"error\":1}", 422,
	    "unprocessable", "error: a string" },
	{ "/v1/jobs/%s/fail", JSON, "{\"lease_token\":\"x\",\"delay\":\"x\"}",
	    422, "unprocessable",
	    "delay: a number of seconds, or a duration such as \"30s\" or "
	    "\"5m\"" },
	{ "/v1/jobs/%s/progress", JSON, "{\"lease_token\":\"x\"}", 422,
	    "unprocessable", "progress: it or message must be given" },
	{ "/v1/jobs/%s/progress", JSON,
	    "{\"lease_token\":\"x\",\"progress\":1.5}", 422, "unprocessable",
	    "progress: a number from 0 to 1" },
	{ "/v1/jobs/%s/progress", JSON,
	    "{\"lease_token\":\"x\",\"progress\":\"0.5\"}", 422,
	    "unprocessable", "progress: a number from 0 to 1" },
	{ "/v1/jobs/%s/progress", JSON,
	    "{\"lease_token\":\"x\",\"message\":[]}", 422, "unprocessable",
	    "message: a string" },
};

START_TEST(what_means_nothing_is_refused_with_its_place)
{
	struct world world;
	struct hand hand;
	char id[ID_SIZE];

	open_pulled(&world);
	submit(&world, "/pull/x", "", "x", id);
	hand = lease_one(&world, "{}");
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		const struct refused *row = &refused[i];
		struct reply reply;
		char target[128];

		snprintf(target, sizeof(target), row->target, id);
		api(&world, "POST", target, row->fields, row->body, &reply);
		ck_assert_msg(reply.status == row->status, "%s %s: %d %s",
		    row->target, row->body, reply.status, reply.body);
		expect_problem(&reply, row->status, row->name);
		if (row->detail != NULL)
			ck_assert_str_eq(look_text(reply_json(&reply),
					     "detail"),
			    row->detail);
		reply_clear(&reply);
	}
	say_well(&world, &hand, "complete", "", "succeeded");
	world_close(&world);
}
END_TEST

START_TEST(other_methods_are_told_what_is_meant)
{
	static const char *const rows[][2] = { { "/v1/queues/pull/lease",
						   "POST" },
		{ "/v1/queues", "GET, HEAD" },
		{ "/v1/queues/pull", "GET, HEAD" },
		{ "/v1/jobs/x/complete", "POST" } };
	struct world world;
	struct reply reply;

	open_pulled(&world);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		api(&world, "PUT", rows[i][0], "", "x", &reply);
		expect_problem(&reply, 405, "method-not-allowed");
		ck_assert_str_eq(reply_header(&reply, "Allow"), rows[i][1]);
		reply_clear(&reply);
	}
	world_close(&world);
}
END_TEST

/* ---- clients ---- */

#define KEY(key) "Authorization: Bearer " key "\r\n"
/* SHA-256 of "client-key", "worker-key" and "other-key". */
#define CLIENT_HASH                                                            \
	"8eb943e7040b69a94bf39562088223755bff4c2e7c5fc257f1e08f870fe01d35"
#define WORKER_HASH                                                            \
	"3a689b32a992b1ded53cec9fc20081eef3695855bc3f5bcad36b527840a36d90"
#define OTHER_HASH                                                             \
	"580843d03d2216ff1a275d0991bad66e4d1af871171d929e9de604b7959f9bca"

static const struct setup kept_apart = {
	.more = "queue \"few\" { path = \"/few/\" executor = \"pull\""
		" consumers = {\"worker\"} }\n"
		"queue \"any\" { path = \"/any/\" executor = \"pull\" }\n"
		"client \"client\" { key_sha256 = \"" CLIENT_HASH "\""
		" queues = {\"few\", \"any\"} }\n"
		"client \"worker\" { key_sha256 = \"" WORKER_HASH "\" }\n"
		"client \"other\" { key_sha256 = \"" OTHER_HASH "\""
		" queues = {\"mill\"} }\n"
};

static void
ask_as(struct world *world, const char *key, const char *target,
    const char *body, int status, struct reply *out)
{
	char fields[256];

	snprintf(fields, sizeof(fields), "%sAuthorization: Bearer %s\r\n", JSON,
	    key);
	api(world, "POST", target, fields, body, out);
	ck_assert_msg(out->status == status, "%s %s: %d %s", key, target,
	    out->status, out->body);
}

START_TEST(who_may_lease_is_the_operators_to_say)
{
	struct world world;
	struct reply reply;
	struct hand hand;
	char target[96], body[96];

	world_open(&world, &kept_apart);
	ask_as(&world, "client-key", "/few/x", "{}", 202, &reply);
	reply_clear(&reply);
	ask_as(&world, "client-key", "/v1/queues/few/lease", "{}", 403, &reply);
	expect_problem(&reply, 403, "forbidden");
	reply_clear(&reply);
	ask_as(&world, "other-key", "/v1/queues/any/lease", "{}", 403, &reply);
	reply_clear(&reply);
	ask_as(&world, "client-key", "/v1/queues/any/lease", "{}", 200, &reply);
	reply_clear(&reply);
	ask_as(&world, "worker-key", "/v1/queues/few/lease", "{}", 200, &reply);
	ck_assert_int_eq(take_hands(&reply, &hand), 1);
	snprintf(target, sizeof(target), "/v1/jobs/%s/complete", hand.id);
	ask_as(&world, "other-key", target, "{\"lease_token\":\"x\"}", 404,
	    &reply);
	reply_clear(&reply);
	ask_as(&world, "worker-key", target, "{\"lease_token\":\"x\"}", 409,
	    &reply);
	reply_clear(&reply);
	snprintf(body, sizeof(body), "{\"lease_token\":\"%s\"}", hand.token);
	ask_as(&world, "worker-key", target, body, 200, &reply);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_client_sees_the_queues_it_may_use)
{
	struct world world;
	struct reply reply;

	world_open(&world, &kept_apart);
	api(&world, "GET", "/v1/queues", KEY("other-key"), NULL, &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_int_eq(look_at(reply_json(&reply), "queues")->count, 1);
	ck_assert_str_eq(look_text(reply_json(&reply), "queues.0.name"),
	    "mill");
	reply_clear(&reply);
	api(&world, "GET", "/v1/queues/few", KEY("other-key"), NULL, &reply);
	expect_problem(&reply, 403, "forbidden");
	reply_clear(&reply);
	api(&world, "GET", "/v1/queues/few", KEY("client-key"), NULL, &reply);
	ck_assert_int_eq(reply.status, 200);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

/* ---- queues ---- */

START_TEST(a_queue_shows_what_is_in_it)
{
	struct world world;
	struct reply reply;
	const struct json_value *queue;
	struct hand hand;
	char id[ID_SIZE];

	open_pulled(&world);
	submit(&world, "/pull/x", "", "abc", id);
	submit(&world, "/pull/x", "", "abcd", id);
	submit(&world, "/pull/x", "Job-Delay: 1h\r\n", "", id);
	ck_assert_int_eq(lease(&world, "{}", &hand), 1);
	api(&world, "GET", "/v1/queues/pull", "", NULL, &reply);
	ck_assert_int_eq(reply.status, 200);
	queue = reply_json(&reply);
	ck_assert_str_eq(look_text(queue, "name"), "pull");
	ck_assert_str_eq(look_text(queue, "executor"), "pull");
	ck_assert(!look_at(queue, "paused")->truth);
	ck_assert_int_eq(look_int(queue, "depth"), 2);
	ck_assert_int_eq(look_int(queue, "delayed"), 1);
	ck_assert_int_eq(look_int(queue, "running"), 1);
	ck_assert_int_eq(look_int(queue, "concurrency"), 50);
	ck_assert_int_eq(look_int(queue, "places"), 3);
	ck_assert_int_eq(look_int(queue, "capacity"), 10000);
	ck_assert_int_eq(look_int(queue, "bytes"), 7);
	ck_assert_int_eq(look_int(queue, "capacity_bytes"), 256 << 20);
	ck_assert_int_ge(look_int(queue, "oldest_age_ms"), 0);
	ck_assert_int_eq(look_at(queue, "accept_rate")->kind, JSON_NUMBER);
	ck_assert_str_ne(look_at(queue, "accept_rate")->text, "0");
	ck_assert_str_eq(look_at(queue, "drain_rate")->text, "0");
	ck_assert_str_eq(look_text(queue, "links.self"), "/v1/queues/pull");
	reply_clear(&reply);
	api(&world, "GET", "/v1/queues", "", NULL, &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "queues.0.name"),
	    "mill");
	ck_assert_str_eq(look_text(reply_json(&reply), "queues.1.name"),
	    "pull");
	ck_assert(look_is_null(reply_json(&reply), "queues.0.oldest_age_ms"));
	reply_clear(&reply);
	api(&world, "GET", "/v1/queues/nope", "", NULL, &reply);
	expect_problem(&reply, 404, "not-found");
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

static void
operate(struct world *world, const char *target, bool is_paused)
{
	struct reply reply;

	ask(world->admin, "POST", target, "", NULL, &reply);
	ck_assert_msg(reply.status == 200, "%d %s", reply.status, reply.body);
	ck_assert_int_eq(look_at(reply_json(&reply), "paused")->truth,
	    is_paused);
	reply_clear(&reply);
}

START_TEST(a_paused_queue_runs_nothing_until_it_is_resumed)
{
	struct world world;
	struct reply reply;
	struct hand hand;
	char pulled[ID_SIZE], run[ID_SIZE];

	open_pulled(&world);
	operate(&world, "/v1/queues/pull/pause", true);
	operate(&world, "/v1/queues/mill/pause", true);
	submit(&world, "/pull/x", "", "x", pulled);
	submit(&world, "/mill/ok", "", "x", run);
	ck_assert_int_eq(lease(&world, "{\"wait\":\"200ms\"}", &hand), 0);
	daemon_kill(&world);
	daemon_start(&world);
	ck_assert_int_eq(lease(&world, "{\"wait\":\"200ms\"}", &hand), 0);
	job_get(&world, run, &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "status"), "queued");
	reply_clear(&reply);
	operate(&world, "/v1/queues/mill/resume", false);
	job_wait(&world, run, "succeeded", &reply);
	reply_clear(&reply);
	ck_assert_int_eq(lease(&world, "{}", &hand), 0);
	operate(&world, "/v1/queues/pull/resume", false);
	ck_assert_int_eq(lease(&world, "{\"wait\":5}", &hand), 1);
	ck_assert_str_eq(hand.id, pulled);
	world_close(&world);
}
END_TEST

START_TEST(only_the_operator_pauses_and_only_by_post)
{
	struct world world;
	struct reply reply;

	open_pulled(&world);
	api(&world, "POST", "/v1/queues/pull/pause", "", "", &reply);
	expect_problem(&reply, 404, "not-found");
	reply_clear(&reply);
	admin(&world, "GET", "/v1/queues/pull/pause", &reply);
	expect_problem(&reply, 405, "method-not-allowed");
	ck_assert_str_eq(reply_header(&reply, "Allow"), "POST");
	reply_clear(&reply);
	ask(world.admin, "POST", "/v1/queues/nope/pause", "", NULL, &reply);
	expect_problem(&reply, 404, "not-found");
	reply_clear(&reply);
	ask(world.admin, "POST", "/healthz", "", NULL, &reply);
	expect_problem(&reply, 405, "method-not-allowed");
	ck_assert_str_eq(reply_header(&reply, "Allow"), "GET, HEAD");
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

/* ---- the workers of contrib ---- */

/* Lets one do one job; false when what it is written in is not here. */
static bool
let_work(struct world *world, const char *language, const char *name,
    const char *command)
{
	const char *top = getenv("top_srcdir");
	const char *ask_version[] = { "/usr/bin/env", language, "-c", "exit",
		NULL };
	char script[PATH_SIZE], url[ADDRESS_TEXT_SIZE];
	const char *argv[] = { "/usr/bin/env", language, script, url, "pull",
		command, NULL };
	struct process process;

	if (strcmp(language, "sh") == 0)
		ask_version[3] = "command -v curl && command -v base64";
	if (process_run(&process, world->folder, "version", ask_version) != 0)
		return false;
	snprintf(script, sizeof(script), "%s/contrib/workers/%s",
	    top != NULL ? top : ".", name);
	report_absolute(script);
	snprintf(url, sizeof(url), "http://%.140s", world->api);
	ck_assert_int_eq(setenv("ONCE", "1", 1), 0);
	ck_assert_int_eq(process_run(&process, world->folder, name, argv), 0);
	return true;
}

/* What JSON has to escape, in UTF-8 of one to four bytes. */
#define AWKWARD "a \"q\" \\ / \n\t\001 \303\251 \342\202\254 \360\237\230\200."

START_TEST(the_workers_of_contrib_do_their_work)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	open_pulled(&world);
	submit(&world, "/pull/x", "", AWKWARD, id);
	if (let_work(&world, "sh", "worker.sh", "cat")) {
		result_get(&world, id, &reply);
		ck_assert_str_eq(reply.body, AWKWARD);
		reply_clear(&reply);
		submit(&world, "/pull/x", "", "\377", id);
		ck_assert(let_work(&world, "sh", "worker.sh", "false"));
		job_get(&world, id, &reply);
		ck_assert_str_eq(look_text(reply_json(&reply), "error.type"),
		    "consumer-failed");
		reply_clear(&reply);
	}
	if (let_work(&world, "python3", "worker.py", NULL)) {
		job_wait(&world, id, "succeeded", &reply);
		ck_assert_str_eq(look_at(reply_json(&reply), "progress")->text,
		    "0.5");
		reply_clear(&reply);
	}
	world_close(&world);
}
END_TEST

/* Nobody waits for the end of its lease. */
START_TEST(a_worker_whose_result_is_refused_says_so)
{
	struct setup setup = {
		.top = "max_body = \"64k\"\n",
		.more = "queue pull { path = \"/pull/\" executor = \"pull\"\n"
			" attempts = 1 timeout = \"1h\" }\n",
	};
	struct world world;
	struct reply reply;
	char body[60001], id[ID_SIZE];

	memset(body, 'x', sizeof(body) - 1);
	body[sizeof(body) - 1] = '\0';
	world_open(&world, &setup);
	submit(&world, "/pull/x", "", body, id);
	if (let_work(&world, "sh", "worker.sh", "cat")) {
		job_get(&world, id, &reply);
		ck_assert_str_eq(look_text(reply_json(&reply), "error.type"),
		    "consumer-failed");
		ck_assert_ptr_nonnull(
		    strstr(look_text(reply_json(&reply), "error.detail"),
			"limit is 65536 bytes"));
		reply_clear(&reply);
		submit(&world, "/pull/x", "", body, id);
	}
	if (let_work(&world, "python3", "worker.py", NULL)) {
		job_get(&world, id, &reply);
		ck_assert_ptr_nonnull(
		    strstr(look_text(reply_json(&reply), "error.detail"),
			"limit is 65536 bytes"));
		reply_clear(&reply);
	}
	world_close(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		a_consumer_gets_the_job_with_its_request,
		a_body_that_is_no_text_comes_in_base64,
		a_batch_is_leased_at_once_and_nothing_twice,
		concurrency_bounds_the_leases,
		a_long_poll_is_answered_when_a_job_comes,
		a_long_poll_for_nothing_ends_empty,
		a_consumer_that_hangs_up_is_given_no_job,
		a_consumer_that_hangs_up_at_once_does_no_harm,
		hanging_up_at_any_moment_loses_nothing,
		sigterm_ends_long_polls_and_takes_results,
		a_result_is_what_a_client_gets,
		a_result_without_anything_is_200,
		results_are_judged_as_those_of_an_upstream,
		a_failure_is_tried_again_after_the_delay,
		a_failure_without_retry_is_the_end,
		a_lease_that_ends_puts_the_job_back_once,
		leases_that_end_use_up_the_attempts,
		an_extended_lease_outlives_its_first_end,
		progress_is_shown_and_called_back,
		a_cancelled_job_is_taken_from_its_consumer,
		two_consumers_never_hold_one_job,
		kill_9_takes_no_lease_away,
		a_lease_that_ended_during_kill_9_is_over,
		what_means_nothing_is_refused_with_its_place,
		other_methods_are_told_what_is_meant,
		who_may_lease_is_the_operators_to_say,
		a_client_sees_the_queues_it_may_use,
		a_queue_shows_what_is_in_it,
		a_paused_queue_runs_nothing_until_it_is_resumed,
		only_the_operator_pauses_and_only_by_post,
		the_workers_of_contrib_do_their_work,
		a_worker_whose_result_is_refused_says_so,
	};

	return HARNESS_RUN("consume", cases);
}
