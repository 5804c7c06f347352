/* store.h - what is remembered, and how surely.
 *
 * One store, used by one thread, the ledger's: every call may block on a disk.
 * Writes happen between store_begin and store_commit and are all kept or none.
 * A commit that is asked to be durable has reached the disk when it returns
 * STORE_OK; one that is not survives the end of the process, but may be lost
 * with the power (never without those after it). Reads see what was committed
 * and the open transaction. Drivers: SQLite (a file), memory (a model for
 * tests: nothing outlives it). One contract suite holds for all of them.
 */
#ifndef CALLBACKD_STORE_H
#define CALLBACKD_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "callbackd/clock.h"
#include "callbackd/job.h"
#include "callbackd/sign.h"
#include "callbackd/text.h"

enum store_result {
	STORE_OK,
	STORE_MISSING, /* no such row */
	STORE_AGAIN,  /* disk full, I/O error, locked, no memory: nothing of the
	                * transaction is kept; it may work later */
	STORE_BROKEN, /* damaged: a human must act; nothing more is written */
};

struct store; /* opaque */

/* Opens or makes the store of a "sqlite:PATH" or "memory:" URL. NULL, and why_out
 * says why in one line, when it is damaged, foreign, newer or in use; the file
 * is then untouched. full: see durability in callbackd.conf(5). */
struct store *store_open(const char *url, bool full, struct reason *why_out);
void store_close(struct store **store);

/* The last error in words, for the log. */
const char *store_why(const struct store *store);

enum store_result store_begin(struct store *store);
enum store_result store_commit(struct store *store, bool durable);
void store_rollback(struct store *store);

/* Gives the record its id (and, with a callback URL, its delivery's id) at
 * now_ms and adds it with its request. request is borrowed. */
enum store_result store_add_job(struct store *store, struct job *job,
    const struct payload *request, int64_t now_ms);

/* Writes what changes in a job's life: status, attempts, max_attempts,
 * run_at, started_at, finished_at, expires_at, response_*, error*, lease_*,
 * progress*. response: its answer, NULL to keep what is there; borrowed. */
enum store_result store_update_job(struct store *store, const struct job *job,
    const struct payload *response);

/* Gives a job that will end again another id for the delivery of its end, at
 * now_ms: receivers tell events apart by it. */
enum store_result store_renew_delivery(struct store *store, struct job *job,
    int64_t now_ms);

/* Loads a record; *out must be as after job_init. The salt of id must match. */
enum store_result store_get_job(struct store *store, struct uuid id,
    struct job *out);
/* The same by sequence number alone, for callers that know it exists. */
enum store_result store_get_job_seq(struct store *store, int64_t seq,
    struct job *out);

enum payload_kind { PAYLOAD_REQUEST = 0, PAYLOAD_RESPONSE = 1 };
/* The caller owns what is put into *out. STORE_MISSING: none (yet). */
enum store_result store_get_payload(struct store *store, int64_t job_seq,
    enum payload_kind kind, struct payload *out);

/* Idempotency keys: a client's own name for a request. One lives as long as the
 * job it began, and goes with it in store_purge. */
struct store_key {
	int64_t job_seq;
	char fingerprint[SHA256_HEX_SIZE]; /* of the request it came with */
};
enum store_result store_find_key(struct store *store, const char *client,
    const char *key, struct store_key *out);
enum store_result store_add_key(struct store *store, const char *client,
    const char *key, const struct store_key *first);

/* Queues that an operator has stopped, whether or not they are configured. */
enum store_result store_set_paused(struct store *store, const char *queue,
    bool paused);
/* By name. each() may not call the store. */
enum store_result store_each_paused(struct store *store,
    void (*each)(const char *queue, void *arg), void *arg);

/* What the clocks showed when the moments in the store were last right. They are
 * wall time; who sets that clock has to move what waits, too. */
struct store_clock {
	char boot_id[CLOCK_BOOT_ID_SIZE]; /* "": unknown */
	int64_t boot_ms;
	int64_t wall_ms;
	/* What has ended is not moved: when it was before set_at_ms (-1: never
	 * set), it seems older than it is by forward_ms. */
	int64_t set_at_ms;
	int64_t forward_ms; /* >= 0 */
};
/* STORE_MISSING: never written down. */
enum store_result store_get_clock(struct store *store, struct store_clock *out);
enum store_result store_set_clock(struct store *store,
    const struct store_clock *clock);

/* The wall clock was set by by_ms (back when < 0): moves run_at, started_at,
 * expires_at and lease_until of unfinished jobs, and schedule_at and next_at of
 * open deliveries. */
enum store_result store_move_waits(struct store *store, int64_t by_ms);

/* Writes for no other purpose than to see whether writing works. Within a
 * transaction; costs 64 KiB of the file, once. */
enum store_result store_probe(struct store *store);

/* Deliveries. store_add_delivery gives an id at now_ms unless it has one; a
 * delivery that is there under that id is replaced. */
enum store_result store_add_delivery(struct store *store,
    struct delivery *delivery, int64_t now_ms);
/* Writes state, attempts, schedule_at, next_at, ended_at, error,
 * attempts_json. */
enum store_result store_update_delivery(struct store *store,
    const struct delivery *delivery);
enum store_result store_get_delivery(struct store *store, struct uuid id,
    struct delivery *out);
enum store_result store_get_delivery_seq(struct store *store, int64_t seq,
    struct delivery *out);

/* A delivery of that event of the job that is pending or held; STORE_MISSING:
 * there is none. */
enum store_result store_find_open_delivery(struct store *store, int64_t job_seq,
    enum job_event event, int64_t *seq_out);

/* Lists, newest id first. Bounded work: at most scan_max rows are looked at; a
 * list that stopped early gives *next_seq_out > 0 to go on from (rows below
 * it), 0 at the end. each() borrows the record and may not call the store. */
struct job_filter {
	int64_t below_seq;  /* 0: from the newest */
	int64_t since_ms;   /* accepted at or after, as its id says; -1: any */
	int64_t until_ms;   /* accepted before; -1: any */
	int status;         /* enum job_status; -1: any */
	const char *queue;  /* NULL: any */
	const char *client; /* NULL: any */
	int limit;          /* >= 1 */
	int scan_max;       /* >= limit */
};
enum store_result store_list_jobs(struct store *store,
    const struct job_filter *filter,
    void (*each)(const struct job *job, void *arg), void *arg,
    int64_t *next_seq_out);

struct delivery_filter {
	int64_t below_seq;
	int64_t since_ms, until_ms; /* of the event; -1: no bound */
	int state;                  /* enum delivery_state; -1: any */
	int limit, scan_max;
};
enum store_result store_list_deliveries(struct store *store,
    const struct delivery_filter *filter,
    void (*each)(const struct delivery *delivery, void *arg), void *arg,
    int64_t *next_seq_out);

/* Everything unfinished, that of the oldest job first, for the start: small facts only, since
 * there may be millions. Return false from each to stop; it may not call the
 * store. */
struct open_job {
	int64_t seq;
	int64_t run_at_ms;
	int64_t expires_at_ms;
	int64_t request_bytes;
	int64_t lease_until_ms; /* -1: no consumer holds it */
	int64_t started_at_ms;  /* of the latest run; -1: none */
	int32_t priority, attempts, max_attempts;
	enum job_status status;
	const char *queue;        /* borrowed */
	const char *client;       /* borrowed */
	const char *ordering_key; /* borrowed; NULL: none */
};
enum store_result store_each_open_job(struct store *store,
    bool (*each)(const struct open_job *job, void *arg), void *arg);

struct open_delivery {
	int64_t seq;
	int64_t next_at_ms;
	enum delivery_state state; /* pending or held */
	const char *url;           /* borrowed */
};
enum store_result store_each_open_delivery(struct store *store,
    bool (*each)(const struct open_delivery *delivery, void *arg), void *arg);

/* Books: what was ever accepted and ended, against what lies there now.
 * counted_* come from counting rows, the others from running totals that are
 * part of the same transactions; accepted - ended = queued + running. */
struct store_books {
	int64_t accepted, ended;
	int64_t counted_queued, counted_running;
	int64_t deliveries_open;
	int64_t file_bytes, wal_bytes; /* 0 for memory */
};
enum store_result store_count(struct store *store, struct store_books *out);

/* Removes ended jobs that finished before cutoff_ms, with their payloads and
 * ended deliveries; a job with an open delivery stays. Looks at no more than
 * max_rows rows, from *cursor_seq on (0: from the start), and moves it on;
 * back to 0 when it came to the end. Within a transaction. */
enum store_result store_purge(struct store *store, int64_t cutoff_ms,
    int max_rows, int64_t *cursor_seq, int64_t *removed_out);

/* In idle time: keeps the log of the file short. */
void store_tidy(struct store *store);

/* True when the next transaction begins with work that may take a while: the log
 * is to be copied into the file, or the file to be opened anew. */
bool store_has_chores(const struct store *store);

/* Copies a store that may be in use, as of one moment, to a new file beside
 * to_path that takes its name once it is complete and on the disk. Any thread
 * or process; needs no open store. False, and why_out says why, else. */
bool store_backup(const char *url, const char *to_path, struct reason *why_out);

#endif
