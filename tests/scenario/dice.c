/* dice.c - stands in for src/base/random.c: splitmix64 from a known seed.
 *
 * One thread.
 */
#include "dice.h"

#include <string.h>

#include "callbackd/random.h"

#define MIDDLE UINT32_C(0x80000000) /* of a spread: nothing is added */

static uint64_t ids = 1;
static uint64_t chance = 1;
static bool waits_are_spread;

static uint64_t
next_of(uint64_t *state)
{
	uint64_t bits = *state += UINT64_C(0x9e3779b97f4a7c15);

	bits = (bits ^ (bits >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	bits = (bits ^ (bits >> 27)) * UINT64_C(0x94d049bb133111eb);
	return bits ^ (bits >> 31);
}

void
dice_begin(uint64_t seed)
{
	chance = seed;
}

uint32_t
dice(uint32_t sides)
{
	return (uint32_t)(next_of(&chance) % sides);
}

void
dice_spread_waits(bool on)
{
	waits_are_spread = on;
}

uint32_t
random_u32(void)
{
	return waits_are_spread ? (uint32_t)next_of(&chance) : MIDDLE;
}

uint64_t
random_u64(void)
{
	return next_of(&ids);
}

void
random_bytes(void *out, size_t len)
{
	unsigned char *bytes = out;

	while (len > 0) {
		uint64_t bits = next_of(&ids);
		size_t part = len < sizeof(bits) ? len : sizeof(bits);

		memcpy(bytes, &bits, part);
		bytes += part;
		len -= part;
	}
}
