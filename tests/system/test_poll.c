/* test_poll.c - upstreams that take the work with a 202 and answer later.
 *
 * Contract, section 3, and callbackd-api(7), "Upstreams that answer later":
 * where they are asked, how often, by what, and what the end is.
 */
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"

#define POLL " async_upstream = \"poll\"\n"
#define QUICK " backoff { initial = \"20ms\" max = \"60ms\" factor = 2.0 }\n"

static const struct setup polling = { .queue = POLL QUICK
	" attempts = 1\n timeout = \"20s\"\n" };

#define TARGET_SIZE 1024

/* A request that is answered by 202 with that Location. more: further
 * parameters of /taken, each with its '&'. */
static void
taken_at(const char *location, const char *more, char out[TARGET_SIZE])
{
	size_t len = (size_t)snprintf(out, TARGET_SIZE, "/mill/taken?to=");

	for (; *location != '\0'; location++)
		len += (size_t)snprintf(out + len, TARGET_SIZE - len,
		    isalnum((unsigned char)*location) ? "%c" : "%%%02x",
		    (unsigned char)*location);
	snprintf(out + len, TARGET_SIZE - len, "%s", more);
}

static void
submit_taken(struct world *world, const char *location, const char *fields,
    char id_out[ID_SIZE])
{
	char target[TARGET_SIZE];

	taken_at(location, "", target);
	submit(world, target, fields, "x", id_out);
}

/* Submits, and waits for the end, which it demands to be that one. */
static void
end_of(struct world *world, const char *location, const char *status,
    struct reply *out)
{
	char id[ID_SIZE];

	submit_taken(world, location, "", id);
	job_wait(world, id, status, out);
}

static void
expect_error(struct world *world, const char *location, const char *error,
    const char *detail)
{
	struct reply reply;

	end_of(world, location, "failed", &reply);
	ck_assert_msg(look_says(reply_json(&reply), "error.type", error),
	    "%s: %.900s", location, reply.body);
	ck_assert_msg(strstr(look_text(reply_json(&reply), "error.detail"),
			  detail) != NULL,
	    "%s: %.900s", location, reply.body);
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 1);
	reply_clear(&reply);
}

static void
expect_result(struct world *world, const char *location, const char *body)
{
	struct reply reply;
	char id[ID_SIZE];

	submit_taken(world, location, "", id);
	job_wait(world, id, "succeeded", &reply);
	reply_clear(&reply);
	result_get(world, id, &reply);
	ck_assert_msg(reply.status == 200 && strcmp(reply.body, body) == 0,
	    "%s: %d %.200s", location, reply.status, reply.body);
	reply_clear(&reply);
}

/* When the peer saw its nth request to that path. */
static int64_t
seen_at_ms(struct peer *peer, const char *path, int nth)
{
	struct json_document *seen = peer_request(peer, path, nth);
	int64_t at_ms = look_int(json_root(seen), "at_ms");

	json_document_free(&seen);
	return at_ms;
}

static int64_t
gap_ms(struct peer *peer, const char *path, int nth)
{
	int64_t first_ms = seen_at_ms(peer, path, nth);

	return seen_at_ms(peer, path, nth + 1) - first_ms;
}

/* ---- the way through ---- */

START_TEST(an_upstream_is_asked_until_it_has_the_answer)
{
	struct world world;
	struct reply reply;
	struct json_document *seen;
	char fields[256], id[ID_SIZE];

	world_open(&world, &polling);
	snprintf(fields, sizeof(fields), "%s", callback_to(&world, "/ok"));
	submit_taken(&world, "/pending?times=3", fields, id);
	callback_wait(&world, id, "delivered", &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "status"), "succeeded");
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 1);
	ck_assert(look_is_null(reply_json(&reply), "error"));
	ck_assert_int_eq(look_int(reply_json(&reply), "response.status"), 200);
	reply_clear(&reply);
	result_get(&world, id, &reply);
	ck_assert_str_eq(reply.body, "done\n");
	ck_assert_str_eq(reply_header(&reply, "Job-Status"), "succeeded");
	reply_clear(&reply);
	ck_assert_int_eq(peer_seen(&world.upstream, "/taken"), 1);
	ck_assert_int_eq(peer_seen(&world.upstream, "/pending"), 4);
	seen = peer_request(&world.receiver, "/ok", 0);
	ck_assert_ptr_nonnull(strstr(seen_text(seen, "body"), "done"));
	json_document_free(&seen);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(a_question_is_a_get_that_says_whose_it_is)
{
	static const char sent[] =
	    "X-Token: t0p\r\nAuthorization: Basic eDp5\r\n"
	    "Content-Type: text/x-odd\r\nContent-Language: de\r\n"
	    "If-Match: \"a\"\r\nRange: bytes=0-1\r\nAccept: text/plain\r\n"
	    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-"
	    "b7ad6b7169203331-01\r\ntracestate: a=b\r\n";
	static const char *const kept[] = { "X-Token", "Authorization",
		"Accept", "traceparent", "tracestate", "Job-Id", "Job-Attempt",
		"Job-Deadline", "Idempotency-Key", "X-Forwarded-For" };
	static const char *const left[] = { "Content-Type", "Content-Language",
		"Content-Length", "Transfer-Encoding", "If-Match", "Range" };
	struct world world;
	struct json_document *job, *question;
	char id[ID_SIZE];

	world_open(&world, &polling);
	submit_taken(&world, "/pending", sent, id);
	job = peer_request(&world.upstream, "/taken", 0);
	for (int i = 0; i < 2; i++) {
		question = peer_request(&world.upstream, "/pending", i);
		ck_assert_str_eq(seen_text(question, "method"), "GET");
		ck_assert_str_eq(seen_text(question, "body"), "");
		ck_assert_str_eq(seen_field(question, "Job-Id"), id);
		for (size_t n = 0; n < sizeof(kept) / sizeof(kept[0]); n++) {
			ck_assert_msg(seen_field(question, kept[n]) != NULL,
			    "%s", kept[n]);
			ck_assert_str_eq(seen_field(question, kept[n]),
			    seen_field(job, kept[n]));
		}
		for (size_t n = 0; n < sizeof(left) / sizeof(left[0]); n++)
			ck_assert_msg(seen_field(question, left[n]) == NULL,
			    "%s", left[n]);
		json_document_free(&question);
	}
	json_document_free(&job);
	world_close(&world);
}
END_TEST

START_TEST(a_location_may_be_relative_or_absolute)
{
	struct world world;
	char absolute[256], schemeless[256];

	world_open(&world, &polling);
	snprintf(absolute, sizeof(absolute), "%s/pending?times=1#end",
	    world.upstream.url);
	snprintf(schemeless, sizeof(schemeless), "//%s/pending",
	    world.upstream.address);
	expect_result(&world, "/pending?times=1", "done\n");
	expect_result(&world, "pending", "done\n");
	expect_result(&world, "../a/./../pending", "done\n");
	expect_result(&world, absolute, "done\n");
	expect_result(&world, schemeless, "done\n");
	ck_assert_int_eq(peer_seen(&world.upstream, "/pending"), 10);
	world_close(&world);
}
END_TEST

START_TEST(without_a_place_to_ask_a_202_is_the_answer)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &polling);
	for (int i = 0; i < 2; i++) {
		submit(&world,
		    i == 0 ? "/mill/status/202?body=later" : "/mill/taken?to=",
		    "", "x", id);
		job_wait(&world, id, "succeeded", &reply);
		ck_assert_int_eq(look_int(reply_json(&reply),
				     "response.status"),
		    202);
		reply_clear(&reply);
	}
	world_close(&world);
}
END_TEST

START_TEST(a_queue_that_does_not_poll_takes_the_202_as_the_result)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, NULL);
	submit_taken(&world, "/pending", "", id);
	job_wait(&world, id, "succeeded", &reply);
	reply_clear(&reply);
	result_get(&world, id, &reply);
	ck_assert_int_eq(reply.status, 202);
	ck_assert_str_eq(reply_header(&reply, "Location"), "/pending");
	ck_assert_str_eq(reply.body, "at work\n");
	reply_clear(&reply);
	ck_assert_int_eq(peer_seen(&world.upstream, "/pending"), 0);
	world_close(&world);
}
END_TEST

START_TEST(a_later_202_may_name_another_place)
{
	struct world world;

	world_open(&world, &polling);
	expect_result(&world, "/pending?times=9&next=%2Ffail-times%3Fn%3D0",
	    "ok\n");
	ck_assert_int_eq(peer_seen(&world.upstream, "/pending"), 1);
	ck_assert_int_eq(peer_seen(&world.upstream, "/fail-times"), 1);
	world_close(&world);
}
END_TEST

START_TEST(the_result_may_be_elsewhere)
{
	static const char *const statuses[] = { "301", "302", "303", "307",
		"308" };
	struct world world;
	char location[128];

	world_open(&world, &polling);
	for (size_t i = 0; i < 5; i++) {
		snprintf(location, sizeof(location),
		    "/pending?times=1&status=%s&to=%%2Ffail-times%%3Fn%%3D0",
		    statuses[i]);
		expect_result(&world, location, "ok\n");
	}
	/* It may not be ready there. */
	expect_result(&world,
	    "/pending?times=1&status=303&to=%2Ffail-times%3Fn%3D2", "ok\n");
	ck_assert_int_eq(peer_seen(&world.upstream, "/fail-times"), 5 + 3);
	/* But a redirect does not lead to another one. */
	expect_error(&world, "/pending?times=1&status=303&to=%2Fredirect",
	    "redirect", "302");
	ck_assert_int_eq(peer_seen(&world.upstream, "/redirect"), 1);
	expect_error(&world, "/pending?times=1&status=303", "redirect", "303");
	world_close(&world);
}
END_TEST

START_TEST(a_result_goes_the_way_of_every_other)
{
	struct setup setup = { .queue = POLL QUICK " attempts = 1\n"
						   " max_result = \"64k\"\n" };
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &setup);
	submit_taken(&world,
	    "/pending?times=1&status=303&to="
	    "%2Fbig%3Fsize%3D65536%26header%3DContent-Encoding%3Agzip",
	    "", id);
	job_wait(&world, id, "succeeded", &reply);
	ck_assert_int_eq(look_int(reply_json(&reply), "response.size"), 65536);
	reply_clear(&reply);
	result_get(&world, id, &reply);
	ck_assert_uint_eq(reply.body_len, 65536);
	ck_assert_str_eq(reply_header(&reply, "Content-Encoding"), "gzip");
	ck_assert_str_eq(reply_header(&reply, "Content-Type"),
	    "application/octet-stream");
	reply_clear(&reply);
	expect_error(&world,
	    "/pending?times=1&status=303&to=%2Fbig%3Fsize%3D65537", "too-large",
	    "");
	world_close(&world);
}
END_TEST

/* ---- how often ---- */

START_TEST(questions_come_when_the_upstream_wants_them)
{
	static const char *const forms[] = { "/pending?times=1&s=1",
		"/pending?times=1&s=2&form=date" };
	struct world world;
	char target[TARGET_SIZE], id[ID_SIZE];

	world_open(&world, &polling);
	for (int i = 0; i < 2; i++) {
		submit_taken(&world, forms[i], "", id);
		/* A date has whole seconds only. */
		ck_assert_int_ge(gap_ms(&world.upstream, "/pending", 2 * i),
		    990);
	}
	/* The first answer can say so, too. */
	taken_at("/fail-times?n=0", "&s=1", target);
	submit(&world, target, "", "x", id);
	ck_assert_int_ge(seen_at_ms(&world.upstream, "/fail-times", 0) -
		seen_at_ms(&world.upstream, "/taken", 2),
	    990);
	world_close(&world);
}
END_TEST

START_TEST(questions_come_no_sooner_than_the_queue_wants)
{
	struct setup setup = {
		.queue = POLL
		" backoff { initial = \"300ms\" max = \"1m\" factor = 4.0 }\n"
	};
	struct world world;
	char id[ID_SIZE];

	world_open(&world, &setup);
	submit_taken(&world, "/pending?times=2&s=0", "", id);
	for (int i = 0; i < 2; i++)
		ck_assert_int_ge(gap_ms(&world.upstream, "/pending", i), 295);
	/* Without a word of the upstream the waits grow. */
	submit_taken(&world, "/fail-times?n=1", "", id);
	ck_assert_int_ge(gap_ms(&world.upstream, "/fail-times", 0), 955);
	world_close(&world);
}
END_TEST

START_TEST(between_questions_a_run_holds_its_slot_and_nothing_else)
{
	struct setup setup = { .queue = POLL QUICK " concurrency = 1\n"
						   " timeout = \"2h\"\n",
		.top = "drain_timeout = \"100ms\"\n" };
	struct world world;
	struct reply reply;
	char waits[ID_SIZE], next[ID_SIZE];

	world_open(&world, &setup);
	submit_taken(&world, "/pending?times=9&s=3600", "", waits);
	wait_until(peer_seen(&world.upstream, "/pending") == 1);
	wait_until(peer_count(&world.upstream, "now") == 0);
	submit(&world, "/mill/ok", "", "x", next);
	job_get(&world, waits, &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "status"), "running");
	reply_clear(&reply);
	job_get(&world, next, &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "status"), "queued");
	reply_clear(&reply);
	ck_assert_double_eq(metric(&world, "callbackd_runs_under_way"), 1);
	world_close(&world);
}
END_TEST

/* ---- trouble ---- */

START_TEST(a_question_that_fails_does_not_lose_the_job)
{
	static const char *const locations[] = { "/fail-times?n=3&status=503",
		"/fail-times?n=2&status=500", "/fail-times?n=2&status=429",
		"/retry-after?s=1", "/retry-after?s=0&status=408" };
	struct world world;

	world_open(&world, &polling);
	for (size_t i = 0; i < 5; i++)
		expect_result(&world, locations[i], "ok\n");
	ck_assert_int_eq(peer_seen(&world.upstream, "/taken"), 5);
	ck_assert_int_ge(gap_ms(&world.upstream, "/retry-after", 0), 990);
	world_close(&world);
}
END_TEST

START_TEST(a_job_that_vanishes_has_failed)
{
	static const char *const rows[][2] = { { "404", "status-4xx" },
		{ "410", "status-4xx" }, { "401", "status-4xx" } };
	struct setup setup = { .queue = POLL QUICK " attempts = 3\n" };
	struct world world;
	struct reply reply;
	char location[64], id[ID_SIZE];

	world_open(&world, &setup);
	for (size_t i = 0; i < 3; i++) {
		snprintf(location, sizeof(location),
		    "/pending?times=1&status=%s", rows[i][0]);
		expect_error(&world, location, rows[i][1], rows[i][0]);
	}
	submit_taken(&world, "/status/409?body=no", "", id);
	job_wait(&world, id, "failed", &reply);
	reply_clear(&reply);
	result_get(&world, id, &reply);
	ck_assert_int_eq(reply.status, 409);
	ck_assert_str_eq(reply.body, "no");
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_job_without_an_end_is_given_up_at_its_deadline)
{
	struct setup setup = { .queue = POLL QUICK " attempts = 2\n"
						   " timeout = \"1h\"\n" };
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &setup);
	submit_taken(&world, "/pending?times=1000000", "Job-Timeout: 2s\r\n",
	    id);
	job_wait(&world, id, "failed", &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "error.type"),
	    "timeout-body");
	ck_assert_str_eq(look_text(reply_json(&reply), "error.detail"),
	    "still at work (202) when asked for the last time");
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 2);
	ck_assert(look_is_null(reply_json(&reply), "response"));
	reply_clear(&reply);
	ck_assert_int_eq(peer_seen(&world.upstream, "/taken"), 2);
	result_get(&world, id, &reply);
	expect_problem(&reply, 504, "timeout-body");
	reply_clear(&reply);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

/* It is asked once more, before that would be too late. */
START_TEST(a_wait_beyond_the_deadline_is_cut_to_it)
{
	struct setup setup = { .queue = POLL QUICK " attempts = 1\n"
						   " timeout = \"4s\"\n" };
	struct world world;
	struct reply reply;
	char ready[ID_SIZE], late[ID_SIZE];
	int64_t waited_ms;

	world_open(&world, &setup);
	submit_taken(&world, "/pending?times=1&s=3600", "", ready);
	waited_ms = gap_ms(&world.upstream, "/pending", 0);
	ck_assert_msg(waited_ms >= 2000 && waited_ms < 4000, "%lld ms",
	    (long long)waited_ms);
	job_wait(&world, ready, "succeeded", &reply);
	reply_clear(&reply);
	submit_taken(&world, "/pending?times=2&s=3600", "", late);
	job_wait(&world, late, "failed", &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "error.type"),
	    "timeout-body");
	reply_clear(&reply);
	ck_assert_int_eq(peer_seen(&world.upstream, "/pending"), 4);
	world_close(&world);
}
END_TEST

START_TEST(what_still_fails_at_the_deadline_is_the_end)
{
	struct setup setup = { .queue = POLL QUICK " attempts = 1\n"
						   " timeout = \"2s\"\n" };
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &setup);
	submit_taken(&world, "/status/503?body=down", "", id);
	job_wait(&world, id, "failed", &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "error.type"),
	    "status-5xx");
	reply_clear(&reply);
	result_get(&world, id, &reply);
	ck_assert_int_eq(reply.status, 503);
	ck_assert_str_eq(reply.body, "down");
	reply_clear(&reply);
	expect_error(&world, "/hang", "timeout-headers", "no answer within");
	expect_error(&world, "/reset", "reset", "");
	world_close(&world);
}
END_TEST

/* A refused connection proves nothing once the upstream has the work. */
START_TEST(at_most_once_never_hands_over_a_job_that_was_taken)
{
	struct setup setup = { .queue = POLL QUICK
		" guarantee = \"at-most-once\"\n attempts = 3\n"
		" timeout = \"2s\"\n" };
	struct world world;
	struct reply reply;
	char gone[ID_SIZE];

	world_open(&world, &setup);
	expect_error(&world, "/pending?times=1000000", "timeout-body", "202");
	expect_error(&world, "/status/503", "status-5xx", "503");
	submit_taken(&world, "/retry-after?times=1000000&s=0", "", gone);
	wait_until(peer_seen(&world.upstream, "/retry-after") > 0);
	peer_stop(&world.upstream);
	job_wait(&world, gone, "failed", &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "error.type"),
	    "refused");
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 1);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

/* ---- other origins ---- */

START_TEST(a_location_that_is_not_allowed_fails_the_job)
{
	static const char *const bad[][2] = {
		{ "http://169.254.169.254/latest/meta-data",
		    "the host 169.254.169.254 is not allowed: link-local" },
		{ "http://localhost/x",
		    "the host localhost is not allowed: loopback" },
		{ "http://x:y@192.0.2.1/", "user information" },
		{ "file:///etc/passwd", "not an absolute URL" },
		{ "ftp://192.0.2.1/", "not an absolute URL" },
		{ "urn:job:17", "not an absolute URL" },
		{ "/caf\xc3\xa9", "only visible ASCII" },
	};
	struct setup setup = { .queue = POLL QUICK " attempts = 3\n",
		.callback = "" };
	struct world world;
	char location[256];

	world_open(&world, &setup);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_error(&world, bad[i][0], "target-denied", bad[i][1]);
	/* Loopback is trusted for the upstream, but not for its neighbours. */
	snprintf(location, sizeof(location), "%s/ok", world.receiver.url);
	expect_error(&world, location, "target-denied",
	    "Location of a 202: the host 127.0.0.1 is not allowed: loopback");
	snprintf(location, sizeof(location),
	    "/pending?times=1&status=303&to=%s"
	    "%%2Fok",
	    world.receiver.url);
	expect_error(&world, location, "target-denied",
	    "Location of a 303: the host 127.0.0.1 is not allowed: loopback");
	ck_assert_int_eq(peer_count(&world.receiver, "total"), 0);
	ck_assert_int_eq(peer_seen(&world.upstream, "/taken"), 9);
	world_close(&world);
}
END_TEST

START_TEST(another_origin_learns_the_ids_and_nothing_else)
{
	static const char sent[] =
	    "X-Token: t0p\r\nAuthorization: Basic eDp5\r\nCookie: a=b\r\n"
	    "Idempotency-Key: mine\r\nAccept: text/plain\r\n"
	    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-"
	    "b7ad6b7169203331-01\r\ntracestate: a=b\r\n";
	static const char *const known[] = { "Host", "Job-Id", "Job-Attempt",
		"Job-Deadline", "traceparent", "tracestate" };
	struct world world;
	struct reply reply;
	struct json_document *seen;
	const struct json_value *field;
	char location[256], id[ID_SIZE];
	size_t count = 0;

	world_open(&world, &polling); /* callbacks may go to 127.0.0.0/8 */
	snprintf(location, sizeof(location), "%s/pending", world.receiver.url);
	submit_taken(&world, location, sent, id);
	job_wait(&world, id, "succeeded", &reply);
	reply_clear(&reply);
	result_get(&world, id, &reply);
	ck_assert_str_eq(reply.body, "done\n");
	reply_clear(&reply);
	seen = peer_request(&world.receiver, "/pending", 1);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		ck_assert_msg(seen_field_count(seen, known[i]) == 1, "%s",
		    known[i]);
	field = look_at(json_root(seen), "fields");
	for (field = field->first; field != NULL; field = field->next)
		count++;
	ck_assert_uint_eq(count, sizeof(known) / sizeof(known[0]));
	json_document_free(&seen);
	world_close(&world);
}
END_TEST

START_TEST(another_origin_that_leads_back_is_not_trusted_for_it)
{
	struct world world;
	struct reply reply;
	struct json_document *seen;
	char location[512], id[ID_SIZE];

	world_open(&world, &polling); /* callbacks may go to 127.0.0.0/8 */
	snprintf(location, sizeof(location),
	    "%s/pending?times=1&status=303&to=%s%%2Fstatus%%2F200",
	    world.receiver.url, world.upstream.url);
	submit_taken(&world, location, "X-Token: t0p\r\n", id);
	job_wait(&world, id, "succeeded", &reply);
	reply_clear(&reply);
	seen = peer_request(&world.upstream, "/status/200", 0);
	ck_assert_str_eq(seen_field(seen, "Job-Id"), id);
	ck_assert_ptr_null(seen_field(seen, "X-Token"));
	ck_assert_ptr_null(seen_field(seen, "Idempotency-Key"));
	json_document_free(&seen);
	world_close(&world);
}
END_TEST

/* ---- cancelling, reloading, ending ---- */

START_TEST(a_job_that_is_followed_can_be_cancelled)
{
	struct setup setup = { .queue = POLL QUICK " concurrency = 1\n"
						   " timeout = \"2h\"\n" };
	static const char *const locations[] = { "/pending?times=9&s=3600",
		"/hang" };
	static const char *const paths[] = { "/pending", "/hang" };
	struct world world;
	char id[ID_SIZE];

	world_open(&world, &setup);
	for (int i = 0; i < 2; i++) {
		submit_taken(&world, locations[i], "", id);
		wait_until(peer_seen(&world.upstream, paths[i]) == 1);
		cancel(&world, id);
		job_lives(&world, "/mill/ok", "", "x", "succeeded");
		wait_until(peer_count(&world.upstream, "now") == 0);
		ck_assert_int_eq(peer_seen(&world.upstream, paths[i]), 1);
	}
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(a_reload_does_not_change_how_a_run_goes_on)
{
	struct setup setup = { .queue = POLL
		" backoff { initial = \"1500ms\" max = \"1500ms\" }\n" };
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &setup);
	submit_taken(&world, "/pending?times=1", "", id);
	wait_until(peer_seen(&world.upstream, "/pending") == 1);
	world_configure(&world, NULL);
	(void)daemon_reload(&world);
	job_wait(&world, id, "succeeded", &reply);
	ck_assert_int_eq(look_int(reply_json(&reply), "response.status"), 200);
	reply_clear(&reply);
	end_of(&world, "/pending", "succeeded", &reply);
	ck_assert_int_eq(look_int(reply_json(&reply), "response.status"), 202);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(sigterm_lets_a_followed_job_end)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &polling);
	submit_taken(&world, "/pending?times=1&s=1", "", id);
	wait_until(peer_seen(&world.upstream, "/pending") == 1);
	daemon_stop(&world);
	ck_assert_int_eq(peer_seen(&world.upstream, "/pending"), 2);
	daemon_start(&world);
	job_get(&world, id, &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "status"), "succeeded");
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 1);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_followed_job_that_is_cut_off_is_handed_over_again)
{
	struct setup setup = { .top = "drain_timeout = \"200ms\"\n",
		.queue = POLL QUICK " attempts = 5\n timeout = \"2h\"\n" };
	struct world world;
	struct reply reply;
	struct json_document *seen;
	char id[ID_SIZE];

	world_open(&world, &setup);
	submit_taken(&world, "/pending?times=2&s=3600", "", id);
	wait_until(peer_seen(&world.upstream, "/pending") == 1);
	daemon_stop(&world);
	daemon_start(&world);
	wait_until(peer_seen(&world.upstream, "/pending") == 2);
	daemon_kill(&world);
	daemon_start(&world);
	job_wait(&world, id, "succeeded", &reply);
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 3);
	reply_clear(&reply);
	seen = peer_request(&world.upstream, "/taken", 2);
	ck_assert_str_eq(seen_field(seen, "Idempotency-Key"), id);
	ck_assert_str_eq(seen_field(seen, "Job-Attempt"), "3");
	json_document_free(&seen);
	world_close(&world);
}
END_TEST

START_TEST(the_log_tells_each_question_to_who_wants_to_know)
{
	struct setup setup = { .queue = POLL QUICK " attempts = 1\n",
		.top = "log_level = \"debug\"\n" };
	struct world world;
	struct reply reply;
	char line[256], id[ID_SIZE];

	world_open(&world, &setup);
	submit_taken(&world, "/retry-after?s=1&times=1", "", id);
	job_wait(&world, id, "succeeded", &reply);
	reply_clear(&reply);
	snprintf(line, sizeof(line),
	    "event=polled job=%s queue=mill attempt=1 status=503 "
	    "wait_ms=1000 why=status-5xx",
	    id);
	wait_until(file_says(world.daemon.err_path, line));
	snprintf(line, sizeof(line),
	    "event=polled job=%s queue=mill attempt=1 status=202", id);
	ck_assert(file_says(world.daemon.err_path, line));
	world_close(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		an_upstream_is_asked_until_it_has_the_answer,
		a_question_is_a_get_that_says_whose_it_is,
		a_location_may_be_relative_or_absolute,
		without_a_place_to_ask_a_202_is_the_answer,
		a_queue_that_does_not_poll_takes_the_202_as_the_result,
		a_later_202_may_name_another_place,
		the_result_may_be_elsewhere,
		a_result_goes_the_way_of_every_other,
		questions_come_when_the_upstream_wants_them,
		questions_come_no_sooner_than_the_queue_wants,
		between_questions_a_run_holds_its_slot_and_nothing_else,
		a_question_that_fails_does_not_lose_the_job,
		a_job_that_vanishes_has_failed,
		a_job_without_an_end_is_given_up_at_its_deadline,
		a_wait_beyond_the_deadline_is_cut_to_it,
		what_still_fails_at_the_deadline_is_the_end,
		at_most_once_never_hands_over_a_job_that_was_taken,
		a_location_that_is_not_allowed_fails_the_job,
		another_origin_learns_the_ids_and_nothing_else,
		another_origin_that_leads_back_is_not_trusted_for_it,
		a_job_that_is_followed_can_be_cancelled,
		a_reload_does_not_change_how_a_run_goes_on,
		sigterm_lets_a_followed_job_end,
		a_followed_job_that_is_cut_off_is_handed_over_again,
		the_log_tells_each_question_to_who_wants_to_know,
	};

	return HARNESS_RUN("poll", cases);
}
