/* tail.c - bytes of a stranger, cut and made presentable.
 *
 * 1. The text goes into JSON, callbacks and terminals: no byte of it is passed
 *    on that is not UTF-8, nor an escape sequence.
 *
 * Any thread.
 */
#include "tail.h"

#include <string.h>

#include "callbackd/text.h"

void
tail_append(struct tail *tail, const char *bytes, size_t len)
{
	size_t keep = TAIL_BYTES - tail->len;

	if (len > TAIL_BYTES) {
		bytes += len - TAIL_BYTES;
		len = TAIL_BYTES;
		tail->len = 0;
		tail->was_cut = true;
	} else if (len > keep) {
		keep = TAIL_BYTES - len;
		memmove(tail->bytes, tail->bytes + tail->len - keep, keep);
		tail->len = keep;
		tail->was_cut = true;
	}
	memcpy(tail->bytes + tail->len, bytes, len);
	tail->len += len;
}

/* How many bytes at the front belong to a character whose beginning is gone. */
static size_t
broken_front(const struct tail *tail)
{
	size_t count = 0;

	while (tail->was_cut && count < 3 && count < tail->len &&
	    ((unsigned char)tail->bytes[count] & 0xc0) == 0x80)
		count++;
	return count;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The bytes at hand that may be passed on as they are; 0: the first may not. */
static size_t
plain_prefix(const char *bytes, size_t len)
{
	size_t count = 0;

	while (count < len) {
		unsigned char byte = (unsigned char)bytes[count];

		if (byte == 0x7f ||
		    (byte < ' ' && byte != '\n' && byte != '\t'))
			break;
		count++;
	}
	return text_utf8_prefix(bytes, count);
}

void
tail_text(const struct tail *tail, char out[TAIL_TEXT_SIZE])
{
	const char *from = tail->bytes + broken_front(tail);
	const char *end = tail->bytes + tail->len;

	while (end > from && is_blank(end[-1]))
		end--;
	if (tail->was_cut)
		out = stpcpy(out, "...");
	while (from < end) {
		size_t good = plain_prefix(from, (size_t)(end - from));

		if (good > 0) {
			out = mempcpy(out, from, good);
			from += good;
		} else {
			*out++ = '?';
			from++;
		}
	}
	*out = '\0';
}
