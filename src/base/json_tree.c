/* json_tree.c - values in an arena, with ceilings and without twins.
 *
 * 1. Everything of a document lies in its chunks, so that freeing it is a walk
 *    along a list, however deep the tree: a recursion could be driven through
 *    the end of the stack from outside.
 * 2. Never more than JSON_MAX_DEPTH containers are open, nor JSON_MAX_NODES
 *    values made.
 * 3. When an object closes, no two of its keys are equal. Many keys are sorted
 *    for that: no input makes it quadratic, and there is no hash to attack.
 *
 * Thread: that of the document's owner.
 */
#include "json_tree.h"

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
	FEW_KEYS = 16,            /* compared pair by pair */
	LEAST_CHUNK_BYTES = 1024, /* a small request in one piece */
	USUAL_CHUNK_BYTES = 65536 /* larger texts, piece by piece */
};

struct chunk {
	struct chunk *next;
	size_t used;
	size_t size;
	alignas(max_align_t) char bytes[];
};

/* A container whose end has not come yet. */
struct level {
	struct json_value *container;
	struct json_value *last; /* its youngest child, NULL without one */
};

struct json_document {
	struct json_value *root;
	struct chunk *chunks; /* the first one has room, perhaps */
	size_t node_count;
	unsigned depth;
	struct level levels[JSON_MAX_DEPTH];
	const char *key; /* for the next value */
};

static const char no_memory[] = "out of memory";

/* ---- memory ---- */

static bool
add_chunk(struct json_document *document, size_t size)
{
	struct chunk *chunk;

	if (size > SIZE_MAX / 2)
		return false;
	chunk = malloc(sizeof(*chunk) + size);
	if (chunk == NULL)
		return false;
	chunk->next = document->chunks;
	chunk->used = 0;
	chunk->size = size;
	document->chunks = chunk;
	return true;
}

static void *
arena_take(struct json_document *document, size_t size)
{
	const size_t step = alignof(struct json_value);
	size_t rounded = (size + step - 1) / step * step;
	struct chunk *chunk = document->chunks;
	void *piece;

	if (chunk == NULL || chunk->size - chunk->used < rounded) {
		size_t least = USUAL_CHUNK_BYTES;

		if (!add_chunk(document, rounded > least ? rounded : least))
			return NULL;
		chunk = document->chunks;
	}
	piece = chunk->bytes + chunk->used;
	chunk->used += rounded;
	return piece;
}

static char *
arena_copy(struct json_document *document, const char *text, size_t len)
{
	char *copy = arena_take(document, len + 1);

	if (copy == NULL)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

struct json_document *
json_tree_new(size_t text_len)
{
	struct json_document *document = calloc(1, sizeof(*document));
	size_t size = LEAST_CHUNK_BYTES;

	if (document == NULL)
		return NULL;
	/* A node is some ten times the shortest value; real texts have some
	 * four bytes of tree a byte. */
	if (text_len > LEAST_CHUNK_BYTES / 4)
		size = text_len < USUAL_CHUNK_BYTES / 4 ? text_len * 4
							: USUAL_CHUNK_BYTES;
	if (!add_chunk(document, size)) {
		free(document);
		return NULL;
	}
	return document;
}

void
json_document_free(struct json_document **document)
{
	struct json_document *old = *document;

	*document = NULL;
	if (old == NULL)
		return;
	while (old->chunks != NULL) {
		struct chunk *chunk = old->chunks;

		old->chunks = chunk->next;
		free(chunk);
	}
	free(old);
}

/* ---- growth ---- */

json_refusal
json_tree_key(struct json_document *document, const char *key, size_t len)
{
	document->key = arena_copy(document, key, len);
	return document->key != NULL ? NULL : no_memory;
}

/* Hangs the value into the container that is open, or makes it the root. */
static void
attach(struct json_document *document, struct json_value *value)
{
	struct level *level;

	value->key = document->key;
	document->key = NULL;
	if (document->depth == 0) {
		assert(document->root == NULL);
		document->root = value;
		return;
	}
	level = &document->levels[document->depth - 1];
	if (level->last == NULL)
		level->container->first = value;
	else
		level->last->next = value;
	level->last = value;
	level->container->count++;
}

/* A copy of value in the tree. */
static json_refusal
grow(struct json_document *document, const struct json_value *value,
    struct json_value **made_out)
{
	struct json_value *made;

	if (document->node_count == JSON_MAX_NODES)
		return "too many values";
	made = arena_take(document, sizeof(*made));
	if (made == NULL)
		return no_memory;
	*made = *value;
	if (value->text != NULL) {
		made->text = arena_copy(document, value->text, value->text_len);
		if (made->text == NULL)
			return no_memory;
	}
	document->node_count++;
	attach(document, made);
	*made_out = made;
	return NULL;
}

json_refusal
json_tree_add(struct json_document *document, const struct json_value *value)
{
	struct json_value *made;

	return grow(document, value, &made);
}

json_refusal
json_tree_open(struct json_document *document, enum json_kind kind)
{
	struct json_value fresh = { .kind = kind };
	struct json_value *made;
	json_refusal refusal;

	if (document->depth == JSON_MAX_DEPTH)
		return "nested too deeply";
	refusal = grow(document, &fresh, &made);
	if (refusal != NULL)
		return refusal;
	document->levels[document->depth] = (struct level){ made, NULL };
	document->depth++;
	return NULL;
}

/* ---- twins ---- */

static int
compare_keys(const void *a, const void *b)
{
	const struct json_value *const *left = a;
	const struct json_value *const *right = b;

	return strcmp((*left)->key, (*right)->key);
}

static bool
few_keys_differ(const struct json_value *object)
{
	const struct json_value *a;
	const struct json_value *b;

	for (a = object->first; a != NULL; a = a->next)
		for (b = a->next; b != NULL; b = b->next)
			if (strcmp(a->key, b->key) == 0)
				return false;
	return true;
}

static json_refusal
check_keys(const struct json_value *object)
{
	static const char twins[] = "a key appears twice in one object";
	const struct json_value **sorted;
	size_t count = 0;
	json_refusal refusal = NULL;

	if (object->count <= FEW_KEYS)
		return few_keys_differ(object) ? NULL : twins;
	sorted = malloc(object->count * sizeof(*sorted));
	if (sorted == NULL)
		return no_memory;
	for (const struct json_value *child = object->first; child != NULL;
	     child = child->next)
		sorted[count++] = child;
	qsort(sorted, count, sizeof(*sorted), compare_keys);
	for (size_t i = 1; i < count && refusal == NULL; i++)
		if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0)
			refusal = twins;
	free(sorted);
	return refusal;
}

json_refusal
json_tree_close(struct json_document *document, size_t offset)
{
	struct json_value *container;

	assert(document->depth > 0);
	document->depth--;
	container = document->levels[document->depth].container;
	container->offset = offset;
	return container->kind == JSON_OBJECT ? check_keys(container) : NULL;
}

/* ---- reading the finished tree ---- */

const struct json_value *
json_root(const struct json_document *document)
{
	return document->root;
}

const struct json_value *
json_member(const struct json_value *value, const char *key)
{
	if (value == NULL || value->kind != JSON_OBJECT)
		return NULL;
	for (const struct json_value *child = value->first; child != NULL;
	     child = child->next)
		if (strcmp(child->key, key) == 0)
			return child;
	return NULL;
}

bool
json_to_int(const struct json_value *value, int64_t min, int64_t max,
    int64_t *out)
{
	return value != NULL && value->kind == JSON_NUMBER &&
	    text_int64(value->text, min, max, out);
}
