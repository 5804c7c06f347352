/* options.c - the command line, checked and explained. */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "backup", required_argument, NULL, 'b' },
	{ "test", no_argument, NULL, 't' },
	{ "daemon", no_argument, NULL, 'd' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static void
print_usage(FILE *out)
{
	(void)fputs(
	    "usage: callbackd [-c FILE] [-b FILE] [-t] [-d] [-V] [-h]\n"
	    "\n"
	    "  -c, --config FILE  read this configuration"
	    " (default: none, see below)\n"
	    "  -b, --backup FILE  copy the store to FILE and exit;"
	    " a daemon may be using it\n"
	    "  -t, --test         check the configuration and exit\n"
	    "  -d, --daemon       go into the background, log to syslog\n"
	    "  -V, --version      print the version and exit\n"
	    "  -h, --help         print this and exit\n"
	    "\n"
	    "Without -c, callbackd.conf in the working folder is read if it is"
	    " there,\nelse " CALLBACKD_SYSCONFDIR "/callbackd.conf."
	    " See callbackd(8).\n",
	    out);
}

void
options_read(int argc, char **argv, struct options *out)
{
	int c;

	memset(out, 0, sizeof(*out));
	while ((c = getopt_long(argc, argv, "c:b:tdVh", long_options, NULL)) !=
	    -1) {
		switch (c) {
		case 'c':
			out->conf_path = optarg;
			break;
		case 'b':
			out->backup_path = optarg;
			break;
		case 't':
			out->only_check = true;
			break;
		case 'd':
			out->in_background = true;
			break;
		case 'V':
			(void)printf("callbackd %s\n", CALLBACKD_VERSION);
			exit(EX_OK);
		case 'h':
			print_usage(stdout);
			exit(EX_OK);
		default:
			print_usage(stderr);
			exit(EX_USAGE);
		}
	}
	if (optind < argc) {
		(void)fprintf(stderr, "callbackd: what is \"%s\"?\n",
		    argv[optind]);
		print_usage(stderr);
		exit(EX_USAGE);
	}
}
