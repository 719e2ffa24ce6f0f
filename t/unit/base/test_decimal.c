/* services/common/decimal: JSON numbers to scaled integers and back, exact at every edge. */
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
    enum err err =
        decimal_parse(NUMBERS[_i].text, strlen(NUMBERS[_i].text), NUMBERS[_i].scale, &value);
    ck_assert_msg(err == NUMBERS[_i].err, "%s: %s", NUMBERS[_i].text, err_name(err));
    ck_assert_msg(value == NUMBERS[_i].value, "%s: %jd", NUMBERS[_i].text, (intmax_t)value);
}
END_TEST

START_TEST(length_bounds_the_text) {
    int64_t value;
    ck_assert_int_eq(decimal_parse("123", 2, 0, &value), ERR_OK);
    ck_assert_int_eq(value, 12);
    ck_assert_int_eq(decimal_parse("1\0", 2, 0, &value), ERR_INVALID);
    ck_assert_int_eq(decimal_parse(NULL, 0, 0, &value), ERR_INVALID);
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
    ck_assert_int_eq(decimal_parse(text, 1 + ZEROS + 9, 0, &value), ERR_OK);
    ck_assert_int_eq(value, 7);
    ck_assert_int_eq(decimal_parse(text, 1 + ZEROS, 0, &value), ERR_TOO_LARGE);
    memset(text, '0', ZEROS + 32);
    text[1] = '.';
    memcpy(text + 1 + ZEROS, "7e1048576", 9); /* 0.(ZEROS - 1 zeros)7 × 10^ZEROS */
    ck_assert_int_eq(decimal_parse(text, 1 + ZEROS + 9, 0, &value), ERR_OK);
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
    ck_assert_int_eq(decimal_parse(text, length, TEXTS[_i].scale, &value), ERR_OK);
    ck_assert_int_eq(value, TEXTS[_i].value);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("decimal");
    TCase *tests = tcase_create("decimal");
    tcase_add_loop_test(tests, numbers_are_exact_or_refused, 0, (int)UNIT_COUNT(NUMBERS));
    tcase_add_test(tests, length_bounds_the_text);
    tcase_add_test(tests, long_texts_are_exact_too);
    tcase_add_loop_test(tests, values_are_written_plainly, 0, (int)UNIT_COUNT(TEXTS));
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
