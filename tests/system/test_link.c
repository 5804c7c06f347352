/* test_link.c - a receiver without a key reads the result that it was told of.
 *
 * Contract, section 5: thin callbacks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/link.h"
#include "jobs.h"

#define ACME "Authorization: Bearer acme-key\r\n"
#define ZENITH "Authorization: Bearer zenith-key\r\n"
#define BAD "the signature of this link is not good"

static void
put_hash(const char *key, char out[SHA256_HEX_SIZE])
{
	ck_assert(sha256_hex(key, strlen(key), out));
}

static void
open_with_clients(struct world *world, const char *callback)
{
	struct setup setup = { .callback = callback };
	char acme[SHA256_HEX_SIZE], zenith[SHA256_HEX_SIZE], more[512];

	put_hash("acme-key", acme);
	put_hash("zenith-key", zenith);
	snprintf(more, sizeof(more),
	    "client \"acme\" { key_sha256 = \"%s\" }\n"
	    "client \"zenith\" { key_sha256 = \"%s\" }\n",
	    acme, zenith);
	setup.more = more;
	world_open(world, &setup);
}

/* links.result of the nth callback. */
static void
wait_for_link(struct world *world, int nth, char out[256])
{
	struct json_document *seen = peer_request(&world->receiver, "/ok", nth);
	const char *body = seen_text(seen, "body");
	struct reason why = { "" };
	struct json_document *event = json_parse(body, strlen(body), &why);

	ck_assert_msg(event != NULL, "%s: %.300s", why.text, body);
	snprintf(out, 256, "%s",
	    look_text(json_root(event), "data.links.result"));
	json_document_free(&event);
	json_document_free(&seen);
}

static void
submit_as(struct world *world, const char *who, const char *target,
    const char *format, char id_out[ID_SIZE])
{
	char fields[512];

	snprintf(fields, sizeof(fields), "%s%s%s", who,
	    callback_to(world, "/ok"), format);
	submit(world, target, fields, "x", id_out);
}

static void
expect_result(struct world *world, const char *link, const char *fields)
{
	struct reply reply;

	api(world, "GET", link, fields, NULL, &reply);
	ck_assert_msg(reply.status == 200, "%s: %d %s", link, reply.status,
	    reply.body);
	ck_assert_str_eq(reply.body, "made");
	reply_clear(&reply);
}

static void
expect_401(struct world *world, const char *link, const char *detail)
{
	struct reply reply;

	api(world, "GET", link, "", NULL, &reply);
	expect_problem(&reply, 401, "unauthorized");
	ck_assert_str_eq(look_text(reply_json(&reply), "detail"), detail);
	ck_assert_ptr_nonnull(reply_header(&reply, "WWW-Authenticate"));
	reply_clear(&reply);
}

START_TEST(the_link_of_a_thin_callback_needs_no_key)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE], link[256], head[128];

	open_with_clients(&world, NULL);
	submit_as(&world, ACME, "/mill/status/200?body=made",
	    "Callback-Format: thin\r\n", id);
	wait_for_link(&world, 0, link);
	snprintf(head, sizeof(head),
	    "/v1/jobs/%s/result?client=acme&expires=", id);
	ck_assert_msg(strncmp(link, head, strlen(head)) == 0, "%s", link);
	expect_result(&world, link, "");
	expect_result(&world, link, ""); /* reading does not use it up */
	api(&world, "HEAD", link, "", NULL, &reply);
	ck_assert_int_eq(reply.status, 200);
	reply_clear(&reply);
	/* Who brings a key is judged by that. */
	expect_result(&world, link, ACME);
	api(&world, "GET", link, ZENITH, NULL, &reply);
	expect_problem(&reply, 404, "not-found");
	reply_clear(&reply);
	/* It opens nothing else. */
	link[strlen("/v1/jobs/") + strlen(id)] = '?';
	expect_401(&world, link, "send your key as Authorization: Bearer KEY");
	world_close(&world);
}
END_TEST

START_TEST(the_link_of_a_result_that_is_too_large_is_signed_too)
{
	static const char *const formats[] = { "standard", "raw",
		"cloudevents" };
	struct world world;
	struct reply reply;
	char format[64], id[ID_SIZE], link[256];

	open_with_clients(&world, CALLBACK_USUAL "inline_limit = \"1k\"\n");
	for (int i = 0; i < 3; i++) {
		snprintf(format, sizeof(format), "Callback-Format: %s\r\n",
		    formats[i]);
		submit_as(&world, ACME, "/mill/big?size=1025", format, id);
		wait_for_link(&world, i, link);
		ck_assert_ptr_nonnull(strstr(link, id));
		api(&world, "GET", link, "", NULL, &reply);
		ck_assert_int_eq(reply.status, 200);
		ck_assert_uint_eq(reply.body_len, 1025);
		reply_clear(&reply);
	}
	world_close(&world);
}
END_TEST

START_TEST(a_result_that_was_sent_has_a_plain_link)
{
	struct world world;
	char id[ID_SIZE], link[256];

	open_with_clients(&world, NULL);
	submit_as(&world, ACME, "/mill/status/200", "", id);
	wait_for_link(&world, 0, link);
	ck_assert_ptr_null(strchr(link, '?'));
	world_close(&world);
}
END_TEST

START_TEST(a_link_that_was_changed_is_401)
{
	struct world world;
	char id[ID_SIZE], other[ID_SIZE], link[256], changed[512];
	char *query, *expires, *signature;

	open_with_clients(&world, NULL);
	submit_as(&world, ACME, "/mill/status/200?body=made",
	    "Callback-Format: thin\r\n", id);
	submit(&world, "/mill/status/200", ACME "Job-Delay: 1h\r\n", "x",
	    other);
	wait_for_link(&world, 0, link);
	query = strchr(link, '?');
	expires = strstr(link, "expires=");
	signature = strstr(link, "&signature=");
	snprintf(changed, sizeof(changed), "/v1/jobs/%s/result%s", other,
	    query);
	expect_401(&world, changed, BAD);
	snprintf(changed, sizeof(changed), "/v1/jobs/%s/result?%s", id,
	    expires);
	expect_401(&world, changed, BAD);
	snprintf(changed, sizeof(changed),
	    "/v1/jobs/%s/result?client=zenith&%s", id, expires);
	expect_401(&world, changed, BAD);
	snprintf(changed, sizeof(changed), "%.*s0%s", (int)(signature - link),
	    link, signature);
	expect_401(&world, changed, BAD);
	snprintf(changed, sizeof(changed),
	    "%.*s&signature=", (int)(signature - link), link);
	expect_401(&world, changed, BAD);
	snprintf(changed, sizeof(changed), "%s=", link);
	expect_401(&world, changed, BAD);
	expect_result(&world, link, "");
	world_close(&world);
}
END_TEST

/* Made as the daemon makes them; the world has clients, or none. */
static void
make_link(const char *id, const char *client, const char *key,
    int64_t expires_s, char out[320])
{
	struct reason why;
	struct sign_secret *secret = sign_secret_parse(SECRET_TEXT "\n",
	    strlen(SECRET_TEXT "\n"), &why);
	struct link_signer signer = { signer_new(secret), client, "" };
	char hash[SHA256_HEX_SIZE], query[LINK_QUERY_SIZE];
	struct uuid job;

	put_hash(key, hash);
	if (key[0] != '\0')
		signer.key_sha256 = hash;
	ck_assert(uuid_parse(id, strlen(id), &job));
	ck_assert(link_sign(&signer, job, expires_s, query));
	snprintf(out, 320, "/v1/jobs/%s/result?%s", id, query);
	signer_free(&signer.signer);
	sign_secret_free(&secret);
}

START_TEST(a_link_holds_until_its_moment)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE], link[320];
	int64_t now_s = now_wall_ms() / 1000;

	open_with_clients(&world, NULL);
	submit_as(&world, ACME, "/mill/status/200?body=made", "", id);
	wait_until(peer_seen(&world.receiver, "/ok") > 0);
	make_link(id, "acme", "acme-key", now_s + 3600, link);
	expect_result(&world, link, "");
	make_link(id, "acme", "acme-key", now_s - 1, link);
	expect_401(&world, link, "this link has expired");
	/* A client may not read another's job by a link of its own. */
	make_link(id, "zenith", "zenith-key", now_s + 3600, link);
	api(&world, "GET", link, "", NULL, &reply);
	expect_problem(&reply, 404, "not-found");
	reply_clear(&reply);
	/* The secret alone, which receivers know, is not enough. */
	make_link(id, "acme", "", now_s + 3600, link);
	expect_401(&world, link, BAD);
	world_close(&world);
}
END_TEST

START_TEST(without_clients_links_are_signed_and_judged_as_well)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE], link[320];

	world_open(&world, NULL);
	submit_as(&world, "", "/mill/status/200?body=made",
	    "Callback-Format: thin\r\n", id);
	wait_for_link(&world, 0, link);
	ck_assert_ptr_nonnull(strstr(link, "/result?expires="));
	expect_result(&world, link, "");
	make_link(id, "", "", now_wall_ms() / 1000 - 1, link);
	expect_401(&world, link, "this link has expired");
	result_get(&world, id, &reply);
	ck_assert_int_eq(reply.status, 200);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		the_link_of_a_thin_callback_needs_no_key,
		the_link_of_a_result_that_is_too_large_is_signed_too,
		a_result_that_was_sent_has_a_plain_link,
		a_link_that_was_changed_is_401,
		a_link_holds_until_its_moment,
		without_clients_links_are_signed_and_judged_as_well,
	};

	return HARNESS_RUN("link", cases);
}
