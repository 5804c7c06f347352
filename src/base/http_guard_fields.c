/* http_guard_fields.c - steps of the header and trailer fields.
 *
 * A field's grammar is judged as it comes; of the five that decide about
 * framing, the peer or the connection the value is kept and judged at the end
 * of its line, and how they fit together at the end of the head.
 *
 * Thread: that of the owner.
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "callbackd/text.h"
#include "http_guard_step.h"

/* ---- names ---- */

static enum guard_field
field_of(const struct guard *guard)
{
	static const struct {
		const char *name;
		enum guard_field field;
	} known[] = {
		{ "host", GUARD_FIELD_HOST },
		{ "expect", GUARD_FIELD_EXPECT },
		{ "connection", GUARD_FIELD_CONNECTION },
		{ "content-length", GUARD_FIELD_CONTENT_LENGTH },
		{ "transfer-encoding", GUARD_FIELD_TRANSFER_ENCODING },
	};

	if (guard->in_trailer) /* evhttp forgets them */
		return GUARD_FIELD_OTHER;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (guard_word_is(guard, known[i].name))
			return known[i].field;
	return GUARD_FIELD_OTHER;
}

size_t
guard_step_line(struct guard *guard, struct guard_step *step)
{
	if (step->bytes[0] == '\r') {
		guard->state = GUARD_HEAD_LF;
		return 1;
	}
	if (step->bytes[0] == ' ' || step->bytes[0] == '\t')
		return guard_malformed(guard, step,
		    "A field is folded over several lines.");
	if (guard->field_count >= guard->limits.field_count)
		return guard_too_large(guard, step, 431,
		    "The request has more than the %" PRId32
		    " fields that it may have.",
		    guard->limits.field_count);
	guard->field_count++;
	guard->word_len = 0;
	guard->state = GUARD_NAME;
	return 0;
}

size_t
guard_step_name(struct guard *guard, struct guard_step *step)
{
	size_t n = guard_run(guard_token_set, step);

	for (size_t i = 0; i < n && guard->word_len < GUARD_WORD_SIZE; i++)
		guard_word_add(guard,
		    (unsigned char)text_lower((char)step->bytes[i]));
	if (n > 0)
		return n;
	if (step->bytes[0] != ':' || guard->word_len == 0)
		return guard_malformed(guard, step,
		    "A field has no proper name right before its colon.");
	guard->field = field_of(guard);
	guard->value_len = 0;
	guard->state = GUARD_VALUE;
	return 1;
}

/* ---- values ---- */

/* Keeps a value, without the spaces before it; a tab stays, since it does for
 * evhttp. Returns how many of the bytes found room. */
static size_t
keep_value(struct guard *guard, const unsigned char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (guard->value_len == 0 && bytes[i] == ' ')
			continue;
		if (guard->value_len == GUARD_VALUE_SIZE - 1)
			return i;
		guard->value[guard->value_len++] = (char)bytes[i];
	}
	return len;
}

size_t
guard_step_value(struct guard *guard, struct guard_step *step)
{
	size_t n = guard_run(guard_value_set, step);
	size_t kept = n;

	if (guard->field != GUARD_FIELD_OTHER)
		kept = keep_value(guard, step->bytes, n);
	if (kept > 0)
		return kept;
	if (n > 0)
		return guard_malformed(guard, step,
		    "Host, Expect, Connection, Content-Length or "
		    "Transfer-Encoding is too long.");
	if (step->bytes[0] != '\r')
		return guard_malformed(guard, step,
		    "A field holds a byte that is not visible ASCII.");
	guard->state = GUARD_VALUE_LF;
	return 1;
}

/* The kept value without blanks around it, as a string. */
static const char *
trimmed_value(struct guard *guard)
{
	char *value = guard->value;

	guard->value[guard->value_len] = '\0';
	return value + strspn(value, " \t");
}

static void
cut_trailing_blanks(struct guard *guard)
{
	size_t len = guard->value_len;

	while (len > 0 &&
	    (guard->value[len - 1] == ' ' || guard->value[len - 1] == '\t'))
		len--;
	guard->value_len = len;
}

/* ---- the five ---- */

/* Empty is for targets without a host of their own (RFC 9110, 7.2). */
static size_t
take_host(struct guard *guard, struct guard_step *step)
{
	const char *host = trimmed_value(guard);

	if (++guard->host_count > 1)
		return guard_malformed(guard, step,
		    "The request has more than one Host.");
	if (*host != '\0' && !guard_is_authority(host, strlen(host)))
		return guard_malformed(guard, step,
		    "Host is not a name or an address, and a port.");
	return 1;
}

/* Anything else would be answered by evhttp, which strips no tab. */
static size_t
take_expect(struct guard *guard)
{
	trimmed_value(guard);
	if (!text_equal_nocase(guard->value, "100-continue"))
		guard->expects_other = true;
	return 1;
}

/* For HTTP/1.0 the first field must begin with keep-alive to keep the
 * connection: that is all evhttp looks at. */
static size_t
take_connection(struct guard *guard)
{
	const char *list = trimmed_value(guard);
	const char *item;
	size_t len;
	bool may_keep = !guard->has_connection &&
	    text_starts_nocase(guard->value, "keep-alive");

	guard->has_connection = true;
	while (text_list_next(&list, &item, &len)) {
		if (text_equal_nocase_n(item, len, "close"))
			guard->closes = true;
		if (may_keep && text_equal_nocase_n(item, len, "keep-alive"))
			guard->keeps = true;
		may_keep = false;
	}
	return 1;
}

/* 1*DIGIT; what does not fit is too large whatever the limit. */
static size_t
take_content_length(struct guard *guard, struct guard_step *step)
{
	const char *digits = trimmed_value(guard);
	int64_t length = 0;

	if (guard->has_length)
		return guard_malformed(guard, step,
		    "The request has more than one Content-Length.");
	if (*digits == '\0' || digits[strspn(digits, "0123456789")] != '\0')
		return guard_malformed(guard, step,
		    "Content-Length is not a plain number.");
	for (; *digits != '\0'; digits++)
		length = length > (INT64_MAX - 9) / 10
		    ? INT64_MAX
		    : length * 10 + (*digits - '0');
	guard->has_length = true;
	guard->body_bytes = length;
	return 1;
}

static bool
something_follows_chunked(const char *list)
{
	const char *item;
	size_t len;
	bool seen = false;

	while (text_list_next(&list, &item, &len)) {
		if (seen)
			return true;
		seen = text_equal_nocase_n(item, len, "chunked");
	}
	return false;
}

/* "chunked" and nothing else is understood. A body whose last coding is not
 * chunked has no end that can be known (RFC 9112, 6.3). */
static size_t
take_transfer_encoding(struct guard *guard, struct guard_step *step)
{
	const char *list = trimmed_value(guard);

	if (guard->is_chunked || *list == '\0' ||
	    something_follows_chunked(list))
		return guard_malformed(guard, step,
		    "Transfer-Encoding does not name chunked once and last.");
	if (!text_equal_nocase(list, "chunked"))
		return guard_step_refuse(guard, step, 501, "not-implemented",
		    "Of transfer codings only chunked is known here.");
	guard->is_chunked = true;
	return 1;
}

static size_t
take_field(struct guard *guard, struct guard_step *step)
{
	cut_trailing_blanks(guard);
	switch (guard->field) {
	case GUARD_FIELD_OTHER:
		return 1;
	case GUARD_FIELD_HOST:
		return take_host(guard, step);
	case GUARD_FIELD_EXPECT:
		return take_expect(guard);
	case GUARD_FIELD_CONNECTION:
		return take_connection(guard);
	case GUARD_FIELD_CONTENT_LENGTH:
		return take_content_length(guard, step);
	case GUARD_FIELD_TRANSFER_ENCODING:
		return take_transfer_encoding(guard, step);
	}
	assert(!"a field");
	return 0;
}

size_t
guard_step_value_lf(struct guard *guard, struct guard_step *step)
{
	if (step->bytes[0] != '\n')
		return guard_bare_cr(guard, step);
	guard->state = GUARD_LINE;
	return take_field(guard, step);
}

/* ---- the head as a whole ---- */

static bool
framing_is_sound(struct guard *guard, struct guard_step *step)
{
	if (guard->is_chunked && guard->has_length)
		guard_malformed(guard, step,
		    "The request has Content-Length and Transfer-Encoding.");
	else if (guard->is_chunked && guard->is_1_0)
		guard_malformed(guard, step,
		    "An HTTP/1.0 request has a Transfer-Encoding.");
	else if (guard->no_body && (guard->is_chunked || guard->body_bytes > 0))
		guard_malformed(guard, step,
		    "A HEAD or TRACE request has a body.");
	return step->event != GUARD_REFUSED;
}

/* RFC 9112, 3.2: one Host, unless the client is older than that. */
static bool
host_is_named(struct guard *guard, struct guard_step *step)
{
	if (guard->host_count == 1 || guard->is_1_0)
		return true;
	guard_malformed(guard, step, "The request has no Host.");
	return false;
}

/* RFC 9110, 10.1.1: not for HTTP/1.0. */
static bool
expectation_is_known(struct guard *guard, struct guard_step *step)
{
	if (!guard->expects_other || guard->is_1_0)
		return true;
	guard_step_refuse(guard, step, 417, "unsupported",
	    "Only 100-continue can be expected.");
	return false;
}

bool
guard_judge_head(struct guard *guard, struct guard_step *step)
{
	if (!framing_is_sound(guard, step) || !host_is_named(guard, step) ||
	    !expectation_is_known(guard, step))
		return false;
	if (guard->body_bytes <= guard->limits.body_bytes)
		return true;
	guard_too_large(guard, step, 413,
	    "The body has %s%" PRId64 " bytes, the limit is %" PRId64 " bytes.",
	    guard->body_bytes == INT64_MAX ? "at least " : "",
	    guard->body_bytes, guard->limits.body_bytes);
	return false;
}
