/* hosts.c - windows and circuit breakers, a host at a time.
 *
 * Deliveries that may be attempted wait in lines of their host: one of first
 * attempts, one of retries, oldest first. Two rings, one a kind, hold the hosts
 * that have such a line and are not blocked (window full, breaker open): taking
 * the next delivery is taking the host whose turn it is, whatever their number.
 * Hosts are found by name in a balanced tree (tsearch(3)), which foreign names
 * cannot slow down as they could a hash table.
 *
 * Invariants
 *  1. A host is in ring k exactly when its line k is not empty and it is not
 *     blocked.
 *  2. A host has at most one item in `reminders`: a moment, and the host's
 *     address as number. While OPEN it is the end of the cooldown, else the
 *     moment its failures are forgotten.
 *  3. A host with nothing waiting and nothing under way is kept only while it
 *     has a reminder, and has one only while it has failures.
 *  4. HALF_OPEN lets one attempt through at a time, the first once all that was
 *     under way when the breaker opened has ended: so the end of an attempt is
 *     that of the probe.
 *
 * Thread: the one in a turn of the ledger.
 */
#include "callbackd/hosts.h"

#include <assert.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/line.h"
#include "callbackd/text.h"

#define FORGET_MS 3600000 /* failures of a host that is left alone */

enum breaker { CLOSED, OPEN, HALF_OPEN };
enum kind { FIRST, RETRY, KINDS };

struct host {
	struct line *waiting[KINDS]; /* rank 0; seq: the delivery */
	struct host *next[KINDS];    /* ring; NULL: not in it */
	struct host *previous[KINDS];
	int32_t under_way;
	int32_t failures; /* in a row */
	enum breaker breaker;
	int64_t remind_ms; /* its item in reminders; 0: none */
	char *name;        /* "host:port", owned */
};

struct hosts {
	struct hosts_rules rules;
	void *by_name; /* tsearch(3) tree of struct host */
	struct host *turn[KINDS];
	struct line *reminders;
	int32_t under_way[KINDS];
	int64_t waiting;
	int64_t open;
};

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const struct host *)a)->name,
	    ((const struct host *)b)->name);
}

struct hosts *
hosts_new(const struct hosts_rules *rules)
{
	struct hosts *hosts = calloc(1, sizeof(*hosts));

	if (hosts == NULL)
		return NULL;
	hosts->rules = *rules;
	hosts->reminders = line_new();
	if (hosts->reminders == NULL) {
		free(hosts);
		return NULL;
	}
	return hosts;
}

static void
host_free(struct host *host)
{
	line_free(&host->waiting[FIRST]);
	line_free(&host->waiting[RETRY]);
	free(host->name);
	free(host);
}

static void
free_node(void *host)
{
	host_free(host);
}

void
hosts_free(struct hosts **hosts)
{
	if (*hosts == NULL)
		return;
	tdestroy((*hosts)->by_name, free_node);
	line_free(&(*hosts)->reminders);
	free(*hosts);
	*hosts = NULL;
}

static struct host *
host_new(const char *name)
{
	struct host *host = calloc(1, sizeof(*host));

	if (host == NULL)
		return NULL;
	host->name = text_copy(name);
	host->waiting[FIRST] = line_new();
	host->waiting[RETRY] = line_new();
	if (host->name == NULL || host->waiting[FIRST] == NULL ||
	    host->waiting[RETRY] == NULL) {
		host_free(host);
		return NULL;
	}
	return host;
}

static struct host *
find_host(const struct hosts *hosts, const char *name)
{
	const struct host key = { .name = (char *)name };
	struct host **found = tfind(&key, &hosts->by_name, compare_names);

	return found != NULL ? *found : NULL;
}

static struct host *
find_or_add_host(struct hosts *hosts, const char *name)
{
	struct host *host = find_host(hosts, name);

	if (host != NULL)
		return host;
	host = host_new(name);
	if (host == NULL)
		return NULL;
	if (tsearch(host, &hosts->by_name, compare_names) == NULL) {
		host_free(host);
		return NULL;
	}
	return host;
}

static bool
is_blocked(const struct hosts *hosts, const struct host *host)
{
	switch (host->breaker) {
	case CLOSED:
		return host->under_way >= hosts->rules.window;
	case OPEN:
		return true;
	case HALF_OPEN:
		return host->under_way > 0;
	}
	return true;
}

static void
enter_ring(struct hosts *hosts, struct host *host, enum kind kind)
{
	struct host *turn = hosts->turn[kind];

	if (turn == NULL) {
		host->next[kind] = host;
		host->previous[kind] = host;
		hosts->turn[kind] = host;
		return;
	}
	host->next[kind] = turn;
	host->previous[kind] = turn->previous[kind];
	turn->previous[kind]->next[kind] = host;
	turn->previous[kind] = host;
}

static void
leave_ring(struct hosts *hosts, struct host *host, enum kind kind)
{
	struct host *next = host->next[kind];

	if (hosts->turn[kind] == host)
		hosts->turn[kind] = next == host ? NULL : next;
	next->previous[kind] = host->previous[kind];
	host->previous[kind]->next[kind] = next;
	host->next[kind] = NULL;
	host->previous[kind] = NULL;
}

/* Restores invariant 1 after anything about the host has changed. */
static void
place_in_rings(struct hosts *hosts, struct host *host)
{
	bool blocked = is_blocked(hosts, host);

	for (enum kind kind = FIRST; kind < KINDS; kind++) {
		bool belongs = !blocked && line_count(host->waiting[kind]) > 0;
		bool is_in = host->next[kind] != NULL;

		if (belongs && !is_in)
			enter_ring(hosts, host, kind);
		if (!belongs && is_in)
			leave_ring(hosts, host, kind);
	}
}

static void
cancel_reminder(struct hosts *hosts, struct host *host)
{
	if (host->remind_ms == 0)
		return;
	line_leave(hosts->reminders, host->remind_ms, (int64_t)(intptr_t)host);
	host->remind_ms = 0;
}

/* False when memory is out: the host then has no reminder. */
static bool
remind(struct hosts *hosts, struct host *host, int64_t at_mono_ms)
{
	const struct line_item item = { at_mono_ms, (int64_t)(intptr_t)host, 0,
		0 };

	cancel_reminder(hosts, host);
	if (!line_join(hosts->reminders, &item))
		return false;
	host->remind_ms = at_mono_ms;
	return true;
}

static bool
is_idle(const struct host *host)
{
	return host->under_way == 0 && line_count(host->waiting[FIRST]) == 0 &&
	    line_count(host->waiting[RETRY]) == 0;
}

static void
drop_host(struct hosts *hosts, struct host *host)
{
	if (host->breaker != CLOSED)
		hosts->open--;
	cancel_reminder(hosts, host);
	tdelete(host, &hosts->by_name, compare_names);
	host_free(host);
}

/* Invariant 3. */
static void
settle_idle(struct hosts *hosts, struct host *host, int64_t now_mono_ms)
{
	if (!is_idle(host) || host->breaker == OPEN)
		return;
	if (host->failures == 0 ||
	    !remind(hosts, host, now_mono_ms + FORGET_MS))
		drop_host(hosts, host);
}

void
hosts_follow(struct hosts *hosts, const struct hosts_rules *rules)
{
	hosts->rules = *rules;
}

bool
hosts_want(struct hosts *hosts, const char *name, int64_t seq, bool is_first)
{
	const struct line_item item = { 0, seq, 0, 0 };
	struct host *host = find_or_add_host(hosts, name);

	if (host == NULL)
		return false;
	if (!line_join(host->waiting[is_first ? FIRST : RETRY], &item)) {
		if (is_idle(host) && host->remind_ms == 0)
			drop_host(hosts, host);
		return false;
	}
	hosts->waiting++;
	place_in_rings(hosts, host);
	return true;
}

/* Without memory for the reminder the breaker just does not open. */
static void
open_breaker(struct hosts *hosts, struct host *host, int64_t now_mono_ms)
{
	if (!remind(hosts, host, now_mono_ms + hosts->rules.cooldown_ms))
		return;
	if (host->breaker == CLOSED)
		hosts->open++;
	host->breaker = OPEN;
}

static void
heed_reminders(struct hosts *hosts, int64_t now_mono_ms)
{
	const struct line_item *item;

	while ((item = line_first(hosts->reminders)) != NULL &&
	    item->rank <= now_mono_ms) {
		struct host *host = (struct host *)(intptr_t)item->seq;

		cancel_reminder(hosts, host);
		if (host->breaker == OPEN) {
			host->breaker = HALF_OPEN;
			place_in_rings(hosts, host);
			settle_idle(hosts, host, now_mono_ms);
		} else if (is_idle(host)) {
			drop_host(hosts, host);
		}
	}
}

static void
let_go(struct hosts *hosts, struct host *host, enum kind kind,
    struct hosts_turn *out)
{
	*out = (struct hosts_turn){ host->name,
		line_first(host->waiting[kind])->seq, kind == FIRST };
	line_drop_first(host->waiting[kind]);
	hosts->waiting--;
	host->under_way++;
	hosts->under_way[kind]++;
	hosts->turn[kind] = host->next[kind];
	place_in_rings(hosts, host);
}

static bool
may_go(const struct hosts *hosts, enum kind kind)
{
	int32_t budget = kind == FIRST ? hosts->rules.first_budget
				       : hosts->rules.retry_budget;

	return hosts->turn[kind] != NULL && hosts->under_way[kind] < budget;
}

bool
hosts_next(struct hosts *hosts, int64_t now_mono_ms, struct hosts_turn *out)
{
	heed_reminders(hosts, now_mono_ms);
	for (enum kind kind = FIRST; kind < KINDS; kind++) {
		if (!may_go(hosts, kind))
			continue;
		let_go(hosts, hosts->turn[kind], kind, out);
		return true;
	}
	return false;
}

bool
hosts_forget(struct hosts *hosts, const char *name, int64_t seq, bool is_first)
{
	struct host *host = find_host(hosts, name);

	if (host == NULL ||
	    !line_leave(host->waiting[is_first ? FIRST : RETRY], 0, seq))
		return false;
	hosts->waiting--;
	place_in_rings(hosts, host);
	if (is_idle(host) && host->remind_ms == 0)
		drop_host(hosts, host);
	return true;
}

static void
count_answer(struct hosts *hosts, struct host *host)
{
	if (host->breaker == HALF_OPEN) {
		host->breaker = CLOSED;
		hosts->open--;
	}
	host->failures = 0;
	if (host->breaker == CLOSED)
		cancel_reminder(hosts, host);
}

static void
count_failure(struct hosts *hosts, struct host *host, int64_t now_mono_ms)
{
	host->failures++;
	if (host->breaker == OPEN)
		return;
	if (host->breaker == HALF_OPEN ||
	    host->failures >= hosts->rules.failures)
		open_breaker(hosts, host, now_mono_ms);
}

void
hosts_ended(struct hosts *hosts, const char *name, bool is_first,
    enum knock knock, int64_t now_mono_ms)
{
	struct host *host = find_host(hosts, name);

	assert(host != NULL && host->under_way > 0);
	host->under_way--;
	hosts->under_way[is_first ? FIRST : RETRY]--;
	switch (knock) {
	case KNOCK_ANSWERED:
		count_answer(hosts, host);
		break;
	case KNOCK_FAILED:
		count_failure(hosts, host, now_mono_ms);
		break;
	case KNOCK_SKIPPED:
		break;
	}
	place_in_rings(hosts, host);
	settle_idle(hosts, host, now_mono_ms);
}

int64_t
hosts_due_mono_ms(const struct hosts *hosts)
{
	const struct line_item *item = line_first(hosts->reminders);

	if (may_go(hosts, FIRST) || may_go(hosts, RETRY))
		return 0;
	return item != NULL ? item->rank : INT64_MAX;
}

int64_t
hosts_waiting(const struct hosts *hosts)
{
	return hosts->waiting;
}

int64_t
hosts_open_breakers(const struct hosts *hosts)
{
	return hosts->open;
}
