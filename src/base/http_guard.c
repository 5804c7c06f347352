/* http_guard.c - every byte of a request, looked at before evhttp does.
 *
 *   START ─ METHOD ─ TARGET ─ VERSION ─ REQUEST_LF ─ LINE ◄───── VALUE_LF
 *     ▲                                 NAME ◄───────┤ │             ▲
 *     │                                   └── VALUE ─┼─┼─────────────┘
 *  COMPLETE ◄── BODY ◄── HEAD_LF (empty line) ◄──────┘ │
 *     │ ▲                  │ │                         │
 *   OVER└──── (trailer) ───┘ └► SIZE ─ EXTENSION       │
 *                                ▲ └──────┴─ SIZE_LF ──┘ (size 0: trailer)
 *                     DATA_LF ───┘              │
 *                     DATA_CR ◄── DATA ◄────────┘
 *
 * 1. A step looks at one byte after the other and never ahead, so where the
 *    bytes were split changes nothing.
 * 2. What may grow has a ceiling: head, trailers and chunk extensions draw on
 *    head_left, fields on field_count, bodies on body_bytes, texts on word and
 *    value.
 * 3. A body has one length: at most one Content-Length or one "chunked", never
 *    both (RFC 9112, 6.3; request smuggling).
 * 4. What evhttp would take for something else is refused even where it is
 *    legal: obs-text in fields (RFC 9110, 5.5), an empty line before a request
 *    (RFC 9112, 2.2), a tab before the value of Expect.
 *
 * Thread: that of the owner.
 */
#include "http_guard.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "http_guard_step.h"

enum {
	MAX_SIZE_DIGITS = 16 /* of a chunk size; more would not fit 64 bits */
};

const guard_set guard_token_set = { 0, 0x03ff6cfa, 0xc7fffffe, 0x57ffffff, 0, 0,
	0, 0 };
const guard_set guard_value_set = { 0x00000200, 0xffffffff, 0xffffffff,
	0x7fffffff, 0, 0, 0, 0 };

bool
guard_set_has(const guard_set set, unsigned char c)
{
	return (set[c >> 5] >> (c & 31) & 1) != 0;
}

size_t
guard_run(const guard_set set, const struct guard_step *step)
{
	size_t n = 0;

	while (n < step->len && guard_set_has(set, step->bytes[n]))
		n++;
	return n;
}

void
guard_word_add(struct guard *guard, unsigned char c)
{
	if (guard->word_len < GUARD_WORD_SIZE - 1)
		guard->word[guard->word_len] = (char)c;
	guard->word_len++;
}

bool
guard_word_is(const struct guard *guard, const char *text)
{
	size_t len = strlen(text);

	return guard->word_len == len && memcmp(guard->word, text, len) == 0;
}

/* ---- refusing ---- */

void
guard_refuse(struct guard *guard, int status, const char *name,
    const char *detail)
{
	assert(guard->state != GUARD_DEAD);
	guard->state = GUARD_DEAD;
	guard->refusal.status = status;
	guard->refusal.name = name;
	snprintf(guard->refusal.detail, sizeof(guard->refusal.detail), "%s",
	    detail);
}

size_t
guard_step_refuse(struct guard *guard, struct guard_step *step, int status,
    const char *name, const char *detail)
{
	guard_refuse(guard, status, name, detail);
	step->event = GUARD_REFUSED;
	return 0;
}

size_t
guard_malformed(struct guard *guard, struct guard_step *step,
    const char *detail)
{
	return guard_step_refuse(guard, step, 400, "bad-request", detail);
}

size_t
guard_too_large(struct guard *guard, struct guard_step *step, int status,
    const char *format, ...)
{
	va_list args;

	guard_step_refuse(guard, step, status, "too-large", "");
	va_start(args, format);
	vsnprintf(guard->refusal.detail, sizeof(guard->refusal.detail), format,
	    args);
	va_end(args);
	return 0;
}

static size_t
head_too_long(struct guard *guard, struct guard_step *step)
{
	if (guard->state < GUARD_LINE)
		return guard_too_large(guard, step, 414,
		    "The request line has more than the %" PRId32
		    " bytes that a head may have.",
		    guard->limits.head_bytes);
	return guard_too_large(guard, step, 431,
	    "The request has more than the %" PRId32
	    " bytes of fields that it may have.",
	    guard->limits.head_bytes);
}

/* ---- from one request to the next ---- */

static void
start(struct guard *guard)
{
	guard->state = GUARD_START;
	guard->part = 0;
	guard->in_trailer = false;
	guard->no_body = false;
	guard->is_head = false;
	guard->is_1_0 = false;
	guard->has_length = false;
	guard->is_chunked = false;
	guard->has_connection = false;
	guard->closes = false;
	guard->keeps = false;
	guard->expects_other = false;
	guard->host_count = 0;
	guard->field_count = 0;
	guard->body_bytes = 0;
	guard->left_bytes = 0;
	guard->word_len = 0;
}

void
guard_init(struct guard *guard, const struct guard_limits *limits)
{
	guard->wanted = limits;
	guard->refusal.status = 0;
	start(guard);
}

/* The first byte of a request: its limits are those of now. */
static size_t
step_start(struct guard *guard, struct guard_step *step)
{
	(void)step;
	guard->limits = *guard->wanted;
	guard->head_left = guard->limits.head_bytes;
	guard->state = GUARD_METHOD;
	return 0;
}

static void
complete(struct guard *guard)
{
	if (guard->closes || (guard->is_1_0 && !guard->keeps))
		guard->state = GUARD_OVER;
	else
		start(guard);
}

static size_t
step_over(struct guard *guard, struct guard_step *step)
{
	(void)guard;
	return step->len;
}

/* ---- line ends ---- */

size_t
guard_bare_cr(struct guard *guard, struct guard_step *step)
{
	return guard_malformed(guard, step, "A CR is not followed by LF.");
}

static size_t
step_request_lf(struct guard *guard, struct guard_step *step)
{
	if (step->bytes[0] != '\n')
		return guard_bare_cr(guard, step);
	guard->state = GUARD_LINE;
	return 1;
}

static void
expect_size(struct guard *guard)
{
	guard->state = GUARD_SIZE;
	guard->left_bytes = 0;
	guard->digit_count = 0;
}

static void
expect_body(struct guard *guard)
{
	guard->head_left = guard->limits.head_bytes;
	guard->left_bytes = guard->body_bytes;
	guard->state = guard->body_bytes > 0 ? GUARD_BODY : GUARD_COMPLETE;
	if (guard->is_chunked)
		expect_size(guard);
}

/* The end of an empty line, which ends a head or a trailer section. */
static size_t
step_head_lf(struct guard *guard, struct guard_step *step)
{
	if (step->bytes[0] != '\n')
		return guard_bare_cr(guard, step);
	if (guard->in_trailer) {
		guard->state = GUARD_COMPLETE;
		return 1;
	}
	if (!guard_judge_head(guard, step))
		return 0;
	expect_body(guard);
	step->event = GUARD_HEAD;
	return 1;
}

/* ---- bodies ---- */

static size_t
skip(struct guard *guard, const struct guard_step *step, enum guard_state next)
{
	size_t n = step->len;

	if ((uint64_t)guard->left_bytes <= n) {
		n = (size_t)guard->left_bytes;
		guard->state = (int)next;
	}
	guard->left_bytes -= (int64_t)n;
	return n;
}

static size_t
step_body(struct guard *guard, struct guard_step *step)
{
	return skip(guard, step, GUARD_COMPLETE);
}

static size_t
step_data(struct guard *guard, struct guard_step *step)
{
	return skip(guard, step, GUARD_DATA_CR);
}

static size_t
step_data_cr(struct guard *guard, struct guard_step *step)
{
	if (step->bytes[0] != '\r')
		return guard_malformed(guard, step,
		    "A chunk has more bytes than it said.");
	guard->state = GUARD_DATA_LF;
	return 1;
}

static size_t
step_data_lf(struct guard *guard, struct guard_step *step)
{
	if (step->bytes[0] != '\n')
		return guard_bare_cr(guard, step);
	expect_size(guard);
	return 1;
}

int
guard_hex_digit(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 32) >= 'a' && (c | 32) <= 'f')
		return (c | 32) - 'a' + 10;
	return -1;
}

/* left_bytes never exceeds the limit here, so that it cannot wrap either. */
static size_t
size_digit(struct guard *guard, struct guard_step *step, int digit)
{
	int64_t room = guard->limits.body_bytes - guard->body_bytes;
	int64_t size = guard->left_bytes;

	if (++guard->digit_count > MAX_SIZE_DIGITS)
		return guard_malformed(guard, step,
		    "A chunk size has too many digits.");
	if (size > room / 16 || size * 16 + digit > room)
		return guard_too_large(guard, step, 413,
		    "The body has more bytes than the limit of %" PRId64
		    " bytes; its chunks so far have %" PRId64 ".",
		    guard->limits.body_bytes, guard->body_bytes);
	guard->left_bytes = size * 16 + digit;
	return 1;
}

static size_t
step_size(struct guard *guard, struct guard_step *step)
{
	unsigned char c = step->bytes[0];
	int digit = guard_hex_digit(c);

	if (digit >= 0)
		return size_digit(guard, step, digit);
	if (guard->digit_count == 0 || (c != '\r' && c != ';'))
		return guard_malformed(guard, step,
		    "A chunk size is not a plain hex number.");
	guard->state = c == ';' ? GUARD_EXTENSION : GUARD_SIZE_LF;
	if (c == ';')
		step->event = GUARD_BLANK;
	return 1;
}

/* Unknown to us, so ignored (RFC 9112, 7.1.1). */
static size_t
step_extension(struct guard *guard, struct guard_step *step)
{
	size_t n = guard_run(guard_value_set, step);

	if (n > 0)
		return n;
	if (step->bytes[0] != '\r')
		return guard_malformed(guard, step,
		    "A chunk extension holds a byte that is not visible "
		    "ASCII.");
	guard->state = GUARD_SIZE_LF;
	return 1;
}

static size_t
step_size_lf(struct guard *guard, struct guard_step *step)
{
	if (step->bytes[0] != '\n')
		return guard_bare_cr(guard, step);
	guard->in_trailer = guard->left_bytes == 0;
	guard->state = guard->in_trailer ? GUARD_LINE : GUARD_DATA;
	guard->body_bytes += guard->left_bytes;
	if (!guard->in_trailer)
		step->event = GUARD_CHUNK;
	return 1;
}

/* ---- feeding ---- */

static guard_step_fn *const steps[] = {
	[GUARD_START] = step_start,
	[GUARD_METHOD] = guard_step_method,
	[GUARD_TARGET] = guard_step_target,
	[GUARD_VERSION] = guard_step_version,
	[GUARD_REQUEST_LF] = step_request_lf,
	[GUARD_LINE] = guard_step_line,
	[GUARD_NAME] = guard_step_name,
	[GUARD_VALUE] = guard_step_value,
	[GUARD_VALUE_LF] = guard_step_value_lf,
	[GUARD_HEAD_LF] = step_head_lf,
	[GUARD_EXTENSION] = step_extension,
	[GUARD_SIZE] = step_size,
	[GUARD_SIZE_LF] = step_size_lf,
	[GUARD_BODY] = step_body,
	[GUARD_DATA] = step_data,
	[GUARD_DATA_CR] = step_data_cr,
	[GUARD_DATA_LF] = step_data_lf,
	[GUARD_OVER] = step_over,
};

/* A step whose bytes count against head_left. */
static size_t
step_counted(struct guard *guard, struct guard_step *step)
{
	size_t n;

	if (guard->head_left == 0)
		return head_too_long(guard, step);
	if (step->len > (size_t)guard->head_left)
		step->len = (size_t)guard->head_left;
	guard->head_left -= (int32_t)step->len;
	n = steps[guard->state](guard, step);
	if (step->event != GUARD_HEAD) /* which has set it anew */
		guard->head_left += (int32_t)(step->len - n);
	return n;
}

enum guard_event
guard_feed(struct guard *guard, const void *bytes, size_t len, size_t *used_out)
{
	size_t used = 0;
	struct guard_step step = { bytes, len, GUARD_MORE };

	while (used < len && step.event == GUARD_MORE &&
	    guard->state != GUARD_COMPLETE && guard->state != GUARD_DEAD) {
		if (bytes != NULL) /* else they are blind, and used at once */
			step.bytes = (const unsigned char *)bytes + used;
		step.len = len - used;
		used += guard->state > GUARD_START &&
			guard->state <= GUARD_LAST_COUNTED
		    ? step_counted(guard, &step)
		    : steps[guard->state](guard, &step);
	}
	*used_out = used;
	if (guard->state == GUARD_DEAD)
		return GUARD_REFUSED;
	if (step.event == GUARD_MORE && guard->state == GUARD_COMPLETE) {
		complete(guard);
		return GUARD_MESSAGE;
	}
	return step.event;
}

/* ---- questions ---- */

size_t
guard_blind_bytes(const struct guard *guard)
{
	if (guard->state == GUARD_OVER)
		return SIZE_MAX;
	if (guard->state == GUARD_BODY || guard->state == GUARD_DATA)
		return (size_t)guard->left_bytes;
	return 0;
}

int64_t
guard_body_bytes(const struct guard *guard)
{
	return guard->is_chunked ? 0 : guard->body_bytes;
}

int64_t
guard_chunk_bytes(const struct guard *guard)
{
	return guard->left_bytes;
}

bool
guard_is_idle(const struct guard *guard)
{
	return guard->state == GUARD_START;
}

bool
guard_is_in_body(const struct guard *guard)
{
	return guard->state > GUARD_HEAD_LF && guard->state < GUARD_OVER;
}

bool
guard_is_over(const struct guard *guard)
{
	return guard->state == GUARD_OVER;
}

const struct guard_refusal *
guard_refusal(const struct guard *guard)
{
	return guard->state == GUARD_DEAD ? &guard->refusal : NULL;
}

bool
guard_is_head(const struct guard *guard)
{
	return guard->is_head;
}
