/* auth.c - who asks?
 *
 * Without client sections everybody is the same nameless client. With them, a
 * request brings its key as `Authorization: Bearer KEY`; only the key's hash is
 * known here, and all hashes are looked at, whether or not one fits.
 *
 * A receiver that was sent the link to a result has no key: the signature in
 * the link lets it read that result, and nothing else.
 */
#include <stdio.h>
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

/* ---- signed links ---- */

static bool
names_result(const struct call *call, struct uuid *job_out)
{
	static const char base[] = "/v1/jobs/";
	static const char end[] = "/result";
	size_t base_len = strlen(base), end_len = strlen(end);
	const char *id = call->target + base_len;
	size_t id_len;

	if (call->path_len < base_len + end_len ||
	    strncmp(call->target, base, base_len) != 0)
		return false;
	id_len = call->path_len - base_len - end_len;
	return strncmp(id + id_len, end, end_len) == 0 &&
	    uuid_parse(id, id_len, job_out);
}

static bool
is_signed(const struct call *call)
{
	char text[2];

	return http_header(call->exchange, "Authorization") == NULL &&
	    query_find(call->query, "signature", text, sizeof(text)) != 0;
}

static bool
follow_link(struct call *call, struct uuid job, struct objection *objection)
{
	char client[NAME_SIZE] = "", expires[24];
	char signature[LINK_SIGNATURE_SIZE];
	struct link_signer signer;
	int64_t expires_s;

	(void)query_find(call->query, "client", client, sizeof(client));
	signer = signers_for_links(call->api->signers, client);
	if (query_find(call->query, "expires", expires, sizeof(expires)) != 1 ||
	    query_find(call->query, "signature", signature,
		sizeof(signature)) != 1 ||
	    !text_int64(expires, 0, INT64_MAX / 1000, &expires_s) ||
	    !link_verify(&signer, job, expires_s, signature))
		return object_to(objection, REFUSE_UNAUTHORIZED,
		    "the signature of this link is not good");
	if (expires_s * 1000 <= loop_wall_ms(call->api->loop))
		return object_to(objection, REFUSE_UNAUTHORIZED,
		    "this link has expired");
	(void)snprintf(call->client, sizeof(call->client), "%s", signer.client);
	return true;
}

/* ---- keys ---- */

bool
find_client(struct call *call, struct objection *objection)
{
	const struct conf *conf = call->api->conf;
	const char *field = http_header(call->exchange, "Authorization");
	const struct conf_client *client;
	char hash[SHA256_HEX_SIZE];
	struct uuid job;

	call->client[0] = '\0';
	if (names_result(call, &job) && is_signed(call))
		return follow_link(call, job, objection);
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
