/* shelf.c - blocks of memory that this thread gave back and may soon want again.
 *
 * A block of n usable bytes lies in the last compartment whose bytes are not
 * more than n; whoever asks looks into the first whose bytes are enough. With
 * glibc, whose blocks have 24, 40, 56 ... usable bytes, that is the same one.
 *
 * Thread: each has its own.
 */
#include "shelf.h"

#include <malloc.h>
#include <stdlib.h>

enum {
	STEP = 16,
	FIRST = 24,        /* bytes in compartment 0 */
	COMPARTMENTS = 257 /* up to what libcurl reads into: transfer.c */
};

struct kept {
	struct kept *next;
};

static _Thread_local struct {
	struct kept *kept[COMPARTMENTS];
	size_t bytes; /* of all of them, by their compartments */
} shelf;

void *
shelf_take(size_t size)
{
	size_t at = size <= FIRST ? 0 : (size - FIRST + STEP - 1) / STEP;
	struct kept *block;

	if (at >= COMPARTMENTS || shelf.kept[at] == NULL)
		return NULL;
	block = shelf.kept[at];
	shelf.kept[at] = block->next;
	shelf.bytes -= FIRST + at * STEP;
	return block;
}

bool
shelf_put(void *block)
{
	size_t size = malloc_usable_size(block);
	size_t at = (size - FIRST) / STEP; /* far out for the smallest */
	struct kept *kept = block;

	if (at >= COMPARTMENTS || shelf.bytes + size > SHELF_MAX_BYTES)
		return false;
	kept->next = shelf.kept[at];
	shelf.kept[at] = kept;
	shelf.bytes += FIRST + at * STEP;
	return true;
}

void
shelf_clear(void)
{
	for (int at = 0; at < COMPARTMENTS; at++) {
		while (shelf.kept[at] != NULL) {
			struct kept *block = shelf.kept[at];

			shelf.kept[at] = block->next;
			free(block);
		}
	}
	shelf.bytes = 0;
}
