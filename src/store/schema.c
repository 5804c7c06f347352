/* schema.c - the tables of the SQLite store, and every statement on them.
 *
 * 1. A job's seq is its rowid: the id leads to the row, rows lie in the order
 *    of acceptance, and a new one goes to the end of the tree.
 * 2. What changes in a job's life is in a small row, because every change
 *    writes it anew; what was asked for is written once, beside the body.
 *    Requests and responses have a table each: in a common one either kind
 *    would land in the middle of the tree. Tables with rowids, since an index
 *    tree keeps but a quarter of a page of a large row in place.
 * 3. What happens to every job touches no index that grows with the retention:
 *    open_jobs and open_deliveries hold the unfinished, dead_deliveries the
 *    dead letters, more_deliveries those that are not a job's own (driver.h).
 * 4. Versions are only ever added: a step that was released never changes.
 */
#include "schema.h"

/* clang-format off */

/* status < 2: queued or running; state < 2: pending or held; 3: dead. */
static const char version_1[] =
    "CREATE TABLE books ("
    " id INTEGER PRIMARY KEY CHECK (id = 0),"
    " accepted INTEGER NOT NULL,"
    " ended INTEGER NOT NULL,"
    " last_seq INTEGER NOT NULL,"
    " mark INTEGER NOT NULL);"
    "INSERT INTO books VALUES (0, 0, 0, 0, 0);"

    /* The moving part of a job. */
    "CREATE TABLE jobs ("
    " seq INTEGER PRIMARY KEY,"
    " salt INTEGER NOT NULL,"
    " status INTEGER NOT NULL,"
    " queue TEXT NOT NULL,"
    " client TEXT NOT NULL,"
    " priority INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL,"
    " max_attempts INTEGER NOT NULL,"
    " run_at INTEGER NOT NULL,"
    " started_at INTEGER NOT NULL,"
    " finished_at INTEGER NOT NULL,"
    " expires_at INTEGER NOT NULL,"
    " request_bytes INTEGER NOT NULL,"
    " ordering_key TEXT,"
    " response_status INTEGER NOT NULL,"
    " response_type TEXT,"
    " response_bytes INTEGER NOT NULL,"
    " error INTEGER NOT NULL,"
    " error_detail TEXT,"
    " lease_token TEXT,"
    " lease_until INTEGER NOT NULL,"
    " progress REAL NOT NULL,"
    " progress_message TEXT);"
    "CREATE INDEX open_jobs ON jobs (status) WHERE status < 2;"

    /* What was asked for: it never changes. The body comes last, so that the
     * rest is read without it. */
    "CREATE TABLE requests ("
    " seq INTEGER PRIMARY KEY,"
    " created_at INTEGER NOT NULL,"
    " timeout INTEGER NOT NULL,"
    " batch_seq INTEGER NOT NULL,"
    " batch_salt INTEGER NOT NULL,"
    " idempotency_key TEXT,"
    " method TEXT NOT NULL,"
    " target TEXT,"
    " content_type TEXT,"
    " callback_url TEXT,"
    " failure_url TEXT,"
    " callback_headers TEXT,"
    " callback_events INTEGER NOT NULL,"
    " callback_format INTEGER NOT NULL,"
    " delivery_seq INTEGER NOT NULL,"
    " delivery_salt INTEGER NOT NULL,"
    " headers TEXT,"
    " body BLOB);"
    "CREATE TABLE responses ("
    " seq INTEGER PRIMARY KEY, headers TEXT, body BLOB);"

    "CREATE TABLE deliveries ("
    " seq INTEGER PRIMARY KEY,"
    " salt INTEGER NOT NULL,"
    " state INTEGER NOT NULL,"
    " created_at INTEGER NOT NULL,"
    " job INTEGER NOT NULL,"
    " job_salt INTEGER NOT NULL,"
    " event INTEGER NOT NULL,"
    " format INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL,"
    " schedule_at INTEGER NOT NULL,"
    " next_at INTEGER NOT NULL,"
    " ended_at INTEGER NOT NULL,"
    " error INTEGER NOT NULL,"
    " url TEXT,"
    " headers TEXT,"
    " run INTEGER NOT NULL,"
    " run_started_at INTEGER NOT NULL,"
    " progress REAL NOT NULL,"
    " progress_message TEXT,"
    " attempts_json TEXT);"
    "CREATE INDEX open_deliveries ON deliveries (job) WHERE state < 2;"
    "CREATE INDEX dead_deliveries ON deliveries (seq) WHERE state = 3;"
    "CREATE INDEX more_deliveries ON deliveries (job) WHERE seq <> job + 1;"

    /* Clients' own names of requests; few jobs have one. */
    "CREATE TABLE keys ("
    " client TEXT NOT NULL,"
    " key TEXT NOT NULL,"
    " job INTEGER NOT NULL,"
    " fingerprint TEXT NOT NULL,"
    " PRIMARY KEY (client, key)) WITHOUT ROWID;"
    "CREATE INDEX keys_of_jobs ON keys (job);"

    /* Queues that an operator has stopped. */
    "CREATE TABLE paused_queues (name TEXT PRIMARY KEY) WITHOUT ROWID;"
    "CREATE TABLE probe (id INTEGER PRIMARY KEY, pad BLOB);";

/* What the clocks showed: at most one row. */
static const char version_2[] =
    "CREATE TABLE clock ("
    " id INTEGER PRIMARY KEY CHECK (id = 0),"
    " boot_id TEXT NOT NULL,"
    " boot INTEGER NOT NULL,"
    " wall INTEGER NOT NULL,"
    " set_at INTEGER NOT NULL,"
    " forward INTEGER NOT NULL);";

const char *const schema_steps[SCHEMA_VERSION] = {
	version_1,
	version_2,
};

#define JOB_COLUMNS \
    "seq, salt, status, queue, client, priority, attempts, max_attempts," \
    " run_at, started_at, finished_at, expires_at, request_bytes," \
    " ordering_key, response_status, response_type, response_bytes, error," \
    " error_detail, lease_token, lease_until, progress, progress_message"

/* Without seq, and up to what a payload is. */
#define REQUEST_COLUMNS \
    "created_at, timeout, batch_seq, batch_salt, idempotency_key, method," \
    " target, content_type, callback_url, failure_url, callback_headers," \
    " callback_events, callback_format, delivery_seq, delivery_salt"

#define JOB_CHANGES \
    "status = ?, attempts = ?, max_attempts = ?, run_at = ?," \
    " started_at = ?, finished_at = ?, expires_at = ?," \
    " response_status = ?, response_type = ?, response_bytes = ?, error = ?," \
    " error_detail = ?, lease_token = ?, lease_until = ?, progress = ?," \
    " progress_message = ?"

#define DELIVERY_COLUMNS \
    "seq, salt, state, created_at, job, job_salt, event, format, attempts," \
    " schedule_at, next_at, ended_at, error, url, headers, run," \
    " run_started_at, progress, progress_message, attempts_json"

#define DELIVERY_CHANGES \
    "state = ?, attempts = ?, schedule_at = ?, next_at = ?, ended_at = ?," \
    " error = ?, attempts_json = ?"

#define MARKS_16 "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"

#define WITHOUT_JOB(column) \
    " AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.seq = " column ")"

#define MOVED(column) \
    column " = CASE WHEN " column " >= 0 THEN " column " + ?1 ELSE " column \
    " END"

#define EACH_OPEN_JOB(status) \
    "SELECT seq, run_at, expires_at, request_bytes, priority, attempts," \
    " max_attempts, status, queue, client, ordering_key, lease_until," \
    " started_at" \
    " FROM jobs INDEXED BY open_jobs WHERE status < 2 AND status = " status \
    " ORDER BY seq"

const char *const schema_statements[STATEMENT_COUNT] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_ROLLBACK] = "ROLLBACK",
	[SQL_KEEP_TOTALS] =
	    "UPDATE books SET accepted = ?, ended = ?, last_seq = ?"
	    " WHERE id = 0",
	[SQL_GET_TOTALS] =
	    "SELECT accepted, ended, max(last_seq,"
	    " (SELECT coalesce(max(seq), 0) FROM jobs),"
	    " (SELECT coalesce(max(delivery_seq), 0) FROM"
	    "  (SELECT delivery_seq FROM requests ORDER BY seq DESC LIMIT 1)),"
	    " (SELECT coalesce(max(seq), 0) FROM deliveries))"
	    " FROM books WHERE id = 0",
	[SQL_KEEP_MARK] = "UPDATE books SET mark = ? WHERE id = 0",
	[SQL_GET_MARK] = "SELECT mark FROM books WHERE id = 0",

	[SQL_ADD_JOB] =
	    "INSERT INTO jobs (" JOB_COLUMNS ")"
	    " VALUES (" MARKS_16 ", ?, ?, ?, ?, ?, ?, ?)",
	[SQL_ADD_REQUEST] =
	    "INSERT INTO requests (seq, " REQUEST_COLUMNS ", headers, body)"
	    " VALUES (" MARKS_16 ", ?, ?)",
	[SQL_UPDATE_OPEN_JOB] =
	    "UPDATE jobs SET " JOB_CHANGES
	    " WHERE seq = ? AND salt = ? AND status < 2",
	[SQL_UPDATE_ENDED_JOB] =
	    "UPDATE jobs SET " JOB_CHANGES
	    " WHERE seq = ? AND salt = ? AND status >= 2",
	[SQL_RENEW_DELIVERY] =
	    "UPDATE requests SET delivery_seq = ?, delivery_salt = ?"
	    " WHERE seq = ?",
	[SQL_GET_JOB] =
	    "SELECT jobs." JOB_COLUMNS ", " REQUEST_COLUMNS
	    " FROM jobs CROSS JOIN requests ON requests.seq = jobs.seq"
	    " WHERE jobs.seq = ?",
	[SQL_LIST_JOBS] =
	    "SELECT seq, status, queue, client FROM jobs NOT INDEXED"
	    " WHERE seq >= ? AND seq < ? ORDER BY seq DESC",
	[SQL_LIST_OPEN_JOBS] =
	    "SELECT seq, status, queue, client FROM jobs INDEXED BY open_jobs"
	    " WHERE status < 2 AND status = ?3 AND seq >= ?1 AND seq < ?2"
	    " ORDER BY seq DESC",
	[SQL_EACH_QUEUED_JOB] = EACH_OPEN_JOB("0"),
	[SQL_EACH_RUNNING_JOB] = EACH_OPEN_JOB("1"),
	[SQL_COUNT_JOBS] =
	    "SELECT (SELECT count(*) FROM jobs INDEXED BY open_jobs"
	    "  WHERE status < 2 AND status = 0),"
	    " (SELECT count(*) FROM jobs INDEXED BY open_jobs"
	    "  WHERE status < 2 AND status = 1)",

	[SQL_ADD_RESPONSE] =
	    "INSERT OR REPLACE INTO responses (seq, headers, body)"
	    " VALUES (?, ?, ?)",
	[SQL_GET_REQUEST] = "SELECT headers, body FROM requests WHERE seq = ?",
	[SQL_GET_RESPONSE] =
	    "SELECT headers, body FROM responses WHERE seq = ?",

	[SQL_ADD_KEY] =
	    "INSERT INTO keys (client, key, job, fingerprint)"
	    " VALUES (?, ?, ?, ?)",
	[SQL_FIND_KEY] =
	    "SELECT job, fingerprint FROM keys WHERE client = ? AND key = ?",
	[SQL_PAUSE] = "INSERT OR IGNORE INTO paused_queues (name) VALUES (?)",
	[SQL_RESUME] = "DELETE FROM paused_queues WHERE name = ?",
	[SQL_EACH_PAUSED] = "SELECT name FROM paused_queues ORDER BY name",
	[SQL_SET_CLOCK] =
	    "INSERT OR REPLACE INTO clock VALUES (0, ?, ?, ?, ?, ?)",
	[SQL_GET_CLOCK] =
	    "SELECT boot_id, boot, wall, set_at, forward FROM clock",
	[SQL_MOVE_JOBS] =
	    "UPDATE jobs INDEXED BY open_jobs SET run_at = run_at + ?1, "
	    MOVED("started_at") ", " MOVED("expires_at") ", "
	    MOVED("lease_until") " WHERE status < 2",
	[SQL_MOVE_DELIVERIES] =
	    "UPDATE deliveries INDEXED BY open_deliveries SET "
	    MOVED("schedule_at") ", " MOVED("next_at") " WHERE state < 2",
	[SQL_PROBE] =
	    "INSERT OR REPLACE INTO probe VALUES (0, zeroblob(65536))",

	[SQL_ADD_DELIVERY] =
	    "INSERT OR IGNORE INTO deliveries (" DELIVERY_COLUMNS ")"
	    " VALUES (" MARKS_16 ", ?, ?, ?, ?)",
	[SQL_REPLACE_DELIVERY] =
	    "INSERT OR REPLACE INTO deliveries (" DELIVERY_COLUMNS ")"
	    " VALUES (" MARKS_16 ", ?, ?, ?, ?)",
	[SQL_UPDATE_DELIVERY] =
	    "UPDATE deliveries SET " DELIVERY_CHANGES
	    " WHERE seq = ? AND salt = ?",
	[SQL_GET_DELIVERY] =
	    "SELECT " DELIVERY_COLUMNS " FROM deliveries WHERE seq = ?",
	[SQL_LIST_DELIVERIES] =
	    "SELECT " DELIVERY_COLUMNS " FROM deliveries NOT INDEXED"
	    " WHERE seq < ? ORDER BY seq DESC",
	[SQL_LIST_DEAD_DELIVERIES] =
	    "SELECT " DELIVERY_COLUMNS " FROM deliveries"
	    " INDEXED BY dead_deliveries"
	    " WHERE state = 3 AND seq < ? ORDER BY seq DESC",
	[SQL_EACH_OPEN_DELIVERY] =
	    "SELECT seq, next_at, state, url"
	    " FROM deliveries INDEXED BY open_deliveries WHERE state < 2"
	    " ORDER BY job, seq",
	[SQL_FIND_OPEN_DELIVERY] =
	    "SELECT seq FROM deliveries INDEXED BY open_deliveries"
	    " WHERE job = ? AND state < 2 AND event = ? LIMIT 1",
	[SQL_COUNT_DELIVERIES] =
	    "SELECT count(*) FROM deliveries INDEXED BY open_deliveries"
	    " WHERE state < 2",

	[SQL_PURGE_END] =
	    "SELECT max(seq), count(*) FROM (SELECT seq FROM jobs NOT INDEXED"
	    " WHERE seq > ? AND seq < ? ORDER BY seq LIMIT ?)",
	[SQL_PURGE_JOBS] =
	    "DELETE FROM jobs NOT INDEXED WHERE seq > ? AND seq <= ?"
	    " AND status >= 2 AND finished_at < ? AND NOT EXISTS"
	    " (SELECT 1 FROM deliveries INDEXED BY open_deliveries"
	    "  WHERE job = jobs.seq AND state < 2)",
	[SQL_PURGE_REQUESTS] =
	    "DELETE FROM requests WHERE seq > ? AND seq <= ?"
	    WITHOUT_JOB("requests.seq"),
	[SQL_PURGE_RESPONSES] =
	    "DELETE FROM responses WHERE seq > ? AND seq <= ?"
	    WITHOUT_JOB("responses.seq"),
	[SQL_PURGE_KEYS] =
	    "DELETE FROM keys WHERE job > ? AND job <= ?"
	    WITHOUT_JOB("keys.job"),
	[SQL_PURGE_DELIVERIES] =
	    "DELETE FROM deliveries NOT INDEXED"
	    " WHERE seq > ?1 AND seq <= ?2 + 1 AND seq = job + 1"
	    WITHOUT_JOB("deliveries.job"),
	[SQL_PURGE_MORE_DELIVERIES] =
	    "DELETE FROM deliveries INDEXED BY more_deliveries"
	    " WHERE seq <> job + 1 AND job > ? AND job <= ?"
	    WITHOUT_JOB("deliveries.job"),
};
