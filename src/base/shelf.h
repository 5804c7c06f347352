/* shelf.h - blocks of memory that this thread gave back and may soon want again.
 *
 * The libraries ask for some eighty blocks a job, and give all of them back, in
 * bursts of as many jobs as are under way. malloc remembers seven of a size and
 * then begins to sort and to join; a shelf only remembers. Each thread has its
 * own, so there are no locks; a block may come from another thread.
 */
#ifndef CALLBACKD_BASE_SHELF_H
#define CALLBACKD_BASE_SHELF_H

#include <stdbool.h>
#include <stddef.h>

/* Of all blocks on the shelf of one thread. */
#define SHELF_MAX_BYTES (512 << 10)

/* A block of at least that size, as malloc would give it; NULL: none here. */
void *shelf_take(size_t size);

/* Takes a block of malloc's, if there is room for one of its size. False: the
 * caller keeps it. */
bool shelf_put(void *block);

/* Gives everything back to malloc: before a thread ends, or when there is no
 * memory. */
void shelf_clear(void);

#endif
