/* recover.c - taking up where the last process stopped, however it stopped.
 *
 * What waited waits again. What was running was interrupted: nobody knows how
 * far the upstream came. That run counts as an attempt; at-least-once tries
 * again while attempts are left, at-most-once never does.
 *
 * Thread: the one that starts the daemon, before the ledger's runs.
 */
#include <stdlib.h>

#include "inside.h"

struct recovery {
	struct ledger *ledger;
	int64_t *interrupted; /* sequence numbers, owned */
	size_t interrupted_count;
	size_t interrupted_room;
	int64_t waiting;
	int64_t leased;
	int64_t deliveries;
	int64_t unknown; /* of queues that are not configured */
	bool out_of_memory;
};

static bool
note_interrupted(struct recovery *recovery, int64_t seq)
{
	if (recovery->interrupted_count == recovery->interrupted_room) {
		size_t room = recovery->interrupted_room * 2 + 64;
		int64_t *grown = realloc(recovery->interrupted,
		    room * sizeof(*grown));

		if (grown == NULL)
			return false;
		recovery->interrupted = grown;
		recovery->interrupted_room = room;
	}
	recovery->interrupted[recovery->interrupted_count++] = seq;
	return true;
}

static bool
line_up(struct recovery *recovery, const struct open_job *job)
{
	struct ledger *ledger = recovery->ledger;
	struct queue_gauge *gauge = sched_gauge(ledger->sched, job->queue);
	const struct waiting waiting = { job->seq, job->priority,
		(uint32_t)job->request_bytes,
		due_mono(ledger, job->run_at_ms) };

	if (gauge != NULL)
		queue_hold_place(gauge, job->request_bytes);
	else
		recovery->unknown++;
	gauges_hold_client(ledger->conf->gauges, job->client);
	recovery->waiting++;
	if (job->expires_at_ms >= 0 && job->attempts == 0 &&
	    !watch_expiry(ledger, job->seq,
		due_mono(ledger, job->expires_at_ms), waiting.due_mono_ms))
		return false;
	return sched_wait(ledger->sched, job->queue, &waiting, ledger->mono_ms);
}

/* Its consumer knows nothing of us having gone. */
static bool
hold_again(struct recovery *recovery, const struct open_job *job)
{
	struct ledger *ledger = recovery->ledger;

	if (job->attempts < job->max_attempts) {
		queue_hold_place(sched_gauge(ledger->sched, job->queue),
		    job->request_bytes);
		gauges_hold_client(ledger->conf->gauges, job->client);
	}
	sched_retake_slot(ledger->sched, job->queue);
	recovery->leased++;
	return watch_lease(ledger, job->seq,
	    due_mono(ledger, job->lease_until_ms));
}

/* In a queue that is not configured nobody can go on. */
static bool
take_running(struct recovery *recovery, const struct open_job *job)
{
	if (job->lease_until_ms >= 0 &&
	    sched_gauge(recovery->ledger->sched, job->queue) != NULL)
		return hold_again(recovery, job);
	return note_interrupted(recovery, job->seq);
}

static bool
take_job_cb(const struct open_job *job, void *arg)
{
	struct recovery *recovery = arg;
	bool taken = job->status == JOB_RUNNING ? take_running(recovery, job)
						: line_up(recovery, job);

	recovery->out_of_memory |= !taken;
	return taken;
}

static bool
take_delivery_cb(const struct open_delivery *delivery, void *arg)
{
	struct recovery *recovery = arg;
	struct ledger *ledger = recovery->ledger;
	const struct line_item item = { due_mono(ledger, delivery->next_at_ms),
		delivery->seq, 0, 0 };

	if (delivery->state == DELIVERY_HELD)
		return true;
	recovery->deliveries++;
	recovery->out_of_memory |= !line_join(ledger->due, &item);
	return !recovery->out_of_memory;
}

/* ---- interrupted runs ---- */

static bool
may_run_again(const struct ledger *ledger, const struct job *job)
{
	const struct conf_queue *queue = conf_queue_find(ledger->conf,
	    job->queue);

	if (queue != NULL && queue->guarantee == AT_MOST_ONCE)
		return false;
	return job->attempts < job->max_attempts;
}

static enum store_result
end_interrupted(struct ledger *ledger, struct job *job)
{
	bool again = may_run_again(ledger, job);
	struct delivery delivery;
	enum store_result result = STORE_AGAIN;
	bool wanted;

	delivery_init(&delivery);
	job_end_lease(job);
	job->error = ERROR_INTERRUPTED;
	free(job->error_detail);
	job->error_detail = text_copy("the gateway stopped during the run");
	if (!job_next(job->status, again ? JOB_RETRY : JOB_FAIL, &job->status))
		return STORE_BROKEN;
	if (again)
		job->run_at_ms = ledger->wall_ms;
	else
		job->finished_at_ms = ledger->wall_ms;
	result = update_job(ledger, job, NULL);
	if (result == STORE_OK && !again)
		result = add_event(ledger, job, EVENT_FAILED, &delivery,
		    &wanted);
	delivery_clear(&delivery);
	return result;
}

static void
log_interrupted(struct ledger *ledger, const struct job *job)
{
	char id[UUID_TEXT_SIZE];

	uuid_text(job->id, id);
	log_event(ledger->log, LOG_LEVEL_WARN, "interrupted",
	    LOG_TEXT("job", id), LOG_TEXT("queue", job->queue),
	    LOG_TEXT("state", job_status_name(job->status)),
	    LOG_INT("attempt", job->attempts));
}

static enum store_result
settle_interrupted(struct ledger *ledger, int64_t seq)
{
	struct job job;
	enum store_result result;

	job_init(&job);
	result = store_get_job_seq(ledger->store, seq, &job);
	if (result == STORE_OK)
		result = end_interrupted(ledger, &job);
	if (result == STORE_OK)
		log_interrupted(ledger, &job);
	job_clear(&job);
	return result;
}

static enum store_result
settle_all_interrupted(struct recovery *recovery)
{
	struct ledger *ledger = recovery->ledger;
	enum store_result result = STORE_OK;

	if (recovery->interrupted_count == 0)
		return STORE_OK;
	result = store_begin(ledger->store);
	for (size_t i = 0;
	     result == STORE_OK && i < recovery->interrupted_count; i++)
		result = settle_interrupted(ledger, recovery->interrupted[i]);
	if (result == STORE_OK)
		return store_commit(ledger->store, true);
	store_rollback(ledger->store);
	return result;
}

/* ---- the start ---- */

static bool
fail(struct recovery *recovery, struct reason *why_out)
{
	if (recovery->out_of_memory)
		reason_set(why_out, "out of memory");
	else
		reason_set(why_out, "%s: %s", recovery->ledger->conf->store,
		    store_why(recovery->ledger->store));
	free(recovery->interrupted);
	return false;
}

/* Interrupted runs are settled when the pass is over: a pass may not write. */
static enum store_result
take_up_jobs(struct recovery *recovery)
{
	enum store_result result = store_each_open_job(recovery->ledger->store,
	    take_job_cb, recovery);

	if (result == STORE_OK && !recovery->out_of_memory)
		result = settle_all_interrupted(recovery);
	return result;
}

static bool
line_up_interrupted(struct recovery *recovery)
{
	struct ledger *ledger = recovery->ledger;

	for (size_t i = 0; i < recovery->interrupted_count; i++) {
		struct job job;
		struct open_job open;
		bool lined_up = true;

		job_init(&job);
		if (store_get_job_seq(ledger->store, recovery->interrupted[i],
			&job) != STORE_OK)
			return false;
		open = (struct open_job){ .seq = job.id.seq,
			.run_at_ms = job.run_at_ms,
			.expires_at_ms = job.expires_at_ms,
			.started_at_ms = job.started_at_ms,
			.request_bytes = job.request_bytes,
			.priority = job.priority,
			.attempts = job.attempts,
			.max_attempts = job.max_attempts,
			.status = job.status,
			.queue = job.queue,
			.client = job.client };
		if (job.status == JOB_QUEUED)
			lined_up = line_up(recovery, &open);
		job_clear(&job);
		recovery->out_of_memory |= !lined_up;
		if (!lined_up)
			return false;
	}
	return true;
}

bool
take_up_unfinished(struct ledger *ledger, struct reason *why_out)
{
	struct recovery recovery = { .ledger = ledger };

	if (!take_up_clock(ledger) || !take_up_pauses(ledger) ||
	    take_up_jobs(&recovery) != STORE_OK || recovery.out_of_memory ||
	    !line_up_interrupted(&recovery))
		return fail(&recovery, why_out);
	if (store_each_open_delivery(ledger->store, take_delivery_cb,
		&recovery) != STORE_OK ||
	    recovery.out_of_memory)
		return fail(&recovery, why_out);
	if (recovery.unknown > 0)
		log_event(ledger->log, LOG_LEVEL_WARN, "unknown_queues",
		    LOG_INT("jobs", recovery.unknown),
		    LOG_TEXT("why",
			"they wait until their queue is configured again"));
	log_event(ledger->log, LOG_LEVEL_INFO, "taken_up",
	    LOG_INT("waiting", recovery.waiting),
	    LOG_INT("leased", recovery.leased),
	    LOG_INT("interrupted", (int64_t)recovery.interrupted_count),
	    LOG_INT("deliveries", recovery.deliveries));
	log_flush(ledger->log);
	free(recovery.interrupted);
	return true;
}
