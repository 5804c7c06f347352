/* reply.c - the common parts of answers. */
#include "inside.h"

#define POLL_MAX_S 60

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
	(void)headers_add(headers, "Job-Status",
	    job_status_name(job->status));
}
