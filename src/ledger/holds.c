/* holds.c - questions that wait for their answer to become true.
 *
 * A client may ask for a job and be answered only when it changes or ends. Its
 * order then rests here, beside the others of its job, and joins the reads of
 * the turn in which the job changes, or in which its time is up.
 *
 * Invariants
 *  1. A held order has an item in each of two lines, both with its address as
 *     number: in `holds` the rank is its job, in `hold_ends` its last moment.
 *  2. To hold one, and to let one go, looks at no other: thousands may wait for
 *     the same job.
 *  3. To let one go takes no memory.
 *
 * Thread: the one in a turn of the ledger, but for ledger_hurry.
 */
#include <stdlib.h>

#include "inside.h"

static int64_t
address_of(const struct order *order)
{
	return (int64_t)(intptr_t)order;
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

static bool
join_lines(struct ledger *ledger, const struct order *order)
{
	struct line_item item = { .rank = order->job.id.seq,
		.seq = address_of(order) };

	if (!line_join(ledger->holds, &item))
		return false;
	item.rank = order->hold_end_ms;
	if (line_join(ledger->hold_ends, &item))
		return true;
	(void)line_leave(ledger->holds, order->job.id.seq, item.seq);
	return false;
}

bool
hold_order(struct ledger *ledger, struct order *order)
{
	if (is_answerable(order) || atomic_load(&ledger->is_draining))
		return false;
	if (order->hold_end_ms == 0)
		order->hold_end_ms = ledger->mono_ms +
		    allowed_ms(ledger, order);
	if (order->known_version == 0)
		order->known_version = version_of(order);
	return order->hold_end_ms > ledger->mono_ms &&
	    join_lines(ledger, order);
}

/* It is answered in this turn, or held again when it finds nothing new. */
static void
let_look(struct ledger *ledger, struct order *order)
{
	(void)line_leave(ledger->holds, order->job.id.seq, address_of(order));
	(void)line_leave(ledger->hold_ends, order->hold_end_ms,
	    address_of(order));
	mail_list_add(&ledger->reads, &order->mail);
}

/* The first that is held for that job, from that address on; NULL: none. */
static struct order *
held_from(const struct ledger *ledger, int64_t job_seq, int64_t address)
{
	const struct line_item *item = line_at(ledger->holds, job_seq, address);

	if (item == NULL || item->rank != job_seq)
		return NULL;
	return (struct order *)(intptr_t)item->seq;
}

void
job_changed(struct ledger *ledger, const struct job *job)
{
	int64_t seq = job->id.seq;
	struct order *order = held_from(ledger, seq, INT64_MIN);

	while (order != NULL) {
		int64_t next = address_of(order) + 1;

		if (order->hold_until == HOLD_UNTIL_CHANGE ||
		    job_has_ended(job->status))
			let_look(ledger, order);
		order = held_from(ledger, seq, next);
	}
}

/* It is answered, whatever it finds. */
static void
release(struct ledger *ledger, struct order *order)
{
	order->hold_ms = 0;
	let_look(ledger, order);
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
	loop_send(order->from, ledger->inbox, &hurry->mail); /* behind it */
}

static void
hurry_one(struct ledger *ledger, struct mail *mail)
{
	struct hurry *hurry = (struct hurry *)mail;
	int64_t address = address_of(hurry->order);
	struct order *held = held_from(ledger, hurry->job_seq, address);

	if (held != NULL && address_of(held) == address &&
	    held->asked_us == hurry->asked_us)
		release(ledger, held);
	free(hurry);
}

void
hurry_holds(struct ledger *ledger)
{
	empty(ledger, &ledger->hurries, hurry_one);
}
