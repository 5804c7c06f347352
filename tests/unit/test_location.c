/* test_location.c - where references lead, and which of them are followed. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/location.h"

/* ---- RFC 3986, section 5.4, and what it leaves out ---- */

#define BASE "http://a/b/c/d;p?q"

static const struct resolution {
	const char *base;
	const char *reference;
	const char *url;
} resolutions[] = {
	{ BASE, "g", "http://a/b/c/g" },
	{ BASE, "./g", "http://a/b/c/g" },
	{ BASE, "g/", "http://a/b/c/g/" },
	{ BASE, "/g", "http://a/g" },
	{ BASE, "//g", "http://g" },
	{ BASE, "?y", "http://a/b/c/d;p?y" },
	{ BASE, "g?y", "http://a/b/c/g?y" },
	{ BASE, ";x", "http://a/b/c/;x" },
	{ BASE, "g;x", "http://a/b/c/g;x" },
	{ BASE, "g;x?y", "http://a/b/c/g;x?y" },
	{ BASE, "", "http://a/b/c/d;p?q" },
	{ BASE, ".", "http://a/b/c/" },
	{ BASE, "./", "http://a/b/c/" },
	{ BASE, "..", "http://a/b/" },
	{ BASE, "../", "http://a/b/" },
	{ BASE, "../g", "http://a/b/g" },
	{ BASE, "../..", "http://a/" },
	{ BASE, "../../", "http://a/" },
	{ BASE, "../../g", "http://a/g" },
	{ BASE, "../../../g", "http://a/g" },
	{ BASE, "../../../../g", "http://a/g" },
	{ BASE, "/./g", "http://a/g" },
	{ BASE, "/../g", "http://a/g" },
	{ BASE, "g.", "http://a/b/c/g." },
	{ BASE, ".g", "http://a/b/c/.g" },
	{ BASE, "g..", "http://a/b/c/g.." },
	{ BASE, "..g", "http://a/b/c/..g" },
	{ BASE, "./../g", "http://a/b/g" },
	{ BASE, "./g/.", "http://a/b/c/g/" },
	{ BASE, "g/./h", "http://a/b/c/g/h" },
	{ BASE, "g/../h", "http://a/b/c/h" },
	{ BASE, "g;x=1/./y", "http://a/b/c/g;x=1/y" },
	{ BASE, "g;x=1/../y", "http://a/b/c/y" },
	{ BASE, "g?y/./x", "http://a/b/c/g?y/./x" },
	{ BASE, "g?y/../x", "http://a/b/c/g?y/../x" },
	{ BASE, "https://h/x", "https://h/x" },
	{ BASE, "HTTP://h/a/../x", "HTTP://h/x" },
	{ BASE, "http:g", "http:g" },
	{ BASE, "mailto:a@b", "mailto:a@b" },

	/* a fragment is the client's own affair (RFC 9110, 4.2.5) */
	{ BASE, "#s", "http://a/b/c/d;p?q" },
	{ BASE, "g#s/../x", "http://a/b/c/g" },
	{ BASE, "g?y#s", "http://a/b/c/g?y" },

	/* nothing is decoded, and nothing is tidied up but dots */
	{ BASE, "%2e%2e/g", "http://a/b/c/%2e%2e/g" },
	{ BASE, "//h//x//y", "http://h//x//y" },
	{ BASE, "/x//../y", "http://a/x/y" },
	{ BASE, "g:h/x", "g:h/x" },
	{ BASE, "1:h", "http://a/b/c/1:h" },
	{ BASE, "./g:h", "http://a/b/c/g:h" },
	{ BASE, "?", "http://a/b/c/d;p?" },
	{ "http://a", "g", "http://a/g" },
	{ "http://a?q", "g", "http://a/g" },
	{ "http://a?q=/x/", "", "http://a?q=/x/" },
	{ "http://a/?q=/x/", "g", "http://a/g" },
	{ "https://[::1]:8443/jobs/7", "8", "https://[::1]:8443/jobs/8" },
	{ "http://a/b/../c", "?y", "http://a/b/../c?y" },
};

START_TEST(a_reference_is_resolved_by_the_book)
{
	const struct resolution *row = &resolutions[_i];
	char url[TARGET_URL_MAX_BYTES + 1];
	bool fits = location_resolve(row->base, row->reference,
	    strlen(row->reference), url);

	ck_assert_msg(fits && strcmp(url, row->url) == 0, "%s in %s: %s",
	    row->reference, row->base, url);
}
END_TEST

START_TEST(only_the_slice_counts)
{
	char url[TARGET_URL_MAX_BYTES + 1];

	ck_assert(location_resolve(BASE, "/jobs/7/more", 7, url));
	ck_assert_str_eq(url, "http://a/jobs/7");
}
END_TEST

/* As long as a URL may be, and one byte more. */
START_TEST(what_is_longer_than_a_url_is_refused)
{
	size_t len = TARGET_URL_MAX_BYTES - strlen("http://a");
	char *reference = malloc(len + 2);
	char url[TARGET_URL_MAX_BYTES + 1];

	ck_assert_ptr_nonnull(reference);
	memset(reference, 'x', len + 1);
	reference[0] = '/';
	ck_assert(location_resolve(BASE, reference, len, url));
	ck_assert_uint_eq(strlen(url), TARGET_URL_MAX_BYTES);
	ck_assert(!location_resolve(BASE, reference, len + 1, url));
	ck_assert_str_eq(url, "");
	free(reference);
}
END_TEST

/* ---- who may be asked ---- */

static const uint16_t some_ports[] = { 443, 8443 };

static const struct target_policy public_only = { .any_address = false };
static const struct target_policy strict = { .https_only = true,
	.ports = some_ports,
	.port_count = 2 };

enum reach { HOME, ABROAD, REFUSED };

static const struct judgement {
	const char *home;
	const char *reference;
	const struct target_policy *foreign;
	enum reach reach;
	const char *why; /* REFUSED: how it begins */
} judgements[] = {
	{ "http://10.0.0.1:9000/", "/jobs/7", &public_only, HOME, "" },
	{ "http://10.0.0.1:9000/", "7?x=1#part", &public_only, HOME, "" },
	{ "http://10.0.0.1:9000/", "http://10.0.0.1:9000/x", &public_only, HOME,
	    "" },
	{ "http://10.0.0.1:9000/", "//10.0.0.1:9000/x", &public_only, HOME,
	    "" },
	{ "http://localhost/", "http://LOCALHOST:80/x", &strict, HOME, "" },
	{ "https://mill.example/", "https://mill.example:443/", &strict, HOME,
	    "" },
	{ "http://10.0.0.1/", "http://0xa.1/x", &public_only, HOME, "" },

	{ "http://10.0.0.1:9000/", "https://store.example/7?sig=1",
	    &public_only, ABROAD, "" },
	{ "https://mill.example/", "http://mill.example/x", &public_only,
	    ABROAD, "" },
	{ "https://mill.example/", "https://mill.example:8443/x", &strict,
	    ABROAD, "" },

	{ "http://10.0.0.1:9000/", "http://10.0.0.1:9001/x", &public_only,
	    REFUSED, "the host 10.0.0.1 is not allowed: private" },
	{ "http://10.0.0.1:9000/", "https://10.0.0.1:9000/x", &public_only,
	    REFUSED, "the host 10.0.0.1 is not allowed: private" },
	{ "http://127.0.0.1:9000/", "http://localhost:9000/x", &public_only,
	    REFUSED, "the host localhost is not allowed: loopback" },
	{ "http://mill.example/", "http://169.254.169.254/latest", &public_only,
	    REFUSED, "the host 169.254.169.254 is not allowed" },
	{ "http://mill.example/", "http://2130706433/x", &public_only, REFUSED,
	    "the host 127.0.0.1 is not allowed: loopback" },
	{ "https://mill.example/", "http://mill.example/x", &strict, REFUSED,
	    "only https is allowed here" },
	{ "https://mill.example/", "https://mill.example:9000/x", &strict,
	    REFUSED, "port 9000 is not allowed here" },

	{ "http://mill.example/", "http://me@mill.example/x", &public_only,
	    REFUSED, "user information is not allowed" },
	{ "http://mill.example/", "file:///etc/passwd", &public_only, REFUSED,
	    "not an absolute URL that begins with http:// or https://" },
	{ "http://mill.example/", "http:/x", &public_only, REFUSED,
	    "not an absolute URL that begins with http:// or https://" },
	{ "http://mill.example/", "///x", &public_only, REFUSED,
	    "the host is empty" },
	{ "http://mill.example/", "\\\\evil.example\\x", &public_only, REFUSED,
	    "a backslash is not allowed" },
	{ "http://mill.example/", "/caf\xc3\xa9", &public_only, REFUSED,
	    "only visible ASCII characters are allowed" },
	{ "http://mill.example/", "/a b", &public_only, REFUSED,
	    "only visible ASCII characters are allowed" },
};

START_TEST(only_the_upstreams_origin_is_trusted)
{
	const struct judgement *row = &judgements[_i];
	struct location location;
	struct reason why = { "" };
	enum reach reach = REFUSED;

	if (location_judge(row->home, row->home, row->reference,
		strlen(row->reference), row->foreign, &location, &why))
		reach = location.is_home ? HOME : ABROAD;
	ck_assert_msg(reach == row->reach, "%s from %s: %d, %s", row->reference,
	    row->home, (int)reach, why.text);
	if (reach == REFUSED)
		ck_assert_msg(strncmp(why.text, row->why, strlen(row->why)) ==
			0,
		    "%s: %s", row->reference, why.text);
}
END_TEST

/* Or a third party could have the upstream asked for whatever it likes, with the
 * client's credentials. */
START_TEST(nobody_abroad_leads_back_into_the_upstreams_trust)
{
	const char *base = "https://b.example/x/", *home = "http://10.0.0.1/z";
	struct location location;
	struct reason why;

	ck_assert(
	    location_judge(NULL, base, "y", 1, &public_only, &location, &why));
	ck_assert_str_eq(location.url, "https://b.example/x/y");
	ck_assert(!location.is_home);
	ck_assert(!location_judge(NULL, base, home, strlen(home), &public_only,
	    &location, &why));
	ck_assert_str_eq(why.text, "the host 10.0.0.1 is not allowed: private");
}
END_TEST

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

int
main(void)
{
	Suite *suite = suite_create("location");
	TCase *group = tcase_create("location");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, group);
	tcase_add_loop_test(group, a_reference_is_resolved_by_the_book, 0,
	    ROWS(resolutions));
	tcase_add_test(group, only_the_slice_counts);
	tcase_add_test(group, what_is_longer_than_a_url_is_refused);
	tcase_add_loop_test(group, only_the_upstreams_origin_is_trusted, 0,
	    ROWS(judgements));
	tcase_add_test(group,
	    nobody_abroad_leads_back_into_the_upstreams_trust);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
