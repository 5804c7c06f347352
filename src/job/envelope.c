/* envelope.c - the body of a delivery, in the four formats of the contract.
 *
 * 1. The same event gives the same bytes, whenever it is sent: the document in
 *    it is put back to the moment of the event, and none of the attempts to
 *    deliver it is in it.
 * 2. The upstream's bytes are never changed: raw holds the blob, the JSON
 *    formats carry it as text or base64, or not at all.
 * 3. On failure nothing is owned by *out.
 *
 * Any thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "append.h"
#include "callbackd/headers.h"
#include "callbackd/openfaas.h"
#include "callbackd/problem.h"
#include "callbackd/text.h"
#include "plain.h"

#define ESCAPED_BYTES 6 /* the most that one byte takes in JSON: \u0001 */

/* A record as it was at its event. Its strings belong to the originals. */
struct view {
	struct job job;
	struct delivery delivery;
	struct document_facts facts;
	const struct envelope_terms *terms;
	const struct payload *result; /* NULL: leave it out */
	char query[LINK_QUERY_SIZE];  /* of the link that stands for it */
	const char *type;             /* "job.succeeded" */
};

/* ---- the moment of the event ---- */

/* What has moved on since, of a job that was running then. */
static void
rewind_run(struct job *job, const struct delivery *delivery)
{
	job->progress = delivery->progress;
	job->progress_message = delivery->progress_message;
	if (delivery->run == 0)
		return;
	job->attempts = delivery->run;
	job->started_at_ms = delivery->run_started_at_ms;
}

/* Puts the record back to where it stood: it may have run again since. */
static void
rewind_job(struct job *job, const struct delivery *delivery)
{
	int64_t at_ms = delivery->created_at_ms;

	switch (delivery->event) {
	case EVENT_STARTED:
		job->started_at_ms = at_ms;
		/* fall through */
	case EVENT_PROGRESS:
		rewind_run(job, delivery);
		job->status = JOB_RUNNING;
		job->finished_at_ms = -1;
		job->response_status = 0;
		job->error = ERROR_NONE;
		return;
	case EVENT_SUCCEEDED:
		job->status = JOB_SUCCEEDED;
		break;
	case EVENT_FAILED:
		job->status = JOB_FAILED;
		break;
	case EVENT_CANCELLED:
		job->status = JOB_CANCELLED;
		break;
	}
	if (job->finished_at_ms < 0)
		job->finished_at_ms = at_ms;
}

static void
take_view(const struct job *job, const struct delivery *delivery,
    const struct envelope_terms *terms, struct view *out)
{
	*out =
	    (struct view){ .job = *job, .delivery = *delivery, .terms = terms };
	rewind_job(&out->job, delivery);
	out->delivery.state = DELIVERY_PENDING;
	out->delivery.attempts_json = NULL;
	out->delivery.next_at_ms = delivery->created_at_ms;
	out->facts = (struct document_facts){ .public_url = terms->public_url,
		.estimated_wait_ms = -1 };
	out->type = job_event_type(delivery->event);
}

/* ---- JSON formats ---- */

static void
put_standard_head(struct buf *out, const struct view *view)
{
	put_json(out, "{\"type\":");
	put_string(out, view->type);
	put_json(out, ",\"timestamp\":");
	put_time(out, view->delivery.created_at_ms);
}

/* CloudEvents 1.0, JSON format, structured mode. */
static void
put_cloudevent_head(struct buf *out, const struct view *view)
{
	const char *public_url = view->facts.public_url;
	char source[NAME_SIZE + 16], type[64];
	snprintf(source, sizeof(source), "/v1/queues/%s", view->job.queue);
	snprintf(type, sizeof(type), "callbackd.%s", view->type);

	put_json(out, "{\"specversion\":\"1.0\",\"id\":");
	put_uuid(out, view->delivery.id);
	put_json(out, ",\"source\":");
	put_joined(out, public_url != NULL ? public_url : "", source);
	put_json(out, ",\"type\":");
	put_string(out, type);
	put_json(out, ",\"subject\":");
	put_uuid(out, view->job.id);
	put_json(out, ",\"time\":");
	put_time(out, view->delivery.created_at_ms);
	put_json(out, ",\"datacontenttype\":\"application/json\"");
}

static bool
build_json(const struct view *view, bool as_cloudevent, struct envelope *out)
{
	struct buf *body = &out->body;
	if (as_cloudevent) {
		out->content_type = "application/cloudevents+json";
		put_cloudevent_head(body, view);
	} else {
		out->content_type = "application/json";
		put_standard_head(body, view);
	}
	put_json(body, ",\"data\":");
	return document_append(body, &view->job, &view->delivery, &view->facts,
		   view->result) &&
	    put_json(body, "}");
}

/* ---- raw ---- */

/* Fields of an answer that would mean something else in a request of ours, or
 * that we set ourselves. */
static bool
may_pass_on(const struct header_field *field, bool for_openfaas)
{
	static const char *const ours[] = { "Content-Type", "Content-Length",
		"Host", "Expect", "Authorization", "Cookie", "Set-Cookie",
		"User-Agent", "traceparent", "tracestate" };
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (header_is(field, ours[i]))
			return false;
	if (for_openfaas && openfaas_writes(field->name, field->name_len))
		return false;
	return !text_starts_nocase_n(field->name, field->name_len, "job-") &&
	    !text_starts_nocase_n(field->name, field->name_len, "webhook-") &&
	    !header_is_hop_by_hop(field->name, field->name_len, NULL);
}

/* Passes on what fits. The lines were checked when the answer came. */
static bool
pass_on_fields(const char *fields, bool for_openfaas, struct headers *out)
{
	struct header_field field;
	while (headers_next(&fields, &field)) {
		const char *end = field.value + field.value_len;
		size_t len = (size_t)(end - field.name);
		if (!may_pass_on(&field, for_openfaas) ||
		    out->text.len + len + 1 > HEADERS_MAX_BYTES)
			continue;
		buf_append(&out->text, field.name, len);
		buf_append(&out->text, "\n", 1);
	}
	return !buf_failed(&out->text);
}

/* Nothing to say (NULL) is fine. */
static bool
add_text(struct headers *out, const char *name, const char *value)
{
	return value == NULL || headers_add(out, name, value);
}

static bool
add_time(struct headers *out, const char *name, int64_t at_ms)
{
	char text[TEXT_TIME_SIZE];
	if (at_ms < 0)
		return true;
	text_time(at_ms, text);
	return headers_add(out, name, text);
}

static bool
add_location(struct headers *out, const struct view *view)
{
	const char *prefix = view->facts.public_url;
	char path[JOB_PATH_SIZE];
	(void)job_path(view->job.id, path);
	char *location = text_join(prefix != NULL ? prefix : "", path);
	bool good = location != NULL &&
	    headers_add(out, "Job-Location", location);
	free(location);
	return good;
}

/* What the document says beside the body. */
static bool
add_facts(struct headers *out, const struct view *view)
{
	const struct job *job = &view->job;
	bool has_error = job->error != ERROR_NONE &&
	    job->status != JOB_SUCCEEDED;
	return add_text(out, "Job-Event", view->type) &&
	    add_text(out, "Job-Queue", job->queue) &&
	    headers_add_int(out, "Job-Attempts", job->attempts) &&
	    add_time(out, "Job-Created-At", job->created_at_ms) &&
	    add_time(out, "Job-Started-At", job->started_at_ms) &&
	    add_time(out, "Job-Finished-At", job->finished_at_ms) &&
	    (job->response_status == 0 ||
		headers_add_int(out, "Job-Response-Status",
		    job->response_status)) &&
	    add_text(out, "Job-Error",
		has_error ? job_error_name(job->error) : NULL) &&
	    add_location(out, view);
}

/* Of a job that ended without an answer. */
static enum job_error
error_of_end(const struct job *job)
{
	if (job->status == JOB_CANCELLED)
		return ERROR_CANCELLED;
	return job->error != ERROR_NONE ? job->error : ERROR_INTERNAL;
}

/* Without an answer: what went wrong, or nothing when nothing did. */
static bool
build_raw_without_answer(const struct view *view, struct envelope *out)
{
	enum job_error error = error_of_end(&view->job);
	out->content_type = "application/octet-stream";
	if (view->job.status == JOB_RUNNING)
		return true;
	out->content_type = PROBLEM_CONTENT_TYPE;
	return problem_text(&out->body, problem_status_of(error),
	    job_error_name(error), view->job.error_detail);
}

static bool
build_raw(const struct view *view, const struct payload *response,
    struct envelope *out)
{
	if (!add_facts(&out->headers, view))
		return false;
	if (view->job.response_status == 0)
		return build_raw_without_answer(view, out);
	out->content_type = view->job.response_type;
	if (out->content_type == NULL)
		out->content_type = "application/octet-stream";
	out->blob = blob_ref(response->body);
	return pass_on_fields(response->headers, view->terms->for_openfaas,
	    &out->headers);
}

/* The status is that of the answer, or of the problem in its place. */
static bool
add_openfaas(struct headers *out, const struct view *view)
{
	const struct job *job = &view->job;
	int status = 0;
	if (job->response_status > 0)
		status = job->response_status;
	else if (job->status != JOB_RUNNING)
		status = problem_status_of(error_of_end(job));
	openfaas_describe_call(out, job, view->terms->request);
	openfaas_describe_result(out, job, status);
	return !buf_failed(&out->text);
}

/* ---- the choice ---- */

/* The receiver fetches the result instead, and may have no key. */
static void
sign_link(struct view *view)
{
	const struct envelope_terms *terms = view->terms;
	int64_t until_ms = view->delivery.created_at_ms + terms->link_ms;

	if (link_sign(&terms->links, view->job.id, until_ms / 1000,
		view->query))
		view->facts.result_query = view->query;
}

static bool
build(struct view *view, const struct payload *response, bool is_large,
    struct envelope *out)
{
	switch (view->delivery.format) {
	case FORMAT_RAW:
		if (view->terms->for_openfaas &&
		    !add_openfaas(&out->headers, view))
			return false;
		if (!is_large)
			return build_raw(view, response, out);
		break;
	case FORMAT_STANDARD:
	case FORMAT_CLOUDEVENTS:
		if (!is_large)
			view->result = response;
		break;
	case FORMAT_THIN:
		break;
	}
	if (is_large || view->delivery.format == FORMAT_THIN)
		sign_link(view);
	return build_json(view, view->delivery.format == FORMAT_CLOUDEVENTS,
	    out);
}

bool
envelope_build(const struct job *job, const struct delivery *delivery,
    const struct payload *response, const struct envelope_terms *terms,
    struct envelope *out)
{
	struct view view;
	size_t len = blob_len(response->body);

	take_view(job, delivery, terms, &view);
	bool is_large = view.job.response_status != 0 &&
	    (uint64_t)len > (uint64_t)terms->inline_limit_bytes;
	out->content_type = NULL;
	out->blob = NULL;
	buf_init(&out->body,
	    DOCUMENT_MAX_BYTES + (is_large ? 0 : len * ESCAPED_BYTES));
	headers_init(&out->headers);
	if (build(&view, response, is_large, out))
		return true;
	envelope_clear(out);
	return false;
}

void
envelope_clear(struct envelope *envelope)
{
	envelope->content_type = NULL;
	buf_free(&envelope->body);
	blob_unref(&envelope->blob);
	headers_free(&envelope->headers);
}
