/* test_http_limits.c - refusals, budgets and deadlines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "callbackd/clock.h"
#include "http_room.h"

#define GET_HOLD "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_X "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"

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
	client_check_status(&room, client, 413);
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
	int sent_mib = 0;

	room_open(&room);
	client = client_new(&room);
	client_say(&room, client,
	    "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n");
	while (room.gate.connections > 0 || room.gate.accepted == 0) {
		ck_assert(!room_is_late(since_ms));
		client_send(&room, client, body, 1 << 20);
		ck_assert_int_lt(++sent_mib, 100); /* less than in the time */
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
	client_check_status(&room, client, 400);
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
	client_check_body(&room, client, "first");
	client_check_status(&room, client, 501);
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
	client_check_body(&room, client, "POST /x abc");
	client_say(&room, client,
	    "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
	client_check_status(&room, client, 413);
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
	client_check_body(&room, clients[0], "GET /x ");
	client_check_body(&room, clients[1], "GET /x ");
	for (int i = 0; i < 20; i++)
		room_turn(&room);
	ck_assert_int_eq(room.gate.connections, 2);
	ck_assert_int_eq(room.handled, 2);
	client_free(&clients[0]);
	client_check_body(&room, clients[2], "GET /x ");
	client_free(&clients[1]);
	client_check_body(&room, clients[3], "GET /x ");
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
	client_check_body(&room, client, "GET /x ");
	client_free(&client);
	ROOM_UNTIL(&room, room.gate.connections == 1);
	client = client_new(&room);
	client_say(&room, client, GET_X);
	for (int i = 0; i < 20; i++)
		room_turn(&room);
	ck_assert_int_eq(room.handled, 1);
	room.gate.connections = 0;
	client_check_body(&room, client, "GET /x ");
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

	room_open(&room);
	client = client_new(&room); /* waits in the backlog */
	client_say(&room, client, GET_X);
	getrlimit(RLIMIT_NOFILE, &before);
	none = before;
	none.rlim_cur = (rlim_t)client->fd + 1;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	room_turn(&room);
	room_rest(&room); /* a listener that spins would not let it */
	ck_assert_int_eq(room.gate.accepted, 0);
	setrlimit(RLIMIT_NOFILE, &before);
	client_check_body(&room, client, "GET /x ");
	client_free(&client);
	room_close(&room);
}
END_TEST

/* ---- deadlines ---- */

#define PATIENCE 20 /* tries, on a machine that does other things too */

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

	room_open_with(&room, &room_impatient);
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

/* A busy machine keeps it for longer now and then; another limit, each time. */
static void
check_kept(const char *text, const char *drip, int64_t least_ms,
    int64_t most_ms)
{
	int64_t kept = INT64_MAX;

	for (int i = 0; i < PATIENCE && kept >= most_ms; i++) {
		kept = kept_ms(text, drip);
		ck_assert_int_ge(kept, least_ms);
	}
	ck_assert_int_lt(kept, most_ms);
}

START_TEST(a_head_must_end_in_time_however_it_drips)
{
	check_kept("GET /x HTTP/1.1\r\nX: ", "x", 100, 200);
}
END_TEST

START_TEST(a_body_must_end_in_time_however_it_drips)
{
	check_kept("POST /x HTTP/1.1\r\nHost: a\r\n"
		   "Content-Length: 1000\r\n\r\n",
	    "x", 200, 300);
	check_kept("POST /x HTTP/1.1\r\nHost: a\r\n"
		   "Transfer-Encoding: chunked\r\n\r\n",
	    "1\r\na\r\n", 200, 300);
}
END_TEST

/* How long the server waits for a body whose head took nearly as long as it
 * may; -1: on a busy machine it took longer. */
static int64_t
patience_for_body_ms(void)
{
	struct room room;
	struct client *client;
	int64_t since_ms = clock_mono_ms();
	int64_t head_ms, body_ms;

	room_open_with(&room, &room_impatient);
	client = client_new(&room);
	client_say(&room, client, "PUT /x HTTP/1.1\r\nHost: a\r\n");
	ROOM_UNTIL(&room, clock_mono_ms() - since_ms > 70);
	client_say(&room, client, "Content-Length: 3\r\n\r\n");
	head_ms = clock_mono_ms() - since_ms;
	client_await_close(&room, client);
	body_ms = clock_mono_ms() - since_ms - head_ms;
	client_free(&client);
	room_close(&room);
	return head_ms < room_impatient.head_ms ? body_ms : -1;
}

START_TEST(the_time_for_a_body_counts_from_the_end_of_its_head)
{
	int64_t body_ms = -1;

	for (int i = 0; i < PATIENCE && body_ms < 0; i++)
		body_ms = patience_for_body_ms();
	ck_assert_int_ge(body_ms, 190);
}
END_TEST

START_TEST(a_connection_without_a_request_is_closed_in_time)
{
	check_kept("", "", 290, 450);
}
END_TEST

START_TEST(a_kept_connection_is_closed_when_idle_for_long)
{
	struct room room;
	struct client *client;
	int64_t since_ms;

	room_open_with(&room, &room_impatient);
	client = client_new(&room);
	for (int i = 0; i < 3; i++) {
		client_say(&room, client, GET_X);
		client_check_body(&room, client, "GET /x ");
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

	room_open_with(&room, &room_impatient);
	client = client_holding(&room, GET_HOLD "GET /x HTTP/1.1\r\nHo");
	ROOM_UNTIL(&room, clock_mono_ms() - since_ms > 600);
	room_answer(&room, 0, "ok");
	client_check_body(&room, client, "ok");
	client_say(&room, client, "st: a\r\n\r\n");
	client_check_body(&room, client, "GET /x ");
	client_free(&client);
	room_close(&room);
}
END_TEST

START_TEST(a_reader_that_does_not_read_is_cut_in_time)
{
	struct room room;
	struct client *client;
	int64_t since_ms;

	room_open_with(&room, &room_impatient);
	client = client_holding(&room, GET_HOLD);
	room_answer_big(&room, 0, 16 << 20);
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

	room_open_with(&room, &room_impatient);
	client = client_holding(&room, GET_HOLD);
	http_stream(room.held[0], &room_stream_head, room_gone, &room);
	ck_assert(http_stream_write(room.held[0], piece, 16 << 20, 32 << 20));
	ROOM_UNTIL(&room, room.gone_count == 1);
	client_free(&client);
	room_close(&room);
	free(piece);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("http_limits");
	TCase *tcase = tcase_create("http_limits");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
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
	    the_time_for_a_body_counts_from_the_end_of_its_head);
	tcase_add_test(tcase, a_connection_without_a_request_is_closed_in_time);
	tcase_add_test(tcase, a_kept_connection_is_closed_when_idle_for_long);
	tcase_add_test(tcase, a_request_may_wait_longer_than_any_limit);
	tcase_add_test(tcase, a_reader_that_does_not_read_is_cut_in_time);
	tcase_add_test(tcase, a_stream_whose_reader_stopped_is_cut_in_time);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
