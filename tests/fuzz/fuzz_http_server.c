/* fuzz_http_server.c - any bytes on a real connection, in any packets.
 *
 * The first byte of an input is the dice that cut the rest into packets. What
 * the guard says about the bytes by itself is what the whole server must do.
 *
 * 1. Exactly the requests that the guard passes reach the handler, in order,
 *    with bodies of the lengths it has seen; no target begins with "//".
 * 2. Each gets a reply; a refusal comes last. No page of evhttp's own is sent.
 * 3. Afterwards no connection, request or byte of a body is left.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <arpa/inet.h>
#include <event2/event.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../src/base/http_guard.h"
#include "callbackd/http.h"
#include "fuzz.h"

enum {
	MAX_REQUESTS = 256,
	MAX_LEN = 8192,
	OUTPUT_SIZE = 256 << 10,
	MAX_TURNS = 20000,
};

static const struct guard_limits guard_limits = { .body_bytes = 4096,
	.head_bytes = 2048,
	.field_count = 32 };
static const struct http_limits limits = { .body_bytes = 4096,
	.head_bytes = 2048,
	.field_count = 32,
	.head_ms = 60000,
	.body_ms = 60000,
	.idle_ms = 60000 };

/* What must happen, and what has. */
struct course {
	size_t body_len[MAX_REQUESTS];
	size_t passed;
	int refused;
	size_t handled;
};

/* Made at the first input and used for all. */
struct house {
	struct loop *loop;
	struct http_gate gate;
	struct http_server *server;
	struct sockaddr_in address;
	struct course course;
	struct http_exchange *held; /* answered late */
	unsigned dice;
};

static void
require(bool holds)
{
	if (!holds)
		abort();
}

/* ---- what must happen ---- */

static void
foretell(struct course *course, const uint8_t *bytes, size_t len)
{
	struct guard guard;
	int64_t body_len = 0;
	size_t used;

	memset(course, 0, sizeof(*course));
	guard_init(&guard, &guard_limits);
	for (;; bytes += used, len -= used) {
		switch (guard_feed(&guard, bytes, len, &used)) {
		case GUARD_MORE:
			return;
		case GUARD_REFUSED:
			course->refused = guard_refusal(&guard)->status;
			return;
		case GUARD_HEAD:
			body_len = guard_body_bytes(&guard);
			break;
		case GUARD_CHUNK:
			body_len += guard_chunk_bytes(&guard);
			break;
		case GUARD_BLANK:
			break;
		case GUARD_MESSAGE:
			if (course->passed < MAX_REQUESTS)
				course->body_len[course->passed++] =
				    (size_t)body_len;
			break;
		}
	}
}

/* ---- what happens ---- */

static void
check_field(const char *name, const char *value, void *arg)
{
	size_t *hosts = arg;

	require(name[0] != '\0' && strpbrk(name, " \t:\r\n") == NULL);
	require(strpbrk(value, "\r\n") == NULL && value[0] != ' ');
	*hosts += strcasecmp(name, "host") == 0;
}

static void
answer(struct http_exchange **exchange)
{
	struct http_reply reply = { .status = 200,
		.body = "fine",
		.body_len = 4 };

	http_answer(exchange, &reply);
}

static void
handle(struct http_exchange *exchange, void *arg)
{
	struct house *house = arg;
	struct course *course = &house->course;
	struct blob *body = http_body(exchange);
	size_t hosts = 0;

	require(course->handled < course->passed);
	require(blob_len(body) == course->body_len[course->handled++]);
	require(blob_len(body) == http_body_len(exchange));
	blob_unref(&body);
	require(http_target(exchange)[0] == '/');
	require(http_target(exchange)[1] != '/');
	require(http_header(exchange, "host") == NULL ||
	    strpbrk(http_header(exchange, "host"), " /@") == NULL);
	http_each_header(exchange, check_field, &hosts);
	require(hosts <= 1);
	house->dice = house->dice * 1103515245 + 12345;
	if (house->dice >> 16 & 1)
		house->held = exchange;
	else
		answer(&exchange);
}

static void
turn(struct house *house)
{
	event_base_loop(loop_base(house->loop), EVLOOP_NONBLOCK);
	if (house->held != NULL)
		answer(&house->held);
}

static void
send_in_packets(struct house *house, int fd, const uint8_t *bytes, size_t len,
    unsigned dice)
{
	size_t at = 0;

	while (at < len) {
		size_t size = 1 + (dice >> 8) % 97;

		if (size > len - at)
			size = len - at;
		if (send(fd, bytes + at, size, MSG_NOSIGNAL) <= 0)
			break; /* closed after a reply that said so */
		at += size;
		turn(house);
		dice = dice * 1103515245 + 12345;
	}
	shutdown(fd, SHUT_WR);
}

/* All that the server says until it closes. */
static const char *
listen_to_end(struct house *house, int fd)
{
	static char output[OUTPUT_SIZE];
	size_t len = 0;
	ssize_t n = -1;

	for (int turns = 0; n != 0 && turns < MAX_TURNS; turns++) {
		turn(house);
		n = recv(fd, output + len, sizeof(output) - 1 - len,
		    MSG_DONTWAIT);
		len += n > 0 ? (size_t)n : 0;
	}
	require(n == 0);
	output[len] = '\0';
	return output;
}

static size_t
count_of(const char *text, const char *what)
{
	size_t count = 0;

	while ((text = strstr(text, what)) != NULL) {
		text += strlen(what);
		count++;
	}
	return count;
}

static void
check_output(const struct course *course, const char *output)
{
	char refusal[64];

	snprintf(refusal, sizeof(refusal), "HTTP/1.1 %d ", course->refused);
	require(course->handled == course->passed);
	require(count_of(output, "HTTP/1.1 200 OK\r\n") == course->passed);
	require(count_of(output, "problem+json") == (course->refused != 0));
	require(course->refused == 0 || count_of(output, refusal) == 1);
	require(strstr(output, "<") == NULL);
}

static void
open_house(struct house *house)
{
	socklen_t len = sizeof(house->address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	signal(SIGPIPE, SIG_IGN);
	house->address.sin_family = AF_INET;
	house->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	require(bind(fd, (struct sockaddr *)&house->address, len) == 0);
	require(listen(fd, 16) == 0);
	getsockname(fd, (struct sockaddr *)&house->address, &len);
	house->gate.max_connections = 16;
	house->gate.max_body_bytes = 1 << 20;
	house->loop = loop_new(0, NULL);
	require(house->loop != NULL);
	house->server = http_server_new(house->loop, &house->gate, &limits,
	    handle, house);
	require(house->server != NULL);
	require(http_server_listen(house->server, fd));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static struct house house;
	struct linger at_once = { 1, 0 };
	int fd;

	if (len < 2 || len > MAX_LEN)
		return 0;
	if (house.loop == NULL)
		open_house(&house);
	foretell(&house.course, bytes + 1, len - 1);
	house.dice = bytes[0] * 2654435u + 1;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	require(connect(fd, (struct sockaddr *)&house.address,
		    sizeof(house.address)) == 0);
	send_in_packets(&house, fd, bytes + 1, len - 1, house.dice);
	check_output(&house.course, listen_to_end(&house, fd));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd); /* no thousands of ports in TIME_WAIT */
	for (int i = 0; house.gate.connections > 0 && i < MAX_TURNS; i++)
		turn(&house);
	require(house.gate.connections == 0 && house.gate.body_bytes == 0);
	require(http_server_pending(house.server) == 0);
	return 0;
}
