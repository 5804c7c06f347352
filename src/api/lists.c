/* lists.c - looking at many: jobs, dead letters; and sending one again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"

#define LIST_MAX_BYTES (64 << 20)
#define SCAN_ROWS 2000 /* looked at in one turn of the ledger: some ms */

/* ---- what is asked for ---- */

struct page {
	int64_t below_seq, since_ms, until_ms, limit;
};

static bool
take_number(const struct call *call, const char *name, int64_t min, int64_t max,
    int64_t *out, struct objection *objection)
{
	char text[32];
	int found = query_find(call->query, name, text, sizeof(text));

	if (found == 0 || (found == 1 && text_int64(text, min, max, out)))
		return true;
	return object_to(objection, REFUSE_BAD_REQUEST,
	    "%s: a number from %lld to %lld", name, (long long)min,
	    (long long)max);
}

static bool
take_time(const struct call *call, const char *name, int64_t *out_ms,
    struct objection *objection)
{
	char text[64];
	int found = query_find(call->query, name, text, sizeof(text));

	if (found == 0 || (found == 1 && text_time_parse(text, out_ms)))
		return true;
	return object_to(objection, REFUSE_BAD_REQUEST,
	    "%s: a time such as 2026-11-20T10:00:00Z", name);
}

static bool
take_page(const struct call *call, struct page *out,
    struct objection *objection)
{
	*out = (struct page){ 0, -1, -1, PAGE_DEFAULT };
	return take_number(call, "limit", 1, PAGE_MAX, &out->limit,
		   objection) &&
	    take_number(call, "cursor", 1, INT64_MAX, &out->below_seq,
		objection) &&
	    take_time(call, "since", &out->since_ms, objection) &&
	    take_time(call, "until", &out->until_ms, objection);
}

static bool
take_queue(const struct call *call, struct order *order,
    struct objection *objection)
{
	int found = query_find(call->query, "queue", order->filter_queue,
	    sizeof(order->filter_queue));

	if (found < 0 || (found == 1 && !name_is_legal(order->filter_queue)))
		return object_to(objection, REFUSE_BAD_REQUEST,
		    "queue: not a queue's name");
	if (found == 1)
		order->jobs_filter.queue = order->filter_queue;
	return true;
}

static bool
take_status(const struct call *call, struct order *order,
    struct objection *objection)
{
	char text[32];
	enum job_status status;
	int found = query_find(call->query, "status", text, sizeof(text));

	order->jobs_filter.status = -1;
	if (found == 0)
		return true;
	if (found < 0 || !job_status_parse(text, &status))
		return object_to(objection, REFUSE_BAD_REQUEST,
		    "status: queued, running, succeeded, failed or cancelled");
	order->jobs_filter.status = (int)status;
	return true;
}

/* ---- what is shown ---- */

static void
end_list(struct json_writer *json, const struct order *order)
{
	char cursor[24];

	json_array_end(json);
	(void)snprintf(cursor, sizeof(cursor), "%lld",
	    (long long)order->next_seq);
	json_put_string(json, "next_cursor",
	    order->next_seq > 0 ? cursor : NULL);
	json_object_end(json);
}

static void
write_job(struct json_writer *json, const struct listed *row)
{
	document_write(json, &row->job,
	    row->has_delivery ? &row->delivery : NULL, &row->facts);
}

static void
write_dead_letter(struct json_writer *json, const struct listed *row)
{
	delivery_write(json, &row->delivery);
}

static void
show_list(struct call *call, struct order *order, const char *name,
    void (*write)(struct json_writer *json, const struct listed *row))
{
	struct buf body;
	struct json_writer *json;

	buf_init(&body, LIST_MAX_BYTES);
	json = json_writer_new(&body);
	if (json != NULL) {
		json_object(json);
		json_key(json, name);
		json_array(json);
		for (int i = 0; i < order->listed_count; i++) {
			struct listed *row = &order->listed[i];

			row->facts.public_url = call->api->conf->public_url;
			write(json, row);
		}
		end_list(json, order);
	}
	if (json != NULL && json_writer_end(&json))
		reply_json(&call->exchange, 200, NULL, &body);
	else
		refuse_plainly(&call->exchange, REFUSE_OVERLOADED,
		    "no memory for the list");
	buf_free(&body);
}

static void
listed(struct order *order)
{
	struct call *call = asker_of(order);

	if (order->result != ORDER_OK)
		refuse_order(&call->exchange, order->result);
	else if (order->kind == ORDER_JOBS)
		show_list(call, order, "jobs", write_job);
	else
		show_list(call, order, "dead_letters", write_dead_letter);
	free(call);
	order_free(&order);
}

/* ---- asking ---- */

static void
give_up(struct call *call, struct order *order,
    const struct objection *objection)
{
	refuse(&call->exchange, objection);
	free(asker_of(order));
	order_free(&order);
}

void
list_jobs(struct call *call)
{
	struct order *order = order_for(call, ORDER_JOBS, listed);
	struct objection objection = { 0 };
	struct page page;

	if (order == NULL)
		return;
	if (!take_page(call, &page, &objection) ||
	    !take_queue(call, order, &objection) ||
	    !take_status(call, order, &objection)) {
		give_up(call, order, &objection);
		return;
	}
	order->jobs_filter.below_seq = page.below_seq;
	order->jobs_filter.since_ms = page.since_ms;
	order->jobs_filter.until_ms = page.until_ms;
	order->jobs_filter.limit = (int)page.limit;
	order->jobs_filter.scan_max = SCAN_ROWS;
	if (order->client[0] != '\0')
		order->jobs_filter.client = order->client;
	ask(order);
}

void
list_dead_letters(struct call *call)
{
	struct order *order = order_for(call, ORDER_DELIVERIES, listed);
	struct objection objection = { 0 };
	struct page page;

	if (order == NULL)
		return;
	if (!take_page(call, &page, &objection)) {
		give_up(call, order, &objection);
		return;
	}
	order->deliveries_filter = (struct delivery_filter){
		.below_seq = page.below_seq,
		.since_ms = page.since_ms,
		.until_ms = page.until_ms,
		.state = DELIVERY_DEAD,
		.limit = (int)page.limit,
		.scan_max = SCAN_ROWS,
	};
	ask(order);
}

static void
redelivered(struct order *order)
{
	struct call *call = asker_of(order);
	struct buf body;
	struct json_writer *json;

	buf_init(&body, DOCUMENT_MAX_BYTES);
	json = json_writer_new(&body);
	if (json != NULL)
		delivery_write(json, &order->delivery);
	if (json == NULL || !json_writer_end(&json))
		buf_clear(&body);
	if (order->result == ORDER_OK)
		reply_json(&call->exchange, 202, NULL, &body);
	else
		refuse_order(&call->exchange, order->result);
	buf_free(&body);
	free(call);
	order_free(&order);
}

void
redeliver(struct call *call)
{
	struct order *order;
	struct uuid id;

	if (!uuid_parse(call->id, call->id_len, &id)) {
		refuse_order(&call->exchange, ORDER_MISSING);
		return;
	}
	order = order_for(call, ORDER_REDELIVER, redelivered);
	if (order == NULL)
		return;
	order->delivery.id = id;
	ask(order);
}
