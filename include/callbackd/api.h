/* api.h - the client listener: every request in, every answer out.
 *
 * One for each loop; used on that loop's thread. Turns requests into orders for
 * the ledger and their answers into replies. Knows neither SQL nor how a job is
 * run; what a client may not do is refused here, in one table (refusal.c).
 */
#ifndef CALLBACKD_API_H
#define CALLBACKD_API_H

#include <stdbool.h>
#include <stddef.h>

#include "callbackd/conf.h"
#include "callbackd/http.h"
#include "callbackd/json.h"
#include "callbackd/ledger.h"
#include "callbackd/loop.h"
#include "callbackd/metrics.h"

struct api; /* opaque */

struct api_setup {
	struct loop *loop;
	struct conf *conf; /* held */
	struct http_gate *gate;
	struct metrics *metrics;
	struct ledger *ledger; /* until api_abandon or api_free */
	int64_t heartbeat_ms;  /* of silent streams; HEARTBEAT_MS */
};
#define HEARTBEAT_MS 15000 /* contract, section 3 */

struct api *api_new(const struct api_setup *setup); /* NULL: no memory */

/* Serves a bound, listening, non-blocking socket; takes fd. */
bool api_listen(struct api *api, int fd);

/* Uses another conf for requests from now on. */
void api_follow(struct api *api, struct conf *conf);

/* Refuses new work with 503 `draining`, lets no one new in, ends streams. */
void api_drain(struct api *api);

/* The ledger is about to go: it is not asked any more. */
void api_abandon(struct api *api);

/* Requests that wait for an answer. */
size_t api_pending(const struct api *api);

void api_free(struct api **api);

/* How a queue looks from outside. */
void queue_write(struct json_writer *writer, const struct queue_facts *facts,
    const char *public_url);

/* The limits of a server under this conf; also for the admin listener. */
struct http_limits api_limits(const struct conf *conf);

#endif
