/* world.c - birth, time, the false network and its ends.
 *
 * Invariants, checked as things happen
 *  1. A run is let go only when the store says so: running, and the same number
 *     of attempts. No job is in two runs, no queue over its concurrency.
 *  2. No delivery is in two posts; the store has it as pending.
 *
 * One thread.
 */
#include "world.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ledger/inside.h"
#include "world_inside.h"

#define LANES 2
#define MANY 1024
#define TURNS_MAX 2000 /* more without waiting: it spins */

const struct run_end WELL = { VERDICT_SUCCESS, ERROR_NONE, 200, 0, "done" };
const struct run_end BUSY = { VERDICT_RETRY, ERROR_STATUS_5XX, 503, 0, NULL };
const struct run_end BAD = { VERDICT_FINAL, ERROR_STATUS_4XX, 400, 0, "bad" };
const struct run_end NOBODY = { VERDICT_RETRY, ERROR_REFUSED, 0, 0, NULL };
const struct run_end DROPPED = { VERDICT_FINAL, ERROR_CANCELLED, 0, 0, NULL };
const struct post_end THANKS = { VERDICT_SUCCESS, ERROR_NONE, 204, 0 };
const struct post_end NOT_NOW = { VERDICT_RETRY, ERROR_STATUS_5XX, 503, 0 };
const struct post_end NO_SUCH = { VERDICT_RETRY, ERROR_STATUS_4XX, 404, 0 };
const struct post_end GONE = { VERDICT_FINAL, ERROR_GONE, 410, 0 };
const struct post_end NO_ANSWER = { VERDICT_RETRY, ERROR_CONNECT_TIMEOUT, 0,
	0 };

static struct {
	struct conf *conf;
	size_t queue_count; /* with the one that a reload may hide */
	struct gauges *gauges;
	struct metrics metrics;
	struct ledger_hands lanes[LANES];
	struct ledger_hands *hands[LANES];
	unsigned next_lane;
	struct ledger *ledger;
	char folder[64]; /* of the file store; "": memory */

	struct run *runs[MANY];
	int run_count, runs_begun;
	struct line
	    *told; /* whose runs are to end: rank 0; one for each lane */
	struct post *posts[MANY];
	int post_count, posts_begun;
} world;

bool
same(struct uuid a, struct uuid b)
{
	return uuid_equal(a, b);
}

/* ---- the network ---- */

static int
find_run(struct uuid job)
{
	for (int i = 0; i < world.run_count; i++)
		if (same(world.runs[i]->job.id, job))
			return i;
	return -1;
}

static int
find_post(struct uuid job)
{
	for (int i = 0; i < world.post_count; i++)
		if (same(world.posts[i]->delivery.job, job))
			return i;
	return -1;
}

static void
check_begun(const struct run *run)
{
	struct job job;

	job_init(&job);
	if (store_get_job_seq(world.ledger->store, run->job.id.seq, &job) ==
	    STORE_OK) {
		ck_assert_int_eq(job.status, JOB_RUNNING);
		ck_assert_int_eq(job.attempts, run->job.attempts);
	}
	job_clear(&job);
	ck_assert_int_le(run->job.attempts, run->job.max_attempts);
	ck_assert_msg(find_run(run->job.id) < 0, "a job is in two runs");
	for (struct mail *mail = world.ledger->unsettled_runs.first;
	     mail != NULL; mail = mail->next)
		ck_assert(!same(((struct run *)mail)->job.id, run->job.id));
}

static void
start_run(struct run *run, void *arg)
{
	int beside = 1;

	(void)arg;
	check_begun(run);
	for (int i = 0; i < world.run_count; i++)
		beside += strcmp(world.runs[i]->job.queue, run->job.queue) == 0;
	ck_assert_int_le(beside, queue_named(run->job.queue)->concurrency);
	ck_assert_int_lt(world.run_count, MANY);
	world.runs[world.run_count++] = run;
	world.runs_begun++;
}

static void
cancel_run(int64_t job_seq, void *arg)
{
	const struct line_item item = {
		(struct ledger_hands *)arg - world.lanes, job_seq, 0, 0
	};

	ck_assert(line_join(world.told, &item));
}

bool
is_told_to_end(struct uuid job)
{
	int64_t rank;

	return line_find(world.told, job.seq, &rank);
}

static void
start_post(struct post *post, void *arg)
{
	struct delivery delivery;

	(void)arg;
	delivery_init(&delivery);
	if (store_get_delivery_seq(world.ledger->store, post->delivery.id.seq,
		&delivery) == STORE_OK) {
		ck_assert_int_eq(delivery.state, DELIVERY_PENDING);
		ck_assert_int_eq(delivery.attempts, post->delivery.attempts);
	}
	delivery_clear(&delivery);
	for (int i = 0; i < world.post_count; i++)
		ck_assert_msg(!same(world.posts[i]->delivery.id,
				  post->delivery.id),
		    "a delivery is in two posts");
	ck_assert_int_lt(world.post_count, MANY);
	world.posts[world.post_count++] = post;
	world.posts_begun++;
}

int
runs_under_way(void)
{
	return world.run_count;
}

int
runs_begun(void)
{
	return world.runs_begun;
}

bool
is_under_way(struct uuid job)
{
	return find_run(job) >= 0;
}

struct run *
run_of(struct uuid job)
{
	int at = find_run(job);

	ck_assert_msg(at >= 0, "the job does not run");
	return world.runs[at];
}

struct uuid
run_at(int place)
{
	ck_assert_int_lt(place, world.run_count);
	return world.runs[place]->job.id;
}

void
give_back_run(struct uuid job, const struct run_end *end)
{
	struct run *run = run_of(job);
	int at = find_run(job);

	memmove(&world.runs[at], &world.runs[at + 1],
	    (size_t)(--world.run_count - at) * sizeof(world.runs[0]));
	run->verdict = end->verdict;
	run->error = end->error;
	run->status = end->status;
	run->asked_ms = end->asked_s > 0 ? end->asked_s * SECOND_MS : -1;
	run->duration_ms = 5;
	if (end->body != NULL) {
		run->content_type = text_copy("text/plain");
		run->response_bytes = (int64_t)strlen(end->body);
		run->response.body = blob_new(end->body, strlen(end->body));
	}
	if (end->error != ERROR_NONE)
		(void)snprintf(run->detail, sizeof(run->detail), "as told");
	ledger_run_ended(world.ledger, run);
}

void
end_run_with(struct uuid job, const struct run_end *end)
{
	give_back_run(job, end);
	settle();
}

void
end_all_runs_with(const struct run_end *end)
{
	while (world.run_count > 0)
		end_run_with(run_at(0), end);
}

int
posts_under_way(void)
{
	return world.post_count;
}

int
posts_begun(void)
{
	return world.posts_begun;
}

bool
is_being_posted(struct uuid job)
{
	return find_post(job) >= 0;
}

struct post *
post_of(struct uuid job)
{
	int at = find_post(job);

	ck_assert_msg(at >= 0, "nothing of the job is being posted");
	return world.posts[at];
}

struct post *
post_at(int place)
{
	ck_assert_int_lt(place, world.post_count);
	return world.posts[place];
}

void
give_back_post(struct uuid job, const struct post_end *end)
{
	struct post *post = post_of(job);
	int at = find_post(job);

	memmove(&world.posts[at], &world.posts[at + 1],
	    (size_t)(--world.post_count - at) * sizeof(world.posts[0]));
	post->verdict = end->verdict;
	post->error = end->error;
	post->status = end->status;
	post->asked_ms = end->asked_s > 0 ? end->asked_s * SECOND_MS : -1;
	post->at_ms = world.ledger->wall_ms;
	post->dns_ms = post->connect_ms = post->tls_ms = 0;
	post->first_byte_ms = post->duration_ms = 3;
	ledger_post_ended(world.ledger, post);
}

void
end_post_with(struct uuid job, const struct post_end *end)
{
	give_back_post(job, end);
	settle();
}

static void
drop_network(void)
{
	while (world.run_count > 0)
		run_free(&world.runs[--world.run_count]);
	while (world.post_count > 0)
		post_free(&world.posts[--world.post_count]);
}

/* ---- time ---- */

static void
open_lanes(void)
{
	for (int i = 0; i < LANES; i++)
		loop_open_leftovers(world.lanes[i].loop);
}

void
take_one_turn(void)
{
	(void)take_own_turn(world.ledger);
	open_lanes();
}

/* As the ledger's own thread does it, but that it never waits. */
void
settle(void)
{
	int turns = 0;

	do {
		take_one_turn();
		ck_assert_msg(turns++ < TURNS_MAX, "the ledger spins");
	} while (idle_ms(world.ledger) == 0);
	check_world();
}

void
let_time_pass(int64_t ms)
{
	settle();
	while (ms > 0) {
		int64_t step_ms = idle_ms(world.ledger);

		if (step_ms > ms)
			step_ms = ms;
		clock_goes_on(step_ms);
		ms -= step_ms;
		settle();
	}
}

/* ---- birth ---- */

static void
complain(const char *line, void *arg)
{
	(void)arg;
	ck_abort_msg("%s", line);
}

static void
fill_queue(struct conf_queue *queue, const char *name)
{
	(void)snprintf(queue->name, sizeof(queue->name), "%s", name);
	queue->path = text_copy("/");
	queue->upstream = text_copy("http://upstream.example/");
	queue->capacity = 100;
	queue->capacity_bytes = 1000000;
	queue->concurrency = 2;
	queue->timeout_ms = MINUTE_MS;
	queue->attempts = 3;
	queue->backoff = (struct backoff){ SECOND_MS, MINUTE_MS, 2.0 };
	queue->max_result_bytes = 1000000;
}

static void
fill_conf(struct conf *conf)
{
	conf->queues = calloc(2, sizeof(*conf->queues));
	conf->queue_count = 2;
	fill_queue(&conf->queues[0], "work");
	fill_queue(&conf->queues[1], "other");
	free(conf->store);
	conf->store = text_copy("memory:");
	conf->retention_ms = 365 * DAY_MS;
	conf->callback.schedule = (struct schedule){
		.gaps_ms = { 5 * SECOND_MS, 5 * MINUTE_MS, 30 * MINUTE_MS },
		.count = 3,
		.max_age_ms = 4 * DAY_MS,
		.ask_max_ms = HOUR_MS,
	};
	conf->callback.per_host_concurrency = 32;
	conf->callback.breaker_failures = 10;
	conf->callback.breaker_cooldown_ms = 30 * SECOND_MS;
}

void
make_world(void)
{
	memset(&world, 0, sizeof(world));
	log_configure(LOG_LEVEL_ERROR, LOG_LOGFMT);
	store_heals();
	dice_begin(1);
	dice_spread_waits(false);
	world.conf = conf_load(NULL, complain, NULL);
	ck_assert_ptr_nonnull(world.conf);
	fill_conf(world.conf);
	world.queue_count = world.conf->queue_count;
	world.told = line_new();
	ck_assert_ptr_nonnull(world.told);
	for (int i = 0; i < LANES; i++) {
		struct ledger_hands *lane = &world.lanes[i];

		lane->loop = loop_new((unsigned)i, lane);
		lane->start_run = start_run;
		lane->start_post = start_post;
		lane->cancel_run = cancel_run;
		lane->arg = lane;
		ck_assert_ptr_nonnull(lane->loop);
		world.hands[i] = lane;
	}
}

struct conf *
world_conf(void)
{
	return world.conf;
}

struct conf_queue *
queue_named(const char *name)
{
	for (size_t i = 0; i < world.queue_count; i++)
		if (strcmp(world.conf->queues[i].name, name) == 0)
			return &world.conf->queues[i];
	ck_abort_msg("no queue %s", name);
	return NULL;
}

void
use_file_store(void)
{
	char url[128];

	(void)snprintf(world.folder, sizeof(world.folder), "%s",
	    "/tmp/callbackd-scenario-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(world.folder));
	(void)snprintf(url, sizeof(url), "sqlite:%s/db", world.folder);
	free(world.conf->store);
	world.conf->store = text_copy(url);
	world.conf->durability_full = false;
}

void
open_world(void)
{
	const struct ledger_setup setup = { .conf = world.conf,
		.metrics = &world.metrics,
		.hands = world.hands,
		.hands_count = LANES,
		.inbox_limit = MANY };
	struct reason why;

	world.gauges = gauges_new();
	ck_assert(gauges_adopt(world.gauges, world.conf));
	world.ledger = ledger_new(&setup, &why);
	ck_assert_msg(world.ledger != NULL, "%s", why.text);
	settle();
}

void
stop_world(void)
{
	struct mail_list lost = mailbox_take(world.ledger->inbox);

	ck_assert_msg(lost.first == NULL, "settle before you crash");
	drop_network();
	ledger_stop(&world.ledger);
	open_lanes();
	drop_network();
	gauges_free(&world.gauges);
	for (size_t i = 0; i < world.queue_count; i++)
		world.conf->queues[i].gauge = NULL;
}

void
crash_world(void)
{
	world.ledger->is_sick = true; /* so it writes no last word */
	stop_world();
}

void
reopen_world(void)
{
	crash_world();
	open_world();
}

/* Queues are hidden at the end of the array; the conf is changed in place,
 * which a daemon never does, but nobody else reads it here. */
static void
reload(size_t count)
{
	world.conf->queue_count = count;
	ck_assert(gauges_adopt(world.gauges, world.conf));
	ledger_follow(world.ledger, conf_ref(world.conf));
	settle();
}

void
reload_without(const char *queue)
{
	struct conf_queue *last = &world.conf->queues[world.queue_count - 1];

	ck_assert_str_eq(last->name, queue);
	reload(world.queue_count - 1);
}

void
reload_whole(void)
{
	reload(world.queue_count);
}

static void
remove_folder(void)
{
	static const char *const names[] = { "db", "db-wal", "db-shm",
		"db-journal", "db.lock", "db-lock" };
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", world.folder,
		    names[i]);
		(void)unlink(path);
	}
	ck_assert_int_eq(rmdir(world.folder), 0);
}

void
end_world(void)
{
	if (world.ledger != NULL)
		crash_world();
	world.conf->queue_count = world.queue_count;
	conf_unref(&world.conf);
	for (int i = 0; i < LANES; i++)
		loop_free(&world.lanes[i].loop);
	line_free(&world.told);
	if (world.folder[0] != '\0')
		remove_folder();
}

struct ledger *
world_ledger(void)
{
	return world.ledger;
}

struct queue_gauge *
gauge_of(const char *queue)
{
	return queue_named(queue)->gauge;
}

size_t
all_queues_count(void)
{
	return world.queue_count;
}

struct loop *
next_lane(void)
{
	return world.lanes[world.next_lane++ % LANES].loop;
}
