/* manners.h - good and bad ways to answer, chosen by the request's path.
 *
 *   /ok                            204
 *   /gone                          410
 *   /status/NNN?body=              NNN with that body
 *   /big?size=                     200 with so many bytes
 *   /chunked?piece=                200, the request's body in chunks
 *   /until-close                   200, the request's body, ended by closing
 *   /interim?times=&status=        103 (or status) so often, then 200
 *   /redirect?to=&status=          302 (or status)
 *   /retry-after?s=&times=&status=&form=date
 *                                  503 (or status) with Retry-After so often
 *                                  for one key, then 200
 *   /fail-times?n=&status=         500 (or status) so often for one key, then
 *                                  200
 *   /taken?to=&s=&form=date        202 with that Location, and Retry-After with
 *                                  s=
 *   /pending?times=&s=&form=date&next=&status=&to=
 *                                  202 so often for one key, with Retry-After
 *                                  and Location as above where s= and next=
 *                                  are given; then 200 (or status), with
 *                                  Location where to= is
 *   /hang                          never answers
 *   /cut?size=&chunked=1           half of what was promised, then closes
 *   /reset?bytes=                  TCP reset, after so many bytes of the answer
 *   /drip?part=head&every_ms=&size= one byte a second for ever
 *   /endless-headers /endless-body as much as the client will read
 *   /huge-length                   promises 2^63-1 bytes, sends a few, waits
 *   /garbage                       not HTTP
 *
 * Each also takes ?delay_ms=, and what ends well ?header=Name:Value.
 */
#ifndef PEERS_MANNERS_H
#define PEERS_MANNERS_H

#include <stdbool.h>

#include "peer.h"

/* Answers if the path is one of these; false leaves it to the program. */
bool manners_answer(struct peer_conn *conn);

#endif
