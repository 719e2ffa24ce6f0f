/*
 * The lexical half of the JSON reader: tokens checked by RFC 8259, positions and messages of
 * errors. Internal to json_read.c. Knows no json-c.
 */
#ifndef RUNTIME_JSON_JSON_SCAN_H
#define RUNTIME_JSON_JSON_SCAN_H

#include "json.h"

struct json_scanner {
    struct arena *arena;
    const char *text;
    size_t length;
    size_t at;                /* the next byte to read */
    enum err err;             /* why a function returned false */
    struct json_error *error; /* filled with ERR_INVALID; or NULL */
};

/*
 * A string's characters without quotes and escapes: in the text, or in the arena. May contain NUL.
 */
struct json_token {
    const char *bytes;
    size_t length;
};

/* Note the error at `offset`. Returns false, for the caller to return. */
bool json_scan_malformed(struct json_scanner *scanner, size_t offset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "expected …, found …" at the next byte. Returns false. */
bool json_scan_unexpected(struct json_scanner *scanner, const char *expected);
bool json_scan_no_memory(struct json_scanner *scanner);

/* The next byte; '\0' at the end, where a NUL in the text is as wrong as the end is. */
static inline char json_scan_peek(const struct json_scanner *scanner) {
    return scanner->at < scanner->length ? scanner->text[scanner->at] : '\0';
}

/* Step over `c` (not '\0') if it is next. */
static inline bool json_scan_take(struct json_scanner *scanner, char c) {
    if (json_scan_peek(scanner) != c) {
        return false;
    }
    scanner->at++;
    return true;
}

bool json_scan_word(struct json_scanner *scanner,
                    const char *word); /* step over it if it is next */
void json_scan_space(struct json_scanner *scanner);

/* At the opening quote; afterwards behind the closing one. */
MUST_CHECK bool json_scan_string(struct json_scanner *scanner, struct json_token *ret_token);
/* At the minus or first digit; afterwards behind the number. An integer has neither '.' nor 'e'. */
MUST_CHECK bool json_scan_number(struct json_scanner *scanner, bool *ret_is_integer);

#endif
