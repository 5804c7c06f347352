/* question.h - what an upstream is asked in the course of one run.
 *
 * First the job itself; then, where the upstream is followed, what has become of
 * it. Private to src/exec; any thread.
 */
#ifndef CALLBACKD_EXEC_QUESTION_H
#define CALLBACKD_EXEC_QUESTION_H

#include "callbackd/conf.h"
#include "callbackd/headers.h"
#include "callbackd/run.h"

enum question {
	QUESTION_JOB,    /* the client's request */
	QUESTION_HOME,   /* a GET within the upstream's origin */
	QUESTION_ABROAD, /* a GET anywhere else */
};

/* The fields to send, into an empty list. False: no memory. */
bool question_fields(enum question question, const struct run *run,
    int64_t deadline_at_ms, bool for_openfaas, struct headers *out);

/* Where the job goes: owned by the caller. NULL: no memory. */
char *question_url(const struct conf_queue *queue, const struct job *job);

#endif
