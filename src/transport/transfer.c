/* transfer.c - one exchange, from its request to its result.
 *
 * 1. One transfer sends at most one request. libcurl repeats a request by
 *    itself when a kept connection dies before the first byte of the answer
 *    (Curl_retry_request); but an upstream that has read the request and then
 *    dies has perhaps run the job, and would run it again within one attempt,
 *    unseen by whoever counts attempts. No option switches that off. It shows,
 *    though: CURLOPT_PREREQFUNCTION is called before each sending, so the
 *    second call, and any socket opened after the first, is refused, and the
 *    transfer ends as ERROR_RESET. Whether to try again is for the layer that
 *    knows about guarantees. MAXAGE_CONN keeps such ends rare: a connection
 *    idle for 2 s is not used again, and servers wait longer than that before
 *    they close one.
 * 2. The policy is asked twice: for every socket before it connects, and for
 *    every request before it is sent. A kept connection comes without the
 *    first, a name with many addresses needs both (libraries.md, 5).
 * 3. HTTP/1.1 only: the names of fields arrive as they were written (HTTP/2
 *    lowers them), one connection is one exchange (nothing else dies with it,
 *    and cancelling it closes it), and no server can ask for h2c.
 * 4. What is constant is set when the easy handle is made; begin() sets all
 *    that differs, every time, so nothing of one exchange is left in the next.
 *    The origin alone is kept, and compared before it is used.
 * 5. done() is called when the transfer is back in stock: it may start another,
 *    or cancel any that is under way.
 *
 * Homes of curl/curl.h: the files of this room.
 *
 * Thread: the loop's.
 */
#include "transport.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "callbackd/clock.h"
#include "callbackd/reserve.h"
#include "callbackd/text.h"

enum {
	IDLE_MAX_S = 1,       /* libcurl counts whole seconds: below 2 s */
	LIFETIME_MAX_S = 300, /* so that a name that moves is looked up again */
	KEEPALIVE_S = 60,     /* TCP probes while an upstream takes its time */
	READ_BYTES = 4096     /* at once: held by each transfer under way */
};

/* GnuTLS comes along with protocols of libcurl's that we do not use, and begins
 * as soon as it is loaded, at the cost of 0.7 MiB, unless the program has this
 * function. A libcurl that encrypts with it begins it by itself. */
int _gnutls_global_init_skip(void);

int
_gnutls_global_init_skip(void)
{
	return 1;
}

bool
transfer_library_init(void)
{
	return curl_global_init_mem(CURL_GLOBAL_DEFAULT, reserve_malloc,
		   reserve_free, reserve_realloc, reserve_strdup,
		   reserve_calloc) == CURLE_OK;
}

void
transfer_library_cleanup(void)
{
	curl_global_cleanup();
}

/* ---- the policy: invariants 1 and 2 ---- */

static bool
is_allowed(struct transfer *transfer, const struct sockaddr *address,
    socklen_t len)
{
	struct target_verdict verdict = target_judge_address(transfer->policy,
	    address, len);

	if (verdict.allowed)
		return true;
	transfer->denied_rule = verdict.rule;
	if (getnameinfo(address, len, transfer->denied,
		sizeof(transfer->denied), NULL, 0, NI_NUMERICHOST) != 0)
		transfer->denied[0] = '\0';
	return false;
}

static curl_socket_t
open_socket_cb(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct transfer *transfer = arg;
	curl_socket_t fd;

	(void)purpose;
	if (transfer->sent_count > 0) {
		transfer->sent_count++;
		return CURL_SOCKET_BAD;
	}
	if (!is_allowed(transfer, &address->addr, address->addrlen))
		return CURL_SOCKET_BAD;
	fd = pool_open_socket(transfer->pool, address);
	if (fd == CURL_SOCKET_BAD)
		transfer->socket_errno = errno;
	else
		transfer->opened_count++;
	return fd;
}

/* The address of a connection as libcurl writes it: without a scope. */
static bool
is_allowed_text(struct transfer *transfer, const char *ip)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, ip, &in.sin_addr) == 1)
		return is_allowed(transfer, (struct sockaddr *)&in, sizeof(in));
	if (inet_pton(AF_INET6, ip, &in6.sin6_addr) == 1)
		return is_allowed(transfer, (struct sockaddr *)&in6,
		    sizeof(in6));
	transfer->denied_rule = "reserved";
	return false;
}

static void
write_address(const char *ip, int port, char out[ADDRESS_SIZE])
{
	bool is_v6 = strchr(ip, ':') != NULL;
	char *end = stpcpy(stpcpy(out, is_v6 ? "[" : ""), ip);

	end = stpcpy(end, is_v6 ? "]:" : ":");
	(void)text_int(port, end);
}

static int
before_sending_cb(void *arg, char *peer_ip, char *own_ip, int peer_port,
    int own_port)
{
	struct transfer *transfer = arg;

	(void)own_ip;
	(void)own_port;
	if (!is_allowed_text(transfer, peer_ip)) {
		transfer->opened_count = 0; /* this one was what mattered */
		return CURL_PREREQFUNC_ABORT;
	}
	transfer->sent_count++;
	if (transfer->sent_count > 1)
		return CURL_PREREQFUNC_ABORT;
	transfer->connected_us = clock_mono_us();
	write_address(peer_ip, peer_port, transfer->address);
	if (!transfer->is_https)
		hush_begin(); /* until interest_cb of pool.c */
	return CURL_PREREQFUNC_OK;
}

/* ---- the answer ---- */

static size_t
head_cb(char *line, size_t one, size_t len, void *arg)
{
	struct transfer *transfer = arg;

	(void)one; /* is 1 */
	if (!answer_add_line(&transfer->answer, line, len))
		return CURL_WRITEFUNC_ERROR;
	if (transfer->status_us == 0 && transfer->answer.status != 0)
		transfer->status_us = clock_mono_us();
	return len;
}

static size_t
body_cb(char *bytes, size_t one, size_t len, void *arg)
{
	struct transfer *transfer = arg;

	(void)one;
	if (!answer_add_body(&transfer->answer, bytes, len))
		return CURL_WRITEFUNC_ERROR;
	return len;
}

/* ---- the stock ---- */

/* What never changes: see the manual of each at curl.se/libcurl/c. */
static bool
set_limits(CURL *easy)
{
	static const struct {
		CURLoption option;
		long value;
	} settings[] = {
		{ CURLOPT_NOSIGNAL, 1 },
		{ CURLOPT_QUICK_EXIT, 1 }, /* else DNS blocks a cancel */
		{ CURLOPT_NETRC, CURL_NETRC_IGNORED },
		{ CURLOPT_HTTPAUTH, CURLAUTH_NONE },
		{ CURLOPT_DISALLOW_USERNAME_IN_URL, 1 },
		{ CURLOPT_FOLLOWLOCATION, 0 },
		{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
		{ CURLOPT_HTTP09_ALLOWED, 0 },
		{ CURLOPT_HTTP_CONTENT_DECODING, 0 },
		{ CURLOPT_PATH_AS_IS, 1 },
		{ CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
		{ CURLOPT_SSL_VERIFYPEER, 1 },
		{ CURLOPT_SSL_VERIFYHOST, 2 },
		{ CURLOPT_TCP_KEEPALIVE, 1 },
		{ CURLOPT_TCP_KEEPIDLE, KEEPALIVE_S },
		{ CURLOPT_TCP_KEEPINTVL, KEEPALIVE_S },
		{ CURLOPT_BUFFERSIZE, READ_BYTES },
		{ CURLOPT_MAXAGE_CONN, IDLE_MAX_S },
		{ CURLOPT_MAXLIFETIME_CONN, LIFETIME_MAX_S },
	};

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (curl_easy_setopt(easy, settings[i].option,
			settings[i].value) != CURLE_OK)
			return false;
	/* Without its list of exceptions the environment is searched for one. */
	return curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_NOPROXY, "") == CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") ==
	    CURLE_OK;
}

/* These do not fail: libcurl keeps the pointers. */
static void
set_callbacks(struct transfer *transfer)
{
	CURL *easy = transfer->easy;

	curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	curl_easy_setopt(easy, CURLOPT_SHARE, transfer->pool->share);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error_text);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket_cb);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION,
	    pool_close_socket_cb);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, transfer->pool);
	curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, before_sending_cb);
	curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, head_cb);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_cb);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
}

static struct transfer *
make(struct transfer_pool *pool)
{
	struct transfer *transfer = calloc(1, sizeof(*transfer));

	if (transfer == NULL)
		return NULL;
	transfer->pool = pool;
	transfer->easy = curl_easy_init();
	transfer->url = curl_url();
	if (transfer->easy == NULL || transfer->url == NULL ||
	    !set_limits(transfer->easy)) {
		transfer_free(transfer);
		return NULL;
	}
	set_callbacks(transfer);
	return transfer;
}

void
transfer_free(struct transfer *transfer)
{
	loop_timer_free(&transfer->timer);
	curl_easy_cleanup(transfer->easy);
	curl_url_cleanup(transfer->url);
	free(transfer->origin);
	free(transfer);
}

static struct transfer *
take(struct transfer_pool *pool)
{
	struct transfer *transfer = pool->stock;

	if (transfer == NULL)
		return make(pool);
	pool->stock = transfer->next;
	pool->stock_count--;
	return transfer;
}

/* Gives back what the exchange held, and keeps the rest for the next. */
static void
put_back(struct transfer *transfer)
{
	struct transfer_pool *pool = transfer->pool;

	if (transfer->timer != NULL)
		loop_timer_stop(transfer->timer);
	answer_free(&transfer->answer);
	blob_unref(&transfer->body);
	free(transfer->fields);
	transfer->fields = NULL;
	if (pool->stock_count >= pool->kept_max) {
		transfer_free(transfer);
		return;
	}
	transfer->next = pool->stock;
	pool->stock = transfer;
	pool->stock_count++;
}

/* ---- the request ---- */

/* libcurl's parser takes "http:/x" for "http://x", and blanks for %20. */
static bool
is_url(const char *url)
{
	const char *host = strstr(url, "://");

	if (strncasecmp(url, "http://", 7) != 0 &&
	    strncasecmp(url, "https://", 8) != 0)
		return false;
	if (host[3] == '\0' || strchr("/?#", host[3]) != NULL)
		return false;
	for (const char *c = url; *c != '\0'; c++)
		if (*c <= ' ' || *c > '~' || *c == '#')
			return false;
	return true;
}

/* How much of it is scheme and authority. */
static size_t
length_of_origin(const char *url)
{
	const char *host = strstr(url, "://") + 3;

	return (size_t)(host - url) + strcspn(host, "/?");
}

/* A handle mostly goes where it went last, and to parse an origin is most of
 * the work. */
static bool
parse_url(struct transfer *transfer, const char *url, size_t origin_len)
{
	if (transfer->origin != NULL && url[origin_len] == '/' &&
	    strncmp(transfer->origin, url, origin_len) == 0 &&
	    transfer->origin[origin_len] == '\0')
		return true;
	free(transfer->origin);
	transfer->origin = NULL;
	if (curl_url_set(transfer->url, CURLUPART_URL, url,
		CURLU_PATH_AS_IS | CURLU_DISALLOW_USER) != CURLUE_OK)
		return false;
	transfer->origin = text_copy_n(url, origin_len);
	transfer->is_https = strncasecmp(url, "https:", 6) == 0;
	return transfer->origin != NULL;
}

/* What follows the origin is sent as it is: libcurl would write the digits of
 * escapes in lower case. Without a path it knows what to add. */
static bool
set_url(struct transfer *transfer, const char *url)
{
	size_t origin_len;

	if (!is_url(url))
		return false;
	origin_len = length_of_origin(url);
	return parse_url(transfer, url, origin_len) &&
	    curl_easy_setopt(transfer->easy, CURLOPT_CURLU, transfer->url) ==
	    CURLE_OK &&
	    curl_easy_setopt(transfer->easy, CURLOPT_REQUEST_TARGET,
		url[origin_len] == '/' ? url + origin_len : NULL) == CURLE_OK;
}

static bool
is_head(const char *method)
{
	return strcmp(method, "HEAD") == 0;
}

/* Any method may bring a body, and some say so when they bring none (RFC 9110,
 * 8.6). That of a HEAD means nothing (9.3.2), and libcurl has no way to send
 * it: it is left out. */
static bool
has_length(const struct transfer_request *request)
{
	const char *method = request->method;

	if (is_head(method))
		return false;
	return blob_len(request->body) > 0 || strcmp(method, "POST") == 0 ||
	    strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
}

/* libcurl has few methods of its own, and they say what goes over the wire: a
 * GET has no body, a POST has one, with NOBODY none is read. The name on the
 * request line is ours in every case. */
static bool
set_method(struct transfer *transfer, const char *method, bool sends_body)
{
	CURL *easy = transfer->easy;
	struct blob *body = transfer->body;

	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
	curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L); /* and NOBODY off */
	curl_easy_setopt(easy, CURLOPT_NOBODY, (long)is_head(method));
	if (sends_body) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, blob_data(body));
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
		    (curl_off_t)blob_len(body));
	}
	return curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method) ==
	    CURLE_OK;
}

static bool
set_fields(struct transfer *transfer, const char *headers, bool sends_body)
{
	transfer->fields = fields_new(headers, sends_body);
	if (transfer->fields == NULL)
		return false;
	curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->fields);
	return true;
}

static long
to_long_ms(int64_t ms)
{
	return ms < INT_MAX ? (long)ms : INT_MAX; /* libcurl's bound */
}

static void
late_cb(void *arg)
{
	struct transfer *transfer = arg;

	if (transfer->status_us == 0)
		transfer_settle(transfer, CURLE_OPERATION_TIMEDOUT);
}

static bool
set_deadlines(struct transfer *transfer, const struct transfer_request *request)
{
	CURL *easy = transfer->easy;
	int64_t first_ms = request->first_byte_ms;

	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
	    to_long_ms(request->connect_ms));
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
	    to_long_ms(request->total_ms));
	if (first_ms <= 0 || first_ms >= request->total_ms)
		return true;
	if (transfer->timer == NULL)
		transfer->timer = loop_timer_new(transfer->pool->loop, late_cb,
		    transfer);
	if (transfer->timer == NULL)
		return false;
	loop_timer_set(transfer->timer, first_ms);
	return true;
}

static void
clear_past(struct transfer *transfer)
{
	transfer->opened_count = 0;
	transfer->sent_count = 0;
	transfer->socket_errno = 0;
	transfer->denied_rule = NULL;
	transfer->denied[0] = '\0';
	transfer->address[0] = '\0';
	transfer->error_text[0] = '\0';
	transfer->began_us = clock_mono_us();
	transfer->connected_us = 0;
	transfer->status_us = 0;
}

static bool
begin(struct transfer *transfer, const struct transfer_request *request)
{
	bool sends_body = has_length(request);

	clear_past(transfer);
	transfer->policy = request->policy;
	transfer->body = blob_ref(request->body);
	answer_init(&transfer->answer, is_head(request->method),
	    request->max_head_bytes, request->max_body_bytes,
	    request->keep_body);
	return set_url(transfer, request->url) &&
	    set_method(transfer, request->method, sends_body) &&
	    set_fields(transfer, request->headers, sends_body) &&
	    set_deadlines(transfer, request) && pool_add(transfer);
}

struct transfer *
transfer_start(struct transfer_pool *pool,
    const struct transfer_request *request, transfer_done_fn *done, void *arg)
{
	struct transfer *transfer;

	assert(request->policy != NULL);
	assert(request->connect_ms >= 1 && request->total_ms >= 1);
	/* libcurl would send a blank or a line end as it is. */
	if (!header_is_token(request->method, strlen(request->method)))
		return NULL;
	transfer = take(pool);
	if (transfer == NULL)
		return NULL;
	transfer->done = done;
	transfer->arg = arg;
	if (begin(transfer, request))
		return transfer;
	put_back(transfer);
	return NULL;
}

/* ---- the end ---- */

void
transfer_settle(struct transfer *transfer, CURLcode code)
{
	transfer_done_fn *done = transfer->done;
	void *arg = transfer->arg;
	struct transfer_result result;

	outcome_write(transfer, code, &result);
	pool_remove(transfer);
	put_back(transfer);
	done(&result, arg);
	payload_clear(&result.answer);
	free(result.content_type);
}

void
transfer_cancel(struct transfer **transfer)
{
	struct transfer *old = *transfer;

	*transfer = NULL;
	if (old == NULL)
		return;
	pool_remove(old);
	put_back(old);
}
