/* Loading a document, step by step; what there is in it. */
#include "document.h"
#include "base/ascii.h"
#include "shape.h"

#include <stdlib.h>
#include <string.h>

/* Another version means something else by the same words: nothing more is said about it. */
static bool check_version(struct loader *loader) {
    const struct value *version;

    if (loader->root->type != VALUE_OBJECT) {
        return loader_fail(loader, &report_root, "an OpenAPI document must be an object");
    }
    version = value_get(loader->root, "openapi");
    if (version == NULL && value_get(loader->root, "swagger") != NULL) {
        return loader_fail(loader, &report_root,
                           "a document of Swagger 2.0 must be converted to OpenAPI 3.1");
    }
    if (version == NULL) {
        return loader_fail(loader, &report_root, "%s must have the member \"openapi\"",
                           objects_document.what);
    }
    if (version->type != VALUE_STRING || version->text.len < 5 ||
        memcmp(version->text.data, "3.1.", 4) != 0) {
        return loader_fail_at(loader, &report_root, "openapi",
                              "must be a version 3.1, for example \"3.1.0\"");
    }
    return true;
}

/* The first thing in it is a comment, a separator or a plain word: what people write in YAML. */
static bool is_yaml(const char *text, size_t len) {
    return len > 1 && (text[0] == '#' || text[0] == '-' || ascii_is_lower(text[0])) &&
           memchr(text, ':', len) != NULL;
}

static void load(struct loader *loader, const char *text, size_t len) {
    struct document *doc = shape_loader(loader)->doc;
    struct schemas *schemas;

    if (!loader_parse(loader, text, len,
                      is_yaml(text, len) ? "; YAML must be converted to JSON" : "") ||
        !check_version(loader)) {
        return;
    }
    doc->root = loader->root;
    shape_walk(loader, &objects_document);
    servers_load(loader);
    paths_load(loader);
    operation_check_ids(loader);
    schemas = schemas_of(loader);
    if (schemas != NULL) {
        (void)schema_finish(schemas);
        schemas_check_examples(loader);
    }
}

struct document *document_parse(const char *name, const char *text, size_t len,
                                loader_problem_fn *problem, void *user) {
    struct document_loader all = { .doc = NULL };
    struct loader *loader = &all.loader;

    if (!loader_open(loader, name, problem, user)) {
        return NULL;
    }
    all.doc = loader_alloc(loader, 1, sizeof(*all.doc));
    if (all.doc == NULL) {
        arena_close(loader->arena);
        return NULL;
    }
    all.doc->arena = loader->arena;
    load(loader, text, len);
    if (loader->problem_count > 0) {
        document_free(all.doc);
        return NULL;
    }
    return all.doc;
}

void document_free(struct document *doc) {
    if (doc == NULL) {
        return;
    }
    schema_close(doc->schemas);
    free(doc->text);
    arena_close(doc->arena); /* the document is in it */
}

struct document *document_load(const char *file, loader_problem_fn *problem, void *user) {
    size_t len;
    char *text = loader_read(file, &len, problem, user);
    struct document *doc = text != NULL ? document_parse(file, text, len, problem, user) : NULL;

    if (doc == NULL) {
        free(text);
        return NULL;
    }
    doc->text = text; /* which the document points into */
    return doc;
}

void document_visit(struct document *doc, void (*visit)(void *user, struct operation *operation),
                    void *user) {
    for (size_t i = 0; i < doc->path_count; i++) {
        for (struct method *m = doc->paths[i].methods; m != NULL; m = m->next) {
            visit(user, &m->operation);
        }
    }
}

struct document_counts document_count(const struct document *doc) {
    const struct value *components = value_get(doc->root, "components");
    const struct value *schemas = components != NULL ? value_get(components, "schemas") : NULL;
    struct document_counts counts = { .paths = doc->path_count };

    counts.schemas = schemas != NULL ? schemas->count : 0;
    for (size_t i = 0; i < doc->path_count; i++) {
        for (const struct method *m = doc->paths[i].methods; m != NULL; m = m->next) {
            counts.operations++;
        }
    }
    return counts;
}
