/* world_inside.h - what the files of the world share. */
#ifndef TESTS_SCENARIO_WORLD_INSIDE_H
#define TESTS_SCENARIO_WORLD_INSIDE_H

#include <stddef.h>

#include "callbackd/loop.h"

/* In the array of the conf, with those that a reload has hidden. */
size_t all_queues_count(void);

/* Of whoever asks: they take turns. */
struct loop *next_lane(void);

#endif
