#include "json_scan.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- errors ---- */

bool json_scan_malformed(struct json_scanner *scanner, size_t offset, const char *format, ...) {
    struct json_error *error = scanner->error;
    scanner->err = ERR_INVALID;
    if (error == NULL) {
        return false;
    }
    *error = (struct json_error){ .offset = offset, .line = 1, .column = 1 };
    for (size_t i = 0; i < offset; i++) {
        bool is_line_end = scanner->text[i] == '\n';
        error->line += is_line_end;
        error->column = is_line_end ? 1 : error->column + 1;
    }
    int length = snprintf(error->message, sizeof(error->message),
                          "malformed JSON at line %u, column %u: ", error->line, error->column);
    va_list args;
    va_start(args, format);
    vsnprintf(error->message + length, sizeof(error->message) - (size_t)length, format, args);
    va_end(args);
    return false;
}

bool json_scan_unexpected(struct json_scanner *scanner, const char *expected) {
    size_t at = scanner->at;
    if (at == scanner->length) {
        return json_scan_malformed(scanner, at, "expected %s, found the end", expected);
    }
    unsigned char found = (unsigned char)scanner->text[at];
    if (found > 0x20 && found < 0x7f) {
        return json_scan_malformed(scanner, at, "expected %s, found %c", expected, found);
    }
    return json_scan_malformed(scanner, at, "expected %s, found byte 0x%02x", expected, found);
}

bool json_scan_no_memory(struct json_scanner *scanner) {
    scanner->err = ERR_NO_MEMORY;
    return false;
}

/* ---- words and white space ---- */

bool json_scan_word(struct json_scanner *scanner, const char *word) {
    size_t length = strlen(word);
    if (scanner->length - scanner->at < length ||
        memcmp(scanner->text + scanner->at, word, length) != 0) {
        return false;
    }
    scanner->at += length;
    return true;
}

void json_scan_space(struct json_scanner *scanner) {
    char c = json_scan_peek(scanner);
    while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        scanner->at++;
        c = json_scan_peek(scanner);
    }
}

/* ---- strings: check ---- */

/* The value of the four hexadecimal digits that `bytes` starts with, or -1. */
static int32_t hex4(const char *bytes, size_t length) {
    int32_t value = 0;
    if (length < 4) {
        return -1;
    }
    for (size_t i = 0; i < 4; i++) {
        char lower = (char)(bytes[i] | 0x20);
        if (bytes[i] >= '0' && bytes[i] <= '9') {
            value = value * 16 + (bytes[i] - '0');
        } else if (lower >= 'a' && lower <= 'f') {
            value = value * 16 + (lower - 'a' + 10);
        } else {
            return -1;
        }
    }
    return value;
}

static bool is_high_surrogate(int32_t unit) {
    return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low_surrogate(int32_t unit) {
    return unit >= 0xdc00 && unit <= 0xdfff;
}

/* The code unit of the \uXXXX that comes next, or -1 when something else does. */
static int32_t next_unit(const struct json_scanner *scanner) {
    const char *next = scanner->text + scanner->at;
    size_t left = scanner->length - scanner->at;
    return left < 2 || next[0] != '\\' || next[1] != 'u' ? -1 : hex4(next + 2, left - 2);
}

/* At the backslash. */
static bool skip_escape(struct json_scanner *scanner) {
    enum { UNIT_BYTES = 6 }; /* \uXXXX */
    size_t start = scanner->at;
    scanner->at++;
    char letter = json_scan_peek(scanner);
    if (letter != 'u') {
        bool is_known = letter != '\0' && strchr("\"\\/bfnrt", letter) != NULL;
        scanner->at++;
        return is_known || json_scan_malformed(scanner, start, "unknown escape in a string");
    }
    scanner->at = start;
    int32_t unit = next_unit(scanner);
    if (unit < 0) {
        return json_scan_malformed(scanner, start, "\\u needs four hexadecimal digits");
    }
    scanner->at += UNIT_BYTES;
    if (is_high_surrogate(unit) && is_low_surrogate(next_unit(scanner))) {
        scanner->at += UNIT_BYTES;
        return true;
    }
    if (is_high_surrogate(unit) || is_low_surrogate(unit)) {
        return json_scan_malformed(scanner, start, "half of a surrogate pair in a string");
    }
    return true;
}

/* One character that is neither plain ASCII nor the closing quote. */
static bool skip_special(struct json_scanner *scanner, bool *has_escapes) {
    size_t at = scanner->at;
    if (at == scanner->length) {
        return json_scan_unexpected(scanner, "a closing quote");
    }
    unsigned char byte = (unsigned char)scanner->text[at];
    if (byte == '\\') {
        *has_escapes = true;
        return skip_escape(scanner);
    }
    if (byte < 0x20) {
        return json_scan_malformed(scanner, at, "byte 0x%02x must be escaped in a string", byte);
    }
    size_t sequence = utf8_sequence(scanner->text + at, scanner->length - at);
    scanner->at += sequence;
    return sequence > 0 || json_scan_malformed(scanner, at, "byte 0x%02x is not UTF-8 here", byte);
}

/* ---- strings: decode what has been checked ---- */

/* Decode the escape behind a backslash to `out`; returns how many of its bytes were read. */
static size_t decode_escape(const char *escape, char *out, size_t *ret_written) {
    static const char LETTERS[] = "\"\\/bfnrt", MEANINGS[] = "\"\\/\b\f\n\r\t";
    if (*escape != 'u') {
        *out = MEANINGS[strchr(LETTERS, *escape) - LETTERS];
        *ret_written = 1;
        return 1;
    }
    int32_t unit = hex4(escape + 1, 4);
    if (!is_high_surrogate(unit)) {
        *ret_written = utf8_encode((uint32_t)unit, out);
        return 5; /* uXXXX */
    }
    int32_t low = hex4(escape + 7, 4);
    *ret_written = utf8_encode((uint32_t)(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)), out);
    return 11; /* uXXXX\uXXXX */
}

/* Replace the token's escapes, in the arena: what they stand for is never longer. */
static bool decode(struct json_scanner *scanner, struct json_token *token) {
    char *out = arena_alloc(scanner->arena, token->length);
    size_t length = 0;
    if (out == NULL) {
        return json_scan_no_memory(scanner);
    }
    for (size_t i = 0; i < token->length;) {
        if (token->bytes[i] != '\\') {
            out[length++] = token->bytes[i++];
            continue;
        }
        size_t written;
        i += 1 + decode_escape(token->bytes + i + 1, out + length, &written);
        length += written;
    }
    *token = (struct json_token){ .bytes = out, .length = length };
    return true;
}

bool json_scan_string(struct json_scanner *scanner, struct json_token *ret_token) {
    size_t start = ++scanner->at;
    bool has_escapes = false;
    while (!json_scan_take(scanner, '"')) {
        unsigned char byte = (unsigned char)json_scan_peek(scanner);
        if (byte >= 0x20 && byte < 0x80 && byte != '\\') {
            scanner->at++;
        } else if (!skip_special(scanner, &has_escapes)) {
            return false;
        }
    }
    struct json_token token = { scanner->text + start, scanner->at - 1 - start };
    if (has_escapes && !decode(scanner, &token)) {
        return false;
    }
    *ret_token = token;
    return true;
}

/* ---- numbers ---- */

static bool is_digit_next(const struct json_scanner *scanner) {
    return json_scan_peek(scanner) >= '0' && json_scan_peek(scanner) <= '9';
}

/* At least one digit. */
static bool skip_digits(struct json_scanner *scanner) {
    if (!is_digit_next(scanner)) {
        return json_scan_unexpected(scanner, "a digit");
    }
    while (is_digit_next(scanner)) {
        scanner->at++;
    }
    return true;
}

bool json_scan_number(struct json_scanner *scanner, bool *ret_is_integer) {
    json_scan_take(scanner, '-');
    size_t start = scanner->at;
    if (json_scan_take(scanner, '0') && is_digit_next(scanner)) {
        return json_scan_malformed(scanner, start, "a number has no leading zeros");
    }
    if (scanner->at == start && !skip_digits(scanner)) {
        return false;
    }
    bool has_fraction = json_scan_take(scanner, '.');
    if (has_fraction && !skip_digits(scanner)) {
        return false;
    }
    bool has_exponent = json_scan_take(scanner, 'e') || json_scan_take(scanner, 'E');
    if (has_exponent) {
        if (!json_scan_take(scanner, '+')) {
            json_scan_take(scanner, '-');
        }
        if (!skip_digits(scanner)) {
            return false;
        }
    }
    *ret_is_integer = !has_fraction && !has_exponent;
    return true;
}
