/* link.c - signed links to results.
 *
 * Signed as a webhook would be, with the path in place of the webhook-id and the
 * hash of the client's key in place of the body. The path tells the two apart:
 * no webhook-id begins with a slash.
 */
#include "callbackd/link.h"

#include <stdio.h>
#include <string.h>

#define SCHEME "v1,"

char *
job_path(struct uuid job, char out[JOB_PATH_SIZE])
{
	char *id = stpcpy(out, "/v1/jobs/");

	uuid_text(job, id);
	return id + UUID_TEXT_SIZE - 1;
}

static void
path_of_result(struct uuid job, char out[64])
{
	(void)strcpy(job_path(job, out), "/result");
}

static void
replace(char *text, char from, char to)
{
	while ((text = strchr(text, from)) != NULL)
		*text = to;
}

bool
link_sign(const struct link_signer *signer, struct uuid job, int64_t expires_s,
    char out[LINK_QUERY_SIZE])
{
	const char *key = signer->key_sha256;
	char path[64], signatures[SIGN_TEXT_SIZE];
	char *first = signatures + strlen(SCHEME);

	path_of_result(job, path);
	if (signer->signer == NULL ||
	    !signer_sign(signer->signer, path, expires_s, key, strlen(key),
		signatures))
		return false;
	first[strcspn(first, "= ")] = '\0';
	replace(first, '+', '-');
	replace(first, '/', '_');
	(void)snprintf(out, LINK_QUERY_SIZE,
	    "%s%s%sexpires=%lld&signature=%.*s",
	    signer->client[0] != '\0' ? "client=" : "", signer->client,
	    signer->client[0] != '\0' ? "&" : "", (long long)expires_s,
	    LINK_SIGNATURE_SIZE - 1, first);
	return true;
}

bool
link_verify(const struct link_signer *signer, struct uuid job,
    int64_t expires_s, const char *signature)
{
	const char *key = signer->key_sha256;
	char path[64], text[sizeof(SCHEME) + LINK_SIGNATURE_SIZE];

	if (signer->signer == NULL ||
	    strlen(signature) != LINK_SIGNATURE_SIZE - 1 ||
	    strpbrk(signature, "+/= ") != NULL)
		return false;
	path_of_result(job, path);
	(void)snprintf(text, sizeof(text), SCHEME "%s=", signature);
	replace(text, '-', '+');
	replace(text, '_', '/');
	return signer_verify(signer->signer, path, expires_s, key, strlen(key),
	    text);
}
