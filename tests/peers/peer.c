/* peer.c - connections, counts, and ways to answer.
 *
 * 1. A request is answered only after its last byte was read, and the next one
 *    is read only after the answer: one at a time on each connection.
 * 2. Whatever answers may free the connection: nothing touches it afterwards.
 */
#include "peer.h"

#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/resource.h>

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "conn.h"
#include "counts.h"
#include "words.h"

struct peer {
	struct event_base *base;
	const struct peer_options *options;
	struct counts counts;
	LIST_HEAD(, peer_conn) conns;
};

/* ---- life of a connection ---- */

static void
request_clear(struct peer_conn *conn)
{
	for (size_t i = 0; i < 4; i++) {
		if (conn->counts[i])
			count_end(conn->counts[i]);
		conn->counts[i] = NULL;
	}
	free(conn->request.fields);
	free(conn->head);
	free(conn->path);
	conn->head = conn->path = NULL;
	conn->more = NULL;
	memset(&conn->request, 0, sizeof(conn->request));
	evbuffer_drain(conn->body, evbuffer_get_length(conn->body));
}

static void
conn_free(struct peer_conn *conn)
{
	LIST_REMOVE(conn, link);
	request_clear(conn);
	event_free(conn->timer);
	evbuffer_free(conn->body);
	bufferevent_free(conn->bev);
	free(conn);
}

static size_t
unsent(struct peer_conn *conn)
{
	return evbuffer_get_length(bufferevent_get_output(conn->bev));
}

void
peer_close(struct peer_conn *conn)
{
	if (unsent(conn) == 0) {
		conn_free(conn);
		return;
	}
	conn->closing = true;
}

void
peer_reset(struct peer_conn *conn)
{
	struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(bufferevent_getfd(conn->bev), SOL_SOCKET, SO_LINGER,
	    &at_once, sizeof(at_once));
	conn_free(conn);
}

void
peer_end(struct peer_conn *conn)
{
	request_clear(conn);
	if (!conn->keep) {
		peer_close(conn);
		return;
	}
	conn->state = HEAD;
	bufferevent_trigger(conn->bev, EV_READ, BEV_OPT_DEFER_CALLBACKS);
}

static void
timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct peer_conn *conn = arg;

	(void)fd;
	(void)what;
	conn->next(conn);
}

void
peer_later(struct peer_conn *conn, int64_t after_ms, peer_answer_fn *next)
{
	struct timeval wait = { .tv_sec = after_ms / 1000,
		.tv_usec = after_ms % 1000 * 1000 };

	conn->next = next;
	event_add(conn->timer, &wait);
}

void
peer_pump(struct peer_conn *conn, peer_answer_fn *more)
{
	conn->more = more;
	more(conn);
}

/* ---- the request ---- */

void *
peer_arg(const struct peer_conn *conn)
{
	return conn->peer->options->arg;
}

const struct peer_request *
peer_request(const struct peer_conn *conn)
{
	return &conn->request;
}

const char *
peer_header(const struct peer_conn *conn, const char *name)
{
	for (size_t i = 0; i < conn->request.field_count; i++) {
		if (strcasecmp(conn->request.fields[i].name, name) == 0)
			return conn->request.fields[i].value;
	}
	return NULL;
}

bool
peer_query(const struct peer_conn *conn, const char *name, int nth, char *out,
    size_t size)
{
	const char *at = conn->request.query;
	size_t name_len = strlen(name);

	while (*at) {
		size_t len = strcspn(at, "&");

		if (len > name_len && strncmp(at, name, name_len) == 0 &&
		    at[name_len] == '=' && nth-- == 0) {
			percent_decode(at + name_len + 1, len - name_len - 1,
			    out, size);
			return true;
		}
		at += len + (at[len] == '&');
	}
	return false;
}

int64_t
peer_query_int(const struct peer_conn *conn, const char *name,
    int64_t otherwise)
{
	char text[32];
	int64_t value;

	if (!peer_query(conn, name, 0, text, sizeof(text)))
		return otherwise;
	return number_parse(text, &value) ? value : otherwise;
}

/* ---- the answer ---- */

void
peer_send(struct peer_conn *conn, const void *bytes, size_t len)
{
	bufferevent_write(conn->bev, bytes, len);
}

void
peer_print(struct peer_conn *conn, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	evbuffer_add_vprintf(bufferevent_get_output(conn->bev), format, args);
	va_end(args);
}

void
peer_reply(struct peer_conn *conn, const struct peer_reply *reply)
{
	bool has_length = reply->status != 204 && reply->status != 304;
	bool has_body = has_length &&
	    (!conn->request.method ||
		strcmp(conn->request.method, "HEAD") != 0);
	char field[512];

	peer_print(conn, "HTTP/1.1 %d %s\r\n", reply->status,
	    reply->status < 400 ? "Fine" : "Not Fine");
	if (reply->type)
		peer_print(conn, "Content-Type: %s\r\n", reply->type);
	if (has_length)
		peer_print(conn, "Content-Length: %zu\r\n", reply->len);
	if (reply->fields)
		evbuffer_add_buffer(bufferevent_get_output(conn->bev),
		    reply->fields);
	for (int i = 0; conn->request.query &&
	     peer_query(conn, "header", i, field, sizeof(field));
	     i++)
		peer_print(conn, "%s\r\n", field);
	if (!conn->keep)
		peer_print(conn, "Connection: close\r\n");
	peer_print(conn, "\r\n");
	if (has_body && reply->len > 0)
		peer_send(conn, reply->body, reply->len);
	peer_end(conn);
}

void
conn_refuse(struct peer_conn *conn, int status, const char *why)
{
	conn->state = ANSWERING;
	conn->keep = false;
	peer_reply(conn,
	    &(struct peer_reply){ .status = status,
		.type = "text/plain",
		.body = why,
		.len = strlen(why) });
}

/* What was seen so far, as JSON; ?key= and ?path= ask for one number. */
static void
reply_counts(struct peer_conn *conn)
{
	struct counts *counts = &conn->peer->counts;
	struct evbuffer *out = evbuffer_new();
	char name[1024];

	if (!out)
		err(1, "counts");
	if (peer_query(conn, "key", 0, name, sizeof(name)))
		evbuffer_add_printf(out, "%lld\n",
		    (long long)counts_at(counts, COUNT_KEY, name)->seen);
	else if (peer_query(conn, "path", 0, name, sizeof(name)))
		evbuffer_add_printf(out, "%lld\n",
		    (long long)counts_at(counts, COUNT_PATH, name)->seen);
	else
		counts_json(counts, out);
	peer_reply(conn,
	    &(struct peer_reply){ .status = 200,
		.type = "application/json",
		.len = evbuffer_get_length(out),
		.body = evbuffer_pullup(out, -1) });
	evbuffer_free(out);
}

/* ---- one request ---- */

static void
name_request(struct peer_conn *conn)
{
	struct peer_request *request = &conn->request;
	struct counts *counts = &conn->peer->counts;
	const char *key = peer_header(conn, "webhook-id");
	char *pair;

	key = key ? key : peer_header(conn, "Job-Id");
	key = key ? key : peer_header(conn, "Idempotency-Key");
	request->key = key ? key : "";
	/* To look is not to be seen. */
	if (strcmp(request->path, "/count") == 0)
		return;
	if (asprintf(&pair, "%s %s", request->path, request->key) < 0)
		err(1, "request");
	conn->counts[0] = counts_at(counts, COUNT_ALL, "");
	conn->counts[1] = counts_at(counts, COUNT_PATH, request->path);
	conn->counts[2] = counts_at(counts, COUNT_KEY, request->key);
	conn->counts[3] = counts_at(counts, COUNT_PAIR, pair);
	free(pair);
	for (size_t i = 0; i < 4; i++)
		count_begin(conn->counts[i]);
	request->nth = conn->counts[3]->seen;
}

/* All of it was read: answer, at once or after the delay. */
void
conn_dispatch(struct peer_conn *conn)
{
	const struct peer_options *options = conn->peer->options;
	int64_t delay_ms;

	conn->state = ANSWERING;
	conn->request.body_len = evbuffer_get_length(conn->body);
	conn->request.body = evbuffer_pullup(conn->body, -1);
	name_request(conn);
	if (strcmp(conn->request.path, "/count") == 0) {
		reply_counts(conn);
		return;
	}
	if (options->seen)
		options->seen(conn);
	delay_ms = peer_query_int(conn, "delay_ms", options->delay_ms);
	if (delay_ms > 0)
		peer_later(conn, delay_ms, options->answer);
	else
		options->answer(conn);
}

/* ---- the program ---- */

static void
read_cb(struct bufferevent *bev, void *arg)
{
	struct peer_conn *conn = arg;

	(void)bev;
	conn_read(conn);
}

static void
write_cb(struct bufferevent *bev, void *arg)
{
	struct peer_conn *conn = arg;

	(void)bev;
	if (conn->closing)
		conn_free(conn);
	else if (conn->more)
		conn->more(conn);
}

static void
event_cb(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		conn_free(arg);
}

static void
accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int len, void *arg)
{
	struct peer *peer = arg;
	struct peer_conn *conn = calloc(1, sizeof(*conn));
	int on = 1;

	(void)listener;
	(void)address;
	(void)len;
	if (!conn)
		err(1, "connection");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	conn->peer = peer;
	conn->bev = bufferevent_socket_new(peer->base, fd,
	    BEV_OPT_CLOSE_ON_FREE);
	conn->timer = evtimer_new(peer->base, timer_cb, conn);
	conn->body = evbuffer_new();
	if (!conn->bev || !conn->timer || !conn->body)
		errx(1, "connection: out of memory");
	LIST_INSERT_HEAD(&peer->conns, conn, link);
	bufferevent_setcb(conn->bev, read_cb, write_cb, event_cb, conn);
	bufferevent_enable(conn->bev, EV_READ | EV_WRITE);
}

static void
stop_cb(evutil_socket_t signal_number, short what, void *arg)
{
	(void)signal_number;
	(void)what;
	event_base_loopbreak(arg);
}

static void
raise_file_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

static struct evconnlistener *
listen_on(struct peer *peer, int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(address);
	struct evconnlistener *listener = evconnlistener_new_bind(peer->base,
	    accept_cb, peer,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
	    4096, (struct sockaddr *)&address, sizeof(address));

	if (!listener)
		err(1, "cannot listen on 127.0.0.1:%d", port);
	if (getsockname(evconnlistener_get_fd(listener),
		(struct sockaddr *)&address, &len) != 0)
		err(1, "getsockname");
	printf("listening 127.0.0.1:%u\n", ntohs(address.sin_port));
	fflush(stdout);
	return listener;
}

int
peer_run(const struct peer_options *options)
{
	struct peer peer = { .base = event_base_new(), .options = options };
	struct evconnlistener *listener;
	struct event *on_term, *on_int;

	if (!peer.base)
		errx(1, "no event base");
	signal(SIGPIPE, SIG_IGN);
	raise_file_limit();
	on_term = evsignal_new(peer.base, SIGTERM, stop_cb, peer.base);
	on_int = evsignal_new(peer.base, SIGINT, stop_cb, peer.base);
	if (!on_term || !on_int || event_add(on_term, NULL) != 0 ||
	    event_add(on_int, NULL) != 0)
		errx(1, "no signals");
	listener = listen_on(&peer, options->port);
	event_base_dispatch(peer.base);
	while (!LIST_EMPTY(&peer.conns))
		conn_free(LIST_FIRST(&peer.conns));
	counts_free(&peer.counts);
	evconnlistener_free(listener);
	event_free(on_term);
	event_free(on_int);
	event_base_free(peer.base);
	return 0;
}
