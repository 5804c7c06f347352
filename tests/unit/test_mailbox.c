/* test_mailbox.c - order, bounds, wake-ups, and many threads at once. */
#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "callbackd/mailbox.h"

struct letter {
	struct mail mail; /* first: a mail is its letter */
	int sender;
	int number;
};

static struct mailbox *box;

static void
open_box(void)
{
	box = mailbox_new(4);
	ck_assert_ptr_nonnull(box);
}

static void
close_box(void)
{
	mailbox_free(&box);
	ck_assert_ptr_null(box);
}

static bool
is_readable(void)
{
	struct pollfd wait = { .fd = mailbox_fd(box), .events = POLLIN };

	return poll(&wait, 1, 0) == 1;
}

/* What must come next out of the list. */
static void
expect_letter(struct mail_list *list, const struct letter *want)
{
	ck_assert_ptr_eq(mail_list_take(list), &want->mail);
}

START_TEST(a_list_gives_back_what_was_added_in_order)
{
	struct letter letters[3];
	struct mail_list list = { 0 };

	ck_assert_ptr_null(mail_list_take(&list));
	for (int i = 0; i < 3; i++)
		mail_list_add(&list, &letters[i].mail);
	ck_assert_uint_eq(list.count, 3);
	expect_letter(&list, &letters[0]);
	mail_list_add(&list, &letters[0].mail);
	expect_letter(&list, &letters[1]);
	expect_letter(&list, &letters[2]);
	expect_letter(&list, &letters[0]);
	ck_assert_ptr_null(mail_list_take(&list));
	ck_assert_uint_eq(list.count, 0);
}
END_TEST

START_TEST(messages_come_out_in_the_order_they_went_in)
{
	struct letter letters[4];
	struct mail_list more = { 0 };
	struct mail_list taken;

	ck_assert(mailbox_offer(box, &letters[0].mail));
	mailbox_post(box, &letters[1].mail);
	mail_list_add(&more, &letters[2].mail);
	mail_list_add(&more, &letters[3].mail);
	mailbox_post_list(box, &more);
	ck_assert_uint_eq(more.count, 0);
	ck_assert_ptr_null(more.first);
	taken = mailbox_take(box);
	ck_assert_uint_eq(taken.count, 4);
	for (int i = 0; i < 4; i++)
		expect_letter(&taken, &letters[i]);
	ck_assert_uint_eq(mailbox_take(box).count, 0);
}
END_TEST

START_TEST(offers_end_at_the_limit_and_answers_do_not)
{
	struct letter letters[6];

	for (int i = 0; i < 4; i++)
		ck_assert(mailbox_offer(box, &letters[i].mail));
	ck_assert(!mailbox_offer(box, &letters[4].mail));
	mailbox_post(box, &letters[4].mail);
	ck_assert(!mailbox_offer(box, &letters[5].mail));
	ck_assert_uint_eq(mailbox_take(box).count, 5);
	ck_assert(mailbox_offer(box, &letters[5].mail));
	ck_assert_uint_eq(mailbox_take(box).count, 1);
}
END_TEST

START_TEST(the_descriptor_is_readable_while_something_waits)
{
	struct letter letters[2];

	ck_assert(!is_readable());
	ck_assert(mailbox_offer(box, &letters[0].mail));
	ck_assert(is_readable());
	ck_assert(mailbox_offer(box, &letters[1].mail));
	ck_assert(is_readable());
	mailbox_take(box);
	ck_assert(!is_readable());
	mailbox_post(box, &letters[0].mail);
	ck_assert(is_readable());
	mailbox_take(box);
}
END_TEST

/* Whatever became of the wake-up. */
START_TEST(a_box_is_empty_until_something_waits_and_again_when_it_is_taken)
{
	struct letter letter;
	uint64_t wake_ups = 0;

	ck_assert(mailbox_is_empty(box));
	mailbox_post(box, &letter.mail);
	ck_assert(!mailbox_is_empty(box));
	ck_assert_int_eq(read(mailbox_fd(box), &wake_ups, sizeof(wake_ups)),
	    sizeof(wake_ups));
	ck_assert(!mailbox_is_empty(box));
	ck_assert_uint_eq(mailbox_take(box).count, 1);
	ck_assert(mailbox_is_empty(box));
}
END_TEST

START_TEST(many_messages_cost_one_wake_up)
{
	struct letter letters[4];
	uint64_t wake_ups = 0;

	for (int i = 0; i < 3; i++)
		ck_assert(mailbox_offer(box, &letters[i].mail));
	mailbox_post(box, &letters[3].mail);
	ck_assert_int_eq(read(mailbox_fd(box), &wake_ups, sizeof(wake_ups)),
	    sizeof(wake_ups));
	ck_assert_uint_eq(wake_ups, 1);
	ck_assert_uint_eq(mailbox_take(box).count, 4);
}
END_TEST

START_TEST(an_empty_list_wakes_nobody)
{
	struct mail_list none = { 0 };

	mailbox_post_list(box, &none);
	ck_assert(!is_readable());
}
END_TEST

/* ---- threads ---- */

enum {
	SENDERS = 4,
	LETTERS = 20000 /* of each sender */
};

static struct letter *
write_letter(int sender, int number)
{
	struct letter *letter = calloc(1, sizeof(*letter));

	if (letter == NULL)
		abort();
	letter->sender = sender;
	letter->number = number;
	return letter;
}

/* Even senders ask and are refused, odd ones post lists of ten. */
static void *
send_letters(void *arg)
{
	int sender = (int)(intptr_t)arg;
	struct mail_list list = { 0 };

	for (int i = 0; i < LETTERS; i++) {
		struct letter *letter = write_letter(sender, i);

		if (sender % 2 == 0) {
			while (!mailbox_offer(box, &letter->mail))
				sched_yield();
			continue;
		}
		mail_list_add(&list, &letter->mail);
		if (list.count == 10)
			mailbox_post_list(box, &list);
	}
	return NULL;
}

/* Reads what waits; each sender's letters must be in order. */
static int
read_letters(int next[SENDERS])
{
	struct mail_list list = mailbox_take(box);
	struct mail *mail;
	int count = 0;

	while ((mail = mail_list_take(&list)) != NULL) {
		struct letter *letter = (struct letter *)mail;

		ck_assert_int_eq(letter->number, next[letter->sender]);
		next[letter->sender]++;
		count++;
		free(letter);
	}
	return count;
}

START_TEST(no_message_and_no_wake_up_is_lost_between_threads)
{
	pthread_t threads[SENDERS];
	int next[SENDERS] = { 0 };
	int count = 0;

	for (int i = 0; i < SENDERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, send_letters,
				     (void *)(intptr_t)i),
		    0);
	/* A lost wake-up shows as a wait without end: Check's timeout. */
	while (count < SENDERS * LETTERS) {
		struct pollfd wait = { .fd = mailbox_fd(box),
			.events = POLLIN };

		ck_assert_int_eq(poll(&wait, 1, -1), 1);
		count += read_letters(next);
	}
	for (int i = 0; i < SENDERS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_int_eq(read_letters(next), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("mailbox");
	TCase *tcase = tcase_create("mailbox");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, open_box, close_box);
	tcase_add_test(tcase, a_list_gives_back_what_was_added_in_order);
	tcase_add_test(tcase, messages_come_out_in_the_order_they_went_in);
	tcase_add_test(tcase, offers_end_at_the_limit_and_answers_do_not);
	tcase_add_test(tcase, the_descriptor_is_readable_while_something_waits);
	tcase_add_test(tcase,
	    a_box_is_empty_until_something_waits_and_again_when_it_is_taken);
	tcase_add_test(tcase, many_messages_cost_one_wake_up);
	tcase_add_test(tcase, an_empty_list_wakes_nobody);
	tcase_add_test(tcase,
	    no_message_and_no_wake_up_is_lost_between_threads);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
