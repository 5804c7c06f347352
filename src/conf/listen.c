/* listen.c - where the daemon listens: texts made into socket addresses.
 *
 * 1. Hosts are literal: nothing is looked up, so a reading never waits.
 * 2. The admin listener is never reachable from another machine; the client
 *    listener only when there are clients with keys, or the operator says so.
 *
 * Thread: main.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "build.h"
#include "callbackd/text.h"

#define UNIX_PREFIX "unix:"

/* What stands before the port, without brackets. */
#define HOST_SIZE INET6_ADDRSTRLEN

static bool
set_ipv4(struct conf_listen *listen, const char *host, uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET };

	if (strcmp(host, "localhost") == 0)
		host = "127.0.0.1";
	else if (strcmp(host, "*") == 0)
		host = "0.0.0.0";
	if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
		return false;
	in.sin_port = htons(port);
	memcpy(&listen->address, &in, sizeof(in));
	listen->address_len = sizeof(in);
	return true;
}

static bool
set_ipv6(struct conf_listen *listen, const char *host, uint16_t port)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET6, host, &in6.sin6_addr) != 1)
		return false;
	in6.sin6_port = htons(port);
	memcpy(&listen->address, &in6, sizeof(in6));
	listen->address_len = sizeof(in6);
	return true;
}

/* "HOST:PORT", "[IPV6]:PORT". */
static bool
set_inet(struct conf_listen *listen, const char *text)
{
	char host[HOST_SIZE];
	int64_t port;
	const char *colon = strrchr(text, ':');

	if (colon == NULL || !text_int64(colon + 1, 0, UINT16_MAX, &port))
		return false;
	size_t len = (size_t)(colon - text);
	bool is_bracketed = len > 2 && text[0] == '[' && text[len - 1] == ']';
	if (is_bracketed) {
		text++;
		len -= 2;
	}
	if (len == 0 || len >= sizeof(host))
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	return is_bracketed ? set_ipv6(listen, host, (uint16_t)port)
			    : set_ipv4(listen, host, (uint16_t)port);
}

/* "unix:PATH"; the kept text has the absolute path. */
static void
read_unix(struct build *build, const char *name, const struct written *written,
    struct conf_listen *listen)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const char *path = written->text + strlen(UNIX_PREFIX);

	if (path[0] == '\0') {
		complain_at(build->out, written->line,
		    "%s: \"unix:\" needs a path", name);
		return;
	}
	char *whole = build_path(build, path);
	if (whole == NULL)
		return;
	size_t len = strlen(whole);
	if (len >= sizeof(un.sun_path)) {
		complain_at(build->out, written->line,
		    "%s: the path of a socket must not have more than %zu "
		    "bytes, this one has %zu",
		    name, sizeof(un.sun_path) - 1, len);
	} else {
		memcpy(un.sun_path, whole, len + 1);
		memcpy(&listen->address, &un, sizeof(un));
		listen->address_len = sizeof(un);
		listen->is_unix = true;
		listen->text = build_array(build, strlen(UNIX_PREFIX) + len + 1,
		    1);
	}
	if (listen->text != NULL) {
		memcpy(listen->text, UNIX_PREFIX, strlen(UNIX_PREFIX));
		memcpy(listen->text + strlen(UNIX_PREFIX), whole, len + 1);
	}
	free(whole);
}

static void
read_listen(struct build *build, const char *name,
    const struct written *written, struct conf_listen *listen)
{
	char text[SHOWN_SIZE];

	if (strncmp(written->text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0) {
		read_unix(build, name, written, listen);
		return;
	}
	if (set_inet(listen, written->text)) {
		listen->text = build_copy(build, written->text);
		return;
	}
	complain_at(build->out, written->line,
	    "%s: '%s' is not \"ADDRESS:PORT\", \"[ADDRESS]:PORT\", "
	    "\"localhost:PORT\", \"*:PORT\" or \"unix:PATH\"",
	    name, shown(written->text, strlen(written->text), text));
}

static bool
is_local(const struct conf_listen *listen)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	switch (listen->address.ss_family) {
	case AF_INET:
		memcpy(&in, &listen->address, sizeof(in));
		return ntohl(in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	case AF_INET6:
		memcpy(&in6, &listen->address, sizeof(in6));
		if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
			return in6.sin6_addr.s6_addr[12] == IN_LOOPBACKNET;
		return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
	}
	return true;
}

static bool
is_port_zero(const struct conf_listen *listen)
{
	struct sockaddr_in in;

	/* The port is in the same place in both. */
	static_assert(offsetof(struct sockaddr_in, sin_port) ==
		offsetof(struct sockaddr_in6, sin6_port),
	    "port");
	memcpy(&in, &listen->address, sizeof(in));
	return !listen->is_unix && in.sin_port == 0;
}

static bool
is_same(const struct conf_listen *a, const struct conf_listen *b)
{
	return a->address_len == b->address_len && !is_port_zero(a) &&
	    memcmp(&a->address, &b->address, a->address_len) == 0;
}

/* One address with what the file says of it. */
struct entry {
	const char *name; /* of the setting */
	const struct written *written;
	const struct conf_listen *listen;
};

/* Complains when one of the others listens there already. */
static void
refuse_twin(struct build *build, const struct entry *entry,
    const struct conf_listen *others, size_t count)
{
	const char *text = entry->written->text;
	char seen[SHOWN_SIZE];

	for (size_t i = 0; i < count; i++) {
		if (others[i].text == NULL ||
		    !is_same(entry->listen, &others[i]))
			continue;
		complain_at(build->out, entry->written->line,
		    "%s: '%s' is listened on already", entry->name,
		    shown(text, strlen(text), seen));
		return;
	}
}

static void
refuse_foreign(struct build *build, const struct entry *entry, bool is_admin)
{
	const char *text = entry->written->text;
	char seen[SHOWN_SIZE];

	if (is_local(entry->listen))
		return;
	complain_at(build->out, entry->written->line,
	    "%s: '%s' must be a loopback address or unix:PATH%s", entry->name,
	    shown(text, strlen(text), seen),
	    is_admin ? "" : " unless there are clients, or open = true");
}

/* The addresses of one setting. The list is known to the conf from the start,
 * so that it is freed with it. */
static void
read_listeners(struct build *build, const struct stated *top, bool is_admin)
{
	struct conf *conf = build->conf;
	struct entry entry = { .name = is_admin ? "admin_listen" : "listen" };
	size_t count = stated_count(top, entry.name);
	struct conf_listen *list = build_array(build, count, sizeof(*list));
	bool is_closed = is_admin ||
	    (!conf->open && stated_count(top, "client") == 0);

	*(is_admin ? &conf->admin_listen : &conf->listen) = list;
	*(is_admin ? &conf->admin_listen_count
		   : &conf->listen_count) = list != NULL ? count : 0;
	for (size_t i = 0; list != NULL && i < count; i++) {
		entry.written = stated_value(top, entry.name, i);
		entry.listen = &list[i];
		read_listen(build, entry.name, entry.written, &list[i]);
		if (list[i].text == NULL)
			continue;
		refuse_twin(build, &entry, list, i);
		if (is_admin)
			refuse_twin(build, &entry, conf->listen,
			    conf->listen_count);
		if (is_closed)
			refuse_foreign(build, &entry, is_admin);
	}
}

void
build_listeners(struct build *build, const struct stated *top)
{
	read_listeners(build, top, false);
	read_listeners(build, top, true);
}
