/* socket.c - the handshake and the frames of a WebSocket, as they come. */
#include "socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void
socket_ask(struct client *client, struct world *world, const char *target,
    const char *fields)
{
	char all[512];

	snprintf(all, sizeof(all), SOCKET_WISH "%s", fields);
	client_open(client, world->api);
	client_send_request(client, "GET", target, all, NULL, -1);
}

void
socket_begin(struct client *client)
{
	struct reply reply;

	ck_assert(client_read(client, false, &reply));
	ck_assert_msg(reply.status == 101, "%s", reply.head);
	ck_assert_str_eq(reply_header(&reply, "Sec-WebSocket-Accept"),
	    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	reply_clear(&reply);
}

void
socket_open(struct client *client, struct world *world, const char *target,
    const char *fields)
{
	socket_ask(client, world, target, fields);
	socket_begin(client);
}

void
socket_watch(struct client *client, struct world *world, const char *id)
{
	char target[96];

	snprintf(target, sizeof(target), "/v1/jobs/%s/events", id);
	socket_open(client, world, target, "");
}

/* Waits for so many bytes; false when the connection ended before. */
static bool
need(struct client *client, size_t len)
{
	char piece[16384];

	while (client->in.len < len) {
		ssize_t got = recv(client->fd, piece, sizeof(piece), 0);

		ck_assert_msg(got >= 0 || errno == ECONNRESET,
		    "the socket is silent: %s", strerror(errno));
		if (got <= 0)
			return false;
		ck_assert(buf_append(&client->in, piece, (size_t)got));
	}
	return true;
}

bool
socket_frame(struct client *client, struct socket_frame *out)
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

void
socket_expect(struct client *client, const char *status)
{
	struct socket_frame frame;
	struct json_document *document;
	struct reason why;

	ck_assert_msg(socket_frame(client, &frame), "no document: %s", status);
	ck_assert_int_eq(frame.opcode, 1);
	document = json_parse(frame.payload, frame.len, &why);
	ck_assert_msg(document != NULL, "%s", why.text);
	ck_assert_str_eq(look_text(json_root(document), "status"), status);
	json_document_free(&document);
	free(frame.payload);
}

void
socket_expect_goodbye(struct client *client, int code)
{
	const char answer[] = { (char)0x88, (char)0x82, 0, 0, 0, 0,
		(char)(code >> 8), (char)code };
	struct socket_frame frame;

	ck_assert_msg(socket_frame(client, &frame), "cut instead of closed");
	ck_assert_int_eq(frame.opcode, 8);
	ck_assert_uint_ge(frame.len, 2);
	ck_assert_int_eq((unsigned char)frame.payload[0] << 8 |
		(unsigned char)frame.payload[1],
	    code);
	free(frame.payload);
	(void)client_try_send(client, answer, sizeof(answer));
	ck_assert(socket_is_closed(client));
	client_close(client);
}

bool
socket_is_closed(struct client *client)
{
	return !need(client, 1);
}
