/* loop.c - one event_base, one mailbox, one log, one thread.
 *
 * 1. The base has no locks (EVENT_BASE_FLAG_NOLOCK): no other thread may touch
 *    it. What others want of the loop they post; the eventfd of the mailbox is
 *    the only thing that wakes it from outside.
 * 2. A turn is: flush the log, wait, run what is ready. The clocks are read at
 *    most once a turn, after the wait, by the first who asks.
 * 3. A timer never fires early as seen through loop_mono_ms, although libevent
 *    counts in a coarser clock (CLOCK_MONOTONIC_COARSE, steps of 4 ms).
 * 4. The heartbeat brings an idle loop round every HEARTBEAT_MS, so that long
 *    silence means a stuck callback and nothing else.
 * 5. While mail is held back the loop does not wait: after a turn that adds
 *    nothing to the bundle it is served here (loop_on_idle), or else posted.
 * 6. What is posted to a loop while it serves is opened at the end of the turn,
 *    without a wake-up; unless other mail waits, which it shall not overtake.
 * 7. loop_stop only posts and sets a flag, which is never taken back: a loop
 *    stopped before it runs does not run.
 *
 * Thread: see loop.h.
 */
#include "callbackd/loop.h"

#include <assert.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/clock.h"
#include "callbackd/reserve.h"

enum {
	HEARTBEAT_MS = 1000,
	BUNDLE_MAX = 64,      /* messages, and */
	BUNDLE_MAX_TURNS = 4, /* that are held back for company */
	MAIL_LIMIT = 16384 /* offers that may wait; answers are not bounded */
};

#define LONGEST_TIMER_MS (INT64_C(36525) * 86400000) /* 100 years */

/* A signal that this loop listens to. */
struct signal_watch {
	struct signal_watch *next;
	struct event *event;
	int signal_number;
	void (*fire)(int signal_number, void *arg);
	void *arg;
};

struct loop {
	unsigned index;
	void *room;
	struct event_base *base;
	struct mailbox *box;
	struct log *log;
	struct event *mail_event;
	struct event *heartbeat;
	struct signal_watch *signals;
	unsigned timer_count;
	unsigned watch_count;

	struct mailbox *bundle_to; /* whom the bundle is for */
	struct mail_list bundle;   /* sent, not yet posted */
	int bundle_turns;          /* since its first */
	struct mailbox *served;    /* see loop_on_idle, all three */
	loop_serve *serve;
	void *serve_arg;
	struct mail_list answers; /* of serve, to this loop */

	pthread_t thread;
	bool has_thread;
	bool in_turn; /* the moments below are those of this turn */
	bool moments_known;
	int64_t wall_ms;
	int64_t mono_ms;

	/* Shared with other threads: */
	atomic_bool stopped;
	_Atomic int64_t came_round_mono_ms;
	struct mail stop_mail; /* posted once, by whoever sets stopped */
};

/* The one of this thread, while it serves. */
static _Thread_local struct loop *serving;

struct loop_timer {
	struct loop *loop;
	struct event *event;
	int64_t due_mono_ms;
	void (*fire)(void *arg);
	void *arg;
};

struct loop_watch {
	struct loop *loop;
	struct event *event;
	void (*fire)(void *arg);
	void *arg;
};

/* ---- libevent as a whole ---- */

static void
libevent_log_cb(int severity, const char *message)
{
	enum log_level level = LOG_LEVEL_INFO;

	if (severity == EVENT_LOG_DEBUG)
		return; /* every event_add: of no use to anybody */
	if (severity == EVENT_LOG_WARN)
		level = LOG_LEVEL_WARN;
	if (severity == EVENT_LOG_ERR)
		level = LOG_LEVEL_ERROR;
	log_direct(level, "libevent", message);
}

/* libevent has lost its own invariants and has said so to the log. Its default
 * is exit(1), which would run destructors under live threads. */
static void
libevent_fatal_cb(int code)
{
	(void)code;
	abort();
}

void
loop_library_init(void)
{
	event_set_mem_functions(reserve_malloc, reserve_realloc, reserve_free);
	event_set_log_callback(libevent_log_cb);
	event_set_fatal_callback(libevent_fatal_cb);
}

/* ---- moments ---- */

static struct timeval
timeval_of_ms(int64_t ms)
{
	struct timeval tv;

	tv.tv_sec = (time_t)(ms / 1000);
	tv.tv_usec = (suseconds_t)(ms % 1000 * 1000);
	return tv;
}

/* Outside of a turn nothing tells when a cached moment grows old. */
static void
read_moments(struct loop *loop)
{
	if (loop->in_turn && loop->moments_known)
		return;
	loop->wall_ms = clock_wall_ms();
	loop->mono_ms = clock_mono_ms();
	loop->moments_known = true;
}

int64_t
loop_wall_ms(struct loop *loop)
{
	read_moments(loop);
	return loop->wall_ms;
}

int64_t
loop_mono_ms(struct loop *loop)
{
	read_moments(loop);
	return loop->mono_ms;
}

static void
mark_round(struct loop *loop)
{
	atomic_store_explicit(&loop->came_round_mono_ms, clock_mono_ms(),
	    memory_order_relaxed);
}

int64_t
loop_silent_ms(struct loop *loop)
{
	int64_t silent = clock_mono_ms() -
	    atomic_load_explicit(&loop->came_round_mono_ms,
		memory_order_relaxed);

	return silent > 0 ? silent : 0;
}

/* ---- mail ---- */

static void
open_list(struct loop *loop, struct mail_list list)
{
	struct mail *mail;

	while ((mail = mail_list_take(&list)) != NULL)
		mail->open(mail, loop->room);
}

static void
mail_cb(evutil_socket_t fd, short what, void *arg)
{
	struct loop *loop = arg;

	(void)fd;
	(void)what;
	open_list(loop, mailbox_take(loop->box));
}

/* What a message that only wakes does. */
static void
open_nothing(struct mail *mail, void *room)
{
	(void)mail;
	(void)room;
}

static void
heartbeat_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg; /* coming round is all it is for */
}

bool
loop_offer(struct loop *loop, struct mail *mail)
{
	return mailbox_offer(loop->box, mail);
}

void
loop_post(struct loop *loop, struct mail *mail)
{
	mailbox_post(loop->box, mail);
}

void
loop_post_list(struct loop *loop, struct mail_list *list)
{
	if (loop == serving && mailbox_is_empty(loop->box))
		mail_list_move(&loop->answers, list);
	else
		mailbox_post_list(loop->box, list);
}

static void
post_bundle(struct loop *loop)
{
	if (loop->bundle.count > 0)
		mailbox_post_list(loop->bundle_to, &loop->bundle);
	loop->bundle_turns = 0;
}

void
loop_on_idle(struct loop *loop, struct mailbox *to, loop_serve *serve,
    void *arg)
{
	loop->served = to;
	loop->serve = serve;
	loop->serve_arg = arg;
}

static bool
serve_bundle(struct loop *loop)
{
	struct mail_list answers;
	bool is_served;

	if (loop->bundle.count == 0 || loop->bundle_to != loop->served)
		return false;
	serving = loop;
	is_served = loop->serve(&loop->bundle, loop->serve_arg);
	serving = NULL;
	if (!is_served)
		return false;
	answers = loop->answers;
	loop->answers = (struct mail_list){ 0 };
	loop->bundle_turns = 0;
	loop->moments_known = false; /* to serve takes time */
	open_list(loop, answers);
	return true;
}

/* It has waited for company, and there is none. */
static void
send_off_bundle(struct loop *loop)
{
	if (!serve_bundle(loop))
		post_bundle(loop);
}

void
loop_send(struct loop *loop, struct mailbox *to, struct mail *mail)
{
	if (!loop->in_turn) {
		mailbox_post(to, mail);
		return;
	}
	if (loop->bundle_to != to)
		post_bundle(loop);
	loop->bundle_to = to;
	mail_list_add(&loop->bundle, mail);
}

bool
loop_send_offer(struct loop *loop, struct mailbox *to, struct mail *mail)
{
	if (!mailbox_has_room(to, loop->bundle.count + 1))
		return false;
	loop_send(loop, to, mail);
	return true;
}

/* ---- birth and death ---- */

/* No locks: a loop is its own thread's. Not EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST:
 * it hands changes to the kernel later, when a descriptor that was closed may be
 * another thread's under the same number. What it would save per request,
 * http_conn.c and pool.c save by staying registered. */
static struct event_base *
base_new(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config == NULL)
		return NULL;
	if (event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0)
		base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

/* The two events every loop has. */
static bool
add_own_events(struct loop *loop)
{
	struct timeval beat = timeval_of_ms(HEARTBEAT_MS);

	loop->mail_event = event_new(loop->base, mailbox_fd(loop->box),
	    EV_READ | EV_PERSIST, mail_cb, loop);
	loop->heartbeat = event_new(loop->base, -1, EV_PERSIST, heartbeat_cb,
	    loop);
	return loop->mail_event != NULL && loop->heartbeat != NULL &&
	    event_add(loop->mail_event, NULL) == 0 &&
	    event_add(loop->heartbeat, &beat) == 0;
}

struct loop *
loop_new(unsigned index, void *room)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (loop == NULL)
		return NULL;
	loop->index = index;
	loop->room = room;
	loop->stop_mail.open = open_nothing;
	atomic_init(&loop->stopped, false);
	atomic_init(&loop->came_round_mono_ms, clock_mono_ms());
	loop->base = base_new();
	loop->box = mailbox_new(MAIL_LIMIT);
	loop->log = log_new();
	if (loop->base == NULL || loop->box == NULL || loop->log == NULL ||
	    !add_own_events(loop))
		loop_free(&loop);
	return loop;
}

static void
free_event(struct event *event)
{
	if (event != NULL)
		event_free(event);
}

static void
free_signals(struct loop *loop)
{
	while (loop->signals != NULL) {
		struct signal_watch *watch = loop->signals;

		loop->signals = watch->next;
		free_event(watch->event);
		free(watch);
	}
}

/* Opening a message may post the next one here, so until nothing comes. */
void
loop_open_leftovers(struct loop *loop)
{
	struct mail_list list;

	assert(!loop->has_thread && !loop->in_turn);
	while ((list = mailbox_take(loop->box)).first != NULL)
		open_list(loop, list);
}

void
loop_free(struct loop **loop)
{
	struct loop *old = *loop;

	*loop = NULL;
	if (old == NULL)
		return;
	if (old->box != NULL)
		loop_open_leftovers(old);
	assert(old->timer_count == 0 && old->watch_count == 0);
	free_signals(old);
	free_event(old->heartbeat);
	free_event(old->mail_event);
	if (old->base != NULL)
		event_base_free(old->base);
	mailbox_free(&old->box);
	log_free(&old->log);
	free(old);
}

/* ---- running ---- */

static bool
is_stopped(struct loop *loop)
{
	return atomic_load_explicit(&loop->stopped, memory_order_acquire);
}

static void
take_turn(struct loop *loop)
{
	size_t held = loop->bundle.count;
	int rc;

	log_flush(loop->log);
	mark_round(loop);
	loop->moments_known = false;
	rc = event_base_loop(loop->base,
	    EVLOOP_ONCE | (held > 0 ? EVLOOP_NONBLOCK : 0));
	assert(rc == 0); /* 1: no events, but there are two always */
	if (loop->bundle.count == held)
		send_off_bundle(loop);
	else if (loop->bundle.count >= BUNDLE_MAX ||
	    ++loop->bundle_turns >= BUNDLE_MAX_TURNS)
		post_bundle(loop);
}

void
loop_run(struct loop *loop)
{
	assert(!loop->in_turn);
	loop->in_turn = true;
	while (!is_stopped(loop))
		take_turn(loop);
	post_bundle(loop);
	loop->in_turn = false;
	log_flush(loop->log);
}

static void *
run_thread(void *arg)
{
	loop_run(arg);
	reserve_leave_thread();
	return NULL;
}

/* Signals are for the main thread, but those that mean a bug right here. */
static void
block_signals(sigset_t *before_out)
{
	static const int ours[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT,
		SIGTRAP, SIGSYS };
	sigset_t set;

	sigfillset(&set);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		sigdelset(&set, ours[i]);
	pthread_sigmask(SIG_SETMASK, &set, before_out);
}

bool
loop_start(struct loop *loop)
{
	char name[16];
	sigset_t before;
	int rc;

	assert(!loop->has_thread);
	block_signals(&before);
	rc = pthread_create(&loop->thread, NULL, run_thread, loop);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0)
		return false;
	loop->has_thread = true;
	snprintf(name, sizeof(name), "loop-%u", loop->index);
	pthread_setname_np(loop->thread, name);
	return true;
}

void
loop_stop(struct loop *loop)
{
	if (!atomic_exchange_explicit(&loop->stopped, true,
		memory_order_acq_rel))
		mailbox_post(loop->box, &loop->stop_mail);
}

void
loop_join(struct loop *loop)
{
	int rc;

	assert(loop->has_thread);
	rc = pthread_join(loop->thread, NULL);
	assert(rc == 0);
	loop->has_thread = false;
}

unsigned
loop_index(const struct loop *loop)
{
	return loop->index;
}

struct log *
loop_log(struct loop *loop)
{
	return loop->log;
}

struct event_base *
loop_base(struct loop *loop)
{
	return loop->base;
}

/* ---- timers ---- */

static void
wait_for_timer(struct loop_timer *timer, int64_t after_ms)
{
	struct timeval tv = timeval_of_ms(after_ms);
	int rc = event_add(timer->event, &tv);

	/* Fails only when the heap of timers cannot grow. To forget a timer is
	 * to forget a promise; to die is not, what counts is in the store. */
	assert(rc == 0);
}

static void
timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *timer = arg;
	int64_t left_ms = timer->due_mono_ms - loop_mono_ms(timer->loop);

	(void)fd;
	(void)what;
	if (left_ms > 0)
		wait_for_timer(timer, left_ms);
	else
		timer->fire(timer->arg); /* may free the timer */
}

struct loop_timer *
loop_timer_new(struct loop *loop, void (*fire)(void *arg), void *arg)
{
	struct loop_timer *timer = calloc(1, sizeof(*timer));

	if (timer == NULL)
		return NULL;
	timer->loop = loop;
	timer->fire = fire;
	timer->arg = arg;
	timer->event = evtimer_new(loop->base, timer_cb, timer);
	if (timer->event == NULL) {
		free(timer);
		return NULL;
	}
	loop->timer_count++;
	return timer;
}

void
loop_timer_set(struct loop_timer *timer, int64_t after_ms)
{
	if (after_ms < 0)
		after_ms = 0;
	if (after_ms > LONGEST_TIMER_MS)
		after_ms = LONGEST_TIMER_MS;
	timer->due_mono_ms = loop_mono_ms(timer->loop) + after_ms;
	wait_for_timer(timer, after_ms);
}

void
loop_timer_stop(struct loop_timer *timer)
{
	event_del(timer->event);
}

void
loop_timer_free(struct loop_timer **timer)
{
	struct loop_timer *old = *timer;

	*timer = NULL;
	if (old == NULL)
		return;
	event_free(old->event);
	old->loop->timer_count--;
	free(old);
}

/* ---- descriptors ---- */

static void
watch_cb(evutil_socket_t fd, short what, void *arg)
{
	struct loop_watch *watch = arg;

	(void)fd;
	(void)what;
	watch->fire(watch->arg); /* may free the watch */
}

struct loop_watch *
loop_watch_new(struct loop *loop, int fd, enum loop_wish wish,
    void (*fire)(void *arg), void *arg)
{
	struct loop_watch *watch = calloc(1, sizeof(*watch));
	short what = wish == LOOP_WISH_READ ? EV_READ : EV_WRITE;

	if (watch == NULL)
		return NULL;
	watch->loop = loop;
	watch->fire = fire;
	watch->arg = arg;
	watch->event = event_new(loop->base, fd, (short)(what | EV_PERSIST),
	    watch_cb, watch);
	if (watch->event == NULL || event_add(watch->event, NULL) != 0) {
		free_event(watch->event);
		free(watch);
		return NULL;
	}
	loop->watch_count++;
	return watch;
}

void
loop_watch_free(struct loop_watch **watch)
{
	struct loop_watch *old = *watch;

	*watch = NULL;
	if (old == NULL)
		return;
	event_free(old->event);
	old->loop->watch_count--;
	free(old);
}

/* ---- signals ---- */

static void
signal_cb(evutil_socket_t number, short what, void *arg)
{
	struct signal_watch *watch = arg;

	(void)what;
	watch->fire((int)number, watch->arg);
}

bool
loop_on_signal(struct loop *loop, int signal_number,
    void (*fire)(int signal_number, void *arg), void *arg)
{
	struct signal_watch *watch = calloc(1, sizeof(*watch));

	if (watch == NULL)
		return false;
	watch->signal_number = signal_number;
	watch->fire = fire;
	watch->arg = arg;
	watch->event = evsignal_new(loop->base, signal_number, signal_cb,
	    watch);
	if (watch->event == NULL || event_add(watch->event, NULL) != 0) {
		free_event(watch->event);
		free(watch);
		return false;
	}
	watch->next = loop->signals;
	loop->signals = watch;
	return true;
}
