/* harness.h - a callbackd of our own, with an upstream and a receiver.
 *
 * A world is one test case's: a folder, a configuration file, the daemon, and
 * the two peers that refuse, stall, cut and lie (tests/peers). Everything
 * listens on a port that the kernel chose. The programs are found through the
 * environment:
 *
 *   CALLBACKD        the daemon; ./callbackd
 *   CALLBACKD_PEERS  folder of upstream and receiver; tests/peers
 *   TMPDIR           where the folders go; /tmp
 *
 * A world that is not closed because its case failed stays on disk, and
 * harness_run shows the end of the daemon's log.
 */
#ifndef TESTS_SYSTEM_HARNESS_H
#define TESTS_SYSTEM_HARNESS_H

#include <check.h>
#include <stdbool.h>

#include "client.h"
#include "patience.h"
#include "process.h"

#define ADDRESS_TEXT_SIZE 160

/* Signs what the receiver verifies. */
#define SECRET_TEXT "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="

/* What a case wants otherwise than usual; NULL: as below. */
struct setup {
	const char *listen;   /* "127.0.0.1:0" */
	const char *top;      /* further top-level settings */
	const char *store;    /* "sqlite:callbackd.db" */
	const char *queue;    /* of queue "mill" at /mill/: QUEUE_USUAL */
	const char *callback; /* CALLBACK_USUAL; the secret comes by itself */
	const char *more;     /* further sections; %s is the upstream's URL */
	bool no_upstream;     /* nobody listens at the queue's upstream */
};

#define QUEUE_USUAL                                                            \
	"concurrency = 8\n attempts = 3\n timeout = \"20s\"\n"                 \
	" backoff { initial = \"20ms\" max = \"60ms\" factor = 2.0 }\n"
#define LOOPBACK_ALLOWED " allow = {\"127.0.0.0/8\"}\n"
#define CALLBACK_USUAL                                                         \
	LOOPBACK_ALLOWED " schedule = {\"30ms\", \"30ms\", \"30ms\"}\n"        \
			 " timeout = \"10s\"\n"

struct peer {
	struct process process;
	char log_path[PATH_SIZE];        /* one JSON line a request */
	char address[ADDRESS_TEXT_SIZE]; /* "127.0.0.1:PORT" */
	char url[ADDRESS_TEXT_SIZE];     /* "http://127.0.0.1:PORT" */
};

struct world {
	char folder[PATH_SIZE];
	char conf_path[PATH_SIZE];
	struct peer upstream;
	struct peer receiver;
	struct process daemon;
	int starts;                  /* of the daemon so far */
	char api[ADDRESS_TEXT_SIZE]; /* where it listens now */
	char admin[ADDRESS_TEXT_SIZE];
};

/* Makes the folder, starts the peers and the daemon; it is ready. setup NULL:
 * everything as usual. */
void world_open(struct world *world, const struct setup *setup);

/* The same without starting the daemon. */
void world_prepare(struct world *world, const struct setup *setup);

/* Stops the daemon by SIGTERM and demands a clean end; stops the peers; removes
 * the folder. */
void world_close(struct world *world);

/* Writes the configuration file anew. */
void world_configure(struct world *world, const struct setup *setup);

/* Starts it, waits until it listens and GET /readyz is 200. */
void daemon_start(struct world *world);
/* SIGTERM; exit 0 and no sanitizer has spoken. */
void daemon_stop(struct world *world);
/* Demands exit 0 and a clean log of a daemon that was told to end. */
void daemon_expect_clean_end(struct world *world);
/* SIGHUP, and waits until it has taken or refused its configuration. Returns how
 * often it had to be asked: see harness.c. */
int daemon_reload(struct world *world);
/* SIGKILL: no farewell. */
void daemon_kill(struct world *world);
/* Fails the case when a sanitizer has spoken in that log. */
void log_expect_clean(const char *path);
/* The address behind event=listening room=ROOM; false while there is none. */
bool log_listens(const char *path, const char *room,
    char out[ADDRESS_TEXT_SIZE]);

/* The programs' absolute paths. */
const char *daemon_program(void);

void peer_start(struct world *world, struct peer *peer, const char *name);
/* Stops one that nothing is expected of any more; peer_start may follow, on
 * another port. */
void peer_stop(struct peer *peer);

/* A request to the daemon's API on a connection of its own. */
void api(struct world *world, const char *method, const char *target,
    const char *fields, const char *body, struct reply *out);
/* The same to the admin listener. */
void admin(struct world *world, const char *method, const char *target,
    struct reply *out);
/* The value of a metric without labels, or with exactly those; -1: absent. */
double metric(struct world *world, const char *name);

/* Runs the cases and says so as Check does; the exit status. */
int harness_run(const char *name, const TTest *const *cases, int count);
/* The same for cases that may last case_ms (stretched) each. */
int harness_run_for(const char *name, const TTest *const *cases, int count,
    int64_t case_ms);
#define HARNESS_RUN(name, cases)                                               \
	harness_run(name, cases, (int)(sizeof(cases) / sizeof((cases)[0])))

#endif
