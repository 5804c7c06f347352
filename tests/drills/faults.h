/* faults.h - a disk that fails when a drill wants it to. */
#ifndef TESTS_DRILLS_FAULTS_H
#define TESTS_DRILLS_FAULTS_H

#include "drill.h"
#include "shim.h"

/* Makes the file of faults in the world's folder, none of them set, and tells
 * the next start of the daemon of it. What is set here holds at once. */
struct shim_faults *faults_prepare(struct world *world);
void faults_heal(struct shim_faults *faults);

#endif
