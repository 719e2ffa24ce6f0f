/*
 * JSON in: trees of json-c, built from the events of base/json_scan.h, which decides what is JSON.
 *
 * Numbers keep their source text, so decimals stay exact (json_get_decimal). json-c's own tokener
 * is not used: even with its strict flags it keeps the last of duplicate names, cuts names at
 * \u0000, saturates large integers, and cannot say in which line an error is.
 */
#ifndef RUNTIME_JSON_JSON_H
#define RUNTIME_JSON_JSON_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json_scan.h"

struct json_object; /* json-c's */

enum {
    JSON_DEPTH_MAX = 32,
    JSON_VALUES_MAX = 4096, /* at all levels; an empty object takes about 800 bytes of memory */
};

/*
 * Parse; the value is freed with the arena. The value of the text `null` is NULL. `ret_error` (may
 * be NULL) is filled on ERR_INVALID and on ERR_NO_MEMORY: the arena or malloc is exhausted. Linear
 * in the length.
 */
MUST_CHECK enum err json_parse(struct arena *arena, const char *text, size_t length,
                               struct json_object **ret_value, struct json_scan_error *ret_error);

/* Typed members of an object. ERR_NOT_FOUND: no such member (or null); ERR_INVALID: another type or
   not representable; ERR_TOO_LARGE: number over int64_t. `scale` as in decimal_to_int(); 0 for
   integers, 1.0 included. */
MUST_CHECK enum err json_get_decimal(struct json_object *object, const char *name, unsigned scale,
                                     int64_t *ret_value);
/* The string lives as long as the object; `ret_length` in bytes, may contain NUL. */
MUST_CHECK enum err json_get_string(struct json_object *object, const char *name,
                                    const char **ret_str, size_t *ret_length);
bool json_is_object(struct json_object *value);
/* The member is there, whatever its value (null included). */
bool json_has_member(struct json_object *object, const char *name);
/*
 * The first member whose name is in none of `names` (NULL-terminated), or NULL: for refusing
 * unknown members.
 */
const char *json_unknown_member(struct json_object *object, const char *const *names);

#endif
