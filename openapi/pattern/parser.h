/*
 * What the files share that translate a regular expression of ECMA-262 into one of PCRE2; nobody
 * else includes this.
 *
 * Each parse function takes its production from parser->pos and writes the translation; false after
 * pattern_fail(). Letters and digits are written as they are, anything else as \x{...}: so nothing
 * of the source can mean something to PCRE2 that it does not mean to ECMA-262.
 */
#ifndef OPENAPI_PATTERN_PARSER_H
#define OPENAPI_PATTERN_PARSER_H

#include "openapi/json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The white space and line terminators of \s, inside of a class. What \S, \D and \W are there is
 * spelled out, too: PCRE2 10.42 forgets their characters from U+0100 in "[^\p{Lu}\W]".
 */
#define PATTERN_SPACE                                                                              \
    "\\x{9}-\\x{d}\\x{20}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}"  \
    "\\x{3000}\\x{feff}"
#define PATTERN_NOT_SPACE                                                                          \
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}"               \
    "\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}"                 \
    "\\x{3001}-\\x{fefe}\\x{ff00}-\\x{10ffff}"
#define PATTERN_NOT_DIGIT "\\x{0}-\\x{2f}\\x{3a}-\\x{10ffff}"
#define PATTERN_NOT_WORD "\\x{0}-\\x{2f}\\x{3a}-\\x{40}\\x{5b}-\\x{5e}\\x{60}\\x{7b}-\\x{10ffff}"

/* A capturing group whose end is not reached. */
struct pattern_group {
    const struct pattern_group *outer;
    unsigned number;
};

/* What a quantifier can stand behind. */
enum pattern_atom {
    PATTERN_CHARACTER, /* or a class */
    PATTERN_REFERENCE,
    PATTERN_GROUP
};

struct pattern_parser {
    struct str source;
    const char *pos;
    const char *end;
    char *out; /* malloc'ed; NULL as long as nothing was written */
    size_t out_len;
    size_t out_bytes;
    unsigned groups; /* capturing ones in all of the source */
    unsigned opened; /* capturing ones up to pos */
    const struct pattern_group *open;
    unsigned lookbehinds; /* that pos is in */
    unsigned depth;       /* of groups, where pos is */
    bool has_references;  /* a back-reference was seen */
    bool is_compact;      /* repetitions stay as they are: set it before pattern_translate() */
    unsigned unseen_max;  /* characters that a repetition takes between two callouts, at most */
    unsigned unseen_references_max; /* the same of comparisons with a group */
    const char *reason;             /* static text; NULL: all is well */
    const char *at;                 /* what the reason is about */
};

/* Translate all of parser->source, whose other members are zero. The caller frees parser->out. */
bool pattern_translate(struct pattern_parser *parser);

/* Note what is wrong with the source at `at`; the first call counts. Always false. */
bool pattern_fail(struct pattern_parser *parser, const char *at, const char *reason);

/* Write a piece of the translation; false: no memory. */
bool pattern_put(struct pattern_parser *parser, const char *text);
bool pattern_put_point(struct pattern_parser *parser, uint32_t point);
bool pattern_put_number(struct pattern_parser *parser, const char *before, unsigned number,
                        const char *after);

/* Take the next byte if it is `c`. */
bool pattern_take(struct pattern_parser *parser, char c);

bool pattern_is_digit_next(const struct pattern_parser *parser);

/* Take the digits that come next; saturates. */
unsigned pattern_take_number(struct pattern_parser *parser);

/*
 * pattern_repeat.c: the quantifier at pos, or none. `atom` is where the translation of what it
 * repeats begins in parser->out.
 */
bool pattern_parse_quantifier(struct pattern_parser *parser, enum pattern_atom kind, size_t atom);

/* pattern_translate.c: up to the end or a ')'. */
bool pattern_parse_disjunction(struct pattern_parser *parser);

/*
 * pattern_group.c: "(...)"; *ret_repeatable becomes false for a lookahead or lookbehind, behind
 * which ECMA-262 allows no quantifier. And "1" or "k<name>" behind a backslash at `start`.
 */
bool pattern_parse_group(struct pattern_parser *parser, bool *ret_repeatable);
bool pattern_parse_reference(struct pattern_parser *parser, const char *start);

/* The capturing groups of all of the source. */
unsigned pattern_count_groups(const struct pattern_parser *parser);

/* pattern_class.c: [...], with pos behind the '['. */
bool pattern_parse_class(struct pattern_parser *parser);

/*
 * pattern_escape.c: what follows a '\\' and stands for one character, in a class or outside; false
 * and parser->reason == NULL: it is none of these, and nothing was taken.
 */
bool pattern_parse_character_escape(struct pattern_parser *parser, uint32_t *ret_point);

/* The same for \d \D \s \S \w \W \p{...} \P{...}, which are written at once. */
bool pattern_parse_class_escape(struct pattern_parser *parser, bool in_class);

/* pattern_property.c: "{...}" of \p or \P, with pos at the '{'. */
bool pattern_parse_property(struct pattern_parser *parser, bool negated);

#endif
