/* random.h - dice: bits from the kernel for ids and for spreading waits.
 *
 * Any thread. Draws are served from a small buffer per thread that getrandom(2)
 * refills; a kernel that cannot give randomness ends the process.
 */
#ifndef CALLBACKD_RANDOM_H
#define CALLBACKD_RANDOM_H

#include <stddef.h>
#include <stdint.h>

uint32_t random_u32(void);
uint64_t random_u64(void);
void random_bytes(void *out, size_t len);

#endif
