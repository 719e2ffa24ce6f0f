/*
 * Quantifiers: ECMA-262, 22.2.1, with the flag u.
 *
 * PCRE2 calls back between two items, and X{1000} is one of them: 1,000 characters would be
 * compared without being counted. So it becomes (?:X{32}){31}X{8}, unless that makes the expression
 * too long.
 */
#include "parser.h"

#include <stdlib.h>
#include <string.h>

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
static bool parse_braces(struct pattern_parser *parser, struct quantifier *ret) {
    const char *start = parser->pos++;

    if (!pattern_is_digit_next(parser)) {
        return pattern_fail(parser, start, "a '{' that begins no quantifier must be escaped");
    }
    ret->min = pattern_take_number(parser);
    ret->max = ret->min;
    ret->has_max = true;
    if (pattern_take(parser, ',')) {
        ret->has_max = pattern_is_digit_next(parser);
        if (ret->has_max) {
            ret->max = pattern_take_number(parser);
        }
        if (ret->max < ret->min) {
            return pattern_fail(parser, start, "the numbers of a quantifier are out of order");
        }
    }
    return pattern_take(parser, '}') || pattern_fail(parser, start, "a quantifier without its '}'");
}

static bool put_braces(struct pattern_parser *parser, const struct quantifier *q) {
    if (!pattern_put_number(parser, "{", q->min, "")) {
        return false;
    }
    if (!q->has_max) {
        return pattern_put(parser, ",}");
    }
    return q->max == q->min ? pattern_put(parser, "}")
                            : pattern_put_number(parser, ",", q->max, "}");
}

/* Replaces `text`, the atom, which is the end of what was written. */
static bool put_chunks(struct pattern_parser *parser, const char *text, unsigned chunk,
                       struct quantifier q) {
    unsigned chunks = q.min / chunk;

    parser->out_len -= strlen(text);
    if (!pattern_put(parser, "(?:") || !pattern_put(parser, text) ||
        !pattern_put_number(parser, "{", chunk, "})") ||
        !pattern_put_number(parser, "{", chunks, "}")) {
        return false;
    }
    q.min -= chunk * chunks;
    q.max -= chunk * chunks;
    return (q.has_max && q.max == 0) || (pattern_put(parser, text) && put_braces(parser, &q));
}

static bool put_repetition(struct pattern_parser *parser, enum pattern_atom kind, size_t atom,
                           const struct quantifier *q) {
    unsigned *unseen =
        kind == PATTERN_REFERENCE ? &parser->unseen_references_max : &parser->unseen_max;
    unsigned chunk = kind == PATTERN_REFERENCE ? 1 : CHUNK;
    char *text;
    bool good;

    if (kind == PATTERN_GROUP || q->min <= chunk || q->max > REPETITIONS_MAX) {
        return put_braces(parser, q);
    }
    if (kind == PATTERN_CHARACTER && q->min > CHUNK * CHUNKS_MAX) {
        chunk = (q->min + CHUNKS_MAX - 1) / CHUNKS_MAX;
    }
    chunk = parser->is_compact ? q->min : chunk;
    *unseen = *unseen > chunk ? *unseen : chunk;
    if (parser->is_compact) {
        return put_braces(parser, q);
    }
    text = strdup(parser->out + atom);
    if (text == NULL) {
        return pattern_fail(parser, parser->pos, "out of memory");
    }
    good = put_chunks(parser, text, chunk, *q);
    free(text);
    return good;
}

bool pattern_parse_quantifier(struct pattern_parser *parser, enum pattern_atom kind, size_t atom) {
    struct quantifier q;
    char c = parser->pos < parser->end ? *parser->pos : '\0';
    const char text[] = { c, '\0' };

    if (c == '{') {
        if (!parse_braces(parser, &q) || !put_repetition(parser, kind, atom, &q)) {
            return false;
        }
    } else if (c == '*' || c == '+' || c == '?') {
        parser->pos++;
        if (!pattern_put(parser, text)) {
            return false;
        }
    } else {
        return true;
    }
    return !pattern_take(parser, '?') || pattern_put(parser, "?");
}
