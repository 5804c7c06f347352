/* hosts.h - may we knock at that receiver now? Windows and circuit breakers.
 *
 * One entry a host and port that has deliveries. Each has a window of attempts
 * under way and a breaker that opens after failures in a row: its deliveries
 * then wait without spending attempts, and one probe at a time finds out
 * whether it is back. Hosts take turns. First attempts and retries have
 * separate budgets, so a first attempt never waits behind another host's
 * retries. Pure bookkeeping: within the ledger's turns, monotonic time
 * from the caller.
 *
 *           failures in a row                cooldown over
 *   closed ──────────────────► open ─────────────────────► half open
 *     ▲                          ▲                        (one probe)
 *     │                          └───────── it failed ────────┤
 *     └──────────────────────────────────── it answered ──────┘
 */
#ifndef CALLBACKD_HOSTS_H
#define CALLBACKD_HOSTS_H

#include <stdbool.h>
#include <stdint.h>

struct hosts_rules {
	int32_t window;       /* attempts at once to one host; >= 1 */
	int32_t failures;     /* in a row until the breaker opens; >= 1 */
	int64_t cooldown_ms;  /* open for so long before a probe */
	int32_t first_budget; /* first attempts under way over all hosts */
	int32_t retry_budget; /* retries under way over all hosts */
};

struct hosts; /* opaque */

struct hosts *hosts_new(const struct hosts_rules *rules);
void hosts_free(struct hosts **hosts);
void hosts_follow(struct hosts *hosts, const struct hosts_rules *rules);

/* A delivery to "host:port" wants to be attempted. False: no memory. */
bool hosts_want(struct hosts *hosts, const char *host, int64_t seq,
    bool is_first);

/* The next delivery that may be attempted: it no longer waits, and is under way
 * until hosts_ended. False when none may. out->host lives until then. */
struct hosts_turn {
	const char *host;
	int64_t seq;
	bool is_first;
};
bool hosts_next(struct hosts *hosts, int64_t now_mono_ms,
    struct hosts_turn *out);

/* Takes back a wish, wherever it waits (rare: cancelled, endpoint gone). */
bool hosts_forget(struct hosts *hosts, const char *host, int64_t seq,
    bool is_first);

/* How an attempt that hosts_next let go has ended. */
enum knock {
	KNOCK_ANSWERED, /* the host is well, whatever it said */
	KNOCK_FAILED,   /* no answer, or one that says it is unwell */
	KNOCK_SKIPPED,  /* no attempt was made after all */
};
void hosts_ended(struct hosts *hosts, const char *host, bool is_first,
    enum knock knock, int64_t now_mono_ms);

/* When hosts_next may have something without anybody wanting or ending; 0: now,
 * INT64_MAX: never. */
int64_t hosts_due_mono_ms(const struct hosts *hosts);

/* For metrics. */
int64_t hosts_waiting(const struct hosts *hosts);
int64_t hosts_open_breakers(const struct hosts *hosts);

#endif
