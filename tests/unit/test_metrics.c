/* test_metrics.c - what Prometheus reads, to the letter. */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/metrics.h"

static struct metrics metrics;
static struct buf out;

static void
make_metrics(void)
{
	memset(&metrics, 0, sizeof(metrics));
	buf_init(&out, 1u << 20);
}

static void
drop_metrics(void)
{
	buf_free(&out);
}

static const char *
print(void)
{
	buf_clear(&out);
	metrics_print(&metrics, &out);
	ck_assert(!buf_failed(&out));
	return buf_text(&out);
}

static void
says(const char *line)
{
	const char *text = print();
	const char *found = strstr(text, line);

	ck_assert_msg(found != NULL && found[strlen(line)] == '\n' &&
		(found == text || found[-1] == '\n'),
	    "no line \"%s\" in:\n%s", line, text);
}

START_TEST(a_counter_starts_at_zero_and_adds_up)
{
	says("callbackd_store_commits_total 0");
	metrics_add(&metrics, METRIC_COMMITS, 1);
	metrics_add(&metrics, METRIC_COMMITS, 41);
	says("callbackd_store_commits_total 42");
	says("callbackd_store_failures_total 0");
}
END_TEST

static const struct {
	enum metric metric;
	const char *line;
} counters[] = {
	{ METRIC_HTTP_REQUESTS, "callbackd_http_requests_total 3" },
	{ METRIC_COMMITS, "callbackd_store_commits_total 3" },
	{ METRIC_COMMIT_FAILURES, "callbackd_store_failures_total 3" },
	{ METRIC_DELIVERIES_DELIVERED,
	    "callbackd_deliveries_delivered_total 3" },
	{ METRIC_DELIVERIES_DEAD, "callbackd_deliveries_dead_total 3" },
	{ METRIC_DELIVERY_RETRIES, "callbackd_delivery_retries_total 3" },
	{ METRIC_LEASES, "callbackd_leases_total 3" },
	{ METRIC_PURGED, "callbackd_jobs_purged_total 3" },
	{ METRIC_RELOADS, "callbackd_reloads_total 3" },
	{ METRIC_RELOADS_REFUSED, "callbackd_reloads_refused_total 3" },
};

START_TEST(every_counter_prints_under_its_own_name)
{
	metrics_add(&metrics, counters[_i].metric, 3);
	says(counters[_i].line);
}
END_TEST

START_TEST(the_test_knows_every_counter)
{
	ck_assert_uint_eq(sizeof(counters) / sizeof(counters[0]), METRIC_COUNT);
}
END_TEST

START_TEST(buckets_are_cumulative_and_their_bounds_belong_to_them)
{
	metrics_observe_us(&metrics, HISTOGRAM_COMMIT, 100);
	metrics_observe_us(&metrics, HISTOGRAM_COMMIT, 101);
	metrics_observe_us(&metrics, HISTOGRAM_COMMIT, 2000000);
	says("callbackd_commit_duration_seconds_bucket{le=\"0.0001\"} 1");
	says("callbackd_commit_duration_seconds_bucket{le=\"0.00025\"} 2");
	says("callbackd_commit_duration_seconds_bucket{le=\"1\"} 2");
	says("callbackd_commit_duration_seconds_bucket{le=\"2.5\"} 3");
	says("callbackd_commit_duration_seconds_bucket{le=\"+Inf\"} 3");
	says("callbackd_commit_duration_seconds_sum 2.000201");
	says("callbackd_commit_duration_seconds_count 3");
	says("callbackd_run_duration_seconds_count 0");
}
END_TEST

START_TEST(what_is_longer_than_every_bound_is_counted_too)
{
	metrics_observe_us(&metrics, HISTOGRAM_RUN, INT64_C(86400000000));
	metrics_observe_us(&metrics, HISTOGRAM_RUN, 0);
	says("callbackd_run_duration_seconds_bucket{le=\"300\"} 1");
	says("callbackd_run_duration_seconds_bucket{le=\"+Inf\"} 2");
	says("callbackd_run_duration_seconds_count 2");
}
END_TEST

/* A sample is preceded by the HELP and TYPE of its family, once each. */
START_TEST(every_sample_has_help_and_type_before_it)
{
	char family[128] = "";
	char *line, *rest;
	int families = 0;

	(void)print();
	for (line = strtok_r(out.data, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest)) {
		size_t len;

		if (strncmp(line, "# HELP ", 7) == 0) {
			len = strcspn(line + 7, " ");
			ck_assert_uint_lt(len, sizeof(family));
			memcpy(family, line + 7, len);
			family[len] = '\0';
			ck_assert_uint_gt(strlen(line), 7 + len + 1);
			families++;
		} else if (strncmp(line, "# TYPE ", 7) == 0) {
			ck_assert_int_eq(strncmp(line + 7, family,
					     strlen(family)),
			    0);
		} else {
			ck_assert_int_eq(strncmp(line, family, strlen(family)),
			    0);
		}
	}
	ck_assert_int_eq(families, METRIC_COUNT + HISTOGRAM_COUNT);
}
END_TEST

static void *
add_many(void *arg)
{
	(void)arg;
	for (int i = 0; i < 10000; i++) {
		metrics_add(&metrics, METRIC_COMMITS, 1);
		metrics_observe_us(&metrics, HISTOGRAM_ACCEPT, 300);
	}
	return NULL;
}

START_TEST(nothing_is_lost_when_many_threads_count)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, add_many,
				     NULL),
		    0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	says("callbackd_store_commits_total 40000");
	says("callbackd_accept_duration_seconds_bucket{le=\"0.00025\"} 0");
	says("callbackd_accept_duration_seconds_bucket{le=\"0.0005\"} 40000");
	says("callbackd_accept_duration_seconds_sum 12.000000");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("metrics");
	TCase *cases = tcase_create("metrics");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(cases, make_metrics, drop_metrics);
	tcase_add_test(cases, a_counter_starts_at_zero_and_adds_up);
	tcase_add_loop_test(cases, every_counter_prints_under_its_own_name, 0,
	    (int)(sizeof(counters) / sizeof(counters[0])));
	tcase_add_test(cases, the_test_knows_every_counter);
	tcase_add_test(cases,
	    buckets_are_cumulative_and_their_bounds_belong_to_them);
	tcase_add_test(cases, what_is_longer_than_every_bound_is_counted_too);
	tcase_add_test(cases, every_sample_has_help_and_type_before_it);
	tcase_add_test(cases, nothing_is_lost_when_many_threads_count);
	suite_add_tcase(suite, cases);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
