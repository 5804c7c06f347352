/* problem.h - how a refusal looks from outside.
 *
 * Pure; any thread.
 */
#ifndef CALLBACKD_PROBLEM_H
#define CALLBACKD_PROBLEM_H

#include <stdbool.h>

#include "callbackd/buf.h"
#include "callbackd/job.h"

#define PROBLEM_CONTENT_TYPE "application/problem+json"
#define PROBLEM_TYPE_PREFIX "urn:callbackd:problem:" /* contract, section 2 */

/* application/problem+json (RFC 9457) at the end of out: type, title, status
 * and, unless it is NULL, detail. name is the last part of the type. False when
 * it did not fit or memory is out. */
bool problem_text(struct buf *out, int status, const char *name,
    const char *detail);

/* The status of the problem that stands in for an answer that never came: 504
 * for what took too long, 410 for cancelled, 500 when we are at fault, else 502.
 * Its name is job_error_name(error). */
int problem_status_of(enum job_error error);

/* The reason phrase of a status as IANA registers it: "Not Found". A status
 * without one gets that of its class ("Client Error"). Never NULL. */
const char *status_reason(int status);

#endif
