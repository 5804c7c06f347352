/* transfer_peer.c - see transfer_peer.h. */
#include "transfer_peer.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX_BYTES 262144

struct conversation {
	struct peer *peer;
	unsigned index;
	int fd;
};

static void *
converse(void *arg)
{
	struct conversation *talk = arg;
	struct peer *peer = talk->peer;

	peer->script(peer, talk->fd);
	pthread_mutex_lock(&peer->lock);
	peer->fds[talk->index] = -1;
	close(talk->fd);
	pthread_mutex_unlock(&peer->lock);
	free(talk);
	return NULL;
}

static void
begin_conversation(struct peer *peer, int fd)
{
	struct conversation *talk = malloc(sizeof(*talk));
	int on = 1;

	ck_assert_ptr_nonnull(talk);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	pthread_mutex_lock(&peer->lock);
	ck_assert_uint_lt(peer->count, PEER_CONNECTIONS_MAX);
	*talk = (struct conversation){ peer, peer->count, fd };
	peer->fds[peer->count] = fd;
	ck_assert_int_eq(pthread_create(&peer->threads[peer->count], NULL,
			     converse, talk),
	    0);
	peer->count++;
	pthread_mutex_unlock(&peer->lock);
}

static void *
accept_all(void *arg)
{
	struct peer *peer = arg;
	int fd;

	while ((fd = accept(peer->listen_fd, NULL, NULL)) >= 0)
		begin_conversation(peer, fd);
	return NULL;
}

/* A socket on a free port of the loopback. */
static int
bind_anywhere(uint16_t *port_out)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_ge(fd, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, len), 0);
	getsockname(fd, (struct sockaddr *)&address, &len);
	*port_out = ntohs(address.sin_port);
	return fd;
}

void
peer_start(struct peer *peer, peer_script_fn *script, const void *arg)
{
	memset(peer, 0, sizeof(*peer));
	peer->script = script;
	peer->arg = arg;
	pthread_mutex_init(&peer->lock, NULL);
	peer->listen_fd = bind_anywhere(&peer->port);
	ck_assert_int_eq(listen(peer->listen_fd, 256), 0);
	ck_assert_int_eq(pthread_create(&peer->thread, NULL, accept_all, peer),
	    0);
}

void
peer_stop(struct peer *peer)
{
	shutdown(peer->listen_fd, SHUT_RDWR); /* ends accept() */
	pthread_join(peer->thread, NULL);
	close(peer->listen_fd);
	pthread_mutex_lock(&peer->lock);
	for (unsigned i = 0; i < peer->count; i++)
		if (peer->fds[i] >= 0)
			shutdown(peer->fds[i], SHUT_RDWR);
	pthread_mutex_unlock(&peer->lock);
	for (unsigned i = 0; i < peer->count; i++)
		pthread_join(peer->threads[i], NULL);
	pthread_mutex_destroy(&peer->lock);
	free(peer->head);
	free(peer->body);
}

/* One byte at a time is slow and leaves the body in the socket. */
static char *
read_head(int fd)
{
	char *head = calloc(1, HEAD_MAX_BYTES);
	size_t len = 0;

	ck_assert_ptr_nonnull(head);
	while (len < HEAD_MAX_BYTES - 1 && recv(fd, head + len, 1, 0) == 1) {
		len++;
		if (len >= 4 && memcmp(head + len - 4, "\r\n\r\n", 4) == 0)
			return head;
	}
	free(head);
	return NULL;
}

static char *
read_body(int fd, const char *head, size_t *len_out)
{
	const char *field = strcasestr(head, "\r\ncontent-length:");
	size_t len = field != NULL ? strtoul(field + 17, NULL, 10) : 0;
	char *body = malloc(len + 1);

	ck_assert_ptr_nonnull(body);
	body[len] = '\0';
	if (len > 0 && recv(fd, body, len, MSG_WAITALL) != (ssize_t)len) {
		free(body);
		return NULL;
	}
	*len_out = len;
	return body;
}

bool
peer_read_request(struct peer *peer, int fd)
{
	char *head = read_head(fd);
	size_t len = 0;
	char *body = head != NULL ? read_body(fd, head, &len) : NULL;

	if (body == NULL) {
		free(head);
		return false;
	}
	pthread_mutex_lock(&peer->lock);
	free(peer->head);
	free(peer->body);
	peer->head = head;
	peer->body = body;
	peer->body_len = len;
	pthread_mutex_unlock(&peer->lock);
	atomic_fetch_add(&peer->requests, 1);
	return true;
}

bool
peer_say_bytes(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		at += sent;
		len -= (size_t)sent;
	}
	return true;
}

bool
peer_say(int fd, const char *text)
{
	return peer_say_bytes(fd, text, strlen(text));
}

void
peer_wait_end(struct peer *peer, int fd)
{
	char bytes[4096];

	while (recv(fd, bytes, sizeof(bytes), 0) > 0)
		;
	atomic_fetch_add(&peer->hung_up, 1);
}

unsigned
peer_connections(struct peer *peer)
{
	unsigned count;

	pthread_mutex_lock(&peer->lock);
	count = peer->count;
	pthread_mutex_unlock(&peer->lock);
	return count;
}

void
stuck_port_open(struct stuck_port *stuck)
{
	struct sockaddr_in address = { .sin_family = AF_INET };

	stuck->listen_fd = bind_anywhere(&stuck->port);
	ck_assert_int_eq(listen(stuck->listen_fd, 0), 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons(stuck->port);
	for (size_t i = 0; i < 4; i++) {
		stuck->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK,
		    0);
		(void)connect(stuck->fillers[i], (struct sockaddr *)&address,
		    sizeof(address));
	}
}

void
stuck_port_close(struct stuck_port *stuck)
{
	for (size_t i = 0; i < 4; i++)
		close(stuck->fillers[i]);
	close(stuck->listen_fd);
}
