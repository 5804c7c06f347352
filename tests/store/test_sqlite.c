/* test_sqlite.c - the file of a store: what it survives, and what it refuses.
 *
 * A disk that fails is played by our own pread, pwrite and fdatasync, which the
 * linker puts before those of libc, for SQLite too.
 */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "callbackd/uuid.h"

/* The disk's mood. */
static struct {
	int sync_errno;     /* fdatasync fails so */
	int syncs_to_fail;  /* so many times; -1: always */
	int sync_count;     /* how often it was asked */
	int write_errno;    /* pwrite fails so */
	int write_count;    /* how often it was asked */
	int read_errno;     /* pread fails so */
	bool reads_rubbish; /* pages come back as zeroes */
} disk;

int
fdatasync(int fd)
{
	disk.sync_count++;
	if (disk.sync_errno != 0 && disk.syncs_to_fail != 0) {
		disk.syncs_to_fail -= disk.syncs_to_fail > 0;
		errno = disk.sync_errno;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

ssize_t
pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
	disk.write_count++;
	if (disk.write_errno != 0) {
		errno = disk.write_errno;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, bytes, len, at);
}

ssize_t
pread64(int fd, void *bytes, size_t len, off64_t at)
{
	ssize_t got;

	if (disk.read_errno != 0) {
		errno = disk.read_errno;
		return -1;
	}
	got = syscall(SYS_pread64, fd, bytes, len, at);
	if (disk.reads_rubbish && got == 4096 && at > 0)
		memset(bytes, 0, (size_t)got);
	return got;
}

START_TEST(a_store_is_as_it_was_after_a_restart)
{
	struct store_books books;
	struct fixture f;
	struct uuid ended, waiting, delivery, later;

	fixture_open(&f, "sqlite:");
	ended = keep_plain_job(f.store, "q", "http://c/", NOW_MS);
	waiting = keep_plain_job(f.store, "q", "http://c/", NOW_MS);
	assert_ok(f.store, store_begin(f.store));
	set_status(f.store, ended, JOB_FAILED, NOW_MS);
	delivery = add_plain_delivery(f.store, ended, true, DELIVERY_PENDING,
	    NOW_MS);
	assert_ok(f.store, store_commit(f.store, false));
	fixture_reopen(&f);
	ck_assert_int_eq(look_for_job(f.store, ended), STORE_OK);
	ck_assert_int_eq(look_for_job(f.store, waiting), STORE_OK);
	ck_assert_int_eq(look_for_delivery(f.store, delivery), STORE_OK);
	books = balanced_books(f.store);
	ck_assert_int_eq(books.accepted, 2);
	ck_assert_int_eq(books.ended, 1);
	ck_assert_int_gt(books.file_bytes, 0);
	later = keep_plain_job(f.store, "q", NULL, NOW_MS - 3600000);
	ck_assert_int_gt(later.seq, waiting.seq + 1);
	fixture_close(&f);
}
END_TEST

START_TEST(ids_rise_over_a_restart_that_follows_a_purge)
{
	int64_t cursor = 0, removed;
	struct fixture f;
	struct uuid gone, next;

	fixture_open(&f, "sqlite:");
	gone = keep_plain_job(f.store, "q", "http://c/", NOW_MS);
	assert_ok(f.store, store_begin(f.store));
	set_status(f.store, gone, JOB_SUCCEEDED, NOW_MS);
	assert_ok(f.store,
	    store_purge(f.store, NOW_MS + 1, 10, &cursor, &removed));
	ck_assert_int_eq(removed, 1);
	assert_ok(f.store, store_commit(f.store, false));
	fixture_reopen(&f);
	next = keep_plain_job(f.store, "q", NULL, NOW_MS - 5);
	ck_assert_int_gt(next.seq, gone.seq + 1);
	fixture_close(&f);
}
END_TEST

/* Runs work in a process that ends as by kill -9; what it puts into ids is
 * the parent's to check. */
static void
in_a_short_life(struct fixture *f, void (*work)(struct store *, struct uuid *),
    struct uuid ids[4])
{
	struct reason why = { "" };
	struct store *store;
	int ends[2], status;
	pid_t child;

	ck_assert_int_eq(pipe(ends), 0);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		store = store_open(f->url, true, &why);
		if (store == NULL)
			_exit(1);
		work(store, ids);
		_exit(write(ends[1], ids, 4 * sizeof(ids[0])) < 0);
	}
	close(ends[1]);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(read(ends[0], ids, 4 * sizeof(ids[0])),
	    4 * sizeof(ids[0]));
	close(ends[0]);
	fixture_reopen(f);
}

static void
commit_two_and_die_in_the_third(struct store *store, struct uuid *ids)
{
	ids[0] = keep_plain_job(store, "q", NULL, NOW_MS);
	assert_ok(store, store_begin(store));
	ids[1] = add_plain_job(store, "q", NULL, NOW_MS);
	assert_ok(store, store_commit(store, false));
	assert_ok(store, store_begin(store));
	ids[2] = add_plain_job(store, "q", NULL, NOW_MS);
}

START_TEST(a_killed_process_leaves_what_it_committed)
{
	struct uuid ids[4] = { { 0, 0 } };
	struct fixture f;

	fixture_name(&f, "sqlite:");
	in_a_short_life(&f, commit_two_and_die_in_the_third, ids);
	ck_assert_int_eq(look_for_job(f.store, ids[0]), STORE_OK);
	ck_assert_int_eq(look_for_job(f.store, ids[1]), STORE_OK);
	ck_assert_int_eq(look_for_job(f.store, ids[2]), STORE_MISSING);
	ck_assert_int_eq(balanced_books(f.store).accepted, 2);
	fixture_close(&f);
}
END_TEST

START_TEST(only_a_durable_commit_waits_for_the_disk)
{
	struct fixture f;

	fixture_open(&f, "sqlite:");
	keep_plain_job(f.store, "q", NULL, NOW_MS);
	for (int i = 0; i < 5; i++) {
		disk.sync_count = 0;
		assert_ok(f.store, store_begin(f.store));
		add_plain_job(f.store, "q", NULL, NOW_MS);
		assert_ok(f.store, store_commit(f.store, false));
		ck_assert_int_eq(disk.sync_count, 0);
		keep_plain_job(f.store, "q", NULL, NOW_MS);
		ck_assert_int_eq(disk.sync_count, 1);
	}
	fixture_close(&f);
}
END_TEST

/* Or frames of the old log might pass for the new one's after a power cut. */
START_TEST(the_head_of_a_new_log_is_synced_whatever_the_commit)
{
	struct fixture f;

	fixture_open(&f, "sqlite:");
	keep_plain_job(f.store, "q", NULL, NOW_MS);
	store_tidy(f.store);
	disk.sync_count = 0;
	assert_ok(f.store, store_begin(f.store));
	add_plain_job(f.store, "q", NULL, NOW_MS);
	assert_ok(f.store, store_commit(f.store, false));
	ck_assert_int_eq(disk.sync_count, 1);
	fixture_close(&f);
}
END_TEST

START_TEST(a_log_that_is_to_be_copied_is_a_chore_until_the_next_begin)
{
	struct fixture f;
	int kept = 0;

	fixture_open(&f, "sqlite:");
	while (!store_has_chores(f.store)) {
		keep_plain_job(f.store, "q", NULL, NOW_MS);
		ck_assert_int_lt(kept++, 2000);
	}
	ck_assert_int_gt(kept, 100);
	keep_plain_job(f.store, "q", NULL, NOW_MS);
	ck_assert(!store_has_chores(f.store));
	fixture_close(&f);
}
END_TEST

START_TEST(a_store_of_normal_durability_never_waits_at_a_commit)
{
	struct reason why = { "" };
	struct fixture f;

	fixture_name(&f, "sqlite:");
	f.store = store_open(f.url, false, &why);
	ck_assert_msg(f.store != NULL, "%s", why.text);
	keep_plain_job(f.store, "q", NULL, NOW_MS);
	disk.sync_count = 0;
	keep_plain_job(f.store, "q", NULL, NOW_MS);
	ck_assert_int_eq(disk.sync_count, 0);
	fixture_close(&f);
}
END_TEST

START_TEST(a_commit_of_a_few_jobs_reaches_the_log_in_one_piece)
{
	struct fixture f;

	fixture_open(&f, "sqlite:");
	keep_plain_job(f.store, "q", NULL, NOW_MS);
	for (int i = 0; i < 5; i++) {
		disk.write_count = 0;
		assert_ok(f.store, store_begin(f.store));
		add_plain_job(f.store, "q", "http://c/", NOW_MS);
		add_plain_job(f.store, "q", "http://c/", NOW_MS);
		assert_ok(f.store, store_commit(f.store, i % 2 == 0));
		ck_assert_int_eq(disk.write_count, 1);
	}
	fixture_close(&f);
}
END_TEST

/* A job whose commit fails with the sync. */
static struct uuid
fail_to_keep(struct store *store)
{
	struct uuid id;

	assert_ok(store, store_begin(store));
	id = add_plain_job(store, "q", NULL, NOW_MS);
	disk.sync_errno = EIO;
	ck_assert_int_eq(store_commit(store, true), STORE_AGAIN);
	return id;
}

START_TEST(a_failed_sync_keeps_nothing_and_the_store_goes_on)
{
	struct uuid before, unsynced, failed, after;
	struct fixture f;

	fixture_open(&f, "sqlite:");
	before = keep_plain_job(f.store, "q", NULL, NOW_MS);
	assert_ok(f.store, store_begin(f.store));
	unsynced = add_plain_job(f.store, "q", NULL, NOW_MS);
	assert_ok(f.store, store_commit(f.store, false));
	disk.syncs_to_fail = 1;
	failed = fail_to_keep(f.store);
	ck_assert_ptr_nonnull(strstr(store_why(f.store), "I/O error"));
	ck_assert_int_eq(look_for_job(f.store, failed), STORE_MISSING);
	ck_assert_int_eq(balanced_books(f.store).accepted, 2);
	after = keep_plain_job(f.store, "q", NULL, NOW_MS);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(look_for_job(f.store, before), STORE_OK);
		ck_assert_int_eq(look_for_job(f.store, unsynced), STORE_OK);
		ck_assert_int_eq(look_for_job(f.store, failed), STORE_MISSING);
		ck_assert_int_eq(look_for_job(f.store, after), STORE_OK);
		ck_assert_int_eq(balanced_books(f.store).accepted, 3);
		fixture_reopen(&f);
	}
	fixture_close(&f);
}
END_TEST

START_TEST(while_syncs_fail_nothing_is_written_and_reads_go_on)
{
	struct fixture f;
	struct uuid before, failed;

	fixture_open(&f, "sqlite:");
	before = keep_plain_job(f.store, "q", NULL, NOW_MS);
	disk.syncs_to_fail = -1;
	failed = fail_to_keep(f.store);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(store_begin(f.store), STORE_AGAIN);
		ck_assert_int_eq(look_for_job(f.store, before), STORE_OK);
	}
	disk.sync_errno = 0;
	keep_plain_job(f.store, "q", NULL, NOW_MS);
	fixture_reopen(&f);
	ck_assert_int_eq(look_for_job(f.store, failed), STORE_MISSING);
	ck_assert_int_eq(balanced_books(f.store).accepted, 2);
	fixture_close(&f);
}
END_TEST

static void
fail_a_sync_and_die(struct store *store, struct uuid *ids)
{
	ids[0] = keep_plain_job(store, "q", NULL, NOW_MS);
	disk.syncs_to_fail = -1;
	ids[1] = fail_to_keep(store);
}

/* The frames of the failed commit are in the log, whole and with good
 * checksums: a recovery must not take them. */
START_TEST(a_failed_commit_does_not_come_back_after_a_kill)
{
	struct uuid ids[4] = { { 0, 0 } };
	struct fixture f;

	fixture_name(&f, "sqlite:");
	in_a_short_life(&f, fail_a_sync_and_die, ids);
	ck_assert_int_eq(look_for_job(f.store, ids[0]), STORE_OK);
	ck_assert_int_eq(look_for_job(f.store, ids[1]), STORE_MISSING);
	ck_assert_int_eq(balanced_books(f.store).accepted, 1);
	fixture_close(&f);
}
END_TEST

static void
fail_the_first_sync_of_a_new_log_and_die(struct store *store, struct uuid *ids)
{
	ids[0] = keep_plain_job(store, "q", NULL, NOW_MS);
	store_tidy(store);
	ids[2] = keep_plain_job(store, "q", NULL, NOW_MS);
	store_tidy(store);
	disk.syncs_to_fail = -1;
	ids[1] = fail_to_keep(store);
}

START_TEST(nor_does_one_that_was_to_begin_a_log_anew)
{
	struct uuid ids[4] = { { 0, 0 } };
	struct fixture f;

	fixture_name(&f, "sqlite:");
	in_a_short_life(&f, fail_the_first_sync_of_a_new_log_and_die, ids);
	ck_assert_int_eq(look_for_job(f.store, ids[0]), STORE_OK);
	ck_assert_int_eq(look_for_job(f.store, ids[2]), STORE_OK);
	ck_assert_int_eq(look_for_job(f.store, ids[1]), STORE_MISSING);
	fixture_close(&f);
}
END_TEST

START_TEST(a_sync_that_fails_during_a_checkpoint_is_not_forgotten)
{
	struct fixture f;

	fixture_open(&f, "sqlite:");
	keep_plain_job(f.store, "q", NULL, NOW_MS);
	disk.sync_errno = EIO;
	disk.syncs_to_fail = -1;
	store_tidy(f.store);
	ck_assert(store_has_chores(f.store));
	ck_assert_int_eq(store_begin(f.store), STORE_AGAIN);
	disk.sync_errno = 0;
	keep_plain_job(f.store, "q", NULL, NOW_MS);
	ck_assert_int_eq(balanced_books(f.store).accepted, 2);
	fixture_close(&f);
}
END_TEST

START_TEST(a_full_disk_refuses_and_works_again)
{
	struct fixture f;
	struct uuid id;

	fixture_open(&f, "sqlite:");
	keep_plain_job(f.store, "q", NULL, NOW_MS);
	for (int i = 0; i < 3; i++) {
		assert_ok(f.store, store_begin(f.store));
		id = add_plain_job(f.store, "q", NULL, NOW_MS);
		disk.write_errno = ENOSPC;
		ck_assert_int_eq(store_commit(f.store, i == 0), STORE_AGAIN);
		ck_assert_ptr_nonnull(strstr(store_why(f.store), "full"));
		ck_assert_int_eq(look_for_job(f.store, id), STORE_MISSING);
		disk.write_errno = 0;
	}
	id = keep_plain_job(f.store, "q", NULL, NOW_MS);
	fixture_reopen(&f);
	ck_assert_int_eq(look_for_job(f.store, id), STORE_OK);
	ck_assert_int_eq(balanced_books(f.store).accepted, 2);
	fixture_close(&f);
}
END_TEST

/* Many enough that no cache holds them all. */
static void
fill_with_big_jobs(struct fixture *f)
{
	char *bytes = calloc(1, 4096);
	struct payload request = payload_of(NULL, bytes, 4096);
	struct job job;

	assert_ok(f->store, store_begin(f->store));
	for (int i = 0; i < 3000; i++) {
		job_init(&job);
		assert_ok(f->store,
		    store_add_job(f->store, &job, &request, NOW_MS + i));
	}
	assert_ok(f->store, store_commit(f->store, true));
	payload_clear(&request);
	free(bytes);
}

/* Reads bodies until one has to come from the disk, and cannot. */
static enum store_result
read_until_it_fails(struct store *store)
{
	enum store_result result = STORE_OK;

	for (int at = 0; at < 3000 && result == STORE_OK; at++) {
		struct payload payload = { NULL, NULL };

		result = store_get_payload(store, uuid_seq_at(NOW_MS + at),
		    PAYLOAD_REQUEST, &payload);
		payload_clear(&payload);
	}
	return result;
}

/* By then the place in the log may be another writer's. */
START_TEST(what_an_undone_transaction_left_is_never_written)
{
	char *body = calloc(1, 100000);
	struct payload request = payload_of(NULL, body, 100000);
	struct job job;
	struct fixture f;
	struct uuid id;

	free(body);
	fixture_open(&f, "sqlite:");
	keep_plain_job(f.store, "q", NULL, NOW_MS);
	assert_ok(f.store, store_begin(f.store));
	disk.write_count = 0;
	fill_job(&job);
	for (int i = 0; i < 100; i++) /* more than the cache holds */
		assert_ok(f.store,
		    store_add_job(f.store, &job, &request, NOW_MS));
	ck_assert_int_gt(disk.write_count, 0);
	store_rollback(f.store);
	disk.write_count = 0;
	id = keep_plain_job(f.store, "q", NULL, NOW_MS);
	ck_assert_int_eq(disk.write_count, 1);
	fixture_reopen(&f);
	ck_assert_int_eq(look_for_job(f.store, id), STORE_OK);
	ck_assert_int_eq(look_for_job(f.store, job.id), STORE_MISSING);
	ck_assert_int_eq(balanced_books(f.store).accepted, 2);
	job_clear(&job);
	payload_clear(&request);
	fixture_close(&f);
}
END_TEST

START_TEST(after_a_failure_the_transaction_is_over)
{
	struct payload request = { NULL, NULL };
	struct fixture f;
	struct uuid lost;
	struct job job;

	fixture_open(&f, "sqlite:");
	fill_with_big_jobs(&f);
	fixture_reopen(&f);
	assert_ok(f.store, store_begin(f.store));
	lost = add_plain_job(f.store, "q", NULL, NOW_MS);
	disk.read_errno = ENOMEM; /* EIO would mean damage to SQLite */
	ck_assert_int_eq(read_until_it_fails(f.store), STORE_AGAIN);
	disk.read_errno = 0;
	job_init(&job);
	ck_assert_int_eq(store_add_job(f.store, &job, &request, NOW_MS),
	    STORE_AGAIN);
	ck_assert(!uuid_is_set(job.id));
	ck_assert_int_eq(store_commit(f.store, true), STORE_AGAIN);
	ck_assert_int_eq(look_for_job(f.store, lost), STORE_MISSING);
	keep_plain_job(f.store, "q", NULL, NOW_MS);
	ck_assert_int_eq(balanced_books(f.store).accepted, 3001);
	fixture_close(&f);
}
END_TEST

START_TEST(a_damaged_page_ends_all_writing)
{
	struct fixture f;

	fixture_open(&f, "sqlite:");
	fill_with_big_jobs(&f);
	fixture_reopen(&f);
	disk.reads_rubbish = true;
	ck_assert_int_eq(read_until_it_fails(f.store), STORE_BROKEN);
	ck_assert_ptr_nonnull(strstr(store_why(f.store), "malformed"));
	disk.reads_rubbish = false;
	ck_assert_int_eq(store_begin(f.store), STORE_BROKEN);
	ck_assert_int_eq(store_begin(f.store), STORE_BROKEN);
	fixture_close(&f);
}
END_TEST

START_TEST(a_second_owner_is_refused)
{
	struct reason why = { "" };
	struct fixture f;
	char words[32];

	fixture_open(&f, "sqlite:");
	ck_assert_ptr_null(store_open(f.url, true, &why));
	snprintf(words, sizeof(words), "another process %ld", (long)getpid());
	ck_assert_ptr_nonnull(strstr(why.text, f.path));
	ck_assert_ptr_nonnull(strstr(why.text, words));
	keep_plain_job(f.store, "q", NULL, NOW_MS); /* the first goes on */
	fixture_reopen(&f);
	ck_assert_int_eq(balanced_books(f.store).accepted, 1);
	fixture_close(&f);
}
END_TEST

START_TEST(a_second_owner_is_refused_by_any_name)
{
	struct reason why = { "" };
	char link[160], url[192];
	struct fixture f;

	fixture_open(&f, "sqlite:");
	snprintf(link, sizeof(link), "%s/other.db", f.folder);
	ck_assert_int_eq(symlink(f.path, link), 0);
	snprintf(url, sizeof(url), "sqlite:%s", link);
	ck_assert_ptr_null(store_open(url, true, &why));
	ck_assert_ptr_nonnull(strstr(why.text, "in use"));
	fixture_close(&f);
}
END_TEST

START_TEST(only_the_owner_may_read_the_file)
{
	static const char *const tails[] = { "", "-wal", "-shm", "-lock" };
	struct fixture f;
	struct stat facts;
	char path[160];

	umask(0);
	fixture_open(&f, "sqlite:");
	keep_plain_job(f.store, "q", NULL, NOW_MS);
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s%s", f.path, tails[i]);
		ck_assert_int_eq(stat(path, &facts), 0);
		ck_assert_int_eq(facts.st_mode & 0777, 0600);
	}
	fixture_close(&f);
}
END_TEST

/* A file of our own, with len bytes changed at some place; or, without a
 * name, something else altogether. */
static const struct {
	const char *name;
	bool is_ours;
	long at;
	const char *bytes;
	size_t len;
	const char *words; /* in the reason */
} bad_files[] = {
	{ "another program's", true, 68, "\0\0\0\7", 4, "not a callbackd" },
	{ "nobody's", true, 68, "\0\0\0\0", 4, "not a callbackd" },
	{ "newer", true, 60, "\0\0\0\143", 4, "newer callbackd (format 99)" },
	{ "no database", true, 0, "PK\3\4", 4, "not a callbackd" },
	{ "a broken schema", true, 100, "\xff\xff\xff\xff\xff\xff", 6, "" },
	{ "a broken page", true, 4096 * 2, "\xff\xff\xff\xff\xff\xff", 6, "" },
	{ "text", false, 0, "hello\n", 6, "not a callbackd" },
	{ "long text", false, 0,
	    "0123456789012345678901234567890123456789012345678901234567890123"
	    "0123456789012345678901234567890123456789012345678901234567890123",
	    128, "not a callbackd" },
};

static char *
read_all(const char *path, size_t *len_out)
{
	FILE *file = fopen(path, "rb");
	char *bytes = malloc(1 << 20);

	ck_assert_ptr_nonnull(file);
	*len_out = fread(bytes, 1, 1 << 20, file);
	fclose(file);
	return bytes;
}

static void
spoil(const char *path, int which)
{
	FILE *file = fopen(path, bad_files[which].is_ours ? "r+b" : "wb");

	ck_assert_ptr_nonnull(file);
	fseek(file, bad_files[which].at, SEEK_SET);
	fwrite(bad_files[which].bytes, 1, bad_files[which].len, file);
	ck_assert_int_eq(fclose(file), 0);
}

START_TEST(what_is_not_ours_is_refused_and_left_alone)
{
	struct reason why = { "" };
	size_t len_before, len_after;
	char *before, *after;
	struct fixture f;

	fixture_open(&f, "sqlite:");
	keep_plain_job(f.store, "q", "http://c/", NOW_MS);
	store_close(&f.store);
	spoil(f.path, _i);
	before = read_all(f.path, &len_before);
	ck_assert_msg(store_open(f.url, true, &why) == NULL, "%s",
	    bad_files[_i].name);
	ck_assert_ptr_nonnull(strstr(why.text, f.path));
	ck_assert_msg(strstr(why.text, bad_files[_i].words) != NULL, "%s: %s",
	    bad_files[_i].name, why.text);
	ck_assert_ptr_null(strchr(why.text, '\n'));
	after = read_all(f.path, &len_after);
	ck_assert_uint_eq(len_before, len_after);
	ck_assert_mem_eq(before, after, len_before);
	free(before);
	free(after);
	fixture_close(&f);
}
END_TEST

START_TEST(a_truncated_file_is_refused)
{
	struct reason why = { "" };
	struct fixture f;

	fixture_open(&f, "sqlite:");
	keep_plain_job(f.store, "q", "http://c/", NOW_MS);
	store_close(&f.store);
	ck_assert_int_eq(truncate(f.path, 8192), 0);
	ck_assert_ptr_null(store_open(f.url, true, &why));
	ck_assert_ptr_nonnull(strstr(why.text, f.path));
	fixture_close(&f);
}
END_TEST

START_TEST(an_empty_file_becomes_a_store)
{
	struct fixture f;
	FILE *file;

	fixture_name(&f, "sqlite:");
	file = fopen(f.path, "wb");
	ck_assert_ptr_nonnull(file);
	fclose(file);
	fixture_reopen(&f);
	keep_plain_job(f.store, "q", NULL, NOW_MS);
	fixture_close(&f);
}
END_TEST

/* As version 1 left it: without what came later. */
START_TEST(a_file_of_the_first_version_is_brought_up_to_date)
{
	static const char undo[] = "DROP TABLE clock; PRAGMA user_version = 1";
	struct store_clock clock = { .boot_id = "boot", .boot_ms = 1 };
	struct uuid waiting;
	struct fixture f;
	sqlite3 *db;

	fixture_open(&f, "sqlite:");
	waiting = keep_plain_job(f.store, "q", "http://c/", NOW_MS);
	store_close(&f.store);
	ck_assert_int_eq(sqlite3_open(f.path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, undo, NULL, NULL, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
	fixture_reopen(&f);
	ck_assert_int_eq(look_for_job(f.store, waiting), STORE_OK);
	ck_assert_int_eq(store_get_clock(f.store, &clock), STORE_MISSING);
	assert_ok(f.store, store_begin(f.store));
	assert_ok(f.store, store_set_clock(f.store, &clock));
	assert_ok(f.store, store_commit(f.store, true));
	fixture_reopen(&f);
	assert_ok(f.store, store_get_clock(f.store, &clock));
	ck_assert_str_eq(clock.boot_id, "boot");
	ck_assert_int_eq(balanced_books(f.store).counted_queued, 1);
	fixture_close(&f);
}
END_TEST

START_TEST(a_place_that_holds_no_file_is_refused)
{
	struct reason why = { "" };
	struct fixture f;
	char url[160];

	fixture_name(&f, "sqlite:");
	snprintf(url, sizeof(url), "sqlite:%s/none/jobs.db", f.folder);
	ck_assert_ptr_null(store_open(url, true, &why));
	ck_assert_ptr_nonnull(strstr(why.text, "No such file"));
	snprintf(url, sizeof(url), "sqlite:%s", f.folder);
	ck_assert_ptr_null(store_open(url, true, &why));
	ck_assert_ptr_nonnull(strstr(why.text, "not a regular file"));
	snprintf(url, sizeof(url), "%s-lock", f.folder);
	unlink(url);
	fixture_close(&f);
}
END_TEST

START_TEST(the_log_is_copied_home_before_it_grows_long)
{
	struct store_books books;
	struct fixture f;

	fixture_open(&f, "sqlite:");
	for (int i = 0; i < 3; i++)
		fill_with_big_jobs(&f);
	for (int i = 0; i < 1000; i++)
		keep_plain_job(f.store, "q", NULL, NOW_MS);
	assert_ok(f.store, store_count(f.store, &books));
	ck_assert_int_lt(books.wal_bytes, 32 << 20);
	store_tidy(f.store);
	assert_ok(f.store, store_count(f.store, &books));
	ck_assert_int_eq(books.wal_bytes, 0);
	ck_assert_int_eq(books.accepted, 10000);
	fixture_close(&f);
}
END_TEST

START_TEST(a_backup_is_a_store_of_its_own)
{
	struct reason why = { "" };
	struct fixture f, copy;
	struct uuid id, later;
	char path[160];

	fixture_open(&f, "sqlite:");
	fixture_name(&copy, "sqlite:");
	id = keep_plain_job(f.store, "q", "http://c/", NOW_MS);
	assert_ok(f.store, store_begin(f.store)); /* and not committed yet */
	later = add_plain_job(f.store, "q", NULL, NOW_MS);
	snprintf(path, sizeof(path), "%s", copy.path);
	ck_assert_msg(store_backup(f.url, path, &why), "%s", why.text);
	assert_ok(f.store, store_commit(f.store, true));
	ck_assert_ptr_null(store_open(f.url, true, &why)); /* still locked */
	fixture_reopen(&copy);
	ck_assert_int_eq(look_for_job(copy.store, id), STORE_OK);
	ck_assert_int_eq(look_for_job(copy.store, later), STORE_MISSING);
	ck_assert_int_eq(balanced_books(copy.store).accepted, 1);
	keep_plain_job(copy.store, "q", NULL, NOW_MS);
	fixture_close(&copy);
	fixture_close(&f);
}
END_TEST

static int
count_files(const char *folder)
{
	DIR *entries = opendir(folder);
	int count = 0;

	while (readdir(entries) != NULL)
		count++;
	closedir(entries);
	return count - 2;
}

START_TEST(a_backup_that_fails_leaves_no_file)
{
	struct reason why = { "" };
	struct fixture f, other;
	char path[192];

	fixture_open(&f, "sqlite:");
	fixture_name(&other, "sqlite:");
	snprintf(path, sizeof(path), "%s/none/copy.db", other.folder);
	ck_assert(!store_backup(f.url, path, &why));
	ck_assert_ptr_nonnull(strstr(why.text, "No such file"));
	snprintf(path, sizeof(path), "%s/copy.db", other.folder);
	ck_assert(!store_backup(other.url, path, &why)); /* no store there */
	ck_assert_int_eq(count_files(other.folder), 0);
	disk.write_errno = ENOSPC;
	ck_assert(!store_backup(f.url, path, &why));
	disk.write_errno = 0;
	ck_assert_int_eq(count_files(other.folder), 0);
	ck_assert_ptr_nonnull(strstr(why.text, "full"));
	fixture_close(&other);
	fixture_close(&f);
}
END_TEST

static TCase *
life_cases(void)
{
	TCase *tcase = tcase_create("life");

	tcase_add_test(tcase, a_store_is_as_it_was_after_a_restart);
	tcase_add_test(tcase, ids_rise_over_a_restart_that_follows_a_purge);
	tcase_add_test(tcase, a_killed_process_leaves_what_it_committed);
	tcase_add_test(tcase, only_a_durable_commit_waits_for_the_disk);
	tcase_add_test(tcase,
	    the_head_of_a_new_log_is_synced_whatever_the_commit);
	tcase_add_test(tcase,
	    a_log_that_is_to_be_copied_is_a_chore_until_the_next_begin);
	tcase_add_test(tcase,
	    a_store_of_normal_durability_never_waits_at_a_commit);
	tcase_add_test(tcase,
	    a_commit_of_a_few_jobs_reaches_the_log_in_one_piece);
	tcase_add_test(tcase, the_log_is_copied_home_before_it_grows_long);
	tcase_add_test(tcase,
	    a_file_of_the_first_version_is_brought_up_to_date);
	tcase_add_test(tcase, a_backup_is_a_store_of_its_own);
	tcase_add_test(tcase, a_backup_that_fails_leaves_no_file);
	tcase_set_timeout(tcase, 60);
	return tcase;
}

static TCase *
fault_cases(void)
{
	TCase *tcase = tcase_create("faults");

	tcase_add_test(tcase,
	    a_failed_sync_keeps_nothing_and_the_store_goes_on);
	tcase_add_test(tcase,
	    while_syncs_fail_nothing_is_written_and_reads_go_on);
	tcase_add_test(tcase, a_failed_commit_does_not_come_back_after_a_kill);
	tcase_add_test(tcase, nor_does_one_that_was_to_begin_a_log_anew);
	tcase_add_test(tcase,
	    a_sync_that_fails_during_a_checkpoint_is_not_forgotten);
	tcase_add_test(tcase, a_full_disk_refuses_and_works_again);
	tcase_add_test(tcase, what_an_undone_transaction_left_is_never_written);
	tcase_add_test(tcase, after_a_failure_the_transaction_is_over);
	tcase_add_test(tcase, a_damaged_page_ends_all_writing);
	tcase_set_timeout(tcase, 60);
	return tcase;
}

static TCase *
refusal_cases(void)
{
	TCase *tcase = tcase_create("refusals");

	tcase_add_test(tcase, a_second_owner_is_refused);
	tcase_add_test(tcase, a_second_owner_is_refused_by_any_name);
	tcase_add_test(tcase, only_the_owner_may_read_the_file);
	tcase_add_loop_test(tcase, what_is_not_ours_is_refused_and_left_alone,
	    0, sizeof(bad_files) / sizeof(bad_files[0]));
	tcase_add_test(tcase, a_truncated_file_is_refused);
	tcase_add_test(tcase, an_empty_file_becomes_a_store);
	tcase_add_test(tcase, a_place_that_holds_no_file_is_refused);
	return tcase;
}

int
main(void)
{
	Suite *suite = suite_create("store on SQLite");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, life_cases());
	suite_add_tcase(suite, fault_cases());
	suite_add_tcase(suite, refusal_cases());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
