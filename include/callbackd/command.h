/* command.h - running a job by starting a program for it.
 *
 * One for each loop; used on that loop's thread. A run comes in, the queue's
 * command is started with the request's body on its stdin, what it wrote to its
 * stdout and how it ended is written into the run, and the run goes back to the
 * ledger. Knows nothing of callbacks. callbackd(8), "Commands", is the contract
 * with the program.
 */
#ifndef CALLBACKD_COMMAND_H
#define CALLBACKD_COMMAND_H

#include "callbackd/conf.h"
#include "callbackd/loop.h"
#include "callbackd/run.h"

struct command; /* opaque */

/* ended(run, arg) takes each run back. NULL: no memory. */
struct command *command_new(struct loop *loop, struct conf *conf,
    void (*ended)(struct run *run, void *arg), void *arg);

/* Takes the run; ended() is called for it once, perhaps at once, unless
 * command_abandon comes first. */
void command_start(struct command *command, struct run *run);

/* Tells the program of that job to end, if it runs here; its run is given back
 * with ERROR_CANCELLED as soon as it has. */
void command_cancel(struct command *command, int64_t job_seq);

/* Uses another conf for runs that start from now on. */
void command_follow(struct command *command, struct conf *conf);

/* Kills every program under way, waits for its end and drops its run: their
 * jobs stay written down as running, which the next start takes for
 * interrupted. */
void command_abandon(struct command *command);

void command_free(struct command **command); /* abandons first */

#endif
