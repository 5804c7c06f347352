/* ledger.h - the one place where a job's life is decided and written down.
 *
 * One thread owns the store, the sched and the hosts. It takes what all loops
 * sent since its last turn, runs it as one transaction, commits once, and only
 * then lets anything happen: acknowledgements, runs, deliveries, answers. SQL
 * blocks here and nowhere else.
 *
 * The loops talk to it in orders: a question that travels there and comes back
 * as its own answer.
 */
#ifndef CALLBACKD_LEDGER_H
#define CALLBACKD_LEDGER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "callbackd/conf.h"
#include "callbackd/document.h"
#include "callbackd/loop.h"
#include "callbackd/metrics.h"
#include "callbackd/run.h"
#include "callbackd/store.h"

enum order_kind {
	ORDER_ACCEPT,           /* job, request -> id, all facts */
	ORDER_JOB,              /* job.id -> job, delivery, facts */
	ORDER_RESULT,           /* job.id -> job, response */
	ORDER_JOBS,             /* jobs_filter -> listed */
	ORDER_DELIVERIES,       /* deliveries_filter -> listed */
	ORDER_REDELIVER,        /* delivery.id -> delivery */
	ORDER_CANCEL,           /* job.id -> job */
	ORDER_RETRY,            /* job.id -> job, facts */
	ORDER_BOOKS,            /* -> books */
};

enum order_result {
	ORDER_OK,
	ORDER_REPLAYED,    /* ORDER_ACCEPT: the same request came before: its job */
	ORDER_FULL,        /* ORDER_ACCEPT, ORDER_RETRY: no place in the queue */
	ORDER_MISMATCH,    /* ORDER_ACCEPT: its idempotency key is another's */
	ORDER_MISSING,     /* no such job or delivery, or another client's */
	ORDER_CONFLICT,    /* not in a state where that can be done */
	ORDER_UNAVAILABLE, /* the store does not write (or read) now */
};

enum hold_until { HOLD_UNTIL_CHANGE, HOLD_UNTIL_END };

/* One row of a list. */
struct listed {
	struct job job;
	struct delivery delivery;
	bool has_delivery;
	struct document_facts facts;
};

struct order {
	struct mail mail;        /* first */
	enum order_kind kind;
	struct loop *from;       /* where the answer goes */
	/* Called on from's thread with the answer; owns the order then. */
	void (*answered)(struct order *order);
	void *asker;             /* the asker's own, both */
	void *from_room;
	int64_t asked_us;        /* monotonic moment of order_new; for metrics */

	const struct conf_queue *queue; /* ORDER_ACCEPT; its conf is held below */
	struct conf *conf;       /* held, NULL otherwise */
	char client[NAME_SIZE];  /* only this client's things; "": any */
	struct job job;
	struct payload request;  /* ORDER_ACCEPT */
	int64_t place_bytes;     /* ORDER_ACCEPT: of the place it has taken */
	bool is_overbooked;      /* ORDER_ACCEPT: it has none; may be a replay */
	char fingerprint[SHA256_HEX_SIZE]; /* ORDER_ACCEPT with an idempotency
	                          * key: of queue, method, target and body */
	int64_t delay_ms;        /* ORDER_ACCEPT: may not run before; 0: at once */
	int64_t expires_ms;      /* ORDER_ACCEPT: give up unstarted; -1: never */
	struct run *run;         /* the ledger's own: claimed as it was accepted */
	int64_t hold_ms;         /* ORDER_JOB, ORDER_RESULT: answer not before
	                          * hold_until is true or so much later; 0: now */
	enum hold_until hold_until;
	uint64_t known_version;  /* with HOLD_UNTIL_CHANGE: what the asker has
	                          * seen (document_version); 0: what it is now */
	int64_t hold_end_ms;     /* the ledger's own */
	bool was_running;        /* the ledger's own: as it was cancelled */
	bool held_place;         /* the same; ORDER_RETRY: a place was taken */
	struct job_filter jobs_filter; /* its strings borrow from below */
	struct delivery_filter deliveries_filter;
	char filter_queue[NAME_SIZE];

	enum order_result result;
	bool has_delivery;
	struct delivery delivery;
	struct payload response;
	struct document_facts facts;
	struct listed *listed;   /* owned array */
	int listed_count;
	int64_t next_seq;        /* of a list; 0: the end */
	struct store_books books;
};
struct order *order_new(enum order_kind kind, struct loop *from,
    void (*answered)(struct order *order), void *asker);
void order_free(struct order **order);
/* Gives back the place that an ORDER_ACCEPT took before it was asked, if it
 * did. */
void order_give_place(struct order *order);

/* What a loop does for the ledger; the loop's room (loop_new). */
struct ledger_hands {
	struct loop *loop;
	void (*start_run)(struct run *run, void *arg);   /* takes */
	void (*start_post)(struct post *post, void *arg); /* takes */
	/* Ends the run of that job soon, if it is here; it comes back as any
	 * other. */
	void (*cancel_run)(int64_t job_seq, void *arg);
	void *arg;
};

struct ledger; /* opaque */

struct ledger_setup {
	struct conf *conf;            /* held */
	struct metrics *metrics;
	struct ledger_hands **hands;  /* one a loop; outlive the ledger */
	unsigned hands_count;
	size_t inbox_limit;           /* orders that may wait; then 503 */
};

/* Opens the store and takes up everything unfinished. NULL, and why_out says
 * why, when that cannot be. */
struct ledger *ledger_new(const struct ledger_setup *setup,
    struct reason *why_out);
bool ledger_start(struct ledger *ledger);

/* Takes the order. False, and the caller keeps it, when too many wait: 503. */
bool ledger_ask(struct ledger *ledger, struct order *order);

/* A run or a post is over; takes it. Never refused. */
void ledger_run_ended(struct ledger *ledger, struct run *run);
void ledger_post_ended(struct ledger *ledger, struct post *post);

/* Uses another conf from now on; takes a holder. */
void ledger_follow(struct ledger *ledger, struct conf *conf);

/* Starts nothing new from now on. */
void ledger_drain(struct ledger *ledger);

/* Commits what has come, stops, closes the store. After the loops stopped. */
void ledger_stop(struct ledger **ledger);

/* Any thread. */
int64_t ledger_runs_under_way(const struct ledger *ledger);
int64_t ledger_posts_under_way(const struct ledger *ledger);
bool ledger_is_well(const struct ledger *ledger); /* the store writes */
int64_t ledger_silent_ms(const struct ledger *ledger);

#endif
