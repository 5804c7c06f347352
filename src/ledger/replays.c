/* replays.c - what has happened since a watcher last looked.
 *
 * An answer holds a share of it; the one that reaches the end of the ring puts
 * the watch down, in the same turn (watches.c, invariant 1). Events whose job is
 * as it was then are shown with all that is known of it now, the others as far
 * back as the ring remembers.
 *
 * Thread: the one in a turn of the ledger.
 */
#include <stdlib.h>
#include <string.h>

#include "inside.h"

#define REPLAY_ROWS 32 /* a share: some 50 KiB of documents */

static struct listed *
add_row(struct order *order)
{
	struct listed *row;

	if (order->listed == NULL)
		order->listed = calloc(REPLAY_ROWS, sizeof(*row));
	if (order->listed == NULL)
		return NULL;
	row = &order->listed[order->listed_count++];
	job_init(&row->job);
	delivery_init(&row->delivery);
	row->facts = (struct document_facts){ .estimated_wait_ms = -1 };
	return row;
}

static void
drop_row(struct order *order)
{
	struct listed *row = &order->listed[--order->listed_count];

	job_clear(&row->job);
	delivery_clear(&row->delivery);
}

/* As it is now: with its place in the queue, and its callback. */
static enum store_result
fill_present(struct ledger *ledger, struct listed *row)
{
	fill_facts(ledger, &row->job, &row->facts);
	return find_delivery(ledger, &row->job, &row->delivery,
	    &row->has_delivery);
}

/* The hashes may have fitted by accident. */
static bool
is_wanted(const struct order *order, const struct job *job)
{
	return (order->client[0] == '\0' ||
		   strcmp(order->client, job->client) == 0) &&
	    (order->filter_queue[0] == '\0' ||
		strcmp(order->filter_queue, job->queue) == 0);
}

/* A job that is past its retention has no events any more. */
static enum store_result
show_past(struct ledger *ledger, struct order *order, const struct event *event)
{
	struct listed *row = add_row(order);
	enum store_result result;

	if (row == NULL)
		return STORE_AGAIN;
	row->mark = event_mark_of(ledger, event);
	result = store_get_job_seq(ledger->store, event->job_seq, &row->job);
	if (result == STORE_OK && is_wanted(order, &row->job)) {
		if (event_version(&row->job) == event->version)
			return fill_present(ledger, row);
		event_rewind(event, &row->job);
		return STORE_OK;
	}
	drop_row(order);
	return result == STORE_MISSING ? STORE_OK : result;
}

/* The next share. *all_out: the ring has no more that fits. */
static enum store_result
replay(struct ledger *ledger, struct order *order, int64_t after_id,
    bool *all_out)
{
	const struct event_filter filter = {
		.job_seq = order->job.id.seq,
		.queue_hash = name_hash(order->filter_queue),
		.client_hash = name_hash(order->client),
	};
	enum store_result result = STORE_OK;

	*all_out = false;
	order->watch.upto_id = after_id;
	for (int looks = 0; looks < REPLAY_ROWS && result == STORE_OK;
	     looks++) {
		const struct event *event = ring_next(ledger->ring,
		    order->watch.upto_id, &filter);

		*all_out = event == NULL;
		if (event == NULL) {
			order->watch.upto_id = ring_newest(ledger->ring);
			break;
		}
		result = show_past(ledger, order, event);
		order->watch.upto_id = ring_id(ledger->ring, event);
	}
	return result;
}

static enum store_result
show_present(struct ledger *ledger, struct order *order)
{
	uint64_t version = event_version(&order->job);
	struct listed *row;

	order->watch.upto_id = ring_newest(ledger->ring);
	if (order->watch.has_gap && order->watch.after_version == version)
		return STORE_OK;
	row = add_row(order);
	if (row == NULL || !job_copy(&row->job, &order->job))
		return STORE_AGAIN;
	row->mark = (struct event_mark){ order->watch.upto_id, version, false };
	return fill_present(ledger, row);
}

static enum store_result
read_one(struct ledger *ledger, struct order *order, bool *all_out)
{
	struct watch *watch = &order->watch;
	struct uuid id = order->job.id;
	enum store_result result;

	job_clear(&order->job);
	result = store_get_job(ledger->store, id, &order->job);
	if (result == STORE_OK && !is_wanted(order, &order->job))
		result = STORE_MISSING;
	if (result != STORE_OK)
		return result;
	if (watch->after_id < 0 || watch->has_gap)
		result = show_present(ledger, order);
	else
		result = replay(ledger, order, watch->after_id, all_out);
	watch->is_over = *all_out && job_has_ended(order->job.status);
	return result;
}

static enum store_result
read_all(struct ledger *ledger, struct order *order, bool *all_out)
{
	struct watch *watch = &order->watch;

	if (watch->after_id < 0) {
		watch->upto_id = ring_newest(ledger->ring);
		return STORE_OK;
	}
	return replay(ledger, order,
	    watch->has_gap ? ring_floor(ledger->ring) : watch->after_id,
	    all_out);
}

enum store_result
read_watch(struct ledger *ledger, struct order *order)
{
	struct watch *watch = &order->watch;
	bool has_all = true;
	enum store_result result;

	watch->has_gap = watch->after_id >= 0 &&
	    !ring_goes_back_to(ledger->ring, watch->after_id);
	if (uuid_is_set(order->job.id))
		result = read_one(ledger, order, &has_all);
	else
		result = read_all(ledger, order, &has_all);
	if (result != STORE_OK || !has_all || watch->is_over)
		return result;
	watch->is_on = begin_watch(ledger, order);
	return watch->is_on ? STORE_OK : STORE_AGAIN;
}
