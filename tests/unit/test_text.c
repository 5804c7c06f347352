/* test_text.c - every parser, at and around the edges of what it accepts. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "callbackd/buf.h"
#include "callbackd/text.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define REFUSED INT64_MIN /* in tables whose good values are never that */

/* ---- numbers ---- */

static const struct {
	const char *text;
	int64_t min;
	int64_t max;
	bool good;
	int64_t value;
} integers[] = {
	{ "0", 0, 10, true, 0 },
	{ "10", 0, 10, true, 10 },
	{ "11", 0, 10, false, 0 },
	{ "007", 0, 10, true, 7 },
	{ "-1", -5, 5, true, -1 },
	{ "-6", -5, 5, false, 0 },
	{ "-1", 0, 5, false, 0 },
	{ "-0", 0, 5, false, 0 },
	{ "-0", -1, 5, true, 0 },
	{ "+1", 0, 5, false, 0 },
	{ "", 0, 5, false, 0 },
	{ "-", -5, 5, false, 0 },
	{ NULL, 0, 5, false, 0 },
	{ " 1", 0, 5, false, 0 },
	{ "1 ", 0, 5, false, 0 },
	{ "1.0", 0, 5, false, 0 },
	{ "0x1", 0, 5, false, 0 },
	{ "9223372036854775807", 0, INT64_MAX, true, INT64_MAX },
	{ "9223372036854775808", 0, INT64_MAX, false, 0 },
	{ "18446744073709551617", 0, INT64_MAX, false, 0 },
	{ "-9223372036854775808", INT64_MIN, 0, true, INT64_MIN },
	{ "-9223372036854775809", INT64_MIN, 0, false, 0 },
};

START_TEST(integers_are_written_in_decimal)
{
	static const struct {
		int64_t number;
		const char *text;
	} numbers[] = { { 0, "0" }, { 7, "7" }, { -7, "-7" }, { 10, "10" },
		{ 1357, "1357" }, { INT64_MAX, "9223372036854775807" },
		{ INT64_MIN, "-9223372036854775808" } };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		char text[TEXT_INT_SIZE];

		ck_assert_uint_eq(text_int(numbers[i].number, text),
		    strlen(numbers[i].text));
		ck_assert_str_eq(text, numbers[i].text);
	}
}
END_TEST

START_TEST(integers_are_read_whole_and_within_bounds)
{
	for (size_t i = 0; i < COUNT(integers); i++) {
		int64_t value = 77;
		bool good = text_int64(integers[i].text, integers[i].min,
		    integers[i].max, &value);
		int64_t want = integers[i].good ? integers[i].value : 77;

		ck_assert_msg(good == integers[i].good && value == want,
		    "row %zu: \"%s\"", i, integers[i].text);
	}
}
END_TEST

struct named_number {
	const char *text;
	int64_t value;
};

static const struct named_number durations[] = {
	{ "250ms", 250 },
	{ "30s", 30000 },
	{ "5m", 300000 },
	{ "2h", 7200000 },
	{ "7d", 604800000 },
	{ "45", 45000 },
	{ "1ms", 1 },
	{ "0.5s", 500 },
	{ "0.5", 500 },
	{ "1.25m", 75000 },
	{ "0.001s", 1 },
	{ "0.0019s", 1 },
	{ "1.9999999999999999999s", 1999 },
	{ "36525d", INT64_C(3155760000000) },
	{ "3155760000000ms", INT64_C(3155760000000) },
	{ "3155760000001ms", REFUSED },
	{ "36525.1d", REFUSED },
	{ "36526d", REFUSED },
	{ "99999999999999999999d", REFUSED },
	{ "0", REFUSED },
	{ "0s", REFUSED },
	{ "0.9ms", REFUSED },
	{ "-1s", REFUSED },
	{ "+1s", REFUSED },
	{ " 1s", REFUSED },
	{ "1 s", REFUSED },
	{ "1s ", REFUSED },
	{ "s", REFUSED },
	{ "", REFUSED },
	{ ".5s", REFUSED },
	{ "1.s", REFUSED },
	{ "1..5s", REFUSED },
	{ "1e3", REFUSED },
	{ "1S", REFUSED },
	{ "1w", REFUSED },
	{ "1s1s", REFUSED },
	{ NULL, REFUSED },
};

START_TEST(durations_have_a_unit_or_are_seconds)
{
	for (size_t i = 0; i < COUNT(durations); i++) {
		int64_t ms = REFUSED;
		bool good = text_duration_ms(durations[i].text, &ms);

		ck_assert_msg(good == (durations[i].value != REFUSED),
		    "row %zu: \"%s\"", i, durations[i].text);
		ck_assert_int_eq(ms, durations[i].value);
	}
}
END_TEST

static const struct named_number sizes[] = {
	{ "1", 1 },
	{ "512", 512 },
	{ "64k", 65536 },
	{ "10m", 10485760 },
	{ "1g", 1073741824 },
	{ "1125899906842624", INT64_C(1) << 50 },
	{ "1048576g", INT64_C(1) << 50 },
	{ "1125899906842625", REFUSED },
	{ "1048577g", REFUSED },
	{ "99999999999999999999", REFUSED },
	{ "0", REFUSED },
	{ "0k", REFUSED },
	{ "", REFUSED },
	{ "k", REFUSED },
	{ "-1", REFUSED },
	{ "1.5m", REFUSED },
	{ "1kb", REFUSED },
	{ "1 k", REFUSED },
	{ "1t", REFUSED },
	{ NULL, REFUSED },
};

START_TEST(sizes_count_in_powers_of_1024)
{
	for (size_t i = 0; i < COUNT(sizes); i++) {
		int64_t bytes = REFUSED;
		bool good = text_size_bytes(sizes[i].text, &bytes);

		ck_assert_msg(good == (sizes[i].value != REFUSED),
		    "row %zu: \"%s\"", i, sizes[i].text);
		ck_assert_int_eq(bytes, sizes[i].value);
	}
}
END_TEST

/* ---- times ---- */

static const struct named_number written_times[] = {
	{ "1970-01-01T00:00:00.000Z", 0 },
	{ "1970-01-01T00:00:00.001Z", 1 },
	{ "2000-02-29T12:00:00.000Z", INT64_C(951825600000) },
	{ "2026-11-20T10:19:39.123Z", INT64_C(1795169979123) },
	{ "2100-03-01T00:00:00.000Z", INT64_C(4107542400000) },
	{ "9999-12-31T23:59:59.999Z", INT64_C(253402300799999) },
};

START_TEST(times_are_written_as_rfc_3339_in_utc)
{
	for (size_t i = 0; i < COUNT(written_times); i++) {
		char text[TEXT_TIME_SIZE];
		int64_t back = -1;

		text_time(written_times[i].value, text);
		ck_assert_str_eq(text, written_times[i].text);
		ck_assert(text_time_parse(text, &back));
		ck_assert_int_eq(back, written_times[i].value);
	}
}
END_TEST

START_TEST(times_outside_of_the_four_digit_years_are_clamped)
{
	char text[TEXT_TIME_SIZE];

	text_time(-1, text);
	ck_assert_str_eq(text, "1970-01-01T00:00:00.000Z");
	text_time(INT64_MAX, text);
	ck_assert_str_eq(text, "9999-12-31T23:59:59.999Z");
}
END_TEST

/* The calendar of libc is the judge of ours. */
START_TEST(every_fifth_day_until_2400_is_the_one_libc_names)
{
	for (int64_t day = 0; day < 157000; day += 5) {
		time_t seconds = (time_t)(day * 86400 + day % 86400);
		struct tm tm;
		char want[32];
		char text[TEXT_TIME_SIZE];
		int64_t back;

		ck_assert_ptr_nonnull(gmtime_r(&seconds, &tm));
		strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.000Z", &tm);
		text_time((int64_t)seconds * 1000, text);
		ck_assert_str_eq(text, want);
		ck_assert(text_time_parse(text, &back));
		ck_assert_int_eq(back, (int64_t)seconds * 1000);
	}
}
END_TEST

static const struct named_number parsed_times[] = {
	{ "1970-01-01T00:00:00Z", 0 },
	{ "1970-01-01t00:00:00z", 0 },
	{ "1970-01-01T00:00:00.5Z", 500 },
	{ "1970-01-01T00:00:00.12Z", 120 },
	{ "1970-01-01T00:00:00.123999999999Z", 123 },
	{ "1970-01-01T01:00:00+01:00", 0 },
	{ "1969-12-31T20:30:00-03:30", 0 },
	{ "1970-01-01T00:00:00-00:00", 0 },
	{ "1969-12-31T23:59:59.999Z", -1 },
	{ "0001-01-01T00:00:00Z", INT64_C(-62135596800000) },
	{ "2016-12-31T23:59:60Z", INT64_C(1483228800000) },
	{ "2017-01-01T00:59:60+01:00", INT64_C(1483228800000) },
	{ "2016-12-31T22:59:60Z", REFUSED },
	{ "2016-12-31T23:59:61Z", REFUSED },
	{ "2023-02-29T00:00:00Z", REFUSED },
	{ "2024-02-30T00:00:00Z", REFUSED },
	{ "2100-02-29T00:00:00Z", REFUSED },
	{ "2024-04-31T00:00:00Z", REFUSED },
	{ "2024-00-01T00:00:00Z", REFUSED },
	{ "2024-13-01T00:00:00Z", REFUSED },
	{ "2024-01-00T00:00:00Z", REFUSED },
	{ "2024-01-01T24:00:00Z", REFUSED },
	{ "2024-01-01T00:60:00Z", REFUSED },
	{ "2024-01-01T00:00:00+24:00", REFUSED },
	{ "2024-01-01T00:00:00+00:60", REFUSED },
	{ "2024-01-01T00:00:00+0000", REFUSED },
	{ "2024-01-01T00:00:00", REFUSED },
	{ "2024-01-01T00:00:00.Z", REFUSED },
	{ "2024-01-01T00:00Z", REFUSED },
	{ "2024-01-01 00:00:00Z", REFUSED },
	{ "2024-01-01", REFUSED },
	{ "24-01-01T00:00:00Z", REFUSED },
	{ "2024-1-1T00:00:00Z", REFUSED },
	{ "2024-01-01T00:00:00Zx", REFUSED },
	{ " 2024-01-01T00:00:00Z", REFUSED },
	{ "", REFUSED },
	{ NULL, REFUSED },
};

START_TEST(times_are_read_in_every_form_of_rfc_3339)
{
	for (size_t i = 0; i < COUNT(parsed_times); i++) {
		int64_t ms = REFUSED;
		bool good = text_time_parse(parsed_times[i].text, &ms);

		ck_assert_msg(good == (parsed_times[i].value != REFUSED),
		    "row %zu: \"%s\"", i, parsed_times[i].text);
		ck_assert_int_eq(ms, parsed_times[i].value);
	}
}
END_TEST

static const struct named_number http_dates[] = {
	{ "Sun, 06 Nov 1994 08:49:37 GMT", INT64_C(784111777000) },
	{ "Sunday, 06-Nov-94 08:49:37 GMT", INT64_C(784111777000) },
	{ "Sun Nov  6 08:49:37 1994", INT64_C(784111777000) },
	{ "Wed Nov 16 08:49:37 1994", INT64_C(784975777000) },
	{ "Friday, 20-Nov-26 10:19:39 GMT", INT64_C(1795169979000) },
	{ "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
	{ "Sun, 6 Nov 1994 08:49:37 GMT", REFUSED },
	{ "Sun, 06 Nov 1994 08:49:37 UTC", REFUSED },
	{ "Sun, 06 Nov 1994 08:49:37 GMT ", REFUSED },
	{ "Sun, 06 Nov 1994 08:49:37", REFUSED },
	{ "Sun, 31 Nov 1994 08:49:37 GMT", REFUSED },
	{ "Sun, 06 Nox 1994 08:49:37 GMT", REFUSED },
	{ "Sux, 06 Nov 1994 08:49:37 GMT", REFUSED },
	{ "Sun, 06 Nov 94 08:49:37 GMT", REFUSED },
	{ "Sun, 06-Nov-94 08:49:37 GMT", REFUSED },
	{ "sun, 06 nov 1994 08:49:37 gmt", REFUSED },
	{ "120", REFUSED },
	{ "20261021", REFUSED },
	{ "", REFUSED },
	{ NULL, REFUSED },
};

START_TEST(http_dates_are_read_in_all_three_forms)
{
	for (size_t i = 0; i < COUNT(http_dates); i++) {
		int64_t ms = REFUSED;
		bool good = text_http_date(http_dates[i].text, &ms);

		ck_assert_msg(good == (http_dates[i].value != REFUSED),
		    "row %zu: \"%s\"", i, http_dates[i].text);
		ck_assert_int_eq(ms, http_dates[i].value);
	}
}
END_TEST

/* ---- encodings ---- */

START_TEST(hex_is_lower_case)
{
	char out[9];

	text_hex("\x00\x9f\xab\xff", 4, out);
	ck_assert_str_eq(out, "009fabff");
	text_hex("", 0, out);
	ck_assert_str_eq(out, "");
}
END_TEST

/* RFC 4648, 10. */
static const struct {
	const char *plain;
	const char *encoded;
} vectors[] = {
	{ "", "" },
	{ "f", "Zg==" },
	{ "fo", "Zm8=" },
	{ "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" },
	{ "\xfb\xff\xbf", "+/+/" },
};

START_TEST(base64_matches_the_vectors_of_rfc_4648)
{
	for (size_t i = 0; i < COUNT(vectors); i++) {
		size_t len = strlen(vectors[i].plain);
		size_t encoded_len = strlen(vectors[i].encoded);
		char encoded[16];
		char plain[16];
		size_t plain_len = 99;

		ck_assert_uint_eq(text_base64_size(len), encoded_len + 1);
		text_base64(vectors[i].plain, len, encoded);
		ck_assert_str_eq(encoded, vectors[i].encoded);
		ck_assert(text_base64_decode(encoded, encoded_len, plain,
		    &plain_len));
		ck_assert_uint_eq(plain_len, len);
		ck_assert_mem_eq(plain, vectors[i].plain, len);
	}
}
END_TEST

START_TEST(base64_that_no_encoder_writes_is_refused)
{
	static const char *const bad[] = { "Z", "Zg", "Zg=", "Zg===", "====",
		"Z===", "Zh==", "Zm9=", "Zg==Zg==", "Zm9v\n", "Zm-v", "Zm_v",
		"Zm 9", "=Zm9", "Zm=v", "\xc3\xa4Zm" };

	for (size_t i = 0; i < COUNT(bad); i++) {
		char out[16];
		size_t len = 99;

		ck_assert_msg(!text_base64_decode(bad[i], strlen(bad[i]), out,
				  &len),
		    "\"%s\"", bad[i]);
		ck_assert_uint_eq(len, 99);
	}
}
END_TEST

/* ---- UTF-8 ---- */

static const struct {
	const char *text;
	size_t prefix; /* well-formed bytes at the start */
} utf8[] = {
	{ "", 0 },
	{ "plain ASCII that is longer than eight bytes", 43 },
	{ "\xc2\x80", 2 },
	{ "\xdf\xbf", 2 },
	{ "\xe0\xa0\x80", 3 },
	{ "\xed\x9f\xbf", 3 },
	{ "\xee\x80\x80", 3 },
	{ "\xef\xbf\xbf", 3 },
	{ "\xf0\x90\x80\x80", 4 },
	{ "\xf4\x8f\xbf\xbf", 4 },
	{ "12345678\xc3\xa4", 10 },
	{ "a\x80", 1 },     /* stray continuation */
	{ "a\xc0\xaf", 1 }, /* overlong */
	{ "a\xc1\xbf", 1 },
	{ "a\xe0\x9f\xbf", 1 },
	{ "a\xf0\x8f\xbf\xbf", 1 },
	{ "a\xed\xa0\x80", 1 }, /* surrogates */
	{ "a\xed\xbf\xbf", 1 },
	{ "a\xf4\x90\x80\x80", 1 }, /* above U+10FFFF */
	{ "a\xf5\x80\x80\x80", 1 },
	{ "a\xff", 1 },
	{ "a\xc3", 1 }, /* cut */
	{ "a\xe2\x82", 1 },
	{ "a\xf0\x9f\x98", 1 },
	{ "a\xc3(", 1 },
	{ "a\xe2\x82(", 1 },
	{ "a\xf0\x9f\x98(", 1 },
	{ "1234567\xff", 7 },
};

START_TEST(utf8_is_what_rfc_3629_says)
{
	for (size_t i = 0; i < COUNT(utf8); i++) {
		size_t len = strlen(utf8[i].text);

		ck_assert_msg(text_utf8_prefix(utf8[i].text, len) ==
			utf8[i].prefix,
		    "row %zu", i);
		ck_assert(
		    text_is_utf8(utf8[i].text, len) == (utf8[i].prefix == len));
	}
}
END_TEST

/* ---- copies ---- */

START_TEST(two_texts_become_one)
{
	static const char *const pairs[][3] = {
		{ "", "", "" },
		{ "a", "", "a" },
		{ "", "b", "b" },
		{ "http://x", "/y", "http://x/y" },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		char *both = text_join(pairs[i][0], pairs[i][1]);

		ck_assert_str_eq(both, pairs[i][2]);
		free(both);
	}
}
END_TEST

START_TEST(what_does_not_fit_is_cut_and_ended)
{
	char out[5] = "....";

	text_fit("", out, sizeof(out));
	ck_assert_str_eq(out, "");
	text_fit("four", out, sizeof(out));
	ck_assert_str_eq(out, "four");
	text_fit("fives", out, sizeof(out));
	ck_assert_str_eq(out, "five");
	text_fit("far too long", out, 1);
	ck_assert_str_eq(out, "");
}
END_TEST

/* ---- names and lists ---- */

/* At every place of a text of every length around sixteen and thirty-two bytes. */
START_TEST(plain_is_visible_ascii_that_needs_no_backslash)
{
	char text[36];

	for (size_t len = 0; len <= sizeof(text); len++) {
		memset(text, 'x', sizeof(text));
		ck_assert(text_is_plain(text, len));
		for (size_t at = 0; at < len; at++) {
			for (int byte = 0; byte < 256; byte++) {
				bool is_plain = byte >= ' ' && byte <= '~' &&
				    byte != '"' && byte != '\\';

				text[at] = (char)byte;
				ck_assert_msg(text_is_plain(text, len) ==
					is_plain,
				    "%d at %zu of %zu", byte, at, len);
			}
			text[at] = 'x';
		}
	}
}
END_TEST

START_TEST(case_does_not_matter_in_ascii_and_only_there)
{
	ck_assert(text_equal_nocase("Content-Type", "content-TYPE"));
	ck_assert(text_equal_nocase("", ""));
	ck_assert(!text_equal_nocase("a", "ab"));
	ck_assert(!text_equal_nocase("ab", "a"));
	ck_assert(!text_equal_nocase("@", "`"));
	ck_assert(!text_equal_nocase("\xc4", "\xe4"));
	ck_assert(text_equal_nocase_n("ABCdef", 3, "abc"));
	ck_assert(!text_equal_nocase_n("ABCdef", 3, "abcd"));
	ck_assert(text_starts_nocase("Bearer key", "bearer "));
	ck_assert(text_starts_nocase("any", ""));
	ck_assert(!text_starts_nocase("Bear", "bearer"));
	ck_assert(!text_starts_nocase_n("bearer", 4, "bearer"));
}
END_TEST

static const struct {
	const char *list;
	const char *items; /* joined by '|' */
} lists[] = {
	{ "", "" },
	{ "  , ,\t,", "" },
	{ "a", "a" },
	{ " a , b\t,c ", "a|b|c" },
	{ ",a,,b,", "a|b" },
	{ "wait=3, respond-async", "wait=3|respond-async" },
	{ "x=\"a,b\", c", "x=\"a,b\"|c" },
	{ "x=\"a\\\",b\", c", "x=\"a\\\",b\"|c" },
	{ "x=\"open, c", "x=\"open, c" },
	{ "x=\"open\\", "x=\"open\\" },
	{ "two words, b", "two words|b" },
};

START_TEST(lists_are_split_at_commas_outside_of_quotes)
{
	for (size_t i = 0; i < COUNT(lists); i++) {
		const char *cursor = lists[i].list;
		const char *item;
		size_t len;
		struct buf joined;

		buf_init(&joined, 64);
		while (text_list_next(&cursor, &item, &len)) {
			if (joined.len > 0)
				buf_putc(&joined, '|');
			buf_append(&joined, item, len);
		}
		ck_assert_str_eq(buf_text(&joined), lists[i].items);
		buf_free(&joined);
	}
}
END_TEST

START_TEST(hashes_are_fnv_1a)
{
	ck_assert(text_hash("", 0) == UINT64_C(0xcbf29ce484222325));
	ck_assert(text_hash("a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
	ck_assert(text_hash("foobar", 6) == UINT64_C(0x85944171f73967e8));
}
END_TEST

START_TEST(copies_are_whole_or_cut_and_null_stays_null)
{
	char *copy = text_copy("words");

	ck_assert_str_eq(copy, "words");
	free(copy);
	copy = text_copy_n("words", 2);
	ck_assert_str_eq(copy, "wo");
	free(copy);
	ck_assert_ptr_null(text_copy(NULL));
	ck_assert_ptr_null(text_copy_n(NULL, 3));
}
END_TEST

START_TEST(a_reason_is_cut_at_a_character_and_holds_no_controls)
{
	struct reason reason;
	char foreign[400];

	reason_set(&reason, "bad \"%s\"", "line\nforged\x1b[1m");
	ck_assert_str_eq(reason.text, "bad \"line?forged?[1m\"");
	for (size_t i = 0; i + 2 < sizeof(foreign); i += 2)
		memcpy(foreign + i, "\xc3\xa4", 3);
	reason_set(&reason, "%s", foreign);
	ck_assert_uint_eq(strlen(reason.text), 254);
	ck_assert(text_is_utf8(reason.text, 254));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("text");
	TCase *tcase = tcase_create("text");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, integers_are_written_in_decimal);
	tcase_add_test(tcase, integers_are_read_whole_and_within_bounds);
	tcase_add_test(tcase, durations_have_a_unit_or_are_seconds);
	tcase_add_test(tcase, sizes_count_in_powers_of_1024);
	tcase_add_test(tcase, times_are_written_as_rfc_3339_in_utc);
	tcase_add_test(tcase,
	    times_outside_of_the_four_digit_years_are_clamped);
	tcase_add_test(tcase, every_fifth_day_until_2400_is_the_one_libc_names);
	tcase_add_test(tcase, times_are_read_in_every_form_of_rfc_3339);
	tcase_add_test(tcase, http_dates_are_read_in_all_three_forms);
	tcase_add_test(tcase, hex_is_lower_case);
	tcase_add_test(tcase, base64_matches_the_vectors_of_rfc_4648);
	tcase_add_test(tcase, base64_that_no_encoder_writes_is_refused);
	tcase_add_test(tcase, utf8_is_what_rfc_3629_says);
	tcase_add_test(tcase, two_texts_become_one);
	tcase_add_test(tcase, what_does_not_fit_is_cut_and_ended);
	tcase_add_test(tcase, plain_is_visible_ascii_that_needs_no_backslash);
	tcase_add_test(tcase, case_does_not_matter_in_ascii_and_only_there);
	tcase_add_test(tcase, lists_are_split_at_commas_outside_of_quotes);
	tcase_add_test(tcase, hashes_are_fnv_1a);
	tcase_add_test(tcase, copies_are_whole_or_cut_and_null_stays_null);
	tcase_add_test(tcase,
	    a_reason_is_cut_at_a_character_and_holds_no_controls);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
