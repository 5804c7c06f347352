/* watch.h - what watch.c and watchers.c share: watchers of one loop.
 *
 *   asking ──► (answer) ──► told ──► ended
 *     ▲           │
 *     └── paced ◄─┘  there is more: asked for when most of this is sent
 *
 * Loop thread only.
 */
#ifndef CALLBACKD_API_WATCH_H
#define CALLBACKD_API_WATCH_H

#include <sys/queue.h>

#include "callbackd/websocket.h"
#include "inside.h"

TAILQ_HEAD(watcher_list, watcher);

/* Watchers that the ledger tells of the same job, or of all. */
struct watched {
	int64_t job_seq; /* 0: wide ones */
	struct watcher_list watchers;
};

struct watcher {
	TAILQ_ENTRY(watcher) beat; /* in all: longest silent first */
	TAILQ_ENTRY(watcher) link; /* in its watched, or in paced */
	struct watchers *watchers;
	struct watched *watched;        /* NULL: it is not told */
	struct http_exchange *exchange; /* until it is a socket */
	struct websocket *socket;       /* neither of them: it has ended */
	struct uuid job;                /* not set: all jobs */
	char client[NAME_SIZE];         /* "": any */
	char queue[NAME_SIZE];          /* the same */
	int64_t upto_id; /* it has seen all up to here; -1: nothing */
	uint64_t upto_version;
	int64_t wrote_mono_ms;
	bool wants_socket;
	bool is_asking; /* an order is under way */
	bool is_paced;
	bool has_begun; /* its head is sent */
};

struct watchers {
	struct api *api;
	struct watch_room room;
	struct watcher_list all;
	struct watcher_list paced;
	struct watched wide;
	void *jobs; /* tsearch(3) tree of struct watched */
	struct loop_timer *beat_timer;
	struct loop_timer *pace_timer;
	int64_t heartbeat_ms;
	bool is_beating; /* beat_timer is set */
};

/* An event as it is sent: text is that of a stream, the document a part of
 * it. */
struct event_text {
	struct buf text;
	size_t document_at;
	size_t document_len;
};
/* False: no memory. To be freed either way. */
bool event_text_make(struct event_text *out, const struct api *api,
    const struct event_mark *mark, const struct job *job,
    const struct delivery *delivery, const struct document_facts *facts);
void event_text_free(struct event_text *text);

/* ---- watchers.c ---- */

/* NULL: no memory. Takes the exchange then only. */
struct watcher *watcher_new(struct call *call, const char *queue);
bool watcher_is_open(const struct watcher *watcher);
/* Sends the head of its stream, or becomes a socket. False: it cannot be one,
 * and the exchange is still to be answered. */
bool watcher_begin(struct watcher *watcher);
/* limit_bytes: a reader for whom more waits is cut. */
void watcher_write(struct watcher *watcher, const struct event_text *text,
    size_t limit_bytes);
/* For streams only: sockets carry nothing but documents. */
void watcher_say(struct watcher *watcher, const char *text);
/* From now on it is told, as the ledger has been asked to. */
void watcher_join(struct watcher *watcher);
/* Asks again when its reader has taken most of what was sent. */
void watcher_pace(struct watcher *watcher);
/* Ends its stream in good order, or its socket with that code, and frees it; one
 * that is asking is freed with the answer. */
void watcher_end(struct watcher *watcher, int code);
void watcher_free(struct watcher *watcher);
/* Tells the ledger that nobody listens. */
void watcher_unwatch(const struct watcher *watcher);

/* ---- watch.c ---- */

/* False: there is no memory, or too many orders wait. */
bool watcher_ask(struct watcher *watcher);

#endif
