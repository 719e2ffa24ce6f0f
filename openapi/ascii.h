/* Kinds of ASCII characters, whatever the locale. */
#ifndef OPENAPI_ASCII_H
#define OPENAPI_ASCII_H

#include <stdbool.h>

static inline bool oa_is_digit(char c) {
    return c >= '0' && c <= '9';
}

static inline bool oa_is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool oa_is_hex(char c) {
    return oa_is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

#endif
