/* metrics.h - what has been counted since the start.
 *
 * Plain atomic counters and histograms in one struct that main owns; any
 * thread adds, the admin room prints. The table of names is in metrics.c: one
 * line a metric, checked against the manual.
 */
#ifndef CALLBACKD_METRICS_H
#define CALLBACKD_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "callbackd/buf.h"

enum metric {
	METRIC_HTTP_REQUESTS, /* handed to the api */
	METRIC_COMMITS,       /* transactions that were kept */
	METRIC_COMMIT_FAILURES,
	METRIC_DELIVERIES_DELIVERED,
	METRIC_DELIVERIES_DEAD,
	METRIC_DELIVERY_RETRIES,
	METRIC_LEASES, /* jobs given to consumers */
	METRIC_PURGED, /* jobs removed after retention */
	METRIC_RELOADS,
	METRIC_RELOADS_REFUSED, /* out of those */
	METRIC_COUNT,
};

enum metric_histogram {
	HISTOGRAM_ACCEPT,  /* request complete to 202 handed to the socket */
	HISTOGRAM_RUN,     /* one run */
	HISTOGRAM_DELIVER, /* one POST of a callback */
	HISTOGRAM_COMMIT,  /* one transaction, from begin to kept */
	HISTOGRAM_COUNT,
};

#define HISTOGRAM_BUCKETS 16

struct metrics {
	atomic_llong counters[METRIC_COUNT];
	struct {
		atomic_llong buckets[HISTOGRAM_BUCKETS]; /* not cumulative */
		atomic_llong sum_us;
	} histograms[HISTOGRAM_COUNT];
};

void metrics_add(struct metrics *metrics, enum metric metric, int64_t count);
void metrics_observe_us(struct metrics *metrics,
    enum metric_histogram histogram, int64_t us);

/* Prometheus text of all of the above, names and help included. */
void metrics_print(struct metrics *metrics, struct buf *out);

#endif
