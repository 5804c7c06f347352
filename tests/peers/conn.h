/* conn.h - one connection, as peer.c and read.c see it. */
#ifndef PEERS_CONN_H
#define PEERS_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "peer.h"

struct bufferevent;
struct count;
struct event;

enum state {
	HEAD,
	BODY,
	CHUNK_SIZE,
	CHUNK_DATA,
	CHUNK_END,
	TRAILER,
	ANSWERING,
};

struct peer_conn {
	LIST_ENTRY(peer_conn) link;
	struct peer *peer;
	struct bufferevent *bev;
	struct event *timer;
	enum state state;
	bool keep;    /* another request may follow */
	bool closing; /* free once all was sent */
	char *head;   /* owns the strings of the request */
	char *path;
	struct evbuffer *body;
	int64_t left_bytes; /* of the body or of this chunk */
	struct peer_request request;
	struct count *counts[4];
	peer_answer_fn *next; /* at the timer */
	peer_answer_fn *more; /* whenever all was sent */
};

/* Reads what came; ends in conn_dispatch or conn_refuse, or waits for more. */
void conn_read(struct peer_conn *conn);

/* The request is complete: answer it, at once or after its delay. */
void conn_dispatch(struct peer_conn *conn);

/* What came is no request: say so and close. */
void conn_refuse(struct peer_conn *conn, int status, const char *why);

#endif
