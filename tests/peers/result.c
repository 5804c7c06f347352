/* result.c - walks the JSON by yajl's events and keeps where it is.
 *
 * path[n] is the key of level n on the way down to the value at hand, so
 * data.response.body is depth 3 with those three keys.
 */
#include "result.h"

#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#define DEPTH_MAX 64

struct walk {
	unsigned depth;
	char path[DEPTH_MAX]
		 [16]; /* longer keys are cut: never the wanted ones */
	bool found;
	char *out;
};

static int
enter_cb(void *arg)
{
	struct walk *walk = arg;

	if (walk->depth == DEPTH_MAX)
		return 0;
	walk->path[walk->depth++][0] = '\0';
	return 1;
}

static int
leave_cb(void *arg)
{
	struct walk *walk = arg;

	walk->depth--;
	return 1;
}

static int
key_cb(void *arg, const unsigned char *key, size_t len)
{
	struct walk *walk = arg;
	char *to = walk->path[walk->depth - 1];
	size_t most = sizeof(walk->path[0]) - 1;

	len = len < most ? len : most;
	memcpy(to, key, len);
	to[len] = '\0';
	return 1;
}

static int
string_cb(void *arg, const unsigned char *text, size_t len)
{
	struct walk *walk = arg;
	unsigned char *bytes;
	size_t bytes_len;

	if (walk->depth != 3 || strcmp(walk->path[0], "data") != 0 ||
	    strcmp(walk->path[1], "response") != 0)
		return 1;
	if (strcmp(walk->path[2], "body") == 0) {
		digest_hex(text, len, walk->out);
		walk->found = true;
	} else if (strcmp(walk->path[2], "body_base64") == 0 &&
	    base64_decode((const char *)text, len, &bytes, &bytes_len)) {
		digest_hex(bytes, bytes_len, walk->out);
		walk->found = true;
		free(bytes);
	}
	return 1;
}

bool
result_digest(const void *json, size_t len, char out[DIGEST_SIZE])
{
	static const yajl_callbacks callbacks = {
		.yajl_string = string_cb,
		.yajl_start_map = enter_cb,
		.yajl_map_key = key_cb,
		.yajl_end_map = leave_cb,
		.yajl_start_array = enter_cb,
		.yajl_end_array = leave_cb,
	};
	struct walk walk = { .out = out };
	yajl_handle parser = yajl_alloc(&callbacks, NULL, &walk);
	bool whole;

	if (!parser)
		return false;
	whole = yajl_parse(parser, json, len) == yajl_status_ok &&
	    yajl_complete_parse(parser) == yajl_status_ok;
	yajl_free(parser);
	return whole && walk.found;
}
