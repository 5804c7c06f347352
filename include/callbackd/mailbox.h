/* mailbox.h - how one thread gives something to another.
 *
 * A message changes owner when it is posted. Every lock is in here, but the one
 * over a turn of the ledger. A box wakes its owner through a descriptor that
 * becomes readable, and only when the box was empty: many messages cost one
 * wake-up.
 */
#ifndef CALLBACKD_MAILBOX_H
#define CALLBACKD_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>

/* Put first into whatever travels. open() runs on the receiving thread, owns
 * the message from then on, and gets the owner of the box as room. */
struct mail {
	struct mail *next;
	void (*open)(struct mail *mail, void *room);
};

/* Several messages on their way to one box: posted as one. */
struct mail_list {
	struct mail *first;
	struct mail *last;
	size_t count;
};
void mail_list_add(struct mail_list *list, struct mail *mail);
struct mail *mail_list_take(struct mail_list *list); /* NULL when empty */
/* Moves all of from to the end of list and leaves from empty. */
void mail_list_move(struct mail_list *list, struct mail_list *from);

struct mailbox; /* opaque */

/* limit bounds what mailbox_offer lets in; at least 1. NULL: no memory or no
 * descriptor. */
struct mailbox *mailbox_new(size_t limit);
void mailbox_free(struct mailbox **box); /* must be empty */

/* Readable while something waits. Poll it, then mailbox_take. */
int mailbox_fd(const struct mailbox *box);

/* Something new: refused (false, the caller keeps it) when limit messages
 * already wait. Any thread. */
bool mailbox_offer(struct mailbox *box, struct mail *mail);

/* True when more further messages would be let in now. Any thread. */
bool mailbox_has_room(struct mailbox *box, size_t more);

/* Answers to what was let in before: always taken, since the room for them was
 * set aside with the question. Any thread. Leaves list empty. */
void mailbox_post(struct mailbox *box, struct mail *mail);
void mailbox_post_list(struct mailbox *box, struct mail_list *list);

/* True when nothing waits: cheaper than to poll. Any thread, for which it may
 * be past as soon as it is said. */
bool mailbox_is_empty(struct mailbox *box);

/* Makes mailbox_fd readable though nothing waits. Any thread. */
void mailbox_wake(struct mailbox *box);

/* All that waits, oldest first. Owner only. */
struct mail_list mailbox_take(struct mailbox *box);

#endif
