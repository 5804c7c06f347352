/* api.c - from a request to the function that answers it.
 *
 * The /v1/ paths are in one table, which the manual and the OpenAPI file are
 * checked against; everything else belongs to the queue with the longest prefix
 * that fits. Paths are compared as they came, byte by byte.
 *
 * Thread: its loop's.
 */
#include "callbackd/api.h"

#include <stdlib.h>
#include <string.h>

#include "callbackd/sched.h"
#include "inside.h"

static const struct route {
	const char *method;
	const char *path; /* {id} and {name} stand for one segment, {path} for
	                   * whatever follows */
	void (*answer)(struct call *call);
} routes[] = {
	{ "GET", "/v1/jobs", list_jobs },
	{ "POST", "/v1/jobs", submit_json },
	{ "GET", "/v1/jobs/{id}", get_job },
	{ "DELETE", "/v1/jobs/{id}", cancel_job },
	{ "GET", "/v1/jobs/{id}/result", get_result },
	{ "GET", "/v1/jobs/{id}/events", watch_job },
	{ "POST", "/v1/jobs/{id}/retry", retry_job },
	{ "GET", "/v1/events", watch_all },
	{ "POST", "/v1/jobs/{id}/complete", complete_job },
	{ "POST", "/v1/jobs/{id}/fail", fail_job },
	{ "POST", "/v1/jobs/{id}/extend", extend_lease },
	{ "POST", "/v1/jobs/{id}/progress", report_progress },
	{ "GET", "/v1/queues", list_queues },
	{ "GET", "/v1/queues/{name}", get_queue },
	{ "POST", "/v1/queues/{name}/lease", lease_jobs },
	{ "GET", "/v1/dead-letters", list_dead_letters },
	{ "POST", "/v1/deliveries/{id}/redeliver", redeliver },
	{ "POST", "/async-function/{name}", submit_function },
	{ "POST", "/async-function/{name}/{path}", submit_function },
};
#define ROUTES (sizeof(routes) / sizeof(routes[0]))

static bool
path_fits(const char *pattern, struct call *call)
{
	const char *path = call->target;
	const char *end = path + call->path_len;

	while (*pattern != '\0') {
		if (*pattern != '{') {
			if (path == end || *path++ != *pattern++)
				return false;
			continue;
		}
		if (strcmp(pattern, "{path}") == 0)
			return true;
		call->id = path;
		while (path < end && *path != '/')
			path++;
		call->id_len = (size_t)(path - call->id);
		pattern = strchr(pattern, '}') + 1;
	}
	return path == end;
}

static bool
method_fits(const char *method, const char *asked)
{
	return strcmp(method, asked) == 0 ||
	    (strcmp(asked, "HEAD") == 0 && strcmp(method, "GET") == 0);
}

static bool
is_served(const struct call *call, const struct route *route)
{
	return route->answer != submit_function ||
	    call->api->conf->openfaas_compat;
}

/* Methods of all routes that fit the path, as an Allow field. */
static void
collect_allowed(struct call *call, struct buf *out)
{
	for (size_t i = 0; i < ROUTES; i++) {
		if (!is_served(call, &routes[i]) ||
		    !path_fits(routes[i].path, call))
			continue;
		if (out->len > 0)
			(void)buf_puts(out, ", ");
		(void)buf_puts(out, routes[i].method);
		if (strcmp(routes[i].method, "GET") == 0)
			(void)buf_puts(out, ", HEAD");
	}
}

static void
answer_unrouted(struct call *call)
{
	struct objection objection = { .refusal = REFUSE_NOT_FOUND };
	struct buf allowed;

	buf_init(&allowed, 256);
	collect_allowed(call, &allowed);
	if (allowed.len > 0) {
		(void)object_to(&objection, REFUSE_METHOD_NOT_ALLOWED, "use %s",
		    buf_text(&allowed));
		objection.allow = buf_text(&allowed);
	} else {
		(void)object_to(&objection, REFUSE_NOT_FOUND,
		    "no queue and no resource has this path");
	}
	refuse(&call->exchange, &objection);
	buf_free(&allowed);
}

static const struct route *
find_route(struct call *call)
{
	const char *method = http_method(call->exchange);

	for (size_t i = 0; i < ROUTES; i++)
		if (is_served(call, &routes[i]) &&
		    method_fits(routes[i].method, method) &&
		    path_fits(routes[i].path, call))
			return &routes[i];
	return NULL;
}

/* Nothing below these is a queue's, not even where a queue owns "/". */
static bool
is_of_api(const struct call *call)
{
	static const char function[] = "/async-function/";

	return strncmp(call->target, "/v1/", strlen("/v1/")) == 0 ||
	    (call->api->conf->openfaas_compat &&
		strncmp(call->target, function, strlen(function)) == 0);
}

/* The queue whose prefix is the longest that the path begins with. */
static const struct conf_queue *
find_queue(const struct call *call, size_t *prefix_len_out)
{
	const struct conf *conf = call->api->conf;
	const struct conf_queue *found = NULL;

	*prefix_len_out = 0;
	if (is_of_api(call))
		return NULL;
	for (size_t i = 0; i < conf->queue_count; i++) {
		size_t len = strlen(conf->queues[i].path);

		if (len <= *prefix_len_out || call->path_len < len ||
		    memcmp(call->target, conf->queues[i].path, len) != 0)
			continue;
		found = &conf->queues[i];
		*prefix_len_out = len;
	}
	return found;
}

static void
handle_cb(struct http_exchange *exchange, void *arg)
{
	struct api *api = arg;
	struct call call = { .api = api, .exchange = exchange };
	struct objection objection = { 0 };
	const struct conf_queue *queue;
	const struct route *route;
	size_t prefix_len;

	metrics_add(api->metrics, METRIC_HTTP_REQUESTS, 1);
	call.target = http_target(exchange);
	call.path_len = strcspn(call.target, "?");
	call.query = call.target + call.path_len;
	call.query += *call.query == '?';
	if (!find_client(&call, &objection)) {
		refuse(&call.exchange, &objection);
		return;
	}
	route = find_route(&call);
	queue = find_queue(&call, &prefix_len);
	if (route != NULL)
		route->answer(&call);
	else if (queue != NULL)
		submit(&call, queue, prefix_len);
	else
		answer_unrouted(&call);
}

/* ---- orders ---- */

struct order *
order_for(struct call *call, enum order_kind kind,
    void (*answered)(struct order *order))
{
	struct call *asker = malloc(sizeof(*asker));
	struct order *order = NULL;

	if (asker != NULL)
		order = order_new(kind, call->api->loop, answered, asker);
	if (order == NULL) {
		free(asker);
		refuse_plainly(&call->exchange, REFUSE_OVERLOADED, "no memory");
		return NULL;
	}
	*asker = *call;
	memcpy(order->client, call->client, sizeof(order->client));
	return order;
}

void
ask(struct order *order)
{
	struct call *call = asker_of(order);

	if (ledger_ask(call->api->ledger, order))
		return;
	if (order->kind == ORDER_ACCEPT)
		order_give_place(order);
	refuse_plainly(&call->exchange, REFUSE_OVERLOADED,
	    "too many requests wait for the store");
	free(call);
	order_free(&order);
}

struct call *
asker_of(struct order *order)
{
	return order->asker;
}

/* ---- birth and death ---- */

struct http_limits
api_limits(const struct conf *conf)
{
	return (struct http_limits){
		.body_bytes = conf->max_body_bytes,
		.head_bytes = (int32_t)conf->max_head_bytes,
		.field_count = conf->max_field_count,
		.head_ms = conf->head_timeout_ms,
		.body_ms = conf->body_timeout_ms,
		.idle_ms = conf->idle_timeout_ms,
	};
}

struct api *
api_new(const struct api_setup *setup)
{
	struct http_limits limits = api_limits(setup->conf);
	struct api *api = calloc(1, sizeof(*api));

	if (api == NULL)
		return NULL;
	api->loop = setup->loop;
	api->conf = conf_ref(setup->conf);
	api->metrics = setup->metrics;
	api->ledger = setup->ledger;
	api->server = http_server_new(setup->loop, setup->gate, &limits,
	    handle_cb, api);
	api->watchers = watchers_new(api, setup->heartbeat_ms);
	api->signers = signers_new(setup->conf);
	if (api->server == NULL || api->watchers == NULL ||
	    api->signers == NULL)
		api_free(&api);
	return api;
}

bool
api_listen(struct api *api, int fd)
{
	return http_server_listen(api->server, fd);
}

void
api_follow(struct api *api, struct conf *conf)
{
	struct http_limits limits = api_limits(conf);

	conf_unref(&api->conf);
	api->conf = conf_ref(conf);
	http_server_limit(api->server, &limits);
	if (!signers_follow(&api->signers, conf))
		log_event(loop_log(api->loop), LOG_LEVEL_ERROR,
		    "signing_failed", LOG_TEXT("why", "out of memory"));
}

void
api_drain(struct api *api)
{
	api->is_draining = true;
	http_server_drain(api->server);
	watchers_drain(api->watchers);
}

void
api_abandon(struct api *api)
{
	api->is_abandoned = true;
}

size_t
api_pending(const struct api *api)
{
	return http_server_pending(api->server);
}

void
api_free(struct api **api)
{
	if (*api == NULL)
		return;
	watchers_free(&(*api)->watchers);
	http_server_free(&(*api)->server);
	signers_free(&(*api)->signers);
	conf_unref(&(*api)->conf);
	free(*api);
	*api = NULL;
}
