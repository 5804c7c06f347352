/* disk.c - what a disk may hold after the power went.
 *
 * 1. A file is a body; a name leads to one. What is certain of a body are its
 *    synced bytes, of a name the body that it led to when the folder was
 *    synced.
 * 2. Changes of a body are kept in order until a sync makes them certain. A
 *    write beyond the end that was not written leaves zeroes, as a hole does.
 */
#include "disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMES_MAX 8
#define NAME_BYTES 64

struct change {
	bool is_truncation;
	uint64_t at;
	const void *data;
	size_t len;
	size_t moment; /* of all changes of the disk */
};

struct body {
	char *bytes; /* synced */
	size_t len;
	struct change *changes;
	size_t count, room;
};

struct name {
	char text[NAME_BYTES];
	struct body *now;    /* NULL: no such file */
	struct body *synced; /* the same, as of the folder's last sync */
};

struct disk {
	struct name names[NAMES_MAX];
	size_t name_count;
	struct body **bodies; /* all that ever were */
	size_t body_count;
	size_t moments;
};

struct disk *
disk_new(void)
{
	struct disk *disk = calloc(1, sizeof(*disk));

	ck_assert_ptr_nonnull(disk);
	return disk;
}

void
disk_free(struct disk **disk)
{
	for (size_t i = 0; i < (*disk)->body_count; i++) {
		free((*disk)->bodies[i]->bytes);
		free((*disk)->bodies[i]->changes);
		free((*disk)->bodies[i]);
	}
	free((*disk)->bodies);
	free(*disk);
	*disk = NULL;
}

const char *
outage_name(enum outage outage)
{
	static const char *const names[OUTAGE_COUNT] = { "nothing written",
		"all written", "some written", "torn", "in order" };

	return names[outage];
}

/* ---- bytes ---- */

static void
set_len(char **bytes, size_t *len, size_t wanted)
{
	*bytes = realloc(*bytes, wanted + 1);
	ck_assert_ptr_nonnull(*bytes);
	if (wanted > *len)
		memset(*bytes + *len, 0, wanted - *len);
	*len = wanted;
}

static void
put(char **bytes, size_t *len, uint64_t at, const void *data, size_t data_len)
{
	if (at + data_len > *len)
		set_len(bytes, len, at + data_len);
	if (data_len > 0)
		memcpy(*bytes + at, data, data_len);
}

static void
apply(char **bytes, size_t *len, const struct change *change)
{
	if (change->is_truncation)
		set_len(bytes, len, change->at);
	else
		put(bytes, len, change->at, change->data, change->len);
}

/* Those of its sectors that the dice choose. */
static void
apply_torn(char **bytes, size_t *len, const struct change *change,
    struct dice *dice)
{
	const char *data = change->data;
	size_t done = 0;

	if (change->is_truncation) {
		if (dice_throw(dice, 2) == 0)
			apply(bytes, len, change);
		return;
	}
	while (done < change->len) {
		uint64_t at = change->at + done;
		size_t piece = SECTOR_BYTES - at % SECTOR_BYTES;

		if (piece > change->len - done)
			piece = change->len - done;
		if (dice_throw(dice, 2) == 0)
			put(bytes, len, at, data + done, piece);
		done += piece;
	}
}

/* ---- changes ---- */

static struct name *
name_of(struct disk *disk, const char *text)
{
	for (size_t i = 0; i < disk->name_count; i++)
		if (strcmp(disk->names[i].text, text) == 0)
			return &disk->names[i];
	ck_assert_uint_lt(disk->name_count, NAMES_MAX);
	snprintf(disk->names[disk->name_count].text, NAME_BYTES, "%s", text);
	return &disk->names[disk->name_count++];
}

static struct body *
new_body(struct disk *disk)
{
	struct body *body = calloc(1, sizeof(*body));

	disk->bodies = realloc(disk->bodies,
	    (disk->body_count + 1) * sizeof(struct body *));
	ck_assert(body != NULL && disk->bodies != NULL);
	disk->bodies[disk->body_count++] = body;
	return body;
}

static void
keep_change(struct disk *disk, struct body *body, struct change change)
{
	ck_assert_msg(body != NULL, "a change of a file that was not made");
	if (body->count == body->room) {
		body->room = body->room * 2 + 64;
		body->changes = realloc(body->changes,
		    body->room * sizeof(*body->changes));
		ck_assert_ptr_nonnull(body->changes);
	}
	change.moment = disk->moments++;
	body->changes[body->count++] = change;
}

static void
sync_body(struct body *body)
{
	ck_assert_ptr_nonnull(body);
	for (size_t i = 0; i < body->count; i++)
		apply(&body->bytes, &body->len, &body->changes[i]);
	body->count = 0;
}

static void
sync_folder(struct disk *disk)
{
	for (size_t i = 0; i < disk->name_count; i++)
		disk->names[i].synced = disk->names[i].now;
}

void
disk_change(struct disk *disk, const struct shim_record *record,
    const char *text, const void *data)
{
	struct name *name;

	if (record->op == SHIM_SYNC && strcmp(text, ".") == 0) {
		sync_folder(disk);
		return;
	}
	name = name_of(disk, text);
	switch (record->op) {
	case SHIM_CREATE:
		name->now = new_body(disk);
		return;
	case SHIM_UNLINK:
		name->now = NULL;
		return;
	case SHIM_SYNC:
		sync_body(name->now);
		return;
	default:
		keep_change(disk, name->now,
		    (struct change){ .is_truncation = record->op ==
			    SHIM_TRUNCATE,
			.at = record->at,
			.data = data,
			.len = record->data_bytes });
	}
}

size_t
disk_unsynced(const struct disk *disk)
{
	size_t sum = 0;

	for (size_t i = 0; i < disk->name_count; i++)
		if (disk->names[i].now != NULL)
			sum += disk->names[i].now->count;
	return sum;
}

/* ---- the outage ---- */

/* OUTAGE_IN_ORDER: changes before this moment are there. */
static size_t
some_moment(const struct disk *disk, struct dice *dice)
{
	size_t first = disk->moments;

	for (size_t i = 0; i < disk->name_count; i++) {
		const struct body *body = disk->names[i].now;

		if (body != NULL && body->count > 0 &&
		    body->changes[0].moment < first)
			first = body->changes[0].moment;
	}
	return first + dice_throw(dice, (uint32_t)(disk->moments - first) + 1);
}

static void
maybe_apply(char **bytes, size_t *len, const struct change *change,
    enum outage outage, struct dice *dice, size_t until)
{
	switch (outage) {
	case OUTAGE_ALL_WRITTEN:
		apply(bytes, len, change);
		return;
	case OUTAGE_SOME_WRITTEN:
		if (dice_throw(dice, 2) == 0)
			apply(bytes, len, change);
		return;
	case OUTAGE_TORN:
		apply_torn(bytes, len, change, dice);
		return;
	case OUTAGE_IN_ORDER:
		if (change->moment < until)
			apply(bytes, len, change);
		else if (change->moment == until)
			apply_torn(bytes, len, change, dice);
		return;
	case OUTAGE_NONE_WRITTEN:
	case OUTAGE_COUNT:
		return;
	}
}

static void
write_file(const char *folder, const char *name, const char *bytes, size_t len)
{
	char path[PATH_SIZE];
	int fd;

	snprintf(path, sizeof(path), "%.400s/%.60s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
	close(fd);
}

static void
show_body(const struct body *body, const char *folder, const char *name,
    enum outage outage, struct dice *dice, size_t until)
{
	char *bytes = NULL;
	size_t len = 0;

	put(&bytes, &len, 0, body->len > 0 ? body->bytes : "", body->len);
	for (size_t i = 0; i < body->count; i++)
		maybe_apply(&bytes, &len, &body->changes[i], outage, dice,
		    until);
	write_file(folder, name, bytes != NULL ? bytes : "", len);
	free(bytes);
}

/* The body that the name leads to after the outage. */
static const struct body *
body_left(const struct name *name, enum outage outage, struct dice *dice)
{
	if (outage == OUTAGE_NONE_WRITTEN)
		return name->synced;
	if (outage == OUTAGE_ALL_WRITTEN)
		return name->now;
	return dice_throw(dice, 2) == 0 ? name->synced : name->now;
}

static void
remove_file(const char *folder, const char *name)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%.400s/%.60s", folder, name);
	(void)unlink(path);
}

void
disk_show(const struct disk *disk, enum outage outage, struct dice *dice,
    const char *folder)
{
	size_t until = some_moment(disk, dice);

	remove_file(folder, "callbackd.db-shm");
	for (size_t i = 0; i < disk->name_count; i++) {
		const struct name *name = &disk->names[i];
		const struct body *body = body_left(name, outage, dice);

		if (body != NULL)
			show_body(body, folder, name->text, outage, dice,
			    until);
		else
			remove_file(folder, name->text);
	}
}

void
disk_forget(const char *folder)
{
	struct dirent *entry;
	DIR *all = opendir(folder);

	while (all != NULL && (entry = readdir(all)) != NULL)
		remove_file(folder, entry->d_name);
	if (all != NULL)
		closedir(all);
	(void)rmdir(folder);
}
