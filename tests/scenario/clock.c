/* clock.c - stands in for src/base/clock.c, and moves only when told.
 *
 * One thread.
 */
#include "clock.h"

#include <stdio.h>

#include "callbackd/clock.h"

static int64_t wall_ms = INT64_C(1800000000000); /* in 2027 */
static int64_t mono_ms = INT64_C(5000000);
static int64_t boot_ms = INT64_C(7000000);
static int boots = 1;

void
clock_goes_on(int64_t ms)
{
	wall_ms += ms;
	mono_ms += ms;
	boot_ms += ms;
}

void
clock_wall_jumps(int64_t ms)
{
	wall_ms += ms;
}

void
clock_sleeps(int64_t ms)
{
	wall_ms += ms;
	boot_ms += ms;
}

void
clock_reboots(int64_t ms)
{
	wall_ms += ms;
	mono_ms = 3000;
	boot_ms = 3000;
	boots++;
}

int64_t
clock_wall_ms(void)
{
	return wall_ms;
}

int64_t
clock_mono_ms(void)
{
	return mono_ms;
}

int64_t
clock_mono_us(void)
{
	return mono_ms * 1000;
}

int64_t
clock_boot_ms(void)
{
	return boot_ms;
}

void
clock_boot_id(char out[CLOCK_BOOT_ID_SIZE])
{
	(void)snprintf(out, CLOCK_BOOT_ID_SIZE, "boot-%d", boots);
}
