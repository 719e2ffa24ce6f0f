#include "json.h"
#include "parser.h"

#include <string.h>

static struct oa_json *parse_value(struct parser *p, unsigned depth_left);

struct oa_json *parser_fail(struct parser *p, const char *at, const char *reason) {
    if (p->reason == NULL) {
        p->reason = reason;
        p->at = at;
    }
    return NULL;
}

struct oa_json *parser_stop(struct parser *p, const char *at, enum oa_json_failure failure) {
    static const char *const reasons[] = { [OA_JSON_TOO_DEEP] = "nested too deeply",
                                           [OA_JSON_TOO_MANY] = "too many values",
                                           [OA_JSON_NO_MEMORY] = "out of memory" };

    if (p->reason == NULL) {
        p->failure = failure;
        parser_fail(p, at, reasons[failure]);
    }
    return NULL;
}

static void skip_space(struct parser *p) {
    while (p->pos < p->end &&
           (*p->pos == ' ' || *p->pos == '\n' || *p->pos == '\r' || *p->pos == '\t')) {
        p->pos++;
    }
}

/* The next byte that is not white space, without taking it; 0 at the end. */
static char peek(struct parser *p) {
    skip_space(p);
    return p->pos < p->end ? *p->pos : '\0';
}

static struct oa_json *new_node(struct parser *p, enum oa_json_type type, const char *start) {
    struct oa_json *node;

    if (p->values_left == 0) {
        return parser_stop(p, start, OA_JSON_TOO_MANY);
    }
    p->values_left--;
    node = arena_alloc(p->arena, sizeof(*node));
    if (node == NULL) {
        return parser_stop(p, start, OA_JSON_NO_MEMORY);
    }
    *node = (struct oa_json){ .type = type, .raw = { .data = start } };
    return node;
}

static struct oa_json *parse_word(struct parser *p, const char *word, enum oa_json_type type) {
    size_t len = strlen(word);
    const char *start = p->pos;
    struct oa_json *node;

    if ((size_t)(p->end - start) < len || memcmp(start, word, len) != 0) {
        return parser_fail(p, start, "expected a value");
    }
    node = new_node(p, type, start);
    p->pos += len;
    return node;
}

static bool is_digit(const struct parser *p) {
    return p->pos < p->end && *p->pos >= '0' && *p->pos <= '9';
}

static bool skip_digits(struct parser *p) {
    if (!is_digit(p)) {
        parser_fail(p, p->pos, "expected a digit");
        return false;
    }
    while (is_digit(p)) {
        p->pos++;
    }
    return true;
}

/* ".5" and "e+3", each optional; false after parser_fail(). */
static bool skip_fraction(struct parser *p) {
    if (p->pos < p->end && *p->pos == '.') {
        p->pos++;
        if (!skip_digits(p)) {
            return false;
        }
    }
    if (p->pos < p->end && (*p->pos == 'e' || *p->pos == 'E')) {
        p->pos++;
        if (p->pos < p->end && (*p->pos == '+' || *p->pos == '-')) {
            p->pos++;
        }
        return skip_digits(p);
    }
    return true;
}

/* Most numbers are integers that fit: their value is kept. */
static void note_integer(struct oa_json *node, const char *s, const char *end) {
    bool negative = *s == '-';
    int64_t n = 0;

    s += negative;
    if (end - s > OA_JSON_INTEGER_DIGITS_MAX) {
        return;
    }
    for (; s < end; s++) {
        n = n * 10 + (*s - '0');
    }
    node->integer = negative ? -n : n;
    node->count = 1;
}

static struct oa_json *parse_number(struct parser *p) {
    const char *start = p->pos;
    struct oa_json *node = new_node(p, OA_NUMBER, start);
    const char *point;

    if (node == NULL) {
        return NULL;
    }
    if (*p->pos == '-') {
        p->pos++;
    }
    if (is_digit(p) && *p->pos == '0') {
        p->pos++;
        if (is_digit(p)) {
            return parser_fail(p, p->pos, "a number must not begin with 0");
        }
    } else if (!skip_digits(p)) {
        return NULL;
    }
    point = p->pos;
    if (!skip_fraction(p)) {
        return NULL;
    }
    if (p->pos == point) {
        note_integer(node, start, point);
    }
    return node;
}

static struct oa_json *parse_string(struct parser *p) {
    struct oa_json *node = new_node(p, OA_STRING, p->pos);

    if (node == NULL || !parser_string(p, &node->text, &node->count)) {
        return NULL;
    }
    return node;
}

static struct oa_json *parse_array(struct parser *p, unsigned depth_left) {
    struct oa_json *array = new_node(p, OA_ARRAY, p->pos);
    struct oa_json **link;

    if (array == NULL) {
        return NULL;
    }
    p->pos++;
    if (peek(p) == ']') {
        p->pos++;
        return array;
    }
    for (link = &array->child;; link = &(*link)->next) {
        *link = parse_value(p, depth_left);
        if (*link == NULL) {
            return NULL;
        }
        array->count++;
        switch (peek(p)) {
        case ',': p->pos++; continue;
        case ']': p->pos++; return array;
        default: return parser_fail(p, p->pos, "expected ',' or ']' after an array element");
        }
    }
}

static struct oa_json *parse_member(struct parser *p, unsigned depth_left) {
    struct str key;
    struct oa_json *value;
    uint32_t points;

    if (peek(p) != '"') {
        return parser_fail(p, p->pos, "expected a member name in double quotes");
    }
    if (!parser_string(p, &key, &points)) {
        return NULL;
    }
    if (peek(p) != ':') {
        return parser_fail(p, p->pos, "expected ':' after a member name");
    }
    p->pos++;
    value = parse_value(p, depth_left);
    if (value != NULL) {
        value->key = key;
    }
    return value;
}

static struct oa_json *parse_object(struct parser *p, unsigned depth_left) {
    struct oa_json *object = new_node(p, OA_OBJECT, p->pos);
    struct oa_json **link;

    if (object == NULL) {
        return NULL;
    }
    p->pos++;
    if (peek(p) == '}') {
        p->pos++;
        return object;
    }
    for (link = &object->child;; link = &(*link)->next) {
        *link = parse_member(p, depth_left);
        if (*link == NULL) {
            return NULL;
        }
        object->count++;
        switch (peek(p)) {
        case ',': p->pos++; continue;
        case '}': p->pos++; return parser_check_members(p, object);
        default: return parser_fail(p, p->pos, "expected ',' or '}' after a member");
        }
    }
}

static struct oa_json *parse_typed(struct parser *p, unsigned depth_left) {
    switch (peek(p)) {
    case '{':
        return depth_left > 0 ? parse_object(p, depth_left - 1)
                              : parser_stop(p, p->pos, OA_JSON_TOO_DEEP);
    case '[':
        return depth_left > 0 ? parse_array(p, depth_left - 1)
                              : parser_stop(p, p->pos, OA_JSON_TOO_DEEP);
    case '"': return parse_string(p);
    case 't': return parse_word(p, "true", OA_TRUE);
    case 'f': return parse_word(p, "false", OA_FALSE);
    case 'n': return parse_word(p, "null", OA_NULL);
    case '-':
    case '0' ... '9': return parse_number(p);
    default: return parser_fail(p, p->pos, "expected a value");
    }
}

static struct oa_json *parse_value(struct parser *p, unsigned depth_left) {
    struct oa_json *node = parse_typed(p, depth_left);

    if (p->reason != NULL || node == NULL) {
        return NULL;
    }
    node->raw.len = (size_t)(p->pos - node->raw.data);
    return node;
}

/* Count lines and columns only when there is somebody to tell. */
static void locate(const char *text, const char *at, struct oa_json_error *error) {
    error->offset = (size_t)(at - text);
    error->line = 1;
    error->column = 1;
    for (const char *c = text; c < at; c++) {
        if (*c == '\n') {
            error->line++;
            error->column = 1;
        } else if (((unsigned char)*c & 0xc0) != 0x80) {
            error->column++;
        }
    }
}

struct oa_json *oa_json_parse_limited(struct arena *arena, const char *text, size_t len,
                                      const struct oa_json_limits *limits,
                                      struct oa_json_error *ret_error) {
    struct parser p = {
        .arena = arena, .pos = text, .end = text + len, .values_left = limits->values_max
    };
    unsigned depth_max = limits->depth_max;
    struct oa_json *root = NULL;

    if (len > OA_JSON_BYTES_MAX) {
        parser_fail(&p, text, "larger than 1 GiB");
    } else {
        root = parse_value(&p, depth_max < OA_JSON_DEPTH_MAX ? depth_max : OA_JSON_DEPTH_MAX);
    }
    if (root != NULL && peek(&p) != '\0') {
        parser_fail(&p, p.pos, "unexpected text after the value");
    } else if (root != NULL && p.pos < p.end) {
        parser_fail(&p, p.pos, "unexpected NUL byte after the value");
    }
    if (p.reason != NULL) {
        ret_error->failure = p.failure;
        ret_error->reason = p.at == p.end ? "unexpected end of text" : p.reason;
        locate(text, p.at, ret_error);
        return NULL;
    }
    return root;
}

struct oa_json *oa_json_parse(struct arena *arena, const char *text, size_t len, unsigned depth_max,
                              struct oa_json_error *ret_error) {
    const struct oa_json_limits limits = { .depth_max = depth_max, .values_max = UINT32_MAX };

    return oa_json_parse_limited(arena, text, len, &limits, ret_error);
}
