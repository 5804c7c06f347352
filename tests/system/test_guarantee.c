/* test_guarantee.c - at-least-once and at-most-once: what is run again, and
 * what is not.
 *
 * Contract, section 8.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"

#define QUICK_BACKOFF                                                          \
	" backoff { initial = \"20ms\" max = \"20ms\" factor = 1.0 }\n"
#define AT_MOST_ONCE                                                           \
	"guarantee = \"at-most-once\"\n attempts = 3\n concurrency = 4\n"      \
	" timeout = \"2s\"\n" QUICK_BACKOFF
#define AT_LEAST_ONCE                                                          \
	"guarantee = \"at-least-once\"\n attempts = 3\n concurrency = 4\n"     \
	" timeout = \"300ms\"\n" QUICK_BACKOFF

static const struct setup at_most_once = { .queue = AT_MOST_ONCE };

/* Waits for the end of a job that came to the path, and demands so many runs. */
static void
expect_runs(struct world *world, const char *target, const char *status,
    const char *error, int runs)
{
	struct reply reply;
	char id[ID_SIZE];

	submit(world, target, "", "x", id);
	job_wait(world, id, status, &reply);
	ck_assert_msg(look_int(reply_json(&reply), "attempts") == runs,
	    "%s: %d runs, not %d", target,
	    (int)look_int(reply_json(&reply), "attempts"), runs);
	if (error != NULL)
		ck_assert_str_eq(look_text(reply_json(&reply), "error.type"),
		    error);
	reply_clear(&reply);
}

/* ---- outcomes ---- */

START_TEST(at_most_once_tries_again_what_shows_that_it_did_not_begin)
{
	static const char *const targets[] = {
		"/mill/fail-times?n=2&status=503&a",
		"/mill/retry-after?s=0&times=2&status=429",
		"/mill/retry-after?s=0&times=2&status=425",
		"/mill/retry-after?s=0&times=2&status=503",
	};
	struct world world;

	world_open(&world, &at_most_once);
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		expect_runs(&world, targets[i], "succeeded", NULL, 3);
	world_close(&world);
}
END_TEST

START_TEST(at_most_once_tries_again_where_nobody_listens)
{
	struct setup setup = { .queue = AT_MOST_ONCE, .no_upstream = true };
	struct world world;

	world_open(&world, &setup);
	expect_runs(&world, "/mill/ok", "failed", "refused", 3);
	world_close(&world);
}
END_TEST

START_TEST(at_most_once_leaves_alone_what_may_have_begun)
{
	static const struct {
		const char *target;
		const char *error;
	} rows[] = {
		{ "/mill/status/500", "status-5xx" },
		{ "/mill/status/502", "status-5xx" },
		{ "/mill/status/504", "status-5xx" },
		{ "/mill/status/408", "status-4xx" },
		{ "/mill/reset", "reset" },
		{ "/mill/cut?size=1000", "reset" },
		{ "/mill/garbage", "bad-response" },
		{ "/mill/hang", "timeout-headers" },
		{ "/mill/drip?every_ms=100&size=1000", "timeout-body" },
	};
	struct world world;

	world_open(&world, &at_most_once);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_runs(&world, rows[i].target, "failed", rows[i].error, 1);
	ck_assert_int_eq(peer_count(&world.upstream, "total"),
	    sizeof(rows) / sizeof(rows[0]));
	world_close(&world);
}
END_TEST

START_TEST(at_least_once_tries_all_of_that_again)
{
	static const char *const targets[] = { "/mill/status/500",
		"/mill/status/408", "/mill/reset", "/mill/hang",
		"/mill/status/503" };
	struct setup setup = { .queue = AT_LEAST_ONCE };
	struct world world;

	world_open(&world, &setup);
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		expect_runs(&world, targets[i], "failed", NULL, 3);
	world_close(&world);
}
END_TEST

/* ---- kill -9 ---- */

START_TEST(at_most_once_does_not_run_again_what_kill_9_interrupted)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &at_most_once);
	submit(&world, "/mill/ok?delay_ms=1500", callback_to(&world, "/ok"),
	    "x", id);
	wait_until(peer_seen(&world.upstream, "/ok") == 1);
	daemon_kill(&world);
	daemon_start(&world);
	callback_wait(&world, id, "delivered", &reply);
	ck_assert_int_eq(reply.status, 400);
	ck_assert_str_eq(look_text(reply_json(&reply), "status"), "failed");
	ck_assert_str_eq(look_text(reply_json(&reply), "error.type"),
	    "interrupted");
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 1);
	reply_clear(&reply);
	result_get(&world, id, &reply);
	expect_problem(&reply, 502, "interrupted");
	reply_clear(&reply);
	job_lives(&world, "/mill/echo", "", "x", "succeeded");
	ck_assert_int_eq(peer_seen(&world.upstream, "/ok"), 1);
	ck_assert_double_eq(metric(&world,
				"callbackd_queue_places{queue=\"mill\"}"),
	    0);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(at_least_once_runs_again_what_kill_9_interrupted)
{
	struct setup setup = { .queue = "attempts = 2\n" };
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &setup);
	submit(&world, "/mill/ok?delay_ms=1500", "", "x", id);
	wait_until(peer_seen(&world.upstream, "/ok") == 1);
	daemon_kill(&world);
	daemon_start(&world);
	job_wait(&world, id, "succeeded", &reply);
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 2);
	reply_clear(&reply);
	ck_assert_int_eq(peer_seen(&world.upstream, "/ok"), 2);
	world_close(&world);
}
END_TEST

/* It was refused, so it never began: kill -9 takes nothing from it. */
START_TEST(at_most_once_still_owes_a_try_that_waits_after_kill_9)
{
	struct setup setup = {
		.queue =
		    "guarantee = \"at-most-once\"\n"
		    " attempts = 2\n backoff { initial = \"2s\" max = \"2s\"\n"
		    " factor = 1.0 }\n"
	};
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &setup);
	submit(&world, "/mill/fail-times?n=1&status=503", "", "x", id);
	wait_until(peer_seen(&world.upstream, "/fail-times") == 1);
	job_wait(&world, id, "queued", &reply);
	reply_clear(&reply);
	daemon_kill(&world);
	daemon_start(&world);
	job_wait(&world, id, "succeeded", &reply);
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 2);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

#define JOBS 40

static int64_t
seen_of_job(struct world *world, const char *id)
{
	struct reply reply;
	char target[96];
	int64_t count;

	snprintf(target, sizeof(target), "/count?key=%s", id);
	ask(world->upstream.address, "GET", target, "", NULL, &reply);
	count = strtoll(reply.body, NULL, 10);
	reply_clear(&reply);
	return count;
}

static bool
has_ended(struct world *world, const char *id)
{
	struct reply reply;
	bool ended;

	job_get(world, id, &reply);
	ended = reply.status != 202;
	reply_clear(&reply);
	return ended;
}

/* Killed again and again while they run: the upstream sees none of them twice,
 * each of them ends, and those that it answered in time have succeeded. */
START_TEST(at_most_once_holds_through_many_kills)
{
	struct world world;
	struct reply reply;
	char ids[JOBS][ID_SIZE];
	int interrupted = 0;

	world_open(&world, &at_most_once);
	for (int i = 0; i < JOBS; i++)
		submit(&world, "/mill/ok?delay_ms=100", "", "x", ids[i]);
	for (int kills = 0; kills < 5; kills++) {
		int64_t seen = peer_count(&world.upstream, "total");

		wait_until(peer_count(&world.upstream, "total") > seen ||
		    has_ended(&world, ids[JOBS - 1]));
		daemon_kill(&world);
		daemon_start(&world);
	}
	for (int i = 0; i < JOBS; i++) {
		wait_until(has_ended(&world, ids[i]));
		ck_assert_int_le(seen_of_job(&world, ids[i]), 1);
		job_get(&world, ids[i], &reply);
		ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 1);
		if (look_says(reply_json(&reply), "status", "succeeded")) {
			ck_assert_int_eq(seen_of_job(&world, ids[i]), 1);
		} else {
			ck_assert_str_eq(look_text(reply_json(&reply),
					     "error.type"),
			    "interrupted");
			interrupted++;
		}
		reply_clear(&reply);
	}
	ck_assert_int_ge(interrupted, 1);
	ck_assert_int_lt(interrupted, JOBS);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

/* SIGTERM is no kill: runs in flight may end. */
START_TEST(at_most_once_runs_end_in_peace_at_sigterm)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &at_most_once);
	submit(&world, "/mill/ok?delay_ms=500", "", "x", id);
	wait_until(peer_seen(&world.upstream, "/ok") == 1);
	daemon_stop(&world);
	daemon_start(&world);
	job_wait(&world, id, "succeeded", &reply);
	reply_clear(&reply);
	ck_assert_int_eq(peer_seen(&world.upstream, "/ok"), 1);
	world_close(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		at_most_once_tries_again_what_shows_that_it_did_not_begin,
		at_most_once_tries_again_where_nobody_listens,
		at_most_once_leaves_alone_what_may_have_begun,
		at_least_once_tries_all_of_that_again,
		at_most_once_does_not_run_again_what_kill_9_interrupted,
		at_least_once_runs_again_what_kill_9_interrupted,
		at_most_once_still_owes_a_try_that_waits_after_kill_9,
		at_most_once_holds_through_many_kills,
		at_most_once_runs_end_in_peace_at_sigterm,
	};

	return HARNESS_RUN("guarantee", cases);
}
