/* fuzz_json.c - whatever json_parse accepts, json_writer can say again.
 *
 * 1. A refused text has a reason.
 * 2. An accepted tree is within its ceilings, its strings are UTF-8 without
 *    NUL, its counts and offsets are true.
 * 3. Written and parsed again it is the same tree.
 */
#include <stdlib.h>
#include <string.h>

#include "callbackd/json.h"
#include "fuzz.h"

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static void
check_text(const char *text, size_t len)
{
	require(strlen(text) == len);
	require(text_is_utf8(text, len));
}

static void
write_scalar(struct json_writer *writer, const struct json_value *value)
{
	switch (value->kind) {
	case JSON_NULL:
		json_null(writer);
		return;
	case JSON_BOOL:
		json_bool(writer, value->truth);
		return;
	case JSON_NUMBER:
		check_text(value->text, value->text_len);
		json_raw(writer, value->text, value->text_len);
		return;
	case JSON_STRING:
		check_text(value->text, value->text_len);
		json_string(writer, value->text);
		return;
	case JSON_ARRAY:
	case JSON_OBJECT:
		abort();
	}
}

/* Checks a value against the input's end, and writes it. Recursion is bounded
 * by JSON_MAX_DEPTH, which is checked here. */
static void
walk(struct json_writer *writer, const struct json_value *value, size_t end,
    int depth)
{
	bool object = value->kind == JSON_OBJECT;
	size_t count = 0;

	require(value->offset > 0 && value->offset <= end);
	if (!object && value->kind != JSON_ARRAY) {
		require(value->first == NULL && value->count == 0);
		write_scalar(writer, value);
		return;
	}
	require(depth < JSON_MAX_DEPTH);
	(object ? json_object : json_array)(writer);
	for (const struct json_value *child = value->first; child != NULL;
	     child = child->next) {
		require((child->key != NULL) == object);
		if (object) {
			check_text(child->key, strlen(child->key));
			require(json_member(value, child->key) == child ||
			    value->count > 100);
			json_key(writer, child->key);
		}
		walk(writer, child, value->offset, depth + 1);
		count++;
	}
	require(count == value->count);
	(object ? json_object_end : json_array_end)(writer);
}

static void
write_document(const struct json_document *document, size_t len,
    struct buf *out)
{
	struct json_writer *writer = json_writer_new(out);

	require(writer != NULL);
	walk(writer, json_root(document), len, 0);
	require(json_writer_end(&writer));
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void
compare(const struct json_value *a, const struct json_value *b)
{
	require(a->kind == b->kind && a->truth == b->truth);
	require(a->count == b->count && same_text(a->key, b->key));
	require(same_text(a->text, b->text));
	a = a->first;
	b = b->first;
	for (; a != NULL; a = a->next, b = b->next)
		compare(a, b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct reason why = { "" };
	struct json_document *document;
	struct json_document *again;
	struct buf out;

	document = json_parse((const char *)bytes, len, &why);
	if (document == NULL) {
		require(why.text[0] != '\0');
		require(text_is_utf8(why.text, strlen(why.text)));
		return 0;
	}
	buf_init(&out, len * 6 + 64); /* six bytes for a control character */
	write_document(document, len, &out);
	again = json_parse(buf_text(&out), out.len, &why);
	require(again != NULL);
	compare(json_root(document), json_root(again));
	json_document_free(&again);
	json_document_free(&document);
	buf_free(&out);
	return 0;
}
