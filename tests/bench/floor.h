/* floor.h - what would a job cost if it were nothing but its parts?
 *
 * Each part is the barest program that does one thing callbackd must do, with
 * the same library: microseconds of CPU (user and system) for one job.
 */
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#include <stdint.h>

enum {
	FLOOR_CONNECTIONS = 64,
	FLOOR_BODY_BYTES = 256,
	FLOOR_DOCUMENT_BYTES = 1357, /* of a callback with such a body */
	FLOOR_JOBS = 40000,          /* measured, */
	FLOOR_WARM_JOBS = 4000,      /* after these */
};

/* An evhttp that answers a POST with 202 and a small JSON document. */
double floor_accept_us(void);

/* Two POSTs by a curl multi on libevent: the upstream's and the callback's,
 * with no more than their bodies; and the same with the fields, and the
 * document, that the interface asks for: libcurl takes some 20 ns a byte of a
 * field. */
double floor_post_us(void);
double floor_post_as_sent_us(void);

/* SQLite in WAL mode, every commit fsynced: insert, result, delivered, delete,
 * in batches of 32. The file is made in the working folder, and removed. */
double floor_store_us(void);

/* An envelope generated and parsed by yajl, signed, and a random id. */
double floor_small_us(void);

/* CPU time of this process so far, in microseconds. */
int64_t floor_cpu_us(void);

#endif
