/* json_raw.h - may this text be shown to yajl?
 *
 * Private to src/base; pure. Any thread.
 */
#ifndef CALLBACKD_JSON_RAW_H
#define CALLBACKD_JSON_RAW_H

#include <stdbool.h>
#include <stddef.h>

#include "callbackd/text.h"

/* False for bytes and escapes that no JSON of ours may hold, wherever they
 * are; why_out has what and at which byte then. True says nothing yet about
 * the grammar. */
bool json_raw_is_fine(const char *text, size_t len, struct reason *why_out);

#endif
