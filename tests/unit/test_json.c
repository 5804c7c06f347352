/* test_json.c - the writer's order, the reader's strictness, and the whole of
 * JSONTestSuite (tests/corpus/json, MIT licence there). */
#include <check.h>
#include <dirent.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/json.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* ---- writing ---- */

static struct buf out;
static struct json_writer *writer;

static void
start_writing(void)
{
	buf_init(&out, 1 << 20);
	writer = json_writer_new(&out);
	ck_assert_ptr_nonnull(writer);
}

static void
stop_writing(void)
{
	json_writer_end(&writer);
	buf_free(&out);
}

START_TEST(a_document_is_written_compactly)
{
	json_object(writer);
	json_put_string(writer, "s", "a\"\\\n\x01/\xc3\xa4");
	json_put_string(writer, "none", NULL);
	json_put_int(writer, "i", INT64_MIN);
	json_put_bool(writer, "b", true);
	json_put_null(writer, "n");
	json_put_time(writer, "t", 1);
	json_put_time(writer, "never", -1);
	json_key(writer, "a");
	json_array(writer);
	json_int(writer, 1);
	json_bool(writer, false);
	json_object(writer);
	json_object_end(writer);
	json_array_end(writer);
	json_object_end(writer);
	ck_assert(json_writer_end(&writer));
	ck_assert_ptr_null(writer);
	ck_assert_str_eq(buf_text(&out),
	    "{\"s\":\"a\\\"\\\\\\n\\u0001/\xc3\xa4\",\"none\":null,"
	    "\"i\":-9223372036854775808,\"b\":true,\"n\":null,"
	    "\"t\":\"1970-01-01T00:00:00.001Z\",\"never\":null,"
	    "\"a\":[1,false,{}]}");
}
END_TEST

START_TEST(writing_goes_on_behind_what_is_there)
{
	ck_assert(buf_puts(&out, "data: "));
	json_string_n(writer, "cut here", 3);
	ck_assert(json_writer_end(&writer));
	ck_assert_str_eq(buf_text(&out), "data: \"cut\"");
}
END_TEST

static const struct {
	const char *text;
	const char *json;
} repairs[] = {
	{ "\xff", "[\"\xef\xbf\xbd\"]" },
	{ "a\xffz", "[\"a\xef\xbf\xbdz\"]" },
	{ "\xc3", "[\"\xef\xbf\xbd\"]" },
	{ "ok\xed\xa0\x80", "[\"ok\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"]" },
	{ "\xc0\xaf\xc3\xa4\xff",
	    "[\"\xef\xbf\xbd\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\"]" },
};

START_TEST(bytes_that_are_not_utf8_are_replaced)
{
	json_array(writer);
	json_string(writer, repairs[_i].text);
	json_array_end(writer);
	ck_assert(json_writer_end(&writer));
	ck_assert_str_eq(buf_text(&out), repairs[_i].json);
}
END_TEST

static const struct {
	double value;
	const char *json;
} reals[] = {
	{ 0.1, "0.1" },
	{ 0.4, "0.4" },
	{ 5, "5" },
	{ -0.0, "-0" },
	{ 1e300, "1e+300" },
	{ 1.0 / 3, "0.3333333333333333" },
	{ DBL_MAX, "1.797693134862316e+308" },
	{ NAN, "null" },
	{ INFINITY, "null" },
	{ -INFINITY, "null" },
};

START_TEST(reals_are_short_and_read_back_as_the_same)
{
	json_real(writer, reals[_i].value);
	ck_assert(json_writer_end(&writer));
	if (isfinite(reals[_i].value))
		ck_assert(strtod(buf_text(&out), NULL) == reals[_i].value);
	if (reals[_i].value != DBL_MAX)
		ck_assert_str_eq(buf_text(&out), reals[_i].json);
}
END_TEST

START_TEST(raw_json_is_put_through_with_its_commas)
{
	json_array(writer);
	json_raw(writer, "{\"a\":[1, 2]} ", 12);
	json_raw(writer, "1.50", 4);
	json_object(writer);
	json_key(writer, "k");
	json_raw(writer, "null", 4);
	json_put_int(writer, "l", 2);
	json_object_end(writer);
	json_array_end(writer);
	ck_assert(json_writer_end(&writer));
	ck_assert_str_eq(buf_text(&out),
	    "[{\"a\":[1, 2]},1.50,{\"k\":null,\"l\":2}]");
}
END_TEST

/* Each letter is a call; see run_calls. */
static const char *const wrong_orders[] = {
	"",                      /* nothing at all */
	"o",                     /* left open */
	"a", "oki",              /* member written, object open */
	"ii",                    /* two values */
	"ooO",                   /* a value where a key must come */
	"oi", "okO",             /* key without a value */
	"okk", "oA",             /* closed as the other kind */
	"aO", "A",               /* closed but never opened */
	"O", "k",                /* a key outside of an object */
	"ak", "aAA", "oOi", "r", /* raw text without any byte */
};

static void
run_calls(const char *calls)
{
	for (; *calls != '\0'; calls++) {
		if (*calls == 'o')
			json_object(writer);
		if (*calls == 'O')
			json_object_end(writer);
		if (*calls == 'a')
			json_array(writer);
		if (*calls == 'A')
			json_array_end(writer);
		if (*calls == 'k')
			json_key(writer, "key");
		if (*calls == 'i')
			json_int(writer, 1);
		if (*calls == 'r')
			json_raw(writer, "", 0);
	}
}

START_TEST(calls_in_a_wrong_order_are_no_document)
{
	run_calls(wrong_orders[_i]);
	ck_assert_msg(!json_writer_end(&writer), "\"%s\"", wrong_orders[_i]);
}
END_TEST

START_TEST(calls_after_a_mistake_write_nothing)
{
	size_t len;

	run_calls("oi");
	len = out.len;
	run_calls("oOaAki");
	json_string(writer, "more");
	ck_assert_uint_eq(out.len, len);
	ck_assert(!json_writer_end(&writer));
}
END_TEST

START_TEST(too_deep_writing_fails_and_harms_nothing)
{
	for (int i = 0; i < 1000; i++)
		json_array(writer);
	for (int i = 0; i < 1000; i++)
		json_array_end(writer);
	ck_assert(!json_writer_end(&writer));
}
END_TEST

START_TEST(a_document_that_does_not_fit_fails)
{
	struct buf small;
	struct json_writer *cramped;

	buf_init(&small, 10);
	cramped = json_writer_new(&small);
	json_array(cramped);
	json_string(cramped, "0123456789");
	json_array_end(cramped);
	ck_assert(!json_writer_end(&cramped));
	ck_assert_uint_le(small.len, 10);
	buf_free(&small);
}
END_TEST

START_TEST(a_writer_without_memory_writes_nothing)
{
	struct json_writer *none = NULL;

	json_object(none);
	json_put_string(none, "a", "b");
	json_object_end(none);
	ck_assert(!json_writer_end(&none));
}
END_TEST

/* ---- reading ---- */

static struct json_document *
must_parse(const char *text)
{
	struct reason why = { "" };
	struct json_document *document = json_parse(text, strlen(text), &why);

	ck_assert_msg(document != NULL, "%.40s: %s", text, why.text);
	return document;
}

START_TEST(a_text_becomes_a_tree)
{
	struct json_document *document = must_parse(
	    "{\"n\":null,\"t\":true,\"f\":false,\"i\":-12,\"r\":1.50e3,"
	    "\"s\":\"a\\n\\u00e4\\ud834\\udd1e\",\"a\":[1,[],{}]}");
	const struct json_value *root = json_root(document);
	const struct json_value *array = json_member(root, "a");

	ck_assert_int_eq(root->kind, JSON_OBJECT);
	ck_assert_uint_eq(root->count, 7);
	ck_assert_str_eq(root->first->key, "n");
	ck_assert_int_eq(root->first->kind, JSON_NULL);
	ck_assert(json_member(root, "t")->truth);
	ck_assert(!json_member(root, "f")->truth);
	ck_assert_int_eq(json_member(root, "f")->kind, JSON_BOOL);
	ck_assert_str_eq(json_member(root, "r")->text, "1.50e3");
	ck_assert_int_eq(json_member(root, "s")->kind, JSON_STRING);
	ck_assert_str_eq(json_member(root, "s")->text,
	    "a\n\xc3\xa4\xf0\x9d\x84\x9e");
	ck_assert_uint_eq(json_member(root, "s")->text_len, 8);
	ck_assert_uint_eq(array->count, 3);
	ck_assert_ptr_null(array->first->key);
	ck_assert_int_eq(array->first->next->kind, JSON_ARRAY);
	ck_assert_ptr_null(array->first->next->first);
	ck_assert_int_eq(array->first->next->next->kind, JSON_OBJECT);
	ck_assert_ptr_null(array->first->next->next->next);
	json_document_free(&document);
	ck_assert_ptr_null(document);
}
END_TEST

START_TEST(members_are_found_only_in_objects)
{
	struct json_document *document = must_parse("[{\"a\":1}]");
	const struct json_value *root = json_root(document);

	ck_assert_ptr_null(json_member(root, "a"));
	ck_assert_ptr_null(json_member(root->first, "b"));
	ck_assert_ptr_nonnull(json_member(root->first, "a"));
	ck_assert_ptr_null(json_member(NULL, "a"));
	json_document_free(&document);
}
END_TEST

START_TEST(every_value_knows_where_it_ends)
{
	const char *text = " {\"a\" : [ 12 , \"x\\n\" ], \"b\":true }";
	struct json_document *document = must_parse(text);
	const struct json_value *root = json_root(document);
	const struct json_value *array = root->first;

	ck_assert_uint_eq(root->offset, strlen(text));
	ck_assert_int_eq(text[array->offset - 1], ']');
	ck_assert_int_eq(text[array->first->offset - 1], '2');
	ck_assert_int_eq(text[array->first->next->offset - 1], '"');
	ck_assert_int_eq(text[array->next->offset - 1], 'e');
	json_document_free(&document);
	document = must_parse("123");
	ck_assert_uint_eq(json_root(document)->offset, 3);
	json_document_free(&document);
}
END_TEST

static const struct {
	const char *text;
	bool good;
	int64_t value;
} whole[] = {
	{ "5", true, 5 },
	{ "-5", true, -5 },
	{ "100", true, 100 },
	{ "101", false, 0 },
	{ "-101", false, 0 },
	{ "5.0", false, 0 },
	{ "5e0", false, 0 },
	{ "99999999999999999999", false, 0 },
	{ "\"5\"", false, 0 },
	{ "true", false, 0 },
	{ "null", false, 0 },
};

START_TEST(whole_numbers_are_exact)
{
	struct json_document *document = must_parse(whole[_i].text);
	int64_t value = 0;

	ck_assert(json_to_int(json_root(document), -100, 100, &value) ==
	    whole[_i].good);
	ck_assert_int_eq(value, whole[_i].value);
	ck_assert(!json_to_int(NULL, 0, 1, &value));
	json_document_free(&document);
}
END_TEST

static const struct {
	const char *text;
	const char *why; /* what the reason must say */
} refused[] = {
	{ "", "empty" },
	{ " ", "premature EOF" },
	{ "[1,", "premature EOF at byte 3" },
	{ "[1,]", "at byte 4" },
	{ "[1] x", "at byte 5" },
	{ "{\"a\":1,\"a\":2}", "a key appears twice" },
	{ "{\"a\":1,\"\\u0061\":2}", "a key appears twice" },
	{ "[{\"b\":{\"a\":1,\"a\":1}}]", "a key appears twice" },
	{ "\"\\u0000\"", "\\u0000 or half of a surrogate pair at byte 2" },
	{ "{\"\\u0000\":1}", "at byte 3" },
	{ "\"\\ud800\"", "half of a surrogate pair" },
	{ "\"\\uDC00\"", "half of a surrogate pair" },
	{ "\"\\ud800\\u0041\"", "half of a surrogate pair" },
	{ "\"\\ud800\\\\udc00\"", "half of a surrogate pair" },
	{ "\"\\ud800\\ud800\"", "half of a surrogate pair" },
	{ "\"\\udd1e\\ud834\"", "half of a surrogate pair" },
	{ "\"\\ud834x\\udd1e\"", "half of a surrogate pair" },
	{ "\"\xc0\xaf\"", "not UTF-8 at byte 2" },
	{ "\"\xed\xa0\x80\"", "not UTF-8 at byte 2" },
	{ "\"\xf4\x90\x80\x80\"", "not UTF-8 at byte 2" },
	{ "[\f]", "form feed or vertical tab at byte 2" },
	{ "[\v]", "form feed or vertical tab at byte 2" },
	{ "/*c*/1", "at byte 1" },
	{ "\xef\xbb\xbf{}", "at byte" },
	{ "\"\\u12\"", "at byte" },
	{ "\\", "at byte 1" },
	{ "\"\\", "at byte 2" },
};

START_TEST(what_is_not_strict_json_is_refused_with_a_reason)
{
	struct reason why = { "" };
	struct json_document *document = json_parse(refused[_i].text,
	    strlen(refused[_i].text), &why);

	ck_assert_msg(document == NULL, "row %d was accepted", _i);
	ck_assert_msg(strstr(why.text, refused[_i].why) != NULL,
	    "row %d: \"%s\"", _i, why.text);
	ck_assert_ptr_null(
	    json_parse(refused[_i].text, strlen(refused[_i].text), NULL));
}
END_TEST

START_TEST(escaped_backslashes_hide_no_escapes)
{
	struct json_document *document = must_parse(
	    "\"\\\\u0000 \\\\ud800 \\\\\"");

	ck_assert_str_eq(json_root(document)->text, "\\u0000 \\ud800 \\");
	json_document_free(&document);
}
END_TEST

/* count opening brackets, then closing ones. */
static struct json_document *
parse_nested(int count, struct reason *why_out)
{
	struct json_document *document;
	struct buf text;

	buf_init(&text, 1 << 20);
	for (int i = 0; i < count; i++)
		buf_putc(&text, '[');
	for (int i = 0; i < count; i++)
		buf_putc(&text, ']');
	document = json_parse(buf_text(&text), text.len, why_out);
	buf_free(&text);
	return document;
}

START_TEST(depth_ends_at_its_ceiling)
{
	struct reason why = { "" };
	struct json_document *document = parse_nested(JSON_MAX_DEPTH, &why);

	ck_assert_msg(document != NULL, "%s", why.text);
	json_document_free(&document);
	ck_assert_ptr_null(parse_nested(JSON_MAX_DEPTH + 1, &why));
	ck_assert_str_eq(why.text, "nested too deeply at byte 65");
	ck_assert_ptr_null(parse_nested(300000, &why));
}
END_TEST

/* An array of count ones. */
static struct json_document *
parse_ones(int count, struct reason *why_out)
{
	struct json_document *document;
	struct buf text;

	buf_init(&text, 1 << 20);
	buf_putc(&text, '[');
	for (int i = 0; i < count; i++)
		buf_puts(&text, i == 0 ? "1" : ",1");
	buf_putc(&text, ']');
	document = json_parse(buf_text(&text), text.len, why_out);
	buf_free(&text);
	return document;
}

START_TEST(the_number_of_values_has_a_ceiling)
{
	struct reason why = { "" };
	struct json_document *document = parse_ones(JSON_MAX_NODES - 1, &why);

	ck_assert_msg(document != NULL, "%s", why.text);
	ck_assert_uint_eq(json_root(document)->count, JSON_MAX_NODES - 1);
	json_document_free(&document);
	ck_assert_ptr_null(parse_ones(JSON_MAX_NODES, &why));
	ck_assert_ptr_nonnull(strstr(why.text, "too many values"));
}
END_TEST

/* An object of count different keys, and of one more that is given. */
static struct json_document *
parse_keys(int count, const char *last, struct reason *why_out)
{
	struct json_document *document;
	struct buf text;

	buf_init(&text, 1 << 23);
	buf_putc(&text, '{');
	for (int i = 0; i < count; i++)
		buf_printf(&text, "\"key-%d\":%d,", i * 7919 % count, i);
	buf_printf(&text, "\"%s\":0}", last);
	document = json_parse(buf_text(&text), text.len, why_out);
	buf_free(&text);
	return document;
}

/* 150,000 keys compared pair by pair would take minutes. */
START_TEST(twins_are_found_among_very_many_keys)
{
	struct reason why = { "" };
	struct json_document *document = parse_keys(150000, "other", &why);

	ck_assert_msg(document != NULL, "%s", why.text);
	json_document_free(&document);
	ck_assert_ptr_null(parse_keys(150000, "key-77777", &why));
	ck_assert_ptr_nonnull(strstr(why.text, "a key appears twice"));
	for (int count = 14; count <= 18; count++) {
		document = parse_keys(count, "other", &why);
		ck_assert_ptr_nonnull(document);
		json_document_free(&document);
		ck_assert_ptr_null(parse_keys(count, "key-7", &why));
	}
}
END_TEST

/* ---- JSONTestSuite ---- */

/* Legal by the grammar, refused by us on purpose; see json.h. */
static const char *const stricter[] = {
	"y_object_duplicated_key.json",
	"y_object_duplicated_key_and_value.json",
	"y_object_escaped_null_in_key.json",
	"y_string_null_escape.json",
};

static bool
is_stricter(const char *name)
{
	for (size_t i = 0; i < COUNT(stricter); i++)
		if (strcmp(stricter[i], name) == 0)
			return true;
	return false;
}

static void
read_file(const char *path, struct buf *text)
{
	FILE *file = fopen(path, "rb");
	char piece[4096];
	size_t got;

	ck_assert_msg(file != NULL, "%s", path);
	while ((got = fread(piece, 1, sizeof(piece), file)) > 0)
		ck_assert(buf_append(text, piece, got));
	fclose(file);
}

static bool
file_is_accepted(const char *path)
{
	struct json_document *document;
	struct buf text;
	char *exact;
	bool accepted;

	buf_init(&text, 1 << 20);
	read_file(path, &text);
	/* Without the NUL of the buffer, for the sanitizer to stand guard. */
	exact = malloc(text.len > 0 ? text.len : 1);
	ck_assert_ptr_nonnull(exact);
	memcpy(exact, buf_text(&text), text.len);
	document = json_parse(exact, text.len, NULL);
	accepted = document != NULL;
	json_document_free(&document);
	free(exact);
	buf_free(&text);
	return accepted;
}

static void
judge_file(const char *folder, const char *name)
{
	char path[1024];
	bool accepted;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	accepted = file_is_accepted(path);
	if (name[0] == 'y')
		ck_assert_msg(accepted == !is_stricter(name), "%s", name);
	if (name[0] == 'n')
		ck_assert_msg(!accepted, "%s", name);
}

START_TEST(the_test_suite_of_rfc_8259_is_judged_rightly)
{
	const char *source = getenv("srcdir"); /* automake's word for it */
	char folder[512];
	struct dirent *entry;
	int count = 0;
	DIR *dir;

	snprintf(folder, sizeof(folder), "%s/tests/corpus/json",
	    source != NULL ? source : ".");
	dir = opendir(folder);
	ck_assert_msg(dir != NULL, "no folder %s", folder);
	while ((entry = readdir(dir)) != NULL) {
		if (strstr(entry->d_name, ".json") == NULL)
			continue;
		judge_file(folder, entry->d_name);
		count++;
	}
	closedir(dir);
	ck_assert_int_eq(count, 318);
}
END_TEST

static TCase *
writing_cases(void)
{
	TCase *tcase = tcase_create("writing");

	tcase_add_checked_fixture(tcase, start_writing, stop_writing);
	tcase_add_test(tcase, a_document_is_written_compactly);
	tcase_add_test(tcase, writing_goes_on_behind_what_is_there);
	tcase_add_loop_test(tcase, bytes_that_are_not_utf8_are_replaced, 0,
	    COUNT(repairs));
	tcase_add_loop_test(tcase, reals_are_short_and_read_back_as_the_same, 0,
	    COUNT(reals));
	tcase_add_test(tcase, raw_json_is_put_through_with_its_commas);
	tcase_add_loop_test(tcase, calls_in_a_wrong_order_are_no_document, 0,
	    COUNT(wrong_orders));
	tcase_add_test(tcase, calls_after_a_mistake_write_nothing);
	tcase_add_test(tcase, too_deep_writing_fails_and_harms_nothing);
	tcase_add_test(tcase, a_document_that_does_not_fit_fails);
	tcase_add_test(tcase, a_writer_without_memory_writes_nothing);
	return tcase;
}

static TCase *
reading_cases(void)
{
	TCase *tcase = tcase_create("reading");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_text_becomes_a_tree);
	tcase_add_test(tcase, members_are_found_only_in_objects);
	tcase_add_test(tcase, every_value_knows_where_it_ends);
	tcase_add_loop_test(tcase, whole_numbers_are_exact, 0, COUNT(whole));
	tcase_add_loop_test(tcase,
	    what_is_not_strict_json_is_refused_with_a_reason, 0,
	    COUNT(refused));
	tcase_add_test(tcase, escaped_backslashes_hide_no_escapes);
	tcase_add_test(tcase, depth_ends_at_its_ceiling);
	tcase_add_test(tcase, the_number_of_values_has_a_ceiling);
	tcase_add_test(tcase, twins_are_found_among_very_many_keys);
	tcase_add_test(tcase, the_test_suite_of_rfc_8259_is_judged_rightly);
	return tcase;
}

int
main(void)
{
	Suite *suite = suite_create("json");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, writing_cases());
	suite_add_tcase(suite, reading_cases());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
