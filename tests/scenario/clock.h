/* clock.h - the clocks of a scenario: turned by hand. */
#ifndef TESTS_SCENARIO_CLOCK_H
#define TESTS_SCENARIO_CLOCK_H

#include <stdint.h>

/* All clocks go on by that much. */
void clock_goes_on(int64_t ms);
/* Somebody sets the wall clock; the monotonic one does not notice. */
void clock_wall_jumps(int64_t ms);
/* The machine is suspended for that long. */
void clock_sleeps(int64_t ms);
/* The kernel starts anew: the wall clock has gone on by that much, or back. */
void clock_reboots(int64_t ms);

#endif
