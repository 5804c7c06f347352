/* http_guard_line.c - steps of the request line.
 *
 * Method and version must be known; the target is a path, or an http URL of
 * which the path counts. What a URL may hold is judged byte by byte and with
 * some mercy: visible ASCII that RFC 3986 wants escaped ('|', '{') is common
 * and harmless; '#' and '\' are not. Dot segments are the router's business.
 *
 * Thread: that of the owner.
 */
#include <arpa/inet.h>
#include <string.h>

#include "callbackd/text.h"
#include "http_guard_step.h"

enum part {
	FIRST,     /* '/' or a scheme */
	SCHEME,    /* up to its ':' */
	SLASH_ONE, /* "//" after it */
	SLASH_TWO,
	AUTHORITY, /* up to the path */
	SECOND,    /* after the '/' that the path begins with */
	REST,
	ESCAPE_ONE, /* the digits of %xx */
	ESCAPE_TWO,
};

static const guard_set target_set = { /* VCHAR but '#', '\' and '%' */
	0, 0xffffffd6, 0xefffffff, 0x7fffffff, 0, 0, 0, 0
};
/* ---- method ---- */

/* CONNECT asks for a tunnel, which nobody here digs. */
static bool
method_is_known(const struct guard *guard)
{
	static const char *const methods[] = { "GET", "POST", "PUT", "DELETE",
		"HEAD", "PATCH", "OPTIONS", "TRACE" };

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (guard_word_is(guard, methods[i]))
			return true;
	return false;
}

size_t
guard_step_method(struct guard *guard, struct guard_step *step)
{
	unsigned char c = step->bytes[0];
	bool is_token = guard_set_has(guard_token_set, c);

	if (is_token && guard->word_len < GUARD_WORD_SIZE) {
		guard_word_add(guard, c);
		return 1;
	}
	if (guard->word_len == 0 || (c != ' ' && !is_token))
		return guard_malformed(guard, step,
		    "A request begins with a method and one space.");
	if (is_token || !method_is_known(guard))
		return guard_step_refuse(guard, step, 501, "not-implemented",
		    "The method is not known here.");
	guard->is_head = guard_word_is(guard, "HEAD");
	guard->no_body = guard->is_head || guard_word_is(guard, "TRACE");
	guard->word_len = 0;
	guard->state = GUARD_TARGET;
	return 1;
}

/* ---- authority ---- */

/* RFC 3986 has more in names, escapes for one; hosts have not, and readers
 * differ about them. */
static bool
is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
	    c == '~';
}

/* Of "[::1]" the length, brackets included; 0 when it is none. */
static size_t
literal_length(const char *text, size_t len)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr in6;
	const char *end = memchr(text, ']', len);
	size_t inner;

	if (end == NULL)
		return 0;
	inner = (size_t)(end - text) - 1;
	if (inner >= sizeof(address))
		return 0;
	memcpy(address, text + 1, inner);
	address[inner] = '\0';
	return inet_pton(AF_INET6, address, &in6) == 1 ? inner + 2 : 0;
}

static bool
is_port(const char *digits, size_t len)
{
	uint32_t port = 0;

	for (size_t i = 0; i < len; i++) {
		if (digits[i] < '0' || digits[i] > '9')
			return false;
		port = port * 10 + (uint32_t)(digits[i] - '0');
		if (port > UINT16_MAX)
			return false;
	}
	return true; /* it may be empty: RFC 3986, 3.2.3 */
}

bool
guard_is_authority(const char *text, size_t len)
{
	size_t host_len = 0;

	if (len > 0 && text[0] == '[')
		host_len = literal_length(text, len);
	else
		while (host_len < len && is_name_byte(text[host_len]))
			host_len++;
	if (host_len == 0 || host_len == len)
		return host_len > 0;
	return text[host_len] == ':' &&
	    is_port(text + host_len + 1, len - host_len - 1);
}

/* ---- target ---- */

static size_t
end_of_target(struct guard *guard)
{
	guard->state = GUARD_VERSION;
	guard->word_len = 0;
	return 1;
}

/* "http" or "https", then "://": the absolute form of RFC 9112, 3.2.2. */
static bool
scheme_goes_on(struct guard *guard, unsigned char c)
{
	static const char scheme[] = "https";
	size_t at = guard->word_len;

	if (guard->part == SLASH_ONE || guard->part == SLASH_TWO) {
		guard->part++;
		guard->value_len = 0;
		return c == '/';
	}
	if (c == ':') {
		guard->part = SLASH_ONE;
		return at == sizeof("http") - 1 || at == sizeof("https") - 1;
	}
	guard_word_add(guard, c);
	return at < sizeof(scheme) - 1 && text_lower((char)c) == scheme[at];
}

static size_t
step_scheme(struct guard *guard, struct guard_step *step)
{
	if (!scheme_goes_on(guard, step->bytes[0]))
		return guard_malformed(guard, step,
		    "The target is neither a path nor an http URL.");
	return 1;
}

static size_t
step_first(struct guard *guard, struct guard_step *step)
{
	guard->part = SECOND;
	if (step->bytes[0] == '/')
		return 1;
	guard->part = SCHEME;
	return step_scheme(guard, step);
}

static size_t
step_authority(struct guard *guard, struct guard_step *step)
{
	unsigned char c = step->bytes[0];
	bool is_end = c == '/' || c == ' ';
	bool is_visible = c > ' ' && c < 0x7f; /* LF ends lines for evhttp */

	if (is_visible && !is_end && guard->value_len < GUARD_VALUE_SIZE - 1) {
		guard->value[guard->value_len++] = (char)c;
		return 1;
	}
	if (!is_end || !guard_is_authority(guard->value, guard->value_len))
		return guard_malformed(guard, step,
		    "The target has no proper host before its path.");
	guard->part = SECOND;
	return c == ' ' ? end_of_target(guard) : 1;
}

/* "//host/x" is a path to some and a host to others. */
static size_t
step_second(struct guard *guard, struct guard_step *step)
{
	if (step->bytes[0] == '/')
		return guard_malformed(guard, step,
		    "The path of the target begins with two slashes.");
	guard->part = REST;
	return 0;
}

static size_t
step_rest(struct guard *guard, struct guard_step *step)
{
	size_t n = guard_run(target_set, step);

	if (n > 0)
		return n;
	if (step->bytes[0] == ' ')
		return end_of_target(guard);
	if (step->bytes[0] != '%')
		return guard_malformed(guard, step,
		    "The target holds a byte that no URL has.");
	guard->part = ESCAPE_ONE;
	guard->escape = 0;
	return 1;
}

/* %00 would end the path for evhttp, and for much that comes after us. */
static size_t
step_escape(struct guard *guard, struct guard_step *step)
{
	int digit = guard_hex_digit(step->bytes[0]);

	if (digit < 0)
		return guard_malformed(guard, step,
		    "A '%' in the target is not followed by two hex digits.");
	guard->escape |= (uint32_t)digit;
	if (guard->part == ESCAPE_TWO && guard->escape == 0)
		return guard_malformed(guard, step, "The target holds %00.");
	guard->part = guard->part == ESCAPE_ONE ? ESCAPE_TWO : REST;
	return 1;
}

size_t
guard_step_target(struct guard *guard, struct guard_step *step)
{
	static guard_step_fn *const parts[] = {
		[FIRST] = step_first,
		[SCHEME] = step_scheme,
		[SLASH_ONE] = step_scheme,
		[SLASH_TWO] = step_scheme,
		[AUTHORITY] = step_authority,
		[SECOND] = step_second,
		[REST] = step_rest,
		[ESCAPE_ONE] = step_escape,
		[ESCAPE_TWO] = step_escape,
	};

	return parts[guard->part](guard, step);
}

/* ---- version ---- */

/* HTTP-name "/" DIGIT "." DIGIT, RFC 9112, 2.3. */
static bool
word_is_a_version(const struct guard *guard)
{
	const char *word = guard->word;

	return guard->word_len == 8 && word[0] == 'H' && word[1] == 'T' &&
	    word[2] == 'T' && word[3] == 'P' && word[4] == '/' &&
	    word[5] >= '0' && word[5] <= '9' && word[6] == '.' &&
	    word[7] >= '0' && word[7] <= '9';
}

size_t
guard_step_version(struct guard *guard, struct guard_step *step)
{
	unsigned char c = step->bytes[0];

	if (c > ' ' && c < 0x7f && guard->word_len < 8) {
		guard_word_add(guard, c);
		return 1;
	}
	if (c != '\r' || !word_is_a_version(guard))
		return guard_malformed(guard, step,
		    "The request line does not end in HTTP/1.1 and CRLF.");
	guard->is_1_0 = guard_word_is(guard, "HTTP/1.0");
	if (!guard->is_1_0 && !guard_word_is(guard, "HTTP/1.1"))
		return guard_step_refuse(guard, step, 505, "unsupported",
		    "Only HTTP/1.1 and HTTP/1.0 are spoken here.");
	guard->state = GUARD_REQUEST_LF;
	return 1;
}
