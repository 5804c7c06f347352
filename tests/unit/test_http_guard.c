/* test_http_guard.c - the strict reading of requests, without sockets. */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/base/http_guard.h"
#include "http_probes.h"

static const struct guard_limits limits = { PROBE_BODY_BYTES, PROBE_HEAD_BYTES,
	PROBE_FIELD_COUNT };

/* What a guard has said about some bytes. */
struct verdict {
	int passed;
	int refused;
	size_t used;
	int64_t declared_bytes;
	int64_t chunk_bytes;
};

static void
note(struct verdict *verdict, const struct guard *guard, enum guard_event event)
{
	switch (event) {
	case GUARD_MORE:
	case GUARD_BLANK:
		break;
	case GUARD_HEAD:
		verdict->declared_bytes += guard_body_bytes(guard);
		break;
	case GUARD_CHUNK:
		verdict->chunk_bytes += guard_chunk_bytes(guard);
		break;
	case GUARD_MESSAGE:
		verdict->passed++;
		break;
	case GUARD_REFUSED:
		verdict->refused = guard_refusal(guard)->status;
		break;
	}
}

/* Feeds one piece, from memory of its own so that reading on is noticed. */
static void
feed(struct verdict *verdict, struct guard *guard, const char *bytes,
    size_t len)
{
	char *copy = malloc(len > 0 ? len : 1);
	size_t at = 0;
	enum guard_event event;

	memcpy(copy, bytes, len);
	do {
		size_t used;

		event = guard_feed(guard, copy + at, len - at, &used);
		ck_assert_uint_le(used, len - at);
		at += used;
		note(verdict, guard, event);
	} while (event != GUARD_MORE && event != GUARD_REFUSED);
	if (event == GUARD_MORE)
		ck_assert_uint_eq(at, len);
	verdict->used += at;
	free(copy);
}

/* In two pieces, then in pieces of one size. */
static struct verdict
judge(const char *bytes, size_t len, size_t first, size_t rest)
{
	struct verdict verdict = { 0 };
	struct guard guard;
	size_t at = 0;
	size_t size = first;

	guard_init(&guard, &limits);
	while (at < len && verdict.refused == 0) {
		if (size > len - at)
			size = len - at;
		feed(&verdict, &guard, bytes + at, size);
		at += size;
		size = rest;
	}
	return verdict;
}

static void
check_same(const struct probe *probe, struct verdict a, struct verdict b)
{
	ck_assert_msg(a.passed == b.passed && a.refused == b.refused &&
		a.used == b.used && a.declared_bytes == b.declared_bytes &&
		a.chunk_bytes == b.chunk_bytes,
	    "%s: %d/%d/%zu in one piece, %d/%d/%zu in several", probe->name,
	    a.passed, a.refused, a.used, b.passed, b.refused, b.used);
}

START_TEST(every_probe_gets_its_verdict)
{
	const struct probe *probe = &probes[_i];
	struct verdict verdict = judge(probe->bytes, probe->len, probe->len, 1);

	ck_assert_msg(verdict.passed == probe->passed &&
		verdict.refused == probe->refused,
	    "%s: passed %d, refused %d; wanted %d, %d", probe->name,
	    verdict.passed, verdict.refused, probe->passed, probe->refused);
}
END_TEST

START_TEST(the_verdict_does_not_depend_on_how_the_bytes_were_split)
{
	const struct probe *probe = &probes[_i];
	struct verdict whole = judge(probe->bytes, probe->len, probe->len, 1);

	for (size_t first = 1; first < probe->len; first++)
		check_same(probe, whole,
		    judge(probe->bytes, probe->len, first, probe->len));
	for (size_t size = 1; size < 9; size++)
		check_same(probe, whole,
		    judge(probe->bytes, probe->len, size, size));
}
END_TEST

/* Feeds a string and returns the guard in its state after it. */
static struct verdict
read_text(struct guard *guard, const char *text)
{
	struct verdict verdict = { 0 };

	feed(&verdict, guard, text, strlen(text));
	return verdict;
}

START_TEST(a_head_may_have_its_limit_and_not_a_byte_more)
{
	static const char start[] = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
	char text[PROBE_HEAD_BYTES + 16];
	size_t fill = PROBE_HEAD_BYTES - strlen(start) - 4;
	struct guard guard;

	for (size_t more = 0; more < 2; more++) {
		strcpy(text, start);
		memset(text + strlen(start), 'x', fill + more);
		strcpy(text + strlen(start) + fill + more, "\r\n\r\n");
		guard_init(&guard, &limits);
		ck_assert_int_eq(read_text(&guard, text).refused,
		    more == 0 ? 0 : 431);
	}
}
END_TEST

START_TEST(the_position_of_a_refusal_is_that_of_the_bad_byte)
{
	static const struct {
		const char *good;
		const char *bad;
	} cases[] = {
		{ "GET /a", "\001b HTTP/1.1\r\n" },
		{ "GET / HTTP/1.1\r\nHost: a\r\nX", " : b\r\n" },
		{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r",
		    "\n" },
		{ "GET / HTTP/1.1\r\nHost: a\r", "b" },
		{ "GET /", "/evil" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct guard guard;
		struct verdict verdict;
		char text[128];

		strcpy(text, cases[i].good);
		strcat(text, cases[i].bad);
		guard_init(&guard, &limits);
		verdict = read_text(&guard, text);
		ck_assert_int_ne(verdict.refused, 0);
		ck_assert_uint_eq(verdict.used, strlen(cases[i].good));
	}
}
END_TEST

START_TEST(a_refusal_names_the_limit_and_the_size)
{
	static const struct {
		const char *text;
		const char *detail;
	} cases[] = {
		{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n",
		    "The body has 2000 bytes, the limit is 64 bytes." },
		{ "POST / HTTP/1.1\r\nHost: a\r\n"
		  "Content-Length: 99999999999999999999\r\n\r\n",
		    "The body has at least 9223372036854775807 bytes, the "
		    "limit is 64 bytes." },
		{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
		  "\r\n2\r\nab\r\n40\r\n",
		    "The body has more bytes than the limit of 64 bytes; its "
		    "chunks so far have 2." },
		{ "GET / HTTP/1.1\r\nHost: a\r\n"
		  "a:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\n"
		  "a:\r\na:\r\n",
		    "The request has more than the 12 fields that it may "
		    "have." },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct guard guard;

		guard_init(&guard, &limits);
		read_text(&guard, cases[i].text);
		ck_assert_ptr_nonnull(guard_refusal(&guard));
		ck_assert_str_eq(guard_refusal(&guard)->name, "too-large");
		ck_assert_str_eq(guard_refusal(&guard)->detail,
		    cases[i].detail);
	}
}
END_TEST

START_TEST(a_head_tells_what_body_will_come)
{
	struct guard guard;
	struct verdict verdict;

	guard_init(&guard, &limits);
	verdict = read_text(&guard,
	    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\nab");
	ck_assert_int_eq(verdict.declared_bytes, 40);
	ck_assert(guard_is_in_body(&guard));
	ck_assert_uint_eq(guard_blind_bytes(&guard), 38);

	guard_init(&guard, &limits);
	verdict = read_text(&guard,
	    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "3\r\nabc\r\n10\r\nd");
	ck_assert_int_eq(verdict.declared_bytes, 0);
	ck_assert_int_eq(verdict.chunk_bytes, 19);
	ck_assert_uint_eq(guard_blind_bytes(&guard), 15);
}
END_TEST

START_TEST(blind_bytes_need_not_be_shown)
{
	struct guard guard;
	size_t used;

	guard_init(&guard, &limits);
	read_text(&guard,
	    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
	ck_assert_int_eq(guard_feed(&guard, NULL, 3, &used), GUARD_MESSAGE);
	ck_assert_uint_eq(used, 3);
	ck_assert(guard_is_idle(&guard));
}
END_TEST

START_TEST(new_limits_count_from_the_next_request_on)
{
	struct guard_limits moving = limits;
	struct guard guard;

	guard_init(&guard, &moving);
	read_text(&guard, "POST / HTTP/1.1\r\nHost: a\r\n");
	moving.body_bytes = 1;
	ck_assert_int_eq(
	    read_text(&guard, "Content-Length: 3\r\n\r\nabc").passed, 1);
	ck_assert_int_eq(read_text(&guard,
			     "POST / HTTP/1.1\r\nHost: a\r\n"
			     "Content-Length: 3\r\n\r\n")
			     .refused,
	    413);
}
END_TEST

START_TEST(after_a_request_that_closes_nothing_is_read)
{
	struct guard guard;

	guard_init(&guard, &limits);
	ck_assert_int_eq(read_text(&guard, "GET / HTTP/1.0\r\n\r\n").passed, 1);
	ck_assert(guard_is_over(&guard));
	ck_assert_int_eq(read_text(&guard, "\001\002 garbage").refused, 0);
	ck_assert_uint_eq(guard_blind_bytes(&guard), SIZE_MAX);
}
END_TEST

START_TEST(a_refused_connection_stays_refused)
{
	struct guard guard;
	struct verdict verdict;

	guard_init(&guard, &limits);
	read_text(&guard, "GET //");
	verdict = read_text(&guard, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	ck_assert_int_eq(verdict.passed, 0);
	ck_assert_uint_eq(verdict.used, 0);
	ck_assert_int_eq(verdict.refused, 400);
}
END_TEST

START_TEST(its_owner_can_refuse_as_well)
{
	struct guard guard;

	guard_init(&guard, &limits);
	read_text(&guard,
	    "POST / HTTP/1.1\r\nHost: a\r\n"
	    "Content-Length: 3\r\n\r\n");
	guard_refuse(&guard, 503, "overloaded", "Too much.");
	ck_assert_int_eq(read_text(&guard, "abc").refused, 503);
	ck_assert_str_eq(guard_refusal(&guard)->name, "overloaded");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("http_guard");
	TCase *tcase = tcase_create("http_guard");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, every_probe_gets_its_verdict, 0,
	    PROBE_COUNT);
	tcase_add_loop_test(tcase,
	    the_verdict_does_not_depend_on_how_the_bytes_were_split, 0,
	    PROBE_COUNT);
	tcase_add_test(tcase, a_head_may_have_its_limit_and_not_a_byte_more);
	tcase_add_test(tcase,
	    the_position_of_a_refusal_is_that_of_the_bad_byte);
	tcase_add_test(tcase, a_refusal_names_the_limit_and_the_size);
	tcase_add_test(tcase, a_head_tells_what_body_will_come);
	tcase_add_test(tcase, blind_bytes_need_not_be_shown);
	tcase_add_test(tcase, new_limits_count_from_the_next_request_on);
	tcase_add_test(tcase, after_a_request_that_closes_nothing_is_read);
	tcase_add_test(tcase, a_refused_connection_stays_refused);
	tcase_add_test(tcase, its_owner_can_refuse_as_well);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
