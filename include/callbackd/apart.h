/* apart.h - work that may end its process, done in another one.
 *
 * Some libraries leave when there is no memory, or touch what they did not get.
 * What is done apart is done by a child, a copy of us that lives no longer than
 * the work; all that comes back is bytes. Costs a fork(2): not for what happens
 * often. One thread at a time, which waits; the others go on.
 */
#ifndef CALLBACKD_APART_H
#define CALLBACKD_APART_H

#include "callbackd/buf.h"
#include "callbackd/text.h"

#define APART_SECONDS 10 /* longer is given up: bounds a library's loop */

/* Done in the child, which has our memory as it was and may spoil it: writes
 * what is to come back into answer. False: it could not. */
typedef bool apart_work_fn(struct buf *answer, void *arg);

/* Lets a child do work(answer, arg) and puts what it answered into answer,
 * which is empty and bounds it there as here. False, and why_out says how it
 * ended, unless the work returned true; answer is then of no use. */
bool apart_run(apart_work_fn *work, void *arg, struct buf *answer,
    struct reason *why_out);

/* In a child of ours: none is blocked, and each does what it does to a new
 * program. */
void apart_forget_signals(void);

#endif
