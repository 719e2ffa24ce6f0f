/*
 * JSON in and out (RFC 8259): trees of json-c for reading, appending to a buffer for writing.
 *
 * Reading is strict: one value, nothing after it, valid UTF-8 without a byte order mark, no NaN, no
 * comments, no single quotes, no control characters in strings, no half surrogate pairs, no leading
 * zeros, nesting at most JSON_DEPTH_MAX, at most JSON_VALUES_MAX values (an empty object of two
 * bytes takes about 800 of memory), no duplicate member names, no \u0000 in a name. Numbers keep
 * their source text, so decimals stay exact (json_get_decimal). Writing: the caller provides
 * structure with the helpers; commas are the writer's concern.
 */
#ifndef RUNTIME_JSON_JSON_H
#define RUNTIME_JSON_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object; /* json-c's */

enum {
    JSON_DEPTH_MAX = 32,
    JSON_VALUES_MAX = 4096, /* scalars, arrays and objects, at all levels */
    JSON_TEXT_BYTES_MAX = 1 << 30,
    JSON_MESSAGE_BYTES = 160,
};

struct json_error {
    size_t offset;                    /* bytes from the start */
    unsigned line;                    /* from 1 */
    unsigned column;                  /* from 1, in bytes */
    char message[JSON_MESSAGE_BYTES]; /* "malformed JSON at line 1, column 14: …" */
};

/*
 * Parse; the value is freed with the arena. The value of the text `null` is NULL. ERR_INVALID fills
 * `ret_error` (may be NULL); ERR_NO_MEMORY when the arena or malloc is exhausted. Linear in
 * `length`.
 */
MUST_CHECK enum err json_parse(struct arena *arena, const char *text, size_t length,
                               struct json_object **ret_value, struct json_error *ret_error);

/* Typed members of an object. ERR_NOT_FOUND: no such member (or null); ERR_INVALID: another type or
   not representable; ERR_TOO_LARGE: number over int64_t. `scale` as in decimal_parse(); 0 for
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

/*
 * Writer. A writer with a NULL-named value is inside an array or at the top. Less than
 * JSON_DEPTH_MAX levels, begins and ends in pairs: anything else is a bug. Failure is the buffer's:
 * check out->failed.
 */
struct json_writer {
    struct buf *out;
    unsigned depth;
    bool needs_comma[JSON_DEPTH_MAX];
};

void json_writer_init(struct json_writer *writer, struct buf *out);
void json_begin_object(struct json_writer *writer, const char *name);
void json_end_object(struct json_writer *writer);
void json_begin_array(struct json_writer *writer, const char *name);
void json_end_array(struct json_writer *writer);
void json_write_int(struct json_writer *writer, const char *name, int64_t value);
void json_write_decimal(struct json_writer *writer, const char *name, int64_t value, unsigned scale,
                        unsigned decimals_min);
void json_write_bool(struct json_writer *writer, const char *name, bool value);
void json_write_null(struct json_writer *writer, const char *name);
void json_write_string(struct json_writer *writer, const char *name, const char *bytes,
                       size_t length);
void json_write_str(struct json_writer *writer, const char *name, const char *str); /* NULL: null */
void json_write_time(struct json_writer *writer, const char *name,
                     int64_t unix_ms); /* RFC 3339, UTC, ms */
/* Bytes that are JSON already. */
void json_write_raw(struct json_writer *writer, const char *name, const char *json, size_t length);

/* Append `bytes` as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD. */
void json_append_string(struct buf *out, const char *bytes, size_t length);
/* Count code points of valid UTF-8. */
size_t json_count_characters(const char *bytes, size_t length);

#endif
