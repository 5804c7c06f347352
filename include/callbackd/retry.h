/* retry.h - when may something be tried again?
 *
 * Pure arithmetic: no clock, no randomness, no memory, no log. The caller
 * brings the time and the dice, so every answer can be written in a test.
 */
#ifndef CALLBACKD_RETRY_H
#define CALLBACKD_RETRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How patient a queue is with its upstream. Filled by conf. */
struct backoff {
	int64_t initial_ms; /* wait before the 2nd run; >= 1 */
	int64_t max_ms;     /* longest computed wait; >= initial_ms */
	double factor;      /* growth from one wait to the next; >= 1 */
};

/* The wait before the next run after attempts runs (>= 1): exponential, capped
 * at max_ms, spread by -20 .. +20 %; never shorter than asked_ms (the
 * upstream's Retry-After, -1 for none). dice is 32 uniform bits. >= 1. */
int64_t backoff_wait_ms(const struct backoff *backoff, int32_t attempts,
    int64_t asked_ms, uint32_t dice);

#define SCHEDULE_MAX 32

/* How patient we are with a receiver: gaps after the first attempt. */
struct schedule {
	int64_t gaps_ms[SCHEDULE_MAX];
	size_t count;       /* 0: one attempt only */
	int64_t max_age_ms; /* nothing is tried beyond this age */
	int64_t ask_max_ms; /* a longer Retry-After is cut to this */
};

/* The wait before the next attempt, after attempts were made (>= 1), age_ms
 * after the schedule began: the gap spread by +-20 %, or asked_ms (-1: none) cut
 * to ask_max_ms, whichever is longer. False when the schedule or the age is
 * spent: a dead letter. *wait_ms_out >= 1, set only on true. */
bool schedule_wait_ms(const struct schedule *schedule, int32_t attempts,
    int64_t age_ms, int64_t asked_ms, uint32_t dice, int64_t *wait_ms_out);

/* Attempts that are left after attempts were made, by the schedule alone. */
int32_t schedule_attempts_left(const struct schedule *schedule,
    int32_t attempts);

#endif
