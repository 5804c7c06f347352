/* watch.c - streams of what happens to jobs: asking for them.
 *
 * A watcher asks the ledger, shows what the answer has, and asks again until it
 * has all; from then on it is told (watchers.c). An id in the stream is that of
 * the event and, behind a dash, the version of the job's record: with it, a
 * client that comes back after the gateway has forgotten the event still is not
 * shown again what it has seen.
 *
 * Thread: its loop's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch.h"

/* ---- the answer ---- */

/* False: no memory. The client comes back for the rest. */
static bool
show_rows(struct watcher *watcher, struct order *order)
{
	const struct api *api = watcher->watchers->api;

	for (int i = 0; i < order->listed_count; i++) {
		struct listed *row = &order->listed[i];
		struct event_text text;
		bool is_made = event_text_make(&text, api, &row->mark,
		    &row->job, row->has_delivery ? &row->delivery : NULL,
		    &row->facts);

		if (is_made)
			watcher_write(watcher, &text, SIZE_MAX);
		event_text_free(&text);
		if (!is_made)
			return false;
		watcher->upto_version = row->mark.version;
	}
	return true;
}

/* For those who watch all: what was missed, and where they are. */
static void
show_place(struct watcher *watcher, const struct watch *watch)
{
	char text[64];

	if (uuid_is_set(watcher->job))
		return;
	if (watch->has_gap)
		watcher_say(watcher, ": older events are gone\n\n");
	if (watch->after_id >= 0)
		return;
	(void)snprintf(text, sizeof(text), "id: %" PRId64 "\n\n",
	    watch->upto_id);
	watcher_say(watcher, text);
}

static bool
is_head(const struct watcher *watcher)
{
	return watcher->exchange != NULL &&
	    strcmp(http_method(watcher->exchange), "HEAD") == 0;
}

static void
go_on(struct watcher *watcher, const struct watch *watch, bool is_whole)
{
	bool is_draining = watcher->watchers->api->is_draining;
	bool has_ended = !is_whole || watch->is_over || is_head(watcher) ||
	    is_draining;
	int code = WEBSOCKET_NORMAL;

	if (!is_whole)
		code = WEBSOCKET_TRY_LATER;
	else if (!watch->is_over)
		code = WEBSOCKET_GOING_AWAY;

	watcher->upto_id = watch->upto_id;
	if (has_ended && watch->is_on)
		watcher_unwatch(watcher);
	if (has_ended)
		watcher_end(watcher, code);
	else if (watch->is_on)
		watcher_join(watcher);
	else
		watcher_pace(watcher);
}

/* Nobody reads any more. */
static void
forget(struct watcher *watcher, const struct order *order)
{
	watcher->upto_id = order->watch.upto_id;
	if (order->watch.is_on)
		watcher_unwatch(watcher);
	watcher_free(watcher);
}

static void
show(struct watcher *watcher, struct order *order)
{
	if (!watcher->has_begun && !watcher_begin(watcher)) {
		refuse_plainly(&watcher->exchange, REFUSE_BAD_REQUEST,
		    "a WebSocket client must wait for the handshake");
		forget(watcher, order);
		return;
	}
	show_place(watcher, &order->watch);
	go_on(watcher, &order->watch, show_rows(watcher, order));
}

static void
answered(struct order *order)
{
	struct watcher *watcher = order->asker;

	watcher->is_asking = false;
	if (!watcher_is_open(watcher)) {
		forget(watcher, order);
	} else if (order->result == ORDER_OK) {
		show(watcher, order);
	} else {
		if (!watcher->has_begun)
			refuse_order(&watcher->exchange, order->result);
		watcher_end(watcher, WEBSOCKET_TRY_LATER);
	}
	order_free(&order);
}

/* ---- the question ---- */

bool
watcher_ask(struct watcher *watcher)
{
	struct watchers *watchers = watcher->watchers;
	struct order *order;

	if (watchers->api->is_abandoned)
		return false;
	order = order_new(ORDER_WATCH, watchers->api->loop, answered, watcher);
	if (order == NULL)
		return false;
	order->job.id = watcher->job;
	memcpy(order->client, watcher->client, sizeof(order->client));
	memcpy(order->filter_queue, watcher->queue,
	    sizeof(order->filter_queue));
	order->watch.after_id = watcher->upto_id;
	order->watch.after_version = watcher->upto_version;
	order->watch.room = &watchers->room;
	watcher->is_asking = ledger_ask(watchers->api->ledger, order);
	if (!watcher->is_asking)
		order_free(&order);
	return watcher->is_asking;
}

/* ---- what the client wants ---- */

/* RFC 9110, 12.5.1: without the field anything will do. */
static bool
takes_streams(const struct call *call)
{
	struct http_list list = { .name = "Accept" };
	const char *item;
	size_t len;

	if (http_header(call->exchange, list.name) == NULL)
		return true;
	while (http_list_next(call->exchange, &list, &item, &len)) {
		size_t name_len = 0;

		while (name_len < len && item[name_len] != ';' &&
		    item[name_len] != ' ')
			name_len++;
		if (text_equal_nocase_n(item, name_len, "text/event-stream") ||
		    text_equal_nocase_n(item, name_len, "text/*") ||
		    text_equal_nocase_n(item, name_len, "*/*"))
			return true;
	}
	return false;
}

/* An id of ours: a number and, unless it is only a place, a version. */
static bool
take_last_id(struct watcher *watcher, struct objection *objection)
{
	const char *field = http_header(watcher->exchange, "Last-Event-ID");
	char number[24] = "";
	size_t len;
	size_t version_len;

	if (field == NULL || field[0] == '\0')
		return true;
	len = strcspn(field, "-");
	version_len = strspn(field + len + (field[len] == '-'),
	    "0123456789abcdef");
	if (len < sizeof(number))
		memcpy(number, field, len);
	if (!text_int64(number, 0, INT64_MAX, &watcher->upto_id) ||
	    version_len > 16 ||
	    field[len + (field[len] == '-') + version_len] != '\0')
		return object_to(objection, REFUSE_BAD_REQUEST,
		    "Last-Event-ID: not an id of this stream");
	if (version_len > 0)
		watcher->upto_version = strtoull(field + len + 1, NULL, 16);
	return true;
}

/* A page of another site may open a socket to us in the browser of somebody who
 * can reach us; only the Origin tells (RFC 6455, 10.2). It must be the host that
 * was asked, as the client or a proxy says, or the public one. */
static bool
origin_is_ours(const struct call *call)
{
	static const char *const hosts[] = { "Host", "X-Forwarded-Host" };
	const char *origin = http_header(call->exchange, "Origin");
	const char *public_url = call->api->conf->public_url;
	const char *host;

	if (origin == NULL)
		return true;
	if (public_url != NULL && text_starts_nocase(public_url, origin) &&
	    strchr("/", public_url[strlen(origin)]) != NULL)
		return true;
	origin = strstr(origin, "://");
	for (size_t i = 0; origin != NULL && i < 2; i++) {
		host = http_header(call->exchange, hosts[i]);
		if (host != NULL && text_equal_nocase(host, origin + 3))
			return true;
	}
	return false;
}

static bool
may_have_socket(const struct call *call, enum websocket_wish wish,
    struct objection *objection)
{
	if (wish == WEBSOCKET_BAD_VERSION)
		return object_to(objection, REFUSE_UPGRADE_REQUIRED,
		    "Sec-WebSocket-Version: 13 is spoken here");
	if (wish == WEBSOCKET_BAD_KEY)
		return object_to(objection, REFUSE_BAD_REQUEST,
		    "Sec-WebSocket-Key: not 16 bytes in base64");
	if (!origin_is_ours(call))
		return object_to(objection, REFUSE_FORBIDDEN,
		    "Origin: pages of other sites may not open a WebSocket");
	return true;
}

static bool
may_watch(const struct call *call, struct objection *objection)
{
	enum websocket_wish wish = websocket_wish(call->exchange);

	if (wish != WEBSOCKET_NOT_WANTED &&
	    !may_have_socket(call, wish, objection))
		return false;
	if (wish == WEBSOCKET_NOT_WANTED && !takes_streams(call))
		return object_to(objection, REFUSE_NOT_ACCEPTABLE,
		    "this is a stream: Accept: text/event-stream");
	if (call->api->is_draining)
		return object_to(objection, REFUSE_DRAINING,
		    "the gateway is about to stop");
	return true;
}

static void
watch(struct call *call, struct uuid job, const char *queue)
{
	struct objection objection = { .refusal = REFUSE_OVERLOADED };
	struct watcher *watcher = NULL;

	if (may_watch(call, &objection))
		watcher = watcher_new(call, queue);
	if (watcher == NULL) {
		refuse(&call->exchange, &objection);
		return;
	}
	watcher->job = job;
	watcher->wants_socket = websocket_wish(watcher->exchange) ==
	    WEBSOCKET_WANTED;
	if (take_last_id(watcher, &objection) && watcher_ask(watcher))
		return;
	refuse(&watcher->exchange, &objection);
	watcher_free(watcher);
}

void
watch_job(struct call *call)
{
	struct uuid id;

	if (uuid_parse(call->id, call->id_len, &id))
		watch(call, id, "");
	else
		refuse_order(&call->exchange, ORDER_MISSING);
}

void
watch_all(struct call *call)
{
	char queue[NAME_SIZE] = "";
	int found = query_find(call->query, "queue", queue, sizeof(queue));

	if (found < 0 || (found == 1 && !name_is_legal(queue)))
		refuse_plainly(&call->exchange, REFUSE_BAD_REQUEST,
		    "queue: not a queue's name");
	else
		watch(call, (struct uuid){ 0, 0 }, queue);
}
