/* faults.c - the drill's side of struct shim_faults. */
#include "faults.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

struct shim_faults *
faults_prepare(struct world *world)
{
	struct shim_faults *faults;
	char path[PATH_SIZE], shim[PATH_SIZE];
	int fd;

	snprintf(path, sizeof(path), "%.400s/faults", world->folder);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, sizeof(*faults)), 0);
	faults = mmap(NULL, sizeof(*faults), PROT_READ | PROT_WRITE, MAP_SHARED,
	    fd, 0);
	ck_assert(faults != MAP_FAILED);
	close(fd);
	shim_path("shim.so", shim);
	shim_set(shim, "SHIM_FAULTS", path);
	shim_set(shim, "SHIM_FOLDER", world->folder);
	return faults;
}

void
faults_heal(struct shim_faults *faults)
{
	atomic_store(&faults->write_errno, 0);
	atomic_store(&faults->sync_errno, 0);
	atomic_store(&faults->create_errno, 0);
}
