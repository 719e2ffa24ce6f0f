/*
 * The router: method and path to a route. Pure after http_router_open().
 *
 * A path is compared segment by segment; the server has decoded what of it may be decoded
 * (http_path()), what is still percent-encoded is left so. Where several patterns
 * match, the one whose first differing segment is literal wins. GET routes answer HEAD too, unless
 * HEAD has a route of its own.
 */
#ifndef RUNTIME_HTTP_ROUTER_H
#define RUNTIME_HTTP_ROUTER_H

#include "base/err.h"
#include "base/str.h"
#include "server.h"

enum { HTTP_PATH_SEGMENTS_MAX = 8, HTTP_ALLOW_BYTES_MAX = 128 };

struct http_router;

struct http_match {
    size_t route; /* index into the routes given to http_router_open() */
    struct str params[HTTP_PATH_PARAMS_MAX];
    size_t param_count;
};

/* `routes` must stay. A malformed pattern is a bug (assert). ERR_NO_MEMORY. */
MUST_CHECK enum err http_router_open(const struct http_route *routes, size_t route_count,
                                     struct http_router **ret_router);
void http_router_close(struct http_router *router); /* accepts NULL */

/* ERR_NOT_FOUND: no pattern matches; ERR_METHOD: some do, but none has the method. */
MUST_CHECK enum err http_router_match(const struct http_router *router, struct str method,
                                      struct str path, struct http_match *ret_match);

/* The value of Allow for a path: "GET, HEAD, POST". NUL-terminated, cut at whole methods. */
void http_router_allow(const struct http_router *router, struct str path,
                       char ret_allow[HTTP_ALLOW_BYTES_MAX]);

#endif
