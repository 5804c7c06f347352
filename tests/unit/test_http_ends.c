/* test_http_ends.c - draining, freeing, and peers without manners. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "callbackd/clock.h"
#include "http_room.h"

#define GET_HOLD "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_X "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"

START_TEST(a_draining_server_closes_after_the_next_reply)
{
	struct room room;
	struct client *kept;
	struct client *busy;
	struct response response;

	room_open(&room);
	kept = client_new(&room);
	client_say(&room, kept, GET_X);
	client_check_body(&room, kept, "GET /x ");
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

	room_open_with(&room, &room_impatient);
	client = client_new(&room);
	client_say(&room, client, GET_X);
	client_check_body(&room, client, "GET /x ");
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
	http_stream(room.held[2], &room_stream_head, room_gone, &room);
	ck_assert(http_stream_write(room.held[2], piece, 8 << 20, 16 << 20));
	clients[3] = client_holding(&room, GET_HOLD);
	room_answer_big(&room, 3, 8 << 20);
	clients[4] = client_new(&room);
	client_say(&room, clients[4],
	    "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na");
	clients[5] = client_new(&room);
	client_say(&room, clients[5], "garbage\r\n");
	client_check_status(&room, clients[5], 400);
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
	static const char *const parts[] = {
		GET_HOLD, GET_X, "GET /hold HT", GET_HOLD GET_HOLD, "\001",
		GET_X GET_X "x",
		"POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"
	};
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

int
main(void)
{
	Suite *suite = suite_create("http_ends");
	TCase *tcase = tcase_create("http_ends");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_draining_server_closes_after_the_next_reply);
	tcase_add_test(tcase,
	    a_draining_server_does_not_listen_and_closes_idle_connections);
	tcase_add_test(tcase, a_server_can_be_freed_with_everything_open);
	tcase_add_test(tcase,
	    an_orphan_can_be_asked_for_its_body_and_be_watched);
	tcase_add_test(tcase,
	    a_server_can_be_freed_before_it_knows_its_connections);
	tcase_add_test(tcase, rude_peers_leave_nothing_behind);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
