/* environment.h - what a command finds in its environment.
 *
 * The variables of the contract (section 8), and of our own environment only
 * those that name no secret and that hardly a program can do without. Private
 * to src/exec.
 */
#ifndef CALLBACKD_EXEC_ENVIRONMENT_H
#define CALLBACKD_EXEC_ENVIRONMENT_H

#include "callbackd/buf.h"
#include "callbackd/run.h"

/* The kernel takes no longer variable (execve(2): MAX_ARG_STRLEN), and no more
 * of all together than a quarter of the stack's limit. */
#define VARIABLE_MAX_BYTES 131072
#define ENVIRONMENT_MAX_BYTES (2 * 1024 * 1024)

struct environment {
	struct buf text;  /* NAME=value, each with its NUL */
	char **variables; /* into text; NULL-terminated; owned */
};

/* 0, or E2BIG or ENOMEM; nothing is to be freed then. */
int environment_make(struct environment *environment, const struct run *run,
    int64_t deadline_at_ms);
void environment_free(struct environment *environment);

#endif
