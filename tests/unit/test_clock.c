/* test_clock.c - what the kernel's clocks promise each other. */
#include "callbackd/clock.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(the_clock_of_the_boot_is_never_behind_the_monotonic_one)
{
	int64_t mono_ms = clock_mono_ms();

	ck_assert_int_ge(clock_boot_ms(), mono_ms);
}
END_TEST

START_TEST(the_boot_has_one_name_of_36_characters)
{
	char first[CLOCK_BOOT_ID_SIZE], second[CLOCK_BOOT_ID_SIZE];

	memset(first, 'x', sizeof(first));
	clock_boot_id(first);
	clock_boot_id(second);
	ck_assert_str_eq(first, second);
	ck_assert_uint_eq(strlen(first), CLOCK_BOOT_ID_SIZE - 1);
	ck_assert_uint_eq(strspn(first, "0123456789abcdef-"), strlen(first));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("clock");
	TCase *cases = tcase_create("clock");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(cases,
	    the_clock_of_the_boot_is_never_behind_the_monotonic_one);
	tcase_add_test(cases, the_boot_has_one_name_of_36_characters);
	suite_add_tcase(suite, cases);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
