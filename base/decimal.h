/*
 * Exact decimal numbers from JSON's number syntax (RFC 8259 §6), without binary floating point.
 * `1.0`, `1`, `10e-1` are the same number. Any thread.
 */
#ifndef BASE_DECIMAL_H
#define BASE_DECIMAL_H

#include "err.h"

#include <stddef.h>
#include <stdint.h>

enum { DECIMAL_SCALE_MAX = 6, DECIMAL_TEXT_BYTES = 28 };

/*
 * The value of `text` times 10^scale, as an integer: decimal_parse("12.5", 4, 2, &v) gives 1250.
 * ERR_INVALID when it is not a JSON number or has a non-zero digit beyond `scale` decimals (12.345
 * with scale 2; 12.340 is fine); ERR_TOO_LARGE when it does not fit int64_t (1e400, however
 * written). Bounded work whatever the exponent says.
 */
MUST_CHECK enum err decimal_parse(const char *text, size_t length, unsigned scale,
                                  int64_t *ret_value);

/*
 * The shortest plain form with at least `decimals_min` decimals: 1250, scale 2, min 2: "12.50".
 * NUL-terminated, returns its length.
 */
size_t decimal_format(int64_t value, unsigned scale, unsigned decimals_min,
                      char out[DECIMAL_TEXT_BYTES]);

#endif
