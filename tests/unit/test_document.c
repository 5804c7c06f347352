/* test_document.c - the job document, to the byte. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/document.h"

#define ID "018bcfe5-6800-7001-8000-000000000007"
#define DELIVERY_ID "018bcfe5-6801-7002-8000-000000000008"
#define BATCH_ID "018bcfe5-6801-7003-8000-000000000009"
#define AT_MS INT64_C(1700000000000) /* 2023-11-14T22:13:20Z */

static struct uuid
id_of(const char *text)
{
	struct uuid id;
	ck_assert(uuid_parse(text, strlen(text), &id));
	return id;
}

/* A job that has just been accepted. */
static void
fill_job(struct job *job)
{
	job_init(job);
	job->id = id_of(ID);
	strcpy(job->queue, "reports");
	strcpy(job->method, "POST");
	job->target = strdup("/generate?x=1");
	job->content_type = strdup("application/json");
	job->request_bytes = 256;
	job->status = JOB_QUEUED;
	job->max_attempts = 3;
	job->created_at_ms = AT_MS;
	job->run_at_ms = AT_MS;
}

static void
fill_delivery(struct delivery *delivery)
{
	delivery_init(delivery);
	delivery->id = id_of(DELIVERY_ID);
	delivery->job = id_of(ID);
	delivery->event = EVENT_SUCCEEDED;
	delivery->url = strdup("https://example.com/hook");
	delivery->created_at_ms = AT_MS + 500;
	delivery->next_at_ms = AT_MS + 5500;
}

/* The document is expected: texts of the parts, put together. */
static void
check_document(const struct job *job, const struct delivery *delivery,
    const struct document_facts *facts, const char *expected)
{
	struct buf out;
	buf_init(&out, 100000);
	ck_assert(document_text(&out, job, delivery, facts));
	ck_assert_str_eq(buf_text(&out), expected);
	buf_free(&out);
}

#define LINKS                                                                  \
	"\"links\":{\"self\":\"/v1/jobs/" ID "\","                             \
	"\"result\":\"/v1/jobs/" ID "/result\","                               \
	"\"events\":\"/v1/jobs/" ID "/events\"}}"
#define REQUEST                                                                \
	"\"request\":{\"method\":\"POST\",\"path\":\"/generate?x=1\","         \
	"\"content_type\":\"application/json\",\"size\":256},"

START_TEST(a_new_job_shows_every_key_and_null_for_what_is_not)
{
	struct job job;
	fill_job(&job);
	check_document(&job, NULL, NULL,
	    "{\"id\":\"" ID "\",\"queue\":\"reports\",\"status\":\"queued\","
	    "\"client\":null,\"created_at\":\"2023-11-14T22:13:20.000Z\","
	    "\"run_at\":\"2023-11-14T22:13:20.000Z\",\"started_at\":null,"
	    "\"finished_at\":null,\"expires_at\":null,"
	    "\"attempts\":0,\"max_attempts\":3,\"position\":null,"
	    "\"estimated_wait_ms\":null,\"progress\":null,"
	    "\"progress_message\":null,"
	    "\"idempotency_key\":null,\"ordering_key\":null,\"priority\":5,"
	    "\"batch\":null," REQUEST "\"response\":null,\"error\":null,"
	    "\"callback\":null," LINKS);
	job_clear(&job);
}
END_TEST

/* What the document says under a key, up to the comma behind it. */
static void
check_member(const struct job *job, const struct document_facts *facts,
    const char *member)
{
	struct buf out;
	buf_init(&out, 100000);
	ck_assert(document_text(&out, job, NULL, facts));
	ck_assert_msg(strstr(buf_text(&out), member) != NULL, "%s in %s",
	    member, buf_text(&out));
	buf_free(&out);
}

START_TEST(progress_is_the_shortest_number_that_means_it)
{
	static const struct {
		double progress;
		const char *text;
	} rows[] = {
		{ 0, "\"progress\":0," },
		{ 0.4, "\"progress\":0.4," },
		{ 1, "\"progress\":1," },
		{ 1.0 / 3, "\"progress\":0.3333333333333333," },
		{ 1e-7, "\"progress\":1e-07," },
		{ -1, "\"progress\":null," },
	};
	struct job job;
	fill_job(&job);
	job.progress_message = strdup("half \"done\"");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		job.progress = rows[i].progress;
		check_member(&job, NULL, rows[i].text);
	}
	check_member(&job, NULL, "\"progress_message\":\"half \\\"done\\\"\",");
	job_clear(&job);
}
END_TEST

START_TEST(a_consumer_sees_the_request_and_its_lease)
{
	struct payload request = { strdup("A: b\nA: c\n"),
		blob_new("\0\1", 2) };
	struct document_facts facts = { .estimated_wait_ms = -1,
		.request = &request,
		.shows_lease = true };
	struct job job;
	fill_job(&job);
	check_member(&job, &facts,
	    "\"size\":256,\"headers\":{\"A\":\"b, c\"},"
	    "\"body_base64\":\"AAE=\"},\"response\":");
	check_member(&job, &facts,
	    ",\"lease_token\":null,"
	    "\"lease_until\":null}");
	strcpy(job.lease_token, "0123456789abcdef0123456789abcdef");
	job.lease_until_ms = AT_MS;
	check_member(&job, &facts,
	    ",\"lease_token\":\"0123456789abcdef0123456789abcdef\","
	    "\"lease_until\":\"2023-11-14T22:13:20.000Z\"}");
	payload_clear(&request);
	job_clear(&job);
}
END_TEST

/* What is shown otherwise must have another version, and estimates must not. */
struct versioned {
	struct job job;
	struct delivery delivery;
	struct document_facts facts;
	bool has_delivery;
};

static void
change_status(struct versioned *what)
{
	what->job.status = JOB_RUNNING;
}

static void
change_attempts(struct versioned *what)
{
	what->job.attempts++;
}

static void
change_run_at(struct versioned *what)
{
	what->job.run_at_ms++;
}

static void
change_finish(struct versioned *what)
{
	what->job.finished_at_ms = AT_MS + 1000;
}

static void
change_position(struct versioned *what)
{
	what->facts.position = 7;
}

static void
lose_delivery(struct versioned *what)
{
	what->has_delivery = false;
}

static void
change_delivery(struct versioned *what)
{
	what->delivery.state = DELIVERY_DELIVERED;
}

static void
try_delivery(struct versioned *what)
{
	what->delivery.attempts++;
}

static void
put_off_delivery(struct versioned *what)
{
	what->delivery.next_at_ms++;
}

static void
change_estimate(struct versioned *what)
{
	what->facts.estimated_wait_ms = 12345;
}

static void
change_links(struct versioned *what)
{
	what->facts.public_url = "https://elsewhere.example";
}

static void
change_nothing(struct versioned *what)
{
	(void)what;
}

static const struct {
	const char *name;
	void (*change)(struct versioned *what);
	bool is_seen;
} changes[] = {
	{ "status", change_status, true },
	{ "attempts", change_attempts, true },
	{ "run_at", change_run_at, true },
	{ "finished_at", change_finish, true },
	{ "position", change_position, true },
	{ "callback", lose_delivery, true },
	{ "callback.state", change_delivery, true },
	{ "callback.attempts", try_delivery, true },
	{ "callback.next_attempt_at", put_off_delivery, true },
	{ "estimated_wait_ms", change_estimate, false },
	{ "links", change_links, false },
	{ "nothing", change_nothing, false },
};

static uint64_t
version_of(const struct versioned *what)
{
	return document_version(&what->job,
	    what->has_delivery ? &what->delivery : NULL, &what->facts);
}

START_TEST(a_document_that_says_something_else_has_another_version)
{
	struct versioned what = { .facts = { .position = 8 },
		.has_delivery = true };
	uint64_t before;

	fill_job(&what.job);
	fill_delivery(&what.delivery);
	before = version_of(&what);
	ck_assert_uint_ne(before, 0);
	changes[_i].change(&what);
	ck_assert_msg((version_of(&what) != before) == changes[_i].is_seen,
	    "%s", changes[_i].name);
	delivery_clear(&what.delivery);
	job_clear(&what.job);
}
END_TEST

START_TEST(progress_makes_another_version_of_the_document)
{
	struct document_facts facts = { .estimated_wait_ms = -1 };
	struct job job;
	uint64_t before, between;
	fill_job(&job);
	before = document_version(&job, NULL, &facts);
	job.progress = 0.1;
	between = document_version(&job, NULL, &facts);
	ck_assert(before != between);
	job.progress_message = strdup("x");
	ck_assert(document_version(&job, NULL, &facts) != between);
	job_clear(&job);
}
END_TEST

START_TEST(a_finished_job_shows_all_there_is)
{
	struct document_facts facts = { .public_url = "https://jobs.example",
		.position = 17,
		.estimated_wait_ms = 2300 };
	struct job job;
	struct delivery delivery;
	fill_job(&job);
	fill_delivery(&delivery);
	strcpy(job.client, "acme");
	job.status = JOB_FAILED;
	job.started_at_ms = AT_MS + 100;
	job.finished_at_ms = AT_MS + 500;
	job.expires_at_ms = AT_MS + 60000;
	job.attempts = 3;
	job.priority = 0;
	job.idempotency_key = strdup("key \"1\"");
	job.ordering_key = strdup("customer-7");
	job.batch = id_of(BATCH_ID);
	job.response_status = 503;
	job.response_type = strdup("text/plain");
	job.response_bytes = 512;
	job.error = ERROR_STATUS_5XX;
	job.error_detail = strdup("the upstream answered 503");
	job.callback_url = strdup("https://example.com/hook");
	delivery.state = DELIVERY_HELD;
	check_document(&job, &delivery, &facts,
	    "{\"id\":\"" ID "\",\"queue\":\"reports\",\"status\":\"failed\","
	    "\"client\":\"acme\",\"created_at\":\"2023-11-14T22:13:20.000Z\","
	    "\"run_at\":\"2023-11-14T22:13:20.000Z\","
	    "\"started_at\":\"2023-11-14T22:13:20.100Z\","
	    "\"finished_at\":\"2023-11-14T22:13:20.500Z\","
	    "\"expires_at\":\"2023-11-14T22:14:20.000Z\","
	    "\"attempts\":3,\"max_attempts\":3,\"position\":17,"
	    "\"estimated_wait_ms\":2300,\"progress\":null,"
	    "\"progress_message\":null,"
	    "\"idempotency_key\":\"key \\\"1\\\"\","
	    "\"ordering_key\":\"customer-7\",\"priority\":0,"
	    "\"batch\":\"" BATCH_ID "\"," REQUEST
	    "\"response\":{\"status\":503,\"content_type\":\"text/plain\","
	    "\"size\":512},"
	    "\"error\":{\"type\":\"status-5xx\","
	    "\"detail\":\"the upstream answered 503\"},"
	    "\"callback\":{\"id\":\"" DELIVERY_ID "\","
	    "\"url\":\"https://example.com/hook\",\"state\":\"held\","
	    "\"attempts\":[],"
	    "\"next_attempt_at\":\"2023-11-14T22:13:25.500Z\"},"
	    "\"links\":{\"self\":\"https://jobs.example/v1/jobs/" ID "\","
	    "\"result\":\"https://jobs.example/v1/jobs/" ID "/result\","
	    "\"events\":\"https://jobs.example/v1/jobs/" ID "/events\"}}");
	job_clear(&job);
	delivery_clear(&delivery);
}
END_TEST

/* ---- parts, found in the whole ---- */

static struct json_document *
read_document(const struct job *job, const struct delivery *delivery)
{
	struct reason why;
	struct buf out;
	buf_init(&out, 100000);
	ck_assert(document_text(&out, job, delivery, NULL));
	struct json_document *document = json_parse(buf_text(&out), out.len,
	    &why);
	ck_assert_msg(document != NULL, "%s: %s", why.text, buf_text(&out));
	buf_free(&out);
	return document;
}

static const struct json_value *
find(const struct json_document *document, const char *key, const char *below)
{
	const struct json_value *value = json_member(json_root(document), key);
	if (below != NULL)
		value = json_member(value, below);
	ck_assert_msg(value != NULL, "%s %s", key, below ? below : "");
	return value;
}

START_TEST(an_error_is_forgotten_once_the_job_has_succeeded)
{
	struct job job;
	fill_job(&job);
	job.error = ERROR_RESET;
	job.error_detail = strdup("cut");
	job.status = JOB_QUEUED;
	struct json_document *document = read_document(&job, NULL);
	ck_assert_str_eq(find(document, "error", "type")->text, "reset");
	json_document_free(&document);

	job.status = JOB_SUCCEEDED;
	document = read_document(&job, NULL);
	ck_assert_int_eq(find(document, "error", NULL)->kind, JSON_NULL);
	json_document_free(&document);
	job_clear(&job);
}
END_TEST

START_TEST(an_end_nobody_asked_to_hear_of_has_no_callback)
{
	struct job job;
	fill_job(&job);
	job.callback_url = strdup("http://example.com/a");
	job.callback_events = EVENT_SUCCEEDED | EVENT_CANCELLED;
	job.status = JOB_FAILED;
	struct json_document *document = read_document(&job, NULL);
	ck_assert_int_eq(json_member(json_root(document), "callback")->kind,
	    JSON_NULL);
	json_document_free(&document);
	job_clear(&job);
}
END_TEST

/* As the event of the end has it, before there is a delivery to look at. */
START_TEST(a_callback_of_an_end_is_due_at_that_moment)
{
	static const struct {
		enum job_status status;
		const char *url;
	} ends[] = { { JOB_SUCCEEDED, "http://example.com/a" },
		{ JOB_FAILED, "http://example.com/b" },
		{ JOB_CANCELLED, "http://example.com/a" } };
	struct job job;

	fill_job(&job);
	job.callback_url = strdup("http://example.com/a");
	job.failure_url = strdup("http://example.com/b");
	job.callback_events = EVENTS_TERMINAL;
	job.delivery = id_of(DELIVERY_ID);
	job.finished_at_ms = job.created_at_ms;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct json_document *document;

		job.status = ends[i].status;
		document = read_document(&job, NULL);
		ck_assert_str_eq(find(document, "callback", "id")->text,
		    DELIVERY_ID);
		ck_assert_str_eq(find(document, "callback", "url")->text,
		    ends[i].url);
		ck_assert_str_eq(find(document, "callback", "state")->text,
		    "pending");
		ck_assert_str_eq(find(document, "callback", "next_attempt_at")
				     ->text,
		    json_member(json_root(document), "finished_at")->text);
		json_document_free(&document);
	}
	job_clear(&job);
}
END_TEST

START_TEST(a_callback_without_delivery_is_pending)
{
	struct job job;
	fill_job(&job);
	job.callback_url = strdup("http://example.com/a");
	job.failure_url = strdup("http://example.com/b");
	job.delivery = id_of(DELIVERY_ID);
	struct json_document *document = read_document(&job, NULL);
	ck_assert_str_eq(find(document, "callback", "id")->text, DELIVERY_ID);
	ck_assert_str_eq(find(document, "callback", "url")->text,
	    job.callback_url);
	ck_assert_str_eq(find(document, "callback", "state")->text, "pending");
	ck_assert_uint_eq(find(document, "callback", "attempts")->count, 0);
	ck_assert_int_eq(find(document, "callback", "next_attempt_at")->kind,
	    JSON_NULL);
	json_document_free(&document);

	job_clear(&job);
}
END_TEST

START_TEST(foreign_bytes_cannot_break_the_document)
{
	struct job job;
	fill_job(&job);
	job.response_status = 200;
	job.response_type = strdup("text/\xff\xfe\"\\\x01");
	free(job.target);
	job.target = strdup("/\xc3\x28\xed\xa0\x80");
	struct json_document *document = read_document(&job, NULL);
	ck_assert_str_eq(find(document, "response", "content_type")->text,
	    "text/\xef\xbf\xbd\xef\xbf\xbd\"\\\x01");
	json_document_free(&document);
	job_clear(&job);
}
END_TEST

START_TEST(a_prefix_with_quotes_is_escaped)
{
	struct document_facts facts = { .public_url = "http://x/\"",
		.estimated_wait_ms = -1 };
	struct job job;
	struct buf out;
	fill_job(&job);
	buf_init(&out, 10000);
	ck_assert(document_text(&out, &job, NULL, &facts));
	ck_assert_ptr_nonnull(strstr(buf_text(&out),
	    "\"links\":{\"self\":\"http://x/\\\"/v1/jobs/" ID "\","));
	buf_free(&out);
	job_clear(&job);
}
END_TEST

START_TEST(a_document_can_be_part_of_another)
{
	struct job job;
	struct buf alone, part;
	fill_job(&job);
	buf_init(&alone, 10000);
	buf_init(&part, 10000);
	ck_assert(document_text(&alone, &job, NULL, NULL));
	struct json_writer *writer = json_writer_new(&part);
	json_array(writer);
	document_write(writer, &job, NULL, NULL);
	document_write(writer, &job, NULL, NULL);
	json_array_end(writer);
	ck_assert(json_writer_end(&writer));
	ck_assert_uint_eq(part.len, 2 * alone.len + 3);
	ck_assert_mem_eq(buf_text(&part) + 1, buf_text(&alone), alone.len);
	ck_assert_int_eq(buf_text(&part)[alone.len + 1], ',');
	buf_free(&alone);
	buf_free(&part);
	job_clear(&job);
}
END_TEST

START_TEST(a_document_that_does_not_fit_is_told)
{
	struct job job;
	struct buf out;
	fill_job(&job);
	for (size_t max = 0; max < 700; max += 7) {
		buf_init(&out, max);
		ck_assert(!document_text(&out, &job, NULL, NULL));
		buf_free(&out);
	}
	job_clear(&job);
}
END_TEST

/* ---- attempts ---- */

START_TEST(attempts_are_appended_as_the_contract_shows_them)
{
	struct attempt_facts facts = { AT_MS, 503, ERROR_STATUS_5XX, 12, 0, 1,
		-1, 11, "192.0.2.7:443" };
	struct delivery delivery;
	struct job job;
	fill_job(&job);
	fill_delivery(&delivery);
	ck_assert(document_add_attempt(&delivery, &facts));
	ck_assert_str_eq(delivery.attempts_json,
	    "{\"at\":\"2023-11-14T22:13:20.000Z\",\"status\":503,"
	    "\"error\":\"status-5xx\",\"duration_ms\":12,"
	    "\"timing\":{\"dns_ms\":0,\"connect_ms\":1,\"tls_ms\":null,"
	    "\"first_byte_ms\":11},\"address\":\"192.0.2.7:443\"}");

	facts = (struct attempt_facts){ AT_MS + 1, 0, ERROR_DNS_FAILED, 3, -1,
		-1, -1, -1, NULL };
	ck_assert(document_add_attempt(&delivery, &facts));
	facts = (struct attempt_facts){ AT_MS + 2, 204, ERROR_NONE, 3, 0, 0, 0,
		2, "[2001:db8::1]:443" };
	ck_assert(document_add_attempt(&delivery, &facts));

	struct json_document *document = read_document(&job, &delivery);
	const struct json_value *attempts = find(document, "callback",
	    "attempts");
	ck_assert_uint_eq(attempts->count, 3);
	const struct json_value *second = attempts->first->next;
	ck_assert_int_eq(json_member(second, "status")->kind, JSON_NULL);
	ck_assert_int_eq(json_member(second, "address")->kind, JSON_NULL);
	ck_assert_str_eq(json_member(second, "error")->text, "dns-failed");
	ck_assert_int_eq(json_member(second->next, "error")->kind, JSON_NULL);
	json_document_free(&document);
	delivery_clear(&delivery);
	job_clear(&job);
}
END_TEST

START_TEST(the_oldest_attempts_make_room_for_new_ones)
{
	struct delivery delivery;
	struct job job;
	fill_job(&job);
	fill_delivery(&delivery);
	for (int i = 0; i < 300; i++) {
		struct attempt_facts facts = { AT_MS + i, 500, ERROR_STATUS_5XX,
			i, 0, 1, 2, 3, "},{\"at\":\"" };
		ck_assert(document_add_attempt(&delivery, &facts));
		ck_assert_uint_le(strlen(delivery.attempts_json),
		    ATTEMPTS_MAX_BYTES);
	}
	struct json_document *document = read_document(&job, &delivery);
	const struct json_value *attempts = find(document, "callback",
	    "attempts");
	ck_assert_uint_gt(attempts->count, 50);
	const struct json_value *last = attempts->first;
	while (last->next != NULL)
		last = last->next;
	ck_assert_str_eq(json_member(last, "duration_ms")->text, "299");
	json_document_free(&document);
	delivery_clear(&delivery);
	job_clear(&job);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("document");
	TCase *cases = tcase_create("document");
	tcase_add_test(cases,
	    a_new_job_shows_every_key_and_null_for_what_is_not);
	tcase_add_test(cases, a_finished_job_shows_all_there_is);
	tcase_add_test(cases, progress_is_the_shortest_number_that_means_it);
	tcase_add_test(cases, a_consumer_sees_the_request_and_its_lease);
	tcase_add_loop_test(cases,
	    a_document_that_says_something_else_has_another_version, 0,
	    (int)(sizeof(changes) / sizeof(changes[0])));
	tcase_add_test(cases, progress_makes_another_version_of_the_document);
	tcase_add_test(cases, an_error_is_forgotten_once_the_job_has_succeeded);
	tcase_add_test(cases, a_callback_without_delivery_is_pending);
	tcase_add_test(cases, a_callback_of_an_end_is_due_at_that_moment);
	tcase_add_test(cases, an_end_nobody_asked_to_hear_of_has_no_callback);
	tcase_add_test(cases, foreign_bytes_cannot_break_the_document);
	tcase_add_test(cases, a_prefix_with_quotes_is_escaped);
	tcase_add_test(cases, a_document_can_be_part_of_another);
	tcase_add_test(cases, a_document_that_does_not_fit_is_told);
	tcase_add_test(cases, attempts_are_appended_as_the_contract_shows_them);
	tcase_add_test(cases, the_oldest_attempts_make_room_for_new_ones);
	suite_add_tcase(suite, cases);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
