/* orders.c - accepting.
 *
 * A job that arrives while nobody waits and a slot is free is written down as
 * running at once: the claim costs nothing, and its body need not be read back.
 * Nor need that of a job whose turn is near, which stays at hand (fresh.h).
 *
 * Thread: the one in a turn of the ledger.
 */
#include <string.h>

#include "inside.h"

/* ---- accepting ---- */

static void
date_job(struct ledger *ledger, struct order *order)
{
	struct job *job = &order->job;

	job->created_at_ms = ledger->wall_ms;
	job->run_at_ms = ledger->wall_ms;
	if (order->delay_ms > 0)
		job->run_at_ms = planned_at(ledger, order->delay_ms);
	if (order->delay_ms > 0 && job->run_at_ms <= job->created_at_ms)
		job->run_at_ms = job->created_at_ms + 1;
	if (order->expires_ms >= 0)
		job->expires_at_ms = planned_at(ledger, order->expires_ms);
}

static void
claim_on_arrival(struct ledger *ledger, struct order *order)
{
	struct job *job = &order->job;

	if (order->delay_ms > 0 || atomic_load(&ledger->is_draining) ||
	    !sched_admit(ledger->sched, job->queue, ledger->mono_ms))
		return;
	order->run = run_new();
	if (order->run == NULL) {
		sched_give_slot(ledger->sched, job->queue);
		return;
	}
	order->run->leapt_ms = ledger->leapt_ms;
	mark_started(ledger, job);
}

/* The job that the same key began before, and what has become of it. */
static enum store_result
show_first(struct ledger *ledger, struct order *order,
    const struct store_key *first)
{
	enum store_result result;

	if (strcmp(first->fingerprint, order->fingerprint) != 0) {
		order->result = ORDER_MISMATCH;
		return STORE_OK;
	}
	order->result = ORDER_REPLAYED;
	job_clear(&order->job);
	result = store_get_job_seq(ledger->store, first->job_seq, &order->job);
	if (result == STORE_OK && order->shows_request) {
		payload_clear(&order->request);
		result = load_request(ledger, first->job_seq, &order->request);
	}
	if (result == STORE_OK)
		result = find_delivery(ledger, &order->job, &order->delivery,
		    &order->has_delivery);
	return result;
}

/* Looks for the first use of the order's key, or makes this one the first.
 * order->result stays ORDER_OK in the latter case. */
static enum store_result
claim_key(struct ledger *ledger, struct order *order)
{
	const struct job *job = &order->job;
	struct store_key first;
	enum store_result result;

	order->result = ORDER_OK;
	if (job->idempotency_key == NULL)
		return STORE_OK;
	result = store_find_key(ledger->store, job->client,
	    job->idempotency_key, &first);
	if (result == STORE_OK)
		return show_first(ledger, order, &first);
	if (order->is_overbooked)
		order->result = ORDER_FULL;
	return result == STORE_MISSING ? STORE_OK : result;
}

static enum store_result
add_job(struct ledger *ledger, struct order *order)
{
	struct job *job = &order->job;
	struct store_key key;
	enum store_result result;

	result = store_add_job(ledger->store, job, &order->request,
	    ledger->wall_ms);
	if (result != STORE_OK || job->idempotency_key == NULL)
		return result;
	key.job_seq = job->id.seq;
	memcpy(key.fingerprint, order->fingerprint, sizeof(key.fingerprint));
	return store_add_key(ledger->store, job->client, job->idempotency_key,
	    &key);
}

enum store_result
prepare_accept(struct ledger *ledger, struct mail *mail)
{
	struct order *order = (struct order *)mail;
	enum store_result result = begin_writing(ledger);

	if (result == STORE_OK)
		result = claim_key(ledger, order);
	if (result != STORE_OK || order->result != ORDER_OK)
		return result;
	ledger->must_last = true;
	date_job(ledger, order);
	claim_on_arrival(ledger, order);
	result = add_job(ledger, order);
	if (result != STORE_OK || order->run == NULL)
		return result;
	if (!job_copy(&order->run->job, &order->job))
		return STORE_AGAIN;
	return add_event(ledger, &order->job, EVENT_STARTED,
	    &order->run->delivery, &order->run->has_event);
}

static void
log_accepted(struct ledger *ledger, const struct job *job)
{
	char id[UUID_TEXT_SIZE];

	if (!log_wants(LOG_LEVEL_INFO))
		return;
	uuid_text(job->id, id);
	log_event(ledger->log, LOG_LEVEL_INFO, "accepted", LOG_TEXT("job", id),
	    LOG_TEXT("queue", job->queue), LOG_TEXT("client", job->client),
	    LOG_TEXT("state", job_status_name(job->status)),
	    LOG_INT("bytes", job->request_bytes));
}

/* Nothing new: the place goes back. */
static void
conclude_replay(struct ledger *ledger, struct order *order)
{
	order_give_place(order);
	fill_facts(ledger, &order->job, &order->facts);
	answer_order(ledger, order, order->result);
}

void
conclude_accept(struct ledger *ledger, struct mail *mail)
{
	struct order *order = (struct order *)mail;
	struct run *run = order->run;

	if (order->result != ORDER_OK) {
		conclude_replay(ledger, order);
		return;
	}
	atomic_fetch_add_explicit(&order->queue->gauge->accepted, 1,
	    memory_order_relaxed);
	sched_accepted(ledger->sched, order->job.queue, ledger->mono_ms);
	log_accepted(ledger, &order->job);
	if (run == NULL)
		wait_for_turn(ledger, &order->job);
	fill_facts(ledger, &order->job, &order->facts);
	job_arrived(ledger, &order->job);
	order->run = NULL;
	if (run == NULL) {
		keep_waiting(ledger, order);
	} else {
		run->loop = order->from;
		run->request = order->request;
		order->request = (struct payload){ NULL, NULL };
	}
	answer_order(ledger, order, ORDER_OK);
	if (run != NULL)
		begin_run(ledger, &run->mail);
}

void
undo_accept(struct ledger *ledger, struct mail *mail)
{
	struct order *order = (struct order *)mail;

	if (order->run != NULL)
		sched_give_slot(ledger->sched, order->job.queue);
	run_free(&order->run);
	order_give_place(order);
	answer_order(ledger, order, ORDER_UNAVAILABLE);
}
