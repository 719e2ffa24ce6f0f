/*
 * The schemas of an OpenAPI document: where they stand (OpenAPI 3.1.0, 4.8), and the examples and
 * defaults, which mislead everybody who reads them when they do not match their own schema.
 */
#include "shape.h"

#include <stdio.h>

/* ---- where they stand ---- */

static bool is_one_of(struct str key, const char *const *names) {
    while (*names != NULL && !str_is(key, *names)) {
        names++;
    }
    return *names != NULL;
}

/* In values of these nothing is a schema. */
static bool is_opaque(struct str key) {
    static const char *const names[] = { "example", "examples", "default",         "enum", "value",
                                         "links",   "servers",  "securitySchemes", NULL };

    return is_one_of(key, names) || shape_is_extension(key);
}

static void walk(struct loader *loader, const struct value *node, const struct place *place,
                 bool is_names);

static void note_schema(struct loader *loader, const struct value *node,
                        const struct place *place) {
    schema_note(shape_loader(loader)->doc->schemas, node, place);
}

/* Objects of named schemas, parameters, ...: all of them but the schemas are walked like others. */
static void walk_components(struct loader *loader, const struct value *components,
                            const struct place *place) {
    for (const struct value *kind = components->child; kind != NULL; kind = kind->next) {
        const struct place *at = loader_keep(loader, place_member(place, kind));

        if (at == NULL || is_opaque(kind->key) || kind->type != VALUE_OBJECT) {
            continue;
        }
        if (!str_is(kind->key, "schemas")) {
            walk(loader, kind, at, true);
            continue;
        }
        for (const struct value *one = kind->child; one != NULL; one = one->next) {
            const struct place *below = loader_keep(loader, place_member(at, one));

            if (below != NULL) {
                note_schema(loader, one, below);
            }
        }
    }
}

static void walk_member(struct loader *loader, const struct value *member,
                        const struct place *place) {
    /* their value is an object of named things, not a thing with members of its own */
    static const char *const of_names[] = { "paths",    "webhooks",   "responses",
                                            "headers",  "content",    "callbacks",
                                            "encoding", "parameters", NULL };

    if (str_is(member->key, "schema")) {
        note_schema(loader, member, place);
    } else if (str_is(member->key, "components") && member->type == VALUE_OBJECT) {
        walk_components(loader, member, place);
    } else {
        walk(loader, member, place, is_one_of(member->key, of_names));
    }
}

/* `is_names`: the members' names are the document's, not OpenAPI's. */
static void walk(struct loader *loader, const struct value *node, const struct place *place,
                 bool is_names) {
    bool is_thing = node->type == VALUE_OBJECT && !is_names;
    size_t index = 0;

    if (node->type != VALUE_OBJECT && node->type != VALUE_ARRAY) {
        return;
    }
    for (const struct value *child = node->child; child != NULL; child = child->next, index++) {
        const struct place *at;

        /* an extension, or a name like one: found when it is used */
        if (node->type == VALUE_OBJECT &&
            (is_thing ? is_opaque(child->key) : shape_is_extension(child->key))) {
            continue;
        }
        at = loader_keep(loader, place_child(place, child, index));
        if (at != NULL && is_thing) {
            walk_member(loader, child, at);
        } else if (at != NULL) {
            walk(loader, child, at, false);
        }
    }
}

struct schemas *schemas_of(struct loader *loader) {
    static const struct schema_options options = { .is_strict = true, .asserts_formats = true };
    struct document *doc = shape_loader(loader)->doc;
    const struct place *root;

    if (doc->schemas == NULL) {
        root = loader_keep(loader, report_root);
        doc->schemas = root != NULL ? schema_open(loader, &options) : NULL;
        if (doc->schemas != NULL) {
            walk(loader, loader->root, root, false);
            schema_compile_noted(doc->schemas);
        }
    }
    return doc->schemas;
}

/* ---- examples and defaults ---- */

/* One that is to be checked when all schemas are known. */
struct example {
    struct example *next;
    const struct schema *schema;
    const struct value *value;
};

/* What the reports about all examples may take. */
enum { ARENA_BYTES_MAX = 4 * 1024 * 1024, ERRORS_MAX = 32 };

static void note(struct loader *loader, const struct schema *schema, const struct value *value) {
    struct document_loader *all = shape_loader(loader);
    struct example *example;

    if (schema == NULL || value == NULL) {
        return;
    }
    example = loader_alloc(loader, 1, sizeof(*example));
    if (example != NULL) {
        *example = (struct example){ .schema = schema, .value = value };
        *(all->examples_last != NULL ? &all->examples_last->next : &all->examples) = example;
        all->examples_last = example;
    }
}

void schemas_note_examples(struct loader *loader, const struct value *owner,
                           const struct place *place, const struct schema *schema) {
    const struct value *examples = shape_object(owner, "examples");
    const struct value *example = value_get(owner, "example");
    struct place list = place_text(place, "examples");

    if (example != NULL && value_get(owner, "examples") != NULL) {
        loader_fail(loader, place, "has either \"example\" or \"examples\", not both");
    }
    note(loader, schema, example);
    for (const struct value *one = examples != NULL ? examples->child : NULL; one != NULL;
         one = one->next) {
        struct place one_at = place_member(&list, one);
        const struct place *at = &one_at;
        const struct value *target = one;
        struct place storage;

        if (one->type == VALUE_OBJECT && loader_follow(loader, &target, &at, &storage)) {
            note(loader, schema, value_get(target, "value"));
        }
    }
}

/* Write the pointer of `wanted`, which is `from` or below it. */
static bool write_pointer(const struct value *from, const struct value *wanted,
                          const struct place *place, char *buf, size_t bytes, size_t *ret_len) {
    size_t index = 0;

    if (from == wanted) {
        *ret_len = report_place(place, buf, bytes);
        return true;
    }
    for (const struct value *one = from->child; one != NULL; one = one->next, index++) {
        struct place at = place_child(place, one, index);

        if (one->raw.data <= wanted->raw.data &&
            wanted->raw.data + wanted->raw.len <= one->raw.data + one->raw.len) {
            return write_pointer(one, wanted, &at, buf, bytes, ret_len);
        }
    }
    return false;
}

/* All examples together are judged in one arena. */
struct judge {
    struct loader *loader;
    struct arena *arena;
};

static void check(const struct judge *judge, const struct schema *schema, const struct value *value,
                  const char *what) {
    struct loader *loader = judge->loader;
    struct report report;
    char pointer[512];
    size_t len = 0;

    report_init(&report, judge->arena, ERRORS_MAX);
    if (value == NULL || loader->problem_count > LOADER_PROBLEMS_MAX ||
        !schema_finish_is_sound(shape_loader(loader)->doc->schemas, schema) ||
        schema_run(schema, value, &report_root, NULL, &report)) {
        return;
    }
    (void)write_pointer(loader->root, value, &report_root, pointer, sizeof(pointer), &len);
    for (const struct report_error *error = report.first; error != NULL; error = error->next) {
        char whole[1024];
        int n = snprintf(whole, sizeof(whole), "%.*s%.*s", (int)len, pointer, (int)error->path.len,
                         error->path.data);
        struct place at = { .key = { whole, n > 0 ? (size_t)n : 0 } };

        loader_fail(loader, &at, "the %s does not match its schema: %.*s", what,
                    SHOWN(error->message));
    }
    if (report.out_of_memory) {
        loader_fail(loader, &report_root, "out of memory");
    }
}

static void check_schema(void *user, const struct schema *schema, const struct value *source) {
    const struct value *examples = shape_array(source, "examples");

    check(user, schema, value_get(source, "example"), "example");
    check(user, schema, value_get(source, "default"), "default");
    for (const struct value *one = examples != NULL ? examples->child : NULL; one != NULL;
         one = one->next) {
        check(user, schema, one, "example");
    }
}

void schemas_check_examples(struct loader *loader) {
    const struct document_loader *all = shape_loader(loader);
    struct judge judge = { .loader = loader, .arena = arena_open(ARENA_BYTES_MAX) };

    if (judge.arena == NULL) {
        loader_fail(loader, &report_root, "out of memory");
    } else {
        for (const struct example *one = all->examples; one != NULL; one = one->next) {
            check(&judge, one->schema, one->value, "example");
        }
        schema_each(all->doc->schemas, check_schema, &judge);
    }
    arena_close(judge.arena);
}
