/* test_backup.c - callbackd --backup: a copy of a store that is in use. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "../system/report.h"
#include "drill.h"

#define CLIENTS 4
#define BEFORE 200 /* acknowledged before the copy begins */
#define COPIES 3

struct crowd {
	struct world *world;
	atomic_bool must_stop;
	atomic_long accepted;
	pthread_mutex_t lock;
	char ids[BEFORE][ID_SIZE]; /* the first ones */
};

/* ---- clients that do not stop meanwhile ---- */

static void
note_id(struct crowd *crowd, const char *id)
{
	long place;

	pthread_mutex_lock(&crowd->lock);
	place = atomic_load(&crowd->accepted);
	if (place < BEFORE)
		snprintf(crowd->ids[place], ID_SIZE, "%s", id);
	atomic_fetch_add(&crowd->accepted, 1);
	pthread_mutex_unlock(&crowd->lock);
}

static void *
run_client(void *arg)
{
	struct crowd *crowd = arg;
	struct client client;
	struct reply reply;
	char id[ID_SIZE], fields[256];

	snprintf(fields, sizeof(fields), "Callback-URL: %s/ok\r\n",
	    crowd->world->receiver.url);
	if (!client_try_open(&client, crowd->world->api))
		return NULL;
	while (!atomic_load(&crowd->must_stop) &&
	    try_ask(&client, "POST", "/mill/echo", fields, "load", &reply)) {
		if (reply.status == 202 &&
		    head_says(&reply, "Job-Id", id, sizeof(id)))
			note_id(crowd, id);
		reply_clear(&reply);
	}
	client_close(&client);
	return NULL;
}

static int
back_up(struct world *world, const char *name, struct process *process)
{
	char program[PATH_SIZE];
	const char *argv[] = { program, "-c", world->conf_path, "--backup",
		name, NULL };

	snprintf(program, sizeof(program), "%s", daemon_program());
	report_absolute(program);
	return process_run(process, world->folder, "backup", argv);
}

/* Starts a daemon on the copy: all that was acknowledged is there, the books
 * balance, and what had not ended ends. */
static void
expect_good_copy(struct world *world, const char *name,
    const struct crowd *crowd)
{
	struct setup setup = { .store = name };
	struct reply reply;

	world_configure(world, &setup);
	daemon_start(world);
	expect_books_balance(world);
	for (int i = 0; i < BEFORE; i++) {
		job_wait(world, crowd->ids[i], "succeeded", &reply);
		reply_clear(&reply);
		callback_wait(world, crowd->ids[i], "delivered", &reply);
		reply_clear(&reply);
	}
	expect_books_balance(world);
	daemon_stop(world);
}

START_TEST(a_backup_under_load_is_a_store)
{
	static struct crowd crowd;
	struct world world;
	struct process process;
	pthread_t clients[CLIENTS];
	char name[64];
	long before;

	world_open(&world, NULL);
	crowd.world = &world;
	pthread_mutex_init(&crowd.lock, NULL);
	for (int i = 0; i < CLIENTS; i++)
		pthread_create(&clients[i], NULL, run_client, &crowd);
	for (int i = 0; i < COPIES; i++) {
		wait_until(atomic_load(&crowd.accepted) >= BEFORE * (i + 1));
		snprintf(name, sizeof(name), "copy-%d.db", i);
		before = atomic_load(&crowd.accepted);
		ck_assert_int_eq(back_up(&world, name, &process), EX_OK);
		ck_assert_msg(!file_says(process.err_path, "\n"), "it spoke");
		/* Nobody waited for it. */
		wait_until(atomic_load(&crowd.accepted) > before);
	}
	atomic_store(&crowd.must_stop, true);
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(clients[i], NULL);
	expect_books_balance(&world);
	daemon_stop(&world);
	for (int i = 0; i < COPIES; i++) {
		snprintf(name, sizeof(name), "sqlite:copy-%d.db", i);
		expect_good_copy(&world, name, &crowd);
	}
	world_close(&world);
}
END_TEST

START_TEST(a_backup_needs_no_daemon_and_replaces_an_older_one)
{
	struct world world;
	struct process process;
	struct setup setup = { .store = "sqlite:copy.db" };
	struct stat facts;
	struct reply reply;
	char first[ID_SIZE], second[ID_SIZE], path[PATH_SIZE];

	world_open(&world, NULL);
	submit(&world, "/mill/ok", "Job-Delay: 1s\r\n", "x", first);
	daemon_kill(&world);
	ck_assert_int_eq(back_up(&world, "copy.db", &process), EX_OK);
	daemon_start(&world);
	submit(&world, "/mill/ok", "Job-Delay: 1s\r\n", "x", second);
	daemon_stop(&world);
	ck_assert_int_eq(back_up(&world, "copy.db", &process), EX_OK);
	snprintf(path, sizeof(path), "%.400s/copy.db", world.folder);
	ck_assert_int_eq(stat(path, &facts), 0);
	ck_assert_int_eq(facts.st_mode & 07777, 0600);
	world_configure(&world, &setup);
	daemon_start(&world);
	job_wait(&world, first, "succeeded", &reply);
	reply_clear(&reply);
	job_wait(&world, second, "succeeded", &reply);
	reply_clear(&reply);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(a_backup_that_cannot_be_made_says_why_and_leaves_nothing)
{
	static const struct {
		const char *store, *to, *words;
	} rows[] = {
		{ "memory:", "copy.db", "memory" },
		{ "sqlite:nowhere.db", "copy.db", "nowhere.db" },
		{ "sqlite:letter.db", "copy.db", "letter.db" },
		{ "sqlite:callbackd.db", "no/such/folder/copy.db", "copy.db" },
	};
	struct world world;
	struct process process;
	char path[PATH_SIZE + 32];

	world_open(&world, NULL);
	daemon_stop(&world);
	snprintf(path, sizeof(path), "%s/letter.db", world.folder);
	file_write(path, "a letter, not a database\n", 0600);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct setup setup = { .store = rows[i].store };

		world_configure(&world, &setup);
		ck_assert_msg(back_up(&world, rows[i].to, &process) ==
			EX_CANTCREAT,
		    "%s: status %d", rows[i].store, process.status);
		ck_assert_msg(file_says(process.err_path, rows[i].words),
		    "%s: it does not say why", rows[i].store);
		snprintf(path, sizeof(path), "%s/copy.db", world.folder);
		ck_assert_int_ne(access(path, F_OK), 0);
	}
	world_close(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		a_backup_under_load_is_a_store,
		a_backup_needs_no_daemon_and_replaces_an_older_one,
		a_backup_that_cannot_be_made_says_why_and_leaves_nothing,
	};

	return HARNESS_RUN("backup", cases);
}
