/* fixture.h - what the tests of the store share: a store of either kind in a
 * folder of its own, and records with something in every field.
 */
#ifndef CALLBACKD_TEST_STORE_FIXTURE_H
#define CALLBACKD_TEST_STORE_FIXTURE_H

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "callbackd/store.h"
#include "callbackd/text.h"

#define NOW_MS INT64_C(1763634000000)

#define assert_ok(store, result)                                               \
	do {                                                                   \
		enum store_result result_ = (result);                          \
		ck_assert_msg(result_ == STORE_OK, "%s: %d, %s", #result,      \
		    result_, store_why(store));                                \
	} while (0)

struct fixture {
	char folder[64];
	char url[128];
	const char *path; /* within url; "" for memory */
	struct store *store;
};

static inline void
fixture_reopen(struct fixture *fixture)
{
	struct reason why = { "" };

	store_close(&fixture->store);
	fixture->store = store_open(fixture->url, true, &why);
	ck_assert_msg(fixture->store != NULL, "%s", why.text);
}

static inline void
fixture_name(struct fixture *fixture, const char *scheme)
{
	const char *folder = getenv("TMPDIR");

	snprintf(fixture->folder, sizeof(fixture->folder), "%.40s/storeXXXXXX",
	    folder != NULL ? folder : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(fixture->folder));
	fixture->store = NULL;
	if (strcmp(scheme, "memory:") == 0)
		strcpy(fixture->url, scheme);
	else
		snprintf(fixture->url, sizeof(fixture->url), "%s%s/jobs.db",
		    scheme, fixture->folder);
	fixture->path = fixture->url + strlen(scheme);
}

static inline void
fixture_open(struct fixture *fixture, const char *scheme)
{
	fixture_name(fixture, scheme);
	fixture_reopen(fixture);
}

static inline void
fixture_close(struct fixture *fixture)
{
	DIR *folder = opendir(fixture->folder);
	struct dirent *entry;
	char path[512];

	store_close(&fixture->store);
	ck_assert_ptr_null(fixture->store);
	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", fixture->folder,
		    entry->d_name);
		if (entry->d_name[0] != '.')
			unlink(path);
	}
	closedir(folder);
	rmdir(fixture->folder);
}

static inline struct payload
payload_of(const char *headers, const void *bytes, size_t len)
{
	struct payload payload = { text_copy(headers), NULL };

	if (len > 0)
		payload.body = blob_new(bytes, len);
	return payload;
}

/* A job as it comes in: something in every field that is set by then. */
static inline void
fill_job(struct job *job)
{
	job_init(job);
	strcpy(job->queue, "reports");
	strcpy(job->client, "acme");
	job->priority = 3;
	job->max_attempts = 4;
	job->created_at_ms = NOW_MS;
	job->run_at_ms = NOW_MS + 5000;
	job->expires_at_ms = NOW_MS + 60000;
	job->timeout_ms = 1500;
	job->ordering_key = text_copy("customer-7");
	job->idempotency_key = text_copy("\"a b\"");
	job->batch = (struct uuid){ 99, (UINT64_C(1) << 62) - 1 };
	strcpy(job->method, "POST");
	job->target = text_copy("/generate?x=1");
	job->content_type = text_copy("application/json");
	job->request_bytes = 12;
	job->callback_url = text_copy("https://receiver.example/hook");
	job->failure_url = text_copy("https://receiver.example/oh-no");
	job->callback_headers = text_copy("X-Token: abc\n");
	job->callback_events = EVENT_STARTED | EVENT_FAILED;
	job->callback_format = FORMAT_THIN;
}

/* Adds one in the open transaction; without a callback when url is NULL. */
static inline struct uuid
add_plain_job(struct store *store, const char *queue, const char *url,
    int64_t now_ms)
{
	struct payload request = payload_of("A: b\n", "body", 4);
	struct job job;
	struct uuid id;

	job_init(&job);
	strcpy(job.queue, queue);
	strcpy(job.method, "POST");
	job.target = text_copy("/");
	job.created_at_ms = now_ms;
	job.run_at_ms = now_ms;
	job.callback_url = text_copy(url);
	assert_ok(store, store_add_job(store, &job, &request, now_ms));
	id = job.id;
	job_clear(&job);
	payload_clear(&request);
	return id;
}

/* The same, with a transaction of its own. */
static inline struct uuid
keep_plain_job(struct store *store, const char *queue, const char *url,
    int64_t now_ms)
{
	struct uuid id;

	assert_ok(store, store_begin(store));
	id = add_plain_job(store, queue, url, now_ms);
	assert_ok(store, store_commit(store, true));
	return id;
}

/* Moves a job to a status in the open transaction. */
static inline void
set_status(struct store *store, struct uuid id, enum job_status status,
    int64_t now_ms)
{
	struct job job;

	job_init(&job);
	assert_ok(store, store_get_job(store, id, &job));
	job.status = status;
	if (job_has_ended(status))
		job.finished_at_ms = now_ms;
	assert_ok(store, store_update_job(store, &job, NULL));
	job_clear(&job);
}

/* Adds a delivery for a job in the open transaction; own: its terminal one. */
static inline struct uuid
add_plain_delivery(struct store *store, struct uuid job_id, bool own,
    enum delivery_state state, int64_t now_ms)
{
	struct delivery delivery;
	struct job job;
	struct uuid id;

	job_init(&job);
	delivery_init(&delivery);
	assert_ok(store, store_get_job(store, job_id, &job));
	if (own)
		delivery.id = job.delivery;
	delivery.job = job_id;
	delivery.state = state;
	delivery.created_at_ms = now_ms;
	delivery.url = text_copy("https://receiver.example/hook");
	assert_ok(store, store_add_delivery(store, &delivery, now_ms));
	id = delivery.id;
	delivery_clear(&delivery);
	job_clear(&job);
	return id;
}

static inline enum store_result
look_for_job(struct store *store, struct uuid id)
{
	enum store_result result;
	struct job job;

	job_init(&job);
	result = store_get_job(store, id, &job);
	job_clear(&job);
	return result;
}

static inline enum store_result
look_for_delivery(struct store *store, struct uuid id)
{
	enum store_result result;
	struct delivery delivery;

	delivery_init(&delivery);
	result = store_get_delivery(store, id, &delivery);
	delivery_clear(&delivery);
	return result;
}

/* The books, and that they balance. */
static inline struct store_books
balanced_books(struct store *store)
{
	struct store_books books;

	assert_ok(store, store_count(store, &books));
	ck_assert_int_eq(books.accepted - books.ended,
	    books.counted_queued + books.counted_running);
	return books;
}

#endif
