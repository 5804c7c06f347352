/* roster.h - the runs that one executor has under way.
 *
 * A list without memory of its own: an executor's record of a run begins with
 * its entry, so that what comes out of here is that record. Private to src/exec;
 * on its loop's thread.
 */
#ifndef CALLBACKD_EXEC_ROSTER_H
#define CALLBACKD_EXEC_ROSTER_H

#include <stdint.h>

#include "callbackd/conf.h"
#include "callbackd/run.h"

struct roster_entry {
	struct run *run; /* not owned: the executor gives it back or frees it */
	struct roster_entry *next;
	struct roster_entry **link;
};

/* Zeroed: empty. */
struct roster {
	struct roster_entry *first;
};

void roster_join(struct roster *roster, struct roster_entry *entry,
    struct run *run);
void roster_leave(struct roster_entry *entry);

/* The run of that job; NULL: it is not under way here. */
struct roster_entry *roster_find(const struct roster *roster, int64_t job_seq);

/* How long a run of that job may last: its own wish, within what its queue
 * allows. >= 1. */
int64_t roster_timeout_ms(const struct conf_queue *queue,
    const struct job *job);

#endif
