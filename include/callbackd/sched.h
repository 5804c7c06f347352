/* sched.h - what may run now? Bounds, order, delay and slots of every queue.
 *
 * In memory only; the truth is in the store, and a start builds this anew. The
 * ledger owns a sched; the gauges alone are shared: counters that any
 * thread reads, and that accepting threads raise to take a place before they
 * promise one. Knows neither SQL nor HTTP. Time is brought by the caller and is
 * monotonic.
 *
 *   place: what a job holds from acceptance until it can no longer come back to
 *          the line (it ended, or its last attempt began): capacity bounds them
 *   slot:  what a run holds while it runs: concurrency bounds them
 */
#ifndef CALLBACKD_SCHED_H
#define CALLBACKD_SCHED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "callbackd/conf.h"
#include "callbackd/job.h"

/* A queue's counters. Live as long as the gauge room, outlast every conf. */
struct queue_gauge {
	char name[NAME_SIZE];
	atomic_llong places;      /* taken now */
	atomic_llong place_bytes; /* request bytes of those */
	atomic_llong queued;      /* waiting now, delayed ones included */
	atomic_llong running;
	atomic_llong drain_per_ks; /* places given back in 1000 s, lately */
	atomic_llong accepted;     /* totals since the start of the process */
	atomic_llong refused_full;
	atomic_llong ended[JOB_STATUS_COUNT];
	atomic_llong retried;
	atomic_llong errors[JOB_ERROR_COUNT]; /* of attempts */
	struct queue_gauge *next;
};

/* A client's: what it holds of its own limits. */
struct client_gauge {
	char name[NAME_SIZE];
	atomic_llong places;        /* over all queues */
	atomic_llong paid_until_us; /* monotonic; see client_take_turn */
	struct client_gauge *next;
};

struct gauges; /* opaque: all gauges, by name */
struct gauges *gauges_new(void);
void gauges_free(struct gauges **gauges);
/* Gives every queue and client of conf its gauge, making new ones. Main thread, before conf
 * is shown to other threads. False: no memory. */
bool gauges_adopt(struct gauges *gauges, struct conf *conf);
/* All of the queues', newest first; main thread. */
struct queue_gauge *gauges_first(struct gauges *gauges);

/* Takes a place for a body of that size. False when the queue is full. A queue
 * without any place taken lets one in whatever its size. Any thread. */
bool queue_take_place(const struct conf_queue *queue, int64_t bytes);
void queue_give_place(struct queue_gauge *gauge, int64_t bytes);
/* Counts a place regardless of the bound: what was promised before a restart. */
void queue_hold_place(struct queue_gauge *gauge, int64_t bytes);

/* The same for a client's max_queued; a NULL client has no limit. */
bool client_take_place(const struct conf_client *client);
void client_give_place(const struct conf_client *client);

/* The same by name, for jobs that outlast their client's section: should it come
 * back, its places are those that its jobs still hold. "" has no limit. Any
 * thread. */
void gauges_hold_client(struct gauges *gauges, const char *client);
void gauges_give_client(struct gauges *gauges, const char *client);

/* One request of a client with a rate: the generic cell rate algorithm (ITU-T
 * I.371), which needs one number. False when it came too soon: *wait_us_out is
 * then how much too soon. *left_out: how many more may come at once. */
bool client_take_turn(const struct conf_client *client, int64_t now_mono_us,
    int64_t *left_out, int64_t *wait_us_out);

/* Seconds until a place is likely to be free, from the drain rate, spread by
 * dice; 1 .. 60. Any thread. */
int64_t queue_retry_after_s(const struct queue_gauge *gauge, uint32_t dice);

struct sched; /* opaque */

struct sched *sched_new(void);
void sched_free(struct sched **sched);

/* The queues as they are from now on. conf must outlive its use here; queues
 * that are gone keep their jobs waiting. False: no memory. */
bool sched_follow(struct sched *sched, const struct conf *conf);

/* What the sched needs to know of a waiting job. */
struct waiting {
	int64_t seq;
	int32_t priority;
	uint32_t bytes;
	int64_t due_mono_ms; /* not before; <= now: at once */
};
/* A job waits in that queue. False: no memory. */
bool sched_wait(struct sched *sched, const char *queue,
    const struct waiting *waiting, int64_t now_mono_ms);
/* It no longer does (cancelled, expired). False when it was not waiting. A wrong
 * due_mono_ms (the clock was set since) costs a walk through all delayed. */
bool sched_leave(struct sched *sched, const char *queue, int32_t priority,
    int64_t seq, int64_t due_mono_ms);

/* True, and a slot is taken, when a job that arrives now may run at once:
 * nobody waits before it and a slot is free. */
bool sched_admit(struct sched *sched, const char *queue, int64_t now_mono_ms);

/* The next job that may run: it has left the line and its slot is taken. Queues
 * take turns. False when none may. *queue_out lives as long as the sched. Queues
 * whose jobs are pulled are left out. */
bool sched_next(struct sched *sched, int64_t now_mono_ms, struct waiting *out,
    const char **queue_out);

/* The same for one queue whose jobs are pulled; false for any other. */
bool sched_next_pulled(struct sched *sched, const char *queue,
    int64_t now_mono_ms, struct waiting *out);

/* A run is over, or did not begin after all. */
void sched_give_slot(struct sched *sched, const char *queue);
/* It is not over after all: its end could not be written down. Takes a slot
 * whatever the bound. */
void sched_retake_slot(struct sched *sched, const char *queue);

/* count places of the queue became free at now: for the drain rate. */
void sched_drained(struct sched *sched, const char *queue, int64_t now_mono_ms);

/* A job was accepted into the queue at now: for the accept rate. */
void sched_accepted(struct sched *sched, const char *queue,
    int64_t now_mono_ms);

/* The queue's counters; NULL when it never was configured. */
struct queue_gauge *sched_gauge(const struct sched *sched, const char *queue);

/* A paused queue lets nobody run; it need not be configured. False: no
 * memory. */
bool sched_pause(struct sched *sched, const char *queue, bool paused);

/* When sched_next may have something without anybody joining or ending; 0: now,
 * INT64_MAX: never. */
int64_t sched_due_mono_ms(struct sched *sched);
/* The same for sched_next_pulled. */
int64_t sched_pull_due_mono_ms(struct sched *sched, const char *queue);

/* What an operator or a client wants to know of a queue. */
struct queue_facts {
	char name[NAME_SIZE];
	enum executor executor;
	bool is_paused;
	int64_t waiting; /* delayed ones included */
	int64_t delayed;
	int64_t running;
	int64_t places;      /* taken, of capacity */
	int64_t place_bytes; /* the same, of capacity_bytes */
	int64_t capacity;
	int64_t capacity_bytes;
	int32_t concurrency;
	int64_t oldest_at_ms;  /* when the oldest that could run was accepted;
	                          * -1: there is none */
	int64_t oldest_age_ms; /* the same; for who knows the wall clock */
	double accepted_per_s; /* lately */
	double drained_per_s;
};
/* False when it is not configured. */
bool sched_look(struct sched *sched, const char *queue, int64_t now_mono_ms,
    struct queue_facts *out);

/* 1 for the next; 0 when the queue is unknown. Delayed jobs count behind the
 * ready ones. */
int64_t sched_position(struct sched *sched, const char *queue, int32_t priority,
    int64_t seq, int64_t due_mono_ms, int64_t now_mono_ms);
/* How long position places take at the present rate; -1: unknown. */
int64_t sched_wait_ms(struct sched *sched, const char *queue, int64_t position,
    int64_t now_mono_ms);

#endif
