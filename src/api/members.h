/* members.h - reading a request whose body is one JSON object.
 *
 * What every such route has in common: its content type, its syntax, members
 * that there are not, and the kinds of value that members have. What is valid
 * JSON but means nothing is REFUSE_UNPROCESSABLE and names its place. Loop
 * thread only.
 */
#ifndef CALLBACKD_API_MEMBERS_H
#define CALLBACKD_API_MEMBERS_H

#include "callbackd/json.h"
#include "inside.h"

#define MEMBER_SHOWN 60 /* bytes of a foreign name in a refusal */

/* The body of a request as a document whose root is an object. NULL when it is
 * not, and the call was then refused; what: "a job" or the like. The document
 * is the caller's. */
struct json_document *members_of(struct call *call, const char *what);

/* One that there may be; a table of them ends with a NULL name. Members that
 * are null are as good as none. */
struct member {
	const char *name;
	bool (*take)(void *into, const char *name,
	    const struct json_value *value, struct objection *objection);
};
bool members_take(const struct json_value *object, const struct member *table,
    void *into, struct objection *objection);

/* All of these object and return false, or NULL, when the value is another
 * kind of thing. */

/* Says what was wanted; always false. */
bool means_nothing(struct objection *objection, const char *place,
    const char *wanted);
bool unknown_member(struct objection *objection, const char *name);
/* A string or a number as text, without objecting: NULL, also when it holds a
 * NUL. */
const char *text_of(const struct json_value *value);
/* A string without a NUL. */
const char *take_string(const char *place, const struct json_value *value,
    struct objection *objection);
/* A number of seconds or a string with a unit; 0 only where that is said. */
bool take_duration(const char *place, const struct json_value *value,
    bool may_be_none, int64_t *out_ms, struct objection *objection);
/* The bytes of a body, as text or in base64. */
struct blob *take_bytes(const char *place, const struct json_value *value,
    bool is_base64, struct objection *objection);

#endif
