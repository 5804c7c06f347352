/* blob.h - a body: immutable bytes that several threads may hold at once.
 *
 * A body is written once, by its maker, and then only counted. That is why it
 * may cross threads without a copy. The count is atomic; the bytes are never
 * changed after the blob exists.
 */
#ifndef CALLBACKD_BLOB_H
#define CALLBACKD_BLOB_H

#include <stddef.h>

#include "callbackd/buf.h"

struct blob; /* opaque */

/* Copies len bytes. NULL when memory is out. len may be 0. */
struct blob *blob_new(const void *bytes, size_t len);

/* Takes the memory of buf, without a copy, and leaves buf empty.
 * NULL when memory is out; buf then keeps its content. */
struct blob *blob_from_buf(struct buf *buf);

/* One more holder; returns blob. NULL stays NULL. */
struct blob *blob_ref(struct blob *blob);

/* One holder less; the last one frees. Leaves *blob NULL. NULL is fine. */
void blob_unref(struct blob **blob);

/* The bytes and their count. A NULL blob is empty: data "" and length 0. */
const void *blob_data(const struct blob *blob);
size_t blob_len(const struct blob *blob);

#endif
