/* openapi/value: the tree of JSON values, its members, equality and hashes. */
#include "openapi/value.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

static struct arena *arena;
static struct json_scan_error error;

static void setup(void) {
    arena = arena_open(16 * 1024 * 1024);
    ck_assert_ptr_nonnull(arena);
}

static void teardown(void) {
    arena_close(arena);
}

static struct value *parse(const char *text) {
    return value_parse(arena, text, strlen(text), 8, &error);
}

START_TEST(values_are_typed) {
    static const struct {
        const char *text;
        enum value_type type;
    } cases[] = { { "null", VALUE_NULL },      { " true ", VALUE_TRUE }, { "false", VALUE_FALSE },
                  { "-0.5e+7", VALUE_NUMBER }, { "\"\"", VALUE_STRING }, { "[]", VALUE_ARRAY },
                  { "{}", VALUE_OBJECT } };
    const struct value *value = parse(cases[_i].text);

    ck_assert_ptr_nonnull(value);
    ck_assert_int_eq(value->type, cases[_i].type);
}
END_TEST

START_TEST(strings_are_decoded_and_counted) {
    static const struct {
        const char *text;
        const char *decoded;
        unsigned points;
    } cases[] = {
        { "\"abc\"", "abc", 3 },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8 },
        { "\"a\\u00e9z\"", "a\xc3\xa9z", 3 },
        { "\"\\ud83d\\ude00!\"", "\xf0\x9f\x98\x80!", 2 },
        { "\"\xf0\x9f\x98\x80\xc3\xa9\"", "\xf0\x9f\x98\x80\xc3\xa9", 2 },
        { "\"\\u20AC\"", "\xe2\x82\xac", 1 },
    };
    const struct value *value = parse(cases[_i].text);

    ck_assert_ptr_nonnull(value);
    ck_assert(str_is(value->text, cases[_i].decoded));
    ck_assert_uint_eq(value->count, cases[_i].points);
    ck_assert_uint_eq(value->raw.len, strlen(cases[_i].text));
}
END_TEST

/* What the scanner refuses (t/unit/base/test_json_scan.c), and what only the tree can find. */
START_TEST(mistakes_are_located) {
    static const struct {
        const char *text;
        const char *reason;
        size_t line;
        size_t column;
    } cases[] = {
        { "[1,]", "expected a value", 1, 4 },
        { "{\n\"a\":1,\n \"a\":2}", "duplicate member name \"a\"", 3, 2 },
        { "{\"a\":1,\"\\u0061\":2}", "duplicate member name \"a\"", 1, 8 },
        { "[{\"a\":{\"b\":1,\"b\":1}}]", "duplicate member name \"b\"", 1, 14 },
        { "{\"a\":1,\"b\":1,\"b\":1,\"a\":1}", "duplicate member name \"b\"", 1, 14 },
    };

    ck_assert_ptr_null(parse(cases[_i].text));
    ck_assert_str_eq(error.reason, cases[_i].reason);
    ck_assert_uint_eq(error.line, cases[_i].line);
    ck_assert_uint_eq(error.column, cases[_i].column);
}
END_TEST

enum { MISTAKES = 5 };

START_TEST(a_nul_byte_ends_nothing) {
    ck_assert_ptr_null(value_parse(arena, "1\0", 2, 8, &error));
    ck_assert_str_eq(error.reason, "unexpected text after the value");
}
END_TEST

START_TEST(depth_is_allowed_up_to_the_limit) {
    ck_assert_ptr_nonnull(parse("[[[[[[[[]]]]]]]]"));
}
END_TEST

START_TEST(duplicates_are_found_among_many) {
    char text[8192] = "{";

    for (int i = 0; i < 200; i++) {
        char member[32];

        snprintf(member, sizeof(member), "\"k%d\":%d,", i, i);
        strncat(text, member, sizeof(text) - strlen(text) - 1);
    }
    strncat(text, "\"z\":1}", sizeof(text) - strlen(text) - 1);
    ck_assert_ptr_nonnull(parse(text));
    text[strlen(text) - 1] = '\0';
    strncat(text, ",\"k77\":1}", sizeof(text) - strlen(text) - 1);
    ck_assert_ptr_null(parse(text));
    ck_assert_str_eq(error.reason, "duplicate member name \"k77\"");
    ck_assert_str_eq(text + error.offset, "\"k77\":1}");
}
END_TEST

START_TEST(memory_is_limited) {
    struct arena *small = arena_open(8192);
    char text[2001];

    memset(text, '[', 1);
    for (int i = 1; i < 1999; i += 2) {
        text[i] = '0';
        text[i + 1] = ',';
    }
    text[1999] = '0';
    text[2000] = ']';
    ck_assert_ptr_null(value_parse(small, text, sizeof(text), 8, &error));
    ck_assert_str_eq(error.reason, "out of memory");
    arena_close(small);
}
END_TEST

START_TEST(equality_is_of_values) {
    static const struct {
        const char *a;
        const char *b;
        bool equal;
    } cases[] = {
        { "1", "1.0", true },
        { "100", "1e2", true },
        { "0", "-0.0", true },
        { "1", "1.0000001", false },
        { "\"1\"", "1", false },
        { "\"a\"", "\"\\u0061\"", true },
        { "[1,2]", "[2,1]", false },
        { "[1]", "[1,1]", false },
        { "true", "false", false },
        { "null", "null", true },
        { "{\"a\":1,\"b\":[2]}", "{\"b\":[2.0],\"a\":1}", true },
        { "{\"a\":1}", "{\"b\":1}", false },
        { "123456789012345678901234567890", "123456789012345678901234567891", false },
    };

    ck_assert(value_equal(parse(cases[_i].a), parse(cases[_i].b)) == cases[_i].equal);
}
END_TEST

START_TEST(equal_values_have_equal_hashes) {
    static const struct {
        const char *a;
        const char *b;
        bool equal;
    } cases[] = {
        { "1", "1.0", true },
        { "100", "1e2", true },
        { "-0.0", "0", true },
        { "1", "-1", false },
        { "12", "120", false },
        { "\"1\"", "1", false },
        { "\"abcdefgh1\"", "\"abcdefgh2\"", false },
        { "\"a\"", "\"\\u0061\"", true },
        { "[1,2]", "[2,1]", false },
        { "[[1],2]", "[1,[2]]", false },
        { "{\"a\":1,\"b\":[2]}", "{\"b\":[2.0],\"a\":1}", true },
        { "{\"a\":1,\"b\":2}", "{\"a\":2,\"b\":1}", false },
        { "true", "false", false },
    };

    ck_assert((value_hash(parse(cases[_i].a), 7) == value_hash(parse(cases[_i].b), 7)) ==
              cases[_i].equal);
    ck_assert_uint_ne(value_hash(parse(cases[_i].a), 7), value_hash(parse(cases[_i].a), 8));
}
END_TEST

START_TEST(small_integers_are_known) {
    static const struct {
        const char *text;
        bool is_known;
        int64_t value;
    } cases[] = {
        { "0", true, 0 },
        { "-0", true, 0 },
        { "999999999999999999", true, 999999999999999999 },
        { "-999999999999999999", true, -999999999999999999 },
        { "1000000000000000000", false, 0 },
        { "1.0", false, 0 },
        { "1e1", false, 0 },
    };
    const struct value *value = parse(cases[_i].text);

    ck_assert_uint_eq(value->count, cases[_i].is_known);
    ck_assert_uint_eq(value->text.len, 0); /* of a number there is no text to be misread */
    if (cases[_i].is_known) {
        ck_assert_int_eq(value->integer, cases[_i].value);
    }
}
END_TEST

START_TEST(members_are_found) {
    for (unsigned count = VALUE_PAIRWISE_MAX; count <= VALUE_PAIRWISE_MAX + 1; count++) {
        char text[512] = "{\"k0\":0";
        const struct value *object;

        for (unsigned i = 1; i < count; i++) {
            size_t len = strlen(text);

            snprintf(text + len, sizeof(text) - len, ",\"k%u\":%u", i, i);
        }
        strncat(text, "}", 2);
        object = parse(text);
        ck_assert_uint_eq(object->count, count);
        for (unsigned i = 0; i < count; i++) {
            char name[8];

            snprintf(name, sizeof(name), "k%u", i);
            ck_assert_int_eq(value_get(object, name)->integer, i);
        }
        ck_assert_ptr_null(value_get(object, "k99"));
        ck_assert_ptr_null(value_get(object->child, "k0"));
        ck_assert(value_equal(object, parse(text)));
    }
}
END_TEST

/* Values, at the limit and one beyond; why the text was refused. */
START_TEST(limits_have_names) {
    static const struct {
        const char *text;
        bool is_good;
        enum json_scan_failure failure;
    } cases[] = {
        { "[1,{\"a\":2}]", true, JSON_SCAN_MALFORMED },
        { "[1,{\"a\":2},3]", false, JSON_SCAN_TOO_MANY },
        { "[[[1]]]", true, JSON_SCAN_MALFORMED },
        { "[[[[]]]]", false, JSON_SCAN_TOO_DEEP },
        { "[1,]", false, JSON_SCAN_MALFORMED },
    };
    const struct json_scan_limits limits = { .depth_max = 3, .values_max = 4 };
    const struct value *value =
        value_parse_limited(arena, cases[_i].text, strlen(cases[_i].text), &limits, &error);

    ck_assert((value != NULL) == cases[_i].is_good);
    if (value == NULL) {
        ck_assert_int_eq(error.failure, cases[_i].failure);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("openapi_json");
    TCase *tcase = tcase_create("all");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, values_are_typed, 0, 7);
    tcase_add_loop_test(tcase, strings_are_decoded_and_counted, 0, 6);
    tcase_add_loop_test(tcase, mistakes_are_located, 0, MISTAKES);
    tcase_add_test(tcase, a_nul_byte_ends_nothing);
    tcase_add_test(tcase, depth_is_allowed_up_to_the_limit);
    tcase_add_test(tcase, duplicates_are_found_among_many);
    tcase_add_test(tcase, memory_is_limited);
    tcase_add_loop_test(tcase, equality_is_of_values, 0, 13);
    tcase_add_loop_test(tcase, equal_values_have_equal_hashes, 0, 13);
    tcase_add_loop_test(tcase, small_integers_are_known, 0, 7);
    tcase_add_test(tcase, members_are_found);
    tcase_add_loop_test(tcase, limits_have_names, 0, 5);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
