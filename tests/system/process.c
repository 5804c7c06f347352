/* process.c - fork, exec, files and signals for the system tests.
 *
 * 1. Every child is killed by the kernel when the process of the case dies, so
 *    a failed case leaves nothing behind.
 * 2. A process is ended by the id we started it with, never by name.
 */
#include "process.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "patience.h"

static void
redirect(const char *path, int to)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);

	if (fd < 0 || dup2(fd, to) < 0)
		_exit(126);
	close(fd);
}

static void
become(const struct process *process, const char *folder,
    const char *const *argv)
{
	int nothing = open("/dev/null", O_RDONLY);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	redirect(process->out_path, STDOUT_FILENO);
	redirect(process->err_path, STDERR_FILENO);
	if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 ||
	    chdir(folder) != 0)
		_exit(126);
	execv(argv[0], (char *const *)argv);
	dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

void
process_start(struct process *process, const char *folder, const char *name,
    const char *const *argv)
{
	int len;

	len = snprintf(process->out_path, PATH_SIZE, "%s/%s.out", folder, name);
	ck_assert_int_lt(len, PATH_SIZE);
	snprintf(process->err_path, PATH_SIZE, "%s/%s.err", folder, name);
	process->pid = fork();
	ck_assert_int_ge(process->pid, 0);
	if (process->pid == 0)
		become(process, folder, argv);
}

/* True once it has ended; *status_out as process_wait gives it. */
static bool
has_ended(struct process *process, int *status_out)
{
	int status;
	pid_t got = waitpid(process->pid, &status, WNOHANG);

	ck_assert_int_ge(got, 0);
	if (got == 0)
		return false;
	process->pid = 0;
	*status_out = WIFEXITED(status) ? WEXITSTATUS(status)
					: 1000 + WTERMSIG(status);
	process->status = *status_out;
	return true;
}

int
process_wait(struct process *process, int64_t ms)
{
	int64_t until = now_mono_ms() + patient_ms(ms);
	int status = -1;

	ck_assert_int_gt(process->pid, 0);
	while (!has_ended(process, &status))
		ck_assert_msg(patience_lasts(until), "%s: does not end",
		    process->err_path);
	return status;
}

bool
process_is_running(struct process *process)
{
	int status;

	return process->pid > 0 && !has_ended(process, &status);
}

void
process_signal(struct process *process, int signal)
{
	ck_assert_int_gt(process->pid, 0);
	ck_assert_int_eq(kill(process->pid, signal), 0);
}

int
process_run(struct process *process, const char *folder, const char *name,
    const char *const *argv)
{
	process_start(process, folder, name, argv);
	return process_wait(process, SOON_MS);
}

char *
file_text(const char *path, size_t *len_out)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;
	FILE *all = open_memstream(&text, &size);
	char piece[16384];
	size_t got;

	/* Also used outside of cases, where ck_assert is not at home. */
	if (all == NULL)
		abort();
	while (file != NULL && (got = fread(piece, 1, sizeof(piece), file)) > 0)
		fwrite(piece, 1, got, all);
	if (file != NULL)
		fclose(file);
	if (fclose(all) != 0)
		abort();
	if (len_out != NULL)
		*len_out = size;
	return text;
}

bool
file_says(const char *path, const char *what)
{
	char *text = file_text(path, NULL);
	bool says = strstr(text, what) != NULL;

	free(text);
	return says;
}

void
file_write(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}
