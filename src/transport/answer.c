/* answer.c - heads are read line by line, and trusted in nothing.
 *
 *   status line ─► fields ─► empty line ─┬─ 1xx ──► status line ...
 *                                        └─ final ─► body ─► trailers
 *
 * 1. Every byte of every head counts against one ceiling, so that a peer that
 *    sends interim answers or trailers for ever is cut off like one whose head
 *    does not end.
 * 2. What libcurl would guess about, we refuse: two lengths, a length beside
 *    chunks, codings other than chunked, folded lines, a switch of protocols
 *    nobody asked for (RFC 9112, 5.2 and 6.3; RFC 9110, 15.2.2).
 * 3. Fields of one connection are not kept (RFC 9110, 7.6.1), nor is
 *    Content-Length: whoever passes the answer on frames it anew. A field with
 *    an illegal name or value is dropped; it makes nothing else invalid.
 * 4. The first error stays.
 *
 * Thread: that of the transfer.
 */
#include "answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/text.h"

enum {
	CONNECTION_MAX_BYTES = 4096 /* of all Connection fields together */
};

void
answer_init(struct answer *answer, bool to_head, int64_t max_head_bytes,
    int64_t max_body_bytes, bool keep_body)
{
	*answer = (struct answer){ 0 };
	answer->to_head = to_head;
	answer->keep_body = keep_body;
	/* A list of fields holds no more, so that a field is never dropped for
	 * want of room. */
	answer->max_head_bytes = max_head_bytes < HEADERS_MAX_BYTES
	    ? max_head_bytes
	    : HEADERS_MAX_BYTES;
	answer->max_body_bytes = max_body_bytes > 0 ? max_body_bytes : 0;
	answer->declared_bytes = -1;
	headers_init(&answer->headers);
	buf_init(&answer->connection, CONNECTION_MAX_BYTES);
	buf_init(&answer->body, (size_t)answer->max_body_bytes);
}

void
answer_free(struct answer *answer)
{
	headers_free(&answer->headers);
	buf_free(&answer->connection);
	buf_free(&answer->body);
}

/* Always false, so that callers can return it. */
static bool __attribute__((format(printf, 3, 4)))
refuse(struct answer *answer, enum job_error error, const char *format, ...)
{
	va_list args;

	if (answer->error != ERROR_NONE)
		return false;
	answer->error = error;
	va_start(args, format);
	vsnprintf(answer->detail, sizeof(answer->detail), format, args);
	va_end(args);
	return false;
}

/* ---- the status line ---- */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* HTTP/1.x SP 3DIGIT, then the end or a space and whatever (RFC 9112, 4). */
static bool
parse_status_line(const char *line, size_t len, int *status_out)
{
	if (len < 12 || memcmp(line, "HTTP/1.", 7) != 0 || !is_digit(line[7]) ||
	    line[8] != ' ')
		return false;
	for (int i = 9; i < 12; i++)
		if (!is_digit(line[i]))
			return false;
	if (len > 12 && line[12] != ' ')
		return false;
	*status_out = (line[9] - '0') * 100 + (line[10] - '0') * 10 +
	    (line[11] - '0');
	return true;
}

/* Nothing of an interim answer is kept. */
static void
forget_head(struct answer *answer)
{
	buf_clear(&answer->headers.text);
	buf_clear(&answer->connection);
	answer->declared_bytes = -1;
	answer->is_chunked = false;
}

static bool
add_status_line(struct answer *answer, const char *line, size_t len)
{
	int status;

	if (!parse_status_line(line, len, &status))
		return refuse(answer, ERROR_BAD_RESPONSE,
		    "the answer does not begin with an HTTP/1 status line");
	if (status < 100 || status > 599)
		return refuse(answer, ERROR_BAD_RESPONSE,
		    "%03d is not an HTTP status", status);
	if (status == 101)
		return refuse(answer, ERROR_BAD_RESPONSE,
		    "101: nobody asked to switch protocols");
	forget_head(answer);
	answer->in_head = true;
	answer->line_status = status;
	if (status >= 200)
		answer->status = status;
	return true;
}

/* ---- fields ---- */

static bool
add_content_length(struct answer *answer, const char *value)
{
	int64_t bytes;

	if (value[0] == '\0' || value[strspn(value, "0123456789")] != '\0')
		return refuse(answer, ERROR_BAD_RESPONSE,
		    "Content-Length is not a number");
	if (!text_int64(value, 0, INT64_MAX, &bytes))
		return refuse(answer, ERROR_TOO_LARGE,
		    "Content-Length is beyond all bounds");
	if (answer->declared_bytes >= 0 && answer->declared_bytes != bytes)
		return refuse(answer, ERROR_BAD_RESPONSE,
		    "two Content-Length fields that differ");
	answer->declared_bytes = bytes;
	return true;
}

/* We send no TE, so nothing but chunked may come (RFC 9112, 6.1 and 7.4). */
static bool
add_transfer_encoding(struct answer *answer, const char *value)
{
	if (!text_equal_nocase(value, "chunked") || answer->is_chunked)
		return refuse(answer, ERROR_BAD_RESPONSE,
		    "a Transfer-Encoding other than chunked");
	answer->is_chunked = true;
	return true;
}

static bool
add_connection(struct answer *answer, const char *value)
{
	buf_puts(&answer->connection, value);
	if (!buf_puts(&answer->connection, ","))
		return refuse(answer, ERROR_TOO_LARGE,
		    "Connection fields of more than %d bytes",
		    CONNECTION_MAX_BYTES);
	return true;
}

static bool
names_framing(const char *name)
{
	return text_equal_nocase(name, "content-length") ||
	    text_equal_nocase(name, "transfer-encoding");
}

/* "Content-Length : 5": neither libcurl nor headers_add takes it for a field,
 * the peer did (RFC 9112, 5.1). */
static bool
blank_hides_framing(char *name)
{
	size_t len = strlen(name);
	size_t trimmed = len;
	bool hides;

	while (trimmed > 0 && strchr(" \t", name[trimmed - 1]) != NULL)
		trimmed--;
	if (trimmed == len)
		return false;
	name[trimmed] = '\0';
	hides = names_framing(name);
	name[trimmed] = ' ';
	return hides;
}

static bool
add_field(struct answer *answer, char *name, const char *value)
{
	size_t name_len = strlen(name);

	if (text_equal_nocase(name, "content-length"))
		return add_content_length(answer, value);
	if (text_equal_nocase(name, "transfer-encoding"))
		return add_transfer_encoding(answer, value);
	if (text_equal_nocase(name, "connection"))
		return add_connection(answer, value);
	if (blank_hides_framing(name))
		return refuse(answer, ERROR_BAD_RESPONSE,
		    "a blank between %.20s and its colon", name);
	if (header_is_hop_by_hop(name, name_len, NULL))
		return true;
	if (!buf_reserve(&answer->headers.text, name_len + strlen(value) + 3))
		return refuse(answer, ERROR_INTERNAL, "out of memory");
	(void)headers_add(&answer->headers, name, value); /* invariant 3 */
	return true;
}

/* The value without the blanks around it. line is ours to write into. */
static char *
trim(char *value)
{
	size_t len;

	value += strspn(value, " \t");
	len = strlen(value);
	while (len > 0 && strchr(" \t", value[len - 1]) != NULL)
		len--;
	value[len] = '\0';
	return value;
}

static bool
add_field_line(struct answer *answer, const char *line, size_t len)
{
	char stack[512];
	char *copy = stack;
	char *colon;
	bool sound = true;

	if (++answer->field_count > ANSWER_MAX_FIELDS)
		return refuse(answer, ERROR_TOO_LARGE,
		    "the answer has more than %d fields", ANSWER_MAX_FIELDS);
	if (line[0] == ' ' || line[0] == '\t')
		return refuse(answer, ERROR_BAD_RESPONSE, "a folded field");
	if (memchr(line, '\0', len) != NULL)
		return refuse(answer, ERROR_BAD_RESPONSE, "a NUL in the head");
	if (len >= sizeof(stack))
		copy = malloc(len + 1);
	if (copy == NULL)
		return refuse(answer, ERROR_INTERNAL, "out of memory");
	memcpy(copy, line, len);
	copy[len] = '\0';
	colon = strchr(copy, ':');
	if (colon != NULL) {
		*colon = '\0';
		sound = add_field(answer, copy, trim(colon + 1));
	}
	if (copy != stack)
		free(copy);
	return sound;
}

/* ---- the end of a head ---- */

/* RFC 9112, 6.3: answers that never have a body, whatever they declare. */
static bool
has_no_body(const struct answer *answer)
{
	return answer->to_head || answer->status == 204 ||
	    answer->status == 304;
}

static bool
end_head(struct answer *answer)
{
	answer->in_head = false;
	if (answer->line_status < 200)
		return true;
	answer->head_is_complete = true;
	if (answer->is_chunked && answer->declared_bytes >= 0)
		return refuse(answer, ERROR_BAD_RESPONSE,
		    "Content-Length beside Transfer-Encoding");
	if (!has_no_body(answer) &&
	    answer->declared_bytes > answer->max_body_bytes)
		return refuse(answer, ERROR_TOO_LARGE,
		    "the answer declares %lld bytes, %lld are allowed",
		    (long long)answer->declared_bytes,
		    (long long)answer->max_body_bytes);
	return true;
}

static size_t
length_without_line_end(const char *line, size_t len)
{
	if (len > 0 && line[len - 1] == '\n')
		len--;
	if (len > 0 && line[len - 1] == '\r')
		len--;
	return len;
}

bool
answer_add_line(struct answer *answer, const char *line, size_t len)
{
	answer->head_bytes += (int64_t)len;
	if (answer->head_bytes > answer->max_head_bytes)
		return refuse(answer, ERROR_TOO_LARGE,
		    "the head of the answer is over %lld bytes",
		    (long long)answer->max_head_bytes);
	if (answer->head_is_complete)
		return true; /* trailers are counted and dropped */
	len = length_without_line_end(line, len);
	if (!answer->in_head)
		return add_status_line(answer, line, len);
	if (len == 0)
		return end_head(answer);
	return add_field_line(answer, line, len);
}

/* ---- the body, and the whole ---- */

bool
answer_add_body(struct answer *answer, const void *bytes, size_t len)
{
	if (!answer->head_is_complete)
		return refuse(answer, ERROR_BAD_RESPONSE,
		    "a body without a head");
	answer->body_bytes += (int64_t)len;
	if (answer->body_bytes > answer->max_body_bytes)
		return refuse(answer, ERROR_TOO_LARGE,
		    "the body of the answer is over %lld bytes",
		    (long long)answer->max_body_bytes);
	if (answer->keep_body && !buf_append(&answer->body, bytes, len))
		return refuse(answer, ERROR_INTERNAL, "out of memory");
	return true;
}

bool
answer_is_whole(const struct answer *answer)
{
	if (!answer->head_is_complete)
		return false;
	return has_no_body(answer) || answer->declared_bytes < 0 ||
	    answer->declared_bytes == answer->body_bytes;
}

/* Takes out what the Connection fields name; they may come last. */
static bool
drop_named_fields(struct headers *headers, const char *connection)
{
	struct buf kept;
	struct header_field field;
	const char *cursor = headers->text.data;

	buf_init(&kept, HEADERS_MAX_BYTES);
	while (headers_next(&cursor, &field)) {
		size_t len = (size_t)(cursor - field.name);

		if (!header_is_hop_by_hop(field.name, field.name_len,
			connection))
			buf_append(&kept, field.name, len);
	}
	if (buf_failed(&kept)) {
		buf_free(&kept);
		return false;
	}
	buf_free(&headers->text);
	headers->text = kept;
	return true;
}

/* True when the list holds more than close and keep-alive, which is rare. */
static bool
names_fields(const char *connection)
{
	const char *item;
	size_t len;

	while (text_list_next(&connection, &item, &len))
		if (!text_equal_nocase_n(item, len, "close") &&
		    !text_equal_nocase_n(item, len, "keep-alive"))
			return true;
	return false;
}

bool
answer_take(struct answer *answer, struct payload *out, char **type_out)
{
	struct headers *headers = &answer->headers;
	const char *connection = buf_text(&answer->connection);
	const char *type;
	size_t len;

	if (names_fields(connection) && !drop_named_fields(headers, connection))
		return false;
	if (headers_find(headers->text.data, "content-type", &type, &len)) {
		*type_out = text_copy_n(type, len);
		if (*type_out == NULL)
			return false;
	}
	if (answer->body.len > 0) {
		out->body = blob_from_buf(&answer->body);
		if (out->body == NULL)
			return false;
	}
	if (headers->text.len > 0)
		out->headers = buf_take(&headers->text);
	return true;
}
