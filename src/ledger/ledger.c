/* ledger.c - the thread that decides and writes down: its door, its loop, its
 * birth and death. What a turn does is in turn.c.
 *
 * The inbox refuses new orders only; ends of runs and posts always fit, since
 * their number is bounded by slots and windows.
 *
 * Thread: its own, or the one in a turn; ledger.h tells what is for any.
 */
#include "callbackd/ledger.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#include "callbackd/clock.h"
#include "inside.h"

#define IDLE_MS 60000 /* look around at least that often */

/* ---- mail in: each kind goes into its list of this turn ---- */

static void
order_open_cb(struct mail *mail, void *room)
{
	struct ledger *ledger = room;
	struct order *order = (struct order *)mail;

	switch (order->kind) {
	case ORDER_ACCEPT:
		mail_list_add(&ledger->accepts, mail);
		return;
	case ORDER_REDELIVER:
	case ORDER_CANCEL:
	case ORDER_RETRY:
	case ORDER_PAUSE:
		mail_list_add(&ledger->changes, mail);
		return;
	case ORDER_LEASE:
		consumer_arrives(ledger, order);
		return;
	case ORDER_END_LEASE:
	case ORDER_EXTEND:
	case ORDER_PROGRESS:
		mail_list_add(&ledger->lease_changes, mail);
		return;
	case ORDER_JOB:
	case ORDER_RESULT:
	case ORDER_JOBS:
	case ORDER_DELIVERIES:
	case ORDER_QUEUES:
	case ORDER_BOOKS:
	case ORDER_WATCH:
		mail_list_add(&ledger->reads, mail);
		return;
	}
}

static void
run_open_cb(struct mail *mail, void *room)
{
	struct ledger *ledger = room;

	mail_list_add(&ledger->runs, mail);
}

static void
post_open_cb(struct mail *mail, void *room)
{
	struct ledger *ledger = room;

	mail_list_add(&ledger->posts, mail);
}

static void
wake_open_cb(struct mail *mail, void *room)
{
	(void)mail;
	(void)room;
}

struct conf_mail {
	struct mail mail;
	struct conf *conf;
};

static void
conf_open_cb(struct mail *mail, void *room)
{
	struct ledger *ledger = room;
	struct conf_mail *news = (struct conf_mail *)mail;
	struct hosts_rules rules = hosts_rules_of(news->conf);

	if (sched_follow(ledger->sched, news->conf)) {
		hosts_follow(ledger->hosts, &rules);
		conf_unref(&ledger->conf);
		ledger->conf = conf_ref(news->conf);
	} else {
		log_event(ledger->log, LOG_LEVEL_ERROR, "reload_failed",
		    LOG_TEXT("why", "out of memory"));
	}
	conf_unref(&news->conf);
	free(news);
}

bool
ledger_ask(struct ledger *ledger, struct order *order)
{
	order->mail.open = order_open_cb;
	return loop_send_offer(order->from, ledger->inbox, &order->mail);
}

/* What the ledger will not need ends here, mostly on the thread that made it: a
 * free() on the other waits for the lock of this one's heap. */
void
ledger_run_ended(struct ledger *ledger, struct run *run)
{
	blob_unref(&run->request.body);
	run->mail.open = run_open_cb;
	loop_send(run->loop, ledger->inbox, &run->mail);
}

void
ledger_post_ended(struct ledger *ledger, struct post *post)
{
	payload_clear(&post->request);
	payload_clear(&post->response);
	post->mail.open = post_open_cb;
	loop_send(post->loop, ledger->inbox, &post->mail);
}

void
ledger_follow(struct ledger *ledger, struct conf *conf)
{
	struct conf_mail *news = calloc(1, sizeof(*news));

	if (news == NULL) {
		conf_unref(&conf);
		return;
	}
	news->mail.open = conf_open_cb;
	news->conf = conf;
	mailbox_post(ledger->inbox, &news->mail);
}

/* ---- the thread ---- */

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
due_of(const struct line *line)
{
	const struct line_item *item = line_first(line);

	return item != NULL ? item->rank : INT64_MAX;
}

int
idle_ms(struct ledger *ledger)
{
	int64_t due_ms = ledger->mono_ms + IDLE_MS;

	if (ledger->backlog.count > 0 || ledger->reads.count > 0)
		return 0;
	if (ledger->is_sick) {
		due_ms = ledger->heal_mono_ms;
	} else {
		if (!atomic_load(&ledger->is_draining)) {
			due_ms = earlier(due_ms,
			    sched_due_mono_ms(ledger->sched));
			due_ms = earlier(due_ms, due_of(ledger->due));
			due_ms = earlier(due_ms,
			    hosts_due_mono_ms(ledger->hosts));
		}
		if (ledger->unsettled_posts.count > 0)
			return 0;
		due_ms = earlier(due_ms, due_of(ledger->hold_ends));
		due_ms = earlier(due_ms, due_of(ledger->expiring));
		due_ms = earlier(due_ms, leases_due_mono_ms(ledger));
		due_ms = earlier(due_ms, consumers_due_mono_ms(ledger));
		due_ms = earlier(due_ms, ledger->purge_mono_ms);
	}
	due_ms -= clock_mono_ms();
	return due_ms < 0 ? 0 : (int)due_ms;
}

int
rest(struct ledger *ledger)
{
	int wait_ms = 0;

	if (mailbox_is_empty(ledger->inbox)) {
		log_flush(ledger->log);
		wait_ms = idle_ms(ledger);
	}
	atomic_store_explicit(&ledger->turn_began_ms, 0, memory_order_relaxed);
	return wait_ms;
}

static int
work(struct ledger *ledger)
{
	int wait_ms;

	pthread_mutex_lock(&ledger->turn_lock);
	(void)take_own_turn(ledger);
	wait_ms = rest(ledger);
	ledger->wakes_mono_ms = clock_mono_ms() + wait_ms;
	pthread_mutex_unlock(&ledger->turn_lock);
	return wait_ms;
}

static void
finish(struct ledger *ledger)
{
	pthread_mutex_lock(&ledger->turn_lock);
	while (take_own_turn(ledger) || ledger->reads.count > 0)
		continue;
	pthread_mutex_unlock(&ledger->turn_lock);
}

static void *
run_ledger(void *arg)
{
	struct ledger *ledger = arg;
	struct pollfd mail = { mailbox_fd(ledger->inbox), POLLIN, 0 };

	while (!atomic_load(&ledger->must_stop)) {
		int wait_ms = work(ledger);

		if (wait_ms > 0 && poll(&mail, 1, wait_ms) < 0)
			assert(errno == EINTR);
	}
	finish(ledger);
	return NULL;
}

/* ---- birth and death ---- */

static bool
make_rooms(struct ledger *ledger, const struct ledger_setup *setup)
{
	struct hosts_rules rules = hosts_rules_of(setup->conf);

	ledger->log = log_new();
	ledger->sched = sched_new();
	ledger->hosts = hosts_new(&rules);
	ledger->due = line_new();
	ledger->expiring = line_new();
	ledger->cancelled = line_new();
	ledger->holds = line_new();
	ledger->hold_ends = line_new();
	ledger->leases = leases_new();
	ledger->consumers = consumers_new();
	ledger->inbox = mailbox_new(setup->inbox_limit);
	ledger->outboxes = calloc(setup->hands_count,
	    sizeof(*ledger->outboxes));
	if (ledger->log == NULL || ledger->sched == NULL ||
	    ledger->hosts == NULL || ledger->due == NULL ||
	    ledger->expiring == NULL || ledger->cancelled == NULL ||
	    ledger->holds == NULL || ledger->hold_ends == NULL ||
	    ledger->leases == NULL || ledger->consumers == NULL ||
	    ledger->inbox == NULL || ledger->outboxes == NULL)
		return false;
	ledger->outbox_count = setup->hands_count;
	for (unsigned i = 0; i < setup->hands_count; i++)
		ledger->outboxes[i].loop = setup->hands[i]->loop;
	if (!make_audiences(ledger, setup))
		return false;
	return sched_follow(ledger->sched, setup->conf);
}

static void
free_rooms(struct ledger *ledger)
{
	store_close(&ledger->store);
	fresh_clear(&ledger->fresh);
	line_free(&ledger->due);
	line_free(&ledger->expiring);
	line_free(&ledger->cancelled);
	line_free(&ledger->holds);
	line_free(&ledger->hold_ends);
	leases_free(&ledger->leases);
	consumers_free(&ledger->consumers);
	hosts_free(&ledger->hosts);
	sched_free(&ledger->sched);
	mailbox_free(&ledger->inbox);
	log_free(&ledger->log);
	free_audiences(ledger);
	pthread_mutex_destroy(&ledger->turn_lock);
	free(ledger->outboxes);
	conf_unref(&ledger->conf);
	free(ledger);
}

struct ledger *
ledger_new(const struct ledger_setup *setup, struct reason *why_out)
{
	struct ledger *ledger = calloc(1, sizeof(*ledger));

	assert(setup->hands_count > 0);
	reason_set(why_out, "out of memory");
	if (ledger == NULL)
		return NULL;
	if (pthread_mutex_init(&ledger->turn_lock, NULL) != 0) {
		free(ledger);
		return NULL;
	}
	ledger->conf = conf_ref(setup->conf);
	ledger->metrics = setup->metrics;
	ledger->hands = setup->hands;
	ledger->hands_count = setup->hands_count;
	ledger->wake.open = wake_open_cb;
	ledger->drain_word.open = wake_open_cb;
	atomic_init(&ledger->is_well, true);
	ledger->mono_ms = clock_mono_ms();
	ledger->wall_ms = clock_wall_ms();
	ledger->wall_offset_ms = ledger->wall_ms - ledger->mono_ms;
	if (!make_rooms(ledger, setup))
		goto fail;
	ledger->store = store_open(setup->conf->store,
	    setup->conf->durability_full, why_out);
	if (ledger->store == NULL || !take_up_unfinished(ledger, why_out))
		goto fail;
	for (unsigned i = 0; i < setup->hands_count; i++)
		loop_on_idle(setup->hands[i]->loop, ledger->inbox,
		    serve_visitor, ledger);
	return ledger;

fail:
	free_rooms(ledger);
	return NULL;
}

bool
ledger_start(struct ledger *ledger)
{
	sigset_t all;
	sigset_t before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ledger->is_started = pthread_create(&ledger->thread, NULL, run_ledger,
				 ledger) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ledger->is_started;
}

void
ledger_drain(struct ledger *ledger)
{
	if (!atomic_exchange(&ledger->is_draining, true))
		mailbox_post(ledger->inbox, &ledger->drain_word);
}

static void
drop_run(struct ledger *ledger, struct mail *mail)
{
	struct run *run = (struct run *)mail;

	(void)ledger;
	run_free(&run);
}

static void
drop_post(struct ledger *ledger, struct mail *mail)
{
	struct post *post = (struct post *)mail;

	(void)ledger;
	post_free(&post);
}

void
ledger_stop(struct ledger **ledger)
{
	if (*ledger == NULL)
		return;
	atomic_store(&(*ledger)->is_draining, true);
	atomic_store(&(*ledger)->must_stop, true);
	if ((*ledger)->is_started) {
		mailbox_post((*ledger)->inbox, &(*ledger)->wake);
		pthread_join((*ledger)->thread, NULL);
	}
	/* What could not be written down the store still has as running or
	 * pending: the next start takes it up again. */
	empty(*ledger, &(*ledger)->unsettled_runs, drop_run);
	empty(*ledger, &(*ledger)->unsettled_posts, drop_post);
	leave_clock(*ledger);
	free_rooms(*ledger);
	*ledger = NULL;
}

int64_t
ledger_runs_under_way(const struct ledger *ledger)
{
	return atomic_load(&ledger->under_way[WORK_RUN]);
}

int64_t
ledger_posts_under_way(const struct ledger *ledger)
{
	return atomic_load(&ledger->under_way[WORK_POST]);
}

int64_t
ledger_consumers_waiting(const struct ledger *ledger)
{
	return atomic_load(&ledger->consumers_waiting);
}

bool
ledger_is_well(const struct ledger *ledger)
{
	return atomic_load(&ledger->is_well);
}

int64_t
ledger_silent_ms(const struct ledger *ledger)
{
	int64_t began_ms = atomic_load_explicit(&ledger->turn_began_ms,
	    memory_order_relaxed);

	return began_ms == 0 ? 0 : clock_mono_ms() - began_ms;
}
