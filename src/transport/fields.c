/* fields.c - the upstream sees exactly the fields it was meant to see.
 *
 * 1. libcurl's words for its list: "Name: value" is sent as it is, "Name;"
 *    sends the name with an empty value, "Name:" sends nothing and keeps
 *    libcurl from adding a field of that name.
 * 2. Fields that frame the message or belong to the connection are libcurl's:
 *    one of ours beside them would be a request smuggled (RFC 9112, 11.2).
 * 3. Nodes and text lie in one block, in this order; free() of the list ends
 *    it. curl_slist_free_all must not be used on it.
 *
 * Any thread.
 */
#include "transport.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What libcurl would say of its own accord. Expect would cost a round trip, or
 * a second with a peer that does not know it. */
static char no_expect[] = "Expect:";
static char no_accept[] = "Accept:";
static char no_content_type[] = "Content-Type:";

enum {
	WORDS_MAX = 3 /* of the above */
};

/* A list being written. */
struct list {
	struct curl_slist *nodes;
	size_t count;
	bool has_accept;
	bool has_content_type;
};

static void
add(struct list *list, char *line)
{
	struct curl_slist *node = &list->nodes[list->count];

	node->data = line;
	node->next = NULL;
	if (list->count > 0)
		list->nodes[list->count - 1].next = node;
	list->count++;
}

static bool
is_ours(const struct header_field *field)
{
	return header_is(field, "content-length") ||
	    header_is(field, "expect") ||
	    header_is_hop_by_hop(field->name, field->name_len, NULL);
}

/* Turns the field of the copied text into a line of libcurl's, in place. */
static void
add_field(struct list *list, const struct header_field *field, char *name)
{
	if (header_is(field, "accept"))
		list->has_accept = true;
	if (header_is(field, "content-type"))
		list->has_content_type = true;
	if (field->value_len > 0) {
		name[field->value - field->name + (ptrdiff_t)field->value_len] =
		    '\0';
	} else {
		name[field->name_len] = ';';
		name[field->name_len + 1] = '\0'; /* a blank or newline */
	}
	add(list, name);
}

static size_t
count_lines(const char *text)
{
	size_t count = 1;

	for (; (text = strchr(text, '\n')) != NULL; text++)
		count++;
	return count;
}

struct curl_slist *
fields_new(const char *headers, bool sends_body)
{
	const char *text = headers != NULL ? headers : "";
	size_t node_max = count_lines(text) + WORDS_MAX;
	size_t text_size = strlen(text) + 2; /* "Name:" may grow by one */
	struct list list = { 0 };
	struct header_field field;
	const char *cursor = text;
	char *copy;

	list.nodes = malloc(node_max * sizeof(struct curl_slist) + text_size);
	if (list.nodes == NULL)
		return NULL;
	copy = (char *)&list.nodes[node_max];
	memcpy(copy, text, text_size - 1);
	while (headers_next(&cursor, &field))
		if (!is_ours(&field))
			add_field(&list, &field, copy + (field.name - text));
	add(&list, no_expect);
	if (!list.has_accept)
		add(&list, no_accept);
	if (sends_body && !list.has_content_type)
		add(&list, no_content_type);
	return list.nodes;
}
