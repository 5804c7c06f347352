/* sign.h - Standard Webhooks 1.0 signatures.
 *
 * A key lives in memory only as a keyed context; its text is wiped once read.
 * A signer is used by one thread at a time: each loop has its own.
 */
#ifndef CALLBACKD_SIGN_H
#define CALLBACKD_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "callbackd/text.h"

struct sign_secret; /* opaque: the bytes of one or more keys; immutable */

/* Reads one whsec_ line for each key ("whsec_" + base64 of 24 to 64 bytes; the
 * first signs, all sign while rotating). Blank lines and # comments are skipped.
 * NULL, and why_out says which line, when it is not that. */
struct sign_secret *sign_secret_parse(const char *text, size_t len,
    struct reason *why_out);
/* The same from a file; refuses one that others may write. */
struct sign_secret *sign_secret_load(const char *path, struct reason *why_out);
struct sign_secret *sign_secret_ref(struct sign_secret *secret);
void sign_secret_free(struct sign_secret **secret); /* the last holder wipes */

struct signer; /* opaque: keyed contexts for one thread */
struct signer *signer_new(struct sign_secret *secret);
void signer_free(struct signer **signer);

/* "v1," + base64, space-separated for several keys. */
#define SIGN_TEXT_SIZE 256
/* HMAC-SHA256 over "id.timestamp.body". False only when the library fails. */
bool signer_sign(struct signer *signer, const char *id, int64_t timestamp_s,
    const void *body, size_t body_len, char out[SIGN_TEXT_SIZE]);

/* True when one of the space-separated signatures is ours. Constant time. */
bool signer_verify(struct signer *signer, const char *id, int64_t timestamp_s,
    const void *body, size_t body_len, const char *signatures);

/* Lower-case hex of SHA-256. */
#define SHA256_HEX_SIZE 65
bool sha256_hex(const void *bytes, size_t len, char out[SHA256_HEX_SIZE]);

#endif
