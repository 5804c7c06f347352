/* fresh.h - what is at hand: deliveries that runs have just caused, and jobs
 * whose turn is near, with all that they need.
 *
 * What may go soon need not be read back from the store. What is here is a copy
 * for speed only: bounded in number and bytes, and gone without loss at any
 * time. Whoever changes a job in the store drops its copy here.
 */
#ifndef CALLBACKD_LEDGER_FRESH_H
#define CALLBACKD_LEDGER_FRESH_H

#include <stdbool.h>
#include <stdint.h>

#include "callbackd/run.h"

#define FRESH_SLOTS 2048 /* a power of two */
/* Of each kind: the table is three quarters full at most. */
#define FRESH_MAX (FRESH_SLOTS * 3 / 8)
/* The same, of what lies in payloads. */
#define FRESH_MAX_BYTES (4 << 20)

/* A job that waits, as its run will need it. */
struct waiter {
	struct job job;
	struct payload request;
};

/* One of the two. */
struct fresh_item {
	int64_t seq; /* of the delivery, or of the job: no two have the same */
	struct post *post;
	struct waiter *waiter;
};

struct fresh_kind {
	unsigned count;
	int64_t bytes;
};

/* Open addressing with linear probing. Zeroed memory is an empty one. */
struct fresh {
	struct fresh_item slots[FRESH_SLOTS]; /* seq 0: empty */
	struct fresh_kind posts;
	struct fresh_kind waiters;
};

/* Takes the post. False, and the caller keeps it, when there is no room. */
bool fresh_keep_post(struct fresh *fresh, struct post *post);

/* Gives the post of that delivery; NULL: it is not here. */
struct post *fresh_take_post(struct fresh *fresh, int64_t seq);

/* Copies the job and takes the request, which is empty afterwards, if there is
 * room. */
void fresh_keep_job(struct fresh *fresh, const struct job *job,
    struct payload *request);

/* Gives job and request into empty ones; false: they are not here. */
bool fresh_take_job(struct fresh *fresh, int64_t seq, struct job *job_out,
    struct payload *request_out);
void fresh_drop_job(struct fresh *fresh, int64_t seq);

void fresh_clear(struct fresh *fresh);

#endif
