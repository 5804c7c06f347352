/* stream.h - a client of Server-Sent Events that reads block by block.
 *
 * As strict as client.h: a stream that is not well-formed fails the case. Reads
 * give up after SOON_MS.
 */
#ifndef TESTS_SYSTEM_STREAM_H
#define TESTS_SYSTEM_STREAM_H

#include "jobs.h"

struct stream {
	struct client client;
	struct buf text;  /* decoded, not yet looked at */
	bool is_ended;    /* its last chunk has come */
	bool is_cut;      /* closed before that */
	int comments;     /* that were skipped */
	char last_id[64]; /* as a browser keeps it */
};

struct block {
	char event[32]; /* "job.running" */
	char id[64];
	struct json_document *document; /* of data */
};

/* Sends the request; fields are complete lines. */
void stream_ask(struct stream *stream, const char *address, const char *target,
    const char *fields);
/* Reads the head: demands 200, text/event-stream and chunks. */
void stream_begin(struct stream *stream);
/* Both, with Accept and, unless it is "", Last-Event-ID. */
void stream_open(struct stream *stream, struct world *world, const char *target,
    const char *last_id);
/* The next event; comments and empty blocks are skipped. False at the end, or
 * when the stream was cut. */
bool stream_next(struct stream *stream, struct block *out);
void block_clear(struct block *block);
/* The next event is of that name; *status_out is the document's, if asked. */
void stream_expect(struct stream *stream, const char *event);
/* It ends in good order without another event. */
void stream_expect_end(struct stream *stream);
void stream_close(struct stream *stream);
/* Closes with a reset. */
void stream_reset(struct stream *stream);

#endif
