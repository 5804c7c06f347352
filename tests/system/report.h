/* report.h - the folders of a test program, and what is said at its end. */
#ifndef TESTS_SYSTEM_REPORT_H
#define TESTS_SYSTEM_REPORT_H

#include "process.h"

/* A new folder for this case, below the program's own. */
void report_folder(char out[PATH_SIZE]);

/* Makes a path absolute, so that it holds in another folder. */
void report_absolute(char path[PATH_SIZE]);

#endif
