/* operate.c - what an operator does: stopping queues, and letting them go on.
 *
 * Thread: the control loop's.
 */
#include <string.h>

#include "callbackd/api.h"
#include "callbackd/json.h"
#include "inside.h"

#define QUEUE_MAX_BYTES 4096

static void
show_queue(struct http_exchange **exchange, const struct queue_facts *facts)
{
	struct http_reply reply = { .status = 200,
		.content_type = "application/json" };
	struct json_writer *json;
	struct buf body;

	buf_init(&body, QUEUE_MAX_BYTES);
	json = json_writer_new(&body);
	if (json != NULL)
		queue_write(json, facts, "");
	if (json == NULL || !json_writer_end(&json))
		buf_clear(&body);
	reply.body = buf_text(&body);
	reply.body_len = body.len;
	http_answer(exchange, &reply);
	buf_free(&body);
}

static void
paused(struct order *order)
{
	struct http_exchange *exchange = order->asker;

	if (order->result == ORDER_MISSING)
		reply_problem(&exchange, 404, "not-found",
		    "there is no such queue", NULL);
	else if (order->result != ORDER_OK)
		reply_problem(&exchange, 503, "store-unavailable",
		    "the store does not write at present", NULL);
	else if (order->queue_count == 0)
		reply_problem(&exchange, 503, "overloaded", "no memory", NULL);
	else
		show_queue(&exchange, &order->queues[0]);
	order_free(&order);
}

static void
ask_to_pause(struct admin *admin, struct http_exchange *exchange,
    const char *name, bool pauses)
{
	struct order *order = order_new(ORDER_PAUSE, admin->loop, paused,
	    exchange);

	if (order == NULL) {
		reply_problem(&exchange, 503, "overloaded", "no memory", NULL);
		return;
	}
	memcpy(order->filter_queue, name, strnlen(name, NAME_SIZE - 1));
	order->pauses = pauses;
	if (!ledger_ask(admin->ledger, order)) {
		order_free(&order);
		reply_problem(&exchange, 503, "overloaded",
		    "too many requests wait for the store", NULL);
	}
}

void
pause_queue(struct admin *admin, struct http_exchange *exchange,
    const char *name)
{
	ask_to_pause(admin, exchange, name, true);
}

void
resume_queue(struct admin *admin, struct http_exchange *exchange,
    const char *name)
{
	ask_to_pause(admin, exchange, name, false);
}
