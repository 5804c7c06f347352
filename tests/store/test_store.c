/* test_store.c - the contract of a store: every case on every driver. */
#include "fixture.h"

#include "callbackd/uuid.h"

static const char *const schemes[] = { "memory:", "sqlite:" };
#define SCHEME_COUNT ((int)(sizeof(schemes) / sizeof(schemes[0])))

static void
assert_same_text(const char *a, const char *b)
{
	ck_assert_int_eq(a == NULL, b == NULL);
	if (a != NULL)
		ck_assert_str_eq(a, b);
}

static void
assert_same_job(const struct job *a, const struct job *b)
{
	ck_assert(uuid_equal(a->id, b->id));
	ck_assert_str_eq(a->queue, b->queue);
	ck_assert_str_eq(a->client, b->client);
	ck_assert_int_eq(a->status, b->status);
	ck_assert_int_eq(a->priority, b->priority);
	ck_assert_int_eq(a->attempts, b->attempts);
	ck_assert_int_eq(a->max_attempts, b->max_attempts);
	ck_assert_int_eq(a->created_at_ms, b->created_at_ms);
	ck_assert_int_eq(a->run_at_ms, b->run_at_ms);
	ck_assert_int_eq(a->started_at_ms, b->started_at_ms);
	ck_assert_int_eq(a->finished_at_ms, b->finished_at_ms);
	ck_assert_int_eq(a->expires_at_ms, b->expires_at_ms);
	ck_assert_int_eq(a->timeout_ms, b->timeout_ms);
	assert_same_text(a->ordering_key, b->ordering_key);
	assert_same_text(a->idempotency_key, b->idempotency_key);
	ck_assert(uuid_equal(a->batch, b->batch));
	ck_assert_str_eq(a->method, b->method);
	assert_same_text(a->target, b->target);
	assert_same_text(a->content_type, b->content_type);
	ck_assert_int_eq(a->request_bytes, b->request_bytes);
	ck_assert_int_eq(a->response_status, b->response_status);
	assert_same_text(a->response_type, b->response_type);
	ck_assert_int_eq(a->response_bytes, b->response_bytes);
	ck_assert_int_eq(a->error, b->error);
	assert_same_text(a->error_detail, b->error_detail);
	ck_assert_str_eq(a->lease_token, b->lease_token);
	ck_assert_int_eq(a->lease_until_ms, b->lease_until_ms);
	ck_assert_double_eq(a->progress, b->progress);
	assert_same_text(a->progress_message, b->progress_message);
	assert_same_text(a->callback_url, b->callback_url);
	assert_same_text(a->failure_url, b->failure_url);
	assert_same_text(a->callback_headers, b->callback_headers);
	ck_assert_uint_eq(a->callback_events, b->callback_events);
	ck_assert_int_eq(a->callback_format, b->callback_format);
	ck_assert(uuid_equal(a->delivery, b->delivery));
}

static void
assert_same_delivery(const struct delivery *a, const struct delivery *b)
{
	ck_assert(uuid_equal(a->id, b->id));
	ck_assert(uuid_equal(a->job, b->job));
	ck_assert_int_eq(a->event, b->event);
	ck_assert_int_eq(a->state, b->state);
	ck_assert_int_eq(a->format, b->format);
	ck_assert_int_eq(a->attempts, b->attempts);
	ck_assert_int_eq(a->created_at_ms, b->created_at_ms);
	ck_assert_int_eq(a->schedule_at_ms, b->schedule_at_ms);
	ck_assert_int_eq(a->next_at_ms, b->next_at_ms);
	ck_assert_int_eq(a->ended_at_ms, b->ended_at_ms);
	ck_assert_int_eq(a->error, b->error);
	assert_same_text(a->url, b->url);
	assert_same_text(a->headers, b->headers);
	ck_assert_int_eq(a->run, b->run);
	ck_assert_int_eq(a->run_started_at_ms, b->run_started_at_ms);
	ck_assert_double_eq(a->progress, b->progress);
	assert_same_text(a->progress_message, b->progress_message);
	assert_same_text(a->attempts_json, b->attempts_json);
}

static void
assert_payload(struct store *store, int64_t seq, enum payload_kind kind,
    const char *headers, const void *bytes, size_t len)
{
	struct payload payload = { NULL, NULL };

	assert_ok(store, store_get_payload(store, seq, kind, &payload));
	assert_same_text(payload.headers, headers);
	ck_assert_uint_eq(blob_len(payload.body), len);
	if (len > 0)
		ck_assert_mem_eq(blob_data(payload.body), bytes, len);
	payload_clear(&payload);
}

START_TEST(a_job_comes_back_as_it_was_added)
{
	struct payload request = payload_of("A: b\nC: d\n", "a\0b\xff\n", 5);
	struct fixture f;
	struct job job, back;

	fixture_open(&f, schemes[_i]);
	fill_job(&job);
	job_init(&back);
	assert_ok(f.store, store_begin(f.store));
	assert_ok(f.store, store_add_job(f.store, &job, &request, NOW_MS));
	assert_ok(f.store, store_get_job(f.store, job.id, &back));
	assert_same_job(&job, &back); /* in the open transaction */
	job_clear(&back);
	assert_ok(f.store, store_commit(f.store, true));
	assert_ok(f.store, store_get_job(f.store, job.id, &back));
	assert_same_job(&job, &back);
	job_clear(&back);
	assert_ok(f.store, store_get_job_seq(f.store, job.id.seq, &back));
	assert_same_job(&job, &back);
	assert_payload(f.store, job.id.seq, PAYLOAD_REQUEST, "A: b\nC: d\n",
	    "a\0b\xff\n", 5);
	job_clear(&back);
	job_clear(&job);
	payload_clear(&request);
	fixture_close(&f);
}
END_TEST

START_TEST(a_bare_job_comes_back_bare)
{
	struct payload nothing = { NULL, NULL }, answer = { NULL, NULL };
	struct fixture f;
	struct job job, back;

	fixture_open(&f, schemes[_i]);
	job_init(&job);
	job_init(&back);
	assert_ok(f.store, store_begin(f.store));
	assert_ok(f.store, store_add_job(f.store, &job, &nothing, NOW_MS));
	assert_ok(f.store, store_commit(f.store, false));
	assert_ok(f.store, store_get_job(f.store, job.id, &back));
	assert_same_job(&job, &back);
	ck_assert(!uuid_is_set(back.delivery));
	assert_payload(f.store, job.id.seq, PAYLOAD_REQUEST, NULL, "", 0);
	ck_assert_int_eq(store_get_payload(f.store, job.id.seq,
			     PAYLOAD_RESPONSE, &answer),
	    STORE_MISSING);
	job_clear(&back);
	fixture_close(&f);
}
END_TEST

START_TEST(ids_hold_the_moment_and_rise_whatever_the_clock_does)
{
	struct uuid first, second, third;
	struct fixture f;

	fixture_open(&f, schemes[_i]);
	first = keep_plain_job(f.store, "q", NULL, NOW_MS);
	second = keep_plain_job(f.store, "q", NULL, NOW_MS - 86400000);
	third = keep_plain_job(f.store, "q", NULL, NOW_MS + 7);
	ck_assert_int_eq(uuid_ms(first.seq), NOW_MS);
	ck_assert_int_gt(second.seq, first.seq);
	ck_assert_int_eq(third.seq, uuid_seq_at(NOW_MS + 7));
	ck_assert_uint_ne(first.salt, second.salt);
	ck_assert_uint_eq(first.salt >> 62, 0);
	fixture_close(&f);
}
END_TEST

START_TEST(an_id_of_a_failed_transaction_is_not_given_again)
{
	struct uuid lost, kept;
	struct fixture f;

	fixture_open(&f, schemes[_i]);
	assert_ok(f.store, store_begin(f.store));
	lost = add_plain_job(f.store, "q", NULL, NOW_MS);
	store_rollback(f.store);
	kept = keep_plain_job(f.store, "q", NULL, NOW_MS);
	ck_assert_int_gt(kept.seq, lost.seq);
	ck_assert_int_eq(look_for_job(f.store, lost), STORE_MISSING);
	fixture_close(&f);
}
END_TEST

START_TEST(a_job_with_a_callback_is_given_its_delivery_id)
{
	struct uuid with, without;
	struct fixture f;
	struct job job;

	fixture_open(&f, schemes[_i]);
	with = keep_plain_job(f.store, "q", "http://c/", NOW_MS);
	without = keep_plain_job(f.store, "q", NULL, NOW_MS);
	job_init(&job);
	assert_ok(f.store, store_get_job(f.store, with, &job));
	ck_assert_int_gt(job.delivery.seq, with.seq);
	ck_assert_int_lt(job.delivery.seq, without.seq);
	job_clear(&job);
	assert_ok(f.store, store_get_job(f.store, without, &job));
	ck_assert(!uuid_is_set(job.delivery));
	job_clear(&job);
	fixture_close(&f);
}
END_TEST

START_TEST(a_guessed_id_finds_nothing)
{
	struct fixture f;
	struct uuid id, delivery_id;
	struct job job;

	fixture_open(&f, schemes[_i]);
	id = keep_plain_job(f.store, "q", "http://c/", NOW_MS);
	assert_ok(f.store, store_begin(f.store));
	delivery_id = add_plain_delivery(f.store, id, true, DELIVERY_PENDING,
	    NOW_MS);
	assert_ok(f.store, store_commit(f.store, false));
	job_init(&job);
	assert_ok(f.store, store_get_job(f.store, id, &job));
	id.salt ^= 1;
	delivery_id.salt ^= 1;
	job.id = id;
	ck_assert_int_eq(look_for_job(f.store, id), STORE_MISSING);
	ck_assert_int_eq(look_for_delivery(f.store, delivery_id),
	    STORE_MISSING);
	assert_ok(f.store, store_begin(f.store));
	ck_assert_int_eq(store_update_job(f.store, &job, NULL), STORE_MISSING);
	store_rollback(f.store);
	job_clear(&job);
	fixture_close(&f);
}
END_TEST

static void
hold_job(struct job *job)
{
	strcpy(job->lease_token, "0123456789abcdef0123456789abcdef");
	job->lease_until_ms = NOW_MS + 7000;
	job->progress = 1.0 / 3;
	job->progress_message = text_copy("a third");
}

static void
end_job(struct job *job)
{
	job->status = JOB_FAILED;
	job->attempts = 2;
	job->run_at_ms = NOW_MS + 1;
	job->started_at_ms = NOW_MS + 2;
	job->finished_at_ms = NOW_MS + 3;
	job->expires_at_ms = -1; /* as when it was run again */
	job->response_status = 503;
	job->response_type = text_copy("text/plain");
	job->response_bytes = 4;
	job->error = ERROR_STATUS_5XX;
	job->error_detail = text_copy("HTTP 503");
	hold_job(job);
}

START_TEST(an_update_writes_the_moving_part_and_nothing_else)
{
	struct payload request = { NULL, NULL };
	struct fixture f;
	struct job job, changed, back;

	fixture_open(&f, schemes[_i]);
	fill_job(&job);
	job_init(&back);
	assert_ok(f.store, store_begin(f.store));
	assert_ok(f.store, store_add_job(f.store, &job, &request, NOW_MS));
	end_job(&job);
	ck_assert(job_copy(&changed, &job));
	strcpy(changed.queue, "elsewhere");
	changed.priority = 9;
	changed.created_at_ms = 1;
	changed.method[0] = 'G';
	assert_ok(f.store, store_update_job(f.store, &changed, NULL));
	assert_ok(f.store, store_commit(f.store, true));
	assert_ok(f.store, store_get_job(f.store, job.id, &back));
	assert_same_job(&job, &back);
	job_clear(&back);
	job_clear(&changed);
	job_clear(&job);
	fixture_close(&f);
}
END_TEST

START_TEST(a_response_is_kept_until_another_replaces_it)
{
	struct payload first = payload_of("X: 1\n", "one", 3);
	struct payload second = payload_of(NULL, "two!", 4);
	struct fixture f;
	struct uuid id;
	struct job job;

	fixture_open(&f, schemes[_i]);
	id = keep_plain_job(f.store, "q", NULL, NOW_MS);
	job_init(&job);
	assert_ok(f.store, store_get_job(f.store, id, &job));
	assert_ok(f.store, store_begin(f.store));
	assert_ok(f.store, store_update_job(f.store, &job, &first));
	assert_ok(f.store, store_update_job(f.store, &job, NULL));
	assert_ok(f.store, store_commit(f.store, true));
	assert_payload(f.store, id.seq, PAYLOAD_RESPONSE, "X: 1\n", "one", 3);
	assert_ok(f.store, store_begin(f.store));
	assert_ok(f.store, store_update_job(f.store, &job, &second));
	assert_ok(f.store, store_commit(f.store, true));
	assert_payload(f.store, id.seq, PAYLOAD_RESPONSE, NULL, "two!", 4);
	assert_payload(f.store, id.seq, PAYLOAD_REQUEST, "A: b\n", "body", 4);
	job_clear(&job);
	payload_clear(&first);
	payload_clear(&second);
	fixture_close(&f);
}
END_TEST

START_TEST(what_is_missing_is_said_and_the_transaction_goes_on)
{
	struct uuid nobody = { 5, 5 }, kept;
	struct delivery delivery;
	struct fixture f;
	struct job job;

	fixture_open(&f, schemes[_i]);
	job_init(&job);
	delivery_init(&delivery);
	job.id = nobody;
	delivery.id = nobody;
	ck_assert_int_eq(look_for_job(f.store, nobody), STORE_MISSING);
	ck_assert_int_eq(look_for_delivery(f.store, nobody), STORE_MISSING);
	assert_ok(f.store, store_begin(f.store));
	ck_assert_int_eq(store_update_job(f.store, &job, NULL), STORE_MISSING);
	ck_assert_int_eq(store_update_delivery(f.store, &delivery),
	    STORE_MISSING);
	kept = add_plain_job(f.store, "q", NULL, NOW_MS);
	assert_ok(f.store, store_commit(f.store, true));
	ck_assert_int_eq(look_for_job(f.store, kept), STORE_OK);
	fixture_close(&f);
}
END_TEST

START_TEST(a_rollback_leaves_nothing_behind)
{
	struct payload answer = payload_of(NULL, "late", 4);
	struct payload none = { NULL, NULL };
	struct fixture f;
	struct uuid id, added, event;
	struct job job, back;

	fixture_open(&f, schemes[_i]);
	id = keep_plain_job(f.store, "q", "http://c/", NOW_MS);
	job_init(&job);
	job_init(&back);
	assert_ok(f.store, store_get_job(f.store, id, &job));
	assert_ok(f.store, store_begin(f.store));
	added = add_plain_job(f.store, "q", NULL, NOW_MS);
	event = add_plain_delivery(f.store, id, true, DELIVERY_PENDING, NOW_MS);
	end_job(&job);
	assert_ok(f.store, store_update_job(f.store, &job, &answer));
	store_rollback(f.store);
	store_rollback(f.store); /* twice is fine */
	ck_assert_int_eq(look_for_job(f.store, added), STORE_MISSING);
	ck_assert_int_eq(look_for_delivery(f.store, event), STORE_MISSING);
	ck_assert_int_eq(store_get_payload(f.store, id.seq, PAYLOAD_RESPONSE,
			     &none),
	    STORE_MISSING);
	assert_ok(f.store, store_get_job(f.store, id, &back));
	ck_assert_int_eq(back.status, JOB_QUEUED);
	ck_assert_ptr_null(back.error_detail);
	ck_assert_int_eq(balanced_books(f.store).accepted, 1);
	job_clear(&back);
	job_clear(&job);
	payload_clear(&answer);
	fixture_close(&f);
}
END_TEST

START_TEST(the_books_balance_at_every_step_of_a_life)
{
	static const enum job_status life[] = { JOB_RUNNING, JOB_QUEUED,
		JOB_RUNNING, JOB_FAILED, JOB_QUEUED, JOB_RUNNING, JOB_SUCCEEDED,
		JOB_SUCCEEDED };
	struct store_books books;
	struct fixture f;
	struct uuid id;

	fixture_open(&f, schemes[_i]);
	id = keep_plain_job(f.store, "q", NULL, NOW_MS);
	keep_plain_job(f.store, "q", NULL, NOW_MS);
	for (size_t i = 0; i < sizeof(life) / sizeof(life[0]); i++) {
		assert_ok(f.store, store_begin(f.store));
		set_status(f.store, id, life[i], NOW_MS);
		books = balanced_books(f.store); /* also before the commit */
		assert_ok(f.store, store_commit(f.store, false));
		books = balanced_books(f.store);
		ck_assert_int_eq(books.accepted, 2);
		ck_assert_int_eq(books.ended, job_has_ended(life[i]));
		ck_assert_int_eq(books.counted_running, life[i] == JOB_RUNNING);
	}
	fixture_close(&f);
}
END_TEST

struct seen {
	int64_t seqs[64];
	int count, stop_at;
	struct open_job last;
	char queue[NAME_SIZE], key[32], url[64];
};

static bool
see_open_job(const struct open_job *job, void *arg)
{
	struct seen *seen = arg;

	seen->seqs[seen->count++] = job->seq;
	seen->last = *job;
	snprintf(seen->queue, sizeof(seen->queue), "%s", job->queue);
	snprintf(seen->key, sizeof(seen->key), "%s",
	    job->ordering_key ? job->ordering_key : "(none)");
	return seen->count != seen->stop_at;
}

START_TEST(unfinished_jobs_come_oldest_first)
{
	struct seen seen = { .count = 0 };
	struct fixture f;
	struct uuid ids[6];

	fixture_open(&f, schemes[_i]);
	assert_ok(f.store, store_begin(f.store));
	for (int i = 0; i < 6; i++)
		ids[i] = add_plain_job(f.store, "q", NULL, NOW_MS + i);
	set_status(f.store, ids[1], JOB_RUNNING, NOW_MS);
	set_status(f.store, ids[2], JOB_SUCCEEDED, NOW_MS);
	set_status(f.store, ids[3], JOB_CANCELLED, NOW_MS);
	set_status(f.store, ids[5], JOB_RUNNING, NOW_MS);
	assert_ok(f.store, store_commit(f.store, true));
	assert_ok(f.store, store_each_open_job(f.store, see_open_job, &seen));
	ck_assert_int_eq(seen.count, 4);
	ck_assert_int_eq(seen.seqs[0], ids[0].seq);
	ck_assert_int_eq(seen.seqs[1], ids[1].seq);
	ck_assert_int_eq(seen.seqs[2], ids[4].seq);
	ck_assert_int_eq(seen.seqs[3], ids[5].seq);
	ck_assert_int_eq(seen.last.status, JOB_RUNNING);
	ck_assert_str_eq(seen.key, "(none)");
	seen.count = 0;
	seen.stop_at = 2;
	assert_ok(f.store, store_each_open_job(f.store, see_open_job, &seen));
	ck_assert_int_eq(seen.count, 2);
	seen.count = seen.stop_at = 0; /* and from the start again */
	assert_ok(f.store, store_each_open_job(f.store, see_open_job, &seen));
	ck_assert_int_eq(seen.count, 4);
	fixture_close(&f);
}
END_TEST

START_TEST(an_unfinished_job_shows_its_small_facts)
{
	struct payload request = { NULL, NULL };
	struct seen seen = { .count = 0 };
	struct fixture f;
	struct job job;

	fixture_open(&f, schemes[_i]);
	fill_job(&job);
	job.attempts = 2;
	assert_ok(f.store, store_begin(f.store));
	assert_ok(f.store, store_add_job(f.store, &job, &request, NOW_MS));
	assert_ok(f.store, store_commit(f.store, true));
	assert_ok(f.store, store_each_open_job(f.store, see_open_job, &seen));
	ck_assert_int_eq(seen.count, 1);
	ck_assert_int_eq(seen.last.seq, job.id.seq);
	ck_assert_int_eq(seen.last.run_at_ms, job.run_at_ms);
	ck_assert_int_eq(seen.last.expires_at_ms, job.expires_at_ms);
	ck_assert_int_eq(seen.last.request_bytes, 12);
	ck_assert_int_eq(seen.last.priority, 3);
	ck_assert_int_eq(seen.last.attempts, 2);
	ck_assert_int_eq(seen.last.max_attempts, 4);
	ck_assert_int_eq(seen.last.status, JOB_QUEUED);
	ck_assert_str_eq(seen.queue, "reports");
	ck_assert_str_eq(seen.key, "customer-7");
	job_clear(&job);
	fixture_close(&f);
}
END_TEST

START_TEST(a_lease_comes_and_goes)
{
	struct seen seen = { .count = 0 };
	struct fixture f;
	struct uuid id;
	struct job job, back;

	fixture_open(&f, schemes[_i]);
	id = keep_plain_job(f.store, "q", NULL, NOW_MS);
	job_init(&job);
	job_init(&back);
	assert_ok(f.store, store_get_job(f.store, id, &job));
	ck_assert_str_eq(job.lease_token, "");
	ck_assert_int_eq(job.lease_until_ms, -1);
	ck_assert_double_eq(job.progress, -1);
	assert_ok(f.store, store_begin(f.store));
	job.status = JOB_RUNNING;
	hold_job(&job);
	assert_ok(f.store, store_update_job(f.store, &job, NULL));
	assert_ok(f.store, store_commit(f.store, true));
	assert_ok(f.store, store_get_job(f.store, id, &back));
	assert_same_job(&job, &back);
	assert_ok(f.store, store_each_open_job(f.store, see_open_job, &seen));
	ck_assert_int_eq(seen.last.lease_until_ms, job.lease_until_ms);
	job_end_lease(&job);
	ck_assert_double_eq(job.progress, 1.0 / 3);
	assert_ok(f.store, store_begin(f.store));
	assert_ok(f.store, store_update_job(f.store, &job, NULL));
	assert_ok(f.store, store_commit(f.store, true));
	job_clear(&back);
	assert_ok(f.store, store_get_job(f.store, id, &back));
	assert_same_job(&job, &back);
	ck_assert_str_eq(back.lease_token, "");
	job_clear(&back);
	job_clear(&job);
	fixture_close(&f);
}
END_TEST

struct names {
	char text[256];
};

static void
see_paused(const char *queue, void *arg)
{
	struct names *names = arg;

	strcat(names->text, queue);
	strcat(names->text, " ");
}

static void
paused_are(struct store *store, const char *expected)
{
	struct names names = { "" };

	assert_ok(store, store_each_paused(store, see_paused, &names));
	ck_assert_str_eq(names.text, expected);
}

START_TEST(paused_queues_are_kept)
{
	struct fixture f;

	fixture_open(&f, schemes[_i]);
	paused_are(f.store, "");
	assert_ok(f.store, store_begin(f.store));
	assert_ok(f.store, store_set_paused(f.store, "b", true));
	assert_ok(f.store, store_set_paused(f.store, "a", true));
	assert_ok(f.store, store_set_paused(f.store, "a", true));
	assert_ok(f.store, store_set_paused(f.store, "c", false));
	assert_ok(f.store, store_commit(f.store, true));
	paused_are(f.store, "a b ");
	assert_ok(f.store, store_begin(f.store));
	assert_ok(f.store, store_set_paused(f.store, "a", false));
	paused_are(f.store, "b ");
	store_rollback(f.store);
	paused_are(f.store, "a b ");
	assert_ok(f.store, store_begin(f.store));
	assert_ok(f.store, store_set_paused(f.store, "b", false));
	assert_ok(f.store, store_commit(f.store, true));
	assert_ok(f.store, store_begin(f.store));
	assert_ok(f.store, store_set_paused(f.store, "z", true));
	assert_ok(f.store, store_commit(f.store, true));
	paused_are(f.store, "a z ");
	fixture_close(&f);
}
END_TEST

/* ---- clocks ---- */

static const struct store_clock some_clock = {
	.boot_id = "c0ffee00-0000-4000-8000-00000000cafe",
	.boot_ms = 123456,
	.wall_ms = NOW_MS,
	.set_at_ms = -1,
	.forward_ms = 0,
};

static void
assert_clock(struct store *store, const struct store_clock *expected)
{
	struct store_clock clock;

	assert_ok(store, store_get_clock(store, &clock));
	ck_assert_str_eq(clock.boot_id, expected->boot_id);
	ck_assert_int_eq(clock.boot_ms, expected->boot_ms);
	ck_assert_int_eq(clock.wall_ms, expected->wall_ms);
	ck_assert_int_eq(clock.set_at_ms, expected->set_at_ms);
	ck_assert_int_eq(clock.forward_ms, expected->forward_ms);
}

START_TEST(what_the_clocks_showed_is_kept)
{
	struct store_clock later = some_clock;
	struct store_clock unwritten = { .boot_ms = 7 };
	struct fixture f;

	later.boot_ms += 5000;
	later.wall_ms += 3605000;
	later.set_at_ms = NOW_MS;
	later.forward_ms = 3600000;
	later.boot_id[0] = '\0';
	fixture_open(&f, schemes[_i]);
	ck_assert_int_eq(store_get_clock(f.store, &unwritten), STORE_MISSING);
	ck_assert_int_eq(unwritten.boot_ms, 7);
	assert_ok(f.store, store_begin(f.store));
	assert_ok(f.store, store_set_clock(f.store, &some_clock));
	assert_clock(f.store, &some_clock);
	store_rollback(f.store);
	ck_assert_int_eq(store_get_clock(f.store, &unwritten), STORE_MISSING);
	assert_ok(f.store, store_begin(f.store));
	assert_ok(f.store, store_set_clock(f.store, &some_clock));
	assert_ok(f.store, store_commit(f.store, true));
	assert_clock(f.store, &some_clock);
	assert_ok(f.store, store_begin(f.store));
	assert_ok(f.store, store_set_clock(f.store, &later));
	store_rollback(f.store);
	assert_clock(f.store, &some_clock);
	assert_ok(f.store, store_begin(f.store));
	assert_ok(f.store, store_set_clock(f.store, &later));
	assert_ok(f.store, store_commit(f.store, false));
	assert_clock(f.store, &later);
	fixture_close(&f);
}
END_TEST

/* A job in that status with every moment set. */
static struct uuid
keep_timed_job(struct store *store, enum job_status status)
{
	struct uuid id = keep_plain_job(store, "q", "http://c/", NOW_MS);
	struct job job;

	job_init(&job);
	assert_ok(store, store_get_job(store, id, &job));
	job.status = status;
	job.attempts = 1;
	job.run_at_ms = NOW_MS + 1;
	job.started_at_ms = NOW_MS + 2;
	job.lease_until_ms = NOW_MS + 3;
	strcpy(job.lease_token, "t");
	if (job_has_ended(status))
		job.finished_at_ms = NOW_MS + 4;
	assert_ok(store, store_begin(store));
	assert_ok(store, store_update_job(store, &job, NULL));
	assert_ok(store, store_commit(store, false));
	job_clear(&job);
	return id;
}

static struct uuid
keep_timed_delivery(struct store *store, struct uuid job,
    enum delivery_state state, int64_t next_at_ms)
{
	struct delivery delivery;
	struct uuid id;

	assert_ok(store, store_begin(store));
	id = add_plain_delivery(store, job, false, state, NOW_MS);
	delivery_init(&delivery);
	assert_ok(store, store_get_delivery(store, id, &delivery));
	delivery.schedule_at_ms = NOW_MS + 5;
	delivery.next_at_ms = next_at_ms;
	assert_ok(store, store_update_delivery(store, &delivery));
	assert_ok(store, store_commit(store, false));
	delivery_clear(&delivery);
	return id;
}

static void
assert_moments(struct store *store, struct uuid id, int64_t moved_ms)
{
	struct job job;

	job_init(&job);
	assert_ok(store, store_get_job(store, id, &job));
	ck_assert_int_eq(job.run_at_ms, NOW_MS + 1 + moved_ms);
	ck_assert_int_eq(job.started_at_ms, NOW_MS + 2 + moved_ms);
	ck_assert_int_eq(job.lease_until_ms, NOW_MS + 3 + moved_ms);
	ck_assert_int_eq(job.expires_at_ms, -1);
	ck_assert_int_eq(job.created_at_ms, NOW_MS);
	ck_assert_int_eq(job.finished_at_ms,
	    job_has_ended(job.status) ? NOW_MS + 4 : -1);
	job_clear(&job);
}

static void
assert_delivery_moments(struct store *store, struct uuid id,
    int64_t schedule_at_ms, int64_t next_at_ms)
{
	struct delivery delivery;

	delivery_init(&delivery);
	assert_ok(store, store_get_delivery(store, id, &delivery));
	ck_assert_int_eq(delivery.schedule_at_ms, schedule_at_ms);
	ck_assert_int_eq(delivery.next_at_ms, next_at_ms);
	ck_assert_int_eq(delivery.created_at_ms, NOW_MS);
	delivery_clear(&delivery);
}

static void
assert_expiry(struct store *store, struct uuid id, int64_t run_at_ms,
    int64_t expires_at_ms)
{
	struct job job;

	job_init(&job);
	assert_ok(store, store_get_job(store, id, &job));
	ck_assert_int_eq(job.run_at_ms, run_at_ms);
	ck_assert_int_eq(job.expires_at_ms, expires_at_ms);
	ck_assert_int_eq(job.started_at_ms, -1);
	ck_assert_int_eq(job.lease_until_ms, -1);
	job_clear(&job);
}

START_TEST(what_waits_is_moved_and_nothing_else)
{
	static const int64_t leaps_ms[] = { 3600000, -86400000 };
	struct payload none = { NULL, NULL };
	struct uuid queued, running, ended, expiring, pending, held, dead;
	int64_t moved_ms = 0;
	struct job job;
	struct fixture f;

	fixture_open(&f, schemes[_i]);
	queued = keep_timed_job(f.store, JOB_QUEUED);
	running = keep_timed_job(f.store, JOB_RUNNING);
	ended = keep_timed_job(f.store, JOB_SUCCEEDED);
	fill_job(&job);
	assert_ok(f.store, store_begin(f.store));
	assert_ok(f.store, store_add_job(f.store, &job, &none, NOW_MS));
	assert_ok(f.store, store_commit(f.store, false));
	expiring = job.id;
	pending = keep_timed_delivery(f.store, ended, DELIVERY_PENDING,
	    NOW_MS + 6);
	held = keep_timed_delivery(f.store, ended, DELIVERY_HELD, -1);
	dead = keep_timed_delivery(f.store, ended, DELIVERY_DEAD, -1);
	for (int i = 0; i < 2; i++) {
		assert_ok(f.store, store_begin(f.store));
		assert_ok(f.store, store_move_waits(f.store, leaps_ms[i]));
		if (i == 1) {
			store_rollback(f.store);
			assert_ok(f.store, store_begin(f.store));
			assert_ok(f.store,
			    store_move_waits(f.store, leaps_ms[i]));
		}
		assert_ok(f.store, store_commit(f.store, false));
		moved_ms += leaps_ms[i];
		assert_moments(f.store, queued, moved_ms);
		assert_moments(f.store, running, moved_ms);
		assert_moments(f.store, ended, 0);
		assert_expiry(f.store, expiring, NOW_MS + 5000 + moved_ms,
		    NOW_MS + 60000 + moved_ms);
		assert_delivery_moments(f.store, pending, NOW_MS + 5 + moved_ms,
		    NOW_MS + 6 + moved_ms);
		assert_delivery_moments(f.store, held, NOW_MS + 5 + moved_ms,
		    -1);
		assert_delivery_moments(f.store, dead, NOW_MS + 5, -1);
	}
	(void)balanced_books(f.store);
	job_clear(&job);
	fixture_close(&f);
}
END_TEST

static void
fill_delivery(struct delivery *delivery, struct uuid job)
{
	delivery_init(delivery);
	delivery->job = job;
	delivery->event = EVENT_FAILED;
	delivery->state = DELIVERY_HELD;
	delivery->format = FORMAT_RAW;
	delivery->attempts = 3;
	delivery->created_at_ms = NOW_MS;
	delivery->schedule_at_ms = NOW_MS + 1;
	delivery->next_at_ms = NOW_MS + 2;
	delivery->error = ERROR_TIMEOUT_BODY;
	delivery->url = text_copy("https://receiver.example/hook");
	delivery->headers = text_copy("X-Token: abc\n");
	delivery->run = 2;
	delivery->run_started_at_ms = NOW_MS - 3;
	delivery->progress = 0.7;
	delivery->progress_message = text_copy("most");
	delivery->attempts_json = text_copy("{\"status\":503}");
}

START_TEST(a_delivery_comes_back_as_it_was_added_and_changed)
{
	struct delivery delivery, back;
	struct fixture f;
	struct uuid id;

	fixture_open(&f, schemes[_i]);
	id = keep_plain_job(f.store, "q", NULL, NOW_MS);
	fill_delivery(&delivery, id);
	delivery_init(&back);
	assert_ok(f.store, store_begin(f.store));
	assert_ok(f.store, store_add_delivery(f.store, &delivery, NOW_MS));
	assert_ok(f.store, store_get_delivery(f.store, delivery.id, &back));
	assert_same_delivery(&delivery, &back);
	delivery_clear(&back);
	delivery.state = DELIVERY_DEAD;
	delivery.attempts = 4;
	delivery.schedule_at_ms = NOW_MS + 5;
	delivery.next_at_ms = -1;
	delivery.ended_at_ms = NOW_MS + 6;
	delivery.error = ERROR_GONE;
	free(delivery.attempts_json);
	delivery.attempts_json = NULL;
	assert_ok(f.store, store_update_delivery(f.store, &delivery));
	assert_ok(f.store, store_commit(f.store, true));
	assert_ok(f.store,
	    store_get_delivery_seq(f.store, delivery.id.seq, &back));
	assert_same_delivery(&delivery, &back);
	delivery_clear(&back);
	delivery_clear(&delivery);
	fixture_close(&f);
}
END_TEST

START_TEST(an_open_delivery_is_found_by_its_event)
{
	struct uuid job, other, progress, held;
	struct delivery delivery;
	struct fixture f;
	int64_t seq = 0;

	fixture_open(&f, schemes[_i]);
	job = keep_plain_job(f.store, "q", "http://c/", NOW_MS);
	other = keep_plain_job(f.store, "q", "http://c/", NOW_MS);
	fill_delivery(&delivery, job);
	delivery.event = EVENT_PROGRESS;
	delivery.state = DELIVERY_PENDING;
	assert_ok(f.store, store_begin(f.store));
	(void)add_plain_delivery(f.store, job, true, DELIVERY_PENDING, NOW_MS);
	assert_ok(f.store, store_add_delivery(f.store, &delivery, NOW_MS));
	progress = delivery.id;
	held = add_plain_delivery(f.store, other, true, DELIVERY_HELD, NOW_MS);
	assert_ok(f.store, store_commit(f.store, false));
	assert_ok(f.store,
	    store_find_open_delivery(f.store, job.seq, EVENT_PROGRESS, &seq));
	ck_assert_int_eq(seq, progress.seq);
	assert_ok(f.store,
	    store_find_open_delivery(f.store, other.seq, EVENT_SUCCEEDED,
		&seq));
	ck_assert_int_eq(seq, held.seq);
	ck_assert_int_eq(store_find_open_delivery(f.store, other.seq,
			     EVENT_PROGRESS, &seq),
	    STORE_MISSING);
	assert_ok(f.store, store_begin(f.store));
	delivery.state = DELIVERY_DELIVERED;
	assert_ok(f.store, store_update_delivery(f.store, &delivery));
	assert_ok(f.store, store_commit(f.store, false));
	ck_assert_int_eq(store_find_open_delivery(f.store, job.seq,
			     EVENT_PROGRESS, &seq),
	    STORE_MISSING);
	delivery_clear(&delivery);
	fixture_close(&f);
}
END_TEST

START_TEST(a_delivery_of_the_same_id_replaces_the_first)
{
	struct uuid id, first, second;
	struct delivery back;
	struct fixture f;

	fixture_open(&f, schemes[_i]);
	id = keep_plain_job(f.store, "q", "http://c/", NOW_MS);
	assert_ok(f.store, store_begin(f.store));
	first = add_plain_delivery(f.store, id, true, DELIVERY_DEAD, NOW_MS);
	assert_ok(f.store, store_commit(f.store, true));
	assert_ok(f.store, store_begin(f.store));
	second = add_plain_delivery(f.store, id, true, DELIVERY_PENDING,
	    NOW_MS + 9);
	assert_ok(f.store, store_commit(f.store, true));
	ck_assert(uuid_equal(first, second));
	delivery_init(&back);
	assert_ok(f.store, store_get_delivery(f.store, first, &back));
	ck_assert_int_eq(back.state, DELIVERY_PENDING);
	ck_assert_int_eq(back.created_at_ms, NOW_MS + 9);
	ck_assert_int_eq(balanced_books(f.store).deliveries_open, 1);
	delivery_clear(&back);
	fixture_close(&f);
}
END_TEST

static bool
see_open_delivery(const struct open_delivery *delivery, void *arg)
{
	struct seen *seen = arg;

	seen->seqs[seen->count++] = delivery->seq;
	snprintf(seen->url, sizeof(seen->url), "%s", delivery->url);
	return seen->count != seen->stop_at;
}

START_TEST(open_deliveries_are_those_pending_or_held)
{
	struct seen seen = { .count = 0 };
	struct uuid ids[4], open[2];
	struct fixture f;

	fixture_open(&f, schemes[_i]);
	assert_ok(f.store, store_begin(f.store));
	for (int i = 0; i < 4; i++)
		ids[i] = add_plain_job(f.store, "q", "http://c/", NOW_MS + i);
	for (int i = 0; i < 4; i++) {
		struct uuid id = add_plain_delivery(f.store, ids[i], true,
		    (enum delivery_state)i, NOW_MS);

		if (i < 2)
			open[i] = id;
	}
	assert_ok(f.store, store_commit(f.store, true));
	assert_ok(f.store,
	    store_each_open_delivery(f.store, see_open_delivery, &seen));
	ck_assert_int_eq(seen.count, 2);
	ck_assert_int_eq(seen.seqs[0], open[0].seq);
	ck_assert_int_eq(seen.seqs[1], open[1].seq);
	ck_assert_str_eq(seen.url, "https://receiver.example/hook");
	ck_assert_int_eq(balanced_books(f.store).deliveries_open, 2);
	seen.count = 0;
	seen.stop_at = 1;
	assert_ok(f.store,
	    store_each_open_delivery(f.store, see_open_delivery, &seen));
	ck_assert_int_eq(seen.count, 1);
	fixture_close(&f);
}
END_TEST

static void
see_job(const struct job *job, void *arg)
{
	struct seen *seen = arg;

	ck_assert_str_eq(job->method, "POST"); /* the whole record */
	seen->seqs[seen->count++] = job->id.seq;
}

static void
see_delivery(const struct delivery *delivery, void *arg)
{
	struct seen *seen = arg;

	seen->seqs[seen->count++] = delivery->id.seq;
}

static const struct job_filter any_job = { 0, -1, -1, -1, NULL, NULL, 10, 50 };

/* Turns pages until the end; returns how many were turned. */
static int
list_all_jobs(struct store *store, struct job_filter filter, struct seen *seen)
{
	int page_count = 0;
	int64_t next;

	seen->count = 0;
	do {
		assert_ok(store,
		    store_list_jobs(store, &filter, see_job, seen, &next));
		page_count++;
		if (next != 0 && filter.below_seq != 0)
			ck_assert_int_lt(next, filter.below_seq);
		filter.below_seq = next;
	} while (next != 0);
	return page_count;
}

START_TEST(a_list_of_jobs_comes_newest_first_in_pages)
{
	struct job_filter filter = any_job;
	struct seen seen;
	struct fixture f;
	struct uuid ids[7];
	int64_t next;

	fixture_open(&f, schemes[_i]);
	for (int i = 0; i < 7; i++)
		ids[i] = keep_plain_job(f.store, "q", "http://c/", NOW_MS);
	ck_assert_int_eq(list_all_jobs(f.store, filter, &seen), 1);
	ck_assert_int_eq(seen.count, 7);
	for (int i = 0; i < 7; i++)
		ck_assert_int_eq(seen.seqs[i], ids[6 - i].seq);
	filter.limit = 3;
	ck_assert_int_eq(list_all_jobs(f.store, filter, &seen), 3);
	ck_assert_int_eq(seen.count, 7);
	filter.limit = 7; /* full, and nothing after it */
	seen.count = 0;
	assert_ok(f.store,
	    store_list_jobs(f.store, &filter, see_job, &seen, &next));
	ck_assert_int_eq(next, 0);
	filter.below_seq = ids[2].seq;
	list_all_jobs(f.store, filter, &seen);
	ck_assert_int_eq(seen.count, 2);
	ck_assert_int_eq(seen.seqs[0], ids[1].seq);
	fixture_close(&f);
}
END_TEST

START_TEST(a_list_of_jobs_is_filtered)
{
	struct job_filter filter = any_job;
	struct seen seen;
	struct fixture f;
	struct uuid ids[4];

	fixture_open(&f, schemes[_i]);
	assert_ok(f.store, store_begin(f.store));
	for (int i = 0; i < 4; i++)
		ids[i] = add_plain_job(f.store, i < 2 ? "red" : "blue", NULL,
		    NOW_MS + 10 * i);
	set_status(f.store, ids[0], JOB_RUNNING, NOW_MS);
	set_status(f.store, ids[2], JOB_FAILED, NOW_MS);
	assert_ok(f.store, store_commit(f.store, true));

	filter.queue = "red";
	list_all_jobs(f.store, filter, &seen);
	ck_assert_int_eq(seen.count, 2);
	ck_assert_int_eq(seen.seqs[0], ids[1].seq);
	filter.status = JOB_RUNNING;
	list_all_jobs(f.store, filter, &seen);
	ck_assert_int_eq(seen.count, 1);
	ck_assert_int_eq(seen.seqs[0], ids[0].seq);
	filter = any_job;
	filter.status = JOB_QUEUED;
	list_all_jobs(f.store, filter, &seen);
	ck_assert_int_eq(seen.count, 2);
	ck_assert_int_eq(seen.seqs[0], ids[3].seq);
	filter.status = JOB_FAILED;
	list_all_jobs(f.store, filter, &seen);
	ck_assert_int_eq(seen.count, 1);
	filter = any_job;
	filter.client = "acme";
	list_all_jobs(f.store, filter, &seen);
	ck_assert_int_eq(seen.count, 0);
	filter = any_job;
	filter.since_ms = NOW_MS + 10;
	filter.until_ms = NOW_MS + 30;
	list_all_jobs(f.store, filter, &seen);
	ck_assert_int_eq(seen.count, 2);
	ck_assert_int_eq(seen.seqs[0], ids[2].seq);
	ck_assert_int_eq(seen.seqs[1], ids[1].seq);
	fixture_close(&f);
}
END_TEST

START_TEST(a_list_stops_after_looking_at_so_many_rows)
{
	struct job_filter filter = any_job;
	struct seen seen = { .count = 0 };
	struct fixture f;
	int64_t next = -1;
	struct uuid oldest;

	fixture_open(&f, schemes[_i]);
	oldest = keep_plain_job(f.store, "rare", NULL, NOW_MS);
	for (int i = 0; i < 20; i++)
		keep_plain_job(f.store, "common", NULL, NOW_MS + 1);
	filter.queue = "rare";
	filter.limit = 1;
	filter.scan_max = 6;
	assert_ok(f.store,
	    store_list_jobs(f.store, &filter, see_job, &seen, &next));
	ck_assert_int_eq(seen.count, 0);
	ck_assert_int_gt(next, oldest.seq);
	ck_assert_int_eq(list_all_jobs(f.store, filter, &seen), 4);
	ck_assert_int_eq(seen.count, 1);
	ck_assert_int_eq(seen.seqs[0], oldest.seq);
	fixture_close(&f);
}
END_TEST

static int
list_all_deliveries(struct store *store, struct delivery_filter filter,
    struct seen *seen)
{
	int64_t next;

	seen->count = 0;
	do {
		assert_ok(store,
		    store_list_deliveries(store, &filter, see_delivery, seen,
			&next));
		filter.below_seq = next;
	} while (next != 0);
	return seen->count;
}

START_TEST(deliveries_are_listed_by_state_and_moment_of_the_event)
{
	struct delivery_filter any = { 0, -1, -1, -1, 2, 3 };
	struct delivery_filter filter;
	struct seen seen;
	struct fixture f;
	struct uuid job, ids[8];

	fixture_open(&f, schemes[_i]);
	assert_ok(f.store, store_begin(f.store));
	job = add_plain_job(f.store, "q", NULL, NOW_MS);
	for (int i = 0; i < 8; i++)
		ids[i] = add_plain_delivery(f.store, job, false,
		    (enum delivery_state)(i % 4), NOW_MS + 10 * i);
	assert_ok(f.store, store_commit(f.store, true));
	ck_assert_int_eq(list_all_deliveries(f.store, any, &seen), 8);
	ck_assert_int_eq(seen.seqs[0], ids[7].seq);
	ck_assert_int_eq(seen.seqs[7], ids[0].seq);
	for (int state = 0; state < 4; state++) {
		filter = any;
		filter.state = state;
		ck_assert_int_eq(list_all_deliveries(f.store, filter, &seen),
		    2);
		ck_assert_int_eq(seen.seqs[0], ids[4 + state].seq);
	}
	filter = any;
	filter.since_ms = NOW_MS + 20;
	filter.until_ms = NOW_MS + 70;
	ck_assert_int_eq(list_all_deliveries(f.store, filter, &seen), 5);
	filter.state = DELIVERY_DEAD;
	ck_assert_int_eq(list_all_deliveries(f.store, filter, &seen), 1);
	ck_assert_int_eq(seen.seqs[0], ids[3].seq);
	fixture_close(&f);
}
END_TEST

/* One call, in a transaction of its own. */
static int64_t
purge(struct store *store, int64_t cutoff_ms, int max_rows, int64_t *cursor)
{
	int64_t removed = -1;

	assert_ok(store, store_begin(store));
	assert_ok(store,
	    store_purge(store, cutoff_ms, max_rows, cursor, &removed));
	assert_ok(store, store_commit(store, false));
	return removed;
}

START_TEST(a_purge_removes_what_ended_before_the_cutoff)
{
	struct payload answer = payload_of(NULL, "x", 1), none = { NULL, NULL };
	struct uuid old, late, running, own, more;
	struct fixture f;
	int64_t cursor = 0;
	struct job job;

	fixture_open(&f, schemes[_i]);
	assert_ok(f.store, store_begin(f.store));
	old = add_plain_job(f.store, "q", "http://c/", NOW_MS);
	late = add_plain_job(f.store, "q", "http://c/", NOW_MS);
	running = add_plain_job(f.store, "q", NULL, NOW_MS);
	own = add_plain_delivery(f.store, old, true, DELIVERY_DELIVERED,
	    NOW_MS);
	more = add_plain_delivery(f.store, old, false, DELIVERY_DEAD,
	    NOW_MS + 50);
	job_init(&job);
	assert_ok(f.store, store_get_job(f.store, old, &job));
	job.status = JOB_SUCCEEDED;
	job.finished_at_ms = NOW_MS + 10;
	assert_ok(f.store, store_update_job(f.store, &job, &answer));
	set_status(f.store, late, JOB_FAILED, NOW_MS + 20);
	set_status(f.store, running, JOB_RUNNING, NOW_MS);
	assert_ok(f.store, store_commit(f.store, true));

	ck_assert_int_eq(purge(f.store, NOW_MS + 20, 100, &cursor), 1);
	ck_assert_int_eq(cursor, 0);
	ck_assert_int_eq(look_for_job(f.store, old), STORE_MISSING);
	ck_assert_int_eq(look_for_delivery(f.store, own), STORE_MISSING);
	ck_assert_int_eq(look_for_delivery(f.store, more), STORE_MISSING);
	for (int kind = PAYLOAD_REQUEST; kind <= PAYLOAD_RESPONSE; kind++)
		ck_assert_int_eq(store_get_payload(f.store, old.seq,
				     (enum payload_kind)kind, &none),
		    STORE_MISSING);
	ck_assert_int_eq(look_for_job(f.store, late), STORE_OK);
	assert_payload(f.store, late.seq, PAYLOAD_REQUEST, "A: b\n", "body", 4);
	ck_assert_int_eq(look_for_job(f.store, running), STORE_OK);
	ck_assert_int_eq(balanced_books(f.store).accepted, 3);
	job_clear(&job);
	payload_clear(&answer);
	fixture_close(&f);
}
END_TEST

/* ---- idempotency keys ---- */

/* A job with that key, in the open transaction. */
static struct uuid
add_keyed_job(struct store *store, const char *client, const char *key,
    const char *fingerprint)
{
	struct payload request = { NULL, NULL };
	struct store_key first;
	struct job job;
	struct uuid id;

	job_init(&job);
	strcpy(job.queue, "q");
	strcpy(job.client, client);
	job.idempotency_key = text_copy(key);
	assert_ok(store, store_add_job(store, &job, &request, NOW_MS));
	id = job.id;
	first.job_seq = id.seq;
	snprintf(first.fingerprint, sizeof(first.fingerprint), "%s",
	    fingerprint);
	assert_ok(store, store_add_key(store, client, key, &first));
	job_clear(&job);
	return id;
}

static void
key_is_of(struct store *store, const char *client, const char *key,
    struct uuid id, const char *fingerprint)
{
	struct store_key found;

	assert_ok(store, store_find_key(store, client, key, &found));
	ck_assert_int_eq(found.job_seq, id.seq);
	ck_assert_str_eq(found.fingerprint, fingerprint);
}

static void
key_is_free(struct store *store, const char *client, const char *key)
{
	struct store_key found = { .job_seq = -7 };

	ck_assert_int_eq(store_find_key(store, client, key, &found),
	    STORE_MISSING);
	ck_assert_int_eq(found.job_seq, -7);
}

#define PRINT_A                                                                \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define PRINT_B                                                                \
	"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

START_TEST(a_key_leads_to_the_job_that_it_began)
{
	struct uuid first, second;
	struct fixture f;

	fixture_open(&f, schemes[_i]);
	key_is_free(f.store, "", "k");
	assert_ok(f.store, store_begin(f.store));
	first = add_keyed_job(f.store, "", "k", PRINT_A);
	key_is_of(f.store, "", "k", first, PRINT_A); /* in the transaction */
	second = add_keyed_job(f.store, "", "K", PRINT_B);
	assert_ok(f.store, store_commit(f.store, true));
	key_is_of(f.store, "", "k", first, PRINT_A);
	key_is_of(f.store, "", "K", second, PRINT_B);
	key_is_free(f.store, "", "k ");
	key_is_free(f.store, "", "");
	fixture_close(&f);
}
END_TEST

START_TEST(clients_may_use_the_same_key)
{
	struct uuid acme, zenith;
	struct fixture f;

	fixture_open(&f, schemes[_i]);
	assert_ok(f.store, store_begin(f.store));
	acme = add_keyed_job(f.store, "acme", "k", PRINT_A);
	zenith = add_keyed_job(f.store, "zenith", "k", PRINT_B);
	assert_ok(f.store, store_commit(f.store, true));
	key_is_of(f.store, "acme", "k", acme, PRINT_A);
	key_is_of(f.store, "zenith", "k", zenith, PRINT_B);
	key_is_free(f.store, "", "k");
	key_is_free(f.store, "acmek", "");
	fixture_close(&f);
}
END_TEST

START_TEST(a_key_of_a_transaction_that_was_rolled_back_is_free)
{
	struct uuid id;
	struct fixture f;

	fixture_open(&f, schemes[_i]);
	assert_ok(f.store, store_begin(f.store));
	(void)add_keyed_job(f.store, "acme", "k", PRINT_A);
	store_rollback(f.store);
	key_is_free(f.store, "acme", "k");
	assert_ok(f.store, store_begin(f.store));
	id = add_keyed_job(f.store, "acme", "k", PRINT_B);
	assert_ok(f.store, store_commit(f.store, true));
	key_is_of(f.store, "acme", "k", id, PRINT_B);
	fixture_close(&f);
}
END_TEST

/* Its job's status does not matter, only that the job is there. */
START_TEST(a_key_goes_with_its_job_and_not_before)
{
	struct uuid old, open, again;
	struct fixture f;
	int64_t cursor = 0;

	fixture_open(&f, schemes[_i]);
	assert_ok(f.store, store_begin(f.store));
	old = add_keyed_job(f.store, "acme", "old", PRINT_A);
	open = add_keyed_job(f.store, "acme", "open", PRINT_A);
	set_status(f.store, old, JOB_SUCCEEDED, NOW_MS + 10);
	assert_ok(f.store, store_commit(f.store, true));
	ck_assert_int_eq(purge(f.store, NOW_MS + 10, 100, &cursor), 0);
	key_is_of(f.store, "acme", "old", old, PRINT_A);
	ck_assert_int_eq(purge(f.store, NOW_MS + 11, 100, &cursor), 1);
	key_is_free(f.store, "acme", "old");
	key_is_of(f.store, "acme", "open", open, PRINT_A);
	assert_ok(f.store, store_begin(f.store));
	again = add_keyed_job(f.store, "acme", "old", PRINT_B);
	assert_ok(f.store, store_commit(f.store, true));
	key_is_of(f.store, "acme", "old", again, PRINT_B);
	ck_assert_int_eq(purge(f.store, NOW_MS + 11, 100, &cursor), 0);
	key_is_of(f.store, "acme", "old", again, PRINT_B);
	fixture_close(&f);
}
END_TEST

START_TEST(a_purge_that_is_rolled_back_keeps_the_keys)
{
	struct uuid id;
	struct fixture f;
	int64_t cursor = 0, removed;

	fixture_open(&f, schemes[_i]);
	assert_ok(f.store, store_begin(f.store));
	id = add_keyed_job(f.store, "acme", "k", PRINT_A);
	set_status(f.store, id, JOB_FAILED, NOW_MS);
	assert_ok(f.store, store_commit(f.store, true));
	assert_ok(f.store, store_begin(f.store));
	assert_ok(f.store,
	    store_purge(f.store, NOW_MS + 1, 10, &cursor, &removed));
	ck_assert_int_eq(removed, 1);
	store_rollback(f.store);
	key_is_of(f.store, "acme", "k", id, PRINT_A);
	fixture_close(&f);
}
END_TEST

START_TEST(keys_are_any_bytes_of_text)
{
	static const char *const keys[] = { "'; DROP TABLE keys; --", "%", "_",
		"\"q\"", "k\xff", "\xc3\xa4", "0", "1e3" };
	struct uuid ids[sizeof(keys) / sizeof(keys[0])];
	struct fixture f;

	fixture_open(&f, schemes[_i]);
	assert_ok(f.store, store_begin(f.store));
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		ids[i] = add_keyed_job(f.store, "acme", keys[i], PRINT_A);
	assert_ok(f.store, store_commit(f.store, true));
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		key_is_of(f.store, "acme", keys[i], ids[i], PRINT_A);
	key_is_free(f.store, "acme", "1000");
	fixture_close(&f);
}
END_TEST

/* ---- the probe ---- */

START_TEST(a_probe_writes_and_leaves_no_trace)
{
	struct store_books before, after;
	struct fixture f;
	struct uuid id;

	fixture_open(&f, schemes[_i]);
	id = keep_plain_job(f.store, "q", NULL, NOW_MS);
	for (int i = 0; i < 20; i++) {
		assert_ok(f.store, store_begin(f.store));
		assert_ok(f.store, store_probe(f.store));
		assert_ok(f.store, store_commit(f.store, true));
		if (i == 0)
			before = balanced_books(f.store);
	}
	after = balanced_books(f.store);
	ck_assert_int_eq(after.accepted, 1);
	ck_assert_int_eq(after.file_bytes, before.file_bytes);
	ck_assert_int_eq(look_for_job(f.store, id), STORE_OK);
	fixture_close(&f);
}
END_TEST

START_TEST(a_probe_does_not_disturb_what_it_is_committed_with)
{
	struct fixture f;
	struct uuid kept, lost;

	fixture_open(&f, schemes[_i]);
	assert_ok(f.store, store_begin(f.store));
	assert_ok(f.store, store_probe(f.store));
	kept = add_plain_job(f.store, "q", NULL, NOW_MS);
	assert_ok(f.store, store_commit(f.store, true));
	assert_ok(f.store, store_begin(f.store));
	assert_ok(f.store, store_probe(f.store));
	lost = add_plain_job(f.store, "q", NULL, NOW_MS);
	store_rollback(f.store);
	ck_assert_int_eq(look_for_job(f.store, kept), STORE_OK);
	ck_assert_int_eq(look_for_job(f.store, lost), STORE_MISSING);
	ck_assert_int_eq(balanced_books(f.store).accepted, 1);
	fixture_close(&f);
}
END_TEST

START_TEST(a_purge_spares_a_job_with_an_open_delivery)
{
	struct uuid own, more, free_one, delivery_ids[2];
	struct fixture f;
	int64_t cursor = 0;

	fixture_open(&f, schemes[_i]);
	assert_ok(f.store, store_begin(f.store));
	own = add_plain_job(f.store, "q", "http://c/", NOW_MS);
	more = add_plain_job(f.store, "q", "http://c/", NOW_MS);
	free_one = add_plain_job(f.store, "q", "http://c/", NOW_MS);
	set_status(f.store, own, JOB_SUCCEEDED, NOW_MS);
	set_status(f.store, more, JOB_SUCCEEDED, NOW_MS);
	set_status(f.store, free_one, JOB_SUCCEEDED, NOW_MS);
	delivery_ids[0] = add_plain_delivery(f.store, own, true,
	    DELIVERY_PENDING, NOW_MS);
	add_plain_delivery(f.store, more, true, DELIVERY_DELIVERED, NOW_MS);
	delivery_ids[1] = add_plain_delivery(f.store, more, false,
	    DELIVERY_HELD, NOW_MS);
	assert_ok(f.store, store_commit(f.store, true));
	ck_assert_int_eq(purge(f.store, NOW_MS + 1, 100, &cursor), 1);
	ck_assert_int_eq(look_for_job(f.store, free_one), STORE_MISSING);
	ck_assert_int_eq(look_for_job(f.store, own), STORE_OK);
	ck_assert_int_eq(look_for_job(f.store, more), STORE_OK);
	ck_assert_int_eq(look_for_delivery(f.store, delivery_ids[0]), STORE_OK);
	ck_assert_int_eq(look_for_delivery(f.store, delivery_ids[1]), STORE_OK);
	fixture_close(&f);
}
END_TEST

START_TEST(a_purge_goes_on_where_it_stopped)
{
	int64_t cursor = 0, removed = 0;
	struct fixture f;
	int calls = 0;

	fixture_open(&f, schemes[_i]);
	assert_ok(f.store, store_begin(f.store));
	for (int i = 0; i < 25; i++) {
		struct uuid id = add_plain_job(f.store, "q", "http://c/",
		    NOW_MS);

		add_plain_delivery(f.store, id, true, DELIVERY_DELIVERED,
		    NOW_MS);
		if (i % 5 != 0)
			set_status(f.store, id, JOB_CANCELLED, NOW_MS);
	}
	assert_ok(f.store, store_commit(f.store, true));
	do {
		int64_t once = purge(f.store, NOW_MS + 1, 10, &cursor);

		ck_assert_int_le(once, 10);
		removed += once;
		calls++;
	} while (cursor != 0);
	ck_assert_int_eq(removed, 20);
	ck_assert_int_eq(calls, 3);
	ck_assert_int_eq(balanced_books(f.store).counted_queued, 5);
	fixture_close(&f);
}
END_TEST

START_TEST(a_purge_can_be_rolled_back)
{
	int64_t cursor = 0, removed;
	struct uuid id, delivery;
	struct fixture f;

	fixture_open(&f, schemes[_i]);
	assert_ok(f.store, store_begin(f.store));
	id = add_plain_job(f.store, "q", "http://c/", NOW_MS);
	delivery = add_plain_delivery(f.store, id, true, DELIVERY_DEAD, NOW_MS);
	set_status(f.store, id, JOB_FAILED, NOW_MS);
	assert_ok(f.store, store_commit(f.store, true));
	assert_ok(f.store, store_begin(f.store));
	assert_ok(f.store,
	    store_purge(f.store, NOW_MS + 1, 10, &cursor, &removed));
	ck_assert_int_eq(removed, 1);
	ck_assert_int_eq(look_for_job(f.store, id), STORE_MISSING);
	store_rollback(f.store);
	ck_assert_int_eq(look_for_job(f.store, id), STORE_OK);
	ck_assert_int_eq(look_for_delivery(f.store, delivery), STORE_OK);
	fixture_close(&f);
}
END_TEST

/* The same dice for two stores. Ids differ in their salts, so rows are named
 * by the order in which they were added. */
struct lives {
	struct fixture f;
	uint32_t dice;
	struct uuid jobs[400];
	int job_count;
};

static uint32_t
roll(struct lives *lives, uint32_t sides)
{
	lives->dice = lives->dice * 1664525 + 1013904223;
	return (lives->dice >> 8) % sides;
}

static void
live_once(struct lives *lives)
{
	struct store *store = lives->f.store;
	uint32_t what = roll(lives, 4);
	struct uuid id;

	if (what == 0 || lives->job_count == 0) {
		lives->jobs[lives->job_count++] = add_plain_job(store, "q",
		    roll(lives, 2) ? "http://c/" : NULL,
		    NOW_MS + (int64_t)roll(lives, 1000));
		return;
	}
	id = lives->jobs[roll(lives, (uint32_t)lives->job_count)];
	if (look_for_job(store, id) == STORE_MISSING)
		return;
	if (what == 1)
		add_plain_delivery(store, id, false,
		    (enum delivery_state)roll(lives, 4), NOW_MS);
	else
		set_status(store, id,
		    (enum job_status)roll(lives, JOB_STATUS_COUNT),
		    NOW_MS + (int64_t)roll(lives, 1000));
}

static void
live_a_turn(struct lives *lives, int64_t *cursor)
{
	int before = lives->job_count;
	int64_t removed;

	assert_ok(lives->f.store, store_begin(lives->f.store));
	for (uint32_t i = roll(lives, 8) + 1; i > 0; i--)
		live_once(lives);
	if (roll(lives, 10) == 0)
		assert_ok(lives->f.store,
		    store_purge(lives->f.store,
			NOW_MS + (int64_t)roll(lives, 1000), 20, cursor,
			&removed));
	if (roll(lives, 4) == 0) {
		store_rollback(lives->f.store);
		lives->job_count = before;
		return;
	}
	assert_ok(lives->f.store, store_commit(lives->f.store, false));
}

static void
assert_same_seen(const struct seen *a, const struct seen *b)
{
	ck_assert_int_eq(a->count, b->count);
	ck_assert_mem_eq(a->seqs, b->seqs,
	    (size_t)a->count * sizeof(a->seqs[0]));
}

static void
assert_same_lives(struct lives *a, struct lives *b)
{
	struct delivery_filter deliveries = { 0, -1, -1, -1, 60, 60 };
	struct store_books books_a = balanced_books(a->f.store);
	struct store_books books_b = balanced_books(b->f.store);
	struct seen seen_a = { .count = 0 }, seen_b = { .count = 0 };
	struct job_filter jobs = any_job;
	int64_t next_a, next_b;

	ck_assert_int_eq(books_a.accepted, books_b.accepted);
	ck_assert_int_eq(books_a.ended, books_b.ended);
	ck_assert_int_eq(books_a.counted_running, books_b.counted_running);
	ck_assert_int_eq(books_a.deliveries_open, books_b.deliveries_open);
	jobs.limit = jobs.scan_max = 60;
	assert_ok(a->f.store,
	    store_list_jobs(a->f.store, &jobs, see_job, &seen_a, &next_a));
	assert_ok(b->f.store,
	    store_list_jobs(b->f.store, &jobs, see_job, &seen_b, &next_b));
	assert_same_seen(&seen_a, &seen_b);
	ck_assert_int_eq(next_a, next_b);
	seen_a.count = seen_b.count = 0;
	assert_ok(a->f.store,
	    store_list_deliveries(a->f.store, &deliveries, see_delivery,
		&seen_a, &next_a));
	assert_ok(b->f.store,
	    store_list_deliveries(b->f.store, &deliveries, see_delivery,
		&seen_b, &next_b));
	assert_same_seen(&seen_a, &seen_b);
	ck_assert_int_eq(next_a, next_b);
	for (int i = 0; i < a->job_count; i++)
		ck_assert_int_eq(look_for_job(a->f.store, a->jobs[i]),
		    look_for_job(b->f.store, b->jobs[i]));
}

START_TEST(every_driver_does_what_the_model_does)
{
	struct lives model = { .dice = 1 }, other = { .dice = 1 };
	int64_t model_cursor = 0, other_cursor = 0;

	fixture_open(&model.f, "memory:");
	fixture_open(&other.f, schemes[_i]);
	for (int turn = 0; turn < 120; turn++) {
		live_a_turn(&model, &model_cursor);
		live_a_turn(&other, &other_cursor);
		ck_assert_uint_eq(model.dice, other.dice);
		ck_assert_int_eq(model_cursor, other_cursor);
		assert_same_lives(&model, &other);
	}
	ck_assert_int_gt(model.job_count, 60);
	fixture_close(&model.f);
	fixture_close(&other.f);
}
END_TEST

START_TEST(an_unknown_kind_of_store_is_refused)
{
	struct reason why = { "" };

	ck_assert_ptr_null(store_open("redis://h/", true, &why));
	ck_assert_str_eq(why.text, "redis://h/: no such kind of store");
	ck_assert_ptr_null(store_open("memory:x", true, &why));
	ck_assert_ptr_null(store_open("sqlite:", true, &why));
	ck_assert_str_eq(why.text, "sqlite: needs a path");
	ck_assert(!store_backup("memory:", "/nowhere", &why));
}
END_TEST

static TCase *
job_cases(void)
{
	TCase *tcase = tcase_create("jobs");
	static const TTest *const *const cases[] = {
		&a_job_comes_back_as_it_was_added,
		&a_bare_job_comes_back_bare,
		&ids_hold_the_moment_and_rise_whatever_the_clock_does,
		&an_id_of_a_failed_transaction_is_not_given_again,
		&a_job_with_a_callback_is_given_its_delivery_id,
		&a_guessed_id_finds_nothing,
		&an_update_writes_the_moving_part_and_nothing_else,
		&a_response_is_kept_until_another_replaces_it,
		&what_is_missing_is_said_and_the_transaction_goes_on,
		&a_rollback_leaves_nothing_behind,
		&the_books_balance_at_every_step_of_a_life,
		&unfinished_jobs_come_oldest_first,
		&an_unfinished_job_shows_its_small_facts,
		&a_lease_comes_and_goes,
		&paused_queues_are_kept,
		&what_the_clocks_showed_is_kept,
		&what_waits_is_moved_and_nothing_else,
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		tcase_add_loop_test(tcase, *cases[i], 0, SCHEME_COUNT);
	return tcase;
}

static TCase *
list_cases(void)
{
	TCase *tcase = tcase_create("deliveries, lists, purge");
	static const TTest *const *const cases[] = {
		&a_delivery_comes_back_as_it_was_added_and_changed,
		&a_delivery_of_the_same_id_replaces_the_first,
		&an_open_delivery_is_found_by_its_event,
		&open_deliveries_are_those_pending_or_held,
		&a_list_of_jobs_comes_newest_first_in_pages,
		&a_list_of_jobs_is_filtered,
		&a_list_stops_after_looking_at_so_many_rows,
		&deliveries_are_listed_by_state_and_moment_of_the_event,
		&a_purge_removes_what_ended_before_the_cutoff,
		&a_purge_spares_a_job_with_an_open_delivery,
		&a_purge_goes_on_where_it_stopped,
		&a_purge_can_be_rolled_back,
		&a_key_leads_to_the_job_that_it_began,
		&clients_may_use_the_same_key,
		&a_key_of_a_transaction_that_was_rolled_back_is_free,
		&a_key_goes_with_its_job_and_not_before,
		&a_purge_that_is_rolled_back_keeps_the_keys,
		&keys_are_any_bytes_of_text,
		&a_probe_writes_and_leaves_no_trace,
		&a_probe_does_not_disturb_what_it_is_committed_with,
		&every_driver_does_what_the_model_does,
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		tcase_add_loop_test(tcase, *cases[i], 0, SCHEME_COUNT);
	tcase_add_test(tcase, an_unknown_kind_of_store_is_refused);
	tcase_set_timeout(tcase, 60);
	return tcase;
}

int
main(void)
{
	Suite *suite = suite_create("store");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, job_cases());
	suite_add_tcase(suite, list_cases());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
