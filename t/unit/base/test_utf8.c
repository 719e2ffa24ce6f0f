/* base/utf8: every character there and back, and what is none. */
#include "base/utf8.h"

#include "unit.h"

#include <string.h>

START_TEST(every_scalar_value_round_trips) {
    size_t wrong = 0;
    for (uint32_t code = 0; code <= 0x10ffff; code++) {
        char bytes[UTF8_BYTES_MAX];
        if (code == 0xd800) {
            code = 0xe000;
        }
        size_t length = utf8_encode(code, bytes);
        size_t expected = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
        wrong += length != expected || utf8_sequence(bytes, length) != length;
        wrong += length > 1 && utf8_sequence(bytes, length - 1) != 0;
        const char *at = bytes;
        wrong += utf8_take(&at) != code || at != bytes + length;
    }
    ck_assert_uint_eq(wrong, 0);
}
END_TEST

static const struct {
    const char *bytes;
    size_t length;
} MALFORMED[] = {
    { "", 0 },
    { "\x80", 1 },
    { "\xbf", 1 },
    { "\xc0\x80", 2 },
    { "\xc1\xbf", 2 },
    { "\xc2", 1 },
    { "\xc2\x7f", 2 },
    { "\xc2\xc0", 2 },
    { "\xe0\x9f\xbf", 3 },
    { "\xe1\x80", 2 },
    { "\xe1\x80\xc0", 3 },
    { "\xed\xa0\x80", 3 },
    { "\xed\xbf\xbf", 3 },
    { "\xf0\x8f\xbf\xbf", 4 },
    { "\xf1\x80\x80", 3 },
    { "\xf4\x90\x80\x80", 4 },
    { "\xf5\x80\x80\x80", 4 },
    { "\xff\xff\xff\xff", 4 },
    { "\xf1\x80\x7f\x80", 4 },
    { "\xf1\x80\x80\x7f", 4 },
};

START_TEST(malformed_sequences_are_seen) {
    ck_assert_uint_eq(utf8_sequence(MALFORMED[_i].bytes, MALFORMED[_i].length), 0);
}
END_TEST

START_TEST(cuts_fall_between_characters) {
    static const char TEXT[] = "a\xf0\x9f\x98\x80z"; /* 1 + 4 + 1 bytes */
    const size_t kept[] = { 0, 1, 1, 1, 1, 5, 6, 6 };
    for (size_t bytes_max = 0; bytes_max < UNIT_COUNT(kept); bytes_max++) {
        ck_assert_uint_eq(utf8_cut(TEXT, 6, bytes_max), kept[bytes_max]);
    }
    ck_assert_uint_eq(utf8_cut("\x80\x80\x80\x80\x80\x80", 6, 5),
                      5); /* not UTF-8: any cut is good */
}
END_TEST

START_TEST(characters_are_counted_not_bytes) {
    ck_assert_uint_eq(utf8_count("", 0), 0);
    ck_assert_uint_eq(utf8_count("abc", 3), 3);
    ck_assert_uint_eq(utf8_count("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9), 3);
    ck_assert_uint_eq(utf8_count("a\0b", 3), 3);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("utf8");
    TCase *utf8 = tcase_create("utf8");
    tcase_add_test(utf8, every_scalar_value_round_trips);
    tcase_add_loop_test(utf8, malformed_sequences_are_seen, 0, (int)UNIT_COUNT(MALFORMED));
    tcase_add_test(utf8, cuts_fall_between_characters);
    tcase_add_test(utf8, characters_are_counted_not_bytes);
    suite_add_tcase(suite, utf8);
    return unit_run(suite);
}
