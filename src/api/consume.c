/* consume.c - consumers: they lease jobs, run them, and say what came of it.
 *
 * A lease's token is the right to speak for its run, so that is all that is
 * asked for: a consumer's jobs are those of other clients. Who may lease is the
 * operator's to say (conf_may_consume).
 *
 * Thread: its loop's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "members.h"

#define LEASE_MAX_JOBS 100
#define LEASE_MAX_MS (INT64_C(7) * 24 * 3600 * 1000)
#define MESSAGE_MAX_BYTES 1000

/* Up to LEASE_MAX_BYTES of the ledger and one body more, escaped. */
#define ANSWER_MAX_BYTES ((size_t)1 << 30)

/* ---- members ---- */

static bool
take_token(void *into, const char *name, const struct json_value *value,
    struct objection *objection)
{
	struct order *order = into;
	const char *token = take_string(name, value, objection);

	/* One of another length is nobody's: it stays empty. */
	if (token != NULL && strlen(token) == LEASE_TOKEN_SIZE - 1)
		memcpy(order->lease_token, token, LEASE_TOKEN_SIZE);
	return token != NULL;
}

static bool
take_lease_length(void *into, const char *name, const struct json_value *value,
    struct objection *objection)
{
	struct order *order = into;

	if (!take_duration(name, value, false, &order->lease_ms, objection))
		return false;
	return order->lease_ms <= LEASE_MAX_MS ||
	    means_nothing(objection, name, "7 days at most");
}

static bool
take_max(void *into, const char *name, const struct json_value *value,
    struct objection *objection)
{
	struct order *order = into;
	int64_t max;

	if (!json_to_int(value, 1, LEASE_MAX_JOBS, &max))
		return means_nothing(objection, name,
		    "a whole number from 1 to 100");
	order->lease_max = (int)max;
	return true;
}

static bool
take_wait(void *into, const char *name, const struct json_value *value,
    struct objection *objection)
{
	struct order *order = into;

	return take_duration(name, value, true, &order->hold_ms, objection);
}

static const struct member lease_members[] = {
	{ "max", take_max },
	{ "wait", take_wait },
	{ "lease", take_lease_length },
	{ NULL, NULL },
};

static const struct member extend_members[] = {
	{ "lease_token", take_token },
	{ "lease", take_lease_length },
	{ NULL, NULL },
};

static bool
take_share(void *into, const char *name, const struct json_value *value,
    struct objection *objection)
{
	struct order *order = into;
	double share = value->kind == JSON_NUMBER ? strtod(value->text, NULL)
						  : -1;

	if (!(share >= 0 && share <= 1))
		return means_nothing(objection, name, "a number from 0 to 1");
	order->progress_share = share;
	return true;
}

static bool
take_message(void *into, const char *name, const struct json_value *value,
    struct objection *objection)
{
	struct order *order = into;
	const char *text = take_string(name, value, objection);

	if (text == NULL)
		return false;
	if (strlen(text) > MESSAGE_MAX_BYTES)
		return means_nothing(objection, name, "1000 bytes at most");
	order->progress_message = text_copy(text);
	return order->progress_message != NULL ||
	    object_to(objection, REFUSE_OVERLOADED, "no memory");
}

static const struct member progress_members[] = {
	{ "lease_token", take_token },
	{ "progress", take_share },
	{ "message", take_message },
	{ NULL, NULL },
};

static bool
take_status(void *into, const char *name, const struct json_value *value,
    struct objection *objection)
{
	struct order *order = into;
	int64_t status;

	if (!json_to_int(value, 200, 599, &status))
		return means_nothing(objection, name,
		    "a status from 200 to 599");
	order->run->status = (int)status;
	return true;
}

/* Fields that describe the consumer's own message or connection are dropped,
 * as those of an upstream are. */
static bool
add_field(struct headers *headers, const char *name,
    const struct json_value *field, struct objection *objection)
{
	const char *value = field->kind == JSON_STRING ? text_of(field) : NULL;

	if (value == NULL)
		return means_nothing(objection, name, "values are strings");
	if (text_equal_nocase(field->key, "Content-Length") ||
	    header_is_hop_by_hop(field->key, strlen(field->key), NULL))
		return true;
	return headers_add(headers, field->key, value) ||
	    object_to(objection, REFUSE_UNPROCESSABLE,
		"%s: %.*s is not a legal field", name, MEMBER_SHOWN,
		field->key);
}

/* False when memory is out. */
static bool
keep_headers(struct run *run, const struct headers *headers)
{
	const char *text = buf_text(&headers->text);
	const char *type;
	size_t len;

	run->response.headers = text_copy(text);
	if (run->response.headers == NULL)
		return false;
	if (!headers_find(text, "Content-Type", &type, &len))
		return true;
	run->content_type = text_copy_n(type, len);
	return run->content_type != NULL;
}

static bool
take_headers(void *into, const char *name, const struct json_value *value,
    struct objection *objection)
{
	struct order *order = into;
	struct headers headers;
	bool good = true;

	if (value->kind != JSON_OBJECT)
		return means_nothing(objection, name, "an object of strings");
	headers_init(&headers);
	for (const struct json_value *field = value->first;
	     good && field != NULL; field = field->next)
		good = add_field(&headers, name, field, objection);
	if (good && !keep_headers(order->run, &headers))
		good = object_to(objection, REFUSE_OVERLOADED, "no memory");
	headers_free(&headers);
	return good;
}

static bool
keep_body(struct run *run, const char *name, struct blob *body,
    struct objection *objection)
{
	if (body == NULL)
		return false;
	if (run->response.body != NULL) {
		blob_unref(&body);
		return means_nothing(objection, name,
		    "there is a body already: body or body_base64, not both");
	}
	run->response.body = body;
	run->response_bytes = (int64_t)blob_len(body);
	return true;
}

static bool
take_body(void *into, const char *name, const struct json_value *value,
    struct objection *objection)
{
	struct order *order = into;

	return keep_body(order->run, name,
	    take_bytes(name, value, false, objection), objection);
}

static bool
take_base64(void *into, const char *name, const struct json_value *value,
    struct objection *objection)
{
	struct order *order = into;

	return keep_body(order->run, name,
	    take_bytes(name, value, true, objection), objection);
}

static const struct member complete_members[] = {
	{ "lease_token", take_token },
	{ "status", take_status },
	{ "headers", take_headers },
	{ "body", take_body },
	{ "body_base64", take_base64 },
	{ NULL, NULL },
};

/* Cut where a character ends. */
static bool
take_error(void *into, const char *name, const struct json_value *value,
    struct objection *objection)
{
	struct order *order = into;
	struct run *run = order->run;
	const char *text = take_string(name, value, objection);
	size_t len;

	if (text == NULL)
		return false;
	len = strlen(text);
	if (len >= sizeof(run->detail))
		len = text_utf8_prefix(text, sizeof(run->detail) - 1);
	(void)snprintf(run->detail, sizeof(run->detail), "%.*s", (int)len,
	    text);
	return true;
}

static bool
take_retry(void *into, const char *name, const struct json_value *value,
    struct objection *objection)
{
	struct order *order = into;

	if (value->kind != JSON_BOOL)
		return means_nothing(objection, name, "true or false");
	order->run->verdict = value->truth ? VERDICT_RETRY : VERDICT_FINAL;
	return true;
}

static bool
take_delay(void *into, const char *name, const struct json_value *value,
    struct objection *objection)
{
	struct order *order = into;

	return take_duration(name, value, true, &order->run->wait_ms,
	    objection);
}

static const struct member fail_members[] = {
	{ "lease_token", take_token },
	{ "error", take_error },
	{ "retry", take_retry },
	{ "delay", take_delay },
	{ NULL, NULL },
};

/* ---- orders ---- */

static void
give_up(struct call *call, struct order *order,
    const struct objection *objection)
{
	refuse(&call->exchange, objection);
	free(asker_of(order));
	order_free(&order);
}

/* What a table cannot say. */
static bool
has_all(const struct json_value *root, enum order_kind kind,
    struct objection *objection)
{
	const struct json_value *token = json_member(root, "lease_token");

	if (kind == ORDER_LEASE)
		return true;
	if (token == NULL || token->kind == JSON_NULL)
		return means_nothing(objection, "lease_token", "must be given");
	if (kind == ORDER_PROGRESS && json_member(root, "progress") == NULL &&
	    json_member(root, "message") == NULL)
		return means_nothing(objection, "progress",
		    "it or message must be given");
	return true;
}

/* Reads the request into the order; else refuses and frees it. */
static bool
read_members(struct call *call, struct order *order, const struct member *table,
    struct objection *objection)
{
	struct json_document *document = members_of(call, "the request");
	bool good;

	if (document == NULL) {
		free(asker_of(order));
		order_free(&order);
		return false;
	}
	good = members_take(json_root(document), table, order, objection) &&
	    has_all(json_root(document), order->kind, objection);
	json_document_free(&document);
	if (!good)
		give_up(call, order, objection);
	return good;
}

/* ---- leasing ---- */

/* In place of the last byte, a bracket, there will be more. */
static bool
write_job(struct buf *out, const struct call *call, struct run *run,
    bool is_first)
{
	const struct document_facts facts = {
		.public_url = call->api->conf->public_url,
		.estimated_wait_ms = -1,
		.request = &run->request,
		.shows_lease = true,
	};

	if (!is_first)
		(void)buf_putc(out, ',');
	return document_text(out, &run->job, NULL, &facts);
}

static void
show_leased(struct call *call, struct order *order)
{
	struct buf body;
	bool good;

	buf_init(&body, ANSWER_MAX_BYTES);
	good = buf_puts(&body, "{\"jobs\":[");
	for (struct mail *mail = order->leased.first; good && mail != NULL;
	     mail = mail->next)
		good = write_job(&body, call, (struct run *)mail,
		    mail == order->leased.first);
	if (good && buf_puts(&body, "]}"))
		reply_json(&call->exchange, 200, NULL, &body);
	else
		refuse_plainly(&call->exchange, REFUSE_OVERLOADED,
		    "no memory for the jobs; their leases will end");
	buf_free(&body);
}

static void
leased(struct order *order)
{
	struct call *call = asker_of(order);

	if (call->exchange == NULL) /* gone: let_go comes */
		return;
	if (order->result == ORDER_OK)
		show_leased(call, order);
	else
		refuse_order(&call->exchange, order->result);
	free(call);
	order_free(&order);
}

static void
let_go(struct order *order)
{
	free(asker_of(order));
	order_free(&order);
}

static void
consumer_gone_cb(void *arg)
{
	struct order *order = arg;
	struct call *call = asker_of(order);

	http_drop(&call->exchange);
	order->let_go = let_go;
	ledger_forget(call->api->ledger, order);
}

static bool
may_lease(const struct call *call, const char *name,
    struct objection *objection)
{
	const struct conf *conf = call->api->conf;
	const struct conf_queue *queue = conf_queue_find(conf, name);

	if (queue == NULL)
		return object_to(objection, REFUSE_NOT_FOUND,
		    "there is no such queue");
	if (!conf_may_use(conf, call->client, name))
		return object_to(objection, REFUSE_FORBIDDEN,
		    "this key may not use queue %s", name);
	if (queue->executor != EXECUTOR_PULL)
		return object_to(objection, REFUSE_CONFLICT,
		    "the jobs of queue %s are not for consumers", name);
	if (!conf_may_consume(conf, call->client, name))
		return object_to(objection, REFUSE_FORBIDDEN,
		    "this key may not lease jobs of queue %s", name);
	if (call->api->is_draining)
		return object_to(objection, REFUSE_DRAINING,
		    "the gateway is shutting down");
	return true;
}

void
lease_jobs(struct call *call)
{
	struct objection objection = { 0 };
	char name[NAME_SIZE];
	struct order *order;

	if (!queue_named(call, name, &objection) ||
	    !may_lease(call, name, &objection)) {
		refuse(&call->exchange, &objection);
		return;
	}
	order = order_for(call, ORDER_LEASE, leased);
	if (order == NULL)
		return;
	order->lease_max = 1;
	memcpy(order->filter_queue, name, sizeof(name));
	if (!read_members(call, order, lease_members, &objection))
		return;
	http_watch(call->exchange, consumer_gone_cb, order);
	ask(order);
}

/* ---- what becomes of leased jobs ---- */

static void
show_held(struct call *call, struct order *order)
{
	struct buf body;

	order->facts.public_url = call->api->conf->public_url;
	buf_init(&body, DOCUMENT_MAX_BYTES);
	if (document_text(&body, &order->job,
		order->has_delivery ? &order->delivery : NULL, &order->facts))
		reply_json(&call->exchange, 200, NULL, &body);
	else
		refuse_plainly(&call->exchange, REFUSE_OVERLOADED,
		    "no memory for the document");
	buf_free(&body);
}

static void
held(struct order *order)
{
	struct call *call = asker_of(order);

	if (order->result == ORDER_OK)
		show_held(call, order);
	else
		refuse_order(&call->exchange, order->result);
	free(call);
	order_free(&order);
}

/* An order of who holds the job, with the request in it; NULL: refused. */
static struct order *
order_of_holder(struct call *call, enum order_kind kind,
    const struct member *table)
{
	struct objection objection = { 0 };
	struct order *order;
	struct uuid id;

	if (!uuid_parse(call->id, call->id_len, &id)) {
		refuse_order(&call->exchange, ORDER_MISSING);
		return NULL;
	}
	order = order_for(call, kind, held);
	if (order == NULL)
		return NULL;
	order->job.id = id;
	if (kind == ORDER_END_LEASE && (order->run = run_new()) == NULL) {
		(void)object_to(&objection, REFUSE_OVERLOADED, "no memory");
		give_up(call, order, &objection);
		return NULL;
	}
	if (order->run != NULL) /* unless it says otherwise */
		order->run->verdict = VERDICT_RETRY;
	return read_members(call, order, table, &objection) ? order : NULL;
}

static void
judge_result(struct run *run, int64_t now_ms)
{
	if (run->status == 0)
		run->status = 200;
	run->verdict = verdict_of_run(ERROR_NONE, run->status, &run->error);
	run->asked_ms = verdict_asked_wait_ms(run->response.headers,
	    run->status, now_ms);
	if (run->error != ERROR_NONE)
		(void)snprintf(run->detail, sizeof(run->detail),
		    "the consumer answered %d", run->status);
}

void
complete_job(struct call *call)
{
	struct order *order = order_of_holder(call, ORDER_END_LEASE,
	    complete_members);

	if (order == NULL)
		return;
	judge_result(order->run, loop_wall_ms(call->api->loop));
	ask(order);
}

void
fail_job(struct call *call)
{
	struct order *order = order_of_holder(call, ORDER_END_LEASE,
	    fail_members);

	if (order == NULL)
		return;
	order->run->error = ERROR_CONSUMER_FAILED;
	ask(order);
}

void
extend_lease(struct call *call)
{
	struct order *order = order_of_holder(call, ORDER_EXTEND,
	    extend_members);

	if (order != NULL)
		ask(order);
}

void
report_progress(struct call *call)
{
	struct order *order = order_of_holder(call, ORDER_PROGRESS,
	    progress_members);

	if (order != NULL)
		ask(order);
}
