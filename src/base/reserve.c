/* reserve.c - memory for libraries that take it for granted.
 *
 * 1. The reserve is given up by one thread, once, before anybody is refused.
 * 2. It is real memory, written to: pages that were never touched are no
 *    reserve.
 * 3. What is given back lies on a shelf first (shelf.h), which is emptied before
 *    the reserve is given up. Not under sanitizers: they would not see who uses
 *    a block that he has given back.
 *
 * The one variable is a global because the libraries' hooks bring no context.
 *
 * Any thread.
 */
#include "callbackd/reserve.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shelf.h"

#ifdef SANITIZED
#define HAS_SHELF false
#else
#define HAS_SHELF true
#endif

static _Atomic(void *) reserve;
static atomic_bool is_wanted;

static void
put_aside(void)
{
	void *bytes = malloc(RESERVE_BYTES);
	void *none = NULL;

	if (bytes == NULL)
		return;
	memset(bytes, 1, RESERVE_BYTES);
	if (!atomic_compare_exchange_strong(&reserve, &none, bytes))
		free(bytes);
}

void
reserve_fill(void)
{
	atomic_store(&is_wanted, true);
	put_aside();
}

static void
give_up(void)
{
	shelf_clear();
	free(atomic_exchange(&reserve, NULL));
}

/* What was asked for has come: is it time to think of the next need? */
static void *
given(void *bytes)
{
	if (bytes != NULL &&
	    atomic_load_explicit(&is_wanted, memory_order_relaxed) &&
	    atomic_load_explicit(&reserve, memory_order_relaxed) == NULL)
		put_aside();
	return bytes;
}

static void *
from_shelf(size_t size)
{
	return HAS_SHELF ? shelf_take(size) : NULL;
}

void *
reserve_malloc(size_t size)
{
	void *bytes = from_shelf(size);

	if (bytes != NULL)
		return bytes;
	bytes = malloc(size);
	if (bytes != NULL || size == 0)
		return given(bytes);
	give_up();
	return malloc(size);
}

void *
reserve_calloc(size_t count, size_t size)
{
	size_t total;
	void *bytes = NULL;

	if (!__builtin_mul_overflow(count, size, &total))
		bytes = from_shelf(total);
	if (bytes != NULL)
		return memset(bytes, 0, total);
	bytes = calloc(count, size);
	if (bytes != NULL || count == 0 || size == 0)
		return given(bytes);
	give_up();
	return calloc(count, size);
}

/* A block from the shelf with what was in the old one, which grows; NULL: none
 * is there. */
static void *
grown(void *old, size_t size)
{
	size_t had = malloc_usable_size(old);
	void *bytes = size > had ? from_shelf(size) : NULL;

	if (bytes == NULL)
		return NULL;
	memcpy(bytes, old, had);
	reserve_free(old);
	return bytes;
}

void *
reserve_realloc(void *old, size_t size)
{
	void *bytes;

	if (old == NULL)
		return reserve_malloc(size);
	bytes = grown(old, size);
	if (bytes != NULL)
		return bytes;
	bytes = realloc(old, size);
	if (bytes != NULL || size == 0)
		return given(bytes);
	give_up();
	return realloc(old, size);
}

char *
reserve_strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = reserve_malloc(size);

	return copy == NULL ? NULL : memcpy(copy, text, size);
}

void
reserve_free(void *bytes)
{
	if (bytes != NULL && !(HAS_SHELF && shelf_put(bytes)))
		free(bytes);
}

void
reserve_leave_thread(void)
{
	shelf_clear();
}
