/* location.c - references, resolved to the letter of RFC 3986.
 *
 * 1. A reference is cut into its parts as in RFC 3986, appendix B, and put
 *    together as in 5.2 and 5.3. Nothing is decoded, nothing is normalised but
 *    the dot segments of a path.
 * 2. What comes out is judged by the one splitter of target_url.c, so that
 *    nobody can mean one host here and another one there.
 * 3. Another scheme or port is another origin: what goes to an upstream over
 *    TLS does not go to it in the clear.
 *
 * Any thread.
 */
#include "callbackd/location.h"

#include <assert.h>
#include <string.h>

static const struct target_policy FORM_ONLY = { .any_address = true };

struct slice {
	const char *text; /* NULL: the part is not there */
	size_t len;
};

/* The parts of a URI reference; a fragment is dropped. */
struct parts {
	struct slice scheme;    /* without its colon */
	struct slice authority; /* behind the two slashes */
	struct slice path;      /* always there, perhaps empty */
	struct slice query;     /* without its question mark */
};

/* ---- taking apart ---- */

static bool
is_letter(char c)
{
	c = text_lower(c);
	return c >= 'a' && c <= 'z';
}

static bool
is_scheme_char(char c)
{
	return is_letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' ||
	    c == '.';
}

/* How long the scheme at the front is; 0: there is none. */
static size_t
scheme_len(struct slice text)
{
	size_t len = 0;

	while (len < text.len && is_scheme_char(text.text[len]))
		len++;
	if (len == 0 || len == text.len || text.text[len] != ':')
		return 0;
	return is_letter(text.text[0]) ? len : 0;
}

/* What stands in front of the first of these characters, or all of it; *rest
 * begins with that character. */
static struct slice
take_until(struct slice *rest, const char *stops)
{
	struct slice taken = { rest->text, 0 };

	while (taken.len < rest->len &&
	    strchr(stops, rest->text[taken.len]) == NULL)
		taken.len++;
	rest->text += taken.len;
	rest->len -= taken.len;
	return taken;
}

static void
skip(struct slice *rest, size_t len)
{
	rest->text += len;
	rest->len -= len;
}

static struct parts
take_apart(const char *text, size_t len)
{
	struct slice rest = { text, len };
	struct parts parts = { 0 };

	rest = take_until(&rest, "#");
	len = scheme_len(rest);
	if (len > 0) {
		parts.scheme = (struct slice){ rest.text, len };
		skip(&rest, len + 1);
	}
	if (rest.len >= 2 && memcmp(rest.text, "//", 2) == 0) {
		skip(&rest, 2);
		parts.authority = take_until(&rest, "/?");
	}
	parts.path = take_until(&rest, "?");
	if (rest.len > 0) {
		skip(&rest, 1);
		parts.query = rest;
	}
	return parts;
}

/* ---- putting together ---- */

/* A URL being written. */
struct sheet {
	char *text;
	size_t len;
	bool is_full;
};

static void
put(struct sheet *sheet, const char *text, size_t len)
{
	if (len > TARGET_URL_MAX_BYTES - sheet->len)
		sheet->is_full = true;
	if (sheet->is_full || len == 0)
		return;
	memcpy(sheet->text + sheet->len, text, len);
	sheet->len += len;
}

static void
put_slice(struct sheet *sheet, struct slice slice)
{
	put(sheet, slice.text, slice.len);
}

static bool
is_segment(const char *path, size_t len, const char *text)
{
	return len == strlen(text) && memcmp(path, text, len) == 0;
}

/* Section 5.2.4, in place, for a path that begins with a slash; how long it is
 * then. What is written never overtakes what is read. */
static size_t
remove_dots(char *path, size_t len)
{
	size_t kept = 0;
	size_t at = 0;

	while (at < len) {
		const char *from = path + at; /* a slash, and its segment */
		const char *slash = memchr(from + 1, '/', len - at - 1);
		size_t size = slash != NULL ? (size_t)(slash - from) : len - at;
		bool goes_up = is_segment(from, size, "/..");

		at += size;
		if (!goes_up && !is_segment(from, size, "/.")) {
			memmove(path + kept, from, size);
			kept += size;
			continue;
		}
		while (goes_up && kept > 0 && path[--kept] != '/')
			;
		if (at == len)
			path[kept++] = '/';
	}
	return kept;
}

/* The path of a reference that has one, beside that of base unless it begins
 * at the root (5.2.3). */
static void
put_path(struct sheet *sheet, const struct parts *base, struct slice path,
    bool is_relative)
{
	size_t at = sheet->len;
	const char *slash = NULL;

	if (is_relative && path.text[0] != '/') {
		slash = memrchr(base->path.text, '/', base->path.len);
		if (slash != NULL)
			put(sheet, base->path.text,
			    (size_t)(slash - base->path.text));
		put(sheet, "/", 1);
	}
	put_slice(sheet, path);
	if (!sheet->is_full && sheet->text[at] == '/')
		sheet->len = at +
		    remove_dots(sheet->text + at, sheet->len - at);
}

/* Section 5.3. */
static void
put_query(struct sheet *sheet, struct slice query)
{
	if (query.text == NULL)
		return;
	put(sheet, "?", 1);
	put_slice(sheet, query);
}

bool
location_resolve(const char *base, const char *reference, size_t len,
    char out[TARGET_URL_MAX_BYTES + 1])
{
	struct parts from = take_apart(base, strlen(base));
	struct parts to = take_apart(reference, len);
	struct sheet sheet = { out, 0, false };
	bool has_scheme = to.scheme.text != NULL;
	bool has_place = has_scheme || to.authority.text != NULL;

	put_slice(&sheet, has_scheme ? to.scheme : from.scheme);
	put(&sheet, ":", 1);
	if (!has_place)
		to.authority = from.authority;
	if (to.authority.text != NULL) {
		put(&sheet, "//", 2);
		put_slice(&sheet, to.authority);
	}
	if (to.path.len > 0)
		put_path(&sheet, &from, to.path, !has_place);
	else if (!has_place)
		put_slice(&sheet, from.path);
	if (!has_place && to.path.len == 0 && to.query.text == NULL)
		to.query = from.query;
	put_query(&sheet, to.query);
	out[sheet.is_full ? 0 : sheet.len] = '\0';
	return !sheet.is_full;
}

/* ---- deciding ---- */

static bool
is_origin_of(const char *home, const struct target_url *parts)
{
	struct target_url home_parts;
	struct target_verdict verdict;
	struct reason why;
	bool is_url;

	if (home == NULL)
		return false;
	is_url = target_check_url(&FORM_ONLY, home, &home_parts, &verdict,
	    &why);
	assert(is_url); /* conf has seen to that */
	return home_parts.https == parts->https &&
	    home_parts.port == parts->port &&
	    strcmp(home_parts.host, parts->host) == 0;
}

bool
location_judge(const char *home, const char *base, const char *reference,
    size_t len, const struct target_policy *foreign, struct location *out,
    struct reason *why_out)
{
	struct target_url parts;
	struct target_verdict verdict;

	if (!location_resolve(base, reference, len, out->url)) {
		reason_set(why_out, "URL too long");
		return false;
	}
	if (!target_check_url(&FORM_ONLY, out->url, &parts, &verdict, why_out))
		return false;
	out->is_home = is_origin_of(home, &parts);
	return out->is_home ||
	    target_check_url(foreign, out->url, &parts, &verdict, why_out);
}
