/* line.h - who is next? A line of waiting things, in order of rank and number.
 *
 * A sorted set of small items that stays cheap with millions in it: joining at
 * the end and leaving at the front cost nothing that grows, everything else a
 * binary search and a move within one block (24 bytes an item). What walks the
 * line says so. Pure; one thread.
 */
#ifndef CALLBACKD_LINE_H
#define CALLBACKD_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct line_item {
	int64_t rank; /* lower goes first: a priority, or a moment in ms */
	int64_t seq; /* among equals, lower goes first; (rank, seq) is unique */
	uint32_t bytes; /* the owner's: what the waiting thing weighs */
	uint32_t tag;   /* the owner's */
};

struct line; /* opaque */

struct line *line_new(void); /* NULL: no memory */
void line_free(struct line **line);

/* False when memory is out. Joining twice is an error of ours. */
bool line_join(struct line *line, const struct line_item *item);

/* The one in front; NULL when nobody waits. Valid until the next change. */
const struct line_item *line_first(const struct line *line);
void line_drop_first(struct line *line);

/* Takes one out from anywhere. False when it is not there. */
bool line_leave(struct line *line, int64_t rank, int64_t seq);

/* How many stand before (rank, seq), whether or not that one is there. Looks at
 * one in 256 of those between it and the nearer end. */
int64_t line_before(const struct line *line, int64_t rank, int64_t seq);
int64_t line_count(const struct line *line);

/* The first at or behind (rank, seq); NULL when there is none. Valid until the
 * next change. */
const struct line_item *line_at(const struct line *line, int64_t rank,
    int64_t seq);

/* The rank of one that is known by its number alone. False when it is not
 * there. Walks the line. */
bool line_find(const struct line *line, int64_t seq, int64_t *rank_out);

/* What all of them weigh together. Walks the whole line. */
int64_t line_bytes(const struct line *line);

#endif
