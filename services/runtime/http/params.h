/*
 * Reading and refusing parameters of a request, the same way everywhere. A problem is answered by
 * the caller with http_reply_invalid(): 400 with a JSON Pointer, the keyword and a message.
 */
#ifndef RUNTIME_HTTP_PARAMS_H
#define RUNTIME_HTTP_PARAMS_H

#include "base/err.h"
#include "server.h"

#include <stdint.h>

struct http_problem {
    const char *path;    /* "/quantity", "path/id", "query/limit"; "" for the whole body */
    const char *keyword; /* JSON Schema's: "minimum", "type", "required", … */
    const char *message; /* "must be >= 1" */
};

/*
 * A path segment that is a positive decimal integer up to INT64_MAX, without sign or leading zeros.
 */
MUST_CHECK enum err http_path_id(const struct http_exchange *exchange, size_t index,
                                 int64_t *ret_id);
/* A decimal query parameter within [min, max]; absent: `fallback`. ERR_INVALID otherwise. */
MUST_CHECK enum err http_query_int(struct http_exchange *exchange, const char *name, int64_t min,
                                   int64_t max, int64_t fallback, int64_t *ret_value);
/* 400 {"statusCode","message","errors":[…]}; ends the exchange. */
void http_reply_invalid(struct http_exchange *exchange, const struct http_problem *problems,
                        size_t count);

#endif
