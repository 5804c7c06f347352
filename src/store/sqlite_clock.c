/* sqlite_clock.c - what the clocks showed, and moments that follow them.
 *
 * Thread: the one in a turn of the ledger.
 */
#include <string.h>

#include "sqlite.h"

static struct sqlite *
sqlite_of(struct driver *driver)
{
	return (struct sqlite *)(void *)driver;
}

enum store_result
sqlite_set_clock(struct driver *driver, const struct store_clock *clock)
{
	struct sqlite *self = sqlite_of(driver);
	sqlite3_stmt *statement = sqlite_statement(self, SQL_SET_CLOCK);

	sqlite3_bind_text(statement, 1, clock->boot_id, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 2, clock->boot_ms);
	sqlite3_bind_int64(statement, 3, clock->wall_ms);
	sqlite3_bind_int64(statement, 4, clock->set_at_ms);
	sqlite3_bind_int64(statement, 5, clock->forward_ms);
	return sqlite_run(self, SQL_SET_CLOCK);
}

/* An id that is too long is none of ours. */
static void
take_clock(sqlite3_stmt *statement, struct store_clock *out)
{
	const char *boot_id = (const char *)sqlite3_column_text(statement, 0);

	memset(out, 0, sizeof(*out));
	if (boot_id != NULL && strlen(boot_id) < CLOCK_BOOT_ID_SIZE)
		memcpy(out->boot_id, boot_id, strlen(boot_id));
	out->boot_ms = sqlite3_column_int64(statement, 1);
	out->wall_ms = sqlite3_column_int64(statement, 2);
	out->set_at_ms = sqlite3_column_int64(statement, 3);
	out->forward_ms = sqlite3_column_int64(statement, 4);
}

enum store_result
sqlite_get_clock(struct driver *driver, struct store_clock *out)
{
	struct sqlite *self = sqlite_of(driver);
	sqlite3_stmt *statement = sqlite_statement(self, SQL_GET_CLOCK);
	int rc;

	if (statement == NULL)
		return STORE_AGAIN;
	rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW)
		take_clock(statement, out);
	sqlite3_reset(statement);
	if (rc == SQLITE_ROW)
		return STORE_OK;
	return rc == SQLITE_DONE
	    ? STORE_MISSING
	    : sqlite_failed(self, schema_statements[SQL_GET_CLOCK], rc);
}

enum store_result
sqlite_move_waits(struct driver *driver, int64_t by_ms)
{
	struct sqlite *self = sqlite_of(driver);
	enum store_result result;

	sqlite3_bind_int64(sqlite_statement(self, SQL_MOVE_JOBS), 1, by_ms);
	result = sqlite_run(self, SQL_MOVE_JOBS);
	if (result != STORE_OK)
		return result;
	sqlite3_bind_int64(sqlite_statement(self, SQL_MOVE_DELIVERIES), 1,
	    by_ms);
	return sqlite_run(self, SQL_MOVE_DELIVERIES);
}
