/*
 * W3C Trace Context: the header cases of the recommendation, 3.2 (traceparent) and 3.3
 * (tracestate).
 */
#include "openapi/traceparent.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

#define TRACE_ID "0af7651916cd43dd8448eb211c80319c"
#define PARENT_ID "b7ad6b7169203331"
#define ZERO_TRACE_ID "00000000000000000000000000000000"
#define ZERO_PARENT_ID "0000000000000000"

static struct str str(const char *text) {
    return (struct str){ text, strlen(text) };
}

static const struct {
    const char *value;
    bool sampled;
} good_parents[] = {
    { "00-" TRACE_ID "-" PARENT_ID "-00", false },
    { "00-" TRACE_ID "-" PARENT_ID "-01", true },
    { "00-" TRACE_ID "-" PARENT_ID "-02", false }, /* a flag that level 1 does not know */
    { "00-" TRACE_ID "-" PARENT_ID "-ff", true },
    { "00-" TRACE_ID "-" PARENT_ID "-0a", false },
    { "00-" TRACE_ID "-" PARENT_ID "-1b", true },
    { "01-" TRACE_ID "-" PARENT_ID "-01", true }, /* later versions */
    { "cc-" TRACE_ID "-" PARENT_ID "-01", true },
    { "fe-" TRACE_ID "-" PARENT_ID "-00-", false },
    { "cc-" TRACE_ID "-" PARENT_ID "-01-what-the-future-will-be-like", true },
    { "cc-" TRACE_ID "-" PARENT_ID "-01-.-\xff", true },
    { " \t00-" TRACE_ID "-" PARENT_ID "-01\t ", true },
};

static const char *const bad_parents[] = {
    "",
    " ",
    "00",
    /* version */
    "ff-" TRACE_ID "-" PARENT_ID "-01",
    "ff-" TRACE_ID "-" PARENT_ID "-01-what",
    "0-" TRACE_ID "-" PARENT_ID "-01",
    "000-" TRACE_ID "-" PARENT_ID "-01",
    ".0-" TRACE_ID "-" PARENT_ID "-01",
    "0.-" TRACE_ID "-" PARENT_ID "-01",
    "0G-" TRACE_ID "-" PARENT_ID "-01",
    "CC-" TRACE_ID "-" PARENT_ID "-01",
    "-" TRACE_ID "-" PARENT_ID "-01",
    TRACE_ID "-" PARENT_ID "-01",
    /* more behind version 00 */
    "00-" TRACE_ID "-" PARENT_ID "-01-",
    "00-" TRACE_ID "-" PARENT_ID "-01-what",
    "00-" TRACE_ID "-" PARENT_ID "-011",
    "00-" TRACE_ID "-" PARENT_ID "-01.",
    /* a later version that goes on without a dash */
    "cc-" TRACE_ID "-" PARENT_ID "-01.what",
    "cc-" TRACE_ID "-" PARENT_ID "-011",
    /* trace-id */
    "00-" ZERO_TRACE_ID "-" PARENT_ID "-01",
    "cc-" ZERO_TRACE_ID "-" PARENT_ID "-01",
    "00-0AF7651916CD43DD8448EB211C80319C-" PARENT_ID "-01",
    "00-.af7651916cd43dd8448eb211c80319c-" PARENT_ID "-01",
    "00-0af7651916cd43dd8448eb211c80319.-" PARENT_ID "-01",
    "00-" TRACE_ID "0-" PARENT_ID "-01",
    "00-0af7651916cd43dd8448eb211c80319-" PARENT_ID "-01",
    "00-0af7651916cd43dd8448eb211c80319-" PARENT_ID "-011",
    "00--" PARENT_ID "-01",
    /* parent-id */
    "00-" TRACE_ID "-" ZERO_PARENT_ID "-01",
    "cc-" TRACE_ID "-" ZERO_PARENT_ID "-01",
    "00-" TRACE_ID "-B7AD6B7169203331-01",
    "00-" TRACE_ID "-.7ad6b7169203331-01",
    "00-" TRACE_ID "-b7ad6b716920333.-01",
    "00-" TRACE_ID "-" PARENT_ID "0-01",
    "00-" TRACE_ID "-b7ad6b716920333-01",
    "00-" TRACE_ID "-b7ad6b716920333-001",
    "00-" TRACE_ID "--01",
    /* flags */
    "00-" TRACE_ID "-" PARENT_ID "-.0",
    "00-" TRACE_ID "-" PARENT_ID "-0.",
    "00-" TRACE_ID "-" PARENT_ID "-0G",
    "00-" TRACE_ID "-" PARENT_ID "-0A",
    "00-" TRACE_ID "-" PARENT_ID "-1",
    "00-" TRACE_ID "-" PARENT_ID "-",
    "00-" TRACE_ID "-" PARENT_ID,
    /* dashes */
    "00_" TRACE_ID "-" PARENT_ID "-01",
    "00-" TRACE_ID "_" PARENT_ID "-01",
    "00-" TRACE_ID "-" PARENT_ID "_01",
    "00 " TRACE_ID " " PARENT_ID " 01",
    /* two headers joined into one */
    "00-" TRACE_ID "-" PARENT_ID "-01,00-" TRACE_ID "-" PARENT_ID "-01",
};

START_TEST(good_parents_are_continued) {
    struct oa_traceparent parent;
    char written[OA_TRACEPARENT_BYTES + 1] = "";
    char expected[OA_TRACEPARENT_BYTES + 1];

    ck_assert_msg(oa_traceparent_parse(str(good_parents[_i].value), &parent), "%s",
                  good_parents[_i].value);
    ck_assert_mem_eq(parent.trace_id, TRACE_ID, sizeof(parent.trace_id));
    ck_assert_mem_eq(parent.parent_id, PARENT_ID, sizeof(parent.parent_id));
    ck_assert_int_eq(parent.sampled, good_parents[_i].sampled);
    oa_traceparent_write(&parent, written);
    snprintf(expected, sizeof(expected), "00-%s-%s-0%d", TRACE_ID, PARENT_ID, parent.sampled);
    ck_assert_str_eq(written, expected);
}
END_TEST

START_TEST(bad_parents_are_not) {
    struct oa_traceparent parent;

    ck_assert_msg(!oa_traceparent_parse(str(bad_parents[_i]), &parent), "%s", bad_parents[_i]);
}
END_TEST

/* Each byte of a good header, made wrong, makes all of it wrong. */
START_TEST(each_byte_of_a_parent_counts) {
    char value[] = "00-" TRACE_ID "-" PARENT_ID "-01";
    struct oa_traceparent parent;

    value[_i] = 'g';
    ck_assert_msg(!oa_traceparent_parse(str(value), &parent), "%s", value);
    value[_i] = '\0';
    ck_assert(!oa_traceparent_parse((struct str){ value, OA_TRACEPARENT_BYTES }, &parent));
}
END_TEST

#define A60 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff"
#define A240 A60 A60 A60 A60
#define EIGHT(n) "a" n "=1,b" n "=1,c" n "=1,d" n "=1,e" n "=1,f" n "=1,g" n "=1,h" n "=1"

static const char *const good_states[] = {
    "foo=1",
    "foo=1,bar=2",
    "foo=1, bar=2 ,\tbaz=3",
    "foo=1,,bar=2,",
    " , foo=1",
    "foo=1,foo=2",
    "a-*/_0=1",
    "foo= 1",
    "foo=a b",
    "foo=!\"#$%&'()*+-./0123456789:;<>?@[\\]^_`{|}~",
    "t@v=1",
    "0t@v=1",
    "fw529a3039@dt=FfFfFf",
    A240 "0123456789012345=1", /* 256 bytes */
    A240 "0@abcdefghijklmn=1", /* 241 and 14 bytes */
    "a=" A240 "0123456789012345",
    EIGHT("1") "," EIGHT("2") "," EIGHT("3") "," EIGHT("4"),
};

static const char *const bad_states[] = {
    "",
    " ",
    ",",
    "foo",
    "foo=",
    "foo= ",
    "=1",
    "foo=1,bar",
    "foo=1;bar=2",
    "foo =1",
    "foo\t=1",
    "Foo=1",
    "1foo=1",
    "-foo=1",
    "fo.o=1",
    "foo=1=2",
    "foo=\x01",
    "foo=a\tb",
    "foo=\xc3\xa9",
    "foo=\x7f",
    "@v=1",
    "t@=1",
    "t@1v=1",
    "t@v@w=1",
    "-t@v=1",
    "T@v=1",
    "t@V=1",
    A240 "01234567890123456=1", /* 257 bytes */
    A240 "01@abcdefghijklmn=1",
    A240 "0@abcdefghijklmno=1",
    "a=" A240 "01234567890123456",
    EIGHT("1") "," EIGHT("2") "," EIGHT("3") "," EIGHT("4") ",a5=1",
};

START_TEST(good_states_are_passed_on) {
    ck_assert_msg(oa_tracestate_is_valid(str(good_states[_i])), "%s", good_states[_i]);
}
END_TEST

START_TEST(bad_states_are_dropped) {
    ck_assert_msg(!oa_tracestate_is_valid(str(bad_states[_i])), "%s", bad_states[_i]);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("openapi traceparent");
    TCase *tcase = tcase_create("traceparent");

    tcase_add_loop_test(tcase, good_parents_are_continued, 0, UNIT_COUNT(good_parents));
    tcase_add_loop_test(tcase, bad_parents_are_not, 0, UNIT_COUNT(bad_parents));
    tcase_add_loop_test(tcase, each_byte_of_a_parent_counts, 0, OA_TRACEPARENT_BYTES);
    tcase_add_loop_test(tcase, good_states_are_passed_on, 0, UNIT_COUNT(good_states));
    tcase_add_loop_test(tcase, bad_states_are_dropped, 0, UNIT_COUNT(bad_states));
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
