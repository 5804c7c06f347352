/* blob.c - bodies that are counted instead of copied.
 *
 * 1. Nothing but holders changes after the maker has returned the blob.
 * 2. bytes points behind the struct, or to memory taken over from a buf, which
 *    is then in taken and freed with the blob.
 *
 * Any thread that holds a reference.
 */
#include "callbackd/blob.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct blob {
	atomic_size_t holders;
	size_t len;
	const char *bytes;
	char *taken; /* NULL when the bytes are in own */
	char own[];
};

/* Room for own_len bytes behind the struct; one holder. */
static struct blob *
make(size_t own_len)
{
	struct blob *blob;

	if (own_len > SIZE_MAX - sizeof(*blob))
		return NULL;
	blob = malloc(sizeof(*blob) + own_len);
	if (blob == NULL)
		return NULL;
	atomic_init(&blob->holders, 1);
	blob->len = 0;
	blob->bytes = "";
	blob->taken = NULL;
	return blob;
}

struct blob *
blob_new(const void *bytes, size_t len)
{
	struct blob *blob = make(len);

	if (blob == NULL || len == 0)
		return blob;
	memcpy(blob->own, bytes, len);
	blob->bytes = blob->own;
	blob->len = len;
	return blob;
}

struct blob *
blob_from_buf(struct buf *buf)
{
	struct blob *blob = make(0);

	if (blob == NULL)
		return NULL;
	if (buf->data != NULL) {
		blob->len = buf->len;
		blob->taken = buf_take(buf);
		blob->bytes = blob->taken;
	}
	return blob;
}

struct blob *
blob_ref(struct blob *blob)
{
	if (blob != NULL)
		atomic_fetch_add_explicit(&blob->holders, 1,
		    memory_order_relaxed);
	return blob;
}

void
blob_unref(struct blob **blob)
{
	struct blob *held = *blob;
	size_t before;

	*blob = NULL;
	if (held == NULL)
		return;
	/* Release our reads, acquire everyone's: the last one may free. */
	before = atomic_fetch_sub_explicit(&held->holders, 1,
	    memory_order_acq_rel);
	assert(before > 0);
	if (before > 1)
		return;
	free(held->taken);
	free(held);
}

const void *
blob_data(const struct blob *blob)
{
	return blob != NULL ? blob->bytes : "";
}

size_t
blob_len(const struct blob *blob)
{
	return blob != NULL ? blob->len : 0;
}
