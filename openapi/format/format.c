/*
 * The formats: date, time, date-time (RFC 3339, 5.6; leap seconds: 5.7), duration (appendix A),
 * uuid (RFC 9562, 4: any version), json-pointer (RFC 6901, 3), relative-json-pointer
 * (draft-bhutton-relative-json-pointer-00, 3), regex (ECMA-262, 22.2.1, with the flag u), OpenAPI's
 * integers, and those of address.c.
 */
#include "format.h"
#include "address.h"
#include "base/ascii.h"
#include "base/decimal.h"
#include "openapi/pattern/pattern.h"

struct format {
    const char *name;
    bool (*is_text)(struct str text);               /* about strings */
    bool (*is_number)(const struct decimal *value); /* about numbers */
};

/* ---- dates and times ---- */

enum { LAST_MINUTE = 23 * 60 + 59, MINUTES_A_DAY = 24 * 60 };

/* Takes `digits` digits of *s; -1: they are not there. */
static int take_number(struct str *s, unsigned digits) {
    int n = 0;

    if (s->len < digits) {
        return -1;
    }
    for (unsigned i = 0; i < digits; i++) {
        if (!ascii_is_digit(s->data[i])) {
            return -1;
        }
        n = n * 10 + (s->data[i] - '0');
    }
    s->data += digits;
    s->len -= digits;
    return n;
}

/* Takes one byte if it is `a` or `b`. */
static bool take_either(struct str *s, char a, char b) {
    if (s->len == 0 || (*s->data != a && *s->data != b)) {
        return false;
    }
    s->data++;
    s->len--;
    return true;
}

static bool take(struct str *s, char c) {
    return take_either(s, c, c);
}

static int days_of_month(int year, int month) {
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* Takes a number of two digits from `low` to `high`. */
static bool take_pair(struct str *s, int low, int high, int *ret) {
    *ret = take_number(s, 2);
    return *ret >= low && *ret <= high;
}

static bool take_date(struct str *s) {
    int year = take_number(s, 4);
    int month;
    int day;

    return year >= 0 && take(s, '-') && take_pair(s, 1, 12, &month) && take(s, '-') &&
           take_pair(s, 1, days_of_month(year, month), &day);
}

/* "Z" or "+hh:mm"; *ret_minutes is what local time is ahead of UTC. */
static bool take_offset(struct str *s, int *ret_minutes) {
    bool west = s->len > 0 && *s->data == '-';
    int hours;
    int minutes;

    *ret_minutes = 0;
    if (take_either(s, 'Z', 'z')) {
        return true;
    }
    if (!take_either(s, '+', '-') || !take_pair(s, 0, 23, &hours) || !take(s, ':') ||
        !take_pair(s, 0, 59, &minutes)) {
        return false;
    }
    *ret_minutes = (hours * 60 + minutes) * (west ? -1 : 1);
    return true;
}

static bool take_time(struct str *s) {
    int hour;
    int minute;
    int second;
    int ahead;

    if (!take_pair(s, 0, 23, &hour) || !take(s, ':') || !take_pair(s, 0, 59, &minute) ||
        !take(s, ':') || !take_pair(s, 0, 60, &second)) {
        return false;
    }
    if (take(s, '.') && take_number(s, 1) < 0) {
        return false;
    }
    while (take_number(s, 1) >= 0) {
    }
    if (!take_offset(s, &ahead)) {
        return false;
    }
    /* a leap second is the last one of a day, in UTC */
    return second < 60 ||
           (hour * 60 + minute - ahead + MINUTES_A_DAY) % MINUTES_A_DAY == LAST_MINUTE;
}

static bool is_date(struct str text) {
    return take_date(&text) && text.len == 0;
}

static bool is_time(struct str text) {
    return take_time(&text) && text.len == 0;
}

static bool is_date_time(struct str text) {
    return take_date(&text) && take_either(&text, 'T', 't') && take_time(&text) && text.len == 0;
}

/*
 * Takes "1H2M3S": numbers with units in the order of `units`. A unit may be left out only before
 * the first and after the last one (appendix A nests them so). Returns how many there were, -1 for
 * a number without a unit of the list, or out of order.
 */
static int take_units(struct str *s, const char *units) {
    int count = 0;

    while (s->len > 0 && ascii_is_digit(*s->data)) {
        while (take_number(s, 1) >= 0) {
        }
        while (count == 0 && *units != '\0' && s->len > 0 && *s->data != *units) {
            units++;
        }
        if (*units == '\0' || !take(s, *units)) {
            return -1;
        }
        units++;
        count++;
    }
    return count;
}

static bool is_duration(struct str text) {
    struct str weeks;
    int dates;

    if (!take(&text, 'P')) {
        return false;
    }
    weeks = text;
    if (take_units(&weeks, "W") == 1 && weeks.len == 0) {
        return true;
    }
    dates = take_units(&text, "YMD");
    if (dates < 0) {
        return false;
    }
    if (take(&text, 'T') && take_units(&text, "HMS") <= 0) {
        return false;
    }
    return text.len == 0 && (dates > 0 || text.data[-1] != 'P');
}

/* ---- other texts ---- */

static bool is_uuid(struct str text) {
    if (text.len != 36) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? text.data[i] != '-' : !ascii_is_hex(text.data[i])) {
            return false;
        }
    }
    return true;
}

static bool is_json_pointer(struct str text) {
    if (text.len > 0 && text.data[0] != '/') {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '~' &&
            (i + 1 == text.len || (text.data[i + 1] != '0' && text.data[i + 1] != '1'))) {
            return false;
        }
    }
    return true;
}

static bool is_relative_json_pointer(struct str text) {
    size_t digits = 0;
    struct str rest;

    while (digits < text.len && ascii_is_digit(text.data[digits])) {
        digits++;
    }
    if (digits == 0 || (text.data[0] == '0' && digits > 1)) {
        return false;
    }
    rest = (struct str){ text.data + digits, text.len - digits };
    return (rest.len == 1 && *rest.data == '#') || is_json_pointer(rest);
}

static bool is_regex(struct str text) {
    return pattern_is_valid(text);
}

/* ---- numbers, and the table ---- */

/*
 * An integer of at most `limit`'s number of digits, and if of as many, at most `limit`. What is no
 * integer is up to "type".
 */
static bool is_integer_up_to(const struct decimal *value, struct str limit) {
    const struct decimal high = { .text = limit, .digits = limit.len };
    struct decimal magnitude = *value;

    magnitude.negative = false;
    if (!decimal_is_integer(value)) {
        return true;
    }
    return (int64_t)value->digits + value->exponent < (int64_t)limit.len ||
           decimal_compare(&magnitude, &high) <= 0;
}

/* OpenAPI's format registry */
static bool is_int32(const struct decimal *value) {
    return is_integer_up_to(value, value->negative ? STR("2147483648") : STR("2147483647"));
}

static bool is_int64(const struct decimal *value) {
    return is_integer_up_to(value, value->negative ? STR("9223372036854775808")
                                                   : STR("9223372036854775807"));
}

/*
 * All that JSON Schema Validation 2020-12, 7.3 names, but idn-hostname, which needs the tables of
 * IDNA; and OpenAPI's integers. Other names (password, byte, float...) are annotations.
 */
static const struct format formats[] = {
    { "date-time", is_date_time, NULL },
    { "date", is_date, NULL },
    { "time", is_time, NULL },
    { "duration", is_duration, NULL },
    { "email", address_is_email, NULL },
    { "idn-email", address_is_idn_email, NULL },
    { "hostname", address_is_hostname, NULL },
    { "ipv4", address_is_ipv4, NULL },
    { "ipv6", address_is_ipv6, NULL },
    { "uri", address_is_uri, NULL },
    { "uri-reference", address_is_uri_reference, NULL },
    { "iri", address_is_iri, NULL },
    { "iri-reference", address_is_iri_reference, NULL },
    { "uri-template", address_is_uri_template, NULL },
    { "uuid", is_uuid, NULL },
    { "json-pointer", is_json_pointer, NULL },
    { "relative-json-pointer", is_relative_json_pointer, NULL },
    { "regex", is_regex, NULL },
    { "int32", NULL, is_int32 },
    { "int64", NULL, is_int64 },
};

/* Of OpenAPI's format registry, beside those above: all annotations. */
static const char *const annotations[] = {
    "base64url",  "binary",       "byte",       "char",       "commonmark",  "date-time-local",
    "decimal",    "decimal128",   "double",     "double-int", "float",       "html",
    "http-date",  "idn-hostname", "int8",       "int16",      "media-range", "password",
    "sf-binary",  "sf-boolean",   "sf-decimal", "sf-integer", "sf-string",   "sf-token",
    "time-local", "uint8",        "uint16",     "uint32",     "uint64",      "unixtime",
};

bool format_is_annotation(struct str name) {
    for (size_t i = 0; i < sizeof(annotations) / sizeof(annotations[0]); i++) {
        if (str_is(name, annotations[i])) {
            return true;
        }
    }
    return false;
}

const char *format_name(size_t index) {
    return index < sizeof(formats) / sizeof(formats[0]) ? formats[index].name : NULL;
}

const struct format *format_find(struct str name) {
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (str_is(name, formats[i].name)) {
            return &formats[i];
        }
    }
    return NULL;
}

bool format_check(const struct format *format, const struct value *value) {
    if (value->type == VALUE_STRING && format->is_text != NULL) {
        return format->is_text(value->text);
    }
    if (value->type == VALUE_NUMBER && format->is_number != NULL) {
        struct decimal number;

        /* most are small: within all of the formats */
        if (value->count != 0 && value->integer >= INT32_MIN && value->integer <= INT32_MAX) {
            return true;
        }
        number = decimal_parse(value->raw);
        return format->is_number(&number);
    }
    return true;
}
