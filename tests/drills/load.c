/* load.c - clients of a daemon that may die at any moment.
 *
 * 1. A submitter that gets no answer to a request with a key asks again after
 *    the restart, with the same key: then it knows.
 * 2. It pauses between two requests, so that a life does not leave more behind
 *    than the next ones can do.
 */
#include "load.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUBMITTERS 6
#define PAUSE_MOST_MS 4
#define NO_DELAY 0

/* A hundred failures must not close a host: nobody waits for a breaker here. */
#define DRILL_CALLBACK                                                         \
	LOOPBACK_ALLOWED                                                       \
	" schedule = {\"20ms\", \"40ms\", \"60ms\"}\n"                         \
	" timeout = \"10s\"\n"                                                 \
	" breaker { failures = 1000000 cooldown = \"50ms\" }\n"
#define DRILL_QUEUE                                                            \
	"concurrency = 16\n timeout = \"20s\"\n"                               \
	" backoff { initial = \"20ms\" max = \"60ms\" factor = 2.0 }\n"

const struct setup load_setup = {
	.queue = DRILL_QUEUE " attempts = 9\n",
	.callback = DRILL_CALLBACK,
	.more = "queue \"once\" {\n path = \"/once/\"\n upstream = \"%s/\"\n"
		" guarantee = \"at-most-once\"\n attempts = 9\n" DRILL_QUEUE
		"}\n",
};

/* What a job may be. Odd numbers of a kind make it likelier. */
static const struct {
	bool at_most_once;
	const char *target;
} kinds[] = {
	{ false, "/mill/ok" },
	{ false, "/mill/echo" },
	{ false, "/mill/echo?delay_ms=15" },
	{ false, "/mill/echo?delay_ms=120" },
	{ false, "/mill/fail-times?n=1" },
	{ false, "/mill/status/400" },
	{ true, "/once/ok" },
	{ true, "/once/echo?delay_ms=15" },
	{ true, "/once/echo?delay_ms=120" },
	{ true, "/once/status/500" },
};

static const char *const callbacks[] = { NULL, "/ok", "/ok", "/ok?delay_ms=25",
	"/fail-times?n=1", "/fail-times?n=2", "/gone", "/status/503" };

#define COUNT_OF(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))

struct wish {
	uint32_t kind, callback;
	uint32_t delay_ms;
	uint32_t key; /* 0: none */
};

struct submitter {
	struct load *load;
	pthread_t thread;
	struct dice dice;
	uint32_t keys; /* handed out */
	uint32_t number;
	struct wish wish; /* not answered yet, with a key */
	bool is_in_doubt;
	struct wish kept; /* answered, with a key */
	long lost_answers;
	long refused;
};

struct load {
	struct promises *promises;
	struct world *world;
	struct submitter submitters[SUBMITTERS];
	pthread_t poller;
	struct dice dice;
};

static void
pause_ms(uint32_t ms)
{
	if (ms > 0)
		(void)poll(NULL, 0, (int)ms);
}

/* ---- submitting ---- */

static struct wish
new_wish(struct submitter *self)
{
	struct dice *dice = &self->dice;
	struct wish wish = { dice_throw(dice, COUNT_OF(kinds)),
		dice_throw(dice, COUNT_OF(callbacks)), NO_DELAY, 0 };

	if (dice_throw(dice, 5) == 0)
		wish.delay_ms = 20 + dice_throw(dice, 300);
	if (dice_throw(dice, 3) == 0)
		wish.key = ++self->keys * SUBMITTERS + self->number;
	return wish;
}

static void
put_fields(const struct world *world, const struct wish *wish, char *out,
    size_t size)
{
	const char *callback = callbacks[wish->callback];
	size_t len = 0;

	out[0] = '\0';
	if (callback != NULL)
		len += (size_t)snprintf(out, size, "Callback-URL: %s%s\r\n",
		    world->receiver.url, callback);
	if (wish->delay_ms != NO_DELAY)
		len += (size_t)snprintf(out + len, size - len,
		    "Job-Delay: %ums\r\n", wish->delay_ms);
	if (wish->key != 0)
		(void)snprintf(out + len, size - len,
		    "Idempotency-Key: k%u\r\n", wish->key);
}

/* False when the daemon is gone. */
static bool
submit_wish(struct submitter *self, struct client *client,
    const struct wish *wish)
{
	struct load *load = self->load;
	char fields[512], replayed[8] = "";
	struct reply reply;

	put_fields(load->world, wish, fields, sizeof(fields));
	if (!try_ask(client, "POST", kinds[wish->kind].target, fields, "x",
		&reply))
		return false;
	(void)head_says(&reply, "Idempotent-Replayed", replayed,
	    sizeof(replayed));
	if (reply.status == 202 || replayed[0] != '\0')
		promise_made(load->promises, &reply,
		    kinds[wish->kind].at_most_once, wish->key);
	else
		self->refused++;
	reply_clear(&reply);
	return true;
}

/* One request, and what is known after it. False when the daemon is gone. */
static bool
submit_once(struct submitter *self, struct client *client)
{
	struct wish wish = new_wish(self);

	if (self->is_in_doubt)
		wish = self->wish;
	else if (self->kept.key != 0 && dice_throw(&self->dice, 8) == 0)
		wish = self->kept;
	self->is_in_doubt = false;
	if (submit_wish(self, client, &wish)) {
		if (wish.key != 0)
			self->kept = wish;
		return true;
	}
	self->lost_answers++;
	self->is_in_doubt = wish.key != 0;
	self->wish = wish;
	return false;
}

static void *
run_submitter(void *arg)
{
	struct submitter *self = arg;
	struct client client;

	if (!client_try_open(&client, self->load->world->api))
		return NULL;
	while (submit_once(self, &client))
		pause_ms(dice_throw(&self->dice, PAUSE_MOST_MS + 1));
	client_close(&client);
	return NULL;
}

/* ---- asking ---- */

/* Rather one of the latest, where something happens. */
static size_t
some_promise(struct load *load, size_t count)
{
	size_t back = dice_throw(&load->dice, 4) == 0 ? count : 64;

	if (back > count)
		back = count;
	return count - 1 - dice_throw(&load->dice, (uint32_t)back);
}

static bool
ask_once(struct load *load, struct client *client)
{
	size_t count = promises_count(load->promises);
	char id[ID_SIZE], target[64];
	struct reply reply;
	size_t which;

	if (count == 0) {
		pause_ms(1);
		return try_ask(client, "GET", "/v1/jobs?limit=1", "", NULL,
			   &reply) &&
		    (reply_clear(&reply), true);
	}
	which = some_promise(load, count);
	promise_id(load->promises, which, id);
	snprintf(target, sizeof(target), "/v1/jobs/%s", id);
	if (!try_ask(client, "GET", target, "", NULL, &reply))
		return false;
	(void)promise_told(load->promises, which, &reply);
	reply_clear(&reply);
	return true;
}

static void *
run_poller(void *arg)
{
	struct load *load = arg;
	struct client client;

	if (!client_try_open(&client, load->world->api))
		return NULL;
	while (ask_once(load, &client))
		continue;
	client_close(&client);
	return NULL;
}

/* ---- together ---- */

struct load *
load_new(struct promises *promises, uint64_t seed)
{
	struct load *load = calloc(1, sizeof(*load));

	ck_assert_ptr_nonnull(load);
	load->promises = promises;
	load->dice.state = seed;
	for (uint32_t i = 0; i < SUBMITTERS; i++) {
		load->submitters[i].load = load;
		load->submitters[i].number = i;
		load->submitters[i].dice.state = seed * 1000 + i + 1;
	}
	return load;
}

void
load_free(struct load **load)
{
	free(*load);
	*load = NULL;
}

void
load_begin(struct load *load, struct world *world)
{
	load->world = world;
	for (int i = 0; i < SUBMITTERS; i++)
		ck_assert_int_eq(pthread_create(&load->submitters[i].thread,
				     NULL, run_submitter, &load->submitters[i]),
		    0);
	ck_assert_int_eq(pthread_create(&load->poller, NULL, run_poller, load),
	    0);
}

void
load_end(struct load *load)
{
	for (int i = 0; i < SUBMITTERS; i++)
		pthread_join(load->submitters[i].thread, NULL);
	pthread_join(load->poller, NULL);
}

long
load_in_doubt(const struct load *load)
{
	long sum = 0;

	for (int i = 0; i < SUBMITTERS; i++)
		sum += load->submitters[i].lost_answers;
	return sum;
}

long
load_refused(const struct load *load)
{
	long sum = 0;

	for (int i = 0; i < SUBMITTERS; i++)
		sum += load->submitters[i].refused;
	return sum;
}
