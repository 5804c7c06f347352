/* job.h - the record of a job, and the states it may be in.
 *
 * Pure: a value with owned strings, and the table of what may follow what.
 *
 *               claim              succeed
 *   (accept) ─► queued ──────────► running ──────────► succeeded
 *                 │  ▲               │ │ │
 *                 │  └── retry ──────┘ │ └── fail ──► failed
 *                 │                    │                ▲  │
 *                 ├──── expire ────────┼────────────────┘  │ revive
 *                 │                    │                   ▼
 *                 └──── cancel ────────┴──► cancelled    queued
 */
#ifndef CALLBACKD_JOB_H
#define CALLBACKD_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "callbackd/blob.h"
#include "callbackd/uuid.h"

/* Stored as numbers: never renumber. */
enum job_status {
	JOB_QUEUED = 0,    /* waits for its turn, its delay or its next try */
	JOB_RUNNING = 1,   /* one attempt is under way */
	JOB_SUCCEEDED = 2, /* ended: the upstream answered 2xx */
	JOB_FAILED = 3,    /* ended: out of attempts, or a final answer */
	JOB_CANCELLED = 4, /* ended: the client no longer wants it */
};
#define JOB_STATUS_COUNT 5

enum job_move {
	JOB_CLAIM,   /* a slot is free: run it */
	JOB_SUCCEED, /* the run ended well */
	JOB_FAIL,    /* the run ended, and nothing more will be tried */
	JOB_RETRY,   /* the run ended, and another will be tried */
	JOB_CANCEL,  /* the client asked */
	JOB_EXPIRE,  /* too late to start */
	JOB_REVIVE,  /* a client or operator asks for another go */
};
#define JOB_MOVE_COUNT 7

/* What may follow. False when the move is not legal in that state. */
bool job_next(enum job_status from, enum job_move move,
    enum job_status *to_out);
bool job_has_ended(enum job_status status);
const char *job_status_name(enum job_status status); /* "queued" ... */
bool job_status_parse(const char *name, enum job_status *out);

/* Why an attempt failed: one vocabulary for API, logs, metrics, dead letters.
 * Stored as numbers: never renumber. */
enum job_error {
	ERROR_NONE = 0,
	ERROR_DNS_FAILED,      /* the name does not resolve */
	ERROR_REFUSED,         /* nobody listens, or no route */
	ERROR_CONNECT_TIMEOUT, /* no connection in time */
	ERROR_TLS_FAILED,      /* handshake or certificate */
	ERROR_RESET,           /* cut before the answer was complete */
	ERROR_TIMEOUT_HEADERS, /* connected, but no answer in time */
	ERROR_TIMEOUT_BODY,    /* the answer began, but did not end in time */
	ERROR_STATUS_4XX,
	ERROR_STATUS_5XX,
	ERROR_REDIRECT,            /* 3xx: not followed */
	ERROR_TARGET_DENIED,       /* the address policy forbids it */
	ERROR_TOO_LARGE,           /* the answer is over its ceiling */
	ERROR_GONE,                /* 410 from a receiver */
	ERROR_ABORTED_BY_RECEIVER, /* webhook-delivery: abort-message, disable */
	ERROR_BAD_RESPONSE,        /* not HTTP, or an illegal status */
	ERROR_COMMAND_FAILED,      /* exit status */
	ERROR_COMMAND_SIGNAL,      /* killed by a signal */
	ERROR_CONSUMER_FAILED,     /* the worker said so */
	ERROR_LEASE_EXPIRED,
	ERROR_EXPIRED,     /* Job-Expires passed before it started */
	ERROR_INTERRUPTED, /* the gateway died during the run */
	ERROR_CANCELLED,
	ERROR_INTERNAL, /* we are at fault */
};
#define JOB_ERROR_COUNT 24
const char *job_error_name(enum job_error error); /* "none", "dns-failed" ... */

/* Events, as bits of a mask. Stored as numbers: never renumber. */
enum job_event {
	EVENT_STARTED = 1 << 0,
	EVENT_PROGRESS = 1 << 1,
	EVENT_SUCCEEDED = 1 << 2,
	EVENT_FAILED = 1 << 3,
	EVENT_CANCELLED = 1 << 4,
};
#define EVENTS_TERMINAL (EVENT_SUCCEEDED | EVENT_FAILED | EVENT_CANCELLED)
const char *job_event_name(enum job_event event); /* "started" ... */
const char *job_event_type(enum job_event event); /* "job.started" ... */
/* A comma list of event names; false for an unknown name or an empty list. */
bool job_events_parse(const char *list, unsigned *mask_out);
enum job_event job_event_of(enum job_status ended);

/* Stored as numbers: never renumber. */
enum callback_format {
	FORMAT_STANDARD = 0,
	FORMAT_RAW = 1,
	FORMAT_CLOUDEVENTS = 2,
	FORMAT_THIN = 3,
};
const char *callback_format_name(enum callback_format format);
bool callback_format_parse(const char *name, enum callback_format *out);

#define NAME_SIZE 64 /* queue and client names: [a-z0-9_-], NUL included */
#define LEASE_TOKEN_SIZE 33 /* 128 random bits in hex, NUL included */
#define METHOD_SIZE 20 /* longest legal method token we take, NUL included */
#define PRIORITY_DEFAULT 5
#define PRIORITY_MAX 9

/* True for a legal queue or client name. */
bool name_is_legal(const char *name);

/* Moments are Unix ms, -1 for "not yet" or "never". Strings are owned, NULL
 * where a thing does not apply. */
struct job {
	struct uuid id; /* set by the store when it is added */
	char queue[NAME_SIZE];
	char client[NAME_SIZE]; /* "" without configured clients */
	enum job_status status;
	int32_t priority;     /* 0 first .. 9 */
	int32_t attempts;     /* runs begun */
	int32_t max_attempts; /* >= 1 */
	int64_t created_at_ms;
	int64_t run_at_ms;     /* not before; created_at when at once */
	int64_t started_at_ms; /* of the latest run */
	int64_t finished_at_ms;
	int64_t expires_at_ms; /* give up unless started by then */
	int64_t timeout_ms;    /* one run; 0: the queue's */
	char *ordering_key;
	char *idempotency_key;
	struct uuid batch;

	char method[METHOD_SIZE];
	char *target; /* below the prefix, "/..." with query */
	char *content_type;
	int64_t request_bytes; /* body */

	int32_t response_status; /* 0: none */
	char *response_type;
	int64_t response_bytes;
	enum job_error error;
	char *error_detail;

	/* While a consumer holds it. */
	char lease_token
	    [LEASE_TOKEN_SIZE]; /* its right to it; "": nobody does */
	int64_t lease_until_ms;
	double progress; /* as it said, 0 .. 1; -1: it did not */
	char *progress_message;

	char *callback_url;       /* NULL: no callback */
	char *failure_url;        /* NULL: callback_url */
	char *callback_headers;   /* headers.h text; NULL: none */
	unsigned callback_events; /* mask of enum job_event */
	enum callback_format callback_format;
	struct uuid delivery; /* of the terminal event; set with id */
};

/* An empty record: every moment -1, priority 5, terminal events. */
void job_init(struct job *job);
/* Frees the strings; the record is then as after job_init. */
void job_clear(struct job *job);
/* A deep copy. False when memory is out; *to is then as after job_init. */
bool job_copy(struct job *to, const struct job *from);

/* True while the job needs a place in its queue: it waits, or it runs and may
 * have to come back. The queue's bound counts these. */
bool job_holds_place(const struct job *job);

/* Nobody holds it any more; what was said of its progress stays. */
void job_end_lease(struct job *job);

/* What goes with a job, too big for its row. */
struct payload {
	char *headers;     /* headers.h text, owned; NULL: none */
	struct blob *body; /* held; NULL: empty */
};
void payload_clear(struct payload *payload);
/* Another holder of the same; false when memory is out. */
bool payload_copy(struct payload *to, const struct payload *from);

/* Stored as numbers: never renumber. */
enum delivery_state {
	DELIVERY_PENDING = 0,   /* due now or at next_at */
	DELIVERY_HELD = 1,      /* its endpoint is paused */
	DELIVERY_DELIVERED = 2, /* the receiver said 2xx */
	DELIVERY_DEAD = 3,      /* a dead letter: nothing more is tried */
};
const char *delivery_state_name(enum delivery_state state);

/* One event on its way to one URL. */
struct delivery {
	struct uuid id; /* webhook-id, the same over all attempts */
	struct uuid job;
	enum job_event event;
	enum delivery_state state;
	enum callback_format format;
	int32_t attempts; /* POSTs made since the (re)start of the schedule */
	int64_t created_at_ms;  /* of the event */
	int64_t schedule_at_ms; /* when the schedule (re)started: max_age */
	int64_t next_at_ms;     /* -1: none planned */
	int64_t ended_at_ms;    /* delivered or dead; -1 before */
	enum job_error error;   /* of the last attempt */
	char *url;              /* owned */
	char *headers; /* the client's own, headers.h text; NULL: none */
	/* Of the job at the event, for those that happen while it runs. */
	int32_t run; /* attempts; 0: not kept */
	int64_t run_started_at_ms;
	double progress;
	char *progress_message; /* owned */
	char *attempts_json; /* owned: elements of the document's array, comma
	                         * separated; NULL: none yet */
};
void delivery_init(struct delivery *delivery);
void delivery_clear(struct delivery *delivery);
bool delivery_copy(struct delivery *to, const struct delivery *from);

#endif
