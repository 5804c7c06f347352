/* jobs.h - what a client does with jobs, and what must hold for each of them.
 *
 * Every function here fails the case when the daemon breaks a promise on the
 * way, so that a test says only what it is about.
 */
#ifndef TESTS_SYSTEM_JOBS_H
#define TESTS_SYSTEM_JOBS_H

#include "harness.h"

#define ID_SIZE 37

/* POST target (below /mill, so "/mill/ok") and demand 202 with its Location. */
void submit(struct world *world, const char *target, const char *fields,
    const char *body, char id_out[ID_SIZE]);
/* The same without looking at the answer's status. */
void try_submit(struct world *world, const char *target, const char *fields,
    const char *body, struct reply *out);
/* The id in a 202; demands Location and Job-Id to agree with it. */
void accepted_id(struct reply *reply, char id_out[ID_SIZE]);

/* "Callback-URL: http://RECEIVER/path\r\n"; valid until the next call but
 * three. */
const char *callback_to(struct world *world, const char *path);

void job_get(struct world *world, const char *id, struct reply *out);
void result_get(struct world *world, const char *id, struct reply *out);

/* DELETE; the second one demands that it is cancelled by that. */
void try_cancel(struct world *world, const char *id, struct reply *out);
void cancel(struct world *world, const char *id);

/* Polls until the job has that status; fails at once when it ended otherwise.
 * The last answer goes to out. */
void job_wait(struct world *world, const char *id, const char *status,
    struct reply *out);
/* Polls until the job's callback is in that state ("delivered", "dead", or
 * "pending" with attempts tries made). */
void callback_wait(struct world *world, const char *id, const char *state,
    struct reply *out);
void callback_wait_attempts(struct world *world, const char *id, int attempts,
    struct reply *out);

/* A whole small life: submit, wait for the status, forget the document. */
void job_lives(struct world *world, const char *target, const char *fields,
    const char *body, const char *status);

/* That status, application/problem+json, urn:callbackd:problem:NAME. */
void expect_problem(struct reply *reply, int status, const char *name);

/* ---- what the peers saw ---- */

/* A number of GET /count, such as "total" or "most_at_once". */
int64_t peer_count(struct peer *peer, const char *path);
/* Requests to exactly that path of the peer, so far. */
int64_t peer_seen(struct peer *peer, const char *path);

/* The nth (from 0) request to that path as the peer logged it: method, target,
 * fields and body. Waits for it. Free with json_document_free. */
struct json_document *peer_request(struct peer *peer, const char *path,
    int nth);

/* The value of a field of such a request, NULL without it; the first when it
 * came several times. */
const char *seen_field(const struct json_document *request, const char *name);
int seen_field_count(const struct json_document *request, const char *name);
/* What else was logged: "target", "body", "sha256", "fault" ... */
const char *seen_text(const struct json_document *request, const char *key);

/* accepted = queued + running + ended. */
void expect_books_balance(struct world *world);

#endif
