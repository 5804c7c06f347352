/* exposition.c - queues, books and the process as Prometheus text.
 *
 * A family is printed with all its samples together, as the format wants it:
 * one table row a family of the queues. Labels are names the operator chose and
 * words of our own; never a URL, a client or an id.
 */
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include "inside.h"

static int64_t
load(const atomic_llong *number)
{
	return atomic_load_explicit((atomic_llong *)number,
	    memory_order_relaxed);
}

static void
print_head(struct buf *out, const char *name, const char *type,
    const char *help)
{
	(void)buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
	    type);
}

/* ---- queues ---- */

static const struct family {
	const char *name;
	const char *type;
	const char *help;
	size_t offset; /* of the number in struct queue_gauge */
} families[] = {
	{ "callbackd_queue_jobs", "gauge",
	    "Jobs that wait, delayed and retried ones included.",
	    offsetof(struct queue_gauge, queued) },
	{ "callbackd_queue_running_jobs", "gauge", "Jobs that run now.",
	    offsetof(struct queue_gauge, running) },
	{ "callbackd_queue_places", "gauge",
	    "Places taken, out of the queue's capacity.",
	    offsetof(struct queue_gauge, places) },
	{ "callbackd_queue_place_bytes", "gauge",
	    "Request bytes of the jobs that hold a place.",
	    offsetof(struct queue_gauge, place_bytes) },
	{ "callbackd_jobs_accepted_total", "counter", "Jobs answered with 202.",
	    offsetof(struct queue_gauge, accepted) },
	{ "callbackd_jobs_refused_full_total", "counter",
	    "Requests refused because the queue was full.",
	    offsetof(struct queue_gauge, refused_full) },
	{ "callbackd_runs_retried_total", "counter",
	    "Runs that failed and will be tried again.",
	    offsetof(struct queue_gauge, retried) },
};

static void
print_family(const struct family *family, const struct queue_gauge *first,
    struct buf *out)
{
	print_head(out, family->name, family->type, family->help);
	for (; first != NULL; first = first->next) {
		const atomic_llong *number =
		    (const atomic_llong *)((const char *)first +
			family->offset);

		(void)buf_printf(out, "%s{queue=\"%s\"} %lld\n", family->name,
		    first->name, (long long)load(number));
	}
}

static void
print_ended(const struct queue_gauge *gauge, struct buf *out)
{
	static const enum job_status ends[] = { JOB_SUCCEEDED, JOB_FAILED,
		JOB_CANCELLED };

	print_head(out, "callbackd_jobs_ended_total", "counter",
	    "Jobs that ended, by how.");
	for (; gauge != NULL; gauge = gauge->next)
		for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
			(void)buf_printf(out,
			    "callbackd_jobs_ended_total{queue=\"%s\","
			    "status=\"%s\"} %lld\n",
			    gauge->name, job_status_name(ends[i]),
			    (long long)load(&gauge->ended[ends[i]]));
}

static void
print_errors(const struct queue_gauge *gauge, struct buf *out)
{
	print_head(out, "callbackd_run_errors_total", "counter",
	    "Runs that failed, by error type.");
	for (; gauge != NULL; gauge = gauge->next)
		for (enum job_error error = 1; error < JOB_ERROR_COUNT;
		     error++) {
			int64_t count = load(&gauge->errors[error]);

			if (count > 0)
				(void)buf_printf(out,
				    "callbackd_run_errors_total{queue=\"%s\","
				    "type=\"%s\"} %lld\n",
				    gauge->name, job_error_name(error),
				    (long long)count);
		}
}

void
print_queues(const struct queue_gauge *first, struct buf *out)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		print_family(&families[i], first, out);
	print_ended(first, out);
	print_errors(first, out);
}

/* ---- the store's books ---- */

static void
print_number(struct buf *out, const char *name, const char *type,
    const char *help, int64_t number)
{
	print_head(out, name, type, help);
	(void)buf_printf(out, "%s %lld\n", name, (long long)number);
}

void
print_books(const struct store_books *books, struct buf *out)
{
	print_number(out, "callbackd_store_jobs_accepted_total", "counter",
	    "Jobs ever written down.", books->accepted);
	print_number(out, "callbackd_store_jobs_ended_total", "counter",
	    "Jobs ever ended.", books->ended);
	print_number(out, "callbackd_conservation_drift", "gauge",
	    "accepted - ended - queued - running, the last two by counting "
	    "rows; anything but 0 is a fault.",
	    books->accepted - books->ended - books->counted_queued -
		books->counted_running);
	print_number(out, "callbackd_deliveries_open", "gauge",
	    "Events not yet delivered or dead.", books->deliveries_open);
	print_number(out, "callbackd_store_file_bytes", "gauge",
	    "Size of the store's file.", books->file_bytes);
	print_number(out, "callbackd_store_wal_bytes", "gauge",
	    "Size of the store's write-ahead log.", books->wal_bytes);
}

/* ---- the process ---- */

static int64_t
resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long long total;
	long long resident = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%lld %lld", &total, &resident) != 2)
		resident = 0;
	(void)fclose(file);
	return resident * sysconf(_SC_PAGESIZE);
}

void
print_process(const struct admin *admin, struct buf *out)
{
	print_number(out, "callbackd_connections", "gauge",
	    "Client connections open now.",
	    atomic_load(&admin->client_gate->connections));
	print_number(out, "callbackd_connections_accepted_total", "counter",
	    "Client connections accepted.",
	    load(&admin->client_gate->accepted));
	print_number(out, "callbackd_requests_malformed_total", "counter",
	    "Requests that the guard turned away.",
	    load(&admin->client_gate->refused));
	print_number(out, "callbackd_runs_under_way", "gauge",
	    "Runs that loops work on now.",
	    ledger_runs_under_way(admin->ledger));
	print_number(out, "callbackd_deliveries_under_way", "gauge",
	    "Callbacks being POSTed now.",
	    ledger_posts_under_way(admin->ledger));
	print_number(out, "callbackd_consumers_waiting", "gauge",
	    "Consumers that wait for a job now.",
	    ledger_consumers_waiting(admin->ledger));
	print_number(out, "callbackd_resident_memory_bytes", "gauge",
	    "Resident memory of the process.", resident_bytes());
}
