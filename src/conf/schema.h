/* schema.h - every setting there is: where it stands, what it may say, what it
 * is when nobody says anything.
 *
 * One table, from which the parser, the conversion and the manual's check are
 * made. Private to src/conf; pure.
 */
#ifndef CALLBACKD_CONF_SCHEMA_H
#define CALLBACKD_CONF_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "complain.h"

/* Where a setting may stand. */
enum place {
	PLACE_TOP,      /* outside every section */
	PLACE_QUEUE,    /* queue "NAME" */
	PLACE_BACKOFF,  /* queue "NAME" { backoff } */
	PLACE_CALLBACK, /* callback */
	PLACE_BREAKER,  /* callback { breaker } */
	PLACE_CLIENT,   /* client "NAME" */
	PLACE_ALERTS,   /* alerts */
};
#define PLACE_COUNT 7

/* What a setting may say, and the C type it is kept as. */
enum setting_kind {
	SETTING_BOOL,     /* bool */
	SETTING_COUNT32,  /* int32_t, min .. max */
	SETTING_COUNT64,  /* int64_t, min .. max */
	SETTING_NUMBER,   /* double, min .. max */
	SETTING_DURATION, /* int64_t, ms */
	SETTING_SIZE,     /* int64_t, bytes */
	SETTING_WORD,     /* enum: the index of one of words */
	SETTING_SWITCH,   /* bool: words[0] is false, words[1] is true */
	SETTING_TEXT,     /* read by check.c, each in its own way */
	SETTING_LIST,     /* likewise; takes { } with min .. max values */
};

struct setting {
	enum place place;
	enum setting_kind kind;
	const char *name;
	const char *default_text; /* as in a file; NULL: must be given */
	int64_t min, max;
	const char *const *words; /* NULL-terminated */
	size_t offset;            /* in the struct of its place */
};
#define NOT_KEPT SIZE_MAX /* offset of what is not kept by build_values */

/* A section that may stand in a place. */
struct section {
	enum place parent;
	enum place place; /* of its settings */
	const char *name;
	bool titled; /* queue "NAME": any number of them */
};

/* NULL when there is none of that name there. */
const struct setting *schema_setting(enum place place, const char *name,
    size_t len);
const struct section *schema_section(enum place parent, const char *name,
    size_t len);
/* The i-th setting of all, from 0, fewer than SCHEMA_SETTING_MAX; NULL behind
 * the last. */
const struct setting *schema_nth(size_t i);
#define SCHEMA_SETTING_MAX 80
/* The i-th section of all, parents before their children; as schema_nth. */
const struct section *schema_nth_section(size_t i);
/* "queue", "queue backoff" ...; "" at the top. */
const char *schema_place_name(enum place place);

/* Complains about each value of the section (stated.h) that is legal but cannot
 * be honoured by this version. */
struct stated;
void schema_refuse_not_yet(const struct stated *section, enum place place,
    struct complaints *out);

#endif
