/*
 * Regular expressions of "pattern": ECMA-262's meaning on PCRE2, with bounded work.
 */
#ifndef OA_PATTERN_H
#define OA_PATTERN_H

#include "json.h"

#include <stdbool.h>

enum oa_pattern_result {
    OA_PATTERN_MATCH,
    OA_PATTERN_NO_MATCH,
    OA_PATTERN_LIMIT, /* the expression backtracks too much on this text */
    OA_PATTERN_NO_MEMORY
};

/* Whether `source` is a regular expression of ECMA-262 with the flag u. */
bool oa_pattern_is_valid(struct oa_str source);

/* NULL: `reason` says why. Free with oa_pattern_free(). */
const void *oa_pattern_compile(struct oa_str source, char *reason, size_t reason_bytes);
void oa_pattern_free(const void *code);

/* `text` must be valid UTF-8; the expression may match anywhere in it. */
enum oa_pattern_result oa_pattern_match(const void *code, struct oa_str text);

#endif
