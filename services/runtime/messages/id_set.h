/*
 * A set of positive ids, each with a mark: what a process has in hand. Open addressing, grows by
 * doubling; zeroed it is empty. Loop thread only.
 */
#ifndef RUNTIME_MESSAGES_ID_SET_H
#define RUNTIME_MESSAGES_ID_SET_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct id_set_slot {
    int64_t id; /* 0: free */
    int64_t mark;
};

struct id_set {
    struct id_set_slot *slots;
    size_t capacity; /* a power of two */
    size_t count;
};

/* ERR_NO_MEMORY: the set is as it was. Adding twice is harmless: the first mark stays. */
MUST_CHECK enum err id_set_add(struct id_set *set, int64_t id, int64_t mark);
/* Harmless when absent. */
void id_set_remove(struct id_set *set, int64_t id);
bool id_set_has(const struct id_set *set, int64_t id);
/* 0 when absent. */
int64_t id_set_mark(const struct id_set *set, int64_t id);
void id_set_done(struct id_set *set);

#endif
