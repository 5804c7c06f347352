/* test_scenario_visits.c - turns that a loop takes for its own mail: when it
 * may, when it is sent away, and what it owes the ledger's thread. */
#include "suite.h"

#include <poll.h>

#include "ledger/inside.h"

#define QUICK_US 100
#define SLOW_US 10000
#define ENOUGH 17 /* pieces of mail, to be sent away */

/* A loop with nothing else to do brings what it would have posted. */
static bool
visit(void)
{
	struct ledger *ledger = world_ledger();
	struct mail_list list = mailbox_take(ledger->inbox);
	bool is_served;

	ledger->is_started = true;
	is_served = serve_visitor(&list, ledger);
	ledger->is_started = false;
	if (is_served)
		ck_assert_uint_eq(list.count, 0);
	mailbox_post_list(ledger->inbox, &list);
	return is_served;
}

static int
send_plain(void)
{
	static const struct wish plain = { 0 };

	return send_wish(&plain);
}

static void
is_taken(int ticket)
{
	struct uuid id;

	ck_assert_int_eq(answer_to(ticket, &id), TAKEN);
	ck_assert(is_under_way(id) || status_of(id) == JOB_QUEUED);
}

START_TEST(a_visitor_is_served_where_he_stands)
{
	int ticket;

	open_world();
	ticket = send_plain();
	ck_assert(visit());
	ck_assert(mailbox_is_empty(world_ledger()->inbox));
	is_taken(ticket);
}
END_TEST

START_TEST(a_visitor_does_not_wait_for_a_turn_to_end)
{
	struct ledger *ledger;
	int ticket;

	open_world();
	ledger = world_ledger();
	ticket = send_plain();
	pthread_mutex_lock(&ledger->turn_lock);
	ck_assert(!visit());
	pthread_mutex_unlock(&ledger->turn_lock);
	is_taken(ticket);
}
END_TEST

START_TEST(a_visitor_overtakes_nobody)
{
	struct ledger *ledger;
	struct mail_list brought;
	int first, second;

	open_world();
	ledger = world_ledger();
	first = send_plain();
	brought = mailbox_take(ledger->inbox);
	second = send_plain();
	ledger->is_started = true;
	ck_assert(!serve_visitor(&brought, ledger));
	ledger->is_started = false;
	ck_assert_uint_eq(brought.count, 1);
	mailbox_post_list(ledger->inbox, &brought);
	is_taken(first);
	is_taken(second);
}
END_TEST

START_TEST(a_visitor_does_no_work_that_is_due_already)
{
	static const struct wish delayed = { .delay_ms = 100 };
	int ticket;

	open_world();
	ticket = send_wish(&delayed);
	settle();
	is_taken(ticket);
	clock_goes_on(100);
	ticket = send_plain();
	ck_assert(!visit());
	is_taken(ticket);
	ck_assert_int_eq(runs_under_way(), 2);
}
END_TEST

START_TEST(a_visitor_does_no_chores_of_the_store)
{
	int ticket;

	open_world();
	store_has_much_to_do(true);
	ticket = send_plain();
	ck_assert(!visit());
	store_has_much_to_do(false);
	ck_assert(visit());
	is_taken(ticket);
}
END_TEST

START_TEST(a_visitor_with_much_mail_is_sent_away)
{
	int tickets[ENOUGH];

	open_world();
	for (int i = 0; i < ENOUGH - 1; i++)
		tickets[i] = send_plain();
	ck_assert(visit());
	for (int i = 0; i < ENOUGH - 1; i++)
		is_taken(tickets[i]);
	for (int i = 0; i < ENOUGH; i++)
		tickets[i] = send_plain();
	ck_assert(!visit());
	for (int i = 0; i < ENOUGH; i++)
		is_taken(tickets[i]);
}
END_TEST

START_TEST(no_visitor_stands_before_a_slow_disk)
{
	int ticket;

	open_world();
	note_commit_time(world_ledger(), SLOW_US);
	(void)send_plain(); /* a quick one, since the clock stands */
	ck_assert(visit());
	note_commit_time(world_ledger(), SLOW_US);
	note_commit_time(world_ledger(), SLOW_US);
	ticket = send_plain();
	ck_assert(!visit());
	note_commit_time(world_ledger(), QUICK_US);
	ck_assert(visit());
	is_taken(ticket);
}
END_TEST

START_TEST(a_sick_store_has_no_visitors)
{
	struct uuid id;
	int ticket;

	open_world();
	store_sickens(SICK_COMMIT, 0, STORE_AGAIN);
	ticket = send_plain();
	ck_assert(visit());
	ck_assert_int_eq(answer_to(ticket, &id), UNAVAILABLE);
	ticket = send_plain();
	ck_assert(!visit());
	ck_assert_int_eq(answer_to(ticket, &id), UNAVAILABLE);
	store_heals();
	let_time_pass(2 * SECOND_MS);
	ticket = send_plain();
	ck_assert(visit());
	is_taken(ticket);
}
END_TEST

START_TEST(a_ledger_that_ends_has_no_visitors)
{
	int ticket;

	open_world();
	ticket = send_plain();
	atomic_store(&world_ledger()->must_stop, true);
	ck_assert(!visit());
	atomic_store(&world_ledger()->must_stop, false);
	is_taken(ticket);
}
END_TEST

/* The thread goes to sleep, as it would after a turn of its own. */
static void
thread_waits(void)
{
	struct ledger *ledger = world_ledger();

	settle();
	ledger->wakes_mono_ms = ledger->mono_ms + rest(ledger);
}

static bool
thread_is_woken(void)
{
	struct pollfd mail = { mailbox_fd(world_ledger()->inbox), POLLIN, 0 };

	return poll(&mail, 1, 0) == 1;
}

START_TEST(the_thread_sleeps_on_unless_something_is_due_before_it_wakes)
{
	static const struct wish delayed = { .delay_ms = 100 };

	open_world();
	thread_waits();
	(void)send_plain();
	ck_assert(visit());
	ck_assert(!thread_is_woken());
	(void)send_wish(&delayed);
	ck_assert(visit());
	ck_assert(thread_is_woken());
	settle();
	ck_assert_int_eq(runs_under_way(), 1);
	let_time_pass(100);
	ck_assert_int_eq(runs_under_way(), 2);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("scenario visits");
	TCase *cases = cases_of(suite, "visits");

	tcase_add_test(cases, a_visitor_is_served_where_he_stands);
	tcase_add_test(cases, a_visitor_does_not_wait_for_a_turn_to_end);
	tcase_add_test(cases, a_visitor_overtakes_nobody);
	tcase_add_test(cases, a_visitor_does_no_work_that_is_due_already);
	tcase_add_test(cases, a_visitor_does_no_chores_of_the_store);
	tcase_add_test(cases, a_visitor_with_much_mail_is_sent_away);
	tcase_add_test(cases, no_visitor_stands_before_a_slow_disk);
	tcase_add_test(cases, a_sick_store_has_no_visitors);
	tcase_add_test(cases, a_ledger_that_ends_has_no_visitors);
	tcase_add_test(cases,
	    the_thread_sleeps_on_unless_something_is_due_before_it_wakes);
	return run_suite(suite);
}
