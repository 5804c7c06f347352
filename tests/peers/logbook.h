/* logbook.h - one line of JSON for each request that a peer has seen. */
#ifndef PEERS_LOGBOOK_H
#define PEERS_LOGBOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "peer.h"

struct logbook; /* opaque */

/* Appends to the file; NULL is stdout. Ends the program when it cannot. */
struct logbook *logbook_open(const char *path);
void logbook_close(struct logbook **logbook);

/* Starts a line with what every request has: at_ms (Unix), method, path, key,
 * nth, job_id, content_type, size, sha256 (of the body). */
void logbook_begin(struct logbook *logbook, const struct peer_conn *conn);
/* The rest of the request: target, fields ([["Name","value"],...]) and body, as
 * text; what follows a NUL in the body is left out. */
void logbook_whole(struct logbook *logbook, const struct peer_conn *conn);
void logbook_text(struct logbook *logbook, const char *key, const char *text);
void logbook_bool(struct logbook *logbook, const char *key, bool truth);
/* The line is in the file when this returns. */
void logbook_end(struct logbook *logbook);

#endif
