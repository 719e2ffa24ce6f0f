/* The way in: from a document's schemas to programs; a schema in a file of its own. */
#include "schema.h"
#include "compile.h"

#include <string.h>
#include <sys/random.h>

/* ---- one schema ---- */

static bool check_false(struct run *run, const struct op *op, const struct value *value,
                        const struct place *place, struct marks *marks) {
    (void)op;
    (void)value;
    (void)marks;
    return run_fail(run, place, "false", "%s",
                    place != NULL && place->parent == NULL ? "no value is allowed"
                                                           : "must not be present");
}

static bool compile_keywords(struct compiler *c) {
    const struct schema *schema = c->schema;
    bool is_good = true;

    for (const struct value *m = schema->source->child; m != NULL; m = m->next) {
        struct place at = place_member(schema->place, m);

        c->keyword = vocabulary_find(c->schemas, m->key);
        if (c->keyword == NULL) {
            is_good =
                (!c->schemas->options.is_strict || vocabulary_refuse(c->loader, m->key, &at)) &&
                is_good;
        } else if (c->keyword->compile != NULL) {
            is_good = c->keyword->compile(c, m, &at) && is_good;
        }
    }
    return is_good;
}

/* unevaluatedItems and -Properties come last: they are about what all others left. */
static void order_ops(const struct compiler *c) {
    struct op *end = c->ops + c->schema->op_count;

    for (struct op *op = c->ops, *stop = end; op < stop;) {
        struct op moved = *op;

        if (strncmp(op->keyword, "unevaluated", 11) != 0) {
            op++;
            continue;
        }
        memmove(op, op + 1, (size_t)(end - op - 1) * sizeof(*op));
        end[-1] = moved;
        stop--;
    }
}

static bool compile(struct schemas *schemas, struct schema *schema) {
    struct loader *loader = schemas->loader;
    struct compiler c = { .loader = loader, .schemas = schemas, .schema = schema };

    if (!index_may_be_schema(schema->source)) {
        return loader_fail(loader, schema->place, "a schema must be an object, true or false");
    }
    /* the two operations that several keywords share come on top of one for each keyword */
    c.ops = loader_alloc(loader, schema->source->count + 3, sizeof(*c.ops));
    if (c.ops == NULL) {
        return false;
    }
    schema->ops = c.ops;
    if (schema->is_false) {
        compile_op(&c, "false", NULL, SCHEMA_ANY, check_false);
    }
    if (schema->source->type != VALUE_OBJECT) {
        return true;
    }
    if (!compile_keywords(&c)) {
        return false;
    }
    order_ops(&c);
    return keyword_object_finish(&c) && keyword_array_finish(&c) && keyword_value_finish(&c);
}

/* ---- all of a document ---- */

struct schemas *schema_open(struct loader *loader, const struct schema_options *options) {
    struct schemas *schemas = loader_alloc(loader, 1, sizeof(*schemas));
    const struct place *root = loader_keep(loader, report_root);

    if (schemas == NULL || root == NULL) {
        return NULL;
    }
    schemas->loader = loader;
    schemas->options = *options;
    schemas->find_keyword = vocabulary_find;
    if (getrandom(&schemas->seed, sizeof(schemas->seed), GRND_NONBLOCK) < 0) {
        schemas->seed = (uint64_t)(uintptr_t)schemas; /* random enough: addresses are */
    }
    schemas->document = index_resource(schemas, loader->root, root, STR(""));
    return schemas->document != NULL ? schemas : NULL;
}

bool schema_note(struct schemas *schemas, const struct value *node, const struct place *place) {
    return index_schema(schemas, node, place, schemas->document);
}

bool schema_compile_noted(struct schemas *schemas) {
    bool is_good = true;

    for (;;) {
        struct schema *schema =
            schemas->compiled_up_to != NULL ? schemas->compiled_up_to->next : schemas->first;

        if (schema == NULL) {
            return is_good;
        }
        schemas->compiled_up_to = schema;
        schema->state = compile(schemas, schema) ? SCHEMA_COMPILED : SCHEMA_FAILED;
        is_good = is_good && schema->state == SCHEMA_COMPILED;
    }
}

static const struct place *keep_all(struct loader *loader, const struct place *place) {
    struct place copy = *place;

    if (place->parent != NULL) {
        copy.parent = keep_all(loader, place->parent);
        if (copy.parent == NULL) {
            return NULL;
        }
    }
    return loader_keep(loader, copy);
}

struct schema *schema_compile(struct schemas *schemas, const struct value *node,
                              const struct place *place) {
    struct schema *schema = index_find(schemas, node);

    if (schema == NULL) {
        place = keep_all(schemas->loader, place);
        if (place == NULL || !schema_note(schemas, node, place)) {
            return NULL;
        }
        schema_compile_noted(schemas);
        schema = index_find(schemas, node);
    }
    return schema->state == SCHEMA_COMPILED ? schema : NULL;
}

void schema_each(const struct schemas *schemas,
                 void (*visit)(void *user, const struct schema *schema, const struct value *source),
                 void *user) {
    for (const struct schema *schema = schemas->first; schema != NULL; schema = schema->next) {
        visit(user, schema, schema->source);
    }
}

void schema_close(struct schemas *schemas) {
    const struct pattern_code *p = schemas != NULL ? schemas->patterns : NULL;

    for (; p != NULL; p = p->next) {
        pattern_free(p->code);
    }
}

/* ---- a file of its own ---- */

struct schema_file {
    struct arena *arena; /* holds the file itself, too */
    char *text;          /* malloc'ed when it was read from a file, else NULL */
    struct schemas *schemas;
    const struct schema *root;
};

static bool load(struct schema_file *file, struct loader *loader, const char *text, size_t len,
                 const struct schema_options *options) {
    if (!loader_parse(loader, text, len, "")) {
        return false;
    }
    file->schemas = schema_open(loader, options);
    if (file->schemas == NULL) {
        return false;
    }
    file->root = schema_compile(file->schemas, loader->root, &report_root);
    return schema_finish(file->schemas) && file->root != NULL && loader->problem_count == 0;
}

struct schema_file *schema_file_parse(const char *name, const char *text, size_t len,
                                      const struct schema_options *options,
                                      loader_problem_fn *problem, void *user) {
    struct schema_file *file;
    struct loader loader;

    if (!loader_open(&loader, name, problem, user)) {
        return NULL;
    }
    file = loader_alloc(&loader, 1, sizeof(*file));
    if (file == NULL) {
        arena_close(loader.arena);
        return NULL;
    }
    file->arena = loader.arena;
    if (!load(file, &loader, text, len, options)) {
        schema_file_free(file);
        return NULL;
    }
    return file;
}

struct schema_file *schema_file_load(const char *name, const struct schema_options *options,
                                     loader_problem_fn *problem, void *user) {
    size_t len;
    char *text = loader_read(name, &len, problem, user);
    struct schema_file *file =
        text != NULL ? schema_file_parse(name, text, len, options, problem, user) : NULL;

    if (file == NULL) {
        free(text);
        return NULL;
    }
    file->text = text; /* which the schema points into */
    return file;
}

void schema_file_free(struct schema_file *file) {
    if (file != NULL) {
        schema_close(file->schemas);
        free(file->text);
        arena_close(file->arena);
    }
}

const struct schema *schema_file_root(const struct schema_file *file) {
    return file->root;
}
