/* random.c - bits from getrandom(2), drawn in small stocks.
 *
 * 1. A byte is handed out once and wiped from the stock, so that neither a
 *    second draw nor a core file shows an id or a secret again.
 * 2. A stock belongs to one thread; the one mutable static of this file.
 *
 * A forked child shares the stock of its parent: it must exec or exit, not
 * draw.
 */
#include "callbackd/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* getrandom(2) never gives short or interrupted answers up to 256 bytes. */
enum { STOCK_BYTES = 256 };

struct stock {
	unsigned char bytes[STOCK_BYTES];
	size_t left; /* unused bytes, at the end of bytes */
};

static _Thread_local struct stock stock;

static void
draw_from_kernel(unsigned char *out, size_t len)
{
	while (len > 0) {
		ssize_t got = getrandom(out, len, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			abort(); /* ids that repeat would be worse */
		out += got;
		len -= (size_t)got;
	}
}

void
random_bytes(void *out, size_t len)
{
	unsigned char *from;

	if (len > STOCK_BYTES) {
		draw_from_kernel(out, len);
		return;
	}
	if (len > stock.left) {
		draw_from_kernel(stock.bytes, STOCK_BYTES);
		stock.left = STOCK_BYTES;
	}
	from = stock.bytes + (STOCK_BYTES - stock.left);
	memcpy(out, from, len);
	explicit_bzero(from, len);
	stock.left -= len;
}

uint32_t
random_u32(void)
{
	uint32_t bits;

	random_bytes(&bits, sizeof(bits));
	return bits;
}

uint64_t
random_u64(void)
{
	uint64_t bits;

	random_bytes(&bits, sizeof(bits));
	return bits;
}
