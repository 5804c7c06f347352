/* environment.c - a run as variables.
 *
 * 1. Names are made of fixed prefixes and A-Z, 0-9 and '_': whatever fields a
 *    client sends, it cannot set a variable that means something to a loader,
 *    a shell or a library.
 * 2. Fields whose names become the same ("X-A" and "X_a") are one variable,
 *    their values joined in the order they came.
 * 3. The cost is n log n in the number of fields: they are foreign.
 *
 * Any thread; reads our own environment, which nobody changes.
 */
#include "environment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/headers.h"
#include "callbackd/text.h"

/* ---- fields ---- */

static char
name_byte(char c)
{
	if (c >= 'a' && c <= 'z')
		return (char)(c - 'a' + 'A');
	if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
		return c;
	return '_';
}

static int
compare_names(const struct header_field *a, const struct header_field *b)
{
	size_t len = a->name_len < b->name_len ? a->name_len : b->name_len;

	for (size_t i = 0; i < len; i++) {
		int step = name_byte(a->name[i]) - name_byte(b->name[i]);

		if (step != 0)
			return step;
	}
	return (a->name_len > b->name_len) - (a->name_len < b->name_len);
}

/* By name, and within a name by place: they lie in one text, in order. */
static int
compare_fields(const void *a, const void *b)
{
	const struct header_field *left = a;
	const struct header_field *right = b;
	int order = compare_names(left, right);

	if (order != 0)
		return order;
	return (left->name > right->name) - (left->name < right->name);
}

static void
put_end(struct buf *text)
{
	(void)buf_append(text, "", 1);
}

static void
put_fields(struct buf *text, const struct header_field *fields, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct header_field *field = &fields[i];

		if (i > 0 && compare_names(field - 1, field) == 0) {
			(void)buf_puts(text, ", ");
		} else {
			if (i > 0)
				put_end(text);
			(void)buf_puts(text, "CALLBACKD_HEADER_");
			for (size_t j = 0; j < field->name_len; j++)
				(void)buf_putc(text, name_byte(field->name[j]));
			(void)buf_putc(text, '=');
		}
		(void)buf_append(text, field->value, field->value_len);
	}
	if (count > 0)
		put_end(text);
}

static size_t
count_fields(const char *headers)
{
	struct header_field field;
	size_t count = 0;

	while (headers_next(&headers, &field))
		count++;
	return count;
}

static bool
add_fields(struct buf *text, const char *headers)
{
	size_t count = count_fields(headers);
	struct header_field *fields = calloc(count + 1, sizeof(*fields));

	if (fields == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		(void)headers_next(&headers, &fields[i]);
	qsort(fields, count, sizeof(*fields), compare_fields);
	put_fields(text, fields, count);
	free(fields);
	return true;
}

/* ---- what is known of the job ---- */

static void
add_variable(struct buf *text, const char *name, const char *value)
{
	(void)buf_printf(text, "%s=", name);
	(void)buf_puts(text, value != NULL ? value : "");
	put_end(text);
}

/* In callbackd.8, too. */
static void
add_own(struct buf *text)
{
	static const char *const kept[] = { "HOME", "LANG", "PATH" };

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		const char *value = getenv(kept[i]);

		if (value != NULL)
			add_variable(text, kept[i], value);
	}
}

static void
add_target(struct buf *text, const char *target)
{
	size_t path_len = strcspn(target, "?");

	(void)buf_puts(text, "CALLBACKD_PATH=");
	(void)buf_append(text, target, path_len);
	put_end(text);
	add_variable(text, "CALLBACKD_QUERY",
	    target[path_len] == '?' ? target + path_len + 1 : "");
}

static void
add_job(struct buf *text, const struct job *job, int64_t deadline_at_ms)
{
	char id[UUID_TEXT_SIZE];
	char deadline[TEXT_TIME_SIZE];

	uuid_text(job->id, id);
	text_time(deadline_at_ms, deadline);
	add_variable(text, "CALLBACKD_JOB_ID", id);
	add_variable(text, "CALLBACKD_QUEUE", job->queue);
	(void)buf_printf(text, "CALLBACKD_ATTEMPT=%d", (int)job->attempts);
	put_end(text);
	add_variable(text, "CALLBACKD_METHOD", job->method);
	add_target(text, job->target);
	add_variable(text, "CALLBACKD_CONTENT_TYPE", job->content_type);
	add_variable(text, "CALLBACKD_DEADLINE", deadline);
}

/* ---- the whole ---- */

/* The text no longer moves: where each variable begins. */
static bool
find_variables(struct environment *environment)
{
	char *at = environment->text.data;
	const char *end = at + environment->text.len;
	size_t count = 0;

	for (const char *byte = at; byte < end; byte++)
		count += *byte == '\0';
	environment->variables = calloc(count + 1, sizeof(char *));
	if (environment->variables == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		environment->variables[i] = at;
		at += strlen(at) + 1;
	}
	return true;
}

/* Fields cannot make it too large (HEADERS_MAX_BYTES), a target can. */
int
environment_make(struct environment *environment, const struct run *run,
    int64_t deadline_at_ms)
{
	struct buf *text = &environment->text;

	if (strlen(run->job.target) >= VARIABLE_MAX_BYTES)
		return E2BIG;
	environment->variables = NULL;
	buf_init(text, ENVIRONMENT_MAX_BYTES);
	add_own(text);
	add_job(text, &run->job, deadline_at_ms);
	if (add_fields(text, run->request.headers) && !buf_failed(text) &&
	    find_variables(environment))
		return 0;
	environment_free(environment);
	return ENOMEM;
}

void
environment_free(struct environment *environment)
{
	free(environment->variables);
	environment->variables = NULL;
	buf_free(&environment->text);
}
