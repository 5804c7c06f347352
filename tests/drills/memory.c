/* memory.c - every request for memory of the daemon fails once, in turn.
 *
 *   memory [--places N] [--seed S] [--from N] [--show 1]
 *
 * One life of the daemon over a fixed scenario is surveyed: which places ask for
 * memory (starve.c). Then one life after the other the first request of one of
 * them fails. Such a daemon may refuse to start, with a line that says why and a
 * status other than 0; it may refuse requests; it may not crash, and what it has
 * accepted ends, at the latest after a restart, which finds no half state.
 * --places 0 takes all of them in their order, from that number on; --show
 * prints where each one is.
 *
 * What the daemon does in a child (apart.h) is starved as well: the request
 * fails once in each process that meets it.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <unistd.h>

#include "drill.h"

#define JOBS_MAX 32
#define HURRY_MS 700 /* a request that got no memory may get no answer */
#define ENDS_SOON_MS 4000

static long places = 60;
static long seed = 1;
static long first;
static long show;

static const struct drill_option options[] = {
	{ "--places", &places, "to starve; 0: all" },
	{ "--seed", &seed, "of the dice" },
	{ "--from", &first, "the number of the first" },
	{ "--show", &show, "1: print the stack of each" },
};

static const struct setup memory_setup = {
	.top = "drain_timeout = \"3s\"\n",
	.queue = QUEUE_USUAL,
	.callback = LOOPBACK_ALLOWED
	" schedule = {\"30ms\", \"30ms\", \"30ms\"}\n timeout = \"10s\"\n"
	" breaker { failures = 100000 cooldown = \"50ms\" }\n",
	.more = "queue \"once\" {\n path = \"/once/\"\n upstream = \"%s/\"\n"
		" guarantee = \"at-most-once\"\n}\n",
};

struct drill {
	struct world world;
	char shared[PATH_SIZE], survey[PATH_SIZE], trace[PATH_SIZE];
	unsigned long long *places;
	size_t place_count;
	char ids[JOBS_MAX][ID_SIZE]; /* accepted in this life */
	int accepted;
	int64_t answer_ms; /* a request without an answer is given up */

	long tried, unmet, refused_starts, refused_requests, refused_reloads;
	long crashes, lost, drifts, unclean;
};

/* ---- the scenario ---- */

/* What it answers, if it answers. A cut connection and a 5xx are refusals. */
static bool
ask_for(struct drill *drill, const char *method, const char *target,
    const char *fields, const char *body, struct reply *out)
{
	struct client client;
	bool is_answered;

	memset(out, 0, sizeof(*out));
	if (!try_open(&client, drill->world.api, drill->answer_ms))
		return false;
	is_answered = try_ask(&client, method, target, fields, body, out);
	client_close(&client);
	if (!is_answered || out->status >= 500)
		drill->refused_requests++;
	return is_answered;
}

/* 200 is the answer to a key that was used before, once its job has ended. */
static bool
says_accepted(const struct reply *reply)
{
	char replayed[8];

	return reply->status == 202 ||
	    (reply->status == 200 &&
		head_says(reply, "Idempotent-Replayed", replayed,
		    sizeof(replayed)));
}

static void
submit_one(struct drill *drill, const char *target, const char *fields,
    const char *body)
{
	struct reply reply;

	if (ask_for(drill, "POST", target, fields, body, &reply) &&
	    says_accepted(&reply) &&
	    head_says(&reply, "Job-Id", drill->ids[drill->accepted], ID_SIZE))
		drill->accepted++;
	reply_clear(&reply);
}

static void
look_at_one(struct drill *drill, const char *target)
{
	struct reply reply;

	(void)ask_for(drill, "GET", target, "", NULL, &reply);
	reply_clear(&reply);
}

static void
submit_all(struct drill *drill)
{
	static char large[100000];
	const char *told = callback_to(&drill->world, "/ok");
	const char *later = callback_to(&drill->world, "/fail-times?n=1");
	char json[512];

	memset(large, 'x', sizeof(large) - 1);
	submit_one(drill, "/mill/echo", told, "small");
	submit_one(drill, "/mill/echo", later, large);
	submit_one(drill, "/mill/fail-times?n=1", told, "again");
	submit_one(drill, "/mill/ok", "Job-Delay: 30ms\r\n", "delayed");
	submit_one(drill, "/mill/ok?delay_ms=60", "Idempotency-Key: k1\r\n",
	    "key");
	submit_one(drill, "/mill/status/400", told, "bad");
	submit_one(drill, "/once/echo", told, "once");
	snprintf(json, sizeof(json),
	    "{\"queue\":\"mill\",\"path\":\"/echo\",\"body\":\"json\","
	    "\"callback\":{\"url\":\"%s/ok\",\"format\":\"raw\"},"
	    "\"headers\":{\"X-Y\":\"z\"}}",
	    drill->world.receiver.url);
	submit_one(drill, "/v1/jobs", "Content-Type: application/json\r\n",
	    json);
}

/* ---- waiting for the ends ---- */

enum ending { GOES_ON, ENDED, MISSING };

static enum ending
ending_of(struct world *world, const char *id)
{
	struct client client;
	struct reply reply;
	char target[64];
	enum ending ending = GOES_ON;

	snprintf(target, sizeof(target), "/v1/jobs/%s", id);
	if (!try_open(&client, world->api, HURRY_MS))
		return GOES_ON;
	if (try_ask(&client, "GET", target, "", NULL, &reply)) {
		if (reply.status == 404)
			ending = MISSING;
		else if (reply.status == 200 || reply.status == 400)
			ending = strstr(reply.body, "\"state\":\"pending\"") ==
				NULL
			    ? ENDED
			    : GOES_ON;
	}
	reply_clear(&reply);
	client_close(&client);
	return ending;
}

/* True when all that was accepted has ended, in time. */
static bool
all_end(struct drill *drill, int64_t within_ms)
{
	int64_t until = now_mono_ms() + patient_ms(within_ms);
	int done = 0;

	do {
		if (!process_is_running(&drill->world.daemon))
			return false;
		while (done < drill->accepted &&
		    ending_of(&drill->world, drill->ids[done]) == ENDED)
			done++;
		if (done == drill->accepted)
			return true;
	} while (patience_lasts(until));
	return false;
}

static void
use_it(struct drill *drill)
{
	char target[64];

	submit_all(drill);
	process_signal(&drill->world.daemon, SIGHUP);
	look_at_one(drill, "/v1/jobs?limit=5");
	look_at_one(drill, "/v1/dead-letters");
	look_at_one(drill, "/nowhere");
	if (drill->accepted > 0) {
		snprintf(target, sizeof(target), "/v1/jobs/%s/result",
		    drill->ids[0]);
		look_at_one(drill, target);
	}
	submit_one(drill, "/mill/ok?delay_ms=60", "Idempotency-Key: k1\r\n",
	    "key");
	(void)all_end(drill, ENDS_SOON_MS);
}

/* ---- one life ---- */

static void
say_where(struct drill *drill, const char *what)
{
	char *text = file_text(drill->trace, NULL);

	fprintf(stderr, "%s (see %s)\n%s", what, drill->world.daemon.err_path,
	    text);
	free(text);
}

static void
remove_store(const struct drill *drill)
{
	static const char *const parts[] = { "", "-wal", "-shm", "-lock",
		"-journal" };
	char path[PATH_SIZE];

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		snprintf(path, sizeof(path), "%.400s/callbackd.db%s",
		    drill->world.folder, parts[i]);
		(void)unlink(path);
	}
	(void)unlink(drill->trace);
}

static void
note_fault(struct drill *drill, long *count, const char *what)
{
	(*count)++;
	say_where(drill, what);
}

/* It may end with a status that is not 0 and a word to the operator. */
static void
judge_refused_start(struct drill *drill)
{
	const struct process *daemon = &drill->world.daemon;
	size_t len;
	char *text = file_text(daemon->err_path, &len);

	drill->refused_starts++;
	if (daemon->status >= 1000) {
		note_fault(drill, &drill->crashes,
		    "BROKEN: it crashed at the start");
	} else if (daemon->status == 0 || len == 0) {
		note_fault(drill, &drill->unclean,
		    "BROKEN: it gave up without a word");
	}
	free(text);
}

/* Ends it, which may have crashed by itself. */
static void
judge_end(struct drill *drill)
{
	struct process *daemon = &drill->world.daemon;

	drill->refused_reloads += file_says(daemon->err_path,
	    "event=reload_refused");
	if (process_is_running(daemon)) {
		process_signal(daemon, SIGTERM);
		(void)process_wait(daemon, SOON_MS);
	}
	if (daemon->status >= 1000) {
		note_fault(drill, &drill->crashes, "BROKEN: it crashed");
	} else if (daemon->status != 0) {
		note_fault(drill, &drill->unclean,
		    "BROKEN: it did not end cleanly");
	}
}

/* All that was accepted ends now; then the books balance. */
static void
judge_restart(struct drill *drill)
{
	struct world *world = &drill->world;

	ck_assert_msg(daemon_try_start(world), "no start after %s",
	    drill->trace);
	if (!all_end(drill, SOON_MS)) {
		drill->lost++;
		say_where(drill, "BROKEN: a job was lost");
	}
	if (metric(world, "callbackd_conservation_drift") != 0) {
		drill->drifts++;
		say_where(drill, "BROKEN: drift");
	}
	daemon_kill(world);
}

static void
starve(struct drill *drill, unsigned long long place)
{
	char text[32];

	remove_store(drill);
	drill->accepted = 0;
	drill->answer_ms = HURRY_MS;
	snprintf(text, sizeof(text), "%llx", place);
	shim_set(drill->shared, "STARVE_PLACE", text);
	shim_set(drill->shared, "STARVE_TRACE", drill->trace);
	if (daemon_try_start(&drill->world)) {
		use_it(drill);
		judge_end(drill);
	} else {
		judge_refused_start(drill);
	}
	shim_clear();
	drill->tried++;
	if (!file_says(drill->trace, "["))
		drill->unmet++;
	else if (show)
		say_where(drill, "--");
	judge_restart(drill);
}

/* ---- the survey ---- */

/* Each child of the daemon notes what it meets first. */
static void
add_place(struct drill *drill, unsigned long long place)
{
	for (size_t i = 0; i < drill->place_count; i++)
		if (drill->places[i] == place)
			return;
	drill->places = realloc(drill->places,
	    (drill->place_count + 1) * sizeof(*drill->places));
	ck_assert_ptr_nonnull(drill->places);
	drill->places[drill->place_count++] = place;
}

static void
survey(struct drill *drill)
{
	char *text, *rest, *line;

	shim_set(drill->shared, "STARVE_SURVEY", drill->survey);
	drill->answer_ms = SOON_MS;
	ck_assert(daemon_try_start(&drill->world));
	use_it(drill);
	ck_assert_int_eq(drill->accepted, 9);
	ck_assert_int_eq(drill->refused_requests, 0);
	daemon_stop(&drill->world);
	shim_clear();
	text = file_text(drill->survey, NULL);
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL && rest != NULL)
		add_place(drill, strtoull(line, NULL, 16));
	free(text);
	ck_assert_uint_gt(drill->place_count, 100);
}

static void
starve_some(struct drill *drill)
{
	struct dice dice = { (uint64_t)seed };

	for (long i = 0; i < places; i++)
		starve(drill,
		    drill->places[dice_throw(&dice,
			(uint32_t)drill->place_count)]);
}

static void
starve_all(struct drill *drill)
{
	for (size_t i = (size_t)first; i < drill->place_count; i++) {
		if (show)
			fprintf(stderr, "place %zu\n", i);
		starve(drill, drill->places[i]);
	}
}

static void
report(const struct drill *drill)
{
	drill_say("memory drill: %ld of %zu places starved, seed %ld;"
		  " %ld of them not met again",
	    drill->tried, drill->place_count, seed, drill->unmet);
	drill_say("  refused starts %ld, refused requests %ld,"
		  " refused reloads %ld",
	    drill->refused_starts, drill->refused_requests,
	    drill->refused_reloads);
	drill_say("  crashes %ld, silent or unclean ends %ld, lost %ld,"
		  " drifts %ld",
	    drill->crashes, drill->unclean, drill->lost, drill->drifts);
}

START_TEST(no_request_for_memory_that_fails_does_harm)
{
	static struct drill drill;

	shim_path("starve.so", drill.shared);
	ck_assert_int_ge(personality(ADDR_NO_RANDOMIZE), 0);
	world_prepare(&drill.world, &memory_setup);
	snprintf(drill.survey, PATH_SIZE, "%.400s/survey", drill.world.folder);
	snprintf(drill.trace, PATH_SIZE, "%.400s/trace", drill.world.folder);
	survey(&drill);
	if (places > 0)
		starve_some(&drill);
	else
		starve_all(&drill);
	report(&drill);
	ck_assert_int_eq(drill.crashes, 0);
	ck_assert_int_eq(drill.unclean, 0);
	ck_assert_int_eq(drill.lost, 0);
	ck_assert_int_eq(drill.drifts, 0);
	free(drill.places);
	world_close(&drill.world);
}
END_TEST

int
main(int argc, char **argv)
{
	drill_options(argc, argv, options, 4);
	return drill_run("memory", no_request_for_memory_that_fails_does_harm,
	    7200);
}
