/* client.h - who sends the jobs, and when is the next one due?
 *
 * Closed loop: as soon as a connection is idle and fewer than limit jobs are
 * outstanding. Open loop: at fixed moments, come what may; a job that finds no
 * idle connection waits, and its time counts from the moment it was due.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tally.h"
#include "wire.h"

struct client;

struct client_plan {
	uint16_t port;          /* of the system under test, on 127.0.0.1 */
	uint16_t receiver_port; /* where the callbacks are to go */
	const char *path;       /* of the requests */
	size_t connections;     /* 1 and more; all are made at once */
	size_t body_bytes;      /* TOKEN_BYTES and more */
};

/* Connects; the plan is copied, path borrowed. Nothing is sent yet. */
struct client *client_new(struct wire *wire, struct tally *tally,
    const struct client_plan *plan);

/* Closes all connections and sets *client to NULL. */
void client_free(struct client **client);

/* Closed loop from now on, until jobs more have been sent (SIZE_MAX: for
 * ever), with at most limit outstanding. */
void client_flood(struct client *client, size_t jobs, size_t limit);

/* Open loop from now on: rate jobs a second. */
void client_pace(struct client *client, double rate);

/* Sends nothing more. */
void client_stop(struct client *client);

/* Sends what may be sent now; call it once a turn. Returns nanoseconds until
 * the next job is due, -1 if only an event can change anything. */
int64_t client_push(struct client *client);

#endif
