/* upstream.c - a service that takes its time, and misbehaves when asked to.
 *
 *   upstream [--port N] [--delay-ms N] [--log FILE [--whole]]
 *
 *   /echo     the request's body and content type; its method, target and
 *             fields come back as X-Echo-Method, X-Echo-Target, X-Echo-NAME
 *   /upper    the same, in capital letters
 *   /count    how often what was asked for (peer.h)
 *   and all of manners.h
 */
#include <ctype.h>
#include <err.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "logbook.h"
#include "manners.h"
#include "peer.h"
#include "words.h"

static void
add_echo_fields(const struct peer_conn *conn, struct evbuffer *fields)
{
	const struct peer_request *request = peer_request(conn);

	evbuffer_add_printf(fields,
	    "X-Echo-Method: %s\r\nX-Echo-Target: %s\r\n", request->method,
	    request->target);
	for (size_t i = 0; i < request->field_count; i++)
		evbuffer_add_printf(fields, "X-Echo-%s: %s\r\n",
		    request->fields[i].name, request->fields[i].value);
}

static void
reply_body(struct peer_conn *conn, const void *body)
{
	struct evbuffer *fields = evbuffer_new();

	if (!fields)
		err(1, "answer");
	add_echo_fields(conn, fields);
	peer_reply(conn,
	    &(struct peer_reply){ .status = 200,
		.type = peer_header(conn, "Content-Type"),
		.fields = fields,
		.body = body,
		.len = peer_request(conn)->body_len });
	evbuffer_free(fields);
}

static void
answer_upper(struct peer_conn *conn)
{
	const struct peer_request *request = peer_request(conn);
	const unsigned char *from = request->body;
	char *to = malloc(request->body_len + 1);

	if (!to)
		err(1, "upper");
	for (size_t i = 0; i < request->body_len; i++)
		to[i] = (char)toupper(from[i]);
	reply_body(conn, to);
	free(to);
}

static void
answer_cb(struct peer_conn *conn)
{
	const struct peer_request *request = peer_request(conn);
	static const char missing[] = "no such path: see upstream.c\n";

	if (manners_answer(conn))
		return;
	if (strcmp(request->path, "/echo") == 0)
		reply_body(conn, request->body);
	else if (strcmp(request->path, "/upper") == 0)
		answer_upper(conn);
	else
		peer_reply(conn,
		    &(struct peer_reply){ .status = 404,
			.type = "text/plain",
			.body = missing,
			.len = sizeof(missing) - 1 });
}

struct upstream {
	struct logbook *logbook;
	bool whole; /* log fields and bodies, too */
};

static void
seen_cb(struct peer_conn *conn)
{
	const struct upstream *upstream = peer_arg(conn);
	struct logbook *logbook = upstream->logbook;

	logbook_begin(logbook, conn);
	logbook_text(logbook, "attempt", peer_header(conn, "Job-Attempt"));
	logbook_text(logbook, "deadline", peer_header(conn, "Job-Deadline"));
	logbook_text(logbook, "idempotency_key",
	    peer_header(conn, "Idempotency-Key"));
	if (upstream->whole)
		logbook_whole(logbook, conn);
	logbook_end(logbook);
}

int
main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "delay-ms", required_argument, NULL, 'd' },
		{ "log", required_argument, NULL, 'l' },
		{ "whole", no_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 },
	};
	struct upstream upstream = { NULL, false };
	struct peer_options options = { .delay_ms = 3000, .answer = answer_cb };
	int option, status;
	int64_t number;

	while ((option = getopt_long(argc, argv, "p:d:l:w", longopts, NULL)) !=
	    -1) {
		if (option == 'p' && number_parse(optarg, &number))
			options.port = (int)number;
		else if (option == 'd' && number_parse(optarg, &number))
			options.delay_ms = number;
		else if (option == 'l')
			upstream.logbook = logbook_open(optarg);
		else if (option == 'w')
			upstream.whole = true;
		else
			errx(64,
			    "usage: upstream [--port N] [--delay-ms N] "
			    "[--log FILE [--whole]]");
	}
	options.seen = upstream.logbook ? seen_cb : NULL;
	options.arg = &upstream;
	status = peer_run(&options);
	logbook_close(&upstream.logbook);
	return status;
}
