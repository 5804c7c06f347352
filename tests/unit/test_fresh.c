/* test_fresh.c - what is at hand: given once, dropped in time, never too much. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/text.h"
#include "ledger/fresh.h"

static struct fresh fresh;

static void
empty_fresh(void)
{
	memset(&fresh, 0, sizeof(fresh));
}

static void
clear_fresh(void)
{
	fresh_clear(&fresh);
	ck_assert_uint_eq(fresh.posts.count, 0);
	ck_assert_uint_eq(fresh.waiters.count, 0);
}

/* With a body of so many bytes. True when it was kept. */
static bool
keep_job(int64_t seq, size_t body_bytes)
{
	struct payload request = { text_copy("a: b\n"), NULL };
	char *body = calloc(1, body_bytes + 1);
	unsigned count = fresh.waiters.count;
	struct job job;

	ck_assert_ptr_nonnull(body);
	request.body = blob_new(body, body_bytes);
	free(body);
	job_init(&job);
	job.id.seq = seq;
	job.target = text_copy("/t");
	fresh_keep_job(&fresh, &job, &request);
	job_clear(&job);
	payload_clear(&request);
	return fresh.waiters.count > count;
}

static bool
take_job(int64_t seq)
{
	struct payload request = { NULL, NULL };
	struct job job;

	job_init(&job);
	if (!fresh_take_job(&fresh, seq, &job, &request))
		return false;
	ck_assert_int_eq(job.id.seq, seq);
	ck_assert_str_eq(job.target, "/t");
	ck_assert_str_eq(request.headers, "a: b\n");
	job_clear(&job);
	payload_clear(&request);
	return true;
}

static bool
keep_post(int64_t seq)
{
	struct post *post = post_new();

	ck_assert_ptr_nonnull(post);
	post->delivery.id.seq = seq;
	if (fresh_keep_post(&fresh, post))
		return true;
	post_free(&post);
	return false;
}

static bool
take_post(int64_t seq)
{
	struct post *post = fresh_take_post(&fresh, seq);
	bool is_there = post != NULL;

	ck_assert(!is_there || post->delivery.id.seq == seq);
	post_free(&post);
	return is_there;
}

START_TEST(what_is_kept_is_given_once)
{
	ck_assert(!take_job(7));
	ck_assert(keep_job(7, 100));
	ck_assert(keep_post(8));
	ck_assert(take_job(7));
	ck_assert(!take_job(7));
	ck_assert(take_post(8));
	ck_assert(!take_post(8));
}
END_TEST

START_TEST(a_job_that_was_dropped_is_gone)
{
	ck_assert(keep_job(7, 100));
	ck_assert(keep_job(9, 100));
	fresh_drop_job(&fresh, 7);
	fresh_drop_job(&fresh, 5);
	ck_assert(!take_job(7));
	ck_assert(take_job(9));
}
END_TEST

START_TEST(neither_kind_takes_the_room_of_the_other)
{
	for (int64_t seq = 1; seq <= FRESH_MAX; seq++)
		ck_assert(keep_post(2 * seq));
	ck_assert(!keep_post(2 * FRESH_MAX + 2));
	for (int64_t seq = 1; seq <= FRESH_MAX; seq++)
		ck_assert(keep_job(2 * seq + 1, 0));
	ck_assert(!keep_job(2 * FRESH_MAX + 3, 0));
	ck_assert(take_post(2));
	ck_assert(!keep_job(2 * FRESH_MAX + 3, 0));
	ck_assert(keep_post(2 * FRESH_MAX + 2));
}
END_TEST

START_TEST(bodies_are_kept_up_to_the_limit_of_bytes)
{
	const size_t half = FRESH_MAX_BYTES / 2 - 5; /* and the headers */

	ck_assert(keep_job(1, half));
	ck_assert(keep_job(2, half));
	ck_assert(!keep_job(3, 1));
	ck_assert(take_job(1));
	ck_assert(keep_job(3, 1));
	ck_assert(take_job(2));
	ck_assert(take_job(3));
	ck_assert_int_eq(fresh.waiters.bytes, 0);
}
END_TEST

/* Numbers that fall into a few slots only, so that gaps are closed over the end
 * of the table too. */
START_TEST(nothing_is_lost_behind_a_gap)
{
	enum { COUNT = FRESH_MAX, STEP = 7 };
	bool is_here[COUNT] = { false };
	uint32_t dice = (uint32_t)_i + 1;

	for (int i = 0; i < 40000; i++) {
		int64_t seq;

		dice = dice * 1664525 + 1013904223;
		seq = (int64_t)(dice >> 8) % (COUNT - 1) + 1;
		if (is_here[seq])
			ck_assert(take_post(seq << STEP * _i));
		else
			ck_assert(keep_post(seq << STEP * _i));
		is_here[seq] = !is_here[seq];
	}
	for (int64_t seq = 1; seq < COUNT; seq++)
		ck_assert(take_post(seq << STEP * _i) == is_here[seq]);
	ck_assert_uint_eq(fresh.posts.count, 0);
}
END_TEST

START_TEST(one_without_a_number_is_our_error_and_stops_us)
{
	keep_job(0, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("fresh");
	TCase *cases = tcase_create("fresh");
	SRunner *runner;
	int failed;

	tcase_set_timeout(cases, 60);
	tcase_add_checked_fixture(cases, empty_fresh, clear_fresh);
	tcase_add_test(cases, what_is_kept_is_given_once);
	tcase_add_test(cases, a_job_that_was_dropped_is_gone);
	tcase_add_test(cases, neither_kind_takes_the_room_of_the_other);
	tcase_add_test(cases, bodies_are_kept_up_to_the_limit_of_bytes);
	tcase_add_loop_test(cases, nothing_is_lost_behind_a_gap, 0, 6);
	tcase_add_test_raise_signal(cases,
	    one_without_a_number_is_our_error_and_stops_us, SIGABRT);
	suite_add_tcase(suite, cases);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
