/* What the fuzz targets share: a claim that must hold, and cutting the input into pieces. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libFuzzer calls it once for each input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(claim) fuzz_require((claim), #claim, __FILE__, __LINE__)

static inline void fuzz_require(bool holds, const char *claim, const char *file, int line) {
    if (!holds) {
        fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, claim);
        abort();
    }
}

/* A piece of the input. */
struct piece {
    const char *data;
    size_t len;
};

/*
 * Take what comes up to the next `separator`, which is dropped. All of the rest when there is none;
 * then *rest is empty.
 */
static inline struct piece fuzz_take(struct piece *rest, char separator) {
    const char *end = rest->len > 0 ? memchr(rest->data, separator, rest->len) : NULL;
    struct piece piece = { rest->data, end != NULL ? (size_t)(end - rest->data) : rest->len };

    rest->data += piece.len + (end != NULL);
    rest->len -= piece.len + (end != NULL);
    return piece;
}

/*
 * A copy that ends where its memory ends, so that a sanitizer sees an overrun by one byte. The
 * caller frees it.
 */
static inline char *fuzz_copy(struct piece piece) {
    char *copy = malloc(piece.len > 0 ? piece.len : 1);

    REQUIRE(copy != NULL);
    if (piece.len > 0) {
        memcpy(copy, piece.data, piece.len);
    }
    return copy;
}

#endif
