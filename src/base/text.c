/* text.c - numbers with units, encodings and lists, read whole or not at all.
 *
 * 1. Every parser sees its input to the end before it says yes.
 * 2. Nothing here asks the locale: ASCII is compared and folded by hand.
 *
 * Any thread. Times and dates are in text_time.c.
 */
#include "callbackd/text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS_PER_DAY INT64_C(86400000)
#define MAX_DURATION_MS (36525 * MS_PER_DAY) /* 100 years */
#define MAX_SIZE_BYTES (INT64_C(1) << 50)

struct unit {
	const char *name;
	int64_t worth;
};

static const struct unit duration_units[] = {
	{ "", 1000 },
	{ "ms", 1 },
	{ "s", 1000 },
	{ "m", 60000 },
	{ "h", 3600000 },
	{ "d", MS_PER_DAY },
	{ NULL, 0 },
};

static const struct unit size_units[] = {
	{ "", 1 },
	{ "k", INT64_C(1) << 10 },
	{ "m", INT64_C(1) << 20 },
	{ "g", INT64_C(1) << 30 },
	{ NULL, 0 },
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

char
text_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* ---- plain text, sixteen bytes at a time ---- */

/* The compiler makes of it what the processor has. */
typedef uint8_t sixteen __attribute__((vector_size(16)));

static bool
are_plain(const char bytes[16])
{
	sixteen all;
	uint64_t strange[2];

	memcpy(&all, bytes, sizeof(all));
	all = (sixteen)((all - ' ' > '~' - ' ') | (all == '"') | (all == '\\'));
	memcpy(strange, &all, sizeof(strange));
	return (strange[0] | strange[1]) == 0;
}

bool
text_is_plain(const char *text, size_t len)
{
	char few[16] = "................";

	if (len < sizeof(few)) {
		memcpy(few, text, len);
		return are_plain(few);
	}
	for (size_t at = 0; at < len - sizeof(few); at += sizeof(few))
		if (!are_plain(text + at))
			return false;
	return are_plain(text + len - sizeof(few));
}

/* ---- reasons ---- */

void
reason_set(struct reason *reason, const char *format, ...)
{
	va_list args;
	size_t len;

	va_start(args, format);
	vsnprintf(reason->text, sizeof(reason->text), format, args);
	va_end(args);
	/* The cut may have split a character; and no line may be forged. */
	len = strlen(reason->text);
	if (len == sizeof(reason->text) - 1)
		reason->text[text_utf8_prefix(reason->text, len)] = '\0';
	for (char *c = reason->text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
}

/* ---- numbers ---- */

/* Digits at *at into *out, up to max. False without a digit or beyond max. */
static bool
read_digits(const char **at, int64_t max, int64_t *out)
{
	const char *c = *at;
	int64_t value = 0;

	if (!is_digit(*c))
		return false;
	for (; is_digit(*c); c++) {
		int digit = *c - '0';

		if (value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*at = c;
	*out = value;
	return true;
}

size_t
text_int(int64_t number, char out[TEXT_INT_SIZE])
{
	uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;
	char digits[TEXT_INT_SIZE];
	char *first = digits + sizeof(digits);
	size_t len;

	do {
		*--first = (char)('0' + left % 10);
		left /= 10;
	} while (left > 0);
	if (number < 0)
		*--first = '-';
	len = (size_t)(digits + sizeof(digits) - first);
	memcpy(out, first, len);
	out[len] = '\0';
	return len;
}

bool
text_int64(const char *text, int64_t min, int64_t max, int64_t *out)
{
	const char *c = text;
	bool negative;
	uint64_t size = 0;
	uint64_t limit;
	int64_t value;

	if (c == NULL)
		return false;
	negative = min < 0 && *c == '-';
	c += negative;
	limit = (uint64_t)INT64_MAX + negative;
	if (!is_digit(*c))
		return false;
	for (; is_digit(*c); c++) {
		uint64_t digit = (uint64_t)(*c - '0');

		if (size > (limit - digit) / 10)
			return false;
		size = size * 10 + digit;
	}
	if (*c != '\0')
		return false;
	/* Not negated as int64_t: INT64_MIN has no positive twin. */
	value = negative ? (int64_t)(0 - size) : (int64_t)size;
	if (value < min || value > max)
		return false;
	*out = value;
	return true;
}

static const struct unit *
unit_named(const struct unit *units, const char *name)
{
	for (; units->name != NULL; units++)
		if (strcmp(units->name, name) == 0)
			return units;
	return NULL;
}

/* ".5" at *at as billionths; 0 without a dot. Digits beyond the ninth are far
 * below a millisecond and are skipped. */
static bool
read_fraction(const char **at, int64_t *billionths_out)
{
	const char *c = *at;
	int64_t billionths = 0;
	int64_t worth = 100000000;

	if (*c == '.') {
		c++;
		if (!is_digit(*c))
			return false;
		for (; is_digit(*c); c++) {
			billionths += (*c - '0') * worth;
			worth /= 10;
		}
	}
	*at = c;
	*billionths_out = billionths;
	return true;
}

bool
text_duration_ms(const char *text, int64_t *out_ms)
{
	const struct unit *unit;
	int64_t whole;
	int64_t billionths;
	int64_t ms;

	if (text == NULL || !read_digits(&text, MAX_DURATION_MS, &whole) ||
	    !read_fraction(&text, &billionths))
		return false;
	unit = unit_named(duration_units, text);
	if (unit == NULL || whole > MAX_DURATION_MS / unit->worth)
		return false;
	/* At most 86,400,000 * 10^9, well inside 63 bits. */
	ms = whole * unit->worth + billionths * unit->worth / 1000000000;
	if (ms < 1 || ms > MAX_DURATION_MS)
		return false;
	*out_ms = ms;
	return true;
}

bool
text_size_bytes(const char *text, int64_t *out_bytes)
{
	const struct unit *unit;
	int64_t whole;

	if (text == NULL || !read_digits(&text, MAX_SIZE_BYTES, &whole))
		return false;
	unit = unit_named(size_units, text);
	if (unit == NULL || whole < 1 || whole > MAX_SIZE_BYTES / unit->worth)
		return false;
	*out_bytes = whole * unit->worth;
	return true;
}

/* ---- encodings ---- */

void
text_hex(const void *bytes, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *in = bytes;

	for (size_t i = 0; i < len; i++) {
		*out++ = digits[in[i] >> 4];
		*out++ = digits[in[i] & 15];
	}
	*out = '\0';
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t
text_base64_size(size_t len)
{
	return (len / 3 + (len % 3 != 0)) * 4 + 1;
}

void
text_base64(const void *bytes, size_t len, char *out)
{
	const unsigned char *in = bytes;
	uint32_t bits;

	for (; len >= 3; len -= 3, in += 3) {
		bits = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
		*out++ = base64_digits[bits >> 18];
		*out++ = base64_digits[bits >> 12 & 63];
		*out++ = base64_digits[bits >> 6 & 63];
		*out++ = base64_digits[bits & 63];
	}
	if (len > 0) {
		bits = (uint32_t)in[0] << 16;
		if (len == 2)
			bits |= (uint32_t)in[1] << 8;
		*out++ = base64_digits[bits >> 18];
		*out++ = base64_digits[bits >> 12 & 63];
		*out++ = len == 2 ? base64_digits[bits >> 6 & 63] : '=';
		*out++ = '=';
	}
	*out = '\0';
}

/* What a base64 digit stands for; 64 for any other byte. */
static uint32_t
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (uint32_t)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (uint32_t)(c - 'a') + 26;
	if (is_digit(c))
		return (uint32_t)(c - '0') + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : 64;
}

/* count digits (2 .. 4) into count - 1 bytes. False for a foreign byte, or for
 * bits that no encoder would have left behind (RFC 4648, 3.5). */
static bool
base64_group(const char *text, size_t count, unsigned char *out)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 4; i++) {
		uint32_t value = i < count ? base64_value(text[i]) : 0;

		if (value == 64)
			return false;
		bits = bits << 6 | value;
	}
	if ((count < 4 && (bits & 0xff) != 0) ||
	    (count < 3 && (bits & 0xff00) != 0))
		return false;
	for (size_t i = 0; i + 1 < count; i++)
		out[i] = (unsigned char)(bits >> (16 - 8 * i));
	return true;
}

bool
text_base64_decode(const char *text, size_t len, void *out, size_t *out_len)
{
	unsigned char *to = out;
	size_t pads = 0;

	if (len % 4 != 0)
		return false;
	if (len > 0 && text[len - 1] == '=')
		pads = text[len - 2] == '=' ? 2 : 1;
	for (size_t i = 0; i < len; i += 4, to += 3) {
		size_t count = i + 4 == len ? 4 - pads : 4;

		if (!base64_group(text + i, count, to))
			return false;
	}
	*out_len = len / 4 * 3 - pads;
	return true;
}

/* Bytes of the UTF-8 sequence at in, 0 when it is not well-formed. The bounds
 * of the second byte are those of RFC 3629, 4. */
static size_t
utf8_sequence(const unsigned char *in, size_t left)
{
	unsigned char low = 0x80;
	unsigned char high = 0xbf;
	size_t len;

	if (in[0] < 0x80)
		return 1;
	if (in[0] < 0xc2 || in[0] > 0xf4)
		return 0;
	len = in[0] < 0xe0 ? 2 : in[0] < 0xf0 ? 3 : 4;
	if (left < len)
		return 0;
	if (in[0] == 0xe0)
		low = 0xa0; /* overlong below */
	if (in[0] == 0xed)
		high = 0x9f; /* surrogates above */
	if (in[0] == 0xf0)
		low = 0x90; /* overlong below */
	if (in[0] == 0xf4)
		high = 0x8f; /* beyond U+10FFFF above */
	if (in[1] < low || in[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((in[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

size_t
text_utf8_prefix(const void *bytes, size_t len)
{
	const unsigned char *in = bytes;
	size_t at = 0;

	while (at < len) {
		uint64_t eight;
		size_t step;

		if (len - at >= sizeof(eight)) {
			memcpy(&eight, in + at, sizeof(eight));
			if ((eight & UINT64_C(0x8080808080808080)) == 0) {
				at += sizeof(eight);
				continue;
			}
		}
		step = utf8_sequence(in + at, len - at);
		if (step == 0)
			break;
		at += step;
	}
	return at;
}

bool
text_is_utf8(const void *bytes, size_t len)
{
	return text_utf8_prefix(bytes, len) == len;
}

/* ---- names and lists ---- */

/* A field is compared with many names, and most differ at once: no length is
 * taken before that is known. */
bool
text_equal_nocase(const char *a, const char *b)
{
	while (*a != '\0' && text_lower(*a) == text_lower(*b)) {
		a++;
		b++;
	}
	return *a == *b; /* both ended */
}

bool
text_equal_nocase_n(const char *a, size_t a_len, const char *b)
{
	for (size_t i = 0; i < a_len; i++)
		if (b[i] == '\0' || text_lower(a[i]) != text_lower(b[i]))
			return false;
	return b[a_len] == '\0';
}

bool
text_starts_nocase(const char *text, const char *prefix)
{
	return text_starts_nocase_n(text, strlen(text), prefix);
}

bool
text_starts_nocase_n(const char *text, size_t len, const char *prefix)
{
	for (size_t i = 0; prefix[i] != '\0'; i++)
		if (i == len || text_lower(text[i]) != text_lower(prefix[i]))
			return false;
	return true;
}

/* The end of a list element: the next comma outside of a quoted string. */
static const char *
element_end(const char *c)
{
	bool quoted = false;

	for (; *c != '\0'; c++) {
		if (*c == ',' && !quoted)
			break;
		if (*c == '"')
			quoted = !quoted;
		else if (*c == '\\' && quoted && c[1] != '\0')
			c++;
	}
	return c;
}

bool
text_list_next(const char **cursor, const char **item_out, size_t *len_out)
{
	const char *start = *cursor;
	const char *end;

	while (*start == ',' || *start == ' ' || *start == '\t')
		start++;
	end = element_end(start);
	*cursor = end;
	if (end == start)
		return false;
	while (end[-1] == ' ' || end[-1] == '\t')
		end--;
	*item_out = start;
	*len_out = (size_t)(end - start);
	return true;
}

uint64_t
text_hash(const void *bytes, size_t len)
{
	const unsigned char *in = bytes;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ in[i]) * UINT64_C(0x100000001b3);
	return hash;
}

char *
text_copy(const char *text)
{
	return text != NULL ? text_copy_n(text, strlen(text)) : NULL;
}

char *
text_copy_n(const char *text, size_t len)
{
	char *copy;

	if (text == NULL)
		return NULL;
	copy = malloc(len + 1);
	if (copy == NULL)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *
text_join(const char *first, const char *second)
{
	size_t first_len = strlen(first);
	size_t second_size = strlen(second) + 1;
	char *both = malloc(first_len + second_size);

	if (both == NULL)
		return NULL;
	memcpy(both, first, first_len);
	memcpy(both + first_len, second, second_size);
	return both;
}

void
text_fit(const char *text, char *out, size_t size)
{
	size_t len = strnlen(text, size - 1);

	memcpy(out, text, len);
	out[len] = '\0';
}
