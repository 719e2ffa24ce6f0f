/* Keywords for numbers: minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf. */
#include "loader.h"

static bool compile_bound(struct oa_loader *loader, const struct oa_json *schema,
                          const struct oa_json *value, const struct oa_place *place,
                          struct oa_op *op) {
    (void)schema;
    if (value->type != OA_NUMBER) {
        return loader_fail(loader, place, "must be a number");
    }
    op->u.decimal = oa_decimal_parse(value->raw);
    return true;
}

static bool compile_multiple_of(struct oa_loader *loader, const struct oa_json *schema,
                                const struct oa_json *value, const struct oa_place *place,
                                struct oa_op *op) {
    if (!compile_bound(loader, schema, value, place, op)) {
        return false;
    }
    if (op->u.decimal.digits == 0 || op->u.decimal.negative) {
        return loader_fail(loader, place, "must be greater than 0");
    }
    if (op->u.decimal.digits > OA_DIVISOR_DIGITS_MAX) {
        return loader_fail(loader, place, "must not have more than %d significant digits",
                           OA_DIVISOR_DIGITS_MAX);
    }
    return true;
}

static int compare(const struct oa_op *op, const struct oa_json *value) {
    struct oa_decimal d = oa_decimal_parse(value->raw);

    return oa_decimal_compare(&d, &op->u.decimal);
}

static void check_minimum(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                          const struct oa_place *place) {
    if (compare(op, value) < 0) {
        oa_report_add(run->report, place, "minimum", "must be >= %.*s", OA_STR(op->text));
    }
}

static void check_maximum(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                          const struct oa_place *place) {
    if (compare(op, value) > 0) {
        oa_report_add(run->report, place, "maximum", "must be <= %.*s", OA_STR(op->text));
    }
}

static void check_exclusive_minimum(struct oa_run *run, const struct oa_op *op,
                                    const struct oa_json *value, const struct oa_place *place) {
    if (compare(op, value) <= 0) {
        oa_report_add(run->report, place, "exclusiveMinimum", "must be > %.*s", OA_STR(op->text));
    }
}

static void check_exclusive_maximum(struct oa_run *run, const struct oa_op *op,
                                    const struct oa_json *value, const struct oa_place *place) {
    if (compare(op, value) >= 0) {
        oa_report_add(run->report, place, "exclusiveMaximum", "must be < %.*s", OA_STR(op->text));
    }
}

static void check_multiple_of(struct oa_run *run, const struct oa_op *op,
                              const struct oa_json *value, const struct oa_place *place) {
    struct oa_decimal d = oa_decimal_parse(value->raw);

    if (!oa_decimal_is_multiple(&d, &op->u.decimal)) {
        oa_report_add(run->report, place, "multipleOf", "must be a multiple of %.*s",
                      OA_STR(op->text));
    }
}

const struct oa_keyword oa_keywords_number[] = {
    { "minimum", OA_NUMBER, compile_bound, check_minimum },
    { "maximum", OA_NUMBER, compile_bound, check_maximum },
    { "exclusiveMinimum", OA_NUMBER, compile_bound, check_exclusive_minimum },
    { "exclusiveMaximum", OA_NUMBER, compile_bound, check_exclusive_maximum },
    { "multipleOf", OA_NUMBER, compile_multiple_of, check_multiple_of },
    { NULL, 0, NULL, NULL },
};
