/* holds.c - questions that wait for their answer to become true.
 *
 * A client may ask for a job and be answered only when it changes or ends. Its
 * order then rests here, in a list of its job, and joins the reads of the turn
 * in which the job changes, or in which its time is up.
 *
 * Invariants
 *  1. A held order is in the list of one job, and has one item in `hold_ends`:
 *     its last moment, and its address as number.
 *  2. A job's list is kept only while it is not empty.
 *
 * Thread: the ledger's.
 */
#include <search.h>
#include <stdlib.h>

#include "inside.h"

/* The orders that wait for one job. */
struct held {
	int64_t seq;
	struct mail_list orders;
};

static int
compare_held(const void *a, const void *b)
{
	int64_t left = ((const struct held *)a)->seq;
	int64_t right = ((const struct held *)b)->seq;

	return (left > right) - (left < right);
}

static struct held *
find_held(const struct ledger *ledger, int64_t seq)
{
	const struct held key = { .seq = seq };
	struct held **found = tfind(&key, &ledger->held, compare_held);

	return found != NULL ? *found : NULL;
}

static struct held *
find_or_add_held(struct ledger *ledger, int64_t seq)
{
	struct held *held = find_held(ledger, seq);

	if (held != NULL)
		return held;
	held = calloc(1, sizeof(*held));
	if (held == NULL)
		return NULL;
	held->seq = seq;
	if (tsearch(held, &ledger->held, compare_held) == NULL) {
		free(held);
		return NULL;
	}
	return held;
}

static void
drop_held(struct ledger *ledger, struct held *held)
{
	tdelete(held, &ledger->held, compare_held);
	free(held);
}

/* A wait is never longer than the job's queue allows. */
static int64_t
allowed_ms(const struct ledger *ledger, const struct order *order)
{
	const struct conf_queue *queue =
	    conf_queue_find(ledger->conf, order->job.queue);

	if (queue == NULL || queue->max_wait_ms > order->hold_ms)
		return order->hold_ms;
	return queue->max_wait_ms;
}

static bool
is_answerable(const struct order *order)
{
	if (order->hold_ms <= 0 || job_has_ended(order->job.status))
		return true;
	return order->hold_until == HOLD_UNTIL_CHANGE &&
	    order->known_version != 0 &&
	    order->known_version != document_version(&order->job,
		order->has_delivery ? &order->delivery : NULL, &order->facts);
}

bool
hold_order(struct ledger *ledger, struct order *order)
{
	struct held *held;
	struct line_item item = { 0, (int64_t)(intptr_t)order, 0, 0 };

	if (is_answerable(order) || atomic_load(&ledger->is_draining))
		return false;
	if (order->hold_end_ms == 0)
		order->hold_end_ms =
		    ledger->mono_ms + allowed_ms(ledger, order);
	if (order->hold_end_ms <= ledger->mono_ms)
		return false;
	held = find_or_add_held(ledger, order->job.id.seq);
	if (held == NULL)
		return false;
	item.rank = order->hold_end_ms;
	if (!line_join(ledger->hold_ends, &item)) {
		if (held->orders.count == 0)
			drop_held(ledger, held);
		return false;
	}
	mail_list_add(&held->orders, &order->mail);
	return true;
}

/* It is answered in this turn, whatever it finds. */
static void
let_go(struct ledger *ledger, struct order *order)
{
	(void)line_leave(ledger->hold_ends, order->hold_end_ms,
	    (int64_t)(intptr_t)order);
	order->hold_ms = 0;
	mail_list_add(&ledger->reads, &order->mail);
}

void
job_changed(struct ledger *ledger, const struct job *job)
{
	struct held *held;
	struct mail_list orders;
	struct mail *mail;

	held = ledger->held != NULL ? find_held(ledger, job->id.seq) : NULL;
	if (held == NULL)
		return;
	orders = held->orders;
	held->orders = (struct mail_list){ NULL, NULL, 0 };
	while ((mail = mail_list_take(&orders)) != NULL) {
		struct order *order = (struct order *)mail;

		if (order->hold_until == HOLD_UNTIL_CHANGE ||
		    job_has_ended(job->status))
			let_go(ledger, order);
		else
			mail_list_add(&held->orders, mail);
	}
	if (held->orders.count == 0)
		drop_held(ledger, held);
}

/* Takes one order out of its job's list. */
static void
release(struct ledger *ledger, struct order *order)
{
	struct held *held = find_held(ledger, order->job.id.seq);
	struct mail_list orders = held->orders;
	struct mail *mail;

	held->orders = (struct mail_list){ NULL, NULL, 0 };
	while ((mail = mail_list_take(&orders)) != NULL)
		if (mail != &order->mail)
			mail_list_add(&held->orders, mail);
	if (held->orders.count == 0)
		drop_held(ledger, held);
	let_go(ledger, order);
}

void
end_holds(struct ledger *ledger)
{
	bool all = atomic_load(&ledger->is_draining);
	const struct line_item *item;

	while ((item = line_first(ledger->hold_ends)) != NULL &&
	    (all || item->rank <= ledger->mono_ms))
		release(ledger, (struct order *)(intptr_t)item->seq);
}
