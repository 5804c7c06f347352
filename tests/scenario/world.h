/* world.h - a gateway without sockets, threads or waiting.
 *
 * The real ledger, sched, hosts, job room and store, on one thread. The clock
 * is turned by hand (clock.h), dice fall the same way every time (dice.h), and
 * the network is two lists: what was let go stands in them until the test says
 * how it ended. A scenario is written in the words below; each of them lets the
 * ledger take its turns until it would wait for mail, and then checks that
 * its books, its counters and the network agree (check_world).
 *
 * There is one world at a time. What cannot be done fails the test.
 */
#ifndef TESTS_SCENARIO_WORLD_H
#define TESTS_SCENARIO_WORLD_H

#include "callbackd/ledger.h"
#include "callbackd/sched.h"

#include "clock.h"
#include "dice.h"
#include "sick_store.h"

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

/* ---- birth and death; make_world and end_world are a test's fixture ---- */

/* A conf with the queues "work" (2 slots, 100 places, 3 attempts, waits of 1, 2,
 * 4 .. 60 s) and "other" (the same), gaps of 5 s, 5 min and 30 min between
 * deliveries, breakers that open after 10 failures. Nothing is open yet. */
void make_world(void);
struct conf *world_conf(void);
struct conf_queue *queue_named(const char *name);
/* The store becomes a file, which outlives a crash. Before open_world. */
void use_file_store(void);

void open_world(void);
/* As kill -9: what was under way is gone, only the store is left. */
void crash_world(void);
void stop_world(void);   /* as SIGTERM with an expired drain_timeout */
void reopen_world(void); /* crash_world, open_world */
/* A conf without that queue is used from now on. Its jobs stay. */
void reload_without(const char *queue);
void reload_whole(void);
void end_world(void);

struct ledger *world_ledger(void);
struct queue_gauge *gauge_of(const char *queue);

/* ---- time ---- */

/* The ledger is woken exactly when it asked to be: what it forgets to ask for
 * does not happen. */
void let_time_pass(int64_t ms);
/* Turns until the ledger would wait. */
void settle(void);
void take_one_turn(void);
void check_world(void);
/* No place, no byte, no slot of it is taken. */
void nothing_is_held(const char *queue);

/* ---- clients ---- */

struct wish {
	const char *queue;  /* NULL: "work" */
	const char *client; /* NULL: "" */
	int sooner;         /* priority 5 less that: 5 goes first, -4 last */
	int64_t delay_ms;
	int64_t expires_ms;   /* 0: never */
	int32_t attempts;     /* 0: the queue's */
	const char *callback; /* URL */
	const char *failure;  /* URL */
	unsigned events;      /* 0: the terminal ones */
	const char *body;     /* NULL: empty */
	const char *key;      /* Idempotency-Key */
};

/* Accepts it, or fails the test. */
struct uuid submit(const struct wish *wish);
struct uuid submit_plain(void); /* to "work", no callback */
/* Two jobs that hold both slots of "work". */
void fill_slots(struct uuid busy[2]);

enum refusal { TAKEN, REPLAYED, MISMATCH, NO_PLACE, UNAVAILABLE, NO_ROOM };
enum refusal try_submit(const struct wish *wish, struct uuid *id_out);

/* The same without letting the ledger take a turn: for what comes together.
 * answer_to settles, and gives what became of it. */
int send_wish(const struct wish *wish);
enum refusal answer_to(int ticket, struct uuid *id_out);

/* Asks and waits for the answer; the test frees it. */
struct order *new_order(enum order_kind kind);
struct order *ask(struct order *order);
/* Asks without a turn; *answer_out is set when there is an answer. */
void ask_later(struct order *order, struct order **answer_out);
struct order *ask_job(struct uuid id);
enum order_result redeliver(struct uuid delivery);
/* A run of it goes on until the test ends it, as DROPPED for example. */
enum order_result cancel(struct uuid job);

/* Of the job document as a client sees it. */
enum job_status status_of(struct uuid job);
int32_t attempts_of(struct uuid job);
enum job_error error_of(struct uuid job);
int64_t position_of(struct uuid job);
int64_t estimated_wait_of(struct uuid job);
bool has_delivery(struct uuid job);
enum delivery_state delivery_state_of(struct uuid job);
int32_t delivery_attempts_of(struct uuid job);
struct uuid delivery_of(struct uuid job);

/* ---- the false upstream ---- */

struct run_end {
	enum verdict verdict;
	enum job_error error;
	int status;
	int64_t asked_s; /* Retry-After; 0: none */
	const char *body;
};
extern const struct run_end WELL;   /* 200 */
extern const struct run_end BUSY;   /* 503 */
extern const struct run_end BAD;    /* 400 */
extern const struct run_end NOBODY; /* connection refused */

extern const struct run_end DROPPED; /* as the ledger asked for */

int runs_under_way(void);
int runs_begun(void); /* since make_world */
bool is_under_way(struct uuid job);
struct run *run_of(struct uuid job); /* fails when there is none */
struct uuid run_at(int place);       /* 0: begun first */
void end_run_with(struct uuid job, const struct run_end *end);
/* Without a turn. */
void give_back_run(struct uuid job, const struct run_end *end);
/* The ledger has asked for its end. */
bool is_told_to_end(struct uuid job);
/* As long as any runs or will run at once. */
void end_all_runs_with(const struct run_end *end);

/* ---- the false receiver ---- */

struct post_end {
	enum verdict verdict;
	enum job_error error;
	int status;
	int64_t asked_s;
};
extern const struct post_end THANKS;    /* 204 */
extern const struct post_end NOT_NOW;   /* 503 */
extern const struct post_end NO_SUCH;   /* 404: fails, but the host is well */
extern const struct post_end GONE;      /* 410 */
extern const struct post_end NO_ANSWER; /* connect timeout */

int posts_under_way(void);
int posts_begun(void);
bool is_being_posted(struct uuid job);
struct post *post_of(struct uuid job); /* the one let go first */
struct post *post_at(int place);
void end_post_with(struct uuid job, const struct post_end *end);
void give_back_post(struct uuid job, const struct post_end *end);

bool same(struct uuid a, struct uuid b);

#endif
