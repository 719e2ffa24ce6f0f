/* What one judgement may take: at each limit, and one beyond. */
#include "base/utf8.h"
#include "schema_fixture.h"

#include <time.h>

static char *repeat(const char *before, const char *unit, size_t count, const char *after) {
    size_t size = strlen(before) + strlen(unit) * count + strlen(after) + 1;
    char *text = malloc(size);
    size_t len;

    ck_assert_ptr_nonnull(text);
    len = (size_t)snprintf(text, size, "%s", before);
    for (size_t i = 0; i < count; i++) {
        memcpy(text + len, unit, strlen(unit));
        len += strlen(unit);
    }
    snprintf(text + len, size - len, "%s", after);
    return text;
}

static char errors[16384];

START_TEST(values_are_limited) {
    struct schema_limits limits = schema_run_defaults;
    struct schema_file *document = load_schema("{}");

    limits.json.values_max = 4;
    judge_text(document, "[1,{\"a\":2}]", 11, &limits, errors, sizeof(errors));
    ck_assert_str_eq(errors, "");
    judge_text(document, "[1,{\"a\":2},3]", 13, &limits, errors, sizeof(errors));
    ck_assert_str_eq(errors, " json: JSON has too many values: at most 4 are allowed (line 1, "
                             "column 12)");
    schema_file_free(document);
}
END_TEST

START_TEST(the_default_of_values_is_kept) {
    struct schema_file *document = load_schema("{}");
    char *text = repeat("[0", ",0", VALUE_COUNT_MAX - 2, "]");

    judge(document, text, errors, sizeof(errors));
    ck_assert_str_eq(errors, "");
    free(text);
    text = repeat("[0", ",0", VALUE_COUNT_MAX - 1, "]");
    judge(document, text, errors, sizeof(errors));
    ck_assert_ptr_nonnull(strstr(errors, "at most 65536 are allowed"));
    free(text);
    schema_file_free(document);
}
END_TEST

START_TEST(levels_are_limited) {
    struct schema_limits limits = schema_run_defaults;
    struct schema_file *document = load_schema("{}");

    limits.json.depth_max = 2;
    judge_text(document, "[[]]", 4, &limits, errors, sizeof(errors));
    ck_assert_str_eq(errors, "");
    judge_text(document, "[[[]]]", 6, &limits, errors, sizeof(errors));
    ck_assert_str_eq(errors, " json: JSON at line 1, column 3 is nested too deeply: at most 2 "
                             "levels are allowed");
    schema_file_free(document);
}
END_TEST

/* Each level asks both branches about the rest: 2 to the power of the depth, without a limit. */
START_TEST(steps_are_limited) {
    struct schema_file *document =
        load_schema("{\"anyOf\":[{\"items\":{\"$ref\":\"#\"},\"maxItems\":0},"
                    "{\"items\":{\"$ref\":\"#\"},\"maxItems\":0},{\"not\":{\"items\":{\"$ref\":"
                    "\"#\"}}},{\"const\":1}]}");
    char *inner = repeat("", "[", 60, "");
    char *text = repeat(inner, "]", 60, "");
    clock_t before = clock();

    judge(document, text, errors, sizeof(errors));
    ck_assert_str_eq(errors, " steps: takes too many steps to compare with its schema");
    ck_assert_int_lt((clock() - before) / CLOCKS_PER_SEC, 5);
    free(inner);
    free(text);
    schema_file_free(document);
}
END_TEST

/*
 * Work that is linear in a value, again and again: each level asks two branches about what is in
 * it, so the innermost value is judged 2^18 times.
 */
static const struct {
    const char *schema; /* of the innermost value: */
    const char *before;
    const char *unit;
    const char *after;
} linear[] = {
    { "\"uniqueItems\":true", "[0", ",1", "]" },
    { "\"format\":\"uri-reference\"", "\"", "abcdefg/", "\"" },
    { "\"type\":\"integer\"", "1", "00000000", ".5e1" },
    { "\"maximum\":1e300000", "1", "00000000", "" },
    { "\"const\":[0,0]", "[", "[],", "1]" },
    { "\"enum\":[1,2,3,4,5,6,7,8,[9],[10]]", "[", "[],", "1]" },
    { "\"pattern\":\"x\"", "\"", "abcdefgh", "\"" },
    { "\"propertyNames\":{\"format\":\"uri-reference\"}", "{\"", "abcdefg/", "\":1}" },
    { "\"maxProperties\":9", "{", "", "\"n\":1}" }, /* with 32,000 members more */
};

static char *make_linear(int i) {
    size_t size = 32000 * 16;
    char *text = malloc(size);
    size_t len = (size_t)snprintf(text, size, "%s", linear[i].before);

    ck_assert_ptr_nonnull(text);
    for (int k = 0; k < 32000; k++) {
        len += linear[i].unit[0] != '\0'
                   ? (size_t)snprintf(text + len, size - len, "%s", linear[i].unit)
                   : (size_t)snprintf(text + len, size - len, "\"n%d\":1,", k);
    }
    snprintf(text + len, size - len, "%s", linear[i].after);
    return text;
}

START_TEST(linear_work_is_counted) {
    char schema[512];
    char *inner = make_linear(_i);
    char *levels = repeat("", "{\"l\":", 18, inner);
    char *text = repeat(levels, "}", 18, "");
    struct schema_file *document;
    clock_t before;

    snprintf(schema, sizeof(schema),
             "{\"$defs\":{\"d\":{\"type\":\"object\",\"properties\":{\"l\":{\"$ref\":\"#\"}},"
             "\"maxProperties\":0}},"
             "\"anyOf\":[{\"$ref\":\"#/$defs/d\"},{\"$ref\":\"#/$defs/d\"},"
             "{\"allOf\":[{%s},false]}]}",
             linear[_i].schema);
    document = load_schema(schema);
    before = clock();
    judge(document, text, errors, sizeof(errors));
    ck_assert_ptr_nonnull(strstr(errors, "takes too many steps"));
    ck_assert_int_lt((clock() - before) / CLOCKS_PER_SEC, 4); /* 0.3 s here; ASan is slower */
    free(inner);
    free(levels);
    free(text);
    schema_file_free(document);
}
END_TEST

/* The limits are a request's: many values do not get them many times. */
START_TEST(values_of_one_report_share_the_limits) {
    struct schema_limits limits = schema_run_defaults;
    struct schema_file *document = load_schema("{\"pattern\":\"^(a+)+$\"}");
    const struct schema *schema = schema_file_root(document);
    struct arena *arena = arena_open(1 << 20);
    struct report report;
    unsigned valid = 0;

    limits.steps_max = 5;
    report_init(&report, arena, 32);
    for (int i = 0; i < 9; i++) {
        valid += schema_run_text(schema, "\"aa\"", 4, &limits, &report);
    }
    ck_assert_uint_eq(valid, 5);
    ck_assert_uint_eq(report.count, 4);
    ck_assert_str_eq(report.last->keyword.data, "steps");

    limits.steps_max = SCHEMA_STEPS_MAX;
    limits.pattern_work_max = 100000;
    report_init(&report, arena, 32);
    ck_assert(schema_run_text(schema, "\"aa\"", 4, &limits, &report));
    ck_assert(!schema_run_text(schema, "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"", 32, &limits, &report));
    ck_assert(!schema_run_text(schema, "\"aa\"", 4, &limits, &report));
    ck_assert_uint_eq(report.count, 2);
    ck_assert_str_eq(report.last->keyword.data, "pattern");
    ck_assert(schema_run_text(schema, "1", 1, &limits, &report)); /* needs no pattern */
    arena_close(arena);
    schema_file_free(document);
}
END_TEST

START_TEST(steps_are_counted_exactly) {
    struct schema_limits limits = schema_run_defaults;
    struct schema_file *document = load_schema("{\"items\":{\"type\":\"integer\"}}");

    limits.steps_max = 4; /* the array and three items */
    judge_text(document, "[1,2,3]", 7, &limits, errors, sizeof(errors));
    ck_assert_str_eq(errors, "");
    judge_text(document, "[1,2,3,4]", 9, &limits, errors, sizeof(errors));
    ck_assert_str_eq(errors, " steps: takes too many steps to compare with its schema");
    schema_file_free(document);
}
END_TEST

/* A limit is no "invalid" that "not" could turn into "valid". */
START_TEST(a_limit_is_not_negated) {
    struct schema_limits limits = schema_run_defaults;
    struct schema_file *document = load_schema("{\"not\":{\"items\":{\"type\":\"integer\"}}}");

    limits.steps_max = 3;
    judge_text(document, "[1,2,3]", 7, &limits, errors, sizeof(errors));
    ck_assert_str_eq(errors, " steps: takes too many steps to compare with its schema");
    schema_file_free(document);
}
END_TEST

/* References that only the dynamic scope turns into a circle cannot be found before. */
START_TEST(circles_of_the_dynamic_scope_end) {
    struct schema_file *document = load_schema(
        "{\"$id\":\"outer\",\"$ref\":\"inner\",\"$defs\":{\"o\":{\"$dynamicAnchor\":\"x\","
        "\"$ref\":\"inner\"},\"inner\":{\"$id\":\"inner\",\"$dynamicRef\":\"#x\",\"$defs\":{"
        "\"i\":{\"$dynamicAnchor\":\"x\"}}}}}");

    judge(document, "1", errors, sizeof(errors));
    ck_assert_str_eq(errors, " depth: leads through more than 2048 schemas inside of each other");
    schema_file_free(document);
}
END_TEST

/* A chain of references at one value: found when the schema is loaded. */
START_TEST(references_in_a_row_are_limited) {
    for (int count = SCHEMA_IN_PLACE_MAX - 1; count <= SCHEMA_IN_PLACE_MAX; count++) {
        char *text = calloc(1, 64 * 1024);
        size_t len = (size_t)snprintf(text, 64 * 1024, "{\"$defs\":{\"d%d\":true", count - 1);
        struct schema_file *document;

        for (int i = 0; i < count - 1; i++) {
            len += (size_t)snprintf(text + len, 64 * 1024 - len,
                                    ",\"d%d\":{\"$ref\":\"#/$defs/d%d\"}", i, i + 1);
        }
        snprintf(text + len, 64 * 1024 - len, "},\"$ref\":\"#/$defs/d0\"}");
        document = parse_schema(text);
        ck_assert((document != NULL) == (count < SCHEMA_IN_PLACE_MAX));
        ck_assert((strstr(problems, "more than 256 schemas apply to the same value") != NULL) ==
                  (document == NULL));
        schema_file_free(document);
        free(text);
    }
}
END_TEST

START_TEST(regular_expressions_are_limited) {
    struct schema_limits limits = schema_run_defaults;
    struct schema_file *document =
        load_schema("{\"items\":{\"pattern\":\"^(a+)+$\"},\"not\":{\"const\":1}}");

    limits.pattern_work_max = 100000;
    judge_text(document, "[\"aaa\"]", 7, &limits, errors, sizeof(errors));
    ck_assert_str_eq(errors, "");
    judge_text(document, "[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"]", 42, &limits, errors,
               sizeof(errors));
    ck_assert_str_eq(errors, " pattern: takes too long to compare with the pattern ^(a+)+$");
    schema_file_free(document);
    document = load_schema("{\"not\":{\"pattern\":\"^(a+)+$\"}}");
    judge_text(document, "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"", 40, &limits, errors,
               sizeof(errors));
    ck_assert_str_eq(errors, " pattern: takes too long to compare with the pattern ^(a+)+$");
    schema_file_free(document);
}
END_TEST

/* 60,000 different items, and members: minutes when each is compared with each. */
START_TEST(many_items_are_compared_quickly) {
    struct schema_file *document = load_schema(
        "{\"uniqueItems\":true,\"items\":{\"uniqueItems\":true,\"const\":{\"none\":1}}}");
    size_t size = 60000 * 16;
    char *text = malloc(size);
    size_t len = (size_t)snprintf(text, size, "[[0");
    clock_t before = clock();

    for (int i = 1; i < 30000; i++) {
        len += (size_t)snprintf(text + len, size - len, ",%d", i);
    }
    len += (size_t)snprintf(text + len, size - len, "],{\"n\":0");
    for (int i = 1; i < 30000; i++) {
        len += (size_t)snprintf(text + len, size - len, ",\"n%d\":0", i);
    }
    snprintf(text + len, size - len, "}]");
    judge(document, text, errors, sizeof(errors));
    ck_assert_str_eq(errors, "/0 const: must be {\"none\":1}; /1 const: must be {\"none\":1}");
    ck_assert_int_lt((clock() - before) / CLOCKS_PER_SEC, 2);
    free(text);
    schema_file_free(document);
}
END_TEST

/* ---- the texts of an error ------------------------------------------------------------------- */

static size_t write_place(const char *key, char *buf, size_t bytes_max) {
    const struct place place = { .parent = &report_root, .key = { key, strlen(key) } };

    return report_place(&place, buf, bytes_max);
}

START_TEST(pointers_are_cut_between_characters) {
    static const struct {
        const char *key;
        const char *pointer; /* in 8 bytes */
    } cases[] = {
        { "abcdefg", "/abcdefg" },
        { "abcdefgh", "/abcd\xe2\x80\xa6" },
        { "abc/efgh", "/abc\xe2\x80\xa6" }, /* "/abc~1" would not leave room */
        { "ab~defgh", "/ab~0\xe2\x80\xa6" },
        { "abc\xc3\xa9\xc3\xa9z", "/abc\xe2\x80\xa6" },
        { "ab\xc3\xa9\xc3\xa9z", "/ab\xc3\xa9\xc3\xa9z" },
        { "abcdef~", "/abcd\xe2\x80\xa6" },
    };
    char buf[9] = "";

    buf[write_place(cases[_i].key, buf, 8)] = '\0';
    ck_assert_str_eq(buf, cases[_i].pointer);
}
END_TEST

START_TEST(long_texts_of_errors_are_cut) {
    struct schema_file *document = load_schema("{\"additionalProperties\":false}");
    char *text = repeat("{\"", "k", REPORT_PATH_BYTES_MAX - 1, "\":1}");
    struct arena *arena = arena_open(1 << 20);
    struct report report;

    report_init(&report, arena, 1);
    schema_run_text(schema_file_root(document), text, strlen(text), NULL, &report);
    ck_assert_uint_eq(report.first->path.len, REPORT_PATH_BYTES_MAX);
    ck_assert_ptr_null(strstr(report.first->path.data, "\xe2\x80\xa6"));
    free(text);

    text = repeat("{\"", "k", REPORT_PATH_BYTES_MAX, "\":1}");
    report_init(&report, arena, 1);
    schema_run_text(schema_file_root(document), text, strlen(text), NULL, &report);
    ck_assert_uint_eq(report.first->path.len, REPORT_PATH_BYTES_MAX);
    ck_assert_str_eq(report.first->path.data + REPORT_PATH_BYTES_MAX - 3, "\xe2\x80\xa6");
    ck_assert_uint_lt(report.first->message.len, REPORT_MESSAGE_BYTES_MAX);
    free(text);
    arena_close(arena);
    schema_file_free(document);
}
END_TEST

/*
 * Without memory for the first error nothing is known; without memory for more, they are left out.
 */
START_TEST(memory_for_errors_is_limited) {
    struct schema_file *document = load_schema("{\"additionalProperties\":false}");
    char *key = repeat("", "k", 3000, "");
    char *text = malloc(16 * 3100);
    size_t size = 0;
    unsigned counts[2] = { 0, 0 };

    for (int i = 0; i < 9; i++) {
        size += (size_t)snprintf(text + size, 3100, "%c\"%s%d\":1", i == 0 ? '{' : ',', key, i);
    }
    snprintf(text + size, 2, "}");
    for (size_t bytes = 0; bytes < 32768; bytes += 1024) {
        struct arena *arena = arena_open(bytes);
        struct report report;

        report_init(&report, arena, 32);
        ck_assert(!schema_run_text(schema_file_root(document), text, strlen(text), NULL, &report));
        ck_assert(report.out_of_memory == (report.count == 0));
        counts[report.count > 0]++;
        ck_assert_uint_lt(report.count, 10);
        arena_close(arena);
    }
    ck_assert_uint_gt(counts[0], 0);
    ck_assert_uint_gt(counts[1], 0);
    free(key);
    free(text);
    schema_file_free(document);
}
END_TEST

/* A name that is shown in a message is cut between two characters, too, and one sees that. */
START_TEST(messages_are_valid_utf8) {
    struct schema_file *document = load_schema("{\"additionalProperties\":false}");
    char *text = repeat("{\"x", "\xc3\xa9", 150, "\":1}");
    char *shown = repeat("must NOT have additional property 'x", "\xc3\xa9", 99, "\xe2\x80\xa6'");
    struct arena *arena = arena_open(1 << 20);
    const char *s;
    struct report report;

    report_init(&report, arena, 1);
    schema_run_text(schema_file_root(document), text, strlen(text), NULL, &report);
    ck_assert_str_eq(report.first->message.data, shown);
    free(shown);
    s = report.first->message.data;
    while (*s != '\0') {
        size_t len = utf8_sequence(s, strlen(s));

        ck_assert_uint_gt(len, 0);
        s += len;
    }
    free(text);
    arena_close(arena);
    schema_file_free(document);
}
END_TEST

START_TEST(several_texts_are_shown) {
    char *text = repeat("", "a", REPORT_SHOWN_BYTES_MAX + 1, "");
    struct str a = { text, REPORT_SHOWN_BYTES_MAX };
    struct str b = { text, REPORT_SHOWN_BYTES_MAX + 1 };
    struct str c = { "c\xc3\xa9", 3 };
    char got[1000];
    char expected[1000];

    snprintf(got, sizeof(got), "%.*s|%.*s|%.*s|%.*s", SHOWN(a), SHOWN(b), SHOWN(c), SHOWN(b));
    text[REPORT_SHOWN_BYTES_MAX] = '\0';
    snprintf(expected, sizeof(expected), "%s|%s\xe2\x80\xa6|c\xc3\xa9|%s\xe2\x80\xa6", text, text,
             text);
    ck_assert_str_eq(got, expected);
    free(text);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("openapi_schema_limits");
    TCase *tcase = tcase_create("all");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, values_are_limited);
    tcase_add_test(tcase, the_default_of_values_is_kept);
    tcase_add_test(tcase, levels_are_limited);
    tcase_add_test(tcase, steps_are_limited);
    tcase_add_loop_test(tcase, linear_work_is_counted, 0, UNIT_COUNT(linear));
    tcase_add_test(tcase, values_of_one_report_share_the_limits);
    tcase_add_test(tcase, steps_are_counted_exactly);
    tcase_add_test(tcase, a_limit_is_not_negated);
    tcase_add_test(tcase, circles_of_the_dynamic_scope_end);
    tcase_add_test(tcase, references_in_a_row_are_limited);
    tcase_add_test(tcase, regular_expressions_are_limited);
    tcase_add_test(tcase, many_items_are_compared_quickly);
    tcase_add_loop_test(tcase, pointers_are_cut_between_characters, 0, 7);
    tcase_add_test(tcase, long_texts_of_errors_are_cut);
    tcase_add_test(tcase, memory_for_errors_is_limited);
    tcase_add_test(tcase, messages_are_valid_utf8);
    tcase_add_test(tcase, several_texts_are_shown);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
