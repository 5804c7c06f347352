/* schema.c - the table of settings.
 *
 * A setting, its default and its range are named in one row and nowhere else;
 * the manual is compared with the rows by a check.
 */
#include "schema.h"

#include <assert.h>
#include <string.h>

#include <confuse.h>

#include "callbackd/conf.h"
#include "stated.h"

#define TOP(member) offsetof(struct conf, member)
#define QUEUE(member) offsetof(struct conf_queue, member)
#define BACKOFF(member) offsetof(struct backoff, member)
#define CALLBACK(member) offsetof(struct conf_callback, member)
#define CLIENT(member) offsetof(struct conf_client, member)

/* In the order of the enums in conf.h and log.h. */
static const char *const executor_words[] = { "http", "command", "pull", NULL };
static const char *const guarantee_words[] = { "at-least-once", "at-most-once",
	NULL };
static const char *const ordered_words[] = { "skip", "block", "park", NULL };
static const char *const format_words[] = { "logfmt", "json", "syslog", NULL };
static const char *const level_words[] = { "error", "warn", "info", "debug",
	NULL };
/* For SETTING_SWITCH: false, true. */
static const char *const durability_words[] = { "normal", "full", NULL };
static const char *const poll_words[] = { "off", "poll", NULL };

/* Rows by kind, so that a row is a line. Places and names as in a file. */
#define YES_NO(place, name, def, offset)                                       \
	{                                                                      \
		place, SETTING_BOOL, name, def, 0, 0, NULL, offset             \
	}
#define COUNT32(place, name, def, min, max, offset)                            \
	{                                                                      \
		place, SETTING_COUNT32, name, def, min, max, NULL, offset      \
	}
#define COUNT64(place, name, def, min, max, offset)                            \
	{                                                                      \
		place, SETTING_COUNT64, name, def, min, max, NULL, offset      \
	}
#define NUMBER(place, name, def, min, max, offset)                             \
	{                                                                      \
		place, SETTING_NUMBER, name, def, min, max, NULL, offset       \
	}
#define DURATION(place, name, def, offset)                                     \
	{                                                                      \
		place, SETTING_DURATION, name, def, 0, 0, NULL, offset         \
	}
#define SIZE(place, name, def, offset)                                         \
	{                                                                      \
		place, SETTING_SIZE, name, def, 0, 0, NULL, offset             \
	}
#define WORD(place, name, def, words, offset)                                  \
	{                                                                      \
		place, SETTING_WORD, name, def, 0, 0, words, offset            \
	}
#define SWITCH(place, name, def, words, offset)                                \
	{                                                                      \
		place, SETTING_SWITCH, name, def, 0, 0, words, offset          \
	}
#define TEXT(place, name, def)                                                 \
	{                                                                      \
		place, SETTING_TEXT, name, def, 0, 0, NULL, NOT_KEPT           \
	}
#define LIST(place, name, def, min, max)                                       \
	{                                                                      \
		place, SETTING_LIST, name, def, min, max, NULL, NOT_KEPT       \
	}

static const struct setting settings[] = {
	LIST(PLACE_TOP, "listen", "{\"127.0.0.1:8080\"}", 1, 64),
	LIST(PLACE_TOP, "admin_listen", "{\"127.0.0.1:8081\"}", 0, 64),
	TEXT(PLACE_TOP, "store", "\"sqlite:callbackd.db\""),
	SWITCH(PLACE_TOP, "durability", "\"full\"", durability_words,
	    TOP(durability_full)),
	COUNT32(PLACE_TOP, "threads", "0", 0, 256, TOP(threads)),
	DURATION(PLACE_TOP, "retention", "\"24h\"", TOP(retention_ms)),
	SIZE(PLACE_TOP, "max_body", "\"1m\"", TOP(max_body_bytes)),
	COUNT32(PLACE_TOP, "max_connections", "10000", 1, 1000000,
	    TOP(max_connections)),
	SIZE(PLACE_TOP, "max_head", "\"16k\"", TOP(max_head_bytes)),
	COUNT32(PLACE_TOP, "max_fields", "100", 1, 10000, TOP(max_field_count)),
	DURATION(PLACE_TOP, "head_timeout", "\"10s\"", TOP(head_timeout_ms)),
	DURATION(PLACE_TOP, "body_timeout", "\"60s\"", TOP(body_timeout_ms)),
	DURATION(PLACE_TOP, "idle_timeout", "\"75s\"", TOP(idle_timeout_ms)),
	SIZE(PLACE_TOP, "max_inflight_body", "\"64m\"",
	    TOP(max_inflight_body_bytes)),
	TEXT(PLACE_TOP, "public_url", "\"\""),
	LIST(PLACE_TOP, "trusted_proxies", "{\"127.0.0.1\"}", 0, 4096),
	COUNT32(PLACE_TOP, "poll_failed_status", "400", 200, 599,
	    TOP(poll_failed_status)),
	DURATION(PLACE_TOP, "drain_timeout", "\"30s\"", TOP(drain_timeout_ms)),
	WORD(PLACE_TOP, "log_format", "\"logfmt\"", format_words,
	    TOP(log_format)),
	WORD(PLACE_TOP, "log_level", "\"info\"", level_words, TOP(log_level)),
	YES_NO(PLACE_TOP, "open", "false", TOP(open)),
	YES_NO(PLACE_TOP, "openfaas_compat", "false", TOP(openfaas_compat)),

	TEXT(PLACE_QUEUE, "path", NULL),
	WORD(PLACE_QUEUE, "executor", "\"http\"", executor_words,
	    QUEUE(executor)),
	TEXT(PLACE_QUEUE, "upstream", "\"\""),
	LIST(PLACE_QUEUE, "command", "{}", 0, 1024),
	TEXT(PLACE_QUEUE, "result_type", "\"application/octet-stream\""),
	LIST(PLACE_QUEUE, "consumers", "{}", 0, 1024),
	COUNT64(PLACE_QUEUE, "capacity", "10000", 1, 1000000000,
	    QUEUE(capacity)),
	SIZE(PLACE_QUEUE, "capacity_bytes", "\"256m\"", QUEUE(capacity_bytes)),
	COUNT32(PLACE_QUEUE, "concurrency", "16", 1, 65536, QUEUE(concurrency)),
	DURATION(PLACE_QUEUE, "timeout", "\"5m\"", QUEUE(timeout_ms)),
	COUNT32(PLACE_QUEUE, "attempts", "3", 1, 1000, QUEUE(attempts)),
	WORD(PLACE_QUEUE, "guarantee", "\"at-least-once\"", guarantee_words,
	    QUEUE(guarantee)),
	SWITCH(PLACE_QUEUE, "async_upstream", "\"off\"", poll_words,
	    QUEUE(async_poll)),
	WORD(PLACE_QUEUE, "on_ordered_failure", "\"skip\"", ordered_words,
	    QUEUE(on_ordered_failure)),
	DURATION(PLACE_QUEUE, "max_wait", "\"30s\"", QUEUE(max_wait_ms)),
	SIZE(PLACE_QUEUE, "max_result", "\"10m\"", QUEUE(max_result_bytes)),

	DURATION(PLACE_BACKOFF, "initial", "\"1s\"", BACKOFF(initial_ms)),
	DURATION(PLACE_BACKOFF, "max", "\"1m\"", BACKOFF(max_ms)),
	NUMBER(PLACE_BACKOFF, "factor", "2.0", 1, 1000, BACKOFF(factor)),

	LIST(PLACE_CALLBACK, "schedule",
	    "{\"5s\", \"5m\", \"30m\", \"2h\", "
	    "\"5h\", \"10h\", \"14h\", \"20h\", \"24h\"}",
	    0, SCHEDULE_MAX),
	DURATION(PLACE_CALLBACK, "timeout", "\"20s\"", CALLBACK(timeout_ms)),
	DURATION(PLACE_CALLBACK, "connect_timeout", "\"5s\"",
	    CALLBACK(connect_timeout_ms)),
	DURATION(PLACE_CALLBACK, "max_age", "\"4d\"",
	    CALLBACK(schedule.max_age_ms)),
	DURATION(PLACE_CALLBACK, "retry_after_max", "\"1h\"",
	    CALLBACK(schedule.ask_max_ms)),
	COUNT32(PLACE_CALLBACK, "per_host_concurrency", "32", 1, 65536,
	    CALLBACK(per_host_concurrency)),
	LIST(PLACE_CALLBACK, "allow", "{}", 0, 4096),
	LIST(PLACE_CALLBACK, "deny", "{}", 0, 4096),
	LIST(PLACE_CALLBACK, "ports", "{}", 0, 4096),
	YES_NO(PLACE_CALLBACK, "https_only", "false",
	    CALLBACK(policy.https_only)),
	SIZE(PLACE_CALLBACK, "inline_limit", "\"256k\"",
	    CALLBACK(inline_limit_bytes)),
	TEXT(PLACE_CALLBACK, "secret_file", "\"\""),
	TEXT(PLACE_CALLBACK, "signing_key_file", "\"\""),
	DURATION(PLACE_CALLBACK, "disable_after", "\"5d\"",
	    CALLBACK(disable_after_ms)),

	COUNT32(PLACE_BREAKER, "failures", "10", 1, 1000000,
	    CALLBACK(breaker_failures)),
	DURATION(PLACE_BREAKER, "cooldown", "\"30s\"",
	    CALLBACK(breaker_cooldown_ms)),

	TEXT(PLACE_CLIENT, "key_sha256", NULL),
	TEXT(PLACE_CLIENT, "secret_file", "\"\""),
	NUMBER(PLACE_CLIENT, "rate", "0", 0, 1000000000, CLIENT(rate)),
	NUMBER(PLACE_CLIENT, "burst", "0", 0, 1000000000, CLIENT(burst)),
	COUNT64(PLACE_CLIENT, "max_queued", "0", 0, 1000000000,
	    CLIENT(max_queued)),
	LIST(PLACE_CLIENT, "queues", "{}", 0, 4096),

	TEXT(PLACE_ALERTS, "url", "\"\""),
	LIST(PLACE_ALERTS, "events",
	    "{\"callback.dead\", "
	    "\"endpoint.disabled\", \"queue.full\"}",
	    0, 16),
};

/* Parents before their children. */
static const struct section sections[] = {
	{ PLACE_TOP, PLACE_QUEUE, "queue", true },
	{ PLACE_QUEUE, PLACE_BACKOFF, "backoff", false },
	{ PLACE_TOP, PLACE_CALLBACK, "callback", false },
	{ PLACE_CALLBACK, PLACE_BREAKER, "breaker", false },
	{ PLACE_TOP, PLACE_CLIENT, "client", true },
	{ PLACE_TOP, PLACE_ALERTS, "alerts", false },
};

/* Legal values that this version cannot honour: refused, for a promise that is
 * silently not kept is worse. A row goes when its feature comes. A value that
 * ends in '*' stands for all that begin so, but for the empty one. */
static const struct not_yet {
	enum place place;
	const char *name;
	const char *value;
} not_yet[] = {
	{ PLACE_TOP, "store", "postgresql://*" },
	{ PLACE_QUEUE, "on_ordered_failure", "block" },
	{ PLACE_QUEUE, "on_ordered_failure", "park" },
	{ PLACE_CALLBACK, "signing_key_file", "*" },
	{ PLACE_ALERTS, "url", "*" },
};

#define LENGTH(table) (sizeof(table) / sizeof((table)[0]))

static_assert(LENGTH(settings) <= SCHEMA_SETTING_MAX, "prescan counts them");

static bool
is_named(const char *entry, const char *name, size_t len)
{
	return strlen(entry) == len && memcmp(entry, name, len) == 0;
}

const struct setting *
schema_setting(enum place place, const char *name, size_t len)
{
	for (size_t i = 0; i < LENGTH(settings); i++) {
		if (settings[i].place == place &&
		    is_named(settings[i].name, name, len))
			return &settings[i];
	}
	return NULL;
}

const struct section *
schema_section(enum place parent, const char *name, size_t len)
{
	for (size_t i = 0; i < LENGTH(sections); i++) {
		if (sections[i].parent == parent &&
		    is_named(sections[i].name, name, len))
			return &sections[i];
	}
	return NULL;
}

const struct setting *
schema_nth(size_t i)
{
	return i < LENGTH(settings) ? &settings[i] : NULL;
}

const struct section *
schema_nth_section(size_t i)
{
	return i < LENGTH(sections) ? &sections[i] : NULL;
}

const char *
schema_place_name(enum place place)
{
	switch (place) {
	case PLACE_TOP:
		return "";
	case PLACE_QUEUE:
		return "queue";
	case PLACE_BACKOFF:
		return "queue backoff";
	case PLACE_CALLBACK:
		return "callback";
	case PLACE_BREAKER:
		return "callback breaker";
	case PLACE_CLIENT:
		return "client";
	case PLACE_ALERTS:
		return "alerts";
	}
	return "";
}

static bool
value_matches(const struct setting *setting, const char *pattern,
    const char *text)
{
	size_t len = strlen(pattern);

	if (setting->kind == SETTING_BOOL)
		return cfg_parse_boolean(pattern) == cfg_parse_boolean(text);
	if (len > 0 && pattern[len - 1] == '*')
		return text[0] != '\0' && strncmp(text, pattern, len - 1) == 0;
	return strcmp(text, pattern) == 0;
}

static void
tell_not_yet(const struct not_yet *row, int line, struct complaints *out)
{
	int len = (int)strcspn(row->value, "*");

	if (len == 0)
		complain_at(out, line, "%s is not supported by this version",
		    row->name);
	else
		complain_at(out, line,
		    "%s \"%.*s\" is not supported by this version", row->name,
		    len, row->value);
}

void
schema_refuse_not_yet(const struct stated *section, enum place place,
    struct complaints *out)
{
	for (size_t i = 0; i < LENGTH(not_yet); i++) {
		const struct not_yet *row = &not_yet[i];
		if (row->place != place)
			continue;
		const struct written *written = stated_value(section, row->name,
		    0);
		const struct setting *setting = schema_setting(place, row->name,
		    strlen(row->name));
		if (value_matches(setting, row->value, written->text))
			tell_not_yet(row, written->line, out);
	}
}
