/* test_forward.c - what the upstream sees of a request, and what it does not.
 *
 * Contract, section 2: method, path below the prefix, query, end-to-end fields
 * and body as they came, less what callbackd itself reads.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"

/* Submits by method and gives the request as the upstream logged it. */
static struct json_document *
forward(struct world *world, const char *method, const char *target,
    const char *fields, const char *body)
{
	struct reply reply;
	char path[512];

	api(world, method, target, fields, body, &reply);
	ck_assert_msg(reply.status == 202, "%s: %d %.200s", method,
	    reply.status, reply.body);
	reply_clear(&reply);
	snprintf(path, sizeof(path), "%.*s", (int)strcspn(target + 5, "?"),
	    target + 5);
	return peer_request(&world->upstream, path, 0);
}

START_TEST(every_method_reaches_the_upstream)
{
	static const char *const methods[] = { "GET", "HEAD", "POST", "PUT",
		"PATCH", "DELETE", "OPTIONS" };
	struct world world;
	struct json_document *seen;
	char target[64];

	world_open(&world, NULL);
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		snprintf(target, sizeof(target), "/mill/status/20%zu", i);
		seen = forward(&world, methods[i], target, "",
		    i < 2 ? NULL : "body");
		ck_assert_str_eq(seen_text(seen, "method"), methods[i]);
		ck_assert_str_eq(seen_text(seen, "body"), i < 2 ? "" : "body");
		json_document_free(&seen);
	}
	world_close(&world);
}
END_TEST

START_TEST(path_and_query_reach_the_upstream_as_they_were_written)
{
	static const char *const targets[] = {
		"/status/200/a%2Fb;v=1/%7Euser/caf%C3%A9?q=%20&q=a+b&&empty=",
		"/status/200/x//y/",
		"/status/200/!$&'()*+,;=:@-._~?/?:@!$&'()*+,;=",
		"/status/200/query?", "/?root",
		"/ok/%2F%aB?q=%c3%A9", /* not the first there; see transfer.c */
	};
	struct world world;
	struct json_document *seen;
	char target[256];

	world_open(&world, NULL);
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		snprintf(target, sizeof(target), "/mill%s", targets[i]);
		seen = forward(&world, "POST", target, "", "x");
		ck_assert_str_eq(seen_text(seen, "target"), targets[i]);
		json_document_free(&seen);
	}
	world_close(&world);
}
END_TEST

START_TEST(dot_segments_never_lead_out_of_the_prefix)
{
	static const char *const targets[] = { "/mill/../v1/jobs",
		"/mill/a/../../v1/jobs", "/mill/%2e%2e/v1/jobs", "/mill/%2E./x",
		"/mill/..", "/mill/.%2e/.%2e/etc" };
	struct world world;
	struct reply reply;

	world_open(&world, NULL);
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		api(&world, "POST", targets[i], "", "x", &reply);
		ck_assert_msg(reply.status == 400 || reply.status == 404 ||
			reply.status == 405,
		    "%s: %d", targets[i], reply.status);
		reply_clear(&reply);
	}
	ck_assert_int_eq(peer_count(&world.upstream, "total"), 0);
	world_close(&world);
}
END_TEST

START_TEST(a_body_of_all_bytes_comes_back_byte_for_byte)
{
	struct world world;
	struct client client;
	struct reply reply;
	char id[ID_SIZE];
	size_t size = 700 * 1000;
	char *body = malloc(size);

	for (size_t i = 0; i < size; i++)
		body[i] = (char)(i * 7 + i / 251);
	world_open(&world, NULL);
	client_open(&client, world.api);
	client_send_request(&client, "POST", "/mill/echo",
	    "Content-Type: application/x-bytes; v=\"1\"\r\n", body, (long)size);
	ck_assert(client_read(&client, false, &reply));
	accepted_id(&reply, id);
	reply_clear(&reply);
	job_wait(&world, id, "succeeded", &reply);
	reply_clear(&reply);
	result_get(&world, id, &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_uint_eq(reply.body_len, size);
	ck_assert_int_eq(memcmp(reply.body, body, size), 0);
	ck_assert_str_eq(reply_header(&reply, "Content-Type"),
	    "application/x-bytes; v=\"1\"");
	reply_clear(&reply);
	client_close(&client);
	free(body);
	world_close(&world);
}
END_TEST

START_TEST(a_chunked_body_arrives_whole)
{
	static const char request[] =
	    "PUT /mill/status/200 HTTP/1.1\r\nHost: g\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n"
	    "5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n";
	struct world world;
	struct client client;
	struct reply reply;
	struct json_document *seen;

	world_open(&world, NULL);
	client_open(&client, world.api);
	client_send(&client, request, sizeof(request) - 1);
	ck_assert(client_read(&client, false, &reply));
	ck_assert_int_eq(reply.status, 202);
	ck_assert_int_eq(look_int(reply_json(&reply), "request.size"), 11);
	reply_clear(&reply);
	client_close(&client);
	seen = peer_request(&world.upstream, "/status/200", 0);
	ck_assert_str_eq(seen_text(seen, "body"), "hello world");
	json_document_free(&seen);
	world_close(&world);
}
END_TEST

START_TEST(end_to_end_fields_pass_and_those_of_the_connection_do_not)
{
	static const char fields[] =
	    "Accept: a/b\r\nX-Own: one\r\nX-Own: two\r\nCookie: k=v\r\n"
	    "Authorization: Bearer mine\r\nUser-Agent: tests/1\r\n"
	    "Content-Encoding: gzip\r\nX-Empty:\r\n"
	    "Connection: X-Private, Keep-Alive\r\nX-Private: 1\r\n"
	    "X-Second: 1\r\nConnection: close-not, x-second\r\n"
	    "Keep-Alive: timeout=5\r\nTE: trailers\r\n"
	    "Proxy-Authorization: Basic x\r\nProxy-Connection: close\r\n";
	static const char *const passed[][2] = { { "Accept", "a/b" },
		{ "X-Own", "one" }, { "Cookie", "k=v" },
		{ "Authorization", "Bearer mine" }, { "User-Agent", "tests/1" },
		{ "Content-Encoding", "gzip" }, { "X-Empty", "" },
		{ "Content-Length", "4" } };
	static const char *const stripped[] = { "X-Private", "X-Second",
		"Keep-Alive", "TE", "Proxy-Authorization", "Proxy-Connection",
		"Transfer-Encoding", "Expect" };
	struct world world;
	struct json_document *seen;
	const char *value;

	world_open(&world, NULL);
	seen = forward(&world, "POST", "/mill/ok", fields, "body");
	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++) {
		value = seen_field(seen, passed[i][0]);
		ck_assert_msg(value != NULL && strcmp(value, passed[i][1]) == 0,
		    "%s: %s", passed[i][0], value != NULL ? value : "(none)");
	}
	ck_assert_int_eq(seen_field_count(seen, "X-Own"), 2);
	ck_assert_int_eq(seen_field_count(seen, "Content-Length"), 1);
	ck_assert_int_eq(seen_field_count(seen, "User-Agent"), 1);
	for (size_t i = 0; i < sizeof(stripped) / sizeof(stripped[0]); i++)
		ck_assert_msg(seen_field(seen, stripped[i]) == NULL,
		    "%s was passed on", stripped[i]);
	json_document_free(&seen);
	world_close(&world);
}
END_TEST

START_TEST(what_callbackd_reads_itself_is_kept_from_the_upstream)
{
	static const char *const read[] = { "Callback-URL", "X-Callback-Url",
		"Callback-Failure-URL", "Callback-Events", "Callback-Format",
		"Prefer", "Job-Delay", "Job-Timeout", "Job-Expires",
		"Job-Priority", "Ordering-Key" };
	struct world world;
	struct json_document *seen;
	char fields[2048];

	world_open(&world, NULL);
	snprintf(fields, sizeof(fields),
	    "%sCallback-Failure-URL: %s/ok\r\nCallback-Events: failed\r\n"
	    "Callback-Format: raw\r\nJob-Delay: 1ms\r\nJob-Timeout: 9s\r\n"
	    "Job-Expires: 1h\r\nJob-Priority: 0\r\nPrefer: respond-async\r\n",
	    callback_to(&world, "/ok"), world.receiver.url);
	seen = forward(&world, "POST", "/mill/ok", fields, "x");
	for (size_t i = 0; i < sizeof(read) / sizeof(read[0]); i++)
		ck_assert_msg(seen_field(seen, read[i]) == NULL,
		    "%s was passed on", read[i]);
	json_document_free(&seen);
	world_close(&world);
}
END_TEST

START_TEST(the_upstream_learns_of_the_job_and_its_deadline)
{
	struct world world;
	struct json_document *seen;
	struct reply reply;
	int64_t deadline = 0;
	int64_t before = now_wall_ms();
	char id[ID_SIZE];

	world_open(&world, NULL);
	submit(&world, "/mill/ok",
	    "Job-Timeout: 7s\r\nJob-Id: forged\r\n"
	    "Job-Attempt: 9\r\nJob-Deadline: never\r\n",
	    "x", id);
	job_wait(&world, id, "succeeded", &reply);
	reply_clear(&reply);
	seen = peer_request(&world.upstream, "/ok", 0);
	ck_assert_str_eq(seen_field(seen, "Job-Id"), id);
	ck_assert_str_eq(seen_field(seen, "Job-Attempt"), "1");
	ck_assert_str_eq(seen_field(seen, "Idempotency-Key"), id);
	ck_assert_int_eq(seen_field_count(seen, "Job-Id"), 1);
	ck_assert(text_time_parse(seen_field(seen, "Job-Deadline"), &deadline));
	ck_assert_int_ge(deadline, before + 7000);
	ck_assert_int_le(deadline, now_wall_ms() + 7000);
	json_document_free(&seen);
	world_close(&world);
}
END_TEST

START_TEST(attempts_are_counted_towards_the_upstream)
{
	struct world world;
	struct json_document *seen;
	char number[16];

	world_open(&world, NULL);
	job_lives(&world, "/mill/fail-times?n=2", "", "x", "succeeded");
	for (int i = 0; i < 3; i++) {
		seen = peer_request(&world.upstream, "/fail-times", i);
		snprintf(number, sizeof(number), "%d", i + 1);
		ck_assert_str_eq(seen_field(seen, "Job-Attempt"), number);
		json_document_free(&seen);
	}
	world_close(&world);
}
END_TEST

START_TEST(the_clients_own_idempotency_key_goes_to_the_upstream)
{
	struct world world;
	struct json_document *seen;

	world_open(&world, NULL);
	seen = forward(&world, "POST", "/mill/ok",
	    "Idempotency-Key: \"order-7\"\r\n", "x");
	ck_assert_msg(strcmp(seen_field(seen, "Idempotency-Key"),
			  "\"order-7\"") == 0 ||
		strcmp(seen_field(seen, "Idempotency-Key"), "order-7") == 0,
	    "Idempotency-Key: %s", seen_field(seen, "Idempotency-Key"));
	json_document_free(&seen);
	world_close(&world);
}
END_TEST

START_TEST(the_upstream_learns_where_the_request_came_from)
{
	struct setup setup = { .top = "trusted_proxies = {\"192.0.2.1\"}\n" };
	struct world world;
	struct json_document *seen;

	world_open(&world, &setup);
	seen = forward(&world, "POST", "/mill/ok",
	    "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n"
	    "X-Forwarded-Host: forged\r\n",
	    "x");
	ck_assert_str_eq(seen_field(seen, "X-Forwarded-For"), "127.0.0.1");
	ck_assert_str_eq(seen_field(seen, "X-Forwarded-Proto"), "http");
	ck_assert_str_eq(seen_field(seen, "X-Forwarded-Host"), "gateway.test");
	ck_assert_int_eq(seen_field_count(seen, "X-Forwarded-For"), 1);
	/* The upstream is addressed by its own name. */
	ck_assert_str_eq(seen_field(seen, "Host"), world.upstream.address);
	json_document_free(&seen);
	world_close(&world);
}
END_TEST

START_TEST(a_trusted_proxy_is_believed_about_its_client)
{
	struct world world;
	struct json_document *seen;
	const char *chain;

	world_open(&world, NULL);
	seen = forward(&world, "POST", "/mill/ok",
	    "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n"
	    "X-Forwarded-Host: shop.example\r\n",
	    "x");
	chain = seen_field(seen, "X-Forwarded-For");
	ck_assert_msg(strncmp(chain, "203.0.113.9", 11) == 0, "%s", chain);
	ck_assert_str_eq(seen_field(seen, "X-Forwarded-Proto"), "https");
	ck_assert_str_eq(seen_field(seen, "X-Forwarded-Host"), "shop.example");
	json_document_free(&seen);
	world_close(&world);
}
END_TEST

/* Some proxies leave the client's field as it is and put theirs below it: what
 * they have seen must not get lost. */
START_TEST(a_proxy_may_add_a_field_of_its_own)
{
	struct world world;
	struct json_document *seen;

	world_open(&world, NULL);
	seen = forward(&world, "POST", "/mill/ok",
	    "X-Forwarded-For: 198.51.100.1\r\nX-Own: 1\r\n"
	    "X-Forwarded-For: 203.0.113.9,203.0.113.8\r\n",
	    "x");
	ck_assert_str_eq(seen_field(seen, "X-Forwarded-For"),
	    "198.51.100.1, 203.0.113.9, 203.0.113.8, 127.0.0.1");
	ck_assert_int_eq(seen_field_count(seen, "X-Forwarded-For"), 1);
	json_document_free(&seen);
	world_close(&world);
}
END_TEST

START_TEST(the_trace_context_goes_to_the_upstream_and_to_the_callback)
{
	static const char trace[] =
	    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
	struct world world;
	struct json_document *seen;
	char fields[1024];
	struct peer *peers[2];

	world_open(&world, NULL);
	peers[0] = &world.upstream;
	peers[1] = &world.receiver;
	snprintf(fields, sizeof(fields),
	    "%straceparent: %s\r\ntracestate: a=1,b=2\r\n",
	    callback_to(&world, "/ok"), trace);
	job_lives(&world, "/mill/ok", fields, "x", "succeeded");
	for (int i = 0; i < 2; i++) {
		seen = peer_request(peers[i], "/ok", 0);
		ck_assert_ptr_nonnull(seen_field(seen, "traceparent"));
		/* The trace is the same; the span may be one of our own. */
		ck_assert_int_eq(strncmp(seen_field(seen, "traceparent"), trace,
				     36),
		    0);
		ck_assert_str_eq(seen_field(seen, "tracestate"), "a=1,b=2");
		json_document_free(&seen);
	}
	world_close(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		every_method_reaches_the_upstream,
		path_and_query_reach_the_upstream_as_they_were_written,
		dot_segments_never_lead_out_of_the_prefix,
		a_body_of_all_bytes_comes_back_byte_for_byte,
		a_chunked_body_arrives_whole,
		end_to_end_fields_pass_and_those_of_the_connection_do_not,
		what_callbackd_reads_itself_is_kept_from_the_upstream,
		the_upstream_learns_of_the_job_and_its_deadline,
		attempts_are_counted_towards_the_upstream,
		the_clients_own_idempotency_key_goes_to_the_upstream,
		the_upstream_learns_where_the_request_came_from,
		a_trusted_proxy_is_believed_about_its_client,
		a_proxy_may_add_a_field_of_its_own,
		the_trace_context_goes_to_the_upstream_and_to_the_callback,
	};

	return HARNESS_RUN("forward", cases);
}
