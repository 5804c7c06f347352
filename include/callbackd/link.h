/* link.h - where is a job, who may read its result without a key, and for how
 * long?
 *
 * A thin callback's link to the result is signed with the secret of the job's
 * client, together with the hash of its API key: a receiver knows the secret
 * but not the hash, and a reader of the configuration the hash but not the
 * secret, so neither can make links of its own. Changing either ends them.
 *
 * Pure; on the thread of the signer.
 */
#ifndef CALLBACKD_LINK_H
#define CALLBACKD_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "callbackd/job.h"
#include "callbackd/sign.h"

/* "/v1/jobs/ID"; returns its end, where more may follow. */
#define JOB_PATH_SIZE (sizeof("/v1/jobs/") - 1 + UUID_TEXT_SIZE)
char *job_path(struct uuid job, char out[JOB_PATH_SIZE]);

/* What a client signs links with. */
struct link_signer {
	struct signer *signer;  /* NULL: its links are not signed */
	const char *client;     /* "" where none are configured */
	const char *key_sha256; /* of that client; "" likewise */
};

/* The query of a link to the job's result that holds until then:
 * "client=NAME&expires=SECONDS&signature=BASE64URL", without a client
 * "expires=...". False when there is no signer, or the library fails. */
#define LINK_QUERY_SIZE 192
bool link_sign(const struct link_signer *signer, struct uuid job,
    int64_t expires_s, char out[LINK_QUERY_SIZE]);

/* True when that signature was made so, be it with a secret that is being
 * exchanged. Whether it has expired is for the caller to say. */
#define LINK_SIGNATURE_SIZE 44 /* of 32 bytes, NUL included */
bool link_verify(const struct link_signer *signer, struct uuid job,
    int64_t expires_s, const char *signature);

#endif
