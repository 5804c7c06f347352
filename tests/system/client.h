/* client.h - a small blocking HTTP/1.1 client that hides nothing.
 *
 * Bytes go out as the test wrote them; what comes back is taken apart strictly
 * and a reply that is not well-formed HTTP fails the case. One connection a
 * client; a kept one may be asked again. Reads give up after SOON_MS.
 */
#ifndef TESTS_SYSTEM_CLIENT_H
#define TESTS_SYSTEM_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "callbackd/buf.h"
#include "callbackd/json.h"

struct client {
	int fd;
	struct buf in;        /* came, not yet looked at */
	int64_t sent_mono_ms; /* the latest send */
};

struct reply {
	int status;
	int interim_count; /* 1xx replies before it */
	char *head;        /* status line and fields; owned */
	char *body;        /* NUL-terminated; owned; never NULL when read */
	size_t body_len;
	bool is_closing; /* said Connection: close, or ended by closing */
	int64_t took_ms; /* from the latest send to its last byte */
	struct json_document *document; /* reply_json made it */
};

/* "127.0.0.1:8080" or "unix:/path". The first fails the case when nobody
 * listens, the second says so. */
void client_open(struct client *client, const char *address);
bool client_try_open(struct client *client, const char *address);
void client_close(struct client *client);

void client_send(struct client *client, const void *bytes, size_t len);
/* As client_send, but a peer that has closed is no failure. */
bool client_try_send(struct client *client, const void *bytes, size_t len);
/* A whole request: Host and Content-Length are added; fields are complete lines
 * with CRLF, "" for none; body_len -1: no body and no Content-Length. */
void client_send_request(struct client *client, const char *method,
    const char *target, const char *fields, const void *body, long body_len);

/* Takes one reply. False when the peer closed before the first byte of it. A
 * reply to HEAD has no body. */
bool client_read(struct client *client, bool is_head, struct reply *out);

/* Request and reply on a kept connection; fails the case without a reply. */
void client_ask(struct client *client, const char *method, const char *target,
    const char *fields, const char *body, struct reply *out);

/* The same on a connection of its own. body NULL: none. */
void ask(const char *address, const char *method, const char *target,
    const char *fields, const char *body, struct reply *out);

/* True when something has come that was not read yet; does not wait. */
bool client_has_bytes(struct client *client);
/* True when the peer has closed and nothing more comes. Waits for either. */
bool client_is_closed_by_peer(struct client *client);

void reply_clear(struct reply *reply);

/* The value of the first field of that name, NULL without one. Valid until the
 * next call but seven. */
const char *reply_header(const struct reply *reply, const char *name);
int reply_header_count(const struct reply *reply, const char *name);

/* The body as JSON; fails the case when it is not. Lives as long as reply. */
const struct json_value *reply_json(struct reply *reply);

/* ---- looking into JSON: paths such as "callback.attempts.0.status" ---- */

/* NULL when there is no such member or element. */
const struct json_value *look_at(const struct json_value *value,
    const char *path);
/* Fail the case when it is missing or of another kind. */
const char *look_text(const struct json_value *value, const char *path);
int64_t look_int(const struct json_value *value, const char *path);
bool look_is_null(const struct json_value *value, const char *path);
/* True when it is there and is that string. Never fails. */
bool look_says(const struct json_value *value, const char *path,
    const char *text);

#endif
