/* base/buf: content after any mix of appends and consumes, the cap at its edge. */
#include "base/buf.h"

#include "unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void assert_content(const struct buf *buf, const char *expected) {
    ck_assert_uint_eq(buf_length(buf), strlen(expected));
    ck_assert_mem_eq(buf_bytes(buf), expected, strlen(expected));
}

START_TEST(an_unused_buffer_is_empty_and_can_be_freed) {
    struct buf buf;
    buf_init(&buf, 0);
    buf_append(&buf, NULL, 0);
    ck_assert_uint_eq(buf_length(&buf), 0);
    ck_assert_ptr_null(buf_bytes(&buf));
    ck_assert(!buf.failed);
    buf_free(&buf);
    buf_free(&buf);
}
END_TEST

START_TEST(appends_add_up) {
    struct buf buf;
    buf_init(&buf, 0);
    buf_append(&buf, "ab", 2);
    buf_append_str(&buf, "cd");
    buf_append_char(&buf, 'e');
    buf_append_int(&buf, -12);
    buf_appendf(&buf, "%s=%d", "x", 5);
    memcpy(buf_reserve(&buf, 3), "yz", 2);
    buf_commit(&buf, 2);
    assert_content(&buf, "abcde-12x=5yz");
    buf_clear(&buf);
    assert_content(&buf, "");
    buf_free(&buf);
}
END_TEST

START_TEST(integers_are_written_as_printf_does) {
    const int64_t values[] = { 0,
                               1,
                               -1,
                               9,
                               10,
                               -10,
                               99,
                               100,
                               1234567890,
                               INT32_MAX,
                               INT32_MIN,
                               INT64_MAX,
                               INT64_MIN,
                               INT64_MIN + 1,
                               1000000000000000000 };
    for (size_t i = 0; i < UNIT_COUNT(values); i++) {
        char expected[32];
        struct buf buf;
        snprintf(expected, sizeof(expected), "%" PRId64, values[i]);
        buf_init(&buf, 0);
        buf_append_int(&buf, values[i]);
        assert_content(&buf, expected);
        buf_free(&buf);
    }
}
END_TEST

START_TEST(formatted_text_of_any_length_fits) {
    for (int length = 0; length < 1200; length += 1) {
        struct buf buf;
        buf_init(&buf, 0);
        buf_append_char(&buf, '[');
        buf_appendf(&buf, "%*d", length, 7);
        buf_append_char(&buf, ']');
        size_t width = length < 1 ? 1 : (size_t)length;
        ck_assert_uint_eq(buf_length(&buf), width + 2);
        ck_assert_mem_eq(buf_bytes(&buf) + width, "7]", 2);
        buf_free(&buf);
    }
}
END_TEST

START_TEST(cap_is_exact_and_failure_sticks) {
    struct buf buf;
    char bytes[1001] = { 0 };
    buf_init(&buf, 1000);
    buf_append(&buf, bytes, 1000);
    ck_assert(!buf.failed);
    ck_assert_uint_eq(buf_length(&buf), 1000);
    buf_append_char(&buf, 'x');
    ck_assert(buf.failed);
    buf_consume(&buf, 500);
    buf_append_char(&buf, 'x'); /* would fit now, but something is missing already */
    ck_assert_uint_eq(buf_length(&buf), 500);
    ck_assert_ptr_null(buf_reserve(&buf, 1));
    buf_clear(&buf);
    ck_assert(!buf.failed);
    buf_append(&buf, bytes, 1001);
    ck_assert(buf.failed);
    ck_assert_uint_eq(buf_length(&buf), 0);
    ck_assert_uint_le(buf.capacity, 1000);
    buf_free(&buf);
}
END_TEST

START_TEST(default_cap_holds) {
    struct buf buf;
    buf_init(&buf, 0);
    ck_assert_ptr_null(buf_reserve(&buf, (size_t)BUF_BYTES_MAX_DEFAULT + 1));
    ck_assert(buf.failed);
    buf_clear(&buf);
    ck_assert_ptr_null(buf_reserve(&buf, SIZE_MAX));
    buf_free(&buf);
}
END_TEST

START_TEST(consumed_bytes_make_room_under_the_cap) {
    struct buf buf;
    char bytes[600] = { 0 };
    buf_init(&buf, 1000);
    for (int i = 0; i < 100; i++) {
        buf_append(&buf, bytes, 600);
        buf_consume(&buf, 400);
        buf_append(&buf, bytes, 600); /* 800 bytes in a buffer of 1000 whose front is dead */
        ck_assert(!buf.failed);
        ck_assert_uint_eq(buf_length(&buf), 800);
        buf_consume(&buf, 800);
    }
    ck_assert_uint_le(buf.capacity, 1000);
    buf_free(&buf);
}
END_TEST

/* A queue of bytes against its model: the bytes are 0, 1, 2, … in order, whatever the pieces. */
START_TEST(any_mix_keeps_the_order) {
    struct buf buf;
    unsigned char next_in = 0, next_out = 0;
    unsigned random = 12345, mismatches = 0;
    buf_init(&buf, 4096);
    for (int round = 0; round < 20000; round++) {
        random = random * 1664525 + 1013904223;
        size_t room = 4096 - buf_length(&buf);
        size_t in = (random >> 8) % 300;
        in = in < room ? in : room;
        for (size_t i = 0; i < in; i++) {
            buf_append_char(&buf, (char)next_in++);
        }
        size_t out = (random >> 20) % 300;
        out = out < buf_length(&buf) ? out : buf_length(&buf);
        for (size_t i = 0; i < out; i++) {
            mismatches += (unsigned char)buf_bytes(&buf)[i] != next_out++;
        }
        buf_consume(&buf, out);
    }
    ck_assert_uint_eq(mismatches, 0);
    ck_assert(!buf.failed);
    buf_free(&buf);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("buf");
    TCase *tests = tcase_create("buf");
    tcase_add_test(tests, an_unused_buffer_is_empty_and_can_be_freed);
    tcase_add_test(tests, appends_add_up);
    tcase_add_test(tests, integers_are_written_as_printf_does);
    tcase_add_test(tests, formatted_text_of_any_length_fits);
    tcase_add_test(tests, cap_is_exact_and_failure_sticks);
    tcase_add_test(tests, default_cap_holds);
    tcase_add_test(tests, consumed_bytes_make_room_under_the_cap);
    tcase_add_test(tests, any_mix_keeps_the_order);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
