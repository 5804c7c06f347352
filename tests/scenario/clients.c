/* clients.c - what clients of the world do: submit, look, ask again.
 *
 * An order that was answered stays on its ticket until the test has seen it.
 */
#include "world.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world_inside.h"

static void
answered(struct order *order)
{
	struct order **answer = order->asker;

	ck_assert_msg(*answer == NULL, "answered twice");
	*answer = order;
}

struct order *
new_order(enum order_kind kind)
{
	struct order *order = order_new(kind, next_lane(), answered, NULL);

	ck_assert_ptr_nonnull(order);
	return order;
}

void
ask_later(struct order *order, struct order **answer_out)
{
	*answer_out = NULL;
	order->asker = answer_out;
	ck_assert(ledger_ask(world_ledger(), order));
}

struct order *
ask(struct order *order)
{
	struct order *answer;

	ask_later(order, &answer);
	settle();
	ck_assert_msg(answer != NULL, "never answered");
	return answer;
}

/* ---- submitting ---- */

#define TICKETS 1024

/* Tickets of send_wish; NO_PLACE and NO_ROOM never reach the ledger. */
static struct {
	struct order *answer; /* NULL: none yet */
	enum refusal refusal;
} sent[TICKETS];
static int sent_count;

static void
fill_job(struct order *order, const struct wish *wish)
{
	struct job *job = &order->job;

	(void)snprintf(job->queue, sizeof(job->queue), "%s",
	    order->queue->name);
	(void)snprintf(job->client, sizeof(job->client), "%s",
	    wish->client != NULL ? wish->client : "");
	memcpy(order->client, job->client, sizeof(order->client));
	(void)snprintf(job->method, sizeof(job->method), "POST");
	job->target = text_copy("/");
	job->priority = PRIORITY_DEFAULT - wish->sooner;
	job->max_attempts = wish->attempts > 0 ? wish->attempts
					       : order->queue->attempts;
	job->callback_url = text_copy(wish->callback);
	job->failure_url = text_copy(wish->failure);
	job->idempotency_key = text_copy(wish->key);
	if (wish->events != 0)
		job->callback_events = wish->events;
	order->delay_ms = wish->delay_ms;
	order->expires_ms = wish->expires_ms > 0 ? wish->expires_ms : -1;
	if (wish->body == NULL)
		return;
	job->request_bytes = (int64_t)strlen(wish->body);
	order->request.body = blob_new(wish->body, strlen(wish->body));
	order->request.headers = text_copy("X-Body: yes\n");
}

/* The same request has the same fingerprint: here, the same body. */
static void
fill_fingerprint(struct order *order, const struct wish *wish)
{
	const char *body = wish->body != NULL ? wish->body : "";

	ck_assert(sha256_hex(body, strlen(body), order->fingerprint));
}

/* As api/submit.c does it: the place first. */
int
send_wish(const struct wish *wish)
{
	const char *name = wish->queue != NULL ? wish->queue : "work";
	struct order *order = new_order(ORDER_ACCEPT);
	int ticket = sent_count++ % TICKETS;

	order->queue = queue_named(name);
	order->conf = conf_ref(world_conf());
	fill_job(order, wish);
	fill_fingerprint(order, wish);
	order->place_bytes = order->job.request_bytes;
	order->asker = &sent[ticket].answer;
	sent[ticket].answer = NULL;
	sent[ticket].refusal = TAKEN;
	if (!queue_take_place(order->queue, order->place_bytes)) {
		sent[ticket].refusal = NO_PLACE;
		order_free(&order);
	} else if (!ledger_ask(world_ledger(), order)) {
		sent[ticket].refusal = NO_ROOM;
		queue_give_place(order->queue->gauge, order->place_bytes);
		order_free(&order);
	}
	return ticket;
}

enum refusal
answer_to(int ticket, struct uuid *id_out)
{
	static const enum refusal meanings[] = {
		[ORDER_OK] = TAKEN,
		[ORDER_REPLAYED] = REPLAYED,
		[ORDER_MISMATCH] = MISMATCH,
		[ORDER_UNAVAILABLE] = UNAVAILABLE,
	};
	struct order *order;
	enum refusal refusal;

	if (sent[ticket].refusal != TAKEN)
		return sent[ticket].refusal;
	if (sent[ticket].answer == NULL)
		settle();
	order = sent[ticket].answer;
	ck_assert_msg(order != NULL, "never answered");
	ck_assert(
	    order->result != ORDER_MISSING && order->result != ORDER_CONFLICT);
	refusal = meanings[order->result];
	*id_out = order->job.id;
	order_free(&sent[ticket].answer);
	return refusal;
}

enum refusal
try_submit(const struct wish *wish, struct uuid *id_out)
{
	return answer_to(send_wish(wish), id_out);
}

struct uuid
submit(const struct wish *wish)
{
	struct uuid id;
	enum refusal refusal = try_submit(wish, &id);

	ck_assert_msg(refusal == TAKEN, "refused: %d", (int)refusal);
	return id;
}

struct uuid
submit_plain(void)
{
	return submit(&(struct wish){ .queue = "work" });
}

void
fill_slots(struct uuid busy[2])
{
	busy[0] = submit_plain();
	busy[1] = submit_plain();
	ck_assert(is_under_way(busy[0]) && is_under_way(busy[1]));
}

/* ---- looking ---- */

struct order *
ask_job(struct uuid id)
{
	struct order *order = new_order(ORDER_JOB);

	order->job.id = id;
	order = ask(order);
	ck_assert_int_eq(order->result, ORDER_OK);
	ck_assert(same(order->job.id, id));
	return order;
}

enum order_result
redeliver(struct uuid delivery)
{
	struct order *order = new_order(ORDER_REDELIVER);
	enum order_result result;

	order->delivery.id = delivery;
	order = ask(order);
	result = order->result;
	order_free(&order);
	return result;
}

enum order_result
cancel(struct uuid job)
{
	struct order *order = new_order(ORDER_CANCEL);
	enum order_result result;

	order->job.id = job;
	order = ask(order);
	result = order->result;
	order_free(&order);
	return result;
}

enum job_status
status_of(struct uuid job)
{
	struct order *order = ask_job(job);
	enum job_status status = order->job.status;

	order_free(&order);
	return status;
}

int32_t
attempts_of(struct uuid job)
{
	struct order *order = ask_job(job);
	int32_t attempts = order->job.attempts;

	order_free(&order);
	return attempts;
}

enum job_error
error_of(struct uuid job)
{
	struct order *order = ask_job(job);
	enum job_error error = order->job.error;

	order_free(&order);
	return error;
}

int64_t
position_of(struct uuid job)
{
	struct order *order = ask_job(job);
	int64_t position = order->facts.position;

	order_free(&order);
	return position;
}

int64_t
estimated_wait_of(struct uuid job)
{
	struct order *order = ask_job(job);
	int64_t wait_ms = order->facts.estimated_wait_ms;

	order_free(&order);
	return wait_ms;
}

bool
has_delivery(struct uuid job)
{
	struct order *order = ask_job(job);
	bool has = order->has_delivery;

	order_free(&order);
	return has;
}

/* The delivery of the job's end. */
static struct order *
ask_delivery(struct uuid job)
{
	struct order *order = ask_job(job);

	ck_assert_msg(order->has_delivery, "the job has no delivery");
	return order;
}

enum delivery_state
delivery_state_of(struct uuid job)
{
	struct order *order = ask_delivery(job);
	enum delivery_state state = order->delivery.state;

	order_free(&order);
	return state;
}

int32_t
delivery_attempts_of(struct uuid job)
{
	struct order *order = ask_delivery(job);
	int32_t attempts = order->delivery.attempts;

	order_free(&order);
	return attempts;
}

struct uuid
delivery_of(struct uuid job)
{
	struct order *order = ask_delivery(job);
	struct uuid id = order->delivery.id;

	order_free(&order);
	return id;
}
