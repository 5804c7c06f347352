/* callback.c - the callback section: how events travel, and where to.
 *
 * 1. Every pointer of the policy is owned by the conf and lives as long.
 * 2. What looks like an address range and is none is a mistake, never a host
 *    suffix: a rule that matches nothing would be silent.
 *
 * Thread: main.
 */
#include "build.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/text.h"

#define HOST_MAX_BYTES 253 /* RFC 1035, 2.3.4 */
#define LABEL_MAX_BYTES 63

static void
read_schedule(struct build *build, const struct stated *section,
    struct schedule *schedule)
{
	size_t count = stated_count(section, "schedule");
	char text[SHOWN_SIZE];

	assert(count <= SCHEDULE_MAX); /* prescan */
	for (size_t i = 0; i < count; i++) {
		const struct written *written = stated_value(section,
		    "schedule", i);
		if (text_duration_ms(written->text, &schedule->gaps_ms[i]))
			continue;
		complain_at(build->out, written->line,
		    "schedule: '%s' is not a duration such as 250ms, 30s or "
		    "2h, at least 1ms",
		    shown(written->text, strlen(written->text), text));
	}
	schedule->count = count;
}

static void
read_ports(struct build *build, const struct stated *section,
    struct target_policy *policy)
{
	const struct setting each = { .name = "ports",
		.min = 1,
		.max = UINT16_MAX };
	size_t count = stated_count(section, "ports");
	uint16_t *ports = build_array(build, count, sizeof(*ports));
	int64_t port;

	for (size_t i = 0; ports != NULL && i < count; i++) {
		if (build_count(build, &each, stated_value(section, "ports", i),
			&port))
			ports[i] = (uint16_t)port;
	}
	policy->ports = ports;
	policy->port_count = ports != NULL ? count : 0;
}

static void
read_allow(struct build *build, const struct stated *section,
    struct target_policy *policy)
{
	struct cidr *cidrs;

	build_cidrs(build, section, "allow", &cidrs, &policy->allow_count);
	policy->allow = cidrs;
}

/* Letters, digits, '-' and '_', in labels of a legal length, the last of which
 * is not a number: those are addresses. */
static bool
is_host_suffix(const char *text)
{
	size_t total = strlen(text);
	bool is_number = true;

	if (total == 0 || total > HOST_MAX_BYTES)
		return false;
	for (;;) {
		size_t len = strspn(text,
		    "abcdefghijklmnopqrstuvwxyz"
		    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		    "0123456789-_");
		if (len == 0 || len > LABEL_MAX_BYTES)
			return false;
		is_number = strspn(text, "0123456789") == len;
		text += len;
		if (*text == '\0')
			return !is_number;
		if (*text++ != '.')
			return false;
	}
}

/* "internal.example" and ".internal.example" alike, in lower case. */
static char *
read_suffix(struct build *build, const struct written *written)
{
	const char *text = written->text;
	char seen[SHOWN_SIZE];

	if (*text == '.')
		text++;
	if (!is_host_suffix(text)) {
		complain_at(build->out, written->line,
		    "deny: '%s' is neither an address range such as 10.0.0.0/8 "
		    "nor the end of a host name",
		    shown(written->text, strlen(written->text), seen));
		return NULL;
	}
	char *suffix = build_copy(build, text);
	for (char *c = suffix; c != NULL && *c != '\0'; c++) {
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	}
	return suffix;
}

static void
read_deny(struct build *build, const struct stated *section,
    struct target_policy *policy)
{
	size_t count = stated_count(section, "deny");
	struct cidr *cidrs = build_array(build, count, sizeof(*cidrs));
	const char **suffixes = build_array(build, count, sizeof(*suffixes));

	policy->deny = cidrs;
	policy->deny_suffix = suffixes;
	if (cidrs == NULL || suffixes == NULL)
		return;
	for (size_t i = 0; i < count; i++) {
		const struct written *written = stated_value(section, "deny",
		    i);
		if (cidr_parse(written->text, &cidrs[policy->deny_count])) {
			policy->deny_count++;
			continue;
		}
		char *suffix = read_suffix(build, written);
		if (suffix != NULL)
			suffixes[policy->deny_suffix_count++] = suffix;
	}
}

void
build_callback(struct build *build, const struct stated *top)
{
	const struct stated *section = stated_section(top, "callback", 0);
	struct conf_callback *callback = &build->conf->callback;

	schema_refuse_not_yet(section, PLACE_CALLBACK, build->out);
	build_values(build, section, PLACE_CALLBACK, callback);
	build_values(build, stated_section(section, "breaker", 0),
	    PLACE_BREAKER, callback);
	read_schedule(build, section, &callback->schedule);
	read_allow(build, section, &callback->policy);
	read_deny(build, section, &callback->policy);
	read_ports(build, section, &callback->policy);
	callback->secret = build_secret(build, section);
}
