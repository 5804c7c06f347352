/* test_clock.c - somebody sets the wall clock of a daemon that runs, or of one
 * that is down (shim.h).
 *
 * What waits is neither let go at once nor kept back, and no callback dies of
 * age. What the store and the ledger do is shown for many more cases, by a
 * hand-turned clock, in tests/scenario/test_scenario_clocks.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faults.h"

#define GAP_MS 1500              /* between two attempts, less up to a fifth */
#define EARLY_MS (GAP_MS / 2)    /* and yet no burst */
#define LATE_MS (GAP_MS + 60000) /* what a jump may cost at most */

static const long long jumps_ms[] = { 3600000, -3600000, -86400000,
	315360000000 };
#define JUMPS (sizeof(jumps_ms) / sizeof(jumps_ms[0]))

static const struct setup patient = {
	.callback = LOOPBACK_ALLOWED
	" schedule = {\"1500ms\", \"1500ms\", \"1500ms\"}\n"
	" timeout = \"10s\"\n",
};

struct waits {
	char told[ID_SIZE];    /* its callback has failed once */
	char delayed[ID_SIZE]; /* it has not run */
	int64_t since_ms;      /* they wait; monotonic */
};

static void
make_waits(struct world *world, struct waits *waits)
{
	struct reply reply;

	submit(world, "/mill/ok", callback_to(world, "/fail-times?n=1"), "x",
	    waits->told);
	callback_wait_attempts(world, waits->told, 1, &reply);
	reply_clear(&reply);
	waits->since_ms = now_mono_ms();
	submit(world, "/mill/ok", "Job-Delay: 1500ms\r\n", "x", waits->delayed);
}

static void
expect_in_time(const struct waits *waits, const char *what)
{
	int64_t waited_ms = now_mono_ms() - waits->since_ms;

	ck_assert_msg(waited_ms >= EARLY_MS, "%s after %lld ms: a burst", what,
	    (long long)waited_ms);
	ck_assert_msg(waited_ms <= patient_ms(LATE_MS),
	    "%s after %lld ms: a stall", what, (long long)waited_ms);
}

static void
expect_ends_in_time(struct world *world, const struct waits *waits)
{
	struct reply reply;

	callback_wait(world, waits->told, "delivered", &reply);
	reply_clear(&reply);
	expect_in_time(waits, "the callback");
	job_wait(world, waits->delayed, "succeeded", &reply);
	reply_clear(&reply);
	expect_in_time(waits, "the delayed job");
	expect_books_balance(world);
}

static void
expect_noticed(const struct world *world, long long jump_ms)
{
	char *text = file_text(world->daemon.err_path, NULL);
	const char *line = strstr(text, "event=clock_set leap_ms=");
	long long leap_ms;

	ck_assert_msg(line != NULL, "no clock_set in %s",
	    world->daemon.err_path);
	leap_ms = strtoll(line + strlen("event=clock_set leap_ms="), NULL, 10);
	ck_assert_int_ge(leap_ms, jump_ms - 1000);
	ck_assert_int_le(leap_ms, jump_ms + 1000);
	ck_assert_ptr_null(strstr(line + 1, "event=clock_set"));
	free(text);
}

START_TEST(a_clock_that_is_set_while_it_runs_moves_nothing_that_waits)
{
	struct world world;
	struct waits waits;
	struct shim_faults *faults;

	for (size_t i = 0; i < JUMPS; i++) {
		world_prepare(&world, &patient);
		faults = faults_prepare(&world);
		ck_assert(daemon_try_start(&world));
		make_waits(&world, &waits);
		atomic_store(&faults->clock_set_ms, jumps_ms[i]);
		expect_ends_in_time(&world, &waits);
		expect_noticed(&world, jumps_ms[i]);
		world_close(&world);
		shim_clear();
	}
}
END_TEST

START_TEST(nor_does_one_that_is_set_while_it_is_down)
{
	struct world world;
	struct waits waits;
	struct shim_faults *faults;

	for (size_t i = 0; i < JUMPS; i++) {
		world_prepare(&world, &patient);
		faults = faults_prepare(&world);
		ck_assert(daemon_try_start(&world));
		make_waits(&world, &waits);
		daemon_kill(&world);
		atomic_store(&faults->clock_set_ms, jumps_ms[i]);
		ck_assert(daemon_try_start(&world));
		expect_noticed(&world, jumps_ms[i]);
		expect_ends_in_time(&world, &waits);
		world_close(&world);
		shim_clear();
	}
}
END_TEST

START_TEST(one_that_is_set_just_before_a_kill_is_noticed_by_the_next_start)
{
	struct world world;
	struct waits waits;
	struct shim_faults *faults;

	world_prepare(&world, &patient);
	faults = faults_prepare(&world);
	ck_assert(daemon_try_start(&world));
	for (size_t i = 0; i < JUMPS; i++) {
		make_waits(&world, &waits);
		atomic_fetch_add(&faults->clock_set_ms, jumps_ms[i]);
		daemon_kill(&world);
		ck_assert(daemon_try_start(&world));
		expect_ends_in_time(&world, &waits);
	}
	world_close(&world);
	shim_clear();
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		a_clock_that_is_set_while_it_runs_moves_nothing_that_waits,
		nor_does_one_that_is_set_while_it_is_down,
		one_that_is_set_just_before_a_kill_is_noticed_by_the_next_start,
	};

	return harness_run_for("clock", cases, 3, 240000);
}
