/* conf.c - one file in, one unchangeable struct conf out, or every mistake.
 *
 *     read the file ─► prescan ─► libConfuse ─► build ─► struct conf
 *                      (shape)    (values as    (meaning)
 *                                  texts; in a
 *                                  child)
 *
 * 1. All or nothing: a conf with a complaint is freed, never returned.
 * 2. Nothing outlives a reading but the conf itself.
 * 3. A conf is never written after it was returned, but for its holders' count
 *    (and what conf.h says the scheduler sets).
 *
 * Thread: main reads; any thread may hold, ask and let go.
 */
#include "callbackd/conf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "build.h"
#include "callbackd/buf.h"
#include "callbackd/text.h"
#include "prescan.h"

#define FILE_MAX_BYTES (1024 * 1024)

/* What conf_load returns is the first member. */
struct held_conf {
	struct conf conf;
	atomic_uint holders;
};

static void
free_list(char **list)
{
	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
		free(list[i]);
	free(list);
}

static void
free_listeners(struct conf_listen *listeners, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(listeners[i].text);
	free(listeners);
}

static void
free_queues(struct conf_queue *queues, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(queues[i].path);
		free(queues[i].upstream);
		free_list(queues[i].command);
		free_list(queues[i].consumers);
		free(queues[i].result_type);
	}
	free(queues);
}

static void
free_policy(struct target_policy *policy)
{
	for (size_t i = 0; i < policy->deny_suffix_count; i++)
		free((char *)policy->deny_suffix[i]);
	free((void *)policy->deny_suffix);
	free((void *)policy->deny);
	free((void *)policy->allow);
	free((void *)policy->ports);
}

static void
free_clients(struct conf_client *clients, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		sign_secret_free(&clients[i].secret);
		free_list(clients[i].queues);
	}
	free(clients);
}

static void
free_conf(struct conf *conf)
{
	free(conf->path);
	free_listeners(conf->listen, conf->listen_count);
	free_listeners(conf->admin_listen, conf->admin_listen_count);
	free(conf->store);
	free(conf->public_url);
	free(conf->trusted_proxies);
	free_queues(conf->queues, conf->queue_count);
	free_policy(&conf->callback.policy);
	sign_secret_free(&conf->callback.secret);
	free_clients(conf->clients, conf->client_count);
	free(conf);
}

/* "sqlite:PATH", "postgresql://...", "memory:". */
static void
read_store(struct build *build, const struct stated *top)
{
	static const char sqlite[] = "sqlite:";
	const struct written *written = stated_value(top, "store", 0);
	const char *path = written->text + strlen(sqlite);

	if (strcmp(written->text, "memory:") == 0 ||
	    strncmp(written->text, "postgresql://", 13) == 0) {
		build->conf->store = build_copy(build, written->text);
		return;
	}
	if (strncmp(written->text, sqlite, strlen(sqlite)) != 0 ||
	    path[0] == '\0') {
		/* Not shown: it may be a URL with a password. */
		complain_at(build->out, written->line,
		    "store must be \"sqlite:PATH\", \"postgresql://...\" or "
		    "\"memory:\"");
		return;
	}
	char *whole = build_path(build, path);
	if (whole == NULL)
		return;
	size_t size = strlen(whole) + 1;
	char *store = build_array(build, strlen(sqlite) + size, 1);
	if (store != NULL) {
		memcpy(store, sqlite, strlen(sqlite));
		memcpy(store + strlen(sqlite), whole, size);
	}
	build->conf->store = store;
	free(whole);
}

static void
read_public_url(struct build *build, const struct stated *top)
{
	const struct written *written = stated_value(top, "public_url", 0);

	if (written->text[0] == '\0')
		build->conf->public_url = build_copy(build, written->text);
	else
		build_url(build, "public_url", written, false,
		    &build->conf->public_url);
}

/* The budget must hold one body of the largest kind. Without words of its own
 * it grows with max_body. */
static void
fit_inflight_body(struct build *build, const struct stated *top)
{
	struct conf *conf = build->conf;

	if (conf->max_inflight_body_bytes >= conf->max_body_bytes)
		return;
	if (!stated_is_given(top, "max_inflight_body"))
		conf->max_inflight_body_bytes = conf->max_body_bytes;
	else if (conf->max_inflight_body_bytes > 0)
		complain_at(build->out,
		    stated_value(top, "max_inflight_body", 0)->line,
		    "max_inflight_body must not be smaller than max_body");
}

/* Between 200 and 400 a status would say something else about the job. */
static void
check_poll_status(struct build *build, const struct stated *top)
{
	int32_t status = build->conf->poll_failed_status;

	if (status > 200 && status < 400)
		complain_at(build->out,
		    stated_value(top, "poll_failed_status", 0)->line,
		    "poll_failed_status must be 200, or 400 to 599");
}

static void
build_top(struct build *build, const struct stated *top)
{
	struct conf *conf = build->conf;

	build_values(build, top, PLACE_TOP, conf);
	schema_refuse_not_yet(top, PLACE_TOP, build->out);
	read_store(build, top);
	read_public_url(build, top);
	build_cidrs(build, top, "trusted_proxies", &conf->trusted_proxies,
	    &conf->trusted_proxy_count);
	fit_inflight_body(build, top);
	check_poll_status(build, top);
}

static void
build_all(struct build *build, const struct stated *top)
{
	build_top(build, top);
	build_listeners(build, top);
	build_queues(build, top);
	build_callback(build, top);
	build_clients(build, top);
	build_consumers(build, top);
	build_alerts(build, top);
}

static bool
read_file(int fd, struct buf *text, struct complaints *out)
{
	char chunk[16384];
	ssize_t got;

	while ((got = read(fd, chunk, sizeof(chunk))) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			complain_at(out, 0, "cannot read it: %s",
			    strerror(errno));
			return false;
		}
		if (!buf_append(text, chunk, (size_t)got)) {
			complain_at(out, 0, "it has more than %d bytes",
			    FILE_MAX_BYTES);
			return false;
		}
	}
	return true;
}

/* The whole file; nothing for no path. */
static bool
load_text(const char *path, struct buf *text, struct complaints *out)
{
	if (path == NULL)
		return buf_puts(text, "\n");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		complain_at(out, 0, "cannot open it: %s", strerror(errno));
		return false;
	}
	bool is_read = read_file(fd, text, out) && buf_putc(text, '\n');
	close(fd);
	return is_read;
}

/* The absolute form of path, or of the working folder and '/'. */
static char *
absolute_path(const char *path)
{
	if (path != NULL && path[0] == '/')
		return text_copy(path);
	char *folder = getcwd(NULL, 0);
	if (folder == NULL)
		return NULL;
	char *whole = NULL;
	if (asprintf(&whole, "%s/%s", folder, path != NULL ? path : "") < 0)
		whole = NULL;
	free(folder);
	return whole;
}

/* Cleaned text to a conf whose holders are one; complaints tell of failure. */
static void
build_text(struct build *build, struct buf *text)
{
	size_t given_count;
	struct statement statement;

	if (!prescan(text->data, text->len, build->out, &given_count))
		return;
	if (stated_read(text->data, given_count, build->out, &statement))
		build_all(build, statement.all);
	stated_free(&statement);
}

static struct conf *
build_conf(const char *path, struct buf *text, struct complaints *out)
{
	struct held_conf *held = calloc(1, sizeof(*held));
	char *folder = absolute_path(path);

	if (held == NULL || folder == NULL) {
		complain_at(out, 0, "cannot name its folder: %s",
		    strerror(errno));
		free(held);
		free(folder);
		return NULL;
	}
	atomic_init(&held->holders, 1);
	struct build build = { out, folder, &held->conf };
	if (path != NULL)
		held->conf.path = build_copy(&build, folder);
	strrchr(folder, '/')[1] = '\0';
	build_text(&build, text);
	free(folder);
	return &held->conf;
}

struct conf *
conf_load(const char *path, void (*complain)(const char *line, void *arg),
    void *arg)
{
	struct complaints out = { .path = path != NULL ? path : "defaults",
		.tell = complain,
		.arg = arg };
	struct conf *conf = NULL;
	struct buf text;

	buf_init(&text, FILE_MAX_BYTES + 1);
	if (load_text(path, &text, &out))
		conf = build_conf(path, &text, &out);
	buf_free(&text);
	if (conf != NULL && out.count > 0) {
		free_conf(conf);
		conf = NULL;
	}
	return conf;
}

struct conf *
conf_ref(struct conf *conf)
{
	struct held_conf *held = (struct held_conf *)conf;

	if (held == NULL)
		return NULL;
	atomic_fetch_add_explicit(&held->holders, 1, memory_order_relaxed);
	return conf;
}

void
conf_unref(struct conf **conf)
{
	struct held_conf *held = (struct held_conf *)*conf;

	*conf = NULL;
	if (held == NULL)
		return;
	unsigned before = atomic_fetch_sub_explicit(&held->holders, 1,
	    memory_order_acq_rel);
	assert(before > 0);
	if (before == 1)
		free_conf(&held->conf);
}

const struct conf_queue *
conf_queue_find(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->queue_count; i++) {
		if (strcmp(conf->queues[i].name, name) == 0)
			return &conf->queues[i];
	}
	return NULL;
}

const struct conf_client *
conf_client_find(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->client_count; i++) {
		if (strcmp(conf->clients[i].name, name) == 0)
			return &conf->clients[i];
	}
	return NULL;
}

/* Without a list everybody is on it. */
static bool
is_listed(char **names, const char *name)
{
	if (names == NULL)
		return true;
	while (*names != NULL && strcmp(*names, name) != 0)
		names++;
	return *names != NULL;
}

bool
conf_may_use(const struct conf *conf, const char *client, const char *queue)
{
	const struct conf_client *found = conf_client_find(conf, client);

	return found == NULL || is_listed(found->queues, queue);
}

bool
conf_may_consume(const struct conf *conf, const char *client, const char *queue)
{
	const struct conf_queue *found = conf_queue_find(conf, queue);

	return conf_may_use(conf, client, queue) && found != NULL &&
	    (conf->client_count == 0 || is_listed(found->consumers, client));
}

static bool
is_same_listen(const struct conf_listen *a, size_t a_count,
    const struct conf_listen *b, size_t b_count)
{
	if (a_count != b_count)
		return false;
	for (size_t i = 0; i < a_count; i++) {
		if (a[i].address_len != b[i].address_len ||
		    memcmp(&a[i].address, &b[i].address, a[i].address_len) != 0)
			return false;
	}
	return true;
}

bool
conf_can_follow(const struct conf *from, const struct conf *to,
    struct reason *why_out)
{
	const char *changed = NULL;

	if (!is_same_listen(from->listen, from->listen_count, to->listen,
		to->listen_count))
		changed = "listen";
	else if (!is_same_listen(from->admin_listen, from->admin_listen_count,
		     to->admin_listen, to->admin_listen_count))
		changed = "admin_listen";
	else if (strcmp(from->store, to->store) != 0)
		changed = "store";
	else if (from->durability_full != to->durability_full)
		changed = "durability";
	else if (from->threads != to->threads)
		changed = "threads";
	else if (from->max_connections != to->max_connections)
		changed = "max_connections";
	else if (from->max_inflight_body_bytes != to->max_inflight_body_bytes)
		changed = "max_inflight_body";
	if (changed == NULL)
		return true;
	reason_set(why_out, "a change of %s needs a restart", changed);
	return false;
}

void
conf_settings_each(void (*tell)(const char *section, const char *name,
		       const char *default_text, void *arg),
    void *arg)
{
	const struct setting *setting;

	for (size_t i = 0; (setting = schema_nth(i)) != NULL; i++)
		tell(schema_place_name(setting->place), setting->name,
		    setting->default_text, arg);
}
