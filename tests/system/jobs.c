/* jobs.c - jobs as a client sees them, and what the peers saw of them.
 *
 * 1. A 202 is believed only with a Location that names the same job as Job-Id
 *    and the document.
 * 2. Waiting is polling, as clients do, with a deadline.
 */
#include "jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- submitting and polling ---- */

void
accepted_id(struct reply *reply, char id_out[ID_SIZE])
{
	const char *location = reply_header(reply, "Location");
	const char *id = reply_header(reply, "Job-Id");

	ck_assert_msg(reply->status == 202, "not accepted: %d %.300s",
	    reply->status, reply->body);
	ck_assert_ptr_nonnull(location);
	ck_assert_ptr_nonnull(id);
	ck_assert_uint_eq(strlen(id), ID_SIZE - 1);
	ck_assert_msg(strncmp(location, "/v1/jobs/", 9) == 0, "Location: %s",
	    location);
	ck_assert_str_eq(location + 9, id);
	ck_assert_str_eq(look_text(reply_json(reply), "id"), id);
	memcpy(id_out, id, ID_SIZE);
}

void
try_submit(struct world *world, const char *target, const char *fields,
    const char *body, struct reply *out)
{
	api(world, "POST", target, fields, body, out);
}

void
submit(struct world *world, const char *target, const char *fields,
    const char *body, char id_out[ID_SIZE])
{
	struct reply reply;

	try_submit(world, target, fields, body, &reply);
	accepted_id(&reply, id_out);
	reply_clear(&reply);
}

const char *
callback_to(struct world *world, const char *path)
{
	static char fields[4][512];
	static unsigned turn;
	char *out = fields[turn++ % 4];

	snprintf(out, sizeof(fields[0]), "Callback-URL: %s%s\r\n",
	    world->receiver.url, path);
	return out;
}

void
job_get(struct world *world, const char *id, struct reply *out)
{
	char target[96];

	snprintf(target, sizeof(target), "/v1/jobs/%s", id);
	api(world, "GET", target, "", NULL, out);
}

void
result_get(struct world *world, const char *id, struct reply *out)
{
	char target[96];

	snprintf(target, sizeof(target), "/v1/jobs/%s/result", id);
	api(world, "GET", target, "", NULL, out);
}

void
try_cancel(struct world *world, const char *id, struct reply *out)
{
	char target[96];

	snprintf(target, sizeof(target), "/v1/jobs/%s", id);
	api(world, "DELETE", target, "", NULL, out);
}

void
cancel(struct world *world, const char *id)
{
	struct reply reply;

	try_cancel(world, id, &reply);
	ck_assert_msg(reply.status == 200, "not cancelled: %d %.300s",
	    reply.status, reply.body);
	ck_assert_str_eq(look_text(reply_json(&reply), "id"), id);
	ck_assert_str_eq(look_text(reply_json(&reply), "status"), "cancelled");
	reply_clear(&reply);
}

static bool
has_ended(const char *status)
{
	return strcmp(status, "succeeded") == 0 ||
	    strcmp(status, "failed") == 0 || strcmp(status, "cancelled") == 0;
}

/* One look. True, and out is filled, when the job has that status. */
static bool
job_is(struct world *world, const char *id, const char *wanted,
    struct reply *out)
{
	const char *status;

	job_get(world, id, out);
	status = look_text(reply_json(out), "status");
	if (strcmp(status, wanted) == 0)
		return true;
	ck_assert_msg(!has_ended(status), "%s, not %s: %.600s", status, wanted,
	    out->body);
	reply_clear(out);
	return false;
}

void
job_wait(struct world *world, const char *id, const char *status,
    struct reply *out)
{
	wait_until(job_is(world, id, status, out));
}

static bool
callback_is(struct world *world, const char *id, const char *state,
    int attempts, struct reply *out)
{
	const struct json_value *job;
	const struct json_value *made;

	job_get(world, id, out);
	job = reply_json(out);
	made = look_at(job, "callback.attempts");
	if (made != NULL && look_says(job, "callback.state", state) &&
	    (int)made->count >= attempts)
		return true;
	ck_assert_msg(!look_says(job, "callback.state", "dead") &&
		!look_says(job, "callback.state", "delivered"),
	    "the callback is not %s: %.900s", state, out->body);
	reply_clear(out);
	return false;
}

void
callback_wait(struct world *world, const char *id, const char *state,
    struct reply *out)
{
	wait_until(callback_is(world, id, state, 0, out));
}

void
callback_wait_attempts(struct world *world, const char *id, int attempts,
    struct reply *out)
{
	wait_until(callback_is(world, id, "pending", attempts, out));
}

void
job_lives(struct world *world, const char *target, const char *fields,
    const char *body, const char *status)
{
	struct reply reply;
	char id[ID_SIZE];

	submit(world, target, fields, body, id);
	job_wait(world, id, status, &reply);
	reply_clear(&reply);
}

void
expect_problem(struct reply *reply, int status, const char *name)
{
	const char *type = reply_header(reply, "Content-Type");
	const struct json_value *problem;
	char wanted[96];

	ck_assert_msg(reply->status == status, "%d instead of %d: %.300s",
	    reply->status, status, reply->body);
	ck_assert_msg(type != NULL &&
		strncmp(type, "application/problem+json", 24) == 0,
	    "Content-Type: %s", type != NULL ? type : "(none)");
	problem = reply_json(reply);
	snprintf(wanted, sizeof(wanted), "urn:callbackd:problem:%s", name);
	ck_assert_str_eq(look_text(problem, "type"), wanted);
	ck_assert_int_eq(look_int(problem, "status"), status);
	ck_assert_str_ne(look_text(problem, "title"), "");
}

/* ---- what the peers saw ---- */

int64_t
peer_count(struct peer *peer, const char *path)
{
	struct reply reply;
	int64_t count;

	ask(peer->address, "GET", "/count", "", NULL, &reply);
	count = look_int(reply_json(&reply), path);
	reply_clear(&reply);
	return count;
}

int64_t
peer_seen(struct peer *peer, const char *path)
{
	struct reply reply;
	char target[256];
	int64_t count;

	snprintf(target, sizeof(target), "/count?path=%s", path);
	ask(peer->address, "GET", target, "", NULL, &reply);
	ck_assert_int_eq(reply.status, 200);
	count = strtoll(reply.body, NULL, 10);
	reply_clear(&reply);
	return count;
}

static struct json_document *
find_request(struct peer *peer, const char *path, int nth)
{
	char *text = file_text(peer->log_path, NULL);
	char *rest = text;
	char *line;
	struct json_document *found = NULL;
	struct reason why;

	while (found == NULL && (line = strsep(&rest, "\n")) != NULL) {
		if (rest == NULL)
			break;
		found = json_parse(line, strlen(line), &why);
		ck_assert_msg(found != NULL, "%s: %s", line, why.text);
		if (!look_says(json_root(found), "path", path) || nth-- > 0)
			json_document_free(&found);
	}
	free(text);
	return found;
}

struct json_document *
peer_request(struct peer *peer, const char *path, int nth)
{
	struct json_document *found = NULL;

	wait_until((found = find_request(peer, path, nth)) != NULL);
	return found;
}

const char *
seen_field(const struct json_document *request, const char *name)
{
	const struct json_value *field = look_at(json_root(request), "fields");

	ck_assert_msg(field != NULL, "the peer does not log --whole requests");
	for (field = field->first; field != NULL; field = field->next)
		if (strcasecmp(look_text(field, "0"), name) == 0)
			return look_text(field, "1");
	return NULL;
}

int
seen_field_count(const struct json_document *request, const char *name)
{
	const struct json_value *field = look_at(json_root(request), "fields");
	int count = 0;

	for (field = field->first; field != NULL; field = field->next)
		if (strcasecmp(look_text(field, "0"), name) == 0)
			count++;
	return count;
}

const char *
seen_text(const struct json_document *request, const char *key)
{
	return look_text(json_root(request), key);
}

void
expect_books_balance(struct world *world)
{
	ck_assert_double_eq(metric(world, "callbackd_conservation_drift"), 0);
}
