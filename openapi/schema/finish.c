/*
 * What can be said only when all schemas of a document are compiled: which $dynamicRef have a
 * choice, which references never end, which schemas only refer, and which of a document with
 * mistakes can be run all the same.
 */
#include "compile.h"

#include <string.h>

enum { NOT_VISITED, VISITING, VISITED };

/* ---- what an operation applies ---- */

typedef void apply_fn(void *user, const struct op *op, const struct schema **schema);

static bool is_one_of(const char *keyword, const char *const *list) {
    while (*list != NULL && strcmp(*list, keyword) != 0) {
        list++;
    }
    return *list != NULL;
}

/* To children of the value. */
static void each_below(const struct op *op, apply_fn *apply, void *user) {
    if (strncmp(op->keyword, "unevaluated", 11) == 0) {
        apply(user, op, (const struct schema **)&op->u.schema);
    } else if (strcmp(op->keyword, "properties") == 0) {
        struct object *object = (struct object *)op->u.object;

        apply(user, op, &object->additional);
        apply(user, op, &object->name_schema);
        for (uint32_t i = 0; i < object->name_count; i++) {
            apply(user, op, &object->names[i].schema);
        }
        for (size_t i = 0; i < object->pattern_count; i++) {
            apply(user, op, &object->patterns[i].schema);
        }
    } else if (strcmp(op->keyword, "items") == 0) {
        struct array *array = (struct array *)op->u.array;

        apply(user, op, &array->items);
        apply(user, op, &array->contains);
        for (size_t i = 0; i < array->prefix.count; i++) {
            apply(user, op, &array->prefix.items[i]);
        }
    }
}

/* To the same value. */
static void each_in_place(const struct op *op, apply_fn *apply, void *user) {
    static const char *const of_one[] = { "$ref", "not", NULL };
    static const char *const of_list[] = { "allOf", "anyOf", "oneOf", NULL };

    if (is_one_of(op->keyword, of_one)) {
        apply(user, op, (const struct schema **)&op->u.schema);
    } else if (is_one_of(op->keyword, of_list)) {
        for (size_t i = 0; i < op->u.list.count; i++) {
            apply(user, op, &op->u.list.items[i]);
        }
    } else if (strcmp(op->keyword, "if") == 0) {
        struct condition *condition = (struct condition *)op->u.condition;

        apply(user, op, &condition->test);
        apply(user, op, &condition->then_schema);
        apply(user, op, &condition->else_schema);
    } else if (strcmp(op->keyword, "properties") == 0) {
        for (size_t i = 0; i < op->u.object->dependent_count; i++) {
            apply(user, op, &op->u.object->dependents[i].schema);
        }
    }
}

/*
 * ---- schemas that are nothing but a reference ----
 *
 * They are skipped: what applies them applies what they refer to. Most members of an OpenAPI
 * document's bodies are of this kind.
 */

/* Called when references are known to end. */
static void skip(void *user, const struct op *op, const struct schema **schema) {
    (void)user;
    (void)op;
    while (*schema != NULL && (*schema)->types == 0 && (*schema)->op_count == 1 &&
           strcmp((*schema)->ops->keyword, "$ref") == 0) {
        *schema = (*schema)->ops->u.schema;
    }
}

static void skip_references(struct schemas *schemas) {
    for (const struct schema *schema = schemas->first; schema != NULL; schema = schema->next) {
        for (uint16_t i = 0; i < schema->op_count; i++) {
            each_in_place(&schema->ops[i], skip, NULL);
            each_below(&schema->ops[i], skip, NULL);
        }
    }
}

/* ---- $dynamicRef ---- */

static bool depends_on_scope(const struct schemas *schemas, struct str name) {
    const unsigned *count = index_dynamic_anchors(schemas, name);

    return count != NULL && *count > 1;
}

/* Only where there is a choice do schemas need to note which resources they entered. */
static bool settle_dynamic(struct schemas *schemas) {
    bool has_dynamic = false;

    for (struct schema *schema = schemas->first; schema != NULL; schema = schema->next) {
        struct op *ops = (struct op *)schema->ops;

        for (uint16_t i = 0; i < schema->op_count; i++) {
            if (strcmp(ops[i].keyword, "$dynamicRef") != 0) {
                continue;
            }
            if (depends_on_scope(schemas, ops[i].u.dynamic->anchor)) {
                has_dynamic = true;
            } else {
                keyword_logic_make_static(&ops[i]);
            }
        }
    }
    for (struct schema *schema = schemas->first; schema != NULL; schema = schema->next) {
        schema->is_scoped = has_dynamic;
    }
    return has_dynamic;
}

/* ---- references that never end ---- */

struct search {
    struct loader *loader;
    struct schema *schema; /* whose operations are looked at */
    unsigned depth;
    bool is_good;
};

static void visit(struct search *search, struct schema *schema);

static void report_loop(struct search *search, const struct op *op) {
    bool is_ref = strcmp(op->keyword, "$ref") == 0;

    search->is_good = false;
    if (is_ref) {
        loader_fail_at(search->loader, search->schema->place, op->keyword,
                       "the reference \"%.*s\" leads back to itself", SHOWN(op->text));
    } else {
        loader_fail_at(search->loader, search->schema->place, op->keyword,
                       "leads back to itself by references");
    }
}

/* One schema that is applied to the same value. */
static void visit_target(void *user, const struct op *op, const struct schema **target) {
    struct search *search = user;
    struct schema *schema = search->schema;
    struct schema *next = (struct schema *)*target;

    if (next == NULL || next->state != SCHEMA_COMPILED) {
        return;
    }
    if (next->visit == VISITING) {
        report_loop(search, op);
        return;
    }
    visit(search, next);
    search->schema = schema;
    if (next->height >= schema->height) {
        schema->height = (uint16_t)(next->height + 1);
    }
}

static bool too_many(struct search *search, const struct schema *schema) {
    search->is_good = loader_fail(search->loader, schema->place,
                                  "more than %d schemas apply to the same value, each inside of "
                                  "the other",
                                  SCHEMA_IN_PLACE_MAX);
    return false;
}

static void visit(struct search *search, struct schema *schema) {
    if (schema->visit == VISITED || !search->is_good) {
        return;
    }
    schema->visit = VISITING;
    if (++search->depth > SCHEMA_IN_PLACE_MAX) {
        too_many(search, schema);
    }
    for (uint16_t i = 0; i < schema->op_count && search->is_good; i++) {
        search->schema = schema;
        each_in_place(&schema->ops[i], visit_target, search);
    }
    search->depth--;
    schema->visit = VISITED;
}

bool schema_finish(struct schemas *schemas) {
    bool is_good = true;
    bool has_loops = false;
    bool has_dynamic = false;

    for (const struct schema *schema = schemas->first; schema != NULL; schema = schema->next) {
        is_good = is_good && schema->state == SCHEMA_COMPILED;
    }
    if (is_good) {
        has_dynamic = settle_dynamic(schemas);
    }
    for (struct schema *schema = schemas->first; schema != NULL; schema = schema->next) {
        struct search search = { .loader = schemas->loader, .is_good = true };

        if (schema->state != SCHEMA_COMPILED) {
            continue; /* its mistakes were reported, its program may be incomplete */
        }
        visit(&search, schema);
        if (schema->height > SCHEMA_IN_PLACE_MAX) {
            too_many(&search, schema);
        }
        has_loops = has_loops || !search.is_good;
    }
    if (has_loops) {
        schemas->soundness = SOUND_NONE;
    } else if (is_good) {
        schemas->soundness = SOUND_ALL;
    }
    is_good = is_good && !has_loops;
    if (is_good && !has_dynamic) {
        skip_references(schemas);
    }
    return is_good;
}

/*
 * ---- which schemas of a document with mistakes can be run ----
 *
 * Those that lead to none of the mistakes. What a schema may apply are the schemas within it and
 * the targets of references; they are followed by a queue, so that the stack stays small whatever
 * the document.
 */

/* Values that are looked at for one document; beyond, nothing more is called sound. */
enum { STEPS_MAX = 5000000 };

struct look {
    struct schemas *schemas;
    size_t count; /* of the queue */
    bool is_sound;
};

static void put(struct look *look, const struct value *node) {
    struct schema *schema = index_find(look->schemas, node);

    if (schema == NULL || schema->state != SCHEMA_COMPILED) {
        look->is_sound = false;
    } else if (schema->mark != look->schemas->mark) {
        schema->mark = look->schemas->mark;
        look->schemas->queue[look->count++] = schema;
    }
}

/* Put the schemas right below `node`. The depth is that of the document's JSON. */
static void scan(struct look *look, const struct value *node) {
    for (const struct value *one = node->child; one != NULL && look->is_sound; one = one->next) {
        if (look->schemas->steps++ >= STEPS_MAX ||
            (one->key.data != NULL && str_is(one->key, "$dynamicRef"))) {
            look->is_sound = false;
        } else if (index_find(look->schemas, one) != NULL) {
            put(look, one);
        } else if (one->type == VALUE_OBJECT || one->type == VALUE_ARRAY) {
            scan(look, one);
        }
    }
}

bool schema_finish_is_sound(struct schemas *schemas, const struct schema *schema) {
    struct look look = { .schemas = schemas, .is_sound = true };

    if (schemas->soundness != SOUND_SOME) {
        return schemas->soundness == SOUND_ALL;
    }
    if (schemas->queue == NULL) {
        schemas->queue =
            loader_alloc(schemas->loader, schemas->nodes.count + 1, sizeof(*schemas->queue));
        if (schemas->queue == NULL) {
            return false;
        }
    }
    schemas->mark++;
    put(&look, schema->source);
    for (size_t i = 0; i < look.count && look.is_sound; i++) {
        const struct value *source = schemas->queue[i]->source;
        const struct value *target = schema_index_target(schemas, source);

        scan(&look, source);
        if (target != NULL) {
            put(&look, target);
        }
    }
    return look.is_sound;
}
