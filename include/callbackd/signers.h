/* signers.h - whose secret signs what goes out for a client?
 *
 * All secrets of a conf, keyed once, for one thread.
 */
#ifndef CALLBACKD_SIGNERS_H
#define CALLBACKD_SIGNERS_H

#include "callbackd/conf.h"
#include "callbackd/link.h"

struct signers; /* opaque */

struct signers *signers_new(struct conf *conf); /* holds it; NULL: no memory */
void signers_free(struct signers **signers);
/* Those of another conf take their place; false: no memory, they stay. */
bool signers_follow(struct signers **signers, struct conf *conf);

/* The client's own, else the callback section's; NULL: there is none. */
struct signer *signers_find(struct signers *signers, const char *client);

/* What signs links to results of that client's jobs: nothing, where clients are
 * configured and that one is not among them. Borrows from signers. */
struct link_signer signers_for_links(struct signers *signers,
    const char *client);

#endif
