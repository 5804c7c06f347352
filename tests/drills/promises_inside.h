/* promises_inside.h - what promises.c and evidence.c share. */
#ifndef TESTS_DRILLS_PROMISES_INSIDE_H
#define TESTS_DRILLS_PROMISES_INSIDE_H

#include <pthread.h>

#include "promises.h"

#define COMPLAINTS_MAX 40 /* said in words; the rest is only counted */

struct promise {
	char id[ID_SIZE];
	char webhook[ID_SIZE]; /* of its callback; "": none */
	uint32_t key;          /* 0: none */
	bool at_most_once;
	bool is_missing;

	/* As it was told last. */
	char status[12];
	char error[24];
	char callback[12];
	int attempts;
	int posts;

	/* What the peers have seen. */
	int runs_seen;
	int last_attempt;
	int posts_seen;
	int last_post; /* its Webhook-Attempt */
	bool is_delivered;
	bool is_dead_letter;
};

struct promises {
	pthread_mutex_t lock;
	struct promise *all;
	size_t count, room;
	int complaints;
	struct figures figures;
};

/* Counts what is wrong, and says it. */
void complain(struct promises *promises, long *count, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
