/* test_queue.c - a full queue refuses at once, and takes again when it can.
 *
 * Contract, sections 2 and 7: capacity counts queued and delayed jobs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"

/* Far more than a refusal takes, far less than a wait for the upstream. */
#define AT_ONCE_MS 1000

static void
expect_full(struct reply *reply)
{
	int64_t wait_s = 0;

	expect_problem(reply, 503, "queue-full");
	ck_assert(
	    text_int64(reply_header(reply, "Retry-After"), 1, 3600, &wait_s));
	ck_assert(!reply->is_closing);
	ck_assert_int_le(reply->took_ms, patient_ms(AT_ONCE_MS));
}

/* As many jobs as the list shows, over all pages. */
static int
stored_count(struct world *world)
{
	struct reply reply;
	int count;

	api(world, "GET", "/v1/jobs?limit=100", "", NULL, &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert(look_is_null(reply_json(&reply), "next_cursor"));
	count = (int)look_at(reply_json(&reply), "jobs")->count;
	reply_clear(&reply);
	return count;
}

/* Requests on ten connections at the same time, ten on each. */
static void
ask_100_times(struct world *world, int *accepted_out, int *full_out)
{
	struct client clients[10];
	struct reply reply;

	*accepted_out = *full_out = 0;
	for (int i = 0; i < 10; i++)
		client_open(&clients[i], world->api);
	for (int i = 0; i < 100; i++)
		client_send_request(&clients[i % 10], "POST", "/mill/ok", "",
		    "x", 1);
	for (int i = 0; i < 100; i++) {
		ck_assert(client_read(&clients[i % 10], false, &reply));
		if (reply.status == 503) {
			expect_full(&reply);
			++*full_out;
		} else {
			ck_assert_int_eq(reply.status, 202);
			ck_assert_int_le(reply.took_ms, patient_ms(AT_ONCE_MS));
			++*accepted_out;
		}
		reply_clear(&reply);
	}
	for (int i = 0; i < 10; i++)
		client_close(&clients[i]);
}

START_TEST(a_hundred_requests_into_fifty_places_are_fifty_and_fifty)
{
	struct setup setup = { .no_upstream = true,
		.queue = "capacity = 50\n concurrency = 4\n attempts = 3\n"
			 " backoff { initial = \"1h\" max = \"1h\" }\n" };
	struct world world;
	int accepted, full;

	world_open(&world, &setup);
	ask_100_times(&world, &accepted, &full);
	ck_assert_int_eq(accepted, 50);
	ck_assert_int_eq(full, 50);
	ck_assert_int_eq(stored_count(&world), 50);
	expect_books_balance(&world);
	/* The bound holds over a restart as well. */
	daemon_stop(&world);
	daemon_start(&world);
	ask_100_times(&world, &accepted, &full);
	ck_assert_int_eq(accepted, 0);
	ck_assert_int_eq(stored_count(&world), 50);
	world_close(&world);
}
END_TEST

START_TEST(a_queue_is_bounded_by_bytes_too)
{
	struct setup setup = { .queue = "capacity_bytes = \"10k\"\n" };
	struct world world;
	struct reply reply;
	char body[1001], id[ID_SIZE];

	memset(body, 'x', sizeof(body) - 1);
	body[1000] = '\0';
	world_open(&world, &setup);
	for (int i = 0; i < 10; i++)
		submit(&world, "/mill/ok", "Job-Delay: 1h\r\n", body, id);
	try_submit(&world, "/mill/ok", "Job-Delay: 1h\r\n", body, &reply);
	expect_full(&reply);
	reply_clear(&reply);
	body[200] = '\0';
	submit(&world, "/mill/ok", "Job-Delay: 1h\r\n", body, id);
	ck_assert_int_eq(stored_count(&world), 11);
	world_close(&world);
}
END_TEST

START_TEST(a_place_is_free_again_when_its_job_has_ended)
{
	struct setup setup = { .queue = "capacity = 1\n attempts = 1\n" };
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &setup);
	for (int i = 0; i < 3; i++) {
		submit(&world, "/mill/ok", "Job-Delay: 500ms\r\n", "x", id);
		try_submit(&world, "/mill/ok", "", "x", &reply);
		expect_full(&reply);
		reply_clear(&reply);
		job_wait(&world, id, "succeeded", &reply);
		reply_clear(&reply);
	}
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(failed_and_expired_jobs_give_their_places_back)
{
	static const char *const rows[][2] = { { "/mill/status/404", "" },
		{ "/mill/status/500", "" },
		{ "/mill/ok", "Job-Delay: 1h\r\nJob-Expires: 50ms\r\n" } };
	struct setup setup = {
		.queue = "capacity = 1\n attempts = 2\n"
			 " backoff { initial = \"20ms\" max = \"20ms\" }\n"
	};
	struct world world;

	world_open(&world, &setup);
	for (size_t i = 0; i < 9; i++)
		job_lives(&world, rows[i % 3][0], rows[i % 3][1], "x",
		    "failed");
	job_lives(&world, "/mill/ok", "", "x", "succeeded");
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(a_full_queue_refuses_nobody_elses_jobs)
{
	struct setup setup = { .queue = "capacity = 2\n",
		.more = "queue \"other\" { path = \"/other/\""
			" upstream = \"%s/\" }\n" };
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &setup);
	for (int i = 0; i < 2; i++)
		submit(&world, "/mill/ok", "Job-Delay: 1h\r\n", "x", id);
	try_submit(&world, "/mill/ok", "", "x", &reply);
	expect_full(&reply);
	reply_clear(&reply);
	job_lives(&world, "/other/ok", "", "x", "succeeded");
	/* Polls are answered too. */
	job_get(&world, id, &reply);
	ck_assert_int_eq(reply.status, 202);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_refused_request_never_reaches_the_upstream)
{
	struct setup setup = { .queue = "capacity = 3\n concurrency = 1\n" };
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, &setup);
	for (int i = 0; i < 3; i++)
		submit(&world, "/mill/ok", "Job-Delay: 2s\r\n", "x", id);
	for (int i = 0; i < 20; i++) {
		try_submit(&world, "/mill/status/299", "", "x", &reply);
		if (reply.status == 503)
			expect_full(&reply);
		ck_assert_int_eq(reply.status, 503);
		reply_clear(&reply);
	}
	job_wait(&world, id, "succeeded", &reply);
	reply_clear(&reply);
	ck_assert_int_eq(peer_seen(&world.upstream, "/status/299"), 0);
	ck_assert_int_eq(peer_seen(&world.upstream, "/ok"), 3);
	world_close(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		a_hundred_requests_into_fifty_places_are_fifty_and_fifty,
		a_queue_is_bounded_by_bytes_too,
		a_place_is_free_again_when_its_job_has_ended,
		failed_and_expired_jobs_give_their_places_back,
		a_full_queue_refuses_nobody_elses_jobs,
		a_refused_request_never_reaches_the_upstream,
	};

	return HARNESS_RUN("queue", cases);
}
