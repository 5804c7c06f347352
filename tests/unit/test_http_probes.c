/* test_http_probes.c - every probe against the whole server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/clock.h"
#include "http_probes.h"
#include "http_room.h"

enum how { WHOLE, BYTE_BY_BYTE, ANSWERED_LATE, HOW_COUNT };

static const struct http_limits limits = {
	.body_bytes = PROBE_BODY_BYTES,
	.head_bytes = PROBE_HEAD_BYTES,
	.field_count = PROBE_FIELD_COUNT,
	.head_ms = 60000,
	.body_ms = 60000,
	.idle_ms = 60000,
};

/* As the handler of the room would have done at once. */
static void
answer_late(struct room *room)
{
	struct http_exchange *exchange;
	struct blob *body;
	char text[256];

	if (room->held_count == 0)
		return;
	exchange = room->held[0];
	body = http_body(exchange);
	snprintf(text, sizeof(text), "%s %s %.*s", http_method(exchange),
	    http_target(exchange), (int)blob_len(body),
	    (const char *)blob_data(body));
	blob_unref(&body);
	room_answer(room, 0, text);
	room->held_count = 0;
}

static void
await(struct room *room, struct client *client, const struct probe *probe,
    struct response *out)
{
	bool is_head = strncmp(probe->bytes, "HEAD", 4) == 0;
	int64_t since_ms = clock_mono_ms();

	/* A body that comes late has been waited for in words. */
	while (!client_take(client, is_head, out) || out->status == 100) {
		ck_assert_msg(!room_is_late(since_ms) &&
			(!client->is_closed || client->len > 0),
		    "%s: no response (closed %d, reset %d)", probe->name,
		    client->is_closed, client->is_reset);
		room_turn(room);
		answer_late(room);
		client_read(client);
	}
}

static void
check_passed(struct room *room, struct client *client,
    const struct probe *probe)
{
	struct response response;

	for (int i = 0; i < probe->passed; i++) {
		await(room, client, probe, &response);
		ck_assert_msg(response.status == 200, "%s: %s", probe->name,
		    response.head);
		if (probe->echo != NULL && i == probe->passed - 1)
			ck_assert_msg(strcmp(response.body, probe->echo) == 0,
			    "%s: got \"%s\"", probe->name, response.body);
		response_free(&response);
	}
}

static void
check_refused(struct room *room, struct client *client,
    const struct probe *probe)
{
	struct response response;
	char status[32];

	await(room, client, probe, &response);
	ck_assert_msg(response.status == probe->refused, "%s: %s", probe->name,
	    response.head);
	ck_assert_msg(response_has(&response,
			  "Content-Type: application/problem+json") &&
		response_has(&response, "Connection: close"),
	    "%s: %s", probe->name, response.head);
	if (response.body != NULL) {
		snprintf(status, sizeof(status), "\"status\":%d,",
		    probe->refused);
		ck_assert_msg(strstr(response.body,
				  "{\"type\":\"urn:callbackd:problem:") ==
			    response.body &&
			strstr(response.body, status) != NULL,
		    "%s: %s", probe->name, response.body);
	}
	response_free(&response);
	client_await_close(room, client);
	ck_assert_msg(!client->is_reset, "%s: reset", probe->name);
	ck_assert_msg(client->len == 0, "%s: and then: %s", probe->name,
	    client->in);
	ck_assert_msg(room->gate.refused == 1, "%s: refused %lld", probe->name,
	    (long long)room->gate.refused);
}

/* Nothing may have been left over: the next answer is to the next question. */
static void
check_alive_or_closed(struct room *room, struct client *client,
    const struct probe *probe)
{
	struct response response;

	client_say(room, client, "GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
	while (!client_take(client, false, &response)) {
		if (client->is_closed)
			break;
		room_turn(room);
		answer_late(room);
		client_read(client);
	}
	ck_assert_msg(client->is_closed ||
		strcmp(response.body, "GET /next ") == 0,
	    "%s: left over: %s", probe->name, response.body);
	ck_assert_msg(room->handled == probe->passed + !client->is_closed,
	    "%s: %d handled", probe->name, room->handled);
	response_free(&response);
}

static void
try(const struct probe *probe, enum how how)
{
	struct room room;
	struct client *client;

	room_open_with(&room, &limits);
	room.holds_all = how == ANSWERED_LATE;
	client = client_new(&room);
	if (how == BYTE_BY_BYTE)
		client_drip(&room, client, probe->bytes, probe->len);
	else
		client_send(&room, client, probe->bytes, probe->len);
	check_passed(&room, client, probe);
	if (probe->refused != 0) {
		check_refused(&room, client, probe);
		ck_assert_msg(room.handled == probe->passed, "%s: %d handled",
		    probe->name, room.handled);
	} else {
		check_alive_or_closed(&room, client, probe);
		ck_assert_int_eq(room.gate.refused, 0);
	}
	client_free(&client);
	room_close(&room);
}

START_TEST(every_probe_sent_whole)
{
	for (size_t i = 0; i < PROBE_COUNT; i++)
		try(&probes[i], WHOLE);
}
END_TEST

START_TEST(every_probe_sent_byte_by_byte)
{
	for (size_t i = 0; i < PROBE_COUNT; i++)
		try(&probes[i], BYTE_BY_BYTE);
}
END_TEST

START_TEST(every_probe_answered_late)
{
	for (size_t i = 0; i < PROBE_COUNT; i++)
		try(&probes[i], ANSWERED_LATE);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("http_probes");
	TCase *tcase = tcase_create("http_probes");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, every_probe_sent_whole);
	tcase_add_test(tcase, every_probe_sent_byte_by_byte);
	tcase_add_test(tcase, every_probe_answered_late);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
