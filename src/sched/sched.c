/* sched.c - what may run now?
 *
 * Every queue has two lines: `ready`, in order of priority and then age, and
 * `delayed`, in order of the moment they become ready. Queues that may have
 * something to run take turns in a ring, so that a long queue does not starve a
 * short one.
 *
 * Invariants
 *  1. A waiting job is in exactly one of its queue's two lines.
 *  2. running <= concurrency, except after a reload lowered it.
 *  3. gauge->queued = items of both lines; gauge->running = slots taken.
 *
 * Thread: the one in a turn of the ledger.
 */
#include "callbackd/sched.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/line.h"
#include "callbackd/rate.h"

struct queue {
	char name[NAME_SIZE];
	const struct conf_queue *conf; /* NULL: not configured (any more) */
	struct queue_gauge *gauge;     /* NULL: never was configured */
	struct line *ready;            /* rank: priority; tag: unused */
	struct line *delayed;          /* rank: due_mono_ms; tag: priority */
	int32_t running;
	bool paused;
	struct rate drain;
	struct rate accept;
	struct queue *next; /* ring of all queues */
};

struct sched {
	struct queue *turn; /* whose turn it is; NULL: no queues */
};

struct sched *
sched_new(void)
{
	return calloc(1, sizeof(struct sched));
}

static void
queue_free(struct queue *queue)
{
	line_free(&queue->ready);
	line_free(&queue->delayed);
	free(queue);
}

void
sched_free(struct sched **sched)
{
	struct queue *queue;

	if (*sched == NULL)
		return;
	queue = (*sched)->turn;
	while (queue != NULL) {
		struct queue *next = queue->next;

		queue_free(queue);
		queue = next == (*sched)->turn ? NULL : next;
	}
	free(*sched);
	*sched = NULL;
}

static struct queue *
find_queue(const struct sched *sched, const char *name)
{
	struct queue *queue = sched->turn;

	if (queue == NULL)
		return NULL;
	do {
		if (strcmp(queue->name, name) == 0)
			return queue;
		queue = queue->next;
	} while (queue != sched->turn);
	return NULL;
}

static struct queue *
add_queue(struct sched *sched, const char *name)
{
	struct queue *queue = calloc(1, sizeof(*queue));

	if (queue == NULL)
		return NULL;
	memcpy(queue->name, name, strnlen(name, NAME_SIZE - 1));
	queue->ready = line_new();
	queue->delayed = line_new();
	if (queue->ready == NULL || queue->delayed == NULL) {
		queue_free(queue);
		return NULL;
	}
	if (sched->turn == NULL) {
		queue->next = queue;
		sched->turn = queue;
	} else {
		queue->next = sched->turn->next;
		sched->turn->next = queue;
	}
	return queue;
}

static struct queue *
find_or_add_queue(struct sched *sched, const char *name)
{
	struct queue *queue = find_queue(sched, name);

	return queue != NULL ? queue : add_queue(sched, name);
}

/* Who waited while the queue was not configured is counted from now on. */
static void
adopt_gauge(struct queue *queue, struct queue_gauge *gauge)
{
	int64_t count = line_count(queue->ready) + line_count(queue->delayed);

	if (queue->gauge == NULL) {
		atomic_fetch_add(&gauge->queued, count);
		atomic_fetch_add(&gauge->places, count);
		atomic_fetch_add(&gauge->place_bytes,
		    line_bytes(queue->ready) + line_bytes(queue->delayed));
	}
	queue->gauge = gauge;
}

bool
sched_follow(struct sched *sched, const struct conf *conf)
{
	struct queue *queue;

	for (size_t i = 0; i < conf->queue_count; i++)
		if (find_or_add_queue(sched, conf->queues[i].name) == NULL)
			return false;
	queue = sched->turn;
	if (queue == NULL)
		return true;
	do {
		queue->conf = conf_queue_find(conf, queue->name);
		if (queue->conf != NULL)
			adopt_gauge(queue, queue->conf->gauge);
		queue = queue->next;
	} while (queue != sched->turn);
	return true;
}

static void
count_queued(struct queue *queue, int change)
{
	if (queue->gauge != NULL)
		atomic_fetch_add_explicit(&queue->gauge->queued, change,
		    memory_order_relaxed);
}

static void
take_slot(struct queue *queue)
{
	queue->running++;
	if (queue->gauge != NULL)
		atomic_fetch_add_explicit(&queue->gauge->running, 1,
		    memory_order_relaxed);
}

bool
sched_wait(struct sched *sched, const char *name, const struct waiting *waiting,
    int64_t now_mono_ms)
{
	struct queue *queue = find_or_add_queue(sched, name);
	struct line_item item = { 0, waiting->seq, waiting->bytes, 0 };
	bool joined;

	if (queue == NULL)
		return false;
	if (waiting->due_mono_ms > now_mono_ms) {
		item.rank = waiting->due_mono_ms;
		item.tag = (uint32_t)waiting->priority;
		joined = line_join(queue->delayed, &item);
	} else {
		item.rank = waiting->priority;
		joined = line_join(queue->ready, &item);
	}
	if (joined)
		count_queued(queue, 1);
	return joined;
}

/* For who does not know the moment it waits for. */
static bool
leave_delayed(struct queue *queue, int64_t seq)
{
	int64_t due_mono_ms;

	return line_find(queue->delayed, seq, &due_mono_ms) &&
	    line_leave(queue->delayed, due_mono_ms, seq);
}

bool
sched_leave(struct sched *sched, const char *name, int32_t priority,
    int64_t seq, int64_t due_mono_ms)
{
	struct queue *queue = find_queue(sched, name);

	if (queue == NULL)
		return false;
	if (!line_leave(queue->ready, priority, seq) &&
	    !line_leave(queue->delayed, due_mono_ms, seq) &&
	    !leave_delayed(queue, seq))
		return false;
	count_queued(queue, -1);
	return true;
}

/* Moves what has become due from `delayed` to `ready`. What finds no memory
 * stays where it is and is tried again at the next turn. */
static void
wake_delayed(struct queue *queue, int64_t now_mono_ms)
{
	const struct line_item *item;

	while ((item = line_first(queue->delayed)) != NULL &&
	    item->rank <= now_mono_ms) {
		struct line_item awake = { item->tag, item->seq, item->bytes,
			0 };

		if (!line_join(queue->ready, &awake))
			return;
		line_drop_first(queue->delayed);
	}
}

static bool
has_slot(const struct queue *queue)
{
	return queue->conf != NULL && !queue->paused &&
	    queue->running < queue->conf->concurrency;
}

/* Its jobs wait for consumers to come. */
static bool
is_pulled(const struct queue *queue)
{
	return queue->conf != NULL && queue->conf->executor == EXECUTOR_PULL;
}

bool
sched_admit(struct sched *sched, const char *name, int64_t now_mono_ms)
{
	struct queue *queue = find_queue(sched, name);

	if (queue == NULL || is_pulled(queue) || !has_slot(queue))
		return false;
	wake_delayed(queue, now_mono_ms);
	if (line_count(queue->ready) > 0)
		return false;
	take_slot(queue);
	return true;
}

static bool
take_next(struct queue *queue, int64_t now_mono_ms, struct waiting *out)
{
	const struct line_item *item;

	if (!has_slot(queue))
		return false;
	wake_delayed(queue, now_mono_ms);
	item = line_first(queue->ready);
	if (item == NULL)
		return false;
	*out = (struct waiting){ item->seq, (int32_t)item->rank, item->bytes,
		now_mono_ms };
	line_drop_first(queue->ready);
	count_queued(queue, -1);
	take_slot(queue);
	return true;
}

bool
sched_next(struct sched *sched, int64_t now_mono_ms, struct waiting *out,
    const char **queue_out)
{
	struct queue *start = sched->turn;
	struct queue *queue = start;

	if (start == NULL)
		return false;
	do {
		if (!is_pulled(queue) && take_next(queue, now_mono_ms, out)) {
			*queue_out = queue->name;
			sched->turn = queue->next;
			return true;
		}
		queue = queue->next;
	} while (queue != start);
	return false;
}

bool
sched_next_pulled(struct sched *sched, const char *name, int64_t now_mono_ms,
    struct waiting *out)
{
	struct queue *queue = find_queue(sched, name);

	return queue != NULL && is_pulled(queue) &&
	    take_next(queue, now_mono_ms, out);
}

void
sched_give_slot(struct sched *sched, const char *name)
{
	struct queue *queue = find_queue(sched, name);

	assert(queue != NULL && queue->running > 0);
	queue->running--;
	if (queue->gauge != NULL)
		atomic_fetch_sub_explicit(&queue->gauge->running, 1,
		    memory_order_relaxed);
}

void
sched_retake_slot(struct sched *sched, const char *name)
{
	struct queue *queue = find_queue(sched, name);

	assert(queue != NULL);
	take_slot(queue);
}

void
sched_drained(struct sched *sched, const char *name, int64_t now_mono_ms)
{
	struct queue *queue = find_queue(sched, name);

	if (queue == NULL || queue->gauge == NULL)
		return;
	rate_add(&queue->drain, 1, now_mono_ms);
	atomic_store_explicit(&queue->gauge->drain_per_ks,
	    (long long)(rate_per_s(&queue->drain, now_mono_ms) * 1000),
	    memory_order_relaxed);
}

void
sched_accepted(struct sched *sched, const char *name, int64_t now_mono_ms)
{
	struct queue *queue = find_queue(sched, name);

	if (queue != NULL)
		rate_add(&queue->accept, 1, now_mono_ms);
}

struct queue_gauge *
sched_gauge(const struct sched *sched, const char *name)
{
	const struct queue *queue = find_queue(sched, name);

	return queue != NULL ? queue->gauge : NULL;
}

bool
sched_pause(struct sched *sched, const char *name, bool paused)
{
	struct queue *queue = find_or_add_queue(sched, name);

	if (queue != NULL)
		queue->paused = paused;
	return queue != NULL;
}

/* 0: somebody may run now; INT64_MAX: nobody without a change. */
static int64_t
due_of(const struct queue *queue)
{
	const struct line_item *item = line_first(queue->delayed);

	if (!has_slot(queue))
		return INT64_MAX;
	if (line_count(queue->ready) > 0)
		return 0;
	return item != NULL ? item->rank : INT64_MAX;
}

int64_t
sched_due_mono_ms(struct sched *sched)
{
	struct queue *queue = sched->turn;
	int64_t due_mono_ms = INT64_MAX;

	if (queue == NULL)
		return due_mono_ms;
	do {
		if (!is_pulled(queue) && due_of(queue) < due_mono_ms)
			due_mono_ms = due_of(queue);
		queue = queue->next;
	} while (queue != sched->turn);
	return due_mono_ms;
}

int64_t
sched_pull_due_mono_ms(struct sched *sched, const char *name)
{
	const struct queue *queue = find_queue(sched, name);

	return queue != NULL && is_pulled(queue) ? due_of(queue) : INT64_MAX;
}

/* ---- looking ---- */

/* Of those that could run; -1: there are none. Within a priority the first in
 * line is the oldest. */
static int64_t
oldest_at_ms(const struct queue *queue)
{
	const struct line_item *item = line_first(queue->ready);
	int64_t oldest_seq = INT64_MAX;

	while (item != NULL) {
		if (item->seq < oldest_seq)
			oldest_seq = item->seq;
		item = line_at(queue->ready, item->rank + 1, 0);
	}
	return oldest_seq < INT64_MAX ? uuid_ms(oldest_seq) : -1;
}

bool
sched_look(struct sched *sched, const char *name, int64_t now_mono_ms,
    struct queue_facts *out)
{
	struct queue *queue = find_queue(sched, name);

	if (queue == NULL || queue->conf == NULL)
		return false;
	wake_delayed(queue, now_mono_ms);
	*out = (struct queue_facts){
		.executor = queue->conf->executor,
		.is_paused = queue->paused,
		.waiting = line_count(queue->ready) +
		    line_count(queue->delayed),
		.delayed = line_count(queue->delayed),
		.running = queue->running,
		.places = atomic_load(&queue->gauge->places),
		.place_bytes = atomic_load(&queue->gauge->place_bytes),
		.capacity = queue->conf->capacity,
		.capacity_bytes = queue->conf->capacity_bytes,
		.concurrency = queue->conf->concurrency,
		.oldest_at_ms = oldest_at_ms(queue),
		.accepted_per_s = rate_per_s(&queue->accept, now_mono_ms),
		.drained_per_s = rate_per_s(&queue->drain, now_mono_ms),
	};
	memcpy(out->name, queue->name, sizeof(out->name));
	return true;
}

int64_t
sched_position(struct sched *sched, const char *name, int32_t priority,
    int64_t seq, int64_t due_mono_ms, int64_t now_mono_ms)
{
	struct queue *queue = find_queue(sched, name);

	if (queue == NULL)
		return 0;
	wake_delayed(queue, now_mono_ms);
	if (due_mono_ms <= now_mono_ms)
		return line_before(queue->ready, priority, seq) + 1;
	return line_count(queue->ready) +
	    line_before(queue->delayed, due_mono_ms, seq) + 1;
}

int64_t
sched_wait_ms(struct sched *sched, const char *name, int64_t position,
    int64_t now_mono_ms)
{
	struct queue *queue = find_queue(sched, name);
	double per_s;

	if (queue == NULL)
		return -1;
	per_s = rate_per_s(&queue->drain, now_mono_ms);
	if (per_s <= 0)
		return -1;
	return (int64_t)((double)position * 1000.0 / per_s);
}
