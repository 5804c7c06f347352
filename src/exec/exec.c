/* exec.c - each run to the executor of its queue.
 *
 * 1. Which one it is, is decided when the run begins. A reload changes nothing
 *    for those under way.
 *
 * Thread: its loop's.
 */
#include "callbackd/exec.h"

#include <stdlib.h>

#include "callbackd/command.h"
#include "callbackd/upstream.h"

struct exec {
	struct conf *conf;
	struct upstream *upstream;
	struct command *command;
};

struct exec *
exec_new(struct loop *loop, struct conf *conf,
    void (*ended)(struct run *run, void *arg), void *arg)
{
	struct exec *exec = calloc(1, sizeof(*exec));

	if (exec == NULL)
		return NULL;
	exec->conf = conf_ref(conf);
	exec->upstream = upstream_new(loop, conf, ended, arg);
	exec->command = command_new(loop, conf, ended, arg);
	if (exec->upstream == NULL || exec->command == NULL)
		exec_free(&exec);
	return exec;
}

/* What no executor here can run, upstream says so of. */
void
exec_start(struct exec *exec, struct run *run)
{
	const struct conf_queue *queue = conf_queue_find(exec->conf,
	    run->job.queue);

	if (queue != NULL && queue->executor == EXECUTOR_COMMAND)
		command_start(exec->command, run);
	else
		upstream_start(exec->upstream, run);
}

void
exec_cancel(struct exec *exec, int64_t job_seq)
{
	upstream_cancel(exec->upstream, job_seq);
	command_cancel(exec->command, job_seq);
}

void
exec_follow(struct exec *exec, struct conf *conf)
{
	conf_unref(&exec->conf);
	exec->conf = conf_ref(conf);
	upstream_follow(exec->upstream, conf);
	command_follow(exec->command, conf);
}

void
exec_abandon(struct exec *exec)
{
	upstream_abandon(exec->upstream);
	command_abandon(exec->command);
}

void
exec_free(struct exec **exec)
{
	if (*exec == NULL)
		return;
	upstream_free(&(*exec)->upstream);
	command_free(&(*exec)->command);
	conf_unref(&(*exec)->conf);
	free(*exec);
	*exec = NULL;
}
