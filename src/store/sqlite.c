/* sqlite.c - the SQLite driver: transactions, and what errors mean.
 *
 * 1. One connection, one writer; others may read (a backup, the sqlite3 shell).
 * 2. A durable commit is synced by SQLite before anybody can see it; others
 *    are synced with the next durable one (sqlite_log.c).
 * 3. Pages are copied from the log into the file at the begin of a
 *    transaction, not at its end: nobody's answer waits for that.
 * 4. A sync that failed is never just tried again. Linux marks the pages clean
 *    all the same, so that a second sync says yes to bytes that are not on the
 *    disk. See heal().
 *
 * Thread: the one in a turn of the ledger, but for sqlite_backup.
 */
#include "sqlite.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct sqlite *
sqlite_of(struct driver *driver)
{
	return (struct sqlite *)(void *)driver;
}

/* True for errors after which the log on the disk may differ from the log as
 * we read it back. */
static bool
is_lost_write(int rc)
{
	return rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC ||
	    rc == SQLITE_IOERR_WRITE || rc == SQLITE_IOERR_TRUNCATE ||
	    rc == SQLITE_IOERR_CLOSE;
}

enum store_result
sqlite_failed(struct sqlite *self, const char *step, int rc)
{
	int error = self->db == NULL ? 0 : sqlite3_system_errno(self->db);

	/* SQLITE_ERROR alone says nothing. */
	reason_set(&self->base.why, "%.100s: %.80s (%d%s%s) in %.40s",
	    self->path,
	    rc == SQLITE_ERROR ? sqlite3_errmsg(self->db) : sqlite3_errstr(rc),
	    rc, error == 0 ? "" : ", ", error == 0 ? "" : strerror(error),
	    step);
	if (is_lost_write(rc))
		self->is_suspect = true;
	switch (rc & 0xff) {
	case SQLITE_FULL:
	case SQLITE_IOERR:
	case SQLITE_NOMEM:
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_TOOBIG:
		return STORE_AGAIN;
	default: /* CORRUPT, NOTADB, and what only a strange file can cause */
		return STORE_BROKEN;
	}
}

sqlite3_stmt *
sqlite_statement(struct sqlite *self, enum statement which)
{
	return self->db == NULL ? NULL : self->statements[which];
}

enum store_result
sqlite_run(struct sqlite *self, enum statement which)
{
	sqlite3_stmt *statement = sqlite_statement(self, which);
	int rc;

	if (statement == NULL)
		return STORE_AGAIN; /* why says why there is no connection */
	rc = sqlite3_step(statement);
	assert(rc != SQLITE_ROW);
	sqlite3_reset(statement);
	if (rc != SQLITE_DONE)
		return sqlite_failed(self, schema_statements[which], rc);
	return STORE_OK;
}

/* Reads up to three numbers from a statement that gives one row. */
static enum store_result
get_numbers(struct sqlite *self, enum statement which, int64_t *numbers_out,
    int count)
{
	sqlite3_stmt *statement = sqlite_statement(self, which);
	int rc;

	if (statement == NULL)
		return STORE_AGAIN;
	rc = sqlite3_step(statement);
	for (int i = 0; rc == SQLITE_ROW && i < count; i++)
		numbers_out[i] = sqlite3_column_int64(statement, i);
	sqlite3_reset(statement);
	if (rc == SQLITE_DONE)
		rc = SQLITE_CORRUPT; /* the one row is gone */
	return rc == SQLITE_ROW
	    ? STORE_OK
	    : sqlite_failed(self, schema_statements[which], rc);
}

static enum store_result
keep_mark(struct sqlite *self)
{
	sqlite3_stmt *statement = sqlite_statement(self, SQL_KEEP_MARK);
	enum store_result result;

	sqlite3_bind_int64(statement, 1, self->mark + 1);
	self->may_skip_sync = true;
	result = sqlite_run(self, SQL_KEEP_MARK);
	self->may_skip_sync = false;
	if (result == STORE_OK)
		self->mark++;
	else
		sqlite_forget_held(self);
	return result;
}

/* Opens the file (again) and checks that what was committed last is there. */
static enum store_result
reconnect(struct sqlite *self)
{
	enum store_result result = sqlite_connect(self);
	int64_t mark;

	if (result == STORE_OK)
		result = get_numbers(self, SQL_GET_MARK, &mark, 1);
	if (result != STORE_OK)
		return result;
	if (mark != self->mark) {
		reason_set(&self->base.why,
		    "%.100s: the disk lost what it had taken", self->path);
		return STORE_BROKEN;
	}
	self->is_suspect = false;
	return STORE_OK;
}

/* Makes the log trustworthy after a sync that failed:
 *
 *  1. a mark is committed, unsynced: it overwrites the first frame of the
 *     transaction that failed. The frames after it no longer follow from it by
 *     their checksums, so that no recovery can bring that transaction back.
 *  2. the log's bytes are written once more over themselves: now every page is
 *     dirty again, and a sync that succeeds means what it says.
 *  3. the file is opened anew, which checks the log's checksums; the mark,
 *     being the last commit, shows that nothing before it is missing.
 *
 * Fails as long as the disk does; the next begin tries again. */
static enum store_result
heal(struct sqlite *self)
{
	enum store_result result;

	if (self->db != NULL) {
		result = keep_mark(self);
		if (result == STORE_OK)
			result = sqlite_rewrite_log(self);
		if (result != STORE_OK)
			return result;
		sqlite_disconnect(self, false);
	}
	return reconnect(self);
}

/* Copies the log's pages into the file. Whoever reads in between (a backup) may
 * keep some of them in the log; the next try is then a while away. */
static enum store_result
checkpoint(struct sqlite *self, int mode)
{
	int rc = sqlite3_wal_checkpoint_v2(self->db, NULL, mode, NULL, NULL);

	self->checkpoint_at = self->log_frames + CHECKPOINT_FRAMES;
	if (rc == SQLITE_OK && mode == SQLITE_CHECKPOINT_TRUNCATE) {
		self->log_frames = 0;
		self->checkpoint_at = CHECKPOINT_FRAMES;
	}
	if (rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY)
		return STORE_OK;
	return sqlite_failed(self, "checkpoint", rc);
}

static bool
is_to_be_copied(const struct sqlite *self)
{
	return self->db != NULL && self->log_frames >= self->checkpoint_at;
}

static bool
is_to_be_healed(const struct sqlite *self)
{
	return self->db == NULL || self->is_suspect;
}

static bool
has_chores(const struct driver *driver)
{
	const struct sqlite *self = (const void *)driver;

	return is_to_be_copied(self) || is_to_be_healed(self);
}

static enum store_result
begin(struct driver *driver)
{
	struct sqlite *self = sqlite_of(driver);
	enum store_result result = STORE_OK;

	if (is_to_be_copied(self))
		result = checkpoint(self, SQLITE_CHECKPOINT_PASSIVE);
	if (result == STORE_BROKEN)
		return result;
	if (is_to_be_healed(self))
		result = heal(self);
	else
		result = STORE_OK; /* the log may grow a little longer */
	if (result != STORE_OK)
		return result;
	return sqlite_run(self, SQL_BEGIN);
}

static enum store_result
commit(struct driver *driver, bool is_durable, const struct totals *changed)
{
	struct sqlite *self = sqlite_of(driver);
	enum store_result result = STORE_OK;

	if (changed != NULL) {
		sqlite3_stmt *totals = sqlite_statement(self, SQL_KEEP_TOTALS);

		sqlite3_bind_int64(totals, 1, changed->accepted);
		sqlite3_bind_int64(totals, 2, changed->ended);
		sqlite3_bind_int64(totals, 3, changed->last_seq);
		result = sqlite_run(self, SQL_KEEP_TOTALS);
	}
	if (result != STORE_OK)
		return result;
	self->may_skip_sync = !is_durable;
	result = sqlite_run(self, SQL_COMMIT);
	self->may_skip_sync = false;
	return result;
}

/* Some errors end a transaction by themselves, so the connection is asked. */
static void
rollback(struct driver *driver)
{
	struct sqlite *self = sqlite_of(driver);
	struct reason why = self->base.why; /* the first error is the cause */

	if (self->db == NULL)
		return;
	if (!sqlite3_get_autocommit(self->db))
		sqlite_run(self, SQL_ROLLBACK);
	assert(sqlite3_get_autocommit(self->db)); /* ROLLBACK always does */
	sqlite_forget_held(self);
	if (self->is_suspect)
		(void)keep_mark(self); /* heal, step 1, while we still can */
	self->base.why = why;
}

static enum store_result
totals(struct driver *driver, struct totals *totals_out)
{
	int64_t numbers[3];
	enum store_result result = get_numbers(sqlite_of(driver),
	    SQL_GET_TOTALS, numbers, 3);

	if (result != STORE_OK)
		return result;
	totals_out->accepted = numbers[0];
	totals_out->ended = numbers[1];
	totals_out->last_seq = numbers[2];
	return STORE_OK;
}

static int64_t
file_bytes(const char *path)
{
	struct stat facts;

	return stat(path, &facts) == 0 ? facts.st_size : 0;
}

static enum store_result
count(struct driver *driver, struct store_books *out)
{
	struct sqlite *self = sqlite_of(driver);
	int64_t jobs[2], deliveries;
	enum store_result result = get_numbers(self, SQL_COUNT_JOBS, jobs, 2);

	if (result == STORE_OK)
		result = get_numbers(self, SQL_COUNT_DELIVERIES, &deliveries,
		    1);
	if (result != STORE_OK)
		return result;
	out->counted_queued = jobs[0];
	out->counted_running = jobs[1];
	out->deliveries_open = deliveries;
	out->file_bytes = file_bytes(self->path);
	out->wal_bytes = file_bytes(self->log_path);
	return STORE_OK;
}

static enum store_result
delete_range(struct sqlite *self, enum statement which,
    const struct purge_range *range, int64_t last_seq)
{
	sqlite3_stmt *statement = sqlite_statement(self, which);

	sqlite3_bind_int64(statement, 1, range->from_seq);
	sqlite3_bind_int64(statement, 2, last_seq);
	if (which == SQL_PURGE_JOBS)
		sqlite3_bind_int64(statement, 3, range->cutoff_ms);
	return sqlite_run(self, which);
}

/* Jobs first; then, within the same range, what belongs to no job. */
static enum store_result
purge(struct driver *driver, const struct purge_range *range,
    int64_t *last_seq_out, int64_t *removed_out)
{
	static const enum statement rest[] = { SQL_PURGE_REQUESTS,
		SQL_PURGE_RESPONSES, SQL_PURGE_KEYS, SQL_PURGE_DELIVERIES,
		SQL_PURGE_MORE_DELIVERIES };
	struct sqlite *self = sqlite_of(driver);
	sqlite3_stmt *end = sqlite_statement(self, SQL_PURGE_END);
	int64_t found[2], removed; /* last seq, count */
	enum store_result result;

	sqlite3_bind_int64(end, 1, range->from_seq);
	sqlite3_bind_int64(end, 2, range->to_seq);
	sqlite3_bind_int(end, 3, range->max_rows);
	result = get_numbers(self, SQL_PURGE_END, found, 2);
	if (result == STORE_OK)
		result = delete_range(self, SQL_PURGE_JOBS, range, found[0]);
	if (result != STORE_OK)
		return result;
	removed = sqlite3_changes64(self->db);
	for (size_t i = 0; removed > 0 && i < sizeof(rest) / sizeof(*rest);
	     i++) {
		result = delete_range(self, rest[i], range, found[0]);
		if (result != STORE_OK)
			return result;
	}
	*last_seq_out = found[1] < range->max_rows ? 0 : found[0];
	*removed_out = removed;
	return STORE_OK;
}

static enum store_result
probe(struct driver *driver)
{
	return sqlite_run((struct sqlite *)(void *)driver, SQL_PROBE);
}

static void
tidy(struct driver *driver)
{
	struct sqlite *self = sqlite_of(driver);

	if (self->db == NULL || self->is_suspect || self->log_frames == 0)
		return;
	sqlite3_busy_timeout(self->db, 0); /* a reader may go on */
	(void)checkpoint(self, SQLITE_CHECKPOINT_TRUNCATE);
	sqlite3_busy_timeout(self->db, SQLITE_BUSY_MS);
}

static void
close_store(struct driver *driver)
{
	struct sqlite *self = sqlite_of(driver);

	sqlite_disconnect(self, !self->is_suspect);
	sqlite_give_up_file(self);
	free(self);
}

static struct driver *
open_store(const char *place, bool full, struct reason *why_out)
{
	struct sqlite *self = calloc(1, sizeof(*self));

	if (self == NULL) {
		reason_set(why_out, "out of memory");
		return NULL;
	}
	self->base.ops = &sqlite_driver;
	self->is_full = full;
	self->checkpoint_at = CHECKPOINT_FRAMES;
	if (!sqlite_claim_file(self, place, why_out)) {
		free(self);
		return NULL;
	}
	if (sqlite_rewrite_log(self) != STORE_OK ||
	    sqlite_connect(self) != STORE_OK ||
	    get_numbers(self, SQL_GET_MARK, &self->mark, 1) != STORE_OK) {
		*why_out = self->base.why;
		sqlite_disconnect(self, false);
		sqlite_give_up_file(self);
		free(self);
		return NULL;
	}
	return &self->base;
}

const struct driver_ops sqlite_driver = {
	.scheme = "sqlite:",
	.open = open_store,
	.close = close_store,
	.backup = sqlite_backup,
	.totals = totals,
	.begin = begin,
	.commit = commit,
	.rollback = rollback,
	.add_job = sqlite_add_job,
	.update_job = sqlite_update_job,
	.renew_delivery = sqlite_renew_delivery,
	.get_job = sqlite_get_job,
	.get_payload = sqlite_get_payload,
	.add_delivery = sqlite_add_delivery,
	.update_delivery = sqlite_update_delivery,
	.get_delivery = sqlite_get_delivery,
	.list_jobs = sqlite_list_jobs,
	.list_deliveries = sqlite_list_deliveries,
	.each_open_job = sqlite_each_open_job,
	.each_open_delivery = sqlite_each_open_delivery,
	.count = count,
	.add_key = sqlite_add_key,
	.find_key = sqlite_find_key,
	.find_open_delivery = sqlite_find_open_delivery,
	.set_paused = sqlite_set_paused,
	.each_paused = sqlite_each_paused,
	.get_clock = sqlite_get_clock,
	.set_clock = sqlite_set_clock,
	.move_waits = sqlite_move_waits,
	.probe = probe,
	.purge = purge,
	.tidy = tidy,
	.has_chores = has_chores,
};
