/* options.h - the command line of callbackd(8). */
#ifndef CALLBACKD_OPTIONS_H
#define CALLBACKD_OPTIONS_H

#include <stdbool.h>

struct options {
	const char *conf_path;   /* borrowed from argv; NULL: none given */
	const char *backup_path; /* --backup; borrowed; NULL: none wanted */
	bool only_check;         /* -t */
	bool in_background;      /* -d */
};

/* Reads argv. Ends the process for -h and -V (0) and for what it does not
 * understand (64, EX_USAGE). */
void options_read(int argc, char **argv, struct options *out);

#endif
