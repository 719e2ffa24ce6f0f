/*
 * A tree of JSON values that keeps what a validator needs: exact numbers, code points, where a
 * value stands in the text. What is JSON decides base/json_scan.h, from which it is built.
 *
 * The tree points into the text, which must outlive it; a string with escapes is decoded into the
 * arena. Pure: no input or output, any thread.
 */
#ifndef OPENAPI_VALUE_H
#define OPENAPI_VALUE_H

#include "base/arena.h"
#include "base/json_scan.h"

enum {
    VALUE_COUNT_MAX = 65536, /* default of json_scan_limits.values_max */
    VALUE_PAIRWISE_MAX = 16  /* objects with more members have them sorted, too */
};

/* One bit a type, so that a set of types is a mask. */
enum value_type {
    VALUE_NULL = JSON_SCAN_NULL,
    VALUE_FALSE = JSON_SCAN_FALSE,
    VALUE_TRUE = JSON_SCAN_TRUE,
    VALUE_NUMBER = JSON_SCAN_NUMBER,
    VALUE_STRING = JSON_SCAN_STRING,
    VALUE_ARRAY = JSON_SCAN_ARRAY,
    VALUE_OBJECT = JSON_SCAN_OBJECT
};

struct value {
    enum value_type type;
    uint32_t count; /* object, array: children; string: code points; number: see `integer` */
    struct str key; /* decoded name when the parent is an object */
    struct str raw; /* the value as it stands in the text */
    union {
        struct str text;              /* string: decoded content; else no text (len 0) */
        int64_t integer;              /* number with count 1: its value, of up to 18 digits */
        const struct value **members; /* object of more than VALUE_PAIRWISE_MAX: by name */
    };
    struct value *child;
    struct value *next;
};

/* Parse all of `text` as one value. NULL: `ret_error` says why. */
struct value *value_parse(struct arena *arena, const char *text, size_t len, unsigned depth_max,
                          struct json_scan_error *ret_error);

/* The same with a limit on the number of values, so that a short text cannot take much memory. */
struct value *value_parse_limited(struct arena *arena, const char *text, size_t len,
                                  const struct json_scan_limits *limits,
                                  struct json_scan_error *ret_error);

/* The member of an object, or NULL; NULL also when it is no object. */
const struct value *value_get(const struct value *object, const char *name);
const struct value *value_member(const struct value *object, struct str name);

/*
 * Make the members of a finished object found, which the parser has done for its own: those of a
 * large one are sorted. False: no memory.
 */
bool value_sort(struct arena *arena, struct value *object);

/*
 * Deep equality as JSON Schema defines it: 1 equals 1.0, members in any order. Linear in the size
 * of the values.
 */
bool value_equal(const struct value *a, const struct value *b);

/* Equal values have equal hashes. `seed` keeps others from guessing which values collide. */
uint64_t value_hash(const struct value *value, uint64_t seed);

#endif
