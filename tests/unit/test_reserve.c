/* test_reserve.c - whoever asks through the reserve is refused last. */
#include "callbackd/reserve.h"

#include <check.h>
#include <stdbool.h>
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
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
