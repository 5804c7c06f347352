/* buf.c - bytes that grow by doubling, never beyond their ceiling.
 *
 * 1. data is NULL, or holds cap bytes of which data[len] is the NUL.
 * 2. len <= max and, with memory, len < cap <= max + 1.
 * 3. A refused append changes nothing but failed.
 *
 * Thread: that of the owner.
 */
#include "callbackd/buf.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/text.h"

enum {
	FIRST_BYTES = 512, /* most texts of ours fit after one or two steps */
	SLACK_BYTES = 64   /* not worth a realloc when it is given away */
};

void
buf_init(struct buf *buf, size_t max_bytes)
{
	*buf = (struct buf){ 0 };
	/* Half of the address space is unlimited, and sums cannot wrap. */
	buf->max = max_bytes < SIZE_MAX / 2 ? max_bytes : SIZE_MAX / 2;
}

void
buf_free(struct buf *buf)
{
	free(buf->data);
	buf_init(buf, buf->max);
}

void
buf_clear(struct buf *buf)
{
	buf->len = 0;
	buf->failed = false;
	if (buf->data != NULL)
		buf->data[0] = '\0';
}

/* The next capacity that holds need bytes: doubled, the ceiling at most. */
static size_t
grown_capacity(const struct buf *buf, size_t need)
{
	size_t cap = buf->cap > 0 ? buf->cap : FIRST_BYTES;

	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	return cap < buf->max + 1 ? cap : buf->max + 1;
}

bool
buf_reserve(struct buf *buf, size_t more)
{
	size_t cap;
	char *data;

	assert(buf->len <= buf->max);
	if (more > buf->max - buf->len)
		return false;
	if (buf->len + more < buf->cap)
		return true;
	cap = grown_capacity(buf, buf->len + more + 1);
	data = realloc(buf->data, cap);
	if (data == NULL)
		return false;
	data[buf->len] = '\0';
	buf->data = data;
	buf->cap = cap;
	return true;
}

bool
buf_append_growing(struct buf *buf, const void *bytes, size_t len)
{
	if (buf->failed)
		return false;
	if (!buf_reserve(buf, len)) {
		buf->failed = true;
		return false;
	}
	if (len == 0)
		return true;
	memcpy(buf->data + buf->len, bytes, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
	return true;
}

bool
buf_puts(struct buf *buf, const char *text)
{
	return buf_append(buf, text, strlen(text));
}

bool
buf_putc(struct buf *buf, char c)
{
	return buf_append(buf, &c, 1);
}

bool
buf_put_int(struct buf *buf, int64_t number)
{
	char text[TEXT_INT_SIZE];

	return buf_append(buf, text, text_int(number, text));
}

bool
buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;
	bool fits;

	va_start(args, format);
	fits = buf_vprintf(buf, format, args);
	va_end(args);
	return fits;
}

bool
buf_vprintf(struct buf *buf, const char *format, va_list args)
{
	va_list again;
	int len;

	if (buf->failed)
		return false;
	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (len < 0 || !buf_reserve(buf, (size_t)len)) {
		buf->failed = true;
		return false;
	}
	vsnprintf(buf->data + buf->len, (size_t)len + 1, format, args);
	buf->len += (size_t)len;
	return true;
}

char *
buf_take(struct buf *buf)
{
	char *data = buf->data;
	char *smaller = NULL;

	if (data != NULL && buf->cap - buf->len > buf->len / 2 + SLACK_BYTES)
		smaller = realloc(data, buf->len + 1);
	buf_init(buf, buf->max);
	return smaller != NULL ? smaller : data;
}

bool
buf_failed(const struct buf *buf)
{
	return buf->failed;
}

const char *
buf_text(const struct buf *buf)
{
	return buf->data != NULL ? buf->data : "";
}
