/* child.h - one program under way in a process group of its own.
 *
 * What is begun here ends here: a child is a zombie or alive until child_reap
 * has said that it is gone, and until then neither its number nor that of its
 * group can mean anybody else. Private to src/exec.
 */
#ifndef CALLBACKD_EXEC_CHILD_H
#define CALLBACKD_EXEC_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What to begin. Everything is borrowed until child_begin returns. */
struct child_plan {
	char *const *argv; /* argv[0]: absolute, or a name to find in PATH */
	char *const *environment;
	const char *folder; /* to work in; NULL: ours */
};

/* Descriptors are our ends, non-blocking; -1: closed. */
struct child {
	pid_t pid;          /* also the number of its group */
	int end_fd;         /* can be read once it has ended (pidfd_open(2)) */
	int in_fd;          /* to its stdin */
	int out_fd, err_fd; /* from its stdout and stderr */
};

/* How it ended. */
struct child_end {
	int exit_status;   /* -1: by a signal */
	int signal_number; /* 0: by itself */
};

/* 0, or the errno of what failed; the program has then not begun, and nothing
 * is left behind. Blocks until the program's image is in place. */
int child_begin(const struct child_plan *plan, struct child *out);

/* To every process of its group. The child has not been reaped. */
void child_signal(const struct child *child, int signal_number);

/* True when it has ended: child_reap need not wait then. */
bool child_has_ended(const struct child *child);

/* Takes its end, waiting up to wait_ms for it, and closes every descriptor.
 * False when it has not ended; nothing is closed then. */
bool child_reap(struct child *child, int wait_ms, struct child_end *out);

/* Closes one of the descriptors above. */
void child_close(int *fd);

#endif
