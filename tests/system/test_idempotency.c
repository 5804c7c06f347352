/* test_idempotency.c - the same request twice is one job.
 *
 * Contract, section 2: Idempotency-Key.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"

#define KEY(key) "Idempotency-Key: " key "\r\n"
#define LATER "Job-Delay: 1h\r\n"

/* Asks again with that key and demands the first job, as it is now. */
static void
expect_replay(struct world *world, const char *target, const char *fields,
    const char *id, int status)
{
	struct reply reply;

	try_submit(world, target, fields, "x", &reply);
	ck_assert_msg(reply.status == status, "%d instead of %d: %.300s",
	    reply.status, status, reply.body);
	ck_assert_str_eq(look_text(reply_json(&reply), "id"), id);
	ck_assert_ptr_nonnull(reply_header(&reply, "Idempotent-Replayed"));
	ck_assert_str_eq(reply_header(&reply, "Idempotent-Replayed"), "true");
	ck_assert_str_eq(reply_header(&reply, "Job-Id"), id);
	reply_clear(&reply);
}

START_TEST(the_same_key_answers_with_the_first_job_as_it_is_now)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, NULL);
	try_submit(&world, "/mill/ok?delay_ms=700", KEY("k1"), "x", &reply);
	ck_assert_ptr_null(reply_header(&reply, "Idempotent-Replayed"));
	ck_assert_str_eq(look_text(reply_json(&reply), "idempotency_key"),
	    "k1");
	accepted_id(&reply, id);
	reply_clear(&reply);
	expect_replay(&world, "/mill/ok?delay_ms=700", KEY("k1"), id, 202);
	job_wait(&world, id, "succeeded", &reply);
	reply_clear(&reply);
	expect_replay(&world, "/mill/ok?delay_ms=700", KEY("k1"), id, 200);
	ck_assert_int_eq(peer_seen(&world.upstream, "/ok"), 1);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(a_key_is_the_same_with_and_without_quotes)
{
	struct world world;
	char id[ID_SIZE];

	world_open(&world, NULL);
	submit(&world, "/mill/ok", LATER KEY("\"a\""), "x", id);
	expect_replay(&world, "/mill/ok", LATER KEY("a"), id, 202);
	expect_replay(&world, "/mill/ok", LATER KEY("\"a\""), id, 202);
	world_close(&world);
}
END_TEST

START_TEST(another_request_under_the_same_key_is_422)
{
	static const char *const rows[][3] = {
		{ "POST", "/mill/other", "x" },
		{ "POST", "/mill/ok?q=1", "x" },
		{ "POST", "/mill/ok", "y" },
		{ "POST", "/mill/ok", "" },
		{ "PUT", "/mill/ok", "x" },
		{ "POST", "/other/ok", "x" },
	};
	struct setup setup = { .more = "queue \"other\" { path = \"/other/\""
				       " upstream = \"%s/\" }\n" };
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &setup);
	submit(&world, "/mill/ok", LATER KEY("k"), "x", id);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		api(&world, rows[i][0], rows[i][1], LATER KEY("k"), rows[i][2],
		    &reply);
		ck_assert_msg(reply.status == 422, "%s %s %s: %d", rows[i][0],
		    rows[i][1], rows[i][2], reply.status);
		expect_problem(&reply, 422, "idempotency-mismatch");
		reply_clear(&reply);
	}
	expect_replay(&world, "/mill/ok", LATER KEY("k"), id, 202);
	world_close(&world);
}
END_TEST

START_TEST(other_keys_and_no_key_are_other_jobs)
{
	static const char *const fields[] = { KEY("k"), KEY("K"), KEY("kk"), "",
		"" };
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, NULL);
	for (int i = 0; i < 5; i++)
		submit(&world, "/mill/ok", fields[i], "x", id);
	api(&world, "GET", "/v1/jobs", "", NULL, &reply);
	ck_assert_int_eq(look_at(reply_json(&reply), "jobs")->count, 5);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_key_that_is_none_is_refused)
{
	static const char *const keys[] = { "", "\"\"", "\"open", "two words",
		"a\"b" };
	struct world world;
	struct reply reply;
	char fields[512], longest[300];

	world_open(&world, NULL);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		snprintf(fields, sizeof(fields), KEY("%s"), keys[i]);
		try_submit(&world, "/mill/ok", fields, "x", &reply);
		ck_assert_msg(reply.status == 400, "%s: %d", keys[i],
		    reply.status);
		expect_problem(&reply, 400, "bad-request");
		reply_clear(&reply);
	}
	memset(longest, 'k', sizeof(longest));
	for (int len = 255; len <= 256; len++) {
		snprintf(fields, sizeof(fields), KEY("%.*s"), len, longest);
		try_submit(&world, "/mill/ok", fields, "x", &reply);
		ck_assert_int_eq(reply.status, len == 255 ? 202 : 400);
		reply_clear(&reply);
	}
	world_close(&world);
}
END_TEST

START_TEST(a_replay_needs_no_place_in_a_full_queue)
{
	struct setup setup = { .queue = "capacity = 1\n" };
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &setup);
	submit(&world, "/mill/ok", LATER KEY("k"), "x", id);
	try_submit(&world, "/mill/ok", LATER KEY("l"), "x", &reply);
	expect_problem(&reply, 503, "queue-full");
	reply_clear(&reply);
	expect_replay(&world, "/mill/ok", LATER KEY("k"), id, 202);
	world_close(&world);
}
END_TEST

START_TEST(many_at_once_with_one_key_are_one_job)
{
	struct world world;
	struct client clients[24];
	struct reply reply;
	char first[ID_SIZE] = "";
	int fresh = 0;

	world_open(&world, NULL);
	for (int i = 0; i < 24; i++)
		client_open(&clients[i], world.api);
	for (int i = 0; i < 24; i++)
		client_send_request(&clients[i], "POST", "/mill/ok",
		    LATER KEY("burst"), "x", 1);
	for (int i = 0; i < 24; i++) {
		ck_assert(client_read(&clients[i], false, &reply));
		ck_assert_int_eq(reply.status, 202);
		fresh += reply_header(&reply, "Idempotent-Replayed") == NULL;
		if (first[0] == '\0')
			accepted_id(&reply, first);
		ck_assert_str_eq(look_text(reply_json(&reply), "id"), first);
		reply_clear(&reply);
		client_close(&clients[i]);
	}
	ck_assert_int_eq(fresh, 1);
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(a_key_is_remembered_over_kill_9)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, NULL);
	submit(&world, "/mill/ok", KEY("k"), "x", id);
	job_wait(&world, id, "succeeded", &reply);
	reply_clear(&reply);
	daemon_kill(&world);
	daemon_start(&world);
	expect_replay(&world, "/mill/ok", KEY("k"), id, 200);
	try_submit(&world, "/mill/ok", KEY("k"), "y", &reply);
	expect_problem(&reply, 422, "idempotency-mismatch");
	reply_clear(&reply);
	ck_assert_int_eq(peer_seen(&world.upstream, "/ok"), 1);
	world_close(&world);
}
END_TEST

static bool
is_new_again(struct world *world, const char *id)
{
	struct reply reply;
	bool is_new;

	try_submit(world, "/mill/ok", KEY("k"), "x", &reply);
	is_new = !look_says(reply_json(&reply), "id", id);
	reply_clear(&reply);
	return is_new;
}

START_TEST(a_key_is_free_again_after_the_retention)
{
	struct setup setup = { .top = "retention = \"300ms\"\n" };
	struct world world;
	char id[ID_SIZE];

	world_open(&world, &setup);
	submit(&world, "/mill/ok", KEY("k"), "x", id);
	wait_until_within(is_new_again(&world, id), 60000);
	world_close(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		the_same_key_answers_with_the_first_job_as_it_is_now,
		a_key_is_the_same_with_and_without_quotes,
		another_request_under_the_same_key_is_422,
		other_keys_and_no_key_are_other_jobs,
		a_key_that_is_none_is_refused,
		a_replay_needs_no_place_in_a_full_queue,
		many_at_once_with_one_key_are_one_job,
		a_key_is_remembered_over_kill_9,
		a_key_is_free_again_after_the_retention,
	};

	return HARNESS_RUN("idempotency", cases);
}
