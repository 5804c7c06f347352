/* exec.h - running a job in the way of its queue.
 *
 * One for each loop; used on that loop's thread. Holds every executor that runs
 * jobs on a loop and gives each run to the one that its queue names. Consumers
 * are none of them: they come and take their jobs.
 */
#ifndef CALLBACKD_EXEC_H
#define CALLBACKD_EXEC_H

#include "callbackd/conf.h"
#include "callbackd/loop.h"
#include "callbackd/run.h"

struct exec; /* opaque */

/* ended(run, arg) takes each run back. NULL: no memory. */
struct exec *exec_new(struct loop *loop, struct conf *conf,
    void (*ended)(struct run *run, void *arg), void *arg);

/* Takes the run; ended() is called for it once, perhaps at once, unless
 * exec_abandon comes first. */
void exec_start(struct exec *exec, struct run *run);

/* Ends the run of that job, if it is under way here: it is given back with
 * ERROR_CANCELLED, now or as soon as it has ended. */
void exec_cancel(struct exec *exec, int64_t job_seq);

/* Uses another conf for runs that start from now on. */
void exec_follow(struct exec *exec, struct conf *conf);

/* Drops every run under way: their jobs stay written down as running, which the
 * next start takes for interrupted. */
void exec_abandon(struct exec *exec);

void exec_free(struct exec **exec); /* abandons first */

#endif
