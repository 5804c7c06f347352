/* counts.h - who asked for what, how often, and how many at once?
 *
 * Counts by name, and how many of that name are under way. Single thread.
 */
#ifndef PEERS_COUNTS_H
#define PEERS_COUNTS_H

#include <stdint.h>

#include <event2/buffer.h>

/* What a name stands for; the same text may be counted as each. */
enum count_kind {
	COUNT_ALL,  /* every request; the name is "" */
	COUNT_PATH, /* the path */
	COUNT_KEY,  /* who asked: see peer.h */
	COUNT_PAIR, /* path and key together */
};

struct count {
	enum count_kind kind;
	char *name;
	int64_t seen;     /* begun */
	int64_t now;      /* begun and not ended */
	int64_t most_now; /* the highest now ever was */
};

struct counts {
	void *root; /* search.h tree of struct count */
};

/* The count of that name, made when it is new. */
struct count *counts_at(struct counts *counts, enum count_kind kind,
    const char *name);

void count_begin(struct count *count);
void count_end(struct count *count);

/* Appends all of it: {"total","now","most_at_once","most_at_once_of_a_key",
 * "paths":{NAME:N},"keys":{NAME:N}}. */
void counts_json(struct counts *counts, struct evbuffer *out);

void counts_free(struct counts *counts);

#endif
