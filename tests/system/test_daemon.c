/* test_daemon.c - the program itself: options, configuration, signals, admin.
 *
 * Contract, sections 7 and 8.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "jobs.h"

#define EX_USAGE 64
#define EX_CONFIG 78

/* Runs the daemon with these arguments to its end. */
static int
run(struct world *world, struct process *process, const char *a, const char *b,
    const char *c)
{
	char program[PATH_MAX];
	const char *argv[] = { program, a, b, c, NULL };
	int status;

	ck_assert_ptr_nonnull(realpath(daemon_program(), program));
	status = process_run(process, world->folder, "run", argv);
	log_expect_clean(process->err_path);
	return status;
}

START_TEST(version_and_help_go_to_stdout_and_exit_0)
{
	static const char *const rows[][2] = { { "-V", "callbackd " },
		{ "--version", "callbackd " }, { "-h", "-c" },
		{ "--help", "-c" } };
	struct world world;
	struct process process;

	world_prepare(&world, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_int_eq(run(&world, &process, rows[i][0], NULL, NULL),
		    0);
		ck_assert_msg(file_says(process.out_path, rows[i][1]), "%s",
		    rows[i][0]);
		ck_assert(!file_says(process.err_path, "callbackd"));
	}
	world_close(&world);
}
END_TEST

START_TEST(an_unknown_option_or_argument_is_a_usage_error)
{
	static const char *const options[] = { "-x", "--unknown", "-c",
		"extra" };
	struct world world;
	struct process process;

	world_prepare(&world, NULL);
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		ck_assert_msg(run(&world, &process, options[i], NULL, NULL) ==
			EX_USAGE,
		    "%s", options[i]);
		ck_assert(!file_says(process.err_path, "event=listening"));
		ck_assert(file_says(process.err_path, "callbackd"));
	}
	world_close(&world);
}
END_TEST

START_TEST(a_good_configuration_is_checked_without_being_run)
{
	struct world world;
	struct process process;

	world_prepare(&world, NULL);
	ck_assert_int_eq(run(&world, &process, "-t", "-c", world.conf_path), 0);
	ck_assert(!file_says(process.err_path, "listening"));
	world_close(&world);
}
END_TEST

START_TEST(a_bad_configuration_is_named_by_file_and_line)
{
	static const struct {
		const char *line; /* the second of the file */
		const char *where;
	} rows[] = {
		{ "listem = {\"127.0.0.1:0\"}", ":2:" },
		{ "max_body = \"many\"", ":2:" },
		{ "retention = \"0s\"", ":2:" },
		{ "max_connections = -1", ":2:" },
		{ "threads = 1x", ":2:" },
		{ "durability = \"some\"", ":2:" },
		{ "log_level = \"loud\"", ":2:" },
		{ "threads = 1 threads = 2", ":2:" },
		{ "listen = {\"127.0.0.1\"}", ":2:" },
		{ "listen = {\"0.0.0.0:0\"}", ":" },
		{ "admin_listen = {\"0.0.0.0:0\"}", ":2:" },
		{ "store = \"paper:\"", ":2:" },
		{ "queue \"Bad Name\" { path = \"/b/\" upstream = \"http://h/\" }",
		    ":2:" },
		{ "queue \"q\" { path = \"/b/\" upstream = \"ftp://h/\" }",
		    ":2:" },
		{ "queue \"q\" { path = \"/b/\" upstream = \"http://h/\""
		  " capacity = 0 }",
		    ":2:" },
		{ "queue \"q\" { path = \"b\" upstream = \"http://h/\" }",
		    ":2:" },
		{ "queue \"q\" { path = \"/v1/\" upstream = \"http://h/\" }",
		    ":2:" },
		{ "callback { allow = {\"127.0.0.1/99\"} }", ":2:" },
		{ "callback { secret_file = \"no-such-file\" }", ":2:" },
		{ "queue \"q\" {", ":" },
		{ "}", ":2:" },
	};
	struct world world;
	struct process process;
	char text[512], place[64];

	world_prepare(&world, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), "# a comment\n%s\n", rows[i].line);
		file_write(world.conf_path, text, 0600);
		ck_assert_msg(run(&world, &process, "-t", "-c",
				  world.conf_path) == EX_CONFIG,
		    "%s", rows[i].line);
		snprintf(place, sizeof(place), "callbackd.conf%s",
		    rows[i].where);
		ck_assert_msg(file_says(process.err_path, place),
		    "%s: no %s in %s", rows[i].line, place, process.err_path);
		ck_assert_msg(run(&world, &process, "-c", world.conf_path,
				  NULL) == EX_CONFIG,
		    "without -t: %s", rows[i].line);
	}
	world_close(&world);
}
END_TEST

START_TEST(two_queues_of_one_name_or_path_are_an_error)
{
	static const char *const more[] = {
		"queue \"mill\" { path = \"/two/\" upstream = \"%s/\" }\n",
		"queue \"two\" { path = \"/mill/\" upstream = \"%s/\" }\n"
	};
	struct world world;
	struct process process;

	world_prepare(&world, NULL);
	for (int i = 0; i < 2; i++) {
		struct setup setup = { .more = more[i] };

		world_configure(&world, &setup);
		ck_assert_int_eq(run(&world, &process, "-t", "-c",
				     world.conf_path),
		    EX_CONFIG);
	}
	ck_assert_int_ne(run(&world, &process, "-t", "-c", "/nonexistent"), 0);
	ck_assert(file_says(process.err_path, "/nonexistent"));
	world_close(&world);
}
END_TEST

/* What a poll of that failed job answers now. */
static int
poll_status(struct world *world, const char *id)
{
	struct reply reply;
	int status;

	job_get(world, id, &reply);
	status = reply.status;
	reply_clear(&reply);
	return status;
}

START_TEST(sighup_takes_the_new_configuration)
{
	struct setup setup = { .top = "poll_failed_status = 200\n",
		.more = "queue \"new\" { path = \"/new/\""
			" upstream = \"%s/\" }\n" };
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, NULL);
	submit(&world, "/mill/status/404", "", "x", id);
	job_wait(&world, id, "failed", &reply);
	ck_assert_int_eq(reply.status, 400);
	reply_clear(&reply);
	world_configure(&world, &setup);
	(void)daemon_reload(&world);
	wait_until(poll_status(&world, id) == 200);
	wait_until((try_submit(&world, "/new/ok", "", "x", &reply),
	    reply.status == 202 || (reply_clear(&reply), false)));
	reply_clear(&reply);
	job_lives(&world, "/new/ok", "", "x", "succeeded");
	job_lives(&world, "/mill/ok", "", "x", "succeeded");
	world_close(&world);
}
END_TEST

START_TEST(sighup_with_a_bad_file_changes_nothing)
{
	static const char *const bad[] = {
		"poll_failed_status = 200\nno_such_setting = 1\n",
		"poll_failed_status = 200\nthreads = 7\n"
	};
	struct world world;
	struct reply reply;
	char id[ID_SIZE];
	int asked = 0;

	world_open(&world, NULL);
	submit(&world, "/mill/status/404", "", "x", id);
	job_wait(&world, id, "failed", &reply);
	reply_clear(&reply);
	for (int i = 0; i < 2; i++) {
		struct setup setup = { .top = bad[i] };
		const char *word = i == 0 ? "no_such_setting" : "threads";

		world_configure(&world, &setup);
		asked += daemon_reload(&world);
		/* It says which setting was the reason. */
		ck_assert(file_says(world.daemon.err_path, word));
		ck_assert_int_eq(poll_status(&world, id), 400);
		job_lives(&world, "/mill/ok", "", "x", "succeeded");
		ck_assert(metric(&world, "callbackd_reloads_total") == asked);
		ck_assert(
		    metric(&world, "callbackd_reloads_refused_total") == asked);
	}
	world_close(&world);
}
END_TEST

START_TEST(reloads_disturb_nothing_that_is_under_way)
{
	struct world world;
	struct client clients[8];
	struct reply reply;
	char ids[240][ID_SIZE];

	world_open(&world, NULL);
	for (int i = 0; i < 8; i++)
		client_open(&clients[i], world.api);
	for (int i = 0; i < 240; i++) {
		if (i % 8 == 0)
			process_signal(&world.daemon, SIGHUP);
		client_send_request(&clients[i % 8], "POST",
		    "/mill/echo?delay_ms=5", callback_to(&world, "/ok"), "x",
		    1);
		if (i % 8 < 7)
			continue;
		for (int n = i - 7; n <= i; n++) {
			ck_assert(client_read(&clients[n % 8], false, &reply));
			accepted_id(&reply, ids[n]);
			reply_clear(&reply);
		}
	}
	for (int i = 0; i < 240; i++) {
		callback_wait(&world, ids[i], "delivered", &reply);
		reply_clear(&reply);
	}
	for (int i = 0; i < 8; i++)
		client_close(&clients[i]);
	ck_assert(file_says(world.daemon.err_path, "event=reloaded"));
	expect_books_balance(&world);
	world_close(&world);
}
END_TEST

START_TEST(it_listens_on_a_unix_socket_too)
{
	char listen[PATH_SIZE];
	struct setup setup = { .listen = listen };
	struct world world;
	struct reply reply;

	world_prepare(&world, NULL);
	snprintf(listen, sizeof(listen), "unix:%.400s/api.sock", world.folder);
	world_configure(&world, &setup);
	daemon_start(&world);
	ck_assert_int_eq(strncmp(world.api, "unix:", 5), 0);
	job_lives(&world, "/mill/ok", "", "x", "succeeded");
	/* A socket that a killed daemon left is no obstacle. */
	daemon_kill(&world);
	daemon_start(&world);
	api(&world, "GET", "/v1/jobs", "", NULL, &reply);
	ck_assert_int_eq(look_at(reply_json(&reply), "jobs")->count, 1);
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(an_address_in_use_is_named)
{
	char listen[PATH_SIZE];
	struct setup setup = { .listen = listen, .store = "memory:" };
	struct world world;
	struct process second;

	world_open(&world, NULL);
	snprintf(listen, sizeof(listen), "%s", world.upstream.address);
	world_configure(&world, &setup);
	ck_assert_int_ne(run(&world, &second, "-c", world.conf_path, NULL), 0);
	ck_assert(file_says(second.err_path, world.upstream.address));
	world_close(&world);
}
END_TEST

START_TEST(health_and_readiness_are_answered_on_the_admin_listener)
{
	struct world world;
	struct reply reply;

	world_open(&world, NULL);
	admin(&world, "GET", "/healthz", &reply);
	ck_assert_int_eq(reply.status, 200);
	reply_clear(&reply);
	admin(&world, "GET", "/readyz", &reply);
	ck_assert_int_eq(reply.status, 200);
	reply_clear(&reply);
	admin(&world, "GET", "/nothing", &reply);
	expect_problem(&reply, 404, "not-found");
	reply_clear(&reply);
	admin(&world, "POST", "/metrics", &reply);
	expect_problem(&reply, 405, "method-not-allowed");
	ck_assert_ptr_nonnull(reply_header(&reply, "Allow"));
	reply_clear(&reply);
	/* What is the operator's is not on the clients' side. */
	api(&world, "GET", "/metrics", "", NULL, &reply);
	expect_problem(&reply, 404, "not-found");
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

/* The daemon's thread of that name. */
static pid_t
thread_named(const struct world *world, const char *name)
{
	char folder[64], path[128], wanted[32];
	struct dirent *entry;
	pid_t found = 0;
	DIR *threads;

	snprintf(folder, sizeof(folder), "/proc/%d/task",
	    (int)world->daemon.pid);
	snprintf(wanted, sizeof(wanted), "%s\n", name);
	threads = opendir(folder);
	ck_assert_ptr_nonnull(threads);
	while (found == 0 && (entry = readdir(threads)) != NULL) {
		char *text;

		snprintf(path, sizeof(path), "%s/%.16s/comm", folder,
		    entry->d_name);
		text = file_text(path, NULL);
		if (strcmp(text, wanted) == 0)
			found = (pid_t)atoi(entry->d_name);
		free(text);
	}
	closedir(threads);
	ck_assert_msg(found != 0, "there is no thread %s", name);
	return found;
}

static bool
health_is(struct world *world, int status, const char *text)
{
	struct reply reply;
	bool is_so;

	admin(world, "GET", "/healthz", &reply);
	is_so = reply.status == status && strcmp(reply.body, text) == 0;
	reply_clear(&reply);
	return is_so;
}

/* Is the traced thread, which has stopped, in a call that waits for events? */
static bool
waits_for_events(pid_t thread)
{
	char path[64];
	char *text;
	long call;

	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)thread);
	text = file_text(path, NULL);
	call = strtol(text, NULL, 10);
	free(text);
#ifdef SYS_epoll_wait
	if (call == SYS_epoll_wait)
		return true;
#endif
	return call == SYS_epoll_pwait || call == SYS_epoll_pwait2;
}

/* Elsewhere the thread may hold a lock, the allocator's for one, that those
 * who are to find it standing still need themselves. */
static void
stop_where_it_waits(pid_t thread)
{
	int64_t until = now_mono_ms() + patient_ms(SOON_MS);
	int status;

	for (;;) {
		ck_assert_int_eq(ptrace(PTRACE_INTERRUPT, thread, NULL, NULL),
		    0);
		ck_assert_int_eq(waitpid(thread, &status, __WALL), thread);
		if (waits_for_events(thread))
			return;
		ck_assert_int_eq(ptrace(PTRACE_CONT, thread, NULL, NULL), 0);
		ck_assert_msg(patience_lasts(until), "it never waits");
	}
}

START_TEST(a_thread_that_stands_still_makes_it_unwell_until_it_goes_on)
{
	struct world world;
	int64_t since_ms;
	pid_t lane;

	world_open(&world, NULL);
	lane = thread_named(&world, "loop-0");
	if (ptrace(PTRACE_SEIZE, lane, NULL, NULL) != 0) {
		ck_assert_int_eq(errno, EPERM);
		printf("# stopping a thread is not permitted\n");
		world_close(&world);
		return;
	}
	stop_where_it_waits(lane);
	since_ms = now_mono_ms();
	ck_assert(health_is(&world, 200, "ok\n"));
	wait_until_within(health_is(&world, 503, "stuck\n"), 30000);
	ck_assert_int_ge(now_mono_ms() - since_ms, 8000);
	ck_assert_int_eq(ptrace(PTRACE_DETACH, lane, NULL, NULL), 0);
	wait_until(health_is(&world, 200, "ok\n"));
	world_close(&world);
}
END_TEST

START_TEST(metrics_are_prometheus_text_and_name_nobody)
{
	struct world world;
	struct reply reply;
	char id[ID_SIZE];

	world_open(&world, NULL);
	submit(&world, "/mill/ok", callback_to(&world, "/ok"), "x", id);
	callback_wait(&world, id, "delivered", &reply);
	reply_clear(&reply);
	job_lives(&world, "/mill/status/404", "", "x", "failed");
	expect_books_balance(&world);
	admin(&world, "GET", "/metrics", &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_int_eq(strncmp(reply_header(&reply, "Content-Type"),
			     "text/plain; version=0.0.4", 25),
	    0);
	ck_assert_ptr_nonnull(strstr(reply.body, "# TYPE callbackd_"));
	ck_assert_ptr_nonnull(strstr(reply.body, "# HELP callbackd_"));
	ck_assert_ptr_nonnull(strstr(reply.body, "queue=\"mill\""));
	ck_assert_ptr_null(strstr(reply.body, id));
	ck_assert_ptr_null(strstr(reply.body, world.receiver.address));
	ck_assert_ptr_null(strstr(reply.body, world.upstream.address));
	reply_clear(&reply);
	world_close(&world);
}
END_TEST

START_TEST(a_log_in_json_is_json_on_every_line)
{
	struct setup setup = { .top = "log_format = \"json\"\n"
				      "log_level = \"debug\"\n" };
	struct world world;
	struct json_document *line_json;
	struct reason why;
	char *text, *rest, *line;
	int count = 0;

	world_open(&world, &setup);
	job_lives(&world, "/mill/ok?x=%22", "", "x", "succeeded");
	daemon_stop(&world);
	text = file_text(world.daemon.err_path, NULL);
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL && rest != NULL) {
		line_json = json_parse(line, strlen(line), &why);
		ck_assert_msg(line_json != NULL, "%s: %s", why.text, line);
		look_text(json_root(line_json), "event");
		json_document_free(&line_json);
		count++;
	}
	ck_assert_int_ge(count, 4);
	free(text);
	world_close(&world);
}
END_TEST

START_TEST(the_log_follows_a_job_but_tells_no_secrets)
{
	static const char *const secrets[] = { "word-of-the-body",
		"word-of-the-query", "word-of-the-key", "MfKQ9r8GKYqrTwjUPD8" };
	struct setup setup = { .top = "log_level = \"debug\"\n" };
	struct world world;
	struct reply reply;
	char fields[512], id[ID_SIZE], mark[64];

	world_open(&world, &setup);
	snprintf(fields, sizeof(fields),
	    "%sAuthorization: Bearer word-of-the-key\r\n",
	    callback_to(&world, "/ok?token=word-of-the-query"));
	submit(&world, "/mill/echo?q=word-of-the-query", fields,
	    "word-of-the-body", id);
	callback_wait(&world, id, "delivered", &reply);
	reply_clear(&reply);
	submit(&world, "/mill/reset?q=word-of-the-query",
	    callback_to(&world, "/status/500?t=word-of-the-query"), "x", id);
	callback_wait(&world, id, "dead", &reply);
	reply_clear(&reply);
	daemon_stop(&world);
	for (int i = 0; i < 4; i++)
		ck_assert_msg(!file_says(world.daemon.err_path, secrets[i]),
		    "the log says %s", secrets[i]);
	snprintf(mark, sizeof(mark), "job=%s", id);
	ck_assert(file_says(world.daemon.err_path, mark));
	world_close(&world);
}
END_TEST

START_TEST(sigint_ends_it_as_sigterm_does)
{
	struct world world;

	world_open(&world, NULL);
	process_signal(&world.daemon, SIGINT);
	daemon_expect_clean_end(&world);
	world_close(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		version_and_help_go_to_stdout_and_exit_0,
		an_unknown_option_or_argument_is_a_usage_error,
		a_good_configuration_is_checked_without_being_run,
		a_bad_configuration_is_named_by_file_and_line,
		two_queues_of_one_name_or_path_are_an_error,
		sighup_takes_the_new_configuration,
		sighup_with_a_bad_file_changes_nothing,
		reloads_disturb_nothing_that_is_under_way,
		it_listens_on_a_unix_socket_too,
		an_address_in_use_is_named,
		health_and_readiness_are_answered_on_the_admin_listener,
		a_thread_that_stands_still_makes_it_unwell_until_it_goes_on,
		metrics_are_prometheus_text_and_name_nobody,
		a_log_in_json_is_json_on_every_line,
		the_log_follows_a_job_but_tells_no_secrets,
		sigint_ends_it_as_sigterm_does,
	};

	return HARNESS_RUN("daemon", cases);
}
