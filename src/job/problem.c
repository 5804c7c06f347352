/* problem.c - refusals as application/problem+json.
 *
 * Any thread.
 */
#include "callbackd/problem.h"

#include <stddef.h>
#include <stdio.h>

#include "callbackd/json.h"

/* IANA HTTP Status Code Registry. */
static const struct {
	int status;
	const char *phrase;
} phrases[] = {
	{ 100, "Continue" },
	{ 101, "Switching Protocols" },
	{ 102, "Processing" },
	{ 103, "Early Hints" },
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 203, "Non-Authoritative Information" },
	{ 204, "No Content" },
	{ 205, "Reset Content" },
	{ 206, "Partial Content" },
	{ 207, "Multi-Status" },
	{ 208, "Already Reported" },
	{ 226, "IM Used" },
	{ 300, "Multiple Choices" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 303, "See Other" },
	{ 304, "Not Modified" },
	{ 305, "Use Proxy" },
	{ 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 402, "Payment Required" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 407, "Proxy Authentication Required" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 411, "Length Required" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 416, "Range Not Satisfiable" },
	{ 417, "Expectation Failed" },
	{ 421, "Misdirected Request" },
	{ 422, "Unprocessable Content" },
	{ 423, "Locked" },
	{ 424, "Failed Dependency" },
	{ 425, "Too Early" },
	{ 426, "Upgrade Required" },
	{ 428, "Precondition Required" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 451, "Unavailable For Legal Reasons" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" },
	{ 506, "Variant Also Negotiates" },
	{ 507, "Insufficient Storage" },
	{ 508, "Loop Detected" },
	{ 511, "Network Authentication Required" },
};

static const char *
class_phrase(int status)
{
	switch (status / 100) {
	case 1:
		return "Informational";
	case 2:
		return "Success";
	case 3:
		return "Redirection";
	case 4:
		return "Client Error";
	case 5:
		return "Server Error";
	}
	return "Unknown";
}

/* The table is sorted: a binary search. */
const char *
status_reason(int status)
{
	size_t low = 0, high = sizeof(phrases) / sizeof(phrases[0]);
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (phrases[middle].status == status)
			return phrases[middle].phrase;
		if (phrases[middle].status < status)
			low = middle + 1;
		else
			high = middle;
	}
	return class_phrase(status);
}

int
problem_status_of(enum job_error error)
{
	switch (error) {
	case ERROR_CONNECT_TIMEOUT:
	case ERROR_TIMEOUT_HEADERS:
	case ERROR_TIMEOUT_BODY:
	case ERROR_LEASE_EXPIRED:
	case ERROR_EXPIRED:
		return 504;
	case ERROR_CANCELLED:
		return 410;
	case ERROR_NONE:
	case ERROR_INTERNAL:
		return 500;
	case ERROR_DNS_FAILED:
	case ERROR_REFUSED:
	case ERROR_TLS_FAILED:
	case ERROR_RESET:
	case ERROR_STATUS_4XX:
	case ERROR_STATUS_5XX:
	case ERROR_REDIRECT:
	case ERROR_TARGET_DENIED:
	case ERROR_TOO_LARGE:
	case ERROR_GONE:
	case ERROR_ABORTED_BY_RECEIVER:
	case ERROR_BAD_RESPONSE:
	case ERROR_COMMAND_FAILED:
	case ERROR_COMMAND_SIGNAL:
	case ERROR_CONSUMER_FAILED:
	case ERROR_INTERRUPTED:
		return 502;
	}
	return 500;
}

bool
problem_text(struct buf *out, int status, const char *name, const char *detail)
{
	char type[128];
	struct json_writer *writer = json_writer_new(out);
	if (writer == NULL)
		return false;
	snprintf(type, sizeof(type), PROBLEM_TYPE_PREFIX "%s", name);
	json_object(writer);
	json_put_string(writer, "type", type);
	json_put_string(writer, "title", status_reason(status));
	json_put_int(writer, "status", status);
	if (detail != NULL)
		json_put_string(writer, "detail", detail);
	json_object_end(writer);
	return json_writer_end(&writer);
}
