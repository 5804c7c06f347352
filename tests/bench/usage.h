/* usage.h - what have these processes cost so far?
 *
 * Sums over processes and all their descendants, from /proc. Never counts the
 * program that asks, unless it is named.
 */
#ifndef BENCH_USAGE_H
#define BENCH_USAGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { USAGE_ROOTS_MAX = 16 };

/* The processes at the root of a system under test. */
struct system {
	pid_t roots[USAGE_ROOTS_MAX];
	size_t count;
};

/* Resident memory. Pages that processes share count whole for each of them in
 * rss, and in parts that sum up in pss. */
struct memory {
	double rss_mib;
	double pss_mib;
};

/* User and system time, that of ended and awaited children included, in
 * microseconds; steps of 10 ms. */
int64_t usage_cpu_us(const struct system *system);

struct memory usage_memory(const struct system *system);

#endif
