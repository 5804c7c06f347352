/* test_transfer_pool.c - connections: which are kept, used again with care, and
 * cut; what done() may do; handshakes.
 */
#include <check.h>
#include <curl/curl.h>
#include <dirent.h>
#include <dlfcn.h>
#include <event2/event.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "transfer_peer.h"
#include "transfer_room.h"
#include "transport/transport.h"

#define MANY 64

static unsigned
open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

/* ---- connections are kept ---- */

START_TEST(one_connection_serves_many_exchanges)
{
	struct peer peer;
	struct transfer_request request;

	peer_start(&peer, say_each, ok);
	request = request_to(url_of(&peer, "/"));
	for (int i = 0; i < 20; i++) {
		struct outcome outcome = exchange(&request);

		ck_error(&outcome, ERROR_NONE, "kept");
		forget(&outcome);
	}
	ck_assert_uint_eq(peer_connections(&peer), 1);
	peer_stop(&peer);
}
END_TEST

/* ---- what the kernel is asked ---- */

int __real_ppoll(struct pollfd *asked, nfds_t count,
    const struct timespec *wait, const sigset_t *signals);
int __wrap_ppoll(struct pollfd *asked, nfds_t count,
    const struct timespec *wait, const sigset_t *signals);

static _Thread_local unsigned questions; /* that did not wait */

/* The linker leads hush.c here. */
int
__wrap_ppoll(struct pollfd *asked, nfds_t count, const struct timespec *wait,
    const sigset_t *signals)
{
	if (wait != NULL && wait->tv_sec == 0 && wait->tv_nsec == 0)
		questions++;
	return __real_ppoll(asked, count, wait, signals);
}

START_TEST(an_answer_is_not_asked_for_right_behind_its_request)
{
	struct peer peer;
	struct transfer_request request;
	unsigned asked = 0;

	ck_assert_ptr_eq(dlsym(RTLD_DEFAULT, "poll"), (void *)poll);
	peer_start(&peer, say_each, ok);
	request = request_to(url_of(&peer, "/"));
	for (int i = 0; i < 20; i++) {
		struct outcome outcome;

		questions = 0;
		outcome = exchange(&request);
		ck_error(&outcome, ERROR_NONE, "asked");
		forget(&outcome);
		asked += i > 0 ? questions : 0;
	}
	/* Does the kept connection stand? Once more in every second. */
	ck_assert_uint_ge(asked, 19);
	ck_assert_uint_lt(asked, 30);
	ck_assert_uint_eq(peer_connections(&peer), 1);
	peer_stop(&peer);
}
END_TEST

START_TEST(only_one_question_about_one_that_does_not_wait_is_hushed)
{
	struct pollfd asked[2] = { { .events = POLLIN }, { .fd = -1 } };
	int pipe_fds[2];

	ck_assert_int_eq(pipe(pipe_fds), 0);
	ck_assert_int_eq(write(pipe_fds[1], "x", 1), 1);
	asked[0].fd = pipe_fds[0];
	ck_assert_int_eq(poll(asked, 1, 0), 1);
	hush_begin();
	ck_assert_int_eq(poll(asked, 2, 0), 1);
	ck_assert_int_eq(poll(asked, 1, 1), 1);
	ck_assert_int_eq(poll(asked, 1, -1), 1);
	ck_assert_int_eq(poll(asked, 1, 0), 0);
	ck_assert_int_eq(asked[0].revents, 0);
	ck_assert_int_eq(poll(asked, 1, 0), 1);
	hush_begin();
	hush_end();
	ck_assert_int_eq(poll(asked, 1, 0), 1);
	ck_assert_int_eq(asked[0].revents, POLLIN);
	asked[0].fd = -1;
	ck_assert_int_eq(poll(asked, 1, 1), 0); /* waits, and ends */
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}
END_TEST

/* ---- libraries that nobody asked for ---- */

/* Where libcurl brings it along. Its own function of that name says 0. */
START_TEST(gnutls_does_not_begin_as_it_is_loaded)
{
	void *found = dlsym(RTLD_DEFAULT, "_gnutls_global_init_skip");
	int (*skips)(void);

	if (found == NULL)
		return;
	memcpy(&skips, &found, sizeof(skips));
	ck_assert_int_ne(skips(), 0);
}
END_TEST

/* ---- kept connections are used again with care ---- */

/* Answers the first request of a connection; reads the second one, and dies. */
static void
die_in_second(struct peer *peer, int fd)
{
	if (peer_read_request(peer, fd) &&
	    peer_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
		(void)peer_read_request(peer, fd);
}

static const char *const methods[] = { "POST", "GET", "PUT", "HEAD", "DELETE" };

START_TEST(a_request_is_never_sent_twice_by_one_transfer)
{
	struct peer peer;
	struct transfer_request request;
	struct outcome outcome;

	peer_start(&peer, die_in_second, NULL);
	request = request_to(url_of(&peer, "/"));
	request.method = methods[_i];
	outcome = exchange(&request);
	ck_error(&outcome, ERROR_NONE, "first");
	forget(&outcome);
	outcome = exchange(&request);
	ck_error(&outcome, ERROR_RESET, methods[_i]);
	ck_assert_int_eq(outcome.result.status, 0);
	ck_assert_uint_eq(atomic_load(&peer.requests), 2);
	ck_assert_uint_eq(peer_connections(&peer), 1);
	forget(&outcome);
	outcome = exchange(&request); /* the next one has a new connection */
	ck_error(&outcome, ERROR_NONE, "third");
	ck_assert_uint_eq(atomic_load(&peer.requests), 3);
	forget(&outcome);
	peer_stop(&peer);
}
END_TEST

/* With two kept connections libcurl would repeat the request on the other. */
START_TEST(a_request_is_not_repeated_on_another_kept_connection)
{
	struct peer peer;
	struct transfer_request request;
	struct outcome outcomes[2] = { 0 };
	struct outcome outcome;

	peer_start(&peer, die_in_second, NULL);
	request = request_to(url_of(&peer, "/"));
	for (int i = 0; i < 2; i++)
		transfer_start(pool, &request, take_outcome, &outcomes[i]);
	for (int i = 0; i < 2; i++) {
		wait_for(&outcomes[i]);
		ck_error(&outcomes[i], ERROR_NONE, "both");
		forget(&outcomes[i]);
	}
	ck_assert_uint_eq(peer_connections(&peer), 2);
	outcome = exchange(&request);
	ck_error(&outcome, ERROR_RESET, "third");
	ck_assert_uint_eq(atomic_load(&peer.requests), 3);
	ck_assert_uint_eq(peer_connections(&peer), 2);
	forget(&outcome);
	peer_stop(&peer);
}
END_TEST

static void
say_once(struct peer *peer, int fd)
{
	if (peer_read_request(peer, fd))
		peer_say(fd, ok);
	shutdown(fd, SHUT_RDWR);
	atomic_fetch_add(&peer->hung_up, 1);
}

START_TEST(a_connection_that_its_peer_has_closed_is_not_used)
{
	struct peer peer;
	struct transfer_request request;

	peer_start(&peer, say_once, NULL);
	request = request_to(url_of(&peer, "/"));
	for (unsigned i = 1; i < 10; i++) {
		struct outcome outcome = exchange(&request);

		ck_error(&outcome, ERROR_NONE, "closed");
		forget(&outcome);
		while (atomic_load(&peer.hung_up) < i)
			;
		/* The idle connection is readable; it must not spin. */
		for (int k = 0; k < 5; k++)
			event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
	}
	ck_assert_uint_eq(peer_connections(&peer), 9);
	peer_stop(&peer);
}
END_TEST

/* More bytes than the answer has; the rest must not become the next answer. */
static const char *const overlong[] = {
	"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	"HTTP/1.1 500 Not this one\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 204 No Content\r\n\r\n"
	"HTTP/1.1 500 Not this one\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
	"HTTP/1.1 500 Not this one\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 304 Same\r\nContent-Length: 60\r\n\r\n"
	"HTTP/1.1 500 Not this one\r\nContent-Length: 0\r\n\r\n",
};

static void
check_no_leftovers(const char *answer, const char *method)
{
	struct peer peer;
	struct transfer_request request;

	peer_start(&peer, say_each, answer);
	request = request_to(url_of(&peer, "/"));
	request.method = method;
	for (int i = 0; i < 3; i++) {
		struct outcome outcome = exchange(&request);

		ck_error(&outcome, ERROR_NONE, answer);
		ck_assert_msg(outcome.result.status < 400, "%s", answer);
		forget(&outcome);
	}
	peer_stop(&peer);
}

START_TEST(what_follows_an_answer_is_not_the_next_one)
{
	check_no_leftovers(overlong[_i], "GET");
}
END_TEST

START_TEST(a_body_sent_to_HEAD_is_not_the_next_answer)
{
	check_no_leftovers("HTTP/1.1 200 OK\r\nContent-Length: 51\r\n\r\n"
			   "HTTP/1.1 500 Not this\r\n"
			   "Content-Length: 0\r\n\r\n",
	    "HEAD");
}
END_TEST

START_TEST(many_exchanges_at_once_all_end)
{
	struct peer peer;
	struct transfer_request request;
	static struct outcome outcomes[MANY];

	peer_start(&peer, say_each, ok);
	request = request_to(url_of(&peer, "/"));
	for (int round = 0; round < 5; round++) {
		memset(outcomes, 0, sizeof(outcomes));
		for (int i = 0; i < MANY; i++)
			ck_assert_ptr_nonnull(transfer_start(pool, &request,
			    take_outcome, &outcomes[i]));
		for (int i = 0; i < MANY; i++) {
			wait_for(&outcomes[i]);
			ck_error(&outcomes[i], ERROR_NONE, "many");
			forget(&outcomes[i]);
		}
	}
	/* The pool was made for 8: it has grown, and kept them all. */
	ck_assert_uint_le(peer_connections(&peer), MANY);
	peer_stop(&peer);
}
END_TEST

/* ---- cancelling, and what done() may do ---- */

START_TEST(cancelling_closes_the_connection_at_once)
{
	struct peer peer;
	struct transfer_request request;
	struct outcome outcome = { 0 };
	struct transfer *transfer;

	peer_start(&peer, say_and_wait, "HTTP/1.1 200 OK\r\n");
	request = request_to(url_of(&peer, "/"));
	request.first_byte_ms = LONG_MS / 2;
	transfer = transfer_start(pool, &request, take_outcome, &outcome);
	while (atomic_load(&peer.requests) == 0)
		event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
	transfer_cancel(&transfer);
	ck_assert_ptr_null(transfer);
	while (atomic_load(&peer.hung_up) == 0)
		; /* no turn of the loop is needed */
	ck_assert(!outcome.done);
	transfer_cancel(&transfer); /* NULL is fine */
	peer_stop(&peer);
}
END_TEST

START_TEST(cancelling_at_any_stage_leaves_nothing)
{
	struct peer peer;
	struct transfer_request request;
	struct outcome outcome = { 0 };
	unsigned before;

	before = open_descriptors();
	peer_start(&peer, say_and_wait, "");
	request = request_to(url_of(&peer, "/"));
	for (int turns = 0; turns < 30; turns++) {
		struct transfer *transfer = transfer_start(pool, &request,
		    take_outcome, &outcome);

		for (int i = 0; i < turns / 3; i++)
			event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
		transfer_cancel(&transfer);
		event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
	}
	ck_assert(!outcome.done);
	peer_stop(&peer);
	ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

static int
watched(void)
{
	return event_base_get_num_events(loop_base(loop),
	    EVENT_BASE_COUNT_ADDED);
}

/* libcurl closes the socket of a connection that did not come without asking
 * us; an event left behind would fire for whoever gets the number next. */
START_TEST(a_cancelled_connect_is_no_longer_watched)
{
	struct stuck_port stuck;
	struct transfer_request request;
	struct outcome outcome = { 0 };
	struct transfer *transfer;
	char url[64];
	int before = watched();

	stuck_port_open(&stuck);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", stuck.port);
	request = request_to(url);
	transfer = transfer_start(pool, &request, take_outcome, &outcome);
	for (int i = 0; i < 5; i++)
		event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
	ck_assert_int_eq(watched(), before + 2); /* libcurl's clock, too */
	transfer_cancel(&transfer);
	ck_assert_int_eq(watched(), before);
	stuck_port_close(&stuck);
}
END_TEST

START_TEST(a_kept_connection_stays_watched_until_it_closes)
{
	struct peer peer;
	struct transfer_request request;
	struct outcome outcome;
	int before = watched();

	peer_start(&peer, say_each, ok);
	request = request_to(url_of(&peer, "/"));
	for (int i = 0; i < 3; i++) {
		outcome = exchange(&request);
		ck_error(&outcome, ERROR_NONE, "kept");
		ck_assert_int_eq(watched(), before + 1);
		forget(&outcome);
	}
	peer_stop(&peer);
	while (watched() > before)
		turn();
}
END_TEST

struct chain {
	struct transfer_request request;
	struct transfer *other;
	int left;
	bool other_done;
};

static void
start_next(struct transfer_result *result, void *arg)
{
	struct chain *chain = arg;

	ck_assert_int_eq(result->error, ERROR_NONE);
	if (--chain->left > 0)
		ck_assert_ptr_nonnull(
		    transfer_start(pool, &chain->request, start_next, chain));
}

START_TEST(done_may_start_another)
{
	struct peer peer;
	struct chain chain = { .left = 50 };

	peer_start(&peer, say_each, ok);
	chain.request = request_to(url_of(&peer, "/"));
	transfer_start(pool, &chain.request, start_next, &chain);
	while (chain.left > 0)
		turn();
	ck_assert_uint_eq(atomic_load(&peer.requests), 50);
	ck_assert_uint_eq(peer_connections(&peer), 1);
	peer_stop(&peer);
}
END_TEST

static void
note_other(struct transfer_result *result, void *arg)
{
	struct chain *chain = arg;

	(void)result;
	chain->other_done = true;
	chain->other = NULL;
}

static void
cancel_other(struct transfer_result *result, void *arg)
{
	struct chain *chain = arg;

	ck_assert_int_eq(result->error, ERROR_NONE);
	transfer_cancel(&chain->other);
	chain->left = 0;
}

/* Sometimes the other has ended as well, and its message waits in libcurl. */
START_TEST(done_may_cancel_another)
{
	struct peer peer;

	peer_start(&peer, say_each, ok);
	for (int i = 0; i < 50; i++) {
		struct chain chain = { .left = 1 };

		chain.request = request_to(url_of(&peer, "/"));
		transfer_start(pool, &chain.request, cancel_other, &chain);
		chain.other = transfer_start(pool, &chain.request, note_other,
		    &chain);
		while (chain.left > 0)
			turn();
		ck_assert_ptr_null(chain.other);
	}
	peer_stop(&peer);
}
END_TEST

START_TEST(no_descriptor_is_left_behind)
{
	struct transfer_request request;
	struct outcome outcome;
	struct peer peer;
	unsigned before;

	before = open_descriptors();
	peer_start(&peer, say_and_close, "HTTP/1.1 200 OK\r\n\r\nuntil close");
	request = request_to(url_of(&peer, "/"));
	for (int i = 0; i < 10; i++) {
		outcome = exchange(&request);
		ck_error(&outcome, ERROR_NONE, "closed");
		forget(&outcome);
	}
	peer_stop(&peer);
	transfer_pool_free(&pool);
	loop_free(&loop);
	loop = loop_new(0, NULL);
	pool = transfer_pool_new(loop, 1);
	ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

/* ---- TLS ---- */

/* With most of the hello unread, so the kernel resets the connection. */
static void
reset(struct peer *peer, int fd)
{
	char hello[16];

	(void)peer;
	(void)recv(fd, hello, sizeof(hello), MSG_WAITALL);
}

static void
hang_up(struct peer *peer, int fd)
{
	shutdown(fd, SHUT_WR);
	peer_wait_end(peer, fd);
}

static void
speak_plainly(struct peer *peer, int fd)
{
	char hello[16];

	(void)recv(fd, hello, sizeof(hello), MSG_WAITALL);
	peer_say(fd, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
	peer_wait_end(peer, fd);
}

static void
say_nothing(struct peer *peer, int fd)
{
	peer_wait_end(peer, fd);
}

static const char farewell[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
			       "Connection: close\r\n\r\nok";

static SSL_CTX *
self_signed(void)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);

	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)"127.0.0.1", -1, -1, 0);
	X509_set_issuer_name(cert, name);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	ck_assert_int_gt(X509_sign(cert, key, EVP_sha256()), 0);
	ck_assert_int_eq(SSL_CTX_use_certificate(context, cert), 1);
	ck_assert_int_eq(SSL_CTX_use_PrivateKey(context, key), 1);
	X509_free(cert);
	EVP_PKEY_free(key);
	return context;
}

static void
shake_hands(struct peer *peer, int fd)
{
	SSL_CTX *context = self_signed();
	SSL *ssl = SSL_new(context);

	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1)
		atomic_fetch_add(&peer->requests, 1);
	SSL_free(ssl);
	SSL_CTX_free(context);
	peer_wait_end(peer, fd);
}

static const struct {
	const char *name;
	peer_script_fn *script;
	enum job_error error;
} handshakes[] = {
	{ "resets", reset, ERROR_RESET },
	{ "hangs up", hang_up, ERROR_RESET },
	{ "speaks plainly", speak_plainly, ERROR_TLS_FAILED },
	{ "an unknown authority", shake_hands, ERROR_TLS_FAILED },
	{ "says nothing", say_nothing, ERROR_CONNECT_TIMEOUT },
};

START_TEST(a_handshake_that_fails_says_how)
{
	struct peer peer;
	struct transfer_request request;
	struct outcome outcome;
	char url[64];

	peer_start(&peer, handshakes[_i].script, NULL);
	snprintf(url, sizeof(url), "https://127.0.0.1:%u/", peer.port);
	request = request_to(url);
	request.connect_ms = handshakes[_i].error == ERROR_CONNECT_TIMEOUT
	    ? 100
	    : LONG_MS;
	outcome = exchange(&request);
	ck_error(&outcome, handshakes[_i].error, handshakes[_i].name);
	ck_assert_int_eq(outcome.result.tls_ms, -1);
	forget(&outcome);
	peer_stop(&peer);
}
END_TEST

/* ---- sessions ---- */

static char authority[] = "/tmp/test_transfer_pool.XXXXXX";
static bool is_trusted;

/* The linker leads src/transport here: who is to be trusted is the system's
 * choice, and no option of ours. */
CURL *__real_curl_easy_init(void);
CURL *__wrap_curl_easy_init(void);

CURL *
__wrap_curl_easy_init(void)
{
	CURL *easy = __real_curl_easy_init();

	if (is_trusted)
		curl_easy_setopt(easy, CURLOPT_CAINFO, authority);
	return easy;
}

static void
trust(SSL_CTX *context)
{
	FILE *file = fdopen(mkstemp(authority), "w");

	ck_assert_int_eq(PEM_write_X509(file,
			     SSL_CTX_get0_certificate(context)),
	    1);
	ck_assert_int_eq(fclose(file), 0);
	is_trusted = true;
}

struct tls_server {
	SSL_CTX *context;
	atomic_uint resumed; /* handshakes that went on with an old session */
};

/* One request, one answer, and the end. */
static void
serve_tls(struct peer *peer, int fd)
{
	struct tls_server *server = (struct tls_server *)peer->arg;
	SSL *ssl = SSL_new(server->context);
	char request[4096] = "";
	int len = 0, got = 1;

	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) != 1)
		got = 0;
	if (SSL_session_reused(ssl))
		atomic_fetch_add(&server->resumed, 1);
	while (got > 0 && strstr(request, "\r\n\r\n") == NULL) {
		got = SSL_read(ssl, request + len,
		    (int)sizeof(request) - 1 - len);
		len += got > 0 ? got : 0;
	}
	SSL_write(ssl, farewell, (int)strlen(farewell));
	SSL_shutdown(ssl);
	SSL_free(ssl);
}

/* A ticket is good for one connection, and the next comes with it: so one after
 * the other, but with two handles. The first is kept busy elsewhere. */
START_TEST(whoever_connects_next_goes_on_with_the_session)
{
	struct tls_server server = { self_signed(), 0 };
	struct outcome first, next, never = { 0 };
	struct transfer_request request, elsewhere;
	struct transfer *busy;
	struct peer peer, silent;
	char url[64];

	trust(server.context);
	peer_start(&peer, serve_tls, &server);
	peer_start(&silent, say_nothing, NULL);
	snprintf(url, sizeof(url), "https://127.0.0.1:%u/", peer.port);
	request = request_to(url);
	first = exchange(&request);
	ck_error(&first, ERROR_NONE, "the first");
	ck_assert_uint_eq(atomic_load(&server.resumed), 0);
	elsewhere = request_to(url_of(&silent, "/"));
	busy = transfer_start(pool, &elsewhere, take_outcome, &never);
	ck_assert_ptr_nonnull(busy);
	next = exchange(&request);
	ck_error(&next, ERROR_NONE, "the next");
	ck_assert_uint_eq(peer_connections(&peer), 2);
	ck_assert_uint_eq(atomic_load(&server.resumed), 1);
	transfer_cancel(&busy);
	forget(&first);
	forget(&next);
	peer_stop(&silent);
	peer_stop(&peer);
	SSL_CTX_free(server.context);
	ck_assert_int_eq(unlink(authority), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("transfer_pool");
	TCase *tcase = tcase_create("transfer_pool");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, open_room, close_room);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, one_connection_serves_many_exchanges);
	tcase_add_test(tcase,
	    an_answer_is_not_asked_for_right_behind_its_request);
	tcase_add_test(tcase,
	    only_one_question_about_one_that_does_not_wait_is_hushed);
	tcase_add_test(tcase, gnutls_does_not_begin_as_it_is_loaded);
	tcase_add_loop_test(tcase,
	    a_request_is_never_sent_twice_by_one_transfer, 0, COUNT(methods));
	tcase_add_test(tcase,
	    a_request_is_not_repeated_on_another_kept_connection);
	tcase_add_test(tcase,
	    a_connection_that_its_peer_has_closed_is_not_used);
	tcase_add_loop_test(tcase, what_follows_an_answer_is_not_the_next_one,
	    0, COUNT(overlong));
	tcase_add_test(tcase, a_body_sent_to_HEAD_is_not_the_next_answer);
	tcase_add_test(tcase, many_exchanges_at_once_all_end);
	tcase_add_test(tcase, cancelling_closes_the_connection_at_once);
	tcase_add_test(tcase, cancelling_at_any_stage_leaves_nothing);
	tcase_add_test(tcase, a_cancelled_connect_is_no_longer_watched);
	tcase_add_test(tcase, a_kept_connection_stays_watched_until_it_closes);
	tcase_add_test(tcase, done_may_start_another);
	tcase_add_test(tcase, done_may_cancel_another);
	tcase_add_test(tcase, no_descriptor_is_left_behind);
	tcase_add_loop_test(tcase, a_handshake_that_fails_says_how, 0,
	    COUNT(handshakes));
	tcase_add_test(tcase, whoever_connects_next_goes_on_with_the_session);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
