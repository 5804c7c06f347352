/* admin.c - is it alive, is it ready, what has it done?
 *
 *   /healthz  200 while every loop and the ledger come round, else 503
 *   /readyz   200 while the store writes and nothing is draining, else 503
 *   /metrics  Prometheus text
 *
 * Thread: the control loop's.
 */
#include "callbackd/admin.h"

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

static void
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
answer_health(struct admin *admin, struct http_exchange *exchange)
{
	bool stuck = ledger_silent_ms(admin->ledger) > STUCK_MS;

	for (unsigned i = 0; i < admin->hands_count; i++)
		stuck |= loop_silent_ms(admin->hands[i]->loop) > STUCK_MS;
	reply_text(&exchange, stuck ? 503 : 200, stuck ? "stuck\n" : "ok\n");
}

static void
answer_readiness(struct admin *admin, struct http_exchange *exchange)
{
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
answer_metrics(struct admin *admin, struct http_exchange *exchange)
{
	struct order *order =
	    order_new(ORDER_BOOKS, admin->loop, show_metrics, exchange);

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

static const struct {
	const char *path;
	void (*answer)(struct admin *admin, struct http_exchange *exchange);
} routes[] = {
	{ "/healthz", answer_health },
	{ "/readyz", answer_readiness },
	{ "/metrics", answer_metrics },
};

static void
handle_cb(struct http_exchange *exchange, void *arg)
{
	struct admin *admin = arg;
	const char *target = http_target(exchange);
	size_t path_len = strcspn(target, "?");
	const char *method = http_method(exchange);

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (strlen(routes[i].path) != path_len ||
		    memcmp(routes[i].path, target, path_len) != 0)
			continue;
		if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
			routes[i].answer(admin, exchange);
		else
			reply_problem(&exchange, 405, "method-not-allowed",
			    "use GET, HEAD", "GET, HEAD");
		return;
	}
	reply_problem(&exchange, 404, "not-found",
	    "the operator's listener has no such resource", NULL);
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
