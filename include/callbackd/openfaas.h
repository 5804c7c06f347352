/* openfaas.h - which fields do clients and receivers of OpenFaaS look for?
 *
 * What its gateway and its queue worker say of an asynchronous call, said of a
 * job. Pure; any thread. Lists of fields are those of headers.h; without memory
 * a list is marked as failed.
 */
#ifndef CALLBACKD_OPENFAAS_H
#define CALLBACKD_OPENFAAS_H

#include <stdbool.h>

#include "callbackd/headers.h"
#include "callbackd/job.h"

/* The id of the call: the client's own, else the job's. */
#define OPENFAAS_CALL_ID "X-Call-Id"
/* When it was accepted, in nanoseconds since 1970. */
#define OPENFAAS_START_TIME "X-Start-Time"

/* True for the fields that the functions below write: others may not, where
 * they do. */
bool openfaas_writes(const char *name, size_t name_len);

/* What the upstream sees: both of the above, unless the client sent them. */
void openfaas_complete_request(struct headers *request, const struct job *job);

/* Both of the above, for the 202 and the callback. request is what the upstream
 * was sent, or NULL. */
void openfaas_describe_call(struct headers *out, const struct job *job,
    const char *request);

/* X-Function-Name, the queue; and unless status is 0, which is a job that goes
 * on, X-Function-Status and X-Duration-Seconds: from the beginning of the
 * latest run to the end of the job. */
void openfaas_describe_result(struct headers *out, const struct job *job,
    int status);

#endif
