/* read.c - a small strict reader of HTTP/1.1 requests.
 *
 *   HEAD ─► BODY ────────────────────────────────────────► ANSWERING ─► HEAD
 *     └───► CHUNK_SIZE ─► CHUNK_DATA ─► CHUNK_END ─┐           ▲
 *               ▲  └────► TRAILER ─────────────────┼───────────┘
 *               └──────────────────────────────────┘
 */
#include <ctype.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <event2/bufferevent.h>

#include "conn.h"
#include "words.h"

static bool
parse_request_line(struct peer_conn *conn, char *line)
{
	struct peer_request *request = &conn->request;
	char *save, *question;

	request->method = strtok_r(line, " ", &save);
	request->target = strtok_r(NULL, " ", &save);
	request->version = strtok_r(NULL, " ", &save);
	if (!request->version || strtok_r(NULL, " ", &save) ||
	    request->target[0] != '/' ||
	    strncmp(request->version, "HTTP/1.", 7) != 0)
		return false;
	conn->path = strdup(request->target);
	if (!conn->path)
		err(1, "request");
	request->path = conn->path;
	request->query = "";
	question = strchr(conn->path, '?');
	if (question) {
		*question = '\0';
		request->query = question + 1;
	}
	return true;
}

static bool
parse_field(struct peer_conn *conn, char *line)
{
	struct peer_request *request = &conn->request;
	char *colon = strchr(line, ':'), *value;
	size_t len;

	if (!colon || colon == line || isspace((unsigned char)line[0]))
		return false;
	*colon = '\0';
	value = colon + 1 + strspn(colon + 1, " \t");
	len = strlen(value);
	while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		value[--len] = '\0';
	request->fields = reallocarray(request->fields,
	    request->field_count + 1, sizeof(*request->fields));
	if (!request->fields)
		err(1, "request");
	request->fields[request->field_count++] = (struct peer_field){ line,
		value };
	return true;
}

/* The head without its last empty line; each line ends in CRLF. */
static bool
parse_head(struct peer_conn *conn, char *head)
{
	bool first = true;

	while (*head) {
		char *end = strstr(head, "\r\n");

		if (!end)
			return false;
		*end = '\0';
		if (first ? !parse_request_line(conn, head)
			  : !parse_field(conn, head))
			return false;
		first = false;
		head = end + 2;
	}
	return !first;
}

static bool
wants_keep(const struct peer_conn *conn)
{
	const char *connection = peer_header(conn, "Connection");

	if (connection && strcasestr(connection, "close"))
		return false;
	return strcmp(conn->request.version, "HTTP/1.0") != 0;
}

/* True when the body may be read; false when the head was refused. */
static bool
begin_body(struct peer_conn *conn)
{
	const char *coding = peer_header(conn, "Transfer-Encoding");
	const char *length = peer_header(conn, "Content-Length");
	const char *expect = peer_header(conn, "Expect");

	conn->keep = wants_keep(conn);
	conn->left_bytes = 0;
	if (length && (coding || !number_parse(length, &conn->left_bytes))) {
		conn_refuse(conn, 400, "bad framing\n");
		return false;
	}
	if (conn->left_bytes > PEER_BODY_MAX) {
		conn_refuse(conn, 413, "too much\n");
		return false;
	}
	conn->state = coding ? CHUNK_SIZE : BODY;
	if (expect && strcasecmp(expect, "100-continue") == 0)
		peer_print(conn, "HTTP/1.1 100 Continue\r\n\r\n");
	return true;
}

/* Each read_ takes one step; false: wait for more, or the request is done. */
static bool
read_head(struct peer_conn *conn, struct evbuffer *input)
{
	struct evbuffer_ptr end = evbuffer_search(input, "\r\n\r\n", 4, NULL);
	size_t len = (size_t)end.pos + 2;

	if (end.pos < 0) {
		if (evbuffer_get_length(input) > PEER_HEAD_MAX)
			conn_refuse(conn, 431, "head too long\n");
		return false;
	}
	conn->head = malloc(len + 1);
	if (!conn->head)
		err(1, "request");
	evbuffer_remove(input, conn->head, len);
	evbuffer_drain(input, 2);
	conn->head[len] = '\0';
	if (strlen(conn->head) != len || !parse_head(conn, conn->head)) {
		conn_refuse(conn, 400, "not a request\n");
		return false;
	}
	return begin_body(conn);
}

static void
take_body(struct peer_conn *conn, struct evbuffer *input)
{
	int moved = evbuffer_remove_buffer(input, conn->body,
	    (size_t)conn->left_bytes);

	if (moved > 0)
		conn->left_bytes -= moved;
}

static bool
read_chunk_size(struct peer_conn *conn, struct evbuffer *input)
{
	char *line = evbuffer_readln(input, NULL, EVBUFFER_EOL_CRLF_STRICT);
	char *end;

	if (!line)
		return false;
	conn->left_bytes = strtoll(line, &end, 16);
	if (end == line || conn->left_bytes < 0 ||
	    conn->left_bytes >
		PEER_BODY_MAX - (int64_t)evbuffer_get_length(conn->body)) {
		free(line);
		conn_refuse(conn, 400, "bad chunk\n");
		return false;
	}
	free(line);
	conn->state = conn->left_bytes > 0 ? CHUNK_DATA : TRAILER;
	return true;
}

/* The line end after a chunk, or one line of the trailer. */
static bool
read_line_end(struct peer_conn *conn, struct evbuffer *input)
{
	size_t len;
	char *line = evbuffer_readln(input, &len, EVBUFFER_EOL_CRLF_STRICT);

	if (!line)
		return false;
	free(line);
	if (conn->state == CHUNK_END)
		conn->state = CHUNK_SIZE;
	else if (len == 0)
		conn->state = BODY;
	return true;
}

static bool
read_step(struct peer_conn *conn)
{
	struct evbuffer *input = bufferevent_get_input(conn->bev);

	switch (conn->state) {
	case HEAD:
		return read_head(conn, input);
	case CHUNK_SIZE:
		return read_chunk_size(conn, input);
	case CHUNK_DATA:
		take_body(conn, input);
		if (conn->left_bytes > 0)
			return false;
		conn->state = CHUNK_END;
		return true;
	case CHUNK_END:
	case TRAILER:
		return read_line_end(conn, input);
	case BODY:
		take_body(conn, input);
		if (conn->left_bytes == 0)
			conn_dispatch(conn);
		return false;
	case ANSWERING:
		return false;
	}
	return false;
}

void
conn_read(struct peer_conn *conn)
{
	while (read_step(conn))
		continue;
}
