/* wire.h - who has sent a whole HTTP message, and what does it say?
 *
 * The load generator's side of every socket: one epoll set, edge-triggered,
 * keep-alive HTTP/1.1 with Content-Length and nothing else. It measures others,
 * so it does as little as can be done: no lists, no timers, no checks of what a
 * peer on the loopback sends beyond what keeps memory safe.
 *
 * One thread. What goes wrong with the machine itself (no memory, no sockets)
 * ends the program with a message: a benchmark has nothing to rescue.
 */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire;
struct stream;

/* A message as it lies in the stream's buffer; valid during the call only. */
struct message {
	const char *head; /* first line and fields, last CR LF included */
	size_t head_bytes;
	const char *body; /* NULL if body_bytes is 0 */
	size_t body_bytes;
};

/* What happens to a stream. owner and number belong to whoever made it. */
struct stream_calls {
	/* A whole message is there. */
	void (*message)(struct stream *stream, const struct message *message);
	/* The peer has closed; the stream dies after this. NULL: ignored. */
	void (*closed)(struct stream *stream);
};

struct stream {
	void *owner;
	uint64_t number;
	const struct stream_calls *calls;
	struct wire *wire;
	int fd;
	bool closing;
	struct bytes {
		char *at;
		size_t used;
		size_t room;
	} in, out;
	size_t out_sent;
	size_t need; /* bytes of the message in .in, 0 while unknown */
	size_t seen; /* bytes of .in searched for the head's end */
	size_t head;
	struct stream *next_dead;
};

struct wire *wire_new(void);

/* Waits up to timeout_ns (-1: for ever) and makes all calls that are due. */
void wire_turn(struct wire *wire, int64_t timeout_ns);

/* A non-blocking socket that listens on a free port of 127.0.0.1. */
int wire_bind(uint16_t *port_out);

/* Listens on a free port of 127.0.0.1, which it returns. Streams that come in
 * get owner and calls. */
uint16_t wire_listen(struct wire *wire, const struct stream_calls *calls,
    void *owner);

/* Connects to a port of 127.0.0.1; NULL if nobody is there. */
struct stream *wire_connect(struct wire *wire, uint16_t port,
    const struct stream_calls *calls, void *owner);

/* Sends head and body, which are copied as far as the socket takes no more. */
void stream_send(struct stream *stream, const char *head, size_t head_bytes,
    const char *body, size_t body_bytes);

/* Closes at the end of this turn, without calling closed. */
void stream_close(struct stream *stream);

/* Finds a field (name in lower case). Returns its value and sets *bytes_out, or
 * returns NULL. */
const char *message_field(const struct message *message, const char *name,
    size_t *bytes_out);

/* Nanoseconds of a clock that never goes back. */
int64_t now_ns(void);

/* Prints what failed with errno's text, and ends the program. */
_Noreturn void give_up(const char *what);

#endif
