/* admin.h - the operator's listener: health, readiness, metrics.
 *
 * On the control loop (main's); whoever reaches it is the operator, which is
 * why it listens on loopback or unix sockets only.
 */
#ifndef CALLBACKD_ADMIN_H
#define CALLBACKD_ADMIN_H

#include <stdatomic.h>
#include <stdbool.h>

#include "callbackd/http.h"
#include "callbackd/ledger.h"
#include "callbackd/sched.h"

struct admin; /* opaque */

struct admin_setup {
	struct loop *loop;
	const struct http_limits *limits; /* copied */
	struct http_gate *client_gate; /* of the api's servers: for metrics */
	struct metrics *metrics;
	struct ledger *ledger;
	struct gauges *gauges;
	struct ledger_hands **hands; /* their loops are watched; outlive it */
	unsigned hands_count;
};

struct admin *admin_new(const struct admin_setup *setup);
bool admin_listen(struct admin *admin, int fd); /* takes fd */
void admin_drain(struct admin *admin); /* /readyz says no from now on */
/* Requests that wait for the ledger. */
size_t admin_pending(const struct admin *admin);
void admin_free(struct admin **admin);

#endif
