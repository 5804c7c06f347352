/* transfer_room.c - see transfer_room.h. */
#include "transfer_room.h"

#include <check.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct target_policy anybody = { .any_address = true };
const struct target_policy strict = { .any_address = false };

/* ---- a loop, a pool and what came of one transfer ---- */

struct loop *loop;
struct transfer_pool *pool;

void
open_room(void)
{
	ck_assert(transfer_library_init());
	loop = loop_new(0, NULL);
	pool = transfer_pool_new(loop, 8);
	ck_assert_ptr_nonnull(pool);
}

void
close_room(void)
{
	transfer_pool_free(&pool);
	loop_free(&loop);
	transfer_library_cleanup();
}

void
turn(void)
{
	ck_assert_int_eq(event_base_loop(loop_base(loop), EVLOOP_ONCE), 0);
}

void
take_outcome(struct transfer_result *result, void *arg)
{
	struct outcome *outcome = arg;

	ck_assert(!outcome->done);
	outcome->done = true;
	outcome->result = *result;
	result->answer = (struct payload){ 0 };
	result->content_type = NULL;
}

void
forget(struct outcome *outcome)
{
	payload_clear(&outcome->result.answer);
	free(outcome->result.content_type);
}

struct transfer_request
request_to(const char *url)
{
	return (struct transfer_request){ .method = "GET",
		.url = url,
		.connect_ms = LONG_MS,
		.total_ms = LONG_MS,
		.max_head_bytes = 65536,
		.max_body_bytes = 1024 * 1024,
		.keep_body = true,
		.policy = &anybody };
}

const char *
url_of(const struct peer *peer, const char *path)
{
	static char url[512];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", peer->port, path);
	return url;
}

void
wait_for(const struct outcome *outcome)
{
	while (!outcome->done)
		turn();
}

struct outcome
exchange(const struct transfer_request *request)
{
	struct outcome outcome = { 0 };

	ck_assert_ptr_nonnull(
	    transfer_start(pool, request, take_outcome, &outcome));
	wait_for(&outcome);
	return outcome;
}

void
ck_error(const struct outcome *outcome, enum job_error error, const char *name)
{
	ck_assert_msg(outcome->result.error == error, "%s: %s (%s), not %s",
	    name, job_error_name(outcome->result.error), outcome->result.detail,
	    job_error_name(error));
	if (error != ERROR_NONE)
		ck_assert_msg(outcome->result.detail[0] != '\0', "%s", name);
	else
		ck_assert_str_eq(outcome->result.detail, "");
}

const char *
body_of(const struct outcome *outcome)
{
	static char text[256];
	size_t len = blob_len(outcome->result.answer.body);

	ck_assert_uint_lt(len, sizeof(text));
	memcpy(text, blob_data(outcome->result.answer.body), len);
	text[len] = '\0';
	return text;
}

const char *
fields_of(const struct outcome *outcome)
{
	const char *text = outcome->result.answer.headers;

	return text != NULL ? text : "";
}

/* ---- scripts ---- */

/* Says arg after the first request, and hangs up. */
void
say_and_close(struct peer *peer, int fd)
{
	if (peer_read_request(peer, fd))
		peer_say(fd, peer->arg);
}

/* Says arg after each request, for as long as there are any. */
void
say_each(struct peer *peer, int fd)
{
	while (peer_read_request(peer, fd))
		if (!peer_say(fd, peer->arg))
			return;
}

/* Says arg after the first request, then waits for the other side to leave. */
void
say_and_wait(struct peer *peer, int fd)
{
	if (peer_read_request(peer, fd) && peer_say(fd, peer->arg))
		peer_wait_end(peer, fd);
}

const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
