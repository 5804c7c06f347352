/* fuzz_conf.c - any bytes as a configuration file.
 *
 * 1. A refused file has a complaint, an accepted one has none.
 * 2. A complaint is one line of visible text that begins with the file's name.
 * 3. libConfuse never finds a mistake of shape: prescan has told it before.
 * 4. An accepted conf keeps what conf.h says of its fields.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "callbackd/conf.h"
#include "fuzz.h"

struct heard {
	const char *path;
	size_t count;
};

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static void
hear(const char *line, void *arg)
{
	static const char *const shapes[] = { "unexpected token",
		"no such option", "premature end of file", "bad escape",
		"invalid octal", "found duplicate title", "missing equal sign",
		"missing opening brace", "missing title", "cannot be read",
		"unterminated" };
	struct heard *heard = arg;
	size_t len = strlen(heard->path);

	heard->count++;
	require(strncmp(line, heard->path, len) == 0 && line[len] == ':');
	const char *what = strstr(line + len, ": ") + 2;
	for (const char *c = line; *c != '\0'; c++)
		require(*c >= ' ' && *c <= '~');
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		require(strncmp(what, shapes[i], strlen(shapes[i])) != 0);
}

static void
check_queue(const struct conf *conf, const struct conf_queue *queue)
{
	size_t len = strlen(queue->path);

	require(name_is_legal(queue->name));
	require(conf_queue_find(conf, queue->name) == queue);
	require(queue->path[0] == '/' && queue->path[len - 1] == '/');
	require(queue->executor != EXECUTOR_HTTP || queue->upstream != NULL);
	require(queue->capacity >= 1 && queue->capacity_bytes >= 1);
	require(queue->concurrency >= 1 && queue->attempts >= 1);
	require(queue->timeout_ms >= 1 && queue->max_wait_ms >= 1);
	require(queue->backoff.initial_ms >= 1);
	require(queue->backoff.max_ms >= queue->backoff.initial_ms);
	require(queue->backoff.factor >= 1);
}

static void
check_conf(const struct conf *conf)
{
	struct reason why;

	require(conf->listen_count >= 1);
	for (size_t i = 0; i < conf->listen_count; i++)
		require(conf->listen[i].text != NULL &&
		    conf->listen[i].address_len > 0);
	require(conf->max_inflight_body_bytes >= conf->max_body_bytes);
	require(conf->callback.schedule.count <= SCHEDULE_MAX);
	for (size_t i = 0; i < conf->callback.schedule.count; i++)
		require(conf->callback.schedule.gaps_ms[i] >= 1);
	for (size_t i = 0; i < conf->queue_count; i++)
		check_queue(conf, &conf->queues[i]);
	for (size_t i = 0; i < conf->client_count; i++)
		require(
		    strlen(conf->clients[i].key_sha256) == SHA256_HEX_SIZE - 1);
	require(conf_can_follow(conf, conf, &why));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char path[64];
	struct heard heard = { .path = path };
	int fd = memfd_create("callbackd.conf", MFD_CLOEXEC);

	require(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	struct conf *conf = conf_load(path, hear, &heard);
	close(fd);
	require((conf != NULL) == (heard.count == 0));
	if (conf != NULL)
		check_conf(conf);
	conf_unref(&conf);
	return 0;
}
