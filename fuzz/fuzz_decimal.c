/* link: services/runtime/json/json_read.c services/runtime/json/json_scan.c
 *       services/runtime/json/json_get.c services/runtime/json/json_write.c base/decimal.c
 *       base/utf8.c base/arena.c base/buf.c base/clock.c base/err.c */
/*
 * Fuzz target: decimals. The input's first byte chooses the scale, the rest is the text.
 *
 * Only JSON numbers are taken; what is taken agrees with the C library's long double as far as that
 * is exact; and writing the value and reading it again gives the value.
 */
#include "base/decimal.h"
#include "runtime/json/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

static bool is_json_number(const char *text, size_t length) {
    struct arena arena;
    struct json_object *value = NULL;
    bool is_space_free = length > 0 && strchr(" \t\r\n", text[0]) == NULL &&
                         strchr(" \t\r\n", text[length - 1]) == NULL;
    arena_init(&arena, 1 << 24);
    bool is_number =
        is_space_free && json_parse(&arena, text, length, &value, NULL) == ERR_OK &&
        (json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double));
    arena_done(&arena);
    return is_number;
}

static void compare_with_long_double(const char *text, unsigned scale, int64_t value) {
    long double expected = strtold(text, NULL) * powl(10, scale);
    require(fabsl(expected - (long double)value) <= fabsl(expected) * 1e-15L);
}

static void compare_with_itself(unsigned scale, int64_t value) {
    for (unsigned decimals_min = 0; decimals_min <= DECIMAL_SCALE_MAX; decimals_min++) {
        char text[DECIMAL_TEXT_BYTES];
        int64_t again;
        size_t length = decimal_format(value, scale, decimals_min, text);
        require(length < sizeof(text) && strlen(text) == length);
        require(decimal_parse(text, length, scale, &again) == ERR_OK && again == value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int64_t value;
    if (size == 0) {
        return 0;
    }
    unsigned scale = data[0] % (DECIMAL_SCALE_MAX + 1);
    char *text = strndup((const char *)data + 1, size - 1);
    require(text != NULL);
    size_t length = strlen(text);
    enum err err = decimal_parse(text, length, scale, &value);
    require(err == ERR_OK || err == ERR_INVALID || err == ERR_TOO_LARGE);
    require((err == ERR_INVALID) || is_json_number(text, length));
    if (err == ERR_OK) {
        compare_with_long_double(text, scale, value);
        compare_with_itself(scale, value);
    }
    free(text);
    return 0;
}
