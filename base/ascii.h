/* Kinds of ASCII characters, whatever the locale. */
#ifndef BASE_ASCII_H
#define BASE_ASCII_H

#include <stdbool.h>

static inline bool ascii_is_digit(char c) {
    return c >= '0' && c <= '9';
}

static inline bool ascii_is_lower(char c) {
    return c >= 'a' && c <= 'z';
}

static inline bool ascii_is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}

static inline bool ascii_is_letter(char c) {
    return ascii_is_lower(c) || ascii_is_upper(c);
}

static inline bool ascii_is_alnum(char c) {
    return ascii_is_letter(c) || ascii_is_digit(c);
}

/* White space within a line: optional in most headers. */
static inline bool ascii_is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* A letter in lower case, anything else as it is. */
static inline char ascii_to_lower(char c) {
    return ascii_is_upper(c) ? (char)(c | 0x20) : c;
}

/* The value of a hexadecimal digit of either case, -1 when it is none. */
static inline int ascii_hex_value(char c) {
    if (ascii_is_digit(c)) {
        return c - '0';
    }
    c = ascii_to_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static inline bool ascii_is_hex(char c) {
    return ascii_hex_value(c) >= 0;
}

#endif
