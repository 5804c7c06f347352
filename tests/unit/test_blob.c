/* test_blob.c - bodies are shared, and freed by whoever lets go last. */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/blob.h"

START_TEST(a_blob_is_a_copy_of_the_bytes)
{
	char bytes[] = "a\0b";
	struct blob *blob = blob_new(bytes, 3);

	memset(bytes, 'x', sizeof(bytes));
	ck_assert_uint_eq(blob_len(blob), 3);
	ck_assert_mem_eq(blob_data(blob), "a\0b", 3);
	blob_unref(&blob);
	ck_assert_ptr_null(blob);
}
END_TEST

START_TEST(an_absent_blob_is_empty)
{
	struct blob *none = NULL;

	ck_assert_str_eq(blob_data(none), "");
	ck_assert_uint_eq(blob_len(none), 0);
	ck_assert_ptr_null(blob_ref(none));
	blob_unref(&none);
}
END_TEST

START_TEST(an_empty_blob_exists)
{
	struct blob *blob = blob_new(NULL, 0);

	ck_assert_ptr_nonnull(blob);
	ck_assert_uint_eq(blob_len(blob), 0);
	ck_assert_str_eq(blob_data(blob), "");
	blob_unref(&blob);
}
END_TEST

START_TEST(a_buffer_gives_its_memory_without_a_copy)
{
	struct buf buf;
	struct blob *blob;
	const char *bytes;

	buf_init(&buf, 100);
	for (int i = 0; i < 100; i++)
		ck_assert(buf_putc(&buf, 'b'));
	bytes = buf.data;
	blob = blob_from_buf(&buf);
	ck_assert_ptr_eq(blob_data(blob), bytes);
	ck_assert_uint_eq(blob_len(blob), 100);
	ck_assert_ptr_null(buf.data);
	ck_assert_uint_eq(buf.len, 0);
	ck_assert_uint_eq(buf.max, 100);
	blob_unref(&blob);
}
END_TEST

START_TEST(a_roomy_buffer_keeps_its_content_when_trimmed)
{
	struct buf buf;
	struct blob *blob;

	buf_init(&buf, 1 << 20);
	ck_assert(buf_reserve(&buf, 100000));
	ck_assert(buf_puts(&buf, "small"));
	blob = blob_from_buf(&buf);
	ck_assert_uint_eq(blob_len(blob), 5);
	ck_assert_mem_eq(blob_data(blob), "small", 5);
	blob_unref(&blob);
}
END_TEST

START_TEST(an_empty_buffer_becomes_an_empty_blob)
{
	struct buf buf;
	struct blob *blob;

	buf_init(&buf, 100);
	blob = blob_from_buf(&buf);
	ck_assert_ptr_nonnull(blob);
	ck_assert_uint_eq(blob_len(blob), 0);
	blob_unref(&blob);
}
END_TEST

/* Takes and drops its own reference many times, then the one it was given. */
static void *
share(void *arg)
{
	struct blob *mine = arg;

	for (int i = 0; i < 20000; i++) {
		struct blob *more = blob_ref(mine);

		if (((const char *)blob_data(more))[0] != 's')
			abort();
		blob_unref(&more);
	}
	blob_unref(&mine);
	return NULL;
}

/* Freeing too early or never is the sanitizer's to see. */
START_TEST(the_last_holder_frees_whichever_thread_it_is)
{
	struct blob *blob = blob_new("shared", 6);
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, share,
				     blob_ref(blob)),
		    0);
	blob_unref(&blob);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("blob");
	TCase *tcase = tcase_create("blob");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, a_blob_is_a_copy_of_the_bytes);
	tcase_add_test(tcase, an_absent_blob_is_empty);
	tcase_add_test(tcase, an_empty_blob_exists);
	tcase_add_test(tcase, a_buffer_gives_its_memory_without_a_copy);
	tcase_add_test(tcase, a_roomy_buffer_keeps_its_content_when_trimmed);
	tcase_add_test(tcase, an_empty_buffer_becomes_an_empty_blob);
	tcase_add_test(tcase, the_last_holder_frees_whichever_thread_it_is);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
