/* location.h - where does a Location lead, and may we go there?
 *
 * An upstream that has taken the work names a place to ask at. It may stay
 * within its own origin, which the operator trusts; another origin is judged as
 * a URL of a client would be, and who answers there cannot lead back into that
 * trust. Pure; any thread.
 */
#ifndef CALLBACKD_LOCATION_H
#define CALLBACKD_LOCATION_H

#include <stdbool.h>
#include <stddef.h>

#include "callbackd/target.h"

struct location {
	char url[TARGET_URL_MAX_BYTES + 1]; /* absolute, without a fragment */
	bool is_home; /* scheme, host and port are the upstream's */
};

/* The URL that a reference of len bytes means in the answer of base, an absolute
 * URL (RFC 3986, 5.2; RFC 9110, 10.2.2), without its fragment. False when it is
 * longer than a URL may be; its form is not looked at beyond what is needed. */
bool location_resolve(const char *base, const char *reference, size_t len,
    char out[TARGET_URL_MAX_BYTES + 1]);

/* Resolves it, and decides. home is the upstream's URL, NULL when the answer came
 * from elsewhere; foreign holds for every other origin. False when it is not a URL that we would call, or foreign
 * forbids it: why_out says which. *out counts on true only. */
bool location_judge(const char *home, const char *base, const char *reference,
    size_t len, const struct target_policy *foreign, struct location *out,
    struct reason *why_out);

#endif
