/* memory_table.c - rows of the memory store, and a way back.
 *
 * 1. Slots are sorted by seq. Ids rise, so that a new row nearly always goes to
 *    the end.
 * 2. A row is never changed in place: a change puts a new row into its slot and
 *    the old one into the journal.
 * 3. A slot whose row was removed stays, empty, until half of the table is
 *    empty slots; so the slots of a journal stay where they are.
 *
 * Thread: the one in a turn of the ledger.
 */
#include "memory_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The array with room for one more, moved perhaps; NULL, and the array is as it
 * was, when memory is out. */
static void *
with_room(void *array, size_t count, size_t *room, size_t size)
{
	size_t more = *room == 0 ? 64 : *room * 2;
	void *moved;

	if (count < *room)
		return array;
	moved = reallocarray(array, more, size);
	if (moved != NULL)
		*room = more;
	return moved;
}

struct row *
row_new(void)
{
	struct row *row = calloc(1, sizeof(*row));

	if (row == NULL)
		return NULL;
	job_init(&row->job);
	delivery_init(&row->delivery);
	return row;
}

void
row_free(struct row *row)
{
	if (row == NULL)
		return;
	job_clear(&row->job);
	payload_clear(&row->request);
	payload_clear(&row->response);
	delivery_clear(&row->delivery);
	free(row);
}

struct row *
row_copy(const struct row *from)
{
	struct row *row = row_new();

	if (row == NULL)
		return NULL;
	row->has_response = from->has_response;
	memcpy(row->fingerprint, from->fingerprint, sizeof(row->fingerprint));
	if (job_copy(&row->job, &from->job) &&
	    delivery_copy(&row->delivery, &from->delivery) &&
	    payload_copy(&row->request, &from->request) &&
	    payload_copy(&row->response, &from->response))
		return row;
	row_free(row);
	return NULL;
}

size_t
table_slot_at(const struct table *table, int64_t seq)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->slots[middle].seq < seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct row *
table_find(const struct table *table, int64_t seq)
{
	size_t at = table_slot_at(table, seq);

	if (at == table->count || table->slots[at].seq != seq)
		return NULL;
	return table->slots[at].row;
}

/* Puts a row, or nothing, into the slot of a seq that is there. */
static struct row *
exchange(struct table *table, int64_t seq, struct row *row)
{
	struct slot *slot = &table->slots[table_slot_at(table, seq)];
	struct row *before = slot->row;

	assert(slot->seq == seq);
	table->empty_count += (row == NULL) - (size_t)(before == NULL);
	slot->row = row;
	return before;
}

/* Makes an empty slot for seq, unless it has one. */
static bool
make_slot(struct table *table, int64_t seq)
{
	size_t at = table_slot_at(table, seq);
	struct slot *slots;

	if (at < table->count && table->slots[at].seq == seq)
		return true;
	slots = with_room(table->slots, table->count, &table->room,
	    sizeof(*slots));
	if (slots == NULL)
		return false;
	memmove(&slots[at + 1], &slots[at],
	    (table->count - at) * sizeof(*slots));
	slots[at] = (struct slot){ seq, NULL };
	table->slots = slots;
	table->count++;
	table->empty_count++;
	return true;
}

bool
table_put(struct table *table, struct journal *journal, int64_t seq,
    struct row *row)
{
	struct entry *entries = with_room(journal->entries, journal->count,
	    &journal->room, sizeof(*entries));

	if (entries == NULL)
		return false;
	journal->entries = entries;
	if (!make_slot(table, seq))
		return false;
	entries[journal->count++] = (struct entry){ table, seq,
		exchange(table, seq, row) };
	return true;
}

void
table_compact(struct table *table)
{
	size_t kept = 0;

	if (table->empty_count * 2 <= table->count)
		return;
	for (size_t i = 0; i < table->count; i++)
		if (table->slots[i].row != NULL)
			table->slots[kept++] = table->slots[i];
	table->count = kept;
	table->empty_count = 0;
}

void
table_free(struct table *table)
{
	for (size_t i = 0; i < table->count; i++)
		row_free(table->slots[i].row);
	free(table->slots);
}

void
journal_forget(struct journal *journal)
{
	while (journal->count > 0)
		row_free(journal->entries[--journal->count].row);
}

void
journal_undo(struct journal *journal)
{
	while (journal->count > 0) {
		struct entry *last = &journal->entries[--journal->count];

		row_free(exchange(last->table, last->seq, last->row));
	}
}
