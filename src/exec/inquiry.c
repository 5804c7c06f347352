/* inquiry.c - is there something left to ask?
 *
 * 1. The Location of an answer is resolved against what was asked, and judged
 *    before anything goes there.
 * 2. Who is asked abroad cannot lead back to where the client's fields go and
 *    every address is trusted.
 * 3. A Location that may not be followed ends the run, and for good: the
 *    upstream has the work, and would say the same again.
 * 4. What was asked last stays the next question unless an answer names another
 *    place.
 *
 * Thread: its loop's.
 */
#include "inquiry.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "callbackd/location.h"
#include "callbackd/poll.h"
#include "callbackd/random.h"
#include "callbackd/text.h"

/* What the answer was worth is worth no longer: an error of ours, or one that
 * is named by us. */
static bool __attribute__((format(printf, 3, 4)))
spoil(struct transfer_result *result, enum job_error error, const char *format,
    ...)
{
	va_list args;

	result->error = error;
	va_start(args, format);
	(void)vsnprintf(result->detail, sizeof(result->detail), format, args);
	va_end(args);
	return false;
}

/* Where the next question goes. */
static bool
go_to(struct inquiry *inquiry, struct transfer_result *result,
    const char *where, size_t len)
{
	const char *home = inquiry->question != QUESTION_ABROAD
	    ? inquiry->queue->upstream
	    : NULL;
	struct location location;
	struct reason why;
	char *url;

	if (!location_judge(home, inquiry->url, where, len,
		&inquiry->conf->callback.policy, &location, &why))
		return spoil(result, ERROR_TARGET_DENIED,
		    "Location of a %d: %s", result->status, why.text);
	url = text_copy(location.url);
	if (url == NULL)
		return spoil(result, ERROR_INTERNAL, "out of memory");
	free(inquiry->url);
	inquiry->url = url;
	inquiry->question = location.is_home ? QUESTION_HOME : QUESTION_ABROAD;
	return true;
}

/* False: the time is up, or nearly. */
static bool
plan_wait(struct inquiry *inquiry, const struct transfer_result *result,
    int64_t *wait_ms_out)
{
	struct loop *loop = inquiry->loop;
	const struct poll_facts facts = {
		.asked_count = inquiry->asked_count,
		.asked_ms = verdict_asked_wait_ms(result->answer.headers,
		    result->status, loop_wall_ms(loop)),
		.left_ms = inquiry->deadline_mono_ms - loop_mono_ms(loop),
		.timeout_ms = inquiry->deadline_mono_ms -
		    inquiry->begun_mono_ms,
	};

	return !inquiry->is_last &&
	    poll_wait_ms(&inquiry->queue->backoff, &facts, random_u32(),
		wait_ms_out, &inquiry->is_last);
}

static bool
wait_for_more(struct inquiry *inquiry, struct transfer_result *result,
    const char *where, size_t len, int64_t *wait_ms_out)
{
	bool is_at_work = result->error == ERROR_NONE && result->status == 202;

	if (is_at_work) {
		inquiry->entry.run->has_begun = true;
		inquiry->was_sent = false;
		if (len > 0 && !go_to(inquiry, result, where, len))
			return false;
	}
	if (plan_wait(inquiry, result, wait_ms_out))
		return true;
	if (is_at_work)
		return spoil(result, ERROR_TIMEOUT_BODY,
		    "still at work (202) when asked for the last time");
	return false;
}

static bool
decide(struct inquiry *inquiry, struct transfer_result *result,
    int64_t *wait_ms_out)
{
	struct poll_answer answer = {
		.is_first = inquiry->question == QUESTION_JOB,
		.was_sent = inquiry->was_sent,
		.transport = result->error,
		.status = result->status,
	};
	const char *where = NULL;
	size_t len = 0;

	/* An empty one means the place that was asked, or nothing. */
	answer.has_location = headers_find(result->answer.headers, "Location",
				  &where, &len) &&
	    len > 0;
	switch (poll_step_after(&answer)) {
	case POLL_ENDS:
		return false;
	case POLL_WAITS:
		return wait_for_more(inquiry, result, where, len, wait_ms_out);
	case POLL_MOVES:
		inquiry->was_sent = true;
		*wait_ms_out = 0;
		return go_to(inquiry, result, where, len);
	}
	return false;
}

static void
tell(const struct inquiry *inquiry, const struct transfer_result *result,
    int64_t wait_ms)
{
	const struct job *job = &inquiry->entry.run->job;
	enum job_error error;
	char id[UUID_TEXT_SIZE];

	if (!log_wants(LOG_LEVEL_DEBUG))
		return;
	uuid_text(job->id, id);
	(void)verdict_of_run(result->error, result->status, &error);
	log_event(loop_log(inquiry->loop), LOG_LEVEL_DEBUG, "polled",
	    LOG_TEXT("job", id), LOG_TEXT("queue", job->queue),
	    LOG_INT("attempt", job->attempts),
	    LOG_INT("status", result->status), LOG_INT("wait_ms", wait_ms),
	    LOG_TEXT("why", job_error_name(error)));
}

bool
inquiry_goes_on(struct inquiry *inquiry, struct transfer_result *result,
    int64_t *wait_ms_out)
{
	if (!decide(inquiry, result, wait_ms_out))
		return false;
	tell(inquiry, result, *wait_ms_out);
	return true;
}
