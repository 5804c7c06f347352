/* poll.c - when to ask an upstream again, and when to take its word.
 *
 * 1. Only 202 says "still at work" (RFC 9110, 15.3.3). Any other 2xx is the
 *    answer: some say "running" in the body of a 200, but nobody who does not
 *    know that body can tell.
 * 2. At most one question is asked sooner than the upstream wants: the last.
 *
 * Any thread.
 */
#include "callbackd/poll.h"

#include "callbackd/verdict.h"

#define LAST_MAX_MS 2000 /* for the last answer, or a tenth of the timeout */

/* Those that say where to GET instead (RFC 9110, 15.4). */
static bool
is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 ||
	    status == 307 || status == 308;
}

enum poll_step
poll_step_after(const struct poll_answer *answer)
{
	bool is_whole = answer->transport == ERROR_NONE;
	bool leads_on = is_whole && answer->has_location;
	enum job_error error;

	if (answer->is_first)
		return leads_on && answer->status == 202 ? POLL_WAITS
							 : POLL_ENDS;
	if (is_whole && answer->status == 202)
		return POLL_WAITS;
	if (leads_on && is_redirect(answer->status) && !answer->was_sent)
		return POLL_MOVES;
	if (verdict_of_run(answer->transport, answer->status, &error) ==
	    VERDICT_RETRY)
		return POLL_WAITS;
	return POLL_ENDS;
}

static int64_t
wanted_wait_ms(const struct backoff *backoff, const struct poll_facts *facts,
    uint32_t dice)
{
	if (facts->asked_ms < 0)
		return backoff_wait_ms(backoff, facts->asked_count, -1, dice);
	return facts->asked_ms > backoff->initial_ms ? facts->asked_ms
						     : backoff->initial_ms;
}

bool
poll_wait_ms(const struct backoff *backoff, const struct poll_facts *facts,
    uint32_t dice, int64_t *wait_ms_out, bool *is_last_out)
{
	int64_t answer_ms = facts->timeout_ms / 10 < LAST_MAX_MS
	    ? facts->timeout_ms / 10
	    : LAST_MAX_MS;
	int64_t last_ms = facts->left_ms - answer_ms;
	int64_t wait_ms = wanted_wait_ms(backoff, facts, dice);

	if (last_ms < 1)
		return false;
	*is_last_out = wait_ms > last_ms;
	*wait_ms_out = *is_last_out ? last_ms : wait_ms;
	return true;
}
