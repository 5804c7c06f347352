/* visit.c - a turn on the thread of a loop that has nothing else to do.
 *
 * Far below full load, waking a thread on a core that sleeps costs as much as
 * the turn it is woken for. So a loop that would post its mail and wait takes
 * the turn itself. A loop that is busy posts: then two threads get more done.
 *
 * Invariants
 *  1. Whoever is in a turn holds turn_lock; a visitor never waits for it.
 *  2. A visitor's mail overtakes nothing: he is served when no other mail waits.
 *  3. He does nobody else's work: what is due already, or a chore of the store,
 *     is for the ledger's thread, which his mail then wakes.
 *  4. What becomes due before that thread would come round wakes it.
 *  5. No loop stands before a slow disk more than SLOW_MAX times in a row; the
 *     first quick commit lets visitors in again.
 *
 * Thread: a loop's, holding turn_lock.
 */
#include "callbackd/clock.h"
#include "inside.h"

#define VISIT_MAX 16        /* pieces of mail */
#define SLOW_COMMIT_US 2000 /* longer than a loop should be away */
#define SLOW_MAX 2

void
note_commit_time(struct ledger *ledger, int64_t took_us)
{
	if (took_us < SLOW_COMMIT_US)
		ledger->slow_commits = 0;
	else if (ledger->slow_commits < SLOW_MAX)
		ledger->slow_commits++;
}

static bool
is_open(struct ledger *ledger)
{
	return ledger->is_started && !atomic_load(&ledger->must_stop) &&
	    !ledger->is_sick && ledger->slow_commits < SLOW_MAX;
}

static bool
is_at_rest(struct ledger *ledger)
{
	return mailbox_is_empty(ledger->inbox) && idle_ms(ledger) > 0 &&
	    !store_has_chores(ledger->store);
}

static void
serve(struct ledger *ledger, struct mail_list *list)
{
	int64_t due_mono_ms;

	take_turn(ledger, list);
	due_mono_ms = clock_mono_ms() + rest(ledger);
	if (due_mono_ms >= ledger->wakes_mono_ms)
		return;
	ledger->wakes_mono_ms = due_mono_ms;
	mailbox_wake(ledger->inbox);
}

bool
serve_visitor(struct mail_list *list, void *arg)
{
	struct ledger *ledger = arg;
	bool is_served;

	if (list->count > VISIT_MAX ||
	    pthread_mutex_trylock(&ledger->turn_lock) != 0)
		return false;
	is_served = is_open(ledger) && is_at_rest(ledger);
	if (is_served)
		serve(ledger, list);
	pthread_mutex_unlock(&ledger->turn_lock);
	return is_served;
}
