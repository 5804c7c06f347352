/* patience.c - deadlines of the system tests, and the pause between two looks.
 *
 * 1. Nothing here waits for a fixed time and calls that synchronisation: a
 *    pause is always followed by another look at a condition.
 */
#include "patience.h"

#include <poll.h>
#include <stdlib.h>
#include <time.h>

/* Between two looks: short against a deadline, long against a system call. */
#define PAUSE_MS 4

static int64_t
clock_ms(clockid_t which)
{
	struct timespec now;

	ck_assert_int_eq(clock_gettime(which, &now), 0);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
now_mono_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

int64_t
now_wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

int64_t
patient_ms(int64_t ms)
{
	const char *text = getenv("CALLBACKD_TEST_SLOWNESS");
	double slowness = text != NULL ? strtod(text, NULL) : 1.0;

	return (int64_t)((double)ms * (slowness > 1.0 ? slowness : 1.0));
}

bool
patience_lasts(int64_t until_mono_ms)
{
	if (now_mono_ms() >= until_mono_ms)
		return false;
	(void)poll(NULL, 0, PAUSE_MS);
	return true;
}
