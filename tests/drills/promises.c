/* promises.c - the table of promises, and what a client may be told of them.
 *
 * 1. What was told stands: an end stays that end, attempts do not become
 *    fewer, and a job that was running waits again only because of an error.
 * 2. A key belongs to one job.
 */
#include "promises.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "promises_inside.h"

void
complain(struct promises *promises, long *count, const char *format, ...)
{
	va_list args;

	(*count)++;
	if (promises->complaints++ >= COMPLAINTS_MAX)
		return;
	va_start(args, format);
	fprintf(stderr, "BROKEN: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
}

struct promises *
promises_new(void)
{
	struct promises *promises = calloc(1, sizeof(*promises));

	ck_assert_ptr_nonnull(promises);
	pthread_mutex_init(&promises->lock, NULL);
	return promises;
}

void
promises_free(struct promises **promises)
{
	pthread_mutex_destroy(&(*promises)->lock);
	free((*promises)->all);
	free(*promises);
	*promises = NULL;
}

static struct promise *
find(struct promises *promises, const char *id)
{
	for (size_t i = promises->count; i-- > 0;)
		if (strcmp(promises->all[i].id, id) == 0)
			return &promises->all[i];
	return NULL;
}

static struct promise *
find_key(struct promises *promises, uint32_t key)
{
	for (size_t i = promises->count; key != 0 && i-- > 0;)
		if (promises->all[i].key == key)
			return &promises->all[i];
	return NULL;
}

static struct promise *
add(struct promises *promises, const char *id)
{
	struct promise *promise;

	if (promises->count == promises->room) {
		promises->room = promises->room * 2 + 1024;
		promises->all = realloc(promises->all,
		    promises->room * sizeof(*promises->all));
		ck_assert_ptr_nonnull(promises->all);
	}
	promise = &promises->all[promises->count++];
	memset(promise, 0, sizeof(*promise));
	snprintf(promise->id, ID_SIZE, "%s", id);
	return promise;
}

static const char *
text_of(const struct json_value *job, const char *path)
{
	const struct json_value *value = look_at(job, path);

	return value != NULL && value->text != NULL ? value->text : "";
}

static int
number_of(const struct json_value *job, const char *path)
{
	const struct json_value *value = look_at(job, path);
	int64_t number;

	return value != NULL && json_to_int(value, 0, INT32_MAX, &number)
	    ? (int)number
	    : 0;
}

/* ---- what is told ---- */

static bool
is_end(const char *status)
{
	return strcmp(status, "succeeded") == 0 ||
	    strcmp(status, "failed") == 0;
}

static bool
is_settled(const char *state)
{
	return strcmp(state, "delivered") == 0 || strcmp(state, "dead") == 0;
}

static void
compare(struct promises *promises, const struct promise *before,
    const struct promise *now, const char *error)
{
	long *count = &promises->figures.backwards;

	if (is_end(before->status) && strcmp(before->status, now->status) != 0)
		complain(promises, count, "%s: was %s, is %s", now->id,
		    before->status, now->status);
	if (now->attempts < before->attempts)
		complain(promises, count, "%s: had %d attempts, has %d",
		    now->id, before->attempts, now->attempts);
	if (strcmp(before->status, "running") == 0 &&
	    strcmp(now->status, "queued") == 0 && error[0] == '\0')
		complain(promises, count, "%s: was running, waits", now->id);
	if (is_settled(before->callback) &&
	    strcmp(before->callback, now->callback) != 0)
		complain(promises, count, "%s: callback was %s, is %s", now->id,
		    before->callback, now->callback);
	if (now->posts < before->posts)
		complain(promises, count, "%s: had %d posts, has %d", now->id,
		    before->posts, now->posts);
	if (strcmp(before->webhook, now->webhook) != 0)
		complain(promises, &promises->figures.misnamed,
		    "%s: callback was %s, is %s", now->id, before->webhook,
		    now->webhook);
}

static void
take_document(struct promise *promise, const struct json_value *job)
{
	const struct json_value *posts = look_at(job, "callback.attempts");

	snprintf(promise->status, sizeof(promise->status), "%s",
	    text_of(job, "status"));
	snprintf(promise->error, sizeof(promise->error), "%s",
	    text_of(job, "error.type"));
	snprintf(promise->callback, sizeof(promise->callback), "%s",
	    text_of(job, "callback.state"));
	snprintf(promise->webhook, sizeof(promise->webhook), "%s",
	    text_of(job, "callback.id"));
	promise->attempts = number_of(job, "attempts");
	promise->posts = posts != NULL ? (int)posts->count : 0;
}

/* True when it is all over. */
static bool
take_reply(struct promises *promises, struct promise *promise,
    struct reply *reply, bool is_first)
{
	struct promise before = *promise;

	if (reply->status == 404) {
		if (!promise->is_missing)
			complain(promises, &promises->figures.lost,
			    "%s: no such job", promise->id);
		promise->is_missing = true;
		return true;
	}
	if (reply->status >= 500) /* no news */
		return false;
	take_document(promise, reply_json(reply));
	if (!is_first)
		compare(promises, &before, promise, promise->error);
	return is_end(promise->status) &&
	    (promise->webhook[0] == '\0' || is_settled(promise->callback));
}

void
promise_made(struct promises *promises, struct reply *reply, bool at_most_once,
    uint32_t key)
{
	char id[ID_SIZE] = "";
	struct promise *promise, *first;

	(void)head_says(reply, "Job-Id", id, sizeof(id));
	pthread_mutex_lock(&promises->lock);
	promise = find(promises, id);
	first = find_key(promises, key);
	if (first != NULL && first != promise)
		complain(promises, &promises->figures.misnamed,
		    "key %u: was %s, is %s", key, first->id, id);
	if (promise != NULL && key == 0)
		complain(promises, &promises->figures.misnamed,
		    "%s: given twice", id);
	/* Of a replay only the id is taken: what it tells may have been
	 * overtaken by what somebody else was told since. */
	if (promise == NULL) {
		promise = add(promises, id);
		promise->key = key;
		promise->at_most_once = at_most_once;
		(void)take_reply(promises, promise, reply, true);
	}
	pthread_mutex_unlock(&promises->lock);
}

size_t
promises_count(struct promises *promises)
{
	size_t count;

	pthread_mutex_lock(&promises->lock);
	count = promises->count;
	pthread_mutex_unlock(&promises->lock);
	return count;
}

void
promise_id(struct promises *promises, size_t which, char id_out[ID_SIZE])
{
	pthread_mutex_lock(&promises->lock);
	memcpy(id_out, promises->all[which].id, ID_SIZE);
	pthread_mutex_unlock(&promises->lock);
}

bool
promise_told(struct promises *promises, size_t which, struct reply *reply)
{
	bool is_over;

	pthread_mutex_lock(&promises->lock);
	is_over = take_reply(promises, &promises->all[which], reply, false);
	pthread_mutex_unlock(&promises->lock);
	return is_over;
}
