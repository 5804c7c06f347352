/* test_openfaas.c - the fields of OpenFaaS, to the byte. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "callbackd/openfaas.h"

#define ID "018bcfe5-6800-7001-8000-000000000007"
#define AT_MS INT64_C(1700000000123)

static struct job job;
static struct headers fields;

static void
set_up(void)
{
	job_init(&job);
	ck_assert(uuid_parse(ID, strlen(ID), &job.id));
	strcpy(job.queue, "figlet");
	job.created_at_ms = AT_MS;
	headers_init(&fields);
}

static void
tear_down(void)
{
	headers_free(&fields);
	job_clear(&job);
}

static void
expect(const char *text)
{
	ck_assert_str_eq(buf_text(&fields.text), text);
}

START_TEST(a_call_is_the_job_unless_the_client_has_named_it)
{
	static const struct {
		const char *request;
		const char *id;
	} rows[] = {
		{ NULL, ID },
		{ "", ID },
		{ "X-Call: a\n", ID },
		{ "X-Call-Id: \n", ID },
		{ "x-call-id: mine\n", "mine" },
		{ "X-Call-Id: a\nX-Call-Id: b\n", "a" },
	};
	char wanted[200];

	snprintf(wanted, sizeof(wanted),
	    "X-Call-Id: %s\nX-Start-Time: 1700000000123000000\n", rows[_i].id);
	openfaas_describe_call(&fields, &job, rows[_i].request);
	expect(wanted);
}
END_TEST

START_TEST(an_upstream_sees_what_the_client_has_sent_else_ours)
{
	static const struct {
		const char *sent;
		const char *seen;
	} rows[] = {
		{ "",
		    "X-Call-Id: " ID "\nX-Start-Time: 1700000000123000000\n" },
		{ "x-call-id: a\n",
		    "x-call-id: a\nX-Start-Time: 1700000000123000000\n" },
		{ "X-Start-Time: 1\n", "X-Start-Time: 1\nX-Call-Id: " ID "\n" },
		{ "X-Start-Time: 1\nX-Call-Id: a\n",
		    "X-Start-Time: 1\nX-Call-Id: a\n" },
	};

	ck_assert(buf_puts(&fields.text, rows[_i].sent));
	openfaas_complete_request(&fields, &job);
	expect(rows[_i].seen);
}
END_TEST

START_TEST(a_result_has_its_duration_in_seconds)
{
	static const struct {
		int64_t began_at_ms, ended_at_ms;
		const char *seconds;
	} rows[] = {
		{ AT_MS, AT_MS + 12, "0.012000" },
		{ AT_MS, AT_MS + 61001, "61.001000" },
		{ AT_MS, AT_MS, "0.000000" },
		{ AT_MS, AT_MS - 5000, "0.000000" }, /* the clock was set */
		{ -1, AT_MS, "0.000000" },           /* it never ran */
	};
	char wanted[200];

	job.started_at_ms = rows[_i].began_at_ms;
	job.finished_at_ms = rows[_i].ended_at_ms;
	snprintf(wanted, sizeof(wanted),
	    "X-Function-Name: figlet\nX-Function-Status: 418\n"
	    "X-Duration-Seconds: %s\n",
	    rows[_i].seconds);
	openfaas_describe_result(&fields, &job, 418);
	expect(wanted);
}
END_TEST

START_TEST(a_job_that_goes_on_has_a_name_only)
{
	openfaas_describe_result(&fields, &job, 0);
	expect("X-Function-Name: figlet\n");
}
END_TEST

START_TEST(all_that_is_written_is_known_as_such)
{
	const char *cursor;
	struct header_field field;
	int count = 0;

	openfaas_describe_call(&fields, &job, NULL);
	openfaas_describe_result(&fields, &job, 200);
	cursor = buf_text(&fields.text);
	while (headers_next(&cursor, &field)) {
		ck_assert(openfaas_writes(field.name, field.name_len));
		ck_assert(!openfaas_writes(field.name, field.name_len - 1));
		count++;
	}
	ck_assert_int_eq(count, 5);
	ck_assert(openfaas_writes("x-call-ID", strlen("x-call-ID")));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("openfaas");
	TCase *cases = tcase_create("openfaas");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(cases, set_up, tear_down);
	tcase_add_loop_test(cases,
	    a_call_is_the_job_unless_the_client_has_named_it, 0, 6);
	tcase_add_loop_test(cases,
	    an_upstream_sees_what_the_client_has_sent_else_ours, 0, 4);
	tcase_add_loop_test(cases, a_result_has_its_duration_in_seconds, 0, 5);
	tcase_add_test(cases, a_job_that_goes_on_has_a_name_only);
	tcase_add_test(cases, all_that_is_written_is_known_as_such);
	suite_add_tcase(suite, cases);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
