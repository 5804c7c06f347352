/* test_log.c - lines that cannot be forged, and a log that never waits.
 *
 * Each case puts a pipe, a socket or a file in the place of stderr and reads
 * what arrives there.
 */
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "callbackd/json.h"
#include "callbackd/log.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static int saved_stderr = -1;
static int reader = -1; /* other end of what is stderr now */
static struct buf seen;

/* Makes fd the standard error; takes fd. */
static void
become_stderr(int fd)
{
	saved_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	ck_assert_int_ge(saved_stderr, 0);
	ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	close(fd);
}

static void
restore_stderr(void)
{
	if (saved_stderr < 0)
		return;
	ck_assert_int_eq(dup2(saved_stderr, STDERR_FILENO), STDERR_FILENO);
	close(saved_stderr);
	saved_stderr = -1;
}

static void
use_pipe(void)
{
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	reader = ends[0];
	ck_assert_int_eq(fcntl(reader, F_SETFL, O_NONBLOCK), 0);
	become_stderr(ends[1]);
}

static void
start(void)
{
	buf_init(&seen, 1 << 23);
	signal(SIGPIPE, SIG_IGN); /* as main does */
	log_configure(LOG_LEVEL_INFO, LOG_LOGFMT);
}

static void
stop(void)
{
	restore_stderr();
	if (reader >= 0)
		close(reader);
	reader = -1;
	buf_free(&seen);
}

/* Adds what waits in the pipe to seen. */
static void
read_seen(void)
{
	char piece[4096];
	ssize_t got;

	while ((got = read(reader, piece, sizeof(piece))) > 0)
		ck_assert(buf_append(&seen, piece, (size_t)got));
}

/* The one line of a log that writes one event with one field. */
static const char *
line_of(enum log_format format, const char *text)
{
	struct log *log;

	log_configure(LOG_LEVEL_INFO, format);
	use_pipe();
	log = log_new();
	ck_assert_ptr_nonnull(log);
	log_event(log, LOG_LEVEL_INFO, "tried", LOG_TEXT("v", text),
	    LOG_INT("n", -5));
	log_free(&log);
	restore_stderr();
	read_seen();
	return buf_text(&seen);
}

/* ---- what a line looks like ---- */

static const struct {
	const char *text;
	const char *logfmt; /* behind v= */
	const char *json;   /* behind "v": */
} values[] = {
	{ "plain-1.0/x", "plain-1.0/x", "\"plain-1.0/x\"" },
	{ NULL, "\"\"", "\"\"" },
	{ "", "\"\"", "\"\"" },
	{ "two words", "\"two words\"", "\"two words\"" },
	{ "a=b", "\"a=b\"", "\"a=b\"" },
	{ "say \"x\"", "\"say \\\"x\\\"\"", "\"say \\\"x\\\"\"" },
	{ "back\\slash", "\"back\\\\slash\"", "\"back\\\\slash\"" },
	{ "a\nlevel=error", "\"a\\nlevel=error\"", "\"a\\nlevel=error\"" },
	{ "\r\t", "\"\\r\\t\"", "\"\\r\\t\"" },
	{ "\x1b[1m", "\"\\x1b[1m\"", "\"\\u001b[1m\"" },
	{ "\x7f", "\"\\x7f\"", "\"\\u007f\"" },
	{ "\xc3\xa4", "\"\xc3\xa4\"", "\"\xc3\xa4\"" },
	{ "\xc2\x9b", "\"\\u009b\"", "\"\\u009b\"" },
	{ "\xc2\xa0", "\"\xc2\xa0\"", "\"\xc2\xa0\"" },
	{ "a\xffz", "\"a\\xffz\"", "\"a\\ufffdz\"" },
	{ "\xc3", "\"\\xc3\"", "\"\\ufffd\"" },
	{ "\xff\xfe\xc3\xa4", "\"\\xff\\xfe\xc3\xa4\"",
	    "\"\\ufffd\\ufffd\xc3\xa4\"" },
};

START_TEST(values_are_escaped_in_logfmt)
{
	char want[256];
	const char *line = line_of(LOG_LOGFMT, values[_i].text);

	snprintf(want, sizeof(want), "level=info event=tried v=%s n=-5\n",
	    values[_i].logfmt);
	ck_assert_uint_gt(strlen(line), 30);
	ck_assert_mem_eq(line, "time=2", 6);
	ck_assert_int_eq(line[28], 'Z');
	ck_assert_str_eq(line + 30, want);
}
END_TEST

START_TEST(values_are_escaped_in_json)
{
	char want[256];
	const char *line = line_of(LOG_JSON, values[_i].text);
	struct json_document *document = json_parse(line, strlen(line), NULL);

	snprintf(want, sizeof(want),
	    "\"level\":\"info\",\"event\":\"tried\",\"v\":%s,\"n\":-5}\n",
	    values[_i].json);
	ck_assert_ptr_nonnull(document);
	ck_assert_str_eq(json_root(document)->first->key, "time");
	ck_assert_uint_eq(json_root(document)->count, 5);
	ck_assert_str_eq(strstr(line, "\"level\""), want);
	json_document_free(&document);
}
END_TEST

/* A value of 300 bytes, cut at 256 or just before a character that is split
 * there; _i bytes of ASCII shift the two-byte characters. */
START_TEST(long_values_are_cut_between_characters)
{
	char text[302];
	const char *line;
	const char *end;
	size_t shown = 256 - (size_t)_i;

	memset(text, 'x', (size_t)_i);
	for (size_t i = (size_t)_i; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa4", 3);
	line = strstr(line_of(LOG_LOGFMT, text), "v=\"") + 3;
	end = strstr(line, "...\" n=-5\n");
	ck_assert_ptr_nonnull(end);
	ck_assert_uint_eq((size_t)(end - line), shown);
	ck_assert(text_is_utf8(line, (size_t)(end - line)));
}
END_TEST

START_TEST(a_value_of_256_bytes_is_whole)
{
	char text[257];

	memset(text, 'x', 256);
	text[256] = '\0';
	ck_assert_ptr_nonnull(strstr(line_of(LOG_LOGFMT, text), text));
	ck_assert_ptr_null(strstr(buf_text(&seen), "..."));
}
END_TEST

START_TEST(levels_have_names_and_order)
{
	enum log_level level = LOG_LEVEL_INFO;

	ck_assert(log_level_from_name("error", &level));
	ck_assert_int_eq(level, LOG_LEVEL_ERROR);
	ck_assert(log_level_from_name("debug", &level));
	ck_assert_int_eq(level, LOG_LEVEL_DEBUG);
	ck_assert(!log_level_from_name("loud", &level));
	ck_assert(!log_level_from_name("", &level));
	ck_assert_int_eq(level, LOG_LEVEL_DEBUG);
	log_configure(LOG_LEVEL_WARN, LOG_LOGFMT);
	ck_assert(log_wants(LOG_LEVEL_ERROR));
	ck_assert(log_wants(LOG_LEVEL_WARN));
	ck_assert(!log_wants(LOG_LEVEL_INFO));
}
END_TEST

START_TEST(unwanted_levels_are_silent)
{
	struct log *log;

	use_pipe();
	log = log_new();
	log_event(log, LOG_LEVEL_DEBUG, "hidden", LOG_INT("n", 1));
	log_fields(log, LOG_LEVEL_DEBUG, "hidden", NULL, 0);
	log_event(log, LOG_LEVEL_ERROR, "shown", LOG_INT("n", 1));
	log_free(&log);
	read_seen();
	ck_assert_ptr_null(strstr(buf_text(&seen), "hidden"));
	ck_assert_ptr_nonnull(
	    strstr(buf_text(&seen), "level=error event=shown n=1\n"));
}
END_TEST

START_TEST(a_direct_line_needs_no_log)
{
	use_pipe();
	log_direct(LOG_LEVEL_WARN, "libevent", "told us so");
	read_seen();
	ck_assert_ptr_nonnull(strstr(buf_text(&seen),
	    "level=warn event=libevent why=\"told us so\"\n"));
}
END_TEST

/* ---- the way out ---- */

START_TEST(lines_wait_for_a_flush)
{
	struct log *log;

	use_pipe();
	log = log_new();
	log_event(log, LOG_LEVEL_INFO, "one", LOG_INT("n", 1));
	read_seen();
	ck_assert_uint_eq(seen.len, 0);
	log_flush(log);
	read_seen();
	ck_assert_ptr_nonnull(strstr(buf_text(&seen), "event=one n=1\n"));
	log_free(&log);
}
END_TEST

/* How many lines of seen there are, each whole and none repeated; the numbers
 * must rise. lost is what the log-lost lines add up to. */
static int
count_numbered(int64_t *lost)
{
	const char *line = buf_text(&seen);
	int64_t last = -1;
	int count = 0;

	*lost = 0;
	for (const char *end; (end = strchr(line, '\n')) != NULL;
	     line = end + 1) {
		long long number;
		char event[20];

		ck_assert_mem_eq(line, "time=", 5);
		if (sscanf(line + 30, "level=error event=log-lost count=%lld",
			&number) == 1) {
			*lost += number;
			continue;
		}
		ck_assert_int_eq(sscanf(line + 30,
				     "level=info event=%15s n=%lld", event,
				     &number),
		    2);
		ck_assert_int_gt(number, last);
		last = number;
		count++;
	}
	ck_assert_str_eq(line, "");
	return count;
}

enum {
	FLOOD = 60000 /* lines; more than a pipe and the log together keep */
};

/* A reader that stalls and comes back: without non-blocking writes, the first
 * loop would never end. */
static void
flood_and_read(void)
{
	struct log *log = log_new();
	int64_t lost;
	int count;

	for (int i = 0; i < FLOOD; i++)
		log_event(log, LOG_LEVEL_INFO, "flood", LOG_INT("n", i));
	for (size_t before = SIZE_MAX; before != seen.len;) {
		before = seen.len;
		read_seen();
		log_flush(log);
	}
	log_free(&log);
	read_seen();
	count = count_numbered(&lost);
	ck_assert_int_gt(lost, 0);
	ck_assert_int_eq(count + lost, FLOOD);
}

START_TEST(a_stalled_pipe_loses_lines_and_says_how_many)
{
	use_pipe();
	flood_and_read();
}
END_TEST

START_TEST(a_stalled_socket_loses_lines_and_says_how_many)
{
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	reader = ends[0];
	ck_assert_int_eq(fcntl(reader, F_SETFL, O_NONBLOCK), 0);
	become_stderr(ends[1]);
	flood_and_read();
}
END_TEST

START_TEST(a_file_gets_everything)
{
	FILE *file = tmpfile();
	struct log *log;
	int64_t lost;

	ck_assert_ptr_nonnull(file);
	reader = dup(fileno(file));
	become_stderr(dup(fileno(file)));
	fclose(file);
	log = log_new();
	for (int i = 0; i < FLOOD; i++)
		log_event(log, LOG_LEVEL_INFO, "flood", LOG_INT("n", i));
	log_free(&log);
	ck_assert_int_eq(lseek(reader, 0, SEEK_SET), 0);
	read_seen();
	ck_assert_int_eq(count_numbered(&lost), FLOOD);
	ck_assert_int_eq(lost, 0);
}
END_TEST

START_TEST(a_broken_pipe_stops_nobody)
{
	struct log *log;

	use_pipe();
	log = log_new();
	close(reader);
	reader = -1;
	for (int i = 0; i < FLOOD; i++)
		log_event(log, LOG_LEVEL_INFO, "flood", LOG_INT("n", i));
	log_flush(log);
	log_free(&log);
	ck_assert_ptr_null(log);
}
END_TEST

/* ---- several threads, one pipe ---- */

enum {
	WRITERS = 3,
	LINES = 2000 /* of each */
};

static void *
write_lines(void *arg)
{
	struct log *log = log_new();

	(void)arg;
	for (int i = 0; i < LINES; i++) {
		log_event(log, LOG_LEVEL_INFO, "shared", LOG_INT("n", i));
		if (i % 300 == 0)
			log_flush(log);
	}
	log_free(&log);
	return NULL;
}

START_TEST(lines_of_several_threads_do_not_tear_each_other)
{
	pthread_t threads[WRITERS];
	int count = 0;

	use_pipe();
	ck_assert_int_gt(fcntl(reader, F_SETPIPE_SZ, 1 << 20), 0);
	for (int i = 0; i < WRITERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, write_lines,
				     NULL),
		    0);
	for (int i = 0; i < WRITERS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	read_seen();
	for (const char *line = buf_text(&seen); *line != '\0';) {
		const char *end = strchr(line, '\n');
		int number;
		int len = 0;

		ck_assert_ptr_nonnull(end);
		ck_assert_mem_eq(line, "time=", 5);
		ck_assert_int_eq(sscanf(line + 30,
				     "level=info event=shared n=%d%n", &number,
				     &len),
		    1);
		ck_assert_ptr_eq(line + 30 + len, end);
		count++;
		line = end + 1;
	}
	ck_assert_int_eq(count, WRITERS * LINES);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("log");
	TCase *tcase = tcase_create("log");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_loop_test(tcase, values_are_escaped_in_logfmt, 0,
	    COUNT(values));
	tcase_add_loop_test(tcase, values_are_escaped_in_json, 0,
	    COUNT(values));
	tcase_add_loop_test(tcase, long_values_are_cut_between_characters, 0,
	    2);
	tcase_add_test(tcase, a_value_of_256_bytes_is_whole);
	tcase_add_test(tcase, levels_have_names_and_order);
	tcase_add_test(tcase, unwanted_levels_are_silent);
	tcase_add_test(tcase, a_direct_line_needs_no_log);
	tcase_add_test(tcase, lines_wait_for_a_flush);
	tcase_add_test(tcase, a_stalled_pipe_loses_lines_and_says_how_many);
	tcase_add_test(tcase, a_stalled_socket_loses_lines_and_says_how_many);
	tcase_add_test(tcase, a_file_gets_everything);
	tcase_add_test(tcase, a_broken_pipe_stops_nobody);
	tcase_add_test(tcase, lines_of_several_threads_do_not_tear_each_other);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
