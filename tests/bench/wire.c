/* wire.c - edge-triggered sockets with HTTP messages on them.
 *
 * 1. A stream is registered once, for both directions, and never changed: an
 *    epoll_ctl a message would cost as much as the message.
 * 2. Streams that close are freed at the end of the turn, when no event of the
 *    same turn can name them any more.
 * 3. A buffer grows to the largest message seen and stays so.
 *
 * One thread.
 */
#include "wire.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
	EVENTS_COUNT = 256,
	FIRST_BYTES = 4096,
	MESSAGE_BYTES_MAX = 64 * 1024 * 1024,
};

struct listener {
	struct stream stream; /* first: epoll knows it by this address */
	const struct stream_calls *calls;
	void *owner;
};

struct wire {
	int epoll;
	struct stream *dead;
};

void
give_up(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(70);
}

int64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* ---- bytes ---- */

static void
reserve(struct bytes *bytes, size_t room)
{
	if (bytes->room >= room)
		return;
	bytes->at = realloc(bytes->at, room);
	if (bytes->at == NULL)
		give_up("memory");
	bytes->room = room;
}

static void
append(struct bytes *bytes, const char *from, size_t count)
{
	if (count == 0)
		return;
	reserve(bytes, bytes->used + count);
	memcpy(bytes->at + bytes->used, from, count);
	bytes->used += count;
}

/* ---- streams ---- */

static void
watch(struct wire *wire, struct stream *stream, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = stream };

	stream->wire = wire;
	if (epoll_ctl(wire->epoll, EPOLL_CTL_ADD, stream->fd, &event) != 0)
		give_up("epoll_ctl");
}

static struct stream *
stream_new(struct wire *wire, int fd, const struct stream_calls *calls,
    void *owner)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	int on = 1;

	if (stream == NULL)
		give_up("memory");
	stream->fd = fd;
	stream->calls = calls;
	stream->owner = owner;
	reserve(&stream->in, FIRST_BYTES);
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
		give_up("TCP_NODELAY");
	watch(wire, stream, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
	return stream;
}

void
stream_close(struct stream *stream)
{
	if (stream->closing)
		return;
	stream->closing = true;
	stream->next_dead = stream->wire->dead;
	stream->wire->dead = stream;
}

static void
bury(struct wire *wire)
{
	while (wire->dead != NULL) {
		struct stream *stream = wire->dead;

		wire->dead = stream->next_dead;
		close(stream->fd);
		free(stream->in.at);
		free(stream->out.at);
		free(stream);
	}
}

static void
peer_has_closed(struct stream *stream)
{
	if (stream->closing)
		return;
	stream_close(stream);
	if (stream->calls->closed != NULL)
		stream->calls->closed(stream);
}

/* ---- sending ---- */

static void
flush(struct stream *stream)
{
	while (stream->out_sent < stream->out.used) {
		ssize_t sent = send(stream->fd,
		    stream->out.at + stream->out_sent,
		    stream->out.used - stream->out_sent, MSG_NOSIGNAL);

		if (sent < 0)
			return; /* later, or never: then reading tells */
		stream->out_sent += (size_t)sent;
	}
	stream->out.used = 0;
	stream->out_sent = 0;
}

void
stream_send(struct stream *stream, const char *head, size_t head_bytes,
    const char *body, size_t body_bytes)
{
	struct iovec parts[2] = {
		{ .iov_base = (void *)(uintptr_t)head, .iov_len = head_bytes },
		{ .iov_base = (void *)(uintptr_t)body, .iov_len = body_bytes },
	};
	struct msghdr all = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t result = 0;
	size_t sent;

	if (stream->out.used == 0)
		result = sendmsg(stream->fd, &all, MSG_NOSIGNAL);
	sent = result > 0 ? (size_t)result : 0;
	if (sent == head_bytes + body_bytes)
		return;
	if (sent < head_bytes) {
		append(&stream->out, head + sent, head_bytes - sent);
		sent = 0;
	} else {
		sent -= head_bytes;
	}
	append(&stream->out, body + sent, body_bytes - sent);
}

/* ---- receiving ---- */

const char *
message_field(const struct message *message, const char *name,
    size_t *bytes_out)
{
	const char *at = message->head;
	const char *end = message->head + message->head_bytes;
	size_t name_bytes = strlen(name);

	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		const char *value = at + name_bytes + 1;

		if (stop == NULL)
			return NULL;
		if (value < stop && at[name_bytes] == ':' &&
		    strncasecmp(at, name, name_bytes) == 0) {
			while (value < stop && *value == ' ')
				value++;
			while (stop > value &&
			    (stop[-1] == '\r' || stop[-1] == ' '))
				stop--;
			*bytes_out = (size_t)(stop - value);
			return value;
		}
		at = stop + 1;
	}
	return NULL;
}

static size_t
content_length(const struct message *message)
{
	size_t digits;
	const char *value = message_field(message, "content-length", &digits);
	size_t length = 0;

	if (value == NULL)
		return 0;
	for (; digits > 0 && *value >= '0' && *value <= '9'; digits--)
		length = length * 10 + (size_t)(*value++ - '0');
	if (length > MESSAGE_BYTES_MAX) {
		errno = EMSGSIZE;
		give_up("Content-Length");
	}
	return length;
}

/* Learns how long the message at the start of the buffer is. */
static bool
measure(struct stream *stream)
{
	size_t from = stream->seen > 3 ? stream->seen - 3 : 0;
	char *end = memmem(stream->in.at + from, stream->in.used - from,
	    "\r\n\r\n", 4);
	struct message message = { .head = stream->in.at };

	stream->seen = stream->in.used;
	if (end == NULL)
		return false;
	message.head_bytes = (size_t)(end - stream->in.at) + 2;
	stream->head = message.head_bytes;
	stream->need = message.head_bytes + 2 + content_length(&message);
	return true;
}

static void
drop_message(struct stream *stream)
{
	size_t rest = stream->in.used - stream->need;

	if (rest > 0)
		memmove(stream->in.at, stream->in.at + stream->need, rest);
	stream->in.used = rest;
	stream->need = 0;
	stream->seen = 0;
}

static void
take_messages(struct stream *stream)
{
	while (stream->in.used > 0 && !stream->closing) {
		struct message message;

		if (stream->need == 0 && !measure(stream))
			return;
		if (stream->in.used < stream->need)
			return;
		message.head = stream->in.at;
		message.head_bytes = stream->head;
		message.body_bytes = stream->need - stream->head - 2;
		message.body = stream->in.at + stream->head + 2;
		stream->calls->message(stream, &message);
		drop_message(stream);
	}
}

static void
receive(struct stream *stream)
{
	while (!stream->closing) {
		size_t room = stream->in.used + FIRST_BYTES / 2;
		ssize_t got;

		reserve(&stream->in, stream->need > room ? stream->need : room);
		room = stream->in.room - stream->in.used;
		got = recv(stream->fd, stream->in.at + stream->in.used, room,
		    0);
		if (got == 0 || (got < 0 && errno != EAGAIN)) {
			peer_has_closed(stream);
			return;
		}
		if (got < 0)
			return;
		stream->in.used += (size_t)got;
		take_messages(stream);
		if ((size_t)got < room)
			return; /* drained: more will be an edge again */
	}
}

/* ---- the turn ---- */

static void
accept_all(struct wire *wire, struct listener *listener)
{
	for (;;) {
		int fd = accept4(listener->stream.fd, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && errno != EAGAIN && errno != ECONNABORTED)
			give_up("accept");
		if (fd < 0)
			return;
		stream_new(wire, fd, listener->calls, listener->owner);
	}
}

static void
react(struct wire *wire, struct stream *stream, uint32_t events)
{
	if (stream->calls == NULL) {
		accept_all(wire, (struct listener *)stream);
		return;
	}
	if ((events & EPOLLOUT) != 0 && stream->out.used > 0)
		flush(stream);
	if ((events & ~(uint32_t)EPOLLOUT) == 0)
		return;
	receive(stream);
	/* A full buffer and then a hang-up are one edge. */
	if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
		peer_has_closed(stream);
}

void
wire_turn(struct wire *wire, int64_t timeout_ns)
{
	struct epoll_event events[EVENTS_COUNT];
	struct timespec wait = { timeout_ns / 1000000000,
		timeout_ns % 1000000000 };
	int count = epoll_pwait2(wire->epoll, events, EVENTS_COUNT,
	    timeout_ns < 0 ? NULL : &wait, NULL);

	if (count < 0 && errno != EINTR)
		give_up("epoll_pwait2");
	for (int i = 0; i < count; i++) {
		struct stream *stream = events[i].data.ptr;

		if (!stream->closing)
			react(wire, stream, events[i].events);
	}
	bury(wire);
}

struct wire *
wire_new(void)
{
	struct wire *wire = calloc(1, sizeof(*wire));

	if (wire == NULL)
		give_up("memory");
	wire->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (wire->epoll < 0)
		give_up("epoll_create1");
	return wire;
}

/* ---- births ---- */

static int
loopback_socket(uint16_t port, struct sockaddr_in *address_out)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		give_up("socket");
	*address_out = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	return fd;
}

static void
make_nonblocking(int fd)
{
	if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
		give_up("O_NONBLOCK");
}

int
wire_bind(uint16_t *port_out)
{
	struct sockaddr_in address;
	socklen_t size = sizeof(address);
	int fd = loopback_socket(0, &address);

	if (bind(fd, (struct sockaddr *)&address, size) != 0 ||
	    listen(fd, 4096) != 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &size) != 0)
		give_up("listen");
	make_nonblocking(fd);
	*port_out = ntohs(address.sin_port);
	return fd;
}

uint16_t
wire_listen(struct wire *wire, const struct stream_calls *calls, void *owner)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	uint16_t port;

	if (listener == NULL)
		give_up("memory");
	listener->stream.fd = wire_bind(&port);
	listener->calls = calls;
	listener->owner = owner;
	watch(wire, &listener->stream, EPOLLIN);
	return port;
}

struct stream *
wire_connect(struct wire *wire, uint16_t port, const struct stream_calls *calls,
    void *owner)
{
	struct sockaddr_in address;
	int fd = loopback_socket(port, &address);

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		close(fd);
		return NULL;
	}
	make_nonblocking(fd);
	return stream_new(wire, fd, calls, owner);
}
