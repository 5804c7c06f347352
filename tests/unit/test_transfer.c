/* test_transfer.c - exchanges with a peer that answers well, badly and not at
 * all (transfer_peer.h).
 */
#include "callbackd/transfer.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/clock.h"
#include "transfer_cases.h"
#include "transfer_peer.h"
#include "transfer_room.h"

#define BIG_BYTES (5 * 1024 * 1024)

/* ---- answers ---- */

static void
check_canned(const struct canned *row)
{
	struct peer peer;
	struct transfer_request request;
	struct outcome outcome;

	peer_start(&peer, say_and_close, row->answer);
	request = request_to(url_of(&peer, "/"));
	outcome = exchange(&request);
	ck_error(&outcome, row->error, row->name);
	ck_assert_msg(outcome.result.status == row->status, "%s: status %d",
	    row->name, outcome.result.status);
	ck_assert_msg(strcmp(body_of(&outcome), row->body) == 0,
	    "%s: body \"%s\"", row->name, body_of(&outcome));
	ck_assert_msg(strcmp(fields_of(&outcome), row->fields) == 0,
	    "%s: fields \"%s\"", row->name, fields_of(&outcome));
	ck_assert_uint_eq(atomic_load(&peer.requests), 1);
	forget(&outcome);
	peer_stop(&peer);
}

START_TEST(a_sound_answer_is_kept_as_it_came)
{
	check_canned(&sound[_i]);
}
END_TEST

START_TEST(a_cut_answer_is_never_a_success)
{
	check_canned(&cut[_i]);
}
END_TEST

START_TEST(an_unsound_answer_is_refused)
{
	check_canned(&unsound[_i]);
}
END_TEST

START_TEST(the_media_type_is_told_apart)
{
	struct peer peer;
	struct transfer_request request;
	struct outcome outcome;

	peer_start(&peer, say_each,
	    "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=x\r\n"
	    "Content-Length: 0\r\n\r\n");
	request = request_to(url_of(&peer, "/"));
	outcome = exchange(&request);
	ck_assert_str_eq(outcome.result.content_type, "text/plain; charset=x");
	ck_assert_str_eq(fields_of(&outcome),
	    "content-type: text/plain; charset=x\n");
	forget(&outcome);
	peer_stop(&peer);
}
END_TEST

START_TEST(what_came_is_measured)
{
	struct peer peer;
	struct transfer_request request;
	struct outcome outcome;
	char address[ADDRESS_SIZE];

	peer_start(&peer, say_each, ok);
	request = request_to(url_of(&peer, "/"));
	request.keep_body = false;
	outcome = exchange(&request);
	snprintf(address, sizeof(address), "127.0.0.1:%u", peer.port);
	ck_error(&outcome, ERROR_NONE, "ok");
	ck_assert_str_eq(outcome.result.address, address);
	ck_assert_int_eq(outcome.result.body_bytes, 2);
	ck_assert_ptr_null(outcome.result.answer.body);
	ck_assert_int_ge(outcome.result.dns_ms, 0);
	ck_assert_int_ge(outcome.result.connect_ms, 0);
	ck_assert_int_eq(outcome.result.tls_ms, -1);
	ck_assert_int_ge(outcome.result.first_byte_ms, 0);
	ck_assert_int_ge(outcome.result.total_ms, outcome.result.first_byte_ms);
	forget(&outcome);
	peer_stop(&peer);
}
END_TEST

/* ---- requests ---- */

START_TEST(a_request_is_sent_byte_for_byte)
{
	const struct wanted *row = &requests[_i];
	struct peer peer;
	struct transfer_request request;
	struct outcome outcome;
	char host[64];
	char head[1024];

	peer_start(&peer, say_each, ok);
	snprintf(host, sizeof(host), "127.0.0.1:%u", peer.port);
	snprintf(head, sizeof(head), row->head, host);
	request = request_to(url_of(&peer, row->path));
	request.method = row->method;
	request.headers = row->headers;
	request.body = row->body ? blob_new(row->body, strlen(row->body))
				 : NULL;
	outcome = exchange(&request);
	blob_unref(&request.body);
	ck_error(&outcome, ERROR_NONE, row->path);
	ck_assert_str_eq(peer.head, head);
	ck_assert_str_eq(peer.body, row->body ? row->body : "");
	forget(&outcome);
	peer_stop(&peer);
}
END_TEST

/* One easy handle does all of these, in turn. */
START_TEST(nothing_of_one_request_is_left_in_the_next)
{
	struct peer peer;
	struct transfer_request request;
	struct outcome outcome;
	char head[256];

	peer_start(&peer, say_each, ok);
	for (int i = 0; i < 3; i++) {
		request = request_to(url_of(&peer, "/first?x"));
		request.method = "POST";
		request.headers = "Host: other\nX-A: 1\nContent-Type: a/b\n";
		request.body = blob_new("body", 4);
		outcome = exchange(&request);
		blob_unref(&request.body);
		ck_error(&outcome, ERROR_NONE, "first");
		forget(&outcome);

		request = request_to(url_of(&peer, "/second"));
		outcome = exchange(&request);
		ck_error(&outcome, ERROR_NONE, "second");
		snprintf(head, sizeof(head),
		    "GET /second HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n",
		    peer.port);
		ck_assert_str_eq(peer.head, head);
		forget(&outcome);
	}
	ck_assert_uint_eq(peer_connections(&peer), 1);
	peer_stop(&peer);
}
END_TEST

static void
check_target(struct peer *peer, const char *path, const char *target)
{
	struct transfer_request request = request_to(url_of(peer, path));
	struct outcome outcome = exchange(&request);
	char head[256];

	ck_error(&outcome, ERROR_NONE, path);
	snprintf(head, sizeof(head),
	    "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n", target, peer->port);
	ck_assert_msg(strncmp(peer->head, head, strlen(head)) == 0,
	    "%s was asked for as %s", path, peer->head);
	forget(&outcome);
}

/* The handle knows where it was last, which must not show. */
START_TEST(a_url_means_the_same_wherever_the_handle_went_before)
{
	static const struct {
		const char *path;
		const char *target;
	} urls[] = { { "/a?x=1&y=%20", "/a?x=1&y=%20" }, { "/a", "/a" },
		{ "/b?", "/b?" }, { "/", "/" }, { "", "/" }, { "?q", "/?q" },
		{ "/../c/./%2e%2e/", "/../c/./%2e%2e/" },
		{ "//d?e?f=/", "//d?e?f=/" },
		{ "/%2F%aB?%3D=%c3%A9", "/%2F%aB?%3D=%c3%A9" } };
	struct peer peers[2];

	for (size_t i = 0; i < COUNT(peers); i++)
		peer_start(&peers[i], say_each, ok);
	for (size_t i = 0; i < COUNT(urls); i++)
		for (size_t j = 0; j < COUNT(urls); j++) {
			struct peer *there = &peers[(i + j) % 2];

			check_target(there, urls[i].path, urls[i].target);
			check_target(there, urls[j].path, urls[j].target);
		}
	for (size_t i = 0; i < COUNT(peers); i++) {
		ck_assert_uint_eq(peer_connections(&peers[i]), 1);
		peer_stop(&peers[i]);
	}
}
END_TEST

START_TEST(an_answer_to_HEAD_has_no_body)
{
	struct peer peer;
	struct transfer_request request;
	struct outcome outcome;

	peer_start(&peer, say_each,
	    "HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 99999999\r\n\r\n");
	for (int i = 0; i < 2; i++) {
		request = request_to(url_of(&peer, "/"));
		request.method = "HEAD";
		request.max_body_bytes = 10;
		outcome = exchange(&request);
		ck_error(&outcome, ERROR_NONE, "HEAD");
		ck_assert_int_eq(outcome.result.status, 200);
		ck_assert_int_eq(outcome.result.body_bytes, 0);
		ck_assert_str_eq(fields_of(&outcome), "A: 1\n");
		ck_assert(strncmp(peer.head, "HEAD / HTTP/1.1\r\n", 17) == 0);
		forget(&outcome);
	}
	ck_assert_uint_eq(peer_connections(&peer), 1);
	peer_stop(&peer);
}
END_TEST

START_TEST(a_body_of_HEAD_stays_here)
{
	struct peer peer;
	struct transfer_request request;
	struct outcome outcome;
	char head[128];

	peer_start(&peer, say_each,
	    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
	request = request_to(url_of(&peer, "/"));
	request.method = "HEAD";
	request.body = blob_new("odd", 3);
	outcome = exchange(&request);
	blob_unref(&request.body);
	ck_error(&outcome, ERROR_NONE, "HEAD");
	snprintf(head, sizeof(head),
	    "HEAD / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n", peer.port);
	ck_assert_str_eq(peer.head, head);
	forget(&outcome);
	peer_stop(&peer);
}
END_TEST

START_TEST(an_unusable_url_is_refused_at_once)
{
	struct transfer_request request = request_to(unusable[_i]);
	struct outcome outcome = { 0 };

	ck_assert_msg(transfer_start(pool, &request, take_outcome, &outcome) ==
		NULL,
	    "%s", unusable[_i]);
	ck_assert(!outcome.done);
}
END_TEST

START_TEST(a_method_that_is_no_token_is_refused_at_once)
{
	static const char *const methods[] = { "", "A B", "GET\r\nX: y",
		"G\xc3\xa9T", "GET:" };
	struct transfer_request request = request_to("http://127.0.0.1:1/");
	struct outcome outcome = { 0 };

	for (size_t i = 0; i < COUNT(methods); i++) {
		request.method = methods[i];
		ck_assert_ptr_null(
		    transfer_start(pool, &request, take_outcome, &outcome));
	}
}
END_TEST

/* ---- much ---- */

static void
echo_big(struct peer *peer, int fd)
{
	char head[128];

	while (peer_read_request(peer, fd)) {
		snprintf(head, sizeof(head),
		    "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
		    peer->body_len);
		peer_say(fd, head);
		peer_say_bytes(fd, peer->body, peer->body_len);
	}
}

START_TEST(five_megabytes_go_both_ways_unchanged)
{
	unsigned char *bytes = malloc(BIG_BYTES);
	struct peer peer;
	struct transfer_request request;
	struct outcome outcome;

	for (size_t i = 0; i < BIG_BYTES; i++)
		bytes[i] = (unsigned char)(i * 2654435761u >> 13);
	peer_start(&peer, echo_big, NULL);
	request = request_to(url_of(&peer, "/"));
	request.method = "POST";
	request.body = blob_new(bytes, BIG_BYTES);
	request.max_body_bytes = BIG_BYTES;
	outcome = exchange(&request);
	blob_unref(&request.body);
	ck_error(&outcome, ERROR_NONE, "5 MB");
	ck_assert_uint_eq(blob_len(outcome.result.answer.body), BIG_BYTES);
	ck_assert_mem_eq(blob_data(outcome.result.answer.body), bytes,
	    BIG_BYTES);
	forget(&outcome);
	free(bytes);
	peer_stop(&peer);
}
END_TEST

static void
sing(struct peer *peer, int fd)
{
	const struct refrain *song = peer->arg;

	if (!peer_read_request(peer, fd) || !peer_say(fd, song->verse))
		return;
	while (peer_say(fd, song->refrain))
		;
	atomic_fetch_add(&peer->hung_up, 1);
}

START_TEST(an_answer_without_end_is_cut_at_its_ceiling)
{
	const struct refrain *song = &endless[_i];
	struct peer peer;
	struct transfer_request request;
	struct outcome outcome;

	peer_start(&peer, sing, song);
	request = request_to(url_of(&peer, "/"));
	outcome = exchange(&request);
	ck_error(&outcome, song->error, song->name);
	ck_assert_int_le(blob_len(outcome.result.answer.body),
	    request.max_body_bytes);
	forget(&outcome);
	peer_stop(&peer);
	ck_assert_uint_eq(atomic_load(&peer.hung_up), 1);
}
END_TEST

START_TEST(ceilings_are_met_exactly)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\n" /* 17 bytes */
				     "Content-Length: 2\r\n\r\nok"; /* 21 */
	struct peer peer;
	struct transfer_request request;
	struct outcome outcome;

	peer_start(&peer, say_each, answer);
	request = request_to(url_of(&peer, "/"));
	request.max_head_bytes = 17 + 21;
	request.max_body_bytes = 2;
	outcome = exchange(&request);
	ck_error(&outcome, ERROR_NONE, "at the ceilings");
	forget(&outcome);
	request.max_head_bytes--;
	outcome = exchange(&request);
	ck_error(&outcome, ERROR_TOO_LARGE, "head");
	forget(&outcome);
	request.max_head_bytes++;
	request.max_body_bytes--;
	outcome = exchange(&request);
	ck_error(&outcome, ERROR_TOO_LARGE, "body");
	forget(&outcome);
	peer_stop(&peer);
}
END_TEST

/* The peer answers byte by byte; no byte waits for a clock. */
static void
drip(struct peer *peer, int fd)
{
	const char *text = peer->arg;

	while (peer_read_request(peer, fd))
		for (const char *c = text; *c != '\0'; c++)
			if (!peer_say_bytes(fd, c, 1))
				return;
}

START_TEST(a_dripping_answer_is_read_to_its_end)
{
	struct peer peer;
	struct transfer_request request;
	struct outcome outcome;

	peer_start(&peer, drip,
	    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nA: 1\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
	request = request_to(url_of(&peer, "/"));
	for (int i = 0; i < 3; i++) {
		outcome = exchange(&request);
		ck_error(&outcome, ERROR_NONE, "dripping");
		ck_assert_str_eq(body_of(&outcome), "abc");
		forget(&outcome);
	}
	peer_stop(&peer);
}
END_TEST

/* ---- deadlines ---- */

/* An exchange under the deadlines of the row, so many times as long. False: the
 * answer was to come in time, and the machine was too slow for it. */
static bool
meets_deadline(const struct patience *row, int64_t times)
{
	int64_t least_ms = row->total_ms * times;
	struct peer peer;
	struct transfer_request request;
	struct outcome outcome;
	int64_t began_ms;
	bool is_late;

	peer_start(&peer, say_and_wait, row->answer);
	request = request_to(url_of(&peer, "/"));
	request.first_byte_ms = row->first_byte_ms * times;
	request.total_ms = row->total_ms * times;
	began_ms = clock_mono_ms();
	outcome = exchange(&request);
	is_late = row->error == ERROR_TIMEOUT_BODY &&
	    outcome.result.error == ERROR_TIMEOUT_HEADERS;
	if (!is_late) {
		ck_error(&outcome, row->error, row->name);
		ck_assert_int_eq(outcome.result.status, row->status);
	}
	if (outcome.result.error == ERROR_TIMEOUT_HEADERS &&
	    request.first_byte_ms > 0 && request.first_byte_ms < least_ms)
		least_ms = request.first_byte_ms;
	ck_assert_int_ge(outcome.result.total_ms, least_ms - 1);
	ck_assert_int_lt(clock_mono_ms() - began_ms, LONG_MS / 2);
	forget(&outcome);
	while (!is_late && atomic_load(&peer.hung_up) == 0)
		; /* the connection is closed, not kept */
	peer_stop(&peer);
	return !is_late;
}

START_TEST(a_deadline_is_named_by_how_far_the_answer_came)
{
	const struct patience *row = &patience[_i];
	int64_t times = 1;

	while (!meets_deadline(row, times)) {
		times *= 2;
		ck_assert_msg(times <= 32, "%s: always late", row->name);
	}
}
END_TEST

START_TEST(a_connection_that_does_not_come_has_its_own_deadline)
{
	struct stuck_port stuck;
	struct transfer_request request;
	struct outcome outcome;
	char url[64];

	stuck_port_open(&stuck);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", stuck.port);
	request = request_to(url);
	request.connect_ms = 50;
	outcome = exchange(&request);
	ck_error(&outcome, ERROR_CONNECT_TIMEOUT, "connect");
	ck_assert_str_eq(outcome.result.address, "");
	ck_assert_int_eq(outcome.result.connect_ms, -1);
	forget(&outcome);
	request.connect_ms = LONG_MS;
	request.first_byte_ms = 30;
	outcome = exchange(&request);
	ck_error(&outcome, ERROR_CONNECT_TIMEOUT, "first byte");
	forget(&outcome);
	request.first_byte_ms = 0;
	request.total_ms = 30;
	outcome = exchange(&request);
	ck_error(&outcome, ERROR_CONNECT_TIMEOUT, "total");
	forget(&outcome);
	stuck_port_close(&stuck);
}
END_TEST

START_TEST(a_peer_that_does_not_read_is_given_up)
{
	struct peer peer;
	struct transfer_request request;
	struct outcome outcome;
	char *bytes = calloc(1, 8 * BIG_BYTES);

	peer_start(&peer, peer_wait_end, NULL); /* reads, but never answers */
	request = request_to(url_of(&peer, "/"));
	request.method = "PUT";
	request.body = blob_new(bytes, 8 * BIG_BYTES);
	request.total_ms = 60;
	outcome = exchange(&request);
	blob_unref(&request.body);
	ck_error(&outcome, ERROR_TIMEOUT_HEADERS, "upload");
	forget(&outcome);
	free(bytes);
	peer_stop(&peer);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("transfer");
	TCase *tcase = tcase_create("transfer");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, open_room, close_room);
	tcase_set_timeout(tcase, 30);
	tcase_add_loop_test(tcase, a_sound_answer_is_kept_as_it_came, 0,
	    COUNT(sound));
	tcase_add_loop_test(tcase, a_cut_answer_is_never_a_success, 0,
	    COUNT(cut));
	tcase_add_loop_test(tcase, an_unsound_answer_is_refused, 0,
	    COUNT(unsound));
	tcase_add_test(tcase, the_media_type_is_told_apart);
	tcase_add_test(tcase, what_came_is_measured);
	tcase_add_loop_test(tcase, a_request_is_sent_byte_for_byte, 0,
	    COUNT(requests));
	tcase_add_test(tcase, nothing_of_one_request_is_left_in_the_next);
	tcase_add_test(tcase,
	    a_url_means_the_same_wherever_the_handle_went_before);
	tcase_add_test(tcase, an_answer_to_HEAD_has_no_body);
	tcase_add_test(tcase, a_body_of_HEAD_stays_here);
	tcase_add_loop_test(tcase, an_unusable_url_is_refused_at_once, 0,
	    COUNT(unusable));
	tcase_add_test(tcase, a_method_that_is_no_token_is_refused_at_once);
	tcase_add_test(tcase, five_megabytes_go_both_ways_unchanged);
	tcase_add_loop_test(tcase, an_answer_without_end_is_cut_at_its_ceiling,
	    0, COUNT(endless));
	tcase_add_test(tcase, ceilings_are_met_exactly);
	tcase_add_test(tcase, a_dripping_answer_is_read_to_its_end);
	tcase_add_loop_test(tcase,
	    a_deadline_is_named_by_how_far_the_answer_came, 0, COUNT(patience));
	tcase_add_test(tcase,
	    a_connection_that_does_not_come_has_its_own_deadline);
	tcase_add_test(tcase, a_peer_that_does_not_read_is_given_up);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
