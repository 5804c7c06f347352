/* draft.c - a job on its way to the ledger: what every way of submitting has in
 * common, from the first checks to the 202.
 *
 * A place in the queue is taken before anything is promised; the 202 is sent
 * when the ledger says that the job is written down.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/clock.h"
#include "callbackd/random.h"
#include "callbackd/sched.h"
#include "inside.h"

/* ---- forwarding fields ---- */

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
	struct http_list before = { .name = "X-Forwarded-For" };
	const char *proto = trusted ? http_header(exchange, "X-Forwarded-Proto")
				    : NULL;
	const char *host = trusted ? http_header(exchange, "X-Forwarded-Host")
				   : NULL;
	const char *item;
	struct buf chain;
	size_t len;

	buf_init(&chain, HEADERS_MAX_BYTES);
	while (trusted && http_list_next(exchange, &before, &item, &len))
		(void)buf_printf(&chain, "%.*s, ", (int)len, item);
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

bool
field_is_ours(const char *name)
{
	static const char *const ours[] = { "Host", "Content-Length", "Expect",
		"Prefer", "X-Forwarded-For", "X-Forwarded-Proto",
		"X-Forwarded-Host", "Job-Id", "Job-Attempt", "Job-Deadline" };

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (text_equal_nocase(name, ours[i]))
			return true;
	return false;
}

/* ---- the target ---- */

/* Dot segments would lead an upstream out of the queue's prefix, and a NUL cuts
 * paths in many programs. */
bool
path_is_plain(const char *target, struct objection *objection)
{
	const char *end = target + strcspn(target, "?");

	for (const char *c = target; c < end; c++) {
		const char *dot = c + 1;
		int dots = 0;

		if (end - c >= 3 && strncmp(c, "%00", 3) == 0)
			return object_to(objection, REFUSE_BAD_REQUEST,
			    "the path holds %%00");
		if (*c != '/')
			continue;
		while (dot < end &&
		    (*dot == '.' ||
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
add_location(struct headers *headers, const struct order *order)
{
	char path[JOB_PATH_SIZE];
	char *location;

	(void)job_path(order->job.id, path);
	location = text_join(order->facts.public_url, path);
	if (location != NULL)
		(void)headers_add(headers, "Location", location);
	free(location);
}

void
acknowledge(struct call *call, struct order *order)
{
	bool is_pending = !job_has_ended(order->job.status);
	struct headers headers;
	struct buf body;
	char id[UUID_TEXT_SIZE];

	order->facts.public_url = call->api->conf->public_url;
	headers_init(&headers);
	buf_init(&body, DOCUMENT_MAX_BYTES);
	uuid_text(order->job.id, id);
	add_location(&headers, order);
	if (is_pending)
		(void)headers_add_int(&headers, "Retry-After",
		    poll_after_s(&order->job, &order->facts));
	(void)headers_add(&headers, "Job-Id", id);
	add_call(&headers, call,
	    call->submitted != NULL ? call->submitted : order);
	add_replay(&headers, call);
	add_preference(&headers, call, false);
	/* Without memory for the document the client still learns the id. */
	if (!document_text(&body, &order->job,
		order->has_delivery ? &order->delivery : NULL, &order->facts))
		buf_clear(&body);
	reply_json(&call->exchange, is_pending ? 202 : 200, &headers, &body);
	buf_free(&body);
	headers_free(&headers);
}

static void
object_to_quota(struct objection *objection)
{
	(void)object_to(objection, REFUSE_RATE_LIMITED,
	    "this key has as many jobs waiting as it may have");
}

static void
object_to_full(struct objection *objection, const struct conf_queue *queue)
{
	objection->retry_after_s = queue_retry_after_s(queue->gauge,
	    random_u32());
	(void)object_to(objection, REFUSE_QUEUE_FULL, "queue %s is full",
	    queue->name);
}

static void
submitted(struct order *order)
{
	struct call *call = asker_of(order);
	struct objection objection = { 0 };

	switch (order->result) {
	case ORDER_OK:
	case ORDER_REPLAYED:
		call->is_replay = order->result == ORDER_REPLAYED;
		metrics_observe_us(call->api->metrics, HISTOGRAM_ACCEPT,
		    clock_mono_us() - order->asked_us);
		if (call->wait_ms > 0) {
			wait_for_result(call, order);
			return;
		}
		acknowledge(call, order);
		break;
	case ORDER_FULL:
		if (call->is_over_quota)
			object_to_quota(&objection);
		else
			object_to_full(&objection, order->queue);
		refuse(&call->exchange, &objection);
		break;
	case ORDER_MISMATCH:
	case ORDER_MISSING:
	case ORDER_CONFLICT:
	case ORDER_STALE:
	case ORDER_UNAVAILABLE:
		refuse_order(&call->exchange, order->result);
		break;
	}
	free(call);
	order_free(&order);
}

/* ---- from beginning to end ---- */

static bool
may_submit(const struct call *call, const struct conf_queue *queue,
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
	return true;
}

bool
draft_begin(struct draft *draft, struct call *call,
    const struct conf_queue *queue)
{
	struct job *job;

	memset(draft, 0, sizeof(*draft));
	draft->call = call;
	read_preferences(call);
	if (call->wait_ms > queue->max_wait_ms)
		call->wait_ms = queue->max_wait_ms;
	draft->conf = call->api->conf;
	draft->queue = queue;
	if (!may_submit(call, queue, &draft->objection)) {
		refuse(&call->exchange, &draft->objection);
		return false;
	}
	draft->order = order_for(call, ORDER_ACCEPT, submitted);
	if (draft->order == NULL)
		return false;
	headers_init(&draft->headers);
	draft->order->queue = queue;
	draft->order->conf = conf_ref(call->api->conf);
	job = &draft->order->job;
	memcpy(job->queue, queue->name, sizeof(job->queue));
	memcpy(job->client, call->client, sizeof(job->client));
	job->max_attempts = queue->attempts;
	return true;
}

/* What makes two requests the same: queue, method, target and body. */
static bool
fingerprint(struct order *order)
{
	const struct job *job = &order->job;
	char body[SHA256_HEX_SIZE];
	struct buf text;
	bool done;

	if (job->idempotency_key == NULL)
		return true;
	buf_init(&text, DOCUMENT_MAX_BYTES);
	done = sha256_hex(blob_data(order->request.body),
		   blob_len(order->request.body), body) &&
	    buf_printf(&text, "%s\n%s\n%s\n%s", job->queue, job->method,
		job->target, body) &&
	    sha256_hex(text.data, text.len, order->fingerprint);
	buf_free(&text);
	return done;
}

static bool
check(struct draft *draft)
{
	struct order *order = draft->order;
	const struct job *job = &order->job;

	if (job->callback_url == NULL && job->failure_url != NULL)
		return object_to(&draft->objection, REFUSE_BAD_REQUEST,
		    "Callback-Failure-URL: needs a Callback-URL");
	add_forwarding(draft->call, &draft->headers);
	order->request.headers = text_copy(buf_text(&draft->headers.text));
	if (order->request.headers == NULL || job->target == NULL ||
	    buf_failed(&draft->headers.text) || !fingerprint(order))
		return object_to(&draft->objection, REFUSE_OVERLOADED,
		    "no memory for the request");
	return true;
}

/* One of the client and one of the queue; both or none. */
static bool
take_both_places(struct draft *draft)
{
	if (!client_take_place(draft->call->conf)) {
		asker_of(draft->order)->is_over_quota = true;
		object_to_quota(&draft->objection);
		return false;
	}
	if (queue_take_place(draft->queue, draft->order->place_bytes))
		return true;
	client_give_place(draft->call->conf);
	object_to_full(&draft->objection, draft->queue);
	return false;
}

/* A full queue still answers what it has accepted before: only the ledger
 * knows whether an idempotency key is new. */
static bool
take_place(struct draft *draft)
{
	struct order *order = draft->order;

	order->place_bytes = order->job.request_bytes;
	if (take_both_places(draft))
		return true;
	order->is_overbooked = order->job.idempotency_key != NULL;
	return order->is_overbooked;
}

void
draft_end(struct draft *draft, bool is_good)
{
	if (is_good && check(draft) && take_place(draft)) {
		ask(draft->order);
	} else {
		refuse(&draft->call->exchange, &draft->objection);
		free(asker_of(draft->order));
		order_free(&draft->order);
	}
	headers_free(&draft->headers);
}
