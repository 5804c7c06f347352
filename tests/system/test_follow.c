/* test_follow.c - how a job is followed: document, result, list.
 *
 * Contract, section 3.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"

#define LATER "Job-Delay: 1h\r\n"

START_TEST(the_polls_status_code_tells_how_the_job_is)
{
	struct world world;
	struct reply reply;
	char queued[ID_SIZE], running[ID_SIZE], good[ID_SIZE], bad[ID_SIZE];
	struct setup setup = { .top = "drain_timeout = \"200ms\"\n" };

	world_open(&world, &setup);
	submit(&world, "/mill/ok", LATER, "x", queued);
	submit(&world, "/mill/hang", "", "x", running);
	submit(&world, "/mill/ok", "", "x", good);
	submit(&world, "/mill/status/404", "", "x", bad);
	job_wait(&world, running, "running", &reply);
	ck_assert_int_eq(reply.status, 202);
	ck_assert_ptr_nonnull(reply_header(&reply, "Retry-After"));
	reply_clear(&reply);
	job_get(&world, queued, &reply);
	ck_assert_int_eq(reply.status, 202);
	ck_assert_ptr_nonnull(reply_header(&reply, "Retry-After"));
	reply_clear(&reply);
	job_wait(&world, good, "succeeded", &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply_header(&reply, "Content-Type"),
	    "application/json");
	reply_clear(&reply);
	job_wait(&world, bad, "failed", &reply);
	ck_assert_int_eq(reply.status, 400);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(an_operator_may_choose_200_for_failed_jobs)
{
	struct setup setup = { .top = "poll_failed_status = 200\n" };
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &setup);
	submit(&world, "/mill/status/404", "", "x", id);
	job_wait(&world, id, "failed", &reply);
	ck_assert_int_eq(reply.status, 200);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

/* GET with If-None-Match. */
static int
poll_unless(struct world *world, const char *id, const char *tag)
{
	struct reply reply;
	char target[64], fields[256];
	int status;

	snprintf(target, sizeof(target), "/v1/jobs/%s", id);
	snprintf(fields, sizeof(fields), "If-None-Match: %s\r\n", tag);
	api(world, "GET", target, fields, NULL, &reply);
	status = reply.status;
	if (status == 304)
		ck_assert_ptr_nonnull(reply_header(&reply, "ETag"));
	reply_clear(&reply);
	return status;
}

START_TEST(an_unchanged_document_is_304_and_a_changed_one_is_not)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE], tag[128], list[256];

	world_open(&world, NULL);
	submit(&world, "/mill/ok?delay_ms=600", "", "x", id);
	job_wait(&world, id, "running", &reply);
	ck_assert_ptr_nonnull(reply_header(&reply, "ETag"));
	snprintf(tag, sizeof(tag), "%s", reply_header(&reply, "ETag"));
	ck_assert_msg(strchr(tag, '"') != NULL, "ETag: %s", tag);
	reply_clear(&reply);
	ck_assert_int_eq(poll_unless(&world, id, "\"other\""), 202);
	job_wait(&world, id, "succeeded", &reply);
	ck_assert_str_ne(reply_header(&reply, "ETag"), tag);
	ck_assert_int_eq(poll_unless(&world, id, tag), 200);
	snprintf(tag, sizeof(tag), "%s", reply_header(&reply, "ETag"));
	reply_clear(&reply);
	ck_assert_int_eq(poll_unless(&world, id, tag), 304);
	ck_assert_int_eq(poll_unless(&world, id, "*"), 304);
	ck_assert_int_eq(poll_unless(&world, id, strchr(tag, '"')), 304);
	snprintf(list, sizeof(list), "\"a\", W/\"b\", %s", tag);
	ck_assert_int_eq(poll_unless(&world, id, list), 304);
	snprintf(list, sizeof(list), "\"a\"\r\nIf-None-Match: %s", tag);
	ck_assert_int_eq(poll_unless(&world, id, list), 304);
	world_close(&world);
}
END_TEST

START_TEST(the_result_is_what_a_synchronous_call_would_have_returned)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, NULL);
	submit(&world,
	    "/mill/status/203?body=%7B%22a%22%3A1%7D&header=X-Own%3A%20one"
	    "&header=X-Own%3A%20two&header=Set-Cookie%3A%20a%3Db"
	    "&header=Connection%3A%20X-Hop&header=X-Hop%3A%201",
	    "", "x", id);
	job_wait(&world, id, "succeeded", &reply);
	reply_clear(&reply);
	/* Reading never consumes it. */
	for (int i = 0; i < 3; i++) {
		result_get(&world, id, &reply);
		ck_assert_int_eq(reply.status, 203);
		ck_assert_str_eq(reply.body, "{\"a\":1}");
		ck_assert_str_eq(reply_header(&reply, "Content-Type"),
		    "text/plain");
		ck_assert_str_eq(reply_header(&reply, "Job-Id"), id);
		ck_assert_str_eq(reply_header(&reply, "Job-Status"),
		    "succeeded");
		ck_assert_int_eq(reply_header_count(&reply, "X-Own"), 2);
		ck_assert_str_eq(reply_header(&reply, "Set-Cookie"), "a=b");
		ck_assert_ptr_null(reply_header(&reply, "X-Hop"));
		ck_assert_int_eq(reply_header_count(&reply, "Content-Length"),
		    1);
		reply_clear(&reply);
	}
	world_close(&world);
}
END_TEST

START_TEST(the_result_of_a_final_refusal_is_the_upstreams_answer)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, NULL);
	submit(&world, "/mill/status/422?body=no", "", "x", id);
	job_wait(&world, id, "failed", &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "error.type"),
	    "status-4xx");
	ck_assert_int_eq(look_int(reply_json(&reply), "response.status"), 422);
	reply_clear(&reply);
	result_get(&world, id, &reply);
	ck_assert_int_eq(reply.status, 422);
	ck_assert_str_eq(reply.body, "no");
	ck_assert_str_eq(reply_header(&reply, "Job-Status"), "failed");
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_pending_result_is_202_and_says_how_the_job_is)
{
	struct setup setup = { .top = "drain_timeout = \"200ms\"\n" };
	struct world world;
	struct reply reply;
	char queued[ID_SIZE], running[ID_SIZE];

	world_open(&world, &setup);
	submit(&world, "/mill/ok", LATER, "x", queued);
	submit(&world, "/mill/hang", "", "x", running);
	job_wait(&world, running, "running", &reply);
	reply_clear(&reply);
	result_get(&world, running, &reply);
	ck_assert_int_eq(reply.status, 202);
	ck_assert_str_eq(reply_header(&reply, "Job-Status"), "running");
	reply_clear(&reply);
	result_get(&world, queued, &reply);
	ck_assert_int_eq(reply.status, 202);
	ck_assert_str_eq(reply_header(&reply, "Job-Status"), "queued");
	ck_assert_str_eq(reply_header(&reply, "Job-Id"), queued);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_result_that_never_came_is_a_502_or_504_problem)
{
	static const struct {
		const char *target;
		int status;
	} rows[] = {
		{ "/mill/reset", 502 },
		{ "/mill/garbage", 502 },
		{ "/mill/hang", 504 },
	};
	struct setup setup = {
		.queue = "attempts = 1\n timeout = \"300ms\"\n"
	};
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &setup);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		submit(&world, rows[i].target, "", "x", id);
		job_wait(&world, id, "failed", &reply);
		reply_clear(&reply);
		result_get(&world, id, &reply);
		ck_assert_msg(reply.status == rows[i].status, "%s: %d",
		    rows[i].target, reply.status);
		ck_assert_str_eq(reply_header(&reply, "Content-Type"),
		    "application/problem+json");
		ck_assert_str_eq(reply_header(&reply, "Job-Id"), id);
		ck_assert_str_eq(reply_header(&reply, "Job-Status"), "failed");
		reply_clear(&reply);
	}
	world_close(&world);
}
END_TEST

START_TEST(an_unknown_or_malformed_id_is_404)
{
	static const char *const ids[] = {
		"0198c5a0-0000-7000-8000-000000000000",
		"0198c5a0-0000-4000-8000-000000000000",
		"ffffffff-ffff-7fff-bfff-ffffffffffff",
		"00000000-0000-7000-8000-000000000000", "1", "-1",
		"0198c5a0000070008000000000000000", "x'%20OR%201=1",
		"0198c5a0-0000-7000-8000-00000000000000", "%00", "..%2f"
	};
	static const char *const ends[] = { "", "/result" };
	struct world world;
	struct reply reply;
	char target[128];

	world_open(&world, NULL);
	for (size_t i = 0; i < 2 * sizeof(ids) / sizeof(ids[0]); i++) {
		snprintf(target, sizeof(target), "/v1/jobs/%s%s", ids[i / 2],
		    ends[i % 2]);
		api(&world, "GET", target, "", NULL, &reply);
		/* A NUL in a path may be refused as such. */
		if (strstr(target, "%00") == NULL || reply.status != 400)
			expect_problem(&reply, 404, "not-found");
		reply_clear(&reply);
	}
	world_close(&world);
}
END_TEST

START_TEST(an_id_of_the_right_moment_with_another_salt_is_404)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, NULL);
	submit(&world, "/mill/ok", LATER, "x", id);
	id[35] = id[35] == '0' ? '1' : '0';
	job_get(&world, id, &reply);
	expect_problem(&reply, 404, "not-found");
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

/* ---- the list ---- */

static int
list_count(struct world *world, const char *query)
{
	struct reply reply;
	char target[256];
	int count;

	snprintf(target, sizeof(target), "/v1/jobs?%s", query);
	api(world, "GET", target, "", NULL, &reply);
	ck_assert_msg(reply.status == 200, "%s: %d %.200s", query, reply.status,
	    reply.body);
	count = (int)look_at(reply_json(&reply), "jobs")->count;
	reply_clear(&reply);
	return count;
}

START_TEST(the_list_filters_by_queue_status_and_time)
{
	struct setup setup = {
		.more =
		    "queue \"other\" { path = \"/other/\" upstream = \"%s/\" }\n"
	};
	struct world world;
	struct reply reply;
	char id[ID_SIZE], query[128];

	world_open(&world, &setup);
	submit(&world, "/mill/ok", LATER, "x", id);
	submit(&world, "/mill/ok", LATER, "x", id);
	submit(&world, "/other/ok", LATER, "x", id);
	submit(&world, "/other/ok", "", "x", id);
	job_wait(&world, id, "succeeded", &reply);
	ck_assert_int_eq(list_count(&world, ""), 4);
	ck_assert_int_eq(list_count(&world, "queue=mill"), 2);
	ck_assert_int_eq(list_count(&world, "queue=other&status=queued"), 1);
	ck_assert_int_eq(list_count(&world, "status=succeeded"), 1);
	ck_assert_int_eq(list_count(&world, "status=failed"), 0);
	snprintf(query, sizeof(query), "since=%s",
	    look_text(reply_json(&reply), "created_at"));
	ck_assert_int_ge(list_count(&world, query), 1);
	ck_assert_int_eq(list_count(&world, "since=2999-01-01T00:00:00Z"), 0);
	ck_assert_int_eq(list_count(&world, "until=2000-01-01T00:00:00Z"), 0);
	ck_assert_int_eq(list_count(&world, "until=2999-01-01T00:00:00Z"), 4);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(the_list_goes_newest_first_in_pages_without_gaps)
{
	struct world world;
	struct reply reply;
	char ids[25][ID_SIZE];
	char target[256] = "/v1/jobs?limit=10";
	const struct json_value *job;
	int left = 25;

	world_open(&world, NULL);
	for (int i = 0; i < 25; i++)
		submit(&world, "/mill/ok", LATER, "x", ids[i]);
	while (left > 0) {
		api(&world, "GET", target, "", NULL, &reply);
		ck_assert_int_eq(reply.status, 200);
		job = look_at(reply_json(&reply), "jobs");
		ck_assert_int_eq(job->count, left < 10 ? left : 10);
		for (job = job->first; job != NULL; job = job->next)
			ck_assert_str_eq(look_text(job, "id"), ids[--left]);
		if (left > 0)
			snprintf(target, sizeof(target),
			    "/v1/jobs?limit=10&cursor=%s",
			    look_text(reply_json(&reply), "next_cursor"));
		else
			ck_assert(
			    look_is_null(reply_json(&reply), "next_cursor"));
		reply_clear(&reply);
	}
	world_close(&world);
}
END_TEST

START_TEST(a_list_query_that_means_nothing_is_400)
{
	static const char *const queries[] = { "status=sleeping", "limit=0",
		"limit=x", "limit=-1", "cursor=%21%21", "since=yesterday",
		"until=1" };
	struct world world;
	struct reply reply;
	char target[128];

	world_open(&world, NULL);
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		snprintf(target, sizeof(target), "/v1/jobs?%s", queries[i]);
		api(&world, "GET", target, "", NULL, &reply);
		ck_assert_msg(reply.status == 400, "%s: %d", queries[i],
		    reply.status);
		expect_problem(&reply, 400, "bad-request");
		reply_clear(&reply);
	}
	world_close(&world);
}
END_TEST

static bool
is_forgotten(struct world *world, const char *id)
{
	struct reply reply;
	bool forgotten;

	job_get(world, id, &reply);
	forgotten = reply.status == 404;
	reply_clear(&reply);
	return forgotten;
}

START_TEST(an_ended_job_is_forgotten_after_the_retention)
{
	struct setup setup = { .top = "retention = \"300ms\"\n" };
	struct world world;
	char id[ID_SIZE];

	world_open(&world, &setup);
	submit(&world, "/mill/ok", "", "x", id);
	wait_until_within(is_forgotten(&world, id), 60000);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		the_polls_status_code_tells_how_the_job_is,
		an_operator_may_choose_200_for_failed_jobs,
		an_unchanged_document_is_304_and_a_changed_one_is_not,
		the_result_is_what_a_synchronous_call_would_have_returned,
		the_result_of_a_final_refusal_is_the_upstreams_answer,
		a_pending_result_is_202_and_says_how_the_job_is,
		a_result_that_never_came_is_a_502_or_504_problem,
		an_unknown_or_malformed_id_is_404,
		an_id_of_the_right_moment_with_another_salt_is_404,
		the_list_filters_by_queue_status_and_time,
		the_list_goes_newest_first_in_pages_without_gaps,
		a_list_query_that_means_nothing_is_400,
		an_ended_job_is_forgotten_after_the_retention,
	};

	return HARNESS_RUN("follow", cases);
}
