/* refusal.c - every way this listener says no, in one table.
 *
 * The manual (callbackd-api.7) and the OpenAPI file list the same; a check
 * compares them with this table.
 */
#include <stdarg.h>
#include <stdio.h>

#include "callbackd/random.h"
#include "inside.h"

static const struct {
	const char *name; /* last part of the problem's type */
	int status;
	int retry_after_s; /* 0: no Retry-After unless the objection has one */
} refusals[REFUSALS] = {
	[REFUSE_BAD_REQUEST] = { "bad-request", 400, 0 },
	[REFUSE_BAD_CALLBACK_URL] = { "bad-callback-url", 400, 0 },
	[REFUSE_BAD_JSON] = { "bad-json", 400, 0 },
	[REFUSE_UNAUTHORIZED] = { "unauthorized", 401, 0 },
	[REFUSE_FORBIDDEN] = { "forbidden", 403, 0 },
	[REFUSE_NOT_FOUND] = { "not-found", 404, 0 },
	[REFUSE_METHOD_NOT_ALLOWED] = { "method-not-allowed", 405, 0 },
	[REFUSE_NOT_ACCEPTABLE] = { "not-acceptable", 406, 0 },
	[REFUSE_CONFLICT] = { "conflict", 409, 0 },
	[REFUSE_STALE_LEASE] = { "stale-lease", 409, 0 },
	[REFUSE_UNSUPPORTED_MEDIA_TYPE] = { "unsupported-media-type", 415, 0 },
	[REFUSE_UNPROCESSABLE] = { "unprocessable", 422, 0 },
	[REFUSE_UPGRADE_REQUIRED] = { "upgrade-required", 426, 0 },
	[REFUSE_IDEMPOTENCY_MISMATCH] = { "idempotency-mismatch", 422, 0 },
	[REFUSE_RATE_LIMITED] = { "rate-limited", 429, 1 },
	[REFUSE_QUEUE_FULL] = { "queue-full", 503, 1 },
	[REFUSE_DRAINING] = { "draining", 503, 5 },
	[REFUSE_STORE_UNAVAILABLE] = { "store-unavailable", 503, 5 },
	[REFUSE_OVERLOADED] = { "overloaded", 503, 1 },
};

bool
object_to(struct objection *objection, enum refusal refusal, const char *format,
    ...)
{
	va_list args;

	objection->refusal = refusal;
	va_start(args, format);
	(void)vsnprintf(objection->why.text, sizeof(objection->why.text),
	    format, args);
	va_end(args);
	return false;
}

static void
add_rate(struct headers *headers, const struct conf_client *client,
    int64_t wait_s)
{
	double window_s = client->burst / client->rate;
	char text[64];

	(void)snprintf(text, sizeof(text), "\"client\";q=%.0f;w=%.0f",
	    client->burst, window_s < 1 ? 1 : window_s);
	(void)headers_add(headers, "RateLimit-Policy", text);
	(void)snprintf(text, sizeof(text), "\"client\";r=0;t=%lld",
	    (long long)wait_s);
	(void)headers_add(headers, "RateLimit", text);
}

void
refuse(struct http_exchange **exchange, const struct objection *objection)
{
	enum refusal refusal = objection->refusal;
	int64_t retry_after_s = objection->retry_after_s;
	struct headers headers;
	struct buf body;
	struct http_reply reply = {
		.status = refusals[refusal].status,
		.content_type = PROBLEM_CONTENT_TYPE,
		.headers = &headers,
	};

	headers_init(&headers);
	buf_init(&body, 4096);
	if (retry_after_s == 0 && refusals[refusal].retry_after_s > 0)
		retry_after_s = refusals[refusal].retry_after_s +
		    random_u32() % 2;
	if (retry_after_s > 0)
		(void)headers_add_int(&headers, "Retry-After", retry_after_s);
	if (objection->allow != NULL)
		(void)headers_add(&headers, "Allow", objection->allow);
	if (objection->limited != NULL)
		add_rate(&headers, objection->limited, retry_after_s);
	if (refusal == REFUSE_UPGRADE_REQUIRED) {
		(void)headers_add(&headers, "Upgrade", "websocket");
		(void)headers_add(&headers, "Sec-WebSocket-Version", "13");
	}
	if (refusal == REFUSE_UNAUTHORIZED)
		(void)headers_add(&headers, "WWW-Authenticate",
		    "Bearer realm=\"callbackd\"");
	(void)problem_text(&body, reply.status, refusals[refusal].name,
	    objection->why.text[0] != '\0' ? objection->why.text : NULL);
	reply.body = buf_text(&body);
	reply.body_len = body.len;
	http_answer(exchange, &reply);
	buf_free(&body);
	headers_free(&headers);
}

void
refuse_plainly(struct http_exchange **exchange, enum refusal refusal,
    const char *why)
{
	struct objection objection = { .refusal = refusal };

	reason_set(&objection.why, "%s", why);
	refuse(exchange, &objection);
}

void
refuse_order(struct http_exchange **exchange, enum order_result result)
{
	switch (result) {
	case ORDER_OK:
	case ORDER_REPLAYED:
		break;
	case ORDER_FULL:
		refuse_plainly(exchange, REFUSE_QUEUE_FULL,
		    "the queue of this job is full");
		return;
	case ORDER_MISMATCH:
		refuse_plainly(exchange, REFUSE_IDEMPOTENCY_MISMATCH,
		    "Idempotency-Key: another request came with this key");
		return;
	case ORDER_MISSING:
		refuse_plainly(exchange, REFUSE_NOT_FOUND,
		    "no such thing, or no longer");
		return;
	case ORDER_CONFLICT:
		refuse_plainly(exchange, REFUSE_CONFLICT,
		    "it is not in a state where that can be done");
		return;
	case ORDER_STALE:
		refuse_plainly(exchange, REFUSE_STALE_LEASE,
		    "the lease of this token is over, or there was none");
		return;
	case ORDER_UNAVAILABLE:
		refuse_plainly(exchange, REFUSE_STORE_UNAVAILABLE,
		    "the store does not answer at present");
		return;
	}
}
