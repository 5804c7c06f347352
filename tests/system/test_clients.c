/* test_clients.c - API keys: who may ask, for what, how often and how much.
 *
 * Contract, sections 2 and 7.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/sign.h"
#include "jobs.h"

#define LATER "Job-Delay: 1h\r\n"
#define ACME "Authorization: Bearer acme-key\r\n"
#define ZENITH "Authorization: Bearer zenith-key\r\n"
#define JSON "Content-Type: application/json\r\n"

/* ---- worlds with the clients acme and zenith ---- */

static void
put_client(struct buf *out, const char *name, const char *settings)
{
	char key[64];
	char hash[SHA256_HEX_SIZE];

	snprintf(key, sizeof(key), "%s-key", name);
	ck_assert(sha256_hex(key, strlen(key), hash));
	buf_printf(out, "client \"%s\" { key_sha256 = \"%s\" %s }\n", name,
	    hash, settings);
}

/* NULL: that client is not there. */
static void
fill_setup(struct setup *setup, const char *acme, const char *zenith)
{
	static char more[4096];
	struct buf out;

	buf_init(&out, sizeof(more));
	buf_puts(&out,
	    "queue \"other\" { path = \"/other/\" upstream = \"%s/\" }\n");
	if (acme != NULL)
		put_client(&out, "acme", acme);
	if (zenith != NULL)
		put_client(&out, "zenith", zenith);
	snprintf(more, sizeof(more), "%s", buf_text(&out));
	buf_free(&out);
	setup->more = more;
}

static void
open_with(struct world *world, const char *acme, const char *zenith)
{
	struct setup setup = { 0 };

	fill_setup(&setup, acme, zenith);
	world_open(world, &setup);
}

static void
ask_as(struct world *world, const char *who, const char *method,
    const char *target, struct reply *out)
{
	api(world, method, target, who, NULL, out);
}

static void
ask_for(struct world *world, const char *who, const char *method,
    const char *id, const char *end, struct reply *out)
{
	char target[128];

	snprintf(target, sizeof(target), "/v1/jobs/%s%s", id, end);
	ask_as(world, who, method, target, out);
}

/* job_get knows no keys. */
static bool
job_has(struct world *world, const char *who, const char *id, const char *path,
    const char *wanted)
{
	struct reply reply;
	bool has;

	ask_for(world, who, "GET", id, "", &reply);
	has = look_says(reply_json(&reply), path, wanted);
	reply_clear(&reply);
	return has;
}

static int
listed(struct world *world, const char *who, const char *target,
    const char *list)
{
	struct reply reply;
	int count;

	ask_as(world, who, "GET", target, &reply);
	ck_assert_int_eq(reply.status, 200);
	count = (int)look_at(reply_json(&reply), list)->count;
	reply_clear(&reply);
	return count;
}

/* ---- keys ---- */

START_TEST(without_a_known_key_everything_is_401)
{
	static const struct {
		const char *fields;
		const char *detail;
	} keys[] = {
		{ "", "send your key as Authorization: Bearer KEY" },
		{ "Authorization: Basic YWNtZTphY21lLWtleQ==\r\n",
		    "Authorization is not of the Bearer scheme" },
		{ "Authorization: acme-key\r\n",
		    "Authorization is not of the Bearer scheme" },
		{ "Authorization: Bearer\r\n",
		    "Authorization is not of the Bearer scheme" },
		{ "Authorization: Bearer acme-keys\r\n",
		    "that key is not known here" },
		{ "Authorization: Bearer ACME-KEY\r\n",
		    "that key is not known here" },
		{ "Authorization: Bearer acme\r\n",
		    "that key is not known here" },
		{ "X-Api-Key: acme-key\r\n",
		    "send your key as Authorization: Bearer KEY" },
	};
	static const char *const requests[][2] = {
		{ "POST", "/mill/ok" },
		{ "GET", "/v1/jobs" },
		{ "GET", "/v1/jobs/0198c5a0-0000-7000-8000-000000000000" },
		{ "DELETE", "/v1/jobs/0198c5a0-0000-7000-8000-000000000000" },
		{ "GET", "/v1/dead-letters" },
		{ "GET", "/nowhere" },
		{ "PATCH", "/v1/jobs" },
	};
	struct world world;
	struct reply reply;

	open_with(&world, "", "");
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *const *request =
		    requests[i % (sizeof(requests) / sizeof(requests[0]))];

		ask_as(&world, keys[i].fields, request[0], request[1], &reply);
		expect_problem(&reply, 401, "unauthorized");
		ck_assert_str_eq(reply_header(&reply, "WWW-Authenticate"),
		    "Bearer realm=\"callbackd\"");
		ck_assert_str_eq(look_text(reply_json(&reply), "detail"),
		    keys[i].detail);
		reply_clear(&reply);
	}
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		ask_as(&world, "", requests[i][0], requests[i][1], &reply);
		expect_problem(&reply, 401, "unauthorized");
		reply_clear(&reply);
	}
	ck_assert_int_eq(peer_count(&world.upstream, "total"), 0);
	ck_assert_double_eq(metric(&world,
				"callbackd_store_jobs_accepted_total"),
	    0);
	world_close(&world);
}
END_TEST

START_TEST(the_scheme_may_be_written_in_any_case)
{
	static const char *const fields[] = {
		"Authorization: Bearer acme-key\r\n",
		"authorization: bearer acme-key\r\n",
		"AUTHORIZATION: BEARER   acme-key\r\n"
	};
	struct world world;
	struct reply reply;

	open_with(&world, "", NULL);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		ask_as(&world, fields[i], "GET", "/v1/jobs", &reply);
		ck_assert_msg(reply.status == 200, "%s: %d", fields[i],
		    reply.status);
		reply_clear(&reply);
	}
	world_close(&world);
}
END_TEST

START_TEST(the_upstream_never_sees_the_key)
{
	struct world world;
	struct json_document *seen;
	char id[ID_SIZE];

	open_with(&world, "", NULL);
	submit(&world, "/mill/ok", ACME "X-Mine: yes\r\n", "x", id);
	seen = peer_request(&world.upstream, "/ok", 0);
	ck_assert_ptr_null(seen_field(seen, "Authorization"));
	ck_assert_str_eq(seen_field(seen, "X-Mine"), "yes");
	json_document_free(&seen);
	ck_assert(!file_says(world.daemon.err_path, "acme-key"));
	world_close(&world);
}
END_TEST

START_TEST(without_clients_authorization_is_the_upstreams)
{
	struct world world;
	struct json_document *seen;
	char id[ID_SIZE];

	world_open(&world, NULL);
	submit(&world, "/mill/ok", ACME, "x", id);
	seen = peer_request(&world.upstream, "/ok", 0);
	ck_assert_str_eq(seen_field(seen, "Authorization"), "Bearer acme-key");
	json_document_free(&seen);
	world_close(&world);
}
END_TEST

START_TEST(a_job_says_whose_it_is)
{
	struct world world;
	char id[ID_SIZE];

	open_with(&world, "", "");
	submit(&world, "/mill/ok", ACME, "x", id);
	ck_assert(job_has(&world, ACME, id, "client", "acme"));
	submit(&world, "/mill/ok", ZENITH, "x", id);
	ck_assert(job_has(&world, ZENITH, id, "client", "zenith"));
	world_close(&world);
}
END_TEST

/* ---- queues ---- */

START_TEST(a_queue_that_is_not_the_clients_is_403)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	open_with(&world, "queues = {\"other\"}", "");
	try_submit(&world, "/mill/ok", ACME, "x", &reply);
	expect_problem(&reply, 403, "forbidden");
	ck_assert_str_eq(look_text(reply_json(&reply), "detail"),
	    "this key may not use queue mill");
	reply_clear(&reply);
	api(&world, "POST", "/v1/jobs", ACME JSON, "{\"queue\":\"mill\"}",
	    &reply);
	expect_problem(&reply, 403, "forbidden");
	reply_clear(&reply);
	submit(&world, "/other/ok", ACME, "x", id);
	api(&world, "POST", "/v1/jobs", ACME JSON,
	    "{\"queue\":\"other\",\"path\":\"/ok\"}", &reply);
	accepted_id(&reply, id);
	reply_clear(&reply);
	submit(&world, "/mill/ok", ZENITH, "x", id);
	world_close(&world);
}
END_TEST

/* ---- jobs ---- */

START_TEST(another_clients_jobs_are_not_there)
{
	static const char *const requests[][2] = { { "GET", "" },
		{ "GET", "?wait=14" }, { "GET", "/result" }, { "DELETE", "" },
		{ "POST", "/retry" } };
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	open_with(&world, "", "");
	submit(&world, "/mill/ok", ACME LATER, "x", id);
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		ask_for(&world, ZENITH, requests[i][0], id, requests[i][1],
		    &reply);
		ck_assert_msg(reply.status == 404, "%s %s: %d", requests[i][0],
		    requests[i][1], reply.status);
		expect_problem(&reply, 404, "not-found");
		ck_assert_int_lt(reply.took_ms, 14000);
		reply_clear(&reply);
	}
	ck_assert(job_has(&world, ACME, id, "status", "queued"));
	ck_assert_int_eq(listed(&world, ACME, "/v1/jobs", "jobs"), 1);
	ck_assert_int_eq(listed(&world, ZENITH, "/v1/jobs", "jobs"), 0);
	ask_for(&world, ACME, "DELETE", id, "", &reply);
	ck_assert_int_eq(reply.status, 200);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(another_clients_dead_letters_are_not_there)
{
	struct world world;
	struct reply reply;
	char fields[512], target[128], id[ID_SIZE];

	open_with(&world, "", "");
	snprintf(fields, sizeof(fields), ACME "%s",
	    callback_to(&world, "/gone"));
	submit(&world, "/mill/ok", fields, "x", id);
	wait_until(job_has(&world, ACME, id, "callback.state", "dead"));
	ck_assert_int_eq(listed(&world, ZENITH, "/v1/dead-letters",
			     "dead_letters"),
	    0);
	ck_assert_int_eq(listed(&world, ACME, "/v1/dead-letters",
			     "dead_letters"),
	    1);
	ask_for(&world, ACME, "GET", id, "", &reply);
	snprintf(target, sizeof(target), "/v1/deliveries/%s/redeliver",
	    look_text(reply_json(&reply), "callback.id"));
	reply_clear(&reply);
	ask_as(&world, ZENITH, "POST", target, &reply);
	expect_problem(&reply, 404, "not-found");
	reply_clear(&reply);
	ck_assert_int_eq(peer_seen(&world.receiver, "/gone"), 1);
	ask_as(&world, ACME, "POST", target, &reply);
	ck_assert_int_eq(reply.status, 202);
	reply_clear(&reply);
	wait_until(peer_seen(&world.receiver, "/gone") == 2);
	world_close(&world);
}
END_TEST

START_TEST(clients_do_not_share_idempotency_keys)
{
	struct world world;
	struct reply reply;
	char first[ID_SIZE], second[ID_SIZE];

	open_with(&world, "", "");
	submit(&world, "/mill/ok", ACME LATER "Idempotency-Key: k\r\n", "x",
	    first);
	try_submit(&world, "/mill/ok", ZENITH LATER "Idempotency-Key: k\r\n",
	    "y", &reply);
	accepted_id(&reply, second);
	ck_assert_ptr_null(reply_header(&reply, "Idempotent-Replayed"));
	ck_assert_str_ne(first, second);
	reply_clear(&reply);
	try_submit(&world, "/mill/ok", ACME LATER "Idempotency-Key: k\r\n", "x",
	    &reply);
	ck_assert_str_eq(reply_header(&reply, "Job-Id"), first);
	ck_assert_str_eq(reply_header(&reply, "Idempotent-Replayed"), "true");
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

static bool
callback_is_verified(struct world *world, const char *path)
{
	struct json_document *seen = peer_request(&world->receiver, path, 0);
	const struct json_value *verified = look_at(json_root(seen),
	    "verified");
	bool is_true;

	ck_assert_ptr_nonnull(verified);
	is_true = verified->truth;
	json_document_free(&seen);
	return is_true;
}

START_TEST(a_client_with_a_secret_has_its_callbacks_signed_with_it)
{
	struct world world;
	struct setup setup = { 0 };
	char path[PATH_SIZE + 32], fields[512], id[ID_SIZE];

	fill_setup(&setup, "secret_file = \"acme.secret\"", "");
	world_prepare(&world, &setup);
	/* The receiver has read the one that acme is given now. */
	snprintf(path, sizeof(path), "%s/acme.secret", world.folder);
	file_write(path, SECRET_TEXT "\n", 0600);
	snprintf(path, sizeof(path), "%s/secret", world.folder);
	file_write(path, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
	    0600);
	daemon_start(&world);
	snprintf(fields, sizeof(fields), ACME "%s",
	    callback_to(&world, "/status/200"));
	submit(&world, "/mill/ok", fields, "x", id);
	snprintf(fields, sizeof(fields), ZENITH "%s",
	    callback_to(&world, "/status/201"));
	submit(&world, "/mill/ok", fields, "x", id);
	ck_assert(callback_is_verified(&world, "/status/200"));
	ck_assert(!callback_is_verified(&world, "/status/201"));
	world_close(&world);
}
END_TEST

/* ---- rate ---- */

/* Three at once, then one in ten seconds. */
START_TEST(a_client_that_asks_too_often_is_429_and_told_when_to_come_back)
{
	struct world world;
	struct reply reply;
	char limit[64];
	int64_t wait_s;

	open_with(&world, "rate = 0.1 burst = 3", "");
	for (int i = 0; i < 3; i++) {
		ask_as(&world, ACME, "GET", "/v1/jobs", &reply);
		ck_assert_int_eq(reply.status, 200);
		reply_clear(&reply);
	}
	for (int i = 0; i < 2; i++) {
		ask_as(&world, ACME, i == 0 ? "GET" : "POST",
		    i == 0 ? "/v1/jobs" : "/mill/ok", &reply);
		expect_problem(&reply, 429, "rate-limited");
		ck_assert_str_eq(look_text(reply_json(&reply), "detail"),
		    "this key may send 0.1 requests a second");
		ck_assert_str_eq(reply_header(&reply, "RateLimit-Policy"),
		    "\"client\";q=3;w=30");
		wait_s = strtoll(reply_header(&reply, "Retry-After"), NULL, 10);
		ck_assert_int_ge(wait_s, 1);
		ck_assert_int_le(wait_s, 10);
		snprintf(limit, sizeof(limit), "\"client\";r=0;t=%lld",
		    (long long)wait_s);
		ck_assert_str_eq(reply_header(&reply, "RateLimit"), limit);
		reply_clear(&reply);
	}
	/* Nobody else pays for it, and strangers have no rate at all. */
	ask_as(&world, ZENITH, "GET", "/v1/jobs", &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_ptr_null(reply_header(&reply, "RateLimit"));
	reply_clear(&reply);
	ask_as(&world, "", "GET", "/v1/jobs", &reply);
	expect_problem(&reply, 401, "unauthorized");
	reply_clear(&reply);
	ck_assert_int_eq(peer_count(&world.upstream, "total"), 0);
	world_close(&world);
}
END_TEST

static int
status_for(struct world *world, const char *who)
{
	struct reply reply;
	int status;

	ask_as(world, who, "GET", "/v1/jobs", &reply);
	status = reply.status;
	reply_clear(&reply);
	return status;
}

START_TEST(who_has_waited_may_ask_again)
{
	struct world world;

	open_with(&world, "rate = 0.5", NULL); /* and so a burst of 1 */
	ck_assert_int_eq(status_for(&world, ACME), 200);
	ck_assert_int_eq(status_for(&world, ACME), 429);
	wait_until(status_for(&world, ACME) == 200);
	world_close(&world);
}
END_TEST

START_TEST(a_reload_does_not_forget_how_often_a_client_has_asked)
{
	struct setup setup = { 0 };
	struct world world;

	open_with(&world, "rate = 0.01 burst = 1", NULL);
	ck_assert_int_eq(status_for(&world, ACME), 200);
	ck_assert_int_eq(status_for(&world, ACME), 429);
	fill_setup(&setup, "rate = 0.01 burst = 1", "");
	world_configure(&world, &setup);
	(void)daemon_reload(&world);
	wait_until(status_for(&world, ZENITH) == 200);
	ck_assert_int_eq(status_for(&world, ACME), 429);
	world_close(&world);
}
END_TEST

/* ---- max_queued ---- */

static void
expect_quota(struct world *world, const char *who, const char *target)
{
	struct reply reply;
	char fields[256];

	snprintf(fields, sizeof(fields), "%s" LATER, who);
	try_submit(world, target, fields, "x", &reply);
	expect_problem(&reply, 429, "rate-limited");
	ck_assert_str_eq(look_text(reply_json(&reply), "detail"),
	    "this key has as many jobs waiting as it may have");
	ck_assert_ptr_nonnull(reply_header(&reply, "Retry-After"));
	reply_clear(&reply);
}

START_TEST(a_client_may_have_so_many_jobs_waiting_in_all_queues_together)
{
	struct world world;
	struct reply reply;
	char mill[ID_SIZE], other[ID_SIZE], id[ID_SIZE];

	open_with(&world, "max_queued = 2", "");
	submit(&world, "/mill/ok", ACME LATER, "x", mill);
	submit(&world, "/other/ok", ACME LATER, "x", other);
	expect_quota(&world, ACME, "/mill/ok");
	expect_quota(&world, ACME, "/other/ok");
	submit(&world, "/mill/ok", ZENITH LATER, "x", id);
	ask_for(&world, ACME, "DELETE", other, "", &reply);
	ck_assert_int_eq(reply.status, 200);
	reply_clear(&reply);
	submit(&world, "/mill/ok", ACME LATER, "x", id);
	expect_quota(&world, ACME, "/mill/ok");
	world_close(&world);
}
END_TEST

START_TEST(jobs_that_have_run_take_no_place_of_their_client)
{
	struct world world;
	char id[ID_SIZE];

	open_with(&world, "max_queued = 1", NULL);
	for (int i = 0; i < 20; i++) {
		submit(&world, "/mill/ok", ACME, "x", id);
		wait_until(job_has(&world, ACME, id, "status", "succeeded"));
	}
	submit(&world, "/mill/status/400", ACME, "x", id);
	wait_until(job_has(&world, ACME, id, "status", "failed"));
	submit(&world, "/mill/ok", ACME LATER, "x", id);
	expect_quota(&world, ACME, "/mill/ok");
	world_close(&world);
}
END_TEST

START_TEST(a_client_at_its_limit_may_still_repeat_itself)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	open_with(&world, "max_queued = 1", NULL);
	submit(&world, "/mill/ok", ACME LATER "Idempotency-Key: a\r\n", "x",
	    id);
	for (int i = 0; i < 3; i++) {
		try_submit(&world, "/mill/ok",
		    ACME LATER "Idempotency-Key: a\r\n", "x", &reply);
		ck_assert_int_eq(reply.status, 202);
		ck_assert_str_eq(reply_header(&reply, "Job-Id"), id);
		ck_assert_str_eq(reply_header(&reply, "Idempotent-Replayed"),
		    "true");
		reply_clear(&reply);
		expect_quota(&world, ACME "Idempotency-Key: b\r\n", "/mill/ok");
	}
	try_submit(&world, "/mill/ok", ACME LATER "Idempotency-Key: a\r\n", "y",
	    &reply);
	expect_problem(&reply, 422, "idempotency-mismatch");
	reply_clear(&reply);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(a_restart_does_not_forget_what_a_client_has_waiting)
{
	struct world world;
	char id[ID_SIZE];

	open_with(&world, "max_queued = 2", NULL);
	submit(&world, "/mill/ok", ACME LATER, "x", id);
	submit(&world, "/mill/ok", ACME LATER, "x", id);
	daemon_kill(&world);
	daemon_start(&world);
	expect_quota(&world, ACME, "/mill/ok");
	world_close(&world);
}
END_TEST

/* ---- reload ---- */

static void
reload(struct world *world, const char *acme, const char *zenith)
{
	struct setup setup = { 0 };

	fill_setup(&setup, acme, zenith);
	world_configure(world, &setup);
	(void)daemon_reload(world);
}

START_TEST(a_key_that_is_taken_out_is_not_known_any_more)
{
	struct world world;

	open_with(&world, "", "");
	ck_assert_int_eq(status_for(&world, ACME), 200);
	reload(&world, NULL, "");
	wait_until(status_for(&world, ACME) == 401);
	ck_assert_int_eq(status_for(&world, ZENITH), 200);
	world_close(&world);
}
END_TEST

/* Its jobs go on without it, and their places are given back. */
START_TEST(a_client_that_comes_back_finds_its_places_as_they_are)
{
	struct world world;
	struct reply reply;
	char waiting[ID_SIZE], running[2][ID_SIZE], id[ID_SIZE];

	open_with(&world, "max_queued = 3", "");
	submit(&world, "/mill/ok", ACME LATER, "x", waiting);
	for (int i = 0; i < 2; i++)
		submit(&world, "/mill/status/200?delay_ms=3000", ACME, "x",
		    running[i]);
	expect_quota(&world, ACME, "/mill/ok");
	reload(&world, NULL, "");
	wait_until(status_for(&world, ACME) == 401);
	wait_until(peer_seen(&world.upstream, "/status/200") == 2);
	wait_until(metric(&world, "callbackd_runs_under_way") == 0);
	reload(&world, "max_queued = 3", "");
	wait_until(status_for(&world, ACME) == 200);
	for (int i = 0; i < 2; i++)
		submit(&world, "/mill/ok", ACME LATER, "x", id);
	expect_quota(&world, ACME, "/mill/ok");
	ask_for(&world, ACME, "DELETE", waiting, "", &reply);
	ck_assert_int_eq(reply.status, 200);
	reply_clear(&reply);
	submit(&world, "/mill/ok", ACME LATER, "x", id);
	expect_quota(&world, ACME, "/mill/ok");
	world_close(&world);
}
END_TEST

/* Started without it, the daemon still knows what it has waiting. */
START_TEST(a_client_that_was_away_at_the_start_finds_its_places_too)
{
	struct setup setup = { 0 };
	struct world world;
	char id[ID_SIZE];

	open_with(&world, "max_queued = 2", "");
	submit(&world, "/mill/ok", ACME LATER, "x", id);
	submit(&world, "/mill/ok", ACME "Job-Delay: 2s\r\n", "x", id);
	daemon_stop(&world);
	fill_setup(&setup, NULL, "");
	world_configure(&world, &setup);
	daemon_start(&world);
	reload(&world, "max_queued = 2", "");
	wait_until(status_for(&world, ACME) == 200);
	wait_until(job_has(&world, ACME, id, "status", "succeeded"));
	submit(&world, "/mill/ok", ACME LATER, "x", id);
	expect_quota(&world, ACME, "/mill/ok");
	world_close(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		without_a_known_key_everything_is_401,
		the_scheme_may_be_written_in_any_case,
		the_upstream_never_sees_the_key,
		without_clients_authorization_is_the_upstreams,
		a_job_says_whose_it_is,
		a_queue_that_is_not_the_clients_is_403,
		another_clients_jobs_are_not_there,
		another_clients_dead_letters_are_not_there,
		clients_do_not_share_idempotency_keys,
		a_client_with_a_secret_has_its_callbacks_signed_with_it,
		a_client_that_asks_too_often_is_429_and_told_when_to_come_back,
		who_has_waited_may_ask_again,
		a_reload_does_not_forget_how_often_a_client_has_asked,
		a_client_may_have_so_many_jobs_waiting_in_all_queues_together,
		jobs_that_have_run_take_no_place_of_their_client,
		a_client_at_its_limit_may_still_repeat_itself,
		a_restart_does_not_forget_what_a_client_has_waiting,
		a_key_that_is_taken_out_is_not_known_any_more,
		a_client_that_comes_back_finds_its_places_as_they_are,
		a_client_that_was_away_at_the_start_finds_its_places_too,
	};

	return HARNESS_RUN("clients", cases);
}
