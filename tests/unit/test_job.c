/* test_job.c - the table of states, the names, and the memory of a record. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/job.h"
#include "callbackd/text.h"

/* The drawing in job.h, as a table; everything that is not in it is illegal. */
static const struct {
	enum job_status from;
	enum job_move move;
	enum job_status to;
} legal_moves[] = {
	{ JOB_QUEUED, JOB_CLAIM, JOB_RUNNING },
	{ JOB_QUEUED, JOB_CANCEL, JOB_CANCELLED },
	{ JOB_QUEUED, JOB_EXPIRE, JOB_FAILED },
	{ JOB_RUNNING, JOB_SUCCEED, JOB_SUCCEEDED },
	{ JOB_RUNNING, JOB_FAIL, JOB_FAILED },
	{ JOB_RUNNING, JOB_RETRY, JOB_QUEUED },
	{ JOB_RUNNING, JOB_CANCEL, JOB_CANCELLED },
	{ JOB_FAILED, JOB_REVIVE, JOB_QUEUED },
};
#define LEGAL_COUNT (sizeof(legal_moves) / sizeof(legal_moves[0]))

START_TEST(only_the_moves_of_the_drawing_are_legal)
{
	size_t legal_count = 0;

	for (int from = 0; from < JOB_STATUS_COUNT; from++) {
		for (int move = 0; move < JOB_MOVE_COUNT; move++) {
			enum job_status to;

			legal_count += job_next((enum job_status)from,
			    (enum job_move)move, &to);
		}
	}
	ck_assert_uint_eq(legal_count, LEGAL_COUNT);
}
END_TEST

START_TEST(a_legal_move_leads_where_the_drawing_says)
{
	enum job_status to;

	ck_assert(job_next(legal_moves[_i].from, legal_moves[_i].move, &to));
	ck_assert_int_eq(to, legal_moves[_i].to);
}
END_TEST

START_TEST(an_illegal_move_leaves_the_answer_alone)
{
	enum job_status to = JOB_CANCELLED;

	ck_assert(!job_next(JOB_SUCCEEDED, JOB_CLAIM, &to));
	ck_assert_int_eq(to, JOB_CANCELLED);
}
END_TEST

START_TEST(the_last_three_states_are_ends)
{
	ck_assert(!job_has_ended(JOB_QUEUED));
	ck_assert(!job_has_ended(JOB_RUNNING));
	ck_assert(job_has_ended(JOB_SUCCEEDED));
	ck_assert(job_has_ended(JOB_FAILED));
	ck_assert(job_has_ended(JOB_CANCELLED));
}
END_TEST

START_TEST(status_names_are_read_back)
{
	enum job_status status;

	for (int i = 0; i < JOB_STATUS_COUNT; i++) {
		ck_assert(job_status_parse(job_status_name((enum job_status)i),
		    &status));
		ck_assert_int_eq(status, i);
	}
	ck_assert_str_eq(job_status_name(JOB_QUEUED), "queued");
	ck_assert_str_eq(job_status_name(JOB_CANCELLED), "cancelled");
	ck_assert(!job_status_parse("Queued", &status));
	ck_assert(!job_status_parse("", &status));
	ck_assert(!job_status_parse("queued ", &status));
}
END_TEST

/* contract.md's vocabulary, in the order of the enum. */
static const char error_words[] =
    "none dns-failed refused connect-timeout tls-failed reset "
    "timeout-headers timeout-body status-4xx status-5xx redirect "
    "target-denied too-large gone aborted-by-receiver bad-response "
    "command-failed command-signal consumer-failed lease-expired expired "
    "interrupted cancelled internal ";

START_TEST(errors_have_the_words_of_the_interface)
{
	const char *word = error_words;

	for (int i = 0; i < JOB_ERROR_COUNT; i++) {
		size_t len = strcspn(word, " ");
		const char *name = job_error_name((enum job_error)i);

		ck_assert_uint_eq(strlen(name), len);
		ck_assert_mem_eq(name, word, len);
		word += len + 1;
	}
	ck_assert_str_eq(word, "");
}
END_TEST

static const struct {
	const char *list;
	bool is_legal;
	unsigned mask;
} event_lists[] = {
	{ "succeeded", true, EVENT_SUCCEEDED },
	{ "started, progress", true, EVENT_STARTED | EVENT_PROGRESS },
	{ "failed,,cancelled , failed", true, EVENT_FAILED | EVENT_CANCELLED },
	{ "started,progress,succeeded,failed,cancelled", true, 31 },
	{ "", false, 0 },
	{ " , ", false, 0 },
	{ "success", false, 0 },
	{ "succeeded,unknown", false, 0 },
	{ "Succeeded", false, 0 },
	{ "succeeded failed", false, 0 },
};

START_TEST(event_lists_become_masks)
{
	unsigned mask = 1000;

	ck_assert_msg(job_events_parse(event_lists[_i].list, &mask) ==
		event_lists[_i].is_legal,
	    "'%s'", event_lists[_i].list);
	ck_assert_uint_eq(mask,
	    event_lists[_i].is_legal ? event_lists[_i].mask : 1000);
}
END_TEST

START_TEST(events_have_names_and_ends_have_events)
{
	ck_assert_str_eq(job_event_name(EVENT_STARTED), "started");
	ck_assert_str_eq(job_event_type(EVENT_STARTED), "job.started");
	ck_assert_str_eq(job_event_type(EVENT_CANCELLED), "job.cancelled");
	ck_assert_str_eq(job_event_name(EVENT_PROGRESS), "progress");
	ck_assert_str_eq(job_event_name(job_event_of(JOB_SUCCEEDED)),
	    "succeeded");
	ck_assert_str_eq(job_event_name(job_event_of(JOB_FAILED)), "failed");
	ck_assert_str_eq(job_event_name(job_event_of(JOB_CANCELLED)),
	    "cancelled");
}
END_TEST

START_TEST(format_and_delivery_names)
{
	enum callback_format format;

	for (int i = FORMAT_STANDARD; i <= FORMAT_THIN; i++) {
		ck_assert(callback_format_parse(callback_format_name(
						    (enum callback_format)i),
		    &format));
		ck_assert_int_eq(format, i);
	}
	ck_assert(!callback_format_parse("fat", &format));
	ck_assert_str_eq(delivery_state_name(DELIVERY_PENDING), "pending");
	ck_assert_str_eq(delivery_state_name(DELIVERY_HELD), "held");
	ck_assert_str_eq(delivery_state_name(DELIVERY_DELIVERED), "delivered");
	ck_assert_str_eq(delivery_state_name(DELIVERY_DEAD), "dead");
}
END_TEST

START_TEST(names_are_lower_case_and_of_63_bytes_at_most)
{
	char name[NAME_SIZE + 1];

	memset(name, 'a', sizeof(name));
	name[NAME_SIZE] = '\0';
	ck_assert(!name_is_legal(name));
	name[NAME_SIZE - 1] = '\0';
	ck_assert(name_is_legal(name));
	ck_assert(name_is_legal("re-ports_2"));
	ck_assert(!name_is_legal(""));
	ck_assert(!name_is_legal("Reports"));
	ck_assert(!name_is_legal("a b"));
	ck_assert(!name_is_legal("a/b"));
	ck_assert(!name_is_legal("\xc3\xa4"));
}
END_TEST

static void
fill_job(struct job *job)
{
	job_init(job);
	strcpy(job->queue, "reports");
	job->ordering_key = text_copy("k");
	job->idempotency_key = text_copy("i");
	job->target = text_copy("/t");
	job->content_type = text_copy("text/plain");
	job->response_type = text_copy("text/html");
	job->error_detail = text_copy("d");
	job->callback_url = text_copy("http://c/");
	job->failure_url = text_copy("http://f/");
	job->callback_headers = text_copy("X: y\n");
	job->attempts = 7;
}

START_TEST(an_empty_record_has_no_moments_and_default_wishes)
{
	struct job job;

	job_init(&job);
	ck_assert_int_eq(job.created_at_ms, -1);
	ck_assert_int_eq(job.expires_at_ms, -1);
	ck_assert_int_eq(job.finished_at_ms, -1);
	ck_assert_int_eq(job.priority, PRIORITY_DEFAULT);
	ck_assert_uint_eq(job.callback_events, EVENTS_TERMINAL);
	ck_assert_int_eq(job.status, JOB_QUEUED);
	ck_assert(!uuid_is_set(job.id));
}
END_TEST

START_TEST(a_copy_owns_its_strings)
{
	struct job job, copy, empty;

	fill_job(&job);
	ck_assert(job_copy(&copy, &job));
	ck_assert_ptr_ne(copy.callback_headers, job.callback_headers);
	job_clear(&job);
	ck_assert_str_eq(copy.ordering_key, "k");
	ck_assert_str_eq(copy.callback_headers, "X: y\n");
	ck_assert_str_eq(copy.error_detail, "d");
	ck_assert_int_eq(copy.attempts, 7);
	job_clear(&copy);
	job_init(&empty);
	ck_assert_mem_eq(&copy, &empty, sizeof(copy));
	job_clear(&copy); /* twice is fine */
}
END_TEST

START_TEST(a_delivery_copy_owns_its_strings)
{
	struct delivery delivery, copy;

	delivery_init(&delivery);
	ck_assert_int_eq(delivery.next_at_ms, -1);
	delivery.url = text_copy("http://c/");
	delivery.attempts_json = text_copy("{}");
	ck_assert(delivery_copy(&copy, &delivery));
	delivery_clear(&delivery);
	ck_assert_ptr_null(delivery.url);
	ck_assert_str_eq(copy.url, "http://c/");
	ck_assert_str_eq(copy.attempts_json, "{}");
	ck_assert_ptr_null(copy.headers);
	delivery_clear(&copy);
}
END_TEST

START_TEST(a_payload_copy_shares_the_body)
{
	struct payload payload = { text_copy("A: b\n"), blob_new("x", 1) };
	struct payload copy;

	ck_assert(payload_copy(&copy, &payload));
	ck_assert_ptr_eq(copy.body, payload.body);
	payload_clear(&payload);
	ck_assert_ptr_null(payload.body);
	ck_assert_str_eq(copy.headers, "A: b\n");
	ck_assert_uint_eq(blob_len(copy.body), 1);
	payload_clear(&copy);
	ck_assert(payload_copy(&copy, &payload)); /* of nothing */
	ck_assert_ptr_null(copy.headers);
	ck_assert_ptr_null(copy.body);
}
END_TEST

START_TEST(a_place_is_held_while_the_job_may_have_to_wait)
{
	struct job job;

	job_init(&job);
	job.max_attempts = 2;
	ck_assert(job_holds_place(&job));
	job.status = JOB_RUNNING;
	job.attempts = 1;
	ck_assert(job_holds_place(&job));
	job.attempts = 2; /* the last one: it cannot come back */
	ck_assert(!job_holds_place(&job));
	job.status = JOB_FAILED;
	job.attempts = 1;
	ck_assert(!job_holds_place(&job));
}
END_TEST

static TCase *
state_cases(void)
{
	TCase *tcase = tcase_create("states");

	tcase_add_test(tcase, only_the_moves_of_the_drawing_are_legal);
	tcase_add_loop_test(tcase, a_legal_move_leads_where_the_drawing_says, 0,
	    LEGAL_COUNT);
	tcase_add_test(tcase, an_illegal_move_leaves_the_answer_alone);
	tcase_add_test(tcase, the_last_three_states_are_ends);
	tcase_add_test(tcase, a_place_is_held_while_the_job_may_have_to_wait);
	return tcase;
}

static TCase *
name_cases(void)
{
	TCase *tcase = tcase_create("names");

	tcase_add_test(tcase, status_names_are_read_back);
	tcase_add_test(tcase, errors_have_the_words_of_the_interface);
	tcase_add_loop_test(tcase, event_lists_become_masks, 0,
	    sizeof(event_lists) / sizeof(event_lists[0]));
	tcase_add_test(tcase, events_have_names_and_ends_have_events);
	tcase_add_test(tcase, format_and_delivery_names);
	tcase_add_test(tcase, names_are_lower_case_and_of_63_bytes_at_most);
	return tcase;
}

static TCase *
memory_cases(void)
{
	TCase *tcase = tcase_create("memory");

	tcase_add_test(tcase,
	    an_empty_record_has_no_moments_and_default_wishes);
	tcase_add_test(tcase, a_copy_owns_its_strings);
	tcase_add_test(tcase, a_delivery_copy_owns_its_strings);
	tcase_add_test(tcase, a_payload_copy_shares_the_body);
	return tcase;
}

int
main(void)
{
	Suite *suite = suite_create("job");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, state_cases());
	suite_add_tcase(suite, name_cases());
	suite_add_tcase(suite, memory_cases());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
