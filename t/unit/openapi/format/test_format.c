/* Asserted formats. The published test suite's cases run through t/schema; here are ours. */
#include "openapi/format/format.h"

#include "unit.h"

#include <string.h>

struct sample {
    const char *format;
    const char *text;
    bool valid;
};

static bool check(const char *name, const char *text, size_t len) {
    const struct format *format = format_find((struct str){ name, strlen(name) });
    struct value value = { .type = VALUE_STRING, .text = { text, len } };

    ck_assert_msg(format != NULL, "no format %s", name);
    return format_check(format, &value);
}

static void check_sample(const struct sample *sample) {
    bool valid = check(sample->format, sample->text, strlen(sample->text));

    ck_assert_msg(valid == sample->valid, "%s \"%s\": %s", sample->format, sample->text,
                  valid ? "taken" : "refused");
}

static const struct sample times[] = {
    { "date", "2024-02-29", true },
    { "date", "2023-02-29", false },
    { "date", "1900-02-29", false },
    { "date", "2000-02-29", true },
    { "date", "2026-11-31", false },
    { "date", "2026-13-01", false },
    { "date", "2026-00-10", false },
    { "date", "2026-01-00", false },
    { "date", "2026-1-01", false },
    { "date", "2026-01-01 ", false },
    { "date", "0000-01-01", true },
    { "date", "", false },
    { "time", "23:59:59.999999999999Z", true },
    { "time", "23:59:60Z", true },
    { "time", "22:59:60-01:00", true },
    { "time", "00:59:60+01:00", true },
    { "time", "12:00:60Z", false },
    { "time", "23:59:61Z", false },
    { "time", "24:00:00Z", false },
    { "time", "12:00:00.Z", false },
    { "time", "12:00:00", false },
    { "time", "12:00:00+24:00", false },
    { "time", "12:00:00+01:60", false },
    { "time", "12:00:00+0100", false },
    { "date-time", "2026-11-22T20:14:00Z", true },
    { "date-time", "2026-11-22t20:14:00.123+01:00", true },
    { "date-time", "1998-12-31T15:59:60-08:00", true },
    { "date-time", "2026-11-22 20:14:00Z", false },
    { "date-time", "2026-11-22T20:14Z", false },
    { "date-time", "2026-11-31T20:14:00Z", false },
    { "date-time", "2026-11-22T20:14:00ZZ", false },
    { "duration", "P1Y2M3DT4H5M6S", true },
    { "duration", "P3W", true },
    { "duration", "PT36H", true },
    { "duration", "P1DT1S", true },
    { "duration", "P", false },
    { "duration", "PT", false },
    { "duration", "P1DT", false },
    { "duration", "P1Y3D", false },
    { "duration", "PT1H3S", false },
    { "duration", "P1H", false },
    { "duration", "P1W1D", false },
    { "duration", "P1.5D", false },
    { "duration", "1D", false },
};

#define LABEL_60 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff"
#define LABEL_63 LABEL_60 "ggg"

static const struct sample names[] = {
    { "hostname", "example.com", true },
    { "hostname", "localhost", true },
    { "hostname", "3com.example", true },
    { "hostname", LABEL_63, true },
    { "hostname", LABEL_63 "g", false },
    { "hostname", LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_60 "g", true }, /* 253 bytes */
    { "hostname", LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_60 "gg", false },
    { "hostname", "-a.example", false },
    { "hostname", "a-.example", false },
    { "hostname", "a..example", false },
    { "hostname", "a_b", false },
    { "hostname",
      "b\xc3\xbc"
      "cher.example",
      false },
    { "hostname", "", false },
    { "ipv4", "0.0.0.0", true },
    { "ipv4", "255.255.255.255", true },
    { "ipv4", "256.0.0.0", false },
    { "ipv4", "01.0.0.0", false },
    { "ipv4", "1.2.3", false },
    { "ipv4", "1.2.3.4.5", false },
    { "ipv4", "1.2.3.", false },
    { "ipv4", "1.2.3.4567", false },
    { "ipv6", "::", true },
    { "ipv6", "1:2:3:4:5:6:7::", true },
    { "ipv6", "1:2:3:4:5:6:7:8", true },
    { "ipv6", "1:2:3:4:5:6:1.2.3.4", true },
    { "ipv6", "::ffff:1.2.3.4", true },
    { "ipv6", "1:2:3:4:5:6:7:8::", false },
    { "ipv6", "1:2:3:4:5:6:7:1.2.3.4", false },
    { "ipv6", "1.2.3.4::", false },
    { "ipv6", "1::2::3", false },
    { "ipv6", ":::", false },
    { "ipv6", "1:", false },
    { "ipv6", "12345::", false },
    { "ipv6", "::g", false },
    { "email", "joe.bloggs@example.com", true },
    { "email", "\"joe \\\" bloggs\"@example.com", true },
    { "email", "joe@[192.0.2.1]", true },
    { "email", "joe@[IPv6:2001:db8::1]", true },
    { "email", "joe@[2001:db8::1]", false },
    { "email", "joe@[192.0.2.1", false },
    { "email", "\"\xc3\xa9\"@example.com", false },
    { "email", "\"a\x7f\"@example.com", false },
    { "idn-email", "\"\xc3\xa9\x1f\"@example.com", false },
    { "email", "joe", false },
    { "email", "joe@", false },
    { "email", ".joe@example.com", false },
    { "email", "jo..e@example.com", false },
    { "email", "\"joe@example.com", false },
    { "email", "\"joe\\", false },
    { "email", "a@b@example.com", false },
    { "email", LABEL_63 "g@example.com", true },
    { "email", LABEL_63 "gg@example.com", false },
    { "email", "\xc3\xa9@example.com", false },
    { "idn-email",
      "\xc3\xa9@b\xc3\xbc"
      "cher.example",
      true },
    { "idn-email", "\"\xc3\xa9\"@example.com", true },
    { "idn-email", "\xc3\xa9", false },
};

static const struct sample uris[] = {
    { "uri", "https://user:pw@example.com:8080/a/b;c?d=e/f?#g?h", true },
    { "uri", "urn:isbn:0451450523", true },
    { "uri", "mailto:", true },
    { "uri", "http://[2001:db8::1]:80/", true },
    { "uri", "http://[v1.a:b]/", true },
    { "uri", "http://[v.a]/", false },
    { "uri", "http://[v1.]/", false },
    { "uri", "http://[v1.%41]/", false },
    { "uri", "http://[::1", false },
    { "uri", "http://[::1]x/", false },
    { "uri", "http://example.com:80a/", false },
    { "uri", "http://a@b@example.com/", false },
    { "uri", "http://example.com/%zz", false },
    { "uri", "http://example.com/a#b#c", false },
    { "uri", "http://example.com/\xc3\xa9", false },
    { "uri", "a b:", false },
    { "uri", "//example.com", false },
    { "uri", "", false },
    { "uri-reference", "", true },
    { "uri-reference", "../a?b#c", true },
    { "uri-reference", "a/b:c", true },
    { "uri-reference", "?a:b", true },
    { "uri-reference", "//example.com", true },
    { "uri-reference", "1a:b", false },
    { "uri-reference", "a\\b", false },
    { "iri",
      "http://b\xc3\xbc"
      "cher.example/\xc3\xa9?\xee\x80\x80",
      true },
    { "iri", "http://example.com/\xee\x80\x80", false },      /* private, in a path */
    { "iri", "http://example.com/\xef\xb7\x90", false },      /* U+FDD0, no character */
    { "iri", "http://example.com/?\xf4\x8f\xbf\xbf", false }, /* U+10FFFF */
    { "iri-reference", "\xc3\xa9", true },
    { "iri-reference", "\xc3\xa9 ", false },
    { "uri-template", "/orders/{id}{?limit,cursor*}{#x:30}", true },
    { "uri-template", "{+a.b.%41_c}", true },
    { "uri-template", "{=reserved}", true },
    { "uri-template", "{", false },
    { "uri-template", "}", false },
    { "uri-template", "{}", false },
    { "uri-template", "{a,}", false },
    { "uri-template", "{a b}", false },
    { "uri-template", "{a:}", false },
    { "uri-template", "{a:10000}", false },
    { "uri-template", "{a*b}", false },
    { "uri-template", "{.a.}", false },
    { "uri-template", "a%4", false },
};

static const struct sample texts[] = {
    { "uuid", "123e4567-e89b-12d3-a456-426614174000", true },
    { "uuid", "123E4567-E89B-12D3-A456-426614174000", true },
    { "uuid", "123e4567e89b12d3a456426614174000", false },
    { "uuid", "123e4567-e89b-12d3-a456-42661417400", false },
    { "uuid", "123e4567-e89b-12d3-a456-42661417400g", false },
    { "uuid", "{23e4567-e89b-12d3-a456-426614174000", false },
    { "json-pointer", "", true },
    { "json-pointer", "/a~0b~1c//", true },
    { "json-pointer", "a", false },
    { "json-pointer", "/~", false },
    { "json-pointer", "/~2", false },
    { "relative-json-pointer", "0", true },
    { "relative-json-pointer", "10/a", true },
    { "relative-json-pointer", "1#", true },
    { "relative-json-pointer", "01", false },
    { "relative-json-pointer", "/a", false },
    { "relative-json-pointer", "1##", false },
    { "relative-json-pointer", "1a", false },
    { "regex", "^a+$", true },
    { "regex", "a(", false },
};

START_TEST(times_are_checked) {
    check_sample(&times[_i]);
}
END_TEST

START_TEST(names_are_checked) {
    check_sample(&names[_i]);
}
END_TEST

START_TEST(uris_are_checked) {
    check_sample(&uris[_i]);
}
END_TEST

START_TEST(texts_are_checked) {
    check_sample(&texts[_i]);
}
END_TEST

/* A zero byte is a character like any other, and never the end. */
START_TEST(zero_bytes_do_not_end_a_text) {
    static const struct {
        const char *format;
        const char text[40];
        size_t len;
    } cases[] = {
        { "date", "2026-11-22\0", 11 },
        { "ipv4", "1.2.3.4\0", 8 },
        { "hostname", "a\0b", 3 },
        { "email", "a\0b@example.com", 15 },
        { "uri", "http://a/\0", 10 },
        { "uri-template", "a\0", 2 },
        { "uri-template", "{a\0}", 4 },
        { "uri-template", "{\0a}", 4 },
        { "email", "\"\\\0\"@example.com", 16 },
        { "regex", "\\\0", 2 },
    };

    ck_assert(!check(cases[_i].format, cases[_i].text, cases[_i].len));
}
END_TEST

START_TEST(integers_are_checked) {
    static const struct {
        const char *format;
        const char *number;
        bool valid;
    } cases[] = {
        { "int32", "2147483647", true },
        { "int32", "2147483648", false },
        { "int32", "-2147483648", true },
        { "int32", "-2147483649", false },
        { "int32", "2147483647.0", true },
        { "int32", "21474836.47e2", true },
        { "int32", "0.5", true }, /* that it is no integer is up to "type" */
        { "int64", "1e-9", true },
        { "int32", "2147483648.5", true },
        { "int64", "9223372036854775807", true },
        { "int64", "9223372036854775808", false },
        { "int64", "-9223372036854775808", true },
        { "int64", "-9223372036854775809", false },
        { "int64", "1e400", false },
        { "int64", "-0", true },
    };
    const char *name = cases[_i].format;
    const struct format *format = format_find((struct str){ name, strlen(name) });
    struct value value = { .type = VALUE_NUMBER,
                           .raw = { cases[_i].number, strlen(cases[_i].number) } };

    ck_assert_ptr_nonnull(format);
    ck_assert_msg(format_check(format, &value) == cases[_i].valid, "%s %s", name, cases[_i].number);
}
END_TEST

START_TEST(other_types_are_none_of_a_formats_business) {
    const struct format *date = format_find((struct str){ "date", 4 });
    const struct format *int32 = format_find((struct str){ "int32", 5 });
    struct value number = { .type = VALUE_NUMBER, .raw = { "1.5", 3 } };
    struct value string = { .type = VALUE_STRING, .text = { "x", 1 } };
    struct value null = { .type = VALUE_NULL };

    ck_assert(format_check(date, &number));
    ck_assert(format_check(date, &null));
    ck_assert(format_check(int32, &string));
}
END_TEST

START_TEST(other_names_are_unknown) {
    static const char *const unknown[] = { "", "dat", "dates", "Date", "password", "idn-hostname" };

    ck_assert_ptr_null(format_find((struct str){ unknown[_i], strlen(unknown[_i]) }));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("openapi format");
    TCase *tcase = tcase_create("format");

    tcase_add_loop_test(tcase, times_are_checked, 0, UNIT_COUNT(times));
    tcase_add_loop_test(tcase, names_are_checked, 0, UNIT_COUNT(names));
    tcase_add_loop_test(tcase, uris_are_checked, 0, UNIT_COUNT(uris));
    tcase_add_loop_test(tcase, texts_are_checked, 0, UNIT_COUNT(texts));
    tcase_add_loop_test(tcase, zero_bytes_do_not_end_a_text, 0, 10);
    tcase_add_loop_test(tcase, integers_are_checked, 0, 13);
    tcase_add_test(tcase, other_types_are_none_of_a_formats_business);
    tcase_add_loop_test(tcase, other_names_are_unknown, 0, 6);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
