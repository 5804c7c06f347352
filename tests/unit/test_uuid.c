/* test_uuid.c - ids: their order, their text, and what is not one. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/uuid.h"

#define NOW_MS INT64_C(1763634000123)

START_TEST(next_seq_follows_the_clock)
{
	int64_t seq = uuid_next_seq(0, NOW_MS);

	ck_assert_int_eq(uuid_ms(seq), NOW_MS);
	ck_assert_int_eq(seq, uuid_seq_at(NOW_MS));
	ck_assert_int_eq(uuid_next_seq(seq, NOW_MS + 1),
	    uuid_seq_at(NOW_MS + 1));
}
END_TEST

START_TEST(next_seq_rises_when_the_clock_stands_still_or_goes_back)
{
	int64_t seq = uuid_seq_at(NOW_MS);

	ck_assert_int_eq(uuid_next_seq(seq, NOW_MS), seq + 1);
	ck_assert_int_eq(uuid_next_seq(seq, NOW_MS - 3600000), seq + 1);
	ck_assert_int_eq(uuid_next_seq(seq, -1), seq + 1);
}
END_TEST

START_TEST(next_seq_borrows_from_the_next_millisecond)
{
	int64_t seq = uuid_seq_at(NOW_MS);

	for (int i = 0; i < 5000; i++) {
		int64_t next = uuid_next_seq(seq, NOW_MS);

		ck_assert_int_gt(next, seq);
		seq = next;
	}
	ck_assert_int_eq(uuid_ms(seq), NOW_MS + 1);
	ck_assert_int_gt(uuid_next_seq(seq, NOW_MS + 1), seq);
}
END_TEST

START_TEST(seq_is_never_zero_and_never_above_sixty_bits)
{
	ck_assert_int_eq(uuid_seq_at(0), 1);
	ck_assert_int_eq(uuid_seq_at(-5), 1);
	ck_assert_int_eq(uuid_next_seq(0, 0), 1);
	ck_assert_int_lt(uuid_seq_at(INT64_MAX), INT64_C(1) << 60);
}
END_TEST

START_TEST(text_has_the_layout_of_rfc_9562)
{
	/* RFC 9562, A.6: 017F22E2-79B0-7CC3-98C4-DC0C0C07398F */
	struct uuid id = { INT64_C(0x017f22e279b0) << 12 | 0xcc3,
		UINT64_C(0x18c4dc0c0c07398f) };
	char text[UUID_TEXT_SIZE];

	uuid_text(id, text);
	ck_assert_str_eq(text, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
	ck_assert_int_eq(uuid_ms(id.seq), INT64_C(1645557742000));
}
END_TEST

static const struct uuid round_trips[] = {
	{ 1, 0 },
	{ (INT64_C(1) << 60) - 1, (UINT64_C(1) << 62) - 1 },
	{ INT64_C(0x019a9a9a9a9a) << 12 | 0xfff, 1 },
	{ 4096, UINT64_C(0x2000000000000001) },
};

START_TEST(text_and_id_stand_for_each_other)
{
	struct uuid id = round_trips[_i], back;
	char text[UUID_TEXT_SIZE];

	uuid_text(id, text);
	ck_assert(uuid_parse(text, strlen(text), &back));
	ck_assert(uuid_equal(id, back));
	ck_assert(uuid_is_set(back));
	for (char *c = text; *c != '\0'; c++)
		if (*c >= 'a' && *c <= 'f')
			*c = (char)(*c - 'a' + 'A');
	ck_assert(uuid_parse(text, strlen(text), &back));
	ck_assert(uuid_equal(id, back));
}
END_TEST

static const struct {
	const char *name, *text;
} not_ids[] = {
	{ "empty", "" },
	{ "too short", "017f22e2-79b0-7cc3-98c4-dc0c0c07398" },
	{ "too long", "017f22e2-79b0-7cc3-98c4-dc0c0c07398f0" },
	{ "no dashes", "017f22e279b07cc398c4dc0c0c07398f0000" },
	{ "dash elsewhere", "017f22e27-9b0-7cc3-98c4-dc0c0c07398f" },
	{ "not hexadecimal", "017f22e2-79b0-7cc3-98c4-dc0c0c07398g" },
	{ "a space", " 17f22e2-79b0-7cc3-98c4-dc0c0c07398f" },
	{ "version 4", "017f22e2-79b0-4cc3-98c4-dc0c0c07398f" },
	{ "version 8", "017f22e2-79b0-8cc3-98c4-dc0c0c07398f" },
	{ "variant 0", "017f22e2-79b0-7cc3-18c4-dc0c0c07398f" },
	{ "variant 3", "017f22e2-79b0-7cc3-d8c4-dc0c0c07398f" },
	{ "braces", "{17f22e2-79b0-7cc3-98c4-dc0c0c07398}" },
	{ "no id", "00000000-0000-7000-8000-000000000001" },
	{ "nil", "00000000-0000-0000-0000-000000000000" },
};

START_TEST(what_is_no_id_is_refused)
{
	struct uuid out = { 77, 88 };

	ck_assert_msg(!uuid_parse(not_ids[_i].text, strlen(not_ids[_i].text),
			  &out),
	    "%s", not_ids[_i].name);
	ck_assert_int_eq(out.seq, 77); /* untouched */
	ck_assert_uint_eq(out.salt, 88);
}
END_TEST

START_TEST(ids_are_equal_only_as_a_whole)
{
	struct uuid a = { 5, 6 }, other_seq = { 4, 6 }, other_salt = { 5, 7 };
	struct uuid none = { 0, 0 };

	ck_assert(uuid_equal(a, a));
	ck_assert(!uuid_equal(a, other_seq));
	ck_assert(!uuid_equal(a, other_salt));
	ck_assert(!uuid_is_set(none));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("uuid");
	TCase *tcase = tcase_create("uuid");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, next_seq_follows_the_clock);
	tcase_add_test(tcase,
	    next_seq_rises_when_the_clock_stands_still_or_goes_back);
	tcase_add_test(tcase, next_seq_borrows_from_the_next_millisecond);
	tcase_add_test(tcase, seq_is_never_zero_and_never_above_sixty_bits);
	tcase_add_test(tcase, text_has_the_layout_of_rfc_9562);
	tcase_add_loop_test(tcase, text_and_id_stand_for_each_other, 0,
	    sizeof(round_trips) / sizeof(round_trips[0]));
	tcase_add_loop_test(tcase, what_is_no_id_is_refused, 0,
	    sizeof(not_ids) / sizeof(not_ids[0]));
	tcase_add_test(tcase, ids_are_equal_only_as_a_whole);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
