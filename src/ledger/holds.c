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
 * Thread: the ledger's, but for ledger_hurry.
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
	const struct conf_queue *queue = conf_queue_find(ledger->conf,
	    order->job.queue);

	if (queue == NULL || queue->max_wait_ms > order->hold_ms)
		return order->hold_ms;
	return queue->max_wait_ms;
}

static uint64_t
version_of(const struct order *order)
{
	return document_version(&order->job,
	    order->has_delivery ? &order->delivery : NULL, &order->facts);
}

/* An ended job changes once more when its callback is delivered; only who has
 * seen that it ended waits for that. */
static bool
may_change(const struct order *order)
{
	if (!job_has_ended(order->job.status))
		return true;
	return order->hold_until == HOLD_UNTIL_CHANGE &&
	    order->known_version != 0 && order->has_delivery &&
	    order->delivery.state == DELIVERY_PENDING;
}

static bool
is_answerable(const struct order *order)
{
	if (order->hold_ms <= 0 || !may_change(order))
		return true;
	return order->hold_until == HOLD_UNTIL_CHANGE &&
	    order->known_version != 0 &&
	    order->known_version != version_of(order);
}

bool
hold_order(struct ledger *ledger, struct order *order)
{
	struct held *held;
	struct line_item item = { 0, (int64_t)(intptr_t)order, 0, 0 };

	if (is_answerable(order) || atomic_load(&ledger->is_draining))
		return false;
	if (order->hold_end_ms == 0)
		order->hold_end_ms = ledger->mono_ms +
		    allowed_ms(ledger, order);
	if (order->known_version == 0)
		order->known_version = version_of(order);
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

/* It is answered in this turn, or held again when it finds nothing new. */
static void
let_look(struct ledger *ledger, struct order *order)
{
	(void)line_leave(ledger->hold_ends, order->hold_end_ms,
	    (int64_t)(intptr_t)order);
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
			let_look(ledger, order);
		else
			mail_list_add(&held->orders, mail);
	}
	if (held->orders.count == 0)
		drop_held(ledger, held);
}

/* Takes one order out of its job's list: it is answered, whatever it finds. */
static void
release(struct ledger *ledger, struct held *held, struct order *order)
{
	struct mail_list orders = held->orders;
	struct mail *mail;

	held->orders = (struct mail_list){ NULL, NULL, 0 };
	while ((mail = mail_list_take(&orders)) != NULL)
		if (mail != &order->mail)
			mail_list_add(&held->orders, mail);
	if (held->orders.count == 0)
		drop_held(ledger, held);
	order->hold_ms = 0;
	let_look(ledger, order);
}

void
end_holds(struct ledger *ledger)
{
	bool all = atomic_load(&ledger->is_draining);
	const struct line_item *item;

	while ((item = line_first(ledger->hold_ends)) != NULL &&
	    (all || item->rank <= ledger->mono_ms)) {
		struct order *order = (struct order *)(intptr_t)item->seq;

		release(ledger, find_held(ledger, order->job.id.seq), order);
	}
}

/* ---- nobody waits any more ---- */

/* The order may have been answered and freed meanwhile, so it is only compared
 * with those that are held. */
struct hurry {
	struct mail mail; /* first */
	const struct order *order;
	int64_t job_seq;
	int64_t asked_us; /* tells it from one that has its address now */
};

static void
hurry_open_cb(struct mail *mail, void *room)
{
	struct ledger *ledger = room;

	mail_list_add(&ledger->hurries, mail);
}

void
ledger_hurry(struct ledger *ledger, const struct order *order, int64_t job_seq)
{
	struct hurry *hurry = calloc(1, sizeof(*hurry));

	if (hurry == NULL)
		return;
	hurry->mail.open = hurry_open_cb;
	hurry->order = order;
	hurry->job_seq = job_seq;
	hurry->asked_us = order->asked_us;
	mailbox_post(ledger->inbox, &hurry->mail);
}

static void
hurry_one(struct ledger *ledger, struct mail *mail)
{
	struct hurry *hurry = (struct hurry *)mail;
	struct held *held = find_held(ledger, hurry->job_seq);
	struct mail *each = held != NULL ? held->orders.first : NULL;

	while (each != NULL && each != &hurry->order->mail)
		each = each->next;
	if (each != NULL && ((struct order *)each)->asked_us == hurry->asked_us)
		release(ledger, held, (struct order *)each);
	free(hurry);
}

void
hurry_holds(struct ledger *ledger)
{
	empty(ledger, &ledger->hurries, hurry_one);
}
