/* runtime/http, page cursors: what we issue comes back; anything else is refused. */
#include "runtime/http/http.h"

#include "unit.h"

#include <string.h>

static const struct http_cursor CURSORS[] = {
    { 0, 0 }, { 0, 1 }, { 1795367792123, 42 }, { INT64_MAX, INT64_MAX }, { INT64_MIN, -1 },
};

START_TEST(round_trip) {
    char text[HTTP_CURSOR_BYTES];
    struct http_cursor parsed;
    http_cursor_format(CURSORS[_i], "orders:7", text);
    ck_assert_uint_eq(strlen(text), HTTP_CURSOR_BYTES - 1);
    ck_assert_int_eq(http_cursor_parse(str_of(text), "orders:7", &parsed), ERR_OK);
    ck_assert_int_eq(parsed.major, CURSORS[_i].major);
    ck_assert_int_eq(parsed.minor, CURSORS[_i].minor);
}
END_TEST

/* Every digit replaced by every other one, upper case and a stranger included. */
START_TEST(tampering_with_any_digit_is_noticed) {
    static const char DIGITS[] = "0123456789abcdefABCDEFg -";
    char text[HTTP_CURSOR_BYTES], tampered[HTTP_CURSOR_BYTES];
    http_cursor_format(CURSORS[_i], "products", text);
    for (size_t at = 0; at < HTTP_CURSOR_BYTES - 1; at++) {
        for (const char *digit = DIGITS; *digit != '\0'; digit++) {
            struct http_cursor parsed = { -7, -8 };
            memcpy(tampered, text, sizeof(text));
            tampered[at] = *digit;
            if (text[at] != *digit) {
                ck_assert_int_eq(http_cursor_parse(str_of(tampered), "products", &parsed),
                                 ERR_INVALID);
                ck_assert_int_eq(parsed.major, -7);
                ck_assert_int_eq(parsed.minor, -8);
            }
        }
    }
}
END_TEST

START_TEST(a_cursor_belongs_to_its_list) {
    static const char *const OTHERS[] = { "", "orders:", "orders:1", "orders:77", "products" };
    char text[HTTP_CURSOR_BYTES];
    struct http_cursor parsed;
    http_cursor_format(CURSORS[_i], "orders:7", text);
    for (size_t i = 0; i < UNIT_COUNT(OTHERS); i++) {
        ck_assert_int_eq(http_cursor_parse(str_of(text), OTHERS[i], &parsed), ERR_INVALID);
    }
}
END_TEST

START_TEST(another_length_is_refused) {
    char text[HTTP_CURSOR_BYTES + 1];
    struct http_cursor parsed;
    http_cursor_format(CURSORS[2], "products", text);
    for (size_t length = 0; length < HTTP_CURSOR_BYTES - 1; length++) {
        struct str cut = { text, length };
        ck_assert_int_eq(http_cursor_parse(cut, "products", &parsed), ERR_INVALID);
    }
    text[HTTP_CURSOR_BYTES - 1] = '0';
    ck_assert_int_eq(
        http_cursor_parse((struct str){ text, HTTP_CURSOR_BYTES }, "products", &parsed),
        ERR_INVALID);
    ck_assert_int_eq(http_cursor_parse((struct str){ NULL, 0 }, "products", &parsed), ERR_INVALID);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cursor");
    TCase *tcase = tcase_create("cursor");
    tcase_add_loop_test(tcase, round_trip, 0, (int)UNIT_COUNT(CURSORS));
    tcase_add_loop_test(tcase, tampering_with_any_digit_is_noticed, 0, (int)UNIT_COUNT(CURSORS));
    tcase_add_loop_test(tcase, a_cursor_belongs_to_its_list, 0, (int)UNIT_COUNT(CURSORS));
    tcase_add_test(tcase, another_length_is_refused);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
