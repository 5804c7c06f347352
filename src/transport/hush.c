/* hush.c - the poll(2) that libcurl finds.
 *
 * 1. Behind every request that it has sent, libcurl 7.88 asks the kernel
 *    whether the answer has come. It has not, the loop watches the socket from
 *    the next moment on, and no option keeps libcurl from asking: two system
 *    calls a job for nothing. So this definition stands before libc's, because
 *    a program comes before its libraries where names are looked up.
 * 2. It answers by itself only once, between hush_begin and hush_end, on their
 *    thread, and only who asks for one descriptor and would not wait. "Nothing
 *    yet" loses nothing: watches fire for what came before them.
 * 3. All else goes to the kernel, and so does libcurl's question, before a
 *    request, whether a kept connection still stands. Where TLS is spoken
 *    libcurl may leave out the other question, and this one would be the next:
 *    there nothing is hushed.
 *
 * Any thread.
 */
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "transport.h"

static _Thread_local bool is_hushed;

void
hush_begin(void)
{
	is_hushed = true;
}

void
hush_end(void)
{
	is_hushed = false;
}

int
poll(struct pollfd *asked, nfds_t count, int wait_ms)
{
	struct timespec wait = { wait_ms / 1000, wait_ms % 1000 * 1000000L };

	if (is_hushed && count == 1 && wait_ms == 0) {
		is_hushed = false;
		asked->revents = 0;
		return 0;
	}
	return ppoll(asked, count, wait_ms < 0 ? NULL : &wait, NULL);
}
