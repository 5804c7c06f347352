/* roster.c - joining, leaving, and being found.
 *
 * Finding goes along the list: it is asked for where a job is cancelled, and a
 * loop has no more runs under way than its queues have slots.
 *
 * Thread: the executor's loop's.
 */
#include "roster.h"

void
roster_join(struct roster *roster, struct roster_entry *entry, struct run *run)
{
	entry->run = run;
	entry->next = roster->first;
	entry->link = &roster->first;
	if (entry->next != NULL)
		entry->next->link = &entry->next;
	roster->first = entry;
}

void
roster_leave(struct roster_entry *entry)
{
	*entry->link = entry->next;
	if (entry->next != NULL)
		entry->next->link = entry->link;
}

struct roster_entry *
roster_find(const struct roster *roster, int64_t job_seq)
{
	struct roster_entry *entry = roster->first;

	while (entry != NULL && entry->run->job.id.seq != job_seq)
		entry = entry->next;
	return entry;
}

int64_t
roster_timeout_ms(const struct conf_queue *queue, const struct job *job)
{
	if (job->timeout_ms > 0 && job->timeout_ms < queue->timeout_ms)
		return job->timeout_ms;
	return queue->timeout_ms;
}
