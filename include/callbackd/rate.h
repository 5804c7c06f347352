/* rate.h - how often does something happen, lately?
 *
 * A count that fades with a half-life, so that the answer follows what is true
 * now and needs no history. Zeroed memory is a rate of nothing. Pure: the
 * caller brings the (monotonic) time.
 */
#ifndef CALLBACKD_RATE_H
#define CALLBACKD_RATE_H

#include <stdint.h>

#define RATE_HALF_LIFE_MS 10000

struct rate {
	double weight;    /* faded count at at_ms */
	double window_ms; /* faded time that was watched, for young rates */
	int64_t at_ms;
};

/* count more happened at now_ms. */
void rate_add(struct rate *rate, double count, int64_t now_ms);

/* Events a second; 0 when nothing happened yet or all has faded. */
double rate_per_s(const struct rate *rate, int64_t now_ms);

#endif
