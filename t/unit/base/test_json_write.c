/* base/json_write: structure, values, and strings of any bytes. */
#include "base/json_scan.h"
#include "base/json_write.h"

#include "unit.h"

#include <signal.h>
#include <string.h>

static struct buf out;

static void setup(void) {
    buf_init(&out, 0);
}

static void teardown(void) {
    buf_free(&out);
}

static void assert_output(const char *expected) {
    buf_append_char(&out, '\0');
    ck_assert(!out.failed);
    ck_assert_str_eq(buf_bytes(&out), expected);
}

START_TEST(structure_and_values) {
    struct json_writer writer;
    json_write_init(&writer, &out);
    json_write_begin_object(&writer, NULL);
    json_write_int(&writer, "id", -7);
    json_write_decimal(&writer, "price", 1250, 2, 2);
    json_write_bool(&writer, "yes", true);
    json_write_bool(&writer, "no", false);
    json_write_null(&writer, "reason");
    json_write_string(&writer, "bytes", "a\0b", 3);
    json_write_str(&writer, "str", "x");
    json_write_str(&writer, "none", NULL);
    json_write_time(&writer, "at", 1795367792123);
    json_write_raw(&writer, "raw", "[1]", 3);
    json_write_begin_array(&writer, "list");
    json_write_begin_object(&writer, NULL);
    json_write_end_object(&writer);
    json_write_begin_array(&writer, NULL);
    json_write_end_array(&writer);
    json_write_int(&writer, NULL, 1);
    json_write_str(&writer, NULL, "two");
    json_write_end_array(&writer);
    json_write_int(&writer, "a\"b", 2);
    json_write_end_object(&writer);
    assert_output("{\"id\":-7,\"price\":12.50,\"yes\":true,\"no\":false,\"reason\":null,"
                  "\"bytes\":\"a\\u0000b\",\"str\":\"x\",\"none\":null,"
                  "\"at\":\"2026-11-22T17:16:32.123Z\",\"raw\":[1],"
                  "\"list\":[{},[],1,\"two\"],\"a\\\"b\":2}");
}
END_TEST

START_TEST(values_at_the_top_need_no_structure) {
    struct json_writer writer;
    json_write_init(&writer, &out);
    json_write_int(&writer, NULL, 0);
    assert_output("0");
}
END_TEST

START_TEST(the_deepest_nesting) {
    struct json_writer writer;
    json_write_init(&writer, &out);
    for (int i = 0; i < JSON_WRITE_DEPTH_MAX - 1; i++) {
        json_write_begin_array(&writer, NULL);
    }
    for (int i = 0; i < JSON_WRITE_DEPTH_MAX - 1; i++) {
        json_write_end_array(&writer);
    }
    ck_assert_uint_eq(buf_length(&out), 2 * (JSON_WRITE_DEPTH_MAX - 1));
}
END_TEST

#ifndef NDEBUG
START_TEST(deeper_is_a_bug) {
    struct json_writer writer;
    json_write_init(&writer, &out);
    for (int i = 0; i < JSON_WRITE_DEPTH_MAX; i++) {
        json_write_begin_array(&writer, NULL);
    }
}
END_TEST
#endif

START_TEST(a_full_buffer_fails_once_for_all) {
    struct buf small;
    struct json_writer writer;
    buf_init(&small, 8);
    json_write_init(&writer, &small);
    json_write_begin_object(&writer, NULL);
    json_write_str(&writer, "name", "value");
    json_write_end_object(&writer);
    ck_assert(small.failed);
    buf_free(&small);
}
END_TEST

/* ---- strings ---- */

static const struct {
    const char *bytes;
    const char *json;
} STRINGS[] = {
    { "", "\"\"" },
    { "plain", "\"plain\"" },
    { "\"", "\"\\\"\"" },
    { "a\\b/c", "\"a\\\\b/c\"" },
    { "\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\"" },
    { "\x01\x0b\x1f\x7f", "\"\\u0001\\u000b\\u001f\x7f\"" },
    { "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"" },
    { "\xff", "\"\xef\xbf\xbd\"" },
    { "a\x80z", "\"a\xef\xbf\xbdz\"" },
    { "\xc3", "\"\xef\xbf\xbd\"" },
    { "\xc3\"", "\"\xef\xbf\xbd\\\"\"" },
    { "\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
    { "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
    { "\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
};

START_TEST(strings_are_escaped) {
    json_write_quoted(&out, STRINGS[_i].bytes, strlen(STRINGS[_i].bytes));
    assert_output(STRINGS[_i].json);
}
END_TEST

/* Whatever the bytes, the output is JSON. */
START_TEST(any_bytes_make_valid_json) {
    const struct json_scan_limits limits = { .values_max = 1 };
    unsigned random = 1;
    for (int round = 0; round < 5000; round++) {
        char bytes[24];
        size_t length = (size_t)round % sizeof(bytes);
        for (size_t i = 0; i < length; i++) {
            random = random * 1664525 + 1013904223;
            bytes[i] = (char)(random >> 24);
        }
        struct json_scan scan;
        struct json_scan_error error;
        buf_clear(&out);
        json_write_quoted(&out, bytes, length);
        json_scan_init(&scan, (struct str){ buf_bytes(&out), buf_length(&out) }, &limits, &error);
        if (json_scan_next(&scan) != JSON_SCAN_STRING || json_scan_next(&scan) != JSON_SCAN_END) {
            ck_abort_msg("round %d: %s", round, error.reason);
        }
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("json_write");
    TCase *writer = tcase_create("writer");
    tcase_add_checked_fixture(writer, setup, teardown);
    tcase_add_test(writer, structure_and_values);
    tcase_add_test(writer, values_at_the_top_need_no_structure);
    tcase_add_test(writer, the_deepest_nesting);
#ifndef NDEBUG
    tcase_add_test_raise_signal(writer, deeper_is_a_bug, SIGABRT);
#endif
    tcase_add_test(writer, a_full_buffer_fails_once_for_all);
    tcase_add_loop_test(writer, strings_are_escaped, 0, (int)UNIT_COUNT(STRINGS));
    tcase_add_test(writer, any_bytes_make_valid_json);
    suite_add_tcase(suite, writer);
    return unit_run(suite);
}
