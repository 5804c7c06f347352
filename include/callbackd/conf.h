/* conf.h - what the operator wants: callbackd.conf, read, checked, unchangeable.
 *
 * A file becomes one struct conf or one line that says what is wrong and where.
 * Once made it is read-only and counted, so that every thread may hold it while
 * a reload brings the next one. Reading a file: main thread only.
 */
#ifndef CALLBACKD_CONF_H
#define CALLBACKD_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "callbackd/job.h"
#include "callbackd/log.h"
#include "callbackd/retry.h"
#include "callbackd/sign.h"
#include "callbackd/target.h"

enum executor { EXECUTOR_HTTP, EXECUTOR_COMMAND, EXECUTOR_PULL };
enum guarantee { AT_LEAST_ONCE, AT_MOST_ONCE };
enum ordered_failure { ORDERED_SKIP, ORDERED_BLOCK, ORDERED_PARK };

/* sched.h: counters that outlive every conf. */
struct queue_gauge;
struct client_gauge;

struct conf_queue {
	char name[NAME_SIZE];
	char *path; /* prefix, begins and ends with '/' */
	enum executor executor;
	char *upstream;    /* URL prefix, ends with '/' */
	char **command;    /* argv, NULL-terminated */
	char *result_type; /* Content-Type of a command's output */
	char **consumers;  /* clients that may pull, NULL-terminated;
	                          * NULL: all that may use the queue */
	int64_t capacity;  /* places; >= 1 */
	int64_t capacity_bytes;
	int32_t concurrency; /* >= 1 */
	int64_t timeout_ms;
	int32_t attempts; /* >= 1 */
	struct backoff backoff;
	enum guarantee guarantee;
	bool async_poll;
	enum ordered_failure on_ordered_failure;
	int64_t max_wait_ms;
	int64_t max_result_bytes;
	struct queue_gauge *gauge; /* set by gauges_adopt; NULL before */
};

struct conf_callback {
	struct schedule schedule; /* with max_age and retry_after_max */
	int64_t timeout_ms;
	int64_t connect_timeout_ms;
	int32_t per_host_concurrency;
	int32_t breaker_failures; /* in a row; >= 1 */
	int64_t breaker_cooldown_ms;
	struct target_policy policy;
	int64_t inline_limit_bytes;
	struct sign_secret *secret; /* NULL: none */
	int64_t disable_after_ms;
};

struct conf_client {
	char name[NAME_SIZE];
	char key_sha256[SHA256_HEX_SIZE]; /* lower-case hex of the key's text */
	struct sign_secret *secret;       /* NULL: the callback section's */
	double rate;                      /* requests a second; 0: no limit */
	double burst;
	int64_t max_queued;         /* 0: no limit */
	char **queues;              /* names, NULL-terminated; NULL: all */
	struct client_gauge *gauge; /* set by gauges_adopt; NULL before */
};

struct conf_listen {
	char *text; /* as written: "127.0.0.1:8080", "unix:/..." */
	bool is_unix;
	struct sockaddr_storage address;
	socklen_t address_len;
};

struct conf {
	char *path; /* of the file, absolute; NULL: defaults */
	struct conf_listen *listen;
	size_t listen_count;
	struct conf_listen *admin_listen;
	size_t admin_listen_count;
	char *store; /* "sqlite:/abs/path", "memory:" */
	bool durability_full;
	int32_t threads; /* 0: one a core */
	int64_t retention_ms;
	int64_t max_body_bytes;
	int32_t max_connections;
	int64_t max_head_bytes;  /* request line and fields */
	int32_t max_field_count; /* header fields of a request */
	int64_t head_timeout_ms; /* from the first byte to the head's end */
	int64_t body_timeout_ms; /* from the end of the head on */
	int64_t idle_timeout_ms; /* between two requests */
	int64_t max_inflight_body_bytes; /* bodies being read, all together;
	                            * >= max_body_bytes */
	char *public_url;                /* "" or without a final '/' */
	struct cidr *trusted_proxies;
	size_t trusted_proxy_count;
	int32_t poll_failed_status;
	int64_t drain_timeout_ms;
	enum log_format log_format;
	enum log_level log_level;
	bool open;
	bool openfaas_compat;
	struct conf_queue *queues;
	size_t queue_count;
	struct conf_callback callback;
	struct conf_client *clients;
	size_t client_count;
	struct gauges *gauges; /* set by gauges_adopt; NULL before */
};

/* Reads and checks a file (path NULL: none, the defaults; relative paths are
 * then as seen from the working folder). NULL when anything is wrong; every mistake has then
 * been told to complain as one line "FILE:LINE: what" (or "FILE: what"). */
struct conf *conf_load(const char *path,
    void (*complain)(const char *line, void *arg), void *arg);
/* One more holder, one holder less; NULL stays NULL. Any thread. */
struct conf *conf_ref(struct conf *conf);
void conf_unref(struct conf **conf);

/* NULL when there is none of that name. */
const struct conf_queue *conf_queue_find(const struct conf *conf,
    const char *name);
const struct conf_client *conf_client_find(const struct conf *conf,
    const char *name);

/* True when that client may use that queue; and when it may pull its jobs, if
 * that is how they are run. "" is the client where none are configured. */
bool conf_may_use(const struct conf *conf, const char *client,
    const char *queue);
bool conf_may_consume(const struct conf *conf, const char *client,
    const char *queue);

/* True when a running daemon can change from one to the other; else why_out
 * names the first setting that needs a restart (listen, admin_listen, store,
 * durability, threads). */
bool conf_can_follow(const struct conf *from, const struct conf *to,
    struct reason *why_out);

/* Tells every setting there is, in the order of the manual: the section it
 * stands in ("" outside, "queue", "queue backoff" ...), its name, and its
 * default as one would write it (NULL: it must be given). The check that the
 * manual is complete lives on it. */
void conf_settings_each(void (*tell)(const char *section, const char *name,
			    const char *default_text, void *arg),
    void *arg);

#endif
