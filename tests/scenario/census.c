/* census.c - do the books, the counters and the network agree?
 *
 * Counted from the rows of the store, at every moment when the ledger would
 * wait:
 *  1. accepted = queued + running + ended.
 *  2. A queue's gauge counts as queued and running what the store does; a job
 *     that was given up but could not yet be written down no longer waits.
 *  3. Its places are those of the jobs that wait or may come back.
 *  4. Every running job is in exactly one run, or its run's end waits for the
 *     store, or a consumer has a lease of it. A run of a job that was cancelled
 *     keeps its slot until it has ended, too.
 *  5. A loop has as much under way as the ledger believes.
 *  6. Every pending delivery waits for its moment, for its host, or is under
 *     way: in one of them.
 */
#include "world.h"

#include <check.h>
#include <string.h>

#include "ledger/inside.h"
#include "world_inside.h"

struct census {
	const char *queue;
	int64_t queued, running, leased, places, bytes;
};

static bool
count_job(const struct open_job *job, void *arg)
{
	struct census *census = arg;
	bool is_running = job->status == JOB_RUNNING;

	if (strcmp(job->queue, census->queue) != 0)
		return true;
	census->queued += !is_running;
	census->running += is_running;
	census->leased += is_running && job->lease_until_ms >= 0;
	if (is_running && job->attempts >= job->max_attempts)
		return true;
	census->places++;
	census->bytes += job->request_bytes;
	return true;
}

/* Of that queue; NULL: of all. */
static int64_t
unsettled(const char *queue, bool never_ran)
{
	int64_t count = 0;

	for (struct mail *mail = world_ledger()->unsettled_runs.first;
	     mail != NULL; mail = mail->next) {
		const struct run *run = (const struct run *)mail;

		if (run->never_ran == never_ran && !run->was_leased &&
		    (queue == NULL || strcmp(run->job.queue, queue) == 0))
			count++;
	}
	return count;
}

/* Runs of that queue, NULL: of all, whose jobs were cancelled meanwhile. */
static int64_t
void_runs(const char *queue)
{
	const struct ledger *ledger = world_ledger();
	int64_t count = 0;
	int64_t rank;

	for (int i = 0; i < runs_under_way(); i++)
		count += line_find(ledger->cancelled, run_at(i).seq, &rank) &&
		    (queue == NULL ||
			strcmp(run_of(run_at(i))->job.queue, queue) == 0);
	for (struct mail *mail = ledger->unsettled_runs.first; mail != NULL;
	     mail = mail->next) {
		const struct run *run = (const struct run *)mail;

		count += (run->is_void ||
			     line_find(ledger->cancelled, run->job.id.seq,
				 &rank)) &&
		    (queue == NULL || strcmp(run->job.queue, queue) == 0);
	}
	return count;
}

/* Gives how many of its jobs run on loops. */
static int64_t
check_queue(const struct conf_queue *queue, int64_t *leased)
{
	struct census census = { .queue = queue->name };
	const struct queue_gauge *gauge = queue->gauge;

	if (store_each_open_job(world_ledger()->store, count_job, &census) !=
	    STORE_OK)
		return 0;
	if (gauge == NULL) /* not configured since the start */
		return census.running - census.leased;
	ck_assert_int_eq(gauge->queued,
	    census.queued - unsettled(queue->name, true));
	ck_assert_int_eq(gauge->running,
	    census.running + void_runs(queue->name));
	ck_assert_int_eq(gauge->places, census.places);
	ck_assert_int_eq(gauge->place_bytes, census.bytes);
	*leased += census.leased;
	return census.running - census.leased;
}

static void
check_books(int64_t running, int64_t leased)
{
	struct ledger *ledger = world_ledger();
	struct store_books books;

	ck_assert_int_eq(ledger_runs_under_way(ledger),
	    runs_under_way() + unsettled(NULL, false));
	if (store_count(ledger->store, &books) != STORE_OK)
		return;
	ck_assert_int_eq(books.accepted - books.ended,
	    books.counted_queued + books.counted_running);
	ck_assert_int_eq(books.counted_running, running + leased);
	ck_assert_int_eq(ledger_runs_under_way(ledger),
	    running + void_runs(NULL));
}

static bool
count_delivery(const struct open_delivery *delivery, void *arg)
{
	int64_t *count = arg;

	*count += delivery->state == DELIVERY_PENDING;
	return true;
}

static void
check_deliveries(void)
{
	struct ledger *ledger = world_ledger();
	int64_t count = 0;

	ck_assert_int_eq(ledger_posts_under_way(ledger),
	    posts_under_way() + (int64_t)ledger->unsettled_posts.count);
	if (store_each_open_delivery(ledger->store, count_delivery, &count) !=
	    STORE_OK)
		return;
	ck_assert_int_eq(line_count(ledger->due) +
		hosts_waiting(ledger->hosts) + ledger_posts_under_way(ledger),
	    count);
}

static void
check_loop(const struct outbox *outbox, struct ledger *ledger)
{
	int runs = 0;
	int posts = 0;

	for (int i = 0; i < runs_under_way(); i++)
		runs += run_of(run_at(i))->loop == outbox->loop;
	for (struct mail *mail = ledger->unsettled_runs.first; mail != NULL;
	     mail = mail->next) {
		const struct run *run = (const struct run *)mail;

		runs += !run->never_ran && !run->was_leased &&
		    run->loop == outbox->loop;
	}
	for (int i = 0; i < posts_under_way(); i++)
		posts += post_at(i)->loop == outbox->loop;
	for (struct mail *mail = ledger->unsettled_posts.first; mail != NULL;
	     mail = mail->next)
		posts += ((const struct post *)mail)->loop == outbox->loop;
	ck_assert_int_eq(outbox->under_way[WORK_RUN], runs);
	ck_assert_int_eq(outbox->under_way[WORK_POST], posts);
}

void
check_world(void)
{
	int64_t running = 0;
	int64_t leased = 0;

	for (size_t i = 0; i < all_queues_count(); i++)
		running += check_queue(&world_conf()->queues[i], &leased);
	check_books(running, leased);
	check_deliveries();
	for (unsigned i = 0; i < world_ledger()->outbox_count; i++)
		check_loop(&world_ledger()->outboxes[i], world_ledger());
}

void
nothing_is_held(const char *queue)
{
	const struct queue_gauge *gauge = gauge_of(queue);

	ck_assert_int_eq(gauge->places, 0);
	ck_assert_int_eq(gauge->place_bytes, 0);
	ck_assert_int_eq(gauge->queued, 0);
	ck_assert_int_eq(gauge->running, 0);
}
