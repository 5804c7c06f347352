/* http_reply.c - the bytes of a response.
 *
 * 1. Every response is framed here: Content-Length, or chunked, or the end of
 *    the connection for HTTP/1.0 streams. Fields of the caller's that would say
 *    otherwise are left out.
 * 2. A HEAD, a 204 and a 304 have no body, whatever the caller gave; HEAD still
 *    tells the length (RFC 9110, 8.6, 9.3.2).
 * 3. Who is told "Connection: close" is closed, and the other way round.
 *
 * Thread: that of the server's loop.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "callbackd/random.h"
#include "http_private.h"

enum {
	RETRY_AFTER_S = 1,        /* a refused body may fit that much later */
	RETRY_AFTER_SPREAD_S = 4, /* at most so much later still */
	CHUNK_LINE_SIZE = 24,
};

/* ---- phrases ---- */

static const char *
phrase_of(int status)
{
	static const struct {
		int status;
		const char *phrase;
	} phrases[] = { { 202, "Accepted" }, { 200, "OK" },
		{ 503, "Service Unavailable" }, { 201, "Created" },
		{ 204, "No Content" }, { 206, "Partial Content" },
		{ 301, "Moved Permanently" }, { 302, "Found" },
		{ 303, "See Other" }, { 304, "Not Modified" },
		{ 307, "Temporary Redirect" }, { 308, "Permanent Redirect" },
		{ 400, "Bad Request" }, { 401, "Unauthorized" },
		{ 403, "Forbidden" }, { 404, "Not Found" },
		{ 405, "Method Not Allowed" }, { 406, "Not Acceptable" },
		{ 408, "Request Timeout" }, { 409, "Conflict" },
		{ 410, "Gone" }, { 411, "Length Required" },
		{ 412, "Precondition Failed" }, { 413, "Content Too Large" },
		{ 414, "URI Too Long" }, { 415, "Unsupported Media Type" },
		{ 417, "Expectation Failed" }, { 422, "Unprocessable Content" },
		{ 425, "Too Early" }, { 426, "Upgrade Required" },
		{ 428, "Precondition Required" }, { 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" }, { 501, "Not Implemented" },
		{ 502, "Bad Gateway" }, { 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
		{ 507, "Insufficient Storage" } };
	static const char *const classes[] = { "OK", "Redirection",
		"Client Error", "Server Error" };

	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return status < 600 ? classes[status / 100 - 2] : "Unknown";
}

/* ---- the head ---- */

/* IMF-fixdate, RFC 9110, 5.6.7, made anew once a second. */
static const char *
date_now(struct http_server *server)
{
	static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu",
		"Fri", "Sat" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May",
		"Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t now = (time_t)(loop_wall_ms(server->loop) / 1000);
	struct tm tm;

	if (now == server->date_s || gmtime_r(&now, &tm) == NULL)
		return server->date;
	server->date_s = now;
	snprintf(server->date, sizeof(server->date),
	    "%s, %02u %s %04u %02u:%02u:%02u GMT", days[tm.tm_wday],
	    (unsigned)tm.tm_mday % 100, months[tm.tm_mon],
	    (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
	    (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
	return server->date;
}

static void
put_field(struct buf *out, const char *name, const char *value)
{
	buf_puts(out, name);
	buf_append(out, ": ", 2);
	buf_puts(out, value);
	buf_append(out, "\r\n", 2);
}

static void
put_length(struct buf *out, size_t len)
{
	buf_puts(out, "Content-Length: ");
	buf_put_int(out, (int64_t)len);
	buf_append(out, "\r\n", 2);
}

static void
put_status(struct buf *out, int status)
{
	buf_puts(out, "HTTP/1.1 ");
	buf_put_int(out, status);
	buf_putc(out, ' ');
	buf_puts(out, phrase_of(status));
	buf_append(out, "\r\n", 2);
}

/* Fields that say how this message is framed, and until when the connection
 * lasts: not for a caller to say. */
static bool
is_ours(const struct header_field *field)
{
	return header_is(field, "Content-Length") ||
	    header_is(field, "Transfer-Encoding") ||
	    header_is(field, "Connection") || header_is(field, "Keep-Alive") ||
	    header_is(field, "Trailer");
}

/* Appends the caller's fields. True when there was a Date among them. */
static bool
put_headers(struct buf *out, const struct headers *headers)
{
	const char *cursor = headers != NULL ? headers->text.data : NULL;
	struct header_field field;
	bool has_date = false;

	while (headers_next(&cursor, &field)) {
		if (is_ours(&field))
			continue;
		has_date |= header_is(&field, "Date");
		buf_append(out, field.name, field.name_len);
		buf_append(out, ": ", 2);
		buf_append(out, field.value, field.value_len);
		buf_append(out, "\r\n", 2);
	}
	return has_date;
}

static void
put_connection(struct buf *out, const struct http_exchange *exchange,
    int status)
{
	if (status == 426) /* it names a protocol in Upgrade: RFC 9110, 7.8 */
		buf_puts(out,
		    exchange->closes ? "Connection: close, Upgrade\r\n"
				     : "Connection: Upgrade\r\n");
	else if (exchange->closes)
		buf_puts(out, "Connection: close\r\n");
	else if (exchange->is_1_0)
		buf_puts(out, "Connection: keep-alive\r\n");
}

/* All of a head but its length and the empty line. */
static struct buf *
begin_head(struct http_exchange *exchange, const struct http_reply *reply)
{
	struct http_server *server = exchange->server;
	struct buf *out = &server->scratch;

	assert(reply->status >= 200 && reply->status <= 999);
	exchange->closes |= server->is_draining;
	buf_clear(out);
	put_status(out, reply->status);
	if (!put_headers(out, reply->headers))
		put_field(out, "Date", date_now(server));
	if (reply->content_type != NULL)
		put_field(out, "Content-Type", reply->content_type);
	put_connection(out, exchange, reply->status);
	return out;
}

static bool
status_has_body(int status)
{
	return status != 204 && status != 304;
}

/* ---- whole replies ---- */

static struct iovec
body_of(const struct http_reply *reply)
{
	if (reply->blob != NULL)
		return (struct iovec){ (void *)blob_data(reply->blob),
			blob_len(reply->blob) };
	return (struct iovec){ (void *)reply->body, reply->body_len };
}

static bool
send_reply(struct http_exchange *exchange, const struct http_reply *reply)
{
	struct buf *head = begin_head(exchange, reply);
	bool has_body = status_has_body(reply->status);
	struct iovec parts[2];

	parts[1] = body_of(reply);
	if (has_body)
		put_length(head, parts[1].iov_len);
	buf_append(head, "\r\n", 2);
	if (buf_failed(head))
		return false;
	parts[0] = (struct iovec){ head->data, head->len };
	has_body = has_body && !exchange->is_head && parts[1].iov_len > 0;
	return http_conn_send(exchange->conn, parts, has_body ? 2 : 1,
	    has_body ? reply->blob : NULL);
}

/* The reply is written, or cannot be. */
static void
end_exchange(struct http_exchange *exchange, bool is_written)
{
	struct http_conn *conn = exchange->conn;
	struct evhttp_request *req = exchange->req;
	bool closes = exchange->closes;

	http_exchange_free(exchange);
	if (conn == NULL)
		return;
	if (is_written)
		http_conn_end_reply(conn, req, closes);
	else
		http_conn_close(conn);
}

void
http_answer(struct http_exchange **exchange, const struct http_reply *reply)
{
	struct http_exchange *answered = *exchange;

	*exchange = NULL;
	assert(!answered->is_stream);
	end_exchange(answered,
	    answered->conn != NULL && send_reply(answered, reply));
}

/* ---- streams ---- */

/* The connection is dead or must die; evhttp will notice and call closed_cb. */
static void
cut_stream(struct http_exchange *exchange)
{
	exchange->is_cut = true;
	http_conn_cut(exchange->conn);
}

static bool
send_head(struct http_exchange *exchange, const struct http_reply *head)
{
	struct buf *out;
	struct iovec part;

	exchange->is_chunked = !exchange->is_1_0;
	exchange->closes |= exchange->is_1_0; /* nothing else ends it */
	out = begin_head(exchange, head);
	if (exchange->is_chunked)
		buf_puts(out, "Transfer-Encoding: chunked\r\n");
	buf_append(out, "\r\n", 2);
	part = (struct iovec){ out->data, out->len };
	return !buf_failed(out) &&
	    http_conn_send(exchange->conn, &part, 1, NULL);
}

void
http_stream(struct http_exchange *exchange, const struct http_reply *head,
    void (*gone)(void *arg), void *arg)
{
	assert(!exchange->is_stream && status_has_body(head->status));
	exchange->is_stream = true;
	http_watch(exchange, gone, arg);
	if (exchange->conn != NULL && !send_head(exchange, head))
		cut_stream(exchange);
}

static bool
send_piece(struct http_exchange *exchange, const void *bytes, size_t len)
{
	char line[CHUNK_LINE_SIZE];
	int line_len = snprintf(line, sizeof(line), "%zx\r\n", len);
	struct iovec parts[3] = { { line, (size_t)line_len },
		{ (void *)bytes, len }, { (void *)"\r\n", 2 } };

	if (exchange->is_chunked)
		return http_conn_send(exchange->conn, parts, 3, NULL);
	return http_conn_send(exchange->conn, parts + 1, 1, NULL);
}

bool
http_stream_write(struct http_exchange *exchange, const void *bytes, size_t len,
    size_t limit_bytes)
{
	struct evbuffer *output;

	assert(exchange->is_stream);
	if (exchange->conn == NULL || exchange->is_cut)
		return false;
	if (exchange->is_head || len == 0) /* an empty chunk would be the end */
		return true;
	output = bufferevent_get_output(exchange->conn->bev);
	if (send_piece(exchange, bytes, len) &&
	    evbuffer_get_length(output) <= limit_bytes)
		return true;
	cut_stream(exchange);
	return false;
}

size_t
http_stream_unsent(const struct http_exchange *exchange)
{
	if (exchange->conn == NULL)
		return 0;
	return evbuffer_get_length(bufferevent_get_output(exchange->conn->bev));
}

void
http_stream_end(struct http_exchange **exchange)
{
	struct http_exchange *ended = *exchange;
	struct iovec last = { (void *)"0\r\n\r\n", 5 };
	bool is_whole = ended->conn != NULL && !ended->is_cut;

	*exchange = NULL;
	assert(ended->is_stream);
	if (is_whole && ended->is_chunked && !ended->is_head)
		is_whole = http_conn_send(ended->conn, &last, 1, NULL);
	end_exchange(ended, is_whole);
}

/* ---- refusals ---- */

void
http_refusal_write(struct http_server *server,
    const struct guard_refusal *refusal, bool is_head, struct buf *out)
{
	const char *phrase = phrase_of(refusal->status);
	char body[512];
	int len = snprintf(body, sizeof(body),
	    "{\"type\":\"urn:callbackd:problem:%s\",\"title\":\"%s\","
	    "\"status\":%d,\"detail\":\"%s\"}",
	    refusal->name, phrase, refusal->status, refusal->detail);

	assert(len > 0 && (size_t)len < sizeof(body));
	put_status(out, refusal->status);
	put_field(out, "Date", date_now(server));
	put_field(out, "Content-Type", "application/problem+json");
	put_length(out, (size_t)len);
	if (refusal->status == 503)
		buf_printf(out, "Retry-After: %" PRIu32 "\r\n",
		    RETRY_AFTER_S + random_u32() % (RETRY_AFTER_SPREAD_S + 1));
	buf_puts(out, "Connection: close\r\n\r\n");
	if (!is_head)
		buf_append(out, body, (size_t)len);
}
