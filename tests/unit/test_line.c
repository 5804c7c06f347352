/* test_line.c - who is next, compared with the simplest line there is.
 *
 * The model is an array that is searched from its start; the real line must
 * answer every question as it does.
 */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/line.h"

static struct line *line;

static void
make_line(void)
{
	line = line_new();
	ck_assert_ptr_nonnull(line);
}

static void
drop_line(void)
{
	line_free(&line);
	ck_assert_ptr_null(line);
}

static void
join(int64_t rank, int64_t seq)
{
	const struct line_item item = { rank, seq, (uint32_t)(seq * 3),
		(uint32_t)(rank + 7) };

	ck_assert(line_join(line, &item));
}

static void
first_is(int64_t rank, int64_t seq)
{
	const struct line_item *first = line_first(line);

	ck_assert_ptr_nonnull(first);
	ck_assert_int_eq(first->rank, rank);
	ck_assert_int_eq(first->seq, seq);
	ck_assert_uint_eq(first->bytes, (uint32_t)(seq * 3));
	ck_assert_uint_eq(first->tag, (uint32_t)(rank + 7));
}

START_TEST(an_empty_line_has_nobody_in_front)
{
	ck_assert_ptr_null(line_first(line));
	ck_assert_int_eq(line_count(line), 0);
	ck_assert_int_eq(line_before(line, 5, 5), 0);
	ck_assert(!line_leave(line, 5, 5));
}
END_TEST

START_TEST(lower_rank_goes_first_and_then_lower_number)
{
	join(5, 20);
	join(5, 10);
	join(0, 30);
	join(9, 1);
	first_is(0, 30);
	line_drop_first(line);
	first_is(5, 10);
	line_drop_first(line);
	first_is(5, 20);
	line_drop_first(line);
	first_is(9, 1);
	line_drop_first(line);
	ck_assert_ptr_null(line_first(line));
}
END_TEST

START_TEST(ranks_and_numbers_may_be_of_any_size)
{
	join(INT64_MAX, INT64_MAX);
	join(INT64_MIN, 1);
	join(0, 1);
	ck_assert_int_eq(line_before(line, INT64_MAX, INT64_MAX), 2);
	ck_assert_int_eq(line_first(line)->rank, INT64_MIN);
	ck_assert(line_leave(line, INT64_MAX, INT64_MAX));
	ck_assert_int_eq(line_count(line), 2);
}
END_TEST

START_TEST(one_may_leave_from_anywhere_but_only_once)
{
	for (int64_t i = 0; i < 1000; i++)
		join(5, i);
	ck_assert(line_leave(line, 5, 0));
	ck_assert(line_leave(line, 5, 500));
	ck_assert(line_leave(line, 5, 999));
	ck_assert(!line_leave(line, 5, 500));
	ck_assert(!line_leave(line, 4, 501));
	ck_assert(!line_leave(line, 5, 1000));
	ck_assert_int_eq(line_count(line), 997);
	first_is(5, 1);
}
END_TEST

START_TEST(how_many_stand_before_does_not_ask_whether_one_is_there)
{
	for (int64_t i = 0; i < 2000; i += 2)
		join(1, i);
	ck_assert_int_eq(line_before(line, 1, 0), 0);
	ck_assert_int_eq(line_before(line, 1, 1), 1);
	ck_assert_int_eq(line_before(line, 1, 1000), 500);
	ck_assert_int_eq(line_before(line, 0, 5000), 0);
	ck_assert_int_eq(line_before(line, 2, 0), 1000);
}
END_TEST

START_TEST(the_first_from_somewhere_on_is_found)
{
	ck_assert_ptr_null(line_at(line, 0, 0));
	for (int64_t i = 0; i < 2000; i += 2)
		join(i % 3, i);
	ck_assert_int_eq(line_at(line, 0, 6)->seq, 6);
	ck_assert_int_eq(line_at(line, 0, 7)->seq, 12);
	ck_assert_int_eq(line_at(line, 0, 5000)->rank, 1);
	ck_assert_int_eq(line_at(line, -5, 9)->seq, 0);
	ck_assert_ptr_null(line_at(line, 2, 2000));
	ck_assert_ptr_null(line_at(line, 3, 0));
}
END_TEST

START_TEST(a_line_weighs_what_those_weigh_who_stand_in_it)
{
	ck_assert_int_eq(line_bytes(line), 0);
	for (int64_t i = 1; i <= 1000; i++)
		join(5, i);
	ck_assert_int_eq(line_bytes(line), 3 * 500500);
	line_drop_first(line);
	ck_assert(line_leave(line, 5, 1000));
	ck_assert_int_eq(line_bytes(line), 3 * (500500 - 1001));
}
END_TEST

START_TEST(one_is_found_by_its_number_alone)
{
	int64_t rank = -1;

	ck_assert(!line_find(line, 5, &rank));
	for (int64_t i = 1; i <= 1000; i++)
		join(i % 7, i);
	ck_assert(line_find(line, 701, &rank));
	ck_assert_int_eq(rank, 1);
	ck_assert(!line_find(line, 1001, &rank));
}
END_TEST

/* The way of a queue: in at the end, out at the front, with a backlog. */
START_TEST(a_long_backlog_leaves_in_the_order_it_came)
{
	enum { BACKLOG = 100000, LATER = 300000 };
	int64_t out = 0;

	for (int64_t i = 0; i < BACKLOG; i++)
		join(5, i);
	for (int64_t i = BACKLOG; i < LATER; i++, out++) {
		join(5, i);
		first_is(5, out);
		line_drop_first(line);
	}
	ck_assert_int_eq(line_count(line), BACKLOG);
	for (; out < LATER; out++) {
		first_is(5, out);
		line_drop_first(line);
	}
	ck_assert_int_eq(line_count(line), 0);
}
END_TEST

START_TEST(a_line_filled_from_its_end_to_its_front_is_in_order)
{
	for (int64_t i = 5000; i > 0; i--)
		join(1, i);
	for (int64_t i = 1; i <= 5000; i++) {
		first_is(1, i);
		line_drop_first(line);
	}
}
END_TEST

START_TEST(joining_twice_is_our_error_and_stops_us)
{
	join(1, 1);
	join(1, 1);
}
END_TEST

START_TEST(dropping_from_an_empty_line_is_our_error_and_stops_us)
{
	join(1, 1);
	line_drop_first(line);
	line_drop_first(line);
}
END_TEST

/* ---- against the model ---- */

enum { MODEL_MAX = 3000, RANKS = 10 };

struct model {
	struct line_item items[MODEL_MAX];
	int count;
};

static uint64_t dice_state;

static uint32_t
dice(uint32_t sides)
{
	dice_state = dice_state * UINT64_C(6364136223846793005) +
	    UINT64_C(1442695040888963407);
	return (uint32_t)(dice_state >> 33) % sides;
}

static bool
is_before(const struct line_item *item, int64_t rank, int64_t seq)
{
	return item->rank < rank || (item->rank == rank && item->seq < seq);
}

static int
model_find(const struct model *model, int64_t rank, int64_t seq)
{
	int at = 0;

	while (at < model->count && is_before(&model->items[at], rank, seq))
		at++;
	return at;
}

static bool
model_has(const struct model *model, int at, int64_t rank, int64_t seq)
{
	return at < model->count && model->items[at].rank == rank &&
	    model->items[at].seq == seq;
}

static void
model_remove(struct model *model, int at)
{
	memmove(&model->items[at], &model->items[at + 1],
	    (size_t)(model->count - at - 1) * sizeof(model->items[0]));
	model->count--;
}

static void
both_join(struct model *model, int64_t rank, int64_t seq)
{
	int at = model_find(model, rank, seq);

	if (model->count == MODEL_MAX || model_has(model, at, rank, seq))
		return;
	join(rank, seq);
	memmove(&model->items[at + 1], &model->items[at],
	    (size_t)(model->count - at) * sizeof(model->items[0]));
	model->items[at] = (struct line_item){ rank, seq, 0, 0 };
	model->count++;
}

static void
both_leave(struct model *model, int64_t rank, int64_t seq)
{
	int at = model_find(model, rank, seq);
	bool is_there = model_has(model, at, rank, seq);

	ck_assert_int_eq(line_leave(line, rank, seq), is_there);
	if (is_there)
		model_remove(model, at);
}

static void
both_drop(struct model *model)
{
	if (model->count == 0)
		return;
	line_drop_first(line);
	model_remove(model, 0);
}

static void
compare(const struct model *model, int64_t rank, int64_t seq)
{
	ck_assert_int_eq(line_count(line), model->count);
	ck_assert_int_eq(line_before(line, rank, seq),
	    model_find(model, rank, seq));
	if (model->count > 0)
		first_is(model->items[0].rank, model->items[0].seq);
	else
		ck_assert_ptr_null(line_first(line));
}

/* Grows, shrinks and grows again, so that blocks split and vanish. */
START_TEST(a_line_answers_as_the_model_does)
{
	static struct model model;

	dice_state = (uint64_t)_i + 1;
	for (int step = 0; step < 20000; step++) {
		bool grows = step / 4000 % 2 == 0;
		int64_t rank = dice(RANKS);
		int64_t seq = dice(MODEL_MAX);
		uint32_t what = dice(10);

		if (what < (grows ? 7u : 2u))
			both_join(&model, rank, seq);
		else if (what < 8 && model.count > 0)
			both_leave(&model,
			    model.items[dice((uint32_t)model.count)].rank, seq);
		else if (what < 9 && model.count > 0)
			both_leave(&model, rank, seq);
		else
			both_drop(&model);
		compare(&model, dice(RANKS), dice(MODEL_MAX));
	}
	while (model.count > 0) {
		both_drop(&model);
		compare(&model, dice(RANKS), dice(MODEL_MAX));
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("line");
	TCase *cases = tcase_create("line");
	SRunner *runner;
	int failed;

	tcase_set_timeout(cases, 60);
	tcase_add_checked_fixture(cases, make_line, drop_line);
	tcase_add_test(cases, an_empty_line_has_nobody_in_front);
	tcase_add_test(cases, lower_rank_goes_first_and_then_lower_number);
	tcase_add_test(cases, ranks_and_numbers_may_be_of_any_size);
	tcase_add_test(cases, one_may_leave_from_anywhere_but_only_once);
	tcase_add_test(cases,
	    how_many_stand_before_does_not_ask_whether_one_is_there);
	tcase_add_test(cases, a_line_weighs_what_those_weigh_who_stand_in_it);
	tcase_add_test(cases, the_first_from_somewhere_on_is_found);
	tcase_add_test(cases, one_is_found_by_its_number_alone);
	tcase_add_test(cases, a_long_backlog_leaves_in_the_order_it_came);
	tcase_add_test(cases,
	    a_line_filled_from_its_end_to_its_front_is_in_order);
	tcase_add_test_raise_signal(cases,
	    joining_twice_is_our_error_and_stops_us, SIGABRT);
	tcase_add_test_raise_signal(cases,
	    dropping_from_an_empty_line_is_our_error_and_stops_us, SIGABRT);
	tcase_add_loop_test(cases, a_line_answers_as_the_model_does, 0, 8);
	suite_add_tcase(suite, cases);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
