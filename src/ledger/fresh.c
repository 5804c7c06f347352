/* fresh.c - deliveries at hand, by the number of the delivery.
 *
 * Numbers are ours and rise, so a multiplication spreads them well enough.
 *
 * Invariant: no slot between a post's own and the one it lies in is empty.
 *
 * Thread: the ledger's.
 */
#include "fresh.h"

#include <stddef.h>

static unsigned
slot_of(int64_t seq)
{
	uint64_t mixed = (uint64_t)seq * UINT64_C(0x9e3779b97f4a7c15);

	return (unsigned)(mixed >> 32) % FRESH_SLOTS;
}

static int64_t
weight_of(const struct post *post)
{
	return (int64_t)blob_len(post->response.body);
}

bool
fresh_keep(struct fresh *fresh, struct post *post)
{
	unsigned at = slot_of(post->delivery.id.seq);

	if (fresh->count == FRESH_MAX ||
	    fresh->bytes + weight_of(post) > FRESH_MAX_BYTES)
		return false;
	while (fresh->slots[at] != NULL)
		at = (at + 1) % FRESH_SLOTS;
	fresh->slots[at] = post;
	fresh->count++;
	fresh->bytes += weight_of(post);
	return true;
}

/* Moves up what the gap at `gap` would cut off from its own slot. */
static void
close_gap(struct fresh *fresh, unsigned gap)
{
	unsigned at = gap;

	fresh->slots[gap] = NULL;
	for (;;) {
		struct post *post;
		unsigned distance;

		at = (at + 1) % FRESH_SLOTS;
		post = fresh->slots[at];
		if (post == NULL)
			return;
		distance = at - slot_of(post->delivery.id.seq);
		if (distance % FRESH_SLOTS < (at - gap) % FRESH_SLOTS)
			continue;
		fresh->slots[gap] = post;
		fresh->slots[at] = NULL;
		gap = at;
	}
}

struct post *
fresh_take(struct fresh *fresh, int64_t seq)
{
	unsigned at = slot_of(seq);
	struct post *post;

	while (
	    (post = fresh->slots[at]) != NULL && post->delivery.id.seq != seq)
		at = (at + 1) % FRESH_SLOTS;
	if (post == NULL)
		return NULL;
	close_gap(fresh, at);
	fresh->count--;
	fresh->bytes -= weight_of(post);
	return post;
}

void
fresh_clear(struct fresh *fresh)
{
	for (unsigned i = 0; i < FRESH_SLOTS; i++)
		post_free(&fresh->slots[i]);
	fresh->count = 0;
	fresh->bytes = 0;
}
