/* drill.h - what the drills share: dice, a client that is used to cuts, a
 * daemon that may die at any moment, and the main of a drill.
 *
 * A drill is a program of its own with arguments; inside, it is one case on
 * the harness of the system tests.
 */
#ifndef TESTS_DRILLS_DRILL_H
#define TESTS_DRILLS_DRILL_H

#include "../system/jobs.h"

/* ---- dice: the same seed, the same falls ---- */

struct dice {
	uint64_t state;
};
uint32_t dice_throw(struct dice *dice, uint32_t sides); /* 0 .. sides - 1 */
/* 1 .. most, small numbers as likely as large ones. */
uint32_t dice_log(struct dice *dice, uint32_t most);

/* ---- a client that is used to cuts; any thread ---- */

/* Connects; waits no longer than ms (stretched) for a reply. False when nobody
 * listens. */
bool try_open(struct client *client, const char *address, int64_t ms);
/* Request and reply on a connection. False when it broke before the whole reply
 * was here. body NULL: none. */
bool try_ask(struct client *client, const char *method, const char *target,
    const char *fields, const char *body, struct reply *out);
/* Copies the value of the first field of that name; false without one. */
bool head_says(const struct reply *reply, const char *name, char *out,
    size_t size);

/* ---- the daemon ---- */

/* What the next start of the daemon finds in its environment: SHARED is loaded
 * into it, NAME=VALUE set. */
void shim_set(const char *shared, const char *name, const char *value);
void shim_clear(void);
/* The file of a library in the folder of the drills. */
void shim_path(const char *name, char out[PATH_SIZE]);

/* As daemon_start. False when it ended before it was ready. */
bool daemon_try_start(struct world *world);

/* ---- the drill ---- */

struct drill_option {
	const char *name;  /* "--cycles" */
	long *value;       /* as given, else as it was */
	const char *about; /* for the usage */
};

/* Reads the arguments; 64 and an end for those it does not know. */
void drill_options(int argc, char **argv, const struct drill_option *options,
    int count);

/* Runs the one case; the exit status. */
int drill_run(const char *name, const TTest *test, long seconds);

/* What the drill has found out, beside what Check says of it. */
void drill_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
