/* reserve.h - memory for libraries that take it for granted.
 *
 * libevent, libcurl and yajl do not look at all that malloc gives them
 * (tests/drills/memory shows where). So what they ask for is asked for twice:
 * when there is none, a reserve that was put aside at the start is given up
 * first. It is put aside again as soon as there is memory. What is our own uses
 * malloc, and looks.
 *
 * Any thread, but for reserve_fill.
 */
#ifndef CALLBACKD_RESERVE_H
#define CALLBACKD_RESERVE_H

#include <stddef.h>

#define RESERVE_BYTES (1 << 17) /* some hundred requests of a library */

/* Puts the reserve aside; before there are threads. Without it the functions
 * below are those of libc. */
void reserve_fill(void);

/* As those of libc without reserve_. NULL only when the reserve is gone as
 * well. What they give may as well be given back with free(3), and what libc
 * gave with reserve_free: that keeps some for this thread to ask for next. */
void *reserve_malloc(size_t size);
void *reserve_calloc(size_t count, size_t size);
void *reserve_realloc(void *old, size_t size);
char *reserve_strdup(const char *text);
void reserve_free(void *bytes);

/* This thread asks for nothing more: what was kept for it is given back. */
void reserve_leave_thread(void);

#endif
