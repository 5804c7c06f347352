/* sqlite_lists.c - many records of the SQLite store at once.
 *
 * 1. A list looks at the columns it filters by before it takes a whole row.
 * 2. No list sorts: rows come in the order of an index or of the table.
 *
 * Thread: the one in a turn of the ledger.
 */
#include "sqlite.h"

static struct sqlite *
sqlite_of(struct driver *driver)
{
	return (struct sqlite *)(void *)driver;
}

static const char *
text_at(sqlite3_stmt *statement, int column)
{
	const void *text = sqlite3_column_text(statement, column);

	return text == NULL ? "" : text;
}

/* Ends a walk over rows. rc: of the last step. */
static enum store_result
walked(struct sqlite *self, enum statement which, int rc)
{
	sqlite3_reset(self->statements[which]);
	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		return STORE_OK;
	return sqlite_failed(self, schema_statements[which], rc);
}

static bool
job_row_passes(const struct job_filter *filter, sqlite3_stmt *statement)
{
	return job_passes(filter, sqlite3_column_int(statement, LISTED_STATUS),
	    text_at(statement, LISTED_QUEUE),
	    text_at(statement, LISTED_CLIENT));
}

static enum store_result
show_job(struct driver *driver, int64_t seq,
    void (*each)(const struct job *job, void *arg), void *arg)
{
	enum store_result result;
	struct job job;

	job_init(&job);
	result = sqlite_get_job(driver, seq, &job);
	if (result == STORE_OK)
		each(&job, arg);
	job_clear(&job);
	return result;
}

/* The unfinished of one status have an index; others are walked. */
static sqlite3_stmt *
start_job_list(struct sqlite *self, const struct job_filter *filter,
    enum statement *which_out)
{
	bool is_open = filter->status == JOB_QUEUED ||
	    filter->status == JOB_RUNNING;
	sqlite3_stmt *statement;
	int64_t from_seq, below_seq;

	*which_out = is_open ? SQL_LIST_OPEN_JOBS : SQL_LIST_JOBS;
	statement = sqlite_statement(self, *which_out);
	job_bounds(filter, &from_seq, &below_seq);
	sqlite3_bind_int64(statement, 1, from_seq);
	sqlite3_bind_int64(statement, 2, below_seq);
	if (is_open)
		sqlite3_bind_int(statement, 3, filter->status);
	return statement;
}

enum store_result
sqlite_list_jobs(struct driver *driver, const struct job_filter *filter,
    void (*each)(const struct job *job, void *arg), void *arg,
    int64_t *next_seq_out)
{
	struct sqlite *self = sqlite_of(driver);
	enum statement which;
	sqlite3_stmt *statement = start_job_list(self, filter, &which);
	enum store_result result = STORE_OK;
	int found = 0, looked = 0, rc;
	int64_t last_seq = 0;

	if (statement == NULL)
		return STORE_AGAIN;
	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		if (found == filter->limit || looked++ == filter->scan_max)
			break; /* with one more row to come */
		last_seq = sqlite3_column_int64(statement, LISTED_SEQ);
		if (!job_row_passes(filter, statement))
			continue;
		result = show_job(driver, last_seq, each, arg);
		if (result != STORE_OK)
			break;
		found++;
	}
	if (result != STORE_OK)
		sqlite3_reset(statement);
	else
		result = walked(self, which, rc);
	if (result == STORE_OK)
		*next_seq_out = rc == SQLITE_ROW ? last_seq : 0;
	return result;
}

static bool
delivery_row_passes(const struct delivery_filter *filter,
    sqlite3_stmt *statement)
{
	return delivery_passes(filter,
	    sqlite3_column_int(statement, COLUMN_STATE),
	    sqlite3_column_int64(statement, COLUMN_CREATED_AT));
}

static enum store_result
show_delivery(struct sqlite *self, sqlite3_stmt *statement,
    void (*each)(const struct delivery *delivery, void *arg), void *arg)
{
	struct cursor cursor = { statement, 0, false, false };
	enum store_result result;
	struct delivery delivery;

	delivery_init(&delivery);
	sqlite_take_delivery(&cursor, &delivery);
	result = sqlite_taken(self, &cursor);
	if (result == STORE_OK)
		each(&delivery, arg);
	delivery_clear(&delivery);
	return result;
}

enum store_result
sqlite_list_deliveries(struct driver *driver,
    const struct delivery_filter *filter,
    void (*each)(const struct delivery *delivery, void *arg), void *arg,
    int64_t *next_seq_out)
{
	struct sqlite *self = sqlite_of(driver);
	enum statement which = filter->state == DELIVERY_DEAD
	    ? SQL_LIST_DEAD_DELIVERIES
	    : SQL_LIST_DELIVERIES;
	sqlite3_stmt *statement = sqlite_statement(self, which);
	enum store_result result = STORE_OK;
	int found = 0, looked = 0, rc;
	int64_t last_seq = 0;

	if (statement == NULL)
		return STORE_AGAIN;
	sqlite3_bind_int64(statement, 1,
	    filter->below_seq > 0 ? filter->below_seq : INT64_MAX);
	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		if (found == filter->limit || looked++ == filter->scan_max)
			break;
		last_seq = sqlite3_column_int64(statement, COLUMN_SEQ);
		if (!delivery_row_passes(filter, statement))
			continue;
		result = show_delivery(self, statement, each, arg);
		if (result != STORE_OK)
			break;
		found++;
	}
	if (result != STORE_OK)
		sqlite3_reset(statement);
	else
		result = walked(self, which, rc);
	if (result == STORE_OK)
		*next_seq_out = rc == SQLITE_ROW ? last_seq : 0;
	return result;
}

/* Small facts need no care about their ranges, but the status is a state. */
static bool
take_open_job(sqlite3_stmt *statement, struct open_job *job)
{
	int status = sqlite3_column_int(statement, 7);

	job->seq = sqlite3_column_int64(statement, 0);
	job->run_at_ms = sqlite3_column_int64(statement, 1);
	job->expires_at_ms = sqlite3_column_int64(statement, 2);
	job->request_bytes = sqlite3_column_int64(statement, 3);
	job->priority = sqlite3_column_int(statement, 4);
	job->attempts = sqlite3_column_int(statement, 5);
	job->max_attempts = sqlite3_column_int(statement, 6);
	job->status = (enum job_status)status;
	job->queue = text_at(statement, 8);
	job->client = text_at(statement, 9);
	job->ordering_key = (const char *)sqlite3_column_text(statement, 10);
	job->lease_until_ms = sqlite3_column_int64(statement, 11);
	job->started_at_ms = sqlite3_column_int64(statement, 12);
	return (status == JOB_QUEUED || status == JOB_RUNNING) &&
	    job->priority >= 0 && job->priority <= PRIORITY_MAX;
}

/* One of the two walks that each_open_job merges. */
struct walk {
	enum statement which;
	struct open_job job; /* the next one, when rc is SQLITE_ROW */
	int rc;
};

static void
walk_on(struct sqlite *self, struct walk *walk)
{
	walk->rc = sqlite3_step(self->statements[walk->which]);
	if (walk->rc == SQLITE_ROW &&
	    !take_open_job(self->statements[walk->which], &walk->job))
		walk->rc = SQLITE_CORRUPT;
}

/* The older one of the next two; NULL at the end or when a walk failed. */
static struct walk *
older_walk(struct walk *a, struct walk *b)
{
	if (a->rc == SQLITE_DONE)
		return b->rc == SQLITE_ROW ? b : NULL;
	if (b->rc == SQLITE_DONE)
		return a->rc == SQLITE_ROW ? a : NULL;
	if (a->rc != SQLITE_ROW || b->rc != SQLITE_ROW)
		return NULL;
	return a->job.seq < b->job.seq ? a : b;
}

enum store_result
sqlite_each_open_job(struct driver *driver,
    bool (*each)(const struct open_job *job, void *arg), void *arg)
{
	struct sqlite *self = sqlite_of(driver);
	struct walk queued = { .which = SQL_EACH_QUEUED_JOB };
	struct walk running = { .which = SQL_EACH_RUNNING_JOB };
	enum store_result result, other;
	struct walk *next;

	if (self->db == NULL)
		return STORE_AGAIN;
	walk_on(self, &queued);
	walk_on(self, &running);
	while ((next = older_walk(&queued, &running)) != NULL) {
		if (!each(&next->job, arg))
			break;
		walk_on(self, next);
	}
	result = walked(self, queued.which, queued.rc);
	other = walked(self, running.which, running.rc);
	return result != STORE_OK ? result : other;
}

static bool
take_open_delivery(sqlite3_stmt *statement, struct open_delivery *delivery)
{
	int state = sqlite3_column_int(statement, 2);

	delivery->seq = sqlite3_column_int64(statement, 0);
	delivery->next_at_ms = sqlite3_column_int64(statement, 1);
	delivery->state = (enum delivery_state)state;
	delivery->url = text_at(statement, 3);
	return state == DELIVERY_PENDING || state == DELIVERY_HELD;
}

enum store_result
sqlite_each_open_delivery(struct driver *driver,
    bool (*each)(const struct open_delivery *delivery, void *arg), void *arg)
{
	struct sqlite *self = sqlite_of(driver);
	enum statement which = SQL_EACH_OPEN_DELIVERY;
	sqlite3_stmt *statement = sqlite_statement(self, which);
	struct open_delivery delivery;
	int rc;

	if (statement == NULL)
		return STORE_AGAIN;
	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		if (!take_open_delivery(statement, &delivery)) {
			rc = SQLITE_CORRUPT;
			break;
		}
		if (!each(&delivery, arg))
			break;
	}
	return walked(self, which, rc);
}

enum store_result
sqlite_each_paused(struct driver *driver,
    void (*each)(const char *queue, void *arg), void *arg)
{
	struct sqlite *self = sqlite_of(driver);
	enum statement which = SQL_EACH_PAUSED;
	sqlite3_stmt *statement = sqlite_statement(self, which);
	int rc;

	if (statement == NULL)
		return STORE_AGAIN;
	while ((rc = sqlite3_step(statement)) == SQLITE_ROW)
		each(text_at(statement, 0), arg);
	return walked(self, which, rc);
}
