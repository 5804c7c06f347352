/* fuzz_target.c - lines of URLs, addresses and ranges, read by target.h.
 *
 * 1. An accepted URL, put together again from its parts, is accepted with the
 *    same parts.
 * 2. What the public policy accepts, the trusting one accepts with the same
 *    parts; an address among it is one that the policy lets a connection reach,
 *    in whatever spelling the system's own reader takes it.
 * 3. A host is a plain name or an address; the URL hides nothing.
 * 4. A v6 form of an address is never freer than the v4 address in it.
 * 5. A range holds its own first address, and its text gives it again.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/target.h"
#include "fuzz.h"

static const struct target_policy public_only = { .any_address = false };
static const struct target_policy anything = { .any_address = true };

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static bool
reaches_v4(const struct target_policy *policy, const void *bytes)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	memcpy(&in.sin_addr, bytes, 4);
	return target_judge_address(policy, (struct sockaddr *)&in, sizeof(in))
	    .allowed;
}

static bool
reaches_v6(const struct target_policy *policy, const void *bytes)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	memcpy(&in6.sin6_addr, bytes, 16);
	return target_judge_address(policy, (struct sockaddr *)&in6,
	    sizeof(in6))
	    .allowed;
}

/* ---- URLs ---- */

static void
check_again(const struct target_url *parts)
{
	char rebuilt[TARGET_HOST_SIZE + 32];
	struct target_url again;
	struct target_verdict verdict;
	struct reason why;
	bool is_v6 = strchr(parts->host, ':') != NULL;

	snprintf(rebuilt, sizeof(rebuilt), "%s://%s%s%s:%u",
	    parts->https ? "https" : "http", is_v6 ? "[" : "", parts->host,
	    is_v6 ? "]" : "", parts->port);
	require(target_check_url(&anything, rebuilt, &again, &verdict, &why));
	require(strcmp(parts->host, again.host) == 0);
	require(parts->port == again.port && parts->https == again.https);
}

/* inet_aton is the reader that resolvers use. */
static void
check_literal(const char *host)
{
	struct in_addr v4;
	struct in6_addr v6;
	if (inet_aton(host, &v4))
		require(reaches_v4(&public_only, &v4));
	if (inet_pton(AF_INET6, host, &v6) == 1)
		require(reaches_v6(&public_only, &v6));
}

static void
check_form(const char *url, const struct target_url *parts)
{
	require(parts->port >= 1 && parts->host[0] != '\0');
	require(
	    strspn(parts->host, "abcdefghijklmnopqrstuvwxyz0123456789-_.:") ==
	    strlen(parts->host));
	for (const char *c = url; *c != '\0'; c++)
		require(*c > ' ' && *c <= '~' && *c != '#' && *c != '\\');
}

static void
check_url(const char *url)
{
	struct target_url parts, open;
	struct target_verdict verdict;
	struct reason why = { "" };
	bool trusted = target_check_url(&anything, url, &parts, &verdict, &why);
	require(trusted == verdict.allowed);
	require(trusted || why.text[0] != '\0');
	if (trusted) {
		check_form(url, &parts);
		check_again(&parts);
	}
	if (target_check_url(&public_only, url, &open, &verdict, &why)) {
		require(trusted && strcmp(open.host, parts.host) == 0);
		check_literal(open.host);
	}
}

/* ---- addresses ---- */

/* Every form that can carry these four bytes. */
static void
check_forms(const uint8_t *v4)
{
	uint8_t forms[7][16] = {
		{ [10] = 0xff, 0xff },
		{ 0 },
		{ [8] = 0xff, 0xff },
		{ 0, 0x64, 0xff, 0x9b },
		{ 0x20, 0x02 },
		{ 0x20, 0x01, 0, 0, 8, 8, 8, 8 },
		{ 0x26, 0x06, [10] = 0x5e, 0xfe },
	};
	bool free = reaches_v4(&public_only, v4);
	for (int i = 0; i < 7; i++) {
		memcpy(forms[i] + (i == 4 ? 2 : 12), v4, 4);
		for (int j = 12; i == 5 && j < 16; j++)
			forms[i][j] ^= 0xff;
		require(free || !reaches_v6(&public_only, forms[i]));
	}
	require(free == reaches_v6(&public_only, forms[0]));
	require(free == reaches_v6(&public_only, forms[3]));
}

static void
check_range(const char *text)
{
	struct cidr range, again;
	char address[INET6_ADDRSTRLEN], whole[64];
	struct target_policy policy = { .deny = &range, .deny_count = 1 };
	if (!cidr_parse(text, &range))
		return;
	require(range.bits <= 128);
	inet_ntop(AF_INET6, range.address, address, sizeof(address));
	snprintf(whole, sizeof(whole), "%s/%u", address, range.bits);
	require(cidr_parse(whole, &again));
	require(memcmp(&range, &again, sizeof(range)) == 0);
	require(!reaches_v6(&policy, range.address));
}

static void
check_line(const char *line, size_t len)
{
	char *text = strndup(line, len); /* up to a NUL */
	require(text != NULL);
	check_url(text);
	check_range(text);
	if (strlen(text) >= 4)
		check_forms((const uint8_t *)text);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const char *line = (const char *)bytes;
	while (len > 0) {
		const char *end = memchr(line, '\n', len);
		size_t line_len = end != NULL ? (size_t)(end - line) : len;
		check_line(line, line_len);
		line_len += end != NULL;
		line += line_len;
		len -= line_len;
	}
	return 0;
}
