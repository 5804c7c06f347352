/* test_watch_socket.c - watching jobs: WebSocket.
 *
 * Contract, section 3; frames of all kinds are in tests/unit/test_websocket.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "socket.h"

#define LATER "Job-Delay: 1h\r\n"
#define MANY 200

START_TEST(documents_are_text_frames_and_1000_is_the_end)
{
	struct world world;
	struct client client;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, NULL);
	submit(&world, "/mill/ok?delay_ms=300", "", "x", id);
	socket_watch(&client, &world, id);
	socket_expect(&client, "running");
	socket_expect(&client, "succeeded");
	socket_expect_goodbye(&client, 1000);
	socket_watch(&client, &world, id);
	socket_expect(&client, "succeeded");
	socket_expect_goodbye(&client, 1000);
	submit(&world, "/mill/ok", LATER, "x", id);
	socket_watch(&client, &world, id);
	socket_expect(&client, "queued");
	try_cancel(&world, id, &reply);
	reply_clear(&reply);
	socket_expect(&client, "cancelled");
	socket_expect_goodbye(&client, 1000);
	world_close(&world);
}
END_TEST

START_TEST(all_jobs_are_watched_until_the_client_says_goodbye)
{
	static const char goodbye[] = { (char)0x88, (char)0x82, 0, 0, 0, 0, 3,
		(char)0xe8 };
	struct world world;
	struct client client;
	struct socket_frame frame;

	world_open(&world, NULL);
	socket_open(&client, &world, "/v1/events?queue=mill", "");
	for (int i = 0; i < 10; i++) {
		job_lives(&world, "/mill/ok", "", "x", "succeeded");
		socket_expect(&client, "queued");
		socket_expect(&client, "running");
		socket_expect(&client, "succeeded");
	}
	client_send(&client, goodbye, sizeof(goodbye));
	ck_assert(socket_frame(&client, &frame));
	ck_assert_int_eq(frame.opcode, 8);
	free(frame.payload);
	ck_assert(socket_is_closed(&client));
	client_close(&client);
	world_close(&world);
}
END_TEST

START_TEST(a_socket_can_be_resumed_too)
{
	struct world world;
	struct client client;

	world_open(&world, NULL);
	job_lives(&world, "/mill/ok", "", "x", "succeeded");
	socket_open(&client, &world, "/v1/events", "Last-Event-ID: 1\r\n");
	socket_expect(&client, "queued");
	socket_expect(&client, "running");
	socket_expect(&client, "succeeded");
	job_lives(&world, "/mill/ok", "", "x", "succeeded");
	socket_expect(&client, "queued");
	client_close(&client);
	world_close(&world);
}
END_TEST

#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"

START_TEST(what_is_no_handshake_is_refused)
{
	static const struct {
		const char *target, *fields;
		int status;
		const char *name;
	} rows[] = {
		{ "/v1/events",
		    UPGRADE "Sec-WebSocket-Version: 8\r\n"
			    "Sec-WebSocket-Key: " SOCKET_KEY "\r\n",
		    426, "upgrade-required" },
		{ "/v1/events", UPGRADE "Sec-WebSocket-Version: 13\r\n", 400,
		    "bad-request" },
		{ "/v1/events",
		    UPGRADE "Sec-WebSocket-Version: 13\r\n"
			    "Sec-WebSocket-Key: x\r\n",
		    400, "bad-request" },
		{ "/v1/events", SOCKET_WISH "Origin: http://evil.example\r\n",
		    403, "forbidden" },
		{ "/v1/events", SOCKET_WISH "Origin: null\r\n", 403,
		    "forbidden" },
		{ "/v1/jobs/0198c5a0-0000-7000-8000-000000000000/events",
		    SOCKET_WISH, 404, "not-found" },
	};
	struct world world;
	struct client client;
	struct reply reply;

	world_open(&world, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		api(&world, "GET", rows[i].target, rows[i].fields, NULL,
		    &reply);
		expect_problem(&reply, rows[i].status, rows[i].name);
		if (reply.status == 426) {
			ck_assert_str_eq(reply_header(&reply,
					     "Sec-WebSocket-Version"),
			    "13");
			ck_assert_str_eq(reply_header(&reply, "Upgrade"),
			    "websocket");
		}
		reply_clear(&reply);
	}
	socket_open(&client, &world, "/v1/events",
	    "Origin: http://gateway.test\r\n");
	client_close(&client);
	world_close(&world);
}
END_TEST

START_TEST(sockets_go_away_when_the_daemon_stops)
{
	struct setup setup = { .top = "drain_timeout = \"60s\"\n" };
	struct client *clients = calloc(MANY, sizeof(*clients));
	struct world world;
	char id[ID_SIZE];
	int64_t begun_ms;

	world_open(&world, &setup);
	submit(&world, "/mill/ok", LATER, "x", id);
	for (int i = 0; i < MANY; i++) {
		socket_watch(&clients[i], &world, id);
		socket_expect(&clients[i], "queued");
	}
	begun_ms = now_mono_ms();
	daemon_stop(&world); /* nobody answers its goodbye */
	ck_assert_int_lt(now_mono_ms() - begun_ms, patient_ms(15000));
	for (int i = 0; i < MANY; i++)
		socket_expect_goodbye(&clients[i], 1001);
	free(clients);
	daemon_start(&world);
	world_close(&world);
}
END_TEST

static bool
connections_are(struct world *world, int count)
{
	return metric(world, "callbackd_connections") == count;
}

static void
reset(struct client *client)
{
	const struct linger none = { 1, 0 };

	setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	client_close(client);
}

START_TEST(sockets_that_vanish_leave_nothing_behind)
{
	struct world world;
	struct client client;
	char id[ID_SIZE];
	char target[96];
	int quiet;

	world_open(&world, NULL);
	quiet = (int)metric(&world, "callbackd_connections");
	submit(&world, "/mill/ok", "Job-Delay: 2s\r\n", "x", id);
	snprintf(target, sizeof(target), "/v1/jobs/%s/events", id);
	for (int i = 0; i < MANY; i++) {
		socket_ask(&client, &world, i % 3 == 0 ? "/v1/events" : target,
		    "");
		if (i % 4 >= 1)
			socket_begin(&client);
		if (i % 4 == 2)
			client_send(&client, "\x81\xfe", 2); /* half a frame */
		if (i % 2 == 0)
			reset(&client);
		else
			client_close(&client);
	}
	wait_until(connections_are(&world, quiet));
	socket_watch(&client, &world, id);
	socket_expect(&client, "queued");
	socket_expect(&client, "running");
	socket_expect(&client, "succeeded");
	socket_expect_goodbye(&client, 1000);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		documents_are_text_frames_and_1000_is_the_end,
		all_jobs_are_watched_until_the_client_says_goodbye,
		a_socket_can_be_resumed_too,
		what_is_no_handshake_is_refused,
		sockets_go_away_when_the_daemon_stops,
		sockets_that_vanish_leave_nothing_behind,
	};

	return HARNESS_RUN("watch_socket", cases);
}
