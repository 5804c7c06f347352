/* json_tree.h - the tree of a JSON text while it grows, and its memory.
 *
 * Private to src/base: json.c feeds it what the parser meets, in order. Each
 * step can be refused; the tree is then only good for json_document_free.
 * Thread: that of the document's owner.
 */
#ifndef CALLBACKD_JSON_TREE_H
#define CALLBACKD_JSON_TREE_H

#include "callbackd/json.h"

/* Why a step was refused; NULL when it was not. Text for a struct reason, in
 * static memory or in the document. */
typedef const char *json_refusal;

/* text_len guesses how much memory will be needed. NULL: no memory. */
struct json_document *json_tree_new(size_t text_len);

/* The name of the value that comes next. */
json_refusal json_tree_key(struct json_document *document, const char *key,
    size_t len);

/* A value that has no children; text is copied, NULL for null and booleans. */
json_refusal json_tree_add(struct json_document *document,
    const struct json_value *value);

/* An array or an object, until json_tree_close, which is given the offset
 * behind its bracket. */
json_refusal json_tree_open(struct json_document *document,
    enum json_kind kind);
json_refusal json_tree_close(struct json_document *document, size_t offset);

#endif
