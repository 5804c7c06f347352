/* turn.c - one turn of the ledger: mail, one transaction, its consequences.
 *
 * Invariants
 *  1. Nothing is answered, run or delivered before the transaction that
 *     records it was kept.
 *  2. A run's or a post's end is never lost: when the store does not write, it
 *     stays in `unsettled_*` and is tried again until it does.
 *  3. Each order is answered exactly once.
 *
 * Thread: the one in a turn of the ledger.
 */
#include <stdlib.h>
#include <string.h>

#include "callbackd/clock.h"
#include "inside.h"

#define HEAL_MS 1000       /* between two tries of a store that fails */
#define PURGE_ROWS 256     /* looked at in one go: about a millisecond */
#define PURGE_REST_MS 1000 /* between two sweeps with nothing to do */
#define PURGE_EVERY_MS 20  /* though there is no idle time: some 10000 jobs/s */
#define TIDY_MS 10000

void
give_place(struct ledger *ledger, const struct job *job)
{
	struct queue_gauge *gauge = sched_gauge(ledger->sched, job->queue);

	if (gauge != NULL)
		queue_give_place(gauge, job->request_bytes);
	gauges_give_client(ledger->conf->gauges, job->client);
}

/* ---- mail in ---- */

/* Opens at most a turn's worth of mail, oldest first. */
static void
open_mail(struct ledger *ledger, struct mail_list *arrived)
{
	struct mail *mail;

	mail_list_move(&ledger->backlog, arrived);
	for (int opened = 0; opened < TURN_MAX; opened++) {
		mail = mail_list_take(&ledger->backlog);
		if (mail == NULL)
			return;
		mail->open(mail, ledger);
	}
}

/* ---- one transaction ---- */

enum store_result
begin_writing(struct ledger *ledger)
{
	enum store_result result;

	if (ledger->is_writing)
		return STORE_OK;
	result = store_begin(ledger->store);
	ledger->is_writing = result == STORE_OK;
	return result;
}

/* Until one fails. */
static enum store_result
prepare_all(struct ledger *ledger, const struct mail_list *list,
    enum store_result (*prepare)(struct ledger *ledger, struct mail *mail))
{
	for (struct mail *mail = list->first; mail != NULL; mail = mail->next) {
		enum store_result result = prepare(ledger, mail);

		if (result != STORE_OK)
			return result;
	}
	return STORE_OK;
}

static enum store_result
prepare_turn(struct ledger *ledger)
{
	enum store_result result = follow_clock_store(ledger);

	if (result == STORE_OK)
		result = expire_waiting(ledger);
	if (result == STORE_OK)
		result = expire_leases(ledger);
	if (result == STORE_OK)
		result = prepare_all(ledger, &ledger->runs, prepare_run_end);
	if (result == STORE_OK)
		result = prepare_all(ledger, &ledger->posts, prepare_post_end);
	if (result == STORE_OK)
		result = prepare_all(ledger, &ledger->changes, prepare_change);
	if (result == STORE_OK)
		result = prepare_all(ledger, &ledger->lease_changes,
		    prepare_lease_change);
	if (result == STORE_OK)
		result = prepare_all(ledger, &ledger->accepts, prepare_accept);
	if (result == STORE_OK)
		result = claim_waiting(ledger);
	if (result == STORE_OK)
		result = lease_waiting(ledger);
	if (result == STORE_OK)
		result = note_clocks_along(ledger);
	return result;
}

static enum store_result
commit_turn(struct ledger *ledger)
{
	int64_t took_us = clock_mono_us();
	enum store_result result;

	if (!ledger->is_writing)
		return STORE_OK;
	result = store_commit(ledger->store, ledger->must_last);
	ledger->is_writing = false;
	if (result != STORE_OK)
		return result;
	took_us = clock_mono_us() - took_us;
	if (ledger->must_last)
		note_commit_time(ledger, took_us);
	metrics_add(ledger->metrics, METRIC_COMMITS, 1);
	metrics_observe_us(ledger->metrics, HISTOGRAM_COMMIT, took_us);
	return STORE_OK;
}

void
empty(struct ledger *ledger, struct mail_list *list,
    void (*conclude)(struct ledger *ledger, struct mail *mail))
{
	struct mail *mail;

	while ((mail = mail_list_take(list)) != NULL)
		conclude(ledger, mail);
}

static void
conclude_turn(struct ledger *ledger)
{
	empty(ledger, &ledger->runs, conclude_run_end);
	empty(ledger, &ledger->posts, conclude_post_end);
	empty(ledger, &ledger->changes, conclude_change);
	empty(ledger, &ledger->lease_changes, conclude_lease_change);
	empty(ledger, &ledger->accepts, conclude_accept);
	empty(ledger, &ledger->claims, begin_run);
	conclude_leases(ledger);
}

static void
keep_run(struct ledger *ledger, struct mail *mail)
{
	mail_list_add(&ledger->unsettled_runs, mail);
}

static void
keep_post(struct ledger *ledger, struct mail *mail)
{
	mail_list_add(&ledger->unsettled_posts, mail);
}

static void
undo_turn(struct ledger *ledger)
{
	undo_leases(ledger);
	empty(ledger, &ledger->claims, undo_claim);
	empty(ledger, &ledger->accepts, undo_accept);
	empty(ledger, &ledger->lease_changes, undo_lease_change);
	empty(ledger, &ledger->changes, undo_change);
	empty(ledger, &ledger->posts, keep_post);
	empty(ledger, &ledger->runs, keep_run);
}

/* Slots of runs whose end is not written down are still taken. */
static void
retake_slots(struct ledger *ledger)
{
	for (struct mail *mail = ledger->runs.first; mail != NULL;
	     mail = mail->next) {
		struct run *run = (struct run *)mail;

		if (run->slot_given)
			sched_retake_slot(ledger->sched, run->job.queue);
		run->slot_given = false;
	}
}

static void
fall_sick(struct ledger *ledger, enum store_result result)
{
	if (!ledger->is_sick)
		log_event(ledger->log, LOG_LEVEL_ERROR, "store_failing",
		    LOG_TEXT("why", store_why(ledger->store)),
		    LOG_TEXT("kind",
			result == STORE_BROKEN ? "damaged" : "unavailable"));
	ledger->is_sick = true;
	ledger->heal_mono_ms = ledger->mono_ms + HEAL_MS;
	metrics_add(ledger->metrics, METRIC_COMMIT_FAILURES, 1);
	atomic_store(&ledger->is_well, false);
}

static void
get_well(struct ledger *ledger)
{
	if (!ledger->is_sick)
		return;
	ledger->is_sick = false;
	atomic_store(&ledger->is_well, true);
	log_event(ledger->log, LOG_LEVEL_WARN, "store_healed",
	    LOG_INT("unsettled",
		(int64_t)(ledger->unsettled_runs.count +
		    ledger->unsettled_posts.count)));
}

static void
retry_run(struct ledger *ledger, struct mail *mail)
{
	mail_list_add(&ledger->runs, mail);
}

static void
retry_post(struct ledger *ledger, struct mail *mail)
{
	mail_list_add(&ledger->posts, mail);
}

/* A sick store is found well by trying, not by guessing. */
static enum store_result
probe_store(struct ledger *ledger)
{
	enum store_result result = begin_writing(ledger);

	ledger->must_last = true;
	return result == STORE_OK ? store_probe(ledger->store) : result;
}

static void
write_turn(struct ledger *ledger)
{
	enum store_result result = STORE_OK;

	ledger->must_last = false;
	if (ledger->is_sick)
		result = probe_store(ledger);
	if (result == STORE_OK)
		result = prepare_turn(ledger);
	if (result == STORE_OK)
		result = commit_turn(ledger);
	if (result == STORE_OK) {
		ledger->moved_ms = ledger->leapt_ms;
		get_well(ledger);
		conclude_turn(ledger);
		return;
	}
	if (ledger->is_writing)
		store_rollback(ledger->store);
	ledger->is_writing = false;
	fall_sick(ledger, result);
	retake_slots(ledger);
	undo_turn(ledger);
}

/* While the store is sick only its probes write: the rest is refused at once,
 * and ends of runs and posts wait. */
static void
write_or_refuse(struct ledger *ledger)
{
	if (ledger->is_sick && ledger->mono_ms < ledger->heal_mono_ms) {
		undo_turn(ledger);
		return;
	}
	empty(ledger, &ledger->unsettled_runs, retry_run);
	empty(ledger, &ledger->unsettled_posts, retry_post);
	write_turn(ledger);
}

/* ---- idle time ---- */

static enum store_result
purge_rows(struct ledger *ledger, int64_t *removed_out)
{
	enum store_result result = store_begin(ledger->store);

	if (result != STORE_OK)
		return result;
	result = store_purge(ledger->store, purge_before(ledger), PURGE_ROWS,
	    &ledger->purge_cursor, removed_out);
	if (result == STORE_OK)
		return store_commit(ledger->store, false);
	store_rollback(ledger->store);
	return result;
}

static void
purge_some(struct ledger *ledger)
{
	int64_t removed = 0;
	enum store_result result;

	if (ledger->mono_ms < ledger->purge_mono_ms || ledger->is_sick)
		return;
	ledger->purged_mono_ms = ledger->mono_ms;
	result = purge_rows(ledger, &removed);
	if (result != STORE_OK) { /* found well again as after any failure */
		fall_sick(ledger, result);
		return;
	}
	metrics_add(ledger->metrics, METRIC_PURGED, removed);
	if (ledger->purge_cursor == 0)
		ledger->purge_mono_ms = ledger->mono_ms + PURGE_REST_MS;
}

/* A ledger that is never idle would let the file grow for ever. */
static void
purge_if_overdue(struct ledger *ledger)
{
	if (ledger->mono_ms - ledger->purged_mono_ms >= PURGE_EVERY_MS)
		purge_some(ledger);
}

static void
note_idle_clocks(struct ledger *ledger)
{
	enum store_result result = note_clocks_alone(ledger);

	if (result != STORE_OK)
		fall_sick(ledger, result);
}

static void
use_idle_time(struct ledger *ledger)
{
	purge_some(ledger);
	if (!ledger->is_sick && clocks_are_to_be_noted(ledger))
		note_idle_clocks(ledger);
	if (ledger->mono_ms < ledger->tidy_mono_ms || ledger->is_sick)
		return;
	store_tidy(ledger->store);
	ledger->tidy_mono_ms = ledger->mono_ms + TIDY_MS;
}

/* ---- the turn ---- */

static void
answer_reads(struct ledger *ledger)
{
	struct mail_list reads = ledger->reads;
	struct mail *mail;

	/* A long list puts itself back for the next turn. */
	memset(&ledger->reads, 0, sizeof(ledger->reads));
	while ((mail = mail_list_take(&reads)) != NULL)
		answer_read(ledger, (struct order *)mail);
}

void
take_turn(struct ledger *ledger, struct mail_list *arrived)
{
	read_clocks(ledger);
	atomic_store_explicit(&ledger->turn_began_ms, ledger->mono_ms,
	    memory_order_relaxed);
	open_mail(ledger, arrived);
	wake_deliveries(ledger);
	write_or_refuse(ledger);
	let_deliveries_go(ledger);
	end_holds(ledger);
	answer_reads(ledger);
	hurry_holds(ledger);
	send_all(ledger);
}

bool
take_own_turn(struct ledger *ledger)
{
	struct mail_list arrived = mailbox_take(ledger->inbox);
	bool is_idle = arrived.count == 0 && ledger->backlog.count == 0;

	take_turn(ledger, &arrived);
	if (is_idle)
		use_idle_time(ledger);
	else
		purge_if_overdue(ledger);
	return !is_idle;
}
