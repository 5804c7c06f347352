/* transfer_room.h - a loop, a pool, and one exchange at a time.
 *
 * What test_transfer.c and test_transfer_pool.c share beside the peer.
 */
#ifndef TESTS_TRANSFER_ROOM_H
#define TESTS_TRANSFER_ROOM_H

#include <stdbool.h>

#include "callbackd/transfer.h"
#include "transfer_peer.h"

#define LONG_MS 10000 /* deadlines that are not the subject of a test */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

extern const struct target_policy anybody; /* no address check */
extern const struct target_policy strict;  /* public addresses only */

/* Of the running test; made and freed by the two below, for each test. */
extern struct loop *loop;
extern struct transfer_pool *pool;
void open_room(void);
void close_room(void);

struct outcome {
	bool done;
	struct transfer_result result; /* what it owned is ours */
};

/* done() of a transfer: arg is a struct outcome. */
void take_outcome(struct transfer_result *result, void *arg);
void forget(struct outcome *outcome);

/* One turn of the loop, or as many as it takes. */
void turn(void);
void wait_for(const struct outcome *outcome);

/* A plain GET without a tight limit. */
struct transfer_request request_to(const char *url);
/* Static text, until the next call. */
const char *url_of(const struct peer *peer, const char *path);

/* Starts, and waits for the end. */
struct outcome exchange(const struct transfer_request *request);

/* Fails the test of that name unless the error is this one. */
void ck_error(const struct outcome *outcome, enum job_error error,
    const char *name);
const char *body_of(const struct outcome *outcome);
const char *fields_of(const struct outcome *outcome);

/* Scripts of peers, which say their arg ... */
void say_and_close(struct peer *peer, int fd); /* once, and hang up */
void say_each(struct peer *peer, int fd);      /* after each request */
void say_and_wait(struct peer *peer, int fd);  /* once, until they hang up */

extern const char ok[]; /* 200, "ok" */

#endif
