/* test_websocket.c - frames by hand (RFC 6455).
 *
 * Whatever a client sends is sent twice: at once, and byte by byte.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "callbackd/clock.h"
#include "callbackd/websocket.h"
#include "http_room.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ==" /* RFC 6455, 1.3 */
#define HANDSHAKE                                                              \
	"GET /hold HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"              \
	"Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"     \
	"Sec-WebSocket-Key: " KEY "\r\n\r\n"

enum { TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };
enum { FIN = 0x80, RSV1 = 0x40, MASK = 0x80 };
enum { LIMIT = 1 << 20 };

/* ---- frames ---- */

static void
put_frame(struct buf *out, int head, const void *payload, size_t len)
{
	static const unsigned char mask[4] = { 0x37, 0xfa, 0x21, 0x3d };
	const unsigned char *bytes = payload;

	buf_putc(out, (char)head);
	if (len > 0xffff) {
		buf_putc(out, (char)(MASK | 127));
		for (int shift = 56; shift >= 0; shift -= 8)
			buf_putc(out, (char)((uint64_t)len >> shift));
	} else if (len > 125) {
		buf_putc(out, (char)(MASK | 126));
		buf_putc(out, (char)(len >> 8));
		buf_putc(out, (char)len);
	} else {
		buf_putc(out, (char)(MASK | len));
	}
	buf_append(out, mask, sizeof(mask));
	for (size_t i = 0; i < len; i++)
		buf_putc(out, (char)(bytes[i] ^ mask[i % 4]));
	ck_assert(!buf_failed(out));
}

static void
send_buf(struct room *room, struct client *client, const struct buf *frames,
    bool drips)
{
	if (drips)
		client_drip(room, client, frames->data, frames->len);
	else
		client_send(room, client, frames->data, frames->len);
}

static void
send_frame(struct room *room, struct client *client, int head,
    const void *payload, size_t len)
{
	struct buf frames;

	buf_init(&frames, 4 << 20);
	put_frame(&frames, head, payload, len);
	send_buf(room, client, &frames, false);
	buf_free(&frames);
}

struct frame {
	int head;
	size_t len;
	const unsigned char *payload; /* in the client's input */
	size_t whole;
};

static bool
has_frame(struct client *client, struct frame *out)
{
	const unsigned char *in;
	size_t head_len = 2;

	(void)client_read(client);
	in = (const unsigned char *)client->in;
	if (client->len < 2 || (client->len < 10 && in[1] > 125))
		return false;
	ck_assert_msg((in[1] & MASK) == 0, "a server must not mask");
	out->len = in[1];
	if (in[1] == 126) {
		out->len = (size_t)in[2] << 8 | in[3];
		head_len = 4;
	} else if (in[1] == 127) {
		out->len = 0;
		for (int i = 2; i < 10; i++)
			out->len = out->len << 8 | in[i];
		head_len = 10;
	}
	out->head = in[0];
	out->payload = in + head_len;
	out->whole = head_len + out->len;
	return client->len >= out->whole;
}

static void
drop_frame(struct client *client, const struct frame *frame)
{
	memmove(client->in, client->in + frame->whole,
	    client->len - frame->whole);
	client->len -= frame->whole;
}

static void
expect_frame(struct room *room, struct client *client, int opcode,
    const void *payload, size_t len)
{
	struct frame frame = { 0 };

	ROOM_UNTIL(room, has_frame(client, &frame));
	ck_assert_int_eq(frame.head, FIN | opcode);
	ck_assert_uint_eq(frame.len, len);
	if (len > 0)
		ck_assert_int_eq(memcmp(frame.payload, payload, len), 0);
	drop_frame(client, &frame);
}

static void
expect_close(struct room *room, struct client *client, int code)
{
	struct frame frame = { 0 };

	ROOM_UNTIL(room, has_frame(client, &frame));
	ck_assert_int_eq(frame.head, FIN | CLOSE);
	ck_assert_uint_ge(frame.len, 2);
	ck_assert_int_eq(frame.payload[0] << 8 | frame.payload[1], code);
	drop_frame(client, &frame);
}

/* ---- sockets ---- */

static struct websocket *
open_socket(struct room *room, struct client **client_out)
{
	int index = room->held_count;
	struct websocket *socket;
	struct response response;

	*client_out = client_holding(room, HANDSHAKE);
	ck_assert_int_eq(websocket_wish(room->held[index]), WEBSOCKET_WANTED);
	socket = websocket_take(&room->held[index], room_gone, room);
	ck_assert_ptr_nonnull(socket);
	ck_assert_ptr_null(room->held[index]);
	client_await(room, *client_out, false, &response);
	ck_assert_int_eq(response.status, 101);
	ck_assert(response_has(&response,
	    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
	ck_assert(response_has(&response, "Upgrade: websocket"));
	ck_assert(response_has(&response, "Connection: Upgrade"));
	response_free(&response);
	return socket;
}

/* Goodbye in good order, from our side. */
static void
close_socket(struct room *room, struct websocket **socket,
    struct client **client)
{
	websocket_close(socket, WEBSOCKET_NORMAL);
	expect_close(room, *client, 1000);
	send_frame(room, *client, FIN | CLOSE, "\x03\xe8", 2);
	client_await_close(room, *client);
	ck_assert(!(*client)->is_reset);
	client_free(client);
	ROOM_UNTIL(room, http_server_pending(room->server) == 0);
}

START_TEST(a_handshake_is_told_from_other_requests)
{
	static const struct {
		const char *request;
		enum websocket_wish wish;
	} rows[] = {
		{ HANDSHAKE, WEBSOCKET_WANTED },
		{ "GET /hold HTTP/1.1\r\nHost: a\r\nupgrade: h2c, WebSocket\r\n"
		  "connection: UPGRADE\r\nsec-websocket-version: 13\r\n"
		  "sec-websocket-key: " KEY "\r\n\r\n",
		    WEBSOCKET_WANTED },
		{ "GET /hold HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n"
		  "Upgrade: websocket\r\nConnection: keep-alive\r\n"
		  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		  "Sec-WebSocket-Key: " KEY "\r\n\r\n",
		    WEBSOCKET_WANTED },
		{ "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n",
		    WEBSOCKET_NOT_WANTED },
		{ "GET /hold HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
		    WEBSOCKET_NOT_WANTED },
		{ "GET /hold HTTP/1.0\r\nHost: a\r\nUpgrade: websocket\r\n"
		  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		  "Sec-WebSocket-Key: " KEY "\r\n\r\n",
		    WEBSOCKET_NOT_WANTED },
		{ "POST /hold HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
		  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		  "Content-Length: 0\r\n"
		  "Sec-WebSocket-Key: " KEY "\r\n\r\n",
		    WEBSOCKET_NOT_WANTED },
		{ "GET /hold HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
		  "Connection: Upgrade\r\nSec-WebSocket-Version: 8\r\n"
		  "Sec-WebSocket-Key: " KEY "\r\n\r\n",
		    WEBSOCKET_BAD_VERSION },
		{ "GET /hold HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
		  "Connection: Upgrade\r\nSec-WebSocket-Key: " KEY "\r\n\r\n",
		    WEBSOCKET_BAD_VERSION },
		{ "GET /hold HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
		  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n",
		    WEBSOCKET_BAD_KEY },
		{ "GET /hold HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
		  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		  "Sec-WebSocket-Key: c2hvcnQ=\r\n\r\n",
		    WEBSOCKET_BAD_KEY },
		{ "GET /hold HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
		  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		  "Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!!!\r\n\r\n",
		    WEBSOCKET_BAD_KEY },
	};
	struct room room;

	room_open(&room);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct client *client = client_holding(&room, rows[i].request);

		ck_assert_msg(websocket_wish(room.held[i]) == rows[i].wish,
		    "row %zu", i);
		room_answer(&room, (int)i, "no");
		client_free(&client);
	}
	room_close(&room);
}
END_TEST

START_TEST(messages_of_any_length_arrive_whole)
{
	static const size_t lens[] = { 0, 1, 125, 126, 127, 65535, 65536,
		300000 };
	char *text = malloc(300000);
	struct room room;
	struct client *client;
	struct websocket *socket;

	for (int i = 0; i < 300000; i++)
		text[i] = (char)('a' + i % 26);
	room_open(&room);
	socket = open_socket(&room, &client);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		ck_assert(websocket_send(socket, text, lens[i], LIMIT));
		expect_frame(&room, client, TEXT, text, lens[i]);
	}
	ck_assert(websocket_ping(socket, LIMIT));
	expect_frame(&room, client, PING, "", 0);
	ck_assert_uint_eq(websocket_unsent(socket), 0);
	close_socket(&room, &socket, &client);
	ck_assert_int_eq(room.gone_count, 0);
	room_close(&room);
	free(text);
}
END_TEST

START_TEST(what_a_client_says_is_thrown_away_and_its_pings_are_answered)
{
	struct room room;
	struct client *client;
	struct websocket *socket;
	char big[60000];
	struct buf frames;

	memset(big, 'x', sizeof(big));
	room_open(&room);
	socket = open_socket(&room, &client);
	for (int drips = 0; drips < 2; drips++) {
		buf_init(&frames, 1 << 20);
		put_frame(&frames, FIN | PING, "hello", 5);
		put_frame(&frames, FIN | TEXT, "gr\xc3\xbc\xc3\x9f", 6);
		put_frame(&frames, TEXT, "\xe2\x82", 2); /* half a euro */
		put_frame(&frames, FIN | PING, "inside", 6);
		put_frame(&frames, 0, "", 0);
		put_frame(&frames, FIN | PONG, "not asked for", 13);
		put_frame(&frames, FIN, "\xac", 1);
		put_frame(&frames, FIN | BINARY, "\xff\xfe", 2);
		put_frame(&frames, FIN | TEXT, big, drips ? 200 : sizeof(big));
		put_frame(&frames, FIN | PING, "", 0);
		send_buf(&room, client, &frames, drips);
		expect_frame(&room, client, PONG, "hello", 5);
		expect_frame(&room, client, PONG, "inside", 6);
		expect_frame(&room, client, PONG, "", 0);
		ck_assert(websocket_send(socket, "ok", 2, LIMIT));
		expect_frame(&room, client, TEXT, "ok", 2);
		buf_free(&frames);
	}
	ck_assert_int_eq(room.gone_count, 0);
	close_socket(&room, &socket, &client);
	room_close(&room);
}
END_TEST

START_TEST(what_we_say_may_come_between_the_pieces_of_a_frame)
{
	struct room room;
	struct client *client;
	struct websocket *socket;
	struct buf frames;

	room_open(&room);
	socket = open_socket(&room, &client);
	buf_init(&frames, 1 << 16);
	put_frame(&frames, TEXT, "begin", 5);
	put_frame(&frames, FIN | PING, "abc", 3);
	put_frame(&frames, FIN, "end", 3);
	for (size_t i = 0; i < frames.len; i++) {
		client_drip(&room, client, frames.data + i, 1);
		ck_assert(websocket_send(socket, "x", 1, LIMIT));
		if (i == 11 + 8) /* the last byte of the ping */
			expect_frame(&room, client, PONG, "abc", 3);
		expect_frame(&room, client, TEXT, "x", 1);
	}
	buf_free(&frames);
	close_socket(&room, &socket, &client);
	room_close(&room);
}
END_TEST

/* ---- breaches ---- */

static const struct breach {
	const char *name;
	const char *bytes; /* without a mask in it: keys are zero */
	size_t len;
	int code;
} breaches[] = {
#define ROW(name, bytes, code)                                                 \
	{                                                                      \
		name, bytes, sizeof(bytes) - 1, code                           \
	}
	ROW("unmasked", "\x81\x02hi", 1002),
	ROW("RSV1", "\xc1\x80\0\0\0\0", 1002),
	ROW("RSV3", "\x91\x80\0\0\0\0", 1002),
	ROW("unknown opcode", "\x83\x80\0\0\0\0", 1002),
	ROW("unknown control opcode", "\x8b\x80\0\0\0\0", 1002),
	ROW("fragmented ping", "\x09\x80\0\0\0\0", 1002),
	ROW("long ping", "\x89\xfe\0\x7e\0\0\0\0", 1002),
	ROW("continuation of nothing", "\x80\x80\0\0\0\0", 1002),
	ROW("message within a message", "\x01\x80\0\0\0\0\x81\x80\0\0\0\0",
	    1002),
	ROW("close with one byte", "\x88\x81\0\0\0\0\x03", 1002),
	ROW("close with 1005", "\x88\x82\0\0\0\0\x03\xed", 1002),
	ROW("close with 999", "\x88\x82\0\0\0\0\x03\xe7", 1002),
	ROW("bad UTF-8", "\x81\x82\0\0\0\0\xc0\xaf", 1007),
	ROW("surrogate", "\x81\x83\0\0\0\0\xed\xa0\x80", 1007),
	ROW("cut UTF-8", "\x81\x81\0\0\0\0\xc3", 1007),
	ROW("UTF-8 cut at the end of fragments",
	    "\x01\x81\0\0\0\0\xc3\x80\x80\0\0\0\0", 1007),
	ROW("bad UTF-8 as reason", "\x88\x84\0\0\0\0\x03\xe8\xc0\xaf", 1007),
	ROW("oversize", "\x81\xff\0\0\0\0\0\1\0\1\0\0\0\0x", 1009),
	ROW("huge", "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0x", 1009),
#undef ROW
};
#define BREACHES ((int)(sizeof(breaches) / sizeof(breaches[0])))

static void
check_breach(const struct breach *breach, bool drips)
{
	const struct buf bytes = { .data = (char *)breach->bytes,
		.len = breach->len };
	struct room room;
	struct client *client;
	struct websocket *socket;
	char more[4096];

	memset(more, 'x', sizeof(more));
	room_open(&room);
	socket = open_socket(&room, &client);
	ck_assert(websocket_send(socket, "before", 6, LIMIT));
	send_buf(&room, client, &bytes, drips);
	expect_frame(&room, client, TEXT, "before", 6);
	ROOM_UNTIL(&room, room.gone_count == 1);
	ck_assert(!websocket_send(socket, "after", 5, LIMIT));
	websocket_close(&socket, WEBSOCKET_NORMAL);
	for (int i = 0; i < 100; i++) /* it does not stop at once */
		client_send(&room, client, more, sizeof(more));
	expect_close(&room, client, breach->code);
	client_await_close(&room, client);
	ck_assert(!client->is_reset);
	client_free(&client);
	ROOM_UNTIL(&room, http_server_pending(room.server) == 0);
	room_close(&room);
}

START_TEST(a_breach_of_the_rules_is_closed_with_its_code)
{
	const struct breach *breach = &breaches[_i / 2];

	check_breach(breach, _i % 2 == 1);
}
END_TEST

START_TEST(fragments_that_add_up_to_too_much_are_too_big)
{
	struct room room;
	struct client *client;
	struct websocket *socket;
	char piece[30000];

	memset(piece, 'x', sizeof(piece));
	room_open(&room);
	socket = open_socket(&room, &client);
	send_frame(&room, client, BINARY, piece, sizeof(piece));
	send_frame(&room, client, 0, piece, sizeof(piece));
	room_turn(&room);
	ck_assert_int_eq(room.gone_count, 0);
	send_frame(&room, client, 0, piece, sizeof(piece));
	expect_close(&room, client, 1009);
	ROOM_UNTIL(&room, room.gone_count == 1);
	websocket_close(&socket, WEBSOCKET_NORMAL);
	client_await_close(&room, client);
	ck_assert(!client->is_reset);
	client_free(&client);
	ROOM_UNTIL(&room, http_server_pending(room.server) == 0);
	room_close(&room);
}
END_TEST

/* ---- ends ---- */

START_TEST(a_peer_that_says_goodbye_is_answered)
{
	static const struct {
		const char *payload;
		size_t len;
		int code; /* 0: none */
	} rows[] = { { "\x03\xe8", 2, 1000 },
		{ "\x03\xe9"
		  "bye",
		    5, 1001 },
		{ "\x0f\xa0", 2, 4000 }, { "", 0, 0 } };
	struct room room;

	room_open(&room);
	for (int i = 0; i < 4; i++) {
		struct client *client;
		struct websocket *socket = open_socket(&room, &client);

		send_frame(&room, client, FIN | CLOSE, rows[i].payload,
		    rows[i].len);
		if (rows[i].code != 0)
			expect_close(&room, client, rows[i].code);
		else
			expect_frame(&room, client, CLOSE, "", 0);
		ROOM_UNTIL(&room, room.gone_count == i + 1);
		websocket_close(&socket, WEBSOCKET_NORMAL);
		client_await_close(&room, client);
		ck_assert(!client->is_reset);
		client_free(&client);
		ROOM_UNTIL(&room, http_server_pending(room.server) == 0);
	}
	room_close(&room);
}
END_TEST

START_TEST(a_goodbye_that_is_not_answered_is_not_waited_for_long)
{
	struct room room;
	struct client *client;
	struct websocket *socket;

	room_open_with(&room, &room_impatient);
	socket = open_socket(&room, &client);
	websocket_close(&socket, WEBSOCKET_GOING_AWAY);
	expect_close(&room, client, 1001);
	ck_assert_uint_eq(http_server_pending(room.server), 1);
	ROOM_UNTIL(&room, http_server_pending(room.server) == 0);
	client_await_close(&room, client);
	ck_assert_int_eq(room.gone_count, 0);
	client_free(&client);
	room_close(&room);
}
END_TEST

START_TEST(a_peer_that_vanishes_is_told_once)
{
	struct room room;
	struct client *client;

	room_open(&room);
	for (int i = 0; i < 4; i++) {
		struct websocket *socket = open_socket(&room, &client);

		if (i >= 2) /* with half a frame behind it */
			client_send(&room, client, "\x81\xfe", 2);
		room_turn(&room);
		if (i % 2 == 0)
			client_free(&client);
		else
			client_reset(&client);
		ROOM_UNTIL(&room, room.gone_count == i + 1);
		room_turn(&room);
		ck_assert(!websocket_send(socket, "x", 1, LIMIT));
		ck_assert(!websocket_ping(socket, LIMIT));
		websocket_close(&socket, WEBSOCKET_NORMAL);
		ck_assert_ptr_null(socket);
		ck_assert_int_eq(room.gone_count, i + 1);
		ck_assert_int_eq(room.gate.connections, 0);
	}
	room_close(&room);
}
END_TEST

START_TEST(a_slow_reader_is_cut)
{
	struct room room;
	struct client *client;
	struct websocket *socket;
	char text[32768];
	int sent = 0;

	memset(text, 'x', sizeof(text));
	room_open(&room);
	socket = open_socket(&room, &client);
	while (websocket_send(socket, text, sizeof(text), 65536)) {
		ck_assert_int_lt(++sent, 1000);
		room_turn(&room);
	}
	ck_assert(!websocket_send(socket, "x", 1, 65536));
	ROOM_UNTIL(&room, room.gone_count == 1);
	websocket_close(&socket, WEBSOCKET_NORMAL);
	ck_assert_int_eq(room.gate.connections, 0);
	client_free(&client);
	room_close(&room);
}
END_TEST

START_TEST(who_pings_without_reading_is_not_read)
{
	enum { FLOOD = 64 << 20 };
	struct room room;
	struct client *client;
	struct websocket *socket;
	struct buf frames;
	size_t sent = 0;
	size_t answers;
	char payload[125] = "";

	buf_init(&frames, 1 << 20);
	for (int i = 0; i < 100; i++)
		put_frame(&frames, FIN | PING, payload, sizeof(payload));
	room_open(&room);
	socket = open_socket(&room, &client);
	for (int idle = 0; idle < 100; idle++) {
		size_t at = sent % frames.len;
		ssize_t n = send(client->fd, frames.data + at, frames.len - at,
		    MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			sent += (size_t)n;
			idle = 0;
		}
		ck_assert_uint_lt(sent, FLOOD); /* the kernel's buffers fill */
		ck_assert_uint_lt(websocket_unsent(socket), 1 << 20);
		room_turn(&room);
	}
	ck_assert_int_eq(room.gone_count, 0);
	answers = sent / (sizeof(payload) + 6) * (sizeof(payload) + 2);
	ROOM_UNTIL(&room, (client_read(client), client->len >= answers));
	ck_assert_uint_eq(client->len, answers);
	for (size_t at = 0; at < answers; at += sizeof(payload) + 2)
		ck_assert_int_eq(memcmp(client->in + at, "\x8a\x7d\0", 3), 0);
	client_reset(&client);
	ROOM_UNTIL(&room, room.gone_count == 1);
	websocket_close(&socket, WEBSOCKET_NORMAL);
	buf_free(&frames);
	room_close(&room);
}
END_TEST

START_TEST(who_does_not_wait_for_the_handshake_cannot_have_a_socket)
{
	static const char *const requests[] = { HANDSHAKE "\x81\x80zzzz",
		HANDSHAKE "GET / HTTP/1.1" };
	struct room room;

	room_open(&room);
	for (int i = 0; i < 2; i++) {
		struct client *client = client_holding(&room, requests[i]);

		ck_assert_ptr_null(
		    websocket_take(&room.held[i], room_gone, &room));
		ck_assert_ptr_nonnull(room.held[i]);
		room_answer(&room, i, "no");
		client_check_body(&room, client, "no");
		client_free(&client);
	}
	ck_assert_int_eq(room.gone_count, 0);
	room_close(&room);
}
END_TEST

START_TEST(the_server_may_die_first)
{
	struct room room;
	struct client *clients[4];
	struct websocket *sockets[4];

	room_open(&room);
	for (int i = 0; i < 4; i++)
		sockets[i] = open_socket(&room, &clients[i]);
	websocket_close(&sockets[0], WEBSOCKET_NORMAL); /* not answered */
	client_send(&room, clients[1], "\x81\xfe", 2);  /* half a frame */
	for (int i = 0; i < 5; i++)
		room_turn(&room);
	http_server_free(&room.server);
	ck_assert_int_eq(room.gone_count, 3);
	for (int i = 1; i < 4; i++) {
		ck_assert(!websocket_send(sockets[i], "x", 1, LIMIT));
		websocket_close(&sockets[i], WEBSOCKET_NORMAL);
	}
	for (int i = 0; i < 4; i++)
		client_free(&clients[i]);
	room_close(&room);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("websocket");
	TCase *tcase = tcase_create("websocket");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_handshake_is_told_from_other_requests);
	tcase_add_test(tcase, messages_of_any_length_arrive_whole);
	tcase_add_test(tcase,
	    what_a_client_says_is_thrown_away_and_its_pings_are_answered);
	tcase_add_test(tcase,
	    what_we_say_may_come_between_the_pieces_of_a_frame);
	tcase_add_loop_test(tcase,
	    a_breach_of_the_rules_is_closed_with_its_code, 0, BREACHES * 2);
	tcase_add_test(tcase, fragments_that_add_up_to_too_much_are_too_big);
	tcase_add_test(tcase, a_peer_that_says_goodbye_is_answered);
	tcase_add_test(tcase,
	    a_goodbye_that_is_not_answered_is_not_waited_for_long);
	tcase_add_test(tcase, a_peer_that_vanishes_is_told_once);
	tcase_add_test(tcase, a_slow_reader_is_cut);
	tcase_add_test(tcase, who_pings_without_reading_is_not_read);
	tcase_add_test(tcase,
	    who_does_not_wait_for_the_handshake_cannot_have_a_socket);
	tcase_add_test(tcase, the_server_may_die_first);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
