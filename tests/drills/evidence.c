/* evidence.c - what really happened: the peers' logs and the dead letters,
 * against what was promised.
 *
 * 1. A job's attempts rise from run to run: the same attempt twice is a repeat
 *    that nobody could tell from the first.
 * 2. A callback carries the id that the 202 named, each time.
 * 3. What is said to be delivered was seen; what is dead is a dead letter.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "promises_inside.h"

static int
compare_ids(const void *a, const void *b)
{
	return strcmp(((const struct promise *)a)->id,
	    ((const struct promise *)b)->id);
}

static struct promise *
promise_of(struct promises *promises, const char *id)
{
	struct promise wanted;

	snprintf(wanted.id, ID_SIZE, "%s", id);
	return bsearch(&wanted, promises->all, promises->count, sizeof(wanted),
	    compare_ids);
}

/* ---- the logs ---- */

static const char *
word(const struct json_value *line, const char *key)
{
	const struct json_value *value = json_member(line, key);

	return value != NULL && value->text != NULL ? value->text : "";
}

static void
see_run(struct promises *promises, const struct json_value *line)
{
	struct figures *figures = &promises->figures;
	struct promise *promise = promise_of(promises, word(line, "job_id"));
	int attempt = (int)strtol(word(line, "attempt"), NULL, 10);

	figures->runs++;
	if (promise == NULL) /* never acknowledged, and yet accepted */
		return;
	promise->runs_seen++;
	if (promise->runs_seen > 1 && attempt > promise->last_attempt)
		figures->reruns_marked++;
	if (promise->runs_seen > 1 && attempt <= promise->last_attempt)
		complain(promises, &figures->reruns_unmarked,
		    "%s: attempt %d runs after %d", promise->id, attempt,
		    promise->last_attempt);
	if (attempt > promise->last_attempt)
		promise->last_attempt = attempt;
	if (promise->at_most_once && promise->runs_seen == 2)
		complain(promises, &figures->twice, "%s: runs twice",
		    promise->id);
}

static void
see_post(struct promises *promises, const struct json_value *line)
{
	struct figures *figures = &promises->figures;
	struct promise *promise = promise_of(promises, word(line, "job_id"));
	int attempt = (int)strtol(word(line, "attempt"), NULL, 10);
	const struct json_value *verified = json_member(line, "verified");

	figures->posts++;
	if (promise == NULL)
		return;
	if (strcmp(word(line, "webhook_id"), promise->webhook) != 0)
		complain(promises, &figures->misnamed,
		    "%s: callback %s came as %s", promise->id, promise->webhook,
		    word(line, "webhook_id"));
	if (verified == NULL || !verified->truth)
		complain(promises, &figures->misnamed, "%s: %s", promise->id,
		    word(line, "fault"));
	if (promise->posts_seen++ > 0 && attempt > promise->last_post)
		figures->reposts_marked++;
	else if (promise->posts_seen > 1)
		figures->reposts_unmarked++;
	promise->last_post = attempt;
}

static void
read_log(struct promises *promises, const char *path,
    void (*see)(struct promises *promises, const struct json_value *line))
{
	char *text = file_text(path, NULL);
	char *rest = text;
	char *line;
	struct reason why;

	while ((line = strsep(&rest, "\n")) != NULL && rest != NULL) {
		struct json_document *document = json_parse(line, strlen(line),
		    &why);

		ck_assert_msg(document != NULL, "%.200s: %s", line, why.text);
		see(promises, json_root(document));
		json_document_free(&document);
	}
	free(text);
}

/* ---- dead letters ---- */

static void
note_dead_letters(struct promises *promises, const struct json_value *page)
{
	const struct json_value *letter = look_at(page, "dead_letters");

	ck_assert_ptr_nonnull(letter);
	for (letter = letter->first; letter != NULL; letter = letter->next) {
		struct promise *promise = promise_of(promises,
		    look_text(letter, "job"));

		promises->figures.dead_letters++;
		if (promise != NULL)
			promise->is_dead_letter = true;
	}
}

static void
read_dead_letters(struct promises *promises, struct world *world)
{
	char target[1024] = "/v1/dead-letters?limit=100";
	struct reply reply;
	bool has_more = true;

	while (has_more) {
		const struct json_value *cursor;

		api(world, "GET", target, "", NULL, &reply);
		ck_assert_int_eq(reply.status, 200);
		note_dead_letters(promises, reply_json(&reply));
		cursor = look_at(reply_json(&reply), "next_cursor");
		has_more = cursor != NULL && cursor->kind == JSON_STRING;
		if (has_more)
			snprintf(target, sizeof(target),
			    "/v1/dead-letters?limit=100&cursor=%s",
			    cursor->text);
		reply_clear(&reply);
	}
}

/* ---- the verdict ---- */

static void
judge(struct promises *promises, struct promise *promise)
{
	struct figures *figures = &promises->figures;
	bool has_succeeded = strcmp(promise->status, "succeeded") == 0;

	if (promise->is_missing)
		return;
	if (!has_succeeded && strcmp(promise->status, "failed") != 0)
		complain(promises, &figures->lost, "%s: is still %s",
		    promise->id, promise->status);
	if (strcmp(promise->error, "interrupted") == 0)
		figures->interrupted++;
	if (has_succeeded && promise->runs_seen == 0)
		complain(promises, &figures->lost,
		    "%s: succeeded without a run", promise->id);
	if (promise->webhook[0] == '\0')
		return;
	if (strcmp(promise->callback, "delivered") == 0) {
		if (promise->posts_seen == 0)
			complain(promises, &figures->lost,
			    "%s: delivered, but never seen", promise->id);
	} else if (strcmp(promise->callback, "dead") != 0 ||
	    !promise->is_dead_letter) {
		complain(promises, &figures->lost,
		    "%s: its callback is %s and no dead letter", promise->id,
		    promise->callback);
	}
}

void
promises_judge(struct promises *promises, struct world *world,
    struct figures *out)
{
	qsort(promises->all, promises->count, sizeof(*promises->all),
	    compare_ids);
	read_log(promises, world->upstream.log_path, see_run);
	read_log(promises, world->receiver.log_path, see_post);
	read_dead_letters(promises, world);
	for (size_t i = 0; i < promises->count; i++)
		judge(promises, &promises->all[i]);
	promises->figures.promised = (long)promises->count;
	promises->figures.overlapping =
	    peer_count(&world->upstream, "most_at_once_of_a_key") - 1;
	*out = promises->figures;
}
