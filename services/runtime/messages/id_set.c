/* Slots by multiplicative hashing, linear probing, gaps closed on removal. */
#include "id_set.h"

#include <assert.h>
#include <stdlib.h>

enum { CAPACITY_INITIAL = 1024 };

static size_t home_slot(int64_t id, size_t capacity) {
    return (size_t)(((uint64_t)id * UINT64_C(0x9E3779B97F4A7C15)) >> 20) & (capacity - 1);
}

/* The slot that holds `id`, or the free one where it would go. */
static size_t find_slot(const struct id_set *set, int64_t id) {
    size_t slot = home_slot(id, set->capacity);
    while (set->slots[slot].id != 0 && set->slots[slot].id != id) {
        slot = (slot + 1) & (set->capacity - 1);
    }
    return slot;
}

static enum err grow_set(struct id_set *set) {
    struct id_set bigger = { .capacity = set->capacity == 0 ? CAPACITY_INITIAL : set->capacity * 2,
                             .count = set->count };
    bigger.slots = calloc(bigger.capacity, sizeof(*bigger.slots));
    if (bigger.slots == NULL) {
        return ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < set->capacity; i++) {
        if (set->slots[i].id != 0) {
            bigger.slots[find_slot(&bigger, set->slots[i].id)] = set->slots[i];
        }
    }
    free(set->slots);
    *set = bigger;
    return ERR_OK;
}

enum err id_set_add(struct id_set *set, int64_t id, int64_t mark) {
    assert(id > 0);
    if ((set->count + 1) * 2 > set->capacity) {
        enum err err = grow_set(set);
        if (err != ERR_OK) {
            return err;
        }
    }
    size_t slot = find_slot(set, id);
    if (set->slots[slot].id == 0) {
        set->slots[slot] = (struct id_set_slot){ id, mark };
        set->count++;
    }
    return ERR_OK;
}

void id_set_remove(struct id_set *set, int64_t id) {
    if (set->capacity == 0) {
        return;
    }
    size_t hole = find_slot(set, id);
    if (set->slots[hole].id == 0) {
        return;
    }
    set->slots[hole].id = 0;
    set->count--;
    /* close the gap: whoever probed past the hole moves into it (Knuth 6.4, algorithm R) */
    size_t mask = set->capacity - 1;
    for (size_t slot = (hole + 1) & mask; set->slots[slot].id != 0; slot = (slot + 1) & mask) {
        size_t home = home_slot(set->slots[slot].id, set->capacity);
        if (((slot - home) & mask) >= ((slot - hole) & mask)) {
            set->slots[hole] = set->slots[slot];
            set->slots[slot].id = 0;
            hole = slot;
        }
    }
}

bool id_set_has(const struct id_set *set, int64_t id) {
    return set->capacity > 0 && set->slots[find_slot(set, id)].id == id;
}

int64_t id_set_mark(const struct id_set *set, int64_t id) {
    return id_set_has(set, id) ? set->slots[find_slot(set, id)].mark : 0;
}

void id_set_done(struct id_set *set) {
    free(set->slots);
    *set = (struct id_set){ 0 };
}
