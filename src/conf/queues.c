/* queues.c - the queue sections: where jobs come in, and who runs them.
 *
 * 1. No two queues own the same path; nested ones are legal, the longest wins.
 * 2. A path stays out of the way of the API's own.
 * 3. A queue has what its executor needs, and nothing that another one would.
 *
 * Thread: main.
 */
#include "build.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The API's own: no queue may own a path below. */
static const char *const reserved_paths[] = {
	"/v1/",
	"/.well-known/",
	"/async-function/",
};

/* Bytes of a path that mean the same in every spelling (RFC 3986, 3.3), but
 * for '%': an escaped prefix would have two spellings. */
static bool
has_only_path_bytes(const char *path)
{
	static const char legal[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._~!$&'()*+,;=:@/";

	return path[strspn(path, legal)] == '\0';
}

static bool
has_dot_segment(const char *path)
{
	return strstr(path, "/./") != NULL || strstr(path, "/../") != NULL;
}

/* What is wrong with a path; NULL when nothing is. */
static const char *
path_fault(const char *path)
{
	size_t len = strlen(path);

	if (len == 0 || path[0] != '/' || path[len - 1] != '/')
		return "must begin and end with '/'";
	if (!has_only_path_bytes(path))
		return "may hold letters, digits and -._~!$&'()*+,;=:@/ only";
	if (strstr(path, "//") != NULL || has_dot_segment(path))
		return "must not have empty, '.' or '..' segments";
	for (size_t i = 0; i < sizeof(reserved_paths) / sizeof(char *); i++) {
		size_t reserved_len = strlen(reserved_paths[i]);
		if (strncmp(path, reserved_paths[i], reserved_len) == 0)
			return "belongs to the API";
	}
	return NULL;
}

static void
read_path(struct build *build, const struct stated *section,
    struct conf_queue *queue)
{
	const struct written *written = stated_value(section, "path", 0);
	char text[SHOWN_SIZE];

	if (!stated_is_given(section, "path")) {
		complain_at(build->out, written->line,
		    "queue '%s' needs a path", queue->name);
		return;
	}
	const char *fault = path_fault(written->text);
	if (fault != NULL) {
		complain_at(build->out, written->line, "path '%s' %s",
		    shown(written->text, strlen(written->text), text), fault);
		return;
	}
	queue->path = build_copy(build, written->text);
}

static void
read_upstream(struct build *build, const struct stated *section,
    struct conf_queue *queue)
{
	const struct written *written = stated_value(section, "upstream", 0);
	bool is_wanted = queue->executor == EXECUTOR_HTTP;

	if (written->text[0] == '\0') {
		if (is_wanted)
			complain_at(build->out, written->line,
			    "queue '%s' needs an upstream", queue->name);
		return;
	}
	if (!is_wanted) {
		complain_at(build->out, written->line,
		    "upstream is for executor \"http\" only");
		return;
	}
	build_url(build, "upstream", written, true, &queue->upstream);
}

static void
check_async_upstream(struct build *build, const struct stated *section,
    const struct conf_queue *queue)
{
	if (queue->async_poll && queue->executor != EXECUTOR_HTTP)
		complain_at(build->out,
		    stated_value(section, "async_upstream", 0)->line,
		    "async_upstream \"poll\" is for executor \"http\" only");
}

static void
read_command(struct build *build, const struct stated *section,
    struct conf_queue *queue)
{
	bool is_wanted = queue->executor == EXECUTOR_COMMAND;

	if (stated_count(section, "command") == 0) {
		if (is_wanted)
			complain_at(build->out,
			    stated_value(section, "executor", 0)->line,
			    "queue '%s' needs a command", queue->name);
		return;
	}
	const struct written *first = stated_value(section, "command", 0);
	if (!is_wanted) {
		complain_at(build->out, first->line,
		    "command is for executor \"command\" only");
		return;
	}
	if (first->text[0] == '\0') {
		complain_at(build->out, first->line,
		    "command must begin with a program");
		return;
	}
	queue->command = build_list(build, section, "command");
	if (queue->command == NULL || strchr(first->text, '/') == NULL)
		return;
	free(queue->command[0]);
	queue->command[0] = build_path(build, first->text);
}

static bool
is_token_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') ||
	    (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static const char *
skip_token(const char *text)
{
	while (is_token_byte(*text))
		text++;
	return text;
}

/* type/subtype, and whatever parameters stand behind a semicolon (RFC 9110,
 * 8.3.1). */
static bool
is_media_type(const char *text)
{
	const char *slash = skip_token(text);
	const char *end;

	if (slash == text || *slash != '/')
		return false;
	end = skip_token(slash + 1);
	if (end == slash + 1 || (*end != '\0' && *end != ';'))
		return false;
	for (; *end != '\0'; end++)
		if (*end < ' ' || *end > '~')
			return false;
	return end[-1] != ' ' && end[-1] != ';';
}

static void
read_result_type(struct build *build, const struct stated *section,
    struct conf_queue *queue)
{
	const struct written *written = stated_value(section, "result_type", 0);
	char text[SHOWN_SIZE];

	if (queue->executor != EXECUTOR_COMMAND) {
		if (stated_is_given(section, "result_type"))
			complain_at(build->out, written->line,
			    "result_type is for executor \"command\" only");
		return;
	}
	if (!is_media_type(written->text))
		complain_at(build->out, written->line,
		    "result_type must be a media type such as image/png, "
		    "not '%s'",
		    shown(written->text, strlen(written->text), text));
	else
		queue->result_type = build_copy(build, written->text);
}

/* A bound that is not written gives way to one that is. */
static void
read_backoff(struct build *build, const struct stated *queue_section,
    struct backoff *backoff)
{
	const struct stated *section = stated_section(queue_section, "backoff",
	    0);

	build_values(build, section, PLACE_BACKOFF, backoff);
	if (backoff->initial_ms <= backoff->max_ms)
		return;
	if (!stated_is_given(section, "max"))
		backoff->max_ms = backoff->initial_ms;
	else if (!stated_is_given(section, "initial"))
		backoff->initial_ms = backoff->max_ms;
	else if (backoff->max_ms > 0)
		complain_at(build->out, stated_value(section, "max", 0)->line,
		    "max must not be shorter than initial");
}

static void
read_queue(struct build *build, const struct stated *section,
    struct conf_queue *queue)
{
	const char *name = section->written->text;

	assert(name_is_legal(name)); /* prescan */
	memcpy(queue->name, name, strlen(name) + 1);
	schema_refuse_not_yet(section, PLACE_QUEUE, build->out);
	build_values(build, section, PLACE_QUEUE, queue);
	read_backoff(build, section, &queue->backoff);
	read_path(build, section, queue);
	read_upstream(build, section, queue);
	check_async_upstream(build, section, queue);
	read_command(build, section, queue);
	read_result_type(build, section, queue);
}

static void
refuse_twin_path(struct build *build, const struct stated *section, size_t i)
{
	const struct conf_queue *queues = build->conf->queues;

	for (size_t j = 0; j < i; j++) {
		if (queues[i].path == NULL || queues[j].path == NULL ||
		    strcmp(queues[i].path, queues[j].path) != 0)
			continue;
		complain_at(build->out, stated_value(section, "path", 0)->line,
		    "queue '%s' has the same path", queues[j].name);
		return;
	}
}

void
build_queues(struct build *build, const struct stated *top)
{
	struct conf *conf = build->conf;
	size_t count = stated_count(top, "queue");

	conf->queues = build_array(build, count, sizeof(*conf->queues));
	if (conf->queues == NULL)
		return;
	conf->queue_count = count;
	for (size_t i = 0; i < count; i++) {
		const struct stated *section = stated_section(top, "queue", i);
		read_queue(build, section, &conf->queues[i]);
		refuse_twin_path(build, section, i);
	}
}
