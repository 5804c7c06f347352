/* transfer.h - one HTTP exchange as a client, with real deadlines.
 *
 * libcurl does the work; nothing of it is seen outside src/transport. A pool is
 * one set of kept connections on one loop for one class of trust: upstreams of
 * the operator and URLs of clients never share a pool. All on the loop's thread.
 * Redirects are never followed, proxies of the environment never used, answers
 * never decompressed. A transfer sends its request once or not at all: when a
 * kept connection dies under it, that is ERROR_RESET, and the caller's to judge.
 */
#ifndef CALLBACKD_TRANSFER_H
#define CALLBACKD_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

#include "callbackd/blob.h"
#include "callbackd/job.h"
#include "callbackd/loop.h"
#include "callbackd/target.h"

#define ADDRESS_SIZE 64

/* What to send. Everything is borrowed until transfer_start returns, but body,
 * of which the transfer becomes a holder. */
struct transfer_request {
	const char *method;
	const char *url;        /* absolute; sent as it is, not normalised */
	const char *headers;    /* headers.h text; Host comes from url unless
	                           * given; Content-Length and framing are ours */
	struct blob *body;      /* NULL: no body; a HEAD's is not sent */
	int64_t connect_ms;     /* name, connection and TLS; >= 1 */
	int64_t first_byte_ms;  /* to the final status line; 0: total only */
	int64_t total_ms;       /* >= 1 */
	int64_t max_head_bytes; /* all header fields of the answer together */
	int64_t max_body_bytes; /* over it: ERROR_TOO_LARGE */
	bool keep_body;         /* false: counted and thrown away */
	const struct target_policy *policy; /* must outlive the transfer */
};

/* What came of it. Owned by the transfer; take what you want to keep by
 * payload_copy or by moving it out and leaving NULL. */
struct transfer_result {
	enum job_error error;  /* ERROR_NONE: a complete answer with status */
	char detail[160];      /* for a human; "" when there is no error */
	int status;            /* of the final answer; 0: no whole head */
	char *content_type;    /* owned; NULL: none */
	struct payload answer; /* end-to-end fields and body, complete or cut */
	int64_t body_bytes;
	/* Phases, each by itself, that add up to what passed until the final
	 * status line; -1: did not end, or does not apply. 0 for those that a
	 * kept connection had behind it. total_ms is the whole, never -1. */
	int64_t dns_ms, connect_ms, tls_ms, first_byte_ms, total_ms;
	char address[ADDRESS_SIZE]; /* "192.0.2.7:443"; "": nothing was sent */
};

struct transfer_pool; /* opaque */
struct transfer;      /* opaque: one exchange under way */

/* Once, in main, before any thread. */
bool transfer_library_init(void);
void transfer_library_cleanup(void);

/* in_flight_max sizes the pool of kept connections; not a limit. */
struct transfer_pool *transfer_pool_new(struct loop *loop,
    unsigned in_flight_max);
/* None may be under way; not from done. */
void transfer_pool_free(struct transfer_pool **pool);

/* Begins. done(result, arg) is called once, later, from the loop, unless it is
 * cancelled before. NULL when memory is out or the URL is not usable; done is
 * then never called. */
typedef void transfer_done_fn(struct transfer_result *result, void *arg);
struct transfer *transfer_start(struct transfer_pool *pool,
    const struct transfer_request *request, transfer_done_fn *done, void *arg);

/* Drops it: the connection is closed, done is not called. Not from done. */
void transfer_cancel(struct transfer **transfer);

#endif
