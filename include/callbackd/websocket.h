/* websocket.h - an HTTP connection that becomes a WebSocket (RFC 6455).
 *
 * Text goes out; of what comes in only control frames count: pings are answered,
 * a close is answered and ends it, messages are checked and thrown away. What
 * breaks the rules is closed with the code that says so. Used on the loop's
 * thread of the exchange's server only.
 */
#ifndef CALLBACKD_WEBSOCKET_H
#define CALLBACKD_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>

#include "callbackd/http.h"

/* Close codes, RFC 6455, 7.4.1, and the registry of IANA for the last. */
#define WEBSOCKET_NORMAL 1000
#define WEBSOCKET_GOING_AWAY 1001
#define WEBSOCKET_TRY_LATER 1013

enum websocket_wish {
	WEBSOCKET_NOT_WANTED,
	WEBSOCKET_WANTED,
	WEBSOCKET_BAD_VERSION, /* another than 13: 426 */
	WEBSOCKET_BAD_KEY,     /* no Sec-WebSocket-Key of 16 bytes */
};
/* Whether the request is a handshake (RFC 6455, 4.2.1). */
enum websocket_wish websocket_wish(const struct http_exchange *exchange);

struct websocket; /* opaque */

/* Answers 101 and takes the exchange, which becomes NULL. gone(arg) is called
 * once, from a turn of its own, when the peer is gone or has said goodbye; the
 * websocket must still be closed then. NULL, and the exchange is kept: there is
 * no memory, the peer is gone, or has not waited for the answer. */
struct websocket *websocket_take(struct http_exchange **exchange,
    void (*gone)(void *arg), void *arg);

/* Sends a message of well-formed UTF-8. False when the peer is gone or reads so
 * slowly that more than limit_bytes wait; it is then cut off, and gone() has
 * been or will be called. */
bool websocket_send(struct websocket *socket, const char *text, size_t len,
    size_t limit_bytes);
bool websocket_ping(struct websocket *socket, size_t limit_bytes);
/* What was written and is not sent yet. */
size_t websocket_unsent(const struct websocket *socket);

/* Says goodbye; *socket becomes NULL. The connection is closed when the peer has
 * answered, or two seconds later; until then it counts as pending. */
void websocket_close(struct websocket **socket, int code);

#endif
