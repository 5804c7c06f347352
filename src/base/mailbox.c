/* mailbox.c - a list under a lock, and an eventfd that says it is not empty.
 *
 * 1. Whoever makes the list non-empty writes to wake_fd, after the lock: the
 *    reader shall not run into it. One wake-up for all that came meanwhile.
 * 2. The reader drains wake_fd before it takes the list. The other order would
 *    lose the wake-up of a message posted in between; this one costs at worst
 *    a wake-up that finds nothing.
 * 3. count is the length of the list. An offer is refused at limit, an answer
 *    never.
 * 4. The box is freed when no thread can post any more: invariant 1 touches it
 *    after the message may have been read.
 *
 * Any thread posts; mailbox_take is the owner's.
 */
#include "callbackd/mailbox.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct mailbox {
	pthread_mutex_t lock;
	struct mail_list waiting; /* under lock */
	size_t limit;
	int wake_fd;
};

void
mail_list_add(struct mail_list *list, struct mail *mail)
{
	mail->next = NULL;
	if (list->last == NULL)
		list->first = mail;
	else
		list->last->next = mail;
	list->last = mail;
	list->count++;
}

struct mail *
mail_list_take(struct mail_list *list)
{
	struct mail *mail = list->first;

	if (mail == NULL)
		return NULL;
	list->first = mail->next;
	if (list->first == NULL)
		list->last = NULL;
	list->count--;
	mail->next = NULL;
	return mail;
}

void
mail_list_move(struct mail_list *list, struct mail_list *from)
{
	if (from->first == NULL)
		return;
	if (list->last == NULL)
		list->first = from->first;
	else
		list->last->next = from->first;
	list->last = from->last;
	list->count += from->count;
	*from = (struct mail_list){ 0 };
}

struct mailbox *
mailbox_new(size_t limit)
{
	struct mailbox *box = calloc(1, sizeof(*box));

	assert(limit > 0);
	if (box == NULL)
		return NULL;
	box->limit = limit;
	box->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (box->wake_fd < 0)
		goto no_descriptor;
	if (pthread_mutex_init(&box->lock, NULL) != 0)
		goto no_lock;
	return box;

no_lock:
	close(box->wake_fd);
no_descriptor:
	free(box);
	return NULL;
}

void
mailbox_free(struct mailbox **box)
{
	struct mailbox *old = *box;

	*box = NULL;
	if (old == NULL)
		return;
	assert(old->waiting.count == 0);
	pthread_mutex_destroy(&old->lock);
	close(old->wake_fd);
	free(old);
}

int
mailbox_fd(const struct mailbox *box)
{
	return box->wake_fd;
}

static void
lock_box(struct mailbox *box)
{
	int rc = pthread_mutex_lock(&box->lock);

	assert(rc == 0);
}

static void
unlock_box(struct mailbox *box)
{
	int rc = pthread_mutex_unlock(&box->lock);

	assert(rc == 0);
}

void
mailbox_wake(struct mailbox *box)
{
	const uint64_t one = 1;
	ssize_t rc;

	do
		rc = write(box->wake_fd, &one, sizeof(one));
	while (rc < 0 && errno == EINTR);
	/* A counter that is full (EAGAIN) is readable: good enough. */
	assert(rc == sizeof(one) || errno == EAGAIN);
}

bool
mailbox_offer(struct mailbox *box, struct mail *mail)
{
	bool was_empty;

	lock_box(box);
	if (box->waiting.count >= box->limit) {
		unlock_box(box);
		return false;
	}
	was_empty = box->waiting.count == 0;
	mail_list_add(&box->waiting, mail);
	unlock_box(box);
	if (was_empty)
		mailbox_wake(box);
	return true;
}

bool
mailbox_has_room(struct mailbox *box, size_t more)
{
	bool has_room;

	lock_box(box);
	has_room = box->waiting.count + more <= box->limit;
	unlock_box(box);
	return has_room;
}

void
mailbox_post(struct mailbox *box, struct mail *mail)
{
	struct mail_list list = { 0 };

	mail_list_add(&list, mail);
	mailbox_post_list(box, &list);
}

void
mailbox_post_list(struct mailbox *box, struct mail_list *list)
{
	bool was_empty;

	if (list->first == NULL)
		return;
	lock_box(box);
	was_empty = box->waiting.count == 0;
	mail_list_move(&box->waiting, list);
	unlock_box(box);
	if (was_empty)
		mailbox_wake(box);
}

bool
mailbox_is_empty(struct mailbox *box)
{
	bool is_empty;

	lock_box(box);
	is_empty = box->waiting.count == 0;
	unlock_box(box);
	return is_empty;
}

static void
drain_wake_fd(struct mailbox *box)
{
	uint64_t posted;
	ssize_t rc;

	do
		rc = read(box->wake_fd, &posted, sizeof(posted));
	while (rc < 0 && errno == EINTR);
	assert(rc == sizeof(posted) || errno == EAGAIN);
}

struct mail_list
mailbox_take(struct mailbox *box)
{
	struct mail_list taken = { 0 };

	drain_wake_fd(box);
	lock_box(box);
	mail_list_move(&taken, &box->waiting);
	unlock_box(box);
	return taken;
}
