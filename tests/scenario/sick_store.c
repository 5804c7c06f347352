/* sick_store.c - drivers that pass every call on, or fail it.
 *
 * The wrapped drivers are copies of the real ones with some calls replaced, so
 * a call that is added to drivers is passed on by itself.
 *
 * One store at a time; one thread.
 */
#include "sick_store.h"

#include "store/driver.h"

extern const struct driver_ops __real_memory_driver;
extern const struct driver_ops __real_sqlite_driver;
extern struct driver_ops __wrap_memory_driver;
extern struct driver_ops __wrap_sqlite_driver;

struct driver_ops __wrap_memory_driver;
struct driver_ops __wrap_sqlite_driver;

static const struct driver_ops *real; /* of the store that is open */

static unsigned sick_calls;
static int spared_count;
static bool only_once;
static enum store_result sick_result;
static int failures;
static int durable_commits;
static bool has_much_to_do;

void
store_sickens(unsigned calls, int spared, enum store_result result)
{
	sick_calls = calls;
	spared_count = spared;
	only_once = false;
	sick_result = result;
	failures = 0;
}

void
store_stumbles(unsigned calls, int spared)
{
	store_sickens(calls, spared, STORE_AGAIN);
	only_once = true;
}

void
store_heals(void)
{
	sick_calls = 0;
	has_much_to_do = false;
}

void
store_has_much_to_do(bool so)
{
	has_much_to_do = so;
}

int
store_failures(void)
{
	return failures;
}

int
store_durable_commits(void)
{
	return durable_commits;
}

static bool
fails(struct driver *driver, enum sick_call call, enum store_result *out)
{
	if (!(sick_calls & (unsigned)call) || spared_count-- > 0)
		return false;
	if (only_once)
		sick_calls = 0;
	failures++;
	reason_set(&driver->why, "the test made it fail");
	*out = sick_result;
	return true;
}

static enum store_result
begin(struct driver *driver)
{
	enum store_result result;

	return fails(driver, SICK_BEGIN, &result) ? result
						  : real->begin(driver);
}

static enum store_result
commit(struct driver *driver, bool is_durable, const struct totals *changed)
{
	enum store_result result;

	if (fails(driver, SICK_COMMIT, &result))
		return result;
	result = real->commit(driver, is_durable, changed);
	durable_commits += is_durable && result == STORE_OK;
	return result;
}

static enum store_result
add_job(struct driver *driver, const struct job *job,
    const struct payload *request)
{
	enum store_result result;

	return fails(driver, SICK_ADD_JOB, &result)
	    ? result
	    : real->add_job(driver, job, request);
}

static enum store_result
update_job(struct driver *driver, const struct job *job,
    const struct payload *response, bool *had_ended_out)
{
	enum store_result result;

	return fails(driver, SICK_UPDATE_JOB, &result)
	    ? result
	    : real->update_job(driver, job, response, had_ended_out);
}

static enum store_result
add_delivery(struct driver *driver, const struct delivery *delivery)
{
	enum store_result result;

	return fails(driver, SICK_ADD_DELIVERY, &result)
	    ? result
	    : real->add_delivery(driver, delivery);
}

static enum store_result
update_delivery(struct driver *driver, const struct delivery *delivery)
{
	enum store_result result;

	return fails(driver, SICK_UPDATE_DELIVERY, &result)
	    ? result
	    : real->update_delivery(driver, delivery);
}

static enum store_result
purge(struct driver *driver, const struct purge_range *range,
    int64_t *last_seq_out, int64_t *removed_out)
{
	enum store_result result;

	return fails(driver, SICK_PURGE, &result)
	    ? result
	    : real->purge(driver, range, last_seq_out, removed_out);
}

static enum store_result
get_job(struct driver *driver, int64_t seq, struct job *out)
{
	enum store_result result;

	return fails(driver, SICK_GET_JOB, &result)
	    ? result
	    : real->get_job(driver, seq, out);
}

static enum store_result
get_payload(struct driver *driver, int64_t job_seq, enum payload_kind kind,
    struct payload *out)
{
	enum store_result result;

	return fails(driver, SICK_GET_PAYLOAD, &result)
	    ? result
	    : real->get_payload(driver, job_seq, kind, out);
}

static enum store_result
get_delivery(struct driver *driver, int64_t seq, struct delivery *out)
{
	enum store_result result;

	return fails(driver, SICK_GET_DELIVERY, &result)
	    ? result
	    : real->get_delivery(driver, seq, out);
}

static enum store_result
list_jobs(struct driver *driver, const struct job_filter *filter,
    void (*each)(const struct job *job, void *arg), void *arg,
    int64_t *next_seq_out)
{
	enum store_result result;

	return fails(driver, SICK_LIST, &result)
	    ? result
	    : real->list_jobs(driver, filter, each, arg, next_seq_out);
}

static enum store_result
count(struct driver *driver, struct store_books *out)
{
	enum store_result result;

	return fails(driver, SICK_COUNT, &result) ? result
						  : real->count(driver, out);
}

static bool
has_chores(const struct driver *driver)
{
	return has_much_to_do || real->has_chores(driver);
}

/* What a driver that was opened does from then on. */
static struct driver *
watched(struct driver *driver, const struct driver_ops *ours,
    const struct driver_ops *theirs)
{
	if (driver != NULL)
		driver->ops = ours;
	real = theirs;
	return driver;
}

static struct driver *
open_memory(const char *place, bool full, struct reason *why_out)
{
	return watched(__real_memory_driver.open(place, full, why_out),
	    &__wrap_memory_driver, &__real_memory_driver);
}

static struct driver *
open_sqlite(const char *place, bool full, struct reason *why_out)
{
	return watched(__real_sqlite_driver.open(place, full, why_out),
	    &__wrap_sqlite_driver, &__real_sqlite_driver);
}

static void
wrap(struct driver_ops *ops)
{
	ops->begin = begin;
	ops->commit = commit;
	ops->add_job = add_job;
	ops->update_job = update_job;
	ops->add_delivery = add_delivery;
	ops->update_delivery = update_delivery;
	ops->purge = purge;
	ops->get_job = get_job;
	ops->get_payload = get_payload;
	ops->get_delivery = get_delivery;
	ops->list_jobs = list_jobs;
	ops->count = count;
	ops->has_chores = has_chores;
}

__attribute__((constructor)) static void
wrap_drivers(void)
{
	__wrap_memory_driver = __real_memory_driver;
	__wrap_sqlite_driver = __real_sqlite_driver;
	wrap(&__wrap_memory_driver);
	wrap(&__wrap_sqlite_driver);
	__wrap_memory_driver.open = open_memory;
	__wrap_sqlite_driver.open = open_sqlite;
}
