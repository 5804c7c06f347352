/* document.h - how a job looks from outside: the job document and its events.
 *
 * Pure. Everything a client sees of a job is written here: poll, list, stream
 * and callback show the same document.
 */
#ifndef CALLBACKD_DOCUMENT_H
#define CALLBACKD_DOCUMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "callbackd/buf.h"
#include "callbackd/headers.h"
#include "callbackd/job.h"
#include "callbackd/json.h"
#include "callbackd/link.h"

/* A ceiling for any job document: every text in it is a header, a target or a
 * URL of a request, whose head is bounded, and escapes to six times its size at
 * most. */
#define DOCUMENT_MAX_BYTES (4u << 20)

/* What is not in the record but shown with it. */
struct document_facts {
	const char *public_url;    /* prefix of links; "" or NULL: relative */
	int64_t position;          /* 1 is next; 0: not waiting */
	int64_t estimated_wait_ms; /* -1: unknown or not waiting */
	const struct payload *request; /* shown, too; NULL: not */
	bool shows_lease;              /* for its holder only */
	const char *result_query; /* of the link to the result; NULL: none */
};

/* Writes the job document as one JSON value. delivery is NULL when there is
 * none yet; a job with a callback URL then shows it as pending. facts may be
 * NULL: relative links, not waiting. */
void document_write(struct json_writer *writer, const struct job *job,
    const struct delivery *delivery, const struct document_facts *facts);

/* The same into out; false when it did not fit or memory is out. */
bool document_text(struct buf *out, const struct job *job,
    const struct delivery *delivery, const struct document_facts *facts);

/* A number that is another whenever the document says something else, but for
 * its estimates; never 0. */
uint64_t document_version(const struct job *job,
    const struct delivery *delivery, const struct document_facts *facts);

/* One delivery as lists of dead letters show it. */
void delivery_write(struct json_writer *writer,
    const struct delivery *delivery);

/* What a receiver gets for one event.
 *
 * standard, cloudevents and thin: JSON in body; thin has a response without
 * headers and body, and a signed link to it. raw: the upstream's bytes in blob, its
 * end-to-end fields and Job-Event, -Queue, -Attempts, -Response-Status, -Error,
 * the moments and -Location in headers; without an answer a problem document
 * that names the error; for started and progress no bytes at all. A CloudEvent
 * has the type "callbackd." + the event's, and source /v1/queues/NAME. */
struct envelope {
	const char *content_type; /* borrowed from static text or the job */
	struct buf body;          /* owned; empty when blob is set */
	struct blob *blob;        /* raw: the upstream's body, held */
	struct headers
	    headers; /* format's own (raw: what the JSON would say) */
};

/* What an envelope depends on, beside the job and its event. */
struct envelope_terms {
	const char *public_url;     /* prefix of links; "" or NULL: relative */
	int64_t inline_limit_bytes; /* a result over it becomes thin */
	struct link_signer links; /* signs the link that stands for a result */
	int64_t link_ms;          /* which holds so long after the event */
	bool for_openfaas;   /* what was to be raw says, too, what is said there
	                    * (openfaas.h) */
	const char *request; /* then: what the upstream was sent, headers.h
	                      * text; NULL: nothing */
};

/* Builds the body of a delivery in its format. The document is as it was when
 * the event happened, with no attempts, so every attempt of one event sends the
 * same bytes. response may be empty. False when memory is out; *out is then
 * empty. */
bool envelope_build(const struct job *job, const struct delivery *delivery,
    const struct payload *response, const struct envelope_terms *terms,
    struct envelope *out);
void envelope_clear(struct envelope *envelope);

/* Appends one attempt to the delivery's attempts_json. The oldest are dropped
 * when there are more than ATTEMPTS_MAX_BYTES of them (some 80): an operator may
 * redeliver without end. False when memory is out; nothing has changed then. */
#define ATTEMPTS_MAX_BYTES 16384
struct attempt_facts {
	int64_t at_ms;
	int status;           /* 0: none */
	enum job_error error; /* ERROR_NONE when delivered */
	int64_t duration_ms;
	int64_t dns_ms, connect_ms, tls_ms, first_byte_ms; /* -1: not reached */
	const char *address; /* "192.0.2.7:443"; NULL: not connected */
};
bool document_add_attempt(struct delivery *delivery,
    const struct attempt_facts *facts);

#endif
