/* complain.h - how the conf room says what is wrong in a file.
 *
 * Private to src/conf. Main thread only.
 */
#ifndef CALLBACKD_CONF_COMPLAIN_H
#define CALLBACKD_CONF_COMPLAIN_H

#include <stddef.h>

/* Where mistakes of one file go, and how many there were. */
struct complaints {
	const char *path; /* of the file, as its reader named it; borrowed */
	void (*tell)(const char *line, void *arg);
	void *arg;
	size_t count; /* told so far */
};

/* Tells one mistake: "PATH:LINE: what", or "PATH: what" when line is 0. */
void complain_at(struct complaints *out, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Room for foreign text inside a complaint. */
#define SHOWN_SIZE 49

/* The text as it may be shown: bytes that are not visible ASCII or a space
 * become '?', and what is longer ends in "...". Returns out. */
const char *shown(const char *text, size_t len, char out[SHOWN_SIZE]);

#endif
