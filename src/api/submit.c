/* submit.c - accepting a request: it becomes a job, or a refusal.
 *
 * What the upstream will see is put together here: end-to-end fields as they
 * came, in their order, less those that callbackd reads itself, plus the
 * forwarding ones. A place in the queue is taken before anything is promised;
 * the 202 is sent when the ledger says that the job is written down.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/clock.h"
#include "callbackd/random.h"
#include "callbackd/sched.h"
#include "inside.h"

/* ---- what the upstream will see ---- */

struct intake {
	struct draft draft;
	struct headers headers;   /* end to end */
	const char *connection;   /* the Connection field; NULL: none */
	bool has_clients;         /* then Authorization is ours */
	bool failed;
	struct objection objection;
};

static bool
is_ours(const struct intake *intake, const char *name)
{
	static const char *const ours[] = { "Host", "Content-Length", "Expect",
		"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host",
		"Job-Id", "Job-Attempt", "Job-Deadline" };

	if (intake->has_clients && text_equal_nocase(name, "Authorization"))
		return true;
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (text_equal_nocase(name, ours[i]))
			return true;
	return header_is_hop_by_hop(name, strlen(name), intake->connection);
}

static void
take_field_cb(const char *name, const char *value, void *arg)
{
	struct intake *intake = arg;
	bool is_wish;

	if (intake->failed)
		return;
	if (!draft_take_header(&intake->draft, name, value, &is_wish,
		&intake->objection)) {
		intake->failed = true;
		return;
	}
	if (is_wish || is_ours(intake, name))
		return;
	if (!headers_add(&intake->headers, name, value)) {
		object_to(&intake->objection, REFUSE_OVERLOADED,
		    "the fields do not fit");
		intake->failed = true;
	}
}

static bool
peer_is_trusted(const struct call *call)
{
	const struct conf *conf = call->api->conf;
	const char *peer = http_peer(call->exchange);
	struct cidr address;

	if (strcmp(peer, "unix") == 0)
		return true;
	if (!cidr_parse(peer, &address))
		return false;
	for (size_t i = 0; i < conf->trusted_proxy_count; i++)
		if (cidr_contains(&conf->trusted_proxies[i], &address))
			return true;
	return false;
}

/* A trusted proxy's word is passed on, with the proxy added; anybody else's is
 * replaced by what we see. */
static void
add_forwarding(const struct call *call, struct headers *headers)
{
	const struct http_exchange *exchange = call->exchange;
	const char *peer = http_peer(exchange);
	bool trusted = peer_is_trusted(call);
	const char *before =
	    trusted ? http_header(exchange, "X-Forwarded-For") : NULL;
	const char *proto =
	    trusted ? http_header(exchange, "X-Forwarded-Proto") : NULL;
	const char *host =
	    trusted ? http_header(exchange, "X-Forwarded-Host") : NULL;
	struct buf chain;

	buf_init(&chain, HEADERS_MAX_BYTES);
	if (before != NULL)
		(void)buf_printf(&chain, "%s, ", before);
	(void)buf_puts(&chain, peer);
	(void)headers_add(headers, "X-Forwarded-For", buf_text(&chain));
	(void)headers_add(headers, "X-Forwarded-Proto",
	    proto != NULL ? proto : "http");
	if (host == NULL)
		host = http_header(exchange, "Host");
	if (host != NULL)
		(void)headers_add(headers, "X-Forwarded-Host", host);
	buf_free(&chain);
}

/* ---- the job ---- */

static bool
take_fields(struct call *call, struct intake *intake)
{
	struct job *job = &intake->draft.order->job;
	const char *type = http_header(call->exchange, "Content-Type");

	intake->connection = http_header(call->exchange, "Connection");
	intake->has_clients = call->api->conf->client_count > 0;
	http_each_header(call->exchange, take_field_cb, intake);
	if (intake->failed || !draft_check(&intake->draft, &intake->objection))
		return false;
	add_forwarding(call, &intake->headers);
	job->content_type = text_copy(type);
	if ((type != NULL && job->content_type == NULL) ||
	    buf_failed(&intake->headers.text))
		return object_to(&intake->objection, REFUSE_OVERLOADED,
		    "no memory for the fields");
	return true;
}

static bool
take_request(struct call *call, struct intake *intake, size_t prefix_len)
{
	struct order *order = intake->draft.order;
	struct job *job = &order->job;

	(void)snprintf(job->method, sizeof(job->method), "%s",
	    http_method(call->exchange));
	job->target = text_copy(call->target + prefix_len - 1);
	order->request.headers = text_copy(buf_text(&intake->headers.text));
	job->request_bytes = (int64_t)http_body_len(call->exchange);
	if (job->request_bytes > 0)
		order->request.body = http_body(call->exchange);
	if (job->target == NULL || order->request.headers == NULL ||
	    (job->request_bytes > 0 && order->request.body == NULL))
		return object_to(&intake->objection, REFUSE_OVERLOADED,
		    "no memory for the request");
	return true;
}

static void
set_up(struct call *call, const struct conf_queue *queue,
    struct order *order)
{
	struct job *job = &order->job;

	order->queue = queue;
	order->conf = conf_ref(call->api->conf);
	memcpy(job->queue, queue->name, sizeof(job->queue));
	memcpy(job->client, call->client, sizeof(job->client));
	job->max_attempts = queue->attempts;
}

/* Dot segments would lead an upstream out of the queue's prefix, and a NUL cuts
 * paths in many programs. */
static bool
path_is_plain(const struct call *call, struct objection *objection)
{
	const char *end = call->target + call->path_len;

	for (const char *c = call->target; c < end; c++) {
		const char *dot = c + 1;
		int dots = 0;

		if (end - c >= 3 && strncmp(c, "%00", 3) == 0)
			return object_to(objection, REFUSE_BAD_REQUEST,
			    "the path holds %%00");
		if (*c != '/')
			continue;
		while (dot < end && (*dot == '.' ||
		    (end - dot >= 3 && dot[0] == '%' && dot[1] == '2' &&
			(dot[2] == 'e' || dot[2] == 'E')))) {
			dot += *dot == '.' ? 1 : 3;
			dots++;
		}
		if ((dots == 1 || dots == 2) && (dot == end || *dot == '/'))
			return object_to(objection, REFUSE_BAD_REQUEST,
			    "the path holds a dot segment");
	}
	return true;
}

/* ---- the acknowledgement ---- */

static void
acknowledge(struct call *call, const struct order *order)
{
	struct headers headers;
	struct buf body;
	char id[UUID_TEXT_SIZE];
	char location[512];

	headers_init(&headers);
	buf_init(&body, DOCUMENT_MAX_BYTES);
	uuid_text(order->job.id, id);
	(void)snprintf(location, sizeof(location), "%s/v1/jobs/%s",
	    call->api->conf->public_url, id);
	(void)headers_add(&headers, "Location", location);
	(void)headers_add_int(&headers, "Retry-After",
	    poll_after_s(&order->job, &order->facts));
	(void)headers_add(&headers, "Job-Id", id);
	/* Without memory for the document the client still learns the id. */
	if (!document_text(&body, &order->job, NULL, &order->facts))
		buf_clear(&body);
	reply_json(&call->exchange, 202, &headers, &body);
	metrics_observe_us(call->api->metrics, HISTOGRAM_ACCEPT,
	    clock_mono_us() - order->asked_us);
	buf_free(&body);
	headers_free(&headers);
}

static void
submitted(struct order *order)
{
	struct call *call = asker_of(order);

	if (order->result == ORDER_OK)
		acknowledge(call, order);
	else
		refuse_order(&call->exchange, order->result);
	free(call);
	order_free(&order);
}

/* ---- the way in ---- */

static bool
take_place(struct intake *intake)
{
	const struct conf_queue *queue = intake->draft.queue;

	if (queue_take_place(queue, intake->draft.order->job.request_bytes))
		return true;
	intake->objection.retry_after_s =
	    queue_retry_after_s(queue->gauge, random_u32());
	return object_to(&intake->objection, REFUSE_QUEUE_FULL,
	    "queue %s is full", queue->name);
}

static bool
may_submit(struct call *call, const struct conf_queue *queue,
    struct objection *objection)
{
	if (call->api->is_draining)
		return object_to(objection, REFUSE_DRAINING,
		    "the gateway is shutting down");
	if (!client_may_use(call->api, call->client, queue->name))
		return object_to(objection, REFUSE_FORBIDDEN,
		    "this key may not use queue %s", queue->name);
	if (!ledger_is_well(call->api->ledger))
		return object_to(objection, REFUSE_STORE_UNAVAILABLE,
		    "the store does not write at present");
	return path_is_plain(call, objection);
}

void
submit(struct call *call, const struct conf_queue *queue, size_t prefix_len)
{
	struct intake intake = { .draft = { .conf = call->api->conf,
				     .queue = queue } };

	if (!may_submit(call, queue, &intake.objection)) {
		refuse(&call->exchange, &intake.objection);
		return;
	}
	intake.draft.order = order_for(call, ORDER_ACCEPT, submitted);
	if (intake.draft.order == NULL)
		return;
	headers_init(&intake.headers);
	set_up(call, queue, intake.draft.order);
	if (take_fields(call, &intake) &&
	    take_request(call, &intake, prefix_len) && take_place(&intake)) {
		ask(intake.draft.order);
	} else {
		refuse(&call->exchange, &intake.objection);
		free(asker_of(intake.draft.order));
		order_free(&intake.draft.order);
	}
	headers_free(&intake.headers);
}
