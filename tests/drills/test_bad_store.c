/* test_bad_store.c - a start on a file that is damaged, foreign or newer, or
 * where nothing can be written: one clear line, a status other than 0, and the
 * file as it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "faults.h"

#define JOBS 200

/* ---- spoiling a store ---- */

static void
file_put(const char *path, const void *bytes, size_t len, off_t at)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, bytes, len, at), (ssize_t)len);
	close(fd);
}

static void
become_text(const char *path)
{
	static const char text[] = "a letter to somebody, not a database\n";

	ck_assert_int_eq(unlink(path), 0);
	file_put(path, text, sizeof(text) - 1, 0);
}

static void
become_rubbish(const char *path)
{
	unsigned char rubbish[8192];

	for (size_t i = 0; i < sizeof(rubbish); i++)
		rubbish[i] = (unsigned char)(i * 37 + 11);
	ck_assert_int_eq(unlink(path), 0);
	file_put(path, rubbish, sizeof(rubbish), 0);
}

static void
become_zeroes(const char *path)
{
	static const char zeroes[8192];

	ck_assert_int_eq(unlink(path), 0);
	file_put(path, zeroes, sizeof(zeroes), 0);
}

static void
run_sql(const char *path, const char *sql)
{
	sqlite3 *db;

	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

static void
become_foreign(const char *path)
{
	ck_assert_int_eq(unlink(path), 0);
	run_sql(path, "CREATE TABLE letters (text); PRAGMA user_version = 1");
}

static void
become_newer(const char *path)
{
	run_sql(path, "PRAGMA user_version = 1000000");
}

static void
lose_its_end(const char *path)
{
	struct stat facts;

	ck_assert_int_eq(stat(path, &facts), 0);
	ck_assert_int_eq(truncate(path, facts.st_size - 3 * 4096), 0);
}

static void
lose_a_page(const char *path)
{
	static const char zeroes[4096];

	file_put(path, zeroes, sizeof(zeroes), 7 * 4096);
}

/* Some of them the log does not have. */
static void
lose_all_pages(const char *path)
{
	static const char zeroes[4096];
	struct stat facts;

	ck_assert_int_eq(stat(path, &facts), 0);
	for (off_t at = 4096; at < facts.st_size; at += 4096)
		file_put(path, zeroes, sizeof(zeroes), at);
}

static void
lose_a_table(const char *path)
{
	run_sql(path, "DROP TABLE deliveries");
}

static const struct {
	const char *name;
	void (*spoil)(const char *path);
	const char *words; /* that the one line has */
} spoilings[] = {
	{ "text", become_text, "not a callbackd store" },
	{ "rubbish", become_rubbish, "not a callbackd store" },
	{ "zeroes", become_zeroes, "not a callbackd store" },
	{ "foreign", become_foreign, "not a callbackd store" },
	{ "newer", become_newer, "newer" },
	{ "short", lose_its_end, "malformed" },
	{ "a page is lost", lose_a_page, "damaged: Page" },
	{ "a table is lost", lose_a_table, "deliveries" },
};
#define SPOILINGS ((int)(sizeof(spoilings) / sizeof(spoilings[0])))

/* ---- the start ---- */

/* A daemon that does not come up; it says why in one line that names the file
 * and has these words. */
static void
expect_no_start(struct world *world, const char *words)
{
	char *text, *end;

	ck_assert_msg(!daemon_try_start(world), "it started");
	log_expect_clean(world->daemon.err_path);
	text = file_text(world->daemon.err_path, NULL);
	end = strchr(text, '\n');
	ck_assert_msg(end != NULL && end[1] == '\0', "not one line: %s", text);
	ck_assert_msg(strstr(text, "level=error") != NULL, "%s", text);
	ck_assert_msg(strstr(text, "callbackd.db") != NULL, "%s", text);
	ck_assert_msg(strstr(text, words) != NULL, "%s", text);
	drill_say("#   %.*s", (int)(end - text), text);
	free(text);
	ck_assert_int_eq(world->daemon.status, EX_CANTCREAT);
}

static void
expect_same(const char *path, const char *before, size_t before_len)
{
	size_t len;
	char *after = file_text(path, &len);

	ck_assert_msg(len == before_len && memcmp(after, before, len) == 0,
	    "%s was touched", path);
	free(after);
}

static void
open_filled_world(struct world *world, char path_out[PATH_SIZE])
{
	char id[ID_SIZE];

	world_open(world, NULL);
	for (int i = 0; i < JOBS; i++)
		submit(world, "/mill/echo", callback_to(world, "/ok"), "x", id);
	daemon_stop(world);
	snprintf(path_out, PATH_SIZE, "%.400s/callbackd.db", world->folder);
}

START_TEST(what_cannot_be_used_is_refused_and_left_alone)
{
	for (int i = 0; i < SPOILINGS; i++) {
		struct world world;
		char path[PATH_SIZE];
		char *before;
		size_t len;

		drill_say("# %s", spoilings[i].name);
		open_filled_world(&world, path);
		spoilings[i].spoil(path);
		before = file_text(path, &len);
		expect_no_start(&world, spoilings[i].words);
		expect_same(path, before, len);
		free(before);
		world_close(&world);
	}
}
END_TEST

/* A log that was left by a kill is no reason to touch a damaged file. */
START_TEST(a_damaged_file_with_a_log_is_left_alone_with_it)
{
	struct world world;
	char path[PATH_SIZE], log_path[PATH_SIZE + 8], id[ID_SIZE];
	char *before, *log_before;
	size_t len, log_len;

	open_filled_world(&world, path);
	snprintf(log_path, sizeof(log_path), "%s-wal", path);
	daemon_start(&world);
	submit(&world, "/mill/echo", "", "x", id);
	daemon_kill(&world);
	lose_all_pages(path);
	before = file_text(path, &len);
	log_before = file_text(log_path, &log_len);
	ck_assert_uint_gt(log_len, 0);
	expect_no_start(&world, "");
	expect_same(path, before, len);
	expect_same(log_path, log_before, log_len);
	free(before);
	free(log_before);
	world_close(&world);
}
END_TEST

static const struct {
	const char *name;
	int write_errno, sync_errno, create_errno;
	bool is_new;
} refusals[] = {
	{ "full, new", ENOSPC, 0, 0, true },
	{ "full", ENOSPC, 0, 0, false },
	{ "write error, new", EIO, 0, 0, true },
	{ "sync error, new", 0, EIO, 0, true },
	{ "read-only, new", EROFS, 0, EROFS, true },
	{ "read-only", EROFS, 0, EROFS, false },
	{ "no permission", EACCES, 0, EACCES, true },
};
#define REFUSALS ((int)(sizeof(refusals) / sizeof(refusals[0])))

/* Then it may start, and nothing is missing. */
START_TEST(a_start_on_a_sick_disk_says_so_and_may_be_repeated)
{
	for (int i = 0; i < REFUSALS; i++) {
		struct world world;
		struct shim_faults *faults;
		struct reply reply;
		char id[ID_SIZE] = "";

		drill_say("# %s", refusals[i].name);
		world_prepare(&world, NULL);
		if (!refusals[i].is_new) {
			daemon_start(&world);
			submit(&world, "/mill/ok", "Job-Delay: 1s\r\n", "x",
			    id);
			daemon_kill(&world);
		}
		faults = faults_prepare(&world);
		atomic_store(&faults->write_errno, refusals[i].write_errno);
		atomic_store(&faults->sync_errno, refusals[i].sync_errno);
		atomic_store(&faults->create_errno, refusals[i].create_errno);
		expect_no_start(&world, "");
		ck_assert_int_gt(atomic_load(&faults->injected), 0);
		faults_heal(faults);
		ck_assert(daemon_try_start(&world));
		shim_clear();
		if (refusals[i].is_new)
			submit(&world, "/mill/ok", "", "x", id);
		job_wait(&world, id, "succeeded", &reply);
		reply_clear(&reply);
		expect_books_balance(&world);
		world_close(&world);
	}
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		what_cannot_be_used_is_refused_and_left_alone,
		a_damaged_file_with_a_log_is_left_alone_with_it,
		a_start_on_a_sick_disk_says_so_and_may_be_repeated,
	};

	return HARNESS_RUN("bad-store", cases);
}
