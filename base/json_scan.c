/* JSON text, checked and told in events: mistakes, strings, numbers, values. */
#include "json_scan.h"

#include "ascii.h"
#include "utf8.h"

#include <endian.h>
#include <stdio.h>

/* ---- mistakes ---- */

/* Lines and columns are counted only when there is somebody to tell. */
static enum json_scan_event fail(struct json_scan *scan, enum json_scan_failure failure,
                                 const char *at, const char *reason) {
    struct json_scan_error *error = scan->error;
    *error = (struct json_scan_error){ .failure = failure,
                                       .limits = scan->limits,
                                       .offset = (size_t)(at - scan->text),
                                       .line = 1,
                                       .column = 1 };
    for (const char *c = scan->text; c < at; c++) {
        if (*c == '\n') {
            error->line++;
            error->column = 1;
        } else {
            error->column += !utf8_continues(*c);
        }
    }
    snprintf(error->reason, sizeof(error->reason), "%s",
             at == scan->end ? "unexpected end of text" : reason);
    return JSON_SCAN_FAILED;
}

static enum json_scan_event malformed(struct json_scan *scan, const char *at, const char *reason) {
    return fail(scan, JSON_SCAN_MALFORMED, at, reason);
}

void json_scan_no_memory(struct json_scan *scan) {
    fail(scan, JSON_SCAN_NO_MEMORY, scan->value, "out of memory");
}

/* Where the name in front of a value begins: only an escaped quote has a backslash before it. */
static const char *name_before(const char *value) {
    const char *s = value - 1;
    while (*s != '"') {
        s--;
    }
    do {
        s--;
    } while (*s != '"' || s[-1] == '\\');
    return s;
}

void json_scan_duplicate(struct json_scan *scan, const char *value, struct str name) {
    enum { NAME_SHOWN_BYTES_MAX = 64 };
    char reason[JSON_SCAN_REASON_BYTES];
    size_t shown = utf8_cut(name.data, name.len, NAME_SHOWN_BYTES_MAX);
    snprintf(reason, sizeof(reason), "duplicate member name \"%.*s\"%s", (int)shown, name.data,
             shown < name.len ? "…" : "");
    malformed(scan, name_before(value), reason);
}

void json_scan_message(const struct json_scan_error *error, char out[JSON_SCAN_MESSAGE_BYTES]) {
    switch (error->failure) {
    case JSON_SCAN_TOO_DEEP:
        snprintf(out, JSON_SCAN_MESSAGE_BYTES,
                 "JSON at line %zu, column %zu is nested too deeply: at most %u levels are allowed",
                 error->line, error->column, error->limits.depth_max);
        break;
    case JSON_SCAN_TOO_MANY:
        snprintf(out, JSON_SCAN_MESSAGE_BYTES,
                 "JSON has too many values: at most %u are allowed (line %zu, column %zu)",
                 error->limits.values_max, error->line, error->column);
        break;
    default:
        snprintf(out, JSON_SCAN_MESSAGE_BYTES, "malformed JSON at line %zu, column %zu: %s",
                 error->line, error->column, error->reason);
    }
}

/* ---- strings ---- */

/* The code unit of the \uXXXX at `s`, or UINT32_MAX when there is none. */
static uint32_t unit_at(const char *s, const char *end) {
    uint32_t unit = 0;
    if (end - s < 6 || s[0] != '\\' || s[1] != 'u') {
        return UINT32_MAX;
    }
    for (int i = 2; i < 6; i++) {
        int digit = ascii_hex_value(s[i]);
        if (digit < 0) {
            return UINT32_MAX;
        }
        unit = unit * 16 + (uint32_t)digit;
    }
    return unit;
}

static bool is_high_surrogate(uint32_t unit) {
    return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low_surrogate(uint32_t unit) {
    return unit >= 0xdc00 && unit <= 0xdfff;
}

/*
 * The code point of the escape at *pos (a backslash), which moves behind it; UINT32_MAX with the
 * reason when it is none.
 */
static uint32_t take_escape(const char **pos, const char *end, const char **ret_reason) {
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *at = *pos;
    const char *letter = end - at > 1 && at[1] != '\0' ? strchr(letters, at[1]) : NULL;
    uint32_t unit = unit_at(at, end);
    if (letter != NULL) {
        *pos += 2;
        return (unsigned char)meanings[letter - letters];
    }
    if (is_high_surrogate(unit) && is_low_surrogate(unit_at(at + 6, end))) {
        *pos += 12;
        return 0x10000 + ((unit - 0xd800) << 10) + (unit_at(at + 6, end) - 0xdc00);
    }
    if (unit == UINT32_MAX || is_high_surrogate(unit) || is_low_surrogate(unit)) {
        *ret_reason =
            unit == UINT32_MAX ? "invalid escape in a string" : "unpaired surrogate in a string";
        return UINT32_MAX;
    }
    *pos += 6;
    return unit;
}

#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/*
 * Eight at a time: in each step the bytes of `odd` that are not 0 begin with one that was looked
 * for, as a borrow can only come from there.
 */
const char *json_scan_plain(const char *s, const char *end) {
    uint64_t word;
    for (; end - s >= (ptrdiff_t)sizeof(word); s += sizeof(word)) {
        uint64_t quote;
        uint64_t backslash;
        uint64_t odd;
        memcpy(&word, s, sizeof(word));
        word = le64toh(word);
        quote = word ^ EACH_BYTE('"');
        backslash = word ^ EACH_BYTE('\\');
        odd = ((quote - EACH_BYTE(1)) & ~quote) | ((backslash - EACH_BYTE(1)) & ~backslash) |
              ((word - EACH_BYTE(0x20)) & ~word) | word;
        odd &= EACH_BYTE(0x80);
        if (odd != 0) {
            return s + __builtin_ctzll(odd) / 8;
        }
    }
    while (s < end && (unsigned char)*s >= 0x20 && (unsigned char)*s < 0x80 && *s != '"' &&
           *s != '\\') {
        s++;
    }
    return s;
}

/* One character that is neither plain ASCII nor a quote, at scan->pos. */
static bool take_special(struct json_scan *scan, struct json_scan_string *string) {
    const char *at = scan->pos;
    const char *reason = "control character in a string";
    string->points++;
    if (at < scan->end && *at == '\\') {
        uint32_t point = take_escape(&scan->pos, scan->end, &reason);
        string->is_escaped = true;
        if (point == 0 && string == &scan->name) {
            reason = "a member name must not contain \\u0000";
        } else if (point != UINT32_MAX) {
            return true;
        }
        at = scan->end - at < 2 ? scan->end : at;
    } else if (at < scan->end && (unsigned char)*at >= 0x80) {
        size_t length = utf8_sequence(at, (size_t)(scan->end - at));
        scan->pos += length;
        if (length > 0) {
            return true;
        }
        reason = "text is not valid UTF-8";
    }
    malformed(scan, at, reason);
    return false;
}

/* Take a string with its quotes. */
static bool take_string(struct json_scan *scan, struct json_scan_string *string) {
    const char *start = ++scan->pos;
    string->points = 0;
    string->is_escaped = false;
    for (;;) {
        const char *run = scan->pos;
        scan->pos = json_scan_plain(run, scan->end);
        string->points += (uint32_t)(scan->pos - run);
        if (scan->pos < scan->end && *scan->pos == '"') {
            break;
        }
        if (!take_special(scan, string)) {
            return false;
        }
    }
    string->text = (struct str){ start, (size_t)(scan->pos - start) };
    scan->pos++;
    return true;
}

size_t json_scan_decode(const struct json_scan_string *string, char *out) {
    const char *s = string->text.data;
    const char *end = s + string->text.len;
    const char *reason;
    size_t length = 0;
    while (s < end) {
        const char *escape = string->is_escaped ? memchr(s, '\\', (size_t)(end - s)) : NULL;
        const char *run = s;
        s = escape != NULL ? escape : end;
        memcpy(out + length, run, (size_t)(s - run));
        length += (size_t)(s - run);
        if (escape != NULL) {
            length += utf8_encode(take_escape(&s, end, &reason), out + length);
        }
    }
    return length;
}

/* ---- numbers ---- */

static bool is_digit(const struct json_scan *scan) {
    return scan->pos < scan->end && ascii_is_digit(*scan->pos);
}

static bool take_digits(struct json_scan *scan) {
    if (!is_digit(scan)) {
        malformed(scan, scan->pos, "expected a digit");
        return false;
    }
    while (is_digit(scan)) {
        scan->pos++;
    }
    return true;
}

/* Step over one of the characters, if it is next. */
static bool take_one_of(struct json_scan *scan, char a, char b) {
    bool is_next = scan->pos < scan->end && (*scan->pos == a || *scan->pos == b);
    scan->pos += is_next;
    return is_next;
}

/* Most numbers are integers that fit: their value is kept. */
static void note_integer(struct json_scan *scan, const char *s) {
    bool negative = *s == '-';
    int64_t n = 0;
    s += negative;
    scan->is_integer = scan->pos - s <= JSON_SCAN_INTEGER_DIGITS_MAX;
    for (; scan->is_integer && s < scan->pos; s++) {
        n = n * 10 + (*s - '0');
    }
    scan->integer = negative ? -n : n;
}

static enum json_scan_event take_number(struct json_scan *scan) {
    const char *start = scan->pos;
    const char *whole_end;
    take_one_of(scan, '-', '-');
    if (take_one_of(scan, '0', '0')) {
        if (is_digit(scan)) {
            return malformed(scan, scan->pos, "a number must not begin with 0");
        }
    } else if (!take_digits(scan)) {
        return JSON_SCAN_FAILED;
    }
    whole_end = scan->pos;
    if (take_one_of(scan, '.', '.') && !take_digits(scan)) {
        return JSON_SCAN_FAILED;
    }
    if (take_one_of(scan, 'e', 'E')) {
        take_one_of(scan, '+', '-');
        if (!take_digits(scan)) {
            return JSON_SCAN_FAILED;
        }
    }
    scan->is_integer = false;
    if (scan->pos == whole_end) {
        note_integer(scan, start);
    }
    return JSON_SCAN_NUMBER;
}

bool json_scan_is_number(struct str text) {
    struct json_scan_error error;
    struct json_scan scan = {
        .text = text.data, .pos = text.data, .end = text.data + text.len, .error = &error
    };
    return take_number(&scan) == JSON_SCAN_NUMBER && scan.pos == scan.end;
}

/* ---- values ---- */

static bool is_space(char c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The next byte that is not white space, without taking it; 0 at the end. */
static inline char peek(struct json_scan *scan) {
    const char *s = scan->pos;
    while (s < scan->end && is_space(*s)) {
        s++;
    }
    scan->pos = s;
    return s < scan->end ? *s : '\0';
}

static enum json_scan_event take_word(struct json_scan *scan, struct str word,
                                      enum json_scan_event event) {
    if ((size_t)(scan->end - scan->pos) < word.len || memcmp(scan->pos, word.data, word.len) != 0) {
        return malformed(scan, scan->pos, "expected a value");
    }
    scan->pos += word.len;
    return event;
}

static enum json_scan_event open_level(struct json_scan *scan, enum json_scan_event event) {
    if (scan->depth == scan->limits.depth_max) {
        return fail(scan, JSON_SCAN_TOO_DEEP, scan->pos, "nested too deeply");
    }
    scan->is_object[scan->depth++] = event == JSON_SCAN_OBJECT;
    scan->expects_value = true;
    scan->pos++;
    return event;
}

static enum json_scan_event take_value(struct json_scan *scan) {
    char first = peek(scan);
    scan->value = scan->pos;
    scan->expects_value = false;
    if (scan->values_left == 0) {
        return fail(scan, JSON_SCAN_TOO_MANY, scan->pos, "too many values");
    }
    scan->values_left--;
    switch (first) {
    case '{': return open_level(scan, JSON_SCAN_OBJECT);
    case '[': return open_level(scan, JSON_SCAN_ARRAY);
    case '"': return take_string(scan, &scan->string) ? JSON_SCAN_STRING : JSON_SCAN_FAILED;
    case 't': return take_word(scan, STR("true"), JSON_SCAN_TRUE);
    case 'f': return take_word(scan, STR("false"), JSON_SCAN_FALSE);
    case 'n': return take_word(scan, STR("null"), JSON_SCAN_NULL);
    case '-':
    case '0' ... '9': return take_number(scan);
    default: return malformed(scan, scan->pos, "expected a value");
    }
}

static enum json_scan_event take_member(struct json_scan *scan) {
    if (peek(scan) != '"') {
        return malformed(scan, scan->pos, "expected a member name in double quotes");
    }
    if (!take_string(scan, &scan->name)) {
        return JSON_SCAN_FAILED;
    }
    if (peek(scan) != ':') {
        return malformed(scan, scan->pos, "expected ':' after a member name");
    }
    scan->pos++;
    return take_value(scan);
}

/* In an array or object, at its beginning or behind one of its values. */
static enum json_scan_event take_inner(struct json_scan *scan) {
    bool is_object = scan->is_object[scan->depth - 1];
    char next = peek(scan);
    if (next == (is_object ? '}' : ']')) {
        scan->pos++;
        scan->depth--;
        scan->expects_value = false;
        return JSON_SCAN_CLOSE;
    }
    if (!scan->expects_value) {
        if (next != ',') {
            return malformed(scan, scan->pos,
                             is_object ? "expected ',' or '}' after a member"
                                       : "expected ',' or ']' after an array element");
        }
        scan->pos++;
    }
    if (is_object) {
        return take_member(scan);
    }
    scan->name.text.data = NULL;
    return take_value(scan);
}

enum json_scan_event json_scan_next(struct json_scan *scan) {
    if (scan->depth > 0) {
        return take_inner(scan);
    }
    if (!scan->expects_value) {
        peek(scan);
        return scan->pos == scan->end
                   ? JSON_SCAN_END
                   : malformed(scan, scan->pos, "unexpected text after the value");
    }
    if (scan->end - scan->pos > JSON_SCAN_BYTES_MAX) {
        return malformed(scan, scan->pos, "larger than 1 GiB");
    }
    if (scan->end - scan->pos >= 3 && memcmp(scan->pos, "\xef\xbb\xbf", 3) == 0) {
        return malformed(scan, scan->pos, "a byte order mark is not allowed");
    }
    return take_value(scan);
}

void json_scan_init(struct json_scan *scan, struct str text, const struct json_scan_limits *limits,
                    struct json_scan_error *ret_error) {
    scan->pos = scan->text = text.data;
    scan->end = text.data + text.len;
    scan->limits = *limits;
    if (scan->limits.depth_max > JSON_SCAN_DEPTH_MAX) {
        scan->limits.depth_max = JSON_SCAN_DEPTH_MAX;
    }
    scan->values_left = limits->values_max;
    scan->error = ret_error;
    scan->depth = 0;
    scan->expects_value = true;
    scan->name.text.data = NULL;
}
