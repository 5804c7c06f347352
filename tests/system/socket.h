/* socket.h - a client of WebSockets that reads frame by frame.
 *
 * As strict as client.h: what is not a whole, unmasked frame of the daemon's fails
 * the case. Reads give up after SOON_MS.
 */
#ifndef TESTS_SYSTEM_SOCKET_H
#define TESTS_SYSTEM_SOCKET_H

#include "jobs.h"

/* The example of RFC 6455, and the fields that ask for a socket. */
#define SOCKET_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define SOCKET_WISH                                                            \
	"Upgrade: websocket\r\nConnection: Upgrade\r\n"                        \
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " SOCKET_KEY "\r\n"

struct socket_frame {
	int opcode;
	size_t len;
	char *payload; /* owned; NUL behind it */
};

/* Asks for a socket; fields are complete lines, "" for none. */
void socket_ask(struct client *client, struct world *world, const char *target,
    const char *fields);
/* Reads the head: demands 101 and the right Sec-WebSocket-Accept. */
void socket_begin(struct client *client);
/* Both. */
void socket_open(struct client *client, struct world *world, const char *target,
    const char *fields);
/* The same, of one job. */
void socket_watch(struct client *client, struct world *world, const char *id);
/* The next frame; false when the connection ended before. */
bool socket_frame(struct client *client, struct socket_frame *out);
/* The next document has that status. */
void socket_expect(struct client *client, const char *status);
/* A close frame with that code; answers it, sees the connection end, and closes
 * the client. */
void socket_expect_goodbye(struct client *client, int code);
/* Nothing more comes. Waits for the end, or for a byte. */
bool socket_is_closed(struct client *client);

#endif
