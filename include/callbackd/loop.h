/* loop.h - one thread that waits for sockets, timers and mail.
 *
 * A connection, a run and a delivery live and die on one loop. Everything here
 * but loop_post, loop_offer and loop_stop belongs to the loop's own thread (or
 * to the maker, before loop_start). The room passed to loop_new is handed to
 * each message's open().
 */
#ifndef CALLBACKD_LOOP_H
#define CALLBACKD_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "callbackd/log.h"
#include "callbackd/mailbox.h"

struct event_base; /* libevent's; for rooms that own a door to a library */
struct loop;       /* opaque */

/* Once, by main, before the first loop: libevent's complaints go to our log,
 * and its fatal errors abort. */
void loop_library_init(void);

/* NULL when memory or descriptors are out. */
struct loop *loop_new(unsigned index, void *room);

/* Opens what still waits, on this thread: after the loop has stopped and while
 * its room is whole. */
void loop_open_leftovers(struct loop *loop);

/* Not running, no timers and watches left, nobody posts any more. Mail that still waits is
 * opened first, so what it needs of the room must be alive. */
void loop_free(struct loop **loop);

bool loop_start(struct loop *loop); /* a thread of its own */
void loop_run(struct loop *loop);   /* this thread, until loop_stop */
void loop_stop(struct loop *loop);  /* any thread */
void loop_join(struct loop *loop);  /* after loop_start */

/* Any thread; see mailbox.h for which of the two. */
bool loop_offer(struct loop *loop, struct mail *mail);
void loop_post(struct loop *loop, struct mail *mail);
void loop_post_list(struct loop *loop, struct mail_list *list);

/* Mail from this loop to another box. What a turn sends leaves when the loop has
 * nothing else to do, but after a few turns at the latest: many messages wake
 * their reader once, and the busier the loop, the more. Outside a turn it leaves
 * at once. Whatever must not overtake such mail has to go the same way.
 * loop_send_offer is refused as mailbox_offer is. */
bool loop_send_offer(struct loop *loop, struct mailbox *to, struct mail *mail);
void loop_send(struct loop *loop, struct mailbox *to, struct mail *mail);

/* How such mail may be dealt with by this thread, when it has nothing else to
 * do, in place of waking the one that owns the box: serve takes all of list, or
 * leaves it and says false. Before loop_start; for one box. */
typedef bool loop_serve(struct mail_list *list, void *arg);
void loop_on_idle(struct loop *loop, struct mailbox *to, loop_serve *serve,
    void *arg);

unsigned loop_index(const struct loop *loop);
struct log *loop_log(struct loop *loop);
struct event_base *loop_base(struct loop *loop);

/* Moments of this turn, read once a turn. */
int64_t loop_wall_ms(struct loop *loop);
int64_t loop_mono_ms(struct loop *loop);

/* Milliseconds since the loop last came round, which an idle loop does every
 * second; for the watchdog. Any thread. */
int64_t loop_silent_ms(struct loop *loop);

/* Timers: one shot. Setting again moves it; 0 is "next turn". Counted from the
 * moment of this turn and never early by loop_mono_ms. fire may set, stop or
 * free its own timer. loop_timer_new gives NULL when memory is out. */
struct loop_timer;
struct loop_timer *loop_timer_new(struct loop *loop, void (*fire)(void *arg),
    void *arg);
void loop_timer_set(struct loop_timer *timer, int64_t after_ms);
void loop_timer_stop(struct loop_timer *timer);
void loop_timer_free(struct loop_timer **timer);

/* Descriptors: fire is called in each turn in which fd can be read, or written,
 * without waiting; an end or an error counts as both. fd is borrowed, and is
 * closed only after its watch is freed. It is non-blocking: rarely, fire is
 * called for nothing. fire may free its own watch and others. loop_watch_new
 * gives NULL when memory is out. */
enum loop_wish { LOOP_WISH_READ, LOOP_WISH_WRITE };
struct loop_watch;
struct loop_watch *loop_watch_new(struct loop *loop, int fd,
    enum loop_wish wish, void (*fire)(void *arg), void *arg);
void loop_watch_free(struct loop_watch **watch);

/* Signals, for the loop of the main thread only. */
bool loop_on_signal(struct loop *loop, int signal_number,
    void (*fire)(int signal_number, void *arg), void *arg);

#endif
