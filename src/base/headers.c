/* headers.c - header fields as lines of one text.
 *
 * 1. Every line was checked by headers_add, so a reader may split at the first
 *    colon and at the newline. A text that went through a store is read with
 *    suspicion all the same: a line without a colon is skipped.
 * 2. A refused field leaves the list as it was and usable.
 *
 * Thread: that of the list's owner.
 */
#include "callbackd/headers.h"

#include <string.h>

#include "callbackd/text.h"

/* RFC 9110, 7.6.1, and the two of a proxy's own conversation. */
#define NAMED(name)                                                            \
	{                                                                      \
		name, sizeof(name) - 1                                         \
	}
static const struct {
	const char *name;
	size_t len;
} hop_by_hop[] = { NAMED("Connection"), NAMED("Keep-Alive"),
	NAMED("Proxy-Connection"), NAMED("Proxy-Authenticate"),
	NAMED("Proxy-Authorization"), NAMED("TE"), NAMED("Trailer"),
	NAMED("Transfer-Encoding"), NAMED("Upgrade") };

void
headers_init(struct headers *headers)
{
	buf_init(&headers->text, HEADERS_MAX_BYTES);
}

void
headers_free(struct headers *headers)
{
	buf_free(&headers->text);
}

/* tchar of RFC 9110, 5.6.2. */
static const bool is_token_char[256] = {
	['!'] = true,
	['#' ... '\''] = true,
	['*'] = true,
	['+'] = true,
	['-'] = true,
	['.'] = true,
	['0' ... '9'] = true,
	['A' ... 'Z'] = true,
	['^' ... 'z'] = true,
	['|'] = true,
	['~'] = true,
};

bool
header_is_token(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_token_char[(unsigned char)text[i]])
			return false;
	return len > 0;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool
headers_add_n(struct headers *headers, const char *name, size_t name_len,
    const char *value, size_t value_len)
{
	struct buf *text = &headers->text;

	if (!header_is_token(name, name_len) ||
	    memchr(value, '\r', value_len) != NULL ||
	    memchr(value, '\n', value_len) != NULL)
		return false;
	for (; is_blank(*value); value++)
		value_len--;
	while (value_len > 0 && is_blank(value[value_len - 1]))
		value_len--;
	if (!buf_reserve(text, name_len + value_len + 3))
		return false;
	buf_append(text, name, name_len);
	buf_append(text, ": ", 2);
	buf_append(text, value, value_len);
	buf_append(text, "\n", 1);
	return !buf_failed(text);
}

bool
headers_add_int(struct headers *headers, const char *name, int64_t value)
{
	char text[TEXT_INT_SIZE];
	size_t len = text_int(value, text);

	return headers_add_n(headers, name, strlen(name), text, len);
}

bool
headers_next(const char **cursor, struct header_field *out)
{
	const char *line = *cursor;

	while (line != NULL && *line != '\0') {
		const char *end = strchrnul(line, '\n');
		const char *colon = memchr(line, ':', (size_t)(end - line));
		const char *value;

		*cursor = *end == '\n' ? end + 1 : end;
		if (colon == NULL) {
			line = *cursor;
			continue;
		}
		value = colon + 1;
		if (value < end && *value == ' ')
			value++;
		out->name = line;
		out->name_len = (size_t)(colon - line);
		out->value = value;
		out->value_len = (size_t)(end - value);
		return true;
	}
	return false;
}

bool
headers_find(const char *text, const char *name, const char **value_out,
    size_t *len_out)
{
	struct header_field field;

	while (headers_next(&text, &field)) {
		if (!header_is(&field, name))
			continue;
		*value_out = field.value;
		*len_out = field.value_len;
		return true;
	}
	return false;
}

/* True when the comma-separated list names it. */
static bool
list_names(const char *list, const char *name, size_t name_len)
{
	const char *item;
	size_t len;

	while (text_list_next(&list, &item, &len)) {
		size_t i = 0;

		if (len != name_len)
			continue;
		while (i < len && text_lower(item[i]) == text_lower(name[i]))
			i++;
		if (i == len)
			return true;
	}
	return false;
}

bool
header_is_hop_by_hop(const char *name, size_t name_len, const char *connection)
{
	size_t count = sizeof(hop_by_hop) / sizeof(hop_by_hop[0]);

	for (size_t i = 0; i < count; i++)
		if (hop_by_hop[i].len == name_len &&
		    text_equal_nocase_n(name, name_len, hop_by_hop[i].name))
			return true;
	return connection != NULL && list_names(connection, name, name_len);
}
