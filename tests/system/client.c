/* client.c - sockets, framing and JSON for the system tests.
 *
 * 1. What leaves is exactly what the caller composed; only client_send_request
 *    composes, and says what it adds.
 * 2. A reply is complete or the case fails: a cut body is never handed out.
 */
#include "client.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "patience.h"

#define CLIENT_MAX_BYTES (256u << 20)

/* ---- connections ---- */

static socklen_t
address_parse(const char *text, struct sockaddr_storage *out)
{
	struct sockaddr_in *inet = (struct sockaddr_in *)out;
	struct sockaddr_un *local = (struct sockaddr_un *)out;
	const char *colon = strrchr(text, ':');
	char host[64];

	memset(out, 0, sizeof(*out));
	if (strncmp(text, "unix:", 5) == 0) {
		local->sun_family = AF_UNIX;
		ck_assert_uint_lt(strlen(text + 5), sizeof(local->sun_path));
		memcpy(local->sun_path, text + 5, strlen(text + 5) + 1);
		return sizeof(*local);
	}
	ck_assert_msg(colon != NULL && colon - text < (int)sizeof(host),
	    "not an address: %s", text);
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	inet->sin_family = AF_INET;
	inet->sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	ck_assert_msg(inet_pton(AF_INET, host, &inet->sin_addr) == 1,
	    "not an address: %s", text);
	return sizeof(*inet);
}

bool
client_try_open(struct client *client, const char *address)
{
	struct sockaddr_storage peer;
	socklen_t peer_len = address_parse(address, &peer);
	int64_t wait_ms = patient_ms(SOON_MS);
	struct timeval wait = { wait_ms / 1000, (wait_ms % 1000) * 1000 };
	int one = 1;

	buf_init(&client->in, CLIENT_MAX_BYTES);
	client->sent_mono_ms = now_mono_ms();
	client->fd = socket(peer.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(client->fd, 0);
	if (peer.ss_family == AF_INET)
		setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one,
		    sizeof(one));
	setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (connect(client->fd, (struct sockaddr *)&peer, peer_len) == 0)
		return true;
	client_close(client);
	return false;
}

void
client_open(struct client *client, const char *address)
{
	ck_assert_msg(client_try_open(client, address),
	    "%s: cannot connect: %s", address, strerror(errno));
}

void
client_close(struct client *client)
{
	int saved = errno;

	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
	buf_free(&client->in);
	errno = saved;
}

bool
client_try_send(struct client *client, const void *bytes, size_t len)
{
	const char *at = bytes;

	client->sent_mono_ms = now_mono_ms();
	while (len > 0) {
		ssize_t put = send(client->fd, at, len, MSG_NOSIGNAL);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return false;
		at += put;
		len -= (size_t)put;
	}
	return true;
}

void
client_send(struct client *client, const void *bytes, size_t len)
{
	ck_assert_msg(client_try_send(client, bytes, len), "cannot send: %s",
	    strerror(errno));
}

void
client_send_request(struct client *client, const char *method,
    const char *target, const char *fields, const void *body, long body_len)
{
	struct buf out;

	buf_init(&out, CLIENT_MAX_BYTES);
	buf_printf(&out, "%s %s HTTP/1.1\r\nHost: gateway.test\r\n%s", method,
	    target, fields);
	if (body_len >= 0)
		buf_printf(&out, "Content-Length: %ld\r\n", body_len);
	buf_puts(&out, "\r\n");
	if (body_len > 0)
		buf_append(&out, body, (size_t)body_len);
	ck_assert(!buf_failed(&out));
	client_send(client, out.data, out.len);
	buf_free(&out);
}

/* ---- replies ---- */

/* Reads more. False at the end of the stream. */
static bool
fill(struct client *client)
{
	char piece[65536];
	ssize_t got;

	do
		got = recv(client->fd, piece, sizeof(piece), 0);
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno == ECONNRESET)
		return false;
	ck_assert_msg(got >= 0, "no answer: %s", strerror(errno));
	if (got > 0)
		ck_assert(buf_append(&client->in, piece, (size_t)got));
	return got > 0;
}

static void
need(struct client *client, size_t len)
{
	while (client->in.len < len)
		ck_assert_msg(fill(client), "the reply was cut");
}

static void
drop(struct client *client, size_t len)
{
	ck_assert_uint_le(len, client->in.len);
	memmove(client->in.data, client->in.data + len, client->in.len - len);
	client->in.len -= len;
	if (client->in.data != NULL)
		client->in.data[client->in.len] = '\0';
}

/* Bytes up to and with the first mark; 0 when the peer closed before any. */
static size_t
need_mark(struct client *client, const char *mark)
{
	const char *at;

	while (client->in.len == 0)
		if (!fill(client))
			return 0;
	while ((at = memmem(client->in.data, client->in.len, mark,
		    strlen(mark))) == NULL)
		ck_assert_msg(fill(client), "the reply was cut");
	return (size_t)(at - client->in.data) + strlen(mark);
}

static void
read_chunks(struct client *client, struct buf *body)
{
	size_t line;

	for (;;) {
		char *end;
		unsigned long size;

		line = need_mark(client, "\r\n");
		ck_assert_msg(line > 2, "not a chunk size");
		size = strtoul(client->in.data, &end, 16);

		ck_assert_msg(*end == '\r' || *end == ';', "not a chunk size");
		drop(client, line);
		if (size == 0)
			break;
		need(client, size + 2);
		ck_assert_msg(memcmp(client->in.data + size, "\r\n", 2) == 0,
		    "a chunk without its end");
		buf_append(body, client->in.data, size);
		drop(client, size + 2);
	}
	/* Trailer fields, up to the empty line. */
	while ((line = need_mark(client, "\r\n")) > 2)
		drop(client, line);
	ck_assert_msg(line == 2, "chunks without their end");
	drop(client, line);
}

static void
read_body(struct client *client, struct reply *reply)
{
	const char *coding = reply_header(reply, "Transfer-Encoding");
	const char *length = reply_header(reply, "Content-Length");
	size_t len;
	struct buf body;

	buf_init(&body, CLIENT_MAX_BYTES);
	if (coding != NULL) {
		ck_assert_str_eq(coding, "chunked");
		ck_assert_msg(length == NULL, "both framings in one reply");
		read_chunks(client, &body);
	} else if (length != NULL) {
		len = strtoul(length, NULL, 10);
		need(client, len);
		buf_append(&body, client->in.data, len);
		drop(client, len);
	} else {
		while (fill(client))
			continue;
		buf_append(&body, client->in.data, client->in.len);
		drop(client, client->in.len);
		reply->is_closing = true;
	}
	ck_assert(!buf_failed(&body));
	reply->body_len = body.len;
	free(reply->body);
	reply->body = body.data != NULL ? body.data : strdup("");
}

/* The head of the next reply that is not interim. False: closed instead. */
static bool
read_head(struct client *client, struct reply *out)
{
	for (;;) {
		size_t len = need_mark(client, "\r\n\r\n");

		if (len == 0)
			return false;
		free(out->head);
		out->head = strndup(client->in.data, len - 2);
		drop(client, len);
		ck_assert_msg(strncmp(out->head, "HTTP/1.1 ", 9) == 0,
		    "not a status line: %.60s", out->head);
		out->status = (int)strtol(out->head + 9, NULL, 10);
		ck_assert_int_ge(out->status, 100);
		if (out->status >= 200 || out->status == 101)
			return true;
		out->interim_count++;
	}
}

bool
client_read(struct client *client, bool is_head, struct reply *out)
{
	const char *connection;

	memset(out, 0, sizeof(*out));
	out->body = strdup("");
	if (!read_head(client, out)) {
		reply_clear(out);
		return false;
	}
	connection = reply_header(out, "Connection");
	out->is_closing = connection != NULL &&
	    strcasecmp(connection, "close") == 0;
	if (!is_head && out->status != 204 && out->status != 304 &&
	    out->status != 101)
		read_body(client, out);
	out->took_ms = now_mono_ms() - client->sent_mono_ms;
	return true;
}

void
client_ask(struct client *client, const char *method, const char *target,
    const char *fields, const char *body, struct reply *out)
{
	client_send_request(client, method, target, fields, body,
	    body != NULL ? (long)strlen(body) : -1);
	ck_assert_msg(client_read(client, strcmp(method, "HEAD") == 0, out),
	    "%s %s: closed without an answer", method, target);
}

void
ask(const char *address, const char *method, const char *target,
    const char *fields, const char *body, struct reply *out)
{
	struct client client;

	client_open(&client, address);
	client_ask(&client, method, target, fields, body, out);
	client_close(&client);
}

bool
client_has_bytes(struct client *client)
{
	struct pollfd wanted = { .fd = client->fd, .events = POLLIN };

	return client->in.len > 0 || poll(&wanted, 1, 0) > 0;
}

bool
client_is_closed_by_peer(struct client *client)
{
	return client->in.len == 0 && !fill(client);
}

void
reply_clear(struct reply *reply)
{
	json_document_free(&reply->document);
	free(reply->head);
	free(reply->body);
	memset(reply, 0, sizeof(*reply));
}
