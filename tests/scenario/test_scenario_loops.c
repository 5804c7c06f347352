/* test_scenario_loops.c - which loop gets what. */
#include "suite.h"

#include <stdlib.h>

#include "ledger/inside.h"
#include "world_inside.h"

#define A "http://a.example/hook"
#define MANY_JOBS 64

/* Of all that is under way: how many more has the loop with the most than the
 * one with the least? */
static int
lead(int count, const struct loop *loop_at(int place))
{
	const struct loop *one = loop_at(0);
	int of_one = 0;

	for (int i = 0; i < count; i++)
		of_one += loop_at(i) == one;
	return abs(of_one - (count - of_one));
}

static const struct loop *
loop_of_run(int place)
{
	return run_of(run_at(place))->loop;
}

static const struct loop *
loop_of_post(int place)
{
	return post_at(place)->loop;
}

static void
open_wide_world(void)
{
	queue_named("work")->concurrency = MANY_JOBS;
	world_conf()->callback.per_host_concurrency = MANY_JOBS;
	open_world();
}

/* The other loop has a client that asks for nothing. */
static struct uuid
submit_on_one_loop(void)
{
	struct uuid job = submit(&(struct wish){ .callback = A });

	(void)next_lane();
	return job;
}

START_TEST(a_run_and_its_post_stay_where_the_request_came_in)
{
	struct loop *came_in = next_lane();
	struct uuid job;

	open_wide_world();
	(void)next_lane();
	for (int i = 0; i < LEAD_MAX; i++) {
		job = submit_on_one_loop();
		ck_assert_ptr_eq(run_of(job)->loop, came_in);
	}
	for (int i = 0; i < LEAD_MAX; i++) {
		job = run_at(0);
		end_run_with(job, &WELL);
		ck_assert_ptr_eq(post_of(job)->loop, came_in);
	}
}
END_TEST

START_TEST(what_comes_in_on_one_loop_runs_on_both)
{
	open_wide_world();
	for (int i = 0; i < MANY_JOBS; i++) {
		(void)submit_on_one_loop();
		ck_assert_int_le(lead(i + 1, loop_of_run), LEAD_MAX);
	}
	ck_assert_int_eq(runs_under_way(), MANY_JOBS);
}
END_TEST

/* Their ends come together, and so do the posts that they cause. */
START_TEST(what_ends_on_one_loop_is_posted_by_both)
{
	struct uuid ended[MANY_JOBS];
	const struct loop *busy;
	int count = 0;

	open_wide_world();
	for (int i = 0; i < MANY_JOBS; i++)
		(void)submit(&(struct wish){ .callback = A });
	busy = loop_of_run(0);
	for (int i = 0; i < MANY_JOBS; i++)
		if (loop_of_run(i) == busy)
			ended[count++] = run_at(i);
	ck_assert_int_gt(count, 2 * LEAD_MAX);
	for (int i = 0; i < count; i++)
		give_back_run(ended[i], &WELL);
	settle();
	ck_assert_int_eq(posts_under_way(), count);
	ck_assert_int_le(lead(count, loop_of_post), LEAD_MAX);
}
END_TEST

START_TEST(a_loop_whose_work_has_ended_gets_the_next)
{
	const struct loop *free_loop;
	int at = 0;

	open_wide_world();
	for (int i = 0; i < MANY_JOBS; i++)
		(void)submit_on_one_loop();
	free_loop = loop_of_run(0);
	while (at < runs_under_way()) {
		if (loop_of_run(at) == free_loop)
			end_run_with(run_at(at), &WELL);
		else
			at++;
	}
	at = runs_under_way();
	for (int i = 0; i < LEAD_MAX; i++) {
		struct uuid job = submit_plain();

		ck_assert_ptr_eq(run_of(job)->loop, free_loop);
	}
	ck_assert_int_eq(runs_under_way(), at + LEAD_MAX);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("scenario: loops");
	TCase *cases = cases_of(suite, "work");

	tcase_add_test(cases,
	    a_run_and_its_post_stay_where_the_request_came_in);
	tcase_add_test(cases, what_comes_in_on_one_loop_runs_on_both);
	tcase_add_test(cases, what_ends_on_one_loop_is_posted_by_both);
	tcase_add_test(cases, a_loop_whose_work_has_ended_gets_the_next);
	return run_suite(suite);
}
