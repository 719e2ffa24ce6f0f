/* One column of rows alone: an array as a parameter. */
#ifndef PG_ARRAYS_H
#define PG_ARRAYS_H

#include "runtime/pg/pg.h"

static inline struct pg_param pg_int8_array(struct arena *arena, const int64_t *values,
                                            size_t count) {
    return pg_rows_ids_call(arena, NULL, values, count).params[0];
}

static inline struct pg_param pg_time_array(struct arena *arena, const int64_t *unix_ms,
                                            size_t count) {
    struct pg_rows_writer rows;
    pg_rows_begin(&rows, arena, NULL, "T", count);
    for (size_t i = 0; i < count; i++) {
        pg_rows_put_time(&rows, unix_ms[i]);
    }
    return pg_rows_call(&rows).params[0];
}

static inline struct pg_param pg_text_array(struct arena *arena, const struct str *values,
                                            size_t count) {
    struct pg_rows_writer rows;
    pg_rows_begin(&rows, arena, NULL, "t", count);
    for (size_t i = 0; i < count; i++) {
        pg_rows_put_text(&rows, values[i]);
    }
    return pg_rows_call(&rows).params[0];
}

#endif
