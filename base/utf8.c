#include "utf8.h"

#include <assert.h>
#include <stdbool.h>

/* Continuation bytes are 10xxxxxx; the first of them is bounded further (RFC 3629 §4, table). */
static bool is_within(char byte, unsigned low, unsigned high) {
    unsigned char value = (unsigned char)byte;
    return value >= low && value <= high;
}

size_t utf8_sequence(const char *bytes, size_t length) {
    if (length == 0) {
        return 0;
    }
    unsigned char lead = (unsigned char)bytes[0];
    size_t needed = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (needed <= 1) {
        return needed;
    }
    if (lead > 0xf4 || length < needed) {
        return 0;
    }
    unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (!is_within(bytes[1], low, high)) {
        return 0;
    }
    for (size_t i = 2; i < needed; i++) {
        if (!is_within(bytes[i], 0x80, 0xbf)) {
            return 0;
        }
    }
    return needed;
}

static char continuation(uint32_t six_bits) {
    return (char)(0x80 | (six_bits & 0x3f));
}

size_t utf8_encode(uint32_t code_point, char out[UTF8_BYTES_MAX]) {
    assert(code_point <= 0x10ffff && (code_point < 0xd800 || code_point > 0xdfff));
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        out[0] = (char)(0xc0 | code_point >> 6);
        out[1] = continuation(code_point);
        return 2;
    }
    if (code_point < 0x10000) {
        out[0] = (char)(0xe0 | code_point >> 12);
        out[1] = continuation(code_point >> 6);
        out[2] = continuation(code_point);
        return 3;
    }
    out[0] = (char)(0xf0 | code_point >> 18);
    out[1] = continuation(code_point >> 12);
    out[2] = continuation(code_point >> 6);
    out[3] = continuation(code_point);
    return 4;
}

size_t utf8_cut(const char *bytes, size_t length, size_t bytes_max) {
    if (length <= bytes_max) {
        return length;
    }
    size_t keep = bytes_max;
    while (keep > 0 && bytes_max - keep < UTF8_BYTES_MAX - 1 &&
           is_within(bytes[keep], 0x80, 0xbf)) {
        keep--;
    }
    return is_within(bytes[keep], 0x80, 0xbf) ? bytes_max : keep; /* not UTF-8 anyway */
}
