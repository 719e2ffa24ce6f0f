/*
 * An OpenAPI 3.1 document, ready to judge requests.
 *
 * Loading does everything that can fail: syntax, references, schemas. What is not supported (a
 * parameter style, a reference to another file) is an error of the document, never silently
 * ignored; README.md in this directory lists it. A loaded document is read-only: any number of
 * threads may use it.
 *
 * Source: OpenAPI Specification 3.1.0, JSON Schema draft 2020-12.
 */
#ifndef OPENAPI_DOCUMENT_DOCUMENT_H
#define OPENAPI_DOCUMENT_DOCUMENT_H

#include "base/arena.h"
#include "openapi/json.h"
#include "openapi/report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    OA_PROBLEMS_MAX = 100,       /* mistakes of one document that are reported */
    OA_PROBLEM_BYTES_MAX = 1000, /* of one line about a mistake, with its zero byte */
    OA_BASE_BYTES_MAX = 256,     /* of the path of a server's URL */
    OA_TAGS_MAX = 1000,
    OA_PATH_PARAMS_MAX = 8,       /* {templates} in one path */
    OA_PATH_SEGMENTS_MAX = 64,    /* of one path, the base path's included */
    OA_LITERAL_BYTES_MAX = 256,   /* of one segment of a path, decoded */
    OA_PARAMS_MAX = 32,           /* parameters of one operation, the path item's included */
    OA_PARAM_PROPERTIES_MAX = 64, /* properties of a parameter that is an object */
    OA_MEDIA_TYPES_MAX = 32,      /* media types of one request body */
    OA_QUERY_PAIRS_MAX = 1000,    /* name=value in one query; beyond, it is refused */
    OA_PARAM_ITEMS_MAX = 1000,    /* items of an array in one parameter; beyond, it is refused */
    OA_DOCUMENT_BYTES_MAX = 4 * 1024 * 1024,
    OA_BODY_DEPTH_MAX = 64,    /* levels of arrays and objects in a request body */
    OA_BODY_VALUES_MAX = 65536 /* values in a request body */
};

struct oa_document;

struct oa_operation {
    struct str id;           /* operationId; "GET /orders" when the document gives none */
    unsigned success_status; /* the first 2xx that the document declares; 0: none */
    uint64_t statuses[8];    /* bit n: the document declares status 100 + n */
    bool takes_body;         /* it has a requestBody */
    bool body_required;
    const struct oa_body *body;
    struct oa_param *params; /* in the document's order, linked */
    unsigned number;         /* for the caller's own use; 0 until it sets it */
};

enum oa_route {
    OA_ROUTE_FOUND,
    OA_ROUTE_NO_PATH,  /* 404 */
    OA_ROUTE_NO_METHOD /* 405 */
};

struct oa_match {
    enum oa_route route;
    const struct oa_operation *operation;  /* FOUND only */
    struct str allow;                      /* FOUND and NO_METHOD: "GET, HEAD, POST" */
    struct str values[OA_PATH_PARAMS_MAX]; /* what stands for each {template}, still encoded */
};

/*
 * Receives each mistake of a document as one line: the file, the JSON Pointer (or line and column)
 * and the reason. `line` is gone when the function returns.
 */
typedef void (*oa_problem_fn)(void *user, const char *line);

/*
 * Load `file`. NULL: every mistake, up to OA_PROBLEMS_MAX, was handed to `problem`, then one line
 * more when there are more. Free with oa_document_free(), which allows NULL.
 */
struct oa_document *oa_document_load(const char *file, oa_problem_fn problem, void *user);
void oa_document_free(struct oa_document *doc);

/* The same from memory; `text` must outlive the document. `name` is for messages only. */
struct oa_document *oa_document_parse(const char *name, const char *text, size_t len,
                                      oa_problem_fn problem, void *user);

/*
 * Find the operation of a request. `path` is the request target up to '?', as received; a literal
 * segment wins over a template. HEAD is answered where GET is.
 */
void oa_document_route(const struct oa_document *doc, struct str method, struct str path,
                       struct oa_match *ret_match);

/*
 * Call `visit` with each operation, once; it may set `number` while nobody else uses the document.
 */
void oa_document_visit(struct oa_document *doc,
                       void (*visit)(void *user, struct oa_operation *operation), void *user);

struct oa_counts {
    size_t paths;
    size_t operations;
    size_t schemas; /* in the components */
};
struct oa_counts oa_document_count(const struct oa_document *doc);

/* Whether the document declares this status for the operation (a range such as 2XX counts). */
bool oa_operation_declares(const struct oa_operation *operation, unsigned status);

/* Whether the operation takes a body of this Content-Type ("application/json; charset=utf-8"). */
bool oa_operation_takes_media(const struct oa_operation *operation, struct str content_type);

/*
 * Looks up a request header; sets ret_count to the number of fields of that name. When there are
 * several, the answer is all their values with commas between them.
 */
typedef struct str (*oa_header_fn)(void *user, struct str name, unsigned *ret_count);

/* Check path, query ("limit=1&cursor=x", as received), header and cookie parameters. */
bool oa_check_params(const struct oa_match *match, struct str query, oa_header_fn header,
                     void *user, struct oa_report *report);

/* What one body may ask for; beyond, it is refused. */
struct oa_limits {
    unsigned depth_max;  /* levels of arrays and objects, at most JSON_SCAN_DEPTH_MAX */
    uint32_t values_max; /* values of any type, containers among them */
};

/*
 * Check a body of a media type that the operation takes; one that is not JSON is not looked into.
 * Malformed JSON, and JSON over a limit, is one error with keyword "json" and its line and column.
 * `limits` NULL: OA_BODY_DEPTH_MAX and OA_BODY_VALUES_MAX. A small
 * body is judged without an allocation.
 */
bool oa_check_body(const struct oa_operation *operation, struct str content_type, const char *body,
                   size_t len, const struct oa_limits *limits, struct oa_report *report);

#endif
