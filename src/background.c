/* background.c - a daemon whose parent waits for its word.
 *
 * The two are joined by a pipe: a byte means ready, an end without one means
 * that the daemon died, and its exit status is then passed on.
 */
#include "background.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

static void
wait_for_word(pid_t child, int word_fd)
{
	char word;
	ssize_t got;
	int status;

	do
		got = read(word_fd, &word, 1);
	while (got < 0 && errno == EINTR);
	if (got == 1)
		_exit(EX_OK);
	if (waitpid(child, &status, 0) == child && WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	_exit(EX_OSERR);
}

int
background_enter(void)
{
	int ends[2];
	pid_t child;

	if (pipe(ends) < 0 || (child = fork()) < 0) {
		(void)fprintf(stderr, "callbackd: %s\n", strerror(errno));
		exit(EX_OSERR);
	}
	if (child > 0) {
		(void)close(ends[1]);
		wait_for_word(child, ends[0]);
	}
	(void)close(ends[0]);
	(void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
	(void)setsid();
	return ends[1];
}

void
background_ready(int ready_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* Whoever waited may be gone; that changes nothing. */
	if (write(ready_fd, "", 1) < 0)
		errno = 0;
	(void)close(ready_fd);
	for (int fd = 0; null >= 0 && fd <= 2; fd++)
		(void)dup2(null, fd);
	if (null > 2)
		(void)close(null);
}
