/* append.h - the job document at the end of a buffer, with or without the
 * upstream's answer in it.
 *
 * Private to src/job: what documents and envelopes have in common.
 */
#ifndef CALLBACKD_JOB_APPEND_H
#define CALLBACKD_JOB_APPEND_H

#include <stdbool.h>

#include "callbackd/document.h"

/* As document_text. With a result, which may be NULL, the response (if there is
 * one) has its headers and body, too. */
bool document_append(struct buf *out, const struct job *job,
    const struct delivery *delivery, const struct document_facts *facts,
    const struct payload *result);

/* The members "headers" and "body" or "body_base64", each behind a comma.
 * headers is an object in order of appearance, repeated names (in any case)
 * joined by ", " under their first spelling; a body that is not text (UTF-8
 * without U+0000) is base64. False when memory is out. */
bool result_append(struct buf *out, const struct payload *result);

#endif
