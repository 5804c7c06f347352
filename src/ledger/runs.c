/* runs.c - claims, and what the end of a run means for its job.
 *
 * Invariants
 *  1. A run is sent to a loop only after its job is written down as running.
 *  2. A run's end is judged once, however often it takes to write it down.
 *  3. A place is given back exactly once: when the last attempt begins, or
 *     when the job ends before that.
 *
 * Thread: the one in a turn of the ledger.
 */
#include <stdio.h>
#include <stdlib.h>

#include "callbackd/random.h"
#include "callbackd/retry.h"
#include "inside.h"

/* A job whose turn is further away than that is read back when it comes: what
 * is at hand shall not be full of those of a queue that stands still. */
#define SOON_MS 10000

/* How patient we are with jobs of a queue that is no longer configured. */
static const struct backoff BACKOFF_DEFAULT = { 1000, 60000, 2.0 };

/* ---- waiting ---- */

bool
watch_expiry(struct ledger *ledger, int64_t seq, int64_t expires_mono_ms,
    int64_t due_mono_ms)
{
	const struct line_item item = { expires_mono_ms, seq,
		(uint32_t)due_mono_ms,
		(uint32_t)((uint64_t)due_mono_ms >> 32) };

	return line_join(ledger->expiring, &item);
}

/* What watch_expiry was told. */
static int64_t
due_of_watched(const struct line_item *item)
{
	return (int64_t)((uint64_t)item->tag << 32 | item->bytes);
}

void
wait_for_turn(struct ledger *ledger, const struct job *job)
{
	/* Without memory it is still given up when its turn comes. */
	if (job->expires_at_ms >= 0 && job->attempts == 0)
		(void)watch_expiry(ledger, job->id.seq,
		    due_mono(ledger, job->expires_at_ms),
		    due_mono(ledger, job->run_at_ms));
	join_line(ledger, job);
}

void
join_line(struct ledger *ledger, const struct job *job)
{
	const struct waiting waiting = { job->id.seq, job->priority,
		(uint32_t)job->request_bytes,
		due_mono(ledger, job->run_at_ms) };

	if (!sched_wait(ledger->sched, job->queue, &waiting, ledger->mono_ms))
		log_event(ledger->log, LOG_LEVEL_ERROR, "job_parked",
		    LOG_TEXT("queue", job->queue),
		    LOG_TEXT("why", "out of memory; waits for a restart"));
}

/* ---- events ---- */

/* What goes on changing after the event. */
static bool
describe_run(const struct job *job, struct delivery *out)
{
	out->run = job->attempts;
	out->run_started_at_ms = job->started_at_ms;
	out->progress = job->progress;
	out->progress_message = text_copy(job->progress_message);
	return out->progress_message != NULL || job->progress_message == NULL;
}

static bool
describe_event(const struct job *job, enum job_event event, int64_t now_ms,
    struct delivery *out)
{
	bool failed = event == EVENT_FAILED && job->failure_url != NULL;

	out->job = job->id;
	out->event = event;
	out->format = job->callback_format;
	out->created_at_ms = now_ms;
	out->schedule_at_ms = now_ms;
	out->next_at_ms = now_ms;
	if (event & EVENTS_TERMINAL)
		out->id = job->delivery;
	else if (!describe_run(job, out))
		return false;
	out->url = text_copy(failed ? job->failure_url : job->callback_url);
	out->headers = text_copy(job->callback_headers);
	return out->url != NULL &&
	    (out->headers != NULL || job->callback_headers == NULL);
}

enum store_result
add_event(struct ledger *ledger, const struct job *job, enum job_event event,
    struct delivery *out, bool *wanted_out)
{
	enum store_result result = STORE_AGAIN;

	*wanted_out = false;
	if (job->callback_url == NULL || !(job->callback_events & event))
		return STORE_OK;
	delivery_clear(out);
	if (describe_event(job, event, ledger->wall_ms, out))
		result = store_add_delivery(ledger->store, out,
		    ledger->wall_ms);
	*wanted_out = result == STORE_OK;
	return result;
}

/* ---- the end of a run ---- */

static bool
runs_at_most_once(const struct ledger *ledger, const char *queue)
{
	const struct conf_queue *conf = conf_queue_find(ledger->conf, queue);

	return conf != NULL && conf->guarantee == AT_MOST_ONCE;
}

static bool
may_run_again(const struct ledger *ledger, const struct run *run)
{
	const struct job *job = &run->job;

	if (job->attempts >= job->max_attempts)
		return false;
	if (!runs_at_most_once(ledger, job->queue))
		return true;
	return run->never_began ||
	    (!run->has_begun && verdict_never_began(run->error, run->status));
}

static enum job_move
move_after(const struct ledger *ledger, const struct run *run)
{
	if (run->never_ran)
		return JOB_EXPIRE;
	switch (run->verdict) {
	case VERDICT_SUCCESS:
		return JOB_SUCCEED;
	case VERDICT_RETRY:
		return may_run_again(ledger, run) ? JOB_RETRY : JOB_FAIL;
	case VERDICT_FINAL:
		return JOB_FAIL;
	}
	return JOB_FAIL;
}

static void
plan_retry(struct ledger *ledger, struct run *run)
{
	const struct conf_queue *queue = conf_queue_find(ledger->conf,
	    run->job.queue);
	int64_t wait_ms = run->wait_ms;

	if (wait_ms < 0)
		wait_ms = backoff_wait_ms(queue != NULL ? &queue->backoff
							: &BACKOFF_DEFAULT,
		    run->job.attempts, run->asked_ms, random_u32());
	run->job.run_at_ms = planned_at(ledger, wait_ms);
}

static void
take_answer(struct run *run)
{
	struct job *job = &run->job;

	job->response_status = run->status;
	job->response_bytes = run->response_bytes;
	free(job->response_type);
	job->response_type = run->content_type;
	run->content_type = NULL;
}

/* Invariant 2: writes into the record what the outcome means. */
static void
judge(struct ledger *ledger, struct run *run)
{
	struct job *job = &run->job;

	if (run->is_judged)
		return;
	run->is_judged = true;
	run->is_void = line_leave(ledger->cancelled, 0, job->id.seq);
	if (run->is_void)
		return;
	run->held_place = job_holds_place(job);
	job_end_lease(job);
	job->error = run->error;
	free(job->error_detail);
	job->error_detail = run->detail[0] != '\0' ? text_copy(run->detail)
						   : NULL;
	if (!job_next(job->status, move_after(ledger, run), &job->status))
		log_event(ledger->log, LOG_LEVEL_ERROR, "illegal_move",
		    LOG_TEXT("state", job_status_name(job->status)));
	if (!job_has_ended(job->status)) {
		plan_retry(ledger, run);
		return;
	}
	job->finished_at_ms = ledger->wall_ms;
	if (run->status > 0)
		take_answer(run);
}

enum store_result
prepare_run_end(struct ledger *ledger, struct mail *mail)
{
	struct run *run = (struct run *)mail;
	struct job *job = &run->job;
	enum store_result result = begin_writing(ledger);

	follow_clock_run(ledger, run);
	judge(ledger, run);
	if (result == STORE_OK && !run->is_void)
		result = update_job(ledger, job,
		    job->response_status > 0 ? &run->response : NULL);
	if (result == STORE_OK && job_has_ended(job->status) && !run->is_void)
		result = add_event(ledger, job, job_event_of(job->status),
		    &run->delivery, &run->has_event);
	if (result == STORE_OK && !run->never_ran && !run->slot_given) {
		sched_give_slot(ledger->sched, job->queue);
		run->slot_given = true;
	}
	return result;
}

static void
count_end(struct ledger *ledger, const struct run *run,
    struct queue_gauge *gauge)
{
	const struct job *job = &run->job;
	bool ended = job_has_ended(job->status);

	if (!run->never_ran)
		metrics_observe_us(ledger->metrics, HISTOGRAM_RUN,
		    run->duration_ms * 1000);
	if (gauge == NULL)
		return;
	if (run->error != ERROR_NONE)
		atomic_fetch_add_explicit(&gauge->errors[run->error], 1,
		    memory_order_relaxed);
	if (!ended) {
		atomic_fetch_add_explicit(&gauge->retried, 1,
		    memory_order_relaxed);
		return;
	}
	atomic_fetch_add_explicit(&gauge->ended[job->status], 1,
	    memory_order_relaxed);
	if (run->held_place)
		give_place(ledger, job);
	sched_drained(ledger->sched, job->queue, ledger->mono_ms);
}

static void
log_end(struct ledger *ledger, const struct run *run)
{
	const struct job *job = &run->job;
	char id[UUID_TEXT_SIZE];

	if (!log_wants(LOG_LEVEL_INFO))
		return;
	uuid_text(job->id, id);
	if (!job_has_ended(job->status)) {
		log_event(ledger->log, LOG_LEVEL_INFO, "retry",
		    LOG_TEXT("job", id), LOG_TEXT("queue", job->queue),
		    LOG_INT("attempt", job->attempts),
		    LOG_INT("status", run->status),
		    LOG_INT("wait_ms", job->run_at_ms - planned_at(ledger, 0)),
		    LOG_TEXT("why", job_error_name(run->error)));
		return;
	}
	log_event(ledger->log, LOG_LEVEL_INFO, "ended", LOG_TEXT("job", id),
	    LOG_TEXT("queue", job->queue),
	    LOG_TEXT("state", job_status_name(job->status)),
	    LOG_INT("attempt", job->attempts), LOG_INT("status", run->status),
	    LOG_INT("run_ms", run->duration_ms),
	    LOG_TEXT("why", job_error_name(run->error)));
}

static void
tell_end(struct ledger *ledger, struct run *run)
{
	count_end(ledger, run, sched_gauge(ledger->sched, run->job.queue));
	log_end(ledger, run);
	if (!job_has_ended(run->job.status))
		wait_for_turn(ledger, &run->job);
	job_moved(ledger, &run->job);
	if (!run->has_event)
		return;
	plan_delivery(ledger, &run->delivery);
	keep_fresh(ledger, run);
}

void
conclude_run_end(struct ledger *ledger, struct mail *mail)
{
	struct run *run = (struct run *)mail;

	if (!run->never_ran && !run->was_leased)
		end_work(ledger, WORK_RUN, run->loop);
	if (!run->is_void)
		tell_end(ledger, run);
	run_free(&run);
}

/* ---- claims ---- */

void
mark_started(struct ledger *ledger, struct job *job)
{
	bool legal = job_next(job->status, JOB_CLAIM, &job->status);

	if (!legal)
		log_event(ledger->log, LOG_LEVEL_ERROR, "illegal_move",
		    LOG_TEXT("state", job_status_name(job->status)));
	job->attempts++;
	job->started_at_ms = ledger->wall_ms;
	job->progress = -1;
	free(job->progress_message);
	job->progress_message = NULL;
}

static bool
is_too_late(const struct ledger *ledger, const struct job *job)
{
	return job->expires_at_ms >= 0 && job->attempts == 0 &&
	    job->expires_at_ms <= ledger->wall_ms;
}

/* The job ends without having begun: as a run that never ran. */
static void
give_up(struct run *run)
{
	run->never_ran = true;
	run->verdict = VERDICT_FINAL;
	run->error = ERROR_EXPIRED;
	(void)snprintf(run->detail, sizeof(run->detail),
	    "not started before its Job-Expires");
}

enum store_result
load_request(struct ledger *ledger, int64_t seq, struct payload *out)
{
	enum store_result result = store_get_payload(ledger->store, seq,
	    PAYLOAD_REQUEST, out);

	return result == STORE_MISSING ? STORE_OK : result;
}

enum store_result
update_job(struct ledger *ledger, const struct job *job,
    const struct payload *response)
{
	fresh_drop_job(&ledger->fresh, job->id.seq);
	return store_update_job(ledger->store, job, response);
}

void
keep_waiting(struct ledger *ledger, struct order *order)
{
	const struct document_facts *facts = &order->facts;

	if (facts->position > 0 && facts->position <= FRESH_MAX &&
	    facts->estimated_wait_ms >= 0 && facts->estimated_wait_ms < SOON_MS)
		fresh_keep_job(&ledger->fresh, &order->job, &order->request);
}

static enum store_result
read_run(struct ledger *ledger, int64_t seq, struct run *run)
{
	enum store_result result = store_get_job_seq(ledger->store, seq,
	    &run->job);

	if (result == STORE_OK && run->job.status != JOB_QUEUED)
		result = STORE_MISSING;
	if (result == STORE_OK)
		result = load_request(ledger, seq, &run->request);
	return result;
}

/* STORE_MISSING when the job no longer waits. */
static enum store_result
load_run(struct ledger *ledger, int64_t seq, struct run **run_out)
{
	struct run *run = run_new();
	enum store_result result = STORE_OK;

	if (run == NULL)
		result = STORE_AGAIN;
	else if (!fresh_take_job(&ledger->fresh, seq, &run->job, &run->request))
		result = read_run(ledger, seq, run);
	if (result != STORE_OK)
		run_free(&run);
	else
		run->leapt_ms = ledger->leapt_ms;
	*run_out = run;
	return result;
}

enum store_result
expire_waiting(struct ledger *ledger)
{
	const struct line_item *item;
	int done = 0;

	while (done++ < TURN_MAX &&
	    (item = line_first(ledger->expiring)) != NULL &&
	    item->rank <= ledger->mono_ms) {
		int64_t due_mono_ms = due_of_watched(item);
		struct run *run;
		enum store_result result = load_run(ledger, item->seq, &run);

		if (result != STORE_OK && result != STORE_MISSING)
			return result;
		line_drop_first(ledger->expiring);
		if (result == STORE_MISSING)
			continue;
		if (run->job.attempts > 0 ||
		    !sched_leave(ledger->sched, run->job.queue,
			run->job.priority, run->job.id.seq, due_mono_ms)) {
			run_free(&run);
			continue;
		}
		give_up(run);
		mail_list_add(&ledger->runs, &run->mail);
	}
	return STORE_OK;
}

static void
put_back(struct ledger *ledger, const char *queue,
    const struct waiting *waiting)
{
	sched_give_slot(ledger->sched, queue);
	if (!sched_wait(ledger->sched, queue, waiting, ledger->mono_ms))
		log_event(ledger->log, LOG_LEVEL_ERROR, "job_parked",
		    LOG_TEXT("queue", queue),
		    LOG_TEXT("why", "out of memory; waits for a restart"));
}

/* Writes the claim down; run joins `claims`, also when that fails, so that
 * it is undone. */
static enum store_result
claim(struct ledger *ledger, struct run *run)
{
	struct job *job = &run->job;
	enum store_result result = begin_writing(ledger);

	mail_list_add(&ledger->claims, &run->mail);
	mark_started(ledger, job);
	if (runs_at_most_once(ledger, job->queue))
		ledger->must_last = true;
	if (result == STORE_OK)
		result = update_job(ledger, job, NULL);
	if (result == STORE_OK && job->attempts == 1)
		result = add_event(ledger, job, EVENT_STARTED, &run->delivery,
		    &run->has_event);
	return result;
}

enum store_result
take_waiting(struct ledger *ledger, const char *queue,
    const struct waiting *waiting, struct run **run_out)
{
	struct run *run;
	enum store_result result = load_run(ledger, waiting->seq, &run);

	*run_out = NULL;
	if (result == STORE_MISSING) { /* ended meanwhile */
		sched_give_slot(ledger->sched, queue);
		return STORE_OK;
	}
	if (result != STORE_OK) {
		put_back(ledger, queue, waiting);
		return result;
	}
	if (is_too_late(ledger, &run->job)) {
		sched_give_slot(ledger->sched, queue);
		give_up(run);
		mail_list_add(&ledger->runs, &run->mail);
		return prepare_run_end(ledger, &run->mail);
	}
	*run_out = run;
	return STORE_OK;
}

/* One job that the sched let go. */
static enum store_result
claim_one(struct ledger *ledger, const char *queue,
    const struct waiting *waiting)
{
	struct run *run;
	enum store_result result = take_waiting(ledger, queue, waiting, &run);

	return run != NULL ? claim(ledger, run) : result;
}

enum store_result
claim_waiting(struct ledger *ledger)
{
	struct waiting waiting;
	const char *queue;

	if (atomic_load(&ledger->is_draining))
		return STORE_OK;
	for (int i = 0; i < TURN_MAX; i++) {
		enum store_result result;

		if (!sched_next(ledger->sched, ledger->mono_ms, &waiting,
			&queue))
			return STORE_OK;
		result = claim_one(ledger, queue, &waiting);
		if (result != STORE_OK)
			return result;
	}
	return STORE_OK;
}

void
undo_claim(struct ledger *ledger, struct mail *mail)
{
	struct run *run = (struct run *)mail;
	const struct waiting waiting = { run->job.id.seq, run->job.priority,
		(uint32_t)run->job.request_bytes, 0 };

	put_back(ledger, run->job.queue, &waiting);
	run_free(&run);
}

static void
run_begins_cb(struct mail *mail, void *room)
{
	struct ledger_hands *hands = room;

	hands->start_run((struct run *)mail, hands->arg);
}

void
tell_start(struct ledger *ledger, struct run *run)
{
	char id[UUID_TEXT_SIZE];

	if (!job_holds_place(&run->job))
		give_place(ledger, &run->job);
	job_moved(ledger, &run->job);
	if (run->has_event)
		plan_delivery(ledger, &run->delivery);
	run->has_event = false;
	if (log_wants(LOG_LEVEL_DEBUG)) {
		uuid_text(run->job.id, id);
		log_event(ledger->log, LOG_LEVEL_DEBUG, "started",
		    LOG_TEXT("job", id), LOG_TEXT("queue", run->job.queue),
		    LOG_INT("attempt", run->job.attempts));
	}
}

void
begin_run(struct ledger *ledger, struct mail *mail)
{
	struct run *run = (struct run *)mail;

	tell_start(ledger, run);
	run->loop = begin_work(ledger, WORK_RUN, run->loop);
	run->mail.open = run_begins_cb;
	send_to(ledger, run->loop, &run->mail);
}
