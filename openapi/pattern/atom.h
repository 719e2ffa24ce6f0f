/*
 * What is known on the way through a regular expression, and its smallest parts: ECMA-262, 22.2.1,
 * with the flag u.
 *
 * Each function takes its production from parser->pos and writes the translation; false after
 * atom_fail(). Letters and digits are written as they are, anything else as \x{...}: so nothing of
 * the source can mean something to PCRE2 that it does not mean to ECMA-262.
 */
#ifndef OPENAPI_PATTERN_ATOM_H
#define OPENAPI_PATTERN_ATOM_H

#include "base/str.h"

#include <stdint.h>

/* A capturing group whose end is not reached. */
struct group {
    const struct group *outer;
    unsigned number;
};

struct parser {
    struct str source;
    bool is_compact; /* repetitions stay as they are */

    /* the translation */
    char *out; /* malloc'ed; NULL as long as nothing was written */
    size_t out_len;
    size_t out_bytes;
    bool has_references;            /* a back-reference was seen */
    unsigned unseen_max;            /* characters that a repetition takes between two callouts */
    unsigned unseen_references_max; /* the same of comparisons with a group */
    const char *reason;             /* static text; NULL: all is well */
    const char *at;                 /* what the reason is about */

    /* on the way */
    const char *pos;
    const char *end;
    unsigned groups; /* capturing ones in all of the source */
    unsigned opened; /* capturing ones up to pos */
    const struct group *open;
    unsigned lookbehinds; /* that pos is in */
    unsigned depth;       /* of groups, where pos is */
};

/* Note what is wrong with the source at `at`; the first call counts. Always false. */
bool atom_fail(struct parser *parser, const char *at, const char *reason);

/* Write a piece of the translation; false: no memory. */
bool atom_put(struct parser *parser, const char *text);
bool atom_put_point(struct parser *parser, uint32_t point);
bool atom_put_number(struct parser *parser, const char *before, unsigned number, const char *after);

/* Take the next byte if it is `c`. */
bool atom_take(struct parser *parser, char c);

bool atom_is_digit_next(const struct parser *parser);

/* Take the digits that come next; saturates. */
unsigned atom_take_number(struct parser *parser);

/*
 * What follows a '\\' and stands for one character, in a class or outside; false and
 * parser->reason == NULL: it is none of these, and nothing was taken.
 */
bool atom_escape(struct parser *parser, uint32_t *ret_point);

/* The same for \d \D \s \S \w \W \p{...} \P{...}, which are written at once. */
bool atom_class_escape(struct parser *parser, bool in_class);

/* [...], with pos behind the '['. */
bool atom_class(struct parser *parser);

#endif
