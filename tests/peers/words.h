/* words.h - the little parsing and printing that the peers need.
 *
 * Written apart from the daemon's own on purpose: a mistake in one must not
 * hide the same mistake in the other. Pure.
 */
#ifndef PEERS_WORDS_H
#define PEERS_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/buffer.h>

/* A whole decimal number of at least 0; false for anything else. */
bool number_parse(const char *text, int64_t *out);

/* "%41+b" is "A b"; cut to size - 1 bytes. */
void percent_decode(const char *text, size_t len, char *out, size_t size);

/* Appends text as a JSON string, NULL as null; bytes from 0x7f up as
 * \u00XX. */
void json_print(struct evbuffer *out, const char *text);

#endif
