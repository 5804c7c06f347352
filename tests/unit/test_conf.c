/* test_conf.c - what a configuration file may say, and what is said of a bad
 * one. Files are written into a folder of their own; nothing is connected to.
 *
 * With --settings the program prints "SECTION.NAME DEFAULT" for every setting:
 * tests/checks/conf_manual.sh compares that with the manual.
 */
#include "callbackd/conf.h"

#include <arpa/inet.h>
#include <check.h>
#include <confuse.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "callbackd/text.h"
#include "conf_cases.h"

#define LENGTH(table) (sizeof(table) / sizeof((table)[0]))

/* The complaints of one reading, without the path in front. */
struct heard {
	const char *path;
	char text[8192];
};

static char folder[] = "/tmp/test_conf.XXXXXX";
static char file[64];

static void
hear(const char *line, void *arg)
{
	struct heard *heard = arg;
	size_t prefix = strlen(heard->path);
	size_t len = strlen(heard->text);

	ck_assert_msg(strncmp(line, heard->path, prefix) == 0 &&
		line[prefix] == ':',
	    "%s", line);
	ck_assert_ptr_null(strchr(line, '\n'));
	snprintf(heard->text + len, sizeof(heard->text) - len, "%s%s",
	    len > 0 ? "\n" : "", line + prefix + 1);
}

static void
write_file(const char *path, const char *text, size_t len, mode_t mode)
{
	FILE *out = fopen(path, "w");

	ck_assert_ptr_nonnull(out);
	ck_assert_uint_eq(fwrite(text, 1, len, out), len);
	ck_assert_int_eq(fclose(out), 0);
	ck_assert_int_eq(chmod(path, mode), 0);
}

static void
write_beside(const char *name, const char *text, mode_t mode)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	write_file(path, text, strlen(text), mode);
}

/* The linker leads libConfuse's reading here. */
int __real_cfg_parse_buf(cfg_t *cfg, const char *text);
int __wrap_cfg_parse_buf(cfg_t *cfg, const char *text);

static enum { READS, LEAVES, CRASHES, FAILS } confuse_mood;

int
__wrap_cfg_parse_buf(cfg_t *cfg, const char *text)
{
	switch (confuse_mood) {
	case READS:
		break;
	case LEAVES: /* as its lexer does without memory */
		exit(2);
	case CRASHES:
		(void)signal(SIGSEGV, SIG_DFL); /* sanitizers look at it */
		(void)raise(SIGSEGV);
		break;
	case FAILS:
		return CFG_PARSE_ERROR;
	}
	return __real_cfg_parse_buf(cfg, text);
}

static struct conf *
load(const char *text, struct heard *heard)
{
	heard->path = file;
	heard->text[0] = '\0';
	write_file(file, text, strlen(text), 0600);
	return conf_load(file, hear, heard);
}

static struct conf *
load_good(const char *text)
{
	struct heard heard;
	struct conf *conf = load(text, &heard);

	ck_assert_str_eq(heard.text, "");
	ck_assert_ptr_nonnull(conf);
	return conf;
}

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"
static void
make_folder(void)
{
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/callbackd.conf", folder);
	write_beside("good.secret", SECRET, 0600);
	write_beside("open.secret", SECRET, 0666);
	write_beside("bad.secret", "whsec_\n", 0600);
	ck_assert_int_eq(setenv("CONF_TEST_NAME", "value", 1), 0);
	ck_assert_int_eq(unsetenv("CONF_TEST_NONE"), 0);
}

static void
remove_folder(void)
{
	static const char *const names[] = { "good.secret", "open.secret",
		"bad.secret", "callbackd.conf" };
	char path[128];

	for (size_t i = 0; i < LENGTH(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
	memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
}

/* ---- bad files ---- */

START_TEST(bad_files_are_refused_with_every_mistake_and_its_line)
{
	const struct bad *row = &bad[_i];
	struct heard heard;
	struct conf *conf = load(row->text, &heard);

	ck_assert_msg(conf == NULL, "%s: accepted", row->name);
	ck_assert_msg(strcmp(heard.text, row->complaints) == 0,
	    "%s:\n%s\ninstead of\n%s", row->name, heard.text, row->complaints);
}
END_TEST

START_TEST(refusals_of_other_modules_are_given_a_setting_and_a_line)
{
	const struct bad *row = &beginnings[_i];
	struct heard heard;
	struct conf *conf = load(row->text, &heard);
	size_t len = strlen(row->complaints);

	ck_assert_msg(conf == NULL, "%s: accepted", row->name);
	ck_assert_msg(strncmp(heard.text, row->complaints, len) == 0 &&
		strlen(heard.text) > len && strchr(heard.text, '\n') == NULL,
	    "%s: %s", row->name, heard.text);
	ck_assert_msg(strstr(heard.text, "u:p") == NULL, "%s", heard.text);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_named_without_a_line)
{
	struct heard heard = { .path = "/nonexistent/callbackd.conf" };

	ck_assert_ptr_null(conf_load(heard.path, hear, &heard));
	ck_assert_str_eq(heard.text,
	    " cannot open it: No such file or directory");
	heard = (struct heard){ .path = folder };
	ck_assert_ptr_null(conf_load(heard.path, hear, &heard));
	ck_assert_str_eq(heard.text, " cannot read it: Is a directory");
}
END_TEST

START_TEST(bytes_that_are_no_text_are_refused)
{
	static const char nul[] = "threads = 1\n\0threads = 2\n";
	struct heard heard = { .path = file };

	write_file(file, nul, sizeof(nul) - 1, 0600);
	ck_assert_ptr_null(conf_load(file, hear, &heard));
	ck_assert_str_eq(heard.text, "2: a byte 0x00: this is not a text file");
}
END_TEST

START_TEST(a_file_over_the_ceiling_is_refused)
{
	size_t len = 1024 * 1024 + 2;
	char *text = malloc(len);
	struct heard heard = { .path = file };

	ck_assert_ptr_nonnull(text);
	memset(text, '\n', len);
	write_file(file, text, len, 0600);
	free(text);
	ck_assert_ptr_null(conf_load(file, hear, &heard));
	ck_assert_str_eq(heard.text, " it has more than 1048576 bytes");
}
END_TEST

START_TEST(more_queues_than_the_ceiling_are_refused)
{
	size_t room = 4097 * 80, len = 0;
	char *text = malloc(room);
	struct heard heard;

	ck_assert_ptr_nonnull(text);
	for (int i = 0; i < 4097; i++)
		len += (size_t)snprintf(text + len, room - len,
		    "queue q%d { path = \"/%d/\" upstream = \"http://h/\" }\n",
		    i, i);
	struct conf *conf = load(text, &heard);
	free(text);
	ck_assert_ptr_null(conf);
	ck_assert_str_eq(heard.text,
	    "4097: there are more than 4096 queues and clients");
}
END_TEST

/* ---- good files ---- */

static void
check_top_defaults(const struct conf *conf)
{
	ck_assert_uint_eq(conf->listen_count, 1);
	ck_assert_str_eq(conf->listen[0].text, "127.0.0.1:8080");
	ck_assert_uint_eq(conf->admin_listen_count, 1);
	ck_assert_str_eq(conf->admin_listen[0].text, "127.0.0.1:8081");
	ck_assert(conf->durability_full);
	ck_assert_int_eq(conf->threads, 0);
	ck_assert_int_eq(conf->retention_ms, 24 * 3600 * 1000);
	ck_assert_int_eq(conf->max_body_bytes, 1 << 20);
	ck_assert_int_eq(conf->max_connections, 10000);
	ck_assert_int_eq(conf->max_head_bytes, 16 << 10);
	ck_assert_int_eq(conf->max_field_count, 100);
	ck_assert_int_eq(conf->head_timeout_ms, 10000);
	ck_assert_int_eq(conf->body_timeout_ms, 60000);
	ck_assert_int_eq(conf->idle_timeout_ms, 75000);
	ck_assert_int_eq(conf->max_inflight_body_bytes, 64 << 20);
	ck_assert_str_eq(conf->public_url, "");
	ck_assert_uint_eq(conf->trusted_proxy_count, 1);
	ck_assert_int_eq(conf->trusted_proxies[0].bits, 128);
	ck_assert_int_eq(conf->poll_failed_status, 400);
	ck_assert_int_eq(conf->drain_timeout_ms, 30000);
	ck_assert_int_eq(conf->log_format, LOG_LOGFMT);
	ck_assert_int_eq(conf->log_level, LOG_LEVEL_INFO);
	ck_assert(!conf->open);
	ck_assert(!conf->openfaas_compat);
}

static void
check_callback_defaults(const struct conf_callback *callback)
{
	static const int64_t gaps_s[] = { 5, 300, 1800, 7200, 18000, 36000,
		50400, 72000, 86400 };

	ck_assert_uint_eq(callback->schedule.count, LENGTH(gaps_s));
	for (size_t i = 0; i < LENGTH(gaps_s); i++)
		ck_assert_int_eq(callback->schedule.gaps_ms[i],
		    gaps_s[i] * 1000);
	ck_assert_int_eq(callback->schedule.max_age_ms, 4 * 86400000LL);
	ck_assert_int_eq(callback->schedule.ask_max_ms, 3600000);
	ck_assert_int_eq(callback->timeout_ms, 20000);
	ck_assert_int_eq(callback->connect_timeout_ms, 5000);
	ck_assert_int_eq(callback->per_host_concurrency, 32);
	ck_assert_int_eq(callback->breaker_failures, 10);
	ck_assert_int_eq(callback->breaker_cooldown_ms, 30000);
	ck_assert_int_eq(callback->inline_limit_bytes, 256 << 10);
	ck_assert_int_eq(callback->disable_after_ms, 5 * 86400000LL);
	ck_assert_ptr_null(callback->secret);
	ck_assert(!callback->policy.any_address);
	ck_assert(!callback->policy.https_only);
	ck_assert_uint_eq(callback->policy.allow_count, 0);
	ck_assert_uint_eq(callback->policy.deny_count, 0);
	ck_assert_uint_eq(callback->policy.deny_suffix_count, 0);
	ck_assert_uint_eq(callback->policy.port_count, 0);
}

START_TEST(an_empty_file_is_every_default)
{
	char store[128];
	struct conf *conf = load_good("");

	check_top_defaults(conf);
	check_callback_defaults(&conf->callback);
	snprintf(store, sizeof(store), "sqlite:%s/callbackd.db", folder);
	ck_assert_str_eq(conf->store, store);
	ck_assert_str_eq(conf->path, file);
	ck_assert_uint_eq(conf->queue_count, 0);
	ck_assert_uint_eq(conf->client_count, 0);
	conf_unref(&conf);
	ck_assert_ptr_null(conf);
}
END_TEST

START_TEST(no_file_at_all_is_every_default_too)
{
	struct heard heard = { .path = "defaults" };
	struct conf *conf = conf_load(NULL, hear, &heard);

	ck_assert_ptr_nonnull(conf);
	check_top_defaults(conf);
	check_callback_defaults(&conf->callback);
	ck_assert_ptr_null(conf->path);
	ck_assert_int_eq(strncmp(conf->store, "sqlite:/", 8), 0);
	conf_unref(&conf);
}
END_TEST

START_TEST(a_queue_needs_a_path_and_an_upstream_and_nothing_else)
{
	struct conf *conf = load_good(
	    "queue \"reports\" { path = \"/reports/\"\n"
	    "upstream = \"http://127.0.0.1:9000\" }\n");
	const struct conf_queue *queue = conf_queue_find(conf, "reports");

	ck_assert_ptr_eq(queue, &conf->queues[0]);
	ck_assert_str_eq(queue->name, "reports");
	ck_assert_str_eq(queue->path, "/reports/");
	ck_assert_str_eq(queue->upstream, "http://127.0.0.1:9000/");
	ck_assert_int_eq(queue->executor, EXECUTOR_HTTP);
	ck_assert_ptr_null(queue->command);
	ck_assert_ptr_null(queue->result_type);
	ck_assert_int_eq(queue->capacity, 10000);
	ck_assert_int_eq(queue->capacity_bytes, 256 << 20);
	ck_assert_int_eq(queue->concurrency, 16);
	ck_assert_int_eq(queue->timeout_ms, 300000);
	ck_assert_int_eq(queue->attempts, 3);
	ck_assert_int_eq(queue->backoff.initial_ms, 1000);
	ck_assert_int_eq(queue->backoff.max_ms, 60000);
	ck_assert(queue->backoff.factor == 2.0);
	ck_assert_int_eq(queue->guarantee, AT_LEAST_ONCE);
	ck_assert(!queue->async_poll);
	ck_assert_int_eq(queue->on_ordered_failure, ORDERED_SKIP);
	ck_assert_int_eq(queue->max_wait_ms, 30000);
	ck_assert_int_eq(queue->max_result_bytes, 10 << 20);
	ck_assert_ptr_null(queue->gauge);
	ck_assert_ptr_null(conf_queue_find(conf, "report"));
	conf_unref(&conf);
}
END_TEST

/* The example of the interface, less what is not supported yet. */
static const char example[] =
    "listen       = {\"127.0.0.1:8080\"}      # also \"unix:/run/...\"\n"
    "admin_listen = {\"127.0.0.1:8081\"}      # dashboard, /metrics\n"
    "store        = \"sqlite:callbackd.db\"   # or \"memory:\"\n"
    "durability   = \"full\"\n"
    "threads      = 0                       # 0: one a core\n"
    "retention    = \"24h\"\n"
    "max_body     = \"1m\"\n"
    "max_connections = 10000\n"
    "public_url   = \"\"\n"
    "trusted_proxies = {\"127.0.0.1\"}\n"
    "poll_failed_status = 400\n"
    "drain_timeout = \"30s\"\n"
    "log_format   = \"logfmt\"                # or \"json\"\n"
    "log_level    = \"info\"\n"
    "open         = false\n"
    "openfaas_compat = false\n"
    "\n"
    "queue \"reports\" {\n"
    "  path        = \"/reports/\"\n"
    "  executor    = \"http\"                 # \"http\", \"command\", "
    "\"pull\"\n"
    "  upstream    = \"http://127.0.0.1:9000/\"\n"
    "  # command   = {\"/usr/bin/convert\", \"-\", \"png:-\"}\n"
    "  capacity    = 10000\n"
    "  capacity_bytes = \"256m\"\n"
    "  concurrency = 16\n"
    "  timeout     = \"5m\"\n"
    "  attempts    = 3\n"
    "  backoff     { initial = \"1s\"  max = \"1m\"  factor = 2.0 }\n"
    "  guarantee   = \"at-least-once\"        # or \"at-most-once\"\n"
    "  async_upstream = \"off\"               # or \"poll\"\n"
    "  on_ordered_failure = \"skip\"          # or \"block\", \"park\"\n"
    "  max_wait    = \"30s\"\n"
    "  max_result  = \"10m\"\n"
    "}\n"
    "\n"
    "callback {\n"
    "  schedule = {\"5s\", \"5m\", \"30m\", \"2h\", \"5h\", \"10h\", \"14h\", "
    "\"20h\", \"24h\"}   # gaps\n"
    "  timeout = \"20s\"  connect_timeout = \"5s\"  max_age = \"4d\"  "
    "retry_after_max = \"1h\"\n"
    "  per_host_concurrency = 32\n"
    "  breaker { failures = 10  cooldown = \"30s\" }\n"
    "  allow = {}                           # CIDRs\n"
    "  deny  = {}\n"
    "  ports = {}                           # empty: any\n"
    "  https_only = false\n"
    "  inline_limit = \"256k\"\n"
    "  secret_file = \"\"\n"
    "  signing_key_file = \"\"\n"
    "  disable_after = \"5d\"\n"
    "}\n"
    "\n"
    "client \"acme\" { key_sha256 = \"" KEY_A
    "\"  secret_file = \"good.secret\"  rate = 100  burst = 200  "
    "max_queued = 5000  queues = {\"reports\"} }\n"
    "alerts { url = \"\"  events = {\"callback.dead\", \"endpoint.disabled\", "
    "\"queue.full\"} }   # the operator's own webhook\n";

START_TEST(the_example_of_the_interface_is_accepted)
{
	struct conf *conf = load_good(example);
	const struct conf_client *client = conf_client_find(conf, "acme");

	check_top_defaults(conf);
	check_callback_defaults(&conf->callback);
	ck_assert_uint_eq(conf->queue_count, 1);
	ck_assert_ptr_nonnull(client);
	ck_assert_str_eq(client->key_sha256, KEY_A);
	ck_assert_ptr_nonnull(client->secret);
	ck_assert(client->rate == 100);
	ck_assert(client->burst == 200);
	ck_assert_int_eq(client->max_queued, 5000);
	ck_assert_str_eq(client->queues[0], "reports");
	ck_assert_ptr_null(client->queues[1]);
	ck_assert_ptr_null(conf_client_find(conf, "acm"));
	conf_unref(&conf);
}
END_TEST

START_TEST(every_top_setting_is_kept_as_written)
{
	struct conf *conf = load_good(
	    "listen = {\"localhost:0\", \"127.0.0.1:0\", \"[::1]:7\", "
	    "\"unix:run/a.sock\", \"unix:/run/b.sock\",}\n"
	    "admin_listen = {}\nstore = \"memory:\"\ndurability = normal\n"
	    "threads = 010\nretention = 0.5\nmax_body = 1\n"
	    "max_connections = 1\nmax_head = 1\nmax_fields = 1\n"
	    "head_timeout = 1ms\nbody_timeout = \"2ms\"\nidle_timeout = 3\n"
	    "max_inflight_body = 1\n"
	    "openfaas_compat = on\n"
	    "public_url = \"https://example.com/hooks//\"\n"
	    "trusted_proxies = {}\npoll_failed_status = 200\n"
	    "drain_timeout = 7d\nlog_format = json\nlog_level = debug\n"
	    "open = on\n");

	ck_assert_uint_eq(conf->admin_listen_count, 0);
	ck_assert_str_eq(conf->store, "memory:");
	ck_assert(!conf->durability_full);
	ck_assert_int_eq(conf->threads, 10);
	ck_assert_int_eq(conf->retention_ms, 500);
	ck_assert_int_eq(conf->max_body_bytes, 1);
	ck_assert_int_eq(conf->max_connections, 1);
	ck_assert_int_eq(conf->max_head_bytes, 1);
	ck_assert_int_eq(conf->max_field_count, 1);
	ck_assert_int_eq(conf->head_timeout_ms, 1);
	ck_assert_int_eq(conf->body_timeout_ms, 2);
	ck_assert_int_eq(conf->idle_timeout_ms, 3000);
	ck_assert_int_eq(conf->max_inflight_body_bytes, 1);
	ck_assert_str_eq(conf->public_url, "https://example.com/hooks");
	ck_assert_uint_eq(conf->trusted_proxy_count, 0);
	ck_assert_int_eq(conf->poll_failed_status, 200);
	ck_assert_int_eq(conf->drain_timeout_ms, 7 * 86400000LL);
	ck_assert_int_eq(conf->log_format, LOG_JSON);
	ck_assert_int_eq(conf->log_level, LOG_LEVEL_DEBUG);
	ck_assert(conf->open);
	ck_assert(conf->openfaas_compat);
	conf_unref(&conf);
}
END_TEST

START_TEST(listeners_are_made_into_addresses)
{
	char path[128];
	struct conf *conf = load_good(
	    "open = true\nlisten = {\"localhost:0\", \"127.0.0.2:65535\",\n"
	    "  \"[::1]:7\", # a comment inside a list\n"
	    "  \"unix:run/a.sock\", \"*:80\"}\n");
	const struct sockaddr_in *in = (void *)&conf->listen[0].address;
	const struct sockaddr_in6 *in6 = (void *)&conf->listen[2].address;
	const struct sockaddr_un *un = (void *)&conf->listen[3].address;

	ck_assert_uint_eq(conf->listen_count, 5);
	ck_assert_int_eq(in->sin_family, AF_INET);
	ck_assert_int_eq(in->sin_port, 0);
	ck_assert_uint_eq(ntohl(in->sin_addr.s_addr), 0x7f000001);
	ck_assert_uint_eq(conf->listen[0].address_len, sizeof(*in));
	in = (void *)&conf->listen[1].address;
	ck_assert_uint_eq(ntohl(in->sin_addr.s_addr), 0x7f000002);
	ck_assert_int_eq(ntohs(in->sin_port), 65535);
	ck_assert_int_eq(in6->sin6_family, AF_INET6);
	ck_assert_int_eq(ntohs(in6->sin6_port), 7);
	ck_assert(IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr));
	ck_assert_uint_eq(conf->listen[2].address_len, sizeof(*in6));
	snprintf(path, sizeof(path), "%s/run/a.sock", folder);
	ck_assert(conf->listen[3].is_unix);
	ck_assert_int_eq(un->sun_family, AF_UNIX);
	ck_assert_str_eq(un->sun_path, path);
	ck_assert_str_eq(conf->listen[3].text + 5, path);
	in = (void *)&conf->listen[4].address;
	ck_assert_uint_eq(in->sin_addr.s_addr, INADDR_ANY);
	conf_unref(&conf);
}
END_TEST

START_TEST(a_world_listener_needs_clients_or_the_operators_word)
{
	struct conf *conf = load_good("listen = \"*:80\"\nopen = true\n");

	conf_unref(&conf);
	conf = load_good("listen = \"0.0.0.0:80\"\n" IN_CLIENT(""));
	conf_unref(&conf);
}
END_TEST

START_TEST(a_command_is_kept_word_by_word)
{
	char path[128];
	struct conf *conf = load_good(
	    "queue a { path = \"/a/\" executor = command\n"
	    "command = {\"bin/mill\", '-x $HOME', \"\", \"sub/file\"}\n"
	    "result_type = \"text/plain; charset=utf-8\" }\n"
	    "queue b { path = \"/b/\" executor = command command = cat }\n"
	    "queue c { path = \"/c/\" executor = command\n"
	    "command = {\"/bin/cat\"} }\n");
	const struct conf_queue *queue = conf_queue_find(conf, "a");

	ck_assert_int_eq(queue->executor, EXECUTOR_COMMAND);
	ck_assert_ptr_null(queue->upstream);
	snprintf(path, sizeof(path), "%s/bin/mill", folder);
	ck_assert_str_eq(queue->command[0], path);
	ck_assert_str_eq(queue->command[1], "-x $HOME");
	ck_assert_str_eq(queue->command[2], "");
	ck_assert_str_eq(queue->command[3], "sub/file");
	ck_assert_ptr_null(queue->command[4]);
	ck_assert_str_eq(queue->result_type, "text/plain; charset=utf-8");
	queue = conf_queue_find(conf, "b");
	ck_assert_str_eq(queue->command[0], "cat");
	ck_assert_ptr_null(queue->command[1]);
	ck_assert_str_eq(queue->result_type, "application/octet-stream");
	queue = conf_queue_find(conf, "c");
	ck_assert_str_eq(queue->command[0], "/bin/cat");
	conf_unref(&conf);
}
END_TEST

START_TEST(every_queue_setting_is_kept_as_written)
{
	struct conf *conf = load_good(
	    "queue 'a_b-9' { path = '/' executor = http\n"
	    "upstream = \"http://[::1]:9000/base//\"\n"
	    "command = {} capacity = 1 capacity_bytes = 1048576\n"
	    "concurrency = 1 timeout = 30 attempts = 1\n"
	    "backoff { initial = 1ms max = 1ms factor = 1.25 }\n"
	    "max_wait = 1ms max_result = 2g }\n"
	    "queue b { path = \"/b/c/\" upstream = \"https://h.example\" }\n"
	    "queue c { path = \"/b/\" upstream = \"https://h.example\" }\n");
	const struct conf_queue *queue = conf_queue_find(conf, "a_b-9");

	ck_assert_ptr_nonnull(queue);
	ck_assert_str_eq(queue->path, "/");
	ck_assert_str_eq(queue->upstream, "http://[::1]:9000/base/");
	ck_assert_ptr_null(queue->command);
	ck_assert_int_eq(queue->capacity, 1);
	ck_assert_int_eq(queue->capacity_bytes, 1048576);
	ck_assert_int_eq(queue->concurrency, 1);
	ck_assert_int_eq(queue->timeout_ms, 30000);
	ck_assert_int_eq(queue->attempts, 1);
	ck_assert_int_eq(queue->backoff.initial_ms, 1);
	ck_assert_int_eq(queue->backoff.max_ms, 1);
	ck_assert(queue->backoff.factor == 1.25);
	ck_assert_int_eq(queue->max_wait_ms, 1);
	ck_assert_int_eq(queue->max_result_bytes, 2LL << 30);
	ck_assert_uint_eq(conf->queue_count, 3);
	conf_unref(&conf);
}
END_TEST

START_TEST(a_bound_that_is_not_written_gives_way_to_one_that_is)
{
	struct conf *conf = load_good(
	    "max_body = 100m\n"
	    "queue a { path = \"/a/\" upstream = \"http://h/\"\n"
	    "  backoff { initial = 5m } }\n"
	    "queue b { path = \"/b/\" upstream = \"http://h/\"\n"
	    "  backoff { max = 10ms } }\n");

	ck_assert_int_eq(conf->max_inflight_body_bytes, 100 << 20);
	ck_assert_int_eq(conf->queues[0].backoff.initial_ms, 300000);
	ck_assert_int_eq(conf->queues[0].backoff.max_ms, 300000);
	ck_assert_int_eq(conf->queues[1].backoff.initial_ms, 10);
	ck_assert_int_eq(conf->queues[1].backoff.max_ms, 10);
	conf_unref(&conf);
}
END_TEST

START_TEST(every_callback_setting_is_kept_as_written)
{
	struct conf *conf = load_good(
	    "callback { schedule = {1ms, 2} timeout = 1ms\n"
	    "connect_timeout = 2ms max_age = 3ms retry_after_max = 4ms\n"
	    "per_host_concurrency = 1 breaker { failures = 2 cooldown = 5ms }\n"
	    "allow = {\"10.0.0.0/8\", \"::1\"}\n"
	    "deny = {\"192.0.2.1\", \".Internal.Example\", \"corp\"}\n"
	    "ports = {80, \"443\"} https_only = true inline_limit = 1\n"
	    "secret_file = \"good.secret\" disable_after = 6ms }\n");
	const struct conf_callback *callback = &conf->callback;
	const struct target_policy *policy = &callback->policy;

	ck_assert_uint_eq(callback->schedule.count, 2);
	ck_assert_int_eq(callback->schedule.gaps_ms[0], 1);
	ck_assert_int_eq(callback->schedule.gaps_ms[1], 2000);
	ck_assert_int_eq(callback->timeout_ms, 1);
	ck_assert_int_eq(callback->connect_timeout_ms, 2);
	ck_assert_int_eq(callback->schedule.max_age_ms, 3);
	ck_assert_int_eq(callback->schedule.ask_max_ms, 4);
	ck_assert_int_eq(callback->per_host_concurrency, 1);
	ck_assert_int_eq(callback->breaker_failures, 2);
	ck_assert_int_eq(callback->breaker_cooldown_ms, 5);
	ck_assert_int_eq(callback->inline_limit_bytes, 1);
	ck_assert_int_eq(callback->disable_after_ms, 6);
	ck_assert_ptr_nonnull(callback->secret);
	ck_assert_uint_eq(policy->allow_count, 2);
	ck_assert_int_eq(policy->allow[0].bits, 104);
	ck_assert_uint_eq(policy->deny_count, 1);
	ck_assert_uint_eq(policy->deny_suffix_count, 2);
	ck_assert_str_eq(policy->deny_suffix[0], "internal.example");
	ck_assert_str_eq(policy->deny_suffix[1], "corp");
	ck_assert_uint_eq(policy->port_count, 2);
	ck_assert_int_eq(policy->ports[0], 80);
	ck_assert_int_eq(policy->ports[1], 443);
	ck_assert(policy->https_only);
	conf_unref(&conf);
}
END_TEST

START_TEST(an_empty_schedule_is_one_attempt)
{
	struct conf *conf = load_good("callback { schedule = {} }\n");

	ck_assert_uint_eq(conf->callback.schedule.count, 0);
	conf_unref(&conf);
}
END_TEST

START_TEST(a_client_without_bounds_has_none)
{
	struct conf *conf = load_good(
	    IN_CLIENT("") "client b { key_sha256 = " KEY_B " rate = 0.5 }\n"
			  "client c-1 { key_sha256 = '"
			  "00"
			  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			  "aaaaaaaaaaaaaaaa' rate = 7.5 }\n");

	ck_assert(conf->clients[0].rate == 0);
	ck_assert(conf->clients[0].burst == 0);
	ck_assert_int_eq(conf->clients[0].max_queued, 0);
	ck_assert_ptr_null(conf->clients[0].queues);
	ck_assert_ptr_null(conf->clients[0].secret);
	ck_assert(conf->clients[1].rate == 0.5);
	ck_assert(conf->clients[1].burst == 1);
	ck_assert(conf->clients[2].burst == 7.5);
	conf_unref(&conf);
}
END_TEST

START_TEST(environment_and_escapes_stand_in_double_quotes_only)
{
	struct conf *conf = load_good(
	    "store = \"sqlite:/${CONF_TEST_NAME}/\\x41\\102${CONF_TEST_NONE:-c}"
	    "\"\n");

	ck_assert_str_eq(conf->store, "sqlite:/value/ABc");
	conf_unref(&conf);
	conf = load_good("store = 'sqlite:/${CONF_TEST_NONE}/\\x41'\n");
	ck_assert_str_eq(conf->store, "sqlite:/${CONF_TEST_NONE}/\\x41");
	conf_unref(&conf);
	conf = load_good("log_level = ${CONF_TEST_NONE:-warn}\n");
	ck_assert_int_eq(conf->log_level, LOG_LEVEL_WARN);
	conf_unref(&conf);
}
END_TEST

START_TEST(comments_and_line_ends_of_every_kind_are_skipped)
{
	struct conf *conf = load_good(
	    "# one\r\n// two\r\n/* three\n * lines */ threads /* a */ = // b\n"
	    "  5 # c\r\nlisten = { # d\n \"localhost:1\" /* e */, // f\n }\n"
	    "store = \"sqlite:/a//b/*c#d\" # really a comment\n#");

	ck_assert_int_eq(conf->threads, 5);
	ck_assert_str_eq(conf->store, "sqlite:/a//b/*c#d");
	ck_assert_uint_eq(conf->listen_count, 1);
	conf_unref(&conf);
}
END_TEST

START_TEST(relative_paths_start_at_the_files_folder)
{
	char wanted[128], here[512];
	struct heard heard = { .path = "callbackd.conf" };

	ck_assert_ptr_nonnull(getcwd(here, sizeof(here)));
	write_beside("callbackd.conf",
	    "callback { secret_file = \"good.secret\" }\n", 0600);
	ck_assert_int_eq(chdir(folder), 0);
	struct conf *conf = conf_load("callbackd.conf", hear, &heard);
	ck_assert_int_eq(chdir(here), 0);
	ck_assert_ptr_nonnull(conf);
	ck_assert_str_eq(conf->path, file);
	snprintf(wanted, sizeof(wanted), "sqlite:%s/callbackd.db", folder);
	ck_assert_str_eq(conf->store, wanted);
	conf_unref(&conf);
}
END_TEST

START_TEST(a_conf_lives_until_its_last_holder_lets_go)
{
	struct conf *conf = load_good("threads = 3\n");
	struct conf *other = conf_ref(conf);

	conf_unref(&conf);
	ck_assert_ptr_null(conf);
	ck_assert_int_eq(other->threads, 3);
	conf_unref(&other);
	conf_unref(&other); /* nothing: it is NULL */
}
END_TEST

START_TEST(a_reading_may_be_repeated_after_a_bad_one)
{
	struct heard heard;

	for (int i = 0; i < 3; i++) {
		ck_assert_ptr_null(load("store = \"\n", &heard));
		struct conf *conf = load_good(example);
		conf_unref(&conf);
	}
}
END_TEST

/* ---- reload ---- */

static const struct follow {
	const char *from, *to;
	const char *why; /* NULL: can follow */
} follows[] = {
	{ "", "", NULL },
	{ "", "retention = 1s\nlog_level = debug\n" IN_QUEUE(""), NULL },
	{ "listen = \"127.0.0.1:8080\"\n", "listen = \"localhost:8080\"\n",
	    NULL },
	{ "", "listen = \"localhost:1\"\n",
	    "a change of listen needs a restart" },
	{ "listen = {\"localhost:1\", \"localhost:2\"}\n",
	    "listen = \"localhost:1\"\n",
	    "a change of listen needs a restart" },
	{ "listen = \"unix:a\"\n", "listen = \"unix:b\"\n",
	    "a change of listen needs a restart" },
	{ "", "admin_listen = {}\n",
	    "a change of admin_listen needs a restart" },
	{ "", "store = \"memory:\"\n", "a change of store needs a restart" },
	{ "durability = full\n", "durability = normal\n",
	    "a change of durability needs a restart" },
	{ "threads = 1\n", "threads = 2\nretention = 5\n",
	    "a change of threads needs a restart" },
};

START_TEST(who_may_consume_is_for_the_operator_to_say)
{
	static const char text[] =
	    "queue any { path = \"/a/\" executor = pull }\n"
	    "queue few { path = \"/f/\" executor = pull "
	    "consumers = {w} }\n"
	    "client c { key_sha256 = " KEY_A " queues = {any} }\n"
	    "client w { key_sha256 = " KEY_B " }\n";
	struct conf *conf = load_good(text);

	ck_assert_int_eq(conf->queues[0].executor, EXECUTOR_PULL);
	ck_assert_ptr_null(conf->queues[0].consumers);
	ck_assert(conf_may_use(conf, "c", "any"));
	ck_assert(!conf_may_use(conf, "c", "few"));
	ck_assert(conf_may_consume(conf, "c", "any"));
	ck_assert(conf_may_consume(conf, "w", "any"));
	ck_assert(conf_may_consume(conf, "w", "few"));
	ck_assert(!conf_may_consume(conf, "c", "few"));
	ck_assert(!conf_may_consume(conf, "w", "none"));
	conf_unref(&conf);
	conf = load_good("queue any { path = \"/a/\" executor = pull }\n");
	ck_assert(conf_may_use(conf, "", "any"));
	ck_assert(conf_may_consume(conf, "", "any"));
	conf_unref(&conf);
}
END_TEST

START_TEST(a_running_daemon_follows_all_but_five_settings)
{
	const struct follow *row = &follows[_i];
	struct conf *from = load_good(row->from);
	struct conf *to = load_good(row->to);
	struct reason why = { "" };

	ck_assert_msg(conf_can_follow(from, to, &why) == (row->why == NULL),
	    "%s: %s", row->to, why.text);
	ck_assert_str_eq(why.text, row->why != NULL ? row->why : "");
	conf_unref(&from);
	conf_unref(&to);
}
END_TEST

static void
print_setting(const char *section, const char *name, const char *default_text,
    void *arg)
{
	(void)arg;
	printf("%s%s%s %s\n", section, section[0] != '\0' ? " " : "", name,
	    default_text != NULL ? default_text : "required");
}

static void
count_setting(const char *section, const char *name, const char *default_text,
    void *arg)
{
	(void)section;
	(void)default_text;
	ck_assert(name[0] != '\0');
	++*(int *)arg;
}

START_TEST(every_setting_can_be_told)
{
	int count = 0;

	conf_settings_each(count_setting, &count);
	ck_assert_int_gt(count, 50);
}
END_TEST

/* ---- libConfuse without memory ---- */

static const struct {
	int mood;
	const char *why;
} ends[] = {
	{ LEAVES, "it left before it was done" },
	{ CRASHES, "it died of signal 11 (Segmentation fault)" },
	{ FAILS, "out of memory" },
};

START_TEST(whatever_ends_libconfuse_is_a_complaint_and_no_more)
{
	struct heard heard;
	char expected[512];
	struct conf *conf;

	snprintf(expected, sizeof(expected),
	    " libConfuse could not read it: %s", ends[_i].why);
	confuse_mood = ends[_i].mood;
	ck_assert_ptr_null(load("threads = 1\n", &heard));
	ck_assert_str_eq(heard.text, expected);
	confuse_mood = READS;
	conf = load_good("threads = 1\n");
	conf_unref(&conf);
}
END_TEST

static Suite *
conf_suite(void)
{
	Suite *suite = suite_create("conf");
	TCase *tcase = tcase_create("conf");

	tcase_add_checked_fixture(tcase, make_folder, remove_folder);
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase,
	    bad_files_are_refused_with_every_mistake_and_its_line, 0,
	    LENGTH(bad));
	tcase_add_loop_test(tcase,
	    refusals_of_other_modules_are_given_a_setting_and_a_line, 0,
	    LENGTH(beginnings));
	tcase_add_test(tcase,
	    a_file_that_cannot_be_read_is_named_without_a_line);
	tcase_add_test(tcase, bytes_that_are_no_text_are_refused);
	tcase_add_test(tcase, a_file_over_the_ceiling_is_refused);
	tcase_add_test(tcase, more_queues_than_the_ceiling_are_refused);
	tcase_add_test(tcase, an_empty_file_is_every_default);
	tcase_add_test(tcase, no_file_at_all_is_every_default_too);
	tcase_add_test(tcase,
	    a_queue_needs_a_path_and_an_upstream_and_nothing_else);
	tcase_add_test(tcase, the_example_of_the_interface_is_accepted);
	tcase_add_test(tcase, every_top_setting_is_kept_as_written);
	tcase_add_test(tcase, listeners_are_made_into_addresses);
	tcase_add_test(tcase,
	    a_world_listener_needs_clients_or_the_operators_word);
	tcase_add_test(tcase, a_command_is_kept_word_by_word);
	tcase_add_test(tcase, every_queue_setting_is_kept_as_written);
	tcase_add_test(tcase,
	    a_bound_that_is_not_written_gives_way_to_one_that_is);
	tcase_add_test(tcase, every_callback_setting_is_kept_as_written);
	tcase_add_test(tcase, an_empty_schedule_is_one_attempt);
	tcase_add_test(tcase, a_client_without_bounds_has_none);
	tcase_add_test(tcase,
	    environment_and_escapes_stand_in_double_quotes_only);
	tcase_add_test(tcase, comments_and_line_ends_of_every_kind_are_skipped);
	tcase_add_test(tcase, relative_paths_start_at_the_files_folder);
	tcase_add_test(tcase, a_conf_lives_until_its_last_holder_lets_go);
	tcase_add_test(tcase, a_reading_may_be_repeated_after_a_bad_one);
	tcase_add_loop_test(tcase,
	    a_running_daemon_follows_all_but_five_settings, 0, LENGTH(follows));
	tcase_add_test(tcase, who_may_consume_is_for_the_operator_to_say);
	tcase_add_test(tcase, every_setting_can_be_told);
	tcase_add_loop_test(tcase,
	    whatever_ends_libconfuse_is_a_complaint_and_no_more, 0,
	    LENGTH(ends));
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--settings") == 0) {
		conf_settings_each(print_setting, NULL);
		return EXIT_SUCCESS;
	}
	SRunner *runner = srunner_create(conf_suite());
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
