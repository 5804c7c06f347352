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
 * 3. Why we ended a program counts more than how it ended.
 * 4. Nothing here waits but the start (child.h) and the abandoning.
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
#include <sys/ioctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "callbackd/headers.h"
#include "child.h"
#include "environment.h"
#include "tail.h"

#define GRACE_MS 2000         /* from SIGTERM to SIGKILL; in callbackd.8 */
#define REAP_MS 5000          /* a killed process that takes longer is stuck */
#define PIECE_BYTES 65536     /* of one read: what a pipe holds */

struct command {
	struct loop *loop;
	struct conf *conf;
	char *folder;           /* of the conf's file, which a reload does not
	                         * change; NULL: none */
	struct errand *errands; /* under way */
	char *piece;            /* PIECE_BYTES; what was just read */
	void (*ended)(struct run *run, void *arg);
	void *arg;
};

/* One run under way. */
struct errand {
	struct command *command;
	struct run *run;
	struct child child;
	struct loop_watch *in_watch, *out_watch, *err_watch, *end_watch;
	struct loop_timer *timer; /* of the deadline, then of the grace */
	enum job_error why;       /* we end it; ERROR_NONE: we do not */
	size_t fed_bytes;         /* of the body, so far */
	struct buf output;
	struct tail tail;
	char *result_type;        /* the queue's */
	int64_t begun_mono_ms;
	struct errand *next;
	struct errand **link;
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
	command->piece = malloc(PIECE_BYTES);
	if (command->piece == NULL ||
	    (command->folder == NULL && conf->path != NULL))
		command_free(&command);
	return command;
}

static void
free_watches(struct errand *errand)
{
	loop_watch_free(&errand->in_watch);
	loop_watch_free(&errand->out_watch);
	loop_watch_free(&errand->err_watch);
	loop_watch_free(&errand->end_watch);
	loop_timer_free(&errand->timer);
}

/* Its child has been reaped, or never was. */
static void
drop_errand(struct errand *errand)
{
	*errand->link = errand->next;
	if (errand->next != NULL)
		errand->next->link = errand->link;
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
	errand->run = run;
	errand->next = command->errands;
	errand->link = &command->errands;
	if (errand->next != NULL)
		errand->next->link = &errand->next;
	command->errands = errand;
	return errand;
}

/* All are killed before the first is waited for. */
void
command_abandon(struct command *command)
{
	struct child_end end;

	for (struct errand *errand = command->errands; errand != NULL;
	     errand = errand->next)
		child_signal(&errand->child, SIGKILL);
	while (command->errands != NULL) {
		struct errand *errand = command->errands;

		free_watches(errand);
		(void)child_reap(&errand->child, REAP_MS, &end);
		run_free(&errand->run);
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
	free((*command)->piece);
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

/* The conventions of sysexits(3): what the request itself does wrong will be
 * wrong again. */
static bool
is_final(const struct child_end *end)
{
	return end->exit_status == EX_USAGE || end->exit_status == EX_DATAERR;
}

static enum job_error
name_end(const struct errand *errand, const struct child_end *end)
{
	if (errand->why != ERROR_NONE)
		return errand->why;
	if (end->signal_number != 0)
		return ERROR_COMMAND_SIGNAL;
	return end->exit_status == 0 ? ERROR_NONE : ERROR_COMMAND_FAILED;
}

static bool
keep_result(struct errand *errand)
{
	struct run *run = errand->run;
	struct headers headers;

	headers_init(&headers);
	run->response_bytes = (int64_t)errand->output.len;
	if (errand->output.len > 0) {
		run->response.body = blob_from_buf(&errand->output);
		if (run->response.body == NULL)
			return false;
	}
	if (headers_add(&headers, "Content-Type", errand->result_type))
		run->response.headers = text_copy(buf_text(&headers.text));
	headers_free(&headers);
	run->content_type = errand->result_type;
	errand->result_type = NULL;
	run->status = 200;
	return run->response.headers != NULL;
}

static int
tell_signal(char *out, size_t size, int number)
{
	const char *name = sigabbrev_np(number);

	if (name != NULL)
		return snprintf(out, size, "killed by SIG%s", name);
	return snprintf(out, size, "killed by signal %d", number);
}

static int
tell_end(char *out, size_t size, const struct errand *errand,
    const struct child_end *end)
{
	size_t len = errand->output.len;

	if (errand->why == ERROR_TOO_LARGE)
		return snprintf(out, size, "more than %zu bytes of output",
		    errand->output.max);
	if (errand->why == ERROR_TIMEOUT_HEADERS)
		return snprintf(out, size,
		    "ended at its deadline, without any output");
	if (errand->why == ERROR_TIMEOUT_BODY)
		return snprintf(out, size,
		    "ended at its deadline, after %zu bytes of output", len);
	if (errand->why != ERROR_NONE)
		return snprintf(out, size, "ended on request");
	if (end->signal_number != 0)
		return tell_signal(out, size, end->signal_number);
	return snprintf(out, size, "exit status %d", end->exit_status);
}

static void
explain(struct errand *errand, const struct child_end *end)
{
	struct run *run = errand->run;
	char tail[TAIL_TEXT_SIZE];
	int len = tell_end(run->detail, sizeof(run->detail), errand, end);

	static_assert(sizeof(run->detail) > TAIL_TEXT_SIZE + 80,
	    "a tail fits behind each of the sentences");
	tail_text(&errand->tail, tail);
	if (tail[0] != '\0')
		(void)snprintf(run->detail + len,
		    sizeof(run->detail) - (size_t)len, ": %s", tail);
}

static void
judge(struct errand *errand, const struct child_end *end)
{
	struct run *run = errand->run;

	run->duration_ms =
	    loop_mono_ms(errand->command->loop) - errand->begun_mono_ms;
	run->verdict = verdict_of_run(name_end(errand, end), 200, &run->error);
	if (run->error == ERROR_NONE && !keep_result(errand)) {
		run->status = 0;
		run->verdict = VERDICT_RETRY;
		run->error = ERROR_INTERNAL;
		(void)snprintf(run->detail, sizeof(run->detail),
		    "out of memory for the result");
		return;
	}
	if (run->error == ERROR_COMMAND_FAILED && is_final(end))
		run->verdict = VERDICT_FINAL;
	if (run->error != ERROR_NONE)
		explain(errand, end);
}

/* ---- ending it ---- */

static void
end_early(struct errand *errand, enum job_error why)
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
		end_early(errand, errand->output.len > 0 ?
			ERROR_TIMEOUT_BODY : ERROR_TIMEOUT_HEADERS);
}

/* ---- its input ---- */

static void
end_input(struct errand *errand)
{
	loop_watch_free(&errand->in_watch);
	child_close(&errand->child.in_fd);
}

/* A program need not read what it does not want to know: EPIPE is fine. */
static void
feed(struct errand *errand)
{
	const struct blob *body = errand->run->request.body;
	size_t left = blob_len(body) - errand->fed_bytes;
	ssize_t put = 0;

	if (left > 0)
		put = write(errand->child.in_fd,
		    (const char *)blob_data(body) + errand->fed_bytes, left);
	if (put < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (put > 0)
		errand->fed_bytes += (size_t)put;
	if (put < 0 || (size_t)put == left)
		end_input(errand);
}

static void
in_cb(void *arg)
{
	feed(arg);
}

/* ---- its output ---- */

static void
end_output(struct errand *errand)
{
	loop_watch_free(&errand->out_watch);
	child_close(&errand->child.out_fd);
}

/* One read of at most that much. How much it was; 0: nothing more will come, or
 * not now. */
static size_t
take_output(struct errand *errand, size_t most)
{
	char *piece = errand->command->piece;
	ssize_t got = read(errand->child.out_fd, piece, most);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got <= 0) {
		end_output(errand);
		return 0;
	}
	if (buf_append(&errand->output, piece, (size_t)got))
		return (size_t)got;
	end_early(errand, ERROR_TOO_LARGE);
	end_output(errand);
	return 0;
}

static size_t
take_errors(struct errand *errand, size_t most)
{
	char *piece = errand->command->piece;
	ssize_t got = read(errand->child.err_fd, piece, most);

	if (got > 0) {
		tail_append(&errand->tail, piece, (size_t)got);
		return (size_t)got;
	}
	if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
		loop_watch_free(&errand->err_watch);
		child_close(&errand->child.err_fd);
	}
	return 0;
}

static void
out_cb(void *arg)
{
	(void)take_output(arg, PIECE_BYTES);
}

static void
err_cb(void *arg)
{
	(void)take_errors(arg, PIECE_BYTES);
}

/* What is in the pipe now, and nothing that is written later: somebody who got
 * away from the group may go on writing for ever. */
static void
drain(struct errand *errand, const int *fd,
    size_t (*take)(struct errand *errand, size_t most))
{
	int waiting = 0;
	size_t left;

	if (*fd < 0 || ioctl(*fd, FIONREAD, &waiting) < 0)
		return;
	left = waiting > 0 ? (size_t)waiting : 0;
	while (left > 0) {
		size_t got = take(errand, left < PIECE_BYTES ? left :
			PIECE_BYTES);

		if (got == 0)
			return;
		left -= got;
	}
}

/* ---- its end ---- */

static void
end_cb(void *arg)
{
	struct errand *errand = arg;
	struct command *command = errand->command;
	struct run *run = errand->run;
	struct child_end end;

	child_signal(&errand->child, SIGKILL);
	drain(errand, &errand->child.out_fd, take_output);
	drain(errand, &errand->child.err_fd, take_errors);
	free_watches(errand);
	if (!child_reap(&errand->child, REAP_MS, &end))
		assert(!"a process whose descriptor says so has ended");
	judge(errand, &end);
	drop_errand(errand);
	give_back(command, run);
}

/* ---- its beginning ---- */

static int64_t
timeout_of(const struct conf_queue *queue, const struct job *job)
{
	if (job->timeout_ms > 0 && job->timeout_ms < queue->timeout_ms)
		return job->timeout_ms;
	return queue->timeout_ms;
}

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
	struct loop *loop = errand->command->loop;
	struct child *child = &errand->child;

	errand->out_watch = loop_watch_new(loop, child->out_fd, LOOP_WISH_READ,
	    out_cb, errand);
	errand->err_watch = loop_watch_new(loop, child->err_fd, LOOP_WISH_READ,
	    err_cb, errand);
	errand->end_watch = loop_watch_new(loop, child->end_fd, LOOP_WISH_READ,
	    end_cb, errand);
	feed(errand);
	if (child->in_fd >= 0)
		errand->in_watch = loop_watch_new(loop, child->in_fd,
		    LOOP_WISH_WRITE, in_cb, errand);
	return errand->out_watch != NULL && errand->err_watch != NULL &&
	    errand->end_watch != NULL &&
	    (errand->in_watch != NULL || child->in_fd < 0);
}

/* 0, or the errno of what failed. */
static int
begin(struct errand *errand, const struct conf_queue *queue,
    int64_t timeout_ms)
{
	struct loop *loop = errand->command->loop;
	struct environment environment;
	int error = environment_make(&environment, errand->run,
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
	struct run *run = errand->run;
	struct child_end end;

	child_signal(&errand->child, SIGKILL);
	free_watches(errand);
	(void)child_reap(&errand->child, REAP_MS, &end);
	drop_errand(errand);
	run->verdict = VERDICT_RETRY;
	run->error = ERROR_INTERNAL;
	(void)snprintf(run->detail, sizeof(run->detail), "out of memory");
	give_back(command, run);
}

void
command_start(struct command *command, struct run *run)
{
	const struct conf_queue *queue =
	    conf_queue_find(command->conf, run->job.queue);
	struct errand *errand;
	int64_t timeout_ms;
	int error;

	run->loop = command->loop;
	if (queue == NULL || queue->executor != EXECUTOR_COMMAND) {
		fail_run(command, run, VERDICT_RETRY, ERROR_INTERNAL,
		    "the queue is no longer configured");
		return;
	}
	timeout_ms = timeout_of(queue, &run->job);
	errand = add_errand(command, run);
	error = errand != NULL && prepare(errand, queue) ?
	    begin(errand, queue, timeout_ms) : ENOMEM;
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
	struct errand *errand = command->errands;

	while (errand != NULL && errand->run->job.id.seq != job_seq)
		errand = errand->next;
	if (errand != NULL)
		end_early(errand, ERROR_CANCELLED);
}
