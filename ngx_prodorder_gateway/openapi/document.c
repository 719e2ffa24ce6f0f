#include "document.h"
#include "loader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A document's tables take several times its text. */
enum { ARENA_BYTES_MAX = 256 * 1024 * 1024 };

bool loader_fail(struct oa_loader *loader, const struct oa_place *place, const char *format, ...) {
    char pointer[256];
    char reason[512];
    va_list args;

    if (loader->failed) {
        return false;
    }
    loader->failed = true;
    va_start(args, format);
    vsnprintf(reason, sizeof(reason), format, args);
    va_end(args);
    snprintf(loader->error, loader->error_bytes, "%s: #%.*s: %s", loader->name,
             (int)oa_place_write(place, pointer, sizeof(pointer)), pointer, reason);
    return false;
}

void *loader_alloc(struct oa_loader *loader, size_t count, size_t size) {
    const struct oa_place root = { .key = { "", 0 } };
    void *memory = oa_calloc(loader->doc->arena, count, size);

    if (memory == NULL) {
        loader_fail(loader, &root, "out of memory");
    }
    return memory;
}

static bool check_version(struct oa_loader *loader) {
    const struct oa_place root = { .key = { "", 0 } };
    const struct oa_json *version;

    if (loader->doc->root->type != OA_OBJECT) {
        return loader_fail(loader, &root, "an OpenAPI document must be an object");
    }
    version = oa_json_get(loader->doc->root, "openapi");
    if (version == NULL || version->type != OA_STRING || version->text.len < 4 ||
        memcmp(version->text.data, "3.1.", 4) != 0) {
        return loader_fail(loader, &root,
                           "\"openapi\" must be a version 3.1, for example "
                           "\"3.1.0\"");
    }
    return true;
}

static bool load(struct oa_loader *loader, const char *text, size_t len) {
    struct oa_json_error error;

    loader->doc->root = oa_json_parse(loader->doc->arena, text, len, OA_JSON_DEPTH_MAX, &error);
    if (loader->doc->root == NULL) {
        snprintf(loader->error, loader->error_bytes, "%s: line %zu, column %zu: %s", loader->name,
                 error.line, error.column, error.reason);
        return false;
    }
    return check_version(loader) && load_paths(loader) && oa_schema_check_loops(loader);
}

struct oa_document *oa_document_parse(const char *name, const char *text, size_t len, char *error,
                                      size_t error_bytes) {
    struct oa_arena *arena = oa_arena_open(ARENA_BYTES_MAX);
    struct oa_loader loader = { .name = name, .error = error, .error_bytes = error_bytes };

    if (arena != NULL) {
        loader.doc = oa_calloc(arena, 1, sizeof(*loader.doc));
    }
    if (loader.doc == NULL) {
        oa_arena_close(arena);
        snprintf(error, error_bytes, "%s: out of memory", name);
        return NULL;
    }
    loader.doc->arena = arena;
    if (!load(&loader, text, len)) {
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
    oa_arena_close(doc->arena); /* the document is in it */
}

/* The whole file, to be freed; NULL with `error` set. */
static char *read_file(const char *file, size_t *ret_len, char *error, size_t error_bytes) {
    FILE *stream = fopen(file, "rb");
    char *text = NULL;
    size_t len;

    if (stream == NULL) {
        snprintf(error, error_bytes, "%s: cannot be opened: %s", file, strerror(errno));
        return NULL;
    }
    text = malloc(OA_DOCUMENT_BYTES_MAX + 1);
    if (text == NULL) {
        snprintf(error, error_bytes, "%s: out of memory", file);
        goto failed;
    }
    len = fread(text, 1, OA_DOCUMENT_BYTES_MAX + 1, stream);
    if (ferror(stream)) {
        snprintf(error, error_bytes, "%s: cannot be read: %s", file, strerror(errno));
        goto failed;
    }
    if (len > OA_DOCUMENT_BYTES_MAX) {
        snprintf(error, error_bytes, "%s: larger than %d bytes", file, OA_DOCUMENT_BYTES_MAX);
        goto failed;
    }
    fclose(stream);
    *ret_len = len;
    return text;

failed:
    free(text);
    fclose(stream);
    return NULL;
}

struct oa_document *oa_document_load(const char *file, char *error, size_t error_bytes) {
    size_t len;
    char *text = read_file(file, &len, error, error_bytes);
    struct oa_document *doc;
    char *kept;

    if (text == NULL) {
        return NULL;
    }
    /* the tree points into the text: the document keeps a copy of the right size */
    kept = realloc(text, len + 1);
    if (kept == NULL) {
        kept = text;
    }
    doc = oa_document_parse(file, kept, len, error, error_bytes);
    if (doc == NULL) {
        free(kept);
        return NULL;
    }
    doc->text = kept;
    return doc;
}
