/* base/random: bytes, UUIDs, hexadecimal digits, numbers below a bound. */
#include "base/random.h"

#include "unit.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

START_TEST(uuids_have_version_4_and_differ) {
    static const char VARIANTS[] = "89ab";
    char uuid[RANDOM_UUID_BYTES], last[RANDOM_UUID_BYTES] = "";
    unsigned variants = 0;
    for (int round = 0; round < 1000; round++) {
        random_uuid(uuid);
        ck_assert_uint_eq(strlen(uuid), 36);
        for (size_t i = 0; i < 36; i++) {
            bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
            ck_assert(is_dash
                          ? uuid[i] == '-'
                          : isdigit((unsigned char)uuid[i]) || (uuid[i] >= 'a' && uuid[i] <= 'f'));
        }
        ck_assert_int_eq(uuid[14], '4');
        const char *variant = strchr(VARIANTS, uuid[19]);
        ck_assert_ptr_nonnull(variant);
        variants |= 1u << (variant - VARIANTS);
        ck_assert_str_ne(uuid, last);
        memcpy(last, uuid, sizeof(last));
    }
    ck_assert_uint_ne(variants & (variants - 1), 0); /* more than one of 8, 9, a, b */
}
END_TEST

START_TEST(hexadecimal_digits_differ_and_are_not_all_zero) {
    static const char ZEROS[] = "0000000000000000000000000000000000000000000000000000000000000000";
    char digits[65], last[65] = "";
    for (size_t length = 2; length <= 64; length += 2) {
        memset(digits, 'x', sizeof(digits));
        random_hex(digits, length);
        ck_assert_uint_eq(strspn(digits, "0123456789abcdef"), length);
        ck_assert_mem_ne(digits, ZEROS, length);
    }
    for (int round = 0; round < 1000; round++) {
        random_hex(digits, 2); /* one byte: 0 would come some four times */
        ck_assert_mem_ne(digits, ZEROS, 2);
    }
    for (int round = 0; round < 1000; round++) {
        random_hex(digits, 32);
        ck_assert_mem_ne(digits, last, 32);
        memcpy(last, digits, 32);
    }
}
END_TEST

START_TEST(all_bytes_come) {
    unsigned char bytes[RANDOM_FILL_BYTES_MAX];
    bool seen[256] = { false };
    size_t count = 0;
    for (int round = 0; round < 1000; round++) {
        random_fill(bytes, sizeof(bytes));
        for (size_t i = 0; i < sizeof(bytes); i++) {
            count += !seen[bytes[i]];
            seen[bytes[i]] = true;
        }
    }
    ck_assert_uint_eq(count, 256);
    ck_assert_int_eq(random_error(), 0);
}
END_TEST

START_TEST(jitter_fills_its_range) {
    unsigned seen = 0;
    for (int i = 0; i < 1000; i++) {
        uint32_t value = random_below(8);
        ck_assert_uint_lt(value, 8);
        seen |= 1u << value;
    }
    ck_assert_uint_eq(seen, 0xff);
    ck_assert_uint_eq(random_below(1), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("random");
    TCase *tests = tcase_create("random");
    tcase_add_test(tests, uuids_have_version_4_and_differ);
    tcase_add_test(tests, hexadecimal_digits_differ_and_are_not_all_zero);
    tcase_add_test(tests, all_bytes_come);
    tcase_add_test(tests, jitter_fills_its_range);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
