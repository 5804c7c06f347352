/* target_url.c - is this a URL that we would call?
 *
 * A splitter of our own, stricter than RFC 3986, so that no two readers of an
 * accepted URL (this one, libcurl, a proxy) can disagree on the host:
 *
 * 1. "http://" or "https://" to the letter, then the authority up to the first
 *    '/' or '?'. Backslashes, controls, spaces, bytes above 0x7e, '#' and user
 *    information are refused wherever they could move that border.
 * 2. A host is an address or a name of letters, digits, '-', '_' and '.'. A
 *    percent sign is neither, and a name in another script comes as punycode.
 * 3. A host whose last label is a number is an address in inet_aton's spelling
 *    or nothing: it is judged as the address that a resolver takes it for.
 * 4. What is accepted and put together again from its parts is accepted again
 *    with the same parts.
 *
 * Any thread.
 */
#include "callbackd/target.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 253 /* RFC 1035, 2.3.4, without the final dot */
#define LABEL_MAX_BYTES 63

/* A URL on its way through the checks. */
struct reading {
	const struct target_policy *policy;
	const char *url;
	struct target_url parts;
	struct sockaddr_storage literal; /* ss_family 0: the host is a name */
	struct target_verdict verdict;
	struct reason *why;
};

struct slice {
	const char *text;
	size_t len;
};

/* ---- refusing ---- */

static bool
refuse(struct reading *reading, const char *rule)
{
	reading->verdict = (struct target_verdict){ false, rule };
	return false;
}

/* Refuses the form of what stands at `at`. */
static bool
refuse_at(struct reading *reading, const char *rule, const char *at,
    const char *what)
{
	reason_set(reading->why, "%s (at byte %zu of the URL)", what,
	    (size_t)(at - reading->url) + 1);
	return refuse(reading, rule);
}

/* ---- characters ---- */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_name_char(char c)
{
	c = text_lower(c);
	return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_' ||
	    c == '.';
}

/* The value of a digit in any base up to 16; 16 when it is none. */
static unsigned
digit_value(char c)
{
	c = text_lower(c);
	if (is_digit(c))
		return (unsigned)(c - '0');
	return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

/* Nothing in a URL may be invisible, 8-bit, a fragment or a backslash. */
static bool
check_characters(struct reading *reading)
{
	const char *at = reading->url;
	for (; *at != '\0'; at++) {
		if ((size_t)(at - reading->url) >= TARGET_URL_MAX_BYTES)
			return refuse_at(reading, "url", at, "URL too long");
		if (*at <= ' ' || *at >= 0x7f)
			return refuse_at(reading, "url", at,
			    "only visible ASCII characters are allowed");
		if (*at == '\\')
			return refuse_at(reading, "url", at,
			    "a backslash is not allowed");
		if (*at == '#')
			return refuse_at(reading, "url", at,
			    "a fragment is not allowed");
	}
	return true;
}

/* ---- scheme and port ---- */

/* The scheme; what follows it in *rest_out. */
static bool
read_scheme(struct reading *reading, const char **rest_out)
{
	static const char http[] = "http://", https[] = "https://";
	const char *url = reading->url;

	if (text_starts_nocase(url, http)) {
		reading->parts.https = false;
		*rest_out = url + strlen(http);
		return true;
	}
	if (text_starts_nocase(url, https)) {
		reading->parts.https = true;
		*rest_out = url + strlen(https);
		return true;
	}
	return refuse_at(reading, "scheme", url,
	    "not an absolute URL that begins with http:// or https://");
}

/* ":8080" or nothing. No zeros in front: they mean octal to some. */
static bool
read_port(struct reading *reading, struct slice text)
{
	unsigned port = 0;
	if (text.len == 0) {
		reading->parts.port = reading->parts.https ? 443 : 80;
		return true;
	}
	assert(text.text[0] == ':');
	bool legal = text.len >= 2 && text.len <= 6 && text.text[1] != '0';
	for (size_t i = 1; legal && i < text.len; i++) {
		legal = is_digit(text.text[i]);
		port = port * 10 + digit_value(text.text[i]);
	}
	if (!legal || port > UINT16_MAX)
		return refuse_at(reading, "port", text.text,
		    "the port is not a number from 1 to 65535");
	reading->parts.port = (uint16_t)port;
	return true;
}

/* ---- hosts that are addresses ---- */

/* One number of an IPv4 address: "0x" hexadecimal, "0" octal, else decimal. */
static bool
read_number(struct slice text, uint64_t *out)
{
	unsigned base = 10;
	uint64_t value = 0;
	if (text.len > 2 && text.text[0] == '0' &&
	    text_lower(text.text[1]) == 'x') {
		base = 16;
		text.text += 2;
		text.len -= 2;
	} else if (text.len > 1 && text.text[0] == '0') {
		base = 8;
	}
	for (size_t i = 0; i < text.len; i++) {
		unsigned digit = digit_value(text.text[i]);
		if (digit >= base || value > UINT32_MAX)
			return false;
		value = value * base + digit;
	}
	*out = value;
	return text.len > 0 && value <= UINT32_MAX;
}

/* inet_aton's spellings: a.b.c.d, a.b.c, a.b, a; the last number fills what is
 * left. False when it is not an address. */
static bool
read_v4(struct slice host, uint32_t *out)
{
	uint64_t address = 0, number = 0;
	unsigned parts = 0;
	for (size_t at = 0; at <= host.len; parts++) {
		const char *from = host.text + at;
		const char *dot = memchr(from, '.', host.len - at);
		size_t len = dot ? (size_t)(dot - from) : host.len - at;
		if (parts == 4 || number > 255 ||
		    !read_number((struct slice){ from, len }, &number))
			return false;
		if (dot != NULL)
			address |= number << (24 - 8 * parts);
		at += len + 1;
	}
	if (number >> (8 * (5 - parts)) != 0)
		return false;
	*out = (uint32_t)(address | number);
	return true;
}

/* True when a resolver would take the last label for a number: then the whole
 * host is an address or nothing. */
static bool
ends_in_number(struct slice host)
{
	const char *dot = memrchr(host.text, '.', host.len);
	const char *label = dot ? dot + 1 : host.text;
	size_t len = host.len - (size_t)(label - host.text);
	unsigned base = 10;
	if (len >= 2 && label[0] == '0' && text_lower(label[1]) == 'x') {
		base = 16;
		label += 2;
		len -= 2;
	}
	for (size_t i = 0; i < len; i++)
		if (digit_value(label[i]) >= base)
			return false;
	return true;
}

static void
take_v4(struct reading *reading, uint32_t address)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	in.sin_port = htons(reading->parts.port);
	in.sin_addr.s_addr = htonl(address);
	memcpy(&reading->literal, &in, sizeof(in));
	inet_ntop(AF_INET, &in.sin_addr, reading->parts.host,
	    sizeof(reading->parts.host));
}

/* What stands between the brackets. */
static bool
take_v6(struct reading *reading, struct slice text)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	char copy[INET6_ADDRSTRLEN];

	if (memchr(text.text, '%', text.len) != NULL)
		return refuse_at(reading, "host", text.text,
		    "an address with a zone is not allowed");
	if (text.len >= sizeof(copy))
		return refuse_at(reading, "host", text.text,
		    "not an IPv6 address");
	memcpy(copy, text.text, text.len);
	copy[text.len] = '\0';
	if (inet_pton(AF_INET6, copy, &in6.sin6_addr) != 1)
		return refuse_at(reading, "host", text.text,
		    "not an IPv6 address");
	in6.sin6_port = htons(reading->parts.port);
	memcpy(&reading->literal, &in6, sizeof(in6));
	inet_ntop(AF_INET6, &in6.sin6_addr, reading->parts.host,
	    sizeof(reading->parts.host));
	return true;
}

/* ---- hosts that are names ---- */

static bool
check_labels(struct reading *reading, struct slice host)
{
	size_t label_len = 0;
	for (size_t i = 0; i < host.len; i++) {
		const char *at = host.text + i;
		if (!is_name_char(*at))
			return refuse_at(reading, "host", at,
			    *at == '%' ? "a percent sign in the host name"
				       : "not a character of a host name");
		if (*at == '.' && label_len == 0)
			return refuse_at(reading, "host", at,
			    "an empty label in the host name");
		label_len = *at == '.' ? 0 : label_len + 1;
		if (label_len > LABEL_MAX_BYTES)
			return refuse_at(reading, "host", at,
			    "a label of the host name is too long");
	}
	return true;
}

/* A name, or an address in one of its spellings. The dot that ends an absolute
 * name is dropped: it is the same host. */
static bool
take_name(struct reading *reading, struct slice host)
{
	uint32_t address;
	if (host.len > 1 && host.text[host.len - 1] == '.')
		host.len--;
	if (host.len == 0 || host.text[host.len - 1] == '.')
		return refuse_at(reading, "host", host.text,
		    "the host is empty");
	if (host.len > NAME_MAX_BYTES)
		return refuse_at(reading, "host", host.text,
		    "the host name is too long");
	if (!check_labels(reading, host))
		return false;
	if (ends_in_number(host)) {
		if (!read_v4(host, &address))
			return refuse_at(reading, "host", host.text,
			    "neither a host name nor an IPv4 address");
		take_v4(reading, address);
		return true;
	}
	for (size_t i = 0; i < host.len; i++)
		reading->parts.host[i] = text_lower(host.text[i]);
	reading->parts.host[host.len] = '\0';
	return true;
}

/* ---- the URL as a whole ---- */

/* Splits host and port. The port is read first: an address carries it. */
static bool
read_authority(struct reading *reading, struct slice authority)
{
	const char *user = memchr(authority.text, '@', authority.len);
	if (user != NULL)
		return refuse_at(reading, "url", user,
		    "user information is not allowed");
	bool bracketed = authority.len > 0 && authority.text[0] == '[';
	const char *end = memchr(authority.text, bracketed ? ']' : ':',
	    authority.len);
	if (bracketed && end == NULL)
		return refuse_at(reading, "host", authority.text,
		    "the bracket is not closed");
	if (end == NULL)
		end = authority.text + authority.len;

	const char *after = bracketed ? end + 1 : end;
	struct slice port = { after,
		authority.len - (size_t)(after - authority.text) };
	if (port.len > 0 && *port.text != ':')
		return refuse_at(reading, "host", port.text,
		    "something stands after the address");
	if (!read_port(reading, port))
		return false;

	struct slice host = { authority.text, (size_t)(end - authority.text) };
	if (!bracketed)
		return take_name(reading, host);
	return take_v6(reading, (struct slice){ host.text + 1, host.len - 1 });
}

/* ---- what the policy says ---- */

/* True for the name itself and for everything below it. */
static bool
name_is_under(const char *host, const char *suffix)
{
	if (*suffix == '.')
		suffix++;
	size_t host_len = strlen(host), len = strlen(suffix);
	if (len == 0 || len > host_len)
		return false;
	const char *tail = host + host_len - len;
	return text_equal_nocase(tail, suffix) &&
	    (tail == host || tail[-1] == '.');
}

static bool
port_is_listed(const struct target_policy *policy, uint16_t port)
{
	for (size_t i = 0; i < policy->port_count; i++)
		if (policy->ports[i] == port)
			return true;
	return policy->port_count == 0;
}

/* RFC 6761, 6.3: these names are loopback, whatever DNS says. One of the two
 * addresses is enough: the connection itself is judged again. */
static struct target_verdict
judge_localhost(const struct target_policy *policy)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT };

	struct target_verdict v4 = target_judge_address(policy,
	    (const struct sockaddr *)&in, sizeof(in));
	struct target_verdict v6 = target_judge_address(policy,
	    (const struct sockaddr *)&in6, sizeof(in6));
	return v6.allowed ? v6 : v4;
}

static struct target_verdict
judge_host(const struct reading *reading)
{
	const struct target_policy *policy = reading->policy;
	const char *host = reading->parts.host;

	if (reading->literal.ss_family != 0)
		return target_judge_address(policy,
		    (const struct sockaddr *)&reading->literal,
		    sizeof(reading->literal));
	for (size_t i = 0; i < policy->deny_suffix_count; i++)
		if (name_is_under(host, policy->deny_suffix[i]))
			return (struct target_verdict){ false, "deny" };
	if (name_is_under(host, "localhost"))
		return judge_localhost(policy);
	return (struct target_verdict){ true, "public" };
}

static bool
apply_policy(struct reading *reading)
{
	const struct target_policy *policy = reading->policy;
	const struct target_url *parts = &reading->parts;

	if (policy->https_only && !parts->https) {
		reason_set(reading->why, "only https is allowed here");
		return refuse(reading, "scheme");
	}
	if (!port_is_listed(policy, parts->port)) {
		reason_set(reading->why, "port %u is not allowed here",
		    (unsigned)parts->port);
		return refuse(reading, "port");
	}
	reading->verdict = judge_host(reading);
	if (!reading->verdict.allowed)
		reason_set(reading->why, "the host %.100s is not allowed: %s",
		    parts->host, reading->verdict.rule);
	return reading->verdict.allowed;
}

bool
target_check_url(const struct target_policy *policy, const char *url,
    struct target_url *parts_out, struct target_verdict *verdict_out,
    struct reason *why_out)
{
	struct reading reading = { .policy = policy,
		.url = url,
		.why = why_out };
	const char *rest;

	bool good = check_characters(&reading) &&
	    read_scheme(&reading, &rest) &&
	    read_authority(&reading,
		(struct slice){ rest, strcspn(rest, "/?") });
	if (good && policy->any_address)
		reading.verdict = (struct target_verdict){ true, "allow" };
	else if (good)
		good = apply_policy(&reading);
	*verdict_out = reading.verdict;
	if (good)
		*parts_out = reading.parts;
	return good;
}
