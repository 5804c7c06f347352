/* command.c - one run, one program.
 *
 *   start ──► runs ── its leader ends ──────────────────► judged, given back
 *               │                                             ▲
 *               └─ deadline, too much output, cancelled       │
 *                    └─► SIGTERM ── 2 s ──► SIGKILL ── ends ──┘
 *
 * 1. A run is given back only after its program has been reaped: its slot is
 *    free when its process is gone, and a job is never in two programs.
 * 2. The run ends with the leader of the group. What is left of the group then
 *    is killed before the leader is reaped, while its number is still taken;
 *    what it had written by then is the result, even if somebody else still
 *    holds the pipe open.
 * 3. Nothing here waits but the start (child.h) and the abandoning.
 *
 * Thread: its loop's.
 */
#include "callbackd/command.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/text.h"
#include "environment.h"
#include "errand.h"

#define GRACE_MS 2000 /* from SIGTERM to SIGKILL; in callbackd.8 */
#define REAP_MS 5000  /* a killed process that takes longer is stuck */

struct command {
	struct loop *loop;
	struct conf *conf;
	char *folder; /* of the conf's file, which a reload does not change;
	               * NULL: none */
	struct roster roster;
	void (*ended)(struct run *run, void *arg);
	void *arg;
};

/* ---- birth and death ---- */

/* Where commands work: relative names mean the same as in the file. */
static char *
folder_of(const struct conf *conf)
{
	if (conf->path == NULL)
		return NULL;
	return text_copy_n(conf->path,
	    (size_t)(strrchr(conf->path, '/') - conf->path) + 1);
}

struct command *
command_new(struct loop *loop, struct conf *conf,
    void (*ended)(struct run *run, void *arg), void *arg)
{
	struct command *command = calloc(1, sizeof(*command));

	if (command == NULL)
		return NULL;
	command->loop = loop;
	command->conf = conf_ref(conf);
	command->folder = folder_of(conf);
	command->ended = ended;
	command->arg = arg;
	if (command->folder == NULL && conf->path != NULL)
		command_free(&command);
	return command;
}

static void
free_watches(struct errand *errand)
{
	streams_free_watches(errand);
	loop_watch_free(&errand->end_watch);
	loop_timer_free(&errand->timer);
}

/* Its child has been reaped, or never was. */
static void
drop_errand(struct errand *errand)
{
	roster_leave(&errand->entry);
	free_watches(errand);
	buf_free(&errand->output);
	free(errand->result_type);
	free(errand);
}

static struct errand *
add_errand(struct command *command, struct run *run)
{
	struct errand *errand = calloc(1, sizeof(*errand));

	if (errand == NULL)
		return NULL;
	errand->command = command;
	errand->loop = command->loop;
	roster_join(&command->roster, &errand->entry, run);
	return errand;
}

/* All are killed before the first is waited for. */
void
command_abandon(struct command *command)
{
	struct roster_entry *entry = command->roster.first;
	struct child_end end;

	for (; entry != NULL; entry = entry->next)
		child_signal(&((struct errand *)entry)->child, SIGKILL);
	while ((entry = command->roster.first) != NULL) {
		struct errand *errand = (struct errand *)entry;

		free_watches(errand);
		(void)child_reap(&errand->child, REAP_MS, &end);
		run_free(&entry->run);
		drop_errand(errand);
	}
}

void
command_free(struct command **command)
{
	if (*command == NULL)
		return;
	command_abandon(*command);
	conf_unref(&(*command)->conf);
	free((*command)->folder);
	free(*command);
	*command = NULL;
}

void
command_follow(struct command *command, struct conf *conf)
{
	conf_unref(&command->conf);
	command->conf = conf_ref(conf);
}

/* ---- what came of it ---- */

static void
give_back(struct command *command, struct run *run)
{
	command->ended(run, command->arg);
}

/* The program was never begun. */
static void
fail_run(struct command *command, struct run *run, enum verdict verdict,
    enum job_error error, const char *why)
{
	run->verdict = verdict;
	run->error = error;
	run->never_began = true;
	(void)snprintf(run->detail, sizeof(run->detail), "%s", why);
	give_back(command, run);
}

/* ---- ending it ---- */

void
errand_end_early(struct errand *errand, enum job_error why)
{
	if (errand->why != ERROR_NONE)
		return;
	errand->why = why;
	child_signal(&errand->child, SIGTERM);
	loop_timer_set(errand->timer, GRACE_MS);
}

static void
timer_cb(void *arg)
{
	struct errand *errand = arg;

	if (errand->why != ERROR_NONE)
		child_signal(&errand->child, SIGKILL);
	else
		errand_end_early(errand,
		    errand->output.len > 0 ? ERROR_TIMEOUT_BODY
					   : ERROR_TIMEOUT_HEADERS);
}

/* ---- its end ---- */

static void
end_cb(void *arg)
{
	struct errand *errand = arg;
	struct command *command = errand->command;
	struct run *run = errand->entry.run;
	struct child_end end;
	bool has_ended = child_has_ended(&errand->child);

	if (!has_ended)
		return; /* called for nothing; see loop.h */
	child_signal(&errand->child, SIGKILL);
	streams_drain(errand);
	free_watches(errand);
	has_ended = child_reap(&errand->child, 0, &end);
	assert(has_ended);
	outcome_judge(errand, &end);
	drop_errand(errand);
	give_back(command, run);
}

/* ---- its beginning ---- */

/* Everything that could be missing is made before the program begins, but for
 * the watches of its descriptors. */
static bool
prepare(struct errand *errand, const struct conf_queue *queue)
{
	buf_init(&errand->output, (size_t)queue->max_result_bytes);
	errand->result_type = text_copy(queue->result_type);
	errand->timer = loop_timer_new(errand->command->loop, timer_cb, errand);
	return errand->result_type != NULL && errand->timer != NULL;
}

static bool
watch_child(struct errand *errand)
{
	errand->end_watch = loop_watch_new(errand->loop, errand->child.end_fd,
	    LOOP_WISH_READ, end_cb, errand);
	return errand->end_watch != NULL && streams_open(errand);
}

/* 0, or the errno of what failed. */
static int
begin(struct errand *errand, const struct conf_queue *queue, int64_t timeout_ms)
{
	struct loop *loop = errand->command->loop;
	struct environment environment;
	int error = environment_make(&environment, errand->entry.run,
	    loop_wall_ms(loop) + timeout_ms);

	if (error != 0)
		return error;
	const struct child_plan plan = {
		.argv = queue->command,
		.environment = environment.variables,
		.folder = errand->command->folder,
	};
	error = child_begin(&plan, &errand->child);
	environment_free(&environment);
	errand->begun_mono_ms = loop_mono_ms(loop);
	return error;
}

/* Ours is what may be otherwise in a moment; what else can go wrong is the
 * operator's, but for a request that no program could be given. */
static void
fail_start(struct command *command, struct run *run, int error)
{
	char why[128];
	bool is_ours = error == EAGAIN || error == ENOMEM || error == EMFILE ||
	    error == ENFILE || error == ENOSYS;

	if (error == E2BIG) {
		fail_run(command, run, VERDICT_FINAL, ERROR_COMMAND_FAILED,
		    "not started: the request does not fit into an "
		    "environment");
		return;
	}
	(void)snprintf(why, sizeof(why), "not started: %s",
	    strerrordesc_np(error));
	fail_run(command, run, VERDICT_RETRY,
	    is_ours ? ERROR_INTERNAL : ERROR_COMMAND_FAILED, why);
}

/* It runs, but nothing will be heard of it. */
static void
break_off(struct errand *errand)
{
	struct command *command = errand->command;
	struct run *run = errand->entry.run;
	struct child_end end;

	child_signal(&errand->child, SIGKILL);
	free_watches(errand);
	(void)child_reap(&errand->child, REAP_MS, &end);
	drop_errand(errand);
	run->verdict = VERDICT_RETRY;
	run->error = ERROR_INTERNAL;
	(void)snprintf(run->detail, sizeof(run->detail),
	    "no memory to follow it");
	give_back(command, run);
}

void
command_start(struct command *command, struct run *run)
{
	const struct conf_queue *queue = conf_queue_find(command->conf,
	    run->job.queue);
	struct errand *errand;
	int64_t timeout_ms;
	int error;

	if (queue == NULL || queue->executor != EXECUTOR_COMMAND) {
		fail_run(command, run, VERDICT_RETRY, ERROR_INTERNAL,
		    "the queue is no longer configured");
		return;
	}
	timeout_ms = roster_timeout_ms(queue, &run->job);
	errand = add_errand(command, run);
	error = errand != NULL && prepare(errand, queue)
	    ? begin(errand, queue, timeout_ms)
	    : ENOMEM;
	if (error != 0) {
		if (errand != NULL)
			drop_errand(errand);
		fail_start(command, run, error);
		return;
	}
	if (!watch_child(errand)) {
		break_off(errand);
		return;
	}
	loop_timer_set(errand->timer, timeout_ms);
}

void
command_cancel(struct command *command, int64_t job_seq)
{
	struct roster_entry *entry = roster_find(&command->roster, job_seq);

	if (entry != NULL)
		errand_end_early((struct errand *)entry, ERROR_CANCELLED);
}
