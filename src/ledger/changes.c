/* changes.c - orders that change what there is already: sending again,
 * cancelling, running again.
 *
 * A job that is cancelled while it runs ends at once, in the store; its loop is
 * then told to drop the run. Whatever that run still brings back is void: its
 * number waits in `cancelled` until it does. A job that waits leaves its line.
 * Both happen before the commit, so that this turn does not claim the job and
 * there is memory for it, and are taken back when the commit fails.
 *
 * Thread: the one in a turn of the ledger.
 */
#include <stdlib.h>
#include <string.h>

#include "inside.h"

/* ---- sending again ---- */

static bool
may_see(const struct order *order, const struct job *job)
{
	return order->client[0] == '\0' ||
	    strcmp(order->client, job->client) == 0;
}

static enum store_result
load_ended_delivery(struct ledger *ledger, struct order *order)
{
	struct uuid id = order->delivery.id;
	enum store_result result;

	delivery_clear(&order->delivery);
	result = store_get_delivery(ledger->store, id, &order->delivery);
	if (result == STORE_OK)
		result = store_get_job(ledger->store, order->delivery.job,
		    &order->job);
	if (result == STORE_OK && !may_see(order, &order->job))
		result = STORE_MISSING;
	order->result = result == STORE_MISSING ? ORDER_MISSING : ORDER_OK;
	return result == STORE_MISSING ? STORE_OK : result;
}

static void
restart_schedule(struct ledger *ledger, struct delivery *delivery)
{
	delivery->state = DELIVERY_PENDING;
	delivery->attempts = 0;
	delivery->schedule_at_ms = ledger->wall_ms;
	delivery->next_at_ms = ledger->wall_ms;
	delivery->ended_at_ms = -1;
	delivery->error = ERROR_NONE;
}

static enum store_result
prepare_redeliver(struct ledger *ledger, struct order *order)
{
	enum store_result result = load_ended_delivery(ledger, order);

	if (result != STORE_OK || order->result == ORDER_MISSING)
		return result;
	if (order->delivery.state != DELIVERY_DELIVERED &&
	    order->delivery.state != DELIVERY_DEAD) {
		order->result = ORDER_CONFLICT;
		return STORE_OK;
	}
	restart_schedule(ledger, &order->delivery);
	return store_update_delivery(ledger->store, &order->delivery);
}

/* ---- cancelling ---- */

/* Loads the order's job; order->result says whether it may be had. */
static enum store_result
load_job(struct ledger *ledger, struct order *order)
{
	struct uuid id = order->job.id;
	enum store_result result;

	job_clear(&order->job);
	result = store_get_job(ledger->store, id, &order->job);
	if (result == STORE_OK && !may_see(order, &order->job))
		result = STORE_MISSING;
	order->result = result == STORE_MISSING ? ORDER_MISSING : ORDER_OK;
	return result == STORE_MISSING ? STORE_OK : result;
}

/* It will not be claimed this turn, and what its run brings back from now on is
 * void. False: no memory. */
static bool
set_aside(struct ledger *ledger, struct order *order)
{
	const struct job *job = &order->job;
	const struct line_item run = { 0, job->id.seq, 0, 0 };

	if (order->was_running)
		return line_join(ledger->cancelled, &run);
	order->has_left = sched_leave(ledger->sched, job->queue, job->priority,
	    job->id.seq, due_mono(ledger, job->run_at_ms));
	return true;
}

static void
put_back(struct ledger *ledger, const struct order *order)
{
	if (order->was_running)
		(void)line_leave(ledger->cancelled, 0, order->job.id.seq);
	if (order->has_left)
		join_line(ledger, &order->job);
}

static enum store_result
prepare_cancel(struct ledger *ledger, struct order *order)
{
	struct job *job = &order->job;
	enum store_result result = load_job(ledger, order);

	if (result != STORE_OK || order->result != ORDER_OK)
		return result;
	order->was_running = job->status == JOB_RUNNING;
	order->held_place = job_holds_place(job);
	if (!job_next(job->status, JOB_CANCEL, &job->status)) {
		order->result = ORDER_CONFLICT;
		return STORE_OK;
	}
	if (!set_aside(ledger, order)) {
		order->result = ORDER_UNAVAILABLE;
		return STORE_OK;
	}
	job->finished_at_ms = ledger->wall_ms;
	job->error = ERROR_CANCELLED;
	job_end_lease(job);
	free(job->error_detail);
	job->error_detail = NULL;
	result = update_job(ledger, job, NULL);
	if (result != STORE_OK)
		return result;
	return add_event(ledger, job, EVENT_CANCELLED, &order->delivery,
	    &order->has_delivery);
}

struct cancel_mail {
	struct mail mail;
	int64_t job_seq;
};

static void
cancel_open_cb(struct mail *mail, void *room)
{
	struct ledger_hands *hands = room;
	struct cancel_mail *word = (struct cancel_mail *)mail;

	hands->cancel_run(word->job_seq, hands->arg);
	free(word);
}

/* Which loop has it is not kept: cancelling is rare. Without memory the run
 * goes on, for nothing. */
static void
drop_run(struct ledger *ledger, int64_t job_seq)
{
	for (unsigned i = 0; i < ledger->hands_count; i++) {
		struct cancel_mail *word = calloc(1, sizeof(*word));

		if (word == NULL)
			continue;
		word->mail.open = cancel_open_cb;
		word->job_seq = job_seq;
		send_to(ledger, ledger->hands[i]->loop, &word->mail);
	}
}

static void
log_cancelled(struct ledger *ledger, const struct job *job)
{
	char id[UUID_TEXT_SIZE];

	uuid_text(job->id, id);
	log_event(ledger->log, LOG_LEVEL_INFO, "ended", LOG_TEXT("job", id),
	    LOG_TEXT("queue", job->queue),
	    LOG_TEXT("state", job_status_name(job->status)),
	    LOG_INT("attempt", job->attempts), LOG_INT("status", 0),
	    LOG_INT("run_ms", 0), LOG_TEXT("why", job_error_name(job->error)));
}

/* A consumer brings nothing back of its own accord: its slot is free at once. */
static void
stop_running(struct ledger *ledger, const struct order *order)
{
	const struct job *job = &order->job;

	if (forget_lease(ledger, job->id.seq)) {
		(void)line_leave(ledger->cancelled, 0, job->id.seq);
		sched_give_slot(ledger->sched, job->queue);
	} else if (order->was_running) {
		drop_run(ledger, job->id.seq);
	} else if (!order->has_left) { /* its run ended this turn: it joined */
		(void)sched_leave(ledger->sched, job->queue, job->priority,
		    job->id.seq, due_mono(ledger, job->run_at_ms));
	}
}

static void
conclude_cancel(struct ledger *ledger, struct order *order)
{
	const struct job *job = &order->job;
	struct queue_gauge *gauge = sched_gauge(ledger->sched, job->queue);

	stop_running(ledger, order);
	if (order->held_place)
		give_place(ledger, job);
	if (gauge != NULL)
		atomic_fetch_add_explicit(&gauge->ended[JOB_CANCELLED], 1,
		    memory_order_relaxed);
	log_cancelled(ledger, job);
	if (order->has_delivery)
		plan_delivery(ledger, &order->delivery);
	fill_facts(ledger, job, &order->facts);
}

/* ---- running again ---- */

/* As many attempts again as the queue gives, and the place they need. */
static bool
revive(struct ledger *ledger, struct order *order)
{
	struct job *job = &order->job;
	const struct conf_queue *queue = conf_queue_find(ledger->conf,
	    job->queue);

	if (queue == NULL || !job_next(job->status, JOB_REVIVE, &job->status)) {
		order->result = ORDER_CONFLICT;
		return false;
	}
	order->held_place = queue_take_place(queue, job->request_bytes);
	if (!order->held_place) {
		order->result = ORDER_FULL;
		return false;
	}
	gauges_hold_client(ledger->conf->gauges, job->client);
	job->max_attempts = job->attempts + queue->attempts;
	job->run_at_ms = ledger->wall_ms;
	job->finished_at_ms = -1;
	job->expires_at_ms = -1;
	job->response_status = 0;
	job->response_bytes = 0;
	free(job->response_type);
	job->response_type = NULL;
	return true;
}

static enum store_result
prepare_retry(struct ledger *ledger, struct order *order)
{
	enum store_result result = load_job(ledger, order);

	if (result != STORE_OK || order->result != ORDER_OK ||
	    !revive(ledger, order))
		return result;
	result = store_renew_delivery(ledger->store, &order->job,
	    ledger->wall_ms);
	if (result == STORE_OK)
		result = update_job(ledger, &order->job, NULL);
	return result;
}

static void
conclude_retry(struct ledger *ledger, struct order *order)
{
	char id[UUID_TEXT_SIZE];

	uuid_text(order->job.id, id);
	log_event(ledger->log, LOG_LEVEL_INFO, "revived", LOG_TEXT("job", id),
	    LOG_TEXT("queue", order->job.queue),
	    LOG_INT("attempt", order->job.attempts));
	wait_for_turn(ledger, &order->job);
	fill_facts(ledger, &order->job, &order->facts);
}

void
undo_change(struct ledger *ledger, struct mail *mail)
{
	struct order *order = (struct order *)mail;

	if (order->kind == ORDER_RETRY && order->held_place)
		give_place(ledger, &order->job);
	if (order->kind == ORDER_CANCEL)
		put_back(ledger, order);
	answer_order(ledger, order, ORDER_UNAVAILABLE);
}

/* ---- all of them ---- */

static enum store_result
prepare_kind(struct ledger *ledger, struct order *order)
{
	switch (order->kind) {
	case ORDER_REDELIVER:
		return prepare_redeliver(ledger, order);
	case ORDER_CANCEL:
		return prepare_cancel(ledger, order);
	case ORDER_RETRY:
		return prepare_retry(ledger, order);
	case ORDER_PAUSE:
		return prepare_pause(ledger, order);
	case ORDER_LEASE:
	case ORDER_END_LEASE:
	case ORDER_EXTEND:
	case ORDER_PROGRESS:
	case ORDER_QUEUES:
	case ORDER_ACCEPT:
	case ORDER_JOB:
	case ORDER_RESULT:
	case ORDER_JOBS:
	case ORDER_DELIVERIES:
	case ORDER_BOOKS:
	case ORDER_WATCH:
		break;
	}
	return STORE_OK;
}

enum store_result
prepare_change(struct ledger *ledger, struct mail *mail)
{
	enum store_result result = begin_writing(ledger);

	ledger->must_last = true;
	if (result != STORE_OK)
		return result;
	return prepare_kind(ledger, (struct order *)mail);
}

static void
conclude_kind(struct ledger *ledger, struct order *order)
{
	if (order->kind == ORDER_PAUSE) {
		conclude_pause(ledger, order);
		return;
	}
	if (order->kind == ORDER_CANCEL)
		conclude_cancel(ledger, order);
	else if (order->kind == ORDER_RETRY)
		conclude_retry(ledger, order);
	else
		plan_delivery(ledger, &order->delivery);
	if (order->kind == ORDER_REDELIVER)
		job_changed(ledger, &order->job);
	else
		job_moved(ledger, &order->job);
}

void
conclude_change(struct ledger *ledger, struct mail *mail)
{
	struct order *order = (struct order *)mail;

	if (order->result == ORDER_OK)
		conclude_kind(ledger, order);
	answer_order(ledger, order, order->result);
}
