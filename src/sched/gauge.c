/* gauge.c - the counters of queues, and places in them.
 *
 * A place is taken by the thread that accepts, before anything is promised, and
 * given back by the ledger. The bound is kept by raising first and looking
 * then: a raise that went over is taken back, so the count may be above
 * capacity for an instant but nobody is let in by it.
 *
 * Threads: the list of gauges is main's; the counters are anybody's.
 */
#include <stdlib.h>
#include <string.h>

#include "callbackd/sched.h"

#define RETRY_AFTER_MAX_S 60
#define FREED_SHARE 20 /* come back when a 20th of the queue has drained */

struct gauges {
	struct queue_gauge *first;
};

struct gauges *
gauges_new(void)
{
	return calloc(1, sizeof(struct gauges));
}

void
gauges_free(struct gauges **gauges)
{
	struct queue_gauge *gauge;

	if (*gauges == NULL)
		return;
	while ((gauge = (*gauges)->first) != NULL) {
		(*gauges)->first = gauge->next;
		free(gauge);
	}
	free(*gauges);
	*gauges = NULL;
}

static struct queue_gauge *
find_or_add(struct gauges *gauges, const char *name)
{
	struct queue_gauge *gauge;

	for (gauge = gauges->first; gauge != NULL; gauge = gauge->next)
		if (strcmp(gauge->name, name) == 0)
			return gauge;
	gauge = calloc(1, sizeof(*gauge));
	if (gauge == NULL)
		return NULL;
	memcpy(gauge->name, name, strnlen(name, NAME_SIZE - 1));
	gauge->next = gauges->first;
	gauges->first = gauge;
	return gauge;
}

bool
gauges_adopt(struct gauges *gauges, struct conf *conf)
{
	for (size_t i = 0; i < conf->queue_count; i++) {
		struct conf_queue *queue = &conf->queues[i];

		queue->gauge = find_or_add(gauges, queue->name);
		if (queue->gauge == NULL)
			return false;
	}
	return true;
}

struct queue_gauge *
gauges_first(struct gauges *gauges)
{
	return gauges->first;
}

bool
queue_take_place(const struct conf_queue *queue, int64_t bytes)
{
	struct queue_gauge *gauge = queue->gauge;
	int64_t places = atomic_fetch_add(&gauge->places, 1) + 1;
	int64_t taken = atomic_fetch_add(&gauge->place_bytes, bytes) + bytes;

	if (places == 1)
		return true;
	if (places <= queue->capacity && taken <= queue->capacity_bytes)
		return true;
	queue_give_place(gauge, bytes);
	atomic_fetch_add_explicit(&gauge->refused_full, 1,
	    memory_order_relaxed);
	return false;
}

void
queue_give_place(struct queue_gauge *gauge, int64_t bytes)
{
	atomic_fetch_sub(&gauge->places, 1);
	atomic_fetch_sub(&gauge->place_bytes, bytes);
}

void
queue_hold_place(struct queue_gauge *gauge, int64_t bytes)
{
	atomic_fetch_add(&gauge->places, 1);
	atomic_fetch_add(&gauge->place_bytes, bytes);
}

int64_t
queue_retry_after_s(const struct queue_gauge *gauge, uint32_t dice)
{
	int64_t rate = atomic_load_explicit(&gauge->drain_per_ks,
	    memory_order_relaxed);
	int64_t places =
	    atomic_load_explicit(&gauge->places, memory_order_relaxed);
	int64_t wait_s = RETRY_AFTER_MAX_S;

	if (rate > 0)
		wait_s = (places / FREED_SHARE + 1) * 1000 / rate;
	if (wait_s < 1)
		wait_s = 1;
	wait_s += (int64_t)(((uint64_t)dice * (uint64_t)(wait_s / 2 + 1)) >> 32);
	return wait_s > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : wait_s;
}
