/* prescan.h - is this the shape of a configuration file?
 *
 * libConfuse stops at the first mistake, accepts a file that ends inside an
 * open section, lets a repeated setting silently win, counts lines wrong behind
 * a comment and refuses comments inside lists. So the shape is checked here
 * first, every mistake with its line, and what libConfuse then gets is clean.
 * Private to src/conf; pure but for the environment.
 */
#ifndef CALLBACKD_CONF_PRESCAN_H
#define CALLBACKD_CONF_PRESCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "complain.h"

/* Checks names, repetitions, braces, quotes and signs of text, which has len
 * bytes and a NUL behind them. Comments, unknown and repeated settings and
 * sections become blanks, so that the rest can be judged as well; no line
 * moves. False when the shape is broken and the rest cannot be read; else
 * *given_count_out is the number of values that are left. */
bool prescan(char *text, size_t len, struct complaints *out,
    size_t *given_count_out);

#endif
