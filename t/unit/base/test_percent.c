/* base/percent and base/ascii: decoding, normal paths, kinds of characters. */
#include "base/ascii.h"
#include "base/percent.h"

#include "unit.h"

#include <ctype.h>
#include <string.h>

/* RFC 3986 §6.2.2.2; NULL: refused. */
static const struct {
    const char *path, *normal;
} PATHS[] = {
    { "", "" },
    { "/products/1", "/products/1" },
    { "/products/%31", "/products/1" },
    { "/%6frders/%31%32", "/orders/12" },
    { "/%6Frders", "/orders" },
    { "/%41%5a%61%7A%30%39%2d%2E%5f%7E", "/AZaz09-._~" },
    { "/a%2Fb", "/a%2Fb" }, /* still one segment */
    { "/a%2fb%00", "/a%2fb%00" },
    { "/%25%33%31", "/%2531" }, /* decoded once */
    { "/%c3%a4%20", "/%c3%a4%20" },
    { "/%60%7b%40%5B%2f%3A", "/%60%7b%40%5B%2f%3A" }, /* the neighbours of letters and digits */
    { "/%", NULL },
    { "/%3", NULL },
    { "/%zz", NULL },
    { "/%3g", NULL },
    { "/%%31", NULL },
    { "/a%+1", NULL },
};

START_TEST(unreserved_characters_are_the_same_encoded) {
    char out[64];
    size_t length = 0;
    struct str path = str_of(PATHS[_i].path);
    bool ok = percent_normalize(path, out, &length);
    ck_assert_msg(ok == (PATHS[_i].normal != NULL), "%s", PATHS[_i].path);
    if (ok) {
        ck_assert_msg(str_equal((struct str){ out, length }, str_of(PATHS[_i].normal)), "%s: %.*s",
                      PATHS[_i].path, (int)length, out);
    }
}
END_TEST

static const struct {
    const char *text, *decoded; /* NULL: refused */
} TEXTS[] = {
    { "", "" },         { "abc", "abc" },       { "%61%62c", "abc" },
    { "a%2Fb", "a/b" }, { "%25%36%31", "%61" }, { "%c3%A4", "ä" },
    { "a+b", "a+b" },   { "%", NULL },          { "%6", NULL },
    { "a%6", NULL },    { "%6g", NULL },        { "%g6", NULL },
    { "%%", NULL },     { "% 1", NULL },        { "%-1", NULL },
};

START_TEST(text_is_decoded_also_in_place) {
    char out[64];
    size_t length = 0;
    memcpy(out, TEXTS[_i].text, strlen(TEXTS[_i].text));
    bool ok = percent_decode((struct str){ out, strlen(TEXTS[_i].text) }, out, &length);
    ck_assert_msg(ok == (TEXTS[_i].decoded != NULL), "%s", TEXTS[_i].text);
    if (ok) {
        ck_assert_msg(str_equal((struct str){ out, length }, str_of(TEXTS[_i].decoded)), "%s",
                      TEXTS[_i].text);
    }
}
END_TEST

START_TEST(every_byte_can_be_encoded) {
    static const char *const DIGITS[] = { "0123456789abcdef", "0123456789ABCDEF" };
    for (int byte = 0; byte < 256; byte++) {
        for (int i = 0; i < 4; i++) {
            char text[] = { '%', DIGITS[i / 2][byte / 16], DIGITS[i % 2][byte % 16], 'x' };
            size_t position = 0;
            ck_assert_int_eq(percent_next((struct str){ text, sizeof(text) }, &position), byte);
            ck_assert_uint_eq(position, 3);
        }
    }
}
END_TEST

/* As the C library has them in the locale "C". */
START_TEST(characters_are_of_their_kinds) {
    for (int byte = 0; byte < 256; byte++) {
        char c = (char)byte;
        ck_assert_int_eq(ascii_is_digit(c), isdigit(byte) != 0);
        ck_assert_int_eq(ascii_is_lower(c), islower(byte) != 0);
        ck_assert_int_eq(ascii_is_upper(c), isupper(byte) != 0);
        ck_assert_int_eq(ascii_is_letter(c), isalpha(byte) != 0);
        ck_assert_int_eq(ascii_is_alnum(c), isalnum(byte) != 0);
        ck_assert_int_eq(ascii_is_hex(c), isxdigit(byte) != 0);
        ck_assert_int_eq(ascii_is_blank(c), isblank(byte) != 0);
        ck_assert_int_eq((unsigned char)ascii_to_lower(c), tolower(byte));
    }
    ck_assert_int_eq(ascii_hex_value('0'), 0);
    ck_assert_int_eq(ascii_hex_value('9'), 9);
    ck_assert_int_eq(ascii_hex_value('a'), 10);
    ck_assert_int_eq(ascii_hex_value('F'), 15);
    ck_assert_int_eq(ascii_hex_value('g'), -1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("percent");
    TCase *tests = tcase_create("percent");
    tcase_add_loop_test(tests, unreserved_characters_are_the_same_encoded, 0, UNIT_COUNT(PATHS));
    tcase_add_loop_test(tests, text_is_decoded_also_in_place, 0, UNIT_COUNT(TEXTS));
    tcase_add_test(tests, every_byte_can_be_encoded);
    tcase_add_test(tests, characters_are_of_their_kinds);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
