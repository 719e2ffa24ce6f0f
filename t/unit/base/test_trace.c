/* base/trace: request ids, traceparent and tracestate by the published rules. */
#include "base/trace.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

START_TEST(request_id_has_its_characters_and_its_length) {
    char id[TRACE_REQUEST_ID_BYTES_MAX + 2];
    memset(id, 'a', sizeof(id));
    ck_assert(!trace_request_id_is_valid((struct str){ id, 0 }));
    ck_assert(!trace_request_id_is_valid((struct str){ NULL, 0 }));
    ck_assert(trace_request_id_is_valid((struct str){ id, 1 }));
    ck_assert(trace_request_id_is_valid((struct str){ id, TRACE_REQUEST_ID_BYTES_MAX }));
    ck_assert(!trace_request_id_is_valid((struct str){ id, TRACE_REQUEST_ID_BYTES_MAX + 1 }));
    const char *allowed = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._:-";
    for (int byte = 0; byte < 256; byte++) {
        id[1] = (char)byte;
        bool wanted = byte != 0 && strchr(allowed, byte) != NULL;
        ck_assert_msg(trace_request_id_is_valid((struct str){ id, 3 }) == wanted, "byte %d", byte);
    }
}
END_TEST

#define IDS "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"

static const struct {
    const char *header;
    const char *read; /* NULL: refused */
} TRACES[] = {
    { "00-" IDS "-01", "00-" IDS "-01" },
    { "00-" IDS "-00", "00-" IDS "-00" },
    { "00-" IDS "-ff", "00-" IDS "-01" },
    { "00-" IDS "-f6", "00-" IDS "-00" },
    { "01-" IDS "-01", "00-" IDS "-01" },
    { "fe-" IDS "-03-more.of-it", "00-" IDS "-01" },
    { "cc-" IDS "-01-", "00-" IDS "-01" },
    { "00-" IDS "-01-more", NULL },
    { "00-" IDS "-01 ", NULL },
    { "cc-" IDS "-01.more", NULL },
    { "ff-" IDS "-01", NULL },
    { "0-" IDS "-01", NULL },
    { "0x-" IDS "-01", NULL },
    { "00-" IDS "-0", NULL },
    { "00-" IDS "-0G", NULL },
    { "00_" IDS "-01", NULL },
    { "00-" IDS "_01", NULL },
    { "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01", NULL },
    { "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", NULL },
    { "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333G-01", NULL },
    { "00-00000000000000000000000000000000-b7ad6b7169203331-01", NULL },
    { "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", NULL },
    { "", NULL },
};

START_TEST(traceparent_is_read_or_refused) {
    char read[TRACE_PARENT_BYTES_MAX + 1] = "untouched";
    bool ok = trace_parent_read(str_of(TRACES[_i].header), read);
    ck_assert_msg(ok == (TRACES[_i].read != NULL), "%s", TRACES[_i].header);
    ck_assert_str_eq(read, ok ? TRACES[_i].read : "untouched");
}
END_TEST

#define TRACE_ID "0af7651916cd43dd8448eb211c80319c"
#define PARENT_ID "b7ad6b7169203331"
#define ZERO_TRACE_ID "00000000000000000000000000000000"
#define ZERO_PARENT_ID "0000000000000000"

static const struct {
    const char *value;
    bool sampled;
} GOOD_PARENTS[] = {
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
};

static const char *const BAD_PARENTS[] = {
    "",
    " ",
    " 00-" TRACE_ID "-" PARENT_ID "-01", /* white space is not part of it: str_trimmed() */
    "\t00-" TRACE_ID "-" PARENT_ID "-01",
    "00-" TRACE_ID "-" PARENT_ID "-01\t",
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
    char parent[TRACE_PARENT_BYTES_MAX + 1], again[TRACE_PARENT_BYTES_MAX + 1];
    ck_assert_msg(trace_parent_read(str_of(GOOD_PARENTS[_i].value), parent), "%s",
                  GOOD_PARENTS[_i].value);
    ck_assert_str_eq(parent, GOOD_PARENTS[_i].sampled ? "00-" TRACE_ID "-" PARENT_ID "-01"
                                                      : "00-" TRACE_ID "-" PARENT_ID "-00");
    ck_assert(trace_parent_read(str_of(parent), again));
    ck_assert_str_eq(again, parent);
}
END_TEST

START_TEST(bad_parents_are_not) {
    char parent[TRACE_PARENT_BYTES_MAX + 1];
    ck_assert_msg(!trace_parent_read(str_of(BAD_PARENTS[_i]), parent), "%s", BAD_PARENTS[_i]);
}
END_TEST

/* Each byte of a good header, made wrong, makes all of it wrong. */
START_TEST(each_byte_of_a_parent_counts) {
    char value[] = "00-" TRACE_ID "-" PARENT_ID "-01", parent[TRACE_PARENT_BYTES_MAX + 1];
    value[_i] = 'g';
    ck_assert_msg(!trace_parent_read(str_of(value), parent), "%s", value);
    value[_i] = '\0';
    ck_assert(!trace_parent_read((struct str){ value, TRACE_PARENT_BYTES_MAX }, parent));
}
END_TEST

START_TEST(a_trace_starts_and_is_passed_on) {
    char parent[TRACE_PARENT_BYTES_MAX + 1], again[TRACE_PARENT_BYTES_MAX + 1];
    for (int sampled = 0; sampled < 2; sampled++) {
        trace_parent_start(sampled, parent);
        ck_assert_uint_eq(strlen(parent), TRACE_PARENT_BYTES_MAX);
        ck_assert(trace_parent_read(str_of(parent), again));
        ck_assert_str_eq(again, parent);
        ck_assert_int_eq(parent[TRACE_PARENT_BYTES_MAX - 1], '0' + sampled);
        trace_parent_pass(again);
        ck_assert(trace_parent_read(str_of(again), again));
        ck_assert_mem_eq(again, parent, TRACE_SPAN_ID_AT);
        ck_assert_mem_ne(again + TRACE_SPAN_ID_AT, parent + TRACE_SPAN_ID_AT, TRACE_SPAN_ID_BYTES);
        ck_assert_str_eq(again + TRACE_SPAN_ID_AT + TRACE_SPAN_ID_BYTES,
                         parent + TRACE_SPAN_ID_AT + TRACE_SPAN_ID_BYTES);
    }
}
END_TEST

START_TEST(white_space_around_a_value_is_taken_off) {
    static const struct {
        const char *text;
        const char *trimmed;
    } texts[] = { { "", "" }, { " \t ", "" }, { " \ta b\t ", "a b" }, { "\na", "\na" } };
    for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
        ck_assert(str_is(str_trimmed(str_of(texts[i].text)), texts[i].trimmed));
    }
}
END_TEST

START_TEST(ids_of_a_traceparent) {
    struct trace trace = { "", "00-" IDS "-01", "" };
    ck_assert_str_eq(trace_id(trace), IDS "-01");
    ck_assert_str_eq(trace_span_id(trace), "b7ad6b7169203331-01");
    trace.parent = "";
    ck_assert_ptr_null(trace_id(trace));
    ck_assert_ptr_null(trace_span_id(trace));
    trace.parent = "00-" IDS "-011";
    ck_assert_ptr_null(trace_id(trace));
    ck_assert_ptr_null(trace_span_id(trace));
}
END_TEST

START_TEST(a_copy_holds_what_is_within_its_limits) {
    char id[TRACE_REQUEST_ID_BYTES_MAX + 2], state[TRACE_STATE_BYTES_MAX + 2];
    static const char PARENT[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    struct trace_copy copy;
    memset(id, 'i', sizeof(id));
    memset(state, 's', sizeof(state));
    id[sizeof(id) - 2] = state[sizeof(state) - 2] = '\0';
    trace_copy(&copy, (struct trace){ id, PARENT, state });
    struct trace trace = trace_of(&copy);
    ck_assert_str_eq(trace.request_id, id);
    ck_assert_str_eq(trace.parent, PARENT);
    ck_assert_str_eq(trace.state, state);
    id[sizeof(id) - 2] = 'i';
    id[sizeof(id) - 1] = '\0';
    trace_copy(&copy, (struct trace){ id, PARENT, "" });
    ck_assert_str_eq(trace.request_id, "");
    ck_assert_str_eq(trace.parent, PARENT);
    trace_copy(&copy, (struct trace){ "i", id, "a=1" });
    ck_assert_str_eq(trace.request_id, "i");
    ck_assert_str_eq(trace.parent, "");
    ck_assert_str_eq(trace.state, ""); /* none without a parent */
}
END_TEST

/* ---- tracestate ---- */

#define TEN "aaaaaaaaaa"
#define FIFTY TEN TEN TEN TEN TEN
#define LONG_240 FIFTY FIFTY FIFTY FIFTY TEN TEN TEN TEN

static const struct {
    const char *field;
    const char *read; /* "": dropped */
} STATES[] = {
    { "a=1", "a=1" },
    { "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7" },
    { " a=1 \t, \tb=2\t", "a=1,b=2" },
    { "a=1,,b=2, ,", "a=1,b=2" },
    { "fw529a3039@dt=FfAAAA,a=1", "fw529a3039@dt=FfAAAA,a=1" },
    { "1a@b=x,a_-*/9=y z", "1a@b=x,a_-*/9=y z" },
    { "a= 1", "a= 1" },
    { "a=!~", "a=!~" },
    { LONG_240 FIFTY "=1", "" },
    { LONG_240 TEN "aaaaaa=1", LONG_240 TEN "aaaaaa=1" }, /* 256 */
    { LONG_240 TEN "aaaaaaa=1", "" },
    { "1" LONG_240 "@s=1", "1" LONG_240 "@s=1" }, /* 241 */
    { "1a" LONG_240 "@s=1", "" },
    { "t@aaaaaaaaaaaaaa=1", "t@aaaaaaaaaaaaaa=1" }, /* 14 */
    { "t@aaaaaaaaaaaaaaa=1", "" },
    { "a=" LONG_240 TEN "aaaaaa", "a=" LONG_240 TEN "aaaaaa" }, /* 256 */
    { "a=" LONG_240 TEN "aaaaaaa", "" },
    { "", "" },
    { " , ", "" },
    { "a", "" },
    { "a=", "" },
    { "=1", "" },
    { "A=1", "" },
    { "1a=1", "" },
    { "a=1=2", "" },
    { "a@=1", "" },
    { "@a=1", "" },
    { "a@1=1", "" },
    { "a@b@c=1", "" },
    { "a =1", "" },
    { "a=x\ty", "" },
    { "a=\x7f", "" },
    { "a=\xc3\xa4", "" },
    { "ok=1,A=1", "" }, /* one wrong member makes the list void */
    { "A=1,ok=1", "" },
};

START_TEST(tracestate_is_read_or_dropped) {
    struct trace_state state = { 0 };
    trace_state_add(&state, str_of(STATES[_i].field));
    ck_assert_str_eq(state.text, STATES[_i].read);
    ck_assert_uint_eq(state.length, strlen(STATES[_i].read));
}
END_TEST

#define A60 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff"
#define A240 A60 A60 A60 A60
#define EIGHT(n) "a" n "=1,b" n "=1,c" n "=1,d" n "=1,e" n "=1,f" n "=1,g" n "=1,h" n "=1"

static const char *const GOOD_STATES[] = {
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

static const char *const BAD_STATES[] = {
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

/* A state as trace_state_add() leaves it: no white space around members, no empty members. */
START_TEST(good_states_are_passed_on) {
    struct trace_state state = { 0 }, again = { 0 };
    trace_state_add(&state, str_of(GOOD_STATES[_i]));
    ck_assert_msg(state.length > 0 && !state.invalid, "%s", GOOD_STATES[_i]);
    trace_state_add(&again, str_of(state.text));
    ck_assert_str_eq(again.text, state.text);
}
END_TEST

START_TEST(bad_states_are_dropped) {
    struct trace_state state = { 0 };
    trace_state_add(&state, str_of(BAD_STATES[_i]));
    ck_assert_msg(state.length == 0, "%s", BAD_STATES[_i]);
}
END_TEST

START_TEST(several_fields_are_one_list) {
    struct trace_state state = { 0 };
    trace_state_add(&state, STR("a=1,"));
    trace_state_add(&state, STR(""));
    trace_state_add(&state, STR("b=2,c=3"));
    ck_assert_str_eq(state.text, "a=1,b=2,c=3");
    trace_state_add(&state, STR("d"));
    ck_assert_str_eq(state.text, "");
    trace_state_add(&state, STR("e=5"));
    ck_assert_str_eq(state.text, "");
}
END_TEST

/* `members` members of `bytes` characters in all, commas included. */
static const char *state_of(unsigned members, size_t bytes) {
    static char text[1024];
    size_t length = 0;
    for (unsigned i = 0; i < members; i++) {
        length += (size_t)snprintf(text + length, sizeof(text) - length, "%sk%02u=v",
                                   i == 0 ? "" : ",", i);
    }
    while (length < bytes) {
        text[length++] = 'v';
    }
    text[length] = '\0';
    return text;
}

START_TEST(tracestate_has_its_limits) {
    static const struct {
        unsigned members;
        size_t bytes;
        bool kept;
    } sizes[] = { { 32, 0, true }, { 33, 0, false }, { 1, 300, false } };
    for (size_t i = 0; i < UNIT_COUNT(sizes); i++) {
        const char *text = state_of(sizes[i].members, sizes[i].bytes);
        struct trace_state state = { 0 };
        trace_state_add(&state, str_of(text));
        ck_assert_msg((state.length > 0) == sizes[i].kept, "%u members, %zu bytes",
                      sizes[i].members, sizes[i].bytes);
    }
    struct trace_state state = { 0 };
    trace_state_add(&state, str_of(state_of(1, 256)));
    trace_state_add(&state, str_of(state_of(1, 255)));
    ck_assert_uint_eq(state.length, TRACE_STATE_BYTES_MAX); /* 256 + comma + 255 */
}
END_TEST

/* ---- a tracestate that is too long ---- */

static const struct {
    const char
        *members; /* a key each: a small one, or in upper case a large one (its key is not) */
    size_t small, large; /* their lengths */
    const char *kept;
} CUTS[] = {
    { "aBc", 127, 256, "aBc" }, /* 512 in all */
    { "aBc", 127, 257, "ac" },  /* 513: the long one goes */
    { "Bac", 127, 257, "ac" },  /* wherever it is */
    { "acB", 127, 257, "ac" },
    { "abcde", 101, 0, "abcde" }, /* 509 */
    { "abcde", 102, 0, "abcd" },  /* 514: from the end, when none is long */
    { "abcdefgh", 102, 0, "abcd" },
    { "Abcd", 128, 128, "Abc" },  /* 128 is not long */
    { "Abcd", 127, 129, "bcd" },  /* 129 is */
    { "abcdeF", 102, 3, "abcd" }, /* what stands behind the cut does not slip in */
    { "abcdeF", 102, 200, "abcd" },
    { "ABCD", 0, 129, "ABC" },        /* of several long ones the last first */
    { "ABCdefg", 60, 129, "ABdefg" }, /* no more of them than must go */
    { "ABCdefg", 100, 129, "defg" },
    { "dAeBfCg", 100, 129, "defg" },
    { "dAeBfCghi", 100, 129, "defgh" },
};

/* Append the members that `keys` names, with commas. */
static void put_members(char *text, const char *keys, size_t small, size_t large) {
    size_t length = 0;
    for (const char *key = keys; *key != '\0'; key++) {
        size_t bytes = *key <= 'Z' ? large : small;
        if (key > keys) {
            text[length++] = ',';
        }
        memset(text + length, 'v', bytes);
        text[length] = (char)(*key | 0x20); /* lower case */
        text[length + 1] = '=';
        length += bytes;
    }
    text[length] = '\0';
}

/* Of unequal long ones, too: "c" would have room, but stands behind one that had to go. */
START_TEST(no_long_member_is_taken_behind_one_that_was_cut) {
    static const struct {
        const char *key;
        size_t bytes;
    } members[] = { { "A", 256 }, { "B", 258 }, { "C", 150 }, { "d", 100 } };
    char text[512], kept[1024];
    struct trace_state state = { 0 };
    for (size_t i = 0; i < UNIT_COUNT(members); i++) {
        put_members(text, members[i].key, members[i].bytes, members[i].bytes);
        trace_state_add(&state, str_of(text));
    }
    put_members(kept, "Ad", 100, 256);
    ck_assert_str_eq(state.text, kept);
}
END_TEST

START_TEST(a_long_tracestate_is_cut_by_whole_members) {
    char text[2048], kept[2048], member[512], key[2] = "";
    struct trace_state whole = { 0 }, by_field = { 0 };
    put_members(text, CUTS[_i].members, CUTS[_i].small, CUTS[_i].large);
    put_members(kept, CUTS[_i].kept, CUTS[_i].small, CUTS[_i].large);
    trace_state_add(&whole, str_of(text));
    ck_assert_str_eq(whole.text, kept);
    ck_assert_uint_eq(whole.length, strlen(kept));
    ck_assert_uint_le(whole.length, TRACE_STATE_BYTES_MAX);
    for (const char *at = CUTS[_i].members; *at != '\0'; at++) {
        key[0] = *at;
        put_members(member, key, CUTS[_i].small, CUTS[_i].large);
        trace_state_add(&by_field, str_of(member));
    }
    ck_assert_str_eq(by_field.text, kept);
}
END_TEST

START_TEST(a_member_longer_than_all_may_be_is_left_out) {
    struct trace_state state = { 0 };
    trace_state_add(&state, STR(LONG_240 TEN "aaaaaa=" LONG_240 TEN "aaaaaa")); /* 513 */
    ck_assert_str_eq(state.text, "");
    trace_state_add(&state, STR("a=1"));
    ck_assert_str_eq(state.text, "a=1");
}
END_TEST

START_TEST(what_is_cut_counts_and_must_be_well_formed) {
    struct trace_state state = { 0 };
    char text[1024];
    put_members(text, "abcdef", 102, 0);
    trace_state_add(&state, str_of(text));
    ck_assert_uint_gt(state.length, 0);
    trace_state_add(&state, str_of(state_of(TRACE_STATE_MEMBERS_MAX - 6, 0)));
    ck_assert_uint_gt(state.length, 0);
    trace_state_add(&state, STR("x=1")); /* the 33rd */
    ck_assert_str_eq(state.text, "");
    state = (struct trace_state){ 0 };
    trace_state_add(&state, str_of(text));
    trace_state_add(&state, STR("X=1"));
    ck_assert_str_eq(state.text, "");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("trace");
    TCase *ids = tcase_create("ids"), *states = tcase_create("tracestate");
    tcase_add_test(ids, request_id_has_its_characters_and_its_length);
    tcase_add_loop_test(ids, traceparent_is_read_or_refused, 0, UNIT_COUNT(TRACES));
    tcase_add_loop_test(ids, good_parents_are_continued, 0, UNIT_COUNT(GOOD_PARENTS));
    tcase_add_loop_test(ids, bad_parents_are_not, 0, UNIT_COUNT(BAD_PARENTS));
    tcase_add_loop_test(ids, each_byte_of_a_parent_counts, 0, TRACE_PARENT_BYTES_MAX);
    tcase_add_test(ids, a_trace_starts_and_is_passed_on);
    tcase_add_test(ids, white_space_around_a_value_is_taken_off);
    tcase_add_test(ids, ids_of_a_traceparent);
    tcase_add_test(ids, a_copy_holds_what_is_within_its_limits);
    suite_add_tcase(suite, ids);
    tcase_add_loop_test(states, tracestate_is_read_or_dropped, 0, UNIT_COUNT(STATES));
    tcase_add_loop_test(states, good_states_are_passed_on, 0, UNIT_COUNT(GOOD_STATES));
    tcase_add_loop_test(states, bad_states_are_dropped, 0, UNIT_COUNT(BAD_STATES));
    tcase_add_test(states, several_fields_are_one_list);
    tcase_add_test(states, tracestate_has_its_limits);
    tcase_add_loop_test(states, a_long_tracestate_is_cut_by_whole_members, 0, UNIT_COUNT(CUTS));
    tcase_add_test(states, no_long_member_is_taken_behind_one_that_was_cut);
    tcase_add_test(states, a_member_longer_than_all_may_be_is_left_out);
    tcase_add_test(states, what_is_cut_counts_and_must_be_well_formed);
    suite_add_tcase(suite, states);
    return unit_run(suite);
}
