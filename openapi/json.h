/*
 * A tree of JSON values that keeps what a validator needs: exact numbers, code points, where a
 * value stands in the text. What is JSON decides base/json_scan.h, from which it is built.
 *
 * The tree points into the text, which must outlive it; a string with escapes is decoded into the
 * arena. Pure: no input or output, any thread.
 */
#ifndef OPENAPI_JSON_H
#define OPENAPI_JSON_H

#include "base/arena.h"
#include "base/json_scan.h"

enum {
    OA_JSON_VALUES_MAX = 65536, /* default of json_scan_limits.values_max */
    OA_JSON_PAIRWISE_MAX = 16   /* objects with more members have them sorted, too */
};

/* One bit a type, so that a set of types is a mask. */
enum oa_json_type {
    OA_NULL = JSON_SCAN_NULL,
    OA_FALSE = JSON_SCAN_FALSE,
    OA_TRUE = JSON_SCAN_TRUE,
    OA_NUMBER = JSON_SCAN_NUMBER,
    OA_STRING = JSON_SCAN_STRING,
    OA_ARRAY = JSON_SCAN_ARRAY,
    OA_OBJECT = JSON_SCAN_OBJECT
};

struct oa_json {
    enum oa_json_type type;
    uint32_t count; /* object, array: children; string: code points; number: see `integer` */
    struct str key; /* decoded name when the parent is an object */
    struct str raw; /* the value as it stands in the text */
    union {
        struct str text;                /* string: decoded content; else no text (len 0) */
        int64_t integer;                /* number with count 1: its value, of up to 18 digits */
        const struct oa_json **members; /* object of more than OA_JSON_PAIRWISE_MAX: by name */
    };
    struct oa_json *child;
    struct oa_json *next;
};

/* Parse all of `text` as one value. NULL: `ret_error` says why. */
struct oa_json *oa_json_parse(struct arena *arena, const char *text, size_t len, unsigned depth_max,
                              struct json_scan_error *ret_error);

/* The same with a limit on the number of values, so that a short text cannot take much memory. */
struct oa_json *oa_json_parse_limited(struct arena *arena, const char *text, size_t len,
                                      const struct json_scan_limits *limits,
                                      struct json_scan_error *ret_error);

/* The member of an object, or NULL; NULL also when it is no object. */
const struct oa_json *oa_json_get(const struct oa_json *object, const char *name);
const struct oa_json *oa_json_member(const struct oa_json *object, struct str name);

/*
 * Deep equality as JSON Schema defines it: 1 equals 1.0, members in any order. Linear in the size
 * of the values.
 */
bool oa_json_equal(const struct oa_json *a, const struct oa_json *b);

/* Equal values have equal hashes. `seed` keeps others from guessing which values collide. */
uint64_t oa_json_hash(const struct oa_json *value, uint64_t seed);

#endif
