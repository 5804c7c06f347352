/* peer.h - the small HTTP/1.1 server under upstream and receiver.
 *
 * It reads well-formed requests, counts them (GET /count shows the counts as
 * JSON; ?key= or ?path= ask for one of them), and leaves the answer to the
 * program, byte by byte if it likes: an honest server would not let it lie.
 * One thread, loopback only. For tests and the demo; never for the network.
 */
#ifndef PEERS_PEER_H
#define PEERS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/buffer.h>

#define PEER_HEAD_MAX 262144             /* bytes of one request head */
#define PEER_BODY_MAX (1024LL * 1048576) /* bytes of one request body */

struct peer;      /* opaque: the program */
struct peer_conn; /* opaque: one connection, and the request being answered */

struct peer_field {
	const char *name;
	const char *value;
};

/* The request being answered; lives until peer_end or peer_close. */
struct peer_request {
	const char *method;
	const char *target;  /* as it came: path and query */
	const char *path;    /* before the '?', not decoded */
	const char *query;   /* after it; "" without one */
	const char *version; /* "HTTP/1.1" */
	struct peer_field *fields;
	size_t field_count;
	const void *body;
	size_t body_len;
	/* Who asks: webhook-id, else Job-Id, else Idempotency-Key, else "". */
	const char *key;
	int64_t nth; /* requests with this path and key so far, this included */
};

typedef void peer_answer_fn(struct peer_conn *conn);

struct peer_options {
	int port;         /* 0: any */
	int64_t delay_ms; /* before each answer, unless ?delay_ms= says */
	peer_answer_fn
	    *seen; /* at its last byte, before the delay; may be NULL */
	peer_answer_fn *answer; /* must answer, or keep silent on purpose */
	void *arg;              /* the program's own; see peer_arg */
};

/* Serves 127.0.0.1 until SIGTERM or SIGINT; says "listening 127.0.0.1:PORT"
 * on stdout once it does. Returns the exit status of the program. */
int peer_run(const struct peer_options *options);

/* ---- the request ---- */

void *peer_arg(const struct peer_conn *conn);

const struct peer_request *peer_request(const struct peer_conn *conn);
/* NULL without such a field. */
const char *peer_header(const struct peer_conn *conn, const char *name);
/* Percent-decoded value of the nth (from 0) parameter of that name. */
bool peer_query(const struct peer_conn *conn, const char *name, int nth,
    char *out, size_t size);
int64_t peer_query_int(const struct peer_conn *conn, const char *name,
    int64_t otherwise);

/* ---- the answer ---- */

struct peer_reply {
	int status;
	const char *type;        /* content type; NULL: none */
	struct evbuffer *fields; /* further lines, each with CRLF; NULL: none */
	const void *body;
	size_t len;
};

/* A proper answer with Content-Length, and what ?header=Name:Value (repeated)
 * asks for. Ends the request. */
void peer_reply(struct peer_conn *conn, const struct peer_reply *reply);

/* Bytes as they are. */
void peer_send(struct peer_conn *conn, const void *bytes, size_t len);
void peer_print(struct peer_conn *conn, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Calls next once, after_ms from now. */
void peer_later(struct peer_conn *conn, int64_t after_ms, peer_answer_fn *next);
/* Calls more now and whenever all was sent: an answer without end. */
void peer_pump(struct peer_conn *conn, peer_answer_fn *more);

/* The answer is complete; the next request may come. */
void peer_end(struct peer_conn *conn);
/* Sends what waits, then closes. */
void peer_close(struct peer_conn *conn);
/* Closes at once with a TCP reset. */
void peer_reset(struct peer_conn *conn);

#endif
