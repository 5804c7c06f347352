/* test_envelope.c - what a receiver gets, in each format. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/document.h"

#define ID "018bcfe5-6800-7001-8000-000000000007"
#define DELIVERY_ID "018bcfe5-6801-7002-8000-000000000008"
#define AT_MS INT64_C(1700000000000) /* 2023-11-14T22:13:20Z */
#define LIMIT 1000

/* One event, and what is made of it. */
static struct job job;
static struct delivery delivery;
static struct payload response;
static struct envelope_terms terms;
static struct envelope envelope;

static void
set_up(void)
{
	terms = (struct envelope_terms){ .inline_limit_bytes = LIMIT };
	job_init(&job);
	ck_assert(uuid_parse(ID, strlen(ID), &job.id));
	strcpy(job.queue, "reports");
	strcpy(job.method, "POST");
	job.target = strdup("/x");
	job.status = JOB_SUCCEEDED;
	job.attempts = 1;
	job.max_attempts = 3;
	job.created_at_ms = AT_MS;
	job.run_at_ms = AT_MS;
	job.started_at_ms = AT_MS + 1;
	job.finished_at_ms = AT_MS + 2;
	job.response_status = 200;
	job.response_type = strdup("text/plain");
	job.callback_url = strdup("https://example.com/hook");

	delivery_init(&delivery);
	ck_assert(uuid_parse(DELIVERY_ID, strlen(DELIVERY_ID), &delivery.id));
	delivery.job = job.id;
	delivery.event = EVENT_SUCCEEDED;
	delivery.created_at_ms = AT_MS + 2;
	delivery.next_at_ms = AT_MS + 2;
	delivery.url = strdup("https://example.com/hook");
}

static void
tear_down(void)
{
	envelope_clear(&envelope);
	payload_clear(&response);
	delivery_clear(&delivery);
	job_clear(&job);
}

static void
respond(const char *headers, const void *body, size_t len)
{
	payload_clear(&response);
	response.headers = headers != NULL ? strdup(headers) : NULL;
	response.body = blob_new(body, len);
	job.response_bytes = (int64_t)len;
}

static void
never_answer(enum job_error error, const char *detail)
{
	job.status = JOB_FAILED;
	job.response_status = 0;
	job.error = error;
	job.error_detail = strdup(detail);
	delivery.event = EVENT_FAILED;
}

static void
build(enum callback_format format)
{
	delivery.format = format;
	ck_assert(
	    envelope_build(&job, &delivery, &response, &terms, &envelope));
}

/* The body as JSON, and one value of it by its path. */
static struct json_document *
read_body(void)
{
	struct reason why;
	struct json_document *document = json_parse(buf_text(&envelope.body),
	    envelope.body.len, &why);
	ck_assert_msg(document != NULL, "%s: %s", why.text,
	    buf_text(&envelope.body));
	return document;
}

static const struct json_value *
find(const struct json_document *document, const char *first,
    const char *second, const char *third)
{
	const struct json_value *value = json_root(document);
	value = json_member(value, first);
	if (second != NULL)
		value = json_member(value, second);
	if (third != NULL)
		value = json_member(value, third);
	return value;
}

/* ---- the moment of the event ---- */

START_TEST(an_event_of_a_run_is_as_it_was_whatever_came_later)
{
	static const enum job_event events[] = { EVENT_STARTED,
		EVENT_PROGRESS };

	for (int i = 0; i < 2; i++) {
		struct json_document *document;

		delivery.event = events[i];
		delivery.run = 1;
		delivery.run_started_at_ms = AT_MS + 1;
		delivery.progress = 0.25;
		free(delivery.progress_message);
		delivery.progress_message = strdup("then");
		job.attempts = 3;
		job.started_at_ms = AT_MS + 9000;
		job.progress = 0.75;
		free(job.progress_message);
		job.progress_message = strdup("now");
		build(FORMAT_STANDARD);
		document = read_body();
		ck_assert_str_eq(find(document, "data", "status", NULL)->text,
		    "running");
		ck_assert_str_eq(find(document, "data", "attempts", NULL)->text,
		    "1");
		ck_assert_str_eq(find(document, "data", "started_at", NULL)
				     ->text,
		    "2023-11-14T22:13:20.001Z");
		ck_assert_str_eq(find(document, "data", "progress", NULL)->text,
		    "0.25");
		ck_assert_str_eq(
		    find(document, "data", "progress_message", NULL)->text,
		    "then");
		json_document_free(&document);
		envelope_clear(&envelope);
	}
}
END_TEST

/* ---- standard ---- */

START_TEST(standard_is_type_timestamp_and_the_job)
{
	respond("Content-Type: text/plain\nX-A: 1\n", "hello \"you\"", 11);
	build(FORMAT_STANDARD);
	ck_assert_str_eq(envelope.content_type, "application/json");
	ck_assert_ptr_null(envelope.blob);
	ck_assert_str_eq(buf_text(&envelope.headers.text), "");
	ck_assert_str_eq(buf_text(&envelope.body),
	    "{\"type\":\"job.succeeded\","
	    "\"timestamp\":\"2023-11-14T22:13:20.002Z\",\"data\":"
	    "{\"id\":\"" ID "\",\"queue\":\"reports\","
	    "\"status\":\"succeeded\",\"client\":null,"
	    "\"created_at\":\"2023-11-14T22:13:20.000Z\","
	    "\"run_at\":\"2023-11-14T22:13:20.000Z\","
	    "\"started_at\":\"2023-11-14T22:13:20.001Z\","
	    "\"finished_at\":\"2023-11-14T22:13:20.002Z\","
	    "\"expires_at\":null,\"attempts\":1,\"max_attempts\":3,"
	    "\"position\":null,\"estimated_wait_ms\":null,\"progress\":null,"
	    "\"progress_message\":null,"
	    "\"idempotency_key\":null,\"ordering_key\":null,\"priority\":5,"
	    "\"batch\":null,\"request\":{\"method\":\"POST\",\"path\":\"/x\","
	    "\"content_type\":null,\"size\":0},"
	    "\"response\":{\"status\":200,\"content_type\":\"text/plain\","
	    "\"size\":11,\"headers\":{\"Content-Type\":\"text/plain\","
	    "\"X-A\":\"1\"},\"body\":\"hello \\\"you\\\"\"},"
	    "\"error\":null,\"callback\":{\"id\":\"" DELIVERY_ID "\","
	    "\"url\":\"https://example.com/hook\",\"state\":\"pending\","
	    "\"attempts\":[],"
	    "\"next_attempt_at\":\"2023-11-14T22:13:20.002Z\"},"
	    "\"links\":{\"self\":\"/v1/jobs/" ID "\","
	    "\"result\":\"/v1/jobs/" ID "/result\","
	    "\"events\":\"/v1/jobs/" ID "/events\"}}}");
}
END_TEST

START_TEST(repeated_fields_are_joined_under_their_first_spelling)
{
	respond("Via: a\nX-One: 1\nVIA: b\nx-one: \nvia: c, d\nVi: e\n", "", 0);
	build(FORMAT_STANDARD);
	ck_assert_ptr_nonnull(strstr(buf_text(&envelope.body),
	    "\"headers\":{\"Via\":\"a, b, c, d\",\"X-One\":\"1, \","
	    "\"Vi\":\"e\"},\"body\":\"\"}"));
}
END_TEST

START_TEST(ten_thousand_fields_are_joined_as_well)
{
	struct buf fields;
	buf_init(&fields, 1 << 20);
	for (int i = 0; i < 10000; i++)
		buf_printf(&fields, "h%d: %d\n", i % 5000, i);
	respond(buf_text(&fields), "", 0);
	buf_free(&fields);
	build(FORMAT_STANDARD);
	struct json_document *document = read_body();
	const struct json_value *headers = find(document, "data", "response",
	    "headers");
	ck_assert_uint_eq(headers->count, 5000);
	ck_assert_str_eq(headers->first->key, "h0");
	ck_assert_str_eq(headers->first->text, "0, 5000");
	json_document_free(&document);
}
END_TEST

static const struct {
	const char *bytes;
	size_t len;
	const char *member; /* as it stands in the JSON text */
} bodies[] = {
	{ "", 0, "\"body\":\"\"" },
	{ "caf\xc3\xa9", 5, "\"body\":\"caf\xc3\xa9\"" },
	{ "a\nb\x01", 4, "\"body\":\"a\\nb\\u0001\"" },
	{ "\xff", 1, "\"body_base64\":\"/w==\"" },
	{ "a\0b", 3, "\"body_base64\":\"YQBi\"" },
	{ "caf\xc3", 4, "\"body_base64\":\"Y2Fmww==\"" },
	{ "\xed\xa0\x80", 3, "\"body_base64\":\"7aCA\"" },
};

START_TEST(a_body_is_text_or_base64)
{
	respond(NULL, bodies[_i].bytes, bodies[_i].len);
	build(FORMAT_STANDARD);
	ck_assert_msg(strstr(buf_text(&envelope.body), bodies[_i].member) !=
		NULL,
	    "%s not in %s", bodies[_i].member, buf_text(&envelope.body));
	struct json_document *document = read_body();
	json_document_free(&document);
}
END_TEST

START_TEST(a_body_of_control_bytes_fits)
{
	char body[LIMIT];
	memset(body, 1, sizeof(body));
	respond(NULL, body, sizeof(body));
	build(FORMAT_STANDARD);
	struct json_document *document = read_body();
	ck_assert_uint_eq(find(document, "data", "response", "body")->text_len,
	    LIMIT);
	json_document_free(&document);
}
END_TEST

START_TEST(a_job_without_answer_has_an_error_instead)
{
	never_answer(ERROR_TIMEOUT_HEADERS, "nothing within 5s");
	build(FORMAT_STANDARD);
	struct json_document *document = read_body();
	ck_assert_str_eq(find(document, "type", NULL, NULL)->text,
	    "job.failed");
	ck_assert_int_eq(find(document, "data", "response", NULL)->kind,
	    JSON_NULL);
	ck_assert_str_eq(find(document, "data", "error", "type")->text,
	    "timeout-headers");
	json_document_free(&document);
}
END_TEST

/* ---- the same bytes every time ---- */

START_TEST(every_attempt_of_an_event_has_the_same_bytes)
{
	struct attempt_facts facts = { AT_MS, 500, ERROR_STATUS_5XX, 1, 0, 0, 0,
		0, NULL };
	struct envelope later;
	respond("A: b\n", "x", 1);
	build(FORMAT_STANDARD);
	ck_assert(document_add_attempt(&delivery, &facts));
	delivery.attempts = 1;
	delivery.next_at_ms = AT_MS + 99999;
	delivery.state = DELIVERY_DEAD;
	delivery.error = ERROR_STATUS_5XX;
	ck_assert(envelope_build(&job, &delivery, &response, &terms, &later));
	ck_assert_str_eq(buf_text(&envelope.body), buf_text(&later.body));
	envelope_clear(&later);
	ck_assert_ptr_nonnull(delivery.attempts_json);
}
END_TEST

START_TEST(a_failed_job_stays_failed_in_its_event_when_it_is_revived)
{
	never_answer(ERROR_RESET, "cut");
	job.status = JOB_QUEUED;
	job.finished_at_ms = -1;
	build(FORMAT_STANDARD);
	struct json_document *document = read_body();
	ck_assert_str_eq(find(document, "data", "status", NULL)->text,
	    "failed");
	ck_assert_str_eq(find(document, "data", "finished_at", NULL)->text,
	    "2023-11-14T22:13:20.002Z");
	json_document_free(&document);
}
END_TEST

START_TEST(a_started_event_shows_the_job_as_it_was)
{
	respond("A: b\n", "late", 4);
	delivery.event = EVENT_STARTED;
	delivery.created_at_ms = AT_MS + 1;
	build(FORMAT_STANDARD);
	struct json_document *document = read_body();
	ck_assert_str_eq(find(document, "type", NULL, NULL)->text,
	    "job.started");
	ck_assert_str_eq(find(document, "data", "status", NULL)->text,
	    "running");
	ck_assert_int_eq(find(document, "data", "response", NULL)->kind,
	    JSON_NULL);
	ck_assert_int_eq(find(document, "data", "finished_at", NULL)->kind,
	    JSON_NULL);
	json_document_free(&document);
}
END_TEST

/* ---- raw ---- */

#define RAW_FACTS                                                              \
	"Job-Event: job.succeeded\nJob-Queue: reports\nJob-Attempts: 1\n"      \
	"Job-Created-At: 2023-11-14T22:13:20.000Z\n"                           \
	"Job-Started-At: 2023-11-14T22:13:20.001Z\n"                           \
	"Job-Finished-At: 2023-11-14T22:13:20.002Z\n"                          \
	"Job-Response-Status: 200\nJob-Location: /v1/jobs/" ID "\n"

START_TEST(raw_is_the_upstreams_own_bytes)
{
	respond("Content-Type: text/plain\nETag: \"1\"\n", "a\0b", 3);
	build(FORMAT_RAW);
	ck_assert_str_eq(envelope.content_type, "text/plain");
	ck_assert_uint_eq(blob_len(envelope.blob), 3);
	ck_assert_mem_eq(blob_data(envelope.blob), "a\0b", 3);
	ck_assert_uint_eq(envelope.body.len, 0);
	ck_assert_str_eq(buf_text(&envelope.headers.text),
	    RAW_FACTS "ETag: \"1\"\n");
}
END_TEST

START_TEST(raw_passes_on_nothing_that_would_speak_for_us)
{
	respond("Host: evil\nContent-Length: 9\nWebhook-Signature: v1,x\n"
		"webhook-id: y\nJob-Id: z\nJOB-STATUS: failed\n"
		"Authorization: a\nCookie: b\nSet-Cookie: c\nUser-Agent: d\n"
		"Transfer-Encoding: chunked\nConnection: close\nExpect: e\n"
		"traceparent: f\nContent-Encoding: gzip\nJobs: 7\n",
	    "x", 1);
	build(FORMAT_RAW);
	ck_assert_str_eq(buf_text(&envelope.headers.text),
	    RAW_FACTS "Content-Encoding: gzip\nJobs: 7\n");
}
END_TEST

START_TEST(raw_without_a_type_is_bytes)
{
	free(job.response_type);
	job.response_type = NULL;
	respond(NULL, "x", 1);
	build(FORMAT_RAW);
	ck_assert_str_eq(envelope.content_type, "application/octet-stream");
}
END_TEST

START_TEST(raw_leaves_out_the_fields_that_do_not_fit)
{
	struct buf fields;
	buf_init(&fields, 1 << 20);
	for (int i = 0; i < 70; i++)
		buf_printf(&fields, "h%d: %01000d\n", i, 0);
	respond(buf_text(&fields), "", 0);
	buf_free(&fields);
	build(FORMAT_RAW);
	ck_assert_uint_le(envelope.headers.text.len, HEADERS_MAX_BYTES);
	ck_assert_ptr_nonnull(strstr(buf_text(&envelope.headers.text), "h60:"));
	ck_assert_ptr_null(strstr(buf_text(&envelope.headers.text), "h69:"));
}
END_TEST

static const struct {
	enum job_event event;
	enum job_status status;
	enum job_error error;
	const char *body;
} silent[] = {
	{ EVENT_FAILED, JOB_FAILED, ERROR_TIMEOUT_HEADERS,
	    "{\"type\":\"urn:callbackd:problem:timeout-headers\","
	    "\"title\":\"Gateway Timeout\",\"status\":504,\"detail\":\"why\"}" },
	{ EVENT_FAILED, JOB_FAILED, ERROR_REFUSED,
	    "{\"type\":\"urn:callbackd:problem:refused\","
	    "\"title\":\"Bad Gateway\",\"status\":502,\"detail\":\"why\"}" },
	{ EVENT_CANCELLED, JOB_CANCELLED, ERROR_NONE,
	    "{\"type\":\"urn:callbackd:problem:cancelled\","
	    "\"title\":\"Gone\",\"status\":410,\"detail\":\"why\"}" },
	{ EVENT_STARTED, JOB_RUNNING, ERROR_NONE, "" },
	{ EVENT_PROGRESS, JOB_RUNNING, ERROR_NONE, "" },
};

START_TEST(raw_without_answer_is_a_problem_or_nothing)
{
	never_answer(silent[_i].error, "why");
	job.status = silent[_i].status;
	delivery.event = silent[_i].event;
	build(FORMAT_RAW);
	ck_assert_str_eq(buf_text(&envelope.body), silent[_i].body);
	ck_assert_str_eq(envelope.content_type,
	    *silent[_i].body ? "application/problem+json"
			     : "application/octet-stream");
	ck_assert_ptr_null(envelope.blob);
}
END_TEST

START_TEST(raw_of_a_failed_status_is_its_answer)
{
	job.status = JOB_FAILED;
	job.response_status = 404;
	job.error = ERROR_STATUS_4XX;
	delivery.event = EVENT_FAILED;
	respond(NULL, "no such report", 14);
	build(FORMAT_RAW);
	ck_assert_uint_eq(blob_len(envelope.blob), 14);
	ck_assert_mem_eq(blob_data(envelope.blob), "no such report", 14);
	ck_assert_ptr_nonnull(strstr(buf_text(&envelope.headers.text),
	    "Job-Response-Status: 404\nJob-Error: status-4xx\n"));
}
END_TEST

/* ---- raw, to receivers made for OpenFaaS ---- */

/* The field of that name is there once, and says so. */
static void
expect_field(const char *name, const char *value)
{
	const char *cursor = buf_text(&envelope.headers.text);
	struct header_field field;
	int count = 0;

	while (headers_next(&cursor, &field)) {
		if (!header_is(&field, name))
			continue;
		ck_assert_uint_eq(field.value_len, strlen(value));
		ck_assert_mem_eq(field.value, value, field.value_len);
		count++;
	}
	ck_assert_msg(count == 1, "%s: %d times", name, count);
}

static bool
has_field(const char *name)
{
	const char *value;
	size_t len;

	return headers_find(buf_text(&envelope.headers.text), name, &value,
	    &len);
}

START_TEST(raw_says_what_openfaas_says_where_that_is_wanted)
{
	terms.for_openfaas = true;
	terms.request = "Accept: */*\nX-Call-Id: mine\n";
	respond("X-Call-Id: forged\nx-duration-seconds: 9\nX-Own: a\n", "x", 1);
	build(FORMAT_RAW);
	expect_field("X-Call-Id", "mine");
	expect_field("X-Start-Time", "1700000000000000000");
	expect_field("X-Function-Name", "reports");
	expect_field("X-Function-Status", "200");
	expect_field("X-Duration-Seconds", "0.001000");
	expect_field("X-Own", "a");
	expect_field("Job-Event", "job.succeeded");
}
END_TEST

START_TEST(raw_leaves_these_fields_to_the_upstream_where_it_is_not)
{
	terms.request = "X-Call-Id: mine\n";
	respond("X-Call-Id: theirs\n", "x", 1);
	build(FORMAT_RAW);
	expect_field("X-Call-Id", "theirs");
	ck_assert(!has_field("X-Function-Status"));
}
END_TEST

START_TEST(other_formats_say_nothing_of_openfaas)
{
	terms.for_openfaas = true;
	respond(NULL, "x", 1);
	build(FORMAT_STANDARD);
	ck_assert(!has_field("X-Call-Id"));
}
END_TEST

START_TEST(raw_without_answer_has_the_status_of_its_problem)
{
	terms.for_openfaas = true;
	never_answer(ERROR_TIMEOUT_HEADERS, "late");
	build(FORMAT_RAW);
	expect_field("X-Call-Id", ID);
	expect_field("X-Function-Status", "504");
	ck_assert_ptr_nonnull(
	    strstr(buf_text(&envelope.body), "\"status\":504"));
}
END_TEST

START_TEST(raw_of_a_job_that_goes_on_has_no_status_yet)
{
	terms.for_openfaas = true;
	delivery.event = EVENT_STARTED;
	build(FORMAT_RAW);
	expect_field("X-Call-Id", ID);
	expect_field("X-Function-Name", "reports");
	ck_assert(!has_field("X-Function-Status"));
	ck_assert(!has_field("X-Duration-Seconds"));
}
END_TEST

START_TEST(a_link_in_place_of_a_raw_result_says_so_too)
{
	char body[LIMIT + 1];

	memset(body, 'x', sizeof(body));
	terms.for_openfaas = true;
	respond(NULL, body, sizeof(body));
	build(FORMAT_RAW);
	ck_assert_ptr_null(envelope.blob);
	expect_field("X-Call-Id", ID);
	expect_field("X-Function-Status", "200");
}
END_TEST

/* ---- thin, cloudevents, large ---- */

START_TEST(thin_has_the_link_and_not_the_result)
{
	respond("A: b\n", "secret", 6);
	build(FORMAT_THIN);
	ck_assert_str_eq(envelope.content_type, "application/json");
	ck_assert_ptr_null(strstr(buf_text(&envelope.body), "secret"));
	struct json_document *document = read_body();
	ck_assert_uint_eq(find(document, "data", "response", NULL)->count, 3);
	ck_assert_str_eq(find(document, "data", "links", "result")->text,
	    "/v1/jobs/" ID "/result");
	json_document_free(&document);
}
END_TEST

/* max_age and retention after the event, not after the attempt. */
START_TEST(the_link_of_thin_is_signed_where_there_is_a_secret)
{
	static const char text[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n";
	struct reason why;
	struct sign_secret *secret = sign_secret_parse(text, strlen(text),
	    &why);
	struct link_signer acme = { signer_new(secret), "acme", "abc" };
	char query[LINK_QUERY_SIZE], link[300];

	ck_assert(link_sign(&acme, job.id, AT_MS / 1000 + 60, query));
	snprintf(link, sizeof(link), "/v1/jobs/" ID "/result?%s", query);
	terms.links = acme;
	terms.link_ms = 60000;
	respond("A: b\n", "x", 1);
	build(FORMAT_THIN);
	struct json_document *document = read_body();
	ck_assert_str_eq(find(document, "data", "links", "result")->text, link);
	ck_assert_str_eq(find(document, "data", "links", "self")->text,
	    "/v1/jobs/" ID);
	json_document_free(&document);
	signer_free(&acme.signer);
	sign_secret_free(&secret);
}
END_TEST

START_TEST(a_cloudevent_has_the_attributes_of_1_0)
{
	respond("A: b\n", "x", 1);
	build(FORMAT_CLOUDEVENTS);
	ck_assert_str_eq(envelope.content_type, "application/cloudevents+json");
	static const char head[] =
	    "{\"specversion\":\"1.0\",\"id\":\"" DELIVERY_ID "\","
	    "\"source\":\"/v1/queues/reports\","
	    "\"type\":\"callbackd.job.succeeded\",\"subject\":\"" ID "\","
	    "\"time\":\"2023-11-14T22:13:20.002Z\","
	    "\"datacontenttype\":\"application/json\",\"data\":{\"id\":";
	ck_assert_uint_gt(envelope.body.len, strlen(head));
	ck_assert_mem_eq(buf_text(&envelope.body), head, strlen(head));
	struct json_document *document = read_body();
	ck_assert_str_eq(find(document, "data", "response", "body")->text, "x");
	json_document_free(&document);
}
END_TEST

START_TEST(links_carry_the_public_url)
{
	respond("A: b\n", "x", 1);
	delivery.format = FORMAT_CLOUDEVENTS;
	terms.public_url = "https://jobs.example";
	ck_assert(
	    envelope_build(&job, &delivery, &response, &terms, &envelope));
	struct json_document *document = read_body();
	ck_assert_str_eq(find(document, "source", NULL, NULL)->text,
	    "https://jobs.example/v1/queues/reports");
	ck_assert_str_eq(find(document, "data", "links", "self")->text,
	    "https://jobs.example/v1/jobs/" ID);
	json_document_free(&document);
}
END_TEST

static const enum callback_format formats[] = { FORMAT_STANDARD, FORMAT_RAW,
	FORMAT_CLOUDEVENTS, FORMAT_THIN };

START_TEST(a_result_over_the_limit_is_left_out_in_every_format)
{
	char body[LIMIT + 1];
	memset(body, 'x', sizeof(body));
	respond("A: b\n", body, sizeof(body));
	build(formats[_i]);
	ck_assert_ptr_null(envelope.blob);
	struct json_document *document = read_body();
	ck_assert_uint_eq(find(document, "data", "response", NULL)->count, 3);
	ck_assert_str_eq(find(document, "data", "response", "size")->text,
	    "1001");
	json_document_free(&document);
}
END_TEST

START_TEST(a_result_at_the_limit_is_kept)
{
	char body[LIMIT];
	memset(body, 'x', sizeof(body));
	respond("A: b\n", body, sizeof(body));
	build(FORMAT_RAW);
	ck_assert_uint_eq(blob_len(envelope.blob), LIMIT);
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof(table[0]))

static void
add_json_cases(TCase *cases)
{
	tcase_add_test(cases, standard_is_type_timestamp_and_the_job);
	tcase_add_test(cases,
	    an_event_of_a_run_is_as_it_was_whatever_came_later);
	tcase_add_test(cases,
	    repeated_fields_are_joined_under_their_first_spelling);
	tcase_add_test(cases, ten_thousand_fields_are_joined_as_well);
	tcase_add_loop_test(cases, a_body_is_text_or_base64, 0, ROWS(bodies));
	tcase_add_test(cases, a_body_of_control_bytes_fits);
	tcase_add_test(cases, a_job_without_answer_has_an_error_instead);
	tcase_add_test(cases, every_attempt_of_an_event_has_the_same_bytes);
	tcase_add_test(cases,
	    a_failed_job_stays_failed_in_its_event_when_it_is_revived);
	tcase_add_test(cases, a_started_event_shows_the_job_as_it_was);
	tcase_add_test(cases, thin_has_the_link_and_not_the_result);
	tcase_add_test(cases,
	    the_link_of_thin_is_signed_where_there_is_a_secret);
	tcase_add_test(cases, a_cloudevent_has_the_attributes_of_1_0);
	tcase_add_test(cases, links_carry_the_public_url);
	tcase_add_loop_test(cases,
	    a_result_over_the_limit_is_left_out_in_every_format, 0,
	    ROWS(formats));
}

static void
add_raw_cases(TCase *cases)
{
	tcase_add_test(cases, raw_is_the_upstreams_own_bytes);
	tcase_add_test(cases, raw_passes_on_nothing_that_would_speak_for_us);
	tcase_add_test(cases, raw_without_a_type_is_bytes);
	tcase_add_test(cases, raw_leaves_out_the_fields_that_do_not_fit);
	tcase_add_loop_test(cases, raw_without_answer_is_a_problem_or_nothing,
	    0, ROWS(silent));
	tcase_add_test(cases, raw_of_a_failed_status_is_its_answer);
	tcase_add_test(cases, a_result_at_the_limit_is_kept);
}

static void
add_openfaas_cases(TCase *cases)
{
	tcase_add_test(cases, raw_says_what_openfaas_says_where_that_is_wanted);
	tcase_add_test(cases,
	    raw_leaves_these_fields_to_the_upstream_where_it_is_not);
	tcase_add_test(cases, other_formats_say_nothing_of_openfaas);
	tcase_add_test(cases, raw_without_answer_has_the_status_of_its_problem);
	tcase_add_test(cases, raw_of_a_job_that_goes_on_has_no_status_yet);
	tcase_add_test(cases, a_link_in_place_of_a_raw_result_says_so_too);
}

int
main(void)
{
	Suite *suite = suite_create("envelope");
	TCase *cases = tcase_create("envelope");
	tcase_add_checked_fixture(cases, set_up, tear_down);
	add_json_cases(cases);
	add_raw_cases(cases);
	add_openfaas_cases(cases);
	suite_add_tcase(suite, cases);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
