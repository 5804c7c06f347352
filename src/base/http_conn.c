/* http_conn.c - one connection, beside evhttp's.
 *
 * evhttp owns socket, bufferevent and request; we own the context beside them,
 * look at the bytes first (http_tap.c) and write the replies. What is said of
 * evhttp here was read in, and tried with, libevent 2.1.12.
 *
 * 1. evhttp_connection_free is the only end of a connection. It calls
 *    closed_cb, which frees the context. We call it only where evhttp is not
 *    reading from that connection further up the stack, or does not look at it
 *    again (the request callback).
 * 2. evhttp in the state "writing" ends the process when its read callback
 *    runs. Whoever enables reading while a request is open takes that callback
 *    away first, and its write callback too, which may be that of the reply
 *    before (http_conn_watch).
 * 3. Replies are written here and not by evhttp; evhttp only learns when one
 *    is complete. While one is flushed nothing is read, so a peer that has
 *    half-closed its side still gets all of it.
 * 4. Writing is enabled only while something waits in the output buffer.
 * 5. evhttp takes its read event out when a request is complete and adds it
 *    again behind the reply: two epoll_ctl a request. A watch of our own beside
 *    it, the keeper, keeps the descriptor registered, so that libevent need not
 *    tell the kernel. It leaves when it has fired twice and nobody has read in
 *    between, or the loop would spin; the next reply brings it back.
 *
 * Thread: that of the server's loop.
 */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "http_private.h"

enum {
	LINGER_MS = 2000,        /* for the peer to read a refusal */
	WATCH_BYTES = 16 << 10,  /* read ahead while a request is open */
	DRAIN_IDLE_MS = 2000,    /* a kept connection still gets its 503 */
	WRITE_BYTES = 256 << 10, /* a turn; libevent would stop at 16 KiB */
	READ_BYTES = 4000,       /* a turn; of 4096 libevent makes 8192 */
	MAX_PARTS = 4            /* of a reply, the blob included */
};

/* ---- the keeper ---- */

static void
drop_keeper(struct http_conn *conn)
{
	if (conn->keeper != NULL)
		loop_watch_free(&conn->keeper);
}

static void
keeper_cb(void *arg)
{
	struct http_conn *conn = arg;

	if (conn->keeper_saw == conn->total_bytes)
		drop_keeper(conn);
	conn->keeper_saw = conn->total_bytes;
}

/* Without memory for it everything works, at the cost of the calls. */
static void
add_keeper(struct http_conn *conn)
{
	if (conn->keeper != NULL)
		return;
	conn->keeper_saw = UINT64_MAX;
	conn->keeper = loop_watch_new(conn->server->loop, conn->fd,
	    LOOP_WISH_READ, keeper_cb, conn);
}

/* ---- the end of a connection ---- */

void
http_conn_release_held(struct http_conn *conn)
{
	atomic_fetch_sub(&conn->server->gate->body_bytes, conn->held_bytes);
	conn->held_bytes = 0;
}

static void
forget(struct http_conn *conn)
{
	struct http_server *server = conn->server;

	if (conn->is_due)
		TAILQ_REMOVE(&server->due, conn, due_link);
	TAILQ_REMOVE(&server->conns, conn, link);
	http_conn_release_held(conn);
	atomic_fetch_sub(&server->gate->connections, 1);
	http_server_listen_again(server);
	free(conn);
}

/* evhttp frees the connection; its request may or may not be detached yet. */
static void
closed_cb(struct evhttp_connection *evcon, void *arg)
{
	struct http_conn *conn = arg;

	(void)evcon;
	drop_keeper(conn);
	http_server_leave_fd(conn->server, conn->fd);
	evbuffer_remove_cb_entry(bufferevent_get_input(conn->bev), conn->tap);
	if (conn->exchange != NULL)
		http_exchange_orphan(conn->exchange);
	forget(conn);
}

/* The events go before the descriptor does, or a new one with its number could
 * inherit them. */
void
http_conn_close(struct http_conn *conn)
{
	bufferevent_disable(conn->bev, EV_READ | EV_WRITE);
	evhttp_connection_free(conn->evcon);
}

void
http_conn_cut(struct http_conn *conn)
{
	shutdown(conn->fd, SHUT_RDWR);
}

/* ---- sending ---- */

static void
unref_cb(const void *bytes, size_t len, void *arg)
{
	struct blob *blob = arg;

	(void)bytes;
	(void)len;
	blob_unref(&blob);
}

static bool
queue_blob(struct evbuffer *output, struct blob *blob, const struct iovec *rest)
{
	if (evbuffer_add_reference(output, rest->iov_base, rest->iov_len,
		unref_cb, blob) != 0)
		return false;
	blob_ref(blob);
	return true;
}

/* Queues what is behind the first sent bytes. The blob is the last part. */
static bool
queue_rest(struct http_conn *conn, const struct iovec *parts, int count,
    struct blob *blob, size_t sent)
{
	struct evbuffer *output = bufferevent_get_output(conn->bev);

	for (int i = 0; i < count; i++) {
		size_t done = sent < parts[i].iov_len ? sent : parts[i].iov_len;
		struct iovec rest = { (char *)parts[i].iov_base + done,
			parts[i].iov_len - done };
		bool is_blob = blob != NULL && i == count - 1;

		sent -= done;
		if (rest.iov_len == 0)
			continue;
		if (is_blob ? !queue_blob(output, blob, &rest)
			    : evbuffer_add(output, rest.iov_base,
				  rest.iov_len) != 0)
			return false;
	}
	if (evbuffer_get_length(output) > 0)
		bufferevent_enable(conn->bev, EV_WRITE);
	return true;
}

/* Most replies fit into the socket: no buffer and no turn of the loop. */
bool
http_conn_send(struct http_conn *conn, const struct iovec *parts, int count,
    struct blob *blob)
{
	struct msghdr message = { .msg_iov = (struct iovec *)parts,
		.msg_iovlen = (size_t)count };
	ssize_t sent = 0;

	assert(count <= MAX_PARTS);
	if (evbuffer_get_length(bufferevent_get_output(conn->bev)) == 0)
		sent = sendmsg(conn->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
		return false;
	return queue_rest(conn, parts, count, blob,
	    sent > 0 ? (size_t)sent : 0);
}

/* ---- birth ---- */

static void
make_due(struct http_conn *conn)
{
	if (conn->is_due)
		return;
	conn->is_due = true;
	TAILQ_INSERT_TAIL(&conn->server->due, conn, due_link);
	http_server_hurry(conn->server);
}

struct bufferevent *
http_conn_new(struct http_server *server)
{
	struct http_conn *conn = calloc(1, sizeof(*conn));
	struct bufferevent *bev =
	    bufferevent_socket_new(loop_base(server->loop), -1, 0);

	if (conn == NULL || bev == NULL) {
		free(conn);
		return bev;
	}
	conn->server = server;
	conn->bev = bev;
	conn->fd = -1;
	if (!http_tap_add(conn)) {
		free(conn);
		return bev;
	}
	bufferevent_set_max_single_read(bev, READ_BYTES);
	bufferevent_set_max_single_write(bev, WRITE_BYTES);
	guard_init(&conn->guard, &server->guard_limits);
	conn->since_ms = loop_mono_ms(server->loop);
	bufferevent_incref(bev); /* until bound, it could die unnoticed */
	TAILQ_INSERT_TAIL(&server->conns, conn, link);
	if (TAILQ_FIRST(&server->conns) == conn)
		http_server_sweep_soon(server);
	atomic_fetch_add(&server->gate->accepted, 1);
	if (atomic_fetch_add(&server->gate->connections, 1) + 1 >=
	    server->gate->max_connections)
		http_server_listen_again(server);
	make_due(conn);
	return bev;
}

/* Small events of a stream must not wait for the peer's delayed ACK. */
static void
set_socket_options(struct http_conn *conn)
{
	struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(address);
	int on = 1;

	getsockname(conn->fd, (struct sockaddr *)&address, &len);
	conn->is_unix = address.ss_family == AF_UNIX;
	if (!conn->is_unix)
		setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* evhttp has no hook for a new connection, but it is the argument of its own
 * callbacks. None there: it was freed before it began. */
void
http_conn_bind(struct http_conn *conn)
{
	struct http_server *server = conn->server;
	struct bufferevent *bev = conn->bev;
	bufferevent_data_cb read_cb;
	void *evcon;

	bufferevent_getcb(bev, &read_cb, &server->write_cb, &server->event_cb,
	    &evcon);
	if (evcon == NULL) {
		evbuffer_remove_cb_entry(bufferevent_get_input(bev), conn->tap);
		forget(conn);
		bufferevent_decref(bev);
		return;
	}
	conn->evcon = evcon;
	conn->fd = bufferevent_getfd(bev);
	bufferevent_decref(bev);
	set_socket_options(conn);
	evhttp_connection_set_closecb(conn->evcon, closed_cb, conn);
	add_keeper(conn);
	if (!http_server_enter_fd(server, conn))
		http_conn_cut(conn);
}

void
http_conn_due(struct http_conn *conn)
{
	if (conn->evcon == NULL)
		http_conn_bind(conn);
	else if (http_tap_may_refuse(conn))
		http_tap_refuse(conn);
}

/* ---- while a request is open ---- */

void
http_conn_watch(struct http_conn *conn)
{
	bufferevent_setcb(conn->bev, NULL, NULL, conn->server->event_cb,
	    conn->evcon);
	bufferevent_setwatermark(conn->bev, EV_READ, 0, WATCH_BYTES);
	bufferevent_enable(conn->bev, EV_READ);
	conn->is_watched = true;
}

static void
stop_watching(struct http_conn *conn)
{
	bufferevent_disable(conn->bev, EV_READ);
	bufferevent_setwatermark(conn->bev, EV_READ, 0, 0);
	bufferevent_setcb(conn->bev, NULL, conn->server->write_cb,
	    conn->server->event_cb, conn->evcon);
	conn->is_watched = false;
}

/* evhttp is about to free the request and to read, or close. */
static void
reply_written_cb(struct evhttp_request *req, void *arg)
{
	struct http_conn *conn = arg;

	(void)req;
	conn->answered++;
	conn->since_ms = loop_mono_ms(conn->server->loop);
	if (http_tap_may_refuse(conn))
		make_due(conn);
}

void
http_conn_end_reply(struct http_conn *conn, struct evhttp_request *req,
    bool closes)
{
	if (conn->is_watched)
		stop_watching(conn);
	add_keeper(conn);
	if (closes)
		evhttp_add_header(evhttp_request_get_output_headers(req),
		    "Connection", "close");
	req->chunked = 0; /* the request was; the reply's coding is ours */
	req->flags &= ~EVHTTP_PROXY_REQUEST; /* would close without a word */
	evhttp_request_set_on_complete_cb(req, reply_written_cb, conn);
	evhttp_send_reply_end(req);
}

/* ---- deadlines ---- */

/* Nothing of what waits has gone out for as long as a body may take. */
static bool
is_stalled(struct http_conn *conn, int64_t now_ms)
{
	size_t unsent = evbuffer_get_length(bufferevent_get_output(conn->bev));

	if (unsent < conn->unsent_bytes || conn->unsent_bytes == 0)
		conn->moved_ms = now_ms;
	conn->unsent_bytes = unsent;
	return unsent > 0 &&
	    now_ms - conn->moved_ms > conn->server->limits.body_ms;
}

static int64_t
shorter(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
patience_ms(const struct http_conn *conn)
{
	const struct http_server *server = conn->server;

	if (guard_is_in_body(&conn->guard))
		return server->limits.body_ms;
	if (!guard_is_idle(&conn->guard))
		return server->limits.head_ms;
	if (server->is_draining)
		return shorter(server->limits.idle_ms, DRAIN_IDLE_MS);
	return server->limits.idle_ms;
}

bool
http_conn_is_late(struct http_conn *conn, int64_t now_ms)
{
	const struct http_server *server = conn->server;
	int64_t since_ms = conn->since_ms;

	if (conn->evcon == NULL)
		return false;
	if (conn->is_lingering)
		return now_ms - since_ms > LINGER_MS;
	if (conn->passed != conn->answered)
		return is_stalled(conn, now_ms);
	if (server->is_draining && guard_is_idle(&conn->guard) &&
	    since_ms < server->drain_mono_ms)
		since_ms = server->drain_mono_ms;
	return now_ms - since_ms > patience_ms(conn);
}
