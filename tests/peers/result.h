/* result.h - what did the upstream answer, according to a callback's body? */
#ifndef PEERS_RESULT_H
#define PEERS_RESULT_H

#include <stdbool.h>
#include <stddef.h>

#include "digest.h"

/* SHA-256 of data.response.body, or of data.response.body_base64 decoded, in
 * the JSON of the standard format. False when it has neither. */
bool result_digest(const void *json, size_t len, char out[DIGEST_SIZE]);

#endif
