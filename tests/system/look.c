/* look.c - reading what a reply says: its fields and its JSON.
 *
 * 1. What a test wants and does not find fails the case with the name of it
 *    and the text it was looked for in.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client.h"

/* The text after "Name:" when this line is that field, else NULL. */
static const char *
field_value(const char *line, const char *name)
{
	size_t len = strlen(name);

	if (strncasecmp(line, name, len) != 0 || line[len] != ':')
		return NULL;
	line += len + 1;
	return line + strspn(line, " \t");
}

const char *
reply_header(const struct reply *reply, const char *name)
{
	static char values[8][4096];
	static unsigned turn;
	const char *line = reply->head;
	const char *value;
	size_t len;
	char *out;

	while ((line = strstr(line, "\r\n")) != NULL) {
		line += 2;
		value = field_value(line, name);
		if (value == NULL)
			continue;
		len = strcspn(value, "\r");
		ck_assert_uint_lt(len, sizeof(values[0]));
		out = values[turn++ % 8];
		memcpy(out, value, len);
		out[len] = '\0';
		return out;
	}
	return NULL;
}

int
reply_header_count(const struct reply *reply, const char *name)
{
	const char *line = reply->head;
	int count = 0;

	while ((line = strstr(line, "\r\n")) != NULL) {
		line += 2;
		if (field_value(line, name) != NULL)
			count++;
	}
	return count;
}

const struct json_value *
reply_json(struct reply *reply)
{
	struct reason why = { "" };

	if (reply->document == NULL)
		reply->document = json_parse(reply->body, reply->body_len,
		    &why);
	ck_assert_msg(reply->document != NULL, "not JSON (%s): %d %.300s",
	    why.text, reply->status, reply->body);
	return json_root(reply->document);
}

/* The element of that number, or the member of that name. */
static const struct json_value *
step(const struct json_value *value, const char *name)
{
	char *end;
	unsigned long index = strtoul(name, &end, 10);

	if (value->kind != JSON_ARRAY)
		return json_member(value, name);
	if (*end != '\0')
		return NULL;
	value = value->first;
	while (value != NULL && index-- > 0)
		value = value->next;
	return value;
}

const struct json_value *
look_at(const struct json_value *value, const char *path)
{
	char name[128];
	size_t len;

	while (value != NULL && *path != '\0') {
		len = strcspn(path, ".");
		ck_assert_uint_lt(len, sizeof(name));
		memcpy(name, path, len);
		name[len] = '\0';
		value = step(value, name);
		path += len + (path[len] == '.');
	}
	return value;
}

static const struct json_value *
look_for(const struct json_value *value, const char *path, enum json_kind kind)
{
	const struct json_value *found = look_at(value, path);

	ck_assert_msg(found != NULL, "no \"%s\" in the JSON", path);
	ck_assert_msg(found->kind == kind, "\"%s\" is of kind %d, not %d: %s",
	    path, (int)found->kind, (int)kind,
	    found->text != NULL ? found->text : "");
	return found;
}

const char *
look_text(const struct json_value *value, const char *path)
{
	return look_for(value, path, JSON_STRING)->text;
}

int64_t
look_int(const struct json_value *value, const char *path)
{
	int64_t number = 0;

	ck_assert_msg(json_to_int(look_for(value, path, JSON_NUMBER), INT64_MIN,
			  INT64_MAX, &number),
	    "\"%s\" is no integer", path);
	return number;
}

bool
look_is_null(const struct json_value *value, const char *path)
{
	const struct json_value *found = look_at(value, path);

	ck_assert_msg(found != NULL, "no \"%s\" in the JSON", path);
	return found->kind == JSON_NULL;
}

bool
look_says(const struct json_value *value, const char *path, const char *text)
{
	const struct json_value *found = look_at(value, path);

	return found != NULL && found->kind == JSON_STRING &&
	    strcmp(found->text, text) == 0;
}
