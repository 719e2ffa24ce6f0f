#include "document.h"
#include "compile.h"
#include "openapi/document/file.h"

#include <stdlib.h>

struct oa_schema_document {
    struct oa_document *doc;
    const struct oa_schema *root;
};

static const struct oa_schema *load(struct oa_loader *loader, const char *text, size_t len,
                                    const struct oa_schema_options *options) {
    const struct oa_place root = { .key = { "", 0 } };
    struct oa_schemas *schemas = oa_schemas_of(loader);
    struct oa_schema *schema;
    struct json_scan_error error;

    if (schemas == NULL) {
        return NULL;
    }
    schemas->is_strict = false;
    schemas->asserts_formats = options != NULL && options->asserts_formats;
    loader->doc->root = oa_json_parse(loader->doc->arena, text, len, JSON_SCAN_DEPTH_MAX, &error);
    if (loader->doc->root == NULL) {
        loader_fail_text(loader, "line %zu, column %zu: %s", error.line, error.column,
                         error.reason);
        return NULL;
    }
    schema = oa_schema_compile(loader, loader->doc->root, &root);
    return oa_schema_check_loops(loader) ? schema : NULL;
}

struct oa_schema_document *oa_schema_document_parse(const char *name, const char *text, size_t len,
                                                    const struct oa_schema_options *options,
                                                    oa_problem_fn problem, void *user) {
    struct oa_schema_document *document;
    struct oa_loader loader;

    if (!loader_open(&loader, name, problem, user)) {
        return NULL;
    }
    document = loader_alloc(&loader, 1, sizeof(*document));
    if (document != NULL) {
        document->doc = loader.doc;
        document->root = load(&loader, text, len, options);
    }
    if (document == NULL || document->root == NULL || loader.problem_count > 0) {
        oa_document_free(loader.doc);
        return NULL;
    }
    return document;
}

struct oa_schema_document *oa_schema_document_load(const char *file,
                                                   const struct oa_schema_options *options,
                                                   oa_problem_fn problem, void *user) {
    struct oa_schema_document *document;
    size_t len;
    char *text = oa_file_read(file, &len, problem, user);

    if (text == NULL) {
        return NULL;
    }
    document = oa_schema_document_parse(file, text, len, options, problem, user);
    if (document == NULL) {
        free(text);
        return NULL;
    }
    document->doc->text = text;
    return document;
}

void oa_schema_document_free(struct oa_schema_document *document) {
    if (document != NULL) {
        oa_document_free(document->doc); /* the arena holds both */
    }
}

const struct oa_schema *oa_schema_document_root(const struct oa_schema_document *document) {
    return document->root;
}
