/* test_watch_many.c - what watchers cost that have nothing to see.
 *
 * Ten thousand of them, or as many as this process may have descriptors for:
 * half of them streams, half sockets, and of each kind half of all jobs, half of
 * one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "socket.h"
#include "stream.h"

/* A sanitizer's memory is not the daemon's. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WATCHERS 1000
#define MEMORY_COUNTS false
#else
#define WATCHERS 10000
#define MEMORY_COUNTS true
#endif
#define WATCHERS_MIN 500 /* fewer say nothing */
#define WATCHER_MAX_BYTES 10240
#define OTHER_FILES 2600 /* of the daemon, which keeps some for its work */

struct crowd {
	int count;
	struct stream *streams; /* count / 2 */
	struct client *sockets; /* count / 2 */
};

/* The daemon's hard limit is ours. */
static int
how_many(void)
{
	struct rlimit files;
	int count = WATCHERS;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	if (files.rlim_max < WATCHERS + OTHER_FILES)
		count = (int)files.rlim_max - OTHER_FILES;
	return count;
}

static void
open_crowd(struct crowd *crowd, struct world *world, const char *id)
{
	int half = crowd->count / 2;
	char of_job[96];

	snprintf(of_job, sizeof(of_job), "/v1/jobs/%s/events", id);
	crowd->streams = calloc((size_t)half, sizeof(*crowd->streams));
	crowd->sockets = calloc((size_t)half, sizeof(*crowd->sockets));
	ck_assert(crowd->streams != NULL && crowd->sockets != NULL);
	for (int i = 0; i < half; i++) {
		const char *target = i % 2 == 0 ? "/v1/events" : of_job;

		stream_open(&crowd->streams[i], world, target, "");
		socket_open(&crowd->sockets[i], world, target, "");
	}
}

static void
close_crowd(struct crowd *crowd)
{
	for (int i = 0; i < crowd->count / 2; i++) {
		stream_close(&crowd->streams[i]);
		client_close(&crowd->sockets[i]);
	}
	free(crowd->streams);
	free(crowd->sockets);
}

static double
memory_bytes(struct world *world)
{
	return metric(world, "callbackd_resident_memory_bytes");
}

/* What is on its way to who watches the job has come when they have seen it. */
static void
see_the_end(struct crowd *crowd)
{
	for (int i = 0; i < crowd->count / 2; i++) {
		if (i % 2 == 1)
			stream_expect(&crowd->streams[i], "job.queued");
		stream_expect(&crowd->streams[i], "job.cancelled");
	}
}

START_TEST(idle_watchers_cost_less_than_10_kb_each)
{
	struct setup setup = { .top = "max_connections = 11000\n" };
	struct crowd crowd = { .count = how_many() };
	struct world world;
	double before, each;
	char id[ID_SIZE];

	if (crowd.count < WATCHERS_MIN)
		return; /* so few descriptors */
	world_open(&world, &setup);
	submit(&world, "/mill/ok", "Job-Delay: 1h\r\n", "x", id);
	before = memory_bytes(&world);
	open_crowd(&crowd, &world, id);
	ck_assert_double_eq(metric(&world, "callbackd_connections"),
	    crowd.count);
	each = (memory_bytes(&world) - before) / crowd.count;
	ck_assert_double_gt(each, 0);
	ck_assert(!MEMORY_COUNTS || each < WATCHER_MAX_BYTES);
	cancel(&world, id);
	see_the_end(&crowd);
	close_crowd(&crowd);
	wait_until(metric(&world, "callbackd_connections") == 0);
	world_close(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		idle_watchers_cost_less_than_10_kb_each,
	};

	return harness_run_for("watch_many", cases, 1, 60000);
}
