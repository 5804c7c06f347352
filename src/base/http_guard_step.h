/* http_guard_step.h - the pieces that http_guard.c is put together from.
 *
 * A step reads the bytes it is given in one state, as many as it likes, and
 * returns how many it used. It may use none if it changes the state or
 * refuses. Steps of the request line are in http_guard_line.c, those of fields
 * in http_guard_fields.c, the rest in http_guard.c.
 */
#ifndef CALLBACKD_BASE_HTTP_GUARD_STEP_H
#define CALLBACKD_BASE_HTTP_GUARD_STEP_H

#include "http_guard.h"

/* Bytes read in the states from METHOD to LAST_COUNTED draw on head_left. */
enum guard_state {
	GUARD_START,
	GUARD_METHOD,
	GUARD_TARGET,
	GUARD_VERSION,
	GUARD_REQUEST_LF,
	GUARD_LINE,
	GUARD_NAME,
	GUARD_VALUE,
	GUARD_VALUE_LF,
	GUARD_HEAD_LF,
	GUARD_EXTENSION,
	GUARD_LAST_COUNTED = GUARD_EXTENSION,
	GUARD_SIZE,
	GUARD_SIZE_LF,
	GUARD_BODY,
	GUARD_DATA,
	GUARD_DATA_CR,
	GUARD_DATA_LF,
	GUARD_COMPLETE, /* to be reported before the next byte */
	GUARD_OVER,
	GUARD_DEAD,
};

/* What a step is given, and what it has to tell. */
struct guard_step {
	const unsigned char *bytes;
	size_t len; /* at least 1 */
	enum guard_event event;
};

typedef size_t guard_step_fn(struct guard *guard, struct guard_step *step);

guard_step_fn guard_step_method;
guard_step_fn guard_step_target;
guard_step_fn guard_step_version;
guard_step_fn guard_step_line;
guard_step_fn guard_step_name;
guard_step_fn guard_step_value;
guard_step_fn guard_step_value_lf;

/* Whether the fields of a complete head fit together and its body is wanted.
 * False after a refusal. */
bool guard_judge_head(struct guard *guard, struct guard_step *step);

/* Sets of bytes, a bit each, 32 a word. */
typedef uint32_t guard_set[8];
extern const guard_set guard_token_set; /* tchar, RFC 9110, 5.6.2 */
extern const guard_set guard_value_set; /* VCHAR, space, tab */
bool guard_set_has(const guard_set set, unsigned char c);
/* How many of the bytes, from the first on, are in the set. */
size_t guard_run(const guard_set set, const struct guard_step *step);

/* 0 .. 15, or -1 for what is no hex digit. */
int guard_hex_digit(unsigned char c);

/* A name or an address, and perhaps a port: of a Host, or of a target. */
bool guard_is_authority(const char *text, size_t len);

/* The word at hand: a method, version or name. */
void guard_word_add(struct guard *guard, unsigned char c);
bool guard_word_is(const struct guard *guard, const char *text);

/* The refusals; each returns 0, for the step to return. */
size_t guard_step_refuse(struct guard *guard, struct guard_step *step,
    int status, const char *name, const char *detail);
size_t guard_bare_cr(struct guard *guard, struct guard_step *step);
size_t guard_malformed(struct guard *guard, struct guard_step *step,
    const char *detail);
size_t guard_too_large(struct guard *guard, struct guard_step *step, int status,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
