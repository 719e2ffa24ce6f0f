/* services/common/pg: parameters and columns of every type, through a real PostgreSQL and back. */
#include "pg_fixture.h"

static const struct {
    int64_t int8;
    int32_t int4;
    const char *text;
    int64_t unix_ms;
} VALUES[] = {
    { 0, 0, "", 0 },
    { 1, -1, "a", 946684799999 },
    { -1, INT32_MIN, "Caf\xC3\xA9 '\"\\", 946684800000 },
    { INT64_MAX, INT32_MAX, "NULL", 946684800001 },
    { INT64_MIN, 7, " ", 1795367792123 },
    { 42, 42, "\n\t", -1 },
    { 42, 42, "x", 253402300799999 },
};

static bool seen;

static void check_echo(void *ctx, enum err err, const struct pg_rows *rows) {
    size_t i = *(const size_t *)ctx;
    ck_assert_int_eq(err, ERR_OK);
    ck_assert_uint_eq(rows[0].count, 1);
    ck_assert_int_eq(pg_get_int8(rows, 0, 0), VALUES[i].int8);
    ck_assert_int_eq(pg_get_int4(rows, 0, 1), VALUES[i].int4);
    ck_assert(str_equal(pg_get_text(rows, 0, 2), str_of(VALUES[i].text)));
    ck_assert_int_eq(pg_get_time(rows, 0, 3), VALUES[i].unix_ms);
    ck_assert(pg_get_bool(rows, 0, 4) == (VALUES[i].int8 > 0));
    for (int column = 0; column < 5; column++) {
        ck_assert(!pg_is_null(rows, 0, column));
    }
    seen = true;
}

START_TEST(values_of_each_type_come_back) {
    for (size_t i = 0; i < UNIT_COUNT(VALUES); i++) {
        struct pg_call call = { .statement = &SQL[S_ECHO], .param_count = 4 };
        call.params[0] = pg_int8(&arena, VALUES[i].int8);
        call.params[1] = pg_int4(&arena, VALUES[i].int4);
        call.params[2] = pg_text(VALUES[i].text, strlen(VALUES[i].text));
        call.params[3] = pg_time(&arena, VALUES[i].unix_ms);
        seen = false;
        pg_run(pg, &call, 1, check_echo, &i);
        WAIT_FOR(seen);
    }
}
END_TEST

static void check_nulls(void *ctx, enum err err, const struct pg_rows *rows) {
    (void)ctx;
    ck_assert_int_eq(err, ERR_OK);
    for (int column = 0; column < 5; column++) {
        ck_assert(pg_is_null(rows, 0, column));
    }
    ck_assert_ptr_null(pg_get_text(rows, 0, 2).data);
    seen = true;
}

START_TEST(nulls_come_back_as_nulls) {
    struct pg_call call = { .statement = &SQL[S_ECHO], .param_count = 4 };
    for (size_t i = 0; i < 4; i++) {
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
        struct str text = pg_get_text(rows, i, 1), wanted = TEXTS[i % UNIT_COUNT(TEXTS)];
        ck_assert_int_eq(pg_get_int8(rows, i, 0), (int64_t)i - 3);
        ck_assert((text.data == NULL) == (wanted.data == NULL) && str_equal(text, wanted));
        ck_assert_int_eq(pg_get_time(rows, i, 2), 946684800000 - 500 + (int64_t)i);
    }
    seen = true;
}

START_TEST(arrays_of_any_length_come_back) {
    static int64_t numbers[ELEMENTS], times[ELEMENTS];
    static struct str texts[ELEMENTS];
    size_t counts[] = { 0, 1, 2, ELEMENTS };
    for (size_t i = 0; i < ELEMENTS; i++) {
        numbers[i] = (int64_t)i - 3;
        times[i] = 946684800000 - 500 + (int64_t)i;
        texts[i] = TEXTS[i % UNIT_COUNT(TEXTS)];
    }
    for (size_t c = 0; c < UNIT_COUNT(counts); c++) {
        struct pg_call call = { .statement = &SQL[S_UNNEST], .param_count = 3 };
        call.params[0] = pg_int8_array(&arena, numbers, counts[c]);
        call.params[1] = pg_text_array(&arena, texts, counts[c]);
        call.params[2] = pg_time_array(&arena, times, counts[c]);
        seen = false;
        pg_run(pg, &call, 1, check_unnest, &counts[c]);
        WAIT_FOR(seen);
    }
}
END_TEST

START_TEST(a_megabyte_goes_through) {
    enum { BYTES = 3 << 20 };
    char *text = arena_alloc(&arena, BYTES);
    struct pg_call call = { .statement = &SQL[S_ECHO], .param_count = 4 };
    memset(text, 'x', BYTES);
    call.params[0] = pg_int8(&arena, 1);
    call.params[1] = pg_null();
    call.params[2] = pg_text(text, BYTES);
    call.params[3] = pg_null();
    ck_assert_int_eq(run_one(call)->err, ERR_OK);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("pg_types");
    TCase *one = add_case(suite, "one", setup_one);
    tcase_add_test(one, values_of_each_type_come_back);
    tcase_add_test(one, nulls_come_back_as_nulls);
    tcase_add_test(one, arrays_of_any_length_come_back);
    tcase_add_test(one, a_megabyte_goes_through);
    return pg_main(suite);
}
