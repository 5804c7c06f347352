/* sqlite_rows.c - records in and out of the SQLite store.
 *
 * 1. Parameters and columns are taken in the order of the lists in schema.c;
 *    put_job and take_job mirror each other, and so on.
 * 2. Strings and bodies are bound where they lie, without a copy: a statement
 *    never outlives the call that was given them.
 * 3. A row is foreign bytes: a number out of its range or a name too long is
 *    damage (STORE_BROKEN), never an index into a table of ours.
 *
 * Thread: the one in a turn of the ledger.
 */
#include "sqlite.h"

#include <string.h>

static struct sqlite *
sqlite_of(struct driver *driver)
{
	return (struct sqlite *)(void *)driver;
}

static void
put_number(struct cursor *cursor, int64_t number)
{
	sqlite3_bind_int64(cursor->statement, cursor->at++, number);
}

static void
put_real(struct cursor *cursor, double number)
{
	sqlite3_bind_double(cursor->statement, cursor->at++, number);
}

/* NULL is NULL. */
static void
put_text(struct cursor *cursor, const char *text)
{
	sqlite3_bind_text(cursor->statement, cursor->at++, text, -1,
	    SQLITE_STATIC);
}

static void
put_body(struct cursor *cursor, const struct blob *body)
{
	sqlite3_bind_blob64(cursor->statement, cursor->at++, blob_data(body),
	    blob_len(body), SQLITE_STATIC);
}

static void
put_id(struct cursor *cursor, struct uuid id)
{
	put_number(cursor, id.seq);
	put_number(cursor, (int64_t)id.salt);
}

static int64_t
take_number(struct cursor *cursor)
{
	return sqlite3_column_int64(cursor->statement, cursor->at++);
}

static int32_t
take_within(struct cursor *cursor, int32_t min, int32_t max)
{
	int64_t number = take_number(cursor);

	if (number >= min && number <= max)
		return (int32_t)number;
	cursor->is_damaged = true;
	return min;
}

/* A share, or -1 for none. */
static double
take_share(struct cursor *cursor)
{
	double number = sqlite3_column_double(cursor->statement, cursor->at++);

	if (number >= -1 && number <= 1)
		return number;
	cursor->is_damaged = true;
	return -1;
}

static struct uuid
take_id(struct cursor *cursor)
{
	struct uuid id;

	id.seq = take_number(cursor);
	id.salt = (uint64_t)take_number(cursor);
	return id;
}

/* A copy; NULL stays NULL. */
static char *
take_text(struct cursor *cursor)
{
	int column = cursor->at++;
	const void *text;
	char *copy;

	if (sqlite3_column_type(cursor->statement, column) == SQLITE_NULL)
		return NULL;
	text = sqlite3_column_text(cursor->statement, column);
	copy = text == NULL
	    ? NULL
	    : text_copy_n(text,
		  (size_t)sqlite3_column_bytes(cursor->statement, column));
	if (copy == NULL)
		cursor->is_short_of_memory = true;
	return copy;
}

static void
take_name(struct cursor *cursor, char *out, size_t size)
{
	int column = cursor->at++;
	const void *text = sqlite3_column_text(cursor->statement, column);
	size_t len = (size_t)sqlite3_column_bytes(cursor->statement, column);

	if (text == NULL || len >= size) {
		cursor->is_damaged = true;
		return;
	}
	memcpy(out, text, len);
	out[len] = '\0';
}

/* The same, where nothing is "". */
static void
take_word(struct cursor *cursor, char *out, size_t size)
{
	if (sqlite3_column_type(cursor->statement, cursor->at) != SQLITE_NULL) {
		take_name(cursor, out, size);
		return;
	}
	cursor->at++;
	out[0] = '\0';
}

static struct blob *
take_body(struct cursor *cursor)
{
	int column = cursor->at++;
	const void *bytes = sqlite3_column_blob(cursor->statement, column);
	int len = sqlite3_column_bytes(cursor->statement, column);
	struct blob *body;

	if (len == 0)
		return NULL;
	body = bytes == NULL ? NULL : blob_new(bytes, (size_t)len);
	if (body == NULL)
		cursor->is_short_of_memory = true;
	return body;
}

enum store_result
sqlite_taken(struct sqlite *self, const struct cursor *cursor)
{
	if (cursor->is_damaged)
		return sqlite_failed(self, "a row", SQLITE_CORRUPT);
	if (cursor->is_short_of_memory)
		return sqlite_failed(self, "a row", SQLITE_NOMEM);
	return STORE_OK;
}

static void
put_lease(struct cursor *cursor, const struct job *job)
{
	put_text(cursor, job->lease_token[0] != '\0' ? job->lease_token : NULL);
	put_number(cursor, job->lease_until_ms);
	put_real(cursor, job->progress);
	put_text(cursor, job->progress_message);
}

static void
put_job(struct cursor *cursor, const struct job *job)
{
	put_id(cursor, job->id);
	put_number(cursor, job->status);
	put_text(cursor, job->queue);
	put_text(cursor, job->client);
	put_number(cursor, job->priority);
	put_number(cursor, job->attempts);
	put_number(cursor, job->max_attempts);
	put_number(cursor, job->run_at_ms);
	put_number(cursor, job->started_at_ms);
	put_number(cursor, job->finished_at_ms);
	put_number(cursor, job->expires_at_ms);
	put_number(cursor, job->request_bytes);
	put_text(cursor, job->ordering_key);
	put_number(cursor, job->response_status);
	put_text(cursor, job->response_type);
	put_number(cursor, job->response_bytes);
	put_number(cursor, job->error);
	put_text(cursor, job->error_detail);
	put_lease(cursor, job);
}

static void
put_request(struct cursor *cursor, const struct job *job)
{
	put_number(cursor, job->created_at_ms);
	put_number(cursor, job->timeout_ms);
	put_id(cursor, job->batch);
	put_text(cursor, job->idempotency_key);
	put_text(cursor, job->method);
	put_text(cursor, job->target);
	put_text(cursor, job->content_type);
	put_text(cursor, job->callback_url);
	put_text(cursor, job->failure_url);
	put_text(cursor, job->callback_headers);
	put_number(cursor, job->callback_events);
	put_number(cursor, job->callback_format);
	put_id(cursor, job->delivery);
}

/* The moving part, then what was asked for. */
static void
take_job(struct cursor *cursor, struct job *job)
{
	job->id = take_id(cursor);
	job->status = (enum job_status)take_within(cursor, JOB_QUEUED,
	    JOB_STATUS_COUNT - 1);
	take_name(cursor, job->queue, sizeof(job->queue));
	take_name(cursor, job->client, sizeof(job->client));
	job->priority = take_within(cursor, 0, PRIORITY_MAX);
	job->attempts = take_within(cursor, 0, INT32_MAX);
	job->max_attempts = take_within(cursor, 0, INT32_MAX);
	job->run_at_ms = take_number(cursor);
	job->started_at_ms = take_number(cursor);
	job->finished_at_ms = take_number(cursor);
	job->expires_at_ms = take_number(cursor);
	job->request_bytes = take_number(cursor);
	job->ordering_key = take_text(cursor);
	job->response_status = take_within(cursor, 0, 999);
	job->response_type = take_text(cursor);
	job->response_bytes = take_number(cursor);
	job->error = (enum job_error)take_within(cursor, ERROR_NONE,
	    JOB_ERROR_COUNT - 1);
	job->error_detail = take_text(cursor);
	take_word(cursor, job->lease_token, sizeof(job->lease_token));
	job->lease_until_ms = take_number(cursor);
	job->progress = take_share(cursor);
	job->progress_message = take_text(cursor);
}

static void
take_request(struct cursor *cursor, struct job *job)
{
	job->created_at_ms = take_number(cursor);
	job->timeout_ms = take_number(cursor);
	job->batch = take_id(cursor);
	job->idempotency_key = take_text(cursor);
	take_name(cursor, job->method, sizeof(job->method));
	job->target = take_text(cursor);
	job->content_type = take_text(cursor);
	job->callback_url = take_text(cursor);
	job->failure_url = take_text(cursor);
	job->callback_headers = take_text(cursor);
	job->callback_events = (unsigned)take_within(cursor, 0, INT32_MAX);
	job->callback_format = (enum callback_format)take_within(cursor,
	    FORMAT_STANDARD, FORMAT_THIN);
	job->delivery = take_id(cursor);
}

enum store_result
sqlite_add_job(struct driver *driver, const struct job *job,
    const struct payload *request)
{
	struct sqlite *self = sqlite_of(driver);
	struct cursor row = { sqlite_statement(self, SQL_ADD_JOB), 1, false,
		false };
	struct cursor asked = { sqlite_statement(self, SQL_ADD_REQUEST), 1,
		false, false };
	enum store_result result;

	put_job(&row, job);
	result = sqlite_run(self, SQL_ADD_JOB);
	if (result != STORE_OK)
		return result;
	put_number(&asked, job->id.seq);
	put_request(&asked, job);
	put_text(&asked, request->headers);
	put_body(&asked, request->body);
	return sqlite_run(self, SQL_ADD_REQUEST);
}

static enum store_result
add_response(struct sqlite *self, int64_t job_seq,
    const struct payload *response)
{
	struct cursor cursor = { sqlite_statement(self, SQL_ADD_RESPONSE), 1,
		false, false };

	put_number(&cursor, job_seq);
	put_text(&cursor, response->headers);
	put_body(&cursor, response->body);
	return sqlite_run(self, SQL_ADD_RESPONSE);
}

/* STORE_MISSING when no row of that kind was there to change. */
static enum store_result
change_job(struct sqlite *self, enum statement which, const struct job *job)
{
	struct cursor cursor = { sqlite_statement(self, which), 1, false,
		false };
	enum store_result result;

	put_number(&cursor, job->status);
	put_number(&cursor, job->attempts);
	put_number(&cursor, job->max_attempts);
	put_number(&cursor, job->run_at_ms);
	put_number(&cursor, job->started_at_ms);
	put_number(&cursor, job->finished_at_ms);
	put_number(&cursor, job->expires_at_ms);
	put_number(&cursor, job->response_status);
	put_text(&cursor, job->response_type);
	put_number(&cursor, job->response_bytes);
	put_number(&cursor, job->error);
	put_text(&cursor, job->error_detail);
	put_lease(&cursor, job);
	put_id(&cursor, job->id);
	result = sqlite_run(self, which);
	if (result == STORE_OK && sqlite3_changes(self->db) == 0)
		return STORE_MISSING;
	return result;
}

/* Nearly always the row is unfinished; only a job brought back to life is not.
 * So asking what it was costs nothing. */
enum store_result
sqlite_update_job(struct driver *driver, const struct job *job,
    const struct payload *response, bool *had_ended_out)
{
	struct sqlite *self = sqlite_of(driver);
	enum store_result result = change_job(self, SQL_UPDATE_OPEN_JOB, job);
	bool had_ended = result == STORE_MISSING;

	if (had_ended)
		result = change_job(self, SQL_UPDATE_ENDED_JOB, job);
	if (result == STORE_OK && response != NULL)
		result = add_response(self, job->id.seq, response);
	if (result == STORE_OK)
		*had_ended_out = had_ended;
	return result;
}

enum store_result
sqlite_renew_delivery(struct driver *driver, const struct job *job)
{
	struct sqlite *self = sqlite_of(driver);
	struct cursor cursor = { sqlite_statement(self, SQL_RENEW_DELIVERY), 1,
		false, false };

	put_id(&cursor, job->delivery);
	put_number(&cursor, job->id.seq);
	return sqlite_run(self, SQL_RENEW_DELIVERY);
}

/* Steps to the row of a number. The caller resets the statement. */
static enum store_result
find(struct sqlite *self, enum statement which, int64_t seq,
    sqlite3_stmt **statement_out)
{
	sqlite3_stmt *statement = sqlite_statement(self, which);
	int rc;

	if (statement == NULL)
		return STORE_AGAIN;
	*statement_out = statement;
	sqlite3_bind_int64(statement, 1, seq);
	rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW)
		return STORE_OK;
	sqlite3_reset(statement);
	if (rc == SQLITE_DONE)
		return STORE_MISSING;
	return sqlite_failed(self, schema_statements[which], rc);
}

enum store_result
sqlite_get_job(struct driver *driver, int64_t seq, struct job *out)
{
	struct sqlite *self = sqlite_of(driver);
	struct cursor cursor = { NULL, 0, false, false };
	enum store_result result = find(self, SQL_GET_JOB, seq,
	    &cursor.statement);

	if (result != STORE_OK)
		return result;
	take_job(&cursor, out);
	take_request(&cursor, out);
	result = sqlite_taken(self, &cursor);
	sqlite3_reset(cursor.statement);
	if (result != STORE_OK)
		job_clear(out);
	return result;
}

enum store_result
sqlite_get_payload(struct driver *driver, int64_t job_seq,
    enum payload_kind kind, struct payload *out)
{
	struct sqlite *self = sqlite_of(driver);
	struct cursor cursor = { NULL, 0, false, false };
	struct payload payload;
	enum store_result result = find(self,
	    kind == PAYLOAD_REQUEST ? SQL_GET_REQUEST : SQL_GET_RESPONSE,
	    job_seq, &cursor.statement);

	if (result != STORE_OK)
		return result;
	payload.headers = take_text(&cursor);
	payload.body = take_body(&cursor);
	result = sqlite_taken(self, &cursor);
	sqlite3_reset(cursor.statement);
	if (result == STORE_OK)
		*out = payload;
	else
		payload_clear(&payload);
	return result;
}

void
sqlite_take_delivery(struct cursor *cursor, struct delivery *delivery)
{
	delivery->id = take_id(cursor);
	delivery->state = (enum delivery_state)take_within(cursor,
	    DELIVERY_PENDING, DELIVERY_DEAD);
	delivery->created_at_ms = take_number(cursor);
	delivery->job = take_id(cursor);
	delivery->event = (enum job_event)take_within(cursor, EVENT_STARTED,
	    EVENT_CANCELLED);
	delivery->format = (enum callback_format)take_within(cursor,
	    FORMAT_STANDARD, FORMAT_THIN);
	delivery->attempts = take_within(cursor, 0, INT32_MAX);
	delivery->schedule_at_ms = take_number(cursor);
	delivery->next_at_ms = take_number(cursor);
	delivery->ended_at_ms = take_number(cursor);
	delivery->error = (enum job_error)take_within(cursor, ERROR_NONE,
	    JOB_ERROR_COUNT - 1);
	delivery->url = take_text(cursor);
	delivery->headers = take_text(cursor);
	delivery->run = take_within(cursor, 0, INT32_MAX);
	delivery->run_started_at_ms = take_number(cursor);
	delivery->progress = take_share(cursor);
	delivery->progress_message = take_text(cursor);
	delivery->attempts_json = take_text(cursor);
	if ((delivery->event & (delivery->event - 1)) != 0)
		cursor->is_damaged = true; /* more than one event */
}

static enum store_result
put_delivery(struct sqlite *self, enum statement which,
    const struct delivery *delivery)
{
	struct cursor cursor = { sqlite_statement(self, which), 1, false,
		false };

	put_id(&cursor, delivery->id);
	put_number(&cursor, delivery->state);
	put_number(&cursor, delivery->created_at_ms);
	put_id(&cursor, delivery->job);
	put_number(&cursor, delivery->event);
	put_number(&cursor, delivery->format);
	put_number(&cursor, delivery->attempts);
	put_number(&cursor, delivery->schedule_at_ms);
	put_number(&cursor, delivery->next_at_ms);
	put_number(&cursor, delivery->ended_at_ms);
	put_number(&cursor, delivery->error);
	put_text(&cursor, delivery->url);
	put_text(&cursor, delivery->headers);
	put_number(&cursor, delivery->run);
	put_number(&cursor, delivery->run_started_at_ms);
	put_real(&cursor, delivery->progress);
	put_text(&cursor, delivery->progress_message);
	put_text(&cursor, delivery->attempts_json);
	return sqlite_run(self, which);
}

/* Nearly always it is new. To replace costs more also when there is nothing to
 * replace: SQLite then keeps a journal of the statement. */
enum store_result
sqlite_add_delivery(struct driver *driver, const struct delivery *delivery)
{
	struct sqlite *self = sqlite_of(driver);
	enum store_result result = put_delivery(self, SQL_ADD_DELIVERY,
	    delivery);

	if (result != STORE_OK || sqlite3_changes(self->db) > 0)
		return result;
	return put_delivery(self, SQL_REPLACE_DELIVERY, delivery);
}

enum store_result
sqlite_update_delivery(struct driver *driver, const struct delivery *delivery)
{
	struct sqlite *self = sqlite_of(driver);
	struct cursor cursor = { sqlite_statement(self, SQL_UPDATE_DELIVERY), 1,
		false, false };
	enum store_result result;

	put_number(&cursor, delivery->state);
	put_number(&cursor, delivery->attempts);
	put_number(&cursor, delivery->schedule_at_ms);
	put_number(&cursor, delivery->next_at_ms);
	put_number(&cursor, delivery->ended_at_ms);
	put_number(&cursor, delivery->error);
	put_text(&cursor, delivery->attempts_json);
	put_id(&cursor, delivery->id);
	result = sqlite_run(self, SQL_UPDATE_DELIVERY);
	if (result == STORE_OK && sqlite3_changes(self->db) == 0)
		return STORE_MISSING;
	return result;
}

enum store_result
sqlite_get_delivery(struct driver *driver, int64_t seq, struct delivery *out)
{
	struct sqlite *self = sqlite_of(driver);
	struct cursor cursor = { NULL, 0, false, false };
	enum store_result result = find(self, SQL_GET_DELIVERY, seq,
	    &cursor.statement);

	if (result != STORE_OK)
		return result;
	sqlite_take_delivery(&cursor, out);
	result = sqlite_taken(self, &cursor);
	sqlite3_reset(cursor.statement);
	if (result != STORE_OK)
		delivery_clear(out);
	return result;
}

/* ---- idempotency keys ---- */

enum store_result
sqlite_add_key(struct driver *driver, const char *client, const char *key,
    const struct store_key *first)
{
	struct sqlite *self = sqlite_of(driver);
	struct cursor cursor = { sqlite_statement(self, SQL_ADD_KEY), 1, false,
		false };

	put_text(&cursor, client);
	put_text(&cursor, key);
	put_number(&cursor, first->job_seq);
	put_text(&cursor, first->fingerprint);
	return sqlite_run(self, SQL_ADD_KEY);
}

enum store_result
sqlite_find_key(struct driver *driver, const char *client, const char *key,
    struct store_key *out)
{
	struct sqlite *self = sqlite_of(driver);
	struct cursor cursor = { sqlite_statement(self, SQL_FIND_KEY), 1, false,
		false };
	enum store_result result;
	int rc;

	if (cursor.statement == NULL)
		return STORE_AGAIN;
	put_text(&cursor, client);
	put_text(&cursor, key);
	rc = sqlite3_step(cursor.statement);
	if (rc == SQLITE_ROW) {
		cursor.at = 0;
		out->job_seq = take_number(&cursor);
		take_name(&cursor, out->fingerprint, sizeof(out->fingerprint));
		result = sqlite_taken(self, &cursor);
	} else if (rc == SQLITE_DONE) {
		result = STORE_MISSING;
	} else {
		result = sqlite_failed(self, schema_statements[SQL_FIND_KEY],
		    rc);
	}
	sqlite3_reset(cursor.statement);
	return result;
}

/* ---- events on their way ---- */

enum store_result
sqlite_find_open_delivery(struct driver *driver, int64_t job_seq,
    enum job_event event, int64_t *seq_out)
{
	struct sqlite *self = sqlite_of(driver);
	sqlite3_stmt *statement = NULL;
	enum store_result result;

	if (sqlite_statement(self, SQL_FIND_OPEN_DELIVERY) != NULL)
		sqlite3_bind_int(sqlite_statement(self, SQL_FIND_OPEN_DELIVERY),
		    2, event);
	result = find(self, SQL_FIND_OPEN_DELIVERY, job_seq, &statement);
	if (result != STORE_OK)
		return result;
	*seq_out = sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	return STORE_OK;
}

/* ---- queues ---- */

enum store_result
sqlite_set_paused(struct driver *driver, const char *queue, bool paused)
{
	struct sqlite *self = sqlite_of(driver);
	enum statement which = paused ? SQL_PAUSE : SQL_RESUME;
	struct cursor cursor = { sqlite_statement(self, which), 1, false,
		false };

	put_text(&cursor, queue);
	return sqlite_run(self, which);
}
