/* submit.c - a request below a queue's path becomes a job.
 *
 * What the upstream will see is put together here: end-to-end fields as they
 * came, in their order, less those that callbackd reads itself. Clients of
 * OpenFaaS name the queue as they would a function, and get a raw callback
 * unless they ask for another.
 */
#include <string.h>

#include "callbackd/openfaas.h"
#include "inside.h"

struct intake {
	struct draft *draft;
	bool has_connection; /* fields that it names go no further */
	bool has_clients;    /* then Authorization is ours */
	bool failed;
};

static bool
is_ours(const struct intake *intake, const char *name)
{
	if (intake->has_clients && text_equal_nocase(name, "Authorization"))
		return true;
	return field_is_ours(name) ||
	    header_is_hop_by_hop(name, strlen(name), NULL) ||
	    (intake->has_connection &&
		http_lists(intake->draft->call->exchange, "Connection", name));
}

/* To OpenFaaS these are missing when they are empty. */
static bool
means_none(const struct call *call, const char *name, const char *value)
{
	return call->is_function && value[0] == '\0' &&
	    (text_equal_nocase(name, OPENFAAS_CALL_ID) ||
		text_equal_nocase(name, "X-Callback-Url"));
}

static void
take_field_cb(const char *name, const char *value, void *arg)
{
	struct intake *intake = arg;
	struct draft *draft = intake->draft;
	bool is_kept;

	if (intake->failed || means_none(draft->call, name, value))
		return;
	if (!draft_take_wish(draft, name, name, value, &is_kept)) {
		intake->failed = true;
		return;
	}
	if (is_kept || is_ours(intake, name))
		return;
	if (!headers_add(&draft->headers, name, value)) {
		object_to(&draft->objection, REFUSE_OVERLOADED,
		    "the fields do not fit");
		intake->failed = true;
	}
}

static bool
take_fields(struct call *call, struct draft *draft)
{
	struct intake intake = {
		.draft = draft,
		.has_connection = http_header(call->exchange, "Connection") !=
		    NULL,
		.has_clients = call->api->conf->client_count > 0,
	};

	http_each_header(call->exchange, take_field_cb, &intake);
	return !intake.failed;
}

static bool
take_request(struct call *call, struct draft *draft, const char *below)
{
	struct order *order = draft->order;
	struct job *job = &order->job;
	const char *type = http_header(call->exchange, "Content-Type");

	text_fit(http_method(call->exchange), job->method, sizeof(job->method));
	/* What follows the prefix, or a function's name, need not be a path. */
	job->target = text_join(below[0] == '/' ? "" : "/", below);
	job->content_type = text_copy(type);
	job->request_bytes = (int64_t)http_body_len(call->exchange);
	if (job->request_bytes > 0)
		order->request.body = http_body(call->exchange);
	if (job->target == NULL ||
	    (type != NULL && job->content_type == NULL) ||
	    (job->request_bytes > 0 && order->request.body == NULL))
		return object_to(&draft->objection, REFUSE_OVERLOADED,
		    "no memory for the request");
	return true;
}

static void
submit_below(struct call *call, const struct conf_queue *queue,
    const char *below)
{
	struct draft draft;

	if (!draft_begin(&draft, call, queue))
		return;
	draft.order->shows_request = call->is_function;
	if (call->is_function)
		draft.order->job.callback_format = FORMAT_RAW;
	draft_end(&draft,
	    path_is_plain(call->target, &draft.objection) &&
		take_fields(call, &draft) && take_request(call, &draft, below));
}

void
submit(struct call *call, const struct conf_queue *queue, size_t prefix_len)
{
	submit_below(call, queue, call->target + prefix_len - 1);
}

/* "figlet.openfaas-fn" is figlet of a namespace, which we do not have; no queue
 * has a dot in its name. */
static void
drop_namespace(struct call *call)
{
	for (size_t len = call->id_len; len-- > 0;) {
		if (call->id[len] != '.')
			continue;
		call->id_len = len;
		return;
	}
}

/* NULL: there is none. */
static const struct conf_queue *
queue_of_function(struct call *call, struct objection *objection)
{
	const struct conf_queue *queue = NULL;
	char name[NAME_SIZE];

	drop_namespace(call);
	if (queue_named(call, name, objection))
		queue = conf_queue_find(call->api->conf, name);
	if (queue == NULL)
		(void)object_to(objection, REFUSE_NOT_FOUND,
		    "there is no such queue");
	return queue;
}

void
submit_function(struct call *call)
{
	struct objection objection = { 0 };
	const char *below = call->id + call->id_len;
	const struct conf_queue *queue = queue_of_function(call, &objection);

	if (queue == NULL) {
		refuse(&call->exchange, &objection);
		return;
	}
	call->is_function = true;
	submit_below(call, queue, below);
}
