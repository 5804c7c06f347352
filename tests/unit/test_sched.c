/* test_sched.c - what may run now: order, delay, slots, turns, and what is
 * said about waiting. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/sched.h"

#define NOW 1000000

static struct gauges *gauges;
static struct conf_queue queues[2];
static struct conf conf;
static struct sched *sched;
static int64_t now_ms;

static void
make_sched(void)
{
	memset(queues, 0, sizeof(queues));
	strcpy(queues[0].name, "work");
	strcpy(queues[1].name, "other");
	queues[0].capacity = 1000;
	queues[0].capacity_bytes = 1000000;
	queues[0].concurrency = 2;
	queues[1].capacity = 1000;
	queues[1].capacity_bytes = 1000000;
	queues[1].concurrency = 100;
	conf = (struct conf){ .queues = queues, .queue_count = 2 };
	gauges = gauges_new();
	sched = sched_new();
	ck_assert(gauges != NULL && sched != NULL);
	ck_assert(gauges_adopt(gauges, &conf));
	ck_assert(sched_follow(sched, &conf));
	now_ms = NOW;
}

static void
drop_sched(void)
{
	sched_free(&sched);
	ck_assert_ptr_null(sched);
	gauges_free(&gauges);
}

static void
waits(const char *queue, int64_t seq, int32_t priority, int64_t due_ms)
{
	const struct waiting waiting = { seq, priority, 7, due_ms };

	ck_assert(sched_wait(sched, queue, &waiting, now_ms));
}

static void
next_is(const char *queue, int64_t seq)
{
	struct waiting next;
	const char *from;

	ck_assert_msg(sched_next(sched, now_ms, &next, &from),
	    "nobody may run, not %lld", (long long)seq);
	ck_assert_int_eq(next.seq, seq);
	ck_assert_uint_eq(next.bytes, 7);
	ck_assert_str_eq(from, queue);
}

static void
nobody_is_next(void)
{
	struct waiting next = { 0 };
	const char *from;

	ck_assert_msg(!sched_next(sched, now_ms, &next, &from), "%lld may run",
	    (long long)next.seq);
}

static void
gauge_says(const char *queue, long long queued, long long running)
{
	struct queue_gauge *gauge = sched_gauge(sched, queue);

	ck_assert_ptr_nonnull(gauge);
	ck_assert_int_eq(atomic_load(&gauge->queued), queued);
	ck_assert_int_eq(atomic_load(&gauge->running), running);
}

/* ---- order ---- */

START_TEST(nobody_runs_where_nobody_waits)
{
	nobody_is_next();
	ck_assert_int_eq(sched_due_mono_ms(sched), INT64_MAX);
}
END_TEST

START_TEST(a_sched_without_queues_is_quiet)
{
	struct sched *empty = sched_new();
	struct waiting next;
	const char *from;

	ck_assert(!sched_next(empty, now_ms, &next, &from));
	ck_assert(!sched_admit(empty, "work", now_ms));
	ck_assert(!sched_leave(empty, "work", 5, 1, 0));
	ck_assert_int_eq(sched_due_mono_ms(empty), INT64_MAX);
	ck_assert_int_eq(sched_position(empty, "work", 5, 1, 0, now_ms), 0);
	ck_assert_int_eq(sched_wait_ms(empty, "work", 1, now_ms), -1);
	ck_assert_ptr_null(sched_gauge(empty, "work"));
	sched_free(&empty);
}
END_TEST

START_TEST(priority_goes_before_age)
{
	waits("other", 1, 5, 0);
	waits("other", 2, 9, 0);
	waits("other", 3, 0, 0);
	waits("other", 4, 5, 0);
	next_is("other", 3);
	next_is("other", 1);
	next_is("other", 4);
	next_is("other", 2);
	nobody_is_next();
}
END_TEST

START_TEST(no_more_run_than_there_are_slots)
{
	for (int64_t seq = 1; seq <= 3; seq++)
		waits("work", seq, 5, 0);
	next_is("work", 1);
	next_is("work", 2);
	nobody_is_next();
	gauge_says("work", 1, 2);
	sched_give_slot(sched, "work");
	gauge_says("work", 1, 1);
	next_is("work", 3);
	gauge_says("work", 0, 2);
}
END_TEST

START_TEST(queues_take_turns)
{
	queues[0].concurrency = 100;
	for (int64_t seq = 1; seq <= 3; seq++) {
		waits("work", seq, 5, 0);
		waits("other", seq + 10, 5, 0);
	}
	for (int i = 0; i < 3; i++) {
		struct waiting first, second;
		const char *from_first, *from_second;

		ck_assert(sched_next(sched, now_ms, &first, &from_first));
		ck_assert(sched_next(sched, now_ms, &second, &from_second));
		ck_assert_str_ne(from_first, from_second);
	}
	nobody_is_next();
}
END_TEST

START_TEST(a_full_queue_does_not_hold_up_another)
{
	for (int64_t seq = 1; seq <= 5; seq++)
		waits("work", seq, 0, 0);
	next_is("work", 1);
	next_is("work", 2);
	waits("other", 9, 9, 0);
	next_is("other", 9);
	nobody_is_next();
}
END_TEST

/* ---- delay ---- */

START_TEST(a_delayed_job_waits_for_its_moment_to_the_millisecond)
{
	waits("work", 1, 5, now_ms + 1000);
	gauge_says("work", 1, 0);
	nobody_is_next();
	ck_assert_int_eq(sched_due_mono_ms(sched), NOW + 1000);
	now_ms = NOW + 999;
	nobody_is_next();
	now_ms = NOW + 1000;
	next_is("work", 1);
	gauge_says("work", 0, 1);
}
END_TEST

START_TEST(a_job_that_becomes_due_takes_its_place_by_priority_and_age)
{
	waits("other", 1, 5, now_ms + 10);
	waits("other", 2, 0, now_ms + 20);
	waits("other", 3, 5, 0);
	now_ms += 20;
	next_is("other", 2);
	next_is("other", 1);
	next_is("other", 3);
}
END_TEST

START_TEST(a_delayed_job_that_becomes_due_goes_before_one_that_arrives)
{
	waits("work", 1, 9, now_ms + 10);
	ck_assert(sched_admit(sched, "work", now_ms));
	sched_give_slot(sched, "work");
	now_ms += 10;
	ck_assert(!sched_admit(sched, "work", now_ms));
}
END_TEST

/* ---- arriving ---- */

START_TEST(who_arrives_when_nobody_waits_runs_at_once)
{
	ck_assert(sched_admit(sched, "work", now_ms));
	ck_assert(sched_admit(sched, "work", now_ms));
	ck_assert(!sched_admit(sched, "work", now_ms));
	gauge_says("work", 0, 2);
	sched_give_slot(sched, "work");
	ck_assert(sched_admit(sched, "work", now_ms));
}
END_TEST

START_TEST(who_arrives_does_not_overtake_those_who_wait)
{
	waits("work", 1, 9, 0);
	ck_assert(!sched_admit(sched, "work", now_ms));
	ck_assert(!sched_admit(sched, "unheard-of", now_ms));
}
END_TEST

/* ---- slots ---- */

START_TEST(a_slot_may_be_taken_again_whatever_the_bound)
{
	waits("work", 1, 5, 0);
	waits("work", 2, 5, 0);
	waits("work", 3, 5, 0);
	next_is("work", 1);
	sched_give_slot(sched, "work");
	next_is("work", 2);
	next_is("work", 3);
	sched_retake_slot(sched, "work");
	gauge_says("work", 0, 3);
	waits("work", 4, 5, 0);
	sched_give_slot(sched, "work");
	nobody_is_next();
	sched_give_slot(sched, "work");
	next_is("work", 4);
}
END_TEST

/* ---- leaving ---- */

START_TEST(one_may_leave_whether_ready_or_delayed)
{
	waits("work", 1, 5, 0);
	waits("work", 2, 3, now_ms + 500);
	ck_assert(sched_leave(sched, "work", 5, 1, 0));
	ck_assert(!sched_leave(sched, "work", 5, 1, 0));
	ck_assert(sched_leave(sched, "work", 3, 2, now_ms + 500));
	ck_assert(!sched_leave(sched, "work", 3, 2, now_ms + 500));
	gauge_says("work", 0, 0);
	now_ms += 1000;
	nobody_is_next();
}
END_TEST

START_TEST(one_may_leave_though_its_moment_is_not_known)
{
	for (int64_t seq = 1; seq <= 1000; seq++)
		waits("work", seq, 5, now_ms + 500 + seq);
	ck_assert(sched_leave(sched, "work", 5, 700, -12345));
	ck_assert(!sched_leave(sched, "work", 5, 700, -12345));
	gauge_says("work", 999, 0);
}
END_TEST

START_TEST(one_who_became_ready_may_leave_by_its_old_moment)
{
	waits("work", 1, 5, now_ms + 10);
	now_ms += 10;
	ck_assert(!sched_admit(sched, "work", now_ms)); /* wakes it */
	ck_assert(sched_leave(sched, "work", 5, 1, NOW + 10));
	nobody_is_next();
}
END_TEST

/* ---- pause, reload ---- */

START_TEST(a_paused_queue_lets_nobody_run)
{
	waits("work", 1, 5, 0);
	sched_pause(sched, "work", true);
	nobody_is_next();
	ck_assert(!sched_admit(sched, "work", now_ms));
	ck_assert_int_eq(sched_due_mono_ms(sched), INT64_MAX);
	sched_pause(sched, "work", false);
	next_is("work", 1);
}
END_TEST

START_TEST(a_queue_that_is_gone_keeps_its_jobs_waiting)
{
	struct conf_queue left[1] = { queues[1] };
	struct conf smaller = { .queues = left, .queue_count = 1 };

	waits("work", 1, 5, 0);
	ck_assert(sched_follow(sched, &smaller));
	nobody_is_next();
	gauge_says("work", 1, 0);
	ck_assert(sched_follow(sched, &conf));
	next_is("work", 1);
}
END_TEST

START_TEST(a_lowered_bound_lets_runs_end_but_none_begin)
{
	waits("work", 1, 5, 0);
	waits("work", 2, 5, 0);
	waits("work", 3, 5, 0);
	next_is("work", 1);
	next_is("work", 2);
	queues[0].concurrency = 1;
	ck_assert(sched_follow(sched, &conf));
	sched_give_slot(sched, "work");
	nobody_is_next();
	sched_give_slot(sched, "work");
	next_is("work", 3);
}
END_TEST

/* As after a restart with a file that lacks a queue, and then a reload. */
START_TEST(a_queue_that_comes_back_counts_those_who_waited_for_it)
{
	struct conf_queue all[3] = { queues[0], queues[1] };
	struct conf bigger = { .queues = all, .queue_count = 3 };
	struct queue_gauge *gauge;

	waits("back", 1, 5, 0);
	waits("back", 2, 5, now_ms + 1000);
	ck_assert_ptr_null(sched_gauge(sched, "back"));
	nobody_is_next();

	strcpy(all[2].name, "back");
	all[2].concurrency = 5;
	ck_assert(gauges_adopt(gauges, &bigger));
	ck_assert(sched_follow(sched, &bigger));
	gauge_says("back", 2, 0);
	gauge = sched_gauge(sched, "back");
	ck_assert_int_eq(atomic_load(&gauge->places), 2);
	ck_assert_int_eq(atomic_load(&gauge->place_bytes), 14);
	ck_assert(sched_follow(sched, &bigger));
	gauge_says("back", 2, 0);
	ck_assert_int_eq(atomic_load(&gauge->places), 2);
	next_is("back", 1);
	gauge_says("back", 1, 1);
}
END_TEST

/* ---- what is said ---- */

START_TEST(the_next_moment_is_the_earliest_of_all_queues)
{
	waits("work", 1, 5, now_ms + 500);
	waits("other", 2, 5, now_ms + 300);
	waits("other", 3, 5, now_ms + 700);
	ck_assert_int_eq(sched_due_mono_ms(sched), NOW + 300);
}
END_TEST

/* Whoever sleeps until then would else leave a ready job waiting. */
START_TEST(the_next_moment_is_now_while_somebody_may_run)
{
	waits("other", 1, 5, now_ms + 300);
	waits("work", 2, 5, 0);
	ck_assert_int_le(sched_due_mono_ms(sched), NOW);
	next_is("work", 2);
	ck_assert_int_eq(sched_due_mono_ms(sched), NOW + 300);
}
END_TEST

START_TEST(a_queue_without_a_slot_has_no_next_moment)
{
	queues[0].concurrency = 1;
	waits("work", 1, 5, 0);
	waits("work", 2, 5, 0);
	waits("work", 3, 5, now_ms + 300);
	next_is("work", 1);
	ck_assert_int_eq(sched_due_mono_ms(sched), INT64_MAX);
}
END_TEST

START_TEST(the_position_is_one_for_the_next_and_counts_the_delayed_behind)
{
	waits("work", 1, 5, 0);
	waits("work", 2, 0, 0);
	waits("work", 3, 5, 0);
	waits("work", 4, 0, now_ms + 100);
	waits("work", 5, 0, now_ms + 50);
	ck_assert_int_eq(sched_position(sched, "work", 0, 2, 0, now_ms), 1);
	ck_assert_int_eq(sched_position(sched, "work", 5, 1, 0, now_ms), 2);
	ck_assert_int_eq(sched_position(sched, "work", 5, 3, 0, now_ms), 3);
	ck_assert_int_eq(sched_position(sched, "work", 0, 5, NOW + 50, now_ms),
	    4);
	ck_assert_int_eq(sched_position(sched, "work", 0, 4, NOW + 100, now_ms),
	    5);
	ck_assert_int_eq(sched_position(sched, "none", 5, 1, 0, now_ms), 0);
	now_ms += 50;
	ck_assert_int_eq(sched_position(sched, "work", 0, 5, NOW + 50, now_ms),
	    2);
}
END_TEST

START_TEST(the_wait_comes_from_the_drain_rate)
{
	struct queue_gauge *gauge = sched_gauge(sched, "work");

	ck_assert_int_eq(sched_wait_ms(sched, "work", 10, now_ms), -1);
	for (int i = 0; i < 600; i++) {
		now_ms += 100;
		sched_drained(sched, "work", now_ms);
	}
	ck_assert_int_ge(sched_wait_ms(sched, "work", 10, now_ms), 950);
	ck_assert_int_le(sched_wait_ms(sched, "work", 10, now_ms), 1050);
	ck_assert_int_ge(atomic_load(&gauge->drain_per_ks), 9500);
	ck_assert_int_le(atomic_load(&gauge->drain_per_ks), 10500);
	ck_assert_int_eq(sched_wait_ms(sched, "other", 10, now_ms), -1);
}
END_TEST

/* ---- jobs that are pulled ---- */

START_TEST(pulled_jobs_are_let_go_only_one_by_one)
{
	struct waiting next;

	queues[0].executor = EXECUTOR_PULL;
	ck_assert(!sched_admit(sched, "work", now_ms));
	waits("work", 1, 5, 0);
	waits("work", 2, 0, 0);
	waits("work", 3, 5, now_ms + 100);
	nobody_is_next();
	ck_assert_int_eq(sched_due_mono_ms(sched), INT64_MAX);
	ck_assert_int_eq(sched_pull_due_mono_ms(sched, "work"), 0);
	ck_assert(sched_next_pulled(sched, "work", now_ms, &next));
	ck_assert_int_eq(next.seq, 2);
	gauge_says("work", 2, 1);
	ck_assert(sched_next_pulled(sched, "work", now_ms, &next));
	ck_assert_int_eq(next.seq, 1);
	ck_assert_int_eq(sched_pull_due_mono_ms(sched, "work"), INT64_MAX);
	sched_give_slot(sched, "work");
	ck_assert(!sched_next_pulled(sched, "work", now_ms, &next));
	ck_assert_int_eq(sched_pull_due_mono_ms(sched, "work"), NOW + 100);
	now_ms += 100;
	ck_assert(sched_next_pulled(sched, "work", now_ms, &next));
	ck_assert_int_eq(next.seq, 3);
}
END_TEST

START_TEST(only_pulled_jobs_can_be_pulled)
{
	struct waiting next;

	waits("work", 1, 5, 0);
	ck_assert(!sched_next_pulled(sched, "work", now_ms, &next));
	ck_assert(!sched_next_pulled(sched, "none", now_ms, &next));
	ck_assert_int_eq(sched_pull_due_mono_ms(sched, "work"), INT64_MAX);
	ck_assert_int_eq(sched_pull_due_mono_ms(sched, "none"), INT64_MAX);
	next_is("work", 1);
}
END_TEST

START_TEST(a_queue_may_be_paused_before_it_is_configured)
{
	struct conf_queue all[3];
	struct conf bigger = { .queues = all, .queue_count = 3 };

	memcpy(all, queues, sizeof(queues));
	all[2] = queues[1];
	strcpy(all[2].name, "later");
	ck_assert(sched_pause(sched, "later", true));
	ck_assert(gauges_adopt(gauges, &bigger));
	ck_assert(sched_follow(sched, &bigger));
	waits("later", 1, 5, 0);
	nobody_is_next();
	ck_assert(sched_pause(sched, "later", false));
	next_is("later", 1);
}
END_TEST

START_TEST(a_queue_can_be_looked_at)
{
	const int64_t first = uuid_seq_at(1000), second = uuid_seq_at(2000);
	struct queue_facts facts;

	ck_assert(!sched_look(sched, "none", now_ms, &facts));
	ck_assert(sched_look(sched, "work", now_ms, &facts));
	ck_assert_str_eq(facts.name, "work");
	ck_assert_int_eq(facts.oldest_at_ms, -1);
	ck_assert_int_eq(facts.waiting + facts.running, 0);
	ck_assert_double_eq(facts.accepted_per_s, 0);
	waits("work", second, 0, 0);
	waits("work", first, 9, 0);
	waits("work", 7, 5, now_ms + 100);
	for (int i = 0; i < 600; i++) {
		now_ms += 100;
		sched_accepted(sched, "work", now_ms);
	}
	ck_assert(sched_look(sched, "work", NOW, &facts));
	ck_assert_int_eq(facts.waiting, 3);
	ck_assert_int_eq(facts.delayed, 1);
	ck_assert_int_eq(facts.oldest_at_ms, 1000);
	ck_assert_int_eq(facts.capacity, 1000);
	ck_assert_int_eq(facts.concurrency, 2);
	ck_assert(sched_pause(sched, "work", true));
	ck_assert(sched_look(sched, "work", now_ms, &facts));
	ck_assert(facts.is_paused);
	ck_assert_int_eq(facts.delayed, 0);
	ck_assert_int_eq(facts.oldest_at_ms, uuid_ms(7));
	ck_assert(facts.accepted_per_s > 9.5 && facts.accepted_per_s < 10.5);
}
END_TEST

static TCase *
make_cases(void)
{
	TCase *cases = tcase_create("sched");

	tcase_add_checked_fixture(cases, make_sched, drop_sched);
	tcase_add_test(cases, pulled_jobs_are_let_go_only_one_by_one);
	tcase_add_test(cases, only_pulled_jobs_can_be_pulled);
	tcase_add_test(cases, a_queue_may_be_paused_before_it_is_configured);
	tcase_add_test(cases, a_queue_can_be_looked_at);
	tcase_add_test(cases, nobody_runs_where_nobody_waits);
	tcase_add_test(cases, a_sched_without_queues_is_quiet);
	tcase_add_test(cases, priority_goes_before_age);
	tcase_add_test(cases, no_more_run_than_there_are_slots);
	tcase_add_test(cases, queues_take_turns);
	tcase_add_test(cases, a_full_queue_does_not_hold_up_another);
	tcase_add_test(cases,
	    a_delayed_job_waits_for_its_moment_to_the_millisecond);
	tcase_add_test(cases,
	    a_job_that_becomes_due_takes_its_place_by_priority_and_age);
	tcase_add_test(cases,
	    a_delayed_job_that_becomes_due_goes_before_one_that_arrives);
	tcase_add_test(cases, who_arrives_when_nobody_waits_runs_at_once);
	tcase_add_test(cases, who_arrives_does_not_overtake_those_who_wait);
	tcase_add_test(cases, a_slot_may_be_taken_again_whatever_the_bound);
	tcase_add_test(cases, one_may_leave_whether_ready_or_delayed);
	tcase_add_test(cases, one_may_leave_though_its_moment_is_not_known);
	tcase_add_test(cases, one_who_became_ready_may_leave_by_its_old_moment);
	tcase_add_test(cases, a_paused_queue_lets_nobody_run);
	tcase_add_test(cases, a_queue_that_is_gone_keeps_its_jobs_waiting);
	tcase_add_test(cases, a_lowered_bound_lets_runs_end_but_none_begin);
	tcase_add_test(cases,
	    a_queue_that_comes_back_counts_those_who_waited_for_it);
	tcase_add_test(cases, the_next_moment_is_the_earliest_of_all_queues);
	tcase_add_test(cases, the_next_moment_is_now_while_somebody_may_run);
	tcase_add_test(cases, a_queue_without_a_slot_has_no_next_moment);
	tcase_add_test(cases,
	    the_position_is_one_for_the_next_and_counts_the_delayed_behind);
	tcase_add_test(cases, the_wait_comes_from_the_drain_rate);
	return cases;
}

int
main(void)
{
	Suite *suite = suite_create("sched");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, make_cases());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
