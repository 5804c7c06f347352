/* tail.h - the last words of a program: what it wrote to stderr, cut to its end.
 *
 * A value; never allocates. Private to src/exec.
 */
#ifndef CALLBACKD_EXEC_TAIL_H
#define CALLBACKD_EXEC_TAIL_H

#include <stdbool.h>
#include <stddef.h>

#define TAIL_BYTES 1024 /* kept: enough for the end of a stack trace */

struct tail {
	char bytes[TAIL_BYTES];
	size_t len;
	bool was_cut; /* something came before these */
};

/* Adds what was written; the oldest bytes give way. */
void tail_append(struct tail *tail, const char *bytes, size_t len);

#define TAIL_TEXT_SIZE (TAIL_BYTES + 4)

/* As text: well-formed UTF-8 whose only control characters are tabs and line
 * ends, without blanks at its end; "..." before it when something is missing
 * there. */
void tail_text(const struct tail *tail, char out[TAIL_TEXT_SIZE]);

#endif
