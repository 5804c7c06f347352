/* reserve.c - memory for libraries that take it for granted.
 *
 * 1. The reserve is given up by one thread, once, before anybody is refused.
 * 2. It is real memory, written to: pages that were never touched are no
 *    reserve.
 *
 * The one variable is a global because the libraries' hooks bring no context.
 *
 * Any thread.
 */
#include "callbackd/reserve.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

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

void *
reserve_malloc(size_t size)
{
	void *bytes = malloc(size);

	if (bytes != NULL || size == 0)
		return given(bytes);
	give_up();
	return malloc(size);
}

void *
reserve_calloc(size_t count, size_t size)
{
	void *bytes = calloc(count, size);

	if (bytes != NULL || count == 0 || size == 0)
		return given(bytes);
	give_up();
	return calloc(count, size);
}

void *
reserve_realloc(void *old, size_t size)
{
	void *bytes = realloc(old, size);

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
