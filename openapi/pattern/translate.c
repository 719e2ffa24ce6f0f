/*
 * Regular expressions of ECMA-262, translated into ones of PCRE2: terms, quantifiers, groups and
 * references (22.2.1, with the flag u).
 */
#include "translate.h"
#include "base/ascii.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

/* PATTERN_SOURCE_BYTES_MAX as text */
#define SOURCE_BYTES_MAX "4096"
_Static_assert(PATTERN_SOURCE_BYTES_MAX == 4096, "the message of pattern_translate()");

/* What '.' matches: anything but a line terminator. */
#define NOT_A_LINE_END "[^\\x{a}\\x{d}\\x{2028}\\x{2029}]"

/* What a quantifier can stand behind. */
enum atom {
    ATOM_CHARACTER, /* or a class */
    ATOM_REFERENCE,
    ATOM_GROUP
};

/*
 * ---- quantifiers ----
 *
 * PCRE2 calls back between two items, and X{1000} is one of them: 1,000 characters would be
 * compared without being counted. So it becomes (?:X{32}){31}X{8}, unless that makes the expression
 * too long.
 */

enum {
    CHUNK = 32,             /* repetitions between two callouts */
    CHUNKS_MAX = 64,        /* of one quantifier: PCRE2 writes each of them down */
    REPETITIONS_MAX = 65535 /* PCRE2's */
};

struct quantifier {
    unsigned min;
    unsigned max;
    bool has_max;
};

/* "{2}", "{2,}" or "{2,3}", with pos at the '{'. */
static bool parse_braces(struct parser *parser, struct quantifier *ret) {
    const char *start = parser->pos++;

    if (!atom_is_digit_next(parser)) {
        return atom_fail(parser, start, "a '{' that begins no quantifier must be escaped");
    }
    ret->min = atom_take_number(parser);
    ret->max = ret->min;
    ret->has_max = true;
    if (atom_take(parser, ',')) {
        ret->has_max = atom_is_digit_next(parser);
        if (ret->has_max) {
            ret->max = atom_take_number(parser);
        }
        if (ret->max < ret->min) {
            return atom_fail(parser, start, "the numbers of a quantifier are out of order");
        }
    }
    return atom_take(parser, '}') || atom_fail(parser, start, "a quantifier without its '}'");
}

static bool put_braces(struct parser *parser, const struct quantifier *q) {
    if (!atom_put_number(parser, "{", q->min, "")) {
        return false;
    }
    if (!q->has_max) {
        return atom_put(parser, ",}");
    }
    return q->max == q->min ? atom_put(parser, "}") : atom_put_number(parser, ",", q->max, "}");
}

/* Replaces `text`, the atom, which is the end of what was written. */
static bool put_chunks(struct parser *parser, const char *text, unsigned chunk,
                       struct quantifier q) {
    unsigned chunks = q.min / chunk;

    parser->out_len -= strlen(text);
    if (!atom_put(parser, "(?:") || !atom_put(parser, text) ||
        !atom_put_number(parser, "{", chunk, "})") || !atom_put_number(parser, "{", chunks, "}")) {
        return false;
    }
    q.min -= chunk * chunks;
    q.max -= chunk * chunks;
    return (q.has_max && q.max == 0) || (atom_put(parser, text) && put_braces(parser, &q));
}

static bool put_repetition(struct parser *parser, enum atom kind, size_t atom,
                           const struct quantifier *q) {
    unsigned *unseen =
        kind == ATOM_REFERENCE ? &parser->unseen_references_max : &parser->unseen_max;
    unsigned chunk = kind == ATOM_REFERENCE ? 1 : CHUNK;
    char *text;
    bool good;

    if (kind == ATOM_GROUP || q->min <= chunk || q->max > REPETITIONS_MAX) {
        return put_braces(parser, q);
    }
    if (kind == ATOM_CHARACTER && q->min > CHUNK * CHUNKS_MAX) {
        chunk = (q->min + CHUNKS_MAX - 1) / CHUNKS_MAX;
    }
    chunk = parser->is_compact ? q->min : chunk;
    *unseen = *unseen > chunk ? *unseen : chunk;
    if (parser->is_compact) {
        return put_braces(parser, q);
    }
    text = strdup(parser->out + atom);
    if (text == NULL) {
        return atom_fail(parser, parser->pos, "out of memory");
    }
    good = put_chunks(parser, text, chunk, *q);
    free(text);
    return good;
}

/*
 * The quantifier at pos, or none. `atom` is where the translation of what it repeats begins in
 * parser->out.
 */
static bool parse_quantifier(struct parser *parser, enum atom kind, size_t atom) {
    struct quantifier q;
    char c = parser->pos < parser->end ? *parser->pos : '\0';
    const char text[] = { c, '\0' };

    if (c == '{') {
        if (!parse_braces(parser, &q) || !put_repetition(parser, kind, atom, &q)) {
            return false;
        }
    } else if (c == '*' || c == '+' || c == '?') {
        parser->pos++;
        if (!atom_put(parser, text)) {
            return false;
        }
    } else {
        return true;
    }
    return !atom_take(parser, '?') || atom_put(parser, "?");
}

/* ---- groups and references ---- */

static bool looking_at(const struct parser *parser, const char *text) {
    size_t len = strlen(text);

    return (size_t)(parser->end - parser->pos) >= len && memcmp(parser->pos, text, len) == 0;
}

static bool take_text(struct parser *parser, const char *text) {
    if (!looking_at(parser, text)) {
        return false;
    }
    parser->pos += strlen(text);
    return true;
}

/* A name of ECMA-262: letters and digits of any script (not looked up), '_' and '$'. */
static bool take_name(struct parser *parser, struct str *ret_name) {
    const char *start = parser->pos;

    while (parser->pos < parser->end && *parser->pos != '>') {
        char c = *parser->pos;

        if (!(ascii_is_digit(c) && parser->pos > start) && !ascii_is_letter(c) && c != '_' &&
            c != '$' && (c & 0x80) == 0) {
            return atom_fail(parser, parser->pos, "a character that a group's name cannot have");
        }
        parser->pos++;
    }
    *ret_name = (struct str){ start, (size_t)(parser->pos - start) };
    return (ret_name->len > 0 && atom_take(parser, '>')) ||
           atom_fail(parser, start, "a group's name must stand between '<' and '>'");
}

/*
 * Walks over capturing groups. Takes from *s up to and with the next one's "(" and, when it has a
 * name, "?<"; false: there is none before `end`.
 */
static bool next_group(const char **s, const char *end, bool *ret_named) {
    bool in_class = false;

    for (const char *c = *s; c < end; c++) {
        if (*c == '\\') {
            c++;
        } else if (in_class) {
            in_class = *c != ']';
        } else if (*c == '[') {
            in_class = true;
        } else if (*c == '(') {
            bool special = end - c >= 2 && c[1] == '?';

            *ret_named = end - c >= 4 && memcmp(c, "(?<", 3) == 0 && c[3] != '=' && c[3] != '!';
            if (!special || *ret_named) {
                *s = c + (*ret_named ? 3 : 1);
                return true;
            }
        }
    }
    return false;
}

/* The number of the group that has this name before `end`; 0: none. */
static unsigned find_group(const struct parser *parser, struct str name, const char *end) {
    const char *s = parser->source.data;
    unsigned number = 0;
    bool named;

    while (next_group(&s, end, &named)) {
        number++;
        if (named && (size_t)(end - s) > name.len && memcmp(s, name.data, name.len) == 0 &&
            s[name.len] == '>') {
            return number;
        }
    }
    return 0;
}

static unsigned count_groups(const struct parser *parser) {
    const char *s = parser->source.data;
    unsigned count = 0;
    bool named;

    while (next_group(&s, parser->end, &named)) {
        count++;
    }
    return count;
}

/* Up to the end or a ')'. */
static bool parse_disjunction(struct parser *parser);

/* Behind "(" and what says its kind. */
static bool parse_group_rest(struct parser *parser, const char *start, const char *opening) {
    if (++parser->depth > PATTERN_GROUPS_DEPTH_MAX) {
        return atom_fail(parser, start, "groups are nested too deeply");
    }
    if (!atom_put(parser, opening) || !parse_disjunction(parser)) {
        return false;
    }
    if (!atom_take(parser, ')')) {
        return atom_fail(parser, start, "a '(' without its ')'");
    }
    parser->depth--;
    return atom_put(parser, ")");
}

static bool parse_capturing_group(struct parser *parser, const char *start) {
    struct group group = { parser->open, ++parser->opened };
    bool good;

    parser->open = &group;
    good = parse_group_rest(parser, start, "(");
    parser->open = group.outer;
    return good;
}

static bool parse_named_group(struct parser *parser, const char *start) {
    struct str name = { "", 0 };

    if (!take_name(parser, &name)) {
        return false;
    }
    if (find_group(parser, name, start) != 0) {
        return atom_fail(parser, start, "two groups have the same name");
    }
    return parse_capturing_group(parser, start);
}

static bool parse_lookbehind(struct parser *parser, const char *start, const char *opening) {
    bool good;

    parser->lookbehinds++;
    good = parse_group_rest(parser, start, opening);
    parser->lookbehinds--;
    return good;
}

/* "(...)"; *ret_repeatable becomes false for a lookahead or lookbehind: ECMA-262 repeats none. */
static bool parse_group(struct parser *parser, bool *ret_repeatable) {
    static const char *const lookaheads[] = { "(?=", "(?!" };
    static const char *const lookbehinds[] = { "(?<=", "(?<!" };
    const char *start = parser->pos;

    for (size_t i = 0; i < 2; i++) {
        if (take_text(parser, lookaheads[i])) {
            *ret_repeatable = false;
            return parse_group_rest(parser, start, lookaheads[i]);
        }
        if (take_text(parser, lookbehinds[i])) {
            *ret_repeatable = false;
            return parse_lookbehind(parser, start, lookbehinds[i]);
        }
    }
    if (take_text(parser, "(?:")) {
        return parse_group_rest(parser, start, "(?:");
    }
    if (take_text(parser, "(?<")) {
        return parse_named_group(parser, start);
    }
    if (looking_at(parser, "(?")) {
        return atom_fail(parser, start, "\"(?\" must be followed by ':', '=', '!' or '<'");
    }
    parser->pos++;
    return parse_capturing_group(parser, start);
}

/*
 * A group that has not ended here has matched nothing yet, whatever it did in an earlier round of a
 * loop around it: referring to it is the empty expression. Lookbehinds run from right to left.
 */
static bool put_reference(struct parser *parser, unsigned number) {
    bool ended = number <= parser->opened;

    for (const struct group *group = parser->open; group != NULL; group = group->outer) {
        ended = ended && group->number != number;
    }
    if (!ended && parser->lookbehinds == 0) {
        return atom_put(parser, "(?:)");
    }
    parser->has_references = true;
    return atom_put_number(parser, "\\g{", number, "}");
}

/* "1" or "k<name>" behind a backslash at `start`. */
static bool parse_reference(struct parser *parser, const char *start) {
    struct str name = { "", 0 };
    unsigned number;

    if (take_text(parser, "k")) {
        if (!atom_take(parser, '<')) {
            return atom_fail(parser, start, "\\k must be followed by a group's name in <...>");
        }
        if (!take_name(parser, &name)) {
            return false;
        }
        number = find_group(parser, name, parser->end);
    } else {
        number = atom_take_number(parser);
    }
    if (number == 0 || number > parser->groups) {
        return atom_fail(parser, start, "there is no such group to refer to");
    }
    return put_reference(parser, number);
}

/* ---- terms ---- */

static bool parse_escape(struct parser *parser, bool *ret_repeatable) {
    const char *start = parser->pos++;
    uint32_t point;
    char c = parser->pos < parser->end ? *parser->pos : '\0';

    if (c == 'b' || c == 'B') {
        *ret_repeatable = false;
        parser->pos++;
        return atom_put(parser, c == 'b' ? "\\b" : "\\B");
    }
    if (c == 'k' || (c >= '1' && c <= '9')) {
        return parse_reference(parser, start);
    }
    if (atom_class_escape(parser, false)) {
        return true;
    }
    if (parser->reason == NULL && atom_escape(parser, &point)) {
        return atom_put_point(parser, point);
    }
    return atom_fail(parser, start, "an escape that ECMA-262 does not know");
}

static bool parse_atom(struct parser *parser, bool *ret_repeatable) {
    const char *start = parser->pos;

    switch (*start) {
    case '(': return parse_group(parser, ret_repeatable);
    case '[': parser->pos++; return atom_class(parser);
    case '\\': return parse_escape(parser, ret_repeatable);
    case '.': parser->pos++; return atom_put(parser, NOT_A_LINE_END);
    case '^':
    case '$':
        *ret_repeatable = false;
        parser->pos++;
        return atom_put(parser, *start == '^' ? "^" : "$");
    case '*':
    case '+':
    case '?': return atom_fail(parser, start, "there is nothing to repeat");
    case '{':
    case '}':
    case ']': return atom_fail(parser, start, "'{', '}' and ']' must be escaped");
    default: return atom_put_point(parser, utf8_take(&parser->pos));
    }
}

static bool is_reference(const char *s, const char *end) {
    return end - s >= 2 && *s == '\\' && (s[1] == 'k' || (s[1] >= '1' && s[1] <= '9'));
}

static bool parse_term(struct parser *parser) {
    size_t atom = parser->out_len;
    enum atom kind = *parser->pos == '('                      ? ATOM_GROUP
                     : is_reference(parser->pos, parser->end) ? ATOM_REFERENCE
                                                              : ATOM_CHARACTER;
    bool repeatable = true;

    if (!parse_atom(parser, &repeatable)) {
        return false;
    }
    return !repeatable || parse_quantifier(parser, kind, atom);
}

static bool parse_disjunction(struct parser *parser) {
    while (parser->pos < parser->end && *parser->pos != ')') {
        if (atom_take(parser, '|') ? !atom_put(parser, "|") : !parse_term(parser)) {
            return false;
        }
    }
    return true;
}

bool pattern_translate(struct parser *parser) {
    parser->pos = parser->source.data;
    parser->end = parser->pos + parser->source.len;
    if (parser->source.len > PATTERN_SOURCE_BYTES_MAX) {
        return atom_fail(parser, parser->pos, "it is longer than " SOURCE_BYTES_MAX " bytes");
    }
    parser->groups = count_groups(parser);
    if (!atom_put(parser, "") || !parse_disjunction(parser)) {
        return false;
    }
    return parser->pos == parser->end || atom_fail(parser, parser->pos, "a ')' without its '('");
}
