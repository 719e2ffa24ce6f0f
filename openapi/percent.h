/*
 * Percent-encoding (RFC 3986, 2.1).
 */
#ifndef OPENAPI_PERCENT_H
#define OPENAPI_PERCENT_H

static inline int oa_hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that "%XX" at `s` stands for (0 to 255), or -1 when it is none. `s` < `end`. */
static inline int oa_percent_byte(const char *s, const char *end) {
    int high;
    int low;

    if (end - s < 3 || s[0] != '%') {
        return -1;
    }
    high = oa_hex_digit(s[1]);
    low = oa_hex_digit(s[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

#endif
