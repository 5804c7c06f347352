/* upstream.h - running a job by asking an HTTP upstream.
 *
 * One for each loop; used on that loop's thread. A run comes in, one HTTP
 * exchange is made with the queue's upstream, what came of it is written into
 * the run, and the run goes back to the ledger. Where the queue wants it, an
 * upstream that has taken the job with a 202 is asked for its answer later, which
 * is then what came of it. Knows nothing of callbacks.
 */
#ifndef CALLBACKD_UPSTREAM_H
#define CALLBACKD_UPSTREAM_H

#include <stddef.h>

#include "callbackd/conf.h"
#include "callbackd/loop.h"
#include "callbackd/run.h"

struct upstream; /* opaque */

/* ended(run, arg) takes each run back. NULL: no memory. */
struct upstream *upstream_new(struct loop *loop, struct conf *conf,
    void (*ended)(struct run *run, void *arg), void *arg);

/* Takes the run; ended() is called for it once, unless upstream_abandon comes
 * first. */
void upstream_start(struct upstream *upstream, struct run *run);

/* Ends the run of that job now, if it is under way here: it is given back with
 * ERROR_CANCELLED. */
void upstream_cancel(struct upstream *upstream, int64_t job_seq);

/* Uses another conf for runs that start from now on. */
void upstream_follow(struct upstream *upstream, struct conf *conf);

/* Drops every run under way: their jobs stay written down as running, which the
 * next start takes for interrupted. */
void upstream_abandon(struct upstream *upstream);

void upstream_free(struct upstream **upstream); /* abandons first */

#endif
