/* Keywords for strings: minLength, maxLength (code points), pattern. */
#include "compile.h"

static bool check_min_length(struct oa_run *run, const struct oa_op *op,
                             const struct oa_json *value, const struct oa_place *place,
                             struct oa_marks *marks) {
    (void)marks;
    return value->count >= op->u.size ||
           oa_fail(run, place, "minLength", "must have at least %.*s character%s", OA_STR(op->text),
                   op->u.size == 1 ? "" : "s");
}

static bool check_max_length(struct oa_run *run, const struct oa_op *op,
                             const struct oa_json *value, const struct oa_place *place,
                             struct oa_marks *marks) {
    (void)marks;
    return value->count <= op->u.size ||
           oa_fail(run, place, "maxLength", "must have at most %.*s character%s", OA_STR(op->text),
                   op->u.size == 1 ? "" : "s");
}

static bool compile_length(struct oa_compiler *c, const struct oa_json *value,
                           const struct oa_place *place, const char *keyword, oa_check_fn check) {
    uint64_t size;

    if (!oa_compiler_size(c, value, place, &size)) {
        return false;
    }
    oa_compiler_op(c, keyword, value, OA_STRING, check)->u.size = size;
    return true;
}

static bool compile_min_length(struct oa_compiler *c, const struct oa_json *value,
                               const struct oa_place *place) {
    return compile_length(c, value, place, "minLength", check_min_length);
}

static bool compile_max_length(struct oa_compiler *c, const struct oa_json *value,
                               const struct oa_place *place) {
    return compile_length(c, value, place, "maxLength", check_max_length);
}

static bool check_pattern(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                          const struct oa_place *place, struct oa_marks *marks) {
    (void)marks;
    switch (oa_run_pattern(run, op->u.pattern, op->text, value->text, place)) {
    case PATTERN_MATCH: return true;
    case PATTERN_NO_MATCH:
        return oa_fail(run, place, "pattern", "must match the pattern %.*s", OA_STR(op->text));
    default: return false; /* the judgement was given up */
    }
}

static bool compile_pattern(struct oa_compiler *c, const struct oa_json *value,
                            const struct oa_place *place) {
    const struct pattern *pattern;

    if (value->type != OA_STRING) {
        return loader_fail(c->loader, place, "must be a string with a regular expression");
    }
    pattern = oa_compiler_pattern(c, value->text, place);
    if (pattern == NULL) {
        return false;
    }
    oa_compiler_op(c, "pattern", value, OA_STRING, check_pattern)->u.pattern = pattern;
    return true;
}

bool oa_string_finish(struct oa_compiler *c) {
    const struct oa_op *low = NULL;
    const struct oa_op *high = NULL;
    struct oa_place at = place_text(c->schema->place, "minLength");

    for (const struct oa_op *op = c->ops; op < c->ops + c->schema->op_count; op++) {
        low = op->check == check_min_length ? op : low;
        high = op->check == check_max_length ? op : high;
    }
    if (!c->schemas->is_strict || low == NULL || high == NULL || low->u.size <= high->u.size) {
        return true;
    }
    return loader_fail(c->loader, &at, "is greater than \"maxLength\": no string is valid");
}

const struct oa_keyword oa_keywords_string[] = {
    { "minLength", OA_HOLDS_NONE, compile_min_length },
    { "maxLength", OA_HOLDS_NONE, compile_max_length },
    { "pattern", OA_HOLDS_NONE, compile_pattern },
    { NULL, OA_HOLDS_NONE, NULL },
};
