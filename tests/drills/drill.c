/* drill.c - what the drills share.
 *
 * 1. Whatever a daemon that dies can do to a client is no failure of the drill:
 *    connections are refused, cut and reset.
 * 2. The library that is loaded into the daemon is loaded into nobody else.
 */
#include "drill.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "../system/report.h"

#define VARIABLES_MAX 8
#define HURRY_MS 1000 /* then the daemon has lost the request */

/* ---- dice: splitmix64 ---- */

uint32_t
dice_throw(struct dice *dice, uint32_t sides)
{
	uint64_t mixed = dice->state += UINT64_C(0x9e3779b97f4a7c15);

	mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
	mixed ^= mixed >> 31;
	return (uint32_t)((mixed >> 32) * sides >> 32);
}

uint32_t
dice_log(struct dice *dice, uint32_t most)
{
	uint32_t bits = 0;
	uint32_t below;

	while (most >> bits > 1)
		bits++;
	below = 1U << dice_throw(dice, bits + 1);
	return 1 + dice_throw(dice, below < most ? below : most);
}

/* ---- the client ---- */

static bool
try_send_request(struct client *client, const char *method, const char *target,
    const char *fields, const char *body)
{
	struct buf out;
	bool is_sent;

	buf_init(&out, 1 << 20);
	buf_printf(&out, "%s %s HTTP/1.1\r\nHost: drill.test\r\n%s", method,
	    target, fields);
	if (body != NULL)
		buf_printf(&out, "Content-Length: %zu\r\n", strlen(body));
	buf_printf(&out, "\r\n%s", body != NULL ? body : "");
	is_sent = !buf_failed(&out) &&
	    client_try_send(client, out.data, out.len);
	buf_free(&out);
	return is_sent;
}

/* Reads until need bytes are there. */
static bool
fill_to(struct client *client, size_t need)
{
	char piece[16384];

	while (client->in.len < need) {
		ssize_t got = recv(client->fd, piece, sizeof(piece), 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0 || !buf_append(&client->in, piece, (size_t)got))
			return false;
	}
	return true;
}

static bool
fill_head(struct client *client, size_t *len_out)
{
	const char *end = NULL;

	while (client->in.len == 0 ||
	    (end = memmem(client->in.data, client->in.len, "\r\n\r\n", 4)) ==
		NULL)
		if (!fill_to(client, client->in.len + 1))
			return false;
	*len_out = (size_t)(end - client->in.data) + 4;
	return true;
}

bool
try_open(struct client *client, const char *address, int64_t ms)
{
	int64_t wait_ms = patient_ms(ms);
	struct timeval wait = { wait_ms / 1000, wait_ms % 1000 * 1000 };

	if (!client_try_open(client, address))
		return false;
	setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	return true;
}

bool
head_says(const struct reply *reply, const char *name, char *out, size_t size)
{
	size_t name_len = strlen(name);
	const char *line = reply->head;

	while ((line = strstr(line, "\r\n")) != NULL) {
		line += 2;
		if (strncasecmp(line, name, name_len) != 0 ||
		    line[name_len] != ':')
			continue;
		line += name_len + 1;
		line += strspn(line, " ");
		snprintf(out, size, "%.*s", (int)strcspn(line, "\r"), line);
		return true;
	}
	return false;
}

static bool
try_read(struct client *client, struct reply *out)
{
	char length[32] = "0";
	size_t head_len, body_len;

	if (!fill_head(client, &head_len))
		return false;
	out->head = strndup(client->in.data, head_len - 2);
	out->status = (int)strtol(out->head + 9, NULL, 10);
	(void)head_says(out, "Content-Length", length, sizeof(length));
	body_len = strtoul(length, NULL, 10);
	if (!fill_to(client, head_len + body_len))
		return false;
	out->body = strndup(client->in.data + head_len, body_len);
	out->body_len = body_len;
	client->in.len -= head_len + body_len;
	memmove(client->in.data, client->in.data + head_len + body_len,
	    client->in.len);
	return true;
}

bool
try_ask(struct client *client, const char *method, const char *target,
    const char *fields, const char *body, struct reply *out)
{
	memset(out, 0, sizeof(*out));
	if (try_send_request(client, method, target, fields, body) &&
	    try_read(client, out))
		return true;
	reply_clear(out);
	return false;
}

/* ---- the daemon ---- */

static char variables[VARIABLES_MAX][64];
static int variable_count;

void
shim_set(const char *shared, const char *name, const char *value)
{
	const char *sanitizer = getenv("ASAN_OPTIONS");
	char options[512];

	ck_assert_int_lt(variable_count, VARIABLES_MAX);
	snprintf(variables[variable_count++], sizeof(variables[0]), "%s", name);
	setenv(name, value, 1);
	setenv("DRILL_PRELOAD", shared, 1);
	/* Ours comes before the sanitizer's library; it passes everything on. */
	snprintf(options, sizeof(options), "%s:verify_asan_link_order=0",
	    sanitizer != NULL ? sanitizer : "");
	if (sanitizer == NULL || strstr(sanitizer, "verify_asan") == NULL)
		setenv("ASAN_OPTIONS", options, 1);
}

void
shim_clear(void)
{
	while (variable_count > 0)
		unsetenv(variables[--variable_count]);
	unsetenv("DRILL_PRELOAD");
}

void
shim_path(const char *name, char out[PATH_SIZE])
{
	const char *folder = getenv("CALLBACKD_DRILLS");

	snprintf(out, PATH_SIZE, "%s/%s",
	    folder != NULL ? folder : "tests/drills", name);
	report_absolute(out);
}

/* Without memory for a line of the log, it cannot say where it listens. */
static bool
has_lost_its_voice(struct world *world)
{
	if (!file_says(world->daemon.err_path, "log-lost") ||
	    !file_says(world->daemon.err_path, "event=ready"))
		return false;
	snprintf(world->api, sizeof(world->api), "127.0.0.1:1");
	snprintf(world->admin, sizeof(world->admin), "127.0.0.1:1");
	return true;
}

static bool
has_come_up(struct world *world, bool *is_gone_out)
{
	struct client client;
	struct reply reply;
	bool is_ready;

	*is_gone_out = !process_is_running(&world->daemon);
	if (has_lost_its_voice(world))
		return true;
	if (*is_gone_out ||
	    !log_listens(world->daemon.err_path, "api", world->api) ||
	    !log_listens(world->daemon.err_path, "admin", world->admin) ||
	    !try_open(&client, world->admin, HURRY_MS))
		return false;
	is_ready = try_ask(&client, "GET", "/readyz", "", NULL, &reply) &&
	    reply.status == 200;
	reply_clear(&reply);
	client_close(&client);
	return is_ready;
}

bool
daemon_try_start(struct world *world)
{
	char program[PATH_SIZE], name[32];
	const char *preload = getenv("DRILL_PRELOAD");
	const char *argv[] = { program, "-c", world->conf_path, NULL };
	bool is_gone = false;

	snprintf(program, sizeof(program), "%s", daemon_program());
	report_absolute(program);
	snprintf(name, sizeof(name), "daemon-%d", ++world->starts);
	if (preload != NULL)
		setenv("LD_PRELOAD", preload, 1);
	process_start(&world->daemon, world->folder, name, argv);
	unsetenv("LD_PRELOAD");
	wait_until(has_come_up(world, &is_gone) || is_gone);
	return !is_gone;
}

/* ---- the drill ---- */

static void
print_usage(const char *program, const struct drill_option *options, int count)
{
	fprintf(stderr, "usage: %s", program);
	for (int i = 0; i < count; i++)
		fprintf(stderr, " [%s N]", options[i].name);
	fprintf(stderr, "\n");
	for (int i = 0; i < count; i++)
		fprintf(stderr, "  %-10s %s (%ld)\n", options[i].name,
		    options[i].about, *options[i].value);
	exit(EX_USAGE);
}

void
drill_options(int argc, char **argv, const struct drill_option *options,
    int count)
{
	for (int i = 1; i < argc; i += 2) {
		char *end = NULL;
		int found = 0;

		while (
		    found < count && strcmp(argv[i], options[found].name) != 0)
			found++;
		if (found == count || i + 1 == argc)
			print_usage(argv[0], options, count);
		*options[found].value = strtol(argv[i + 1], &end, 10);
		if (end == argv[i + 1] || *end != '\0')
			print_usage(argv[0], options, count);
	}
}

int
drill_run(const char *name, const TTest *test, long seconds)
{
	return harness_run_for(name, &test, 1, seconds * 1000);
}

void
drill_say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}
