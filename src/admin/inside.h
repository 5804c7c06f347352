/* inside.h - what the files of the admin room share. Control loop only. */
#ifndef CALLBACKD_ADMIN_INSIDE_H
#define CALLBACKD_ADMIN_INSIDE_H

#include "callbackd/admin.h"

#define ADMIN_CONNECTIONS 256
#define ADMIN_BODY_BYTES (4 << 20)
#define METRICS_MAX_BYTES (4 << 20)

struct admin {
	struct loop *loop;
	struct http_gate gate;
	struct http_gate *client_gate;
	struct metrics *metrics;
	struct ledger *ledger;
	struct gauges *gauges;
	struct ledger_hands **hands;
	unsigned hands_count;
	struct http_server *server;
	bool is_draining;
};

/* admin.c */
void reply_problem(struct http_exchange **exchange, int status,
    const char *name, const char *detail, const char *allow);

/* operate.c: what an operator does */
void pause_queue(struct admin *admin, struct http_exchange *exchange,
    const char *name);
void resume_queue(struct admin *admin, struct http_exchange *exchange,
    const char *name);

/* exposition.c: Prometheus text */
void print_queues(const struct queue_gauge *first, struct buf *out);
void print_books(const struct store_books *books, struct buf *out);
void print_process(const struct admin *admin, struct buf *out);

#endif
