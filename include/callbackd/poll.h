/* poll.h - an upstream has taken the work and answers later: what now?
 *
 *   request ─► 202, Location ─► wait ─► GET ─┬─ 202, or a failure that may
 *                                ▲           │  pass: once more
 *                                ├───────────┤
 *                                └── GET ◄───┼─ 3xx: the answer is elsewhere
 *                                            └─ anything else: the answer
 *
 * Pure arithmetic, as retry.h; any thread.
 */
#ifndef CALLBACKD_POLL_H
#define CALLBACKD_POLL_H

#include <stdbool.h>
#include <stdint.h>

#include "callbackd/job.h"
#include "callbackd/retry.h"

enum poll_step {
	POLL_ENDS,  /* this answer is what came of the run */
	POLL_WAITS, /* ask again later: where it says, else at the same place */
	POLL_MOVES, /* ask where it says, at once */
};

/* What came of one question. */
struct poll_answer {
	bool is_first; /* the question was the job itself */
	bool was_sent; /* another answer has just sent us there (3xx) */
	enum job_error transport; /* ERROR_NONE: a whole answer with status */
	int status;
	bool has_location;
};

/* A 202 with a Location begins it. From then on the upstream has the work, so
 * that what a run would be tried again for (verdict_of_run) is asked again
 * only. A redirect is followed, but not from one to the next. */
enum poll_step poll_step_after(const struct poll_answer *answer);

struct poll_facts {
	int32_t asked_count; /* questions so far, the job included; >= 1 */
	int64_t asked_ms;    /* Retry-After; -1: none */
	int64_t left_ms;     /* until the deadline */
	int64_t timeout_ms;  /* from the first question to the deadline */
};

/* When to ask again: when the upstream says, but not sooner than the backoff
 * begins; else as the backoff has it. What would come too late for an answer is
 * the last question, asked a little before the deadline. False when there is no
 * time for one. *wait_ms_out, >= 1, and *is_last_out are set only on true. */
bool poll_wait_ms(const struct backoff *backoff, const struct poll_facts *facts,
    uint32_t dice, int64_t *wait_ms_out, bool *is_last_out);

#endif
