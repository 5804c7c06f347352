/* sqlite.h - what the files of the SQLite driver share.
 *
 * sqlite.c keeps transactions, sqlite_rows.c records, sqlite_lists.c many of
 * them, sqlite_clock.c their moments, sqlite_file.c the file, sqlite_log.c the
 * log beside it, sqlite_backup.c copies of both.
 */
#ifndef CALLBACKD_STORE_SQLITE_H
#define CALLBACKD_STORE_SQLITE_H

#include <sqlite3.h>

#include "driver.h"
#include "schema.h"

/* How long a foreign writer (the sqlite3 shell) may keep us waiting. */
#define SQLITE_BUSY_MS 1000

/* performance.md 2.4: between 200 and 16000 the choice does not matter for the
 * mean. With pages of 4 KiB a copy stays below some 10 ms. */
#define CHECKPOINT_FRAMES 2000

/* Of the log, written in one piece: some 15 pages, a transaction of a few jobs.
 * Beyond that the calls no longer matter. */
#define LOG_HELD_BYTES 65536

struct sqlite {
	struct driver base; /* first */
	char *path;         /* absolute, owned */
	char *log_path;     /* the write-ahead log beside it, owned */
	int lock_fd;        /* holds the file for this process */
	bool is_full;       /* durable commits wait for the disk */

	sqlite3 *db; /* NULL: could not be opened again (yet) */
	sqlite3_stmt *statements[STATEMENT_COUNT];
	bool is_suspect; /* the log may not be on the disk as we wrote it */
	int64_t mark;    /* last one kept; see heal() in sqlite.c */

	/* The log's file, with our own write and sync; see sqlite_log.c. */
	sqlite3_io_methods log_methods;
	const sqlite3_io_methods *system_methods;
	bool may_skip_sync;   /* the commit under way is not durable */
	bool is_header_fresh; /* the log's header was written, not synced */
	int held_len;         /* bytes not given to the system yet */
	int64_t held_at;      /* where they belong */
	unsigned char held[LOG_HELD_BYTES];

	int log_frames;    /* pages in the log */
	int checkpoint_at; /* copy them home from this many on */
};

/* Notes the error of a step in words and says what it means to the caller. */
enum store_result sqlite_failed(struct sqlite *self, const char *step, int rc);

/* A statement, ready for its parameters; NULL while there is no connection. */
sqlite3_stmt *sqlite_statement(struct sqlite *self, enum statement which);
/* Runs one that has no rows. */
enum store_result sqlite_run(struct sqlite *self, enum statement which);

/* sqlite_file.c: the file and the connection. */
enum store_result sqlite_connect(struct sqlite *self);
/* copy_log: bring the file up to date and remove the log, if that works. */
void sqlite_disconnect(struct sqlite *self, bool copy_log);
bool sqlite_claim_file(struct sqlite *self, const char *place,
    struct reason *why_out);
void sqlite_give_up_file(struct sqlite *self);
/* Writes the log's bytes once more and syncs them: whatever an earlier sync
 * has said, STORE_OK means that they are on the disk now. */
enum store_result sqlite_rewrite_log(struct sqlite *self);

/* sqlite_log.c: puts our methods in front of the system's, for the log of this
 * connection. An SQLite result. */
int sqlite_take_over_log(struct sqlite *self);
/* After a transaction that failed. */
void sqlite_forget_held(struct sqlite *self);

/* sqlite_backup.c */
enum store_result sqlite_backup(const char *place, const char *to_path,
    struct reason *why_out);

/* A statement, and the parameter or column whose turn it is. */
struct cursor {
	sqlite3_stmt *statement;
	int at; /* parameters from 1, columns from 0 */
	bool is_damaged;
	bool is_short_of_memory;
};

/* The columns of a row, from the cursor on, into an empty record. */
void sqlite_take_delivery(struct cursor *cursor, struct delivery *delivery);
/* What came of it; the record must be cleared either way. */
enum store_result sqlite_taken(struct sqlite *self,
    const struct cursor *cursor);

/* sqlite_rows.c and sqlite_lists.c: see driver.h. */
enum store_result sqlite_add_job(struct driver *driver, const struct job *job,
    const struct payload *request);
enum store_result sqlite_update_job(struct driver *driver,
    const struct job *job, const struct payload *response, bool *had_ended_out);
enum store_result sqlite_renew_delivery(struct driver *driver,
    const struct job *job);
enum store_result sqlite_get_job(struct driver *driver, int64_t seq,
    struct job *out);
enum store_result sqlite_get_payload(struct driver *driver, int64_t job_seq,
    enum payload_kind kind, struct payload *out);
enum store_result sqlite_add_key(struct driver *driver, const char *client,
    const char *key, const struct store_key *first);
enum store_result sqlite_find_key(struct driver *driver, const char *client,
    const char *key, struct store_key *out);
enum store_result sqlite_add_delivery(struct driver *driver,
    const struct delivery *delivery);
enum store_result sqlite_update_delivery(struct driver *driver,
    const struct delivery *delivery);
enum store_result sqlite_get_delivery(struct driver *driver, int64_t seq,
    struct delivery *out);
enum store_result sqlite_find_open_delivery(struct driver *driver,
    int64_t job_seq, enum job_event event, int64_t *seq_out);
enum store_result sqlite_set_paused(struct driver *driver, const char *queue,
    bool paused);
enum store_result sqlite_each_paused(struct driver *driver,
    void (*each)(const char *queue, void *arg), void *arg);
enum store_result sqlite_get_clock(struct driver *driver,
    struct store_clock *out);
enum store_result sqlite_set_clock(struct driver *driver,
    const struct store_clock *clock);
enum store_result sqlite_move_waits(struct driver *driver, int64_t by_ms);
enum store_result sqlite_list_jobs(struct driver *driver,
    const struct job_filter *filter,
    void (*each)(const struct job *job, void *arg), void *arg,
    int64_t *next_seq_out);
enum store_result sqlite_list_deliveries(struct driver *driver,
    const struct delivery_filter *filter,
    void (*each)(const struct delivery *delivery, void *arg), void *arg,
    int64_t *next_seq_out);
enum store_result sqlite_each_open_job(struct driver *driver,
    bool (*each)(const struct open_job *job, void *arg), void *arg);
enum store_result sqlite_each_open_delivery(struct driver *driver,
    bool (*each)(const struct open_delivery *delivery, void *arg), void *arg);

#endif
