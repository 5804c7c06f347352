/* floor.c - measures the parts of a job, one after the other.
 *
 *   floor          prints part,us_per_job lines; then their sum, and the sum
 *                  with posts as callbackd sends them
 *
 * Works in the current folder, which decides which disk is measured.
 */
#include "floor.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

int64_t
floor_cpu_us(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) *
	    INT64_C(1000000) +
	    used.ru_utime.tv_usec + used.ru_stime.tv_usec;
}

int
main(void)
{
	static const struct {
		const char *name;
		double (*measure_us)(void);
	} parts[] = {
		{ "accept", floor_accept_us },
		{ "store", floor_store_us },
		{ "small", floor_small_us },
		{ "post", floor_post_us },
		{ "post-as-sent", floor_post_as_sent_us },
	};
	double sums[2] = { 0, 0 }; /* with one kind of post, and the other */

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		double us = parts[i].measure_us();

		printf("%s,%.2f\n", parts[i].name, us);
		fflush(stdout);
		if (parts[i].measure_us != floor_post_as_sent_us)
			sums[0] += us;
		if (parts[i].measure_us != floor_post_us)
			sums[1] += us;
	}
	printf("sum,%.2f\nsum-as-sent,%.2f\n", sums[0], sums[1]);
	return 0;
}
