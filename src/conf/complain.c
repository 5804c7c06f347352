/* complain.c - one line for each mistake in a configuration file.
 *
 * 1. A line never holds a control character, whatever the file holds.
 * 2. Values of secrets are not passed here: callers name the setting only.
 *
 * Thread: main.
 */
#include "complain.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
complain_at(struct complaints *out, int line, const char *format, ...)
{
	char what[512], text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	/* The end of a very long path says more than its beginning. */
	size_t path_len = strlen(out->path);
	const char *path = path_len > 400 ? out->path + path_len - 400
					  : out->path;
	if (line > 0)
		snprintf(text, sizeof(text), "%s:%d: %s", path, line, what);
	else
		snprintf(text, sizeof(text), "%s: %s", path, what);
	out->count++;
	out->tell(text, out->arg);
}

const char *
shown(const char *text, size_t len, char out[SHOWN_SIZE])
{
	static const char more[] = "...";
	size_t room = SHOWN_SIZE - 1;
	size_t take = len <= room ? len : room - (sizeof(more) - 1);

	for (size_t i = 0; i < take; i++)
		out[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	out[take] = '\0';
	if (take < len)
		memcpy(out + take, more, sizeof(more));
	return out;
}
