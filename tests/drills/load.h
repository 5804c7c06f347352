/* load.h - clients of a daemon that may die at any moment.
 *
 * Some of them submit jobs of every kind; one asks what became of them. They
 * go on until the daemon is gone.
 */
#ifndef TESTS_DRILLS_LOAD_H
#define TESTS_DRILLS_LOAD_H

#include "promises.h"

/* What the queues of load.c need in callbackd.conf. */
extern const struct setup load_setup;

struct load; /* opaque */

struct load *load_new(struct promises *promises, uint64_t seed);
void load_free(struct load **load);

/* Begins to ask a daemon that is ready. */
void load_begin(struct load *load, struct world *world);
/* Waits until every client has found it dead. */
void load_end(struct load *load);

/* Requests that were never answered: nobody knows, and nobody promised. */
long load_in_doubt(const struct load *load);
/* Requests that were refused though nothing was wrong with them. */
long load_refused(const struct load *load);

#endif
