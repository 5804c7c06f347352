/* errand.h - one run of a command under way, and the files that share it.
 *
 * command.c begins and ends it, streams.c moves its bytes, outcome.c says what
 * came of it. Private to src/exec; on its loop's thread.
 */
#ifndef CALLBACKD_EXEC_ERRAND_H
#define CALLBACKD_EXEC_ERRAND_H

#include "callbackd/loop.h"
#include "callbackd/run.h"
#include "child.h"
#include "roster.h"
#include "tail.h"

struct errand {
	struct roster_entry entry; /* first */
	struct command *command;
	struct loop *loop;
	struct child child;
	struct loop_watch *in_watch, *out_watch, *err_watch, *end_watch;
	struct loop_timer *timer; /* of the deadline, then of the grace */
	enum job_error why;       /* we end it; ERROR_NONE: we do not */
	size_t fed_bytes;         /* of the body, so far */
	struct buf output;        /* its ceiling is max_result */
	struct tail tail;
	char *result_type; /* the queue's */
	int64_t begun_mono_ms;
};

/* command.c: tells the group to end, and kills it when it does not. Only the
 * first reason counts. */
void errand_end_early(struct errand *errand, enum job_error why);

/* streams.c: feeds it and takes what it says from now on. False: no memory. */
bool streams_open(struct errand *errand);
/* What it has said by now, and nothing that is written later: somebody who got
 * away from the group may go on for ever. */
void streams_drain(struct errand *errand);
/* Forgets the watches; the descriptors are the child's. */
void streams_free_watches(struct errand *errand);

/* outcome.c: writes into its run what came of it. */
void outcome_judge(struct errand *errand, const struct child_end *end);

#endif
