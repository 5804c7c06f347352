/* sqlite_backup.c - a copy of a store that goes on being used.
 *
 * 1. VACUUM INTO reads one moment of the store. (sqlite3_backup starts again
 *    with every commit of the daemon: under load it never ends.)
 * 2. The copy takes its name only when it is complete and on the disk.
 * 3. The store's file is touched through SQLite alone: a descriptor of our own
 *    would, when closed, drop the locks of a daemon in this process.
 *
 * Any thread; shares nothing.
 */
#include "sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool
refused(struct reason *why_out, const char *path)
{
	reason_set(why_out, "%.100s: %s", path, strerror(errno));
	return false;
}

static bool
sync_path(const char *path, struct reason *why_out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool is_synced = fd >= 0 && fsync(fd) == 0;

	if (!is_synced)
		refused(why_out, path);
	if (fd >= 0)
		close(fd);
	return is_synced;
}

/* Makes an empty file beside to_path. The caller frees the name. */
static char *
new_neighbour(const char *to_path, struct reason *why_out)
{
	char *path;
	int fd;

	if (asprintf(&path, "%s.XXXXXX", to_path) < 0) {
		refused(why_out, to_path);
		return NULL;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0) {
		refused(why_out, to_path);
		free(path);
		return NULL;
	}
	close(fd);
	return path;
}

static int
copy_into(sqlite3 *db, const char *to_path)
{
	sqlite3_stmt *statement;
	int rc = sqlite3_prepare_v2(db, "VACUUM INTO ?", -1, &statement, NULL);

	if (rc != SQLITE_OK)
		return rc;
	sqlite3_bind_text(statement, 1, to_path, -1, SQLITE_STATIC);
	rc = sqlite3_step(statement);
	sqlite3_finalize(statement);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* A backup of something else must not pass for one of ours. */
static int
check_is_ours(sqlite3 *db)
{
	sqlite3_stmt *statement;
	int rc = sqlite3_prepare_v2(db, "PRAGMA application_id", -1, &statement,
	    NULL);

	if (rc != SQLITE_OK)
		return rc;
	rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW)
		rc = sqlite3_column_int(statement, 0) == SCHEMA_APPLICATION_ID
		    ? SQLITE_OK
		    : SQLITE_NOTADB;
	sqlite3_finalize(statement);
	return rc;
}

static bool
copy_store(const char *place, const char *to_path, struct reason *why_out)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
	    SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_PRIVATECACHE;
	char *path = realpath(place, NULL);
	sqlite3 *db = NULL;
	int rc;

	if (path == NULL)
		return refused(why_out, place);
	rc = sqlite3_open_v2(path, &db, flags, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_busy_timeout(db, SQLITE_BUSY_MS);
		sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
		rc = check_is_ours(db);
	}
	if (rc == SQLITE_OK)
		rc = copy_into(db, to_path);
	sqlite3_close_v2(db);
	if (rc != SQLITE_OK)
		reason_set(why_out, "%.100s: backup: %s (%d)", place,
		    sqlite3_errstr(rc), rc);
	free(path);
	return rc == SQLITE_OK;
}

static bool
take_name(const char *path, const char *to_path, struct reason *why_out)
{
	char *folder = strdup(to_path);
	bool is_done;

	if (folder == NULL)
		return refused(why_out, to_path);
	is_done = rename(path, to_path) == 0 || refused(why_out, to_path);
	is_done = is_done && sync_path(dirname(folder), why_out);
	free(folder);
	return is_done;
}

enum store_result
sqlite_backup(const char *place, const char *to_path, struct reason *why_out)
{
	char *path = new_neighbour(to_path, why_out);
	bool is_done;

	if (path == NULL)
		return STORE_AGAIN;
	is_done = copy_store(place, path, why_out) &&
	    sync_path(path, why_out) && take_name(path, to_path, why_out);
	if (!is_done)
		unlink(path);
	free(path);
	return is_done ? STORE_OK : STORE_AGAIN;
}
