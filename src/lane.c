/* lane.c - one loop and its rooms. Own thread between lane_start and
 * lane_stop, main's before and after. */
#include "lane.h"

#include <stdatomic.h>
#include <stdlib.h>

#define IDLE_LOOK_MS 10 /* while draining: how often idleness is looked at */

struct lane {
	struct loop *loop;
	struct ledger_hands hands; /* the loop's room */
	struct ledger *ledger;
	struct api *api;
	struct exec *exec;
	struct courier *courier;
	struct loop_timer *idle_timer;
	bool is_closing; /* nothing new begins */
	atomic_bool is_idle;
};

/* ---- between the ledger and the rooms ---- */

static void
start_run_cb(struct run *run, void *arg)
{
	struct lane *lane = arg;

	if (lane->is_closing)
		run_free(&run);
	else
		exec_start(lane->exec, run);
}

static void
start_post_cb(struct post *post, void *arg)
{
	struct lane *lane = arg;

	if (lane->is_closing)
		post_free(&post);
	else
		courier_start(lane->courier, post);
}

static void
cancel_run_cb(int64_t job_seq, void *arg)
{
	struct lane *lane = arg;

	if (!lane->is_closing)
		exec_cancel(lane->exec, job_seq);
}

static void
run_ended_cb(struct run *run, void *arg)
{
	struct lane *lane = arg;

	ledger_run_ended(lane->ledger, run);
}

static void
post_ended_cb(struct post *post, void *arg)
{
	struct lane *lane = arg;

	ledger_post_ended(lane->ledger, post);
}

/* ---- birth ---- */

struct lane *
lane_new(unsigned index)
{
	struct lane *lane = calloc(1, sizeof(*lane));

	if (lane == NULL)
		return NULL;
	lane->loop = loop_new(index, &lane->hands);
	if (lane->loop == NULL) {
		free(lane);
		return NULL;
	}
	lane->hands = (struct ledger_hands){ lane->loop, start_run_cb,
		start_post_cb, cancel_run_cb, lane };
	return lane;
}

struct ledger_hands *
lane_hands(struct lane *lane)
{
	return &lane->hands;
}

static void
look_idle_cb(void *arg)
{
	struct lane *lane = arg;

	atomic_store(&lane->is_idle, api_pending(lane->api) == 0);
	loop_timer_set(lane->idle_timer, IDLE_LOOK_MS);
}

bool
lane_furnish(struct lane *lane, struct conf *conf, struct http_gate *gate,
    struct metrics *metrics, struct ledger *ledger)
{
	const struct api_setup setup = { lane->loop, conf, gate, metrics,
		ledger, HEARTBEAT_MS };

	lane->ledger = ledger;
	lane->api = api_new(&setup);
	lane->exec = exec_new(lane->loop, conf, run_ended_cb, lane);
	lane->courier = courier_new(lane->loop, conf, post_ended_cb, lane);
	lane->idle_timer = loop_timer_new(lane->loop, look_idle_cb, lane);
	return lane->api != NULL && lane->exec != NULL &&
	    lane->courier != NULL && lane->idle_timer != NULL;
}

bool
lane_listen(struct lane *lane, int fd)
{
	return api_listen(lane->api, fd);
}

bool
lane_start(struct lane *lane)
{
	return loop_start(lane->loop);
}

/* ---- word from main ---- */

struct word {
	struct mail mail;
	struct lane *lane;
	struct conf *conf;
};

static void
follow_open_cb(struct mail *mail, void *room)
{
	struct word *word = (struct word *)mail;
	struct lane *lane = word->lane;

	(void)room;
	api_follow(lane->api, word->conf);
	exec_follow(lane->exec, word->conf);
	courier_follow(lane->courier, word->conf);
	conf_unref(&word->conf);
	free(word);
}

static void
drain_open_cb(struct mail *mail, void *room)
{
	struct word *word = (struct word *)mail;

	(void)room;
	api_drain(word->lane->api);
	look_idle_cb(word->lane);
	free(word);
}

static void
send_word(struct lane *lane, void (*open)(struct mail *mail, void *room),
    struct conf *conf)
{
	struct word *word = calloc(1, sizeof(*word));

	if (word == NULL) {
		log_direct(LOG_LEVEL_ERROR, "out_of_memory",
		    "a thread was not told of a reload or shutdown");
		return;
	}
	word->mail.open = open;
	word->lane = lane;
	word->conf = conf_ref(conf);
	loop_post(lane->loop, &word->mail);
}

void
lane_follow(struct lane *lane, struct conf *conf)
{
	send_word(lane, follow_open_cb, conf);
}

void
lane_drain(struct lane *lane)
{
	send_word(lane, drain_open_cb, NULL);
}

bool
lane_is_idle(const struct lane *lane)
{
	return atomic_load(&lane->is_idle);
}

/* ---- death ---- */

void
lane_stop(struct lane *lane)
{
	loop_stop(lane->loop);
	loop_join(lane->loop);
	lane->is_closing = true;
	if (lane->api != NULL)
		api_abandon(lane->api);
	if (lane->exec != NULL)
		exec_abandon(lane->exec);
	if (lane->courier != NULL)
		courier_abandon(lane->courier);
}

void
lane_free(struct lane **lane)
{
	struct lane *old = *lane;

	if (old == NULL)
		return;
	old->is_closing = true;
	loop_open_leftovers(old->loop);
	loop_timer_free(&old->idle_timer);
	api_free(&old->api);
	exec_free(&old->exec);
	courier_free(&old->courier);
	loop_free(&old->loop);
	free(old);
	*lane = NULL;
}
