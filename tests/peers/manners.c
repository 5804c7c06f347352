/* manners.c - good and bad ways to answer; the table is at the end. */
#include "manners.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void
reply_text(struct peer_conn *conn, int status, const char *text)
{
	peer_reply(conn,
	    &(struct peer_reply){ .status = status,
		.type = "text/plain",
		.body = text,
		.len = strlen(text) });
}

static struct evbuffer *
new_fields(void)
{
	struct evbuffer *fields = evbuffer_new();

	if (!fields)
		err(1, "answer");
	return fields;
}

/* An answer with one more field, as "Name: value". */
static void
reply_field(struct peer_conn *conn, int status, const char *field)
{
	struct evbuffer *fields = new_fields();

	evbuffer_add_printf(fields, "%s\r\n", field);
	peer_reply(conn,
	    &(struct peer_reply){ .status = status, .fields = fields });
	evbuffer_free(fields);
}

static int
asked_status(const struct peer_conn *conn, int otherwise)
{
	return (int)peer_query_int(conn, "status", otherwise);
}

/* ---- good manners ---- */

static void
answer_ok(struct peer_conn *conn)
{
	reply_text(conn, 204, "");
}

static void
answer_gone(struct peer_conn *conn)
{
	reply_text(conn, 410, "gone\n");
}

static void
answer_status(struct peer_conn *conn)
{
	int status = atoi(peer_request(conn)->path + strlen("/status/"));
	char body[4096] = "as you asked\n";

	peer_query(conn, "body", 0, body, sizeof(body));
	reply_text(conn, status, body);
}

static void
answer_big(struct peer_conn *conn)
{
	size_t size = (size_t)peer_query_int(conn, "size", 1048576);
	char *body = malloc(size + 1);

	if (!body)
		err(1, "big");
	for (size_t i = 0; i < size; i++)
		body[i] = (char)('a' + i % 26);
	peer_reply(conn,
	    &(struct peer_reply){ .status = 200,
		.type = "application/octet-stream",
		.body = body,
		.len = size });
	free(body);
}

static void
answer_chunked(struct peer_conn *conn)
{
	const struct peer_request *request = peer_request(conn);
	size_t piece = (size_t)peer_query_int(conn, "piece", 1000);
	const char *body = request->body;
	size_t left = request->body_len;

	if (piece == 0)
		piece = 1;
	peer_print(conn,
	    "HTTP/1.1 200 Fine\r\nContent-Type: %s\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n",
	    "application/octet-stream");
	while (left > 0) {
		size_t len = left < piece ? left : piece;

		peer_print(conn, "%zx\r\n", len);
		peer_send(conn, body, len);
		peer_print(conn, "\r\n");
		body += len;
		left -= len;
	}
	peer_print(conn, "0\r\nX-Trailer: ignored\r\n\r\n");
	peer_end(conn);
}

static void
answer_until_close(struct peer_conn *conn)
{
	const struct peer_request *request = peer_request(conn);

	peer_print(conn, "HTTP/1.1 200 Fine\r\nConnection: close\r\n\r\n");
	peer_send(conn, request->body, request->body_len);
	peer_close(conn);
}

static void
answer_interim(struct peer_conn *conn)
{
	int64_t times = peer_query_int(conn, "times", 1);
	int status = asked_status(conn, 103);

	for (int64_t i = 0; i < times; i++)
		peer_print(conn,
		    "HTTP/1.1 %d Wait\r\nLink: </a.css>; rel=preload\r\n\r\n",
		    status);
	reply_text(conn, 200, "ok\n");
}

static void
answer_redirect(struct peer_conn *conn)
{
	char to[1024] = "/ok", field[1100];

	peer_query(conn, "to", 0, to, sizeof(to));
	snprintf(field, sizeof(field), "Location: %s", to);
	reply_field(conn, asked_status(conn, 302), field);
}

static void
retry_after_field(const struct peer_conn *conn, char *out, size_t size)
{
	int64_t wait_s = peer_query_int(conn, "s", 1);
	time_t at = time(NULL) + (time_t)wait_s;
	struct tm utc;
	char form[8];

	if (peer_query(conn, "form", 0, form, sizeof(form)) &&
	    strcmp(form, "date") == 0)
		strftime(out, size, "Retry-After: %a, %d %b %Y %H:%M:%S GMT",
		    gmtime_r(&at, &utc));
	else
		snprintf(out, size, "Retry-After: %lld", (long long)wait_s);
}

static void
answer_retry_after(struct peer_conn *conn)
{
	char field[80];

	if (peer_request(conn)->nth > peer_query_int(conn, "times", 1)) {
		reply_text(conn, 200, "ok\n");
		return;
	}
	retry_after_field(conn, field, sizeof(field));
	reply_field(conn, asked_status(conn, 503), field);
}

/* The Location that the parameter asks for. */
static void
add_location(const struct peer_conn *conn, const char *name,
    struct evbuffer *fields)
{
	char to[1024];

	if (peer_query(conn, name, 0, to, sizeof(to)))
		evbuffer_add_printf(fields, "Location: %s\r\n", to);
}

static void
add_retry_after(const struct peer_conn *conn, struct evbuffer *fields)
{
	char field[80];

	if (peer_query_int(conn, "s", -1) < 0)
		return;
	retry_after_field(conn, field, sizeof(field));
	evbuffer_add_printf(fields, "%s\r\n", field);
}

static void
reply_later(struct peer_conn *conn, const char *location)
{
	static const char text[] = "at work\n";
	struct evbuffer *fields = new_fields();

	add_location(conn, location, fields);
	add_retry_after(conn, fields);
	peer_reply(conn,
	    &(struct peer_reply){ .status = 202,
		.type = "text/plain",
		.fields = fields,
		.body = text,
		.len = sizeof(text) - 1 });
	evbuffer_free(fields);
}

static void
answer_taken(struct peer_conn *conn)
{
	reply_later(conn, "to");
}

static void
answer_pending(struct peer_conn *conn)
{
	static const char text[] = "done\n";
	struct evbuffer *fields;

	if (peer_request(conn)->nth <= peer_query_int(conn, "times", 1)) {
		reply_later(conn, "next");
		return;
	}
	fields = new_fields();
	add_location(conn, "to", fields);
	peer_reply(conn,
	    &(struct peer_reply){ .status = asked_status(conn, 200),
		.type = "text/plain",
		.fields = fields,
		.body = text,
		.len = sizeof(text) - 1 });
	evbuffer_free(fields);
}

static void
answer_fail_times(struct peer_conn *conn)
{
	if (peer_request(conn)->nth > peer_query_int(conn, "n", 1))
		reply_text(conn, 200, "ok\n");
	else
		reply_text(conn, asked_status(conn, 500), "not yet\n");
}

/* ---- bad manners ---- */

static void
answer_hang(struct peer_conn *conn)
{
	(void)conn;
}

static void
promise(struct peer_conn *conn, int64_t len)
{
	peer_print(conn,
	    "HTTP/1.1 200 Fine\r\nContent-Type: text/plain\r\n"
	    "Content-Length: %lld\r\n\r\n",
	    (long long)len);
}

static void
send_filler(struct peer_conn *conn, int64_t len)
{
	for (int64_t i = 0; i < len; i++)
		peer_send(conn, "x", 1);
}

static void
answer_cut(struct peer_conn *conn)
{
	int64_t size = peer_query_int(conn, "size", 1000);

	if (peer_query_int(conn, "chunked", 0) != 0)
		peer_print(conn,
		    "HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "%llx\r\n",
		    (long long)size);
	else
		promise(conn, size);
	send_filler(conn, size / 2);
	peer_close(conn);
}

static void
answer_reset(struct peer_conn *conn)
{
	int64_t bytes = peer_query_int(conn, "bytes", 0);

	if (bytes == 0) {
		peer_reset(conn);
		return;
	}
	promise(conn, bytes * 2);
	send_filler(conn, bytes);
	/* Unsent bytes would be lost with the reset. */
	peer_later(conn, 50, peer_reset);
}

static void
drip(struct peer_conn *conn)
{
	peer_send(conn, "x", 1);
	peer_later(conn, peer_query_int(conn, "every_ms", 1000), drip);
}

static void
answer_drip(struct peer_conn *conn)
{
	char part[8] = "body";

	peer_query(conn, "part", 0, part, sizeof(part));
	if (strcmp(part, "head") == 0)
		peer_print(conn, "HTTP/1.1 200 Fine\r\nX-Drip: ");
	else
		promise(conn, peer_query_int(conn, "size", 1000000000));
	drip(conn);
}

static void
more_headers(struct peer_conn *conn)
{
	for (int i = 0; i < 64; i++)
		peer_print(conn, "X-Endless-%d: %0*d\r\n", i, 200, i);
}

static void
answer_endless_headers(struct peer_conn *conn)
{
	peer_print(conn, "HTTP/1.1 200 Fine\r\n");
	peer_pump(conn, more_headers);
}

static void
more_body(struct peer_conn *conn)
{
	peer_print(conn, "4000\r\n%0*d\r\n", 0x4000, 0);
}

static void
answer_endless_body(struct peer_conn *conn)
{
	peer_print(conn,
	    "HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n");
	peer_pump(conn, more_body);
}

static void
answer_huge_length(struct peer_conn *conn)
{
	promise(conn, INT64_MAX);
	send_filler(conn, 10);
}

static void
answer_garbage(struct peer_conn *conn)
{
	peer_print(conn, "\x16\x03 this is not HTTP\r\n\r\n\r\n");
	peer_close(conn);
}

/* ---- the table ---- */

static const struct manner {
	const char *path; /* one that ends in '/' stands for all below it */
	peer_answer_fn *answer;
} manners[] = {
	{ "/big", answer_big },
	{ "/chunked", answer_chunked },
	{ "/cut", answer_cut },
	{ "/drip", answer_drip },
	{ "/endless-body", answer_endless_body },
	{ "/endless-headers", answer_endless_headers },
	{ "/fail-times", answer_fail_times },
	{ "/garbage", answer_garbage },
	{ "/gone", answer_gone },
	{ "/hang", answer_hang },
	{ "/huge-length", answer_huge_length },
	{ "/interim", answer_interim },
	{ "/ok", answer_ok },
	{ "/pending", answer_pending },
	{ "/redirect", answer_redirect },
	{ "/reset", answer_reset },
	{ "/retry-after", answer_retry_after },
	{ "/status/", answer_status },
	{ "/taken", answer_taken },
	{ "/until-close", answer_until_close },
};

static bool
is_asked(const struct manner *manner, const char *path)
{
	size_t len = strlen(manner->path);

	if (manner->path[len - 1] == '/')
		return strncmp(path, manner->path, len) == 0;
	return strcmp(path, manner->path) == 0;
}

bool
manners_answer(struct peer_conn *conn)
{
	const char *path = peer_request(conn)->path;

	for (size_t i = 0; i < sizeof(manners) / sizeof(manners[0]); i++) {
		if (is_asked(&manners[i], path)) {
			manners[i].answer(conn);
			return true;
		}
	}
	return false;
}
