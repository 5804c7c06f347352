/* reply.c - the common parts of answers. */
#include <stdio.h>
#include <string.h>

#include "callbackd/openfaas.h"
#include "inside.h"

#define POLL_MAX_S 60
#define BLANKS " \t"

void
reply_json(struct http_exchange **exchange, int status,
    const struct headers *headers, const struct buf *body)
{
	const struct http_reply reply = {
		.status = status,
		.content_type = "application/json",
		.headers = headers,
		.body = buf_text(body),
		.body_len = body->len,
	};

	http_answer(exchange, &reply);
}

int64_t
poll_after_s(const struct job *job, const struct document_facts *facts)
{
	int64_t wait_s = 1;

	if (job->status == JOB_QUEUED && facts->estimated_wait_ms > 0)
		wait_s = (facts->estimated_wait_ms + 999) / 1000;
	return wait_s > POLL_MAX_S ? POLL_MAX_S : wait_s;
}

void
add_job(struct headers *headers, const struct job *job)
{
	char id[UUID_TEXT_SIZE];

	uuid_text(job->id, id);
	(void)headers_add(headers, "Job-Id", id);
	(void)headers_add(headers, "Job-Status", job_status_name(job->status));
}

/* The upstream of a job that was there already has seen the fields of its first
 * request. */
void
add_call(struct headers *headers, const struct call *call,
    const struct order *accepted)
{
	const char *own = http_header(call->exchange, OPENFAAS_CALL_ID);
	struct headers request;

	if (!call->is_function)
		return;
	headers_init(&request);
	if (own != NULL && !call->is_replay)
		(void)headers_add(&request, OPENFAAS_CALL_ID, own);
	openfaas_describe_call(headers, &accepted->job,
	    call->is_replay ? accepted->request.headers
			    : buf_text(&request.text));
	headers_free(&request);
}

/* Cuts "name = value; more" behind the name, and the value from its blanks; ""
 * when there is none. */
static const char *
cut_value(char *preference)
{
	size_t name_len = strcspn(preference, "=;" BLANKS);
	char *at = preference + name_len;

	at += strspn(at, BLANKS);
	if (*at != '=')
		at = preference + strlen(preference);
	else
		at += 1 + strspn(at + 1, BLANKS);
	at[strcspn(at, ";" BLANKS)] = '\0';
	preference[name_len] = '\0';
	return at;
}

/* One preference: "respond-async", "wait=10", and with blanks that should not be
 * there "wait = 10"; what is not understood is left alone, and of one that is
 * repeated the first counts, as RFC 7240 wants it. */
static void
take_preference(struct call *call, const char *text, size_t len)
{
	char preference[64];
	int64_t wait_ms;
	const char *value;

	if (len >= sizeof(preference))
		return;
	memcpy(preference, text, len);
	preference[len] = '\0';
	value = cut_value(preference);
	if (text_equal_nocase(preference, "respond-async"))
		call->prefers_async = true;
	else if (call->wait_ms == 0 && text_equal_nocase(preference, "wait") &&
	    text_duration_ms(value, &wait_ms))
		call->wait_ms = wait_ms;
}

void
read_preferences(struct call *call)
{
	struct http_list list = { .name = "Prefer" };
	const char *item;
	size_t len;

	while (http_list_next(call->exchange, &list, &item, &len))
		take_preference(call, item, len);
}

void
add_replay(struct headers *headers, const struct call *call)
{
	if (call->is_replay)
		(void)headers_add(headers, "Idempotent-Replayed", "true");
}

void
add_preference(struct headers *headers, const struct call *call, bool waited)
{
	char text[64];

	if (waited) {
		(void)snprintf(text, sizeof(text), "wait=%lld",
		    (long long)((call->wait_ms + 999) / 1000));
		(void)headers_add(headers, "Preference-Applied", text);
	} else if (call->prefers_async) {
		(void)headers_add(headers, "Preference-Applied",
		    "respond-async");
	}
}
