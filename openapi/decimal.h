/*
 * Exact decimal numbers, straight from JSON text: no binary floating point, no rounding.
 *
 * A decimal is sign * digits * 10^exponent, where digits has neither leading nor trailing zeros
 * (none at all for zero). The digits stay in the text they came from. Exponents beyond
 * about +-2.3e18 are all taken for that one, so that a greater number never compares as less.
 */
#ifndef OPENAPI_DECIMAL_H
#define OPENAPI_DECIMAL_H

#include "openapi/json/json.h"

#include <stdbool.h>
#include <stdint.h>

struct oa_decimal {
    struct str text;  /* from the first to the last significant digit; may contain a point */
    size_t digits;    /* significant digits in it; 0: the number is zero */
    int64_t exponent; /* of the last significant digit; none is beyond about +-2.3e18 */
    bool negative;    /* false for zero */
};

/* `number` must follow JSON's grammar for a number. */
struct oa_decimal oa_decimal_parse(struct str number);

/* 1.0, 1e3 and -0 are integers, as JSON Schema says. */
bool oa_decimal_is_integer(const struct oa_decimal *d);

/* < 0, 0, > 0 */
int oa_decimal_compare(const struct oa_decimal *a, const struct oa_decimal *b);

/* The most significant digits that a divisor of oa_decimal_is_multiple() may have. */
enum { OA_DIVISOR_DIGITS_MAX = 18 };

/*
 * Whether value / divisor is an integer. `divisor` > 0 with at most OA_DIVISOR_DIGITS_MAX digits.
 */
bool oa_decimal_is_multiple(const struct oa_decimal *value, const struct oa_decimal *divisor);

#endif
