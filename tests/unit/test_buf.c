/* test_buf.c - what a buffer keeps, and what it refuses at its ceiling. */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/buf.h"

START_TEST(an_empty_buffer_reads_as_an_empty_string)
{
	struct buf buf;

	buf_init(&buf, 10);
	ck_assert_str_eq(buf_text(&buf), "");
	ck_assert(!buf_failed(&buf));
	ck_assert(buf_append(&buf, NULL, 0));
	ck_assert_uint_eq(buf.len, 0);
	buf_free(&buf);
}
END_TEST

START_TEST(appended_pieces_follow_each_other_and_end_in_a_nul)
{
	struct buf buf;

	buf_init(&buf, 100000);
	ck_assert(buf_puts(&buf, "one"));
	ck_assert(buf_putc(&buf, ','));
	ck_assert(buf_append(&buf, "t\0o", 3));
	ck_assert(buf_printf(&buf, ",%d", 3));
	ck_assert_uint_eq(buf.len, 9);
	ck_assert_mem_eq(buf.data, "one,t\0o,3", 10);
	buf_free(&buf);
}
END_TEST

START_TEST(growth_keeps_every_byte)
{
	struct buf buf;

	buf_init(&buf, 1 << 20);
	for (int i = 0; i < 100000; i++)
		ck_assert(buf_putc(&buf, (char)('a' + i % 26)));
	ck_assert_uint_eq(buf.len, 100000);
	for (int i = 0; i < 100000; i++)
		ck_assert_int_eq(buf.data[i], 'a' + i % 26);
	ck_assert_int_eq(buf.data[buf.len], '\0');
	buf_free(&buf);
}
END_TEST

START_TEST(a_buffer_can_be_filled_to_its_ceiling_and_no_further)
{
	struct buf buf;

	buf_init(&buf, 5);
	ck_assert(buf_puts(&buf, "12345"));
	ck_assert(buf.cap <= 6);
	ck_assert(!buf_putc(&buf, '6'));
	ck_assert_str_eq(buf_text(&buf), "12345");
	ck_assert(buf_failed(&buf));
	buf_free(&buf);
}
END_TEST

START_TEST(a_refused_piece_leaves_nothing_behind)
{
	struct buf buf;

	buf_init(&buf, 5);
	ck_assert(buf_puts(&buf, "123"));
	ck_assert(!buf_printf(&buf, "%s", "456"));
	ck_assert_str_eq(buf_text(&buf), "123");
	ck_assert_uint_eq(buf.len, 3);
	buf_free(&buf);
}
END_TEST

START_TEST(failure_sticks_until_the_buffer_is_cleared)
{
	struct buf buf;

	buf_init(&buf, 5);
	ck_assert(!buf_puts(&buf, "123456"));
	ck_assert(!buf_puts(&buf, "1"));
	ck_assert(!buf_printf(&buf, "1"));
	ck_assert_uint_eq(buf.len, 0);
	buf_clear(&buf);
	ck_assert(!buf_failed(&buf));
	ck_assert(buf_puts(&buf, "1"));
	ck_assert_str_eq(buf_text(&buf), "1");
	buf_free(&buf);
}
END_TEST

START_TEST(clearing_keeps_the_memory)
{
	struct buf buf;
	const char *before;

	buf_init(&buf, 1000);
	ck_assert(buf_puts(&buf, "something"));
	before = buf.data;
	buf_clear(&buf);
	ck_assert_str_eq(buf_text(&buf), "");
	ck_assert(buf_puts(&buf, "else"));
	ck_assert_ptr_eq(buf.data, before);
	buf_free(&buf);
}
END_TEST

START_TEST(reserved_room_takes_appends_without_moving)
{
	struct buf buf;
	const char *before;

	buf_init(&buf, 5000);
	ck_assert(buf_reserve(&buf, 5000));
	before = buf.data;
	for (int i = 0; i < 5000; i++)
		ck_assert(buf_putc(&buf, 'x'));
	ck_assert_ptr_eq(buf.data, before);
	ck_assert(!buf_reserve(&buf, 1));
	ck_assert(!buf_reserve(&buf, SIZE_MAX));
	ck_assert_msg(!buf_failed(&buf), "asking for room is no failure");
	buf_free(&buf);
}
END_TEST

START_TEST(a_freed_buffer_is_empty_and_has_its_ceiling_still)
{
	struct buf buf;

	buf_init(&buf, 3);
	ck_assert(!buf_puts(&buf, "1234"));
	buf_free(&buf);
	ck_assert_ptr_null(buf.data);
	ck_assert(buf_puts(&buf, "123"));
	ck_assert(!buf_puts(&buf, "4"));
	buf_free(&buf);
}
END_TEST

START_TEST(what_is_taken_is_whole_and_the_buffer_begins_anew)
{
	struct buf buf;
	char *small;
	char *large;

	buf_init(&buf, 3000);
	ck_assert_ptr_null(buf_take(&buf));
	ck_assert(buf_puts(&buf, "small"));
	small = buf_take(&buf);
	ck_assert_str_eq(small, "small");
	ck_assert_ptr_null(buf.data);
	ck_assert_uint_eq(buf.len, 0);
	for (int i = 0; i < 3000; i++)
		ck_assert(buf_putc(&buf, 'x'));
	ck_assert(!buf_putc(&buf, 'x'));
	large = buf_take(&buf);
	ck_assert_uint_eq(strlen(large), 3000);
	ck_assert_msg(!buf_failed(&buf), "a failure does not outlive it");
	free(small);
	free(large);
}
END_TEST

START_TEST(numbers_are_appended_in_decimal_or_not_at_all)
{
	struct buf buf;

	buf_init(&buf, 5);
	ck_assert(buf_put_int(&buf, -12));
	ck_assert(!buf_put_int(&buf, 345));
	ck_assert_str_eq(buf_text(&buf), "-12");
	ck_assert(buf_failed(&buf));
	buf_free(&buf);
}
END_TEST

START_TEST(a_ceiling_of_all_memory_is_legal)
{
	struct buf buf;

	buf_init(&buf, SIZE_MAX);
	ck_assert(buf_puts(&buf, "small"));
	ck_assert(!buf_reserve(&buf, SIZE_MAX - 2));
	ck_assert_str_eq(buf_text(&buf), "small");
	buf_free(&buf);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("buf");
	TCase *tcase = tcase_create("buf");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, an_empty_buffer_reads_as_an_empty_string);
	tcase_add_test(tcase,
	    appended_pieces_follow_each_other_and_end_in_a_nul);
	tcase_add_test(tcase, growth_keeps_every_byte);
	tcase_add_test(tcase,
	    a_buffer_can_be_filled_to_its_ceiling_and_no_further);
	tcase_add_test(tcase, a_refused_piece_leaves_nothing_behind);
	tcase_add_test(tcase, failure_sticks_until_the_buffer_is_cleared);
	tcase_add_test(tcase, clearing_keeps_the_memory);
	tcase_add_test(tcase, reserved_room_takes_appends_without_moving);
	tcase_add_test(tcase,
	    a_freed_buffer_is_empty_and_has_its_ceiling_still);
	tcase_add_test(tcase,
	    what_is_taken_is_whole_and_the_buffer_begins_anew);
	tcase_add_test(tcase, numbers_are_appended_in_decimal_or_not_at_all);
	tcase_add_test(tcase, a_ceiling_of_all_memory_is_legal);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
