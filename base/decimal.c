/* Exact decimals: taken from text, compared, divided, as scaled integers and back. */
#include "decimal.h"

#include "json_scan.h"

#include <assert.h>

/* Where exponents end: far beyond any text's digits, far below overflow when two are added. */
#define EXPONENT_END (INT64_MAX / 4)

static int64_t parse_exponent(const char *s, const char *end) {
    int64_t n = 0;
    bool negative = false;

    if (s < end && (*s == '+' || *s == '-')) {
        negative = *s++ == '-';
    }
    for (; s < end; s++) {
        n = n < EXPONENT_END / 10 ? n * 10 + (*s - '0') : EXPONENT_END;
    }
    return negative ? -n : n;
}

struct decimal decimal_parse(struct str number) {
    struct decimal d = { .text = { number.data, 0 } };
    const char *s = number.data;
    const char *end = s + number.len;
    const char *first = NULL; /* the first significant digit */
    const char *last = NULL;  /* the last digit that is not zero */
    int64_t point_after = 0;  /* digits after the point, up to `last` */
    int64_t zeros = 0;        /* integer zeros since `last` */
    size_t seen = 0;
    int64_t fraction = 0;
    bool after_point = false;

    if (s < end && *s == '-') {
        d.negative = true;
        s++;
    }
    for (; s < end && *s != 'e' && *s != 'E'; s++) {
        if (*s == '.') {
            after_point = true;
            continue;
        }
        fraction += after_point;
        if (first == NULL && *s == '0') {
            continue;
        }
        first = first == NULL ? s : first;
        seen++;
        if (*s != '0') {
            last = s;
            d.digits = seen;
            point_after = fraction;
            zeros = 0;
        } else if (!after_point) {
            zeros++;
        }
    }
    if (first == NULL) {
        return (struct decimal){ .text = { number.data, 0 } };
    }
    d.text = (struct str){ first, (size_t)(last - first) + 1 };
    d.exponent = zeros - point_after + (s < end ? parse_exponent(s + 1, end) : 0);
    return d;
}

bool decimal_is_integer(const struct decimal *d) {
    return d->digits == 0 || d->exponent >= 0;
}

/* The next digit of d->text, skipping the point; '0' after the last. */
static char next_digit(const struct decimal *d, size_t *at) {
    if (*at < d->text.len && d->text.data[*at] == '.') {
        (*at)++;
    }
    return *at < d->text.len ? d->text.data[(*at)++] : '0';
}

static int compare_magnitude(const struct decimal *a, const struct decimal *b) {
    int64_t top_a = a->exponent + (int64_t)a->digits;
    int64_t top_b = b->exponent + (int64_t)b->digits;
    size_t at_a = 0;
    size_t at_b = 0;

    if (a->digits == 0 || b->digits == 0) {
        return (a->digits != 0) - (b->digits != 0);
    }
    if (top_a != top_b) {
        return top_a < top_b ? -1 : 1;
    }
    for (size_t i = 0; i < a->digits || i < b->digits; i++) {
        char x = next_digit(a, &at_a);
        char y = next_digit(b, &at_b);

        if (x != y) {
            return x < y ? -1 : 1;
        }
    }
    return 0;
}

int decimal_compare(const struct decimal *a, const struct decimal *b) {
    if (a->negative != b->negative) {
        return a->negative ? -1 : 1;
    }
    return a->negative ? compare_magnitude(b, a) : compare_magnitude(a, b);
}

static uint64_t multiply_mod(uint64_t a, uint64_t b, uint64_t mod) {
    return (uint64_t)((unsigned __int128)a * b % mod);
}

static uint64_t power_of_ten_mod(int64_t exponent, uint64_t mod) {
    uint64_t result = 1 % mod;

    for (uint64_t base = 10 % mod; exponent > 0; exponent /= 2) {
        if (exponent % 2 != 0) {
            result = multiply_mod(result, base, mod);
        }
        base = multiply_mod(base, base, mod);
    }
    return result;
}

/* The next digits of d, up to `count` of them, as an integer; *ret_scale is 10 to their number. */
static uint64_t next_digits(const struct decimal *d, size_t *at, size_t count,
                            uint64_t *ret_scale) {
    uint64_t n = 0;

    *ret_scale = 1;
    for (; count > 0; count--) {
        n = n * 10 + (uint64_t)(next_digit(d, at) - '0');
        *ret_scale *= 10;
    }
    return n;
}

/*
 * value = V * 10^e, divisor = D * 10^f. With e < f the quotient is never an integer, because V does
 * not end in 0; else it is one when V * 10^(e-f) mod D is 0.
 */
bool decimal_is_multiple(const struct decimal *value, const struct decimal *divisor) {
    uint64_t rest = 0;
    uint64_t scale;
    uint64_t d;
    size_t at = 0;

    assert(divisor->digits > 0 && divisor->digits <= DECIMAL_DIVISOR_DIGITS_MAX);
    if (value->digits == 0) {
        return true;
    }
    if (value->exponent < divisor->exponent) {
        return false;
    }
    d = next_digits(divisor, &at, divisor->digits, &scale);
    assert(d > 0); /* it has a digit that is not 0 */
    at = 0;
    for (size_t left = value->digits; left > 0;) {
        size_t count = left < DECIMAL_DIVISOR_DIGITS_MAX ? left : DECIMAL_DIVISOR_DIGITS_MAX;
        uint64_t digits = next_digits(value, &at, count, &scale);

        rest = (uint64_t)(((unsigned __int128)rest * scale + digits) % d);
        left -= count;
    }
    return multiply_mod(rest, power_of_ten_mod(value->exponent - divisor->exponent, d), d) == 0;
}

enum err decimal_to_int(struct str text, unsigned scale, int64_t *ret_value) {
    enum { INT64_DIGITS_MAX = 19 };
    struct decimal d;
    int64_t digits; /* of the result */
    int64_t value = 0;
    size_t at = 0;

    assert(scale <= DECIMAL_SCALE_MAX);
    if (!json_scan_is_number(text)) {
        return ERR_INVALID;
    }
    d = decimal_parse(text);
    digits = d.digits > 0 ? (int64_t)d.digits + d.exponent + scale : 0;
    if (digits > INT64_DIGITS_MAX) {
        return ERR_TOO_LARGE;
    }
    if (d.digits > 0 && d.exponent + scale < 0) {
        return ERR_INVALID;
    }
    for (; digits > 0; digits--) {
        int digit = next_digit(&d, &at) - '0';

        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, d.negative ? -digit : digit, &value)) {
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
