/* client.c - keep-alive connections with one request on each.
 *
 * 1. A connection is either in the stack of idle ones or its number is the
 *    token of the job that it waits for.
 * 2. A connection that the system closes is made again; if a request was on it,
 *    that job is lost: nobody knows whether it was accepted.
 *
 * One thread.
 */
#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t no_token = UINT64_MAX;

struct client {
	struct wire *wire;
	struct tally *tally;
	struct client_plan plan;
	struct stream **all;
	struct stream **idle;
	size_t idle_count;
	size_t jobs_left;
	size_t limit;
	int64_t interval_ns; /* 0: closed loop */
	int64_t next_due_ns;
};

static void answered(struct stream *stream, const struct message *message);
static void closed(struct stream *stream);

static const struct stream_calls client_calls = {
	.message = answered,
	.closed = closed,
};

static struct stream *
connect_one(struct client *client)
{
	struct stream *stream = wire_connect(client->wire, client->plan.port,
	    &client_calls, client);

	if (stream == NULL)
		give_up("connecting to the system under test");
	stream->number = no_token;
	client->idle[client->idle_count++] = stream;
	return stream;
}

/* "HTTP/1.1 202 Accepted" is the only answer that is an acceptance. */
static void
answered(struct stream *stream, const struct message *message)
{
	struct client *client = stream->owner;
	bool accepted = message->head_bytes > 12 &&
	    memcmp(message->head + 9, "202", 3) == 0;

	/* Some servers say 408 to a connection that was idle for long. */
	if (stream->number == no_token) {
		stream_close(stream);
		closed(stream);
		return;
	}
	if (!accepted && client->tally->refused == 0)
		fprintf(stderr, "load: refused: %.*s\n",
		    (int)message->head_bytes, message->head);
	tally_answer(client->tally, stream->number, accepted);
	stream->number = no_token;
	client->idle[client->idle_count++] = stream;
}

static void
closed(struct stream *stream)
{
	struct client *client = stream->owner;
	size_t at = 0;

	if (stream->number != no_token)
		tally_lose(client->tally, stream->number);
	for (size_t i = 0; i < client->idle_count; i++) {
		if (client->idle[i] == stream)
			client->idle[i--] = client->idle[--client->idle_count];
	}
	while (client->all[at] != stream)
		at++;
	client->all[at] = connect_one(client);
}

static void
send_job(struct client *client, int64_t due_ns)
{
	struct stream *stream = client->idle[--client->idle_count];
	uint64_t token = tally_add(client->tally, due_ns);
	size_t body_bytes = client->plan.body_bytes;
	char digits[TOKEN_BYTES + 1] = "";
	char head[512];
	int bytes;

	token_write(token, digits);
	bytes = snprintf(head, sizeof(head),
	    "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
	    "Callback-URL: http://127.0.0.1:%u/c/%s\r\n"
	    "Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s",
	    client->plan.path, client->plan.port, client->plan.receiver_port,
	    digits, body_bytes, digits);
	stream->number = token;
	stream_send(stream, head, (size_t)bytes, body_filler(token, body_bytes),
	    body_bytes - TOKEN_BYTES);
	client->jobs_left--;
}

int64_t
client_push(struct client *client)
{
	if (client->interval_ns == 0) {
		while (client->idle_count > 0 && client->jobs_left > 0 &&
		    tally_outstanding(client->tally) < client->limit)
			send_job(client, now_ns());
		return -1;
	}
	for (;;) {
		int64_t wait_ns = client->next_due_ns - now_ns();

		if (client->jobs_left == 0 || client->idle_count == 0)
			return -1;
		if (wait_ns > 0)
			return wait_ns;
		send_job(client, client->next_due_ns);
		client->next_due_ns += client->interval_ns;
	}
}

void
client_flood(struct client *client, size_t jobs, size_t limit)
{
	client->interval_ns = 0;
	client->jobs_left = jobs;
	client->limit = limit;
}

void
client_pace(struct client *client, double rate)
{
	client->interval_ns = (int64_t)(1e9 / rate);
	client->jobs_left = SIZE_MAX;
	client->next_due_ns = now_ns();
}

void
client_stop(struct client *client)
{
	client->jobs_left = 0;
}

struct client *
client_new(struct wire *wire, struct tally *tally,
    const struct client_plan *plan)
{
	struct client *client = calloc(1, sizeof(*client));

	if (client == NULL)
		give_up("memory");
	client->wire = wire;
	client->tally = tally;
	client->plan = *plan;
	client->all = calloc(plan->connections, sizeof(*client->all));
	client->idle = calloc(plan->connections, sizeof(*client->idle));
	if (client->all == NULL || client->idle == NULL)
		give_up("memory");
	for (size_t i = 0; i < plan->connections; i++)
		client->all[i] = connect_one(client);
	return client;
}

void
client_free(struct client **client)
{
	struct client *dying = *client;

	for (size_t i = 0; i < dying->plan.connections; i++)
		stream_close(dying->all[i]);
	free(dying->all);
	free(dying->idle);
	free(dying);
	*client = NULL;
}
