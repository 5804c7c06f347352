/* counts.c - counts by name, in a balanced tree (search.h). */
#include "counts.h"

#include <err.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "words.h"

static int
compare(const void *a, const void *b)
{
	const struct count *left = a, *right = b;

	if (left->kind != right->kind)
		return left->kind < right->kind ? -1 : 1;
	return strcmp(left->name, right->name);
}

struct count *
counts_at(struct counts *counts, enum count_kind kind, const char *name)
{
	struct count wanted = { .kind = kind, .name = (char *)name };
	void *found = tfind(&wanted, &counts->root, compare);
	struct count *count;

	if (found)
		return *(struct count **)found;
	count = calloc(1, sizeof(*count));
	if (!count || !(count->name = strdup(name)))
		err(1, "counts");
	count->kind = kind;
	if (!tsearch(count, &counts->root, compare))
		err(1, "counts");
	return count;
}

void
count_begin(struct count *count)
{
	count->seen++;
	count->now++;
	if (count->now > count->most_now)
		count->most_now = count->now;
}

void
count_end(struct count *count)
{
	count->now--;
}

struct walk {
	void (*each)(const struct count *count, void *arg);
	void *arg;
};

static void
visit_cb(const void *node, VISIT visit, void *arg)
{
	struct walk *walk = arg;

	if (visit == postorder || visit == leaf)
		walk->each(*(struct count *const *)node, walk->arg);
}

static void
counts_each(const struct counts *counts,
    void (*each)(const struct count *count, void *arg), void *arg)
{
	struct walk walk = { each, arg };

	twalk_r(counts->root, visit_cb, &walk);
}

struct listing {
	struct evbuffer *out;
	enum count_kind kind;
	const char *comma;
};

static void
list_count_cb(const struct count *count, void *arg)
{
	struct listing *listing = arg;

	if (count->kind != listing->kind)
		return;
	evbuffer_add_printf(listing->out, "%s", listing->comma);
	json_print(listing->out, count->name);
	evbuffer_add_printf(listing->out, ":%lld", (long long)count->seen);
	listing->comma = ",";
}

static void
most_cb(const struct count *count, void *arg)
{
	int64_t *most = arg;

	if (count->kind == COUNT_KEY && count->most_now > *most)
		*most = count->most_now;
}

void
counts_json(struct counts *counts, struct evbuffer *out)
{
	const struct count *all = counts_at(counts, COUNT_ALL, "");
	struct listing paths = { out, COUNT_PATH, "" };
	struct listing keys = { out, COUNT_KEY, "" };
	int64_t most_of_a_key = 0;

	counts_each(counts, most_cb, &most_of_a_key);
	evbuffer_add_printf(out,
	    "{\"total\":%lld,\"now\":%lld,\"most_at_once\":%lld,"
	    "\"most_at_once_of_a_key\":%lld,\"paths\":{",
	    (long long)all->seen, (long long)all->now, (long long)all->most_now,
	    (long long)most_of_a_key);
	counts_each(counts, list_count_cb, &paths);
	evbuffer_add_printf(out, "},\"keys\":{");
	counts_each(counts, list_count_cb, &keys);
	evbuffer_add_printf(out, "}}\n");
}

static void
count_free_cb(void *node)
{
	struct count *count = node;

	free(count->name);
	free(count);
}

void
counts_free(struct counts *counts)
{
	tdestroy(counts->root, count_free_cb);
	counts->root = NULL;
}
