/* test_scenario_long.c - a long life by chance, from a known seed.
 *
 * Everything that can happen happens at random: jobs of every kind come, runs
 * and posts end well and badly, jobs are cancelled and revived, clients wait for
 * them, time passes, the wall clock is set, the store fails and heals, and (with
 * a file store) the process is killed. The books and
 * counters are compared after every step (check_world); at the end everything
 * is brought to rest, and every job that was promised has ended and its event
 * is delivered or a dead letter.
 */
#include "suite.h"

#include <stdio.h>
#include <string.h>

#include "ledger/inside.h"

enum { MEMORY_STEPS = 20000, FILE_STEPS = 3000, REST_ROUNDS = 5000 };
enum { KNOWN = 64, WAITING = 64 };

static int64_t accepted, refused, cancelled, revived, waited;
static struct uuid known[KNOWN];       /* the latest jobs, a ring */
static struct order *answers[WAITING]; /* to what somebody asked */
static bool is_asked[WAITING];

static void
somebody_submits(void)
{
	static const char *const urls[] = { NULL, "http://a.example/",
		"http://b.example/", "http://c.example:8080/x" };
	char key[16];
	struct wish wish = {
		.queue = dice(3) == 0 ? "other" : "work",
		.sooner = (int)dice(10) - 4,
		.callback = urls[dice(4)],
		.failure = dice(5) == 0 ? "http://d.example/" : NULL,
		.attempts = (int)dice(4),
		.body = dice(2) == 0 ? "some body" : NULL,
	};
	struct uuid id;
	enum refusal answer;

	if (dice(4) == 0)
		wish.delay_ms = 1 + dice(20000);
	if (dice(5) == 0)
		wish.expires_ms = 1 + dice(20000);
	if (dice(3) == 0)
		wish.events = EVENT_STARTED | EVENTS_TERMINAL;
	(void)snprintf(key, sizeof(key), "key-%u", dice(1000));
	if (dice(5) == 0)
		wish.key = key;
	answer = try_submit(&wish, &id);
	if (answer == TAKEN)
		known[accepted % KNOWN] = id;
	accepted += answer == TAKEN;
	refused += answer == NO_PLACE || answer == UNAVAILABLE;
}

/* ---- who cancels, revives and waits ---- */

/* A place for an answer: one that is free or was answered, NULL when there is
 * none. */
static void
take_answer(int at)
{
	const struct order *answer = answers[at];

	if (answer != NULL && answer->result == ORDER_OK) {
		cancelled += answer->kind == ORDER_CANCEL;
		revived += answer->kind == ORDER_RETRY;
		waited += answer->kind == ORDER_JOB ||
		    answer->kind == ORDER_RESULT;
	}
	ck_assert(answer == NULL || answer->result != ORDER_MISSING);
	order_free(&answers[at]);
	is_asked[at] = false;
}

static struct order **
place_for_answer(void)
{
	int at = (int)dice(WAITING);

	if (is_asked[at] && answers[at] == NULL)
		return NULL;
	take_answer(at);
	is_asked[at] = true;
	return &answers[at];
}

static void
ask_about_somebody(enum order_kind kind)
{
	struct order **place = accepted > 0 ? place_for_answer() : NULL;
	struct order *order;
	int64_t newest = accepted < KNOWN ? accepted : KNOWN;

	if (place == NULL)
		return;
	order = new_order(kind);
	order->job.id = known[dice((uint32_t)newest)];
	order->hold_ms = 1 + dice(20000);
	if (kind == ORDER_RESULT)
		order->hold_until = HOLD_UNTIL_END;
	ask_later(order, place);
	if (kind != ORDER_CANCEL && kind != ORDER_RETRY && dice(4) == 0)
		ledger_hurry(world_ledger(), order, order->job.id.seq);
}

/* A hold does not outlive the process that it waits in. */
static void
somebody_asks(bool may_crash)
{
	static const enum order_kind kinds[] = { ORDER_CANCEL, ORDER_RETRY,
		ORDER_JOB, ORDER_RESULT };

	ask_about_somebody(kinds[dice(may_crash ? 2 : 4)]);
}

/* ---- the rest of the world ---- */

static void
a_run_ends(void)
{
	static const struct run_end *const ends[] = { &WELL, &WELL, &WELL,
		&BUSY, &NOBODY, &BAD };

	if (runs_under_way() > 0)
		give_back_run(run_at((int)dice((uint32_t)runs_under_way())),
		    ends[dice(6)]);
}

static void
a_post_ends(void)
{
	static const struct post_end *const ends[] = { &THANKS, &THANKS,
		&NOT_NOW, &NO_ANSWER, &NO_SUCH, &GONE };
	struct uuid job;

	if (posts_under_way() == 0)
		return;
	job = post_at((int)dice((uint32_t)posts_under_way()))->delivery.job;
	give_back_post(job, ends[dice(6)]);
}

static void
something_rare_happens(bool may_crash)
{
	static const int64_t leaps_ms[] = { HOUR_MS, -HOUR_MS, DAY_MS,
		-DAY_MS };

	switch (dice(5)) {
	case 0:
		/* After a restart, waits are what the clock says. */
		clock_wall_jumps(leaps_ms[dice(4)] / (may_crash ? 24 : 1));
		return;
	case 1:
		store_stumbles(1u << dice(SICK_USED), (int)dice(5));
		return;
	case 2:
		store_sickens(SICK_WRITES, (int)dice(20), STORE_AGAIN);
		return;
	case 3:
		let_time_pass(dice(100000));
		return;
	default:
		if (!may_crash)
			return;
		store_heals();
		settle();
		reopen_world();
	}
}

static void
step(bool may_crash)
{
	switch (dice(17)) {
	case 0:
	case 1:
	case 2:
	case 3:
		somebody_submits();
		return;
	case 4:
	case 5:
	case 6:
	case 7:
	case 8:
		a_run_ends();
		break;
	case 9:
	case 10:
	case 11:
	case 12:
		a_post_ends();
		break;
	case 13:
	case 14:
		let_time_pass(dice(500));
		return;
	case 15:
		somebody_asks(may_crash);
		break;
	default:
		if (dice(10) == 0)
			something_rare_happens(may_crash);
		else
			store_heals();
	}
	if (dice(2) == 0) /* else more comes in the same turn */
		settle();
}

/* ---- the end ---- */

static int64_t
open_ends(void)
{
	struct order *order = ask(new_order(ORDER_BOOKS));
	int64_t count = order->books.counted_queued +
	    order->books.counted_running + order->books.deliveries_open;

	ck_assert_int_eq(order->result, ORDER_OK);
	ck_assert_int_eq(order->books.accepted - order->books.ended,
	    order->books.counted_queued + order->books.counted_running);
	order_free(&order);
	return count;
}

static void
bring_to_rest(void)
{
	store_heals();
	let_time_pass(2 * SECOND_MS);
	ck_assert(ledger_is_well(world_ledger()));
	for (int round = 0; open_ends() > 0; round++) {
		ck_assert_msg(round < REST_ROUNDS, "it never comes to rest");
		while (runs_under_way() > 0)
			give_back_run(run_at(0), &WELL);
		while (posts_under_way() > 0)
			give_back_post(post_at(0)->delivery.job, &THANKS);
		settle();
		let_time_pass(10 * SECOND_MS);
	}
}

static void
check_rest(void)
{
	struct order *order = ask(new_order(ORDER_BOOKS));

	ck_assert_int_eq(order->books.accepted, accepted);
	ck_assert_int_eq(order->books.ended, accepted);
	order_free(&order);
	nothing_is_held("work");
	nothing_is_held("other");
	ck_assert_int_eq(ledger_runs_under_way(world_ledger()), 0);
	ck_assert_int_eq(ledger_posts_under_way(world_ledger()), 0);
	ck_assert_int_gt(accepted, 100);
	ck_assert_int_gt(refused, 0);
}

/* Everybody was answered, and nobody is held. */
static void
check_answers(bool may_crash)
{
	const struct ledger *ledger = world_ledger();

	for (int i = 0; i < WAITING; i++) {
		ck_assert(!is_asked[i] || answers[i] != NULL);
		take_answer(i);
	}
	ck_assert_int_eq(line_count(ledger->holds), 0);
	ck_assert_int_eq(line_count(ledger->hold_ends), 0);
	ck_assert_int_eq(line_count(ledger->cancelled), 0);
	ck_assert_int_gt(cancelled, 10);
	ck_assert_int_gt(revived, 3);
	ck_assert(may_crash || waited > 100);
}

static void
live(uint64_t seed, int steps, bool may_crash)
{
	dice_begin(seed);
	dice_spread_waits(true);
	accepted = refused = cancelled = revived = waited = 0;
	queue_named("work")->capacity = 30;
	queue_named("work")->max_wait_ms = MINUTE_MS;
	queue_named("other")->max_wait_ms = MINUTE_MS;
	world_conf()->callback.breaker_failures = 4;
	world_conf()->callback.per_host_concurrency = 3;
	open_world();
	for (int i = 0; i < steps; i++)
		step(may_crash);
	bring_to_rest();
	check_rest();
	check_answers(may_crash);
}

START_TEST(a_long_life_adds_up)
{
	live((uint64_t)_i + 1, MEMORY_STEPS, false);
}
END_TEST

START_TEST(a_life_with_crashes_adds_up)
{
	use_file_store();
	live((uint64_t)_i + 100, FILE_STEPS, true);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("scenario: long");
	TCase *cases = cases_of(suite, "long");

	tcase_set_timeout(cases, 600);
	tcase_add_loop_test(cases, a_long_life_adds_up, 0, 3);
	tcase_add_loop_test(cases, a_life_with_crashes_adds_up, 0, 3);
	return run_suite(suite);
}
