/* inquiry.h - one run of an upstream's under way, question by question.
 *
 * upstream.c begins and ends it and asks; question.c writes what is sent;
 * inquiry.c reads from an answer whether there is something left to ask. Private
 * to src/exec; on its loop's thread.
 */
#ifndef CALLBACKD_EXEC_INQUIRY_H
#define CALLBACKD_EXEC_INQUIRY_H

#include "callbackd/loop.h"
#include "callbackd/transfer.h"
#include "question.h"
#include "roster.h"

struct inquiry {
	struct roster_entry entry; /* first */
	struct upstream *upstream;
	struct loop *loop;
	struct conf *conf; /* it began under; held */
	const struct conf_queue *queue;
	struct transfer *transfer; /* NULL: it waits */
	struct loop_timer *timer;  /* NULL: it never waited */
	int64_t begun_mono_ms;
	int64_t deadline_mono_ms;
	int64_t deadline_at_ms;

	/* The question that is asked, or will be next. */
	enum question question;
	char *url; /* owned */
	int32_t asked_count;
	int64_t asked_mono_ms;
	bool was_sent; /* an answer has sent us there: see poll.h */
	bool is_last;
};

/* What to ask after that answer, and in how many ms (>= 0). False when it ends
 * the run: *result is what came of it, and may have been changed to say that
 * its Location is denied, that the time is up, or that memory is out. */
bool inquiry_goes_on(struct inquiry *inquiry, struct transfer_result *result,
    int64_t *wait_ms_out);

#endif
