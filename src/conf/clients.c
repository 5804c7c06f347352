/* clients.c - the client sections, who may ask for what, and the alerts.
 *
 * 1. A key belongs to one client. What is written as its hash is never shown:
 *    it may be the key itself, by mistake.
 * 2. A client names only queues that there are, and a queue only clients.
 *
 * Thread: main.
 */
#include "build.h"

#include <assert.h>
#include <string.h>

static void
read_key(struct build *build, const struct stated *section,
    struct conf_client *client)
{
	const struct written *written = stated_value(section, "key_sha256", 0);
	size_t len = strlen(written->text);

	if (!stated_is_given(section, "key_sha256")) {
		complain_at(build->out, written->line,
		    "client '%s' needs a key_sha256", client->name);
		return;
	}
	if (len != SHA256_HEX_SIZE - 1 ||
	    strspn(written->text, "0123456789abcdef") != len) {
		complain_at(build->out, written->line,
		    "key_sha256 must be the SHA-256 of the key as 64 digits of "
		    "lower-case hex");
		return;
	}
	memcpy(client->key_sha256, written->text, len + 1);
}

static void
refuse_twin_key(struct build *build, const struct stated *section, size_t i)
{
	const struct conf_client *clients = build->conf->clients;

	for (size_t j = 0; j < i; j++) {
		if (clients[i].key_sha256[0] == '\0' ||
		    strcmp(clients[i].key_sha256, clients[j].key_sha256) != 0)
			continue;
		complain_at(build->out,
		    stated_value(section, "key_sha256", 0)->line,
		    "client '%s' has the same key", clients[j].name);
		return;
	}
}

static void
read_client_queues(struct build *build, const struct stated *section,
    struct conf_client *client)
{
	size_t count = stated_count(section, "queues");
	char text[SHOWN_SIZE];

	for (size_t i = 0; i < count; i++) {
		const struct written *written = stated_value(section, "queues",
		    i);
		if (conf_queue_find(build->conf, written->text) != NULL)
			continue;
		complain_at(build->out, written->line,
		    "queues: there is no queue '%s'",
		    shown(written->text, strlen(written->text), text));
	}
	client->queues = build_list(build, section, "queues");
}

/* Without a burst of its own a client may use up a second's worth at once, and
 * always one request: less would let nothing through. */
static void
read_rate(struct build *build, const struct stated *section,
    struct conf_client *client)
{
	if (!stated_is_given(section, "burst"))
		client->burst = client->rate > 1 ? client->rate
		    : client->rate > 0           ? 1
						 : 0;
	else if (client->rate > 0 && client->burst < 1)
		complain_at(build->out, stated_value(section, "burst", 0)->line,
		    "burst must be 1 or more where there is a rate");
}

static void
read_client(struct build *build, const struct stated *section,
    struct conf_client *client)
{
	const char *name = section->written->text;

	assert(name_is_legal(name)); /* prescan */
	memcpy(client->name, name, strlen(name) + 1);
	build_values(build, section, PLACE_CLIENT, client);
	read_rate(build, section, client);
	read_key(build, section, client);
	read_client_queues(build, section, client);
	client->secret = build_secret(build, section);
}

/* Names only clients that there are: this comes after them. */
static void
read_consumers(struct build *build, const struct stated *section,
    struct conf_queue *queue)
{
	size_t count = stated_count(section, "consumers");
	char text[SHOWN_SIZE];

	for (size_t i = 0; i < count; i++) {
		const struct written *written = stated_value(section,
		    "consumers", i);

		if (queue->executor != EXECUTOR_PULL)
			complain_at(build->out, written->line,
			    "consumers are for executor \"pull\" only");
		else if (conf_client_find(build->conf, written->text) == NULL)
			complain_at(build->out, written->line,
			    "consumers: there is no client '%s'",
			    shown(written->text, strlen(written->text), text));
	}
	queue->consumers = build_list(build, section, "consumers");
}

void
build_clients(struct build *build, const struct stated *top)
{
	struct conf *conf = build->conf;
	size_t count = stated_count(top, "client");

	conf->clients = build_array(build, count, sizeof(*conf->clients));
	if (conf->clients == NULL)
		return;
	conf->client_count = count;
	for (size_t i = 0; i < count; i++) {
		const struct stated *section = stated_section(top, "client", i);
		read_client(build, section, &conf->clients[i]);
		refuse_twin_key(build, section, i);
	}
}

void
build_consumers(struct build *build, const struct stated *top)
{
	struct conf *conf = build->conf;

	for (size_t i = 0; i < conf->queue_count; i++)
		read_consumers(build, stated_section(top, "queue", i),
		    &conf->queues[i]);
}

static bool
is_alert(const char *name)
{
	return strcmp(name, "callback.dead") == 0 ||
	    strcmp(name, "endpoint.disabled") == 0 ||
	    strcmp(name, "queue.full") == 0;
}

void
build_alerts(struct build *build, const struct stated *top)
{
	const struct stated *section = stated_section(top, "alerts", 0);
	size_t count = stated_count(section, "events");
	char text[SHOWN_SIZE];

	schema_refuse_not_yet(section, PLACE_ALERTS, build->out);
	for (size_t i = 0; i < count; i++) {
		const struct written *written = stated_value(section, "events",
		    i);
		if (!is_alert(written->text))
			complain_at(build->out, written->line,
			    "events: '%s' is not one of \"callback.dead\", "
			    "\"endpoint.disabled\" and \"queue.full\"",
			    shown(written->text, strlen(written->text), text));
	}
}
