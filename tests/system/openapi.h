/* openapi.h - what does contrib/openapi.yaml promise?
 *
 * Reads the layout that the file has, which is not all of YAML: two blanks a
 * level, one key a line, answers under quoted statuses, refusals and error
 * types as lists. What it does not understand it does not see, so a reader
 * should ask whether there is anything at all.
 */
#ifndef TESTS_SYSTEM_OPENAPI_H
#define TESTS_SYSTEM_OPENAPI_H

#include <stdbool.h>

#define PROMISES_MAX 1000
#define PROBLEMS_MAX 100
#define SHARED_MAX 50
#define TYPES_SIZE 160
#define WORDS_SIZE 600

/* An answer that an operation may give. */
struct promise {
	char method[8]; /* "GET" */
	char path[64];  /* "/v1/jobs/{id}" */
	int status;
	bool is_admin;          /* of the operator's listener */
	char shared[32];        /* of components/responses, "" for its own */
	char types[TYPES_SIZE]; /* " text/plain text/html "; "": no body */
	char words[WORDS_SIZE]; /* of the description, when it is shared */
};

struct openapi {
	struct promise promises[PROMISES_MAX];
	int promise_count;
	struct promise shared[SHARED_MAX]; /* of components/responses */
	int shared_count;
	char problems[PROBLEMS_MAX][64]; /* "urn:callbackd:problem:conflict" */
	int problem_count;
	char errors[PROBLEMS_MAX][64]; /* "reset" */
	int error_count;
};

/* Fails the case when the file is not there, has nothing of something, or one
 * promise twice. */
void openapi_read(struct openapi *out);

/* NULL when that is not promised. */
const struct promise *openapi_find(const struct openapi *openapi,
    const char *method, const char *path, int status);

/* content_type may have parameters; NULL is none, and right where no body is
 * promised. */
bool promise_has_type(const struct promise *promise, const char *content_type);

/* Is that the type of a refusal, or of the problem that an error makes? */
bool openapi_has_problem(const struct openapi *openapi, const char *type);
/* A description that is shared names the refusals that it is about. */
bool promise_names(const struct promise *promise, const char *type);
bool openapi_has_error(const struct openapi *openapi, const char *type);

#endif
