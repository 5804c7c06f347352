/* fresh.h - deliveries at hand: what runs have just caused, with all they need.
 *
 * A delivery that may go soon need not be read back from the store. What is
 * here is a copy for speed only: bounded in number and bytes, and gone without
 * loss at any time.
 */
#ifndef CALLBACKD_LEDGER_FRESH_H
#define CALLBACKD_LEDGER_FRESH_H

#include <stdbool.h>
#include <stdint.h>

#include "callbackd/run.h"

#define FRESH_SLOTS 2048            /* a power of two */
#define FRESH_MAX (FRESH_SLOTS / 2) /* half full at most: short probes */
#define FRESH_MAX_BYTES (8 << 20)   /* of results */

/* Open addressing with linear probing. Zeroed memory is an empty one. */
struct fresh {
	struct post *slots[FRESH_SLOTS];
	unsigned count;
	int64_t bytes;
};

/* Takes the post. False, and the caller keeps it, when there is no room. */
bool fresh_keep(struct fresh *fresh, struct post *post);

/* Gives the post of that delivery; NULL: it is not here. */
struct post *fresh_take(struct fresh *fresh, int64_t seq);

void fresh_clear(struct fresh *fresh);

#endif
