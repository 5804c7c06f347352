/* test_loop.c - mail, timers, moments and the end of a loop. */
#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "callbackd/clock.h"
#include "callbackd/loop.h"
#include "callbackd/mailbox.h"

/* What the callbacks of a test have seen. */
struct room {
	struct loop *loop;
	struct loop_timer *timers[3];
	int64_t set_mono_ms;
	int order[8];
	int count;
	int signal_number;
	pthread_t opener;
};

struct letter {
	struct mail mail; /* first */
	int number;
};

static struct room room;

static void
make_loop(void)
{
	room = (struct room){ 0 };
	loop_library_init();
	room.loop = loop_new(3, &room);
	ck_assert_ptr_nonnull(room.loop);
}

static void
drop_loop(void)
{
	for (int i = 0; i < 3; i++)
		loop_timer_free(&room.timers[i]);
	loop_free(&room.loop);
}

/* ---- mail ---- */

static void
open_note(struct mail *mail, void *arg)
{
	struct room *r = arg;

	r->order[r->count++] = ((struct letter *)mail)->number;
	r->opener = pthread_self();
}

static void
open_stop(struct mail *mail, void *arg)
{
	struct room *r = arg;

	(void)mail;
	loop_stop(r->loop);
}

START_TEST(mail_is_opened_in_order_with_the_room)
{
	struct letter letters[3] = { { { NULL, open_note }, 1 },
		{ { NULL, open_note }, 2 }, { { NULL, open_note }, 3 } };
	struct mail stop = { NULL, open_stop };
	struct mail_list list = { 0 };

	ck_assert(loop_offer(room.loop, &letters[0].mail));
	mail_list_add(&list, &letters[1].mail);
	mail_list_add(&list, &letters[2].mail);
	loop_post_list(room.loop, &list);
	loop_post(room.loop, &stop);
	loop_run(room.loop);
	ck_assert_int_eq(room.count, 3);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(room.order[i], i + 1);
}
END_TEST

START_TEST(a_started_loop_opens_mail_on_its_own_thread)
{
	struct letter letter = { { NULL, open_note }, 1 };
	struct mail stop = { NULL, open_stop };

	ck_assert(loop_start(room.loop));
	loop_post(room.loop, &letter.mail);
	loop_post(room.loop, &stop);
	loop_join(room.loop);
	ck_assert_int_eq(room.count, 1);
	ck_assert(!pthread_equal(room.opener, pthread_self()));
}
END_TEST

START_TEST(a_loop_stopped_before_it_runs_does_not_wait)
{
	loop_stop(room.loop);
	loop_stop(room.loop);
	loop_run(room.loop);
	ck_assert_int_eq(room.count, 0);
}
END_TEST

START_TEST(mail_that_comes_too_late_is_opened_when_the_loop_is_freed)
{
	struct letter letter = { { NULL, open_note }, 7 };

	loop_stop(room.loop);
	loop_run(room.loop);
	loop_post(room.loop, &letter.mail);
	loop_free(&room.loop);
	ck_assert_ptr_null(room.loop);
	ck_assert_int_eq(room.count, 1);
	ck_assert_int_eq(room.order[0], 7);
}
END_TEST

/* ---- mail from a loop ---- */

static void
stop_now(void *arg)
{
	struct room *r = arg;

	loop_stop(r->loop);
}

/* What stands between a loop and the owner of a box. */
struct porter {
	struct mailbox *box;
	bool serves;
	size_t served; /* pieces of mail */
	struct loop *answers;
	struct letter letters[3];
};

static void
open_last(struct mail *mail, void *arg)
{
	open_note(mail, arg);
	stop_now(arg);
}

/* In three letters: one alone, one behind what somebody else has posted. */
static void
answer(struct porter *porter)
{
	struct mail_list list = { 0 };

	for (int i = 0; i < 3; i++)
		porter->letters[i] = (struct letter){ { NULL, open_note },
			i + 1 };
	mail_list_add(&list, &porter->letters[0].mail);
	loop_post_list(porter->answers, &list);
	loop_post(porter->answers, &porter->letters[1].mail);
	porter->letters[2].mail.open = open_last;
	mail_list_add(&list, &porter->letters[2].mail);
	loop_post_list(porter->answers, &list);
	ck_assert_int_eq(room.count, 0);
}

static bool
serve_cb(struct mail_list *list, void *arg)
{
	struct porter *porter = arg;

	if (!porter->serves)
		return false;
	while (mail_list_take(list) != NULL)
		porter->served++;
	if (porter->answers != NULL)
		answer(porter);
	return true;
}

struct errand {
	struct mail mail; /* first */
	struct porter *porter;
	struct mail letters[100];
	int count;
};

/* In a turn of the loop. */
static void
open_errand(struct mail *mail, void *arg)
{
	struct room *r = arg;
	struct errand *errand = (struct errand *)mail;

	for (int i = 0; i < errand->count; i++)
		loop_send(r->loop, errand->porter->box, &errand->letters[i]);
	if (errand->porter->answers == NULL)
		loop_timer_set(r->timers[0], 20);
}

static size_t
run_errand(struct porter *porter, int count)
{
	struct errand errand = { { NULL, open_errand }, porter, { { 0 } },
		count };
	struct mail_list posted;

	porter->box = mailbox_new(100);
	ck_assert_ptr_nonnull(porter->box);
	room.timers[0] = loop_timer_new(room.loop, stop_now, &room);
	loop_on_idle(room.loop, porter->box, serve_cb, porter);
	loop_post(room.loop, &errand.mail);
	loop_run(room.loop);
	posted = mailbox_take(porter->box);
	mailbox_free(&porter->box);
	return posted.count;
}

START_TEST(mail_that_finds_no_company_is_served_on_the_spot)
{
	struct porter porter = { .serves = true };

	ck_assert_uint_eq(run_errand(&porter, 2), 0);
	ck_assert_uint_eq(porter.served, 2);
}
END_TEST

START_TEST(answers_come_after_the_service_and_overtake_nothing)
{
	struct porter porter = { .serves = true, .answers = room.loop };

	ck_assert_uint_eq(run_errand(&porter, 1), 0);
	ck_assert_int_eq(room.count, 3);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(room.order[i], i + 1);
}
END_TEST

START_TEST(mail_that_is_not_served_is_posted)
{
	struct porter porter = { .serves = false };

	ck_assert_uint_eq(run_errand(&porter, 2), 2);
}
END_TEST

START_TEST(a_busy_loop_posts)
{
	struct porter porter = { .serves = true };

	ck_assert_uint_eq(run_errand(&porter, 100), 100);
	ck_assert_uint_eq(porter.served, 0);
}
END_TEST

START_TEST(a_loop_knows_its_name_and_its_parts)
{
	ck_assert_uint_eq(loop_index(room.loop), 3);
	ck_assert_ptr_nonnull(loop_log(room.loop));
	ck_assert_ptr_nonnull(loop_base(room.loop));
}
END_TEST

/* ---- many threads ---- */

enum { SENDERS = 4, LETTERS = 5000 };

/* Counts letters of all senders; the last one stops the loop. */
struct tally {
	struct loop *loop;
	int count;
};

static void
open_count(struct mail *mail, void *arg)
{
	struct tally *tally = arg;

	free(mail);
	if (++tally->count == SENDERS * LETTERS)
		loop_stop(tally->loop);
}

static void *
send_letters(void *arg)
{
	for (int i = 0; i < LETTERS; i++) {
		struct mail *mail = calloc(1, sizeof(*mail));

		if (mail == NULL)
			abort();
		mail->open = open_count;
		if (!loop_offer(arg, mail))
			loop_post(arg, mail);
		if (loop_silent_ms(arg) < 0)
			abort();
	}
	return NULL;
}

START_TEST(mail_of_many_threads_arrives_whole)
{
	struct tally tally = { NULL, 0 };
	pthread_t threads[SENDERS];

	tally.loop = loop_new(0, &tally);
	ck_assert_ptr_nonnull(tally.loop);
	ck_assert(loop_start(tally.loop));
	for (int i = 0; i < SENDERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, send_letters,
				     tally.loop),
		    0);
	for (int i = 0; i < SENDERS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	loop_join(tally.loop);
	ck_assert_int_eq(tally.count, SENDERS * LETTERS);
	loop_free(&tally.loop);
}
END_TEST

/* ---- timers ---- */

static void
note_one(void *arg)
{
	struct room *r = arg;

	r->order[r->count++] = 1;
}

static void
note_two(void *arg)
{
	struct room *r = arg;

	r->order[r->count++] = 2;
}

static void
make_timers(void (*first)(void *), void (*second)(void *))
{
	room.timers[0] = loop_timer_new(room.loop, first, &room);
	room.timers[1] = loop_timer_new(room.loop, second, &room);
	room.timers[2] = loop_timer_new(room.loop, stop_now, &room);
	for (int i = 0; i < 3; i++)
		ck_assert_ptr_nonnull(room.timers[i]);
}

START_TEST(timers_fire_once_and_in_the_order_of_their_moments)
{
	make_timers(note_one, note_two);
	loop_timer_set(room.timers[2], 40);
	loop_timer_set(room.timers[0], 20);
	loop_timer_set(room.timers[1], 0);
	loop_run(room.loop);
	ck_assert_int_eq(room.count, 2);
	ck_assert_int_eq(room.order[0], 2);
	ck_assert_int_eq(room.order[1], 1);
}
END_TEST

START_TEST(a_timer_set_again_is_moved)
{
	make_timers(note_one, note_two);
	loop_timer_set(room.timers[0], 0);
	loop_timer_set(room.timers[0], INT64_MAX);
	loop_timer_set(room.timers[1], 3600000);
	loop_timer_set(room.timers[1], -5);
	loop_timer_set(room.timers[2], 20);
	loop_run(room.loop);
	ck_assert_int_eq(room.count, 1);
	ck_assert_int_eq(room.order[0], 2);
}
END_TEST

START_TEST(a_stopped_timer_does_not_fire)
{
	make_timers(note_one, note_two);
	loop_timer_set(room.timers[0], 0);
	loop_timer_set(room.timers[2], 10);
	loop_timer_stop(room.timers[0]);
	loop_timer_stop(room.timers[1]);
	loop_run(room.loop);
	ck_assert_int_eq(room.count, 0);
}
END_TEST

static void
free_itself(void *arg)
{
	struct room *r = arg;

	loop_timer_free(&r->timers[0]);
	r->count++;
	loop_stop(r->loop);
}

START_TEST(a_timer_may_free_itself)
{
	room.timers[0] = loop_timer_new(room.loop, free_itself, &room);
	loop_timer_set(room.timers[0], 0);
	loop_run(room.loop);
	ck_assert_int_eq(room.count, 1);
	ck_assert_ptr_null(room.timers[0]);
}
END_TEST

/* Sets itself again; mail must get its turn in between. */
static void
spin(void *arg)
{
	struct room *r = arg;

	loop_timer_set(r->timers[0], 0);
}

START_TEST(a_timer_of_zero_waits_for_the_next_turn)
{
	struct mail stop = { NULL, open_stop };

	room.timers[0] = loop_timer_new(room.loop, spin, &room);
	loop_timer_set(room.timers[0], 0);
	ck_assert(loop_start(room.loop));
	loop_post(room.loop, &stop);
	loop_join(room.loop);
}
END_TEST

enum {
	ROUNDS = 40,
	ROUND_MS = 3 /* below a tick of libevent's clock */
};

static void
check_not_early(void *arg)
{
	struct room *r = arg;

	ck_assert_int_ge(loop_mono_ms(r->loop) - r->set_mono_ms, ROUND_MS);
	if (++r->count == ROUNDS) {
		loop_stop(r->loop);
		return;
	}
	r->set_mono_ms = loop_mono_ms(r->loop);
	loop_timer_set(r->timers[0], ROUND_MS);
}

START_TEST(a_timer_is_never_early)
{
	room.timers[0] = loop_timer_new(room.loop, check_not_early, &room);
	room.set_mono_ms = loop_mono_ms(room.loop);
	loop_timer_set(room.timers[0], ROUND_MS);
	loop_run(room.loop);
	ck_assert_int_eq(room.count, ROUNDS);
}
END_TEST

/* ---- moments ---- */

/* Spends real time in one turn. */
static void
check_moments(void *arg)
{
	struct room *r = arg;
	int64_t mono_ms = loop_mono_ms(r->loop);
	int64_t wall_ms = loop_wall_ms(r->loop);

	while (clock_mono_ms() < mono_ms + 5)
		;
	ck_assert_int_eq(loop_mono_ms(r->loop), mono_ms);
	ck_assert_int_eq(loop_wall_ms(r->loop), wall_ms);
	ck_assert_int_ge(loop_silent_ms(r->loop), 4);
	r->set_mono_ms = mono_ms;
	r->count++;
}

static void
check_later_moment(void *arg)
{
	struct room *r = arg;

	ck_assert_int_ge(loop_mono_ms(r->loop), r->set_mono_ms + 5);
	loop_stop(r->loop);
}

START_TEST(moments_stand_still_for_a_turn_and_no_longer)
{
	make_timers(check_moments, check_later_moment);
	loop_timer_set(room.timers[0], 0);
	loop_timer_set(room.timers[1], 10);
	loop_run(room.loop);
	ck_assert_int_eq(room.count, 1);
}
END_TEST

START_TEST(moments_are_fresh_while_the_loop_does_not_run)
{
	int64_t before = loop_mono_ms(room.loop);

	while (clock_mono_ms() < before + 3)
		;
	ck_assert_int_ge(loop_mono_ms(room.loop), before + 3);
}
END_TEST

/* Waits for the loop's thread to have been silent for less, or at least, that
 * long. Check's timeout ends a wait that is in vain. */
static void
await_silence(bool at_least, int64_t ms)
{
	while ((loop_silent_ms(room.loop) >= ms) != at_least)
		poll(NULL, 0, 5);
}

START_TEST(an_idle_loop_comes_round_all_the_same)
{
	ck_assert(loop_start(room.loop));
	await_silence(true, 300);
	await_silence(false, 300);
	loop_stop(room.loop);
	loop_join(room.loop);
}
END_TEST

/* ---- mail to others ---- */

/* A busy loop, which sends something in each turn. */
struct sender {
	struct loop_watch *watch;
	struct mailbox *box;
	struct letter letters[64];
	int sent;
	int sent_before_first_wake; /* as seen at the box; -1: none yet */
	int stop_at;
};

static struct sender sender;

static bool
has_woken(const struct mailbox *box)
{
	struct pollfd mail = { mailbox_fd(box), POLLIN, 0 };

	return poll(&mail, 1, 0) == 1;
}

static void
send_one(void *arg)
{
	struct letter *letter = &sender.letters[sender.sent];

	(void)arg;
	if (sender.sent_before_first_wake < 0 && has_woken(sender.box))
		sender.sent_before_first_wake = sender.sent;
	letter->number = sender.sent++;
	loop_send(room.loop, sender.box, &letter->mail);
	if (sender.sent == sender.stop_at)
		loop_stop(room.loop);
}

/* Runs until it has sent so many; returns how many arrive, in order. */
static int
send_until(int stop_at)
{
	int fd = eventfd(1, EFD_NONBLOCK); /* is ready for ever */
	struct mail_list list;
	struct mail *mail;
	int count = 0;

	sender = (struct sender){ .box = mailbox_new(100),
		.sent_before_first_wake = -1,
		.stop_at = stop_at };
	sender.watch = loop_watch_new(room.loop, fd, LOOP_WISH_READ, send_one,
	    NULL);
	ck_assert_ptr_nonnull(sender.watch);
	loop_run(room.loop);
	loop_watch_free(&sender.watch);
	list = mailbox_take(sender.box);
	while ((mail = mail_list_take(&list)) != NULL)
		ck_assert_int_eq(((struct letter *)mail)->number, count++);
	mailbox_free(&sender.box);
	close(fd);
	return count;
}

START_TEST(what_a_busy_loop_sends_travels_in_company)
{
	ck_assert_int_eq(send_until(40), 40);
	ck_assert_int_gt(sender.sent_before_first_wake, 1);
	ck_assert_int_lt(sender.sent_before_first_wake, 10);
}
END_TEST

START_TEST(what_was_sent_before_a_loop_stops_arrives)
{
	ck_assert_int_eq(send_until(1), 1);
	ck_assert_int_eq(sender.sent_before_first_wake, -1);
}
END_TEST

/* ---- descriptors ---- */

/* A pipe and what the watches of a test have seen of it. */
struct pair {
	int read_fd, write_fd;
	struct loop_watch *readable, *writable;
	int reads, writes;
};

static struct pair pair;

static void
open_pair(void)
{
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	pair = (struct pair){ .read_fd = ends[0], .write_fd = ends[1] };
}

static void
close_pair(void)
{
	loop_watch_free(&pair.readable);
	loop_watch_free(&pair.writable);
	close(pair.read_fd);
	if (pair.write_fd >= 0)
		close(pair.write_fd);
}

/* Takes one byte of two; the third time it finds the end. */
static void
take_byte(void *arg)
{
	struct room *r = arg;
	char byte;

	pair.reads++;
	if (read(pair.read_fd, &byte, 1) == 0)
		loop_stop(r->loop);
}

static void
put_two_bytes(void *arg)
{
	(void)arg;
	pair.writes++;
	ck_assert_int_eq(write(pair.write_fd, "ab", 2), 2);
	loop_watch_free(&pair.writable);
	close(pair.write_fd);
	pair.write_fd = -1;
}

START_TEST(a_descriptor_is_told_of_as_long_as_it_is_ready)
{
	open_pair();
	pair.readable = loop_watch_new(room.loop, pair.read_fd, LOOP_WISH_READ,
	    take_byte, &room);
	pair.writable = loop_watch_new(room.loop, pair.write_fd,
	    LOOP_WISH_WRITE, put_two_bytes, &room);
	ck_assert_ptr_nonnull(pair.readable);
	ck_assert_ptr_nonnull(pair.writable);
	loop_run(room.loop);
	ck_assert_int_eq(pair.writes, 1);
	ck_assert_int_eq(pair.reads, 3);
	close_pair();
}
END_TEST

/* Both are ready in the same turn; whoever comes first takes the other away. */
static void
free_both(void *arg)
{
	struct room *r = arg;

	r->count++;
	loop_watch_free(&pair.readable);
	loop_watch_free(&pair.writable);
	loop_timer_set(r->timers[2], 0);
}

START_TEST(a_watch_may_be_freed_by_another_of_the_same_turn)
{
	make_timers(note_one, note_two);
	open_pair();
	ck_assert_int_eq(write(pair.write_fd, "a", 1), 1);
	pair.readable = loop_watch_new(room.loop, pair.read_fd, LOOP_WISH_READ,
	    free_both, &room);
	pair.writable = loop_watch_new(room.loop, pair.write_fd,
	    LOOP_WISH_WRITE, free_both, &room);
	loop_run(room.loop);
	ck_assert_int_eq(room.count, 1);
	close_pair();
}
END_TEST

/* ---- signals ---- */

static void
note_signal(int signal_number, void *arg)
{
	struct room *r = arg;

	r->signal_number = signal_number;
	loop_stop(r->loop);
}

START_TEST(a_signal_is_handled_in_a_turn)
{
	ck_assert(loop_on_signal(room.loop, SIGUSR1, note_signal, &room));
	ck_assert(loop_on_signal(room.loop, SIGUSR2, note_signal, &room));
	ck_assert_int_eq(raise(SIGUSR2), 0);
	ck_assert_int_eq(room.signal_number, 0);
	loop_run(room.loop);
	ck_assert_int_eq(room.signal_number, SIGUSR2);
}
END_TEST

static void
open_mask(struct mail *mail, void *arg)
{
	struct room *r = arg;
	sigset_t blocked;

	(void)mail;
	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	r->order[0] = sigismember(&blocked, SIGTERM);
	r->order[1] = sigismember(&blocked, SIGSEGV);
	loop_stop(r->loop);
}

START_TEST(a_started_loop_leaves_signals_to_the_main_thread)
{
	struct mail mail = { NULL, open_mask };
	sigset_t blocked;

	ck_assert(loop_start(room.loop));
	loop_post(room.loop, &mail);
	loop_join(room.loop);
	ck_assert_int_eq(room.order[0], 1);
	ck_assert_int_eq(room.order[1], 0);
	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	ck_assert_int_eq(sigismember(&blocked, SIGTERM), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("loop");
	TCase *tcase = tcase_create("loop");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, make_loop, drop_loop);
	tcase_add_test(tcase, mail_is_opened_in_order_with_the_room);
	tcase_add_test(tcase, a_started_loop_opens_mail_on_its_own_thread);
	tcase_add_test(tcase, a_loop_stopped_before_it_runs_does_not_wait);
	tcase_add_test(tcase,
	    mail_that_comes_too_late_is_opened_when_the_loop_is_freed);
	tcase_add_test(tcase, mail_that_finds_no_company_is_served_on_the_spot);
	tcase_add_test(tcase,
	    answers_come_after_the_service_and_overtake_nothing);
	tcase_add_test(tcase, mail_that_is_not_served_is_posted);
	tcase_add_test(tcase, a_busy_loop_posts);
	tcase_add_test(tcase, a_loop_knows_its_name_and_its_parts);
	tcase_add_test(tcase, mail_of_many_threads_arrives_whole);
	tcase_add_test(tcase,
	    timers_fire_once_and_in_the_order_of_their_moments);
	tcase_add_test(tcase, a_timer_set_again_is_moved);
	tcase_add_test(tcase, a_stopped_timer_does_not_fire);
	tcase_add_test(tcase, a_timer_may_free_itself);
	tcase_add_test(tcase, a_timer_of_zero_waits_for_the_next_turn);
	tcase_add_test(tcase, a_timer_is_never_early);
	tcase_add_test(tcase, moments_stand_still_for_a_turn_and_no_longer);
	tcase_add_test(tcase, moments_are_fresh_while_the_loop_does_not_run);
	tcase_add_test(tcase, an_idle_loop_comes_round_all_the_same);
	tcase_add_test(tcase, what_a_busy_loop_sends_travels_in_company);
	tcase_add_test(tcase, what_was_sent_before_a_loop_stops_arrives);
	tcase_add_test(tcase, a_descriptor_is_told_of_as_long_as_it_is_ready);
	tcase_add_test(tcase, a_watch_may_be_freed_by_another_of_the_same_turn);
	tcase_add_test(tcase, a_signal_is_handled_in_a_turn);
	tcase_add_test(tcase, a_started_loop_leaves_signals_to_the_main_thread);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
