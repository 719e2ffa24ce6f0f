/* Keywords that apply other schemas to the same value: references, combinations, conditions. */
#include "compile.h"

#include <string.h>

static bool check_ref(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                      const struct oa_place *place, struct oa_marks *marks) {
    return oa_apply(run, op->u.schema, value, place, marks);
}

static bool compile_ref(struct oa_compiler *c, const struct oa_json *value,
                        const struct oa_place *place) {
    struct str anchor;
    const struct oa_schema *target = oa_reference_find(c->loader, c->schema, value, place, &anchor);

    if (target == NULL) {
        return false;
    }
    oa_compiler_op(c, "$ref", value, OA_ANY, check_ref)->u.schema = target;
    return true;
}

/* The outermost resource on the way here with this $dynamicAnchor; NULL: too many steps. */
static const struct oa_schema *find_dynamic(struct oa_run *run, const struct oa_dynamic *dynamic) {
    const struct oa_schema *found = dynamic->target;
    size_t steps = 0;

    for (const struct oa_scope *scope = run->scope; scope != NULL; scope = scope->outer) {
        const struct oa_anchor *anchor = oa_anchor_find(scope->resource, dynamic->anchor);

        steps++;
        if (anchor != NULL && anchor->is_dynamic) {
            found = anchor->schema;
        }
    }
    return oa_run_work(run, steps) ? found : NULL;
}

static bool check_dynamic_ref(struct oa_run *run, const struct oa_op *op,
                              const struct oa_json *value, const struct oa_place *place,
                              struct oa_marks *marks) {
    const struct oa_schema *schema = find_dynamic(run, op->u.dynamic);

    return schema != NULL && oa_apply(run, schema, value, place, marks);
}

static bool compile_dynamic_ref(struct oa_compiler *c, const struct oa_json *value,
                                const struct oa_place *place) {
    struct str name;
    const struct oa_schema *target = oa_reference_find(c->loader, c->schema, value, place, &name);
    const struct oa_anchor *anchor;
    struct oa_dynamic *dynamic;

    if (target == NULL) {
        return false;
    }
    anchor = name.data != NULL ? oa_anchor_find(target->resource, name) : NULL;
    if (anchor == NULL || !anchor->is_dynamic) {
        oa_compiler_op(c, "$ref", value, OA_ANY, check_ref)->u.schema = target;
        return true;
    }
    dynamic = loader_alloc(c->loader, 1, sizeof(*dynamic));
    if (dynamic == NULL) {
        return false;
    }
    *dynamic = (struct oa_dynamic){ .target = target, .anchor = name };
    oa_compiler_op(c, "$dynamicRef", value, OA_ANY, check_dynamic_ref)->u.dynamic = dynamic;
    return true;
}

void oa_dynamic_make_static(struct oa_op *op) {
    const struct oa_schema *target = op->u.dynamic->target;

    op->check = check_ref;
    op->keyword = "$ref";
    op->u.schema = target;
}

static bool check_all_of(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                         const struct oa_place *place, struct oa_marks *marks) {
    bool is_valid = true;

    for (size_t i = 0; i < op->u.list.count; i++) {
        if (!oa_apply(run, op->u.list.items[i], value, place, marks)) {
            is_valid = false;
            if (oa_run_is_over(run)) {
                return false;
            }
        }
    }
    return is_valid;
}

/* One branch: what it evaluates counts only when it is valid. */
static bool try_branch(struct oa_run *run, const struct oa_schema *schema,
                       const struct oa_json *value, struct oa_marks *marks) {
    struct oa_marks own;
    bool is_valid;

    if (marks == NULL) {
        return oa_is_valid(run, schema, value, NULL);
    }
    if (!oa_marks_open(&own, marks->count)) {
        return oa_stop_for_memory(run);
    }
    is_valid = oa_run_work(run, marks->count / 64) && oa_is_valid(run, schema, value, &own);
    if (is_valid) {
        oa_marks_merge(marks, &own);
    }
    oa_marks_close(&own);
    return is_valid;
}

/* How far a value is from a branch: another type or constant is further than any errors. */
static unsigned distance(struct oa_run *run, const struct oa_schema *schema,
                         const struct oa_json *value, const struct oa_place *place) {
    struct oa_probe probe = { .place = place };
    struct oa_probe *outer = run->probe;

    run->mode = OA_COUNTING;
    run->probe = &probe;
    oa_apply(run, schema, value, place, NULL);
    run->probe = outer;
    run->mode = OA_REPORTING;
    return probe.is_other ? UINT32_MAX : probe.count;
}

/* When one branch was clearly meant, what is wrong with it helps more than that none matches. */
static void report_closest(struct oa_run *run, const struct oa_schema_list *list,
                           const struct oa_json *value, const struct oa_place *place) {
    const struct oa_schema *closest = NULL;
    unsigned least = UINT32_MAX;

    if (run->mode != OA_REPORTING) {
        return;
    }
    for (size_t i = 0; i < list->count; i++) {
        unsigned one = distance(run, list->items[i], value, place);

        if (one < least) {
            least = one;
            closest = list->items[i];
        } else if (one == least) {
            closest = NULL;
        }
    }
    if (closest != NULL) {
        oa_apply(run, closest, value, place, NULL);
    }
}

static bool check_any_of(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                         const struct oa_place *place, struct oa_marks *marks) {
    const struct oa_schema_list *list = &op->u.list;
    bool is_valid = false;

    for (size_t i = 0; i < list->count; i++) {
        if (try_branch(run, list->items[i], value, marks)) {
            is_valid = true;
            if (marks == NULL) {
                return true;
            }
        }
    }
    if (is_valid) {
        return true;
    }
    oa_fail(run, place, "anyOf", "must match at least one of %zu schemas", list->count);
    report_closest(run, list, value, place);
    return false;
}

static bool check_one_of(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                         const struct oa_place *place, struct oa_marks *marks) {
    const struct oa_schema_list *list = &op->u.list;
    size_t matching[2] = { 0, 0 };
    size_t count = 0;

    for (size_t i = 0; i < list->count && count < 2; i++) {
        if (try_branch(run, list->items[i], value, marks)) {
            matching[count++] = i;
        }
    }
    if (count == 1) {
        return true;
    }
    if (count > 1) {
        return oa_fail(run, place, "oneOf",
                       "must match exactly one of %zu schemas (matches numbers %zu and %zu)",
                       list->count, matching[0] + 1, matching[1] + 1);
    }
    oa_fail(run, place, "oneOf", "must match exactly one of %zu schemas (matches none)",
            list->count);
    report_closest(run, list, value, place);
    return false;
}

static bool check_not(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                      const struct oa_place *place, struct oa_marks *marks) {
    (void)marks;
    return !oa_is_valid(run, op->u.schema, value, NULL) ||
           oa_fail(run, place, "not", "must not match the schema %.*s", OA_STR(op->text));
}

static bool check_if(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                     const struct oa_place *place, struct oa_marks *marks) {
    const struct oa_condition *condition = op->u.condition;
    const struct oa_schema *next = try_branch(run, condition->test, value, marks)
                                       ? condition->then_schema
                                       : condition->else_schema;

    return next == NULL || oa_apply(run, next, value, place, marks);
}

static bool compile_list(struct oa_compiler *c, const struct oa_json *value,
                         const struct oa_place *place, const char *keyword, oa_check_fn check) {
    struct oa_schema_list list;

    if (!oa_compiler_list(c, value, place, &list)) {
        return false;
    }
    oa_compiler_op(c, keyword, value, OA_ANY, check)->u.list = list;
    return true;
}

static bool compile_all_of(struct oa_compiler *c, const struct oa_json *value,
                           const struct oa_place *place) {
    return compile_list(c, value, place, "allOf", check_all_of);
}

static bool compile_any_of(struct oa_compiler *c, const struct oa_json *value,
                           const struct oa_place *place) {
    return compile_list(c, value, place, "anyOf", check_any_of);
}

static bool compile_one_of(struct oa_compiler *c, const struct oa_json *value,
                           const struct oa_place *place) {
    return compile_list(c, value, place, "oneOf", check_one_of);
}

static bool compile_not(struct oa_compiler *c, const struct oa_json *value,
                        const struct oa_place *place) {
    const struct oa_schema *schema = oa_compiler_schema(c, value, place);

    if (schema == NULL) {
        return false;
    }
    oa_compiler_op(c, "not", value, OA_ANY, check_not)->u.schema = schema;
    return true;
}

/* "then" and "else" are looked up from "if"; without it they say nothing. */
static bool compile_branch(struct oa_compiler *c, const char *keyword,
                           const struct oa_schema **ret_schema) {
    const struct oa_json *node = oa_json_get(c->schema->source, keyword);
    struct oa_place at = place_key(c->schema->place, keyword, strlen(keyword));

    *ret_schema = node != NULL ? oa_compiler_schema(c, node, &at) : NULL;
    return node == NULL || *ret_schema != NULL;
}

static bool compile_if(struct oa_compiler *c, const struct oa_json *value,
                       const struct oa_place *place) {
    struct oa_condition *condition = loader_alloc(c->loader, 1, sizeof(*condition));
    bool is_good;

    if (condition == NULL) {
        return false;
    }
    condition->test = oa_compiler_schema(c, value, place);
    is_good = condition->test != NULL;
    is_good = compile_branch(c, "then", &condition->then_schema) && is_good;
    is_good = compile_branch(c, "else", &condition->else_schema) && is_good;
    oa_compiler_op(c, "if", value, OA_ANY, check_if)->u.condition = condition;
    return is_good;
}

const struct oa_keyword oa_keywords_logic[] = {
    { "$ref", OA_HOLDS_NONE, compile_ref },
    { "$dynamicRef", OA_HOLDS_NONE, compile_dynamic_ref },
    { "allOf", OA_HOLDS_LIST, compile_all_of },
    { "anyOf", OA_HOLDS_LIST, compile_any_of },
    { "oneOf", OA_HOLDS_LIST, compile_one_of },
    { "not", OA_HOLDS_SCHEMA, compile_not },
    { "if", OA_HOLDS_SCHEMA, compile_if },
    { "then", OA_HOLDS_SCHEMA, NULL },
    { "else", OA_HOLDS_SCHEMA, NULL },
    { NULL, OA_HOLDS_NONE, NULL },
};
