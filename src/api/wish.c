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

static bool
set_url(struct draft *draft, const char *name, const char *value, char **out,
    struct objection *objection)
{
	struct target_url parts;
	struct target_verdict verdict;
	struct reason why;

	if (!target_check_url(&draft->conf->callback.policy, value, &parts,
		&verdict, &why))
		return object_to(objection, REFUSE_BAD_CALLBACK_URL,
		    "%s: %s", name, why.text);
	*out = text_copy(value);
	if (*out == NULL)
		return object_to(objection, REFUSE_OVERLOADED, "no memory");
	return true;
}

static bool
set_callback_url(struct draft *draft, const char *name, const char *value,
    struct objection *objection)
{
	return set_url(draft, name, value, &draft->order->job.callback_url,
	    objection);
}

static bool
set_failure_url(struct draft *draft, const char *name, const char *value,
    struct objection *objection)
{
	return set_url(draft, name, value, &draft->order->job.failure_url,
	    objection);
}

static bool
set_events(struct draft *draft, const char *name, const char *value,
    struct objection *objection)
{
	if (job_events_parse(value, &draft->order->job.callback_events))
		return true;
	return object_to(objection, REFUSE_BAD_REQUEST,
	    "%s: a comma list of started, progress, succeeded, failed, "
	    "cancelled, not \"%.*s\"", name, SHOWN, value);
}

static bool
set_format(struct draft *draft, const char *name, const char *value,
    struct objection *objection)
{
	if (callback_format_parse(value, &draft->order->job.callback_format))
		return true;
	return object_to(objection, REFUSE_BAD_REQUEST,
	    "%s: standard, raw, cloudevents or thin, not \"%.*s\"", name,
	    SHOWN, value);
}

static bool
set_duration(const char *name, const char *value, int64_t *out_ms,
    struct objection *objection)
{
	if (text_duration_ms(value, out_ms))
		return true;
	return object_to(objection, REFUSE_BAD_REQUEST,
	    "%s: a duration such as 30s, 5m or 2h, not \"%.*s\"", name, SHOWN,
	    value);
}

static bool
set_delay(struct draft *draft, const char *name, const char *value,
    struct objection *objection)
{
	if (strcmp(value, "0") == 0 || strcmp(value, "0s") == 0)
		return true;
	return set_duration(name, value, &draft->order->delay_ms, objection);
}

static bool
set_timeout(struct draft *draft, const char *name, const char *value,
    struct objection *objection)
{
	return set_duration(name, value, &draft->order->job.timeout_ms,
	    objection);
}

static bool
set_expires(struct draft *draft, const char *name, const char *value,
    struct objection *objection)
{
	return set_duration(name, value, &draft->order->expires_ms,
	    objection);
}

static bool
set_priority(struct draft *draft, const char *name, const char *value,
    struct objection *objection)
{
	int64_t priority;

	if (!text_int64(value, 0, PRIORITY_MAX, &priority))
		return object_to(objection, REFUSE_BAD_REQUEST,
		    "%s: 0 to %d, 0 goes first, not \"%.*s\"", name,
		    PRIORITY_MAX, SHOWN, value);
	draft->order->job.priority = (int32_t)priority;
	return true;
}

static const struct wish {
	const char *header;
	unsigned bit;        /* equal for two names of one wish */
	bool (*set)(struct draft *draft, const char *name, const char *value,
	    struct objection *objection);
} wishes[] = {
	{ "Callback-URL", 1 << 0, set_callback_url },
	{ "X-Callback-Url", 1 << 0, set_callback_url },
	{ "Callback-Failure-URL", 1 << 1, set_failure_url },
	{ "Callback-Events", 1 << 2, set_events },
	{ "Callback-Format", 1 << 3, set_format },
	{ "Job-Delay", 1 << 4, set_delay },
	{ "Job-Timeout", 1 << 5, set_timeout },
	{ "Job-Expires", 1 << 6, set_expires },
	{ "Job-Priority", 1 << 7, set_priority },
};

bool
draft_take_header(struct draft *draft, const char *name, const char *value,
    bool *is_wish_out, struct objection *objection)
{
	*is_wish_out = false;
	for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
		const struct wish *wish = &wishes[i];

		if (!text_equal_nocase(name, wish->header))
			continue;
		*is_wish_out = true;
		if (draft->given & wish->bit)
			return object_to(objection, REFUSE_BAD_REQUEST,
			    "%s: given twice", wish->header);
		draft->given |= wish->bit;
		return wish->set(draft, wish->header, value, objection);
	}
	return true;
}

bool
draft_check(struct draft *draft, struct objection *objection)
{
	const struct job *job = &draft->order->job;

	if (job->callback_url == NULL && job->failure_url != NULL)
		return object_to(objection, REFUSE_BAD_REQUEST,
		    "Callback-Failure-URL: needs a Callback-URL");
	return true;
}
