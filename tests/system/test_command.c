/* test_command.c - queues whose jobs are run by programs.
 *
 * Contract, section 8. The program is a shell script in the folder of the
 * configuration that does what the path asks for.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/sign.h"
#include "jobs.h"

#define SCRIPT                                                                 \
	"#!/bin/sh\n"                                                          \
	"echo $CALLBACKD_PATH $CALLBACKD_ATTEMPT >>runs\n"                     \
	"case $CALLBACKD_PATH in\n"                                            \
	"/cat) exec cat ;;\n"                                                  \
	"/exit/*) echo lost; echo words >&2; exit ${CALLBACKD_PATH##*/} ;;\n"  \
	"/signal) kill -USR1 $$ ;;\n"                                          \
	"/env) exec /usr/bin/env ;;\n"                                         \
	"/fds) exec ls /proc/self/fd ;;\n"                                     \
	"/big) exec head -c $CALLBACKD_QUERY /dev/zero ;;\n"                   \
	"/tree) sh -c 'trap \"\" TERM; echo $$ >other; sleep 1000' &\n"        \
	"  echo begun; echo $$ >leader; wait ;;\n"                             \
	"/gate) echo $$ >>there; while ! [ -e gate ]; do sleep 0.5; done\n"    \
	"  echo through ;;\n"                                                  \
	"/hang) echo $$ >leader; exec sleep 1000 ;;\n"                         \
	"*) exit 64 ;;\n"                                                      \
	"esac\n"

/* A queue with that script, at /run/. */
#define RUNS(settings)                                                         \
	"queue \"run\" { path = \"/run/\" executor = \"command\"\n"            \
	" command = {\"./job\"}\n"                                             \
	" backoff { initial = \"20ms\" max = \"60ms\" }\n" settings "}\n"

/* ---- the world ---- */

static const char *
path_in(struct world *world, const char *name)
{
	static char path[PATH_SIZE + 32];

	snprintf(path, sizeof(path), "%s/%s", world->folder, name);
	return path;
}

static void
open_with(struct world *world, const struct setup *setup)
{
	world_prepare(world, setup);
	file_write(path_in(world, "job"), SCRIPT, 0700);
	daemon_start(world);
}

static void
open_runs(struct world *world, const char *more)
{
	const struct setup setup = { .more = more };

	open_with(world, &setup);
}

/* The word behind the command's name in /proc/PID/stat, from 0: state, parent,
 * group. False when there is no such process. */
static bool
process_facts(pid_t pid, char *state_out, int *parent_out)
{
	char path[64];
	char *text;
	char *behind;
	bool found;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	text = file_text(path, NULL);
	behind = strrchr(text, ')');
	found = behind != NULL &&
	    sscanf(behind + 1, " %c %d", state_out, parent_out) == 2;
	free(text);
	return found;
}

static bool
is_alive(pid_t pid)
{
	char state;
	int parent;

	return process_facts(pid, &state, &parent) && state != 'Z';
}

/* Of the daemon, zombies included. */
static int
children(struct world *world)
{
	DIR *all = opendir("/proc");
	struct dirent *entry;
	int count = 0, parent;
	char state;

	while ((entry = readdir(all)) != NULL)
		if (atoi(entry->d_name) > 0 &&
		    process_facts(atoi(entry->d_name), &state, &parent) &&
		    parent == world->daemon.pid)
			count++;
	closedir(all);
	return count;
}

static int
descriptors(struct world *world)
{
	char path[64];
	DIR *all;
	int count = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)world->daemon.pid);
	all = opendir(path);
	while (readdir(all) != NULL)
		count++;
	closedir(all);
	return count;
}

static void
close_runs(struct world *world)
{
	wait_until(children(world) == 0);
	expect_books_balance(world);
	world_close(world);
}

/* The number that a script has written; 0 before it is whole. */
static pid_t
number_in(struct world *world, const char *name)
{
	char *text = file_text(path_in(world, name), NULL);
	pid_t number = strchr(text, '\n') != NULL ? atoi(text) : 0;

	free(text);
	return number;
}

static int
lines_in(struct world *world, const char *name)
{
	char *text = file_text(path_in(world, name), NULL);
	int count = 0;

	for (const char *at = text; *at != '\0'; at++)
		count += *at == '\n';
	free(text);
	return count;
}

static void
run_to(struct world *world, const char *target, const char *fields,
    const char *status, struct reply *out)
{
	char id[ID_SIZE];

	submit(world, target, fields, "x", id);
	job_wait(world, id, status, out);
}

/* ---- results ---- */

START_TEST(what_it_writes_is_the_result_and_is_called_back)
{
	struct world world;
	struct reply reply;
	struct json_document *seen;
	char fields[600], id[ID_SIZE];

	open_runs(&world, RUNS("result_type = \"text/x-mill\""));
	snprintf(fields, sizeof(fields), "%sCallback-Format: raw\r\n",
	    callback_to(&world, "/ok"));
	submit(&world, "/run/cat", fields, "some <bytes>\n", id);
	callback_wait(&world, id, "delivered", &reply);
	ck_assert_int_eq(look_int(reply_json(&reply), "response.status"), 200);
	ck_assert_str_eq(look_text(reply_json(&reply), "response.content_type"),
	    "text/x-mill");
	ck_assert_int_eq(look_int(reply_json(&reply), "response.size"), 13);
	ck_assert(look_is_null(reply_json(&reply), "error"));
	reply_clear(&reply);
	result_get(&world, id, &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply.body, "some <bytes>\n");
	ck_assert_str_eq(reply_header(&reply, "Content-Type"), "text/x-mill");
	ck_assert_int_eq(reply_header_count(&reply, "Content-Type"), 1);
	ck_assert_str_eq(reply_header(&reply, "Job-Status"), "succeeded");
	reply_clear(&reply);
	seen = peer_request(&world.receiver, "/ok", 0);
	ck_assert_str_eq(seen_text(seen, "body"), "some <bytes>\n");
	ck_assert_str_eq(seen_field(seen, "Content-Type"), "text/x-mill");
	json_document_free(&seen);
	close_runs(&world);
}
END_TEST

START_TEST(a_large_body_goes_through_whole)
{
	struct world world;
	struct reply reply;
	size_t size = 3 << 20;
	char *body = malloc(size + 1);
	const struct setup setup = { .top = "max_body = 4m\n",
		.more = RUNS("") };
	char id[ID_SIZE];

	for (size_t i = 0; i < size; i++)
		body[i] = (char)(' ' + (i * 7 + i / 1013) % 90);
	body[size] = '\0';
	open_with(&world, &setup);
	submit(&world, "/run/cat", "", body, id);
	job_wait(&world, id, "succeeded", &reply);
	reply_clear(&reply);
	result_get(&world, id, &reply);
	ck_assert_uint_eq(reply.body_len, size);
	ck_assert(memcmp(reply.body, body, size) == 0);
	reply_clear(&reply);
	free(body);
	close_runs(&world);
}
END_TEST

START_TEST(each_exit_status_has_its_meaning)
{
	static const struct {
		const char *target, *error;
		int attempts;
		const char *detail;
	} rows[] = {
		{ "/run/exit/1", "command-failed", 3, "exit status 1: words" },
		{ "/run/exit/63", "command-failed", 3,
		    "exit status 63: words" },
		{ "/run/exit/64", "command-failed", 1,
		    "exit status 64: words" },
		{ "/run/exit/65", "command-failed", 1,
		    "exit status 65: words" },
		{ "/run/exit/66", "command-failed", 3,
		    "exit status 66: words" },
		{ "/run/exit/75", "command-failed", 3,
		    "exit status 75: words" },
		{ "/run/exit/127", "command-failed", 3,
		    "exit status 127: words" },
		{ "/run/exit/255", "command-failed", 3,
		    "exit status 255: words" },
		{ "/run/signal", "command-signal", 3, "killed by SIGUSR1" },
		{ "/run/big?65537", "too-large", 1,
		    "more than 65536 bytes of output" },
		{ "/none/", "command-failed", 3,
		    "not started: No such file or directory" },
	};
	struct world world;
	struct reply reply;
	const struct json_value *job;

	open_runs(&world,
	    RUNS(
		"max_result = 64k") "queue none { path = \"/none/\" executor = command\n"
				    " command = \"./none\" backoff { max = 20ms } }\n");
	run_to(&world, "/run/exit/0", "", "succeeded", &reply);
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 1);
	reply_clear(&reply);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		run_to(&world, rows[i].target, "", "failed", &reply);
		job = reply_json(&reply);
		ck_assert_msg(look_says(job, "error.type", rows[i].error) &&
			look_says(job, "error.detail", rows[i].detail) &&
			look_int(job, "attempts") == rows[i].attempts &&
			look_is_null(job, "response"),
		    "%s: %.900s", rows[i].target, reply.body);
		reply_clear(&reply);
	}
	run_to(&world, "/run/big?65536", "", "succeeded", &reply);
	reply_clear(&reply);
	close_runs(&world);
}
END_TEST

START_TEST(the_output_of_a_failed_command_is_no_result)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	open_runs(&world, RUNS(""));
	submit(&world, "/run/exit/65", "", "x", id);
	job_wait(&world, id, "failed", &reply);
	reply_clear(&reply);
	result_get(&world, id, &reply);
	expect_problem(&reply, 502, "command-failed");
	ck_assert_ptr_null(strstr(reply.body, "lost"));
	ck_assert_ptr_nonnull(strstr(reply.body, "words"));
	reply_clear(&reply);
	close_runs(&world);
}
END_TEST

START_TEST(at_most_once_means_begun_at_most_once)
{
	struct world world;
	struct reply reply;

	open_runs(&world,
	    RUNS(
		"guarantee = \"at-most-once\"") "queue none { path = \"/none/\" executor = command\n"
						" guarantee = \"at-most-once\"\n"
						" command = \"./none\" backoff { max = 20ms } }\n");
	run_to(&world, "/run/exit/75", "", "failed", &reply);
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 1);
	reply_clear(&reply);
	run_to(&world, "/run/signal", "", "failed", &reply);
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 1);
	reply_clear(&reply);
	ck_assert_int_eq(lines_in(&world, "runs"), 2);
	/* It has not begun. */
	run_to(&world, "/none/", "", "failed", &reply);
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 3);
	reply_clear(&reply);
	close_runs(&world);
}
END_TEST

/* ---- what it finds ---- */

static void
expect_line(const char *text, const char *line)
{
	char whole[256];

	snprintf(whole, sizeof(whole), "\n%s\n", line);
	ck_assert_msg(strstr(text, whole) != NULL, "no %s in %s", line, text);
}

/* Every variable is one of the job's, or one of the three that are kept, or
 * one that the shell of the script has made. */
static void
expect_no_other_variable(const char *text)
{
	static const char *const known[] = { "CALLBACKD_",
		"HOME=", "LANG=", "PATH=", "PWD=", "OLDPWD=", "SHLVL=", "_=" };
	const size_t count = sizeof(known) / sizeof(known[0]);

	for (const char *at = text; at != NULL; at = strchr(at, '\n')) {
		size_t i = 0;

		at += *at == '\n';
		if (*at == '\0')
			break;
		while (
		    i < count && strncmp(at, known[i], strlen(known[i])) != 0)
			i++;
		ck_assert_msg(i < count, "%.60s", at);
	}
}

START_TEST(the_environment_tells_of_the_request_and_of_nothing_else)
{
	struct world world;
	struct reply reply;
	char line[256], id[ID_SIZE];
	char *text;

	ck_assert_int_eq(setenv("CALLBACKD_TEST_SECRET", "s", 1), 0);
	ck_assert_int_eq(setenv("SECRET", "s", 1), 0);
	ck_assert_int_eq(setenv("LANG", "C.UTF-8", 1), 0);
	open_runs(&world, RUNS(""));
	api(&world, "PUT", "/run/env?a=%20b&c",
	    "X-Some-Thing: one\r\n"
	    "Content-Type: text/x-a\r\nx_some_thing: two\r\n"
	    "Callback-Events: failed\r\n",
	    "x", &reply);
	accepted_id(&reply, id);
	reply_clear(&reply);
	job_wait(&world, id, "succeeded", &reply);
	reply_clear(&reply);
	result_get(&world, id, &reply);
	text = malloc(reply.body_len + 2);
	sprintf(text, "\n%s", reply.body);
	snprintf(line, sizeof(line), "CALLBACKD_JOB_ID=%s", id);
	expect_line(text, line);
	expect_line(text, "CALLBACKD_QUEUE=run");
	expect_line(text, "CALLBACKD_ATTEMPT=1");
	expect_line(text, "CALLBACKD_METHOD=PUT");
	expect_line(text, "CALLBACKD_PATH=/env");
	expect_line(text, "CALLBACKD_QUERY=a=%20b&c");
	expect_line(text, "CALLBACKD_CONTENT_TYPE=text/x-a");
	expect_line(text, "CALLBACKD_HEADER_CONTENT_TYPE=text/x-a");
	expect_line(text, "CALLBACKD_HEADER_X_SOME_THING=one, two");
	expect_line(text, "LANG=C.UTF-8");
	ck_assert_ptr_nonnull(strstr(text, "\nCALLBACKD_DEADLINE=20"));
	ck_assert_ptr_null(strstr(text, "SECRET"));
	ck_assert_ptr_null(strstr(text, "CALLBACK_EVENTS"));
	expect_no_other_variable(text + 1);
	free(text);
	reply_clear(&reply);
	close_runs(&world);
}
END_TEST

/* While the daemon has the store, listeners, connections and other runs. */
START_TEST(it_inherits_no_descriptor)
{
	struct world world;
	struct client idle[20];
	struct reply reply;
	char gate[10][ID_SIZE], id[ID_SIZE];

	open_runs(&world, RUNS("concurrency = 30"));
	for (int i = 0; i < 20; i++)
		client_open(&idle[i], world.api);
	for (int i = 0; i < 10; i++)
		submit(&world, "/run/gate", "", "x", gate[i]);
	wait_until(lines_in(&world, "there") == 10);
	for (int i = 0; i < 10; i++) {
		submit(&world, "/run/fds", "", "x", id);
		job_wait(&world, id, "succeeded", &reply);
		reply_clear(&reply);
		result_get(&world, id, &reply);
		ck_assert_str_eq(reply.body, "0\n1\n2\n3\n");
		reply_clear(&reply);
	}
	file_write(path_in(&world, "gate"), "", 0600);
	for (int i = 0; i < 10; i++) {
		job_wait(&world, gate[i], "succeeded", &reply);
		reply_clear(&reply);
	}
	for (int i = 0; i < 20; i++)
		client_close(&idle[i]);
	close_runs(&world);
}
END_TEST

/* ---- its end ---- */

START_TEST(the_whole_group_is_killed_at_the_deadline)
{
	struct world world;
	struct reply reply;
	pid_t leader, other;

	open_runs(&world, RUNS("attempts = 1"));
	run_to(&world, "/run/tree", "Job-Timeout: 2s\r\n", "failed", &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "error.type"),
	    "timeout-body");
	ck_assert_str_eq(look_text(reply_json(&reply), "error.detail"),
	    "ended at its deadline, after 6 bytes of output");
	reply_clear(&reply);
	leader = number_in(&world, "leader");
	other = number_in(&world, "other");
	ck_assert_int_gt(leader, 0);
	ck_assert_int_gt(other, 0);
	ck_assert(!is_alive(leader));
	wait_until(!is_alive(other));
	close_runs(&world);
}
END_TEST

START_TEST(without_output_the_deadline_is_told_otherwise)
{
	struct world world;
	struct reply reply;

	open_runs(&world, RUNS("attempts = 2 timeout = 300ms"));
	run_to(&world, "/run/hang", "", "failed", &reply);
	ck_assert_str_eq(look_text(reply_json(&reply), "error.type"),
	    "timeout-headers");
	ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 2);
	reply_clear(&reply);
	close_runs(&world);
}
END_TEST

START_TEST(a_cancelled_jobs_program_is_ended)
{
	struct world world;
	struct reply reply;
	char target[96], id[ID_SIZE];
	pid_t leader, other;

	open_runs(&world, RUNS("concurrency = 1"));
	submit(&world, "/run/tree", "", "x", id);
	wait_until((leader = number_in(&world, "leader")) > 0);
	wait_until((other = number_in(&world, "other")) > 0);
	snprintf(target, sizeof(target), "/v1/jobs/%s", id);
	api(&world, "DELETE", target, "", NULL, &reply);
	ck_assert_int_lt(reply.status, 300);
	reply_clear(&reply);
	wait_until(!is_alive(leader) && !is_alive(other));
	job_get(&world, id, &reply);
	ck_assert_int_eq(reply.status, 410);
	reply_clear(&reply);
	/* Its slot is free. */
	job_lives(&world, "/run/cat", "", "x", "succeeded");
	close_runs(&world);
}
END_TEST

/* ---- many ---- */

START_TEST(two_hundred_run_at_the_same_time)
{
	enum { COUNT = 200 };
	struct world world;
	struct reply reply;
	static char ids[COUNT][ID_SIZE];
	int before;

	open_runs(&world, RUNS("concurrency = 200"));
	job_lives(&world, "/run/cat", "", "x", "succeeded");
	before = descriptors(&world);
	for (int i = 0; i < COUNT; i++)
		submit(&world, "/run/gate", "", "x", ids[i]);
	wait_until_within(lines_in(&world, "there") == COUNT, 60000);
	ck_assert_int_eq(children(&world), COUNT);
	file_write(path_in(&world, "gate"), "", 0600);
	for (int i = 0; i < COUNT; i++) {
		job_wait(&world, ids[i], "succeeded", &reply);
		reply_clear(&reply);
	}
	wait_until(children(&world) == 0);
	wait_until(descriptors(&world) <= before);
	ck_assert_int_eq(lines_in(&world, "runs"), COUNT + 1);
	close_runs(&world);
}
END_TEST

START_TEST(hundreds_one_after_the_other_leave_nothing)
{
	enum { COUNT = 300 };
	struct world world;
	struct reply reply;
	static char ids[COUNT][ID_SIZE];
	int before;

	open_runs(&world,
	    "queue run { path = \"/run/\" executor = command\n"
	    " command = cat concurrency = 1 }\n");
	job_lives(&world, "/run/", "", "x", "succeeded");
	before = descriptors(&world);
	for (int i = 0; i < COUNT; i++)
		submit(&world, "/run/", "", "x", ids[i]);
	for (int i = 0; i < COUNT; i++) {
		job_wait(&world, ids[i], "succeeded", &reply);
		reply_clear(&reply);
	}
	wait_until(descriptors(&world) <= before);
	close_runs(&world);
}
END_TEST

/* ---- the end of the daemon ---- */

START_TEST(a_drain_lets_programs_end)
{
	const struct setup setup = { .more = RUNS("") };
	struct world world;
	struct reply reply;
	char ids[5][ID_SIZE];

	open_with(&world, &setup);
	for (int i = 0; i < 5; i++)
		submit(&world, "/run/gate", callback_to(&world, "/ok"), "x",
		    ids[i]);
	wait_until(lines_in(&world, "there") == 5);
	process_signal(&world.daemon, SIGTERM);
	wait_until(file_says(world.daemon.err_path, "draining"));
	file_write(path_in(&world, "gate"), "", 0600);
	daemon_expect_clean_end(&world);
	daemon_start(&world);
	for (int i = 0; i < 5; i++) {
		callback_wait(&world, ids[i], "delivered", &reply);
		ck_assert_str_eq(look_text(reply_json(&reply), "status"),
		    "succeeded");
		ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 1);
		reply_clear(&reply);
	}
	ck_assert_int_eq(lines_in(&world, "runs"), 5);
	close_runs(&world);
}
END_TEST

START_TEST(what_does_not_end_in_the_drain_is_killed_and_runs_again)
{
	const struct setup setup = { .top = "drain_timeout = 200ms\n",
		.more = RUNS("concurrency = 50") };
	struct world world;
	struct reply reply;
	char ids[40][ID_SIZE];
	char tree[ID_SIZE];
	pid_t leader, other;

	open_with(&world, &setup);
	for (int i = 0; i < 40; i++)
		submit(&world, "/run/gate", "", "x", ids[i]);
	submit(&world, "/run/tree", "", "x", tree);
	wait_until(lines_in(&world, "there") == 40);
	wait_until((leader = number_in(&world, "leader")) > 0);
	wait_until((other = number_in(&world, "other")) > 0);
	daemon_stop(&world);
	ck_assert(!is_alive(leader));
	wait_until(!is_alive(other));
	file_write(path_in(&world, "gate"), "", 0600);
	daemon_start(&world);
	for (int i = 0; i < 40; i++) {
		job_wait(&world, ids[i], "succeeded", &reply);
		ck_assert_int_eq(look_int(reply_json(&reply), "attempts"), 2);
		reply_clear(&reply);
	}
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(no_program_outlives_a_daemon_that_is_killed)
{
	const struct setup setup = { .top = "drain_timeout = 200ms\n",
		.more = RUNS("") };
	struct world world;
	char id[ID_SIZE];
	pid_t leader, next;

	open_with(&world, &setup);
	submit(&world, "/run/hang", "", "x", id);
	wait_until((leader = number_in(&world, "leader")) > 0);
	ck_assert(is_alive(leader));
	daemon_kill(&world);
	wait_until(!is_alive(leader));
	daemon_start(&world);
	wait_until((next = number_in(&world, "leader")) > 0 && next != leader);
	ck_assert_int_eq(lines_in(&world, "runs"), 2);
	world_close(&world);
}
END_TEST

/* ---- a program of the world outside ---- */

static bool
has_imagemagick(void)
{
	return system("convert -version 2>/dev/null |"
		      " grep -q ImageMagick") == 0;
}

/* FOLDER/drawing: 64 by 64 points as text (PPM). */
static void
draw(struct world *world)
{
	struct buf picture;

	buf_init(&picture, 1 << 20);
	buf_puts(&picture, "P3\n64 64\n255\n");
	for (int i = 0; i < 64 * 64; i++)
		buf_printf(&picture, "%d %d %d\n", i % 256, i / 16 % 256,
		    (i % 64) * (i / 64) % 256);
	ck_assert(!buf_failed(&picture));
	file_write(path_in(world, "drawing"), picture.data, 0600);
	buf_free(&picture);
}

/* What a line of shell writes. Free it. */
static char *
output_of(struct world *world, const char *line, size_t *len_out)
{
	const char *const argv[] = { "/bin/sh", "-c", line, NULL };
	struct process process = { 0 };

	ck_assert_int_eq(process_run(&process, world->folder, "by-hand", argv),
	    0);
	return file_text(process.out_path, len_out);
}

static void
upload(struct world *world, const char *target, const char *fields,
    const char *bytes, size_t len, char id_out[ID_SIZE])
{
	struct client client;
	struct reply reply;

	client_open(&client, world->api);
	client_send_request(&client, "POST", target, fields, bytes, (long)len);
	ck_assert(client_read(&client, false, &reply));
	accepted_id(&reply, id_out);
	reply_clear(&reply);
	client_close(&client);
}

/* A photo in, a thumbnail out: in the result and in the callback the very bytes
 * that the program writes when it is called by hand. */
START_TEST(imagemagick_makes_a_thumbnail)
{
	struct world world;
	struct reply reply;
	struct json_document *seen;
	char *photo, *thumbnail;
	size_t photo_len, len;
	char sum[SHA256_HEX_SIZE], id[ID_SIZE];

	open_runs(&world,
	    "queue thumbnails { path = \"/thumbnails/\" executor = command\n"
	    " command = {\"convert\", \"-\", \"-thumbnail\", \"16x16\",\n"
	    "  \"-strip\", \"png:-\"} result_type = \"image/png\" }\n");
	draw(&world);
	photo = output_of(&world, "exec convert drawing -resize 640 jpeg:-",
	    &photo_len);
	ck_assert_uint_gt(photo_len, 10000);
	ck_assert_int_eq(memcmp(photo, "\xff\xd8\xff", 3), 0);
	thumbnail = output_of(&world,
	    "convert drawing -resize 640 jpeg:- |"
	    " convert - -thumbnail 16x16 -strip png:-",
	    &len);
	ck_assert_uint_gt(len, 100);
	ck_assert_int_eq(memcmp(thumbnail, "\x89PNG\r\n", 6), 0);
	upload(&world, "/thumbnails/", callback_to(&world, "/ok"), photo,
	    photo_len, id);
	callback_wait(&world, id, "delivered", &reply);
	reply_clear(&reply);
	result_get(&world, id, &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply_header(&reply, "Content-Type"), "image/png");
	ck_assert_uint_eq(reply.body_len, len);
	ck_assert_int_eq(memcmp(reply.body, thumbnail, len), 0);
	reply_clear(&reply);
	ck_assert(sha256_hex(thumbnail, len, sum));
	seen = peer_request(&world.receiver, "/ok", 0);
	ck_assert_str_eq(seen_text(seen, "result_sha256"), sum);
	json_document_free(&seen);
	free(thumbnail);
	free(photo);
	close_runs(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		what_it_writes_is_the_result_and_is_called_back,
		a_large_body_goes_through_whole,
		each_exit_status_has_its_meaning,
		the_output_of_a_failed_command_is_no_result,
		at_most_once_means_begun_at_most_once,
		the_environment_tells_of_the_request_and_of_nothing_else,
		it_inherits_no_descriptor,
		the_whole_group_is_killed_at_the_deadline,
		without_output_the_deadline_is_told_otherwise,
		a_cancelled_jobs_program_is_ended,
		two_hundred_run_at_the_same_time,
		hundreds_one_after_the_other_leave_nothing,
		a_drain_lets_programs_end,
		what_does_not_end_in_the_drain_is_killed_and_runs_again,
		no_program_outlives_a_daemon_that_is_killed,
		imagemagick_makes_a_thumbnail, /* last: left out without it */
	};
	int count = (int)(sizeof(cases) / sizeof(cases[0]));

	if (!has_imagemagick()) {
		fprintf(stderr,
		    "skipped: imagemagick_makes_a_thumbnail: "
		    "no ImageMagick here\n");
		count--;
	}
	return harness_run("command", cases, count);
}
