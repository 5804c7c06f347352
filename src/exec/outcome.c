/* outcome.c - how a program ended, in the words of the interface.
 *
 * 1. Why we ended it counts more than how it ended.
 * 2. Its output is a result only when it has succeeded: half of an answer, or
 *    one that its own program disowns, is none. What it has to say then is on
 *    its stderr.
 *
 * Thread: its loop's.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "callbackd/headers.h"
#include "callbackd/text.h"
#include "errand.h"

/* The conventions of sysexits(3): what the request itself does wrong will be
 * wrong again. */
static bool
is_final(const struct child_end *end)
{
	return end->exit_status == EX_USAGE || end->exit_status == EX_DATAERR;
}

static enum job_error
name_end(const struct errand *errand, const struct child_end *end)
{
	if (errand->why != ERROR_NONE)
		return errand->why;
	if (end->signal_number != 0)
		return ERROR_COMMAND_SIGNAL;
	return end->exit_status == 0 ? ERROR_NONE : ERROR_COMMAND_FAILED;
}

static bool
keep_result(struct errand *errand)
{
	struct run *run = errand->entry.run;
	struct headers headers;

	headers_init(&headers);
	run->response_bytes = (int64_t)errand->output.len;
	if (errand->output.len > 0) {
		run->response.body = blob_from_buf(&errand->output);
		if (run->response.body == NULL)
			return false;
	}
	if (headers_add(&headers, "Content-Type", errand->result_type))
		run->response.headers = text_copy(buf_text(&headers.text));
	headers_free(&headers);
	run->content_type = errand->result_type;
	errand->result_type = NULL;
	run->status = 200;
	return run->response.headers != NULL;
}

static int
tell_signal(char *out, size_t size, int number)
{
	const char *name = sigabbrev_np(number);

	if (name != NULL)
		return snprintf(out, size, "killed by SIG%s", name);
	return snprintf(out, size, "killed by signal %d", number);
}

static int
tell_end(char *out, size_t size, const struct errand *errand,
    const struct child_end *end)
{
	size_t len = errand->output.len;

	if (errand->why == ERROR_TOO_LARGE)
		return snprintf(out, size, "more than %zu bytes of output",
		    errand->output.max);
	if (errand->why == ERROR_TIMEOUT_HEADERS)
		return snprintf(out, size,
		    "ended at its deadline, without any output");
	if (errand->why == ERROR_TIMEOUT_BODY)
		return snprintf(out, size,
		    "ended at its deadline, after %zu bytes of output", len);
	if (errand->why == ERROR_CANCELLED)
		return snprintf(out, size, "ended on request");
	if (errand->why != ERROR_NONE)
		return snprintf(out, size, "no memory for its output");
	if (end->signal_number != 0)
		return tell_signal(out, size, end->signal_number);
	return snprintf(out, size, "exit status %d", end->exit_status);
}

static void
explain(struct errand *errand, const struct child_end *end)
{
	struct run *run = errand->entry.run;
	char tail[TAIL_TEXT_SIZE];
	int len = tell_end(run->detail, sizeof(run->detail), errand, end);

	static_assert(sizeof(run->detail) > TAIL_TEXT_SIZE + 80,
	    "a tail fits behind each of the sentences");
	tail_text(&errand->tail, tail);
	if (tail[0] != '\0')
		(void)snprintf(run->detail + len,
		    sizeof(run->detail) - (size_t)len, ": %s", tail);
}

void
outcome_judge(struct errand *errand, const struct child_end *end)
{
	struct run *run = errand->entry.run;

	run->duration_ms = loop_mono_ms(errand->loop) - errand->begun_mono_ms;
	run->verdict = verdict_of_run(name_end(errand, end), 200, &run->error);
	if (run->error == ERROR_NONE && !keep_result(errand)) {
		run->status = 0;
		run->verdict = VERDICT_RETRY;
		run->error = ERROR_INTERNAL;
		(void)snprintf(run->detail, sizeof(run->detail),
		    "no memory for the result");
		return;
	}
	if (run->error == ERROR_COMMAND_FAILED && is_final(end))
		run->verdict = VERDICT_FINAL;
	if (run->error != ERROR_NONE)
		explain(errand, end);
}
