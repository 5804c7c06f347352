/* test_reserve.c - whoever asks through the reserve is refused last. */
#include "callbackd/reserve.h"

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The linker leads the module's malloc, calloc and realloc here. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static int failures; /* so many requests fail from now on */
static int asked;
static size_t largest;

static bool
fails(size_t size)
{
	asked++;
	largest = size > largest ? size : largest;
	return failures > 0 && failures-- > 0;
}

void *
__wrap_malloc(size_t size)
{
	return fails(size) ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return fails(count * size) ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *old, size_t size)
{
	return fails(size) ? NULL : __real_realloc(old, size);
}

/* The four functions as one; the bytes are those of "text". */
static char *
ask_by(int way)
{
	switch (way) {
	case 0:
		return reserve_malloc(5);
	case 1:
		return reserve_calloc(5, 1);
	case 2:
		return reserve_realloc(NULL, 5);
	default:
		return reserve_strdup("text");
	}
}

START_TEST(what_fails_once_is_asked_for_again)
{
	char *got;

	reserve_fill();
	failures = 1;
	got = ask_by(_i);
	ck_assert_ptr_nonnull(got);
	ck_assert_int_eq(failures, 0);
	memcpy(got, "text", 5);
	free(got);
}
END_TEST

START_TEST(the_reserve_is_put_aside_again)
{
	char *got;

	reserve_fill();
	ck_assert_uint_eq(largest, RESERVE_BYTES);
	failures = 1;
	free(ask_by(_i));
	largest = 0;
	got = ask_by(_i);
	ck_assert_uint_eq(largest, RESERVE_BYTES);
	free(got);
	/* And kept: the next one asks for nothing more. */
	largest = 0;
	got = ask_by(_i);
	ck_assert_uint_lt(largest, RESERVE_BYTES);
	free(got);
}
END_TEST

START_TEST(without_any_memory_the_answer_is_no)
{
	reserve_fill();
	failures = 2;
	ck_assert_ptr_null(ask_by(_i));
	ck_assert_int_eq(failures, 0);
}
END_TEST

START_TEST(old_bytes_outlive_a_refusal)
{
	char *old = reserve_strdup("text");
	char *grown;

	reserve_fill();
	failures = 2;
	ck_assert_ptr_null(reserve_realloc(old, 100));
	ck_assert_str_eq(old, "text");
	failures = 1;
	grown = reserve_realloc(old, 100);
	ck_assert_str_eq(grown, "text");
	free(grown);
}
END_TEST

START_TEST(without_a_reserve_all_is_as_ever)
{
	char *got;

	asked = 0;
	got = ask_by(_i);
	ck_assert_int_eq(asked, 1);
	free(got);
}
END_TEST

/* Where blocks are kept: 0 requests reach malloc; under sanitizers 1. */
#ifdef SANITIZED
#define ASKED_AGAIN 1
#else
#define ASKED_AGAIN 0
#endif

START_TEST(what_was_given_back_is_given_again)
{
	char *got;

	reserve_free(malloc(300));
	asked = 0;
	got = reserve_malloc(300);
	ck_assert_int_eq(asked, ASKED_AGAIN);
	free(got);
}
END_TEST

START_TEST(zeroes_were_asked_for_and_zeroes_come)
{
	static const char zeroes[300];
	char *got = malloc(300);

	memset(got, 'x', 300);
	reserve_free(got);
	asked = 0;
	got = reserve_calloc(3, 100);
	ck_assert_int_eq(asked, ASKED_AGAIN);
	ck_assert_mem_eq(got, zeroes, 300);
	free(got);
}
END_TEST

START_TEST(what_grows_takes_its_bytes_along)
{
	char *old = reserve_malloc(40);

	memcpy(old, "forty bytes, not one less and none more", 40);
	reserve_free(malloc(1000));
	asked = 0;
	old = reserve_realloc(old, 1000);
	ck_assert_int_eq(asked, ASKED_AGAIN);
	ck_assert_str_eq(old, "forty bytes, not one less and none more");
	reserve_free(old);
}
END_TEST

START_TEST(what_is_kept_goes_before_the_reserve)
{
	reserve_free(malloc(300));
	failures = 1;
	free(reserve_malloc(5));
	asked = 0;
	free(reserve_malloc(300));
	ck_assert_int_eq(asked, 1);
}
END_TEST

START_TEST(a_thread_that_leaves_keeps_nothing)
{
	reserve_free(malloc(300));
	reserve_leave_thread();
	asked = 0;
	free(reserve_malloc(300));
	ck_assert_int_eq(asked, 1);
}
END_TEST

#ifndef SANITIZED /* they end the process */
START_TEST(impossible_sizes_are_refused)
{
	ck_assert_ptr_null(reserve_calloc(SIZE_MAX / 4 + 5, 4));
}
END_TEST
#endif

int
main(void)
{
	Suite *suite = suite_create("reserve");
	TCase *cases = tcase_create("reserve");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, cases);
	tcase_add_loop_test(cases, what_fails_once_is_asked_for_again, 0, 4);
	tcase_add_loop_test(cases, the_reserve_is_put_aside_again, 0, 4);
	tcase_add_loop_test(cases, without_any_memory_the_answer_is_no, 0, 4);
	tcase_add_test(cases, old_bytes_outlive_a_refusal);
	tcase_add_loop_test(cases, without_a_reserve_all_is_as_ever, 0, 4);
	tcase_add_test(cases, what_was_given_back_is_given_again);
	tcase_add_test(cases, zeroes_were_asked_for_and_zeroes_come);
	tcase_add_test(cases, what_grows_takes_its_bytes_along);
	tcase_add_test(cases, what_is_kept_goes_before_the_reserve);
	tcase_add_test(cases, a_thread_that_leaves_keeps_nothing);
#ifndef SANITIZED
	tcase_add_test(cases, impossible_sizes_are_refused);
#endif
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
