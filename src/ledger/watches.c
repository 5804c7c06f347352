/* watches.c - who wants to know what happens to jobs, and the telling.
 *
 * Each loop is an audience: it is told of an event once, however many of its
 * watchers want it, and hands it on. So the ledger keeps only what an audience
 * as a whole waits for: jobs, and wide wishes (all jobs of a client, of a
 * queue). The ring remembers events for those who come back.
 *
 * Invariants
 *  1. A watch is on from the event behind its upto_id: it is put down in the
 *     turn that reads the ring to its end, and the answer is sent before any
 *     notice of a later event.
 *  2. An interest counts its watchers. It is forgotten as a whole when its job
 *     ends, or when its audience is cut; one that begins again afterwards has a
 *     higher since_id than those who still leave the old one.
 *  3. No more than NOTICES_MAX notices are on their way to one audience. One
 *     that does not keep up is cut: its watchers come back and read the ring.
 *
 * Thread: the one in a turn of the ledger, but for ledger_unwatch.
 */
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"

#define NOTICES_MAX 4096

struct interest {
	int64_t job_seq; /* 0: a wide wish */
	char client[NAME_SIZE];
	char queue[NAME_SIZE];
	int64_t since_id;
	int count; /* watchers */
};

struct audience {
	struct watch_room *room; /* NULL: none yet */
	struct loop *loop;
	void *jobs;            /* tsearch(3) tree of interests, by job_seq */
	struct interest *wide; /* owned array */
	size_t wide_count;
	int count; /* watchers */
};

/* ---- interests ---- */

static int
compare_interests(const void *a, const void *b)
{
	int64_t left = ((const struct interest *)a)->job_seq;
	int64_t right = ((const struct interest *)b)->job_seq;

	return (left > right) - (left < right);
}

static struct interest *
find_job(const struct audience *audience, int64_t seq)
{
	const struct interest key = { .job_seq = seq };
	struct interest **found;

	if (audience->jobs == NULL)
		return NULL;
	found = tfind(&key, &audience->jobs, compare_interests);
	return found != NULL ? *found : NULL;
}

static struct interest *
find_wide(const struct audience *audience, const char *client,
    const char *queue)
{
	for (size_t i = 0; i < audience->wide_count; i++)
		if (strcmp(audience->wide[i].client, client) == 0 &&
		    strcmp(audience->wide[i].queue, queue) == 0)
			return &audience->wide[i];
	return NULL;
}

static struct interest *
add_job(struct audience *audience, int64_t seq)
{
	struct interest *interest = calloc(1, sizeof(*interest));

	if (interest == NULL)
		return NULL;
	interest->job_seq = seq;
	if (tsearch(interest, &audience->jobs, compare_interests) != NULL)
		return interest;
	free(interest);
	return NULL;
}

static struct interest *
add_wide(struct audience *audience, const char *client, const char *queue)
{
	struct interest *grown = realloc(audience->wide,
	    (audience->wide_count + 1) * sizeof(*grown));
	struct interest *added;

	if (grown == NULL)
		return NULL;
	audience->wide = grown;
	added = &grown[audience->wide_count++];
	memset(added, 0, sizeof(*added));
	memcpy(added->client, client, strlen(client) + 1);
	memcpy(added->queue, queue, strlen(queue) + 1);
	return added;
}

static void
drop_interest(struct audience *audience, struct interest *interest)
{
	audience->count -= interest->count;
	if (interest->job_seq == 0) {
		*interest = audience->wide[--audience->wide_count];
		return;
	}
	tdelete(interest, &audience->jobs, compare_interests);
	free(interest);
}

static void
clear_audience(struct audience *audience)
{
	while (audience->jobs != NULL)
		drop_interest(audience, *(struct interest **)audience->jobs);
	free(audience->wide);
	audience->wide = NULL;
	audience->wide_count = 0;
	audience->count = 0;
}

/* One for each outbox. */
bool
make_audiences(struct ledger *ledger, const struct ledger_setup *setup)
{
	ledger->ring = ring_new(setup->events_kept > 0 ? setup->events_kept
						       : RING_EVENTS,
	    ledger->wall_ms);
	ledger->audiences = calloc(ledger->outbox_count,
	    sizeof(*ledger->audiences));
	return ledger->ring != NULL && ledger->audiences != NULL;
}

void
free_audiences(struct ledger *ledger)
{
	ring_free(&ledger->ring);
	for (unsigned i = 0;
	     ledger->audiences != NULL && i < ledger->outbox_count; i++)
		clear_audience(&ledger->audiences[i]);
	free(ledger->audiences);
	ledger->audiences = NULL;
}

static struct audience *
audience_of(struct ledger *ledger, const struct watch_room *room)
{
	for (unsigned i = 0; i < ledger->outbox_count; i++)
		if (ledger->audiences[i].room == room)
			return &ledger->audiences[i];
	return NULL;
}

static struct audience *
audience_for(struct ledger *ledger, const struct order *order)
{
	struct audience *audience = audience_of(ledger, order->watch.room);

	if (audience == NULL)
		audience = audience_of(ledger, NULL);
	if (audience != NULL) {
		audience->room = order->watch.room;
		audience->loop = order->from;
	}
	return audience;
}

bool
begin_watch(struct ledger *ledger, struct order *order)
{
	struct audience *audience = audience_for(ledger, order);
	int64_t seq = order->job.id.seq;
	struct interest *interest;

	if (audience == NULL)
		return false;
	if (seq != 0)
		interest = find_job(audience, seq);
	else
		interest = find_wide(audience, order->client,
		    order->filter_queue);
	if (interest == NULL) {
		interest = seq != 0
		    ? add_job(audience, seq)
		    : add_wide(audience, order->client, order->filter_queue);
		if (interest == NULL)
			return false;
		interest->since_id = order->watch.upto_id;
	}
	interest->count++;
	audience->count++;
	return true;
}

struct leave_mail {
	struct mail mail;
	const struct watch_room *room;
	int64_t job_seq;
	int64_t upto_id;
	char client[NAME_SIZE];
	char queue[NAME_SIZE];
};

/* Invariant 2: who began before the interest did has left with the old one. */
static void
leave(struct ledger *ledger, const struct leave_mail *word)
{
	struct audience *audience = audience_of(ledger, word->room);
	struct interest *interest;

	if (audience == NULL)
		return;
	if (word->job_seq != 0)
		interest = find_job(audience, word->job_seq);
	else
		interest = find_wide(audience, word->client, word->queue);
	if (interest == NULL || word->upto_id < interest->since_id)
		return;
	if (interest->count == 1) {
		drop_interest(audience, interest);
		return;
	}
	interest->count--;
	audience->count--;
}

static void
leave_open_cb(struct mail *mail, void *room)
{
	struct leave_mail *word = (struct leave_mail *)mail;

	leave(room, word);
	free(word);
}

/* Without memory the audience is told of what nobody there wants. */
void
ledger_unwatch(struct ledger *ledger, const struct watch_room *room,
    int64_t job_seq, const char *client, const char *queue, int64_t upto_id)
{
	struct leave_mail *word = calloc(1, sizeof(*word));

	if (word == NULL)
		return;
	word->mail.open = leave_open_cb;
	word->room = room;
	word->job_seq = job_seq;
	word->upto_id = upto_id;
	memcpy(word->client, client, strlen(client) + 1);
	memcpy(word->queue, queue, strlen(queue) + 1);
	mailbox_post(ledger->inbox, &word->mail);
}

/* ---- telling ---- */

static void
notice_open_cb(struct mail *mail, void *room)
{
	struct notice *notice = (struct notice *)mail;

	(void)room;
	atomic_fetch_sub(&notice->room->untold, 1);
	notice->room->tell(notice, notice->room->arg);
	job_clear(&notice->job);
	free(notice);
}

static struct notice *
notice_new(struct audience *audience)
{
	struct notice *notice = calloc(1, sizeof(*notice));

	if (notice == NULL)
		return NULL;
	job_init(&notice->job);
	notice->mail.open = notice_open_cb;
	notice->room = audience->room;
	return notice;
}

static void
send_notice(struct ledger *ledger, struct audience *audience,
    struct notice *notice)
{
	atomic_fetch_add(&audience->room->untold, 1);
	send_to(ledger, audience->loop, &notice->mail);
}

/* Invariant 3. Without memory even for that it is tried with the next event. */
static void
cut_audience(struct ledger *ledger, struct audience *audience)
{
	struct notice *notice = notice_new(audience);

	if (notice == NULL)
		return;
	notice->is_cut = true;
	clear_audience(audience);
	send_notice(ledger, audience, notice);
}

static bool
wants(const struct audience *audience, const struct job *job)
{
	if (find_job(audience, job->id.seq) != NULL)
		return true;
	for (size_t i = 0; i < audience->wide_count; i++) {
		const struct interest *wide = &audience->wide[i];

		if ((wide->queue[0] == '\0' ||
			strcmp(wide->queue, job->queue) == 0) &&
		    (wide->client[0] == '\0' ||
			strcmp(wide->client, job->client) == 0))
			return true;
	}
	return false;
}

struct event_mark
event_mark_of(const struct ledger *ledger, const struct event *event)
{
	return (struct event_mark){ ring_id(ledger->ring, event),
		event->version, event->is_progress };
}

static void
tell(struct ledger *ledger, struct audience *audience, const struct job *job,
    const struct event *event)
{
	struct notice *notice = NULL;

	if (atomic_load(&audience->room->untold) < NOTICES_MAX)
		notice = notice_new(audience);
	if (notice == NULL || !job_copy(&notice->job, job)) {
		free(notice);
		cut_audience(ledger, audience);
		return;
	}
	notice->mark = event_mark_of(ledger, event);
	fill_facts(ledger, job, &notice->facts);
	send_notice(ledger, audience, notice);
}

static void
tell_all(struct ledger *ledger, const struct job *job, bool is_progress)
{
	const struct event *event = ring_add(ledger->ring, job, is_progress);

	for (unsigned i = 0; i < ledger->outbox_count; i++) {
		struct audience *audience = &ledger->audiences[i];
		struct interest *interest;

		if (audience->count == 0 || !wants(audience, job))
			continue;
		tell(ledger, audience, job, event);
		interest = find_job(audience, job->id.seq);
		if (interest != NULL && job_has_ended(job->status))
			drop_interest(audience, interest);
	}
}

void
job_moved(struct ledger *ledger, const struct job *job)
{
	tell_all(ledger, job, false);
	job_changed(ledger, job);
}

void
job_progressed(struct ledger *ledger, const struct job *job)
{
	tell_all(ledger, job, true);
	job_changed(ledger, job);
}

/* Every job begins as queued, also one that finds a free slot at once. */
void
job_arrived(struct ledger *ledger, const struct job *job)
{
	struct job view = *job; /* borrows its strings */

	if (view.status == JOB_RUNNING) {
		view.status = JOB_QUEUED;
		view.attempts--;
		view.started_at_ms = -1;
	}
	tell_all(ledger, &view, false);
}
