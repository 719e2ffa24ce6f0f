/* Binary parameters and columns (PostgreSQL's send/recv formats, big-endian). */
#include "pg.h"

#include <assert.h>
#include <endian.h>
#include <libpq-fe.h>
#include <limits.h>
#include <string.h>

/* Type OIDs of array elements, from the server's pg_type.dat; they never change. */
enum { OID_INT8 = 20, OID_TEXT = 25, OID_TIMESTAMPTZ = 1184 };

/* Milliseconds from 1970-01-01 to PostgreSQL's epoch, 2000-01-01. */
#define PG_EPOCH_UNIX_MS INT64_C(946684800000)

enum {
    ARRAY_HEADER_BYTES = 20
}; /* dimensions, has-nulls flag, element type, length, lower bound */

static const struct pg_param NO_MEMORY = { NULL, -1 };

static char *put_int4(char *at, int32_t value) {
    uint32_t wire = htobe32((uint32_t)value);
    memcpy(at, &wire, sizeof(wire));
    return at + sizeof(wire);
}

static char *put_int8(char *at, int64_t value) {
    uint64_t wire = htobe64((uint64_t)value);
    memcpy(at, &wire, sizeof(wire));
    return at + sizeof(wire);
}

static int64_t time_to_wire(int64_t unix_ms) {
    return (unix_ms - PG_EPOCH_UNIX_MS) * 1000;
}

struct pg_param pg_null(void) {
    return (struct pg_param){ NULL, 0 };
}

struct pg_param pg_int8(struct arena *arena, int64_t value) {
    char *bytes = arena_alloc(arena, sizeof(int64_t));
    if (bytes == NULL) {
        return NO_MEMORY;
    }
    put_int8(bytes, value);
    return (struct pg_param){ bytes, sizeof(int64_t) };
}

struct pg_param pg_int4(struct arena *arena, int32_t value) {
    char *bytes = arena_alloc(arena, sizeof(int32_t));
    if (bytes == NULL) {
        return NO_MEMORY;
    }
    put_int4(bytes, value);
    return (struct pg_param){ bytes, sizeof(int32_t) };
}

struct pg_param pg_text(const char *bytes, size_t length) {
    if (length > INT_MAX) {
        return NO_MEMORY;
    }
    return (struct pg_param){ bytes, (int)length };
}

struct pg_param pg_time(struct arena *arena, int64_t unix_ms) {
    return pg_int8(arena, time_to_wire(unix_ms));
}

static char *put_array_header(char *at, size_t count, int has_nulls, int32_t element_oid) {
    at = put_int4(at, 1);
    at = put_int4(at, has_nulls);
    at = put_int4(at, element_oid);
    at = put_int4(at, (int32_t)count);
    return put_int4(at, 1);
}

static struct pg_param wide_array(struct arena *arena, const int64_t *values, size_t count,
                                  int32_t element_oid, int64_t (*convert)(int64_t)) {
    size_t bytes_total = ARRAY_HEADER_BYTES + count * (sizeof(int32_t) + sizeof(int64_t));
    if (bytes_total > INT_MAX) {
        return NO_MEMORY;
    }
    char *bytes = arena_alloc(arena, bytes_total);
    if (bytes == NULL) {
        return NO_MEMORY;
    }
    char *at = put_array_header(bytes, count, 0, element_oid);
    for (size_t i = 0; i < count; i++) {
        at = put_int4(at, sizeof(int64_t));
        at = put_int8(at, convert == NULL ? values[i] : convert(values[i]));
    }
    return (struct pg_param){ bytes, (int)bytes_total };
}

struct pg_param pg_int8_array(struct arena *arena, const int64_t *values, size_t count) {
    return wide_array(arena, values, count, OID_INT8, NULL);
}

struct pg_param pg_time_array(struct arena *arena, const int64_t *unix_ms, size_t count) {
    return wide_array(arena, unix_ms, count, OID_TIMESTAMPTZ, time_to_wire);
}

struct pg_param pg_text_array(struct arena *arena, const struct str *values, size_t count) {
    size_t bytes_total = ARRAY_HEADER_BYTES;
    int has_nulls = 0;
    for (size_t i = 0; i < count; i++) {
        bytes_total += sizeof(int32_t) + (values[i].data == NULL ? 0 : values[i].len);
        has_nulls |= values[i].data == NULL;
    }
    if (bytes_total > INT_MAX) {
        return NO_MEMORY;
    }
    char *bytes = arena_alloc(arena, bytes_total);
    if (bytes == NULL) {
        return NO_MEMORY;
    }
    char *at = put_array_header(bytes, count, has_nulls, OID_TEXT);
    for (size_t i = 0; i < count; i++) {
        if (values[i].data == NULL) {
            at = put_int4(at, -1);
            continue;
        }
        at = put_int4(at, (int32_t)values[i].len);
        memcpy(at, values[i].data, values[i].len);
        at += values[i].len;
    }
    return (struct pg_param){ bytes, (int)bytes_total };
}

/* ---- columns ---- */

static const char *column(const struct pg_rows *rows, size_t row, int index, int bytes) {
    const PGresult *result = rows->handle;
    assert(row < rows->count && index < PQnfields(result));
    assert(bytes < 0 || PQgetlength(result, (int)row, index) == bytes);
    (void)bytes;
    return PQgetvalue(result, (int)row, index);
}

bool pg_is_null(const struct pg_rows *rows, size_t row, int index) {
    return PQgetisnull(rows->handle, (int)row, index) == 1;
}

int64_t pg_get_int8(const struct pg_rows *rows, size_t row, int index) {
    uint64_t wire;
    memcpy(&wire, column(rows, row, index, sizeof(wire)), sizeof(wire));
    return (int64_t)be64toh(wire);
}

int32_t pg_get_int4(const struct pg_rows *rows, size_t row, int index) {
    uint32_t wire;
    memcpy(&wire, column(rows, row, index, sizeof(wire)), sizeof(wire));
    return (int32_t)be32toh(wire);
}

bool pg_get_bool(const struct pg_rows *rows, size_t row, int index) {
    return column(rows, row, index, 1)[0] != 0;
}

int64_t pg_get_time(const struct pg_rows *rows, size_t row, int index) {
    int64_t us = pg_get_int8(rows, row, index);
    int64_t ms = us / 1000 - (us % 1000 < 0 ? 1 : 0);
    return ms + PG_EPOCH_UNIX_MS;
}

struct str pg_get_text(const struct pg_rows *rows, size_t row, int index) {
    if (pg_is_null(rows, row, index)) {
        return (struct str){ NULL, 0 };
    }
    return (struct str){ column(rows, row, index, -1),
                         (size_t)PQgetlength(rows->handle, (int)row, index) };
}
