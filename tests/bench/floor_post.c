/* floor_post.c - a curl multi on libevent and nothing before it, with nothing
 * to say, or with what callbackd has to say by its interface.
 *
 * 1. A socket's event stays registered from one transfer to the next and is
 *    deleted when curl closes the socket: the cheapest way known.
 * 2. The connection pool holds twice what is in flight, or curl would close
 *    and open connections all the time.
 *
 * The echo is a child process, whose CPU is not counted.
 */
#include "floor.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sink.h"
#include "tally.h"
#include "wire.h"

enum { SOCKETS_MAX = 1024, KINDS = 2 };

/* The fields and the size of a kind of request. */
struct kind {
	const char *const *fields;
	long body_bytes;
};

static const char *const no_fields[] = { "Expect:", NULL };

static const char *const fields_of_a_run[] = { "Expect:", "Accept:",
	"Content-Type: text/plain", "X-Forwarded-For: 127.0.0.1",
	"X-Forwarded-Proto: http", "X-Forwarded-Host: 127.0.0.1:8080",
	"Job-Id: 0198c5d2-7a30-7cc3-98c4-dc0c0c07398f",
	"Idempotency-Key: 0198c5d2-7a30-7cc3-98c4-dc0c0c07398f",
	"Job-Attempt: 1", "Job-Deadline: 2026-11-20T13:43:54.538Z", NULL };

static const char *const fields_of_a_callback[] = { "Expect:", "Accept:",
	"Content-Type: application/json",
	"Job-Id: 0198c5d2-7a30-7cc3-98c4-dc0c0c07398f", "Job-Status: succeeded",
	"Webhook-Attempt: 1", "Webhook-Attempts-Left: 9",
	"User-Agent: callbackd/0.1.0",
	"webhook-id: 0198c5d2-7a30-7cc4-a607-11d81cd1c3c7",
	"webhook-timestamp: 1795181934",
	"webhook-signature: v1,tunRg01b9lqdHRFY+w4B2HMOt9o9CSFC00NTL11HYcc=",
	NULL };

static const struct kind bare[KINDS] = { { no_fields, FLOOR_BODY_BYTES },
	{ no_fields, FLOOR_BODY_BYTES } };
static const struct kind as_sent[KINDS] = { { fields_of_a_run,
						FLOOR_BODY_BYTES },
	{ fields_of_a_callback, FLOOR_DOCUMENT_BYTES } };

struct poster {
	struct event_base *base;
	struct event *timer;
	CURLM *multi;
	const struct kind *kinds; /* KINDS; transfers take turns */
	struct curl_slist *fields[KINDS];
	struct event *events[SOCKETS_MAX]; /* by descriptor */
	short wanted[SOCKETS_MAX];
	int count;
	int64_t begun_us;
	int64_t ended_us;
	char url[64];
	char body[FLOOR_DOCUMENT_BYTES];
};

/* ---- what is done ---- */

static void
count_one(struct poster *poster)
{
	if (++poster->count == FLOOR_WARM_JOBS)
		poster->begun_us = floor_cpu_us();
	if (poster->count != FLOOR_WARM_JOBS + FLOOR_JOBS)
		return;
	poster->ended_us = floor_cpu_us();
	event_base_loopexit(poster->base, NULL);
}

static void
collect(struct poster *poster)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(poster->multi, &left)) != NULL) {
		CURL *easy = message->easy_handle;

		if (message->data.result != CURLE_OK)
			give_up(curl_easy_strerror(message->data.result));
		curl_multi_remove_handle(poster->multi, easy);
		count_one(poster);
		curl_multi_add_handle(poster->multi, easy);
	}
}

/* ---- curl's sockets and timer as libevent's ---- */

static void
socket_cb(evutil_socket_t fd, short events, void *owner)
{
	struct poster *poster = owner;
	int running;
	int mask = ((events & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
	    ((events & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0);

	curl_multi_socket_action(poster->multi, fd, mask, &running);
	collect(poster);
}

static void
timer_cb(evutil_socket_t fd, short events, void *owner)
{
	struct poster *poster = owner;
	int running;

	(void)fd;
	(void)events;
	curl_multi_socket_action(poster->multi, CURL_SOCKET_TIMEOUT, 0,
	    &running);
	collect(poster);
}

static int
want_timer_cb(CURLM *multi, long timeout_ms, void *owner)
{
	struct poster *poster = owner;
	struct timeval wait = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };

	(void)multi;
	if (timeout_ms < 0)
		event_del(poster->timer);
	else
		event_add(poster->timer, &wait);
	return 0;
}

static int
want_socket_cb(CURL *easy, curl_socket_t fd, int what, void *owner,
    void *unused)
{
	struct poster *poster = owner;
	short wanted = EV_PERSIST;

	(void)easy;
	(void)unused;
	if (what == CURL_POLL_REMOVE)
		return 0;
	if (fd >= SOCKETS_MAX)
		give_up("too many sockets");
	wanted |= (what & CURL_POLL_IN) != 0 ? EV_READ : 0;
	wanted |= (what & CURL_POLL_OUT) != 0 ? EV_WRITE : 0;
	if (wanted == poster->wanted[fd])
		return 0;
	if (poster->events[fd] != NULL)
		event_free(poster->events[fd]);
	poster->events[fd] = event_new(poster->base, fd, wanted, socket_cb,
	    poster);
	poster->wanted[fd] = wanted;
	return event_add(poster->events[fd], NULL);
}

static int
close_socket_cb(void *owner, curl_socket_t fd)
{
	struct poster *poster = owner;

	if (poster->events[fd] != NULL)
		event_free(poster->events[fd]);
	poster->events[fd] = NULL;
	poster->wanted[fd] = 0;
	return close(fd);
}

/* ---- births and deaths ---- */

static size_t
discard_cb(char *bytes, size_t size, size_t count, void *owner)
{
	(void)bytes;
	(void)owner;
	return size * count;
}

static CURL *
new_easy(struct poster *poster, int kind)
{
	CURL *easy = curl_easy_init();

	if (easy == NULL)
		give_up("curl_easy_init");
	curl_easy_setopt(easy, CURLOPT_URL, poster->url);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, poster->body);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE,
	    poster->kinds[kind].body_bytes);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, poster->fields[kind]);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard_cb);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket_cb);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, poster);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	return easy;
}

static struct curl_slist *
list_of(const char *const *fields)
{
	struct curl_slist *list = NULL;

	for (; *fields != NULL; fields++)
		list = curl_slist_append(list, *fields);
	return list;
}

static void
prepare(struct poster *poster, uint16_t port)
{
	snprintf(poster->url, sizeof(poster->url), "http://127.0.0.1:%u/bench/",
	    port);
	memset(poster->body, 'x', sizeof(poster->body));
	curl_global_init(CURL_GLOBAL_DEFAULT);
	for (int i = 0; i < KINDS; i++)
		poster->fields[i] = list_of(poster->kinds[i].fields);
	poster->base = event_base_new();
	poster->multi = curl_multi_init();
	poster->timer = event_new(poster->base, -1, 0, timer_cb, poster);
	curl_multi_setopt(poster->multi, CURLMOPT_SOCKETFUNCTION,
	    want_socket_cb);
	curl_multi_setopt(poster->multi, CURLMOPT_SOCKETDATA, poster);
	curl_multi_setopt(poster->multi, CURLMOPT_TIMERFUNCTION, want_timer_cb);
	curl_multi_setopt(poster->multi, CURLMOPT_TIMERDATA, poster);
	curl_multi_setopt(poster->multi, CURLMOPT_MAXCONNECTS,
	    (long)FLOOR_CONNECTIONS * 2);
}

static void
post_all(struct poster *poster, uint16_t port)
{
	CURL *easies[FLOOR_CONNECTIONS];

	prepare(poster, port);
	for (int i = 0; i < FLOOR_CONNECTIONS; i++) {
		easies[i] = new_easy(poster, i % KINDS);
		curl_multi_add_handle(poster->multi, easies[i]);
	}
	event_base_dispatch(poster->base);
	for (int i = 0; i < FLOOR_CONNECTIONS; i++) {
		curl_multi_remove_handle(poster->multi, easies[i]);
		curl_easy_cleanup(easies[i]);
	}
	curl_multi_cleanup(poster->multi);
	for (int i = 0; i < KINDS; i++)
		curl_slist_free_all(poster->fields[i]);
	event_free(poster->timer);
	event_base_free(poster->base);
}

static double
measure_us(const struct kind *kinds)
{
	struct poster *poster = calloc(1, sizeof(*poster));
	struct tally tally = { 0 };
	struct wire *wire = wire_new();
	struct sink *sink = sink_new(wire, &tally, NULL);
	double us;
	pid_t child = fork();

	if (poster == NULL || child < 0)
		give_up("fork");
	while (child == 0)
		wire_turn(wire, -1);
	poster->kinds = kinds;
	post_all(poster, sink_upstream_port(sink));
	us = (double)(poster->ended_us - poster->begun_us) / FLOOR_JOBS;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	free(poster);
	return 2 * us;
}

double
floor_post_us(void)
{
	return measure_us(bare);
}

double
floor_post_as_sent_us(void)
{
	return measure_us(as_sent);
}
