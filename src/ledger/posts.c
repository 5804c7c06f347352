/* posts.c - deliveries: when they are due, when they may go, how they end.
 *
 *   due line ──► host's line (hosts) ──► under way ──► delivered | dead
 *      ▲                                     │
 *      └────────── schedule_wait_ms ─────────┘
 *
 * What a delivery needs is read from the store when it goes, unless it is still
 * at hand from the run that caused it (fresh.h).
 *
 * Invariants
 *  1. A pending delivery is in the due line, in a line of its host or under
 *     way: in exactly one of them.
 *  2. hosts_ended is called once for each that hosts_next let go.
 *
 * Thread: the one in a turn of the ledger.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/random.h"
#include "inside.h"

/* Attempts under way over all hosts: memory, and about half of the descriptors
 * of a default limit of 1024. Retries have the smaller part. */
#define FIRST_BUDGET 384
#define RETRY_BUDGET 128

struct hosts_rules
hosts_rules_of(const struct conf *conf)
{
	return (struct hosts_rules){
		.window = conf->callback.per_host_concurrency,
		.failures = conf->callback.breaker_failures,
		.cooldown_ms = conf->callback.breaker_cooldown_ms,
		.first_budget = FIRST_BUDGET,
		.retry_budget = RETRY_BUDGET,
	};
}

/* "host:port" of a URL that was checked when it was accepted. */
static void
split_host(const char *url, char out[HOST_SIZE])
{
	static const struct target_policy form_only = { .any_address = true };
	struct target_url parts;
	struct target_verdict verdict;
	struct reason why;

	if (!target_check_url(&form_only, url, &parts, &verdict, &why)) {
		(void)snprintf(out, HOST_SIZE, "?");
		return;
	}
	(void)snprintf(out, HOST_SIZE, "%s:%u", parts.host, parts.port);
}

/* Scheme and authority of the URL that was split last, and nothing longer. */
static bool
is_known(const struct ledger *ledger, const char *url)
{
	size_t len = ledger->known_origin_len;

	return len > 0 && strncmp(url, ledger->known_origin, len) == 0 &&
	    (url[len] == '/' || url[len] == '?' || url[len] == '\0');
}

/* The same, until the next one is asked for. Most deliveries go where the one
 * before went. */
static const char *
host_of(struct ledger *ledger, const char *url)
{
	const size_t scheme_len = strlen("https://"); /* or one byte more */
	size_t len;

	if (is_known(ledger, url))
		return ledger->known_host;
	split_host(url, ledger->known_host);
	len = scheme_len + strcspn(url + scheme_len, "/?");
	if (len > sizeof(ledger->known_origin))
		len = 0;
	memcpy(ledger->known_origin, url, len);
	ledger->known_origin_len = len;
	return ledger->known_host;
}

/* ---- waiting ---- */

static void
wait_until(struct ledger *ledger, int64_t seq, int64_t due_mono_ms)
{
	const struct line_item item = { due_mono_ms, seq, 0, 0 };

	if (!line_join(ledger->due, &item))
		log_event(ledger->log, LOG_LEVEL_ERROR, "delivery_parked",
		    LOG_TEXT("why", "out of memory; waits for a restart"));
}

static void
knock(struct ledger *ledger, const struct delivery *delivery)
{
	if (!hosts_want(ledger->hosts, host_of(ledger, delivery->url),
		delivery->id.seq, delivery->attempts == 0))
		wait_until(ledger, delivery->id.seq, ledger->mono_ms + 1000);
}

void
plan_delivery(struct ledger *ledger, const struct delivery *delivery)
{
	int64_t due_mono_ms = due_mono(ledger, delivery->next_at_ms);

	if (due_mono_ms > ledger->mono_ms)
		wait_until(ledger, delivery->id.seq, due_mono_ms);
	else
		knock(ledger, delivery);
}

static void
wake_delivery(struct ledger *ledger, int64_t seq)
{
	struct delivery delivery;
	enum store_result result;

	line_drop_first(ledger->due);
	delivery_init(&delivery);
	result = store_get_delivery_seq(ledger->store, seq, &delivery);
	if (result == STORE_OK && delivery.state == DELIVERY_PENDING)
		knock(ledger, &delivery);
	else if (result != STORE_OK && result != STORE_MISSING)
		wait_until(ledger, seq, ledger->mono_ms + 1000);
	delivery_clear(&delivery);
}

void
wake_deliveries(struct ledger *ledger)
{
	const struct line_item *item;

	if (ledger->is_sick || atomic_load(&ledger->is_draining))
		return;
	for (int i = 0; i < TURN_MAX; i++) {
		item = line_first(ledger->due);
		if (item == NULL || item->rank > ledger->mono_ms)
			return;
		wake_delivery(ledger, item->seq);
	}
}

/* ---- going ---- */

void
keep_fresh(struct ledger *ledger, struct run *run)
{
	struct post *post = post_new();

	if (post == NULL)
		return;
	post->loop = run->loop;
	post->leapt_ms = ledger->leapt_ms;
	post->delivery = run->delivery;
	post->job = run->job;
	post->request = run->request;
	post->response = run->response;
	delivery_init(&run->delivery);
	job_init(&run->job);
	run->request = (struct payload){ NULL, NULL };
	run->response = (struct payload){ NULL, NULL };
	blob_unref(&post->request.body);
	if (!fresh_keep_post(&ledger->fresh, post))
		post_free(&post);
}

static enum store_result
load_post(struct ledger *ledger, int64_t seq, struct post **post_out)
{
	struct post *post = post_new();
	enum store_result result = STORE_AGAIN;

	*post_out = post;
	if (post == NULL)
		return result;
	post->leapt_ms = ledger->moved_ms;
	result = store_get_delivery_seq(ledger->store, seq, &post->delivery);
	if (result == STORE_OK && post->delivery.state != DELIVERY_PENDING)
		result = STORE_MISSING;
	if (result == STORE_OK)
		result = store_get_job_seq(ledger->store,
		    post->delivery.job.seq, &post->job);
	if (result == STORE_OK)
		result = load_request(ledger, post->job.id.seq, &post->request);
	blob_unref(&post->request.body);
	if (result != STORE_OK)
		return result;
	result = store_get_payload(ledger->store, post->job.id.seq,
	    PAYLOAD_RESPONSE, &post->response);
	return result == STORE_MISSING ? STORE_OK : result;
}

static void
post_begins_cb(struct mail *mail, void *room)
{
	struct ledger_hands *hands = room;

	hands->start_post((struct post *)mail, hands->arg);
}

static bool
is_too_old(const struct ledger *ledger, const struct delivery *delivery)
{
	return delivery->attempts > 0 &&
	    age_of(ledger, delivery->schedule_at_ms) >
	    ledger->conf->callback.schedule.max_age_ms;
}

static void
send_post(struct ledger *ledger, struct post *post,
    const struct hosts_turn *turn)
{
	post->is_first = turn->is_first;
	post->host = turn->host;
	follow_clock_post(ledger, post);
	post->loop = begin_work(ledger, WORK_POST, post->loop);
	if (is_too_old(ledger, &post->delivery)) {
		post->is_too_old = true;
		mail_list_add(&ledger->unsettled_posts, &post->mail);
		return;
	}
	post->mail.open = post_begins_cb;
	send_to(ledger, post->loop, &post->mail);
}

static void
let_go(struct ledger *ledger, const struct hosts_turn *turn)
{
	struct post *post = fresh_take_post(&ledger->fresh, turn->seq);
	enum store_result result = STORE_OK;

	if (post == NULL)
		result = load_post(ledger, turn->seq, &post);
	if (result == STORE_OK) {
		send_post(ledger, post, turn);
		return;
	}
	post_free(&post);
	if (result != STORE_MISSING)
		wait_until(ledger, turn->seq, ledger->mono_ms + 1000);
	hosts_ended(ledger->hosts, turn->host, turn->is_first, KNOCK_SKIPPED,
	    ledger->mono_ms);
}

void
let_deliveries_go(struct ledger *ledger)
{
	struct hosts_turn turn;

	for (int i = 0; i < TURN_MAX; i++) {
		if (atomic_load(&ledger->is_draining) ||
		    !hosts_next(ledger->hosts, ledger->mono_ms, &turn))
			break;
		let_go(ledger, &turn);
	}
}

/* ---- ending ---- */

static void
bury(struct ledger *ledger, struct delivery *delivery)
{
	delivery->state = DELIVERY_DEAD;
	delivery->next_at_ms = -1;
	delivery->ended_at_ms = ledger->wall_ms;
}

static void
note_attempt(struct post *post)
{
	const struct attempt_facts facts = {
		.at_ms = post->at_ms,
		.status = post->status,
		.error = post->error,
		.duration_ms = post->duration_ms,
		.dns_ms = post->dns_ms,
		.connect_ms = post->connect_ms,
		.tls_ms = post->tls_ms,
		.first_byte_ms = post->first_byte_ms,
		.address = post->address[0] != '\0' ? post->address : NULL,
	};

	/* Without memory the history lacks a line; the outcome stands. */
	(void)document_add_attempt(&post->delivery, &facts);
	post->delivery.attempts++;
	post->delivery.error = post->error;
}

static void
plan_next_attempt(struct ledger *ledger, struct post *post)
{
	struct delivery *delivery = &post->delivery;
	int64_t wait_ms;

	if (schedule_wait_ms(&ledger->conf->callback.schedule,
		delivery->attempts, age_of(ledger, delivery->schedule_at_ms),
		post->asked_ms, random_u32(), &wait_ms))
		delivery->next_at_ms = planned_at(ledger, wait_ms);
	else
		bury(ledger, delivery);
}

/* Once for each attempt, however often it takes to write it down. */
static void
judge(struct ledger *ledger, struct post *post)
{
	struct delivery *delivery = &post->delivery;

	if (post->is_judged)
		return;
	post->is_judged = true;
	if (post->is_too_old) {
		bury(ledger, delivery);
		return;
	}
	note_attempt(post);
	switch (post->verdict) {
	case VERDICT_SUCCESS:
		delivery->state = DELIVERY_DELIVERED;
		delivery->next_at_ms = -1;
		delivery->ended_at_ms = ledger->wall_ms;
		return;
	case VERDICT_RETRY:
		plan_next_attempt(ledger, post);
		return;
	case VERDICT_FINAL:
		bury(ledger, delivery);
		return;
	}
}

enum store_result
prepare_post_end(struct ledger *ledger, struct mail *mail)
{
	struct post *post = (struct post *)mail;
	enum store_result result = begin_writing(ledger);

	follow_clock_post(ledger, post);
	judge(ledger, post);
	if (result == STORE_OK)
		result = store_update_delivery(ledger->store, &post->delivery);
	return result;
}

/* What the attempt says of the host, whatever it says of the delivery. */
static enum knock
knock_of(const struct post *post)
{
	if (post->is_too_old || post->error == ERROR_TARGET_DENIED ||
	    post->error == ERROR_INTERNAL)
		return KNOCK_SKIPPED;
	if (post->status == 429 || post->status >= 500 || post->status == 0)
		return KNOCK_FAILED;
	return KNOCK_ANSWERED;
}

static void
count_post(struct ledger *ledger, const struct post *post)
{
	static const enum metric metrics[] = {
		[DELIVERY_PENDING] = METRIC_DELIVERY_RETRIES,
		[DELIVERY_HELD] = METRIC_DELIVERY_RETRIES,
		[DELIVERY_DELIVERED] = METRIC_DELIVERIES_DELIVERED,
		[DELIVERY_DEAD] = METRIC_DELIVERIES_DEAD,
	};

	metrics_add(ledger->metrics, metrics[post->delivery.state], 1);
	if (!post->is_too_old)
		metrics_observe_us(ledger->metrics, HISTOGRAM_DELIVER,
		    post->duration_ms * 1000);
}

static void
log_post(struct ledger *ledger, const struct post *post)
{
	static const char *const events[] = {
		[DELIVERY_PENDING] = "delivery_retry",
		[DELIVERY_HELD] = "delivery_held",
		[DELIVERY_DELIVERED] = "delivered",
		[DELIVERY_DEAD] = "dead_letter",
	};
	const struct delivery *delivery = &post->delivery;
	char job[UUID_TEXT_SIZE];
	char id[UUID_TEXT_SIZE];

	if (!log_wants(LOG_LEVEL_INFO))
		return;
	uuid_text(delivery->job, job);
	uuid_text(delivery->id, id);
	log_event(ledger->log, LOG_LEVEL_INFO, events[delivery->state],
	    LOG_TEXT("job", job), LOG_TEXT("delivery", id),
	    LOG_TEXT("queue", post->job.queue),
	    LOG_INT("attempt", delivery->attempts),
	    LOG_TEXT("host", post->host), LOG_INT("status", post->status),
	    LOG_INT("wait_ms",
		delivery->next_at_ms < 0
		    ? 0
		    : delivery->next_at_ms - planned_at(ledger, 0)),
	    LOG_TEXT("why", job_error_name(delivery->error)),
	    LOG_TEXT("detail", post->detail));
}

void
conclude_post_end(struct ledger *ledger, struct mail *mail)
{
	struct post *post = (struct post *)mail;

	end_work(ledger, WORK_POST, post->loop);
	count_post(ledger, post);
	log_post(ledger, post);
	job_changed(ledger, &post->job);
	if (post->delivery.state == DELIVERY_PENDING)
		plan_delivery(ledger, &post->delivery);
	hosts_ended(ledger->hosts, post->host, post->is_first, knock_of(post),
	    ledger->mono_ms);
	post_free(&post);
}
