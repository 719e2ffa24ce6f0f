/* Escapes: ECMA-262, 22.2.1, CharacterEscape and CharacterClassEscape with the flag u. */
#include "parser.h"

#include <string.h>

enum { POINT_MAX = 0x10ffff };

static int hex_value(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Exactly `digits` hexadecimal digits, or nothing is taken. */
static bool take_hex(struct pattern_parser *parser, int digits, uint32_t *ret_value) {
    uint32_t value = 0;

    if (parser->end - parser->pos < digits) {
        return false;
    }
    for (int i = 0; i < digits; i++) {
        int digit = hex_value(parser->pos[i]);

        if (digit < 0) {
            return false;
        }
        value = value << 4 | (uint32_t)digit;
    }
    parser->pos += digits;
    *ret_value = value;
    return true;
}

/* "{1f600}", with pos at the '{'. */
static bool take_braced_hex(struct pattern_parser *parser, uint32_t *ret_value) {
    const char *s = parser->pos + 1;
    uint32_t value = 0;

    while (s < parser->end && hex_value(*s) >= 0) {
        value = value << 4 | (uint32_t)hex_value(*s++);
        if (value > POINT_MAX) {
            return pattern_fail(parser, parser->pos, "there is no such character");
        }
    }
    if (s == parser->pos + 1 || s == parser->end || *s != '}') {
        return false;
    }
    parser->pos = s + 1;
    *ret_value = value;
    return true;
}

/* Behind "\u"; a pair of surrogates, each escaped, is one character. */
static bool take_unicode(struct pattern_parser *parser, uint32_t *ret_point) {
    const char *after;
    uint32_t low;

    if (parser->pos < parser->end && *parser->pos == '{') {
        return take_braced_hex(parser, ret_point);
    }
    if (!take_hex(parser, 4, ret_point)) {
        return false;
    }
    after = parser->pos;
    if (*ret_point >= 0xd800 && *ret_point < 0xdc00 && pattern_take(parser, '\\') &&
        pattern_take(parser, 'u') && take_hex(parser, 4, &low) && low >= 0xdc00 && low < 0xe000) {
        *ret_point = 0x10000 + ((*ret_point - 0xd800) << 10) + (low - 0xdc00);
    } else {
        parser->pos = after;
    }
    return true;
}

static bool take_control_letter(struct pattern_parser *parser, uint32_t *ret_point) {
    char c = parser->pos < parser->end ? *parser->pos : '\0';

    if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z')) {
        return false;
    }
    parser->pos++;
    *ret_point = (uint32_t)c & 31U;
    return true;
}

static bool take_zero(struct pattern_parser *parser, uint32_t *ret_point) {
    *ret_point = 0;
    return parser->pos == parser->end || *parser->pos < '0' || *parser->pos > '9';
}

bool pattern_parse_character_escape(struct pattern_parser *parser, uint32_t *ret_point) {
    static const char controls[] = "f\fn\nr\rt\tv\v";
    const char *start = parser->pos;
    bool good = false;
    char c;

    if (start == parser->end) {
        return false;
    }
    c = *parser->pos++;
    switch (c) {
    case '\0': break;
    case 'c': good = take_control_letter(parser, ret_point); break;
    case 'x': good = take_hex(parser, 2, ret_point); break;
    case 'u': good = take_unicode(parser, ret_point); break;
    case '0': good = take_zero(parser, ret_point); break;
    case 'f':
    case 'n':
    case 'r':
    case 't':
    case 'v':
        *ret_point = (uint32_t)strchr(controls, c)[1];
        good = true;
        break;
    default: *ret_point = (uint32_t)c; good = strchr("^$\\.*+?()[]{}|/", c) != NULL;
    }
    if (!good) {
        parser->pos = start;
    }
    return good;
}

bool pattern_parse_class_escape(struct pattern_parser *parser, bool in_class) {
    char c = parser->pos < parser->end ? *parser->pos : '\0';
    const char *text;

    switch (c) {
    case 'd': text = "\\d"; break;
    case 'D': text = in_class ? PATTERN_NOT_DIGIT : "\\D"; break;
    case 'w': text = "\\w"; break;
    case 'W': text = in_class ? PATTERN_NOT_WORD : "\\W"; break;
    case 's': text = in_class ? PATTERN_SPACE : "[" PATTERN_SPACE "]"; break;
    case 'S': text = in_class ? PATTERN_NOT_SPACE : "[^" PATTERN_SPACE "]"; break;
    case 'p':
    case 'P': parser->pos++; return pattern_parse_property(parser, c == 'P');
    default: return false;
    }
    parser->pos++;
    return pattern_put(parser, text);
}
