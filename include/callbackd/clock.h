/* clock.h - what time is it, and how much time has passed?
 *
 * Wall time is for humans and for the store; it may jump. Monotonic time is
 * for timeouts; it never does, and stands still while the machine sleeps. Boot
 * time goes on then, and is the same for every process of one boot: for what
 * outlives us. Any thread.
 */
#ifndef CALLBACKD_CLOCK_H
#define CALLBACKD_CLOCK_H

#include <stdint.h>

int64_t clock_wall_ms(void); /* Unix time */
int64_t clock_mono_ms(void); /* since some fixed moment */
int64_t clock_mono_us(void);
int64_t clock_boot_ms(void); /* since the kernel started */

/* Which start of the kernel that was; "" when it cannot be known. */
#define CLOCK_BOOT_ID_SIZE 37
void clock_boot_id(char out[CLOCK_BOOT_ID_SIZE]);

#endif
