/* shim.c - stands between the daemon and the kernel: kills, fails, writes down.
 *
 * A library of its own (LD_PRELOAD); shim.h says how it is told what to do.
 *
 * 1. With a log, a change and its record are made under one lock: the order of
 *    records is the order of changes, and a sync covers what stands before it.
 * 2. An acknowledgement and a run are written down before they leave.
 * 3. The calls behind us are those of the next library, not bare system calls:
 *    sanitizers want to see them.
 *
 * Any thread.
 */
#include "shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define STORE_NAME "callbackd.db"
#define NAME_BYTES 512
#define ID_BYTES 36
#define SNIFF_BYTES 16384 /* heads are shorter */

enum call { FDATASYNC, FSYNC, PWRITE, WRITE, SEND, SENDMSG, CALL_COUNT };

static const char *const call_names[CALL_COUNT] = { "fdatasync", "fsync",
	"pwrite", "write", "send", "sendmsg" };

static struct {
	pthread_once_t once;
	enum call kill_call;
	long kill_at; /* 0: never */
	bool kill_after;
	atomic_long counts[CALL_COUNT];
	const char *folder;
	size_t folder_len;
	struct shim_faults *faults; /* NULL: none */
	int log_fd;                 /* -1: none */
	pthread_mutex_t lock;
} shim = { .once = PTHREAD_ONCE_INIT,
	.log_fd = -1,
	.lock = PTHREAD_MUTEX_INITIALIZER };

/* The function of that name in the next library. */
static void *
next_of(const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	if (found == NULL)
		abort();
	return found;
}

/* Looked up once at each place that calls it. */
#define NEXT(name)                                                             \
	__extension__({                                                        \
		static void *found_;                                           \
		if (found_ == NULL)                                            \
			found_ = next_of(#name);                               \
		(__typeof__(&name))found_;                                     \
	})

/* ---- what we were told ---- */

static void
read_kill(const char *text)
{
	const char *colon = strchr(text, ':');
	char *end;

	for (int i = 0; colon != NULL && i < CALL_COUNT; i++) {
		if (strncmp(text, call_names[i], (size_t)(colon - text)) != 0 ||
		    call_names[i][colon - text] != '\0')
			continue;
		shim.kill_call = (enum call)i;
		shim.kill_at = strtol(colon + 1, &end, 10);
		shim.kill_after = strcmp(end, ":after") == 0;
		return;
	}
	abort();
}

static void
map_faults(const char *path)
{
	int fd = NEXT(open)(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		abort();
	shim.faults = mmap(NULL, sizeof(*shim.faults), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	if (shim.faults == MAP_FAILED)
		abort();
	close(fd);
}

static void
read_environment(void)
{
	const char *kill_text = getenv("SHIM_KILL");
	const char *faults = getenv("SHIM_FAULTS");
	const char *log = getenv("SHIM_LOG");

	shim.folder = getenv("SHIM_FOLDER");
	shim.folder_len = shim.folder != NULL ? strlen(shim.folder) : 0;
	if (kill_text != NULL)
		read_kill(kill_text);
	if (faults != NULL)
		map_faults(faults);
	if (log != NULL)
		shim.log_fd = NEXT(
		    open)(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (log != NULL && shim.log_fd < 0)
		abort();
}

static void
get_ready(void)
{
	int saved = errno;

	pthread_once(&shim.once, read_environment);
	errno = saved;
}

/* ---- killing ---- */

static void
die_if(bool it_is_time)
{
	if (!it_is_time)
		return;
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

/* True when this is the call that kills after it was made. */
static bool
count(enum call call)
{
	long nth;

	get_ready();
	if (shim.kill_at == 0 || call != shim.kill_call)
		return false;
	nth = atomic_fetch_add(&shim.counts[call], 1) + 1;
	die_if(nth == shim.kill_at && !shim.kill_after);
	return nth == shim.kill_at;
}

/* ---- whose file is it? ---- */

/* Is it the folder, or a file of the store in it? *name_out as in the log. */
static bool
is_ours(const char *path, char name_out[NAME_BYTES])
{
	const char *base;

	if (shim.folder == NULL ||
	    strncmp(path, shim.folder, shim.folder_len) != 0)
		return false;
	if (path[shim.folder_len] == '\0') {
		snprintf(name_out, NAME_BYTES, ".");
		return true;
	}
	base = path + shim.folder_len + 1;
	if (path[shim.folder_len] != '/' ||
	    strncmp(base, STORE_NAME, strlen(STORE_NAME)) != 0)
		return false;
	snprintf(name_out, NAME_BYTES, "%s", base);
	return true;
}

static bool
is_watched(int fd, char name_out[NAME_BYTES])
{
	char link[64], path[NAME_BYTES];
	int saved = errno;
	ssize_t len;

	if (shim.faults == NULL && shim.log_fd < 0)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	errno = saved;
	if (len < 0)
		return false;
	path[len] = '\0';
	return is_ours(path, name_out);
}

/* A path as SQLite gives it is whole; ours may be relative to the folder. */
static bool
is_watched_path(const char *path, char name_out[NAME_BYTES])
{
	if (shim.faults == NULL && shim.log_fd < 0)
		return false;
	if (path[0] == '/')
		return is_ours(path, name_out);
	if (strncmp(path, STORE_NAME, strlen(STORE_NAME)) != 0)
		return false;
	snprintf(name_out, NAME_BYTES, "%s", path);
	return true;
}

/* ---- failing ---- */

static bool
fails(atomic_int *fault)
{
	int error = atomic_load(fault);

	if (error == 0)
		return false;
	atomic_fetch_add(&shim.faults->injected, 1);
	errno = error;
	return true;
}

#define FAILS(which) (shim.faults != NULL && fails(&shim.faults->which))

/* ---- writing down ---- */

static void
record(enum shim_op op, const char *name, uint64_t at, const void *data,
    size_t len)
{
	struct shim_record head = { op, (uint32_t)strlen(name), at, len };
	struct iovec parts[3] = { { &head, sizeof(head) },
		{ (char *)(uintptr_t)name, head.name_bytes },
		{ (char *)(uintptr_t)data, len } };
	ssize_t whole = (ssize_t)(sizeof(head) + head.name_bytes + len);

	if (NEXT(writev)(shim.log_fd, parts, 3) != whole)
		abort();
}

/* The memory map of the log's index does not outlive a power cut, and the lock
 * says nothing. */
static bool
is_logged(const char *name)
{
	return shim.log_fd >= 0 && strstr(name, "-shm") == NULL &&
	    strstr(name, "-lock") == NULL;
}

static void
begin_change(void)
{
	if (shim.log_fd >= 0)
		pthread_mutex_lock(&shim.lock);
}

static void
end_change(void)
{
	int saved = errno;

	if (shim.log_fd >= 0)
		pthread_mutex_unlock(&shim.lock);
	errno = saved;
}

/* The id of every job whose head begins with start. */
static void
sniff(enum shim_op op, const char *start, const char *bytes, size_t len)
{
	static const char mark[] = "Job-Id: ";
	char id[ID_BYTES + 1];

	while ((bytes = memmem(bytes, len, start, strlen(start))) != NULL) {
		const char *end = bytes + len;
		const char *at = memmem(bytes, len, mark, sizeof(mark) - 1);

		if (at == NULL || end - at < ID_BYTES + 8)
			return;
		memcpy(id, at + 8, ID_BYTES);
		id[ID_BYTES] = '\0';
		begin_change();
		record(op, id, 0, NULL, 0);
		end_change();
		len = (size_t)(end - at);
		bytes = at;
	}
}

static void
sniff_parts(const struct iovec *parts, int part_count)
{
	char bytes[SNIFF_BYTES];
	size_t len = 0;

	for (int i = 0; i < part_count && len < sizeof(bytes); i++) {
		size_t more = parts[i].iov_len;

		if (more > sizeof(bytes) - len)
			more = sizeof(bytes) - len;
		memcpy(bytes + len, parts[i].iov_base, more);
		len += more;
	}
	sniff(SHIM_ACK, "HTTP/1.1 202 ", bytes, len);
}

/* ---- the calls ---- */

static int
sync_file(int fd, int (*next)(int fd))
{
	char name[NAME_BYTES];
	int rc;

	if (!is_watched(fd, name))
		return next(fd);
	if (FAILS(sync_errno))
		return -1;
	begin_change();
	rc = next(fd);
	if (rc == 0 && is_logged(name))
		record(SHIM_SYNC, name, 0, NULL, 0);
	end_change();
	return rc;
}

int
fdatasync(int fd)
{
	bool dies = count(FDATASYNC);
	int rc = sync_file(fd, NEXT(fdatasync));

	die_if(dies);
	return rc;
}

int
fsync(int fd)
{
	bool dies = count(FSYNC);
	int rc = sync_file(fd, NEXT(fsync));

	die_if(dies);
	return rc;
}

static ssize_t
write_at(int fd, const void *bytes, size_t len, off64_t at)
{
	char name[NAME_BYTES];
	ssize_t put;

	if (!is_watched(fd, name))
		return NEXT(pwrite64)(fd, bytes, len, at);
	if (FAILS(write_errno))
		return -1;
	begin_change();
	put = NEXT(pwrite64)(fd, bytes, len, at);
	if (put > 0 && is_logged(name))
		record(SHIM_WRITE, name, (uint64_t)at, bytes, (size_t)put);
	end_change();
	return put;
}

ssize_t
pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
	bool dies = count(PWRITE);
	ssize_t put = write_at(fd, bytes, len, at);

	die_if(dies);
	return put;
}

ssize_t
pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	return pwrite64(fd, bytes, len, at);
}

ssize_t
write(int fd, const void *bytes, size_t len)
{
	bool dies = count(WRITE);
	char name[NAME_BYTES];
	ssize_t put;

	if (is_watched(fd, name)) {
		put = write_at(fd, bytes, len, lseek64(fd, 0, SEEK_CUR));
		if (put > 0)
			(void)lseek64(fd, put, SEEK_CUR);
	} else {
		put = NEXT(write)(fd, bytes, len);
	}
	die_if(dies);
	return put;
}

ssize_t
send(int fd, const void *bytes, size_t len, int flags)
{
	bool dies = count(SEND);
	ssize_t put;

	/* A callback has the header, too. */
	if (shim.log_fd >= 0 && memmem(bytes, len, "webhook-id", 10) == NULL)
		sniff(SHIM_RUN, "POST ", bytes, len);
	put = NEXT(send)(fd, bytes, len, flags);
	die_if(dies);
	return put;
}

ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
	bool dies = count(SENDMSG);
	ssize_t put;

	if (shim.log_fd >= 0)
		sniff_parts(message->msg_iov, (int)message->msg_iovlen);
	put = NEXT(sendmsg)(fd, message, flags);
	die_if(dies);
	return put;
}

int
ftruncate64(int fd, off64_t size)
{
	char name[NAME_BYTES];
	int rc;

	get_ready();
	if (!is_watched(fd, name))
		return NEXT(ftruncate64)(fd, size);
	if (FAILS(write_errno))
		return -1;
	begin_change();
	rc = NEXT(ftruncate64)(fd, size);
	if (rc == 0 && is_logged(name))
		record(SHIM_TRUNCATE, name, (uint64_t)size, NULL, 0);
	end_change();
	return rc;
}

int
ftruncate(int fd, off_t size)
{
	return ftruncate64(fd, size);
}

int
unlink(const char *path)
{
	char name[NAME_BYTES];
	int rc;

	get_ready();
	if (!is_watched_path(path, name))
		return NEXT(unlink)(path);
	if (FAILS(create_errno))
		return -1;
	begin_change();
	rc = NEXT(unlink)(path);
	if (rc == 0 && is_logged(name))
		record(SHIM_UNLINK, name, 0, NULL, 0);
	end_change();
	return rc;
}

static int
open_watched(const char *path, const char *name, int flags, mode_t mode)
{
	bool is_new;
	int fd;

	if ((flags & O_CREAT) && FAILS(create_errno))
		return -1;
	begin_change();
	is_new = access(path, F_OK) != 0;
	fd = NEXT(open64)(path, flags, mode);
	if (fd >= 0 && is_new && is_logged(name))
		record(SHIM_CREATE, name, 0, NULL, 0);
	else if (fd >= 0 && (flags & O_TRUNC) && is_logged(name))
		record(SHIM_TRUNCATE, name, 0, NULL, 0);
	end_change();
	return fd;
}

int
open64(const char *path, int flags, ...)
{
	char name[NAME_BYTES];
	mode_t mode;
	va_list args;

	va_start(args, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
	va_end(args);
	get_ready();
	if (!is_watched_path(path, name))
		return NEXT(open64)(path, flags, mode);
	return open_watched(path, name, flags, mode);
}

int
open(const char *path, int flags, ...)
{
	mode_t mode;
	va_list args;

	va_start(args, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
	va_end(args);
	return open64(path, flags, mode);
}

/* ---- the wall clock ---- */

static void
set_clock(struct timespec *now, int64_t by_ms)
{
	int64_t ns = now->tv_nsec + by_ms % 1000 * 1000000;

	now->tv_sec += by_ms / 1000 + (ns >= 1000000000) - (ns < 0);
	now->tv_nsec = ns + (ns < 0 ? 1000000000 : 0) -
	    (ns >= 1000000000 ? 1000000000 : 0);
}

int
clock_gettime(clockid_t id, struct timespec *now)
{
	int rc = NEXT(clock_gettime)(id, now);

	get_ready();
	if (rc == 0 && shim.faults != NULL &&
	    (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		set_clock(now, atomic_load(&shim.faults->clock_set_ms));
	return rc;
}
