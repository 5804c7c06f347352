/* test_http_stream.c - replies that take their time. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "callbackd/clock.h"
#include "http_room.h"

#define GET_HOLD "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_X "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"

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
	client_check_body(&room, client, "first");
	client_check_body(&room, client, "GET /x ");
	ROOM_UNTIL(&room, room.held_count == 2);
	http_watch(room.held[1], room_gone, &room);
	room_answer(&room, 1, "second");
	client_check_body(&room, client, "second");
	client_check_body(&room, client, "GET /x ");
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
	client_check_body(&room, client, "ok");
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
	client_check_body(&room, client, "ok");
	client_check_status(&room, client, 400);
	client_await_close(&room, client);
	ck_assert(!client->is_reset);
	ck_assert_int_eq(room.gone_count, 0);
	client_free(&client);
	room_close(&room);
}
END_TEST

/* ---- streams ---- */

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
	http_stream(room.held[0], &room_stream_head, room_gone, &room);
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
	client_check_body(&room, client, "GET /x ");
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
	http_stream(room.held[0], &room_stream_head, room_gone, &room);
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
	http_stream(room.held[0], &room_stream_head, room_gone, &room);
	ck_assert(stream_say(&room, 0, "one"));
	http_stream_end(&room.held[0]);
	client_await(&room, client, true, &response);
	response_free(&response);
	client_say(&room, client, GET_X);
	client_check_body(&room, client, "GET /x ");
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
	room_answer_big(&room, 0, 8 << 20);
	client_await(&room, client, false, &response);
	response_free(&response);
	client_say(&room, client, GET_HOLD);
	ROOM_UNTIL(&room, room.held_count == 2);
	http_stream(room.held[1], &room_stream_head, room_gone, &room);
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
		http_stream(room.held[i], &room_stream_head, room_gone, &room);
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
	http_stream(room.held[0], &room_stream_head, room_gone, &room);
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
	http_stream(room.held[0], &room_stream_head, room_gone, &room);
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
	http_stream(room.held[0], &room_stream_head, room_gone, &room);
	ROOM_UNTIL(&room, room.gone_count == 1);
	ck_assert(!stream_say(&room, 0, "x"));
	room_close(&room);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("http_stream");
	TCase *tcase = tcase_create("http_stream");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
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
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
