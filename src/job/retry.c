/* retry.c - waits between tries, as arithmetic.
 *
 * 1. The spread is taken after the cap: capped waits would otherwise fall
 *    together, and that is when spreading matters most.
 * 2. Whether a schedule is spent never depends on the dice: two gateways with
 *    the same facts agree on what is a dead letter.
 * 3. Nothing overflows: waits are bounded before they are cast.
 *
 * Any thread.
 */
#include "callbackd/retry.h"

#include <assert.h>

#define SPREAD 0.2                        /* contract, section 5: +-20 % */
#define LONGEST_MS INT64_C(3155760000000) /* 100 years, as text_duration_ms */

static int64_t
at_least(int64_t value, int64_t least)
{
	return value < least ? least : value;
}

static int64_t
at_most(int64_t value, int64_t most)
{
	return value > most ? most : value;
}

/* wait_ms moved by -SPREAD .. +SPREAD; never 0. */
static int64_t
spread(int64_t wait_ms, uint32_t dice)
{
	double part = (double)dice / 4294967295.0;
	double share = 1.0 - SPREAD + 2.0 * SPREAD * part;
	return at_least((int64_t)((double)wait_ms * share + 0.5), 1);
}

/* base to the power of exponent, by squaring: attempts may be in the millions.
 * May be infinite. */
static double
power(double base, uint32_t exponent)
{
	double result = 1.0;
	for (; exponent > 0; exponent >>= 1) {
		if (exponent & 1)
			result *= base;
		base *= base;
	}
	return result;
}

int64_t
backoff_wait_ms(const struct backoff *backoff, int32_t attempts,
    int64_t asked_ms, uint32_t dice)
{
	assert(attempts >= 1);
	assert(backoff->initial_ms >= 1 && backoff->factor >= 1.0);

	double grown = (double)backoff->initial_ms *
	    power(backoff->factor, (uint32_t)attempts - 1);
	int64_t wait_ms = at_most(backoff->max_ms, LONGEST_MS);
	if (grown < (double)wait_ms)
		wait_ms = (int64_t)grown;
	return at_least(spread(wait_ms, dice), at_most(asked_ms, LONGEST_MS));
}

bool
schedule_wait_ms(const struct schedule *schedule, int32_t attempts,
    int64_t age_ms, int64_t asked_ms, uint32_t dice, int64_t *wait_ms_out)
{
	assert(attempts >= 1);
	assert(schedule->count <= SCHEDULE_MAX);

	if (schedule_attempts_left(schedule, attempts) == 0)
		return false;
	int64_t left_ms = schedule->max_age_ms - at_least(age_ms, 0);
	int64_t gap_ms = at_least(schedule->gaps_ms[attempts - 1], 1);
	int64_t ask_ms = at_most(asked_ms, schedule->ask_max_ms);
	if (at_least(gap_ms, ask_ms) > left_ms)
		return false;

	int64_t wait_ms = at_least(spread(gap_ms, dice), ask_ms);
	*wait_ms_out = at_most(wait_ms, left_ms);
	return true;
}

int32_t
schedule_attempts_left(const struct schedule *schedule, int32_t attempts)
{
	int64_t left = (int64_t)schedule->count + 1 - attempts;
	return left > 0 ? (int32_t)left : 0;
}
