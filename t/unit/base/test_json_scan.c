/* base/json_scan: what is JSON, what is not and where, told in events. */
#include "base/buf.h"
#include "base/json_scan.h"

#include "unit.h"

#include <string.h>

static struct json_scan scan;
static struct json_scan_error error;
static const struct json_scan_limits LIMITS = { .depth_max = 8, .values_max = 100 };

/* Until the last event, which is returned; `told`, if not NULL, gets a word for each before it. */
static enum json_scan_event run(const char *text, size_t length,
                                const struct json_scan_limits *limits, struct buf *told) {
    json_scan_init(&scan, (struct str){ text, length }, limits, &error);
    for (;;) {
        enum json_scan_event event = json_scan_next(&scan);
        if (event == JSON_SCAN_END || event == JSON_SCAN_FAILED) {
            return event;
        }
        if (told == NULL) {
            continue;
        }
        if (event == JSON_SCAN_CLOSE) {
            buf_append_str(told, "close ");
            continue;
        }
        if (scan.name.text.data != NULL) {
            buf_append(told, scan.name.text.data, scan.name.text.len);
            buf_append_char(told, '=');
        }
        buf_appendf(told, "%d:%.*s ", (int)event, (int)(scan.pos - scan.value), scan.value);
    }
}

/* ---- taken ---- */

static const struct {
    const char *text;
    const char *events;
} TAKEN[] = {
    { "null", "1:null " },
    { " false\r\n\t", "2:false " },
    { "true", "4:true " },
    { "-0.5e+7", "8:-0.5e+7 " },
    { "0", "8:0 " },
    { "1E2", "8:1E2 " },
    { "99999999999999999999999999", "8:99999999999999999999999999 " },
    { "\"\"", "16:\"\" " },
    { "\"a\\nb\"", "16:\"a\\nb\" " },
    { "\"a b\x7f\"", "16:\"a b\x7f\" " },
    { "\"\\u0000\"", "16:\"\\u0000\" " },
    { "[]", "32:[ close " },
    { "[ ]", "32:[ close " },
    { "{}", "64:{ close " },
    { "{ }", "64:{ close " },
    { "{\"\":1}", "64:{ =8:1 close " },
    { "[1,[2,[]],\"x\"]", "32:[ 8:1 32:[ 8:2 32:[ close close 16:\"x\" close " },
    { " { \"a\" : 1 , \"b\" : [ null , { \"c\" : 2 } ] } ",
      "64:{ a=8:1 b=32:[ 1:null 64:{ c=8:2 close close close " },
    { "{\"a\":[1],\"b\":{}}", "64:{ a=32:[ 8:1 close b=64:{ close close " },
    { "[[[[[[[[]]]]]]]]",
      "32:[ 32:[ 32:[ 32:[ 32:[ 32:[ 32:[ 32:[ close close close close close close close close " },
};

START_TEST(events_tell_what_the_text_says) {
    struct buf told;
    buf_init(&told, 0);
    ck_assert_int_eq(run(TAKEN[_i].text, strlen(TAKEN[_i].text), &LIMITS, &told), JSON_SCAN_END);
    buf_append_char(&told, '\0');
    ck_assert_str_eq(buf_bytes(&told), TAKEN[_i].events);
    buf_free(&told);
}
END_TEST

static const struct {
    const char *text;
    const char *decoded;
    unsigned points;
} STRINGS[] = {
    { "\"abc\"", "abc", 3 },
    { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8 },
    { "\"a\\u00e9z\"", "a\xc3\xa9z", 3 },
    { "\"\\ud83d\\ude00!\"", "\xf0\x9f\x98\x80!", 2 },
    { "\"\\uD83D\\uDe00\"", "\xf0\x9f\x98\x80", 1 },
    { "\"\xf0\x9f\x98\x80\xc3\xa9\"", "\xf0\x9f\x98\x80\xc3\xa9", 2 },
    { "\"\\u20AC\"", "\xe2\x82\xac", 1 },
    { "\"\\uFFFF\"", "\xef\xbf\xbf", 1 },
    { "\"before the \\\"quoted\\\" word and after it\"", "before the \"quoted\" word and after it",
      37 },
};

START_TEST(strings_are_decoded_and_counted) {
    const struct json_scan_string *string = &scan.string;
    char out[64];
    ck_assert_int_eq(run(STRINGS[_i].text, strlen(STRINGS[_i].text), &LIMITS, NULL), JSON_SCAN_END);
    size_t length = json_scan_decode(string, out);
    ck_assert_uint_le(length, string->text.len);
    ck_assert(str_is((struct str){ out, length }, STRINGS[_i].decoded));
    ck_assert_uint_eq(string->points, STRINGS[_i].points);
    ck_assert_int_eq(string->is_escaped, strchr(STRINGS[_i].text, '\\') != NULL);
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
    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        ck_assert_int_eq(run(cases[i].text, strlen(cases[i].text), &LIMITS, NULL), JSON_SCAN_END);
        ck_assert_int_eq(scan.is_integer, cases[i].is_known);
        ck_assert(!scan.is_integer || scan.integer == cases[i].value);
    }
}
END_TEST

START_TEST(numbers_are_recognized) {
    static const char *const numbers[] = { "0", "-0", "12", "-1.50", "1e9", "0.0E-0" };
    static const char *const others[] = { "",   "-",  "01", "1.",  ".5",   "+1", "1e",
                                          " 1", "1 ", "1x", "0x1", "null", "1,2" };
    for (size_t i = 0; i < UNIT_COUNT(numbers); i++) {
        ck_assert(json_scan_is_number(str_of(numbers[i])));
    }
    for (size_t i = 0; i < UNIT_COUNT(others); i++) {
        ck_assert_msg(!json_scan_is_number(str_of(others[i])), "%s", others[i]);
    }
    ck_assert(!json_scan_is_number((struct str){ NULL, 0 }));
}
END_TEST

/* ---- refused: where and why ---- */

#define END_REASON "unexpected end of text"
#define VALUE_REASON "expected a value"
#define AFTER_REASON "unexpected text after the value"
#define ESCAPE_REASON "invalid escape in a string"
#define SURROGATE_REASON "unpaired surrogate in a string"
#define CONTROL_REASON "control character in a string"
#define UTF8_REASON "text is not valid UTF-8"
#define NAME_REASON "expected a member name in double quotes"
#define MEMBER_REASON "expected ',' or '}' after a member"
#define ITEM_REASON "expected ',' or ']' after an array element"

static const struct {
    const char *text;
    unsigned line, column;
    const char *reason;
} REFUSED[] = {
    { "", 1, 1, END_REASON },
    { "  ", 1, 3, END_REASON },
    { " \n ", 2, 2, END_REASON },
    { "nul", 1, 1, VALUE_REASON },
    { "True", 1, 1, VALUE_REASON },
    { "NaN", 1, 1, VALUE_REASON },
    { "Infinity", 1, 1, VALUE_REASON },
    { "-Infinity", 1, 2, "expected a digit" },
    { "nullx", 1, 5, AFTER_REASON },
    { "1 2", 1, 3, AFTER_REASON },
    { "{} x", 1, 4, AFTER_REASON },
    { "{} {}", 1, 4, AFTER_REASON },
    { "[],", 1, 3, AFTER_REASON },
    { "\xef\xbb\xbf{}", 1, 1, "a byte order mark is not allowed" },
    { "\x0b"
      "1",
      1, 1, VALUE_REASON },
    { "\xc2\xa0"
      "1",
      1, 1, VALUE_REASON },
    { "/* */ 1", 1, 1, VALUE_REASON },
    { "// c\n1", 1, 1, VALUE_REASON },
    { "1 // x", 1, 3, AFTER_REASON },
    { "+1", 1, 1, VALUE_REASON },
    { ".5", 1, 1, VALUE_REASON },
    { "-", 1, 2, END_REASON },
    { "-x", 1, 2, "expected a digit" },
    { "01", 1, 2, "a number must not begin with 0" },
    { "-00", 1, 3, "a number must not begin with 0" },
    { "1.", 1, 3, END_REASON },
    { "1.x", 1, 3, "expected a digit" },
    { "1.e1", 1, 3, "expected a digit" },
    { "1e", 1, 3, END_REASON },
    { "1e+", 1, 4, END_REASON },
    { "0x10", 1, 2, AFTER_REASON },
    { "1_0", 1, 2, AFTER_REASON },
    { "'a'", 1, 1, VALUE_REASON },
    { "\"", 1, 2, END_REASON },
    { "\"a", 1, 3, END_REASON },
    { "\"\\", 1, 3, END_REASON },
    { "\"\\\"", 1, 4, END_REASON },
    { "\"\\x41\"", 1, 2, ESCAPE_REASON },
    { "\"\\'\"", 1, 2, ESCAPE_REASON },
    { "\"\\N\"", 1, 2, ESCAPE_REASON },
    { "\"\\u\"", 1, 2, ESCAPE_REASON },
    { "\"\\u123", 1, 2, ESCAPE_REASON },
    { "\"\\u12g4\"", 1, 2, ESCAPE_REASON },
    { "\"\\U0041\"", 1, 2, ESCAPE_REASON },
    { "\"\\ud800\"", 1, 2, SURROGATE_REASON },
    { "\"\\udc00\"", 1, 2, SURROGATE_REASON },
    { "\"x\\udc00\"", 1, 3, SURROGATE_REASON },
    { "\"\\ud800\\ud800\"", 1, 2, SURROGATE_REASON },
    { "\"\\ud800x\"", 1, 2, SURROGATE_REASON },
    { "\"\\ud800\\n\"", 1, 2, SURROGATE_REASON },
    { "\"\\ud800\\u0041\"", 1, 2, SURROGATE_REASON },
    { "\"\\ud800\\u12\"", 1, 2, SURROGATE_REASON },
    { "\"a\tb\"", 1, 3, CONTROL_REASON },
    { "\"a\nb\"", 1, 3, CONTROL_REASON },
    { "\"a\x1f\"", 1, 3, CONTROL_REASON },
    { "\"\xc3\xa9\x01\"", 1, 3, CONTROL_REASON },
    { "\"\x80\"", 1, 2, UTF8_REASON },
    { "\"\xff\"", 1, 2, UTF8_REASON },
    { "\"\xc0\xaf\"", 1, 2, UTF8_REASON },
    { "\"\xc3\"", 1, 2, UTF8_REASON },
    { "\"\xe2\x82\"", 1, 2, UTF8_REASON },
    { "\"\xed\xa0\x80\"", 1, 2, UTF8_REASON },
    { "\"\xf4\x90\x80\x80\"", 1, 2, UTF8_REASON },
    { "\"\xf5\x80\x80\x80\"", 1, 2, UTF8_REASON },
    { "[", 1, 2, END_REASON },
    { "[1", 1, 3, END_REASON },
    { "[1,", 1, 4, END_REASON },
    { "[1,]", 1, 4, VALUE_REASON },
    { "[,1]", 1, 2, VALUE_REASON },
    { "[1 2]", 1, 4, ITEM_REASON },
    { "[1}", 1, 3, ITEM_REASON },
    { "]", 1, 1, VALUE_REASON },
    { "{", 1, 2, END_REASON },
    { "{1:2}", 1, 2, NAME_REASON },
    { "{a:1}", 1, 2, NAME_REASON },
    { "{'a':1}", 1, 2, NAME_REASON },
    { "{\"a\"}", 1, 5, "expected ':' after a member name" },
    { "{\"a\" 1}", 1, 6, "expected ':' after a member name" },
    { "{\"a\":}", 1, 6, VALUE_REASON },
    { "{\"a\":1", 1, 7, END_REASON },
    { "{\"a\":1]", 1, 7, MEMBER_REASON },
    { "{\"a\":1,}", 1, 8, NAME_REASON },
    { "{,}", 1, 2, NAME_REASON },
    { "{\"a\\u0000b\":1}", 1, 4, "a member name must not contain \\u0000" },
    { "[[[[[[[[[]]]]]]]]]", 1, 9, "nested too deeply" },
    { "{\r\n  \"productId\": 1,\r\n  \"quantity\": 1.,\r\n}", 3, 17, "expected a digit" },
    { "{\"\xc3\xa9\xe2\x82\xac\":\n\"\xc3\xa9\",]", 2, 5, NAME_REASON }, /* columns: code points */
};

START_TEST(mistakes_are_located) {
    ck_assert_int_eq(run(REFUSED[_i].text, strlen(REFUSED[_i].text), &LIMITS, NULL),
                     JSON_SCAN_FAILED);
    ck_assert_str_eq(error.reason, REFUSED[_i].reason);
    ck_assert_msg(error.line == REFUSED[_i].line && error.column == REFUSED[_i].column,
                  "%s: line %zu, column %zu", REFUSED[_i].text, error.line, error.column);
}
END_TEST

START_TEST(nul_bytes_are_refused_everywhere) {
    const struct {
        const char *text;
        size_t length;
        size_t offset;
    } texts[] = {
        { "\0", 1, 0 },          { "1\0", 2, 1 },      { "\"a\0\"", 4, 2 },     { "[1\0]", 4, 2 },
        { "{\"a\0\":1}", 8, 3 }, { "\"\\\0\"", 4, 1 }, { "{\"a\"\0:1}", 8, 4 }, { "tru\0", 4, 0 },
    };
    for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
        ck_assert_int_eq(run(texts[i].text, texts[i].length, &LIMITS, NULL), JSON_SCAN_FAILED);
        ck_assert_uint_eq(error.offset, texts[i].offset);
    }
}
END_TEST

/*
 * Every beginning of a valid document, and every one with a byte replaced, ends well or with a
 * place.
 */
START_TEST(damaged_documents_never_crash) {
    static const char DOCUMENT[] = "{\"a\":[1,-2.5e+3,true,false,null,"
                                   "\"x\\u00e9\\ud83d\\ude00\\n\xc3\xa9\"],\"b\":{\"c\":\"\"}}";
    const size_t length = sizeof(DOCUMENT) - 1;
    char *copy = malloc(length); /* exactly, so that a sanitizer sees an overrun */
    ck_assert_ptr_nonnull(copy);
    for (size_t cut = 0; cut < length; cut++) {
        char *part = malloc(cut == 0 ? 1 : cut);
        ck_assert_ptr_nonnull(part);
        memcpy(part, DOCUMENT, cut);
        if (run(part, cut, &LIMITS, NULL) != JSON_SCAN_FAILED || error.offset > cut) {
            ck_abort_msg("cut at %zu", cut);
        }
        free(part);
        for (int byte = 0; byte < 256; byte++) {
            memcpy(copy, DOCUMENT, length);
            copy[cut] = (char)byte;
            if (run(copy, length, &LIMITS, NULL) != JSON_SCAN_END && error.offset > length) {
                ck_abort_msg("byte %d at %zu", byte, cut);
            }
        }
    }
    free(copy);
}
END_TEST

/* The name is found in front of its value, whatever it looks like. */
START_TEST(duplicates_are_told_at_the_name) {
    static const struct {
        const char *text;
        size_t column;
    } cases[] = {
        { "{\"a\":1,\"a\":2}", 8 },
        { "{\"a\":1,\"\\u0061\":2}", 8 },
        { "{\"a\" : 1 , \"\\\"\\\\\" : 2}", 12 },
        { "{\"a\":1,\"\\\\\":2}", 8 },
        { "{\"a\":1,\"\":2}", 8 },
    };
    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        json_scan_init(&scan, str_of(cases[i].text), &LIMITS, &error);
        for (int event = 0; event < 3; event++) {
            ck_assert_int_ne(json_scan_next(&scan), JSON_SCAN_FAILED);
        }
        json_scan_duplicate(&scan, scan.value, STR("a"));
        ck_assert_uint_eq(error.column, cases[i].column);
        ck_assert_str_eq(error.reason, "duplicate member name \"a\"");
    }
}
END_TEST

START_TEST(long_names_are_shortened_in_messages) {
    char name[201];
    memset(name, 'n', 200);
    name[200] = '\0';
    run("{\"a\":1}", 7, &LIMITS, NULL);
    json_scan_duplicate(&scan, scan.text + 5, str_of(name));
    ck_assert_ptr_nonnull(strstr(error.reason, "nnnn\"\xe2\x80\xa6"));
}
END_TEST

/* ---- limits ---- */

/* Values and levels, at the limit and one beyond; why the text was refused, in a sentence. */
START_TEST(limits_have_names) {
    static const struct {
        const char *text;
        bool is_good;
        enum json_scan_failure failure;
        const char *message;
    } cases[] = {
        { "[1,{\"a\":2}]", true, JSON_SCAN_MALFORMED, "" },
        { "[1,{\"a\":2},3]", false, JSON_SCAN_TOO_MANY,
          "JSON has too many values: at most 4 are allowed (line 1, column 12)" },
        { "[[[1]]]", true, JSON_SCAN_MALFORMED, "" },
        { "[[[[]]]]", false, JSON_SCAN_TOO_DEEP,
          "JSON at line 1, column 4 is nested too deeply: at most 3 levels are allowed" },
        { "[1,]", false, JSON_SCAN_MALFORMED,
          "malformed JSON at line 1, column 4: expected a value" },
    };
    const struct json_scan_limits limits = { .depth_max = 3, .values_max = 4 };
    char message[JSON_SCAN_MESSAGE_BYTES];
    enum json_scan_event last = run(cases[_i].text, strlen(cases[_i].text), &limits, NULL);
    ck_assert((last == JSON_SCAN_END) == cases[_i].is_good);
    if (last == JSON_SCAN_FAILED) {
        ck_assert_int_eq(error.failure, cases[_i].failure);
        json_scan_message(&error, message);
        ck_assert_str_eq(message, cases[_i].message);
    }
}
END_TEST

START_TEST(no_limit_of_depth_is_beyond_the_highest) {
    const struct json_scan_limits limits = { .depth_max = 1000, .values_max = 1000 };
    char text[2 * (JSON_SCAN_DEPTH_MAX + 1)];
    for (size_t depth = JSON_SCAN_DEPTH_MAX; depth <= JSON_SCAN_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        ck_assert_int_eq(run(text, 2 * depth, &limits, NULL),
                         depth > JSON_SCAN_DEPTH_MAX ? JSON_SCAN_FAILED : JSON_SCAN_END);
    }
    ck_assert_uint_eq(error.offset, JSON_SCAN_DEPTH_MAX);
}
END_TEST

/* Its bytes are not looked at. */
START_TEST(a_text_can_be_too_long) {
    ck_assert_int_eq(run("1", (size_t)JSON_SCAN_BYTES_MAX + 1, &LIMITS, NULL), JSON_SCAN_FAILED);
    ck_assert_str_eq(error.reason, "larger than 1 GiB");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("json_scan");
    TCase *tests = tcase_create("json_scan");
    tcase_add_loop_test(tests, events_tell_what_the_text_says, 0, (int)UNIT_COUNT(TAKEN));
    tcase_add_loop_test(tests, strings_are_decoded_and_counted, 0, (int)UNIT_COUNT(STRINGS));
    tcase_add_test(tests, small_integers_are_known);
    tcase_add_test(tests, numbers_are_recognized);
    tcase_add_loop_test(tests, mistakes_are_located, 0, (int)UNIT_COUNT(REFUSED));
    tcase_add_test(tests, nul_bytes_are_refused_everywhere);
    tcase_add_test(tests, damaged_documents_never_crash);
    tcase_add_test(tests, duplicates_are_told_at_the_name);
    tcase_add_test(tests, long_names_are_shortened_in_messages);
    tcase_add_loop_test(tests, limits_have_names, 0, 5);
    tcase_add_test(tests, no_limit_of_depth_is_beyond_the_highest);
    tcase_add_test(tests, a_text_can_be_too_long);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
