/* json.h - reading and writing JSON, strictly.
 *
 * The writer puts text into a buf and stops at its first error; the reader
 * turns a text into a small tree with ceilings on depth and size. Both refuse
 * what RFC 8259 and RFC 3629 refuse. yajl stays inside src/base/json.c.
 */
#ifndef CALLBACKD_JSON_H
#define CALLBACKD_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "callbackd/buf.h"
#include "callbackd/text.h"

/* ---- writing ---- */

struct json_writer; /* opaque */

/* Writes compact JSON at the end of out, which is borrowed. NULL: no memory. */
struct json_writer *json_writer_new(struct buf *out);

/* Ends writing. True when everything written was legal, complete and fitted. */
bool json_writer_end(struct json_writer **writer);

void json_object(struct json_writer *writer);
void json_object_end(struct json_writer *writer);
void json_array(struct json_writer *writer);
void json_array_end(struct json_writer *writer);
void json_key(struct json_writer *writer, const char *key);

/* A NULL string is null. Bytes that are not UTF-8 are replaced by U+FFFD. */
void json_string(struct json_writer *writer, const char *text);
void json_string_n(struct json_writer *writer, const char *text, size_t len);
void json_int(struct json_writer *writer, int64_t value);
void json_real(struct json_writer *writer, double value); /* NaN, Inf: null */
void json_bool(struct json_writer *writer, bool value);
void json_null(struct json_writer *writer);

/* A moment as RFC 3339; negative is null. */
void json_time(struct json_writer *writer, int64_t at_ms);

/* A value that is JSON already, put in as it is; the caller vouches for it. */
void json_raw(struct json_writer *writer, const char *json, size_t len);

/* key and value in one breath, for the common cases. */
void json_put_string(struct json_writer *writer, const char *key,
    const char *text);
void json_put_int(struct json_writer *writer, const char *key, int64_t value);
void json_put_bool(struct json_writer *writer, const char *key, bool value);
void json_put_time(struct json_writer *writer, const char *key, int64_t at_ms);
void json_put_null(struct json_writer *writer, const char *key);

/* ---- reading ---- */

#define JSON_MAX_DEPTH 64
#define JSON_MAX_NODES 200000 /* values in one text; a batch of 10,000 fits */

enum json_kind {
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER, /* text kept as written */
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

/* A value. Children in order of appearance. Belongs to its document. */
struct json_value {
	enum json_kind kind;
	bool truth;       /* JSON_BOOL */
	const char *key;  /* name in the parent object, else NULL */
	const char *text; /* JSON_STRING decoded, JSON_NUMBER raw */
	size_t text_len;
	size_t offset;            /* where it ends in the input, bytes */
	struct json_value *first; /* JSON_ARRAY, JSON_OBJECT: first child */
	struct json_value *next;  /* next sibling */
	size_t count;             /* children */
};

struct json_document; /* opaque; owns the tree */

/* Parses one complete text. Refused: bad UTF-8, U+0000, lone surrogates,
 * repeated keys, more than JSON_MAX_DEPTH levels or JSON_MAX_NODES values,
 * anything after the value. NULL then, and why_out says what and at which
 * byte. */
struct json_document *json_parse(const char *text, size_t len,
    struct reason *why_out);
const struct json_value *json_root(const struct json_document *document);
void json_document_free(struct json_document **document);

/* The member of that name; NULL when absent or value is not an object. */
const struct json_value *json_member(const struct json_value *value,
    const char *key);

/* Exact integer within min .. max ("5", not "5.0" or "5e0"). */
bool json_to_int(const struct json_value *value, int64_t min, int64_t max,
    int64_t *out);

#endif
