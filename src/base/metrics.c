/* metrics.c - counters and histograms, and the one table of their names.
 *
 * Any thread adds, without order between counters; one thread prints. A
 * histogram's buckets are counted apart and summed up when printed, so that
 * adding touches one bucket.
 */
#include "callbackd/metrics.h"

#include <stddef.h>

static const struct {
	const char *name;
	const char *help;
} counters[METRIC_COUNT] = {
	[METRIC_HTTP_REQUESTS] = { "callbackd_http_requests_total",
	    "Requests handed to the client interface." },
	[METRIC_COMMITS] = { "callbackd_store_commits_total",
	    "Transactions that were kept." },
	[METRIC_COMMIT_FAILURES] = { "callbackd_store_failures_total",
	    "Transactions that failed and left nothing behind." },
	[METRIC_DELIVERIES_DELIVERED] = { "callbackd_deliveries_delivered_total",
	    "Events that a receiver answered with 2xx." },
	[METRIC_DELIVERIES_DEAD] = { "callbackd_deliveries_dead_total",
	    "Events that became dead letters." },
	[METRIC_DELIVERY_RETRIES] = { "callbackd_delivery_retries_total",
	    "Attempts that failed and will be made again." },
	[METRIC_LEASES] = { "callbackd_leases_total",
	    "Jobs given to consumers." },
	[METRIC_PURGED] = { "callbackd_jobs_purged_total",
	    "Jobs removed after their retention." },
	[METRIC_RELOADS] = { "callbackd_reloads_total",
	    "Times that SIGHUP asked for a new configuration." },
	[METRIC_RELOADS_REFUSED] = { "callbackd_reloads_refused_total",
	    "Reloads out of those that changed nothing." },
};

static const struct {
	const char *name;
	const char *help;
} histograms[HISTOGRAM_COUNT] = {
	[HISTOGRAM_ACCEPT] = { "callbackd_accept_duration_seconds",
	    "From a complete request to its 202." },
	[HISTOGRAM_RUN] = { "callbackd_run_duration_seconds",
	    "One run of a job." },
	[HISTOGRAM_DELIVER] = { "callbackd_delivery_duration_seconds",
	    "One POST of a callback." },
	[HISTOGRAM_COMMIT] = { "callbackd_commit_duration_seconds",
	    "One commit of the store." },
};

/* Upper bounds in microseconds; the last bucket has none. */
static const int64_t bounds_us[HISTOGRAM_BUCKETS - 1] = { 100, 250, 500, 1000,
	2500, 5000, 10000, 25000, 100000, 250000, 1000000, 2500000, 10000000,
	60000000, 300000000 };

void
metrics_add(struct metrics *metrics, enum metric metric, int64_t count)
{
	atomic_fetch_add_explicit(&metrics->counters[metric], count,
	    memory_order_relaxed);
}

void
metrics_observe_us(struct metrics *metrics, enum metric_histogram histogram,
    int64_t us)
{
	size_t i = 0;

	while (i < HISTOGRAM_BUCKETS - 1 && us > bounds_us[i])
		i++;
	atomic_fetch_add_explicit(&metrics->histograms[histogram].buckets[i], 1,
	    memory_order_relaxed);
	atomic_fetch_add_explicit(&metrics->histograms[histogram].sum_us, us,
	    memory_order_relaxed);
}

static int64_t
load(const atomic_llong *number)
{
	return atomic_load_explicit((atomic_llong *)number,
	    memory_order_relaxed);
}

static void
print_counter(struct metrics *metrics, enum metric metric, struct buf *out)
{
	const char *name = counters[metric].name;

	(void)buf_printf(out, "# HELP %s %s\n# TYPE %s counter\n%s %lld\n",
	    name, counters[metric].help, name, name,
	    (long long)load(&metrics->counters[metric]));
}

static void
print_histogram(struct metrics *metrics, enum metric_histogram histogram,
    struct buf *out)
{
	const char *name = histograms[histogram].name;
	int64_t count = 0;

	(void)buf_printf(out, "# HELP %s %s\n# TYPE %s histogram\n", name,
	    histograms[histogram].help, name);
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		count += load(&metrics->histograms[histogram].buckets[i]);
		if (i < HISTOGRAM_BUCKETS - 1)
			(void)buf_printf(out, "%s_bucket{le=\"%g\"} %lld\n",
			    name, (double)bounds_us[i] / 1e6, (long long)count);
	}
	(void)buf_printf(out,
	    "%s_bucket{le=\"+Inf\"} %lld\n%s_sum %.6f\n%s_count %lld\n", name,
	    (long long)count, name,
	    (double)load(&metrics->histograms[histogram].sum_us) / 1e6, name,
	    (long long)count);
}

void
metrics_print(struct metrics *metrics, struct buf *out)
{
	for (enum metric metric = 0; metric < METRIC_COUNT; metric++)
		print_counter(metrics, metric, out);
	for (enum metric_histogram i = 0; i < HISTOGRAM_COUNT; i++)
		print_histogram(metrics, i, out);
}
