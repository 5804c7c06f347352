/* test_redeliver.c - receivers that fail: retries, breakers, dead letters.
 *
 * Contract, section 5: outcome of an attempt, schedule, breaker, redelivery.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"

/* A job that has ended well and whose callback goes to that path. */
static void
call(struct world *world, const char *path, char id[ID_SIZE])
{
	submit(world, "/mill/echo", callback_to(world, path), "x", id);
}

static int64_t
seen_at_ms(struct peer *peer, const char *path, int nth)
{
	struct json_document *seen = peer_request(peer, path, nth);
	int64_t at_ms = look_int(json_root(seen), "at_ms");

	json_document_free(&seen);
	return at_ms;
}

START_TEST(a_failed_attempt_is_repeated_with_the_same_id_and_body)
{
	struct world world;
	struct reply reply;
	struct json_document *first, *next;
	const struct json_value *job;
	char id[ID_SIZE], number[16];

	world_open(&world, NULL);
	call(&world, "/fail-times?n=2", id);
	callback_wait(&world, id, "delivered", &reply);
	job = reply_json(&reply);
	ck_assert_int_eq(look_at(job, "callback.attempts")->count, 3);
	ck_assert_int_eq(look_int(job, "callback.attempts.0.status"), 500);
	ck_assert_str_eq(look_text(job, "callback.attempts.1.error"),
	    "status-5xx");
	ck_assert_int_eq(look_int(job, "callback.attempts.2.status"), 200);
	ck_assert(look_is_null(job, "callback.attempts.2.error"));
	first = peer_request(&world.receiver, "/fail-times", 0);
	for (int i = 0; i < 3; i++) {
		next = peer_request(&world.receiver, "/fail-times", i);
		snprintf(number, sizeof(number), "%d", i + 1);
		ck_assert_str_eq(seen_field(next, "Webhook-Attempt"), number);
		snprintf(number, sizeof(number), "%d", 3 - i);
		ck_assert_str_eq(seen_field(next, "Webhook-Attempts-Left"),
		    number);
		ck_assert_str_eq(seen_text(next, "webhook_id"),
		    seen_text(first, "webhook_id"));
		ck_assert_str_eq(seen_text(next, "sha256"),
		    seen_text(first, "sha256"));
		ck_assert(look_at(json_root(next), "verified")->truth);
		json_document_free(&next);
	}
	json_document_free(&first);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(gaps_between_attempts_follow_the_schedule)
{
	struct setup setup = { .callback = LOOPBACK_ALLOWED
		"schedule = {\"100ms\", \"600ms\"}\n" };
	struct world world;
	struct reply reply;
	char id[ID_SIZE];
	int64_t at_ms[3];

	world_open(&world, &setup);
	call(&world, "/status/500", id);
	callback_wait(&world, id, "dead", &reply);
	reply_clear(&reply);
	for (int i = 0; i < 3; i++)
		at_ms[i] = seen_at_ms(&world.receiver, "/status/500", i);
	ck_assert_int_ge(at_ms[1] - at_ms[0], 75);
	ck_assert_int_ge(at_ms[2] - at_ms[1], 475);
	ck_assert_int_eq(peer_seen(&world.receiver, "/status/500"), 3);
	world_close(&world);
}
END_TEST

START_TEST(the_receivers_retry_after_is_honoured_up_to_the_ceiling)
{
	struct setup setup = { .callback = LOOPBACK_ALLOWED
		"schedule = {\"20ms\", \"20ms\"}\n"
		" retry_after_max = \"1500ms\"\n" };
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &setup);
	call(&world, "/retry-after?s=1", id);
	callback_wait(&world, id, "delivered", &reply);
	reply_clear(&reply);
	ck_assert_int_ge(seen_at_ms(&world.receiver, "/retry-after", 1) -
		seen_at_ms(&world.receiver, "/retry-after", 0),
	    990);
	/* An hour is cut to the ceiling, or this never ends. */
	call(&world, "/retry-after?s=3600&status=429", id);
	callback_wait(&world, id, "delivered", &reply);
	reply_clear(&reply);
	ck_assert_int_ge(seen_at_ms(&world.receiver, "/retry-after", 3) -
		seen_at_ms(&world.receiver, "/retry-after", 2),
	    1490);
	world_close(&world);
}
END_TEST

/* One attempt was made and the callback is dead for that reason. */
static void
expect_dead_at_once(struct world *world, const char *path, const char *error)
{
	struct reply reply;
	const struct json_value *job;
	char id[ID_SIZE];

	call(world, path, id);
	callback_wait(world, id, "dead", &reply);
	job = reply_json(&reply);
	ck_assert_int_eq(look_at(job, "callback.attempts")->count, 1);
	ck_assert_str_eq(look_text(job, "callback.attempts.0.error"), error);
	ck_assert(look_is_null(job, "callback.next_attempt_at"));
	/* The job itself is as well as it was. */
	ck_assert_str_eq(look_text(job, "status"), "succeeded");
	ck_assert_int_eq(reply.status, 200);
	reply_clear(&reply);
}

START_TEST(a_receiver_may_say_never_again)
{
	struct world world;

	world_open(&world, NULL);
	expect_dead_at_once(&world, "/gone", "gone");
	expect_dead_at_once(&world,
	    "/status/500?header=webhook-delivery%3A%20abort-message",
	    "aborted-by-receiver");
	expect_dead_at_once(&world,
	    "/status/400?header=Webhook-Delivery%3A%20disable",
	    "aborted-by-receiver");
	world_close(&world);
}
END_TEST

START_TEST(redirects_are_failures_and_never_followed)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, NULL);
	call(&world, "/redirect?to=/followed&status=307", id);
	callback_wait(&world, id, "dead", &reply);
	ck_assert_int_eq(
	    look_at(reply_json(&reply), "callback.attempts")->count, 4);
	ck_assert_str_eq(look_text(reply_json(&reply),
			     "callback.attempts.0.error"),
	    "redirect");
	reply_clear(&reply);
	ck_assert_int_eq(peer_seen(&world.receiver, "/followed"), 0);
	ck_assert_int_eq(peer_seen(&world.receiver, "/redirect"), 4);
	world_close(&world);
}
END_TEST

START_TEST(each_kind_of_bad_receiver_has_its_word)
{
	static const char *const rows[][3] = {
		{ "/reset", "reset", "reset" },
		{ "/hang", "timeout-headers", "timeout-headers" },
		{ "/drip?part=head", "timeout-headers", "timeout-body" },
		{ "/garbage", "bad-response", "bad-response" },
		{ "/endless-headers", "too-large", "bad-response" },
		{ "/status/404", "status-4xx", "status-4xx" },
		{ "/status/429", "status-4xx", "status-4xx" },
		{ "/status/503", "status-5xx", "status-5xx" },
	};
	struct setup setup = { .callback = LOOPBACK_ALLOWED
		"schedule = {\"20ms\"}\n timeout = \"500ms\"\n"
		" breaker { failures = 1000 }\n" };
	struct world world;
	struct reply reply;
	char ids[8][ID_SIZE];

	world_open(&world, &setup);
	for (int i = 0; i < 8; i++)
		call(&world, rows[i][0], ids[i]);
	for (int i = 0; i < 8; i++) {
		callback_wait(&world, ids[i], "dead", &reply);
		for (int n = 1; n < 3; n++)
			if (look_says(reply_json(&reply),
				"callback.attempts.1.error", rows[i][n]))
				break;
			else
				ck_assert_msg(n < 2, "%s: %.900s", rows[i][0],
				    reply.body);
		reply_clear(&reply);
	}
	world_close(&world);
}
END_TEST

START_TEST(a_receiver_where_nobody_listens_is_refused_with_timings)
{
	struct setup setup = { .callback = LOOPBACK_ALLOWED
		"schedule = {\"20ms\"}\n" };
	struct world world;
	struct reply reply;
	const struct json_value *job;
	char id[ID_SIZE];

	world_open(&world, &setup);
	peer_stop(&world.receiver);
	call(&world, "/ok", id);
	callback_wait(&world, id, "dead", &reply);
	job = reply_json(&reply);
	ck_assert_str_eq(look_text(job, "callback.attempts.1.error"),
	    "refused");
	ck_assert(look_is_null(job, "callback.attempts.0.status"));
	ck_assert_ptr_nonnull(look_at(job, "callback.attempts.0.duration_ms"));
	ck_assert_ptr_nonnull(look_at(job, "callback.attempts.0.timing"));
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

static int
dead_letters(struct world *world, struct reply *out)
{
	api(world, "GET", "/v1/dead-letters", "", NULL, out);
	ck_assert_int_eq(out->status, 200);
	return (int)look_at(reply_json(out), "dead_letters")->count;
}

START_TEST(a_dead_letter_is_listed_and_can_be_delivered_again)
{
	struct world world;
	struct reply reply;
	const struct json_value *letter;
	char id[ID_SIZE], delivery[ID_SIZE], target[128];

	world_open(&world, NULL);
	call(&world, "/fail-times?n=5", id);
	callback_wait(&world, id, "dead", &reply);
	reply_clear(&reply);
	ck_assert_int_eq(dead_letters(&world, &reply), 1);
	letter = look_at(reply_json(&reply), "dead_letters.0");
	snprintf(delivery, sizeof(delivery), "%s", look_text(letter, "id"));
	ck_assert_str_eq(look_text(letter, "job"), id);
	ck_assert(look_is_null(letter, "endpoint"));
	ck_assert_ptr_nonnull(strstr(look_text(letter, "url"), "/fail-times"));
	ck_assert_str_eq(look_text(letter, "event"), "job.succeeded");
	ck_assert_int_eq(look_int(letter, "attempts"), 4);
	ck_assert_ptr_nonnull(look_text(letter, "at"));
	ck_assert_ptr_nonnull(look_at(letter, "error"));
	reply_clear(&reply);

	/* A fresh schedule: fails once more, then gets through. */
	snprintf(target, sizeof(target), "/v1/deliveries/%s/redeliver",
	    delivery);
	api(&world, "POST", target, "", NULL, &reply);
	ck_assert_msg(reply.status == 202 || reply.status == 200, "%d %.300s",
	    reply.status, reply.body);
	reply_clear(&reply);
	wait_until(
	    dead_letters(&world, &reply) == 0 || (reply_clear(&reply), false));
	reply_clear(&reply);
	callback_wait(&world, id, "delivered", &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "callback.id"),
	    delivery);
	reply_clear(&reply);
	snprintf(target, sizeof(target), "/count?key=%s", delivery);
	ask(world.receiver.address, "GET", target, "", NULL, &reply);
	ck_assert_str_eq(reply.body, "6\n");
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(what_is_not_dead_is_not_redelivered)
{
	static const char *const unknown[] = {
		"0198c5a0-0000-7000-8000-000000000000", "x"
	};
	struct world world;
	struct reply reply;
	char target[128];

	world_open(&world, NULL);
	for (int i = 0; i < 2; i++) {
		snprintf(target, sizeof(target), "/v1/deliveries/%s/redeliver",
		    unknown[i]);
		api(&world, "POST", target, "", NULL, &reply);
		expect_problem(&reply, 404, "not-found");
		reply_clear(&reply);
	}
	ck_assert_int_eq(dead_letters(&world, &reply), 0);
	ck_assert(look_is_null(reply_json(&reply), "next_cursor"));
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_host_that_keeps_failing_is_left_alone_for_the_cooldown)
{
	struct setup setup = { .callback = LOOPBACK_ALLOWED
		"schedule = {\"10ms\", \"10ms\", \"10ms\", \"10ms\"}\n"
		" per_host_concurrency = 1\n"
		" breaker { failures = 3  cooldown = \"800ms\" }\n" };
	struct world world;
	struct reply reply;
	char ids[4][ID_SIZE];
	int64_t attempts = 0;

	world_open(&world, &setup);
	for (int i = 0; i < 4; i++)
		call(&world, "/reset", ids[i]);
	/* Three in a row, a pause, then one probe at a time. */
	ck_assert_int_ge(seen_at_ms(&world.receiver, "/reset", 3) -
		seen_at_ms(&world.receiver, "/reset", 2),
	    780);
	ck_assert_int_ge(seen_at_ms(&world.receiver, "/reset", 4) -
		seen_at_ms(&world.receiver, "/reset", 3),
	    780);
	/* To wait is not to spend an attempt. */
	for (int i = 0; i < 4; i++) {
		job_get(&world, ids[i], &reply);
		ck_assert_str_eq(look_text(reply_json(&reply),
				     "callback.state"),
		    "pending");
		attempts += (int64_t)look_at(reply_json(&reply),
		    "callback.attempts")
				->count;
		reply_clear(&reply);
	}
	ck_assert_int_le(attempts, peer_seen(&world.receiver, "/reset"));
	world_close(&world);
}
END_TEST

START_TEST(one_host_gets_no_more_than_its_window_at_once)
{
	struct setup setup = { .callback = LOOPBACK_ALLOWED
		"per_host_concurrency = 2\n" };
	struct world world;
	struct reply reply;
	char ids[16][ID_SIZE];

	world_open(&world, &setup);
	for (int i = 0; i < 16; i++)
		call(&world, "/ok?delay_ms=40", ids[i]);
	for (int i = 0; i < 16; i++) {
		callback_wait(&world, ids[i], "delivered", &reply);
		reply_clear(&reply);
	}
	ck_assert_int_eq(peer_count(&world.receiver, "most_at_once"), 2);
	world_close(&world);
}
END_TEST

START_TEST(a_hanging_receiver_holds_up_neither_runs_nor_other_receivers)
{
	struct setup setup = { .top = "drain_timeout = \"200ms\"\n" };
	struct world world;
	struct reply reply;
	char id[ID_SIZE], fields[256];

	world_open(&world, &setup);
	for (int i = 0; i < 60; i++)
		call(&world, "/hang", id);
	wait_until(peer_count(&world.receiver, "now") >= 8);
	snprintf(fields, sizeof(fields), "Callback-URL: %s/ok\r\n",
	    world.upstream.url);
	for (int i = 0; i < 10; i++) {
		submit(&world, "/mill/echo", fields, "x", id);
		callback_wait(&world, id, "delivered", &reply);
		reply_clear(&reply);
	}
	world_close(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		a_failed_attempt_is_repeated_with_the_same_id_and_body,
		gaps_between_attempts_follow_the_schedule,
		the_receivers_retry_after_is_honoured_up_to_the_ceiling,
		a_receiver_may_say_never_again,
		redirects_are_failures_and_never_followed,
		each_kind_of_bad_receiver_has_its_word,
		a_receiver_where_nobody_listens_is_refused_with_timings,
		a_dead_letter_is_listed_and_can_be_delivered_again,
		what_is_not_dead_is_not_redelivered,
		a_host_that_keeps_failing_is_left_alone_for_the_cooldown,
		one_host_gets_no_more_than_its_window_at_once,
		a_hanging_receiver_holds_up_neither_runs_nor_other_receivers,
	};

	return HARNESS_RUN("redeliver", cases);
}
