/* shim.h - what a drill tells the shim (shim.c), and what it writes down.
 *
 * The shim stands between the daemon and the kernel: LD_PRELOAD. It is told by
 * the environment:
 *
 *   SHIM_KILL    CALL:N[:after], the Nth call of that name since the start kills
 *                the process (SIGKILL) before it is made, or after. CALL is
 *                fdatasync, fsync, pwrite, write, send (to upstreams and receivers) or
 *                sendmsg (to clients).
 *   SHIM_FOLDER  faults and the log are about the files callbackd.db* there
 *   SHIM_FAULTS  a file that holds a struct shim_faults, mapped by both sides
 *   SHIM_LOG     a file that gets a record of each change of those files, in
 *                the order in which they were made
 */
#ifndef TESTS_DRILLS_SHIM_H
#define TESTS_DRILLS_SHIM_H

#include <stdatomic.h>
#include <stdint.h>

/* An errno that is not 0 is what such calls get. */
struct shim_faults {
	atomic_int write_errno;    /* writes and truncations */
	atomic_int sync_errno;     /* fsync, fdatasync */
	atomic_int create_errno;   /* open with O_CREAT, unlink */
	atomic_long injected;      /* calls that failed so */
	atomic_llong clock_set_ms; /* the wall clock shows so much more */
};

enum shim_op {
	SHIM_WRITE = 1, /* data at `at` */
	SHIM_TRUNCATE,  /* to `at` bytes */
	SHIM_SYNC,      /* has succeeded; of the folder, the name is "." */
	SHIM_CREATE,    /* a new, empty file of that name */
	SHIM_UNLINK,
	SHIM_ACK, /* a 202 is about to leave; name: the job's id */
	SHIM_RUN, /* a run is about to leave; name: the job's id */
};

/* Followed by the name and then the data. */
struct shim_record {
	uint32_t op;
	uint32_t name_bytes;
	uint64_t at;
	uint64_t data_bytes;
};

#endif
