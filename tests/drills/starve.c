/* starve.c - memory that runs out once, at a place of our choice.
 *
 * A library of its own (LD_PRELOAD). A place is a stack of calls that asks for
 * memory, known by a number made of its return addresses; they are the same in
 * each process as long as addresses are not randomised (personality(2)).
 *
 *   STARVE_SURVEY  a file that gets the number of every place, once
 *   STARVE_PLACE   the first request from there fails
 *   STARVE_TRACE   a file that gets the stack of the request that failed
 *
 * Any thread.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FRAMES 18   /* that make a place: from inside a library to our loop */
#define OURS 2      /* frames of this file */
#define TABLE 65536 /* places that can be told apart */
#define EARLY 65536 /* bytes for dlsym, which asks before we can answer */

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *old, size_t size);
void *aligned_alloc(size_t alignment, size_t size);
void free(void *gone);

static struct {
	void *(*malloc)(size_t size);
	void *(*calloc)(size_t count, size_t size);
	void *(*realloc)(void *old, size_t size);
	void *(*aligned_alloc)(size_t alignment, size_t size);
	void (*free)(void *gone);
} next;

static char early[EARLY] __attribute__((aligned(16)));
static size_t early_used;
static bool is_ready;
static int survey_fd = -1, trace_fd = -1;
static uint64_t wanted; /* 0: nothing fails */
static atomic_bool is_done;
static atomic_ullong seen[TABLE];
static __thread bool is_looking __attribute__((tls_model("initial-exec")));

static void
get_ready(void)
{
	static bool is_asking;

	if (is_asking)
		return;
	is_asking = true;
	next.calloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
	next.realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
	next.aligned_alloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT,
	    "aligned_alloc");
	next.free = (void (*)(void *))dlsym(RTLD_NEXT, "free");
	next.malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
}

static int
open_told(const char *variable)
{
	const char *path = getenv(variable);

	return path == NULL
	    ? -1
	    : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

__attribute__((constructor)) static void
begin(void)
{
	void *frames[FRAMES];
	const char *place = getenv("STARVE_PLACE");

	(void)backtrace(frames, FRAMES); /* loads what it needs */
	survey_fd = open_told("STARVE_SURVEY");
	trace_fd = open_told("STARVE_TRACE");
	wanted = place != NULL ? strtoull(place, NULL, 16) : 0;
	is_ready = survey_fd >= 0 || wanted != 0;
}

/* True when this place was not met before. */
static bool
is_new(uint64_t place)
{
	for (size_t i = place % TABLE, steps = 0; steps < TABLE;
	     i = (i + 1) % TABLE, steps++) {
		unsigned long long empty = 0;

		if (atomic_load(&seen[i]) == place)
			return false;
		if (atomic_compare_exchange_strong(&seen[i], &empty, place))
			return true;
		if (empty == place)
			return false;
	}
	return false;
}

/* A sanitizer asks for memory of its own when a thread is born, and ends the
 * process when there is none: that is not ours to starve. */
static bool
is_of_sanitizer(void *const *frames, int count)
{
	bool is_found = false;
	Dl_info file;

	for (int i = OURS; i < count; i++) {
		if (dladdr(frames[i], &file) == 0)
			continue;
		if (strstr(file.dli_fname, "san.so") != NULL)
			is_found = true;
		else if (strstr(file.dli_fname, "/libc.so") == NULL &&
		    strstr(file.dli_fname, "/starve.so") == NULL)
			return false;
	}
	return is_found;
}

static void
note_place(uint64_t place, void *const *frames, int count)
{
	char line[32];
	int len = snprintf(line, sizeof(line), "%016llx\n",
	    (unsigned long long)place);

	if (is_new(place) && !is_of_sanitizer(frames, count) &&
	    write(survey_fd, line, (size_t)len) != len)
		abort();
}

static bool
is_place(void *const *frames, int count)
{
	uint64_t place = 14695981039346656037ULL; /* FNV-1a */
	bool expected = false;

	for (int i = OURS; i < count; i++)
		place = (place ^ (uint64_t)(uintptr_t)frames[i]) *
		    1099511628211ULL;
	if (survey_fd >= 0)
		note_place(place, frames, count);
	return place == wanted &&
	    atomic_compare_exchange_strong(&is_done, &expected, true);
}

static __attribute__((noinline)) bool
fails(void)
{
	void *frames[FRAMES + OURS + 12];
	int count;
	bool it_fails;

	if (!is_ready || is_looking)
		return false;
	is_looking = true;
	count = backtrace(frames, FRAMES + OURS);
	it_fails = is_place(frames, count);
	if (it_fails && trace_fd >= 0)
		backtrace_symbols_fd(frames,
		    backtrace(frames, FRAMES + OURS + 12), trace_fd);
	is_looking = false;
	if (it_fails)
		errno = ENOMEM;
	return it_fails;
}

static void *
take_early(size_t size)
{
	void *taken = early + early_used;

	early_used += (size + 15) & ~(size_t)15;
	if (early_used > EARLY)
		abort();
	return taken;
}

void *
malloc(size_t size)
{
	if (next.malloc == NULL)
		get_ready();
	if (next.malloc == NULL)
		return take_early(size);
	return fails() ? NULL : next.malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	if (next.malloc == NULL)
		get_ready();
	if (next.malloc == NULL)
		return take_early(count * size); /* still zero */
	return fails() ? NULL : next.calloc(count, size);
}

void *
realloc(void *old, size_t size)
{
	if (next.malloc == NULL)
		get_ready();
	return fails() ? NULL : next.realloc(old, size);
}

void *
aligned_alloc(size_t alignment, size_t size)
{
	if (next.malloc == NULL)
		get_ready();
	return fails() ? NULL : next.aligned_alloc(alignment, size);
}

void
free(void *gone)
{
	if ((char *)gone >= early && (char *)gone < early + EARLY)
		return;
	if (next.free != NULL)
		next.free(gone);
}
