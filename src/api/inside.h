/* inside.h - what the files of the api's room share. Loop thread only. */
#ifndef CALLBACKD_API_INSIDE_H
#define CALLBACKD_API_INSIDE_H

#include <stdbool.h>

#include "callbackd/api.h"
#include "callbackd/problem.h"
#include "callbackd/signers.h"

#define PAGE_DEFAULT 100
#define PAGE_MAX 1000

struct api {
	struct loop *loop;
	struct conf *conf;
	struct signers *signers; /* of links; at hand for receivers */
	struct metrics *metrics;
	struct ledger *ledger;
	struct http_server *server;
	struct watchers *watchers; /* watch.h */
	bool is_draining;
	bool is_abandoned; /* there is no ledger any more */
};

/* One request on its way through the room. */
struct call {
	struct api *api;
	struct http_exchange *exchange;
	const char *target; /* raw: path and query */
	size_t path_len;
	const char *query;  /* after '?'; "" without one */
	int64_t wait_ms;    /* Prefer: wait, for the end of a submitted job */
	bool prefers_async; /* Prefer: respond-async */
	bool is_replay;     /* a submitted job that was there already */
	bool is_over_quota; /* ... or else it is refused: its max_queued */
	bool is_function;   /* asked as of OpenFaaS, and so answered */
	int64_t held_seq;   /* the job whose change or end is waited for */
	struct order *submitted; /* accepted, while its result is waited for */
	const char *id;          /* what stands for {id} in the route */
	size_t id_len;
	char client[NAME_SIZE]; /* who asks; "" without configured clients */
	const struct conf_client *conf; /* the same; NULL; not for later */
};

/* ---- refusal.c: every way to say no ---- */

enum refusal {
	REFUSE_BAD_REQUEST,
	REFUSE_BAD_CALLBACK_URL,
	REFUSE_BAD_JSON,
	REFUSE_UNAUTHORIZED,
	REFUSE_FORBIDDEN,
	REFUSE_NOT_FOUND,
	REFUSE_METHOD_NOT_ALLOWED,
	REFUSE_NOT_ACCEPTABLE,
	REFUSE_CONFLICT,
	REFUSE_STALE_LEASE,
	REFUSE_UNSUPPORTED_MEDIA_TYPE,
	REFUSE_UNPROCESSABLE,
	REFUSE_UPGRADE_REQUIRED,
	REFUSE_IDEMPOTENCY_MISMATCH,
	REFUSE_RATE_LIMITED,
	REFUSE_QUEUE_FULL,
	REFUSE_DRAINING,
	REFUSE_STORE_UNAVAILABLE,
	REFUSE_OVERLOADED,
	REFUSALS,
};

/* Why a request is refused. */
struct objection {
	enum refusal refusal;
	struct reason why;
	int64_t retry_after_s; /* 0: the table's */
	const char *allow;     /* REFUSE_METHOD_NOT_ALLOWED: the Allow field */
	const struct conf_client
	    *limited; /* REFUSE_RATE_LIMITED: by its rate */
};

/* Sets it; always false, so that a check can end with it. */
bool object_to(struct objection *objection, enum refusal refusal,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Answers with the problem; *exchange becomes NULL. */
void refuse(struct http_exchange **exchange, const struct objection *objection);
void refuse_plainly(struct http_exchange **exchange, enum refusal refusal,
    const char *why);
/* What an order came back with, other than ORDER_OK. */
void refuse_order(struct http_exchange **exchange, enum order_result result);

/* ---- reply.c ---- */

void reply_json(struct http_exchange **exchange, int status,
    const struct headers *headers, const struct buf *body);
/* Retry-After for a client that polls this job. */
int64_t poll_after_s(const struct job *job, const struct document_facts *facts);
/* Reads Prefer (RFC 7240) into the call. */
void read_preferences(struct call *call);
/* Idempotent-Replayed, when it is one. */
void add_replay(struct headers *headers, const struct call *call);
/* Preference-Applied, when one was. waited: the answer was waited for. */
void add_preference(struct headers *headers, const struct call *call,
    bool waited);
/* Job-Id and Job-Status. */
void add_job(struct headers *headers, const struct job *job);
/* What OpenFaaS says of the job, when it was asked for. accepted: its
 * ORDER_ACCEPT, when it came back. */
void add_call(struct headers *headers, const struct call *call,
    const struct order *accepted);

/* ---- auth.c ---- */

/* Fills call->client and call->conf, or objects: the key is unknown, or its
 * rate is used up. Who follows a signed link asks as the client whose job it
 * is, and has no conf. */
bool find_client(struct call *call, struct objection *objection);
/* True when that client may use that queue. */
bool client_may_use(const struct api *api, const char *client,
    const char *queue);

/* ---- query.c ---- */

/* The decoded value of a query parameter: 1 found, 0 absent, -1 it is broken or
 * too long. */
int query_find(const char *query, const char *name, char *out, size_t size);

/* ---- queues.c ---- */

/* The queue that the path names, which need not exist; objects when that cannot
 * be a name. */
bool queue_named(const struct call *call, char out[NAME_SIZE],
    struct objection *objection);

/* ---- draft.c: a job on its way to the ledger ---- */

struct draft {
	struct call *call;
	const struct conf *conf;
	const struct conf_queue *queue;
	struct order *order;        /* owned until draft_end */
	struct headers headers;     /* what the upstream will see */
	unsigned given;             /* bits of wishes that were made already */
	struct objection objection; /* set by whatever returned false */
};

/* Sets it up; false when the call was refused already. Every draft that began
 * has one draft_end, which sends it off when is_good, or refuses with the
 * objection. In between, job.target, method, content_type, request_bytes and
 * the request's body are filled in. */
bool draft_begin(struct draft *draft, struct call *call,
    const struct conf_queue *queue);
void draft_end(struct draft *draft, bool is_good);
/* True for fields that describe the connection to us, or that only we may set
 * towards an upstream. */
bool field_is_ours(const char *name);
/* Objects to dot segments and %00 in a target's path. */
bool path_is_plain(const char *target, struct objection *objection);

/* ---- wish.c: what a client may ask for along with a request ---- */

/* Takes note of a header field that callbackd reads itself, if name is one.
 * *is_kept_out: it is not passed on. False when it is not acceptable: the
 * objection then names the place where it was found. */
bool draft_take_wish(struct draft *draft, const char *name, const char *place,
    const char *value, bool *is_kept_out);

/* ---- routes: one function each ---- */

/* The 202, or 200 for a replay that has ended. */
void acknowledge(struct call *call, struct order *order);

void submit(struct call *call, const struct conf_queue *queue,
    size_t prefix_len);
void submit_function(struct call *call);
void submit_json(struct call *call);
/* A submitted job whose client would rather wait for its result. */
void wait_for_result(struct call *call, struct order *submitted);
void get_job(struct call *call);
void cancel_job(struct call *call);
void retry_job(struct call *call);
void get_result(struct call *call);
void watch_job(struct call *call);
void watch_all(struct call *call);
void list_jobs(struct call *call);
void list_dead_letters(struct call *call);
void list_queues(struct call *call);
void get_queue(struct call *call);
void lease_jobs(struct call *call);
void complete_job(struct call *call);
void fail_job(struct call *call);
void extend_lease(struct call *call);
void report_progress(struct call *call);
void redeliver(struct call *call);

/* ---- watchers.c ---- */

struct watchers *watchers_new(struct api *api, int64_t heartbeat_ms);
/* Ends all streams in good order. */
void watchers_drain(struct watchers *watchers);
void watchers_free(struct watchers **watchers);

/* An order with this call as asker; NULL: refused already. The call is copied:
 * its exchange belongs to the answer. */
struct order *order_for(struct call *call, enum order_kind kind,
    void (*answered)(struct order *order));
/* Sends it; refuses and frees when the ledger takes no more. */
void ask(struct order *order);
/* The asker of an order that came back, freed with free(). */
struct call *asker_of(struct order *order);

#endif
