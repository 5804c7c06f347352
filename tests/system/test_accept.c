/* test_accept.c - what a client gets for a request that is accepted.
 *
 * Contract, sections 2 and 3: 202, its fields, the job document, and a location
 * that is known from then on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "callbackd/uuid.h"
#include "jobs.h"

/* A job that stays where it is while one looks at it. */
#define LATER "Job-Delay: 1h\r\n"

START_TEST(a_request_is_answered_202_with_all_that_a_client_needs)
{
	struct world world;
	struct reply reply;
	struct uuid id;
	char text[ID_SIZE];
	int64_t number;

	world_open(&world, NULL);
	try_submit(&world, "/mill/ok", LATER, "hello", &reply);
	accepted_id(&reply, text);
	ck_assert(uuid_parse(text, strlen(text), &id));
	ck_assert_str_eq(reply_header(&reply, "Content-Type"),
	    "application/json");
	ck_assert(
	    text_int64(reply_header(&reply, "Retry-After"), 0, 3600, &number));
	ck_assert_int_eq(reply_header_count(&reply, "Date"), 1);
	ck_assert_int_eq(reply_header_count(&reply, "Content-Length"), 1);
	ck_assert(!reply.is_closing);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

struct member {
	const char *path;
	enum json_kind kind;
};

static void
expect_members(const struct json_value *job, const struct member *members,
    size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct json_value *found = look_at(job, members[i].path);

		ck_assert_msg(found != NULL, "no %s", members[i].path);
		ck_assert_msg(found->kind == members[i].kind,
		    "%s is of kind %d, not %d", members[i].path,
		    (int)found->kind, (int)members[i].kind);
	}
}

#define EXPECT_MEMBERS(job, members)                                           \
	expect_members(job, members, sizeof(members) / sizeof((members)[0]))

START_TEST(a_waiting_jobs_document_has_every_key_in_its_type)
{
	static const struct member members[] = { { "id", JSON_STRING },
		{ "queue", JSON_STRING }, { "status", JSON_STRING },
		{ "client", JSON_NULL }, { "created_at", JSON_STRING },
		{ "run_at", JSON_STRING }, { "started_at", JSON_NULL },
		{ "finished_at", JSON_NULL }, { "expires_at", JSON_NULL },
		{ "attempts", JSON_NUMBER }, { "max_attempts", JSON_NUMBER },
		{ "position", JSON_NUMBER }, { "progress", JSON_NULL },
		{ "progress_message", JSON_NULL },
		{ "idempotency_key", JSON_NULL }, { "ordering_key", JSON_NULL },
		{ "priority", JSON_NUMBER }, { "batch", JSON_NULL },
		{ "request", JSON_OBJECT }, { "request.method", JSON_STRING },
		{ "request.path", JSON_STRING },
		{ "request.content_type", JSON_STRING },
		{ "request.size", JSON_NUMBER }, { "response", JSON_NULL },
		{ "error", JSON_NULL }, { "callback", JSON_NULL },
		{ "links.self", JSON_STRING }, { "links.result", JSON_STRING },
		{ "links.events", JSON_STRING } };
	struct world world;
	struct reply reply;
	const struct json_value *job;

	world_open(&world, NULL);
	try_submit(&world, "/mill/echo?x=1",
	    LATER "Content-Type: text/plain\r\n", "hello", &reply);
	job = reply_json(&reply);
	EXPECT_MEMBERS(job, members);
	ck_assert_ptr_nonnull(look_at(job, "estimated_wait_ms"));
	ck_assert_str_eq(look_text(job, "queue"), "mill");
	ck_assert_str_eq(look_text(job, "status"), "queued");
	ck_assert_int_eq(look_int(job, "attempts"), 0);
	ck_assert_int_eq(look_int(job, "max_attempts"), 3);
	ck_assert_int_eq(look_int(job, "priority"), 5);
	ck_assert_int_eq(look_int(job, "position"), 1);
	ck_assert_str_eq(look_text(job, "request.method"), "POST");
	ck_assert_str_eq(look_text(job, "request.path"), "/echo?x=1");
	ck_assert_str_eq(look_text(job, "request.content_type"), "text/plain");
	ck_assert_int_eq(look_int(job, "request.size"), 5);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(an_ended_jobs_document_has_its_response_and_its_callback)
{
	static const struct member members[] = { { "started_at", JSON_STRING },
		{ "finished_at", JSON_STRING }, { "position", JSON_NULL },
		{ "estimated_wait_ms", JSON_NULL }, { "error", JSON_NULL },
		{ "response.status", JSON_NUMBER },
		{ "response.content_type", JSON_STRING },
		{ "response.size", JSON_NUMBER },
		{ "callback.id", JSON_STRING }, { "callback.url", JSON_STRING },
		{ "callback.state", JSON_STRING },
		{ "callback.attempts", JSON_ARRAY },
		{ "callback.attempts.0.at", JSON_STRING },
		{ "callback.attempts.0.status", JSON_NUMBER },
		{ "callback.attempts.0.error", JSON_NULL },
		{ "callback.attempts.0.duration_ms", JSON_NUMBER },
		{ "callback.attempts.0.timing.connect_ms", JSON_NUMBER },
		{ "callback.attempts.0.timing.first_byte_ms", JSON_NUMBER },
		{ "callback.attempts.0.address", JSON_STRING },
		{ "callback.next_attempt_at", JSON_NULL } };
	struct world world;
	struct reply reply;
	const struct json_value *job;
	char id[ID_SIZE];
	char url[PATH_SIZE];

	world_open(&world, NULL);
	snprintf(url, sizeof(url), "%s/ok", world.receiver.url);
	submit(&world, "/mill/status/201?body=made", callback_to(&world, "/ok"),
	    "{}", id);
	callback_wait(&world, id, "delivered", &reply);
	job = reply_json(&reply);
	EXPECT_MEMBERS(job, members);
	ck_assert_str_eq(look_text(job, "status"), "succeeded");
	ck_assert_int_eq(look_int(job, "attempts"), 1);
	ck_assert_int_eq(look_int(job, "response.status"), 201);
	ck_assert_str_eq(look_text(job, "response.content_type"), "text/plain");
	ck_assert_int_eq(look_int(job, "response.size"), 4);
	/* Neither may apply to a plain address. */
	ck_assert_ptr_nonnull(
	    look_at(job, "callback.attempts.0.timing.dns_ms"));
	ck_assert_ptr_nonnull(
	    look_at(job, "callback.attempts.0.timing.tls_ms"));
	ck_assert_str_eq(look_text(job, "callback.url"), url);
	ck_assert_int_eq(look_int(job, "callback.attempts.0.status"), 204);
	ck_assert_str_eq(look_text(job, "callback.attempts.0.address"),
	    world.receiver.address);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

static int64_t
look_time(const struct json_value *job, const char *path)
{
	int64_t at_ms = 0;
	const char *text = look_text(job, path);

	ck_assert_msg(text_time_parse(text, &at_ms), "%s: %s", path, text);
	ck_assert_msg(strlen(text) == 24 && text[23] == 'Z', "%s: %s", path,
	    text);
	return at_ms;
}

/* Received and committed are not the same moment. */
static void
expect_about(int64_t got_ms, int64_t wanted_ms)
{
	ck_assert_int_le(llabs(got_ms - wanted_ms), patient_ms(500));
}

START_TEST(a_documents_moments_are_true_and_say_utc_with_milliseconds)
{
	struct world world;
	struct reply reply;
	const struct json_value *job;
	int64_t before = now_wall_ms();
	int64_t created;

	world_open(&world, NULL);
	try_submit(&world, "/mill/ok",
	    "Job-Delay: 90s\r\nJob-Expires: 2h\r\nJob-Priority: 3\r\n", "x",
	    &reply);
	job = reply_json(&reply);
	created = look_time(job, "created_at");
	ck_assert_int_ge(created, before);
	ck_assert_int_le(created, now_wall_ms());
	expect_about(look_time(job, "run_at") - created, 90 * 1000);
	expect_about(look_time(job, "expires_at") - created, 2 * 3600 * 1000);
	ck_assert_int_eq(look_int(job, "priority"), 3);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(the_location_is_known_right_after_the_202)
{
	struct world world;
	struct client posts, polls;
	struct reply reply;
	char id[ID_SIZE];
	char target[64];

	world_open(&world, NULL);
	client_open(&posts, world.api);
	client_open(&polls, world.api);
	for (int i = 0; i < 200; i++) {
		client_ask(&posts, "POST", "/mill/ok", "", "x", &reply);
		accepted_id(&reply, id);
		reply_clear(&reply);
		snprintf(target, sizeof(target), "/v1/jobs/%s", id);
		client_ask(&polls, "GET", target, "", NULL, &reply);
		ck_assert_msg(reply.status == 202 || reply.status == 200,
		    "kept connection: %d", reply.status);
		reply_clear(&reply);
		job_get(&world, id, &reply);
		ck_assert_msg(reply.status == 202 || reply.status == 200,
		    "new connection: %d", reply.status);
		reply_clear(&reply);
	}
	client_close(&posts);
	client_close(&polls);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(pipelined_requests_are_answered_in_their_order)
{
	struct world world;
	struct client client;
	struct reply reply;
	char path[32];

	world_open(&world, NULL);
	client_open(&client, world.api);
	for (int i = 0; i < 10; i++) {
		snprintf(path, sizeof(path), "/mill/ok?n=%d", i);
		client_send_request(&client, "POST", path, LATER, "x", 1);
	}
	for (int i = 0; i < 10; i++) {
		ck_assert(client_read(&client, false, &reply));
		ck_assert_int_eq(reply.status, 202);
		snprintf(path, sizeof(path), "/ok?n=%d", i);
		ck_assert_str_eq(look_text(reply_json(&reply), "request.path"),
		    path);
		reply_clear(&reply);
	}
	client_close(&client);
	world_close(&world);
}
END_TEST

START_TEST(a_head_request_becomes_a_job_and_is_answered_without_a_body)
{
	struct world world;
	struct client client;
	struct reply reply;
	char target[64];

	world_open(&world, NULL);
	client_open(&client, world.api);
	client_ask(&client, "HEAD", "/mill/ok", LATER, NULL, &reply);
	ck_assert_int_eq(reply.status, 202);
	snprintf(target, sizeof(target), "%s",
	    reply_header(&reply, "Location"));
	reply_clear(&reply);
	client_ask(&client, "HEAD", target, "", NULL, &reply);
	ck_assert_int_eq(reply.status, 202);
	ck_assert_int_gt(strtol(reply_header(&reply, "Content-Length"), NULL,
			     10),
	    0);
	reply_clear(&reply);
	/* Had a body followed, this would not be well-formed. */
	client_ask(&client, "GET", target, "", NULL, &reply);
	ck_assert_int_eq(reply.status, 202);
	ck_assert_str_eq(look_text(reply_json(&reply), "request.method"),
	    "HEAD");
	reply_clear(&reply);
	client_close(&client);
	world_close(&world);
}
END_TEST

START_TEST(an_expected_continue_comes_before_the_body_is_sent)
{
	struct world world;
	struct client client;
	struct reply reply;
	static const char head[] =
	    "POST /mill/ok HTTP/1.1\r\nHost: g\r\n"
	    "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n";

	world_open(&world, NULL);
	client_open(&client, world.api);
	client_send(&client, head, sizeof(head) - 1);
	wait_until(client_has_bytes(&client));
	client_send(&client, "hello", 5);
	ck_assert(client_read(&client, false, &reply));
	ck_assert_int_eq(reply.interim_count, 1);
	ck_assert_int_eq(reply.status, 202);
	reply_clear(&reply);
	client_close(&client);
	world_close(&world);
}
END_TEST

START_TEST(links_begin_with_the_public_url)
{
	static const char before[] = "https://gw.example/q/v1/jobs/";
	static const char *const names[] = { "links.self", "links.result",
		"links.events" };
	struct setup setup = {
		.top = "public_url = \"https://gw.example/q\"\n"
	};
	struct world world;
	struct reply reply;
	const char *link;

	world_open(&world, &setup);
	try_submit(&world, "/mill/ok", LATER, "x", &reply);
	ck_assert_int_eq(reply.status, 202);
	for (int i = 0; i < 3; i++) {
		link = look_text(reply_json(&reply), names[i]);
		ck_assert_msg(strncmp(link, before, strlen(before)) == 0 &&
			strncmp(link + strlen(before),
			    look_text(reply_json(&reply), "id"), 36) == 0,
		    "%s: %s", names[i], link);
	}
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(clients_that_leave_before_the_answer_harm_nobody)
{
	struct world world;
	struct client client;
	struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	world_open(&world, NULL);
	for (int i = 0; i < 120; i++) {
		client_open(&client, world.api);
		client_send_request(&client, "POST", "/mill/ok", "", "x", 1);
		if (i % 3 == 0)
			setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &at_once,
			    sizeof(at_once));
		if (i % 3 == 1)
			shutdown(client.fd, SHUT_WR);
		client_close(&client);
	}
	job_lives(&world, "/mill/ok", "", "x", "succeeded");
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(a_request_that_stops_halfway_is_no_job)
{
	static const char *const halves[] = {
		"POST /mill/ok HTTP/1.1\r\nHost: g\r\nContent-Length: 9\r\n\r\nhalf",
		"POST /mill/ok HTTP/1.1\r\nHost: g\r\n"
		"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
		"POST /mill/ok HTTP/1.1\r\nHo"
	};
	struct world world;
	struct client client;
	struct reply reply;

	world_open(&world, NULL);
	for (int i = 0; i < 3; i++) {
		client_open(&client, world.api);
		client_send(&client, halves[i], strlen(halves[i]));
		shutdown(client.fd, SHUT_WR);
		/* Told so or cut: either way it is over. */
		if (client_read(&client, false, &reply)) {
			ck_assert_int_eq(reply.status, 400);
			reply_clear(&reply);
		}
		client_close(&client);
	}
	api(&world, "GET", "/v1/jobs", "", NULL, &reply);
	ck_assert_int_eq(look_at(reply_json(&reply), "jobs")->count, 0);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(it_works_with_any_number_of_threads)
{
	static const char *const threads[] = { "threads = 1\n",
		"threads = 5\ndurability = \"normal\"\n" };

	for (size_t i = 0; i < 2; i++) {
		struct setup setup = { .top = threads[i] };
		struct world world;
		struct reply reply;
		char ids[50][ID_SIZE];

		world_open(&world, &setup);
		for (int n = 0; n < 50; n++)
			submit(&world, "/mill/echo", callback_to(&world, "/ok"),
			    "x", ids[n]);
		for (int n = 0; n < 50; n++) {
			callback_wait(&world, ids[n], "delivered", &reply);
			reply_clear(&reply);
		}
		expect_books_balance(&world);
		world_close(&world);
	}
}
END_TEST

START_TEST(a_kept_job_of_each_storage_can_be_read_back)
{
	static const char *const stores[] = { "memory:", "sqlite:other.db" };

	for (size_t i = 0; i < 2; i++) {
		struct setup setup = { .store = stores[i] };
		struct world world;
		struct reply reply;
		char id[ID_SIZE];

		world_open(&world, &setup);
		submit(&world, "/mill/echo", "", "kept", id);
		job_wait(&world, id, "succeeded", &reply);
		reply_clear(&reply);
		result_get(&world, id, &reply);
		ck_assert_str_eq(reply.body, "kept");
		reply_clear(&reply);
		expect_books_balance(&world);
		world_close(&world);
	}
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		a_request_is_answered_202_with_all_that_a_client_needs,
		a_waiting_jobs_document_has_every_key_in_its_type,
		an_ended_jobs_document_has_its_response_and_its_callback,
		a_documents_moments_are_true_and_say_utc_with_milliseconds,
		the_location_is_known_right_after_the_202,
		pipelined_requests_are_answered_in_their_order,
		a_head_request_becomes_a_job_and_is_answered_without_a_body,
		an_expected_continue_comes_before_the_body_is_sent,
		links_begin_with_the_public_url,
		clients_that_leave_before_the_answer_harm_nobody,
		a_request_that_stops_halfway_is_no_job,
		it_works_with_any_number_of_threads,
		a_kept_job_of_each_storage_can_be_read_back,
	};

	return HARNESS_RUN("accept", cases);
}
