#include "decimal.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

/* More than any count of digits in memory; an exponent beyond it changes nothing any more. */
#define EXPONENT_MAX (INT64_MAX / 4)

/* A JSON number taken apart: the value is (-1)^is_negative × 0.d₁d₂d₃… × 10^point. */
struct number {
    const char *digits; /* of the integer part; a '.' may follow with more */
    size_t digit_bytes; /* with that '.' */
    bool is_negative;
    int64_t point;
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static size_t count_digits(const char *text, size_t length) {
    size_t count = 0;
    while (count < length && is_digit(text[count])) {
        count++;
    }
    return count;
}

/* The exponent that `text`, after its "e", consists of, cut to ±EXPONENT_MAX. */
static enum err parse_exponent(const char *text, size_t length, int64_t *ret_exponent) {
    size_t at = length > 0 && (text[0] == '+' || text[0] == '-');
    int64_t exponent = 0;
    if (at == length || at + count_digits(text + at, length - at) != length) {
        return ERR_INVALID;
    }
    bool is_negative = text[0] == '-';
    for (; at < length && exponent < EXPONENT_MAX / 10; at++) {
        exponent = exponent * 10 + (text[at] - '0');
    }
    exponent = at < length ? EXPONENT_MAX : exponent;
    *ret_exponent = is_negative ? -exponent : exponent;
    return ERR_OK;
}

/* RFC 8259 §6: [ minus ] int [ frac ] [ exp ]. */
static enum err take_apart(const char *text, size_t length, struct number *ret_number) {
    bool is_negative = length > 0 && text[0] == '-';
    const char *digits = text + is_negative;
    size_t left = length - is_negative;
    size_t whole = count_digits(digits, left);
    size_t used = whole;
    int64_t exponent = 0;
    if (whole == 0 || (whole > 1 && digits[0] == '0')) {
        return ERR_INVALID;
    }
    if (used < left && digits[used] == '.') {
        size_t decimals = count_digits(digits + used + 1, left - used - 1);
        used += 1 + decimals;
        if (decimals == 0) {
            return ERR_INVALID;
        }
    }
    if (used < left) {
        bool has_exponent = digits[used] == 'e' || digits[used] == 'E';
        if (!has_exponent ||
            parse_exponent(digits + used + 1, left - used - 1, &exponent) != ERR_OK) {
            return ERR_INVALID;
        }
    }
    *ret_number = (struct number){ .digits = digits,
                                   .digit_bytes = used,
                                   .is_negative = is_negative,
                                   .point = (int64_t)whole + exponent };
    return ERR_OK;
}

/* value × 10 ± digit; false when it does not fit. */
static bool push_digit(int64_t *value, int digit, bool is_negative) {
    return !__builtin_mul_overflow(*value, 10, value) &&
           !__builtin_add_overflow(*value, is_negative ? -digit : digit, value);
}

enum err decimal_parse(const char *text, size_t length, unsigned scale, int64_t *ret_value) {
    struct number number;
    assert(scale <= DECIMAL_SCALE_MAX);
    if (take_apart(text, length, &number) != ERR_OK) {
        return ERR_INVALID;
    }
    int64_t left = number.point + (int64_t)scale; /* digits that the result still takes */
    int64_t value = 0;
    for (size_t i = 0; i < number.digit_bytes; i++) {
        if (number.digits[i] == '.') {
            continue;
        }
        int digit = number.digits[i] - '0';
        if (left <= 0 && digit != 0) {
            return ERR_INVALID;
        }
        if (left > 0 && !push_digit(&value, digit, number.is_negative)) {
            return ERR_TOO_LARGE;
        }
        left--;
    }
    for (; left > 0 && value != 0; left--) { /* ends soon: it overflows */
        if (!push_digit(&value, 0, number.is_negative)) {
            return ERR_TOO_LARGE;
        }
    }
    *ret_value = value;
    return ERR_OK;
}

size_t decimal_format(int64_t value, unsigned scale, unsigned decimals_min,
                      char out[DECIMAL_TEXT_BYTES]) {
    assert(scale <= DECIMAL_SCALE_MAX && decimals_min <= DECIMAL_SCALE_MAX);
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    unsigned decimals = scale;
    for (; decimals > decimals_min && rest % 10 == 0; decimals--) {
        rest /= 10;
    }
    char reversed[DECIMAL_TEXT_BYTES];
    size_t length = 0;
    for (unsigned i = decimals; i < decimals_min; i++) {
        reversed[length++] = '0';
    }
    for (unsigned i = 0; rest > 0 || i <= decimals; i++) {
        if (i == decimals && length > 0) {
            reversed[length++] = '.';
        }
        reversed[length++] = (char)('0' + rest % 10);
        rest /= 10;
    }
    if (value < 0) {
        reversed[length++] = '-';
    }
    for (size_t i = 0; i < length; i++) {
        out[i] = reversed[length - 1 - i];
    }
    out[length] = '\0';
    return length;
}
