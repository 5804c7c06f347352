/* lexer.h - what stands next in a configuration file?
 *
 * Private to src/conf; pure but for the environment.
 */
#ifndef CALLBACKD_CONF_LEXER_H
#define CALLBACKD_CONF_LEXER_H

#include <stddef.h>

#include "complain.h"

enum token_kind {
	TOKEN_END,
	TOKEN_WORD,   /* unquoted */
	TOKEN_QUOTED, /* "..." or '...' */
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_EQUALS,
	TOKEN_COMMA,
	TOKEN_BAD, /* has been complained about */
};

struct token {
	enum token_kind kind;
	size_t start, end; /* offsets; quotes included */
	int line;          /* of its first byte; TOKEN_END: of the last token */
};

/* A file that is being read. Holds no NUL but the one behind its end. */
struct lexer {
	char *text;
	size_t len;
	size_t at;
	int line;      /* of at, from 1 */
	int last_line; /* where the last token ended */
	struct complaints *out;
};

/* The next token; blanks and comments before it are skipped, and comments
 * become blanks. TOKEN_BAD has been complained about. */
struct token lexer_next(struct lexer *lexer);

/* Makes a part of the text invisible; lines stay. */
void lexer_blank(struct lexer *lexer, size_t start, size_t end);

#endif
