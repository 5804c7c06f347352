/* rate.c - a count that fades with a half-life. Pure arithmetic. */
#include "callbackd/rate.h"

#include <math.h>

/* What of one is left after ms. */
static double
left_after(int64_t ms)
{
	return exp2(-(double)ms / RATE_HALF_LIFE_MS);
}

/* The faded length of a window that has been open for ms: the integral of the
 * fading from 0 to ms. */
static double
faded_ms(int64_t ms)
{
	return RATE_HALF_LIFE_MS / M_LN2 * (1.0 - left_after(ms));
}

void
rate_add(struct rate *rate, double count, int64_t now_ms)
{
	int64_t passed_ms = now_ms - rate->at_ms;

	if (rate->at_ms == 0)
		passed_ms = 0;
	rate->weight = rate->weight * left_after(passed_ms) + count;
	rate->window_ms = rate->window_ms * left_after(passed_ms) +
	    faded_ms(passed_ms);
	rate->at_ms = now_ms;
}

double
rate_per_s(const struct rate *rate, int64_t now_ms)
{
	struct rate faded = *rate;

	if (rate->at_ms == 0)
		return 0;
	rate_add(&faded, 0, now_ms);
	if (faded.weight < 1e-3)
		return 0;
	if (faded.window_ms < 100) /* too young to divide by */
		faded.window_ms = 100;
	return faded.weight * 1000.0 / faded.window_ms;
}
