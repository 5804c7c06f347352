/* driver.h - what a kind of store must be able to do.
 *
 * The door (store.c) keeps the order of calls, gives ids and keeps the totals;
 * a driver keeps rows. So a driver may rely on this:
 *
 * 1. begin, writes, then commit or rollback; never two begins.
 * 2. After a failed write or commit the door calls rollback; the driver then
 *    forgets the whole transaction.
 * 3. Ids are set and never given twice. A job's own delivery, that of its
 *    terminal event, has the number after the job's.
 *
 * A result other than STORE_OK or STORE_MISSING comes with words in why.
 */
#ifndef CALLBACKD_STORE_DRIVER_H
#define CALLBACKD_STORE_DRIVER_H

#include <string.h>

#include "callbackd/store.h"

/* What runs along with the rows, kept in the same transactions. */
struct totals {
	int64_t accepted; /* jobs ever added */
	int64_t ended;    /* of them, ended; less those revived */
	int64_t last_seq; /* the last sequence number given out, or more */
};

struct driver {
	const struct driver_ops *ops;
	struct reason why; /* the last error, in words */
};

/* The jobs that a purge may look at: from_seq < seq < to_seq, oldest first. */
struct purge_range {
	int64_t from_seq, to_seq;
	int64_t cutoff_ms; /* finished before */
	int max_rows;
};

struct driver_ops {
	const char *scheme; /* "sqlite:" */

	/* place is the URL without the scheme. */
	struct driver *(
	    *open)(const char *place, bool full, struct reason *why_out);
	void (*close)(struct driver *driver);
	enum store_result (*backup)(const char *place, const char *to_path,
	    struct reason *why_out);

	/* What the last process left. */
	enum store_result (
	    *totals)(struct driver *driver, struct totals *totals_out);

	enum store_result (*begin)(struct driver *driver);
	/* changed: NULL when the totals are as they were. */
	enum store_result (*commit)(struct driver *driver, bool is_durable,
	    const struct totals *changed);
	void (*rollback)(struct driver *driver);

	enum store_result (*add_job)(struct driver *driver,
	    const struct job *job, const struct payload *request);
	/* *had_ended_out: the row's state before. */
	enum store_result (*update_job)(struct driver *driver,
	    const struct job *job, const struct payload *response,
	    bool *had_ended_out);
	/* Writes job.delivery. */
	enum store_result (
	    *renew_delivery)(struct driver *driver, const struct job *job);
	enum store_result (
	    *get_job)(struct driver *driver, int64_t seq, struct job *out);
	enum store_result (*get_payload)(struct driver *driver, int64_t job_seq,
	    enum payload_kind kind, struct payload *out);

	enum store_result (*add_key)(struct driver *driver, const char *client,
	    const char *key, const struct store_key *first);
	enum store_result (*find_key)(struct driver *driver, const char *client,
	    const char *key, struct store_key *out);
	enum store_result (
	    *set_paused)(struct driver *driver, const char *queue, bool paused);
	enum store_result (*each_paused)(struct driver *driver,
	    void (*each)(const char *queue, void *arg), void *arg);
	enum store_result (
	    *get_clock)(struct driver *driver, struct store_clock *out);
	enum store_result (
	    *set_clock)(struct driver *driver, const struct store_clock *clock);
	enum store_result (*move_waits)(struct driver *driver, int64_t by_ms);
	enum store_result (*probe)(struct driver *driver);

	/* Replaces a delivery of the same id. */
	enum store_result (*add_delivery)(struct driver *driver,
	    const struct delivery *delivery);
	enum store_result (*update_delivery)(struct driver *driver,
	    const struct delivery *delivery);
	enum store_result (*get_delivery)(struct driver *driver, int64_t seq,
	    struct delivery *out);

	enum store_result (*find_open_delivery)(struct driver *driver,
	    int64_t job_seq, enum job_event event, int64_t *seq_out);

	enum store_result (*list_jobs)(struct driver *driver,
	    const struct job_filter *filter,
	    void (*each)(const struct job *job, void *arg), void *arg,
	    int64_t *next_seq_out);
	enum store_result (*list_deliveries)(struct driver *driver,
	    const struct delivery_filter *filter,
	    void (*each)(const struct delivery *delivery, void *arg), void *arg,
	    int64_t *next_seq_out);
	enum store_result (*each_open_job)(struct driver *driver,
	    bool (*each)(const struct open_job *job, void *arg), void *arg);
	enum store_result (*each_open_delivery)(struct driver *driver,
	    bool (*each)(const struct open_delivery *delivery, void *arg),
	    void *arg);

	/* Everything but the totals. */
	enum store_result (
	    *count)(struct driver *driver, struct store_books *out);
	/* *last_seq_out: the last job looked at, 0 when none follows in the
	 * range. */
	enum store_result (*purge)(struct driver *driver,
	    const struct purge_range *range, int64_t *last_seq_out,
	    int64_t *removed_out);
	void (*tidy)(struct driver *driver);
	bool (*has_chores)(const struct driver *driver);
};

/* What a filter says beside the order of ids: the same in every driver. */
static inline bool
job_passes(const struct job_filter *filter, int status, const char *queue,
    const char *client)
{
	return (filter->status < 0 || filter->status == status) &&
	    (filter->queue == NULL || strcmp(filter->queue, queue) == 0) &&
	    (filter->client == NULL || strcmp(filter->client, client) == 0);
}

static inline bool
delivery_passes(const struct delivery_filter *filter, int state,
    int64_t created_at_ms)
{
	return (filter->state < 0 || filter->state == state) &&
	    (filter->since_ms < 0 || created_at_ms >= filter->since_ms) &&
	    (filter->until_ms < 0 || created_at_ms < filter->until_ms);
}

/* Where a list of jobs starts and stops: from_seq <= seq < below_seq. */
static inline void
job_bounds(const struct job_filter *filter, int64_t *from_seq_out,
    int64_t *below_seq_out)
{
	int64_t until_seq = filter->until_ms < 0
	    ? INT64_MAX
	    : uuid_seq_at(filter->until_ms);
	int64_t below_seq = filter->below_seq > 0 ? filter->below_seq
						  : INT64_MAX;

	*from_seq_out = filter->since_ms < 0 ? 0
					     : uuid_seq_at(filter->since_ms);
	*below_seq_out = below_seq < until_seq ? below_seq : until_seq;
}

extern const struct driver_ops sqlite_driver;
extern const struct driver_ops memory_driver;

#endif
