/* UTF-8 (RFC 3629): checking, reading, writing, counting and cutting. Pure; any thread. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UTF8_BYTES_MAX = 4 };

/* Whether the byte continues a sequence that began before it: 10xxxxxx. */
static inline bool utf8_continues(char byte) {
    return ((unsigned char)byte & 0xc0) == 0x80;
}

/*
 * The length, 1 to 4, of the well-formed sequence that `bytes` starts with; 0 when there is none:
 * a lone continuation byte, an overlong form, a surrogate, above U+10FFFF, or cut off at `length`.
 */
static inline size_t utf8_sequence(const char *bytes, size_t length) {
    const unsigned char *s = (const unsigned char *)bytes;
    size_t needed;
    unsigned low; /* the first continuation byte is bounded further (RFC 3629 §4, table) */
    unsigned high;
    if (length == 0 || s[0] < 0x80) {
        return length == 0 ? 0 : 1;
    }
    needed = s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] <= 0xf4 ? 4 : 0;
    if (needed == 0 || length < needed) {
        return 0;
    }
    low = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
    high = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
    if (s[1] < low || s[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < needed; i++) {
        if (!utf8_continues(bytes[i])) {
            return 0;
        }
    }
    return needed;
}

/* The code point at *s, which moves behind it. *s must stand at the first byte of a sequence. */
static inline uint32_t utf8_take(const char **s) {
    const unsigned char *u = (const unsigned char *)*s;
    unsigned more = u[0] < 0xc0 ? 0 : u[0] < 0xe0 ? 1 : u[0] < 0xf0 ? 2 : 3;
    uint32_t point = more == 0 ? u[0] : u[0] & (0x3fU >> more);
    for (unsigned i = 1; i <= more; i++) {
        point = point << 6 | (u[i] & 0x3fU);
    }
    *s += more + 1;
    return point;
}

/* Encode `point`, a Unicode scalar value; returns how many bytes of `out` were written. */
static inline size_t utf8_encode(uint32_t point, char out[UTF8_BYTES_MAX]) {
    static const unsigned char leads[] = { 0, 0x00, 0xc0, 0xe0, 0xf0 };
    size_t length = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    assert(point <= 0x10ffff && (point < 0xd800 || point > 0xdfff));
    for (size_t i = length; i-- > 1; point >>= 6) {
        out[i] = (char)(0x80 | (point & 0x3f));
    }
    out[0] = (char)(leads[length] | point);
    return length;
}

/* The code points of valid UTF-8. */
static inline size_t utf8_count(const char *bytes, size_t length) {
    size_t count = 0;
    for (size_t i = 0; i < length; i++) {
        count += !utf8_continues(bytes[i]);
    }
    return count;
}

/*
 * How many bytes of `bytes` to keep so that at most `bytes_max` are and no sequence is cut:
 * for shortening text that is too long.
 */
static inline size_t utf8_cut(const char *bytes, size_t length, size_t bytes_max) {
    size_t keep = bytes_max;
    if (length <= bytes_max) {
        return length;
    }
    while (keep > 0 && bytes_max - keep < UTF8_BYTES_MAX - 1 && utf8_continues(bytes[keep])) {
        keep--;
    }
    return utf8_continues(bytes[keep]) ? bytes_max : keep; /* not UTF-8 anyway */
}

#endif
