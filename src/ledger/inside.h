/* inside.h - what the files of the ledger's room share. For whoever is in a
 * turn, but for the atomics.
 *
 * A turn goes: take the mail, prepare everything that writes (store calls in
 * one transaction), claim what may run, commit; then conclude each piece, or
 * undo each piece. prepare_* change nothing but the store, the message itself,
 * slots given back and who stands in line; conclude_* and undo_* do the rest.
 */
#ifndef CALLBACKD_LEDGER_INSIDE_H
#define CALLBACKD_LEDGER_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "callbackd/hosts.h"
#include "callbackd/ledger.h"
#include "callbackd/line.h"
#include "callbackd/sched.h"
#include "fresh.h"
#include "ring.h"

#define HOST_SIZE (TARGET_HOST_SIZE + 8) /* "host:port" */

#define TURN_MAX                                                               \
	256 /* pieces a transaction: performance.md 2.4, the flat part */

enum work { WORK_RUN, WORK_POST };
#define WORK_KINDS 2
#define LEAD_MAX 8 /* of a loop before that with the least work: outbox.c */

/* Messages on their way to one loop, and what it has to do. */
struct outbox {
	struct loop *loop;
	struct mail_list list;
	int under_way[WORK_KINDS]; /* given to it, not yet ended */
};

struct ledger {
	struct conf *conf;
	struct store *store;
	struct sched *sched;
	struct hosts *hosts;
	struct metrics *metrics;
	struct log *log;
	struct ledger_hands **hands;
	unsigned hands_count;

	struct mailbox *inbox;
	struct mail_list backlog; /* taken from the inbox, not yet opened */
	struct mail wake;         /* posted once, by ledger_stop */
	struct mail drain_word;   /* posted once, by ledger_drain */
	pthread_t thread;
	bool is_started;
	pthread_mutex_t turn_lock; /* held over a turn, whoever takes it */
	int64_t wakes_mono_ms;     /* when the thread comes round by itself */
	int slow_commits;          /* durable ones in a row, see visit.c */

	/* This turn's pieces. */
	struct mail_list accepts;       /* struct order */
	struct mail_list changes;       /* struct order: other writes */
	struct mail_list lease_changes; /* struct order: of what is leased */
	struct mail_list reads;         /* struct order */
	struct mail_list hurries;       /* see holds.c */
	struct mail_list runs;          /* struct run, ended */
	struct mail_list posts;         /* struct post, ended */
	struct mail_list claims;        /* struct run, about to begin */
	bool is_writing;                /* a transaction is open */
	bool must_last;                 /* it needs a durable commit */

	/* What could not be written down yet. */
	struct mail_list unsettled_runs;
	struct mail_list unsettled_posts;
	bool is_sick;
	int64_t heal_mono_ms; /* when to try the store again */

	struct fresh fresh;    /* deliveries and jobs at hand */
	char known_origin[64]; /* see host_of in posts.c */
	size_t known_origin_len;
	char known_host[HOST_SIZE];
	struct line *due;       /* deliveries: rank due_mono_ms */
	struct line *expiring;  /* jobs: rank mono moment of expiry */
	struct line *cancelled; /* jobs whose run is void: rank 0 */
	struct line *holds;     /* see holds.c, both */
	struct line *hold_ends;
	struct ring *ring; /* what happened lately */
	struct audience
	    *audiences;        /* one a loop, outbox_count; see watches.c */
	struct leases *leases; /* see leases.c */
	struct consumers *consumers; /* see consumers.c */
	int64_t purge_cursor;
	int64_t purge_mono_ms;  /* when to look again */
	int64_t purged_mono_ms; /* when it was looked at last */
	int64_t tidy_mono_ms;

	int64_t wall_ms; /* of this turn */
	int64_t mono_ms;
	int64_t wall_offset_ms; /* wall - mono; see due_mono */

	/* See clocks.c. */
	int64_t leapt_ms; /* the wall clock was set by so much, in all */
	int64_t moved_ms; /* as far the store has followed */
	struct store_clock clock; /* as noted last */
	int64_t noted_mono_ms;    /* when that was */

	struct outbox *outboxes;
	unsigned outbox_count;

	atomic_bool is_draining;
	atomic_bool must_stop;
	atomic_bool is_well;
	atomic_llong under_way[WORK_KINDS]; /* by enum work */
	atomic_llong consumers_waiting;
	atomic_llong turn_began_ms; /* monotonic; 0: it waits */
};

/* Planned moments are stored as wall time but waited for in monotonic time. The
 * difference changes only when somebody sets the clock; what waits already is
 * not moved by it. */
int64_t due_mono(const struct ledger *ledger, int64_t at_ms);
int64_t planned_at(const struct ledger *ledger, int64_t after_ms);
/* How long ago that was, by a moment that has followed the clock; >= 0. */
int64_t age_of(const struct ledger *ledger, int64_t at_ms);

/* Opens the turn's transaction if it is not open. */
enum store_result begin_writing(struct ledger *ledger);

/* A job's place in its queue, and of its client. */
void give_place(struct ledger *ledger, const struct job *job);

/* outbox.c: which loop gets a run or a post. home: where its bytes are; NULL:
 * nowhere. */
struct loop *begin_work(struct ledger *ledger, enum work work,
    struct loop *home);
void end_work(struct ledger *ledger, enum work work, struct loop *loop);
void send_to(struct ledger *ledger, struct loop *loop, struct mail *mail);
void send_all(struct ledger *ledger);
void answer_order(struct ledger *ledger, struct order *order,
    enum order_result result);

/* ledger.c: how long nothing can happen but by mail. */
int idle_ms(struct ledger *ledger);
/* ledger.c: the turn is over. How long the thread may wait for mail. */
int rest(struct ledger *ledger);

/* visit.c: a turn on a loop's thread, for the mail it would post. */
loop_serve serve_visitor;
/* visit.c: so long did a durable commit take. */
void note_commit_time(struct ledger *ledger, int64_t took_us);

/* turn.c */
void take_turn(struct ledger *ledger, struct mail_list *arrived);
/* A turn of the ledger's own thread: then there is time for what can wait.
 * False: nothing had come. */
bool take_own_turn(struct ledger *ledger);
/* Takes each piece out of the list and hands it on. */
void empty(struct ledger *ledger, struct mail_list *list,
    void (*conclude)(struct ledger *ledger, struct mail *mail));

/* Pieces of a turn: mail is a struct order, run or post, as the name says. */

/* orders.c */
enum store_result prepare_accept(struct ledger *ledger, struct mail *mail);
void conclude_accept(struct ledger *ledger, struct mail *mail);
void undo_accept(struct ledger *ledger, struct mail *mail);

/* changes.c */
enum store_result prepare_change(struct ledger *ledger, struct mail *mail);
void conclude_change(struct ledger *ledger, struct mail *mail);
void undo_change(struct ledger *ledger, struct mail *mail);

/* leases.c: what consumers hold, and until when */
struct leases *leases_new(void); /* NULL: no memory */
void leases_free(struct leases **leases);
/* The job is held until then. False: no memory. */
bool watch_lease(struct ledger *ledger, int64_t seq, int64_t until_mono_ms);
/* It no longer is; false when it was not. */
bool forget_lease(struct ledger *ledger, int64_t seq);
/* When the first of them ends; INT64_MAX: there are none. */
int64_t leases_due_mono_ms(const struct ledger *ledger);
/* Ends those that are over: they join this turn's runs. */
enum store_result expire_leases(struct ledger *ledger);
enum store_result prepare_lease_change(struct ledger *ledger,
    struct mail *mail);
void conclude_lease_change(struct ledger *ledger, struct mail *mail);
void undo_lease_change(struct ledger *ledger, struct mail *mail);

/* consumers.c: who wants to hold something */
struct consumers *consumers_new(void); /* NULL: no memory */
void consumers_free(struct consumers **consumers);
/* An ORDER_LEASE joins those that wait. */
void consumer_arrives(struct ledger *ledger, struct order *order);
/* When something can be leased, or a wait is over, without mail. */
int64_t consumers_due_mono_ms(struct ledger *ledger);
/* Leases what may run now to those who wait; they, and those who have waited
 * for as long as they wanted, are answered in this turn. */
enum store_result lease_waiting(struct ledger *ledger);
void conclude_leases(struct ledger *ledger);
/* How long a lease of the job is; asked_ms 0: as long as one run may take. */
int64_t lease_length_ms(const struct ledger *ledger, const struct job *job,
    int64_t asked_ms);
void undo_leases(struct ledger *ledger);

/* queues.c */
enum store_result prepare_pause(struct ledger *ledger, struct order *order);
void conclude_pause(struct ledger *ledger, struct order *order);
enum store_result read_queues(struct ledger *ledger, struct order *order);
bool take_up_pauses(struct ledger *ledger); /* false: see store_why */

/* holds.c */
/* True: the order rests until its job changes or its time is up. */
bool hold_order(struct ledger *ledger, struct order *order);
/* What a client sees of the job is another now. */
void job_changed(struct ledger *ledger, const struct job *job);
void end_holds(struct ledger *ledger);
/* What nobody waits for any more: behind everything that may be held. */
void hurry_holds(struct ledger *ledger);

/* watches.c: what happens to jobs, for those who watch. After the commit. */
/* A state, and what clients see of it, is another: job_changed comes with it. */
void job_moved(struct ledger *ledger, const struct job *job);
void job_progressed(struct ledger *ledger, const struct job *job);
/* It was accepted; job is as it is by now, which may be running. */
void job_arrived(struct ledger *ledger, const struct job *job);
struct event_mark event_mark_of(const struct ledger *ledger,
    const struct event *event);
/* Whoever the order's watch is for is told of what comes behind its upto_id, if
 * that is the ring's newest now. False: no memory. */
bool begin_watch(struct ledger *ledger, struct order *order);
bool make_audiences(struct ledger *ledger, const struct ledger_setup *setup);
void free_audiences(struct ledger *ledger);

/* replays.c: answers an ORDER_WATCH. */
enum store_result read_watch(struct ledger *ledger, struct order *order);

/* reads.c */
void answer_read(struct ledger *ledger, struct order *order);
void fill_facts(struct ledger *ledger, const struct job *job,
    struct document_facts *out);
/* The delivery of the job's end, when there is one already. */
enum store_result find_delivery(struct ledger *ledger, const struct job *job,
    struct delivery *out, bool *has_out);

/* runs.c */
enum store_result prepare_run_end(struct ledger *ledger, struct mail *mail);
void conclude_run_end(struct ledger *ledger, struct mail *mail);
/* Gives up what should have started by now: joins this turn's runs. */
enum store_result expire_waiting(struct ledger *ledger);
/* Writes the job down as it is now; what was at hand of it is gone. Every change
 * of a job passes here. */
enum store_result update_job(struct ledger *ledger, const struct job *job,
    const struct payload *response);
/* Keeps a job that has joined its line at hand until its turn, if that is near:
 * facts are filled. Moves the request out of order. */
void keep_waiting(struct ledger *ledger, struct order *order);
/* The run of a job that the sched let go; NULL when there is nothing to run
 * after all. On failure the job waits again. */
enum store_result take_waiting(struct ledger *ledger, const char *queue,
    const struct waiting *waiting, struct run **run_out);
/* Takes what may run now into `claims`. */
enum store_result claim_waiting(struct ledger *ledger);
void begin_run(struct ledger *ledger, struct mail *mail);
void undo_claim(struct ledger *ledger, struct mail *mail);
/* The run is written down as begun. */
void tell_start(struct ledger *ledger, struct run *run);
/* The record of a job whose run begins now. */
void mark_started(struct ledger *ledger, struct job *job);
/* A job that is written down as queued joins its line, for the first time or
 * again. */
void wait_for_turn(struct ledger *ledger, const struct job *job);
/* One that has left it after all did not: its expiry is still watched. */
void join_line(struct ledger *ledger, const struct job *job);
/* A job that waits in the sched, for due_mono_ms, is to be given up at
 * expires_mono_ms. False: no memory. */
bool watch_expiry(struct ledger *ledger, int64_t seq, int64_t expires_mono_ms,
    int64_t due_mono_ms);
/* A request without fields and body has no payload: *out stays empty. */
enum store_result load_request(struct ledger *ledger, int64_t seq,
    struct payload *out);
/* Adds the delivery of an event when the job asked for it: *out is then it, and
 * *wanted_out true. */
enum store_result add_event(struct ledger *ledger, const struct job *job,
    enum job_event event, struct delivery *out, bool *wanted_out);

/* posts.c */
enum store_result prepare_post_end(struct ledger *ledger, struct mail *mail);
void conclude_post_end(struct ledger *ledger, struct mail *mail);
/* A pending delivery waits for its moment, or for its host. */
void plan_delivery(struct ledger *ledger, const struct delivery *delivery);
/* Keeps at hand what its delivery needs, so that it need not be read back.
 * Moves job, delivery and payloads out of run. */
void keep_fresh(struct ledger *ledger, struct run *run);
void wake_deliveries(struct ledger *ledger);
void let_deliveries_go(struct ledger *ledger);
struct hosts_rules hosts_rules_of(const struct conf *conf);

/* clocks.c */
void read_clocks(struct ledger *ledger);
/* Their moments are right by the clock of this turn from now on. */
void follow_clock_run(const struct ledger *ledger, struct run *run);
void follow_clock_post(const struct ledger *ledger, struct post *post);
enum store_result follow_clock_store(struct ledger *ledger);
/* Writes down what the clocks show, for the next start: with a transaction that
 * is open anyway, now and then; or by itself. */
enum store_result note_clocks_along(struct ledger *ledger);
bool clocks_are_to_be_noted(struct ledger *ledger);
enum store_result note_clocks_alone(struct ledger *ledger);
/* What has ended before may be purged. */
int64_t purge_before(const struct ledger *ledger);
bool take_up_clock(struct ledger *ledger); /* false: see store_why */
void leave_clock(struct ledger *ledger);

/* recover.c */
bool take_up_unfinished(struct ledger *ledger, struct reason *why_out);

#endif
