/* load.c - sends jobs through a gateway and tells what came of them.
 *
 *   load [--secret-file FILE]
 *
 * One process is the client, the upstream and the receiver of callbacks, so
 * that every job is seen at all its ends by one clock. It says on stdout where
 * the two servers listen, then reads one run a line from stdin and answers each
 * with one CSV line (`columns` prints their names):
 *
 *   run name=callbackd port=8080 path=/bench/ pids=123,124 seconds=5
 *
 * with these keys besides, and their defaults: connections=64
 * outstanding=1000 body=256 rate=0 (0: closed loop) backlog=0 (jobs queued,
 * with the upstream held, before the seconds begin) patience=20 (seconds
 * without any callback after which the rest is missing).
 *
 * A run has up to three phases: fill (the backlog), steady (the seconds), drain
 * (until every accepted job has come back).
 *
 * One thread.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "client.h"
#include "sink.h"
#include "tally.h"
#include "usage.h"
#include "wire.h"

/* How long repeated callbacks are waited for after the last first one, and how
 * long a system may settle before its memory is read. */
static const int64_t linger_ns = 300 * INT64_C(1000000);

struct run {
	char name[64];
	char path[128];
	uint16_t port;
	struct system system;
	double seconds;
	double rate;
	double patience;
	size_t connections;
	size_t outstanding;
	size_t body_bytes;
	size_t backlog;
};

/* What was on the meters at one moment. */
struct reading {
	int64_t at_ns;
	int64_t cpu_us;
	int64_t own_cpu_us;
	size_t accepted;
	size_t ended;
};

struct bench {
	struct wire *wire;
	struct tally tally;
	struct sink *sink;
	struct client *client;
	struct run run;
	struct memory idle; /* before the first job */
	struct memory full; /* with the backlog, or at the end of steady */
	struct memory after;
	struct reading begun;
	struct reading filled; /* without a backlog: begun */
	struct reading released;
	struct reading steady;
	struct reading done;
};

/* ---- the phases ---- */

static struct reading
read_meters(const struct bench *bench)
{
	struct rusage own;

	getrusage(RUSAGE_SELF, &own);
	return (struct reading){ .at_ns = now_ns(),
		.cpu_us = usage_cpu_us(&bench->run.system),
		.own_cpu_us = (own.ru_utime.tv_sec + own.ru_stime.tv_sec) *
			INT64_C(1000000) +
		    own.ru_utime.tv_usec + own.ru_stime.tv_usec,
		.accepted = bench->tally.accepted,
		.ended = bench->tally.ended };
}

/* One turn, not beyond the moment until_ns. */
static void
turn(struct bench *bench, int64_t until_ns)
{
	int64_t due_ns = client_push(bench->client);
	int64_t wait_ns = until_ns - now_ns();

	if (wait_ns < 0)
		wait_ns = 0;
	if (due_ns >= 0 && due_ns < wait_ns)
		wait_ns = due_ns;
	wire_turn(bench->wire, wait_ns);
}

static void
turn_until(struct bench *bench, int64_t until_ns)
{
	while (now_ns() < until_ns)
		turn(bench, until_ns);
}

static size_t
answered_count(const struct tally *tally)
{
	return tally->accepted + tally->refused + tally->lost;
}

static void
fill(struct bench *bench)
{
	size_t backlog = bench->run.backlog;

	bench->filled = bench->begun;
	if (backlog == 0)
		return;
	sink_hold(bench->sink);
	client_flood(bench->client, backlog, SIZE_MAX);
	while (answered_count(&bench->tally) < backlog)
		turn(bench, now_ns() + linger_ns);
	bench->filled = read_meters(bench);
	turn_until(bench, now_ns() + 4 * linger_ns);
	bench->full = usage_memory(&bench->run.system);
}

static void
flow(struct bench *bench)
{
	const struct run *run = &bench->run;

	bench->released = read_meters(bench);
	sink_release(bench->sink);
	if (run->rate > 0)
		client_pace(bench->client, run->rate);
	else
		client_flood(bench->client, SIZE_MAX,
		    run->backlog + run->outstanding);
	turn_until(bench,
	    bench->released.at_ns + (int64_t)(run->seconds * 1e9));
	bench->steady = read_meters(bench);
	if (run->backlog == 0)
		bench->full = usage_memory(&run->system);
}

static void
drain(struct bench *bench)
{
	const struct tally *tally = &bench->tally;
	int64_t patience_ns = (int64_t)(bench->run.patience * 1e9);
	int64_t moved_ns = now_ns();
	size_t seen = 0;

	client_stop(bench->client);
	while (tally_outstanding(tally) > 0 ||
	    answered_count(tally) < tally->count) {
		if (tally->ended + tally->accepted != seen)
			moved_ns = now_ns();
		seen = tally->ended + tally->accepted;
		if (now_ns() - moved_ns > patience_ns)
			break;
		turn(bench, now_ns() + linger_ns);
	}
	turn_until(bench, now_ns() + linger_ns);
	bench->done = read_meters(bench);
	bench->after = usage_memory(&bench->run.system);
}

/* ---- the answer ---- */

static const char columns[] =
    "name,connections,body_bytes,rate,backlog,jobs,accepted,refused,lost,"
    "completed,missing,repeated,wrong,accepted_per_s,completed_per_s,"
    "accept_p50_ms,accept_p99_ms,end_p50_ms,end_p99_ms,cpu_us_per_job,"
    "fill_cpu_us_per_job,steady_cpu_us_per_job,idle_pss_mib,full_pss_mib,"
    "after_pss_mib,idle_rss_mib,full_rss_mib,load_cpu_us_per_job";

static double
per(double amount, double count)
{
	return count > 0 ? amount / count : 0;
}

static double
cpu_between(const struct reading *from, const struct reading *to, size_t jobs)
{
	return per((double)(to->cpu_us - from->cpu_us), (double)jobs);
}

static void
print_rates(const struct bench *bench)
{
	const struct tally *tally = &bench->tally;
	struct percentiles accept = tally_accept_times(tally);
	struct percentiles end = tally_end_times(tally);
	const struct reading *from = &bench->begun;
	double accepted = (double)tally->accepted;
	int64_t accepting_ns = tally->last_accepted_ns - from->at_ns;

	if (bench->run.backlog > 0) {
		accepted = (double)bench->run.backlog;
		accepting_ns = bench->filled.at_ns - from->at_ns;
		from = &bench->released;
	}
	printf(",%.0f,%.0f,%.3f,%.3f,%.3f,%.3f",
	    per(accepted, (double)accepting_ns / 1e9),
	    per((double)tally->ended,
		(double)(tally->last_ended_ns - from->at_ns) / 1e9),
	    accept.p50_ms, accept.p99_ms, end.p50_ms, end.p99_ms);
}

static void
print_costs(const struct bench *bench)
{
	const struct reading *begun = &bench->begun;
	const struct reading *filled = &bench->filled;
	const struct reading *released = &bench->released;
	const struct reading *steady = &bench->steady;
	const struct reading *done = &bench->done;

	printf(",%.1f,%.1f,%.1f", cpu_between(begun, done, done->ended),
	    cpu_between(begun, filled, filled->accepted),
	    cpu_between(released, steady, steady->ended - released->ended));
	printf(",%.1f,%.1f,%.1f,%.1f,%.1f,%.1f\n", bench->idle.pss_mib,
	    bench->full.pss_mib, bench->after.pss_mib, bench->idle.rss_mib,
	    bench->full.rss_mib,
	    per((double)(done->own_cpu_us - begun->own_cpu_us),
		(double)done->ended));
}

static void
print_run(const struct bench *bench)
{
	const struct run *run = &bench->run;
	const struct tally *tally = &bench->tally;

	printf("%s,%zu,%zu,%g,%zu,%zu,%zu,%zu,%zu,%zu,%zu,%zu,%zu", run->name,
	    run->connections, run->body_bytes, run->rate, run->backlog,
	    tally->count, tally->accepted, tally->refused, tally->lost,
	    tally->ended, tally_outstanding(tally), tally->repeated,
	    tally->wrong);
	print_rates(bench);
	print_costs(bench);
	fflush(stdout);
}

static void
perform(struct bench *bench)
{
	const struct run *run = &bench->run;
	struct client_plan plan = { .port = run->port,
		.receiver_port = sink_receiver_port(bench->sink),
		.path = run->path,
		.connections = run->connections,
		.body_bytes = run->body_bytes };

	tally_begin(&bench->tally);
	sink_expect(bench->sink, run->body_bytes);
	bench->idle = usage_memory(&run->system);
	bench->client = client_new(bench->wire, &bench->tally, &plan);
	bench->begun = read_meters(bench);
	fill(bench);
	flow(bench);
	drain(bench);
	client_free(&bench->client);
	print_run(bench);
}

/* ---- the line that says what to do ---- */

static void
read_pids(char *list, struct system *system_out)
{
	char *one;

	while ((one = strsep(&list, ",")) != NULL) {
		if (system_out->count == USAGE_ROOTS_MAX)
			give_up("too many pids");
		system_out->roots[system_out->count++] = (pid_t)strtol(one,
		    NULL, 10);
	}
}

static bool
read_key(struct run *run, const char *key, char *value)
{
	const struct {
		const char *key;
		size_t *count;
	} counts[] = {
		{ "connections", &run->connections },
		{ "outstanding", &run->outstanding },
		{ "body", &run->body_bytes },
		{ "backlog", &run->backlog },
	};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		if (strcmp(key, counts[i].key) == 0) {
			*counts[i].count = strtoul(value, NULL, 10);
			return true;
		}
	}
	if (strcmp(key, "name") == 0)
		snprintf(run->name, sizeof(run->name), "%s", value);
	else if (strcmp(key, "path") == 0)
		snprintf(run->path, sizeof(run->path), "%s", value);
	else if (strcmp(key, "port") == 0)
		run->port = (uint16_t)strtoul(value, NULL, 10);
	else if (strcmp(key, "pids") == 0)
		read_pids(value, &run->system);
	else if (strcmp(key, "seconds") == 0)
		run->seconds = strtod(value, NULL);
	else if (strcmp(key, "rate") == 0)
		run->rate = strtod(value, NULL);
	else if (strcmp(key, "patience") == 0)
		run->patience = strtod(value, NULL);
	else
		return false;
	return true;
}

static bool
read_run(char *line, struct run *run_out)
{
	char *word;

	*run_out = (struct run){ .path = "/",
		.seconds = 5,
		.patience = 20,
		.connections = 64,
		.outstanding = 1000,
		.body_bytes = 256 };
	while ((word = strsep(&line, " ")) != NULL) {
		char *value = strchr(word, '=');

		if (*word == '\0')
			continue;
		if (value == NULL)
			return false;
		*value++ = '\0';
		if (!read_key(run_out, word, value))
			return false;
	}
	return run_out->port != 0 && run_out->connections > 0 &&
	    run_out->body_bytes >= TOKEN_BYTES;
}

static void
obey(struct bench *bench, char *line)
{
	line[strcspn(line, "\n")] = '\0';
	if (strcmp(line, "columns") == 0) {
		puts(columns);
		fflush(stdout);
	} else if (strncmp(line, "run ", 4) == 0 &&
	    read_run(line + 4, &bench->run)) {
		perform(bench);
	} else {
		fprintf(stderr, "load: not understood: %s\n", line);
		exit(64);
	}
}

/* 4096 connections have two ends here, and the servers' ones come on top. */
static void
raise_file_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "secret-file", required_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 },
	};
	const char *secret_file = NULL;
	struct bench bench = { .wire = wire_new() };
	char line[1024];
	int option;

	while ((option = getopt_long(argc, argv, "s:", options, NULL)) != -1) {
		if (option != 's')
			return 64;
		secret_file = optarg;
	}
	raise_file_limit();
	bench.sink = sink_new(bench.wire, &bench.tally, secret_file);
	printf("listening upstream=%u receiver=%u\n",
	    sink_upstream_port(bench.sink), sink_receiver_port(bench.sink));
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) != NULL)
		obey(&bench, line);
	return 0;
}
