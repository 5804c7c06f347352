/* http.h - the HTTP server: well-formed requests in, exactly one reply each.
 *
 * evhttp does the work, behind a strict guard that reads every byte before it
 * does (src/base/http_guard.c): what is malformed, ambiguous, too big or too
 * slow is answered or cut there, as problem+json where a reply is possible, and
 * never reaches the handler. One server per loop, used on that loop's thread
 * only. Servers of all loops share one gate, which counts connections and the
 * bytes of bodies being read.
 */
#ifndef CALLBACKD_HTTP_H
#define CALLBACKD_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "callbackd/blob.h"
#include "callbackd/headers.h"
#include "callbackd/loop.h"

/* Shared by all servers; plain memory of main's. Zero it, then set the max. */
struct http_gate {
	atomic_int connections;  /* open now */
	int max_connections;     /* accepting pauses above */
	atomic_llong body_bytes; /* declared or read, of unanswered requests */
	int64_t max_body_bytes;  /* above: 503 overloaded */
	atomic_llong accepted;   /* connections since start */
	atomic_llong refused;    /* requests the guard turned away */
};

struct http_limits {
	int64_t body_bytes;  /* one body; above it 413 too-large */
	int32_t head_bytes;  /* request line and fields; above it 414 or 431 */
	int32_t field_count; /* fields in one head; above it 431 */
	int64_t head_ms;     /* first byte of a head to its end; then cut */
	int64_t body_ms;     /* end of the head to the end of the body */
	int64_t idle_ms;     /* a kept connection without a request */
};

struct http_server;
struct http_exchange; /* one request and the duty to answer it */

/* Called for each complete, well-formed request. The handler owns the exchange
 * until it replies, at once or later. */
typedef void http_handler_fn(struct http_exchange *exchange, void *arg);

struct http_server *http_server_new(struct loop *loop, struct http_gate *gate,
    const struct http_limits *limits, http_handler_fn *handler, void *arg);

/* Serves connections of a bound, listening, non-blocking socket; takes fd. */
bool http_server_listen(struct http_server *server, int fd);

/* No new connections; kept ones get "Connection: close" with their next reply,
 * and are closed after two idle seconds at most. */
void http_server_drain(struct http_server *server);

/* New limits for requests whose head comes later (reload). */
void http_server_limit(struct http_server *server,
    const struct http_limits *limits);

/* Requests that were handed to the handler and not answered yet. */
size_t http_server_pending(const struct http_server *server);

/* Closes everything. Unanswered exchanges stay valid handles whose reply goes
 * nowhere; each must still be replied to (or http_drop'ped). */
void http_server_free(struct http_server **server);

/* ---- the request; slices live as long as the exchange ---- */

const char *http_method(const struct http_exchange *exchange);
/* The raw request target: starts with one '/', visible ASCII, not decoded; of
 * an absolute-form target the part from the path on. */
const char *http_target(const struct http_exchange *exchange);
/* First field of that name; NULL without one. */
const char *http_header(const struct http_exchange *exchange, const char *name);
/* On the way through a list, which may be spread over several fields of its name
 * (RFC 9110, 5.3). Begins with the name and nothing else. */
struct http_list {
	const char *name;
	const char *field; /* the value at hand */
	const char *cursor;
};

/* The next item, as text_list_next has it; false at the end, and then no more. */
bool http_list_next(const struct http_exchange *exchange,
    struct http_list *list, const char **item_out, size_t *len_out);
/* Whether there is that item, in any case. */
bool http_lists(const struct http_exchange *exchange, const char *name,
    const char *item);
/* Calls each(name, value, arg) for every field, in order. */
void http_each_header(const struct http_exchange *exchange,
    void (*each)(const char *name, const char *value, void *arg), void *arg);
/* The peer's address as text without port: "192.0.2.1", "::1", "unix". */
const char *http_peer(const struct http_exchange *exchange);
size_t http_body_len(const struct http_exchange *exchange);
/* The body as one blob (one copy, made at the first call); NULL only when
 * memory is out. The caller gets a holder of its own. */
struct blob *http_body(struct http_exchange *exchange);

/* ---- the reply ---- */

struct http_reply {
	int status;
	const char *content_type;      /* NULL: none */
	const struct headers *headers; /* further fields; NULL: none */
	const void *body;              /* body_len bytes; borrowed */
	size_t body_len;
	struct blob *blob; /* instead of body: no copy; borrowed */
};

/* Answers and ends the exchange; *exchange becomes NULL. Date, Content-Length
 * and, when draining, Connection: close are added. A HEAD request gets the
 * fields only; so do 204 and 304. If the peer is gone, nothing happens. */
void http_answer(struct http_exchange **exchange,
    const struct http_reply *reply);

/* Ends the exchange by closing its connection without an answer. */
void http_drop(struct http_exchange **exchange);

/* For replies that take their time (long polls, streams): notices that the
 * peer is gone and calls gone(arg) once, on the loop. The exchange must still
 * be answered or dropped, which then sends nothing. Call at most once. */
void http_watch(struct http_exchange *exchange, void (*gone)(void *arg),
    void *arg);

/* ---- a reply in pieces (Server-Sent Events, NDJSON) ---- */

/* Sends status and fields; no Content-Length. Implies http_watch. */
void http_stream(struct http_exchange *exchange, const struct http_reply *head,
    void (*gone)(void *arg), void *arg);
/* Sends a piece. False when the peer is gone or reads so slowly that more than
 * limit_bytes wait; its connection is then closed and gone() has been or will
 * be called. */
bool http_stream_write(struct http_exchange *exchange, const void *bytes,
    size_t len, size_t limit_bytes);
/* What was written and is not sent yet; 0 when the peer is gone. */
size_t http_stream_unsent(const struct http_exchange *exchange);
/* Ends the stream in good order; *exchange becomes NULL. */
void http_stream_end(struct http_exchange **exchange);

#endif
