/* upstream.c - one run: an HTTP exchange, or a question and then others.
 *
 *   start ──► asked ──────────────────────────► judged, given back
 *              ▲  │                                   ▲
 *              │  └─ taken (202), async_upstream ─┐   │ answered, denied, or
 *              │                                  ▼   │ no time left
 *              └────── timer ◄───────────────── waits ┘
 *
 * 1. All of a run is under one deadline, whatever it consists of.
 * 2. Between two questions a run holds its slot and a timer: no connection, and
 *    nothing of an answer.
 * 3. What other origins are asked is asked through a pool of their own, and
 *    judged by the rules for URLs of clients, at each connection again.
 * 4. A run ends as its last question did. Once the upstream has said that it
 *    has the work, nothing proves that it did not begin.
 *
 * Thread: its loop's.
 */
#include "callbackd/upstream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/headers.h"
#include "callbackd/transfer.h"
#include "inquiry.h"

#define KEPT_CONNECTIONS 256
#define KEPT_ABROAD 16 /* other origins are rare */
#define CONNECT_MAX_MS 10000
#define HEAD_MAX_BYTES 65536

/* To the head of an answer to a later question: a peer that never answers must
 * not use up what is left of the run. */
#define LATER_HEAD_MAX_MS 60000

struct upstream {
	struct loop *loop;
	struct conf *conf;
	struct transfer_pool *pool;   /* the operator's upstreams */
	struct transfer_pool *abroad; /* where their answers lead */
	struct roster roster;
	void (*ended)(struct run *run, void *arg);
	void *arg;
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
	upstream->abroad = transfer_pool_new(loop, KEPT_ABROAD);
	if (upstream->pool == NULL || upstream->abroad == NULL)
		upstream_free(&upstream);
	return upstream;
}

static void
drop_inquiry(struct inquiry *inquiry)
{
	roster_leave(&inquiry->entry);
	transfer_cancel(&inquiry->transfer);
	loop_timer_free(&inquiry->timer);
	conf_unref(&inquiry->conf);
	free(inquiry->url);
	free(inquiry);
}

/* NULL: no memory. */
static struct inquiry *
add_inquiry(struct upstream *upstream, const struct conf_queue *queue,
    struct run *run)
{
	struct inquiry *inquiry = calloc(1, sizeof(*inquiry));
	int64_t timeout_ms = roster_timeout_ms(queue, &run->job);

	if (inquiry == NULL)
		return NULL;
	inquiry->url = question_url(queue, &run->job);
	if (inquiry->url == NULL) {
		free(inquiry);
		return NULL;
	}
	inquiry->upstream = upstream;
	inquiry->loop = upstream->loop;
	inquiry->conf = conf_ref(upstream->conf);
	inquiry->queue = queue;
	inquiry->begun_mono_ms = loop_mono_ms(upstream->loop);
	inquiry->deadline_mono_ms = inquiry->begun_mono_ms + timeout_ms;
	inquiry->deadline_at_ms = loop_wall_ms(upstream->loop) + timeout_ms;
	inquiry->question = QUESTION_JOB;
	roster_join(&upstream->roster, &inquiry->entry, run);
	return inquiry;
}

void
upstream_abandon(struct upstream *upstream)
{
	struct roster_entry *entry;

	while ((entry = upstream->roster.first) != NULL) {
		run_free(&entry->run);
		drop_inquiry((struct inquiry *)entry);
	}
}

void
upstream_free(struct upstream **upstream)
{
	if (*upstream == NULL)
		return;
	upstream_abandon(*upstream);
	transfer_pool_free(&(*upstream)->pool);
	transfer_pool_free(&(*upstream)->abroad);
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

/* ---- a question ---- */

static void transfer_done_cb(struct transfer_result *result, void *arg);

static bool
send_question(struct inquiry *inquiry, const char *headers)
{
	struct upstream *upstream = inquiry->upstream;
	const struct run *run = inquiry->entry.run;
	bool is_job = inquiry->question == QUESTION_JOB;
	bool is_abroad = inquiry->question == QUESTION_ABROAD;
	int64_t left_ms = inquiry->deadline_mono_ms - inquiry->asked_mono_ms;
	int64_t total_ms = left_ms > 1 ? left_ms : 1;
	const struct transfer_request request = {
		.method = is_job ? run->job.method : "GET",
		.url = inquiry->url,
		.headers = headers,
		.body = is_job ? run->request.body : NULL,
		.connect_ms = total_ms < CONNECT_MAX_MS ? total_ms
							: CONNECT_MAX_MS,
		.first_byte_ms = is_job ? 0 : LATER_HEAD_MAX_MS,
		.total_ms = total_ms,
		.max_head_bytes = HEAD_MAX_BYTES,
		.max_body_bytes = inquiry->queue->max_result_bytes,
		.keep_body = true,
		.policy = is_abroad ? &inquiry->conf->callback.policy
				    : &TRUSTED,
	};

	inquiry->transfer = transfer_start(is_abroad ? upstream->abroad
						     : upstream->pool,
	    &request, transfer_done_cb, inquiry);
	return inquiry->transfer != NULL;
}

/* False: no memory. */
static bool
ask(struct inquiry *inquiry)
{
	struct headers headers;
	bool is_asked;

	headers_init(&headers);
	inquiry->asked_count++;
	inquiry->asked_mono_ms = loop_mono_ms(inquiry->loop);
	is_asked = question_fields(inquiry->question, inquiry->entry.run,
		       inquiry->deadline_at_ms, inquiry->conf->openfaas_compat,
		       &headers) &&
	    send_question(inquiry, buf_text(&headers.text));
	headers_free(&headers);
	return is_asked;
}

/* ---- the end ---- */

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
take_answer(struct run *run, struct transfer_result *result, int64_t now_ms)
{
	run->status = result->status;
	run->asked_ms = verdict_asked_wait_ms(result->answer.headers,
	    result->status, now_ms);
	run->content_type = result->content_type;
	result->content_type = NULL;
	run->response = result->answer;
	result->answer = (struct payload){ NULL, NULL };
	run->response_bytes = result->body_bytes;
}

static void
end_run(struct inquiry *inquiry, struct transfer_result *result)
{
	struct upstream *upstream = inquiry->upstream;
	struct run *run = inquiry->entry.run;

	run->duration_ms = inquiry->asked_mono_ms - inquiry->begun_mono_ms +
	    result->total_ms;
	drop_inquiry(inquiry);
	run->verdict = verdict_of_run(result->error, result->status,
	    &run->error);
	if (result->error == ERROR_NONE)
		take_answer(run, result, loop_wall_ms(upstream->loop));
	explain(run, result);
	give_back(upstream, run);
}

/* ---- one after the other ---- */

static void
ask_again_cb(void *arg)
{
	struct inquiry *inquiry = arg;
	struct transfer_result result = { .error = ERROR_INTERNAL,
		.detail = "the exchange could not be set up" };

	if (!ask(inquiry))
		transfer_done_cb(&result, inquiry);
}

/* False: no memory. */
static bool
ask_later(struct inquiry *inquiry, int64_t wait_ms)
{
	if (inquiry->timer == NULL)
		inquiry->timer = loop_timer_new(inquiry->loop, ask_again_cb,
		    inquiry);
	if (inquiry->timer == NULL)
		return false;
	loop_timer_set(inquiry->timer, wait_ms);
	return true;
}

static void
transfer_done_cb(struct transfer_result *result, void *arg)
{
	struct inquiry *inquiry = arg;
	int64_t wait_ms;

	inquiry->transfer = NULL;
	if (inquiry->queue->async_poll &&
	    inquiry_goes_on(inquiry, result, &wait_ms)) {
		if (ask_later(inquiry, wait_ms))
			return;
		result->error = ERROR_INTERNAL;
		(void)snprintf(result->detail, sizeof(result->detail),
		    "no memory to wait for more");
	}
	end_run(inquiry, result);
}

/* ---- the beginning ---- */

void
upstream_cancel(struct upstream *upstream, int64_t job_seq)
{
	struct roster_entry *entry = roster_find(&upstream->roster, job_seq);
	struct run *run;

	if (entry == NULL)
		return;
	run = entry->run;
	drop_inquiry((struct inquiry *)entry);
	run->verdict = VERDICT_FINAL;
	run->error = ERROR_CANCELLED;
	give_back(upstream, run);
}

void
upstream_start(struct upstream *upstream, struct run *run)
{
	const struct conf_queue *queue = conf_queue_find(upstream->conf,
	    run->job.queue);
	struct inquiry *inquiry;

	if (queue == NULL || queue->executor != EXECUTOR_HTTP) {
		fail_run(upstream, run, "the queue is no longer configured");
		return;
	}
	inquiry = add_inquiry(upstream, queue, run);
	if (inquiry == NULL) {
		fail_run(upstream, run, "out of memory");
		return;
	}
	if (!ask(inquiry)) {
		drop_inquiry(inquiry);
		fail_run(upstream, run, "the exchange could not be set up");
	}
}
