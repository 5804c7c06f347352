/* test_headers.c - what may become a header field, and how it is found. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/headers.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

START_TEST(fields_are_kept_in_order_and_trimmed)
{
	struct headers headers;

	headers_init(&headers);
	ck_assert(headers_add(&headers, "B", " two \t"));
	ck_assert(headers_add(&headers, "a", "one:\"1\""));
	ck_assert(headers_add(&headers, "b", ""));
	ck_assert(headers_add(&headers, "c", " \t "));
	ck_assert_str_eq(buf_text(&headers.text),
	    "B: two\na: one:\"1\"\nb: \nc: \n");
	headers_free(&headers);
}
END_TEST

static const struct {
	const char *name;
	const char *value;
} refused[] = {
	{ "", "empty name" },
	{ "a b", "space in a name" },
	{ "a:", "colon in a name" },
	{ "a\n", "newline in a name" },
	{ "\xc3\xa4", "not ASCII" },
	{ "a\x7f", "DEL" },
	{ "a(", "delimiter" },
	{ "a", "forged\nb: c" },
	{ "a", "forged\rb" },
	{ "a", "at the end\n" },
};

START_TEST(what_is_no_field_leaves_the_list_as_it_was)
{
	struct headers headers;

	headers_init(&headers);
	ck_assert(headers_add(&headers, "first", "1"));
	for (size_t i = 0; i < COUNT(refused); i++) {
		ck_assert_msg(!headers_add(&headers, refused[i].name,
				  refused[i].value),
		    "row %zu", i);
		ck_assert_str_eq(buf_text(&headers.text), "first: 1\n");
	}
	ck_assert(headers_add(&headers, "!#$%&'*+-.^_`|~09azAZ", "2"));
	headers_free(&headers);
}
END_TEST

START_TEST(a_list_that_is_full_still_takes_what_fits)
{
	struct headers headers;
	char *value = malloc(HEADERS_MAX_BYTES + 1);

	ck_assert_ptr_nonnull(value);
	memset(value, 'v', HEADERS_MAX_BYTES);
	value[HEADERS_MAX_BYTES] = '\0';
	headers_init(&headers);
	ck_assert(!headers_add(&headers, "a", value));
	value[HEADERS_MAX_BYTES - 9] = '\0';
	ck_assert(headers_add(&headers, "a", value));
	ck_assert(!headers_add(&headers, "b", "23"));
	ck_assert(headers_add(&headers, "b", "2"));
	ck_assert_uint_eq(headers.text.len, HEADERS_MAX_BYTES);
	headers_free(&headers);
	free(value);
}
END_TEST

static void
expect_field(const char **cursor, const char *name, const char *value)
{
	struct header_field field;

	ck_assert(headers_next(cursor, &field));
	ck_assert_uint_eq(field.name_len, strlen(name));
	ck_assert_mem_eq(field.name, name, field.name_len);
	ck_assert_uint_eq(field.value_len, strlen(value));
	ck_assert_mem_eq(field.value, value, field.value_len);
}

START_TEST(a_stored_text_is_read_field_by_field)
{
	const char *cursor = "A: 1\nno colon here\nB:2\nC: \nD: x: y";
	struct header_field field;

	expect_field(&cursor, "A", "1");
	expect_field(&cursor, "B", "2");
	expect_field(&cursor, "C", "");
	expect_field(&cursor, "D", "x: y");
	ck_assert(!headers_next(&cursor, &field));
	ck_assert(!headers_next(&cursor, &field));
}
END_TEST

START_TEST(no_text_is_an_empty_list)
{
	const char *cursor = NULL;
	const char *value;
	size_t len;
	struct header_field field;

	ck_assert(!headers_next(&cursor, &field));
	cursor = "";
	ck_assert(!headers_next(&cursor, &field));
	ck_assert(!headers_find(NULL, "a", &value, &len));
}
END_TEST

START_TEST(the_first_field_of_a_name_is_found_in_any_case)
{
	const char *text = "Content-Type: text/plain\nX: 1\nx: 2\n";
	const char *value;
	size_t len;

	ck_assert(headers_find(text, "content-type", &value, &len));
	ck_assert_uint_eq(len, 10);
	ck_assert_mem_eq(value, "text/plain", 10);
	ck_assert(headers_find(text, "x", &value, &len));
	ck_assert_uint_eq(len, 1);
	ck_assert_mem_eq(value, "1", 1);
	ck_assert(!headers_find(text, "content", &value, &len));
	ck_assert(!headers_find(text, "content-type-x", &value, &len));
}
END_TEST

static const struct {
	const char *name;
	const char *connection;
	bool hop;
} hops[] = {
	{ "connection", NULL, true },
	{ "Keep-Alive", NULL, true },
	{ "proxy-connection", NULL, true },
	{ "Proxy-Authenticate", NULL, true },
	{ "PROXY-AUTHORIZATION", NULL, true },
	{ "TE", NULL, true },
	{ "trailer", NULL, true },
	{ "Transfer-Encoding", NULL, true },
	{ "upgrade", NULL, true },
	{ "Content-Type", NULL, false },
	{ "Content-Type", "close", false },
	{ "X-Own", "close, x-own", true },
	{ "X-Own", "X-OWN", true },
	{ "X-Own", "x-owner, x", false },
	{ "T", NULL, false },
	{ "Authorization", "", false },
};

START_TEST(fields_of_one_connection_are_known)
{
	for (size_t i = 0; i < COUNT(hops); i++)
		ck_assert_msg(header_is_hop_by_hop(hops[i].name,
				  strlen(hops[i].name),
				  hops[i].connection) == hops[i].hop,
		    "row %zu: %s", i, hops[i].name);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("headers");
	TCase *tcase = tcase_create("headers");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, fields_are_kept_in_order_and_trimmed);
	tcase_add_test(tcase, what_is_no_field_leaves_the_list_as_it_was);
	tcase_add_test(tcase, a_list_that_is_full_still_takes_what_fits);
	tcase_add_test(tcase, a_stored_text_is_read_field_by_field);
	tcase_add_test(tcase, no_text_is_an_empty_list);
	tcase_add_test(tcase, the_first_field_of_a_name_is_found_in_any_case);
	tcase_add_test(tcase, fields_of_one_connection_are_known);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
