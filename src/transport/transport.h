/* transport.h - what the files of this room know of each other.
 *
 * Private to src/transport, with answer.h. transfer.c begins and ends
 * exchanges, fields.c writes what is sent, answer.c reads what comes, outcome.c
 * judges it, pool.c moves the bytes: libcurl's multi on the loop's event_base.
 * hush.c spares the kernel a question.
 */
#ifndef TRANSPORT_TRANSPORT_H
#define TRANSPORT_TRANSPORT_H

#include <curl/curl.h>

#include "answer.h"
#include "callbackd/transfer.h"

struct watch; /* pool.c: our interest in one descriptor */

struct transfer_pool {
	struct loop *loop;
	CURLM *multi;
	CURLSH *share;            /* of TLS sessions: pool.c */
	struct loop_timer *timer; /* libcurl's one clock */
	struct watch **watches;   /* by descriptor; owned, may be NULL */
	size_t watch_count;
	struct transfer *stock; /* idle ones, with their easy handles */
	unsigned stock_count;
	unsigned under_way;
	unsigned kept_max; /* connections that libcurl may keep */
	bool settling;     /* done() of some transfer is on the stack */
};

struct transfer {
	/* For ever. */
	struct transfer_pool *pool;
	struct transfer *next; /* in the stock */
	CURL *easy;
	CURLU *url;
	char *origin; /* that url has: scheme and authority; NULL: none yet */
	struct loop_timer *timer; /* first_byte_ms; NULL until one was asked */

	/* Of this exchange. */
	transfer_done_fn *done;
	void *arg;
	const struct target_policy *policy;
	struct blob *body;         /* held: libcurl reads it in place */
	struct curl_slist *fields; /* one allocation; see fields.c */
	bool is_https;
	struct answer answer;

	/* What happened to it. */
	unsigned opened_count;   /* sockets the policy let through */
	unsigned sent_count;     /* times libcurl set out to send; 2: refused */
	int socket_errno;        /* of the last socket(2) that failed; 0 */
	const char *denied_rule; /* static text; NULL: nothing was denied */
	char denied[ADDRESS_SIZE];
	char address[ADDRESS_SIZE];
	int64_t began_us; /* moments of clock_mono_us; 0: not yet */
	int64_t connected_us;
	int64_t status_us; /* final status line */
	char error_text[CURL_ERROR_SIZE];
};

/* ---- fields.c ---- */

/* The fields to send, as libcurl's list: headers without those that frame the
 * message, and a word against each field that libcurl would add by itself.
 * sends_body: the request has a Content-Length. One allocation, given back by
 * free(). NULL: no memory. */
struct curl_slist *fields_new(const char *headers, bool sends_body);

/* ---- hush.c ---- */

/* Until hush_end, the first who asks on this thread whether one descriptor is
 * ready, and would not wait, is told that it is not. */
void hush_begin(void);
void hush_end(void);

/* ---- outcome.c ---- */

/* What came of it, written into *out, which owns what it holds. code is
 * libcurl's word for it. */
void outcome_write(struct transfer *transfer, CURLcode code,
    struct transfer_result *out);

/* ---- pool.c ---- */

/* Hands the transfer to libcurl, or takes it back: a connection in use is
 * closed then. False when memory is out. */
bool pool_add(struct transfer *transfer);
void pool_remove(struct transfer *transfer);

/* A socket for libcurl; CURL_SOCKET_BAD when there is none. */
curl_socket_t pool_open_socket(struct transfer_pool *pool,
    const struct curl_sockaddr *address);
/* CURLOPT_CLOSESOCKETFUNCTION; its data is the pool, since a connection lives
 * longer than the transfer that opened it. */
int pool_close_socket_cb(void *pool, curl_socket_t fd);

/* ---- transfer.c ---- */

/* libcurl is through with it: tells its starter and puts it back in stock. */
void transfer_settle(struct transfer *transfer, CURLcode code);
/* Frees a transfer that is in no list. */
void transfer_free(struct transfer *transfer);

#endif
