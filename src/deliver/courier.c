/* courier.c - one attempt to hand one event to one receiver.
 *
 * Each attempt is wrapped anew (the same bytes each time), signed for this
 * moment and POSTed to an address that the operator's policy lets through. The
 * answer's body is not kept; an answer whose head says 2xx counts, however long
 * its body would have been.
 *
 * Thread: its loop's.
 */
#include "callbackd/courier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/document.h"
#include "callbackd/signers.h"
#include "callbackd/transfer.h"

#define KEPT_CONNECTIONS 512
#define HEAD_MAX_BYTES 32768
#define ANSWER_MAX_BYTES 65536 /* read and thrown away; then it is enough */

struct courier {
	struct loop *loop;
	struct conf *conf;
	struct signers *signers;
	struct transfer_pool *pool;
	struct errand *errands; /* under way */
	void (*ended)(struct post *post, void *arg);
	void *arg;
};

/* One post under way. */
struct errand {
	struct courier *courier;
	struct post *post;
	struct transfer *transfer;
	struct conf *conf; /* held: the transfer borrows its policy */
	struct errand *next;
	struct errand **link;
};

/* ---- birth and death ---- */

struct courier *
courier_new(struct loop *loop, struct conf *conf,
    void (*ended)(struct post *post, void *arg), void *arg)
{
	struct courier *courier = calloc(1, sizeof(*courier));

	if (courier == NULL)
		return NULL;
	courier->loop = loop;
	courier->conf = conf_ref(conf);
	courier->ended = ended;
	courier->arg = arg;
	courier->pool = transfer_pool_new(loop, KEPT_CONNECTIONS);
	courier->signers = signers_new(conf);
	if (courier->pool == NULL || courier->signers == NULL)
		courier_free(&courier);
	return courier;
}

static void
drop_errand(struct errand *errand)
{
	*errand->link = errand->next;
	if (errand->next != NULL)
		errand->next->link = errand->link;
	conf_unref(&errand->conf);
	free(errand);
}

static struct errand *
add_errand(struct courier *courier, struct post *post)
{
	struct errand *errand = calloc(1, sizeof(*errand));

	if (errand == NULL)
		return NULL;
	errand->courier = courier;
	errand->post = post;
	errand->conf = conf_ref(courier->conf);
	errand->next = courier->errands;
	errand->link = &courier->errands;
	if (errand->next != NULL)
		errand->next->link = &errand->next;
	courier->errands = errand;
	return errand;
}

void
courier_abandon(struct courier *courier)
{
	while (courier->errands != NULL) {
		struct errand *errand = courier->errands;

		transfer_cancel(&errand->transfer);
		post_free(&errand->post);
		drop_errand(errand);
	}
}

void
courier_free(struct courier **courier)
{
	if (*courier == NULL)
		return;
	courier_abandon(*courier);
	if ((*courier)->pool != NULL)
		transfer_pool_free(&(*courier)->pool);
	signers_free(&(*courier)->signers);
	conf_unref(&(*courier)->conf);
	free(*courier);
	*courier = NULL;
}

void
courier_follow(struct courier *courier, struct conf *conf)
{
	conf_unref(&courier->conf);
	courier->conf = conf_ref(conf);
	if (!signers_follow(&courier->signers, conf))
		log_event(loop_log(courier->loop), LOG_LEVEL_ERROR,
		    "signing_failed", LOG_TEXT("why", "out of memory"));
}

/* ---- the request ---- */

static void
add_found(struct headers *headers, const char *stored, const char *name)
{
	const char *value;
	size_t len;
	char text[512];

	if (!headers_find(stored, name, &value, &len) || len >= sizeof(text))
		return;
	memcpy(text, value, len);
	text[len] = '\0';
	(void)headers_add(headers, name, text);
}

static const char *
status_of_event(const struct post *post)
{
	switch (post->delivery.event) {
	case EVENT_STARTED:
	case EVENT_PROGRESS:
		return job_status_name(JOB_RUNNING);
	case EVENT_SUCCEEDED:
	case EVENT_FAILED:
	case EVENT_CANCELLED:
		return job_event_name(post->delivery.event);
	}
	return "";
}

static bool
sign(struct courier *courier, const struct post *post, const char *id,
    const void *body, size_t body_len, struct headers *headers)
{
	struct signer *signer = signers_find(courier->signers,
	    post->job.client);
	int64_t now_s = post->at_ms / 1000;
	char signature[SIGN_TEXT_SIZE];

	(void)headers_add(headers, "webhook-id", id);
	(void)headers_add_int(headers, "webhook-timestamp", now_s);
	if (signer == NULL)
		return true;
	if (!signer_sign(signer, id, now_s, body, body_len, signature))
		return false;
	return headers_add(headers, "webhook-signature", signature);
}

static void
describe(const struct courier *courier, const struct post *post,
    struct headers *headers)
{
	int32_t attempt = post->delivery.attempts + 1;
	char id[UUID_TEXT_SIZE];

	uuid_text(post->job.id, id);
	(void)headers_add(headers, "Job-Id", id);
	(void)headers_add(headers, "Job-Status", status_of_event(post));
	(void)headers_add_int(headers, "Webhook-Attempt", attempt);
	(void)headers_add_int(headers, "Webhook-Attempts-Left",
	    schedule_attempts_left(&courier->conf->callback.schedule, attempt));
	(void)headers_add(headers, "User-Agent",
	    "callbackd/" CALLBACKD_VERSION);
	add_found(headers, post->request.headers, "traceparent");
	add_found(headers, post->request.headers, "tracestate");
}

static bool
build_headers(struct courier *courier, const struct post *post,
    const struct envelope *envelope, struct headers *out)
{
	const void *body = envelope->blob != NULL ? blob_data(envelope->blob)
						  : buf_text(&envelope->body);
	size_t body_len = envelope->blob != NULL ? blob_len(envelope->blob)
						 : envelope->body.len;
	char id[UUID_TEXT_SIZE];

	uuid_text(post->delivery.id, id);
	if (post->delivery.headers != NULL &&
	    !buf_puts(&out->text, post->delivery.headers))
		return false;
	if (envelope->headers.text.len > 0 &&
	    !buf_puts(&out->text, buf_text(&envelope->headers.text)))
		return false;
	if (envelope->content_type != NULL)
		(void)headers_add(out, "Content-Type", envelope->content_type);
	describe(courier, post, out);
	return sign(courier, post, id, body, body_len, out) &&
	    !buf_failed(&out->text);
}

/* ---- the answer ---- */

static void
give_back(struct courier *courier, struct post *post)
{
	courier->ended(post, courier->arg);
}

/* The attempt could not even begin. */
static void
fail_post(struct courier *courier, struct post *post, const char *why)
{
	post->verdict = VERDICT_RETRY;
	post->error = ERROR_INTERNAL;
	post->dns_ms = post->connect_ms = -1;
	post->tls_ms = post->first_byte_ms = -1;
	(void)snprintf(post->detail, sizeof(post->detail), "%s", why);
	give_back(courier, post);
}

static void
judge(struct courier *courier, struct post *post,
    const struct transfer_result *result)
{
	enum job_error error = result->error;
	const char *value;
	size_t len;
	char said[64] = "";

	if (error == ERROR_TOO_LARGE && result->status > 0)
		error = ERROR_NONE;
	if (error == ERROR_NONE &&
	    headers_find(result->answer.headers, "webhook-delivery", &value,
		&len) &&
	    len < sizeof(said)) {
		memcpy(said, value, len);
		said[len] = '\0';
	}
	post->status = error == ERROR_NONE ? result->status : 0;
	post->verdict = verdict_of_delivery(error, result->status,
	    said[0] != '\0' ? said : NULL, &post->error);
	if (error == ERROR_NONE)
		post->asked_ms = verdict_asked_wait_ms(result->answer.headers,
		    result->status, loop_wall_ms(courier->loop));
}

static void
transfer_done_cb(struct transfer_result *result, void *arg)
{
	struct errand *errand = arg;
	struct courier *courier = errand->courier;
	struct post *post = errand->post;

	judge(courier, post, result);
	post->dns_ms = result->dns_ms;
	post->connect_ms = result->connect_ms;
	post->tls_ms = result->tls_ms;
	post->first_byte_ms = result->first_byte_ms;
	post->duration_ms = result->total_ms;
	text_fit(result->address, post->address, sizeof(post->address));
	if (post->error != ERROR_NONE)
		(void)snprintf(post->detail, sizeof(post->detail), "%s",
		    result->detail);
	drop_errand(errand);
	give_back(courier, post);
}

static struct transfer *
start_transfer(struct errand *errand, const struct envelope *envelope,
    struct blob *body)
{
	struct courier *courier = errand->courier;
	const struct conf_callback *conf = &errand->conf->callback;
	struct headers headers;
	struct transfer *transfer = NULL;

	headers_init(&headers);
	if (build_headers(courier, errand->post, envelope, &headers)) {
		const struct transfer_request request = {
			.method = "POST",
			.url = errand->post->delivery.url,
			.headers = buf_text(&headers.text),
			.body = body,
			.connect_ms = conf->connect_timeout_ms,
			.total_ms = conf->timeout_ms,
			.max_head_bytes = HEAD_MAX_BYTES,
			.max_body_bytes = ANSWER_MAX_BYTES,
			.keep_body = false,
			.policy = &conf->policy,
		};

		transfer = transfer_start(courier->pool, &request,
		    transfer_done_cb, errand);
	}
	headers_free(&headers);
	return transfer;
}

/* Wraps the event and sets its exchange going. */
static bool
send_errand(struct errand *errand)
{
	const struct conf *conf = errand->conf;
	const struct post *post = errand->post;
	const struct envelope_terms terms = {
		.public_url = conf->public_url,
		.inline_limit_bytes = conf->callback.inline_limit_bytes,
		.for_openfaas = conf->openfaas_compat,
		.request = post->request.headers,
		.links = signers_for_links(errand->courier->signers,
		    post->job.client),
		.link_ms = conf->callback.schedule.max_age_ms +
		    conf->retention_ms,
	};
	struct envelope envelope;
	struct blob *body;

	if (!envelope_build(&post->job, &post->delivery, &post->response,
		&terms, &envelope))
		return false;
	if (envelope.blob != NULL) {
		body = blob_ref(envelope.blob);
	} else {
		body = blob_from_buf(&envelope.body);
		envelope.blob = blob_ref(body);
	}
	if (body != NULL)
		errand->transfer = start_transfer(errand, &envelope, body);
	blob_unref(&body);
	envelope_clear(&envelope);
	return errand->transfer != NULL;
}

void
courier_start(struct courier *courier, struct post *post)
{
	struct errand *errand;

	post->at_ms = loop_wall_ms(courier->loop);
	errand = add_errand(courier, post);
	if (errand == NULL) {
		fail_post(courier, post, "out of memory");
		return;
	}
	if (!send_errand(errand)) {
		drop_errand(errand);
		fail_post(courier, post, "the exchange could not be set up");
	}
}
