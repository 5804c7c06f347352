/* test_command.c - runs by real programs: what they get, what is made of what
 * they give, and that nothing of them is left. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "callbackd/clock.h"
#include "callbackd/command.h"
#include "callbackd/headers.h"
#include "callbackd/text.h"

#define MANY 200

/* A folder with a configuration and a script, and what works there. */
static char folder[64];
static struct conf *conf;
static struct loop *loop;
static struct command *command;
static struct run *ended[MANY];
static int ended_count;

/* ---- files ---- */

static const char *
path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void
write_text(const char *name, const char *text, mode_t mode)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
	    mode);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static bool
is_there(const char *name)
{
	return access(path_of(name), F_OK) == 0;
}

/* The number in a file that a script has written, 0 before it is whole. */
static pid_t
number_in(const char *name)
{
	FILE *file = fopen(path_of(name), "r");
	int number = 0;
	char end = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%d%c", &number, &end) != 2 || end != '\n')
		number = 0;
	fclose(file);
	return number;
}

/* Whether a process is alive; a zombie, which its parent or init is about to
 * take, is not. */
static bool
is_alive(pid_t pid)
{
	char path[64], line[256], state = 'X';
	const char *behind;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "r");
	if (file == NULL)
		return false;
	if (fgets(line, sizeof(line), file) != NULL &&
	    (behind = strrchr(line, ')')) != NULL)
		state = behind[2];
	fclose(file);
	return state != 'Z' && state != 'X';
}

/* ---- the room ---- */

static void
take_run(struct run *run, void *arg)
{
	ck_assert_ptr_eq(arg, &ended_count);
	ck_assert_int_lt(ended_count, MANY);
	ended[ended_count++] = run;
}

static void
make_folder(void)
{
	snprintf(folder, sizeof(folder), "/tmp/callbackd-command-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)signal(SIGPIPE, SIG_IGN); /* as main does */
	ended_count = 0;
}

static void
complain(const char *line, void *arg)
{
	(void)arg;
	ck_abort_msg("%s", line);
}

static struct conf *
conf_with(const char *settings)
{
	char text[4096];

	snprintf(text, sizeof(text),
	    "store = \"memory:\"\n"
	    "queue q { path = \"/q/\" executor = command\n%s}\n"
	    "queue web { path = \"/web/\" upstream = \"http://h/\" }\n",
	    settings);
	write_text("callbackd.conf", text, 0600);
	return conf_load(path_of("callbackd.conf"), complain, NULL);
}

/* The queue q with these settings, command among them. */
static void
open_room(const char *settings)
{
	conf = conf_with(settings);
	ck_assert_ptr_nonnull(conf);
	loop_library_init();
	loop = loop_new(0, NULL);
	ck_assert_ptr_nonnull(loop);
	command = command_new(loop, conf, take_run, &ended_count);
	ck_assert_ptr_nonnull(command);
}

/* The same with a shell script as the command. */
static void
open_script_with(const char *script, const char *settings)
{
	char text[4096];

	snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", script);
	write_text("job", text, 0700);
	snprintf(text, sizeof(text), "command = {\"./job\"}\n%s\n", settings);
	open_room(text);
}

static void
open_script(const char *script)
{
	open_script_with(script, "");
}

/* Nothing is left: no run, no process, not even a zombie. */
static void
close_room(void)
{
	char line[128];

	command_free(&command);
	for (int i = 0; i < ended_count; i++)
		run_free(&ended[i]);
	loop_free(&loop);
	conf_unref(&conf);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
	snprintf(line, sizeof(line), "rm -rf %s", folder);
	ck_assert_int_eq(system(line), 0);
}

static void
turn(void)
{
	ck_assert_int_eq(event_base_loop(loop_base(loop), EVLOOP_ONCE), 0);
}

/* Check's timeout ends what never becomes true; a loop comes round each second
 * at least. */
#define turn_until(condition)                                                  \
	do {                                                                   \
		while (!(condition))                                           \
			turn();                                                \
	} while (0)

/* For what no descriptor of the loop tells. */
#define wait_until(condition)                                                  \
	do {                                                                   \
		while (!(condition))                                           \
			usleep(2000);                                          \
	} while (0)

/* ---- runs ---- */

static struct run *
make_run(void)
{
	struct run *run = run_new();

	ck_assert_ptr_nonnull(run);
	snprintf(run->job.queue, sizeof(run->job.queue), "q");
	snprintf(run->job.method, sizeof(run->job.method), "POST");
	run->job.target = text_copy("/");
	run->job.attempts = 1;
	run->job.id.seq = 7;
	return run;
}

static void
set_body(struct run *run, const void *bytes, size_t len)
{
	run->request.body = blob_new(bytes, len);
	ck_assert_ptr_nonnull(run->request.body);
}

/* Starts it and waits for its end. */
static struct run *
finish(struct run *run)
{
	int before = ended_count;

	run->loop = loop; /* as the ledger does */
	command_start(command, run);
	turn_until(ended_count > before);
	ck_assert_ptr_eq(ended[before], run);
	ck_assert_ptr_eq(run->loop, loop);
	return run;
}

static const char *
output_of(const struct run *run)
{
	static char text[8192];
	size_t len = blob_len(run->response.body);

	ck_assert_uint_lt(len, sizeof(text));
	memcpy(text, blob_data(run->response.body), len);
	text[len] = '\0';
	return text;
}

static void
expect_success(const struct run *run)
{
	ck_assert_msg(run->verdict == VERDICT_SUCCESS, "%s: %s",
	    job_error_name(run->error), run->detail);
	ck_assert_int_eq(run->error, ERROR_NONE);
	ck_assert_int_eq(run->status, 200);
	ck_assert_str_eq(run->detail, "");
	ck_assert_int_eq(run->response_bytes,
	    (int64_t)blob_len(run->response.body));
}

static void
expect_failure(const struct run *run, enum verdict verdict,
    enum job_error error, const char *detail)
{
	ck_assert_str_eq(job_error_name(run->error), job_error_name(error));
	ck_assert_int_eq(run->verdict, verdict);
	ck_assert_str_eq(run->detail, detail);
	/* What a failed command has said is not an answer. */
	ck_assert_int_eq(run->status, 0);
	ck_assert_ptr_null(run->response.body);
	ck_assert_ptr_null(run->response.headers);
	ck_assert_ptr_null(run->content_type);
}

/* ---- input and output ---- */

START_TEST(what_it_writes_is_the_result)
{
	struct run *run;

	open_script("printf 'one\\ntwo'; echo noise >&2");
	run = finish(make_run());
	expect_success(run);
	ck_assert_str_eq(output_of(run), "one\ntwo");
	ck_assert_str_eq(run->content_type, "application/octet-stream");
	ck_assert_str_eq(run->response.headers,
	    "Content-Type: application/octet-stream\n");
	ck_assert_int_ge(run->duration_ms, 0);
	close_room();
}
END_TEST

START_TEST(the_type_of_the_result_is_the_queues)
{
	struct run *run;

	open_script_with("echo x", "result_type = \"image/png; q=1\"");
	run = finish(make_run());
	expect_success(run);
	ck_assert_str_eq(run->content_type, "image/png; q=1");
	ck_assert_str_eq(run->response.headers,
	    "Content-Type: image/png; q=1\n");
	close_room();
}
END_TEST

START_TEST(a_result_may_be_empty)
{
	struct run *run;

	open_script("exit 0");
	run = finish(make_run());
	expect_success(run);
	ck_assert_int_eq(run->response_bytes, 0);
	close_room();
}
END_TEST

START_TEST(a_body_goes_in_and_comes_out_byte_by_byte)
{
	static const size_t sizes[] = { 0, 1, 4096, 65536, 65537, 5000000 };
	char *body = malloc(5000000);

	open_room("command = cat\nmax_result = 5000000\n");
	for (size_t i = 0; i < 5000000; i++)
		body[i] = (char)(i * 31 + i / 977);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct run *run = make_run();

		set_body(run, body, sizes[i]);
		expect_success(finish(run));
		ck_assert_uint_eq(blob_len(run->response.body), sizes[i]);
		ck_assert(
		    memcmp(blob_data(run->response.body), body, sizes[i]) == 0);
	}
	free(body);
	close_room();
}
END_TEST

START_TEST(input_need_not_be_read)
{
	static const char *const scripts[] = { "exit 0", "exec <&-; sleep 0.2",
		"head -c 10 >/dev/null" };
	char *body = calloc(1, 3000000);
	struct run *run;

	for (int i = 0; i < 3; i++) {
		if (i > 0)
			make_folder();
		open_script(scripts[i]);
		run = make_run();
		set_body(run, body, 3000000);
		expect_success(finish(run));
		close_room();
	}
	free(body);
}
END_TEST

START_TEST(a_job_without_a_body_has_an_empty_input)
{
	open_script("test -z \"$(cat)\" && test -p /dev/stdin");
	expect_success(finish(make_run()));
	close_room();
}
END_TEST

START_TEST(output_may_be_as_large_as_max_result_and_no_larger)
{
	struct run *run;

	open_script_with("head -c $CALLBACKD_QUERY /dev/zero",
	    "max_result = 100000");
	run = make_run();
	free(run->job.target);
	run->job.target = text_copy("/?100000");
	expect_success(finish(run));
	ck_assert_int_eq(run->response_bytes, 100000);
	run = make_run();
	free(run->job.target);
	run->job.target = text_copy("/?100001");
	expect_failure(finish(run), VERDICT_FINAL, ERROR_TOO_LARGE,
	    "more than 100000 bytes of output");
	close_room();
}
END_TEST

START_TEST(who_writes_too_much_is_ended_with_its_group)
{
	struct run *run;
	pid_t other;

	open_script_with("sleep 1000 & echo $! >other\n"
			 "echo wait >&2; while :; do echo yes; done",
	    "max_result = 1000");
	run = finish(make_run());
	ck_assert_int_eq(run->error, ERROR_TOO_LARGE);
	ck_assert_int_eq(run->verdict, VERDICT_FINAL);
	other = number_in("other");
	ck_assert_int_gt(other, 0);
	wait_until(!is_alive(other));
	close_room();
}
END_TEST

/* ---- how it ends ---- */

START_TEST(each_exit_status_has_its_meaning)
{
	static const struct {
		int status;
		enum verdict verdict;
	} rows[] = { { 1, VERDICT_RETRY }, { 2, VERDICT_RETRY },
		{ 63, VERDICT_RETRY }, { 64, VERDICT_FINAL },
		{ 65, VERDICT_FINAL }, { 66, VERDICT_RETRY },
		{ 70, VERDICT_RETRY }, { 75, VERDICT_RETRY },
		{ 126, VERDICT_RETRY }, { 127, VERDICT_RETRY },
		{ 255, VERDICT_RETRY } };
	char detail[64];
	char target[16];

	open_script("echo lost; exit ${CALLBACKD_PATH#/}");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct run *run = make_run();

		snprintf(target, sizeof(target), "/%d", rows[i].status);
		snprintf(detail, sizeof(detail), "exit status %d",
		    rows[i].status);
		free(run->job.target);
		run->job.target = text_copy(target);
		expect_failure(finish(run), rows[i].verdict,
		    ERROR_COMMAND_FAILED, detail);
		ck_assert(!run->never_began);
	}
	close_room();
}
END_TEST

START_TEST(death_by_a_signal_is_named)
{
	open_script("kill -SEGV $$");
	expect_failure(finish(make_run()), VERDICT_RETRY, ERROR_COMMAND_SIGNAL,
	    "killed by SIGSEGV");
	close_room();
}
END_TEST

START_TEST(the_last_words_are_told)
{
	open_script("echo lost; printf 'first\\n\\tsecond\\n\\n' >&2; exit 3");
	expect_failure(finish(make_run()), VERDICT_RETRY, ERROR_COMMAND_FAILED,
	    "exit status 3: first\n\tsecond");
	close_room();
}
END_TEST

START_TEST(of_many_words_the_last_are_kept)
{
	struct run *run;
	char detail[1100];
	size_t len = (size_t)snprintf(detail, sizeof(detail),
	    "exit status 1: ...");

	open_script("i=0; while [ $i -lt 300 ]; do echo 0123456789 >&2\n"
		    "i=$((i + 1)); done; printf END >&2; exit 1");
	run = finish(make_run());
	/* 1024 bytes: 92 whole lines, 9 bytes before them, 3 behind. */
	len += (size_t)snprintf(detail + len, sizeof(detail) - len,
	    "23456789\n");
	for (int i = 0; i < 92; i++)
		len += (size_t)snprintf(detail + len, sizeof(detail) - len,
		    "0123456789\n");
	snprintf(detail + len, sizeof(detail) - len, "END");
	expect_failure(run, VERDICT_RETRY, ERROR_COMMAND_FAILED, detail);
	close_room();
}
END_TEST

START_TEST(the_last_words_are_made_presentable)
{
	open_script(
	    "printf 'a\\033[1mb\\000c\\377d\\303\\251\\303' >&2; exit 1");
	expect_failure(finish(make_run()), VERDICT_RETRY, ERROR_COMMAND_FAILED,
	    "exit status 1: a?[1mb?c?d\303\251?");
	close_room();
}
END_TEST

START_TEST(a_cut_character_is_left_out)
{
	struct run *run;

	/* 400 times three bytes: 1024 is no multiple. */
	open_script(
	    "i=0; while [ $i -lt 400 ]; do printf '\\342\\202\\254' >&2\n"
	    "i=$((i + 1)); done; exit 1");
	run = finish(make_run());
	ck_assert_int_eq(strncmp(run->detail, "exit status 1: ...\342\202\254",
			     21),
	    0);
	ck_assert_uint_eq(strlen(run->detail), 18 + 341 * 3);
	close_room();
}
END_TEST

/* ---- what it finds ---- */

/* Variables sorted, but for those of the shell itself. */
#define SHOW_ENVIRONMENT "command = {\"/usr/bin/env\", \"-0\"}\n"

static int
compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* What env -0 wrote, sorted, a line a variable. */
static const char *
sorted_output(const struct run *run)
{
	static char text[8192];
	const char *variables[256];
	const char *at = blob_data(run->response.body);
	const char *end = at + blob_len(run->response.body);
	size_t count = 0, len = 0;

	for (; at < end; at += strlen(at) + 1)
		variables[count++] = at;
	qsort(variables, count, sizeof(variables[0]), compare_texts);
	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\n",
		    variables[i]);
	return text;
}

/* The moment in CALLBACKD_DEADLINE, which is cut out of the text. */
static int64_t
cut_deadline(char *text)
{
	char *line = strstr(text, "CALLBACKD_DEADLINE=");
	char *value = line + strlen("CALLBACKD_DEADLINE=");
	char *end = strchr(value, '\n');
	int64_t at_ms = 0;

	ck_assert_ptr_nonnull(line);
	*end = '\0';
	ck_assert(text_time_parse(value, &at_ms));
	memmove(line, end + 1, strlen(end + 1) + 1);
	return at_ms;
}

static struct run *
make_full_run(void)
{
	struct run *run = make_run();

	run->job.attempts = 3;
	run->job.timeout_ms = 60000;
	run->job.content_type = text_copy("text/plain; charset=utf-8");
	free(run->job.target);
	run->job.target = text_copy("/a%20b/c?x=1&y=$HOME?z");
	run->request.headers = text_copy("Content-Type: text/plain\n"
					 "X-Many: 1\n"
					 "accept: a=b, c\n"
					 "x_many: 2\n"
					 "X-Empty: \n"
					 "ld.preload!: /evil\n"
					 "X-MANY: 3\n");
	snprintf(run->job.method, sizeof(run->job.method), "PATCH");
	return run;
}

START_TEST(the_environment_is_the_jobs_and_nothing_else)
{
	char expected[2048], text[8192], id[UUID_TEXT_SIZE];
	struct run *run;
	int64_t before_ms, left_ms;

	ck_assert_int_eq(setenv("CALLBACKD_TEST_SECRET", "s", 1), 0);
	ck_assert_int_eq(setenv("LD_LIBRARY_PATH", "/nowhere", 1), 0);
	ck_assert_int_eq(setenv("PATH", "/usr/bin:/bin", 1), 0);
	ck_assert_int_eq(setenv("HOME", "/home/x", 1), 0);
	ck_assert_int_eq(setenv("LANG", "C.UTF-8", 1), 0);
	open_room(SHOW_ENVIRONMENT);
	before_ms = clock_wall_ms();
	run = finish(make_full_run());
	expect_success(run);
	uuid_text(run->job.id, id);
	snprintf(text, sizeof(text), "%s", sorted_output(run));
	left_ms = cut_deadline(text) - before_ms;
	ck_assert_int_ge(left_ms, 60000 - 1);
	ck_assert_int_le(left_ms, 60000 + 5000);
	snprintf(expected, sizeof(expected),
	    "CALLBACKD_ATTEMPT=3\n"
	    "CALLBACKD_CONTENT_TYPE=text/plain; charset=utf-8\n"
	    "CALLBACKD_HEADER_ACCEPT=a=b, c\n"
	    "CALLBACKD_HEADER_CONTENT_TYPE=text/plain\n"
	    "CALLBACKD_HEADER_LD_PRELOAD_=/evil\n"
	    "CALLBACKD_HEADER_X_EMPTY=\n"
	    "CALLBACKD_HEADER_X_MANY=1, 2, 3\n"
	    "CALLBACKD_JOB_ID=%s\n"
	    "CALLBACKD_METHOD=PATCH\n"
	    "CALLBACKD_PATH=/a%%20b/c\n"
	    "CALLBACKD_QUERY=x=1&y=$HOME?z\n"
	    "CALLBACKD_QUEUE=q\n"
	    "HOME=/home/x\n"
	    "LANG=C.UTF-8\n"
	    "PATH=/usr/bin:/bin\n",
	    id);
	ck_assert_str_eq(text, expected);
	close_room();
}
END_TEST

START_TEST(what_there_is_not_is_empty_but_set)
{
	struct run *run;

	open_room(SHOW_ENVIRONMENT);
	run = finish(make_run());
	expect_success(run);
	ck_assert_ptr_nonnull(
	    strstr(sorted_output(run), "\nCALLBACKD_CONTENT_TYPE=\n"));
	ck_assert_ptr_nonnull(
	    strstr(sorted_output(run), "\nCALLBACKD_QUERY=\n"));
	close_room();
}
END_TEST

START_TEST(many_fields_fit)
{
	struct headers headers;
	struct run *run = make_run();
	char name[32];

	headers_init(&headers);
	for (int i = 0; headers_add(&headers, name, "x") || i == 0; i++)
		snprintf(name, sizeof(name), "f%d", i * 7919 % 10007);
	run->request.headers = text_copy(buf_text(&headers.text));
	headers_free(&headers);
	open_script("env | grep -c ^CALLBACKD_HEADER_F");
	expect_success(finish(run));
	ck_assert_int_gt(atol(output_of(run)), 6000);
	close_room();
}
END_TEST

START_TEST(a_target_that_no_program_can_be_given_is_final)
{
	struct run *run = make_run();
	char *target = malloc(140000);

	memset(target, 'a', 139999);
	target[0] = '/';
	target[139999] = '\0';
	free(run->job.target);
	run->job.target = target;
	open_script("true");
	expect_failure(finish(run), VERDICT_FINAL, ERROR_COMMAND_FAILED,
	    "not started: the request does not fit into an environment");
	close_room();
}
END_TEST

START_TEST(arguments_are_passed_on_as_they_are)
{
	struct run *run;

	open_room("command = {\"printf\", '[%s]', '$HOME', \"a b\", '*', "
		  "\"\", '; exit 3', '`id`'}\n");
	run = finish(make_run());
	expect_success(run);
	ck_assert_str_eq(output_of(run), "[$HOME][a b][*][][; exit 3][`id`]");
	close_room();
}
END_TEST

START_TEST(no_descriptor_is_inherited)
{
	int other = open("/dev/null", O_RDONLY); /* without O_CLOEXEC */
	struct run *run;

	open_room("command = {\"ls\", \"/proc/self/fd\"}\n");
	ck_assert_int_gt(other, 2);
	run = finish(make_run());
	expect_success(run);
	/* The fourth is that of the folder it reads. */
	ck_assert_str_eq(output_of(run), "0\n1\n2\n3\n");
	close(other);
	close_room();
}
END_TEST

START_TEST(missing_standard_descriptors_of_ours_do_no_harm)
{
	int saved[3];
	struct run *run;

	open_script("cat; echo words >&2; exit 1");
	run = make_run();
	set_body(run, "text", 4);
	fflush(NULL);
	for (int fd = 0; fd < 3; fd++) {
		saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 100);
		close(fd);
	}
	command_start(command, run);
	turn_until(ended_count == 1);
	for (int fd = 0; fd < 3; fd++) {
		if (saved[fd] < 0)
			continue;
		dup2(saved[fd], fd);
		close(saved[fd]);
	}
	expect_failure(run, VERDICT_RETRY, ERROR_COMMAND_FAILED,
	    "exit status 1: words");
	close_room();
}
END_TEST

START_TEST(signals_are_as_usual)
{
	unsigned long long blocked, ignored;
	sigset_t some;
	struct run *run;

	sigemptyset(&some);
	sigaddset(&some, SIGTERM);
	sigaddset(&some, SIGUSR1);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGRTMAX, SIG_IGN);
	open_room("command = {\"grep\", \"Sig[BI]\", \"/proc/self/status\"}\n");
	run = make_run();
	ck_assert_int_eq(sigprocmask(SIG_BLOCK, &some, NULL), 0);
	command_start(command, run);
	ck_assert_int_eq(sigprocmask(SIG_UNBLOCK, &some, NULL), 0);
	turn_until(ended_count == 1);
	expect_success(run);
	ck_assert_int_eq(sscanf(output_of(run), "SigBlk: %llx SigIgn: %llx",
			     &blocked, &ignored),
	    2);
	ck_assert_uint_eq(blocked, 0);
	/* 32 and 33 are the C library's own; it lets nobody change them. */
	ck_assert_uint_eq(ignored & ~(3ull << 31), 0);
	close_room();
}
END_TEST

START_TEST(it_works_in_the_folder_of_the_configuration)
{
	struct run *run;
	char *real;

	open_room("command = {\"pwd\", \"-P\"}\n");
	run = finish(make_run());
	expect_success(run);
	real = realpath(folder, NULL);
	ck_assert_int_eq(strncmp(output_of(run), real, strlen(real)), 0);
	ck_assert_str_eq(output_of(run) + strlen(real), "\n");
	free(real);
	close_room();
}
END_TEST

START_TEST(it_leads_a_group_of_its_own)
{
	struct run *run;
	int pid, group;

	open_script("echo $$ $(cut -d' ' -f5 /proc/$$/stat)");
	run = finish(make_run());
	expect_success(run);
	ck_assert_int_eq(sscanf(output_of(run), "%d %d", &pid, &group), 2);
	ck_assert_int_eq(pid, group);
	close_room();
}
END_TEST

/* ---- what cannot be started ---- */

START_TEST(what_cannot_be_started_has_not_begun)
{
	static const struct {
		const char *command, *why;
	} rows[] = {
		{ "./none", "not started: No such file or directory" },
		{ "callbackd-no-such-program",
		    "not started: No such file or directory" },
		{ "./plain", "not started: Permission denied" },
		/* No shell takes it up. */
		{ "./bare", "not started: Exec format error" },
		{ "./", "not started: Permission denied" },
	};
	char settings[128];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (i > 0)
			make_folder();
		write_text("plain", "#!/bin/sh\n", 0600);
		write_text("bare", "echo hello\n", 0700);
		snprintf(settings, sizeof(settings), "command = \"%s\"\n",
		    rows[i].command);
		open_room(settings);
		expect_failure(finish(make_run()), VERDICT_RETRY,
		    ERROR_COMMAND_FAILED, rows[i].why);
		ck_assert(ended[0]->never_began);
		close_room();
	}
}
END_TEST

START_TEST(only_absolute_folders_of_path_are_looked_through)
{
	char path[256];

	write_text("mill", "#!/bin/sh\necho mine\n", 0700);
	ck_assert_int_eq(chdir(folder), 0);
	ck_assert_int_eq(setenv("PATH", ".::/nowhere", 1), 0);
	open_room("command = mill\n");
	expect_failure(finish(make_run()), VERDICT_RETRY, ERROR_COMMAND_FAILED,
	    "not started: No such file or directory");
	snprintf(path, sizeof(path), "/nowhere:%s", folder);
	ck_assert_int_eq(setenv("PATH", path, 1), 0);
	expect_success(finish(make_run()));
	ck_assert_int_eq(setenv("PATH", "/usr/bin:/bin", 1), 0);
	close_room();
}
END_TEST

START_TEST(without_descriptors_it_is_tried_later)
{
	struct rlimit limit, tight;
	int failed = 0;

	open_script("true");
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	tight = limit;
	/* One more each time, until there are enough. */
	for (tight.rlim_cur = 3;; tight.rlim_cur++) {
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
		command_start(command, make_run());
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
		if (ended_count == failed)
			break;
		expect_failure(ended[failed], VERDICT_RETRY, ERROR_INTERNAL,
		    "not started: Too many open files");
		ck_assert(ended[failed++]->never_began);
	}
	ck_assert_int_ge(failed, 8);
	turn_until(ended_count > failed);
	expect_success(ended[failed]);
	close_room();
}
END_TEST

START_TEST(a_queue_that_is_gone_runs_nothing)
{
	static const char *const queues[] = { "gone", "web" };

	open_script("true");
	for (int i = 0; i < 2; i++) {
		struct run *run = make_run();

		snprintf(run->job.queue, sizeof(run->job.queue), "%s",
		    queues[i]);
		expect_failure(finish(run), VERDICT_RETRY, ERROR_INTERNAL,
		    "the queue is no longer configured");
	}
	close_room();
}
END_TEST

START_TEST(a_reload_is_followed)
{
	struct conf *next;

	open_room("command = {\"echo\", \"one\"}\n");
	expect_success(finish(make_run()));
	ck_assert_str_eq(output_of(ended[0]), "one\n");
	next = conf_with("command = {\"echo\", \"two\"}\n");
	command_follow(command, next);
	conf_unref(&next);
	expect_success(finish(make_run()));
	ck_assert_str_eq(output_of(ended[1]), "two\n");
	close_room();
}
END_TEST

/* ---- the deadline ---- */

START_TEST(it_is_ended_at_its_deadline)
{
	struct run *run = make_run();
	int64_t begun_ms;

	open_script("sleep 1000");
	run->job.timeout_ms = 200;
	begun_ms = clock_mono_ms();
	finish(run);
	ck_assert_int_ge(clock_mono_ms() - begun_ms, 200);
	expect_failure(run, VERDICT_RETRY, ERROR_TIMEOUT_HEADERS,
	    "ended at its deadline, without any output");
	ck_assert_int_ge(run->duration_ms, 195);
	close_room();
}
END_TEST

START_TEST(the_queues_timeout_holds_when_the_jobs_is_longer)
{
	struct run *run = make_run();

	open_script_with("echo begun; echo words >&2; sleep 1000",
	    "timeout = 1s");
	run->job.timeout_ms = 1000000;
	expect_failure(finish(run), VERDICT_RETRY, ERROR_TIMEOUT_BODY,
	    "ended at its deadline, after 6 bytes of output: words");
	close_room();
}
END_TEST

START_TEST(it_has_time_to_tidy_up_and_its_grandchildren_have_too)
{
	struct run *run;

	open_script_with("(trap 'echo >tidy_2; exit' TERM\n"
			 " echo >ready; sleep 1000 & wait) &\n"
			 "trap 'wait; echo >tidy_1; exit 0' TERM\n"
			 "while ! [ -e ready ]; do sleep 0.01; done\n"
			 "sleep 1000 & wait",
	    "timeout = 1500ms");
	run = finish(make_run());
	/* Even with exit status 0: it was too late. */
	ck_assert_int_eq(run->error, ERROR_TIMEOUT_HEADERS);
	ck_assert(is_there("tidy_1"));
	ck_assert(is_there("tidy_2"));
	ck_assert_int_lt(run->duration_ms, 1500 + 1900);
	close_room();
}
END_TEST

START_TEST(who_does_not_listen_is_killed_with_all_of_its_group)
{
	struct run *run;
	pid_t leader, other;

	open_script_with("trap '' TERM\nsleep 1000 & echo $! >other\n"
			 "echo $$ >leader; while :; do sleep 1000; done",
	    "timeout = 3s");
	run = finish(make_run());
	ck_assert_int_eq(run->error, ERROR_TIMEOUT_HEADERS);
	ck_assert_int_ge(run->duration_ms, 3000 + 1990);
	leader = number_in("leader");
	other = number_in("other");
	ck_assert_int_gt(other, 0);
	ck_assert(!is_alive(leader));
	wait_until(!is_alive(other));
	close_room();
}
END_TEST

START_TEST(a_stopped_program_is_killed)
{
	open_script_with("kill -STOP $$", "timeout = 100ms");
	expect_failure(finish(make_run()), VERDICT_RETRY, ERROR_TIMEOUT_HEADERS,
	    "ended at its deadline, without any output");
	close_room();
}
END_TEST

START_TEST(who_leaves_the_group_is_killed_all_the_same)
{
	/* The leader joins the group of its child. */
	open_script_with("trap '' TERM\n"
			 "exec perl -e 'if (!($p = fork)) { setpgrp; sleep 1;"
			 " exit } select undef, undef, undef, 0.2;"
			 " setpgrp 0, $p; sleep 1000'",
	    "timeout = 1s");
	expect_failure(finish(make_run()), VERDICT_RETRY, ERROR_TIMEOUT_HEADERS,
	    "ended at its deadline, without any output");
	close_room();
}
END_TEST

/* ---- the end of the leader ---- */

START_TEST(the_run_ends_with_the_leader_whoever_holds_its_output)
{
	struct run *run;
	pid_t other;
	int64_t begun_ms = clock_mono_ms();

	open_script("sleep 1000 & echo $! >other; echo hello");
	run = finish(make_run());
	expect_success(run);
	ck_assert_str_eq(output_of(run), "hello\n");
	ck_assert_int_lt(clock_mono_ms() - begun_ms, 100000);
	other = number_in("other");
	ck_assert_int_gt(other, 0);
	wait_until(!is_alive(other));
	close_room();
}
END_TEST

/* It is in a session of its own: the kill does not reach it. */
START_TEST(who_writes_for_ever_does_not_hold_up_the_result)
{
	struct run *run;
	pid_t other;

	open_script_with("setsid sh -c 'trap \"\" PIPE; echo $$ >other\n"
			 "while echo yes; do :; done' &\n"
			 "while ! [ -s other ]; do sleep 0.01; done; exit 0",
	    "max_result = 1g");
	run = finish(make_run());
	expect_success(run);
	/* Its output has no reader any more, so it ends. */
	other = number_in("other");
	ck_assert_int_gt(other, 0);
	wait_until(!is_alive(other));
	close_room();
}
END_TEST

START_TEST(a_program_may_close_its_output_early)
{
	struct run *run;

	open_script("echo all; exec >&- 2>&-; sleep 0.3; echo >done");
	run = finish(make_run());
	expect_success(run);
	ck_assert_str_eq(output_of(run), "all\n");
	ck_assert(is_there("done"));
	close_room();
}
END_TEST

/* ---- cancelling and abandoning ---- */

START_TEST(a_cancelled_run_is_given_back_when_its_program_has_ended)
{
	struct run *run = make_run();
	pid_t leader;

	open_script("echo $$ >leader; sleep 1000");
	command_start(command, run);
	command_cancel(command, 8);
	wait_until((leader = number_in("leader")) > 0);
	ck_assert_int_eq(ended_count, 0);
	command_cancel(command, 7);
	command_cancel(command, 7);
	turn_until(ended_count == 1);
	ck_assert(!is_alive(leader));
	expect_failure(run, VERDICT_FINAL, ERROR_CANCELLED, "ended on request");
	command_cancel(command, 7);
	close_room();
}
END_TEST

START_TEST(abandoned_programs_are_killed_and_reaped)
{
	pid_t leader, other;

	open_script("trap '' TERM; mkdir $CALLBACKD_ATTEMPT\n"
		    "sleep 1000 & echo $! >$CALLBACKD_ATTEMPT/other\n"
		    "echo $$ >$CALLBACKD_ATTEMPT/leader; wait; wait");
	for (int i = 0; i < 20; i++) {
		struct run *run = make_run();

		run->job.attempts = i;
		command_start(command, run);
	}
	for (int i = 0; i < 20; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%d/leader", i);
		wait_until((leader = number_in(name)) > 0);
	}
	other = number_in("19/other");
	command_abandon(command);
	ck_assert_int_eq(ended_count, 0);
	ck_assert(!is_alive(leader));
	wait_until(!is_alive(other));
	/* It goes on after that. */
	command_cancel(command, 7);
	close_room();
}
END_TEST

/* We die without a word. */
START_TEST(a_program_does_not_outlive_us)
{
	pid_t ours, leader;
	int status;

	open_script("echo $$ >leader; exec sleep 1000");
	ours = fork();
	if (ours == 0) {
		command_start(command, make_run());
		pause();
		_exit(0);
	}
	wait_until((leader = number_in("leader")) > 0);
	ck_assert(is_alive(leader));
	ck_assert_int_eq(kill(ours, SIGKILL), 0);
	ck_assert_int_eq(waitpid(ours, &status, 0), ours);
	wait_until(!is_alive(leader));
	close_room();
}
END_TEST

/* ---- many ---- */

static int
open_descriptors(void)
{
	DIR *all = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(all) != NULL)
		count++;
	closedir(all);
	return count;
}

START_TEST(many_run_at_the_same_time_and_leave_nothing)
{
	int before;
	char text[32];
	int gate;

	/* None ends before the last has begun; a line for each opens the gate.
	 * Whoever looked for it again and again would slow down all others. */
	open_script("read a; read b < gate; echo $a");
	ck_assert_int_eq(mkfifo(path_of("gate"), 0600), 0);
	gate = open(path_of("gate"), O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(gate, 0);
	before = open_descriptors();
	for (int i = 0; i < MANY; i++) {
		struct run *run = make_run();

		snprintf(text, sizeof(text), "%d\n", i);
		set_body(run, text, strlen(text));
		run->job.id.seq = i;
		command_start(command, run);
	}
	ck_assert_int_eq(ended_count, 0);
	for (int i = 0; i < MANY; i++)
		ck_assert_int_eq(write(gate, "\n", 1), 1);
	turn_until(ended_count == MANY);
	for (int i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), "%d\n", (int)ended[i]->job.id.seq);
		expect_success(ended[i]);
		ck_assert_str_eq(output_of(ended[i]), text);
	}
	ck_assert_int_eq(open_descriptors(), before);
	close(gate);
	close_room();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("command");
	TCase *tcase = tcase_create("command");
	SRunner *runner;
	int failed;
	const TTest *const cases[] = {
		what_it_writes_is_the_result,
		the_type_of_the_result_is_the_queues,
		a_result_may_be_empty,
		a_body_goes_in_and_comes_out_byte_by_byte,
		input_need_not_be_read,
		a_job_without_a_body_has_an_empty_input,
		output_may_be_as_large_as_max_result_and_no_larger,
		who_writes_too_much_is_ended_with_its_group,
		each_exit_status_has_its_meaning,
		death_by_a_signal_is_named,
		the_last_words_are_told,
		of_many_words_the_last_are_kept,
		the_last_words_are_made_presentable,
		a_cut_character_is_left_out,
		the_environment_is_the_jobs_and_nothing_else,
		what_there_is_not_is_empty_but_set,
		many_fields_fit,
		a_target_that_no_program_can_be_given_is_final,
		arguments_are_passed_on_as_they_are,
		no_descriptor_is_inherited,
		missing_standard_descriptors_of_ours_do_no_harm,
		signals_are_as_usual,
		it_works_in_the_folder_of_the_configuration,
		it_leads_a_group_of_its_own,
		what_cannot_be_started_has_not_begun,
		only_absolute_folders_of_path_are_looked_through,
		without_descriptors_it_is_tried_later,
		a_queue_that_is_gone_runs_nothing,
		a_reload_is_followed,
		it_is_ended_at_its_deadline,
		the_queues_timeout_holds_when_the_jobs_is_longer,
		it_has_time_to_tidy_up_and_its_grandchildren_have_too,
		who_does_not_listen_is_killed_with_all_of_its_group,
		a_stopped_program_is_killed,
		who_leaves_the_group_is_killed_all_the_same,
		the_run_ends_with_the_leader_whoever_holds_its_output,
		who_writes_for_ever_does_not_hold_up_the_result,
		a_program_may_close_its_output_early,
		a_cancelled_run_is_given_back_when_its_program_has_ended,
		abandoned_programs_are_killed_and_reaped,
		a_program_does_not_outlive_us,
		many_run_at_the_same_time_and_leave_nothing,
	};

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, make_folder, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		tcase_add_test(tcase, cases[i]);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
