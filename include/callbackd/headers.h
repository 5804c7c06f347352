/* headers.h - a list of header fields, kept as one text.
 *
 * Lines of "Name: value\n", in the order they came, repeated names included.
 * This is also how they are stored, so that nothing has to be built up or torn
 * down on a job's way. Names and values are checked when they are added: a name
 * is an RFC 9110 token, a value holds no CR, LF or NUL and is trimmed.
 */
#ifndef CALLBACKD_HEADERS_H
#define CALLBACKD_HEADERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "callbackd/buf.h"
#include "callbackd/text.h"

#define HEADERS_MAX_BYTES 65536 /* a list above this is refused */

struct headers {
	struct buf text;
};

void headers_init(struct headers *headers);
void headers_free(struct headers *headers);

/* A token (RFC 9110, 5.6.2): what names of fields and methods are made of. */
bool header_is_token(const char *text, size_t len);

/* False when name or value is not legal, the list is too long or memory is
 * out; the list is then unchanged. The compiler knows the length of most names:
 * so those who take one are inline. */
bool headers_add_n(struct headers *headers, const char *name, size_t name_len,
    const char *value, size_t value_len);
static inline bool
headers_add(struct headers *headers, const char *name, const char *value)
{
	return headers_add_n(headers, name, strlen(name), value, strlen(value));
}
bool headers_add_int(struct headers *headers, const char *name, int64_t value);

/* One field at a time out of a stored text. Start with *cursor = the text
 * (NULL is an empty list). Name and value are slices, not terminated. */
struct header_field {
	const char *name;
	size_t name_len;
	const char *value;
	size_t value_len;
};
bool headers_next(const char **cursor, struct header_field *out);
static inline bool
header_is(const struct header_field *field, const char *name)
{
	return field->name_len == strlen(name) &&
	    text_equal_nocase_n(field->name, field->name_len, name);
}

/* The first value of that name, as a slice of text. False when absent. */
bool headers_find(const char *text, const char *name, const char **value_out,
    size_t *len_out);

/* True for fields that belong to one connection and are never passed on
 * (RFC 9110, 7.6.1): Connection and whatever it names, Keep-Alive,
 * Proxy-Connection, Proxy-Authenticate, Proxy-Authorization, TE, Trailer,
 * Transfer-Encoding, Upgrade. connection is the value of the Connection field,
 * NULL without one. */
bool header_is_hop_by_hop(const char *name, size_t name_len,
    const char *connection);

#endif
