/*
 * An OpenAPI 3.1 document, ready to judge requests.
 *
 * Loading does everything that can fail: syntax, references, schemas. What is not supported (a
 * parameter style, a reference to another file) is an error of the document, never silently
 * ignored; openapi/README.md lists it. A loaded document is read-only: any number of threads may
 * use it.
 *
 * Source: OpenAPI Specification 3.1.0, JSON Schema draft 2020-12.
 */
#ifndef OPENAPI_DOCUMENT_DOCUMENT_H
#define OPENAPI_DOCUMENT_DOCUMENT_H

#include "openapi/loader.h"

enum {
    DOCUMENT_BASE_BYTES_MAX = 256, /* of the path of a server's URL */
    DOCUMENT_TAGS_MAX = 1000,
    DOCUMENT_PATH_PARAMS_MAX = 8,       /* {templates} in one path */
    DOCUMENT_PATH_SEGMENTS_MAX = 64,    /* of one path, the base path's included */
    DOCUMENT_LITERAL_BYTES_MAX = 256,   /* of one segment of a path, decoded */
    DOCUMENT_PARAMS_MAX = 32,           /* parameters of one operation, the path item's included */
    DOCUMENT_PARAM_PROPERTIES_MAX = 64, /* properties of a parameter that is an object */
    DOCUMENT_MEDIA_TYPES_MAX = 32       /* media types of one request body */
};

struct document;

struct operation {
    struct str id;           /* operationId; "GET /orders" when the document gives none */
    unsigned success_status; /* the first 2xx that the document declares; 0: none */
    uint64_t statuses[8];    /* bit n: the document declares status 100 + n */
    bool takes_body;         /* it has a requestBody */
    bool body_required;
    const struct body *body;
    struct param *params; /* in the document's order, linked */
    unsigned number;      /* for the caller's own use; 0 until it sets it */
};

/*
 * Load `file`. NULL: every mistake, up to LOADER_PROBLEMS_MAX, was handed to `problem`, then one
 * line more when there are more. Free with document_free(), which allows NULL.
 */
struct document *document_load(const char *file, loader_problem_fn *problem, void *user);
void document_free(struct document *doc);

/* The same from memory; `text` must outlive the document. `name` is for messages only. */
struct document *document_parse(const char *name, const char *text, size_t len,
                                loader_problem_fn *problem, void *user);

/*
 * Call `visit` with each operation, once; it may set `number` while nobody else uses the document.
 */
void document_visit(struct document *doc, void (*visit)(void *user, struct operation *operation),
                    void *user);

struct document_counts {
    size_t paths;
    size_t operations;
    size_t schemas; /* in the components */
};
struct document_counts document_count(const struct document *doc);

/* Whether the document declares this status for the operation (a range such as 2XX counts). */
bool operation_declares(const struct operation *operation, unsigned status);

#endif
