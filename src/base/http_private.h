/* http_private.h - what the parts of the HTTP server share.
 *
 * http.c: servers, listeners, the sweep. http_conn.c: connections, beside those
 * of evhttp. http_tap.c: the guard on a connection. http_exchange.c: requests.
 * http_reply.c: replies.
 */
#ifndef CALLBACKD_BASE_HTTP_PRIVATE_H
#define CALLBACKD_BASE_HTTP_PRIVATE_H

#include <sys/queue.h> /* before event2, which then declares its own lists */

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <sys/uio.h>

#include "callbackd/http.h"
#include "http_guard.h"

struct http_conn;
TAILQ_HEAD(http_conn_list, http_conn);
TAILQ_HEAD(http_exchange_list, http_exchange);

struct http_server {
	struct loop *loop;
	struct http_gate *gate;
	struct http_limits limits;
	struct guard_limits guard_limits; /* the same, as the guard wants it */
	http_handler_fn *handler;
	void *arg;
	struct evhttp *evhttp;
	struct loop_timer *sweep;
	bool is_draining;
	int64_t drain_mono_ms; /* when that began */

	struct evhttp_bound_socket **bound; /* listeners, bound_count of them */
	size_t bound_count;
	bool is_full; /* the listeners sleep until connections have gone */

	struct http_conn_list conns;
	struct http_conn **by_fd; /* bound connections; NULL where none is */
	size_t by_fd_count;

	/* Work for the next turn, on a clean stack. */
	struct event *due_event;
	struct http_conn_list due;       /* to bind, or to refuse */
	struct http_exchange_list going; /* gone() is to be called */

	struct http_exchange_list open; /* not answered */
	size_t open_count;

	/* evhttp's own callbacks, the same for each of its connections. */
	bufferevent_data_cb write_cb;
	bufferevent_event_cb event_cb;

	struct buf scratch; /* the head of the reply being written */
	int64_t date_s;     /* what date says */
	char date[32];
};

/* One connection, from accept to close. */
struct http_conn {
	TAILQ_ENTRY(http_conn) link;
	TAILQ_ENTRY(http_conn) due_link;
	struct http_server *server;
	struct bufferevent *bev;         /* ours by a count until bound */
	struct evhttp_connection *evcon; /* NULL until bound */
	struct evbuffer_cb_entry *tap;
	struct loop_watch *keeper;      /* see http_conn.c, 5; NULL: none now */
	uint64_t keeper_saw;            /* total_bytes when it last fired */
	struct http_exchange *exchange; /* the one to be answered, or NULL */
	int fd;
	bool is_due;
	bool is_unix;
	bool is_muted;     /* the tap does not look: we change the buffer */
	bool is_watched;   /* read although a request is open */
	bool is_lingering; /* refused; only drained until the peer closes */

	uint64_t total_bytes; /* that came so far */
	uint64_t message_at;  /* where the message being read began */
	uint64_t passed;      /* messages complete for the guard */
	uint64_t taken;       /* of these, handed to the handler */
	uint64_t answered;    /* of these, written out */
	int64_t held_bytes;   /* in the gate, of messages not yet taken */
	int64_t since_ms;     /* when what it now waits for began, mono */
	size_t unsent_bytes;  /* at the last sweep */
	int64_t moved_ms;     /* when they were last seen to get fewer, mono */
	size_t eaten_bytes;   /* thrown away since the refusal */
	struct guard guard;
};

struct http_exchange {
	TAILQ_ENTRY(http_exchange) link;
	TAILQ_ENTRY(http_exchange) going_link;
	struct http_server *server; /* NULL once freed */
	struct http_gate *gate;     /* main's, outlives all */
	struct http_conn *conn;     /* NULL once closed; req is ours then */
	struct evhttp_request *req;
	const char *target;
	struct blob *body; /* NULL until asked for */
	size_t body_len;
	int64_t held_bytes;
	bool is_head;
	bool is_1_0;
	bool closes; /* no further request on this connection */
	bool is_unix;
	bool is_going;
	bool is_stream;  /* its head is sent */
	bool is_chunked; /* the stream's coding */
	bool is_cut;     /* the stream's peer is too slow, or gone */
	void (*gone)(void *arg);
	void *gone_arg;
};

/* ---- http.c ---- */

/* Runs the server's due work in the next turn. */
void http_server_hurry(struct http_server *server);
/* Lets listeners sleep or wake, as the gate and draining say. */
void http_server_listen_again(struct http_server *server);
/* The first connection has come: deadlines count from now on. */
void http_server_sweep_soon(struct http_server *server);
/* The connection of a request of evhttp's; NULL when it is not ours. */
struct http_conn *http_server_conn(const struct http_server *server, int fd);
/* False when memory is out. */
bool http_server_enter_fd(struct http_server *server, struct http_conn *conn);
void http_server_leave_fd(struct http_server *server, int fd);

/* ---- http_conn.c ---- */

/* The bufferevent for a connection that evhttp has accepted; NULL lets evhttp
 * make one by itself, which no guard watches, and the caller must prevent. */
struct bufferevent *http_conn_new(struct http_server *server);
/* Makes evhttp's connection known, or forgets one that died at once. */
void http_conn_bind(struct http_conn *conn);
/* What the server put off for this connection. */
void http_conn_due(struct http_conn *conn);
/* Frees it, with evhttp's connection and request. */
void http_conn_close(struct http_conn *conn);
/* Lets the kernel say to evhttp that the peer is gone. */
void http_conn_cut(struct http_conn *conn);
/* Reads although a request is open, to notice that the peer is gone. */
void http_conn_watch(struct http_conn *conn);
/* Sends what can be sent at once and queues the rest; false: the peer is gone.
 * blob, if any, comes last and is not copied. */
bool http_conn_send(struct http_conn *conn, const struct iovec *parts,
    int count, struct blob *blob);
/* The reply of the open request is complete. May free the connection. */
void http_conn_end_reply(struct http_conn *conn, struct evhttp_request *req,
    bool closes);
/* Whether the limits want it closed at that moment. */
bool http_conn_is_late(struct http_conn *conn, int64_t now_ms);

/* Gives the gate back what was held for messages not yet taken. */
void http_conn_release_held(struct http_conn *conn);

/* ---- http_tap.c ---- */

bool http_tap_add(struct http_conn *conn);
/* There is a refusal, and every request before it has been answered. */
bool http_tap_may_refuse(const struct http_conn *conn);
/* Takes the connection from evhttp and answers. Does not free it. */
void http_tap_refuse(struct http_conn *conn);

/* ---- http_exchange.c ---- */

/* evhttp's general callback: a complete request; arg is the server. */
void http_exchange_cb(struct evhttp_request *req, void *arg);
/* The connection is being closed under the exchange. */
void http_exchange_orphan(struct http_exchange *exchange);
/* Calls gone(), once. */
void http_exchange_tell_gone(struct http_exchange *exchange);
/* The server dies first. */
void http_exchange_lose_server(struct http_exchange *exchange);
/* Takes the exchange from its connection, if it still has one, and frees it;
 * the request stays with evhttp, or is freed too when it was ours. */
void http_exchange_free(struct http_exchange *exchange);

/* ---- http_reply.c ---- */

/* The refusal of a guard as a whole response, appended to out. */
void http_refusal_write(struct http_server *server,
    const struct guard_refusal *refusal, bool is_head, struct buf *out);

#endif
