/* log.h - one line for each event, for people and for machines.
 *
 * Each thread has a log of its own: lines are collected and written with one
 * write(2) by log_flush, which the owner calls before it waits. A line is
 * time, level, event, then key=value pairs (logfmt), or one JSON object. Values
 * are escaped and cut at 256 bytes, so foreign text cannot forge a line.
 *
 * error: a human must act. warn: a promise was nearly missed. info: an event of
 * a job's life. debug: a state move. A peer's mistake is info.
 */
#ifndef CALLBACKD_LOG_H
#define CALLBACKD_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};
enum log_format { LOG_LOGFMT, LOG_JSON, LOG_SYSLOG };

/* Process-wide settings; atomic, so that a reload may change them. */
void log_configure(enum log_level level, enum log_format format);
bool log_level_from_name(const char *name, enum log_level *out);

struct log; /* opaque */

struct log *log_new(void);       /* writes to stderr, or to syslog */
void log_free(struct log **log); /* flushes first */
void log_flush(struct log *log);

bool log_wants(enum log_level level);

/* Values of a line. Build with the macros below; a key is a literal. */
struct log_field {
	const char *key;
	size_t key_len;   /* 1 .. 48 */
	const char *text; /* NULL: number counts */
	int64_t number;
};
static inline const char *
log_shown_text(const char *text)
{
	return text != NULL ? text : "";
}
#define LOG_FIELD(key, text, number)                                           \
	((struct log_field){ "" key, sizeof(key) - 1, (text), (number) })
#define LOG_TEXT(key, text) LOG_FIELD(key, log_shown_text(text), 0)
#define LOG_INT(key, number) LOG_FIELD(key, NULL, (number))

void log_fields(struct log *log, enum log_level level, const char *event,
    const struct log_field *fields, int count);

/* One line at once, for whoever has no log: main before it is ready, and
 * libraries that complain. Any thread. */
void log_direct(enum log_level level, const char *event, const char *why);

/* log_event(log, LOG_LEVEL_INFO, "accepted", LOG_TEXT("job", id), ...) */
#define log_event(log, level, event, ...)                                      \
	do {                                                                   \
		if (log_wants(level)) {                                        \
			const struct log_field log_fields_[] = {               \
				__VA_ARGS__                                    \
			};                                                     \
			log_fields((log), (level), (event), log_fields_,       \
			    (int)(sizeof(log_fields_) /                        \
				sizeof(log_fields_[0])));                      \
		}                                                              \
	} while (0)

#endif
