/* question.c - which fields go to whom.
 *
 * 1. The upstream sees the client's request: method, path below the queue's
 *    prefix, query, end-to-end fields and body; the accepting side has already
 *    taken out what is not passed on. Added here is what only this run knows:
 *    Job-Id, Job-Attempt, Job-Deadline, and an Idempotency-Key when the client
 *    gave none (contract, section 2); with openfaas_compat, what a function
 *    looks for, too.
 * 2. Who is asked what has become of a job gets no body, and none of the fields
 *    that are about one or that make a GET conditional.
 * 3. What the client means for the upstream (credentials, cookies, its own
 *    fields) goes to no other origin: there go the ids of the job and of the
 *    trace, and nothing else.
 *
 * Any thread.
 */
#include "question.h"

#include <string.h>

#include "callbackd/openfaas.h"
#include "callbackd/text.h"

static bool
may_go_abroad(const struct header_field *field)
{
	return header_is(field, "traceparent") ||
	    header_is(field, "tracestate");
}

/* A field of the representation or a precondition (RFC 9110, 8 and 13), or a
 * wish for a part (14.2). */
static bool
is_about_the_request(const struct header_field *field)
{
	return text_starts_nocase_n(field->name, field->name_len, "content-") ||
	    text_starts_nocase_n(field->name, field->name_len, "if-") ||
	    header_is(field, "range");
}

static bool
is_sent(enum question question, const struct header_field *field)
{
	return question == QUESTION_HOME ? !is_about_the_request(field)
					 : may_go_abroad(field);
}

/* Whole lines, as they are kept. */
static void
copy_fields(enum question question, const char *stored, struct headers *out)
{
	struct header_field field;

	if (question == QUESTION_JOB) {
		(void)buf_puts(&out->text, stored);
		return;
	}
	while (headers_next(&stored, &field))
		if (is_sent(question, &field))
			(void)buf_append(&out->text, field.name,
			    (size_t)(stored - field.name));
}

bool
question_fields(enum question question, const struct run *run,
    int64_t deadline_at_ms, bool for_openfaas, struct headers *out)
{
	const struct job *job = &run->job;
	const char *key;
	size_t key_len;
	char text[UUID_TEXT_SIZE];

	if (run->request.headers != NULL)
		copy_fields(question, run->request.headers, out);
	uuid_text(job->id, text);
	(void)headers_add(out, "Job-Id", text);
	if (question != QUESTION_ABROAD &&
	    !headers_find(run->request.headers, "Idempotency-Key", &key,
		&key_len))
		(void)headers_add(out, "Idempotency-Key", text);
	(void)headers_add_int(out, "Job-Attempt", job->attempts);
	text_time(deadline_at_ms, text);
	(void)headers_add(out, "Job-Deadline", text);
	if (for_openfaas && question != QUESTION_ABROAD)
		openfaas_complete_request(out, job);
	return !buf_failed(&out->text);
}

/* The upstream's prefix ends with '/', the target begins with one. */
char *
question_url(const struct conf_queue *queue, const struct job *job)
{
	return text_join(queue->upstream, job->target + 1);
}
