/* run.h - one attempt at a job, and one attempt at a delivery, on their way.
 *
 * Both travel: the ledger makes them and posts them to a loop, the loop's
 * executor or courier fills in what came of it and sends the same message back.
 * Whoever holds one owns all of it.
 */
#ifndef CALLBACKD_RUN_H
#define CALLBACKD_RUN_H

#include "callbackd/job.h"
#include "callbackd/loop.h"
#include "callbackd/verdict.h"

#define DETAIL_SIZE 160
#define RUN_DETAIL_SIZE 1200 /* the end of a command's stderr is in it */

struct run {
	struct mail mail;  /* first */
	struct loop *loop; /* where its bytes are, then where it runs */
	struct job job;    /* as claimed: running, attempts counts this one */
	struct payload request;

	/* The ledger's own notes. */
	bool is_judged;  /* job holds what its end means */
	bool never_ran;  /* it is given up without having begun */
	bool was_leased; /* a consumer made it */
	bool is_void;    /* its job was cancelled meanwhile */
	bool slot_given; /* its slot is free again */
	bool held_place; /* it had a place in its queue */
	bool has_event;  /* delivery is to be sent */
	struct delivery delivery;
	int64_t leapt_ms; /* see ledger/clocks.c */

	/* What came of it; written by the executor. */
	enum verdict verdict;
	enum job_error error;
	bool never_began; /* surely: at-most-once queues try again */
	bool has_begun;   /* surely: they do not, whatever came afterwards */
	char detail[RUN_DETAIL_SIZE];
	int status;         /* of the answer; 0: none */
	char *content_type; /* owned */
	struct payload response;
	int64_t response_bytes;
	int64_t asked_ms; /* Retry-After; -1: none */
	int64_t wait_ms;  /* before the next try; -1: as the queue has it */
	int64_t duration_ms;
};
struct run *run_new(void); /* NULL: no memory */
void run_free(struct run **run);

struct post {
	struct mail mail;  /* first */
	struct loop *loop; /* as a run's */
	const char *host;  /* the ledger's own: where it goes */
	bool is_first;     /* which budget it was let go under */
	bool is_too_old;   /* no attempt was made: its schedule is over */
	bool is_judged;    /* the ledger's own: delivery holds the outcome */
	int64_t leapt_ms;  /* the ledger's own; see ledger/clocks.c */
	struct delivery delivery;
	struct job job;
	struct payload request; /* fields only: trace context, X-Call-Id */
	struct payload response;

	/* What came of it; written by the courier. */
	enum verdict verdict;
	enum job_error error;
	char detail[DETAIL_SIZE];
	int status;
	int64_t at_ms; /* wall moment of the attempt */
	int64_t asked_ms;
	int64_t dns_ms, connect_ms, tls_ms, first_byte_ms, duration_ms;
	char address[64];
};
struct post *post_new(void);
void post_free(struct post **post);

#endif
