/* stream.c - chunks and blocks of an event stream, as they come. */
#include "stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define STREAM_MAX_BYTES (64u << 20)

static void
drop(struct buf *buf, size_t len)
{
	memmove(buf->data, buf->data + len, buf->len - len);
	buf->len -= len;
	buf->data[buf->len] = '\0';
}

/* False at the end of the connection. */
static bool
fill(struct stream *stream)
{
	char piece[16384];
	ssize_t got;

	do
		got = recv(stream->client.fd, piece, sizeof(piece), 0);
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno == ECONNRESET)
		return false;
	ck_assert_msg(got >= 0, "the stream is silent: %s", strerror(errno));
	if (got > 0)
		ck_assert(buf_append(&stream->client.in, piece, (size_t)got));
	return got > 0;
}

static size_t
line_len(const struct stream *stream)
{
	const struct buf *in = &stream->client.in;
	const char *end = in->len > 0 ? memmem(in->data, in->len, "\r\n", 2)
				      : NULL;

	return end != NULL ? (size_t)(end - in->data) + 2 : 0;
}

/* Takes one chunk out of what has come; false: it is not all there. */
static bool
take_chunk(struct stream *stream)
{
	struct buf *in = &stream->client.in;
	size_t head = line_len(stream);
	size_t size;
	char *end;

	if (head == 0)
		return false;
	size = strtoul(in->data, &end, 16);
	ck_assert_msg(head > 2 && *end == '\r', "not a chunk size");
	if (in->len < head + size + 2)
		return false;
	ck_assert(memcmp(in->data + head + size, "\r\n", 2) == 0);
	ck_assert(buf_append(&stream->text, in->data + head, size));
	drop(in, head + size + 2);
	stream->is_ended = size == 0;
	return true;
}

static void
read_more(struct stream *stream)
{
	while (!take_chunk(stream)) {
		if (fill(stream))
			continue;
		stream->is_cut = true;
		return;
	}
}

/* ---- blocks ---- */

static void
take_field(struct stream *stream, const char *line, size_t len,
    struct block *out)
{
	struct reason why = { "" };

	if (len > 0 && line[0] == ':')
		stream->comments++;
	else if (len > 4 && strncmp(line, "id: ", 4) == 0)
		(void)snprintf(out->id, sizeof(out->id), "%.*s", (int)len - 4,
		    line + 4);
	else if (len > 7 && strncmp(line, "event: ", 7) == 0)
		(void)snprintf(out->event, sizeof(out->event), "%.*s",
		    (int)len - 7, line + 7);
	else if (len > 6 && strncmp(line, "data: ", 6) == 0)
		out->document = json_parse(line + 6, len - 6, &why);
	else
		ck_assert_msg(len == 0, "not a line of a stream: %.*s",
		    (int)len, line);
	ck_assert_msg(why.text[0] == '\0', "data: %s", why.text);
}

/* One block, up to its empty line. False: it is not all there. */
static bool
take_block(struct stream *stream, struct block *out)
{
	const char *at = stream->text.data;
	const char *end = stream->text.len > 0
	    ? memmem(at, stream->text.len, "\n\n", 2)
	    : NULL;

	memset(out, 0, sizeof(*out));
	if (end == NULL)
		return false;
	while (at <= end) {
		const char *line_end = memchr(at, '\n', (size_t)(end + 1 - at));

		take_field(stream, at, (size_t)(line_end - at), out);
		at = line_end + 1;
	}
	drop(&stream->text, (size_t)(end + 2 - stream->text.data));
	if (out->id[0] != '\0')
		memcpy(stream->last_id, out->id, sizeof(out->id));
	return true;
}

bool
stream_next(struct stream *stream, struct block *out)
{
	for (;;) {
		while (take_block(stream, out)) {
			if (out->document == NULL)
				continue;
			ck_assert_str_ne(out->event, "");
			ck_assert_str_ne(out->id, "");
			return true;
		}
		if (stream->is_ended || stream->is_cut)
			return false;
		read_more(stream);
	}
}

void
block_clear(struct block *block)
{
	json_document_free(&block->document);
}

void
stream_expect(struct stream *stream, const char *event)
{
	struct block block;

	ck_assert_msg(stream_next(stream, &block), "ended instead of %s",
	    event);
	ck_assert_str_eq(block.event, event);
	if (strcmp(event, "job.progress") != 0)
		ck_assert(look_says(json_root(block.document), "status",
		    event + strlen("job.")));
	block_clear(&block);
}

void
stream_expect_end(struct stream *stream)
{
	struct block block;

	if (stream_next(stream, &block))
		ck_abort_msg("not the end but %s", block.event);
	ck_assert_msg(!stream->is_cut, "the stream was cut");
	ck_assert_uint_eq(stream->text.len, 0);
}

/* ---- connections ---- */

void
stream_ask(struct stream *stream, const char *address, const char *target,
    const char *fields)
{
	memset(stream, 0, sizeof(*stream));
	buf_init(&stream->text, STREAM_MAX_BYTES);
	client_open(&stream->client, address);
	client_send_request(&stream->client, "GET", target, fields, NULL, -1);
}

void
stream_begin(struct stream *stream)
{
	struct reply head = { 0 };
	char *end;

	while (stream->client.in.len == 0 ||
	    (end = memmem(stream->client.in.data, stream->client.in.len,
		 "\r\n\r\n", 4)) == NULL)
		ck_assert_msg(fill(stream), "closed without an answer");
	head.head = strndup(stream->client.in.data,
	    (size_t)(end + 2 - stream->client.in.data));
	drop(&stream->client.in, (size_t)(end + 4 - stream->client.in.data));
	ck_assert_msg(strncmp(head.head, "HTTP/1.1 200 ", 13) == 0, "%.60s",
	    head.head);
	ck_assert_str_eq(reply_header(&head, "Content-Type"),
	    "text/event-stream");
	ck_assert_str_eq(reply_header(&head, "Cache-Control"), "no-store");
	ck_assert_str_eq(reply_header(&head, "Transfer-Encoding"), "chunked");
	reply_clear(&head);
}

void
stream_open(struct stream *stream, struct world *world, const char *target,
    const char *last_id)
{
	char fields[160] = "Accept: text/event-stream\r\n";

	if (last_id[0] != '\0')
		(void)snprintf(fields, sizeof(fields),
		    "Accept: text/event-stream\r\nLast-Event-ID: %s\r\n",
		    last_id);
	stream_ask(stream, world->api, target, fields);
	stream_begin(stream);
	(void)snprintf(stream->last_id, sizeof(stream->last_id), "%s", last_id);
}

void
stream_close(struct stream *stream)
{
	client_close(&stream->client);
	buf_free(&stream->text);
}

void
stream_reset(struct stream *stream)
{
	const struct linger none = { 1, 0 };

	setsockopt(stream->client.fd, SOL_SOCKET, SO_LINGER, &none,
	    sizeof(none));
	stream_close(stream);
}
