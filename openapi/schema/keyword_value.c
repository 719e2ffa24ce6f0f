/*
 * Keywords for values of any type (type, enum, const, format), for numbers (minimum, maximum,
 * exclusiveMinimum, exclusiveMaximum, multipleOf) and for strings (minLength and maxLength, in code
 * points, and pattern).
 */
#include "compile.h"

#include <stdlib.h>
#include <string.h>

/* An enum of more values is searched by hash. */
enum { CHOICES_LINEAR_MAX = 8 };

static bool compile_type(struct compiler *c, const struct value *value, const struct place *place) {
    const struct value *name = value->type == VALUE_ARRAY ? value->child : value;
    unsigned types = 0;

    if (value->type != VALUE_STRING && (value->type != VALUE_ARRAY || value->count == 0)) {
        return loader_fail(c->loader, place, "must be a type's name or an array of them");
    }
    for (; name != NULL; name = value->type == VALUE_ARRAY ? name->next : NULL) {
        unsigned bit = name->type == VALUE_STRING ? schema_run_type(name->text) : 0;

        if (bit == 0) {
            return loader_fail(c->loader, place,
                               "%.*s is not a type; types are null, boolean, object, array, "
                               "number, string and integer",
                               SHOWN(name->raw));
        }
        if ((types & bit) != 0) {
            return loader_fail(c->loader, place, "%.*s is given twice", SHOWN(name->raw));
        }
        types |= bit;
    }
    c->schema->types = types;
    return true;
}

/* A constant of the value or of one of its members is most likely what tells branches apart. */
static void note_other(struct run *run, const struct place *place) {
    if (run->mode == RUN_COUNTING &&
        (place == run->probe->place || place->parent == run->probe->place)) {
        run->probe->is_other = true;
    }
}

static int compare_choices(const void *a, const void *b) {
    uint64_t x = ((const struct choice *)a)->hash;
    uint64_t y = ((const struct choice *)b)->hash;

    return (x > y) - (x < y);
}

static bool has_choice(const struct choices *choices, const struct value *value) {
    uint64_t hash = choices->is_sorted ? value_hash(value, choices->seed) : 0;
    size_t low = 0;
    size_t high = choices->is_sorted ? choices->count : 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (choices->items[middle].hash < hash) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < choices->count && choices->items[low].hash == hash; low++) {
        if (value_equal(choices->items[low].value, value)) {
            return true;
        }
    }
    return false;
}

static bool check_enum(struct run *run, const struct op *op, const struct value *value,
                       const struct place *place, struct marks *marks) {
    (void)marks;
    if (!run_read(run, value)) {
        return false;
    }
    if (has_choice(op->u.choices, value)) {
        return true;
    }
    note_other(run, place);
    return run_fail(run, place, "enum", "must be one of %.*s", SHOWN(op->text));
}

static bool compile_enum(struct compiler *c, const struct value *value, const struct place *place) {
    struct choices *choices;

    if (value->type != VALUE_ARRAY || (value->count == 0 && c->schemas->options.is_strict)) {
        return loader_fail(c->loader, place, "must be an array with at least one value");
    }
    choices = loader_alloc(c->loader, 1, sizeof(*choices));
    if (choices == NULL) {
        return false;
    }
    choices->items = loader_alloc(c->loader, value->count + 1, sizeof(*choices->items));
    if (choices->items == NULL) {
        return false;
    }
    choices->is_sorted = value->count > CHOICES_LINEAR_MAX;
    choices->seed = c->schemas->seed;
    for (const struct value *one = value->child; one != NULL; one = one->next) {
        choices->items[choices->count++] =
            (struct choice){ .hash = choices->is_sorted ? value_hash(one, choices->seed) : 0,
                             .value = one };
    }
    if (choices->is_sorted) {
        qsort(choices->items, choices->count, sizeof(*choices->items), compare_choices);
    }
    compile_op(c, "enum", value, SCHEMA_ANY, check_enum)->u.choices = choices;
    return true;
}

static bool check_const(struct run *run, const struct op *op, const struct value *value,
                        const struct place *place, struct marks *marks) {
    (void)marks;
    if (!run_read(run, value)) {
        return false;
    }
    if (value_equal(op->u.value, value)) {
        return true;
    }
    note_other(run, place);
    return run_fail(run, place, "const", "must be %.*s", SHOWN(op->u.value->raw));
}

static bool compile_const(struct compiler *c, const struct value *value,
                          const struct place *place) {
    (void)place;
    compile_op(c, "const", value, SCHEMA_ANY, check_const)->u.value = value;
    return true;
}

static bool check_format(struct run *run, const struct op *op, const struct value *value,
                         const struct place *place, struct marks *marks) {
    (void)marks;
    return format_check(op->u.format, value) ||
           run_fail(run, place, "format", "must be a valid %.*s", SHOWN(op->text));
}

/* Any name is allowed, but one that is nearly a known one is nearly always a typing mistake. */
static bool check_format_name(struct compiler *c, struct str name, const struct place *place) {
    struct loader_nearest nearest = { .name = name };
    const char *known;

    if (!c->schemas->options.is_strict || format_find(name) != NULL || format_is_annotation(name)) {
        return true;
    }
    for (size_t i = 0; (known = format_name(i)) != NULL; i++) {
        loader_offer(&nearest, known);
    }
    return nearest.known == NULL ||
           loader_fail(c->loader, place, "the format \"%.*s\" is not known; did you mean \"%s\"?",
                       SHOWN(name), nearest.known);
}

static bool compile_format(struct compiler *c, const struct value *value,
                           const struct place *place) {
    const struct format *format;

    if (value->type != VALUE_STRING) {
        return loader_fail(c->loader, place, "must be a format's name");
    }
    if (!check_format_name(c, value->text, place)) {
        return false;
    }
    format = c->schemas->options.asserts_formats ? format_find(value->text) : NULL;
    if (format != NULL) {
        compile_op(c, "format", value, VALUE_STRING | VALUE_NUMBER, check_format)->u.format =
            format;
    }
    return true;
}

/* ---- numbers ---- */

static int compare(const struct bound *bound, const struct value *value) {
    struct decimal d;

    if (value->count != 0 && bound->number.count != 0) {
        return (value->integer > bound->number.integer) - (value->integer < bound->number.integer);
    }
    if (value->count != 0 && bound->beyond != 0) {
        return -bound->beyond;
    }
    d = decimal_parse(value->raw);
    return decimal_compare(&d, &bound->decimal);
}

static const struct {
    const char *keyword;
    const char *relation;
    int side; /* 1: a lower bound, -1: an upper one */
    bool is_exclusive;
} bounds[] = { { "minimum", ">=", 1, false },
               { "exclusiveMinimum", ">", 1, true },
               { "maximum", "<=", -1, false },
               { "exclusiveMaximum", "<", -1, true } };

enum { BOUNDS = sizeof(bounds) / sizeof(bounds[0]) };

static bool check_bound(struct run *run, const struct op *op, const struct value *value,
                        const struct place *place, struct marks *marks) {
    const struct bound *bound = op->u.bound;
    int order = compare(bound, value) * bound->side;

    (void)marks;
    return order > 0 || (order == 0 && !bound->is_exclusive) ||
           run_fail(run, place, op->keyword, "must be %s %.*s", bound->relation, SHOWN(op->text));
}

static bool check_multiple_of(struct run *run, const struct op *op, const struct value *value,
                              const struct place *place, struct marks *marks) {
    const struct bound *bound = op->u.bound;
    bool is_multiple;

    (void)marks;
    if (value->count != 0 && bound->number.count != 0) {
        is_multiple = value->integer % bound->number.integer == 0;
    } else {
        struct decimal d = decimal_parse(value->raw);

        is_multiple = decimal_is_multiple(&d, &bound->decimal);
    }
    return is_multiple ||
           run_fail(run, place, "multipleOf", "must be a multiple of %.*s", SHOWN(op->text));
}

static bool compile_bound(struct compiler *c, const struct value *value,
                          const struct place *place) {
    struct bound *bound;

    if (value->type != VALUE_NUMBER) {
        return loader_fail(c->loader, place, "must be a number");
    }
    bound = loader_alloc(c->loader, 1, sizeof(*bound));
    if (bound == NULL) {
        return false;
    }
    bound->decimal = decimal_parse(value->raw);
    bound->number = *value;
    if (bound->decimal.exponent + (int64_t)bound->decimal.digits > JSON_SCAN_INTEGER_DIGITS_MAX) {
        bound->beyond = bound->decimal.negative ? -1 : 1;
    }
    for (size_t i = 0; i < BOUNDS; i++) {
        if (strcmp(c->keyword->name, bounds[i].keyword) == 0) {
            bound->relation = bounds[i].relation;
            bound->side = bounds[i].side;
            bound->is_exclusive = bounds[i].is_exclusive;
        }
    }
    compile_op(c, c->keyword->name, value, VALUE_NUMBER, c->keyword->check)->u.bound = bound;
    return true;
}

static bool compile_multiple_of(struct compiler *c, const struct value *value,
                                const struct place *place) {
    struct decimal divisor = { .digits = 1 };

    if (value->type == VALUE_NUMBER) {
        divisor = decimal_parse(value->raw);
    }
    if (divisor.digits == 0 || divisor.negative) {
        return loader_fail(c->loader, place, "must be greater than 0");
    }
    if (divisor.digits > DECIMAL_DIVISOR_DIGITS_MAX) {
        return loader_fail(c->loader, place, "must not have more than %d significant digits",
                           DECIMAL_DIVISOR_DIGITS_MAX);
    }
    return compile_bound(c, value, place);
}

/* A lower bound above an upper one leaves no number at all. */
static bool check_bounds(struct compiler *c) {
    for (size_t i = 0; i < BOUNDS; i++) {
        const struct value *low = value_get(c->schema->source, bounds[i / 2].keyword);
        const struct value *high = value_get(c->schema->source, bounds[2 + i % 2].keyword);
        bool may_be_equal = i == 0;
        struct decimal x;
        struct decimal y;
        int order;

        if (low == NULL || high == NULL || low->type != VALUE_NUMBER ||
            high->type != VALUE_NUMBER) {
            continue;
        }
        x = decimal_parse(low->raw);
        y = decimal_parse(high->raw);
        order = decimal_compare(&x, &y);
        if (order > 0 || (order == 0 && !may_be_equal)) {
            return loader_fail_at(c->loader, c->schema->place, bounds[i / 2].keyword,
                                  "no number is in the range of \"%s\" and \"%s\"",
                                  bounds[i / 2].keyword, bounds[2 + i % 2].keyword);
        }
    }
    return true;
}

/* ---- strings ---- */

static bool check_min_length(struct run *run, const struct op *op, const struct value *value,
                             const struct place *place, struct marks *marks) {
    (void)marks;
    return value->count >= op->u.size ||
           run_fail(run, place, "minLength", "must have at least %.*s character%s", SHOWN(op->text),
                    op->u.size == 1 ? "" : "s");
}

static bool check_max_length(struct run *run, const struct op *op, const struct value *value,
                             const struct place *place, struct marks *marks) {
    (void)marks;
    return value->count <= op->u.size ||
           run_fail(run, place, "maxLength", "must have at most %.*s character%s", SHOWN(op->text),
                    op->u.size == 1 ? "" : "s");
}

static bool compile_length(struct compiler *c, const struct value *value,
                           const struct place *place) {
    uint64_t size;

    if (!compile_size(c, value, place, &size)) {
        return false;
    }
    compile_op(c, c->keyword->name, value, VALUE_STRING, c->keyword->check)->u.size = size;
    return true;
}

static bool check_pattern(struct run *run, const struct op *op, const struct value *value,
                          const struct place *place, struct marks *marks) {
    (void)marks;
    switch (run_pattern(run, op->u.pattern, op->text, value->text, place)) {
    case PATTERN_MATCH: return true;
    case PATTERN_NO_MATCH:
        return run_fail(run, place, "pattern", "must match the pattern %.*s", SHOWN(op->text));
    default: return false; /* the judgement was given up */
    }
}

static bool compile_regex(struct compiler *c, const struct value *value,
                          const struct place *place) {
    const struct pattern *pattern;

    if (value->type != VALUE_STRING) {
        return loader_fail(c->loader, place, "must be a string with a regular expression");
    }
    pattern = compile_pattern(c, value->text, place);
    if (pattern == NULL) {
        return false;
    }
    compile_op(c, "pattern", value, VALUE_STRING, check_pattern)->u.pattern = pattern;
    return true;
}

bool keyword_value_finish(struct compiler *c) {
    uint64_t low = 0;
    uint64_t high = UINT64_MAX;

    for (const struct op *op = c->ops; op < c->ops + c->schema->op_count; op++) {
        low = op->check == check_min_length ? op->u.size : low;
        high = op->check == check_max_length ? op->u.size : high;
    }
    return (!c->schemas->options.is_strict || check_bounds(c)) &&
           compile_check_range(c, low, high, "minLength", "maxLength", "string");
}

const struct keyword keyword_value[] = {
    { .name = "type", .compile = compile_type },
    { .name = "enum", .compile = compile_enum },
    { .name = "const", .compile = compile_const },
    { .name = "format", .compile = compile_format },
    { .name = "minimum", .compile = compile_bound, .check = check_bound },
    { .name = "maximum", .compile = compile_bound, .check = check_bound },
    { .name = "exclusiveMinimum", .compile = compile_bound, .check = check_bound },
    { .name = "exclusiveMaximum", .compile = compile_bound, .check = check_bound },
    { .name = "multipleOf", .compile = compile_multiple_of, .check = check_multiple_of },
    { .name = "minLength", .compile = compile_length, .check = check_min_length },
    { .name = "maxLength", .compile = compile_length, .check = check_max_length },
    { .name = "pattern", .compile = compile_regex },
    { .name = NULL },
};
