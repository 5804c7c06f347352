/* test_deliver.c - what a receiver gets, and how it is proved to be ours.
 *
 * Contract, section 5: formats, fields, signature, who is called.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"

/* The nth request to that path of the receiver; its signature is right. */
static struct json_document *
delivered(struct world *world, const char *path, int nth)
{
	struct json_document *seen = peer_request(&world->receiver, path, nth);
	const struct json_value *verified = look_at(json_root(seen),
	    "verified");

	ck_assert_msg(verified->kind == JSON_BOOL && verified->truth,
	    "the signature is wrong: %s",
	    look_at(json_root(seen), "fault")->text);
	ck_assert_str_eq(seen_text(seen, "method"), "POST");
	return seen;
}

/* The body of a delivery as JSON. Free it. */
static struct json_document *
body_of(struct json_document *seen)
{
	const char *body = seen_text(seen, "body");
	struct reason why = { "" };
	struct json_document *event = json_parse(body, strlen(body), &why);

	ck_assert_msg(event != NULL, "%s: %.300s", why.text, body);
	return event;
}

START_TEST(a_standard_callback_is_the_event_with_the_whole_result)
{
	struct world world;
	struct reply reply;
	struct json_document *seen, *event;
	const struct json_value *data;
	char id[ID_SIZE];
	int64_t at_ms = 0;

	world_open(&world, NULL);
	submit(&world,
	    "/mill/status/201?body=made&header=X-Own%3A%20a"
	    "&header=X-Own%3A%20b",
	    callback_to(&world, "/ok"), "{}", id);
	callback_wait(&world, id, "delivered", &reply);
	seen = delivered(&world, "/ok", 0);
	event = body_of(seen);
	ck_assert_str_eq(look_text(json_root(event), "type"), "job.succeeded");
	ck_assert(
	    text_time_parse(look_text(json_root(event), "timestamp"), &at_ms));
	data = look_at(json_root(event), "data");
	ck_assert_str_eq(look_text(data, "id"), id);
	ck_assert_str_eq(look_text(data, "status"), "succeeded");
	ck_assert_str_eq(look_text(data, "queue"), "mill");
	ck_assert_int_eq(look_int(data, "response.status"), 201);
	ck_assert_int_eq(look_int(data, "response.size"), 4);
	ck_assert_str_eq(look_text(data, "response.body"), "made");
	ck_assert_str_eq(look_text(data, "response.headers.X-Own"), "a, b");
	ck_assert_str_eq(look_text(data, "callback.id"),
	    look_text(reply_json(&reply), "callback.id"));
	json_document_free(&event);
	json_document_free(&seen);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_callbacks_fields_name_the_event_the_job_and_the_attempt)
{
	struct world world;
	struct reply reply;
	struct json_document *seen;
	char id[ID_SIZE];
	int64_t at_s = 0;

	world_open(&world, NULL);
	submit(&world, "/mill/ok", callback_to(&world, "/ok"), "x", id);
	callback_wait(&world, id, "delivered", &reply);
	seen = delivered(&world, "/ok", 0);
	ck_assert_str_eq(seen_field(seen, "webhook-id"),
	    look_text(reply_json(&reply), "callback.id"));
	ck_assert(text_int64(seen_field(seen, "webhook-timestamp"), 1,
	    INT64_MAX, &at_s));
	ck_assert_int_le(llabs(at_s - now_wall_ms() / 1000), 60);
	ck_assert_str_eq(seen_field(seen, "Job-Id"), id);
	ck_assert_str_eq(seen_field(seen, "Job-Status"), "succeeded");
	ck_assert_str_eq(seen_field(seen, "Webhook-Attempt"), "1");
	ck_assert_str_eq(seen_field(seen, "Webhook-Attempts-Left"), "3");
	ck_assert_str_eq(seen_field(seen, "Content-Type"), "application/json");
	ck_assert_int_eq(strncmp(seen_field(seen, "User-Agent"), "callbackd/",
			     10),
	    0);
	ck_assert_ptr_null(seen_field(seen, "Expect"));
	json_document_free(&seen);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_result_that_is_no_text_arrives_in_base64_unharmed)
{
	static const char bytes[] = "\x89PNG\r\n\x1a\n\xff\xfe\x80 not utf-8";
	struct world world;
	struct client client;
	struct reply reply;
	struct json_document *asked, *seen;

	world_open(&world, NULL);
	client_open(&client, world.api);
	client_send_request(&client, "POST", "/mill/echo",
	    callback_to(&world, "/ok"), bytes, sizeof(bytes));
	ck_assert(client_read(&client, false, &reply));
	ck_assert_int_eq(reply.status, 202);
	reply_clear(&reply);
	client_close(&client);
	seen = delivered(&world, "/ok", 0);
	asked = peer_request(&world.upstream, "/echo", 0);
	ck_assert_str_eq(look_text(json_root(seen), "result_sha256"),
	    seen_text(asked, "sha256"));
	ck_assert_ptr_nonnull(
	    strstr(seen_text(seen, "body"), "\"body_base64\""));
	json_document_free(&asked);
	json_document_free(&seen);
	world_close(&world);
}
END_TEST

START_TEST(a_raw_callback_is_the_upstreams_body_itself)
{
	struct world world;
	struct reply reply;
	struct json_document *seen;
	char fields[512], id[ID_SIZE];

	world_open(&world, NULL);
	snprintf(fields, sizeof(fields),
	    "%sCallback-Format: raw\r\nContent-Type: text/csv\r\n",
	    callback_to(&world, "/ok"));
	submit(&world, "/mill/echo", fields, "a,b\r\n1,2\r\n", id);
	callback_wait(&world, id, "delivered", &reply);
	seen = delivered(&world, "/ok", 0);
	ck_assert_str_eq(seen_text(seen, "body"), "a,b\r\n1,2\r\n");
	ck_assert_str_eq(seen_field(seen, "Content-Type"), "text/csv");
	ck_assert_int_eq(seen_field_count(seen, "Content-Type"), 1);
	ck_assert_str_eq(seen_field(seen, "Job-Id"), id);
	ck_assert_str_eq(seen_field(seen, "Job-Status"), "succeeded");
	json_document_free(&seen);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_cloudevents_callback_is_a_structured_event)
{
	struct world world;
	struct reply reply;
	struct json_document *seen, *event;
	char fields[512], id[ID_SIZE];

	world_open(&world, NULL);
	snprintf(fields, sizeof(fields), "%sCallback-Format: cloudevents\r\n",
	    callback_to(&world, "/ok"));
	submit(&world, "/mill/status/200?body=made", fields, "x", id);
	callback_wait(&world, id, "delivered", &reply);
	seen = delivered(&world, "/ok", 0);
	ck_assert_int_eq(strncmp(seen_field(seen, "Content-Type"),
			     "application/cloudevents+json", 28),
	    0);
	event = body_of(seen);
	ck_assert_str_eq(look_text(json_root(event), "specversion"), "1.0");
	ck_assert_str_eq(look_text(json_root(event), "id"),
	    look_text(reply_json(&reply), "callback.id"));
	ck_assert_ptr_nonnull(
	    strstr(look_text(json_root(event), "type"), "job.succeeded"));
	ck_assert_str_ne(look_text(json_root(event), "source"), "");
	ck_assert_str_eq(look_text(json_root(event), "data.id"), id);
	ck_assert_str_eq(look_text(json_root(event), "data.response.body"),
	    "made");
	json_document_free(&event);
	json_document_free(&seen);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_result_over_the_inline_limit_is_linked_instead)
{
	struct setup setup = { .callback = CALLBACK_USUAL
		"inline_limit = \"1k\"\n" };
	struct world world;
	struct reply reply;
	struct json_document *seen, *event;
	const struct json_value *data;
	char id[ID_SIZE];

	world_open(&world, &setup);
	submit(&world, "/mill/big?size=1025", callback_to(&world, "/ok"), "x",
	    id);
	callback_wait(&world, id, "delivered", &reply);
	reply_clear(&reply);
	seen = delivered(&world, "/ok", 0);
	event = body_of(seen);
	data = look_at(json_root(event), "data");
	ck_assert_ptr_null(look_at(data, "response.body"));
	ck_assert_ptr_null(look_at(data, "response.body_base64"));
	ck_assert_ptr_nonnull(strstr(look_text(data, "links.result"), id));
	json_document_free(&event);
	json_document_free(&seen);
	/* At the limit it is still inline. */
	submit(&world, "/mill/big?size=1024", callback_to(&world, "/ok"), "x",
	    id);
	seen = delivered(&world, "/ok", 1);
	event = body_of(seen);
	ck_assert_uint_eq(strlen(look_text(json_root(event),
			      "data.response.body")),
	    1024);
	json_document_free(&event);
	json_document_free(&seen);
	world_close(&world);
}
END_TEST

START_TEST(a_failed_job_is_told_too_and_with_its_error)
{
	struct world world;
	struct reply reply;
	struct json_document *seen, *event;
	const struct json_value *data;
	char id[ID_SIZE];

	world_open(&world, NULL);
	submit(&world, "/mill/reset", callback_to(&world, "/ok"), "x", id);
	callback_wait(&world, id, "delivered", &reply);
	reply_clear(&reply);
	seen = delivered(&world, "/ok", 0);
	ck_assert_str_eq(seen_field(seen, "Job-Status"), "failed");
	event = body_of(seen);
	data = look_at(json_root(event), "data");
	ck_assert_str_eq(look_text(json_root(event), "type"), "job.failed");
	ck_assert_str_eq(look_text(data, "status"), "failed");
	ck_assert_str_eq(look_text(data, "error.type"), "reset");
	ck_assert(look_is_null(data, "response"));
	json_document_free(&event);
	json_document_free(&seen);
	world_close(&world);
}
END_TEST

START_TEST(a_failure_url_is_called_instead_when_the_job_failed)
{
	struct world world;
	struct reply reply;
	struct json_document *seen;
	char fields[768], id[ID_SIZE];

	world_open(&world, NULL);
	snprintf(fields, sizeof(fields),
	    "%sCallback-Failure-URL: %s/status/204\r\n",
	    callback_to(&world, "/ok"), world.receiver.url);
	submit(&world, "/mill/status/400", fields, "x", id);
	callback_wait(&world, id, "delivered", &reply);
	reply_clear(&reply);
	seen = delivered(&world, "/status/204", 0);
	json_document_free(&seen);
	ck_assert_int_eq(peer_seen(&world.receiver, "/ok"), 0);
	submit(&world, "/mill/ok", fields, "x", id);
	callback_wait(&world, id, "delivered", &reply);
	reply_clear(&reply);
	ck_assert_int_eq(peer_seen(&world.receiver, "/ok"), 1);
	ck_assert_int_eq(peer_seen(&world.receiver, "/status/204"), 1);
	world_close(&world);
}
END_TEST

START_TEST(only_the_events_that_were_asked_for_are_told)
{
	struct world world;
	struct reply reply;
	char fields[512], id[ID_SIZE];

	world_open(&world, NULL);
	snprintf(fields, sizeof(fields), "%sCallback-Events: failed\r\n",
	    callback_to(&world, "/ok"));
	job_lives(&world, "/mill/ok", fields, "x", "succeeded");
	submit(&world, "/mill/status/400", fields, "x", id);
	callback_wait(&world, id, "delivered", &reply);
	reply_clear(&reply);
	ck_assert_int_eq(peer_seen(&world.receiver, "/ok"), 1);
	world_close(&world);
}
END_TEST

START_TEST(the_old_name_of_the_callback_field_means_the_same)
{
	struct world world;
	struct reply reply;
	char fields[512], id[ID_SIZE];

	world_open(&world, NULL);
	snprintf(fields, sizeof(fields), "X-Callback-Url: %s/ok\r\n",
	    world.receiver.url);
	submit(&world, "/mill/ok", fields, "x", id);
	callback_wait(&world, id, "delivered", &reply);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(each_ended_job_is_told_exactly_once)
{
	struct world world;
	struct reply reply;
	char ids[60][ID_SIZE];
	const struct json_value *keys;

	world_open(&world, NULL);
	for (int i = 0; i < 60; i++)
		submit(&world, i % 3 == 0 ? "/mill/status/400" : "/mill/echo",
		    callback_to(&world, "/ok"), "x", ids[i]);
	for (int i = 0; i < 60; i++) {
		callback_wait(&world, ids[i], "delivered", &reply);
		reply_clear(&reply);
	}
	ask(world.receiver.address, "GET", "/count", "", NULL, &reply);
	keys = look_at(reply_json(&reply), "keys");
	ck_assert_int_eq(look_int(reply_json(&reply), "total"), 60);
	ck_assert_int_eq(keys->count, 60);
	reply_clear(&reply);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

/* ---- addresses that must not be called ---- */

START_TEST(an_address_that_is_not_public_is_refused_when_it_is_named)
{
	static const char *const hosts[] = { "127.0.0.1", "127.1", "2130706433",
		"0x7f.1", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]",
		"[::ffff:7f00:1]", "0.0.0.0", "0", "10.1.2.3", "172.16.0.1",
		"192.168.0.1", "169.254.169.254", "100.64.0.1", "[fe80::1]",
		"[fd00::1]", "[64:ff9b::7f00:1]", "224.0.0.1",
		"255.255.255.255" };
	struct setup setup = { .callback = "" };
	struct world world;
	struct reply reply;
	char fields[128];

	world_open(&world, &setup);
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		snprintf(fields, sizeof(fields),
		    "Callback-URL: http://%s:8099/\r\n", hosts[i]);
		try_submit(&world, "/mill/ok", fields, "x", &reply);
		ck_assert_msg(reply.status == 400, "%s: %d", hosts[i],
		    reply.status);
		expect_problem(&reply, 400, "bad-callback-url");
		reply_clear(&reply);
	}
	ck_assert_int_eq(peer_count(&world.upstream, "total"), 0);
	world_close(&world);
}
END_TEST

static bool
is_denied(struct world *world, const char *id)
{
	struct reply reply;
	bool denied;

	job_get(world, id, &reply);
	ck_assert(
	    !look_says(reply_json(&reply), "callback.state", "delivered"));
	denied = look_says(reply_json(&reply), "callback.attempts.0.error",
	    "target-denied");
	reply_clear(&reply);
	return denied;
}

START_TEST(a_name_that_leads_to_loopback_is_never_called)
{
	struct setup setup = { .callback = "schedule = {\"20ms\"}\n" };
	struct world world;
	struct reply reply;
	char fields[128], id[ID_SIZE];

	world_open(&world, &setup);
	snprintf(fields, sizeof(fields),
	    "Callback-URL: http://localhost%s/\r\n",
	    strrchr(world.receiver.address, ':'));
	try_submit(&world, "/mill/ok", fields, "x", &reply);
	/* The name may be known as bad at once, or found so when it is used. */
	if (reply.status == 400) {
		expect_problem(&reply, 400, "bad-callback-url");
	} else {
		accepted_id(&reply, id);
		wait_until(is_denied(&world, id));
	}
	reply_clear(&reply);
	ck_assert_int_eq(peer_count(&world.receiver, "total"), 0);
	world_close(&world);
}
END_TEST

START_TEST(deny_wins_over_allow_and_https_only_is_kept)
{
	static const char *const rules[] = {
		"allow = {\"127.0.0.0/8\"}\n deny = {\"127.0.0.1/32\"}\n",
		"allow = {\"127.0.0.0/8\"}\n https_only = true\n",
		"allow = {\"127.0.0.0/8\"}\n ports = {443}\n"
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		struct setup setup = { .callback = rules[i] };
		struct world world;
		struct reply reply;

		world_open(&world, &setup);
		try_submit(&world, "/mill/ok", callback_to(&world, "/ok"), "x",
		    &reply);
		expect_problem(&reply, 400, "bad-callback-url");
		reply_clear(&reply);
		world_close(&world);
	}
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		a_standard_callback_is_the_event_with_the_whole_result,
		a_callbacks_fields_name_the_event_the_job_and_the_attempt,
		a_result_that_is_no_text_arrives_in_base64_unharmed,
		a_raw_callback_is_the_upstreams_body_itself,
		a_cloudevents_callback_is_a_structured_event,
		a_result_over_the_inline_limit_is_linked_instead,
		a_failed_job_is_told_too_and_with_its_error,
		a_failure_url_is_called_instead_when_the_job_failed,
		only_the_events_that_were_asked_for_are_told,
		the_old_name_of_the_callback_field_means_the_same,
		each_ended_job_is_told_exactly_once,
		an_address_that_is_not_public_is_refused_when_it_is_named,
		a_name_that_leads_to_loopback_is_never_called,
		deny_wins_over_allow_and_https_only_is_kept,
	};

	return HARNESS_RUN("deliver", cases);
}
