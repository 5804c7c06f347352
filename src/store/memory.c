/* memory.c - the store as it should be: the simplest thing that does what the
 * door says. Tests compare other drivers with it; nothing outlives it.
 *
 * 1. Two tables, of jobs and of deliveries: arrays sorted by seq. Ids rise, so
 *    that a new row nearly always goes to the end.
 * 2. A row is never changed in place: a change puts a new row into its slot and
 *    the old one into the journal. So a rollback puts back what it finds there,
 *    last first, and a commit frees it.
 * 3. A slot whose row was removed stays, empty, until half of the table is
 *    empty slots; so the slots of a journal stay where they are.
 *
 * Ledger thread.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"

struct row {
	struct job job;
	bool has_request, has_response;
	struct payload request, response;
	struct delivery delivery; /* in the other table; a job's is empty */
};

struct slot {
	int64_t seq;
	struct row *row; /* NULL: removed */
};

struct table {
	struct slot *slots; /* rising seq */
	size_t count, room;
	size_t empty_count;
};

/* What a slot held before a write of the open transaction. */
struct entry {
	struct table *table;
	int64_t seq;
	struct row *row; /* NULL: nothing */
};

struct memory {
	struct driver base; /* first */
	struct table jobs, deliveries;
	struct totals totals;
	struct entry *journal;
	size_t journal_count, journal_room;
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

/* Room for one more; false when memory is out. */
static bool
make_room(void **array, size_t count, size_t *room, size_t size)
{
	size_t more = *room == 0 ? 64 : *room * 2;
	void *moved;

	if (count < *room)
		return true;
	moved = reallocarray(*array, more, size);
	if (moved == NULL)
		return false;
	*array = moved;
	*room = more;
	return true;
}

static struct row *
new_row(void)
{
	struct row *row = calloc(1, sizeof(*row));

	if (row == NULL)
		return NULL;
	job_init(&row->job);
	delivery_init(&row->delivery);
	return row;
}

static void
free_row(struct row *row)
{
	if (row == NULL)
		return;
	job_clear(&row->job);
	payload_clear(&row->request);
	payload_clear(&row->response);
	delivery_clear(&row->delivery);
	free(row);
}

static struct row *
copy_row(const struct row *from)
{
	struct row *row = new_row();

	if (row == NULL)
		return NULL;
	row->has_request = from->has_request;
	row->has_response = from->has_response;
	if (job_copy(&row->job, &from->job) &&
	    delivery_copy(&row->delivery, &from->delivery) &&
	    payload_copy(&row->request, &from->request) &&
	    payload_copy(&row->response, &from->response))
		return row;
	free_row(row);
	return NULL;
}

/* The first slot at or after seq. */
static size_t
slot_at(const struct table *table, int64_t seq)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->slots[middle].seq < seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct row *
find(const struct table *table, int64_t seq)
{
	size_t at = slot_at(table, seq);

	if (at == table->count || table->slots[at].seq != seq)
		return NULL;
	return table->slots[at].row;
}

/* Puts a row, or nothing, into the slot of a seq that is there. */
static struct row *
exchange(struct table *table, int64_t seq, struct row *row)
{
	struct slot *slot = &table->slots[slot_at(table, seq)];
	struct row *before = slot->row;

	assert(slot->seq == seq);
	table->empty_count += (row == NULL) - (size_t)(before == NULL);
	slot->row = row;
	return before;
}

/* Puts a row, or nothing, where it belongs, and what was there into the
 * journal. Takes the row, but not when memory is out: false. */
static bool
put(struct memory *self, struct table *table, int64_t seq, struct row *row)
{
	size_t at = slot_at(table, seq);
	bool is_new = at == table->count || table->slots[at].seq != seq;

	if (!make_room((void **)&self->journal, self->journal_count,
		&self->journal_room, sizeof(*self->journal)))
		return false;
	if (is_new) {
		if (!make_room((void **)&table->slots, table->count,
			&table->room, sizeof(*table->slots)))
			return false;
		memmove(&table->slots[at + 1], &table->slots[at],
		    (table->count - at) * sizeof(*table->slots));
		table->slots[at] = (struct slot){ seq, NULL };
		table->count++;
		table->empty_count++;
	}
	self->journal[self->journal_count++] =
	    (struct entry){ table, seq, exchange(table, seq, row) };
	return true;
}

static void
compact(struct table *table)
{
	size_t kept = 0;

	if (table->empty_count * 2 <= table->count)
		return;
	for (size_t i = 0; i < table->count; i++)
		if (table->slots[i].row != NULL)
			table->slots[kept++] = table->slots[i];
	table->count = kept;
	table->empty_count = 0;
}

static void
free_table(struct table *table)
{
	for (size_t i = 0; i < table->count; i++)
		free_row(table->slots[i].row);
	free(table->slots);
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

	free_table(&self->jobs);
	free_table(&self->deliveries);
	free(self->journal);
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
	assert(memory_of(driver)->journal_count == 0);
	return STORE_OK;
}

static enum store_result
commit(
    struct driver *driver, bool is_durable, const struct totals *changed)
{
	struct memory *self = memory_of(driver);

	(void)is_durable;
	if (changed != NULL)
		self->totals = *changed;
	while (self->journal_count > 0)
		free_row(self->journal[--self->journal_count].row);
	compact(&self->jobs);
	compact(&self->deliveries);
	return STORE_OK;
}

static void
rollback(struct driver *driver)
{
	struct memory *self = memory_of(driver);

	while (self->journal_count > 0) {
		struct entry *last = &self->journal[--self->journal_count];

		free_row(exchange(last->table, last->seq, last->row));
	}
	compact(&self->jobs);
	compact(&self->deliveries);
}

/* Puts a row that may be NULL for want of memory. Takes it. */
static enum store_result
put_or_fail(
    struct memory *self, struct table *table, int64_t seq, struct row *row)
{
	if (row != NULL && put(self, table, seq, row))
		return STORE_OK;
	free_row(row);
	return short_of_memory(self);
}

static enum store_result
add_job(struct driver *driver, const struct job *job,
    const struct payload *request)
{
	static const struct payload nothing;
	struct memory *self = memory_of(driver);
	struct row *row = new_row();

	if (row == NULL)
		return short_of_memory(self);
	row->has_request = request != NULL;
	if (!job_copy(&row->job, job) ||
	    !payload_copy(&row->request, request ? request : &nothing)) {
		free_row(row);
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
	row->response_type = text_copy(job->response_type);
	row->error_detail = text_copy(job->error_detail);
	row->status = job->status;
	row->attempts = job->attempts;
	row->run_at_ms = job->run_at_ms;
	row->started_at_ms = job->started_at_ms;
	row->finished_at_ms = job->finished_at_ms;
	row->response_status = job->response_status;
	row->response_bytes = job->response_bytes;
	row->error = job->error;
	return (row->response_type != NULL) == (job->response_type != NULL) &&
	    (row->error_detail != NULL) == (job->error_detail != NULL);
}

static enum store_result
update_job(struct driver *driver, const struct job *job,
    const struct payload *response, bool *had_ended_out)
{
	struct memory *self = memory_of(driver);
	const struct row *before = find(&self->jobs, job->id.seq);
	bool had_ended, is_whole;
	struct row *row;

	if (before == NULL || before->job.id.salt != job->id.salt)
		return STORE_MISSING;
	had_ended = job_has_ended(before->job.status);
	row = copy_row(before);
	is_whole = row != NULL && change_job(&row->job, job);
	if (is_whole && response != NULL) {
		payload_clear(&row->response);
		row->has_response = true;
		is_whole = payload_copy(&row->response, response);
	}
	if (!is_whole) {
		free_row(row);
		row = NULL;
	}
	if (put_or_fail(self, &self->jobs, job->id.seq, row) != STORE_OK)
		return STORE_AGAIN;
	*had_ended_out = had_ended;
	return STORE_OK;
}

static enum store_result
get_job(struct driver *driver, int64_t seq, struct job *out)
{
	struct memory *self = memory_of(driver);
	const struct row *row = find(&self->jobs, seq);

	if (row == NULL)
		return STORE_MISSING;
	return job_copy(out, &row->job) ? STORE_OK : short_of_memory(self);
}

static enum store_result
get_payload(struct driver *driver, int64_t job_seq, enum payload_kind kind,
    struct payload *out)
{
	struct memory *self = memory_of(driver);
	const struct row *row = find(&self->jobs, job_seq);
	bool is_request = kind == PAYLOAD_REQUEST;

	if (row == NULL || !(is_request ? row->has_request : row->has_response))
		return STORE_MISSING;
	return payload_copy(out, is_request ? &row->request : &row->response)
	    ? STORE_OK
	    : short_of_memory(self);
}

static enum store_result
add_delivery(struct driver *driver, const struct delivery *delivery)
{
	struct memory *self = memory_of(driver);
	struct row *row = new_row();

	if (row != NULL && !delivery_copy(&row->delivery, delivery)) {
		free_row(row);
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
	const struct row *before = find(&self->deliveries, delivery->id.seq);
	struct row *row;

	if (before == NULL || before->delivery.id.salt != delivery->id.salt)
		return STORE_MISSING;
	row = copy_row(before);
	if (row != NULL && !change_delivery(&row->delivery, delivery)) {
		free_row(row);
		row = NULL;
	}
	return put_or_fail(self, &self->deliveries, delivery->id.seq, row);
}

static enum store_result
get_delivery(struct driver *driver, int64_t seq, struct delivery *out)
{
	struct memory *self = memory_of(driver);
	const struct row *row = find(&self->deliveries, seq);

	if (row == NULL)
		return STORE_MISSING;
	return delivery_copy(out, &row->delivery) ? STORE_OK
						  : short_of_memory(self);
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
	for (size_t i = slot_at(table, below_seq); i-- > 0;) {
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
	for (size_t i = slot_at(table,
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

static bool
is_open_delivery(const struct row *row)
{
	return row != NULL && row->delivery.state < DELIVERY_DELIVERED;
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
		open.priority = row->job.priority;
		open.attempts = row->job.attempts;
		open.max_attempts = row->job.max_attempts;
		open.status = row->job.status;
		open.queue = row->job.queue;
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
		open.attempts = row->delivery.attempts;
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
		out->deliveries_open +=
		    is_open_delivery(self->deliveries.slots[i].row);
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
		if (!put(self, &self->deliveries, row->delivery.id.seq, NULL))
			return false;
	}
	return put(self, &self->jobs, seq, NULL);
}

static enum store_result
purge(struct driver *driver, const struct purge_range *range,
    int64_t *last_seq_out, int64_t *removed_out)
{
	struct memory *self = memory_of(driver);
	int64_t removed = 0, last_seq = 0;
	int looked = 0;

	for (size_t i = slot_at(&self->jobs, range->from_seq + 1);
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
	.purge = purge,
	.tidy = tidy,
};
