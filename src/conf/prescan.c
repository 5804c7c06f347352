/* prescan.c - the shape of a configuration file, checked before it is read.
 *
 *     file     = *( setting / section )
 *     setting  = name "=" ( value / "{" [ value *( "," value ) [ "," ] ] "}" )
 *     section  = name [ title ] "{" *( setting / section ) "}"
 *     value    = word / quoted / "${" variable "}"
 *
 * 1. Bytes only ever become blanks, and newlines stay: offsets and lines of the
 *    cleaned text are those of the file.
 * 2. What is passed on is a subset of what libConfuse reads in the same way:
 *    where its lexer is lenient (stray signs are skipped, a quote may swallow
 *    half the file) this one complains.
 * 3. A broken shape ends the scan; a wrong name does not.
 *
 * Thread: main.
 */
#include "prescan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "callbackd/job.h"
#include "callbackd/text.h"
#include "lexer.h"
#include "schema.h"

/* Queues and clients of one file, all together: what libConfuse does with them
 * grows with the square of their number. */
#define TITLE_MAX 4096

/* A title that was used. */
struct title {
	enum place place;
	size_t start, len;
	int line;
};

struct scan {
	struct lexer lexer;
	struct complaints *out;
	struct title *titles;
	size_t title_count;
	size_t given_count; /* values of settings that fit */
};

/* One section that is being scanned: where it began, what it has said. */
struct frame {
	enum place place;
	struct token name;               /* of the section; line 0 at the top */
	int said_at[SCHEMA_SETTING_MAX]; /* line of each setting; 0: not yet */
	int opened_at[PLACE_COUNT];      /* line of each untitled section */
};

static bool
is_value(const struct token *token)
{
	return token->kind == TOKEN_WORD || token->kind == TOKEN_QUOTED;
}

static const char *
name_text(const struct scan *scan, const struct token *name,
    char text[SHOWN_SIZE])
{
	return shown(scan->lexer.text + name->start, name->end - name->start,
	    text);
}

/* Says that something else was to stand here. Always false. */
static bool
expected(struct scan *scan, const struct token *token, const char *what)
{
	char text[SHOWN_SIZE];

	if (token->kind == TOKEN_END)
		complain_at(scan->out, token->line,
		    "the file ends where %s should stand", what);
	else if (token->kind != TOKEN_BAD)
		complain_at(scan->out, token->line,
		    "%s should stand where '%s' is", what,
		    name_text(scan, token, text));
	return false;
}

/* Behind the '{' of a list, to behind its '}'. */
static bool
scan_list(struct scan *scan, const struct token *name, int *count_out)
{
	char text[SHOWN_SIZE];

	for (int count = 0;; count++) {
		struct token token = lexer_next(&scan->lexer);
		bool has_value = is_value(&token);
		if (has_value)
			token = lexer_next(&scan->lexer);
		if (token.kind == TOKEN_CLOSE) {
			*count_out = count + has_value;
			return true;
		}
		if (token.kind == TOKEN_END) {
			complain_at(scan->out, name->line,
			    "the list of '%s' is left open",
			    name_text(scan, name, text));
			return false;
		}
		if (!has_value)
			return expected(scan, &token, "a value or '}'");
		if (token.kind != TOKEN_COMMA)
			return expected(scan, &token, "',' or '}'");
	}
}

#define NOT_A_LIST (-1)

/* Behind the '=' of a setting. *count_out is the number of values of a list, or
 * NOT_A_LIST. */
static bool
scan_value(struct scan *scan, const struct token *name, int *count_out)
{
	struct token value = lexer_next(&scan->lexer);

	*count_out = NOT_A_LIST;
	if (value.kind == TOKEN_OPEN)
		return scan_list(scan, name, count_out);
	if (!is_value(&value))
		return expected(scan, &value, "a value");
	/* A scalar over several lines is a missing quote that has swallowed
	 * what follows. */
	if (value.line != scan->lexer.line) {
		complain_at(scan->out, value.line,
		    "the quote is not closed on its line");
		return false;
	}
	return true;
}

/* " in section queue", "" at the top. */
static const char *
where(enum place place, char text[SHOWN_SIZE])
{
	struct reason reason;

	if (place == PLACE_TOP)
		return "";
	reason_set(&reason, " in section %s", schema_place_name(place));
	return shown(reason.text, strlen(reason.text), text);
}

static bool
list_fits(struct scan *scan, const struct setting *setting,
    const struct token *name, int count)
{
	if (setting->kind != SETTING_LIST) {
		complain_at(scan->out, name->line,
		    "%s takes one value, not a list", setting->name);
		return false;
	}
	if (count < setting->min || count > setting->max) {
		complain_at(scan->out, name->line,
		    "%s takes %lld to %lld values, not %d", setting->name,
		    (long long)setting->min, (long long)setting->max, count);
		return false;
	}
	return true;
}

/* True when the setting may stand here, and for the first time. */
static bool
setting_fits(struct scan *scan, struct frame *frame, const struct token *name,
    int count)
{
	char text[SHOWN_SIZE], place[SHOWN_SIZE];
	const struct setting *setting = schema_setting(frame->place,
	    scan->lexer.text + name->start, name->end - name->start);

	name_text(scan, name, text);
	if (setting == NULL) {
		bool is_section = schema_section(frame->place,
				      scan->lexer.text + name->start,
				      name->end - name->start) != NULL;
		complain_at(scan->out, name->line,
		    is_section ? "'%s' is a section%s, not a setting"
			       : "there is no setting '%s'%s",
		    text, where(frame->place, place));
		return false;
	}
	int *said_at = &frame->said_at[setting - schema_nth(0)];
	if (*said_at != 0) {
		complain_at(scan->out, name->line,
		    "'%s' has been set on line %d already", text, *said_at);
		return false;
	}
	*said_at = name->line;
	return count == NOT_A_LIST || list_fits(scan, setting, name, count);
}

static bool
scan_setting(struct scan *scan, struct frame *frame, const struct token *name)
{
	int count;

	if (!scan_value(scan, name, &count))
		return false;
	if (setting_fits(scan, frame, name, count))
		scan->given_count += count == NOT_A_LIST ? 1 : (size_t)count;
	else
		lexer_blank(&scan->lexer, name->start, scan->lexer.at);
	return true;
}

/* Behind the '{' of a section that does not count, to behind its '}'. */
static bool
skip_section(struct scan *scan, const struct token *name)
{
	char text[SHOWN_SIZE];
	size_t depth = 1;

	while (depth > 0) {
		struct token token = lexer_next(&scan->lexer);
		if (token.kind == TOKEN_OPEN)
			depth++;
		if (token.kind == TOKEN_CLOSE)
			depth--;
		if (token.kind == TOKEN_END)
			complain_at(scan->out, name->line,
			    "section '%s' is left open",
			    name_text(scan, name, text));
		if (token.kind == TOKEN_END || token.kind == TOKEN_BAD)
			return false;
	}
	lexer_blank(&scan->lexer, name->start, scan->lexer.at);
	return true;
}

/* The line of an earlier section of that kind and title; 0 for none. */
static int
title_line(const struct scan *scan, const struct title *title)
{
	const char *text = scan->lexer.text;

	for (size_t i = 0; i < scan->title_count; i++) {
		const struct title *other = &scan->titles[i];
		if (other->place == title->place && other->len == title->len &&
		    memcmp(text + other->start, text + title->start,
			title->len) == 0)
			return other->line;
	}
	return 0;
}

static bool
title_is_legal(const struct scan *scan, const struct title *title)
{
	char name[NAME_SIZE];

	if (title->len >= sizeof(name))
		return false;
	memcpy(name, scan->lexer.text + title->start, title->len);
	name[title->len] = '\0';
	return name_is_legal(name);
}

/* True for a legal title that has not been used. Remembers it. */
static bool
title_fits(struct scan *scan, enum place place, const struct token *token)
{
	char text[SHOWN_SIZE];
	size_t trim = token->kind == TOKEN_QUOTED ? 1 : 0;
	struct title title = { place, token->start + trim,
		token->end - token->start - 2 * trim, token->line };
	int line = title_line(scan, &title);

	shown(scan->lexer.text + title.start, title.len, text);
	if (!title_is_legal(scan, &title)) {
		complain_at(scan->out, token->line,
		    "'%s' is not a name: 1 to %d of a-z, 0-9, '_' and '-'",
		    text, NAME_SIZE - 1);
		return false;
	}
	if (line != 0) {
		complain_at(scan->out, token->line,
		    "there is a %s '%s' on line %d already",
		    schema_place_name(place), text, line);
		return false;
	}
	if (scan->title_count == TITLE_MAX) {
		complain_at(scan->out, token->line,
		    "there are more than %d queues and clients", TITLE_MAX);
		return false;
	}
	scan->titles[scan->title_count++] = title;
	return true;
}

/* The section of that name that may stand here; NULL after a complaint. */
static const struct section *
find_section(struct scan *scan, const struct frame *frame,
    const struct token *name)
{
	const char *start = scan->lexer.text + name->start;
	size_t len = name->end - name->start;
	const struct section *section = schema_section(frame->place, start,
	    len);
	char text[SHOWN_SIZE], place[SHOWN_SIZE];

	if (section != NULL)
		return section;
	complain_at(scan->out, name->line,
	    schema_setting(frame->place, start, len) != NULL
		? "'%s' is a setting%s and needs a '='"
		: "there is no section '%s'%s",
	    shown(start, len, text), where(frame->place, place));
	return NULL;
}

/* True when the section may stand here with this title, the first time. */
static bool
section_fits(struct scan *scan, struct frame *frame,
    const struct section *section, const struct token *name,
    const struct token *title)
{
	if (section->titled != (title != NULL)) {
		complain_at(scan->out, name->line,
		    section->titled ? "section '%s' needs a name"
				    : "section '%s' takes no name",
		    section->name);
		return false;
	}
	if (title != NULL)
		return title_fits(scan, section->place, title);
	int *opened_at = &frame->opened_at[section->place];
	if (*opened_at != 0) {
		complain_at(scan->out, name->line,
		    "section '%s' has been opened on line %d already",
		    section->name, *opened_at);
		return false;
	}
	*opened_at = name->line;
	return true;
}

static bool scan_settings(struct scan *scan, struct frame *frame);

/* Behind the '{'. Sections nest two deep, as the schema does. */
static bool
scan_section(struct scan *scan, struct frame *frame, const struct token *name,
    const struct token *title)
{
	const struct section *section = find_section(scan, frame, name);

	if (section == NULL || !section_fits(scan, frame, section, name, title))
		return skip_section(scan, name);
	struct frame inner = { .place = section->place, .name = *name };
	return scan_settings(scan, &inner);
}

/* A setting or a section, from behind its name. */
static bool
scan_entry(struct scan *scan, struct frame *frame, const struct token *name)
{
	struct token next = lexer_next(&scan->lexer);

	if (next.kind == TOKEN_EQUALS)
		return scan_setting(scan, frame, name);
	if (next.kind == TOKEN_OPEN)
		return scan_section(scan, frame, name, NULL);
	if (!is_value(&next))
		return expected(scan, &next, "'=' or '{'");
	struct token open = lexer_next(&scan->lexer);
	if (open.kind != TOKEN_OPEN) {
		bool is_setting = schema_setting(frame->place,
				      scan->lexer.text + name->start,
				      name->end - name->start) != NULL;
		return expected(scan, is_setting ? &next : &open,
		    is_setting ? "'='" : "'{'");
	}
	return scan_section(scan, frame, name, &next);
}

/* The end of what frame is: its '}', or the file's end at the top. */
static bool
ends_well(struct scan *scan, const struct frame *frame,
    const struct token *token)
{
	char text[SHOWN_SIZE];

	if (frame->place == PLACE_TOP) {
		if (token->kind == TOKEN_CLOSE)
			complain_at(scan->out, token->line,
			    "'}' closes nothing");
		return token->kind == TOKEN_END;
	}
	if (token->kind == TOKEN_END)
		complain_at(scan->out, frame->name.line,
		    "section '%s' is left open",
		    name_text(scan, &frame->name, text));
	return token->kind == TOKEN_CLOSE;
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool
scan_settings(struct scan *scan, struct frame *frame)
{
	const char *text = scan->lexer.text;

	for (;;) {
		struct token name = lexer_next(&scan->lexer);
		if (name.kind == TOKEN_END || name.kind == TOKEN_CLOSE)
			return ends_well(scan, frame, &name);
		if (name.kind != TOKEN_WORD || !is_letter(text[name.start]))
			return expected(scan, &name, "the name of a setting");
		if (!scan_entry(scan, frame, &name))
			return false;
	}
}

/* Bytes that may stand nowhere, not even in quotes or comments. */
static bool
has_only_text(const char *text, size_t len, struct complaints *out)
{
	int line = 1;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c == '\n')
			line++;
		bool is_space = c == '\t' || c == '\r' || c == '\n';
		if ((c < ' ' && !is_space) || c == 0x7f) {
			complain_at(out, line,
			    "a byte 0x%02x: this is not a text file", c);
			return false;
		}
	}
	return true;
}

bool
prescan(char *text, size_t len, struct complaints *out, size_t *given_count_out)
{
	struct scan scan = {
		.lexer = { .text = text,
		    .len = len,
		    .line = 1,
		    .last_line = 1,
		    .out = out },
		.out = out,
	};
	struct frame top = { .place = PLACE_TOP };

	assert(text[len] == '\0');
	if (!has_only_text(text, len, out))
		return false;
	scan.titles = calloc(TITLE_MAX, sizeof(*scan.titles));
	if (scan.titles == NULL) {
		complain_at(out, 0, "no memory left to read it");
		return false;
	}
	bool sound = scan_settings(&scan, &top);
	free(scan.titles);
	*given_count_out = scan.given_count;
	return sound;
}
