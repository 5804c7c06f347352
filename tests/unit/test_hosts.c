/* test_hosts.c - may we knock at that receiver now: windows, turns, budgets,
 * breakers. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/hosts.h"

#define NOW 1000000
#define COOLDOWN_MS 30000
#define FIRST true
#define RETRY false

static const struct hosts_rules rules = { .window = 2,
	.failures = 3,
	.cooldown_ms = COOLDOWN_MS,
	.first_budget = 10,
	.retry_budget = 4 };

static struct hosts *hosts;
static int64_t now_ms;

static void
make_hosts(void)
{
	hosts = hosts_new(&rules);
	ck_assert_ptr_nonnull(hosts);
	now_ms = NOW;
}

static void
drop_hosts(void)
{
	hosts_free(&hosts);
	ck_assert_ptr_null(hosts);
}

static void
want(const char *host, int64_t seq, bool is_first)
{
	ck_assert(hosts_want(hosts, host, seq, is_first));
}

static void
goes(const char *host, int64_t seq, bool is_first)
{
	struct hosts_turn turn;

	ck_assert_msg(hosts_next(hosts, now_ms, &turn),
	    "nothing may go, not %lld", (long long)seq);
	ck_assert_str_eq(turn.host, host);
	ck_assert_int_eq(turn.seq, seq);
	ck_assert_int_eq(turn.is_first, is_first);
}

static void
nothing_goes(void)
{
	struct hosts_turn turn = { 0 };

	ck_assert_msg(!hosts_next(hosts, now_ms, &turn), "%lld goes to %s",
	    (long long)turn.seq, turn.host);
}

static void
ended(const char *host, bool is_first, enum knock knock)
{
	hosts_ended(hosts, host, is_first, knock, now_ms);
}

/* Lets attempts fail until the breaker of that host opens. */
static void
break_host(const char *host)
{
	for (int i = 0; i < rules.failures; i++) {
		want(host, 900 + i, FIRST);
		goes(host, 900 + i, FIRST);
		ended(host, FIRST, KNOCK_FAILED);
	}
	ck_assert_int_eq(hosts_open_breakers(hosts), 1);
}

/* ---- windows and turns ---- */

START_TEST(nothing_goes_where_nothing_waits)
{
	nothing_goes();
	ck_assert_int_eq(hosts_waiting(hosts), 0);
	ck_assert_int_eq(hosts_due_mono_ms(hosts), INT64_MAX);
}
END_TEST

START_TEST(the_oldest_goes_first)
{
	want("a:80", 2, FIRST);
	want("a:80", 1, FIRST);
	ck_assert_int_eq(hosts_waiting(hosts), 2);
	goes("a:80", 1, FIRST);
	goes("a:80", 2, FIRST);
	ck_assert_int_eq(hosts_waiting(hosts), 0);
}
END_TEST

START_TEST(no_more_go_to_a_host_than_its_window)
{
	for (int64_t seq = 1; seq <= 3; seq++)
		want("a:80", seq, FIRST);
	goes("a:80", 1, FIRST);
	goes("a:80", 2, FIRST);
	nothing_goes();
	ended("a:80", FIRST, KNOCK_ANSWERED);
	goes("a:80", 3, FIRST);
	nothing_goes();
}
END_TEST

START_TEST(the_window_counts_first_attempts_and_retries_together)
{
	want("a:80", 1, FIRST);
	want("a:80", 2, FIRST);
	want("a:80", 3, RETRY);
	goes("a:80", 1, FIRST);
	goes("a:80", 2, FIRST);
	nothing_goes();
	ended("a:80", FIRST, KNOCK_ANSWERED);
	goes("a:80", 3, RETRY);
}
END_TEST

START_TEST(a_full_window_holds_up_no_other_host)
{
	for (int64_t seq = 1; seq <= 100; seq++)
		want("a:80", seq, FIRST);
	goes("a:80", 1, FIRST);
	goes("a:80", 2, FIRST);
	want("a:81", 200, FIRST);
	goes("a:81", 200, FIRST);
	nothing_goes();
}
END_TEST

START_TEST(hosts_take_turns)
{
	static const char *const names[] = { "a:80", "b:80", "c:80" };

	for (int64_t seq = 0; seq < 6; seq++)
		want(names[seq / 2], seq, FIRST);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 3; i++)
			goes(names[i], i * 2 + round, FIRST);
	nothing_goes();
}
END_TEST

/* ---- budgets ---- */

static void
want_many(int count, bool is_first)
{
	for (int i = 0; i < count; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "%s%d:80",
		    is_first ? "first" : "retry", i);
		want(name, i + 1, is_first);
	}
}

static int
let_all_go(void)
{
	struct hosts_turn turn;
	int count = 0;

	while (hosts_next(hosts, now_ms, &turn))
		count++;
	return count;
}

START_TEST(first_attempts_and_retries_have_budgets_of_their_own)
{
	want_many(20, RETRY);
	ck_assert_int_eq(let_all_go(), rules.retry_budget);
	want_many(20, FIRST);
	ck_assert_int_eq(let_all_go(), rules.first_budget);
	ended("first0:80", FIRST, KNOCK_ANSWERED);
	ended("retry0:80", RETRY, KNOCK_ANSWERED);
	ck_assert_int_eq(let_all_go(), 2);
}
END_TEST

START_TEST(first_attempts_go_before_retries)
{
	want("a:80", 1, RETRY);
	want("b:80", 2, FIRST);
	goes("b:80", 2, FIRST);
	goes("a:80", 1, RETRY);
}
END_TEST

/* ---- breakers ---- */

START_TEST(a_breaker_opens_after_failures_in_a_row)
{
	break_host("a:80");
	want("a:80", 1, FIRST);
	want("b:80", 2, FIRST);
	goes("b:80", 2, FIRST);
	nothing_goes();
	ck_assert_int_eq(hosts_waiting(hosts), 1);
	ck_assert_int_eq(hosts_due_mono_ms(hosts), now_ms + COOLDOWN_MS);
}
END_TEST

START_TEST(an_answer_between_failures_keeps_the_breaker_closed)
{
	static const enum knock knocks[] = { KNOCK_FAILED, KNOCK_FAILED,
		KNOCK_ANSWERED, KNOCK_FAILED, KNOCK_FAILED };

	for (size_t i = 0; i < sizeof(knocks) / sizeof(knocks[0]); i++) {
		want("a:80", (int64_t)i, FIRST);
		goes("a:80", (int64_t)i, FIRST);
		ended("a:80", FIRST, knocks[i]);
	}
	ck_assert_int_eq(hosts_open_breakers(hosts), 0);
	want("a:80", 50, FIRST);
	goes("a:80", 50, FIRST);
}
END_TEST

START_TEST(attempts_that_were_not_made_say_nothing_of_the_host)
{
	for (int64_t seq = 1; seq <= 10; seq++) {
		want("a:80", seq, FIRST);
		goes("a:80", seq, FIRST);
		ended("a:80", FIRST, KNOCK_SKIPPED);
	}
	ck_assert_int_eq(hosts_open_breakers(hosts), 0);
}
END_TEST

START_TEST(after_the_cooldown_one_probe_goes_and_no_more)
{
	break_host("a:80");
	for (int64_t seq = 1; seq <= 3; seq++)
		want("a:80", seq, RETRY);
	now_ms += COOLDOWN_MS - 1;
	nothing_goes();
	now_ms++;
	goes("a:80", 1, RETRY);
	nothing_goes();
	now_ms += 10 * COOLDOWN_MS;
	nothing_goes();
}
END_TEST

START_TEST(a_probe_that_is_answered_closes_the_breaker)
{
	break_host("a:80");
	for (int64_t seq = 1; seq <= 4; seq++)
		want("a:80", seq, RETRY);
	now_ms += COOLDOWN_MS;
	goes("a:80", 1, RETRY);
	ended("a:80", RETRY, KNOCK_ANSWERED);
	ck_assert_int_eq(hosts_open_breakers(hosts), 0);
	goes("a:80", 2, RETRY);
	goes("a:80", 3, RETRY);
	nothing_goes();
}
END_TEST

START_TEST(a_probe_that_fails_opens_the_breaker_for_another_cooldown)
{
	break_host("a:80");
	want("a:80", 1, RETRY);
	want("a:80", 2, RETRY);
	now_ms += COOLDOWN_MS;
	goes("a:80", 1, RETRY);
	now_ms += 5000;
	ended("a:80", RETRY, KNOCK_FAILED);
	ck_assert_int_eq(hosts_open_breakers(hosts), 1);
	nothing_goes();
	now_ms += COOLDOWN_MS - 1;
	nothing_goes();
	now_ms++;
	goes("a:80", 2, RETRY);
}
END_TEST

START_TEST(a_probe_that_was_not_made_lets_the_next_one_go)
{
	break_host("a:80");
	want("a:80", 1, RETRY);
	want("a:80", 2, RETRY);
	now_ms += COOLDOWN_MS;
	goes("a:80", 1, RETRY);
	ended("a:80", RETRY, KNOCK_SKIPPED);
	goes("a:80", 2, RETRY);
	nothing_goes();
}
END_TEST

/* Four under way when three failures open the breaker. */
START_TEST(a_probe_waits_for_those_who_were_under_way_before)
{
	const struct hosts_rules wide = { 5, 3, COOLDOWN_MS, 10, 10 };

	hosts_follow(hosts, &wide);
	for (int64_t seq = 1; seq <= 4; seq++)
		want("a:80", seq, FIRST);
	for (int64_t seq = 1; seq <= 4; seq++)
		goes("a:80", seq, FIRST);
	for (int i = 0; i < 3; i++)
		ended("a:80", FIRST, KNOCK_FAILED);
	want("a:80", 5, RETRY);
	want("a:80", 6, RETRY);
	now_ms += COOLDOWN_MS;
	nothing_goes();
	ended("a:80", FIRST, KNOCK_SKIPPED); /* the fourth, at last */
	goes("a:80", 5, RETRY);
	nothing_goes();
	ended("a:80", RETRY, KNOCK_ANSWERED);
	goes("a:80", 6, RETRY);
}
END_TEST

START_TEST(a_straggler_that_fails_after_the_cooldown_begins_another)
{
	const struct hosts_rules wide = { 5, 3, COOLDOWN_MS, 10, 10 };

	hosts_follow(hosts, &wide);
	for (int64_t seq = 1; seq <= 4; seq++)
		want("a:80", seq, FIRST);
	for (int64_t seq = 1; seq <= 4; seq++)
		goes("a:80", seq, FIRST);
	for (int i = 0; i < 3; i++)
		ended("a:80", FIRST, KNOCK_FAILED);
	want("a:80", 5, RETRY);
	now_ms += COOLDOWN_MS;
	nothing_goes();
	ended("a:80", FIRST, KNOCK_FAILED);
	nothing_goes();
	now_ms += COOLDOWN_MS;
	goes("a:80", 5, RETRY);
	ck_assert_int_eq(hosts_open_breakers(hosts), 1);
}
END_TEST

START_TEST(a_straggler_that_is_answered_does_not_end_an_open_cooldown)
{
	const struct hosts_rules wide = { 5, 3, COOLDOWN_MS, 10, 10 };

	hosts_follow(hosts, &wide);
	for (int64_t seq = 1; seq <= 4; seq++)
		want("a:80", seq, FIRST);
	for (int64_t seq = 1; seq <= 4; seq++)
		goes("a:80", seq, FIRST);
	for (int i = 0; i < 3; i++)
		ended("a:80", FIRST, KNOCK_FAILED);
	want("a:80", 5, FIRST);
	ended("a:80", FIRST, KNOCK_ANSWERED);
	nothing_goes();
	now_ms += COOLDOWN_MS;
	goes("a:80", 5, FIRST);
	ended("a:80", FIRST, KNOCK_ANSWERED);
	ck_assert_int_eq(hosts_open_breakers(hosts), 0);
}
END_TEST

START_TEST(an_open_breaker_is_remembered_while_nothing_waits)
{
	break_host("a:80");
	want("a:80", 1, FIRST);
	nothing_goes();
}
END_TEST

START_TEST(a_host_left_alone_is_forgotten_with_its_failures)
{
	break_host("a:80");
	now_ms += COOLDOWN_MS;
	nothing_goes();
	ck_assert_int_lt(hosts_due_mono_ms(hosts), INT64_MAX);
	now_ms = hosts_due_mono_ms(hosts);
	nothing_goes();
	ck_assert_int_eq(hosts_due_mono_ms(hosts), INT64_MAX);
	ck_assert_int_eq(hosts_open_breakers(hosts), 0);
	want("a:80", 1, FIRST);
	want("a:80", 2, FIRST);
	goes("a:80", 1, FIRST);
	goes("a:80", 2, FIRST);
}
END_TEST

START_TEST(two_breakers_do_not_mix_their_cooldowns)
{
	break_host("a:80");
	now_ms += 1000;
	for (int i = 0; i < 3; i++) {
		want("b:80", i, FIRST);
		goes("b:80", i, FIRST);
		ended("b:80", FIRST, KNOCK_FAILED);
	}
	ck_assert_int_eq(hosts_open_breakers(hosts), 2);
	want("a:80", 1, RETRY);
	want("b:80", 2, RETRY);
	now_ms = NOW + COOLDOWN_MS;
	goes("a:80", 1, RETRY);
	nothing_goes();
	now_ms += 1000;
	goes("b:80", 2, RETRY);
}
END_TEST

/* ---- due, forget, follow ---- */

/* Whoever sleeps until then would else leave a delivery waiting. */
START_TEST(the_next_moment_is_now_while_something_may_go)
{
	for (int64_t seq = 1; seq <= 3; seq++)
		want("a:80", seq, FIRST);
	ck_assert_int_le(hosts_due_mono_ms(hosts), now_ms);
	goes("a:80", 1, FIRST);
	goes("a:80", 2, FIRST);
	ck_assert_int_eq(hosts_due_mono_ms(hosts), INT64_MAX);
}
END_TEST

START_TEST(a_spent_budget_has_no_next_moment)
{
	want_many(rules.retry_budget + 1, RETRY);
	ck_assert_int_eq(let_all_go(), rules.retry_budget);
	ck_assert_int_eq(hosts_due_mono_ms(hosts), INT64_MAX);
}
END_TEST

START_TEST(a_wish_may_be_taken_back_once)
{
	want("a:80", 1, FIRST);
	want("a:80", 2, RETRY);
	ck_assert(!hosts_forget(hosts, "a:80", 1, RETRY));
	ck_assert(!hosts_forget(hosts, "b:80", 1, FIRST));
	ck_assert(hosts_forget(hosts, "a:80", 1, FIRST));
	ck_assert(!hosts_forget(hosts, "a:80", 1, FIRST));
	ck_assert_int_eq(hosts_waiting(hosts), 1);
	goes("a:80", 2, RETRY);
	nothing_goes();
}
END_TEST

START_TEST(a_wish_may_be_taken_back_while_the_breaker_is_open)
{
	break_host("a:80");
	want("a:80", 1, FIRST);
	ck_assert(hosts_forget(hosts, "a:80", 1, FIRST));
	now_ms += COOLDOWN_MS;
	nothing_goes();
	want("a:80", 2, FIRST);
	goes("a:80", 2, FIRST);
}
END_TEST

START_TEST(a_wider_window_is_used_from_the_next_change_on)
{
	const struct hosts_rules wide = { 4, 3, COOLDOWN_MS, 10, 10 };

	for (int64_t seq = 1; seq <= 6; seq++)
		want("a:80", seq, FIRST);
	goes("a:80", 1, FIRST);
	goes("a:80", 2, FIRST);
	nothing_goes();
	hosts_follow(hosts, &wide);
	ended("a:80", FIRST, KNOCK_ANSWERED);
	ck_assert_int_eq(let_all_go(), 3);
}
END_TEST

/* ---- a long life by dice ---- */

enum { NAMES = 12, MODEL_MAX = 64 };

struct model {
	int under_way[NAMES][2];
	int waiting;
	int64_t next_seq;
};

static uint64_t dice_state;

static int
dice(int sides)
{
	dice_state = dice_state * UINT64_C(6364136223846793005) +
	    UINT64_C(1442695040888963407);
	return (int)((dice_state >> 33) % (uint64_t)sides);
}

static void
name_of(int which, char out[16])
{
	(void)snprintf(out, 16, "h%d:%d", which, 80 + which % 3);
}

static void
let_one_go(struct model *model)
{
	struct hosts_turn turn;
	int which;

	if (!hosts_next(hosts, now_ms, &turn))
		return;
	ck_assert_int_eq(sscanf(turn.host, "h%d:", &which), 1);
	model->waiting--;
	model->under_way[which][turn.is_first]++;
	ck_assert_int_le(model->under_way[which][0] +
		model->under_way[which][1],
	    rules.window);
}

static void
end_one(struct model *model, int which)
{
	bool is_first = model->under_way[which][1] > 0;
	char name[16];

	if (model->under_way[which][is_first] == 0)
		return;
	name_of(which, name);
	model->under_way[which][is_first]--;
	/* Some hosts are sick most of the time. */
	hosts_ended(hosts, name, is_first,
	    dice(10) == 0             ? KNOCK_SKIPPED
		: dice(NAMES) < which ? KNOCK_FAILED
				      : KNOCK_ANSWERED,
	    now_ms);
}

static void
want_one(struct model *model)
{
	char name[16];

	if (model->waiting == MODEL_MAX)
		return;
	name_of(dice(NAMES), name);
	want(name, model->next_seq++, dice(2) == 0);
	model->waiting++;
}

static bool
is_done(const struct model *model)
{
	for (int i = 0; i < NAMES; i++)
		if (model->under_way[i][0] + model->under_way[i][1] > 0)
			return false;
	return model->waiting == 0;
}

START_TEST(every_wish_is_let_go_once_whatever_happens)
{
	struct model model = { .next_seq = 1 };

	dice_state = (uint64_t)_i + 1;
	for (int step = 0; step < 30000; step++) {
		switch (dice(4)) {
		case 0:
			want_one(&model);
			break;
		case 1:
			let_one_go(&model);
			break;
		case 2:
			end_one(&model, dice(NAMES));
			break;
		default:
			now_ms += dice(200);
		}
		ck_assert_int_eq(hosts_waiting(hosts), model.waiting);
	}
	for (int step = 0; step < 100000 && !is_done(&model); step++) {
		let_one_go(&model);
		end_one(&model, step % NAMES);
		now_ms += 1000;
	}
	ck_assert(is_done(&model));
	ck_assert_int_eq(hosts_waiting(hosts), 0);
}
END_TEST

static TCase *
window_cases(void)
{
	TCase *cases = tcase_create("windows");

	tcase_add_checked_fixture(cases, make_hosts, drop_hosts);
	tcase_add_test(cases, nothing_goes_where_nothing_waits);
	tcase_add_test(cases, the_oldest_goes_first);
	tcase_add_test(cases, no_more_go_to_a_host_than_its_window);
	tcase_add_test(cases,
	    the_window_counts_first_attempts_and_retries_together);
	tcase_add_test(cases, a_full_window_holds_up_no_other_host);
	tcase_add_test(cases, hosts_take_turns);
	tcase_add_test(cases,
	    first_attempts_and_retries_have_budgets_of_their_own);
	tcase_add_test(cases, first_attempts_go_before_retries);
	tcase_add_test(cases, the_next_moment_is_now_while_something_may_go);
	tcase_add_test(cases, a_spent_budget_has_no_next_moment);
	tcase_add_test(cases, a_wish_may_be_taken_back_once);
	tcase_add_test(cases,
	    a_wish_may_be_taken_back_while_the_breaker_is_open);
	tcase_add_test(cases, a_wider_window_is_used_from_the_next_change_on);
	tcase_add_loop_test(cases, every_wish_is_let_go_once_whatever_happens,
	    0, 8);
	return cases;
}

static TCase *
breaker_cases(void)
{
	TCase *cases = tcase_create("breakers");

	tcase_add_checked_fixture(cases, make_hosts, drop_hosts);
	tcase_add_test(cases, a_breaker_opens_after_failures_in_a_row);
	tcase_add_test(cases,
	    an_answer_between_failures_keeps_the_breaker_closed);
	tcase_add_test(cases,
	    attempts_that_were_not_made_say_nothing_of_the_host);
	tcase_add_test(cases, after_the_cooldown_one_probe_goes_and_no_more);
	tcase_add_test(cases, a_probe_that_is_answered_closes_the_breaker);
	tcase_add_test(cases,
	    a_probe_that_fails_opens_the_breaker_for_another_cooldown);
	tcase_add_test(cases, a_probe_that_was_not_made_lets_the_next_one_go);
	tcase_add_test(cases,
	    a_probe_waits_for_those_who_were_under_way_before);
	tcase_add_test(cases,
	    a_straggler_that_fails_after_the_cooldown_begins_another);
	tcase_add_test(cases,
	    a_straggler_that_is_answered_does_not_end_an_open_cooldown);
	tcase_add_test(cases,
	    an_open_breaker_is_remembered_while_nothing_waits);
	tcase_add_test(cases, a_host_left_alone_is_forgotten_with_its_failures);
	tcase_add_test(cases, two_breakers_do_not_mix_their_cooldowns);
	return cases;
}

int
main(void)
{
	Suite *suite = suite_create("hosts");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, window_cases());
	suite_add_tcase(suite, breaker_cases());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
