/* fresh.c - what is at hand, by the number of the delivery or job.
 *
 * Numbers are ours and rise, so a multiplication spreads them well enough.
 *
 * Invariants
 *  1. No slot between an item's own and the one it lies in is empty.
 *  2. Neither kind takes the room of the other: deliveries to a host that is
 *     down must not cost the jobs their place, nor the other way round.
 *
 * Thread: the one in a turn of the ledger.
 */
#include "fresh.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static unsigned
slot_of(int64_t seq)
{
	uint64_t mixed = (uint64_t)seq * UINT64_C(0x9e3779b97f4a7c15);

	return (unsigned)(mixed >> 32) % FRESH_SLOTS;
}

static int64_t
weight_of(const struct payload *payload)
{
	size_t bytes = blob_len(payload->body);

	if (payload->headers != NULL)
		bytes += strlen(payload->headers);
	return (int64_t)bytes;
}

/* ---- the table ---- */

/* NULL: it is not here. */
static struct fresh_item *
find(struct fresh *fresh, int64_t seq)
{
	unsigned at = slot_of(seq);

	while (fresh->slots[at].seq != 0) {
		if (fresh->slots[at].seq == seq)
			return &fresh->slots[at];
		at = (at + 1) % FRESH_SLOTS;
	}
	return NULL;
}

static void
add(struct fresh *fresh, const struct fresh_item *item)
{
	unsigned at = slot_of(item->seq);

	assert(item->seq != 0);
	while (fresh->slots[at].seq != 0)
		at = (at + 1) % FRESH_SLOTS;
	fresh->slots[at] = *item;
}

/* Moves up what the gap would cut off from its own slot. */
static void
leave_gap(struct fresh *fresh, struct fresh_item *item)
{
	unsigned gap = (unsigned)(item - fresh->slots);
	unsigned at = gap;

	for (;;) {
		unsigned distance;

		at = (at + 1) % FRESH_SLOTS;
		if (fresh->slots[at].seq == 0)
			break;
		distance = at - slot_of(fresh->slots[at].seq);
		if (distance % FRESH_SLOTS < (at - gap) % FRESH_SLOTS)
			continue;
		fresh->slots[gap] = fresh->slots[at];
		gap = at;
	}
	fresh->slots[gap] = (struct fresh_item){ 0, NULL, NULL };
}

/* ---- room ---- */

static bool
take_room(struct fresh_kind *kind, int64_t bytes)
{
	if (kind->count == FRESH_MAX || kind->bytes + bytes > FRESH_MAX_BYTES)
		return false;
	kind->count++;
	kind->bytes += bytes;
	return true;
}

static void
give_room(struct fresh_kind *kind, int64_t bytes)
{
	kind->count--;
	kind->bytes -= bytes;
}

/* ---- deliveries ---- */

bool
fresh_keep_post(struct fresh *fresh, struct post *post)
{
	const struct fresh_item item = { post->delivery.id.seq, post, NULL };

	if (!take_room(&fresh->posts, weight_of(&post->response)))
		return false;
	add(fresh, &item);
	return true;
}

struct post *
fresh_take_post(struct fresh *fresh, int64_t seq)
{
	struct fresh_item *item = find(fresh, seq);
	struct post *post;

	if (item == NULL)
		return NULL;
	post = item->post;
	leave_gap(fresh, item);
	give_room(&fresh->posts, weight_of(&post->response));
	return post;
}

/* ---- jobs ---- */

static struct waiter *
waiter_new(const struct job *job)
{
	struct waiter *waiter = calloc(1, sizeof(*waiter));

	if (waiter == NULL || job_copy(&waiter->job, job))
		return waiter;
	free(waiter);
	return NULL;
}

void
fresh_keep_job(struct fresh *fresh, const struct job *job,
    struct payload *request)
{
	struct fresh_item item = { job->id.seq, NULL, NULL };

	if (!take_room(&fresh->waiters, weight_of(request)))
		return;
	item.waiter = waiter_new(job);
	if (item.waiter == NULL) {
		give_room(&fresh->waiters, weight_of(request));
		return;
	}
	item.waiter->request = *request;
	*request = (struct payload){ NULL, NULL };
	add(fresh, &item);
}

bool
fresh_take_job(struct fresh *fresh, int64_t seq, struct job *job_out,
    struct payload *request_out)
{
	struct fresh_item *item = find(fresh, seq);
	struct waiter *waiter;

	if (item == NULL)
		return false;
	waiter = item->waiter;
	leave_gap(fresh, item);
	give_room(&fresh->waiters, weight_of(&waiter->request));
	*job_out = waiter->job;
	*request_out = waiter->request;
	free(waiter);
	return true;
}

void
fresh_drop_job(struct fresh *fresh, int64_t seq)
{
	struct job job;
	struct payload request;

	if (!fresh_take_job(fresh, seq, &job, &request))
		return;
	job_clear(&job);
	payload_clear(&request);
}

void
fresh_clear(struct fresh *fresh)
{
	for (unsigned i = 0; i < FRESH_SLOTS; i++) {
		struct fresh_item *item = &fresh->slots[i];

		post_free(&item->post);
		if (item->waiter == NULL)
			continue;
		job_clear(&item->waiter->job);
		payload_clear(&item->waiter->request);
		free(item->waiter);
	}
	memset(fresh, 0, sizeof(*fresh));
}
