/* test_shelf.c - blocks that were given back, and who gets them. */
#include <check.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/shelf.h"

#define SIZE 104 /* a block has just as many with any malloc */

static void
empty_shelf(void)
{
	shelf_clear();
}

START_TEST(what_was_put_comes_back_once)
{
	void *block = malloc(SIZE);

	ck_assert(shelf_put(block));
	ck_assert_ptr_eq(shelf_take(SIZE), block);
	ck_assert_ptr_null(shelf_take(SIZE));
	free(block);
}
END_TEST

START_TEST(the_last_one_comes_back_first)
{
	void *first = malloc(SIZE);
	void *last = malloc(SIZE);

	ck_assert(shelf_put(first));
	ck_assert(shelf_put(last));
	ck_assert_ptr_eq(shelf_take(SIZE), last);
	ck_assert_ptr_eq(shelf_take(SIZE), first);
	free(first);
	free(last);
}
END_TEST

/* Whatever sizes malloc rounds to: it may take somebody who asks for a little
 * less to get a block back, but nobody gets one that is too small. */
START_TEST(no_block_is_too_small_for_who_gets_it)
{
	for (size_t size = 1; size <= 5000; size++) {
		void *block = malloc(size);
		size_t usable = malloc_usable_size(block);
		void *got;

		if (!shelf_put(block)) {
			free(block);
			continue;
		}
		ck_assert_ptr_null(shelf_take(usable + 1));
		got = shelf_take(size);
		if (got == NULL)
			got = shelf_take(usable - 15);
		ck_assert_ptr_eq(got, block);
		free(block);
	}
}
END_TEST

START_TEST(what_is_large_is_not_kept)
{
	void *block = malloc(64 << 10);

	ck_assert(!shelf_put(block));
	ck_assert_ptr_null(shelf_take(64 << 10));
	free(block);
}
END_TEST

START_TEST(a_shelf_is_full_some_day)
{
	size_t bytes = 0;
	void *block = malloc(1000);
	void *small;

	while (shelf_put(block)) {
		bytes += malloc_usable_size(block);
		block = malloc(1000);
	}
	ck_assert_uint_le(bytes, SHELF_MAX_BYTES);
	ck_assert_uint_gt(bytes + malloc_usable_size(block), SHELF_MAX_BYTES);
	small = shelf_take(1000); /* makes room for one */
	ck_assert_ptr_nonnull(small);
	ck_assert(shelf_put(block));
	free(small);
	shelf_clear();
	block = malloc(1000);
	ck_assert(shelf_put(block));
}
END_TEST

static void *
take_elsewhere(void *arg)
{
	(void)arg;
	return shelf_take(SIZE);
}

START_TEST(another_thread_has_another_shelf)
{
	void *block = malloc(SIZE);
	void *got = block;
	pthread_t thread;

	ck_assert(shelf_put(block));
	ck_assert_int_eq(pthread_create(&thread, NULL, take_elsewhere, NULL),
	    0);
	ck_assert_int_eq(pthread_join(thread, &got), 0);
	ck_assert_ptr_null(got);
	ck_assert_ptr_eq(shelf_take(SIZE), block);
	free(block);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("shelf");
	TCase *cases = tcase_create("shelf");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, cases);
	tcase_add_checked_fixture(cases, empty_shelf, empty_shelf);
	tcase_add_test(cases, what_was_put_comes_back_once);
	tcase_add_test(cases, the_last_one_comes_back_first);
	tcase_add_test(cases, no_block_is_too_small_for_who_gets_it);
	tcase_add_test(cases, what_is_large_is_not_kept);
	tcase_add_test(cases, a_shelf_is_full_some_day);
	tcase_add_test(cases, another_thread_has_another_shelf);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
