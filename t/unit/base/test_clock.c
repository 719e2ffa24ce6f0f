/* base/clock: RFC 3339 both ways, clocks. */
#include "base/clock.h"

#include "unit.h"

#include <string.h>

static const struct {
    int64_t unix_ms;
    const char *text;
} TIMES[] = {
    { 0, "1970-01-01T00:00:00.000Z" },
    { 999, "1970-01-01T00:00:00.999Z" },
    { 86399999, "1970-01-01T23:59:59.999Z" },
    { 86400000, "1970-01-02T00:00:00.000Z" },
    { 951782400000, "2000-02-29T00:00:00.000Z" },
    { 1709164800001, "2024-02-29T00:00:00.001Z" },
    { 1795367792123, "2026-11-22T17:16:32.123Z" },
    { 4107542400000, "2100-03-01T00:00:00.000Z" },
    { 253402300799999, "9999-12-31T23:59:59.999Z" },
};

START_TEST(known_times_format_and_parse) {
    char text[CLOCK_RFC3339_BYTES];
    int64_t parsed;
    clock_format_rfc3339(TIMES[_i].unix_ms, text);
    ck_assert_str_eq(text, TIMES[_i].text);
    ck_assert_int_eq(clock_parse_rfc3339(text, strlen(text), &parsed), ERR_OK);
    ck_assert_int_eq(parsed, TIMES[_i].unix_ms);
}
END_TEST

START_TEST(every_day_round_trips) {
    for (int64_t ms = 0; ms < 253402300800000; ms += 86400000 * 7 + 3723004) {
        char text[CLOCK_RFC3339_BYTES];
        int64_t parsed = -1;
        clock_format_rfc3339(ms, text);
        ck_assert_int_eq(clock_parse_rfc3339(text, strlen(text), &parsed), ERR_OK);
        ck_assert_int_eq(parsed, ms);
    }
}
END_TEST

static const struct {
    const char *text;
    int64_t unix_ms; /* -1: refused */
} FORMS[] = {
    { "1970-01-01T00:00:01Z", 1000 },
    { "1970-01-01T00:00:01.5Z", 1500 },
    { "1970-01-01T00:00:01.05Z", 1050 },
    { "1970-01-01T00:00:01.1239Z", 1123 },
    { "1970-01-01T00:00:01.123456789Z", 1123 },
    { "1970-01-01T00:00:01.1234567890Z", -1 },
    { "1970-01-01T00:00:01.Z", -1 },
    { "1970-01-01T00:00:01,5Z", -1 },
    { "1970-01-01T00:00:01.5", -1 },
    { "1970-01-01T00:00:01", -1 },
    { "1970-01-01T00:00:01.12x4Z", -1 },
    { "1970-01-01T00:00:01.123x56Z", -1 },
    { "1970-01-01T00:00:01+00:00", 1000 },
    { "1970-01-01T02:00:01.5+02:00", 1500 },
    { "1969-12-31T18:29:01-05:31", 1000 },
    { "1970-01-01T23:59:00+23:59", 0 },
    { "1970-01-01T00:00:00+00:01", -1 },
    { "9999-12-31T23:59:59.999-00:01", -1 },
    { "1970-01-02T00:00:00+24:00", -1 },
    { "1970-01-02T00:00:00+00:60", -1 },
    { "1970-01-02T00:00:00+0000", -1 },
    { "1970-01-02T00:00:00+00", -1 },
    { "1970-01-02T00:00:00.+00:00", -1 },
    { "+00:00", -1 },
    { "1970-01-01t00:00:01z", 1000 },
    { "1970-01-01 00:00:01Z", -1 },
    { "1970-01-01T24:00:00Z", -1 },
    { "1970-01-01T00:60:00Z", -1 },
    { "2016-12-31T23:59:60Z", 1483228800000 },
    { "2016-12-31T23:59:61Z", -1 },
    { "1970-00-01T00:00:00Z", -1 },
    { "1970-13-01T00:00:00Z", -1 },
    { "1970-01-00T00:00:00Z", -1 },
    { "1970-01-32T00:00:00Z", -1 },
    { "1970-04-31T00:00:00Z", -1 },
    { "2023-02-29T00:00:00Z", -1 },
    { "2100-02-29T00:00:00Z", -1 },
    { "2024-02-29T00:00:00Z", 1709164800000 },
    { "1969-12-31T23:59:59Z", -1 },
    { "970-01-01T00:00:00Z", -1 },
    { "-970-01-01T00:00:00Z", -1 },
    { "1970-1-1T0:0:0Z", -1 },
    { "Z", -1 },
    { "", -1 },
    { "1970-01-01T00:00:0\xd9\xa1Z", -1 },
};

START_TEST(forms_are_taken_or_refused) {
    int64_t parsed = -1;
    enum err err = clock_parse_rfc3339(FORMS[_i].text, strlen(FORMS[_i].text), &parsed);
    ck_assert_msg(err == (FORMS[_i].unix_ms < 0 ? ERR_INVALID : ERR_OK), "%s", FORMS[_i].text);
    ck_assert_msg(parsed == FORMS[_i].unix_ms, "%s", FORMS[_i].text);
}
END_TEST

START_TEST(clocks_move_forward_in_the_right_unit) {
    uint64_t us = clock_monotonic_us(), ms = clock_monotonic_ms();
    ck_assert_uint_ge(ms, us / 1000);
    ck_assert_uint_le(ms - us / 1000, 1000);
    ck_assert_int_gt(clock_unix_ms(), 1700000000000);
    ck_assert_int_lt(clock_unix_ms(), 253402300800000);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("clock");
    TCase *tests = tcase_create("clock");
    tcase_set_timeout(tests, 30);
    tcase_add_loop_test(tests, known_times_format_and_parse, 0, (int)UNIT_COUNT(TIMES));
    tcase_add_loop_test(tests, forms_are_taken_or_refused, 0, (int)UNIT_COUNT(FORMS));
    tcase_add_test(tests, every_day_round_trips);
    tcase_add_test(tests, clocks_move_forward_in_the_right_unit);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
