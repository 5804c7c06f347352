/* openapi.c - reads contrib/openapi.yaml, line by line.
 *
 * Where a line stands is the list of the keys above it: of
 *
 *   paths:
 *     /v1/jobs:
 *       get:
 *         responses:
 *           '200':
 *
 * the last has paths, /v1/jobs, get, responses and 200. Lines of text are below
 * a key that holds text, so none of them is taken for anything else.
 */
#include "openapi.h"

#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "process.h"

#define LEVELS 12
#define KEY_SIZE 96

#define PROBLEM_PREFIX "urn:callbackd:problem:"

struct place {
	char keys[LEVELS][KEY_SIZE];
	int depth;         /* of the line's own key, from 0 */
	const char *value; /* behind the key and its colon */
	bool is_admin;     /* the path has servers of its own */
};

/* ---- lines ---- */

static void
take_key(struct place *place, char *text)
{
	char *key = text;
	char *end;

	if (strncmp(key, "- ", 2) == 0)
		key += 2;
	if (*key == '\'') {
		key++;
		end = strchr(key, '\'');
	} else {
		end = strstr(key, ": ");
		if (end == NULL && *key != '\0' && key[strlen(key) - 1] == ':')
			end = key + strlen(key) - 1;
	}
	place->value = "";
	if (end != NULL) {
		*end = '\0';
		place->value = end + 1;
	}
	snprintf(place->keys[place->depth], KEY_SIZE, "%s", key);
}

/* False: a comment, or nothing of interest. */
static bool
take_line(struct place *place, char *line)
{
	size_t indent = strspn(line, " ");

	if (line[indent] == '\0' || line[indent] == '#' || indent / 2 >= LEVELS)
		return false;
	place->depth = (int)indent / 2;
	take_key(place, line + indent);
	return true;
}

/* The keys of the line are those; "*" stands for any. */
static bool
stands_at(const struct place *place, const char *const *keys, int count)
{
	if (place->depth != count - 1)
		return false;
	for (int i = 0; i < count; i++)
		if (strcmp(keys[i], "*") != 0 &&
		    strcmp(keys[i], place->keys[i]) != 0)
			return false;
	return true;
}
#define STANDS_AT(place, ...)                                                  \
	stands_at(place, (const char *const[]){ __VA_ARGS__ },                 \
	    (int)(sizeof((const char *const[]){ __VA_ARGS__ }) /               \
		sizeof(const char *)))

/* ---- what they mean ---- */

static void
add_promise(struct openapi *out, const struct place *place)
{
	struct promise *promise = &out->promises[out->promise_count];
	const char *method = place->keys[2];
	const char *shared = strstr(place->value, "#/components/responses/");
	char *end;

	promise->status = (int)strtol(place->keys[4], &end, 10);
	if (*end != '\0') /* default, which may be anything */
		return;
	ck_assert_int_lt(++out->promise_count, PROMISES_MAX);
	for (int i = 0; method[i] != '\0' && i < 7; i++)
		promise->method[i] = (char)toupper((unsigned char)method[i]);
	snprintf(promise->path, sizeof(promise->path), "%.60s", place->keys[1]);
	promise->is_admin = place->is_admin;
	ck_assert_msg(openapi_find(out, promise->method, promise->path,
			  promise->status) == promise,
	    "%s %s: %d is there twice", promise->method, promise->path,
	    promise->status);
	if (shared == NULL)
		return;
	shared += strlen("#/components/responses/");
	snprintf(promise->shared, sizeof(promise->shared), "%.*s",
	    (int)strcspn(shared, "'"), shared);
}

static void
add_shared(struct openapi *out, const struct place *place)
{
	struct promise *shared = &out->shared[out->shared_count];

	ck_assert_int_lt(++out->shared_count, SHARED_MAX);
	snprintf(shared->shared, sizeof(shared->shared), "%.31s",
	    place->keys[2]);
}

static void
add_type(struct promise *promises, int count, const char *type)
{
	char *types;
	size_t len;

	ck_assert_int_gt(count, 0);
	types = promises[count - 1].types;
	len = strlen(types);
	snprintf(types + len, TYPES_SIZE - len, "%s%s ", len == 0 ? " " : "",
	    type);
}

/* A description ends with its words, or goes on in lines below its key. */
static void
add_words(struct openapi *out, const struct place *place)
{
	char *words = out->shared[out->shared_count - 1].words;
	size_t len = strlen(words);
	int written = snprintf(words + len, WORDS_SIZE - len, "%s%s ",
	    place->keys[place->depth], place->value);

	ck_assert_int_lt(written, (int)(WORDS_SIZE - len));
}

static void
add_name(char names[PROBLEMS_MAX][64], int *count, const char *name)
{
	ck_assert_int_lt(*count, PROBLEMS_MAX);
	snprintf(names[(*count)++], 64, "%.60s", name);
}

static void
take_paths(struct openapi *out, struct place *place)
{
	if (place->depth == 1)
		place->is_admin = false;
	else if (STANDS_AT(place, "paths", "*", "servers"))
		place->is_admin = true;
	else if (STANDS_AT(place, "paths", "*", "*", "responses", "*"))
		add_promise(out, place);
	else if (STANDS_AT(place, "paths", "*", "*", "responses", "*",
		     "content", "*") &&
	    isdigit((unsigned char)place->keys[4][0]))
		add_type(out->promises, out->promise_count, place->keys[6]);
}

static void
take_components(struct openapi *out, const struct place *place)
{
	if (STANDS_AT(place, "components", "responses", "*"))
		add_shared(out, place);
	else if (STANDS_AT(place, "components", "responses", "*", "content",
		     "*"))
		add_type(out->shared, out->shared_count, place->keys[4]);
	else if (strcmp(place->keys[1], "responses") == 0 &&
	    place->depth >= 3 && strcmp(place->keys[3], "description") == 0)
		add_words(out, place);
	else if (STANDS_AT(place, "components", "schemas", "Problem",
		     "properties", "type", "enum", "*"))
		add_name(out->problems, &out->problem_count, place->keys[6]);
	else if (STANDS_AT(place, "components", "schemas", "ErrorType", "enum",
		     "*"))
		add_name(out->errors, &out->error_count, place->keys[4]);
}

static void
share_types(struct openapi *out)
{
	for (int i = 0; i < out->promise_count; i++) {
		struct promise *promise = &out->promises[i];

		for (int j = 0; promise->shared[0] != '\0'; j++) {
			ck_assert_msg(j < out->shared_count,
			    "%s: there is no such response", promise->shared);
			if (strcmp(out->shared[j].shared, promise->shared) != 0)
				continue;
			memcpy(promise->types, out->shared[j].types,
			    TYPES_SIZE);
			memcpy(promise->words, out->shared[j].words,
			    WORDS_SIZE);
			break;
		}
	}
}

void
openapi_read(struct openapi *out)
{
	const char *top = getenv("top_srcdir");
	struct place place = { .depth = 0 };
	char path[PATH_SIZE];
	char *text, *rest, *line;

	memset(out, 0, sizeof(*out));
	snprintf(path, sizeof(path), "%.400s/contrib/openapi.yaml",
	    top != NULL ? top : ".");
	rest = text = file_text(path, NULL);
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (!take_line(&place, line))
			continue;
		if (strcmp(place.keys[0], "paths") == 0)
			take_paths(out, &place);
		else if (strcmp(place.keys[0], "components") == 0)
			take_components(out, &place);
	}
	free(text);
	share_types(out);
	ck_assert_msg(out->promise_count > 0 && out->problem_count > 0 &&
		out->error_count > 0,
	    "%s is not there, or not as it was", path);
}

/* ---- questions ---- */

const struct promise *
openapi_find(const struct openapi *openapi, const char *method,
    const char *path, int status)
{
	for (int i = 0; i < openapi->promise_count; i++) {
		const struct promise *promise = &openapi->promises[i];

		if (strcmp(promise->method, method) == 0 &&
		    strcmp(promise->path, path) == 0 &&
		    promise->status == status)
			return promise;
	}
	return NULL;
}

bool
promise_has_type(const struct promise *promise, const char *content_type)
{
	char wanted[TYPES_SIZE];

	if (content_type == NULL)
		return promise->types[0] == '\0';
	snprintf(wanted, sizeof(wanted), " %.*s ",
	    (int)strcspn(content_type, "; "), content_type);
	return strstr(promise->types, wanted) != NULL;
}

static bool
is_among(const char names[PROBLEMS_MAX][64], int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

bool
openapi_has_problem(const struct openapi *openapi, const char *type)
{
	return strncmp(type, PROBLEM_PREFIX, strlen(PROBLEM_PREFIX)) == 0 &&
	    is_among(openapi->problems, openapi->problem_count, type);
}

bool
promise_names(const struct promise *promise, const char *type)
{
	char quoted[80];

	if (promise->shared[0] == '\0')
		return true;
	snprintf(quoted, sizeof(quoted), "`%.60s`",
	    type + strlen(PROBLEM_PREFIX));
	return strstr(promise->words, quoted) != NULL;
}

bool
openapi_has_error(const struct openapi *openapi, const char *type)
{
	size_t len = strlen(PROBLEM_PREFIX);

	return strncmp(type, PROBLEM_PREFIX, len) == 0 &&
	    is_among(openapi->errors, openapi->error_count, type + len);
}
