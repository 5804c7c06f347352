/* clock.h - what time is it, and how much time has passed?
 *
 * Wall time is for humans and for the store; it may jump. Monotonic time is
 * for timeouts; it never does. Any thread.
 */
#ifndef CALLBACKD_CLOCK_H
#define CALLBACKD_CLOCK_H

#include <stdint.h>

int64_t clock_wall_ms(void); /* Unix time */
int64_t clock_mono_ms(void); /* since some fixed moment */
int64_t clock_mono_us(void);

#endif
