/* ring.h - what has happened to jobs lately, in order?
 *
 * Memory of a fixed size, for watchers that come back: the newest events push
 * the oldest out. Of each only what is needed to find its job, and to show it
 * as it was then (event_rewind). Pure; one thread.
 */
#ifndef CALLBACKD_LEDGER_RING_H
#define CALLBACKD_LEDGER_RING_H

#include "callbackd/job.h"

#define RING_EVENTS 12288 /* 768 KiB, touched as they are used */

/* A line of the processor's cache: three are written in the life of a job. Its
 * id is where it lies (ring_id). */
struct event {
	int64_t job_seq;
	uint64_t version; /* of the job's record then: event_version */
	int64_t run_at_ms, started_at_ms, finished_at_ms;
	double progress;
	int32_t attempts;
	uint32_t queue_hash, client_hash; /* name_hash of the names */
	enum job_status status : 8;
	enum job_error error : 8;
	bool is_progress : 1; /* nothing but that */
};

struct ring; /* opaque */

/* Ids begin behind wall_ms, in units of 2^-20 ms: as long as there are fewer
 * than a million events in a millisecond, and nobody sets the clock back, ids of
 * a later process are higher. NULL: no memory. */
struct ring *ring_new(size_t capacity, int64_t wall_ms);
void ring_free(struct ring **ring);

/* What is so now. The event is borrowed from the ring until the next. */
const struct event *ring_add(struct ring *ring, const struct job *job,
    bool is_progress);

/* Rising, also over a restart: see ring_new. Of an event that is there. */
int64_t ring_id(const struct ring *ring, const struct event *event);
/* The id of the newest; of none yet, one that is below all that come. */
int64_t ring_newest(const struct ring *ring);
/* Everything later than that id is still here. False also for an id that was
 * never given out. */
bool ring_goes_back_to(const struct ring *ring, int64_t id);
/* The id behind which everything is still here. */
int64_t ring_floor(const struct ring *ring);

/* Which events are wanted; 0: any. A hash may fit by accident. */
struct event_filter {
	int64_t job_seq;
	uint32_t queue_hash, client_hash;
};
uint32_t name_hash(const char *name); /* never 0, but for "" */
bool event_fits(const struct event *event, const struct event_filter *filter);
/* The first one later than that id that fits; NULL: none. */
const struct event *ring_next(const struct ring *ring, int64_t after_id,
    const struct event_filter *filter);

/* A number that is another whenever the record says something else. */
uint64_t event_version(const struct job *job);
/* Puts a later record of its job back to where it stood at the event, as far as
 * that is known. */
void event_rewind(const struct event *event, struct job *job);

#endif
