/* tally.c - tickets, and the bodies that tokens make.
 *
 * 1. accepted counts 202s, ended those of them that were called back: a
 *    callback may arrive before its 202 was read, so both orders are legal.
 * 2. A callback for a job that was refused, or of another run, is wrong.
 * 3. Bodies are letters and digits: JSON and base64 leave such text alone, or
 *    change all of it.
 *
 * One thread.
 */
#include "tally.h"

#include <stdlib.h>
#include <string.h>

#include "wire.h"

enum {
	RUN_SHIFT = 32,        /* a token is the run's number, then the job's */
	FILLER_OFFSETS = 4093, /* prime, so that neighbours differ */
	FILLER_BYTES = 4 * 1024 * 1024 + FILLER_OFFSETS,
};

void
tally_begin(struct tally *tally)
{
	struct ticket *tickets = tally->tickets;
	size_t room = tally->room;
	uint64_t run = (tally->first_token >> RUN_SHIFT) + 1;

	*tally = (struct tally){ .tickets = tickets,
		.room = room,
		.first_token = run << RUN_SHIFT };
}

uint64_t
tally_add(struct tally *tally, int64_t due_ns)
{
	if (tally->count == tally->room) {
		tally->room = tally->room * 2 + 65536;
		tally->tickets = realloc(tally->tickets,
		    tally->room * sizeof(*tally->tickets));
		if (tally->tickets == NULL)
			give_up("memory");
	}
	tally->tickets[tally->count] = (struct ticket){ .due_ns = due_ns,
		.accepted_us = -1,
		.ended_us = -1 };
	return tally->first_token + tally->count++;
}

struct ticket *
tally_find(struct tally *tally, uint64_t token)
{
	if (token < tally->first_token ||
	    token - tally->first_token >= tally->count)
		return NULL;
	return &tally->tickets[token - tally->first_token];
}

static int32_t
since_us(int64_t now, int64_t then)
{
	int64_t us = (now - then) / 1000;

	return us > INT32_MAX ? INT32_MAX : us < 0 ? 0 : (int32_t)us;
}

void
tally_answer(struct tally *tally, uint64_t token, bool accepted)
{
	struct ticket *ticket = tally_find(tally, token);
	int64_t now = now_ns();

	if (!accepted) {
		ticket->refused = true;
		tally->refused++;
		return;
	}
	ticket->accepted_us = since_us(now, ticket->due_ns);
	tally->last_accepted_ns = now;
	tally->accepted++;
}

void
tally_lose(struct tally *tally, uint64_t token)
{
	tally_find(tally, token)->lost = true;
	tally->lost++;
}

void
tally_callback(struct tally *tally, uint64_t token)
{
	struct ticket *ticket = tally_find(tally, token);
	int64_t now = now_ns();

	if (ticket == NULL || ticket->refused) {
		tally->wrong++;
		return;
	}
	if (ticket->ended_us >= 0) {
		tally->repeated++;
		return;
	}
	ticket->ended_us = since_us(now, ticket->due_ns);
	tally->last_ended_ns = now;
	tally->ended++;
}

size_t
tally_outstanding(const struct tally *tally)
{
	return tally->count - tally->refused - tally->lost - tally->ended;
}

/* ---- percentiles ---- */

static int
by_size(const void *a, const void *b)
{
	int32_t left = *(const int32_t *)a;
	int32_t right = *(const int32_t *)b;

	return (left > right) - (left < right);
}

static struct percentiles
percentiles_of(int32_t *times_us, size_t count)
{
	struct percentiles result = { 0 };

	if (count == 0)
		return result;
	qsort(times_us, count, sizeof(*times_us), by_size);
	result.p50_ms = times_us[(count - 1) / 2] / 1000.0;
	result.p99_ms = times_us[(count - 1) * 99 / 100] / 1000.0;
	return result;
}

static struct percentiles
times(const struct tally *tally, bool of_ends)
{
	int32_t *times_us = malloc((tally->count + 1) * sizeof(*times_us));
	struct percentiles result;
	size_t count = 0;

	if (times_us == NULL)
		give_up("memory");
	for (size_t i = 0; i < tally->count; i++) {
		const struct ticket *ticket = &tally->tickets[i];
		int32_t us = of_ends ? ticket->ended_us : ticket->accepted_us;

		if (us >= 0)
			times_us[count++] = us;
	}
	result = percentiles_of(times_us, count);
	free(times_us);
	return result;
}

struct percentiles
tally_accept_times(const struct tally *tally)
{
	return times(tally, false);
}

struct percentiles
tally_end_times(const struct tally *tally)
{
	return times(tally, true);
}

/* ---- tokens and bodies ---- */

void
token_write(uint64_t token, char *text_out)
{
	for (int i = TOKEN_BYTES - 1; i >= 0; i--) {
		text_out[i] = "0123456789abcdef"[token & 15];
		token >>= 4;
	}
}

bool
token_read(const char *text, size_t bytes, uint64_t *token_out)
{
	uint64_t token = 0;

	if (bytes < TOKEN_BYTES)
		return false;
	for (size_t i = 0; i < TOKEN_BYTES; i++) {
		const char *digits = "0123456789abcdef";
		const char *digit = memchr(digits, text[i], 16);

		if (digit == NULL)
			return false;
		token = token << 4 | (uint64_t)(digit - digits);
	}
	*token_out = token;
	return true;
}

const char *
body_filler(uint64_t token, size_t body_bytes)
{
	static char *filler;
	uint32_t state = 1;

	if (filler == NULL) {
		filler = malloc(FILLER_BYTES);
		if (filler == NULL)
			give_up("memory");
		for (size_t i = 0; i < FILLER_BYTES; i++) {
			state = state * 1664525 + 1013904223;
			filler[i] =
			    "abcdefghijklmnopqrstuvwxyz012345"[state >> 27];
		}
	}
	if (body_bytes > FILLER_BYTES - FILLER_OFFSETS)
		give_up("body too large");
	return filler + token % FILLER_OFFSETS;
}

bool
body_is_in(const char *text, size_t bytes, uint64_t token, size_t body_bytes)
{
	const char *filler = body_filler(token, body_bytes);
	const char *end = text + bytes;
	char digits[TOKEN_BYTES];

	token_write(token, digits);
	/* The token alone may stand elsewhere too: in the callback's URL. */
	for (;;) {
		text = memmem(text, (size_t)(end - text), digits, TOKEN_BYTES);
		if (text == NULL || (size_t)(end - text) < body_bytes)
			return false;
		text += TOKEN_BYTES;
		if (memcmp(text, filler, body_bytes - TOKEN_BYTES) == 0)
			return true;
	}
}
