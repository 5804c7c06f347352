/* fuzz_verdict.c - any bytes as what a peer asks us to wait.
 *
 * 1. The wait is -1 or between 0 and a hundred years.
 * 2. Status 200 never heeds a rate limit.
 */
#include <stdlib.h>
#include <string.h>

#include "callbackd/headers.h"
#include "callbackd/verdict.h"
#include "fuzz.h"

#define NOW_MS INT64_C(1700000000000)
#define CENTURY_MS INT64_C(3155760000000)

static int64_t
ask(const char *name, const char *value, int status)
{
	struct headers headers;
	headers_init(&headers);
	int64_t wait_ms = -1;
	if (headers_add(&headers, name, value))
		wait_ms = verdict_asked_wait_ms(buf_text(&headers.text), status,
		    NOW_MS);
	headers_free(&headers);
	if (wait_ms < -1 || wait_ms > CENTURY_MS)
		abort();
	return wait_ms;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char *value = strndup((const char *)bytes, len);
	if (value == NULL)
		abort();
	ask("Retry-After", value, 200);
	ask("RateLimit", value, 429);
	ask("X-RateLimit-Reset", value, 503);
	if (ask("RateLimit", value, 200) != -1)
		abort();
	free(value);
	return 0;
}
