/* plain.c - the few JSON values that a document is made of, written fast.
 *
 * 1. What is copied unchecked is ours and plain by make: digits, hex, moments.
 * 2. A refused append, of whatever kind, leaves the buffer failed.
 *
 * Any thread.
 */
#include "plain.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/json.h"
#include "callbackd/text.h"

static void
put_quoted(struct buf *out, const char *text, size_t len)
{
	put_json(out, "\"");
	buf_append(out, text, len);
	put_json(out, "\"");
}

/* Escaped and repaired. */
static void
put_foreign(struct buf *out, const char *text, size_t len)
{
	struct json_writer *writer = json_writer_new(out);
	if (writer != NULL)
		json_string_n(writer, text, len);
	if (writer == NULL || !json_writer_end(&writer))
		out->failed = true;
}

void
put_string_n(struct buf *out, const char *text, size_t len)
{
	if (text_is_plain(text, len))
		put_quoted(out, text, len);
	else
		put_foreign(out, text, len);
}

void
put_string(struct buf *out, const char *text)
{
	if (text == NULL)
		put_json(out, "null");
	else
		put_string_n(out, text, strlen(text));
}

void
put_joined(struct buf *out, const char *first, const char *second)
{
	size_t first_len = strlen(first), second_len = strlen(second);
	struct buf both;
	if (text_is_plain(first, first_len) &&
	    text_is_plain(second, second_len)) {
		put_json(out, "\"");
		buf_append(out, first, first_len);
		buf_append(out, second, second_len);
		put_json(out, "\"");
		return;
	}
	buf_init(&both, first_len + second_len);
	buf_append(&both, first, first_len);
	buf_append(&both, second, second_len);
	put_foreign(out, buf_text(&both), both.len);
	out->failed |= buf_failed(&both);
	buf_free(&both);
}

void
put_int_from(struct buf *out, int64_t least, int64_t value)
{
	if (value < least)
		put_json(out, "null");
	else
		buf_put_int(out, value);
}

void
put_real_from(struct buf *out, double least, double value)
{
	char text[32];

	if (value < least) {
		put_json(out, "null");
		return;
	}
	for (int digits = 1; digits <= 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	buf_puts(out, text);
}

void
put_time(struct buf *out, int64_t at_ms)
{
	char text[TEXT_TIME_SIZE];
	if (at_ms < 0) {
		put_json(out, "null");
		return;
	}
	text_time(at_ms, text);
	put_quoted(out, text, sizeof(text) - 1);
}

void
put_uuid(struct buf *out, struct uuid id)
{
	char text[UUID_TEXT_SIZE];
	if (!uuid_is_set(id)) {
		put_json(out, "null");
		return;
	}
	uuid_text(id, text);
	put_quoted(out, text, sizeof(text) - 1);
}
