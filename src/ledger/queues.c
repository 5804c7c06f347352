/* queues.c - looking at queues, and stopping them.
 *
 * A paused queue takes jobs and lets none begin. That is kept in the store: an
 * operator who stops a queue does not want a restart to undo it.
 *
 * Thread: the one in a turn of the ledger.
 */
#include <stdlib.h>

#include "inside.h"

/* ---- looking ---- */

static struct queue_facts *
add_facts(struct order *order)
{
	struct queue_facts *grown = realloc(order->queues,
	    ((size_t)order->queue_count + 1) * sizeof(*grown));

	if (grown == NULL)
		return NULL;
	order->queues = grown;
	return &grown[order->queue_count++];
}

static enum store_result
look(struct ledger *ledger, struct order *order, const char *queue)
{
	struct queue_facts facts;
	struct queue_facts *out;

	if (!sched_look(ledger->sched, queue, ledger->mono_ms, &facts))
		return STORE_MISSING;
	facts.oldest_age_ms = facts.oldest_at_ms < 0
	    ? -1
	    : age_of(ledger, facts.oldest_at_ms);
	out = add_facts(order);
	if (out == NULL)
		return STORE_AGAIN;
	*out = facts;
	return STORE_OK;
}

enum store_result
read_queues(struct ledger *ledger, struct order *order)
{
	const struct conf *conf = ledger->conf;

	if (order->filter_queue[0] != '\0')
		return look(ledger, order, order->filter_queue);
	for (size_t i = 0; i < conf->queue_count; i++)
		if (look(ledger, order, conf->queues[i].name) == STORE_AGAIN)
			return STORE_AGAIN;
	return STORE_OK;
}

/* ---- pausing ---- */

enum store_result
prepare_pause(struct ledger *ledger, struct order *order)
{
	order->result = ORDER_MISSING;
	if (conf_queue_find(ledger->conf, order->filter_queue) == NULL)
		return STORE_OK;
	order->result = ORDER_OK;
	return store_set_paused(ledger->store, order->filter_queue,
	    order->pauses);
}

void
conclude_pause(struct ledger *ledger, struct order *order)
{
	/* It is configured: nothing needs memory. */
	(void)sched_pause(ledger->sched, order->filter_queue, order->pauses);
	if (order->pauses)
		log_event(ledger->log, LOG_LEVEL_WARN, "queue_paused",
		    LOG_TEXT("queue", order->filter_queue));
	else
		log_event(ledger->log, LOG_LEVEL_WARN, "queue_resumed",
		    LOG_TEXT("queue", order->filter_queue));
	/* Without memory the answer is short of its document. */
	(void)look(ledger, order, order->filter_queue);
}

static void
take_up_pause_cb(const char *queue, void *arg)
{
	struct ledger *ledger = arg;

	log_event(ledger->log, LOG_LEVEL_WARN, "queue_paused",
	    LOG_TEXT("queue", queue));
	if (!sched_pause(ledger->sched, queue, true))
		log_event(ledger->log, LOG_LEVEL_ERROR, "job_parked",
		    LOG_TEXT("queue", queue),
		    LOG_TEXT("why", "out of memory; waits for a restart"));
}

bool
take_up_pauses(struct ledger *ledger)
{
	return store_each_paused(ledger->store, take_up_pause_cb, ledger) ==
	    STORE_OK;
}
