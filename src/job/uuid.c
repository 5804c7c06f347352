/* uuid.c - UUIDv7 as a pair of numbers, and back.
 *
 * Layout (RFC 9562, 5.7), most significant bit first:
 *
 *     48 bits of ms | 0111 | 12 bits of a counter | 10 | 62 random bits
 *     '------------ seq, 60 bits ----------------'     '---- salt ----'
 *
 * 1. Of two ids of one store the later one has the greater seq, whatever the
 *    clock did: a counter that overflows borrows from the next millisecond.
 * 2. Text and pair stand for each other one to one.
 *
 * Pure: any thread.
 */
#include "callbackd/uuid.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#define COUNTER_BITS 12 /* RFC 9562, 5.7: rand_a */
#define COUNTER_MASK ((INT64_C(1) << COUNTER_BITS) - 1)
#define MS_MAX ((INT64_C(1) << 48) - 1)
#define SEQ_MAX ((INT64_C(1) << 60) - 1)
#define SALT_MASK ((UINT64_C(1) << 62) - 1)
#define VERSION_7 UINT64_C(0x7000)
#define VERSION_MASK UINT64_C(0xf000)
#define VARIANT_RFC (UINT64_C(2) << 62)

int64_t
uuid_seq_at(int64_t at_ms)
{
	if (at_ms <= 0)
		return 1; /* 0 is "no id" */
	if (at_ms > MS_MAX)
		at_ms = MS_MAX;
	return at_ms << COUNTER_BITS;
}

int64_t
uuid_next_seq(int64_t last_seq, int64_t now_ms)
{
	int64_t seq = uuid_seq_at(now_ms);

	assert(last_seq >= 0 && last_seq < SEQ_MAX);
	return seq > last_seq ? seq : last_seq + 1;
}

int64_t
uuid_ms(int64_t seq)
{
	return seq >> COUNTER_BITS;
}

/* The two halves of the 128 bits. */
static uint64_t
high_half(struct uuid id)
{
	uint64_t ms = (uint64_t)(id.seq >> COUNTER_BITS);
	uint64_t counter = (uint64_t)(id.seq & COUNTER_MASK);

	return ms << 16 | VERSION_7 | counter;
}

static uint64_t
low_half(struct uuid id)
{
	return VARIANT_RFC | (id.salt & SALT_MASK);
}

static bool
is_dash_at(size_t at)
{
	return at == 8 || at == 13 || at == 18 || at == 23;
}

/* Eight hexadecimal digits, all at once: an id is written some thirty times in
 * the life of its job. */
static void
put_hex(char out[8], uint64_t value)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t digits = value & UINT32_MAX; /* four bits each; then a byte */
	uint64_t letters;

	digits = (digits << 16 | digits) & UINT64_C(0x0000ffff0000ffff);
	digits = (digits << 8 | digits) & UINT64_C(0x00ff00ff00ff00ff);
	digits = (digits << 4 | digits) & UINT64_C(0x0f0f0f0f0f0f0f0f);
	letters = (digits + ones * 6) >> 4 & ones; /* 1 where it is over 9 */
	digits += ones * '0' + letters * ('a' - '0' - 10);
	digits = htobe64(digits);
	memcpy(out, &digits, sizeof(digits));
}

void
uuid_text(struct uuid id, char out[UUID_TEXT_SIZE])
{
	uint64_t high = high_half(id);
	uint64_t low = low_half(id);
	char digits[32];

	put_hex(digits, high >> 32);
	put_hex(digits + 8, high);
	put_hex(digits + 16, low >> 32);
	put_hex(digits + 24, low);
	memcpy(out, digits, 8);
	out[8] = '-';
	memcpy(out + 9, digits + 8, 4);
	out[13] = '-';
	memcpy(out + 14, digits + 12, 4);
	out[18] = '-';
	memcpy(out + 19, digits + 16, 4);
	out[23] = '-';
	memcpy(out + 24, digits + 20, 12);
	out[36] = '\0';
}

/* -1 for anything but a hexadecimal digit. */
static int
digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool
read_halves(const char *text, uint64_t *high_out, uint64_t *low_out)
{
	uint64_t halves[2] = { 0, 0 };
	unsigned taken = 0;

	for (size_t at = 0; at < UUID_TEXT_SIZE - 1; at++) {
		int value = digit_value(text[at]);

		if (is_dash_at(at)) {
			if (text[at] != '-')
				return false;
			continue;
		}
		if (value < 0)
			return false;
		halves[taken / 16] = halves[taken / 16] << 4 | (uint64_t)value;
		taken++;
	}
	*high_out = halves[0];
	*low_out = halves[1];
	return true;
}

bool
uuid_parse(const char *text, size_t len, struct uuid *out)
{
	uint64_t high, low;
	struct uuid id;

	if (len != UUID_TEXT_SIZE - 1 || !read_halves(text, &high, &low))
		return false;
	if ((high & VERSION_MASK) != VERSION_7)
		return false;
	if ((low & ~SALT_MASK) != VARIANT_RFC)
		return false;
	id.seq = (int64_t)(high >> 16 << COUNTER_BITS) |
	    (int64_t)(high & (uint64_t)COUNTER_MASK);
	id.salt = low & SALT_MASK;
	if (!uuid_is_set(id))
		return false; /* no store gives this one out */
	*out = id;
	return true;
}

bool
uuid_equal(struct uuid a, struct uuid b)
{
	return a.seq == b.seq && a.salt == b.salt;
}

bool
uuid_is_set(struct uuid id)
{
	return id.seq != 0;
}
