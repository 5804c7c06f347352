/* target.c - which addresses lie inside somebody's network?
 *
 * 1. An address is judged in every form it can take on the way: itself, and the
 *    IPv4 address that an IPv6 form leads to. All forms must pass; one bad form
 *    is enough to refuse.
 * 2. deny beats allow, allow beats the tables, the tables decide the rest.
 * 3. IPv6 is refused unless it is global unicast (2000::/3) or NAT64: what IANA
 *    hands out later is refused until somebody has read what it is.
 * 4. A range of IPv4 is only ever compared with IPv4, a range of IPv6 with
 *    IPv6: "::/0" does not mean the IPv4 internet, although it is kept mapped.
 *
 * Any thread.
 */
#include "callbackd/target.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define V4_BITS 96 /* length of the prefix ::ffff:0:0/96 */
#define CIDR_TEXT_MAX 64

static const uint8_t v4_mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff,
	0xff };

static const char rule_public[] = "public";
static const char rule_allow[] = "allow";
static const char rule_deny[] = "deny";
static const char rule_private[] = "private";
static const char rule_loopback[] = "loopback";
static const char rule_link_local[] = "link-local";
static const char rule_reserved[] = "reserved";

/* A line of a table: a range, what it is, where that is written. The first
 * match decides. */
struct special {
	uint8_t prefix[16];
	uint8_t bits;
	const char *rule;
};

/* IANA IPv4 Special-Purpose Address Registry, with RFC 5771 (multicast). The
 * few ranges in it that are globally reachable are relays and DNS sinks; those
 * under 192.0.0.0/24 go with their range, AS112 and AMT are left public. */
static const struct special v4_table[] = {
	{ { 0 }, 8, rule_reserved },       /* RFC 791 this network */
	{ { 10 }, 8, rule_private },       /* RFC 1918 */
	{ { 100, 64 }, 10, rule_private }, /* RFC 6598 shared */
	{ { 127 }, 8, rule_loopback },     /* RFC 1122 */
	{ { 168, 63, 129, 16 }, 32, rule_link_local }, /* Azure's host agent */
	{ { 169, 254 }, 16, rule_link_local },         /* RFC 3927 */
	{ { 172, 16 }, 12, rule_private },             /* RFC 1918 */
	{ { 192, 0, 0 }, 24, rule_reserved },          /* RFC 6890 */
	{ { 192, 0, 2 }, 24, rule_reserved },          /* RFC 5737 examples */
	{ { 192, 88, 99 }, 24, rule_reserved },        /* RFC 7526 6to4 relay */
	{ { 192, 168 }, 16, rule_private },            /* RFC 1918 */
	{ { 198, 18 }, 15, rule_reserved },            /* RFC 2544 benchmarks */
	{ { 198, 51, 100 }, 24, rule_reserved },       /* RFC 5737 examples */
	{ { 203, 0, 113 }, 24, rule_reserved },        /* RFC 5737 examples */
	{ { 224 }, 4, rule_reserved },                 /* RFC 5771 multicast */
	{ { 240 }, 4, rule_reserved },                 /* RFC 1112, 8190 */
};

/* IANA IPv6 Special-Purpose Address Registry, RFC 4291 and its successors.
 * NAT64 is public because it is judged by what it leads to; Teredo (RFC 4380)
 * lies in 2001::/23; the last line takes ::, ::/96, 100::/64, 5f00::/16,
 * ff00::/8 and what is not handed out yet. */
static const struct special v6_table[] = {
	{ { [15] = 1 }, 128, rule_loopback },                /* RFC 4291 */
	{ { 0, 0x64, 0xff, 0x9b }, 96, rule_public },        /* RFC 6052 */
	{ { 0, 0x64, 0xff, 0x9b, 0, 1 }, 48, rule_private }, /* RFC 8215 */
	{ { 0xfc }, 7, rule_private },                       /* RFC 4193 */
	{ { 0xfe, 0x80 }, 10, rule_link_local },             /* RFC 4291 */
	{ { 0xfe, 0xc0 }, 10, rule_private },                /* RFC 3879 */
	{ { 0x20, 0x01, 0, 0 }, 23, rule_reserved },         /* RFC 2928 */
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32, rule_reserved },   /* RFC 3849 */
	{ { 0x20, 0x02 }, 16, rule_reserved },               /* RFC 3056 */
	{ { 0x3f, 0xff }, 20, rule_reserved },               /* RFC 9637 */
	{ { 0x20 }, 3, rule_public },                        /* RFC 4291 */
	{ { 0 }, 0, rule_reserved },                         /* RFC 4291 */
};

/* ---- ranges ---- */

static bool
prefix_matches(const uint8_t *address, const uint8_t *prefix, unsigned bits)
{
	unsigned whole = bits / 8;
	if (memcmp(address, prefix, whole) != 0)
		return false;
	if (bits % 8 == 0)
		return true;
	uint8_t mask = (uint8_t)(0xff << (8 - bits % 8));
	return ((address[whole] ^ prefix[whole]) & mask) == 0;
}

static bool
is_v4(const uint8_t address[16])
{
	return memcmp(address, v4_mapped, sizeof(v4_mapped)) == 0;
}

static bool
host_bits_are_clear(const struct cidr *range)
{
	for (unsigned bit = range->bits; bit < 128; bit++)
		if (range->address[bit / 8] & (0x80 >> bit % 8))
			return false;
	return true;
}

bool
cidr_parse(const char *text, struct cidr *out)
{
	char host[CIDR_TEXT_MAX];
	struct cidr range;
	int64_t bits;

	const char *slash = strchrnul(text, '/');
	size_t len = (size_t)(slash - text);
	if (len >= sizeof(host))
		return false;
	memcpy(host, text, len);
	host[len] = '\0';

	bool dotted = inet_pton(AF_INET, host, range.address + 12) == 1;
	if (dotted)
		memcpy(range.address, v4_mapped, sizeof(v4_mapped));
	else if (inet_pton(AF_INET6, host, range.address) != 1)
		return false;
	bits = dotted ? 32 : 128;
	if (*slash == '/' && !text_int64(slash + 1, 0, bits, &bits))
		return false;
	range.bits = (uint8_t)(dotted ? bits + V4_BITS : bits);
	if (!host_bits_are_clear(&range))
		return false;
	*out = range;
	return true;
}

/* Invariant 4: shorter than the mapped prefix means a range of IPv6. */
static bool
cidr_holds(const struct cidr *range, const uint8_t address[16])
{
	if (is_v4(address) && range->bits < V4_BITS)
		return false;
	return prefix_matches(address, range->address, range->bits);
}

bool
cidr_contains(const struct cidr *range, const struct cidr *address)
{
	return address->bits == 128 && cidr_holds(range, address->address);
}

static bool
any_holds(const struct cidr *ranges, size_t count, const uint8_t address[16])
{
	for (size_t i = 0; i < count; i++)
		if (cidr_holds(&ranges[i], address))
			return true;
	return false;
}

/* ---- the IPv4 address in an IPv6 address ---- */

/* Sets the v4 part of a mapped address from 4 bytes, each flipped. */
static bool
set_v4(uint8_t out[16], const uint8_t *bytes, uint8_t flip)
{
	memcpy(out, v4_mapped, sizeof(v4_mapped));
	for (unsigned i = 0; i < 4; i++)
		out[12 + i] = bytes[i] ^ flip;
	return true;
}

/* The two ends of a Teredo tunnel (RFC 4380): its server, and the client behind
 * an obscured address. */
#define EMBEDDED_MAX 2

/* All IPv4 addresses that this IPv6 address leads to, as mapped ones. */
static size_t
find_embedded(const uint8_t address[16], uint8_t out[EMBEDDED_MAX][16])
{
	static const struct {
		uint8_t prefix[16];
		uint8_t bits;
		uint8_t at;   /* where the 4 bytes begin */
		uint8_t flip; /* they are kept xored with this */
	} forms[] = {
		{ { 0 }, 96, 12, 0 },                /* RFC 4291 compatible */
		{ { [8] = 0xff, 0xff }, 96, 12, 0 }, /* RFC 2765 translated */
		{ { 0, 0x64, 0xff, 0x9b }, 96, 12, 0 }, /* RFC 6052 NAT64 */
		{ { 0, 0x64, 0xff, 0x9b, 0, 1 }, 48, 12, 0 }, /* RFC 8215 */
		{ { 0x20, 0x02 }, 16, 2, 0 },           /* RFC 3056 6to4 */
		{ { 0x20, 0x01, 0, 0 }, 32, 4, 0 },     /* RFC 4380 server */
		{ { 0x20, 0x01, 0, 0 }, 32, 12, 0xff }, /* RFC 4380 client */
	};
	static const uint8_t isatap[4] = { 0x00, 0x00, 0x5e, 0xfe };
	size_t count = 0;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (prefix_matches(address, forms[i].prefix, forms[i].bits))
			count += set_v4(out[count], address + forms[i].at,
			    forms[i].flip);
	/* RFC 5214: under any prefix; the universal bit may be set. */
	if (count == 0 && (address[8] & ~0x02) == 0 &&
	    memcmp(address + 9, isatap + 1, 3) == 0)
		count += set_v4(out[count], address + 12, 0);
	return count;
}

/* ---- the verdict ---- */

static const char *
look_up(const struct special *table, size_t count, const uint8_t *address)
{
	for (size_t i = 0; i < count; i++)
		if (prefix_matches(address, table[i].prefix, table[i].bits))
			return table[i].rule;
	return rule_public;
}

static const char *
judge_form(const struct target_policy *policy, const uint8_t address[16])
{
	if (any_holds(policy->deny, policy->deny_count, address))
		return rule_deny;
	if (any_holds(policy->allow, policy->allow_count, address))
		return rule_allow;
	if (is_v4(address))
		return look_up(v4_table, sizeof(v4_table) / sizeof(v4_table[0]),
		    address + 12);
	return look_up(v6_table, sizeof(v6_table) / sizeof(v6_table[0]),
	    address);
}

static bool
rule_lets_through(const char *rule)
{
	return rule == rule_public || rule == rule_allow;
}

/* ::1 and :: are addresses of their own, not IPv4 in disguise. */
static bool
is_plain(const uint8_t address[16])
{
	static const uint8_t zero[15];
	return memcmp(address, zero, sizeof(zero)) == 0 && address[15] <= 1;
}

static struct target_verdict
judge_bytes(const struct target_policy *policy, const uint8_t address[16])
{
	uint8_t embedded[EMBEDDED_MAX][16];
	size_t count = 0;
	if (!is_v4(address) && !is_plain(address))
		count = find_embedded(address, embedded);

	/* The inner address first: its rule says more. */
	for (size_t i = 0; i < count; i++) {
		const char *inner = judge_form(policy, embedded[i]);
		if (!rule_lets_through(inner))
			return (struct target_verdict){ false, inner };
	}
	const char *rule = judge_form(policy, address);
	return (struct target_verdict){ rule_lets_through(rule), rule };
}

struct target_verdict
target_judge_address(const struct target_policy *policy,
    const struct sockaddr *address, socklen_t len)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	uint8_t bytes[16];

	if (policy->any_address)
		return (struct target_verdict){ true, rule_allow };
	if (len >= sizeof(in) && address->sa_family == AF_INET) {
		memcpy(&in, address, sizeof(in));
		memcpy(bytes, v4_mapped, sizeof(v4_mapped));
		memcpy(bytes + 12, &in.sin_addr, 4);
		return judge_bytes(policy, bytes);
	}
	if (len >= sizeof(in6) && address->sa_family == AF_INET6) {
		memcpy(&in6, address, sizeof(in6));
		memcpy(bytes, &in6.sin6_addr, sizeof(bytes));
		return judge_bytes(policy, bytes);
	}
	return (struct target_verdict){ false, rule_reserved };
}
