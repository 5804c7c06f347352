/* test_submit.c - POST /v1/jobs: a job said in JSON.
 *
 * Contract, section 3: the same as a request under a queue's path.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"

#define JSON_TYPE "Content-Type: application/json\r\n"

static void
post_json(struct world *world, const char *body, struct reply *out)
{
	api(world, "POST", "/v1/jobs", JSON_TYPE, body, out);
}

START_TEST(all_that_fields_can_say_can_be_said_in_json)
{
	struct world world;
	struct reply reply;
	struct json_document *seen;
	char body[1024], id[ID_SIZE];

	world_open(&world, NULL);
	snprintf(body, sizeof(body),
	    "{\"queue\":\"mill\",\"method\":\"PUT\","
	    "\"path\":\"/status/200?x=%%20y\",\"headers\":{\"X-Own\":\"a\","
	    "\"Content-Type\":\"text/x-own\"},\"body\":\"h\\u00e9llo\","
	    "\"callback\":{\"url\":\"%s/ok\",\"events\":[\"succeeded\"],"
	    "\"format\":\"standard\",\"headers\":{\"X-Mine\":\"1\"}},"
	    "\"delay\":\"20ms\",\"timeout\":5,\"expires\":\"1h\","
	    "\"priority\":2}",
	    world.receiver.url);
	post_json(&world, body, &reply);
	accepted_id(&reply, id);
	ck_assert_int_eq(look_int(reply_json(&reply), "priority"), 2);
	ck_assert_str_eq(look_text(reply_json(&reply), "request.path"),
	    "/status/200?x=%20y");
	ck_assert_str_eq(look_text(reply_json(&reply), "request.method"),
	    "PUT");
	reply_clear(&reply);
	callback_wait(&world, id, "delivered", &reply);
	reply_clear(&reply);
	seen = peer_request(&world.upstream, "/status/200", 0);
	ck_assert_str_eq(seen_text(seen, "target"), "/status/200?x=%20y");
	ck_assert_str_eq(seen_field(seen, "X-Own"), "a");
	ck_assert_str_eq(seen_field(seen, "Content-Type"), "text/x-own");
	ck_assert_int_eq(seen_field_count(seen, "Content-Type"), 1);
	ck_assert_int_eq(look_int(json_root(seen), "size"), 6);
	json_document_free(&seen);
	seen = peer_request(&world.receiver, "/ok", 0);
	ck_assert_str_eq(seen_field(seen, "X-Mine"), "1");
	json_document_free(&seen);
	world_close(&world);
}
END_TEST

START_TEST(a_queue_is_enough)
{
	struct world world;
	struct reply reply;
	struct json_document *seen;
	char id[ID_SIZE];

	world_open(&world, NULL);
	post_json(&world, "{\"queue\":\"mill\"}", &reply);
	accepted_id(&reply, id);
	reply_clear(&reply);
	seen = peer_request(&world.upstream, "/", 0);
	ck_assert_str_eq(seen_text(seen, "method"), "POST");
	ck_assert_int_eq(look_int(json_root(seen), "size"), 0);
	json_document_free(&seen);
	world_close(&world);
}
END_TEST

START_TEST(a_body_in_base64_arrives_as_its_bytes)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, NULL);
	/* 00 ff 10 80 0a */
	post_json(&world,
	    "{\"queue\":\"mill\",\"path\":\"/echo\","
	    "\"body_base64\":\"AP8QgAo=\"}",
	    &reply);
	accepted_id(&reply, id);
	reply_clear(&reply);
	job_wait(&world, id, "succeeded", &reply);
	reply_clear(&reply);
	result_get(&world, id, &reply);
	ck_assert_uint_eq(reply.body_len, 5);
	ck_assert_int_eq(memcmp(reply.body, "\0\xff\x10\x80\n", 5), 0);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(json_that_is_none_or_means_nothing_is_told_apart)
{
#define Q "{\"queue\":\"mill\","
	static const struct {
		const char *body;
		int status;
		const char *name;
	} rows[] = {
		{ "", 400, "bad-json" },
		{ "queue=mill", 400, "bad-json" },
		{ Q "}", 400, "bad-json" },
		{ Q "\"path\":\"/a\"} x", 400, "bad-json" },
		{ Q "\"path\":\"/a\",\"path\":\"/b\"}", 400, "bad-json" },
		{ Q "\"body\":\"\xff\"}", 400, "bad-json" },
		{ "[]", 422, "unprocessable" },
		{ "{}", 422, "unprocessable" },
		{ "{\"queue\":1}", 422, "unprocessable" },
		{ Q "\"path\":\"relative\"}", 422, "unprocessable" },
		{ Q "\"path\":\"/a b\"}", 422, "unprocessable" },
		{ Q "\"method\":\"P ST\"}", 422, "unprocessable" },
		{ Q "\"body\":\"a\",\"body_base64\":\"YQ==\"}", 422,
		    "unprocessable" },
		{ Q "\"body_base64\":\"*\"}", 422, "unprocessable" },
		{ Q "\"priority\":10}", 422, "unprocessable" },
		{ Q "\"delay\":\"later\"}", 422, "unprocessable" },
		{ Q "\"timeout\":-1}", 422, "unprocessable" },
		{ Q "\"headers\":{\"Bad Name\":\"x\"}}", 422, "unprocessable" },
		{ Q "\"headers\":{\"X\":\"a\\r\\nB: c\"}}", 422,
		    "unprocessable" },
		{ Q "\"callback\":{\"url\":\"http://h/\",\"format\":\"xml\"}}",
		    422, "unprocessable" },
		{ Q "\"callback\":{\"url\":\"ftp://h/\"}}", 400,
		    "bad-callback-url" },
		{ Q "\"callback\":{\"url\":\"http://10.0.0.1/\"}}", 400,
		    "bad-callback-url" },
	};
	struct world world;
	struct reply reply;

	world_open(&world, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		post_json(&world, rows[i].body, &reply);
		ck_assert_msg(reply.status == rows[i].status, "%s: %d %.300s",
		    rows[i].body, reply.status, reply.body);
		expect_problem(&reply, rows[i].status, rows[i].name);
		reply_clear(&reply);
	}
	api(&world, "GET", "/v1/jobs", "", NULL, &reply);
	ck_assert_int_eq(look_at(reply_json(&reply), "jobs")->count, 0);
	reply_clear(&reply);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(an_unknown_queue_is_named)
{
	struct world world;
	struct reply reply;

	world_open(&world, NULL);
	post_json(&world, "{\"queue\":\"nobody\"}", &reply);
	ck_assert_msg(reply.status == 422 || reply.status == 404, "%d",
	    reply.status);
	ck_assert_ptr_nonnull(
	    strstr(look_text(reply_json(&reply), "detail"), "queue"));
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(only_json_is_taken)
{
	static const char *const types[] = { "", "Content-Type: text/plain\r\n",
		"Content-Type: application/x-www-form-urlencoded\r\n" };
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, NULL);
	for (int i = 0; i < 3; i++) {
		api(&world, "POST", "/v1/jobs", types[i],
		    "{\"queue\":\"mill\"}", &reply);
		expect_problem(&reply, 415, "unsupported-media-type");
		reply_clear(&reply);
	}
	api(&world, "POST", "/v1/jobs",
	    "Content-Type: Application/JSON; charset=utf-8\r\n",
	    "{\"queue\":\"mill\"}", &reply);
	accepted_id(&reply, id);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_full_queue_refuses_json_too)
{
	struct setup setup = { .queue = "capacity = 1\n" };
	struct world world;
	struct reply reply;

	world_open(&world, &setup);
	post_json(&world, "{\"queue\":\"mill\",\"delay\":3600}", &reply);
	ck_assert_int_eq(reply.status, 202);
	reply_clear(&reply);
	post_json(&world, "{\"queue\":\"mill\",\"delay\":3600}", &reply);
	expect_problem(&reply, 503, "queue-full");
	ck_assert_ptr_nonnull(reply_header(&reply, "Retry-After"));
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		all_that_fields_can_say_can_be_said_in_json,
		a_queue_is_enough,
		a_body_in_base64_arrives_as_its_bytes,
		json_that_is_none_or_means_nothing_is_told_apart,
		an_unknown_queue_is_named,
		only_json_is_taken,
		a_full_queue_refuses_json_too,
	};

	return HARNESS_RUN("submit", cases);
}
