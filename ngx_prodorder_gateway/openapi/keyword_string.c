/* Keywords for strings: minLength, maxLength (code points), pattern. */
#include "loader.h"
#include "pattern.h"

static bool compile_length(struct oa_loader *loader, const struct oa_json *schema,
                           const struct oa_json *value, const struct oa_place *place,
                           struct oa_op *op) {
    (void)schema;
    return oa_compile_size(loader, value, place, op);
}

static void check_min_length(struct oa_run *run, const struct oa_op *op,
                             const struct oa_json *value, const struct oa_place *place) {
    if (value->count < op->u.size) {
        oa_report_add(run->report, place, "minLength", "must have at least %.*s character%s",
                      OA_STR(op->text), op->u.size == 1 ? "" : "s");
    }
}

static void check_max_length(struct oa_run *run, const struct oa_op *op,
                             const struct oa_json *value, const struct oa_place *place) {
    if (value->count > op->u.size) {
        oa_report_add(run->report, place, "maxLength", "must have at most %.*s character%s",
                      OA_STR(op->text), op->u.size == 1 ? "" : "s");
    }
}

static bool compile_pattern(struct oa_loader *loader, const struct oa_json *schema,
                            const struct oa_json *value, const struct oa_place *place,
                            struct oa_op *op) {
    char reason[160];

    (void)schema;
    if (value->type != OA_STRING) {
        return loader_fail(loader, place, "must be a string with a regular expression");
    }
    op->u.pattern.source = value->text;
    op->u.pattern.code = oa_pattern_compile(value->text, reason, sizeof(reason));
    if (op->u.pattern.code == NULL) {
        return loader_fail(loader, place, "%s", reason);
    }
    return true;
}

static void check_pattern(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                          const struct oa_place *place) {
    switch (oa_pattern_match(op->u.pattern.code, value->text)) {
    case OA_PATTERN_MATCH: break;
    case OA_PATTERN_NO_MATCH:
        oa_report_add(run->report, place, "pattern", "must match the pattern %.*s",
                      OA_STR(op->text));
        break;
    case OA_PATTERN_LIMIT:
        oa_report_add(run->report, place, "pattern",
                      "takes too long to compare with the pattern %.*s", OA_STR(op->text));
        break;
    case OA_PATTERN_NO_MEMORY: run->report->out_of_memory = true; break;
    }
}

const struct oa_keyword oa_keywords_string[] = {
    { "minLength", OA_STRING, compile_length, check_min_length },
    { "maxLength", OA_STRING, compile_length, check_max_length },
    { "pattern", OA_STRING, compile_pattern, check_pattern },
    { NULL, 0, NULL, NULL },
};
