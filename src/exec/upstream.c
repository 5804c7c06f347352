/* upstream.c - one run, one HTTP exchange.
 *
 * The upstream sees the client's request: method, path below the queue's
 * prefix, query, end-to-end fields and body; the accepting side has already
 * taken out what is not passed on. Added here is what only this run knows:
 * Job-Id, Job-Attempt, Job-Deadline, and an Idempotency-Key when the client
 * gave none (contract, section 2); with openfaas_compat, what a function looks
 * for, too.
 *
 * Thread: its loop's.
 */
#include "callbackd/upstream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/headers.h"
#include "callbackd/openfaas.h"
#include "callbackd/transfer.h"
#include "roster.h"

#define KEPT_CONNECTIONS 256
#define CONNECT_MAX_MS 10000
#define HEAD_MAX_BYTES 65536

struct upstream {
	struct loop *loop;
	struct conf *conf;
	struct transfer_pool *pool;
	struct roster roster;
	void (*ended)(struct run *run, void *arg);
	void *arg;
};

/* One run under way. */
struct errand {
	struct roster_entry entry; /* first */
	struct upstream *upstream;
	struct transfer *transfer;
};

/* The operator's own addresses are trusted. */
static const struct target_policy TRUSTED = { .any_address = true };

struct upstream *
upstream_new(struct loop *loop, struct conf *conf,
    void (*ended)(struct run *run, void *arg), void *arg)
{
	struct upstream *upstream = calloc(1, sizeof(*upstream));

	if (upstream == NULL)
		return NULL;
	upstream->loop = loop;
	upstream->conf = conf_ref(conf);
	upstream->ended = ended;
	upstream->arg = arg;
	upstream->pool = transfer_pool_new(loop, KEPT_CONNECTIONS);
	if (upstream->pool == NULL)
		upstream_free(&upstream);
	return upstream;
}

static void
drop_errand(struct errand *errand)
{
	roster_leave(&errand->entry);
	free(errand);
}

static struct errand *
add_errand(struct upstream *upstream, struct run *run)
{
	struct errand *errand = calloc(1, sizeof(*errand));

	if (errand == NULL)
		return NULL;
	errand->upstream = upstream;
	roster_join(&upstream->roster, &errand->entry, run);
	return errand;
}

void
upstream_abandon(struct upstream *upstream)
{
	struct roster_entry *entry;

	while ((entry = upstream->roster.first) != NULL) {
		struct errand *errand = (struct errand *)entry;

		transfer_cancel(&errand->transfer);
		run_free(&entry->run);
		drop_errand(errand);
	}
}

void
upstream_free(struct upstream **upstream)
{
	if (*upstream == NULL)
		return;
	if ((*upstream)->pool != NULL) {
		upstream_abandon(*upstream);
		transfer_pool_free(&(*upstream)->pool);
	}
	conf_unref(&(*upstream)->conf);
	free(*upstream);
	*upstream = NULL;
}

void
upstream_follow(struct upstream *upstream, struct conf *conf)
{
	conf_unref(&upstream->conf);
	upstream->conf = conf_ref(conf);
}

/* ---- the request ---- */

static bool
build_headers(const struct run *run, int64_t deadline_at_ms, bool for_openfaas,
    struct headers *out)
{
	const struct job *job = &run->job;
	const char *stored = run->request.headers;
	const char *key;
	size_t key_len;
	char text[UUID_TEXT_SIZE];

	if (stored != NULL && !buf_puts(&out->text, stored))
		return false;
	uuid_text(job->id, text);
	(void)headers_add(out, "Job-Id", text);
	if (!headers_find(stored, "Idempotency-Key", &key, &key_len))
		(void)headers_add(out, "Idempotency-Key", text);
	(void)headers_add_int(out, "Job-Attempt", job->attempts);
	text_time(deadline_at_ms, text);
	(void)headers_add(out, "Job-Deadline", text);
	if (for_openfaas)
		openfaas_complete_request(out, job);
	return !buf_failed(&out->text);
}

/* The upstream's prefix ends with '/', the target begins with one. */
static char *
build_url(const struct conf_queue *queue, const struct job *job)
{
	size_t prefix_len = strlen(queue->upstream);
	size_t size = prefix_len + strlen(job->target);
	char *url = malloc(size);

	if (url != NULL)
		(void)snprintf(url, size, "%s%s", queue->upstream,
		    job->target + 1);
	return url;
}

/* ---- the answer ---- */

static void
give_back(struct upstream *upstream, struct run *run)
{
	upstream->ended(run, upstream->arg);
}

/* The run could not even begin. */
static void
fail_run(struct upstream *upstream, struct run *run, const char *why)
{
	run->verdict = VERDICT_RETRY;
	run->error = ERROR_INTERNAL;
	run->never_began = true;
	(void)snprintf(run->detail, sizeof(run->detail), "%s", why);
	give_back(upstream, run);
}

static void
explain(struct run *run, const struct transfer_result *result)
{
	if (run->error == ERROR_NONE)
		return;
	if (result->detail[0] != '\0')
		(void)snprintf(run->detail, sizeof(run->detail), "%s",
		    result->detail);
	else
		(void)snprintf(run->detail, sizeof(run->detail),
		    "the upstream answered %d", result->status);
}

static void
transfer_done_cb(struct transfer_result *result, void *arg)
{
	struct errand *errand = arg;
	struct upstream *upstream = errand->upstream;
	struct run *run = errand->entry.run;

	drop_errand(errand);
	run->verdict = verdict_of_run(result->error, result->status,
	    &run->error);
	run->status = result->error == ERROR_NONE ? result->status : 0;
	run->duration_ms = result->total_ms;
	if (run->status > 0) {
		run->asked_ms = verdict_asked_wait_ms(result->answer.headers,
		    result->status, loop_wall_ms(upstream->loop));
		run->content_type = result->content_type;
		result->content_type = NULL;
		run->response = result->answer;
		result->answer = (struct payload){ NULL, NULL };
		run->response_bytes = result->body_bytes;
	}
	explain(run, result);
	give_back(upstream, run);
}

void
upstream_cancel(struct upstream *upstream, int64_t job_seq)
{
	struct roster_entry *entry = roster_find(&upstream->roster, job_seq);
	struct errand *errand = (struct errand *)entry;
	struct run *run;

	if (entry == NULL)
		return;
	run = entry->run;
	transfer_cancel(&errand->transfer);
	drop_errand(errand);
	run->verdict = VERDICT_FINAL;
	run->error = ERROR_CANCELLED;
	give_back(upstream, run);
}

static bool
start_transfer(struct errand *errand, const struct conf_queue *queue)
{
	struct upstream *upstream = errand->upstream;
	struct run *run = errand->entry.run;
	int64_t timeout_ms = roster_timeout_ms(queue, &run->job);
	struct headers headers;
	char *url = build_url(queue, &run->job);

	headers_init(&headers);
	if (url != NULL &&
	    build_headers(run, loop_wall_ms(upstream->loop) + timeout_ms,
		upstream->conf->openfaas_compat, &headers)) {
		const struct transfer_request request = {
			.method = run->job.method,
			.url = url,
			.headers = buf_text(&headers.text),
			.body = run->request.body,
			.connect_ms = timeout_ms < CONNECT_MAX_MS
			    ? timeout_ms
			    : CONNECT_MAX_MS,
			.total_ms = timeout_ms,
			.max_head_bytes = HEAD_MAX_BYTES,
			.max_body_bytes = queue->max_result_bytes,
			.keep_body = true,
			.policy = &TRUSTED,
		};

		errand->transfer = transfer_start(upstream->pool, &request,
		    transfer_done_cb, errand);
	}
	headers_free(&headers);
	free(url);
	return errand->transfer != NULL;
}

void
upstream_start(struct upstream *upstream, struct run *run)
{
	const struct conf_queue *queue = conf_queue_find(upstream->conf,
	    run->job.queue);
	struct errand *errand;

	run->loop = upstream->loop;
	if (queue == NULL || queue->executor != EXECUTOR_HTTP) {
		fail_run(upstream, run, "the queue is no longer configured");
		return;
	}
	errand = add_errand(upstream, run);
	if (errand == NULL) {
		fail_run(upstream, run, "out of memory");
		return;
	}
	if (!start_transfer(errand, queue)) {
		drop_errand(errand);
		fail_run(upstream, run, "the exchange could not be set up");
	}
}
