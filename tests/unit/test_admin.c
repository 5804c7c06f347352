/* test_admin.c - does the operator hear of a thread that is stuck?
 *
 * A real admin, a real ledger and a loop with a thread of its own; each of the
 * two threads is made to wait inside a message, as it would inside a call that
 * does not return. The clock is turned by hand, so a wait that is in vain ends
 * with Check's timeout. tests/system/test_daemon.c shows the same of a daemon,
 * in real time.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "callbackd/admin.h"
#include "callbackd/clock.h"
#include "callbackd/listen.h"
#include "callbackd/text.h"
#include "http_room.h"
#include "ledger/inside.h"

#define STUCK_MS 10000 /* callbackd(8) */

/* ---- stands in for src/base/clock.c ---- */

static atomic_llong now_ms = 5000000;

int64_t
clock_wall_ms(void)
{
	return atomic_load(&now_ms) + INT64_C(1800000000000);
}

int64_t
clock_mono_ms(void)
{
	return atomic_load(&now_ms);
}

int64_t
clock_mono_us(void)
{
	return atomic_load(&now_ms) * 1000;
}

int64_t
clock_boot_ms(void)
{
	return atomic_load(&now_ms);
}

void
clock_boot_id(char out[CLOCK_BOOT_ID_SIZE])
{
	(void)snprintf(out, CLOCK_BOOT_ID_SIZE, "a boot");
}

/* ---- a daemon in small ---- */

static struct {
	struct room room; /* the control loop, turned by hand, and its port */
	struct conf *conf;
	struct metrics metrics;
	struct loop *lane;
	struct ledger_hands hands;
	struct ledger_hands *all_hands[1];
	struct http_gate client_gate;
	struct ledger *ledger;
	struct admin *admin;
} it;

static void
complain_cb(const char *line, void *arg)
{
	(void)arg;
	ck_abort_msg("%s", line);
}

static void
open_ledger(void)
{
	const struct ledger_setup setup = { .conf = it.conf,
		.metrics = &it.metrics,
		.hands = it.all_hands,
		.hands_count = 1,
		.inbox_limit = 100 };
	struct reason why;

	it.lane = loop_new(0, &it.hands);
	it.hands.loop = it.lane;
	it.all_hands[0] = &it.hands;
	it.ledger = ledger_new(&setup, &why);
	ck_assert_msg(it.ledger != NULL, "%s", why.text);
	ck_assert(ledger_start(it.ledger));
	ck_assert(loop_start(it.lane));
}

static void
open_admin(void)
{
	const struct admin_setup setup = { .loop = it.room.loop,
		.limits = &it.room.limits,
		.client_gate = &it.client_gate,
		.metrics = &it.metrics,
		.ledger = it.ledger,
		.hands = it.all_hands,
		.hands_count = 1 };
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	struct reason why;
	int fd = listen_open((struct sockaddr *)&address, len, &why);

	ck_assert_msg(fd >= 0, "%s", why.text);
	getsockname(fd, (struct sockaddr *)&address, &len);
	it.room.port = ntohs(address.sin_port);
	it.admin = admin_new(&setup);
	ck_assert_ptr_nonnull(it.admin);
	ck_assert(admin_listen(it.admin, fd));
}

static void
set_up(void)
{
	memset(&it, 0, sizeof(it));
	log_configure(LOG_LEVEL_ERROR, LOG_LOGFMT);
	it.room.limits = (struct http_limits){ .body_bytes = 1000,
		.head_bytes = 8000,
		.field_count = 100,
		.head_ms = 60000,
		.body_ms = 60000,
		.idle_ms = 60000 };
	it.room.loop = loop_new(1, NULL);
	it.conf = conf_load(NULL, complain_cb, NULL);
	ck_assert_ptr_nonnull(it.conf);
	free(it.conf->store);
	it.conf->store = text_copy("memory:");
	open_ledger();
	open_admin();
}

static void
tear_down(void)
{
	loop_stop(it.lane);
	loop_join(it.lane);
	ledger_stop(&it.ledger);
	admin_free(&it.admin);
	loop_free(&it.lane);
	loop_free(&it.room.loop);
	conf_unref(&it.conf);
}

static int
health(char body_out[16])
{
	struct client *client = client_new(&it.room);
	struct response response;
	int status;

	client_say(&it.room, client,
	    "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
	client_await(&it.room, client, false, &response);
	status = response.status;
	snprintf(body_out, 16, "%s", response.body);
	response_free(&response);
	client_free(&client);
	return status;
}

static void
expect_health(int status, const char *text)
{
	char body[16];

	ck_assert_int_eq(health(body), status);
	ck_assert_str_eq(body, text);
}

static bool
is_well(void)
{
	char body[16];

	return health(body) == 200;
}

/* ---- a thread that does not come round ---- */

struct trap {
	struct mail mail; /* first */
	sem_t entered;
	sem_t opened;
};

static void
enter_trap_cb(struct mail *mail, void *room)
{
	struct trap *trap = (struct trap *)mail;

	(void)room;
	sem_post(&trap->entered);
	while (sem_wait(&trap->opened) != 0)
		;
}

static void
spring(struct trap *trap, bool is_for_ledger)
{
	trap->mail = (struct mail){ .open = enter_trap_cb };
	sem_init(&trap->entered, 0, 0);
	sem_init(&trap->opened, 0, 0);
	if (is_for_ledger)
		mailbox_post(it.ledger->inbox, &trap->mail);
	else
		loop_post(it.lane, &trap->mail);
	while (sem_wait(&trap->entered) != 0)
		;
}

/* Lets time go by for the one that is stuck; the other comes round. */
static void
wait_for(int64_t ms, bool is_for_ledger)
{
	atomic_fetch_add(&now_ms, ms);
	if (is_for_ledger)
		ROOM_UNTIL(&it.room, loop_silent_ms(it.lane) == 0);
	else
		ROOM_UNTIL(&it.room, ledger_silent_ms(it.ledger) == 0);
}

START_TEST(a_thread_that_is_stuck_is_told_until_it_comes_round)
{
	bool is_for_ledger = _i == 1;
	struct trap trap;

	expect_health(200, "ok\n");
	spring(&trap, is_for_ledger);
	expect_health(200, "ok\n");
	wait_for(STUCK_MS, is_for_ledger);
	expect_health(200, "ok\n");
	wait_for(1, is_for_ledger);
	expect_health(503, "stuck\n");
	wait_for(1000 * STUCK_MS, is_for_ledger);
	expect_health(503, "stuck\n");
	sem_post(&trap.opened);
	ROOM_UNTIL(&it.room, is_well());
	sem_destroy(&trap.entered);
	sem_destroy(&trap.opened);
}
END_TEST

/* It waits for mail, as long as nobody writes. */
START_TEST(a_ledger_with_nothing_to_do_is_not_stuck)
{
	atomic_fetch_add(&now_ms, 1000 * STUCK_MS);
	ROOM_UNTIL(&it.room, is_well()); /* the lane comes round by itself */
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("admin");
	TCase *tcase = tcase_create("admin");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase,
	    a_thread_that_is_stuck_is_told_until_it_comes_round, 0, 2);
	tcase_add_test(tcase, a_ledger_with_nothing_to_do_is_not_stuck);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
