/* What must hold for anything that openapi/ reports, and another spelling of the same JSON. */
#ifndef FUZZ_OPENAPI_CHECKS_H
#define FUZZ_OPENAPI_CHECKS_H

#include "fuzz.h"
#include "openapi/report.h"
#include "openapi/value.h"

enum { FUZZ_ARENA_BYTES_MAX = 256 * 1024 * 1024 };

bool fuzz_is_utf8(struct piece piece);

/*
 * A report is no longer than it may be; each error has a keyword, a message and a path: a JSON
 * Pointer that leads to a value of `body` (or to where a member is missing), or one into a
 * parameter when `body` is NULL. All are valid UTF-8 and end with a zero byte.
 */
void fuzz_check_report(const struct report *report, const struct value *body);

/* The same errors, in the same order. */
void fuzz_check_same_reports(const struct report *a, const struct report *b);

/*
 * Write `value` as JSON with other white space, and member names and strings with other escapes.
 * The caller frees the text, which is *ret_len long and not terminated.
 */
char *fuzz_respell(const struct value *value, size_t *ret_len);

#endif
