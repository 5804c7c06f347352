/* websocket_handshake.c - from HTTP to WebSocket (RFC 6455, section 4.2).
 *
 * Thread: that of the server's loop.
 */
#include <assert.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "callbackd/text.h"
#include "callbackd/websocket.h"
#include "http_private.h"
#include "websocket_private.h"

enum {
	KEY_BYTES = 16, /* RFC 6455, 4.1 */
	KEY_LEN = 24,   /* in base64 */
	SHA1_BYTES = 20,
	ACCEPT_SIZE = 32, /* of 28 characters in base64 */
};

static bool
key_is_good(const char *key)
{
	unsigned char bytes[KEY_LEN];
	size_t len;

	return key != NULL && strlen(key) == KEY_LEN &&
	    text_base64_decode(key, KEY_LEN, bytes, &len) && len == KEY_BYTES;
}

enum websocket_wish
websocket_wish(const struct http_exchange *exchange)
{
	const char *version = http_header(exchange, "Sec-WebSocket-Version");

	if (exchange->is_1_0 || strcmp(http_method(exchange), "GET") != 0 ||
	    !http_lists(exchange, "Upgrade", "websocket") ||
	    !http_lists(exchange, "Connection", "upgrade"))
		return WEBSOCKET_NOT_WANTED;
	if (version == NULL || strcmp(version, "13") != 0)
		return WEBSOCKET_BAD_VERSION;
	if (!key_is_good(http_header(exchange, "Sec-WebSocket-Key")))
		return WEBSOCKET_BAD_KEY;
	return WEBSOCKET_WANTED;
}

/* RFC 6455, 4.2.2: what proves that we have understood. */
static bool
make_accept(const char *key, char out[ACCEPT_SIZE])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char digest[SHA1_BYTES];
	char text[KEY_LEN + sizeof(guid)];

	(void)snprintf(text, sizeof(text), "%s%s", key, guid);
	if (EVP_Digest(text, strlen(text), digest, NULL, EVP_sha1(), NULL) != 1)
		return false;
	assert(text_base64_size(sizeof(digest)) <= ACCEPT_SIZE);
	text_base64(digest, sizeof(digest), out);
	return true;
}

bool
websocket_shake_hands(struct http_exchange *exchange)
{
	char accept[ACCEPT_SIZE];
	char text[256];
	struct iovec part = { text, 0 };

	if (!make_accept(http_header(exchange, "Sec-WebSocket-Key"), accept))
		return false;
	part.iov_len = (size_t)snprintf(text, sizeof(text),
	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
	    accept);
	return http_conn_send(exchange->conn, &part, 1, NULL);
}
