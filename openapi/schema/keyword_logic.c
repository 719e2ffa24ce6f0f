/*
 * Keywords that apply other schemas to the same value: references, combinations, conditions; and
 * those for what all others left unevaluated.
 */
#include "compile.h"

#include <string.h>

static bool check_ref(struct run *run, const struct op *op, const struct value *value,
                      const struct place *place, struct marks *marks) {
    return run_apply(run, op->u.schema, value, place, marks);
}

static bool compile_ref(struct compiler *c, const struct value *value, const struct place *place) {
    struct str anchor;
    const struct schema *target = index_reference(c->schemas, c->schema, value, place, &anchor);

    if (target == NULL) {
        return false;
    }
    compile_op(c, "$ref", value, SCHEMA_ANY, check_ref)->u.schema = target;
    return true;
}

/* The outermost resource on the way here with this $dynamicAnchor; NULL: too many steps. */
static const struct schema *find_dynamic(struct run *run, const struct dynamic *dynamic) {
    const struct schema *found = dynamic->target;
    size_t steps = 0;

    for (const struct scope *scope = run->scope; scope != NULL; scope = scope->outer) {
        const struct anchor *anchor = index_anchor(scope->resource, dynamic->anchor);

        steps++;
        if (anchor != NULL && anchor->is_dynamic) {
            found = anchor->schema;
        }
    }
    return run_work(run, steps) ? found : NULL;
}

static bool check_dynamic_ref(struct run *run, const struct op *op, const struct value *value,
                              const struct place *place, struct marks *marks) {
    const struct schema *schema = find_dynamic(run, op->u.dynamic);

    return schema != NULL && run_apply(run, schema, value, place, marks);
}

static bool compile_dynamic_ref(struct compiler *c, const struct value *value,
                                const struct place *place) {
    struct str name;
    const struct schema *target = index_reference(c->schemas, c->schema, value, place, &name);
    const struct anchor *anchor;
    struct dynamic *dynamic;

    if (target == NULL) {
        return false;
    }
    anchor = name.data != NULL ? index_anchor(target->resource, name) : NULL;
    if (anchor == NULL || !anchor->is_dynamic) {
        compile_op(c, "$ref", value, SCHEMA_ANY, check_ref)->u.schema = target;
        return true;
    }
    dynamic = loader_alloc(c->loader, 1, sizeof(*dynamic));
    if (dynamic == NULL) {
        return false;
    }
    *dynamic = (struct dynamic){ .target = target, .anchor = name };
    compile_op(c, "$dynamicRef", value, SCHEMA_ANY, check_dynamic_ref)->u.dynamic = dynamic;
    return true;
}

void keyword_logic_make_static(struct op *op) {
    const struct schema *target = op->u.dynamic->target;

    op->check = check_ref;
    op->keyword = "$ref";
    op->u.schema = target;
}

static bool check_all_of(struct run *run, const struct op *op, const struct value *value,
                         const struct place *place, struct marks *marks) {
    bool is_valid = true;

    for (size_t i = 0; i < op->u.list.count; i++) {
        if (!run_apply(run, op->u.list.items[i], value, place, marks)) {
            is_valid = false;
            if (run_is_over(run)) {
                return false;
            }
        }
    }
    return is_valid;
}

/* One branch: what it evaluates counts only when it is valid. */
static bool try_branch(struct run *run, const struct schema *schema, const struct value *value,
                       struct marks *marks) {
    struct marks own;
    bool is_valid;

    if (marks == NULL) {
        return run_is_valid(run, schema, value, NULL);
    }
    if (!marks_open(&own, marks->count)) {
        return run_stop_for_memory(run);
    }
    is_valid = run_work(run, marks->count / 64) && run_is_valid(run, schema, value, &own);
    if (is_valid) {
        marks_merge(marks, &own);
    }
    marks_close(&own);
    return is_valid;
}

/* How far a value is from a branch: another type or constant is further than any errors. */
static unsigned distance(struct run *run, const struct schema *schema, const struct value *value,
                         const struct place *place) {
    struct probe probe = { .place = place };
    struct probe *outer = run->probe;

    run->mode = RUN_COUNTING;
    run->probe = &probe;
    run_apply(run, schema, value, place, NULL);
    run->probe = outer;
    run->mode = RUN_REPORTING;
    return probe.is_other ? UINT32_MAX : probe.count;
}

/* When one branch was clearly meant, what is wrong with it helps more than that none matches. */
static void report_closest(struct run *run, const struct schema_list *list,
                           const struct value *value, const struct place *place) {
    const struct schema *closest = NULL;
    unsigned least = UINT32_MAX;

    if (run->mode != RUN_REPORTING) {
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
        run_apply(run, closest, value, place, NULL);
    }
}

static bool check_any_of(struct run *run, const struct op *op, const struct value *value,
                         const struct place *place, struct marks *marks) {
    const struct schema_list *list = &op->u.list;
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
    run_fail(run, place, "anyOf", "must match at least one of %zu schemas", list->count);
    report_closest(run, list, value, place);
    return false;
}

static bool check_one_of(struct run *run, const struct op *op, const struct value *value,
                         const struct place *place, struct marks *marks) {
    const struct schema_list *list = &op->u.list;
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
        return run_fail(run, place, "oneOf",
                        "must match exactly one of %zu schemas (matches numbers %zu and %zu)",
                        list->count, matching[0] + 1, matching[1] + 1);
    }
    run_fail(run, place, "oneOf", "must match exactly one of %zu schemas (matches none)",
             list->count);
    report_closest(run, list, value, place);
    return false;
}

static bool check_not(struct run *run, const struct op *op, const struct value *value,
                      const struct place *place, struct marks *marks) {
    (void)marks;
    return !run_is_valid(run, op->u.schema, value, NULL) ||
           run_fail(run, place, "not", "must not match the schema %.*s", SHOWN(op->text));
}

static bool check_if(struct run *run, const struct op *op, const struct value *value,
                     const struct place *place, struct marks *marks) {
    const struct condition *condition = op->u.condition;
    const struct schema *next = try_branch(run, condition->test, value, marks)
                                    ? condition->then_schema
                                    : condition->else_schema;

    return next == NULL || run_apply(run, next, value, place, marks);
}

static bool compile_branches(struct compiler *c, const struct value *value,
                             const struct place *place) {
    struct schema_list list;

    if (!compile_list(c, value, place, &list)) {
        return false;
    }
    compile_op(c, c->keyword->name, value, SCHEMA_ANY, c->keyword->check)->u.list = list;
    return true;
}

static bool compile_not(struct compiler *c, const struct value *value, const struct place *place) {
    const struct schema *schema = compile_schema(c, value, place);

    if (schema == NULL) {
        return false;
    }
    compile_op(c, "not", value, SCHEMA_ANY, check_not)->u.schema = schema;
    return true;
}

/* "then" and "else" are looked up from "if"; without it they say nothing. */
static bool compile_branch(struct compiler *c, const char *keyword,
                           const struct schema **ret_schema) {
    const struct value *node = value_get(c->schema->source, keyword);
    struct place at = place_text(c->schema->place, keyword);

    *ret_schema = node != NULL ? compile_schema(c, node, &at) : NULL;
    return node == NULL || *ret_schema != NULL;
}

static bool compile_if(struct compiler *c, const struct value *value, const struct place *place) {
    struct condition *condition = loader_alloc(c->loader, 1, sizeof(*condition));
    bool is_good;

    if (condition == NULL) {
        return false;
    }
    condition->test = compile_schema(c, value, place);
    is_good = condition->test != NULL;
    is_good = compile_branch(c, "then", &condition->then_schema) && is_good;
    is_good = compile_branch(c, "else", &condition->else_schema) && is_good;
    compile_op(c, "if", value, SCHEMA_ANY, check_if)->u.condition = condition;
    return is_good;
}

/* Children that no other keyword evaluated. */
static bool check_unevaluated(struct run *run, const struct op *op, const struct value *value,
                              const struct place *place, struct marks *marks) {
    uint32_t index = 0;
    bool is_valid = true;

    for (const struct value *child = value->child; child != NULL; child = child->next, index++) {
        struct place at;

        if (marks_has(marks, index)) {
            continue;
        }
        if (op->u.schema->is_false && run->mode != RUN_QUIET) {
            at = place_child(place, child, index);
            is_valid =
                value->type == VALUE_ARRAY
                    ? run_fail(run, &at, op->keyword, "must NOT have unevaluated items")
                    : run_fail(run, &at, op->keyword, "must NOT have unevaluated property '%.*s'",
                               SHOWN(child->key));
        } else if (!run_apply_child(run, op->u.schema, child, index, place)) {
            is_valid = false;
        }
        if (!is_valid && run_is_over(run)) {
            return false;
        }
    }
    marks->all = true;
    return is_valid;
}

static bool compile_unevaluated(struct compiler *c, const struct value *value,
                                const struct place *place) {
    const struct schema *schema = compile_schema(c, value, place);
    unsigned type = strcmp(c->keyword->name, "unevaluatedItems") == 0 ? VALUE_ARRAY : VALUE_OBJECT;

    if (schema == NULL) {
        return false;
    }
    c->schema->tracked |= type;
    compile_op(c, c->keyword->name, value, type, check_unevaluated)->u.schema = schema;
    return true;
}

const struct keyword keyword_logic[] = {
    { .name = "$ref", .compile = compile_ref },
    { .name = "$dynamicRef", .compile = compile_dynamic_ref },
    { .name = "allOf", .holds = HOLDS_LIST, .compile = compile_branches, .check = check_all_of },
    { .name = "anyOf", .holds = HOLDS_LIST, .compile = compile_branches, .check = check_any_of },
    { .name = "oneOf", .holds = HOLDS_LIST, .compile = compile_branches, .check = check_one_of },
    { .name = "not", .holds = HOLDS_SCHEMA, .compile = compile_not },
    { .name = "if", .holds = HOLDS_SCHEMA, .compile = compile_if },
    { .name = "then", .holds = HOLDS_SCHEMA },
    { .name = "else", .holds = HOLDS_SCHEMA },
    { .name = "unevaluatedItems", .holds = HOLDS_SCHEMA, .compile = compile_unevaluated },
    { .name = "unevaluatedProperties", .holds = HOLDS_SCHEMA, .compile = compile_unevaluated },
    { .name = NULL },
};
