/* logbook.c - lines are built in memory and written whole. */
#include "logbook.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <event2/buffer.h>

#include "digest.h"
#include "words.h"

struct logbook {
	FILE *file;
	struct evbuffer *line;
};

struct logbook *
logbook_open(const char *path)
{
	struct logbook *logbook = calloc(1, sizeof(*logbook));

	if (!logbook || !(logbook->line = evbuffer_new()))
		err(1, "log");
	logbook->file = path ? fopen(path, "ae") : stdout;
	if (!logbook->file)
		err(1, "%s", path);
	return logbook;
}

void
logbook_close(struct logbook **logbook)
{
	if (!*logbook)
		return;
	if ((*logbook)->file != stdout)
		fclose((*logbook)->file);
	evbuffer_free((*logbook)->line);
	free(*logbook);
	*logbook = NULL;
}

void
logbook_text(struct logbook *logbook, const char *key, const char *text)
{
	evbuffer_add_printf(logbook->line, ",\"%s\":", key);
	json_print(logbook->line, text);
}

void
logbook_bool(struct logbook *logbook, const char *key, bool truth)
{
	evbuffer_add_printf(logbook->line, ",\"%s\":%s", key,
	    truth ? "true" : "false");
}

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
logbook_begin(struct logbook *logbook, const struct peer_conn *conn)
{
	const struct peer_request *request = peer_request(conn);
	char digest[DIGEST_SIZE];

	digest_hex(request->body, request->body_len, digest);
	evbuffer_add_printf(logbook->line,
	    "{\"at_ms\":%lld,\"nth\":%lld,\"size\":%zu", (long long)now_ms(),
	    (long long)request->nth, request->body_len);
	logbook_text(logbook, "method", request->method);
	logbook_text(logbook, "path", request->path);
	logbook_text(logbook, "key", request->key);
	logbook_text(logbook, "job_id", peer_header(conn, "Job-Id"));
	logbook_text(logbook, "content_type",
	    peer_header(conn, "Content-Type"));
	logbook_text(logbook, "sha256", digest);
}

void
logbook_whole(struct logbook *logbook, const struct peer_conn *conn)
{
	const struct peer_request *request = peer_request(conn);
	char *body = strndup(request->body ? request->body : "",
	    request->body_len);

	if (!body)
		err(1, "log");
	logbook_text(logbook, "target", request->target);
	logbook_text(logbook, "body", body);
	free(body);
	evbuffer_add_printf(logbook->line, ",\"fields\":[");
	for (size_t i = 0; i < request->field_count; i++) {
		evbuffer_add_printf(logbook->line, "%s[", i > 0 ? "," : "");
		json_print(logbook->line, request->fields[i].name);
		evbuffer_add(logbook->line, ",", 1);
		json_print(logbook->line, request->fields[i].value);
		evbuffer_add(logbook->line, "]", 1);
	}
	evbuffer_add(logbook->line, "]", 1);
}

void
logbook_end(struct logbook *logbook)
{
	size_t len = evbuffer_get_length(logbook->line);

	evbuffer_add(logbook->line, "}\n", 2);
	len += 2;
	if (fwrite(evbuffer_pullup(logbook->line, -1), 1, len, logbook->file) !=
		len ||
	    fflush(logbook->file) != 0)
		err(1, "log");
	evbuffer_drain(logbook->line, len);
}
