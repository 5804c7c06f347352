/* digest.h - SHA-256 and Standard Webhooks signatures, as a receiver has them.
 *
 * Straight from the specification and OpenSSL, and apart from the daemon's own
 * on purpose: so the two agree only if both are right.
 */
#ifndef PEERS_DIGEST_H
#define PEERS_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_SIZE 65
/* Lower-case hex of SHA-256. */
void digest_hex(const void *bytes, size_t len, char out[DIGEST_SIZE]);

/* Standard base64 with padding; *out is malloc'ed. False for anything else. */
bool base64_decode(const char *text, size_t len, unsigned char **out,
    size_t *out_len);

#define WEBHOOK_TOLERANCE_S 300 /* Standard Webhooks: five minutes */

struct webhook_keys; /* opaque */

/* One whsec_ line for each key. Ends the program when it cannot. */
struct webhook_keys *webhook_keys_load(const char *path);
void webhook_keys_free(struct webhook_keys **keys);

struct webhook {
	const char *id; /* the three fields; NULL without one */
	const char *timestamp;
	const char *signatures;
	const void *body;
	size_t body_len;
};

/* NULL when one of the signatures is by one of the keys and the time is right
 * at now_s; else why not. */
const char *webhook_fault(const struct webhook_keys *keys,
    const struct webhook *webhook, int64_t now_s);

#endif
