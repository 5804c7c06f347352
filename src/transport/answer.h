/* answer.h - is this a sound answer, and what of it is kept?
 *
 * Private to the transport. libcurl cuts the bytes into head lines and decoded
 * body pieces; this judges them against our ceilings and our idea of framing,
 * which is stricter than libcurl's. No curl in here, no clock.
 */
#ifndef TRANSPORT_ANSWER_H
#define TRANSPORT_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "callbackd/buf.h"
#include "callbackd/headers.h"
#include "callbackd/job.h"

#define ANSWER_MAX_FIELDS 256 /* more is an attack or a loop, not an answer */
#define DETAIL_SIZE 160       /* as transfer_result.detail */

struct answer {
	/* What was asked; set by answer_init. */
	int64_t max_head_bytes; /* all heads together, 1xx and trailers too */
	int64_t max_body_bytes;
	bool keep_body;
	bool to_head; /* answers a HEAD request: no body follows */

	/* What came; read by transfer.c. */
	enum job_error error; /* ERROR_NONE: sound so far */
	char detail[DETAIL_SIZE];
	int status;            /* of the final answer; 0: none yet */
	bool head_is_complete; /* ... and its last field was read */
	int64_t body_bytes;    /* after chunks were taken apart */

	/* How far we are. */
	int64_t head_bytes;
	int field_count;
	bool in_head;           /* between a status line and its empty line */
	int line_status;        /* of that status line */
	int64_t declared_bytes; /* Content-Length; -1: none */
	bool is_chunked;
	struct buf connection;  /* all Connection values, joined by commas */
	struct headers headers; /* end-to-end fields, in order */
	struct buf body;
};

/* Starts over; the memory of the one before must have been taken or freed. */
void answer_init(struct answer *answer, bool to_head, int64_t max_head_bytes,
    int64_t max_body_bytes, bool keep_body);
void answer_free(struct answer *answer);

/* One line of a head or of trailers, with its line end. False: give up, error
 * and detail say why. */
bool answer_add_line(struct answer *answer, const char *line, size_t len);

/* A piece of the body, of the final answer. False as above. */
bool answer_add_body(struct answer *answer, const void *bytes, size_t len);

/* The connection ended as it should, says libcurl. False when the answer is cut
 * all the same. */
bool answer_is_whole(const struct answer *answer);

/* Moves what was kept into *out, which is empty, and the media type into
 * *type_out (owned; NULL: none). False when memory is out. */
bool answer_take(struct answer *answer, struct payload *out, char **type_out);

#endif
