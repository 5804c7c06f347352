/* test_http.c - requests that arrive, and replies that are sent. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "callbackd/clock.h"
#include "callbackd/text.h"
#include "http_room.h"

#define GET_HOLD "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_X "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"

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
	client_check_body(&room, client, "ok");
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
		client_check_body(&room, client, "POST /x abc");
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
	client_check_body(&room, client, "one");
	ROOM_UNTIL(&room, room.held_count == 2);
	ck_assert_str_eq(http_target(room.held[1]), "/hold/2");
	room_answer(&room, 1, "two");
	client_check_body(&room, client, "two");
	client_check_body(&room, client, "GET /x ");
	client_free(&client);
	room_close(&room);
}
END_TEST

/* It waits in the socket, and nobody reads. */
START_TEST(what_comes_while_a_request_is_open_lets_the_loop_sleep)
{
	struct room room;
	struct client *client;

	room_open(&room);
	client = client_holding(&room, GET_HOLD);
	client_say(&room, client, GET_HOLD);
	room_rest(&room);
	room_answer(&room, 0, "one");
	client_check_body(&room, client, "one");
	ROOM_UNTIL(&room, room.held_count == 2);
	shutdown(client->fd, SHUT_WR);
	room_rest(&room);
	room_answer(&room, 1, "two");
	client_check_body(&room, client, "two");
	client_await_close(&room, client);
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
	client_check_status(&room, client, 100);
	client_say(&room, client, "abc");
	client_check_body(&room, client, "POST /x abc");
	client_say(&room, client,
	    "POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
	    "Content-Length: 99999999\r\n\r\n");
	client_check_status(&room, client, 413);
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
	client_check_status(&room, client, 100);
	client_say(&room, client, "3\r\nabc\r\n0\r\n\r\n");
	ROOM_UNTIL(&room, room.held_count == 1);
	room_answer(&room, 0, "not in chunks");
	client_check_body(&room, client, "not in chunks");
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
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)),
	    0);
	ck_assert_int_eq(listen(fd, 5), 0);
	room_open(&room);
	ck_assert(http_server_listen(room.server, fd));
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address,
			     sizeof(address)),
	    0);
	client = client_of(fd);
	client_say(&room, client, GET_HOLD);
	ROOM_UNTIL(&room, room.held_count == 1);
	ck_assert_str_eq(http_peer(room.held[0]), "unix");
	room_answer(&room, 0, "ok");
	client_check_body(&room, client, "ok");
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
	client_check_body(&room, client, "GET /x ");
	client_free(&client);
	room_close(&room);
}

START_TEST(a_head_request_gets_the_length_but_no_body)
{
	struct http_reply reply = { .status = 200,
		.body = "abc",
		.body_len = 3 };
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

START_TEST(a_big_blob_is_sent_to_a_slow_reader_in_full)
{
	enum { SIZE = 16 << 20 };
	struct room room;
	struct client *client;
	struct response response;

	room_open(&room);
	client = client_holding(&room, GET_HOLD);
	room_answer_big(&room, 0, SIZE);
	for (int i = 0; i < 20; i++)
		room_turn(&room);
	client_await(&room, client, false, &response);
	ck_assert_uint_eq(response.body_len, SIZE);
	ck_assert_uint_eq(strspn(response.body, "b"), SIZE);
	response_free(&response);
	client_say(&room, client, GET_X);
	client_check_body(&room, client, "GET /x ");
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
	room_answer_big(&room, 0, SIZE);
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
	client_check_body(&room, client, "by mail");
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
			room_answer_big(&room, i, 8 << 20);
	}
	ROOM_UNTIL(&room, room.gate.connections == 0);
	room_close(&room);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("http");
	TCase *tcase = tcase_create("http");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase,
	    a_request_shows_its_method_target_fields_and_peer);
	tcase_add_test(tcase, fields_are_told_in_order_repeated_ones_too);
	tcase_add_test(tcase, a_big_body_arrives_as_one_blob);
	tcase_add_test(tcase, a_big_body_in_chunks_arrives_as_one_blob);
	tcase_add_test(tcase, a_connection_serves_many_requests);
	tcase_add_test(tcase,
	    pipelined_requests_are_answered_in_order_one_at_a_time);
	tcase_add_test(tcase,
	    what_comes_while_a_request_is_open_lets_the_loop_sleep);
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
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
