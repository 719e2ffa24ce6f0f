/* Code points of text that is known to be valid UTF-8 (RFC 3629). */
#ifndef OPENAPI_UTF8_H
#define OPENAPI_UTF8_H

#include <stdint.h>

/* The code point at *s, which moves behind it. *s must stand at the first byte of a sequence. */
static inline uint32_t oa_utf8_take(const char **s) {
    const unsigned char *u = (const unsigned char *)*s;
    unsigned more = u[0] < 0xc0 ? 0 : u[0] < 0xe0 ? 1 : u[0] < 0xf0 ? 2 : 3;
    uint32_t point = more == 0 ? u[0] : u[0] & (0x3fU >> more);

    for (unsigned i = 1; i <= more; i++) {
        point = point << 6 | (u[i] & 0x3fU);
    }
    *s += more + 1;
    return point;
}

#endif
