#include "base/ascii.h"
#include "file.h"
#include "shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A document's tables take several times its text. */
enum { ARENA_BYTES_MAX = 256 * 1024 * 1024 };

void *loader_alloc(struct oa_loader *loader, size_t count, size_t size) {
    const struct oa_place root = { .key = { "", 0 } };
    void *memory = arena_array(loader->doc->arena, count, size);

    if (memory == NULL) {
        loader_fail(loader, &root, "out of memory");
    }
    return memory;
}

/* Another version means something else by the same words: nothing more is said about it. */
static bool check_version(struct oa_loader *loader) {
    const struct oa_place root = { .key = { "", 0 } };
    const struct oa_place at = place_text(&root, "openapi");
    const struct oa_json *version;

    if (loader->doc->root->type != OA_OBJECT) {
        return loader_fail(loader, &root, "an OpenAPI document must be an object");
    }
    version = oa_json_get(loader->doc->root, "openapi");
    if (version == NULL && oa_json_get(loader->doc->root, "swagger") != NULL) {
        return loader_fail(loader, &root,
                           "a document of Swagger 2.0 must be converted to OpenAPI "
                           "3.1");
    }
    if (version == NULL) {
        return loader_fail(loader, &root, "%s must have the member \"openapi\"",
                           oa_shape_document.what);
    }
    if (version->type != OA_STRING || version->text.len < 5 ||
        memcmp(version->text.data, "3.1.", 4) != 0) {
        return loader_fail(loader, &at, "must be a version 3.1, for example \"3.1.0\"");
    }
    return true;
}

/* The first thing in it is a comment, a separator or a plain word: what people write in YAML. */
static bool is_yaml(const char *text, size_t len) {
    return len > 1 && (text[0] == '#' || text[0] == '-' || ascii_is_lower(text[0])) &&
           memchr(text, ':', len) != NULL;
}

static void load(struct oa_loader *loader, const char *text, size_t len) {
    struct json_scan_error error;

    loader->doc->root = oa_json_parse(loader->doc->arena, text, len, JSON_SCAN_DEPTH_MAX, &error);
    if (loader->doc->root == NULL) {
        loader_fail_text(loader, "line %zu, column %zu: %s%s", error.line, error.column,
                         error.reason,
                         is_yaml(text, len) ? "; YAML must be converted to JSON" : "");
        return;
    }
    if (!check_version(loader)) {
        return;
    }
    oa_shape_walk(loader);
    load_servers(loader);
    load_paths(loader);
    load_routes(loader);
    load_operation_ids(loader);
    (void)oa_schema_check_loops(loader);
    oa_examples_check(loader);
}

bool loader_open(struct oa_loader *loader, const char *name, oa_problem_fn problem, void *user) {
    struct arena *arena = arena_open(ARENA_BYTES_MAX);
    char line[OA_PROBLEM_BYTES_MAX];

    *loader = (struct oa_loader){ .name = name, .problem = problem, .user = user };
    if (arena != NULL) {
        loader->doc = arena_zalloc(arena, sizeof(*loader->doc));
    }
    if (loader->doc == NULL) {
        arena_close(arena);
        snprintf(line, sizeof(line), "%s: out of memory", name);
        problem(user, line);
        return false;
    }
    loader->doc->arena = arena;
    return true;
}

struct oa_document *oa_document_parse(const char *name, const char *text, size_t len,
                                      oa_problem_fn problem, void *user) {
    struct oa_loader loader;

    if (!loader_open(&loader, name, problem, user)) {
        return NULL;
    }
    load(&loader, text, len);
    if (loader.problem_count > 0) {
        oa_document_free(loader.doc);
        return NULL;
    }
    return loader.doc;
}

void oa_document_free(struct oa_document *doc) {
    if (doc == NULL) {
        return;
    }
    oa_schema_free_all(doc->schemas);
    free(doc->text);
    arena_close(doc->arena); /* the document is in it */
}

struct oa_counts oa_document_count(const struct oa_document *doc) {
    const struct oa_json *components = oa_json_get(doc->root, "components");
    const struct oa_json *schemas = components != NULL ? oa_json_get(components, "schemas") : NULL;
    struct oa_counts counts = { .paths = doc->path_count };

    counts.schemas = schemas != NULL ? schemas->count : 0;
    for (size_t i = 0; i < doc->path_count; i++) {
        for (const struct oa_method *m = doc->paths[i].methods; m != NULL; m = m->next) {
            counts.operations++;
        }
    }
    return counts;
}

struct oa_document *oa_document_load(const char *file, oa_problem_fn problem, void *user) {
    size_t len;
    char *text = oa_file_read(file, &len, problem, user);
    struct oa_document *doc;

    if (text == NULL) {
        return NULL;
    }
    doc = oa_document_parse(file, text, len, problem, user); /* points into the text */
    if (doc == NULL) {
        free(text);
        return NULL;
    }
    doc->text = text;
    return doc;
}
