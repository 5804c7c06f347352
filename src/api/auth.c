/* auth.c - who asks?
 *
 * Without client sections everybody is the same nameless client. With them, a
 * request brings its key as `Authorization: Bearer KEY`; only the key's hash is
 * known here, and all hashes are looked at, whether or not one fits.
 */
#include <string.h>

#include "callbackd/clock.h"
#include "callbackd/sched.h"
#include "inside.h"

static bool
hashes_are_equal(const char *a, const char *b)
{
	unsigned char difference = 0;

	for (size_t i = 0; i < SHA256_HEX_SIZE - 1; i++)
		difference |= (unsigned char)(a[i] ^ b[i]);
	return difference == 0;
}

static const struct conf_client *
client_with(const struct conf *conf, const char *hash)
{
	const struct conf_client *found = NULL;

	for (size_t i = 0; i < conf->client_count; i++)
		if (hashes_are_equal(conf->clients[i].key_sha256, hash))
			found = &conf->clients[i];
	return found;
}

/* What a client is told of its rate: draft-ietf-httpapi-ratelimit-headers. */
static bool
take_turn(const struct conf_client *client, struct objection *objection)
{
	int64_t left;
	int64_t wait_us;

	if (client->rate <= 0 ||
	    client_take_turn(client, clock_mono_us(), &left, &wait_us))
		return true;
	objection->retry_after_s = (wait_us + 999999) / 1000000;
	objection->limited = client;
	return object_to(objection, REFUSE_RATE_LIMITED,
	    "this key may send %g requests a second", client->rate);
}

bool
find_client(struct call *call, struct objection *objection)
{
	const struct conf *conf = call->api->conf;
	const char *field = http_header(call->exchange, "Authorization");
	const struct conf_client *client;
	char hash[SHA256_HEX_SIZE];

	call->client[0] = '\0';
	if (conf->client_count == 0)
		return true;
	if (field == NULL)
		return object_to(objection, REFUSE_UNAUTHORIZED,
		    "send your key as Authorization: Bearer KEY");
	if (!text_starts_nocase(field, "Bearer "))
		return object_to(objection, REFUSE_UNAUTHORIZED,
		    "Authorization is not of the Bearer scheme");
	field += strlen("Bearer ");
	field += strspn(field, " ");
	if (!sha256_hex(field, strlen(field), hash))
		return object_to(objection, REFUSE_OVERLOADED, "no memory");
	client = client_with(conf, hash);
	if (client == NULL)
		return object_to(objection, REFUSE_UNAUTHORIZED,
		    "that key is not known here");
	memcpy(call->client, client->name, sizeof(call->client));
	call->conf = client;
	return take_turn(client, objection);
}

bool
client_may_use(const struct api *api, const char *client, const char *queue)
{
	return conf_may_use(api->conf, client, queue);
}
