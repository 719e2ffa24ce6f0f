/* services/runtime/pg/rows: values of every type and rows, through a real PostgreSQL and back. */
#include "pg_fixture.h"

static const struct {
    int64_t int8;
    const char *text;
    int64_t unix_ms;
} VALUES[] = {
    { 0, "", 0 },
    { 1, "a", 946684799999 },
    { -1, "Caf\xC3\xA9 '\"\\", 946684800000 },
    { INT64_MAX, "NULL", 946684800001 },
    { INT64_MIN, " ", 1795367792123 },
    { 42, "\n\t", -1 },
    { 42, "x", 253402300799999 },
};

static bool seen;

static void check_echo(void *ctx, enum err err, const struct pg_rows *rows) {
    size_t i = *(const size_t *)ctx;
    ck_assert_int_eq(err, ERR_OK);
    ck_assert_uint_eq(rows[0].count, 1);
    ck_assert_int_eq(pg_rows_get_int8(rows, 0, 0), VALUES[i].int8);
    ck_assert(str_equal(pg_rows_get_text(rows, 0, 1), str_of(VALUES[i].text)));
    ck_assert_int_eq(pg_rows_get_time(rows, 0, 2), VALUES[i].unix_ms);
    ck_assert(pg_rows_get_bool(rows, 0, 3) == (VALUES[i].int8 > 0));
    for (int column = 0; column < 4; column++) {
        ck_assert(!pg_rows_is_null(rows, 0, column));
    }
    seen = true;
}

START_TEST(values_of_each_type_come_back) {
    for (size_t i = 0; i < UNIT_COUNT(VALUES); i++) {
        struct pg_call call = { .statement = &SQL[S_ECHO], .param_count = 3 };
        call.params[0] = pg_int8(VALUES[i].int8);
        call.params[1] = pg_text(str_of(VALUES[i].text));
        call.params[2] = pg_time(VALUES[i].unix_ms);
        seen = false;
        pg_run(pg, &call, 1, check_echo, &i);
        WAIT_FOR(seen);
    }
}
END_TEST

static void check_nulls(void *ctx, enum err err, const struct pg_rows *rows) {
    (void)ctx;
    ck_assert_int_eq(err, ERR_OK);
    for (int column = 0; column < 4; column++) {
        ck_assert(pg_rows_is_null(rows, 0, column));
    }
    ck_assert_ptr_null(pg_rows_get_text(rows, 0, 1).data);
    seen = true;
}

START_TEST(nulls_come_back_as_nulls) {
    struct pg_call call = { .statement = &SQL[S_ECHO], .param_count = 3 };
    for (size_t i = 0; i < 3; i++) {
        call.params[i] = pg_null();
    }
    pg_run(pg, &call, 1, check_nulls, NULL);
    WAIT_FOR(seen);
}
END_TEST

enum { ELEMENTS = 1000 };

static const struct str TEXTS[] = { STR("a"), STR(""), { NULL, 0 }, STR("{\"x\":\"a,b\"}") };

static void check_unnest(void *ctx, enum err err, const struct pg_rows *rows) {
    ck_assert_int_eq(err, ERR_OK);
    ck_assert_uint_eq(rows[0].count, *(const size_t *)ctx);
    for (size_t i = 0; i < rows[0].count; i++) {
        struct str text = pg_rows_get_text(rows, i, 1), wanted = TEXTS[i % UNIT_COUNT(TEXTS)];
        ck_assert_int_eq(pg_rows_get_int8(rows, i, 0), (int64_t)i - 3);
        ck_assert((text.data == NULL) == (wanted.data == NULL) && str_equal(text, wanted));
        ck_assert_int_eq(pg_rows_get_time(rows, i, 2), 946684800000 - 500 + (int64_t)i);
    }
    seen = true;
}

static struct pg_call rows_of(struct arena *memory, size_t rows_max, size_t count) {
    struct pg_rows_writer rows;
    pg_rows_begin(&rows, memory, &SQL[S_UNNEST], "itT", rows_max);
    for (size_t i = 0; i < count; i++) {
        pg_rows_put_int8(&rows, (int64_t)i - 3);
        pg_rows_put_text(&rows, TEXTS[i % UNIT_COUNT(TEXTS)]);
        pg_rows_put_time(&rows, 946684800000 - 500 + (int64_t)i);
    }
    return pg_rows_call(&rows);
}

START_TEST(arrays_of_any_length_come_back) {
    size_t counts[] = { 0, 1, 2, ELEMENTS };
    for (size_t c = 0; c < UNIT_COUNT(counts); c++) {
        struct pg_call call = rows_of(&arena, counts[c], counts[c]);
        seen = false;
        pg_run(pg, &call, 1, check_unnest, &counts[c]);
        WAIT_FOR(seen);
    }
}
END_TEST

START_TEST(fewer_rows_than_announced_are_sent_as_they_are) {
    size_t count = 5;
    struct pg_call call = rows_of(&arena, ELEMENTS, count);
    pg_run(pg, &call, 1, check_unnest, &count);
    WAIT_FOR(seen);
}
END_TEST

START_TEST(a_row_too_many_fails_the_call) {
    ck_assert_int_eq(run_one(rows_of(&arena, 3, 4))->err, ERR_NO_MEMORY);
    ck_assert_int_eq(run_one(rows_of(&arena, 0, 1))->err, ERR_NO_MEMORY);
    ck_assert_int_eq(run_one(rows_of(&arena, 4, 4))->err, ERR_OK);
}
END_TEST

START_TEST(too_many_rows_to_be_announced_fail_the_call) {
    ck_assert_int_eq(run_one(rows_of(&arena, SIZE_MAX, 1))->err, ERR_NO_MEMORY);
    ck_assert_int_eq(run_one(rows_of(&arena, INT32_MAX, 1))->err, ERR_NO_MEMORY);
}
END_TEST

/* Whichever piece of memory it is that is missing. */
START_TEST(without_memory_the_call_fails) {
    size_t succeeded = 0;
    for (size_t bytes_max = 0; bytes_max < 4000 && succeeded == 0; bytes_max += 16) {
        struct arena small;
        arena_init(&small, bytes_max);
        enum err err = run_one(rows_of(&small, 16, 16))->err;
        ck_assert(err == ERR_OK || err == ERR_NO_MEMORY);
        succeeded += err == ERR_OK;
        arena_done(&small);
    }
    ck_assert_uint_eq(succeeded, 1);
}
END_TEST

START_TEST(a_text_that_no_array_can_hold_fails_the_call) {
    struct pg_rows_writer rows;
    pg_rows_begin(&rows, &arena, &SQL[S_RENAME], "t", 2);
    pg_rows_put_text(&rows, (struct str){ "", INT32_MAX - 8 }); /* never read */
    pg_rows_put_text(&rows, STR("more than fits"));
    ck_assert_int_eq(run_one(pg_rows_call(&rows))->err, ERR_NO_MEMORY);
}
END_TEST

START_TEST(a_megabyte_goes_through) {
    enum { BYTES = 3 << 20 };
    char *text = arena_alloc(&arena, BYTES);
    struct pg_call call = { .statement = &SQL[S_ECHO], .param_count = 3 };
    memset(text, 'x', BYTES);
    call.params[0] = pg_int8(1);
    call.params[1] = pg_text((struct str){ text, BYTES });
    call.params[2] = pg_null();
    ck_assert_int_eq(run_one(call)->err, ERR_OK);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("pg_rows");
    TCase *one = add_case(suite, "one", setup_one);
    tcase_add_test(one, values_of_each_type_come_back);
    tcase_add_test(one, nulls_come_back_as_nulls);
    tcase_add_test(one, arrays_of_any_length_come_back);
    tcase_add_test(one, fewer_rows_than_announced_are_sent_as_they_are);
    tcase_add_test(one, a_row_too_many_fails_the_call);
    tcase_add_test(one, too_many_rows_to_be_announced_fail_the_call);
    tcase_add_test(one, without_memory_the_call_fails);
    tcase_add_test(one, a_text_that_no_array_can_hold_fails_the_call);
    tcase_add_test(one, a_megabyte_goes_through);
    return pg_main(suite);
}
