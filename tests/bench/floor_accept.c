/* floor_accept.c - evhttp and nothing behind it.
 *
 * The requests come from a child process, whose CPU is not counted.
 */
#include "floor.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"
#include "tally.h"
#include "wire.h"

struct front {
	struct event_base *base;
	int count;
	int64_t begun_us;
	int64_t ended_us;
};

static void
accept_cb(struct evhttp_request *request, void *owner)
{
	static const char document[] =
	    "{\"id\":\"0198c5d2-7a30-7cc3-98c4-dc0c0c07398f\",\"queue\":"
	    "\"bench\",\"status\":\"queued\",\"attempts\":0,\"links\":{"
	    "\"self\":\"/v1/jobs/0198c5d2-7a30-7cc3-98c4-dc0c0c07398f\"}}";
	struct front *front = owner;
	struct evkeyvalq *fields = evhttp_request_get_output_headers(request);
	struct evbuffer *body = evbuffer_new();

	if (body == NULL)
		give_up("memory");
	evhttp_add_header(fields, "Content-Type", "application/json");
	evbuffer_add_reference(body, document, sizeof(document) - 1, NULL,
	    NULL);
	evhttp_send_reply(request, 202, "Accepted", body);
	evbuffer_free(body);
	if (++front->count == FLOOR_WARM_JOBS)
		front->begun_us = floor_cpu_us();
	if (front->count == FLOOR_WARM_JOBS + FLOOR_JOBS)
		front->ended_us = floor_cpu_us();
	if (front->count == FLOOR_WARM_JOBS + FLOOR_JOBS)
		event_base_loopexit(front->base, NULL);
}

/* Until it is killed. */
_Noreturn static void
flood(uint16_t port)
{
	struct tally tally = { 0 };
	struct wire *wire = wire_new();
	struct client_plan plan = { .port = port,
		.path = "/bench/",
		.connections = FLOOR_CONNECTIONS,
		.body_bytes = FLOOR_BODY_BYTES };
	struct client *client;

	tally_begin(&tally);
	client = client_new(wire, &tally, &plan);
	client_flood(client, SIZE_MAX, SIZE_MAX);
	for (;;) {
		client_push(client);
		wire_turn(wire, -1);
	}
}

static struct event_base *
new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	if (config == NULL)
		give_up("memory");
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
	base = event_base_new_with_config(config);
	event_config_free(config);
	if (base == NULL)
		give_up("event_base_new_with_config");
	return base;
}

double
floor_accept_us(void)
{
	struct front front = { .base = new_base() };
	struct evhttp *http = evhttp_new(front.base);
	uint16_t port;
	int fd = wire_bind(&port);
	pid_t child;

	if (http == NULL || evhttp_accept_socket(http, fd) != 0)
		give_up("evhttp");
	evhttp_set_gencb(http, accept_cb, &front);
	child = fork();
	if (child < 0)
		give_up("fork");
	if (child == 0)
		flood(port);
	event_base_dispatch(front.base);
	kill(child, SIGKILL);
	evhttp_free(http);
	event_base_free(front.base);
	waitpid(child, NULL, 0);
	return (double)(front.ended_us - front.begun_us) / FLOOR_JOBS;
}
