/* json_raw.c - the part of JSON's grammar that yajl 2.1 does not enforce.
 *
 * yajl takes overlong and surrogate UTF-8, joins half of a surrogate pair with
 * whatever escape follows, and counts form feed and vertical tab as blanks. It
 * also hands out U+0000, which neither C strings nor PostgreSQL can hold. None
 * of it may come in, so the whole text is looked through before yajl sees it.
 *
 * Pure; any thread.
 */
#include "json_raw.h"

#include <string.h>

/* The four hex digits at text; -1 when they are not. */
static int
hex4(const char *text)
{
	int value = 0;

	for (int i = 0; i < 4; i++) {
		char c = text_lower(text[i]);

		if (c >= '0' && c <= '9')
			value = value * 16 + (c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value * 16 + (c - 'a' + 10);
		else
			return -1;
	}
	return value;
}

/* The code unit of a "\uNNNN" at text; -1 when there is none. */
static int
escaped_unit(const char *text, const char *end)
{
	if (end - text < 6 || text[0] != '\\' || text[1] != 'u')
		return -1;
	return hex4(text + 2);
}

/* Length of the escape at text, 0 when it stands for no character. Escapes
 * that are no escapes at all are left to yajl. */
static size_t
escape_len(const char *text, const char *end)
{
	int unit = escaped_unit(text, end);

	if (unit < 0)
		return 2;
	if (unit == 0 || (unit >= 0xdc00 && unit <= 0xdfff))
		return 0;
	if (unit < 0xd800 || unit > 0xdfff)
		return 6;
	unit = escaped_unit(text + 6, end);
	return unit >= 0xdc00 && unit <= 0xdfff ? 12 : 0;
}

/* The first escape that is refused; NULL without one. Every backslash counts:
 * outside of strings it is an error anyway. */
static const char *
bad_escape(const char *text, const char *end)
{
	while (text < end) {
		size_t len;

		text = memchr(text, '\\', (size_t)(end - text));
		if (text == NULL)
			return NULL;
		len = escape_len(text, end);
		if (len == 0)
			return text;
		if (len > (size_t)(end - text))
			return NULL;
		text += len;
	}
	return NULL;
}

bool
json_raw_is_fine(const char *text, size_t len, struct reason *why_out)
{
	const char *bad = text + text_utf8_prefix(text, len);
	const char *what = "not UTF-8";

	if (bad == text + len) {
		what = "form feed or vertical tab";
		bad = memchr(text, '\f', len);
		if (bad == NULL)
			bad = memchr(text, '\v', len);
	}
	if (bad == NULL) {
		what = "\\u0000 or half of a surrogate pair";
		bad = bad_escape(text, text + len);
	}
	if (bad == NULL)
		return true;
	reason_set(why_out, "%s at byte %zu", what, (size_t)(bad - text) + 1);
	return false;
}
