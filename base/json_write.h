/*
 * Writing JSON (RFC 8259) to a buffer: the caller provides the structure, commas are the writer's
 * concern. Failure is the buffer's: check out->failed. Not thread-safe.
 */
#ifndef BASE_JSON_WRITE_H
#define BASE_JSON_WRITE_H

#include "buf.h"

enum { JSON_WRITE_DEPTH_MAX = 32 };

/*
 * `name` is that of a member, NULL inside an array or at the top. Less than JSON_WRITE_DEPTH_MAX
 * levels, begins and ends in pairs: anything else is a bug.
 */
struct json_writer {
    struct buf *out;
    unsigned depth;
    bool needs_comma[JSON_WRITE_DEPTH_MAX];
};

void json_write_init(struct json_writer *writer, struct buf *out);
void json_write_begin_object(struct json_writer *writer, const char *name);
void json_write_end_object(struct json_writer *writer);
void json_write_begin_array(struct json_writer *writer, const char *name);
void json_write_end_array(struct json_writer *writer);
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
void json_write_quoted(struct buf *out, const char *bytes, size_t length);

#endif
