/* admin.c - the operator's listener; is it alive, is it ready, what has it done?
 *
 *   /healthz  200 while every loop and the ledger come round, else 503
 *   /readyz   200 while the store writes and nothing is draining, else 503
 *   /metrics  Prometheus text
 *
 * What an operator does is in operate.c.
 *
 * Thread: the control loop's.
 */
#include "callbackd/admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/problem.h"
#include "inside.h"

/* A loop that has not come round for so long is stuck. */
#define STUCK_MS 10000

static void
reply_text(struct http_exchange **exchange, int status, const char *text)
{
	const struct http_reply reply = {
		.status = status,
		.content_type = "text/plain; charset=utf-8",
		.body = text,
		.body_len = strlen(text),
	};

	http_answer(exchange, &reply);
}

void
reply_problem(struct http_exchange **exchange, int status, const char *name,
    const char *detail, const char *allow)
{
	struct headers headers;
	struct buf body;
	struct http_reply reply = {
		.status = status,
		.content_type = PROBLEM_CONTENT_TYPE,
		.headers = &headers,
	};

	headers_init(&headers);
	buf_init(&body, 4096);
	(void)problem_text(&body, status, name, detail);
	if (allow != NULL)
		(void)headers_add(&headers, "Allow", allow);
	reply.body = buf_text(&body);
	reply.body_len = body.len;
	http_answer(exchange, &reply);
	buf_free(&body);
	headers_free(&headers);
}

static void
answer_health(struct admin *admin, struct http_exchange *exchange,
    const char *name)
{
	bool stuck = ledger_silent_ms(admin->ledger) > STUCK_MS;

	(void)name;
	for (unsigned i = 0; i < admin->hands_count; i++)
		stuck |= loop_silent_ms(admin->hands[i]->loop) > STUCK_MS;
	reply_text(&exchange, stuck ? 503 : 200, stuck ? "stuck\n" : "ok\n");
}

static void
answer_readiness(struct admin *admin, struct http_exchange *exchange,
    const char *name)
{
	(void)name;
	if (admin->is_draining)
		reply_text(&exchange, 503, "draining\n");
	else if (!ledger_is_well(admin->ledger))
		reply_text(&exchange, 503, "the store does not write\n");
	else
		reply_text(&exchange, 200, "ready\n");
}

/* ---- metrics: the books come from the ledger ---- */

static void
show_metrics(struct order *order)
{
	struct http_exchange *exchange = order->asker;
	struct admin *admin = order->from_room;
	struct buf body;
	struct http_reply reply = {
		.status = 200,
		.content_type = "text/plain; version=0.0.4; charset=utf-8",
	};

	buf_init(&body, METRICS_MAX_BYTES);
	metrics_print(admin->metrics, &body);
	print_queues(gauges_first(admin->gauges), &body);
	print_process(admin, &body);
	if (order->result == ORDER_OK)
		print_books(&order->books, &body);
	reply.body = buf_text(&body);
	reply.body_len = body.len;
	http_answer(&exchange, &reply);
	buf_free(&body);
	order_free(&order);
}

static void
answer_metrics(struct admin *admin, struct http_exchange *exchange,
    const char *name)
{
	struct order *order = order_new(ORDER_BOOKS, admin->loop, show_metrics,
	    exchange);

	(void)name;
	if (order == NULL) {
		reply_problem(&exchange, 503, "overloaded", "no memory", NULL);
		return;
	}
	order->from_room = admin;
	if (!ledger_ask(admin->ledger, order)) {
		order_free(&order);
		reply_problem(&exchange, 503, "overloaded",
		    "too many requests wait for the store", NULL);
	}
}

static const struct route {
	const char *method;
	const char *path; /* {name} stands for one segment */
	void (*answer)(struct admin *admin, struct http_exchange *exchange,
	    const char *name);
} routes[] = {
	{ "GET", "/healthz", answer_health },
	{ "GET", "/readyz", answer_readiness },
	{ "GET", "/metrics", answer_metrics },
	{ "POST", "/v1/queues/{name}/pause", pause_queue },
	{ "POST", "/v1/queues/{name}/resume", resume_queue },
};

/* A name that does not fit is nobody's: "". */
static bool
path_fits(const char *pattern, const char *path, const char *end,
    char name_out[NAME_SIZE])
{
	name_out[0] = '\0';
	while (*pattern != '\0') {
		size_t len = 0;

		if (*pattern != '{') {
			if (path == end || *path++ != *pattern++)
				return false;
			continue;
		}
		while (path + len < end && path[len] != '/')
			len++;
		(void)snprintf(name_out, NAME_SIZE, "%.*s",
		    len < NAME_SIZE ? (int)len : 0, path);
		path += len;
		pattern = strchr(pattern, '}') + 1;
	}
	return path == end;
}

static bool
method_fits(const char *method, const char *asked)
{
	return strcmp(method, asked) == 0 ||
	    (strcmp(asked, "HEAD") == 0 && strcmp(method, "GET") == 0);
}

static void
handle_cb(struct http_exchange *exchange, void *arg)
{
	struct admin *admin = arg;
	const char *target = http_target(exchange);
	const char *end = target + strcspn(target, "?");
	const struct route *other = NULL;
	char name[NAME_SIZE];

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (!path_fits(routes[i].path, target, end, name))
			continue;
		if (method_fits(routes[i].method, http_method(exchange))) {
			routes[i].answer(admin, exchange, name);
			return;
		}
		other = &routes[i];
	}
	if (other == NULL)
		reply_problem(&exchange, 404, "not-found",
		    "the operator's listener has no such resource", NULL);
	else if (strcmp(other->method, "GET") == 0)
		reply_problem(&exchange, 405, "method-not-allowed",
		    "use GET, HEAD", "GET, HEAD");
	else
		reply_problem(&exchange, 405, "method-not-allowed", "use POST",
		    "POST");
}

struct admin *
admin_new(const struct admin_setup *setup)
{
	struct admin *admin = calloc(1, sizeof(*admin));

	if (admin == NULL)
		return NULL;
	admin->loop = setup->loop;
	admin->client_gate = setup->client_gate;
	admin->metrics = setup->metrics;
	admin->ledger = setup->ledger;
	admin->gauges = setup->gauges;
	admin->hands = setup->hands;
	admin->hands_count = setup->hands_count;
	admin->gate.max_connections = ADMIN_CONNECTIONS;
	admin->gate.max_body_bytes = ADMIN_BODY_BYTES;
	admin->server = http_server_new(setup->loop, &admin->gate,
	    setup->limits, handle_cb, admin);
	if (admin->server == NULL)
		admin_free(&admin);
	return admin;
}

bool
admin_listen(struct admin *admin, int fd)
{
	return http_server_listen(admin->server, fd);
}

void
admin_drain(struct admin *admin)
{
	admin->is_draining = true;
}

size_t
admin_pending(const struct admin *admin)
{
	return http_server_pending(admin->server);
}

void
admin_free(struct admin **admin)
{
	if (*admin == NULL)
		return;
	http_server_free(&(*admin)->server);
	free(*admin);
	*admin = NULL;
}
