/* disk.h - what a disk may hold after the power went.
 *
 * A model of a folder: changes are told to it in the order in which they were
 * made (shim.h). What was synced is there for certain; of what came later the
 * disk may have written all, nothing, or any part of it, in any order, and a
 * single write may be torn between sectors. The same goes for names: a file
 * that was made or removed since the folder was last synced may be there or
 * not.
 */
#ifndef TESTS_DRILLS_DISK_H
#define TESTS_DRILLS_DISK_H

#include "drill.h"
#include "shim.h"

#define SECTOR_BYTES 512

struct disk; /* opaque */

struct disk *disk_new(void);
void disk_free(struct disk **disk);

/* A change of SHIM_WRITE .. SHIM_UNLINK; data is borrowed until disk_free. */
void disk_change(struct disk *disk, const struct shim_record *record,
    const char *name, const void *data);

/* What becomes of that which was not synced. */
enum outage {
	OUTAGE_NONE_WRITTEN,
	OUTAGE_ALL_WRITTEN,
	OUTAGE_SOME_WRITTEN, /* any of the writes, whole */
	OUTAGE_TORN,         /* any of their sectors */
	OUTAGE_IN_ORDER,     /* up to some moment, the last one torn */
	OUTAGE_COUNT,
};
const char *outage_name(enum outage outage);

/* Makes the folder hold what the disk might hold, and nothing else. */
void disk_show(const struct disk *disk, enum outage outage, struct dice *dice,
    const char *folder);

/* Removes the folder and all in it. */
void disk_forget(const char *folder);

/* Changes that are not synced. */
size_t disk_unsynced(const struct disk *disk);

#endif
