/* child.c - programs: begun without copying us, watched without signals, reaped
 * once.
 *
 * 1. vfork(2): the child borrows our memory until it is another program, so
 *    that beginning one costs the same however large we are. Between the two
 *    it calls the kernel only and writes to nothing but its own stack.
 *    posix_spawn(3) would do that for us, but cannot ask for invariant 4.
 * 2. No descriptor but 0, 1 and 2, no handler, no blocked or ignored signal
 *    goes into the program.
 * 3. Its end is told by a descriptor (pidfd_open(2), Linux 5.3), so that each
 *    loop waits for its own children and none for SIGCHLD. Nobody else in this
 *    process waits for children.
 * 4. The program dies with the thread that began it: one that outlived us
 *    would still be at work when the next start runs its job again.
 *
 * Thread: any, one at a time for each child; but see 4.
 */
#include "child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "callbackd/apart.h"

/* Where programs are looked for when our environment does not say; as
 * confstr(3) has it. */
#define USUAL_PATH "/bin:/usr/bin"

#define FIRST_FREE_FD 3

/* One pipe: the program's end and ours. */
struct joint {
	int theirs, ours;
};

/* What the child needs between vfork and execve, all of it made before. */
struct birth {
	const struct child_plan *plan;
	char program[PATH_MAX];
	struct joint in, out, err;
	struct joint word; /* carries errno when it could not become the
	                    * program, and ends without a word when it did */
	pid_t parent;
};

void
child_close(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* ---- the program ---- */

static bool
is_program(const char *path)
{
	struct stat facts;

	return stat(path, &facts) == 0 && S_ISREG(facts.st_mode) &&
	    faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

/* Looks through PATH; its relative folders, which mean another place for each
 * reader, do not count. */
static int
search(const char *name, char out[PATH_MAX])
{
	const char *path = getenv("PATH");

	if (path == NULL || path[0] == '\0')
		path = USUAL_PATH;
	while (*path != '\0') {
		size_t len = strcspn(path, ":");
		int size = snprintf(out, PATH_MAX, "%.*s/%s", (int)len, path,
		    name);

		if (path[0] == '/' && size < PATH_MAX && is_program(out))
			return 0;
		path += len + (path[len] == ':');
	}
	return ENOENT;
}

static int
find_program(const char *name, char out[PATH_MAX])
{
	if (strchr(name, '/') == NULL)
		return search(name, out);
	return snprintf(out, PATH_MAX, "%s", name) < PATH_MAX ? 0
							      : ENAMETOOLONG;
}

/* ---- pipes ---- */

/* Above the three standard ones, which we may have been started without: the
 * child puts its ends there one after the other. */
static int
lift(int *fd)
{
	int higher;

	if (*fd >= FIRST_FREE_FD)
		return 0;
	higher = fcntl(*fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
	if (higher < 0)
		return errno;
	(void)close(*fd);
	*fd = higher;
	return 0;
}

static int
open_joint(struct joint *joint, bool they_read)
{
	int ends[2];
	int error;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return errno;
	joint->theirs = ends[they_read ? 0 : 1];
	joint->ours = ends[they_read ? 1 : 0];
	error = lift(&joint->theirs);
	if (error == 0)
		error = lift(&joint->ours);
	if (error == 0 && fcntl(joint->ours, F_SETFL, O_NONBLOCK) < 0)
		error = errno;
	return error;
}

static int
open_joints(struct birth *birth)
{
	int error = open_joint(&birth->in, true);

	if (error == 0)
		error = open_joint(&birth->out, false);
	if (error == 0)
		error = open_joint(&birth->err, false);
	if (error == 0)
		error = open_joint(&birth->word, false);
	/* Waited for: it ends as soon as the child is the program. */
	if (error == 0 && fcntl(birth->word.ours, F_SETFL, 0) < 0)
		error = errno;
	return error;
}

static void
close_theirs(struct birth *birth)
{
	child_close(&birth->in.theirs);
	child_close(&birth->out.theirs);
	child_close(&birth->err.theirs);
	child_close(&birth->word.theirs);
}

static void
close_ours(struct birth *birth)
{
	child_close(&birth->in.ours);
	child_close(&birth->out.ours);
	child_close(&birth->err.ours);
	child_close(&birth->word.ours);
}

/* ---- in the child ---- */

static bool
take_descriptors(const struct birth *birth)
{
	if (dup2(birth->in.theirs, STDIN_FILENO) < 0 ||
	    dup2(birth->out.theirs, STDOUT_FILENO) < 0 ||
	    dup2(birth->err.theirs, STDERR_FILENO) < 0)
		return false;
	/* Ours are marked already; this is for what we were started with. An
	 * older kernel (before 5.11) keeps that. */
	(void)close_range(FIRST_FREE_FD, UINT_MAX, CLOSE_RANGE_CLOEXEC);
	return true;
}

/* Dies with us: also when we died before we could be asked. */
static bool
bind_to_parent(const struct birth *birth)
{
	return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
	    getppid() == birth->parent;
}

_Noreturn static void
become(const struct birth *birth)
{
	const struct child_plan *plan = birth->plan;
	int error;

	if (bind_to_parent(birth) && setpgid(0, 0) == 0 &&
	    take_descriptors(birth) &&
	    (plan->folder == NULL || chdir(plan->folder) == 0)) {
		apart_forget_signals();
		(void)execve(birth->program, plan->argv, plan->environment);
	}
	error = errno;
	while (write(birth->word.theirs, &error, sizeof(error)) < 0 &&
	    errno == EINTR)
		;
	_exit(127);
}

/* ---- in the parent ---- */

/* A signal that came in between would be handled in memory that is not the
 * child's. */
static pid_t
give_birth(const struct birth *birth)
{
	sigset_t all;
	sigset_t before;
	pid_t pid;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = vfork();
	if (pid == 0)
		become(birth);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return pid;
}

/* 0 when the child has become the program. */
static int
hear_word(const struct birth *birth)
{
	int error = 0;
	ssize_t got;

	do
		got = read(birth->word.ours, &error, sizeof(error));
	while (got < 0 && errno == EINTR);
	return got == sizeof(error) ? error : 0;
}

static void
wait_for_zombie(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int
begin(struct birth *birth, struct child *out)
{
	pid_t pid = give_birth(birth);
	int error;

	if (pid < 0)
		return errno;
	close_theirs(birth);
	error = hear_word(birth);
	out->pid = pid;
	out->end_fd = -1;
	if (error == 0) {
		out->end_fd = (int)syscall(SYS_pidfd_open, pid, 0);
		if (out->end_fd >= 0)
			return 0;
		error = errno;
		child_signal(out, SIGKILL);
	}
	wait_for_zombie(pid);
	return error;
}

int
child_begin(const struct child_plan *plan, struct child *out)
{
	static const struct joint closed = { -1, -1 };
	struct birth birth = { .plan = plan,
		.in = closed,
		.out = closed,
		.err = closed,
		.word = closed,
		.parent = getpid() };
	int error = find_program(plan->argv[0], birth.program);

	if (error == 0)
		error = open_joints(&birth);
	if (error == 0)
		error = begin(&birth, out);
	close_theirs(&birth);
	if (error != 0) {
		close_ours(&birth);
		return error;
	}
	child_close(&birth.word.ours);
	out->in_fd = birth.in.ours;
	out->out_fd = birth.out.ours;
	out->err_fd = birth.err.ours;
	return 0;
}

/* The leader may have left its group, which is then none, or only that of its
 * own children. */
void
child_signal(const struct child *child, int signal_number)
{
	if (kill(-child->pid, signal_number) < 0 || signal_number == SIGKILL)
		(void)kill(child->pid, signal_number);
}

static bool
ends_within(const struct child *child, int wait_ms)
{
	struct pollfd end = { .fd = child->end_fd, .events = POLLIN };
	int ready;

	do
		ready = poll(&end, 1, wait_ms);
	while (ready < 0 && errno == EINTR);
	return ready == 1;
}

bool
child_has_ended(const struct child *child)
{
	return ends_within(child, 0);
}

bool
child_reap(struct child *child, int wait_ms, struct child_end *out)
{
	siginfo_t info;

	if (!ends_within(child, wait_ms))
		return false;
	*out = (struct child_end){ .exit_status = -1 };
	/* Fails only for a child that somebody else has taken. */
	if (waitid(P_PIDFD, (id_t)child->end_fd, &info, WEXITED) < 0)
		out->signal_number = SIGKILL;
	else if (info.si_code == CLD_EXITED)
		out->exit_status = info.si_status;
	else
		out->signal_number = info.si_status;
	child_close(&child->end_fd);
	child_close(&child->in_fd);
	child_close(&child->out_fd);
	child_close(&child->err_fd);
	return true;
}
