/* log.c - lines are built in memory, and leave when their thread would wait.
 *
 * 1. Every byte of a value passes put_text, which escapes what could end a
 *    line, a quote or a terminal's good manners; keys, events and levels are
 *    our own words. Most values are plain: those are looked at and copied in
 *    one go, into room that was made for the whole line.
 * 2. Logging never holds a thread up for long. What the reader of stderr does
 *    not take is kept up to KEPT_BYTES; lines beyond are counted, and the
 *    count is the next line that gets through (event=log-lost).
 * 3. A write to anything but a file holds whole lines of at most PIPE_BUF
 *    bytes, so that lines of several threads do not tear each other.
 *
 * Thread: a log is its owner's; settings and log_direct are for any thread.
 */
#include "callbackd/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "callbackd/buf.h"
#include "callbackd/clock.h"
#include "callbackd/text.h"
#include "log_syslog.h"

enum {
	VALUE_BYTES = 256,                  /* a value is cut here; see log.h */
	FIELD_BYTES = 64 + 6 * VALUE_BYTES, /* key, quotes; all escaped */
	LINE_BYTES = 65536,       /* some 40 values, each byte escaped */
	FLUSH_BYTES = 32768,      /* written before the turn ends */
	KEPT_BYTES = 1024 * 1024, /* of a reader that does not read */
	LAST_WAIT_MS = 1000       /* at log_free, for such a reader */
};

struct log {
	struct buf pending; /* whole lines; the first may be half written */
	struct buf line;    /* being built */
	int64_t now_ms;     /* the moment that now says */
	char now[TEXT_TIME_SIZE];
	int64_t lost_count; /* lines since the last log-lost */
	int fd;
	bool fd_is_own;
	bool fd_is_file;
	bool fd_is_socket;
};

/* Process-wide, as the door says. */
static atomic_int level_setting = LOG_LEVEL_INFO;
static atomic_int format_setting = LOG_LOGFMT;

static const struct {
	const char *name;
	int severity; /* RFC 5424 */
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", 3 },
	[LOG_LEVEL_WARN] = { "warn", 4 },
	[LOG_LEVEL_INFO] = { "info", 6 },
	[LOG_LEVEL_DEBUG] = { "debug", 7 },
};

/* ---- settings ---- */

void
log_configure(enum log_level level, enum log_format format)
{
	atomic_store_explicit(&level_setting, (int)level, memory_order_relaxed);
	atomic_store_explicit(&format_setting, (int)format,
	    memory_order_relaxed);
}

bool
log_level_from_name(const char *name, enum log_level *out)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(levels[i].name, name) != 0)
			continue;
		*out = (enum log_level)i;
		return true;
	}
	return false;
}

static enum log_format
format_now(void)
{
	return (enum log_format)atomic_load_explicit(&format_setting,
	    memory_order_relaxed);
}

bool
log_wants(enum log_level level)
{
	return (int)level <=
	    atomic_load_explicit(&level_setting, memory_order_relaxed);
}

/* ---- one line ---- */

/* How much of text is shown: all, or VALUE_BYTES less a split character. */
static size_t
shown_len(const char *text)
{
	size_t len = strnlen(text, VALUE_BYTES + 1);

	if (len <= VALUE_BYTES)
		return len;
	len = VALUE_BYTES;
	for (int back = 0; back < 4; back++, len--)
		if (((unsigned char)text[len] & 0xc0) != 0x80)
			return len;
	return VALUE_BYTES; /* not UTF-8 anyway */
}

/* A byte that must not appear as it is, between quotes. */
static void
put_escape(struct buf *out, unsigned char byte, bool json)
{
	switch (byte) {
	case '"':
		buf_puts(out, "\\\"");
		return;
	case '\\':
		buf_puts(out, "\\\\");
		return;
	case '\n':
		buf_puts(out, "\\n");
		return;
	case '\r':
		buf_puts(out, "\\r");
		return;
	case '\t':
		buf_puts(out, "\\t");
		return;
	}
	buf_printf(out, json ? "\\u%04x" : "\\x%02x", byte);
}

static bool
must_escape(unsigned char byte)
{
	return byte < ' ' || byte == '"' || byte == '\\' || byte == 0x7f;
}

/* U+0080 to U+009F: well-formed, but commands to some terminals. */
static bool
is_c1_control(const unsigned char *at, size_t left)
{
	return left >= 2 && at[0] == 0xc2 && at[1] < 0xa0;
}

/* Text between quotes. What is not UTF-8 is U+FFFD in JSON, which has no
 * other way to say it, and \xNN in logfmt. */
static void
put_quoted(struct buf *out, const char *text, size_t len, bool json)
{
	const unsigned char *at = (const unsigned char *)text;
	const unsigned char *end = at + len;
	const unsigned char *bad = at + text_utf8_prefix(at, len);

	while (at < end) {
		const unsigned char *run = at;

		while (at < bad && !must_escape(*at) &&
		    !is_c1_control(at, (size_t)(end - at)))
			at++;
		buf_append(out, run, (size_t)(at - run));
		if (at == end)
			break;
		if (at < bad && !must_escape(*at)) {
			buf_printf(out, "\\u%04x", at[1]);
			at += 2;
			continue;
		}
		if (at == bad && json)
			buf_puts(out, "\\ufffd");
		else
			put_escape(out, *at, json);
		at++;
		if (at > bad)
			bad = at + text_utf8_prefix(at, (size_t)(end - at));
	}
}

/* True when it stands for itself, without quotes where the format has none. */
static bool
is_plain(const char *text, size_t len, bool json)
{
	return text_is_plain(text, len) &&
	    (json ||
		(memchr(text, ' ', len) == NULL &&
		    memchr(text, '=', len) == NULL));
}

static void
put_foreign(struct buf *out, const char *text, bool json)
{
	size_t len = shown_len(text);
	bool cut = text[len] != '\0';

	buf_putc(out, '"');
	put_quoted(out, text, len, json);
	buf_puts(out, cut ? "...\"" : "\"");
}

static void
put_text(struct buf *out, const char *text, bool json)
{
	size_t len = strnlen(text, VALUE_BYTES + 1);
	char *at = out->data + out->len;

	if (len > VALUE_BYTES || !is_plain(text, len, json)) {
		put_foreign(out, text, json);
		return;
	}
	if (json || len == 0)
		*at++ = '"';
	memcpy(at, text, len);
	at += len;
	if (json || len == 0)
		*at++ = '"';
	out->len = (size_t)(at - out->data);
}

static void
put_number(struct buf *out, int64_t number)
{
	out->len += text_int(number, out->data + out->len);
}

static void
put_key(struct buf *out, const struct log_field *field, bool json)
{
	char *at = out->data + out->len;

	if (out->len > (json ? 1 : 0))
		*at++ = json ? ',' : ' ';
	if (json)
		*at++ = '"';
	memcpy(at, field->key, field->key_len);
	at += field->key_len;
	if (json)
		*at++ = '"';
	*at++ = json ? ':' : '=';
	out->len = (size_t)(at - out->data);
}

/* There is room for it. */
static void
put_field(struct buf *out, const struct log_field *field, bool json)
{
	put_key(out, field, json);
	if (field->text != NULL)
		put_text(out, field->text, json);
	else
		put_number(out, field->number);
}

/* Lines come in bursts: many have the same moment. */
static void
tell_time(struct log *log)
{
	int64_t now_ms = clock_wall_ms();

	if (now_ms != log->now_ms)
		text_time(now_ms, log->now);
	log->now_ms = now_ms;
}

/* Everything of a line but its newline, into log->line. */
static void
build_line(struct log *log, enum log_format format, enum log_level level,
    const char *event, const struct log_field *fields, int count)
{
	struct buf *out = &log->line;
	bool json = format == LOG_JSON;

	buf_clear(out);
	if (!buf_reserve(out, ((size_t)count + 3) * FIELD_BYTES)) {
		out->failed = true;
		return;
	}
	if (json)
		buf_putc(out, '{');
	if (format != LOG_SYSLOG) {
		tell_time(log);
		put_field(out, &LOG_TEXT("time", log->now), json);
	}
	put_field(out, &LOG_TEXT("level", levels[level].name), json);
	put_field(out, &LOG_TEXT("event", event), json);
	for (int i = 0; i < count; i++)
		put_field(out, &fields[i], json);
	if (json)
		buf_putc(out, '}');
	out->data[out->len] = '\0';
}

/* ---- the way out ---- */

/* A pipe or terminal is opened again, to be written without waiting: the flag
 * is part of the open file, and fd 2 shares that with other processes. */
static void
open_stderr(struct log *log)
{
	struct stat st;
	int fd = -1;

	log->fd = STDERR_FILENO;
	if (fstat(STDERR_FILENO, &st) != 0)
		return;
	log->fd_is_file = S_ISREG(st.st_mode);
	log->fd_is_socket = S_ISSOCK(st.st_mode);
	if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
		fd = open("/proc/self/fd/2",
		    O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return;
	log->fd = fd;
	log->fd_is_own = true;
}

struct log *
log_new(void)
{
	struct log *log = calloc(1, sizeof(*log));

	if (log == NULL)
		return NULL;
	buf_init(&log->pending, KEPT_BYTES);
	buf_init(&log->line, LINE_BYTES);
	open_stderr(log);
	return log;
}

/* Length of the next write: all for a file, else whole lines that a pipe takes
 * in one piece; a longer line goes alone. */
static size_t
next_write_len(const struct log *log, const char *data, size_t len)
{
	const char *end;

	if (data == NULL || log->fd_is_file || len <= PIPE_BUF)
		return len;
	end = memrchr(data, '\n', PIPE_BUF);
	if (end == NULL)
		end = memchr(data, '\n', len);
	return end != NULL ? (size_t)(end - data) + 1 : len;
}

static ssize_t
write_some(const struct log *log, const char *data, size_t len)
{
	ssize_t put;

	do {
		if (log->fd_is_socket)
			put = send(log->fd, data, len,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
		else
			put = write(log->fd, data, len);
	} while (put < 0 && errno == EINTR);
	return put;
}

static int64_t
count_lines(const char *data, size_t len)
{
	int64_t lines = 0;

	for (size_t i = 0; i < len; i++)
		lines += data[i] == '\n';
	return lines;
}

/* Writes what stderr takes now; what it has no room for stays. A stderr that
 * is broken (closed, disk full) loses it all, and the lines are counted. */
static void
write_pending(struct log *log)
{
	struct buf *out = &log->pending;
	size_t done = 0;

	while (done < out->len) {
		const char *from = out->data + done;
		ssize_t put = write_some(log, from,
		    next_write_len(log, from, out->len - done));

		if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (put < 0) {
			log->lost_count += count_lines(from, out->len - done);
			put = (ssize_t)(out->len - done);
		}
		done += (size_t)put;
	}
	if (done == 0)
		return;
	memmove(out->data, out->data + done, out->len - done);
	out->len -= done;
	out->data[out->len] = '\0';
}

/* Puts the finished line in the queue, or counts it. */
static void
keep_line(struct log *log)
{
	struct buf *line = &log->line;

	buf_putc(line, '\n');
	if (buf_failed(line) || !buf_reserve(&log->pending, line->len)) {
		log->lost_count++;
		return;
	}
	buf_append(&log->pending, line->data, line->len);
}

/* Says how many lines are missing, as soon as there is room to say it. */
static void
confess_losses(struct log *log)
{
	int64_t lost = log->lost_count;

	if (lost == 0 || log->pending.len > KEPT_BYTES / 2)
		return;
	log->lost_count = 0;
	build_line(log, format_now(), LOG_LEVEL_ERROR, "log-lost",
	    &LOG_INT("count", lost), 1);
	keep_line(log);
	if (log->lost_count > 0)
		log->lost_count = lost;
}

void
log_flush(struct log *log)
{
	write_pending(log);
	if (log->lost_count == 0)
		return;
	confess_losses(log);
	write_pending(log);
}

void
log_free(struct log **log)
{
	struct log *old = *log;

	*log = NULL;
	if (old == NULL)
		return;
	log_flush(old);
	if (old->pending.len > 0) {
		struct pollfd room = { .fd = old->fd, .events = POLLOUT };

		poll(&room, 1, LAST_WAIT_MS);
		log_flush(old);
	}
	if (old->fd_is_own)
		close(old->fd);
	buf_free(&old->pending);
	buf_free(&old->line);
	free(old);
}

void
log_fields(struct log *log, enum log_level level, const char *event,
    const struct log_field *fields, int count)
{
	enum log_format format = format_now();

	if (!log_wants(level))
		return;
	build_line(log, format, level, event, fields, count);
	if (format == LOG_SYSLOG) {
		log_syslog_write(levels[level].severity, buf_text(&log->line));
		return;
	}
	keep_line(log);
	if (log->pending.len >= FLUSH_BYTES)
		log_flush(log);
}

void
log_direct(enum log_level level, const char *event, const char *why)
{
	struct log *log = log_new();
	struct log_field field;

	if (log == NULL)
		return;
	field = LOG_TEXT("why", why);
	log_fields(log, level, event, &field, 1);
	log_free(&log);
}
