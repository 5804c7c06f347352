/* outbox.c - what goes to which loop.
 *
 * 1. Mail of one turn leaves together, behind the commit.
 * 2. A run or a post goes to the loop that has its bytes, unless that has
 *    LEAD_MAX more of the same to do than another. The ends of runs come in
 *    company, and so would the posts that they cause: a loop whose share is 32
 *    had 64 under way, and kept memory for as many. What has no bytes anywhere
 *    goes to the first of the idlest, whose memory is warm.
 *
 * Thread: the one in a turn of the ledger.
 */
#include "inside.h"

static struct outbox *
outbox_of(struct ledger *ledger, const struct loop *loop)
{
	for (unsigned i = 0; i < ledger->outbox_count; i++)
		if (ledger->outboxes[i].loop == loop)
			return &ledger->outboxes[i];
	return NULL;
}

/* ---- who does what ---- */

static struct outbox *
idlest(struct ledger *ledger, enum work work)
{
	struct outbox *found = &ledger->outboxes[0];

	for (unsigned i = 1; i < ledger->outbox_count; i++)
		if (ledger->outboxes[i].under_way[work] <
		    found->under_way[work])
			found = &ledger->outboxes[i];
	return found;
}

struct loop *
begin_work(struct ledger *ledger, enum work work, struct loop *home)
{
	struct outbox *outbox = outbox_of(ledger, home);
	struct outbox *other = idlest(ledger, work);

	if (outbox == NULL ||
	    outbox->under_way[work] >= other->under_way[work] + LEAD_MAX)
		outbox = other;
	outbox->under_way[work]++;
	atomic_fetch_add(&ledger->under_way[work], 1);
	return outbox->loop;
}

void
end_work(struct ledger *ledger, enum work work, struct loop *loop)
{
	outbox_of(ledger, loop)->under_way[work]--;
	atomic_fetch_sub(&ledger->under_way[work], 1);
}

/* ---- mail out ---- */

void
send_to(struct ledger *ledger, struct loop *loop, struct mail *mail)
{
	struct outbox *outbox = outbox_of(ledger, loop);

	if (outbox != NULL)
		mail_list_add(&outbox->list, mail);
	else
		loop_post(loop, mail);
}

void
send_all(struct ledger *ledger)
{
	for (unsigned i = 0; i < ledger->outbox_count; i++) {
		struct outbox *outbox = &ledger->outboxes[i];

		if (outbox->list.count > 0)
			loop_post_list(outbox->loop, &outbox->list);
	}
}

static void
order_answered_cb(struct mail *mail, void *room)
{
	struct order *order = (struct order *)mail;

	(void)room;
	order->answered(order);
}

void
answer_order(struct ledger *ledger, struct order *order,
    enum order_result result)
{
	order->result = result;
	order->mail.open = order_answered_cb;
	send_to(ledger, order->from, &order->mail);
}
