#include "cursor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* FNV-1a, 64 bits, with a final mix so that every digit depends on every byte. */
static uint64_t checksum(struct cursor cursor, const char *scope) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    unsigned char position[sizeof(cursor)];
    memcpy(position, &cursor, sizeof(cursor));
    for (size_t i = 0; i < sizeof(position); i++) {
        hash = (hash ^ position[i]) * UINT64_C(0x100000001b3);
    }
    for (; *scope != '\0'; scope++) {
        hash = (hash ^ (unsigned char)*scope) * UINT64_C(0x100000001b3);
    }
    hash ^= hash >> 33;
    hash *= UINT64_C(0xff51afd7ed558ccd);
    return hash ^ (hash >> 33);
}

void cursor_format(struct cursor cursor, const char *scope, char out[CURSOR_BYTES]) {
    snprintf(out, CURSOR_BYTES, "%016" PRIx64 "%016" PRIx64 "%016" PRIx64, (uint64_t)cursor.major,
             (uint64_t)cursor.minor, checksum(cursor, scope));
}

static enum err parse_hex(const char *digits, uint64_t *ret_value) {
    uint64_t value = 0;
    for (int i = 0; i < 16; i++) {
        char c = digits[i];
        uint64_t digit;
        if (c >= '0' && c <= '9') {
            digit = (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            digit = (uint64_t)(c - 'a') + 10;
        } else {
            return ERR_INVALID;
        }
        value = value << 4 | digit;
    }
    *ret_value = value;
    return ERR_OK;
}

enum err cursor_parse(struct str text, const char *scope, struct cursor *ret_cursor) {
    uint64_t major = 0, minor = 0, sum = 0;
    if (text.len != CURSOR_BYTES - 1 || parse_hex(text.data, &major) != ERR_OK ||
        parse_hex(text.data + 16, &minor) != ERR_OK || parse_hex(text.data + 32, &sum) != ERR_OK) {
        return ERR_INVALID;
    }
    struct cursor cursor = { (int64_t)major, (int64_t)minor };
    if (sum != checksum(cursor, scope)) {
        return ERR_INVALID;
    }
    *ret_cursor = cursor;
    return ERR_OK;
}
