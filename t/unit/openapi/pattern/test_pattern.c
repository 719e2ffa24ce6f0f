/* Regular expressions: ECMA-262's meaning, what is refused, and that the work is bounded. */
#include "openapi/pattern/pattern.h"
#include "openapi/pattern/translate.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct str str(const char *text) {
    return (struct str){ text, strlen(text) };
}

static const struct pattern *compile(const char *source) {
    char reason[200] = "";
    const struct pattern *pattern = pattern_compile(str(source), reason, sizeof(reason));

    ck_assert_msg(pattern != NULL, "%s: %s", source, reason);
    return pattern;
}

static enum pattern_result match(const char *source, struct str text) {
    const struct pattern *pattern = compile(source);
    enum pattern_result result = pattern_match(pattern, text);

    pattern_free(pattern);
    return result;
}

static const struct {
    const char *source;
    const char *yes; /* a text that matches, and one that does not; NULL: none */
    const char *no;
} meanings[] = {
    { "", "", NULL },
    { "b", "abc", "ac" },
    { "^abc$", "abc", "abc\n" },
    { "^a.c$",
      "a\xc2\x85"
      "c",
      "a\nc" },
    { "^a.c$",
      "a\x0b"
      "c",
      "a\xe2\x80\xa8"
      "c" }, /* U+2028 */
    { "^.$", "\xf0\x9f\x98\x80", "ab" },
    { "^\\d$", "7", "\xdb\xb7" },
    { "^\\w$", "_", "\xc3\xa9" },
    { "^\\W$", "\xc3\xa9", "a" },
    { "^\\s$", "\xef\xbb\xbf", "\xc2\x85" }, /* U+FEFF is white space, U+0085 is none */
    { "^\\S$", "\xc2\x85", "\xe3\x80\x80" },
    { "^[\\S]$", "\xc2\x85", "\xe3\x80\x80" },
    { "^[^\\s]$", "a", "\xc2\xa0" },
    { "^[^\\S]$", "\xe2\x80\xa9", "a" },
    { "^[^\\p{Lu}\\W]$", "a", "\xe6\xbc\xa2" },
    { "^[^\\p{Lu}\\D]$", "1", "\xe6\xbc\xa2" },
    { "^\\bab\\b", "ab\xc3\xa9", "abc" },
    { "^[\\b]$", "\b", "b" },
    { "^[^]$", "\n", "" },
    { "[]", NULL, "a" },
    { "^[a-c\\-]+$", "a-c", "d" },
    { "^[[:a]+$", "[:a", "b" },
    { "^[-a]$", "-", "b" },
    { "^\\cj\\x41\\u0042\\u{01F600}$", "\nAB\xf0\x9f\x98\x80", "JAB" },
    { "^\\ud83d\\ude00$", "\xf0\x9f\x98\x80", "\xef\xbf\xbd" },
    { "^[\\ud83d\\ude00-\\u{1f601}]$", "\xf0\x9f\x98\x81", "\xf0\x9f\x98\x82" },
    { "\\ud83d", NULL, "\xf0\x9f\x98\x80" },
    { "^[\\ud83d]$", NULL, "\xf0\x9f\x98\x80" },
    { "^\\f\\n\\r\\t\\v$", "\f\n\r\t\v", "fnrtv" },
    { "^\\^\\$\\\\\\.\\*\\+\\?\\(\\)\\[\\]\\{\\}\\|\\/$", "^$\\.*+?()[]{}|/", "" },
    { "^\xf0\x9f\x98\x80*$", "\xf0\x9f\x98\x80\xf0\x9f\x98\x80", "\xf0\x9f\x98\x81" },
    { "^(?:ab|c){2,3}$", "abcc", "ab" },
    { "^a{2}?$", "aa", "a" },
    { "^(a)\\1$", "aa", "ab" },
    { "^(?<x>a|b)\\k<x>$", "bb", "ab" },
    { "^\\k<x>(?<x>a)$", "a", "aa" },
    { "^(a\\1)$", "a", "aa" },
    { "^(?:(a)|b)\\1c$", "bc", "ac" },
    { "^(?=a)[a-z]+$", "ab", "ba" },
    { "^(?!a)[a-z]+$", "ba", "ab" },
    { "(?<=a)b", "ab", "cb" },
    { "(?<!a)b", "cb", "ab" },
    { "^\\p{L}+$", "a\xce\xb1", "1" },
    { "^\\p{Letter}\\p{gc=Nd}\\p{digit}$", "a11", "ab1" },
    { "^\\p{LC}$", "a", "\xe6\xbc\xa2" },
    { "^\\P{L}$", "1", "a" },
    { "^\\p{Script=Greek}$", "\xce\xb1", "a" },
    { "^\\p{scx=Hira}$", "\xe3\x83\xbc", "a" }, /* U+30FC, used with Hiragana, too */
    { "^\\p{sc=Hira}$", "\xe3\x81\x82", "\xe3\x83\xbc" },
    { "^\\p{Assigned}\\P{Assigned}$", "a\xcd\xb8", "aa" },
    { "^\\p{Any}\\p{ASCII}$", "\xc3\xa9z", "z\xc3\xa9" },
    { "^\\p{Emoji}$", "\xf0\x9f\x98\x80", "a" },
    { "^[\\p{Lu}\\p{Nd}]+$", "A1", "a" },
};

START_TEST(expressions_mean_what_ecma_262_says) {
    const char *source = meanings[_i].source;

    if (meanings[_i].yes != NULL) {
        ck_assert_msg(match(source, str(meanings[_i].yes)) == PATTERN_MATCH, "%s", source);
    }
    if (meanings[_i].no != NULL) {
        ck_assert_msg(match(source, str(meanings[_i].no)) == PATTERN_NO_MATCH, "%s", source);
    }
}
END_TEST

START_TEST(zero_bytes_are_characters) {
    ck_assert_int_eq(match("^a\\0b$", (struct str){ "a\0b", 3 }), PATTERN_MATCH);
    ck_assert_int_eq(match("^a$", (struct str){ "a\0", 2 }), PATTERN_NO_MATCH);
}
END_TEST

static const struct {
    const char *source;
    const char *reason;
} refused[] = {
    { "(", "at character 1: a '(' without its ')'" },
    { "a)", "at character 2: a ')' without its '('" },
    { "\xc3\xa9[a", "at character 2: a '[' without its ']'" },
    { "[b-a]", "at character 2: a range in [...] is out of order" },
    { "[\\d-z]", "at character 2: a range in [...] must be between two characters" },
    { "[a-\\w]", "at character 2: a range in [...] must be between two characters" },
    { "[\\B]", "an escape that ECMA-262 does not know in [...]" },
    { "[\\1]", "an escape that ECMA-262 does not know in [...]" },
    { "*a", "at character 1: there is nothing to repeat" },
    { "a**", "at character 3: there is nothing to repeat" },
    { "a++", "there is nothing to repeat" },
    { "^*", "there is nothing to repeat" },
    { "\\b+", "there is nothing to repeat" },
    { "(?=a)*", "there is nothing to repeat" },
    { "(*UTF8)a", "there is nothing to repeat" },
    { "a{2,1}", "at character 2: the numbers of a quantifier are out of order" },
    { "a{1", "a quantifier without its '}'" },
    { "a{,2}", "a '{' that begins no quantifier must be escaped" },
    { "{1}", "'{', '}' and ']' must be escaped" },
    { "a}", "'{', '}' and ']' must be escaped" },
    { "]", "'{', '}' and ']' must be escaped" },
    { "\\", "an escape that ECMA-262 does not know" },
    { "\\a", "an escape that ECMA-262 does not know" },
    { "\\Z", "an escape that ECMA-262 does not know" },
    { "\\-", "an escape that ECMA-262 does not know" },
    { "\\Qa\\E", "an escape that ECMA-262 does not know" },
    { "\\x4", "an escape that ECMA-262 does not know" },
    { "\\u004", "an escape that ECMA-262 does not know" },
    { "\\u{}", "an escape that ECMA-262 does not know" },
    { "\\u{110000}", "there is no such character" },
    { "\\c1", "an escape that ECMA-262 does not know" },
    { "\\00", "an escape that ECMA-262 does not know" },
    { "\\1", "there is no such group to refer to" },
    { "(a)\\2", "there is no such group to refer to" },
    { "\\k<a>", "there is no such group to refer to" },
    { "(?<a>b)\\k", "\\k must be followed by a group's name in <...>" },
    { "(?<1>b)", "a character that a group's name cannot have" },
    { "(?<a", "a group's name must stand between '<' and '>'" },
    { "(?<a>b)(?<a>c)", "at character 8: two groups have the same name" },
    { "(?i)a", "must be followed by ':', '=', '!' or '<'" },
    { "(?>a)", "must be followed by ':', '=', '!' or '<'" },
    { "(?#a)", "must be followed by ':', '=', '!' or '<'" },
    { "(?P<a>b)", "must be followed by ':', '=', '!' or '<'" },
    { "\\p", "\\p must be followed by a property in {...}" },
    { "\\pL", "\\p must be followed by a property in {...}" },
    { "\\p{lu}", "ECMA-262 does not know this property" },
    { "\\p{^L}", "\\p must be followed by a property in {...}" },
    { "\\p{sc=greek}", "ECMA-262 does not know this property" },
    { "\\p{Nonsense}", "ECMA-262 does not know this property" },
};

START_TEST(what_ecma_262_refuses_is_refused) {
    char reason[200] = "";
    struct str source = str(refused[_i].source);

    ck_assert_msg(pattern_compile(source, reason, sizeof(reason)) == NULL, "%s",
                  refused[_i].source);
    ck_assert_msg(strstr(reason, refused[_i].reason) != NULL, "%s: %s", refused[_i].source, reason);
    ck_assert(!pattern_is_valid(source));
}
END_TEST

/*
 * Right, but more than PCRE2 can do: the format "regex" takes it, the keyword "pattern" does not.
 */
START_TEST(what_is_not_supported_is_said) {
    static const char *const cases[] = { "(?<=a+)b", "a{65536}", "\\p{CWKCF}" };
    char reason[200] = "";

    ck_assert(pattern_is_valid(str(cases[_i])));
    ck_assert_ptr_null(pattern_compile(str(cases[_i]), reason, sizeof(reason)));
    ck_assert_ptr_nonnull(strstr(reason, "not supported"));
}
END_TEST

START_TEST(sources_are_limited) {
    static char source[PATTERN_SOURCE_BYTES_MAX + 1];

    memset(source, 'a', sizeof(source));
    ck_assert(pattern_is_valid((struct str){ source, PATTERN_SOURCE_BYTES_MAX }));
    ck_assert(!pattern_is_valid((struct str){ source, PATTERN_SOURCE_BYTES_MAX + 1 }));
}
END_TEST

START_TEST(groups_are_nested_to_a_limit) {
    char source[2 * PATTERN_GROUPS_DEPTH_MAX + 3];

    for (size_t depth = PATTERN_GROUPS_DEPTH_MAX; depth <= PATTERN_GROUPS_DEPTH_MAX + 1; depth++) {
        char reason[200];
        const struct pattern *pattern;

        memset(source, '(', depth);
        memset(source + depth, ')', depth);
        pattern = pattern_compile((struct str){ source, 2 * depth }, reason, sizeof(reason));
        ck_assert((pattern != NULL) == (depth == PATTERN_GROUPS_DEPTH_MAX));
        pattern_free(pattern);
    }
}
END_TEST

/* Exponential, cubic, quadratic over all starting positions: all end soon, and say so. */
START_TEST(work_is_bounded) {
    static const char *const sources[] = { "^(a|a)*[bc]$", "^(a+)+[bc]$",          "a.*a.*a.*[bc]$",
                                           "a+[bc]",       "^(?:a?){40}a{40}[bc]", "(a*)*\\1[bc]" };
    size_t len = 256 * 1024;
    char *text = malloc(len);
    struct timespec begin;
    struct timespec end;

    ck_assert_ptr_nonnull(text);
    memset(text, 'a', len);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    ck_assert_int_eq(match(sources[_i], (struct str){ text, len }), PATTERN_LIMIT);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    ck_assert_int_lt(end.tv_sec - begin.tv_sec, 3); /* 0.04 s here; valgrind and ASan are slower */
    free(text);
}
END_TEST

/*
 * What PCRE2 does between two of its callbacks is counted, too: comparing with a group, repeating.
 */
static const struct {
    const char *source;
    const char *unit; /* the text: `repeats` times the unit `count` times and then `last` */
    size_t count;
    const char *last;
    size_t repeats;
} unseen[] = {
    { "^(a*d).*\\1c", "a", 40000, "d", 1 },
    { "^(a*b).*\\1{3}c", "a", 40000, "b", 1 },
    { "^(a{9}).*\\1{1000}bc", "a", 90000, "b", 1 },
    { "a{65535}", "a", 65534, "b", 15 },
    { "a{65535,}", "a", 65534, "b", 15 },
    { "[a-z]{4096}", "a", 4095, "1", 250 },
    { "[^0-9]{4096}?", "\xc3\xa9", 4095, "1", 125 },
    { "(?:[a-z]{500}){9}", "a", 4499, "1", 230 },
    { "(?:[a-z]{9000}){7}", "a", 62999, "1", 16 },
};

START_TEST(work_between_callbacks_is_bounded) {
    size_t unit = strlen(unseen[_i].unit);
    size_t size = (unit * unseen[_i].count + strlen(unseen[_i].last)) * unseen[_i].repeats;
    char *text = malloc(4 * size + 1);
    size_t len = 0;
    struct timespec begin;
    struct timespec end;

    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < unseen[_i].repeats; i++) {
        for (size_t k = 0; k < unseen[_i].count; k++, len += unit) {
            memcpy(text + len, unseen[_i].unit, unit);
        }
        memcpy(text + len, unseen[_i].last, strlen(unseen[_i].last));
        len += strlen(unseen[_i].last);
    }
    if (unseen[_i].repeats == 1) { /* what the group is compared with, again and again */
        memset(text + len, 'a', 3 * unseen[_i].count);
        len += 3 * unseen[_i].count;
        text[len++] = 'c';
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    ck_assert_int_eq(match(unseen[_i].source, (struct str){ text, len }), PATTERN_LIMIT);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    ck_assert_int_lt(end.tv_sec - begin.tv_sec, 3); /* see work_is_bounded */
    free(text);
}
END_TEST

static const struct {
    const char *source;
    size_t yes[3]; /* as many times 'a' match, and others do not */
    size_t no[3];
} repetitions[] = {
    { "^a{64}$", { 64, 64, 64 }, { 63, 65, 0 } },
    { "^a{33}$", { 33, 33, 33 }, { 32, 34, 64 } },
    { "^a{100,}$", { 100, 101, 9999 }, { 99, 32, 0 } },
    { "^[a-c]{100,130}$", { 100, 115, 130 }, { 99, 131, 260 } },
    { "^(?:a{40}){2}$", { 80, 80, 80 }, { 79, 81, 40 } },
    { "^a{65535}$", { 65535, 65535, 65535 }, { 65534, 65536, 0 } },
    { "^(?:a{3000}){21}$", { 63000, 63000, 63000 }, { 62999, 63001, 0 } },
    { "^(a)\\1{50}$", { 51, 51, 51 }, { 50, 52, 0 } },
    { "^(a)\\1{2,4}?$", { 3, 4, 5 }, { 2, 6, 0 } },
    { "^a{0}$", { 0, 0, 0 }, { 1, 2, 3 } },
};

START_TEST(long_repetitions_mean_what_they_say) {
    static char text[65537];
    const struct pattern *pattern = compile(repetitions[_i].source);

    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(pattern_match(pattern, (struct str){ text, repetitions[_i].yes[i] }),
                         PATTERN_MATCH);
        ck_assert_int_eq(pattern_match(pattern, (struct str){ text, repetitions[_i].no[i] }),
                         PATTERN_NO_MATCH);
    }
    pattern_free(pattern);
}
END_TEST

START_TEST(linear_work_on_a_long_text_is_done) {
    static const char *const sources[] = { "^[a-z]*$", "^(?:a|b)*$", "a$", "^\\S+$", "^(a+b?)+$" };
    size_t len = 128 * 1024;
    char *text = malloc(len);

    ck_assert_ptr_nonnull(text);
    memset(text, 'a', len);
    ck_assert_int_eq(match(sources[_i], (struct str){ text, len }), PATTERN_MATCH);
    free(text);
}
END_TEST

START_TEST(an_allowance_is_shared) {
    const struct pattern *pattern = compile("^[a-z]{1,9}$");
    uint64_t work = 1000;
    uint64_t before = work;
    unsigned matches = 0;

    while (pattern_match_within(pattern, str("abcdef"), &work) == PATTERN_MATCH) {
        ck_assert_uint_lt(work, before);
        before = work;
        matches++;
    }
    ck_assert_uint_gt(matches, 5);
    ck_assert_uint_lt(matches, 60);
    ck_assert_uint_eq(work, 0);
    ck_assert_int_eq(pattern_match_within(pattern, str("abc"), &work), PATTERN_LIMIT);
    pattern_free(pattern);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("openapi pattern");
    TCase *tcase = tcase_create("pattern");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, expressions_mean_what_ecma_262_says, 0, UNIT_COUNT(meanings));
    tcase_add_test(tcase, zero_bytes_are_characters);
    tcase_add_loop_test(tcase, what_ecma_262_refuses_is_refused, 0, UNIT_COUNT(refused));
    tcase_add_loop_test(tcase, what_is_not_supported_is_said, 0, 3);
    tcase_add_test(tcase, sources_are_limited);
    tcase_add_test(tcase, groups_are_nested_to_a_limit);
    tcase_add_loop_test(tcase, work_is_bounded, 0, 6);
    tcase_add_loop_test(tcase, work_between_callbacks_is_bounded, 0, UNIT_COUNT(unseen));
    tcase_add_loop_test(tcase, long_repetitions_mean_what_they_say, 0, UNIT_COUNT(repetitions));
    tcase_add_loop_test(tcase, linear_work_on_a_long_text_is_done, 0, 5);
    tcase_add_test(tcase, an_allowance_is_shared);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
