/* Groups, their names and references to them: ECMA-262, 22.2.1, with the flag u. */
#include "parser.h"
#include "pattern.h"

#include <string.h>

static bool looking_at(const struct pattern_parser *parser, const char *text) {
    size_t len = strlen(text);

    return (size_t)(parser->end - parser->pos) >= len && memcmp(parser->pos, text, len) == 0;
}

static bool take_text(struct pattern_parser *parser, const char *text) {
    if (!looking_at(parser, text)) {
        return false;
    }
    parser->pos += strlen(text);
    return true;
}

/* A name of ECMA-262: letters and digits of any script (not looked up), '_' and '$'. */
static bool take_name(struct pattern_parser *parser, struct str *ret_name) {
    const char *start = parser->pos;

    while (parser->pos < parser->end && *parser->pos != '>') {
        char c = *parser->pos;
        bool digit = c >= '0' && c <= '9';

        if (!(digit && parser->pos > start) && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
            c != '_' && c != '$' && (c & 0x80) == 0) {
            return pattern_fail(parser, parser->pos, "a character that a group's name cannot have");
        }
        parser->pos++;
    }
    *ret_name = (struct str){ start, (size_t)(parser->pos - start) };
    return (ret_name->len > 0 && pattern_take(parser, '>')) ||
           pattern_fail(parser, start, "a group's name must stand between '<' and '>'");
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
static unsigned find_group(const struct pattern_parser *parser, struct str name, const char *end) {
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

unsigned pattern_count_groups(const struct pattern_parser *parser) {
    const char *s = parser->source.data;
    unsigned count = 0;
    bool named;

    while (next_group(&s, parser->end, &named)) {
        count++;
    }
    return count;
}

/* Behind "(" and what says its kind. */
static bool parse_group_rest(struct pattern_parser *parser, const char *start,
                             const char *opening) {
    if (++parser->depth > OA_PATTERN_GROUPS_DEPTH_MAX) {
        return pattern_fail(parser, start, "groups are nested too deeply");
    }
    if (!pattern_put(parser, opening) || !pattern_parse_disjunction(parser)) {
        return false;
    }
    if (!pattern_take(parser, ')')) {
        return pattern_fail(parser, start, "a '(' without its ')'");
    }
    parser->depth--;
    return pattern_put(parser, ")");
}

static bool parse_capturing_group(struct pattern_parser *parser, const char *start) {
    struct pattern_group group = { parser->open, ++parser->opened };
    bool good;

    parser->open = &group;
    good = parse_group_rest(parser, start, "(");
    parser->open = group.outer;
    return good;
}

static bool parse_named_group(struct pattern_parser *parser, const char *start) {
    struct str name = { "", 0 };

    if (!take_name(parser, &name)) {
        return false;
    }
    if (find_group(parser, name, start) != 0) {
        return pattern_fail(parser, start, "two groups have the same name");
    }
    return parse_capturing_group(parser, start);
}

static bool parse_lookbehind(struct pattern_parser *parser, const char *start,
                             const char *opening) {
    bool good;

    parser->lookbehinds++;
    good = parse_group_rest(parser, start, opening);
    parser->lookbehinds--;
    return good;
}

bool pattern_parse_group(struct pattern_parser *parser, bool *ret_repeatable) {
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
        return pattern_fail(parser, start, "\"(?\" must be followed by ':', '=', '!' or '<'");
    }
    parser->pos++;
    return parse_capturing_group(parser, start);
}

/*
 * A group that has not ended here has matched nothing yet, whatever it did in an earlier round of a
 * loop around it: referring to it is the empty expression. Lookbehinds run from right to left.
 */
static bool put_reference(struct pattern_parser *parser, unsigned number) {
    bool ended = number <= parser->opened;

    for (const struct pattern_group *group = parser->open; group != NULL; group = group->outer) {
        ended = ended && group->number != number;
    }
    if (!ended && parser->lookbehinds == 0) {
        return pattern_put(parser, "(?:)");
    }
    parser->has_references = true;
    return pattern_put_number(parser, "\\g{", number, "}");
}

bool pattern_parse_reference(struct pattern_parser *parser, const char *start) {
    struct str name = { "", 0 };
    unsigned number;

    if (take_text(parser, "k")) {
        if (!pattern_take(parser, '<')) {
            return pattern_fail(parser, start, "\\k must be followed by a group's name in <...>");
        }
        if (!take_name(parser, &name)) {
            return false;
        }
        number = find_group(parser, name, parser->end);
    } else {
        number = pattern_take_number(parser);
    }
    if (number == 0 || number > parser->groups) {
        return pattern_fail(parser, start, "there is no such group to refer to");
    }
    return put_reference(parser, number);
}
