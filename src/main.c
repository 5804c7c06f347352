/* main.c - birth, signals and death of the daemon: the only file that knows
 * every room.
 *
 * Born in this order: conf, gauges, sockets, lanes (loops), ledger (store,
 * unfinished work), the rooms on the lanes, admin, threads. What a later one
 * uses is there before it; death goes backwards.
 *
 * SIGTERM, SIGINT   drain: nothing new begins, what is under way may end within
 *                   drain_timeout; a second one ends it at once
 * SIGHUP            reload, all or nothing
 *
 * Thread: the first one, which runs the control loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "callbackd/admin.h"
#include "callbackd/listen.h"
#include "callbackd/reserve.h"
#include "callbackd/transfer.h"
#include "background.h"
#include "lane.h"
#include "options.h"

#define LOOK_MS 20                  /* while draining: between two looks */
#define INBOX_LIMIT 16384           /* orders that may wait for the ledger */
#define HEAP_KEPT_BYTES (512 << 10) /* free, at the end of a heap */
#define HEAP_STEP_BYTES (64 << 10)  /* by which a heap grows */
#define SPARE_DESCRIPTORS 1200      /* runs, deliveries, the store, ourselves */

struct daemon {
	struct options options;
	struct conf *conf;
	struct gauges *gauges;
	struct metrics metrics;
	struct http_gate gate;
	struct loop *control;
	struct lane **lanes;
	unsigned lane_count;
	struct ledger_hands **hands; /* one a lane */
	struct ledger *ledger;
	struct admin *admin;
	struct loop_timer *drain_timer;
	int64_t drain_until_ms; /* monotonic; 0: not draining */
};

/* ---- configuration ---- */

static void
complain_cb(const char *line, void *arg)
{
	(void)arg;
	(void)fprintf(stderr, "%s\n", line);
}

/* What is read without -c: the working folder's, else the system's. */
static const char *
default_conf_path(void)
{
	if (access("callbackd.conf", R_OK) == 0)
		return "callbackd.conf";
	return CALLBACKD_SYSCONFDIR "/callbackd.conf";
}

static void
read_conf(struct daemon *daemon)
{
	const char *path = daemon->options.conf_path;

	if (path == NULL)
		path = default_conf_path();
	daemon->conf = conf_load(path, complain_cb, NULL);
	if (daemon->conf == NULL)
		exit(EX_CONFIG);
	if (!daemon->options.only_check)
		return;
	(void)printf("%s is good\n", path);
	conf_unref(&daemon->conf);
	exit(EX_OK);
}

/* --backup: all that this process is for. */
static void
make_backup(struct daemon *daemon)
{
	struct reason why;
	bool is_done;

	if (daemon->options.backup_path == NULL)
		return;
	is_done = store_backup(daemon->conf->store, daemon->options.backup_path,
	    &why);
	if (!is_done)
		(void)fprintf(stderr, "callbackd: %s\n", why.text);
	conf_unref(&daemon->conf);
	exit(is_done ? EX_OK : EX_CANTCREAT);
}

static enum log_format
log_format_of(const struct daemon *daemon)
{
	return daemon->options.in_background ? LOG_SYSLOG
					     : daemon->conf->log_format;
}

/* ---- limits of the process ---- */

/* As many descriptors as we may have, and no more connections than they can
 * serve. */
static void
raise_limits(struct daemon *daemon)
{
	struct rlimit limit;
	rlim_t spare = SPARE_DESCRIPTORS;

	daemon->gate.max_connections = daemon->conf->max_connections;
	daemon->gate.max_body_bytes = daemon->conf->max_inflight_body_bytes;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (spare > limit.rlim_cur / 2)
		spare = limit.rlim_cur / 2;
	if ((rlim_t)daemon->gate.max_connections > limit.rlim_cur - spare) {
		daemon->gate.max_connections = (int)(limit.rlim_cur - spare);
		log_direct(LOG_LEVEL_WARN, "max_connections_lowered",
		    "the limit of open files (RLIMIT_NOFILE) allows no more");
	}
}

/* ---- birth ---- */

/* Ends the process before anything was promised. */
static void
die(int status, const char *what, const char *why)
{
	log_direct(LOG_LEVEL_ERROR, what, why);
	exit(status);
}

static void
make_lanes(struct daemon *daemon)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned count = daemon->conf->threads > 0
	    ? (unsigned)daemon->conf->threads
	    : (unsigned)(cores > 0 ? cores : 1);

	daemon->lanes = calloc(count, sizeof(*daemon->lanes));
	for (unsigned i = 0; daemon->lanes != NULL && i < count; i++) {
		daemon->lanes[i] = lane_new(i);
		if (daemon->lanes[i] == NULL)
			die(EX_OSERR, "no_memory", "for a loop");
		daemon->lane_count++;
	}
	if (daemon->lane_count == 0)
		die(EX_OSERR, "no_memory", "for the loops");
}

static void
make_ledger(struct daemon *daemon)
{
	struct ledger_setup setup = {
		.conf = daemon->conf,
		.metrics = &daemon->metrics,
		.hands_count = daemon->lane_count,
		.inbox_limit = INBOX_LIMIT,
	};
	struct reason why;

	daemon->hands = calloc(daemon->lane_count, sizeof(*daemon->hands));
	if (daemon->hands == NULL)
		die(EX_OSERR, "no_memory", "for the ledger");
	for (unsigned i = 0; i < daemon->lane_count; i++)
		daemon->hands[i] = lane_hands(daemon->lanes[i]);
	setup.hands = daemon->hands;
	daemon->ledger = ledger_new(&setup, &why);
	if (daemon->ledger == NULL)
		die(EX_CANTCREAT, "store_unusable", why.text);
}

static void
furnish(struct daemon *daemon)
{
	struct http_limits limits = api_limits(daemon->conf);
	const struct admin_setup setup = { daemon->control, &limits,
		&daemon->gate, &daemon->metrics, daemon->ledger, daemon->gauges,
		daemon->hands, daemon->lane_count };

	for (unsigned i = 0; i < daemon->lane_count; i++)
		if (!lane_furnish(daemon->lanes[i], daemon->conf, &daemon->gate,
			&daemon->metrics, daemon->ledger))
			die(EX_OSERR, "no_memory", "for the rooms of a loop");
	daemon->admin = admin_new(&setup);
	if (daemon->admin == NULL)
		die(EX_OSERR, "no_memory", "for the operator's listener");
}

/* ---- listening ---- */

static int
open_listener(const struct conf_listen *listen)
{
	struct reason why;
	struct reason full;
	int fd = listen_open((const struct sockaddr *)&listen->address,
	    listen->address_len, &why);

	if (fd < 0) {
		reason_set(&full, "%s: %s", listen->text, why.text);
		die(EX_UNAVAILABLE, "cannot_listen", full.text);
	}
	return fd;
}

static void
log_listening(struct daemon *daemon, const char *room, int fd)
{
	char address[LISTEN_TEXT_SIZE];

	listen_text(fd, address);
	log_event(loop_log(daemon->control), LOG_LEVEL_INFO, "listening",
	    LOG_TEXT("room", room), LOG_TEXT("address", address));
}

/* Every lane waits at the same socket: whichever is free takes the next
 * connection. */
static void
share_listener(struct daemon *daemon, int fd)
{
	log_listening(daemon, "api", fd);
	for (unsigned i = 0; i < daemon->lane_count; i++) {
		int own = i == 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 0);

		if (own < 0 || !lane_listen(daemon->lanes[i], own))
			die(EX_OSERR, "cannot_listen", strerror(errno));
	}
}

static void
listen_all(struct daemon *daemon)
{
	const struct conf *conf = daemon->conf;

	for (size_t i = 0; i < conf->admin_listen_count; i++) {
		int fd = open_listener(&conf->admin_listen[i]);

		log_listening(daemon, "admin", fd);
		if (!admin_listen(daemon->admin, fd))
			die(EX_OSERR, "cannot_listen", strerror(errno));
	}
	for (size_t i = 0; i < conf->listen_count; i++)
		share_listener(daemon, open_listener(&conf->listen[i]));
	log_flush(loop_log(daemon->control));
}

/* ---- reload ---- */

static void
complain_to_log_cb(const char *line, void *arg)
{
	struct daemon *daemon = arg;

	log_event(loop_log(daemon->control), LOG_LEVEL_ERROR, "reload_refused",
	    LOG_TEXT("why", line));
}

static void
follow(struct daemon *daemon, struct conf *conf)
{
	log_configure(conf->log_level, log_format_of(daemon));
	for (unsigned i = 0; i < daemon->lane_count; i++)
		lane_follow(daemon->lanes[i], conf);
	ledger_follow(daemon->ledger, conf_ref(conf));
	conf_unref(&daemon->conf);
	daemon->conf = conf;
	log_event(loop_log(daemon->control), LOG_LEVEL_INFO, "reloaded",
	    LOG_TEXT("file", conf->path));
}

static void
reload_cb(int signal_number, void *arg)
{
	struct daemon *daemon = arg;
	struct conf *conf;
	struct reason why;

	(void)signal_number;
	if (daemon->drain_until_ms > 0)
		return;
	metrics_add(&daemon->metrics, METRIC_RELOADS, 1);
	conf = conf_load(daemon->conf->path, complain_to_log_cb, daemon);
	reason_set(&why, "out of memory");
	if (conf != NULL && conf_can_follow(daemon->conf, conf, &why) &&
	    gauges_adopt(daemon->gauges, conf)) {
		follow(daemon, conf);
		return;
	}
	metrics_add(&daemon->metrics, METRIC_RELOADS_REFUSED, 1);
	if (conf != NULL) /* else it has been complained about */
		complain_to_log_cb(why.text, daemon);
	conf_unref(&conf);
}

/* ---- drain ---- */

static bool
all_is_quiet(const struct daemon *daemon)
{
	for (unsigned i = 0; i < daemon->lane_count; i++)
		if (!lane_is_idle(daemon->lanes[i]))
			return false;
	return ledger_runs_under_way(daemon->ledger) == 0 &&
	    ledger_posts_under_way(daemon->ledger) == 0 &&
	    admin_pending(daemon->admin) == 0;
}

static void
look_cb(void *arg)
{
	struct daemon *daemon = arg;

	if (all_is_quiet(daemon) ||
	    loop_mono_ms(daemon->control) >= daemon->drain_until_ms)
		loop_stop(daemon->control);
	else
		loop_timer_set(daemon->drain_timer, LOOK_MS);
}

static void
drain_cb(int signal_number, void *arg)
{
	struct daemon *daemon = arg;

	log_event(loop_log(daemon->control), LOG_LEVEL_INFO, "draining",
	    LOG_TEXT("signal", strsignal(signal_number)));
	if (daemon->drain_until_ms > 0) {
		loop_stop(daemon->control);
		return;
	}
	daemon->drain_until_ms = loop_mono_ms(daemon->control) +
	    daemon->conf->drain_timeout_ms;
	admin_drain(daemon->admin);
	/* Lanes first: what the ledger then answers finds them closing. */
	for (unsigned i = 0; i < daemon->lane_count; i++)
		lane_drain(daemon->lanes[i]);
	ledger_drain(daemon->ledger);
	loop_timer_set(daemon->drain_timer, LOOK_MS);
}

/* ---- life ---- */

static void
bear(struct daemon *daemon)
{
	log_configure(daemon->conf->log_level, log_format_of(daemon));
	(void)signal(SIGPIPE, SIG_IGN);
	/* A heap whose end goes back to the kernel after each burst of jobs is
	 * asked for, and cleared page by page, for the next one. Bodies from
	 * 128 KiB on still go back at once. */
	(void)mallopt(M_TRIM_THRESHOLD, HEAP_KEPT_BYTES);
	(void)mallopt(M_TOP_PAD, HEAP_STEP_BYTES);
	reserve_fill();
	loop_library_init();
	raise_limits(daemon);
	daemon->gauges = gauges_new();
	daemon->control = loop_new(UINT_MAX, daemon);
	if (daemon->gauges == NULL || daemon->control == NULL ||
	    !gauges_adopt(daemon->gauges, daemon->conf) ||
	    !transfer_library_init())
		die(EX_OSERR, "no_memory", "for the control loop");
	make_lanes(daemon);
	make_ledger(daemon);
	furnish(daemon);
	daemon->drain_timer = loop_timer_new(daemon->control, look_cb, daemon);
	if (daemon->drain_timer == NULL ||
	    !loop_on_signal(daemon->control, SIGTERM, drain_cb, daemon) ||
	    !loop_on_signal(daemon->control, SIGINT, drain_cb, daemon) ||
	    !loop_on_signal(daemon->control, SIGHUP, reload_cb, daemon))
		die(EX_OSERR, "no_memory", "for signals");
	listen_all(daemon);
}

static void
start(struct daemon *daemon)
{
	if (!ledger_start(daemon->ledger))
		die(EX_OSERR, "no_thread", "for the ledger");
	for (unsigned i = 0; i < daemon->lane_count; i++)
		if (!lane_start(daemon->lanes[i]))
			die(EX_OSERR, "no_thread", "for a loop");
	log_event(loop_log(daemon->control), LOG_LEVEL_INFO, "ready",
	    LOG_TEXT("version", CALLBACKD_VERSION),
	    LOG_INT("threads", daemon->lane_count));
	log_flush(loop_log(daemon->control));
}

static void
bury(struct daemon *daemon)
{
	for (unsigned i = 0; i < daemon->lane_count; i++)
		lane_stop(daemon->lanes[i]);
	ledger_stop(&daemon->ledger);
	loop_open_leftovers(daemon->control);
	loop_timer_free(&daemon->drain_timer);
	admin_free(&daemon->admin);
	for (unsigned i = 0; i < daemon->lane_count; i++)
		lane_free(&daemon->lanes[i]);
	free(daemon->lanes);
	free(daemon->hands);
	log_event(loop_log(daemon->control), LOG_LEVEL_INFO, "stopped",
	    LOG_TEXT("version", CALLBACKD_VERSION));
	loop_free(&daemon->control);
	transfer_library_cleanup();
	gauges_free(&daemon->gauges);
	conf_unref(&daemon->conf);
}

int
main(int argc, char **argv)
{
	struct daemon daemon = { 0 };
	int ready_fd = -1;

	(void)signal(SIGCHLD, SIG_DFL); /* ignored, it would hide ends */
	options_read(argc, argv, &daemon.options);
	read_conf(&daemon);
	make_backup(&daemon);
	if (daemon.options.in_background)
		ready_fd = background_enter();
	bear(&daemon);
	start(&daemon);
	if (ready_fd >= 0)
		background_ready(ready_fd);
	loop_run(daemon.control);
	bury(&daemon);
	return EX_OK;
}
