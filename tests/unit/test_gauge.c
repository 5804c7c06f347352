/* test_gauge.c - places in a queue: taken, refused and given back. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/sched.h"

static struct gauges *gauges;
static struct conf_queue queues[2];
static struct conf_client client;
static struct conf conf;
static struct queue_gauge *gauge;

static void
make_gauges(void)
{
	memset(queues, 0, sizeof(queues));
	strcpy(queues[0].name, "work");
	queues[0].capacity = 3;
	queues[0].capacity_bytes = 1000;
	queues[1] = (struct conf_queue){ .name = "other",
		.capacity = 1,
		.capacity_bytes = 1 };
	client = (struct conf_client){ .name = "acme",
		.max_queued = 2,
		.rate = 10,
		.burst = 5 };
	conf = (struct conf){ .queues = queues,
		.queue_count = 2,
		.clients = &client,
		.client_count = 1 };
	gauges = gauges_new();
	ck_assert_ptr_nonnull(gauges);
	ck_assert(gauges_adopt(gauges, &conf));
	gauge = queues[0].gauge;
}

static void
drop_gauges(void)
{
	gauges_free(&gauges);
	ck_assert_ptr_null(gauges);
}

static void
places_are(int64_t places, int64_t bytes)
{
	ck_assert_int_eq(atomic_load(&gauge->places), places);
	ck_assert_int_eq(atomic_load(&gauge->place_bytes), bytes);
}

START_TEST(a_queue_lets_in_as_many_as_it_has_places)
{
	for (int i = 0; i < 3; i++)
		ck_assert(queue_take_place(&queues[0], 10));
	ck_assert(!queue_take_place(&queues[0], 10));
	places_are(3, 30);
	ck_assert_int_eq(atomic_load(&gauge->refused_full), 1);
	queue_give_place(gauge, 10);
	ck_assert(queue_take_place(&queues[0], 10));
	places_are(3, 30);
}
END_TEST

START_TEST(a_queue_lets_in_as_many_bytes_as_it_has_room_for)
{
	ck_assert(queue_take_place(&queues[0], 600));
	ck_assert(!queue_take_place(&queues[0], 401));
	ck_assert(queue_take_place(&queues[0], 400));
	ck_assert(!queue_take_place(&queues[0], 1));
	ck_assert(queue_take_place(&queues[0], 0));
	places_are(3, 1000);
}
END_TEST

/* Otherwise a body over capacity_bytes could never get in. */
START_TEST(an_empty_queue_lets_one_in_whatever_its_size)
{
	ck_assert(queue_take_place(&queues[0], 5000));
	ck_assert(!queue_take_place(&queues[0], 0));
	queue_give_place(gauge, 5000);
	places_are(0, 0);
	ck_assert(queue_take_place(&queues[0], 5000));
}
END_TEST

START_TEST(queues_do_not_share_places)
{
	ck_assert(queue_take_place(&queues[1], 1));
	ck_assert(!queue_take_place(&queues[1], 0));
	places_are(0, 0);
	ck_assert_int_eq(atomic_load(&gauge->refused_full), 0);
}
END_TEST

START_TEST(what_was_promised_before_is_held_beyond_the_bound)
{
	for (int i = 0; i < 5; i++)
		queue_hold_place(gauge, 400);
	places_are(5, 2000);
	ck_assert(!queue_take_place(&queues[0], 1));
	for (int i = 0; i < 3; i++)
		queue_give_place(gauge, 400);
	places_are(2, 800);
	ck_assert(queue_take_place(&queues[0], 200));
}
END_TEST

START_TEST(a_new_conf_finds_the_gauges_of_the_old_one)
{
	struct conf_queue next[2] = { { .name = "work" }, { .name = "new" } };
	struct conf next_conf = { .queues = next, .queue_count = 2 };
	int count = 0;

	ck_assert(queue_take_place(&queues[0], 1));
	ck_assert(gauges_adopt(gauges, &next_conf));
	ck_assert_ptr_eq(next[0].gauge, gauge);
	ck_assert_int_eq(atomic_load(&next[0].gauge->places), 1);
	ck_assert_ptr_ne(next[1].gauge, gauge);
	ck_assert_str_eq(next[1].gauge->name, "new");
	for (struct queue_gauge *each = gauges_first(gauges); each != NULL;
	     each = each->next)
		count++;
	ck_assert_int_eq(count, 3);
	ck_assert_str_eq(gauges_first(gauges)->name, "new");
}
END_TEST

/* ---- threads ---- */

static atomic_int inside;
static atomic_int most;

static void *
come_and_go(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20000; i++) {
		int now, seen;

		if (!queue_take_place(&queues[0], 100))
			continue;
		now = atomic_fetch_add(&inside, 1) + 1;
		seen = atomic_load(&most);
		while (now > seen &&
		    !atomic_compare_exchange_weak(&most, &seen, now))
			continue;
		atomic_fetch_sub(&inside, 1);
		queue_give_place(gauge, 100);
	}
	return NULL;
}

START_TEST(the_bound_holds_however_many_threads_accept)
{
	pthread_t threads[4];

	atomic_store(&most, 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, come_and_go,
				     NULL),
		    0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	places_are(0, 0);
	ck_assert_int_ge(atomic_load(&most), 1);
	ck_assert_int_le(atomic_load(&most), 3);
}
END_TEST

/* ---- clients ---- */

START_TEST(a_client_takes_as_many_places_as_it_may)
{
	ck_assert(client_take_place(&client));
	ck_assert(client_take_place(&client));
	ck_assert(!client_take_place(&client));
	ck_assert_int_eq(atomic_load(&client.gauge->places), 2);
	client_give_place(&client);
	ck_assert(client_take_place(&client));
	gauges_hold_client(gauges, "acme");
	ck_assert_int_eq(atomic_load(&client.gauge->places), 3);
}
END_TEST

START_TEST(who_has_no_limit_always_finds_a_place)
{
	client.max_queued = 0;
	for (int i = 0; i < 100; i++)
		ck_assert(client_take_place(&client));
	ck_assert_int_eq(atomic_load(&client.gauge->places), 100);
	ck_assert(client_take_place(NULL));
	client_give_place(NULL);
	gauges_hold_client(gauges, "");
}
END_TEST

START_TEST(a_client_of_a_new_conf_finds_its_gauge)
{
	struct conf_client next = { .name = "acme" };
	struct conf next_conf = { .clients = &next, .client_count = 1 };

	ck_assert(client_take_place(&client));
	ck_assert(gauges_adopt(gauges, &next_conf));
	ck_assert_ptr_eq(next.gauge, client.gauge);
}
END_TEST

START_TEST(places_of_a_client_outlast_its_section)
{
	struct conf without = { .queues = queues, .queue_count = 2 };
	struct conf_client again = { .name = "acme", .max_queued = 2 };
	struct conf with = { .clients = &again, .client_count = 1 };

	ck_assert(client_take_place(&client));
	ck_assert(client_take_place(&client));
	ck_assert(gauges_adopt(gauges, &without));
	ck_assert_ptr_eq(without.gauges, gauges);
	gauges_give_client(without.gauges, "acme");
	ck_assert(gauges_adopt(gauges, &with));
	ck_assert_int_eq(atomic_load(&again.gauge->places), 1);
	ck_assert(client_take_place(&again));
	ck_assert(!client_take_place(&again));
}
END_TEST

/* Jobs of a client that was never configured since the start. */
START_TEST(places_of_a_client_are_counted_before_it_has_a_section)
{
	struct conf_client next = { .name = "zenith", .max_queued = 2 };
	struct conf with = { .clients = &next, .client_count = 1 };

	gauges_hold_client(gauges, "zenith");
	gauges_hold_client(gauges, "zenith");
	gauges_give_client(gauges, "nobody");
	gauges_hold_client(gauges, "");
	gauges_give_client(gauges, "");
	ck_assert(gauges_adopt(gauges, &with));
	ck_assert_int_eq(atomic_load(&next.gauge->places), 2);
	ck_assert(!client_take_place(&next));
	gauges_give_client(gauges, "zenith");
	ck_assert(client_take_place(&next));
	ck_assert_int_eq(atomic_load(&client.gauge->places), 0);
}
END_TEST

#define NAMES 50

static void *
hold_everybody(void *arg)
{
	char name[NAME_SIZE];

	(void)arg;
	for (int i = 0; i < 100 * NAMES; i++) {
		(void)snprintf(name, sizeof(name), "client-%d", i % NAMES);
		gauges_hold_client(gauges, name);
		if (i % 2 == 0)
			gauges_give_client(gauges, name);
	}
	return NULL;
}

START_TEST(two_threads_that_name_a_client_mean_the_same_one)
{
	struct conf_client clients[NAMES] = { 0 };
	struct conf with = { .clients = clients, .client_count = NAMES };
	pthread_t threads[4];

	for (int i = 0; i < NAMES; i++)
		(void)snprintf(clients[i].name, sizeof(clients[i].name),
		    "client-%d", i);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL,
				     hold_everybody, NULL),
		    0);
	ck_assert(gauges_adopt(gauges, &with));
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	for (int i = 0; i < NAMES; i++)
		ck_assert_int_eq(atomic_load(&clients[i].gauge->places),
		    i % 2 == 0 ? 0 : 400);
}
END_TEST

START_TEST(clients_do_not_share_their_turns)
{
	struct conf_client other = { .name = "zenith", .rate = 1, .burst = 1 };
	struct conf with = { .clients = &other, .client_count = 1 };
	int64_t left, wait_us;

	ck_assert(gauges_adopt(gauges, &with));
	ck_assert(client_take_turn(&other, 0, &left, &wait_us));
	ck_assert(!client_take_turn(&other, 0, &left, &wait_us));
	ck_assert_int_eq(wait_us, 1000000);
	ck_assert(client_take_turn(&client, 0, &left, &wait_us));
	ck_assert_int_eq(left, 4);
}
END_TEST

static const struct {
	const char *name;
	double rate, burst;
	int64_t wait_us; /* of the one behind the burst; 0: it is let through */
} rates[] = {
	{ "one in a hundred seconds", 0.01, 1, 100000000 },
	{ "two at once, one a second", 1, 2, 1000000 },
	{ "faster than the clock", 1e9, 3, 0 },
	{ "a year and more for one", 1e-9, 1, INT64_C(31536000000000) },
	{ "more at once than ever come", 1e-9, 1e9, 0 },
};

START_TEST(any_rate_that_can_be_written_is_kept)
{
	int64_t left, wait_us;
	bool may;

	client.rate = rates[_i].rate;
	client.burst = rates[_i].burst;
	for (int i = 0; i < 3 && i < rates[_i].burst; i++)
		if (rates[_i].burst < 1000 || i == 0)
			ck_assert_msg(client_take_turn(&client, 5, &left,
					  &wait_us),
			    "%s", rates[_i].name);
	if (rates[_i].burst > 1000)
		return;
	may = client_take_turn(&client, 5, &left, &wait_us);
	ck_assert_msg(may == (rates[_i].wait_us == 0), "%s", rates[_i].name);
	ck_assert_msg(wait_us == rates[_i].wait_us, "%s: %lld us",
	    rates[_i].name, (long long)wait_us);
}
END_TEST

/* Ten a second, five at once. */
START_TEST(a_client_may_ask_as_often_as_its_rate_and_burst_allow)
{
	int64_t now_us = 1000000;
	int64_t left, wait_us;

	for (int i = 4; i >= 0; i--) {
		ck_assert(client_take_turn(&client, now_us, &left, &wait_us));
		ck_assert_int_eq(left, i);
		ck_assert_int_eq(wait_us, 0);
	}
	ck_assert(!client_take_turn(&client, now_us, &left, &wait_us));
	ck_assert_int_eq(left, 0);
	ck_assert_int_eq(wait_us, 100000);
	now_us += 99999;
	ck_assert(!client_take_turn(&client, now_us, &left, &wait_us));
	ck_assert_int_eq(wait_us, 1);
	now_us += 1;
	ck_assert(client_take_turn(&client, now_us, &left, &wait_us));
	ck_assert(!client_take_turn(&client, now_us, &left, &wait_us));
	now_us += 10000000; /* rest is not saved up beyond the burst */
	for (int i = 0; i < 5; i++)
		ck_assert(client_take_turn(&client, now_us, &left, &wait_us));
	ck_assert(!client_take_turn(&client, now_us, &left, &wait_us));
}
END_TEST

static atomic_int granted;

static void *
ask_all_the_time(void *arg)
{
	int64_t left, wait_us;

	(void)arg;
	for (int i = 0; i < 10000; i++)
		if (client_take_turn(&client, 1000 + i, &left, &wait_us))
			atomic_fetch_add(&granted, 1);
	return NULL;
}

/* In ten milliseconds less than one more than the burst is granted. */
START_TEST(the_rate_holds_however_many_threads_ask)
{
	pthread_t threads[4];

	atomic_store(&granted, 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL,
				     ask_all_the_time, NULL),
		    0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_int_eq(atomic_load(&granted), 5);
}
END_TEST

/* ---- when to come back ---- */

static const struct {
	const char *name;
	long long places, drain_per_ks;
	uint32_t dice;
	int64_t wait_s;
} waits[] = {
	{ "nothing drains", 100, 0, 0, 60 },
	{ "nothing drains, high dice", 100, 0, UINT32_MAX, 60 },
	{ "a twentieth of 100 at 1/s", 100, 1000, 0, 6 },
	{ "the same, high dice", 100, 1000, UINT32_MAX, 9 },
	{ "fast queues ask for a second", 100, 1000000, 0, 1 },
	{ "never less than one", 0, 1000000, 0, 1 },
	{ "slow queues ask for a minute", 10000, 100, 0, 60 },
	{ "an empty queue that is slow", 0, 100, 0, 10 },
};

START_TEST(the_wait_for_a_place_comes_from_the_drain_rate)
{
	int64_t wait_s;

	atomic_store(&gauge->places, waits[_i].places);
	atomic_store(&gauge->drain_per_ks, waits[_i].drain_per_ks);
	wait_s = queue_retry_after_s(gauge, waits[_i].dice);
	ck_assert_msg(wait_s == waits[_i].wait_s, "%s: %lld s, not %lld",
	    waits[_i].name, (long long)wait_s, (long long)waits[_i].wait_s);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("gauge");
	TCase *cases = tcase_create("gauge");
	SRunner *runner;
	int failed;

	tcase_set_timeout(cases, 60);
	tcase_add_checked_fixture(cases, make_gauges, drop_gauges);
	tcase_add_test(cases, a_queue_lets_in_as_many_as_it_has_places);
	tcase_add_test(cases, a_queue_lets_in_as_many_bytes_as_it_has_room_for);
	tcase_add_test(cases, an_empty_queue_lets_one_in_whatever_its_size);
	tcase_add_test(cases, queues_do_not_share_places);
	tcase_add_test(cases,
	    what_was_promised_before_is_held_beyond_the_bound);
	tcase_add_test(cases, a_new_conf_finds_the_gauges_of_the_old_one);
	tcase_add_test(cases, the_bound_holds_however_many_threads_accept);
	tcase_add_test(cases, a_client_takes_as_many_places_as_it_may);
	tcase_add_test(cases, who_has_no_limit_always_finds_a_place);
	tcase_add_test(cases, a_client_of_a_new_conf_finds_its_gauge);
	tcase_add_test(cases, places_of_a_client_outlast_its_section);
	tcase_add_test(cases,
	    places_of_a_client_are_counted_before_it_has_a_section);
	tcase_add_test(cases, two_threads_that_name_a_client_mean_the_same_one);
	tcase_add_test(cases, clients_do_not_share_their_turns);
	tcase_add_loop_test(cases, any_rate_that_can_be_written_is_kept, 0,
	    (int)(sizeof(rates) / sizeof(rates[0])));
	tcase_add_test(cases,
	    a_client_may_ask_as_often_as_its_rate_and_burst_allow);
	tcase_add_test(cases, the_rate_holds_however_many_threads_ask);
	tcase_add_loop_test(cases,
	    the_wait_for_a_place_comes_from_the_drain_rate, 0,
	    (int)(sizeof(waits) / sizeof(waits[0])));
	suite_add_tcase(suite, cases);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
