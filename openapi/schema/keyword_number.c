/* Keywords for numbers: minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf. */
#include "compile.h"

static int compare(const struct oa_op *op, const struct oa_json *value) {
    const struct oa_bound *bound = op->u.bound;
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

static bool check_minimum(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                          const struct oa_place *place, struct oa_marks *marks) {
    (void)marks;
    return compare(op, value) >= 0 ||
           oa_fail(run, place, "minimum", "must be >= %.*s", OA_STR(op->text));
}

static bool check_maximum(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                          const struct oa_place *place, struct oa_marks *marks) {
    (void)marks;
    return compare(op, value) <= 0 ||
           oa_fail(run, place, "maximum", "must be <= %.*s", OA_STR(op->text));
}

static bool check_exclusive_minimum(struct oa_run *run, const struct oa_op *op,
                                    const struct oa_json *value, const struct oa_place *place,
                                    struct oa_marks *marks) {
    (void)marks;
    return compare(op, value) > 0 ||
           oa_fail(run, place, "exclusiveMinimum", "must be > %.*s", OA_STR(op->text));
}

static bool check_exclusive_maximum(struct oa_run *run, const struct oa_op *op,
                                    const struct oa_json *value, const struct oa_place *place,
                                    struct oa_marks *marks) {
    (void)marks;
    return compare(op, value) < 0 ||
           oa_fail(run, place, "exclusiveMaximum", "must be < %.*s", OA_STR(op->text));
}

static bool check_multiple_of(struct oa_run *run, const struct oa_op *op,
                              const struct oa_json *value, const struct oa_place *place,
                              struct oa_marks *marks) {
    const struct oa_bound *bound = op->u.bound;
    bool is_multiple;

    (void)marks;
    if (value->count != 0 && bound->number.count != 0) {
        is_multiple = value->integer % bound->number.integer == 0;
    } else {
        struct decimal d = decimal_parse(value->raw);

        is_multiple = decimal_is_multiple(&d, &bound->decimal);
    }
    return is_multiple ||
           oa_fail(run, place, "multipleOf", "must be a multiple of %.*s", OA_STR(op->text));
}

static bool compile_bound(struct oa_compiler *c, const struct oa_json *value,
                          const struct oa_place *place, const char *keyword, oa_check_fn check) {
    struct oa_bound *bound;

    if (value->type != OA_NUMBER) {
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
    oa_compiler_op(c, keyword, value, OA_NUMBER, check)->u.bound = bound;
    return true;
}

static bool compile_minimum(struct oa_compiler *c, const struct oa_json *value,
                            const struct oa_place *place) {
    return compile_bound(c, value, place, "minimum", check_minimum);
}

static bool compile_maximum(struct oa_compiler *c, const struct oa_json *value,
                            const struct oa_place *place) {
    return compile_bound(c, value, place, "maximum", check_maximum);
}

static bool compile_exclusive_minimum(struct oa_compiler *c, const struct oa_json *value,
                                      const struct oa_place *place) {
    return compile_bound(c, value, place, "exclusiveMinimum", check_exclusive_minimum);
}

static bool compile_exclusive_maximum(struct oa_compiler *c, const struct oa_json *value,
                                      const struct oa_place *place) {
    return compile_bound(c, value, place, "exclusiveMaximum", check_exclusive_maximum);
}

static bool compile_multiple_of(struct oa_compiler *c, const struct oa_json *value,
                                const struct oa_place *place) {
    struct decimal divisor = { .digits = 1 };

    if (value->type == OA_NUMBER) {
        divisor = decimal_parse(value->raw);
    }
    if (divisor.digits == 0 || divisor.negative) {
        return loader_fail(c->loader, place, "must be greater than 0");
    }
    if (divisor.digits > DECIMAL_DIVISOR_DIGITS_MAX) {
        return loader_fail(c->loader, place, "must not have more than %d significant digits",
                           DECIMAL_DIVISOR_DIGITS_MAX);
    }
    return compile_bound(c, value, place, "multipleOf", check_multiple_of);
}

/* A lower bound above an upper one leaves no number at all. */
bool oa_number_finish(struct oa_compiler *c) {
    static const struct {
        const char *low;
        const char *high;
        bool may_be_equal;
    } pairs[] = { { "minimum", "maximum", true },
                  { "minimum", "exclusiveMaximum", false },
                  { "exclusiveMinimum", "maximum", false },
                  { "exclusiveMinimum", "exclusiveMaximum", false } };

    for (size_t i = 0; c->schemas->is_strict && i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        const struct oa_json *low = oa_json_get(c->schema->source, pairs[i].low);
        const struct oa_json *high = oa_json_get(c->schema->source, pairs[i].high);
        struct oa_place at;
        struct decimal x;
        struct decimal y;
        int order;

        if (low == NULL || high == NULL || low->type != OA_NUMBER || high->type != OA_NUMBER) {
            continue;
        }
        x = decimal_parse(low->raw);
        y = decimal_parse(high->raw);
        order = decimal_compare(&x, &y);
        if (order > 0 || (order == 0 && !pairs[i].may_be_equal)) {
            at = place_member(c->schema->place, low);
            return loader_fail(c->loader, &at, "no number is in the range of \"%s\" and \"%s\"",
                               pairs[i].low, pairs[i].high);
        }
    }
    return true;
}

const struct oa_keyword oa_keywords_number[] = {
    { "minimum", OA_HOLDS_NONE, compile_minimum },
    { "maximum", OA_HOLDS_NONE, compile_maximum },
    { "exclusiveMinimum", OA_HOLDS_NONE, compile_exclusive_minimum },
    { "exclusiveMaximum", OA_HOLDS_NONE, compile_exclusive_maximum },
    { "multipleOf", OA_HOLDS_NONE, compile_multiple_of },
    { NULL, OA_HOLDS_NONE, NULL },
};
