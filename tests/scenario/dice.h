/* dice.h - the dice of a scenario: they fall the same way every time.
 *
 * Spreads of waits come from random_u32, which gives the middle: a wait is then
 * exactly what its setting says. A scenario that lives by chance throws dice()
 * and may let the spreads fall as well.
 */
#ifndef TESTS_SCENARIO_DICE_H
#define TESTS_SCENARIO_DICE_H

#include <stdbool.h>
#include <stdint.h>

void dice_begin(uint64_t seed);
uint32_t dice(uint32_t sides); /* 0 .. sides - 1 */
void dice_spread_waits(bool on);

#endif
