/* ledger.h - the one place where a job's life is decided and written down.
 *
 * It owns the store, the sched and the hosts. A turn takes what all loops sent
 * since the last one, runs it as one transaction, commits once, and only then
 * lets anything happen: acknowledgements, runs, deliveries, answers. SQL blocks
 * here and nowhere else: on the ledger's own thread, or on that of a loop which
 * has nothing else to do and takes the turn in its place.
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
#include "callbackd/sched.h"
#include "callbackd/store.h"

enum order_kind {
	ORDER_ACCEPT,     /* job, request -> id, all facts */
	ORDER_JOB,        /* job.id -> job, delivery, facts */
	ORDER_RESULT,     /* job.id -> job, response */
	ORDER_JOBS,       /* jobs_filter -> listed */
	ORDER_DELIVERIES, /* deliveries_filter -> listed */
	ORDER_REDELIVER,  /* delivery.id -> delivery */
	ORDER_CANCEL,     /* job.id -> job */
	ORDER_RETRY,      /* job.id -> job, facts */
	ORDER_LEASE,      /* filter_queue, lease_* -> leased */
	ORDER_END_LEASE,  /* job.id, lease_token, run -> job, all facts */
	ORDER_EXTEND,     /* job.id, lease_token, lease_ms -> job */
	ORDER_PROGRESS,   /* job.id, lease_token, progress_* -> job */
	ORDER_PAUSE,      /* filter_queue, pauses -> queues */
	ORDER_QUEUES,     /* filter_queue ("": all) -> queues */
	ORDER_BOOKS,      /* -> books */
	ORDER_WATCH,      /* job.id, or filter_queue; watch -> listed, watch */
};

enum order_result {
	ORDER_OK,
	ORDER_REPLAYED, /* ORDER_ACCEPT: the same request came before: its job */
	ORDER_FULL,     /* ORDER_ACCEPT, ORDER_RETRY: no place in the queue */
	ORDER_MISMATCH,    /* ORDER_ACCEPT: its idempotency key is another's */
	ORDER_MISSING,     /* no such job or delivery, or another client's */
	ORDER_CONFLICT,    /* not in a state where that can be done */
	ORDER_STALE,       /* the lease is over, or was never given */
	ORDER_UNAVAILABLE, /* the store does not write (or read) now */
};

/* ---- watching: what happens to jobs, as it happens ---- */

/* Which event a document belongs to. */
struct event_mark {
	int64_t id;       /* rising, also over a restart */
	uint64_t version; /* another whenever the job's record says otherwise */
	bool is_progress; /* nothing but that has changed */
};

/* An event that somebody on a loop waits for. */
struct notice {
	struct mail mail; /* first */
	struct watch_room *room;
	bool is_cut; /* no event: too many were on their way; whoever was
	                    * being told on this loop is told nothing more */
	struct event_mark mark;
	struct job job; /* as it was then */
	struct document_facts facts;
};

/* Where notices for one loop go: memory of the loop's room, one a loop, which
 * outlives the ledger. */
struct watch_room {
	void (*tell)(const struct notice *notice, void *arg); /* borrows */
	void *arg;
	atomic_int untold; /* notices on their way; zero it, then leave it */
};

/* A question that goes on: the answer has what came later than after_id, or, of
 * one job without it, the present state. Of that again only a share: unless
 * is_over or is_on, ask again with upto_id. Once is_on, every later event that
 * fits is told to the room, until ledger_unwatch. */
struct watch {
	int64_t after_id;       /* seen before; -1: nothing */
	uint64_t after_version; /* its version; counts where events were lost */
	struct watch_room *room;
	int64_t upto_id; /* all up to here is in the answers by now */
	bool has_gap;    /* what came behind after_id is not all known */
	bool is_on;
	bool is_over; /* nothing can come any more */
};

enum hold_until { HOLD_UNTIL_CHANGE, HOLD_UNTIL_END };

/* One row of a list. */
struct listed {
	struct job job;
	struct delivery delivery;
	bool has_delivery;
	struct document_facts facts;
	struct event_mark mark; /* ORDER_WATCH */
};

struct order {
	struct mail mail; /* first */
	enum order_kind kind;
	struct loop *from; /* where the answer goes */
	/* Called on from's thread with the answer; owns the order then. */
	void (*answered)(struct order *order);
	void *asker; /* the asker's own, both */
	void *from_room;
	int64_t asked_us; /* monotonic moment of order_new; for metrics */

	const struct conf_queue
	    *queue;             /* ORDER_ACCEPT; its conf is held below */
	struct conf *conf;      /* held, NULL otherwise */
	char client[NAME_SIZE]; /* only this client's things; "": any */
	struct job job;
	struct payload request; /* ORDER_ACCEPT */
	int64_t place_bytes;    /* ORDER_ACCEPT: of the place it has taken */
	bool is_overbooked;     /* ORDER_ACCEPT: it has none; may be a replay */
	bool shows_request;     /* ORDER_ACCEPT: a replay brings back the first
	                          * request in place of this one */
	char fingerprint[SHA256_HEX_SIZE]; /* ORDER_ACCEPT with an idempotency
	                          * key: of queue, method, target and body */
	int64_t delay_ms;   /* ORDER_ACCEPT: may not run before; 0: at once */
	int64_t expires_ms; /* ORDER_ACCEPT: give up unstarted; -1: never */
	struct run *run;    /* the ledger's own: claimed as it was accepted;
	                          * ORDER_END_LEASE: what came of it */
	int64_t hold_ms;    /* ORDER_JOB, ORDER_RESULT: answer not before
	                          * hold_until is true or so much later; 0: now;
	                          * ORDER_LEASE: so much later if nothing comes */
	enum hold_until hold_until;
	uint64_t known_version; /* with HOLD_UNTIL_CHANGE: what the asker has
	                          * seen (document_version); 0: what it is now */
	int64_t hold_end_ms;    /* the ledger's own */
	bool was_running;       /* the ledger's own: as it was cancelled */
	bool has_left;          /* the same: its line, before the commit */
	bool held_place;        /* the same; ORDER_RETRY: a place was taken */
	int lease_max;          /* ORDER_LEASE: jobs; >= 1 */
	int64_t lease_ms; /* how long; 0: as one run of the job may take */
	char lease_token[LEASE_TOKEN_SIZE];
	double progress_share;       /* 0 .. 1; -1: as it was */
	char *progress_message;      /* owned; NULL: none */
	bool pauses;                 /* ORDER_PAUSE: or it resumes */
	struct order *next_waiting;  /* ORDER_LEASE, the ledger's own, both */
	struct order **waiting_link; /* NULL: it does not wait */
	struct mail leaving;         /* see ledger_forget */
	void (*let_go)(struct order *order);
	struct job_filter jobs_filter; /* its strings borrow from below */
	struct delivery_filter deliveries_filter;
	char filter_queue[NAME_SIZE];

	enum order_result result;
	bool has_delivery;
	struct delivery delivery;
	struct payload response;
	struct document_facts facts;
	struct listed *listed; /* owned array */
	int listed_count;
	int64_t next_seq; /* of a list; 0: the end */
	struct mail_list
	    leased; /* struct run, owned: ORDER_LEASE, never begun on
	                          * a loop of ours */
	struct queue_facts *queues; /* owned array */
	int queue_count;
	struct store_books books;
	struct watch watch; /* ORDER_WATCH; filter_queue "": any */
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
	void (*start_run)(struct run *run, void *arg);    /* takes */
	void (*start_post)(struct post *post, void *arg); /* takes */
	/* Ends the run of that job soon, if it is here; it comes back as any
	 * other. */
	void (*cancel_run)(int64_t job_seq, void *arg);
	void *arg;
};

struct ledger; /* opaque */

struct ledger_setup {
	struct conf *conf; /* held */
	struct metrics *metrics;
	struct ledger_hands **hands; /* one a loop; outlive the ledger */
	unsigned hands_count;
	size_t inbox_limit; /* orders that may wait; then 503 */
	size_t events_kept; /* for watchers that come back; 0: 12288 */
};

/* Opens the store and takes up everything unfinished. NULL, and why_out says
 * why, when that cannot be. */
struct ledger *ledger_new(const struct ledger_setup *setup,
    struct reason *why_out);
bool ledger_start(struct ledger *ledger);

/* Takes the order, on its loop's thread. False, and the caller keeps it, when
 * too many wait: 503. */
bool ledger_ask(struct ledger *ledger, struct order *order);

/* Whoever asked this ORDER_LEASE has gone away: it is given nothing more. It is
 * answered nonetheless, and then let_go is called on from's thread: only that
 * owns it. Once, on from's thread, before the answer was opened. */
void ledger_forget(struct ledger *ledger, struct order *order);

/* Ends a watch that is on: the order's job.id.seq (0: all), client and
 * filter_queue, and the upto_id of the answer. Never refused. A job that has
 * ended is not watched any more; to end that watch again does no harm. */
void ledger_unwatch(struct ledger *ledger, const struct watch_room *room,
    int64_t job_seq, const char *client, const char *queue, int64_t upto_id);

/* Nobody wants to wait for that order any more, which was asked with a hold_ms
 * about that job and has not been answered: if it is held, it is answered now.
 * The asker's thread. Without memory it is answered when it would have been. */
void ledger_hurry(struct ledger *ledger, const struct order *order,
    int64_t job_seq);

/* A run or a post is over; takes it, on its loop's thread. Never refused. */
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
int64_t ledger_consumers_waiting(const struct ledger *ledger);
bool ledger_is_well(const struct ledger *ledger); /* the store writes */
int64_t ledger_silent_ms(const struct ledger *ledger);

#endif
