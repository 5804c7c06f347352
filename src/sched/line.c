/* line.c - a line of waiting things, in blocks.
 *
 * The items lie sorted in blocks of at most BLOCK_ITEMS, and the blocks lie
 * sorted in one array. Joining at the end fills the last block to the brim, so
 * a backlog in order of arrival wastes nothing. How many are before an item is
 * counted from the nearer end, by the array alone: nothing to count for who
 * joins, about a microsecond in the middle of a million.
 *
 * Invariants
 *  1. No block is empty; within and across blocks items rise by (rank, seq).
 *  2. count is the sum of all blocks' counts.
 */
#include "callbackd/line.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_ITEMS 256 /* 6 KiB: one move within it is cheaper than a miss */

struct block {
	struct line_item *items; /* room for BLOCK_ITEMS; owned */
	uint32_t first;          /* leading ones that have left */
	uint32_t end;            /* one past the last */
};

struct line {
	struct block *blocks;
	size_t first_block; /* leading slots that are empty */
	size_t end_block;
	size_t room;
	int64_t count;
};

struct line *
line_new(void)
{
	return calloc(1, sizeof(struct line));
}

void
line_free(struct line **line)
{
	if (*line == NULL)
		return;
	for (size_t i = (*line)->first_block; i < (*line)->end_block; i++)
		free((*line)->blocks[i].items);
	free((*line)->blocks);
	free(*line);
	*line = NULL;
}

static bool
goes_before(const struct line_item *item, int64_t rank, int64_t seq)
{
	if (item->rank != rank)
		return item->rank < rank;
	return item->seq < seq;
}

/* The first block whose last item is not before (rank, seq); end_block when
 * there is none. */
static size_t
find_block(const struct line *line, int64_t rank, int64_t seq)
{
	size_t low = line->first_block;
	size_t high = line->end_block;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct block *block = &line->blocks[middle];

		if (goes_before(&block->items[block->end - 1], rank, seq))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static size_t
find_in_block(const struct block *block, int64_t rank, int64_t seq)
{
	size_t low = block->first;
	size_t high = block->end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (goes_before(&block->items[middle], rank, seq))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Makes sure that one more block fits into the array, moving it to the front
 * of its memory when half of that is empty. */
static bool
make_room(struct line *line)
{
	size_t used = line->end_block - line->first_block;
	size_t room;
	struct block *grown;

	if (line->end_block < line->room)
		return true;
	if (line->first_block > line->room / 2) {
		memmove(line->blocks, line->blocks + line->first_block,
		    used * sizeof(*line->blocks));
		line->first_block = 0;
		line->end_block = used;
		return true;
	}
	room = line->room == 0 ? 8 : line->room * 2;
	grown = realloc(line->blocks, room * sizeof(*grown));
	if (grown == NULL)
		return false;
	line->blocks = grown;
	line->room = room;
	return true;
}

static bool
insert_block(struct line *line, size_t at)
{
	size_t from_front = at - line->first_block;
	struct line_item *items;

	if (!make_room(line))
		return false;
	items = malloc(BLOCK_ITEMS * sizeof(*items));
	if (items == NULL)
		return false;
	at = line->first_block + from_front;
	memmove(line->blocks + at + 1, line->blocks + at,
	    (line->end_block - at) * sizeof(*line->blocks));
	line->blocks[at] = (struct block){ .items = items };
	line->end_block++;
	return true;
}

static void
remove_block(struct line *line, size_t at)
{
	free(line->blocks[at].items);
	if (at == line->first_block) {
		line->first_block++;
		return;
	}
	memmove(line->blocks + at, line->blocks + at + 1,
	    (line->end_block - at - 1) * sizeof(*line->blocks));
	line->end_block--;
}

/* Moves the upper half of a full block into a new one behind it. */
static bool
split_block(struct line *line, size_t at)
{
	size_t from_front = at - line->first_block;
	struct block *lower;
	struct block *upper;
	uint32_t keep;

	if (!insert_block(line, at + 1))
		return false;
	lower = &line->blocks[line->first_block + from_front];
	upper = lower + 1;
	keep = lower->first + (lower->end - lower->first) / 2;
	upper->end = lower->end - keep;
	memcpy(upper->items, lower->items + keep,
	    upper->end * sizeof(*upper->items));
	lower->end = keep;
	return true;
}

static void
pack_block(struct block *block)
{
	uint32_t used = block->end - block->first;

	memmove(block->items, block->items + block->first,
	    used * sizeof(*block->items));
	block->first = 0;
	block->end = used;
}

static void
put_into_block(struct block *block, const struct line_item *item)
{
	size_t at;

	if (block->end == BLOCK_ITEMS)
		pack_block(block);
	at = find_in_block(block, item->rank, item->seq);
	assert(at == block->end || block->items[at].rank != item->rank ||
	    block->items[at].seq != item->seq);
	memmove(block->items + at + 1, block->items + at,
	    (block->end - at) * sizeof(*block->items));
	block->items[at] = *item;
	block->end++;
}

static bool
is_full(const struct block *block)
{
	return block->end - block->first == BLOCK_ITEMS;
}

/* The block that item belongs into, with room in it; NULL: no memory. */
static struct block *
block_for(struct line *line, const struct line_item *item)
{
	size_t at = find_block(line, item->rank, item->seq);
	size_t from_front;

	if (at == line->end_block && at > line->first_block &&
	    !is_full(&line->blocks[at - 1]))
		return &line->blocks[at - 1];
	from_front = at - line->first_block;
	if (at == line->end_block) {
		if (!insert_block(line, at))
			return NULL;
		return &line->blocks[line->first_block + from_front];
	}
	if (is_full(&line->blocks[at]) && !split_block(line, at))
		return NULL;
	return &line->blocks[find_block(line, item->rank, item->seq)];
}

bool
line_join(struct line *line, const struct line_item *item)
{
	struct block *block = block_for(line, item);

	if (block == NULL)
		return false;
	put_into_block(block, item);
	line->count++;
	return true;
}

const struct line_item *
line_first(const struct line *line)
{
	const struct block *block;

	if (line->count == 0)
		return NULL;
	block = &line->blocks[line->first_block];
	return &block->items[block->first];
}

void
line_drop_first(struct line *line)
{
	struct block *block = &line->blocks[line->first_block];

	assert(line->count > 0);
	block->first++;
	line->count--;
	if (block->first == block->end)
		remove_block(line, line->first_block);
}

bool
line_leave(struct line *line, int64_t rank, int64_t seq)
{
	size_t at = find_block(line, rank, seq);
	struct block *block;
	size_t i;

	if (at == line->end_block)
		return false;
	block = &line->blocks[at];
	i = find_in_block(block, rank, seq);
	if (block->items[i].rank != rank || block->items[i].seq != seq)
		return false;
	memmove(block->items + i, block->items + i + 1,
	    (block->end - i - 1) * sizeof(*block->items));
	block->end--;
	line->count--;
	if (block->first == block->end)
		remove_block(line, at);
	return true;
}

/* Of the blocks from one up to another. */
static int64_t
items_in(const struct line *line, size_t from, size_t to)
{
	int64_t items = 0;

	for (size_t i = from; i < to; i++)
		items += line->blocks[i].end - line->blocks[i].first;
	return items;
}

int64_t
line_before(const struct line *line, int64_t rank, int64_t seq)
{
	size_t at = find_block(line, rank, seq);
	bool is_near_front = at - line->first_block < line->end_block - at;
	int64_t before = is_near_front
	    ? items_in(line, line->first_block, at)
	    : line->count - items_in(line, at, line->end_block);

	if (at < line->end_block)
		before += (int64_t)find_in_block(&line->blocks[at], rank, seq) -
		    line->blocks[at].first;
	return before;
}

const struct line_item *
line_at(const struct line *line, int64_t rank, int64_t seq)
{
	size_t at = find_block(line, rank, seq);
	const struct block *block;

	if (at == line->end_block)
		return NULL;
	block = &line->blocks[at];
	return &block->items[find_in_block(block, rank, seq)];
}

int64_t
line_count(const struct line *line)
{
	return line->count;
}

bool
line_find(const struct line *line, int64_t seq, int64_t *rank_out)
{
	for (size_t i = line->first_block; i < line->end_block; i++) {
		const struct block *block = &line->blocks[i];

		for (size_t j = block->first; j < block->end; j++) {
			if (block->items[j].seq != seq)
				continue;
			*rank_out = block->items[j].rank;
			return true;
		}
	}
	return false;
}

int64_t
line_bytes(const struct line *line)
{
	int64_t bytes = 0;

	for (size_t i = line->first_block; i < line->end_block; i++) {
		const struct block *block = &line->blocks[i];

		for (size_t j = block->first; j < block->end; j++)
			bytes += block->items[j].bytes;
	}
	return bytes;
}
