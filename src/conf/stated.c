/* stated.c - what a configuration file states, and the table where it is silent.
 *
 * The records that parse.c brings are kept as they came; the tree is an index
 * of them. A section is followed by what stands in it:
 *
 *     (whole)  listen  listen  store ...  queue  path ...  backoff  initial ...
 *     span: all                           span: to the next queue
 *
 * Reading may be repeated any number of times: nothing is kept between.
 *
 * Thread: main.
 */
#include "stated.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

#define DEPTH_MAX 3 /* the whole, a section, a section in it */

static_assert(sizeof(struct written) == sizeof(int32_t) &&
	_Alignof(struct written) <= PARSED_ALIGN,
    "the end of a record is one");

/* ---- records to a tree ---- */

/* The record there; NULL behind the last, and where there is no whole one. */
static const struct parsed *
record_at(const struct buf *records, size_t at)
{
	const struct parsed *record = (const void *)(records->data + at);

	if (records->len - at < sizeof(*record) ||
	    record->text_bytes > records->len - at - sizeof(*record))
		return NULL;
	return record;
}

static size_t
size_of(const struct parsed *record)
{
	return sizeof(*record) + record->text_bytes;
}

/* One for each record that is not an end, and the whole. */
static size_t
count_stated(const struct buf *records)
{
	const struct parsed *record;
	size_t count = 1;

	for (size_t at = 0; (record = record_at(records, at)) != NULL;
	     at += size_of(record))
		count += record->kind != PARSED_END;
	return count;
}

static bool
tell_faults(const struct buf *records, struct complaints *out)
{
	const struct parsed *record;
	size_t before = out->count;
	char text[SHOWN_SIZE];

	for (size_t at = 0; (record = record_at(records, at)) != NULL;
	     at += size_of(record)) {
		const char *what = (const char *)(record + 1);

		if (record->kind == PARSED_FAULT)
			complain_at(out, record->line, "%s",
			    shown(what, strlen(what), text));
	}
	return out->count > before;
}

static const char *
name_of(const struct parsed *record)
{
	return record->kind == PARSED_SECTION
	    ? schema_nth_section(record->number)->name
	    : schema_nth(record->number)->name;
}

static void
build_tree(struct statement *statement)
{
	const struct parsed *record;
	size_t open[DEPTH_MAX] = { 0 };
	size_t depth = 1;
	size_t count = 1;

	statement->all[0] = (struct stated){ .name = "" };
	for (size_t at = 0; (record = record_at(&statement->bytes, at)) != NULL;
	     at += size_of(record)) {
		if (record->kind == PARSED_END) {
			struct stated *section = &statement->all[open[--depth]];

			section->span = count - open[depth];
			continue;
		}
		assert(depth < DEPTH_MAX || record->kind != PARSED_SECTION);
		if (record->kind == PARSED_SECTION)
			open[depth++] = count;
		statement->all[count++] = (struct stated){ name_of(record),
			(const struct written *)&record->line, 1,
			record->is_given != 0 };
	}
	assert(depth == 1);
	statement->all[0].span = count;
}

bool
stated_read(const char *text, size_t given_count, struct complaints *out,
    struct statement *statement_out)
{
	struct reason why;

	buf_init(&statement_out->bytes, PARSED_MAX_BYTES);
	statement_out->all = NULL;
	if (!parse_text(text, given_count, &statement_out->bytes, &why)) {
		complain_at(out, 0, "libConfuse could not read it: %s",
		    why.text);
		return false;
	}
	if (tell_faults(&statement_out->bytes, out))
		return false;
	statement_out->all = calloc(count_stated(&statement_out->bytes),
	    sizeof(*statement_out->all));
	if (statement_out->all == NULL) {
		complain_at(out, 0, "no memory left to read it");
		return false;
	}
	build_tree(statement_out);
	return true;
}

void
stated_free(struct statement *statement)
{
	buf_free(&statement->bytes);
	free(statement->all);
	statement->all = NULL;
}

/* ---- questions ---- */

/* The i-th of that name in the section; NULL when there are fewer. */
static const struct stated *
find(const struct stated *section, const char *name, size_t i)
{
	const struct stated *end = section + section->span;

	for (const struct stated *next = section + 1; next < end;
	     next += next->span) {
		if (strcmp(next->name, name) == 0 && i-- == 0)
			return next;
	}
	return NULL;
}

const struct stated *
stated_section(const struct stated *section, const char *name, size_t i)
{
	const struct stated *found = find(section, name, i);

	assert(found != NULL);
	return found;
}

const struct written *
stated_value(const struct stated *section, const char *name, size_t i)
{
	return stated_section(section, name, i)->written;
}

size_t
stated_count(const struct stated *section, const char *name)
{
	const struct stated *end = section + section->span;
	size_t count = 0;

	for (const struct stated *next = section + 1; next < end;
	     next += next->span)
		count += strcmp(next->name, name) == 0;
	return count;
}

bool
stated_is_given(const struct stated *section, const char *name)
{
	return stated_section(section, name, 0)->is_given;
}
