/* sick_store.h - a store that fails when it is told to.
 *
 * Stands between the door of the store and its drivers (the linker's --wrap of
 * memory_driver and sqlite_driver), so that the door meets the failure where a
 * real one would come from.
 */
#ifndef TESTS_SCENARIO_SICK_STORE_H
#define TESTS_SCENARIO_SICK_STORE_H

#include "callbackd/store.h"

enum sick_call {
	SICK_BEGIN = 1 << 0,
	SICK_COMMIT = 1 << 1,
	SICK_ADD_JOB = 1 << 2,
	SICK_UPDATE_JOB = 1 << 3,
	SICK_ADD_DELIVERY = 1 << 4,
	SICK_UPDATE_DELIVERY = 1 << 5,
	SICK_PURGE = 1 << 6,
	SICK_GET_JOB = 1 << 7,
	SICK_GET_PAYLOAD = 1 << 8,
	SICK_GET_DELIVERY = 1 << 9,
	SICK_LIST = 1 << 10,
	SICK_COUNT = 1 << 11,
	SICK_WRITES = (1 << 7) - 1,
	SICK_READS = (1 << 12) - (1 << 7),
};
#define SICK_USED 10 /* of the calls above: lists and counts come last */

/* From now on calls of these kinds fail with result, after the first `spared`
 * of them. */
void store_sickens(unsigned calls, int spared, enum store_result result);
/* The same, but only that one call fails. */
void store_stumbles(unsigned calls, int spared);
void store_heals(void);

/* Whether the store has chores, beside those that it really has. */
void store_has_much_to_do(bool so);

/* Commits that were kept and asked to be durable. */
int store_durable_commits(void);

/* How often it was made to fail since it last sickened or stumbled. */
int store_failures(void);

#endif
