/* websocket_private.h - what websocket.c asks of websocket_handshake.c. */
#ifndef CALLBACKD_BASE_WEBSOCKET_PRIVATE_H
#define CALLBACKD_BASE_WEBSOCKET_PRIVATE_H

#include <stdbool.h>

struct http_exchange;

/* Writes the 101 to a request whose wish is WEBSOCKET_WANTED. False: the peer is
 * gone, or there is no memory. */
bool websocket_shake_hands(struct http_exchange *exchange);

#endif
