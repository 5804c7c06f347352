/* reads.c - orders that only look: answered after the turn's commit, so that
 * whoever was told of a change sees it.
 *
 * Thread: the one in a turn of the ledger.
 */
#include <stdlib.h>
#include <string.h>

#include "inside.h"

void
fill_facts(struct ledger *ledger, const struct job *job,
    struct document_facts *out)
{
	int64_t delay_ms;

	out->public_url = NULL; /* the asker's to say */
	out->position = 0;
	out->estimated_wait_ms = -1;
	if (job->status != JOB_QUEUED)
		return;
	out->position = sched_position(ledger->sched, job->queue, job->priority,
	    job->id.seq, due_mono(ledger, job->run_at_ms), ledger->mono_ms);
	out->estimated_wait_ms = sched_wait_ms(ledger->sched, job->queue,
	    out->position, ledger->mono_ms);
	delay_ms = due_mono(ledger, job->run_at_ms) - ledger->mono_ms;
	if (delay_ms > out->estimated_wait_ms && delay_ms > 0)
		out->estimated_wait_ms = delay_ms;
}

static enum store_result
find_job(struct ledger *ledger, struct order *order)
{
	struct uuid id = order->job.id;
	enum store_result result;

	job_clear(&order->job);
	result = store_get_job(ledger->store, id, &order->job);
	if (result == STORE_OK && order->client[0] != '\0' &&
	    strcmp(order->client, order->job.client) != 0)
		return STORE_MISSING;
	return result;
}

enum store_result
find_delivery(struct ledger *ledger, const struct job *job,
    struct delivery *out, bool *has_out)
{
	enum store_result result;

	*has_out = false;
	if (!job_has_ended(job->status) || !uuid_is_set(job->delivery))
		return STORE_OK;
	result = store_get_delivery(ledger->store, job->delivery, out);
	*has_out = result == STORE_OK;
	return result == STORE_MISSING ? STORE_OK : result;
}

static enum store_result
read_job(struct ledger *ledger, struct order *order)
{
	enum store_result result = find_job(ledger, order);

	if (result != STORE_OK)
		return result;
	fill_facts(ledger, &order->job, &order->facts);
	delivery_clear(&order->delivery); /* of an earlier look */
	return find_delivery(ledger, &order->job, &order->delivery,
	    &order->has_delivery);
}

static enum store_result
read_result(struct ledger *ledger, struct order *order)
{
	enum store_result result = find_job(ledger, order);

	if (result != STORE_OK)
		return result;
	fill_facts(ledger, &order->job, &order->facts);
	if (!job_has_ended(order->job.status))
		return STORE_OK;
	result = store_get_payload(ledger->store, order->job.id.seq,
	    PAYLOAD_RESPONSE, &order->response);
	return result == STORE_MISSING ? STORE_OK : result;
}

/* ---- lists ---- */

struct listing {
	struct ledger *ledger;
	struct order *order;
	bool failed;
};

static struct listed *
add_listed(struct listing *listing)
{
	struct order *order = listing->order;
	struct listed *grown = realloc(order->listed,
	    ((size_t)order->listed_count + 1) * sizeof(*grown));
	struct listed *row;

	if (grown == NULL) {
		listing->failed = true;
		return NULL;
	}
	order->listed = grown;
	row = &grown[order->listed_count++];
	memset(row, 0, sizeof(*row));
	job_init(&row->job);
	delivery_init(&row->delivery);
	return row;
}

static void
list_job_cb(const struct job *job, void *arg)
{
	struct listing *listing = arg;
	struct listed *row = add_listed(listing);

	if (row == NULL)
		return;
	if (!job_copy(&row->job, job))
		listing->failed = true;
	fill_facts(listing->ledger, job, &row->facts);
}

static void
list_delivery_cb(const struct delivery *delivery, void *arg)
{
	struct listing *listing = arg;
	struct listed *row = add_listed(listing);

	if (row == NULL)
		return;
	row->has_delivery = true;
	if (!delivery_copy(&row->delivery, delivery))
		listing->failed = true;
}

static enum store_result
add_deliveries(struct ledger *ledger, struct order *order, int from)
{
	for (int i = from; i < order->listed_count; i++) {
		struct listed *row = &order->listed[i];
		enum store_result result = find_delivery(ledger, &row->job,
		    &row->delivery, &row->has_delivery);

		if (result != STORE_OK)
			return result;
	}
	return STORE_OK;
}

static enum store_result
list_jobs(struct ledger *ledger, struct order *order)
{
	struct listing listing = { ledger, order, false };
	int from = order->listed_count;
	enum store_result result;

	result = store_list_jobs(ledger->store, &order->jobs_filter,
	    list_job_cb, &listing, &order->next_seq);
	if (listing.failed)
		result = STORE_AGAIN;
	if (result == STORE_OK)
		result = add_deliveries(ledger, order, from);
	order->jobs_filter.below_seq = order->next_seq;
	order->jobs_filter.limit -= order->listed_count - from;
	return result;
}

/* A delivery does not know whose it is; its job does. */
static bool
is_own(struct ledger *ledger, struct order *order, struct listed *row)
{
	return order->client[0] == '\0' ||
	    (store_get_job(ledger->store, row->delivery.job, &row->job) ==
		    STORE_OK &&
		strcmp(row->job.client, order->client) == 0);
}

static void
drop_foreign(struct ledger *ledger, struct order *order, int from)
{
	int kept = from;

	for (int i = from; i < order->listed_count; i++) {
		struct listed row = order->listed[i];

		if (is_own(ledger, order, &row)) {
			order->listed[kept++] = row;
			continue;
		}
		job_clear(&row.job);
		delivery_clear(&row.delivery);
	}
	order->listed_count = kept;
}

static enum store_result
list_deliveries(struct ledger *ledger, struct order *order)
{
	struct listing listing = { ledger, order, false };
	int from = order->listed_count;
	enum store_result result;

	result = store_list_deliveries(ledger->store, &order->deliveries_filter,
	    list_delivery_cb, &listing, &order->next_seq);
	if (listing.failed)
		result = STORE_AGAIN;
	drop_foreign(ledger, order, from);
	order->deliveries_filter.below_seq = order->next_seq;
	order->deliveries_filter.limit -= order->listed_count - from;
	return result;
}

/* A list that looked at its share of rows without filling its page goes on in
 * the next turn: a long look must not hold up those who write. */
static bool
goes_on(struct ledger *ledger, struct order *order)
{
	int room = order->kind == ORDER_JOBS ? order->jobs_filter.limit
					     : order->deliveries_filter.limit;

	if (order->next_seq == 0 || room <= 0)
		return false;
	mail_list_add(&ledger->reads, &order->mail);
	return true;
}

static enum order_result
result_of(enum store_result result)
{
	switch (result) {
	case STORE_OK:
		return ORDER_OK;
	case STORE_MISSING:
		return ORDER_MISSING;
	case STORE_AGAIN:
	case STORE_BROKEN:
		return ORDER_UNAVAILABLE;
	}
	return ORDER_UNAVAILABLE;
}

void
answer_read(struct ledger *ledger, struct order *order)
{
	enum store_result result = STORE_AGAIN;
	bool is_list = false;

	switch (order->kind) {
	case ORDER_JOB:
		result = read_job(ledger, order);
		break;
	case ORDER_RESULT:
		result = read_result(ledger, order);
		break;
	case ORDER_JOBS:
		result = list_jobs(ledger, order);
		is_list = true;
		break;
	case ORDER_DELIVERIES:
		result = list_deliveries(ledger, order);
		is_list = true;
		break;
	case ORDER_QUEUES:
		result = read_queues(ledger, order);
		break;
	case ORDER_BOOKS:
		result = store_count(ledger->store, &order->books);
		break;
	case ORDER_WATCH:
		result = read_watch(ledger, order);
		break;
	case ORDER_ACCEPT:
	case ORDER_REDELIVER:
	case ORDER_CANCEL:
	case ORDER_RETRY:
	case ORDER_LEASE:
	case ORDER_END_LEASE:
	case ORDER_EXTEND:
	case ORDER_PROGRESS:
	case ORDER_PAUSE:
		break;
	}
	if (is_list && result == STORE_OK && goes_on(ledger, order))
		return;
	if (!is_list && result == STORE_OK && hold_order(ledger, order))
		return;
	answer_order(ledger, order, result_of(result));
}
