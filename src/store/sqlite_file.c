/* sqlite_file.c - the file of an SQLite store: whose it is, what it is, how it
 * is opened.
 *
 * 1. One process owns a store: it holds flock(2) on PATH-lock. Not on the file
 *    itself: closing any descriptor of it would drop the locks that SQLite
 *    holds there (fcntl(2), POSIX locks).
 * 2. A file that is not ours, newer, or damaged is left as it was. Its header is
 *    looked at before SQLite touches it; our mark is in the header from the
 *    first moment on, since a new file is made in one transaction before it
 *    gets a log.
 *
 * Thread: the one in a turn of the ledger, but for sqlite_backup.
 */
#include "sqlite.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* https://www.sqlite.org/fileformat2.html, 1.3 */
#define HEADER_BYTES 100
#define HEADER_USER_VERSION 60
#define HEADER_APPLICATION_ID 68
#define HEADER_MAGIC "SQLite format 3"

/* Up to here the whole file is checked at the start: some 1 ms a MiB. Beyond,
 * damage shows when a page is used. */
#define QUICK_CHECK_MAX_BYTES (32 << 20)

static const char connection_settings[] =
    "PRAGMA page_size = 4096;"    /* of a new file */
    "PRAGMA cache_size = -512;"   /* KiB */
    "PRAGMA secure_delete = OFF;" /* Debian's default writes zeroes */
    "PRAGMA journal_size_limit = 16777216;"
    "PRAGMA wal_autocheckpoint = 0;"; /* sqlite.c does, and hears errors */

/* Learns after each commit how long the log is. */
static int
committed_cb(void *arg, sqlite3 *db, const char *schema, int frames)
{
	struct sqlite *self = arg;

	(void)db;
	(void)schema;
	if (frames < self->log_frames) /* it began anew */
		self->checkpoint_at = CHECKPOINT_FRAMES;
	self->log_frames = frames;
	return SQLITE_OK;
}

/* The first column of the first row, as a number or a short text. */
static int
ask(sqlite3 *db, const char *sql, int64_t *number_out, char *text_out,
    size_t text_size)
{
	sqlite3_stmt *statement;
	int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

	if (rc != SQLITE_OK)
		return rc;
	rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW && number_out != NULL)
		*number_out = sqlite3_column_int64(statement, 0);
	if (rc == SQLITE_ROW && text_out != NULL)
		snprintf(text_out, text_size, "%s",
		    (const char *)sqlite3_column_text(statement, 0));
	sqlite3_finalize(statement);
	if (rc == SQLITE_DONE)
		return SQLITE_CORRUPT;
	return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* Brings a file from the version it has to ours, in one transaction. */
static int
migrate(sqlite3 *db, int64_t version)
{
	char text[128];
	int rc = sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL);

	for (; rc == SQLITE_OK && version < SCHEMA_VERSION; version++)
		rc = sqlite3_exec(db, schema_steps[version], NULL, NULL, NULL);
	snprintf(text, sizeof(text),
	    "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
	    (int)SCHEMA_APPLICATION_ID, SCHEMA_VERSION);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, text, NULL, NULL, NULL);
	if (rc == SQLITE_OK) /* the header shall tell the next one */
		rc = sqlite3_wal_checkpoint_v2(db, NULL,
		    SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	return rc;
}

/* The log may know more than the header that look_at_header saw. */
static enum store_result
check_version(struct sqlite *self)
{
	int64_t application, version, things;
	int rc = ask(self->db, "PRAGMA application_id", &application, NULL, 0);

	if (rc == SQLITE_OK)
		rc = ask(self->db, "PRAGMA user_version", &version, NULL, 0);
	if (rc == SQLITE_OK)
		rc = ask(self->db, "SELECT count(*) FROM sqlite_schema",
		    &things, NULL, 0);
	if (rc != SQLITE_OK)
		return sqlite_failed(self, "opening", rc);
	if (application != (version == 0 ? 0 : SCHEMA_APPLICATION_ID) ||
	    (version == 0 && things > 0)) {
		reason_set(&self->base.why, "%.100s: not a callbackd store",
		    self->path);
		return STORE_BROKEN;
	}
	if (version < 0 || version > SCHEMA_VERSION) {
		reason_set(&self->base.why,
		    "%.100s: made by a newer callbackd (format %d)", self->path,
		    (int)version);
		return STORE_BROKEN;
	}
	if (version == SCHEMA_VERSION)
		return STORE_OK;
	rc = migrate(self->db, version);
	return rc == SQLITE_OK ? STORE_OK
			       : sqlite_failed(self, "migration", rc);
}

static enum store_result
check_pages(struct sqlite *self)
{
	struct stat facts;
	char verdict[100] = "";
	const char *words;
	int rc;

	if (stat(self->path, &facts) != 0 ||
	    facts.st_size > QUICK_CHECK_MAX_BYTES)
		return STORE_OK;
	rc = ask(self->db, "PRAGMA quick_check(1)", NULL, verdict,
	    sizeof(verdict));
	if (rc != SQLITE_OK)
		return sqlite_failed(self, "quick_check", rc);
	if (strcmp(verdict, "ok") == 0)
		return STORE_OK;
	/* The first line only names the database. */
	words = strncmp(verdict, "***", 3) == 0 ? strchr(verdict, '\n') : NULL;
	words = words != NULL ? words + 1 : verdict;
	reason_set(&self->base.why, "%.100s: damaged: %.*s", self->path,
	    (int)strcspn(words, "\n"), words);
	return STORE_BROKEN;
}

/* A log beside the file; some file systems cannot, and SQLite says so only in
 * the answer. */
static enum store_result
use_log(struct sqlite *self)
{
	char mode[16] = "";
	int64_t pages;
	int rc = ask(self->db, "PRAGMA journal_mode = WAL", NULL, mode,
	    sizeof(mode));

	if (rc == SQLITE_OK && strcmp(mode, "wal") != 0) {
		reason_set(&self->base.why,
		    "%.100s: this file system cannot hold a shared log",
		    self->path);
		return STORE_BROKEN;
	}
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(self->db,
		    self->is_full ? "PRAGMA synchronous = FULL"
				  : "PRAGMA synchronous = NORMAL",
		    NULL, NULL, NULL);
	if (rc == SQLITE_OK) /* a read opens the log */
		rc = ask(self->db, "SELECT count(*) FROM books", &pages, NULL,
		    0);
	if (rc == SQLITE_OK)
		rc = sqlite_take_over_log(self);
	sqlite3_wal_hook(self->db, committed_cb, self);
	return rc == SQLITE_OK ? STORE_OK : sqlite_failed(self, "log", rc);
}

static enum store_result
prepare_all(struct sqlite *self)
{
	for (int i = 0; i < STATEMENT_COUNT; i++) {
		int rc = sqlite3_prepare_v3(self->db, schema_statements[i], -1,
		    SQLITE_PREPARE_PERSISTENT, &self->statements[i], NULL);

		if (rc != SQLITE_OK)
			return sqlite_failed(self, schema_statements[i], rc);
	}
	return STORE_OK;
}

static int
open_connection(struct sqlite *self)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
	    SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_PRIVATECACHE;
	int rc = sqlite3_open_v2(self->path, &self->db, flags, NULL);

	if (rc != SQLITE_OK)
		return rc;
	sqlite3_db_config(self->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(self->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_busy_timeout(self->db, SQLITE_BUSY_MS);
	return sqlite3_exec(self->db, connection_settings, NULL, NULL, NULL);
}

enum store_result
sqlite_connect(struct sqlite *self)
{
	int rc = open_connection(self);
	enum store_result result = rc == SQLITE_OK
	    ? check_version(self)
	    : sqlite_failed(self, "opening", rc);

	if (result == STORE_OK)
		result = check_pages(self);
	if (result == STORE_OK)
		result = use_log(self);
	if (result == STORE_OK)
		result = prepare_all(self);
	if (result != STORE_OK)
		sqlite_disconnect(self, false);
	return result;
}

void
sqlite_disconnect(struct sqlite *self, bool copy_log)
{
	if (self->db == NULL)
		return;
	for (int i = 0; i < STATEMENT_COUNT; i++) {
		sqlite3_finalize(self->statements[i]);
		self->statements[i] = NULL;
	}
	sqlite3_db_config(self->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !copy_log,
	    NULL);
	sqlite3_close_v2(self->db);
	self->db = NULL;
}

/* Words for errno, and false. */
static bool
refused(struct reason *why_out, const char *path, const char *what)
{
	reason_set(why_out, "%.100s: %s%s", path, what, strerror(errno));
	return false;
}

static int32_t
number_at(const unsigned char *bytes)
{
	return (int32_t)((uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
	    (uint32_t)bytes[2] << 8 | (uint32_t)bytes[3]);
}

/* Is it ours, and not newer than we are? An empty file is one that we may make
 * ours. */
static bool
header_is_ours(const char *path, const unsigned char *header, ssize_t len,
    struct reason *why_out)
{
	if (len == 0)
		return true;
	if (len < HEADER_BYTES ||
	    memcmp(header, HEADER_MAGIC, sizeof(HEADER_MAGIC)) != 0 ||
	    number_at(header + HEADER_APPLICATION_ID) !=
		SCHEMA_APPLICATION_ID) {
		reason_set(why_out, "%.100s: not a callbackd store", path);
		return false;
	}
	if (number_at(header + HEADER_USER_VERSION) > SCHEMA_VERSION) {
		reason_set(why_out,
		    "%.100s: made by a newer callbackd (format %d)", path,
		    (int)number_at(header + HEADER_USER_VERSION));
		return false;
	}
	return true;
}

/* The power went while the file was made: its first page is missing, and SQLite
 * is about to take the others back. */
static bool
is_half_made(const char *path, const unsigned char *header, ssize_t len)
{
	char *journal;
	struct stat facts;
	bool is_there;

	for (ssize_t i = 0; i < len; i++)
		if (header[i] != 0)
			return false;
	if (asprintf(&journal, "%s-journal", path) < 0)
		return false;
	is_there = stat(journal, &facts) == 0 && facts.st_size > 0;
	free(journal);
	return is_there;
}

/* Only for the owner of the lock, before SQLite opens the file: invariant 1. */
static bool
look_at_header(const char *path, struct reason *why_out)
{
	unsigned char header[HEADER_BYTES];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat facts;
	ssize_t len;

	if (fd < 0)
		return refused(why_out, path, "");
	if (fstat(fd, &facts) == 0 && !S_ISREG(facts.st_mode)) {
		close(fd);
		reason_set(why_out, "%.100s: not a regular file", path);
		return false;
	}
	len = pread(fd, header, sizeof(header), 0);
	close(fd);
	if (len < 0)
		return refused(why_out, path, "");
	return is_half_made(path, header, len) ||
	    header_is_ours(path, header, len, why_out);
}

/* Takes PATH-lock and leaves our process number in it, for humans. */
static bool
lock_file(struct sqlite *self, struct reason *why_out)
{
	char *path, holder[24] = "";

	if (asprintf(&path, "%s-lock", self->path) < 0)
		return refused(why_out, self->path, "");
	self->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	free(path);
	if (self->lock_fd < 0)
		return refused(why_out, self->path, "lock: ");
	if (flock(self->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK)
			return refused(why_out, self->path, "lock: ");
		if (pread(self->lock_fd, holder, sizeof(holder) - 1, 0) < 0)
			holder[0] = '\0';
		holder[strcspn(holder, "\n")] = '\0';
		reason_set(why_out, "%.100s: in use by another process %.20s",
		    self->path, holder);
		return false;
	}
	snprintf(holder, sizeof(holder), "%ld\n", (long)getpid());
	if (ftruncate(self->lock_fd, 0) != 0 ||
	    pwrite(self->lock_fd, holder, strlen(holder), 0) < 0)
		errno = 0; /* a full disk: only the courtesy is lost */
	return true;
}

/* Makes the file if there is none, for our eyes only: it will hold bodies and
 * keys. Then finds its one true name, whatever links led here. */
static bool
find_path(struct sqlite *self, const char *place, struct reason *why_out)
{
	int fd;

	if (place[0] == '\0') {
		reason_set(why_out, "sqlite: needs a path");
		return false;
	}
	fd = open(place, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 && errno != EEXIST)
		return refused(why_out, place, "");
	if (fd >= 0)
		close(fd);
	self->path = realpath(place, NULL);
	if (self->path == NULL)
		return refused(why_out, place, "");
	if (asprintf(&self->log_path, "%s-wal", self->path) < 0) {
		self->log_path = NULL;
		return refused(why_out, place, "");
	}
	return true;
}

bool
sqlite_claim_file(struct sqlite *self, const char *place,
    struct reason *why_out)
{
	self->lock_fd = -1;
	/* SQLite's own statistics cost a mutex for every allocation. Refused,
	 * without harm, once SQLite is in use in this process. */
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	/* A page is asked for when it is needed, and not twenty at once for each
	 * cache, of which there are two. */
	(void)sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
	if (find_path(self, place, why_out) && lock_file(self, why_out) &&
	    look_at_header(self->path, why_out))
		return true;
	sqlite_give_up_file(self);
	return false;
}

void
sqlite_give_up_file(struct sqlite *self)
{
	free(self->path);
	free(self->log_path);
	if (self->lock_fd >= 0)
		close(self->lock_fd);
}

/* Copies a file over itself. */
static bool
rewrite(int fd)
{
	char bytes[32768];
	off_t at = 0;

	for (;;) {
		ssize_t got = pread(fd, bytes, sizeof(bytes), at);

		if (got <= 0)
			return got == 0;
		if (pwrite(fd, bytes, (size_t)got, at) != got)
			return false;
		at += got;
	}
}

enum store_result
sqlite_rewrite_log(struct sqlite *self)
{
	int fd = open(self->log_path, O_RDWR | O_CLOEXEC);
	bool is_done;

	if (fd < 0 && errno == ENOENT)
		return STORE_OK;
	is_done = fd >= 0 && rewrite(fd) && fdatasync(fd) == 0;
	if (!is_done)
		refused(&self->base.why, self->log_path, "");
	if (fd >= 0)
		close(fd);
	return is_done ? STORE_OK : STORE_AGAIN;
}
