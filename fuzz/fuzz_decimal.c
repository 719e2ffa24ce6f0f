/* link: base/decimal.c base/json_scan.c */
/*
 * Fuzz target: decimals. The input's first byte chooses the scale, the rest is the text.
 *
 * Only JSON numbers are taken; what is taken agrees with the C library's long double as far as that
 * is exact, and compares as equal; what is not has more decimals; and writing the value and reading
 * it again gives the value.
 */
#include "base/decimal.h"
#include "base/json_scan.h"
#include "fuzz.h"

#include <math.h>

static void compare_with_long_double(const char *text, unsigned scale, int64_t value) {
    long double expected = strtold(text, NULL) * powl(10, scale);
    REQUIRE(fabsl(expected - (long double)value) <= fabsl(expected) * 1e-15L);
}

/* The integer is the decimal times a power of ten, or there is none. */
static void compare_with_decimal(struct str text, unsigned scale, enum err err, int64_t value) {
    static const char *const units[] = { "1", "0.1", "0.01", "0.001", "1e-4", "1e-5", "1e-6" };
    char written[DECIMAL_TEXT_BYTES];
    struct decimal d = decimal_parse(text);
    struct decimal unit = decimal_parse(str_of(units[scale]));
    if (err == ERR_OK) {
        size_t length = decimal_format(value, scale, 0, written);
        struct decimal again = decimal_parse((struct str){ written, length });
        REQUIRE(decimal_compare(&d, &again) == 0);
    }
    REQUIRE(err != ERR_INVALID || !decimal_is_multiple(&d, &unit));
}

static void compare_with_itself(unsigned scale, int64_t value) {
    for (unsigned decimals_min = 0; decimals_min <= DECIMAL_SCALE_MAX; decimals_min++) {
        char text[DECIMAL_TEXT_BYTES];
        int64_t again;
        size_t length = decimal_format(value, scale, decimals_min, text);
        REQUIRE(length < sizeof(text) && strlen(text) == length);
        REQUIRE(decimal_to_int((struct str){ text, length }, scale, &again) == ERR_OK &&
                again == value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int64_t value = 0;
    if (size == 0) {
        return 0;
    }
    unsigned scale = data[0] % (DECIMAL_SCALE_MAX + 1);
    char *text = strndup((const char *)data + 1, size - 1);
    REQUIRE(text != NULL);
    size_t length = strlen(text);
    enum err err = decimal_to_int((struct str){ text, length }, scale, &value);
    REQUIRE(err == ERR_OK || err == ERR_INVALID || err == ERR_TOO_LARGE);
    if (json_scan_is_number((struct str){ text, length })) {
        compare_with_decimal((struct str){ text, length }, scale, err, value);
    } else {
        REQUIRE(err == ERR_INVALID);
    }
    if (err == ERR_OK) {
        compare_with_long_double(text, scale, value);
        compare_with_itself(scale, value);
    }
    free(text);
    return 0;
}
