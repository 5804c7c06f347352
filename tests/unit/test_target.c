/* test_target.c - which addresses and URLs are let through, as tables. */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/target.h"

#define ROWS(table) (sizeof(table) / sizeof(table[0]))

static const struct target_policy open_world = { .any_address = false };

static struct target_verdict
judge(const struct target_policy *policy, const char *text)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
		return target_judge_address(policy, (struct sockaddr *)&in,
		    sizeof(in));
	ck_assert_msg(inet_pton(AF_INET6, text, &in6.sin6_addr) == 1,
	    "not an address: %s", text);
	return target_judge_address(policy, (struct sockaddr *)&in6,
	    sizeof(in6));
}

/* ---- ranges ---- */

static const char *const good_ranges[] = { "10.0.0.0/8", "0.0.0.0/0",
	"192.0.2.1", "192.0.2.1/32", "::1/128", "::1", "::/0", "fc00::/7",
	"2001:db8::/32", "::ffff:10.0.0.0/104" };

static const char *const bad_ranges[] = { "", "/", "/8", "10.0.0.0/",
	"10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0.0/ 8",
	"10.0.0.0/8/8", "10.0.0.1/8", "10.0.0/8", "010.0.0.0/8", "10.0.0.0.0",
	"::/129", "::1/64", "fe80::%1/64", "[::1]", "example.com", "0x7f.0.0.1",
	"2130706433", " 10.0.0.0/8", "10.0.0.0/08x",
	"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd/8" };

START_TEST(ranges_are_read_in_their_plain_spelling_only)
{
	struct cidr range;
	for (size_t i = 0; i < ROWS(good_ranges); i++)
		ck_assert_msg(cidr_parse(good_ranges[i], &range), "%s",
		    good_ranges[i]);
	memset(&range, 0x5a, sizeof(range));
	for (size_t i = 0; i < ROWS(bad_ranges); i++)
		ck_assert_msg(!cidr_parse(bad_ranges[i], &range), "%s",
		    bad_ranges[i]);
	ck_assert_uint_eq(range.bits, 0x5a);
	ck_assert_uint_eq(range.address[0], 0x5a);
}
END_TEST

START_TEST(a_range_of_v4_is_kept_mapped)
{
	static const uint8_t mapped[16] = { [10] = 0xff, 0xff, 10, 1, 0, 0 };
	struct cidr range;
	ck_assert(cidr_parse("10.1.0.0/16", &range));
	ck_assert_mem_eq(range.address, mapped, 16);
	ck_assert_uint_eq(range.bits, 112);
}
END_TEST

/* ---- addresses ---- */

static const struct {
	const char *address;
	const char *rule;
} addresses[] = {
	{ "8.8.8.8", "public" },
	{ "1.1.1.1", "public" },
	{ "223.255.255.255", "public" },
	{ "0.0.0.0", "reserved" },
	{ "0.255.255.255", "reserved" },
	{ "9.255.255.255", "public" },
	{ "10.0.0.0", "private" },
	{ "10.255.255.255", "private" },
	{ "11.0.0.0", "public" },
	{ "100.63.255.255", "public" },
	{ "100.64.0.0", "private" },
	{ "100.100.100.200", "private" },
	{ "100.127.255.255", "private" },
	{ "100.128.0.0", "public" },
	{ "127.0.0.1", "loopback" },
	{ "127.255.255.255", "loopback" },
	{ "128.0.0.0", "public" },
	{ "168.63.129.15", "public" },
	{ "168.63.129.16", "link-local" },
	{ "169.253.255.255", "public" },
	{ "169.254.169.254", "link-local" },
	{ "169.255.0.0", "public" },
	{ "172.15.255.255", "public" },
	{ "172.16.0.0", "private" },
	{ "172.31.255.255", "private" },
	{ "172.32.0.0", "public" },
	{ "192.0.0.192", "reserved" },
	{ "192.0.1.0", "public" },
	{ "192.0.2.7", "reserved" },
	{ "192.88.99.1", "reserved" },
	{ "192.167.255.255", "public" },
	{ "192.168.0.1", "private" },
	{ "192.169.0.0", "public" },
	{ "198.17.255.255", "public" },
	{ "198.18.0.0", "reserved" },
	{ "198.19.255.255", "reserved" },
	{ "198.20.0.0", "public" },
	{ "198.51.100.1", "reserved" },
	{ "203.0.113.255", "reserved" },
	{ "224.0.0.1", "reserved" },
	{ "239.255.255.250", "reserved" },
	{ "240.0.0.0", "reserved" },
	{ "255.255.255.255", "reserved" },
	{ "::", "reserved" },
	{ "::1", "loopback" },
	{ "::2", "reserved" },
	{ "2606:4700:4700::1111", "public" },
	{ "2001:4860:4860::8888", "public" },
	{ "2001:200::1", "public" },
	{ "2003::1", "public" },
	{ "3ffe::1", "public" },
	{ "3fff::1", "reserved" },
	{ "3fff:fff::1", "reserved" },
	{ "4000::1", "reserved" },
	{ "100::1", "reserved" },
	{ "5f00::1", "reserved" },
	{ "2001:db8::1", "reserved" },
	{ "2001:2::1", "reserved" },
	{ "2001:20::1", "reserved" },
	{ "2001:1ff:ffff::1", "reserved" },
	{ "fc00::1", "private" },
	{ "fd00:ec2::254", "private" },
	{ "fe80::1", "link-local" },
	{ "febf::1", "link-local" },
	{ "fec0::1", "private" },
	{ "ff02::1", "reserved" },
	{ "ff0e::1", "reserved" },
	/* mapped: the v4 address itself */
	{ "::ffff:8.8.8.8", "public" },
	{ "::ffff:127.0.0.1", "loopback" },
	{ "::ffff:7f00:1", "loopback" },
	{ "::ffff:169.254.169.254", "link-local" },
	{ "::ffff:0.0.0.0", "reserved" },
	/* compatible, translated: nobody routes them */
	{ "::8.8.8.8", "reserved" },
	{ "::127.0.0.1", "loopback" },
	{ "::ffff:0:8.8.8.8", "reserved" },
	{ "::ffff:0:10.0.0.1", "private" },
	/* NAT64 */
	{ "64:ff9b::8.8.8.8", "public" },
	{ "64:ff9b::7f00:1", "loopback" },
	{ "64:ff9b::192.168.1.1", "private" },
	{ "64:ff9b::169.254.169.254", "link-local" },
	{ "64:ff9b:1::8.8.8.8", "private" },
	{ "64:ff9b:1::127.0.0.1", "loopback" },
	{ "64:ff9b:2::8.8.8.8", "reserved" },
	/* 6to4 */
	{ "2002:808:808::1", "reserved" },
	{ "2002:7f00:1::", "loopback" },
	{ "2002:a00:1::1", "private" },
	/* Teredo: server, and client xored */
	{ "2001:0:808:808::f7f7:f7f7", "reserved" },
	{ "2001:0:a00:1::f7f7:f7f7", "private" },
	{ "2001:0:808:808::80ff:fffe", "loopback" },
	/* ISATAP */
	{ "2606:4700::5efe:8.8.8.8", "public" },
	{ "2606:4700::5efe:10.0.0.1", "private" },
	{ "2606:4700::200:5efe:127.0.0.1", "loopback" },
};

START_TEST(addresses_are_judged_by_where_they_lead)
{
	for (size_t i = 0; i < ROWS(addresses); i++) {
		struct target_verdict verdict = judge(&open_world,
		    addresses[i].address);
		bool expected = strcmp(addresses[i].rule, "public") == 0;
		ck_assert_msg(verdict.allowed == expected &&
			strcmp(verdict.rule, addresses[i].rule) == 0,
		    "%s: %s", addresses[i].address, verdict.rule);
	}
}
END_TEST

START_TEST(allow_lets_through_what_is_not_public)
{
	struct cidr allow[2];
	struct target_policy policy = { .allow = allow, .allow_count = 2 };
	ck_assert(cidr_parse("127.0.0.0/8", &allow[0]));
	ck_assert(cidr_parse("fd00::/8", &allow[1]));

	ck_assert_str_eq(judge(&policy, "127.0.0.1").rule, "allow");
	ck_assert_str_eq(judge(&policy, "::ffff:127.9.9.9").rule, "allow");
	ck_assert_str_eq(judge(&policy, "fd12::1").rule, "allow");
	ck_assert(judge(&policy, "fd12::1").allowed);
	ck_assert(judge(&policy, "64:ff9b::127.0.0.1").allowed);
	ck_assert(judge(&policy, "8.8.8.8").allowed);

	ck_assert(!judge(&policy, "10.0.0.1").allowed);
	ck_assert(!judge(&policy, "::1").allowed);
	ck_assert(!judge(&policy, "fc00::1").allowed);
	ck_assert(!judge(&policy, "::127.0.0.1").allowed);
	ck_assert(!judge(&policy, "2002:7f00:1::").allowed);
}
END_TEST

START_TEST(an_allowed_wrapper_does_not_allow_what_is_in_it)
{
	struct cidr allow[1];
	struct target_policy policy = { .allow = allow, .allow_count = 1 };
	ck_assert(cidr_parse("2002::/16", &allow[0]));
	ck_assert(judge(&policy, "2002:808:808::1").allowed);
	ck_assert_str_eq(judge(&policy, "2002:a00:1::1").rule, "private");
}
END_TEST

START_TEST(deny_beats_allow_and_public)
{
	struct cidr deny[2], allow[1];
	struct target_policy policy = { .allow = allow,
		.allow_count = 1,
		.deny = deny,
		.deny_count = 2 };
	ck_assert(cidr_parse("10.0.0.0/8", &allow[0]));
	ck_assert(cidr_parse("10.1.0.0/16", &deny[0]));
	ck_assert(cidr_parse("8.8.8.0/24", &deny[1]));

	ck_assert(judge(&policy, "10.0.0.1").allowed);
	ck_assert_str_eq(judge(&policy, "10.1.0.1").rule, "deny");
	ck_assert_str_eq(judge(&policy, "8.8.8.8").rule, "deny");
	ck_assert_str_eq(judge(&policy, "::ffff:8.8.8.8").rule, "deny");
	ck_assert_str_eq(judge(&policy, "64:ff9b::808:808").rule, "deny");
	ck_assert(judge(&policy, "8.8.4.4").allowed);
}
END_TEST

START_TEST(a_range_of_v6_says_nothing_about_v4)
{
	struct cidr everything;
	struct target_policy deny = { .deny = &everything, .deny_count = 1 };
	struct target_policy allow = { .allow = &everything, .allow_count = 1 };
	ck_assert(cidr_parse("::/0", &everything));
	ck_assert(judge(&deny, "8.8.8.8").allowed);
	ck_assert(!judge(&deny, "2606:4700::1").allowed);
	ck_assert(!judge(&allow, "127.0.0.1").allowed);
	ck_assert(!judge(&allow, "::ffff:127.0.0.1").allowed);
	ck_assert(judge(&allow, "::1").allowed);

	ck_assert(cidr_parse("0.0.0.0/0", &everything));
	ck_assert(!judge(&deny, "8.8.8.8").allowed);
	ck_assert(judge(&deny, "2606:4700::1").allowed);
}
END_TEST

START_TEST(what_is_no_internet_address_is_refused)
{
	struct target_policy anything = { .any_address = true };
	struct sockaddr local = { .sa_family = AF_UNIX };
	struct sockaddr_in in = { .sin_family = AF_INET };
	in.sin_addr.s_addr = htonl(0x08080808);
	ck_assert(
	    !target_judge_address(&open_world, &local, sizeof(local)).allowed);
	ck_assert(!target_judge_address(&open_world, (struct sockaddr *)&in,
	    sizeof(in) - 1)
		       .allowed);
	ck_assert(
	    target_judge_address(&anything, &local, sizeof(local)).allowed);
	ck_assert(judge(&anything, "127.0.0.1").allowed);
}
END_TEST

/* ---- URLs ---- */

static const struct {
	const char *url;
	const char *host; /* NULL: refused by rule */
	unsigned port;
	const char *rule;
} urls[] = {
	/* ordinary */
	{ "http://example.com", "example.com", 80, "public" },
	{ "https://example.com/", "example.com", 443, "public" },
	{ "HTTPS://EXAMPLE.com/Hook?a=b&c=%20d", "example.com", 443, "public" },
	{ "http://example.com:8080/x", "example.com", 8080, "public" },
	{ "http://example.com:65535", "example.com", 65535, "public" },
	{ "http://example.com:1?x", "example.com", 1, "public" },
	{ "http://example.com?x=/@:", "example.com", 80, "public" },
	{ "http://example.com/a@b:c", "example.com", 80, "public" },
	{ "http://example.com//x//y", "example.com", 80, "public" },
	{ "http://example.com./", "example.com", 80, "public" },
	{ "http://my_service-1:9000/", "my_service-1", 9000, "public" },
	{ "http://xn--bcher-kva.example/", "xn--bcher-kva.example", 80,
	    "public" },
	{ "http://1and1.example/", "1and1.example", 80, "public" },
	{ "http://3com/", "3com", 80, "public" },
	{ "http://0xyz/", "0xyz", 80, "public" },
	{ "http://127.0.0.1.nip.io/", "127.0.0.1.nip.io", 80, "public" },
	/* addresses in their plain spelling */
	{ "http://8.8.8.8/", "8.8.8.8", 80, "public" },
	{ "http://8.8.8.8.:81/", "8.8.8.8", 81, "public" },
	{ "http://[2606:4700::1111]/", "2606:4700::1111", 80, "public" },
	{ "https://[2606:4700::AB]:8443/x", "2606:4700::ab", 8443, "public" },
	{ "http://[2606:4700:0:0:0:0:0:1]/", "2606:4700::1", 80, "public" },
	{ "http://[::ffff:8.8.8.8]/", "::ffff:8.8.8.8", 80, "public" },
	{ "http://127.0.0.1/", NULL, 0, "loopback" },
	{ "http://127.0.0.1:8080/x", NULL, 0, "loopback" },
	{ "http://0.0.0.0/", NULL, 0, "reserved" },
	{ "http://10.1.2.3/", NULL, 0, "private" },
	{ "http://192.168.0.1/", NULL, 0, "private" },
	{ "http://169.254.169.254/latest/meta-data/", NULL, 0, "link-local" },
	{ "http://[::1]/", NULL, 0, "loopback" },
	{ "http://[::]/", NULL, 0, "reserved" },
	{ "http://[::ffff:127.0.0.1]/", NULL, 0, "loopback" },
	{ "http://[::ffff:7f00:1]/", NULL, 0, "loopback" },
	{ "http://[::127.0.0.1]/", NULL, 0, "loopback" },
	{ "http://[64:ff9b::7f00:1]/", NULL, 0, "loopback" },
	{ "http://[2002:7f00:1::]/", NULL, 0, "loopback" },
	{ "http://[fe80::1]/", NULL, 0, "link-local" },
	{ "http://[fd00::1]/", NULL, 0, "private" },
	{ "http://[ff02::1]/", NULL, 0, "reserved" },
	/* addresses in disguise */
	{ "http://134744072/", "8.8.8.8", 80, "public" },
	{ "http://0x08080808/", "8.8.8.8", 80, "public" },
	{ "http://0X8.0x8.2056/", "8.8.8.8", 80, "public" },
	{ "http://010.010.010.010/", "8.8.8.8", 80, "public" },
	{ "http://4294967295/", NULL, 0, "reserved" },
	{ "http://2130706433/", NULL, 0, "loopback" },
	{ "http://0x7f000001/", NULL, 0, "loopback" },
	{ "http://0x7f.1/", NULL, 0, "loopback" },
	{ "http://0177.0.0.1/", NULL, 0, "loopback" },
	{ "http://017700000001/", NULL, 0, "loopback" },
	{ "http://127.1/", NULL, 0, "loopback" },
	{ "http://127.0.1/", NULL, 0, "loopback" },
	{ "http://127.0x0.00.0x1/", NULL, 0, "loopback" },
	{ "http://127.16777215/", NULL, 0, "loopback" },
	{ "http://127.0.0.1./", NULL, 0, "loopback" },
	{ "http://0/", NULL, 0, "reserved" },
	{ "http://00000000000/", NULL, 0, "reserved" },
	{ "http://0xa9fea9fe/", NULL, 0, "link-local" },
	{ "http://2852039166/", NULL, 0, "link-local" },
	{ "http://167772161/", NULL, 0, "private" },
	/* numbers that are no address */
	{ "http://4294967296/", NULL, 0, "host" },
	{ "http://99999999999999999999999999/", NULL, 0, "host" },
	{ "http://256.0.0.1/", NULL, 0, "host" },
	{ "http://1.2.3.256/", NULL, 0, "host" },
	{ "http://1.2.65536/", NULL, 0, "host" },
	{ "http://1.16777216/", NULL, 0, "host" },
	{ "http://1.2.3.4.5/", NULL, 0, "host" },
	{ "http://1.2.3.08/", NULL, 0, "host" },
	{ "http://0x/", NULL, 0, "host" },
	{ "http://0x7g.1/", NULL, 0, "host" },
	{ "http://example.1/", NULL, 0, "host" },
	{ "http://example.0x7f/", NULL, 0, "host" },
	{ "http://0b1/", "0b1", 80, "public" },
	/* loopback by name */
	{ "http://localhost/", NULL, 0, "loopback" },
	{ "http://LOCALHOST.:80/", NULL, 0, "loopback" },
	{ "http://a.b.localhost/", NULL, 0, "loopback" },
	{ "http://notlocalhost/", "notlocalhost", 80, "public" },
	{ "http://localhost.example/", "localhost.example", 80, "public" },
	/* not http */
	{ "", NULL, 0, "scheme" },
	{ "example.com", NULL, 0, "scheme" },
	{ "/x", NULL, 0, "scheme" },
	{ "//example.com/", NULL, 0, "scheme" },
	{ "ftp://example.com/", NULL, 0, "scheme" },
	{ "file:///etc/passwd", NULL, 0, "scheme" },
	{ "gopher://example.com/", NULL, 0, "scheme" },
	{ "javascript:alert(1)", NULL, 0, "scheme" },
	{ "httpx://example.com/", NULL, 0, "scheme" },
	{ "http:example.com", NULL, 0, "scheme" },
	{ "http:/example.com", NULL, 0, "scheme" },
	{ "https:/example.com", NULL, 0, "scheme" },
	{ "unix:/run/x", NULL, 0, "scheme" },
	/* no or bad host */
	{ "http://", NULL, 0, "host" },
	{ "http:///", NULL, 0, "host" },
	{ "http:///example.com", NULL, 0, "host" },
	{ "http://?x", NULL, 0, "host" },
	{ "http://:80/", NULL, 0, "host" },
	{ "http://./", NULL, 0, "host" },
	{ "http://../", NULL, 0, "host" },
	{ "http://.../", NULL, 0, "host" },
	{ "http://.example.com/", NULL, 0, "host" },
	{ "http://a..b/", NULL, 0, "host" },
	{ "http://example.com../", NULL, 0, "host" },
	{ "http://%31%32%37.0.0.1/", NULL, 0, "host" },
	{ "http://example%2ecom/", NULL, 0, "host" },
	{ "http://exa$mple/", NULL, 0, "host" },
	{ "http://a,b/", NULL, 0, "host" },
	{ "http://a;b/", NULL, 0, "host" },
	{ "http://[/", NULL, 0, "host" },
	{ "http://[]/", NULL, 0, "host" },
	{ "http://[::1/", NULL, 0, "host" },
	{ "http://::1/", NULL, 0, "port" },
	{ "http://2606:4700::1/", NULL, 0, "port" },
	{ "http://[8.8.8.8]/", NULL, 0, "host" },
	{ "http://[2606::1]x/", NULL, 0, "host" },
	{ "http://[2606::1]8080/", NULL, 0, "host" },
	{ "http://x[2606::1]/", NULL, 0, "port" },
	{ "http://[fe80::1%25eth0]/", NULL, 0, "host" },
	{ "http://[2606::1%eth0]/", NULL, 0, "host" },
	{ "http://[v1.x]/", NULL, 0, "host" },
	{ "http://[::127.1]/", NULL, 0, "host" },
	/* bad port */
	{ "http://example.com:0/", NULL, 0, "port" },
	{ "http://example.com:/", NULL, 0, "port" },
	{ "http://example.com:65536/", NULL, 0, "port" },
	{ "http://example.com:99999999999999999999/", NULL, 0, "port" },
	{ "http://example.com:+80/", NULL, 0, "port" },
	{ "http://example.com:-1/", NULL, 0, "port" },
	{ "http://example.com:080/", NULL, 0, "port" },
	{ "http://example.com:8a/", NULL, 0, "port" },
	{ "http://example.com:80:80/", NULL, 0, "port" },
	{ "http://[::1]:/", NULL, 0, "port" },
	/* what could move the border of the host */
	{ "http://user@example.com/", NULL, 0, "url" },
	{ "http://user:pw@example.com/", NULL, 0, "url" },
	{ "http://example.com@127.0.0.1/", NULL, 0, "url" },
	{ "http://@example.com/", NULL, 0, "url" },
	{ "http://a@b@example.com/", NULL, 0, "url" },
	{ "http://example.com#frag", NULL, 0, "url" },
	{ "http://example.com/#", NULL, 0, "url" },
	{ "http://example.com/x#y", NULL, 0, "url" },
	{ "http://127.0.0.1#@example.com/", NULL, 0, "url" },
	{ "http://example.com\\@127.0.0.1/", NULL, 0, "url" },
	{ "http:\\\\example.com/", NULL, 0, "url" },
	{ "http://example.com/a\\b", NULL, 0, "url" },
	{ "http://example.com/a b", NULL, 0, "url" },
	{ " http://example.com/", NULL, 0, "url" },
	{ "http://example.com/ ", NULL, 0, "url" },
	{ "http://example.com/\r\nHost: x", NULL, 0, "url" },
	{ "http://exam\tple.com/", NULL, 0, "url" },
	{ "http://example.com/\x7f", NULL, 0, "url" },
	{ "http://example.com/\xc3\xa9", NULL, 0, "url" },
	{ "http://b\xc3\xbc"
	  "cher.example/",
	    NULL, 0, "url" },
	{ "http://\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.0.0.1/", NULL, 0,
	    "url" },
	{ "http://127\xe3\x80\x82"
	  "0\xe3\x80\x82"
	  "0\xe3\x80\x82"
	  "1/",
	    NULL, 0, "url" },
};

START_TEST(urls_are_taken_apart_and_judged)
{
	for (size_t i = 0; i < ROWS(urls); i++) {
		struct target_url parts = { .port = 7 };
		struct target_verdict verdict = { .rule = NULL };
		struct reason why = { "" };
		bool good = target_check_url(&open_world, urls[i].url, &parts,
		    &verdict, &why);
		ck_assert_msg(good == (urls[i].host != NULL), "%s: %d %s",
		    urls[i].url, good, why.text);
		ck_assert_msg(strcmp(verdict.rule, urls[i].rule) == 0, "%s: %s",
		    urls[i].url, verdict.rule);
		ck_assert(verdict.allowed == good);
		if (!good) {
			ck_assert_str_ne(why.text, "");
			ck_assert_uint_eq(parts.port, 7);
			continue;
		}
		ck_assert_str_eq(parts.host, urls[i].host);
		ck_assert_uint_eq(parts.port, urls[i].port);
	}
}
END_TEST

static bool
is_accepted(const struct target_policy *policy, const char *url,
    struct reason *why)
{
	struct target_url parts;
	struct target_verdict verdict;
	return target_check_url(policy, url, &parts, &verdict, why);
}

START_TEST(a_refusal_says_where)
{
	struct reason why;
	ck_assert(!is_accepted(&open_world, "http://example.com:0/", &why));
	ck_assert_str_eq(why.text,
	    "the port is not a number from 1 to 65535 "
	    "(at byte 19 of the URL)");
	ck_assert(!is_accepted(&open_world, "http://10.0.0.1/", &why));
	ck_assert_str_eq(why.text, "the host 10.0.0.1 is not allowed: private");
}
END_TEST

/* "http://" + len times 'a', with a dot after every 50, + "/". */
static void
long_url(char *out, size_t len, const char *end)
{
	size_t at = (size_t)sprintf(out, "http://");
	for (size_t i = 0; i < len; i++)
		out[at++] = i % 51 == 50 ? '.' : 'a';
	strcpy(out + at, end);
}

START_TEST(names_and_urls_have_their_lengths)
{
	static char url[TARGET_URL_MAX_BYTES + 1000];
	struct reason why;
	long_url(url, 253, "/");
	ck_assert(is_accepted(&open_world, url, &why));
	long_url(url, 253, "./");
	ck_assert(is_accepted(&open_world, url, &why));
	long_url(url, 254, "/");
	ck_assert(!is_accepted(&open_world, url, &why));

	strcpy(url, "http://");
	memset(url + 7, 'a', 63);
	strcpy(url + 70, ".example/");
	ck_assert(is_accepted(&open_world, url, &why));
	memmove(url + 71, url + 70, 10);
	url[70] = 'a';
	ck_assert(!is_accepted(&open_world, url, &why));

	strcpy(url, "http://example.com/");
	memset(url + 19, 'x', sizeof(url) - 19);
	url[TARGET_URL_MAX_BYTES] = '\0';
	ck_assert(is_accepted(&open_world, url, &why));
	url[TARGET_URL_MAX_BYTES] = 'x';
	url[TARGET_URL_MAX_BYTES + 1] = '\0';
	ck_assert(!is_accepted(&open_world, url, &why));
}
END_TEST

START_TEST(trusted_targets_are_checked_for_their_form_only)
{
	static const uint16_t ports[] = { 443 };
	static const char *const suffixes[] = { "internal" };
	struct target_policy policy = { .any_address = true,
		.https_only = true,
		.ports = ports,
		.port_count = 1,
		.deny_suffix = suffixes,
		.deny_suffix_count = 1 };
	struct reason why;
	ck_assert(is_accepted(&policy, "http://127.0.0.1:9000/", &why));
	ck_assert(is_accepted(&policy, "http://db.internal/", &why));
	ck_assert(is_accepted(&policy, "http://[fe80::1]/", &why));
	ck_assert(!is_accepted(&policy, "http://user@127.0.0.1/", &why));
	ck_assert(!is_accepted(&policy, "http:/127.0.0.1/", &why));
}
END_TEST

START_TEST(an_operator_may_demand_https_and_ports)
{
	static const uint16_t ports[] = { 443, 8443 };
	struct target_policy policy = { .https_only = true,
		.ports = ports,
		.port_count = 2 };
	struct reason why;
	ck_assert(is_accepted(&policy, "https://example.com/", &why));
	ck_assert(is_accepted(&policy, "https://example.com:8443/", &why));
	ck_assert(!is_accepted(&policy, "https://example.com:444/", &why));
	ck_assert(!is_accepted(&policy, "http://example.com:443/", &why));
}
END_TEST

START_TEST(a_denied_suffix_covers_itself_and_what_is_below)
{
	static const char *const suffixes[] = { "internal.example", ".Corp" };
	struct target_policy policy = { .deny_suffix = suffixes,
		.deny_suffix_count = 2 };
	struct reason why;
	ck_assert(!is_accepted(&policy, "http://internal.example/", &why));
	ck_assert(!is_accepted(&policy, "http://a.INTERNAL.example./", &why));
	ck_assert(!is_accepted(&policy, "http://db.corp/", &why));
	ck_assert(!is_accepted(&policy, "http://corp/", &why));
	ck_assert(is_accepted(&policy, "http://notinternal.example/", &why));
	ck_assert(is_accepted(&policy, "http://example/", &why));
	ck_assert(is_accepted(&policy, "http://corp.example/", &why));
}
END_TEST

START_TEST(localhost_is_as_allowed_as_loopback)
{
	struct cidr range;
	struct target_policy policy = { .allow = &range, .allow_count = 1 };
	struct reason why;
	ck_assert(cidr_parse("127.0.0.0/8", &range));
	ck_assert(is_accepted(&policy, "http://localhost:9/", &why));
	ck_assert(is_accepted(&policy, "http://a.localhost/", &why));
	ck_assert(cidr_parse("::1", &range));
	ck_assert(is_accepted(&policy, "http://localhost:9/", &why));
	ck_assert(cidr_parse("10.0.0.0/8", &range));
	ck_assert(!is_accepted(&policy, "http://localhost:9/", &why));
}
END_TEST

/* ---- lists of bad inputs ---- */

/* What is accepted is accepted again from its parts, with the same parts. */
static void
check_survives(const char *url)
{
	struct target_policy anything = { .any_address = true };
	struct target_url parts, again;
	struct target_verdict verdict;
	struct reason why;
	char rebuilt[TARGET_HOST_SIZE + 32];

	if (!target_check_url(&anything, url, &parts, &verdict, &why))
		return;
	bool is_v6 = strchr(parts.host, ':') != NULL;
	snprintf(rebuilt, sizeof(rebuilt), "%s://%s%s%s:%u/",
	    parts.https ? "https" : "http", is_v6 ? "[" : "", parts.host,
	    is_v6 ? "]" : "", parts.port);
	ck_assert_msg(target_check_url(&anything, rebuilt, &again, &verdict,
			  &why),
	    "%s became %s: %s", url, rebuilt, why.text);
	ck_assert_str_eq(parts.host, again.host);
	ck_assert_uint_eq(parts.port, again.port);
	ck_assert(parts.https == again.https);
}

static const char *const lists[] = { "crlfinjection.txt", "open-redirect.txt",
	"traversal-directory_traversal.txt" };

START_TEST(lists_of_attacks_are_read_the_same_way_twice)
{
	const char *srcdir = getenv("srcdir");
	char path[4096], line[4096], url[8192];
	int count = 0;

	snprintf(path, sizeof(path), "%s/tests/corpus/target/%s",
	    srcdir ? srcdir : ".", lists[_i]);
	FILE *list = fopen(path, "r");
	ck_assert_msg(list != NULL, "cannot open %s", path);
	while (fgets(line, sizeof(line), list) != NULL) {
		line[strcspn(line, "\r\n")] = '\0';
		check_survives(line);
		snprintf(url, sizeof(url), "http:%s", line);
		check_survives(url);
		snprintf(url, sizeof(url), "http://example.com%s", line);
		check_survives(url);
		count++;
	}
	fclose(list);
	ck_assert_int_gt(count, 10);
}
END_TEST

START_TEST(every_url_of_the_table_is_read_the_same_way_twice)
{
	for (size_t i = 0; i < ROWS(urls); i++)
		check_survives(urls[i].url);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("target");
	TCase *cases = tcase_create("target");
	tcase_add_test(cases, ranges_are_read_in_their_plain_spelling_only);
	tcase_add_test(cases, a_range_of_v4_is_kept_mapped);
	tcase_add_test(cases, addresses_are_judged_by_where_they_lead);
	tcase_add_test(cases, allow_lets_through_what_is_not_public);
	tcase_add_test(cases, an_allowed_wrapper_does_not_allow_what_is_in_it);
	tcase_add_test(cases, deny_beats_allow_and_public);
	tcase_add_test(cases, a_range_of_v6_says_nothing_about_v4);
	tcase_add_test(cases, what_is_no_internet_address_is_refused);
	tcase_add_test(cases, urls_are_taken_apart_and_judged);
	tcase_add_test(cases, a_refusal_says_where);
	tcase_add_test(cases, names_and_urls_have_their_lengths);
	tcase_add_test(cases, trusted_targets_are_checked_for_their_form_only);
	tcase_add_test(cases, an_operator_may_demand_https_and_ports);
	tcase_add_test(cases, a_denied_suffix_covers_itself_and_what_is_below);
	tcase_add_test(cases, localhost_is_as_allowed_as_loopback);
	tcase_add_loop_test(cases, lists_of_attacks_are_read_the_same_way_twice,
	    0, (int)ROWS(lists));
	tcase_add_test(cases,
	    every_url_of_the_table_is_read_the_same_way_twice);
	suite_add_tcase(suite, cases);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
