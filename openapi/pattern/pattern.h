/*
 * Regular expressions of "pattern": ECMA-262's meaning (22.2, with the flag u) on PCRE2, with
 * bounded work.
 *
 * What ECMA-262 refuses is refused. Not supported, and said so on compiling: a lookbehind of
 * variable length, more than 65535 repetitions, the properties that PCRE2 does not know. One
 * difference is left: a group inside of a repeated group keeps what it matched in an earlier round,
 * where ECMA-262 forgets it.
 */
#ifndef OPENAPI_PATTERN_PATTERN_H
#define OPENAPI_PATTERN_PATTERN_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    /*
     * What one comparison may cost, unless the caller sets another allowance: a comparison counts
     * 64 and one for each 32 bytes of the text, a step counts 16 (more in an expression with long
     * repetitions), a byte that is looked at counts 1, and a step of an expression with
     * back-references also what the longest group holds. It is used up in less than 0.1 s.
     */
    PATTERN_WORK_MAX = 100 * 1000 * 1000,
    /* For backtracking, in one comparison; eight times as much where PCRE2 has no JIT. */
    PATTERN_STACK_BYTES_MAX = 8 * 1024 * 1024
};

struct pattern;

enum pattern_result {
    PATTERN_MATCH,
    PATTERN_NO_MATCH,
    PATTERN_LIMIT, /* the expression needs more work or stack on this text than is allowed */
    PATTERN_NO_MEMORY
};

/* Whether `source` is a regular expression of ECMA-262 with the flag u, supported or not. */
bool pattern_is_valid(struct str source);

/*
 * NULL: `reason` says why, and at which character. Free with pattern_free(), which allows NULL.
 * A compiled pattern is read-only: any number of threads may use it.
 */
const struct pattern *pattern_compile(struct str source, char *reason, size_t reason_bytes);
void pattern_free(const struct pattern *pattern);

/*
 * `text` must be valid UTF-8; the expression may match anywhere in it. The work may be up to
 * PATTERN_WORK_MAX: for one comparison that shares its allowance with no other.
 */
enum pattern_result pattern_match(const struct pattern *pattern, struct str text);

/* The same with an allowance that many comparisons share: *work is less by what this one cost. */
enum pattern_result pattern_match_within(const struct pattern *pattern, struct str text,
                                         uint64_t *work);

#endif
