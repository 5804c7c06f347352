/* clocks.c - the ledger's moments, whoever sets the clock, and whenever.
 *
 * What waits is written down with its wall time and waited for in monotonic
 * time. Who sets the wall clock moves nobody; so what is written of waits has to
 * follow the clock:
 *
 *     ── running ──┬── running ──► stop ──┬── start ──► running
 *         set by L, seen against       set by L, seen against
 *         the monotonic clock          what the store remembers
 *
 * Over a restart, what the clocks showed is in the store (struct store_clock).
 * On the same boot of the kernel the boot clock says how long it took. Over a
 * reboot nobody knows: the wall clock is believed, unless it has gone back, or
 * forward by more than a machine is off. Then nothing is taken to have passed.
 *
 * Invariants
 *  1. Moments of waits in the store are right by the wall clock as it had been
 *     set by moved_ms since the start; nothing is written before they have
 *     followed it to leapt_ms.
 *  2. A run or post knows by how much the clock had been set when its moments
 *     were right, and follows before they are used or written.
 *
 * Thread: the one in a turn of the ledger; take_up_clock and leave_clock: before
 * the first and after the last.
 */
#include "callbackd/clock.h"

#include <stdlib.h>
#include <string.h>

#include "inside.h"

#define LEAP_MS 1000 /* of the wall clock against another one */
#define NOTE_MS                                                                \
	5000               /* between two notes of the clocks, while there are
			  * transactions; */
#define NOTE_IDLE_MS 60000 /* while there are none, but something waits */
#define OFF_MAX_MS (INT64_C(30) * 24 * 3600 * 1000) /* a machine is */

int64_t
due_mono(const struct ledger *ledger, int64_t at_ms)
{
	return at_ms - ledger->wall_offset_ms;
}

int64_t
planned_at(const struct ledger *ledger, int64_t after_ms)
{
	return ledger->mono_ms + after_ms + ledger->wall_offset_ms;
}

int64_t
age_of(const struct ledger *ledger, int64_t at_ms)
{
	int64_t age_ms = ledger->wall_ms - at_ms;

	return age_ms < 0 ? 0 : age_ms;
}

/* ---- the clock is set ---- */

/* What has ended is not moved: set forward, the clock makes it seem older than
 * it is, which purge_before takes back; set back, it makes it seem younger,
 * which only keeps it longer. */
static void
note_ended(struct store_clock *clock, int64_t at_ms, int64_t leap_ms)
{
	if (clock->set_at_ms < at_ms)
		clock->set_at_ms = at_ms;
	clock->forward_ms += leap_ms;
	if (clock->forward_ms < 0)
		clock->forward_ms = 0;
}

int64_t
purge_before(const struct ledger *ledger)
{
	const struct store_clock *clock = &ledger->clock;
	int64_t before_ms = ledger->wall_ms - ledger->conf->retention_ms;

	if (before_ms <= clock->set_at_ms + clock->forward_ms)
		before_ms -= clock->forward_ms;
	return before_ms;
}

static void
log_leap(struct ledger *ledger, int64_t leap_ms)
{
	log_event(ledger->log, LOG_LEVEL_WARN, "clock_set",
	    LOG_INT("leap_ms", leap_ms));
}

static bool
is_leap(int64_t leap_ms)
{
	return leap_ms > LEAP_MS || leap_ms < -LEAP_MS;
}

/* From now on planned moments are written down as the clock shows them. Copies
 * of what waits are for speed only, and have the moments of before. */
static void
leap(struct ledger *ledger, int64_t leap_ms)
{
	note_ended(&ledger->clock, planned_at(ledger, 0), leap_ms);
	fresh_clear(&ledger->fresh);
	ledger->leapt_ms += leap_ms;
	ledger->wall_offset_ms += leap_ms;
	log_leap(ledger, leap_ms);
}

/* Less than LEAP_MS is lived with, so that the turn's two moments always have
 * the one difference. */
void
read_clocks(struct ledger *ledger)
{
	int64_t leap_ms;

	ledger->mono_ms = clock_mono_ms();
	leap_ms = clock_wall_ms() - planned_at(ledger, 0);
	if (is_leap(leap_ms))
		leap(ledger, leap_ms);
	ledger->wall_ms = planned_at(ledger, 0);
}

/* ---- in memory ---- */

static void
move(int64_t *at_ms, int64_t by_ms)
{
	if (*at_ms >= 0)
		*at_ms += by_ms;
}

void
follow_clock_run(const struct ledger *ledger, struct run *run)
{
	int64_t by_ms = ledger->leapt_ms - run->leapt_ms;

	run->leapt_ms = ledger->leapt_ms;
	move(&run->job.run_at_ms, by_ms);
	move(&run->job.started_at_ms, by_ms);
	move(&run->job.expires_at_ms, by_ms);
}

void
follow_clock_post(const struct ledger *ledger, struct post *post)
{
	int64_t by_ms = ledger->leapt_ms - post->leapt_ms;

	post->leapt_ms = ledger->leapt_ms;
	move(&post->delivery.schedule_at_ms, by_ms);
	move(&post->delivery.next_at_ms, by_ms);
}

/* ---- in the store ---- */

/* As of the turn: a wall clock that was set since is for the next one. */
static enum store_result
note_clocks(struct ledger *ledger)
{
	struct store_clock *clock = &ledger->clock;

	clock->boot_ms = clock_boot_ms();
	clock->wall_ms = clock_mono_ms() + ledger->wall_offset_ms;
	ledger->noted_mono_ms = ledger->mono_ms;
	return store_set_clock(ledger->store, clock);
}

/* The transaction that is kept with it sets moved_ms: turn.c. */
enum store_result
follow_clock_store(struct ledger *ledger)
{
	int64_t by_ms = ledger->leapt_ms - ledger->moved_ms;
	enum store_result result;

	if (by_ms == 0)
		return STORE_OK;
	result = begin_writing(ledger);
	if (result == STORE_OK)
		result = store_move_waits(ledger->store, by_ms);
	return result == STORE_OK ? note_clocks(ledger) : result;
}

enum store_result
note_clocks_along(struct ledger *ledger)
{
	if (!ledger->is_writing ||
	    ledger->mono_ms - ledger->noted_mono_ms < NOTE_MS)
		return STORE_OK;
	return note_clocks(ledger);
}

static bool
something_waits(struct ledger *ledger)
{
	return line_first(ledger->due) != NULL ||
	    line_first(ledger->expiring) != NULL ||
	    leases_due_mono_ms(ledger) != INT64_MAX ||
	    sched_due_mono_ms(ledger->sched) != INT64_MAX;
}

bool
clocks_are_to_be_noted(struct ledger *ledger)
{
	return ledger->mono_ms - ledger->noted_mono_ms >= NOTE_IDLE_MS &&
	    ledger->moved_ms == ledger->leapt_ms && something_waits(ledger);
}

enum store_result
note_clocks_alone(struct ledger *ledger)
{
	enum store_result result = store_begin(ledger->store);

	if (result == STORE_OK)
		result = note_clocks(ledger);
	if (result == STORE_OK)
		return store_commit(ledger->store, false);
	store_rollback(ledger->store);
	return result;
}

/* ---- start and end ---- */

/* By how much the wall clock was set since that was noted. */
static int64_t
leap_since(const struct store_clock *noted, const struct ledger *ledger)
{
	int64_t wall_ms = ledger->wall_ms - noted->wall_ms;
	int64_t boot_ms = ledger->clock.boot_ms - noted->boot_ms;

	if (noted->boot_id[0] != '\0' && boot_ms >= 0 &&
	    strcmp(noted->boot_id, ledger->clock.boot_id) == 0)
		return wall_ms - boot_ms;
	return wall_ms < 0 || wall_ms > OFF_MAX_MS ? wall_ms : 0;
}

static enum store_result
move_all(struct ledger *ledger, int64_t leap_ms)
{
	enum store_result result = store_begin(ledger->store);

	if (result == STORE_OK)
		result = store_move_waits(ledger->store, leap_ms);
	if (result == STORE_OK)
		result = note_clocks(ledger);
	if (result == STORE_OK)
		return store_commit(ledger->store, true);
	store_rollback(ledger->store);
	return result;
}

/* Nothing is written without a leap: a start needs no disk that works. */
bool
take_up_clock(struct ledger *ledger)
{
	struct store_clock noted;
	enum store_result result = store_get_clock(ledger->store, &noted);
	int64_t leap_ms;

	clock_boot_id(ledger->clock.boot_id);
	ledger->clock.boot_ms = clock_boot_ms();
	ledger->clock.set_at_ms = -1;
	ledger->noted_mono_ms = ledger->mono_ms - NOTE_MS;
	if (result != STORE_OK)
		return result == STORE_MISSING;
	ledger->clock.set_at_ms = noted.set_at_ms;
	ledger->clock.forward_ms = noted.forward_ms;
	leap_ms = leap_since(&noted, ledger);
	if (!is_leap(leap_ms))
		return true;
	note_ended(&ledger->clock, ledger->wall_ms - leap_ms, leap_ms);
	log_leap(ledger, leap_ms);
	return move_all(ledger, leap_ms) == STORE_OK;
}

void
leave_clock(struct ledger *ledger)
{
	if (!ledger->is_sick && ledger->moved_ms == ledger->leapt_ms)
		(void)note_clocks_alone(ledger);
}
