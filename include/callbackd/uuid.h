/* uuid.h - names for things: UUIDv7, and the order of acceptance inside it.
 *
 * The first 60 free bits of an id (48 of milliseconds, 12 of a counter;
 * RFC 9562, 6.2 method 1) are its sequence number: one store gives each out
 * once, rising. So an id leads to its row without an index, and rows lie in
 * the order of acceptance. The other 62 bits are random: an id cannot be
 * guessed. Pure; any thread.
 */
#ifndef CALLBACKD_UUID_H
#define CALLBACKD_UUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UUID_TEXT_SIZE 37

struct uuid {
	int64_t seq;   /* 1 .. 2^60-1; 0 is "no id" */
	uint64_t salt; /* 62 random bits */
};

/* The next sequence number: that of now, or one more than last when the clock
 * stands still or has gone back. */
int64_t uuid_next_seq(int64_t last_seq, int64_t now_ms);

/* The first sequence number of a moment: for ranges by time. */
int64_t uuid_seq_at(int64_t at_ms);
int64_t uuid_ms(int64_t seq);

/* Canonical lower-case text; parsing takes either case and refuses every other
 * version or variant. */
void uuid_text(struct uuid id, char out[UUID_TEXT_SIZE]);
bool uuid_parse(const char *text, size_t len, struct uuid *out);
bool uuid_equal(struct uuid a, struct uuid b);
bool uuid_is_set(struct uuid id);

#endif
