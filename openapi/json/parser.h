/*
 * What the files of the JSON parser share; nobody else includes this.
 */
#ifndef OPENAPI_JSON_PARSER_H
#define OPENAPI_JSON_PARSER_H

#include "json.h"

struct parser {
    struct arena *arena;
    const char *pos;
    const char *end;
    uint32_t values_left;
    enum oa_json_failure failure;
    const char *reason; /* the first error, or NULL */
    const char *at;
};

/*
 * Note the first error; `reason` is static or in the arena. Always NULL, so that it can be returned
 * as a node.
 */
struct oa_json *parser_fail(struct parser *p, const char *at, const char *reason);

/* The same for a limit or for memory. */
struct oa_json *parser_stop(struct parser *p, const char *at, enum oa_json_failure failure);

/* Take a string with its quotes; false after parser_fail(). */
bool parser_string(struct parser *p, struct str *ret_text, uint32_t *ret_points);

/* The object, or NULL after parser_fail() when a name occurs twice. */
struct oa_json *parser_check_members(struct parser *p, struct oa_json *object);

#endif
