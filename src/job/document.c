/* document.c - the job document of contract section 3.
 *
 * 1. Every key is always there, in the order of the contract; what does not
 *    apply is null.
 * 2. The record is shown as it is: what it should say is settled by those who
 *    change it.
 *
 * One of these is written for each request: see plain.h for what that means.
 * Any thread.
 */
#include "append.h"

#include <stdlib.h>
#include <string.h>

#include "plain.h"

/* 2^64 / the golden ratio: an odd number that spreads all its bits. */
#define VERSION_FACTOR UINT64_C(0x9e3779b97f4a7c15)

enum {
	TYPICAL_BYTES = 1024 /* of a document without bodies */
};

static const struct document_facts no_facts = { .estimated_wait_ms = -1 };

/* Writes a key of a constant name behind a comma, and what fits its value. */
#define put_member(out, key, put, ...)                                         \
	(put_json(out, ",\"" key "\":"), put(out, __VA_ARGS__))

/* ---- the parts ---- */

static void
put_moments(struct buf *out, const struct job *job)
{
	put_member(out, "created_at", put_time, job->created_at_ms);
	put_member(out, "run_at", put_time, job->run_at_ms);
	put_member(out, "started_at", put_time, job->started_at_ms);
	put_member(out, "finished_at", put_time, job->finished_at_ms);
	put_member(out, "expires_at", put_time, job->expires_at_ms);
}

static bool
put_request(struct buf *out, const struct job *job,
    const struct payload *request)
{
	put_json(out, ",\"request\":{\"method\":");
	put_string(out, job->method);
	put_member(out, "path", put_string, job->target);
	put_member(out, "content_type", put_string, job->content_type);
	put_member(out, "size", buf_put_int, job->request_bytes);
	bool good = request == NULL || result_append(out, request);
	put_json(out, "}");
	return good;
}

static void
put_lease(struct buf *out, const struct job *job)
{
	put_member(out, "lease_token", put_string,
	    *job->lease_token != '\0' ? job->lease_token : NULL);
	put_member(out, "lease_until", put_time, job->lease_until_ms);
}

static bool
put_response(struct buf *out, const struct job *job,
    const struct payload *result)
{
	if (job->response_status == 0) {
		put_json(out, ",\"response\":null");
		return true;
	}
	put_json(out, ",\"response\":{\"status\":");
	buf_put_int(out, job->response_status);
	put_member(out, "content_type", put_string, job->response_type);
	put_member(out, "size", buf_put_int, job->response_bytes);
	bool good = result == NULL || result_append(out, result);
	put_json(out, "}");
	return good;
}

static void
put_error(struct buf *out, const struct job *job)
{
	if (job->error == ERROR_NONE || job->status == JOB_SUCCEEDED) {
		put_json(out, ",\"error\":null");
		return;
	}
	put_json(out, ",\"error\":{\"type\":");
	put_string(out, job_error_name(job->error));
	put_member(out, "detail", put_string, job->error_detail);
	put_json(out, "}");
}

/* An end that its client did not ask to hear of is delivered nowhere. */
static bool
has_planned_callback(const struct job *job)
{
	return job->callback_url != NULL &&
	    (!job_has_ended(job->status) ||
		(job->callback_events & (unsigned)job_event_of(job->status)));
}

/* What will be delivered, as long as there is no delivery to show; of a job that
 * has ended, as it is at this moment. */
static void
put_planned_callback(struct buf *out, const struct job *job)
{
	const char *url = job->callback_url;

	if (!has_planned_callback(job)) {
		put_json(out, ",\"callback\":null");
		return;
	}
	if (job->status == JOB_FAILED && job->failure_url != NULL)
		url = job->failure_url;
	put_json(out, ",\"callback\":{\"id\":");
	put_uuid(out, job->delivery);
	put_member(out, "url", put_string, url);
	put_member(out, "state", put_string,
	    delivery_state_name(DELIVERY_PENDING));
	put_json(out, ",\"attempts\":[]");
	put_member(out, "next_attempt_at", put_time,
	    job_has_ended(job->status) ? job->finished_at_ms : -1);
	put_json(out, "}");
}

static void
put_callback(struct buf *out, const struct job *job,
    const struct delivery *delivery)
{
	if (delivery == NULL) {
		put_planned_callback(out, job);
		return;
	}
	put_json(out, ",\"callback\":{\"id\":");
	put_uuid(out, delivery->id);
	put_member(out, "url", put_string, delivery->url);
	put_member(out, "state", put_string,
	    delivery_state_name(delivery->state));
	put_json(out, ",\"attempts\":[");
	if (delivery->attempts_json != NULL)
		buf_puts(out, delivery->attempts_json);
	put_json(out, "]");
	put_member(out, "next_attempt_at", put_time, delivery->next_at_ms);
	put_json(out, "}");
}

static void
put_links(struct buf *out, const struct job *job,
    const struct document_facts *facts)
{
	const char *prefix = facts->public_url != NULL ? facts->public_url : "";
	const char *query = facts->result_query;
	char path[JOB_PATH_SIZE + sizeof("/result?") + LINK_QUERY_SIZE];
	char *below = job_path(job->id, path);
	char *end;

	put_json(out, ",\"links\":{\"self\":");
	put_joined(out, prefix, path);
	end = stpcpy(below, "/result");
	if (query != NULL) {
		*end++ = '?';
		text_fit(query, end, LINK_QUERY_SIZE);
	}
	put_member(out, "result", put_joined, prefix, path);
	(void)strcpy(below, "/events");
	put_member(out, "events", put_joined, prefix, path);
	put_json(out, "}");
}

/* ---- the whole ---- */

bool
document_append(struct buf *out, const struct job *job,
    const struct delivery *delivery, const struct document_facts *facts,
    const struct payload *result)
{
	if (facts == NULL)
		facts = &no_facts;
	(void)buf_reserve(out, TYPICAL_BYTES); /* at best one step, not three */
	put_json(out, "{\"id\":");
	put_uuid(out, job->id);
	put_member(out, "queue", put_string, job->queue);
	put_member(out, "status", put_string, job_status_name(job->status));
	put_member(out, "client", put_string,
	    *job->client != '\0' ? job->client : NULL);
	put_moments(out, job);
	put_member(out, "attempts", buf_put_int, job->attempts);
	put_member(out, "max_attempts", buf_put_int, job->max_attempts);
	put_member(out, "position", put_int_from, 1, facts->position);
	put_member(out, "estimated_wait_ms", put_int_from, 0,
	    facts->estimated_wait_ms);
	put_member(out, "progress", put_real_from, 0, job->progress);
	put_member(out, "progress_message", put_string, job->progress_message);
	put_member(out, "idempotency_key", put_string, job->idempotency_key);
	put_member(out, "ordering_key", put_string, job->ordering_key);
	put_member(out, "priority", buf_put_int, job->priority);
	put_member(out, "batch", put_uuid, job->batch);
	bool good = put_request(out, job, facts->request) &&
	    put_response(out, job, result);
	put_error(out, job);
	put_callback(out, job, delivery);
	put_links(out, job, facts);
	if (facts->shows_lease)
		put_lease(out, job);
	put_json(out, "}");
	return good && !buf_failed(out);
}

bool
document_text(struct buf *out, const struct job *job,
    const struct delivery *delivery, const struct document_facts *facts)
{
	return document_append(out, job, delivery, facts, NULL);
}

void
document_write(struct json_writer *writer, const struct job *job,
    const struct delivery *delivery, const struct document_facts *facts)
{
	struct buf text;
	buf_init(&text, DOCUMENT_MAX_BYTES);
	/* Half a value would not do: nothing at all is an error to the writer,
	 * which its end will tell. */
	if (!document_append(&text, job, delivery, facts, NULL))
		buf_clear(&text);
	json_raw(writer, buf_text(&text), text.len);
	buf_free(&text);
}

/* ---- attempts ---- */

static bool
put_attempt(struct buf *out, const struct attempt_facts *facts)
{
	bool failed = facts->error != ERROR_NONE;
	put_json(out, "{\"at\":");
	put_time(out, facts->at_ms);
	put_member(out, "status", put_int_from, 1, facts->status);
	put_member(out, "error", put_string,
	    failed ? job_error_name(facts->error) : NULL);
	put_member(out, "duration_ms", buf_put_int, facts->duration_ms);
	put_json(out, ",\"timing\":{\"dns_ms\":");
	put_int_from(out, 0, facts->dns_ms);
	put_member(out, "connect_ms", put_int_from, 0, facts->connect_ms);
	put_member(out, "tls_ms", put_int_from, 0, facts->tls_ms);
	put_member(out, "first_byte_ms", put_int_from, 0, facts->first_byte_ms);
	put_json(out, "}");
	put_member(out, "address", put_string, facts->address);
	put_json(out, "}");
	return !buf_failed(out);
}

/* The attempts that may stay beside one of new_len bytes: the newest. Every one
 * begins with "at", and no text in it can look like that border. */
static const char *
skip_oldest(const char *attempts, size_t new_len)
{
	static const char border[] = "},{\"at\":";
	while (*attempts != '\0' &&
	    strlen(attempts) + 1 + new_len > ATTEMPTS_MAX_BYTES) {
		const char *next = strstr(attempts, border);
		attempts = next ? next + 2 : "";
	}
	return attempts;
}

bool
document_add_attempt(struct delivery *delivery,
    const struct attempt_facts *facts)
{
	struct buf one, all;
	const char *old = delivery->attempts_json ? delivery->attempts_json
						  : "";

	buf_init(&one, ATTEMPTS_MAX_BYTES);
	buf_init(&all, ATTEMPTS_MAX_BYTES);
	bool good = put_attempt(&one, facts);
	if (good) {
		old = skip_oldest(old, one.len);
		buf_puts(&all, old);
		if (*old != '\0')
			buf_putc(&all, ',');
		buf_append(&all, buf_text(&one), one.len);
		good = !buf_failed(&all);
	}
	buf_free(&one);
	if (!good) {
		buf_free(&all);
		return false;
	}
	free(delivery->attempts_json);
	delivery->attempts_json = buf_take(&all);
	return true;
}

void
delivery_write(struct json_writer *writer, const struct delivery *delivery)
{
	char id[UUID_TEXT_SIZE];

	json_object(writer);
	uuid_text(delivery->id, id);
	json_put_string(writer, "id", id);
	uuid_text(delivery->job, id);
	json_put_string(writer, "job", id);
	json_put_null(writer, "endpoint");
	json_put_string(writer, "url", delivery->url);
	json_put_string(writer, "event", job_event_type(delivery->event));
	json_put_string(writer, "state", delivery_state_name(delivery->state));
	json_put_string(writer, "error",
	    delivery->error == ERROR_NONE ? NULL
					  : job_error_name(delivery->error));
	json_put_int(writer, "attempts", delivery->attempts);
	json_put_time(writer, "at", delivery->ended_at_ms);
	json_put_time(writer, "next_attempt_at", delivery->next_at_ms);
	json_object_end(writer);
}

static int64_t
message_hash(const struct job *job)
{
	const char *text = job->progress_message;

	return text == NULL ? 0 : (int64_t)text_hash(text, strlen(text));
}

uint64_t
document_version(const struct job *job, const struct delivery *delivery,
    const struct document_facts *facts)
{
	const int64_t parts[] = { job->status, job->attempts, job->run_at_ms,
		job->finished_at_ms, facts->position,
		(int64_t)(job->progress * 1e9), message_hash(job),
		delivery != NULL,
		delivery != NULL ? (int64_t)delivery->state : 0,
		delivery != NULL ? delivery->attempts : 0,
		delivery != NULL ? delivery->next_at_ms : 0 };
	uint64_t version = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		version = (version ^ (uint64_t)parts[i]) * VERSION_FACTOR;
		version ^= version >> 32;
	}
	return version != 0 ? version : 1;
}
