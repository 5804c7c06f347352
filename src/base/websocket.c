/* websocket.c - WebSockets over connections of the HTTP server, with wslay.
 *
 *     open ──► closing ──────────────► ended
 *               │   peer has answered    ▲
 *               └─► eating ──────────────┘   a peer that broke the rules may
 *                   until it closes          still send: it must see our code
 *
 *  1. The exchange stays open until the end, so that pending counts it and
 *     whatever kills its connection is heard (lost_cb). Only the callbacks of
 *     the bufferevent are ours, and the guard looks away.
 *  2. wslay's context, some 9 KiB, is there only while a frame or a message is
 *     incomplete, or after a close frame: thousands are idle. Counting what goes
 *     in (fed) and what the frames say of themselves (framed) tells when it
 *     holds nothing.
 *  3. wslay's queue of messages is always emptied at once, into the output
 *     buffer, which is bounded: by the sender for messages, and for answers to
 *     pings by not reading any more.
 *  4. What wslay lets pass, or ends without a code, is found beside it: messages
 *     that are too long (it looks only where it keeps them), close frames whose
 *     payload is one byte or, when it comes in pieces, no UTF-8, and frames that
 *     it cannot read.
 *  5. gone() is called with nothing of wslay's on the stack; the websocket may
 *     be freed by it, and by end().
 *
 * Thread: that of the server's loop.
 */
#include "callbackd/websocket.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <wslay/wslay.h>

#include "callbackd/text.h"
#include "http_private.h"
#include "websocket_private.h"

enum {
	MESSAGE_BYTES = 64 << 10, /* a message of the peer's; above it 1009 */
	ANSWERS_BYTES = 64 << 10, /* that wait; then its pings do */
	FLUSH_BYTES = 16 << 20,   /* a document and its frame fit */
	CONTROL_BYTES = 125,      /* RFC 6455, 5.5 */
};

struct websocket {
	struct http_exchange *exchange; /* NULL: ended */
	void (*gone)(void *arg);        /* NULL: called */
	void *arg;
	wslay_event_context_ptr wslay; /* invariant 2; NULL: at rest */
	uint64_t fed;
	uint64_t framed;
	struct buf *out;        /* of the flush that is under way */
	uint64_t message_bytes; /* of the message, up to this frame */
	int opcode;             /* of the frame that is being read */
	int breach;             /* close code; 0: none */
	unsigned char farewell[CONTROL_BYTES]; /* payload of a close frame */
	size_t farewell_len;
	bool is_owned;      /* not yet given to websocket_close */
	bool is_fragmented; /* between the frames of a message */
	bool is_closing;    /* a close frame was sent */
	bool is_eating;
	bool is_cut;
	bool is_paused; /* it is not read from */
};

/* ---- the end ---- */

/* May free the websocket. */
static void
tell_owner(struct websocket *socket)
{
	void (*gone)(void *arg) = socket->gone;

	if (gone == NULL)
		return;
	socket->gone = NULL;
	gone(socket->arg);
}

/* Frees the websocket, unless its owner still has it. */
static void
end(struct websocket *socket)
{
	bool is_owned = socket->is_owned;

	if (socket->exchange != NULL)
		http_drop(&socket->exchange);
	wslay_event_context_free(socket->wslay);
	socket->wslay = NULL;
	if (is_owned)
		tell_owner(socket);
	else
		free(socket);
}

/* The peer is gone, too slow, or the server is being freed. */
static void
lost_cb(void *arg)
{
	end(arg);
}

static struct evbuffer *
output_of(const struct websocket *socket)
{
	return bufferevent_get_output(socket->exchange->conn->bev);
}

/* Whatever is on its way down: gone() comes from the loop. */
static void
cut(struct websocket *socket)
{
	socket->is_cut = true;
	http_conn_cut(socket->exchange->conn);
}

/* Goes on with closing when all that was written is sent. May end it. */
static void
go_on_closing(struct websocket *socket)
{
	if (!socket->is_closing || evbuffer_get_length(output_of(socket)) > 0)
		return;
	if (!socket->is_eating)
		end(socket);
	else
		shutdown(socket->exchange->conn->fd, SHUT_WR);
}

/* ---- wslay ---- */

static ssize_t
recv_cb(wslay_event_context_ptr wslay, uint8_t *bytes, size_t len, int flags,
    void *arg)
{
	struct websocket *socket = arg;
	int got = 0;

	(void)flags;
	if (socket->breach == 0)
		got = evbuffer_remove(bufferevent_get_input(
					  socket->exchange->conn->bev),
		    bytes, len);
	if (got <= 0) {
		wslay_event_set_error(wslay, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	socket->fed += (uint64_t)got;
	return got;
}

static ssize_t
send_cb(wslay_event_context_ptr wslay, const uint8_t *bytes, size_t len,
    int flags, void *arg)
{
	struct websocket *socket = arg;

	(void)flags;
	if (buf_append(socket->out, bytes, len))
		return (ssize_t)len;
	wslay_event_set_error(wslay, WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

/* RFC 6455, 5.2: two bytes, a longer length if need be, and the mask. */
static uint64_t
frame_bytes(uint64_t payload_bytes)
{
	uint64_t head = 2 + 4;

	if (payload_bytes > UINT16_MAX)
		head += 8;
	else if (payload_bytes > 125)
		head += 2;
	return head + payload_bytes;
}

static void
frame_begins_cb(wslay_event_context_ptr wslay,
    const struct wslay_event_on_frame_recv_start_arg *frame, void *arg)
{
	struct websocket *socket = arg;

	(void)wslay;
	socket->framed += frame_bytes(frame->payload_length);
	socket->opcode = frame->opcode;
	socket->farewell_len = 0;
	if (wslay_is_ctrl_frame(frame->opcode))
		return;
	if (!socket->is_fragmented)
		socket->message_bytes = 0;
	socket->is_fragmented = !frame->fin;
	if (frame->payload_length > MESSAGE_BYTES - socket->message_bytes)
		socket->breach = WSLAY_CODE_MESSAGE_TOO_BIG;
	else
		socket->message_bytes += frame->payload_length;
}

static void
frame_goes_on_cb(wslay_event_context_ptr wslay,
    const struct wslay_event_on_frame_recv_chunk_arg *chunk, void *arg)
{
	struct websocket *socket = arg;
	size_t room = CONTROL_BYTES - socket->farewell_len;

	(void)wslay;
	if (socket->opcode != WSLAY_CONNECTION_CLOSE ||
	    chunk->data_length > room)
		return;
	memcpy(socket->farewell + socket->farewell_len, chunk->data,
	    chunk->data_length);
	socket->farewell_len += chunk->data_length;
}

static void
frame_ends_cb(wslay_event_context_ptr wslay, void *arg)
{
	struct websocket *socket = arg;
	size_t len = socket->farewell_len;

	(void)wslay;
	if (len == 1)
		socket->breach = WSLAY_CODE_PROTOCOL_ERROR;
	else if (len > 2 && !text_is_utf8(socket->farewell + 2, len - 2))
		socket->breach = WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA;
}

static const struct wslay_event_callbacks callbacks = {
	.recv_callback = recv_cb,
	.send_callback = send_cb,
	.on_frame_recv_start_callback = frame_begins_cb,
	.on_frame_recv_chunk_callback = frame_goes_on_cb,
	.on_frame_recv_end_callback = frame_ends_cb,
};

/* False: no memory. */
static bool
wake(struct websocket *socket)
{
	if (socket->wslay != NULL)
		return true;
	if (wslay_event_context_server_init(&socket->wslay, &callbacks,
		socket) != 0) {
		socket->wslay = NULL;
		return false;
	}
	wslay_event_config_set_no_buffering(socket->wslay, 1);
	socket->fed = 0;
	socket->framed = 0;
	return true;
}

/* Invariant 2. */
static void
rest(struct websocket *socket)
{
	if (socket->is_closing || socket->is_fragmented ||
	    socket->fed != socket->framed)
		return;
	wslay_event_context_free(socket->wslay);
	socket->wslay = NULL;
}

/* Invariant 3. False: no memory, or the peer is gone. */
static bool
flush(struct websocket *socket)
{
	struct buf out;
	struct iovec part;
	bool good;

	buf_init(&out, FLUSH_BYTES);
	socket->out = &out;
	good = wslay_event_send(socket->wslay) == 0 && !buf_failed(&out);
	socket->out = NULL;
	part = (struct iovec){ out.data, out.len };
	if (good && out.len > 0)
		good = http_conn_send(socket->exchange->conn, &part, 1, NULL);
	buf_free(&out);
	return good;
}

/* From now on only the end can come: the sweep sees to that. */
static void
begin_closing(struct websocket *socket)
{
	struct http_conn *conn = socket->exchange->conn;

	socket->is_closing = true;
	conn->is_lingering = true;
	conn->since_ms = loop_mono_ms(conn->server->loop);
}

/* ---- what comes ---- */

static void
pause_if_flooded(struct websocket *socket)
{
	if (evbuffer_get_length(output_of(socket)) <= ANSWERS_BYTES)
		return;
	socket->is_paused = true;
	bufferevent_disable(socket->exchange->conn->bev, EV_READ);
}

/* A close frame was answered, or has answered ours: nothing more is read. One
 * that was sent for a breach of the rules was not. */
static void
note_close(struct websocket *socket)
{
	if (!wslay_event_get_close_sent(socket->wslay))
		return;
	if (!socket->is_closing)
		begin_closing(socket);
	socket->is_eating = !wslay_event_get_close_received(socket->wslay) &&
	    !wslay_event_get_read_enabled(socket->wslay);
}

/* Whatever wslay would have said. False: no memory, or the peer is gone. */
static bool
refuse_frames(struct websocket *socket)
{
	wslay_event_context_free(socket->wslay);
	socket->wslay = NULL;
	if (!wake(socket) ||
	    wslay_event_queue_close(socket->wslay, (uint16_t)socket->breach,
		NULL, 0) != 0 ||
	    !flush(socket))
		return false;
	begin_closing(socket);
	socket->is_eating = true;
	return true;
}

static bool
read_frames(struct websocket *socket)
{
	if (!wake(socket))
		return false;
	if (wslay_event_recv(socket->wslay) != 0 && socket->breach == 0)
		socket->breach = WSLAY_CODE_PROTOCOL_ERROR;
	if (socket->breach != 0)
		return refuse_frames(socket);
	if (!flush(socket))
		return false;
	note_close(socket);
	rest(socket);
	pause_if_flooded(socket);
	return true;
}

static void
eat(struct websocket *socket)
{
	struct evbuffer *input = bufferevent_get_input(
	    socket->exchange->conn->bev);

	evbuffer_drain(input, evbuffer_get_length(input));
}

/* Ours has been answered, or a breach was: the owner has no use of it. */
static bool
is_over(const struct websocket *socket)
{
	return socket->is_eating ||
	    (socket->is_closing && socket->wslay != NULL &&
		wslay_event_get_close_received(socket->wslay));
}

static void
read_cb(struct bufferevent *bev, void *arg)
{
	struct websocket *socket = arg;

	(void)bev;
	if (socket->is_cut || socket->is_eating)
		eat(socket);
	else if (!read_frames(socket))
		cut(socket);
	if (socket->is_cut || !is_over(socket))
		return;
	tell_owner(socket);
	go_on_closing(socket);
}

static void
written_cb(struct bufferevent *bev, void *arg)
{
	struct websocket *socket = arg;

	if (socket->is_paused)
		bufferevent_enable(bev, EV_READ);
	socket->is_paused = false;
	if (socket->is_closing && is_over(socket))
		go_on_closing(socket);
}

static void
ended_cb(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	(void)what;
	end(arg);
}

/* ---- taking over ---- */

/* The guard has seen nothing behind the request, which it would not have
 * understood. RFC 6455, 4.1: the client must wait for the answer. */
static bool
may_take(const struct http_exchange *exchange)
{
	const struct http_conn *conn = exchange->conn;

	return conn != NULL && guard_refusal(&conn->guard) == NULL &&
	    guard_is_idle(&conn->guard) && conn->taken == conn->passed &&
	    evbuffer_get_length(bufferevent_get_input(conn->bev)) == 0;
}

struct websocket *
websocket_take(struct http_exchange **exchange, void (*gone)(void *arg),
    void *arg)
{
	struct websocket *socket;
	struct http_conn *conn = (*exchange)->conn;

	assert(!(*exchange)->is_stream);
	if (!may_take(*exchange))
		return NULL;
	socket = calloc(1, sizeof(*socket));
	if (socket == NULL)
		return NULL;
	socket->exchange = *exchange;
	socket->gone = gone;
	socket->arg = arg;
	socket->is_owned = true;
	*exchange = NULL;
	socket->exchange->is_stream = true;
	http_watch(socket->exchange, lost_cb, socket);
	conn->is_muted = true;
	bufferevent_setcb(conn->bev, read_cb, written_cb, ended_cb, socket);
	if (!websocket_shake_hands(socket->exchange))
		cut(socket);
	return socket;
}

/* ---- what goes ---- */

size_t
websocket_unsent(const struct websocket *socket)
{
	if (socket->exchange == NULL || socket->exchange->conn == NULL)
		return 0;
	return evbuffer_get_length(output_of(socket));
}

static bool
can_send(const struct websocket *socket)
{
	return socket->exchange != NULL && socket->exchange->conn != NULL &&
	    !socket->is_cut && !socket->is_closing;
}

static bool
send_message(struct websocket *socket, const struct wslay_event_msg *message,
    size_t limit_bytes)
{
	if (!can_send(socket))
		return false;
	if (wake(socket) &&
	    wslay_event_queue_msg(socket->wslay, message) == 0 &&
	    flush(socket) && websocket_unsent(socket) <= limit_bytes) {
		rest(socket);
		return true;
	}
	cut(socket);
	return false;
}

bool
websocket_send(struct websocket *socket, const char *text, size_t len,
    size_t limit_bytes)
{
	const struct wslay_event_msg message = { WSLAY_TEXT_FRAME,
		(const uint8_t *)text, len };

	return send_message(socket, &message, limit_bytes);
}

bool
websocket_ping(struct websocket *socket, size_t limit_bytes)
{
	const struct wslay_event_msg message = { WSLAY_PING, NULL, 0 };

	return send_message(socket, &message, limit_bytes);
}

/* Its answer comes to read_cb, or it does not come. */
static void
say_goodbye(struct websocket *socket, int code)
{
	if (!wake(socket) ||
	    wslay_event_queue_close(socket->wslay, (uint16_t)code, NULL, 0) !=
		0 ||
	    !flush(socket))
		cut(socket);
	begin_closing(socket);
}

void
websocket_close(struct websocket **socket, int code)
{
	struct websocket *closed = *socket;

	*socket = NULL;
	closed->is_owned = false;
	closed->gone = NULL;
	if (closed->exchange == NULL)
		free(closed);
	else if (can_send(closed))
		say_goodbye(closed, code);
}
