/*
 * uuid (RFC 9562, 4: any version), json-pointer (RFC 6901, 3), relative-json-pointer
 * (draft-bhutton-relative-json-pointer-00, 3) and regex (ECMA-262, 22.2.1, with the flag u).
 */
#include "checks.h"
#include "openapi/ascii.h"
#include "openapi/pattern/pattern.h"

bool oa_is_uuid(struct str text) {
    if (text.len != 36) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? text.data[i] != '-' : !oa_is_hex(text.data[i])) {
            return false;
        }
    }
    return true;
}

bool oa_is_json_pointer(struct str text) {
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

bool oa_is_relative_json_pointer(struct str text) {
    size_t digits = 0;
    struct str rest;

    while (digits < text.len && oa_is_digit(text.data[digits])) {
        digits++;
    }
    if (digits == 0 || (text.data[0] == '0' && digits > 1)) {
        return false;
    }
    rest = (struct str){ text.data + digits, text.len - digits };
    return (rest.len == 1 && *rest.data == '#') || oa_is_json_pointer(rest);
}

bool oa_is_regex(struct str text) {
    return oa_pattern_is_valid(text);
}
