/* test_nginx.c - contrib/nginx.conf in a real nginx, in front of the daemon.
 *
 *  1. The file is read as it is shipped. Only what a machine has of its own is
 *     replaced: addresses and the certificate; and proxy_buffering, since all
 *     must hold with it and without. A line that is to be replaced must be there.
 *  2. nginx is one process without privileges, with all its files in the folder
 *     of the case, and dies with it.
 *  3. world.api is where nginx listens, so that everything that the suite's
 *     helpers do is done from outside.
 *
 * That streams are not held back is shown by what comes first: each next event
 * happens only after the one before has been read.
 *
 *   CALLBACKD_NGINX  the program; otherwise where packages put it
 *
 * Without nginx all is skipped.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "callbackd/sign.h"
#include "report.h"
#include "socket.h"
#include "stream.h"

#define LATER "Job-Delay: 1h\r\n"
#define LONG_WAIT "Prefer: wait=14\r\n"
#define NAME "jobs.example.com"
#define BODY_MAX (1 << 20)
#define RESULT_MAX (8 << 20)

struct front {
	struct world world;
	struct process nginx;
	char inside[ADDRESS_TEXT_SIZE];  /* the daemon's */
	char outside[ADDRESS_TEXT_SIZE]; /* plain */
	char tls[ADDRESS_TEXT_SIZE];
};

/* ---- the program ---- */

static const char *
nginx_program(void)
{
	static const char *const places[] = { "/usr/sbin/nginx",
		"/usr/local/sbin/nginx", "/usr/bin/nginx",
		"/usr/local/bin/nginx", "/usr/local/nginx/sbin/nginx" };
	const char *wanted = getenv("CALLBACKD_NGINX");

	if (wanted != NULL && wanted[0] != '\0')
		return wanted;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return NULL;
}

/* A port that is ours until the case ends: the kernel gives it to nobody else,
 * but lets a listener with SO_REUSEADDR have it, again and again. */
static void
reserve(char out[ADDRESS_TEXT_SIZE])
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_ge(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, len), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	snprintf(out, ADDRESS_TEXT_SIZE, "127.0.0.1:%d",
	    ntohs(address.sin_port));
}

static int
port_of(const char *address)
{
	return atoi(strchr(address, ':') + 1);
}

/* ---- its configuration ---- */

static const char *
path_in(struct front *front, const char *name)
{
	static char paths[4][PATH_SIZE + 32];
	static unsigned turn;
	char *out = paths[turn++ % 4];

	snprintf(out, sizeof(paths[0]), "%s/%s", front->world.folder, name);
	return out;
}

/* text with its only `from` replaced by to. Frees text. */
static char *
replace(char *text, const char *from, const char *to)
{
	char *at = strstr(text, from);
	char *out;

	ck_assert_msg(at != NULL, "contrib/nginx.conf: no '%s'", from);
	ck_assert_msg(strstr(at + 1, from) == NULL, "'%s' twice", from);
	ck_assert_int_ge(asprintf(&out, "%.*s%s%s", (int)(at - text), text, to,
			     at + strlen(from)),
	    0);
	free(text);
	return out;
}

static void
page_path(char out[PATH_SIZE])
{
	const char *top = getenv("top_srcdir");

	snprintf(out, PATH_SIZE, "%s/contrib/watch.html",
	    top != NULL ? top : ".");
	report_absolute(out);
}

static void
write_site(struct front *front, const char *buffering)
{
	const char *top = getenv("top_srcdir");
	char path[PATH_SIZE], server[256], listen[512], alias[PATH_SIZE + 16];
	char *site;

	snprintf(path, sizeof(path), "%s/contrib/nginx.conf",
	    top != NULL ? top : ".");
	site = file_text(path, NULL);
	page_path(path);
	snprintf(alias, sizeof(alias), "alias %s;", path);
	snprintf(server, sizeof(server), "server %s;", front->inside);
	snprintf(listen, sizeof(listen), "listen %s; listen %s ssl http2;",
	    front->outside, front->tls);
	site = replace(site, "server 127.0.0.1:8080;", server);
	site = replace(site, "listen 443 ssl http2;", listen);
	site = replace(site, "listen [::]:443 ssl http2;", "");
	site = replace(site, "/etc/ssl/certs/" NAME ".pem",
	    path_in(front, "front.pem"));
	site = replace(site, "/etc/ssl/private/" NAME ".key",
	    path_in(front, "front.key"));
	site = replace(site, "proxy_buffering on;", buffering);
	/* The page is served where somebody wants it. */
	site = replace(site, "#location = /watch {", "location = /watch {");
	site = replace(site,
	    "#\talias /usr/local/share/doc/callbackd/watch.html;", alias);
	site = replace(site, "#\tdefault_type text/html;",
	    "default_type text/html; }");
	file_write(path_in(front, "site.conf"), site, 0600);
	free(site);
}

/* What Debian's nginx.conf is to the file; errors go to nginx.err. */
static const char main_conf[] = "daemon off;\n"
				"master_process off;\n"
				"pid nginx.pid;\n"
				"events { worker_connections 512; }\n"
				"http {\n"
				" access_log off;\n"
				" client_body_temp_path body;\n"
				" proxy_temp_path proxy;\n"
				" fastcgi_temp_path fastcgi;\n"
				" uwsgi_temp_path uwsgi;\n"
				" scgi_temp_path scgi;\n"
				" include site.conf;\n"
				"}\n";

static int
shell(struct front *front, const char *line)
{
	const char *const argv[] = { "/bin/sh", "-c", line, NULL };
	struct process process = { 0 };

	return process_run(&process, front->world.folder, "shell", argv);
}

static bool
listens(const char *address)
{
	struct client client;
	bool is_open = client_try_open(&client, address);

	if (is_open)
		client_close(&client);
	return is_open;
}

static void
nginx_start(struct front *front, const char *buffering)
{
	const char *folder = front->world.folder;
	const char *const argv[] = { nginx_program(), "-e", "stderr", "-p",
		folder, "-c", "nginx.conf", NULL };

	write_site(front, buffering);
	file_write(path_in(front, "nginx.conf"), main_conf, 0600);
	ck_assert_int_eq(shell(front,
			     "exec openssl req -x509 -newkey ec -nodes"
			     " -pkeyopt ec_paramgen_curve:P-256 -days 2"
			     " -subj /CN=" NAME
			     " -addext subjectAltName=DNS:" NAME
			     " -keyout front.key -out front.pem"),
	    0);
	process_start(&front->nginx, folder, "nginx", argv);
	wait_until(
	    !process_is_running(&front->nginx) || listens(front->outside));
	ck_assert_msg(front->nginx.pid != 0, "nginx has ended with %d: %s",
	    front->nginx.status, front->nginx.err_path);
}

/* ---- fronts ---- */

static void
daemon_start_inside(struct front *front)
{
	daemon_start(&front->world);
	ck_assert_str_eq(front->world.api, front->inside);
	strcpy(front->world.api, front->outside);
}

static void
front_open(struct front *front, const char *top, const char *buffering)
{
	struct setup setup = { .listen = front->inside };
	char settings[512];

	memset(front, 0, sizeof(*front));
	reserve(front->inside);
	reserve(front->outside);
	reserve(front->tls);
	snprintf(settings, sizeof(settings), top, port_of(front->tls));
	setup.top = settings;
	world_prepare(&front->world, &setup);
	daemon_start_inside(front);
	nginx_start(front, buffering);
}

static void
front_close(struct front *front)
{
	process_signal(&front->nginx, SIGTERM);
	ck_assert_int_eq(process_wait(&front->nginx, SOON_MS), 0);
	expect_books_balance(&front->world);
	world_close(&front->world);
}

/* Replies collected by nginx, or not: it must make no difference. */
static void
with_both(void (*story)(struct front *front))
{
	static const char *const ways[] = { "proxy_buffering on;",
		"proxy_buffering off;" };

	for (int i = 0; i < 2; i++) {
		struct front front;

		front_open(&front, "", ways[i]);
		story(&front);
		front_close(&front);
	}
}

/* ---- replies ---- */

static void
tell_acknowledge_and_result(struct front *front)
{
	struct world *world = &front->world;
	struct reply reply;
	char id[ID_SIZE];

	submit(world, "/mill/upper", callback_to(world, "/ok"), "abc", id);
	callback_wait(world, id, "delivered", &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(look_text(reply_json(&reply), "status"), "succeeded");
	reply_clear(&reply);
	result_get(world, id, &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply.body, "ABC");
	ck_assert_str_eq(reply_header(&reply, "Job-Id"), id);
	reply_clear(&reply);
	ck_assert_int_eq(peer_seen(&world->receiver, "/ok"), 1);
	submit(world, "/mill/ok", LATER, "x", id);
	job_get(world, id, &reply);
	ck_assert_int_eq(reply.status, 202);
	ck_assert_ptr_nonnull(reply_header(&reply, "Retry-After"));
	ck_assert_ptr_nonnull(reply_header(&reply, "ETag"));
	reply_clear(&reply);
}

START_TEST(a_job_is_acknowledged_polled_fetched_and_called_back)
{
	with_both(tell_acknowledge_and_result);
}
END_TEST

/* Sends what is answered later, and waits until the daemon has it. */
static void
send_on(struct client *client, struct front *front, const char *method,
    const char *target, const char *fields)
{
	double before = metric(&front->world, "callbackd_http_requests_total");

	client_open(client, front->outside);
	client_send_request(client, method, target, fields, "x",
	    strcmp(method, "POST") == 0 ? 1 : -1);
	wait_until(
	    metric(&front->world, "callbackd_http_requests_total") > before);
	ck_assert(!client_has_bytes(client));
}

static void
read_on(struct client *client, struct reply *out)
{
	ck_assert_msg(client_read(client, false, out), "never answered");
	client_close(client);
}

static void
tell_long_polls(struct front *front)
{
	struct world *world = &front->world;
	struct client client;
	struct reply reply;
	char id[ID_SIZE], target[96];

	submit(world, "/mill/ok", LATER, "x", id);
	snprintf(target, sizeof(target), "/v1/jobs/%s?wait=14", id);
	send_on(&client, front, "GET", target, "");
	cancel(world, id);
	read_on(&client, &reply);
	ck_assert_int_eq(reply.status, 410);
	ck_assert_str_eq(look_text(reply_json(&reply), "status"), "cancelled");
	reply_clear(&reply);

	send_on(&client, front, "POST", "/mill/hang",
	    LONG_WAIT "Idempotency-Key: a\r\n");
	try_submit(world, "/mill/hang", "Idempotency-Key: a\r\n", "x", &reply);
	accepted_id(&reply, id);
	reply_clear(&reply);
	cancel(world, id);
	read_on(&client, &reply);
	expect_problem(&reply, 410, "cancelled");
	ck_assert_str_eq(reply_header(&reply, "Preference-Applied"), "wait=14");
	reply_clear(&reply);

	try_submit(world, "/mill/upper", LONG_WAIT, "abc", &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply.body, "ABC");
	reply_clear(&reply);
}

START_TEST(held_answers_come_when_the_job_changes)
{
	with_both(tell_long_polls);
}
END_TEST

/* ---- bodies ---- */

static char *
many_bytes(size_t size)
{
	char *bytes = malloc(size);

	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)(i * 7 + i / 251);
	return bytes;
}

static void
upload(struct front *front, const char *bytes, size_t len, struct reply *out)
{
	struct client client;

	client_open(&client, front->outside);
	client_send_request(&client, "POST", "/mill/echo", "", bytes,
	    (long)len);
	ck_assert(client_read(&client, false, out));
	client_close(&client);
}

static void
tell_large_bodies(struct front *front)
{
	struct world *world = &front->world;
	struct reply reply;
	char *bytes = many_bytes(BODY_MAX);
	char id[ID_SIZE], target[64];

	upload(front, bytes, BODY_MAX, &reply);
	accepted_id(&reply, id);
	reply_clear(&reply);
	job_wait(world, id, "succeeded", &reply);
	reply_clear(&reply);
	result_get(world, id, &reply);
	ck_assert_uint_eq(reply.body_len, BODY_MAX);
	ck_assert_int_eq(memcmp(reply.body, bytes, BODY_MAX), 0);
	reply_clear(&reply);
	free(bytes);
	snprintf(target, sizeof(target), "/mill/big?size=%d", RESULT_MAX);
	submit(world, target, "", "x", id);
	job_wait(world, id, "succeeded", &reply);
	ck_assert_int_eq(look_int(reply_json(&reply), "response.size"),
	    RESULT_MAX);
	reply_clear(&reply);
	result_get(world, id, &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_uint_eq(reply.body_len, RESULT_MAX);
	reply_clear(&reply);
}

START_TEST(a_body_of_max_body_and_a_large_result_pass)
{
	with_both(tell_large_bodies);
}
END_TEST

START_TEST(one_byte_more_is_too_large_for_both)
{
	struct front front;
	struct reply reply;
	char *bytes = many_bytes(BODY_MAX + 1);

	front_open(&front, "", "");
	upload(&front, bytes, BODY_MAX + 1, &reply);
	ck_assert_int_eq(reply.status, 413);
	ck_assert_ptr_nonnull(strstr(reply.body, "nginx"));
	reply_clear(&reply);
	strcpy(front.outside, front.inside);
	upload(&front, bytes, BODY_MAX + 1, &reply);
	expect_problem(&reply, 413, "too-large");
	reply_clear(&reply);
	free(bytes);
	front_close(&front);
}
END_TEST

/* ---- streams ---- */

static void
tell_events(struct front *front)
{
	struct world *world = &front->world;
	struct stream one, all;
	char id[ID_SIZE], target[96];

	stream_open(&all, world, "/v1/events?queue=mill", "");
	submit(world, "/mill/ok", LATER, "x", id);
	stream_expect(&all, "job.queued");
	snprintf(target, sizeof(target), "/v1/jobs/%s/events", id);
	stream_open(&one, world, target, "");
	stream_expect(&one, "job.queued");
	cancel(world, id);
	stream_expect(&one, "job.cancelled");
	stream_expect_end(&one);
	stream_close(&one);
	stream_expect(&all, "job.cancelled");
	submit(world, "/mill/hang", "", "x", id);
	stream_expect(&all, "job.queued");
	stream_expect(&all, "job.running");
	cancel(world, id);
	stream_expect(&all, "job.cancelled");
	stream_close(&all);
}

START_TEST(each_event_comes_before_the_next_one_happens)
{
	with_both(tell_events);
}
END_TEST

static void
tell_sockets(struct front *front)
{
	struct world *world = &front->world;
	struct client client;
	struct reply reply;
	char id[ID_SIZE];

	submit(world, "/mill/ok", LATER, "x", id);
	socket_watch(&client, world, id);
	socket_expect(&client, "queued");
	cancel(world, id);
	socket_expect(&client, "cancelled");
	socket_expect_goodbye(&client, 1000);
	socket_open(&client, world, "/v1/events",
	    "Origin: https://gateway.test\r\n");
	submit(world, "/mill/ok", LATER, "x", id);
	socket_expect(&client, "queued");
	client_close(&client);
	api(world, "GET", "/v1/events",
	    SOCKET_WISH "Origin: https://evil.example\r\n", NULL, &reply);
	expect_problem(&reply, 403, "forbidden");
	reply_clear(&reply);
}

START_TEST(a_websocket_goes_through)
{
	with_both(tell_sockets);
}
END_TEST

START_TEST(other_upgrades_are_not_passed_on)
{
	struct front front;
	struct reply reply;
	struct json_document *seen;

	front_open(&front, "", "");
	try_submit(&front.world, "/mill/echo",
	    LONG_WAIT "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"
		      "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
	    "x", &reply);
	ck_assert_int_eq(reply.status, 200);
	reply_clear(&reply);
	seen = peer_request(&front.world.upstream, "/echo", 0);
	ck_assert_ptr_null(seen_field(seen, "Upgrade"));
	json_document_free(&seen);
	front_close(&front);
}
END_TEST

/* ---- what the daemon is told, and what the client ---- */

START_TEST(paths_and_fields_arrive_as_the_client_wrote_them)
{
	static const char path[] = "//status%2F200/%41%20";
	struct front front;
	struct reply reply;
	struct json_document *seen;
	char id[ID_SIZE];

	front_open(&front, "", "");
	submit(&front.world, "/mill//status%2F200/%41%20?a=%2F&b=//",
	    "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: gopher\r\n"
	    "X-Forwarded-Host: forged.example\r\nX-Own: a  b\r\n",
	    "x", id);
	job_wait(&front.world, id, "failed", &reply); /* the upstream's 404 */
	reply_clear(&reply);
	seen = peer_request(&front.world.upstream, path, 0);
	ck_assert_str_eq(seen_text(seen, "target"),
	    "//status%2F200/%41%20?a=%2F&b=//");
	ck_assert_str_eq(seen_field(seen, "X-Own"), "a  b");
	ck_assert_str_eq(seen_field(seen, "X-Forwarded-For"),
	    "127.0.0.1, 127.0.0.1");
	ck_assert_str_eq(seen_field(seen, "X-Forwarded-Proto"), "http");
	ck_assert_str_eq(seen_field(seen, "X-Forwarded-Host"), "gateway.test");
	json_document_free(&seen);
	front_close(&front);
}
END_TEST

START_TEST(a_result_gives_no_orders_to_nginx)
{
	struct front front;
	struct reply reply;

	front_open(&front, "", "");
	try_submit(&front.world,
	    "/mill/status/200?body=mine&header=X-Accel-Redirect:/v1/jobs",
	    LONG_WAIT, "x", &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply.body, "mine");
	reply_clear(&reply);
	try_submit(&front.world,
	    "/mill/status/201?header=Location:http://callbackd/elsewhere",
	    LONG_WAIT, "x", &reply);
	ck_assert_int_eq(reply.status, 201);
	ck_assert_str_eq(reply_header(&reply, "Location"),
	    "http://callbackd/elsewhere");
	reply_clear(&reply);
	front_close(&front);
}
END_TEST

START_TEST(many_requests_share_few_connections)
{
	struct front front;

	front_open(&front, "", "");
	for (int i = 0; i < 50; i++)
		job_lives(&front.world, "/mill/ok", "", "x", "succeeded");
	/* Those of the metrics are the admin listener's. */
	ck_assert_double_ge(metric(&front.world,
				"callbackd_http_requests_total"),
	    100);
	ck_assert_double_lt(metric(&front.world,
				"callbackd_connections_accepted_total"),
	    20);
	front_close(&front);
}
END_TEST

START_TEST(the_page_comes_from_the_origin_of_the_jobs)
{
	struct front front;
	struct reply reply;
	char path[PATH_SIZE];
	char *page;

	front_open(&front, "", "");
	page_path(path);
	page = file_text(path, NULL);
	api(&front.world, "GET", "/watch", "", NULL, &reply);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply_header(&reply, "Content-Type"), "text/html");
	ck_assert_str_eq(reply.body, page);
	/* Nothing from elsewhere. */
	ck_assert_ptr_null(strstr(page, "//"));
	reply_clear(&reply);
	free(page);
	front_close(&front);
}
END_TEST

/* ---- over TLS, by HTTP/2, as somebody from outside ---- */

#define PUBLIC_URL "public_url = \"https://" NAME ":%d\"\n"

/* curl with options, as a client that comes from 127.0.0.5 and finds NAME by its
 * name. */
static const char *
curl(struct front *front, const char *options)
{
	static char line[2048];

	snprintf(line, sizeof(line),
	    "exec curl -s --http2 --cacert front.pem --interface 127.0.0.5"
	    " --resolve " NAME ":%d:127.0.0.1 %s",
	    port_of(front->tls), options);
	return line;
}

/* What the answer in FOLDER/head has as Location. */
static void
location_from(struct front *front, char out[512])
{
	char *head = file_text(path_in(front, "head"), NULL);
	char *at = strstr(head, "location: ");

	ck_assert_msg(at != NULL, "no Location: %s", head);
	at += strlen("location: ");
	snprintf(out, 512, "%.*s", (int)strcspn(at, "\r\n"), at);
	free(head);
}

START_TEST(from_outside_links_lead_back_and_the_client_is_known)
{
	struct front front;
	struct json_document *seen;
	char options[1024], location[512], wanted[128];
	char *answer;

	front_open(&front, PUBLIC_URL, "");
	snprintf(wanted, sizeof(wanted), "https://" NAME ":%d",
	    port_of(front.tls));
	snprintf(options, sizeof(options),
	    "-D head -o answer -d x -H 'X-Forwarded-For: 203.0.113.9'"
	    " -w '%%{http_version}' %s/mill/upper",
	    wanted);
	ck_assert_int_eq(shell(&front, curl(&front, options)), 0);
	ck_assert(file_says(path_in(&front, "head"), "HTTP/2 202"));
	ck_assert(file_says(path_in(&front, "shell.out"), "2"));
	location_from(&front, location);
	ck_assert_msg(strncmp(location, wanted, strlen(wanted)) == 0, "%s",
	    location);
	snprintf(options, sizeof(options),
	    "-o answer -w '%%{http_code}' '%s/result'", location);
	wait_until(shell(&front, curl(&front, options)) == 0 &&
	    file_says(path_in(&front, "shell.out"), "200"));
	answer = file_text(path_in(&front, "answer"), NULL);
	ck_assert_str_eq(answer, "X");
	free(answer);
	seen = peer_request(&front.world.upstream, "/upper", 0);
	ck_assert_str_eq(seen_field(seen, "X-Forwarded-For"),
	    "127.0.0.5, 127.0.0.1");
	ck_assert_str_eq(seen_field(seen, "X-Forwarded-Proto"), "https");
	ck_assert_str_eq(seen_field(seen, "X-Forwarded-Host"),
	    wanted + strlen("https://"));
	json_document_free(&seen);
	front_close(&front);
}
END_TEST

static void
tell_events_over_tls(struct front *front)
{
	struct world *world = &front->world;
	struct process watcher = { 0 };
	const char *argv[] = { "/bin/sh", "-c", NULL, NULL };
	char options[256];
	char id[ID_SIZE];

	submit(world, "/mill/ok", LATER, "x", id);
	snprintf(options, sizeof(options),
	    "-N https://" NAME ":%d/v1/jobs/%s/events", port_of(front->tls),
	    id);
	argv[2] = curl(front, options);
	process_start(&watcher, world->folder, "watcher", argv);
	wait_until(file_says(watcher.out_path, "event: job.queued\n"));
	cancel(world, id);
	ck_assert_int_eq(process_wait(&watcher, SOON_MS), 0);
	ck_assert(file_says(watcher.out_path, "event: job.cancelled\n"));
}

START_TEST(events_come_at_once_by_http_2)
{
	with_both(tell_events_over_tls);
}
END_TEST

/* ---- restarts ---- */

START_TEST(a_restart_of_the_daemon_is_seen_and_survived)
{
	struct front front;
	struct world *world = &front.world;
	struct stream stream;
	struct reply reply;
	char id[ID_SIZE], target[96], last_id[64];

	front_open(&front, "", "");
	submit(world, "/mill/ok", LATER, "x", id);
	snprintf(target, sizeof(target), "/v1/jobs/%s/events", id);
	stream_open(&stream, world, target, "");
	stream_expect(&stream, "job.queued");
	memcpy(last_id, stream.last_id, sizeof(last_id));
	daemon_kill(world);
	while (!stream.is_cut && !stream.is_ended) {
		struct block block;

		ck_assert(!stream_next(&stream, &block));
	}
	stream_close(&stream);
	job_get(world, id, &reply);
	ck_assert_int_eq(reply.status, 502);
	reply_clear(&reply);
	daemon_start_inside(&front);
	job_get(world, id, &reply);
	ck_assert_int_eq(reply.status, 202);
	reply_clear(&reply);
	stream_open(&stream, world, target, last_id);
	cancel(world, id);
	stream_expect(&stream, "job.cancelled");
	stream_expect_end(&stream);
	stream_close(&stream);
	front_close(&front);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		a_job_is_acknowledged_polled_fetched_and_called_back,
		held_answers_come_when_the_job_changes,
		a_body_of_max_body_and_a_large_result_pass,
		one_byte_more_is_too_large_for_both,
		each_event_comes_before_the_next_one_happens,
		a_websocket_goes_through,
		other_upgrades_are_not_passed_on,
		paths_and_fields_arrive_as_the_client_wrote_them,
		a_result_gives_no_orders_to_nginx,
		many_requests_share_few_connections,
		the_page_comes_from_the_origin_of_the_jobs,
		from_outside_links_lead_back_and_the_client_is_known,
		events_come_at_once_by_http_2,
		a_restart_of_the_daemon_is_seen_and_survived,
	};

	if (nginx_program() == NULL) {
		puts("1..0 # SKIP no nginx: install it, or name it in "
		     "CALLBACKD_NGINX");
		return EXIT_SUCCESS;
	}
	return HARNESS_RUN("nginx", cases);
}
