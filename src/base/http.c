/* http.c - the HTTP server: listeners, the list of connections, the sweep.
 *
 * 1. Accepting sleeps while the gate is full, and after an error such as
 *    EMFILE until the next sweep: a listener that cannot accept stays readable
 *    and would spin.
 * 2. Deadlines are looked at in a sweep over all connections, so a request
 *    costs no timer. They are late by one period at most.
 * 3. What cannot be done under evhttp's feet is due: it is done in an event of
 *    its own, before the loop waits again.
 * 4. After http_server_free nothing of evhttp's knows an exchange, and nothing
 *    here knows the server; an exchange frees the request it was left with.
 *
 * SIGPIPE must be ignored by the process: libevent writes with writev.
 * http_server_free must not be called from a gone() callback.
 *
 * Thread: that of the loop.
 */
#include <assert.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http_private.h"

enum {
	SWEEP_MS = 250,
	SWEEP_MIN_MS = 10,
	SWEEP_IDLE_MS = 1000, /* without connections */
	SWEEPS_PER_LIMIT = 5, /* short limits are kept to a fifth */
	SCRATCH_BYTES = HEADERS_MAX_BYTES * 2,
};

/* ---- accepting ---- */

static bool
gate_is_full(const struct http_server *server)
{
	return atomic_load(&server->gate->connections) >=
	    server->gate->max_connections;
}

void
http_server_listen_again(struct http_server *server)
{
	bool is_full = gate_is_full(server);

	if (is_full == server->is_full)
		return;
	server->is_full = is_full;
	for (size_t i = 0; i < server->bound_count; i++) {
		struct evconnlistener *listener =
		    evhttp_bound_socket_get_listener(server->bound[i]);

		if (is_full)
			evconnlistener_disable(listener);
		else
			evconnlistener_enable(listener);
	}
}

/* Wakes listeners that failed; those that are awake do not notice. */
static void
wake_listeners(struct http_server *server)
{
	http_server_listen_again(server);
	for (size_t i = 0; i < server->bound_count && !server->is_full; i++)
		evconnlistener_enable(
		    evhttp_bound_socket_get_listener(server->bound[i]));
}

/* evhttp has put itself where our argument would be. */
static void
accept_failed_cb(struct evconnlistener *listener, void *arg)
{
	(void)arg;
	evconnlistener_disable(listener);
}

static bool
room_for_listener(struct http_server *server)
{
	size_t count = server->bound_count + 1;
	void *bound = realloc(server->bound, count * sizeof(*server->bound));

	if (bound != NULL)
		server->bound = bound;
	return bound != NULL;
}

bool
http_server_listen(struct http_server *server, int fd)
{
	struct evhttp_bound_socket *bound = NULL;
	struct evconnlistener *listener;

	assert(!server->is_draining);
	if (room_for_listener(server))
		bound = evhttp_accept_socket_with_handle(server->evhttp, fd);
	if (bound == NULL) {
		close(fd);
		return false;
	}
	listener = evhttp_bound_socket_get_listener(bound);
	evconnlistener_set_error_cb(listener, accept_failed_cb);
	http_server_listen_again(server);
	if (server->is_full)
		evconnlistener_disable(listener);
	server->bound[server->bound_count++] = bound;
	return true;
}

static struct bufferevent *
accepted_cb(struct event_base *base, void *arg)
{
	(void)base;
	return http_conn_new(arg);
}

/* ---- connections by descriptor ---- */

struct http_conn *
http_server_conn(const struct http_server *server, int fd)
{
	if (fd < 0 || (size_t)fd >= server->by_fd_count)
		return NULL;
	return server->by_fd[fd];
}

bool
http_server_enter_fd(struct http_server *server, struct http_conn *conn)
{
	size_t count = server->by_fd_count;
	struct http_conn **by_fd;

	if ((size_t)conn->fd >= count) {
		count = ((size_t)conn->fd + 64) * 2;
		by_fd = realloc(server->by_fd,
		    count * sizeof(struct http_conn *));
		if (by_fd == NULL)
			return false;
		memset(by_fd + server->by_fd_count, 0,
		    (count - server->by_fd_count) * sizeof(struct http_conn *));
		server->by_fd = by_fd;
		server->by_fd_count = count;
	}
	server->by_fd[conn->fd] = conn;
	return true;
}

void
http_server_leave_fd(struct http_server *server, int fd)
{
	if ((size_t)fd < server->by_fd_count)
		server->by_fd[fd] = NULL;
}

/* ---- due work ---- */

void
http_server_hurry(struct http_server *server)
{
	event_active(server->due_event, EV_TIMEOUT, 0);
}

static void
tell_gone(struct http_server *server)
{
	struct http_exchange *exchange;

	while ((exchange = TAILQ_FIRST(&server->going)) != NULL)
		http_exchange_tell_gone(exchange);
}

static void
do_due(struct http_server *server)
{
	struct http_conn *conn;

	while ((conn = TAILQ_FIRST(&server->due)) != NULL) {
		TAILQ_REMOVE(&server->due, conn, due_link);
		conn->is_due = false;
		http_conn_due(conn);
	}
	tell_gone(server);
}

static void
due_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	do_due(arg);
}

/* ---- the sweep ---- */

static int64_t
sweep_period_ms(const struct http_server *server)
{
	const struct http_limits *limits = &server->limits;
	int64_t period_ms = SWEEP_MS;

	if (TAILQ_EMPTY(&server->conns))
		return server->is_full ? SWEEP_MS : SWEEP_IDLE_MS;
	if (limits->head_ms / SWEEPS_PER_LIMIT < period_ms)
		period_ms = limits->head_ms / SWEEPS_PER_LIMIT;
	if (limits->body_ms / SWEEPS_PER_LIMIT < period_ms)
		period_ms = limits->body_ms / SWEEPS_PER_LIMIT;
	if (limits->idle_ms / SWEEPS_PER_LIMIT < period_ms)
		period_ms = limits->idle_ms / SWEEPS_PER_LIMIT;
	return period_ms > SWEEP_MIN_MS ? period_ms : SWEEP_MIN_MS;
}

void
http_server_sweep_soon(struct http_server *server)
{
	loop_timer_set(server->sweep, sweep_period_ms(server));
}

static void
sweep(struct http_server *server)
{
	int64_t now_ms = loop_mono_ms(server->loop);
	struct http_conn *conn = TAILQ_FIRST(&server->conns);

	while (conn != NULL) {
		struct http_conn *next = TAILQ_NEXT(conn, link);

		if (http_conn_is_late(conn, now_ms))
			http_conn_close(conn);
		conn = next;
	}
	wake_listeners(server);
	http_server_sweep_soon(server);
}

static void
sweep_cb(void *arg)
{
	sweep(arg);
}

/* ---- settings ---- */

void
http_server_limit(struct http_server *server, const struct http_limits *limits)
{
	server->limits = *limits;
	server->guard_limits = (struct guard_limits){
		.body_bytes = limits->body_bytes,
		.head_bytes = limits->head_bytes,
		.field_count = limits->field_count,
	};
	http_server_sweep_soon(server);
}

size_t
http_server_pending(const struct http_server *server)
{
	return server->open_count;
}

/* ---- birth and death ---- */

/* CONNECT included: evhttp's own refusal would be HTML. */
static const ev_uint16_t all_methods = EVHTTP_REQ_GET | EVHTTP_REQ_POST |
    EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS |
    EVHTTP_REQ_TRACE | EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH;

static bool
prepare(struct http_server *server)
{
	struct event_base *base = loop_base(server->loop);

	server->evhttp = evhttp_new(base);
	server->due_event = event_new(base, -1, 0, due_cb, server);
	server->sweep = loop_timer_new(server->loop, sweep_cb, server);
	if (server->evhttp == NULL || server->due_event == NULL ||
	    server->sweep == NULL)
		return false;
	evhttp_set_allowed_methods(server->evhttp, all_methods);
	evhttp_set_default_content_type(server->evhttp, NULL);
	evhttp_set_bevcb(server->evhttp, accepted_cb, server);
	evhttp_set_gencb(server->evhttp, http_exchange_cb, server);
	return true;
}

struct http_server *
http_server_new(struct loop *loop, struct http_gate *gate,
    const struct http_limits *limits, http_handler_fn *handler, void *arg)
{
	struct http_server *server = calloc(1, sizeof(*server));

	if (server == NULL)
		return NULL;
	server->loop = loop;
	server->gate = gate;
	server->handler = handler;
	server->arg = arg;
	server->date_s = -1;
	TAILQ_INIT(&server->conns);
	TAILQ_INIT(&server->due);
	TAILQ_INIT(&server->going);
	TAILQ_INIT(&server->open);
	buf_init(&server->scratch, SCRATCH_BYTES);
	if (!prepare(server)) {
		http_server_free(&server);
		return NULL;
	}
	http_server_limit(server, limits);
	return server;
}

void
http_server_drain(struct http_server *server)
{
	if (server->is_draining)
		return;
	server->is_draining = true;
	server->drain_mono_ms = loop_mono_ms(server->loop);
	while (server->bound_count > 0)
		evhttp_del_accept_socket(server->evhttp,
		    server->bound[--server->bound_count]);
}

static void
close_all(struct http_server *server)
{
	struct http_exchange *exchange;

	server->bound_count = 0; /* evhttp frees them */
	do_due(server);          /* nobody may stay unknown */
	if (server->evhttp != NULL)
		evhttp_free(server->evhttp);
	assert(TAILQ_EMPTY(&server->conns));
	tell_gone(server);
	while ((exchange = TAILQ_FIRST(&server->open)) != NULL)
		http_exchange_lose_server(exchange);
}

void
http_server_free(struct http_server **server)
{
	struct http_server *old = *server;

	*server = NULL;
	if (old == NULL)
		return;
	close_all(old);
	loop_timer_free(&old->sweep);
	if (old->due_event != NULL)
		event_free(old->due_event);
	buf_free(&old->scratch);
	free(old->bound);
	free(old->by_fd);
	free(old);
}
