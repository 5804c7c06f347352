/* test_openapi.c - does the daemon answer as contrib/openapi.yaml says?
 *
 *  1. Each promise of the file, which is a method, a path and a status, has a
 *     row below that brings it about, and each row stands for a promise: what
 *     only one side has is named.
 *  2. What really comes has that status, a content type that is promised for
 *     it, and a problem's type that the file lists, and names at that answer.
 *
 * Rows of `usual` stand for all operations that fit, those of `special` for
 * one.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "callbackd/sign.h"
#include "jobs.h"
#include "openapi.h"

#define NOBODY "0198c5a0-0000-7000-8000-000000000000"
#define LATER "Job-Delay: 1h\r\n"
#define JSON "Content-Type: application/json\r\n"
#define KEY "Idempotency-Key: a\r\n"
#define CALL_KEY "Idempotency-Key: c\r\n"
#define KEYED_JSON                                                             \
	"{\"queue\":\"reports\",\"path\":\"/ok\",\"idempotency_key\":\"b\"}"
#define STREAM "Accept: text/event-stream\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define SOCKET UPGRADE "Sec-WebSocket-Version: 13\r\n"
#define SOCKET_KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define PATIENT "Authorization: Bearer patient-key\r\n"
#define HASTY "Authorization: Bearer hasty-key\r\n"

/* A body of BODY bytes may come, one of more may not; one is held all the time,
 * so that there is no room for a second one. The admin listener has less room
 * of its own. */
#define BODY "5242880"
#define MORE "5242881"
#define COMPAT " openfaas_compat = true\n"
#define TOP                                                                    \
	"max_body = \"5m\"\n max_inflight_body = \"6m\"\n"                     \
	" body_timeout = \"10m\"\n" COMPAT
#define QUEUES                                                                 \
	"queue \"reports\" { path = \"/reports/\" upstream = \"%s/\"\n"        \
	" attempts = 1 }\n"                                                    \
	"queue \"idle\" { path = \"/idle/\" upstream = \"%s/\" }\n"            \
	"queue \"pull\" { path = \"/pull/\" executor = \"pull\"\n"             \
	" attempts = 1 }\n"                                                    \
	"queue \"tool\" { path = \"/tool/\" executor = \"command\"\n"          \
	" command = {\"/bin/true\"} attempts = 1 }\n"

enum when {
	OPEN,         /* no clients are configured */
	WITH_CLIENTS, /* patient may use one queue, hasty asks too often */
	DRAINING,     /* the daemon is about to stop */
};

struct stage {
	enum when when;
	struct world *world;
	struct openapi openapi;
	struct client holder; /* its body never comes */
	char id[ID_SIZE];     /* what {id} stands for */
	char token[33];       /* what %s in a body stands for */
	struct buf wrong;     /* a line for each disappointment */
	int asked_count;
};

struct provocation {
	const char *method; /* NULL: in `usual` */
	const char *path;
	int status;
	enum when when;
	void (*prepare)(struct stage *stage); /* sets id, and token */
	const char *target;                   /* NULL: the path */
	const char *name; /* what {name} stands for; NULL: pull */
	const char *fields;
	const char *body; /* NULL: none */
	bool is_stream;   /* only the head can be waited for */
	/* In `usual`: */
	bool (*fits)(const struct promise *promise); /* NULL: all of them */
	const char *asked; /* the method; NULL: that of the operation */
	const char *version;
	int query_bytes;
	int field_count;
};

/* ---- jobs in all states ---- */

static void
make_job(struct stage *stage, const char *target, const char *fields,
    const char *status)
{
	struct reply reply;

	submit(stage->world, target, fields, "x", stage->id);
	if (status == NULL)
		return;
	job_wait(stage->world, stage->id, status, &reply);
	reply_clear(&reply);
}

static void
queued_job(struct stage *stage)
{
	make_job(stage, "/reports/ok", LATER, NULL);
}

static void
succeeded_job(struct stage *stage)
{
	make_job(stage, "/reports/ok", "", "succeeded");
}

static void
failed_job(struct stage *stage)
{
	make_job(stage, "/reports/status/404", "", "failed");
}

static void
cancelled_job(struct stage *stage)
{
	queued_job(stage);
	cancel(stage->world, stage->id);
}

static void
expired_job(struct stage *stage)
{
	make_job(stage, "/pull/x", "Job-Expires: 10ms\r\n", "failed");
}

/* The second time it is there already. */
static void
make_keyed_job(struct stage *stage, const char *target, const char *fields,
    const char *body, const char *status)
{
	struct reply reply;

	api(stage->world, "POST", target, fields, body, &reply);
	ck_assert_msg(reply.status == 202 || reply.status == 200, "%d %.300s",
	    reply.status, reply.body);
	snprintf(stage->id, ID_SIZE, "%s", reply_header(&reply, "Job-Id"));
	reply_clear(&reply);
	job_wait(stage->world, stage->id, status, &reply);
	reply_clear(&reply);
}

static void
keyed_job(struct stage *stage)
{
	make_keyed_job(stage, "/reports/ok", KEY, "x", "succeeded");
}

/* The upstream has nothing at "/". */
static void
keyed_call(struct stage *stage)
{
	make_keyed_job(stage, "/async-function/reports", CALL_KEY, "x",
	    "failed");
}

static void
keyed_json_job(struct stage *stage)
{
	make_keyed_job(stage, "/v1/jobs", JSON, KEYED_JSON, "succeeded");
}

static bool
lease_a_job(struct stage *stage)
{
	const struct json_value *job;
	struct reply reply;

	api(stage->world, "POST", "/v1/queues/pull/lease", JSON, "{}", &reply);
	ck_assert_int_eq(reply.status, 200);
	job = look_at(reply_json(&reply), "jobs.0");
	if (job != NULL) {
		snprintf(stage->id, ID_SIZE, "%s", look_text(job, "id"));
		snprintf(stage->token, sizeof(stage->token), "%s",
		    look_text(job, "lease_token"));
	}
	reply_clear(&reply);
	return job != NULL;
}

static void
leased_job(struct stage *stage)
{
	submit(stage->world, "/pull/x", "", "x", stage->id);
	wait_until(lease_a_job(stage));
}

static void
given_up_job(struct stage *stage)
{
	struct reply reply;
	char target[96], body[128];

	leased_job(stage);
	snprintf(target, sizeof(target), "/v1/jobs/%s/fail", stage->id);
	snprintf(body, sizeof(body), "{\"lease_token\":\"%s\",\"retry\":false}",
	    stage->token);
	api(stage->world, "POST", target, JSON, body, &reply);
	ck_assert_int_eq(reply.status, 200);
	reply_clear(&reply);
}

static bool
has_failed(struct client *client, const char *id)
{
	struct reply reply;
	char target[96];
	bool failed;

	snprintf(target, sizeof(target), "/v1/jobs/%s", id);
	client_ask(client, "GET", target, "", NULL, &reply);
	failed = look_says(reply_json(&reply), "error.type", "internal");
	reply_clear(&reply);
	return failed;
}

/* The daemon is at its limit of open files when it should start the program;
 * the connection is there already. */
static void
starved_job(struct stage *stage)
{
	pid_t pid = stage->world->daemon.pid;
	struct rlimit usual, tight;
	struct client client;
	struct reply reply;

	client_open(&client, stage->world->api);
	client_ask(&client, "GET", "/v1/queues", "", NULL, &reply);
	reply_clear(&reply);
	ck_assert_int_eq(prlimit(pid, RLIMIT_NOFILE, NULL, &usual), 0);
	tight = usual;
	tight.rlim_cur = 3;
	ck_assert_int_eq(prlimit(pid, RLIMIT_NOFILE, &tight, NULL), 0);
	client_ask(&client, "POST", "/tool/x", "", "x", &reply);
	accepted_id(&reply, stage->id);
	reply_clear(&reply);
	wait_until(has_failed(&client, stage->id));
	ck_assert_int_eq(prlimit(pid, RLIMIT_NOFILE, &usual, NULL), 0);
	client_close(&client);
}

/* One that is dead, or has failed once and is sent again in an hour. */
static void
make_delivery(struct stage *stage, const char *path, bool is_dead)
{
	struct reply reply;
	char id[ID_SIZE];

	submit(stage->world, "/reports/ok", callback_to(stage->world, path),
	    "x", id);
	if (is_dead)
		callback_wait(stage->world, id, "dead", &reply);
	else
		callback_wait_attempts(stage->world, id, 1, &reply);
	snprintf(stage->id, ID_SIZE, "%s",
	    look_text(reply_json(&reply), "callback.id"));
	reply_clear(&reply);
}

static void
dead_delivery(struct stage *stage)
{
	make_delivery(stage, "/gone", true);
}

static void
pending_delivery(struct stage *stage)
{
	make_delivery(stage, "/status/500", false);
}

/* ---- what many operations answer ---- */

#define JOB "/v1/jobs/{id}"
#define QUEUE "/v1/queues/{name}"
#define FUNCTION "/async-function/{name}"

static bool
is_for_clients(const struct promise *promise)
{
	return !promise->is_admin;
}

/* Below a queue's prefix there is no other method. */
static bool
has_methods(const struct promise *promise)
{
	return strncmp(promise->path, "/reports/", 9) != 0;
}

static bool
ends_with(const struct promise *promise, const char *const *ends)
{
	size_t len = strlen(promise->path);

	for (; *ends != NULL; ends++) {
		size_t end_len = strlen(*ends);

		if (len >= end_len &&
		    strcmp(promise->path + len - end_len, *ends) == 0)
			return true;
	}
	return false;
}

static bool
ends_lease(const struct promise *promise)
{
	static const char *const ends[] = { "/complete", "/fail", "/extend",
		NULL };

	return ends_with(promise, ends);
}

static bool
reads_json(const struct promise *promise)
{
	static const char *const ends[] = { "/v1/jobs", "/lease", "/progress",
		NULL };

	return strcmp(promise->method, "POST") == 0 &&
	    (ends_lease(promise) || ends_with(promise, ends));
}

static bool
is_watched(const struct promise *promise)
{
	static const char *const ends[] = { "/events", NULL };

	return ends_with(promise, ends);
}

static bool
has_id(const struct promise *promise)
{
	return strstr(promise->path, "{id}") != NULL && !reads_json(promise);
}

static bool
has_name(const struct promise *promise)
{
	return strstr(promise->path, "{name}") != NULL;
}

#define NO_TOKEN "00000000000000000000000000000000"

static const struct provocation usual[] = {
	{ .status = 400, .fields = "Host: another\r\n" },
	{ .status = 401, .when = WITH_CLIENTS, .fits = is_for_clients },
	{ .status = 405, .fits = has_methods, .asked = "PATCH" },
	{ .status = 413, .fields = "Content-Length: " MORE "\r\n" },
	{ .status = 414, .query_bytes = 20000 },
	{ .status = 417, .fields = "Expect: another\r\n" },
	{ .status = 429,
	    .when = WITH_CLIENTS,
	    .fits = is_for_clients,
	    .fields = HASTY },
	{ .status = 431, .field_count = 101 },
	{ .status = 501, .fields = "Transfer-Encoding: gzip\r\n" },
	{ .status = 503, .fields = "Content-Length: " BODY "\r\n" },
	{ .status = 505, .version = "HTTP/1.2" },

	{ .status = 404, .fits = has_id, .fields = STREAM },
	{ .status = 404, .fits = has_name, .name = "nobody" },

	{ .status = 400, .fits = reads_json, .fields = JSON, .body = "{" },
	{ .status = 415, .fits = reads_json, .body = "{}" },
	{ .status = 422,
	    .fits = reads_json,
	    .fields = JSON,
	    .body = "{\"other\":1}" },

	{ .status = 200,
	    .fits = ends_lease,
	    .prepare = leased_job,
	    .fields = JSON,
	    .body = "{\"lease_token\":\"%s\"}" },
	{ .status = 404,
	    .fits = ends_lease,
	    .fields = JSON,
	    .body = "{\"lease_token\":\"" NO_TOKEN "\"}" },
	{ .status = 409,
	    .fits = ends_lease,
	    .prepare = leased_job,
	    .fields = JSON,
	    .body = "{\"lease_token\":\"" NO_TOKEN "\"}" },

	{ .status = 101,
	    .fits = is_watched,
	    .prepare = succeeded_job,
	    .fields = SOCKET SOCKET_KEY,
	    .is_stream = true },
	{ .status = 200,
	    .fits = is_watched,
	    .prepare = succeeded_job,
	    .fields = STREAM,
	    .is_stream = true },
	{ .status = 400, .fits = is_watched, .fields = SOCKET },
	{ .status = 403,
	    .fits = is_watched,
	    .fields = SOCKET SOCKET_KEY "Origin: http://other.example\r\n" },
	{ .status = 406,
	    .fits = is_watched,
	    .fields = "Accept: text/html\r\n" },
	{ .status = 426,
	    .fits = is_watched,
	    .fields = UPGRADE SOCKET_KEY "Sec-WebSocket-Version: 8\r\n" },
};

/* ---- what one operation answers ---- */

static const struct provocation special[] = {
	/* a queue's prefix */
	{ "POST", "/reports/{path}", 200, .prepare = keyed_job, .fields = KEY,
	    .body = "x" },
	{ "POST", "/reports/{path}", 202, .body = "x" },
	{ "POST", "/reports/{path}", 400, .body = "x",
	    .fields = "Callback-URL: http://10.0.0.1/\r\n" },
	{ "POST", "/reports/{path}", 403, .when = WITH_CLIENTS,
	    .fields = PATIENT, .body = "x" },
	{ "POST", "/reports/{path}", 404, .target = "/nowhere/ok",
	    .body = "x" },
	{ "POST", "/reports/{path}", 422, .prepare = keyed_job, .fields = KEY,
	    .body = "y" },

	/* functions */
	{ "POST", FUNCTION, 200, .prepare = keyed_call, .name = "reports",
	    .fields = CALL_KEY, .body = "x" },
	{ "POST", FUNCTION, 202, .name = "reports", .body = "x" },
	{ "POST", FUNCTION, 403, .when = WITH_CLIENTS, .name = "reports",
	    .fields = PATIENT, .body = "x" },
	{ "POST", FUNCTION, 422, .prepare = keyed_call, .name = "reports",
	    .fields = CALL_KEY, .body = "y" },
	{ "POST", FUNCTION "/{path}", 200, .prepare = keyed_job,
	    .name = "reports", .fields = KEY, .body = "x" },
	{ "POST", FUNCTION "/{path}", 202, .name = "reports", .body = "x" },
	{ "POST", FUNCTION "/{path}", 403, .when = WITH_CLIENTS,
	    .name = "reports", .fields = PATIENT, .body = "x" },
	{ "POST", FUNCTION "/{path}", 422, .prepare = keyed_job,
	    .name = "reports", .fields = KEY, .body = "y" },

	/* jobs */
	{ "GET", "/v1/jobs", 200, .when = OPEN },
	{ "GET", "/v1/jobs", 400, .target = "/v1/jobs?limit=x" },
	{ "POST", "/v1/jobs", 200, .prepare = keyed_json_job, .fields = JSON,
	    .body = KEYED_JSON },
	{ "POST", "/v1/jobs", 202, .fields = JSON,
	    .body = "{\"queue\":\"reports\",\"path\":\"/ok\"}" },
	{ "POST", "/v1/jobs", 403, .when = WITH_CLIENTS, .fields = PATIENT JSON,
	    .body = "{\"queue\":\"reports\"}" },
	{ "GET", JOB, 200, .prepare = succeeded_job },
	{ "GET", JOB, 202, .prepare = queued_job },
	{ "GET", JOB, 304, .prepare = succeeded_job,
	    .fields = "If-None-Match: *\r\n" },
	{ "GET", JOB, 400, .prepare = failed_job },
	{ "GET", JOB, 410, .prepare = cancelled_job },
	{ "DELETE", JOB, 200, .prepare = queued_job },
	{ "DELETE", JOB, 409, .prepare = succeeded_job },
	{ "POST", JOB "/retry", 202, .prepare = failed_job },
	{ "POST", JOB "/retry", 409, .prepare = queued_job },
	{ "GET", JOB "/result", 202, .prepare = queued_job },
	{ "GET", JOB "/result", 410, .prepare = cancelled_job },
	{ "GET", JOB "/result", 500, .prepare = starved_job },
	{ "GET", JOB "/result", 502, .prepare = given_up_job },
	{ "GET", JOB "/result", 504, .prepare = expired_job },

	/* consumers */
	{ "POST", JOB "/progress", 200, .prepare = leased_job, .fields = JSON,
	    .body = "{\"lease_token\":\"%s\",\"progress\":0.5}" },
	{ "POST", JOB "/progress", 404, .fields = JSON,
	    .body = "{\"lease_token\":\"" NO_TOKEN "\",\"progress\":1}" },
	{ "POST", JOB "/progress", 409, .prepare = leased_job, .fields = JSON,
	    .body = "{\"lease_token\":\"" NO_TOKEN "\",\"progress\":1}" },

	/* queues */
	{ "GET", "/v1/queues", 200, .when = OPEN },
	{ "GET", QUEUE, 200, .when = OPEN },
	{ "GET", QUEUE, 403, .when = WITH_CLIENTS, .fields = PATIENT,
	    .name = "reports" },
	{ "POST", QUEUE "/lease", 200, .fields = JSON, .body = "{}" },
	{ "POST", QUEUE "/lease", 403, .when = WITH_CLIENTS, .name = "reports",
	    .fields = PATIENT },
	{ "POST", QUEUE "/lease", 409, .name = "reports" },

	/* deliveries */
	{ "GET", "/v1/dead-letters", 200, .when = OPEN },
	{ "GET", "/v1/dead-letters", 400, .target = "/v1/dead-letters?since=" },
	{ "POST", "/v1/deliveries/{id}/redeliver", 202,
	    .prepare = dead_delivery },
	{ "POST", "/v1/deliveries/{id}/redeliver", 409,
	    .prepare = pending_delivery },

	/* the operator */
	{ "GET", "/healthz", 200, .when = OPEN },
	{ "GET", "/readyz", 200, .when = OPEN },
	{ "GET", "/readyz", 503, .when = DRAINING },
	{ "GET", "/metrics", 200, .when = OPEN },
	{ "POST", QUEUE "/pause", 200, .name = "idle" },
	{ "POST", QUEUE "/resume", 200, .name = "idle" },
};

#define COUNT_OF(table) (sizeof(table) / sizeof((table)[0]))

static bool
is_meant(const struct provocation *row, const struct promise *promise)
{
	if (row->status != promise->status)
		return false;
	if (row->method == NULL)
		return row->fits == NULL || row->fits(promise);
	return strcmp(row->method, promise->method) == 0 &&
	    strcmp(row->path, promise->path) == 0;
}

/* ---- asking ---- */

/* The path with what stands in braces replaced. */
static void
put_target(struct buf *out, const struct stage *stage,
    const struct provocation *row, const char *path)
{
	const char *name = row->name != NULL ? row->name : "pull";
	const char *brace;

	while ((brace = strchr(path, '{')) != NULL) {
		buf_append(out, path, (size_t)(brace - path));
		if (strncmp(brace, "{id}", 4) == 0)
			buf_puts(out, stage->id);
		else
			buf_puts(out, brace[1] == 'n' ? name : "ok");
		path = strchr(brace, '}') + 1;
	}
	buf_puts(out, path);
}

static void
put_body(struct buf *out, const struct stage *stage, const char *body)
{
	const char *mark = strstr(body, "%s");

	if (mark == NULL)
		buf_puts(out, body);
	else
		buf_printf(out, "%.*s%s%s", (int)(mark - body), body,
		    stage->token, mark + 2);
}

static void
put_request(struct buf *out, const struct stage *stage,
    const struct provocation *row, const struct promise *promise)
{
	struct buf body;

	buf_init(&body, 4096);
	buf_printf(out, "%s ", row->asked ? row->asked : promise->method);
	put_target(out, stage, row, row->target ? row->target : promise->path);
	if (row->query_bytes > 0)
		buf_printf(out, "?%0*d", row->query_bytes, 0);
	buf_printf(out, " %s\r\nHost: gateway.test\r\n%s",
	    row->version ? row->version : "HTTP/1.1",
	    row->fields ? row->fields : "");
	for (int i = 0; i < row->field_count; i++)
		buf_puts(out, "X-Another: 1\r\n");
	if (row->body != NULL) {
		put_body(&body, stage, row->body);
		buf_printf(out, "Content-Length: %zu\r\n", body.len);
	}
	buf_printf(out, "\r\n%s", buf_text(&body));
	ck_assert(!buf_failed(out));
	buf_free(&body);
}

static void
complain(struct stage *stage, const struct promise *promise, const char *what)
{
	buf_printf(&stage->wrong, "%s %s %d: %s\n", promise->method,
	    promise->path, promise->status, what);
}

/* Refusals are listed, and named by the promise; what became of a job is told
 * by an error type. */
static bool
is_right_problem(const struct stage *stage, const struct promise *promise,
    struct reply *reply)
{
	const struct json_value *problem = reply_json(reply);
	const char *type = look_text(problem, "type");

	if (look_int(problem, "status") != reply->status ||
	    look_text(problem, "title")[0] == '\0')
		return false;
	if (reply_header(reply, "Job-Status") != NULL)
		return openapi_has_error(&stage->openapi, type);
	return openapi_has_problem(&stage->openapi, type) &&
	    promise_names(promise, type);
}

static void
judge(struct stage *stage, const struct promise *promise, struct reply *reply)
{
	const char *type = reply_header(reply, "Content-Type");
	char what[512];

	stage->asked_count++;
	if (reply->status != promise->status) {
		snprintf(what, sizeof(what), "got %d %.300s", reply->status,
		    reply->body);
		complain(stage, promise, what);
	} else if (!promise_has_type(promise, type)) {
		snprintf(what, sizeof(what), "came as %s, not as%s",
		    type != NULL ? type : "nothing",
		    promise->types[0] != '\0' ? promise->types : " nothing");
		complain(stage, promise, what);
	} else if (type == NULL && reply->body_len > 0) {
		complain(stage, promise, "has a body");
	} else if (type != NULL &&
	    strcmp(type, "application/problem+json") == 0 &&
	    !is_right_problem(stage, promise, reply)) {
		snprintf(what, sizeof(what),
		    "is not one of its problems: %.300s", reply->body);
		complain(stage, promise, what);
	}
}

static void
provoke(struct stage *stage, const struct provocation *row,
    const struct promise *promise)
{
	struct world *world = stage->world;
	struct client client;
	struct reply reply;
	struct buf request;

	snprintf(stage->id, ID_SIZE, "%s", NOBODY);
	if (row->prepare != NULL)
		row->prepare(stage);
	buf_init(&request, 1 << 20);
	put_request(&request, stage, row, promise);
	client_open(&client, promise->is_admin ? world->admin : world->api);
	client_try_send(&client, request.data, request.len);
	if (client_read(&client, row->is_stream, &reply))
		judge(stage, promise, &reply);
	else
		complain(stage, promise, "closed without an answer");
	reply_clear(&reply);
	client_close(&client);
	buf_free(&request);
}

/* ---- all of them ---- */

static void
provoke_all(struct stage *stage)
{
	for (int i = 0; i < stage->openapi.promise_count; i++) {
		const struct promise *promise = &stage->openapi.promises[i];

		for (size_t j = 0; j < COUNT_OF(special); j++)
			if (special[j].when == stage->when &&
			    is_meant(&special[j], promise))
				provoke(stage, &special[j], promise);
		for (size_t j = 0; j < COUNT_OF(usual); j++)
			if (usual[j].when == stage->when &&
			    is_meant(&usual[j], promise))
				provoke(stage, &usual[j], promise);
	}
}

static void
stage_begin(struct stage *stage, enum when when)
{
	memset(stage, 0, sizeof(*stage));
	stage->when = when;
	buf_init(&stage->wrong, 1 << 20);
	openapi_read(&stage->openapi);
}

static void
stage_end(struct stage *stage)
{
	if (stage->wrong.len > 0)
		fprintf(stderr, "%s", buf_text(&stage->wrong));
	ck_assert_msg(stage->wrong.len == 0, "%.2000s",
	    buf_text(&stage->wrong));
	buf_free(&stage->wrong);
}

/* Sends the head of a request, and waits until it has been read. */
static void
hold_a_body(struct stage *stage)
{
	static const char head[] =
	    "POST /reports/ok HTTP/1.1\r\nHost: gateway.test\r\n"
	    "Content-Length: " BODY "\r\nExpect: 100-continue\r\n\r\n";
	static const char wanted[] = "HTTP/1.1 100 ";
	char got[sizeof(wanted)] = "";

	client_open(&stage->holder, stage->world->api);
	client_send(&stage->holder, head, sizeof(head) - 1);
	ck_assert_int_eq(recv(stage->holder.fd, got, sizeof(wanted) - 1,
			     MSG_WAITALL),
	    sizeof(wanted) - 1);
	ck_assert_str_eq(got, wanted);
}

/* ---- cases ---- */

/* Every operation that the row can be meant for promises it. */
static void
expect_promised_by_all(struct stage *stage, const struct provocation *row)
{
	const struct openapi *openapi = &stage->openapi;

	for (int i = 0; i < openapi->promise_count; i++) {
		struct promise wanted = openapi->promises[i];

		/* Once an operation. */
		if (i > 0 &&
		    strcmp(wanted.path, openapi->promises[i - 1].path) == 0 &&
		    strcmp(wanted.method, openapi->promises[i - 1].method) == 0)
			continue;
		wanted.status = row->status;
		if (is_meant(row, &wanted) &&
		    openapi_find(openapi, wanted.method, wanted.path,
			wanted.status) == NULL)
			complain(stage, &wanted, "happens, but is not there");
	}
}

static bool
is_provoked(const struct promise *promise)
{
	for (size_t i = 0; i < COUNT_OF(special); i++)
		if (is_meant(&special[i], promise))
			return true;
	for (size_t i = 0; i < COUNT_OF(usual); i++)
		if (is_meant(&usual[i], promise))
			return true;
	return false;
}

START_TEST(what_is_promised_and_what_is_provoked_are_the_same)
{
	struct stage stage;

	stage_begin(&stage, OPEN);
	for (int i = 0; i < stage.openapi.promise_count; i++)
		if (!is_provoked(&stage.openapi.promises[i]))
			complain(&stage, &stage.openapi.promises[i],
			    "nothing here provokes it");
	for (size_t i = 0; i < COUNT_OF(special); i++) {
		struct promise wanted = { .status = special[i].status };

		snprintf(wanted.method, sizeof(wanted.method), "%s",
		    special[i].method);
		snprintf(wanted.path, sizeof(wanted.path), "%s",
		    special[i].path);
		if (openapi_find(&stage.openapi, wanted.method, wanted.path,
			wanted.status) == NULL)
			complain(&stage, &wanted, "happens, but is not there");
	}
	for (size_t i = 0; i < COUNT_OF(usual); i++)
		expect_promised_by_all(&stage, &usual[i]);
	stage_end(&stage);
}
END_TEST

static bool
is_draining(struct world *world)
{
	struct reply reply;
	int status;

	admin(world, "GET", "/readyz", &reply);
	status = reply.status;
	reply_clear(&reply);
	return status != 200;
}

/* A run that hangs keeps the daemon until the upstream is gone. */
static void
drain(struct stage *stage)
{
	struct world *world = stage->world;

	make_job(stage, "/reports/hang", "", "running");
	process_signal(&world->daemon, SIGTERM);
	wait_until(is_draining(world));
	stage->when = DRAINING;
	provoke_all(stage);
	peer_stop(&world->upstream);
	daemon_expect_clean_end(world);
}

START_TEST(each_answer_comes_as_it_is_promised)
{
	static const struct setup setup = { .top = TOP,
		.more = QUEUES,
		.callback = LOOPBACK_ALLOWED " schedule = {\"1h\"}\n" };
	struct stage stage;
	struct world world;

	stage_begin(&stage, OPEN);
	stage.world = &world;
	world_open(&world, &setup);
	hold_a_body(&stage);
	provoke_all(&stage);
	client_close(&stage.holder);
	drain(&stage);
	ck_assert_int_gt(stage.asked_count, 0);
	stage_end(&stage);
	world_close(&world);
}
END_TEST

static void
put_client(struct buf *out, const char *name, const char *settings)
{
	char key[64];
	char hash[SHA256_HEX_SIZE];

	snprintf(key, sizeof(key), "%s-key", name);
	ck_assert(sha256_hex(key, strlen(key), hash));
	buf_printf(out, "client \"%s\" { key_sha256 = \"%s\" %s }\n", name,
	    hash, settings);
}

START_TEST(each_answer_to_clients_comes_as_it_is_promised)
{
	struct setup setup = { .top = COMPAT };
	struct stage stage;
	struct world world;
	struct reply reply;
	struct buf more;

	stage_begin(&stage, WITH_CLIENTS);
	stage.world = &world;
	buf_init(&more, 4096);
	buf_puts(&more, QUEUES);
	put_client(&more, "patient", "queues = {\"pull\"}");
	put_client(&more, "hasty", "rate = 0.01 burst = 1");
	setup.more = buf_text(&more);
	world_open(&world, &setup);
	buf_free(&more);
	/* The one that it may ask in a hundred seconds. */
	api(&world, "GET", "/v1/queues", HASTY, NULL, &reply);
	ck_assert_int_eq(reply.status, 200);
	reply_clear(&reply);
	provoke_all(&stage);
	ck_assert_int_gt(stage.asked_count, 0);
	stage_end(&stage);
	world_close(&world);
}
END_TEST

int
main(void)
{
	const TTest *const cases[] = {
		what_is_promised_and_what_is_provoked_are_the_same,
		each_answer_comes_as_it_is_promised,
		each_answer_to_clients_comes_as_it_is_promised,
	};

	return HARNESS_RUN("openapi", cases);
}
