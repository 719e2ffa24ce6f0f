/* A set of positive 64-bit ids: open addressing, grows by doubling. Loop thread only. */
#ifndef COMMON_ID_SET_H
#define COMMON_ID_SET_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct id_set {
    int64_t *slots;  /* 0: free */
    size_t capacity; /* a power of two */
    size_t count;
};

/* ERR_NO_MEMORY: the set is as it was. Adding twice is harmless. */
MUST_CHECK enum err id_set_add(struct id_set *set, int64_t id);
void id_set_remove(struct id_set *set, int64_t id); /* harmless when absent */
bool id_set_has(const struct id_set *set, int64_t id);
void id_set_done(struct id_set *set);

#endif
