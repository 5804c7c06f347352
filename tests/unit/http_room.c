/* http_room.c - a server and raw clients in one thread. */
#include "http_room.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "callbackd/clock.h"

enum {
	PATIENCE_MS = 10000,
	READ_SIZE = 65536,
	REST_MS = 300,
};

static const struct http_limits patient = {
	.body_bytes = 4 << 20,
	.head_bytes = 16384,
	.field_count = 100,
	.head_ms = 60000,
	.body_ms = 60000,
	.idle_ms = 60000,
};

const struct http_limits room_impatient = {
	.body_bytes = 4 << 20,
	.head_bytes = 16384,
	.field_count = 100,
	.head_ms = 100,
	.body_ms = 200,
	.idle_ms = 300,
};

const struct http_reply room_stream_head = {
	.status = 200,
	.content_type = "text/event-stream",
};

/* ---- the handler ---- */

static void
echo(struct http_exchange *exchange)
{
	struct blob *body = http_body(exchange);
	struct http_reply reply = { .status = 200,
		.content_type = "text/plain" };
	struct buf text;

	buf_init(&text, 8 << 20);
	buf_printf(&text, "%s %s ", http_method(exchange),
	    http_target(exchange));
	buf_append(&text, blob_data(body), blob_len(body));
	reply.body = text.data;
	reply.body_len = text.len;
	http_answer(&exchange, &reply);
	buf_free(&text);
	blob_unref(&body);
}

static void
handle(struct http_exchange *exchange, void *arg)
{
	struct room *room = arg;

	room->handled++;
	if (!room->holds_all &&
	    strncmp(http_target(exchange), "/hold", 5) != 0) {
		echo(exchange);
		return;
	}
	ck_assert_int_lt(room->held_count, ROOM_HELD_MAX);
	room->held[room->held_count++] = exchange;
}

void
room_answer(struct room *room, int index, const char *text)
{
	struct http_reply reply = { .status = 200,
		.content_type = "text/plain",
		.body = text,
		.body_len = strlen(text) };

	http_answer(&room->held[index], &reply);
	ck_assert_ptr_null(room->held[index]);
}

void
room_answer_big(struct room *room, int index, size_t len)
{
	char *bytes = malloc(len);
	struct http_reply reply = { .status = 200 };

	memset(bytes, 'b', len);
	reply.blob = blob_new(bytes, len);
	http_answer(&room->held[index], &reply);
	blob_unref(&reply.blob); /* the reply has its own holder */
	free(bytes);
}

void
room_gone(void *room)
{
	((struct room *)room)->gone_count++;
}

/* ---- the room ---- */

static int
listen_anywhere(int *port_out)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, len), 0);
	ck_assert_int_eq(listen(fd, 64), 0);
	getsockname(fd, (struct sockaddr *)&address, &len);
	*port_out = ntohs(address.sin_port);
	return fd;
}

void
room_open_with(struct room *room, const struct http_limits *limits)
{
	memset(room, 0, sizeof(*room));
	signal(SIGPIPE, SIG_IGN);
	room->gate.max_connections = 1000;
	room->gate.max_body_bytes = 64 << 20;
	room->limits = *limits;
	room->loop = loop_new(0, room);
	ck_assert_ptr_nonnull(room->loop);
	room->server = http_server_new(room->loop, &room->gate, limits, handle,
	    room);
	ck_assert_ptr_nonnull(room->server);
	ck_assert(
	    http_server_listen(room->server, listen_anywhere(&room->port)));
}

void
room_open(struct room *room)
{
	room_open_with(room, &patient);
}

void
room_close(struct room *room)
{
	for (int i = 0; i < room->held_count; i++)
		if (room->held[i] != NULL)
			http_drop(&room->held[i]);
	http_server_free(&room->server);
	loop_free(&room->loop);
	ck_assert_int_eq(room->gate.connections, 0);
	ck_assert_int_eq(room->gate.body_bytes, 0);
}

void
room_turn(struct room *room)
{
	event_base_loop(loop_base(room->loop), EVLOOP_NONBLOCK);
}

/* By this process, of a core. */
static int64_t
used_ms(void)
{
	struct rusage usage;
	struct timeval sum;

	getrusage(RUSAGE_SELF, &usage);
	timeradd(&usage.ru_utime, &usage.ru_stime, &sum);
	return sum.tv_sec * 1000 + sum.tv_usec / 1000;
}

void
room_rest(struct room *room)
{
	struct timeval tv = { 0, REST_MS * 1000 };
	int64_t since_ms = clock_mono_ms();
	int64_t before_ms = used_ms();

	event_base_loopexit(loop_base(room->loop), &tv);
	event_base_loop(loop_base(room->loop), 0);
	ck_assert_int_ge(clock_mono_ms() - since_ms, REST_MS - 10);
	ck_assert_int_lt(used_ms() - before_ms, REST_MS / 3);
}

/* A break stops the loop after the event at hand. */
void
room_accept(struct room *room)
{
	while (room->gate.accepted == 0) {
		event_base_loopbreak(loop_base(room->loop));
		event_base_loop(loop_base(room->loop), EVLOOP_NONBLOCK);
	}
}

static int
try_to_connect(struct room *room)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)room->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

bool
room_can_connect(struct room *room)
{
	int fd = try_to_connect(room);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool
room_is_late(int64_t since_ms)
{
	poll(NULL, 0, clock_mono_ms() - since_ms > 20 ? 1 : 0);
	return clock_mono_ms() - since_ms > PATIENCE_MS;
}

/* ---- clients ---- */

struct client *
client_of(int fd)
{
	struct client *client = calloc(1, sizeof(*client));

	client->fd = fd;
	return client;
}

struct client *
client_new(struct room *room)
{
	int fd = try_to_connect(room);
	int on = 1;

	ck_assert_int_ge(fd, 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return client_of(fd);
}

struct client *
client_holding(struct room *room, const char *request)
{
	struct client *client = client_new(room);
	int before = room->held_count;

	client_say(room, client, request);
	ROOM_UNTIL(room, room->held_count > before);
	return client;
}

void
client_free(struct client **client)
{
	close((*client)->fd);
	free((*client)->in);
	free(*client);
	*client = NULL;
}

void
client_reset(struct client **client)
{
	struct linger at_once = { 1, 0 };

	setsockopt((*client)->fd, SOL_SOCKET, SO_LINGER, &at_once,
	    sizeof(at_once));
	client_free(client);
}

/* A peer that has closed meanwhile is no failure here. */
void
client_send(struct room *room, struct client *client, const void *bytes,
    size_t len)
{
	const char *next = bytes;

	while (len > 0) {
		ssize_t n = send(client->fd, next, len,
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN)
			return;
		if (n < 0) {
			room_turn(room);
			continue;
		}
		next += n;
		len -= (size_t)n;
	}
}

void
client_say(struct room *room, struct client *client, const char *text)
{
	client_send(room, client, text, strlen(text));
}

void
client_drip(struct room *room, struct client *client, const char *bytes,
    size_t len)
{
	for (size_t i = 0; i < len; i++) {
		client_send(room, client, bytes + i, 1);
		room_turn(room);
	}
}

static void
make_room(struct client *client)
{
	if (client->len + READ_SIZE < client->cap)
		return;
	client->cap = (client->len + READ_SIZE) * 2;
	client->in = realloc(client->in, client->cap);
	ck_assert_ptr_nonnull(client->in);
}

bool
client_read(struct client *client)
{
	ssize_t n = -1;

	make_room(client);
	errno = EAGAIN;
	if (!client->is_closed)
		n = recv(client->fd, client->in + client->len, READ_SIZE,
		    MSG_DONTWAIT);
	if (n > 0)
		client->len += (size_t)n;
	client->in[client->len] = '\0';
	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		client->is_closed = true;
		client->is_reset = n < 0;
	}
	return n >= 0;
}

/* ---- responses ---- */

static void
drop_input(struct client *client, size_t len)
{
	memmove(client->in, client->in + len, client->len - len + 1);
	client->len -= len;
}

/* The length of a chunked body on the wire, -1 while incomplete. Its data goes
 * to the response. */
static ssize_t
unchunk(const char *wire, struct response *out)
{
	const char *at = wire;

	for (;;) {
		char *end;
		size_t size = strtoul(at, &end, 16);

		if (end == at || strncmp(end, "\r\n", 2) != 0 ||
		    strlen(end) < size + 4)
			return -1;
		ck_assert_int_eq(strncmp(end + 2 + size, "\r\n", 2), 0);
		out->body = realloc(out->body, out->body_len + size + 1);
		memcpy(out->body + out->body_len, end + 2, size);
		out->body_len += size;
		out->body[out->body_len] = '\0';
		at = end + 2 + size + 2;
		if (size == 0)
			return at - wire;
	}
}

static ssize_t
take_body(struct client *client, const char *wire, struct response *out)
{
	const char *length = strstr(out->head, "Content-Length: ");
	size_t have = client->len - (size_t)(wire - client->in);
	size_t len = 0;

	if (response_has(out, "Transfer-Encoding: chunked"))
		return unchunk(wire, out);
	if (length != NULL)
		len = strtoul(length + 16, NULL, 10);
	else if (response_has(out, "Connection: close"))
		len = client->is_closed ? have : SIZE_MAX;
	if (have < len)
		return -1;
	out->body = malloc(len + 1);
	memcpy(out->body, wire, len);
	out->body[len] = '\0';
	out->body_len = len;
	return (ssize_t)len;
}

static bool
status_has_no_body(int status)
{
	return status < 200 || status == 204 || status == 304;
}

bool
client_take(struct client *client, bool is_head, struct response *out)
{
	char *end = client->in != NULL ? strstr(client->in, "\r\n\r\n") : NULL;
	size_t head_len;
	ssize_t body_len = 0;

	memset(out, 0, sizeof(*out));
	if (end == NULL)
		return false;
	head_len = (size_t)(end - client->in) + 4;
	ck_assert_uint_lt(head_len, sizeof(out->head));
	memcpy(out->head, client->in, head_len);
	ck_assert_msg(sscanf(out->head, "HTTP/1.1 %3d ", &out->status) == 1,
	    "no status line: %s", out->head);
	if (!is_head && !status_has_no_body(out->status))
		body_len = take_body(client, client->in + head_len, out);
	if (body_len < 0) {
		response_free(out);
		return false;
	}
	drop_input(client, head_len + (size_t)body_len);
	return true;
}

void
client_await(struct room *room, struct client *client, bool is_head,
    struct response *out)
{
	int64_t since_ms = clock_mono_ms();

	while (!client_take(client, is_head, out)) {
		ck_assert_msg(!client->is_closed || client->len > 0,
		    "closed without a response%s",
		    client->is_reset ? " (reset)" : "");
		ck_assert_msg(!room_is_late(since_ms), "no response, but: %s",
		    client->in != NULL ? client->in : "");
		room_turn(room);
		client_read(client);
	}
}

void
client_check_body(struct room *room, struct client *client, const char *body)
{
	struct response response;

	client_await(room, client, false, &response);
	ck_assert_int_eq(response.status, 200);
	ck_assert_str_eq(response.body, body);
	response_free(&response);
}

void
client_check_status(struct room *room, struct client *client, int status)
{
	struct response response;

	client_await(room, client, false, &response);
	ck_assert_int_eq(response.status, status);
	response_free(&response);
}

void
client_await_close(struct room *room, struct client *client)
{
	ROOM_UNTIL(room, (client_read(client), client->is_closed));
}

void
response_free(struct response *response)
{
	free(response->body);
	memset(response, 0, sizeof(*response));
}

bool
response_has(const struct response *response, const char *line)
{
	char wanted[256];

	snprintf(wanted, sizeof(wanted), "\r\n%s\r\n", line);
	return strstr(response->head, wanted) != NULL;
}
