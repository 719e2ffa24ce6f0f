/* base/decimal: JSON numbers compared, divided, as scaled integers and back: exact everywhere. */
#include "base/decimal.h"

#include "unit.h"

#include <string.h>

static const struct {
    const char *text;
    unsigned scale;
    enum err err;
    int64_t value;
} NUMBERS[] = {
    { "0", 0, ERR_OK, 0 },
    { "-0", 2, ERR_OK, 0 },
    { "1", 0, ERR_OK, 1 },
    { "1", 2, ERR_OK, 100 },
    { "12.5", 2, ERR_OK, 1250 },
    { "12.50", 2, ERR_OK, 1250 },
    { "12.340000", 2, ERR_OK, 1234 },
    { "12.345", 2, ERR_INVALID, 0 },
    { "12.3400001", 2, ERR_INVALID, 0 },
    { "0.01", 2, ERR_OK, 1 },
    { "-0.01", 2, ERR_OK, -1 },
    { "0.001", 2, ERR_INVALID, 0 },
    { "1.0", 0, ERR_OK, 1 },
    { "1.5", 0, ERR_INVALID, 0 },
    { "10e-1", 0, ERR_OK, 1 },
    { "1e2", 0, ERR_OK, 100 },
    { "1E+2", 0, ERR_OK, 100 },
    { "1.5e1", 0, ERR_OK, 15 },
    { "1.25e1", 0, ERR_INVALID, 0 },
    { "1.25e1", 1, ERR_OK, 125 },
    { "125e-3", 2, ERR_INVALID, 0 },
    { "125e-3", 3, ERR_OK, 125 },
    { "0.0000001e7", 0, ERR_OK, 1 },
    { "10000000e-7", 0, ERR_OK, 1 },
    { "9999999999.99", 2, ERR_OK, 999999999999 },
    { "0e999999999999999999999999999", 0, ERR_OK, 0 },
    { "0.000e-99999999999999999999999", 2, ERR_OK, 0 },
    { "1e-400", 6, ERR_INVALID, 0 },
    { "1e-9999999999999999999999999999", 6, ERR_INVALID, 0 },
    { "1e400", 0, ERR_TOO_LARGE, 0 },
    { "1e9999999999999999999999999999", 0, ERR_TOO_LARGE, 0 },
    { "-1e400", 6, ERR_TOO_LARGE, 0 },
    { "1e18", 0, ERR_OK, 1000000000000000000 },
    { "1e19", 0, ERR_TOO_LARGE, 0 },
    { "1e00000000000000000000000000000000000001", 0, ERR_OK, 10 },
    { "9223372036854775807", 0, ERR_OK, INT64_MAX },
    { "9223372036854775808", 0, ERR_TOO_LARGE, 0 },
    { "-9223372036854775808", 0, ERR_OK, INT64_MIN },
    { "-9223372036854775809", 0, ERR_TOO_LARGE, 0 },
    { "92233720368547758.07", 2, ERR_OK, INT64_MAX },
    { "92233720368547758.08", 2, ERR_TOO_LARGE, 0 },
    { "-92233720368547758.08", 2, ERR_OK, INT64_MIN },
    { "9223372036854775807", 1, ERR_TOO_LARGE, 0 },
    { "9223372036854775807000e-3", 0, ERR_OK, INT64_MAX },
    { "", 0, ERR_INVALID, 0 },
    { "-", 0, ERR_INVALID, 0 },
    { "+1", 0, ERR_INVALID, 0 },
    { "01", 0, ERR_INVALID, 0 },
    { "-01", 0, ERR_INVALID, 0 },
    { "00", 0, ERR_INVALID, 0 },
    { "1.", 0, ERR_INVALID, 0 },
    { ".5", 1, ERR_INVALID, 0 },
    { "-.5", 1, ERR_INVALID, 0 },
    { "1..5", 1, ERR_INVALID, 0 },
    { "1.5.0", 1, ERR_INVALID, 0 },
    { "1e", 0, ERR_INVALID, 0 },
    { "1e+", 0, ERR_INVALID, 0 },
    { "1e-", 0, ERR_INVALID, 0 },
    { "1e+-1", 0, ERR_INVALID, 0 },
    { "1e1.0", 0, ERR_INVALID, 0 },
    { "1.e1", 0, ERR_INVALID, 0 },
    { "1e1 ", 0, ERR_INVALID, 0 },
    { " 1", 0, ERR_INVALID, 0 },
    { "1 ", 0, ERR_INVALID, 0 },
    { "1a", 0, ERR_INVALID, 0 },
    { "0x10", 0, ERR_INVALID, 0 },
    { "1,5", 1, ERR_INVALID, 0 },
    { "NaN", 0, ERR_INVALID, 0 },
    { "Infinity", 0, ERR_INVALID, 0 },
    { "1_000", 0, ERR_INVALID, 0 },
    { "--1", 0, ERR_INVALID, 0 },
};

START_TEST(numbers_are_exact_or_refused) {
    int64_t value = 0;
    enum err err = decimal_to_int(str_of(NUMBERS[_i].text), NUMBERS[_i].scale, &value);
    ck_assert_msg(err == NUMBERS[_i].err, "%s: %s", NUMBERS[_i].text, err_name(err));
    ck_assert_msg(value == NUMBERS[_i].value, "%s: %jd", NUMBERS[_i].text, (intmax_t)value);
}
END_TEST

START_TEST(length_bounds_the_text) {
    int64_t value;
    ck_assert_int_eq(decimal_to_int((struct str){ "123", 2 }, 0, &value), ERR_OK);
    ck_assert_int_eq(value, 12);
    ck_assert_int_eq(decimal_to_int((struct str){ "1\0", 2 }, 0, &value), ERR_INVALID);
    ck_assert_int_eq(decimal_to_int((struct str){ NULL, 0 }, 0, &value), ERR_INVALID);
}
END_TEST

/* A megabyte of zeros on either side of the point, undone by the exponent. */
START_TEST(long_texts_are_exact_too) {
    enum { ZEROS = 1 << 20 };
    char *text = malloc(ZEROS + 32);
    int64_t value = 0;
    ck_assert_ptr_nonnull(text);
    memset(text, '0', ZEROS + 32);
    text[0] = '7';
    memcpy(text + 1 + ZEROS, "e-1048576", 9);
    ck_assert_int_eq(decimal_to_int((struct str){ text, 1 + ZEROS + 9 }, 0, &value), ERR_OK);
    ck_assert_int_eq(value, 7);
    ck_assert_int_eq(decimal_to_int((struct str){ text, 1 + ZEROS }, 0, &value), ERR_TOO_LARGE);
    memset(text, '0', ZEROS + 32);
    text[1] = '.';
    memcpy(text + 1 + ZEROS, "7e1048576", 9); /* 0.(ZEROS - 1 zeros)7 × 10^ZEROS */
    ck_assert_int_eq(decimal_to_int((struct str){ text, 1 + ZEROS + 9 }, 0, &value), ERR_OK);
    ck_assert_int_eq(value, 7);
    free(text);
}
END_TEST

static const struct {
    int64_t value;
    unsigned scale, decimals_min;
    const char *text;
} TEXTS[] = {
    { 1250, 2, 2, "12.50" },
    { 1250, 2, 0, "12.5" },
    { 1200, 2, 0, "12" },
    { 1200, 2, 1, "12.0" },
    { 0, 0, 0, "0" },
    { 0, 2, 0, "0" },
    { 0, 2, 2, "0.00" },
    { 5, 2, 0, "0.05" },
    { -5, 2, 0, "-0.05" },
    { -50, 2, 0, "-0.5" },
    { 7, 0, 2, "7.00" },
    { 1, 6, 0, "0.000001" },
    { 1000000, 6, 0, "1" },
    { 100, 0, 0, "100" },
    { 999999999999, 2, 2, "9999999999.99" },
    { INT64_MAX, 0, 0, "9223372036854775807" },
    { INT64_MIN, 0, 0, "-9223372036854775808" },
    { INT64_MIN, 6, 6, "-9223372036854.775808" },
    { INT64_MIN, 0, 6, "-9223372036854775808.000000" }, /* the longest: DECIMAL_TEXT_BYTES */
};

START_TEST(values_are_written_plainly) {
    char text[DECIMAL_TEXT_BYTES];
    size_t length = decimal_format(TEXTS[_i].value, TEXTS[_i].scale, TEXTS[_i].decimals_min, text);
    ck_assert_str_eq(text, TEXTS[_i].text);
    ck_assert_uint_eq(length, strlen(text));
    int64_t value;
    ck_assert_int_eq(decimal_to_int((struct str){ text, length }, TEXTS[_i].scale, &value), ERR_OK);
    ck_assert_int_eq(value, TEXTS[_i].value);
}
END_TEST

/* ---- compared and divided ---- */

START_TEST(decimals_compare_exactly) {
    static const struct {
        const char *a;
        const char *b;
        int order;
    } cases[] = {
        { "0.1", "0.10", 0 },
        { "1e400", "1e401", -1 },
        { "-1", "1", -1 },
        { "-2", "-1", -1 },
        { "0", "-0", 0 },
        { "9999999999.99", "10000000000", -1 },
        { "1e-400", "0", 1 },
        { "-1e-400", "0", -1 },
        { "12.50", "1.25e1", 0 },
        { "1e9223372036854775808", "1", 1 },
        { "100", "99", 1 },
        { "1000", "100.5", 1 },
        { "0.30000000000000004", "0.3", 1 },
    };
    struct decimal a = decimal_parse(str_of(cases[_i].a));
    struct decimal b = decimal_parse(str_of(cases[_i].b));
    int order = decimal_compare(&a, &b);

    ck_assert_int_eq((order > 0) - (order < 0), cases[_i].order);
    order = decimal_compare(&b, &a);
    ck_assert_int_eq((order > 0) - (order < 0), -cases[_i].order);
}
END_TEST

START_TEST(integers_are_recognized) {
    static const struct {
        const char *text;
        bool is_integer;
    } cases[] = { { "1", true },     { "1.0", true },   { "1.50e1", true },
                  { "0.0", true },   { "1.5", false },  { "1e-1", false },
                  { "10e-1", true }, { "-3.00", true }, { "1e400", true } };
    struct decimal d = decimal_parse(str_of(cases[_i].text));

    ck_assert(decimal_is_integer(&d) == cases[_i].is_integer);
}
END_TEST

START_TEST(multiples_are_exact) {
    static const struct {
        const char *value;
        const char *divisor;
        bool is_multiple;
    } cases[] = {
        { "19.99", "0.01", true },
        { "19.999", "0.01", false },
        { "0", "0.01", true },
        { "1.10", "0.01", true },
        { "1e300", "0.01", true },
        { "7", "2", false },
        { "-8", "2", true },
        { "4.5", "1.5", true },
        { "4.6", "1.5", false },
        { "1e1000000", "7", false },
        { "1e1000000", "64", true },
        { "0.0075", "0.0001", true },
        { "0.00751", "0.0001", false },
        { "35", "3.5", true },
        { "1", "123456789012345678", false },
        { "123456789012345678000", "123456789012345678", true },
        { "999999999999999999999999999999999999", "999999999999999999", true },
        { "999999999999999999999999999999999998", "999999999999999999", false },
    };
    struct decimal value = decimal_parse(str_of(cases[_i].value));
    struct decimal divisor = decimal_parse(str_of(cases[_i].divisor));

    ck_assert(decimal_is_multiple(&value, &divisor) == cases[_i].is_multiple);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("decimal");
    TCase *tests = tcase_create("decimal");
    tcase_add_loop_test(tests, numbers_are_exact_or_refused, 0, (int)UNIT_COUNT(NUMBERS));
    tcase_add_test(tests, length_bounds_the_text);
    tcase_add_test(tests, long_texts_are_exact_too);
    tcase_add_loop_test(tests, values_are_written_plainly, 0, (int)UNIT_COUNT(TEXTS));
    tcase_add_loop_test(tests, decimals_compare_exactly, 0, 13);
    tcase_add_loop_test(tests, integers_are_recognized, 0, 9);
    tcase_add_loop_test(tests, multiples_are_exact, 0, 18);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
