#include "format.h"
#include "checks.h"
#include "openapi/decimal.h"

struct oa_format {
    const char *name;
    bool (*is_text)(struct str text);                  /* about strings */
    bool (*is_number)(const struct oa_decimal *value); /* about numbers */
};

/*
 * An integer of at most `limit`'s number of digits, and if of as many, at most `limit`. What is no
 * integer is up to "type".
 */
static bool is_integer_up_to(const struct oa_decimal *value, struct str limit) {
    const struct oa_decimal high = { .text = limit, .digits = limit.len };
    struct oa_decimal magnitude = *value;

    magnitude.negative = false;
    if (!oa_decimal_is_integer(value)) {
        return true;
    }
    return (int64_t)value->digits + value->exponent < (int64_t)limit.len ||
           oa_decimal_compare(&magnitude, &high) <= 0;
}

/* OpenAPI's format registry */
static bool is_int32(const struct oa_decimal *value) {
    return is_integer_up_to(value, value->negative ? (struct str){ "2147483648", 10 }
                                                   : (struct str){ "2147483647", 10 });
}

static bool is_int64(const struct oa_decimal *value) {
    return is_integer_up_to(value, value->negative ? (struct str){ "9223372036854775808", 19 }
                                                   : (struct str){ "9223372036854775807", 19 });
}

/*
 * All that JSON Schema Validation 2020-12, 7.3 names, but idn-hostname, which needs the tables of
 * IDNA; and OpenAPI's integers. Other names (password, byte, float...) are annotations.
 */
static const struct oa_format formats[] = {
    { "date-time", oa_is_date_time, NULL },
    { "date", oa_is_date, NULL },
    { "time", oa_is_time, NULL },
    { "duration", oa_is_duration, NULL },
    { "email", oa_is_email, NULL },
    { "idn-email", oa_is_idn_email, NULL },
    { "hostname", oa_is_hostname, NULL },
    { "ipv4", oa_is_ipv4, NULL },
    { "ipv6", oa_is_ipv6, NULL },
    { "uri", oa_is_uri, NULL },
    { "uri-reference", oa_is_uri_reference, NULL },
    { "iri", oa_is_iri, NULL },
    { "iri-reference", oa_is_iri_reference, NULL },
    { "uri-template", oa_is_uri_template, NULL },
    { "uuid", oa_is_uuid, NULL },
    { "json-pointer", oa_is_json_pointer, NULL },
    { "relative-json-pointer", oa_is_relative_json_pointer, NULL },
    { "regex", oa_is_regex, NULL },
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

bool oa_format_is_annotation(struct str name) {
    for (size_t i = 0; i < sizeof(annotations) / sizeof(annotations[0]); i++) {
        if (str_is(name, annotations[i])) {
            return true;
        }
    }
    return false;
}

const char *oa_format_name(size_t index) {
    return index < sizeof(formats) / sizeof(formats[0]) ? formats[index].name : NULL;
}

const struct oa_format *oa_format_find(struct str name) {
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (str_is(name, formats[i].name)) {
            return &formats[i];
        }
    }
    return NULL;
}

bool oa_format_check(const struct oa_format *format, const struct oa_json *value) {
    if (value->type == OA_STRING && format->is_text != NULL) {
        return format->is_text(value->text);
    }
    if (value->type == OA_NUMBER && format->is_number != NULL) {
        struct oa_decimal number;

        /* most are small: within all of the formats */
        if (value->count != 0 && value->integer >= INT32_MIN && value->integer <= INT32_MAX) {
            return true;
        }
        number = oa_decimal_parse(value->raw);
        return format->is_number(&number);
    }
    return true;
}
