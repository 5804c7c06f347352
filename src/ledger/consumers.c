/* consumers.c - who wants to hold jobs, and what they are given.
 *
 * Jobs of a queue with executor "pull" wait until somebody asks for them. Who
 * finds nothing may wait, in a line of the queue, first come, first served.
 *
 * Invariants
 *  1. An ORDER_LEASE is either in the line of its queue, with one item in
 *     `wait_ends` (its last moment, and its address as number), or among those
 *     that are answered in this turn.
 *  2. A job is handed out only after its lease is on the disk.
 *  3. The line of a queue is kept only while it is not empty.
 *
 * Thread: the one in a turn of the ledger.
 */
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/random.h"
#include "inside.h"

#define WAITING_MAX 10000 /* over all queues; who comes then does not wait */

/* What one answer may weigh; its last job may exceed that. In JSON it is up to
 * six times as much. */
#define LEASE_MAX_BYTES (4 << 20)

/* When the queue has just been taken out of the configuration. */
#define LEASE_FALLBACK_MS 60000

/* The consumers that wait for jobs of one queue. */
struct waits {
	char queue[NAME_SIZE];
	struct order *first;
	struct order **end; /* where the next one is linked */
	struct waits *next;
};

struct consumers {
	struct waits *waits;
	struct line *wait_ends;
	struct mail_list answered; /* in this turn */
	int64_t waiting;
	int budget; /* jobs that may be leased in this turn */
};

struct consumers *
consumers_new(void)
{
	struct consumers *consumers = calloc(1, sizeof(*consumers));

	if (consumers == NULL)
		return NULL;
	consumers->wait_ends = line_new();
	if (consumers->wait_ends == NULL)
		consumers_free(&consumers);
	return consumers;
}

void
consumers_free(struct consumers **consumers)
{
	struct consumers *gone = *consumers;

	if (gone == NULL)
		return;
	while (gone->waits != NULL) {
		struct waits *waits = gone->waits;

		while (waits->first != NULL) {
			struct order *order = waits->first;

			waits->first = order->next_waiting;
			order_free(&order);
		}
		gone->waits = waits->next;
		free(waits);
	}
	line_free(&gone->wait_ends);
	free(gone);
	*consumers = NULL;
}

/* ---- the lines ---- */

static struct waits *
find_or_add_waits(struct consumers *consumers, const char *queue)
{
	struct waits *waits = consumers->waits;

	while (waits != NULL && strcmp(waits->queue, queue) != 0)
		waits = waits->next;
	if (waits != NULL)
		return waits;
	waits = calloc(1, sizeof(*waits));
	if (waits == NULL)
		return NULL;
	memcpy(waits->queue, queue, strnlen(queue, NAME_SIZE - 1));
	waits->end = &waits->first;
	waits->next = consumers->waits;
	consumers->waits = waits;
	return waits;
}

static struct waits *
find_waits(const struct consumers *consumers, const char *queue)
{
	struct waits *waits = consumers->waits;

	while (strcmp(waits->queue, queue) != 0)
		waits = waits->next;
	return waits;
}

static void
drop_waits(struct consumers *consumers, struct waits *waits)
{
	struct waits **link = &consumers->waits;

	while (*link != waits)
		link = &(*link)->next;
	*link = waits->next;
	free(waits);
}

static bool
wait_in_line(struct ledger *ledger, struct order *order)
{
	struct consumers *consumers = ledger->consumers;
	const struct line_item item = { order->hold_end_ms,
		(int64_t)(intptr_t)order, 0, 0 };
	struct waits *waits = find_or_add_waits(consumers, order->filter_queue);

	if (waits == NULL)
		return false;
	if (!line_join(consumers->wait_ends, &item)) {
		if (waits->first == NULL)
			drop_waits(consumers, waits);
		return false;
	}
	order->waiting_link = waits->end;
	order->next_waiting = NULL;
	*waits->end = order;
	waits->end = &order->next_waiting;
	consumers->waiting++;
	atomic_store(&ledger->consumers_waiting, consumers->waiting);
	return true;
}

static void
leave_line(struct ledger *ledger, struct order *order)
{
	struct consumers *consumers = ledger->consumers;
	struct waits *waits = find_waits(consumers, order->filter_queue);

	(void)line_leave(consumers->wait_ends, order->hold_end_ms,
	    (int64_t)(intptr_t)order);
	*order->waiting_link = order->next_waiting;
	if (order->next_waiting != NULL)
		order->next_waiting->waiting_link = order->waiting_link;
	else
		waits->end = order->waiting_link;
	order->waiting_link = NULL;
	consumers->waiting--;
	atomic_store(&ledger->consumers_waiting, consumers->waiting);
	if (waits->first == NULL)
		drop_waits(consumers, waits);
}

/* ---- coming and going ---- */

static int64_t
allowed_wait_ms(const struct ledger *ledger, const struct order *order)
{
	const struct conf_queue *queue = conf_queue_find(ledger->conf,
	    order->filter_queue);

	if (queue == NULL || ledger->consumers->waiting >= WAITING_MAX)
		return 0;
	return order->hold_ms < queue->max_wait_ms ? order->hold_ms
						   : queue->max_wait_ms;
}

void
consumer_arrives(struct ledger *ledger, struct order *order)
{
	order->hold_end_ms = ledger->mono_ms + allowed_wait_ms(ledger, order);
	if (!wait_in_line(ledger, order))
		answer_order(ledger, order, ORDER_UNAVAILABLE);
}

static struct order *
order_of_leaving(struct mail *mail)
{
	return (struct order *)(void *)((char *)mail -
	    offsetof(struct order, leaving));
}

static void
let_go_open_cb(struct mail *mail, void *room)
{
	struct order *order = order_of_leaving(mail);

	(void)room;
	order->let_go(order);
}

/* This word goes back behind the answer, wherever that is by now. */
static void
leaving_open_cb(struct mail *mail, void *room)
{
	struct ledger *ledger = room;
	struct order *order = order_of_leaving(mail);

	if (order->waiting_link != NULL) {
		leave_line(ledger, order);
		answer_order(ledger, order, ORDER_OK);
	}
	mail->open = let_go_open_cb;
	send_to(ledger, order->from, mail);
}

/* The way that the order went, which may still be held back: this word must not
 * overtake it. */
void
ledger_forget(struct ledger *ledger, struct order *order)
{
	order->leaving.open = leaving_open_cb;
	loop_send(order->from, ledger->inbox, &order->leaving);
}

int64_t
consumers_due_mono_ms(struct ledger *ledger)
{
	const struct consumers *consumers = ledger->consumers;
	const struct line_item *item = line_first(consumers->wait_ends);
	int64_t due_mono_ms = item != NULL ? item->rank : INT64_MAX;

	for (const struct waits *waits = consumers->waits; waits != NULL;
	     waits = waits->next) {
		int64_t ready_mono_ms = sched_pull_due_mono_ms(ledger->sched,
		    waits->queue);

		if (ready_mono_ms < due_mono_ms)
			due_mono_ms = ready_mono_ms;
	}
	return due_mono_ms;
}

/* ---- leasing ---- */

int64_t
lease_length_ms(const struct ledger *ledger, const struct job *job,
    int64_t asked_ms)
{
	const struct conf_queue *queue = conf_queue_find(ledger->conf,
	    job->queue);
	int64_t length_ms = queue != NULL ? queue->timeout_ms
					  : LEASE_FALLBACK_MS;

	if (asked_ms > 0)
		return asked_ms;
	if (job->timeout_ms > 0 && job->timeout_ms < length_ms)
		return job->timeout_ms;
	return length_ms;
}

static void
make_token(char out[LEASE_TOKEN_SIZE])
{
	unsigned char bits[(LEASE_TOKEN_SIZE - 1) / 2];

	random_bytes(bits, sizeof(bits));
	text_hex(bits, sizeof(bits), out);
}

/* Writes the lease down; run joins the order, also when that fails, so that it
 * is undone. */
static enum store_result
lease(struct ledger *ledger, struct order *order, struct run *run)
{
	struct job *job = &run->job;
	int64_t length_ms = lease_length_ms(ledger, job, order->lease_ms);
	enum store_result result = begin_writing(ledger);

	mail_list_add(&order->leased, &run->mail);
	mark_started(ledger, job);
	make_token(job->lease_token);
	job->lease_until_ms = planned_at(ledger, length_ms);
	ledger->must_last = true;
	if (result == STORE_OK)
		result = update_job(ledger, job, NULL);
	if (result == STORE_OK && job->attempts == 1)
		result = add_event(ledger, job, EVENT_STARTED, &run->delivery,
		    &run->has_event);
	if (result == STORE_OK &&
	    !watch_lease(ledger, job->id.seq, ledger->mono_ms + length_ms))
		result = STORE_AGAIN;
	return result;
}

/* As many jobs as the order may have and there are. */
static enum store_result
fill(struct ledger *ledger, struct order *order)
{
	int64_t bytes = 0;
	enum store_result result = STORE_OK;

	while (result == STORE_OK && bytes < LEASE_MAX_BYTES &&
	    order->leased.count < (size_t)order->lease_max &&
	    ledger->consumers->budget > 0) {
		struct waiting waiting;
		struct run *run;

		if (!sched_next_pulled(ledger->sched, order->filter_queue,
			ledger->mono_ms, &waiting))
			return STORE_OK;
		ledger->consumers->budget--;
		result = take_waiting(ledger, order->filter_queue, &waiting,
		    &run);
		if (run == NULL)
			continue;
		bytes += run->job.request_bytes;
		result = lease(ledger, order, run);
	}
	return result;
}

static void
answer_in_turn(struct ledger *ledger, struct order *order)
{
	leave_line(ledger, order);
	mail_list_add(&ledger->consumers->answered, &order->mail);
}

/* Whoever waits longest is served first, as long as there are jobs. */
static enum store_result
serve(struct ledger *ledger, struct order *first)
{
	struct order *order = first;

	while (order != NULL) {
		struct order *next = order->next_waiting;
		enum store_result result = fill(ledger, order);

		if (order->leased.count == 0)
			return result;
		answer_in_turn(ledger, order);
		if (result != STORE_OK)
			return result;
		order = next;
	}
	return STORE_OK;
}

/* all: whether or not they would wait longer. */
static void
end_waits(struct ledger *ledger, bool all)
{
	const struct line_item *item;

	while ((item = line_first(ledger->consumers->wait_ends)) != NULL &&
	    (all || item->rank <= ledger->mono_ms))
		answer_in_turn(ledger, (struct order *)(intptr_t)item->seq);
}

enum store_result
lease_waiting(struct ledger *ledger)
{
	struct consumers *consumers = ledger->consumers;
	struct waits *next;

	if (atomic_load(&ledger->is_draining)) {
		end_waits(ledger, true);
		return STORE_OK;
	}
	consumers->budget = TURN_MAX;
	for (struct waits *waits = consumers->waits; waits != NULL;
	     waits = next) {
		enum store_result result;

		next = waits->next;
		result = serve(ledger, waits->first);
		if (result != STORE_OK)
			return result;
	}
	end_waits(ledger, false);
	return STORE_OK;
}

static void
conclude_lease(struct ledger *ledger, struct order *order)
{
	for (struct mail *mail = order->leased.first; mail != NULL;
	     mail = mail->next)
		tell_start(ledger, (struct run *)mail);
	metrics_add(ledger->metrics, METRIC_LEASES,
	    (int64_t)order->leased.count);
	answer_order(ledger, order, ORDER_OK);
}

void
conclude_leases(struct ledger *ledger)
{
	struct mail *mail;

	while ((mail = mail_list_take(&ledger->consumers->answered)) != NULL)
		conclude_lease(ledger, (struct order *)mail);
}

static void
undo_lease(struct ledger *ledger, struct mail *mail)
{
	struct run *run = (struct run *)mail;

	(void)forget_lease(ledger, run->job.id.seq);
	undo_claim(ledger, mail);
}

/* Those who would wait longer may still be lucky. */
void
undo_leases(struct ledger *ledger)
{
	struct mail *mail;

	end_waits(ledger, atomic_load(&ledger->is_draining));
	while ((mail = mail_list_take(&ledger->consumers->answered)) != NULL) {
		struct order *order = (struct order *)mail;

		empty(ledger, &order->leased, undo_lease);
		answer_order(ledger, order, ORDER_UNAVAILABLE);
	}
}
