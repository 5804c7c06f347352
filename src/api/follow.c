/* follow.c - looking at one job: its document and its result. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"

#define ETAG_SIZE 24

/* ---- the document ---- */

/* Weak: the estimate in the document moves without the job having changed. */
static void
etag_of(const struct order *order, char out[ETAG_SIZE])
{
	uint64_t version = document_version(&order->job,
	    order->has_delivery ? &order->delivery : NULL, &order->facts);

	(void)snprintf(out, ETAG_SIZE, "W/\"%016llx\"",
	    (unsigned long long)version);
}

/* The next tag of If-None-Match, in quotes, or '*': tags are compared weakly (RFC
 * 9110, 13.1.2). */
static bool
next_tag(const struct call *call, struct http_list *list, const char **tag_out,
    size_t *len_out)
{
	if (!http_list_next(call->exchange, list, tag_out, len_out))
		return false;
	if (*len_out > 2 && strncmp(*tag_out, "W/", 2) == 0) {
		*tag_out += 2;
		*len_out -= 2;
	}
	return true;
}

static bool
is_known(const struct call *call, const char *etag)
{
	struct http_list list = { .name = "If-None-Match" };
	const char *opaque = strchr(etag, '"');
	const char *tag;
	size_t len;

	while (next_tag(call, &list, &tag, &len))
		if ((len == 1 && *tag == '*') ||
		    (len == strlen(opaque) && strncmp(tag, opaque, len) == 0))
			return true;
	return false;
}

static int
status_of(const struct api *api, enum job_status status)
{
	switch (status) {
	case JOB_QUEUED:
	case JOB_RUNNING:
		return 202;
	case JOB_SUCCEEDED:
		return 200;
	case JOB_FAILED:
		return api->conf->poll_failed_status;
	case JOB_CANCELLED:
		return 410;
	}
	return 500;
}

static void
show_document(struct call *call, struct order *order, struct headers *headers)
{
	struct buf body;

	order->facts.public_url = call->api->conf->public_url;
	buf_init(&body, DOCUMENT_MAX_BYTES);
	if (document_text(&body, &order->job,
		order->has_delivery ? &order->delivery : NULL, &order->facts))
		reply_json(&call->exchange,
		    status_of(call->api, order->job.status), headers, &body);
	else
		refuse_plainly(&call->exchange, REFUSE_OVERLOADED,
		    "no memory for the document");
	buf_free(&body);
}

static void
show_job(struct call *call, struct order *order)
{
	const struct http_reply unchanged = { .status = 304 };
	struct headers headers;
	struct http_reply reply = unchanged;
	char etag[ETAG_SIZE];

	headers_init(&headers);
	etag_of(order, etag);
	(void)headers_add(&headers, "ETag", etag);
	(void)headers_add(&headers, "Cache-Control", "no-cache");
	if (!job_has_ended(order->job.status))
		(void)headers_add_int(&headers, "Retry-After",
		    poll_after_s(&order->job, &order->facts));
	if (is_known(call, etag)) {
		reply.headers = &headers;
		http_answer(&call->exchange, &reply);
	} else {
		show_document(call, order, &headers);
	}
	headers_free(&headers);
}

/* ---- the result ---- */

/* Fields that describe our own message, not the upstream's. */
static bool
is_ours(const struct header_field *field)
{
	return header_is(field, "Date") || header_is(field, "Content-Type") ||
	    header_is(field, "Job-Id") || header_is(field, "Job-Status");
}

static void
copy_fields(struct headers *headers, const char *stored)
{
	struct header_field field;

	while (headers_next(&stored, &field))
		if (!is_ours(&field))
			(void)buf_printf(&headers->text, "%.*s: %.*s\n",
			    (int)field.name_len, field.name,
			    (int)field.value_len, field.value);
}

static void
show_answer(struct call *call, struct order *order, struct headers *headers)
{
	const struct http_reply reply = {
		.status = order->job.response_status,
		.content_type = order->job.response_type,
		.headers = headers,
		.blob = order->response.body,
	};

	copy_fields(headers, order->response.headers);
	http_answer(&call->exchange, &reply);
}

/* The upstream never answered: a problem says what became of the job. */
static void
show_error(struct call *call, struct order *order, struct headers *headers)
{
	enum job_error error = order->job.error;
	struct buf body;
	struct http_reply reply = {
		.status = problem_status_of(error),
		.content_type = PROBLEM_CONTENT_TYPE,
		.headers = headers,
	};

	buf_init(&body, DOCUMENT_MAX_BYTES);
	(void)problem_text(&body, reply.status, job_error_name(error),
	    order->job.error_detail);
	reply.body = buf_text(&body);
	reply.body_len = body.len;
	http_answer(&call->exchange, &reply);
	buf_free(&body);
}

static void
show_result(struct call *call, struct order *order)
{
	struct headers headers;

	headers_init(&headers);
	add_job(&headers, &order->job);
	if (call->submitted != NULL)
		add_call(&headers, call, call->submitted);
	add_replay(&headers, call);
	add_preference(&headers, call, call->wait_ms > 0);
	if (!job_has_ended(order->job.status)) {
		(void)headers_add_int(&headers, "Retry-After",
		    poll_after_s(&order->job, &order->facts));
		show_document(call, order, &headers);
	} else if (order->job.response_status > 0) {
		show_answer(call, order, &headers);
	} else {
		show_error(call, order, &headers);
	}
	headers_free(&headers);
}

/* ---- asking ---- */

static void
answered(struct order *order)
{
	struct call *call = asker_of(order);

	if (order->result != ORDER_OK)
		refuse_order(&call->exchange, order->result);
	else if (order->kind == ORDER_RESULT)
		show_result(call, order);
	else
		show_job(call, order);
	free(call);
	order_free(&order);
}

/* A client that hangs up while it waits is answered into the void, and soon. */
static void
peer_gone_cb(void *arg)
{
	struct order *order = arg; /* the ledger's, but for its asker */
	struct call *call = asker_of(order);

	ledger_hurry(call->api->ledger, order, call->held_seq);
}

/* The order is to be answered later: then or so much later. */
static void
hold_answer(struct order *order, enum hold_until until, int64_t hold_ms)
{
	struct call *call = asker_of(order);

	order->hold_until = until;
	order->hold_ms = hold_ms;
	call->held_seq = order->job.id.seq;
	http_watch(call->exchange, peer_gone_cb, order);
}

static struct order *
order_for_id(struct call *call, enum order_kind kind,
    void (*when_answered)(struct order *order))
{
	struct order *order;
	struct uuid id;

	if (!uuid_parse(call->id, call->id_len, &id)) {
		refuse_order(&call->exchange, ORDER_MISSING);
		return NULL;
	}
	order = order_for(call, kind, when_answered);
	if (order != NULL)
		order->job.id = id;
	return order;
}

/* The version in the first tag of If-None-Match; 0 when there is none. */
static uint64_t
known_version(const struct call *call)
{
	struct http_list list = { .name = "If-None-Match" };
	const char *tag;
	size_t len;

	if (!next_tag(call, &list, &tag, &len) || *tag != '"')
		return 0;
	return strtoull(tag + 1, NULL, 16);
}

/* ?wait=N: false when it is not a duration. */
static bool
take_wait(struct call *call, struct order *order)
{
	struct objection objection = { 0 };
	char text[32];
	int found = query_find(call->query, "wait", text, sizeof(text));
	int64_t wait_ms;

	if (found == 0 || (found == 1 && strcmp(text, "0") == 0))
		return true;
	if (found == 1 && text_duration_ms(text, &wait_ms)) {
		order->known_version = known_version(call);
		hold_answer(order, HOLD_UNTIL_CHANGE, wait_ms);
		return true;
	}
	(void)object_to(&objection, REFUSE_BAD_REQUEST,
	    "wait: a duration such as 20 or 20s");
	refuse(&call->exchange, &objection);
	return false;
}

void
get_job(struct call *call)
{
	struct order *order = order_for_id(call, ORDER_JOB, answered);

	if (order == NULL)
		return;
	if (take_wait(call, order)) {
		ask(order);
		return;
	}
	free(asker_of(order));
	order_free(&order);
}

void
get_result(struct call *call)
{
	struct order *order = order_for_id(call, ORDER_RESULT, answered);

	if (order != NULL)
		ask(order);
}

/* ---- waiting for the result of a job just submitted ---- */

static void
forget_wait(struct call *call, struct order *order)
{
	order_free(&call->submitted);
	free(call);
	order_free(&order);
}

/* The job was accepted: whatever became of the wait, the client hears so. */
static void
waited(struct order *order)
{
	struct call *call = asker_of(order);

	if (order->result == ORDER_OK && job_has_ended(order->job.status))
		show_result(call, order);
	else if (order->result == ORDER_OK)
		acknowledge(call, order);
	else
		acknowledge(call, call->submitted);
	forget_wait(call, order);
}

void
wait_for_result(struct call *call, struct order *submitted)
{
	struct order *order = order_new(ORDER_RESULT, call->api->loop, waited,
	    call);

	if (order == NULL) {
		acknowledge(call, submitted);
		free(call);
		order_free(&submitted);
		return;
	}
	call->submitted = submitted;
	order->job.id = submitted->job.id;
	memcpy(order->client, call->client, sizeof(order->client));
	hold_answer(order, HOLD_UNTIL_END, call->wait_ms);
	if (ledger_ask(call->api->ledger, order))
		return;
	acknowledge(call, submitted);
	forget_wait(call, order);
}

/* ---- cancelling, running again ---- */

static void
show_changed(struct call *call, struct order *order)
{
	bool is_pending = !job_has_ended(order->job.status);
	struct headers headers;
	struct buf body;

	headers_init(&headers);
	buf_init(&body, DOCUMENT_MAX_BYTES);
	order->facts.public_url = call->api->conf->public_url;
	if (is_pending)
		(void)headers_add_int(&headers, "Retry-After",
		    poll_after_s(&order->job, &order->facts));
	if (document_text(&body, &order->job,
		order->has_delivery ? &order->delivery : NULL, &order->facts))
		reply_json(&call->exchange, is_pending ? 202 : 200, &headers,
		    &body);
	else
		refuse_plainly(&call->exchange, REFUSE_OVERLOADED,
		    "no memory for the document");
	buf_free(&body);
	headers_free(&headers);
}

static void
changed(struct order *order)
{
	struct call *call = asker_of(order);

	if (order->result == ORDER_OK)
		show_changed(call, order);
	else
		refuse_order(&call->exchange, order->result);
	free(call);
	order_free(&order);
}

void
cancel_job(struct call *call)
{
	struct order *order = order_for_id(call, ORDER_CANCEL, changed);

	if (order != NULL)
		ask(order);
}

void
retry_job(struct call *call)
{
	struct order *order;

	if (call->api->is_draining) {
		refuse_plainly(&call->exchange, REFUSE_DRAINING,
		    "the gateway is shutting down");
		return;
	}
	order = order_for_id(call, ORDER_RETRY, changed);
	if (order != NULL)
		ask(order);
}
