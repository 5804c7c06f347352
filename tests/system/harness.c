/* harness.c - worlds: folders, configurations, the daemon and its peers.
 *
 * 1. Nothing has a fixed port: each program is asked where it listens.
 * 2. A daemon that was told to end must exit 0 with a clean log: each case
 *    that closes its world has checked that as well.
 */
#include "harness.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report.h"

/* A drain may last 30 s by default; then the daemon must be gone. */
#define END_MS 45000

/* ---- peers ---- */

static const char *
environment(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : otherwise;
}

const char *
daemon_program(void)
{
	return environment("CALLBACKD", "./callbackd");
}

static bool
peer_listens(struct peer *peer)
{
	char *text = file_text(peer->process.out_path, NULL);
	char *end = strchr(text, '\n');
	bool listens = end != NULL && strncmp(text, "listening ", 10) == 0;

	if (listens) {
		*end = '\0';
		snprintf(peer->address, sizeof(peer->address), "%s", text + 10);
		snprintf(peer->url, sizeof(peer->url), "http://%s", text + 10);
	}
	free(text);
	return listens;
}

void
peer_start(struct world *world, struct peer *peer, const char *name)
{
	char program[PATH_SIZE];
	bool is_receiver = strcmp(name, "receiver") == 0;
	const char *argv[] = { program, "--whole", "--log", peer->log_path,
		is_receiver ? "--secret-file" : "--delay-ms",
		is_receiver ? "secret" : "0", NULL };

	snprintf(program, sizeof(program), "%s/%s",
	    environment("CALLBACKD_PEERS", "tests/peers"), name);
	report_absolute(program);
	snprintf(peer->log_path, sizeof(peer->log_path), "%.400s/%s.log",
	    world->folder, name);
	process_start(&peer->process, world->folder, name, argv);
	wait_until(peer_listens(peer));
}

void
peer_stop(struct peer *peer)
{
	if (peer->process.pid == 0)
		return;
	process_signal(&peer->process, SIGTERM);
	process_wait(&peer->process, SOON_MS);
}

/* ---- the configuration ---- */

/* A port that answers every connection with a refusal: bound, not listening,
 * and kept so until the process of the case ends. */
static int
refusing_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, len), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	return ntohs(address.sin_port);
}

/* more with each %s replaced by url. */
static void
put_more(struct buf *conf, const char *more, const char *url)
{
	const char *mark;

	while ((mark = strstr(more, "%s")) != NULL) {
		buf_append(conf, more, (size_t)(mark - more));
		buf_puts(conf, url);
		more = mark + 2;
	}
	buf_puts(conf, more);
}

static const char *
or_usual(const char *text, const char *usual)
{
	return text != NULL ? text : usual;
}

void
world_configure(struct world *world, const struct setup *setup)
{
	static const struct setup usual;
	struct buf conf;
	char url[ADDRESS_TEXT_SIZE];

	if (setup == NULL)
		setup = &usual;
	snprintf(url, sizeof(url), "%s", world->upstream.url);
	if (setup->no_upstream)
		snprintf(url, sizeof(url), "http://127.0.0.1:%d",
		    refusing_port());
	buf_init(&conf, 1 << 20);
	buf_printf(&conf,
	    "listen = {\"%s\"}\n"
	    "admin_listen = {\"127.0.0.1:0\"}\n"
	    "store = \"%s\"\n%s\n",
	    or_usual(setup->listen, "127.0.0.1:0"),
	    or_usual(setup->store, "sqlite:callbackd.db"),
	    or_usual(setup->top, ""));
	buf_printf(&conf,
	    "queue \"mill\" {\n path = \"/mill/\"\n"
	    " upstream = \"%s/\"\n %s}\n",
	    url, or_usual(setup->queue, QUEUE_USUAL));
	buf_printf(&conf, "callback {\n secret_file = \"secret\"\n%s}\n",
	    or_usual(setup->callback, CALLBACK_USUAL));
	put_more(&conf, or_usual(setup->more, ""), world->upstream.url);
	ck_assert(!buf_failed(&conf));
	file_write(world->conf_path, conf.data, 0600);
	buf_free(&conf);
}

/* ---- the daemon ---- */

/* The value of key= in a line of logfmt or of "key":" in one of JSON. */
static bool
line_value(const char *line, const char *key, char *out, size_t size)
{
	char mark[64];
	const char *at;
	size_t len;

	snprintf(mark, sizeof(mark), " %s=", key);
	at = strstr(line, mark);
	if (at == NULL) {
		snprintf(mark, sizeof(mark), "\"%s\":\"", key);
		at = strstr(line, mark);
	}
	if (at == NULL)
		return false;
	at += strlen(mark);
	at += *at == '"';
	len = strcspn(at, " \"\n");
	snprintf(out, size, "%.*s", (int)len, at);
	return true;
}

bool
log_listens(const char *path, const char *room, char out[ADDRESS_TEXT_SIZE])
{
	char *text = file_text(path, NULL);
	char value[ADDRESS_TEXT_SIZE];
	char *rest = text;
	char *line;
	bool found = false;

	while (!found && (line = strsep(&rest, "\n")) != NULL) {
		/* The last line may still be being written. */
		if (rest == NULL || strstr(line, "listening") == NULL)
			continue;
		found = line_value(line, "room", value, sizeof(value)) &&
		    strcmp(value, room) == 0 &&
		    line_value(line, "address", out, ADDRESS_TEXT_SIZE);
	}
	free(text);
	return found;
}

void
log_expect_clean(const char *path)
{
	static const char *const alarms[] = { "AddressSanitizer",
		"LeakSanitizer", "ThreadSanitizer",
		"runtime error:", "Assertion `" };

	for (size_t i = 0; i < sizeof(alarms) / sizeof(alarms[0]); i++)
		ck_assert_msg(!file_says(path, alarms[i]), "%s in %s",
		    alarms[i], path);
}

static bool
is_listening(struct world *world)
{
	ck_assert_msg(process_is_running(&world->daemon),
	    "the daemon ended instead of listening: %s",
	    world->daemon.err_path);
	return log_listens(world->daemon.err_path, "api", world->api) &&
	    log_listens(world->daemon.err_path, "admin", world->admin);
}

static bool
is_ready(struct world *world)
{
	struct reply reply;
	int status;

	admin(world, "GET", "/readyz", &reply);
	status = reply.status;
	reply_clear(&reply);
	return status == 200;
}

void
daemon_start(struct world *world)
{
	char program[PATH_SIZE];
	char name[32];
	const char *argv[] = { program, "-c", world->conf_path, NULL };

	snprintf(program, sizeof(program), "%s", daemon_program());
	report_absolute(program);
	snprintf(name, sizeof(name), "daemon-%d", ++world->starts);
	process_start(&world->daemon, world->folder, name, argv);
	wait_until(is_listening(world));
	wait_until(is_ready(world));
}

void
daemon_expect_clean_end(struct world *world)
{
	int status = process_wait(&world->daemon, END_MS);

	log_expect_clean(world->daemon.err_path);
	ck_assert_msg(status == 0, "the daemon ended with %d: %s", status,
	    world->daemon.err_path);
}

void
daemon_stop(struct world *world)
{
	process_signal(&world->daemon, SIGTERM);
	daemon_expect_clean_end(world);
}

static int
log_count(const struct world *world, const char *what)
{
	char *text = file_text(world->daemon.err_path, NULL);
	int count = 0;

	for (char *at = text; (at = strstr(at, what)) != NULL; at++)
		count++;
	free(text);
	return count;
}

/* The child that reads the file for the daemon is a fork of a process with
 * threads. AddressSanitizer leaves the locks of its allocator there as they
 * were (glibc does not): once in some hundred times the child finds one taken,
 * and is given up by the daemon. */
int
daemon_reload(struct world *world)
{
	static const char given_up[] = "it took longer than";
	int asked = 0, answers, times_given_up;

	do {
		answers = log_count(world, "event=reload");
		times_given_up = log_count(world, given_up);
		process_signal(&world->daemon, SIGHUP);
		wait_until(log_count(world, "event=reload") > answers);
		asked++;
	} while (log_count(world, given_up) > times_given_up);
	return asked;
}

void
daemon_kill(struct world *world)
{
	process_signal(&world->daemon, SIGKILL);
	ck_assert_int_eq(process_wait(&world->daemon, SOON_MS), 1000 + SIGKILL);
	log_expect_clean(world->daemon.err_path);
}

/* ---- worlds ---- */

void
world_prepare(struct world *world, const struct setup *setup)
{
	char path[PATH_SIZE + 32];

	memset(world, 0, sizeof(*world));
	report_folder(world->folder);
	snprintf(world->conf_path, sizeof(world->conf_path),
	    "%.480s/callbackd.conf", world->folder);
	snprintf(path, sizeof(path), "%s/secret", world->folder);
	file_write(path, SECRET_TEXT "\n", 0600);
	peer_start(world, &world->upstream, "upstream");
	peer_start(world, &world->receiver, "receiver");
	world_configure(world, setup);
}

void
world_open(struct world *world, const struct setup *setup)
{
	world_prepare(world, setup);
	daemon_start(world);
}

static int
remove_cb(const char *path, const struct stat *facts, int kind,
    struct FTW *where)
{
	(void)facts;
	(void)kind;
	(void)where;
	return remove(path);
}

void
world_close(struct world *world)
{
	if (world->daemon.pid != 0)
		daemon_stop(world);
	peer_stop(&world->upstream);
	peer_stop(&world->receiver);
	nftw(world->folder, remove_cb, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- asking it ---- */

void
api(struct world *world, const char *method, const char *target,
    const char *fields, const char *body, struct reply *out)
{
	ask(world->api, method, target, fields, body, out);
}

void
admin(struct world *world, const char *method, const char *target,
    struct reply *out)
{
	ask(world->admin, method, target, "", NULL, out);
}

double
metric(struct world *world, const char *name)
{
	struct reply reply;
	const char *line;
	double value = -1;
	size_t len = strlen(name);

	admin(world, "GET", "/metrics", &reply);
	ck_assert_int_eq(reply.status, 200);
	for (line = reply.body; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) == 0 && line[len] == ' ')
			value = strtod(line + len + 1, NULL);
	}
	reply_clear(&reply);
	return value;
}
