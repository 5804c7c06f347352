/* test_watch.c - streams that are silent, and how they end with their loop.
 *
 * A real api and a real ledger with an empty store; what streams say of jobs is
 * in tests/system/test_watch.c.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "callbackd/api.h"
#include "callbackd/clock.h"
#include "callbackd/listen.h"
#include "callbackd/text.h"
#include "http_room.h"

#define BEAT_MS 50
#define WATCH_ALL                                                              \
	"GET /v1/events HTTP/1.1\r\nHost: a\r\n"                               \
	"Accept: text/event-stream\r\n\r\n"

#define WATCH_BY_SOCKET                                                        \
	"GET /v1/events HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"         \
	"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"                 \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

struct gateway {
	struct room room; /* its loop and port, for the clients */
	struct conf *conf;
	struct metrics metrics;
	struct ledger_hands hands;
	struct ledger_hands *all_hands[1];
	struct ledger *ledger;
	struct api *api;
};

static void
complain_cb(const char *line, void *arg)
{
	(void)arg;
	ck_abort_msg("%s", line);
}

static void
open_ledger(struct gateway *gateway)
{
	const struct ledger_setup setup = { .conf = gateway->conf,
		.metrics = &gateway->metrics,
		.hands = gateway->all_hands,
		.hands_count = 1,
		.inbox_limit = 100 };
	struct reason why;

	gateway->hands.loop = gateway->room.loop;
	gateway->all_hands[0] = &gateway->hands;
	gateway->ledger = ledger_new(&setup, &why);
	ck_assert_msg(gateway->ledger != NULL, "%s", why.text);
	ck_assert(ledger_start(gateway->ledger));
}

static void
open_api(struct gateway *gateway)
{
	const struct api_setup setup = { .loop = gateway->room.loop,
		.conf = gateway->conf,
		.gate = &gateway->room.gate,
		.metrics = &gateway->metrics,
		.ledger = gateway->ledger,
		.heartbeat_ms = BEAT_MS };
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	struct reason why;
	int fd = listen_open((struct sockaddr *)&address, len, &why);

	ck_assert_msg(fd >= 0, "%s", why.text);
	getsockname(fd, (struct sockaddr *)&address, &len);
	gateway->room.port = ntohs(address.sin_port);
	gateway->api = api_new(&setup);
	ck_assert_ptr_nonnull(gateway->api);
	ck_assert(api_listen(gateway->api, fd));
}

static void
open_gateway(struct gateway *gateway)
{
	memset(gateway, 0, sizeof(*gateway));
	log_configure(LOG_LEVEL_ERROR, LOG_LOGFMT);
	gateway->room.gate.max_connections = 1000;
	gateway->room.gate.max_body_bytes = 64 << 20;
	gateway->room.loop = loop_new(0, &gateway->hands);
	gateway->conf = conf_load(NULL, complain_cb, NULL);
	ck_assert_ptr_nonnull(gateway->conf);
	free(gateway->conf->store);
	gateway->conf->store = text_copy("memory:");
	open_ledger(gateway);
	open_api(gateway);
}

/* As main does it. */
static void
close_gateway(struct gateway *gateway)
{
	api_abandon(gateway->api);
	ledger_stop(&gateway->ledger);
	loop_open_leftovers(gateway->room.loop);
	api_free(&gateway->api);
	loop_free(&gateway->room.loop);
	conf_unref(&gateway->conf);
	ck_assert_int_eq(gateway->room.gate.connections, 0);
}

static int
times_in(struct client *client, const char *what)
{
	const char *at = client->in;
	int times = 0;

	while (at != NULL && (at = strstr(at, what)) != NULL) {
		times++;
		at++;
	}
	return times;
}

static bool
has_got(struct client *client, const char *what, int times)
{
	(void)client_read(client);
	return times_in(client, what) >= times;
}

static struct client *
watch(struct gateway *gateway)
{
	struct client *client = client_new(&gateway->room);

	client_say(&gateway->room, client, WATCH_ALL);
	ROOM_UNTIL(&gateway->room, has_got(client, "\nid: ", 1));
	return client;
}

START_TEST(a_silent_stream_has_a_heartbeat)
{
	struct gateway gateway;
	struct client *client;
	int64_t begun_ms;

	open_gateway(&gateway);
	begun_ms = clock_mono_ms();
	client = watch(&gateway);
	ROOM_UNTIL(&gateway.room, has_got(client, "\n:\n\n", 3));
	ck_assert_int_ge(clock_mono_ms() - begun_ms, 3 * BEAT_MS);
	client_free(&client);
	close_gateway(&gateway);
}
END_TEST

START_TEST(every_silent_stream_has_its_own)
{
	struct gateway gateway;
	struct client *clients[20];

	open_gateway(&gateway);
	for (int i = 0; i < 20; i++)
		clients[i] = watch(&gateway);
	client_reset(&clients[3]);
	for (int i = 0; i < 20; i++)
		if (i != 3)
			ROOM_UNTIL(&gateway.room,
			    has_got(clients[i], "\n:\n\n", 2));
	for (int i = 0; i < 20; i++)
		if (i != 3)
			client_free(&clients[i]);
	ROOM_UNTIL(&gateway.room, gateway.room.gate.connections == 0);
	close_gateway(&gateway);
}
END_TEST

START_TEST(sockets_are_pinged_and_go_away)
{
	struct gateway gateway;
	struct client *client;
	struct response response;

	open_gateway(&gateway);
	client = client_new(&gateway.room);
	client_say(&gateway.room, client, WATCH_BY_SOCKET);
	client_await(&gateway.room, client, false, &response);
	ck_assert_int_eq(response.status, 101);
	response_free(&response);
	ROOM_UNTIL(&gateway.room, (client_read(client), client->len >= 4));
	ck_assert_int_eq(memcmp(client->in, "\x89\0\x89\0", 4), 0);
	api_drain(gateway.api);
	ck_assert_uint_eq(api_pending(gateway.api), 1);
	ROOM_UNTIL(&gateway.room,
	    (client_read(client),
		memmem(client->in, client->len, "\x88\x02\x03\xe9", 4) !=
		    NULL));
	client_send(&gateway.room, client, "\x88\x80\0\0\0\0", 6);
	client_await_close(&gateway.room, client);
	ck_assert(!client->is_reset);
	ROOM_UNTIL(&gateway.room, api_pending(gateway.api) == 0);
	client_free(&client);
	close_gateway(&gateway);
}
END_TEST

START_TEST(draining_ends_streams_and_lets_none_begin)
{
	struct gateway gateway;
	struct client *client;
	struct client *late;
	struct response response;

	open_gateway(&gateway);
	client = watch(&gateway);
	late = client_new(&gateway.room);
	client_say(&gateway.room, late, WATCH_ALL);
	ROOM_UNTIL(&gateway.room, api_pending(gateway.api) == 2);
	api_drain(gateway.api);
	ROOM_UNTIL(&gateway.room, has_got(client, "\r\n0\r\n\r\n", 1));
	ROOM_UNTIL(&gateway.room, has_got(late, "\r\n0\r\n\r\n", 1));
	client_free(&client);
	client_say(&gateway.room, late, WATCH_ALL);
	client_await(&gateway.room, late, false, &response);
	ck_assert_int_eq(response.status, 200);
	response_free(&response);
	client_free(&late);
	ROOM_UNTIL(&gateway.room, api_pending(gateway.api) == 0);
	close_gateway(&gateway);
}
END_TEST

START_TEST(streams_that_are_open_at_the_end_are_closed)
{
	struct gateway gateway;
	struct client *clients[20];
	struct client *asking;

	open_gateway(&gateway);
	for (int i = 0; i < 20; i++)
		clients[i] = watch(&gateway);
	asking = client_new(&gateway.room);
	client_say(&gateway.room, asking, WATCH_ALL);
	ROOM_UNTIL(&gateway.room, api_pending(gateway.api) == 21);
	close_gateway(&gateway);
	for (int i = 0; i < 20; i++)
		client_free(&clients[i]);
	client_free(&asking);
}
END_TEST

START_TEST(streams_do_not_outlive_their_api)
{
	struct gateway gateway;
	struct client *clients[20];

	open_gateway(&gateway);
	for (int i = 0; i < 20; i++)
		clients[i] = watch(&gateway);
	api_free(&gateway.api); /* the ledger is there, and is told */
	ledger_stop(&gateway.ledger);
	loop_free(&gateway.room.loop);
	conf_unref(&gateway.conf);
	for (int i = 0; i < 20; i++)
		client_free(&clients[i]);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("watch");
	TCase *tcase = tcase_create("watch");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_silent_stream_has_a_heartbeat);
	tcase_add_test(tcase, every_silent_stream_has_its_own);
	tcase_add_test(tcase, sockets_are_pinged_and_go_away);
	tcase_add_test(tcase, draining_ends_streams_and_lets_none_begin);
	tcase_add_test(tcase, streams_that_are_open_at_the_end_are_closed);
	tcase_add_test(tcase, streams_do_not_outlive_their_api);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
