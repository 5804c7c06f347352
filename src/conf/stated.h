/* stated.h - what a configuration file states, and the table where it is silent.
 *
 * A tree of values as they were written, in the order of the table. Private to
 * src/conf; main thread only.
 */
#ifndef CALLBACKD_CONF_STATED_H
#define CALLBACKD_CONF_STATED_H

#include <stdbool.h>
#include <stddef.h>

#include "callbackd/buf.h"
#include "complain.h"
#include "schema.h"

/* One value as it was written (or as the table has it), with the line. The
 * line of a default is that of its section's opening brace, 0 at the top. */
struct written {
	int line;
	char text[];
};

/* A value, or a section followed by what stands in it. */
struct stated {
	const char *name;              /* the table's; "" for the whole file */
	const struct written *written; /* of a section: its title */
	size_t span;   /* of these in a row: itself and what stands in it */
	bool is_given; /* by the file itself */
};

/* A file that was read. */
struct statement {
	struct buf bytes;
	struct stated *all; /* the first is the whole; NULL: nothing */
};

/* Reads text, which prescan has cleaned and found to give so many values. False,
 * and complaints, when libConfuse refuses it or there is no memory. Free with
 * stated_free in either case. */
bool stated_read(const char *text, size_t given_count, struct complaints *out,
    struct statement *statement_out);
void stated_free(struct statement *statement);

/* The i-th section of that name, which is there: those that have no title
 * always are, once. */
const struct stated *stated_section(const struct stated *section,
    const char *name, size_t i);
/* The i-th value of a setting. A scalar always has one. */
const struct written *stated_value(const struct stated *section,
    const char *name, size_t i);
/* How many values, or sections, there are of that name. */
size_t stated_count(const struct stated *section, const char *name);
/* True when the file itself says it: not a default. For scalars. */
bool stated_is_given(const struct stated *section, const char *name);

#endif
