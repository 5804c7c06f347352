/* memory_table.h - rows of the memory store, and a way back.
 *
 * Two tables, of jobs and of deliveries, and one journal of what the open
 * transaction has changed in them.
 */
#ifndef CALLBACKD_STORE_MEMORY_TABLE_H
#define CALLBACKD_STORE_MEMORY_TABLE_H

#include <stddef.h>

#include "callbackd/job.h"
#include "callbackd/sign.h"

struct row {
	struct job job;
	struct payload request, response;
	bool has_response;
	char fingerprint[SHA256_HEX_SIZE]; /* with a key, else "" */
	struct delivery delivery; /* in the other table; a job's is empty */
};

struct slot {
	int64_t seq;
	struct row *row; /* NULL: removed */
};

struct table {
	struct slot *slots; /* rising seq */
	size_t count, room;
	size_t empty_count;
};

/* What a slot held before a write of the open transaction. */
struct entry {
	struct table *table;
	int64_t seq;
	struct row *row; /* NULL: nothing */
};

struct journal {
	struct entry *entries;
	size_t count, room;
};

/* Empty, or a deep copy; NULL when memory is out. */
struct row *row_new(void);
struct row *row_copy(const struct row *from);
void row_free(struct row *row); /* NULL is fine */

/* The first slot at or after seq. */
size_t table_slot_at(const struct table *table, int64_t seq);
/* NULL: no such row. */
struct row *table_find(const struct table *table, int64_t seq);
/* Puts a row, or nothing, where it belongs, and notes in the journal what was
 * there. Takes the row, but not when memory is out: false. */
bool table_put(struct table *table, struct journal *journal, int64_t seq,
    struct row *row);
/* Forgets slots without rows, once they are many. Not with an open journal. */
void table_compact(struct table *table);
void table_free(struct table *table);

/* Frees what the journal kept; or puts it back, last first. */
void journal_forget(struct journal *journal);
void journal_undo(struct journal *journal);

#endif
