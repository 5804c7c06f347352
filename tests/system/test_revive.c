/* test_revive.c - POST /v1/jobs/{id}/retry: a job that has failed runs again,
 * whoever runs it, and what it came to before is forgotten.
 *
 * Contract, section 3.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"

/* What the queue mill is like unless a case says otherwise. */
#define TWO_TRIES                                                              \
	"attempts = 2\n"                                                       \
	" backoff { initial = \"20ms\" max = \"20ms\" }\n"

static void
try_revive(struct world *world, const char *id, struct reply *out)
{
	char target[80];

	snprintf(target, sizeof(target), "/v1/jobs/%s/retry", id);
	api(world, "POST", target, "", "", out);
}

/* Demands that it is queued, or runs again already. */
static void
revive(struct world *world, const char *id)
{
	const struct json_value *job;
	struct reply reply;

	try_revive(world, id, &reply);
	ck_assert_int_eq(reply.status, 202);
	ck_assert_ptr_nonnull(reply_header(&reply, "Retry-After"));
	job = reply_json(&reply);
	ck_assert_str_eq(look_text(job, "id"), id);
	ck_assert(look_says(job, "status", "queued") ||
	    look_says(job, "status", "running"));
	ck_assert(look_is_null(job, "finished_at"));
	ck_assert(look_is_null(job, "expires_at"));
	ck_assert(look_is_null(job, "response"));
	reply_clear(&reply);
}

static void
fails(struct world *world, const char *id, const char *error, int attempts)
{
	struct reply reply;

	job_wait(world, id, "failed", &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "error.type"), error);
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), attempts);
	reply_clear(&reply);
}

static void
succeeds(struct world *world, const char *id, int attempts)
{
	struct reply reply;

	job_wait(world, id, "succeeded", &reply);
	ck_assert(look_is_null(reply_json(&reply), "error"));
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), attempts);
	reply_clear(&reply);
}

static void
result_is(struct world *world, const char *id, int status)
{
	struct reply reply;

	result_get(world, id, &reply);
	ck_assert_int_eq(reply.status, status);
	reply_clear(&reply);
}

/* ---- what it does ---- */

START_TEST(a_failed_job_is_given_as_many_attempts_again)
{
	struct setup setup = { .queue = TWO_TRIES };
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &setup);
	submit(&world, "/mill/fail-times?n=4&status=503", "", "x", id);
	fails(&world, id, "status-5xx", 2);
	result_is(&world, id, 503);
	revive(&world, id);
	fails(&world, id, "status-5xx", 4);
	revive(&world, id);
	succeeds(&world, id, 5);
	result_is(&world, id, 200);
	job_get(&world, id, &reply);
	ck_assert_int_eq(look_int(reply_json(&reply), "max_attempts"), 6);
	reply_clear(&reply);
	ck_assert_int_eq(peer_seen(&world.upstream, "/fail-times"), 5);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

/* Receivers tell events apart by their ids. */
START_TEST(its_next_end_is_another_event)
{
	struct setup setup = { .queue = TWO_TRIES };
	struct json_document *first, *second;
	struct world world;
	char fields[256], id[ID_SIZE];

	world_open(&world, &setup);
	snprintf(fields, sizeof(fields), "%s", callback_to(&world, "/ok"));
	submit(&world, "/mill/fail-times?n=2", fields, "x", id);
	first = peer_request(&world.receiver, "/ok", 0);
	revive(&world, id);
	second = peer_request(&world.receiver, "/ok", 1);
	ck_assert_str_eq(seen_field(first, "Job-Id"), id);
	ck_assert_str_eq(seen_field(second, "Job-Id"), id);
	ck_assert_str_eq(seen_field(first, "Job-Status"), "failed");
	ck_assert_str_eq(seen_field(second, "Job-Status"), "succeeded");
	ck_assert_str_ne(seen_field(first, "webhook-id"),
	    seen_field(second, "webhook-id"));
	json_document_free(&first);
	json_document_free(&second);
	world_close(&world);
}
END_TEST

/* The time in which it had to start is over; it was asked for again. */
START_TEST(a_job_that_has_expired_runs_without_a_limit)
{
	struct setup setup = { .queue = "concurrency = 1\n" };
	struct world world;
	char busy[ID_SIZE], id[ID_SIZE];

	world_open(&world, &setup);
	submit(&world, "/mill/hang", "", "x", busy);
	submit(&world, "/mill/ok", "Job-Expires: 50ms\r\n", "x", id);
	fails(&world, id, "expired", 0);
	revive(&world, id);
	daemon_kill(&world); /* it is written down so, too */
	daemon_start(&world);
	cancel(&world, busy);
	succeeds(&world, id, 1);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(what_was_asked_for_outlives_kill_9)
{
	struct setup setup = { .queue = "concurrency = 1\n attempts = 1\n" };
	struct world world;
	char busy[ID_SIZE], id[ID_SIZE];

	world_open(&world, &setup);
	submit(&world, "/mill/fail-times?n=1", "", "x", id);
	fails(&world, id, "status-5xx", 1);
	submit(&world, "/mill/hang", "", "x", busy);
	wait_until(peer_seen(&world.upstream, "/hang") == 1);
	revive(&world, id);
	daemon_kill(&world);
	daemon_start(&world);
	succeeds(&world, id, 2);
	fails(&world, busy, "interrupted", 1);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

/* ---- whoever runs it ---- */

START_TEST(a_command_is_started_again)
{
	struct setup setup = {
		.more = "queue tools { path = \"/tools/\" executor = command\n"
			" attempts = 1 command = {\"/bin/sh\", \"-c\",\n"
			" \"mkdir once && exit 64; echo $CALLBACKD_ATTEMPT\"}"
			" }\n",
	};
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &setup);
	submit(&world, "/tools/", "", "x", id);
	fails(&world, id, "command-failed", 1);
	revive(&world, id);
	succeeds(&world, id, 2);
	result_get(&world, id, &reply);
	ck_assert_str_eq(reply.body, "2\n");
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

/* Leases it and says that it has failed, for good. */
static void
give_up(struct world *world, const char *id)
{
	char target[80], body[160];
	struct reply reply;

	api(world, "POST", "/v1/queues/pull/lease",
	    "Content-Type: application/json\r\n", "{\"wait\":10}", &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(look_text(reply_json(&reply), "jobs.0.id"), id);
	snprintf(body, sizeof(body), "{\"lease_token\":\"%s\",\"retry\":false}",
	    look_text(reply_json(&reply), "jobs.0.lease_token"));
	reply_clear(&reply);
	snprintf(target, sizeof(target), "/v1/jobs/%s/fail", id);
	api(world, "POST", target, "Content-Type: application/json\r\n", body,
	    &reply);
	ck_assert_int_eq(reply.status, 200);
	reply_clear(&reply);
}

START_TEST(a_consumer_is_given_it_again)
{
	struct setup setup = {
		.more =
		    "queue pull { path = \"/pull/\" executor = \"pull\" }\n",
	};
	struct world world;
	char id[ID_SIZE];

	world_open(&world, &setup);
	submit(&world, "/pull/", "", "x", id);
	give_up(&world, id);
	fails(&world, id, "consumer-failed", 1);
	revive(&world, id);
	give_up(&world, id);
	fails(&world, id, "consumer-failed", 2);
	world_close(&world);
}
END_TEST

/* ---- what is refused ---- */

static void
is_refused(struct world *world, const char *id, int status, const char *name)
{
	struct reply reply;

	try_revive(world, id, &reply);
	expect_problem(&reply, status, name);
	reply_clear(&reply);
}

START_TEST(only_what_has_failed_runs_again)
{
	struct world world;
	char id[ID_SIZE];

	world_open(&world, NULL);
	submit(&world, "/mill/ok", "Job-Delay: 1h\r\n", "x", id);
	is_refused(&world, id, 409, "conflict");
	cancel(&world, id);
	is_refused(&world, id, 409, "conflict");
	submit(&world, "/mill/hang", "", "x", id);
	is_refused(&world, id, 409, "conflict");
	cancel(&world, id);
	submit(&world, "/mill/ok", "", "x", id);
	succeeds(&world, id, 1);
	is_refused(&world, id, 409, "conflict");
	ck_assert_int_eq(peer_seen(&world.upstream, "/ok"), 1);
	is_refused(&world, "01a1f8a4-9fc1-7000-b827-8bd19b554c6f", 404,
	    "not-found");
	is_refused(&world, "1", 404, "not-found");
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(it_needs_a_place_in_its_queue)
{
	struct setup setup = {
		.queue = "concurrency = 1\n attempts = 1\n capacity = 1\n"
	};
	struct world world;
	struct reply reply;
	char busy[ID_SIZE], waiting[ID_SIZE], id[ID_SIZE];

	world_open(&world, &setup);
	submit(&world, "/mill/fail-times?n=1", "", "x", id);
	fails(&world, id, "status-5xx", 1);
	submit(&world, "/mill/hang", "", "x", busy);
	wait_until(peer_seen(&world.upstream, "/hang") == 1);
	submit(&world, "/mill/ok", "", "x", waiting);
	try_revive(&world, id, &reply);
	expect_problem(&reply, 503, "queue-full");
	ck_assert_ptr_nonnull(reply_header(&reply, "Retry-After"));
	reply_clear(&reply);
	fails(&world, id, "status-5xx", 1);
	result_is(&world, id, 500);
	cancel(&world, waiting);
	revive(&world, id);
	cancel(&world, busy);
	succeeds(&world, id, 2);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		a_failed_job_is_given_as_many_attempts_again,
		its_next_end_is_another_event,
		a_job_that_has_expired_runs_without_a_limit,
		what_was_asked_for_outlives_kill_9,
		a_command_is_started_again,
		a_consumer_is_given_it_again,
		only_what_has_failed_runs_again,
		it_needs_a_place_in_its_queue,
	};

	return HARNESS_RUN("revive", cases);
}
