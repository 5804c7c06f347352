/* queues.c - looking at queues. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/json.h"
#include "inside.h"

#define QUEUE_MAX_BYTES 4096

bool
queue_named(const struct call *call, char out[NAME_SIZE],
    struct objection *objection)
{
	if (call->id_len < NAME_SIZE) {
		memset(out, 0, NAME_SIZE);
		memcpy(out, call->id, call->id_len);
		if (name_is_legal(out))
			return true;
	}
	return object_to(objection, REFUSE_NOT_FOUND, "there is no such queue");
}

/* ---- the document ---- */

/* To a thousandth: what is behind that is noise. */
static void
put_rate(struct json_writer *json, const char *key, double per_s)
{
	json_key(json, key);
	json_real(json, (double)(int64_t)(per_s * 1000 + 0.5) / 1000);
}

static void
put_link(struct json_writer *json, const char *public_url, const char *queue)
{
	char link[1024];

	(void)snprintf(link, sizeof(link), "%s/v1/queues/%s", public_url,
	    queue);
	json_key(json, "links");
	json_object(json);
	json_put_string(json, "self", link);
	json_object_end(json);
}

void
queue_write(struct json_writer *json, const struct queue_facts *facts,
    const char *public_url)
{
	static const char *const executors[] = {
		[EXECUTOR_HTTP] = "http",
		[EXECUTOR_COMMAND] = "command",
		[EXECUTOR_PULL] = "pull",
	};

	json_object(json);
	json_put_string(json, "name", facts->name);
	json_put_string(json, "executor", executors[facts->executor]);
	json_put_bool(json, "paused", facts->is_paused);
	json_put_int(json, "depth", facts->waiting);
	json_put_int(json, "delayed", facts->delayed);
	json_put_int(json, "running", facts->running);
	json_put_int(json, "concurrency", facts->concurrency);
	json_put_int(json, "places", facts->places);
	json_put_int(json, "capacity", facts->capacity);
	json_put_int(json, "bytes", facts->place_bytes);
	json_put_int(json, "capacity_bytes", facts->capacity_bytes);
	if (facts->oldest_age_ms < 0)
		json_put_null(json, "oldest_age_ms");
	else
		json_put_int(json, "oldest_age_ms", facts->oldest_age_ms);
	put_rate(json, "accept_rate", facts->accepted_per_s);
	put_rate(json, "drain_rate", facts->drained_per_s);
	put_link(json, public_url, facts->name);
	json_object_end(json);
}

/* ---- answers ---- */

static void
write_queues(struct json_writer *json, const struct call *call,
    const struct order *order)
{
	const struct conf *conf = call->api->conf;

	json_object(json);
	json_key(json, "queues");
	json_array(json);
	for (int i = 0; i < order->queue_count; i++)
		if (conf_may_use(conf, call->client, order->queues[i].name))
			queue_write(json, &order->queues[i], conf->public_url);
	json_array_end(json);
	json_object_end(json);
}

static void
show_queues(struct call *call, struct order *order)
{
	bool is_one = order->filter_queue[0] != '\0';
	struct json_writer *json;
	struct buf body;

	buf_init(&body, QUEUE_MAX_BYTES * ((size_t)order->queue_count + 1));
	json = json_writer_new(&body);
	if (json != NULL && is_one)
		queue_write(json, &order->queues[0],
		    call->api->conf->public_url);
	else if (json != NULL)
		write_queues(json, call, order);
	if (json != NULL && json_writer_end(&json))
		reply_json(&call->exchange, 200, NULL, &body);
	else
		refuse_plainly(&call->exchange, REFUSE_OVERLOADED,
		    "no memory for the queues");
	buf_free(&body);
}

static void
looked(struct order *order)
{
	struct call *call = asker_of(order);

	if (order->result == ORDER_OK)
		show_queues(call, order);
	else
		refuse_order(&call->exchange, order->result);
	free(call);
	order_free(&order);
}

void
list_queues(struct call *call)
{
	struct order *order = order_for(call, ORDER_QUEUES, looked);

	if (order != NULL)
		ask(order);
}

void
get_queue(struct call *call)
{
	struct objection objection = { 0 };
	char name[NAME_SIZE];
	struct order *order;

	if (!queue_named(call, name, &objection) ||
	    (!conf_may_use(call->api->conf, call->client, name) &&
		!object_to(&objection, REFUSE_FORBIDDEN,
		    "this key may not use queue %s", name))) {
		refuse(&call->exchange, &objection);
		return;
	}
	order = order_for(call, ORDER_QUEUES, looked);
	if (order == NULL)
		return;
	memcpy(order->filter_queue, name, sizeof(name));
	ask(order);
}
