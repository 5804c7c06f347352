/* leases.c - what consumers hold, until when, and what they say of it.
 *
 *   (leased) ──► extend ──► ... ──► complete | fail | its end comes
 *                                        │
 *                                        ▼
 *                                 as the end of a run
 *
 * A lease is a token and a moment in the job's record, and so outlives the
 * process. Whoever shows the token may speak for the run; when the moment has
 * come, the run has failed, and the token is worth nothing.
 *
 * Invariants
 *  1. A job that is held has one item in each of the two lines.
 *  2. A held job has a slot, and is in no run.
 *
 * Thread: the one in a turn of the ledger.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"

struct leases {
	struct line *ends; /* rank: monotonic moment; seq: of the job */
	struct line
	    *held; /* rank: 0; seq: of the job; bytes, tag: the moment */
};

struct leases *
leases_new(void)
{
	struct leases *leases = calloc(1, sizeof(*leases));

	if (leases == NULL)
		return NULL;
	leases->ends = line_new();
	leases->held = line_new();
	if (leases->ends == NULL || leases->held == NULL)
		leases_free(&leases);
	return leases;
}

void
leases_free(struct leases **leases)
{
	if (*leases == NULL)
		return;
	line_free(&(*leases)->ends);
	line_free(&(*leases)->held);
	free(*leases);
	*leases = NULL;
}

/* ---- who holds what ---- */

bool
watch_lease(struct ledger *ledger, int64_t seq, int64_t until_mono_ms)
{
	struct leases *leases = ledger->leases;
	const struct line_item end = { until_mono_ms, seq, 0, 0 };
	const struct line_item held = { 0, seq, (uint32_t)until_mono_ms,
		(uint32_t)((uint64_t)until_mono_ms >> 32) };

	if (!line_join(leases->ends, &end))
		return false;
	if (line_join(leases->held, &held))
		return true;
	(void)line_leave(leases->ends, until_mono_ms, seq);
	return false;
}

/* False when nobody holds the job. */
static bool
find_lease(const struct ledger *ledger, int64_t seq, int64_t *until_mono_ms_out)
{
	const struct line_item *item = line_at(ledger->leases->held, 0, seq);

	if (item == NULL || item->seq != seq)
		return false;
	*until_mono_ms_out = (int64_t)((uint64_t)item->tag << 32 | item->bytes);
	return true;
}

bool
forget_lease(struct ledger *ledger, int64_t seq)
{
	int64_t until_mono_ms;

	if (!find_lease(ledger, seq, &until_mono_ms))
		return false;
	(void)line_leave(ledger->leases->held, 0, seq);
	(void)line_leave(ledger->leases->ends, until_mono_ms, seq);
	return true;
}

int64_t
leases_due_mono_ms(const struct ledger *ledger)
{
	const struct line_item *item = line_first(ledger->leases->ends);

	return item != NULL ? item->rank : INT64_MAX;
}

/* ---- leases that are over ---- */

/* STORE_MISSING when the job is no longer held. */
static enum store_result
load_expired(struct ledger *ledger, int64_t seq, struct run **run_out)
{
	struct run *run = run_new();
	enum store_result result = STORE_AGAIN;

	if (run != NULL)
		result = store_get_job_seq(ledger->store, seq, &run->job);
	if (result == STORE_OK && run->job.lease_token[0] == '\0')
		result = STORE_MISSING;
	if (result != STORE_OK)
		run_free(&run);
	else
		run->leapt_ms = ledger->leapt_ms;
	*run_out = run;
	return result;
}

/* The job goes back at once: another consumer may be quicker. */
static void
end_expired(struct ledger *ledger, struct run *run)
{
	run->was_leased = true;
	run->verdict = VERDICT_RETRY;
	run->error = ERROR_LEASE_EXPIRED;
	run->wait_ms = 0;
	run->duration_ms = age_of(ledger, run->job.started_at_ms);
	(void)snprintf(run->detail, sizeof(run->detail),
	    "the consumer let its lease end");
	mail_list_add(&ledger->runs, &run->mail);
}

enum store_result
expire_leases(struct ledger *ledger)
{
	const struct line_item *item;
	int done = 0;

	while (done++ < TURN_MAX &&
	    (item = line_first(ledger->leases->ends)) != NULL &&
	    item->rank <= ledger->mono_ms) {
		int64_t seq = item->seq;
		struct run *run;
		enum store_result result = load_expired(ledger, seq, &run);

		if (result != STORE_OK && result != STORE_MISSING)
			return result;
		(void)forget_lease(ledger, seq);
		if (result == STORE_OK)
			end_expired(ledger, run);
	}
	return STORE_OK;
}

/* ---- who may speak ---- */

/* In a time that does not tell how much was right. */
static bool
tokens_are_equal(const char *a, const char *b)
{
	unsigned char difference = 0;

	for (size_t i = 0; i < LEASE_TOKEN_SIZE; i++)
		difference |= (unsigned char)(a[i] ^ b[i]);
	return difference == 0;
}

/* Consumers of a queue see whose lease they have lost. */
static bool
may_know_of(const struct ledger *ledger, const struct order *order,
    const struct job *job)
{
	return order->client[0] == '\0' ||
	    strcmp(order->client, job->client) == 0 ||
	    conf_may_consume(ledger->conf, order->client, job->queue);
}

/* Loads the order's job into *job, when the order has its lease; result says
 * whether. */
static enum store_result
load_held(struct ledger *ledger, struct order *order, struct uuid id,
    struct job *job)
{
	int64_t until_mono_ms;
	enum store_result result = store_get_job(ledger->store, id, job);

	order->result = ORDER_OK;
	if (result == STORE_MISSING ||
	    (result == STORE_OK && !may_know_of(ledger, order, job)))
		order->result = ORDER_MISSING;
	else if (result == STORE_OK &&
	    (job->lease_token[0] == '\0' ||
		!tokens_are_equal(job->lease_token, order->lease_token) ||
		!find_lease(ledger, job->id.seq, &until_mono_ms)))
		order->result = ORDER_STALE;
	return result == STORE_MISSING ? STORE_OK : result;
}

/* ---- complete, fail ---- */

static void
refuse_large(const struct ledger *ledger, struct run *run)
{
	const struct conf_queue *queue = conf_queue_find(ledger->conf,
	    run->job.queue);

	if (queue == NULL || run->response_bytes <= queue->max_result_bytes)
		return;
	payload_clear(&run->response);
	run->response_bytes = 0;
	run->status = 0;
	run->verdict = verdict_of_run(ERROR_TOO_LARGE, 0, &run->error);
	(void)snprintf(run->detail, sizeof(run->detail),
	    "the result has more than %lld bytes",
	    (long long)queue->max_result_bytes);
}

static enum store_result
prepare_end(struct ledger *ledger, struct order *order)
{
	struct run *run = order->run;
	enum store_result result = load_held(ledger, order, order->job.id,
	    &run->job);

	if (result != STORE_OK || order->result != ORDER_OK)
		return result;
	refuse_large(ledger, run);
	run->was_leased = true;
	run->leapt_ms = ledger->leapt_ms;
	run->duration_ms = age_of(ledger, run->job.started_at_ms);
	ledger->must_last = true;
	result = prepare_run_end(ledger, &run->mail);
	if (result == STORE_OK && !job_copy(&order->job, &run->job))
		result = STORE_AGAIN;
	return result;
}

static void
conclude_end(struct ledger *ledger, struct order *order)
{
	struct run *run = order->run;

	(void)forget_lease(ledger, run->job.id.seq);
	order->run = NULL;
	conclude_run_end(ledger, &run->mail);
	fill_facts(ledger, &order->job, &order->facts);
	(void)find_delivery(ledger, &order->job, &order->delivery,
	    &order->has_delivery);
}

/* ---- extend ---- */

static enum store_result
load_own(struct ledger *ledger, struct order *order)
{
	struct uuid id = order->job.id;

	job_clear(&order->job);
	return load_held(ledger, order, id, &order->job);
}

static enum store_result
prepare_extend(struct ledger *ledger, struct order *order)
{
	struct job *job = &order->job;
	enum store_result result = load_own(ledger, order);

	if (result != STORE_OK || order->result != ORDER_OK)
		return result;
	job->lease_until_ms = planned_at(ledger,
	    lease_length_ms(ledger, job, order->lease_ms));
	ledger->must_last = true;
	return update_job(ledger, job, NULL);
}

static void
conclude_extend(struct ledger *ledger, struct order *order)
{
	const struct job *job = &order->job;

	(void)forget_lease(ledger, job->id.seq);
	if (!watch_lease(ledger, job->id.seq,
		due_mono(ledger, job->lease_until_ms)))
		log_event(ledger->log, LOG_LEVEL_ERROR, "job_parked",
		    LOG_TEXT("queue", job->queue),
		    LOG_TEXT("why", "out of memory; waits for a restart"));
}

/* ---- progress ---- */

static bool
take_progress(struct order *order)
{
	struct job *job = &order->job;

	if (order->progress_share >= 0)
		job->progress = order->progress_share;
	if (order->progress_message == NULL)
		return true;
	free(job->progress_message);
	job->progress_message = text_copy(order->progress_message);
	return job->progress_message != NULL;
}

/* One event on its way is enough: a receiver that is slow or down must not
 * find all of them when it is back. */
static enum store_result
add_progress_event(struct ledger *ledger, struct order *order)
{
	int64_t pending_seq;
	enum store_result result = STORE_MISSING;

	if (order->job.callback_events & EVENT_PROGRESS)
		result = store_find_open_delivery(ledger->store,
		    order->job.id.seq, EVENT_PROGRESS, &pending_seq);
	else
		return STORE_OK;
	if (result != STORE_MISSING)
		return result;
	return add_event(ledger, &order->job, EVENT_PROGRESS, &order->delivery,
	    &order->has_delivery);
}

/* May be lost with the power: it is but a word on the way. */
static enum store_result
prepare_progress(struct ledger *ledger, struct order *order)
{
	enum store_result result = load_own(ledger, order);

	if (result != STORE_OK || order->result != ORDER_OK)
		return result;
	if (!take_progress(order))
		return STORE_AGAIN;
	result = update_job(ledger, &order->job, NULL);
	return result == STORE_OK ? add_progress_event(ledger, order) : result;
}

static void
conclude_progress(struct ledger *ledger, struct order *order)
{
	if (order->has_delivery)
		plan_delivery(ledger, &order->delivery);
	delivery_clear(&order->delivery);
	order->has_delivery = false; /* not that of the job's end */
	job_progressed(ledger, &order->job);
}

/* ---- all of them ---- */

enum store_result
prepare_lease_change(struct ledger *ledger, struct mail *mail)
{
	struct order *order = (struct order *)mail;
	enum store_result result = begin_writing(ledger);

	if (result != STORE_OK)
		return result;
	if (order->kind == ORDER_END_LEASE)
		return prepare_end(ledger, order);
	if (order->kind == ORDER_EXTEND)
		return prepare_extend(ledger, order);
	assert(order->kind == ORDER_PROGRESS);
	return prepare_progress(ledger, order);
}

static void
conclude_kind(struct ledger *ledger, struct order *order)
{
	if (order->kind == ORDER_END_LEASE) {
		conclude_end(ledger, order);
		return;
	}
	if (order->kind == ORDER_EXTEND)
		conclude_extend(ledger, order);
	else
		conclude_progress(ledger, order);
	fill_facts(ledger, &order->job, &order->facts);
	order->facts.shows_lease = true;
}

void
conclude_lease_change(struct ledger *ledger, struct mail *mail)
{
	struct order *order = (struct order *)mail;

	if (order->result == ORDER_OK)
		conclude_kind(ledger, order);
	answer_order(ledger, order, order->result);
}

void
undo_lease_change(struct ledger *ledger, struct mail *mail)
{
	struct order *order = (struct order *)mail;

	if (order->kind == ORDER_END_LEASE && order->run->slot_given)
		sched_retake_slot(ledger->sched, order->run->job.queue);
	answer_order(ledger, order, ORDER_UNAVAILABLE);
}
