/* test_run.c - runs against an upstream that refuses, stalls, cuts and lies.
 *
 * Contract, sections 2, 3 and 7: retries, final answers, timeouts, order,
 * concurrency, and the one vocabulary of errors.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"

/* Submits, waits for the end and gives the document. */
static void
run_to(struct world *world, const char *target, const char *fields,
    const char *status, struct reply *out)
{
	char id[ID_SIZE];

	submit(world, target, fields, "x", id);
	job_wait(world, id, status, out);
}

START_TEST(a_failing_upstream_is_asked_again_until_it_answers)
{
	struct world world;
	struct reply reply;

	world_open(&world, NULL);
	run_to(&world, "/mill/fail-times?n=2", "", "succeeded", &reply);
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 3);
	ck_assert(look_is_null(reply_json(&reply), "error"));
	ck_assert_int_eq(look_int(reply_json(&reply), "response.status"), 200);
	reply_clear(&reply);
	ck_assert_int_eq(peer_seen(&world.upstream, "/fail-times"), 3);
	world_close(&world);
}
END_TEST

START_TEST(a_job_out_of_attempts_has_failed_and_keeps_the_last_answer)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, NULL);
	submit(&world, "/mill/status/503?body=busy", "", "x", id);
	job_wait(&world, id, "failed", &reply);
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 3);
	ck_assert_str_eq(look_text(reply_json(&reply), "error.type"),
	    "status-5xx");
	reply_clear(&reply);
	result_get(&world, id, &reply);
	ck_assert_int_eq(reply.status, 503);
	ck_assert_str_eq(reply.body, "busy");
	reply_clear(&reply);
	ck_assert_int_eq(peer_seen(&world.upstream, "/status/503"), 3);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(some_statuses_are_tried_again_and_others_are_final)
{
	static const struct {
		int status, attempts;
		const char *error;
	} rows[] = { { 408, 3, "status-4xx" }, { 425, 3, "status-4xx" },
		{ 429, 3, "status-4xx" }, { 500, 3, "status-5xx" },
		{ 502, 3, "status-5xx" }, { 504, 3, "status-5xx" },
		{ 301, 1, "redirect" }, { 307, 1, "redirect" },
		{ 400, 1, "status-4xx" }, { 401, 1, "status-4xx" },
		{ 404, 1, "status-4xx" }, { 409, 1, "status-4xx" },
		{ 410, 1, "status-4xx" }, { 499, 1, "status-4xx" } };
	struct world world;
	struct reply reply;
	char target[64];

	world_open(&world, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(target, sizeof(target), "/mill/status/%d",
		    rows[i].status);
		run_to(&world, target, "", "failed", &reply);
		ck_assert_msg(look_int(reply_json(&reply), "attempts") ==
			rows[i].attempts,
		    "%d: %.400s", rows[i].status, reply.body);
		ck_assert_msg(look_says(reply_json(&reply), "error.type",
				  rows[i].error),
		    "%d: %.900s", rows[i].status, reply.body);
		reply_clear(&reply);
	}
	world_close(&world);
}
END_TEST

/* Milliseconds between two requests that the peer saw. */
static int64_t
gap_ms(struct peer *peer, const char *path, int nth)
{
	struct json_document *first = peer_request(peer, path, nth);
	struct json_document *second = peer_request(peer, path, nth + 1);
	int64_t gap = look_int(json_root(second), "at_ms") -
	    look_int(json_root(first), "at_ms");

	json_document_free(&first);
	json_document_free(&second);
	return gap;
}

START_TEST(the_upstreams_retry_after_is_honoured)
{
	static const char *const targets[] = { "/mill/retry-after?s=1",
		"/mill/retry-after?s=2&form=date&status=429" };
	struct world world;
	struct reply reply;

	world_open(&world, NULL);
	for (int i = 0; i < 2; i++) {
		run_to(&world, targets[i], "", "succeeded", &reply);
		ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 2);
		/* A date has whole seconds only. */
		ck_assert_int_ge(gap_ms(&world.upstream, "/retry-after", 2 * i),
		    990);
		reply_clear(&reply);
	}
	world_close(&world);
}
END_TEST

START_TEST(a_job_that_waits_for_its_next_try_is_queued_with_a_later_run_at)
{
	struct setup setup = {
		.queue =
		    "attempts = 3\n backoff { initial = \"1h\" max = \"1h\" }\n"
	};
	struct world world;
	struct reply reply;
	const struct json_value *job;
	int64_t run_at = 0;
	char id[ID_SIZE];

	world_open(&world, &setup);
	submit(&world, "/mill/status/500", "", "x", id);
	wait_until(peer_seen(&world.upstream, "/status/500") == 1);
	job_wait(&world, id, "queued", &reply);
	job = reply_json(&reply);
	ck_assert_int_eq(look_int(job, "attempts"), 1);
	ck_assert_str_eq(look_text(job, "error.type"), "status-5xx");
	ck_assert(text_time_parse(look_text(job, "run_at"), &run_at));
	ck_assert_int_ge(run_at, now_wall_ms() + 40 * 60 * 1000);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(waits_between_tries_grow_by_the_factor)
{
	struct setup setup = {
		.queue = "attempts = 3\n backoff { initial = \"200ms\""
			 " max = \"1m\" factor = 4.0 }\n"
	};
	struct world world;
	struct reply reply;

	world_open(&world, &setup);
	run_to(&world, "/mill/status/500", "", "failed", &reply);
	reply_clear(&reply);
	ck_assert_int_ge(gap_ms(&world.upstream, "/status/500", 0), 155);
	ck_assert_int_ge(gap_ms(&world.upstream, "/status/500", 1), 635);
	world_close(&world);
}
END_TEST

START_TEST(a_queue_never_runs_more_than_its_concurrency)
{
	struct setup setup = { .queue = "concurrency = 3\n" };
	struct world world;
	struct reply reply;
	char ids[40][ID_SIZE];

	world_open(&world, &setup);
	for (int i = 0; i < 40; i++)
		submit(&world, "/mill/ok?delay_ms=40", "", "x", ids[i]);
	for (int i = 0; i < 40; i++) {
		job_wait(&world, ids[i], "succeeded", &reply);
		reply_clear(&reply);
	}
	ck_assert_int_eq(peer_count(&world.upstream, "most_at_once"), 3);
	ck_assert_int_eq(peer_count(&world.upstream, "most_at_once_of_a_key"),
	    1);
	ck_assert_int_eq(peer_seen(&world.upstream, "/ok"), 40);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(each_kind_of_bad_answer_has_its_word)
{
	static const char *const rows[][3] = {
		{ "/cut", "reset", "reset" },
		{ "/cut?chunked=1", "reset", "reset" },
		{ "/reset", "reset", "reset" },
		{ "/reset?bytes=100", "reset", "reset" },
		{ "/hang", "timeout-headers", "timeout-headers" },
		{ "/drip?size=1000", "timeout-body", "timeout-body" },
		{ "/drip?part=head", "timeout-headers", "timeout-body" },
		{ "/garbage", "bad-response", "bad-response" },
		{ "/endless-headers", "too-large", "bad-response" },
		{ "/endless-body", "too-large", "too-large" },
		{ "/huge-length", "too-large", "too-large" },
		{ "/redirect", "redirect", "redirect" },
	};
	struct setup setup = { .queue = "attempts = 1\n timeout = \"700ms\"\n"
					" concurrency = 20\n"
					" max_result = \"64k\"\n" };
	struct world world;
	struct reply reply;
	char ids[12][ID_SIZE], target[64];

	world_open(&world, &setup);
	for (size_t i = 0; i < 12; i++) {
		snprintf(target, sizeof(target), "/mill%s", rows[i][0]);
		submit(&world, target, "", "x", ids[i]);
	}
	/* Others go on meanwhile. */
	job_lives(&world, "/mill/ok", "", "x", "succeeded");
	for (size_t i = 0; i < 12; i++) {
		job_wait(&world, ids[i], "failed", &reply);
		ck_assert_msg(look_says(reply_json(&reply), "error.type",
				  rows[i][1]) ||
			look_says(reply_json(&reply), "error.type", rows[i][2]),
		    "%s: %.900s", rows[i][0], reply.body);
		ck_assert_str_ne(look_text(reply_json(&reply), "error.detail"),
		    "");
		reply_clear(&reply);
	}
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(an_upstream_where_nobody_listens_is_refused_and_tried_again)
{
	struct setup setup = { .no_upstream = true };
	struct world world;
	struct reply reply;

	world_open(&world, &setup);
	run_to(&world, "/mill/ok", "", "failed", &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "error.type"),
	    "refused");
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 3);
	ck_assert(look_is_null(reply_json(&reply), "response"));
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(interim_answers_are_passed_over)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, NULL);
	submit(&world, "/mill/interim?times=20", "", "x", id);
	job_wait(&world, id, "succeeded", &reply);
	reply_clear(&reply);
	result_get(&world, id, &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply.body, "ok\n");
	ck_assert_ptr_null(reply_header(&reply, "Link"));
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(every_framing_of_an_answer_is_understood)
{
	static const char *const targets[] = { "/mill/echo",
		"/mill/chunked?piece=7", "/mill/until-close" };
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, NULL);
	for (size_t i = 0; i < 3; i++) {
		submit(&world, targets[i], "", "some bytes of an answer", id);
		job_wait(&world, id, "succeeded", &reply);
		reply_clear(&reply);
		result_get(&world, id, &reply);
		ck_assert_str_eq(reply.body, "some bytes of an answer");
		ck_assert_ptr_null(reply_header(&reply, "X-Trailer"));
		reply_clear(&reply);
	}
	world_close(&world);
}
END_TEST

START_TEST(a_result_may_be_as_large_as_max_result_and_no_larger)
{
	struct setup setup = { .queue = "max_result = \"64k\"\n" };
	struct world world;
	struct reply reply;

	world_open(&world, &setup);
	run_to(&world, "/mill/big?size=65536", "", "succeeded", &reply);
	ck_assert_int_eq(look_int(reply_json(&reply), "response.size"), 65536);
	reply_clear(&reply);
	/* Final: asked once. */
	run_to(&world, "/mill/big?size=65537", "", "failed", &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "error.type"),
	    "too-large");
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 1);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_job_may_have_a_shorter_timeout_than_its_queue)
{
	struct setup setup = { .queue = "attempts = 1\n timeout = \"1h\"\n" };
	struct world world;
	struct reply reply;

	world_open(&world, &setup);
	run_to(&world, "/mill/hang", "Job-Timeout: 200ms\r\n", "failed",
	    &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "error.type"),
	    "timeout-headers");
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_delayed_job_runs_no_sooner)
{
	struct world world;
	struct reply reply;
	struct json_document *seen;
	int64_t created = 0;

	world_open(&world, NULL);
	run_to(&world, "/mill/ok", "Job-Delay: 700ms\r\n", "succeeded", &reply);
	ck_assert(text_time_parse(look_text(reply_json(&reply), "created_at"),
	    &created));
	seen = peer_request(&world.upstream, "/ok", 0);
	ck_assert_int_ge(look_int(json_root(seen), "at_ms"), created + 695);
	json_document_free(&seen);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_job_that_has_not_started_in_time_is_given_up)
{
	struct world world;
	struct reply reply;

	world_open(&world, NULL);
	run_to(&world, "/mill/ok", "Job-Delay: 1h\r\nJob-Expires: 300ms\r\n",
	    "failed", &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "error.type"),
	    "expired");
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 0);
	ck_assert_int_eq(peer_seen(&world.upstream, "/ok"), 0);
	reply_clear(&reply);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(order_is_priority_and_then_age)
{
	static const char *const priorities[] = { "9", "5", "0", "5", "0" };
	static const char *const order[] = { "/ok/2", "/ok/4", "/ok/1", "/ok/3",
		"/ok/0" };
	struct setup setup = { .queue = "concurrency = 1\n attempts = 1\n" };
	struct world world;
	struct reply reply;
	struct json_document *seen;
	char first[ID_SIZE], id[ID_SIZE], target[32], fields[64];
	int64_t before = 0, at_ms;

	world_open(&world, &setup);
	submit(&world, "/mill/ok?delay_ms=900", "", "x", first);
	job_wait(&world, first, "running", &reply);
	reply_clear(&reply);
	for (int i = 0; i < 5; i++) {
		snprintf(target, sizeof(target), "/mill/ok/%d", i);
		snprintf(fields, sizeof(fields), "Job-Priority: %s\r\n",
		    priorities[i]);
		submit(&world, target, fields, "x", id);
	}
	for (int i = 0; i < 5; i++) {
		seen = peer_request(&world.upstream, order[i], 0);
		at_ms = look_int(json_root(seen), "at_ms");
		ck_assert_msg(at_ms >= before, "%s came too early", order[i]);
		before = at_ms;
		json_document_free(&seen);
	}
	world_close(&world);
}
END_TEST

START_TEST(a_queue_full_of_hanging_runs_holds_up_no_other_queue)
{
	struct setup setup = { .top = "drain_timeout = \"200ms\"\n",
		.queue = "concurrency = 2\n attempts = 1\n",
		.more = "queue \"other\" { path = \"/other/\""
			" upstream = \"%s/\" }\n" };
	struct world world;
	char id[ID_SIZE];

	world_open(&world, &setup);
	for (int i = 0; i < 6; i++)
		submit(&world, "/mill/hang", "", "x", id);
	wait_until(peer_count(&world.upstream, "now") == 2);
	for (int i = 0; i < 20; i++)
		job_lives(&world, "/other/ok", "", "x", "succeeded");
	ck_assert_int_eq(peer_seen(&world.upstream, "/hang"), 2);
	world_close(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		a_failing_upstream_is_asked_again_until_it_answers,
		a_job_out_of_attempts_has_failed_and_keeps_the_last_answer,
		some_statuses_are_tried_again_and_others_are_final,
		the_upstreams_retry_after_is_honoured,
		a_job_that_waits_for_its_next_try_is_queued_with_a_later_run_at,
		waits_between_tries_grow_by_the_factor,
		a_queue_never_runs_more_than_its_concurrency,
		each_kind_of_bad_answer_has_its_word,
		an_upstream_where_nobody_listens_is_refused_and_tried_again,
		interim_answers_are_passed_over,
		every_framing_of_an_answer_is_understood,
		a_result_may_be_as_large_as_max_result_and_no_larger,
		a_job_may_have_a_shorter_timeout_than_its_queue,
		a_delayed_job_runs_no_sooner,
		a_job_that_has_not_started_in_time_is_given_up,
		order_is_priority_and_then_age,
		a_queue_full_of_hanging_runs_holds_up_no_other_queue,
	};

	return HARNESS_RUN("run", cases);
}
