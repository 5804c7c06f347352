/* members.c - reading a request whose body is one JSON object. */
#include "members.h"

#include <stdlib.h>
#include <string.h>

static bool
is_json(const char *content_type)
{
	static const char type[] = "application/json";
	size_t len = sizeof(type) - 1;

	return content_type != NULL && text_starts_nocase(content_type, type) &&
	    strchr("; \t", content_type[len]) != NULL;
}

struct json_document *
members_of(struct call *call, const char *what)
{
	struct json_document *document;
	struct objection objection = { 0 };
	struct blob *body;

	if (!is_json(http_header(call->exchange, "Content-Type"))) {
		refuse_plainly(&call->exchange, REFUSE_UNSUPPORTED_MEDIA_TYPE,
		    "send application/json");
		return NULL;
	}
	body = http_body(call->exchange);
	document = json_parse(blob_data(body), blob_len(body), &objection.why);
	blob_unref(&body);
	if (document == NULL) {
		objection.refusal = REFUSE_BAD_JSON;
	} else if (json_root(document)->kind != JSON_OBJECT) {
		(void)object_to(&objection, REFUSE_UNPROCESSABLE,
		    "%s is an object", what);
		json_document_free(&document);
	}
	if (document == NULL)
		refuse(&call->exchange, &objection);
	return document;
}

bool
means_nothing(struct objection *objection, const char *place,
    const char *wanted)
{
	return object_to(objection, REFUSE_UNPROCESSABLE, "%s: %s", place,
	    wanted);
}

bool
unknown_member(struct objection *objection, const char *name)
{
	return object_to(objection, REFUSE_UNPROCESSABLE,
	    "%.*s: there is no such member", MEMBER_SHOWN, name);
}

static bool
take_member(const struct json_value *value, const struct member *table,
    void *into, struct objection *objection)
{
	for (; table->name != NULL; table++)
		if (strcmp(table->name, value->key) == 0)
			return value->kind == JSON_NULL ||
			    table->take(into, table->name, value, objection);
	return unknown_member(objection, value->key);
}

bool
members_take(const struct json_value *object, const struct member *table,
    void *into, struct objection *objection)
{
	for (const struct json_value *value = object->first; value != NULL;
	     value = value->next)
		if (!take_member(value, table, into, objection))
			return false;
	return true;
}

const char *
text_of(const struct json_value *value)
{
	if (value->kind != JSON_STRING && value->kind != JSON_NUMBER)
		return NULL;
	return strlen(value->text) == value->text_len ? value->text : NULL;
}

const char *
take_string(const char *place, const struct json_value *value,
    struct objection *objection)
{
	const char *text = value->kind == JSON_STRING ? text_of(value) : NULL;

	if (text == NULL)
		(void)means_nothing(objection, place, "a string");
	return text;
}

bool
take_duration(const char *place, const struct json_value *value,
    bool may_be_none, int64_t *out_ms, struct objection *objection)
{
	const char *text = text_of(value);

	if (text != NULL && may_be_none &&
	    (strcmp(text, "0") == 0 || strcmp(text, "0s") == 0)) {
		*out_ms = 0;
		return true;
	}
	if (text != NULL && text_duration_ms(text, out_ms))
		return true;
	return means_nothing(objection, place,
	    "a number of seconds, or a duration such as \"30s\" or \"5m\"");
}

struct blob *
take_bytes(const char *place, const struct json_value *value, bool is_base64,
    struct objection *objection)
{
	struct blob *blob = NULL;
	size_t len = value->text_len;
	char *bytes = NULL;

	if (value->kind != JSON_STRING) {
		(void)means_nothing(objection, place, "a string");
		return NULL;
	}
	if (is_base64) {
		bytes = malloc(len / 4 * 3 + 1);
		if (bytes != NULL &&
		    !text_base64_decode(value->text, value->text_len, bytes,
			&len)) {
			free(bytes);
			(void)means_nothing(objection, place,
			    "base64 with padding");
			return NULL;
		}
	}
	if (!is_base64 || bytes != NULL)
		blob = blob_new(is_base64 ? bytes : value->text, len);
	free(bytes);
	if (blob == NULL)
		(void)object_to(objection, REFUSE_OVERLOADED,
		    "no memory for the body");
	return blob;
}
