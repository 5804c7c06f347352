/* result.c - an upstream's answer as members of a JSON object.
 *
 * 1. The cost is n log n in the number of fields: they are foreign, and a list
 *    of 64 KiB may hold ten thousand of them.
 * 2. A body with U+0000 is binary: JSON could carry it, but many readers and
 *    databases behind it cannot.
 *
 * Any thread.
 */
#include "append.h"

#include <stdlib.h>
#include <string.h>

#include "callbackd/headers.h"
#include "callbackd/text.h"
#include "plain.h"

/* A field, and the next one of the same name. */
struct field {
	struct header_field part;
	struct field *next_same; /* NULL: the last one */
	bool is_first;           /* of its name */
};

static size_t
count_fields(const char *headers)
{
	struct header_field part;
	size_t count = 0;
	while (headers_next(&headers, &part))
		count++;
	return count;
}

static int
compare_names(const struct header_field *a, const struct header_field *b)
{
	size_t len = a->name_len < b->name_len ? a->name_len : b->name_len;
	for (size_t i = 0; i < len; i++) {
		int step = text_lower(a->name[i]) - text_lower(b->name[i]);
		if (step != 0)
			return step;
	}
	return (a->name_len > b->name_len) - (a->name_len < b->name_len);
}

/* By name, and within a name by place: fields lie in one text, in order. */
static int
compare_fields(const void *a, const void *b)
{
	const struct field *left = *(struct field *const *)a;
	const struct field *right = *(struct field *const *)b;
	int order = compare_names(&left->part, &right->part);
	if (order != 0)
		return order;
	return (left > right) - (left < right);
}

/* Chains the fields of one name. sorted has room for count. */
static void
chain_fields(struct field *fields, size_t count, struct field **sorted)
{
	for (size_t i = 0; i < count; i++)
		sorted[i] = &fields[i];
	qsort(sorted, count, sizeof(*sorted), compare_fields);
	for (size_t i = 0; i < count; i++) {
		sorted[i]->is_first = i == 0 ||
		    compare_names(&sorted[i - 1]->part, &sorted[i]->part) != 0;
		if (!sorted[i]->is_first)
			sorted[i - 1]->next_same = sorted[i];
	}
}

/* One member, all values of a name joined. */
static void
put_field(struct buf *out, const struct field *field, struct buf *scratch)
{
	put_string_n(out, field->part.name, field->part.name_len);
	put_json(out, ":");
	if (field->next_same == NULL) {
		put_string_n(out, field->part.value, field->part.value_len);
		return;
	}
	buf_clear(scratch);
	for (const struct field *one = field; one; one = one->next_same) {
		if (one != field)
			put_json(scratch, ", ");
		buf_append(scratch, one->part.value, one->part.value_len);
	}
	put_string_n(out, buf_text(scratch), scratch->len);
}

static bool
put_fields(struct buf *out, const struct field *fields, size_t count)
{
	struct buf scratch;
	buf_init(&scratch, 2 * HEADERS_MAX_BYTES);
	put_json(out, ",\"headers\":{");
	for (size_t i = 0; i < count; i++) {
		if (!fields[i].is_first)
			continue;
		if (i > 0) /* the first of all is a first of its name */
			put_json(out, ",");
		put_field(out, &fields[i], &scratch);
	}
	put_json(out, "}");
	bool good = !buf_failed(&scratch);
	buf_free(&scratch);
	return good;
}

static bool
put_headers(struct buf *out, const char *headers)
{
	size_t count = count_fields(headers);
	struct field *fields = calloc(count + 1, sizeof(*fields));
	struct field **sorted = calloc(count + 1, sizeof(struct field *));
	bool good = fields != NULL && sorted != NULL;

	for (size_t i = 0; good && i < count; i++)
		good = headers_next(&headers, &fields[i].part);
	if (good) {
		chain_fields(fields, count, sorted);
		good = put_fields(out, fields, count);
	}
	free(sorted);
	free(fields);
	return good;
}

static bool
body_is_text(const char *body, size_t len)
{
	return memchr(body, '\0', len) == NULL && text_is_utf8(body, len);
}

static bool
put_body(struct buf *out, const struct blob *blob)
{
	const char *body = blob_data(blob);
	size_t len = blob_len(blob);

	if (body_is_text(body, len)) {
		put_json(out, ",\"body\":");
		put_string_n(out, body, len);
		return true;
	}
	char *encoded = malloc(text_base64_size(len));
	if (encoded == NULL)
		return false;
	text_base64(body, len, encoded);
	put_json(out, ",\"body_base64\":");
	put_string(out, encoded);
	free(encoded);
	return true;
}

bool
result_append(struct buf *out, const struct payload *result)
{
	return put_headers(out, result->headers) &&
	    put_body(out, result->body) && !buf_failed(out);
}
