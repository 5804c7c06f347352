/* buf.h - bytes that grow, up to a ceiling named at birth.
 *
 * Failure is sticky: once an append does not fit (or memory is out) the buffer
 * keeps what it has, buf_failed() is true and later appends do nothing, so a
 * writer checks once, at the end. Not shared between threads.
 */
#ifndef CALLBACKD_BUF_H
#define CALLBACKD_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
	char *data;  /* owned; NULL while empty; always NUL-terminated else */
	size_t len;  /* bytes in use, the final NUL not counted */
	size_t cap;  /* bytes allocated */
	size_t max;  /* ceiling of len, chosen at buf_init */
	bool failed; /* an append was refused */
};

/* Starts an empty buffer that will never hold more than max_bytes. */
void buf_init(struct buf *buf, size_t max_bytes);

/* Gives the memory back and leaves an empty buffer with the same ceiling. */
void buf_free(struct buf *buf);

/* Forgets the content and a failure, keeps the memory. */
void buf_clear(struct buf *buf);

/* Makes room for more bytes, so that appending them cannot fail. False when
 * they would not fit; that alone is no failure and changes nothing. */
bool buf_reserve(struct buf *buf, size_t more);

/* What buf_append does where there is no room yet, or a failure. */
bool buf_append_growing(struct buf *buf, const void *bytes, size_t len);

/* Append bytes, a string, a character, a formatted text. False when refused;
 * nothing of the piece is then in the buffer.
 *
 * buf_append is inline because a job is written in some hundred pieces whose
 * lengths are known to the compiler, and nearly all of them fit. */
static inline bool
buf_append(struct buf *buf, const void *bytes, size_t len)
{
	if (len == 0 || len >= buf->cap - buf->len || buf->failed)
		return buf_append_growing(buf, bytes, len);
	memcpy(buf->data + buf->len, bytes, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
	return true;
}

bool buf_puts(struct buf *buf, const char *text);
bool buf_putc(struct buf *buf, char c);
bool buf_put_int(struct buf *buf, int64_t number); /* in decimal */
bool buf_printf(struct buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool buf_vprintf(struct buf *buf, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* Gives the content away as a string, which free(3) ends, without most of what
 * doubling left over: it may be kept for long. NULL while empty. The buffer is
 * as after buf_init. */
char *buf_take(struct buf *buf);

/* True when any append since buf_init or buf_clear was refused. */
bool buf_failed(const struct buf *buf);

/* The content as a string; "" while empty. Valid until the next change. */
const char *buf_text(const struct buf *buf);

#endif
