/* target.h - may we talk to this address?
 *
 * Clients name URLs that we then call from inside somebody's network: so only
 * public addresses are let through, unless the operator says otherwise
 * (libraries.md: SSRF). Two checks, both needed: the URL when it is accepted,
 * and the address of every connection when it is used. Pure; any thread.
 */
#ifndef CALLBACKD_TARGET_H
#define CALLBACKD_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "callbackd/text.h"

/* A range of addresses; v4 kept as v4-mapped, bits 0 .. 128. */
struct cidr {
	uint8_t address[16];
	uint8_t bits;
};
/* "10.0.0.0/8", "::1/128", a bare address is one host. Host bits beyond the
 * prefix are refused. */
bool cidr_parse(const char *text, struct cidr *out);
/* True when the host address is within the range. */
bool cidr_contains(const struct cidr *range, const struct cidr *address);

/* The operator's rules. Filled by conf; read-only afterwards. */
struct target_policy {
	bool any_address; /* trusted upstreams: no address check */
	bool https_only;
	const struct cidr *allow; /* let through although not public */
	size_t allow_count;
	const struct cidr *deny; /* refused although public; wins */
	size_t deny_count;
	const char *const *deny_suffix; /* host suffixes: "internal.example" */
	size_t deny_suffix_count;       /*   matches itself and below it */
	const uint16_t *ports;          /* empty: any */
	size_t port_count;
};

/* Why an address or URL is refused, for the log, the client and metrics. */
struct target_verdict {
	bool allowed;
	const char *rule; /* "public", "allow", "deny", "private", "loopback",
	                   * "link-local", "reserved", "port", "scheme", "host",
	                   * "url": static text */
};

/* A connection's address. Embedded v4 in v6 (mapped, compatible, NAT64, 6to4,
 * Teredo) is judged as the v4 it leads to, too. */
struct target_verdict target_judge_address(const struct target_policy *policy,
    const struct sockaddr *address, socklen_t len);

/* The parts of a URL that we accept: absolute http or https, no user
 * information, no fragment, visible ASCII, host not empty, port 1-65535. */
#define TARGET_URL_MAX_BYTES 8000 /* RFC 9110, 4.1: what all should support */
#define TARGET_HOST_SIZE 256
struct target_url {
	bool https;
	char host[TARGET_HOST_SIZE]; /* lower case, without a final dot; an
	                              * address in canonical text, v6 without
	                              * brackets */
	uint16_t port;
};

/* Checks a URL's form and what the policy says of its scheme, port and host
 * name; a literal address in any spelling (decimal, octal, hex, short) is judged
 * at once, localhost and what is below it as loopback. With any_address only the
 * form is checked. *verdict_out is always set; on refusal why_out says what, and
 * where. */
bool target_check_url(const struct target_policy *policy, const char *url,
    struct target_url *parts_out, struct target_verdict *verdict_out,
    struct reason *why_out);

#endif
