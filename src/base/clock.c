/* clock.c - the clocks of the kernel, as whole numbers.
 *
 * Any thread.
 */
#include "callbackd/clock.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static struct timespec
now_of(clockid_t id)
{
	struct timespec now;
	int rc = clock_gettime(id, &now);

	assert(rc == 0); /* fails only for clocks that do not exist */
	return now;
}

int64_t
clock_wall_ms(void)
{
	struct timespec now = now_of(CLOCK_REALTIME);

	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

int64_t
clock_mono_us(void)
{
	struct timespec now = now_of(CLOCK_MONOTONIC);

	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
clock_boot_ms(void)
{
	struct timespec now = now_of(CLOCK_BOOTTIME);

	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
clock_boot_id(char out[CLOCK_BOOT_ID_SIZE])
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (file == NULL || fgets(out, CLOCK_BOOT_ID_SIZE, file) == NULL)
		out[0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	if (file != NULL)
		(void)fclose(file);
}
