/* sink.c - an upstream that echoes and a receiver that checks.
 *
 * 1. Nothing is stored but the numbers of the tally: a callback is checked
 *    against what its token says the body must be.
 * 2. While held, a stream of the upstream owes one answer, kept as a copy of
 *    the body; HTTP/1.1 without pipelining sends no second request before it.
 *
 * One thread.
 */
#include "sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "signature.h"

/* An answer that is owed. */
struct owed {
	struct stream *stream; /* NULL: its peer has gone */
	char *body;
	size_t body_bytes;
};

struct sink {
	struct tally *tally;
	struct signature *signature; /* NULL: not checked */
	size_t body_bytes;
	uint16_t upstream_port;
	uint16_t receiver_port;
	bool is_held;
	struct owed *owed;
	size_t owed_count;
	size_t owed_room;
};

/* ---- the upstream ---- */

static void
echo(struct stream *stream, const char *body, size_t body_bytes)
{
	char head[128];
	int bytes = snprintf(head, sizeof(head),
	    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
	    "Content-Length: %zu\r\n\r\n",
	    body_bytes);

	stream_send(stream, head, (size_t)bytes, body, body_bytes);
}

static void
owe(struct sink *sink, struct stream *stream, const struct message *message)
{
	char *copy = malloc(message->body_bytes + 1);

	if (sink->owed_count == sink->owed_room) {
		sink->owed_room = sink->owed_room * 2 + 256;
		sink->owed = realloc(sink->owed,
		    sink->owed_room * sizeof(*sink->owed));
	}
	if (copy == NULL || sink->owed == NULL)
		give_up("memory");
	memcpy(copy, message->body, message->body_bytes);
	sink->owed[sink->owed_count++] = (struct owed){ .stream = stream,
		.body = copy,
		.body_bytes = message->body_bytes };
}

static void
upstream_message(struct stream *stream, const struct message *message)
{
	struct sink *sink = stream->owner;

	if (sink->is_held)
		owe(sink, stream, message);
	else
		echo(stream, message->body, message->body_bytes);
}

static void
upstream_closed(struct stream *stream)
{
	struct sink *sink = stream->owner;

	for (size_t i = 0; i < sink->owed_count; i++) {
		if (sink->owed[i].stream == stream)
			sink->owed[i].stream = NULL;
	}
}

void
sink_hold(struct sink *sink)
{
	sink->is_held = true;
}

void
sink_release(struct sink *sink)
{
	sink->is_held = false;
	for (size_t i = 0; i < sink->owed_count; i++) {
		struct owed *owed = &sink->owed[i];

		if (owed->stream != NULL)
			echo(owed->stream, owed->body, owed->body_bytes);
		free(owed->body);
	}
	sink->owed_count = 0;
}

/* ---- the receiver ---- */

/* The token is the last part of the path: POST /c/0000000100000007 HTTP/1.1 */
static bool
token_of(const struct message *message, uint64_t *token_out)
{
	const char *path = memchr(message->head, '/', message->head_bytes);
	size_t rest;

	if (path == NULL)
		return false;
	rest = message->head_bytes - (size_t)(path - message->head);
	return rest > 3 && memcmp(path, "/c/", 3) == 0 &&
	    token_read(path + 3, rest - 3, token_out);
}

static void
receiver_message(struct stream *stream, const struct message *message)
{
	static const char answer[] =
	    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	struct sink *sink = stream->owner;
	uint64_t token;

	if (token_of(message, &token) &&
	    body_is_in(message->body, message->body_bytes, token,
		sink->body_bytes) &&
	    (sink->signature == NULL ||
		signature_holds(sink->signature, message)))
		tally_callback(sink->tally, token);
	else
		sink->tally->wrong++;
	stream_send(stream, answer, sizeof(answer) - 1, NULL, 0);
}

/* ---- birth ---- */

static const struct stream_calls upstream_calls = {
	.message = upstream_message,
	.closed = upstream_closed,
};

static const struct stream_calls receiver_calls = {
	.message = receiver_message,
};

struct sink *
sink_new(struct wire *wire, struct tally *tally, const char *secret_file)
{
	struct sink *sink = calloc(1, sizeof(*sink));

	if (sink == NULL)
		give_up("memory");
	sink->tally = tally;
	if (secret_file != NULL)
		sink->signature = signature_new(secret_file);
	sink->upstream_port = wire_listen(wire, &upstream_calls, sink);
	sink->receiver_port = wire_listen(wire, &receiver_calls, sink);
	return sink;
}

uint16_t
sink_upstream_port(const struct sink *sink)
{
	return sink->upstream_port;
}

uint16_t
sink_receiver_port(const struct sink *sink)
{
	return sink->receiver_port;
}

void
sink_expect(struct sink *sink, size_t body_bytes)
{
	sink->body_bytes = body_bytes;
}
