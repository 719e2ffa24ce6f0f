/* Hashes of values, for sets of them. */
#include "openapi/decimal.h"

#include <string.h>

/* Any odd numbers with well-mixed bits. */
#define MULTIPLIER UINT64_C(0x9fb21c651e98df25)
#define NUMBER_SALT UINT64_C(0x2545f4914f6cdd1d)

/* Both halves of the product depend on every bit of both factors. */
static uint64_t mix(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_text(struct str text, uint64_t seed) {
    uint64_t hash = mix(seed ^ text.len, MULTIPLIER);
    uint64_t word;

    for (; text.len >= sizeof(word); text.data += sizeof(word), text.len -= sizeof(word)) {
        memcpy(&word, text.data, sizeof(word));
        hash = mix(hash ^ word ^ seed, MULTIPLIER);
    }
    word = 0;
    if (text.len > 0) {
        memcpy(&word, text.data, text.len);
    }
    return mix(hash ^ word, MULTIPLIER);
}

/* 100, 1e2 and 100.0 have the same significant digits, exponent and sign. */
static uint64_t hash_number(struct str raw, uint64_t seed) {
    struct oa_decimal d = oa_decimal_parse(raw);
    uint64_t hash = mix(seed ^ (uint64_t)d.exponent ^ d.negative, NUMBER_SALT);

    for (size_t i = 0; d.digits > 0 && i < d.text.len; i++) {
        if (d.text.data[i] != '.') {
            hash = mix(hash ^ (unsigned char)d.text.data[i] ^ seed, MULTIPLIER);
        }
    }
    return hash;
}

uint64_t oa_json_hash(const struct oa_json *value, uint64_t seed) {
    uint64_t hash = mix(seed + (uint64_t)value->type, MULTIPLIER);

    switch (value->type) {
    case OA_STRING: return hash_text(value->text, hash);
    case OA_NUMBER: return hash_number(value->raw, hash);
    case OA_ARRAY:
        for (const struct oa_json *item = value->child; item != NULL; item = item->next) {
            hash = mix(hash ^ oa_json_hash(item, seed), MULTIPLIER);
        }
        return hash;
    case OA_OBJECT:
        /* a sum, for the order of members does not matter */
        for (const struct oa_json *m = value->child; m != NULL; m = m->next) {
            hash += mix(hash_text(m->key, seed) ^ oa_json_hash(m, seed), MULTIPLIER);
        }
        return hash;
    default: return hash;
    }
}
