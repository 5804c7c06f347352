/* listen.h - sockets that wait for connections. Main thread. */
#ifndef CALLBACKD_LISTEN_H
#define CALLBACKD_LISTEN_H

#include <sys/socket.h>

#include "callbackd/text.h"

/* A bound, listening, non-blocking socket of that address, closed on exec. A
 * unix socket that nobody answers any more is replaced; one that somebody
 * does is not. -1, and why_out says why, when it cannot be had. */
int listen_open(const struct sockaddr *address, socklen_t len,
    struct reason *why_out);

/* Where it listens: "127.0.0.1:8080", "[::1]:8080", "unix:/path". */
#define LISTEN_TEXT_SIZE 128
void listen_text(int fd, char out[LISTEN_TEXT_SIZE]);

#endif
