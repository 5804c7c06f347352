/* test_retention.c - a store that has been full for long is not larger than one
 * that has been full once.
 *
 * Clients submit without a pause, for many times the retention: the files grow
 * to what a retention holds and then no more, while nobody waits for the purge.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "drill.h"

#define CLIENTS 4
#define RETENTION_MS 1000
#define WARM_MS (4 * RETENTION_MS) /* then the files have their size */
#define WHOLE_MS (12 * RETENTION_MS)
#define STEP_BYTES (8 << 20)     /* the log's pages come in such steps */
#define LOG_MAX_BYTES (24 << 20) /* callbackd.db-wal, at any time */
#define PAUSE_MAX_MS 1000        /* the longest answer of all */

struct crowd {
	struct world *world;
	atomic_bool must_stop;
	atomic_long accepted, refused, slowest_ms;
	char body[2049];
};

struct member {
	struct crowd *crowd;
	pthread_t thread;
	unsigned number;
	char first[ID_SIZE];
};

/* ---- clients ---- */

static void
note_answer(struct member *self, const struct reply *reply, int64_t took_ms)
{
	struct crowd *crowd = self->crowd;
	long slowest = atomic_load(&crowd->slowest_ms);

	while (took_ms > slowest &&
	    !atomic_compare_exchange_weak(&crowd->slowest_ms, &slowest,
		took_ms))
		continue;
	if (reply->status != 202) {
		atomic_fetch_add(&crowd->refused, 1);
		return;
	}
	if (self->first[0] == '\0')
		(void)head_says(reply, "Job-Id", self->first, ID_SIZE);
	atomic_fetch_add(&crowd->accepted, 1);
}

static void *
run_client(void *arg)
{
	struct member *self = arg;
	struct crowd *crowd = self->crowd;
	struct client client;
	struct reply reply;
	char fields[256];
	unsigned sent = 0;

	if (!client_try_open(&client, crowd->world->api))
		return NULL;
	while (!atomic_load(&crowd->must_stop)) {
		int64_t began = now_mono_ms();

		snprintf(fields, sizeof(fields),
		    "Callback-URL: %s/ok\r\nIdempotency-Key: k%u-%u\r\n",
		    crowd->world->receiver.url, self->number, sent++);
		if (!try_ask(&client, "POST", "/mill/echo", fields, crowd->body,
			&reply))
			break;
		note_answer(self, &reply, now_mono_ms() - began);
		reply_clear(&reply);
	}
	client_close(&client);
	return NULL;
}

/* ---- sizes ---- */

struct sizes {
	long file, log;
};

static long
size_of(const struct world *world, const char *name)
{
	char path[PATH_SIZE];
	struct stat facts;

	snprintf(path, sizeof(path), "%.400s/%s", world->folder, name);
	return stat(path, &facts) == 0 ? (long)facts.st_size : 0;
}

/* The largest they were until that moment. */
static struct sizes
watch_until(const struct world *world, int64_t until_mono_ms)
{
	struct sizes most = { 0, 0 };

	while (patience_lasts(until_mono_ms)) {
		long file = size_of(world, "callbackd.db");
		long log = size_of(world, "callbackd.db-wal");

		most.file = file > most.file ? file : most.file;
		most.log = log > most.log ? log : most.log;
	}
	return most;
}

static bool
is_forgotten(struct world *world, const char *id)
{
	struct reply reply;
	bool is_gone;

	job_get(world, id, &reply);
	is_gone = reply.status == 404;
	reply_clear(&reply);
	return is_gone;
}

static bool
store_is_empty(struct world *world)
{
	struct reply reply;
	bool is_empty;

	api(world, "GET", "/v1/jobs?limit=1", "", NULL, &reply);
	is_empty = look_at(reply_json(&reply), "jobs")->count == 0;
	reply_clear(&reply);
	return is_empty;
}

START_TEST(files_do_not_grow_in_a_steady_state)
{
	static struct crowd crowd;
	struct setup setup = { .top = "retention = \"1s\"\n"
				      "log_level = \"info\"\n",
		.queue = "concurrency = 32\n" };
	struct member members[CLIENTS] = { 0 };
	struct sizes warm, later;
	struct world world;
	int64_t began;

	memset(crowd.body, 'x', sizeof(crowd.body) - 1);
	world_open(&world, &setup);
	crowd.world = &world;
	began = now_mono_ms();
	for (unsigned i = 0; i < CLIENTS; i++) {
		members[i].crowd = &crowd;
		members[i].number = i;
		pthread_create(&members[i].thread, NULL, run_client,
		    &members[i]);
	}
	warm = watch_until(&world, began + WARM_MS);
	later = watch_until(&world, began + WHOLE_MS);
	atomic_store(&crowd.must_stop, true);
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(members[i].thread, NULL);
	drill_say("# %ld jobs, %ld refused, slowest answer %ld ms; file %ld"
		  " KiB, then %ld KiB; log %ld KiB, then %ld KiB",
	    atomic_load(&crowd.accepted), atomic_load(&crowd.refused),
	    atomic_load(&crowd.slowest_ms), warm.file / 1024, later.file / 1024,
	    warm.log / 1024, later.log / 1024);
	ck_assert_int_gt(atomic_load(&crowd.accepted), 1000);
	ck_assert_int_lt(later.file, warm.file + warm.file / 2 + STEP_BYTES);
	ck_assert_int_lt(warm.log, LOG_MAX_BYTES);
	ck_assert_int_lt(later.log, LOG_MAX_BYTES);
	ck_assert_int_lt(atomic_load(&crowd.slowest_ms),
	    patient_ms(PAUSE_MAX_MS));
	/* Then all of it goes, and the books still balance. */
	for (int i = 0; i < CLIENTS; i++)
		wait_until(is_forgotten(&world, members[i].first));
	wait_until(store_is_empty(&world));
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		files_do_not_grow_in_a_steady_state,
	};

	return HARNESS_RUN("retention", cases);
}
