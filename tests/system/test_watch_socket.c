/* test_watch_socket.c - watching jobs: WebSocket.
 *
 * Contract, section 3; frames of all kinds are in tests/unit/test_websocket.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "jobs.h"

#define LATER "Job-Delay: 1h\r\n"
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define SOCKET                                                                 \
	"Upgrade: websocket\r\nConnection: Upgrade\r\n"                        \
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n"
#define MANY 200

static void
ask_socket(struct client *client, struct world *world, const char *target,
    const char *fields)
{
	char all[512];

	snprintf(all, sizeof(all), SOCKET "%s", fields);
	client_open(client, world->api);
	client_send_request(client, "GET", target, all, NULL, -1);
}

static void
begin_socket(struct client *client)
{
	struct reply reply;

	ck_assert(client_read(client, false, &reply));
	ck_assert_msg(reply.status == 101, "%s", reply.head);
	ck_assert_str_eq(reply_header(&reply, "Sec-WebSocket-Accept"),
	    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	reply_clear(&reply);
}

static void
open_socket(struct client *client, struct world *world, const char *target,
    const char *fields)
{
	ask_socket(client, world, target, fields);
	begin_socket(client);
}

static void
watch_job(struct client *client, struct world *world, const char *id)
{
	char target[96];

	snprintf(target, sizeof(target), "/v1/jobs/%s/events", id);
	open_socket(client, world, target, "");
}

/* Waits for so many bytes; false when the connection ended before. */
static bool
need(struct client *client, size_t len)
{
	char piece[16384];

	while (client->in.len < len) {
		ssize_t got = recv(client->fd, piece, sizeof(piece), 0);

		if (got <= 0)
			return false;
		ck_assert(buf_append(&client->in, piece, (size_t)got));
	}
	return true;
}

struct frame {
	int opcode;
	size_t len;
	char *payload; /* owned; NUL behind it */
};

static bool
take_frame(struct client *client, struct frame *out)
{
	const unsigned char *in;
	size_t head = 2;

	if (!need(client, 2))
		return false;
	in = (const unsigned char *)client->in.data;
	ck_assert_int_eq(in[0] & 0xf0, 0x80);
	out->opcode = in[0] & 0x0f;
	out->len = in[1];
	ck_assert_uint_lt(out->len, 127); /* no mask, and no 64 KiB */
	if (out->len == 126) {
		head = 4;
		if (!need(client, 4))
			return false;
		in = (const unsigned char *)client->in.data;
		out->len = (size_t)in[2] << 8 | in[3];
	}
	if (!need(client, head + out->len))
		return false;
	out->payload = strndup(client->in.data + head, out->len);
	client->in.len -= head + out->len;
	memmove(client->in.data, client->in.data + head + out->len,
	    client->in.len);
	return true;
}

/* The next document has that status. */
static void
expect_document(struct client *client, const char *status)
{
	struct frame frame;
	struct json_document *document;
	struct reason why;

	ck_assert_msg(take_frame(client, &frame), "no document: %s", status);
	ck_assert_int_eq(frame.opcode, 1);
	document = json_parse(frame.payload, frame.len, &why);
	ck_assert_msg(document != NULL, "%s", why.text);
	ck_assert_str_eq(look_text(json_root(document), "status"), status);
	json_document_free(&document);
	free(frame.payload);
}

/* A close frame with that code; answers it and sees the connection end. */
static void
expect_goodbye(struct client *client, int code)
{
	const char answer[] = { (char)0x88, (char)0x82, 0, 0, 0, 0,
		(char)(code >> 8), (char)code };
	struct frame frame;

	ck_assert_msg(take_frame(client, &frame), "cut instead of closed");
	ck_assert_int_eq(frame.opcode, 8);
	ck_assert_uint_ge(frame.len, 2);
	ck_assert_int_eq((unsigned char)frame.payload[0] << 8 |
		(unsigned char)frame.payload[1],
	    code);
	free(frame.payload);
	(void)client_try_send(client, answer, sizeof(answer));
	ck_assert(!need(client, 1));
	client_close(client);
}

START_TEST(documents_are_text_frames_and_1000_is_the_end)
{
	struct world world;
	struct client client;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, NULL);
	submit(&world, "/mill/ok?delay_ms=300", "", "x", id);
	watch_job(&client, &world, id);
	expect_document(&client, "running");
	expect_document(&client, "succeeded");
	expect_goodbye(&client, 1000);
	watch_job(&client, &world, id);
	expect_document(&client, "succeeded");
	expect_goodbye(&client, 1000);
	submit(&world, "/mill/ok", LATER, "x", id);
	watch_job(&client, &world, id);
	expect_document(&client, "queued");
	try_cancel(&world, id, &reply);
	reply_clear(&reply);
	expect_document(&client, "cancelled");
	expect_goodbye(&client, 1000);
	world_close(&world);
}
END_TEST

START_TEST(all_jobs_are_watched_until_the_client_says_goodbye)
{
	static const char goodbye[] = { (char)0x88, (char)0x82, 0, 0, 0, 0, 3,
		(char)0xe8 };
	struct world world;
	struct client client;
	struct frame frame;

	world_open(&world, NULL);
	open_socket(&client, &world, "/v1/events?queue=mill", "");
	for (int i = 0; i < 10; i++) {
		job_lives(&world, "/mill/ok", "", "x", "succeeded");
		expect_document(&client, "queued");
		expect_document(&client, "running");
		expect_document(&client, "succeeded");
	}
	client_send(&client, goodbye, sizeof(goodbye));
	ck_assert(take_frame(&client, &frame));
	ck_assert_int_eq(frame.opcode, 8);
	free(frame.payload);
	ck_assert(!need(&client, 1));
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
	open_socket(&client, &world, "/v1/events", "Last-Event-ID: 1\r\n");
	expect_document(&client, "queued");
	expect_document(&client, "running");
	expect_document(&client, "succeeded");
	job_lives(&world, "/mill/ok", "", "x", "succeeded");
	expect_document(&client, "queued");
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
			    "Sec-WebSocket-Key: " KEY "\r\n",
		    426, "upgrade-required" },
		{ "/v1/events", UPGRADE "Sec-WebSocket-Version: 13\r\n", 400,
		    "bad-request" },
		{ "/v1/events",
		    UPGRADE "Sec-WebSocket-Version: 13\r\n"
			    "Sec-WebSocket-Key: x\r\n",
		    400, "bad-request" },
		{ "/v1/events", SOCKET "Origin: http://evil.example\r\n", 403,
		    "forbidden" },
		{ "/v1/events", SOCKET "Origin: null\r\n", 403, "forbidden" },
		{ "/v1/jobs/0198c5a0-0000-7000-8000-000000000000/events",
		    SOCKET, 404, "not-found" },
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
	open_socket(&client, &world, "/v1/events",
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
		watch_job(&clients[i], &world, id);
		expect_document(&clients[i], "queued");
	}
	begun_ms = now_mono_ms();
	daemon_stop(&world); /* nobody answers its goodbye */
	ck_assert_int_lt(now_mono_ms() - begun_ms, patient_ms(15000));
	for (int i = 0; i < MANY; i++)
		expect_goodbye(&clients[i], 1001);
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
		ask_socket(&client, &world, i % 3 == 0 ? "/v1/events" : target,
		    "");
		if (i % 4 >= 1)
			begin_socket(&client);
		if (i % 4 == 2)
			client_send(&client, "\x81\xfe", 2); /* half a frame */
		if (i % 2 == 0)
			reset(&client);
		else
			client_close(&client);
	}
	wait_until(connections_are(&world, quiet));
	watch_job(&client, &world, id);
	expect_document(&client, "queued");
	expect_document(&client, "running");
	expect_document(&client, "succeeded");
	expect_goodbye(&client, 1000);
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
