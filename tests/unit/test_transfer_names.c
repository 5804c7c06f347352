/* test_transfer_names.c - from a URL to an address: lookups, policy, proxies.
 *
 * Names are looked up here, not on the network: the getaddrinfo below stands
 * before that of libc, for libcurl too.
 */
#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <dlfcn.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transfer_peer.h"
#include "transfer_room.h"

/* ---- a resolver of our own ---- */

typedef int lookup_fn(const char *name, const char *service,
    const struct addrinfo *hints, struct addrinfo **out);

static atomic_uint lookups_waiting;
static sem_t lookups_may_end;

static int
look_up_two(lookup_fn *real, const char *service, const struct addrinfo *hints,
    struct addrinfo **out)
{
	struct addrinfo *second;
	int rc = real("127.0.0.2", service, hints, out);

	if (rc != 0)
		return rc;
	rc = real("127.0.0.1", service, hints, &second);
	if (rc == 0)
		(*out)->ai_next = second; /* freeaddrinfo follows */
	return rc;
}

int
getaddrinfo(const char *restrict name, const char *restrict service,
    const struct addrinfo *restrict hints, struct addrinfo **restrict out)
{
	lookup_fn *real = (lookup_fn *)dlsym(RTLD_NEXT, "getaddrinfo");

	if (strcmp(name, "dead-first.test") == 0)
		return look_up_two(real, service, hints, out);
	if (strcmp(name, "localhost") == 0)
		return real("127.0.0.1", service, hints, out);
	if (strcmp(name, "slow.test") == 0) {
		atomic_fetch_add(&lookups_waiting, 1);
		sem_wait(&lookups_may_end);
		return EAI_NONAME;
	}
	if (strspn(name, "0123456789.:abcdef") == strlen(name))
		return real(name, service, hints, out);
	return EAI_NONAME;
}

static unsigned
threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned count = 0;

	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static unsigned threads_before;

/* Lets the lookups go, and waits until libcurl's threads have ended. */
static void
end_lookups(void)
{
	ck_assert_uint_eq(atomic_load(&lookups_waiting), 1);
	ck_assert_uint_gt(threads(), threads_before);
	sem_post(&lookups_may_end);
	while (threads() > threads_before)
		;
}

static void *
end_at_once(void *arg)
{
	return arg;
}

/* A sanitizer starts a thread of its own along with our first. */
static void
wake_sanitizer(void)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, end_at_once, NULL), 0);
	pthread_join(thread, NULL);
}

static void
open_names(void)
{
	wake_sanitizer();
	sem_init(&lookups_may_end, 0, 0);
	atomic_store(&lookups_waiting, 0);
	open_room();
	threads_before = threads();
}

/* A port that nobody listens on: it was free a moment ago, and is bound. */
static int
bind_silent(uint16_t *port_out)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, len), 0);
	getsockname(fd, (struct sockaddr *)&address, &len);
	*port_out = ntohs(address.sin_port);
	return fd;
}

/* ---- who cannot be reached ---- */

START_TEST(a_port_without_listener_is_refused)
{
	struct transfer_request request;
	struct outcome outcome;
	uint16_t port;
	char url[64];
	int fd = bind_silent(&port);

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", port);
	request = request_to(url);
	outcome = exchange(&request);
	ck_error(&outcome, ERROR_REFUSED, "refused");
	ck_assert_str_eq(outcome.result.address, "");
	ck_assert_int_eq(outcome.result.first_byte_ms, -1);
	forget(&outcome);
	close(fd);
}
END_TEST

START_TEST(a_want_of_descriptors_is_our_own_fault)
{
	struct rlimit limit, low;
	struct transfer_request request;
	struct outcome outcome;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = 3;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	request = request_to("http://127.0.0.1:1/");
	outcome = exchange(&request);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_error(&outcome, ERROR_INTERNAL, "EMFILE");
	ck_assert_str_eq(outcome.result.detail,
	    "no socket: Too many open files");
	forget(&outcome);
}
END_TEST

START_TEST(a_name_that_does_not_resolve_is_told_so)
{
	struct transfer_request request = request_to(
	    "http://nonexistent.invalid/");
	struct outcome outcome;

	outcome = exchange(&request);
	ck_error(&outcome, ERROR_DNS_FAILED, "dns");
	ck_assert_int_eq(outcome.result.dns_ms, -1);
	ck_assert_int_eq(outcome.result.connect_ms, -1);
	forget(&outcome);
}
END_TEST

/* Nobody listens at the first address. libcurl closes that socket unasked, and
 * the next one gets its number. */
START_TEST(the_second_address_of_a_name_is_tried)
{
	struct peer peer;
	struct transfer_request request;
	struct outcome outcome;
	char url[64];

	peer_start(&peer, say_each, ok);
	snprintf(url, sizeof(url), "http://dead-first.test:%u/", peer.port);
	request = request_to(url);
	request.total_ms = LONG_MS / 2;
	outcome = exchange(&request);
	ck_error(&outcome, ERROR_NONE, "dead-first.test");
	forget(&outcome);
	peer_stop(&peer);
}
END_TEST

/* ---- lookups that take their time ---- */

START_TEST(a_lookup_that_hangs_ends_at_the_deadline)
{
	struct transfer_request request = request_to("http://slow.test/");
	struct outcome outcome;

	request.connect_ms = 50;
	outcome = exchange(&request);
	ck_error(&outcome, ERROR_CONNECT_TIMEOUT, "slow.test");
	ck_assert_int_eq(outcome.result.dns_ms, -1);
	ck_assert_int_lt(outcome.result.total_ms, LONG_MS / 2);
	forget(&outcome);
	end_lookups();
}
END_TEST

START_TEST(a_lookup_that_hangs_can_be_cancelled)
{
	struct transfer_request request = request_to("http://slow.test/");
	struct outcome outcome = { 0 };
	struct transfer *transfer;

	transfer = transfer_start(pool, &request, take_outcome, &outcome);
	while (atomic_load(&lookups_waiting) == 0)
		event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
	transfer_cancel(&transfer); /* blocks until the deadline of the test,
	                             * if it blocks */
	ck_assert(!outcome.done);
	end_lookups();
}
END_TEST

/* ---- the policy ---- */

static const char *const denied[] = { "http://127.0.0.1:%u/",
	"http://localhost:%u/", "http://[::1]:%u/", "http://2130706433:%u/",
	"http://0x7f.1:%u/", "http://0177.0.0.1:%u/", "http://127.1:%u/",
	"http://0.0.0.0:%u/", "http://0:%u/", "http://[::ffff:127.0.0.1]:%u/",
	"http://[::]:%u/", "https://127.0.0.1:%u/",
	"http://%%31%%32%%37.0.0.1:%u/" };

START_TEST(an_address_that_the_policy_forbids_is_never_connected)
{
	struct peer peer;
	struct transfer_request request;
	struct outcome outcome;
	char url[64];

	peer_start(&peer, say_each, ok);
	snprintf(url, sizeof(url), denied[_i], peer.port);
	request = request_to(url);
	request.policy = &strict;
	outcome = exchange(&request);
	ck_error(&outcome, ERROR_TARGET_DENIED, url);
	ck_assert_msg(strstr(outcome.result.detail, "loopback") != NULL ||
		strstr(outcome.result.detail, "reserved") != NULL,
	    "%s: %s", url, outcome.result.detail);
	ck_assert_str_eq(outcome.result.address, "");
	ck_assert_uint_eq(peer_connections(&peer), 0);
	forget(&outcome);
	peer_stop(&peer);
}
END_TEST

START_TEST(a_kept_connection_is_no_way_round_the_policy)
{
	struct peer peer;
	struct transfer_request request;
	struct outcome outcome;

	peer_start(&peer, say_each, ok);
	request = request_to(url_of(&peer, "/"));
	outcome = exchange(&request);
	ck_error(&outcome, ERROR_NONE, "trusted");
	forget(&outcome);
	request.policy = &strict;
	outcome = exchange(&request);
	ck_error(&outcome, ERROR_TARGET_DENIED, "not trusted");
	ck_assert_str_eq(outcome.result.detail,
	    "address 127.0.0.1 is not allowed: loopback");
	ck_assert_uint_eq(atomic_load(&peer.requests), 1);
	forget(&outcome);
	peer_stop(&peer);
}
END_TEST

START_TEST(a_forbidden_address_of_a_name_is_passed_over)
{
	struct cidr range;
	struct cidr all;
	struct target_policy policy = { .deny = &range,
		.deny_count = 1,
		.allow = &all,
		.allow_count = 1 };
	struct peer peer;
	struct transfer_request request;
	struct outcome outcome;
	char url[64];

	ck_assert(cidr_parse("127.0.0.2", &range));
	ck_assert(cidr_parse("127.0.0.0/8", &all));
	peer_start(&peer, say_each, ok);
	snprintf(url, sizeof(url), "http://dead-first.test:%u/", peer.port);
	request = request_to(url);
	request.policy = &policy;
	outcome = exchange(&request);
	ck_error(&outcome, ERROR_NONE, "dead-first.test");
	ck_assert(strncmp(outcome.result.address, "127.0.0.1:", 10) == 0);
	forget(&outcome);
	peer_stop(&peer);
}
END_TEST

START_TEST(a_name_that_leads_inside_is_denied)
{
	struct transfer_request request = request_to("http://dead-first.test/");
	struct outcome outcome;

	request.policy = &strict;
	outcome = exchange(&request);
	ck_error(&outcome, ERROR_TARGET_DENIED, "dead-first.test");
	forget(&outcome);
}
END_TEST

START_TEST(an_operator_may_allow_a_range)
{
	struct cidr range;
	struct target_policy policy = { .allow = &range, .allow_count = 1 };
	struct peer peer;
	struct transfer_request request;
	struct outcome outcome;
	char url[64];

	ck_assert(cidr_parse("127.0.0.0/8", &range));
	peer_start(&peer, say_each, ok);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", peer.port);
	request = request_to(url);
	request.policy = &policy;
	outcome = exchange(&request);
	ck_error(&outcome, ERROR_NONE, "allowed");
	forget(&outcome);
	peer_stop(&peer);
}
END_TEST

START_TEST(proxies_of_the_environment_are_not_used)
{
	struct peer peer;
	struct transfer_request request;
	struct outcome outcome;

	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("all_proxy", "http://127.0.0.1:1", 1);
	peer_start(&peer, say_each, ok);
	request = request_to(url_of(&peer, "/"));
	outcome = exchange(&request);
	ck_error(&outcome, ERROR_NONE, "no proxy");
	forget(&outcome);
	peer_stop(&peer);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("transfer_names");
	TCase *tcase = tcase_create("transfer_names");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, open_names, close_room);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, a_port_without_listener_is_refused);
	tcase_add_test(tcase, a_want_of_descriptors_is_our_own_fault);
	tcase_add_test(tcase, a_name_that_does_not_resolve_is_told_so);
	tcase_add_test(tcase, the_second_address_of_a_name_is_tried);
	tcase_add_test(tcase, a_lookup_that_hangs_ends_at_the_deadline);
	tcase_add_test(tcase, a_lookup_that_hangs_can_be_cancelled);
	tcase_add_loop_test(tcase,
	    an_address_that_the_policy_forbids_is_never_connected, 0,
	    COUNT(denied));
	tcase_add_test(tcase, a_kept_connection_is_no_way_round_the_policy);
	tcase_add_test(tcase, a_forbidden_address_of_a_name_is_passed_over);
	tcase_add_test(tcase, a_name_that_leads_inside_is_denied);
	tcase_add_test(tcase, an_operator_may_allow_a_range);
	tcase_add_test(tcase, proxies_of_the_environment_are_not_used);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
