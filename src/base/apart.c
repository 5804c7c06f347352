/* apart.c - work that may end its process, done in another one.
 *
 * 1. The child is a fork(2), not another program: it knows what we know, and
 *    needs no way to be told. That of a process with threads has one thread,
 *    and a malloc that works (glibc sees to it); it takes no lock of ours.
 * 2. However it ends, it does nothing in our name: no handler of ours is
 *    called, by a signal or by exit(3), nothing is printed, no core is left.
 * 3. It ends: with its work, when its time is up, or with us.
 *
 * Thread: any, one at a time.
 */
#include "callbackd/apart.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Exit statuses of the child. */
#define DONE 0
#define FAILED 1  /* the work returned false */
#define LEFT 2    /* it called exit */
#define NO_ROOM 3 /* its answer is too long */

struct apart {
	apart_work_fn *work;
	void *arg;
	struct buf *answer;
	pid_t parent;
	int ends[2]; /* of the pipe: ours, the child's */
};

/* ---- in the child ---- */

static void
leave_cb(void)
{
	_exit(LEFT);
}

void
apart_forget_signals(void)
{
	const struct sigaction usual = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		(void)sigaction(number, &usual, NULL); /* but KILL and STOP */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* What a library has to say about its end is for us to say. */
static void
fall_silent(const struct apart *apart)
{
	const struct rlimit none = { 0, 0 };
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)setrlimit(RLIMIT_CORE, &none);
	if (null >= 0 && apart->ends[1] != STDERR_FILENO)
		(void)dup2(null, STDERR_FILENO);
}

static bool
write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t done = write(fd, bytes, len);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return false;
		bytes += done;
		len -= (size_t)done;
	}
	return true;
}

_Noreturn static void
work_apart(const struct apart *apart)
{
	struct buf *answer = apart->answer;

	apart_forget_signals();
	fall_silent(apart);
	(void)alarm(APART_SECONDS);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    getppid() != apart->parent || atexit(leave_cb) != 0)
		_exit(FAILED);
	if (!apart->work(answer, apart->arg))
		_exit(FAILED);
	if (buf_failed(answer))
		_exit(NO_ROOM);
	_exit(write_all(apart->ends[1], answer->data, answer->len) ? DONE
								   : FAILED);
}

/* ---- in the parent ---- */

/* A signal that came to the child first would be handled by it as by us. */
static pid_t
begin(struct apart *apart)
{
	sigset_t all;
	sigset_t before;
	pid_t child;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	child = fork();
	if (child == 0)
		work_apart(apart);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return child;
}

/* To its end, which comes even when we have no room for it. */
static bool
hear(struct apart *apart)
{
	char chunk[16384];
	ssize_t got;

	for (;;) {
		got = read(apart->ends[0], chunk, sizeof(chunk));
		if (got > 0)
			(void)buf_append(apart->answer, chunk, (size_t)got);
		else if (got == 0 || errno != EINTR)
			break;
	}
	return got == 0 && !buf_failed(apart->answer);
}

/* How it ended; as if it had failed when somebody else has taken it. */
static int
await(pid_t child)
{
	int status = 0;
	pid_t found;

	do
		found = waitpid(child, &status, 0);
	while (found < 0 && errno == EINTR);
	return found == child ? status : W_EXITCODE(FAILED, 0);
}

static void
tell_end(int status, struct reason *why_out)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == LEFT)
		reason_set(why_out, "it left before it was done");
	else if (WIFEXITED(status) && WEXITSTATUS(status) == NO_ROOM)
		reason_set(why_out, "no room for what it answered");
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		reason_set(why_out, "it took longer than %d s", APART_SECONDS);
	else if (WIFSIGNALED(status))
		reason_set(why_out, "it died of signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		reason_set(why_out, "out of memory");
}

static bool
conclude(struct apart *apart, pid_t child, struct reason *why_out)
{
	bool is_heard = hear(apart);
	int status = await(child);

	if (is_heard && WIFEXITED(status) && WEXITSTATUS(status) == DONE)
		return true;
	tell_end(status, why_out);
	return false;
}

bool
apart_run(apart_work_fn *work, void *arg, struct buf *answer,
    struct reason *why_out)
{
	struct apart apart = { .work = work,
		.arg = arg,
		.answer = answer,
		.parent = getpid() };
	pid_t child = -1;
	bool is_done = false;
	int error;

	assert(answer->len == 0);
	if (pipe2(apart.ends, O_CLOEXEC) < 0) {
		reason_set(why_out, "no pipe for it: %s", strerror(errno));
		return false;
	}
	child = begin(&apart);
	error = errno;
	(void)close(apart.ends[1]);
	if (child < 0)
		reason_set(why_out, "no process for it: %s", strerror(error));
	else
		is_done = conclude(&apart, child, why_out);
	(void)close(apart.ends[0]);
	return is_done;
}
