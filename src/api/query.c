/* query.c - parameters out of a query string. */
#include <string.h>

#include "inside.h"

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Decodes len bytes into out; false when an escape is broken, hides a NUL or
 * the text is too long. */
static bool
decode(const char *text, size_t len, char *out, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < len; i++) {
		int c = text[i] == '+' ? ' ' : (unsigned char)text[i];

		if (c == '%') {
			int high = i + 2 < len ? hex_value(text[i + 1]) : -1;
			int low = i + 2 < len ? hex_value(text[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = high * 16 + low;
			i += 2;
		}
		if (c == '\0' || used + 1 >= size)
			return false;
		out[used++] = (char)c;
	}
	out[used] = '\0';
	return true;
}

int
query_find(const char *query, const char *name, char *out, size_t size)
{
	size_t name_len = strlen(name);

	while (*query != '\0') {
		size_t len = strcspn(query, "&");

		if (len > name_len && query[name_len] == '=' &&
		    strncmp(query, name, name_len) == 0)
			return decode(query + name_len + 1, len - name_len - 1,
				   out, size)
			    ? 1
			    : -1;
		query += len;
		query += *query == '&';
	}
	return 0;
}
