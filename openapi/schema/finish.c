/* What can be said only when all schemas of a document are compiled. */
#include "compile.h"

#include <string.h>

enum { NOT_VISITED, VISITING, VISITED };

/* ---- $dynamicRef ----------------------------------------------------------------------------- */

static bool depends_on_scope(const struct oa_schemas *schemas, struct str name) {
    const unsigned *count = oa_dynamic_anchors(schemas, name);

    return count != NULL && *count > 1;
}

/* Only where there is a choice do schemas need to note which resources they entered. */
static bool settle_dynamic(struct oa_schemas *schemas) {
    bool has_dynamic = false;

    for (struct oa_schema *schema = schemas->first; schema != NULL; schema = schema->next) {
        struct oa_op *ops = (struct oa_op *)schema->ops;

        for (uint16_t i = 0; i < schema->op_count; i++) {
            if (strcmp(ops[i].keyword, "$dynamicRef") != 0) {
                continue;
            }
            if (depends_on_scope(schemas, ops[i].u.dynamic->anchor)) {
                has_dynamic = true;
            } else {
                oa_dynamic_make_static(&ops[i]);
            }
        }
    }
    for (struct oa_schema *schema = schemas->first; schema != NULL; schema = schema->next) {
        schema->is_scoped = has_dynamic;
    }
    return has_dynamic;
}

/* ---- references that never end --------------------------------------------------------------- */

struct search {
    struct oa_loader *loader;
    unsigned depth;
    bool is_good;
};

static void visit(struct search *search, struct oa_schema *schema);

static void report_loop(struct search *search, const struct oa_schema *schema,
                        const struct oa_op *op) {
    struct oa_place at = place_key(schema->place, op->keyword, strlen(op->keyword));

    search->is_good = false;
    if (strcmp(op->keyword, "$ref") == 0) {
        loader_fail(search->loader, &at, "the reference \"%.*s\" leads back to itself",
                    OA_STR(op->text));
    } else {
        loader_fail(search->loader, &at, "leads back to itself by references");
    }
}

/* One schema that is applied to the same value. */
static void visit_target(struct search *search, struct oa_schema *schema, const struct oa_op *op,
                         const struct oa_schema *target) {
    struct oa_schema *next = (struct oa_schema *)target;

    if (next == NULL || next->state != OA_COMPILED) {
        return;
    }
    if (next->visit == VISITING) {
        report_loop(search, schema, op);
        return;
    }
    visit(search, next);
    if (next->height >= schema->height) {
        schema->height = (uint16_t)(next->height + 1);
    }
}

static void visit_op(struct search *search, struct oa_schema *schema, const struct oa_op *op) {
    if (strcmp(op->keyword, "$ref") == 0 || strcmp(op->keyword, "not") == 0) {
        visit_target(search, schema, op, op->u.schema);
    } else if (strcmp(op->keyword, "allOf") == 0 || strcmp(op->keyword, "anyOf") == 0 ||
               strcmp(op->keyword, "oneOf") == 0) {
        for (size_t i = 0; i < op->u.list.count; i++) {
            visit_target(search, schema, op, op->u.list.items[i]);
        }
    } else if (strcmp(op->keyword, "if") == 0) {
        visit_target(search, schema, op, op->u.condition->test);
        visit_target(search, schema, op, op->u.condition->then_schema);
        visit_target(search, schema, op, op->u.condition->else_schema);
    } else if (strcmp(op->keyword, "properties") == 0) {
        for (size_t i = 0; i < op->u.object->dependent_count; i++) {
            visit_target(search, schema, op, op->u.object->dependents[i].schema);
        }
    }
}

static void visit(struct search *search, struct oa_schema *schema) {
    if (schema->visit == VISITED || !search->is_good) {
        return;
    }
    schema->visit = VISITING;
    search->depth++;
    if (search->depth > OA_SCHEMA_IN_PLACE_MAX) {
        search->is_good = loader_fail(search->loader, schema->place,
                                      "more than %d schemas apply to the same value, each inside "
                                      "of the other",
                                      OA_SCHEMA_IN_PLACE_MAX);
    }
    for (uint16_t i = 0; i < schema->op_count && search->is_good; i++) {
        visit_op(search, schema, &schema->ops[i]);
    }
    search->depth--;
    schema->visit = VISITED;
}

bool oa_schemas_check(struct oa_loader *loader) {
    struct oa_schemas *schemas = loader->doc->schemas;
    bool is_good = true;
    bool has_loops = false;
    bool has_dynamic = false;

    for (const struct oa_schema *schema = schemas->first; schema != NULL; schema = schema->next) {
        is_good = is_good && schema->state == OA_COMPILED;
    }
    if (is_good) {
        has_dynamic = settle_dynamic(schemas);
    }
    for (struct oa_schema *schema = schemas->first; schema != NULL; schema = schema->next) {
        struct search search = { .loader = loader, .is_good = true };

        if (schema->state != OA_COMPILED) {
            continue; /* its mistakes were reported, its program may be incomplete */
        }
        visit(&search, schema);
        if (schema->height > OA_SCHEMA_IN_PLACE_MAX) {
            search.is_good = loader_fail(loader, schema->place,
                                         "more than %d schemas apply to the same value, each "
                                         "inside of the other",
                                         OA_SCHEMA_IN_PLACE_MAX);
        }
        has_loops = has_loops || !search.is_good;
    }
    if (has_loops) {
        schemas->soundness = OA_SOUND_NONE;
    } else if (is_good) {
        schemas->soundness = OA_SOUND_ALL;
    }
    is_good = is_good && !has_loops;
    if (is_good && !has_dynamic) {
        oa_schemas_skip_references(schemas);
    }
    return is_good;
}
