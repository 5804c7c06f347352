/* watchers.c - the open streams of one loop: telling, heartbeats, ends.
 *
 *  1. A watcher is in `all` until it is freed; in `paced`, in a watched, or in
 *     neither.
 *  2. A write never frees a watcher: one whose peer is gone or slow hears so in
 *     a turn of its own (gone_cb), and is ended then.
 *  3. Who is told is known to the ledger, unless the job has ended or the ledger
 *     has cut this loop: it then has forgotten all of them by itself.
 *
 * Thread: its loop's.
 */
#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "watch.h"

#define SLOW_BYTES (256 << 10) /* a reader for whom more waits is cut */
#define PACE_BYTES (64 << 10)  /* more is asked for when less waits */
#define PACE_MS 20
#define BEATS_A_TURN 256 /* some ms */

/* ---- events as text ---- */

bool
event_text_make(struct event_text *out, const struct api *api,
    const struct event_mark *mark, const struct job *job,
    const struct delivery *delivery, const struct document_facts *facts)
{
	struct document_facts shown = *facts;
	bool good;

	shown.public_url = api->conf->public_url;
	buf_init(&out->text, DOCUMENT_MAX_BYTES);
	buf_printf(&out->text, "id: %" PRId64 "-%" PRIx64 "\n", mark->id,
	    mark->version);
	buf_printf(&out->text, "event: job.%s\ndata: ",
	    mark->is_progress ? "progress" : job_status_name(job->status));
	out->document_at = out->text.len;
	good = document_text(&out->text, job, delivery, &shown);
	out->document_len = out->text.len - out->document_at;
	buf_puts(&out->text, "\n\n");
	return good && !buf_failed(&out->text);
}

void
event_text_free(struct event_text *text)
{
	buf_free(&text->text);
}

/* ---- who is told of what ---- */

static int
compare_watched(const void *a, const void *b)
{
	int64_t left = ((const struct watched *)a)->job_seq;
	int64_t right = ((const struct watched *)b)->job_seq;

	return (left > right) - (left < right);
}

static struct watched *
find_watched(const struct watchers *watchers, int64_t seq)
{
	const struct watched key = { .job_seq = seq };
	struct watched **found;

	if (watchers->jobs == NULL)
		return NULL;
	found = tfind(&key, &watchers->jobs, compare_watched);
	return found != NULL ? *found : NULL;
}

static struct watched *
find_or_add_watched(struct watchers *watchers, int64_t seq)
{
	struct watched *watched = find_watched(watchers, seq);

	if (watched != NULL)
		return watched;
	watched = calloc(1, sizeof(*watched));
	if (watched == NULL)
		return NULL;
	watched->job_seq = seq;
	TAILQ_INIT(&watched->watchers);
	if (tsearch(watched, &watchers->jobs, compare_watched) != NULL)
		return watched;
	free(watched);
	return NULL;
}

/* Without memory the stream ends: its client comes back. */
void
watcher_join(struct watcher *watcher)
{
	struct watchers *watchers = watcher->watchers;
	struct watched *watched = &watchers->wide;

	if (uuid_is_set(watcher->job))
		watched = find_or_add_watched(watchers, watcher->job.seq);
	if (watched == NULL) {
		watcher_unwatch(watcher);
		watcher_end(watcher, WEBSOCKET_TRY_LATER);
		return;
	}
	watcher->watched = watched;
	TAILQ_INSERT_TAIL(&watched->watchers, watcher, link);
}

static void
leave_watched(struct watcher *watcher)
{
	struct watchers *watchers = watcher->watchers;
	struct watched *watched = watcher->watched;

	watcher->watched = NULL;
	TAILQ_REMOVE(&watched->watchers, watcher, link);
	if (watched == &watchers->wide || !TAILQ_EMPTY(&watched->watchers))
		return;
	tdelete(watched, &watchers->jobs, compare_watched);
	free(watched);
}

void
watcher_unwatch(const struct watcher *watcher)
{
	const struct watchers *watchers = watcher->watchers;

	if (watchers->api->is_abandoned)
		return;
	ledger_unwatch(watchers->api->ledger, &watchers->room, watcher->job.seq,
	    watcher->client, watcher->queue, watcher->upto_id);
}

/* ---- one watcher ---- */

static void
silent_since_now(struct watcher *watcher)
{
	struct watchers *watchers = watcher->watchers;

	watcher->wrote_mono_ms = loop_mono_ms(watchers->api->loop);
	TAILQ_REMOVE(&watchers->all, watcher, beat);
	TAILQ_INSERT_TAIL(&watchers->all, watcher, beat);
}

bool
watcher_is_open(const struct watcher *watcher)
{
	return watcher->exchange != NULL || watcher->socket != NULL;
}

void
watcher_write(struct watcher *watcher, const struct event_text *text,
    size_t limit_bytes)
{
	const char *bytes = text->text.data;
	bool is_written;

	if (watcher->socket != NULL)
		is_written = websocket_send(watcher->socket,
		    bytes + text->document_at, text->document_len, limit_bytes);
	else
		is_written = http_stream_write(watcher->exchange, bytes,
		    text->text.len, limit_bytes);
	if (is_written)
		silent_since_now(watcher);
}

void
watcher_say(struct watcher *watcher, const char *text)
{
	if (watcher->socket == NULL &&
	    http_stream_write(watcher->exchange, text, strlen(text),
		SLOW_BYTES))
		silent_since_now(watcher);
}

struct watcher *
watcher_new(struct call *call, const char *queue)
{
	struct watchers *watchers = call->api->watchers;
	struct watcher *watcher = calloc(1, sizeof(*watcher));

	if (watcher == NULL)
		return NULL;
	watcher->watchers = watchers;
	watcher->exchange = call->exchange;
	call->exchange = NULL;
	memcpy(watcher->client, call->client, sizeof(watcher->client));
	memcpy(watcher->queue, queue, strlen(queue) + 1);
	watcher->upto_id = -1;
	watcher->wrote_mono_ms = loop_mono_ms(call->api->loop);
	TAILQ_INSERT_TAIL(&watchers->all, watcher, beat);
	if (!watchers->is_beating)
		loop_timer_set(watchers->beat_timer, watchers->heartbeat_ms);
	watchers->is_beating = true;
	return watcher;
}

void
watcher_free(struct watcher *watcher)
{
	TAILQ_REMOVE(&watcher->watchers->all, watcher, beat);
	free(watcher);
}

/* Out of the lists; the ledger is told if it has to know. */
static void
stop_telling(struct watcher *watcher)
{
	if (watcher->is_paced)
		TAILQ_REMOVE(&watcher->watchers->paced, watcher, link);
	watcher->is_paced = false;
	if (watcher->watched == NULL)
		return;
	leave_watched(watcher);
	watcher_unwatch(watcher);
}

void
watcher_end(struct watcher *watcher, int code)
{
	stop_telling(watcher);
	if (watcher->socket != NULL)
		websocket_close(&watcher->socket, code);
	else if (watcher->exchange != NULL && watcher->has_begun)
		http_stream_end(&watcher->exchange);
	if (!watcher->is_asking)
		watcher_free(watcher);
}

static void
gone_cb(void *arg)
{
	watcher_end(arg, WEBSOCKET_NORMAL);
}

static void
begin_stream(struct watcher *watcher)
{
	struct headers headers;
	const struct http_reply head = {
		.status = 200,
		.content_type = "text/event-stream",
		.headers = &headers,
	};

	headers_init(&headers);
	(void)headers_add(&headers, "Cache-Control", "no-store");
	(void)headers_add(&headers, "X-Accel-Buffering", "no");
	http_stream(watcher->exchange, &head, gone_cb, watcher);
	headers_free(&headers);
}

bool
watcher_begin(struct watcher *watcher)
{
	if (watcher->wants_socket)
		watcher->socket = websocket_take(&watcher->exchange, gone_cb,
		    watcher);
	else
		begin_stream(watcher);
	watcher->has_begun = !watcher->wants_socket || watcher->socket != NULL;
	return watcher->has_begun;
}

/* ---- telling ---- */

static bool
is_meant(const struct watcher *watcher, const struct job *job)
{
	return (watcher->queue[0] == '\0' ||
		   strcmp(watcher->queue, job->queue) == 0) &&
	    (watcher->client[0] == '\0' ||
		strcmp(watcher->client, job->client) == 0);
}

static void
tell_watched(const struct watched *watched, const struct notice *notice,
    const struct event_text *text)
{
	struct watcher *watcher;

	TAILQ_FOREACH (watcher, &watched->watchers, link) {
		if (notice->mark.id <= watcher->upto_id ||
		    !is_meant(watcher, &notice->job))
			continue;
		watcher_write(watcher, text, SLOW_BYTES + text->text.len);
	}
}

/* Streams of a job end with it. */
static void
end_watched(struct watchers *watchers, int64_t seq)
{
	struct watched *watched;

	while ((watched = find_watched(watchers, seq)) != NULL) {
		struct watcher *watcher = TAILQ_FIRST(&watched->watchers);

		leave_watched(watcher);
		watcher_end(watcher, WEBSOCKET_NORMAL);
	}
}

/* All who are told come back for what they have missed. */
static void
cut_all(struct watchers *watchers)
{
	struct watcher *watcher = TAILQ_FIRST(&watchers->all);

	while (watcher != NULL) {
		struct watcher *next = TAILQ_NEXT(watcher, beat);

		if (watcher->watched != NULL)
			watcher_end(watcher, WEBSOCKET_TRY_LATER);
		watcher = next;
	}
}

static void
tell(struct watchers *watchers, const struct notice *notice)
{
	const struct job *job = &notice->job;
	struct watched *watched = find_watched(watchers, job->id.seq);
	struct event_text text;

	if (event_text_make(&text, watchers->api, &notice->mark, job, NULL,
		&notice->facts)) {
		if (watched != NULL)
			tell_watched(watched, notice, &text);
		tell_watched(&watchers->wide, notice, &text);
	} else {
		cut_all(watchers);
	}
	event_text_free(&text);
	if (job_has_ended(job->status))
		end_watched(watchers, job->id.seq);
}

static void
tell_cb(const struct notice *notice, void *arg)
{
	if (notice->is_cut)
		cut_all(arg);
	else
		tell(arg, notice);
}

/* ---- timers ---- */

/* A comment, which clients do not show, or a ping: proxies and both ends see that
 * the connection lives. */
static void
beat(struct watcher *watcher)
{
	if (watcher->socket != NULL)
		(void)websocket_ping(watcher->socket, SLOW_BYTES);
	else if (watcher->has_begun && watcher->exchange != NULL)
		watcher_say(watcher, ":\n\n");
	if (watcher == TAILQ_FIRST(&watcher->watchers->all))
		silent_since_now(watcher); /* gone, or it has not begun */
}

static void
beat_cb(void *arg)
{
	struct watchers *watchers = arg;
	int64_t now_ms = loop_mono_ms(watchers->api->loop);
	struct watcher *watcher;
	int64_t left_ms;

	watchers->is_beating = false;
	for (int i = 0; i <= BEATS_A_TURN; i++) {
		watcher = TAILQ_FIRST(&watchers->all);
		if (watcher == NULL)
			return;
		left_ms = watcher->wrote_mono_ms + watchers->heartbeat_ms -
		    now_ms;
		if (left_ms > 0 || i == BEATS_A_TURN)
			break;
		beat(watcher);
	}
	watchers->is_beating = true;
	loop_timer_set(watchers->beat_timer, left_ms > 0 ? left_ms : 0);
}

static size_t
unsent(const struct watcher *watcher)
{
	return watcher->socket != NULL ? websocket_unsent(watcher->socket)
				       : http_stream_unsent(watcher->exchange);
}

void
watcher_pace(struct watcher *watcher)
{
	struct watchers *watchers = watcher->watchers;

	if (unsent(watcher) <= PACE_BYTES && watcher_ask(watcher))
		return;
	if (TAILQ_EMPTY(&watchers->paced))
		loop_timer_set(watchers->pace_timer, PACE_MS);
	watcher->is_paced = true;
	TAILQ_INSERT_TAIL(&watchers->paced, watcher, link);
}

static void
pace_cb(void *arg)
{
	struct watchers *watchers = arg;
	struct watcher_list paced = TAILQ_HEAD_INITIALIZER(paced);
	struct watcher *watcher;

	TAILQ_CONCAT(&paced, &watchers->paced, link);
	while ((watcher = TAILQ_FIRST(&paced)) != NULL) {
		TAILQ_REMOVE(&paced, watcher, link);
		watcher->is_paced = false;
		watcher_pace(watcher);
	}
}

/* ---- birth and death ---- */

struct watchers *
watchers_new(struct api *api, int64_t heartbeat_ms)
{
	struct watchers *watchers = calloc(1, sizeof(*watchers));

	if (watchers == NULL)
		return NULL;
	watchers->api = api;
	watchers->room.tell = tell_cb;
	watchers->room.arg = watchers;
	watchers->heartbeat_ms = heartbeat_ms;
	TAILQ_INIT(&watchers->all);
	TAILQ_INIT(&watchers->paced);
	TAILQ_INIT(&watchers->wide.watchers);
	watchers->beat_timer = loop_timer_new(api->loop, beat_cb, watchers);
	watchers->pace_timer = loop_timer_new(api->loop, pace_cb, watchers);
	if (watchers->beat_timer == NULL || watchers->pace_timer == NULL)
		watchers_free(&watchers);
	return watchers;
}

void
watchers_drain(struct watchers *watchers)
{
	struct watcher *watcher = TAILQ_FIRST(&watchers->all);

	while (watcher != NULL) {
		struct watcher *next = TAILQ_NEXT(watcher, beat);

		if (watcher->has_begun && watcher_is_open(watcher))
			watcher_end(watcher, WEBSOCKET_GOING_AWAY);
		watcher = next;
	}
}

void
watchers_free(struct watchers **watchers)
{
	struct watchers *old = *watchers;

	if (old == NULL)
		return;
	watchers_drain(old);
	loop_timer_free(&old->beat_timer);
	loop_timer_free(&old->pace_timer);
	free(old);
	*watchers = NULL;
}
