/* suite.h - the main of a scenario file. */
#ifndef TESTS_SCENARIO_SUITE_H
#define TESTS_SCENARIO_SUITE_H

#include <check.h>

#include "world.h"

/* A group of cases that each have a world of their own. */
static inline TCase *
cases_of(Suite *suite, const char *name)
{
	TCase *cases = tcase_create(name);

	tcase_set_timeout(cases, 120);
	tcase_add_checked_fixture(cases, make_world, end_world);
	suite_add_tcase(suite, cases);
	return cases;
}

static inline int
run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

#endif
