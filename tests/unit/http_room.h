/* http_room.h - a server and raw clients in one thread, for the HTTP tests.
 *
 * The loop never runs by itself: a test turns it, with room_until, until what
 * it waits for is there or PATIENCE_MS have passed, which is a failure.
 */
#ifndef CALLBACKD_TESTS_HTTP_ROOM_H
#define CALLBACKD_TESTS_HTTP_ROOM_H

#include <check.h>

#include "callbackd/http.h"

enum { ROOM_HELD_MAX = 16 };

/* The handler: targets that begin with "/hold" are kept in held, the others are
 * answered with "METHOD target body". With holds_all, all are kept. */
struct room {
	struct loop *loop;
	struct http_gate gate;
	struct http_limits limits;
	struct http_server *server;
	int port;
	bool holds_all;
	int handled; /* calls of the handler */
	struct http_exchange *held[ROOM_HELD_MAX];
	int held_count;
	int gone_count;
};

struct client {
	int fd;
	char *in; /* what came and was not taken yet */
	size_t len;
	size_t cap;
	bool is_closed; /* the end of it, or a reset */
	bool is_reset;
};

/* One response taken from a client's input. */
struct response {
	int status;
	char head[2048];
	char *body; /* owned; NUL-terminated */
	size_t body_len;
};

void room_open(struct room *room);
void room_open_with(struct room *room, const struct http_limits *limits);
/* Drops what is held and frees everything; the gate must be empty then. */
void room_close(struct room *room);
void room_turn(struct room *room);
/* Lets the loop wait by itself for a while: it shall sleep, not spin. */
void room_rest(struct room *room);
/* Turns no further than through the accepting of what waits. */
void room_accept(struct room *room);
bool room_can_connect(struct room *room);

bool room_is_late(int64_t since_ms);
#define ROOM_UNTIL(room, condition)                                            \
	do {                                                                   \
		int64_t since_ms_ = clock_mono_ms();                           \
		while (!(condition)) {                                         \
			ck_assert_msg(!room_is_late(since_ms_),                \
			    "waited in vain for " #condition);                 \
			room_turn(room);                                       \
		}                                                              \
	} while (0)

/* Answers the held exchange of that index with 200 and a text. */
void room_answer(struct room *room, int index, const char *text);
/* The same with a blob of len bytes 'b': 8 MiB do not fit into a socket. */
void room_answer_big(struct room *room, int index, size_t len);
extern const struct http_reply room_stream_head;
/* Limits that a test can wait for. */
extern const struct http_limits room_impatient;
/* For http_watch and http_stream: counts; arg is the room. */
void room_gone(void *room);

struct client *client_new(struct room *room);
struct client *client_of(int fd);
/* Sends a request and waits until the handler holds it. */
struct client *client_holding(struct room *room, const char *request);
void client_free(struct client **client);
/* Closes at once, with a reset. */
void client_reset(struct client **client);
void client_send(struct room *room, struct client *client, const void *bytes,
    size_t len);
void client_say(struct room *room, struct client *client, const char *text);
/* One byte a packet, the server reads each before the next. */
void client_drip(struct room *room, struct client *client, const char *bytes,
    size_t len);
/* Reads what is there; true when there was something, or the end. */
bool client_read(struct client *client);
/* Takes the next response, if it is all there. is_head: it has no body. */
bool client_take(struct client *client, bool is_head, struct response *out);
/* Waits for it. */
void client_await(struct room *room, struct client *client, bool is_head,
    struct response *out);
/* The next response is a 200 with that body, or has that status. */
void client_check_body(struct room *room, struct client *client,
    const char *body);
void client_check_status(struct room *room, struct client *client, int status);
void client_await_close(struct room *room, struct client *client);
void response_free(struct response *response);
/* "name: value" lines are looked for as they are. */
bool response_has(const struct response *response, const char *line);

#endif
