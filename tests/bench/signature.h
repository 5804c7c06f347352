/* signature.h - is a callback signed as Standard Webhooks 1.0 says?
 *
 * Written a second time on purpose: the daemon's own code would agree with its
 * own mistakes.
 */
#ifndef BENCH_SIGNATURE_H
#define BENCH_SIGNATURE_H

#include <stdbool.h>

#include "wire.h"

struct signature;

/* Reads the whsec_ line of a file; ends the program if there is none. */
struct signature *signature_new(const char *secret_file);

/* Does one of the v1 signatures of the message hold for its body? */
bool signature_holds(struct signature *signature,
    const struct message *message);

#endif
