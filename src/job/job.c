/* job.c - the record of a job: its table of states, its names, its memory.
 *
 * 1. A state changes only along the table below.
 * 2. The numbers of every enum are in stores on disk: names may be added at the
 *    end, never moved.
 * 3. A record owns its strings and nothing else.
 *
 * Pure: any thread.
 */
#include "callbackd/job.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/text.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* What follows a move, + 1 so that the gaps of the table mean "not legal". */
#define TO(status) ((unsigned char)((status) + 1))
static const unsigned char job_moves[JOB_STATUS_COUNT][JOB_MOVE_COUNT] = {
	[JOB_QUEUED] = {
		[JOB_CLAIM] = TO(JOB_RUNNING),
		[JOB_CANCEL] = TO(JOB_CANCELLED),
		[JOB_EXPIRE] = TO(JOB_FAILED),
	},
	[JOB_RUNNING] = {
		[JOB_SUCCEED] = TO(JOB_SUCCEEDED),
		[JOB_FAIL] = TO(JOB_FAILED),
		[JOB_RETRY] = TO(JOB_QUEUED),
		[JOB_CANCEL] = TO(JOB_CANCELLED),
	},
	[JOB_FAILED] = {
		[JOB_REVIVE] = TO(JOB_QUEUED),
	},
};

static const char *const job_status_names[JOB_STATUS_COUNT] = {
	[JOB_QUEUED] = "queued",
	[JOB_RUNNING] = "running",
	[JOB_SUCCEEDED] = "succeeded",
	[JOB_FAILED] = "failed",
	[JOB_CANCELLED] = "cancelled",
};

static const char *const job_error_names[JOB_ERROR_COUNT] = {
	[ERROR_NONE] = "none",
	[ERROR_DNS_FAILED] = "dns-failed",
	[ERROR_REFUSED] = "refused",
	[ERROR_CONNECT_TIMEOUT] = "connect-timeout",
	[ERROR_TLS_FAILED] = "tls-failed",
	[ERROR_RESET] = "reset",
	[ERROR_TIMEOUT_HEADERS] = "timeout-headers",
	[ERROR_TIMEOUT_BODY] = "timeout-body",
	[ERROR_STATUS_4XX] = "status-4xx",
	[ERROR_STATUS_5XX] = "status-5xx",
	[ERROR_REDIRECT] = "redirect",
	[ERROR_TARGET_DENIED] = "target-denied",
	[ERROR_TOO_LARGE] = "too-large",
	[ERROR_GONE] = "gone",
	[ERROR_ABORTED_BY_RECEIVER] = "aborted-by-receiver",
	[ERROR_BAD_RESPONSE] = "bad-response",
	[ERROR_COMMAND_FAILED] = "command-failed",
	[ERROR_COMMAND_SIGNAL] = "command-signal",
	[ERROR_CONSUMER_FAILED] = "consumer-failed",
	[ERROR_LEASE_EXPIRED] = "lease-expired",
	[ERROR_EXPIRED] = "expired",
	[ERROR_INTERRUPTED] = "interrupted",
	[ERROR_CANCELLED] = "cancelled",
	[ERROR_INTERNAL] = "internal",
};

/* In the order of their bits. */
static const char *const job_event_types[] = {
	"job.started",
	"job.progress",
	"job.succeeded",
	"job.failed",
	"job.cancelled",
};

static const char *const callback_format_names[] = {
	[FORMAT_STANDARD] = "standard",
	[FORMAT_RAW] = "raw",
	[FORMAT_CLOUDEVENTS] = "cloudevents",
	[FORMAT_THIN] = "thin",
};

static const char *const delivery_state_names[] = {
	[DELIVERY_PENDING] = "pending",
	[DELIVERY_HELD] = "held",
	[DELIVERY_DELIVERED] = "delivered",
	[DELIVERY_DEAD] = "dead",
};

/* Where the owned strings are: clearing and copying know no others. */
static const size_t job_strings[] = {
	offsetof(struct job, ordering_key),
	offsetof(struct job, idempotency_key),
	offsetof(struct job, target),
	offsetof(struct job, content_type),
	offsetof(struct job, response_type),
	offsetof(struct job, error_detail),
	offsetof(struct job, progress_message),
	offsetof(struct job, callback_url),
	offsetof(struct job, failure_url),
	offsetof(struct job, callback_headers),
};

static const size_t delivery_strings[] = {
	offsetof(struct delivery, url),
	offsetof(struct delivery, headers),
	offsetof(struct delivery, progress_message),
	offsetof(struct delivery, attempts_json),
};

bool
job_next(enum job_status from, enum job_move move, enum job_status *to_out)
{
	unsigned char to;

	assert((unsigned)from < JOB_STATUS_COUNT);
	assert((unsigned)move < JOB_MOVE_COUNT);
	to = job_moves[from][move];
	if (to == 0)
		return false;
	*to_out = (enum job_status)(to - 1);
	return true;
}

bool
job_has_ended(enum job_status status)
{
	return status >= JOB_SUCCEEDED;
}

/* The index of a name in a table; -1 when it is not there. */
static int
index_of(const char *const *names, size_t count, const char *name, size_t len)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return (int)i;
	return -1;
}

const char *
job_status_name(enum job_status status)
{
	assert((unsigned)status < JOB_STATUS_COUNT);
	return job_status_names[status];
}

bool
job_status_parse(const char *name, enum job_status *out)
{
	int at = index_of(job_status_names, JOB_STATUS_COUNT, name,
	    strlen(name));

	if (at < 0)
		return false;
	*out = (enum job_status)at;
	return true;
}

const char *
job_error_name(enum job_error error)
{
	assert((unsigned)error < JOB_ERROR_COUNT);
	return job_error_names[error];
}

const char *
job_event_type(enum job_event event)
{
	for (size_t i = 0; i < COUNT_OF(job_event_types); i++)
		if ((unsigned)event == 1u << i)
			return job_event_types[i];
	assert(!"one event");
	return "";
}

const char *
job_event_name(enum job_event event)
{
	return job_event_type(event) + strlen("job.");
}

/* The mask of an event; 0: there is no such. */
static unsigned
event_named(const char *name, size_t len)
{
	for (unsigned i = 0; i < COUNT_OF(job_event_types); i++) {
		const char *known = job_event_name((enum job_event)(1u << i));

		if (strlen(known) == len && memcmp(known, name, len) == 0)
			return 1u << i;
	}
	return 0;
}

bool
job_events_parse(const char *list, unsigned *mask_out)
{
	const char *cursor = list, *item;
	unsigned mask = 0;
	size_t len;

	while (text_list_next(&cursor, &item, &len)) {
		unsigned event = event_named(item, len);

		if (event == 0)
			return false;
		mask |= event;
	}
	if (mask == 0)
		return false;
	*mask_out = mask;
	return true;
}

enum job_event
job_event_of(enum job_status ended)
{
	assert(job_has_ended(ended) && ended <= JOB_CANCELLED);
	if (ended == JOB_SUCCEEDED)
		return EVENT_SUCCEEDED;
	return ended == JOB_FAILED ? EVENT_FAILED : EVENT_CANCELLED;
}

const char *
callback_format_name(enum callback_format format)
{
	assert((size_t)format < COUNT_OF(callback_format_names));
	return callback_format_names[format];
}

bool
callback_format_parse(const char *name, enum callback_format *out)
{
	int at = index_of(callback_format_names,
	    COUNT_OF(callback_format_names), name, strlen(name));

	if (at < 0)
		return false;
	*out = (enum callback_format)at;
	return true;
}

const char *
delivery_state_name(enum delivery_state state)
{
	assert((size_t)state < COUNT_OF(delivery_state_names));
	return delivery_state_names[state];
}

bool
name_is_legal(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < NAME_SIZE &&
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

static char **
string_at(void *record, size_t offset)
{
	return (char **)(void *)((char *)record + offset);
}

static void
free_strings(void *record, const size_t *offsets, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(*string_at(record, offsets[i]));
		*string_at(record, offsets[i]) = NULL;
	}
}

/* Makes the strings that *record has borrowed its own. When memory is out, none
 * of them is left. */
static bool
own_strings(void *record, const size_t *offsets, size_t count)
{
	bool is_whole = true;

	for (size_t i = 0; i < count; i++) {
		char **string = string_at(record, offsets[i]);
		const char *borrowed = *string;

		*string = is_whole ? text_copy(borrowed) : NULL;
		if (borrowed != NULL && *string == NULL)
			is_whole = false;
	}
	if (!is_whole)
		free_strings(record, offsets, count);
	return is_whole;
}

void
job_init(struct job *job)
{
	memset(job, 0, sizeof(*job));
	job->priority = PRIORITY_DEFAULT;
	job->max_attempts = 1;
	job->created_at_ms = -1;
	job->run_at_ms = -1;
	job->started_at_ms = -1;
	job->finished_at_ms = -1;
	job->expires_at_ms = -1;
	job->lease_until_ms = -1;
	job->progress = -1;
	job->callback_events = EVENTS_TERMINAL;
}

void
job_clear(struct job *job)
{
	free_strings(job, job_strings, COUNT_OF(job_strings));
	job_init(job);
}

bool
job_copy(struct job *to, const struct job *from)
{
	*to = *from;
	if (own_strings(to, job_strings, COUNT_OF(job_strings)))
		return true;
	job_init(to);
	return false;
}

bool
job_holds_place(const struct job *job)
{
	if (job->status == JOB_RUNNING)
		return job->attempts < job->max_attempts;
	return job->status == JOB_QUEUED;
}

void
job_end_lease(struct job *job)
{
	memset(job->lease_token, 0, sizeof(job->lease_token));
	job->lease_until_ms = -1;
}

void
payload_clear(struct payload *payload)
{
	free(payload->headers);
	payload->headers = NULL;
	blob_unref(&payload->body);
}

bool
payload_copy(struct payload *to, const struct payload *from)
{
	to->body = NULL;
	to->headers = text_copy(from->headers);
	if (from->headers != NULL && to->headers == NULL)
		return false;
	to->body = blob_ref(from->body);
	return true;
}

void
delivery_init(struct delivery *delivery)
{
	memset(delivery, 0, sizeof(*delivery));
	delivery->event = EVENT_SUCCEEDED;
	delivery->created_at_ms = -1;
	delivery->schedule_at_ms = -1;
	delivery->next_at_ms = -1;
	delivery->ended_at_ms = -1;
	delivery->run_started_at_ms = -1;
	delivery->progress = -1;
}

void
delivery_clear(struct delivery *delivery)
{
	free_strings(delivery, delivery_strings, COUNT_OF(delivery_strings));
	delivery_init(delivery);
}

bool
delivery_copy(struct delivery *to, const struct delivery *from)
{
	*to = *from;
	if (own_strings(to, delivery_strings, COUNT_OF(delivery_strings)))
		return true;
	delivery_init(to);
	return false;
}
