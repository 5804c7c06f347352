/* listen.c - opening listening sockets. */
#include "callbackd/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024 /* the kernel cuts it to net.core.somaxconn */

/* A socket file outlives the process that made it. It is in the way only when
 * nobody answers. */
static void
remove_if_abandoned(const struct sockaddr *address, socklen_t len)
{
	const struct sockaddr_un *local = (const struct sockaddr_un *)address;
	int fd;

	if (address->sa_family != AF_UNIX)
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (connect(fd, address, len) < 0 && errno == ECONNREFUSED)
		(void)unlink(local->sun_path);
	(void)close(fd);
}

static bool
set_up(int fd, const struct sockaddr *address, socklen_t len)
{
	int on = 1;

	if (address->sa_family != AF_UNIX &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return false;
	if (address->sa_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
		return false;
	return bind(fd, address, len) == 0 && listen(fd, BACKLOG) == 0;
}

int
listen_open(const struct sockaddr *address, socklen_t len,
    struct reason *why_out)
{
	int fd;

	remove_if_abandoned(address, len);
	fd = socket(address->sa_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && set_up(fd, address, len))
		return fd;
	reason_set(why_out, "%s", strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

void
listen_text(int fd, char out[LISTEN_TEXT_SIZE])
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un local;
		struct sockaddr_storage room;
	} address;
	socklen_t len = sizeof(address);
	char text[INET6_ADDRSTRLEN] = "?";

	memset(&address, 0, sizeof(address));
	(void)snprintf(out, LISTEN_TEXT_SIZE, "?");
	if (getsockname(fd, &address.any, &len) < 0)
		return;
	switch (address.any.sa_family) {
	case AF_INET:
		(void)inet_ntop(AF_INET, &address.v4.sin_addr, text,
		    sizeof(text));
		(void)snprintf(out, LISTEN_TEXT_SIZE, "%s:%u", text,
		    ntohs(address.v4.sin_port));
		break;
	case AF_INET6:
		(void)inet_ntop(AF_INET6, &address.v6.sin6_addr, text,
		    sizeof(text));
		(void)snprintf(out, LISTEN_TEXT_SIZE, "[%s]:%u", text,
		    ntohs(address.v6.sin6_port));
		break;
	case AF_UNIX:
		(void)snprintf(out, LISTEN_TEXT_SIZE, "unix:%s",
		    address.local.sun_path);
		break;
	default:
		break;
	}
}
