/* openfaas.c - a job in the words of OpenFaaS.
 *
 * The fields, their names and the forms of their values are those of its
 * gateway (X-Call-Id, X-Start-Time) and of its queue worker (the others).
 *
 * Any thread.
 */
#include "callbackd/openfaas.h"

#include <stdio.h>

#define FUNCTION_NAME "X-Function-Name"
#define FUNCTION_STATUS "X-Function-Status"
#define DURATION_SECONDS "X-Duration-Seconds"

#define NS_PER_MS 1000000

bool
openfaas_writes(const char *name, size_t name_len)
{
	static const char *const names[] = { OPENFAAS_CALL_ID,
		OPENFAAS_START_TIME, FUNCTION_NAME, FUNCTION_STATUS,
		DURATION_SECONDS };
	const struct header_field field = { name, name_len, NULL, 0 };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (header_is(&field, names[i]))
			return true;
	return false;
}

static void
add_start_time(struct headers *out, const struct job *job)
{
	(void)headers_add_int(out, OPENFAAS_START_TIME,
	    job->created_at_ms * NS_PER_MS);
}

static void
add_job_id(struct headers *out, const struct job *job)
{
	char id[UUID_TEXT_SIZE];

	uuid_text(job->id, id);
	(void)headers_add(out, OPENFAAS_CALL_ID, id);
}

static bool
has_field(const struct headers *headers, const char *name)
{
	const char *value;
	size_t len;

	return headers_find(buf_text(&headers->text), name, &value, &len);
}

void
openfaas_complete_request(struct headers *request, const struct job *job)
{
	if (!has_field(request, OPENFAAS_CALL_ID))
		add_job_id(request, job);
	if (!has_field(request, OPENFAAS_START_TIME))
		add_start_time(request, job);
}

void
openfaas_describe_call(struct headers *out, const struct job *job,
    const char *request)
{
	const char *id;
	size_t len;

	if (headers_find(request, OPENFAAS_CALL_ID, &id, &len) && len > 0)
		(void)buf_printf(&out->text, OPENFAAS_CALL_ID ": %.*s\n",
		    (int)len, id);
	else
		add_job_id(out, job);
	add_start_time(out, job);
}

/* Six decimals, as a receiver may have seen them. */
static void
add_duration(struct headers *out, const struct job *job)
{
	int64_t ms = 0;
	char text[32];

	if (job->started_at_ms >= 0 && job->finished_at_ms > job->started_at_ms)
		ms = job->finished_at_ms - job->started_at_ms;
	(void)snprintf(text, sizeof(text), "%lld.%03d000",
	    (long long)(ms / 1000), (int)(ms % 1000));
	(void)headers_add(out, DURATION_SECONDS, text);
}

void
openfaas_describe_result(struct headers *out, const struct job *job, int status)
{
	(void)headers_add(out, FUNCTION_NAME, job->queue);
	if (status == 0)
		return;
	(void)headers_add_int(out, FUNCTION_STATUS, status);
	add_duration(out, job);
}
