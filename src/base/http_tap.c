/* http_tap.c - the guard's place on a connection: a callback on its input.
 *
 * 1. evhttp never sees a byte that the guard has not passed. On a refusal the
 *    buffer is cut back to the end of the last complete request, before evhttp
 *    is told that something came.
 * 2. A refusal is answered after the replies to the requests before it; until
 *    then what comes is thrown away. Then the connection is taken from evhttp
 *    (its callbacks replaced), answered, half-closed and drained, so that the
 *    peer reads the answer and not a reset. That is bounded: LINGER_BYTES here,
 *    a time in the sweep.
 * 3. Nothing here frees the connection but refusal_ended_cb, which is called
 *    with nothing of the tap on the stack.
 *
 * Thread: that of the server's loop.
 */
#include <assert.h>
#include <sys/socket.h>

#include "http_private.h"

enum {
	LINGER_BYTES = 16 << 20, /* what a refused peer may still send */
	REFUSAL_BYTES = 1024,    /* a whole answer */
};

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

/* Takes the connection from evhttp, which is reading from it, and answers.
 * Never frees it: the tap may be on the stack. What still comes is drained by
 * the tap, whatever callback evhttp may have left behind. */
void
http_tap_refuse(struct http_conn *conn)
{
	conn->is_lingering = true;
	conn->since_ms = loop_mono_ms(conn->server->loop);
	http_conn_release_held(conn);
	throw_away(conn);
	bufferevent_setcb(conn->bev, NULL, refusal_written_cb, refusal_ended_cb,
	    conn);
	if (!send_refusal(conn))
		http_conn_cut(conn);
	else if (evbuffer_get_length(bufferevent_get_output(conn->bev)) == 0)
		shutdown(conn->fd, SHUT_WR);
}

/* Every request before the refused one has been answered. */
bool
http_tap_may_refuse(const struct http_conn *conn)
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

	if (http_tap_may_refuse(conn)) {
		http_tap_refuse(conn);
		return;
	}
	assert(conn->message_at >= front); /* evhttp is not that far */
	if (!keep_first(conn, input, (size_t)(conn->message_at - front)))
		http_conn_cut(conn);
	conn->total_bytes = conn->message_at; /* the rest never came */
}

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

bool
http_tap_add(struct http_conn *conn)
{
	conn->tap = evbuffer_add_cb(bufferevent_get_input(conn->bev), tap_cb,
	    conn);
	return conn->tap != NULL;
}
