/* http_exchange.c - a request, and the duty to answer it.
 *
 * 1. An exchange is open from the handler's call until http_answer,
 *    http_stream_end or http_drop, whatever becomes of its connection.
 * 2. conn and the request belong together: while conn is there, evhttp owns
 *    the request and nothing frees it behind our back, since evhttp neither
 *    reads nor writes on that connection. When the connection goes, the
 *    request becomes ours, whether evhttp has detached it (the peer is gone) or
 *    is about to free it (the server is being freed).
 * 3. gone() is called from a turn of its own, with nothing of evhttp's on the
 *    stack, so it may answer or drop right away.
 * 4. What the guard passed and what evhttp made of it are compared; a
 *    disagreement about a body is how requests are smuggled, and closes.
 *
 * Thread: that of the server's loop.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/text.h"
#include "http_private.h"

/* ---- the end ---- */

static void
stop_going(struct http_exchange *exchange)
{
	if (exchange->is_going)
		TAILQ_REMOVE(&exchange->server->going, exchange, going_link);
	exchange->is_going = false;
}

void
http_exchange_free(struct http_exchange *exchange)
{
	struct http_server *server = exchange->server;

	stop_going(exchange);
	if (server != NULL) {
		TAILQ_REMOVE(&server->open, exchange, link);
		server->open_count--;
	}
	atomic_fetch_sub(&exchange->gate->body_bytes, exchange->held_bytes);
	blob_unref(&exchange->body);
	if (exchange->conn != NULL)
		exchange->conn->exchange = NULL;
	else
		evhttp_request_free(exchange->req);
	free(exchange);
}

void
http_drop(struct http_exchange **exchange)
{
	struct http_conn *conn = (*exchange)->conn;

	http_exchange_free(*exchange);
	*exchange = NULL;
	if (conn != NULL)
		http_conn_close(conn);
}

/* ---- when the peer or the server goes first ---- */

static void
tell_later(struct http_exchange *exchange)
{
	if (exchange->gone == NULL || exchange->server == NULL)
		return;
	exchange->is_going = true;
	TAILQ_INSERT_TAIL(&exchange->server->going, exchange, going_link);
	http_server_hurry(exchange->server);
}

void
http_exchange_orphan(struct http_exchange *exchange)
{
	exchange->conn = NULL;
	if (evhttp_request_get_connection(exchange->req) != NULL)
		evhttp_request_own(exchange->req);
	tell_later(exchange);
}

void
http_exchange_tell_gone(struct http_exchange *exchange)
{
	void (*gone)(void *arg) = exchange->gone;

	stop_going(exchange);
	exchange->gone = NULL;
	gone(exchange->gone_arg);
}

void
http_exchange_lose_server(struct http_exchange *exchange)
{
	TAILQ_REMOVE(&exchange->server->open, exchange, link);
	exchange->server = NULL;
}

void
http_watch(struct http_exchange *exchange, void (*gone)(void *arg), void *arg)
{
	assert(exchange->gone == NULL);
	exchange->gone = gone;
	exchange->gone_arg = arg;
	if (exchange->conn != NULL)
		http_conn_watch(exchange->conn);
	else
		tell_later(exchange);
}

/* ---- the beginning ---- */

/* Of an absolute form the path; the guard has seen to it that this is one. */
static const char *
target_of(const char *uri)
{
	const char *path;

	if (uri[0] == '/')
		return uri;
	path = strstr(uri, "://");
	path = path != NULL ? strchr(path + 3, '/') : NULL;
	return path != NULL ? path : "/";
}

static bool
guard_agrees(const struct http_conn *conn, struct evhttp_request *req)
{
	size_t body_len = evbuffer_get_length(
	    evhttp_request_get_input_buffer(req));

	return conn->exchange == NULL && conn->taken < conn->passed &&
	    body_len <= (uint64_t)conn->held_bytes;
}

static struct http_exchange *
exchange_new(struct http_conn *conn, struct evhttp_request *req)
{
	struct http_server *server = conn->server;
	struct http_exchange *exchange = calloc(1, sizeof(*exchange));

	if (exchange == NULL)
		return NULL;
	exchange->server = server;
	exchange->gate = server->gate;
	exchange->conn = conn;
	exchange->req = req;
	exchange->target = target_of(evhttp_request_get_uri(req));
	exchange->body_len = evbuffer_get_length(
	    evhttp_request_get_input_buffer(req));
	exchange->held_bytes = (int64_t)exchange->body_len;
	exchange->is_head = evhttp_request_get_command(req) == EVHTTP_REQ_HEAD;
	exchange->is_1_0 = req->minor == 0;
	exchange->is_unix = conn->is_unix;
	conn->held_bytes -= exchange->held_bytes;
	conn->taken++;
	conn->exchange = exchange;
	exchange->closes = conn->taken == conn->passed &&
	    guard_is_over(&conn->guard);
	TAILQ_INSERT_TAIL(&server->open, exchange, link);
	server->open_count++;
	return exchange;
}

void
http_exchange_cb(struct evhttp_request *req, void *arg)
{
	struct http_server *server = arg;
	struct evhttp_connection *evcon = evhttp_request_get_connection(req);
	struct bufferevent *bev = evhttp_connection_get_bufferevent(evcon);
	struct http_conn *conn = http_server_conn(server,
	    bufferevent_getfd(bev));
	struct http_exchange *exchange;

	if (conn == NULL) { /* there was no memory to watch it */
		evhttp_connection_free(evcon);
		return;
	}
	exchange = guard_agrees(conn, req) ? exchange_new(conn, req) : NULL;
	if (exchange == NULL)
		http_conn_close(conn);
	else
		server->handler(exchange, server->arg);
}

/* ---- questions ---- */

const char *
http_method(const struct http_exchange *exchange)
{
	switch (evhttp_request_get_command(exchange->req)) {
	case EVHTTP_REQ_GET:
		return "GET";
	case EVHTTP_REQ_POST:
		return "POST";
	case EVHTTP_REQ_HEAD:
		return "HEAD";
	case EVHTTP_REQ_PUT:
		return "PUT";
	case EVHTTP_REQ_DELETE:
		return "DELETE";
	case EVHTTP_REQ_OPTIONS:
		return "OPTIONS";
	case EVHTTP_REQ_TRACE:
		return "TRACE";
	case EVHTTP_REQ_PATCH:
		return "PATCH";
	case EVHTTP_REQ_CONNECT:
		return "CONNECT";
	}
	assert(!"a method that the guard passes");
	return "";
}

const char *
http_target(const struct http_exchange *exchange)
{
	return exchange->target;
}

/* evhttp strips the spaces before a value, but no tabs. */
static const char *
without_tabs(const char *value)
{
	while (value != NULL && (*value == ' ' || *value == '\t'))
		value++;
	return value;
}

const char *
http_header(const struct http_exchange *exchange, const char *name)
{
	return without_tabs(
	    evhttp_find_header(evhttp_request_get_input_headers(exchange->req),
		name));
}

/* The value of the next field of that name; previous NULL: of the first. */
static const char *
field_behind(const struct http_exchange *exchange, const char *name,
    const char *previous)
{
	bool is_behind = previous == NULL;
	struct evkeyval *field;

	TAILQ_FOREACH (field, evhttp_request_get_input_headers(exchange->req),
	    next) {
		const char *value = without_tabs(field->value);

		if (!text_equal_nocase(field->key, name))
			continue;
		if (is_behind)
			return value;
		is_behind = value == previous;
	}
	return NULL;
}

bool
http_list_next(const struct http_exchange *exchange, struct http_list *list,
    const char **item_out, size_t *len_out)
{
	while (list->cursor == NULL ||
	    !text_list_next(&list->cursor, item_out, len_out)) {
		list->field = field_behind(exchange, list->name, list->field);
		list->cursor = list->field;
		if (list->field == NULL)
			return false;
	}
	return true;
}

bool
http_lists(const struct http_exchange *exchange, const char *name,
    const char *item)
{
	struct http_list list = { .name = name };
	const char *found;
	size_t len;

	while (http_list_next(exchange, &list, &found, &len))
		if (text_equal_nocase_n(found, len, item))
			return true;
	return false;
}

void
http_each_header(const struct http_exchange *exchange,
    void (*each)(const char *name, const char *value, void *arg), void *arg)
{
	struct evkeyval *field;

	TAILQ_FOREACH (field, evhttp_request_get_input_headers(exchange->req),
	    next)
		each(field->key, without_tabs(field->value), arg);
}

/* An IPv4 peer of a socket that speaks both is an IPv4 peer. */
const char *
http_peer(const struct http_exchange *exchange)
{
	static const char mapped[] = "::ffff:";
	const char *address = exchange->req->remote_host;

	if (exchange->is_unix)
		return "unix";
	if (strncmp(address, mapped, sizeof(mapped) - 1) == 0 &&
	    strchr(address, '.') != NULL)
		return address + sizeof(mapped) - 1;
	return address;
}

size_t
http_body_len(const struct http_exchange *exchange)
{
	return exchange->body_len;
}

/* ---- the body ---- */

/* A body in several pieces is moved, one by one, into memory of its own size. */
static struct blob *
gather(struct evbuffer *input, size_t len)
{
	struct evbuffer_iovec piece;
	struct blob *blob = NULL;
	struct buf all;

	buf_init(&all, len);
	if (!buf_reserve(&all, len))
		return NULL;
	while (evbuffer_peek(input, -1, NULL, &piece, 1) > 0) {
		buf_append(&all, piece.iov_base, piece.iov_len);
		evbuffer_drain(input, piece.iov_len);
	}
	assert(!buf_failed(&all) && all.len == len);
	blob = blob_from_buf(&all);
	buf_free(&all);
	return blob;
}

static struct blob *
take_body(struct http_exchange *exchange)
{
	struct evbuffer *input = evhttp_request_get_input_buffer(exchange->req);
	struct evbuffer_iovec pieces[2];
	int count = evbuffer_peek(input, -1, NULL, pieces, 2);
	struct blob *blob;

	if (count == 0) /* or it was lost when memory was out */
		return exchange->body_len == 0 ? blob_new("", 0) : NULL;
	if (count > 1)
		return gather(input, exchange->body_len);
	assert(pieces[0].iov_len == exchange->body_len);
	blob = blob_new(pieces[0].iov_base, pieces[0].iov_len);
	if (blob != NULL)
		evbuffer_drain(input, pieces[0].iov_len);
	return blob;
}

struct blob *
http_body(struct http_exchange *exchange)
{
	if (exchange->body == NULL)
		exchange->body = take_body(exchange);
	return blob_ref(exchange->body);
}
