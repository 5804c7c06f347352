/* parse.c - libConfuse, made from the schema, in a process of its own.
 *
 * 1. libConfuse is called in the child only: without memory its lexer ends the
 *    process, and other parts of it take what they did not get (3.3).
 * 2. It keeps every value as text with its line, and never converts: its own
 *    numbers take "010" for 8, negatives and nan.
 * 3. Without memory it may also read less than there is and say nothing: so the
 *    values are counted, those of the file against what prescan has counted.
 *
 * Thread: main; what has "child" in its comment runs in the child.
 */
#include "parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <confuse.h>

#include "callbackd/apart.h"
#include "schema.h"
#include "stated.h"

/* ---- libConfuse's callbacks; child ---- */

/* libConfuse has a value: keep it as text, with its line. */
static int
keep_written_cb(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	size_t size = strlen(value) + 1;
	struct written *written = malloc(sizeof(*written) + size);

	if (written == NULL) {
		cfg_error(cfg, "no memory left for '%s'", opt->name);
		return -1;
	}
	written->line = cfg->line;
	memcpy(written->text, value, size);
	*(void **)result = written;
	return 0;
}

/* libConfuse calls this without anything of ours at hand, so the message is
 * left as the annotation of the section it is about. */
static void
note_error_cb(cfg_t *cfg, const char *format, va_list args)
{
	char what[256];

	if (cfg->comment != NULL)
		return;
	vsnprintf(what, sizeof(what), format, args);
	cfg->comment = strdup(what);
}

/* ---- the schema as libConfuse wants it; child ---- */

/* The options of every place: a tree of tables. */
struct options {
	cfg_opt_t of[PLACE_COUNT][SCHEMA_SETTING_MAX + 1];
	size_t count[PLACE_COUNT];
};

/* libConfuse copies what it is given, and never writes into it. */
static cfg_opt_t
make_option(const struct setting *setting)
{
	const char *text = setting->default_text;
	char *def = (char *)(text != NULL ? text : "\"\"");
	cfg_opt_t scalar = CFG_PTR_CB(setting->name, def, CFGF_NONE,
	    keep_written_cb, free);
	cfg_opt_t list = CFG_PTR_LIST_CB(setting->name, def, CFGF_NONE,
	    keep_written_cb, free);

	return setting->kind == SETTING_LIST ? list : scalar;
}

static void
add_option(struct options *options, enum place place, cfg_opt_t option)
{
	options->of[place][options->count[place]++] = option;
}

static void
make_options(struct options *options)
{
	const cfg_opt_t end = CFG_END();
	const struct setting *setting;
	const struct section *section;

	memset(options->count, 0, sizeof(options->count));
	for (size_t i = 0; (setting = schema_nth(i)) != NULL; i++)
		add_option(options, setting->place, make_option(setting));
	for (size_t i = 0; (section = schema_nth_section(i)) != NULL; i++) {
		cfg_flag_t flags = section->titled
		    ? CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES
		    : CFGF_NONE;
		cfg_opt_t option = CFG_SEC(section->name,
		    options->of[section->place], flags);

		add_option(options, section->parent, option);
	}
	for (size_t place = 0; place < PLACE_COUNT; place++)
		options->of[place][options->count[place]] = end;
}

/* ---- what it has read, as records; child ---- */

struct parsing {
	const char *text;
	size_t given_count; /* values that the text gives */
	size_t found;       /* of them, so far */
	bool is_short;      /* a default lacks values */
	struct buf *records;
};

static void
put_record(struct parsing *parsing, struct parsed record, const char *text)
{
	struct buf *records = parsing->records;
	static const char nuls[PARSED_ALIGN];
	size_t len = strlen(text);
	size_t padding = PARSED_ALIGN - len % PARSED_ALIGN;

	record.text_bytes = (uint32_t)(len + padding);
	(void)buf_append(records, &record, sizeof(record));
	(void)buf_append(records, text, len);
	(void)buf_append(records, nuls, padding);
}

/* Those of lists are all quoted. */
static size_t
default_count(const struct setting *setting)
{
	size_t quotes = 0;

	if (setting->kind != SETTING_LIST)
		return 1;
	for (const char *c = setting->default_text; *c != '\0'; c++)
		quotes += *c == '"';
	return quotes / 2;
}

static void
put_values(cfg_t *cfg, size_t number, struct parsing *parsing)
{
	const struct setting *setting = schema_nth(number);
	cfg_opt_t *opt = cfg_getopt(cfg, setting->name);
	bool is_given = (opt->flags & CFGF_MODIFIED) != 0;
	size_t count = cfg_opt_size(opt);

	if (is_given)
		parsing->found += count;
	else
		parsing->is_short |= count != default_count(setting);
	for (unsigned i = 0; i < count; i++) {
		const struct written *written = cfg_opt_getnptr(opt, i);
		const struct parsed record = { .kind = PARSED_VALUE,
			.number = (uint16_t)number,
			.is_given = is_given,
			.line = written->line };

		put_record(parsing, record, written->text);
	}
}

/* Settings before sections, each in the order of the table. */
static void
put_place(cfg_t *cfg, enum place place, struct parsing *parsing)
{
	static const struct parsed end = { .kind = PARSED_END };
	const struct setting *setting;
	const struct section *section;

	for (size_t i = 0; (setting = schema_nth(i)) != NULL; i++)
		if (setting->place == place)
			put_values(cfg, i, parsing);
	for (size_t i = 0; (section = schema_nth_section(i)) != NULL; i++) {
		const struct parsed record = { .kind = PARSED_SECTION,
			.number = (uint16_t)i };

		if (section->parent != place)
			continue;
		for (unsigned n = 0; n < cfg_size(cfg, section->name); n++) {
			cfg_t *inner = cfg_getnsec(cfg, section->name, n);
			const char *title = cfg_title(inner);

			put_record(parsing, record, title != NULL ? title : "");
			put_place(inner, section->place, parsing);
			put_record(parsing, end, "");
		}
	}
}

/* What note_error_cb left in the tree. */
static void
put_faults(cfg_t *cfg, struct parsing *parsing)
{
	const struct parsed record = { .kind = PARSED_FAULT,
		.line = cfg->line };

	if (cfg->comment != NULL)
		put_record(parsing, record, cfg->comment);
	for (cfg_opt_t *opt = cfg->opts; opt->name != NULL; opt++) {
		if (opt->type != CFGT_SEC)
			continue;
		for (unsigned i = 0; i < cfg_opt_size(opt); i++)
			put_faults(cfg_opt_getnsec(opt, i), parsing);
	}
}

static cfg_t *
make_parser(void)
{
	struct options *options = malloc(sizeof(*options));

	if (options == NULL)
		return NULL;
	make_options(options);
	return cfg_init(options->of[PLACE_TOP], CFGF_NONE);
}

static bool
parse_apart(struct buf *records, void *arg)
{
	struct parsing *parsing = arg;
	cfg_t *cfg = make_parser();

	if (cfg == NULL)
		return false;
	parsing->records = records;
	cfg_set_error_function(cfg, note_error_cb);
	if (cfg_parse_buf(cfg, parsing->text) != CFG_SUCCESS) {
		put_faults(cfg, parsing);
		return records->len > 0;
	}
	put_place(cfg, PLACE_TOP, parsing);
	return !parsing->is_short && parsing->found == parsing->given_count;
}

/* ---- the door ---- */

bool
parse_text(const char *text, size_t given_count, struct buf *records,
    struct reason *why_out)
{
	struct parsing parsing = { .text = text, .given_count = given_count };

	return apart_run(parse_apart, &parsing, records, why_out);
}
