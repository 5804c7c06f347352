/* test_refuse.c - what is refused, with which words, and that nothing stays.
 *
 * Contract, section 2: each refusal is a problem document with its own type.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"

/* True when the list of jobs is empty. */
static bool
nothing_is_stored(struct world *world)
{
	struct reply reply;
	bool empty;

	api(world, "GET", "/v1/jobs", "", NULL, &reply);
	ck_assert_int_eq(reply.status, 200);
	empty = look_at(reply_json(&reply), "jobs")->count == 0;
	reply_clear(&reply);
	return empty;
}

static void
expect_refusal(struct world *world, const char *fields, const char *name)
{
	struct reply reply;

	try_submit(world, "/mill/ok", fields, "x", &reply);
	ck_assert_msg(reply.status == 400, "%s answered %d", fields,
	    reply.status);
	expect_problem(&reply, 400, name);
	ck_assert_msg(look_text(reply_json(&reply), "detail")[0] != '\0',
	    "%s refused without a reason", fields);
	reply_clear(&reply);
}

START_TEST(a_callback_url_that_cannot_be_called_is_refused)
{
	static const char *const urls[] = { "/relative", "example.com/x",
		"x:", "ftp://example.com/", "javascript:alert(1)", "http://",
		"http:///path", "http:/one.slash/", "file:///etc/passwd",
		"http://user:secret@example.com/", "http://user@example.com/",
		"http://example.com:0/", "http://example.com:65536/",
		"http://example.com:x/", "http://exa mple.com/",
		"http://example.com/#fragment", "http://example.com/a b",
		"http://[::1/", "http://example.com\\@127.0.0.1/" };
	static const char *const names[] = { "Callback-URL", "X-Callback-Url" };
	struct world world;
	char fields[512];

	world_open(&world, NULL);
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		snprintf(fields, sizeof(fields), "%s: %s\r\n", names[i % 2],
		    urls[i]);
		expect_refusal(&world, fields, "bad-callback-url");
	}
	for (size_t i = 0; i < 4; i++) {
		snprintf(fields, sizeof(fields),
		    "%sCallback-Failure-URL: %s\r\n",
		    callback_to(&world, "/ok"), urls[i]);
		expect_refusal(&world, fields, "bad-callback-url");
	}
	ck_assert(nothing_is_stored(&world));
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(a_field_of_ours_that_means_nothing_is_refused)
{
	static const char *const fields[] = { "Callback-Events: nonsense",
		"Callback-Events: failed,ended", "Callback-Format: xml",
		"Callback-Format: STANDARD, raw", "Job-Timeout: 0",
		"Job-Timeout: -1s", "Job-Timeout: soon", "Job-Timeout: 5 s",
		"Job-Timeout: 5x", "Job-Timeout: 1s1s", "Job-Delay: later",
		"Job-Delay: -5", "Job-Delay: 99999999999999999999d",
		"Job-Priority: 10", "Job-Priority: -1", "Job-Priority: high",
		"Job-Priority: 5.5", "Job-Priority: 1e0", "Job-Expires: never",
		"Job-Expires: 0s" };
	struct world world;
	char line[256];

	world_open(&world, NULL);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		snprintf(line, sizeof(line), "%s%s\r\n",
		    callback_to(&world, "/ok"), fields[i]);
		expect_refusal(&world, line, "bad-request");
	}
	ck_assert(nothing_is_stored(&world));
	world_close(&world);
}
END_TEST

START_TEST(an_unknown_path_is_404_and_stores_nothing)
{
	static const char *const targets[] = { "/", "/nothing", "/mill",
		"/millshop/ok", "/MILL/ok", "/v1", "/v1/", "/v1/nothing",
		"/v1/jobs/x/y/z", "/v2/jobs", "//mill/ok" };
	struct world world;
	struct reply reply;

	world_open(&world, NULL);
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		try_submit(&world, targets[i], "", "x", &reply);
		ck_assert_msg(reply.status == 404 || reply.status == 400,
		    "%s: %d", targets[i], reply.status);
		if (targets[i][1] != '/')
			expect_problem(&reply, 404, "not-found");
		reply_clear(&reply);
	}
	ck_assert(nothing_is_stored(&world));
	ck_assert_int_eq(peer_count(&world.upstream, "total"), 0);
	world_close(&world);
}
END_TEST

START_TEST(a_queue_that_owns_all_paths_does_not_own_the_apis)
{
	static const struct setup setup = {
		.more = "queue \"all\" { path = \"/\" upstream = \"%s/\" }\n"
	};
	static const char *const taken[] = { "/", "/v1", "/v1x/jobs",
		"/async-function/mill", "/x?/v1/" };
	struct world world;
	struct reply reply;

	world_open(&world, &setup);
	api(&world, "PUT", "/v1/jobs", "", "x", &reply);
	expect_problem(&reply, 405, "method-not-allowed");
	reply_clear(&reply);
	api(&world, "POST", "/v1/nothing", "", "x", &reply);
	expect_problem(&reply, 404, "not-found");
	reply_clear(&reply);
	ck_assert(nothing_is_stored(&world));
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		try_submit(&world, taken[i], "", "x", &reply);
		ck_assert_msg(reply.status == 202, "%s: %d", taken[i],
		    reply.status);
		ck_assert_str_eq(look_text(reply_json(&reply), "queue"), "all");
		reply_clear(&reply);
	}
	world_close(&world);
}
END_TEST

START_TEST(a_method_that_a_resource_lacks_is_405_with_allow)
{
	static const char *const rows[][2] = { { "DELETE", "/v1/jobs" },
		{ "PUT", "/v1/jobs" },
		{ "PUT", "/v1/jobs/0198c5a0-0000-7000-8000-000000000000" },
		{ "POST",
		    "/v1/jobs/0198c5a0-0000-7000-8000-000000000000/result" },
		{ "PATCH", "/v1/dead-letters" } };
	struct world world;
	struct reply reply;

	world_open(&world, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		api(&world, rows[i][0], rows[i][1], "", "x", &reply);
		ck_assert_msg(reply.status == 405, "%s %s: %d", rows[i][0],
		    rows[i][1], reply.status);
		expect_problem(&reply, 405, "method-not-allowed");
		ck_assert_msg(reply_header(&reply, "Allow") != NULL &&
			strstr(reply_header(&reply, "Allow"), "GET") != NULL,
		    "%s: no GET in Allow", rows[i][1]);
		reply_clear(&reply);
	}
	world_close(&world);
}
END_TEST

static void
expect_size_answer(struct world *world, size_t size, int status)
{
	struct reply reply;
	char *body = calloc(1, size + 1);

	memset(body, 'x', size);
	try_submit(world, "/mill/ok", "", body, &reply);
	ck_assert_int_eq(reply.status, status);
	if (status == 413) {
		expect_problem(&reply, 413, "too-large");
		ck_assert_msg(strstr(reply.body, "1024") != NULL,
		    "the limit is not named: %s", reply.body);
		ck_assert_msg(strstr(reply.body, "1025") != NULL,
		    "the size is not named: %s", reply.body);
	}
	reply_clear(&reply);
	free(body);
}

START_TEST(a_body_over_the_limit_is_413_and_names_both)
{
	struct setup setup = { .top = "max_body = \"1k\"\n" };
	struct world world;

	world_open(&world, &setup);
	expect_size_answer(&world, 1025, 413);
	ck_assert(nothing_is_stored(&world));
	expect_size_answer(&world, 1024, 202);
	world_close(&world);
}
END_TEST

START_TEST(a_body_over_the_limit_is_refused_before_it_is_sent)
{
	struct setup setup = { .top = "max_body = \"1k\"\n" };
	struct world world;
	struct client client;
	struct reply reply;
	static const char declared[] =
	    "POST /mill/ok HTTP/1.1\r\nHost: g\r\n"
	    "Content-Length: 4000000000\r\nExpect: 100-continue\r\n\r\n";
	static const char chunked[] =
	    "POST /mill/ok HTTP/1.1\r\nHost: g\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n7fffffff\r\nx";

	world_open(&world, &setup);
	for (int i = 0; i < 2; i++) {
		client_open(&client, world.api);
		client_send(&client, i == 0 ? declared : chunked,
		    i == 0 ? sizeof(declared) - 1 : sizeof(chunked) - 1);
		ck_assert(client_read(&client, false, &reply));
		ck_assert_int_eq(reply.interim_count, 0);
		expect_problem(&reply, 413, "too-large");
		reply_clear(&reply);
		client_close(&client);
	}
	ck_assert(nothing_is_stored(&world));
	world_close(&world);
}
END_TEST

/* A request with a long target or with many bytes of fields. */
static void
send_long_head(struct client *client, size_t target_len, size_t field_count,
    size_t field_len)
{
	struct buf out;

	buf_init(&out, 8 << 20);
	buf_puts(&out, "GET /mill/");
	for (size_t i = 0; i < target_len; i++)
		buf_putc(&out, 'a');
	buf_puts(&out, " HTTP/1.1\r\nHost: g\r\n");
	for (size_t i = 0; i < field_count; i++)
		buf_printf(&out, "X-%zu: %0*d\r\n", i, (int)field_len, 0);
	buf_puts(&out, "\r\n");
	client_try_send(client, out.data, out.len);
	buf_free(&out);
}

START_TEST(a_long_target_is_414_and_long_fields_are_431)
{
	static const struct {
		size_t target_len, field_count, field_len;
		int status;
	} rows[] = {
		{ 200000, 1, 1, 414 },
		{ 1, 1, 200000, 431 },
		{ 1, 200, 1000, 431 },
		{ 1, 5000, 1, 431 },
		{ 1000, 20, 100, 202 },
	};
	struct world world;
	struct client client;
	struct reply reply;

	world_open(&world, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		client_open(&client, world.api);
		send_long_head(&client, rows[i].target_len, rows[i].field_count,
		    rows[i].field_len);
		ck_assert(client_read(&client, false, &reply));
		ck_assert_msg(reply.status == rows[i].status, "row %zu: %d", i,
		    reply.status);
		if (rows[i].status != 202)
			expect_problem(&reply, rows[i].status, "too-large");
		reply_clear(&reply);
		client_close(&client);
	}
	world_close(&world);
}
END_TEST

START_TEST(what_is_not_http_is_400_and_the_connection_closes)
{
#define POST "POST /mill/ok HTTP/1.1\r\n"
	static const char *const requests[] = {
		POST "\r\n",
		POST "Host: a\r\nHost: b\r\n\r\n",
		POST
		"Host: g\r\nContent-Length: 3\r\nContent-Length: 9\r\n\r\nabc",
		POST "Host: g\r\nContent-Length: 3\r\n"
		     "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		POST "Host: g\r\nContent-Length: +3\r\n\r\nabc",
		POST "Host: g\r\nContent-Length : 3\r\n\r\nabc",
		POST "Host: g\r\nContent-Length: -1\r\n\r\n",
		POST "Host: g\r\nTransfer-Encoding: xchunked\r\n\r\n",
		POST "Host: g\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc",
		POST "Host: g\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd",
		POST "Host: g\r\nX-Folded: a\r\n b\r\n\r\n",
		POST "Host: g\r\n: nameless\r\n\r\n",
		POST "Host: g\r\nX-Control: a\x01z\r\n\r\n",
		"POST /mill/o k HTTP/1.1\r\nHost: g\r\n\r\n",
		"POST mill/ok HTTP/1.1\r\nHost: g\r\n\r\n",
		"POST /mill/ok HTTP/1.9x\r\nHost: g\r\n\r\n",
		"POST /mill/ok\r\nHost: g\r\n\r\n",
		"\x16\x03\x01\x02 hello tls\r\n\r\n",
	};
	struct world world;
	struct client client;
	struct reply reply;

	world_open(&world, NULL);
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		client_open(&client, world.api);
		client_send(&client, requests[i], strlen(requests[i]));
		/* Whatever is read as another request would be answered too. */
		ck_assert(client_read(&client, false, &reply));
		ck_assert_msg(reply.status == 400 || reply.status == 501 ||
			reply.status == 505,
		    "%s: %d", requests[i], reply.status);
		ck_assert_msg(client_is_closed_by_peer(&client),
		    "%s: still open", requests[i]);
		reply_clear(&reply);
		client_close(&client);
	}
	ck_assert(nothing_is_stored(&world));
	world_close(&world);
}
END_TEST

START_TEST(bad_http_is_told_as_a_problem_too)
{
	static const char request[] =
	    "POST /mill/ok HTTP/1.1\r\nHost: g\r\nContent-Length: x\r\n\r\n";
	struct world world;
	struct client client;
	struct reply reply;

	world_open(&world, NULL);
	client_open(&client, world.api);
	client_send(&client, request, sizeof(request) - 1);
	ck_assert(client_read(&client, false, &reply));
	expect_problem(&reply, 400, "bad-request");
	reply_clear(&reply);
	client_close(&client);
	world_close(&world);
}
END_TEST

START_TEST(a_smuggled_request_in_a_body_is_never_run)
{
	static const char request[] =
	    "HEAD /mill/ok HTTP/1.1\r\nHost: g\r\nContent-Length: 46\r\n\r\n"
	    "POST /mill/status/299 HTTP/1.1\r\nHost: evil\r\n\r\n";
	struct world world;
	struct client client;
	struct reply reply;

	world_open(&world, NULL);
	client_open(&client, world.api);
	client_send(&client, request, sizeof(request) - 1);
	ck_assert(client_read(&client, true, &reply));
	ck_assert_msg(reply.status == 202 || reply.status == 400, "%d",
	    reply.status);
	reply_clear(&reply);
	client_close(&client);
	job_lives(&world, "/mill/ok", "", "x", "succeeded");
	ck_assert_int_eq(peer_seen(&world.upstream, "/status/299"), 0);
	world_close(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		a_callback_url_that_cannot_be_called_is_refused,
		a_field_of_ours_that_means_nothing_is_refused,
		an_unknown_path_is_404_and_stores_nothing,
		a_queue_that_owns_all_paths_does_not_own_the_apis,
		a_method_that_a_resource_lacks_is_405_with_allow,
		a_body_over_the_limit_is_413_and_names_both,
		a_body_over_the_limit_is_refused_before_it_is_sent,
		a_long_target_is_414_and_long_fields_are_431,
		what_is_not_http_is_400_and_the_connection_closes,
		bad_http_is_told_as_a_problem_too,
		a_smuggled_request_in_a_body_is_never_run,
	};

	return HARNESS_RUN("refuse", cases);
}
