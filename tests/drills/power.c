/* power.c - cuts the power at every moment of a daemon's life, on paper.
 *
 *   power [--jobs N] [--states N] [--seed S] [--deaf 1]
 *
 * A daemon works under load on a fresh file and is killed and started again in
 * between, while the shim writes down every change and every sync of its files,
 * every 202 and every run that leaves. Then, for many moments of that log, the
 * files are made as a disk may hold them after a power cut (disk.h) and opened
 * as at a start: every job that was acknowledged before must be there with its
 * request and its key, and a job of an at-most-once queue that went to the
 * upstream must be known to have begun. The first moments, before anything was
 * acknowledged, must leave a file that can be opened, too.
 *
 * --states 0 tries every moment with every kind of outage, as is always done
 * for those before the first 202. --deaf 1 takes no
 * notice of syncs: then jobs must be lost, or the drill is blind.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "callbackd/store.h"
#include "disk.h"

#define CLIENTS 4

static long jobs = 160;
static long states = 600;
static long seed = 1;
static long deaf;

static const struct drill_option options[] = {
	{ "--jobs", &jobs, "acknowledged before the end" },
	{ "--states", &states, "to try; 0: every moment" },
	{ "--seed", &seed, "of the dice" },
	{ "--deaf", &deaf, "1: as if nothing were ever synced" },
};

static const struct setup power_setup = {
	.queue = "concurrency = 8\n timeout = \"20s\"\n",
	.more = "queue \"once\" {\n path = \"/once/\"\n upstream = \"%s/\"\n"
		" concurrency = 8\n guarantee = \"at-most-once\"\n}\n",
};

/* What was promised, in the order of the log. */
struct promise {
	struct uuid id;
	bool is_acked, has_run; /* so far */
	bool at_most_once;
	bool is_keyed;
	uint32_t number; /* its body is "body NUMBER", its key "kNUMBER" */
};

struct entry {
	struct shim_record head;
	char name[64];
	const char *data;
};

struct drill {
	struct world world;
	struct dice dice;
	char shim[PATH_SIZE];
	char log_path[PATH_SIZE];
	char folder[PATH_SIZE]; /* of the state that is tried */
	struct promise *promises;
	size_t promise_count;
	struct entry *log;
	size_t log_count;
	char *log_bytes;

	long tried, acked, lost, unreadable, forgotten, unbalanced;
	long by_outage[OUTAGE_COUNT];
	size_t most_unsynced;
};

/* ---- the life ---- */

static void
note_promise(struct drill *drill, const char *id, struct promise promise)
{
	drill->promises = realloc(drill->promises,
	    (drill->promise_count + 1) * sizeof(promise));
	ck_assert_ptr_nonnull(drill->promises);
	ck_assert(uuid_parse(id, strlen(id), &promise.id));
	drill->promises[drill->promise_count++] = promise;
}

/* A request on each connection; then their answers: they share a commit. */
static void
submit_some(struct drill *drill, struct client *clients)
{
	struct promise sent[CLIENTS] = { 0 };
	struct reply reply;
	char id[ID_SIZE], fields[256], body[32];

	for (int i = 0; i < CLIENTS; i++) {
		struct promise *promise = &sent[i];

		promise->number = (uint32_t)drill->promise_count + (uint32_t)i +
		    1;
		promise->at_most_once = dice_throw(&drill->dice, 3) == 0;
		promise->is_keyed = dice_throw(&drill->dice, 3) == 0;
		snprintf(body, sizeof(body), "body %u", promise->number);
		snprintf(fields, sizeof(fields), "%s%s%u\r\n",
		    dice_throw(&drill->dice, 2) == 0
			? callback_to(&drill->world, "/ok")
			: "",
		    promise->is_keyed ? "Idempotency-Key: k" : "X-Number: ",
		    promise->number);
		client_send_request(&clients[i], "POST",
		    promise->at_most_once ? "/once/echo" : "/mill/echo", fields,
		    body, (long)strlen(body));
	}
	for (int i = 0; i < CLIENTS; i++) {
		ck_assert(client_read(&clients[i], false, &reply));
		accepted_id(&reply, id);
		note_promise(drill, id, sent[i]);
		reply_clear(&reply);
	}
}

static void
live(struct drill *drill, size_t until)
{
	struct client clients[CLIENTS];

	shim_set(drill->shim, "SHIM_LOG", drill->log_path);
	shim_set(drill->shim, "SHIM_FOLDER", drill->world.folder);
	ck_assert(daemon_try_start(&drill->world));
	for (int i = 0; i < CLIENTS; i++)
		client_open(&clients[i], drill->world.api);
	while (drill->promise_count < until)
		submit_some(drill, clients);
	for (int i = 0; i < CLIENTS; i++)
		client_close(&clients[i]);
	shim_clear();
}

/* ---- its log ---- */

static void
read_log(struct drill *drill)
{
	size_t len, at = 0;

	drill->log_bytes = file_text(drill->log_path, &len);
	while (at < len) {
		struct entry *entry;

		drill->log = realloc(drill->log,
		    (drill->log_count + 1) * sizeof(*drill->log));
		ck_assert_ptr_nonnull(drill->log);
		entry = &drill->log[drill->log_count++];
		memcpy(&entry->head, drill->log_bytes + at,
		    sizeof(entry->head));
		at += sizeof(entry->head);
		ck_assert_uint_lt(entry->head.name_bytes, sizeof(entry->name));
		snprintf(entry->name, sizeof(entry->name), "%.*s",
		    (int)entry->head.name_bytes, drill->log_bytes + at);
		at += entry->head.name_bytes;
		entry->data = drill->log_bytes + at;
		at += entry->head.data_bytes;
	}
	ck_assert_uint_eq(at, len);
}

static struct promise *
promise_of(struct drill *drill, const char *id_text)
{
	struct uuid id;

	ck_assert(uuid_parse(id_text, strlen(id_text), &id));
	for (size_t i = 0; i < drill->promise_count; i++)
		if (uuid_equal(drill->promises[i].id, id))
			return &drill->promises[i];
	ck_abort_msg("%s was acknowledged to nobody", id_text);
	return NULL;
}

static void
take_entry(struct drill *drill, struct disk *disk, const struct entry *entry)
{
	if (entry->head.op == SHIM_ACK) {
		struct promise *promise = promise_of(drill, entry->name);

		drill->acked += !promise->is_acked;
		promise->is_acked = true;
	} else if (entry->head.op == SHIM_RUN) {
		promise_of(drill, entry->name)->has_run = true;
	} else if (!deaf || entry->head.op != SHIM_SYNC ||
	    strcmp(entry->name, ".") == 0) {
		disk_change(disk, &entry->head, entry->name, entry->data);
	}
}

/* ---- one state ---- */

static bool
has_request(struct store *store, const struct promise *promise)
{
	struct payload request = { NULL, NULL };
	char wanted[32];
	bool is_there;

	snprintf(wanted, sizeof(wanted), "body %u", promise->number);
	is_there = store_get_payload(store, promise->id.seq, PAYLOAD_REQUEST,
		       &request) == STORE_OK &&
	    blob_len(request.body) == strlen(wanted) &&
	    memcmp(blob_data(request.body), wanted, strlen(wanted)) == 0;
	payload_clear(&request);
	return is_there;
}

static bool
has_key(struct store *store, const struct promise *promise)
{
	struct store_key key;
	char text[32];

	if (!promise->is_keyed)
		return true;
	snprintf(text, sizeof(text), "k%u", promise->number);
	return store_find_key(store, "", text, &key) == STORE_OK &&
	    key.job_seq == promise->id.seq;
}

static void
look_for(struct drill *drill, struct store *store,
    const struct promise *promise, const char *when)
{
	struct job job;

	job_init(&job);
	if (store_get_job(store, promise->id, &job) != STORE_OK ||
	    !has_request(store, promise) || !has_key(store, promise)) {
		drill->lost++;
		if (!deaf && drill->lost < 20)
			fprintf(stderr, "BROKEN: %s: job %u is lost\n", when,
			    promise->number);
	} else if (promise->at_most_once && promise->has_run &&
	    job.attempts == 0) {
		drill->forgotten++;
		if (!deaf && drill->forgotten < 20)
			fprintf(stderr,
			    "BROKEN: %s: the run of job %u is"
			    " forgotten\n",
			    when, promise->number);
	}
	job_clear(&job);
}

static void
open_state(struct drill *drill, const char *when)
{
	char url[PATH_SIZE + 32];
	struct reason why = { "" };
	struct store_books books;
	struct store *store;

	snprintf(url, sizeof(url), "sqlite:%s/callbackd.db", drill->folder);
	store = store_open(url, true, &why);
	drill->tried++;
	if (store == NULL) {
		drill->unreadable++;
		if (!deaf && drill->unreadable < 20)
			fprintf(stderr, "BROKEN: %s: %s\n", when, why.text);
		return;
	}
	for (size_t i = 0; i < drill->promise_count; i++)
		if (drill->promises[i].is_acked)
			look_for(drill, store, &drill->promises[i], when);
	if (store_count(store, &books) != STORE_OK ||
	    books.accepted - books.ended !=
		books.counted_queued + books.counted_running)
		drill->unbalanced++;
	store_close(&store);
}

static void
try_state(struct drill *drill, const struct disk *disk, size_t moment,
    enum outage outage)
{
	char when[96];

	snprintf(when, sizeof(when), "moment %zu of %zu, %s", moment,
	    drill->log_count, outage_name(outage));
	disk_show(disk, outage, &drill->dice, drill->folder);
	drill->by_outage[outage]++;
	if (disk_unsynced(disk) > drill->most_unsynced)
		drill->most_unsynced = disk_unsynced(disk);
	open_state(drill, when);
}

/* How often the power is cut right after this entry: while the file is made,
 * which is short, in every way. */
static void
try_moment(struct drill *drill, const struct disk *disk, size_t moment)
{
	if (states == 0 || drill->acked == 0) {
		for (int i = 0; i < OUTAGE_COUNT; i++)
			try_state(drill, disk, moment, (enum outage)i);
		return;
	}
	for (long i = dice_throw(&drill->dice, (uint32_t)drill->log_count);
	     i < states; i += (long)drill->log_count)
		try_state(drill, disk, moment,
		    (enum outage)dice_throw(&drill->dice, OUTAGE_COUNT));
}

static void
cut_power(struct drill *drill)
{
	struct disk *disk = disk_new();

	for (size_t i = 0; i < drill->log_count; i++) {
		take_entry(drill, disk, &drill->log[i]);
		try_moment(drill, disk, i);
	}
	disk_free(&disk);
}

/* ---- the drill ---- */

static void
report(const struct drill *drill)
{
	drill_say("power drill: %ld states of %zu moments, seed %ld%s",
	    drill->tried, drill->log_count, seed,
	    deaf ? ", no sync is heard" : "");
	drill_say("  nothing written %ld, all %ld, some %ld, torn %ld,"
		  " in order %ld; at most %zu changes unsynced",
	    drill->by_outage[0], drill->by_outage[1], drill->by_outage[2],
	    drill->by_outage[3], drill->by_outage[4], drill->most_unsynced);
	drill_say("  acknowledged %ld, lost %ld, unreadable %ld, runs"
		  " forgotten %ld, books unbalanced %ld",
	    drill->acked, drill->lost, drill->unreadable, drill->forgotten,
	    drill->unbalanced);
}

/* In memory where that can be: a state is written, opened and forgotten. */
static void
make_folder(struct drill *drill)
{
	snprintf(drill->folder, PATH_SIZE, "/dev/shm/callbackd-power-%ld",
	    (long)getpid());
	if (mkdir(drill->folder, 0700) == 0)
		return;
	snprintf(drill->folder, PATH_SIZE, "%.400s/state", drill->world.folder);
	ck_assert_int_eq(mkdir(drill->folder, 0700), 0);
}

START_TEST(acknowledged_jobs_outlive_a_power_cut)
{
	static struct drill drill;
	struct world *world = &drill.world;

	shim_path("shim.so", drill.shim);
	drill.dice.state = (uint64_t)seed;
	world_prepare(world, &power_setup);
	snprintf(drill.log_path, PATH_SIZE, "%.400s/changes", world->folder);
	make_folder(&drill);
	live(&drill, (size_t)jobs / 2);
	daemon_kill(world);
	live(&drill, (size_t)jobs);
	daemon_stop(world);
	read_log(&drill);
	cut_power(&drill);
	report(&drill);
	ck_assert_uint_eq(drill.acked, drill.promise_count);
	if (deaf) {
		ck_assert_int_gt(drill.lost, 0);
	} else {
		ck_assert_int_eq(drill.lost, 0);
		ck_assert_int_eq(drill.unreadable, 0);
		ck_assert_int_eq(drill.forgotten, 0);
		ck_assert_int_eq(drill.unbalanced, 0);
	}
	free(drill.promises);
	free(drill.log);
	free(drill.log_bytes);
	disk_forget(drill.folder);
	world_close(world);
}
END_TEST

int
main(int argc, char **argv)
{
	drill_options(argc, argv, options, 4);
	return drill_run("power", acknowledged_jobs_outlive_a_power_cut, 3600);
}
