/* sink.h - the two servers that a job meets: its upstream and its receiver.
 *
 * The upstream answers a request with the request's body. The receiver answers
 * 204 to every callback after it has told the tally whether the callback
 * belongs to its job: by the token in the URL, the body, and the signature.
 */
#ifndef BENCH_SINK_H
#define BENCH_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tally.h"
#include "wire.h"

struct sink;

/* Listens for both; tally is borrowed, for ever. secret_file holds one whsec_
 * line (Standard Webhooks 1.0); NULL: signatures are not checked. */
struct sink *sink_new(struct wire *wire, struct tally *tally,
    const char *secret_file);

uint16_t sink_upstream_port(const struct sink *sink);
uint16_t sink_receiver_port(const struct sink *sink);

/* The size of all bodies from now on. */
void sink_expect(struct sink *sink, size_t body_bytes);

/* Held: requests to the upstream are read and not answered. Released: those
 * are answered now. */
void sink_hold(struct sink *sink);
void sink_release(struct sink *sink);

#endif
