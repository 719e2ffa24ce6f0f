/* services/common/json: what the writer makes, and UTF-8 in and out. */
#include "base/utf8.h"
#include "runtime/json/json.h"

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
    json_writer_init(&writer, &out);
    json_begin_object(&writer, NULL);
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
    json_begin_array(&writer, "list");
    json_begin_object(&writer, NULL);
    json_end_object(&writer);
    json_begin_array(&writer, NULL);
    json_end_array(&writer);
    json_write_int(&writer, NULL, 1);
    json_write_str(&writer, NULL, "two");
    json_end_array(&writer);
    json_write_int(&writer, "a\"b", 2);
    json_end_object(&writer);
    assert_output("{\"id\":-7,\"price\":12.50,\"yes\":true,\"no\":false,\"reason\":null,"
                  "\"bytes\":\"a\\u0000b\",\"str\":\"x\",\"none\":null,"
                  "\"at\":\"2026-11-22T17:16:32.123Z\",\"raw\":[1],"
                  "\"list\":[{},[],1,\"two\"],\"a\\\"b\":2}");
}
END_TEST

START_TEST(values_at_the_top_need_no_structure) {
    struct json_writer writer;
    json_writer_init(&writer, &out);
    json_write_int(&writer, NULL, 0);
    assert_output("0");
}
END_TEST

START_TEST(the_deepest_nesting) {
    struct json_writer writer;
    json_writer_init(&writer, &out);
    for (int i = 0; i < JSON_DEPTH_MAX - 1; i++) {
        json_begin_array(&writer, NULL);
    }
    for (int i = 0; i < JSON_DEPTH_MAX - 1; i++) {
        json_end_array(&writer);
    }
    ck_assert_uint_eq(buf_length(&out), 2 * (JSON_DEPTH_MAX - 1));
}
END_TEST

#ifndef NDEBUG
START_TEST(deeper_is_a_bug) {
    struct json_writer writer;
    json_writer_init(&writer, &out);
    for (int i = 0; i < JSON_DEPTH_MAX; i++) {
        json_begin_array(&writer, NULL);
    }
}
END_TEST
#endif

START_TEST(a_full_buffer_fails_once_for_all) {
    struct buf small;
    struct json_writer writer;
    buf_init(&small, 8);
    json_writer_init(&writer, &small);
    json_begin_object(&writer, NULL);
    json_write_str(&writer, "name", "value");
    json_end_object(&writer);
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
    json_append_string(&out, STRINGS[_i].bytes, strlen(STRINGS[_i].bytes));
    assert_output(STRINGS[_i].json);
}
END_TEST

/* Whatever the bytes, the output parses; and valid UTF-8 comes back as it was. */
START_TEST(any_bytes_make_valid_json) {
    struct arena arena;
    unsigned random = 1;
    arena_init(&arena, 1 << 20);
    for (int round = 0; round < 5000; round++) {
        char bytes[24];
        size_t length = (size_t)round % sizeof(bytes);
        for (size_t i = 0; i < length; i++) {
            random = random * 1664525 + 1013904223;
            bytes[i] = (char)(random >> 24);
        }
        struct json_object *value;
        struct json_error error;
        buf_clear(&out);
        json_append_string(&out, bytes, length);
        if (json_parse(&arena, buf_bytes(&out), buf_length(&out), &value, &error) != ERR_OK) {
            ck_abort_msg("round %d: %s", round, error.message);
        }
        arena_reset(&arena);
    }
    arena_done(&arena);
}
END_TEST

START_TEST(characters_are_counted_not_bytes) {
    ck_assert_uint_eq(json_count_characters("", 0), 0);
    ck_assert_uint_eq(json_count_characters("abc", 3), 3);
    ck_assert_uint_eq(json_count_characters("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9), 3);
    ck_assert_uint_eq(json_count_characters("a\0b", 3), 3);
}
END_TEST

/* ---- utf8 ---- */

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
    tcase_add_test(writer, characters_are_counted_not_bytes);
    suite_add_tcase(suite, writer);
    TCase *utf8 = tcase_create("utf8");
    tcase_add_test(utf8, every_scalar_value_round_trips);
    tcase_add_loop_test(utf8, malformed_sequences_are_seen, 0, (int)UNIT_COUNT(MALFORMED));
    tcase_add_test(utf8, cuts_fall_between_characters);
    suite_add_tcase(suite, utf8);
    return unit_run(suite);
}
