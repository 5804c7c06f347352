/* signers.c - the secrets of a conf, keyed.
 *
 * Thread: the one that made it.
 */
#include "callbackd/signers.h"

#include <stdlib.h>

struct signers {
	struct conf *conf;
	struct signer *common; /* the callback section's; NULL: none */
	struct signer **own;   /* one a client of conf; NULL: the common one */
};

static bool
key_all(struct signers *signers)
{
	const struct conf *conf = signers->conf;

	signers->own = calloc(conf->client_count + 1, sizeof(*signers->own));
	if (signers->own == NULL)
		return false;
	if (conf->callback.secret != NULL) {
		signers->common = signer_new(conf->callback.secret);
		if (signers->common == NULL)
			return false;
	}
	for (size_t i = 0; i < conf->client_count; i++) {
		if (conf->clients[i].secret == NULL)
			continue;
		signers->own[i] = signer_new(conf->clients[i].secret);
		if (signers->own[i] == NULL)
			return false;
	}
	return true;
}

struct signers *
signers_new(struct conf *conf)
{
	struct signers *signers = calloc(1, sizeof(*signers));

	if (signers == NULL)
		return NULL;
	signers->conf = conf_ref(conf);
	if (!key_all(signers))
		signers_free(&signers);
	return signers;
}

void
signers_free(struct signers **signers)
{
	struct signers *gone = *signers;

	*signers = NULL;
	if (gone == NULL)
		return;
	for (size_t i = 0; gone->own != NULL && i < gone->conf->client_count;
	     i++)
		signer_free(&gone->own[i]);
	free(gone->own);
	signer_free(&gone->common);
	conf_unref(&gone->conf);
	free(gone);
}

bool
signers_follow(struct signers **signers, struct conf *conf)
{
	struct signers *next = signers_new(conf);

	if (next == NULL)
		return false;
	signers_free(signers);
	*signers = next;
	return true;
}

struct signer *
signers_find(struct signers *signers, const char *client)
{
	const struct conf_client *found = conf_client_find(signers->conf,
	    client);
	struct signer *own = NULL;

	if (found != NULL)
		own = signers->own[found - signers->conf->clients];
	return own != NULL ? own : signers->common;
}

struct link_signer
signers_for_links(struct signers *signers, const char *client)
{
	const struct conf_client *found = conf_client_find(signers->conf,
	    client);
	struct link_signer out = { .client = "", .key_sha256 = "" };

	if (found == NULL && signers->conf->client_count > 0)
		return out;
	out.signer = signers_find(signers, client);
	if (found == NULL)
		return out;
	out.client = found->name;
	out.key_sha256 = found->key_sha256;
	return out;
}
