/* fuzz_http_guard.c - any bytes on a connection, in any pieces.
 *
 * The first byte of an input is the dice that cut the rest into pieces.
 *
 * 1. In one piece or in many: the same events after the same bytes.
 * 2. Of what is said to be used nothing is read twice, and nothing beyond.
 * 3. A request that passes is, read again in a plain way, what evhttp must be
 *    able to rely on: see check_head.
 * 4. A refusal is final, has a status of its own kind and says why.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../../src/base/http_guard.h"
#include "fuzz.h"

enum {
	MAX_EVENTS = 4096,
	MAX_LEN = 65536,
};

static const struct guard_limits limits = { .body_bytes = 4096,
	.head_bytes = 2048,
	.field_count = 32 };

struct note {
	enum guard_event event;
	size_t at; /* bytes used so far */
	int64_t bytes;
};

struct record {
	struct note notes[MAX_EVENTS];
	size_t count;
	int status;
};

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static void
add_note(struct record *record, const struct guard *guard,
    enum guard_event event, size_t at)
{
	struct note note = { event, at, 0 };

	if (event == GUARD_HEAD)
		note.bytes = guard_body_bytes(guard);
	if (event == GUARD_CHUNK)
		note.bytes = guard_chunk_bytes(guard);
	require(note.bytes >= 0 && note.bytes <= limits.body_bytes);
	if (record->count < MAX_EVENTS)
		record->notes[record->count++] = note;
}

/* Feeds one piece that begins at a position. False once refused. */
static bool
feed(struct record *record, struct guard *guard, const uint8_t *piece,
    size_t len, size_t position)
{
	size_t done = 0;
	enum guard_event event;

	do {
		size_t blind = guard_blind_bytes(guard);
		size_t used;

		event = guard_feed(guard,
		    blind >= len - done ? NULL : piece + done, len - done,
		    &used);
		require(used <= len - done);
		done += used;
		if (event != GUARD_MORE)
			add_note(record, guard, event, position + done);
	} while (event != GUARD_MORE && event != GUARD_REFUSED);
	require(event == GUARD_REFUSED || done == len);
	return event != GUARD_REFUSED;
}

static void
check_refusal(struct guard *guard)
{
	const struct guard_refusal *refusal = guard_refusal(guard);
	size_t used;

	require(refusal != NULL && refusal->status >= 400);
	require(refusal->status <= 505 && refusal->name[0] != '\0');
	require(refusal->detail[0] != '\0');
	require(strpbrk(refusal->detail, "\"\\\r\n") == NULL);
	require(strlen(refusal->detail) < sizeof(refusal->detail) - 1);
	require(guard_feed(guard, "GET", 3, &used) == GUARD_REFUSED);
	require(used == 0);
}

/* Pieces have memory of their own, so that reading on is noticed. */
static void
read_in_pieces(struct record *record, const uint8_t *bytes, size_t len,
    unsigned dice)
{
	struct guard guard;
	size_t at = 0;
	bool goes_on = true;

	guard_init(&guard, &limits);
	while (at < len && goes_on) {
		size_t size = dice == 0 ? len : 1 + (dice >> 8) % 23;
		uint8_t *piece;

		if (size > len - at)
			size = len - at;
		piece = malloc(size);
		require(piece != NULL);
		memcpy(piece, bytes + at, size);
		goes_on = feed(record, &guard, piece, size, at);
		free(piece);
		at += size;
		dice = dice == 0 ? 0 : (dice * 1103515245 + 12345) | 1;
	}
	if (goes_on)
		require(guard_refusal(&guard) == NULL);
	else {
		record->status = guard_refusal(&guard)->status;
		check_refusal(&guard);
	}
}

/* ---- a plain reader, for what has passed ---- */

struct seen {
	int hosts;
	int lengths;
	int codings;
};

static void
check_line(const char *line, size_t len, struct seen *seen)
{
	const char *colon = memchr(line, ':', len);

	require(colon != NULL && colon > line && colon[-1] != ' ');
	require(line[0] != ' ' && line[0] != '\t');
	for (size_t i = 0; i < len; i++)
		require((line[i] >= ' ' && line[i] < 127) || line[i] == '\t');
	seen->hosts += strncasecmp(line, "host:", 5) == 0;
	seen->lengths += strncasecmp(line, "content-length:", 15) == 0;
	seen->codings += strncasecmp(line, "transfer-encoding:", 18) == 0;
}

/* One line end after the other, no bare CR, LF or NUL; a target that begins
 * with one slash or a scheme; one length; one Host. */
static void
check_head(const char *head, size_t len)
{
	struct seen seen = { 0, 0, 0 };
	const char *at = head;
	const char *end = head + len;
	const char *target = memchr(head, ' ', len);
	bool is_1_0 = false;

	require(memchr(head, '\0', len) == NULL);
	require(len >= 16 && memcmp(end - 4, "\r\n\r\n", 4) == 0);
	require(target != NULL &&
	    (target[1] == '/' || target[1] == 'h' || target[1] == 'H'));
	require(target[1] != '/' || target[2] != '/');
	while (at < end - 2) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		size_t line_len;

		require(line_end != NULL && line_end[-1] == '\r');
		line_len = (size_t)(line_end - 1 - at);
		require(memchr(at, '\r', line_len) == NULL);
		if (at == head)
			is_1_0 = at[line_len - 1] == '0';
		else
			check_line(at, line_len, &seen);
		at = line_end + 1;
	}
	require(at == end - 2);
	require(seen.hosts <= 1 && seen.lengths + seen.codings <= 1);
	require(is_1_0 ? seen.codings == 0 : seen.hosts == 1);
}

static void
check_passed(const struct record *record, const char *bytes)
{
	size_t from = 0;

	for (size_t i = 0; i < record->count; i++) {
		const struct note *note = &record->notes[i];

		if (note->event == GUARD_HEAD)
			check_head(bytes + from, note->at - from);
		if (note->event == GUARD_BLANK)
			require(bytes[note->at - 1] == ';');
		if (note->event == GUARD_HEAD || note->event == GUARD_MESSAGE)
			from = note->at;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static struct record whole, pieces;

	if (len < 2 || len > MAX_LEN)
		return 0;
	whole.count = pieces.count = 0;
	whole.status = pieces.status = 0;
	read_in_pieces(&whole, bytes + 1, len - 1, 0);
	read_in_pieces(&pieces, bytes + 1, len - 1, bytes[0] * 2654435u + 1);
	require(whole.count == pieces.count && whole.status == pieces.status);
	for (size_t i = 0; i < whole.count; i++)
		require(whole.notes[i].event == pieces.notes[i].event &&
		    whole.notes[i].at == pieces.notes[i].at &&
		    whole.notes[i].bytes == pieces.notes[i].bytes);
	check_passed(&whole, (const char *)bytes + 1);
	return 0;
}
