/* runtime/json: the tree of json-c, what is refused and where, the typed members. */
#include "base/buf.h"
#include "runtime/json/json.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

static struct arena arena;

static void setup(void) {
    arena_init(&arena, 4 << 20);
}

static void teardown(void) {
    arena_done(&arena);
}

static struct json_object *parse(const char *text) {
    struct json_object *value = NULL;
    struct json_scan_error error = { .reason = "" };
    enum err err = json_parse(&arena, text, strlen(text), &value, &error);
    ck_assert_msg(err == ERR_OK, "%s: %s", text, error.reason);
    return value;
}

/* ---- taken: the tree, as json-c writes it ---- */

static const struct {
    const char *text;
    const char *tree;
} TAKEN[] = {
    { "null", "null" },
    { " true\r\n\t", "true" },
    { "false", "false" },
    { "0", "0" },
    { "-0", "0" },
    { "-12", "-12" },
    { "1.50", "1.50" },
    { "1E+2", "1E+2" },
    { "-0.0e-0", "-0.0e-0" },
    { "9223372036854775807", "9223372036854775807" },
    { "9223372036854775808", "9223372036854775808" },
    { "-9223372036854775808", "-9223372036854775808" },
    { "99999999999999999999999999", "99999999999999999999999999" },
    { "1e400", "1e400" },
    { "\"\"", "\"\"" },
    { "\"a b\x7f\"", "\"a b\x7f\"" },
    { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\"" },
    { "\"\\u0041\\u00e9\\u20AC\\ud83d\\uDE00\"", "\"A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
    { "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
    { "\"\\u0000\"", "\"\\u0000\"" },
    { "\"\\uFFFF\"", "\"\xef\xbf\xbf\"" },
    { "[]", "[]" },
    { "[ ]", "[]" },
    { "[1,[2,[]],\"x\"]", "[1,[2,[]],\"x\"]" },
    { "{}", "{}" },
    { "{ }", "{}" },
    { "{\"\":1}", "{\"\":1}" },
    { " { \"a\" : 1 , \"b\" : [ null , { \"a\" : 2 } ] } ", "{\"a\":1,\"b\":[null,{\"a\":2}]}" },
    { "{\"a\\u0062\":1,\"a\":2,\"A\":3}", "{\"ab\":1,\"a\":2,\"A\":3}" },
};

START_TEST(valid_text_becomes_its_tree) {
    struct json_object *value = parse(TAKEN[_i].text);
    const char *tree = json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN |
                                                                 JSON_C_TO_STRING_NOSLASHESCAPE);
    ck_assert_str_eq(tree, TAKEN[_i].tree);
}
END_TEST

/* ---- refused: what the scanner refuses (t/unit/base/test_json_scan.c), and duplicates ---- */

static const struct {
    const char *text;
    unsigned line, column;
    const char *message;
} REFUSED[] = {
    { "", 1, 1, "malformed JSON at line 1, column 1: unexpected end of text" },
    { "[1,]", 1, 4, "malformed JSON at line 1, column 4: expected a value" },
    { "{\"a\":1,\n \"a\":2}", 2, 2,
      "malformed JSON at line 2, column 2: duplicate member name \"a\"" },
    { "{\"a\":1,\"\\u0061\":2}", 1, 8,
      "malformed JSON at line 1, column 8: duplicate member name \"a\"" },
    { "[{\"a\":{\"b\":1,\"b\":1}}]", 1, 14,
      "malformed JSON at line 1, column 14: duplicate member name \"b\"" },
    { "{\"a\":1,\"b\":1,\"b\":1,\"a\":1}", 1, 14,
      "malformed JSON at line 1, column 14: duplicate member name \"b\"" },
    { "{\"a\\u0000b\":1}", 1, 4,
      "malformed JSON at line 1, column 4: a member name must not contain \\u0000" },
};

START_TEST(invalid_text_is_refused_where_it_is_wrong) {
    const char *text = REFUSED[_i].text;
    struct json_object *value = (void *)&arena;
    struct json_scan_error error;
    char message[JSON_SCAN_MESSAGE_BYTES];
    ck_assert_msg(json_parse(&arena, text, strlen(text), &value, &error) == ERR_INVALID, "%s",
                  text);
    ck_assert_ptr_eq(value, (void *)&arena); /* outputs are written on success only */
    ck_assert_uint_eq(error.line, REFUSED[_i].line);
    ck_assert_uint_eq(error.column, REFUSED[_i].column);
    json_scan_message(&error, message);
    ck_assert_str_eq(message, REFUSED[_i].message);
    ck_assert_int_eq(json_parse(&arena, text, strlen(text), &value, NULL), ERR_INVALID);
}
END_TEST

/* ---- limits ---- */

START_TEST(depth_limit_is_exact) {
    char text[2 * (JSON_DEPTH_MAX + 1) + 1];
    for (size_t depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        struct json_object *value;
        struct json_scan_error error;
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        enum err err = json_parse(&arena, text, 2 * depth, &value, &error);
        ck_assert_int_eq(err, depth > JSON_DEPTH_MAX ? ERR_INVALID : ERR_OK);
        if (err != ERR_OK) {
            ck_assert_uint_eq(error.offset, JSON_DEPTH_MAX);
            ck_assert_int_eq(error.failure, JSON_SCAN_TOO_DEEP);
            ck_assert_uint_eq(error.limits.depth_max, 32);
        }
    }
}
END_TEST

START_TEST(value_limit_is_exact) {
    for (size_t items = JSON_VALUES_MAX - 1; items <= JSON_VALUES_MAX;
         items++) { /* and the array */
        struct buf text;
        struct json_object *value;
        struct json_scan_error error;
        buf_init(&text, 0);
        buf_append_str(&text, "[0");
        for (size_t i = 1; i < items; i++) {
            buf_append_str(&text, ",0");
        }
        buf_append_str(&text, "]");
        enum err err = json_parse(&arena, buf_bytes(&text), buf_length(&text), &value, &error);
        ck_assert_int_eq(err, items < JSON_VALUES_MAX ? ERR_OK : ERR_INVALID);
        if (err != ERR_OK) {
            ck_assert_int_eq(error.failure, JSON_SCAN_TOO_MANY);
            ck_assert_uint_eq(error.limits.values_max, 4096);
        }
        buf_free(&text);
    }
}
END_TEST

START_TEST(a_small_arena_is_no_memory_not_invalid) {
    static const char TEXT[] = "{\"name\":\"a\\n\",\"price\":1.5}";
    size_t failures = 0;
    for (size_t bytes = 0; bytes < 200; bytes++) {
        struct arena small;
        struct json_object *value;
        arena_init(&small, bytes);
        enum err err = json_parse(&small, TEXT, sizeof(TEXT) - 1, &value, NULL);
        ck_assert(err == ERR_OK || err == ERR_NO_MEMORY);
        failures += err == ERR_NO_MEMORY;
        arena_done(&small);
    }
    ck_assert_uint_gt(failures, 0);
    ck_assert_uint_lt(failures, 200);
}
END_TEST

/* ---- members ---- */

static const struct {
    const char *text;
    unsigned scale;
    enum err err;
    int64_t value;
} DECIMALS[] = {
    { "{\"n\":7}", 0, ERR_OK, 7 },
    { "{\"n\":7}", 2, ERR_OK, 700 },
    { "{\"n\":-7}", 6, ERR_OK, -7000000 },
    { "{\"n\":1.0}", 0, ERR_OK, 1 },
    { "{\"n\":1e2}", 0, ERR_OK, 100 },
    { "{\"n\":1.5}", 0, ERR_INVALID, 0 },
    { "{\"n\":0.1}", 2, ERR_OK, 10 },
    { "{\"n\":9999999999.99}", 2, ERR_OK, 999999999999 },
    { "{\"n\":1.005}", 2, ERR_INVALID, 0 },
    { "{\"n\":9223372036854775807}", 0, ERR_OK, INT64_MAX },
    { "{\"n\":-9223372036854775808}", 0, ERR_OK, INT64_MIN },
    { "{\"n\":9223372036854775808}", 0, ERR_TOO_LARGE, 0 },
    { "{\"n\":-9223372036854775809}", 0, ERR_TOO_LARGE, 0 },
    { "{\"n\":18446744073709551616}", 0, ERR_TOO_LARGE, 0 },
    { "{\"n\":99999999999999999999999999}", 0, ERR_TOO_LARGE, 0 },
    { "{\"n\":1e400}", 0, ERR_TOO_LARGE, 0 },
    { "{\"n\":9223372036854775807}", 1, ERR_TOO_LARGE, 0 },
    { "{\"n\":-9223372036854775808}", 1, ERR_TOO_LARGE, 0 },
    { "{\"n\":null}", 0, ERR_NOT_FOUND, 0 },
    { "{\"m\":1}", 0, ERR_NOT_FOUND, 0 },
    { "{\"n\":\"1\"}", 0, ERR_INVALID, 0 },
    { "{\"n\":true}", 0, ERR_INVALID, 0 },
    { "{\"n\":[1]}", 0, ERR_INVALID, 0 },
    { "[1]", 0, ERR_NOT_FOUND, 0 },
    { "null", 0, ERR_NOT_FOUND, 0 },
};

START_TEST(decimal_members_are_exact) {
    int64_t value = 0;
    enum err err = json_get_decimal(parse(DECIMALS[_i].text), "n", DECIMALS[_i].scale, &value);
    ck_assert_msg(err == DECIMALS[_i].err, "%s: %s", DECIMALS[_i].text, err_name(err));
    ck_assert_msg(value == DECIMALS[_i].value, "%s", DECIMALS[_i].text);
}
END_TEST

START_TEST(string_members_keep_every_byte) {
    struct json_object *object = parse("{\"s\":\"a\\u0000b\",\"e\":\"\",\"n\":1,\"z\":null}");
    const char *str;
    size_t length;
    ck_assert_int_eq(json_get_string(object, "s", &str, &length), ERR_OK);
    ck_assert_uint_eq(length, 3);
    ck_assert_mem_eq(str, "a\0b", 4);
    ck_assert_int_eq(json_get_string(object, "e", &str, &length), ERR_OK);
    ck_assert_uint_eq(length, 0);
    ck_assert_int_eq(json_get_string(object, "n", &str, &length), ERR_INVALID);
    ck_assert_int_eq(json_get_string(object, "z", &str, &length), ERR_NOT_FOUND);
    ck_assert_int_eq(json_get_string(object, "x", &str, &length), ERR_NOT_FOUND);
}
END_TEST

START_TEST(unknown_members_are_named) {
    static const char *const NAMES[] = { "a", "b", NULL };
    static const char *const NONE[] = { NULL };
    ck_assert_ptr_null(json_unknown_member(parse("{}"), NAMES));
    ck_assert_ptr_null(json_unknown_member(parse("{\"b\":1,\"a\":2}"), NAMES));
    ck_assert_str_eq(json_unknown_member(parse("{\"a\":1,\"c\":2,\"d\":3}"), NAMES), "c");
    ck_assert_str_eq(json_unknown_member(parse("{\"A\":1}"), NAMES), "A");
    ck_assert_str_eq(json_unknown_member(parse("{\"\":1}"), NAMES), "");
    ck_assert_str_eq(json_unknown_member(parse("{\"a\":1}"), NONE), "a");
    ck_assert_ptr_null(json_unknown_member(parse("[1]"), NAMES));
}
END_TEST

START_TEST(only_objects_are_objects) {
    ck_assert(json_is_object(parse("{}")));
    ck_assert(!json_is_object(parse("[]")));
    ck_assert(!json_is_object(parse("null")));
    ck_assert(!json_is_object(parse("\"{}\"")));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("json");
    TCase *text = tcase_create("text");
    tcase_add_checked_fixture(text, setup, teardown);
    tcase_add_loop_test(text, valid_text_becomes_its_tree, 0, (int)UNIT_COUNT(TAKEN));
    tcase_add_loop_test(text, invalid_text_is_refused_where_it_is_wrong, 0,
                        (int)UNIT_COUNT(REFUSED));
    tcase_add_test(text, depth_limit_is_exact);
    tcase_add_test(text, value_limit_is_exact);
    tcase_add_test(text, a_small_arena_is_no_memory_not_invalid);
    suite_add_tcase(suite, text);
    TCase *members = tcase_create("members");
    tcase_add_checked_fixture(members, setup, teardown);
    tcase_add_loop_test(members, decimal_members_are_exact, 0, (int)UNIT_COUNT(DECIMALS));
    tcase_add_test(members, string_members_keep_every_byte);
    tcase_add_test(members, unknown_members_are_named);
    tcase_add_test(members, only_objects_are_objects);
    suite_add_tcase(suite, members);
    return unit_run(suite);
}
