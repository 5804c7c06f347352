/* value.c - texts of a file made into numbers, times, words and paths.
 *
 * 1. A value that is wrong is complained about once, with its own line, and
 *    leaves zero or NULL behind.
 * 2. Numbers are decimal whatever they begin with; a sign, nan and inf are
 *    refused. No locale is asked.
 *
 * Thread: main.
 */
#include "build.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <confuse.h>

#include "callbackd/text.h"

char *
build_copy(struct build *build, const char *text)
{
	char *copy = text_copy(text);

	if (copy == NULL)
		complain_at(build->out, 0, "no memory left to read it");
	return copy;
}

void *
build_array(struct build *build, size_t count, size_t size)
{
	if (count == 0)
		return NULL;
	void *array = calloc(count, size);
	if (array == NULL)
		complain_at(build->out, 0, "no memory left to read it");
	return array;
}

char *
build_path(struct build *build, const char *path)
{
	if (path[0] == '/')
		return build_copy(build, path);
	size_t folder_len = strlen(build->folder);
	size_t size = strlen(path) + 1;
	char *whole = build_array(build, folder_len + size, 1);
	if (whole == NULL)
		return NULL;
	memcpy(whole, build->folder, folder_len);
	memcpy(whole + folder_len, path, size);
	return whole;
}

char **
build_list(struct build *build, const struct stated *section, const char *name)
{
	size_t count = stated_count(section, name);

	if (count == 0)
		return NULL;
	char **list = build_array(build, count + 1, sizeof(*list));
	for (size_t i = 0; list != NULL && i < count; i++)
		list[i] = build_copy(build,
		    stated_value(section, name, i)->text);
	return list;
}

bool
build_count(struct build *build, const struct setting *setting,
    const struct written *written, int64_t *out)
{
	char text[SHOWN_SIZE];

	if (text_int64(written->text, setting->min, setting->max, out))
		return true;
	complain_at(build->out, written->line,
	    "%s must be a whole number from %lld to %lld, not '%s'",
	    setting->name, (long long)setting->min, (long long)setting->max,
	    shown(written->text, strlen(written->text), text));
	return false;
}

/* Digits, up to nine of them. */
static bool
read_digits(const char **cursor, double *value_out, double *scale_out)
{
	size_t len = strspn(*cursor, "0123456789");
	double value = 0, scale = 1;

	if (len == 0 || len > 9)
		return false;
	for (size_t i = 0; i < len; i++) {
		value = value * 10 + ((*cursor)[i] - '0');
		scale *= 10;
	}
	*cursor += len;
	*value_out = value;
	*scale_out = scale;
	return true;
}

/* "2", "2.5", "0.25". */
static bool
read_number(const char *text, double *out)
{
	double whole, part = 0, scale = 1;

	if (!read_digits(&text, &whole, &scale))
		return false;
	if (*text == '.') {
		text++;
		if (!read_digits(&text, &part, &scale))
			return false;
	}
	if (*text != '\0')
		return false;
	*out = whole + part / scale;
	return true;
}

static void
keep_number(struct build *build, const struct setting *setting,
    const struct written *written, double *out)
{
	char text[SHOWN_SIZE];
	double value;

	if (read_number(written->text, &value) &&
	    value >= (double)setting->min && value <= (double)setting->max) {
		*out = value;
		return;
	}
	complain_at(build->out, written->line,
	    "%s must be a number from %lld to %lld, not '%s'", setting->name,
	    (long long)setting->min, (long long)setting->max,
	    shown(written->text, strlen(written->text), text));
}

static void
keep_bool(struct build *build, const struct setting *setting,
    const struct written *written, bool *out)
{
	int value = cfg_parse_boolean(written->text);
	char text[SHOWN_SIZE];

	if (value < 0)
		complain_at(build->out, written->line,
		    "%s must be true or false, not '%s'", setting->name,
		    shown(written->text, strlen(written->text), text));
	*out = value == 1;
}

static void
keep_duration(struct build *build, const struct setting *setting,
    const struct written *written, int64_t *out)
{
	char text[SHOWN_SIZE];

	if (!text_duration_ms(written->text, out))
		complain_at(build->out, written->line,
		    "%s must be a duration such as 250ms, 30s or 2h, at least "
		    "1ms, not '%s'",
		    setting->name,
		    shown(written->text, strlen(written->text), text));
}

static void
keep_size(struct build *build, const struct setting *setting,
    const struct written *written, int64_t *out)
{
	char text[SHOWN_SIZE];

	if (!text_size_bytes(written->text, out))
		complain_at(build->out, written->line,
		    "%s must be a size such as 512, 64k or 10m, at least 1, "
		    "not '%s'",
		    setting->name,
		    shown(written->text, strlen(written->text), text));
}

/* The index of the word; 0 after a complaint. */
static int
read_word(struct build *build, const struct setting *setting,
    const struct written *written)
{
	struct reason all = { "" };
	char text[SHOWN_SIZE];

	for (int i = 0; setting->words[i] != NULL; i++) {
		if (strcmp(setting->words[i], written->text) == 0)
			return i;
	}
	for (int i = 0; setting->words[i] != NULL; i++) {
		struct reason before = all;
		reason_set(&all, "%s%s\"%s\"", before.text,
		    i == 0                              ? ""
			: setting->words[i + 1] != NULL ? ", "
							: " or ",
		    setting->words[i]);
	}
	complain_at(build->out, written->line, "%s must be %s, not '%s'",
	    setting->name, all.text,
	    shown(written->text, strlen(written->text), text));
	return 0;
}

static void
keep_value(struct build *build, const struct setting *setting,
    const struct written *written, void *at)
{
	int64_t count = 0;

	switch (setting->kind) {
	case SETTING_BOOL:
		keep_bool(build, setting, written, at);
		break;
	case SETTING_COUNT32:
		if (build_count(build, setting, written, &count))
			*(int32_t *)at = (int32_t)count;
		break;
	case SETTING_COUNT64:
		build_count(build, setting, written, at);
		break;
	case SETTING_NUMBER:
		keep_number(build, setting, written, at);
		break;
	case SETTING_DURATION:
		keep_duration(build, setting, written, at);
		break;
	case SETTING_SIZE:
		keep_size(build, setting, written, at);
		break;
	case SETTING_WORD: {
		int word = read_word(build, setting, written);
		memcpy(at, &word, sizeof(word));
		break;
	}
	case SETTING_SWITCH:
		*(bool *)at = read_word(build, setting, written) == 1;
		break;
	case SETTING_TEXT:
	case SETTING_LIST:
		break;
	}
}

/* Words are kept as the enum itself: the same size and numbers as an int. */
static_assert(sizeof(enum executor) == sizeof(int), "words");
static_assert(sizeof(enum log_level) == sizeof(int), "words");

void
build_values(struct build *build, const struct stated *section,
    enum place place, void *base)
{
	const struct setting *setting;

	for (size_t i = 0; (setting = schema_nth(i)) != NULL; i++) {
		if (setting->place != place || setting->offset == NOT_KEPT)
			continue;
		keep_value(build, setting,
		    stated_value(section, setting->name, 0),
		    (char *)base + setting->offset);
	}
}

struct sign_secret *
build_secret(struct build *build, const struct stated *section)
{
	const struct written *written = stated_value(section, "secret_file", 0);
	struct reason why = { "" };

	if (written->text[0] == '\0')
		return NULL;
	char *path = build_path(build, written->text);
	if (path == NULL)
		return NULL;
	struct sign_secret *secret = sign_secret_load(path, &why);
	free(path);
	if (secret == NULL)
		complain_at(build->out, written->line, "secret_file: %s",
		    why.text);
	return secret;
}

void
build_cidrs(struct build *build, const struct stated *section, const char *name,
    struct cidr **cidrs_out, size_t *count_out)
{
	size_t count = stated_count(section, name);
	struct cidr *cidrs = build_array(build, count, sizeof(*cidrs));
	char text[SHOWN_SIZE];

	for (size_t i = 0; cidrs != NULL && i < count; i++) {
		const struct written *written = stated_value(section, name, i);
		if (cidr_parse(written->text, &cidrs[i]))
			continue;
		complain_at(build->out, written->line,
		    "%s: '%s' is not an address range such as 10.0.0.0/8", name,
		    shown(written->text, strlen(written->text), text));
	}
	*cidrs_out = cidrs;
	*count_out = cidrs != NULL ? count : 0;
}

bool
build_url(struct build *build, const char *name, const struct written *written,
    bool ends_in_slash, char **out)
{
	const struct target_policy trusted = { .any_address = true };
	struct target_verdict verdict;
	struct target_url parts;
	struct reason why = { "" };
	size_t len = strlen(written->text);

	if (!target_check_url(&trusted, written->text, &parts, &verdict,
		&why)) {
		complain_at(build->out, written->line, "%s: %s", name,
		    why.text);
		return false;
	}
	if (strchr(written->text, '?') != NULL) {
		complain_at(build->out, written->line,
		    "%s: the URL must not have a query", name);
		return false;
	}
	while (len > 0 && written->text[len - 1] == '/')
		len--;
	char *url = build_array(build, len + 2, 1);
	if (url == NULL)
		return false;
	memcpy(url, written->text, len);
	if (ends_in_slash)
		url[len] = '/';
	*out = url;
	return true;
}
