/* gauge.c - the counters of queues, and places in them.
 *
 * A place is taken by the thread that accepts, before anything is promised, and
 * given back by the ledger. The bound is kept by raising first and looking
 * then: a raise that went over is taken back, so the count may be above
 * capacity for an instant but nobody is let in by it.
 *
 * Threads: the list of queues' gauges is main's; that of clients' grows at its
 * head from any thread and never shrinks; the counters are anybody's.
 */
#include <stdlib.h>
#include <string.h>

#include "callbackd/sched.h"

#define RETRY_AFTER_MAX_S 60
#define FREED_SHARE 20 /* come back when a 20th of the queue has drained */

struct gauges {
	struct queue_gauge *first;
	_Atomic(struct client_gauge *) first_client;
};

struct gauges *
gauges_new(void)
{
	return calloc(1, sizeof(struct gauges));
}

void
gauges_free(struct gauges **gauges)
{
	struct queue_gauge *gauge;
	struct client_gauge *client;

	if (*gauges == NULL)
		return;
	while ((gauge = (*gauges)->first) != NULL) {
		(*gauges)->first = gauge->next;
		free(gauge);
	}
	while ((client = atomic_load(&(*gauges)->first_client)) != NULL) {
		atomic_store(&(*gauges)->first_client, client->next);
		free(client);
	}
	free(*gauges);
	*gauges = NULL;
}

static struct queue_gauge *
find_or_add(struct gauges *gauges, const char *name)
{
	struct queue_gauge *gauge;

	for (gauge = gauges->first; gauge != NULL; gauge = gauge->next)
		if (strcmp(gauge->name, name) == 0)
			return gauge;
	gauge = calloc(1, sizeof(*gauge));
	if (gauge == NULL)
		return NULL;
	memcpy(gauge->name, name, strnlen(name, NAME_SIZE - 1));
	gauge->next = gauges->first;
	gauges->first = gauge;
	return gauge;
}

static struct client_gauge *
find_client(struct client_gauge *first, const char *name)
{
	while (first != NULL && strcmp(first->name, name) != 0)
		first = first->next;
	return first;
}

/* Two threads may add at once: who comes second looks again. */
static struct client_gauge *
find_or_add_client(struct gauges *gauges, const char *name)
{
	struct client_gauge *first = atomic_load(&gauges->first_client);
	struct client_gauge *gauge = find_client(first, name);
	struct client_gauge *added;

	if (gauge != NULL)
		return gauge;
	added = calloc(1, sizeof(*added));
	if (added == NULL)
		return NULL;
	memcpy(added->name, name, strnlen(name, NAME_SIZE - 1));
	do {
		gauge = find_client(first, name);
		if (gauge != NULL) {
			free(added);
			return gauge;
		}
		added->next = first;
	} while (!atomic_compare_exchange_weak(&gauges->first_client, &first,
	    added));
	return added;
}

bool
gauges_adopt(struct gauges *gauges, struct conf *conf)
{
	conf->gauges = gauges;
	for (size_t i = 0; i < conf->queue_count; i++) {
		struct conf_queue *queue = &conf->queues[i];

		queue->gauge = find_or_add(gauges, queue->name);
		if (queue->gauge == NULL)
			return false;
	}
	for (size_t i = 0; i < conf->client_count; i++) {
		struct conf_client *client = &conf->clients[i];

		client->gauge = find_or_add_client(gauges, client->name);
		if (client->gauge == NULL)
			return false;
	}
	return true;
}

struct queue_gauge *
gauges_first(struct gauges *gauges)
{
	return gauges->first;
}

bool
queue_take_place(const struct conf_queue *queue, int64_t bytes)
{
	struct queue_gauge *gauge = queue->gauge;
	int64_t places = atomic_fetch_add(&gauge->places, 1) + 1;
	int64_t taken = atomic_fetch_add(&gauge->place_bytes, bytes) + bytes;

	if (places == 1)
		return true;
	if (places <= queue->capacity && taken <= queue->capacity_bytes)
		return true;
	queue_give_place(gauge, bytes);
	atomic_fetch_add_explicit(&gauge->refused_full, 1,
	    memory_order_relaxed);
	return false;
}

void
queue_give_place(struct queue_gauge *gauge, int64_t bytes)
{
	atomic_fetch_sub(&gauge->places, 1);
	atomic_fetch_sub(&gauge->place_bytes, bytes);
}

void
queue_hold_place(struct queue_gauge *gauge, int64_t bytes)
{
	atomic_fetch_add(&gauge->places, 1);
	atomic_fetch_add(&gauge->place_bytes, bytes);
}

bool
client_take_place(const struct conf_client *client)
{
	if (client == NULL)
		return true;
	if (atomic_fetch_add(&client->gauge->places, 1) < client->max_queued ||
	    client->max_queued == 0)
		return true;
	client_give_place(client);
	return false;
}

void
client_give_place(const struct conf_client *client)
{
	if (client != NULL)
		atomic_fetch_sub(&client->gauge->places, 1);
}

void
gauges_hold_client(struct gauges *gauges, const char *client)
{
	struct client_gauge *gauge = client[0] != '\0'
	    ? find_or_add_client(gauges, client)
	    : NULL;

	if (gauge != NULL)
		atomic_fetch_add(&gauge->places, 1);
}

void
gauges_give_client(struct gauges *gauges, const char *client)
{
	struct client_gauge *gauge =
	    find_client(atomic_load(&gauges->first_client), client);

	if (gauge != NULL)
		atomic_fetch_sub(&gauge->places, 1);
}

/* Longer ones would not fit where they are added up. */
static int64_t
at_most_a_year_us(double seconds)
{
	const double year_s = 365 * 86400.0;

	return (int64_t)(1e6 * (seconds < year_s ? seconds : year_s));
}

/* Each request costs 1/rate seconds; a client may be in debt by what burst
 * requests cost. paid_until is the moment at which the debt is paid. */
bool
client_take_turn(const struct conf_client *client, int64_t now_mono_us,
    int64_t *left_out, int64_t *wait_us_out)
{
	int64_t cost_us = at_most_a_year_us(1 / client->rate);
	int64_t credit_us = at_most_a_year_us(client->burst / client->rate);
	long long paid = atomic_load(&client->gauge->paid_until_us);
	long long next;

	do {
		next = (paid > now_mono_us ? paid : now_mono_us) + cost_us;
		*left_out = 0;
		*wait_us_out = next - now_mono_us - credit_us;
		if (*wait_us_out > 0)
			return false;
	} while (!atomic_compare_exchange_weak(&client->gauge->paid_until_us,
	    &paid, next));
	*left_out = cost_us > 0 ? -*wait_us_out / cost_us : 0;
	*wait_us_out = 0;
	return true;
}

int64_t
queue_retry_after_s(const struct queue_gauge *gauge, uint32_t dice)
{
	int64_t rate = atomic_load_explicit(&gauge->drain_per_ks,
	    memory_order_relaxed);
	int64_t places = atomic_load_explicit(&gauge->places,
	    memory_order_relaxed);
	int64_t wait_s = RETRY_AFTER_MAX_S;

	if (rate > 0)
		wait_s = (places / FREED_SHARE + 1) * 1000 / rate;
	if (wait_s < 1)
		wait_s = 1;
	wait_s += (int64_t)(((uint64_t)dice * (uint64_t)(wait_s / 2 + 1)) >>
	    32);
	return wait_s > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : wait_s;
}
