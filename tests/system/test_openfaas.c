/* test_openfaas.c - a client and a receiver made for OpenFaaS.
 *
 * Contract, section 8: openfaas_compat. What its gateway answers, what its
 * functions see and what its queue worker posts is what they look for here.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/sign.h"
#include "jobs.h"

#define COMPAT "openfaas_compat = true\n"
#define ONE_ATTEMPT "attempts = 1\n"

static const struct setup usual = { .top = COMPAT, .queue = ONE_ATTEMPT };

/* "X-Callback-Url: http://RECEIVER/ok\r\n" and more fields. */
static const char *
called_back(struct world *world, const char *more)
{
	static char fields[512];

	snprintf(fields, sizeof(fields), "X-Callback-Url: %s/ok\r\n%s",
	    world->receiver.url, more);
	return fields;
}

/* Demands a 202 that names the call, once. */
static void
call(struct world *world, const char *target, const char *fields,
    const char *body, char call_out[64])
{
	struct reply reply;
	char id[ID_SIZE];

	try_submit(world, target, fields, body, &reply);
	accepted_id(&reply, id);
	ck_assert_int_eq(reply_header_count(&reply, "X-Call-Id"), 1);
	ck_assert_int_eq(reply_header_count(&reply, "X-Start-Time"), 1);
	snprintf(call_out, 64, "%s", reply_header(&reply, "X-Call-Id"));
	reply_clear(&reply);
}

/* The only callback so far: a POST that is signed, and belongs to the call. */
static struct json_document *
only_callback(struct world *world, const char *call_id, const char *status)
{
	static const char *const once[] = { "X-Call-Id", "X-Start-Time",
		"X-Function-Name", "X-Function-Status", "X-Duration-Seconds",
		"Content-Type" };
	struct json_document *seen = peer_request(&world->receiver, "/ok", 0);

	ck_assert_str_eq(seen_text(seen, "method"), "POST");
	ck_assert(look_at(json_root(seen), "verified")->truth);
	for (size_t i = 0; i < sizeof(once) / sizeof(once[0]); i++)
		ck_assert_msg(seen_field_count(seen, once[i]) == 1,
		    "%s: %d times", once[i], seen_field_count(seen, once[i]));
	ck_assert_str_eq(seen_field(seen, "X-Call-Id"), call_id);
	ck_assert_str_eq(seen_field(seen, "X-Function-Name"), "mill");
	ck_assert_str_eq(seen_field(seen, "X-Function-Status"), status);
	return seen;
}

/* "0.012000": no unit, six decimals. */
static void
expect_seconds(const struct json_document *seen, double at_least)
{
	const char *text = seen_field(seen, "X-Duration-Seconds");
	const char *dot = strchr(text, '.');
	char *end;

	ck_assert_double_ge(strtod(text, &end), at_least);
	ck_assert_str_eq(end, "");
	ck_assert_ptr_nonnull(dot);
	ck_assert_uint_eq(strlen(dot + 1), 6);
}

/* ---- the call ---- */

START_TEST(a_functions_path_and_query_are_what_the_upstream_sees)
{
	static const struct {
		const char *target;
		const char *path; /* without the query */
		const char *seen;
	} rows[] = {
		{ "/async-function/mill", "/", "/" },
		{ "/async-function/mill/ok?a=1&b=%2F", "/ok", "/ok?a=1&b=%2F" },
		{ "/async-function/mill/deep//er/", "/deep//er/",
		    "/deep//er/" },
		{ "/async-function/mill.openfaas-fn/other", "/other",
		    "/other" },
	};
	struct world world;
	struct json_document *seen;
	char id[64];

	world_open(&world, &usual);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		call(&world, rows[i].target, "", "x", id);
		seen = peer_request(&world.upstream, rows[i].path, 0);
		ck_assert_str_eq(seen_text(seen, "target"), rows[i].seen);
		json_document_free(&seen);
	}
	call(&world, "/async-function/mill?a=1", "", "x", id);
	seen = peer_request(&world.upstream, "/", 1);
	ck_assert_str_eq(seen_text(seen, "target"), "/?a=1");
	json_document_free(&seen);
	call(&world, "/async-function/mill/", "", "x", id);
	seen = peer_request(&world.upstream, "/", 2);
	ck_assert_str_eq(seen_text(seen, "target"), "/");
	json_document_free(&seen);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(a_call_is_a_job_and_has_its_id)
{
	struct world world;
	struct reply reply;
	char id[64];

	world_open(&world, &usual);
	call(&world, "/async-function/mill/ok", "", "x", id);
	job_wait(&world, id, "succeeded", &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "queue"), "mill");
	ck_assert_str_eq(look_text(reply_json(&reply), "request.path"), "/ok");
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_function_sees_the_call_and_what_was_sent)
{
	struct world world;
	struct json_document *seen;
	char id[64];

	world_open(&world, &usual);
	call(&world, "/async-function/mill/ok",
	    called_back(&world, "Content-Type: text/csv\r\nX-Own: a\r\n"),
	    "a,b", id);
	seen = peer_request(&world.upstream, "/ok", 0);
	ck_assert_str_eq(seen_text(seen, "method"), "POST");
	ck_assert_str_eq(seen_text(seen, "body"), "a,b");
	ck_assert_str_eq(seen_field(seen, "Content-Type"), "text/csv");
	ck_assert_str_eq(seen_field(seen, "X-Own"), "a");
	ck_assert_str_eq(seen_field(seen, "X-Call-Id"), id);
	ck_assert_int_eq(seen_field_count(seen, "X-Call-Id"), 1);
	ck_assert_int_eq(seen_field_count(seen, "X-Start-Time"), 1);
	ck_assert_int_le(llabs(strtoll(seen_field(seen, "X-Start-Time"), NULL,
				   10) /
				 1000000 -
			     now_wall_ms()),
	    60000);
	ck_assert_ptr_null(seen_field(seen, "X-Callback-Url"));
	json_document_free(&seen);
	world_close(&world);
}
END_TEST

START_TEST(a_client_may_name_its_call)
{
	struct world world;
	struct json_document *seen;
	char id[64];

	world_open(&world, &usual);
	call(&world, "/async-function/mill/ok",
	    called_back(&world, "X-Call-Id: my own\r\n"), "x", id);
	ck_assert_str_eq(id, "my own");
	seen = peer_request(&world.upstream, "/ok", 0);
	ck_assert_str_eq(seen_field(seen, "X-Call-Id"), "my own");
	ck_assert_int_eq(seen_field_count(seen, "X-Call-Id"), 1);
	json_document_free(&seen);
	seen = only_callback(&world, "my own", "204");
	json_document_free(&seen);
	world_close(&world);
}
END_TEST

START_TEST(a_call_without_a_callback_url_is_taken)
{
	static const char *const fields[] = { "",
		"X-Callback-Url: \r\nX-Call-Id:\r\n" };
	struct world world;
	struct reply reply;
	char id[64];

	world_open(&world, &usual);
	for (size_t i = 0; i < 2; i++) {
		call(&world, "/async-function/mill/ok", fields[i], "x", id);
		job_wait(&world, id, "succeeded", &reply);
		ck_assert(look_is_null(reply_json(&reply), "callback"));
		reply_clear(&reply);
	}
	ck_assert_int_eq(peer_count(&world.receiver, "total"), 0);
	world_close(&world);
}
END_TEST

START_TEST(a_call_that_comes_twice_is_named_as_it_was_first)
{
	static const char *const names[] = { "X-Call-Id: one\r\n", "" };
	struct world world;
	struct reply reply;
	char fields[128], first[64];

	world_open(&world, &usual);
	for (int i = 0; i < 2; i++) {
		snprintf(fields, sizeof(fields),
		    "Idempotency-Key: %d\r\nJob-Delay: 1h\r\n%s", i, names[i]);
		call(&world, "/async-function/mill/ok", fields, "x", first);
		snprintf(fields, sizeof(fields),
		    "Idempotency-Key: %d\r\nX-Call-Id: two\r\n", i);
		try_submit(&world, "/async-function/mill/ok", fields, "x",
		    &reply);
		ck_assert_int_eq(reply.status, 202);
		ck_assert_str_eq(reply_header(&reply, "Idempotent-Replayed"),
		    "true");
		ck_assert_str_eq(reply_header(&reply, "X-Call-Id"), first);
		ck_assert_int_eq(reply_header_count(&reply, "X-Call-Id"), 1);
		reply_clear(&reply);
	}
	world_close(&world);
}
END_TEST

START_TEST(a_caller_may_wait_for_the_result)
{
	struct world world;
	struct reply reply;

	world_open(&world, &usual);
	try_submit(&world, "/async-function/mill/status/200?body=made",
	    "Prefer: wait=10\r\nX-Call-Id: mine\r\n", "x", &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply.body, "made");
	ck_assert_str_eq(reply_header(&reply, "X-Call-Id"), "mine");
	ck_assert_str_eq(reply_header(&reply, "Job-Status"), "succeeded");
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

/* ---- the callback ---- */

START_TEST(a_callback_is_the_functions_answer)
{
	struct world world;
	struct json_document *seen;
	char id[64];

	world_open(&world, &usual);
	call(&world,
	    "/async-function/mill/echo?delay_ms=30&header=X-Own%3A%20a"
	    "&header=X-Call-Id%3A%20forged&header=X-Duration-Seconds%3A%209",
	    called_back(&world, "Content-Type: text/csv\r\n"), "a,b\r\n", id);
	seen = only_callback(&world, id, "200");
	ck_assert_str_eq(seen_text(seen, "body"), "a,b\r\n");
	ck_assert_str_eq(seen_field(seen, "Content-Type"), "text/csv");
	ck_assert_str_eq(seen_field(seen, "X-Own"), "a");
	ck_assert_str_eq(seen_field(seen, "Job-Id"), id);
	expect_seconds(seen, 0.03);
	json_document_free(&seen);
	world_close(&world);
}
END_TEST

START_TEST(a_function_that_fails_is_told_with_its_status_and_answer)
{
	struct world world;
	struct json_document *seen;
	char id[64];

	world_open(&world, &usual);
	call(&world, "/async-function/mill/status/500?body=broken",
	    called_back(&world, ""), "x", id);
	seen = only_callback(&world, id, "500");
	ck_assert_str_eq(seen_text(seen, "body"), "broken");
	ck_assert_str_eq(seen_field(seen, "Job-Status"), "failed");
	expect_seconds(seen, 0);
	json_document_free(&seen);
	world_close(&world);
}
END_TEST

START_TEST(a_function_that_is_not_there_is_a_bad_gateway)
{
	static const struct setup setup = { .top = COMPAT,
		.queue = ONE_ATTEMPT,
		.no_upstream = true };
	struct world world;
	struct json_document *seen;
	char id[64];

	world_open(&world, &setup);
	call(&world, "/async-function/mill", called_back(&world, ""), "x", id);
	seen = only_callback(&world, id, "502");
	ck_assert_str_eq(seen_field(seen, "Content-Type"),
	    "application/problem+json");
	ck_assert_ptr_nonnull(strstr(seen_text(seen, "body"),
	    "\"type\":\"urn:callbackd:problem:refused\""));
	ck_assert_ptr_nonnull(
	    strstr(seen_text(seen, "body"), "\"status\":502"));
	expect_seconds(seen, 0);
	json_document_free(&seen);
	world_close(&world);
}
END_TEST

START_TEST(a_function_that_takes_too_long_is_a_gateway_timeout)
{
	static const struct setup setup = { .top = COMPAT,
		.queue = "attempts = 1\n timeout = \"50ms\"\n" };
	struct world world;
	struct json_document *seen;
	char id[64];

	world_open(&world, &setup);
	call(&world, "/async-function/mill/hang", called_back(&world, ""), "x",
	    id);
	seen = only_callback(&world, id, "504");
	expect_seconds(seen, 0.05);
	json_document_free(&seen);
	world_close(&world);
}
END_TEST

START_TEST(a_call_outlives_the_gateway)
{
	struct world world;
	struct json_document *seen;
	char id[64];

	world_open(&world, &usual);
	call(&world, "/async-function/mill/status/200",
	    called_back(&world, "X-Call-Id: mine\r\nJob-Delay: 300ms\r\n"), "x",
	    id);
	daemon_kill(&world);
	daemon_start(&world);
	seen = only_callback(&world, "mine", "200");
	json_document_free(&seen);
	world_close(&world);
}
END_TEST

START_TEST(a_caller_may_choose_another_format)
{
	struct world world;
	struct json_document *seen;
	char id[64];

	world_open(&world, &usual);
	call(&world, "/async-function/mill/ok",
	    called_back(&world, "Callback-Format: standard\r\n"), "x", id);
	seen = peer_request(&world.receiver, "/ok", 0);
	ck_assert_str_eq(seen_field(seen, "Content-Type"), "application/json");
	ck_assert_ptr_nonnull(
	    strstr(seen_text(seen, "body"), "{\"type\":\"job.succeeded\""));
	ck_assert_ptr_null(seen_field(seen, "X-Function-Status"));
	json_document_free(&seen);
	world_close(&world);
}
END_TEST

START_TEST(every_raw_callback_speaks_so_once_it_is_switched_on)
{
	struct setup off = usual;
	struct world world;
	struct json_document *seen;
	char id[ID_SIZE];

	off.top = "";
	world_open(&world, &off);
	submit(&world, "/mill/status/200",
	    called_back(&world, "Callback-Format: raw\r\n"), "x", id);
	seen = peer_request(&world.receiver, "/ok", 0);
	ck_assert_ptr_null(seen_field(seen, "X-Call-Id"));
	ck_assert_ptr_null(seen_field(seen, "X-Function-Status"));
	json_document_free(&seen);
	world_configure(&world, &usual);
	(void)daemon_reload(&world);
	submit(&world, "/mill/status/200",
	    called_back(&world, "Callback-Format: raw\r\n"), "x", id);
	seen = peer_request(&world.receiver, "/ok", 1);
	ck_assert_str_eq(seen_field(seen, "X-Call-Id"), id);
	ck_assert_str_eq(seen_field(seen, "X-Function-Status"), "200");
	json_document_free(&seen);
	world_close(&world);
}
END_TEST

/* ---- refusals ---- */

static void
expect_detail(struct reply *reply, int status, const char *name,
    const char *detail)
{
	expect_problem(reply, status, name);
	ck_assert_str_eq(look_text(reply_json(reply), "detail"), detail);
	reply_clear(reply);
}

START_TEST(without_the_setting_there_is_no_such_path)
{
	struct world world;
	struct reply reply;

	world_open(&world, NULL);
	try_submit(&world, "/async-function/mill/ok", "", "x", &reply);
	expect_detail(&reply, 404, "not-found",
	    "no queue and no resource has this path");
	api(&world, "GET", "/async-function/mill", "", NULL, &reply);
	expect_detail(&reply, 404, "not-found",
	    "no queue and no resource has this path");
	ck_assert_int_eq(peer_count(&world.upstream, "total"), 0);
	world_close(&world);
}
END_TEST

START_TEST(an_unknown_function_is_404)
{
	static const char *const targets[] = { "/async-function/nobody",
		"/async-function/nobody/ok", "/async-function/",
		"/async-function//ok", "/async-function/Mill",
		"/async-function/.mill", "/async-function/mil%6C" };
	struct world world;
	struct reply reply;

	world_open(&world, &usual);
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		try_submit(&world, targets[i], "", "x", &reply);
		expect_detail(&reply, 404, "not-found",
		    "there is no such queue");
	}
	try_submit(&world, "/async-function", "", "x", &reply);
	expect_detail(&reply, 404, "not-found",
	    "no queue and no resource has this path");
	world_close(&world);
}
END_TEST

START_TEST(a_function_is_called_by_post_only)
{
	static const char *const methods[] = { "GET", "PUT", "DELETE", "PATCH",
		"OPTIONS" };
	static const struct setup setup = { .top = COMPAT,
		.more = "queue \"all\" { path = \"/\" upstream = \"%s/\" }\n" };
	struct world world;
	struct reply reply;

	world_open(&world, &setup);
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		api(&world, methods[i], "/async-function/mill/ok", "", NULL,
		    &reply);
		ck_assert_str_eq(reply_header(&reply, "Allow"), "POST");
		expect_detail(&reply, 405, "method-not-allowed", "use POST");
	}
	ck_assert_int_eq(peer_count(&world.upstream, "total"), 0);
	world_close(&world);
}
END_TEST

START_TEST(a_callback_url_is_guarded_as_any)
{
	struct world world;
	struct reply reply;

	world_open(&world, &usual);
	try_submit(&world, "/async-function/mill/ok",
	    "X-Callback-Url: http://10.0.0.1/\r\n", "x", &reply);
	expect_problem(&reply, 400, "bad-callback-url");
	reply_clear(&reply);
	try_submit(&world, "/async-function/mill/../ok", "", "x", &reply);
	expect_detail(&reply, 400, "bad-request",
	    "the path holds a dot segment");
	world_close(&world);
}
END_TEST

START_TEST(a_call_needs_a_key_and_the_right_to_the_queue)
{
	struct setup setup = { .top = COMPAT };
	struct world world;
	struct reply reply;
	char hash[SHA256_HEX_SIZE], more[512];

	ck_assert(sha256_hex("key", 3, hash));
	snprintf(more, sizeof(more),
	    "queue \"saw\" { path = \"/saw/\" upstream = \"%%s/\" }\n"
	    "client \"acme\" { key_sha256 = \"%s\" queues = {\"saw\"} }\n",
	    hash);
	setup.more = more;
	world_open(&world, &setup);
	try_submit(&world, "/async-function/saw", "", "x", &reply);
	expect_detail(&reply, 401, "unauthorized",
	    "send your key as Authorization: Bearer KEY");
	try_submit(&world, "/async-function/mill",
	    "Authorization: Bearer key\r\n", "x", &reply);
	expect_detail(&reply, 403, "forbidden",
	    "this key may not use queue mill");
	try_submit(&world, "/async-function/saw",
	    "Authorization: Bearer key\r\n", "x", &reply);
	ck_assert_int_eq(reply.status, 202);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_full_queue_takes_no_call)
{
	static const struct setup setup = { .top = COMPAT,
		.queue = "capacity = 1\n" };
	struct world world;
	struct reply reply;
	char id[64];

	world_open(&world, &setup);
	call(&world, "/async-function/mill", "Job-Delay: 1h\r\n", "x", id);
	try_submit(&world, "/async-function/mill", "", "x", &reply);
	ck_assert_ptr_nonnull(reply_header(&reply, "Retry-After"));
	ck_assert_ptr_null(reply_header(&reply, "X-Call-Id"));
	expect_detail(&reply, 503, "queue-full", "queue mill is full");
	world_close(&world);
}
END_TEST

START_TEST(a_callbacks_own_fields_may_not_speak_so)
{
	static const char job[] =
	    "{\"queue\":\"mill\",\"callback\":{\"url\":\"http://127.0.0.1/\","
	    "\"headers\":{\"X-Call-Id\":\"mine\"}}}";
	struct world world;
	struct reply reply;

	world_open(&world, &usual);
	api(&world, "POST", "/v1/jobs", "Content-Type: application/json\r\n",
	    job, &reply);
	expect_problem(&reply, 422, "unprocessable");
	reply_clear(&reply);
	world_configure(&world, NULL);
	(void)daemon_reload(&world);
	api(&world, "POST", "/v1/jobs", "Content-Type: application/json\r\n",
	    job, &reply);
	ck_assert_int_eq(reply.status, 202);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		a_functions_path_and_query_are_what_the_upstream_sees,
		a_call_is_a_job_and_has_its_id,
		a_function_sees_the_call_and_what_was_sent,
		a_client_may_name_its_call,
		a_call_without_a_callback_url_is_taken,
		a_call_that_comes_twice_is_named_as_it_was_first,
		a_caller_may_wait_for_the_result,
		a_callback_is_the_functions_answer,
		a_function_that_fails_is_told_with_its_status_and_answer,
		a_function_that_is_not_there_is_a_bad_gateway,
		a_function_that_takes_too_long_is_a_gateway_timeout,
		a_call_outlives_the_gateway,
		a_caller_may_choose_another_format,
		every_raw_callback_speaks_so_once_it_is_switched_on,
		without_the_setting_there_is_no_such_path,
		an_unknown_function_is_404,
		a_function_is_called_by_post_only,
		a_callback_url_is_guarded_as_any,
		a_call_needs_a_key_and_the_right_to_the_queue,
		a_full_queue_takes_no_call,
		a_callbacks_own_fields_may_not_speak_so,
	};

	return HARNESS_RUN("openfaas", cases);
}
