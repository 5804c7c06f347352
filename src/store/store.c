/* store.c - the door to the store: which driver, which ids, which totals.
 *
 * 1. Ids rise over the life of a store, also over restarts and whatever the
 *    clock does; one that was given in a transaction that failed is not given
 *    again.
 * 2. The totals move with the rows: totals.accepted - totals.ended is the
 *    number of unfinished jobs at every commit.
 * 3. After a write or commit that failed there is no transaction: whatever
 *    comes before the next store_begin is answered as the failure was.
 * 4. A store once found damaged is written no more.
 *
 * One thread, that of the ledger, but for store_backup.
 */
#include "callbackd/store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/random.h"
#include "driver.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define SALT_BITS 62

static const struct driver_ops *const drivers[] = {
	&sqlite_driver,
	&memory_driver,
};

struct store {
	struct driver *driver;
	struct totals kept;        /* as committed */
	struct totals now;         /* with the open transaction */
	bool is_open;              /* a transaction is */
	bool is_broken;            /* for good */
	enum store_result failure; /* of the last transaction, or STORE_OK */
};

/* NULL when no driver knows the URL. *place_out is what follows the scheme. */
static const struct driver_ops *
find_driver(const char *url, const char **place_out, struct reason *why_out)
{
	for (size_t i = 0; i < COUNT_OF(drivers); i++) {
		size_t len = strlen(drivers[i]->scheme);

		if (strncmp(url, drivers[i]->scheme, len) == 0) {
			*place_out = url + len;
			return drivers[i];
		}
	}
	reason_set(why_out, "%.100s: no such kind of store", url);
	return NULL;
}

struct store *
store_open(const char *url, bool full, struct reason *why_out)
{
	const char *place;
	const struct driver_ops *ops = find_driver(url, &place, why_out);
	struct store *store;

	if (ops == NULL)
		return NULL;
	store = calloc(1, sizeof(*store));
	if (store == NULL) {
		reason_set(why_out, "out of memory");
		return NULL;
	}
	store->driver = ops->open(place, full, why_out);
	if (store->driver == NULL) {
		free(store);
		return NULL;
	}
	if (ops->totals(store->driver, &store->kept) != STORE_OK) {
		*why_out = store->driver->why;
		store_close(&store);
		return NULL;
	}
	store->now = store->kept;
	return store;
}

void
store_close(struct store **store)
{
	struct store *gone = *store;

	*store = NULL;
	if (gone == NULL)
		return;
	store_rollback(gone);
	gone->driver->ops->close(gone->driver);
	free(gone);
}

bool
store_backup(const char *url, const char *to_path, struct reason *why_out)
{
	const char *place;
	const struct driver_ops *ops = find_driver(url, &place, why_out);

	return ops != NULL && ops->backup(place, to_path, why_out) == STORE_OK;
}

const char *
store_why(const struct store *store)
{
	return store->driver->why.text;
}

/* Ends the transaction, without its writes. */
static void
forget(struct store *store)
{
	int64_t last_seq = store->now.last_seq;

	if (store->is_open)
		store->driver->ops->rollback(store->driver);
	store->is_open = false;
	store->now = store->kept;
	store->now.last_seq = last_seq; /* invariant 1 */
}

/* Every result of a driver passes here on its way to the caller. */
static enum store_result
noted(struct store *store, enum store_result result)
{
	if (result == STORE_OK || result == STORE_MISSING)
		return result;
	if (result == STORE_BROKEN)
		store->is_broken = true;
	if (store->is_open) {
		forget(store);
		store->failure = result;
	}
	return result;
}

/* What a write is answered without asking the driver; STORE_OK: ask it. */
static enum store_result
writable(const struct store *store)
{
	if (store->is_open)
		return STORE_OK;
	assert(store->failure != STORE_OK); /* a write without a begin */
	return store->failure;
}

enum store_result
store_begin(struct store *store)
{
	enum store_result result;

	assert(!store->is_open);
	if (store->is_broken) {
		store->failure = STORE_BROKEN;
		return STORE_BROKEN;
	}
	result = store->driver->ops->begin(store->driver);
	store->failure = result;
	store->is_open = result == STORE_OK;
	return noted(store, result);
}

enum store_result
store_commit(struct store *store, bool durable)
{
	enum store_result result = writable(store);
	bool is_changed = store->now.accepted != store->kept.accepted ||
	    store->now.ended != store->kept.ended;

	if (result != STORE_OK)
		return result;
	result = store->driver->ops->commit(store->driver, durable,
	    is_changed ? &store->now : NULL);
	if (result != STORE_OK)
		return noted(store, result);
	store->is_open = false;
	store->kept = store->now;
	return STORE_OK;
}

void
store_rollback(struct store *store)
{
	forget(store);
}

static struct uuid
next_id(struct store *store, int64_t now_ms)
{
	struct uuid id;

	store->now.last_seq = uuid_next_seq(store->now.last_seq, now_ms);
	id.seq = store->now.last_seq;
	id.salt = random_u64() >> (64 - SALT_BITS);
	return id;
}

enum store_result
store_add_job(struct store *store, struct job *job,
    const struct payload *request, int64_t now_ms)
{
	static const struct uuid none;
	enum store_result result = writable(store);

	if (result != STORE_OK)
		return result;
	assert(request != NULL);
	job->id = next_id(store, now_ms);
	if (job->callback_url != NULL || job->failure_url != NULL)
		job->delivery = next_id(store, now_ms);
	assert(!uuid_is_set(job->delivery) ||
	    job->delivery.seq == job->id.seq + 1);
	result = store->driver->ops->add_job(store->driver, job, request);
	if (result != STORE_OK) {
		job->id = none;
		job->delivery = none;
		return noted(store, result);
	}
	store->now.accepted++;
	store->now.ended += job_has_ended(job->status);
	return STORE_OK;
}

enum store_result
store_update_job(struct store *store, const struct job *job,
    const struct payload *response)
{
	enum store_result result = writable(store);
	bool had_ended;

	if (result != STORE_OK)
		return result;
	result = store->driver->ops->update_job(store->driver, job, response,
	    &had_ended);
	if (result == STORE_OK)
		store->now.ended += job_has_ended(job->status) - had_ended;
	return noted(store, result);
}

enum store_result
store_renew_delivery(struct store *store, struct job *job, int64_t now_ms)
{
	enum store_result result = writable(store);

	if (result != STORE_OK || !uuid_is_set(job->delivery))
		return result;
	job->delivery = next_id(store, now_ms);
	return noted(store,
	    store->driver->ops->renew_delivery(store->driver, job));
}

enum store_result
store_get_job_seq(struct store *store, int64_t seq, struct job *out)
{
	return noted(store,
	    store->driver->ops->get_job(store->driver, seq, out));
}

enum store_result
store_get_job(struct store *store, struct uuid id, struct job *out)
{
	enum store_result result = store_get_job_seq(store, id.seq, out);

	if (result != STORE_OK || out->id.salt == id.salt)
		return result;
	job_clear(out);
	return STORE_MISSING;
}

enum store_result
store_get_payload(struct store *store, int64_t job_seq, enum payload_kind kind,
    struct payload *out)
{
	return noted(store,
	    store->driver->ops->get_payload(store->driver, job_seq, kind, out));
}

enum store_result
store_find_key(struct store *store, const char *client, const char *key,
    struct store_key *out)
{
	return noted(store,
	    store->driver->ops->find_key(store->driver, client, key, out));
}

enum store_result
store_add_key(struct store *store, const char *client, const char *key,
    const struct store_key *first)
{
	enum store_result result = writable(store);

	if (result != STORE_OK)
		return result;
	return noted(store,
	    store->driver->ops->add_key(store->driver, client, key, first));
}

enum store_result
store_set_paused(struct store *store, const char *queue, bool paused)
{
	enum store_result result = writable(store);

	if (result != STORE_OK)
		return result;
	return noted(store,
	    store->driver->ops->set_paused(store->driver, queue, paused));
}

enum store_result
store_each_paused(struct store *store,
    void (*each)(const char *queue, void *arg), void *arg)
{
	return noted(store,
	    store->driver->ops->each_paused(store->driver, each, arg));
}

enum store_result
store_get_clock(struct store *store, struct store_clock *out)
{
	return noted(store, store->driver->ops->get_clock(store->driver, out));
}

enum store_result
store_set_clock(struct store *store, const struct store_clock *clock)
{
	enum store_result result = writable(store);

	if (result != STORE_OK)
		return result;
	return noted(store,
	    store->driver->ops->set_clock(store->driver, clock));
}

enum store_result
store_move_waits(struct store *store, int64_t by_ms)
{
	enum store_result result = writable(store);

	if (result != STORE_OK)
		return result;
	return noted(store,
	    store->driver->ops->move_waits(store->driver, by_ms));
}

enum store_result
store_probe(struct store *store)
{
	enum store_result result = writable(store);

	if (result != STORE_OK)
		return result;
	return noted(store, store->driver->ops->probe(store->driver));
}

enum store_result
store_add_delivery(struct store *store, struct delivery *delivery,
    int64_t now_ms)
{
	static const struct uuid none;
	enum store_result result = writable(store);
	bool is_new = !uuid_is_set(delivery->id);

	if (result != STORE_OK)
		return result;
	if (is_new)
		delivery->id = next_id(store, now_ms);
	result = store->driver->ops->add_delivery(store->driver, delivery);
	if (result != STORE_OK && is_new)
		delivery->id = none;
	return noted(store, result);
}

enum store_result
store_update_delivery(struct store *store, const struct delivery *delivery)
{
	enum store_result result = writable(store);

	if (result != STORE_OK)
		return result;
	return noted(store,
	    store->driver->ops->update_delivery(store->driver, delivery));
}

enum store_result
store_get_delivery_seq(struct store *store, int64_t seq, struct delivery *out)
{
	return noted(store,
	    store->driver->ops->get_delivery(store->driver, seq, out));
}

enum store_result
store_get_delivery(struct store *store, struct uuid id, struct delivery *out)
{
	enum store_result result = store_get_delivery_seq(store, id.seq, out);

	if (result != STORE_OK || out->id.salt == id.salt)
		return result;
	delivery_clear(out);
	return STORE_MISSING;
}

enum store_result
store_find_open_delivery(struct store *store, int64_t job_seq,
    enum job_event event, int64_t *seq_out)
{
	return noted(store,
	    store->driver->ops->find_open_delivery(store->driver, job_seq,
		event, seq_out));
}

enum store_result
store_list_jobs(struct store *store, const struct job_filter *filter,
    void (*each)(const struct job *job, void *arg), void *arg,
    int64_t *next_seq_out)
{
	assert(filter->limit >= 1 && filter->scan_max >= filter->limit);
	return noted(store,
	    store->driver->ops->list_jobs(store->driver, filter, each, arg,
		next_seq_out));
}

enum store_result
store_list_deliveries(struct store *store, const struct delivery_filter *filter,
    void (*each)(const struct delivery *delivery, void *arg), void *arg,
    int64_t *next_seq_out)
{
	assert(filter->limit >= 1 && filter->scan_max >= filter->limit);
	return noted(store,
	    store->driver->ops->list_deliveries(store->driver, filter, each,
		arg, next_seq_out));
}

enum store_result
store_each_open_job(struct store *store,
    bool (*each)(const struct open_job *job, void *arg), void *arg)
{
	return noted(store,
	    store->driver->ops->each_open_job(store->driver, each, arg));
}

enum store_result
store_each_open_delivery(struct store *store,
    bool (*each)(const struct open_delivery *delivery, void *arg), void *arg)
{
	return noted(store,
	    store->driver->ops->each_open_delivery(store->driver, each, arg));
}

enum store_result
store_count(struct store *store, struct store_books *out)
{
	out->accepted = store->now.accepted;
	out->ended = store->now.ended;
	return noted(store, store->driver->ops->count(store->driver, out));
}

enum store_result
store_purge(struct store *store, int64_t cutoff_ms, int max_rows,
    int64_t *cursor_seq, int64_t *removed_out)
{
	struct purge_range range = { *cursor_seq, uuid_seq_at(cutoff_ms),
		cutoff_ms, max_rows };
	enum store_result result = writable(store);
	int64_t last_seq, removed;

	assert(max_rows >= 1);
	if (result != STORE_OK)
		return result;
	result = store->driver->ops->purge(store->driver, &range, &last_seq,
	    &removed);
	if (result != STORE_OK)
		return noted(store, result);
	*cursor_seq = last_seq;
	*removed_out = removed;
	return STORE_OK;
}

void
store_tidy(struct store *store)
{
	assert(!store->is_open);
	if (!store->is_broken)
		store->driver->ops->tidy(store->driver);
}

bool
store_has_chores(const struct store *store)
{
	return store->driver->ops->has_chores(store->driver);
}
