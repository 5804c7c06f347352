/* submit_json.c - POST /v1/jobs: the same as a request below a queue's path,
 * written as one JSON object.
 *
 * Members that mean what a header field means go through the same table
 * (wish.c). What is valid JSON but means nothing is 422 and names its place.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/openfaas.h"
#include "members.h"

static bool
is_no_sense(struct draft *draft, const char *place, const char *wanted)
{
	return means_nothing(&draft->objection, place, wanted);
}

/* ---- members that are header fields in another dress ---- */

/* "events" may be an array of names, too. */
static bool
join_list(const struct json_value *list, struct buf *out)
{
	for (const struct json_value *item = list->first; item != NULL;
	     item = item->next) {
		if (item->kind != JSON_STRING)
			return false;
		(void)buf_printf(out, "%s%s", out->len > 0 ? "," : "",
		    item->text);
	}
	return !buf_failed(out);
}

static bool
take_wish(struct draft *draft, const char *place, const char *header,
    const struct json_value *value)
{
	struct buf list;
	const char *text = text_of(value);
	bool is_kept;
	bool taken;

	buf_init(&list, 1024);
	if (value->kind == JSON_ARRAY && join_list(value, &list))
		text = buf_text(&list);
	taken = text != NULL
	    ? draft_take_wish(draft, header, place, text, &is_kept)
	    : is_no_sense(draft, place, "a string or a number");
	if (!taken && draft->objection.refusal == REFUSE_BAD_REQUEST)
		draft->objection.refusal = REFUSE_UNPROCESSABLE;
	if (taken && !is_kept) /* the upstream sees it as a field */
		taken = headers_add(&draft->headers, header, text) ||
		    is_no_sense(draft, place, "legal as a field's value");
	buf_free(&list);
	return taken;
}

/* ---- the request ---- */

static bool
take_method(struct draft *draft, const char *place,
    const struct json_value *value)
{
	static const char *const legal[] = { "GET", "HEAD", "POST", "PUT",
		"PATCH", "DELETE", "OPTIONS" };

	for (size_t i = 0; i < sizeof(legal) / sizeof(legal[0]); i++) {
		if (value->kind != JSON_STRING ||
		    strcmp(value->text, legal[i]) != 0)
			continue;
		(void)snprintf(draft->order->job.method, METHOD_SIZE, "%s",
		    legal[i]);
		return true;
	}
	return is_no_sense(draft, place,
	    "GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS");
}

static bool
take_path(struct draft *draft, const char *place,
    const struct json_value *value)
{
	const char *path = value->kind == JSON_STRING ? text_of(value) : NULL;

	if (path == NULL || path[0] != '/')
		return is_no_sense(draft, place, "a string that begins with /");
	for (const char *c = path; *c != '\0'; c++)
		if (*c <= ' ' || *c > '~' || *c == '#')
			return is_no_sense(draft, place,
			    "visible ASCII without #, escaped as in a URL");
	free(draft->order->job.target);
	draft->order->job.target = text_copy(path);
	return path_is_plain(path, &draft->objection);
}

static bool
add_field(struct draft *draft, const char *place,
    const struct json_value *field)
{
	const char *value = field->kind == JSON_STRING ? text_of(field) : NULL;
	struct job *job = &draft->order->job;

	if (value == NULL)
		return is_no_sense(draft, place, "values are strings");
	if (field_is_ours(field->key) ||
	    header_is_hop_by_hop(field->key, strlen(field->key), NULL))
		return object_to(&draft->objection, REFUSE_UNPROCESSABLE,
		    "%s: %.*s is set by the gateway", place, MEMBER_SHOWN,
		    field->key);
	if (!headers_add(&draft->headers, field->key, value))
		return object_to(&draft->objection, REFUSE_UNPROCESSABLE,
		    "%s: %.*s is not a legal field", place, MEMBER_SHOWN,
		    field->key);
	if (text_equal_nocase(field->key, "Content-Type")) {
		free(job->content_type);
		job->content_type = text_copy(value);
	}
	return true;
}

static bool
take_headers(struct draft *draft, const char *place,
    const struct json_value *value)
{
	if (value->kind != JSON_OBJECT)
		return is_no_sense(draft, place, "an object of strings");
	for (const struct json_value *field = value->first; field != NULL;
	     field = field->next)
		if (!add_field(draft, place, field))
			return false;
	return true;
}

static bool
keep_body(struct draft *draft, const char *place, struct blob *body)
{
	if (draft->order->request.body != NULL) {
		blob_unref(&body);
		return is_no_sense(draft, place,
		    "there is a body already: body or body_base64, not both");
	}
	draft->order->request.body = body;
	draft->order->job.request_bytes = (int64_t)blob_len(body);
	return true;
}

static bool
take_body(struct draft *draft, const char *place,
    const struct json_value *value)
{
	struct blob *body = take_bytes(place, value, false, &draft->objection);

	return body != NULL && keep_body(draft, place, body);
}

static bool
take_base64(struct draft *draft, const char *place,
    const struct json_value *value)
{
	struct blob *body = take_bytes(place, value, true, &draft->objection);

	return body != NULL && keep_body(draft, place, body);
}

/* Fields of a callback that only the gateway sets. */
static bool
is_reserved(const struct conf *conf, const char *name)
{
	static const char *const reserved[] = { "Host", "Content-Length",
		"Content-Type", "User-Agent", "Expect", "traceparent",
		"tracestate" };

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (text_equal_nocase(name, reserved[i]))
			return true;
	if (conf->openfaas_compat && openfaas_writes(name, strlen(name)))
		return true;
	return text_starts_nocase(name, "webhook-") ||
	    text_starts_nocase(name, "Job-") ||
	    header_is_hop_by_hop(name, strlen(name), NULL);
}

static bool
take_callback_headers(struct draft *draft, const char *place,
    const struct json_value *value)
{
	struct headers headers;
	struct job *job = &draft->order->job;
	bool taken = value->kind == JSON_OBJECT;

	headers_init(&headers);
	for (const struct json_value *field = taken ? value->first : NULL;
	     taken && field != NULL; field = field->next)
		taken = field->kind == JSON_STRING &&
		    !is_reserved(draft->conf, field->key) &&
		    headers_add(&headers, field->key, field->text);
	if (taken) {
		free(job->callback_headers);
		job->callback_headers = text_copy(buf_text(&headers.text));
	}
	headers_free(&headers);
	return taken ||
	    is_no_sense(draft, place,
		"an object of strings, legal as fields and not set by the "
		"gateway");
}

/* ---- the table of members ---- */

struct job_member {
	const char *name;
	const char *place;
	const char *header; /* what it means, or NULL and: */
	bool (*take)(struct draft *draft, const char *place,
	    const struct json_value *value);
};

static bool take_callback(struct draft *draft, const char *place,
    const struct json_value *value);

static bool
is_queue(struct draft *draft, const char *place, const struct json_value *value)
{
	(void)draft; /* read before the draft began */
	(void)place;
	(void)value;
	return true;
}

static const struct job_member members[] = {
	{ "queue", "queue", NULL, is_queue },
	{ "method", "method", NULL, take_method },
	{ "path", "path", NULL, take_path },
	{ "headers", "headers", NULL, take_headers },
	{ "body", "body", NULL, take_body },
	{ "body_base64", "body_base64", NULL, take_base64 },
	{ "callback", "callback", NULL, take_callback },
	{ "delay", "delay", "Job-Delay", NULL },
	{ "timeout", "timeout", "Job-Timeout", NULL },
	{ "expires", "expires", "Job-Expires", NULL },
	{ "priority", "priority", "Job-Priority", NULL },
	{ "idempotency_key", "idempotency_key", "Idempotency-Key", NULL },
	{ NULL, NULL, NULL, NULL },
};

static const struct job_member callback_members[] = {
	{ "url", "callback.url", "Callback-URL", NULL },
	{ "failure_url", "callback.failure_url", "Callback-Failure-URL", NULL },
	{ "events", "callback.events", "Callback-Events", NULL },
	{ "format", "callback.format", "Callback-Format", NULL },
	{ "headers", "callback.headers", NULL, take_callback_headers },
	{ NULL, NULL, NULL, NULL },
};

static bool
take_member(struct draft *draft, const struct job_member *table,
    const struct json_value *value)
{
	for (const struct job_member *member = table; member->name != NULL;
	     member++) {
		if (strcmp(member->name, value->key) != 0)
			continue;
		if (value->kind == JSON_NULL)
			return true;
		if (member->header != NULL)
			return take_wish(draft, member->place, member->header,
			    value);
		return member->take(draft, member->place, value);
	}
	return unknown_member(&draft->objection, value->key);
}

static bool
take_members(struct draft *draft, const struct job_member *table,
    const struct json_value *object)
{
	for (const struct json_value *value = object->first; value != NULL;
	     value = value->next)
		if (!take_member(draft, table, value))
			return false;
	return true;
}

static bool
take_callback(struct draft *draft, const char *place,
    const struct json_value *value)
{
	if (value->kind != JSON_OBJECT)
		return is_no_sense(draft, place, "an object");
	return take_members(draft, callback_members, value);
}

/* ---- the way in ---- */

static const struct conf_queue *
find_queue(const struct call *call, const struct json_value *root)
{
	const struct json_value *name = json_member(root, "queue");

	if (name == NULL || name->kind != JSON_STRING)
		return NULL;
	return conf_queue_find(call->api->conf, name->text);
}

/* The one header field that means the same here. */
static bool
take_key_field(struct draft *draft)
{
	static const char name[] = "Idempotency-Key";
	const char *value = http_header(draft->call->exchange, name);
	bool is_kept;

	if (value == NULL)
		return true;
	return draft_take_wish(draft, name, name, value, &is_kept) &&
	    headers_add(&draft->headers, name, value);
}

static void
submit_value(struct call *call, const struct json_value *root)
{
	const struct conf_queue *queue;
	struct draft draft;
	struct job *job;

	queue = find_queue(call, root);
	if (queue == NULL) {
		refuse_plainly(&call->exchange, REFUSE_UNPROCESSABLE,
		    "queue: the name of a queue");
		return;
	}
	if (!draft_begin(&draft, call, queue))
		return;
	job = &draft.order->job;
	(void)snprintf(job->method, sizeof(job->method), "POST");
	job->target = text_copy("/");
	draft_end(&draft,
	    take_key_field(&draft) && take_members(&draft, members, root));
}

void
submit_json(struct call *call)
{
	struct json_document *document = members_of(call, "a job");

	if (document == NULL)
		return;
	submit_value(call, json_root(document));
	json_document_free(&document);
}
