/* json.c - yajl on a short lead: a writer that checks order, a strict reader.
 *
 * 1. yajl_gen is memory-unsafe after its first error (it has by then left its
 *    state array). The writer keeps its own account of what may come next, so
 *    that yajl never sees a wrong call, and calls it no more once broken.
 * 2. No string reaches yajl_gen that is not well-formed UTF-8.
 * 3. json_raw.c sees the text before yajl does, and refuses what yajl 2.1 lets
 *    through.
 * 4. The tree is built in callbacks, with a ceiling on depth and count at each
 *    step; yajl_tree has neither, and frees by recursion.
 *
 * Thread: that of the writer's or document's owner; yajl has no shared state.
 */
#include "callbackd/json.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_gen.h>
#include <yajl/yajl_parse.h>

#include "callbackd/reserve.h"
#include "json_raw.h"
#include "json_tree.h"

enum {
	WRITE_DEPTH = 120 /* yajl ends at 128; a read text needs 64 */
};

/* yajl does not look at what it is given. */
static void *
malloc_cb(void *ctx, size_t size)
{
	(void)ctx;
	return reserve_malloc(size);
}

static void *
realloc_cb(void *ctx, void *old, size_t size)
{
	(void)ctx;
	return reserve_realloc(old, size);
}

static void
free_cb(void *ctx, void *gone)
{
	(void)ctx;
	reserve_free(gone);
}

static const yajl_alloc_funcs memory = { malloc_cb, realloc_cb, free_cb, NULL };

struct json_writer {
	yajl_gen gen;
	struct buf *out;
	bool broken;
	bool complete; /* the one value is written */
	bool has_key;  /* a member's name is written, its value is not */
	unsigned depth;
	enum json_kind kinds[WRITE_DEPTH]; /* JSON_ARRAY or JSON_OBJECT */
};

/* ---- writing: order ---- */

static void
print_cb(void *ctx, const char *text, size_t len)
{
	struct json_writer *writer = ctx;

	buf_append(writer->out, text, len);
}

struct json_writer *
json_writer_new(struct buf *out)
{
	struct json_writer *writer = calloc(1, sizeof(*writer));

	if (writer == NULL)
		return NULL;
	writer->out = out;
	writer->gen = yajl_gen_alloc(&memory);
	if (writer->gen == NULL) {
		free(writer);
		return NULL;
	}
	yajl_gen_config(writer->gen, yajl_gen_print_callback, print_cb, writer);
	return writer;
}

bool
json_writer_end(struct json_writer **writer)
{
	struct json_writer *old = *writer;
	bool fine;

	*writer = NULL;
	if (old == NULL)
		return false;
	fine = old->complete && !old->broken && !buf_failed(old->out);
	yajl_gen_free(old->gen);
	free(old);
	return fine;
}

static bool
is_inside(const struct json_writer *writer, enum json_kind kind)
{
	return writer->depth > 0 && writer->kinds[writer->depth - 1] == kind;
}

/* True when a value may come now; else the writer is broken. A NULL writer
 * (out of memory) writes nothing. */
static bool
may_write(struct json_writer *writer)
{
	if (writer == NULL || writer->broken)
		return false;
	if (writer->complete ||
	    (is_inside(writer, JSON_OBJECT) && !writer->has_key))
		writer->broken = true;
	return !writer->broken;
}

/* Takes note of a value, or of a container's end. */
static void
note(struct json_writer *writer, yajl_gen_status status)
{
	if (status != yajl_gen_status_ok || buf_failed(writer->out))
		writer->broken = true;
	writer->has_key = false;
	if (writer->depth == 0)
		writer->complete = true;
}

static void
open_container(struct json_writer *writer, enum json_kind kind)
{
	yajl_gen_status status;

	if (!may_write(writer))
		return;
	if (writer->depth == WRITE_DEPTH) {
		writer->broken = true;
		return;
	}
	writer->kinds[writer->depth++] = kind;
	if (kind == JSON_OBJECT)
		status = yajl_gen_map_open(writer->gen);
	else
		status = yajl_gen_array_open(writer->gen);
	note(writer, status);
}

static void
close_container(struct json_writer *writer, enum json_kind kind)
{
	yajl_gen_status status;

	if (writer == NULL || writer->broken)
		return;
	if (!is_inside(writer, kind) || writer->has_key) {
		writer->broken = true;
		return;
	}
	writer->depth--;
	if (kind == JSON_OBJECT)
		status = yajl_gen_map_close(writer->gen);
	else
		status = yajl_gen_array_close(writer->gen);
	note(writer, status);
}

void
json_object(struct json_writer *writer)
{
	open_container(writer, JSON_OBJECT);
}

void
json_object_end(struct json_writer *writer)
{
	close_container(writer, JSON_OBJECT);
}

void
json_array(struct json_writer *writer)
{
	open_container(writer, JSON_ARRAY);
}

void
json_array_end(struct json_writer *writer)
{
	close_container(writer, JSON_ARRAY);
}

/* ---- writing: values ---- */

/* A copy with U+FFFD in place of each byte that is not UTF-8. */
static yajl_gen_status
gen_repaired(struct json_writer *writer, const char *text, size_t len)
{
	yajl_gen_status status = yajl_gen_invalid_string;
	struct buf repaired;
	size_t good = text_utf8_prefix(text, len);

	buf_init(&repaired, len * 3);
	for (; good < len; good = text_utf8_prefix(text, len)) {
		buf_append(&repaired, text, good);
		buf_append(&repaired, "\xef\xbf\xbd", 3);
		text += good + 1;
		len -= good + 1;
	}
	buf_append(&repaired, text, len);
	if (!buf_failed(&repaired))
		status = yajl_gen_string(writer->gen,
		    (const unsigned char *)buf_text(&repaired), repaired.len);
	buf_free(&repaired);
	return status;
}

static yajl_gen_status
gen_string(struct json_writer *writer, const char *text, size_t len)
{
	if (!text_is_utf8(text, len))
		return gen_repaired(writer, text, len);
	return yajl_gen_string(writer->gen, (const unsigned char *)text, len);
}

void
json_key(struct json_writer *writer, const char *key)
{
	if (writer == NULL || writer->broken)
		return;
	if (!is_inside(writer, JSON_OBJECT) || writer->has_key) {
		writer->broken = true;
		return;
	}
	note(writer, gen_string(writer, key, strlen(key)));
	writer->has_key = true;
}

void
json_string(struct json_writer *writer, const char *text)
{
	json_string_n(writer, text, text != NULL ? strlen(text) : 0);
}

void
json_string_n(struct json_writer *writer, const char *text, size_t len)
{
	if (text == NULL)
		json_null(writer);
	else if (may_write(writer))
		note(writer, gen_string(writer, text, len));
}

void
json_int(struct json_writer *writer, int64_t value)
{
	if (may_write(writer))
		note(writer, yajl_gen_integer(writer->gen, value));
}

void
json_real(struct json_writer *writer, double value)
{
	char text[32];
	int len = 0;

	if (!isfinite(value)) {
		json_null(writer);
		return;
	}
	/* yajl prints 0.1 as 0.10000000000000000555: take the shortest form
	 * that reads back as the same number. */
	for (int digits = 15; digits <= 17; digits++) {
		len = snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	json_raw(writer, text, (size_t)len);
}

void
json_bool(struct json_writer *writer, bool value)
{
	if (may_write(writer))
		note(writer, yajl_gen_bool(writer->gen, value));
}

void
json_null(struct json_writer *writer)
{
	if (may_write(writer))
		note(writer, yajl_gen_null(writer->gen));
}

void
json_time(struct json_writer *writer, int64_t at_ms)
{
	char text[TEXT_TIME_SIZE];

	if (at_ms < 0) {
		json_null(writer);
		return;
	}
	text_time(at_ms, text);
	json_string_n(writer, text, TEXT_TIME_SIZE - 1);
}

void
json_raw(struct json_writer *writer, const char *json, size_t len)
{
	if (!may_write(writer))
		return;
	if (len == 0)
		writer->broken = true;
	else /* yajl copies a "number" as it is, with the commas around it */
		note(writer, yajl_gen_number(writer->gen, json, len));
}

void
json_put_string(struct json_writer *writer, const char *key, const char *text)
{
	json_key(writer, key);
	json_string(writer, text);
}

void
json_put_int(struct json_writer *writer, const char *key, int64_t value)
{
	json_key(writer, key);
	json_int(writer, value);
}

void
json_put_bool(struct json_writer *writer, const char *key, bool value)
{
	json_key(writer, key);
	json_bool(writer, value);
}

void
json_put_time(struct json_writer *writer, const char *key, int64_t at_ms)
{
	json_key(writer, key);
	json_time(writer, at_ms);
}

void
json_put_null(struct json_writer *writer, const char *key)
{
	json_key(writer, key);
	json_null(writer);
}

/* ---- reading ---- */

struct reader {
	yajl_handle yajl;
	struct json_document *document;
	struct reason *why_out;
	size_t len;
	bool finishing; /* all is fed; a number may still have to end */
};

/* Where yajl is. At the end it reads a blank of its own, which is not ours. */
static size_t
position(const struct reader *reader)
{
	if (reader->finishing)
		return reader->len;
	return yajl_get_bytes_consumed(reader->yajl);
}

static void
say(struct reason *why_out, const char *what, size_t byte)
{
	reason_set(why_out, "%s at byte %zu", what, byte);
}

/* yajl's word for going on, or for giving up. */
static int
go_on_unless(struct reader *reader, json_refusal refusal)
{
	if (refusal == NULL)
		return 1;
	say(reader->why_out, refusal, position(reader));
	return 0;
}

static int
add(struct reader *reader, struct json_value value)
{
	value.offset = position(reader);
	return go_on_unless(reader, json_tree_add(reader->document, &value));
}

static int
null_cb(void *ctx)
{
	return add(ctx, (struct json_value){ .kind = JSON_NULL });
}

static int
boolean_cb(void *ctx, int truth)
{
	return add(ctx,
	    (struct json_value){ .kind = JSON_BOOL, .truth = truth != 0 });
}

static int
number_cb(void *ctx, const char *text, size_t len)
{
	return add(ctx,
	    (struct json_value){ .kind = JSON_NUMBER,
		.text = text,
		.text_len = len });
}

static int
string_cb(void *ctx, const unsigned char *text, size_t len)
{
	return add(ctx,
	    (struct json_value){ .kind = JSON_STRING,
		.text = (const char *)text,
		.text_len = len });
}

static int
start_map_cb(void *ctx)
{
	struct reader *reader = ctx;

	return go_on_unless(reader,
	    json_tree_open(reader->document, JSON_OBJECT));
}

static int
map_key_cb(void *ctx, const unsigned char *key, size_t len)
{
	struct reader *reader = ctx;

	return go_on_unless(reader,
	    json_tree_key(reader->document, (const char *)key, len));
}

static int
start_array_cb(void *ctx)
{
	struct reader *reader = ctx;

	return go_on_unless(reader,
	    json_tree_open(reader->document, JSON_ARRAY));
}

static int
end_cb(void *ctx)
{
	struct reader *reader = ctx;

	return go_on_unless(reader,
	    json_tree_close(reader->document, position(reader)));
}

static const yajl_callbacks callbacks = {
	.yajl_null = null_cb,
	.yajl_boolean = boolean_cb,
	.yajl_number = number_cb,
	.yajl_string = string_cb,
	.yajl_start_map = start_map_cb,
	.yajl_map_key = map_key_cb,
	.yajl_end_map = end_cb,
	.yajl_start_array = start_array_cb,
	.yajl_end_array = end_cb,
};

/* What yajl says, on one line and with the place. */
static void
quote_yajl(struct reader *reader)
{
	unsigned char *text = yajl_get_error(reader->yajl, 0, NULL, 0);
	size_t byte = position(reader);
	size_t len;

	if (byte == 0)
		byte = 1; /* yajl gives back a byte of a comment */
	if (text == NULL) {
		say(reader->why_out, "not JSON", byte);
		return;
	}
	len = strcspn((char *)text, ".\n");
	reason_set(reader->why_out, "%.*s at byte %zu", (int)len, (char *)text,
	    byte);
	yajl_free_error(reader->yajl, text);
}

static bool
feed(struct reader *reader, const char *text)
{
	yajl_status status = yajl_parse(reader->yajl,
	    (const unsigned char *)text, reader->len);

	if (status == yajl_status_ok) {
		reader->finishing = true;
		status = yajl_complete_parse(reader->yajl);
	}
	if (status == yajl_status_error)
		quote_yajl(reader);
	return status == yajl_status_ok;
}

/* The document, or NULL; why_out has the reason then. */
static struct json_document *
parse(const char *text, size_t len, struct reason *why_out)
{
	struct reader reader = { .why_out = why_out, .len = len };

	reader.document = json_tree_new(len);
	reader.yajl = yajl_alloc(&callbacks,
	    (yajl_alloc_funcs *)(uintptr_t)&memory, &reader);
	if (reader.document == NULL || reader.yajl == NULL) {
		reason_set(why_out, "out of memory");
		json_document_free(&reader.document);
	} else if (!feed(&reader, text)) {
		json_document_free(&reader.document);
	}
	if (reader.yajl != NULL)
		yajl_free(reader.yajl);
	assert(reader.document == NULL || json_root(reader.document) != NULL);
	return reader.document;
}

struct json_document *
json_parse(const char *text, size_t len, struct reason *why_out)
{
	struct reason unheard;

	if (why_out == NULL)
		why_out = &unheard;
	if (len == 0) {
		reason_set(why_out, "an empty text is not JSON");
		return NULL;
	}
	if (!json_raw_is_fine(text, len, why_out))
		return NULL;
	return parse(text, len, why_out);
}
