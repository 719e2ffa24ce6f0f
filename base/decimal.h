/*
 * Exact decimal numbers, straight from JSON text (RFC 8259 §6): no binary floating point, no
 * rounding. `1.0`, `1` and `10e-1` are the same number. Any thread.
 *
 * A decimal is sign * digits * 10^exponent, where digits has neither leading nor trailing zeros
 * (none at all for zero). The digits stay in the text they came from. Exponents beyond
 * about +-2.3e18 are all taken for that one, so that a greater number never compares as less.
 */
#ifndef BASE_DECIMAL_H
#define BASE_DECIMAL_H

#include "err.h"
#include "str.h"

#include <stdint.h>

enum { DECIMAL_SCALE_MAX = 6, DECIMAL_TEXT_BYTES = 28 };

struct decimal {
    struct str text;  /* from the first to the last significant digit; may contain a point */
    size_t digits;    /* significant digits in it; 0: the number is zero */
    int64_t exponent; /* of the last significant digit; none is beyond about +-2.3e18 */
    bool negative;    /* false for zero */
};

/* `number` must follow JSON's grammar for a number. */
struct decimal decimal_parse(struct str number);

/* 1.0, 1e3 and -0 are integers, as JSON Schema says. */
bool decimal_is_integer(const struct decimal *d);

/* < 0, 0, > 0 */
int decimal_compare(const struct decimal *a, const struct decimal *b);

/* The most significant digits that a divisor of decimal_is_multiple() may have. */
enum { DECIMAL_DIVISOR_DIGITS_MAX = 18 };

/*
 * Whether value / divisor is an integer. `divisor` > 0 with at most DECIMAL_DIVISOR_DIGITS_MAX
 * digits.
 */
bool decimal_is_multiple(const struct decimal *value, const struct decimal *divisor);

/*
 * Money in cents: the value of `text` times 10^scale, as an integer ("12.5", scale 2: 1250).
 * ERR_INVALID when it is not a JSON number or has a non-zero digit beyond `scale` decimals (12.345
 * with scale 2; 12.340 is fine); ERR_TOO_LARGE when it does not fit int64_t (1e400, however
 * written). Bounded work whatever the exponent says.
 */
MUST_CHECK enum err decimal_to_int(struct str text, unsigned scale, int64_t *ret_value);

/*
 * The shortest plain form with at least `decimals_min` decimals: 1250, scale 2, min 2: "12.50".
 * NUL-terminated, returns its length.
 */
size_t decimal_format(int64_t value, unsigned scale, unsigned decimals_min,
                      char out[DECIMAL_TEXT_BYTES]);

#endif
