/* Disjunctions, terms and quantifiers: ECMA-262, 22.2.1, with the flag u. */
#include "openapi/utf8.h"
#include "parser.h"
#include "pattern.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OUT_BYTES_START = 256, NUMBER_MAX = 1000 * 1000 * 1000 };

/* OA_PATTERN_SOURCE_BYTES_MAX as text */
#define SOURCE_BYTES_MAX "4096"
_Static_assert(OA_PATTERN_SOURCE_BYTES_MAX == 4096, "the message of pattern_translate()");

/* What '.' matches: anything but a line terminator. */
#define NOT_A_LINE_END "[^\\x{a}\\x{d}\\x{2028}\\x{2029}]"

bool pattern_fail(struct pattern_parser *parser, const char *at, const char *reason) {
    if (parser->reason == NULL) {
        parser->reason = reason;
        parser->at = at;
    }
    return false;
}

bool pattern_put(struct pattern_parser *parser, const char *text) {
    size_t len = strlen(text);

    if (len >= parser->out_bytes - parser->out_len) {
        size_t bytes = 2 * parser->out_bytes + len + OUT_BYTES_START;
        char *bigger = realloc(parser->out, bytes);

        if (bigger == NULL) {
            return pattern_fail(parser, parser->pos, "out of memory");
        }
        parser->out = bigger;
        parser->out_bytes = bytes;
    }
    memcpy(parser->out + parser->out_len, text, len + 1);
    parser->out_len += len;
    return true;
}

bool pattern_put_point(struct pattern_parser *parser, uint32_t point) {
    bool plain = (point >= '0' && point <= '9') || (point >= 'a' && point <= 'z') ||
                 (point >= 'A' && point <= 'Z');
    char text[16];

    snprintf(text, sizeof(text), plain ? "%c" : "\\x{%x}", point);
    return pattern_put(parser, text);
}

bool pattern_put_number(struct pattern_parser *parser, const char *before, unsigned number,
                        const char *after) {
    char text[16];

    snprintf(text, sizeof(text), "%u", number);
    return pattern_put(parser, before) && pattern_put(parser, text) && pattern_put(parser, after);
}

bool pattern_take(struct pattern_parser *parser, char c) {
    if (parser->pos == parser->end || *parser->pos != c) {
        return false;
    }
    parser->pos++;
    return true;
}

bool pattern_is_digit_next(const struct pattern_parser *parser) {
    return parser->pos < parser->end && *parser->pos >= '0' && *parser->pos <= '9';
}

/* Digits; saturates. */
unsigned pattern_take_number(struct pattern_parser *parser) {
    unsigned n = 0;

    for (; pattern_is_digit_next(parser); parser->pos++) {
        n = n < NUMBER_MAX ? n * 10 + (unsigned)(*parser->pos - '0') : NUMBER_MAX;
    }
    return n < NUMBER_MAX ? n : NUMBER_MAX;
}

static bool parse_escape(struct pattern_parser *parser, bool *ret_repeatable) {
    const char *start = parser->pos++;
    uint32_t point;
    char c = parser->pos < parser->end ? *parser->pos : '\0';

    if (c == 'b' || c == 'B') {
        *ret_repeatable = false;
        parser->pos++;
        return pattern_put(parser, c == 'b' ? "\\b" : "\\B");
    }
    if (c == 'k' || (c >= '1' && c <= '9')) {
        return pattern_parse_reference(parser, start);
    }
    if (pattern_parse_class_escape(parser, false)) {
        return true;
    }
    if (parser->reason == NULL && pattern_parse_character_escape(parser, &point)) {
        return pattern_put_point(parser, point);
    }
    return pattern_fail(parser, start, "an escape that ECMA-262 does not know");
}

static bool parse_atom(struct pattern_parser *parser, bool *ret_repeatable) {
    const char *start = parser->pos;

    switch (*start) {
    case '(': return pattern_parse_group(parser, ret_repeatable);
    case '[': parser->pos++; return pattern_parse_class(parser);
    case '\\': return parse_escape(parser, ret_repeatable);
    case '.': parser->pos++; return pattern_put(parser, NOT_A_LINE_END);
    case '^':
    case '$':
        *ret_repeatable = false;
        parser->pos++;
        return pattern_put(parser, *start == '^' ? "^" : "$");
    case '*':
    case '+':
    case '?': return pattern_fail(parser, start, "there is nothing to repeat");
    case '{':
    case '}':
    case ']': return pattern_fail(parser, start, "'{', '}' and ']' must be escaped");
    default: return pattern_put_point(parser, oa_utf8_take(&parser->pos));
    }
}

static bool is_reference(const char *s, const char *end) {
    return end - s >= 2 && *s == '\\' && (s[1] == 'k' || (s[1] >= '1' && s[1] <= '9'));
}

static bool parse_term(struct pattern_parser *parser) {
    size_t atom = parser->out_len;
    enum pattern_atom kind = *parser->pos == '('                      ? PATTERN_GROUP
                             : is_reference(parser->pos, parser->end) ? PATTERN_REFERENCE
                                                                      : PATTERN_CHARACTER;
    bool repeatable = true;

    if (!parse_atom(parser, &repeatable)) {
        return false;
    }
    return !repeatable || pattern_parse_quantifier(parser, kind, atom);
}

bool pattern_parse_disjunction(struct pattern_parser *parser) {
    while (parser->pos < parser->end && *parser->pos != ')') {
        if (pattern_take(parser, '|') ? !pattern_put(parser, "|") : !parse_term(parser)) {
            return false;
        }
    }
    return true;
}

bool pattern_translate(struct pattern_parser *parser) {
    parser->pos = parser->source.data;
    parser->end = parser->pos + parser->source.len;
    if (parser->source.len > OA_PATTERN_SOURCE_BYTES_MAX) {
        return pattern_fail(parser, parser->pos, "it is longer than " SOURCE_BYTES_MAX " bytes");
    }
    parser->groups = pattern_count_groups(parser);
    if (!pattern_put(parser, "") || !pattern_parse_disjunction(parser)) {
        return false;
    }
    return parser->pos == parser->end || pattern_fail(parser, parser->pos, "a ')' without its '('");
}
