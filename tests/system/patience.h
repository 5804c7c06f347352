/* patience.h - how long may a condition take to become true?
 *
 * Every wait of the system tests goes through here: a condition is looked at
 * again and again until it holds or the deadline has passed. A deadline is
 * only for failing; passing takes as long as the condition takes. The
 * environment's CALLBACKD_TEST_SLOWNESS (1 without it) multiplies all of them,
 * for sanitizers and for slow machines.
 */
#ifndef TESTS_SYSTEM_PATIENCE_H
#define TESTS_SYSTEM_PATIENCE_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>

/* Enough for anything that should happen at once on a busy machine. */
#define SOON_MS 15000

int64_t now_mono_ms(void);
int64_t now_wall_ms(void);

/* ms, stretched by CALLBACKD_TEST_SLOWNESS. */
int64_t patient_ms(int64_t ms);

/* True while until_mono_ms has not come; pauses a moment before it says so. */
bool patience_lasts(int64_t until_mono_ms);

/* Evaluates condition until it is true; after ms (stretched) the case fails
 * and says which condition never came. */
#define wait_until_within(condition, ms)                                       \
	do {                                                                   \
		int64_t until_ = now_mono_ms() + patient_ms(ms);               \
		while (!(condition))                                           \
			ck_assert_msg(patience_lasts(until_),                  \
			    "waited in vain for: %s", #condition);             \
	} while (0)

#define wait_until(condition) wait_until_within(condition, SOON_MS)

#endif
