/* outcome.c - libcurl's ninety errors in our vocabulary.
 *
 * 1. What our own callbacks found (an unsound answer, a forbidden address, a
 *    second sending) goes before libcurl's word for the same, which is only
 *    that a callback has said no.
 * 2. Success needs both: libcurl's and answer_is_whole.
 * 3. A deadline is named by how far the exchange had come, whichever clock it
 *    was that rang.
 *
 * Thread: the loop's.
 */
#include "transport.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "callbackd/clock.h"

/* Causes that need no second look. What is not here is our own fault. */
static const struct {
	CURLcode code;
	enum job_error error;
} causes[] = {
	{ CURLE_COULDNT_RESOLVE_HOST, ERROR_DNS_FAILED },
	{ CURLE_COULDNT_CONNECT, ERROR_REFUSED },
	{ CURLE_SSL_CONNECT_ERROR, ERROR_TLS_FAILED },
	{ CURLE_PEER_FAILED_VERIFICATION, ERROR_TLS_FAILED },
	{ CURLE_SSL_CERTPROBLEM, ERROR_TLS_FAILED },
	{ CURLE_SSL_CIPHER, ERROR_TLS_FAILED },
	{ CURLE_SSL_ISSUER_ERROR, ERROR_TLS_FAILED },
	{ CURLE_SSL_PINNEDPUBKEYNOTMATCH, ERROR_TLS_FAILED },
	{ CURLE_SSL_INVALIDCERTSTATUS, ERROR_TLS_FAILED },
	{ CURLE_SSL_CLIENTCERT, ERROR_TLS_FAILED },
	{ CURLE_SEND_ERROR, ERROR_RESET },
	{ CURLE_RECV_ERROR, ERROR_RESET },
	{ CURLE_GOT_NOTHING, ERROR_RESET },
	{ CURLE_PARTIAL_FILE, ERROR_RESET },
	{ CURLE_WEIRD_SERVER_REPLY, ERROR_BAD_RESPONSE },
	{ CURLE_BAD_CONTENT_ENCODING, ERROR_BAD_RESPONSE },
	{ CURLE_FILESIZE_EXCEEDED, ERROR_TOO_LARGE },
};

static void __attribute__((format(printf, 3, 4)))
name_error(struct transfer_result *out, enum job_error error,
    const char *format, ...)
{
	va_list args;

	out->error = error;
	va_start(args, format);
	vsnprintf(out->detail, sizeof(out->detail), format, args);
	va_end(args);
}

/* libcurl's own sentence. It may quote the peer, so nothing but visible ASCII
 * goes through. */
static void
name_cause(struct transfer_result *out, enum job_error error,
    const struct transfer *transfer, CURLcode code)
{
	const char *text = transfer->error_text[0] != '\0'
	    ? transfer->error_text
	    : curl_easy_strerror(code);

	name_error(out, error, "%s", text);
	for (char *c = out->detail; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

static void
name_deadline(struct transfer_result *out, const struct transfer *transfer,
    int64_t now_us)
{
	long long ms = (now_us - transfer->began_us) / 1000;

	if (transfer->connected_us == 0)
		name_error(out, ERROR_CONNECT_TIMEOUT,
		    "no connection within %lld ms", ms);
	else if (!transfer->answer.head_is_complete)
		name_error(out, ERROR_TIMEOUT_HEADERS,
		    "no answer within %lld ms", ms);
	else
		name_error(out, ERROR_TIMEOUT_BODY,
		    "the answer did not end within %lld ms", ms);
}

/* Not "no such family", which an address of the other one makes good. */
static bool
has_no_room_for_socket(const struct transfer *transfer)
{
	int number = transfer->socket_errno;

	return transfer->opened_count == 0 &&
	    (number == EMFILE || number == ENFILE || number == ENOBUFS ||
		number == ENOMEM);
}

/* False when our callbacks found nothing wrong. */
static bool
name_own_finding(struct transfer_result *out, const struct transfer *transfer)
{
	const struct answer *answer = &transfer->answer;

	if (answer->error != ERROR_NONE)
		name_error(out, answer->error, "%s", answer->detail);
	else if (transfer->denied_rule != NULL && transfer->opened_count == 0)
		name_error(out, ERROR_TARGET_DENIED,
		    "address %s is not allowed: %s", transfer->denied,
		    transfer->denied_rule);
	else if (has_no_room_for_socket(transfer))
		name_error(out, ERROR_INTERNAL, "no socket: %s",
		    strerrordesc_np(transfer->socket_errno));
	else if (transfer->sent_count > 1)
		name_error(out, ERROR_RESET,
		    "a kept connection was closed before any answer");
	else
		return false;
	return true;
}

/* libcurl gives one line of a head 100 KiB, which is over our ceiling, and then
 * says that memory is out. */
static bool
is_endless_line(const struct transfer *transfer, CURLcode code)
{
	return code == CURLE_OUT_OF_MEMORY && transfer->connected_us != 0 &&
	    !transfer->answer.head_is_complete;
}

/* After a connection: an answer that is no HTTP/1. Before it, a scheme that we
 * have let through and libcurl does not know. */
static bool
is_other_protocol(const struct transfer *transfer, CURLcode code)
{
	return code == CURLE_UNSUPPORTED_PROTOCOL &&
	    transfer->connected_us != 0;
}

/* libcurl has one code for chunks that are none and for a connection that
 * fails; only its text tells. */
static bool
is_bad_chunk(const struct transfer *transfer, CURLcode code)
{
	return code == CURLE_RECV_ERROR && transfer->answer.is_chunked &&
	    strstr(transfer->error_text, "chunked-encoding") != NULL;
}

/* A peer that goes away in the handshake has not refused our trust in it: it
 * may be back. Again only the text tells. */
static bool
is_cut_handshake(const struct transfer *transfer, CURLcode code)
{
	static const char *const signs[] = { "SSL_ERROR_SYSCALL",
		"Recv failure", "Send failure" };

	if (code != CURLE_SSL_CONNECT_ERROR)
		return false;
	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (strstr(transfer->error_text, signs[i]) != NULL)
			return true;
	return false;
}

static enum job_error
look_up(CURLcode code)
{
	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
		if (causes[i].code == code)
			return causes[i].error;
	return ERROR_INTERNAL;
}

static enum job_error
find_cause(const struct transfer *transfer, CURLcode code)
{
	if (is_endless_line(transfer, code))
		return ERROR_TOO_LARGE;
	if (is_cut_handshake(transfer, code))
		return ERROR_RESET;
	if (is_other_protocol(transfer, code) || is_bad_chunk(transfer, code))
		return ERROR_BAD_RESPONSE;
	return look_up(code);
}

static void
judge(struct transfer_result *out, const struct transfer *transfer,
    CURLcode code, int64_t now_us)
{
	if (name_own_finding(out, transfer))
		return;
	if (code == CURLE_OPERATION_TIMEDOUT)
		name_deadline(out, transfer, now_us);
	else if (code != CURLE_OK)
		name_cause(out, find_cause(transfer, code), transfer, code);
	else if (!answer_is_whole(&transfer->answer))
		name_error(out, ERROR_RESET,
		    "the connection was closed in the middle of the answer");
}

/* ---- how long it took ---- */

static int64_t
info_us(const struct transfer *transfer, CURLINFO info)
{
	curl_off_t us = 0;

	curl_easy_getinfo(transfer->easy, info, &us);
	return us;
}

/* The length of one phase in ms, from two of libcurl's moments; -1 when it did
 * not end. */
static int64_t
phase_ms(int64_t from_us, int64_t to_us)
{
	if (to_us <= 0)
		return -1;
	return to_us > from_us ? (to_us - from_us) / 1000 : 0;
}

static void
write_phases(const struct transfer *transfer, struct transfer_result *out)
{
	int64_t named_us = info_us(transfer, CURLINFO_NAMELOOKUP_TIME_T);
	int64_t open_us = info_us(transfer, CURLINFO_CONNECT_TIME_T);
	int64_t secure_us = info_us(transfer, CURLINFO_APPCONNECT_TIME_T);
	bool connected = transfer->connected_us != 0;

	out->dns_ms = phase_ms(0, named_us);
	out->connect_ms = phase_ms(named_us, open_us);
	out->tls_ms = phase_ms(open_us, secure_us);
	/* A kept connection has all that behind it. */
	if (connected && out->dns_ms < 0)
		out->dns_ms = 0;
	if (connected && out->connect_ms < 0)
		out->connect_ms = 0;
	if (connected && transfer->is_https && out->tls_ms < 0)
		out->tls_ms = 0;
	out->first_byte_ms = phase_ms(transfer->connected_us,
	    transfer->status_us);
}

void
outcome_write(struct transfer *transfer, CURLcode code,
    struct transfer_result *out)
{
	struct answer *answer = &transfer->answer;
	int64_t now_us = clock_mono_us();

	*out = (struct transfer_result){ 0 };
	judge(out, transfer, code, now_us);
	write_phases(transfer, out);
	out->total_ms = (now_us - transfer->began_us) / 1000;
	memcpy(out->address, transfer->address, sizeof(out->address));
	if (!answer->head_is_complete)
		return;
	out->status = answer->status;
	out->body_bytes = answer->body_bytes;
	if (!answer_take(answer, &out->answer, &out->content_type) &&
	    out->error == ERROR_NONE)
		name_error(out, ERROR_INTERNAL, "out of memory");
}
