/* ring.c - the latest events, in a ring.
 *
 *  1. The event with number n (its id less the base) is in slot n % capacity, and
 *     each slot is a line of the processor's cache.
 *  2. Numbers floor + 1 .. newest are there; the rest was overwritten, or never
 *     was.
 *
 * Thread: one.
 */
#include "ring.h"

#include <assert.h>
#include <stdlib.h>

#include "callbackd/document.h"
#include "callbackd/text.h"

#define ID_BITS 20 /* see ring_new */

static_assert(sizeof(struct event) == 64, "see ring.h");

struct ring {
	struct event *events;
	size_t capacity;
	int64_t base;   /* the first event's id less one */
	int64_t newest; /* id; base: none yet */
};

struct ring *
ring_new(size_t capacity, int64_t wall_ms)
{
	struct ring *ring = calloc(1, sizeof(*ring));

	if (ring == NULL)
		return NULL;
	ring->events = aligned_alloc(sizeof(*ring->events),
	    capacity * sizeof(*ring->events));
	if (ring->events == NULL) {
		free(ring);
		return NULL;
	}
	ring->capacity = capacity;
	ring->base = wall_ms * (INT64_C(1) << ID_BITS);
	ring->newest = ring->base;
	return ring;
}

void
ring_free(struct ring **ring)
{
	if (*ring == NULL)
		return;
	free((*ring)->events);
	free(*ring);
	*ring = NULL;
}

static struct event *
slot_of(const struct ring *ring, int64_t id)
{
	return &ring->events[(size_t)(id - ring->base) % ring->capacity];
}

uint32_t
name_hash(const char *name)
{
	uint64_t hash;
	size_t len = 0;

	while (name[len] != '\0')
		len++;
	hash = text_hash(name, len);
	if (len == 0)
		return 0;
	return (uint32_t)(hash ^ hash >> 32) | 1;
}

uint64_t
event_version(const struct job *job)
{
	const struct document_facts facts = { .estimated_wait_ms = -1 };

	return document_version(job, NULL, &facts);
}

const struct event *
ring_add(struct ring *ring, const struct job *job, bool is_progress)
{
	struct event *event = slot_of(ring, ++ring->newest);

	*event = (struct event){
		.job_seq = job->id.seq,
		.version = event_version(job),
		.run_at_ms = job->run_at_ms,
		.started_at_ms = job->started_at_ms,
		.finished_at_ms = job->finished_at_ms,
		.progress = job->progress,
		.attempts = job->attempts,
		.queue_hash = name_hash(job->queue),
		.client_hash = name_hash(job->client),
		.status = job->status,
		.error = job->error,
		.is_progress = is_progress,
	};
	return event;
}

int64_t
ring_id(const struct ring *ring, const struct event *event)
{
	int64_t number = ring->newest - ring->base;
	int64_t slot = event - ring->events;

	return ring->newest - (number - slot) % (int64_t)ring->capacity;
}

int64_t
ring_newest(const struct ring *ring)
{
	return ring->newest;
}

int64_t
ring_floor(const struct ring *ring)
{
	int64_t oldest = ring->newest - (int64_t)ring->capacity;

	return oldest > ring->base ? oldest : ring->base;
}

bool
ring_goes_back_to(const struct ring *ring, int64_t id)
{
	return id >= ring_floor(ring) && id <= ring->newest;
}

bool
event_fits(const struct event *event, const struct event_filter *filter)
{
	return (filter->job_seq == 0 || filter->job_seq == event->job_seq) &&
	    (filter->queue_hash == 0 ||
		filter->queue_hash == event->queue_hash) &&
	    (filter->client_hash == 0 ||
		filter->client_hash == event->client_hash);
}

const struct event *
ring_next(const struct ring *ring, int64_t after_id,
    const struct event_filter *filter)
{
	int64_t id = ring_floor(ring);

	if (after_id > id)
		id = after_id;
	while (++id <= ring->newest) {
		const struct event *event = slot_of(ring, id);

		if (event_fits(event, filter))
			return event;
	}
	return NULL;
}

/* ---- as it was ---- */

static void
forget_text(char **text)
{
	free(*text);
	*text = NULL;
}

static void
forget_answer(struct job *job)
{
	forget_text(&job->response_type);
	job->response_status = 0;
	job->response_bytes = 0;
}

void
event_rewind(const struct event *event, struct job *job)
{
	if (event_version(job) == event->version)
		return;
	if (!job_has_ended(event->status) ||
	    job->finished_at_ms != event->finished_at_ms)
		forget_answer(job);
	if (job->attempts != event->attempts || job->error != event->error)
		forget_text(&job->error_detail);
	if (job->attempts != event->attempts ||
	    job->progress != event->progress)
		forget_text(&job->progress_message);
	job->status = event->status;
	job->attempts = event->attempts;
	job->run_at_ms = event->run_at_ms;
	job->started_at_ms = event->started_at_ms;
	job->finished_at_ms = event->finished_at_ms;
	job->progress = event->progress;
	job->error = event->error;
}
