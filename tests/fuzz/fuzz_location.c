/* fuzz_location.c - lines of references, resolved against several bases.
 *
 * 1. What is followed is a URL whose form target.h accepts, without a fragment.
 * 2. It stands for itself: resolved again, against anything, it is the same.
 * 3. Home is the upstream's host and port also for libcurl, which connects.
 * 4. What is not home is what the policy for other origins accepts; without a
 *    home nothing is home.
 */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/location.h"
#include "fuzz.h"

#define HOME_HOST "10.0.0.1"
#define HOME_PORT "9000"
#define HOME "http://" HOME_HOST ":" HOME_PORT "/"

static const char *const bases[] = {
	HOME,
	HOME "a/b;c/d?e=/f",
	"http://" HOME_HOST ":" HOME_PORT,
	"https://b.example?x",
};

static const struct target_policy public_only = { .any_address = false };

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static char *
part_of(CURLU *url, CURLUPart part)
{
	char *text = NULL;

	require(
	    curl_url_get(url, part, &text, CURLU_DEFAULT_PORT) == CURLUE_OK);
	return text;
}

static void
check_part(CURLU *url, CURLUPart part, const char *wanted)
{
	char *text = part_of(url, part);

	require(strcmp(text, wanted) == 0);
	curl_free(text);
}

/* libcurl leaves an address with a dot behind it to the resolver. */
static void
check_host(CURLU *url)
{
	char *text = part_of(url, CURLUPART_HOST);
	size_t len = strlen(text);
	struct in_addr seen, wanted;

	if (len > 0 && text[len - 1] == '.')
		text[len - 1] = '\0';
	require(inet_aton(text, &seen) && inet_aton(HOME_HOST, &wanted));
	require(seen.s_addr == wanted.s_addr);
	curl_free(text);
}

/* What libcurl cannot read goes nowhere. */
static void
check_home(const char *text)
{
	CURLU *url = curl_url();

	require(url != NULL);
	if (curl_url_set(url, CURLUPART_URL, text,
		CURLU_PATH_AS_IS | CURLU_DISALLOW_USER) == CURLUE_OK) {
		check_part(url, CURLUPART_SCHEME, "http");
		check_host(url);
		check_part(url, CURLUPART_PORT, HOME_PORT);
	}
	curl_url_cleanup(url);
}

static void
check_followed(const struct location *location)
{
	struct target_url parts;
	struct target_verdict verdict;
	struct reason why;
	char again[TARGET_URL_MAX_BYTES + 1];
	const char *url = location->url;

	require(strchr(url, '#') == NULL);
	require(location_resolve(bases[1], url, strlen(url), again));
	require(strcmp(url, again) == 0);
	if (location->is_home)
		check_home(url);
	else
		require(target_check_url(&public_only, url, &parts, &verdict,
		    &why));
}

static void
check_line(const char *line, size_t len)
{
	struct location location;
	struct reason why;

	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		if (location_judge(HOME, bases[i], line, len, &public_only,
			&location, &why))
			check_followed(&location);
		if (location_judge(NULL, bases[i], line, len, &public_only,
			&location, &why))
			require(!location.is_home);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const char *line = (const char *)bytes;

	while (len > 0) {
		const char *end = memchr(line, '\n', len);
		size_t line_len = end != NULL ? (size_t)(end - line) : len;

		/* Fields hold no NUL (headers.h). */
		if (memchr(line, '\0', line_len) == NULL)
			check_line(line, line_len);
		line_len += end != NULL;
		line += line_len;
		len -= line_len;
	}
	return 0;
}
