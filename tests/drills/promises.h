/* promises.h - what the daemon has promised, and what became of it.
 *
 * A promise begins with a 202. From then on the job may be asked for at any
 * moment, and what is told must agree with what was told before. At the end the
 * peers' logs say what really happened. Everything that is wrong is said once,
 * in words, and counted; nothing here fails the case by itself.
 *
 * Any thread, but for what says otherwise.
 */
#ifndef TESTS_DRILLS_PROMISES_H
#define TESTS_DRILLS_PROMISES_H

#include "drill.h"

struct figures {
	long promised;  /* 202s for different jobs */
	long lost;      /* no such job, no end, no callback, no dead letter */
	long backwards; /* something told that was taken back */
	long misnamed;  /* a key with two jobs, a callback with two ids */
	long runs;      /* requests of jobs that the upstream has seen */
	long reruns_marked;    /* of them, with a Job-Attempt over 1 */
	long reruns_unmarked;  /* of them, with an attempt seen before */
	long twice;            /* at-most-once jobs that ran more than once */
	long overlapping;      /* jobs in two runs at once */
	long posts;            /* callbacks that the receiver has seen */
	long reposts_marked;   /* of them, with a higher Webhook-Attempt */
	long reposts_unmarked; /* of them, with the attempt of the one before */
	long dead_letters;
	long interrupted; /* jobs that ended so */
};

struct promises; /* opaque */

struct promises *promises_new(void);
void promises_free(struct promises **promises);

/* A job was accepted, or shown to a client that asked with the same key. reply
 * is a 202 of a submission or the answer to a replay; key 0: none. */
void promise_made(struct promises *promises, struct reply *reply,
    bool at_most_once, uint32_t key);

/* How many jobs; the id of one of them. */
size_t promises_count(struct promises *promises);
void promise_id(struct promises *promises, size_t which, char id_out[ID_SIZE]);

/* What GET of that job was answered. True when there is nothing more to come:
 * it has ended, and so has its callback. */
bool promise_told(struct promises *promises, size_t which, struct reply *reply);

/* When nothing more happens: what the peers have seen, and what the dead letters
 * of the daemon say. One thread. */
void promises_judge(struct promises *promises, struct world *world,
    struct figures *out);

#endif
