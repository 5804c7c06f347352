/* http_conn.c - one connection, between the guard and evhttp.
 *
 * evhttp owns socket, bufferevent and request; we own the context beside them
 * and look at the bytes first, through a callback on the input buffer (the
 * tap). Proved against libevent 2.1.12; src/base/http_private.h names the rest.
 *
 * 1. evhttp never sees a byte that the guard has not passed. On a refusal the
 *    buffer is cut back to the end of the last complete request, before evhttp
 *    is told that something came.
 * 2. A refusal is answered after the replies to the requests before it; until
 *    then what comes is thrown away. Then the connection is taken from evhttp
 *    (its callbacks replaced), answered, half-closed and drained, so that the
 *    peer reads the answer and not a reset.
 * 3. evhttp_connection_free is the only end of a connection. It calls
 *    closed_cb, which frees the context. We call it only where evhttp is not
 *    reading from that connection further up the stack, or does not look at it
 *    again (the request callback).
 * 4. evhttp in the state "writing" ends the process when its read callback
 *    runs. Whoever enables reading while a request is open takes that callback
 *    away first, and its write callback too, which may be that of the reply
 *    before (http_conn_watch).
 * 5. Replies are written here and not by evhttp; evhttp only learns when one
 *    is complete. While one is flushed nothing is read, so a peer that has
 *    half-closed its side still gets all of it.
 * 6. Writing is enabled only while something waits in the output buffer.
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
	LINGER_MS = 2000,         /* for the peer to read a refusal */
	LINGER_BYTES = 16 << 20,  /* it may still send meanwhile */
	WATCH_BYTES = 16 << 10,   /* read ahead while a request is open */
	DRAIN_IDLE_MS = 2000,     /* a kept connection still gets its 503 */
	REFUSAL_BYTES = 1024,     /* a whole one */
	WRITE_BYTES = 256 << 10,  /* a turn; libevent would stop at 16 KiB */
	MAX_PARTS = 4             /* of a reply, the blob included */
};

/* ---- the gate ---- */

/* Sets body bytes aside. False when the gate has no more of them. */
static bool
hold(struct http_conn *conn, int64_t bytes)
{
	struct http_gate *gate = conn->server->gate;

	if (bytes == 0)
		return true;
	conn->held_bytes += bytes;
	return atomic_fetch_add(&gate->body_bytes, bytes) + bytes <=
	    gate->max_body_bytes;
}

static void
release_held(struct http_conn *conn)
{
	atomic_fetch_sub(&conn->server->gate->body_bytes, conn->held_bytes);
	conn->held_bytes = 0;
}

/* ---- the end of a connection ---- */

static void
forget(struct http_conn *conn)
{
	struct http_server *server = conn->server;

	if (conn->is_due)
		TAILQ_REMOVE(&server->due, conn, due_link);
	TAILQ_REMOVE(&server->conns, conn, link);
	release_held(conn);
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

/* ---- refusing ---- */

static void
throw_away(struct http_conn *conn)
{
	struct evbuffer *input = bufferevent_get_input(conn->bev);
	size_t len = evbuffer_get_length(input);

	conn->is_muted = true;
	evbuffer_drain(input, len);
	conn->is_muted = false;
	conn->eaten_bytes += len;
	if (conn->eaten_bytes > LINGER_BYTES)
		http_conn_cut(conn);
}

static void
refusal_written_cb(struct bufferevent *bev, void *arg)
{
	struct http_conn *conn = arg;

	(void)bev;
	shutdown(conn->fd, SHUT_WR);
}

static void
refusal_ended_cb(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	(void)what;
	http_conn_close(arg);
}

static bool
send_refusal(struct http_conn *conn)
{
	struct buf text;
	struct iovec part;
	bool sent;

	buf_init(&text, REFUSAL_BYTES);
	http_refusal_write(conn->server, guard_refusal(&conn->guard),
	    guard_is_head(&conn->guard), &text);
	part = (struct iovec){ text.data, text.len };
	sent = !buf_failed(&text) && http_conn_send(conn, &part, 1, NULL);
	buf_free(&text);
	return sent;
}

/* Takes the connection from evhttp and answers. Never frees it: the tap may be
 * on the stack. The bytes that are refused are drained by the tap, whatever
 * callback evhttp may have left behind. */
static void
refuse(struct http_conn *conn)
{
	conn->is_lingering = true;
	conn->since_ms = loop_mono_ms(conn->server->loop);
	release_held(conn);
	throw_away(conn);
	bufferevent_setcb(conn->bev, NULL, refusal_written_cb, refusal_ended_cb,
	    conn);
	bufferevent_enable(conn->bev, EV_READ);
	if (!send_refusal(conn))
		http_conn_cut(conn);
	else if (evbuffer_get_length(bufferevent_get_output(conn->bev)) == 0)
		shutdown(conn->fd, SHUT_WR);
}

static void
make_due(struct http_conn *conn)
{
	if (conn->is_due)
		return;
	conn->is_due = true;
	TAILQ_INSERT_TAIL(&conn->server->due, conn, due_link);
	http_server_hurry(conn->server);
}

/* Every request before the refused one has been answered. */
static bool
may_refuse(const struct http_conn *conn)
{
	return guard_refusal(&conn->guard) != NULL && !conn->is_lingering &&
	    conn->passed == conn->answered;
}

/* ---- the tap ---- */

/* Keeps the first bytes of the input buffer. evbuffer has no cut at the end. */
static bool
keep_first(struct http_conn *conn, struct evbuffer *input, size_t keep)
{
	struct evbuffer *kept = evbuffer_new();
	bool done;

	if (kept == NULL)
		return false;
	conn->is_muted = true;
	conn->eaten_bytes += evbuffer_get_length(input) - keep;
	done = evbuffer_remove_buffer(input, kept, keep) == (int)keep &&
	    evbuffer_drain(input, evbuffer_get_length(input)) == 0 &&
	    evbuffer_add_buffer(input, kept) == 0;
	conn->is_muted = false;
	evbuffer_free(kept);
	return done && conn->eaten_bytes <= LINGER_BYTES;
}

/* The guard has refused, now or before: nothing of the refused request may
 * stay in the buffer. */
static void
turn_away(struct http_conn *conn, struct evbuffer *input)
{
	uint64_t front = conn->total_bytes - evbuffer_get_length(input);

	if (may_refuse(conn)) {
		refuse(conn);
		return;
	}
	assert(conn->message_at >= front); /* evhttp is not that far */
	if (!keep_first(conn, input, (size_t)(conn->message_at - front)))
		http_conn_cut(conn);
	conn->total_bytes = conn->message_at; /* the rest never came */
}

static void
hold_or_refuse(struct http_conn *conn, int64_t bytes)
{
	if (!hold(conn, bytes))
		guard_refuse(&conn->guard, 503, "overloaded",
		    "Too many bytes of request bodies are being read.");
}

/* Looks at bytes that end at stream position end. False once refused. */
static bool
look_at(struct http_conn *conn, unsigned char *bytes, size_t len, uint64_t end)
{
	struct guard *guard = &conn->guard;

	if (len > 0 && guard_is_idle(guard))
		conn->since_ms = loop_mono_ms(conn->server->loop);
	for (;;) {
		size_t used;
		enum guard_event event = guard_feed(guard, bytes, len, &used);

		len -= used;
		if (bytes != NULL)
			bytes += used;
		switch (event) {
		case GUARD_MORE:
			return true;
		case GUARD_REFUSED:
			return false;
		case GUARD_HEAD:
			conn->since_ms = loop_mono_ms(conn->server->loop);
			hold_or_refuse(conn, guard_body_bytes(guard));
			break;
		case GUARD_CHUNK:
			hold_or_refuse(conn, guard_chunk_bytes(guard));
			break;
		case GUARD_BLANK:
			bytes[-1] = ' ';
			break;
		case GUARD_MESSAGE:
			conn->passed++;
			conn->message_at = end - len;
			break;
		}
	}
}

/* Looks at the last added bytes of the buffer, in place. */
static bool
look_at_added(struct http_conn *conn, struct evbuffer *input, size_t added)
{
	struct evbuffer_ptr at;
	struct evbuffer_iovec piece;
	size_t behind = evbuffer_get_length(input) - added;
	uint64_t end = conn->total_bytes - added;

	while (added > 0) {
		size_t len;

		evbuffer_ptr_set(input, &at, behind, EVBUFFER_PTR_SET);
		evbuffer_peek(input, -1, &at, &piece, 1);
		len = piece.iov_len < added ? piece.iov_len : added;
		end += len;
		if (!look_at(conn, piece.iov_base, len, end))
			return false;
		behind += len;
		added -= len;
	}
	return true;
}

static void
arrive(struct http_conn *conn, struct evbuffer *input, size_t added)
{
	bool fine;

	conn->total_bytes += added;
	if (conn->is_lingering) {
		throw_away(conn);
		return;
	}
	if (guard_refusal(&conn->guard) != NULL) {
		turn_away(conn, input);
		return;
	}
	fine = added <= guard_blind_bytes(&conn->guard)
	    ? look_at(conn, NULL, added, conn->total_bytes)
	    : look_at_added(conn, input, added);
	if (fine)
		return;
	atomic_fetch_add(&conn->server->gate->refused, 1);
	turn_away(conn, input);
}

static void
tap_cb(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
{
	struct http_conn *conn = arg;

	if (info->n_added == 0 || conn->is_muted)
		return;
	if (conn->evcon == NULL)
		http_conn_bind(conn);
	arrive(conn, input, info->n_added);
}

/* ---- birth ---- */

static bool
add_tap(struct http_conn *conn)
{
	conn->tap = evbuffer_add_cb(bufferevent_get_input(conn->bev), tap_cb,
	    conn);
	return conn->tap != NULL;
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
	if (!add_tap(conn)) {
		free(conn);
		return bev;
	}
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
	if (!http_server_enter_fd(server, conn))
		http_conn_cut(conn);
}

void
http_conn_due(struct http_conn *conn)
{
	if (conn->evcon == NULL)
		http_conn_bind(conn);
	else if (may_refuse(conn))
		refuse(conn);
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
	if (may_refuse(conn))
		make_due(conn);
}

void
http_conn_end_reply(struct http_conn *conn, struct evhttp_request *req,
    bool closes)
{
	if (conn->is_watched)
		stop_watching(conn);
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
