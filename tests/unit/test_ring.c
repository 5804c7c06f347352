/* test_ring.c - the latest events, and records put back to where they stood. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "callbackd/text.h"
#include "ledger/ring.h"

#define WALL_MS INT64_C(1795172875000)
#define FIRST (WALL_MS * (INT64_C(1) << 20))

static const struct event_filter anything = { 0, 0, 0 };

static struct job
job_of(int64_t seq, const char *queue, const char *client)
{
	struct job job;

	job_init(&job);
	job.id.seq = seq;
	(void)snprintf(job.queue, sizeof(job.queue), "%s", queue);
	(void)snprintf(job.client, sizeof(job.client), "%s", client);
	return job;
}

static void
add(struct ring *ring, int64_t seq)
{
	struct job job = job_of(seq, "work", "acme");

	(void)ring_add(ring, &job, false);
}

START_TEST(events_are_numbered_from_the_moment_of_the_start)
{
	struct ring *ring = ring_new(4, WALL_MS);
	struct job job = job_of(7, "work", "acme");
	const struct event *event;

	ck_assert_int_eq(ring_newest(ring), FIRST);
	event = ring_add(ring, &job, true);
	ck_assert_int_eq(ring_id(ring, event), FIRST + 1);
	ck_assert_int_eq(event->job_seq, 7);
	ck_assert(event->is_progress);
	event = ring_add(ring, &job, false);
	ck_assert_int_eq(ring_id(ring, event), FIRST + 2);
	ck_assert(!event->is_progress);
	ck_assert_int_eq(ring_newest(ring), FIRST + 2);
	ring_free(&ring);
	ck_assert_ptr_null(ring);
	ring = ring_new(4, WALL_MS + 1);
	ck_assert_int_gt(ring_newest(ring), FIRST + 2);
	ring_free(&ring);
}
END_TEST

START_TEST(the_newest_push_the_oldest_out)
{
	struct ring *ring = ring_new(3, WALL_MS);

	ck_assert(ring_goes_back_to(ring, FIRST));
	for (int64_t seq = 1; seq <= 3; seq++)
		add(ring, seq);
	ck_assert(ring_goes_back_to(ring, FIRST));
	ck_assert_int_eq(ring_floor(ring), FIRST);
	add(ring, 4);
	add(ring, 5);
	ck_assert_int_eq(ring_floor(ring), FIRST + 2);
	ck_assert(!ring_goes_back_to(ring, FIRST + 1));
	ck_assert(ring_goes_back_to(ring, FIRST + 2));
	ck_assert(ring_goes_back_to(ring, FIRST + 5));
	ck_assert(!ring_goes_back_to(ring, FIRST + 6));
	ck_assert_int_eq(ring_next(ring, 0, &anything)->job_seq, 3);
	ring_free(&ring);
}
END_TEST

START_TEST(what_is_later_is_found_in_order)
{
	struct ring *ring = ring_new(100, WALL_MS);
	int64_t at = FIRST;

	for (int64_t seq = 1; seq <= 250; seq++)
		add(ring, seq);
	for (int64_t seq = 151; seq <= 250; seq++) {
		const struct event *event = ring_next(ring, at, &anything);

		ck_assert_ptr_nonnull(event);
		ck_assert_int_eq(event->job_seq, seq);
		ck_assert_int_eq(ring_id(ring, event), FIRST + seq);
		at = ring_id(ring, event);
	}
	ck_assert_ptr_null(ring_next(ring, at, &anything));
	ring_free(&ring);
}
END_TEST

START_TEST(a_filter_finds_a_job_a_queue_or_a_client)
{
	static const struct {
		int64_t seq;
		const char *queue, *client;
	} given[] = { { 1, "work", "acme" }, { 2, "work", "other" },
		{ 1, "mail", "acme" }, { 3, "mail", "other" } };
	static const struct {
		int64_t seq;
		const char *queue, *client;
		int found; /* a bit each */
	} wanted[] = { { 0, "", "", 15 }, { 1, "", "", 5 },
		{ 0, "work", "", 3 }, { 0, "", "other", 10 },
		{ 0, "mail", "other", 8 }, { 1, "mail", "", 4 },
		{ 4, "", "", 0 }, { 0, "none", "", 0 } };
	struct ring *ring = ring_new(10, WALL_MS);

	for (int i = 0; i < 4; i++) {
		struct job job = job_of(given[i].seq, given[i].queue,
		    given[i].client);

		(void)ring_add(ring, &job, false);
	}
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		const struct event_filter filter = { wanted[i].seq,
			name_hash(wanted[i].queue),
			name_hash(wanted[i].client) };
		const struct event *event;
		int64_t at = FIRST;
		int found = 0;

		while ((event = ring_next(ring, at, &filter)) != NULL) {
			at = ring_id(ring, event);
			found |= 1 << (at - FIRST - 1);
		}
		ck_assert_msg(found == wanted[i].found, "row %zu: %d", i,
		    found);
	}
	ring_free(&ring);
}
END_TEST

/* ---- as it was ---- */

static struct job
running_job(void)
{
	struct job job = job_of(1, "work", "acme");

	job.status = JOB_RUNNING;
	job.attempts = 1;
	job.max_attempts = 3;
	job.created_at_ms = job.run_at_ms = WALL_MS;
	job.started_at_ms = WALL_MS + 10;
	return job;
}

static void
succeed(struct job *job)
{
	job->status = JOB_SUCCEEDED;
	job->finished_at_ms = WALL_MS + 500;
	job->response_status = 200;
	job->response_type = text_copy("text/plain");
	job->response_bytes = 5;
}

START_TEST(a_later_record_is_put_back_to_where_it_stood)
{
	struct ring *ring = ring_new(10, WALL_MS);
	struct job job = running_job();
	struct event event = *ring_add(ring, &job, false);

	job.attempts = 2;
	job.started_at_ms = WALL_MS + 400;
	job.error = ERROR_STATUS_5XX;
	job.error_detail = text_copy("503");
	succeed(&job);
	event_rewind(&event, &job);
	ck_assert_int_eq(job.status, JOB_RUNNING);
	ck_assert_int_eq(job.attempts, 1);
	ck_assert_int_eq(job.started_at_ms, WALL_MS + 10);
	ck_assert_int_eq(job.finished_at_ms, -1);
	ck_assert_int_eq(job.response_status, 0);
	ck_assert_ptr_null(job.response_type);
	ck_assert_int_eq(job.error, ERROR_NONE);
	ck_assert_ptr_null(job.error_detail);
	ck_assert_uint_eq(event_version(&job), event.version);
	job_clear(&job);
	ring_free(&ring);
}
END_TEST

START_TEST(an_unchanged_record_keeps_its_answer)
{
	struct ring *ring = ring_new(10, WALL_MS);
	struct job job = running_job();
	struct event event;

	succeed(&job);
	event = *ring_add(ring, &job, false);
	event_rewind(&event, &job);
	ck_assert_int_eq(job.status, JOB_SUCCEEDED);
	ck_assert_int_eq(job.response_status, 200);
	ck_assert_str_eq(job.response_type, "text/plain");
	job_clear(&job);
	ring_free(&ring);
}
END_TEST

START_TEST(an_end_that_was_followed_by_another_has_lost_its_answer)
{
	struct ring *ring = ring_new(10, WALL_MS);
	struct job job = running_job();
	struct event event;

	job.status = JOB_FAILED;
	job.finished_at_ms = WALL_MS + 100;
	job.error = ERROR_STATUS_4XX;
	event = *ring_add(ring, &job, false);
	job.error = ERROR_NONE;
	job.attempts = 2;
	succeed(&job);
	event_rewind(&event, &job);
	ck_assert_int_eq(job.status, JOB_FAILED);
	ck_assert_int_eq(job.error, ERROR_STATUS_4XX);
	ck_assert_int_eq(job.finished_at_ms, WALL_MS + 100);
	ck_assert_int_eq(job.response_status, 0);
	job_clear(&job);
	ring_free(&ring);
}
END_TEST

START_TEST(progress_is_put_back_too)
{
	struct ring *ring = ring_new(10, WALL_MS);
	struct job job = running_job();
	struct event event;

	job.progress = 0.25;
	job.progress_message = text_copy("a quarter");
	event = *ring_add(ring, &job, true);
	job.progress = 0.5;
	ck_assert_uint_ne(event_version(&job), event.version);
	event_rewind(&event, &job);
	ck_assert_double_eq(job.progress, 0.25);
	ck_assert_ptr_null(job.progress_message); /* that of another */
	job_clear(&job);
	ring_free(&ring);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("ring");
	TCase *tcase = tcase_create("ring");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, events_are_numbered_from_the_moment_of_the_start);
	tcase_add_test(tcase, the_newest_push_the_oldest_out);
	tcase_add_test(tcase, what_is_later_is_found_in_order);
	tcase_add_test(tcase, a_filter_finds_a_job_a_queue_or_a_client);
	tcase_add_test(tcase, a_later_record_is_put_back_to_where_it_stood);
	tcase_add_test(tcase, an_unchanged_record_keeps_its_answer);
	tcase_add_test(tcase,
	    an_end_that_was_followed_by_another_has_lost_its_answer);
	tcase_add_test(tcase, progress_is_put_back_too);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
