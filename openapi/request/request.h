/*
 * A request, judged by a document: its operation, its parameters, its body.
 *
 * A document is only read: any number of threads may ask.
 */
#ifndef OPENAPI_REQUEST_REQUEST_H
#define OPENAPI_REQUEST_REQUEST_H

#include "openapi/document/document.h"

enum {
    REQUEST_QUERY_PAIRS_MAX = 1000, /* name=value in one query; beyond, it is refused */
    REQUEST_PARAM_ITEMS_MAX = 1000, /* items of an array in one parameter; beyond, it is refused */
    REQUEST_BODY_DEPTH_MAX = 64,    /* levels of arrays and objects in a body */
    REQUEST_BODY_VALUES_MAX = 65536 /* values in a body */
};

enum route {
    ROUTE_FOUND,
    ROUTE_NO_PATH,  /* 404 */
    ROUTE_NO_METHOD /* 405 */
};

struct match {
    enum route route;
    const struct operation *operation;           /* FOUND only */
    struct str allow;                            /* FOUND and NO_METHOD: "GET, HEAD, POST" */
    struct str values[DOCUMENT_PATH_PARAMS_MAX]; /* of each {template}, still encoded */
};

/*
 * Find the operation of a request. `path` is the request target up to '?', as received; a literal
 * segment wins over a template. HEAD is answered where GET is.
 */
void request_match(const struct document *doc, struct str method, struct str path,
                   struct match *ret_match);

/*
 * Looks up a request header; sets ret_count to the number of fields of that name. When there are
 * several, the answer is all their values with commas between them.
 */
typedef struct str request_header_fn(void *user, struct str name, unsigned *ret_count);

/* Check path, query ("limit=1&cursor=x", as received), header and cookie parameters. */
bool request_params(const struct match *match, struct str query, request_header_fn *header,
                    void *user, struct report *report);

/* Whether the operation takes a body of this Content-Type ("application/json; charset=utf-8"). */
bool request_takes_media(const struct operation *operation, struct str content_type);

/*
 * Check a body of a media type that the operation takes; one that is not JSON is not looked into.
 * Malformed JSON, and JSON over a limit, is one error with keyword "json" and its line and column.
 * `limits` NULL: REQUEST_BODY_DEPTH_MAX and REQUEST_BODY_VALUES_MAX. A small body is judged without
 * an allocation.
 */
bool request_body(const struct operation *operation, struct str content_type, const char *body,
                  size_t len, const struct json_scan_limits *limits, struct report *report);

#endif
