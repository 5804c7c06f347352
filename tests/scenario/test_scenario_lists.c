/* test_scenario_lists.c - pages of jobs and deliveries. */
#include "suite.h"

#include <string.h>

#define A "http://a.example/hook"
#define SCAN 2000

static struct order *
jobs_order(int limit, int64_t below_seq)
{
	struct order *order = new_order(ORDER_JOBS);

	order->jobs_filter = (struct job_filter){ .below_seq = below_seq,
		.since_ms = -1,
		.until_ms = -1,
		.status = -1,
		.limit = limit,
		.scan_max = SCAN };
	return order;
}

static struct order *
deliveries_order(int state, int limit, int64_t below_seq)
{
	struct order *order = new_order(ORDER_DELIVERIES);

	order->deliveries_filter = (struct delivery_filter){
		.below_seq = below_seq,
		.since_ms = -1,
		.until_ms = -1,
		.state = state,
		.limit = limit,
		.scan_max = SCAN,
	};
	return order;
}

START_TEST(pages_hold_every_job_once_newest_first)
{
	static const int sizes[] = { 10, 10, 5 };
	struct uuid jobs[25];
	int64_t below_seq = 0;
	int left = 25;

	open_world();
	for (int i = 0; i < 25; i++)
		jobs[i] = submit_plain();
	for (int page = 0; page < 3; page++) {
		struct order *order = ask(jobs_order(10, below_seq));

		ck_assert_int_eq(order->result, ORDER_OK);
		ck_assert_int_eq(order->listed_count, sizes[page]);
		for (int i = 0; i < order->listed_count; i++)
			ck_assert(same(order->listed[i].job.id, jobs[--left]));
		below_seq = order->next_seq;
		ck_assert(page == 2 || below_seq > 0);
		order_free(&order);
	}
	ck_assert_int_eq(below_seq, 0);
}
END_TEST

START_TEST(jobs_that_come_between_pages_neither_repeat_nor_hide_others)
{
	struct uuid jobs[6];
	struct order *order;
	int64_t below_seq;

	open_world();
	for (int i = 0; i < 6; i++)
		jobs[i] = submit_plain();
	order = ask(jobs_order(3, 0));
	below_seq = order->next_seq;
	order_free(&order);
	for (int i = 0; i < 5; i++)
		(void)submit_plain();
	order = ask(jobs_order(3, below_seq));
	ck_assert_int_eq(order->listed_count, 3);
	for (int i = 0; i < 3; i++)
		ck_assert(same(order->listed[i].job.id, jobs[2 - i]));
	order_free(&order);
}
END_TEST

START_TEST(an_empty_store_has_an_empty_list)
{
	struct order *order;

	open_world();
	order = ask(jobs_order(10, 0));
	ck_assert_int_eq(order->result, ORDER_OK);
	ck_assert_int_eq(order->listed_count, 0);
	ck_assert_int_eq(order->next_seq, 0);
	order_free(&order);
}
END_TEST

START_TEST(rows_show_positions_and_deliveries_as_the_job_itself_does)
{
	struct order *order;
	struct uuid ended;

	open_world();
	ended = submit(&(struct wish){ .callback = A });
	end_run_with(ended, &WELL);
	for (int i = 0; i < 4; i++)
		(void)submit_plain();
	order = ask(jobs_order(10, 0));
	ck_assert_int_eq(order->listed_count, 5);
	ck_assert_int_eq(order->listed[0].facts.position, 2);
	ck_assert_int_eq(order->listed[1].facts.position, 1);
	ck_assert_int_eq(order->listed[2].facts.position, 0);
	ck_assert(!order->listed[0].has_delivery);
	ck_assert(order->listed[4].has_delivery);
	ck_assert_int_eq(order->listed[4].delivery.state, DELIVERY_PENDING);
	order_free(&order);
}
END_TEST

/* ---- filters ---- */

static const struct {
	const char *name;
	const char *queue, *client;
	int status;
	int count;
} filters[] = {
	{ "all", NULL, NULL, -1, 7 },
	{ "queue", "other", NULL, -1, 3 },
	{ "client", NULL, "acme", -1, 2 },
	{ "running", NULL, NULL, JOB_RUNNING, 4 },
	{ "queued", NULL, NULL, JOB_QUEUED, 2 },
	{ "succeeded", NULL, NULL, JOB_SUCCEEDED, 1 },
	{ "queue and status", "other", NULL, JOB_QUEUED, 1 },
	{ "nothing", "other", "acme", JOB_FAILED, 0 },
	{ "unknown queue", "none", NULL, -1, 0 },
};

START_TEST(only_what_was_asked_for_is_listed)
{
	struct order *order;

	open_world();
	end_run_with(submit_plain(), &WELL);
	for (int i = 0; i < 2; i++)
		(void)submit(&(struct wish){ .client = "acme" });
	(void)submit_plain();
	for (int i = 0; i < 3; i++)
		(void)submit(&(struct wish){ .queue = "other" });
	order = jobs_order(50, 0);
	order->jobs_filter.queue = filters[_i].queue;
	order->jobs_filter.client = filters[_i].client;
	order->jobs_filter.status = filters[_i].status;
	order = ask(order);
	ck_assert_msg(order->listed_count == filters[_i].count,
	    "%s: %d, not %d", filters[_i].name, order->listed_count,
	    filters[_i].count);
	order_free(&order);
}
END_TEST

START_TEST(a_span_of_time_has_a_first_but_not_a_last_moment)
{
	struct order *order;
	int64_t from_ms;

	open_world();
	for (int i = 0; i < 10; i++) {
		(void)submit_plain();
		let_time_pass(SECOND_MS);
	}
	order = ask(jobs_order(50, 0));
	from_ms = order->listed[7].job.created_at_ms;
	order_free(&order);
	order = jobs_order(50, 0);
	order->jobs_filter.since_ms = from_ms;
	order->jobs_filter.until_ms = from_ms + 4 * SECOND_MS;
	order = ask(order);
	ck_assert_int_eq(order->listed_count, 4);
	ck_assert_int_eq(order->listed[3].job.created_at_ms, from_ms);
	order_free(&order);
}
END_TEST

/* ---- long looks ---- */

START_TEST(a_long_look_finds_what_lies_far_back)
{
	struct uuid jobs[3];
	struct order *order;

	open_world();
	for (int i = 0; i < 3; i++)
		jobs[i] = submit(&(struct wish){ .queue = "other" });
	for (int i = 0; i < 90; i++)
		(void)submit_plain();
	order = jobs_order(5, 0);
	order->jobs_filter.queue = "other";
	order->jobs_filter.scan_max = 10;
	order = ask(order);
	ck_assert_int_eq(order->result, ORDER_OK);
	ck_assert_int_eq(order->listed_count, 3);
	ck_assert(same(order->listed[0].job.id, jobs[2]));
	ck_assert_int_eq(order->next_seq, 0);
	order_free(&order);
}
END_TEST

START_TEST(a_long_look_does_not_hold_up_those_who_write)
{
	struct order *order;
	struct order *listed;
	struct uuid job;
	int ticket;

	open_world();
	for (int i = 0; i < 90; i++)
		(void)submit_plain();
	order = jobs_order(5, 0);
	order->jobs_filter.queue = "none";
	order->jobs_filter.scan_max = 10;
	ask_later(order, &listed);
	take_one_turn();
	ticket = send_wish(&(struct wish){ .queue = "other" });
	take_one_turn();
	ck_assert_ptr_null(listed);
	ck_assert_int_eq(runs_under_way(), 3);
	ck_assert_int_eq(answer_to(ticket, &job), TAKEN);
	settle();
	ck_assert_ptr_nonnull(listed);
	ck_assert_int_eq(listed->listed_count, 0);
	order_free(&listed);
}
END_TEST

START_TEST(a_list_that_cannot_be_read_is_unavailable)
{
	struct order *order;

	open_world();
	(void)submit_plain();
	store_sickens(SICK_LIST, 0, STORE_AGAIN);
	order = ask(jobs_order(10, 0));
	ck_assert_int_eq(order->result, ORDER_UNAVAILABLE);
	order_free(&order);
}
END_TEST

/* ---- deliveries ---- */

/* The first dies, the second is delivered, the third is pending. */
static void
make_deliveries(struct uuid jobs[3], const char *const clients[3])
{
	for (int i = 0; i < 3; i++) {
		jobs[i] = submit(
		    &(struct wish){ .callback = A, .client = clients[i] });
		end_run_with(jobs[i], &WELL);
	}
	end_post_with(jobs[0], &GONE);
	end_post_with(jobs[1], &THANKS);
	end_post_with(jobs[2], &NOT_NOW);
}

static const struct {
	int state;
	int count;
} states[] = { { -1, 3 }, { DELIVERY_PENDING, 1 }, { DELIVERY_DELIVERED, 1 },
	{ DELIVERY_DEAD, 1 }, { DELIVERY_HELD, 0 } };

START_TEST(deliveries_are_listed_by_state)
{
	static const char *const nobody[] = { NULL, NULL, NULL };
	struct uuid jobs[3];
	struct order *order;

	open_world();
	make_deliveries(jobs, nobody);
	order = ask(deliveries_order(states[_i].state, 10, 0));
	ck_assert_int_eq(order->result, ORDER_OK);
	ck_assert_int_eq(order->listed_count, states[_i].count);
	for (int i = 0; i < order->listed_count; i++) {
		ck_assert(order->listed[i].has_delivery);
		ck_assert(states[_i].state < 0 ||
		    (int)order->listed[i].delivery.state == states[_i].state);
	}
	order_free(&order);
}
END_TEST

START_TEST(dead_letters_come_in_pages)
{
	int64_t below_seq = 0;
	int found = 0;

	open_world();
	for (int i = 0; i < 7; i++) {
		struct uuid job = submit(&(struct wish){ .callback = A });

		end_run_with(job, &WELL);
		end_post_with(job, i % 2 == 0 ? &GONE : &THANKS);
	}
	do {
		struct order *order = ask(
		    deliveries_order(DELIVERY_DEAD, 2, below_seq));

		ck_assert_int_le(order->listed_count, 2);
		found += order->listed_count;
		below_seq = order->next_seq;
		order_free(&order);
	} while (below_seq > 0);
	ck_assert_int_eq(found, 4);
}
END_TEST

START_TEST(nobody_sees_deliveries_of_another_client)
{
	static const char *const clients[] = { "acme", "evil", "acme" };
	struct uuid jobs[3];
	struct order *order;

	open_world();
	make_deliveries(jobs, clients);
	order = deliveries_order(-1, 2, 0);
	strcpy(order->client, "acme");
	order = ask(order);
	ck_assert_int_eq(order->listed_count, 2);
	ck_assert(same(order->listed[0].delivery.job, jobs[2]));
	ck_assert(same(order->listed[1].delivery.job, jobs[0]));
	order_free(&order);
	order = deliveries_order(-1, 10, 0);
	strcpy(order->client, "stranger");
	order = ask(order);
	ck_assert_int_eq(order->result, ORDER_OK);
	ck_assert_int_eq(order->listed_count, 0);
	order_free(&order);
}
END_TEST

/* Its page is filled from further back, in as many looks as it takes. */
START_TEST(a_client_among_many_still_gets_whole_pages)
{
	struct order *order;

	open_world();
	for (int i = 0; i < 40; i++) {
		struct uuid job = submit(&(struct wish){ .callback = A,
		    .client = i % 10 == 0 ? "acme" : "crowd" });

		end_run_with(job, &WELL);
		end_post_with(job, &THANKS);
	}
	order = deliveries_order(-1, 3, 0);
	order->deliveries_filter.scan_max = 3;
	strcpy(order->client, "acme");
	order = ask(order);
	ck_assert_int_eq(order->listed_count, 3);
	for (int i = 0; i < 3; i++)
		ck_assert(i == 0 ||
		    order->listed[i].delivery.id.seq <
			order->listed[i - 1].delivery.id.seq);
	order_free(&order);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("scenario: lists");
	TCase *cases = cases_of(suite, "jobs");

	tcase_add_test(cases, pages_hold_every_job_once_newest_first);
	tcase_add_test(cases,
	    jobs_that_come_between_pages_neither_repeat_nor_hide_others);
	tcase_add_test(cases, an_empty_store_has_an_empty_list);
	tcase_add_test(cases,
	    rows_show_positions_and_deliveries_as_the_job_itself_does);
	tcase_add_loop_test(cases, only_what_was_asked_for_is_listed, 0,
	    (int)(sizeof(filters) / sizeof(filters[0])));
	tcase_add_test(cases, a_span_of_time_has_a_first_but_not_a_last_moment);
	tcase_add_test(cases, a_long_look_finds_what_lies_far_back);
	tcase_add_test(cases, a_long_look_does_not_hold_up_those_who_write);
	tcase_add_test(cases, a_list_that_cannot_be_read_is_unavailable);
	cases = cases_of(suite, "deliveries");
	tcase_add_loop_test(cases, deliveries_are_listed_by_state, 0,
	    (int)(sizeof(states) / sizeof(states[0])));
	tcase_add_test(cases, dead_letters_come_in_pages);
	tcase_add_test(cases, nobody_sees_deliveries_of_another_client);
	tcase_add_test(cases, a_client_among_many_still_gets_whole_pages);
	return run_suite(suite);
}
