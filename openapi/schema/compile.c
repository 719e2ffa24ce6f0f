#include "compile.h"

#include <stdlib.h>
#include <string.h>

static bool check_false(struct oa_run *run, const struct oa_op *op, const struct oa_json *value,
                        const struct oa_place *place, struct oa_marks *marks) {
    (void)op;
    (void)value;
    (void)marks;
    return oa_fail(run, place, "false", "%s",
                   place != NULL && place->parent == NULL ? "no value is allowed"
                                                          : "must not be present");
}

/* ---- helpers of keywords --------------------------------------------------------------------- */

struct oa_op *oa_compiler_op(struct oa_compiler *c, const char *keyword,
                             const struct oa_json *value, unsigned types, oa_check_fn check) {
    struct oa_op *op = &c->ops[c->schema->op_count++];

    *op = (struct oa_op){ .check = check, .keyword = keyword, .types = types };
    if (value != NULL) {
        op->text = value->type == OA_STRING ? value->text : value->raw;
    }
    return op;
}

const struct oa_schema *oa_compiler_schema(struct oa_compiler *c, const struct oa_json *node,
                                           const struct oa_place *place) {
    if (node->type != OA_OBJECT && node->type != OA_TRUE && node->type != OA_FALSE) {
        loader_fail(c->loader, place, "a schema must be an object, true or false");
        return NULL;
    }
    return oa_index_find(c->schemas, node);
}

bool oa_compiler_list(struct oa_compiler *c, const struct oa_json *value,
                      const struct oa_place *place, struct oa_schema_list *ret_list) {
    struct oa_schema_list list = { .count = 0 };
    bool is_good = true;

    if (value->type != OA_ARRAY || value->count == 0) {
        return loader_fail(c->loader, place, "must be an array of at least one schema");
    }
    list.items = loader_alloc(c->loader, value->count, sizeof(*list.items));
    if (list.items == NULL) {
        return false;
    }
    for (const struct oa_json *item = value->child; item != NULL; item = item->next) {
        struct oa_place at = place_index(place, list.count);

        list.items[list.count] = oa_compiler_schema(c, item, &at);
        is_good = list.items[list.count] != NULL && is_good;
        list.count++;
    }
    *ret_list = list;
    return is_good;
}

bool oa_compiler_size(struct oa_compiler *c, const struct oa_json *value,
                      const struct oa_place *place, uint64_t *ret_size) {
    struct decimal d;
    uint64_t n = 0;

    if (value->type != OA_NUMBER) {
        return loader_fail(c->loader, place, "must be an integer from 0");
    }
    d = decimal_parse(value->raw);
    if (d.negative || !decimal_is_integer(&d) || (int64_t)d.digits + d.exponent > 15) {
        return loader_fail(c->loader, place, "must be an integer from 0 to 999999999999999");
    }
    for (size_t i = 0; i < d.text.len; i++) {
        if (d.text.data[i] != '.') {
            n = n * 10 + (uint64_t)(d.text.data[i] - '0');
        }
    }
    for (int64_t i = 0; n > 0 && i < d.exponent; i++) {
        n *= 10;
    }
    *ret_size = n;
    return true;
}

static int compare_texts(const void *a, const void *b) {
    return str_compare((*(const struct oa_json *const *)a)->text,
                       (*(const struct oa_json *const *)b)->text);
}

bool oa_compiler_names(struct oa_compiler *c, const struct oa_json *value,
                       const struct oa_place *place) {
    const struct oa_json **sorted;
    size_t count = 0;

    if (value->type != OA_ARRAY) {
        return loader_fail(c->loader, place, "must be an array of names");
    }
    sorted = loader_alloc(c->loader, value->count + 1, sizeof(*sorted));
    if (sorted == NULL) {
        return false;
    }
    for (const struct oa_json *name = value->child; name != NULL; name = name->next) {
        if (name->type != OA_STRING) {
            return loader_fail(c->loader, place, "must be an array of names");
        }
        sorted[count++] = name;
    }
    qsort(sorted, count, sizeof(*sorted), compare_texts);
    for (size_t i = 1; i < count; i++) {
        if (str_equal(sorted[i - 1]->text, sorted[i]->text)) {
            return loader_fail(c->loader, place, "%.*s is given twice", OA_STR(sorted[i]->raw));
        }
    }
    return true;
}

const struct pattern *oa_compiler_pattern(struct oa_compiler *c, struct str source,
                                             const struct oa_place *place) {
    struct pattern_code *pattern = loader_alloc(c->loader, 1, sizeof(*pattern));
    char reason[160];

    if (pattern == NULL) {
        return NULL;
    }
    pattern->code = pattern_compile(source, reason, sizeof(reason));
    if (pattern->code == NULL) {
        loader_fail(c->loader, place, "%s", reason);
        return NULL;
    }
    pattern->next = c->schemas->patterns;
    c->schemas->patterns = pattern;
    return pattern->code;
}

/* ---- one schema ------------------------------------------------------------------------------ */

static bool compile_keywords(struct oa_compiler *c) {
    const struct oa_schema *schema = c->schema;
    bool is_good = true;

    for (const struct oa_json *m = schema->source->child; m != NULL; m = m->next) {
        const struct oa_keyword *keyword = oa_keyword_find(c->schemas, m->key);
        struct oa_place at = place_member(schema->place, m);

        if (keyword == NULL) {
            is_good =
                (!c->schemas->is_strict || oa_keyword_refuse_unknown(c->loader, m->key, &at)) &&
                is_good;
        } else if (keyword->compile != NULL) {
            is_good = keyword->compile(c, m, &at) && is_good;
        }
    }
    return is_good;
}

/* unevaluatedItems and -Properties come last: they are about what all others left. */
static void order_ops(const struct oa_compiler *c) {
    struct oa_op *end = c->ops + c->schema->op_count;

    for (struct oa_op *op = c->ops, *stop = end; op < stop;) {
        struct oa_op moved = *op;

        if (strncmp(op->keyword, "unevaluated", 11) != 0) {
            op++;
            continue;
        }
        memmove(op, op + 1, (size_t)(end - op - 1) * sizeof(*op));
        end[-1] = moved;
        stop--;
    }
}

static bool compile(struct oa_loader *loader, struct oa_schema *schema) {
    struct oa_compiler c = { .loader = loader, .schemas = loader->doc->schemas, .schema = schema };

    if (schema->source->type != OA_OBJECT && schema->source->type != OA_TRUE &&
        schema->source->type != OA_FALSE) {
        return loader_fail(loader, schema->place, "a schema must be an object, true or false");
    }
    /* the two operations that several keywords share come on top of one for each keyword */
    c.ops = loader_alloc(loader, schema->source->count + 3, sizeof(*c.ops));
    if (c.ops == NULL) {
        return false;
    }
    schema->ops = c.ops;
    if (schema->is_false) {
        oa_compiler_op(&c, "false", NULL, OA_ANY, check_false);
    }
    if (schema->source->type != OA_OBJECT) {
        return true;
    }
    if (!compile_keywords(&c)) {
        return false;
    }
    order_ops(&c);
    return oa_object_finish(&c) && oa_array_finish(&c) && oa_number_finish(&c) &&
           oa_string_finish(&c);
}

/* References may add to the list while it is worked on. */
bool oa_schemas_compile(struct oa_loader *loader) {
    struct oa_schemas *schemas = loader->doc->schemas;
    bool is_good = true;

    for (;;) {
        struct oa_schema *schema =
            schemas->compiled_up_to != NULL ? schemas->compiled_up_to->next : schemas->first;

        if (schema == NULL) {
            return is_good;
        }
        schemas->compiled_up_to = schema;
        schema->state = compile(loader, schema) ? OA_COMPILED : OA_FAILED;
        is_good = is_good && schema->state == OA_COMPILED;
    }
}

/*
 * The document's own resource; when it is opened, all schemas of an OpenAPI document are compiled.
 */
static struct oa_resource *open_document(struct oa_loader *loader) {
    const struct oa_place root = { .key = { "", 0 } };
    struct oa_schemas *schemas = oa_schemas_of(loader);

    if (schemas == NULL || schemas->document != NULL) {
        return schemas != NULL ? schemas->document : NULL;
    }
    schemas->document = oa_index_resource(loader, loader->doc->root, oa_place_keep(loader, root),
                                          (struct str){ "", 0 });
    if (schemas->document != NULL && schemas->is_strict) {
        oa_index_openapi(loader, schemas->document);
        oa_schemas_compile(loader);
    }
    return schemas->document;
}

struct oa_schema *oa_schema_compile(struct oa_loader *loader, const struct oa_json *node,
                                    const struct oa_place *place) {
    struct oa_resource *resource = open_document(loader);
    struct oa_schema *schema;

    if (resource == NULL) {
        return NULL;
    }
    if (oa_index_find(loader->doc->schemas, node) == NULL) {
        const struct oa_place *kept = oa_place_keep_all(loader, place);

        if (kept == NULL || !oa_index_schema(loader, node, kept, resource)) {
            return NULL;
        }
        oa_schemas_compile(loader);
    }
    schema = oa_index_find(loader->doc->schemas, node);
    return schema->state == OA_COMPILED ? schema : NULL;
}

bool oa_schema_check_loops(struct oa_loader *loader) {
    return open_document(loader) != NULL && oa_schemas_check(loader);
}

const struct oa_json *oa_schema_target(struct oa_loader *loader, const struct oa_json *node) {
    const struct oa_schema *schema =
        open_document(loader) != NULL ? oa_index_find(loader->doc->schemas, node) : NULL;

    for (uint16_t i = 0; schema != NULL && i < schema->op_count; i++) {
        if (strcmp(schema->ops[i].keyword, "$ref") == 0) {
            return schema->ops[i].u.schema->source;
        }
    }
    return NULL;
}

void oa_schema_each(struct oa_loader *loader,
                    void (*visit)(struct oa_loader *loader, void *user,
                                  const struct oa_schema *schema, const struct oa_json *source),
                    void *user) {
    const struct oa_schema *schema = loader->doc->schemas->first;

    for (; schema != NULL; schema = schema->next) {
        visit(loader, user, schema, schema->source);
    }
}

void oa_schema_free_all(struct oa_schemas *schemas) {
    if (schemas == NULL) {
        return;
    }
    for (const struct pattern_code *p = schemas->patterns; p != NULL; p = p->next) {
        pattern_free(p->code);
    }
}
