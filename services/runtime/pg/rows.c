/* Rows in PostgreSQL's binary format (send and recv, big-endian): written into arrays, and read. */
#include "pg.h"

#include <assert.h>
#include <libpq-fe.h>
#include <limits.h>

/* Type OIDs of array elements, from the server's pg_type.dat; they never change. */
enum { OID_INT8 = 20, OID_TEXT = 25, OID_TIMESTAMPTZ = 1184 };

enum {
    HEADER_BYTES = 20, /* of an array: dimensions, has-nulls flag, type, length, lower bound */
    WIDE_BYTES = sizeof(int32_t) + sizeof(int64_t), /* an element with its length */
    ROWS_MAX = (INT_MAX - HEADER_BYTES) / sizeof(struct str),
};

static const struct pg_param NO_MEMORY = { .length = -1 };

static char *put_int4(char *at, int32_t value) {
    uint32_t wire = htobe32((uint32_t)value);
    memcpy(at, &wire, sizeof(wire));
    return at + sizeof(wire);
}

static char *put_wide(char *at, int64_t value) {
    uint64_t wire = htobe64((uint64_t)value);
    memcpy(put_int4(at, sizeof(wire)), &wire, sizeof(wire));
    return at + WIDE_BYTES;
}

static char *put_header(char *at, size_t count, bool has_null, int32_t element_oid) {
    at = put_int4(at, 1);
    at = put_int4(at, has_null);
    at = put_int4(at, element_oid);
    at = put_int4(at, (int32_t)count);
    return put_int4(at, 1);
}

/* ---- written: numbers in the form that is sent, texts as views until the end ---- */

void pg_rows_begin(struct pg_rows_writer *writer, struct arena *arena,
                   const struct pg_statement *statement, const char *types, size_t rows_max) {
    *writer = (struct pg_rows_writer){
        .arena = arena, .types = types, .rows_max = rows_max, .failed = rows_max > ROWS_MAX
    };
    writer->call.statement = statement;
    for (size_t c = 0; types[c] != '\0'; c++, writer->call.param_count++) {
        assert(c < PG_PARAMS_MAX);
        if (!writer->failed) {
            size_t bytes = types[c] == 't' ? rows_max * sizeof(struct str)
                                           : HEADER_BYTES + rows_max * WIDE_BYTES;
            writer->columns[c].cells = arena_alloc(arena, bytes);
            writer->failed = writer->columns[c].cells == NULL;
        }
    }
}

/* Where the next value goes; NULL when it is one too many, or when there was no memory. */
static struct pg_rows_column *next_column(struct pg_rows_writer *writer, char type) {
    writer->failed = writer->failed || writer->count == writer->rows_max;
    if (writer->failed) {
        return NULL;
    }
    size_t c = writer->column;
    assert(writer->types[c] == type);
    (void)type;
    writer->column = c + 1 == writer->call.param_count ? 0 : c + 1;
    return &writer->columns[c];
}

static void end_value(struct pg_rows_writer *writer) {
    writer->count += writer->column == 0;
}

static void put_number(struct pg_rows_writer *writer, char type, int64_t value) {
    struct pg_rows_column *column = next_column(writer, type);
    if (column != NULL) {
        put_wide((char *)column->cells + HEADER_BYTES + writer->count * WIDE_BYTES, value);
        end_value(writer);
    }
}

void pg_rows_put_int8(struct pg_rows_writer *writer, int64_t value) {
    put_number(writer, 'i', value);
}

void pg_rows_put_time(struct pg_rows_writer *writer, int64_t unix_ms) {
    put_number(writer, 'T', pg_time_to_wire(unix_ms));
}

void pg_rows_put_text(struct pg_rows_writer *writer, struct str text) {
    struct pg_rows_column *column = next_column(writer, 't');
    if (column != NULL) {
        ((struct str *)column->cells)[writer->count] = text;
        column->has_null = column->has_null || text.data == NULL;
        column->text_bytes += text.data == NULL ? 0 : text.len;
        end_value(writer);
    }
}

void pg_rows_put_trace(struct pg_rows_writer *writer, struct trace trace) {
    bool has_state = trace.state[0] != '\0';
    pg_rows_put_text(writer, str_of(trace.request_id));
    pg_rows_put_text(writer, str_of(trace.parent));
    pg_rows_put_text(writer, str_of(has_state ? trace.state : NULL));
}

static struct pg_param number_array(const struct pg_rows_writer *writer, size_t c) {
    char *bytes = writer->columns[c].cells;
    put_header(bytes, writer->count, false, writer->types[c] == 'T' ? OID_TIMESTAMPTZ : OID_INT8);
    return (struct pg_param){ bytes, .length = (int)(HEADER_BYTES + writer->count * WIDE_BYTES) };
}

static struct pg_param text_array(const struct pg_rows_writer *writer, size_t c) {
    const struct pg_rows_column *column = &writer->columns[c];
    const struct str *texts = column->cells;
    size_t bytes_total = HEADER_BYTES + writer->count * sizeof(int32_t) + column->text_bytes;
    char *bytes = bytes_total > INT_MAX ? NULL : arena_alloc(writer->arena, bytes_total);
    if (bytes == NULL) {
        return NO_MEMORY;
    }
    char *at = put_header(bytes, writer->count, column->has_null, OID_TEXT);
    for (size_t i = 0; i < writer->count; i++) {
        at = put_int4(at, texts[i].data == NULL ? -1 : (int32_t)texts[i].len);
        if (texts[i].data != NULL) {
            memcpy(at, texts[i].data, texts[i].len);
            at += texts[i].len;
        }
    }
    return (struct pg_param){ bytes, .length = (int)bytes_total };
}

struct pg_call pg_rows_call(struct pg_rows_writer *writer) {
    assert(writer->failed || writer->column == 0); /* whole rows */
    for (size_t c = 0; c < writer->call.param_count; c++) {
        writer->call.params[c] = writer->failed            ? NO_MEMORY
                                 : writer->types[c] == 't' ? text_array(writer, c)
                                                           : number_array(writer, c);
    }
    return writer->call;
}

struct pg_call pg_rows_ids_call(struct arena *arena, const struct pg_statement *statement,
                                const int64_t *ids, size_t count) {
    struct pg_rows_writer writer;
    pg_rows_begin(&writer, arena, statement, "i", count);
    for (size_t i = 0; i < count; i++) {
        pg_rows_put_int8(&writer, ids[i]);
    }
    return pg_rows_call(&writer);
}

/* ---- read ---- */

static const char *cell(const struct pg_rows *rows, size_t row, int column, int bytes) {
    const PGresult *result = rows->handle;
    assert(row < rows->count && column < PQnfields(result));
    assert(bytes < 0 || PQgetlength(result, (int)row, column) == bytes);
    (void)bytes;
    return PQgetvalue(result, (int)row, column);
}

bool pg_rows_is_null(const struct pg_rows *rows, size_t row, int column) {
    return PQgetisnull(rows->handle, (int)row, column) == 1;
}

int64_t pg_rows_get_int8(const struct pg_rows *rows, size_t row, int column) {
    uint64_t wire;
    memcpy(&wire, cell(rows, row, column, sizeof(wire)), sizeof(wire));
    return (int64_t)be64toh(wire);
}

bool pg_rows_get_bool(const struct pg_rows *rows, size_t row, int column) {
    return cell(rows, row, column, 1)[0] != 0;
}

int64_t pg_rows_get_time(const struct pg_rows *rows, size_t row, int column) {
    int64_t us = pg_rows_get_int8(rows, row, column);
    int64_t ms = us / 1000 - (us % 1000 < 0 ? 1 : 0);
    return ms + PG_EPOCH_UNIX_MS;
}

struct str pg_rows_get_text(const struct pg_rows *rows, size_t row, int column) {
    if (pg_rows_is_null(rows, row, column)) {
        return (struct str){ NULL, 0 };
    }
    return (struct str){ cell(rows, row, column, -1),
                         (size_t)PQgetlength(rows->handle, (int)row, column) };
}

/* libpq puts a zero byte behind each value, and gives "" for NULL (PQgetvalue). */
const char *pg_rows_get_string(const struct pg_rows *rows, size_t row, int column) {
    return cell(rows, row, column, -1);
}

struct trace pg_rows_get_trace(const struct pg_rows *rows, size_t row, int column) {
    return (struct trace){ pg_rows_get_string(rows, row, column),
                           pg_rows_get_string(rows, row, column + 1),
                           pg_rows_get_string(rows, row, column + 2) };
}
