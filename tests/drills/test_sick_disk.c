/* test_sick_disk.c - a disk that is full, broken, read-only or locked, while
 * the daemon serves.
 *
 * Each sickness is played by the shim, which fails the daemon's calls; a full
 * disk also by a small tmpfs, where mounting is permitted.
 */
#include <errno.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "faults.h"

#define REFUSED_JOBS 5

static int
times_said(const char *path, const char *what)
{
	char *text = file_text(path, NULL);
	int count = 0;

	for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
		count++;
	free(text);
	return count;
}

static int
admin_status(struct world *world, const char *path)
{
	struct reply reply;
	int status;

	admin(world, "GET", path, &reply);
	status = reply.status;
	reply_clear(&reply);
	return status;
}

static void
expect_refusals(struct world *world, int count)
{
	struct reply reply;

	for (int i = 0; i < count; i++) {
		try_submit(world, "/mill/ok", "", "x", &reply);
		expect_problem(&reply, 503, "store-unavailable");
		ck_assert_ptr_nonnull(reply_header(&reply, "Retry-After"));
		reply_clear(&reply);
	}
}

static void
expect_polling_answers(struct world *world, const char *id)
{
	struct reply reply;

	job_get(world, id, &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(look_text(reply_json(&reply), "status"), "succeeded");
	reply_clear(&reply);
	result_get(world, id, &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply.body, "kept");
	reply_clear(&reply);
}

static void
expect_sickness(struct world *world, const char *id)
{
	expect_refusals(world, REFUSED_JOBS);
	ck_assert_int_eq(admin_status(world, "/readyz"), 503);
	ck_assert_int_eq(admin_status(world, "/healthz"), 200);
	expect_polling_answers(world, id);
	expect_refusals(world, REFUSED_JOBS);
	ck_assert_int_eq(times_said(world->daemon.err_path, "store_failing"),
	    1);
}

/* Exactly so many jobs were ever accepted. */
static void
expect_jobs(struct world *world, size_t count)
{
	struct reply reply;

	api(world, "GET", "/v1/jobs?limit=100", "", NULL, &reply);
	ck_assert_uint_eq(look_at(reply_json(&reply), "jobs")->count, count);
	reply_clear(&reply);
	expect_books_balance(world);
}

static void
expect_told_once(struct world *world, const char *id, const char *path)
{
	struct reply reply;

	callback_wait(world, id, "delivered", &reply);
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 1);
	reply_clear(&reply);
	ck_assert_int_eq(peer_seen(&world->receiver, path), 1);
}

/* ---- faults of the calls ---- */

static const struct {
	const char *name;
	int write_errno, sync_errno, create_errno;
} sicknesses[] = {
	{ "full", ENOSPC, 0, ENOSPC },
	{ "write error", EIO, 0, 0 },
	{ "sync error", 0, EIO, 0 },
	{ "both", EIO, EIO, EIO },
	{ "read-only", EROFS, 0, EROFS },
	{ "over quota", EDQUOT, EDQUOT, EDQUOT },
};
#define SICKNESSES ((int)(sizeof(sicknesses) / sizeof(sicknesses[0])))

static void
fall_sick(struct shim_faults *faults, int which)
{
	drill_say("# %s", sicknesses[which].name);
	atomic_store(&faults->create_errno, sicknesses[which].create_errno);
	atomic_store(&faults->write_errno, sicknesses[which].write_errno);
	atomic_store(&faults->sync_errno, sicknesses[which].sync_errno);
}

/* A world with a job that has ended, and one that runs. */
static void
open_sick_world(struct world *world, const struct setup *setup,
    struct shim_faults **faults_out, char ended[ID_SIZE], char running[ID_SIZE])
{
	struct reply reply;

	world_prepare(world, setup);
	*faults_out = faults_prepare(world);
	ck_assert(daemon_try_start(world));
	shim_clear();
	submit(world, "/mill/echo", callback_to(world, "/ok?ended"), "kept",
	    ended);
	callback_wait(world, ended, "delivered", &reply);
	reply_clear(&reply);
	submit(world, "/mill/ok?delay_ms=400",
	    callback_to(world, "/status/200"), "x", running);
	wait_until(peer_count(&world->upstream, "now") == 1);
}

static void
fall_sick_and_heal(int which)
{
	struct world world;
	struct shim_faults *faults;
	char ended[ID_SIZE], running[ID_SIZE], after[ID_SIZE];

	open_sick_world(&world, NULL, &faults, ended, running);
	fall_sick(faults, which);
	expect_sickness(&world, ended);
	/* The run ends meanwhile; it is written down later. */
	wait_until(peer_count(&world.upstream, "now") == 0);
	ck_assert_int_gt(atomic_load(&faults->injected), 0);
	ck_assert_int_eq(peer_seen(&world.receiver, "/status/200"), 0);
	faults_heal(faults);
	wait_until(admin_status(&world, "/readyz") == 200);
	submit(&world, "/mill/ok", "", "x", after);
	expect_told_once(&world, running, "/status/200");
	ck_assert_int_eq(times_said(world.daemon.err_path, "store_failing"), 1);
	ck_assert_int_eq(times_said(world.daemon.err_path, "store_healed"), 1);
	expect_jobs(&world, 3);
	world_close(&world);
}

START_TEST(a_sick_disk_refuses_and_heals_without_a_restart)
{
	for (int i = 0; i < SICKNESSES; i++)
		fall_sick_and_heal(i);
}
END_TEST

/* Nothing of what was refused comes back, nothing of what was acknowledged is
 * gone, however the sickness ends. */
static void
fall_sick_and_die(int which)
{
	struct world world;
	struct shim_faults *faults;
	struct reply reply;
	char ended[ID_SIZE], running[ID_SIZE];

	open_sick_world(&world, NULL, &faults, ended, running);
	fall_sick(faults, which);
	expect_sickness(&world, ended);
	daemon_kill(&world);
	daemon_start(&world);
	expect_jobs(&world, 2);
	expect_polling_answers(&world, ended);
	job_wait(&world, running, "succeeded", &reply);
	reply_clear(&reply);
	world_close(&world);
}

START_TEST(a_kill_during_the_sickness_changes_nothing)
{
	for (int i = 0; i < SICKNESSES; i++)
		fall_sick_and_die(i);
}
END_TEST

START_TEST(it_falls_sick_and_heals_again_and_again)
{
	struct world world;
	struct shim_faults *faults;
	char ended[ID_SIZE], running[ID_SIZE], id[ID_SIZE];

	open_sick_world(&world, NULL, &faults, ended, running);
	for (int i = 0; i < SICKNESSES; i++) {
		fall_sick(faults, i);
		expect_refusals(&world, 1);
		faults_heal(faults);
		wait_until(admin_status(&world, "/readyz") == 200);
		submit(&world, "/mill/ok", "", "x", id);
	}
	ck_assert_int_eq(times_said(world.daemon.err_path, "store_failing"),
	    SICKNESSES);
	expect_jobs(&world, 2 + (size_t)SICKNESSES);
	daemon_kill(&world);
	daemon_start(&world);
	expect_jobs(&world, 2 + (size_t)SICKNESSES);
	world_close(&world);
}
END_TEST

/* An operator may stop it as ever; what could not be written is done again. */
static void
fall_sick_and_end(int which)
{
	struct setup setup = { .top = "drain_timeout = \"1s\"\n" };
	struct world world;
	struct shim_faults *faults;
	struct reply reply;
	char ended[ID_SIZE], running[ID_SIZE];

	open_sick_world(&world, &setup, &faults, ended, running);
	fall_sick(faults, which);
	expect_refusals(&world, 1);
	daemon_stop(&world);
	daemon_start(&world);
	job_wait(&world, running, "succeeded", &reply);
	reply_clear(&reply);
	expect_jobs(&world, 2);
	world_close(&world);
}

START_TEST(a_sick_daemon_ends_when_it_is_told_to)
{
	for (int i = 0; i < SICKNESSES; i++)
		fall_sick_and_end(i);
}
END_TEST

/* ---- a file that somebody else holds ---- */

START_TEST(a_locked_file_refuses_until_it_is_free)
{
	struct world world;
	struct reply reply;
	char path[PATH_SIZE], ended[ID_SIZE], after[ID_SIZE];
	sqlite3 *shell;

	world_open(&world, NULL);
	submit(&world, "/mill/echo", "", "kept", ended);
	job_wait(&world, ended, "succeeded", &reply);
	reply_clear(&reply);
	snprintf(path, sizeof(path), "%.400s/callbackd.db", world.folder);
	ck_assert_int_eq(sqlite3_open(path, &shell), SQLITE_OK);
	/* It may just be writing itself. */
	wait_until(sqlite3_exec(shell, "BEGIN EXCLUSIVE", NULL, NULL, NULL) ==
	    SQLITE_OK);
	expect_sickness(&world, ended);
	ck_assert_int_eq(sqlite3_exec(shell, "COMMIT", NULL, NULL, NULL),
	    SQLITE_OK);
	wait_until(admin_status(&world, "/readyz") == 200);
	submit(&world, "/mill/ok", "", "x", after);
	expect_jobs(&world, 2);
	sqlite3_close(shell);
	world_close(&world);
}
END_TEST

/* ---- a disk that is really full ---- */

/* A small disk of our own at path; false where that is not permitted. */
static bool
mount_disk(const char *path)
{
	if (mkdir(path, 0700) != 0)
		return false;
	if (unshare(CLONE_NEWNS) != 0 &&
	    unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
		return false;
	(void)mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	return mount("tmpfs", path, "tmpfs", 0, "size=3m") == 0;
}

/* Writes zeroes until there is no room. */
static void
fill_disk(const char *path)
{
	static const char zeroes[65536];
	FILE *file = fopen(path, "we");

	ck_assert_ptr_nonnull(file);
	setvbuf(file, NULL, _IONBF, 0);
	while (fwrite(zeroes, 1, sizeof(zeroes), file) == sizeof(zeroes))
		continue;
	while (fwrite(zeroes, 1, 512, file) == 512)
		continue;
	(void)fclose(file);
}

START_TEST(a_full_disk_refuses_until_there_is_room)
{
	struct setup setup = { .store = "sqlite:disk/callbackd.db" };
	struct world world;
	struct reply reply;
	char path[PATH_SIZE], ended[ID_SIZE], after[ID_SIZE];

	world_prepare(&world, &setup);
	snprintf(path, sizeof(path), "%.400s/disk", world.folder);
	if (!mount_disk(path)) {
		printf(
		    "# mounting is not permitted: only the shim was tried\n");
		world_close(&world);
		return;
	}
	daemon_start(&world);
	submit(&world, "/mill/echo", "", "kept", ended);
	job_wait(&world, ended, "succeeded", &reply);
	reply_clear(&reply);
	snprintf(path, sizeof(path), "%.400s/disk/filler", world.folder);
	fill_disk(path);
	/* What the file has room for it still takes. */
	do {
		try_submit(&world, "/mill/echo", "", "x", &reply);
		reply_clear(&reply);
	} while (admin_status(&world, "/readyz") == 200);
	expect_sickness(&world, ended);
	ck_assert_int_eq(unlink(path), 0);
	wait_until(admin_status(&world, "/readyz") == 200);
	submit(&world, "/mill/ok", "", "x", after);
	job_wait(&world, after, "succeeded", &reply);
	reply_clear(&reply);
	expect_books_balance(&world);
	daemon_stop(&world);
	snprintf(path, sizeof(path), "%.400s/disk", world.folder);
	ck_assert_int_eq(umount2(path, MNT_DETACH), 0);
	world_close(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		a_sick_disk_refuses_and_heals_without_a_restart,
		a_kill_during_the_sickness_changes_nothing,
		it_falls_sick_and_heals_again_and_again,
		a_sick_daemon_ends_when_it_is_told_to,
		a_locked_file_refuses_until_it_is_free,
		a_full_disk_refuses_until_there_is_room,
	};

	return HARNESS_RUN("sick-disk", cases);
}
