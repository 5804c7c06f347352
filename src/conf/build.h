/* build.h - written values made into a struct conf, room by room.
 *
 * Each build_ function reads its part of the tree into the conf that is being
 * made and complains about each mistake; what it could not read stays zero or
 * NULL, so that a half-made conf can be freed. Private to src/conf; main
 * thread only.
 */
#ifndef CALLBACKD_CONF_BUILD_H
#define CALLBACKD_CONF_BUILD_H

#include <stdbool.h>
#include <stddef.h>

#include "callbackd/conf.h"
#include "complain.h"
#include "stated.h"

/* One reading of a file. */
struct build {
	struct complaints *out;
	const char *folder; /* of the file; absolute, ends with '/' */
	struct conf *conf;
};

/* Every setting of the place that has an offset, into base, the place's
 * struct. */
void build_values(struct build *build, const struct stated *section,
    enum place place, void *base);

/* A copy, or a complaint and NULL when memory is out. */
char *build_copy(struct build *build, const char *text);
/* An array of count zeroed elements; as build_copy. NULL for count 0. */
void *build_array(struct build *build, size_t count, size_t size);
/* The path as seen from the file's folder: absolute, owned by the caller. */
char *build_path(struct build *build, const char *path);
/* All values of a list, copied; NULL-terminated, NULL when it is empty. */
char **build_list(struct build *build, const struct stated *section,
    const char *name);
/* What secret_file names; NULL when it is "" or wrong. */
struct sign_secret *build_secret(struct build *build,
    const struct stated *section);

/* A whole number of the setting's range, with a complaint that names it. */
bool build_count(struct build *build, const struct setting *setting,
    const struct written *written, int64_t *out);
/* A list of address ranges. */
void build_cidrs(struct build *build, const struct stated *section,
    const char *name, struct cidr **cidrs_out, size_t *count_out);
/* An absolute URL without a query. *out is a copy with exactly one '/' at its
 * end, or none. False, and a complaint, when it is not that. */
bool build_url(struct build *build, const char *name,
    const struct written *written, bool ends_in_slash, char **out);

void build_listeners(struct build *build, const struct stated *top);
void build_queues(struct build *build, const struct stated *top);
void build_callback(struct build *build, const struct stated *top);
void build_clients(struct build *build,
    const struct stated *top); /* after the queues */
void build_consumers(struct build *build,
    const struct stated *top); /* after the clients */
void build_alerts(struct build *build, const struct stated *top);

#endif
