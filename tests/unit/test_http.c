/* test_http.c - connections, replies, streams and all the ways they end. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "callbackd/clock.h"
#include "callbackd/text.h"
#include "http_room.h"

#define GET_HOLD "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_X "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"

/* Sends a request and waits until the handler holds it. */
static struct client *
client_holding(struct room *room, const char *request)
{
	struct client *client = client_new(room);
	int before = room->held_count;

	client_say(room, client, request);
	ROOM_UNTIL(room, room->held_count > before);
	return client;
}

static void
check_body(struct room *room, struct client *client, const char *body)
{
	struct response response;

	client_await(room, client, false, &response);
	ck_assert_int_eq(response.status, 200);
	ck_assert_str_eq(response.body, body);
	response_free(&response);
}

static void
check_status(struct room *room, struct client *client, int status)
{
	struct response response;

	client_await(room, client, false, &response);
	ck_assert_int_eq(response.status, status);
	response_free(&response);
}

/* ---- requests ---- */

START_TEST(a_request_shows_its_method_target_fields_and_peer)
{
	struct room room;
	struct client *client;

	room_open(&room);
	client = client_holding(&room,
	    "PATCH /hold/%41?b=c HTTP/1.1\r\nHost: a\r\nX-One:\t 1 \r\n"
	    "x-one: 2\r\nEmpty:\r\n\r\n");
	ck_assert_str_eq(http_method(room.held[0]), "PATCH");
	ck_assert_str_eq(http_target(room.held[0]), "/hold/%41?b=c");
	ck_assert_str_eq(http_header(room.held[0], "x-ONE"), "1");
	ck_assert_str_eq(http_header(room.held[0], "empty"), "");
	ck_assert_ptr_null(http_header(room.held[0], "absent"));
	ck_assert_str_eq(http_peer(room.held[0]), "127.0.0.1");
	ck_assert_uint_eq(http_body_len(room.held[0]), 0);
	client_free(&client);
	room_close(&room);
}
END_TEST

static void
add_line(const char *name, const char *value, void *arg)
{
	buf_printf(arg, "%s=%s;", name, value);
}

START_TEST(fields_are_told_in_order_repeated_ones_too)
{
	struct room room;
	struct client *client;
	struct buf lines;

	room_open(&room);
	buf_init(&lines, 1000);
	client = client_holding(&room,
	    "GET /hold HTTP/1.1\r\nHost: a\r\nB: 1\r\nA:\t2\r\nB: 3\r\n\r\n");
	http_each_header(room.held[0], add_line, &lines);
	ck_assert_str_eq(buf_text(&lines), "Host=a;B=1;A=2;B=3;");
	buf_free(&lines);
	client_free(&client);
	room_close(&room);
}
END_TEST

/* A body that is too long for one read of libevent's, of any framing. */
static void
check_big_body(bool is_chunked)
{
	enum { SIZE = 1 << 20, PIECE = 1000 };
	struct room room;
	struct client *client;
	struct blob *body;
	char *bytes = malloc(SIZE);
	char line[128];

	for (int i = 0; i < SIZE; i++)
		bytes[i] = (char)(i * 7 + i / 256);
	room_open(&room);
	client = client_new(&room);
	snprintf(line, sizeof(line),
	    "PUT /hold HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n",
	    is_chunked ? "Transfer-Encoding: chunked"
		       : "Content-Length: 1048576");
	client_say(&room, client, line);
	for (int at = 0; is_chunked && at < SIZE; at += PIECE) {
		int len = SIZE - at < PIECE ? SIZE - at : PIECE;

		snprintf(line, sizeof(line), "%x;i=%d\r\n", (unsigned)len, at);
		client_say(&room, client, line);
		client_send(&room, client, bytes + at, (size_t)len);
		client_say(&room, client, "\r\n");
	}
	if (is_chunked)
		client_say(&room, client, "0\r\n\r\n");
	else
		client_send(&room, client, bytes, SIZE);
	ROOM_UNTIL(&room, room.held_count == 1);
	ck_assert_int_eq(room.gate.body_bytes, SIZE);
	ck_assert_uint_eq(http_body_len(room.held[0]), SIZE);
	for (int i = 0; i < 2; i++) { /* each gets a holder of its own */
		body = http_body(room.held[0]);
		ck_assert_uint_eq(blob_len(body), SIZE);
		ck_assert_int_eq(memcmp(blob_data(body), bytes, SIZE), 0);
		if (i == 0)
			blob_unref(&body);
	}
	room_answer(&room, 0, "ok");
	ck_assert_int_eq(room.gate.body_bytes, 0);
	ck_assert_int_eq(memcmp(blob_data(body), bytes, SIZE), 0);
	blob_unref(&body);
	check_body(&room, client, "ok");
	client_free(&client);
	room_close(&room);
	free(bytes);
}

START_TEST(a_big_body_arrives_as_one_blob)
{
	check_big_body(false);
}
END_TEST

START_TEST(a_big_body_in_chunks_arrives_as_one_blob)
{
	check_big_body(true);
}
END_TEST

START_TEST(a_connection_serves_many_requests)
{
	struct room room;
	struct client *client;

	room_open(&room);
	client = client_new(&room);
	for (int i = 0; i < 50; i++) {
		client_say(&room, client,
		    "POST /x HTTP/1.1\r\nHost: a\r\n"
		    "Content-Length: 3\r\n\r\nabc");
		check_body(&room, client, "POST /x abc");
	}
	ck_assert_int_eq(room.gate.accepted, 1);
	client_free(&client);
	room_close(&room);
}
END_TEST

START_TEST(pipelined_requests_are_answered_in_order_one_at_a_time)
{
	struct room room;
	struct client *client;

	room_open(&room);
	client = client_holding(&room,
	    "GET /hold/1 HTTP/1.1\r\nHost: a\r\n\r\n"
	    "GET /hold/2 HTTP/1.1\r\nHost: a\r\n\r\n" GET_X);
	for (int i = 0; i < 20; i++)
		room_turn(&room);
	ck_assert_int_eq(room.held_count, 1);
	room_answer(&room, 0, "one");
	check_body(&room, client, "one");
	ROOM_UNTIL(&room, room.held_count == 2);
	ck_assert_str_eq(http_target(room.held[1]), "/hold/2");
	room_answer(&room, 1, "two");
	check_body(&room, client, "two");
	check_body(&room, client, "GET /x ");
	client_free(&client);
	room_close(&room);
}
END_TEST

START_TEST(a_body_is_asked_for_only_if_it_will_be_taken)
{
	struct room room;
	struct client *client;

	room_open(&room);
	client = client_new(&room);
	client_say(&room, client,
	    "POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
	    "Content-Length: 3\r\n\r\n");
	check_status(&room, client, 100);
	client_say(&room, client, "abc");
	check_body(&room, client, "POST /x abc");
	client_say(&room, client,
	    "POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
	    "Content-Length: 99999999\r\n\r\n");
	check_status(&room, client, 413);
	client_await_close(&room, client);
	client_free(&client);
	room_close(&room);
}
END_TEST

START_TEST(chunks_are_asked_for_too)
{
	struct room room;
	struct client *client;

	room_open(&room);
	client = client_new(&room);
	client_say(&room, client,
	    "POST /hold HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n");
	check_status(&room, client, 100);
	client_say(&room, client, "3\r\nabc\r\n0\r\n\r\n");
	ROOM_UNTIL(&room, room.held_count == 1);
	room_answer(&room, 0, "not in chunks");
	check_body(&room, client, "not in chunks");
	client_free(&client);
	room_close(&room);
}
END_TEST

START_TEST(a_unix_socket_works_and_its_peer_is_unix)
{
	struct room room;
	struct client *client;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char folder[] = "/tmp/test_http_XXXXXX";
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", folder);
	ck_assert_int_eq(
	    bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 5), 0);
	room_open(&room);
	ck_assert(http_server_listen(room.server, fd));
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(
	    connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	client = client_of(fd);
	client_say(&room, client, GET_HOLD);
	ROOM_UNTIL(&room, room.held_count == 1);
	ck_assert_str_eq(http_peer(room.held[0]), "unix");
	room_answer(&room, 0, "ok");
	check_body(&room, client, "ok");
	client_free(&client);
	room_close(&room);
	unlink(address.sun_path);
	rmdir(folder);
}
END_TEST

/* ---- replies ---- */

/* Answers GET or HEAD /hold with this reply and gives the response. */
static void
ask(const char *request, const struct http_reply *reply,
    struct response *response_out)
{
	struct room room;
	struct client *client;

	room_open(&room);
	client = client_holding(&room, request);
	http_answer(&room.held[0], reply);
	client_await(&room, client, strncmp(request, "HEAD", 4) == 0,
	    response_out);
	client_say(&room, client, GET_X); /* nothing was left over */
	check_body(&room, client, "GET /x ");
	client_free(&client);
	room_close(&room);
}

START_TEST(a_head_request_gets_the_length_but_no_body)
{
	struct http_reply reply = { .status = 200, .body = "abc", .body_len = 3 };
	struct response response;

	ask("HEAD /hold HTTP/1.1\r\nHost: a\r\n\r\n", &reply, &response);
	ck_assert(response_has(&response, "Content-Length: 3"));
	ck_assert_ptr_null(strstr(response.head, "Content-Type"));
	response_free(&response);
}
END_TEST

START_TEST(a_204_and_a_304_have_neither_body_nor_length)
{
	struct http_reply reply = { .body = "abc", .body_len = 3 };
	struct response response;

	for (reply.status = 204; reply.status <= 304; reply.status += 100) {
		ask(GET_HOLD, &reply, &response);
		ck_assert_int_eq(response.status, reply.status);
		ck_assert_ptr_null(strstr(response.head, "Content-Length"));
		response_free(&response);
	}
}
END_TEST

START_TEST(an_empty_reply_says_so)
{
	struct http_reply reply = { .status = 202 };
	struct response response;

	ask(GET_HOLD, &reply, &response);
	ck_assert(response_has(&response, "Content-Length: 0"));
	ck_assert_ptr_eq(strstr(response.head, "HTTP/1.1 202 Accepted\r\n"),
	    response.head);
	response_free(&response);
}
END_TEST

START_TEST(fields_are_sent_but_framing_is_ours)
{
	struct headers headers;
	struct http_reply reply = { .status = 418,
		.content_type = "text/x",
		.headers = &headers,
		.body = "abc",
		.body_len = 3 };
	struct response response;

	headers_init(&headers);
	headers_add(&headers, "Location", "/v1/jobs/1");
	headers_add(&headers, "content-length", "99");
	headers_add(&headers, "Transfer-Encoding", "chunked");
	headers_add(&headers, "Connection", "close");
	headers_add(&headers, "X", "");
	headers_add(&headers, "date", "then");
	ask(GET_HOLD, &reply, &response);
	ck_assert_ptr_eq(strstr(response.head, "HTTP/1.1 418 Client Error\r\n"),
	    response.head);
	ck_assert(response_has(&response, "Location: /v1/jobs/1"));
	ck_assert(response_has(&response, "Content-Type: text/x"));
	ck_assert(response_has(&response, "Content-Length: 3"));
	ck_assert(response_has(&response, "X: "));
	ck_assert(response_has(&response, "date: then"));
	ck_assert_ptr_null(strstr(response.head, "99"));
	ck_assert_ptr_null(strstr(response.head, "Connection"));
	ck_assert_ptr_null(strstr(response.head, "chunked"));
	ck_assert_ptr_null(strstr(response.head, "Date"));
	response_free(&response);
	headers_free(&headers);
}
END_TEST

START_TEST(a_reply_has_a_date)
{
	struct http_reply reply = { .status = 200 };
	struct response response;
	const char *date;
	int64_t at_ms;
	char text[64];

	ask(GET_HOLD, &reply, &response);
	date = strstr(response.head, "\r\nDate: ");
	ck_assert_ptr_nonnull(date);
	ck_assert_int_eq(sscanf(date, "\r\nDate: %60[^\r]", text), 1);
	ck_assert(text_http_date(text, &at_ms));
	ck_assert_int_le(llabs(clock_wall_ms() - at_ms), 10000);
	response_free(&response);
}
END_TEST

START_TEST(a_kept_http_1_0_connection_is_told_so)
{
	struct room room;
	struct client *client;
	struct response response;

	room_open(&room);
	client = client_new(&room);
	for (int i = 0; i < 2; i++) {
		client_say(&room, client,
		    "GET /x HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
		client_await(&room, client, false, &response);
		ck_assert(response_has(&response, "Connection: keep-alive"));
		response_free(&response);
	}
	client_say(&room, client, "GET /x HTTP/1.0\r\n\r\n");
	client_await(&room, client, false, &response);
	ck_assert(response_has(&response, "Connection: close"));
	response_free(&response);
	client_await_close(&room, client);
	client_free(&client);
	room_close(&room);
}
END_TEST

/* Answers with a blob that no socket buffer takes at once. */
static void
answer_big(struct room *room, int index, size_t len)
{
	char *bytes = malloc(len);
	struct http_reply reply = { .status = 200 };

	memset(bytes, 'b', len);
	reply.blob = blob_new(bytes, len);
	http_answer(&room->held[index], &reply);
	blob_unref(&reply.blob); /* the reply has its own holder */
	free(bytes);
}

START_TEST(a_big_blob_is_sent_to_a_slow_reader_in_full)
{
	enum { SIZE = 16 << 20 };
	struct room room;
	struct client *client;
	struct response response;

	room_open(&room);
	client = client_holding(&room, GET_HOLD);
	answer_big(&room, 0, SIZE);
	for (int i = 0; i < 20; i++)
		room_turn(&room);
	client_await(&room, client, false, &response);
	ck_assert_uint_eq(response.body_len, SIZE);
	ck_assert_uint_eq(strspn(response.body, "b"), SIZE);
	response_free(&response);
	client_say(&room, client, GET_X);
	check_body(&room, client, "GET /x ");
	client_free(&client);
	room_close(&room);
}
END_TEST

START_TEST(a_half_closed_peer_gets_its_whole_reply)
{
	enum { SIZE = 16 << 20 };
	struct room room;
	struct client *client;
	struct response response;

	room_open(&room);
	client = client_holding(&room, GET_HOLD);
	shutdown(client->fd, SHUT_WR);
	for (int i = 0; i < 5; i++)
		room_turn(&room);
	answer_big(&room, 0, SIZE);
	client_await(&room, client, false, &response);
	ck_assert_uint_eq(response.body_len, SIZE);
	response_free(&response);
	client_await_close(&room, client);
	ck_assert(!client->is_reset);
	client_free(&client);
	room_close(&room);
}
END_TEST

START_TEST(a_dropped_request_closes_without_an_answer)
{
	struct room room;
	struct client *client;

	room_open(&room);
	client = client_holding(&room, GET_HOLD);
	http_drop(&room.held[0]);
	ck_assert_ptr_null(room.held[0]);
	client_await_close(&room, client);
	ck_assert_uint_eq(client->len, 0);
	ck_assert_uint_eq(http_server_pending(room.server), 0);
	client_free(&client);
	room_close(&room);
}
END_TEST

/* ---- late replies ---- */

struct letter {
	struct mail mail;
	struct loop *loop;
};

static void
open_letter(struct mail *mail, void *arg)
{
	struct room *room = arg;

	(void)mail;
	room_answer(room, 0, "by mail");
}

static void *
write_letter(void *arg)
{
	struct letter *letter = arg;

	loop_post(letter->loop, &letter->mail);
	return NULL;
}

START_TEST(an_answer_may_come_by_mail_from_another_thread)
{
	struct room room;
	struct client *client;
	struct letter letter = { .mail = { .open = open_letter } };
	pthread_t thread;

	room_open(&room);
	client = client_holding(&room, GET_HOLD);
	ck_assert_uint_eq(http_server_pending(room.server), 1);
	letter.loop = room.loop;
	pthread_create(&thread, NULL, write_letter, &letter);
	check_body(&room, client, "by mail");
	ck_assert_uint_eq(http_server_pending(room.server), 0);
	pthread_join(thread, NULL);
	client_free(&client);
	room_close(&room);
}
END_TEST

START_TEST(an_answer_to_a_peer_that_is_gone_goes_nowhere)
{
	struct room room;
	struct client *client;

	room_open(&room);
	for (int i = 0; i < 4; i++) {
		client = client_holding(&room, GET_HOLD);
		if (i % 2 == 0)
			client_free(&client);
		else
			client_reset(&client);
		room_turn(&room);
		if (i < 2)
			room_answer(&room, i, "too late");
		else
			answer_big(&room, i, 8 << 20);
	}
	ROOM_UNTIL(&room, room.gate.connections == 0);
	room_close(&room);
}
END_TEST

/* ---- watching ---- */

START_TEST(a_watched_request_hears_that_its_peer_is_gone_once)
{
	struct room room;
	struct client *client;

	room_open(&room);
	for (int i = 0; i < 4; i++) {
		client = client_holding(&room,
		    "POST /hold HTTP/1.1\r\nHost: a\r\n"
		    "Content-Length: 4\r\n\r\nbody");
		http_watch(room.held[i], room_gone, &room);
		if (i % 2 == 0)
			client_free(&client);
		else
			client_reset(&client);
		ROOM_UNTIL(&room, room.gone_count == i + 1);
		room_turn(&room);
		ck_assert_int_eq(room.gone_count, i + 1);
		ck_assert_str_eq(http_target(room.held[i]), "/hold");
		ck_assert_uint_eq(http_body_len(room.held[i]), 4);
		ck_assert_str_eq(http_peer(room.held[i]), "127.0.0.1");
	}
	ck_assert_int_eq(room.gate.body_bytes, 16);
	room_answer(&room, 0, "nobody");
	http_drop(&room.held[1]);
	ck_assert_uint_eq(http_server_pending(room.server), 2);
	room_close(&room);
}
END_TEST

START_TEST(a_watched_request_can_be_answered_and_the_connection_goes_on)
{
	struct room room;
	struct client *client;

	room_open(&room);
	client = client_holding(&room, GET_HOLD);
	http_watch(room.held[0], room_gone, &room);
	client_say(&room, client, GET_X GET_HOLD GET_X);
	for (int i = 0; i < 10; i++)
		room_turn(&room);
	ck_assert_int_eq(room.handled, 1);
	room_answer(&room, 0, "first");
	check_body(&room, client, "first");
	check_body(&room, client, "GET /x ");
	ROOM_UNTIL(&room, room.held_count == 2);
	http_watch(room.held[1], room_gone, &room);
	room_answer(&room, 1, "second");
	check_body(&room, client, "second");
	check_body(&room, client, "GET /x ");
	ck_assert_int_eq(room.gone_count, 0);
	client_free(&client);
	room_close(&room);
}
END_TEST

START_TEST(a_watched_request_ended_before_it_was_told_is_not_told)
{
	struct room room;
	struct client *client;

	room_open(&room);
	client = client_holding(&room, GET_HOLD);
	client_reset(&client);
	ROOM_UNTIL(&room, !room_is_late(clock_mono_ms()));
	http_watch(room.held[0], room_gone, &room);
	http_drop(&room.held[0]);
	room_turn(&room);
	ck_assert_int_eq(room.gone_count, 0);
	room_close(&room);
}
END_TEST

START_TEST(what_a_watched_peer_sends_ahead_is_bounded)
{
	enum { FLOOD = 8 << 20 };
	struct room room;
	struct client *client;
	char piece[4096];
	size_t sent = 0;

	memset(piece, 'x', sizeof(piece));
	room_open(&room);
	client = client_holding(&room, GET_HOLD);
	http_watch(room.held[0], room_gone, &room);
	client_say(&room, client,
	    "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n");
	for (int idle = 0; idle < 100; idle++) {
		ssize_t n = send(client->fd, piece, sizeof(piece),
		    MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			sent += (size_t)n;
			idle = 0;
		}
		ck_assert_uint_lt(sent, FLOOD); /* the kernel's buffers fill */
		room_turn(&room);
	}
	room_answer(&room, 0, "ok");
	check_body(&room, client, "ok");
	client_free(&client);
	room_close(&room);
}
END_TEST

START_TEST(garbage_sent_during_a_watch_is_refused_after_the_answer)
{
	struct room room;
	struct client *client;

	room_open(&room);
	client = client_holding(&room, GET_HOLD);
	http_watch(room.held[0], room_gone, &room);
	client_say(&room, client, "\001garbage");
	room_turn(&room);
	for (int i = 0; i < 100; i++) {
		client_say(&room, client, "more of it, more of it, more of it");
		room_turn(&room);
	}
	room_answer(&room, 0, "ok");
	check_body(&room, client, "ok");
	check_status(&room, client, 400);
	client_await_close(&room, client);
	ck_assert(!client->is_reset);
	ck_assert_int_eq(room.gone_count, 0);
	client_free(&client);
	room_close(&room);
}
END_TEST

/* ---- streams ---- */

static const struct http_reply stream_head = { .status = 200,
	.content_type = "text/event-stream" };

static bool
stream_say(struct room *room, int index, const char *text)
{
	return http_stream_write(room->held[index], text, strlen(text), 65536);
}

START_TEST(a_stream_arrives_piece_by_piece_and_ends_in_good_order)
{
	struct room room;
	struct client *client;
	struct response response;

	room_open(&room);
	client = client_holding(&room, GET_HOLD);
	http_stream(room.held[0], &stream_head, room_gone, &room);
	ck_assert(stream_say(&room, 0, "one,"));
	ROOM_UNTIL(&room,
	    (client_read(client),
		client->in && strstr(client->in, "\r\n\r\n4\r\none,\r\n")));
	ck_assert(stream_say(&room, 0, ""));
	ck_assert(stream_say(&room, 0, "two"));
	http_stream_end(&room.held[0]);
	ck_assert_ptr_null(room.held[0]);
	client_await(&room, client, false, &response);
	ck_assert_str_eq(response.body, "one,two");
	ck_assert_ptr_null(strstr(response.head, "Content-Length"));
	response_free(&response);
	client_say(&room, client, GET_X);
	check_body(&room, client, "GET /x ");
	ck_assert_int_eq(room.gone_count, 0);
	client_free(&client);
	room_close(&room);
}
END_TEST

START_TEST(a_stream_to_http_1_0_ends_with_the_connection)
{
	struct room room;
	struct client *client;
	struct response response;

	room_open(&room);
	client = client_holding(&room,
	    "GET /hold HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	http_stream(room.held[0], &stream_head, room_gone, &room);
	ck_assert(stream_say(&room, 0, "one,"));
	ck_assert(stream_say(&room, 0, "two"));
	http_stream_end(&room.held[0]);
	client_await_close(&room, client);
	client_await(&room, client, false, &response);
	ck_assert_str_eq(response.body, "one,two");
	ck_assert(response_has(&response, "Connection: close"));
	response_free(&response);
	client_free(&client);
	room_close(&room);
}
END_TEST

START_TEST(a_stream_to_a_head_request_is_its_head)
{
	struct room room;
	struct client *client;
	struct response response;

	room_open(&room);
	client = client_holding(&room,
	    "HEAD /hold HTTP/1.1\r\nHost: a\r\n\r\n");
	http_stream(room.held[0], &stream_head, room_gone, &room);
	ck_assert(stream_say(&room, 0, "one"));
	http_stream_end(&room.held[0]);
	client_await(&room, client, true, &response);
	response_free(&response);
	client_say(&room, client, GET_X);
	check_body(&room, client, "GET /x ");
	client_free(&client);
	room_close(&room);
}
END_TEST

/* evhttp remembers what to do when all is written; a stream that follows a
 * reply that was too big for the socket must not run into that. */
START_TEST(a_stream_after_a_big_reply_is_not_ended_by_it)
{
	struct room room;
	struct client *client;
	struct response response;

	room_open(&room);
	client = client_holding(&room, GET_HOLD);
	answer_big(&room, 0, 8 << 20);
	client_await(&room, client, false, &response);
	response_free(&response);
	client_say(&room, client, GET_HOLD);
	ROOM_UNTIL(&room, room.held_count == 2);
	http_stream(room.held[1], &stream_head, room_gone, &room);
	for (int i = 0; i < 64; i++) {
		char big[65536];

		memset(big, 'b', sizeof(big));
		ck_assert(http_stream_write(room.held[1], big, sizeof(big),
		    64 << 20));
	}
	ROOM_UNTIL(&room,
	    (client_read(client), client->len > (size_t)64 * 65536));
	for (int i = 0; i < 5; i++)
		room_turn(&room);
	ck_assert(stream_say(&room, 1, "end"));
	http_stream_end(&room.held[1]);
	client_await(&room, client, false, &response);
	ck_assert_uint_eq(response.body_len, 64 * 65536 + 3);
	response_free(&response);
	client_free(&client);
	room_close(&room);
}
END_TEST

START_TEST(a_stream_whose_peer_is_gone_is_told)
{
	struct room room;
	struct client *client;

	room_open(&room);
	for (int i = 0; i < 2; i++) {
		client = client_holding(&room, GET_HOLD);
		http_stream(room.held[i], &stream_head, room_gone, &room);
		ck_assert(stream_say(&room, i, "one"));
		if (i == 0)
			client_free(&client);
		else
			client_reset(&client);
		ROOM_UNTIL(&room, room.gone_count == i + 1);
		ck_assert(!stream_say(&room, i, "two"));
		http_stream_end(&room.held[i]);
	}
	ck_assert_int_eq(room.gate.connections, 0);
	room_close(&room);
}
END_TEST

START_TEST(a_stream_to_a_slow_reader_is_cut)
{
	struct room room;
	struct client *client;
	char piece[32768];
	int written = 0;

	memset(piece, 'x', sizeof(piece));
	room_open(&room);
	client = client_holding(&room, GET_HOLD);
	http_stream(room.held[0], &stream_head, room_gone, &room);
	while (http_stream_write(room.held[0], piece, sizeof(piece), 65536)) {
		ck_assert_int_lt(++written, 1000);
		room_turn(&room);
	}
	ck_assert(!stream_say(&room, 0, "more"));
	ROOM_UNTIL(&room, room.gone_count == 1);
	http_stream_end(&room.held[0]);
	client_await_close(&room, client);
	client_free(&client);
	room_close(&room);
}
END_TEST

START_TEST(a_cut_stream_may_end_before_it_is_told)
{
	struct room room;
	struct client *client;
	char piece[32768];

	memset(piece, 'x', sizeof(piece));
	room_open(&room);
	client = client_holding(&room, GET_HOLD);
	http_stream(room.held[0], &stream_head, room_gone, &room);
	while (http_stream_write(room.held[0], piece, sizeof(piece), 65536))
		room_turn(&room);
	http_stream_end(&room.held[0]);
	room_turn(&room);
	ck_assert_int_eq(room.gone_count, 0);
	ck_assert_int_eq(room.gate.connections, 0);
	client_free(&client);
	room_close(&room);
}
END_TEST

START_TEST(a_stream_that_starts_too_late_is_told_too)
{
	struct room room;
	struct client *client;

	room_open(&room);
	client = client_holding(&room, GET_HOLD);
	client_reset(&client);
	http_stream(room.held[0], &stream_head, room_gone, &room);
	ROOM_UNTIL(&room, room.gone_count == 1);
	ck_assert(!stream_say(&room, 0, "x"));
	room_close(&room);
}
END_TEST

/* ---- refusals ---- */

START_TEST(a_refusal_is_a_problem_document)
{
	struct room room;
	struct client *client;
	struct response response;

	room_open(&room);
	client = client_new(&room);
	client_say(&room, client, "GET //evil HTTP/1.1\r\nHost: a\r\n\r\n");
	client_await(&room, client, false, &response);
	ck_assert_str_eq(response.body,
	    "{\"type\":\"urn:callbackd:problem:bad-request\","
	    "\"title\":\"Bad Request\",\"status\":400,"
	    "\"detail\":\"The path of the target begins with two slashes.\"}");
	ck_assert(
	    response_has(&response, "Content-Type: application/problem+json"));
	ck_assert_ptr_nonnull(strstr(response.head, "\r\nDate: "));
	response_free(&response);
	client_await_close(&room, client);
	client_free(&client);
	room_close(&room);
}
END_TEST

START_TEST(a_refused_peer_that_goes_on_sending_still_reads_the_answer)
{
	struct room room;
	struct client *client;
	char *body = calloc(1, 8 << 20);

	room_open(&room);
	client = client_new(&room);
	client_say(&room, client,
	    "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 8388608\r\n\r\n");
	client_send(&room, client, body, 8 << 20);
	check_status(&room, client, 413);
	client_await_close(&room, client);
	ck_assert(!client->is_reset);
	client_free(&client);
	ROOM_UNTIL(&room, room.gate.connections == 0);
	room_close(&room);
	free(body);
}
END_TEST

START_TEST(a_refused_peer_that_never_stops_is_cut)
{
	struct room room;
	struct client *client;
	char *body = calloc(1, 1 << 20);
	int64_t since_ms = clock_mono_ms();

	room_open(&room);
	client = client_new(&room);
	client_say(&room, client,
	    "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n");
	while (room.gate.connections > 0 || room.gate.accepted == 0) {
		ck_assert(!room_is_late(since_ms));
		client_send(&room, client, body, 1 << 20);
		room_turn(&room);
	}
	client_free(&client);
	room_close(&room);
	free(body);
}
END_TEST

START_TEST(a_refused_peer_that_never_closes_is_cut)
{
	struct room room;
	struct client *client;

	room_open(&room);
	client = client_new(&room);
	client_say(&room, client, "garbage\r\n");
	check_status(&room, client, 400);
	client_await_close(&room, client);
	ck_assert_int_eq(room.gate.connections, 1);
	ROOM_UNTIL(&room, room.gate.connections == 0);
	client_free(&client);
	room_close(&room);
}
END_TEST

START_TEST(a_refusal_waits_for_the_answer_to_the_request_before)
{
	struct room room;
	struct client *client;

	room_open(&room);
	client = client_holding(&room, GET_HOLD "get");
	client_say(&room, client, " / HTTP/1.1\r\n\r\n");
	for (int i = 0; i < 5; i++)
		room_turn(&room);
	client_read(client);
	ck_assert_uint_eq(client->len, 0);
	room_answer(&room, 0, "first");
	check_body(&room, client, "first");
	check_status(&room, client, 501);
	client_await_close(&room, client);
	client_free(&client);
	room_close(&room);
}
END_TEST

static void
check_overloaded(const char *request)
{
	struct room room;
	struct client *one;
	struct client *two;
	struct response response;
	int seconds = 0;

	room_open(&room);
	room.gate.max_body_bytes = 1000;
	one = client_holding(&room,
	    "POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde");
	two = client_new(&room);
	client_say(&room, two, request);
	client_await(&room, two, false, &response);
	ck_assert_int_eq(response.status, 503);
	ck_assert_ptr_nonnull(strstr(response.body, ":problem:overloaded\""));
	ck_assert_int_eq(sscanf(strstr(response.head, "\r\nRetry-After: "),
			     "\r\nRetry-After: %d\r\n", &seconds),
	    1);
	ck_assert_int_ge(seconds, 1);
	response_free(&response);
	ck_assert_int_eq(room.gate.body_bytes, 5);
	room_answer(&room, 0, "ok");
	ck_assert_int_eq(room.gate.body_bytes, 0);
	client_free(&one);
	client_free(&two);
	room_close(&room);
}

START_TEST(bodies_beyond_the_budget_of_all_are_turned_away)
{
	check_overloaded("POST /x HTTP/1.1\r\nHost: a\r\n"
			 "Content-Length: 996\r\n\r\n");
	check_overloaded("POST /x HTTP/1.1\r\nHost: a\r\n"
			 "Expect: 100-continue\r\n"
			 "Content-Length: 996\r\n\r\n");
	check_overloaded("POST /x HTTP/1.1\r\nHost: a\r\n"
			 "Transfer-Encoding: chunked\r\n\r\n"
			 "2\r\nab\r\n3e2\r\n");
}
END_TEST

START_TEST(a_body_that_is_not_sent_gives_its_budget_back)
{
	struct room room;
	struct client *client;

	room_open(&room);
	client = client_new(&room);
	client_say(&room, client,
	    "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 996\r\n\r\nab");
	ROOM_UNTIL(&room, room.gate.body_bytes == 996);
	client_reset(&client);
	ROOM_UNTIL(&room, room.gate.body_bytes == 0);
	room_close(&room);
}
END_TEST

START_TEST(new_limits_are_for_requests_that_come_later)
{
	struct room room;
	struct client *client;

	room_open(&room);
	client = client_new(&room);
	client_say(&room, client, "POST /x HTTP/1.1\r\nHost: a\r\n");
	ROOM_UNTIL(&room, room.gate.connections == 1);
	room_turn(&room);
	room.limits.body_bytes = 2;
	http_server_limit(room.server, &room.limits);
	client_say(&room, client, "Content-Length: 3\r\n\r\nabc");
	check_body(&room, client, "POST /x abc");
	client_say(&room, client,
	    "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
	check_status(&room, client, 413);
	client_free(&client);
	room_close(&room);
}
END_TEST

/* ---- bounds on connections ---- */

START_TEST(accepting_sleeps_while_there_are_too_many_connections)
{
	struct room room;
	struct client *clients[4];

	room_open(&room);
	room.gate.max_connections = 2;
	for (int i = 0; i < 4; i++) {
		clients[i] = client_new(&room);
		client_say(&room, clients[i], GET_X);
	}
	check_body(&room, clients[0], "GET /x ");
	check_body(&room, clients[1], "GET /x ");
	for (int i = 0; i < 20; i++)
		room_turn(&room);
	ck_assert_int_eq(room.gate.connections, 2);
	ck_assert_int_eq(room.handled, 2);
	client_free(&clients[0]);
	check_body(&room, clients[2], "GET /x ");
	client_free(&clients[1]);
	check_body(&room, clients[3], "GET /x ");
	ck_assert_int_eq(room.gate.connections, 2);
	client_free(&clients[2]);
	client_free(&clients[3]);
	room_close(&room);
}
END_TEST

START_TEST(a_connection_of_another_server_makes_room_too)
{
	struct room room;
	struct client *client;

	room_open(&room);
	room.gate.max_connections = 1;
	room.gate.connections = 1; /* as another loop would have it */
	client = client_new(&room);
	client_say(&room, client, GET_X);
	ROOM_UNTIL(&room, room.gate.connections == 2); /* one too many */
	check_body(&room, client, "GET /x ");
	client_free(&client);
	ROOM_UNTIL(&room, room.gate.connections == 1);
	client = client_new(&room);
	client_say(&room, client, GET_X);
	for (int i = 0; i < 20; i++)
		room_turn(&room);
	ck_assert_int_eq(room.handled, 1);
	room.gate.connections = 0;
	check_body(&room, client, "GET /x ");
	client_free(&client);
	room_close(&room);
}
END_TEST

START_TEST(without_descriptors_the_listener_rests_and_comes_back)
{
	struct room room;
	struct client *client;
	struct rlimit before;
	struct rlimit none;
	struct rusage from;
	struct rusage to;
	int64_t since_ms;

	room_open(&room);
	client = client_new(&room); /* waits in the backlog */
	client_say(&room, client, GET_X);
	getrlimit(RLIMIT_NOFILE, &before);
	none = before;
	none.rlim_cur = (rlim_t)client->fd + 1;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	room_turn(&room);
	getrusage(RUSAGE_SELF, &from);
	since_ms = clock_mono_ms();
	/* The loop sleeps now: a listener that spins would not let it. */
	room_sleep(&room, 300);
	getrusage(RUSAGE_SELF, &to);
	ck_assert_int_ge(clock_mono_ms() - since_ms, 290);
	ck_assert_int_lt((to.ru_utime.tv_sec - from.ru_utime.tv_sec) * 1000 +
		(to.ru_utime.tv_usec - from.ru_utime.tv_usec) / 1000,
	    100);
	ck_assert_int_eq(room.gate.accepted, 0);
	setrlimit(RLIMIT_NOFILE, &before);
	check_body(&room, client, "GET /x ");
	client_free(&client);
	room_close(&room);
}
END_TEST

/* ---- deadlines ---- */

static const struct http_limits impatient = {
	.body_bytes = 4 << 20,
	.head_bytes = 16384,
	.field_count = 100,
	.head_ms = 100,
	.body_ms = 200,
	.idle_ms = 300,
};

/* How long the server keeps a connection on which this was said, and then a
 * byte is dripped every few milliseconds. */
static int64_t
kept_ms(const char *text, const char *drip)
{
	struct room room;
	struct client *client;
	int64_t since_ms;
	int64_t next_ms;
	int64_t kept;

	room_open_with(&room, &impatient);
	client = client_new(&room);
	since_ms = clock_mono_ms();
	next_ms = since_ms + 20;
	client_say(&room, client, text);
	while (!client->is_closed) {
		ck_assert(!room_is_late(since_ms));
		room_turn(&room);
		client_read(client);
		if (*drip != '\0' && clock_mono_ms() > next_ms) {
			client_say(&room, client, drip);
			next_ms += 20;
		}
	}
	kept = clock_mono_ms() - since_ms;
	ck_assert_int_eq(room.handled, 0);
	client_free(&client);
	room_close(&room);
	return kept;
}

START_TEST(a_head_must_end_in_time_however_it_drips)
{
	int64_t kept = kept_ms("GET /x HTTP/1.1\r\nX: ", "x");

	ck_assert_int_ge(kept, 100);
	ck_assert_int_lt(kept, 200);
}
END_TEST

START_TEST(a_body_must_end_in_time_however_it_drips)
{
	int64_t kept = kept_ms("POST /x HTTP/1.1\r\nHost: a\r\n"
			       "Content-Length: 1000\r\n\r\n",
	    "x");

	ck_assert_int_ge(kept, 200);
	ck_assert_int_lt(kept, 300);
	kept = kept_ms("POST /x HTTP/1.1\r\nHost: a\r\n"
		       "Transfer-Encoding: chunked\r\n\r\n",
	    "1\r\na\r\n");
	ck_assert_int_ge(kept, 200);
	ck_assert_int_lt(kept, 300);
}
END_TEST

START_TEST(a_connection_without_a_request_is_closed_in_time)
{
	int64_t kept = kept_ms("", "");

	ck_assert_int_ge(kept, 290);
	ck_assert_int_lt(kept, 450);
}
END_TEST

START_TEST(a_kept_connection_is_closed_when_idle_for_long)
{
	struct room room;
	struct client *client;
	int64_t since_ms;

	room_open_with(&room, &impatient);
	client = client_new(&room);
	for (int i = 0; i < 3; i++) {
		client_say(&room, client, GET_X);
		check_body(&room, client, "GET /x ");
		since_ms = clock_mono_ms();
		ROOM_UNTIL(&room, clock_mono_ms() - since_ms > 150);
	}
	client_await_close(&room, client);
	ck_assert_int_ge(clock_mono_ms() - since_ms, 290);
	client_free(&client);
	room_close(&room);
}
END_TEST

START_TEST(a_request_may_wait_longer_than_any_limit)
{
	struct room room;
	struct client *client;
	int64_t since_ms = clock_mono_ms();

	room_open_with(&room, &impatient);
	client = client_holding(&room, GET_HOLD "GET /x HTTP/1.1\r\nHo");
	ROOM_UNTIL(&room, clock_mono_ms() - since_ms > 600);
	room_answer(&room, 0, "ok");
	check_body(&room, client, "ok");
	client_say(&room, client, "st: a\r\n\r\n");
	check_body(&room, client, "GET /x ");
	client_free(&client);
	room_close(&room);
}
END_TEST

START_TEST(a_reader_that_does_not_read_is_cut_in_time)
{
	struct room room;
	struct client *client;
	int64_t since_ms;

	room_open_with(&room, &impatient);
	client = client_holding(&room, GET_HOLD);
	answer_big(&room, 0, 16 << 20);
	since_ms = clock_mono_ms();
	ROOM_UNTIL(&room, room.gate.connections == 0);
	ck_assert_int_ge(clock_mono_ms() - since_ms, 200);
	client_free(&client);
	room_close(&room);
}
END_TEST

START_TEST(a_stream_whose_reader_stopped_is_cut_in_time)
{
	struct room room;
	struct client *client;
	char *piece = calloc(1, 16 << 20);

	room_open_with(&room, &impatient);
	client = client_holding(&room, GET_HOLD);
	http_stream(room.held[0], &stream_head, room_gone, &room);
	ck_assert(http_stream_write(room.held[0], piece, 16 << 20, 32 << 20));
	ROOM_UNTIL(&room, room.gone_count == 1);
	client_free(&client);
	room_close(&room);
	free(piece);
}
END_TEST

/* ---- ends ---- */

START_TEST(a_draining_server_closes_after_the_next_reply)
{
	struct room room;
	struct client *kept;
	struct client *busy;
	struct response response;

	room_open(&room);
	kept = client_new(&room);
	client_say(&room, kept, GET_X);
	check_body(&room, kept, "GET /x ");
	busy = client_holding(&room, GET_HOLD);
	http_server_drain(room.server);
	room_answer(&room, 0, "last");
	client_await(&room, busy, false, &response);
	ck_assert(response_has(&response, "Connection: close"));
	response_free(&response);
	client_await_close(&room, busy);
	client_say(&room, kept, GET_X);
	client_await(&room, kept, false, &response);
	ck_assert_str_eq(response.body, "GET /x ");
	ck_assert(response_has(&response, "Connection: close"));
	response_free(&response);
	client_await_close(&room, kept);
	ck_assert_int_eq(room.gate.connections, 0);
	client_free(&kept);
	client_free(&busy);
	room_close(&room);
}
END_TEST

START_TEST(a_draining_server_does_not_listen_and_closes_idle_connections)
{
	struct room room;
	struct client *client;
	int64_t since_ms;

	room_open_with(&room, &impatient);
	client = client_new(&room);
	client_say(&room, client, GET_X);
	check_body(&room, client, "GET /x ");
	http_server_drain(room.server);
	http_server_drain(room.server);
	since_ms = clock_mono_ms();
	client_await_close(&room, client);
	ck_assert_int_ge(clock_mono_ms() - since_ms, 290);
	ck_assert(!room_can_connect(&room));
	client_free(&client);
	room_close(&room);
}
END_TEST

/* Everything at once: a held request, a watched one, a stream with bytes on
 * their way, a big reply on its way, a half-read body, a refused peer, an idle
 * one and one that nobody has accepted yet. */
START_TEST(a_server_can_be_freed_with_everything_open)
{
	struct room room;
	struct client *clients[8];
	struct http_exchange *orphans[3];
	char *piece = calloc(1, 8 << 20);

	room_open(&room);
	clients[0] = client_holding(&room,
	    "POST /hold/0 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
	clients[1] = client_holding(&room, GET_HOLD);
	http_watch(room.held[1], room_gone, &room);
	clients[2] = client_holding(&room, GET_HOLD);
	http_stream(room.held[2], &stream_head, room_gone, &room);
	ck_assert(http_stream_write(room.held[2], piece, 8 << 20, 16 << 20));
	clients[3] = client_holding(&room, GET_HOLD);
	answer_big(&room, 3, 8 << 20);
	clients[4] = client_new(&room);
	client_say(&room, clients[4],
	    "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na");
	clients[5] = client_new(&room);
	client_say(&room, clients[5], "garbage\r\n");
	check_status(&room, clients[5], 400);
	clients[6] = client_new(&room);
	ROOM_UNTIL(&room, room.gate.connections == 7);
	clients[7] = client_new(&room);

	memcpy(orphans, room.held, sizeof(orphans));
	memset(room.held, 0, sizeof(room.held));
	http_server_free(&room.server);
	ck_assert_ptr_null(room.server);
	ck_assert_int_eq(room.gate.connections, 0);
	ck_assert_int_eq(room.gone_count, 2);
	ck_assert_int_eq(room.gate.body_bytes, 3);

	ck_assert_str_eq(http_target(orphans[0]), "/hold/0");
	ck_assert_str_eq(http_header(orphans[0], "host"), "a");
	ck_assert_str_eq(http_peer(orphans[0]), "127.0.0.1");
	room.held[0] = orphans[0];
	room_answer(&room, 0, "nobody");
	http_drop(&orphans[1]);
	ck_assert(!http_stream_write(orphans[2], "x", 1, 100));
	http_stream_end(&orphans[2]);
	for (int i = 0; i < 8; i++)
		client_free(&clients[i]);
	room_close(&room);
	free(piece);
}
END_TEST

START_TEST(an_orphan_can_be_asked_for_its_body_and_be_watched)
{
	struct room room;
	struct client *client;
	struct blob *body;

	room_open(&room);
	client = client_holding(&room,
	    "POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
	http_server_free(&room.server);
	body = http_body(room.held[0]);
	ck_assert_uint_eq(blob_len(body), 3);
	blob_unref(&body);
	http_watch(room.held[0], room_gone, &room);
	room_answer(&room, 0, "nobody");
	ck_assert_int_eq(room.gone_count, 0);
	client_free(&client);
	room_close(&room);
}
END_TEST

START_TEST(a_server_can_be_freed_before_it_knows_its_connections)
{
	struct room room;
	struct client *clients[3];

	room_open(&room);
	for (int i = 0; i < 3; i++)
		clients[i] = client_new(&room);
	room_accept(&room); /* accepted, not bound */
	http_server_free(&room.server);
	for (int i = 0; i < 3; i++)
		client_free(&clients[i]);
	room_close(&room);
}
END_TEST

static void
answer_all(struct room *room)
{
	for (int i = 0; i < room->held_count; i++)
		room_answer(room, i, "later");
	room->held_count = 0;
}

/* Peers that come and go in every way, while answers come late. */
START_TEST(rude_peers_leave_nothing_behind)
{
	static const char *const parts[] = { GET_HOLD, GET_X, "GET /hold HT",
		GET_HOLD GET_HOLD, "\001", GET_X GET_X "x",
		"POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc" };
	struct room room;
	unsigned dice = 12345;

	room_open(&room);
	for (int round = 0; round < 600; round++) {
		struct client *client = client_new(&room);

		dice = dice * 1103515245 + 12345;
		client_say(&room, client, parts[(dice >> 16) % 7]);
		for (unsigned i = 0; i < (dice >> 8) % 4; i++)
			room_turn(&room);
		if (room.held_count > 0 && (dice >> 20) % 3 == 0)
			http_watch(room.held[0], room_gone, &room);
		if ((dice >> 21) % 4 == 0)
			shutdown(client->fd, SHUT_WR);
		if ((dice >> 23) % 2 == 0)
			answer_all(&room);
		if ((dice >> 24) % 2 == 0)
			client_reset(&client);
		else
			client_free(&client);
		answer_all(&room);
	}
	ROOM_UNTIL(&room, (answer_all(&room), room.gate.connections == 0));
	ck_assert_int_eq(room.gate.body_bytes, 0);
	room_close(&room);
}
END_TEST

static void
add_tests(TCase *tcase)
{
	tcase_add_test(tcase, a_request_shows_its_method_target_fields_and_peer);
	tcase_add_test(tcase, fields_are_told_in_order_repeated_ones_too);
	tcase_add_test(tcase, a_big_body_arrives_as_one_blob);
	tcase_add_test(tcase, a_big_body_in_chunks_arrives_as_one_blob);
	tcase_add_test(tcase, a_connection_serves_many_requests);
	tcase_add_test(tcase,
	    pipelined_requests_are_answered_in_order_one_at_a_time);
	tcase_add_test(tcase, a_body_is_asked_for_only_if_it_will_be_taken);
	tcase_add_test(tcase, chunks_are_asked_for_too);
	tcase_add_test(tcase, a_unix_socket_works_and_its_peer_is_unix);
	tcase_add_test(tcase, a_head_request_gets_the_length_but_no_body);
	tcase_add_test(tcase, a_204_and_a_304_have_neither_body_nor_length);
	tcase_add_test(tcase, an_empty_reply_says_so);
	tcase_add_test(tcase, fields_are_sent_but_framing_is_ours);
	tcase_add_test(tcase, a_reply_has_a_date);
	tcase_add_test(tcase, a_kept_http_1_0_connection_is_told_so);
	tcase_add_test(tcase, a_big_blob_is_sent_to_a_slow_reader_in_full);
	tcase_add_test(tcase, a_half_closed_peer_gets_its_whole_reply);
	tcase_add_test(tcase, a_dropped_request_closes_without_an_answer);
	tcase_add_test(tcase, an_answer_may_come_by_mail_from_another_thread);
	tcase_add_test(tcase, an_answer_to_a_peer_that_is_gone_goes_nowhere);
}

static void
add_watch_and_stream_tests(TCase *tcase)
{
	tcase_add_test(tcase,
	    a_watched_request_hears_that_its_peer_is_gone_once);
	tcase_add_test(tcase,
	    a_watched_request_can_be_answered_and_the_connection_goes_on);
	tcase_add_test(tcase,
	    a_watched_request_ended_before_it_was_told_is_not_told);
	tcase_add_test(tcase, what_a_watched_peer_sends_ahead_is_bounded);
	tcase_add_test(tcase,
	    garbage_sent_during_a_watch_is_refused_after_the_answer);
	tcase_add_test(tcase,
	    a_stream_arrives_piece_by_piece_and_ends_in_good_order);
	tcase_add_test(tcase, a_stream_to_http_1_0_ends_with_the_connection);
	tcase_add_test(tcase, a_stream_to_a_head_request_is_its_head);
	tcase_add_test(tcase, a_stream_after_a_big_reply_is_not_ended_by_it);
	tcase_add_test(tcase, a_stream_whose_peer_is_gone_is_told);
	tcase_add_test(tcase, a_stream_to_a_slow_reader_is_cut);
	tcase_add_test(tcase, a_cut_stream_may_end_before_it_is_told);
	tcase_add_test(tcase, a_stream_that_starts_too_late_is_told_too);
}

static void
add_refusal_and_limit_tests(TCase *tcase)
{
	tcase_add_test(tcase, a_refusal_is_a_problem_document);
	tcase_add_test(tcase,
	    a_refused_peer_that_goes_on_sending_still_reads_the_answer);
	tcase_add_test(tcase, a_refused_peer_that_never_stops_is_cut);
	tcase_add_test(tcase, a_refused_peer_that_never_closes_is_cut);
	tcase_add_test(tcase,
	    a_refusal_waits_for_the_answer_to_the_request_before);
	tcase_add_test(tcase, bodies_beyond_the_budget_of_all_are_turned_away);
	tcase_add_test(tcase, a_body_that_is_not_sent_gives_its_budget_back);
	tcase_add_test(tcase, new_limits_are_for_requests_that_come_later);
	tcase_add_test(tcase,
	    accepting_sleeps_while_there_are_too_many_connections);
	tcase_add_test(tcase, a_connection_of_another_server_makes_room_too);
	tcase_add_test(tcase,
	    without_descriptors_the_listener_rests_and_comes_back);
	tcase_add_test(tcase, a_head_must_end_in_time_however_it_drips);
	tcase_add_test(tcase, a_body_must_end_in_time_however_it_drips);
	tcase_add_test(tcase,
	    a_connection_without_a_request_is_closed_in_time);
	tcase_add_test(tcase, a_kept_connection_is_closed_when_idle_for_long);
	tcase_add_test(tcase, a_request_may_wait_longer_than_any_limit);
	tcase_add_test(tcase, a_reader_that_does_not_read_is_cut_in_time);
	tcase_add_test(tcase, a_stream_whose_reader_stopped_is_cut_in_time);
}

static void
add_end_tests(TCase *tcase)
{
	tcase_add_test(tcase, a_draining_server_closes_after_the_next_reply);
	tcase_add_test(tcase,
	    a_draining_server_does_not_listen_and_closes_idle_connections);
	tcase_add_test(tcase, a_server_can_be_freed_with_everything_open);
	tcase_add_test(tcase,
	    an_orphan_can_be_asked_for_its_body_and_be_watched);
	tcase_add_test(tcase,
	    a_server_can_be_freed_before_it_knows_its_connections);
	tcase_add_test(tcase, rude_peers_leave_nothing_behind);
}

int
main(void)
{
	Suite *suite = suite_create("http");
	TCase *tcase = tcase_create("http");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	add_tests(tcase);
	add_watch_and_stream_tests(tcase);
	add_refusal_and_limit_tests(tcase);
	add_end_tests(tcase);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
