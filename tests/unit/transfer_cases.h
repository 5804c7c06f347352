/* transfer_cases.h - what peers say, what they are told, and what comes of it:
 * the tables of test_transfer.c.
 */
#ifndef TESTS_TRANSFER_CASES_H
#define TESTS_TRANSFER_CASES_H

#include <stdint.h>

#include "callbackd/job.h"
#include "transfer_room.h"

/* ---- answers: said after the request, before hanging up ---- */

struct canned {
	const char *name;
	const char *answer;
	enum job_error error;
	int status;
	const char *body;
	const char *fields;
};

static const struct canned sound[] = {
	{ "a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
	    ERROR_NONE, 200, "hello", "" },
	{ "no reason phrase", "HTTP/1.1 201\r\nContent-Length: 0\r\n\r\n",
	    ERROR_NONE, 201, "", "" },
	{ "chunks",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrail: er\r\n\r\n",
	    ERROR_NONE, 200, "abcde", "" },
	{ "until the connection closes",
	    "HTTP/1.0 200 OK\r\nA: b\r\n\r\nall of it", ERROR_NONE, 200,
	    "all of it", "A: b\n" },
	{ "until close, HTTP/1.1",
	    "HTTP/1.1 503 No\r\nConnection: close\r\n\r\nlater", ERROR_NONE,
	    503, "later", "" },
	{ "interim answers are passed over",
	    "HTTP/1.1 100 Continue\r\nX: 1\r\n\r\n"
	    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 9\r\n"
	    "\r\nHTTP/1.1 404 None\r\nY: 2\r\nContent-Length: 1\r\n\r\nn",
	    ERROR_NONE, 404, "n", "Y: 2\n" },
	{ "order, case and repeats stay",
	    "HTTP/1.1 200 OK\r\nset-cookie: a\r\nX-B:2\r\nSet-Cookie:  b \r\n"
	    "Content-Length: 0\r\nEmpty:\r\n\r\n",
	    ERROR_NONE, 200, "",
	    "set-cookie: a\nX-B: 2\nSet-Cookie: b\nEmpty: \n" },
	{ "fields of the connection are dropped",
	    "HTTP/1.1 200 OK\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"
	    "Connection: x-hop\r\nTrailer: T\r\nUpgrade: h2c\r\n"
	    "Proxy-Authenticate: Basic\r\nConnection: close, other\r\n"
	    "Other: 2\r\nX-End: 3\r\nContent-Length: 0\r\n\r\n",
	    ERROR_NONE, 200, "", "X-End: 3\n" },
	{ "illegal fields are dropped",
	    "HTTP/1.1 200 OK\r\nb ad: 1\r\nX@: 2\r\nGood: 3\r\n"
	    "V: a\rb\r\nContent-Length: 0\r\n\r\n",
	    ERROR_NONE, 200, "", "Good: 3\n" },
	{ "two equal lengths",
	    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n"
	    "\r\nok",
	    ERROR_NONE, 200, "ok", "" },
	{ "no content", "HTTP/1.1 204 No Content\r\nA: 1\r\n\r\n", ERROR_NONE,
	    204, "", "A: 1\n" },
	{ "a redirect is an answer",
	    "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
	    "Content-Length: 0\r\n\r\n",
	    ERROR_NONE, 302, "", "Location: http://127.0.0.1:1/\n" },
	{ "a demand for authentication is an answer",
	    "HTTP/1.1 401 No\r\nWWW-Authenticate: Negotiate\r\n"
	    "Content-Length: 0\r\n\r\n",
	    ERROR_NONE, 401, "", "WWW-Authenticate: Negotiate\n" },
	{ "a failed expectation is an answer",
	    "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n", ERROR_NONE, 417, "",
	    "" },
	{ "a coding of the content is left alone",
	    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n"
	    "\r\nnope",
	    ERROR_NONE, 200, "nope", "Content-Encoding: gzip\n" },
	{ "lines that end without a return",
	    "HTTP/1.1 200 OK\nA: 1\nContent-Length: 2\n\nok", ERROR_NONE, 200,
	    "ok", "A: 1\n" },
	{ "the highest status", "HTTP/1.1 599 Odd\r\nContent-Length: 0\r\n\r\n",
	    ERROR_NONE, 599, "", "" },
};

static const struct canned cut[] = {
	{ "nothing", "", ERROR_RESET, 0, "", "" },
	{ "half a status line", "HTTP/1.1 20", ERROR_RESET, 0, "", "" },
	{ "half a head", "HTTP/1.1 200 OK\r\nA: 1\r\n", ERROR_RESET, 0, "",
	    "" },
	{ "half a field", "HTTP/1.1 200 OK\r\nA: 1\r\nB", ERROR_RESET, 0, "",
	    "" },
	{ "an interim answer only", "HTTP/1.1 100 Continue\r\n\r\n",
	    ERROR_RESET, 0, "", "" },
	{ "short of its length",
	    "HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 5\r\n\r\nhell",
	    ERROR_RESET, 200, "hell", "A: 1\n" },
	{ "none of its length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
	    ERROR_RESET, 200, "", "" },
	{ "no last chunk",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "3\r\nabc\r\n",
	    ERROR_RESET, 200, "abc", "" },
	{ "within a chunk",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
	    ERROR_RESET, 200, "abc", "" },
	{ "no end of trailers",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "3\r\nabc\r\n0\r\nA: 1\r\n",
	    ERROR_RESET, 200, "abc", "" },
};

static const struct canned unsound[] = {
	{ "not HTTP", "220 mail.example ESMTP\r\n", ERROR_BAD_RESPONSE, 0, "",
	    "" },
	{ "a bare body", "hello\n", ERROR_BAD_RESPONSE, 0, "", "" },
	{ "another version", "HTTP/2 200\r\n\r\n", ERROR_BAD_RESPONSE, 0, "",
	    "" },
	{ "another version with a minor", "HTTP/2.0 200 OK\r\n\r\n",
	    ERROR_BAD_RESPONSE, 0, "", "" },
	{ "another protocol of the family", "RTSP/1.0 200 OK\r\n\r\n",
	    ERROR_BAD_RESPONSE, 0, "", "" },
	{ "no status", "HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n",
	    ERROR_BAD_RESPONSE, 0, "", "" },
	{ "status 099", "HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n",
	    ERROR_BAD_RESPONSE, 0, "", "" },
	{ "status 000", "HTTP/1.1 000 No\r\nContent-Length: 0\r\n\r\n",
	    ERROR_BAD_RESPONSE, 0, "", "" },
	{ "status 600", "HTTP/1.1 600 High\r\nContent-Length: 0\r\n\r\n",
	    ERROR_BAD_RESPONSE, 0, "", "" },
	{ "status 2000", "HTTP/1.1 2000 Long\r\nContent-Length: 0\r\n\r\n",
	    ERROR_BAD_RESPONSE, 0, "", "" },
	{ "a switch of protocols",
	    "HTTP/1.1 101 Go\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
	    ERROR_BAD_RESPONSE, 0, "", "" },
	{ "two lengths",
	    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n"
	    "\r\nokk",
	    ERROR_BAD_RESPONSE, 0, "", "" },
	{ "a list of lengths",
	    "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
	    ERROR_BAD_RESPONSE, 0, "", "" },
	{ "a negative length",
	    "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok",
	    ERROR_BAD_RESPONSE, 0, "", "" },
	{ "a length in hex", "HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok",
	    ERROR_BAD_RESPONSE, 0, "", "" },
	{ "a hidden length", "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
	    ERROR_BAD_RESPONSE, 0, "", "" },
	{ "a length and chunks",
	    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
	    ERROR_BAD_RESPONSE, 200, "", "" },
	{ "a coding that we did not ask for",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
	    "2\r\nok\r\n0\r\n\r\n",
	    ERROR_BAD_RESPONSE, 0, "", "" },
	{ "chunked twice",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
	    ERROR_BAD_RESPONSE, 0, "", "" },
	{ "chunks without sizes",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n",
	    ERROR_BAD_RESPONSE, 200, "", "" },
	{ "a line that is no field",
	    "HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 0\r\n\r\n",
	    ERROR_BAD_RESPONSE, 0, "", "" },
	{ "a folded field",
	    "HTTP/1.1 200 OK\r\nA: 1\r\n  2\r\nContent-Length: 0\r\n\r\n",
	    ERROR_BAD_RESPONSE, 0, "", "" },
	{ "a length beyond all bounds",
	    "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
	    ERROR_TOO_LARGE, 0, "", "" },
	{ "a declared length over the ceiling",
	    "HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 1048577\r\n\r\nx",
	    ERROR_TOO_LARGE, 200, "", "A: 1\n" },
};

/* ---- requests ---- */

struct wanted {
	const char *method;
	const char *path;
	const char *headers; /* NULL: none */
	const char *body;    /* NULL: none */
	const char *head;    /* what the peer sees; %s is its host and port */
};

static const struct wanted requests[] = {
	{ "GET", "/", NULL, NULL, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n" },
	{ "GET", "", NULL, NULL, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n" },
	{ "GET", "?", NULL, NULL, "GET /? HTTP/1.1\r\nHost: %s\r\n\r\n" },
	{ "GET", "?a=b", NULL, NULL, "GET /?a=b HTTP/1.1\r\nHost: %s\r\n\r\n" },
	{ "GET", "/a/../b/./c//%2e%2E/%7e\\|\"<>^`{}?x=%20+&?/..", NULL, NULL,
	    "GET /a/../b/./c//%%2e%%2E/%%7e\\|\"<>^`{}?x=%%20+&?/.. "
	    "HTTP/1.1\r\nHost: %s\r\n\r\n" },
	{ "GET", "/x?", NULL, NULL, "GET /x? HTTP/1.1\r\nHost: %s\r\n\r\n" },
	{ "GET", "/g", "Content-Type: text/plain\n", "body",
	    "GET /g HTTP/1.1\r\nHost: %s\r\nContent-Type: text/plain\r\n"
	    "Content-Length: 4\r\n\r\n" },
	{ "POST", "/p", NULL, "a=b",
	    "POST /p HTTP/1.1\r\nHost: %s\r\nContent-Length: 3\r\n\r\n" },
	{ "POST", "/p", NULL, NULL,
	    "POST /p HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n\r\n" },
	{ "PUT", "/p", NULL, NULL,
	    "PUT /p HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n\r\n" },
	{ "PATCH", "/p", NULL, "x",
	    "PATCH /p HTTP/1.1\r\nHost: %s\r\nContent-Length: 1\r\n\r\n" },
	{ "DELETE", "/d", NULL, NULL,
	    "DELETE /d HTTP/1.1\r\nHost: %s\r\n\r\n" },
	{ "OPTIONS", "/o", NULL, "x",
	    "OPTIONS /o HTTP/1.1\r\nHost: %s\r\nContent-Length: 1\r\n\r\n" },
	{ "M-SEARCH", "/m", NULL, NULL,
	    "M-SEARCH /m HTTP/1.1\r\nHost: %s\r\n\r\n" },
	{ "get", "/m", NULL, NULL, "get /m HTTP/1.1\r\nHost: %s\r\n\r\n" },
	{ "GET", "/h",
	    "x-LoWer: 1\nX-Empty: \nAccept: a/b\nX-Twice: 1\nX-Twice: 2\n"
	    "User-Agent: me\nAccept-Encoding: gzip\nAuthorization: Basic eA==\n"
	    "Cookie: a=b\nX-Semi: a;\nX-Colon: a:b: c\n",
	    NULL,
	    "GET /h HTTP/1.1\r\nHost: %s\r\nx-LoWer: 1\r\nX-Empty:\r\n"
	    "Accept: a/b\r\nX-Twice: 1\r\nX-Twice: 2\r\nUser-Agent: me\r\n"
	    "Accept-Encoding: gzip\r\nAuthorization: Basic eA==\r\n"
	    "Cookie: a=b\r\nX-Semi: a;\r\nX-Colon: a:b: c\r\n\r\n" },
	{ "POST", "/f",
	    "Content-Length: 9\nTransfer-Encoding: chunked\nConnection: close\n"
	    "Expect: 100-continue\nUpgrade: h2c\nTE: gzip\nA: 1\n"
	    "Keep-Alive: 1\ncontent-type: \n",
	    "abc",
	    "POST /f HTTP/1.1\r\nHost: %s\r\nA: 1\r\ncontent-type:\r\n"
	    "Content-Length: 3\r\n\r\n" },
	{ "GET", "/v", "Host: virtual.example:81\nA: 1\n", NULL,
	    "GET /v HTTP/1.1\r\nHost: virtual.example:81\r\nA: 1\r\n\r\n" },
};

static const char *const unusable[] = { "", "127.0.0.1", "ftp://127.0.0.1/",
	"file:///etc/passwd", "http:/127.0.0.1/", "http:///x", "http://",
	"http://?x", "http://127.0.0.1/a b", "http://127.0.0.1/\r\nX: y",
	"http://127.0.0.1/#f", "http://me@127.0.0.1/",
	"http://me:pw@127.0.0.1/", "http://127.0.0.1:99999/",
	"http://127.0.0.1/\xc3\xa9", "http://[::1/", "http://a%2fb/" };

/* ---- answers without end ---- */

/* Says arg's first piece, then the second one for ever. */
struct refrain {
	const char *name;
	const char *verse;
	const char *refrain;
	enum job_error error;
};

static const struct refrain endless[] = {
	{ "endless fields", "HTTP/1.1 200 OK\r\n",
	    "X-Again: and again and again and again and again and again and "
	    "again and again and again and again and again and again and "
	    "again and again and again and again and again and again and "
	    "again and again and again and again and again and again and "
	    "again and again\r\n",
	    ERROR_TOO_LARGE },
	{ "many short fields", "HTTP/1.1 200 OK\r\n", "X: 1\r\n",
	    ERROR_TOO_LARGE },
	{ "an endless field", "HTTP/1.1 200 OK\r\nX: ", "and again ",
	    ERROR_TOO_LARGE },
	{ "an endless status line", "HTTP/1.1 200 ", "OK ", ERROR_TOO_LARGE },
	{ "endless interim answers", "", "HTTP/1.1 102 Processing\r\n\r\n",
	    ERROR_TOO_LARGE },
	{ "endless bytes", "HTTP/1.1 200 OK\r\n\r\n", "and again ",
	    ERROR_TOO_LARGE },
	{ "endless chunks",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	    "5\r\nagain\r\n", ERROR_TOO_LARGE },
	{ "endless trailers",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
	    "X: again\r\n", ERROR_TOO_LARGE },
	{ "an endless connection field", "HTTP/1.1 200 OK\r\n",
	    "Connection: and, again, and, again, and, again, and, again, and\r\n",
	    ERROR_TOO_LARGE },
	{ "endless noise", "", "\1\2\3\n", ERROR_BAD_RESPONSE },
	{ "endless zeros of a chunk",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "0000",
	    ERROR_BAD_RESPONSE },
};

/* ---- deadlines ---- */

struct patience {
	const char *name;
	const char *answer; /* and then nothing more */
	int64_t first_byte_ms;
	int64_t total_ms;
	enum job_error error;
	int status;
};

static const struct patience patience[] = {
	{ "no answer", "", 0, 50, ERROR_TIMEOUT_HEADERS, 0 },
	{ "no answer, first byte", "", 40, LONG_MS, ERROR_TIMEOUT_HEADERS, 0 },
	{ "no answer, first byte later than all", "", 90, 50,
	    ERROR_TIMEOUT_HEADERS, 0 },
	{ "interim answers do not count", "HTTP/1.1 102 Processing\r\n\r\n", 40,
	    LONG_MS, ERROR_TIMEOUT_HEADERS, 0 },
	{ "half a status line", "HTTP/1.1 2", 40, LONG_MS,
	    ERROR_TIMEOUT_HEADERS, 0 },
	{ "half a head", "HTTP/1.1 200 OK\r\nA: 1\r\n", 0, 50,
	    ERROR_TIMEOUT_HEADERS, 0 },
	{ "half a body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", 0,
	    50, ERROR_TIMEOUT_BODY, 200 },
	{ "half a body, first byte in time",
	    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", 30, 100,
	    ERROR_TIMEOUT_BODY, 200 },
	{ "no end of chunks",
	    "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
	    0, 50, ERROR_TIMEOUT_BODY, 500 },
	{ "until close, and no close", "HTTP/1.0 200 OK\r\n\r\nab", 0, 50,
	    ERROR_TIMEOUT_BODY, 200 },
};

#endif
