/* parse.h - what does libConfuse read in a text?
 *
 * It is asked in a process of its own (apart.h), so what it read is told as
 * records, one behind the other. Private to src/conf.
 */
#ifndef CALLBACKD_CONF_PARSE_H
#define CALLBACKD_CONF_PARSE_H

#include <stdint.h>

#include "callbackd/buf.h"
#include "callbackd/text.h"

/* All values of a text: each may be one variable of the environment. */
#define PARSED_MAX_BYTES (16 * 1024 * 1024)

enum parsed_kind {
	PARSED_VALUE,   /* of the number-th setting */
	PARSED_SECTION, /* the number-th begins; its text is the title */
	PARSED_END,     /* of the section that began last */
	PARSED_FAULT,   /* what libConfuse has against the text */
};

/* Followed by its text with a NUL and, up to a multiple of PARSED_ALIGN, by
 * more of them. line and text make a struct written. */
struct parsed {
	uint16_t kind;
	uint16_t number; /* in the tables of schema.c */
	uint32_t is_given;
	uint32_t text_bytes; /* with all NULs */
	int32_t line;
};
#define PARSED_ALIGN 4

/* Lets libConfuse read the text, which gives so many values: every setting of
 * the schema with its values, below their sections. False, and why_out says
 * why, when it did not come to an end or has found less. */
bool parse_text(const char *text, size_t given_count, struct buf *records,
    struct reason *why_out);

#endif
