/*
 * Which children of an array or object were evaluated, for unevaluatedItems and -Properties.
 *
 * A set of indices below `count`; up to 64 take no memory but the stack.
 */
#ifndef OPENAPI_SCHEMA_MARKS_H
#define OPENAPI_SCHEMA_MARKS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

struct oa_marks {
    uint64_t *words; /* &few, or allocated */
    uint64_t few;
    uint32_t count;
    bool all; /* every index, whatever the words say */
};

static inline uint32_t oa_marks_words(uint32_t count) {
    return (count + 63) / 64;
}

/* An empty set, to be closed at the same place: it must not be copied. False: no memory. */
static inline bool oa_marks_open(struct oa_marks *marks, uint32_t count) {
    marks->few = 0;
    marks->count = count;
    marks->all = false;
    marks->words = count <= 64 ? &marks->few : calloc(oa_marks_words(count), sizeof(uint64_t));
    return marks->words != NULL;
}

static inline void oa_marks_close(struct oa_marks *marks) {
    if (marks->words != &marks->few) {
        free(marks->words);
    }
}

static inline void oa_marks_set(struct oa_marks *marks, uint32_t index) {
    marks->words[index / 64] |= (uint64_t)1 << (index % 64);
}

static inline bool oa_marks_has(const struct oa_marks *marks, uint32_t index) {
    return marks->all || (marks->words[index / 64] >> (index % 64) & 1) != 0;
}

/* Both are of the same count. */
static inline void oa_marks_merge(struct oa_marks *into, const struct oa_marks *from) {
    into->all = into->all || from->all;
    for (uint32_t i = 0; i < oa_marks_words(into->count); i++) {
        into->words[i] |= from->words[i];
    }
}

#endif
