/* streams.c - what goes into a program and what comes out of it.
 *
 * 1. Nothing here waits: every descriptor is non-blocking, and one call moves
 *    at most what a pipe holds, so that a chatty program leaves the others
 *    their turn.
 * 2. Both outputs are always read, else a program would wait for us for ever.
 *
 * Thread: its loop's.
 */
#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "errand.h"

#define PIECE_BYTES 65536 /* of one read: what a pipe holds (pipe(7)) */

/* ---- its input ---- */

static void
end_input(struct errand *errand)
{
	loop_watch_free(&errand->in_watch);
	child_close(&errand->child.in_fd);
}

/* A program need not read what it does not want to know: EPIPE is fine. */
static void
feed(struct errand *errand)
{
	const struct blob *body = errand->entry.run->request.body;
	size_t left = blob_len(body) - errand->fed_bytes;
	ssize_t put = 0;

	if (left > 0)
		put = write(errand->child.in_fd,
		    (const char *)blob_data(body) + errand->fed_bytes, left);
	if (put < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (put > 0)
		errand->fed_bytes += (size_t)put;
	if (put < 0 || (size_t)put == left)
		end_input(errand);
}

static void
in_cb(void *arg)
{
	feed(arg);
}

/* ---- its output ---- */

static void
end_output(struct errand *errand)
{
	loop_watch_free(&errand->out_watch);
	child_close(&errand->child.out_fd);
}

/* One read of at most that much. How much it was; 0: nothing more will come, or
 * not now. */
static size_t
take_output(struct errand *errand, size_t most)
{
	char piece[PIECE_BYTES];
	ssize_t got = read(errand->child.out_fd, piece, most);
	bool is_full;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got <= 0) {
		end_output(errand);
		return 0;
	}
	if (buf_append(&errand->output, piece, (size_t)got))
		return (size_t)got;
	is_full = (size_t)got > errand->output.max - errand->output.len;
	errand_end_early(errand, is_full ? ERROR_TOO_LARGE : ERROR_INTERNAL);
	end_output(errand);
	return 0;
}

static size_t
take_errors(struct errand *errand, size_t most)
{
	char piece[PIECE_BYTES];
	ssize_t got = read(errand->child.err_fd, piece, most);

	if (got > 0) {
		tail_append(&errand->tail, piece, (size_t)got);
		return (size_t)got;
	}
	if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
		loop_watch_free(&errand->err_watch);
		child_close(&errand->child.err_fd);
	}
	return 0;
}

static void
out_cb(void *arg)
{
	(void)take_output(arg, PIECE_BYTES);
}

static void
err_cb(void *arg)
{
	(void)take_errors(arg, PIECE_BYTES);
}

/* What is in the pipe now. */
static void
drain(struct errand *errand, const int *fd,
    size_t (*take)(struct errand *errand, size_t most))
{
	int waiting = 0;
	size_t left;

	if (*fd < 0 || ioctl(*fd, FIONREAD, &waiting) < 0)
		return;
	left = waiting > 0 ? (size_t)waiting : 0;
	while (left > 0) {
		size_t got = take(errand,
		    left < PIECE_BYTES ? left : PIECE_BYTES);

		if (got == 0)
			return;
		left -= got;
	}
}

void
streams_drain(struct errand *errand)
{
	drain(errand, &errand->child.out_fd, take_output);
	drain(errand, &errand->child.err_fd, take_errors);
}

/* ---- all of them ---- */

void
streams_free_watches(struct errand *errand)
{
	loop_watch_free(&errand->in_watch);
	loop_watch_free(&errand->out_watch);
	loop_watch_free(&errand->err_watch);
}

/* Most bodies fit into the pipe at once, and need no watch. */
bool
streams_open(struct errand *errand)
{
	struct loop *loop = errand->loop;
	const struct child *child = &errand->child;

	feed(errand);
	if (child->in_fd >= 0)
		errand->in_watch = loop_watch_new(loop, child->in_fd,
		    LOOP_WISH_WRITE, in_cb, errand);
	errand->out_watch = loop_watch_new(loop, child->out_fd, LOOP_WISH_READ,
	    out_cb, errand);
	errand->err_watch = loop_watch_new(loop, child->err_fd, LOOP_WISH_READ,
	    err_cb, errand);
	return (errand->in_watch != NULL || child->in_fd < 0) &&
	    errand->out_watch != NULL && errand->err_watch != NULL;
}
