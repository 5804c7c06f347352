/* memory.c - the store as it should be: the simplest thing that does what the
 * door says. Tests compare other drivers with it; nothing outlives it.
 *
 * 1. A write puts a new row into a table and the old one into the journal; a
 *    rollback puts back what it finds there, a commit frees it.
 * 2. What a driver of some speed looks up, this one finds by looking at all.
 *
 * Thread: the one in a turn of the ledger.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "memory_table.h"

struct memory {
	struct driver base; /* first */
	struct table jobs, deliveries;
	struct table paused; /* a job's row with nothing but a queue's name */
	struct totals totals;
	struct journal journal;
	struct store_clock clock, kept_clock; /* boot_ms 0: none */
};

static struct memory *
memory_of(struct driver *driver)
{
	return (struct memory *)(void *)driver;
}

static enum store_result
short_of_memory(struct memory *self)
{
	reason_set(&self->base.why, "memory: out of memory");
	return STORE_AGAIN;
}

static struct driver *
open_store(const char *place, bool full, struct reason *why_out)
{
	struct memory *self;

	(void)full;
	if (place[0] != '\0') {
		reason_set(why_out, "memory: takes no path");
		return NULL;
	}
	self = calloc(1, sizeof(*self));
	if (self == NULL) {
		reason_set(why_out, "out of memory");
		return NULL;
	}
	self->base.ops = &memory_driver;
	return &self->base;
}

static void
close_store(struct driver *driver)
{
	struct memory *self = memory_of(driver);

	table_free(&self->jobs);
	table_free(&self->deliveries);
	table_free(&self->paused);
	free(self->journal.entries);
	free(self);
}

static enum store_result
backup(const char *place, const char *to_path, struct reason *why_out)
{
	(void)place;
	(void)to_path;
	reason_set(why_out, "memory: cannot be copied to a file");
	return STORE_AGAIN;
}

static enum store_result
totals(struct driver *driver, struct totals *totals_out)
{
	*totals_out = memory_of(driver)->totals;
	return STORE_OK;
}

static enum store_result
begin(struct driver *driver)
{
	assert(memory_of(driver)->journal.count == 0);
	return STORE_OK;
}

static enum store_result
commit(struct driver *driver, bool is_durable, const struct totals *changed)
{
	struct memory *self = memory_of(driver);

	(void)is_durable;
	if (changed != NULL)
		self->totals = *changed;
	self->kept_clock = self->clock;
	journal_forget(&self->journal);
	table_compact(&self->jobs);
	table_compact(&self->deliveries);
	table_compact(&self->paused);
	return STORE_OK;
}

static void
rollback(struct driver *driver)
{
	struct memory *self = memory_of(driver);

	journal_undo(&self->journal);
	self->clock = self->kept_clock;
	table_compact(&self->jobs);
	table_compact(&self->deliveries);
	table_compact(&self->paused);
}

/* Puts a row that may be NULL for want of memory. Takes it. */
static enum store_result
put_or_fail(struct memory *self, struct table *table, int64_t seq,
    struct row *row)
{
	if (row != NULL && table_put(table, &self->journal, seq, row))
		return STORE_OK;
	row_free(row);
	return short_of_memory(self);
}

static enum store_result
add_job(struct driver *driver, const struct job *job,
    const struct payload *request)
{
	struct memory *self = memory_of(driver);
	struct row *row = row_new();

	if (row == NULL)
		return short_of_memory(self);
	if (!job_copy(&row->job, job) ||
	    !payload_copy(&row->request, request)) {
		row_free(row);
		row = NULL;
	}
	return put_or_fail(self, &self->jobs, job->id.seq, row);
}

/* The strings that change; the rest of the record stays. */
static bool
change_job(struct job *row, const struct job *job)
{
	free(row->response_type);
	free(row->error_detail);
	free(row->progress_message);
	row->response_type = text_copy(job->response_type);
	row->error_detail = text_copy(job->error_detail);
	row->progress_message = text_copy(job->progress_message);
	row->status = job->status;
	row->attempts = job->attempts;
	row->max_attempts = job->max_attempts;
	row->run_at_ms = job->run_at_ms;
	row->started_at_ms = job->started_at_ms;
	row->finished_at_ms = job->finished_at_ms;
	row->expires_at_ms = job->expires_at_ms;
	row->response_status = job->response_status;
	row->response_bytes = job->response_bytes;
	row->error = job->error;
	memcpy(row->lease_token, job->lease_token, sizeof(row->lease_token));
	row->lease_until_ms = job->lease_until_ms;
	row->progress = job->progress;
	return (row->response_type != NULL) == (job->response_type != NULL) &&
	    (row->error_detail != NULL) == (job->error_detail != NULL) &&
	    (row->progress_message != NULL) == (job->progress_message != NULL);
}

static enum store_result
update_job(struct driver *driver, const struct job *job,
    const struct payload *response, bool *had_ended_out)
{
	struct memory *self = memory_of(driver);
	const struct row *before = table_find(&self->jobs, job->id.seq);
	bool had_ended, is_whole;
	struct row *row;

	if (before == NULL || before->job.id.salt != job->id.salt)
		return STORE_MISSING;
	had_ended = job_has_ended(before->job.status);
	row = row_copy(before);
	is_whole = row != NULL && change_job(&row->job, job);
	if (is_whole && response != NULL) {
		payload_clear(&row->response);
		row->has_response = true;
		is_whole = payload_copy(&row->response, response);
	}
	if (!is_whole) {
		row_free(row);
		row = NULL;
	}
	if (put_or_fail(self, &self->jobs, job->id.seq, row) != STORE_OK)
		return STORE_AGAIN;
	*had_ended_out = had_ended;
	return STORE_OK;
}

static enum store_result
renew_delivery(struct driver *driver, const struct job *job)
{
	struct memory *self = memory_of(driver);
	const struct row *before = table_find(&self->jobs, job->id.seq);
	struct row *row = before != NULL ? row_copy(before) : NULL;

	if (before == NULL)
		return STORE_MISSING;
	if (row != NULL)
		row->job.delivery = job->delivery;
	return put_or_fail(self, &self->jobs, job->id.seq, row);
}

static enum store_result
get_job(struct driver *driver, int64_t seq, struct job *out)
{
	struct memory *self = memory_of(driver);
	const struct row *row = table_find(&self->jobs, seq);

	if (row == NULL)
		return STORE_MISSING;
	return job_copy(out, &row->job) ? STORE_OK : short_of_memory(self);
}

static enum store_result
get_payload(struct driver *driver, int64_t job_seq, enum payload_kind kind,
    struct payload *out)
{
	struct memory *self = memory_of(driver);
	const struct row *row = table_find(&self->jobs, job_seq);
	bool is_request = kind == PAYLOAD_REQUEST;

	if (row == NULL || (!is_request && !row->has_response))
		return STORE_MISSING;
	return payload_copy(out, is_request ? &row->request : &row->response)
	    ? STORE_OK
	    : short_of_memory(self);
}

static const struct row *
find_by_key(const struct memory *self, const char *client, const char *key)
{
	for (size_t i = 0; i < self->jobs.count; i++) {
		const struct row *row = self->jobs.slots[i].row;

		if (row != NULL && row->fingerprint[0] != '\0' &&
		    strcmp(row->job.client, client) == 0 &&
		    strcmp(row->job.idempotency_key, key) == 0)
			return row;
	}
	return NULL;
}

static enum store_result
add_key(struct driver *driver, const char *client, const char *key,
    const struct store_key *first)
{
	struct memory *self = memory_of(driver);
	const struct row *job = table_find(&self->jobs, first->job_seq);
	struct row *row = job != NULL ? row_copy(job) : NULL;

	assert(find_by_key(self, client, key) == NULL);
	if (row != NULL)
		memcpy(row->fingerprint, first->fingerprint,
		    sizeof(row->fingerprint));
	return put_or_fail(self, &self->jobs, first->job_seq, row);
}

static enum store_result
find_key(struct driver *driver, const char *client, const char *key,
    struct store_key *out)
{
	const struct row *row = find_by_key(memory_of(driver), client, key);

	if (row == NULL)
		return STORE_MISSING;
	out->job_seq = row->job.id.seq;
	memcpy(out->fingerprint, row->fingerprint, sizeof(out->fingerprint));
	return STORE_OK;
}

static const struct slot *
find_paused(const struct memory *self, const char *queue)
{
	for (size_t i = 0; i < self->paused.count; i++) {
		const struct slot *slot = &self->paused.slots[i];

		if (slot->row != NULL &&
		    strcmp(slot->row->job.queue, queue) == 0)
			return slot;
	}
	return NULL;
}

static enum store_result
add_paused(struct memory *self, const char *queue)
{
	const struct table *paused = &self->paused;
	int64_t seq = 1;
	struct row *row = row_new();

	if (paused->count > 0)
		seq = paused->slots[paused->count - 1].seq + 1;
	if (row != NULL)
		memcpy(row->job.queue, queue, strnlen(queue, NAME_SIZE - 1));
	return put_or_fail(self, &self->paused, seq, row);
}

static enum store_result
set_paused(struct driver *driver, const char *queue, bool paused)
{
	struct memory *self = memory_of(driver);
	const struct slot *found = find_paused(self, queue);

	if (paused == (found != NULL))
		return STORE_OK;
	if (paused)
		return add_paused(self, queue);
	if (table_put(&self->paused, &self->journal, found->seq, NULL))
		return STORE_OK;
	return short_of_memory(self);
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

static enum store_result
each_paused(struct driver *driver, void (*each)(const char *queue, void *arg),
    void *arg)
{
	struct memory *self = memory_of(driver);
	char(*names)[NAME_SIZE] = calloc(self->paused.count + 1, NAME_SIZE);
	size_t found = 0;

	if (names == NULL)
		return short_of_memory(self);
	for (size_t i = 0; i < self->paused.count; i++) {
		const struct row *row = self->paused.slots[i].row;

		if (row != NULL)
			memcpy(names[found++], row->job.queue, NAME_SIZE);
	}
	qsort(names, found, NAME_SIZE, compare_names);
	for (size_t i = 0; i < found; i++)
		each(names[i], arg);
	free(names);
	return STORE_OK;
}

static enum store_result
probe(struct driver *driver)
{
	(void)driver;
	return STORE_OK;
}

static enum store_result
add_delivery(struct driver *driver, const struct delivery *delivery)
{
	struct memory *self = memory_of(driver);
	struct row *row = row_new();

	if (row != NULL && !delivery_copy(&row->delivery, delivery)) {
		row_free(row);
		row = NULL;
	}
	return put_or_fail(self, &self->deliveries, delivery->id.seq, row);
}

static bool
change_delivery(struct delivery *row, const struct delivery *delivery)
{
	free(row->attempts_json);
	row->attempts_json = text_copy(delivery->attempts_json);
	row->state = delivery->state;
	row->attempts = delivery->attempts;
	row->schedule_at_ms = delivery->schedule_at_ms;
	row->next_at_ms = delivery->next_at_ms;
	row->ended_at_ms = delivery->ended_at_ms;
	row->error = delivery->error;
	return (row->attempts_json != NULL) ==
	    (delivery->attempts_json != NULL);
}

static enum store_result
update_delivery(struct driver *driver, const struct delivery *delivery)
{
	struct memory *self = memory_of(driver);
	const struct row *before = table_find(&self->deliveries,
	    delivery->id.seq);
	struct row *row;

	if (before == NULL || before->delivery.id.salt != delivery->id.salt)
		return STORE_MISSING;
	row = row_copy(before);
	if (row != NULL && !change_delivery(&row->delivery, delivery)) {
		row_free(row);
		row = NULL;
	}
	return put_or_fail(self, &self->deliveries, delivery->id.seq, row);
}

static enum store_result
get_delivery(struct driver *driver, int64_t seq, struct delivery *out)
{
	struct memory *self = memory_of(driver);
	const struct row *row = table_find(&self->deliveries, seq);

	if (row == NULL)
		return STORE_MISSING;
	return delivery_copy(out, &row->delivery) ? STORE_OK
						  : short_of_memory(self);
}

static bool
is_open_delivery(const struct row *row)
{
	return row != NULL && row->delivery.state < DELIVERY_DELIVERED;
}

static enum store_result
find_open_delivery(struct driver *driver, int64_t job_seq, enum job_event event,
    int64_t *seq_out)
{
	struct memory *self = memory_of(driver);

	for (size_t i = 0; i < self->deliveries.count; i++) {
		const struct row *row = self->deliveries.slots[i].row;

		if (!is_open_delivery(row) ||
		    row->delivery.job.seq != job_seq ||
		    row->delivery.event != event)
			continue;
		*seq_out = row->delivery.id.seq;
		return STORE_OK;
	}
	return STORE_MISSING;
}

/* ---- clocks ---- */

static enum store_result
get_clock(struct driver *driver, struct store_clock *out)
{
	const struct store_clock *clock = &memory_of(driver)->clock;

	if (clock->boot_ms == 0)
		return STORE_MISSING;
	*out = *clock;
	return STORE_OK;
}

static enum store_result
set_clock(struct driver *driver, const struct store_clock *clock)
{
	memory_of(driver)->clock = *clock;
	return STORE_OK;
}

static void
move(int64_t *at_ms, int64_t by_ms)
{
	if (*at_ms >= 0)
		*at_ms += by_ms;
}

static void
move_job(struct job *job, int64_t by_ms)
{
	move(&job->run_at_ms, by_ms);
	move(&job->started_at_ms, by_ms);
	move(&job->expires_at_ms, by_ms);
	move(&job->lease_until_ms, by_ms);
}

static void
move_delivery(struct delivery *delivery, int64_t by_ms)
{
	move(&delivery->schedule_at_ms, by_ms);
	move(&delivery->next_at_ms, by_ms);
}

static bool
is_unfinished(const struct row *row)
{
	return row != NULL && !job_has_ended(row->job.status);
}

static enum store_result
move_waits(struct driver *driver, int64_t by_ms)
{
	struct memory *self = memory_of(driver);
	enum store_result result = STORE_OK;

	for (size_t i = 0; result == STORE_OK && i < self->jobs.count; i++) {
		const struct slot *slot = &self->jobs.slots[i];
		struct row *row;

		if (!is_unfinished(slot->row))
			continue;
		row = row_copy(slot->row);
		if (row != NULL)
			move_job(&row->job, by_ms);
		result = put_or_fail(self, &self->jobs, slot->seq, row);
	}
	for (size_t i = 0; result == STORE_OK && i < self->deliveries.count;
	     i++) {
		const struct slot *slot = &self->deliveries.slots[i];
		struct row *row;

		if (!is_open_delivery(slot->row))
			continue;
		row = row_copy(slot->row);
		if (row != NULL)
			move_delivery(&row->delivery, by_ms);
		result = put_or_fail(self, &self->deliveries, slot->seq, row);
	}
	return result;
}

static enum store_result
list_jobs(struct driver *driver, const struct job_filter *filter,
    void (*each)(const struct job *job, void *arg), void *arg,
    int64_t *next_seq_out)
{
	const struct table *table = &memory_of(driver)->jobs;
	int64_t from_seq, below_seq, last_seq = 0;
	int found = 0, looked = 0;

	job_bounds(filter, &from_seq, &below_seq);
	*next_seq_out = 0;
	for (size_t i = table_slot_at(table, below_seq); i-- > 0;) {
		const struct row *row = table->slots[i].row;

		if (row == NULL)
			continue;
		if (row->job.id.seq < from_seq)
			break;
		if (found == filter->limit || looked++ == filter->scan_max) {
			*next_seq_out = last_seq;
			break;
		}
		last_seq = row->job.id.seq;
		if (!job_passes(filter, row->job.status, row->job.queue,
			row->job.client))
			continue;
		each(&row->job, arg);
		found++;
	}
	return STORE_OK;
}

static enum store_result
list_deliveries(struct driver *driver, const struct delivery_filter *filter,
    void (*each)(const struct delivery *delivery, void *arg), void *arg,
    int64_t *next_seq_out)
{
	const struct table *table = &memory_of(driver)->deliveries;
	int64_t last_seq = 0;
	int found = 0, looked = 0;

	*next_seq_out = 0;
	for (size_t i = table_slot_at(table,
		 filter->below_seq > 0 ? filter->below_seq : INT64_MAX);
	     i-- > 0;) {
		const struct row *row = table->slots[i].row;

		if (row == NULL)
			continue;
		if (found == filter->limit || looked++ == filter->scan_max) {
			*next_seq_out = last_seq;
			break;
		}
		last_seq = row->delivery.id.seq;
		if (!delivery_passes(filter, row->delivery.state,
			row->delivery.created_at_ms))
			continue;
		each(&row->delivery, arg);
		found++;
	}
	return STORE_OK;
}

static bool
is_open_job(const struct row *row)
{
	return row != NULL && !job_has_ended(row->job.status);
}

static enum store_result
each_open_job(struct driver *driver,
    bool (*each)(const struct open_job *job, void *arg), void *arg)
{
	const struct table *table = &memory_of(driver)->jobs;

	for (size_t i = 0; i < table->count; i++) {
		const struct row *row = table->slots[i].row;
		struct open_job open;

		if (!is_open_job(row))
			continue;
		open.seq = row->job.id.seq;
		open.run_at_ms = row->job.run_at_ms;
		open.expires_at_ms = row->job.expires_at_ms;
		open.request_bytes = row->job.request_bytes;
		open.lease_until_ms = row->job.lease_until_ms;
		open.started_at_ms = row->job.started_at_ms;
		open.priority = row->job.priority;
		open.attempts = row->job.attempts;
		open.max_attempts = row->job.max_attempts;
		open.status = row->job.status;
		open.queue = row->job.queue;
		open.client = row->job.client;
		open.ordering_key = row->job.ordering_key;
		if (!each(&open, arg))
			break;
	}
	return STORE_OK;
}

static enum store_result
each_open_delivery(struct driver *driver,
    bool (*each)(const struct open_delivery *delivery, void *arg), void *arg)
{
	const struct table *table = &memory_of(driver)->deliveries;

	for (size_t i = 0; i < table->count; i++) {
		const struct row *row = table->slots[i].row;
		struct open_delivery open;

		if (!is_open_delivery(row))
			continue;
		open.seq = row->delivery.id.seq;
		open.next_at_ms = row->delivery.next_at_ms;
		open.state = row->delivery.state;
		open.url = row->delivery.url ? row->delivery.url : "";
		if (!each(&open, arg))
			break;
	}
	return STORE_OK;
}

static enum store_result
count(struct driver *driver, struct store_books *out)
{
	struct memory *self = memory_of(driver);

	out->counted_queued = 0;
	out->counted_running = 0;
	out->deliveries_open = 0;
	out->file_bytes = 0;
	out->wal_bytes = 0;
	for (size_t i = 0; i < self->jobs.count; i++) {
		const struct row *row = self->jobs.slots[i].row;

		if (!is_open_job(row))
			continue;
		out->counted_queued += row->job.status == JOB_QUEUED;
		out->counted_running += row->job.status == JOB_RUNNING;
	}
	for (size_t i = 0; i < self->deliveries.count; i++)
		out->deliveries_open += is_open_delivery(
		    self->deliveries.slots[i].row);
	return STORE_OK;
}

static bool
has_open_delivery(const struct memory *self, int64_t job_seq)
{
	for (size_t i = 0; i < self->deliveries.count; i++) {
		const struct row *row = self->deliveries.slots[i].row;

		if (is_open_delivery(row) && row->delivery.job.seq == job_seq)
			return true;
	}
	return false;
}

/* A job with everything that belongs to it. */
static bool
remove_job(struct memory *self, int64_t seq)
{
	for (size_t i = 0; i < self->deliveries.count; i++) {
		const struct row *row = self->deliveries.slots[i].row;

		if (row == NULL || row->delivery.job.seq != seq)
			continue;
		if (!table_put(&self->deliveries, &self->journal,
			row->delivery.id.seq, NULL))
			return false;
	}
	return table_put(&self->jobs, &self->journal, seq, NULL);
}

static enum store_result
purge(struct driver *driver, const struct purge_range *range,
    int64_t *last_seq_out, int64_t *removed_out)
{
	struct memory *self = memory_of(driver);
	int64_t removed = 0, last_seq = 0;
	int looked = 0;

	for (size_t i = table_slot_at(&self->jobs, range->from_seq + 1);
	     i < self->jobs.count && looked < range->max_rows; i++) {
		const struct row *row = self->jobs.slots[i].row;

		if (row == NULL)
			continue;
		if (row->job.id.seq >= range->to_seq)
			break;
		last_seq = row->job.id.seq;
		looked++;
		if (!job_has_ended(row->job.status) ||
		    row->job.finished_at_ms >= range->cutoff_ms ||
		    has_open_delivery(self, last_seq))
			continue;
		if (!remove_job(self, last_seq))
			return short_of_memory(self);
		removed++;
	}
	*last_seq_out = looked < range->max_rows ? 0 : last_seq;
	*removed_out = removed;
	return STORE_OK;
}

static void
tidy(struct driver *driver)
{
	(void)driver;
}

static bool
has_chores(const struct driver *driver)
{
	(void)driver;
	return false;
}

const struct driver_ops memory_driver = {
	.scheme = "memory:",
	.open = open_store,
	.close = close_store,
	.backup = backup,
	.totals = totals,
	.begin = begin,
	.commit = commit,
	.rollback = rollback,
	.add_job = add_job,
	.update_job = update_job,
	.renew_delivery = renew_delivery,
	.get_job = get_job,
	.get_payload = get_payload,
	.add_delivery = add_delivery,
	.update_delivery = update_delivery,
	.get_delivery = get_delivery,
	.list_jobs = list_jobs,
	.list_deliveries = list_deliveries,
	.each_open_job = each_open_job,
	.each_open_delivery = each_open_delivery,
	.count = count,
	.add_key = add_key,
	.find_key = find_key,
	.find_open_delivery = find_open_delivery,
	.set_paused = set_paused,
	.each_paused = each_paused,
	.get_clock = get_clock,
	.set_clock = set_clock,
	.move_waits = move_waits,
	.probe = probe,
	.purge = purge,
	.tidy = tidy,
	.has_chores = has_chores,
};
