/* courier.h - carrying one event to one receiver: wrap, sign, POST, judge.
 *
 * One for each loop; used on that loop's thread. Decides nothing about when:
 * the ledger lets posts go and hears how they ended. Knows nothing of how a job
 * was run.
 */
#ifndef CALLBACKD_COURIER_H
#define CALLBACKD_COURIER_H

#include "callbackd/conf.h"
#include "callbackd/loop.h"
#include "callbackd/run.h"

struct courier; /* opaque */

/* ended(post, arg) takes each post back. NULL: no memory. */
struct courier *courier_new(struct loop *loop, struct conf *conf,
    void (*ended)(struct post *post, void *arg), void *arg);

/* Takes the post; ended() is called for it once, unless courier_abandon comes
 * first. */
void courier_start(struct courier *courier, struct post *post);

/* Uses another conf for posts that start from now on. */
void courier_follow(struct courier *courier, struct conf *conf);

/* Drops every post under way: their deliveries stay written down as pending,
 * and the next start attempts them again. */
void courier_abandon(struct courier *courier);

void courier_free(struct courier **courier); /* abandons first */

#endif
