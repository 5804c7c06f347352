/* sqlite_log.c - the log beside the file of an SQLite store: how its bytes reach
 * the system, and when they are synced.
 *
 * 1. Which commit waits for the disk is decided when it is made. PRAGMA
 *    synchronous cannot do that, it may not change within a transaction. So
 *    SQLite always asks for the sync of its log, and we let it pass or not.
 * 2. SQLite writes a page in two pieces, one page after the other. Where every
 *    commit asks for a sync, they are held back until then and leave in one
 *    piece. SQLite shows a transaction to others after that sync only, so nobody
 *    misses what is held.
 * 3. Between transactions nothing is held: what one left that failed is
 *    forgotten. The log may by then be another writer's.
 *
 * Thread: the one in a turn of the ledger.
 */
#include "sqlite.h"

#include <stddef.h>
#include <string.h>

static struct sqlite *
owner_of_log(sqlite3_file *file)
{
	const char *methods = (const char *)file->pMethods;

	return (struct sqlite *)(void *)(methods -
	    offsetof(struct sqlite, log_methods));
}

void
sqlite_forget_held(struct sqlite *self)
{
	self->held_len = 0;
}

/* What fails is not tried again: the transaction fails with it. */
static int
write_held(struct sqlite *self, sqlite3_file *file)
{
	int len = self->held_len;

	self->held_len = 0;
	if (len == 0)
		return SQLITE_OK;
	return self->system_methods->xWrite(file, self->held, len,
	    self->held_at);
}

static int
hold(struct sqlite *self, const void *bytes, int len, sqlite3_int64 at)
{
	if (self->held_len == 0)
		self->held_at = at;
	memcpy(self->held + self->held_len, bytes, (size_t)len);
	self->held_len += len;
	return SQLITE_OK;
}

static int
log_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at)
{
	struct sqlite *self = owner_of_log(file);
	int rc = SQLITE_OK;

	if (at == 0)
		self->is_header_fresh = true;
	if (at != self->held_at + self->held_len ||
	    len > LOG_HELD_BYTES - self->held_len)
		rc = write_held(self, file);
	if (rc != SQLITE_OK)
		return rc;
	if (self->is_full && len <= LOG_HELD_BYTES)
		return hold(self, bytes, len, at);
	return self->system_methods->xWrite(file, bytes, len, at);
}

/* A page of the open transaction may come back from there. */
static int
log_read(sqlite3_file *file, void *bytes, int len, sqlite3_int64 at)
{
	struct sqlite *self = owner_of_log(file);
	int rc = write_held(self, file);

	return rc == SQLITE_OK
	    ? self->system_methods->xRead(file, bytes, len, at)
	    : rc;
}

static int
log_truncate(sqlite3_file *file, sqlite3_int64 len)
{
	struct sqlite *self = owner_of_log(file);
	int rc = write_held(self, file);

	return rc == SQLITE_OK ? self->system_methods->xTruncate(file, len)
			       : rc;
}

/* The header of a log that begins anew must be on the disk before its frames,
 * or those of the old one might be taken for its own (SQLite ticket
 * ff5be73dee): that sync is never left out. */
static int
log_sync(sqlite3_file *file, int flags)
{
	struct sqlite *self = owner_of_log(file);
	int rc = write_held(self, file);

	if (rc != SQLITE_OK)
		return rc;
	if (self->may_skip_sync && !self->is_header_fresh)
		return SQLITE_OK;
	self->is_header_fresh = false;
	return self->system_methods->xSync(file, flags);
}

int
sqlite_take_over_log(struct sqlite *self)
{
	sqlite3_file *log = NULL;
	int rc = sqlite3_file_control(self->db, NULL,
	    SQLITE_FCNTL_JOURNAL_POINTER, &log);

	if (rc != SQLITE_OK || log == NULL || log->pMethods == NULL)
		return SQLITE_INTERNAL;
	self->system_methods = log->pMethods;
	self->log_methods = *log->pMethods;
	self->log_methods.xWrite = log_write;
	self->log_methods.xRead = log_read;
	self->log_methods.xTruncate = log_truncate;
	self->log_methods.xSync = log_sync;
	self->is_header_fresh = true; /* unknown: sync once more */
	self->held_len = 0;
	log->pMethods = &self->log_methods;
	return SQLITE_OK;
}
