/* text.h - the small texts of the interface: numbers with units, times, hex.
 *
 * Pure: no clock, no memory, no locale. Every parser takes the whole of its
 * input or nothing; *_out is set only on success.
 */
#ifndef CALLBACKD_TEXT_H
#define CALLBACKD_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why something was refused, in one sentence for a human. Never holds secrets;
 * foreign text in it has been escaped and cut. "" when there is nothing to say. */
struct reason {
	char text[256];
};

/* Sets the sentence, cut to fit; control bytes become '?'. */
void reason_set(struct reason *reason, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A decimal integer, digits only (a '-' only when min is negative), within
 * min .. max. */
bool text_int64(const char *text, int64_t min, int64_t max, int64_t *out);

/* "250ms", "30s", "5m", "2h", "7d"; a bare number is seconds; fractions such as
 * "0.5s" are legal. At least 1 ms, at most 100 years; no sign, no space. */
bool text_duration_ms(const char *text, int64_t *out_ms);

/* "512", "64k", "10m", "1g" in powers of 1024; at least 1, at most 2^50. */
bool text_size_bytes(const char *text, int64_t *out_bytes);

#define TEXT_INT_SIZE 21 /* "-9223372036854775808" and a NUL */

/* The number in decimal; returns its length. printf takes longer than all else
 * that a line or a header is made of. */
size_t text_int(int64_t number, char out[TEXT_INT_SIZE]);

#define TEXT_TIME_SIZE 25 /* "2026-11-20T10:19:39.123Z" and a NUL */

/* RFC 3339 UTC with milliseconds, from Unix time in ms (year 1970 .. 9999). */
void text_time(int64_t at_ms, char out[TEXT_TIME_SIZE]);

/* Any RFC 3339 date-time, with or without fraction, Z or an offset. */
bool text_time_parse(const char *text, int64_t *out_ms);

/* An HTTP date in any of the three forms of RFC 9110, 5.6.7. */
bool text_http_date(const char *text, int64_t *out_ms);

/* Lower-case hex of len bytes into out, which has room for 2 * len + 1. */
void text_hex(const void *bytes, size_t len, char *out);

/* Standard base64 with padding (RFC 4648, 4). Encoding needs
 * text_base64_size(len) bytes, NUL included. Decoding accepts canonical input
 * only; out has room for len / 4 * 3 bytes. */
size_t text_base64_size(size_t len);
void text_base64(const void *bytes, size_t len, char *out);
bool text_base64_decode(const char *text, size_t len, void *out,
    size_t *out_len);

/* True when the bytes are well-formed UTF-8 (RFC 3629: no overlongs, no
 * surrogates, nothing above U+10FFFF). */
bool text_is_utf8(const void *bytes, size_t len);

/* How many of the first bytes are well-formed UTF-8: len when all are, else
 * where the first bad (or cut) sequence begins. */
size_t text_utf8_prefix(const void *bytes, size_t len);

/* True for visible ASCII and blanks without '"' and '\\': what a JSON string or
 * a quoted one holds as it is. */
bool text_is_plain(const char *text, size_t len);

/* ASCII case-insensitive equality, as for header names; no locale. The _n
 * forms take a slice that is not terminated. */
char text_lower(char c);
bool text_equal_nocase(const char *a, const char *b);
bool text_equal_nocase_n(const char *a, size_t a_len, const char *b);
bool text_starts_nocase(const char *text, const char *prefix);
bool text_starts_nocase_n(const char *text, size_t len, const char *prefix);

/* The next element of a comma-separated list (RFC 9110, 5.6.1), trimmed, empty
 * ones skipped; a comma within a quoted string does not separate. *cursor starts at the list and moves on. False at the end. */
bool text_list_next(const char **cursor, const char **item_out,
    size_t *len_out);

/* FNV-1a, 64 bits: for tables of our own names, not for foreign keys. */
uint64_t text_hash(const void *bytes, size_t len);

/* A copy of a string, or of its first len bytes; NULL stays NULL. Out of memory
 * gives NULL as well: the caller refuses the request. */
char *text_copy(const char *text);
char *text_copy_n(const char *text, size_t len);
/* Two strings as one new one; NULL: no memory. */
char *text_join(const char *first, const char *second);
/* As much of a string as fits, the NUL included. */
void text_fit(const char *text, char *out, size_t size);

#endif
