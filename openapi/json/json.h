/*
 * A strict JSON parser (RFC 8259) that keeps what a validator needs: exact numbers, code points,
 * where a value stands in the text.
 *
 * Refused beyond the grammar: text that is not UTF-8, unpaired surrogates, duplicate members, more
 * levels or values than the limits allow, a byte order mark. The tree points into the text, which
 * must outlive it; a string with escapes is decoded into the arena. Pure: no input or output, any
 * thread.
 */
#ifndef OPENAPI_JSON_JSON_H
#define OPENAPI_JSON_JSON_H

#include "base/arena.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    OA_JSON_DEPTH_MAX = 128, /* the highest depth_max that may be asked for */
    OA_JSON_BYTES_MAX = 1024 * 1024 * 1024,
    OA_JSON_VALUES_MAX = 65536,      /* default of oa_json_limits.values_max */
    OA_JSON_INTEGER_DIGITS_MAX = 18, /* of oa_json.integer; longer ones are only text */
    OA_JSON_PAIRWISE_MAX = 16        /* objects with more members have them sorted, too */
};

/* One bit a type, so that a set of types is a mask. */
enum oa_json_type {
    OA_NULL = 1,
    OA_FALSE = 2,
    OA_TRUE = 4,
    OA_NUMBER = 8,
    OA_STRING = 16,
    OA_ARRAY = 32,
    OA_OBJECT = 64
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

struct oa_json_limits {
    unsigned depth_max;  /* levels of arrays and objects, at most OA_JSON_DEPTH_MAX */
    uint32_t values_max; /* of the whole tree, arrays and objects included */
};

enum oa_json_failure {
    OA_JSON_MALFORMED,
    OA_JSON_TOO_DEEP,
    OA_JSON_TOO_MANY, /* values */
    OA_JSON_NO_MEMORY
};

struct oa_json_error {
    enum oa_json_failure failure;
    const char *reason; /* "expected ':' after a member name": static, or in the arena */
    size_t offset;      /* of the first byte that does not fit */
    size_t line;        /* from 1 */
    size_t column;      /* from 1, in code points */
};

/*
 * Parse all of `text` as one value. NULL: `ret_error` says why (reason "out of memory" when the
 * arena is exhausted).
 */
struct oa_json *oa_json_parse(struct arena *arena, const char *text, size_t len, unsigned depth_max,
                              struct oa_json_error *ret_error);

/* The same with a limit on the number of values, so that a short text cannot take much memory. */
struct oa_json *oa_json_parse_limited(struct arena *arena, const char *text, size_t len,
                                      const struct oa_json_limits *limits,
                                      struct oa_json_error *ret_error);

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

/* The length of the UTF-8 sequence at `s` (1 to 4), or 0 when it is not one. `end` > `s`. */
unsigned oa_utf8_sequence(const unsigned char *s, const unsigned char *end);

#endif
