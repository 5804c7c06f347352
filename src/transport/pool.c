/* pool.c - libcurl's multi interface on the loop's event_base.
 *
 * 1. Watches are lazy. libcurl takes its interest in a descriptor back after
 *    every exchange and states it again with the next; answering each with an
 *    epoll_ctl costs a fifth of a transfer. The event of a kept connection
 *    stays registered until its socket is closed, or until it fires with
 *    nobody waiting (the peer has closed): then it is taken out, or the loop
 *    would spin.
 * 2. Only a connection that has carried a request is treated so. libcurl 7.88
 *    closes others (a lost race of two addresses, a cancelled connect, the
 *    resolver's wake-up pair) without asking pool_close_socket_cb, so their
 *    events must go when libcurl says so.
 * 3. For the same reason a new socket may get the number of one that we still
 *    believe to watch, while libcurl sees no change to tell us about. So its
 *    event is registered anew when the number comes back.
 * 4. libcurl may keep twice as many connections as are in use. With fewer it
 *    closes and opens one for each exchange, at five times the cost.
 * 5. TLS sessions are of the pool. Of a handle's own, another handle that
 *    connects to the same server knows nothing, and 2.5 KB of memory are set
 *    aside for them though it may never speak TLS.
 * 6. libcurl is never entered from its own callbacks; done() runs outside.
 *
 * Second home of event2/event.h, for descriptors; timers are the loop's.
 *
 * Thread: the loop's.
 */
#include "transport.h"

#include <assert.h>
#include <event2/event.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	KEPT_MIN = 16,         /* connections worth keeping for a small pool */
	KEPT_PER_TRANSFER = 2, /* invariant 4 */
	WATCHES_MIN = 64
};

struct watch {
	struct transfer_pool *pool;
	struct event *event;
	curl_socket_t fd;
	short interest;     /* EV_READ, EV_WRITE */
	bool is_registered; /* with libevent */
	bool is_wanted;     /* by libcurl, now */
	bool has_carried;   /* a request went over it: invariant 2 */
};

/* ---- what has ended ---- */

static void
settle_ended(struct transfer_pool *pool)
{
	CURLMsg *message;
	int left;

	pool->settling = true;
	while ((message = curl_multi_info_read(pool->multi, &left)) != NULL) {
		CURLcode code = message->data.result;
		struct transfer *transfer;

		assert(message->msg == CURLMSG_DONE);
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE,
		    &transfer);
		transfer_settle(transfer, code);
	}
	pool->settling = false;
}

static void
act(struct transfer_pool *pool, curl_socket_t fd, int what)
{
	int running;

	curl_multi_socket_action(pool->multi, fd, what, &running);
	hush_end(); /* of one that ended before it was watched */
	settle_ended(pool);
}

/* ---- watches ---- */

static void
unregister(struct watch *watch)
{
	if (watch->is_registered)
		event_del(watch->event);
	watch->is_registered = false;
}

static void
ready_cb(evutil_socket_t fd, short what, void *arg)
{
	struct watch *watch = arg;
	int mask = 0;

	if (!watch->is_wanted) {
		unregister(watch);
		return;
	}
	if (what & EV_READ)
		mask |= CURL_CSELECT_IN;
	if (what & EV_WRITE)
		mask |= CURL_CSELECT_OUT;
	act(watch->pool, fd, mask);
}

static void
register_for(struct watch *watch, short interest)
{
	int rc;

	if (watch->is_registered && watch->interest == interest)
		return;
	unregister(watch);
	rc = event_assign(watch->event, loop_base(watch->pool->loop), watch->fd,
	    (short)(interest | EV_PERSIST), ready_cb, watch);
	assert(rc == 0);
	watch->interest = interest;
	watch->is_registered = event_add(watch->event, NULL) == 0;
}

static struct watch *
find_watch(const struct transfer_pool *pool, curl_socket_t fd)
{
	if (fd < 0 || (size_t)fd >= pool->watch_count)
		return NULL;
	return pool->watches[fd];
}

static bool
make_room(struct transfer_pool *pool, size_t index)
{
	size_t count = pool->watch_count > 0 ? pool->watch_count : WATCHES_MIN;
	struct watch **watches;

	if (index < pool->watch_count)
		return true;
	while (count <= index)
		count *= 2;
	watches = realloc(pool->watches, count * sizeof(struct watch *));
	if (watches == NULL)
		return false;
	for (size_t i = pool->watch_count; i < count; i++)
		watches[i] = NULL;
	pool->watches = watches;
	pool->watch_count = count;
	return true;
}

/* Descriptors are small numbers that come back, and so does their watch. */
static struct watch *
watch_of(struct transfer_pool *pool, curl_socket_t fd)
{
	struct watch *watch = find_watch(pool, fd);

	if (watch != NULL)
		return watch;
	if (fd < 0 || !make_room(pool, (size_t)fd))
		return NULL;
	watch = calloc(1, sizeof(*watch));
	if (watch == NULL)
		return NULL;
	watch->pool = pool;
	watch->fd = fd;
	watch->event = event_new(loop_base(pool->loop), fd, EV_READ, ready_cb,
	    watch);
	if (watch->event == NULL) {
		free(watch);
		return NULL;
	}
	pool->watches[fd] = watch;
	return watch;
}

static void
release(struct watch *watch)
{
	watch->is_wanted = false;
	if (!watch->has_carried)
		unregister(watch);
}

/* True when the transfer behind an easy handle has begun to send. Handles of
 * libcurl's own have no transfer. */
static bool
is_sending(CURL *easy)
{
	struct transfer *transfer = NULL;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
	return transfer != NULL && transfer->sent_count > 0;
}

static void
want(struct transfer_pool *pool, CURL *easy, curl_socket_t fd, int what)
{
	struct watch *watch = watch_of(pool, fd);
	short interest = 0;

	if (watch == NULL)
		return; /* out of memory: a deadline ends the transfer */
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		interest |= EV_READ;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		interest |= EV_WRITE;
	watch->is_wanted = true;
	if (is_sending(easy))
		watch->has_carried = true;
	register_for(watch, interest);
}

static int
interest_cb(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
	struct transfer_pool *pool = arg;
	struct watch *watch;

	(void)unused;
	hush_end();
	if (what != CURL_POLL_REMOVE) {
		want(pool, easy, fd, what);
		return 0;
	}
	watch = find_watch(pool, fd);
	if (watch != NULL)
		release(watch);
	return 0;
}

curl_socket_t
pool_open_socket(struct transfer_pool *pool,
    const struct curl_sockaddr *address)
{
	/* CLOEXEC: commands that we run must not inherit connections. */
	curl_socket_t fd = socket(address->family,
	    address->socktype | SOCK_CLOEXEC, address->protocol);
	struct watch *watch;

	if (fd < 0)
		return CURL_SOCKET_BAD;
	watch = find_watch(pool, fd);
	if (watch == NULL)
		return fd;
	watch->has_carried = false;
	if (watch->is_registered) { /* invariant 3 */
		unregister(watch);
		register_for(watch, watch->interest);
	}
	return fd;
}

int
pool_close_socket_cb(void *arg, curl_socket_t fd)
{
	struct watch *watch = find_watch(arg, fd);

	if (watch != NULL) {
		unregister(watch);
		watch->is_wanted = false;
		watch->has_carried = false;
	}
	return close(fd);
}

/* ---- libcurl's clock ---- */

static void
time_cb(void *arg)
{
	act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int
set_timer_cb(CURLM *multi, long after_ms, void *arg)
{
	struct transfer_pool *pool = arg;

	(void)multi;
	if (after_ms < 0)
		loop_timer_stop(pool->timer);
	else
		loop_timer_set(pool->timer, after_ms);
	return 0;
}

/* ---- transfers come and go ---- */

static void
keep_at_least(struct transfer_pool *pool, unsigned transfers)
{
	unsigned kept = transfers < KEPT_MIN / KEPT_PER_TRANSFER
	    ? KEPT_MIN
	    : transfers * KEPT_PER_TRANSFER;

	if (kept <= pool->kept_max)
		return;
	pool->kept_max = kept;
	curl_multi_setopt(pool->multi, CURLMOPT_MAXCONNECTS, (long)kept);
}

bool
pool_add(struct transfer *transfer)
{
	struct transfer_pool *pool = transfer->pool;

	/* More under way than was said: grow by half, not one by one. */
	if ((pool->under_way + 1) * KEPT_PER_TRANSFER > pool->kept_max)
		keep_at_least(pool, pool->under_way + pool->under_way / 2 + 1);
	if (curl_multi_add_handle(pool->multi, transfer->easy) != CURLM_OK)
		return false;
	pool->under_way++;
	return true;
}

void
pool_remove(struct transfer *transfer)
{
	struct transfer_pool *pool = transfer->pool;
	CURLMcode rc = curl_multi_remove_handle(pool->multi, transfer->easy);

	assert(rc == CURLM_OK); /* else: called from libcurl's callback */
	pool->under_way--;
}

/* ---- birth and death ---- */

static bool
make_multi(struct transfer_pool *pool)
{
	CURLM *multi = curl_multi_init();

	pool->multi = multi;
	pool->share = curl_share_init();
	return multi != NULL && pool->share != NULL &&
	    curl_share_setopt(pool->share, CURLSHOPT_SHARE,
		CURL_LOCK_DATA_SSL_SESSION) == CURLSHE_OK &&
	    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, interest_cb) ==
	    CURLM_OK &&
	    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, pool) == CURLM_OK &&
	    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer_cb) ==
	    CURLM_OK &&
	    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, pool) == CURLM_OK &&
	    curl_multi_setopt(multi, CURLMOPT_PIPELINING,
		(long)CURLPIPE_NOTHING) == CURLM_OK;
}

struct transfer_pool *
transfer_pool_new(struct loop *loop, unsigned in_flight_max)
{
	struct transfer_pool *pool = calloc(1, sizeof(*pool));

	if (pool == NULL)
		return NULL;
	pool->loop = loop;
	pool->timer = loop_timer_new(loop, time_cb, pool);
	if (pool->timer == NULL || !make_multi(pool)) {
		transfer_pool_free(&pool);
		return NULL;
	}
	assert(in_flight_max < INT_MAX / KEPT_PER_TRANSFER);
	keep_at_least(pool, in_flight_max);
	return pool;
}

static void
free_watches(struct transfer_pool *pool)
{
	for (size_t i = 0; i < pool->watch_count; i++) {
		if (pool->watches[i] == NULL)
			continue;
		event_free(pool->watches[i]->event);
		free(pool->watches[i]);
	}
	free(pool->watches);
}

void
transfer_pool_free(struct transfer_pool **pool)
{
	struct transfer_pool *old = *pool;

	*pool = NULL;
	if (old == NULL)
		return;
	assert(old->under_way == 0 && !old->settling);
	while (old->stock != NULL) {
		struct transfer *transfer = old->stock;

		old->stock = transfer->next;
		transfer_free(transfer);
	}
	curl_multi_cleanup(old->multi); /* closes what was kept */
	curl_share_cleanup(old->share);
	free_watches(old);
	loop_timer_free(&old->timer);
	free(old);
}
