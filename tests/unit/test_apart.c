/* test_apart.c - whatever becomes of the child, we go on and know it. */
#include "callbackd/apart.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOM_BYTES 100000

static struct buf answer;
static struct reason why;
static int spoilt; /* by the child, in its own memory */
static FILE *told; /* what handlers of the parent say */

static void
open_room(void)
{
	buf_init(&answer, ROOM_BYTES);
	reason_set(&why, "untouched");
	told = tmpfile();
	ck_assert_ptr_nonnull(told);
}

static void
close_room(void)
{
	buf_free(&answer);
	fclose(told);
	told = NULL;
}

static bool
greet(struct buf *out, void *arg)
{
	spoilt = 1;
	return buf_puts(out, arg);
}

static bool
answer_length(struct buf *out, void *arg)
{
	for (const size_t *length = arg;
	     out->len < *length && buf_putc(out, 'x');)
		;
	return true;
}

static bool
decline(struct buf *out, void *arg)
{
	(void)arg;
	return buf_puts(out, "half") && false;
}

static bool
leave(struct buf *out, void *arg)
{
	(void)out;
	exit(*(const int *)arg);
}

static bool
die(struct buf *out, void *arg)
{
	(void)out;
	(void)signal(*(const int *)arg, SIG_DFL); /* sanitizers look at some */
	(void)raise(*(const int *)arg);
	return true;
}

static bool
say(struct buf *out, void *arg)
{
	(void)arg;
	(void)fprintf(stderr, "a library speaks\n");
	return buf_puts(out, "done");
}

START_TEST(what_it_answers_comes_back)
{
	ck_assert(apart_run(greet, (void *)"good day", &answer, &why));
	ck_assert_str_eq(buf_text(&answer), "good day");
	ck_assert_str_eq(why.text, "untouched");
}
END_TEST

START_TEST(what_it_does_to_its_memory_does_nothing_to_ours)
{
	ck_assert(apart_run(greet, (void *)"", &answer, &why));
	ck_assert_uint_eq(answer.len, 0);
	ck_assert_int_eq(spoilt, 0);
}
END_TEST

/* A pipe holds 64 KiB. */
START_TEST(a_long_answer_comes_back_whole)
{
	size_t length = ROOM_BYTES;

	ck_assert(apart_run(answer_length, &length, &answer, &why));
	ck_assert_uint_eq(answer.len, ROOM_BYTES);
}
END_TEST

START_TEST(a_longer_one_than_there_is_room_for_does_not)
{
	size_t length = ROOM_BYTES + 1;

	ck_assert(!apart_run(answer_length, &length, &answer, &why));
	ck_assert_str_eq(why.text, "no room for what it answered");
}
END_TEST

START_TEST(work_that_fails_is_out_of_memory)
{
	ck_assert(!apart_run(decline, NULL, &answer, &why));
	ck_assert_str_eq(why.text, "out of memory");
}
END_TEST

START_TEST(work_that_leaves_has_not_been_done)
{
	static int statuses[] = { 0, 1, 2, 3, 70 };

	ck_assert(!apart_run(leave, &statuses[_i], &answer, &why));
	ck_assert_str_eq(why.text, "it left before it was done");
}
END_TEST

START_TEST(work_that_dies_is_told_by_its_signal)
{
	static int signals[] = { SIGSEGV, SIGABRT, SIGKILL, SIGTERM };
	struct reason expected;

	reason_set(&expected, "it died of signal %d (%s)", signals[_i],
	    strsignal(signals[_i]));
	ck_assert(!apart_run(die, &signals[_i], &answer, &why));
	ck_assert_str_eq(why.text, expected.text);
}
END_TEST

/* alarm(2) is how the time ends. */
START_TEST(work_without_an_end_gets_one)
{
	int number = SIGALRM;

	ck_assert(!apart_run(die, &number, &answer, &why));
	ck_assert_str_eq(why.text, "it took longer than 10 s");
}
END_TEST

START_TEST(what_it_says_is_not_said_in_our_name)
{
	char said[8];
	int before = dup(STDERR_FILENO);

	ck_assert_int_ge(dup2(fileno(told), STDERR_FILENO), 0);
	ck_assert(apart_run(say, NULL, &answer, &why));
	ck_assert_int_ge(dup2(before, STDERR_FILENO), 0);
	close(before);
	rewind(told);
	ck_assert_ptr_null(fgets(said, sizeof(said), told));
}
END_TEST

static void
tell_cb(void)
{
	if (told != NULL && write(fileno(told), "x", 1) != 1)
		abort();
}

static void
tell_signal_cb(int number)
{
	(void)number;
	tell_cb();
}

static bool
end_by_all_means(struct buf *out, void *arg)
{
	(void)out;
	(void)arg;
	(void)raise(SIGWINCH);
	exit(0);
}

START_TEST(handlers_of_ours_are_not_called_in_it)
{
	ck_assert_int_eq(atexit(tell_cb), 0);
	(void)signal(SIGWINCH, tell_signal_cb);
	ck_assert(!apart_run(end_by_all_means, NULL, &answer, &why));
	ck_assert_int_eq(lseek(fileno(told), 0, SEEK_END), 0);
}
END_TEST

START_TEST(blocked_signals_are_as_before)
{
	sigset_t before, after;

	(void)sigemptyset(&before);
	(void)sigaddset(&before, SIGHUP);
	ck_assert_int_eq(sigprocmask(SIG_SETMASK, &before, NULL), 0);
	ck_assert(apart_run(greet, (void *)"x", &answer, &why));
	ck_assert_int_eq(sigprocmask(SIG_SETMASK, NULL, &after), 0);
	ck_assert(sigismember(&after, SIGHUP));
	ck_assert(!sigismember(&after, SIGTERM));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("apart");
	TCase *tcase = tcase_create("apart");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, open_room, close_room);
	tcase_add_test(tcase, what_it_answers_comes_back);
	tcase_add_test(tcase, what_it_does_to_its_memory_does_nothing_to_ours);
	tcase_add_test(tcase, a_long_answer_comes_back_whole);
	tcase_add_test(tcase, a_longer_one_than_there_is_room_for_does_not);
	tcase_add_test(tcase, work_that_fails_is_out_of_memory);
	tcase_add_loop_test(tcase, work_that_leaves_has_not_been_done, 0, 5);
	tcase_add_loop_test(tcase, work_that_dies_is_told_by_its_signal, 0, 4);
	tcase_add_test(tcase, work_without_an_end_gets_one);
	tcase_add_test(tcase, what_it_says_is_not_said_in_our_name);
	tcase_add_test(tcase, handlers_of_ours_are_not_called_in_it);
	tcase_add_test(tcase, blocked_signals_are_as_before);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
