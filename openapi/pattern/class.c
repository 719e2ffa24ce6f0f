/* Character classes: ECMA-262, 22.2.1, ClassRanges with the flag u. */
#include "openapi/utf8.h"
#include "parser.h"

/* One character of a class, or (*ret_is_set) an escape such as \d, which is written at once. */
static bool parse_class_atom(struct pattern_parser *parser, uint32_t *ret_point, bool *ret_is_set) {
    const char *start = parser->pos;

    *ret_is_set = false;
    if (!pattern_take(parser, '\\')) {
        *ret_point = oa_utf8_take(&parser->pos);
        return true;
    }
    if (pattern_take(parser, 'b')) {
        *ret_point = '\b';
        return true;
    }
    if (pattern_take(parser, '-')) {
        *ret_point = '-';
        return true;
    }
    if (pattern_parse_class_escape(parser, true)) {
        *ret_is_set = true;
        return true;
    }
    return (parser->reason == NULL && pattern_parse_character_escape(parser, ret_point)) ||
           pattern_fail(parser, start, "an escape that ECMA-262 does not know in [...]");
}

/* "a", "a-z" or "\d". */
static bool parse_class_range(struct pattern_parser *parser) {
    const char *start = parser->pos;
    uint32_t first = 0;
    uint32_t last = 0;
    bool first_is_set;
    bool last_is_set;

    if (!parse_class_atom(parser, &first, &first_is_set) ||
        (!first_is_set && !pattern_put_point(parser, first))) {
        return false;
    }
    if (parser->end - parser->pos < 2 || parser->pos[0] != '-' || parser->pos[1] == ']') {
        return true;
    }
    parser->pos++;
    if (!pattern_put(parser, "-") || !parse_class_atom(parser, &last, &last_is_set)) {
        return false;
    }
    if (first_is_set || last_is_set) {
        return pattern_fail(parser, start, "a range in [...] must be between two characters");
    }
    if (last < first) {
        return pattern_fail(parser, start, "a range in [...] is out of order");
    }
    return pattern_put_point(parser, last);
}

bool pattern_parse_class(struct pattern_parser *parser) {
    const char *start = parser->pos - 1;
    bool negated = pattern_take(parser, '^');

    if (pattern_take(parser, ']')) { /* nothing, anything */
        return pattern_put(parser, negated ? "[\\x{0}-\\x{10ffff}]" : "(?!)");
    }
    if (!pattern_put(parser, negated ? "[^" : "[")) {
        return false;
    }
    while (!pattern_take(parser, ']')) {
        if (parser->pos == parser->end) {
            return pattern_fail(parser, start, "a '[' without its ']'");
        }
        if (!parse_class_range(parser)) {
            return false;
        }
    }
    return pattern_put(parser, "]");
}
