/* lexer.c - the words and signs of a configuration file.
 *
 * 1. What comes out is a subset of what libConfuse's lexer reads in the same
 *    way. Where that one is lenient (a stray sign is skipped, a variable that
 *    is not set is nothing, "\\0" ends a value) this one complains.
 * 2. Comments become blanks: libConfuse counts their lines wrong and refuses
 *    them inside lists.
 *
 * Thread: main.
 */
#include "lexer.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || (c != '\0' && strchr("_-.:/%@~", c));
}

/* What stands i bytes on; NUL at the end, and nowhere else (prescan). */
static char
peek(const struct lexer *lexer, size_t i)
{
	return lexer->at + i < lexer->len ? lexer->text[lexer->at + i] : '\0';
}

static bool
starts(const struct lexer *lexer, const char *what)
{
	size_t len = strlen(what);

	return lexer->len - lexer->at >= len &&
	    memcmp(lexer->text + lexer->at, what, len) == 0;
}

static void
step(struct lexer *lexer)
{
	if (lexer->text[lexer->at++] == '\n')
		lexer->line++;
}

void
lexer_blank(struct lexer *lexer, size_t start, size_t end)
{
	for (size_t i = start; i < end; i++) {
		if (lexer->text[i] != '\n')
			lexer->text[i] = ' ';
	}
}

static void
skip_line_comment(struct lexer *lexer)
{
	size_t start = lexer->at;

	while (lexer->at < lexer->len && peek(lexer, 0) != '\n')
		lexer->at++;
	lexer_blank(lexer, start, lexer->at);
}

/* False when the comment never ends. */
static bool
skip_block_comment(struct lexer *lexer)
{
	size_t start = lexer->at;
	int line = lexer->line;

	lexer->at += 2;
	while (lexer->at < lexer->len && !starts(lexer, "*/"))
		step(lexer);
	if (lexer->at == lexer->len) {
		complain_at(lexer->out, line, "the comment is not closed");
		return false;
	}
	lexer->at += 2;
	lexer_blank(lexer, start, lexer->at);
	return true;
}

static bool
skip_blanks(struct lexer *lexer)
{
	while (lexer->at < lexer->len) {
		if (is_blank(peek(lexer, 0))) {
			step(lexer);
		} else if (starts(lexer, "#") || starts(lexer, "//")) {
			skip_line_comment(lexer);
		} else if (starts(lexer, "/*")) {
			if (!skip_block_comment(lexer))
				return false;
		} else {
			break;
		}
	}
	return true;
}

/* "${NAME}" or "${NAME:-default}": libConfuse puts the environment's value in.
 * A variable that is not set would silently become nothing. */
static bool
scan_variable(struct lexer *lexer)
{
	size_t len = strcspn(lexer->text + lexer->at, "}\n\"'");
	char name[128], text[SHOWN_SIZE];

	if (peek(lexer, len) != '}') {
		complain_at(lexer->out, lexer->line,
		    "'${' has no '}' behind it");
		return false;
	}
	const char *start = lexer->text + lexer->at + 2;
	size_t name_len = strcspn(start, ":}");
	bool has_default = strncmp(start + name_len, ":-", 2) == 0;
	if (name_len == 0 || name_len >= sizeof(name) ||
	    (start[name_len] == ':' && !has_default)) {
		complain_at(lexer->out, lexer->line,
		    "'%s' names no environment variable",
		    shown(start - 2, len + 1, text));
		return false;
	}
	memcpy(name, start, name_len);
	name[name_len] = '\0';
	if (!has_default && getenv(name) == NULL) {
		complain_at(lexer->out, lexer->line,
		    "the environment has no %s", shown(name, name_len, text));
		return false;
	}
	lexer->at += len + 1;
	return true;
}

/* A backslash inside double quotes, and what belongs to it. */
static bool
scan_escape(struct lexer *lexer)
{
	const char *start = lexer->text + lexer->at;
	int value = -1;
	size_t len = 2;

	if (start[1] >= '0' && start[1] <= '9') {
		len = 1 + strspn(start + 1, "0123456789");
		size_t octal = strspn(start + 1, "01234567");
		if (octal + 1 == len && octal <= 3)
			value = (int)strtol(start + 1, NULL, 8);
		else
			value = 256;
	} else if (start[1] == 'x') {
		size_t hex = strspn(start + 2, "0123456789abcdefABCDEF");
		char digits[3] = { start[2], hex > 1 ? start[3] : '\0', '\0' };
		len = 2 + (hex > 2 ? 2 : hex);
		value = hex > 0 ? (int)strtol(digits, NULL, 16) : 256;
	}
	if (value == 0 || value > 255) {
		char text[SHOWN_SIZE];
		complain_at(lexer->out, lexer->line,
		    "'%s' is not an escape that can stand here",
		    shown(start, len, text));
		return false;
	}
	for (; len > 0 && lexer->at < lexer->len; len--)
		step(lexer);
	return true;
}

/* From the opening quote to behind the closing one. */
static bool
scan_quoted(struct lexer *lexer)
{
	char quote = peek(lexer, 0);
	int line = lexer->line;

	lexer->at++;
	while (lexer->at < lexer->len && peek(lexer, 0) != quote) {
		if (quote == '"' && starts(lexer, "${")) {
			if (!scan_variable(lexer))
				return false;
		} else if (quote == '"' && peek(lexer, 0) == '\\') {
			if (!scan_escape(lexer))
				return false;
		} else if (peek(lexer, 0) == '\\' && peek(lexer, 1) != '\0') {
			step(lexer);
			step(lexer);
		} else {
			step(lexer);
		}
	}
	if (lexer->at >= lexer->len) {
		complain_at(lexer->out, line, "the quote is not closed");
		return false;
	}
	lexer->at++;
	return true;
}

static enum token_kind
scan_sign(struct lexer *lexer)
{
	char c = peek(lexer, 0);
	char text[SHOWN_SIZE];

	switch (c) {
	case '{':
		lexer->at++;
		return TOKEN_OPEN;
	case '}':
		lexer->at++;
		return TOKEN_CLOSE;
	case '=':
		lexer->at++;
		return TOKEN_EQUALS;
	case ',':
		lexer->at++;
		return TOKEN_COMMA;
	}
	complain_at(lexer->out, lexer->line, "'%s' must stand in quotes",
	    shown(&c, 1, text));
	return TOKEN_BAD;
}

static enum token_kind
scan_token(struct lexer *lexer)
{
	char c = peek(lexer, 0);

	if (lexer->at == lexer->len)
		return TOKEN_END;
	if (c == '"' || c == '\'')
		return scan_quoted(lexer) ? TOKEN_QUOTED : TOKEN_BAD;
	if (starts(lexer, "${"))
		return scan_variable(lexer) ? TOKEN_WORD : TOKEN_BAD;
	if (!is_word(c))
		return scan_sign(lexer);
	while (is_word(peek(lexer, 0)))
		lexer->at++;
	return TOKEN_WORD;
}

struct token
lexer_next(struct lexer *lexer)
{
	struct token token = { .kind = TOKEN_BAD };

	if (!skip_blanks(lexer))
		return token;
	token.start = lexer->at;
	token.line = lexer->line;
	token.kind = scan_token(lexer);
	token.end = lexer->at;
	/* What is missing at the end is missing behind the last token. */
	if (token.kind == TOKEN_END)
		token.line = lexer->last_line;
	lexer->last_line = lexer->line;
	return token;
}
