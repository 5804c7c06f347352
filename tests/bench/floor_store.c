/* floor_store.c - the life of a job as SQLite sees it, and nothing else.
 *
 * Each transaction holds one batch of inserts, and of the results, delivered
 * marks and deletes of the batches before: what a busy daemon commits at once.
 */
#include "floor.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "wire.h"

enum {
	BATCH_JOBS = 32,
	RESULT_BYTES = 300,
	STATEMENTS = 4,
};

static const char file_name[] = "floor.db";

static const char schema[] =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
    "PRAGMA locking_mode=EXCLUSIVE;"
    "CREATE TABLE job(id INTEGER PRIMARY KEY, state INTEGER, due INTEGER,"
    " name TEXT, url TEXT, body BLOB, result BLOB);"
    "CREATE INDEX due ON job(due) WHERE state < 2;";

/* In the order of a job's life; ?1 is its number. */
static const char *const statements[STATEMENTS] = {
	"INSERT INTO job VALUES(?1, 0, ?1,"
	" '0198c5d2-7a30-7cc3-98c4-dc0c0c07398f',"
	" 'http://127.0.0.1:9000/callbacks/0000000100000007', ?2, NULL)",
	"UPDATE job SET state = 1, result = ?2 WHERE id = ?1",
	"UPDATE job SET state = 2 WHERE id = ?1",
	"DELETE FROM job WHERE id = ?1",
};

static void
must(sqlite3 *db, int code)
{
	if (code == SQLITE_OK || code == SQLITE_DONE)
		return;
	errno = EIO;
	give_up(sqlite3_errmsg(db));
}

static void
step_batch(sqlite3 *db, sqlite3_stmt *statement, int kind, int batch)
{
	static const char bytes[RESULT_BYTES] = "bytes";

	for (int i = 0; i < BATCH_JOBS && batch >= 0; i++) {
		sqlite3_bind_int(statement, 1, batch * BATCH_JOBS + i + 1);
		if (kind == 0)
			sqlite3_bind_blob(statement, 2, bytes, FLOOR_BODY_BYTES,
			    SQLITE_STATIC);
		else if (kind == 1)
			sqlite3_bind_blob(statement, 2, bytes, RESULT_BYTES,
			    SQLITE_STATIC);
		must(db, sqlite3_step(statement));
		sqlite3_reset(statement);
	}
}

static int64_t
live(sqlite3 *db, sqlite3_stmt **prepared)
{
	int batches = (FLOOR_WARM_JOBS + FLOOR_JOBS) / BATCH_JOBS;
	int64_t begun_us = 0;

	for (int batch = 0; batch < batches; batch++) {
		if (batch == FLOOR_WARM_JOBS / BATCH_JOBS)
			begun_us = floor_cpu_us();
		must(db, sqlite3_exec(db, "BEGIN", NULL, NULL, NULL));
		for (int kind = 0; kind < STATEMENTS; kind++)
			step_batch(db, prepared[kind], kind, batch - kind);
		must(db, sqlite3_exec(db, "COMMIT", NULL, NULL, NULL));
	}
	return floor_cpu_us() - begun_us;
}

static void
remove_files(void)
{
	unlink(file_name);
	unlink("floor.db-wal");
	unlink("floor.db-shm");
}

double
floor_store_us(void)
{
	sqlite3_stmt *prepared[STATEMENTS];
	sqlite3 *db;
	int64_t us;

	remove_files();
	if (sqlite3_open_v2(file_name, &db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
		    SQLITE_OPEN_NOMUTEX,
		NULL) != SQLITE_OK)
		give_up(file_name);
	must(db, sqlite3_exec(db, schema, NULL, NULL, NULL));
	for (int i = 0; i < STATEMENTS; i++)
		must(db,
		    sqlite3_prepare_v2(db, statements[i], -1, &prepared[i],
			NULL));
	us = live(db, prepared);
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(prepared[i]);
	sqlite3_close(db);
	remove_files();
	return (double)us / FLOOR_JOBS;
}
