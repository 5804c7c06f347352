/* verdict.c - what an answer means.
 *
 * 1. Every word of the vocabulary has a place in the switch: a new one does not
 *    compile until somebody has decided.
 * 2. A wait that a peer asks for is between 0 and a hundred years: sums with a
 *    moment cannot overflow.
 *
 * Any thread.
 */
#include "callbackd/verdict.h"

#include <string.h>

#include "callbackd/headers.h"
#include "callbackd/text.h"

#define LONGEST_MS INT64_C(3155760000000) /* 100 years, as text_duration_ms */

/* Above this, a reset is a moment and not a span (contract, section 5). */
#define UNIX_SECONDS_ABOVE_MS (INT64_C(1000000000) * 1000)

/* ---- runs ---- */

/* What a run without a complete answer is worth. A peer that talks nonsense
 * (bad-response) may be a proxy that is just starting: once more. */
static enum verdict
judge_failed_run(enum job_error error)
{
	switch (error) {
	case ERROR_NONE:
	case ERROR_DNS_FAILED:
	case ERROR_REFUSED:
	case ERROR_CONNECT_TIMEOUT:
	case ERROR_RESET:
	case ERROR_TIMEOUT_HEADERS:
	case ERROR_TIMEOUT_BODY:
	case ERROR_STATUS_5XX:
	case ERROR_BAD_RESPONSE:
	case ERROR_COMMAND_FAILED:
	case ERROR_COMMAND_SIGNAL:
	case ERROR_CONSUMER_FAILED:
	case ERROR_LEASE_EXPIRED:
	case ERROR_INTERRUPTED:
	case ERROR_INTERNAL:
		return VERDICT_RETRY;
	case ERROR_TLS_FAILED:
	case ERROR_STATUS_4XX:
	case ERROR_REDIRECT:
	case ERROR_TARGET_DENIED:
	case ERROR_TOO_LARGE:
	case ERROR_GONE:
	case ERROR_ABORTED_BY_RECEIVER:
	case ERROR_EXPIRED:
	case ERROR_CANCELLED:
		return VERDICT_FINAL;
	}
	return VERDICT_FINAL;
}

/* The word for a status; ERROR_NONE for 2xx. A final answer below 200 or above
 * 599 is not HTTP (RFC 9110, 15). */
static enum job_error
name_status(int status)
{
	switch (status / 100) {
	case 2:
		return ERROR_NONE;
	case 3:
		return ERROR_REDIRECT;
	case 4:
		return ERROR_STATUS_4XX;
	case 5:
		return ERROR_STATUS_5XX;
	}
	return ERROR_BAD_RESPONSE;
}

static bool
status_may_get_better(int status)
{
	return status == 408 || status == 425 || status == 429 ||
	    status / 100 == 5;
}

enum verdict
verdict_of_run(enum job_error transport, int status, enum job_error *error_out)
{
	if (transport != ERROR_NONE) {
		*error_out = transport;
		return judge_failed_run(transport);
	}
	*error_out = name_status(status);
	if (*error_out == ERROR_NONE)
		return VERDICT_SUCCESS;
	return status_may_get_better(status) ? VERDICT_RETRY : VERDICT_FINAL;
}

/* ---- deliveries ---- */

bool
verdict_never_began(enum job_error error, int status)
{
	return error == ERROR_DNS_FAILED || error == ERROR_REFUSED ||
	    error == ERROR_CONNECT_TIMEOUT || status == 425 || status == 429 ||
	    status == 503;
}

enum verdict
verdict_of_delivery(enum job_error transport, int status,
    const char *webhook_delivery, enum job_error *error_out)
{
	/* A receiver that took the event and then talks too much has taken it:
	 * sending it again would end the same way. */
	bool answered = transport == ERROR_NONE ||
	    (transport == ERROR_TOO_LARGE && status != 0);
	if (!answered) {
		*error_out = transport;
		return VERDICT_RETRY;
	}
	*error_out = name_status(status);
	if (*error_out == ERROR_NONE)
		return VERDICT_SUCCESS;
	if (status == 410) {
		*error_out = ERROR_GONE;
		return VERDICT_FINAL;
	}
	if (webhook_delivery != NULL &&
	    (text_equal_nocase(webhook_delivery, "abort-message") ||
		text_equal_nocase(webhook_delivery, "disable"))) {
		*error_out = ERROR_ABORTED_BY_RECEIVER;
		return VERDICT_FINAL;
	}
	return VERDICT_RETRY;
}

/* ---- how long to wait ---- */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "30" or "1.5" (some services send fractions) as ms, cut to LONGEST_MS. False
 * when the slice is anything else. */
static bool
parse_seconds(const char *text, size_t len, int64_t *out_ms)
{
	int64_t ms = 0;
	size_t at = 0;
	for (; at < len && is_digit(text[at]); at++)
		if (ms < LONGEST_MS)
			ms = ms * 10 + (text[at] - '0') * INT64_C(1000);
	if (at == 0)
		return false;
	if (at + 1 < len && text[at] == '.') {
		int64_t unit = 100;
		for (at++; at < len && is_digit(text[at]); at++, unit /= 10)
			ms += (text[at] - '0') * unit;
	}
	if (at != len)
		return false;
	*out_ms = ms < LONGEST_MS ? ms : LONGEST_MS;
	return true;
}

static int64_t
from_now(int64_t moment_ms, int64_t now_ms)
{
	if (moment_ms <= now_ms)
		return 0;
	int64_t wait_ms = moment_ms - now_ms;
	return wait_ms < LONGEST_MS ? wait_ms : LONGEST_MS;
}

/* A reset: a span, or a moment when it is that large. */
static int64_t
reset_wait_ms(const char *text, size_t len, int64_t now_ms)
{
	int64_t ms;
	if (!parse_seconds(text, len, &ms))
		return -1;
	return ms > UNIX_SECONDS_ABOVE_MS ? from_now(ms, now_ms) : ms;
}

/* Retry-After. Digits first: date parsers take eight digits for a date. */
static int64_t
retry_after_ms(const char *text, size_t len, int64_t now_ms)
{
	int64_t ms;
	char date[64];
	if (parse_seconds(text, len, &ms))
		return ms;
	if (len >= sizeof(date))
		return -1;
	memcpy(date, text, len);
	date[len] = '\0';
	return text_http_date(date, &ms) ? from_now(ms, now_ms) : -1;
}

/* One item of a RateLimit field on its way. */
struct limit_item {
	bool has_left;    /* r= or remaining= was given and is not 0 */
	int64_t reset_ms; /* t= or reset=; -1: none */
};

static bool
key_is(const char *key, size_t len, const char *name)
{
	return len == strlen(name) && memcmp(key, name, len) == 0;
}

/* Reads "t=30" and the like; whatever else there is does not concern us. */
static void
read_parameter(const char *text, size_t len, int64_t now_ms,
    struct limit_item *item)
{
	while (len > 0 && (*text == ' ' || *text == '\t'))
		text++, len--;
	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		len--;
	const char *equals = memchr(text, '=', len);
	if (equals == NULL)
		return;
	size_t key_len = (size_t)(equals - text);
	const char *value = equals + 1;
	size_t value_len = len - key_len - 1;
	int64_t left;
	if (key_is(text, key_len, "t") || key_is(text, key_len, "reset"))
		item->reset_ms = reset_wait_ms(value, value_len, now_ms);
	else if (key_is(text, key_len, "r") &&
	    parse_seconds(value, value_len, &left))
		item->has_left = left > 0;
}

/* Where the parameter or item that begins at `at` ends: at a ';' or ',' outside
 * of quotes, or at the end. */
static size_t
piece_end(const char *text, size_t len, size_t at)
{
	bool quoted = false;
	for (; at < len; at++) {
		if (text[at] == '"')
			quoted = !quoted;
		else if (quoted && text[at] == '\\' && at + 1 < len)
			at++;
		else if (!quoted && (text[at] == ';' || text[at] == ','))
			break;
	}
	return at;
}

/* The longest wait of all limits that are used up. Two generations of the same
 * draft (draft-ietf-httpapi-ratelimit-headers): "default";r=0;t=30 and
 * limit=10, remaining=0, reset=30, which reads as three items here. */
static int64_t
rate_limit_ms(const char *text, size_t len, int64_t now_ms)
{
	int64_t longest_ms = -1;
	struct limit_item item = { false, -1 };
	for (size_t at = 0; at < len; at++) {
		size_t end = piece_end(text, len, at);
		read_parameter(text + at, end - at, now_ms, &item);
		at = end;
		if (at < len && text[at] == ';')
			continue;
		if (!item.has_left && item.reset_ms > longest_ms)
			longest_ms = item.reset_ms;
		item = (struct limit_item){ false, -1 };
	}
	return longest_ms;
}

int64_t
verdict_asked_wait_ms(const char *headers, int status, int64_t now_ms)
{
	static const struct {
		const char *name;
		bool only_when_limited; /* 429 or 503 */
		int64_t (*read)(const char *text, size_t len, int64_t now_ms);
	} fields[] = {
		{ "Retry-After", false, retry_after_ms },
		{ "RateLimit", true, rate_limit_ms },
		{ "RateLimit-Reset", true, reset_wait_ms },
		{ "X-RateLimit-Reset", true, reset_wait_ms },
	};
	bool limited = status == 429 || status == 503;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const char *value;
		size_t len;
		if (fields[i].only_when_limited && !limited)
			continue;
		if (!headers_find(headers, fields[i].name, &value, &len))
			continue;
		int64_t wait_ms = fields[i].read(value, len, now_ms);
		if (wait_ms >= 0)
			return wait_ms;
	}
	return -1;
}
