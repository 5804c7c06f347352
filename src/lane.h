/* lane.h - one loop with the rooms that live on it: api, exec, courier.
 *
 * main makes one for each core. A job that comes in on a lane is run and
 * delivered there, while its slot and window allow it.
 */
#ifndef CALLBACKD_LANE_H
#define CALLBACKD_LANE_H

#include "callbackd/api.h"
#include "callbackd/courier.h"
#include "callbackd/exec.h"
#include "callbackd/ledger.h"

struct lane; /* opaque */

/* The loop and its hands only: the ledger needs them before the rooms can be. */
struct lane *lane_new(unsigned index);
struct ledger_hands *lane_hands(struct lane *lane);

/* The rooms. conf and the rest are borrowed from main. False: no memory. */
bool lane_furnish(struct lane *lane, struct conf *conf, struct http_gate *gate,
    struct metrics *metrics, struct ledger *ledger);
/* Takes fd. */
bool lane_listen(struct lane *lane, int fd);
bool lane_start(struct lane *lane);

/* Any thread; each takes effect on the lane's own. */
void lane_follow(struct lane *lane, struct conf *conf);
void lane_drain(struct lane *lane);
/* After lane_drain: true when no request waits for an answer. */
bool lane_is_idle(const struct lane *lane);

/* Ends the thread and drops runs and posts under way. */
void lane_stop(struct lane *lane);
/* After the ledger is gone. */
void lane_free(struct lane **lane);

#endif
