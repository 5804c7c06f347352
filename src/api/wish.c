/* wish.c - what a client may ask for along with a request.
 *
 * One table: the header field, and the function that checks it and writes it
 * into the order. Each may be given once; X-Callback-Url is another name for
 * Callback-URL.
 */
#include <string.h>

#include "inside.h"

/* What of foreign text is shown in a refusal. */
#define SHOWN 80

#define KEY_MAX_BYTES 255 /* contract, section 2 */

static bool
set_url(struct draft *draft, const char *name, const char *value, char **out)
{
	struct target_url parts;
	struct target_verdict verdict;
	struct reason why;

	if (!target_check_url(&draft->conf->callback.policy, value, &parts,
		&verdict, &why))
		return object_to(&draft->objection, REFUSE_BAD_CALLBACK_URL,
		    "%s: %s", name, why.text);
	*out = text_copy(value);
	if (*out == NULL)
		return object_to(&draft->objection, REFUSE_OVERLOADED,
		    "no memory");
	return true;
}

static bool
set_callback_url(struct draft *draft, const char *name, const char *value)
{
	return set_url(draft, name, value, &draft->order->job.callback_url);
}

static bool
set_failure_url(struct draft *draft, const char *name, const char *value)
{
	return set_url(draft, name, value, &draft->order->job.failure_url);
}

static bool
set_events(struct draft *draft, const char *name, const char *value)
{
	if (job_events_parse(value, &draft->order->job.callback_events))
		return true;
	return object_to(&draft->objection, REFUSE_BAD_REQUEST,
	    "%s: a comma list of started, progress, succeeded, failed, "
	    "cancelled, not \"%.*s\"",
	    name, SHOWN, value);
}

static bool
set_format(struct draft *draft, const char *name, const char *value)
{
	if (callback_format_parse(value, &draft->order->job.callback_format))
		return true;
	return object_to(&draft->objection, REFUSE_BAD_REQUEST,
	    "%s: standard, raw, cloudevents or thin, not \"%.*s\"", name, SHOWN,
	    value);
}

static bool
set_duration(struct draft *draft, const char *name, const char *value,
    int64_t *out_ms)
{
	if (text_duration_ms(value, out_ms))
		return true;
	return object_to(&draft->objection, REFUSE_BAD_REQUEST,
	    "%s: a duration such as 30s, 5m or 2h, not \"%.*s\"", name, SHOWN,
	    value);
}

static bool
set_delay(struct draft *draft, const char *name, const char *value)
{
	if (strcmp(value, "0") == 0 || strcmp(value, "0s") == 0)
		return true;
	return set_duration(draft, name, value, &draft->order->delay_ms);
}

static bool
set_timeout(struct draft *draft, const char *name, const char *value)
{
	return set_duration(draft, name, value, &draft->order->job.timeout_ms);
}

static bool
set_expires(struct draft *draft, const char *name, const char *value)
{
	return set_duration(draft, name, value, &draft->order->expires_ms);
}

static bool
set_priority(struct draft *draft, const char *name, const char *value)
{
	int64_t priority;

	if (!text_int64(value, 0, PRIORITY_MAX, &priority))
		return object_to(&draft->objection, REFUSE_BAD_REQUEST,
		    "%s: 0 to %d, 0 goes first, not \"%.*s\"", name,
		    PRIORITY_MAX, SHOWN, value);
	draft->order->job.priority = (int32_t)priority;
	return true;
}

/* RFC 8941, 3.3.3, with any printable ASCII in it; unescaped into out. */
static bool
unquote(const char *value, char *out, size_t size)
{
	size_t used = 0;

	for (value++; *value != '"'; value++) {
		if (*value == '\\' && *++value != '"' && *value != '\\')
			return false;
		if (*value < ' ' || *value > '~' || used + 1 >= size)
			return false;
		out[used++] = *value;
	}
	out[used] = '\0';
	return value[1] == '\0' && used > 0;
}

static bool
copy_bare(const char *value, char *out, size_t size)
{
	size_t len = strlen(value);

	if (len == 0 || len >= size)
		return false;
	for (const char *c = value; *c != '\0'; c++)
		if (*c <= ' ' || *c > '~' || strchr("\",;\\", *c) != NULL)
			return false;
	memcpy(out, value, len + 1);
	return true;
}

static bool
set_idempotency_key(struct draft *draft, const char *name, const char *value)
{
	char key[KEY_MAX_BYTES + 1];
	bool is_good = value[0] == '"' ? unquote(value, key, sizeof(key))
				       : copy_bare(value, key, sizeof(key));

	if (!is_good)
		return object_to(&draft->objection, REFUSE_BAD_REQUEST,
		    "%s: a quoted string or a bare token of 1 to %d printable "
		    "ASCII characters",
		    name, KEY_MAX_BYTES);
	draft->order->job.idempotency_key = text_copy(key);
	if (draft->order->job.idempotency_key == NULL)
		return object_to(&draft->objection, REFUSE_OVERLOADED,
		    "no memory");
	return true;
}

static const struct wish {
	const char *header;
	unsigned bit;      /* equal for two names of one wish */
	bool is_passed_on; /* the upstream sees it too */
	bool (*set)(struct draft *draft, const char *name, const char *value);
} wishes[] = {
	{ "Callback-URL", 1 << 0, false, set_callback_url },
	{ "X-Callback-Url", 1 << 0, false, set_callback_url },
	{ "Callback-Failure-URL", 1 << 1, false, set_failure_url },
	{ "Callback-Events", 1 << 2, false, set_events },
	{ "Callback-Format", 1 << 3, false, set_format },
	{ "Job-Delay", 1 << 4, false, set_delay },
	{ "Job-Timeout", 1 << 5, false, set_timeout },
	{ "Job-Expires", 1 << 6, false, set_expires },
	{ "Job-Priority", 1 << 7, false, set_priority },
	{ "Idempotency-Key", 1 << 8, true, set_idempotency_key },
};

bool
draft_take_wish(struct draft *draft, const char *name, const char *place,
    const char *value, bool *is_kept_out)
{
	*is_kept_out = false;
	for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
		const struct wish *wish = &wishes[i];

		if (!text_equal_nocase(name, wish->header))
			continue;
		*is_kept_out = !wish->is_passed_on;
		if (draft->given & wish->bit)
			return object_to(&draft->objection, REFUSE_BAD_REQUEST,
			    "%s: given twice", place);
		draft->given |= wish->bit;
		return wish->set(draft, place, value);
	}
	return true;
}
