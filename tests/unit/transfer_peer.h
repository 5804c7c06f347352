/* transfer_peer.h - a server that does what a test tells it to, however wrong.
 *
 * One thread accepts on a free port of the loopback, one thread a connection
 * runs the test's script. For test_transfer.c only.
 */
#ifndef TESTS_TRANSFER_PEER_H
#define TESTS_TRANSFER_PEER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PEER_CONNECTIONS_MAX 512

struct peer;

/* Talks on one connection and returns; the peer closes it. */
typedef void peer_script_fn(struct peer *peer, int fd);

struct peer {
	int listen_fd;
	uint16_t port;
	peer_script_fn *script;
	const void *arg; /* for the script */
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows, but the atomics */
	pthread_t threads[PEER_CONNECTIONS_MAX];
	int fds[PEER_CONNECTIONS_MAX];
	unsigned count;       /* connections accepted */
	atomic_uint requests; /* read completely */
	atomic_uint hung_up;  /* ends of stream that peer_wait_end saw */
	char *head;           /* of the last request; owned */
	char *body;           /* likewise */
	size_t body_len;
};

void peer_start(struct peer *peer, peer_script_fn *script, const void *arg);
/* Cuts what is left, waits for all threads, frees. */
void peer_stop(struct peer *peer);

/* Reads one request into head and body. False at the end of the stream. */
bool peer_read_request(struct peer *peer, int fd);
/* False when the other side is gone. */
bool peer_say(int fd, const char *text);
bool peer_say_bytes(int fd, const void *bytes, size_t len);
/* Reads until the other side closes. */
void peer_wait_end(struct peer *peer, int fd);
unsigned peer_connections(struct peer *peer);

/* A port whose queue is full: it answers no further SYN, so that connecting
 * neither succeeds nor fails. */
struct stuck_port {
	uint16_t port;
	int listen_fd;
	int fillers[4];
};
void stuck_port_open(struct stuck_port *stuck);
void stuck_port_close(struct stuck_port *stuck);

#endif
