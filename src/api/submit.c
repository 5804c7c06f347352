/* submit.c - a request below a queue's path becomes a job.
 *
 * What the upstream will see is put together here: end-to-end fields as they
 * came, in their order, less those that callbackd reads itself.
 */
#include <stdio.h>
#include <string.h>

#include "inside.h"

struct intake {
	struct draft *draft;
	const char *connection; /* the Connection field; NULL: none */
	bool has_clients;       /* then Authorization is ours */
	bool failed;
};

static bool
is_ours(const struct intake *intake, const char *name)
{
	if (intake->has_clients && text_equal_nocase(name, "Authorization"))
		return true;
	return field_is_ours(name) ||
	    header_is_hop_by_hop(name, strlen(name), intake->connection);
}

static void
take_field_cb(const char *name, const char *value, void *arg)
{
	struct intake *intake = arg;
	struct draft *draft = intake->draft;
	bool is_kept;

	if (intake->failed)
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
		.connection = http_header(call->exchange, "Connection"),
		.has_clients = call->api->conf->client_count > 0,
	};

	http_each_header(call->exchange, take_field_cb, &intake);
	return !intake.failed;
}

static bool
take_request(struct call *call, struct draft *draft, size_t prefix_len)
{
	struct order *order = draft->order;
	struct job *job = &order->job;
	const char *type = http_header(call->exchange, "Content-Type");

	(void)snprintf(job->method, sizeof(job->method), "%s",
	    http_method(call->exchange));
	job->target = text_copy(call->target + prefix_len - 1);
	job->content_type = text_copy(type);
	job->request_bytes = (int64_t)http_body_len(call->exchange);
	if (job->request_bytes > 0)
		order->request.body = http_body(call->exchange);
	if ((type != NULL && job->content_type == NULL) ||
	    (job->request_bytes > 0 && order->request.body == NULL))
		return object_to(&draft->objection, REFUSE_OVERLOADED,
		    "no memory for the request");
	return true;
}

void
submit(struct call *call, const struct conf_queue *queue, size_t prefix_len)
{
	struct draft draft;

	if (!draft_begin(&draft, call, queue))
		return;
	draft_end(&draft,
	    path_is_plain(call->target, &draft.objection) &&
		take_fields(call, &draft) &&
		take_request(call, &draft, prefix_len));
}
