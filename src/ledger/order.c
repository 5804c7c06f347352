/* order.c - making, freeing and sending orders. */
#include <stdlib.h>

#include "callbackd/clock.h"
#include "callbackd/ledger.h"
#include "callbackd/sched.h"

struct order *
order_new(enum order_kind kind, struct loop *from,
    void (*answered)(struct order *order), void *asker)
{
	struct order *order = calloc(1, sizeof(*order));

	if (order == NULL)
		return NULL;
	order->kind = kind;
	order->from = from;
	order->answered = answered;
	order->asker = asker;
	order->asked_us = clock_mono_us();
	order->expires_ms = -1;
	order->progress_share = -1;
	job_init(&order->job);
	delivery_init(&order->delivery);
	return order;
}

void
order_give_place(struct order *order)
{
	if (order->is_overbooked)
		return;
	queue_give_place(order->queue->gauge, order->place_bytes);
	client_give_place(conf_client_find(order->conf, order->client));
}

void
order_free(struct order **order)
{
	struct order *gone = *order;
	struct mail *mail;

	if (gone == NULL)
		return;
	run_free(&gone->run);
	job_clear(&gone->job);
	payload_clear(&gone->request);
	payload_clear(&gone->response);
	delivery_clear(&gone->delivery);
	for (int i = 0; i < gone->listed_count; i++) {
		job_clear(&gone->listed[i].job);
		delivery_clear(&gone->listed[i].delivery);
	}
	free(gone->listed);
	while ((mail = mail_list_take(&gone->leased)) != NULL) {
		struct run *run = (struct run *)mail;

		run_free(&run);
	}
	free(gone->queues);
	free(gone->progress_message);
	conf_unref(&gone->conf);
	free(gone);
	*order = NULL;
}
