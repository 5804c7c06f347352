/* verdict.h - what does an answer mean: success, once more, or the end?
 *
 * Pure. Two judges: one for runs (contract section 3), one for deliveries
 * (section 5). They read the same outcome of one HTTP exchange.
 */
#ifndef CALLBACKD_VERDICT_H
#define CALLBACKD_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "callbackd/job.h"

enum verdict {
	VERDICT_SUCCESS,
	VERDICT_RETRY, /* may get better */
	VERDICT_FINAL, /* will not */
};

/* A run: 2xx is success; network errors, 408, 425, 429 and 5xx are tried again;
 * any other status, too-large, tls-failed and target-denied are final. transport
 * is ERROR_NONE when a complete answer with status came. *error_out is the
 * word for the outcome, ERROR_NONE on success. */
enum verdict verdict_of_run(enum job_error transport, int status,
    enum job_error *error_out);

/* True when that outcome proves that the upstream did not begin the work: it
 * was not reached, or it says so itself (425, 429, 503). At-most-once queues
 * try again only then. */
bool verdict_never_began(enum job_error error, int status);

/* A delivery: 2xx is success; 410 and a webhook-delivery answer of
 * abort-message or disable are final; all else is tried again, 3xx included.
 * webhook_delivery is that field's value, NULL without one. */
enum verdict verdict_of_delivery(enum job_error transport, int status,
    const char *webhook_delivery, enum job_error *error_out);

/* How long the peer asks us to wait, from Retry-After (seconds or date),
 * RateLimit or X-RateLimit-Reset (seconds, or Unix seconds above 10^9) in
 * headers (a headers.h text): ms from now_ms, 0 .. ; -1 when it does not say.
 * The last two count only with status 429 or 503. */
int64_t verdict_asked_wait_ms(const char *headers, int status, int64_t now_ms);

#endif
