/* tally.h - did every job come back, once, and how fast?
 *
 * One ticket for each job of a run, found by its token. A token is a number
 * that no other run has; the job's body is made from it, so that whoever holds
 * a body and a token can tell whether they belong together.
 */
#ifndef BENCH_TALLY_H
#define BENCH_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TOKEN_BYTES = 16 }; /* as text: hexadecimal digits */

struct ticket {
	int64_t due_ns;      /* when it was, or should have been, sent */
	int32_t accepted_us; /* after that; -1 while it was not */
	int32_t ended_us;    /* the first callback; -1 while there is none */
	bool refused;        /* answered, but not with 202 */
	bool lost;           /* no answer: it may have been accepted */
};

struct tally {
	struct ticket *tickets;
	size_t count;
	size_t room;
	uint64_t first_token; /* of tickets[0] */
	int64_t last_accepted_ns;
	int64_t last_ended_ns;
	size_t accepted;
	size_t refused;
	size_t lost;
	size_t ended;    /* of the accepted ones, with a right callback */
	size_t repeated; /* callbacks after the first */
	size_t wrong;    /* callbacks with another body, token or signature */
};

/* 50th and 99th of a hundred, in milliseconds. */
struct percentiles {
	double p50_ms;
	double p99_ms;
};

/* Begins a run. Tokens of the runs before are unknown from now on. */
void tally_begin(struct tally *tally);

/* Makes the next job's ticket and returns its token. */
uint64_t tally_add(struct tally *tally, int64_t due_ns);

/* The ticket of a token, NULL if no job of this run has it. */
struct ticket *tally_find(struct tally *tally, uint64_t token);

/* The answer to the request: 202 or not; then the callback. */
void tally_answer(struct tally *tally, uint64_t token, bool accepted);
void tally_lose(struct tally *tally, uint64_t token);
void tally_callback(struct tally *tally, uint64_t token);

/* Jobs that are neither refused nor called back. */
size_t tally_outstanding(const struct tally *tally);

struct percentiles tally_accept_times(const struct tally *tally);
struct percentiles tally_end_times(const struct tally *tally);

/* ---- tokens and bodies ---- */

void token_write(uint64_t token, char *text_out);
bool token_read(const char *text, size_t bytes, uint64_t *token_out);

/* The part of a body after the token. It stays where it is for ever; another
 * token's differs in its first bytes already. */
const char *body_filler(uint64_t token, size_t body_bytes);

/* Does text hold the token and the rest of its body, of body_bytes in all? */
bool body_is_in(const char *text, size_t bytes, uint64_t token,
    size_t body_bytes);

#endif
