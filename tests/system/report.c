/* report.c - runs the cases of one program and shows what failed ones left.
 *
 * 1. Cases run in processes of their own (Check's fork mode), so the folder of
 *    a failed case is what it had when it failed. The program's folder is known
 *    to them through the environment.
 */
#include "report.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

#define FOLDER_VARIABLE "CALLBACKD_TEST_FOLDER"
#define TAIL_BYTES 4000

/* A case does many things, each with a deadline of its own. */
#define CASE_MS 120000

/* Makes ABOVE/NAME-N for the first N that is free. */
static bool
make_folder(const char *above, const char *name, char out[PATH_SIZE])
{
	for (int n = 1; n < 100000; n++) {
		int len = snprintf(out, PATH_SIZE, "%s/%s-%d", above, name, n);

		if (len >= PATH_SIZE)
			return false;
		if (mkdir(out, 0700) == 0)
			return true;
		if (errno != EEXIST)
			return false;
	}
	return false;
}

void
report_folder(char out[PATH_SIZE])
{
	const char *above = getenv(FOLDER_VARIABLE);

	ck_assert_ptr_nonnull(above);
	ck_assert(make_folder(above, "case", out));
}

void
report_absolute(char path[PATH_SIZE])
{
	char *whole = realpath(path, NULL);

	ck_assert_msg(whole != NULL && strlen(whole) < PATH_SIZE,
	    "there is no program %s", path);
	snprintf(path, PATH_SIZE, "%s", whole);
	free(whole);
}

static void
show_tail(const char *folder, const char *name)
{
	char path[PATH_SIZE];
	size_t len;
	char *text;

	snprintf(path, sizeof(path), "%.400s/%.100s", folder, name);
	text = file_text(path, &len);
	if (len > TAIL_BYTES)
		memmove(text, text + len - TAIL_BYTES, TAIL_BYTES + 1);
	if (len > 0)
		fprintf(stderr, "---- %s\n%s\n", path, text);
	free(text);
}

/* Shows the logs in the folder of a failed case. */
static void
show_case(const char *folder)
{
	DIR *all = opendir(folder);
	struct dirent *entry;
	const char *end;

	while (all != NULL && (entry = readdir(all)) != NULL) {
		end = strrchr(entry->d_name, '.');
		if (end != NULL && strcmp(end, ".err") == 0)
			show_tail(folder, entry->d_name);
	}
	if (all != NULL)
		closedir(all);
}

static void
show_left(const char *above)
{
	char path[PATH_SIZE];
	struct dirent *entry;
	DIR *all = opendir(above);

	while (all != NULL && (entry = readdir(all)) != NULL) {
		if (strncmp(entry->d_name, "case-", 5) != 0)
			continue;
		snprintf(path, sizeof(path), "%.400s/%.100s", above,
		    entry->d_name);
		show_case(path);
	}
	if (all != NULL)
		closedir(all);
}

int
harness_run(const char *name, const TTest *const *cases, int count)
{
	return harness_run_for(name, cases, count, CASE_MS);
}

int
harness_run_for(const char *name, const TTest *const *cases, int count,
    int64_t case_ms)
{
	const char *above = getenv("TMPDIR");
	char prefix[64];
	char folder[PATH_SIZE];
	Suite *suite = suite_create(name);
	TCase *all = tcase_create(name);
	SRunner *runner = srunner_create(suite);
	int failed;

	snprintf(prefix, sizeof(prefix), "callbackd-%s", name);
	if (!make_folder(above != NULL ? above : "/tmp", prefix, folder) ||
	    setenv(FOLDER_VARIABLE, folder, 1) != 0)
		return EXIT_FAILURE;
	/* Check stretches it by itself when it was told to. */
	if (getenv("CK_TIMEOUT_MULTIPLIER") == NULL)
		case_ms = patient_ms(case_ms);
	tcase_set_timeout(all, (double)case_ms / 1000);
	for (int i = 0; i < count; i++)
		tcase_add_test(all, cases[i]);
	suite_add_tcase(suite, all);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	fflush(stdout);
	if (failed > 0)
		show_left(folder);
	else
		rmdir(folder);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
