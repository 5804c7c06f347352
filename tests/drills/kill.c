/* kill.c - kills the daemon under load, again and again, and counts what is
 * left of its promises.
 *
 *   kill [--cycles N] [--seed S]
 *
 * A cycle is a life: it starts on the store that the last one left, its drift is
 * 0, clients submit and ask, and it is killed (SIGKILL) at a random moment or
 * exactly before or after the Nth call of a kind, which may well be during the
 * start. After the last one a daemon is left alone until all jobs have ended;
 * then every promise is judged. Nothing may be lost, run twice unmarked, or
 * overlap.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

#define LIFE_LEAST_MS 60
#define LIFE_SPREAD_MS 340
#define SETTLE_MS 120000

static long cycles = 50;
static long seed = 1;

static const struct drill_option options[] = {
	{ "--cycles", &cycles, "lives" },
	{ "--seed", &seed, "of the dice" },
};

/* Calls in a life of load_setup, roughly. */
static const struct {
	const char *name;
	uint32_t most;
} calls[] = {
	{ "fdatasync", 256 },
	{ "pwrite", 4096 },
	{ "write", 2048 },
	{ "send", 512 },
	{ "sendmsg", 512 },
};
#define CALLS ((uint32_t)(sizeof(calls) / sizeof(calls[0])))

struct drill {
	struct world world;
	struct promises *promises;
	struct load *load;
	struct dice dice;
	char shim[PATH_SIZE];
	long by_call[CALLS]; /* deaths at a call; the rest: at a moment */
	long at_start;       /* deaths before it was ready */
	long drifts;         /* starts with drift */
};

/* ---- one life ---- */

/* Tells the shim when to kill; which call, or CALLS for a random moment. */
static uint32_t
plan_death(struct drill *drill)
{
	uint32_t which = dice_throw(&drill->dice, CALLS + 1);
	char text[64];

	if (which == CALLS)
		return which;
	snprintf(text, sizeof(text), "%s:%u%s", calls[which].name,
	    dice_log(&drill->dice, calls[which].most),
	    dice_throw(&drill->dice, 2) == 0 ? ":after" : "");
	shim_set(drill->shim, "SHIM_KILL", text);
	return which;
}

static void
expect_no_drift(struct drill *drill)
{
	struct client client;
	struct reply reply;
	const char *line = NULL;

	/* It may die meanwhile. */
	if (!client_try_open(&client, drill->world.admin))
		return;
	if (try_ask(&client, "GET", "/metrics", "", NULL, &reply))
		line = strstr(reply.body, "\ncallbackd_conservation_drift ");
	if (line != NULL && strtod(line + 30, NULL) != 0) {
		fprintf(stderr, "BROKEN: %.60s\n", line + 1);
		drill->drifts++;
	}
	reply_clear(&reply);
	client_close(&client);
}

/* Waits for the death that was planned, or brings it. True when it came by
 * itself. */
static bool
see_death(struct drill *drill)
{
	int64_t until = now_mono_ms() +
	    patient_ms(
		LIFE_LEAST_MS + dice_throw(&drill->dice, LIFE_SPREAD_MS));
	struct process *daemon = &drill->world.daemon;

	while (patience_lasts(until))
		if (!process_is_running(daemon))
			return true;
	process_signal(daemon, SIGKILL);
	(void)process_wait(daemon, SOON_MS);
	return false;
}

static void
live_and_die(struct drill *drill)
{
	uint32_t which = plan_death(drill);
	bool is_ready = daemon_try_start(&drill->world);

	shim_clear();
	if (is_ready) {
		expect_no_drift(drill);
		load_begin(drill->load, &drill->world);
		if (!see_death(drill))
			which = CALLS;
		load_end(drill->load);
	} else {
		drill->at_start++;
	}
	if (which < CALLS)
		drill->by_call[which]++;
	log_expect_clean(drill->world.daemon.err_path);
}

/* ---- the end ---- */

static bool
all_is_over(struct drill *drill, struct client *client, size_t *next)
{
	char id[ID_SIZE], target[64];
	struct reply reply;
	bool is_over = true;

	while (is_over && *next < promises_count(drill->promises)) {
		promise_id(drill->promises, *next, id);
		snprintf(target, sizeof(target), "/v1/jobs/%s", id);
		ck_assert(try_ask(client, "GET", target, "", NULL, &reply));
		is_over = promise_told(drill->promises, *next, &reply);
		reply_clear(&reply);
		*next += is_over;
	}
	return is_over;
}

static void
let_all_end(struct drill *drill)
{
	struct client client;
	size_t next = 0;
	int64_t until = now_mono_ms() + patient_ms(SETTLE_MS);

	ck_assert(daemon_try_start(&drill->world));
	expect_no_drift(drill);
	client_open(&client, drill->world.api);
	/* What never ends is found by the judge. */
	while (!all_is_over(drill, &client, &next) && patience_lasts(until))
		continue;
	client_close(&client);
	expect_no_drift(drill);
}

static void
report(const struct drill *drill, const struct figures *figures)
{
	drill_say("kill drill: %ld cycles, seed %ld", cycles, seed);
	drill_say(
	    "  deaths: fdatasync %ld, pwrite %ld, write %ld, send %ld,"
	    " sendmsg %ld, other moments %ld; %ld of them during the start",
	    drill->by_call[0], drill->by_call[1], drill->by_call[2],
	    drill->by_call[3], drill->by_call[4],
	    cycles - drill->by_call[0] - drill->by_call[1] - drill->by_call[2] -
		drill->by_call[3] - drill->by_call[4],
	    drill->at_start);
	drill_say("  promises %ld, unanswered requests %ld, refused %ld",
	    figures->promised, load_in_doubt(drill->load),
	    load_refused(drill->load));
	drill_say("  lost %ld, taken back %ld, misnamed %ld, starts with drift"
		  " %ld",
	    figures->lost, figures->backwards, figures->misnamed,
	    drill->drifts);
	drill_say("  runs %ld: repeated, marked %ld, unmarked %ld;"
		  " at-most-once run twice %ld; overlapping %ld",
	    figures->runs, figures->reruns_marked, figures->reruns_unmarked,
	    figures->twice, figures->overlapping);
	drill_say("  callbacks %ld: repeated, marked %ld, unmarked %ld;"
		  " dead letters %ld; jobs failed as interrupted %ld",
	    figures->posts, figures->reposts_marked, figures->reposts_unmarked,
	    figures->dead_letters, figures->interrupted);
}

static void
expect_promises_kept(const struct drill *drill, const struct figures *figures)
{
	ck_assert_int_gt(figures->promised, 0);
	ck_assert_int_eq(figures->lost, 0);
	ck_assert_int_eq(figures->backwards, 0);
	ck_assert_int_eq(figures->misnamed, 0);
	ck_assert_int_eq(figures->reruns_unmarked, 0);
	ck_assert_int_eq(figures->twice, 0);
	ck_assert_int_eq(figures->overlapping, 0);
	ck_assert_int_eq(drill->drifts, 0);
}

START_TEST(promises_outlive_the_daemon)
{
	static struct drill drill;
	struct figures figures;

	shim_path("shim.so", drill.shim);
	drill.dice.state = (uint64_t)seed;
	drill.promises = promises_new();
	drill.load = load_new(drill.promises, (uint64_t)seed);
	world_prepare(&drill.world, &load_setup);
	for (long i = 0; i < cycles; i++)
		live_and_die(&drill);
	let_all_end(&drill);
	promises_judge(drill.promises, &drill.world, &figures);
	report(&drill, &figures);
	expect_promises_kept(&drill, &figures);
	world_close(&drill.world);
	load_free(&drill.load);
	promises_free(&drill.promises);
}
END_TEST

int
main(int argc, char **argv)
{
	drill_options(argc, argv, options, 2);
	return drill_run("kill", promises_outlive_the_daemon, 300 + 5 * cycles);
}
