/* http_guard.h - are these bytes still well-formed HTTP/1.x requests?
 *
 * A pure state machine: no socket, no clock, no memory of its own. It is fed
 * every byte of a connection before evhttp sees it, in pieces of any size, and
 * says the same whatever the pieces were. It is stricter than RFC 9112 where
 * evhttp would misread what is legal, and nowhere laxer.
 */
#ifndef CALLBACKD_BASE_HTTP_GUARD_H
#define CALLBACKD_BASE_HTTP_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one request may have; read at its first byte. */
struct guard_limits {
	int64_t body_bytes;
	int32_t
	    head_bytes; /* line ends included; trailers have as much again */
	int32_t field_count;
};

enum guard_event {
	GUARD_MORE,    /* all bytes used, nothing to tell */
	GUARD_HEAD,    /* a head is complete: see guard_body_bytes */
	GUARD_CHUNK,   /* a chunk of guard_chunk_bytes begins */
	GUARD_BLANK,   /* the last byte used is to be made a space for evhttp,
	                  which refuses the ';' of a chunk extension */
	GUARD_MESSAGE, /* a request is complete */
	GUARD_REFUSED, /* see guard_refusal; no byte is used from now on */
};

/* What to answer. The texts are plain ASCII, with nothing of the peer's. */
struct guard_refusal {
	int status;
	const char *name; /* of the problem, a constant */
	char detail[136];
};

/* A field that decides about framing, the peer or the connection. */
enum guard_field {
	GUARD_FIELD_OTHER,
	GUARD_FIELD_HOST,
	GUARD_FIELD_EXPECT,
	GUARD_FIELD_CONNECTION,
	GUARD_FIELD_CONTENT_LENGTH,
	GUARD_FIELD_TRANSFER_ENCODING,
};

#define GUARD_WORD_SIZE 20   /* "transfer-encoding" and a NUL fit */
#define GUARD_VALUE_SIZE 320 /* a host name of 255 bytes and its port fit */

/* Private to http_guard.c, but for its size. */
struct guard {
	const struct guard_limits *wanted; /* borrowed */
	struct guard_limits limits;        /* of the request at hand */
	int state;
	int part; /* state within the target */
	bool in_trailer;
	bool no_body; /* HEAD, TRACE */
	bool is_head;
	bool is_1_0;
	bool has_length;
	bool is_chunked;
	bool has_connection;
	bool closes; /* Connection: close */
	bool keeps;  /* Connection: keep-alive */
	bool expects_other;
	uint32_t host_count;
	int32_t field_count;
	int32_t head_left;    /* bytes that head or trailer may still have */
	int64_t body_bytes;   /* declared, or the sum of the chunks so far */
	int64_t left_bytes;   /* of the body or chunk being read */
	uint32_t digit_count; /* of a chunk size */
	uint32_t escape;      /* of a target: value of %xx so far */
	enum guard_field field;
	size_t word_len; /* of a method, version or name; may exceed word */
	size_t value_len;
	char word[GUARD_WORD_SIZE];
	char value[GUARD_VALUE_SIZE];
	struct guard_refusal refusal;
};

/* Starts before the first byte of a connection. limits is borrowed and read
 * again for each request. */
void guard_init(struct guard *guard, const struct guard_limits *limits);

/* Reads bytes up to the next event; *used_out of them are done with. Call again
 * with the rest until GUARD_MORE or GUARD_REFUSED. */
enum guard_event guard_feed(struct guard *guard, const void *bytes, size_t len,
    size_t *used_out);

/* That many of the next bytes will not be looked at: bytes may be NULL. */
size_t guard_blind_bytes(const struct guard *guard);

/* For reasons that the guard cannot know. detail is cut to fit. */
void guard_refuse(struct guard *guard, int status, const char *name,
    const char *detail);

/* After GUARD_HEAD: the Content-Length; 0 when chunked or without a body. */
int64_t guard_body_bytes(const struct guard *guard);
/* After GUARD_CHUNK. */
int64_t guard_chunk_bytes(const struct guard *guard);

/* Between two requests: nothing of the next one has come. */
bool guard_is_idle(const struct guard *guard);
/* Between the end of a head and the end of its body. */
bool guard_is_in_body(const struct guard *guard);
/* The last complete request asked to be the last of its connection; whatever
 * follows is not read. */
bool guard_is_over(const struct guard *guard);

/* NULL unless refused. */
const struct guard_refusal *guard_refusal(const struct guard *guard);
/* The refused request is known to be a HEAD: the answer has no body. */
bool guard_is_head(const struct guard *guard);

#endif
