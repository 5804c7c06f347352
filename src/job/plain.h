/* plain.h - the few JSON values that a document is made of, written fast.
 *
 * Private to src/job. A document is written for every request, and nearly all
 * of it is ours: keys, numbers, moments, ids and plain ASCII. These go into the
 * buffer as they are, at a quarter of what a JSON writer costs (measured); a
 * string with anything else in it is left to json.h. The caller sees to commas
 * and brackets, and looks at buf_failed() when all is written.
 */
#ifndef CALLBACKD_JOB_PLAIN_H
#define CALLBACKD_JOB_PLAIN_H

#include <stddef.h>
#include <stdint.h>

#include "callbackd/buf.h"
#include "callbackd/uuid.h"

/* JSON as it stands in the source. */
#define put_json(out, literal) buf_append(out, literal, sizeof(literal) - 1)

/* A string in quotes; a NULL string is null. */
void put_string(struct buf *out, const char *text);
void put_string_n(struct buf *out, const char *text, size_t len);

/* Two strings as one, in one pair of quotes. */
void put_joined(struct buf *out, const char *first, const char *second);

/* null when the value is below the smallest that means something. */
void put_int_from(struct buf *out, int64_t least, int64_t value);

/* The shortest text that reads back as the same number. */
void put_real_from(struct buf *out, double least, double value);

/* A moment; null when it is negative. */
void put_time(struct buf *out, int64_t at_ms);

/* An id; null when it is not set. */
void put_uuid(struct buf *out, struct uuid id);

#endif
